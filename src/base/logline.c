/*
 * logline: the text of one log line, as key=value or as JSON.
 *
 * Called by log.c only.  Nothing that came from outside may begin a
 * line, end a quoted value or look like a field, and no control
 * character reaches a terminal; every string goes through escaped()
 * here.
 */
#include <assert.h>
#include <stdio.h>
#include <string.h>

#include "base/clock.h"
#include "base/codec.h"
#include "base/logline.h"

/* Room kept for the end of a line: a quote, the mark, the newline. */
#define TAIL_LEN	24
#define UNIT_MAX	32	/* bytes of the longest escaped character */

struct out {
	char	*p;
	size_t	 len;
	size_t	 limit;		/* cap without the tail */
	bool	 json;
	bool	 cut;
};

static void
put(struct out *o, const char *s, size_t n)
{
	if (o->cut || n > o->limit - o->len) {
		o->cut = true;
		return;
	}
	memcpy(o->p + o->len, s, n);
	o->len += n;
}

static void
put_str(struct out *o, const char *s)
{
	put(o, s, strlen(s));
}

/* As put, into the room kept for the end. */
static void
put_tail(struct out *o, const char *s)
{
	size_t n = strlen(s);

	memcpy(o->p + o->len, s, n);
	o->len += n;
}

static void
put_num(struct out *o, int64_t v)
{
	char digits[24];

	(void)snprintf(digits, sizeof(digits), "%lld", (long long)v);
	put_str(o, digits);
}

/*
 * Is the valid character of n bytes at s one that a terminal acts on?
 * C0, DEL, C1, line separators and the bidirectional controls.
 */
static bool
is_control(const unsigned char *s, size_t n)
{
	unsigned cp;

	if (n == 1)
		return s[0] < 0x20 || s[0] == 0x7f;
	if (n == 2)
		return s[0] == 0xc2 && s[1] < 0xa0;
	if (n != 3 || s[0] != 0xe2)
		return false;
	cp = (s[1] & 0x3fu) << 6 | (s[2] & 0x3fu);	/* U+2000 + cp */
	return (cp >= 0x0e && cp <= 0x0f) || (cp >= 0x28 && cp <= 0x2e) ||
	    (cp >= 0x66 && cp <= 0x69);
}

/* \n and its like; NULL when c has no short escape. */
static const char *
short_escape(unsigned char c)
{
	switch (c) {
	case '"':
		return "\\\"";
	case '\\':
		return "\\\\";
	case '\n':
		return "\\n";
	case '\r':
		return "\\r";
	case '\t':
		return "\\t";
	default:
		return NULL;
	}
}

/*
 * Writes the character at s, escaped where it must be, to unit, and its
 * length to *unit_len.  Returns how many bytes of s that took.
 */
static size_t
escaped(const struct out *o, const unsigned char *s, size_t n,
    char unit[UNIT_MAX], size_t *unit_len)
{
	const char *escape = short_escape(s[0]);
	size_t used, i;
	int len = 0;

	used = utf8_char((const char *)s, n);
	if (escape != NULL) {
		len = snprintf(unit, UNIT_MAX, "%s", escape);
	} else if (used > 0 && !is_control(s, used)) {
		memcpy(unit, s, used);
		len = (int)used;
	} else if (o->json && used == 0) {
		used = 1;
		len = snprintf(unit, UNIT_MAX, "\\ufffd");
	} else if (o->json && used == 3) {
		len = snprintf(unit, UNIT_MAX, "\\u20%02x",
		    (s[1] & 3u) << 6 | (s[2] & 0x3fu));
	} else if (o->json) {
		len = snprintf(unit, UNIT_MAX, "\\u%04x", s[used - 1]);
	} else {
		used = used > 0 ? used : 1;
		for (i = 0; i < used; i++)
			len += snprintf(unit + len, UNIT_MAX - (size_t)len,
			    "\\x%02X", s[i]);
	}
	*unit_len = (size_t)len;
	return used;
}

/* The string in quotes; a cut one is closed all the same. */
static void
put_quoted(struct out *o, const char *str)
{
	const unsigned char *s = (const unsigned char *)str;
	size_t n = strlen(str), unit_len;
	char unit[UNIT_MAX];

	put_str(o, "\"");
	if (o->cut)
		return;
	while (n > 0 && !o->cut) {
		size_t used = escaped(o, s, n, unit, &unit_len);

		put(o, unit, unit_len);
		s += used;
		n -= used;
	}
	put_tail(o, "\"");
	/* An uncut string used one byte of the tail's room. */
	if (o->len > o->limit)
		o->cut = true;
}

/* May the string stand without quotes?  Spaces: in messages. */
static bool
is_plain(const char *s, bool spaces)
{
	if (*s == '\0')
		return false;
	for (; *s != '\0'; s++) {
		unsigned char c = (unsigned char)*s;

		if (c < 0x20 || c > 0x7e || (c == ' ' && !spaces) ||
		    c == '"' || c == '=' || c == '\\')
			return false;
	}
	return true;
}

static void
put_text_value(struct out *o, const char *s, bool spaces)
{
	if (!is_plain(s, spaces) || strlen(s) > o->limit - o->len)
		put_quoted(o, s);
	else
		put_str(o, s);
}

/* 2026-11-23T21:40:25.061Z */
static void
put_time(struct out *o, int64_t wall_us)
{
	char time[CLOCK_RFC3339_LEN];

	clock_rfc3339(wall_us, time);
	put(o, time, CLOCK_RFC3339_LEN - 1 - 4);
	put_str(o, "Z");
}

static void
put_text_fields(struct out *o, const struct logline *l)
{
	size_t i;

	for (i = 0; i < l->n_fields && !o->cut; i++) {
		const struct log_field *f = &l->field[i];
		size_t before = o->len;

		if (!f->is_num && f->str == NULL)
			continue;
		put_str(o, " ");
		put_str(o, f->name);
		put_str(o, "=");
		if (f->is_num)
			put_num(o, f->num);
		else if (!o->cut)
			put_text_value(o, f->str, false);
		if (o->cut && (f->is_num || o->p[o->len - 1] != '"'))
			o->len = before;
	}
}

static struct out
out_open(char *ret, size_t cap, bool json)
{
	assert(cap >= LOGLINE_MIN);
	return (struct out){ .p = ret, .limit = cap - TAIL_LEN, .json = json };
}

size_t
logline_short(const struct logline *l, char *ret, size_t cap)
{
	struct out o = out_open(ret, cap, false);

	put_text_value(&o, l->message, true);
	put_text_fields(&o, l);
	if (o.cut)
		put_tail(&o, " (cut)");
	return o.len;
}

size_t
logline_text(const struct logline *l, char *ret, size_t cap)
{
	struct out o = out_open(ret, cap, false);

	put_time(&o, l->wall_us);
	put_str(&o, " ");
	put_str(&o, l->level);
	put_str(&o, " ");
	put_str(&o, l->process);
	put_str(&o, "[");
	put_num(&o, l->pid);
	put_str(&o, "] ");
	put_text_value(&o, *l->request_id != '\0' ? l->request_id : "-",
	    false);
	put_str(&o, " ");
	put_text_value(&o, l->message, true);
	put_text_fields(&o, l);
	put_tail(&o, o.cut ? " (cut)\n" : "\n");
	return o.len;
}

/* ,"name":value - or nothing of it, or a string that is cut. */
static void
put_json_member(struct out *o, const struct log_field *f)
{
	size_t before = o->len;

	if (!f->is_num && f->str == NULL)
		return;
	put_str(o, ",");
	if (!o->cut)
		put_quoted(o, f->name);
	put_str(o, ":");
	if (o->cut) {
		o->len = before;
	} else if (f->is_num) {
		put_num(o, f->num);
		if (o->cut)
			o->len = before;
	} else {
		put_quoted(o, f->str);
		if (o->p[o->len - 1] != '"')
			o->len = before;
	}
}

size_t
logline_json(const struct logline *l, char *ret, size_t cap)
{
	struct out o = out_open(ret, cap, true);
	const struct log_field head[] = {
		LOG_S("level", l->level),
		LOG_S("process", l->process),
		LOG_N("pid", l->pid),
		LOG_S("request_id",
		    *l->request_id != '\0' ? l->request_id : NULL),
		LOG_S("message", l->message),
	};
	size_t i;

	put_str(&o, "{\"time\":\"");
	put_time(&o, l->wall_us);
	put_str(&o, "\"");
	for (i = 0; i < sizeof(head) / sizeof(head[0]); i++)
		put_json_member(&o, &head[i]);
	for (i = 0; i < l->n_fields && !o.cut; i++)
		put_json_member(&o, &l->field[i]);
	put_tail(&o, o.cut ? ",\"cut\":true}\n" : "}\n");
	return o.len;
}
