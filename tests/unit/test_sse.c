/*
 * sse: where events end and whether [DONE] has passed, however the bytes
 * are cut.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <string.h>

#include "proxy/sse.h"

#define N_OF(array)	(sizeof(array) / sizeof((array)[0]))

/* bytes, events, at a boundary behind them, has [DONE] passed */
static const struct {
	const char *bytes;
	unsigned events;
	bool boundary, done;
} rows[] = {
	{ "", 0, true, false },
	{ "data: {}\n\n", 1, true, false },
	{ "data: {}\n", 0, false, false },
	{ "data: {}", 0, false, false },
	{ "d", 0, false, false },
	{ "data: a\n\ndata: b\n\n", 2, true, false },
	{ "data: a\ndata: b\n\n", 1, true, false },
	{ "event: x\nid: 1\ndata: a\n\n", 1, true, false },
	{ "data: a\n\n\n\n", 1, true, false },
	{ "\n\n\n", 0, true, false },
	/* CRLF; between CR and LF nothing may be put in. */
	{ "data: a\r\n\r\n", 1, true, false },
	{ "data: a\r\n\r", 1, false, false },
	{ "data: a\r\n", 0, false, false },
	{ "data: a\r", 0, false, false },
	{ "data: a\r\r", 1, false, false },
	{ "data: a\r\rdata: b\r\r", 2, false, false },
	{ "data: a\r\n\ndata: b\n\r\n", 2, true, false },
	{ "data: a\n\r\n", 1, true, false },
	{ "data: a\r\n\r\ndata: [DONE]\r\n\r\n", 2, true, true },
	/* A comment is a line like others here. */
	{ ": hi\n\n", 1, true, false },
	{ ": hi\n", 0, false, false },
	{ ":\n\n", 1, true, false },
	/* [DONE] */
	{ "data: [DONE]\n\n", 1, true, true },
	{ "data:[DONE]\n\n", 1, true, true },
	{ "data: [DONE]\n", 0, false, true },
	{ "data: [DONE]\r", 0, false, true },
	{ "data: [DONE]", 0, false, false },
	{ "data:  [DONE]\n\n", 1, true, false },
	{ "data: [DONE] \n\n", 1, true, false },
	{ "data: [DONE]]\n\n", 1, true, false },
	{ "data: [DON]\n\n", 1, true, false },
	{ "data: [DONE\n]\n\n", 1, true, false },
	{ "data: DONE\n\n", 1, true, false },
	{ " data: [DONE]\n\n", 1, true, false },
	{ "xdata: [DONE]\n\n", 1, true, false },
	{ "data : [DONE]\n\n", 1, true, false },
	{ "Data: [DONE]\n\n", 1, true, false },
	{ "dat\na: [DONE]\n\n", 1, true, false },
	{ ": data: [DONE]\n\n", 1, true, false },
	{ "data: x data: [DONE]\n\n", 1, true, false },
	{ "data: {\"content\":\"data: [DONE]\"}\n\n", 1, true, false },
	{ "data:\n\n", 1, true, false },
	{ "data\n\n", 1, true, false },
	{ "event: end\ndata: [DONE]\n\n", 1, true, true },
	{ "data: [DONE]\n\ndata: more\n\n", 2, true, true },
	{ "data: \xe7\x8c\xab\n\ndata: [DONE]\n\n", 2, true, true },
};

static void
check(const struct sse *s, size_t row, const char *how)
{
	if (s->events != rows[row].events || s->done != rows[row].done ||
	    sse_at_boundary(s) != rows[row].boundary)
		fail_msg("row %zu %s: events %d boundary %d done %d", row,
		    how, (int)s->events, sse_at_boundary(s), s->done);
}

static void
test_whole_and_bytes(void **state)
{
	struct sse s;
	size_t i, j, n;

	(void)state;
	for (i = 0; i < N_OF(rows); i++) {
		n = strlen(rows[i].bytes);
		sse_init(&s);
		sse_feed(&s, rows[i].bytes, n);
		check(&s, i, "whole");
		sse_init(&s);
		for (j = 0; j < n; j++) {
			sse_feed(&s, rows[i].bytes + j, 1);
			sse_feed(&s, "x", 0);
		}
		check(&s, i, "byte by byte");
	}
}

static void
test_split_everywhere(void **state)
{
	struct sse s;
	size_t i, a, b, n;

	(void)state;
	for (i = 0; i < N_OF(rows); i++) {
		n = strlen(rows[i].bytes);
		for (a = 0; a <= n; a++) {
			for (b = a; b <= n; b++) {
				sse_init(&s);
				sse_feed(&s, rows[i].bytes, a);
				sse_feed(&s, rows[i].bytes + a, b - a);
				sse_feed(&s, rows[i].bytes + b, n - b);
				check(&s, i, "in three");
			}
		}
	}
}

/* Only behind an empty line: seen after each byte of a whole stream. */
static void
test_boundaries(void **state)
{
	static const char stream[] =
	    "data: a\n\n: c\n\nevent: e\ndata: b\n\ndata: [DONE]\n\n";
	struct sse s;
	size_t i;

	(void)state;
	sse_init(&s);
	assert_true(sse_at_boundary(&s));
	for (i = 0; i < sizeof(stream) - 1; i++) {
		sse_feed(&s, stream + i, 1);
		assert_int_equal(sse_at_boundary(&s), i > 0 &&
		    stream[i] == '\n' && stream[i - 1] == '\n');
	}
	assert_int_equal(s.events, 4);
	assert_true(s.done);
}

/* A line longer than any counter: neither a boundary nor a [DONE]. */
static void
test_long_lines(void **state)
{
	static char line[65536];
	struct sse s;
	size_t lead;

	(void)state;
	memset(line, 'x', sizeof(line));
	for (lead = 250; lead < 520; lead++) {
		sse_init(&s);
		sse_feed(&s, line, lead);
		sse_feed(&s, "data: [DONE]\n", 13);
		assert_false(s.done);
		assert_false(sse_at_boundary(&s));
		sse_feed(&s, "\n", 1);
		assert_true(sse_at_boundary(&s));
	}
	sse_init(&s);
	for (lead = 0; lead < 1600; lead++)
		sse_feed(&s, line, sizeof(line));
	assert_false(sse_at_boundary(&s));
	sse_feed(&s, "\n\ndata: [DONE]\n\n", 16);
	assert_true(s.done);
	assert_int_equal(s.events, 2);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_whole_and_bytes),
		cmocka_unit_test(test_split_everywhere),
		cmocka_unit_test(test_boundaries),
		cmocka_unit_test(test_long_lines),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
