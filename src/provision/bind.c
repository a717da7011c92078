/*
 * bind: from an api key in memory to an account that is bound.
 *
 * The database alone decides: a unique key and the fence let one
 * account through.  When a commit's fate is unknown it is asked until
 * it answers; giving up is safe at any point, for what is not bound is
 * garbage for the sweeper.  The key is sealed before the first try and
 * lies nowhere in the clear while we wait.
 */
#include "provision/registration_private.h"

#include <string.h>

#include "base/clock.h"
#include "base/log.h"
#include "base/shm.h"
#include "provision/crashpoint.h"
#include "store/pluginkeys.h"

#define BIND_PATIENCE_MS	(10 * 60 * 1000)
#define BIND_WAIT_BASE_MS	100
#define BIND_WAIT_CAP_MS	2000

enum ending { ENDED_BOUND, ENDED_FENCED, ENDED_ABANDONED };

static enum ending
bind_once(struct registration *r, const struct job *job,
    const struct bind *bind, uint32_t seen_gen, bool *ret_again)
{
	int	 rc;

	CRASHPOINT("bind-before");
	*ret_again = false;
	rc = seen_gen == 0 ? job_bind(r->conf.db, job, bind) :
	    job_rebind(r->conf.db, job, bind, seen_gen);
	if (rc == 1)
		return ENDED_BOUND;
	if (rc == 0)
		return ENDED_FENCED;
	*ret_again = db_fault(r->conf.db) != DB_WRONG;
	LOG_EVENT(LOG_LEVEL_WARN, "bind_failed", LOG_N("job", job->id),
	    LOG_N("user", job->user_id),
	    LOG_S("text", db_fault_text(r->conf.db)));
	return ENDED_ABANDONED;
}

/* Tries, and asks, until the database has decided. */
static enum ending
bind_until_decided(struct registration *r, const struct job *job,
    const struct bind *bind, uint32_t seen_gen)
{
	int64_t		 deadline = clock_mono_ms() + BIND_PATIENCE_MS;
	enum ending	 ending;
	unsigned	 n = 0;
	bool		 again;
	int		 settled;

	for (;;) {
		ending = bind_once(r, job, bind, seen_gen, &again);
		if (!again)
			return ending;
		CRASHPOINT("bind-unknown");
		do {
			if (stopping(r) || clock_mono_ms() > deadline)
				return ENDED_ABANDONED;
			pause_ms(r, backoff_ms(n++, BIND_WAIT_BASE_MS,
			    BIND_WAIT_CAP_MS));
			settled = job_settle(r->conf.db, job, bind);
		} while (settled == -1);
		if (settled == 1)
			return ENDED_BOUND;
		if (settled == 2)
			return ENDED_FENCED;
	}
}

static void
tell_bound(struct registration *r, const struct job *job,
    const struct bind *bind)
{
	struct counters	*counters = r->conf.counters;

	count(r, CNT_REG_DONE);
	r->unknown_run = 0;
	if (counters != NULL) {
		(void)__atomic_add_fetch(&counters->bind_seq, 1,
		    __ATOMIC_RELEASE);
		shm_wake(&counters->bind_seq);
	}
	LOG_EVENT(LOG_LEVEL_INFO, "account_bound", LOG_N("job", job->id),
	    LOG_N("user", job->user_id),
	    LOG_S("kind", job_kind_name(job->kind)),
	    LOG_N("fence", job->fence), LOG_N("key_gen", bind->key_gen),
	    LOG_S("plugin_user_id", bind->plugin_user_id));
}

/*
 * Somebody else has the job, or a unique key said no.  In the first
 * case the release below does nothing, for it needs our fence.
 */
static int
after_fence(struct registration *r, const struct job *job,
    const struct bind *bind)
{
	count(r, CNT_REG_FENCED);
	registration_want_sweep(r);
	LOG_EVENT(LOG_LEVEL_WARN, "bind_refused", LOG_N("job", job->id),
	    LOG_N("user", job->user_id), LOG_N("fence", job->fence),
	    LOG_S("plugin_user_id", bind->plugin_user_id),
	    LOG_S("text", "fenced out; the account is left to the sweeper"));
	CRASHPOINT("bind-fenced");
	if (attempt_close(r->conf.db, bind->attempt_id, "lost", 200,
	    bind->plugin_user_id) == -1)
		return -1;
	return job_release(r->conf.db, job, REASON_UPSTREAM_ERROR,
	    "the account could not be bound", r->conf.backoff_base_ms, true,
	    false) == -1 ? -1 : 0;
}

int
seal_and_bind(struct registration *r, const struct job *job,
    const struct account *account, uint64_t attempt_id, uint32_t seen_gen)
{
	struct buf		 token = BUF_INIT(FERNET_TOKEN_MAX);
	char			 mac[BIND_MAC_TEXT_LEN + 1];
	const struct binding	 binding = {
		.user_id = job->user_id,
		.plugin_user_id = account->user_id,
		.key_gen = seen_gen + 1,
	};
	struct bind		 bind = {
		.plugin_user_id = account->user_id,
		.key_gen = seen_gen + 1,
		.attempt_id = attempt_id,
	};
	enum ending		 ending = ENDED_ABANDONED;
	int			 rc = 0;

	if (keyring_seal(r->conf.ring, &binding, account->api_key,
	    strlen(account->api_key), &token, mac) == 0) {
		CRASHPOINT("create-sealed");
		bind.token = buf_str(&token);
		bind.mac = mac;
		bind.key_id = keyring_id(r->conf.ring, 0);
		ending = bind_until_decided(r, job, &bind, seen_gen);
	}
	if (ending == ENDED_BOUND) {
		CRASHPOINT("bind-done");
		tell_bound(r, job, &bind);
		CRASHPOINT("bind-told");
		rc = 1;
	} else if (ending == ENDED_FENCED) {
		rc = after_fence(r, job, &bind);
	} else {
		/* The lease runs out, the job is claimed anew. */
		LOG_EVENT(LOG_LEVEL_ERROR, "bind_abandoned",
		    LOG_N("job", job->id), LOG_N("user", job->user_id),
		    LOG_S("plugin_user_id", account->user_id));
		registration_want_sweep(r);
		rc = -1;
	}
	buf_free(&token);
	return rc;
}
