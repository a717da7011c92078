/*
 * tokens: OAuth states, sessions with their refresh tokens, revoked
 * access tokens, and the upstream's OAuth states.
 *
 * Only SHA-256 hashes of random tokens are stored.  Whatever may be used
 * once is consumed by one statement whose affected rows decide.
 */
#ifndef STORE_TOKENS_H
#define STORE_TOKENS_H

#include <stdbool.h>
#include <stdint.h>

#include "store/db.h"

#define TOKEN_HASH_LEN	32

struct oauth_state {
	char	provider[65];
	char	verifier[129];		/* PKCE */
	char	nonce[65];
	unsigned char browser[TOKEN_HASH_LEN];	/* all zero: JSON flow */
	char	return_to[1025];	/* "" : JSON flow */
};
int	 oauth_state_put(struct db *, const unsigned char hash[TOKEN_HASH_LEN],
	    const struct oauth_state *, unsigned ttl_s);
/* Consumes: 1 = it was there and is now gone, 0 = unknown, used or old. */
int	 oauth_state_take(struct db *, const unsigned char hash[TOKEN_HASH_LEN],
	    struct oauth_state *ret);

/* States that the upstream gave to a user (POST /oauth/authorize). */
int	 upstream_state_put(struct db *, const unsigned char hash[TOKEN_HASH_LEN],
	    uint64_t user_id, unsigned ttl_s);
/* 1 = issued to this user and not expired, 0 = not, -1.  Not consumed:
 * the upstream's survives a failed exchange. */
int	 upstream_state_check(struct db *,
	    const unsigned char hash[TOKEN_HASH_LEN], uint64_t user_id);

#define SESSION_ID_LEN	22		/* base64url of 16 bytes */
int	 session_create(struct db *, const char *session_id, uint64_t user_id,
	    const unsigned char refresh_hash[TOKEN_HASH_LEN], unsigned ttl_s);
enum refresh_result {
	REFRESH_OK, REFRESH_UNKNOWN, REFRESH_EXPIRED, REFRESH_USED_UP,
	REFRESH_SESSION_ENDED, REFRESH_USER_DISABLED
};
/*
 * One transaction: presents old, which is marked used at its first
 * presentation and works for grace_s more; stores next in the same
 * session.  0 with *ret_result (REFRESH_OK: session and user filled).
 */
int	 session_refresh(struct db *, const unsigned char old[TOKEN_HASH_LEN],
	    const unsigned char next[TOKEN_HASH_LEN], unsigned grace_s,
	    unsigned ttl_s, enum refresh_result *ret_result,
	    char ret_session[SESSION_ID_LEN + 1], uint64_t *ret_user_id);
/* Ends a session (only user_id's own).  1/0/-1 */
int	 session_end(struct db *, const char *session_id, uint64_t user_id);
/* The session a refresh token belongs to, for logout.  1/0/-1 */
int	 session_of_refresh(struct db *,
	    const unsigned char hash[TOKEN_HASH_LEN], uint64_t user_id,
	    char ret_session[SESSION_ID_LEN + 1]);

/* id: a jti or "sid:" and a session id; until expires_s (Unix). */
int	 revoked_put(struct db *, const char *id, int64_t expires_s);
/* All that are in force and were put in the last within_s seconds (0: all). */
int	 revoked_list(struct db *, unsigned within_s,
	    void (*each)(void *, const char *id, int64_t expires_s), void *);

/* keeper: deletes what has expired, at most limit rows of each table. */
int	 tokens_purge(struct db *, unsigned limit);

#endif
