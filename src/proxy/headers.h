/*
 * headers: the only fields that go to the upstream, and back.
 *
 * Nothing of the client's is forwarded and nothing of the upstream's:
 * both sides get fields made here, so hop-by-hop fields, X-Accel-
 * Redirect, X-Sendfile, Set-Cookie and the like have no way through.
 */
#ifndef PROXY_HEADERS_H
#define PROXY_HEADERS_H

#include <stdbool.h>

#include "base/arena.h"
#include "http/response.h"

#define HEADERS_REQUEST_MAX	6	/* with the closing NULL */
#define HEADERS_USER_AGENT	"plugway/" PLUGWAY_VERSION

/* The value to send as X-Account-Type: "antigravity" or "kiro" in any
 * letter case gives the lower-case name; all else NULL. */
const char *headers_account_type(const char *);

struct headers_request {
	bool		 has_body;	/* Content-Type: application/json */
	bool		 accept_sse;
	const char	*account_type;	/* checked again; NULL: none */
	const char	*request_id;
};
/* Fills ret with "Name: value" lines from the arena, NULL-terminated. */
void	 headers_for_upstream(struct arena *, const struct headers_request *,
	    const char *ret[HEADERS_REQUEST_MAX]);

/* Status and fields of an answer of ours. */
void	 headers_json(struct response *, int status);
void	 headers_stream(struct response *);

#endif
