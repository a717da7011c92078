/*
 * The router over the real route table: what is found, what is refused,
 * and that no value gets past its rule.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "api/routes.h"
#include "http/parse.h"
#include "http/router.h"
#include "vault/bootkey.h"

struct fixture {
	struct router	*router;
	struct arena	*arena;
};

struct found {
	enum problem	 problem;
	const char	*path;		/* of the row */
	const char	*allow;
	struct request	 req;
};

static void
look_up(struct fixture *f, const char *method, const char *uri,
    struct found *ret)
{
	char uri_param[9000], method_param[64];
	char *params[] = { uri_param, method_param, NULL };
	size_t row = 0;

	snprintf(uri_param, sizeof(uri_param), "REQUEST_URI=%s", uri);
	snprintf(method_param, sizeof(method_param), "REQUEST_METHOD=%s",
	    method);
	memset(ret, 0, sizeof(*ret));
	arena_reset(f->arena);
	ret->req.arena = f->arena;
	ret->problem = request_parse(&ret->req, params);
	if (ret->problem == PROBLEM_NONE)
		ret->problem = router_find(f->router, &ret->req, &row,
		    &ret->allow);
	if (ret->problem == PROBLEM_NONE)
		ret->path = routes_path(row);
}

static const struct {
	const char	*method, *uri;
	enum problem	 want;
	const char	*path;
} cases[] = {
	{ "GET", "/", PROBLEM_NONE, "/" },
	{ "GET", "/api/health", PROBLEM_NONE, "/api/health" },
	{ "GET", "/api/health/", PROBLEM_NONE, "/api/health" },
	{ "HEAD", "/api/health?x=1", PROBLEM_NONE, "/api/health" },
	{ "GET", "http://example.org/api/health", PROBLEM_NONE,
	    "/api/health" },
	{ "GET", "/api/plugin-api/accounts/0123abcd", PROBLEM_NONE,
	    "/api/plugin-api/accounts/{cookie_id}" },
	{ "GET", "/api/plugin-api/accounts/", PROBLEM_NONE,
	    "/api/plugin-api/accounts" },
	{ "PUT", "/api/plugin-api/accounts/a-b_C9/quotas/gemini-2.5:x/status",
	    PROBLEM_NONE, "/api/plugin-api/accounts/{cookie_id}/quotas/"
	    "{model_name}/status" },
	{ "POST", "/v1beta/models/gemini-3@1:generateContent", PROBLEM_NONE,
	    "/v1beta/models/{model}:generateContent" },
	{ "GET", "/api/auth/login/linux_do?return_to=/", PROBLEM_NONE,
	    "/api/auth/login/{provider}" },
	{ "POST", "/api/auth/login", PROBLEM_NONE, "/api/auth/login" },
	{ "GET", "/API/health", PROBLEM_NOT_FOUND, NULL },
	{ "GET", "//api/health", PROBLEM_NOT_FOUND, NULL },
	{ "GET", "/api//health", PROBLEM_NOT_FOUND, NULL },
	{ "GET", "/api/health/x", PROBLEM_NOT_FOUND, NULL },
	{ "GET", "/api/%68ealth", PROBLEM_NOT_FOUND, NULL },
	{ "GET", "api/health", PROBLEM_BAD_REQUEST, NULL },
	{ "POST", "/api/health", PROBLEM_METHOD, NULL },
	{ "BREW", "/api/plugin-api/accounts", PROBLEM_METHOD, NULL },
	{ "POST", "/v1beta/models/x:streamGenerateContent",
	    PROBLEM_NOT_FOUND, NULL },
	{ "POST", "/v1beta/models/:generateContent", PROBLEM_INVALID_PATH,
	    NULL },
	{ "GET", "/api/plugin-api/accounts/..", PROBLEM_INVALID_PATH, NULL },
	{ "GET", "/api/plugin-api/accounts/%2e%2e", PROBLEM_INVALID_PATH,
	    NULL },
	{ "GET", "/api/plugin-api/accounts/%252e", PROBLEM_INVALID_PATH,
	    NULL },
	{ "GET", "/api/plugin-api/accounts/a%2fb", PROBLEM_INVALID_PATH,
	    NULL },
	{ "GET", "/api/plugin-api/accounts/a%5cb", PROBLEM_INVALID_PATH,
	    NULL },
	{ "GET", "/api/plugin-api/accounts/a;b", PROBLEM_INVALID_PATH, NULL },
	{ "GET", "/api/plugin-api/accounts/a%3fb", PROBLEM_INVALID_PATH,
	    NULL },
	{ "GET", "/api/plugin-api/accounts/a%23b", PROBLEM_INVALID_PATH,
	    NULL },
	{ "GET", "/api/plugin-api/accounts/a%00b", PROBLEM_INVALID_PATH,
	    NULL },
	{ "GET", "/api/plugin-api/accounts/%c0%ae", PROBLEM_INVALID_PATH,
	    NULL },
	{ "GET", "/api/plugin-api/accounts/a%zz", PROBLEM_INVALID_PATH,
	    NULL },
	{ "GET", "/api/plugin-api/accounts/%e4%bd%a0", PROBLEM_INVALID_PATH,
	    NULL },
	{ "GET", "/api/plugin-api/accounts//quotas", PROBLEM_INVALID_PATH,
	    NULL },
	{ "GET", "/api/plugin-api/accounts/a.b", PROBLEM_INVALID_PATH, NULL },
	{ "GET", "/api/plugin-api/accounts/x/../../users", PROBLEM_NOT_FOUND,
	    NULL },
	{ "GET", "/api/api-keys/12a", PROBLEM_INVALID_PATH, NULL },
	{ "GET", "/api/api-keys/-1", PROBLEM_INVALID_PATH, NULL },
	{ "GET", "/api/health?a=%zz", PROBLEM_BAD_REQUEST, NULL },
	{ "GET", "/api/health?a=%ff", PROBLEM_BAD_REQUEST, NULL },
};

static void
table(void **state)
{
	struct fixture *f = *state;
	struct found got;
	size_t i;

	for (i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		look_up(f, cases[i].method, cases[i].uri, &got);
		if (got.problem != cases[i].want)
			fail_msg("%s %s: problem %d, wanted %d",
			    cases[i].method, cases[i].uri, got.problem,
			    cases[i].want);
		if (cases[i].path != NULL)
			assert_string_equal(got.path, cases[i].path);
	}
}

static void
values_are_decoded_and_bounded(void **state)
{
	struct fixture *f = *state;
	struct found got;
	char uri[400] = "/api/plugin-api/accounts/";

	look_up(f, "GET", "/api/plugin-api/accounts/%61b%2D9", &got);
	assert_int_equal(got.problem, PROBLEM_NONE);
	assert_string_equal(got.req.value[0], "ab-9");
	memset(uri + strlen(uri), 'a', 128);
	look_up(f, "GET", uri, &got);
	assert_int_equal(got.problem, PROBLEM_NONE);
	assert_int_equal(strlen(got.req.value[0]), 128);
	strcat(uri, "a");
	look_up(f, "GET", uri, &got);
	assert_int_equal(got.problem, PROBLEM_INVALID_PATH);
	look_up(f, "PUT", "/api/plugin-api/accounts/c1/quotas/m@2/status",
	    &got);
	assert_string_equal(got.req.value[0], "c1");
	assert_string_equal(got.req.value[1], "m@2");
}

static void
allow_lists_the_methods(void **state)
{
	struct fixture *f = *state;
	struct found got;

	look_up(f, "POST", "/api/plugin-api/accounts/x", &got);
	assert_int_equal(got.problem, PROBLEM_METHOD);
	assert_string_equal(got.allow, "GET, HEAD, DELETE");
}

static int
set_up(void **state)
{
	static struct fixture f;
	const struct path_rule *rules;
	const struct route *table_rows;
	size_t n, n_rules;

	vault_init();
	table_rows = routes_table(&n);
	rules = routes_path_rules(&n_rules);
	f.router = router_create(table_rows, n, sizeof(table_rows[0]), rules,
	    n_rules);
	f.arena = arena_create();
	*state = &f;
	return 0;
}

static int
tear_down(void **state)
{
	struct fixture *f = *state;

	router_free(&f->router);
	arena_free(&f->arena);
	return 0;
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(table),
		cmocka_unit_test(values_are_decoded_and_bounded),
		cmocka_unit_test(allow_lists_the_methods),
	};

	return cmocka_run_group_tests(tests, set_up, tear_down);
}
