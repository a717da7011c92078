/*
 * registrar: the process around provision/registration.
 *
 * The only process that holds the admin key.  Reads no client's bytes.
 */
#include <errno.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "api/settings.h"
#include "base/clock.h"
#include "base/codec.h"
#include "base/log.h"
#include "base/xmalloc.h"
#include "proc/children.h"
#include "proc/registrar.h"
#include "proc/signals.h"
#include "proc/title.h"
#include "provision/registration.h"

#define CONNECT_TIMEOUT_MS	3000
#define RETRY_MS		1000
#define LOOK_MAX_MS		1000	/* health wants a sign of life */
#define WHY_MAX			4096

static sigset_t wait_mask;

struct registrar {
	struct heritage	*h;
	const struct settings *settings;
	struct registration_conf conf;
	struct registration *work;
	struct url_base	 base;
	struct secret	 admin_key;
	struct keyring	*ring;
	struct db_conf	*db_conf;
};

/* host:pid:random; a host name says where to look, the rest makes it
 * unique over restarts. */
static char *
make_owner(void)
{
	char host[33] = "", random[12];

	(void)gethostname(host, sizeof(host) - 1);
	random_token(6, random);
	return xasprintf("%s:%ld:%s", host, (long)getpid(), random);
}

static void
configure(struct registrar *r)
{
	const struct settings *s = r->settings;
	const char *key = settings_str(s, SET_PLUGIN_API_ADMIN_KEY);
	struct buf why = BUF_INIT(WHY_MAX);
	struct httpc_conf http;

	r->ring = keyring_parse(settings_str(s,
	    SET_PLUGIN_API_ENCRYPTION_KEY), &why);
	r->db_conf = db_conf_parse(app_database_url(s, ROLE_REGISTRAR), &why);
	if (r->ring == NULL || r->db_conf == NULL || url_base_parse(
	    settings_str(s, SET_PLUGIN_API_BASE_URL), &r->base, &why) != 0)
		fatalx("configuration: %s", buf_str(&why));
	if (key != NULL)
		secret_set(&r->admin_key, key, strlen(key));
	app_httpc_conf(s, &http);
	http.connect_timeout_ms = CONNECT_TIMEOUT_MS;
	r->conf = (struct registration_conf){
		.db = db_create(r->db_conf, DB_REGISTRAR), .ring = r->ring,
		.http = httpc_create(&http), .base = &r->base,
		.admin_key = key != NULL ? &r->admin_key : NULL,
		.counters = r->h->counters, .stop = &signals_term,
		.owner = make_owner(),
		.lease_s = (unsigned)(settings_ms(s, SET_LEASE) / 1000),
		.attempt_grace_s = (unsigned)(settings_ms(s,
		    SET_ATTEMPT_GRACE) / 1000),
		.sweep_interval_s = (unsigned)((settings_ms(s,
		    SET_SWEEP_INTERVAL) + 999) / 1000),
		.quarantine_s = (unsigned)(settings_ms(s, SET_QUARANTINE) /
		    1000),
	};
	buf_free(&why);
}

/* Waits ms, or until a job was announced or a signal came. */
static void
wait_for_work(const struct registrar *r, int ms)
{
	struct pollfd p = { .fd = r->h->registrar_fd, .events = POLLIN };
	struct timespec ts = { ms / 1000, ms % 1000 * 1000000L };
	uint64_t n;

	if (ppoll(&p, 1, &ts, &wait_mask) > 0 &&
	    read(r->h->registrar_fd, &n, sizeof(n)) == -1 &&
	    errno != EAGAIN)
		log_warn("eventfd");
}

static int
step(struct registrar *r)
{
	struct buf why = BUF_INIT(WHY_MAX);
	int ms;

	if (r->work == NULL) {
		r->work = registration_create(&r->conf, &why);
		if (r->work == NULL)
			log_warnx("%s", buf_str(&why));
		buf_free(&why);
		return r->work == NULL ? RETRY_MS : 0;
	}
	ms = registration_step(r->work);
	return ms < 0 || ms > LOOK_MAX_MS ? LOOK_MAX_MS : ms;
}

void
registrar_run(struct heritage *h)
{
	struct registrar r = { .h = h };

	signals_init_child(&wait_mask);
	r.settings = child_read_settings(h);
	configure(&r);
	title_set("registrar", "");
	child_ready(h, PROC_REGISTRAR);
	while (!signals_term) {
		int ms;

		__atomic_store_n(&h->counters->registrar_seen_ms,
		    clock_mono_ms(), __ATOMIC_RELAXED);
		ms = step(&r);
		signals_poll(&wait_mask);
		if (ms > 0 && !signals_term)
			wait_for_work(&r, ms);
		if (signals_usr1) {
			signals_usr1 = 0;
			log_reopen();
		}
	}
	registration_free(&r.work);
	_exit(0);
}
