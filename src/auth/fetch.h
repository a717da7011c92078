/* fetch: one small exchange with a sign-in provider. */
#ifndef AUTH_FETCH_H
#define AUTH_FETCH_H

#include <stdbool.h>
#include <stdint.h>

#include "auth/oauth.h"
#include "auth/providers.h"
#include "base/buf.h"
#include "net/httpc.h"

#define FETCH_BODY_MAX	(1024 * 1024)	/* bytes of an answer */

struct fetch {
	const char		*what;		/* for detail */
	const struct endpoint	*to;
	const char		*authorization;	/* or NULL */
	const struct buf	*form;		/* POST; NULL: GET */
	int64_t			 deadline_ms;	/* monotonic */
};

/*
 * OAUTH_OK when a whole answer came, whatever its status; else
 * OAUTH_UNREACHABLE or OAUTH_BAD_ANSWER (too large) and a phrase in
 * detail.  ret_body is made here; wipe it when it may hold a token.
 */
enum oauth_result fetch_run(struct httpc *, const struct fetch *,
	    struct buf *ret_body, int *ret_status, struct buf *detail);

#endif
