/*
 * tokens: OAuth states, revoked access tokens, and the purge.
 *
 * A state is consumed by one DELETE: of any number of requests with the
 * same state, one sees an affected row.  Sessions are in sessions.c.
 */
#include "base/secret.h"
#include "store/changes.h"
#include "store/run.h"
#include "store/tokens.h"

#define LAST_SECOND	253402300799	/* of the year 9999 */

int
oauth_state_put(struct db *db, const unsigned char hash[TOKEN_HASH_LEN],
    const struct oauth_state *state, unsigned ttl_s)
{
	return db_exec(db, STMT_OAUTH_STATE_PUT,
	    A_BYTES(hash, TOKEN_HASH_LEN), A_STR(state->provider),
	    A_STR(state->verifier), A_STR(state->nonce),
	    A_BYTES(state->browser, TOKEN_HASH_LEN),
	    A_STR(state->return_to), A_U64(ttl_s)) == -1 ? -1 : 0;
}

static int
oauth_state_get(struct db *db, const unsigned char hash[TOKEN_HASH_LEN],
    struct oauth_state *ret)
{
	struct db_rows rows = DB_ROWS_INIT;
	int rc = db_select(db, &rows, STMT_OAUTH_STATE_GET,
	    A_BYTES(hash, TOKEN_HASH_LEN));

	if (rc == 0 && rows_next(&rows)) {
		rows_str(&rows, 0, ret->provider, sizeof(ret->provider));
		rows_str(&rows, 1, ret->verifier, sizeof(ret->verifier));
		rows_str(&rows, 2, ret->nonce, sizeof(ret->nonce));
		rows_bytes(&rows, 3, ret->browser, TOKEN_HASH_LEN);
		rows_str(&rows, 4, ret->return_to, sizeof(ret->return_to));
		rc = 1;
	}
	return rows_end(db, &rows, rc);
}

int
oauth_state_take(struct db *db, const unsigned char hash[TOKEN_HASH_LEN],
    struct oauth_state *ret)
{
	struct oauth_state state;
	int rc = oauth_state_get(db, hash, &state);

	if (rc == 1)
		rc = db_exec(db, STMT_OAUTH_STATE_TAKE,
		    A_BYTES(hash, TOKEN_HASH_LEN));
	if (rc == 1)
		*ret = state;
	wipe(&state, sizeof(state));
	return rc;
}

int
upstream_state_put(struct db *db, const unsigned char hash[TOKEN_HASH_LEN],
    uint64_t user_id, unsigned ttl_s)
{
	return db_exec(db, STMT_UPSTREAM_STATE_PUT,
	    A_BYTES(hash, TOKEN_HASH_LEN), A_U64(user_id),
	    A_U64(ttl_s)) == -1 ? -1 : 0;
}

int
upstream_state_check(struct db *db,
    const unsigned char hash[TOKEN_HASH_LEN], uint64_t user_id)
{
	struct db_rows rows = DB_ROWS_INIT;
	int rc = db_select(db, &rows, STMT_UPSTREAM_STATE_CHECK,
	    A_BYTES(hash, TOKEN_HASH_LEN), A_U64(user_id));

	if (rc == 0 && rows_next(&rows))
		rc = 1;
	return rows_end(db, &rows, rc);
}

struct revocation {
	const char	*id;
	int64_t		 expires_us;
};

static int
revoked_body(struct db *db, void *arg)
{
	const struct revocation *r = arg;

	if (db_exec(db, STMT_REVOKED_PUT, A_STR(r->id),
	    A_I64(r->expires_us)) == -1)
		return -1;
	return change_note(db, CHANGE_REVOKED, 0);
}

int
revoked_put(struct db *db, const char *id, int64_t expires_s)
{
	struct revocation r = { .id = id };

	if (expires_s < 0)
		expires_s = 0;
	if (expires_s > LAST_SECOND)
		expires_s = LAST_SECOND;
	r.expires_us = expires_s * 1000000;
	return db_transaction_again(db, revoked_body, &r);
}

int
revoked_list(struct db *db, unsigned within_s,
    void (*each)(void *, const char *, int64_t), void *arg)
{
	struct db_rows rows = DB_ROWS_INIT;
	int rc;

	if (within_s == 0)
		rc = db_select(db, &rows, STMT_REVOKED_LIST);
	else
		rc = db_select(db, &rows, STMT_REVOKED_LIST_NEW,
		    A_U64(within_s));
	while (rc == 0 && rows_next(&rows))
		each(arg, rows_text(&rows, 0), rows_i64(&rows, 1));
	return rows_end(db, &rows, rc);
}

int
tokens_purge(struct db *db, unsigned limit)
{
	/* Refresh tokens first: a session takes its own along. */
	static const enum stmt_id purges[] = {
		STMT_PURGE_OAUTH, STMT_PURGE_UPSTREAM, STMT_PURGE_REFRESH,
		STMT_PURGE_SESSIONS, STMT_PURGE_REVOKED,
	};

	for (size_t i = 0; i < sizeof(purges) / sizeof(purges[0]); i++)
		if (db_exec(db, purges[i], A_U64(limit)) == -1)
			return -1;
	return 0;
}
