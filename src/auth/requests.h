/*
 * requests: the bytes that go to a sign-in provider.  Pure functions.
 */
#ifndef AUTH_REQUESTS_H
#define AUTH_REQUESTS_H

#include "auth/providers.h"
#include "base/buf.h"

/* Appends where the browser is to go; nonce "" leaves it out. */
int	 request_authorization_url(const struct provider *, const char *state,
	    const char *verifier, const char *nonce, struct buf *ret);
/* Appends the form of the token request (RFC 6749 4.1.3, 7636 4.5);
 * carries secrets: wipe it. */
int	 request_token_form(const struct provider *, const char *code,
	    const char *verifier, struct buf *ret);
/* Appends "Basic ..." (RFC 6749 2.3.1), or nothing when the secret goes
 * into the form; wipe it. */
int	 request_basic(const struct provider *, struct buf *ret);

#endif
