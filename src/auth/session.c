/*
 * session: from sign-in to sign-out.
 *
 * The api floor's sign-in, refresh and sign-out handlers call it; the
 * principal check asks session_is_revoked().  Tokens are made here and
 * handed out once; only their hashes reach the database.
 */
#include <assert.h>
#include <stdio.h>
#include <string.h>

#include <gcrypt.h>

#include "auth/session.h"
#include "base/clock.h"
#include "base/codec.h"
#include "base/secret.h"

#define REFRESH_PREFIX		"rt_"
#define REFRESH_PREFIX_LEN	3
#define REFRESH_BYTES		32
#define SESSION_ID_BYTES	16

void
session_tokens_wipe(struct session_tokens *tokens)
{
	wipe(tokens, sizeof(*tokens));
}

static void
refresh_make(char ret[REFRESH_TOKEN_LEN + 1],
    unsigned char ret_hash[TOKEN_HASH_LEN])
{
	memcpy(ret, REFRESH_PREFIX, REFRESH_PREFIX_LEN);
	random_token(REFRESH_BYTES, ret + REFRESH_PREFIX_LEN);
	gcry_md_hash_buffer(GCRY_MD_SHA256, ret_hash, ret,
	    REFRESH_TOKEN_LEN);
}

/* -1: it does not look like one of ours. */
static int
refresh_hash(const char *refresh, unsigned char ret_hash[TOKEN_HASH_LEN])
{
	unsigned char bytes[REFRESH_BYTES + 2];
	ssize_t n;

	if (strlen(refresh) != REFRESH_TOKEN_LEN ||
	    memcmp(refresh, REFRESH_PREFIX, REFRESH_PREFIX_LEN) != 0)
		return -1;
	n = b64url_decode(refresh + REFRESH_PREFIX_LEN,
	    REFRESH_TOKEN_LEN - REFRESH_PREFIX_LEN, B64_UNPADDED, bytes);
	wipe(bytes, sizeof(bytes));
	if (n != REFRESH_BYTES)
		return -1;
	gcry_md_hash_buffer(GCRY_MD_SHA256, ret_hash, refresh,
	    REFRESH_TOKEN_LEN);
	return 0;
}

static int
access_make(const struct session_conf *conf, const struct user *user,
    int64_t now_s, int64_t iat_min_s, struct session_tokens *ret)
{
	struct jwt_subject subject = {
		.user_id = user->id,
		.username = user->username,
		.sid = ret->session_id,
		.iat_min_s = iat_min_s,
	};
	struct buf token = BUF_INIT(JWT_MAX);
	int rc;

	rc = jwt_issue(conf->jwt, &subject, now_s, &token, NULL);
	if (rc == 0) {
		memcpy(ret->access, token.data, token.len + 1);
		ret->expires_in_s = jwt_conf_lifetime_s(conf->jwt);
	}
	buf_wipe(&token);
	return rc;
}

int
session_start(struct db *db, const struct session_conf *conf,
    const struct user *user, struct session_tokens *ret)
{
	struct session_tokens tokens = { 0 };
	unsigned char hash[TOKEN_HASH_LEN];
	int rc = -1;

	random_token(SESSION_ID_BYTES, tokens.session_id);
	refresh_make(tokens.refresh, hash);
	/* A sign-in in the second of a sign-out everywhere, or before a
	 * database whose clock is ahead, must not be born dead. */
	if (access_make(conf, user, clock_wall_s(),
	    user->sessions_valid_from_s, &tokens) == 0 &&
	    session_create(db, tokens.session_id, user->id, hash,
	    conf->refresh_ttl_s) == 0) {
		*ret = tokens;
		rc = 0;
	}
	session_tokens_wipe(&tokens);
	return rc;
}

/* Presents the token and makes the next; 0 with *ret_result, or -1. */
static int
refresh_turn(struct db *db, const struct session_conf *conf,
    const unsigned char old[TOKEN_HASH_LEN], enum refresh_result *ret_result,
    struct session_tokens *tokens, unsigned char ret_next[TOKEN_HASH_LEN],
    struct user *ret_user)
{
	enum refresh_result result;
	uint64_t user_id;
	int found;

	refresh_make(tokens->refresh, ret_next);
	if (session_refresh(db, old, ret_next, REFRESH_GRACE_S,
	    conf->refresh_ttl_s, &result, tokens->session_id, &user_id) == -1)
		return -1;
	if (result == REFRESH_OK) {
		found = user_by_id(db, user_id, ret_user);
		if (found == -1)
			return -1;
		if (found == 0)
			result = REFRESH_UNKNOWN;
		else if (!ret_user->is_active)
			result = REFRESH_USER_DISABLED;
	}
	*ret_result = result;
	return 0;
}

/*
 * sessions_valid_from_s may lie ahead: the user has just signed out
 * everywhere and in again, or is signing out everywhere while we are
 * here.  In the first case the access token must be dated ahead too, in
 * the second it must not.  A second turn tells them apart: whoever moved
 * that time ended the sessions of then with it, so a session that is
 * still alive is a later one.
 */
int
session_renew(struct db *db, const struct session_conf *conf,
    const char *refresh, enum refresh_result *ret_result,
    struct session_tokens *ret, struct user *ret_user)
{
	unsigned char old[TOKEN_HASH_LEN], next[TOKEN_HASH_LEN];
	struct session_tokens tokens = { 0 };
	int64_t now_s = clock_wall_s(), valid_from_s = 0;
	enum refresh_result result;
	struct user user;
	int rc;

	if (refresh_hash(refresh, old) == -1) {
		*ret_result = REFRESH_UNKNOWN;
		return 0;
	}
	rc = refresh_turn(db, conf, old, &result, &tokens, next, &user);
	if (rc == 0 && result == REFRESH_OK &&
	    user.sessions_valid_from_s > now_s) {
		valid_from_s = user.sessions_valid_from_s;
		memcpy(old, next, sizeof(old));
		rc = refresh_turn(db, conf, old, &result, &tokens, next,
		    &user);
	}
	if (rc == 0 && result == REFRESH_OK)
		rc = access_make(conf, &user, now_s, valid_from_s, &tokens);
	if (rc == 0 && result == REFRESH_OK) {
		*ret = tokens;
		*ret_user = user;
	}
	if (rc == 0)
		*ret_result = result;
	session_tokens_wipe(&tokens);
	return rc;
}

static void
session_revoked_id(const char *session_id,
    char ret[SESSION_REVOKED_ID_MAX + 1])
{
	(void)snprintf(ret, SESSION_REVOKED_ID_MAX + 1, "sid:%s", session_id);
}

static void
revoke_here(struct revoked *set, const char *id, int64_t until_s,
    bool *ret_full)
{
	if (revoked_add(set, id, until_s) == -1 && ret_full != NULL)
		*ret_full = true;
}

/* When the last access token that may name this session is dead. */
static int64_t
session_tail_s(const struct session_conf *conf)
{
	return clock_wall_s() + jwt_conf_lifetime_s(conf->jwt) +
	    JWT_IAT_SKEW_S + JWT_SKEW_S;
}

/*
 * The database first: when it fails nothing has changed here, so the
 * same token can be used to try again.
 */
static int
session_close(struct db *db, const struct session_conf *conf,
    struct revoked *set, const char *session_id, uint64_t user_id,
    bool *ret_full)
{
	char id[SESSION_REVOKED_ID_MAX + 1];
	int64_t until_s = session_tail_s(conf);

	session_revoked_id(session_id, id);
	if (session_end(db, session_id, user_id) == -1 ||
	    revoked_put(db, id, until_s) == -1)
		return -1;
	revoke_here(set, id, until_s, ret_full);
	return 0;
}

/* The token alone, for one that names no session. */
static int
token_close(struct db *db, struct revoked *set,
    const struct jwt_claims *claims, bool *ret_full)
{
	int64_t until_s = claims->exp + JWT_SKEW_S;

	if (revoked_put(db, claims->jti, until_s) == -1)
		return -1;
	revoke_here(set, claims->jti, until_s, ret_full);
	return 0;
}

int
session_logout(struct db *db, const struct session_conf *conf,
    struct revoked *set, const struct jwt_claims *claims,
    const char *refresh, bool *ret_full)
{
	char other[SESSION_ID_LEN + 1];
	unsigned char hash[TOKEN_HASH_LEN];
	int found = 0;

	if (refresh != NULL && refresh_hash(refresh, hash) == 0 &&
	    (found = session_of_refresh(db, hash, claims->user_id,
	    other)) == -1)
		return -1;
	if (found == 1 && strcmp(other, claims->sid) != 0 &&
	    session_close(db, conf, set, other, claims->user_id,
	    ret_full) == -1)
		return -1;
	if (claims->sid[0] != '\0' && session_close(db, conf, set,
	    claims->sid, claims->user_id, ret_full) == -1)
		return -1;
	return token_close(db, set, claims, ret_full);
}

int
session_logout_all(struct db *db, const struct session_conf *conf,
    struct revoked *set, const struct jwt_claims *claims, bool *ret_full,
    int64_t *ret_valid_from_s)
{
	if (user_end_sessions(db, claims->user_id, ret_valid_from_s) == -1)
		return -1;
	/* This host's cache hears of it later than the next request. */
	if (claims->sid[0] != '\0' && session_close(db, conf, set,
	    claims->sid, claims->user_id, ret_full) == -1)
		return -1;
	return token_close(db, set, claims, ret_full);
}

bool
session_is_revoked(const struct revoked *set, const struct jwt_claims *claims)
{
	char id[SESSION_REVOKED_ID_MAX + 1];

	if (revoked_has(set, claims->jti))
		return true;
	if (claims->sid[0] == '\0')
		return false;
	session_revoked_id(claims->sid, id);
	return revoked_has(set, id);
}
