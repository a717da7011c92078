/*
 * master_config: set-up, and reload by generations.
 */
#include <sys/eventfd.h>
#include <sys/mman.h>
#include <sys/stat.h>

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "api/settings.h"
#include "base/clock.h"
#include "base/log.h"
#include "base/shm.h"
#include "base/xmalloc.h"
#include "proc/master_private.h"
#include "proc/signals.h"

#define EXTRA_ROWS	16	/* keeper, registrar, two generations */
#define LIMITER_SLOTS	65536
#define REVOKED_SLOTS	65536
#define READY_MS	30000

void
master_log_open(struct master *m)
{
	struct log_conf conf;

	app_log_conf(m->room.full, &conf);
	if (log_open(&conf) != 0)
		log_warn("log %s", conf.target);
	/* Children reopen the file as themselves, by the common group. */
	if (m->ids.drop && strcmp(conf.target, "stderr") != 0 &&
	    strcmp(conf.target, "syslog") != 0 &&
	    (chown(conf.target, (uid_t)-1, m->ids.worker.gid) != 0 ||
	    chmod(conf.target, 0660) != 0))
		log_warn("log %s", conf.target);
}

static void
take_scale(struct master *m, const struct settings *s)
{
	struct scale *sc = &m->scale;

#define N(id)	(unsigned)settings_int(s, SET_##id)
	sc->max = N(WORKERS_MAX);
	sc->min = N(WORKERS_MIN) < sc->max ? N(WORKERS_MIN) : sc->max;
	sc->spare_min = N(WORKERS_SPARE_MIN) < sc->max ?
	    N(WORKERS_SPARE_MIN) : sc->max;
	sc->spare_max = N(WORKERS_SPARE_MAX) < sc->max ?
	    N(WORKERS_SPARE_MAX) : sc->max;
#undef N
	if (sc->spare_max < sc->spare_min)
		sc->spare_max = sc->spare_min;
	sc->batch = 1;
	/* The scoreboard was made for the first configuration. */
	if (m->n_rows != 0 && sc->max > m->n_rows - EXTRA_ROWS) {
		sc->max = (unsigned)(m->n_rows - EXTRA_ROWS);
		log_warnx("PLUGWAY_WORKERS_MAX is above what this process "
		    "was started with: %u until the next start", sc->max);
	}
}

/* The worker's part, in memory that workers share. */
static void
make_worker_image(struct master *m)
{
	m->h.settings = shm_map(SETTINGS_MAX, false);
	app_settings_filter(m->room.full, ROLE_WORKER, m->h.settings);
	(void)mprotect(m->h.settings, SETTINGS_MAX, PROT_READ);
}

static void
make_memory(struct master *m)
{
	const struct settings *s = m->room.full;
	size_t slots = (size_t)settings_int(s, SET_TENANT_SLOTS);
	struct heritage *h = &m->h;

	/* Twice: while a reload drains, two generations run. */
	m->n_rows = (size_t)m->scale.max * 2 + EXTRA_ROWS;
	m->child = xcalloc(m->n_rows, sizeof(*m->child));
	h->cache = tenantcache_init(shm_map(tenantcache_size(slots), false),
	    slots);
	h->scores = scoreboard_init(shm_map(scoreboard_size(m->n_rows),
	    false), m->n_rows);
	h->counters = shm_map(sizeof(*h->counters), false);
	h->revoked = revoked_init(shm_map(revoked_size(REVOKED_SLOTS),
	    false), REVOKED_SLOTS);
	h->user_limits = limiter_init(shm_map(limiter_size(LIMITER_SLOTS),
	    false), LIMITER_SLOTS);
	h->address_limits = limiter_init(shm_map(limiter_size(LIMITER_SLOTS),
	    false), LIMITER_SLOTS);
	h->breaker = breaker_init(shm_map(breaker_size(), false));
	h->bootkey_size = (size_t)sysconf(_SC_PAGESIZE);
	h->bootkey = shm_map(h->bootkey_size, true);
	bootkey_make(h->bootkey);
	(void)mprotect(h->bootkey, h->bootkey_size, PROT_READ);
}

static int
make_eventfd(void)
{
	int fd = eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC);

	if (fd == -1)
		fatal("eventfd");
	return fd;
}

int
master_configure(struct master *m, struct buf *faults)
{
	if (loader_load(&m->room, m->env_file, true, faults) != 0)
		return -1;
	if (identities_find(m->room.full, &m->ids, faults) != 0)
		return -1;
	take_scale(m, m->room.full);
	make_memory(m);
	m->h.keeper_fd = make_eventfd();
	m->h.registrar_fd = make_eventfd();
	m->h.master_fd = make_eventfd();
	m->h.generation = 1;
	m->h.master = getpid();
	make_worker_image(m);
	return 0;
}

/* The new generation's keeper and registrar, and enough workers. */
static int
start_generation(struct master *m, struct buf *faults)
{
	static const enum proc_role first[] = { PROC_KEEPER, PROC_REGISTRAR,
	    PROC_WORKER };
	size_t i;

	for (i = 0; i < sizeof(first) / sizeof(first[0]); i++) {
		int row = master_spawn(m, first[i]);

		if (row < 0 || master_wait_ready(m, row, READY_MS) != 0) {
			buf_printf(faults, "the new %s did not start\n",
			    proc_role_name(first[i]));
			return -1;
		}
	}
	return 0;
}

int
master_reload(struct master *m, struct buf *faults)
{
	struct settings *old_image = m->h.settings;
	struct settings *old_full = shm_map_private(SETTINGS_MAX);
	struct scale old_scale = m->scale;
	int rc = -1;

	memcpy(old_full, m->room.full, SETTINGS_MAX);
	if (loader_load(&m->room, m->env_file, true, faults) != 0)
		goto out;
	m->h.generation++;
	take_scale(m, m->room.full);
	make_worker_image(m);
	master_log_open(m);
	rc = start_generation(m, faults);
	if (rc == 0) {
		(void)munmap(old_image, SETTINGS_MAX);
		master_signal_all(m, PROC_ROLE_MAX, m->h.generation, SIGTERM);
		goto out;
	}
	/* Whatever of the new generation runs goes; the old one serves on,
	 * and older ones go on draining. */
	master_kill_generation(m, m->h.generation);
	m->h.generation--;
	(void)munmap(m->h.settings, SETTINGS_MAX);
	m->h.settings = old_image;
	memcpy(m->room.full, old_full, SETTINGS_MAX);
	m->scale = old_scale;
	master_log_open(m);
out:
	shm_unmap(old_full, SETTINGS_MAX, true);
	counters_add(m->h.counters, rc == 0 ? CNT_RELOADS :
	    CNT_RELOADS_FAILED, 1);
	return rc;
}
