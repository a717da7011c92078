/*
 * proxy: one call, from the opened key to the end of the answer.
 *
 * What comes back is either relayed as it arrives (an SSE answer that
 * was asked for) or held until it is complete, looked at, and sent with
 * the same bytes.  Called by api/.
 */
#include <string.h>

#include <json.h>

#include "base/clock.h"
#include "base/jsonscan.h"
#include "base/log.h"
#include "proxy/call.h"
#include "proxy/headers.h"
#include "proxy/outbody.h"
#include "proxy/proxy.h"
#include "proxy/relay.h"

#define TICK_FIRST_MS	1000
#define EXHAUSTED	"RESOURCE_EXHAUSTED"
#define EXHAUSTED_LOOK	(64 * 1024)	/* longer answers say more */

struct run {
	const struct proxy_ctx *ctx;
	const struct proxy_call *call;
	struct response	*response;
	struct callkey	 key;
	struct keyguard	 guard;
	struct relay	 relay;
	struct outbody	 outbody;
	struct buf	 spliced;
	char		 content_type[128];
	int		 status;	/* of the upstream; 0: no head yet */
	bool		 encoded;	/* a content coding nobody asked for */
	bool		 relaying;	/* the body goes through the relay */
	bool		 body_cut;
	int		 stopped;	/* what a callback stopped with */
};

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
	r->encoded = head->content_encoding != NULL;
	(void)strncpy(r->content_type, head->content_type,
	    sizeof(r->content_type) - 1);
	if (head->status != 200 || r->encoded || !wants_stream(r) ||
	    !upstream_is_sse(head->content_type))
		return 0;
	r->relaying = true;
	if (r->ctx->self != NULL)
		score_set_state(r->ctx->self, PROC_STREAMING);
	if (!r->relay.open)
		r->stopped = relay_open(&r->relay);
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
	int ms;

	if (!wants_stream(r) || (r->status != 0 && !r->relaying))
		return TICK_FIRST_MS;
	ms = relay_tick(&r->relay, silent_ms, r->status != 0);
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
	    req->read_body != NULL)
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
	if (!may_retry(r, req, result))
		return;
	call_count(r->ctx, CNT_UPSTREAM_RETRY);
	httpc_perform(r->ctx->httpc, req, result);
	res->upstream_us += result->wait_us;
}

/* A chat that is not streamed says with a 200 that the quota is gone. */
static bool
is_exhausted(const struct run *r)
{
	const struct buf *b = &r->response->body;
	struct json_object *root, *choices, *message, *content;
	bool yes = false;

	if (r->call->route->answer != PROXY_CHAT || b->len > EXHAUSTED_LOOK ||
	    strstr(buf_str(b), EXHAUSTED) == NULL)
		return false;
	root = json_tokener_parse(buf_str(b));
	if (json_object_object_get_ex(root, "choices", &choices) &&
	    json_object_is_type(choices, json_type_array) &&
	    json_object_object_get_ex(json_object_array_get_idx(choices, 0),
	    "message", &message) &&
	    json_object_object_get_ex(message, "content", &content) &&
	    json_object_is_type(content, json_type_string))
		yes = strcmp(json_object_get_string(content), EXHAUSTED) == 0;
	json_object_put(root);
	return yes;
}

static int
key_echo(struct run *r, struct proxy_result *ret)
{
	ret->key_echo = true;
	r->response->end_reason = "key_echo";
	call_key_echo(r->ctx, r->call->tenant);
	return response_problem(r->response, PROBLEM_UPSTREAM_ERROR, NULL);
}

/* A complete 2xx that is not a stream. */
static int
finish_success(struct run *r)
{
	struct response *res = r->response;
	struct jsonscan scan;

	if (r->status == 204) {
		buf_reset(&res->body);
		headers_json(res, 204);
		return 204;
	}
	if (r->encoded || !upstream_is_json(r->content_type) ||
	    jsonscan_text(&scan, NULL, 0, buf_str(&res->body),
	    res->body.len) != 0)
		return response_problem(res, PROBLEM_UPSTREAM_ERROR, NULL);
	if (is_exhausted(r))
		return response_problem(res, PROBLEM_QUOTA, NULL);
	headers_json(res, 200);
	return 200;
}

static int
finish_answer(struct run *r, const struct httpc_result *result,
    struct proxy_result *ret)
{
	struct response *res = r->response;
	const struct upstream_answer answer = {
		.class = r->call->route->class, .status = r->status,
		.content_type = r->content_type,
		.retry_after = result->retry_after,
		.body = r->encoded ? "" : buf_str(&res->body),
		.body_len = r->encoded ? 0 : res->body.len,
		.body_cut = r->body_cut,
	};
	struct upstream_verdict verdict;

	if (memmem(buf_str(&res->body), res->body.len, r->key.plain,
	    r->key.len) != NULL)
		return key_echo(r, ret);
	upstream_map(&answer, r->call->request->arena, &verdict);
	if (verdict.problem == PROBLEM_NONE)
		return finish_success(r);
	ret->repair = verdict.key_refused;
	return call_problem(res, &verdict);
}

static int
client_gone(struct run *r)
{
	struct response *res = r->response;

	res->client_gone = true;
	res->end_reason = r->relay.stalled ? "stalled" : "client_gone";
	if (r->relay.open)
		call_count(r->ctx, r->relay.stalled ? CNT_STREAM_STALLED :
		    CNT_STREAM_CLIENT_GONE);
	/* Nobody reads it; the log says 499 in other programs' words. */
	return res->status;
}

/* The body that arrived was not what it has to be. */
static int
bad_body(struct run *r)
{
	static const enum problem problems[] = {
		[OUTBODY_GONE] = PROBLEM_BODY_LENGTH,
		[OUTBODY_NOT_JSON] = PROBLEM_BAD_JSON,
		[OUTBODY_NOT_OBJECT] = PROBLEM_BAD_JSON,
	};

	return response_problem(r->response, problems[r->outbody.fault],
	    NULL);
}

/* No complete answer came, and no head of ours is out. */
static int
finish_failure(struct run *r, const struct httpc_result *result)
{
	enum problem problem = upstream_map_error(result->error);

	if (r->outbody.fault != OUTBODY_OK)
		return bad_body(r);
	LOG_EVENT(LOG_LEVEL_WARN, "upstream failed",
	    LOG_S("error", httpc_error_name(result->error)),
	    LOG_S("text", result->text));
	return response_problem(r->response, problem, NULL);
}

/* The end of a stream whose head is out; the client hears of failures
 * in one last event. */
static void
finish_stream(struct run *r, const struct httpc_result *result,
    struct proxy_result *ret)
{
	struct response *res = r->response;
	enum problem problem = PROBLEM_UPSTREAM_ERROR;
	const char *detail = NULL;
	enum counter counter = CNT_STREAM_UPSTREAM_BROKEN;

	ret->streamed = true;
	res->end_reason = "upstream_broken";
	if (r->stopped == KEYGUARD_HIT) {
		(void)key_echo(r, ret);
	} else if (result->error != HTTPC_DONE) {
		problem = upstream_map_error(result->error);
		if (problem == PROBLEM_TIMEOUT) {
			counter = CNT_STREAM_TIMEOUT;
			res->end_reason = "timeout";
		}
	} else if (!r->relaying) {
		/* Committed, and then it was no stream. */
		(void)finish_answer(r, result, ret);
		if (res->problem != PROBLEM_NONE) {
			problem = res->problem;
			detail = res->detail.text;
		}
	} else if (relay_finish(&r->relay) == 0 && r->relay.sse.done) {
		counter = CNT_STREAM_DONE;
		problem = PROBLEM_NONE;
		res->end_reason = "done";
	} else {
		counter = CNT_STREAM_NO_DONE;
		res->end_reason = "no_done";
	}
	call_count(r->ctx, counter);
	if (problem != PROBLEM_NONE && !r->relay.broken)
		(void)relay_error(&r->relay, problem, detail);
	/* The head said 200. */
	res->problem = PROBLEM_NONE;
	res->status = 200;
}

static int
finish(struct run *r, const struct httpc_result *result,
    struct proxy_result *ret)
{
	struct response *res = r->response;

	ret->error = result->error;
	res->upstream_status = r->status;
	if (result->error == HTTPC_ABANDONED || r->relay.broken)
		return client_gone(r);
	if (r->relay.open) {
		finish_stream(r, result, ret);
		return res->status;
	}
	if (result->error == HTTPC_DONE)
		return finish_answer(r, result, ret);
	return finish_failure(r, result);
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

	if (r->call->route->answer != PROXY_CHAT)
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
	struct breaker_pass pass;
	int status = call_admit(r->ctx, &pass, r->response);

	if (status != 0)
		return status;
	prepare(r, writer);
	if (take_body(r, &req) != 0 ||
	    call_request(r->ctx, r->call, &r->key, &req) != 0) {
		call_tell(r->ctx, &pass, r->call->tenant->user_id, 0,
		    HTTPC_STOPPED);
		return response_problem(r->response, PROBLEM_BAD_REQUEST,
		    NULL);
	}
	if (!r->call->body_arrives)
		req.watch_fd = writer->watch_fd(writer->arg);
	if (r->ctx->self != NULL)
		score_set_state(r->ctx->self, PROC_WAITING);
	perform(r, &req, &result);
	call_tell(r->ctx, &pass, r->call->tenant->user_id, r->status,
	    result.error);
	if (r->relay.open)
		call_count(r->ctx, CNT_STREAM_OPENED);
	return finish(r, &result, ret);
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
