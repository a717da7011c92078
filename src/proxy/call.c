/*
 * call: what one exchange and several side by side have in common.
 *
 * Called by proxy.c and fetch.c.  The opened key lies in the caller's
 * stack frame and is wiped there.
 */
#include <assert.h>
#include <stdio.h>
#include <string.h>

#include "base/clock.h"
#include "base/log.h"
#include "base/secret.h"
#include "proxy/call.h"
#include "proxy/headers.h"
#include "proxy/target.h"

#define TARGET_MAX	(8 * 1024)

int
callkey_open(struct callkey *k, const struct bootkey *bootkey,
    const struct tenant *tenant)
{
	ssize_t len;

	memset(k, 0, sizeof(*k));
	len = bootkey_open(bootkey, tenant->user_id, tenant->key_gen,
	    tenant->sealed, tenant->sealed_len, k->plain);
	if (len <= 0 || strlen((const char *)k->plain) != (size_t)len) {
		callkey_wipe(k);
		return -1;
	}
	k->len = (size_t)len;
	memcpy(k->authorization, "Bearer ", 7);
	memcpy(k->authorization + 7, k->plain, k->len + 1);
	return 0;
}

void
callkey_wipe(struct callkey *k)
{
	wipe(k, sizeof(*k));
}

void
call_count(const struct proxy_ctx *ctx, enum counter counter)
{
	if (ctx->counters != NULL)
		counters_add(ctx->counters, counter, 1);
}

int
call_admit(const struct proxy_ctx *ctx, struct breaker_pass *ret,
    struct response *response)
{
	*ret = (struct breaker_pass){ .verdict = BREAKER_PASS };
	if (ctx->breaker == NULL)
		return 0;
	breaker_ask(ctx->breaker, clock_mono_ms(), ret);
	if (ret->verdict != BREAKER_REFUSE)
		return 0;
	call_count(ctx, CNT_REJECT_BREAKER);
	response->retry_after_s = (ret->retry_ms + 999) / 1000;
	return response_problem(response, PROBLEM_UPSTREAM_UNAVAILABLE, NULL);
}

/* Dead: no connection, no first byte in time, or its own front says so. */
static enum breaker_outcome
outcome_of(int status, enum httpc_error error)
{
	if (status == 502 || status == 503 || status == 504)
		return BREAKER_DEAD;
	if (status != 0)
		return BREAKER_ALIVE;
	switch (error) {
	case HTTPC_UNREACHABLE:
	case HTTPC_CONNECT_TIMEOUT:
	case HTTPC_TIMEOUT_FIRST:
	case HTTPC_TIMEOUT_TOTAL:
		return BREAKER_DEAD;
	default:
		return BREAKER_UNKNOWN;
	}
}

static enum counter
counter_of(int status, enum httpc_error error)
{
	static const enum counter by_class[] = {
		[2] = CNT_UPSTREAM_2XX, [3] = CNT_UPSTREAM_3XX,
		[4] = CNT_UPSTREAM_4XX, [5] = CNT_UPSTREAM_5XX,
	};

	if (status >= 200 && status <= 599)
		return by_class[status / 100];
	return error == HTTPC_TIMEOUT_FIRST || error == HTTPC_TIMEOUT_TOTAL ||
	    error == HTTPC_CONNECT_TIMEOUT ? CNT_UPSTREAM_TIMEOUT :
	    CNT_UPSTREAM_FAILED;
}

void
call_tell(const struct proxy_ctx *ctx, const struct breaker_pass *pass,
    uint64_t user_id, int status, enum httpc_error error)
{
	enum breaker_outcome outcome = outcome_of(status, error);

	if (status != 0 || outcome == BREAKER_DEAD || error == HTTPC_BROKEN)
		call_count(ctx, counter_of(status, error));
	if (ctx->breaker != NULL)
		breaker_tell(ctx->breaker, pass, outcome, user_id,
		    clock_mono_ms());
}

void
call_key_echo(const struct proxy_ctx *ctx, const struct tenant *tenant)
{
	call_count(ctx, CNT_KEY_ECHO);
	LOG_EVENT(LOG_LEVEL_WARN, "upstream_key_echo",
	    LOG_N("user_id", tenant->user_id),
	    LOG_S("what", "the upstream's answer holds the user's key; "
	    "it was not passed on"));
}

/* What the limits are for: total, first byte and idle, in that order. */
static void
set_limits(const struct upstream_conf *conf, const struct proxy_call *call,
    struct httpc_request *req)
{
	bool stream = call->route->answer == PROXY_CHAT &&
	    (call->stream || call->body_arrives);

	if (stream) {
		req->first_byte_ms = conf->stream_first_byte_ms;
		req->idle_ms = conf->stream_idle_ms;
		req->total_ms = conf->stream_total_ms;
	} else if (call->route->answer == PROXY_JSON) {
		req->total_ms = conf->request_timeout_ms;
	} else {
		req->total_ms = conf->chat_timeout_ms;
	}
}

int
call_request(const struct proxy_ctx *ctx, const struct proxy_call *call,
    const struct callkey *key, struct httpc_request *ret)
{
	struct arena *arena = call->request->arena;
	const char **lines = arena_alloc(arena, HEADERS_REQUEST_MAX *
	    sizeof(*lines));
	struct buf target = BUF_INIT(TARGET_MAX);
	struct headers_request fields = {
		.has_body = ret->body != NULL || ret->read_body != NULL,
		.accept_sse = call->stream || (call->body_arrives &&
		    call->route->answer == PROXY_CHAT),
		.account_type = call->account_type,
		.request_id = call->request->id,
	};
	int rc;

	rc = target_build(&target, call->route->target, call->request->value,
	    call->tenant->plugin_user_id, call->query);
	ret->target = arena_strdup(arena, buf_str(&target));
	buf_free(&target);
	headers_for_upstream(arena, &fields, lines);
	ret->method = call->route->method;
	ret->base = &ctx->conf->base;
	ret->headers = lines;
	ret->authorization = key->authorization;
	ret->idempotent = strcmp(call->route->method, "GET") == 0;
	set_limits(ctx->conf, call, ret);
	return rc;
}

int
call_problem(struct response *response, const struct upstream_verdict *v)
{
	assert(v->problem != PROBLEM_NONE);
	if (v->retry_after_s > 0)
		response->retry_after_s = v->retry_after_s;
	return response_problem(response, v->problem, v->detail);
}

uint64_t
call_max_answer(const struct upstream_conf *conf)
{
	return conf->max_answer > 0 ? conf->max_answer : UPSTREAM_ANSWER_MAX;
}
