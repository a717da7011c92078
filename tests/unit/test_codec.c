/* test_codec: every decoder against tables of good and bad texts. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "base/codec.h"

#define N(a)	(sizeof(a) / sizeof((a)[0]))

/* RFC 4648 10, and bytes that use the url-safe characters. */
static const struct {
	const char	*bytes;
	size_t		 n;
	const char	*unpadded, *padded;
} b64_row[] = {
	{ "", 0, "", "" },
	{ "f", 1, "Zg", "Zg==" },
	{ "fo", 2, "Zm8", "Zm8=" },
	{ "foo", 3, "Zm9v", "Zm9v" },
	{ "foob", 4, "Zm9vYg", "Zm9vYg==" },
	{ "fooba", 5, "Zm9vYmE", "Zm9vYmE=" },
	{ "foobar", 6, "Zm9vYmFy", "Zm9vYmFy" },
	{ "\xfb\xff\xbf", 3, "-_-_", "-_-_" },
	{ "\0\0", 2, "AAA", "AAA=" },
};

static void
check_b64(const char *bytes, size_t n, enum b64_padding padding,
    const char *text)
{
	unsigned char out[32];
	char enc[32];

	assert_int_equal(b64url_encoded_len(n, padding), strlen(text));
	b64url_encode(bytes, n, padding, enc);
	assert_string_equal(enc, text);
	assert_int_equal(b64url_decode(text, strlen(text), padding, out), n);
	assert_memory_equal(out, bytes, n);
}

static void
test_b64(void **state)
{
	size_t i;

	(void)state;
	for (i = 0; i < N(b64_row); i++) {
		check_b64(b64_row[i].bytes, b64_row[i].n, B64_UNPADDED,
		    b64_row[i].unpadded);
		check_b64(b64_row[i].bytes, b64_row[i].n, B64_PADDED,
		    b64_row[i].padded);
	}
}

static const struct {
	enum b64_padding padding;
	const char	*text;
} b64_bad[] = {
	{ B64_UNPADDED, "Z" },		{ B64_UNPADDED, "Zg==" },
	{ B64_UNPADDED, "Zm8=" },	{ B64_UNPADDED, "Zh" },
	{ B64_UNPADDED, "Zm9" },	{ B64_UNPADDED, "Zm9vY" },
	{ B64_UNPADDED, "Zm+v" },	{ B64_UNPADDED, "Zm/v" },
	{ B64_UNPADDED, "Zm9v\n" },	{ B64_UNPADDED, " Zm9v" },
	{ B64_UNPADDED, "Zm\xc3v" },	{ B64_PADDED, "Zg" },
	{ B64_PADDED, "Zg=" },		{ B64_PADDED, "Zg===" },
	{ B64_PADDED, "Zm8" },		{ B64_PADDED, "Zh==" },
	{ B64_PADDED, "Zm9=" },		{ B64_PADDED, "Z===" },
	{ B64_PADDED, "====" },		{ B64_PADDED, "Zg==Zg==" },
	{ B64_PADDED, "Z=g=" },		{ B64_PADDED, "Zm9v====" },
	{ B64_PADDED, "=" },
};

static void
test_b64_bad(void **state)
{
	unsigned char out[32];
	size_t i;

	(void)state;
	for (i = 0; i < N(b64_bad); i++)
		if (b64url_decode(b64_bad[i].text, strlen(b64_bad[i].text),
		    b64_bad[i].padding, out) != -1)
			fail_msg("accepted: %s", b64_bad[i].text);
}

/* The room the contract asks for is enough: exact heap blocks. */
static void
test_b64_room(void **state)
{
	size_t n;

	(void)state;
	for (n = 0; n < 70; n++) {
		unsigned char *ret = malloc(n / 4 * 3 + 2);
		char *text = malloc(n + 1);

		memset(text, 'A', n);
		assert_int_equal(b64url_decode(text, n, B64_UNPADDED, ret),
		    n % 4 == 1 ? -1 : (long)(n * 6 / 8));
		free(ret);
		free(text);
	}
}

static void
test_hex(void **state)
{
	static const char *const bad[] = { "0", "0g", "g0", "0x", " 0",
	    "00 " };
	unsigned char out[8];
	char text[9];
	size_t i;

	(void)state;
	hex_encode("\x00\x9a\xff\x10", 4, text);
	assert_string_equal(text, "009aff10");
	assert_int_equal(hex_decode("009aFf10", 8, out), 4);
	assert_memory_equal(out, "\x00\x9a\xff\x10", 4);
	assert_int_equal(hex_decode("", 0, out), 0);
	for (i = 0; i < N(bad); i++)
		assert_int_equal(hex_decode(bad[i], strlen(bad[i]), out), -1);
}

static void
test_percent(void **state)
{
	static const char *const bad[] = { "%", "%4", "a%", "%g0", "%0g",
	    "%00", "x%00y", "%%41" };
	char out[32], same[] = "%41%2F+%e4";
	size_t i;

	(void)state;
	assert_int_equal(percent_decode(same, strlen(same), same), 4);
	assert_memory_equal(same, "A/+\xe4", 4);
	assert_int_equal(percent_decode("", 0, out), 0);
	for (i = 0; i < N(bad); i++)
		assert_int_equal(percent_decode(bad[i], strlen(bad[i]), out),
		    -1);
}

static const struct {
	const char	*text;
	size_t		 count;		/* 0: not UTF-8 */
} utf8_row[] = {
	{ "a", 1 },			{ "\x7f", 1 },
	{ "\xc2\x80", 1 },		{ "\xdf\xbf", 1 },
	{ "\xe0\xa0\x80", 1 },		{ "\xed\x9f\xbf", 1 },
	{ "\xee\x80\x80", 1 },		{ "\xef\xbf\xbf", 1 },
	{ "\xf0\x90\x80\x80", 1 },	{ "\xf4\x8f\xbf\xbf", 1 },
	{ "x\xe4\xbd\xa0y", 3 },	{ "\x80", 0 },
	{ "\xbf", 0 },			{ "\xc0\x80", 0 },
	{ "\xc1\xbf", 0 },		{ "\xc2", 0 },
	{ "\xc2\x41", 0 },		{ "\xe0\x9f\xbf", 0 },
	{ "\xe0\x80\x80", 0 },		{ "\xed\xa0\x80", 0 },
	{ "\xed\xbf\xbf", 0 },		{ "\xe4\xbd", 0 },
	{ "\xe4\xbd\x41", 0 },		{ "\xf0\x8f\xbf\xbf", 0 },
	{ "\xf4\x90\x80\x80", 0 },	{ "\xf5\x80\x80\x80", 0 },
	{ "\xf0\x9f\x98", 0 },		{ "\xf0\x9f\x98\x41", 0 },
	{ "\xf8\x88\x80\x80\x80", 0 },	{ "\xfe", 0 },
	{ "\xff", 0 },			{ "a\xff", 0 },
};

static void
test_utf8(void **state)
{
	size_t i;

	(void)state;
	assert_true(utf8_valid("", 0));
	assert_true(utf8_valid("\0", 1));
	for (i = 0; i < N(utf8_row); i++) {
		const char *text = utf8_row[i].text;

		if (utf8_valid(text, strlen(text)) != (utf8_row[i].count > 0))
			fail_msg("row %zu is judged wrongly", i);
		if (utf8_row[i].count > 0)
			assert_int_equal(utf8_count(text, strlen(text)),
			    utf8_row[i].count);
	}
}

/* The authors' vectors: key 00..0f, input 00, 01, ... of length i. */
static void
test_siphash(void **state)
{
	static const unsigned char want[][8] = {
		{ 0x31, 0x0e, 0x0e, 0xdd, 0x47, 0xdb, 0x6f, 0x72 },
		{ 0xfd, 0x67, 0xdc, 0x93, 0xc5, 0x39, 0xf8, 0x74 },
		{ 0x5a, 0x4f, 0xa9, 0xd9, 0x09, 0x80, 0x6c, 0x0d },
		{ 0x2d, 0x7e, 0xfb, 0xd7, 0x96, 0x66, 0x67, 0x85 },
		{ 0xb7, 0x87, 0x71, 0x27, 0xe0, 0x94, 0x27, 0xcf },
		{ 0x8d, 0xa6, 0x99, 0xcd, 0x64, 0x55, 0x76, 0x18 },
		{ 0xce, 0xe3, 0xfe, 0x58, 0x6e, 0x46, 0xc9, 0xcb },
		{ 0x37, 0xd1, 0x01, 0x8b, 0xf5, 0x00, 0x02, 0xab },
		{ 0x62, 0x24, 0x93, 0x9a, 0x79, 0xf5, 0xf5, 0x93 },
	};
	unsigned char key[16], in[16];
	size_t i, j;

	(void)state;
	for (i = 0; i < 16; i++)
		key[i] = in[i] = (unsigned char)i;
	for (i = 0; i < N(want); i++) {
		uint64_t v = 0;

		for (j = 8; j-- > 0;)
			v = v << 8 | want[i][j];
		assert_true(siphash24(key, in, i) == v);
	}
	/* The example worked through in the paper: 15 bytes. */
	assert_true(siphash24(key, in, 15) == 0xa129ca6149be45e5);
}

static void
test_random(void **state)
{
	char a[32], b[32];

	(void)state;
	random_token(16, a);
	random_token(16, b);
	assert_int_equal(strlen(a), 22);
	assert_string_not_equal(a, b);
	random_token(0, a);
	assert_string_equal(a, "");
}

static const struct {
	const char	*text;
	int64_t		 min, max;
	int		 r;
	int64_t		 want;
} int_row[] = {
	{ "0", 0, 9, 0, 0 },		{ "9", 0, 9, 0, 9 },
	{ "10", 0, 9, -1, 0 },		{ "-1", 0, 9, -1, 0 },
	{ "-1", -1, 9, 0, -1 },		{ "", 0, 9, -1, 0 },
	{ "-", -9, 9, -1, 0 },		{ "-0", -9, 9, -1, 0 },
	{ "00", 0, 9, -1, 0 },		{ "01", 0, 9, -1, 0 },
	{ "+1", 0, 9, -1, 0 },		{ " 1", 0, 9, -1, 0 },
	{ "1 ", 0, 9, -1, 0 },		{ "1x", 0, 9, -1, 0 },
	{ "0x1", 0, 9, -1, 0 },		{ "1e1", 0, 99, -1, 0 },
	{ "--1", -9, 9, -1, 0 },	{ "-01", -9, 9, -1, 0 },
	{ "9223372036854775807", 0, INT64_MAX, 0, INT64_MAX },
	{ "9223372036854775808", INT64_MIN, INT64_MAX, -1, 0 },
	{ "-9223372036854775808", INT64_MIN, INT64_MAX, 0, INT64_MIN },
	{ "-9223372036854775809", INT64_MIN, INT64_MAX, -1, 0 },
	{ "18446744073709551617", INT64_MIN, INT64_MAX, -1, 0 },
	{ "99999999999999999999", INT64_MIN, INT64_MAX, -1, 0 },
};

static void
test_int(void **state)
{
	size_t i;

	(void)state;
	for (i = 0; i < N(int_row); i++) {
		int64_t v = 77;

		if (parse_int(int_row[i].text, int_row[i].min, int_row[i].max,
		    &v) != int_row[i].r)
			fail_msg("row %zu: \"%s\"", i, int_row[i].text);
		assert_true(v == (int_row[i].r == 0 ? int_row[i].want : 77));
	}
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_b64),
		cmocka_unit_test(test_b64_bad),
		cmocka_unit_test(test_b64_room),
		cmocka_unit_test(test_hex),
		cmocka_unit_test(test_percent),
		cmocka_unit_test(test_utf8),
		cmocka_unit_test(test_siphash),
		cmocka_unit_test(test_random),
		cmocka_unit_test(test_int),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
