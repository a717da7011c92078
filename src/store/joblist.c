/*
 * joblist: jobs as operators, the sweeper and the metrics see them.
 */
#include <stdio.h>
#include <string.h>

#include "store/audit.h"
#include "store/changes.h"
#include "store/job_row.h"
#include "store/jobs.h"
#include "store/run.h"

static int
one_job(struct db *db, struct db_rows *rows, int rc, struct job *ret)
{
	if (rc == 0 && rows_next(rows)) {
		job_from_row(rows, ret);
		rc = 1;
	}
	return rows_end(db, rows, rc);
}

int
job_get(struct db *db, uint64_t id, struct job *ret)
{
	struct db_rows rows = DB_ROWS_INIT;
	int rc = db_select(db, &rows, STMT_JOB_BY_ID, A_U64(id));

	return one_job(db, &rows, rc, ret);
}

int
job_by_user(struct db *db, uint64_t user_id, enum job_kind kind,
    struct job *ret)
{
	struct db_rows rows = DB_ROWS_INIT;
	int rc = db_select(db, &rows, STMT_JOB_BY_USER, A_U64(user_id),
	    A_STR(job_kind_name(kind)));

	return one_job(db, &rows, rc, ret);
}

int
job_list(struct db *db, const char *state, uint64_t after_id,
    unsigned limit, void (*each)(void *, const struct job *), void *arg)
{
	struct db_rows rows = DB_ROWS_INIT;
	struct job job;
	int rc;

	if (state == NULL)
		rc = db_select(db, &rows, STMT_JOB_LIST, A_U64(after_id),
		    A_U64(limit));
	else
		rc = db_select(db, &rows, STMT_JOB_LIST_STATE,
		    A_U64(after_id), A_STR(state), A_U64(limit));
	while (rc == 0 && rows_next(&rows)) {
		job_from_row(&rows, &job);
		each(arg, &job);
	}
	return rows_end(db, &rows, rc);
}

#define NO_SUCH_JOB	1

struct operation {
	uint64_t	 id;
	bool		 hold;
};

static int
operate_body(struct db *db, void *arg)
{
	const struct operation *op = arg;
	struct job job;
	char detail[64];
	int n;

	if (op->hold)
		n = db_exec(db, STMT_JOB_OPERATOR_HOLD,
		    A_I64(REASON_OPERATOR), A_U64(op->id));
	else
		n = db_exec(db, STMT_JOB_RETRY, A_U64(op->id));
	if (n == 1)
		n = job_get(db, op->id, &job);
	if (n <= 0)
		return n == 0 ? NO_SUCH_JOB : -1;
	if (change_note(db, CHANGE_JOB, job.user_id) == -1)
		return -1;
	(void)snprintf(detail, sizeof(detail), "{\"job\":%llu,"
	    "\"kind\":\"%s\"}", (unsigned long long)job.id,
	    job_kind_name(job.kind));
	return audit_note_user(db, op->hold ? AUDIT_JOB_HOLD :
	    AUDIT_JOB_RETRY, job.user_id, detail);
}

static int
rekey_body(struct db *db, void *arg)
{
	const uint64_t *user_id = arg;
	int n = job_queue(db, *user_id, JOB_REKEY, 0);

	if (n != 1)
		return n == 0 ? NO_SUCH_JOB : -1;
	return audit_note_user(db, AUDIT_KEY_REKEY, *user_id, NULL);
}

int
job_operator_rekey(struct db *db, uint64_t user_id)
{
	int rc = db_transaction(db, rekey_body, &user_id);

	return rc == -1 ? -1 : rc == 0;
}

int
job_operator_retry(struct db *db, uint64_t id)
{
	struct operation op = { .id = id };
	int rc = db_transaction(db, operate_body, &op);

	return rc == -1 ? -1 : rc == 0;
}

int
job_operator_hold(struct db *db, uint64_t id)
{
	struct operation op = { .id = id, .hold = true };
	int rc = db_transaction(db, operate_body, &op);

	return rc == -1 ? -1 : rc == 0;
}

int
job_totals(struct db *db, struct job_totals *ret)
{
	struct db_rows rows = DB_ROWS_INIT;
	struct job_totals t = { 0 };
	int rc = db_select(db, &rows, STMT_JOB_TOTALS);

	if (rc == 0 && rows_next(&rows)) {
		t.ready = rows_u64(&rows, 0);
		t.working = rows_u64(&rows, 1);
		t.done = rows_u64(&rows, 2);
		t.held = rows_u64(&rows, 3);
		t.oldest_ready_s = rows_i64(&rows, 4);
		t.unknown = rows_u64(&rows, 5);
		t.orphans = rows_u64(&rows, 6);
	}
	if (rows_end(db, &rows, rc) == -1)
		return -1;
	*ret = t;
	return 0;
}

int
attempt_youngest_open_s(struct db *db, uint64_t job_id, int64_t *ret)
{
	struct db_rows rows = DB_ROWS_INIT;
	int64_t age_s = -1;
	int rc = db_select(db, &rows, STMT_ATTEMPT_YOUNGEST, A_U64(job_id));

	if (rc == 0 && rows_next(&rows))
		age_s = rows_i64(&rows, 0);
	if (rows_end(db, &rows, rc) == -1)
		return -1;
	*ret = age_s;
	return 0;
}
