/*
 * proxy: one call, from the opened key to the end of the answer.
 *
 * What comes back is either relayed as it arrives (an SSE answer that
 * was asked for) or held until it is complete, looked at, and sent with
 * the same bytes.  Called by api/.
 */
#include <string.h>

#include "base/clock.h"
#include "base/jsonscan.h"
#include "proxy/proxy.h"
#include "proxy/run.h"

#define TICK_FIRST_MS	1000

void
run_tell(struct run *r, int status, enum httpc_error error)
{
	if (r->told)
		return;
	r->told = true;
	call_tell(r->ctx, &r->pass, r->call->tenant->user_id, status, error);
}

static bool
wants_stream(const struct run *r)
{
	return r->call->route->answer == PROXY_CHAT &&
	    (r->call->body_arrives ? outbody_wants_stream(&r->outbody) :
	    r->call->stream);
}

static int
on_head(void *arg, const struct httpc_head *head)
{
	struct run *r = arg;

	r->status = head->status;
	run_tell(r, head->status, HTTPC_DONE);
	r->encoded = head->content_encoding != NULL;
	(void)strncpy(r->content_type, head->content_type,
	    sizeof(r->content_type) - 1);
	if (head->status != 200 || r->encoded || !wants_stream(r) ||
	    !upstream_is_sse(head->content_type))
		return 0;
	r->relaying = true;
	if (r->ctx->self != NULL)
		score_set_state(r->ctx->self, PROC_STREAMING);
	if (!r->relay.open) {
		call_count(r->ctx, CNT_STREAM_OPENED);
		r->stopped = relay_open(&r->relay);
	}
	return r->stopped;
}

static int
on_body(void *arg, const char *piece, size_t n)
{
	struct run *r = arg;
	struct buf *b = &r->response->body;

	if (r->relaying) {
		r->stopped = relay_bytes(&r->relay, piece, n);
		return r->stopped;
	}
	/* Of an error only the beginning is of use. */
	if (r->status >= 300 && b->len + n > UPSTREAM_ERROR_MAX) {
		r->body_cut = true;
		return 0;
	}
	return buf_append(b, piece, n);
}

static int
on_tick(void *arg, int64_t silent_ms)
{
	struct run *r = arg;
	bool was_open = r->relay.open;
	int ms;

	if (!wants_stream(r) || (r->status != 0 && !r->relaying))
		return TICK_FIRST_MS;
	/* All is said: whoever keeps the connection open now is not waited
	 * for. */
	if (r->relay.sse.done && sse_at_boundary(&r->relay.sse))
		return -1;
	ms = relay_tick(&r->relay, silent_ms, r->status != 0);
	if (r->relay.open && !was_open)
		call_count(r->ctx, CNT_STREAM_OPENED);
	if (ms < 0)
		r->stopped = ms;
	return ms;
}

static ssize_t
read_body(void *arg, char *ret, size_t n)
{
	struct run *r = arg;

	return outbody_read(&r->outbody, ret, n);
}

static int
late_watch_fd(void *arg)
{
	struct run *r = arg;

	return r->relay.writer->watch_fd(r->relay.writer->arg);
}

/* What is sent; -1: the body cannot be. */
static int
take_body(struct run *r, struct httpc_request *req)
{
	const struct proxy_call *call = r->call;

	if (call->body_arrives) {
		req->body_len = outbody_open(&r->outbody, r->relay.writer,
		    (uint64_t)call->request->content_length,
		    call->route->answer == PROXY_CHAT);
		req->read_body = read_body;
		req->late_watch_fd = late_watch_fd;
		return 0;
	}
	if (strcmp(call->route->method, "GET") == 0 ||
	    strcmp(call->route->method, "DELETE") == 0)
		return 0;
	req->body = call->body != NULL ? call->body : "{}";
	req->body_len = call->body != NULL ? call->body_len : 2;
	if (!call->add_stream_false)
		return 0;
	buf_init(&r->spliced, call->body_len + OUTBODY_DEFAULT_LEN + 1);
	if (outbody_splice(&r->spliced, call->body, call->body_len) != 0)
		return -1;
	req->body = r->spliced.data;
	req->body_len = r->spliced.len;
	return 0;
}

/* Nothing was sent, or repeating does no harm. */
static bool
may_retry(const struct run *r, const struct httpc_request *req,
    const struct httpc_result *result)
{
	if (r->status != 0 || r->relay.open || r->stopped != 0 ||
	    req->read_body != NULL || result->repeated ||
	    r->pass.verdict == BREAKER_PROBE)
		return false;
	if (result->error == HTTPC_UNREACHABLE)
		return !result->sent;
	return result->error == HTTPC_BROKEN && req->idempotent;
}

static void
perform(struct run *r, struct httpc_request *req, struct httpc_result *result)
{
	struct response *res = r->response;

	httpc_perform(r->ctx->httpc, req, result);
	res->upstream_us += result->wait_us;
	if (result->repeated)
		call_count(r->ctx, CNT_UPSTREAM_RETRY);
	if (!may_retry(r, req, result))
		return;
	call_count(r->ctx, CNT_UPSTREAM_RETRY);
	httpc_perform(r->ctx->httpc, req, result);
	res->upstream_us += result->wait_us;
}

static void
prepare(struct run *r, const struct http_writer *writer)
{
	const struct upstream_conf *conf = r->ctx->conf;

	keyguard_init(&r->guard, r->key.plain, r->key.len);
	r->relay = (struct relay){
		.request = r->call->request, .response = r->response,
		.writer = writer, .guard = &r->guard,
		.heartbeat_ms = conf->heartbeat_ms,
		.commit_ms = conf->stream_commit_ms,
		.client_stall_ms = conf->client_stall_ms,
		.wrote_ms = clock_mono_ms(),
	};
	sse_init(&r->relay.sse);
}

static int
first_tick(const struct run *r)
{
	const struct upstream_conf *conf = r->ctx->conf;

	if (r->call->route->answer != PROXY_CHAT ||
	    (!r->call->stream && !r->call->body_arrives))
		return 0;
	if (conf->stream_commit_ms > 0 &&
	    (conf->heartbeat_ms == 0 ||
	    conf->stream_commit_ms < conf->heartbeat_ms))
		return conf->stream_commit_ms;
	return conf->heartbeat_ms > 0 ? conf->heartbeat_ms : TICK_FIRST_MS;
}

static int
run(struct run *r, const struct http_writer *writer,
    struct proxy_result *ret)
{
	struct httpc_request req = {
		.max_body = call_max_answer(r->ctx->conf), .arg = r,
		.on_head = on_head, .on_body = on_body, .on_tick = on_tick,
		.watch_fd = -1, .tick_ms = first_tick(r),
	};
	struct httpc_result result;
	int status = call_admit(r->ctx, &r->pass, r->response);

	if (status != 0)
		return status;
	prepare(r, writer);
	if (take_body(r, &req) != 0 ||
	    call_request(r->ctx, r->call, &r->key, &req) != 0) {
		run_tell(r, 0, HTTPC_STOPPED);
		return response_problem(r->response, PROBLEM_BAD_REQUEST,
		    NULL);
	}
	if (!r->call->body_arrives)
		req.watch_fd = writer->watch_fd(writer->arg);
	if (r->ctx->self != NULL)
		score_set_state(r->ctx->self, PROC_WAITING);
	perform(r, &req, &result);
	run_tell(r, r->status, result.error);
	return outcome_finish(r, &result, ret);
}

int
proxy_run(const struct proxy_ctx *ctx, const struct proxy_call *call,
    struct response *response, const struct http_writer *writer,
    struct proxy_result *ret)
{
	struct run r;
	int status;

	memset(&r, 0, sizeof(r));
	memset(ret, 0, sizeof(*ret));
	r.ctx = ctx;
	r.call = call;
	r.response = response;
	if (callkey_open(&r.key, ctx->bootkey, call->tenant) != 0) {
		call_count(ctx, CNT_CACHE_REJECT);
		return response_problem(response, PROBLEM_KEY_UNUSABLE, NULL);
	}
	status = run(&r, writer, ret);
	callkey_wipe(&r.key);
	keyguard_wipe(&r.guard);
	buf_wipe(&r.spliced);
	return status;
}

int
proxy_chat_stream(const char *body, size_t len, bool *ret_stream,
    bool *ret_absent)
{
	static const char *const names[] = { "stream" };
	struct jsonscan scan;

	if (jsonscan_text(&scan, names, 1, body, len) != 0 ||
	    scan.top != JSON_OBJECT)
		return -1;
	*ret_absent = scan.member[0].kind == JSON_ABSENT;
	*ret_stream = outbody_is_stream(&scan.member[0]);
	return 0;
}
