/*
 * jobbind: the transactions that bind an upstream account to a user.
 *
 * Each begins with an UPDATE of the job that needs our fence and ends
 * with the unique keys of plugin_api_keys as the last judge.  What was
 * judged against us leaves no trace, and nothing is done at the
 * upstream from here.
 */
#include "base/buf.h"
#include "store/audit.h"
#include "store/changes.h"
#include "store/jobs.h"
#include "store/pluginkeys.h"
#include "store/run.h"

enum { FENCED_OUT = 1, JUDGED };

struct binding {
	const struct job *job;
	const struct bind *bind;
	bool		 is_rekey;
	uint32_t	 seen_gen;
};

/* 1 = written, 0 = another generation is there, -1. */
static int
write_key(struct db *db, const struct binding *b)
{
	const struct bind *bind = b->bind;

	if (b->is_rekey)
		return pluginkey_replace(db, b->job->user_id, b->seen_gen,
		    bind->plugin_user_id, bind->token, bind->mac,
		    bind->key_id, bind->key_gen);
	return pluginkey_insert(db, b->job->user_id, bind->plugin_user_id,
	    bind->token, bind->mac, bind->key_id, bind->key_gen) == -1 ? -1 : 1;
}

static int
note(struct db *db, enum audit_action action, uint64_t user_id,
    uint64_t job_id, const char *plugin_user_id, uint32_t key_gen)
{
	struct buf detail = BUF_INIT(AUDIT_DETAIL_MAX);
	int rc;

	buf_puts(&detail, "{\"plugin_user_id\":");
	buf_json_cstr(&detail, plugin_user_id);
	buf_printf(&detail, ",\"key_gen\":%u,\"job\":%llu}", key_gen,
	    (unsigned long long)job_id);
	rc = audit_note_user(db, action, user_id, buf_str(&detail));
	buf_free(&detail);
	return rc;
}

static int
bind_body(struct db *db, void *arg)
{
	const struct binding *b = arg;
	int n;

	n = db_exec(db, STMT_JOB_BOUND, A_STR(b->bind->plugin_user_id),
	    A_U64(b->job->id), A_U64(b->job->fence));
	if (n <= 0)
		return n == 0 ? FENCED_OUT : -1;
	n = write_key(db, b);
	if (n == -1)
		return db_fault(db) == DB_DUPLICATE ||
		    db_parent_missing(db) ? JUDGED : -1;
	if (n == 0)
		return FENCED_OUT;
	if (attempt_close(db, b->bind->attempt_id, "ok", 200,
	    b->bind->plugin_user_id) == -1 ||
	    change_note(db, CHANGE_KEY, b->job->user_id) == -1)
		return -1;
	return note(db, b->is_rekey ? AUDIT_KEY_RENEW : AUDIT_ACCOUNT_BIND,
	    b->job->user_id, b->job->id, b->bind->plugin_user_id,
	    b->bind->key_gen);
}

int
job_bind(struct db *db, const struct job *job, const struct bind *bind)
{
	struct binding b = { .job = job, .bind = bind };
	int rc = db_transaction(db, bind_body, &b);

	if (rc == JUDGED && db_exec(db, STMT_JOB_MOOT,
	    A_U64(job->id), A_U64(job->fence)) == -1)
		return -1;
	return rc == -1 ? -1 : rc == 0;
}

int
job_rebind(struct db *db, const struct job *job, const struct bind *bind,
    uint32_t seen_gen)
{
	struct binding b = { .job = job, .bind = bind, .is_rekey = true,
	    .seen_gen = seen_gen };
	int rc = db_transaction(db, bind_body, &b);

	return rc == -1 ? -1 : rc == 0;
}

static int
settle_body(struct db *db, void *arg)
{
	const struct binding *b = arg;
	struct db_rows rows = DB_ROWS_INIT;
	int rc;

	rc = db_select(db, &rows, STMT_JOB_SETTLE, A_U64(b->job->user_id),
	    A_STR(b->bind->token), A_U64(b->job->id),
	    A_U64(b->job->fence));
	if (rc == 0 && rows_next(&rows)) {
		if (rows_bool(&rows, 0))
			rc = 1;
		else
			rc = rows_bool(&rows, 1) ? 0 : 2;
	}
	return rows_end(db, &rows, rc);
}

int
job_settle(struct db *db, const struct job *job, const struct bind *bind)
{
	struct binding b = { .job = job, .bind = bind };

	return db_decide(db, settle_body, &b);
}

static int
turn_body(struct db *db, void *arg)
{
	const struct job *job = arg;
	int n;

	n = db_exec(db, STMT_JOB_FINISH, A_U64(job->id),
	    A_U64(job->fence));
	if (n <= 0)
		return n == 0 ? FENCED_OUT : -1;
	if (pluginkey_delete(db, job->user_id) == -1)
		return -1;
	n = db_exec(db, STMT_JOB_REQUEUE_CREATE, A_U64(job->user_id));
	if (n == 0)
		n = db_exec(db, STMT_JOB_INSERT,
		    A_STR(job_kind_name(JOB_CREATE)), A_U64(job->user_id));
	if (n == -1 || change_note(db, CHANGE_KEY, job->user_id) == -1)
		return -1;
	return audit_note_user(db, AUDIT_ACCOUNT_GONE, job->user_id, NULL);
}

int
job_turn_into_create(struct db *db, const struct job *job)
{
	struct job copy = *job;
	int rc = db_transaction(db, turn_body, &copy);

	return rc == -1 ? -1 : rc == 0;
}

struct adoption {
	uint64_t	 user_id;
	const char	*plugin_user_id, *token, *mac, *key_id;
};

static int
adopt_body(struct db *db, void *arg)
{
	const struct adoption *a = arg;

	if (db_exec(db, STMT_JOB_ADOPTED, A_STR(a->plugin_user_id),
	    A_U64(a->user_id)) == -1)
		return -1;
	if (pluginkey_insert(db, a->user_id, a->plugin_user_id, a->token,
	    a->mac, a->key_id, 1) == -1)
		return db_fault(db) == DB_DUPLICATE ? JUDGED : -1;
	if (change_note(db, CHANGE_KEY, a->user_id) == -1)
		return -1;
	return note(db, AUDIT_ACCOUNT_ADOPT, a->user_id, 0,
	    a->plugin_user_id, 1);
}

int
job_operator_adopt(struct db *db, uint64_t user_id,
    const char *plugin_user_id, const char *token, const char *mac,
    const char *key_id)
{
	struct adoption a = { user_id, plugin_user_id, token, mac, key_id };
	int rc = db_transaction(db, adopt_body, &a);

	return rc == -1 ? -1 : rc == 0;
}
