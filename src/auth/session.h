/*
 * session: from sign-in to sign-out.
 *
 * A session is a row in the database with a chain of refresh tokens;
 * access tokens name it in `sid`.  A refresh token is shown once and
 * stored hashed.
 *
 * Functions return 0, or -1 when the database failed (db_fault says
 * how); the caller may then be asked to try again with the same token.
 */
#ifndef AUTH_SESSION_H
#define AUTH_SESSION_H

#include <stdbool.h>
#include <stdint.h>

#include "auth/jwt.h"
#include "share/revoked.h"
#include "store/tokens.h"
#include "store/users.h"

#define REFRESH_TOKEN_LEN	46	/* "rt_" and 32 bytes as base64url */
#define REFRESH_GRACE_S		60
#define SESSION_REVOKED_ID_MAX	(JWT_ID_MAX + 4)	/* "sid:" */

struct session_conf {
	const struct jwt_conf *jwt;
	unsigned	 refresh_ttl_s;
};

/* Wipe it (session_tokens_wipe) when the answer is written. */
struct session_tokens {
	char		 access[JWT_MAX + 1];
	char		 refresh[REFRESH_TOKEN_LEN + 1];
	char		 session_id[SESSION_ID_LEN + 1];
	int64_t		 expires_in_s;		/* of the access token */
};
void	 session_tokens_wipe(struct session_tokens *);

/* A new session, always with a new id. */
int	 session_start(struct db *, const struct session_conf *,
	    const struct user *, struct session_tokens *ret)
	    __attribute__((warn_unused_result));
/*
 * Presents a refresh token.  ret and ret_user are written only when
 * *ret_result is REFRESH_OK.  What does not look like one of our refresh
 * tokens is REFRESH_UNKNOWN without asking the database.
 */
int	 session_renew(struct db *, const struct session_conf *,
	    const char *refresh, enum refresh_result *ret_result,
	    struct session_tokens *ret, struct user *ret_user)
	    __attribute__((warn_unused_result));

/*
 * Ends the session of these claims, and that of refresh (may be NULL;
 * ignored when it is not this user's).  Other hosts follow through the
 * database.  *ret_full (may be NULL) becomes true when the shared set
 * had no room, which the operator should hear.
 */
int	 session_logout(struct db *, const struct session_conf *,
	    struct revoked *, const struct jwt_claims *, const char *refresh,
	    bool *ret_full) __attribute__((warn_unused_result));
/*
 * Ends every session of the user.  *ret_valid_from_s is what
 * users.sessions_valid_from_s became: tokens with an older iat are dead.
 */
int	 session_logout_all(struct db *, const struct session_conf *,
	    struct revoked *, const struct jwt_claims *, bool *ret_full,
	    int64_t *ret_valid_from_s) __attribute__((warn_unused_result));

/* Was this token, or its session, ended before its time? */
bool	 session_is_revoked(const struct revoked *, const struct jwt_claims *);

#endif
