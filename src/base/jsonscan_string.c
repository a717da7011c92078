/*
 * jsonscan_string: the steps of a scan through strings.
 *
 * Nearly all bytes of a chat are here, so plain text is skipped in runs.
 * Called through the table of jsonscan.c.
 */
#include <endian.h>
#include <string.h>

#include "base/codec.h"
#include "base/jsonscan_private.h"

const char *
jsonscan_begin_string(struct jsonscan *j, bool in_name, const char *p)
{
	j->s.in_name = in_name;
	if (!in_name) {
		jsonscan_begin_value(j, JSON_STRING, p);
	} else {
		j->s.name_len = 0;
		j->s.name_cut = false;
		j->s.keep = j->s.depth == 1 && j->n_members > 0 ?
		    KEEP_NAME : KEEP_NOTHING;
	}
	j->s.state = ST_STRING;
	return p + 1;
}

static const char *
end_string(struct jsonscan *j, const char *p)
{
	if (j->s.surrogate != 0)
		jsonscan_keep(j, "", 0);
	if (j->s.in_name) {
		if (j->s.depth == 1)
			jsonscan_watch_name(j);
		j->s.keep = KEEP_NOTHING;
		j->s.state = ST_COLON;
	} else {
		jsonscan_end_value(j, jsonscan_offset_at(j, p + 1));
	}
	return p + 1;
}

#define EACH_BYTE(c)	(UINT64_C(0x0101010101010101) * (c))

/*
 * Skips ASCII that stands for itself, eight bytes at a time.  The
 * lowest bit of `stop` is right; a borrow can set wrong ones only above
 * a right one.
 */
static const char *
skip_plain(const char *p, const char *end)
{
	uint64_t word, quote, backslash, stop;

	while (end - p >= 8) {
		memcpy(&word, p, sizeof(word));
		word = le64toh(word);
		quote = word ^ EACH_BYTE('"');
		backslash = word ^ EACH_BYTE('\\');
		stop = (word | (word - EACH_BYTE(0x20)) |
		    (quote - EACH_BYTE(1)) |
		    (backslash - EACH_BYTE(1))) & EACH_BYTE(0x80);
		if (stop != 0)
			return p + (__builtin_ctzll(stop) >> 3);
		p += 8;
	}
	for (; p < end; p++) {
		unsigned char c = (unsigned char)*p;

		if (c < 0x20 || c >= 0x80 || c == '"' || c == '\\')
			break;
	}
	return p;
}

/*
 * Is a character of three bytes at p, which has four?  Only the first
 * bytes E0 and ED do not allow any other two; they are left to codec.c.
 */
static bool
is_three_bytes(const char *p)
{
	uint32_t word;

	memcpy(&word, p, sizeof(word));
	word = le32toh(word);
	return (word & 0xc0c0f0) == 0x8080e0 && (word & 0xff) != 0xe0 &&
	    (word & 0xff) != 0xed;
}

/* Whole characters of several bytes; stops before a bad or cut one. */
static const char *
skip_multibyte(const char *p, const char *end)
{
	size_t n;

	while (p < end && (unsigned char)*p >= 0x80) {
		if (end - p >= 4 && is_three_bytes(p))
			n = 3;
		else if ((n = utf8_char(p, (size_t)(end - p))) == 0)
			break;
		p += n;
	}
	return p;
}

/* The first byte of a character that skip_multibyte() left over. */
static const char *
begin_multibyte(struct jsonscan *j, const char *p)
{
	unsigned char c = (unsigned char)*p;

	if (c < 0xc2 || c > 0xf4)
		return jsonscan_fail(j, JSONSCAN_UTF8, p);
	j->s.utf8_left = c < 0xe0 ? 1 : c < 0xf0 ? 2 : 3;
	j->s.utf8_min = c == 0xe0 ? 0xa0 : c == 0xf0 ? 0x90 : 0x80;
	j->s.utf8_max = c == 0xed ? 0x9f : c == 0xf4 ? 0x8f : 0xbf;
	jsonscan_keep(j, p, 1);
	j->s.state = ST_UTF8;
	return p + 1;
}

const char *
jsonscan_utf8(struct jsonscan *j, const char *p, const char *end)
{
	unsigned char c = (unsigned char)*p;

	(void)end;
	if (c < j->s.utf8_min || c > j->s.utf8_max)
		return jsonscan_fail(j, JSONSCAN_UTF8, p);
	jsonscan_keep(j, p, 1);
	j->s.utf8_min = 0x80;
	j->s.utf8_max = 0xbf;
	if (--j->s.utf8_left == 0)
		j->s.state = ST_STRING;
	return p + 1;
}

const char *
jsonscan_string(struct jsonscan *j, const char *p, const char *end)
{
	const char *from = p, *before;

	do {
		before = p = skip_plain(p, end);
		p = skip_multibyte(p, end);
	} while (p > before);
	if (p > from && j->s.keep != KEEP_NOTHING)
		jsonscan_keep(j, from, (size_t)(p - from));
	if (p == end)
		return p;
	if (*p == '"')
		return end_string(j, p);
	if (*p == '\\') {
		j->s.state = ST_ESCAPE;
		return p + 1;
	}
	if ((unsigned char)*p >= 0x80)
		return begin_multibyte(j, p);
	/* A raw control character. */
	return jsonscan_fail(j, JSONSCAN_SYNTAX, p);
}

const char *
jsonscan_escape(struct jsonscan *j, const char *p, const char *end)
{
	static const char meaning[256] = {
		['"'] = '"', ['\\'] = '\\', ['/'] = '/', ['b'] = '\b',
		['f'] = '\f', ['n'] = '\n', ['r'] = '\r', ['t'] = '\t',
	};
	const char *c = &meaning[(unsigned char)*p];

	(void)end;
	if (*p == 'u') {
		j->s.unit = 0;
		j->s.hex_left = 4;
		j->s.state = ST_HEX;
		return p + 1;
	}
	if (*c == '\0')
		return jsonscan_fail(j, JSONSCAN_SYNTAX, p);
	jsonscan_keep(j, c, 1);
	j->s.state = ST_STRING;
	return p + 1;
}

const char *
jsonscan_hex(struct jsonscan *j, const char *p, const char *end)
{
	static const char digits[] = "0123456789abcdef";
	char lower = *p >= 'A' && *p <= 'F' ? (char)(*p + 32) : *p;
	const char *at = memchr(digits, lower, sizeof(digits) - 1);

	(void)end;
	if (at == NULL)
		return jsonscan_fail(j, JSONSCAN_SYNTAX, p);
	j->s.unit = (uint16_t)(j->s.unit << 4 | (at - digits));
	if (--j->s.hex_left > 0)
		return p + 1;
	if (j->s.unit == 0 && j->s.in_name)
		return jsonscan_fail(j, JSONSCAN_NUL, p);
	jsonscan_keep_unit(j, j->s.unit);
	j->s.state = ST_STRING;
	return p + 1;
}

