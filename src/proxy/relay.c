/*
 * relay: an SSE answer from the upstream to the client.
 *
 * Called by proxy from httpc's callbacks.  Writing blocks while the
 * client does not read, which stops the reading from the upstream: that
 * is the whole of the back-pressure.
 */
#include <limits.h>
#include <string.h>

#include "base/clock.h"
#include "proxy/headers.h"
#include "proxy/relay.h"

#define EVENT_MAX	(32 * 1024)	/* of an error event */

/* The client takes no more: why, as far as the time tells. */
static int
lost(struct relay *r, int64_t began_ms)
{
	r->broken = true;
	r->response->client_gone = true;
	r->stalled = r->client_stall_ms > 0 &&
	    clock_mono_ms() - began_ms >= r->client_stall_ms * 9 / 10;
	return -1;
}

static int
put(void *arg, const char *bytes, size_t n)
{
	struct relay *r = arg;
	int64_t began = clock_mono_ms();

	if (r->broken)
		return -1;
	if (r->writer->write(r->writer->arg, bytes, n) != 0)
		return lost(r, began);
	sse_feed(&r->sse, bytes, n);
	r->response->body_bytes += n;
	return 0;
}

static int
flush(struct relay *r)
{
	int64_t began = clock_mono_ms();

	if (r->writer->flush(r->writer->arg) != 0)
		return lost(r, began);
	r->wrote_ms = clock_mono_ms();
	return 0;
}

int
relay_open(struct relay *r)
{
	int64_t began = clock_mono_ms();

	headers_stream(r->response);
	r->open = true;
	if (response_send_head(r->response, r->request, r->writer, -1) != 0)
		return lost(r, began);
	return flush(r);
}

int
relay_bytes(struct relay *r, const char *bytes, size_t n)
{
	uint64_t before = r->response->body_bytes;
	int rc = keyguard_feed(r->guard, bytes, n, put, r);

	if (rc == 0 && r->response->body_bytes > before)
		rc = flush(r);
	return rc;
}

int
relay_finish(struct relay *r)
{
	if (r->guard->held == 0)
		return 0;
	if (keyguard_end(r->guard, put, r) != 0)
		return -1;
	return flush(r);
}

static int
comment(struct relay *r)
{
	if (put(r, RELAY_COMMENT, sizeof(RELAY_COMMENT) - 1) != 0)
		return -1;
	return flush(r);
}

int
relay_tick(struct relay *r, int64_t silent_ms, bool body)
{
	int64_t quiet_ms;

	if (!r->open) {
		if (body || r->commit_ms == 0)
			return INT_MAX;
		if (silent_ms < r->commit_ms)
			return (int)(r->commit_ms - silent_ms);
		if (relay_open(r) != 0 || comment(r) != 0)
			return -1;
	}
	if (r->heartbeat_ms == 0)
		return INT_MAX;
	quiet_ms = clock_mono_ms() - r->wrote_ms;
	if (quiet_ms < r->heartbeat_ms)
		return (int)(r->heartbeat_ms - quiet_ms);
	if (sse_at_boundary(&r->sse) && comment(r) != 0)
		return -1;
	return r->heartbeat_ms;
}

int
relay_error(struct relay *r, enum problem problem, const char *detail)
{
	const struct problem_row *row = problem_row(problem);
	struct buf event = BUF_INIT(EVENT_MAX);
	int rc;

	/* Half an event of the upstream's must not swallow ours. */
	if (!sse_at_boundary(&r->sse))
		(void)buf_puts(&event, "\n\n");
	(void)buf_puts(&event, "data: {\"error\":{\"message\":");
	(void)buf_json_cstr(&event, detail != NULL ? detail :
	    row->text[r->request->chinese]);
	(void)buf_printf(&event, ",\"type\":\"%s\",\"code\":\"%s\"}}\n\n",
	    row->type, row->code);
	rc = put(r, buf_str(&event), event.len);
	if (rc == 0)
		rc = flush(r);
	buf_free(&event);
	return rc;
}
