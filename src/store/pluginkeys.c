/*
 * pluginkeys: the table of bound upstream accounts.
 *
 * api_key is a sealed token here; this file never sees a key.  Workers
 * may read all but the token and its MAC (their account could not);
 * whoever changes a row tells the keepers in the same transaction.
 */
#include <stdlib.h>
#include <string.h>

#include "base/xmalloc.h"
#include "store/audit.h"
#include "store/changes.h"
#include "store/pluginkeys.h"
#include "store/run.h"

/* The eight columns of KEY_COLS, from column at on. */
static void
key_from_row(struct db_rows *rows, size_t at, struct pluginkey *ret)
{
	ret->id = rows_u64(rows, at);
	ret->user_id = rows_u64(rows, at + 1);
	rows_str(rows, at + 2, ret->plugin_user_id,
	    sizeof(ret->plugin_user_id));
	ret->is_active = rows_bool(rows, at + 3);
	ret->key_gen = (uint32_t)rows_u64(rows, at + 4);
	ret->created_us = rows_i64(rows, at + 5);
	ret->updated_us = rows_i64(rows, at + 6);
	ret->last_used_us = rows_i64(rows, at + 7);
	ret->key_id[0] = '\0';
}

int
pluginkey_info(struct db *db, uint64_t user_id, struct pluginkey *ret)
{
	struct db_rows rows = DB_ROWS_INIT;
	int rc = db_select(db, &rows, STMT_KEY_INFO, A_U64(user_id));

	if (rc == 0 && rows_next(&rows)) {
		key_from_row(&rows, 0, ret);
		rc = 1;
	}
	return rows_end(db, &rows, rc);
}

static void
tenant_from_row(struct db_rows *rows, struct tenant_row *ret)
{
	ret->user_id = rows_u64(rows, 0);
	ret->user_active = rows_bool(rows, 1);
	ret->sessions_valid_from_s = rows_i64(rows, 2);
	ret->has_key = !rows_null(rows, 3);
	if (ret->has_key) {
		key_from_row(rows, 3, &ret->key);
		rows_str(rows, 12, ret->bind_mac, sizeof(ret->bind_mac));
	}
	ret->has_job = !rows_null(rows, 13);
	rows_str(rows, 13, ret->job_state, sizeof(ret->job_state));
	ret->job_reason = (int)rows_i64(rows, 14);
}

int
tenant_load(struct db *db, uint64_t user_id, struct tenant_row *ret,
    struct buf *token)
{
	struct db_rows rows = DB_ROWS_INIT;
	int rc = db_select(db, &rows, STMT_TENANT_LOAD, A_U64(user_id));

	buf_reset(token);
	if (rc == 0 && rows_next(&rows)) {
		memset(ret, 0, sizeof(*ret));
		tenant_from_row(&rows, ret);
		rows.misfit |= buf_puts(token, rows_text(&rows, 11)) == -1;
		rc = 1;
	}
	return rows_end(db, &rows, rc);
}

struct used_batch {
	struct last_used *used;
	size_t		 n;
};

static int
note_used_body(struct db *db, void *arg)
{
	const struct used_batch *b = arg;

	for (size_t i = 0; i < b->n; i++)
		if (db_exec(db, STMT_KEY_USED, A_I64(b->used[i].wall_us),
		    A_U64(b->used[i].user_id),
		    A_I64(b->used[i].wall_us)) == -1)
			return -1;
	return 0;
}

static int
by_user(const void *a, const void *b)
{
	uint64_t x = ((const struct last_used *)a)->user_id;
	uint64_t y = ((const struct last_used *)b)->user_id;

	return x < y ? -1 : x > y;
}

/* In one order everywhere, so that two hosts cannot lock each other. */
int
pluginkey_note_used(struct db *db, const struct last_used *used, size_t n)
{
	struct used_batch b = { .n = n };
	int rc;

	if (n == 0)
		return 0;
	b.used = xreallocarray(NULL, n, sizeof(*used));
	memcpy(b.used, used, n * sizeof(*used));
	qsort(b.used, n, sizeof(*used), by_user);
	rc = db_transaction_again(db, note_used_body, &b);
	free(b.used);
	return rc;
}

int
pluginkey_insert(struct db *db, uint64_t user_id,
    const char *plugin_user_id, const char *token, const char *mac,
    const char *key_id, uint32_t key_gen)
{
	return db_exec(db, STMT_KEY_INSERT, A_U64(user_id),
	    A_STR(plugin_user_id), A_STR(token), A_STR(mac), A_STR(key_id),
	    A_U64(key_gen)) == -1 ? -1 : 0;
}

int
pluginkey_replace(struct db *db, uint64_t user_id, uint32_t seen_gen,
    const char *plugin_user_id, const char *token, const char *mac,
    const char *key_id, uint32_t new_gen)
{
	return db_exec(db, STMT_KEY_REPLACE, A_STR(plugin_user_id),
	    A_STR(token), A_STR(mac), A_STR(key_id), A_U64(new_gen),
	    A_U64(user_id), A_U64(seen_gen));
}

int
pluginkey_reseal(struct db *db, uint64_t user_id, const char *old_token,
    const char *token, const char *mac, const char *key_id)
{
	return db_exec(db, STMT_KEY_RESEAL, A_STR(token), A_STR(mac),
	    A_STR(key_id), A_U64(user_id), A_STR(old_token));
}

int
pluginkey_delete(struct db *db, uint64_t user_id)
{
	return db_exec(db, STMT_KEY_DELETE, A_U64(user_id));
}

#define NO_SUCH_KEY	1

struct activation {
	uint64_t	 user_id;
	bool		 active;
};

static int
set_active_body(struct db *db, void *arg)
{
	const struct activation *a = arg;
	int n = db_exec(db, STMT_KEY_SET_ACTIVE, A_I64(a->active),
	    A_U64(a->user_id));

	if (n <= 0)
		return n == 0 ? NO_SUCH_KEY : -1;
	if (change_note(db, CHANGE_KEY, a->user_id) == -1)
		return -1;
	return audit_note_user(db, AUDIT_KEY_REVOKE, a->user_id, a->active ?
	    "{\"active\":true}" : "{\"active\":false}");
}

int
pluginkey_set_active(struct db *db, uint64_t user_id, bool active)
{
	struct activation a = { .user_id = user_id, .active = active };
	int rc = db_transaction_again(db, set_active_body, &a);

	return rc == -1 ? -1 : rc != NO_SUCH_KEY;
}

static int
scan(struct db *db, enum stmt_id id, uint64_t after_user_id, unsigned limit,
    void (*each)(void *, const struct pluginkey *, const char *,
    const char *), void *arg)
{
	struct db_rows rows = DB_ROWS_INIT;
	struct pluginkey key;
	int rc = db_select(db, &rows, id, A_U64(after_user_id),
	    A_U64(limit));

	while (rc == 0 && rows_next(&rows)) {
		key_from_row(&rows, 0, &key);
		rows_str(&rows, 10, key.key_id, sizeof(key.key_id));
		each(arg, &key, rows_text(&rows, 8), rows_text(&rows, 9));
	}
	return rows_end(db, &rows, rc);
}

int
pluginkey_scan(struct db *db, uint64_t after_user_id, unsigned limit,
    void (*each)(void *, const struct pluginkey *, const char *,
    const char *), void *arg)
{
	return scan(db, STMT_KEY_SCAN, after_user_id, limit, each, arg);
}

int
pluginkey_scan_unnamed(struct db *db, uint64_t after_user_id,
    unsigned limit, void (*each)(void *, const struct pluginkey *,
    const char *, const char *), void *arg)
{
	return scan(db, STMT_KEY_SCAN_UNNAMED, after_user_id, limit, each,
	    arg);
}

int
pluginkey_count_by_id(struct db *db,
    void (*each)(void *, const char *, uint64_t), void *arg)
{
	struct db_rows rows = DB_ROWS_INIT;
	int rc = db_select(db, &rows, STMT_KEY_COUNT_BY_ID);

	while (rc == 0 && rows_next(&rows))
		each(arg, rows_text(&rows, 0), rows_u64(&rows, 1));
	return rows_end(db, &rows, rc);
}

struct question {
	const char	*plugin_user_id;
};

static int
is_bound_body(struct db *db, void *arg)
{
	const struct question *q = arg;
	struct db_rows rows = DB_ROWS_INIT;
	int rc = db_select(db, &rows, STMT_KEY_IS_BOUND,
	    A_STR(q->plugin_user_id));

	if (rc == 0 && rows_next(&rows))
		rc = 1;
	return rows_end(db, &rows, rc);
}

int
pluginkey_is_bound(struct db *db, const char *plugin_user_id)
{
	struct question q = { .plugin_user_id = plugin_user_id };

	return db_decide(db, is_bound_body, &q);
}
