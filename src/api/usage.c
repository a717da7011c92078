/*
 * usage: reads several upstream answers at the same time and composes
 * one.  Upstream numbers come as strings ("1.5000"); where the interface
 * promises a number it is parsed here.
 */
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include <json.h>

#include "api/proxied.h"
#include "api/usage.h"

#define PART_MAX	(4u * 1024 * 1024)
#define ACCOUNTS_MAX	200	/* whose quotas are fetched in one call */

static const struct proxy_route accounts_route = { "GET", "/api/accounts",
    UPSTREAM_ACCOUNTS, PROXY_JSON };
static const struct proxy_route user_quota_route = { "GET",
    "/api/quotas/user", UPSTREAM_MANAGEMENT, PROXY_JSON };
static const struct proxy_route shared_route = { "GET",
    "/api/quotas/shared-pool", UPSTREAM_MANAGEMENT, PROXY_JSON };

/* Fetches n parts and parses their `data`; 0 or a status.  The caller
 * puts the roots. */
static int
fetch(struct call *c, struct proxy_part *parts, struct json_object **roots,
    size_t n)
{
	struct proxy_result result = { 0 };
	struct proxy_ctx ctx;
	int status = proxied_ready(c);
	size_t i;

	for (i = 0; i < n; i++)
		buf_init(&parts[i].answer, PART_MAX);
	if (status == 0) {
		proxied_ctx(c, &ctx);
		status = proxy_fetch(&ctx, c->req, &c->who.tenant, parts, n,
		    c->res, c->writer, &result);
		proxied_after(c, &result);
	}
	for (i = 0; i < n; i++) {
		roots[i] = status == 0 && parts[i].answer.len > 0 ?
		    json_tokener_parse(buf_str(&parts[i].answer)) : NULL;
		buf_free(&parts[i].answer);
	}
	return status;
}

/* root.data, borrowed; NULL when absent. */
static struct json_object *
data_of(struct json_object *root)
{
	struct json_object *data;

	return json_object_object_get_ex(root, "data", &data) ? data : NULL;
}

static struct json_object *
member(struct json_object *o, const char *name)
{
	struct json_object *v;

	return json_object_object_get_ex(o, name, &v) ? v : NULL;
}

/* A number that the upstream may have written as a string; JSON knows
 * no infinity. */
static double
number(struct json_object *v)
{
	double n;

	if (v == NULL)
		return 0;
	n = json_object_is_type(v, json_type_string) ?
	    strtod(json_object_get_string(v), NULL) :
	    json_object_get_double(v);
	return isfinite(n) ? n : 0;
}

static struct json_object *
integer_object(struct json_object *v)
{
	double n = number(v);

	return json_object_new_int64(fabs(n) < 1e15 ? (int64_t)n : 0);
}

static struct json_object *
number_object(struct json_object *v)
{
	return json_object_new_double(number(v));
}

/* The array of quotas: older servers answer an array, newer an object. */
static struct json_object *
shared_quotas(struct json_object *data)
{
	if (json_object_is_type(data, json_type_array))
		return data;
	return member(data, "quotas");
}

static size_t
length(struct json_object *array)
{
	return json_object_is_type(array, json_type_array) ?
	    json_object_array_length(array) : 0;
}

static int
answer(struct call *c, struct json_object *data)
{
	struct json_object *root = json_object_new_object();
	int rc;

	json_object_object_add(root, "success", json_object_new_boolean(1));
	json_object_object_add(root, "data", data);
	response_json(c->res, 200);
	rc = buf_puts(&c->res->body, json_object_to_json_string_ext(root,
	    JSON_C_TO_STRING_PLAIN | JSON_C_TO_STRING_NOSLASHESCAPE));
	json_object_put(root);
	return rc == 0 ? 0 : response_problem(c->res,
	    PROBLEM_UPSTREAM_ERROR, NULL);
}

static struct json_object *
or_empty(struct json_object *v)
{
	return v != NULL ? json_object_get(v) : json_object_new_array();
}

int
usage_handle_quotas(struct call *c)
{
	struct proxy_part parts[2] = { { .route = &user_quota_route },
	    { .route = &shared_route } };
	struct json_object *roots[2], *data, *pool;
	int status = fetch(c, parts, roots, 2);

	if (status == 0) {
		data = json_object_new_object();
		json_object_object_add(data, "user_quota",
		    or_empty(data_of(roots[0])));
		pool = data_of(roots[1]);
		if (!json_object_is_type(pool, json_type_object)) {
			struct json_object *wrapped = json_object_new_object();

			json_object_object_add(wrapped, "quotas",
			    or_empty(pool));
			json_object_object_add(data, "shared_pool_quota",
			    wrapped);
		} else
			json_object_object_add(data, "shared_pool_quota",
			    json_object_get(pool));
		status = answer(c, data);
	}
	json_object_put(roots[0]);
	json_object_put(roots[1]);
	return status;
}

/* An account's id as it may stand in a path; NULL: it is none, whatever
 * the upstream says. */
static const char *
account_id(struct json_object *account)
{
	struct json_object *v = member(account, "cookie_id");
	const char *id = v != NULL ? json_object_get_string(v) : "";
	size_t n = strlen(id);

	return n > 0 && n <= 128 && strspn(id, "ABCDEFGHIJKLMNOPQRSTUVWXYZ"
	    "abcdefghijklmnopqrstuvwxyz0123456789_-") == n ? id : NULL;
}

/* The quotas of at most HTTPC_PARALLEL_MAX accounts at once. */
static int
add_quotas(struct call *c, struct json_object *const *accounts, size_t n)
{
	struct proxy_part parts[HTTPC_PARALLEL_MAX];
	struct proxy_route routes[HTTPC_PARALLEL_MAX];
	struct json_object *roots[HTTPC_PARALLEL_MAX];
	size_t i;
	int status;

	memset(parts, 0, sizeof(parts));
	for (i = 0; i < n; i++) {
		routes[i] = (struct proxy_route){ "GET", arena_printf(
		    c->req->arena, "/api/accounts/%s/quotas",
		    account_id(accounts[i])), UPSTREAM_ACCOUNTS, PROXY_JSON };
		parts[i].route = &routes[i];
		parts[i].optional = true;
	}
	status = fetch(c, parts, roots, n);
	for (i = 0; i < n; i++) {
		if (status == 0)
			json_object_object_add(accounts[i], "quotas",
			    or_empty(data_of(roots[i])));
		json_object_put(roots[i]);
	}
	return status;
}

/* Every account of the list gets its quotas; an entry that is no
 * account stays as it is. */
static int
add_all_quotas(struct call *c, struct json_object *list)
{
	struct json_object *batch[HTTPC_PARALLEL_MAX];
	size_t i, n = 0, total = length(list);
	int status = 0;

	if (total > ACCOUNTS_MAX)
		total = ACCOUNTS_MAX;
	for (i = 0; status == 0 && i < total; i++) {
		batch[n] = json_object_array_get_idx(list, i);
		n += account_id(batch[n]) != NULL;
		if (n == HTTPC_PARALLEL_MAX || (n > 0 && i + 1 == total)) {
			status = add_quotas(c, batch, n);
			n = 0;
		}
	}
	return status;
}

int
usage_handle_accounts(struct call *c)
{
	struct proxy_part part = { .route = &accounts_route };
	struct json_object *root, *accounts;
	int status = fetch(c, &part, &root, 1);

	accounts = data_of(root);
	if (status == 0)
		status = add_all_quotas(c, accounts);
	if (status == 0)
		status = answer(c, or_empty(accounts));
	json_object_put(root);
	return status;
}

/* How many accounts have member == 1 (want), of those that are shared
 * when shared_only. */
static void
count_accounts(struct json_object *accounts, bool shared_only, int *ret_all,
    int *ret_active)
{
	size_t i;

	*ret_all = *ret_active = 0;
	for (i = 0; i < length(accounts); i++) {
		struct json_object *a = json_object_array_get_idx(accounts,
		    i);

		if (shared_only && number(member(a, "is_shared")) != 1)
			continue;
		++*ret_all;
		if (number(member(a, "status")) == 1)
			++*ret_active;
	}
}

static struct json_object *
counts(const char *const names[3], int all, int active)
{
	struct json_object *o = json_object_new_object();

	json_object_object_add(o, names[0], json_object_new_int(all));
	json_object_object_add(o, names[1], json_object_new_int(active));
	json_object_object_add(o, names[2],
	    json_object_new_int(all - active));
	return o;
}

static struct json_object *
user_quotas(struct json_object *list)
{
	struct json_object *o = json_object_new_object();
	size_t i;

	for (i = 0; i < length(list); i++) {
		struct json_object *q = json_object_array_get_idx(list, i);
		struct json_object *name = member(q, "model_name");
		struct json_object *row = json_object_new_object();

		json_object_object_add(row, "current_quota",
		    number_object(member(q, "quota")));
		json_object_object_add(row, "max_quota",
		    number_object(member(q, "max_quota")));
		json_object_object_add(row, "last_recovered_at",
		    json_object_get(member(q, "last_recovered_at")));
		json_object_object_add(o, name != NULL ?
		    json_object_get_string(name) : "", row);
	}
	return o;
}

int
usage_handle_summary(struct call *c)
{
	static const char *const names[3] = { "total", "active", "inactive" };
	struct proxy_part parts[3] = { { .route = &accounts_route },
	    { .route = &user_quota_route }, { .route = &shared_route } };
	struct json_object *roots[3], *data;
	int i, all, active, status = fetch(c, parts, roots, 3);

	if (status == 0) {
		data = json_object_new_object();
		count_accounts(data_of(roots[0]), false, &all, &active);
		json_object_object_add(data, "accounts",
		    counts(names, all, active));
		json_object_object_add(data, "user_quotas",
		    user_quotas(data_of(roots[1])));
		json_object_object_add(data, "shared_pool",
		    or_empty(shared_quotas(data_of(roots[2]))));
		status = answer(c, data);
	}
	for (i = 0; i < 3; i++)
		json_object_put(roots[i]);
	return status;
}

static struct json_object *
quotas_by_model(struct json_object *list)
{
	static const char *const copied[] = { "earliest_reset_time",
	    "status" };
	struct json_object *o = json_object_new_object();
	size_t i, k;

	for (i = 0; i < length(list); i++) {
		struct json_object *q = json_object_array_get_idx(list, i);
		struct json_object *name = member(q, "model_name");
		struct json_object *row = json_object_new_object();

		json_object_object_add(row, "total_quota",
		    number_object(member(q, "total_quota")));
		json_object_object_add(row, "available_cookies",
		    integer_object(member(q, "available_cookies")));
		for (k = 0; k < 2; k++)
			json_object_object_add(row, copied[k],
			    json_object_get(member(q, copied[k])));
		json_object_object_add(o, name != NULL ?
		    json_object_get_string(name) : "", row);
	}
	return o;
}

int
usage_handle_shared_stats(struct call *c)
{
	static const char *const names[3] = { "total_shared",
	    "active_shared", "inactive_shared" };
	struct proxy_part parts[2] = { { .route = &accounts_route },
	    { .route = &shared_route } };
	struct json_object *roots[2], *data, *pool;
	int all, active, status = fetch(c, parts, roots, 2);

	if (status == 0) {
		data = json_object_new_object();
		pool = data_of(roots[1]);
		count_accounts(data_of(roots[0]), true, &all, &active);
		json_object_object_add(data, "accounts",
		    counts(names, all, active));
		json_object_object_add(data, "quotas_by_model",
		    quotas_by_model(shared_quotas(pool)));
		if (json_object_is_type(pool, json_type_object))
			json_object_object_add(data, "user_consumption",
			    json_object_get(member(pool,
			    "user_consumption")));
		json_object_object_add(data, "note", json_object_new_string(
		    "accounts counts your own shared accounts"));
		status = answer(c, data);
	}
	json_object_put(roots[0]);
	json_object_put(roots[1]);
	return status;
}
