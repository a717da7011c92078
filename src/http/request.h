/*
 * request: what a client asked, from the FastCGI parameters.
 *
 * Routing looks at REQUEST_URI only: cut at '?', split at raw '/',
 * decoded piece by piece.  Of the header fields only those named here
 * are ever looked at; one that matters and comes twice is an error.
 */
#ifndef HTTP_REQUEST_H
#define HTTP_REQUEST_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/arena.h"
#include "http/problem.h"

#define REQUEST_SEGMENTS_MAX	16
#define REQUEST_QUERY_MAX	32	/* parameters */
#define REQUEST_URI_MAX		8192
#define REQUEST_ID_MAX		64

struct request_param {
	const char	*name, *value;	/* decoded */
};

struct request {
	struct arena	*arena;
	const char	*method;
	const char	*path;		/* decoded, for the log only */
	const char	*segment[REQUEST_SEGMENTS_MAX];	/* raw */
	size_t		 n_segments;
	bool		 trailing_slash;
	struct request_param query[REQUEST_QUERY_MAX];
	size_t		 n_query;

	/* Header fields; NULL when absent. */
	const char	*authorization, *x_api_key, *x_goog_api_key;
	const char	*x_api_type, *content_type, *accept, *origin;
	const char	*accept_language, *accept_encoding, *cookie;
	const char	*if_none_match, *request_method_asked;
	bool		 https;
	char		 client[64];	/* address, for limits and the log */
	char		 id[REQUEST_ID_MAX + 1];
	bool		 chinese;
	int64_t		 content_length; /* -1: not declared */
	int64_t		 started_us;	/* monotonic */

	/* The body, when the route buffers it. */
	char		*body;
	size_t		 body_len;
	/* Path values of the matched route, decoded and checked. */
	const char	*value[4];
};

/* The one value of a query parameter; NULL when absent.  Twice:
 * *ret_twice. */
const char *request_query(const struct request *, const char *name,
	    bool *ret_twice);
/* A cookie's value, in the request's arena; NULL when absent. */
const char *request_cookie(const struct request *, const char *name);

#endif
