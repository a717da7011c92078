/*
 * repair: keys that the upstream refuses, and accounts that must follow
 * their user.
 *
 * A rekey asks the upstream for a new key under the fence; the old one
 * is dead then, and so would be the new one if its answer were lost:
 * the next 401 asks again.  An account that is gone is replaced by a
 * new one.  Status jobs make the account as active as its user.
 */
#include "provision/registration_private.h"

#include <string.h>

#include "base/log.h"
#include "base/secret.h"
#include "provision/crashpoint.h"
#include "store/pluginkeys.h"
#include "store/users.h"

/* Somebody deleted the account at the upstream: with it all that the
 * user kept there is lost, so this is an alarm. */
static int
replace_account(struct registration *r, const struct job *job,
    const struct pluginkey *key, uint64_t attempt_id)
{
	CRASHPOINT("rekey-gone");
	LOG_EVENT(LOG_LEVEL_ERROR, "account_gone", LOG_N("job", job->id),
	    LOG_N("user", job->user_id),
	    LOG_S("plugin_user_id", key->plugin_user_id),
	    LOG_S("advice", "the upstream does not know this bound account "
	    "any more; a new one is opened"));
	if (attempt_close(r->conf.db, attempt_id, "failed", 500,
	    key->plugin_user_id) == -1)
		return -1;
	if (job_turn_into_create(r->conf.db, job) == -1)
		return -1;
	CRASHPOINT("rekey-turned");
	return 0;
}

/* Regenerates and binds.  1 = the new key is bound, 0, -1. */
static int
renew_key(struct registration *r, const struct job *job,
    const struct pluginkey *key)
{
	char			 marker[MARKER_MAX + 1];
	struct account		 account;
	struct admin_result	 result;
	uint64_t		 attempt_id;
	int			 rc;

	if (open_attempt(r, job, marker, &attempt_id) == -1)
		return -1;
	CRASHPOINT("rekey-intent-written");
	rc = lease_suffices(r, job);
	if (rc != 1) {
		if (rc == 0)
			rc = attempt_close(r->conf.db, attempt_id, "failed",
			    0, NULL);
		return rc == -1 ? -1 : postpone(r, job, REASON_NONE, "", 0);
	}
	upstreamadmin_regenerate(&r->admin, key->plugin_user_id, &account,
	    &result);
	CRASHPOINT("rekey-answered");
	if (result.outcome == ADMIN_GONE)
		return replace_account(r, job, key, attempt_id);
	if (result.outcome != ADMIN_OK)
		return handle_failure(r, job, attempt_id, &result);
	CRASHPOINT("rekey-sealed");
	rc = seal_and_bind(r, job, &account, attempt_id, key->key_gen);
	wipe(&account, sizeof(account));
	return rc;
}

int
work_rekey(struct registration *r, const struct job *job)
{
	struct pluginkey	 key;
	int			 found, rc;

	found = pluginkey_info(r->conf.db, job->user_id, &key);
	if (found == -1)
		return -1;
	if (found == 0)		/* nothing is bound: nothing to repair */
		return job_finish(r->conf.db, job) == -1 ? -1 : 0;
	rc = renew_key(r, job, &key);
	if (rc != 1)
		return rc;
	CRASHPOINT("rekey-before-status");
	/* The old key may have been refused because the account is off. */
	return job_queue(r->conf.db, job->user_id, JOB_STATUS, 0) == -1 ?
	    -1 : 0;
}

/* Is the user to be active?  1/0; a user that is gone is not. -1 */
static int
user_active(struct registration *r, uint64_t user_id)
{
	struct user	 user;
	int		 found;

	found = user_by_id(r->conf.db, user_id, &user);
	return found == 1 ? user.is_active : found;
}

/* Who changed the user meanwhile has queued the job again: it is left
 * ready then (store/jobs). */
static int
finish_status(struct registration *r, const struct job *job)
{
	int	 rc = job_finish(r->conf.db, job);

	CRASHPOINT("status-done");
	return rc == -1 ? -1 : 0;
}

int
work_status(struct registration *r, const struct job *job)
{
	struct pluginkey	 key;
	struct admin_result	 result;
	int			 found, active;

	found = pluginkey_info(r->conf.db, job->user_id, &key);
	if (found == -1)
		return -1;
	active = user_active(r, job->user_id);
	if (active == -1)
		return -1;
	if (found == 0)		/* create.c looks at the user itself */
		return finish_status(r, job);
	CRASHPOINT("status-before-call");
	upstreamadmin_set_status(&r->admin, key.plugin_user_id, active,
	    &result);
	CRASHPOINT("status-called");
	if (result.outcome != ADMIN_OK && result.outcome != ADMIN_GONE)
		return handle_failure(r, job, 0, &result);
	/* Gone: the next refused call repairs it. */
	LOG_EVENT(LOG_LEVEL_INFO, "account_status",
	    LOG_N("user", job->user_id), LOG_N("active", active),
	    LOG_S("outcome", admin_outcome_name(result.outcome)));
	return finish_status(r, job);
}
