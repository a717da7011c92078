/*
 * failure: what becomes of a job when a call did not do it.
 *
 * Tells faults of everybody (they shut the gate and cost the job
 * nothing) from faults of this job (counted, backed off, at last held),
 * and keeps calls of unknown outcome rare.
 */
#include "provision/registration_private.h"

#include <assert.h>
#include <string.h>

#include "base/log.h"
#include "provision/crashpoint.h"

/* Unknown outcomes in a row, of any jobs, before everybody is braked. */
#define UNKNOWN_RUN_MAX	3

struct verdict {
	const char	*attempt;	/* its closing state */
	enum job_reason	 reason;
	int64_t		 delay_ms;
	bool		 counts, unknown;
};

/* By the attempts that went before this one. */
static int64_t
job_backoff(const struct registration *r, const struct job *job)
{
	return backoff_ms(job->attempts > 0 ? job->attempts - 1 : 0,
	    r->conf.backoff_base_ms, r->conf.backoff_cap_ms);
}

static void
log_gate(const struct registration *r, const struct admin_result *result)
{
	LOG_EVENT(r->gate.state == GATE_RATE ? LOG_LEVEL_WARN :
	    LOG_LEVEL_ERROR, "registration_stopped",
	    LOG_S("state", gate_state_name(r->gate.state)),
	    LOG_N("http_status", result->status),
	    LOG_S("text", result->text),
	    LOG_S("advice", r->gate.state == GATE_KEY_REFUSED ?
	    "the upstream refuses PLUGIN_API_ADMIN_KEY; jobs wait" :
	    "jobs wait; it goes on by itself when the upstream is back"));
}

static void
shut(struct registration *r, const struct admin_result *result)
{
	enum gate_state	 state = gate_of_outcome(result->outcome);
	bool		 news = r->gate.state != state;

	if (state == GATE_OPEN)
		return;
	gate_shut(&r->gate, state, result->retry_after_ms);
	if (news)
		log_gate(r, result);
}

/*
 * An answer that leaves open what was done.  It counts against the job
 * only when the upstream is otherwise in order: an outage must not use
 * up everybody's attempts.
 */
static void
judge_unknown(struct registration *r, const struct job *job,
    const struct admin_result *result, struct verdict *ret)
{
	struct admin_result	 store;
	unsigned		 n = job->unknowns + 1;

	ret->attempt = "unknown";
	ret->unknown = true;
	ret->reason = result->status == 0 ? REASON_UNKNOWN :
	    REASON_UPSTREAM_ERROR;
	/* Never more than unknowns_max in one window. */
	ret->delay_ms = n % r->conf.unknowns_max == 0 ?
	    (int64_t)r->conf.unknown_window_s * 1000 :
	    job_backoff(r, job);
	count(r, CNT_REG_UNKNOWN);
	registration_want_sweep(r);

	upstreamadmin_check_store(&r->admin, &store);
	ret->counts = store.outcome == ADMIN_OK;
	r->unknown_run++;
	if (!ret->counts) {
		shut(r, &store);
	} else if (r->unknown_run >= UNKNOWN_RUN_MAX) {
		gate_brake(&r->gate, GATE_ERRORS,
		    r->unknown_run - UNKNOWN_RUN_MAX);
		if (r->unknown_run == UNKNOWN_RUN_MAX)
			log_gate(r, result);
	}
}

/* A 401 or 403: is it the key, or only this call? */
static void
judge_refused(struct registration *r, const struct job *job,
    const struct admin_result *result, struct verdict *ret)
{
	struct admin_result	 check;

	upstreamadmin_check_key(&r->admin, &check);
	if (check.outcome == ADMIN_OK) {
		ret->counts = true;
		ret->delay_ms = job_backoff(r, job);
		return;
	}
	ret->reason = REASON_ADMIN_KEY;
	shut(r, check.outcome == ADMIN_REFUSED ? result : &check);
}

static void
judge(struct registration *r, const struct job *job,
    const struct admin_result *result, struct verdict *ret)
{
	*ret = (struct verdict){
		.attempt = "failed", .reason = REASON_REFUSED,
		.delay_ms = r->conf.backoff_base_ms,
	};
	switch (result->outcome) {
	case ADMIN_NOT_EXECUTED:
		ret->reason = REASON_UNREACHABLE;
		shut(r, result);
		break;
	case ADMIN_RATE:
		ret->reason = REASON_RATE;
		ret->delay_ms = result->retry_after_ms;
		shut(r, result);
		break;
	case ADMIN_REFUSED:
		judge_refused(r, job, result, ret);
		break;
	case ADMIN_UNKNOWN:
		judge_unknown(r, job, result, ret);
		break;
	default:
		ret->counts = true;
		ret->delay_ms = job_backoff(r, job);
		break;
	}
}

static void
log_failure(const struct job *job, const struct verdict *verdict,
    const struct admin_result *result, bool held)
{
	LOG_EVENT(held ? LOG_LEVEL_ERROR : LOG_LEVEL_WARN,
	    held ? "registration_held" : "registration_failed",
	    LOG_N("job", job->id), LOG_N("user", job->user_id),
	    LOG_S("kind", job_kind_name(job->kind)),
	    LOG_N("fence", job->fence),
	    LOG_N("attempts", job->attempts),
	    LOG_S("outcome", admin_outcome_name(result->outcome)),
	    LOG_S("reason", job_reason_name(verdict->reason)),
	    LOG_S("text", result->text),
	    LOG_N("retry_in_ms", held ? 0 : verdict->delay_ms));
}

int
handle_failure(struct registration *r, const struct job *job,
    uint64_t attempt_id, const struct admin_result *result)
{
	struct verdict	 verdict;
	bool		 held;
	int		 rc;

	assert(result->outcome != ADMIN_OK);
	count(r, CNT_REG_FAILED);
	judge(r, job, result, &verdict);
	held = verdict.counts && job->attempts >= r->conf.attempts_max;
	log_failure(job, &verdict, result, held);
	if (attempt_id != 0 && attempt_close(r->conf.db, attempt_id,
	    verdict.attempt, result->status, NULL) == -1)
		return -1;
	CRASHPOINT("failure-before-release");
	rc = held ?
	    job_hold(r->conf.db, job, verdict.reason, result->text) :
	    job_release(r->conf.db, job, verdict.reason, result->text,
	    verdict.delay_ms, verdict.counts, verdict.unknown);
	CRASHPOINT("failure-after-release");
	return rc == -1 ? -1 : 0;
}

int
postpone(struct registration *r, const struct job *job,
    enum job_reason reason, const char *detail, int64_t delay_ms)
{
	return job_release(r->conf.db, job, reason, detail, delay_ms, false,
	    false) == -1 ? -1 : 0;
}
