/* test_buf: limits, all-or-nothing appends, JSON and percent texts. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "base/buf.h"
#include "base/codec.h"

#define SECRET_MARK	"sk-0123456789abcdef"

static void
test_append(void **state)
{
	struct buf b = BUF_INIT(1000);
	int i;

	(void)state;
	assert_string_equal(buf_str(&b), "");
	for (i = 0; i < 100; i++)
		assert_int_equal(buf_printf(&b, "%03d", i), 0);
	assert_int_equal(b.len, 300);
	assert_memory_equal(b.data, "000001002", 9);
	assert_memory_equal(b.data + 291, "097098099\0", 10);
	buf_consume(&b, 297);
	assert_string_equal(buf_str(&b), "099");
	buf_consume(&b, 0);
	buf_consume(&b, 3);
	assert_string_equal(buf_str(&b), "");
	assert_int_equal(buf_append(&b, NULL, 0), 0);
	assert_int_equal(buf_putc(&b, '\0'), 0);
	assert_int_equal(b.len, 1);
	buf_free(&b);
	assert_null(b.data);
	buf_free(&b);
}

static void
test_maximum(void **state)
{
	struct buf b = BUF_INIT(8);

	(void)state;
	assert_int_equal(buf_puts(&b, "12345"), 0);
	assert_int_equal(buf_puts(&b, "6789"), -1);
	assert_true(b.failed);
	assert_string_equal(buf_str(&b), "12345");
	assert_int_equal(buf_printf(&b, "%s", "6789"), -1);
	assert_string_equal(buf_str(&b), "12345");
	assert_int_equal(buf_reserve(&b, SIZE_MAX), -1);
	assert_int_equal(buf_puts(&b, "678"), 0);
	assert_true(b.failed);
	assert_true(b.cap <= 9);
	assert_int_equal(buf_putc(&b, '9'), -1);
	assert_string_equal(buf_str(&b), "12345678");
	buf_reset(&b);
	assert_false(b.failed);
	assert_string_equal(buf_str(&b), "");
	buf_free(&b);

	buf_init(&b, 0);
	assert_int_equal(buf_puts(&b, ""), 0);
	assert_int_equal(buf_puts(&b, "x"), -1);
	buf_free(&b);
}

/* A text made of several appends leaves nothing when it does not fit. */
static void
test_maximum_composed(void **state)
{
	size_t max;

	(void)state;
	for (max = 1; max < 14; max++) {
		struct buf b = BUF_INIT(max);

		assert_int_equal(buf_puts(&b, "x"), 0);
		assert_int_equal(buf_json_cstr(&b, "a\"b\n\x01"),
		    max >= 14 ? 0 : -1);
		assert_string_equal(buf_str(&b), "x");
		assert_int_equal(b.len, 1);
		assert_int_equal(buf_percent(&b, "a%/ %/ %/", 9), -1);
		assert_string_equal(buf_str(&b), "x");
		assert_int_equal(b.len, 1);
		buf_free(&b);
	}
}

static void
test_shrink(void **state)
{
	struct buf b = BUF_INIT(100000);

	(void)state;
	assert_int_equal(buf_reserve(&b, 50000), 0);
	assert_int_equal(buf_puts(&b, SECRET_MARK), 0);
	buf_shrink(&b, 60000);
	assert_non_null(b.data);
	assert_int_equal(b.len, 0);
	buf_shrink(&b, 100);
	assert_null(b.data);
	assert_int_equal(b.cap, 0);
	buf_shrink(&b, 0);
	assert_int_equal(buf_puts(&b, SECRET_MARK), 0);
	buf_wipe(&b);
	assert_null(b.data);
	assert_int_equal(b.len, 0);
}

static const struct {
	const char	*in;
	size_t		 len;
	const char	*want;
} json_row[] = {
	{ "", 0, "\"\"" },
	{ "abc", 3, "\"abc\"" },
	{ "a\"b\\c/", 6, "\"a\\\"b\\\\c/\"" },
	{ "\b\f\n\r\t", 5, "\"\\b\\f\\n\\r\\t\"" },
	{ "\0\x01\x1f\x7f", 4, "\"\\u0000\\u0001\\u001f\x7f\"" },
	{ "\xe4\xbd\xa0\xf0\x9f\x98\x80\xc3\xbc", 9,
	    "\"\xe4\xbd\xa0\xf0\x9f\x98\x80\xc3\xbc\"" },
	{ "a\xff" "b", 3, "\"a\xef\xbf\xbd" "b\"" },
	{ "\xe4\xbd", 2, "\"\xef\xbf\xbd\xef\xbf\xbd\"" },
	{ "\xc0\x80", 2, "\"\xef\xbf\xbd\xef\xbf\xbd\"" },
	{ "\xed\xa0\x80x", 4,
	    "\"\xef\xbf\xbd\xef\xbf\xbd\xef\xbf\xbdx\"" },
};

static void
test_json(void **state)
{
	size_t i;

	(void)state;
	for (i = 0; i < sizeof(json_row) / sizeof(json_row[0]); i++) {
		struct buf b = BUF_INIT(100);

		assert_int_equal(buf_json_string(&b, json_row[i].in,
		    json_row[i].len), 0);
		assert_string_equal(buf_str(&b), json_row[i].want);
		assert_true(utf8_valid(b.data, b.len));
		buf_free(&b);
	}
}

static void
test_json_null_and_percent(void **state)
{
	struct buf b = BUF_INIT(100);

	(void)state;
	assert_int_equal(buf_json_cstr(&b, NULL), 0);
	assert_string_equal(buf_str(&b), "null");
	buf_reset(&b);
	assert_int_equal(buf_percent(&b, "aZ09-._~ /?%\0\xff+", 15), 0);
	assert_string_equal(buf_str(&b),
	    "aZ09-._~%20%2F%3F%25%00%FF%2B");
	buf_free(&b);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_append),
		cmocka_unit_test(test_maximum),
		cmocka_unit_test(test_maximum_composed),
		cmocka_unit_test(test_shrink),
		cmocka_unit_test(test_json),
		cmocka_unit_test(test_json_null_and_percent),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
