/*
 * jsonscan: a strict RFC 8259 checker that is fed in pieces.
 *
 * The proxy runs every body through it on the way.  A table of small
 * steps, one for each state: each takes the bytes from p, leaves the
 * next state behind and returns where it stopped.  No recursion, no
 * allocation; nothing of the text is kept but the watched members.
 */
#include <assert.h>
#include <endian.h>
#include <string.h>

#include "base/codec.h"
#include "base/jsonscan.h"

enum state {
	ST_VALUE,		/* a value must begin */
	ST_FIRST_ELEMENT,	/* behind '[': a value or ']' */
	ST_FIRST_NAME,		/* behind '{': a name or '}' */
	ST_NAME,		/* behind ',' in an object */
	ST_COLON,
	ST_AFTER,		/* behind a value: ',' or the end */
	ST_STRING,
	ST_ESCAPE,		/* behind '\' */
	ST_HEX,			/* in the four digits of \uXXXX */
	ST_UTF8,		/* in a character of several bytes */
	ST_MINUS,
	ST_ZERO,
	ST_INTEGER,
	ST_POINT,
	ST_FRACTION,
	ST_E,
	ST_E_SIGN,
	ST_EXPONENT,
	ST_LITERAL,
	ST_END,			/* the text is complete */
	ST_MAX
};

enum keep { KEEP_NOTHING, KEEP_NAME, KEEP_VALUE };

/* The offset of p in the whole text. */
static uint64_t
offset_at(const struct jsonscan *j, const char *p)
{
	return j->offset + (uint64_t)(p - j->s.chunk);
}

static const char *
fail(struct jsonscan *j, enum jsonscan_fault fault, const char *p)
{
	j->fault = fault;
	return p;
}

static bool
is_space(char c)
{
	return c == ' ' || c == '\n' || c == '\t' || c == '\r';
}

static bool
is_digit(char c)
{
	return c >= '0' && c <= '9';
}

static const char *
skip_space(const char *p, const char *end)
{
	while (p < end && is_space(*p))
		p++;
	return p;
}

/*
 * What is kept: member names of the top-level object, to compare them,
 * and scalar values of watched members.
 */

static void
keep_name(struct jsonscan *j, const char *bytes, size_t n)
{
	if (n > sizeof(j->s.name) - j->s.name_len) {
		j->s.name_cut = true;
		j->s.keep = KEEP_NOTHING;
		return;
	}
	memcpy(j->s.name + j->s.name_len, bytes, n);
	j->s.name_len += (uint8_t)n;
}

/* Drops a character at the end of which only the first bytes fitted. */
static void
trim_character(struct jsonscan_member *m)
{
	size_t at = m->value_len;

	while (at > 0 && m->value_len - at < 4) {
		at--;
		if (((unsigned char)m->value[at] & 0xc0) != 0x80)
			break;
	}
	if (utf8_char(m->value + at, m->value_len - at) == 0)
		m->value_len = at;
}

static void
keep_value(struct jsonscan *j, const char *bytes, size_t n)
{
	struct jsonscan_member *m = &j->member[j->s.watching];
	size_t room = JSONSCAN_VALUE_MAX - m->value_len;

	if (n > room) {
		n = room;
		m->cut = true;
		j->s.keep = KEEP_NOTHING;
	}
	memcpy(m->value + m->value_len, bytes, n);
	m->value_len += n;
	if (m->cut)
		trim_character(m);
	m->value[m->value_len] = '\0';
}

static void
keep(struct jsonscan *j, const char *bytes, size_t n)
{
	/* A high surrogate whose other half did not follow. */
	if (j->s.surrogate != 0) {
		j->s.surrogate = 0;
		keep(j, "\xef\xbf\xbd", 3);
	}
	if (j->s.keep == KEEP_NAME)
		keep_name(j, bytes, n);
	else if (j->s.keep == KEEP_VALUE)
		keep_value(j, bytes, n);
}

static void
keep_code_point(struct jsonscan *j, uint32_t cp)
{
	char utf8[4];
	size_t n = 0;

	if (cp < 0x80) {
		utf8[n++] = (char)cp;
	} else if (cp < 0x800) {
		utf8[n++] = (char)(0xc0 | cp >> 6);
		utf8[n++] = (char)(0x80 | (cp & 0x3f));
	} else if (cp < 0x10000) {
		utf8[n++] = (char)(0xe0 | cp >> 12);
		utf8[n++] = (char)(0x80 | (cp >> 6 & 0x3f));
		utf8[n++] = (char)(0x80 | (cp & 0x3f));
	} else {
		utf8[n++] = (char)(0xf0 | cp >> 18);
		utf8[n++] = (char)(0x80 | (cp >> 12 & 0x3f));
		utf8[n++] = (char)(0x80 | (cp >> 6 & 0x3f));
		utf8[n++] = (char)(0x80 | (cp & 0x3f));
	}
	keep(j, utf8, n);
}

/* One \uXXXX, of which two may make a character. */
static void
keep_unit(struct jsonscan *j, uint16_t unit)
{
	uint32_t high = j->s.surrogate;

	if (j->s.keep == KEEP_NOTHING)
		return;
	if (unit >= 0xdc00 && unit <= 0xdfff && high != 0) {
		j->s.surrogate = 0;
		keep_code_point(j, 0x10000 + ((high - 0xd800) << 10) +
		    (unit - 0xdc00u));
	} else if (unit >= 0xd800 && unit <= 0xdbff) {
		keep(j, "", 0);
		j->s.surrogate = unit;
	} else if (unit >= 0xdc00 && unit <= 0xdfff) {
		keep_code_point(j, 0xfffd);
	} else {
		keep_code_point(j, unit);
	}
}

/* Values begin and end. */

/* A value of this kind begins at p; scalars are kept when watched. */
static void
begin_value(struct jsonscan *j, enum json_kind kind, const char *p)
{
	struct jsonscan_member *m;

	j->s.keep = KEEP_NOTHING;
	if (j->s.depth == 0)
		j->top = kind;
	if (j->s.depth != 1 || j->s.watching == -1)
		return;
	m = &j->member[j->s.watching];
	m->kind = kind;
	m->count++;
	m->value_len = 0;
	m->value[0] = '\0';
	m->cut = false;
	m->value_start = m->value_end = offset_at(j, p);
	if (kind == JSON_STRING || kind == JSON_NUMBER)
		j->s.keep = KEEP_VALUE;
}

/* The value, and its container if it is one, ended before end. */
static void
end_value(struct jsonscan *j, uint64_t end)
{
	j->s.keep = KEEP_NOTHING;
	j->s.state = j->s.depth == 0 ? ST_END : ST_AFTER;
	if (j->s.depth != 1 || j->s.watching == -1)
		return;
	j->member[j->s.watching].value_end = end;
	j->s.watching = -1;
}

static bool
in_object(const struct jsonscan *j)
{
	return (j->s.objects >> (j->s.depth - 1) & 1) != 0;
}

static const char *
open_container(struct jsonscan *j, bool object, const char *p)
{
	uint64_t bit;

	if (j->s.depth == JSONSCAN_DEPTH_MAX)
		return fail(j, JSONSCAN_DEPTH, p);
	begin_value(j, object ? JSON_OBJECT : JSON_ARRAY, p);
	bit = UINT64_C(1) << j->s.depth++;
	if (object)
		j->s.objects |= bit;
	else
		j->s.objects &= ~bit;
	if (object && j->s.depth == 1)
		j->object_open = offset_at(j, p + 1);
	j->s.state = object ? ST_FIRST_NAME : ST_FIRST_ELEMENT;
	return p + 1;
}

static const char *
close_container(struct jsonscan *j, const char *p)
{
	j->s.depth--;
	end_value(j, offset_at(j, p + 1));
	return p + 1;
}

static const char *
begin_string(struct jsonscan *j, bool in_name, const char *p)
{
	j->s.in_name = in_name;
	if (!in_name) {
		begin_value(j, JSON_STRING, p);
	} else {
		j->s.name_len = 0;
		j->s.name_cut = false;
		j->s.keep = j->s.depth == 1 && j->n_members > 0 ?
		    KEEP_NAME : KEEP_NOTHING;
	}
	j->s.state = ST_STRING;
	return p + 1;
}

/* Is the name just read one of those we watch? */
static void
watch_name(struct jsonscan *j)
{
	size_t i;

	for (i = 0; i < j->n_members && !j->s.name_cut; i++) {
		const char *name = j->member[i].name;

		if (strlen(name) == j->s.name_len &&
		    memcmp(name, j->s.name, j->s.name_len) == 0)
			j->s.watching = (int8_t)i;
	}
}

static const char *
end_string(struct jsonscan *j, const char *p)
{
	if (j->s.surrogate != 0)
		keep(j, "", 0);
	if (j->s.in_name) {
		if (j->s.depth == 1)
			watch_name(j);
		j->s.keep = KEEP_NOTHING;
		j->s.state = ST_COLON;
	} else {
		end_value(j, offset_at(j, p + 1));
	}
	return p + 1;
}

static const char *
begin_literal(struct jsonscan *j, enum json_kind kind, const char *rest,
    const char *p)
{
	begin_value(j, kind, p);
	j->s.literal = rest;
	j->s.state = ST_LITERAL;
	return p + 1;
}

static const char *
begin_number(struct jsonscan *j, const char *p)
{
	begin_value(j, JSON_NUMBER, p);
	keep(j, p, 1);
	j->s.state = *p == '-' ? ST_MINUS : *p == '0' ? ST_ZERO : ST_INTEGER;
	return p + 1;
}

/* The steps. */

static const char *
step_value(struct jsonscan *j, const char *p, const char *end)
{
	if ((p = skip_space(p, end)) == end)
		return p;
	switch (*p) {
	case '"':
		return begin_string(j, false, p);
	case '{':
		return open_container(j, true, p);
	case '[':
		return open_container(j, false, p);
	case 't':
		return begin_literal(j, JSON_TRUE, "rue", p);
	case 'f':
		return begin_literal(j, JSON_FALSE, "alse", p);
	case 'n':
		return begin_literal(j, JSON_NULL, "ull", p);
	default:
		if (*p == '-' || is_digit(*p))
			return begin_number(j, p);
		return fail(j, JSONSCAN_SYNTAX, p);
	}
}

static const char *
step_first_element(struct jsonscan *j, const char *p, const char *end)
{
	if ((p = skip_space(p, end)) == end)
		return p;
	if (*p == ']')
		return close_container(j, p);
	return step_value(j, p, end);
}

static const char *
step_name(struct jsonscan *j, const char *p, const char *end)
{
	if ((p = skip_space(p, end)) == end)
		return p;
	if (*p != '"')
		return fail(j, JSONSCAN_SYNTAX, p);
	return begin_string(j, true, p);
}

static const char *
step_first_name(struct jsonscan *j, const char *p, const char *end)
{
	if ((p = skip_space(p, end)) == end)
		return p;
	if (*p != '}')
		return step_name(j, p, end);
	if (j->s.depth == 1)
		j->object_empty = true;
	return close_container(j, p);
}

static const char *
step_colon(struct jsonscan *j, const char *p, const char *end)
{
	if ((p = skip_space(p, end)) == end)
		return p;
	if (*p != ':')
		return fail(j, JSONSCAN_SYNTAX, p);
	j->s.state = ST_VALUE;
	return p + 1;
}

static const char *
step_after(struct jsonscan *j, const char *p, const char *end)
{
	bool object = in_object(j);

	if ((p = skip_space(p, end)) == end)
		return p;
	if (*p == ',') {
		j->s.state = object ? ST_NAME : ST_VALUE;
		return p + 1;
	}
	if (*p == (object ? '}' : ']'))
		return close_container(j, p);
	return fail(j, JSONSCAN_SYNTAX, p);
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

/* Whole characters of several bytes; stops before a bad or cut one. */
static const char *
skip_multibyte(const char *p, const char *end)
{
	size_t n;

	while (p < end && (unsigned char)*p >= 0x80) {
		if ((n = utf8_char(p, (size_t)(end - p))) == 0)
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
		return fail(j, JSONSCAN_UTF8, p);
	j->s.utf8_left = c < 0xe0 ? 1 : c < 0xf0 ? 2 : 3;
	j->s.utf8_min = c == 0xe0 ? 0xa0 : c == 0xf0 ? 0x90 : 0x80;
	j->s.utf8_max = c == 0xed ? 0x9f : c == 0xf4 ? 0x8f : 0xbf;
	keep(j, p, 1);
	j->s.state = ST_UTF8;
	return p + 1;
}

static const char *
step_utf8(struct jsonscan *j, const char *p, const char *end)
{
	unsigned char c = (unsigned char)*p;

	(void)end;
	if (c < j->s.utf8_min || c > j->s.utf8_max)
		return fail(j, JSONSCAN_UTF8, p);
	keep(j, p, 1);
	j->s.utf8_min = 0x80;
	j->s.utf8_max = 0xbf;
	if (--j->s.utf8_left == 0)
		j->s.state = ST_STRING;
	return p + 1;
}

static const char *
step_string(struct jsonscan *j, const char *p, const char *end)
{
	const char *from = p, *before;

	do {
		before = p;
		p = skip_multibyte(skip_plain(p, end), end);
	} while (p > before);
	if (p > from)
		keep(j, from, (size_t)(p - from));
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
	return fail(j, JSONSCAN_SYNTAX, p);	/* a control character */
}

static const char *
step_escape(struct jsonscan *j, const char *p, const char *end)
{
	static const char from[] = "\"\\/bfnrt", to[] = "\"\\/\b\f\n\r\t";
	const char *at;

	(void)end;
	if (*p == 'u') {
		j->s.unit = 0;
		j->s.hex_left = 4;
		j->s.state = ST_HEX;
		return p + 1;
	}
	at = memchr(from, *p, sizeof(from) - 1);
	if (at == NULL)
		return fail(j, JSONSCAN_SYNTAX, p);
	keep(j, &to[at - from], 1);
	j->s.state = ST_STRING;
	return p + 1;
}

static const char *
step_hex(struct jsonscan *j, const char *p, const char *end)
{
	static const char digits[] = "0123456789abcdef";
	char lower = *p >= 'A' && *p <= 'F' ? (char)(*p + 32) : *p;
	const char *at = memchr(digits, lower, sizeof(digits) - 1);

	(void)end;
	if (at == NULL)
		return fail(j, JSONSCAN_SYNTAX, p);
	j->s.unit = (uint16_t)(j->s.unit << 4 | (at - digits));
	if (--j->s.hex_left > 0)
		return p + 1;
	if (j->s.unit == 0 && j->s.in_name)
		return fail(j, JSONSCAN_NUL, p);
	keep_unit(j, j->s.unit);
	j->s.state = ST_STRING;
	return p + 1;
}

/* Takes digits; the state is `next` behind the first. */
static const char *
take_digits(struct jsonscan *j, enum state next, const char *p,
    const char *end)
{
	const char *from = p;

	while (p < end && is_digit(*p))
		p++;
	if (p > from) {
		keep(j, from, (size_t)(p - from));
		j->s.state = (uint8_t)next;
	}
	return p;
}

static const char *
take_one(struct jsonscan *j, enum state next, const char *p)
{
	keep(j, p, 1);
	j->s.state = (uint8_t)next;
	return p + 1;
}

/* What ends a number is looked at again by the next step. */
static const char *
end_number(struct jsonscan *j, const char *p)
{
	if (!is_space(*p) && *p != ',' && *p != ']' && *p != '}')
		return fail(j, JSONSCAN_SYNTAX, p);
	end_value(j, offset_at(j, p));
	return p;
}

static const char *
step_minus(struct jsonscan *j, const char *p, const char *end)
{
	if (*p == '0')
		return take_one(j, ST_ZERO, p);
	if (!is_digit(*p))
		return fail(j, JSONSCAN_SYNTAX, p);
	return take_digits(j, ST_INTEGER, p, end);
}

static const char *
step_integer(struct jsonscan *j, const char *p, const char *end)
{
	if (j->s.state == ST_INTEGER &&
	    (p = take_digits(j, ST_INTEGER, p, end)) == end)
		return p;
	if (*p == '.')
		return take_one(j, ST_POINT, p);
	if (*p == 'e' || *p == 'E')
		return take_one(j, ST_E, p);
	return end_number(j, p);
}

static const char *
step_point(struct jsonscan *j, const char *p, const char *end)
{
	if (!is_digit(*p))
		return fail(j, JSONSCAN_SYNTAX, p);
	return take_digits(j, ST_FRACTION, p, end);
}

static const char *
step_fraction(struct jsonscan *j, const char *p, const char *end)
{
	if ((p = take_digits(j, ST_FRACTION, p, end)) == end)
		return p;
	if (*p == 'e' || *p == 'E')
		return take_one(j, ST_E, p);
	return end_number(j, p);
}

static const char *
step_e(struct jsonscan *j, const char *p, const char *end)
{
	if (j->s.state == ST_E && (*p == '+' || *p == '-'))
		return take_one(j, ST_E_SIGN, p);
	if (!is_digit(*p))
		return fail(j, JSONSCAN_SYNTAX, p);
	return take_digits(j, ST_EXPONENT, p, end);
}

static const char *
step_exponent(struct jsonscan *j, const char *p, const char *end)
{
	if ((p = take_digits(j, ST_EXPONENT, p, end)) == end)
		return p;
	return end_number(j, p);
}

static const char *
step_literal(struct jsonscan *j, const char *p, const char *end)
{
	(void)end;
	if (*p != *j->s.literal)
		return fail(j, JSONSCAN_SYNTAX, p);
	if (*++j->s.literal == '\0')
		end_value(j, offset_at(j, p + 1));
	return p + 1;
}

static const char *
step_end(struct jsonscan *j, const char *p, const char *end)
{
	if ((p = skip_space(p, end)) == end)
		return p;
	return fail(j, JSONSCAN_TRAILING, p);
}

/* p < end at every call. */
static const char *(*const step[ST_MAX])(struct jsonscan *, const char *p,
    const char *end) = {
	[ST_VALUE] = step_value,
	[ST_FIRST_ELEMENT] = step_first_element,
	[ST_FIRST_NAME] = step_first_name,
	[ST_NAME] = step_name,
	[ST_COLON] = step_colon,
	[ST_AFTER] = step_after,
	[ST_STRING] = step_string,
	[ST_ESCAPE] = step_escape,
	[ST_HEX] = step_hex,
	[ST_UTF8] = step_utf8,
	[ST_MINUS] = step_minus,
	[ST_ZERO] = step_integer,
	[ST_INTEGER] = step_integer,
	[ST_POINT] = step_point,
	[ST_FRACTION] = step_fraction,
	[ST_E] = step_e,
	[ST_E_SIGN] = step_e,
	[ST_EXPONENT] = step_exponent,
	[ST_LITERAL] = step_literal,
	[ST_END] = step_end,
};

void
jsonscan_init(struct jsonscan *j, const char *const *names, size_t n)
{
	size_t i;

	assert(n <= JSONSCAN_WATCH_MAX);
	memset(j, 0, sizeof(*j));
	for (i = 0; i < n; i++) {
		assert(strlen(names[i]) <= JSONSCAN_NAME_MAX);
		j->member[i].name = names[i];
	}
	j->n_members = n;
	j->s.state = ST_VALUE;
	j->s.watching = -1;
}

int
jsonscan_feed(struct jsonscan *j, const char *text, size_t n)
{
	const char *p = text, *end = text + n;

	if (j->fault != JSONSCAN_OK)
		return -1;
	j->s.chunk = text;
	while (p < end && j->fault == JSONSCAN_OK)
		p = step[j->s.state](j, p, end);
	j->offset = offset_at(j, p);
	j->s.chunk = NULL;
	return j->fault == JSONSCAN_OK ? 0 : -1;
}

int
jsonscan_end(struct jsonscan *j)
{
	if (j->fault != JSONSCAN_OK)
		return -1;
	switch (j->s.state) {
	case ST_ZERO:
	case ST_INTEGER:
	case ST_FRACTION:
	case ST_EXPONENT:
		end_value(j, j->offset);
		break;
	default:
		break;
	}
	if (j->s.state == ST_END)
		return 0;
	j->fault = JSONSCAN_TRUNCATED;
	return -1;
}

const struct jsonscan_member *
jsonscan_member(const struct jsonscan *j, const char *name)
{
	size_t i;

	for (i = 0; i < j->n_members; i++)
		if (strcmp(j->member[i].name, name) == 0)
			return &j->member[i];
	return NULL;
}

int
jsonscan_text(struct jsonscan *j, const char *const *names, size_t n,
    const char *text, size_t len)
{
	jsonscan_init(j, names, n);
	if (jsonscan_feed(j, text, len) == -1)
		return -1;
	return jsonscan_end(j);
}

const char *
jsonscan_fault_text(enum jsonscan_fault fault)
{
	static const char *const text[] = {
		[JSONSCAN_OK] = "no fault",
		[JSONSCAN_SYNTAX] = "not valid JSON",
		[JSONSCAN_UTF8] = "not valid UTF-8",
		[JSONSCAN_DEPTH] = "nested deeper than 64 levels",
		[JSONSCAN_TRAILING] = "text behind the end of the JSON text",
		[JSONSCAN_TRUNCATED] = "the JSON text is not complete",
		[JSONSCAN_NUL] = "a NUL character in a member name",
	};

	assert((size_t)fault < sizeof(text) / sizeof(text[0]));
	return text[fault];
}
