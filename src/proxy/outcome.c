/*
 * outcome: what the end of an exchange means for the client.
 *
 * Whatever the upstream did, this gives one clear answer: its JSON, a
 * problem with a true status, or, when a stream's head is out, an error
 * event and the end.  Called once per call, by proxy.c.
 */
#include <string.h>

#include <json.h>

#include "base/jsonscan.h"
#include "base/log.h"
#include "proxy/headers.h"
#include "proxy/run.h"

#define EXHAUSTED	"RESOURCE_EXHAUSTED"
#define EXHAUSTED_LOOK	(64 * 1024)	/* longer answers say more */

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
	} else if (r->relaying && r->relay.sse.done) {
		/* Nothing is missing, however the connection then ended. */
		counter = CNT_STREAM_DONE;
		problem = PROBLEM_NONE;
		res->end_reason = "done";
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

int
outcome_finish(struct run *r, const struct httpc_result *result,
    struct proxy_result *ret)
{
	struct response *res = r->response;

	ret->error = result->error;
	res->upstream_status = r->status;
	if (r->relaying && result->error == HTTPC_DONE)
		(void)relay_finish(&r->relay);
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
