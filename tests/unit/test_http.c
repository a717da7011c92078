/*
 * Requests from parameters, the choice of language, the one error body.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>
#include <json.h>

#include "http/parse.h"
#include "http/response.h"
#include "vault/bootkey.h"

static struct arena *arena;

static enum problem
parse(struct request *req, char *const *params)
{
	memset(req, 0, sizeof(*req));
	req->arena = arena;
	return request_parse(req, params);
}

#define BASE	(char *)"REQUEST_METHOD=GET", (char *)"REQUEST_URI=/x?a=1&b=%20+&a=2"
#define P(s)	(char *)s

static void
fields(void **state)
{
	char *params[] = { BASE, P("HTTP_AUTHORIZATION=Bearer t"),
	    P("HTTP_X_REQUEST_ID=abcdefgh-1"), P("REMOTE_ADDR=192.0.2.7"),
	    P("CONTENT_LENGTH=12"), P("CONTENT_TYPE="),
	    P("HTTP_COOKIE=a=1; plugway_refresh=rt; b=2"),
	    P("HTTP_ACCEPT_LANGUAGE=zh-CN,en;q=0.5"), NULL };
	struct request req;
	bool twice = false;

	(void)state;
	assert_int_equal(parse(&req, params), PROBLEM_NONE);
	assert_string_equal(req.authorization, "Bearer t");
	assert_string_equal(req.id, "abcdefgh-1");
	assert_string_equal(req.client, "192.0.2.7");
	assert_int_equal(req.content_length, 12);
	assert_null(req.content_type);
	assert_true(req.chinese);
	assert_string_equal(request_cookie(&req, "plugway_refresh"), "rt");
	assert_string_equal(request_cookie(&req, "b"), "2");
	assert_null(request_cookie(&req, "refresh"));
	assert_string_equal(request_query(&req, "b", &twice), "  ");
	assert_false(twice);
	(void)request_query(&req, "a", &twice);
	assert_true(twice);
}

static void
ids_are_made_when_malformed(void **state)
{
	static const char *const bad[] = { "HTTP_X_REQUEST_ID=short",
	    "HTTP_X_REQUEST_ID=has space 123", "HTTP_X_REQUEST_ID=",
	    "HTTP_X_REQUEST_ID=abcdefgh\ninjected" };
	struct request req;
	size_t i;

	(void)state;
	for (i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		char *params[] = { BASE, P(bad[i]), NULL };

		assert_int_equal(parse(&req, params), PROBLEM_NONE);
		assert_int_equal(strlen(req.id), 24);
		assert_int_equal(strspn(req.id, "0123456789abcdef"), 24);
	}
}

static void
what_decides_and_comes_twice(void **state)
{
	static const char *const names[] = { "HTTP_AUTHORIZATION=Bearer a",
	    "HTTP_X_API_KEY=a", "CONTENT_TYPE=application/json",
	    "HTTP_COOKIE=a=1", "HTTP_ORIGIN=http://a" };
	struct request req;
	size_t i;

	(void)state;
	for (i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
		char *params[] = { BASE, P(names[i]), P(names[i]), NULL };

		assert_int_equal(parse(&req, params), PROBLEM_BAD_REQUEST);
	}
}

static void
content_lengths(void **state)
{
	static const struct {
		const char	*param;
		enum problem	 want;
		int64_t		 length;
	} cases[] = {
		{ "CONTENT_LENGTH=", PROBLEM_NONE, -1 },
		{ "CONTENT_LENGTH=0", PROBLEM_NONE, 0 },
		{ "CONTENT_LENGTH=9223372036854775807", PROBLEM_NONE,
		    INT64_MAX },
		{ "CONTENT_LENGTH=9223372036854775808", PROBLEM_BAD_REQUEST,
		    0 },
		{ "CONTENT_LENGTH=-1", PROBLEM_BAD_REQUEST, 0 },
		{ "CONTENT_LENGTH=+5", PROBLEM_BAD_REQUEST, 0 },
		{ "CONTENT_LENGTH= 5", PROBLEM_BAD_REQUEST, 0 },
		{ "CONTENT_LENGTH=05", PROBLEM_BAD_REQUEST, 0 },
		{ "CONTENT_LENGTH=0x5", PROBLEM_BAD_REQUEST, 0 },
		{ "CONTENT_LENGTH=1e3", PROBLEM_BAD_REQUEST, 0 },
	};
	struct request req;
	size_t i;

	(void)state;
	for (i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		char *params[] = { BASE, P(cases[i].param), NULL };

		assert_int_equal(parse(&req, params), cases[i].want);
		if (cases[i].want == PROBLEM_NONE)
			assert_int_equal(req.content_length,
			    cases[i].length);
	}
}

static void
languages(void **state)
{
	static const struct {
		const char	*header;
		bool		 chinese;
	} cases[] = {
		{ NULL, false }, { "", false }, { "en", false },
		{ "zh", true }, { "zh-TW", true }, { "ZH-cn", true },
		{ "en,zh", true }, { "en;q=0.9,zh;q=0.8", false },
		{ "en;q=0.1, zh;q=0.8", true }, { "zh;q=0", false },
		{ "fr,*;q=0.5", false }, { "de, zh;q=0.1", true },
	};
	size_t i;

	(void)state;
	for (i = 0; i < sizeof(cases) / sizeof(cases[0]); i++)
		if (problem_prefers_chinese(cases[i].header) !=
		    cases[i].chinese)
			fail_msg("Accept-Language: %s", cases[i].header);
}

static struct json_object *
at(struct json_object *o, const char *name)
{
	struct json_object *v = NULL;

	assert_true(json_object_object_get_ex(o, name, &v));
	return v;
}

static void
error_bodies(void **state)
{
	const struct problem_detail detail = { .text = "a \"b\"\n<c>",
	    .param = "limit" };
	struct buf b = BUF_INIT(65536);
	int p;

	(void)state;
	for (p = PROBLEM_NONE + 1; p < PROBLEM_MAX; p++) {
		const struct problem_row *row = problem_row((enum problem)p);
		struct json_object *o;

		assert_in_range(row->status, 400, 504);
		assert_true(strlen(row->text[0]) > 0);
		assert_true(strlen(row->text[1]) > 0);
		buf_reset(&b);
		problem_body(&b, (enum problem)p, true, &detail, "id-1");
		o = json_tokener_parse(buf_str(&b));
		assert_non_null(o);
		assert_string_equal(json_object_get_string(at(o, "detail")),
		    detail.text);
		assert_string_equal(json_object_get_string(at(at(o, "error"),
		    "code")), row->code);
		assert_string_equal(json_object_get_string(at(at(o, "error"),
		    "param")), "limit");
		assert_string_equal(json_object_get_string(at(o,
		    "request_id")), "id-1");
		json_object_put(o);
	}
	buf_free(&b);
}

static void
header_values_cannot_add_fields(void **state)
{
	struct response r;

	(void)state;
	response_init(&r, 100);
	assert_int_equal(response_header(&r, "Location", "/a\r\nX: y"), -1);
	assert_int_equal(response_header(&r, "Location", "/a\x7f"), -1);
	assert_int_equal(r.head.len, 0);
	assert_int_equal(response_header(&r, "Location", "/a"), 0);
	assert_string_equal(buf_str(&r.head), "Location: /a\r\n");
	response_free(&r);
}

struct sink {
	struct buf	out;
};

static int
sink_write(void *arg, const void *data, size_t n)
{
	struct sink *s = arg;

	return buf_append(&s->out, data, n);
}

static void
answers(void **state)
{
	struct sink sink = { BUF_INIT(65536) };
	const struct http_writer w = { .arg = &sink, .write = sink_write };
	struct request req = { .arena = arena, .method = "GET",
	    .id = "request-1" };
	struct response r;

	(void)state;
	response_init(&r, 1000);
	(void)response_problem(&r, PROBLEM_INVALID_TOKEN, NULL);
	response_send(&r, &req, &w);
	assert_non_null(strstr(buf_str(&sink.out), "Status: 401 "));
	assert_non_null(strstr(buf_str(&sink.out), "WWW-Authenticate: Bearer "
	    "realm=\"plugway\", error=\"invalid_token\"\r\n"));
	assert_non_null(strstr(buf_str(&sink.out),
	    "X-Request-Id: request-1\r\n"));
	response_free(&r);

	buf_reset(&sink.out);
	response_init(&r, 1000);
	(void)response_problem(&r, PROBLEM_RATE, NULL);
	req.method = "HEAD";
	response_send(&r, &req, &w);
	assert_non_null(strstr(buf_str(&sink.out), "Retry-After: 1\r\n"));
	/* The head of what GET would get, and nothing behind it. */
	assert_string_equal(buf_str(&sink.out) + sink.out.len - 4,
	    "\r\n\r\n");
	response_free(&r);
	buf_free(&sink.out);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(fields),
		cmocka_unit_test(ids_are_made_when_malformed),
		cmocka_unit_test(what_decides_and_comes_twice),
		cmocka_unit_test(content_lengths),
		cmocka_unit_test(languages),
		cmocka_unit_test(error_bodies),
		cmocka_unit_test(header_values_cannot_add_fields),
		cmocka_unit_test(answers),
	};
	int failed;

	vault_init();
	arena = arena_create();
	failed = cmocka_run_group_tests(tests, NULL, NULL);
	arena_free(&arena);
	return failed;
}
