/*
 * gateway: a worker's tools.
 */
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "api/gateway.h"
#include "base/clock.h"
#include "base/log.h"
#include "base/shm.h"
#include "base/xmalloc.h"

#define DB_TIMEOUT_MS		2000
#define KEEPER_WAIT_MS		2000
#define BOUND_POLL_MS		250
#define WHY_MAX			4096

static void
take_limits(struct gateway *g, const struct settings *s)
{
#define N(id)	(unsigned)settings_int(s, SET_##id)
	g->user_requests = N(USER_REQUESTS);
	g->user_streams = N(USER_STREAMS);
	g->user_rate = N(USER_RATE);
	g->user_burst = N(USER_BURST);
	g->stream_share = N(STREAM_SHARE);
	g->signin_rate = N(SIGNIN_RATE);
	g->workers_max = N(WORKERS_MAX);
	g->registration_wait_ms = (int)N(REGISTRATION_WAIT_MS);
	g->max_body = (uint64_t)settings_int(s, SET_MAX_BODY);
#undef N
}

/* The values were checked when the configuration was read: a failure
 * here is one of this program. */
static void
must(const void *p, const char *what, const struct buf *why)
{
	if (p == NULL)
		fatalx("%s: %s", what, buf_str(why));
}

struct gateway *
gateway_create(const struct settings *s, const struct gateway_shared *shared,
    struct score *self)
{
	struct gateway *g = xcalloc(1, sizeof(*g));
	struct buf why = BUF_INIT(WHY_MAX);
	const char *dir = settings_str(s, SET_DATA_DIR);

	g->shared = *shared;
	g->settings = s;
	g->self = self;
	take_limits(g, s);
	g->jwt = app_jwt_conf(s, &why);
	must(g->jwt, "JWT_SECRET_KEY", &why);
	g->sessions.jwt = g->jwt;
	g->sessions.refresh_ttl_s = (unsigned)settings_int(s,
	    SET_REFRESH_TOKEN_EXPIRE_DAYS) * 86400;
	g->providers = app_providers(s, &why);
	must(g->providers, "providers", &why);
	if (app_upstream_conf(s, &g->upstream, &why) != 0)
		fatalx("PLUGIN_API_BASE_URL: %s", buf_str(&why));
	app_httpc_conf(s, &g->httpc_conf);
	g->db_conf = db_conf_parse(app_database_url(s, ROLE_WORKER), &why);
	must(g->db_conf, "DATABASE_URL", &why);
	g->tools = (struct principal_tools){
		.jwt = g->jwt, .cache = shared->cache,
		.revoked = shared->revoked, .counters = shared->counters,
		.self = self, .keeper_fd = shared->keeper_fd,
		.ask_ms = KEEPER_WAIT_MS,
		.max_stale_ms = settings_ms(s, SET_MAX_STALE),
	};
	buf_init(&g->public_base, 2048);
	app_public_base(s, &g->public_base);
	g->public_https = strncmp(buf_str(&g->public_base), "https:", 6) == 0;
	g->data_dir = xstrdup(dir != NULL ? dir : PLUGWAY_DATADIR);
	buf_free(&why);
	return g;
}

void
gateway_free(struct gateway **pg)
{
	struct gateway *g = *pg;

	if (g == NULL)
		return;
	httpc_free(&g->httpc);
	httpc_free(&g->httpc_oauth);
	db_free(&g->db);
	db_conf_free(&g->db_conf);
	providers_free(&g->providers);
	jwt_conf_free(&g->jwt);
	url_base_free(&g->upstream.base);
	buf_free(&g->public_base);
	free(g->data_dir);
	free(g);
	*pg = NULL;
}

struct httpc *
gateway_httpc(struct gateway *g)
{
	if (g->httpc == NULL)
		g->httpc = httpc_create(&g->httpc_conf);
	return g->httpc;
}

struct httpc *
gateway_httpc_oauth(struct gateway *g)
{
	struct httpc_conf conf = g->httpc_conf;

	/* The upstream's own CA file says nothing about providers. */
	conf.ca_file = NULL;
	if (g->httpc_oauth == NULL)
		g->httpc_oauth = httpc_create(&conf);
	return g->httpc_oauth;
}

struct db *
gateway_db(struct gateway *g)
{
	if (g->db == NULL)
		g->db = db_create(g->db_conf, DB_WORKER);
	if (db_connect(g->db, DB_TIMEOUT_MS) != 0) {
		log_warnx("database: %s", db_fault_text(g->db));
		return NULL;
	}
	return g->db;
}

void
gateway_db_done(struct gateway *g)
{
	if (g->db != NULL)
		db_disconnect(g->db);
}

static void
poke(int fd)
{
	uint64_t one = 1;

	if (fd >= 0 && write(fd, &one, sizeof(one)) != sizeof(one))
		log_debug("eventfd is full");
}

void
gateway_poke_keeper(const struct gateway *g)
{
	poke(g->shared.keeper_fd);
}

void
gateway_poke_registrar(const struct gateway *g)
{
	poke(g->shared.registrar_fd);
}

int
gateway_wait_bound(struct gateway *g, uint64_t user_id, int ms,
    struct tenant *ret)
{
	uint32_t *seq = &g->shared.counters->bind_seq;
	int64_t deadline = clock_mono_ms() + ms;

	for (;;) {
		uint32_t seen = __atomic_load_n(seq, __ATOMIC_ACQUIRE);
		int64_t left;

		if (principal_tenant(&g->tools, user_id, true, ret) != 0)
			return -1;
		left = deadline - clock_mono_ms();
		if (ret->state != TENANT_PENDING || left <= 0)
			return 0;
		/* Another host's registrar wakes nobody here: look again. */
		(void)shm_wait(seq, seen,
		    (int)(left < BOUND_POLL_MS ? left : BOUND_POLL_MS));
	}
}
