/*
 * Bodies and queries as they come in: lengths that are true or not, in
 * whatever pieces, the rules of members, and those of parameters.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "api/body.h"
#include "base/jsonscan.h"
#include "vault/bootkey.h"

#define MAX_BODY	(1 << 20)
#define TRUE_LEN	(-2)		/* the length as it is */

/* A client that sends `len` bytes in pieces and then ends, or breaks. */
struct client {
	const char	*data;
	size_t		 len, at, piece;
	bool		 breaks;
};

static struct arena *arena;
static struct gateway gw = { .max_body = MAX_BODY };

static ssize_t
client_read(void *arg, char *ret, size_t n)
{
	struct client *cl = arg;
	size_t left = cl->len - cl->at;

	/* Nobody asks for nothing: that would look like the end. */
	assert_true(n > 0);
	if (n > cl->piece)
		n = cl->piece;
	if (n > left)
		n = left;
	if (n == 0)
		return cl->breaks ? -1 : 0;
	memcpy(ret, cl->data + cl->at, n);
	cl->at += n;
	return (ssize_t)n;
}

static int
set_up(void **state)
{
	(void)state;
	vault_init();
	arena = arena_create();
	return 0;
}

static int
tear_down(void **state)
{
	(void)state;
	arena_free(&arena);
	return 0;
}

/* One call and all it needs. */
struct bench {
	struct call	 call;
	struct route	 route;
	struct request	 req;
	struct response	 res;
	struct client	 client;
	struct http_writer writer;
};

static void
bench_open(struct bench *b, enum body_rule rule, const struct member *members,
    const char *body, size_t len)
{
	memset(b, 0, sizeof(*b));
	b->route.body = rule;
	b->route.members = members;
	b->req.arena = arena;
	b->req.content_length = (int64_t)len;
	b->req.content_type = "application/json";
	b->client = (struct client){ .data = body, .len = len,
	    .piece = SIZE_MAX };
	b->writer = (struct http_writer){ .arg = &b->client,
	    .read = client_read };
	response_init(&b->res, 65536);
	b->call = (struct call){ .gw = &gw, .route = &b->route,
	    .req = &b->req, .res = &b->res, .writer = &b->writer };
}

static void
bench_close(struct bench *b)
{
	free(b->req.body);
	response_free(&b->res);
	arena_reset(arena);
}

static const char *
code_of(const struct bench *b)
{
	return b->res.problem == PROBLEM_NONE ? "" :
	    problem_row(b->res.problem)->code;
}

static const struct member rules[] = {
	{ "s", MEMBER_STRING, .max = 5 },
	{ "e", MEMBER_STRING, .nullable = true, .may_be_empty = true },
	{ "z", MEMBER_ZERO_ONE, .required = true },
	{ "b", MEMBER_BOOL, .required = false },
	{ "a", MEMBER_ARRAY, .required = false },
	{ "o", MEMBER_OBJECT, .required = false },
	{ 0 }
};

/* type: what INVALID_* says; NULL: it passes. */
static const struct {
	const char	*body, *type, *param;
} members[] = {
	{ "{\"z\":0}", NULL, NULL },
	{ "{\"z\":1}", NULL, NULL },
	{ " \t\r\n{ \"z\" : 1 } \n", NULL, NULL },
	{ "{\"z\":1,\"unknown\":{\"deep\":[1,2,{}]}}", NULL, NULL },
	{ "{\"unknown\":1,\"unknown\":2,\"z\":1}", NULL, NULL },
	{ "{\"\\u007a\":1}", NULL, NULL },
	{ "{}", "missing", "z" },
	{ "{\"Z\":1}", "missing", "z" },
	{ "{\"z \":1}", "missing", "z" },
	{ "{\"o\":{\"z\":1}}", "missing", "z" },
	{ "{\"z\":2}", "literal_error", "z" },
	{ "{\"z\":-1}", "literal_error", "z" },
	{ "{\"z\":-0}", "literal_error", "z" },
	{ "{\"z\":1.0}", "literal_error", "z" },
	{ "{\"z\":1e0}", "literal_error", "z" },
	{ "{\"z\":10}", "literal_error", "z" },
	{ "{\"z\":0.0}", "literal_error", "z" },
	{ "{\"z\":9223372036854775808}", "literal_error", "z" },
	{ "{\"z\":\"1\"}", "int_type", "z" },
	{ "{\"z\":true}", "int_type", "z" },
	{ "{\"z\":null}", "int_type", "z" },
	{ "{\"z\":[1]}", "int_type", "z" },
	{ "{\"z\":{}}", "int_type", "z" },
	{ "{\"z\":1,\"z\":1}", "duplicate", "z" },
	{ "{\"z\":1,\"\\u007a\":0}", "duplicate", "z" },
	{ "{\"z\":1,\"s\":\"abcde\"}", NULL, NULL },
	{ "{\"z\":1,\"s\":\"abcdef\"}", "string_too_long", "s" },
	{ "{\"z\":1,\"s\":\"\\u4f60\\u597d\\u4f60\\u597d\\u4f60\"}", NULL,
	    NULL },
	{ "{\"z\":1,\"s\":\"\xe4\xbd\xa0\xe5\xa5\xbd\xe4\xbd\xa0\xe5\xa5\xbd"
	    "\xe4\xbd\xa0\"}", NULL, NULL },
	{ "{\"z\":1,\"s\":\"\xe4\xbd\xa0\xe5\xa5\xbd\xe4\xbd\xa0\xe5\xa5\xbd"
	    "\xe4\xbd\xa0\xe5\xa5\xbd\"}", "string_too_long", "s" },
	/* a pair of surrogates is one character */
	{ "{\"z\":1,\"s\":\"\\ud83d\\ude00bcde\"}", NULL, NULL },
	{ "{\"z\":1,\"s\":\"\\ud83d\\ude00bcdef\"}", "string_too_long", "s" },
	{ "{\"z\":1,\"s\":\"\"}", "string_too_short", "s" },
	{ "{\"z\":1,\"s\":\"a\\u0000b\"}", "string_type", "s" },
	{ "{\"z\":1,\"s\":1}", "string_type", "s" },
	{ "{\"z\":1,\"s\":null}", "string_type", "s" },
	{ "{\"z\":1,\"s\":[\"a\"]}", "string_type", "s" },
	{ "{\"z\":1,\"s\":true}", "string_type", "s" },
	{ "{\"s\":\"a\",\"z\":1,\"s\":\"b\"}", "duplicate", "s" },
	{ "{\"z\":1,\"e\":\"\"}", NULL, NULL },
	{ "{\"z\":1,\"e\":null}", NULL, NULL },
	{ "{\"z\":1,\"e\":false}", "string_type", "e" },
	{ "{\"z\":1,\"e\":null,\"e\":null}", "duplicate", "e" },
	{ "{\"z\":1,\"b\":true}", NULL, NULL },
	{ "{\"z\":1,\"b\":false}", NULL, NULL },
	{ "{\"z\":1,\"b\":1}", "bool_type", "b" },
	{ "{\"z\":1,\"b\":\"true\"}", "bool_type", "b" },
	{ "{\"z\":1,\"b\":null}", "bool_type", "b" },
	{ "{\"z\":1,\"a\":[]}", NULL, NULL },
	{ "{\"z\":1,\"a\":[[],{},\"\",0]}", NULL, NULL },
	{ "{\"z\":1,\"a\":{}}", "list_type", "a" },
	{ "{\"z\":1,\"a\":\"[]\"}", "list_type", "a" },
	{ "{\"z\":1,\"a\":null}", "list_type", "a" },
	{ "{\"z\":1,\"o\":{}}", NULL, NULL },
	{ "{\"z\":1,\"o\":[]}", "dict_type", "o" },
	{ "{\"z\":1,\"o\":0}", "dict_type", "o" },
	/* The first rule that is hurt is told. */
	{ "{\"s\":1,\"a\":1}", "string_type", "s" },
	/* Not an object at all. */
	{ "[]", "dict_type", NULL }, { "1", "dict_type", NULL },
	{ "\"z\"", "dict_type", NULL }, { "null", "dict_type", NULL },
	{ "true", "dict_type", NULL },
};

static void
member_rules(void **state)
{
	struct buf type = BUF_INIT(64);
	size_t i;

	(void)state;
	for (i = 0; i < sizeof(members) / sizeof(members[0]); i++) {
		struct bench b;
		int status;

		bench_open(&b, BODY_SMALL, rules, members[i].body,
		    strlen(members[i].body));
		status = body_take(&b.call);
		if (status != (members[i].type != NULL ? 422 : 0))
			fail_msg("%s: %d %s", members[i].body, status,
			    b.res.detail.json != NULL ? b.res.detail.json :
			    "");
		if (members[i].type != NULL) {
			buf_reset(&type);
			buf_printf(&type, "\"type\":\"%s\"", members[i].type);
			if (strstr(b.res.detail.json, buf_str(&type)) == NULL)
				fail_msg("%s: %s", members[i].body,
				    b.res.detail.json);
			assert_string_equal(code_of(&b), "validation_error");
			if (members[i].param == NULL)
				assert_null(b.res.detail.param);
			else
				assert_string_equal(b.res.detail.param,
				    members[i].param);
		} else
			/* The bytes stay as they came. */
			assert_memory_equal(b.req.body, members[i].body,
			    strlen(members[i].body) + 1);
		bench_close(&b);
	}
	buf_free(&type);
}

/* No JSON: 400, with the place. */
static void
no_json(void **state)
{
	static const char *const bodies[] = {
		"{", "}", "{\"z\":1", "{\"z\":1}}", "{\"z\":1}x", "{'z':1}",
		"{z:1}", "{\"z\":01}", "{\"z\":1,}", "{\"z\":.5}",
		"{\"z\":+1}", "{\"z\":NaN}", "{\"z\":1}{\"z\":1}", "nul",
		"{\"z\":\"\n\"}", "{\"z\":\"\\x\"}", "{\"z\":\"\xff\"}",
		"{\"z\":\"\xc0\xaf\"}", "// c\n{\"z\":1}", "\xef\xbb\xbf{}",
		"{\"a\\u0000\":1,\"z\":1}", " ", "z=1",
	};
	char deep[256] = "{\"z\":1,\"x\":";
	size_t i;

	(void)state;
	for (i = 0; i < sizeof(bodies) / sizeof(bodies[0]); i++) {
		struct bench b;

		bench_open(&b, BODY_SMALL, rules, bodies[i],
		    strlen(bodies[i]));
		if (body_take(&b.call) != 400)
			fail_msg("%s passed", bodies[i]);
		assert_string_equal(code_of(&b), "invalid_json");
		assert_non_null(strstr(b.res.detail.text, "byte "));
		bench_close(&b);
	}
	/* Depth 64 is the last that passes; the object itself is one. */
	for (i = 63; i <= 64; i++) {
		struct bench b;
		size_t n = strlen("{\"z\":1,\"x\":");

		memset(deep + n, '[', i);
		memset(deep + n + i, ']', i);
		(void)strcpy(deep + n + 2 * i, "}");
		bench_open(&b, BODY_SMALL, rules, deep, strlen(deep));
		assert_int_equal(body_take(&b.call), i == 63 ? 0 : 400);
		bench_close(&b);
	}
}

static const struct {
	const char	*type;
	int		 status;
} content_types[] = {
	{ "application/json", 0 }, { "Application/JSON", 0 },
	{ "application/json;charset=utf-8", 0 },
	{ "application/json ; charset=utf-8", 0 },
	{ "application/json\t", 0 },
	{ NULL, 415 }, { "application/jsonx", 415 },
	{ "application/json+x", 415 }, { "application/jsonp;", 415 },
	{ "text/json", 415 }, { "text/plain", 415 },
	{ "application/x-www-form-urlencoded", 415 },
	{ "multipart/form-data; boundary=application/json", 415 },
	{ " application/json", 415 }, { "application", 415 },
	{ "application/json, text/plain", 415 },
};

static void
only_json_is_taken(void **state)
{
	size_t i;

	(void)state;
	for (i = 0; i < sizeof(content_types) / sizeof(content_types[0]);
	    i++) {
		struct bench b;
		int status;

		bench_open(&b, BODY_SMALL, rules, "{\"z\":1}", 7);
		b.req.content_type = content_types[i].type;
		status = body_take(&b.call);
		if (status != content_types[i].status)
			fail_msg("%s: %d", content_types[i].type, status);
		bench_close(&b);
	}
}

static const struct {
	enum body_rule	 rule;
	const char	*body;
	int64_t		 declared;	/* -1: not at all */
	bool		 breaks;
	int		 status;
	const char	*code;
} lengths[] = {
	{ BODY_SMALL, "{\"z\":1}", TRUE_LEN, false, 0, "" },
	{ BODY_SMALL, "{\"z\":1}", -1, false, 0, "" },
	{ BODY_SMALL, "{\"z\":1}", 6, false, 400, "body_incomplete" },
	{ BODY_SMALL, "{\"z\":1}", 8, false, 400, "body_incomplete" },
	{ BODY_SMALL, "{\"z\":1}", 0, false, 400, "body_incomplete" },
	{ BODY_SMALL, "{\"z\":1}", 7, true, 400, "body_incomplete" },
	{ BODY_SMALL, "{\"z\":1}", -1, true, 400, "body_incomplete" },
	{ BODY_SMALL, "{\"z\":1}", 65536, false, 400, "body_incomplete" },
	{ BODY_SMALL, "{\"z\":1}", 65537, false, 413, "body_too_large" },
	{ BODY_SMALL, "{\"z\":1}", INT64_MAX, false, 413, "body_too_large" },
	{ BODY_LARGE, "{\"z\":1}", MAX_BODY, false, 400, "body_incomplete" },
	{ BODY_LARGE, "{\"z\":1}", MAX_BODY + 1, false, 413,
	    "body_too_large" },
	{ BODY_SMALL, "", TRUE_LEN, false, 422, "validation_error" },
	{ BODY_SMALL, "", -1, false, 422, "validation_error" },
	{ BODY_LARGE, "", -1, false, 422, "validation_error" },
	{ BODY_OPTIONAL, "", TRUE_LEN, false, 0, "" },
	{ BODY_OPTIONAL, "", -1, false, 0, "" },
	{ BODY_OPTIONAL, "", 5, false, 400, "body_incomplete" },
	{ BODY_OPTIONAL, "", -1, true, 400, "body_incomplete" },
	{ BODY_OPTIONAL, "{\"z\":1}", TRUE_LEN, false, 0, "" },
	{ BODY_OPTIONAL, "{}", TRUE_LEN, false, 422, "validation_error" },
	{ BODY_NONE, "", TRUE_LEN, false, 0, "" },
	{ BODY_NONE, "", -1, false, 0, "" },
	{ BODY_NONE, "anything", TRUE_LEN, false, 0, "" },
	{ BODY_NONE, "anything", 3, false, 400, "body_incomplete" },
	{ BODY_NONE, "", 3, false, 400, "body_incomplete" },
	{ BODY_NONE, "", -1, true, 400, "body_incomplete" },
};

static void
lengths_are_true(void **state)
{
	size_t i;

	(void)state;
	for (i = 0; i < sizeof(lengths) / sizeof(lengths[0]); i++) {
		struct bench b;
		int status;

		bench_open(&b, lengths[i].rule, rules, lengths[i].body,
		    strlen(lengths[i].body));
		if (lengths[i].declared != TRUE_LEN)
			b.req.content_length = lengths[i].declared;
		b.client.breaks = lengths[i].breaks;
		status = body_take(&b.call);
		if (status != lengths[i].status ||
		    strcmp(code_of(&b), lengths[i].code) != 0)
			fail_msg("row %zu: %d %s", i, status, code_of(&b));
		/* The end was asked for: the connection shows a client
		 * who leaves only after that. */
		if (status == 0)
			assert_int_equal(b.client.at, b.client.len);
		bench_close(&b);
	}
}

/* Every size up to the limits, declared or not, in pieces of any size. */
static void
sizes_up_to_the_limit(void **state)
{
	static const size_t sizes[] = { 7, 8, 100, 8190, 8191, 8192, 8193,
	    12288, 16383, 20479, 20480, 32768, 49151, 49152, 49153, 65535,
	    65536, 65537, 65538, 100000, MAX_BODY - 1, MAX_BODY,
	    MAX_BODY + 1 };
	static const size_t pieces[] = { 1, 4096, 8192, SIZE_MAX };
	char *body = malloc(MAX_BODY + 2);
	size_t i, k;
	int known, large;

	(void)state;
	memset(body, ' ', MAX_BODY + 2);
	memcpy(body, "{\"z\":1", 6);
	for (i = 0; i < sizeof(sizes) / sizeof(sizes[0]); i++)
		for (k = 0; k < 4; k++)
			for (known = 0; known < 2; known++)
				for (large = 0; large < 2; large++) {
			size_t n = sizes[i];
			bool fits = n <= (large ? MAX_BODY : BODY_SMALL_MAX);
			struct bench b;
			int status;

			body[n - 1] = '}';
			bench_open(&b, large ? BODY_LARGE : BODY_SMALL, rules,
			    body, n);
			if (!known)
				b.req.content_length = -1;
			b.client.piece = pieces[k];
			status = body_take(&b.call);
			if (status != (fits ? 0 : 413))
				fail_msg("%zu bytes in %zu: %d", n, pieces[k],
				    status);
			if (fits) {
				assert_int_equal(b.req.body_len, n);
				assert_memory_equal(b.req.body, body, n);
				assert_int_equal(b.req.body[n], '\0');
			}
			body[n - 1] = ' ';
			bench_close(&b);
		}
	free(body);
}

/* A stranger's endless body is given up. */
static void
unwanted_body_is_bounded(void **state)
{
	char *body = calloc(1, BODY_SMALL_MAX * 4);
	struct bench b;

	(void)state;
	bench_open(&b, BODY_NONE, NULL, body, BODY_SMALL_MAX * 4);
	assert_int_equal(body_take(&b.call), 413);
	assert_true(b.client.at < BODY_SMALL_MAX * 2);
	bench_close(&b);
	free(body);
}

static void
values_for_handlers(void **state)
{
	static const char body[] = "{\"z\":1,\"s\":\"\\u00e9\\n\\\"\","
	    "\"e\":null,\"b\":false}";
	struct bench b;

	(void)state;
	bench_open(&b, BODY_SMALL, rules, body, strlen(body));
	assert_int_equal(body_take(&b.call), 0);
	assert_string_equal(call_string(&b.call, "s"), "\xc3\xa9\n\"");
	assert_null(call_string(&b.call, "e"));
	assert_null(call_member(&b.call, "e"));
	assert_null(call_member(&b.call, "o"));
	assert_null(call_string(&b.call, "z"));
	assert_int_equal(call_zero_one(&b.call, "z", 0), 1);
	assert_int_equal(call_zero_one(&b.call, "a", 1), 1);
	assert_int_equal(call_member(&b.call, "b")->kind, JSON_FALSE);
	bench_close(&b);
	bench_open(&b, BODY_OPTIONAL, rules, "", 0);
	assert_int_equal(body_take(&b.call), 0);
	assert_null(call_member(&b.call, "z"));
	assert_int_equal(call_zero_one(&b.call, "z", 0), 0);
	bench_close(&b);
}

static const struct query_rule query_rules[] = {
	{ "limit", QUERY_INT, 1, 1000, "100" },
	{ "from", QUERY_DATE, 0, 40, NULL },
	{ "text", QUERY_TEXT, 0, 8, NULL },
	{ 0 }
};

/* want: what is sent, or NULL and the type of the fault. */
static const struct {
	const char	*name, *value, *want, *type;
} queries[] = {
	{ NULL, NULL, "limit=100", NULL },
	{ "limit", "1", "limit=1", NULL },
	{ "limit", "1000", "limit=1000", NULL },
	{ "limit", "0", NULL, "out_of_range" },
	{ "limit", "1001", NULL, "out_of_range" },
	{ "limit", "-1", NULL, "out_of_range" },
	{ "limit", "2147483648", NULL, "out_of_range" },
	{ "limit", "9223372036854775807", NULL, "out_of_range" },
	{ "limit", "9223372036854775808", NULL, "int_type" },
	{ "limit", "", NULL, "int_type" },
	{ "limit", " 5", NULL, "int_type" },
	{ "limit", "5 ", NULL, "int_type" },
	{ "limit", "+5", NULL, "int_type" },
	{ "limit", "05", NULL, "int_type" },
	{ "limit", "0x5", NULL, "int_type" },
	{ "limit", "5e0", NULL, "int_type" },
	{ "limit", "5.0", NULL, "int_type" },
	{ "limit", "-0", NULL, "int_type" },
	{ "limits", "5", NULL, "extra_forbidden" },
	{ "Limit", "5", NULL, "extra_forbidden" },
	{ "", "5", NULL, "extra_forbidden" },
	{ "from", "2026-01-02", "limit=100&from=2026-01-02", NULL },
	{ "from", "2024-02-29", "limit=100&from=2024-02-29", NULL },
	{ "from", "2000-02-29", "limit=100&from=2000-02-29", NULL },
	{ "from", "2026-01-02T03:04:05",
	    "limit=100&from=2026-01-02T03%3A04%3A05", NULL },
	{ "from", "2026-01-02T03:04:05Z",
	    "limit=100&from=2026-01-02T03%3A04%3A05Z", NULL },
	{ "from", "2026-01-02t23:59:60z",
	    "limit=100&from=2026-01-02t23%3A59%3A60z", NULL },
	{ "from", "2026-01-02 03:04:05",
	    "limit=100&from=2026-01-02%2003%3A04%3A05", NULL },
	{ "from", "2026-01-02T03:04:05.123456789Z",
	    "limit=100&from=2026-01-02T03%3A04%3A05.123456789Z", NULL },
	{ "from", "2026-01-02T03:04:05+08:00",
	    "limit=100&from=2026-01-02T03%3A04%3A05%2B08%3A00", NULL },
	{ "from", "2026-01-02T03:04:05-08:00",
	    "limit=100&from=2026-01-02T03%3A04%3A05-08%3A00", NULL },
	{ "from", "2026-01-02T03:04:05 08:00",
	    "limit=100&from=2026-01-02T03%3A04%3A05%2008%3A00", NULL },
	{ "from", "", NULL, "datetime_parsing" },
	{ "from", "2026", NULL, "datetime_parsing" },
	{ "from", "2026-1-2", NULL, "datetime_parsing" },
	{ "from", "2026-01-2", NULL, "datetime_parsing" },
	{ "from", "20260102", NULL, "datetime_parsing" },
	{ "from", "2026/01/02", NULL, "datetime_parsing" },
	{ "from", "-026-01-02", NULL, "datetime_parsing" },
	{ "from", "+026-01-02", NULL, "datetime_parsing" },
	{ "from", " 026-01-02", NULL, "datetime_parsing" },
	{ "from", "2026- 1-02", NULL, "datetime_parsing" },
	{ "from", "2026--1-02", NULL, "datetime_parsing" },
	{ "from", "2026-00-02", NULL, "datetime_parsing" },
	{ "from", "2026-13-02", NULL, "datetime_parsing" },
	{ "from", "2026-01-00", NULL, "datetime_parsing" },
	{ "from", "2026-01-32", NULL, "datetime_parsing" },
	{ "from", "2026-04-31", NULL, "datetime_parsing" },
	{ "from", "2026-02-29", NULL, "datetime_parsing" },
	{ "from", "2100-02-29", NULL, "datetime_parsing" },
	{ "from", "2026-01-02T", NULL, "datetime_parsing" },
	{ "from", "2026-01-02x", NULL, "datetime_parsing" },
	{ "from", "2026-01-02T24:00:00", NULL, "datetime_parsing" },
	{ "from", "2026-01-02T03:60:00", NULL, "datetime_parsing" },
	{ "from", "2026-01-02T03:04:61", NULL, "datetime_parsing" },
	{ "from", "2026-01-02T03:04", NULL, "datetime_parsing" },
	{ "from", "2026-01-02T3:4:5", NULL, "datetime_parsing" },
	{ "from", "2026-01-02T03:04:05.", NULL, "datetime_parsing" },
	{ "from", "2026-01-02T03:04:05.1234567890", NULL,
	    "datetime_parsing" },
	{ "from", "2026-01-02T03:04:05ZZ", NULL, "datetime_parsing" },
	{ "from", "2026-01-02T03:04:05+0800", NULL, "datetime_parsing" },
	{ "from", "2026-01-02T03:04:05+24:00", NULL, "datetime_parsing" },
	{ "from", "2026-01-02T03:04:05+08:60", NULL, "datetime_parsing" },
	{ "from", "2026-01-02T03:04:05+08:000", NULL, "datetime_parsing" },
	{ "from", "2026-01-02&limit=1", NULL, "datetime_parsing" },
	{ "text", "a&b=c/d", "limit=100&text=a%26b%3Dc%2Fd", NULL },
	{ "text", "", "limit=100&text=", NULL },
	{ "text", "123456789", NULL, "string_too_long" },
};

static void
query_rules_hold(void **state)
{
	struct buf out = BUF_INIT(4096), type = BUF_INIT(64);
	size_t i;

	(void)state;
	for (i = 0; i < sizeof(queries) / sizeof(queries[0]); i++) {
		struct bench b;
		int status;

		bench_open(&b, BODY_NONE, NULL, "", 0);
		b.route.query = query_rules;
		if (queries[i].name != NULL)
			b.req.query[b.req.n_query++] = (struct request_param){
			    queries[i].name, queries[i].value };
		buf_reset(&out);
		status = query_take(&b.call, &out);
		if (queries[i].want != NULL) {
			if (status != 0)
				fail_msg("%s=%s: %d", queries[i].name,
				    queries[i].value, status);
			assert_string_equal(buf_str(&out), queries[i].want);
		} else {
			if (status != 422)
				fail_msg("%s=%s: %d", queries[i].name,
				    queries[i].value, status);
			buf_reset(&type);
			buf_printf(&type, "\"type\":\"%s\"", queries[i].type);
			if (strstr(b.res.detail.json, buf_str(&type)) == NULL)
				fail_msg("%s=%s: %s", queries[i].name,
				    queries[i].value, b.res.detail.json);
		}
		bench_close(&b);
	}
	buf_free(&out);
	buf_free(&type);
}

static void
a_parameter_comes_once(void **state)
{
	struct buf out = BUF_INIT(256);
	struct bench b;

	(void)state;
	bench_open(&b, BODY_NONE, NULL, "", 0);
	b.route.query = query_rules;
	b.req.query[0] = (struct request_param){ "limit", "5" };
	b.req.query[1] = (struct request_param){ "limit", "5" };
	b.req.n_query = 2;
	assert_int_equal(query_take(&b.call, &out), 422);
	assert_non_null(strstr(b.res.detail.json, "duplicate"));
	bench_close(&b);
	/* A row without rules looks at none. */
	bench_open(&b, BODY_NONE, NULL, "", 0);
	b.req.query[0] = (struct request_param){ "x", "y" };
	b.req.n_query = 1;
	buf_reset(&out);
	assert_int_equal(query_take(&b.call, &out), 0);
	assert_int_equal(out.len, 0);
	bench_close(&b);
	buf_free(&out);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(member_rules),
		cmocka_unit_test(no_json),
		cmocka_unit_test(only_json_is_taken),
		cmocka_unit_test(lengths_are_true),
		cmocka_unit_test(sizes_up_to_the_limit),
		cmocka_unit_test(unwanted_body_is_bounded),
		cmocka_unit_test(values_for_handlers),
		cmocka_unit_test(query_rules_hold),
		cmocka_unit_test(a_parameter_comes_once),
	};

	return cmocka_run_group_tests(tests, set_up, tear_down);
}
