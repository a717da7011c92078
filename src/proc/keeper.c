/*
 * keeper: between the database and the shared memory.
 *
 * Opens a stored key when a worker asks for a user, checks that it
 * belongs to that row, and seals it under the boot key.  Once a second
 * it reads what changed on any host and drops what is older, and writes
 * times of last use.  Holds the Fernet key ring; never the admin key.
 */
#include <errno.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "api/settings.h"
#include "base/clock.h"
#include "base/log.h"
#include "base/secret.h"
#include "proc/children.h"
#include "proc/keeper.h"
#include "proc/keeper_load.h"
#include "proc/signals.h"
#include "proc/title.h"
#include "share/apikeycache.h"
#include "store/apikeys.h"
#include "store/changes.h"
#include "store/pluginkeys.h"
#include "store/tokens.h"

#define TICK_MS			1000
#define OVERLAP_S		15
#define SEEN_MAX		4096	/* changes of the overlap */
#define USED_BATCH		512
#define PURGE_EVERY_MS		60000
#define PURGE_ROWS		1000
#define CHANGES_KEPT_S		3600
#define WHY_MAX			4096

static sigset_t wait_mask;

struct keeper {
	struct heritage	*h;
	const struct settings *settings;
	struct keeper_loader loader;
	int64_t		 next_tick_ms, next_purge_ms;
	uint64_t	 seen[SEEN_MAX];	/* ring of change ids */
	size_t		 n_seen;
	bool		 revoked_changed, primed;
	struct last_used used[USED_BATCH];
	size_t		 n_used;
	struct apikey_used key_used[USED_BATCH];
	size_t		 n_key_used;
};

static void
configure(struct keeper *k)
{
	const struct settings *s = k->settings;
	struct buf why = BUF_INIT(WHY_MAX);
	struct keyring *ring = keyring_parse(settings_str(s,
	    SET_PLUGIN_API_ENCRYPTION_KEY), &why);
	struct db_conf *conf = db_conf_parse(app_database_url(s,
	    ROLE_KEEPER), &why);

	if (ring == NULL || conf == NULL)
		fatalx("configuration: %s", buf_str(&why));
	k->loader = (struct keeper_loader){
		.db = db_create(conf, DB_KEEPER), .ring = ring,
		.bootkey = k->h->bootkey, .cache = k->h->cache,
		.counters = k->h->counters,
		.ttl_ms = settings_ms(s, SET_TENANT_TTL),
	};
	buf_free(&why);
}

static bool
seen_before(struct keeper *k, uint64_t id)
{
	size_t i, n = k->n_seen < SEEN_MAX ? k->n_seen : SEEN_MAX;

	for (i = 0; i < n; i++)
		if (k->seen[i] == id)
			return true;
	k->seen[k->n_seen++ % SEEN_MAX] = id;
	return false;
}

static void
drop(struct keeper *k, uint64_t ref)
{
	/* The lock is busy for a moment at most; what stays in ends with
	 * its lifetime. */
	if (tenantcache_drop(k->h->cache, ref) != 0 &&
	    tenantcache_drop(k->h->cache, ref) != 0)
		log_warnx("a cached entry could not be dropped");
}

static void
one_change(void *arg, uint64_t id, enum change_kind kind, uint64_t ref)
{
	struct keeper *k = arg;

	if (seen_before(k, id))
		return;
	if (kind == CHANGE_REVOKED)
		k->revoked_changed = true;
	else
		drop(k, ref);
}

static void
one_revoked(void *arg, const char *id, int64_t expires_s)
{
	struct keeper *k = arg;

	if (revoked_add(k->h->revoked, id, expires_s) != 0)
		log_errorx("no room for another ended session");
}

/* What changed on any host; ids are not commit-ordered, so the last
 * seconds are read again each time. */
static int
poll_changes(struct keeper *k)
{
	struct db *db = k->loader.db;

	if (change_list(db, OVERLAP_S, one_change, k) != 0)
		return -1;
	if (k->primed && !k->revoked_changed)
		return 0;
	if (revoked_list(db, k->primed ? OVERLAP_S : 0, one_revoked, k) != 0)
		return -1;
	k->primed = true;
	k->revoked_changed = false;
	return 0;
}

static int
one_used(void *arg, uint64_t ref, int64_t wall_us)
{
	struct keeper *k = arg;
	struct apikey_entry key;
	struct tenant t;

	if ((ref & APIKEYCACHE_SLOT_BIT) == 0) {
		if (k->n_used == USED_BATCH)
			return -1;
		k->used[k->n_used++] = (struct last_used){ ref, wall_us };
		return 0;
	}
	if (k->n_key_used == USED_BATCH)
		return -1;
	if (tenantcache_get(k->h->cache, ref, &t) == 1 &&
	    apikeycache_decode(&t, &key) == 0)
		k->key_used[k->n_key_used++] = (struct apikey_used){
		    key.apikey_id, wall_us };
	return 0;
}

/* Written in batches; what a dead database does not take stays in the
 * arrays for the next time. */
static int
flush_used(struct keeper *k)
{
	struct db *db = k->loader.db;

	do {
		tenantcache_take_used(k->h->cache, one_used, k);
		if (k->n_used > 0) {
			if (pluginkey_note_used(db, k->used, k->n_used) != 0)
				return -1;
			counters_add(k->h->counters, CNT_LAST_USED_WRITTEN,
			    k->n_used);
		}
		if (k->n_key_used > 0 &&
		    apikey_note_used(db, k->key_used, k->n_key_used) != 0)
			return -1;
		if (k->n_used < USED_BATCH && k->n_key_used < USED_BATCH) {
			k->n_used = k->n_key_used = 0;
			return 0;
		}
		k->n_used = k->n_key_used = 0;
	} while (!signals_term);
	return 0;
}

static void
purge(struct keeper *k, int64_t now)
{
	if (now < k->next_purge_ms)
		return;
	k->next_purge_ms = now + PURGE_EVERY_MS;
	revoked_sweep(k->h->revoked, clock_wall_s());
	if (tokens_purge(k->loader.db, PURGE_ROWS) != 0 ||
	    change_purge(k->loader.db, CHANGES_KEPT_S, PURGE_ROWS) != 0)
		log_warnx("purge: %s", db_fault_text(k->loader.db));
}

static void
tick(struct keeper *k)
{
	struct counters *n = k->h->counters;
	int64_t now = clock_mono_ms();
	bool up;

	__atomic_store_n(&n->keeper_seen_ms, now, __ATOMIC_RELAXED);
	if (keeper_loader_connect(&k->loader) != 0)
		return;
	up = poll_changes(k) == 0 && flush_used(k) == 0;
	keeper_loader_note(&k->loader, up);
	if (up)
		purge(k, now);
}

/* Waits for a question, the next tick or a signal; true: questions. */
static bool
wait_for_work(struct keeper *k)
{
	struct pollfd p = { .fd = k->h->keeper_fd, .events = POLLIN };
	int64_t left = k->next_tick_ms - clock_mono_ms();
	struct timespec ts = { 0, 0 };
	uint64_t n;

	if (left > 0)
		ts.tv_nsec = (left < TICK_MS ? left : TICK_MS - 1) * 1000000L;
	if (ppoll(&p, 1, &ts, &wait_mask) <= 0)
		return false;
	if (read(k->h->keeper_fd, &n, sizeof(n)) == -1 && errno != EAGAIN)
		log_warn("eventfd");
	return true;
}

void
keeper_run(struct heritage *h)
{
	static struct keeper k;

	k.h = h;
	signals_init_child(&wait_mask);
	k.settings = child_read_settings(h);
	configure(&k);
	title_set("keeper", "");
	tick(&k);
	child_ready(h, PROC_KEEPER);
	/* Questions may be older than this keeper, or half answered by one
	 * that died. */
	ask_requeue(h->scores);
	(void)ask_serve(h->scores, keeper_loader_answer, &k.loader);
	while (!signals_term) {
		bool asked = wait_for_work(&k);
		int64_t now = clock_mono_ms();

		/* A poke without a question says: something changed here. */
		if (asked && ask_serve(h->scores, keeper_loader_answer,
		    &k.loader) == 0)
			k.next_tick_ms = 0;
		if (now >= k.next_tick_ms) {
			tick(&k);
			k.next_tick_ms = now + TICK_MS;
		}
		if (signals_usr1) {
			signals_usr1 = 0;
			log_reopen();
		}
	}
	(void)flush_used(&k);
	_exit(0);
}
