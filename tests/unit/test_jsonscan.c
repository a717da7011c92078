/*
 * test_jsonscan: texts that are JSON and texts that are not, each fed
 * whole, byte by byte and cut in two at every place; and what is kept
 * of watched members.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "base/buf.h"
#include "base/codec.h"
#include "base/jsonscan.h"

#define N(a)	(sizeof(a) / sizeof((a)[0]))

/* The texts may hold NUL bytes, so their length is the literal's. */
#define TEXT(s)	(s), sizeof(s) - 1

static const char *const names[] = { "model", "stream" };

static const struct {
	const char	*text;
	size_t		 len;
	enum json_kind	 top;
} good[] = {
	{ TEXT("null"), JSON_NULL },
	{ TEXT("true"), JSON_TRUE },
	{ TEXT("false"), JSON_FALSE },
	{ TEXT(" \t\r\n null \t\r\n "), JSON_NULL },
	{ TEXT("0"), JSON_NUMBER },
	{ TEXT("-0"), JSON_NUMBER },
	{ TEXT("7"), JSON_NUMBER },
	{ TEXT("-7"), JSON_NUMBER },
	{ TEXT("1234567890"), JSON_NUMBER },
	{ TEXT("0.5"), JSON_NUMBER },
	{ TEXT("-0.05"), JSON_NUMBER },
	{ TEXT("1.0e5"), JSON_NUMBER },
	{ TEXT("1E5"), JSON_NUMBER },
	{ TEXT("1e+05"), JSON_NUMBER },
	{ TEXT("1e-5"), JSON_NUMBER },
	{ TEXT("0e0"), JSON_NUMBER },
	{ TEXT("1e999"), JSON_NUMBER },
	{ TEXT("123456789012345678901234567890.123"), JSON_NUMBER },
	{ TEXT("7 "), JSON_NUMBER },
	{ TEXT("\"\""), JSON_STRING },
	{ TEXT("\"abc\""), JSON_STRING },
	{ TEXT("\"0123456789abcdef0123456789\""), JSON_STRING },
	{ TEXT("\"\\\"\\\\\\/\\b\\f\\n\\r\\t\""), JSON_STRING },
	{ TEXT("\"\\u0041\\u00e9\\uABCD\\uabcd\""), JSON_STRING },
	{ TEXT("\"\\u0000\""), JSON_STRING },
	{ TEXT("\"\\ud83d\\ude00\""), JSON_STRING },
	{ TEXT("\"\\ud83d\""), JSON_STRING },
	{ TEXT("\"\\ude00\\ud83d\""), JSON_STRING },
	{ TEXT("\"\x7f\""), JSON_STRING },
	{ TEXT("\"\xc2\x80\xdf\xbf\""), JSON_STRING },
	{ TEXT("\"\xe0\xa0\x80\xed\x9f\xbf\xee\x80\x80\""), JSON_STRING },
	{ TEXT("\"\xf0\x90\x80\x80\xf4\x8f\xbf\xbf\""), JSON_STRING },
	{ TEXT("\"\xe4\xbd\xa0\xe5\xa5\xbd hello \xf0\x9f\x98\x80\""),
	    JSON_STRING },
	{ TEXT("\"/\""), JSON_STRING },
	{ TEXT("[]"), JSON_ARRAY },
	{ TEXT(" [ ] "), JSON_ARRAY },
	{ TEXT("[1]"), JSON_ARRAY },
	{ TEXT("[1,2 , 3]"), JSON_ARRAY },
	{ TEXT("[[],[[]],{}]"), JSON_ARRAY },
	{ TEXT("[true,false,null]"), JSON_ARRAY },
	{ TEXT("[0,-0,1.5,1e5]"), JSON_ARRAY },
	{ TEXT("[\"a\",\"b\"]"), JSON_ARRAY },
	{ TEXT("{}"), JSON_OBJECT },
	{ TEXT(" { } "), JSON_OBJECT },
	{ TEXT("{\"\":0}"), JSON_OBJECT },
	{ TEXT("{\"a\":1}"), JSON_OBJECT },
	{ TEXT("{ \"a\" : 1 , \"b\" : [ ] }"), JSON_OBJECT },
	{ TEXT("{\"a\":{\"b\":{\"c\":null}}}"), JSON_OBJECT },
	{ TEXT("{\"a\":1,\"a\":2}"), JSON_OBJECT },
	{ TEXT("{\"\\u0061\":1}"), JSON_OBJECT },
	{ TEXT("{\"a\":\"\\u0000\"}"), JSON_OBJECT },
	{ TEXT("[{\"a\":1},{\"a\":2}]"), JSON_ARRAY },
	{ TEXT("{\"model\":\"m\",\"stream\":true,\"messages\":[{\"role\":"
	    "\"user\",\"content\":\"hi\"}]}"), JSON_OBJECT },
};

static const struct {
	const char	*text;
	size_t		 len;
	enum jsonscan_fault fault;
	uint64_t	 offset;
} bad[] = {
	{ TEXT(""), JSONSCAN_TRUNCATED, 0 },
	{ TEXT(" \n"), JSONSCAN_TRUNCATED, 2 },
	{ TEXT("nul"), JSONSCAN_TRUNCATED, 3 },
	{ TEXT("t"), JSONSCAN_TRUNCATED, 1 },
	{ TEXT("["), JSONSCAN_TRUNCATED, 1 },
	{ TEXT("[1"), JSONSCAN_TRUNCATED, 2 },
	{ TEXT("[1,"), JSONSCAN_TRUNCATED, 3 },
	{ TEXT("{"), JSONSCAN_TRUNCATED, 1 },
	{ TEXT("{\"a\""), JSONSCAN_TRUNCATED, 4 },
	{ TEXT("{\"a\":"), JSONSCAN_TRUNCATED, 5 },
	{ TEXT("{\"a\":1"), JSONSCAN_TRUNCATED, 6 },
	{ TEXT("{\"a\":1,"), JSONSCAN_TRUNCATED, 7 },
	{ TEXT("\""), JSONSCAN_TRUNCATED, 1 },
	{ TEXT("\"abc"), JSONSCAN_TRUNCATED, 4 },
	{ TEXT("\"\\"), JSONSCAN_TRUNCATED, 2 },
	{ TEXT("\"\\u00"), JSONSCAN_TRUNCATED, 5 },
	{ TEXT("\"\xe4\xbd"), JSONSCAN_TRUNCATED, 3 },
	{ TEXT("-"), JSONSCAN_TRUNCATED, 1 },
	{ TEXT("1."), JSONSCAN_TRUNCATED, 2 },
	{ TEXT("1e"), JSONSCAN_TRUNCATED, 2 },
	{ TEXT("1e+"), JSONSCAN_TRUNCATED, 3 },
	{ TEXT("nulL"), JSONSCAN_SYNTAX, 3 },
	{ TEXT("True"), JSONSCAN_SYNTAX, 0 },
	{ TEXT("NaN"), JSONSCAN_SYNTAX, 0 },
	{ TEXT("Infinity"), JSONSCAN_SYNTAX, 0 },
	{ TEXT("-Infinity"), JSONSCAN_SYNTAX, 1 },
	{ TEXT("undefined"), JSONSCAN_SYNTAX, 0 },
	{ TEXT("'a'"), JSONSCAN_SYNTAX, 0 },
	{ TEXT("{'a':1}"), JSONSCAN_SYNTAX, 1 },
	{ TEXT("{a:1}"), JSONSCAN_SYNTAX, 1 },
	{ TEXT("{1:1}"), JSONSCAN_SYNTAX, 1 },
	{ TEXT("{\"a\" 1}"), JSONSCAN_SYNTAX, 5 },
	{ TEXT("{\"a\"=1}"), JSONSCAN_SYNTAX, 4 },
	{ TEXT("{\"a\":}"), JSONSCAN_SYNTAX, 5 },
	{ TEXT("{\"a\"}"), JSONSCAN_SYNTAX, 4 },
	{ TEXT("{\"a\":1,}"), JSONSCAN_SYNTAX, 7 },
	{ TEXT("{,}"), JSONSCAN_SYNTAX, 1 },
	{ TEXT("{\"a\":1 \"b\":2}"), JSONSCAN_SYNTAX, 7 },
	{ TEXT("{\"a\":1;\"b\":2}"), JSONSCAN_SYNTAX, 6 },
	{ TEXT("{\"a\":1]"), JSONSCAN_SYNTAX, 6 },
	{ TEXT("[1}"), JSONSCAN_SYNTAX, 2 },
	{ TEXT("[1,]"), JSONSCAN_SYNTAX, 3 },
	{ TEXT("[,1]"), JSONSCAN_SYNTAX, 1 },
	{ TEXT("[1 2]"), JSONSCAN_SYNTAX, 3 },
	{ TEXT("[1,,2]"), JSONSCAN_SYNTAX, 3 },
	{ TEXT("]"), JSONSCAN_SYNTAX, 0 },
	{ TEXT("}"), JSONSCAN_SYNTAX, 0 },
	{ TEXT(","), JSONSCAN_SYNTAX, 0 },
	{ TEXT(":"), JSONSCAN_SYNTAX, 0 },
	{ TEXT("01"), JSONSCAN_SYNTAX, 1 },
	{ TEXT("-01"), JSONSCAN_SYNTAX, 2 },
	{ TEXT("00"), JSONSCAN_SYNTAX, 1 },
	{ TEXT("+1"), JSONSCAN_SYNTAX, 0 },
	{ TEXT("--1"), JSONSCAN_SYNTAX, 1 },
	{ TEXT("-a"), JSONSCAN_SYNTAX, 1 },
	{ TEXT(".5"), JSONSCAN_SYNTAX, 0 },
	{ TEXT("-.5"), JSONSCAN_SYNTAX, 1 },
	{ TEXT("1.e5"), JSONSCAN_SYNTAX, 2 },
	{ TEXT("1.x"), JSONSCAN_SYNTAX, 2 },
	{ TEXT("1.5.5"), JSONSCAN_SYNTAX, 3 },
	{ TEXT("1ee5"), JSONSCAN_SYNTAX, 2 },
	{ TEXT("1e5.5"), JSONSCAN_SYNTAX, 3 },
	{ TEXT("1e5e5"), JSONSCAN_SYNTAX, 3 },
	{ TEXT("1e+-5"), JSONSCAN_SYNTAX, 3 },
	{ TEXT("0x10"), JSONSCAN_SYNTAX, 1 },
	{ TEXT("1_000"), JSONSCAN_SYNTAX, 1 },
	{ TEXT("1L"), JSONSCAN_SYNTAX, 1 },
	{ TEXT("[1x]"), JSONSCAN_SYNTAX, 2 },
	{ TEXT("\"a\nb\""), JSONSCAN_SYNTAX, 2 },
	{ TEXT("\"a\tb\""), JSONSCAN_SYNTAX, 2 },
	{ TEXT("\"01234567\x1f" "abcdefgh\""), JSONSCAN_SYNTAX, 9 },
	{ TEXT("\"a\0b\""), JSONSCAN_SYNTAX, 2 },
	{ TEXT("\"\\x41\""), JSONSCAN_SYNTAX, 2 },
	{ TEXT("\"\\'\""), JSONSCAN_SYNTAX, 2 },
	{ TEXT("\"\\0\""), JSONSCAN_SYNTAX, 2 },
	{ TEXT("\"\\\0\""), JSONSCAN_SYNTAX, 2 },
	{ TEXT("\"\\\n\""), JSONSCAN_SYNTAX, 2 },
	{ TEXT("\"\\u12G4\""), JSONSCAN_SYNTAX, 5 },
	{ TEXT("\"\\u123\""), JSONSCAN_SYNTAX, 6 },
	{ TEXT("\"\\u\0\0\0\0\""), JSONSCAN_SYNTAX, 3 },
	{ TEXT("\"\\U0041\""), JSONSCAN_SYNTAX, 2 },
	{ TEXT("\"\\u{41}\""), JSONSCAN_SYNTAX, 3 },
	{ TEXT("\xef\xbb\xbf{}"), JSONSCAN_SYNTAX, 0 },
	{ TEXT("{}\xef\xbb\xbf"), JSONSCAN_TRAILING, 2 },
	{ TEXT("\xff\xfe{\0}\0"), JSONSCAN_SYNTAX, 0 },
	{ TEXT("\xc2\xa0{}"), JSONSCAN_SYNTAX, 0 },
	{ TEXT("\0"), JSONSCAN_SYNTAX, 0 },
	{ TEXT("\x0b{}"), JSONSCAN_SYNTAX, 0 },
	{ TEXT("\x0c{}"), JSONSCAN_SYNTAX, 0 },
	{ TEXT("[1\x0c]"), JSONSCAN_SYNTAX, 2 },
	{ TEXT("/* c */ {}"), JSONSCAN_SYNTAX, 0 },
	{ TEXT("{} // c"), JSONSCAN_TRAILING, 3 },
	{ TEXT("[1,/**/2]"), JSONSCAN_SYNTAX, 3 },
	{ TEXT("{} {}"), JSONSCAN_TRAILING, 3 },
	{ TEXT("{}{}"), JSONSCAN_TRAILING, 2 },
	{ TEXT("[]]"), JSONSCAN_TRAILING, 2 },
	{ TEXT("nullx"), JSONSCAN_TRAILING, 4 },
	{ TEXT("1,2"), JSONSCAN_TRAILING, 1 },
	{ TEXT("1 2"), JSONSCAN_TRAILING, 2 },
	{ TEXT("\"a\"\"b\""), JSONSCAN_TRAILING, 3 },
	{ TEXT("{}\0"), JSONSCAN_TRAILING, 2 },
	{ TEXT("\"\x80\""), JSONSCAN_UTF8, 1 },
	{ TEXT("\"\xbf\""), JSONSCAN_UTF8, 1 },
	{ TEXT("\"\xff\""), JSONSCAN_UTF8, 1 },
	{ TEXT("\"\xc0\x80\""), JSONSCAN_UTF8, 1 },
	{ TEXT("\"\xc1\xbf\""), JSONSCAN_UTF8, 1 },
	{ TEXT("\"\xc2\""), JSONSCAN_UTF8, 2 },
	{ TEXT("\"\xc2\xc2\""), JSONSCAN_UTF8, 2 },
	{ TEXT("\"\xe0\x80\x80\""), JSONSCAN_UTF8, 2 },
	{ TEXT("\"\xe0\x9f\xbf\""), JSONSCAN_UTF8, 2 },
	{ TEXT("\"\xe4\xbd\""), JSONSCAN_UTF8, 3 },
	{ TEXT("\"\xed\xa0\x80\""), JSONSCAN_UTF8, 2 },
	{ TEXT("\"\xed\xbf\xbf\""), JSONSCAN_UTF8, 2 },
	{ TEXT("\"\xf0\x8f\xbf\xbf\""), JSONSCAN_UTF8, 2 },
	{ TEXT("\"\xf0\x9f\x98\""), JSONSCAN_UTF8, 4 },
	{ TEXT("\"\xf4\x90\x80\x80\""), JSONSCAN_UTF8, 2 },
	{ TEXT("\"\xf5\x80\x80\x80\""), JSONSCAN_UTF8, 1 },
	{ TEXT("\"\xf8\x88\x80\x80\x80\""), JSONSCAN_UTF8, 1 },
	{ TEXT("\"01234567\xe4\xbd\xa0\xff\""), JSONSCAN_UTF8, 12 },
	{ TEXT("{\"a\xc0\x80\":1}"), JSONSCAN_UTF8, 3 },
	{ TEXT("{\"\\u0000\":1}"), JSONSCAN_NUL, 7 },
	{ TEXT("{\"model\\u0000x\":1}"), JSONSCAN_NUL, 12 },
	{ TEXT("[{\"a\":{\"\\u0000\":1}}]"), JSONSCAN_NUL, 13 },
	{ TEXT("{\"a\0b\":1}"), JSONSCAN_SYNTAX, 3 },
};

/* Feeds piece by piece: the first `cut` bytes, then `step` at a time. */
static int
scan(struct jsonscan *j, const char *text, size_t len, size_t cut,
    size_t step)
{
	size_t n, at;

	jsonscan_init(j, names, N(names));
	for (at = 0; at < len; at += n) {
		char *piece;

		n = at == 0 && cut > 0 ? cut : step;
		if (n > len - at)
			n = len - at;
		/* A block of its own: reading past a piece is seen. */
		piece = malloc(n);
		memcpy(piece, text + at, n);
		(void)jsonscan_feed(j, piece, n);
		free(piece);
	}
	return jsonscan_end(j);
}

static void
assert_same(const struct jsonscan *a, const struct jsonscan *b,
    const char *text)
{
	size_t i;

	if (a->fault != b->fault || a->offset != b->offset ||
	    a->top != b->top || a->object_open != b->object_open ||
	    a->object_empty != b->object_empty)
		fail_msg("the pieces made a difference: %s", text);
	for (i = 0; i < a->n_members; i++) {
		const struct jsonscan_member *m = &a->member[i];
		const struct jsonscan_member *n = &b->member[i];

		if (m->kind != n->kind || m->count != n->count ||
		    m->value_len != n->value_len || m->cut != n->cut ||
		    m->value_start != n->value_start ||
		    m->value_end != n->value_end ||
		    memcmp(m->value, n->value, m->value_len + 1) != 0)
			fail_msg("the pieces made a difference: %s", text);
	}
}

/* Scans in all the ways there are; the result is in j. */
static int
scan_all_ways(struct jsonscan *j, const char *text, size_t len)
{
	struct jsonscan other;
	size_t cut;
	int r;

	r = scan(j, text, len, 0, len);
	assert_int_equal(scan(&other, text, len, 0, 1), r);
	assert_same(j, &other, text);
	for (cut = 1; cut < len; cut++) {
		assert_int_equal(scan(&other, text, len, cut, len), r);
		assert_same(j, &other, text);
	}
	return r;
}

static void
test_good(void **state)
{
	struct jsonscan j;
	size_t i;

	(void)state;
	for (i = 0; i < N(good); i++) {
		if (scan_all_ways(&j, good[i].text, good[i].len) != 0)
			fail_msg("refused: %s: %s", good[i].text,
			    jsonscan_fault_text(j.fault));
		assert_int_equal(j.top, good[i].top);
		assert_int_equal(j.offset, good[i].len);
	}
}

static void
test_bad(void **state)
{
	struct jsonscan j;
	size_t i;

	(void)state;
	for (i = 0; i < N(bad); i++) {
		if (scan_all_ways(&j, bad[i].text, bad[i].len) != -1)
			fail_msg("accepted: %s", bad[i].text);
		if (j.fault != bad[i].fault || j.offset != bad[i].offset)
			fail_msg("%s: %s at %u", bad[i].text,
			    jsonscan_fault_text(j.fault), (unsigned)j.offset);
		/* A fault is final. */
		assert_int_equal(jsonscan_feed(&j, "1", 1), -1);
		assert_int_equal(j.fault, bad[i].fault);
		assert_int_equal(j.offset, bad[i].offset);
	}
}

/* Every prefix of a good object is incomplete and nothing else. */
static void
test_prefixes(void **state)
{
	static const char text[] = "{\"a\":[1.5e3,true,\"\\ud83d\\ude00"
	    "\xf0\x9f\x98\x80\"],\"b\":{\"c\":null}}";
	struct jsonscan j;
	size_t n;

	(void)state;
	for (n = 0; n < sizeof(text) - 1; n++) {
		assert_int_equal(scan(&j, text, n, 0, n), -1);
		assert_int_equal(j.fault, JSONSCAN_TRUNCATED);
	}
	assert_int_equal(scan(&j, text, n, 0, n), 0);
}

static void
test_depth(void **state)
{
	static const char *const open[] = { "[", "{\"a\":" };
	static const char *const close[] = { "]", "}" };
	size_t kind, depth, i;

	(void)state;
	for (kind = 0; kind < 2; kind++) {
		for (depth = 63; depth <= 66; depth++) {
			struct buf b = BUF_INIT(1000);
			struct jsonscan j;
			int r;

			for (i = 0; i < depth; i++)
				(void)buf_puts(&b, open[(i + kind) % 2]);
			(void)buf_puts(&b, "1");
			for (i = depth; i-- > 0;)
				(void)buf_puts(&b, close[(i + kind) % 2]);
			r = scan_all_ways(&j, b.data, b.len);
			assert_int_equal(r, depth <= 64 ? 0 : -1);
			if (r == -1)
				assert_int_equal(j.fault, JSONSCAN_DEPTH);
			buf_free(&b);
		}
	}
}

static const struct {
	const char	*text;
	enum json_kind	 kind;
	unsigned	 count;
	const char	*value;
	size_t		 value_len;
	uint64_t	 start, end;
} watch_row[] = {
	{ "{}", JSON_ABSENT, 0, TEXT(""), 0, 0 },
	{ "{\"stream\":1}", JSON_ABSENT, 0, TEXT(""), 0, 0 },
	{ "{\"model\":\"gpt\"}", JSON_STRING, 1, TEXT("gpt"), 9, 14 },
	{ "{\"model\" : \"\" }", JSON_STRING, 1, TEXT(""), 11, 13 },
	{ "{\"model\":-1.5e+3}", JSON_NUMBER, 1, TEXT("-1.5e+3"), 9, 16 },
	{ "{\"model\":0 }", JSON_NUMBER, 1, TEXT("0"), 9, 10 },
	{ "{\"model\":120,\"a\":1}", JSON_NUMBER, 1, TEXT("120"), 9, 12 },
	{ "{\"model\":true}", JSON_TRUE, 1, TEXT(""), 9, 13 },
	{ "{\"model\":false}", JSON_FALSE, 1, TEXT(""), 9, 14 },
	{ "{\"model\":null}", JSON_NULL, 1, TEXT(""), 9, 13 },
	{ "{\"model\":[1,\"x\"] }", JSON_ARRAY, 1, TEXT(""), 9, 16 },
	{ "{\"model\":{\"model\":7},\"b\":8}", JSON_OBJECT, 1, TEXT(""),
	    9, 20 },
	{ "{\"model\":1,\"model\":\"b\"}", JSON_STRING, 2, TEXT("b"),
	    19, 22 },
	{ "{\"model\":\"b\",\"model\":[]}", JSON_ARRAY, 2, TEXT(""),
	    21, 23 },
	/* Not at the top, or not the name. */
	{ "{\"a\":{\"model\":1}}", JSON_ABSENT, 0, TEXT(""), 0, 0 },
	{ "[{\"model\":1}]", JSON_ABSENT, 0, TEXT(""), 0, 0 },
	{ "{\"models\":1,\"mode\":2,\"Model\":3,\"\":4}", JSON_ABSENT, 0,
	    TEXT(""), 0, 0 },
	{ "{\"a\":\"model\",\"b\":1}", JSON_ABSENT, 0, TEXT(""), 0, 0 },
	/* Escapes, in names and in values. */
	{ "{\"m\\u006fde\\u006C\":\"a\"}", JSON_STRING, 1, TEXT("a"),
	    19, 22 },
	{ "{\"model\":\"a\\\"\\\\\\/\\b\\f\\n\\r\\tz\"}", JSON_STRING, 1,
	    TEXT("a\"\\/\b\f\n\r\tz"), 9, 29 },
	{ "{\"model\":\"\\u0041\\u00e9\\u4f60\"}", JSON_STRING, 1,
	    TEXT("A\xc3\xa9\xe4\xbd\xa0"), 9, 29 },
	{ "{\"model\":\"a\\u0000b\"}", JSON_STRING, 1, TEXT("a\0b"), 9, 19 },
	{ "{\"model\":\"\\ud83d\\ude00\"}", JSON_STRING, 1,
	    TEXT("\xf0\x9f\x98\x80"), 9, 23 },
	{ "{\"model\":\"\\ud83d\"}", JSON_STRING, 1, TEXT("\xef\xbf\xbd"),
	    9, 17 },
	{ "{\"model\":\"\\ud83dx\"}", JSON_STRING, 1, TEXT("\xef\xbf\xbdx"),
	    9, 18 },
	{ "{\"model\":\"\\ude00\"}", JSON_STRING, 1, TEXT("\xef\xbf\xbd"),
	    9, 17 },
	{ "{\"model\":\"\\ud83d\\ud83d\\ude00\"}", JSON_STRING, 1,
	    TEXT("\xef\xbf\xbd\xf0\x9f\x98\x80"), 9, 29 },
	{ "{\"model\":\"\\ud83d\\n\\ude00\"}", JSON_STRING, 1,
	    TEXT("\xef\xbf\xbd\n\xef\xbf\xbd"), 9, 25 },
	{ "{\"model\":\"\xe4\xbd\xa0 \xf0\x9f\x98\x80\"}", JSON_STRING, 1,
	    TEXT("\xe4\xbd\xa0 \xf0\x9f\x98\x80"), 9, 19 },
};

static void
test_watch(void **state)
{
	size_t i;

	(void)state;
	for (i = 0; i < N(watch_row); i++) {
		const char *text = watch_row[i].text;
		const struct jsonscan_member *m;
		struct jsonscan j;

		assert_int_equal(scan_all_ways(&j, text, strlen(text)), 0);
		m = jsonscan_member(&j, "model");
		if (m->kind != watch_row[i].kind ||
		    m->count != watch_row[i].count ||
		    m->value_start != watch_row[i].start ||
		    m->value_end != watch_row[i].end)
			fail_msg("%s: kind %d, %u times, [%u, %u)", text,
			    (int)m->kind, m->count, (unsigned)m->value_start,
			    (unsigned)m->value_end);
		assert_int_equal(m->value_len, watch_row[i].value_len);
		assert_memory_equal(m->value, watch_row[i].value,
		    m->value_len + 1);
		assert_false(m->cut);
	}
}

/* Values of 250 to 262 bytes, of characters of 1 to 4 bytes. */
static void
test_watch_cut(void **state)
{
	static const char *const chars[] = { "x", "\xc3\xa9", "\xe4\xbd\xa0",
	    "\xf0\x9f\x98\x80", "\\u4f60", "\\ud83d\\ude00", "\\ud83d" };
	size_t kind, pad, i;

	(void)state;
	for (kind = 0; kind < N(chars); kind++) {
		for (pad = 250; pad < 258; pad++) {
			struct buf b = BUF_INIT(2000);
			const struct jsonscan_member *m;
			struct jsonscan j;

			(void)buf_puts(&b, "{\"model\":\"");
			for (i = 0; i < pad; i++)
				(void)buf_putc(&b, 'a');
			for (i = 0; i < 3; i++)
				(void)buf_puts(&b, chars[kind]);
			(void)buf_puts(&b, "\",\"stream\":true}");
			assert_int_equal(scan_all_ways(&j, b.data, b.len), 0);
			m = jsonscan_member(&j, "model");
			assert_true(m->value_len > 256 - 4);
			assert_true(m->value_len <= 256);
			assert_true(utf8_valid(m->value, m->value_len));
			assert_int_equal(m->value[m->value_len], '\0');
			assert_true(m->cut || m->value_len < 256 ||
			    pad + 3 <= 256);
			assert_int_equal(m->value_end - m->value_start,
			    pad + 3 * strlen(chars[kind]) + 2);
			m = jsonscan_member(&j, "stream");
			assert_int_equal(m->kind, JSON_TRUE);
			buf_free(&b);
		}
	}
}

/* What the last of two values is, the first does not change. */
static void
test_watch_cut_then_short(void **state)
{
	struct buf b = BUF_INIT(2000);
	const struct jsonscan_member *m;
	struct jsonscan j;

	(void)state;
	(void)buf_printf(&b, "{\"model\":%0300d,\"model\":\"x\"}", 1);
	b.data[9] = '1';
	assert_int_equal(scan_all_ways(&j, b.data, b.len), 0);
	m = jsonscan_member(&j, "model");
	assert_int_equal(m->count, 2);
	assert_string_equal(m->value, "x");
	assert_false(m->cut);
	buf_free(&b);
}

/* A long name matches nothing, and the names behind it are seen. */
static void
test_long_names(void **state)
{
	struct buf b = BUF_INIT(2000);
	char name[JSONSCAN_NAME_MAX + 1];
	const char *watched[] = { name };
	struct jsonscan j;
	size_t i;

	(void)state;
	memset(name, 'n', sizeof(name) - 1);
	name[sizeof(name) - 1] = '\0';
	(void)buf_printf(&b, "{\"%sn\":1,\"%s%s\":2,\"%s\":3}", name, name,
	    name, name);
	assert_int_equal(jsonscan_text(&j, watched, 1, b.data, b.len), 0);
	assert_int_equal(j.member[0].count, 1);
	assert_string_equal(j.member[0].value, "3");
	assert_null(jsonscan_member(&j, "model"));
	/* Nor does its beginning, when a piece ends there. */
	buf_reset(&b);
	(void)buf_printf(&b, "{\"model%s\":1,\"model\\u0061%s\":1}", name,
	    name);
	assert_int_equal(scan_all_ways(&j, b.data, b.len), 0);
	assert_int_equal(jsonscan_member(&j, "model")->count, 0);
	buf_reset(&b);
	(void)buf_printf(&b, "{\"%sn\":1,\"%s\":3}", name, name);
	for (i = 1; i < b.len; i++) {
		jsonscan_init(&j, watched, 1);
		assert_int_equal(jsonscan_feed(&j, b.data, i), 0);
		assert_int_equal(jsonscan_feed(&j, b.data + i, b.len - i), 0);
		assert_int_equal(jsonscan_end(&j), 0);
		assert_string_equal(j.member[0].value, "3");
	}
	buf_free(&b);
}

static void
test_object_open(void **state)
{
	struct jsonscan j;

	(void)state;
	assert_int_equal(scan_all_ways(&j, TEXT(" \n{ } ")), 0);
	assert_int_equal(j.object_open, 3);
	assert_true(j.object_empty);
	assert_int_equal(scan_all_ways(&j, TEXT("{\"a\":{}}")), 0);
	assert_int_equal(j.object_open, 1);
	assert_false(j.object_empty);
	assert_int_equal(scan_all_ways(&j, TEXT("[{}]")), 0);
	assert_int_equal(j.object_open, 0);
	assert_false(j.object_empty);
}

/* The word-wise skipping finds each byte that matters at each place. */
static void
test_every_byte(void **state)
{
	char text[27];
	struct jsonscan j;
	unsigned c;
	size_t at;

	(void)state;
	for (c = 0; c < 256; c++) {
		for (at = 1; at < sizeof(text) - 1; at++) {
			bool plain = c >= 0x20 && c < 0x80 && c != '"' &&
			    c != '\\';

			memset(text, 'a', sizeof(text));
			text[0] = text[sizeof(text) - 1] = '"';
			text[at] = (char)c;
			if (c == '\\' && at + 1 < sizeof(text) - 1)
				text[at + 1] = 'n', plain = true;
			assert_int_equal(jsonscan_text(&j, NULL, 0, text,
			    sizeof(text)), plain ? 0 : -1);
			if (!plain && c != '\\')
				assert_in_range(j.offset, at, at + 1);
		}
	}
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_good),
		cmocka_unit_test(test_bad),
		cmocka_unit_test(test_prefixes),
		cmocka_unit_test(test_depth),
		cmocka_unit_test(test_watch),
		cmocka_unit_test(test_watch_cut),
		cmocka_unit_test(test_watch_cut_then_short),
		cmocka_unit_test(test_long_names),
		cmocka_unit_test(test_object_open),
		cmocka_unit_test(test_every_byte),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
