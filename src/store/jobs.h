/*
 * jobs: durable registration jobs and their attempts.
 *
 * A job is claimed by one compare-and-set UPDATE with a fence; leases
 * and delays are in the database's time.  Kinds: "create" (open an
 * account), "rekey" (the bound key is refused upstream), "status" (make
 * the upstream account follow users.is_active).  One row per user and
 * kind (unique).
 */
#ifndef STORE_JOBS_H
#define STORE_JOBS_H

#include <stdbool.h>
#include <stdint.h>

#include "store/db.h"

enum job_kind { JOB_CREATE, JOB_REKEY, JOB_STATUS, JOB_KIND_MAX };
enum job_state { JOB_READY, JOB_WORKING, JOB_DONE, JOB_HELD, JOB_STATE_MAX };

/* Why a job waits or is held; kept in the row, shown to the user. */
enum job_reason {
	REASON_NONE,
	REASON_UNREACHABLE,	/* the upstream cannot be reached */
	REASON_UPSTREAM_ERROR,	/* it answered nonsense, or 5xx */
	REASON_ADMIN_KEY,	/* it refused the admin key, or there is none */
	REASON_RATE,		/* it asked to slow down */
	REASON_REFUSED,		/* it refused this account (4xx) */
	REASON_UNKNOWN,		/* no answer: the outcome is not known */
	REASON_OPERATOR,	/* held by an operator */
	REASON_USER_DISABLED,
	REASON_MAX
};

struct job {
	uint64_t	 id, user_id;
	enum job_kind	 kind;
	enum job_state	 state;
	uint32_t	 fence;
	unsigned	 attempts;	/* since the last success or retry */
	unsigned	 unknowns;	/* unknown outcomes among them */
	enum job_reason	 reason;
	char		 detail[256];	/* one line for the operator */
	char		 owner[64];
	int64_t		 created_us, next_try_us, lease_until_us, updated_us;
	char		 plugin_user_id[65];	/* of a done create */
};

const char *job_kind_name(enum job_kind);
const char *job_state_name(enum job_state);
const char *job_reason_name(enum job_reason);	/* "upstream_unreachable" */
const char *job_reason_text(enum job_reason, bool chinese);

/* worker/keeper/operator: makes or re-readies a job; a rekey at most
 * once in min_interval_s.  1 = queued, 0 = there is one or too soon. */
int	 job_queue(struct db *, uint64_t user_id, enum job_kind,
	    unsigned min_interval_s);

/* registrar.  Ids of jobs that could be claimed now; returns the count. */
int	 job_candidates(struct db *, uint64_t *ret_ids, uint32_t *ret_fences,
	    size_t max);
/* 1 = claimed (fence and lease set in *ret), 0 = somebody else was
 * first, -1.  Claims and commits in one statement. */
int	 job_claim(struct db *, uint64_t id, uint32_t fence,
	    const char *owner, unsigned lease_s, struct job *ret);
/* Milliseconds left of our lease by the database's clock; 0 = lost. */
int	 job_lease_left_ms(struct db *, const struct job *, int64_t *ret);

/* The write-ahead intent, committed before the call. */
int	 attempt_open(struct db *, const struct job *, const char *marker,
	    uint64_t *ret_attempt_id);
/* state: "ok", "lost", "failed", "unknown". */
int	 attempt_close(struct db *, uint64_t attempt_id, const char *state,
	    int http_status, const char *plugin_user_id);

/*
 * Binds: one transaction that needs our fence, inserts the key row and
 * closes the attempt.  1 = bound, 0 = fenced out or judged by a unique
 * key (nothing changed), -1 failed; with DB_UNKNOWN_COMMIT call
 * job_settle.  A user who has a key already, or is gone, makes 0 too,
 * and the job is done then.
 */
struct bind {
	const char	*plugin_user_id, *token, *mac, *key_id;
	uint32_t	 key_gen;
	uint64_t	 attempt_id;
};
int	 job_bind(struct db *, const struct job *, const struct bind *);
/* Likewise for a rekey: replaces the key of generation seen_gen. */
int	 job_rebind(struct db *, const struct job *, const struct bind *,
	    uint32_t seen_gen);
/* After an unknown commit, by a decisive read: 1 = it is bound with our
 * fence, 0 = it is not and the job is still ours, 2 = fenced out, -1. */
int	 job_settle(struct db *, const struct job *, const struct bind *);
/* Done without binding (status jobs).  1/0 = fenced out/-1 */
int	 job_finish(struct db *, const struct job *);

/* Gives the job back, to be tried again after delay_ms; needs our
 * fence: 1, 0 = fenced out, -1.  counts: whether this was an attempt; unknown: its outcome is
 * not known. */
int	 job_release(struct db *, const struct job *, enum job_reason,
	    const char *detail, int64_t delay_ms, bool counts, bool unknown);
int	 job_hold(struct db *, const struct job *, enum job_reason,
	    const char *detail);
/* Writes why into all jobs that could be claimed now but are not, while
 * the upstream as a whole cannot be used. */
int	 job_note_waiting(struct db *, enum job_reason);
/* A rekey whose account is gone: unbinds and makes a create job, in one
 * transaction that needs the fence. */
int	 job_turn_into_create(struct db *, const struct job *);

/* Operator, sweeper, metrics. */
int	 job_get(struct db *, uint64_t id, struct job *ret);	/* 1/0/-1 */
int	 job_by_user(struct db *, uint64_t user_id, enum job_kind,
	    struct job *ret);
int	 job_list(struct db *, const char *state /* NULL: all */,
	    uint64_t after_id, unsigned limit,
	    void (*each)(void *, const struct job *), void *);
int	 job_operator_retry(struct db *, uint64_t id);	/* 1/0/-1 */
int	 job_operator_hold(struct db *, uint64_t id);
/* Queues a rekey: 1 = queued, 0 = there is one, -1. */
int	 job_operator_rekey(struct db *, uint64_t user_id);
/* Binds an existing upstream account (generation 1) to a user who has
 * none, and ends the user's job with a new fence.  1 = bound, 0 = judged
 * by a unique key, -1 */
int	 job_operator_adopt(struct db *, uint64_t user_id,
	    const char *plugin_user_id, const char *token, const char *mac,
	    const char *key_id);
struct job_totals {
	uint64_t	 ready, working, done, held;
	int64_t		 oldest_ready_s;	/* 0: none waits */
	uint64_t	 unknown;		/* attempts of unknown outcome */
	uint64_t	 orphans;		/* seen and not yet deleted */
};
int	 job_totals(struct db *, struct job_totals *ret);
/* Seconds since the youngest open attempt of the job began; -1: none
 * is open (then *ret is -1 and the result 0). */
int	 attempt_youngest_open_s(struct db *, uint64_t job_id, int64_t *ret);

/* Leases by name: one leader at a time.  1 = ours for lease_s, 0, -1 */
int	 lease_take(struct db *, const char *name, const char *owner,
	    unsigned lease_s);

/* What the sweeper saw, by our own clock (the database's). */
struct orphan {
	char		 plugin_user_id[65];
	char		 marker[101];
	int64_t		 first_seen_s;		/* age, in seconds */
	bool		 disabled, deleted;
	int64_t		 disabled_s;		/* age; -1: not disabled */
};
int	 orphan_see(struct db *, const char *plugin_user_id,
	    const char *marker, struct orphan *ret);	/* insert or read */
int	 orphan_note_disabled(struct db *, const char *plugin_user_id);
int	 orphan_note_deleted(struct db *, const char *plugin_user_id);
/* One of both, after our own call to the upstream, with a row of the
 * audit log. */
int	 orphan_swept(struct db *, const char *plugin_user_id,
	    const char *marker, bool deleted);
int	 orphan_forget(struct db *, const char *plugin_user_id);
int	 orphan_list(struct db *, void (*each)(void *, const struct orphan *),
	    void *);

#endif
