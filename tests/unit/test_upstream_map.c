/*
 * upstream: every row of the mapping, the texts that are shown, and the
 * forms of Retry-After.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "proxy/upstream.h"

#define N_OF(array)	(sizeof(array) / sizeof((array)[0]))
#define E(text)		"{\"error\":\"" text "\"}"
#define HTML		"<!DOCTYPE html>\n<html><body><pre>Error</pre>"

#define M	UPSTREAM_MANAGEMENT
#define A	UPSTREAM_ACCOUNTS
#define L	UPSTREAM_MODELS
#define C	UPSTREAM_CHAT
#define I	UPSTREAM_IMAGE

/* class, status, body, problem, shown text, is the key refused */
static const struct {
	enum upstream_class class;
	int status;
	const char *body;
	enum problem problem;
	const char *detail;
	bool key_refused;
} rows[] = {
	/* A success is looked at by the caller. */
	{ M, 200, "{}", PROBLEM_NONE, NULL, false },
	{ C, 201, "{}", PROBLEM_NONE, NULL, false },
	{ M, 202, "", PROBLEM_NONE, NULL, false },
	{ A, 204, "", PROBLEM_NONE, NULL, false },
	{ M, 203, "{}", PROBLEM_UPSTREAM_ERROR, NULL, false },
	{ M, 205, "", PROBLEM_UPSTREAM_ERROR, NULL, false },
	{ M, 206, "{}", PROBLEM_UPSTREAM_ERROR, NULL, false },
	{ C, 299, E("x"), PROBLEM_UPSTREAM_ERROR, NULL, false },

	/* About the request: the same status, with the text. */
	{ M, 400, E("status必须是0或1"), PROBLEM_BAD_REQUEST,
	    "status必须是0或1", false },
	{ C, 400, E("messages是必需的"), PROBLEM_BAD_REQUEST,
	    "messages是必需的", false },
	{ I, 400, "{\"error\":{\"code\":400,\"message\":\"no contents\"}}",
	    PROBLEM_BAD_REQUEST, "no contents", false },
	{ A, 404, E("账号不存在"), PROBLEM_UPSTREAM_NOT_FOUND,
	    "账号不存在", false },
	{ M, 409, E("taken"), PROBLEM_CONFLICT, "taken", false },
	{ C, 413, E("too big"), PROBLEM_TOO_LARGE, "too big", false },
	{ M, 422, E("odd"), PROBLEM_VALIDATION, "odd", false },
	{ L, 429, E("slow down"), PROBLEM_UPSTREAM_RATE, "slow down",
	    false },
	/* Without the envelope nothing of that is believed. */
	{ M, 400, HTML, PROBLEM_UPSTREAM_ERROR, NULL, false },
	{ M, 400, "{\"success\":false}", PROBLEM_UPSTREAM_ERROR, NULL,
	    false },
	{ M, 404, HTML, PROBLEM_UPSTREAM_ERROR, NULL, false },
	{ M, 404, "", PROBLEM_UPSTREAM_ERROR, NULL, false },
	{ M, 409, "[]", PROBLEM_UPSTREAM_ERROR, NULL, false },
	{ M, 413, HTML, PROBLEM_UPSTREAM_ERROR, NULL, false },
	{ M, 422, "null", PROBLEM_UPSTREAM_ERROR, NULL, false },
	{ M, 429, "slow down", PROBLEM_UPSTREAM_ERROR, NULL, false },
	{ M, 429, E("<html>slow</html>"), PROBLEM_UPSTREAM_ERROR, NULL,
	    false },

	/* A 401 is ours only by its exact words. */
	{ M, 401, E("无效的API Key"), PROBLEM_KEY_INVALID, NULL, true },
	{ C, 401, E("无效的API Key"), PROBLEM_KEY_INVALID, NULL, true },
	{ A, 401, E("无效的API Key!"), PROBLEM_UPSTREAM_REFUSED,
	    "无效的API Key!", false },
	{ C, 401, E("{\\\"code\\\":401}"), PROBLEM_UPSTREAM_REFUSED,
	    "{\"code\":401}", false },
	{ M, 401, HTML, PROBLEM_UPSTREAM_ERROR, NULL, false },
	{ M, 401, "", PROBLEM_UPSTREAM_ERROR, NULL, false },

	{ A, 403, E("无权访问此账号"), PROBLEM_NOT_YOUR_ACCOUNT, NULL,
	    false },
	{ A, 403, HTML, PROBLEM_UPSTREAM_ERROR, NULL, false },
	{ C, 403, "denied", PROBLEM_UPSTREAM_ERROR, NULL, false },
	{ C, 403, E("denied"), PROBLEM_UPSTREAM_REFUSED, "denied", false },
	{ L, 403, E("All endpoints returned 403"), PROBLEM_UPSTREAM_REFUSED,
	    "All endpoints returned 403", false },
	{ I, 403, E("denied"), PROBLEM_UPSTREAM_REFUSED, "denied", false },
	{ M, 403, E("denied"), PROBLEM_UPSTREAM_REFUSED, "denied", false },

	/* Known texts. */
	{ I, 429, "{\"error\":{\"code\":429,\"message\":"
	    "\"RESOURCE_EXHAUSTED\",\"status\":\"X\"}}", PROBLEM_QUOTA, NULL,
	    false },
	{ C, 429, E("RESOURCE_EXHAUSTED later"), PROBLEM_UPSTREAM_RATE,
	    "RESOURCE_EXHAUSTED later", false },
	{ C, 429, E("所有账号配额已耗尽，请稍后再试"), PROBLEM_QUOTA,
	    "所有账号配额已耗尽，请稍后再试", false },
	{ C, 500, E("没有可用的账号，请添加账号"), PROBLEM_NO_ACCOUNT, NULL,
	    false },
	{ L, 500, E("没有可用的账号"), PROBLEM_NO_ACCOUNT, NULL, false },
	{ C, 500, E("没有可用的Kiro账号，请先添加账号"), PROBLEM_NO_ACCOUNT,
	    NULL, false },
	{ C, 500, E("所有账号对模型 m 的配额已耗尽或用户共享配额不足"),
	    PROBLEM_QUOTA, "所有账号对模型 m 的配额已耗尽或用户共享配额不足",
	    false },
	{ C, 500, E("共享配额不足"), PROBLEM_QUOTA, "共享配额不足", false },

	/* All else speaks about the upstream. */
	{ C, 500, E("fetch failed"), PROBLEM_UPSTREAM_ERROR, "fetch failed",
	    false },
	{ M, 500, HTML, PROBLEM_UPSTREAM_ERROR, NULL, false },
	{ M, 500, "", PROBLEM_UPSTREAM_ERROR, NULL, false },
	{ M, 502, E("bad gateway"), PROBLEM_UPSTREAM_ERROR, "bad gateway",
	    false },
	{ M, 503, E("down"), PROBLEM_UPSTREAM_ERROR, "down", false },
	{ M, 504, HTML, PROBLEM_UPSTREAM_ERROR, NULL, false },
	/* The texts above mean nothing with another status. */
	{ C, 503, E("没有可用的账号"), PROBLEM_UPSTREAM_ERROR,
	    "没有可用的账号", false },
	{ M, 500, E("无效的API Key"), PROBLEM_UPSTREAM_ERROR,
	    "无效的API Key", false },
	{ M, 418, E("teapot"), PROBLEM_UPSTREAM_ERROR, "teapot", false },
	{ M, 405, E("method"), PROBLEM_UPSTREAM_ERROR, "method", false },
	{ M, 301, E("moved"), PROBLEM_UPSTREAM_ERROR, NULL, false },
	{ M, 302, HTML, PROBLEM_UPSTREAM_ERROR, NULL, false },
	{ M, 304, "", PROBLEM_UPSTREAM_ERROR, NULL, false },
	{ M, 307, "", PROBLEM_UPSTREAM_ERROR, NULL, false },
	{ M, 308, "", PROBLEM_UPSTREAM_ERROR, NULL, false },
};

static void
check_same(size_t row, const char *got, const char *want)
{
	if ((got == NULL) != (want == NULL) ||
	    (got != NULL && strcmp(got, want) != 0))
		fail_msg("row %zu: %s, not %s", row, got, want);
}

static void
test_rows(void **state)
{
	struct arena *arena = arena_create();
	struct upstream_verdict v;
	size_t i;

	(void)state;
	for (i = 0; i < N_OF(rows); i++) {
		struct upstream_answer a = {
			.class = rows[i].class, .status = rows[i].status,
			.content_type = "application/json",
			.retry_after = "", .body = rows[i].body,
			.body_len = strlen(rows[i].body),
		};

		upstream_map(&a, arena, &v);
		if (v.problem != rows[i].problem)
			fail_msg("row %zu: problem %d", i, v.problem);
		check_same(i, v.detail, rows[i].detail);
		assert_int_equal(v.key_refused, rows[i].key_refused);
		assert_int_equal(v.retry_after_s, 0);
		/* A body of which only the beginning was read says nothing,
		 * whatever the beginning looks like. */
		a.body_cut = true;
		upstream_map(&a, arena, &v);
		assert_null(v.detail);
		assert_false(v.key_refused);
		assert_int_equal(v.problem == PROBLEM_NONE,
		    rows[i].problem == PROBLEM_NONE);
	}
	arena_free(&arena);
}

/* What a client sees of each: never a 401, never a 500. */
static void
test_statuses(void **state)
{
	static const struct { enum problem problem; int status; } want[] = {
		{ PROBLEM_BAD_REQUEST, 400 }, { PROBLEM_CONFLICT, 409 },
		{ PROBLEM_UPSTREAM_NOT_FOUND, 404 },
		{ PROBLEM_TOO_LARGE, 413 }, { PROBLEM_VALIDATION, 422 },
		{ PROBLEM_UPSTREAM_RATE, 429 }, { PROBLEM_QUOTA, 429 },
		{ PROBLEM_KEY_INVALID, 503 }, { PROBLEM_NO_ACCOUNT, 409 },
		{ PROBLEM_UPSTREAM_REFUSED, 502 },
		{ PROBLEM_NOT_YOUR_ACCOUNT, 403 },
		{ PROBLEM_UPSTREAM_ERROR, 502 },
	};
	size_t i, j;

	(void)state;
	for (i = 0; i < N_OF(rows); i++) {
		if (rows[i].problem == PROBLEM_NONE)
			continue;
		for (j = 0; j < N_OF(want) &&
		    want[j].problem != rows[i].problem; j++)
			continue;
		assert_true(j < N_OF(want));
		assert_int_equal(problem_row(rows[i].problem)->status,
		    want[j].status);
	}
}

static void
test_errors(void **state)
{
	static const struct { enum httpc_error e; int status; } want[] = {
		{ HTTPC_UNREACHABLE, 503 }, { HTTPC_CONNECT_TIMEOUT, 503 },
		{ HTTPC_TIMEOUT_FIRST, 504 }, { HTTPC_TIMEOUT_IDLE, 504 },
		{ HTTPC_TIMEOUT_TOTAL, 504 }, { HTTPC_BROKEN, 502 },
		{ HTTPC_TOO_LARGE, 502 }, { HTTPC_STOPPED, 502 },
	};
	size_t i;

	(void)state;
	assert_int_equal(upstream_map_error(HTTPC_DONE), PROBLEM_NONE);
	for (i = 0; i < N_OF(want); i++)
		assert_int_equal(problem_row(upstream_map_error(
		    want[i].e))->status, want[i].status);
	assert_string_equal(problem_row(upstream_map_error(
	    HTTPC_UNREACHABLE))->code, "upstream_unreachable");
	assert_string_equal(problem_row(upstream_map_error(
	    HTTPC_TIMEOUT_FIRST))->code, "upstream_timeout");
}

/* body, text; a NULL body of text: there is none to show */
static const struct {
	const char *body, *text;
} texts[] = {
	{ E("plain"), "plain" },
	{ " \r\n" E("spaces around") " ", "spaces around" },
	{ "{\"error\":{\"message\":\"inner\",\"code\":1}}", "inner" },
	{ "{\"message\":\"outer\"}", "outer" },
	{ "{\"message\":\"outer\",\"error\":\"first\"}", "first" },
	{ E("\\u4f60\\u597d"), "你好" },
	{ E("{\\\"error\\\":\\\"JSON in text\\\"}"),
	    "{\"error\":\"JSON in text\"}" },
	{ E("HTTP 400: {\\\"error\\\":\\\"invalid_grant\\\"}"),
	    "HTTP 400: {\"error\":\"invalid_grant\"}" },
	{ E("a\\r\\nb\\tc\\u007fd\\u0001"), "a  b c d " },
	{ E("cut\\u0000here"), "cut" },
	{ E(""), NULL },
	{ E("\\u0000"), NULL },
	{ "", NULL },
	{ "plain", NULL },
	{ "\"plain\"", NULL },
	{ "[\"plain\"]", NULL },
	{ "{}", NULL },
	{ "{\"error\":7}", NULL },
	{ "{\"error\":null}", NULL },
	{ "{\"error\":[\"x\"]}", NULL },
	{ "{\"error\":{\"message\":[]}}", NULL },
	{ "{\"error\":{\"text\":\"x\"},\"message\":\"y\"}", NULL },
	{ "{\"message\":5}", NULL },
	{ "{\"error\":\"cut off", NULL },
	{ E("\xff\xfe"), NULL },
	{ E("\xc0\xaf"), NULL },
	{ E("\xed\xa0\x80"), NULL },
	/* HTML, however it is packed. */
	{ HTML, NULL },
	{ E("<!doctype html>"), NULL },
	{ E(" \\n <HTML>"), NULL },
	{ E("Cannot GET <pre>/x</pre>"), NULL },
	{ E("x <body onload=1>"), NULL },
	{ E("x <sCript>alert(1)</script>"), NULL },
	{ E("a < b and b > c"), "a < b and b > c" },
	/* What reads like a key is masked. */
	{ E("key sk-abcdefghijklmnopqrst is bad"), "key sk-*** is bad" },
	{ E("sk-abcdefghijklmnopqrs"), "sk-abcdefghijklmnopqrs" },
	{ E("sk-ABCDEFGHIJ0123456789_-"), "sk-***" },
	{ E("(sk-abcdefghijklmnopqrst,sk-abcdefghijklmnopqrst)"),
	    "(sk-***,sk-***)" },
	{ E("Bearer\\u0020sk-\\u0061bcdefghijklmnopqrst"),
	    "Bearer sk-***" },
	{ E("sk-sk-sk-sk-sk-sk-sk-sk-"), "sk-***" },
	{ E("SK-abcdefghijklmnopqrst"), "SK-abcdefghijklmnopqrst" },
};

static void
test_texts(void **state)
{
	struct arena *arena = arena_create();
	size_t i;

	(void)state;
	for (i = 0; i < N_OF(texts); i++) {
		size_t len = strlen(texts[i].body);
		char *exact = malloc(len > 0 ? len : 1);

		/* No byte behind the body is looked at. */
		memcpy(exact, texts[i].body, len);
		check_same(i, upstream_text(arena, exact, len),
		    texts[i].text);
		free(exact);
	}
	arena_free(&arena);
}

static const char *
text_of(struct arena *arena, const char *unit, size_t times)
{
	struct buf body = BUF_INIT(UPSTREAM_ERROR_MAX + 100);
	const char *text;
	size_t i;

	(void)buf_puts(&body, "{\"error\":\"");
	for (i = 0; i < times; i++)
		(void)buf_puts(&body, unit);
	(void)buf_puts(&body, "\"}");
	assert_false(body.failed);
	text = upstream_text(arena, body.data, body.len);
	buf_free(&body);
	return text;
}

static void
test_length(void **state)
{
	struct arena *arena = arena_create();
	const char *text;
	char key[64];

	(void)state;
	text = text_of(arena, "猫", UPSTREAM_TEXT_MAX);
	assert_int_equal(strlen(text), 3 * UPSTREAM_TEXT_MAX);
	text = text_of(arena, "猫", UPSTREAM_TEXT_MAX + 1);
	assert_int_equal(strlen(text), 3 * UPSTREAM_TEXT_MAX);
	text = text_of(arena, "🐱", 5000);
	assert_int_equal(strlen(text), 4 * UPSTREAM_TEXT_MAX);
	/* The end of what is shown never falls into a key. */
	(void)snprintf(key, sizeof(key), "sk-%030d", 7);
	text = text_of(arena, key, 1000);
	assert_null(strstr(text, "sk-0"));
	assert_true(strlen(text) <= UPSTREAM_TEXT_MAX + 6);
	text = text_of(arena, "x", UPSTREAM_ERROR_MAX - 12);
	assert_int_equal(strlen(text), UPSTREAM_TEXT_MAX);
	assert_null(text_of(arena, "x", UPSTREAM_ERROR_MAX - 11));
	arena_free(&arena);
}

static void
test_depth(void **state)
{
	struct arena *arena = arena_create();
	struct buf body = BUF_INIT(1 << 20);
	int i;

	(void)state;
	(void)buf_puts(&body, "{\"deep\":");
	for (i = 0; i < 100000; i++)
		(void)buf_putc(&body, '[');
	assert_null(upstream_text(arena, body.data, body.len));
	buf_free(&body);
	arena_free(&arena);
}

#define NOW	784111777	/* Sun, 06 Nov 1994 08:49:37 GMT */

static const struct {
	const char *value;
	int want;
} retries[] = {
	{ "1", 1 }, { "17", 17 }, { "3600", 3600 }, { "3601", 3600 },
	{ "99999999999", 3600 }, { "0", 1 },
	{ "9223372036854775807", 3600 }, { "9223372036854775808", 0 },
	{ "-5", 0 }, { "+5", 0 }, { "1.5", 0 }, { "1 ", 0 }, { " 1", 0 },
	{ "soon", 0 }, { "0x10", 0 },
	{ "Sun, 06 Nov 1994 08:49:57 GMT", 20 },
	{ "Sun, 06 Nov 1994 08:49:37 GMT", 1 },
	{ "Sun, 06 Nov 1994 08:00:00 GMT", 1 },
	{ "Mon, 07 Nov 1994 08:49:37 GMT", 3600 },
	{ "Sun, 06 Nov 1994 08:49:57 GMT x", 0 },
	{ "Sun, 06 Nov 1994 08:49:57", 0 },
	{ "Sun, 06 Nov 1994 08:49:57 CET", 0 },
	{ "Sunday, 06-Nov-94 08:49:37 GMT", 0 },
};

static void
test_retry_after(void **state)
{
	size_t i;

	(void)state;
	for (i = 0; i < N_OF(retries); i++) {
		int got = upstream_retry_after(retries[i].value, NOW);

		if (got != retries[i].want)
			fail_msg("%s: %d", retries[i].value, got);
	}
}

/* Kept with 429 and 503 only, and with whatever problem they become. */
static void
test_retry_after_kept(void **state)
{
	static const struct { int status, want; } statuses[] = {
		{ 429, 17 }, { 503, 17 }, { 400, 0 }, { 500, 0 }, { 502, 0 },
		{ 301, 0 }, { 200, 0 },
	};
	struct arena *arena = arena_create();
	struct upstream_verdict v;
	size_t i;

	(void)state;
	for (i = 0; i < N_OF(statuses); i++) {
		const struct upstream_answer a = {
			.class = UPSTREAM_CHAT, .status = statuses[i].status,
			.content_type = "application/json",
			.retry_after = "17", .body = E("x"),
			.body_len = strlen(E("x")),
		};

		upstream_map(&a, arena, &v);
		assert_int_equal(v.retry_after_s, statuses[i].want);
	}
	arena_free(&arena);
}

static void
test_content_types(void **state)
{
	static const struct { const char *type; bool json, sse; } types[] = {
		{ "application/json", true, false },
		{ "Application/JSON", true, false },
		{ "application/json; charset=utf-8", true, false },
		{ "application/json;charset=utf-8", true, false },
		{ "application/json ;x", true, false },
		{ "application/jsonp", false, false },
		{ "application/json+x", false, false },
		{ "application/problem+json", false, false },
		{ "text/html", false, false }, { "", false, false },
		{ "text/event-stream", false, true },
		{ "Text/Event-Stream; charset=utf-8", false, true },
		{ "text/event-streams", false, false },
		{ " application/json", false, false },
	};
	size_t i;

	(void)state;
	for (i = 0; i < N_OF(types); i++) {
		assert_int_equal(upstream_is_json(types[i].type),
		    types[i].json);
		assert_int_equal(upstream_is_sse(types[i].type),
		    types[i].sse);
	}
	assert_false(upstream_is_json(NULL));
	assert_false(upstream_is_sse(NULL));
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_rows),
		cmocka_unit_test(test_statuses),
		cmocka_unit_test(test_errors),
		cmocka_unit_test(test_texts),
		cmocka_unit_test(test_length),
		cmocka_unit_test(test_depth),
		cmocka_unit_test(test_retry_after),
		cmocka_unit_test(test_retry_after_kept),
		cmocka_unit_test(test_content_types),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
