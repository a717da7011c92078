/*
 * answers: what a sign-in provider said.  Pure functions over hostile
 * bytes; each appends a phrase for the log to detail when it does not
 * return OAUTH_OK, never with a token in it.
 */
#ifndef AUTH_ANSWERS_H
#define AUTH_ANSWERS_H

#include <stddef.h>
#include <stdint.h>

#include "auth/oauth.h"
#include "auth/providers.h"
#include "base/buf.h"
#include "base/secret.h"

#define ANSWER_TOKEN_MAX	16384	/* characters of a provider's token */

struct oauth_grant {
	struct secret	access_token;
	struct secret	id_token;	/* len 0: none came */
};
void	 oauth_grant_wipe(struct oauth_grant *);

/* RFC 6749 5.1 and 5.2; GitHub tells its errors in a 200. */
enum oauth_result answer_token(int status, const char *body, size_t len,
	    struct oauth_grant *ret, struct buf *detail);
/* Fills provider, subject, username, avatar_url and trust_level. */
enum oauth_result answer_userinfo(const struct provider *, int status,
	    const char *body, size_t len, struct oauth_identity *ret,
	    struct buf *detail);
/*
 * OpenID Connect Core 3.1.3.7 for a token that came straight from the
 * token endpoint: the connection vouches for it, not the signature.
 */
enum oauth_result answer_id_token(const struct provider *, const char *token,
	    size_t len, const char *nonce, const char *subject,
	    int64_t now_s, struct buf *detail);

#endif
