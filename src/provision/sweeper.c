/*
 * sweeper: garbage collection of accounts that nobody holds a key to.
 *
 * While the list arrives only our database is asked and written (who is
 * bound, since when do we know this orphan); what is to be done is
 * noted, at most SWEEPER_CALLS_MAX of it.  Calls are made when the list
 * proved whole, each right behind a fresh look at the database.  Runs
 * in the registrar and in the operator's tool.
 */
#include "provision/sweeper.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

#include "base/codec.h"
#include "base/log.h"
#include "base/xmalloc.h"
#include "provision/crashpoint.h"
#include "store/jobs.h"
#include "store/pluginkeys.h"

#define SEEN_MAX	(256u * 1024)	/* orphans remembered in one run */

struct chore {
	char			 id[ACCOUNT_ID_MAX + 1];
	char			 marker[MARKER_MAX + 1];
	struct marker		 parsed;
	enum sweep_action	 action;
};

struct run {
	const struct sweeper	*s;
	bool			 dry_run, failed;
	void			(*report)(void *, const struct sweep_note *);
	void			*arg;
	struct sweep_totals	*totals;
	struct chore		 chore[SWEEPER_CALLS_MAX];
	size_t			 n_chores;
	/* hashes of the orphans that the list holds */
	uint64_t		*seen;
	size_t			 n_seen, cap_seen;
	unsigned char		 hash_key[16];
};

const char *
sweep_action_name(enum sweep_action action)
{
	static const char *const names[SWEEP_ACTION_MAX] = {
		[SWEEP_DISABLE] = "disable",
		[SWEEP_DELETE] = "delete",
		[SWEEP_QUARANTINED] = "quarantined",
		[SWEEP_IN_FLIGHT] = "in_flight",
		[SWEEP_NO_JOB] = "no_job",
		[SWEEP_CAPPED] = "capped",
	};

	assert(action < SWEEP_ACTION_MAX);
	return names[action];
}

static void
tell(const struct run *run, const char *id, const char *marker,
    enum sweep_action action, bool done, const char *text)
{
	const struct sweep_note	 note = {
		.plugin_user_id = id, .marker = marker, .action = action,
		.done = done, .text = text,
	};

	if (run->report != NULL)
		run->report(run->arg, &note);
}

static bool
stopping(const struct run *run)
{
	return run->s->stop != NULL && *run->s->stop != 0;
}

/*
 * May an attempt still bind this account?  1 = yes or perhaps, 0 = no
 * longer, -1 = the database failed, 2 = this database has no such job.
 */
static int
may_be_bound(const struct run *run, const struct marker *marker)
{
	struct db	*db = run->s->db;
	struct job	 job;
	int64_t		 age;
	int		 found;

	found = job_get(db, marker->job_id, &job);
	if (found != 1)
		return found == 0 ? 2 : -1;
	if (job.state == JOB_DONE)
		return 0;
	/* Binding needs this very fence in a job at work. */
	if (job.state == JOB_WORKING && job.fence == marker->fence)
		return 1;
	if (attempt_youngest_open_s(db, job.id, &age) == -1)
		return -1;
	return age != -1 && age <= (int64_t)run->s->attempt_grace_s;
}

static void
remember(struct run *run, const char *id)
{
	if (run->n_seen == SEEN_MAX)
		return;
	if (run->n_seen == run->cap_seen) {
		run->cap_seen = run->cap_seen == 0 ? 64 : run->cap_seen * 2;
		run->seen = xreallocarray(run->seen, run->cap_seen,
		    sizeof(run->seen[0]));
	}
	run->seen[run->n_seen++] = siphash24(run->hash_key, id, strlen(id));
}

static void
note_chore(struct run *run, const struct userlist_entry *entry,
    const struct marker *marker, enum sweep_action action)
{
	struct chore	*chore;

	if (run->n_chores == SWEEPER_CALLS_MAX) {
		run->totals->capped = true;
		tell(run, entry->user_id, entry->name, SWEEP_CAPPED, false,
		    "");
		return;
	}
	chore = &run->chore[run->n_chores++];
	memcpy(chore->id, entry->user_id, sizeof(chore->id));
	memcpy(chore->marker, entry->name, entry->name_len + 1);
	chore->parsed = *marker;
	chore->action = action;
}

/* An unbound account of ours that no attempt can bind any more. */
static int
judge_orphan(struct run *run, const struct userlist_entry *entry,
    const struct marker *marker)
{
	struct orphan	 orphan;
	bool		 ripe;

	run->totals->orphans++;
	if (orphan_see(run->s->db, entry->user_id, entry->name,
	    &orphan) == -1)
		return -1;
	CRASHPOINT("sweep-orphan-seen");
	if (entry->status != 0 || !orphan.disabled) {
		note_chore(run, entry, marker, SWEEP_DISABLE);
		return 0;
	}
	ripe = orphan.disabled_s >= (int64_t)run->s->quarantine_s;
	if (ripe)
		note_chore(run, entry, marker, SWEEP_DELETE);
	else
		tell(run, entry->user_id, entry->name, SWEEP_QUARANTINED,
		    false, "");
	return 0;
}

static int
look_at(struct run *run, const struct userlist_entry *entry)
{
	struct marker	 marker;
	int		 bound, open;

	if (!marker_parse(run->s->key, entry->name, entry->name_len, &marker))
		return 0;
	run->totals->ours++;
	bound = pluginkey_is_bound(run->s->db, entry->user_id);
	if (bound == 1)
		run->totals->bound++;
	if (bound != 0)
		return bound == 1 ? 0 : -1;
	remember(run, entry->user_id);
	open = may_be_bound(run, &marker);
	if (open == 0)
		return judge_orphan(run, entry, &marker);
	if (open == 2) {
		run->totals->no_job++;
		tell(run, entry->user_id, entry->name, SWEEP_NO_JOB, false,
		    "");
	} else if (open == 1) {
		tell(run, entry->user_id, entry->name, SWEEP_IN_FLIGHT,
		    false, "");
	}
	return open == -1 ? -1 : 0;
}

static int
each_listed(void *arg, const struct userlist_entry *entry)
{
	struct run	*run = arg;

	if (stopping(run) || look_at(run, entry) == -1) {
		run->failed = true;
		return 1;
	}
	return 0;
}

/* The last look before a call: still ours to remove?  1/0/-1 */
static int
still_garbage(struct run *run, const struct chore *chore)
{
	const struct sweeper	*s = run->s;
	struct orphan		 orphan;
	int			 rc;

	if (lease_take(s->db, SWEEPER_LEASE, s->owner, SWEEPER_LEASE_S) != 1)
		return -1;
	rc = may_be_bound(run, &chore->parsed);
	if (rc != 0)
		return rc == -1 ? -1 : 0;
	if (chore->action == SWEEP_DELETE) {
		if (orphan_see(s->db, chore->id, chore->marker,
		    &orphan) == -1)
			return -1;
		if (!orphan.disabled ||
		    orphan.disabled_s < (int64_t)s->quarantine_s)
			return 0;
	}
	/* last, so that nothing lies between this and the call */
	rc = pluginkey_is_bound(s->db, chore->id);
	return rc == -1 ? -1 : rc == 0;
}

static int
note_outcome(struct run *run, const struct chore *chore, bool gone)
{
	if (chore->action == SWEEP_DELETE || gone) {
		if (orphan_swept(run->s->db, chore->id, chore->marker,
		    true) == -1)
			return -1;
		run->totals->deleted++;
		CRASHPOINT("sweep-delete-noted");
		return 0;
	}
	if (orphan_swept(run->s->db, chore->id, chore->marker, false) == -1)
		return -1;
	run->totals->disabled++;
	CRASHPOINT("sweep-disable-noted");
	return 0;
}

/* 0, or -1 when the run must end. */
static int
do_chore(struct run *run, const struct chore *chore)
{
	struct admin_result	 result;
	int			 rc;

	if (run->dry_run) {
		tell(run, chore->id, chore->marker, chore->action, false,
		    "dry run");
		return 0;
	}
	rc = still_garbage(run, chore);
	if (rc != 1)
		return rc;
	if (chore->action == SWEEP_DISABLE) {
		CRASHPOINT("sweep-before-disable");
		upstreamadmin_set_status(run->s->admin, chore->id, 0,
		    &result);
		CRASHPOINT("sweep-disabled");
	} else {
		CRASHPOINT("sweep-before-delete");
		upstreamadmin_delete(run->s->admin, chore->id, &result);
		CRASHPOINT("sweep-deleted");
	}
	if (result.outcome != ADMIN_OK && result.outcome != ADMIN_GONE) {
		run->totals->failed++;
		tell(run, chore->id, chore->marker, chore->action, false,
		    result.text);
		/* One account may be odd; the rest may still work. */
		return result.outcome == ADMIN_REJECTED ? 0 : -1;
	}
	tell(run, chore->id, chore->marker, chore->action, true, "");
	return note_outcome(run, chore, result.outcome == ADMIN_GONE);
}

static int
compare_hashes(const void *a, const void *b)
{
	const uint64_t	 x = *(const uint64_t *)a, y = *(const uint64_t *)b;

	return x < y ? -1 : x > y;
}

/* Known orphans that left the list, or were bound after all. */
static void
each_known(void *arg, const struct orphan *orphan)
{
	struct run	*run = arg;
	const char	*id = orphan->plugin_user_id;
	uint64_t	 hash;

	if (orphan->deleted || run->failed)
		return;
	hash = siphash24(run->hash_key, id, strlen(id));
	if (run->n_seen > 0 && bsearch(&hash, run->seen, run->n_seen,
	    sizeof(run->seen[0]), compare_hashes) != NULL)
		return;
	/* note_chore's table is free by now: used for the known ones */
	if (run->n_chores < SWEEPER_CALLS_MAX)
		memcpy(run->chore[run->n_chores++].id, id,
		    sizeof(run->chore[0].id));
}

static int
settle_known(struct run *run)
{
	struct db	*db = run->s->db;
	size_t		 i;
	int		 bound, rc;

	if (run->dry_run || run->n_seen == SEEN_MAX)
		return 0;
	if (run->n_seen > 0)
		qsort(run->seen, run->n_seen, sizeof(run->seen[0]),
		    compare_hashes);
	run->n_chores = 0;
	if (orphan_list(db, each_known, run) == -1)
		return -1;
	for (i = 0; i < run->n_chores; i++) {
		bound = pluginkey_is_bound(db, run->chore[i].id);
		if (bound == -1)
			return -1;
		rc = bound == 1 ? orphan_forget(db, run->chore[i].id) :
		    orphan_note_deleted(db, run->chore[i].id);
		if (rc == -1)
			return -1;
	}
	return 0;
}

static void
alarm_if_needed(const struct sweep_totals *totals)
{
	if (totals->no_job > 0)
		LOG_EVENT(LOG_LEVEL_ERROR, "sweep_no_job",
		    LOG_N("accounts", totals->no_job),
		    LOG_S("advice", "accounts of ours whose jobs this "
		    "database does not know: was it restored from a backup, "
		    "or is it a copy? They are left alone"));
	if (totals->capped)
		LOG_EVENT(LOG_LEVEL_ERROR, "sweep_capped",
		    LOG_N("calls", SWEEPER_CALLS_MAX),
		    LOG_N("orphans", totals->orphans),
		    LOG_S("advice", "more orphans than one sweep removes; "
		    "the next one goes on. Look at plugwayctl sweep "
		    "--dry-run if this is unexpected"));
}

static int
work(struct run *run)
{
	const struct sweeper	*s = run->s;
	struct sweep_totals	*totals = run->totals;
	size_t			 i;

	upstreamadmin_list(s->admin, each_listed, run, &totals->listed,
	    &totals->list);
	CRASHPOINT("sweep-listed");
	if (totals->list.outcome != ADMIN_OK || run->failed)
		return -1;
	for (i = 0; i < run->n_chores; i++) {
		if (stopping(run) || do_chore(run, &run->chore[i]) == -1)
			return -1;
	}
	return settle_known(run);
}

int
sweeper_run(const struct sweeper *s, bool dry_run,
    void (*report)(void *, const struct sweep_note *), void *arg,
    struct sweep_totals *ret)
{
	struct run	*run;
	int		 rc = -1;

	memset(ret, 0, sizeof(*ret));
	if (!dry_run) {
		rc = lease_take(s->db, SWEEPER_LEASE, s->owner,
		    SWEEPER_LEASE_S);
		if (rc != 1)
			return rc;
	}
	CRASHPOINT("sweep-leading");
	ret->led = true;
	run = xcalloc(1, sizeof(*run));
	run->s = s;
	run->dry_run = dry_run;
	run->report = report;
	run->arg = arg;
	run->totals = ret;
	random_bytes(run->hash_key, sizeof(run->hash_key));
	rc = work(run);
	free(run->seen);
	free(run);
	alarm_if_needed(ret);
	CRASHPOINT("sweep-done");
	/* Whoever wants to sweep next need not wait for our lease. */
	if (!dry_run)
		(void)lease_take(s->db, SWEEPER_LEASE, s->owner, 0);
	return rc;
}
