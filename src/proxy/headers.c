/*
 * headers: the only fields that go to the upstream, and back.
 *
 * Called by proxy and relay.  Must not look at any field of the client's
 * or of the upstream's: what is sent is made here.
 */
#include <stddef.h>
#include <strings.h>

#include "proxy/headers.h"

const char *
headers_account_type(const char *value)
{
	static const char *const types[] = { "antigravity", "kiro" };
	size_t i;

	for (i = 0; value != NULL && i < sizeof(types) / sizeof(types[0]);
	    i++) {
		if (strcasecmp(value, types[i]) == 0)
			return types[i];
	}
	return NULL;
}

void
headers_for_upstream(struct arena *arena, const struct headers_request *h,
    const char *ret[HEADERS_REQUEST_MAX])
{
	const char *type = headers_account_type(h->account_type);
	size_t n = 0;

	ret[n++] = h->accept_sse ?
	    "Accept: text/event-stream, application/json" :
	    "Accept: application/json";
	if (h->has_body)
		ret[n++] = "Content-Type: application/json";
	if (type != NULL)
		ret[n++] = arena_printf(arena, "X-Account-Type: %s", type);
	if (h->request_id != NULL && h->request_id[0] != '\0')
		ret[n++] = arena_printf(arena, "X-Request-Id: %s",
		    h->request_id);
	ret[n] = NULL;
}

void
headers_json(struct response *response, int status)
{
	response->status = status;
	if (status != 204)
		(void)response_header(response, "Content-Type",
		    "application/json");
	(void)response_header(response, "Cache-Control", "no-store");
}

void
headers_stream(struct response *response)
{
	response->status = 200;
	(void)response_header(response, "Content-Type", "text/event-stream");
	(void)response_header(response, "Cache-Control", "no-cache");
	/* nginx: pass each event on at once. */
	(void)response_header(response, "X-Accel-Buffering", "no");
}
