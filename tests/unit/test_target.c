/*
 * target: paths from templates; nobody's value becomes a path.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <string.h>

#include "proxy/target.h"

static const struct {
	const char *template, *values[TARGET_VALUES_MAX], *query, *want;
} rows[] = {
	{ "/v1/models", { NULL }, NULL, "/v1/models" },
	{ "/v1/models", { NULL }, "", "/v1/models" },
	{ "/a/{0}", { "c00k1e" }, NULL, "/a/c00k1e" },
	{ "/a/{0}/quotas/{1}/status", { "x", "gemini-2.5-pro" }, NULL,
	    "/a/x/quotas/gemini-2.5-pro/status" },
	{ "/api/users/{plugin_user_id}/preference", { NULL }, NULL,
	    "/api/users/0f3c-UUID/preference" },
	{ "/v1beta/models/{0}:generateContent", { "m:1@x" }, NULL,
	    "/v1beta/models/m:1%40x:generateContent" },
	{ "/q", { NULL }, "limit=100&start_date=2026-01-01",
	    "/q?limit=100&start_date=2026-01-01" },
	{ "/{1}{0}{1}", { "a", "b" }, "z", "/bab?z" },
	{ "/a/{0}", { "../b" }, NULL, "/a/..%2Fb" },
	{ "/a/{0}", { "%2e%2e" }, NULL, "/a/%252e%252e" },
	{ "/a/{0}", { "a?b#c;d\\e f\r\n\x7f" }, NULL,
	    "/a/a%3Fb%23c%3Bd%5Ce%20f%0D%0A%7F" },
	{ "/a/{0}", { "\xe4\xbd\xa0" }, NULL, "/a/%E4%BD%A0" },
	{ "/a/{0}", { ":::" }, NULL, "/a/:::" },
	{ "/a/{0}", { "..." }, NULL, "/a/..." },
	{ "/a/{0}", { "." }, NULL, NULL },
	{ "/a/{0}", { ".." }, NULL, NULL },
	{ "/a/{0}", { "" }, NULL, NULL },
	{ "/a/{0}", { NULL }, NULL, NULL },
	{ "/a/{3}", { "a", "b", "c", "" }, NULL, NULL },
};

static void
test_rows(void **state)
{
	struct buf target = BUF_INIT(200);
	size_t i;
	int rc;

	(void)state;
	for (i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		buf_reset(&target);
		rc = target_build(&target, rows[i].template, rows[i].values,
		    "0f3c-UUID", rows[i].query);
		assert_int_equal(rc, rows[i].want == NULL ? -1 : 0);
		if (rc == 0)
			assert_string_equal(buf_str(&target), rows[i].want);
	}
	buf_free(&target);
}

static void
test_limits(void **state)
{
	static const char *const values[TARGET_VALUES_MAX] = { "abcdefgh" };
	struct buf target = BUF_INIT(10);

	(void)state;
	assert_int_equal(target_build(&target, "/{0}", values, "u", NULL), 0);
	buf_reset(&target);
	assert_int_equal(target_build(&target, "/{0}", values, "u", "q"), -1);
	buf_reset(&target);
	assert_int_equal(target_build(&target, "/{plugin_user_id}", values, "",
	    NULL), -1);
	buf_free(&target);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_rows),
		cmocka_unit_test(test_limits),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
