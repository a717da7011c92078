/*
 * proxied: from a checked call to proxy_run().
 */
#include <string.h>

#include "api/body.h"
#include "api/proxied.h"
#include "base/clock.h"
#include "base/jsonscan.h"
#include "base/log.h"
#include "proxy/headers.h"
#include "share/ask.h"
#include "store/jobs.h"

#define PENDING_WAIT_MS		1000
#define PENDING_RETRY_S		2
#define REPAIR_WAIT_MS		200
#define QUERY_MAX		4096

/* Why the account is not there yet, in words. */
static int
pending(struct call *c, const struct tenant *t)
{
	enum job_reason reason = t->reason < REASON_MAX ?
	    (enum job_reason)t->reason : REASON_NONE;
	const char *text = problem_row(PROBLEM_PENDING)->
	    text[c->req->chinese];
	const char *why = job_reason_text(reason, c->req->chinese);

	counters_add(c->gw->shared.counters, CNT_REJECT_PENDING, 1);
	c->res->retry_after_s = t->state == TENANT_FAILED ? 30 :
	    PENDING_RETRY_S;
	if (reason == REASON_NONE)
		return response_problem(c->res, PROBLEM_PENDING, NULL);
	return response_problem(c->res, PROBLEM_PENDING,
	    arena_printf(c->req->arena, "%s (%s)", text, why));
}

int
proxied_ready(struct call *c)
{
	struct tenant *t = &c->who.tenant;

	if (t->state == TENANT_PENDING) {
		int ms = c->gw->registration_wait_ms;

		if (ms > PENDING_WAIT_MS)
			ms = PENDING_WAIT_MS;
		if (gateway_wait_bound(c->gw, c->who.user_id, ms, t) != 0)
			return response_problem(c->res, PROBLEM_DATABASE,
			    NULL);
	}
	switch (t->state) {
	case TENANT_OK:
		break;
	case TENANT_PENDING:
	case TENANT_FAILED:
		return pending(c, t);
	case TENANT_DISABLED:
		return response_problem(c->res, PROBLEM_USER_DISABLED, NULL);
	case TENANT_NO_USER:
		return response_problem(c->res, PROBLEM_INVALID_TOKEN, NULL);
	default:
		return response_problem(c->res, PROBLEM_KEY_UNUSABLE, NULL);
	}
	if ((t->flags & TENANT_F_KEY_BAD) != 0) {
		c->res->retry_after_s = 5;
		return response_problem(c->res, PROBLEM_KEY_INVALID, NULL);
	}
	return 0;
}

const char *
proxied_account_type(const struct call *c)
{
	if (c->who.by_key)
		return config_type_name(c->who.config_type);
	return c->req->x_api_type != NULL ?
	    headers_account_type(c->req->x_api_type) : NULL;
}

void
proxied_ctx(struct call *c, struct proxy_ctx *ret)
{
	*ret = (struct proxy_ctx){
		.httpc = gateway_httpc(c->gw), .conf = &c->gw->upstream,
		.counters = c->gw->shared.counters,
		.breaker = c->gw->shared.breaker,
		.bootkey = c->gw->shared.bootkey, .self = c->gw->self,
	};
}

void
proxied_after(struct call *c, const struct proxy_result *result)
{
	const struct gateway_shared *shared = &c->gw->shared;
	int64_t now = clock_wall_us();

	tenantcache_used(shared->cache, c->who.user_id, now);
	if (c->who.by_key)
		tenantcache_used(shared->cache, c->who.apikey_slot, now);
	if (result->repair) {
		log_warnx("upstream refused the key of user %llu",
		    (unsigned long long)c->who.user_id);
		(void)ask_repair(c->gw->self, shared->keeper_fd,
		    c->who.user_id, c->who.tenant.key_gen, REPAIR_WAIT_MS);
	}
}

/* Does the body of a chat ask for a stream? */
static void
look_at_stream(struct call *c, struct proxy_call *call)
{
	const struct jsonscan_member *v = jsonscan_member(c->body, "stream");

	call->add_stream_false = v->kind == JSON_ABSENT;
	call->stream = v->kind == JSON_TRUE;
	if (call->stream)
		__atomic_store_n(&c->gw->self->streaming, 1,
		    __ATOMIC_RELAXED);
}

int
proxied_forward(struct call *c, const char *body, size_t body_len)
{
	struct buf query = BUF_INIT(QUERY_MAX);
	struct proxy_result result = { 0 };
	struct proxy_ctx ctx;
	struct proxy_call call = {
		.route = &c->route->upstream, .request = c->req,
		.tenant = &c->who.tenant, .body = body,
		.body_len = body_len,
	};
	int status = query_take(c, &query);

	if (status == 0) {
		enum upstream_class class = c->route->upstream.class;

		if (class == UPSTREAM_CHAT || class == UPSTREAM_MODELS)
			call.account_type = proxied_account_type(c);
		if (c->route->upstream.answer == PROXY_CHAT)
			look_at_stream(c, &call);
		if (query.len > 0)
			call.query = query.data;
		proxied_ctx(c, &ctx);
		status = proxy_run(&ctx, &call, c->res, c->writer, &result);
		proxied_after(c, &result);
	}
	buf_free(&query);
	return status;
}

int
proxied_handle(struct call *c)
{
	int status = proxied_ready(c);

	if (status != 0)
		return status;
	return proxied_forward(c, c->req->body, c->req->body_len);
}
