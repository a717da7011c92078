/*
 * create: works on a claimed create job.
 *
 * Looks at the user, writes the intent, makes the one POST that cannot
 * be taken back, and hands a believed answer to bind.c, everything else
 * to failure.c.  Never repeats a call.
 */
#include "provision/registration_private.h"

#include <stdio.h>

#include "base/log.h"
#include "base/secret.h"
#include "provision/crashpoint.h"
#include "store/pluginkeys.h"
#include "store/users.h"

#define DISABLED_DELAY_MS	60000

static int64_t
disabled_delay_ms(const struct registration *r)
{
	return r->conf.backoff_cap_ms < DISABLED_DELAY_MS ?
	    r->conf.backoff_cap_ms : DISABLED_DELAY_MS;
}

int
lease_suffices(struct registration *r, const struct job *job)
{
	int64_t	 left_ms;

	if (job_lease_left_ms(r->conf.db, job, &left_ms) == -1)
		return -1;
	/* The call, and a twelfth of the lease to bind in. */
	return left_ms >= r->admin.total_ms +
	    (int64_t)r->conf.lease_s * 1000 / 12;
}

int
open_attempt(struct registration *r, const struct job *job,
    char ret_marker[MARKER_MAX + 1], uint64_t *ret_attempt_id)
{
	const struct marker	 marker = {
		.job_id = job->id, .fence = job->fence,
	};

	marker_make(&r->key, &marker, ret_marker);
	return attempt_open(r->conf.db, job, ret_marker, ret_attempt_id);
}

/*
 * May this user have an account now?  1 = go on, 0 = the job was looked
 * after, -1.
 */
static int
user_wants_account(struct registration *r, const struct job *job)
{
	struct user		 user;
	struct pluginkey	 key;
	int			 found;

	found = user_by_id(r->conf.db, job->user_id, &user);
	if (found == -1)
		return -1;
	if (found == 0)		/* deleted: what exists is swept */
		return job_finish(r->conf.db, job) == -1 ? -1 : 0;
	if (!user.is_active)
		return postpone(r, job, REASON_USER_DISABLED, "",
		    disabled_delay_ms(r));
	found = pluginkey_info(r->conf.db, job->user_id, &key);
	if (found == -1)
		return -1;
	if (found == 1)
		return job_finish(r->conf.db, job) == -1 ? -1 : 0;
	return 1;
}

/* A user who was disabled meanwhile has an enabled account now. */
static int
follow_user(struct registration *r, const struct job *job)
{
	struct user	 user;
	int		 found;

	found = user_by_id(r->conf.db, job->user_id, &user);
	if (found == 1 && !user.is_active)
		return job_queue(r->conf.db, job->user_id, JOB_STATUS,
		    0) == -1 ? -1 : 0;
	return found == -1 ? -1 : 0;
}

int
work_create(struct registration *r, const struct job *job)
{
	char			 marker[MARKER_MAX + 1];
	struct account		 account;
	struct admin_result	 result;
	uint64_t		 attempt_id;
	int			 rc;

	rc = user_wants_account(r, job);
	if (rc != 1)
		return rc;
	CRASHPOINT("user-checked");
	if (open_attempt(r, job, marker, &attempt_id) == -1)
		return -1;
	CRASHPOINT("intent-written");
	/* The last look before the call that cannot be taken back. */
	rc = lease_suffices(r, job);
	if (rc == -1)
		return -1;
	CRASHPOINT("lease-checked");
	if (rc == 0) {
		if (attempt_close(r->conf.db, attempt_id, "failed", 0,
		    NULL) == -1)
			return -1;
		return postpone(r, job, REASON_NONE, "", 0);
	}
	upstreamadmin_create(&r->admin, marker, &account, &result);
	CRASHPOINT("create-answered");
	if (result.outcome != ADMIN_OK)
		return handle_failure(r, job, attempt_id, &result);
	CRASHPOINT("create-judged");
	rc = seal_and_bind(r, job, &account, attempt_id, 0);
	wipe(&account, sizeof(account));
	return rc == 1 ? follow_user(r, job) : rc;
}
