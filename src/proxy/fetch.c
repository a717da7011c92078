/*
 * fetch: several GETs of one user side by side, for composed answers.
 *
 * The parts are held, not relayed; the first that fails decides.
 */
#include <assert.h>
#include <string.h>

#include "base/jsonscan.h"
#include "base/log.h"
#include "proxy/call.h"
#include "proxy/proxy.h"

/* One part's outcome: 0, or the status that was put into response. */
static int
judge(const struct proxy_ctx *ctx, const struct request *request,
    const struct tenant *tenant, const struct callkey *key,
    struct proxy_part *part, const struct httpc_result *result,
    struct response *response, struct proxy_result *ret)
{
	const struct upstream_answer answer = {
		.class = part->route->class, .status = result->status,
		.content_type = result->content_type,
		.retry_after = result->retry_after,
		.body = buf_str(&part->answer), .body_len = part->answer.len,
	};
	struct upstream_verdict verdict;
	struct jsonscan scan;

	ret->error = result->error;
	response->upstream_status = result->status;
	if (result->error == HTTPC_ABANDONED) {
		response->client_gone = true;
		response->end_reason = "client_gone";
		return 502;
	}
	if (result->error != HTTPC_DONE) {
		LOG_EVENT(LOG_LEVEL_WARN, "upstream failed",
		    LOG_S("error", httpc_error_name(result->error)),
		    LOG_S("text", result->text));
		return response_problem(response,
		    upstream_map_error(result->error), NULL);
	}
	if (memmem(answer.body, answer.body_len, key->plain,
	    key->len) != NULL) {
		ret->key_echo = true;
		call_key_echo(ctx, tenant);
		return response_problem(response, PROBLEM_UPSTREAM_ERROR,
		    NULL);
	}
	upstream_map(&answer, request->arena, &verdict);
	if (verdict.problem != PROBLEM_NONE) {
		ret->repair = ret->repair || verdict.key_refused;
		return call_problem(response, &verdict);
	}
	if (!upstream_is_json(result->content_type) || jsonscan_text(&scan,
	    NULL, 0, answer.body, answer.body_len) != 0)
		return response_problem(response, PROBLEM_UPSTREAM_ERROR,
		    NULL);
	return 0;
}

static int
make_requests(const struct proxy_ctx *ctx, const struct request *request,
    const struct tenant *tenant, const struct callkey *key,
    struct proxy_part *parts, size_t n, int watch,
    struct httpc_request *ret)
{
	size_t i;

	for (i = 0; i < n; i++) {
		const struct proxy_call call = {
			.route = parts[i].route, .request = request,
			.tenant = tenant, .query = parts[i].query,
			.account_type = parts[i].account_type,
		};

		ret[i] = (struct httpc_request){ .watch_fd = watch,
		    .sink = &parts[i].answer,
		    .max_body = parts[i].answer.max };
		if (call_request(ctx, &call, key, &ret[i]) != 0)
			return -1;
	}
	return 0;
}

static int
fetch(const struct proxy_ctx *ctx, const struct request *request,
    const struct tenant *tenant, const struct callkey *key,
    struct proxy_part *parts, size_t n, struct response *response,
    const struct http_writer *writer, struct proxy_result *ret)
{
	struct httpc_request reqs[HTTPC_PARALLEL_MAX];
	struct httpc_result results[HTTPC_PARALLEL_MAX];
	struct breaker_pass pass;
	int64_t longest = 0;
	int status = call_admit(ctx, &pass, response), one;
	size_t i;

	if (status != 0)
		return status;
	if (make_requests(ctx, request, tenant, key, parts, n,
	    writer->watch_fd(writer->arg), reqs) != 0)
		return response_problem(response, PROBLEM_BAD_REQUEST, NULL);
	if (ctx->self != NULL)
		score_set_state(ctx->self, PROC_WAITING);
	httpc_perform_all(ctx->httpc, reqs, n, results);
	call_tell(ctx, &pass, tenant->user_id, results[0].status,
	    results[0].error);
	for (i = 0; i < n; i++) {
		struct response scratch = *response;

		if (results[i].wait_us > longest)
			longest = results[i].wait_us;
		if (status != 0)
			continue;
		one = judge(ctx, request, tenant, key, &parts[i],
		    &results[i], parts[i].optional ? &scratch : response,
		    ret);
		if (one != 0 && parts[i].optional)
			buf_reset(&parts[i].answer);
		else
			status = one;
	}
	response->upstream_us += longest;
	return status;
}

int
proxy_fetch(const struct proxy_ctx *ctx, const struct request *request,
    const struct tenant *tenant, struct proxy_part *parts, size_t n,
    struct response *response, const struct http_writer *writer,
    struct proxy_result *ret)
{
	struct callkey key;
	int status;

	assert(n > 0 && n <= HTTPC_PARALLEL_MAX);
	memset(ret, 0, sizeof(*ret));
	if (callkey_open(&key, ctx->bootkey, tenant) != 0) {
		call_count(ctx, CNT_CACHE_REJECT);
		return response_problem(response, PROBLEM_KEY_UNUSABLE, NULL);
	}
	status = fetch(ctx, request, tenant, &key, parts, n, response,
	    writer, ret);
	callkey_wipe(&key);
	return status;
}
