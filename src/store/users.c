/*
 * users: reads people, and what an operator does to them.
 *
 * Signing in is in signin.c.  Nobody here deletes a user; the workers'
 * account could not.
 */
#include <stdio.h>

#include "store/audit.h"
#include "store/changes.h"
#include "store/jobs.h"
#include "store/pluginkeys.h"
#include "store/run.h"
#include "store/user_row.h"
#include "store/users.h"

#define NO_SUCH_USER	1

void
user_from_row(struct db_rows *rows, struct user *ret)
{
	ret->id = rows_u64(rows, 0);
	rows_str(rows, 1, ret->username, sizeof(ret->username));
	rows_str(rows, 2, ret->avatar_url, sizeof(ret->avatar_url));
	ret->password_hash[0] = '\0';
	ret->trust_level = (int)rows_i64(rows, 3);
	ret->is_active = rows_bool(rows, 4);
	ret->is_silenced = rows_bool(rows, 5);
	ret->beta = (int)rows_i64(rows, 6);
	ret->created_us = rows_i64(rows, 7);
	ret->last_login_us = rows_i64(rows, 8);
	ret->sessions_valid_from_s = rows_i64(rows, 9);
}

int
user_by_id(struct db *db, uint64_t id, struct user *ret)
{
	struct db_rows rows = DB_ROWS_INIT;
	int rc = db_select(db, &rows, STMT_USER_BY_ID, A_U64(id));

	if (rc == 0 && rows_next(&rows)) {
		user_from_row(&rows, ret);
		rc = 1;
	}
	return rows_end(db, &rows, rc);
}

int
user_by_name(struct db *db, const char *name, struct user *ret)
{
	struct db_rows rows = DB_ROWS_INIT;
	int rc = db_select(db, &rows, STMT_USER_BY_NAME, A_STR(name));

	if (rc == 0 && rows_next(&rows)) {
		user_from_row(&rows, ret);
		rows_str(&rows, 10, ret->password_hash,
		    sizeof(ret->password_hash));
		rc = 1;
	}
	return rows_end(db, &rows, rc);
}

int
user_name_exists(struct db *db, const char *name)
{
	struct db_rows rows = DB_ROWS_INIT;
	int rc = db_select(db, &rows, STMT_USER_NAME_EXISTS, A_STR(name));

	if (rc == 0 && rows_next(&rows))
		rc = 1;
	return rows_end(db, &rows, rc);
}

/* What the bodies below are about. */
struct user_change {
	uint64_t	 id;
	bool		 active;
	int64_t		 valid_from_s;
	const char	*hash;
};

static int
note_login_body(struct db *db, void *arg)
{
	const struct user_change *uc = arg;

	if (db_exec(db, STMT_USER_NOTE_LOGIN, A_U64(uc->id)) == -1)
		return -1;
	return audit_note_user(db, AUDIT_SIGN_IN, uc->id,
	    "{\"by\":\"password\"}");
}

int
user_note_login(struct db *db, uint64_t id)
{
	struct user_change uc = { .id = id };

	return db_transaction(db, note_login_body, &uc);
}

void
user_note_refusal(struct db *db, uint64_t id, bool active)
{
	char subject[32];

	(void)snprintf(subject, sizeof(subject), "user:%llu",
	    (unsigned long long)id);
	(void)audit_note_alone(db, AUDIT_SIGN_IN_REFUSED, subject, active ?
	    "{\"by\":\"password\",\"why\":\"password\"}" :
	    "{\"by\":\"password\",\"why\":\"disabled\"}");
}

/* The refresh tokens too: they belong to the sessions. */
static int
end_sessions(struct db *db, uint64_t id)
{
	int n = db_exec(db, STMT_USER_END_SESSIONS, A_U64(id));

	if (n <= 0)
		return n == 0 ? NO_SUCH_USER : -1;
	if (db_exec(db, STMT_SESSIONS_END_ALL, A_U64(id)) == -1)
		return -1;
	return change_note(db, CHANGE_USER, id);
}

static int
set_active_body(struct db *db, void *arg)
{
	const struct user_change *uc = arg;
	struct pluginkey key;
	int n, rc;

	n = db_exec(db, STMT_USER_SET_ACTIVE, A_I64(uc->active),
	    A_U64(uc->id));
	if (n <= 0)
		return n == 0 ? NO_SUCH_USER : -1;
	rc = uc->active ? change_note(db, CHANGE_USER, uc->id) :
	    end_sessions(db, uc->id);
	if (rc != 0)
		return rc;
	/* The upstream account is to follow. */
	rc = pluginkey_info(db, uc->id, &key);
	if (rc == 1)
		rc = job_queue(db, uc->id, JOB_STATUS, 0);
	if (rc == -1)
		return -1;
	return audit_note_user(db, uc->active ? AUDIT_USER_ENABLE :
	    AUDIT_USER_DISABLE, uc->id, NULL);
}

int
user_set_active(struct db *db, uint64_t id, bool active)
{
	struct user_change uc = { .id = id, .active = active };
	int rc = db_transaction_again(db, set_active_body, &uc);

	return rc == -1 ? -1 : rc != NO_SUCH_USER;
}

static int
set_password_body(struct db *db, void *arg)
{
	const struct user_change *uc = arg;
	int n = db_exec(db, STMT_USER_SET_PASSWORD, A_STR(uc->hash),
	    A_U64(uc->id));

	if (n <= 0)
		return n == 0 ? NO_SUCH_USER : -1;
	return audit_note_user(db, AUDIT_USER_SET_PASSWORD, uc->id, NULL);
}

int
user_set_password(struct db *db, uint64_t id, const char *hash)
{
	struct user_change uc = { .id = id, .hash = hash };
	int rc = db_transaction_again(db, set_password_body, &uc);

	return rc == -1 ? -1 : rc != NO_SUCH_USER;
}

static int
end_sessions_body(struct db *db, void *arg)
{
	struct user_change *uc = arg;
	struct db_rows rows = DB_ROWS_INIT;
	int rc = end_sessions(db, uc->id);

	if (rc != 0)
		return rc;
	rc = db_select(db, &rows, STMT_USER_VALID_FROM, A_U64(uc->id));
	if (rc == 0 && rows_next(&rows))
		uc->valid_from_s = rows_i64(&rows, 0);
	if (rows_end(db, &rows, rc) == -1)
		return -1;
	return audit_note_user(db, AUDIT_LOGOUT_ALL, uc->id, NULL);
}

int
user_end_sessions(struct db *db, uint64_t id, int64_t *ret)
{
	struct user_change uc = { .id = id };
	int rc = db_transaction_again(db, end_sessions_body, &uc);

	if (rc != 0)
		return rc == -1 ? -1 : 0;
	*ret = uc.valid_from_s;
	return 1;
}

int
user_list(struct db *db, uint64_t after_id, unsigned limit,
    void (*each)(void *, const struct user *), void *arg)
{
	struct db_rows rows = DB_ROWS_INIT;
	struct user user;
	int rc = db_select(db, &rows, STMT_USER_LIST, A_U64(after_id),
	    A_U64(limit));

	while (rc == 0 && rows_next(&rows)) {
		user_from_row(&rows, &user);
		each(arg, &user);
	}
	return rows_end(db, &rows, rc);
}
