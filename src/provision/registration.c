/*
 * registration: the registrar's loop, one step at a time.
 *
 * Decides what is next - a probe while the gate is shut, a job, a
 * sweep, nothing - and keeps the figures.  Called by proc/registrar and
 * by tests; must not fork, signal, or sleep for long.
 */
#include "provision/registration.h"

#include <assert.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "base/clock.h"
#include "base/log.h"
#include "base/xmalloc.h"
#include "provision/crashpoint.h"
#include "provision/installation.h"
#include "provision/registration_private.h"
#include "provision/sweeper.h"

#define TOTALS_EVERY_MS		5000
#define NOTE_EVERY_MS		2000
#define SWEEP_SOON_MS		30000
#define LIST_MS			120000
#define SHUT_LOOK_MS		1000

static int (*const work[JOB_KIND_MAX])(struct registration *,
    const struct job *) = {
	[JOB_CREATE] = work_create,
	[JOB_REKEY] = work_rekey,
	[JOB_STATUS] = work_status,
};

bool
stopping(const struct registration *r)
{
	return r->conf.stop != NULL && *r->conf.stop != 0;
}

void
pause_ms(const struct registration *r, int64_t ms)
{
	int64_t		 until = clock_mono_ms() + ms, left;
	struct timespec	 ts;

	while (!stopping(r) && (left = until - clock_mono_ms()) > 0) {
		if (left > 100)
			left = 100;
		ts.tv_sec = 0;
		ts.tv_nsec = left * 1000000;
		(void)nanosleep(&ts, NULL);
	}
}

void
count(struct registration *r, enum counter counter)
{
	if (r->conf.counters != NULL)
		counters_add(r->conf.counters, counter, 1);
}

static void
set_gauge(struct registration *r, enum gauge gauge, int64_t value)
{
	if (r->conf.counters != NULL)
		counters_set(r->conf.counters, gauge, value);
}

static void
fill_defaults(struct registration_conf *conf)
{
	int	 lease_ms;

	if (conf->lease_s == 0)
		conf->lease_s = 1;
	assert(conf->lease_s < 1000000);
	lease_ms = (int)conf->lease_s * 1000;
	if (conf->total_ms == 0)
		conf->total_ms = 30000;
	/* A call and its bind must fit into one lease. */
	if (conf->total_ms > lease_ms / 12 * 7)
		conf->total_ms = lease_ms / 12 * 7;
	if (conf->backoff_base_ms == 0)
		conf->backoff_base_ms = 1000;
	if (conf->backoff_cap_ms == 0)
		conf->backoff_cap_ms = 300000;
	if (conf->attempts_max == 0)
		conf->attempts_max = 8;
	if (conf->unknowns_max == 0)
		conf->unknowns_max = 3;
	if (conf->unknown_window_s == 0)
		conf->unknown_window_s = 3600;
	if (conf->idle_ms == 0)
		conf->idle_ms = 250;
	if (conf->refused_probe_ms == 0)
		conf->refused_probe_ms = GATE_REFUSED_PROBE_MS;
}

struct registration *
registration_create(const struct registration_conf *conf, struct buf *why)
{
	struct registration	*r = xcalloc(1, sizeof(*r));
	int64_t			 now = clock_mono_ms();

	r->conf = *conf;
	fill_defaults(&r->conf);
	if (installation_load(r->conf.db, r->conf.ring, &r->key, why) == -1) {
		free(r);
		return NULL;
	}
	gate_init(&r->gate);
	r->gate.refused_probe_ms = r->conf.refused_probe_ms;
	if (r->conf.admin_key == NULL || r->conf.admin_key->len == 0)
		gate_shut(&r->gate, GATE_NO_KEY, 0);
	r->admin = (struct upstreamadmin){
		.http = r->conf.http, .base = r->conf.base,
		.key = r->conf.admin_key, .total_ms = r->conf.total_ms,
		.list_ms = LIST_MS,
	};
	r->next_totals_ms = now;
	r->next_note_ms = now;
	/* A registrar that dies and comes back again and again must not
	 * list the upstream's users each time. */
	r->next_sweep_ms = now + (int64_t)r->conf.sweep_interval_s * 100;
	return r;
}

void
registration_free(struct registration **pr)
{
	if (*pr == NULL)
		return;
	explicit_bzero(*pr, sizeof(**pr));
	free(*pr);
	*pr = NULL;
}

const char *
registration_state_name(int gauge_registrar_state)
{
	if (gauge_registrar_state < 0 ||
	    gauge_registrar_state >= GATE_STATE_MAX)
		return "unknown";
	return gate_state_name((enum gate_state)gauge_registrar_state);
}

void
registration_want_sweep(struct registration *r)
{
	int64_t	 soon = (int64_t)r->conf.sweep_interval_s * 1000;

	if (soon > SWEEP_SOON_MS)
		soon = SWEEP_SOON_MS;
	soon += clock_mono_ms();
	if (soon < r->next_sweep_ms)
		r->next_sweep_ms = soon;
}

/* The database failed: how long to leave it alone. */
static int
db_failed(struct registration *r, const char *doing)
{
	if (r->db_failures == 0)
		LOG_EVENT(LOG_LEVEL_ERROR, "registrar_database",
		    LOG_S("doing", doing),
		    LOG_S("text", db_fault_text(r->conf.db)),
		    LOG_S("advice", "jobs wait and are not lost"));
	r->n_candidates = 0;
	r->db_failed = true;
	return (int)backoff_ms(r->db_failures++, 200, 3000);
}

static void
db_works(struct registration *r)
{
	if (r->db_failures > 0)
		LOG_EVENT(LOG_LEVEL_INFO, "registrar_database_back",
		    LOG_N("failures", r->db_failures));
	r->db_failures = 0;
}

/* 0, or -1 when the database failed. */
static int
write_figures(struct registration *r)
{
	struct job_totals	 totals;
	int64_t			 now = clock_mono_ms();

	set_gauge(r, GAUGE_REGISTRAR_STATE, r->gate.state);
	set_gauge(r, GAUGE_UPSTREAM_OK, r->gate.state != GATE_UNREACHABLE &&
	    r->gate.state != GATE_ERRORS);
	if (r->conf.counters != NULL)
		__atomic_store_n(&r->conf.counters->registrar_seen_ms, now,
		    __ATOMIC_RELAXED);
	if (now < r->next_totals_ms || r->conf.counters == NULL)
		return 0;
	if (job_totals(r->conf.db, &totals) == -1)
		return -1;
	r->next_totals_ms = now + TOTALS_EVERY_MS;
	set_gauge(r, GAUGE_REG_READY, (int64_t)totals.ready);
	set_gauge(r, GAUGE_REG_WORKING, (int64_t)totals.working);
	set_gauge(r, GAUGE_REG_DONE, (int64_t)totals.done);
	set_gauge(r, GAUGE_REG_HELD, (int64_t)totals.held);
	set_gauge(r, GAUGE_REG_OLDEST_S, totals.oldest_ready_s);
	set_gauge(r, GAUGE_ORPHANS, (int64_t)totals.orphans);
	return 0;
}

/* What is tried while the gate is shut; opens it when that works. */
static void
probe(struct registration *r)
{
	struct admin_result	 result = { .outcome = ADMIN_OK };
	enum gate_state		 state = r->gate.state, next;

	if (state == GATE_ERRORS)
		upstreamadmin_check_store(&r->admin, &result);
	else if (state != GATE_RATE)
		upstreamadmin_check_key(&r->admin, &result);
	if (result.outcome == ADMIN_OK) {
		gate_open(&r->gate);
		LOG_EVENT(LOG_LEVEL_INFO, "registration_goes_on",
		    LOG_S("was", gate_state_name(state)));
		return;
	}
	next = gate_of_outcome(result.outcome);
	/* A 4xx from the probe: not an upstream that we know. */
	if (next == GATE_OPEN)
		next = GATE_ERRORS;
	gate_shut(&r->gate, next, result.retry_after_ms);
	if (next != state)
		LOG_EVENT(LOG_LEVEL_ERROR, "registration_stopped",
		    LOG_S("state", gate_state_name(next)),
		    LOG_N("http_status", result.status),
		    LOG_S("text", result.text));
}

/* The gate is shut: say so in the waiting jobs, probe when it is time. */
static int
step_shut(struct registration *r)
{
	int64_t	 now = clock_mono_ms(), wait;

	if (now >= r->next_note_ms) {
		if (job_note_waiting(r->conf.db,
		    gate_reason(r->gate.state)) == -1)
			return db_failed(r, "noting why jobs wait");
		r->next_note_ms = now + NOTE_EVERY_MS;
	}
	wait = gate_probe_in_ms(&r->gate);
	if (wait == 0) {
		probe(r);
		return 0;
	}
	return wait == -1 || wait > SHUT_LOOK_MS ? SHUT_LOOK_MS : (int)wait;
}

static void
report_sweep(void *arg, const struct sweep_note *note)
{
	(void)arg;
	if (note->action != SWEEP_DISABLE && note->action != SWEEP_DELETE &&
	    note->action != SWEEP_NO_JOB)
		return;
	LOG_EVENT(note->done ? LOG_LEVEL_INFO : LOG_LEVEL_WARN, "sweep",
	    LOG_S("action", sweep_action_name(note->action)),
	    LOG_S("plugin_user_id", note->plugin_user_id),
	    LOG_S("marker", note->marker), LOG_S("text", note->text));
}

static void
sweep(struct registration *r)
{
	const struct sweeper	 sweeper = {
		.db = r->conf.db, .admin = &r->admin, .key = &r->key,
		.counters = r->conf.counters, .stop = r->conf.stop,
		.owner = r->conf.owner,
		.attempt_grace_s = r->conf.attempt_grace_s,
		.quarantine_s = r->conf.quarantine_s,
	};
	struct sweep_totals	 totals;
	int			 rc;

	rc = sweeper_run(&sweeper, false, report_sweep, NULL, &totals);
	r->next_sweep_ms = clock_mono_ms() +
	    (int64_t)r->conf.sweep_interval_s * 1000;
	if (!totals.led)
		return;
	LOG_EVENT(rc == 0 ? LOG_LEVEL_INFO : LOG_LEVEL_WARN, "sweep_done",
	    LOG_N("complete", rc == 0), LOG_N("listed", totals.listed),
	    LOG_N("ours", totals.ours), LOG_N("bound", totals.bound),
	    LOG_N("orphans", totals.orphans),
	    LOG_N("disabled", totals.disabled),
	    LOG_N("deleted", totals.deleted),
	    LOG_N("failed", totals.failed), LOG_S("text", totals.list.text));
}

/* 1 = claimed, 0 = no job is due, -1 */
static int
claim_next(struct registration *r, struct job *ret)
{
	size_t	 i;
	int	 n, rc;

	if (r->n_candidates == 0) {
		n = job_candidates(r->conf.db, r->candidate_id,
		    r->candidate_fence, CANDIDATES_MAX);
		if (n <= 0)
			return n;
		r->n_candidates = (size_t)n;
		CRASHPOINT("candidates-read");
	}
	while (r->n_candidates > 0 && !stopping(r)) {
		i = --r->n_candidates;
		rc = job_claim(r->conf.db, r->candidate_id[i],
		    r->candidate_fence[i], r->conf.owner, r->conf.lease_s,
		    ret);
		if (rc != 0)
			return rc;
	}
	return 0;
}

static int
step_open(struct registration *r)
{
	struct job	 job;
	bool		 sweep_due;
	int64_t		 late;
	int		 rc;

	late = clock_mono_ms() - r->next_sweep_ms;
	sweep_due = r->conf.sweep_interval_s > 0 && late >= 0;
	/* A backlog goes first, but not for ever. */
	rc = sweep_due && late >= (int64_t)r->conf.sweep_interval_s * 1000 ?
	    0 : claim_next(r, &job);
	if (rc == -1)
		return db_failed(r, "claiming a job");
	if (rc == 0 && sweep_due) {
		sweep(r);
		return 0;
	}
	if (rc == 0)
		return r->conf.idle_ms;
	CRASHPOINT("claim-done");
	if (work[job.kind](r, &job) == -1)
		return db_failed(r, "working on a job");
	return 0;
}

int
registration_step(struct registration *r)
{
	int	 wait;

	r->db_failed = false;
	if (write_figures(r) == -1)
		return db_failed(r, "counting jobs");
	wait = r->gate.state == GATE_OPEN ? step_open(r) : step_shut(r);
	if (!r->db_failed)
		db_works(r);
	return wait;
}
