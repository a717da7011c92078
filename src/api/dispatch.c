/*
 * dispatch: the order in which a request is looked at.
 *
 * A value in the path is checked before anything else, then who is
 * calling, then limits, then the body: a stranger costs neither body nor
 * upstream.
 */
#include <stdlib.h>
#include <string.h>

#include "api/body.h"
#include "api/dispatch.h"
#include "api/routes.h"
#include "base/clock.h"
#include "base/codec.h"
#include "base/jsonscan.h"
#include "base/secret.h"
#include "base/xmalloc.h"

struct dispatcher {
	struct gateway	*gw;
	struct router	*router;
	const struct route *table;
	size_t		 n_routes;
};

struct dispatcher *
dispatcher_create(struct gateway *gw)
{
	struct dispatcher *d = xcalloc(1, sizeof(*d));
	const struct path_rule *rules;
	size_t n_rules;

	d->gw = gw;
	d->table = routes_table(&d->n_routes);
	rules = routes_path_rules(&n_rules);
	d->router = router_create(d->table, d->n_routes, sizeof(d->table[0]),
	    rules, n_rules);
	return d;
}

void
dispatcher_free(struct dispatcher **pd)
{
	if (*pd == NULL)
		return;
	router_free(&(*pd)->router);
	free(*pd);
	*pd = NULL;
}

/* Is the origin one of FRONTEND_ORIGINS?  Compared whole. */
static bool
origin_allowed(const struct gateway *gw, const char *origin)
{
	const char *p = settings_str(gw->settings, SET_FRONTEND_ORIGINS);
	size_t n = strlen(origin);

	while (p != NULL && *p != '\0') {
		size_t len;

		p += strspn(p, ", ");
		len = strcspn(p, ", ");
		if (len > 0 && p[len - 1] == '/')
			len--;
		if (len == n && memcmp(p, origin, n) == 0)
			return true;
		p += strcspn(p, ", ");
	}
	return false;
}

/* Fetch standard, CORS protocol.  True: it was a preflight, answered. */
static bool
cors(struct dispatcher *d, const struct request *req, struct response *res)
{
	if (req->origin == NULL)
		return false;
	(void)response_header(res, "Vary", "Origin");
	if (!origin_allowed(d->gw, req->origin))
		return false;
	(void)response_header(res, "Access-Control-Allow-Origin",
	    req->origin);
	(void)response_header(res, "Access-Control-Allow-Credentials",
	    "true");
	(void)response_header(res, "Access-Control-Expose-Headers",
	    "X-Request-Id, Retry-After");
	if (strcmp(req->method, "OPTIONS") != 0 ||
	    req->request_method_asked == NULL)
		return false;
	(void)response_header(res, "Access-Control-Allow-Methods",
	    "GET, POST, PUT, PATCH, DELETE, OPTIONS");
	(void)response_header(res, "Access-Control-Allow-Headers",
	    "authorization, content-type, accept, x-api-type, x-request-id");
	(void)response_header(res, "Access-Control-Max-Age", "600");
	res->status = 204;
	return true;
}

static const enum problem principal_problems[] = {
	[PRINCIPAL_NONE] = PROBLEM_UNAUTHORIZED,
	[PRINCIPAL_INVALID] = PROBLEM_INVALID_TOKEN,
	[PRINCIPAL_EXPIRED] = PROBLEM_TOKEN_EXPIRED,
	[PRINCIPAL_REVOKED] = PROBLEM_TOKEN_REVOKED,
	[PRINCIPAL_KEY_INVALID] = PROBLEM_INVALID_API_KEY,
	[PRINCIPAL_KEY_DISABLED] = PROBLEM_API_KEY_DISABLED,
	[PRINCIPAL_USER_DISABLED] = PROBLEM_USER_DISABLED,
	[PRINCIPAL_UNAVAILABLE] = PROBLEM_DATABASE,
};

static int
authenticate(struct call *c)
{
	struct credentials given = {
		.authorization = c->req->authorization,
		.keys_allowed = c->route->who != AUTH_JWT,
	};
	enum principal_result result;

	if (c->route->who == AUTH_NONE)
		return 0;
	if (given.keys_allowed)
		given.key = c->req->x_api_key;
	if (c->route->who == AUTH_GOOGLE && c->req->x_goog_api_key != NULL)
		given.key = c->req->x_goog_api_key;
	score_set_state(c->gw->self, PROC_WAITING);
	result = principal_identify(&c->gw->tools, &given, &c->who);
	score_set_state(c->gw->self, PROC_BUSY);
	if (result == PRINCIPAL_OK)
		return 0;
	if (result != PRINCIPAL_UNAVAILABLE)
		counters_add(c->gw->shared.counters, CNT_REJECT_AUTH, 1);
	return response_problem(c->res, principal_problems[result], NULL);
}

static int
slow_down(struct call *c, enum problem problem, enum counter counter,
    int64_t wait_ms)
{
	counters_add(c->gw->shared.counters, counter, 1);
	c->res->retry_after_s = (int)((wait_ms + 999) / 1000);
	if (c->res->retry_after_s < 1)
		c->res->retry_after_s = 1;
	return response_problem(c->res, problem, NULL);
}

static int
limit_address(struct call *c)
{
	const struct gateway *gw = c->gw;
	unsigned char key[16] = "plugway address";
	int64_t wait;

	if ((c->route->flags & ROUTE_SIGNIN) == 0 || gw->signin_rate == 0)
		return 0;
	/* Each endpoint by itself: a sign-in calls two of them. */
	key[15] = (unsigned char)c->route_index;
	wait = limiter_take(gw->shared.address_limits, siphash24(key,
	    c->req->client, strlen(c->req->client)),
	    (uint64_t)gw->signin_rate * 1000 / 60, gw->signin_rate,
	    clock_mono_ms());
	return wait == 0 ? 0 : slow_down(c, PROBLEM_RATE, CNT_REJECT_RATE,
	    wait);
}

static int
limit_user(struct call *c)
{
	const struct gateway *gw = c->gw;
	unsigned requests, streams;
	int64_t wait;

	if (c->route->who == AUTH_NONE ||
	    (c->route->flags & ROUTE_NO_LIMIT) != 0)
		return 0;
	if (gw->user_rate != 0) {
		wait = limiter_take(gw->shared.user_limits, c->who.user_id,
		    (uint64_t)gw->user_rate * 1000, gw->user_burst,
		    clock_mono_ms());
		if (wait != 0)
			return slow_down(c, PROBLEM_RATE, CNT_REJECT_RATE,
			    wait);
	}
	/* Counted with this one: two that come at once both count each
	 * other, so the limit is never passed. */
	score_begin(gw->self, c->who.user_id, false);
	if (gw->user_requests == 0)
		return 0;
	scoreboard_count_user(gw->shared.scores, c->who.user_id, gw->self,
	    &requests, &streams);
	if (requests >= gw->user_requests)
		return slow_down(c, PROBLEM_CONCURRENCY,
		    CNT_REJECT_CONCURRENCY, 1000);
	return 0;
}

/*
 * With all workers running and busy the last one takes no work that may
 * last: it is left to say so, and to answer health checks.
 */
static int
limit_workers(struct call *c)
{
	const struct gateway *gw = c->gw;
	unsigned count[PROC_STATE_MAX], total = 0;
	int i;

	if (gw->workers_max < 2 || (c->route->flags & ROUTE_NO_LIMIT) != 0 ||
	    (c->route->who == AUTH_NONE &&
	    (c->route->flags & ROUTE_SIGNIN) == 0))
		return 0;
	scoreboard_count_states(gw->shared.scores, PROC_WORKER,
	    gw->self->generation, count);
	for (i = PROC_STARTING; i < PROC_STATE_MAX; i++)
		total += count[i];
	if (count[PROC_IDLE] + count[PROC_STARTING] > 0 ||
	    total < gw->workers_max)
		return 0;
	return slow_down(c, PROBLEM_OVERLOADED, CNT_REJECT_OVERLOAD, 1000);
}

/* Of all workers, as a share, but never none. */
static bool
streams_full(const struct gateway *gw)
{
	size_t most = gw->workers_max * gw->stream_share / 100;

	return gw->stream_share != 0 && scoreboard_count_streams(
	    gw->shared.scores) > (most > 0 ? most : 1);
}

static int
limit_streams(struct call *c)
{
	const struct gateway *gw = c->gw;
	const struct jsonscan_member *stream = c->body != NULL ?
	    call_member(c, "stream") : NULL;
	unsigned requests, streams;

	if (stream == NULL || stream->kind != JSON_TRUE)
		return 0;
	score_begin(gw->self, c->who.user_id, true);
	scoreboard_count_user(gw->shared.scores, c->who.user_id, gw->self,
	    &requests, &streams);
	if (gw->user_streams != 0 && streams >= gw->user_streams)
		return slow_down(c, PROBLEM_STREAMS, CNT_REJECT_CONCURRENCY,
		    2000);
	if (streams_full(gw))
		return slow_down(c, PROBLEM_OVERLOADED, CNT_REJECT_OVERLOAD,
		    1000);
	return 0;
}

static void
run(struct call *c)
{
	if (limit_address(c) != 0 || authenticate(c) != 0 ||
	    limit_user(c) != 0 || limit_workers(c) != 0)
		return;
	score_set_state(c->gw->self, PROC_READING);
	if (body_take(c) != 0) {
		counters_add(c->gw->shared.counters, CNT_REJECT_INPUT, 1);
		return;
	}
	score_set_state(c->gw->self, PROC_BUSY);
	if (limit_streams(c) != 0)
		return;
	(void)c->route->handler(c);
	gateway_db_done(c->gw);
}

void
dispatch(struct dispatcher *d, struct request *req, enum problem parsed,
    struct response *res, const struct http_writer *w,
    struct dispatched *ret)
{
	struct call c = { .gw = d->gw, .req = req, .res = res, .writer = w };
	const char *allow = NULL;
	enum problem problem = parsed;

	ret->route = d->n_routes;
	ret->user_id = 0;
	if (cors(d, req, res))
		return;
	if (problem == PROBLEM_NONE)
		problem = router_find(d->router, req, &c.route_index, &allow);
	if (problem == PROBLEM_METHOD) {
		(void)response_header(res, "Allow", allow);
		if (strcmp(req->method, "OPTIONS") == 0) {
			res->status = 204;
			return;
		}
	}
	if (problem != PROBLEM_NONE) {
		counters_add(d->gw->shared.counters, CNT_REJECT_INPUT, 1);
		(void)response_problem(res, problem, NULL);
		return;
	}
	c.route = &d->table[c.route_index];
	ret->route = c.route_index;
	__atomic_store_n(&d->gw->self->route, (uint32_t)c.route_index,
	    __ATOMIC_RELAXED);
	run(&c);
	ret->user_id = c.who.user_id;
	/* Small ones hold codes, passwords, tokens; what a large one took
	 * goes back to the system. */
	if (req->body != NULL && req->body_len <= BODY_SMALL_MAX)
		wipe(req->body, req->body_len);
	free(req->body);
	req->body = NULL;
}
