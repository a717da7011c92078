/*
 * jwt: access tokens, made and checked (RFC 7515, 7519, 8725).
 *
 * The algorithm is fixed by the configuration and never taken from a
 * token.  Several keys may be in force: the newest signs, all verify.
 * Whether a good token was ended before its time (auth/session), and
 * whether its user is active, is for the caller to ask.
 */
#ifndef AUTH_JWT_H
#define AUTH_JWT_H

#include <stddef.h>
#include <stdint.h>

#include "base/buf.h"
#include "store/users.h"

#define JWT_MAX			4096	/* characters of a token */
#define JWT_KEY_MIN		32	/* bytes (RFC 7518 3.2) */
#define JWT_KEYS_MAX		8
#define JWT_ISSUER_MAX		255
#define JWT_ID_MAX		64	/* characters of jti and sid */
#define JWT_SKEW_S		30	/* exp and nbf */
#define JWT_IAT_SKEW_S		60

struct jwt_conf;

/*
 * alg: "HS256", "HS384" or "HS512"; keys: a comma-separated list, newest
 * first; issuer: what `iss` says and must say; lifetime_s: how long a
 * token lives, and the longest lifetime that is believed.  NULL and a
 * sentence in why (never with a key) when something is not usable.
 */
struct jwt_conf *jwt_conf_make(const char *alg, const char *keys,
	    const char *issuer, int64_t lifetime_s, struct buf *why);
/* Wipes the keys. */
void	 jwt_conf_free(struct jwt_conf **);
int64_t	 jwt_conf_lifetime_s(const struct jwt_conf *);

struct jwt_claims {
	uint64_t user_id;		/* sub */
	char	 username[USER_NAME_MAX * 4 + 1];
	char	 jti[JWT_ID_MAX + 1];
	char	 sid[JWT_ID_MAX + 1];	/* the session, "" when absent */
	int64_t	 iat, exp;		/* Unix seconds */
};

/* What goes into a new token. */
struct jwt_subject {
	uint64_t	 user_id;	/* not 0 */
	const char	*username;
	const char	*sid;		/* NULL: none */
	/* Lower bound of iat: users.sessions_valid_from_s, or 0. */
	int64_t		 iat_min_s;
};

/*
 * Appends the token to ret.  0, or -1 when it cannot be made (a name
 * that is not UTF-8 or is too long).  ret_claims may be NULL.
 */
int	 jwt_issue(const struct jwt_conf *, const struct jwt_subject *,
	    int64_t now_s, struct buf *ret, struct jwt_claims *ret_claims)
	    __attribute__((warn_unused_result));

enum jwt_result {
	JWT_OK,
	JWT_INVALID,		/* for whatever reason: we do not tell */
	JWT_EXPIRED		/* good in all else */
};

/* token need not end with a NUL.  ret is written on JWT_OK only. */
enum jwt_result jwt_verify(const struct jwt_conf *, const char *token,
	    size_t len, int64_t now_s, struct jwt_claims *ret)
	    __attribute__((warn_unused_result));

#endif
