/*
 * answerhead: heads fed line by line.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <stdio.h>
#include <string.h>

#include "net/answerhead.h"
#include "net/httpc.h"

/* Feeds whole lines; returns the last verdict that was not MORE. */
static enum answerhead_verdict
feed(struct answerhead *h, const char *text)
{
	enum answerhead_verdict verdict = ANSWERHEAD_MORE;
	const char *end;

	answerhead_init(h);
	for (; *text != '\0' && verdict == ANSWERHEAD_MORE; text = end) {
		end = strchr(text, '\n');
		end = end == NULL ? text + strlen(text) : end + 1;
		verdict = answerhead_line(h, text, (size_t)(end - text));
	}
	return verdict;
}

#define S	"HTTP/1.1 200 OK\r\n"

static const struct {
	const char *text;
	enum answerhead_verdict want;
	int status;
	int64_t length;
	bool chunked;
} rows[] = {
	{ S "\r\n", ANSWERHEAD_COMPLETE, 200, -1, false },
	{ "HTTP/1.0 404 Not Found\r\n\r\n", ANSWERHEAD_COMPLETE, 404, -1,
	    false },
	{ "HTTP/1.1 200\r\n\r\n", ANSWERHEAD_COMPLETE, 200, -1, false },
	{ "HTTP/1.1 599 \n\n", ANSWERHEAD_COMPLETE, 599, -1, false },
	{ S "Content-Length: 0\r\n\r\n", ANSWERHEAD_COMPLETE, 200, 0, false },
	{ S "CONTENT-LENGTH:  12\t \r\n\r\n", ANSWERHEAD_COMPLETE, 200, 12,
	    false },
	{ S "content-length: 7\r\ncontent-length: 7\r\n\r\n",
	    ANSWERHEAD_COMPLETE, 200, 7, false },
	{ S "Transfer-Encoding: Chunked\r\n\r\n", ANSWERHEAD_COMPLETE, 200, -1,
	    true },
	{ S "X-Long-Content-Length: 5\r\n\r\n", ANSWERHEAD_COMPLETE, 200, -1,
	    false },
	{ "HTTP/1.1 103 E\r\nContent-Length: 5\r\n\r\n" S "\r\n",
	    ANSWERHEAD_COMPLETE, 200, -1, false },
	{ "HTTP/1.1 100 C\r\n\r\n", ANSWERHEAD_MORE, 100, -1, false },
	{ S "Content-Length: 9223372036854775807\r\n\r\n",
	    ANSWERHEAD_COMPLETE, 200, INT64_MAX, false },
	{ S "Content-Length: 9223372036854775808\r\n", ANSWERHEAD_BAD, 0, 0,
	    false },
	{ S "Content-Length: 1\r\nContent-Length: 2\r\n", ANSWERHEAD_BAD, 0, 0,
	    false },
	{ S "Content-Length: 1\r\nTransfer-Encoding: chunked\r\n",
	    ANSWERHEAD_BAD, 0, 0, false },
	{ S "Transfer-Encoding: chunked\r\nContent-Length: 1\r\n",
	    ANSWERHEAD_BAD, 0, 0, false },
	{ S "Transfer-Encoding: identity\r\n", ANSWERHEAD_BAD, 0, 0, false },
	{ S "Transfer-Encoding: chunked, chunked\r\n", ANSWERHEAD_BAD, 0, 0,
	    false },
	{ S "Content-Length: 1 1\r\n", ANSWERHEAD_BAD, 0, 0, false },
	{ S "Content-Length: 0x1\r\n", ANSWERHEAD_BAD, 0, 0, false },
	{ S "Content-Length: 01\r\n", ANSWERHEAD_BAD, 0, 0, false },
	{ S " folded\r\n", ANSWERHEAD_BAD, 0, 0, false },
	{ S "\tfolded\r\n", ANSWERHEAD_BAD, 0, 0, false },
	{ S "no colon\r\n", ANSWERHEAD_BAD, 0, 0, false },
	{ S ": no name\r\n", ANSWERHEAD_BAD, 0, 0, false },
	{ S "X y: 1\r\n", ANSWERHEAD_BAD, 0, 0, false },
	{ S "X : 1\r\n", ANSWERHEAD_BAD, 0, 0, false },
	{ S "X: a\rb\r\n", ANSWERHEAD_BAD, 0, 0, false },
	{ "HTTP/1.2 200 OK\r\n", ANSWERHEAD_BAD, 0, 0, false },
	{ "HTTP/2 200\r\n", ANSWERHEAD_BAD, 0, 0, false },
	{ "HTTP/1.1  200 OK\r\n", ANSWERHEAD_BAD, 0, 0, false },
	{ "HTTP/1.1 2x0 OK\r\n", ANSWERHEAD_BAD, 0, 0, false },
	{ "HTTP/1.1 200OK\r\n", ANSWERHEAD_BAD, 0, 0, false },
	{ "HTTP/1.1 600 X\r\n", ANSWERHEAD_BAD, 0, 0, false },
	{ "HTTP/1.1 000 X\r\n", ANSWERHEAD_BAD, 0, 0, false },
	{ "HTTP/1.1 101 X\r\n", ANSWERHEAD_BAD, 0, 0, false },
	{ "X: 1\r\n", ANSWERHEAD_BAD, 0, 0, false },
	{ "\r\n", ANSWERHEAD_BAD, 0, 0, false },
};

static void
test_rows(void **state)
{
	struct answerhead h;
	size_t i;

	(void)state;
	for (i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		enum answerhead_verdict got = feed(&h, rows[i].text);

		if (got != rows[i].want)
			fail_msg("row %zu: verdict %d: %s", i, got,
			    rows[i].text);
		if (got == ANSWERHEAD_BAD)
			continue;
		assert_int_equal(h.status, rows[i].status);
		assert_int_equal(h.length, rows[i].length);
		assert_int_equal(h.chunked, rows[i].chunked);
	}
}

static void
test_fields(void **state)
{
	struct answerhead h;
	char line[300];

	(void)state;
	assert_int_equal(feed(&h, S "Content-Type: a/b;c=d\r\n"
	    "Retry-After: 3\r\nContent-Encoding: gzip\r\n\r\n"),
	    ANSWERHEAD_COMPLETE);
	assert_string_equal(h.content_type, "a/b;c=d");
	assert_string_equal(h.retry_after, "3");
	assert_string_equal(h.encoding, "gzip");
	/* Behind the head: trailers change nothing. */
	assert_int_equal(answerhead_line(&h, "Content-Type: x\r\n", 17),
	    ANSWERHEAD_TRAILER);
	assert_string_equal(h.content_type, "a/b;c=d");
	/* Too long for us: as if it were not there. */
	assert_int_equal(feed(&h, S), ANSWERHEAD_MORE);
	memset(line, 'a', sizeof(line));
	memcpy(line, "Retry-After: ", 13);
	assert_int_equal(answerhead_line(&h, line, sizeof(line)),
	    ANSWERHEAD_MORE);
	assert_false(h.has_retry_after);
}

static void
test_too_large(void **state)
{
	struct answerhead h;
	size_t n = 0;

	(void)state;
	/* 1xx blocks count together. */
	answerhead_init(&h);
	while (answerhead_line(&h, "HTTP/1.1 103 Early\r\n", 20) ==
	    ANSWERHEAD_MORE)
		n += 20;
	assert_int_equal(n, HTTPC_HEADERS_MAX / 20 * 20);
	assert_int_equal(answerhead_line(&h, "\r\n", 2), ANSWERHEAD_TOO_LARGE);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_rows),
		cmocka_unit_test(test_fields),
		cmocka_unit_test(test_too_large),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
