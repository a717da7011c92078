/*
 * sessions: sign-in sessions and the refresh tokens of each (prototypes
 * in store/tokens.h).
 *
 * Existing front-ends hold two copies of a refresh token, so a token
 * presented again soon after its first use still works, and a late one
 * is refused without ending the session.
 */
#include <string.h>

#include "store/changes.h"
#include "store/run.h"
#include "store/tokens.h"

/* Rolled back on purpose; the result says why. */
#define REFUSED	1

struct session_new {
	const char	*id;
	uint64_t	 user_id;
	const unsigned char *hash;
	unsigned	 ttl_s;
};

static int
create_body(struct db *db, void *arg)
{
	const struct session_new *s = arg;

	if (db_exec(db, STMT_SESSION_INSERT, A_STR(s->id),
	    A_U64(s->user_id), A_U64(s->ttl_s)) == -1)
		return -1;
	if (db_exec(db, STMT_REFRESH_INSERT,
	    A_BYTES(s->hash, TOKEN_HASH_LEN), A_STR(s->id),
	    A_U64(s->ttl_s)) == -1)
		return -1;
	return 0;
}

int
session_create(struct db *db, const char *session_id, uint64_t user_id,
    const unsigned char refresh_hash[TOKEN_HASH_LEN], unsigned ttl_s)
{
	struct session_new s = { .id = session_id, .user_id = user_id,
	    .hash = refresh_hash, .ttl_s = ttl_s };

	return db_transaction(db, create_body, &s);
}

struct refresh {
	const unsigned char *old, *next;
	unsigned	 grace_s, ttl_s;
	enum refresh_result result;
	bool		 next_exists;
	char		 session[SESSION_ID_LEN + 1];
	uint64_t	 user_id;
};

static void
judge(struct db_rows *rows, struct refresh *r)
{
	/* The first that holds is the answer. */
	const struct {
		bool		 holds;
		enum refresh_result result;
	} rules[] = {
		{ rows_bool(rows, 2),	REFRESH_SESSION_ENDED },
		{ rows_bool(rows, 3),	REFRESH_EXPIRED },
		{ !rows_bool(rows, 4),	REFRESH_USER_DISABLED },
		/* Run again after a commit that did succeed. */
		{ rows_bool(rows, 6),	REFRESH_OK },
		{ rows_bool(rows, 5),	REFRESH_USED_UP },
		{ true,			REFRESH_OK },
	};
	size_t i = 0;

	while (!rules[i].holds)
		i++;
	r->result = rules[i].result;
	r->next_exists = rows_bool(rows, 6);
	rows_str(rows, 0, r->session, sizeof(r->session));
	r->user_id = rows_u64(rows, 1);
}

static int
refresh_body(struct db *db, void *arg)
{
	struct refresh *r = arg;
	struct db_rows rows = DB_ROWS_INIT;
	int rc;

	r->result = REFRESH_UNKNOWN;
	rc = db_select(db, &rows, STMT_REFRESH_GET, A_U64(r->grace_s),
	    A_BYTES(r->next, TOKEN_HASH_LEN),
	    A_BYTES(r->old, TOKEN_HASH_LEN));
	if (rc == 0 && rows_next(&rows))
		judge(&rows, r);
	rc = rows_end(db, &rows, rc);
	if (rc == -1 || r->result != REFRESH_OK || r->next_exists)
		return rc == -1 ? -1 : REFUSED;
	rc = db_exec(db, STMT_SESSION_EXTEND, A_U64(r->ttl_s),
	    A_STR(r->session));
	if (rc == 0) {
		/* A logout came between. */
		r->result = REFRESH_SESSION_ENDED;
		return REFUSED;
	}
	if (rc == -1 || db_exec(db, STMT_REFRESH_MARK,
	    A_BYTES(r->old, TOKEN_HASH_LEN)) == -1)
		return -1;
	return db_exec(db, STMT_REFRESH_INSERT,
	    A_BYTES(r->next, TOKEN_HASH_LEN), A_STR(r->session),
	    A_U64(r->ttl_s)) == -1 ? -1 : 0;
}

int
session_refresh(struct db *db, const unsigned char old[TOKEN_HASH_LEN],
    const unsigned char next[TOKEN_HASH_LEN], unsigned grace_s,
    unsigned ttl_s, enum refresh_result *ret_result,
    char ret_session[SESSION_ID_LEN + 1], uint64_t *ret_user_id)
{
	struct refresh r = { .old = old, .next = next, .grace_s = grace_s,
	    .ttl_s = ttl_s };

	if (db_transaction_again(db, refresh_body, &r) == -1)
		return -1;
	*ret_result = r.result;
	if (r.result == REFRESH_OK) {
		memcpy(ret_session, r.session, sizeof(r.session));
		*ret_user_id = r.user_id;
	}
	return 0;
}

int
session_end(struct db *db, const char *session_id, uint64_t user_id)
{
	return db_exec(db, STMT_SESSION_END, A_STR(session_id),
	    A_U64(user_id));
}

int
session_of_refresh(struct db *db, const unsigned char hash[TOKEN_HASH_LEN],
    uint64_t user_id, char ret_session[SESSION_ID_LEN + 1])
{
	struct db_rows rows = DB_ROWS_INIT;
	int rc = db_select(db, &rows, STMT_SESSION_OF_REFRESH,
	    A_BYTES(hash, TOKEN_HASH_LEN), A_U64(user_id));

	if (rc == 0 && rows_next(&rows)) {
		rows_str(&rows, 0, ret_session, SESSION_ID_LEN + 1);
		rc = 1;
	}
	return rows_end(db, &rows, rc);
}
