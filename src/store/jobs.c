/*
 * jobs: queueing, claiming and giving back.
 *
 * Whether a claim, a release or a finish counts is decided by the
 * affected rows of one UPDATE that names the fence; nothing is read
 * first and written back.  Binding is in jobbind.c, what operators and
 * metrics ask in joblist.c.
 */
#include <assert.h>
#include <string.h>

#include "base/codec.h"
#include "store/changes.h"
#include "store/job_row.h"
#include "store/jobs.h"
#include "store/run.h"

static const char *const kind_names[JOB_KIND_MAX] = {
	[JOB_CREATE] = "create",
	[JOB_REKEY] = "rekey",
	[JOB_STATUS] = "status",
};

static const char *const state_names[JOB_STATE_MAX] = {
	[JOB_READY] = "ready",
	[JOB_WORKING] = "working",
	[JOB_DONE] = "done",
	[JOB_HELD] = "held",
};

/* reason -> name, what the user is told in English and in Chinese */
static const struct {
	const char	*name, *en, *zh;
} reasons[REASON_MAX] = {
	[REASON_NONE] = { "none",
		"The account is being prepared.",
		"账户正在准备中。" },
	[REASON_UNREACHABLE] = { "upstream_unreachable",
		"The upstream service cannot be reached.",
		"无法连接上游服务。" },
	[REASON_UPSTREAM_ERROR] = { "upstream_error",
		"The upstream service answered with an error.",
		"上游服务返回了错误。" },
	[REASON_ADMIN_KEY] = { "admin_key_refused",
		"The upstream service does not accept the admin key.",
		"上游服务不接受管理密钥。" },
	[REASON_RATE] = { "upstream_rate_limited",
		"The upstream service asked to slow down.",
		"上游服务要求降低请求频率。" },
	[REASON_REFUSED] = { "account_refused",
		"The upstream service refused this account.",
		"上游服务拒绝了该账户。" },
	[REASON_UNKNOWN] = { "outcome_unknown",
		"The upstream service did not answer in time.",
		"上游服务未及时响应。" },
	[REASON_OPERATOR] = { "held_by_operator",
		"An operator has put this registration on hold.",
		"管理员已暂停此注册。" },
	[REASON_USER_DISABLED] = { "user_disabled",
		"The account is disabled.",
		"账户已被停用。" },
};

const char *
job_kind_name(enum job_kind kind)
{
	assert(kind < JOB_KIND_MAX);
	return kind_names[kind];
}

const char *
job_state_name(enum job_state state)
{
	assert(state < JOB_STATE_MAX);
	return state_names[state];
}

const char *
job_reason_name(enum job_reason reason)
{
	assert(reason < REASON_MAX);
	return reasons[reason].name;
}

const char *
job_reason_text(enum job_reason reason, bool chinese)
{
	assert(reason < REASON_MAX);
	return chinese ? reasons[reason].zh : reasons[reason].en;
}

/* Index of the name; a name that we do not know is a misfit. */
static unsigned
name_index(struct db_rows *rows, size_t col, const char *const *names,
    unsigned n)
{
	for (unsigned i = 0; i < n; i++)
		if (strcmp(rows_text(rows, col), names[i]) == 0)
			return i;
	rows->misfit = true;
	return 0;
}

void
job_from_row(struct db_rows *rows, struct job *ret)
{
	ret->id = rows_u64(rows, 0);
	ret->user_id = rows_u64(rows, 1);
	ret->kind = (enum job_kind)name_index(rows, 2, kind_names,
	    JOB_KIND_MAX);
	ret->state = (enum job_state)name_index(rows, 3, state_names,
	    JOB_STATE_MAX);
	ret->fence = (uint32_t)rows_u64(rows, 4);
	ret->attempts = (unsigned)rows_u64(rows, 5);
	ret->unknowns = (unsigned)rows_u64(rows, 6);
	ret->reason = (enum job_reason)rows_u64(rows, 7);
	if (ret->reason >= REASON_MAX)
		ret->reason = REASON_NONE;	/* a newer program's */
	rows_str(rows, 8, ret->detail, sizeof(ret->detail));
	rows_str(rows, 9, ret->owner, sizeof(ret->owner));
	ret->created_us = rows_i64(rows, 10);
	ret->next_try_us = rows_i64(rows, 11);
	ret->lease_until_us = rows_i64(rows, 12);
	ret->updated_us = rows_i64(rows, 13);
	rows_str(rows, 14, ret->plugin_user_id,
	    sizeof(ret->plugin_user_id));
}

/* A create is needed without a key, a rekey only with one. */
static int
is_needed(struct db *db, uint64_t user_id, enum job_kind kind)
{
	struct db_rows rows = DB_ROWS_INIT;
	int rc = db_select(db, &rows, STMT_JOB_NEEDED, A_U64(user_id),
	    A_U64(user_id), A_STR(job_kind_name(kind)), A_U64(user_id));

	if (rc == 0 && rows_next(&rows))
		rc = rows_bool(&rows, 0) == (kind == JOB_REKEY) &&
		    !rows_bool(&rows, 1) && rows_bool(&rows, 2);
	return rows_end(db, &rows, rc);
}

int
job_queue(struct db *db, uint64_t user_id, enum job_kind kind,
    unsigned min_interval_s)
{
	const char *name = job_kind_name(kind);
	int n;

	if (kind == JOB_STATUS) {
		n = db_exec(db, STMT_JOB_REQUEUE_STATUS, A_U64(user_id));
	} else {
		n = is_needed(db, user_id, kind);
		if (n <= 0)
			return n;
		n = db_exec(db, STMT_JOB_REQUEUE, A_U64(user_id),
		    A_STR(name), A_U64(min_interval_s));
	}
	if (n != 0)
		return n == -1 ? -1 : 1;
	return db_exec(db, STMT_JOB_INSERT, A_STR(name), A_U64(user_id));
}

/* Two registrars should not start with the same job. */
static void
shuffle(uint64_t *ids, uint32_t *fences, size_t n)
{
	for (size_t i = n; i > 1; i--) {
		uint32_t r;
		size_t j;

		random_bytes(&r, sizeof(r));
		j = r % i;
		uint64_t id = ids[j];
		uint32_t fence = fences[j];

		ids[j] = ids[i - 1];
		fences[j] = fences[i - 1];
		ids[i - 1] = id;
		fences[i - 1] = fence;
	}
}

int
job_candidates(struct db *db, uint64_t *ret_ids, uint32_t *ret_fences,
    size_t max)
{
	struct db_rows rows = DB_ROWS_INIT;
	size_t n = 0;

	if (db_select(db, &rows, STMT_JOB_CANDIDATES, A_U64(max),
	    A_U64(max)) == -1)
		return rows_end(db, &rows, -1);
	for (; n < max && rows_next(&rows); n++) {
		ret_ids[n] = rows_u64(&rows, 0);
		ret_fences[n] = (uint32_t)rows_u64(&rows, 1);
	}
	shuffle(ret_ids, ret_fences, n);
	return rows_end(db, &rows, (int)n);
}

int
job_claim(struct db *db, uint64_t id, uint32_t fence, const char *owner,
    unsigned lease_s, struct job *ret)
{
	struct job job;
	int n;

	n = db_exec(db, STMT_JOB_CLAIM, A_STR(owner), A_U64(lease_s),
	    A_U64(id), A_U64(fence));
	if (n <= 0)
		return n;
	n = job_get(db, id, &job);
	if (n <= 0)
		return n;
	/* Held or claimed again already, between the two statements. */
	if (job.fence != fence + 1 || job.state != JOB_WORKING)
		return 0;
	*ret = job;
	return 1;
}

int
job_lease_left_ms(struct db *db, const struct job *job, int64_t *ret)
{
	struct db_rows rows = DB_ROWS_INIT;
	int64_t left_ms = 0;
	int rc = db_select(db, &rows, STMT_JOB_LEASE_LEFT, A_U64(job->id),
	    A_U64(job->fence));

	if (rc == 0 && rows_next(&rows))
		left_ms = rows_i64(&rows, 0);
	if (rows_end(db, &rows, rc) == -1)
		return -1;
	*ret = left_ms;
	return 0;
}

int
attempt_open(struct db *db, const struct job *job, const char *marker,
    uint64_t *ret_attempt_id)
{
	if (db_exec(db, STMT_ATTEMPT_OPEN, A_U64(job->id),
	    A_U64(job->fence), A_STR(marker)) == -1)
		return -1;
	*ret_attempt_id = db_insert_id(db);
	return 0;
}

int
attempt_close(struct db *db, uint64_t attempt_id, const char *state,
    int http_status, const char *plugin_user_id)
{
	return db_exec(db, STMT_ATTEMPT_CLOSE, A_STR(state),
	    A_I64(http_status), A_STR(plugin_user_id),
	    A_U64(attempt_id)) == -1 ? -1 : 0;
}

int
job_finish(struct db *db, const struct job *job)
{
	return db_exec(db, STMT_JOB_FINISH, A_U64(job->id),
	    A_U64(job->fence));
}

/* One line of valid UTF-8 that fits the column. */
static void
clean_detail(const char *text, char ret[JOB_DETAIL_MAX + 1])
{
	size_t n = strnlen(text, JOB_DETAIL_MAX);

	if (text[n] != '\0')
		while (n > 0 && ((unsigned char)text[n] & 0xc0) == 0x80)
			n--;
	if (!utf8_valid(text, n))
		n = 0;
	for (size_t i = 0; i < n; i++)
		ret[i] = (unsigned char)text[i] < ' ' || text[i] == 0x7f ?
		    ' ' : text[i];
	ret[n] = '\0';
}

/* What release and hold write; the reason is told when it is new. */
struct giveback {
	const struct job *job;
	enum job_state	 to;
	enum job_reason	 reason;
	char		 detail[JOB_DETAIL_MAX + 1];
	int64_t		 delay_us;
	int		 uncount, unknown;
};

#define FENCED_OUT	1

static int
giveback_body(struct db *db, void *arg)
{
	const struct giveback *g = arg;
	const struct job *job = g->job;
	int n;

	if (g->to == JOB_HELD)
		n = db_exec(db, STMT_JOB_HOLD, A_I64(g->reason),
		    A_STR(g->detail), A_U64(job->id), A_U64(job->fence));
	else
		n = db_exec(db, STMT_JOB_RELEASE, A_I64(g->delay_us),
		    A_I64(g->reason), A_STR(g->detail), A_I64(g->uncount),
		    A_I64(g->uncount), A_I64(g->unknown), A_U64(job->id),
		    A_U64(job->fence));
	if (n <= 0)
		return n == 0 ? FENCED_OUT : -1;
	if (g->to != JOB_HELD && g->reason == job->reason)
		return 0;
	return change_note(db, CHANGE_JOB, job->user_id);
}

static int
give_back(struct db *db, struct giveback *g, const char *detail)
{
	int rc;

	clean_detail(detail != NULL ? detail : "", g->detail);
	rc = db_transaction(db, giveback_body, g);
	return rc == -1 ? -1 : rc != FENCED_OUT;
}

int
job_release(struct db *db, const struct job *job, enum job_reason reason,
    const char *detail, int64_t delay_ms, bool counts, bool unknown)
{
	struct giveback g = { .job = job, .to = JOB_READY,
	    .reason = reason, .delay_us = delay_ms * 1000,
	    .uncount = counts ? 0 : 1, .unknown = unknown ? 1 : 0 };

	return give_back(db, &g, detail);
}

int
job_hold(struct db *db, const struct job *job, enum job_reason reason,
    const char *detail)
{
	struct giveback g = { .job = job, .to = JOB_HELD,
	    .reason = reason };

	return give_back(db, &g, detail);
}

int
job_note_waiting(struct db *db, enum job_reason reason)
{
	return db_exec(db, STMT_JOB_NOTE_WAITING, A_I64(reason),
	    A_I64(reason)) == -1 ? -1 : 0;
}
