/*
 * jsonscan: a strict RFC 8259 checker that is fed in pieces.
 *
 * The proxy runs every body through it on the way.  A table of small
 * steps, one for each state: each takes the bytes from p, leaves the
 * next state behind and returns where it stopped.  No recursion, no
 * allocation; nothing of the text is kept but the watched members.
 */
#include <assert.h>
#include <string.h>

#include "base/jsonscan_private.h"

uint64_t
jsonscan_offset_at(const struct jsonscan *j, const char *p)
{
	return j->offset + (uint64_t)(p - j->s.chunk);
}

const char *
jsonscan_fail(struct jsonscan *j, enum jsonscan_fault fault, const char *p)
{
	j->fault = fault;
	return p;
}

static const char *
skip_space(const char *p, const char *end)
{
	while (p < end && jsonscan_is_space(*p))
		p++;
	return p;
}

void
jsonscan_begin_value(struct jsonscan *j, enum json_kind kind, const char *p)
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
	m->value_start = m->value_end = jsonscan_offset_at(j, p);
	if (kind == JSON_STRING || kind == JSON_NUMBER)
		j->s.keep = KEEP_VALUE;
}

void
jsonscan_end_value(struct jsonscan *j, uint64_t end)
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
		return jsonscan_fail(j, JSONSCAN_DEPTH, p);
	jsonscan_begin_value(j, object ? JSON_OBJECT : JSON_ARRAY, p);
	bit = UINT64_C(1) << j->s.depth++;
	if (object)
		j->s.objects |= bit;
	else
		j->s.objects &= ~bit;
	if (object && j->s.depth == 1)
		j->object_open = jsonscan_offset_at(j, p + 1);
	j->s.state = object ? ST_FIRST_NAME : ST_FIRST_ELEMENT;
	return p + 1;
}

static const char *
close_container(struct jsonscan *j, const char *p)
{
	j->s.depth--;
	jsonscan_end_value(j, jsonscan_offset_at(j, p + 1));
	return p + 1;
}

static const char *
begin_literal(struct jsonscan *j, enum json_kind kind, const char *rest,
    const char *p)
{
	jsonscan_begin_value(j, kind, p);
	j->s.literal = rest;
	j->s.state = ST_LITERAL;
	return p + 1;
}

static const char *
step_value(struct jsonscan *j, const char *p, const char *end)
{
	if ((p = skip_space(p, end)) == end)
		return p;
	switch (*p) {
	case '"':
		return jsonscan_begin_string(j, false, p);
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
		if (*p == '-' || jsonscan_is_digit(*p))
			return jsonscan_begin_number(j, p);
		return jsonscan_fail(j, JSONSCAN_SYNTAX, p);
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
		return jsonscan_fail(j, JSONSCAN_SYNTAX, p);
	return jsonscan_begin_string(j, true, p);
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
		return jsonscan_fail(j, JSONSCAN_SYNTAX, p);
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
	return jsonscan_fail(j, JSONSCAN_SYNTAX, p);
}

static const char *
step_literal(struct jsonscan *j, const char *p, const char *end)
{
	(void)end;
	if (*p != *j->s.literal)
		return jsonscan_fail(j, JSONSCAN_SYNTAX, p);
	if (*++j->s.literal == '\0')
		jsonscan_end_value(j, jsonscan_offset_at(j, p + 1));
	return p + 1;
}

static const char *
step_end(struct jsonscan *j, const char *p, const char *end)
{
	if ((p = skip_space(p, end)) == end)
		return p;
	return jsonscan_fail(j, JSONSCAN_TRAILING, p);
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
	[ST_STRING] = jsonscan_string,
	[ST_ESCAPE] = jsonscan_escape,
	[ST_HEX] = jsonscan_hex,
	[ST_UTF8] = jsonscan_utf8,
	[ST_MINUS] = jsonscan_minus,
	[ST_ZERO] = jsonscan_integer,
	[ST_INTEGER] = jsonscan_integer,
	[ST_POINT] = jsonscan_point,
	[ST_FRACTION] = jsonscan_fraction,
	[ST_E] = jsonscan_e,
	[ST_E_SIGN] = jsonscan_e,
	[ST_EXPONENT] = jsonscan_exponent,
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
	j->offset = jsonscan_offset_at(j, p);
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
		jsonscan_end_value(j, j->offset);
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
