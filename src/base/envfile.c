/*
 * envfile: the .env syntax.
 *
 * Called by settings.c and nobody else.  It knows what a line is, not
 * which names exist.  Values may be secrets: the one copy made here is
 * overwritten before it is given back, and no fault text shows a value.
 */
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#include "base/envfile.h"
#include "base/secret.h"
#include "base/xmalloc.h"

struct reader {
	const char	*p, *end;
	unsigned	 line;
	/* name NUL value NUL; never longer than the text it comes from */
	char		*copy;
	size_t		 n_copied;
};

static bool
is_blank(char c)
{
	return c == ' ' || c == '\t' || c == '\r';
}

static bool
is_name_char(char c, bool first)
{
	return (c >= 'A' && c <= 'Z') || (c >= 'a' && c <= 'z') || c == '_' ||
	    (!first && c >= '0' && c <= '9');
}

static bool
at_line_end(const struct reader *r)
{
	return r->p == r->end || *r->p == '\n';
}

static void
skip_blanks(struct reader *r)
{
	while (!at_line_end(r) && is_blank(*r->p))
		r->p++;
}

static void
skip_line(struct reader *r)
{
	while (!at_line_end(r))
		r->p++;
	if (r->p < r->end) {
		r->p++;
		r->line++;
	}
}

static void
copy(struct reader *r, char c)
{
	r->copy[r->n_copied++] = c;
}

static void
skip_export(struct reader *r)
{
	static const char word[] = "export";
	size_t n = sizeof(word) - 1;

	if ((size_t)(r->end - r->p) > n && memcmp(r->p, word, n) == 0 &&
	    is_blank(r->p[n])) {
		r->p += n;
		skip_blanks(r);
	}
}

/* The readers of parts return NULL, or what is wrong. */
static const char *
read_name(struct reader *r)
{
	size_t n = 0;

	for (; !at_line_end(r) && is_name_char(*r->p, n == 0); n++)
		copy(r, *r->p++);
	copy(r, '\0');
	if (n == 0)
		return "a name was expected";
	if (at_line_end(r) || *r->p != '=')
		return "'=' was expected right behind the name";
	r->p++;
	return NULL;
}

/* Only a comment may stand between a value and the end of its line. */
static const char *
read_rest(struct reader *r)
{
	const char *behind = r->p;

	skip_blanks(r);
	if (at_line_end(r) || (*r->p == '#' && r->p > behind))
		return NULL;
	return "text behind the closing quote";
}

static const char *
read_single_quoted(struct reader *r)
{
	for (r->p++; r->p < r->end && *r->p != '\''; r->p++) {
		if (*r->p == '\n')
			r->line++;
		copy(r, *r->p);
	}
	if (r->p == r->end)
		return "the closing ' is missing";
	r->p++;
	return read_rest(r);
}

/* The character that \c stands for, 0 when there is none. */
static char
unescape(char c)
{
	static const char from[] = "nrt\\\"$", to[] = "\n\r\t\\\"$";
	const char *at = c != '\0' ? strchr(from, c) : NULL;

	return at != NULL ? to[at - from] : '\0';
}

static const char *
read_double_quoted(struct reader *r)
{
	char c;

	for (r->p++; r->p < r->end && *r->p != '"'; r->p++) {
		c = *r->p;
		if (c == '\n')
			r->line++;
		if (c == '\\') {
			if (++r->p == r->end)
				break;
			if ((c = unescape(*r->p)) == '\0')
				return "an escape that is not one of "
				    "\\n \\r \\t \\\\ \\\" \\$";
		}
		copy(r, c);
	}
	if (r->p == r->end)
		return "the closing \" is missing";
	r->p++;
	return read_rest(r);
}

static const char *
read_unquoted(struct reader *r, bool blank_before)
{
	size_t start = r->n_copied;

	for (; !at_line_end(r); r->p++) {
		if (*r->p == '#' && blank_before)
			break;
		blank_before = is_blank(*r->p);
		copy(r, *r->p);
	}
	while (r->n_copied > start && is_blank(r->copy[r->n_copied - 1]))
		r->n_copied--;
	return NULL;
}

static const char *
read_value(struct reader *r)
{
	const char *what, *blank = r->p;

	skip_blanks(r);
	if (at_line_end(r))
		what = NULL;
	else if (*r->p == '\'')
		what = read_single_quoted(r);
	else if (*r->p == '"')
		what = read_double_quoted(r);
	else
		what = read_unquoted(r, r->p > blank);
	copy(r, '\0');
	return what;
}

/* One assignment; r->copy holds name and value then. */
static const char *
read_assignment(struct reader *r)
{
	const char *what, *value;

	skip_export(r);
	if ((what = read_name(r)) != NULL)
		return what;
	value = r->copy + r->n_copied;
	if ((what = read_value(r)) != NULL)
		return what;
	if (strlen(value) != (size_t)(r->copy + r->n_copied - 1 - value))
		return "a NUL byte";
	return NULL;
}

size_t
envfile_parse(const char *text, size_t len,
    int (*each)(void *, unsigned line, const char *name, const char *value),
    void (*bad)(void *, unsigned line, const char *what), void *arg)
{
	struct reader r = { .p = text, .end = text + len, .line = 1 };
	size_t n_bad = 0;
	int stop = 0;

	if (len >= 3 && memcmp(text, "\xef\xbb\xbf", 3) == 0)
		r.p += 3;
	r.copy = xmalloc(len + 2);
	while (r.p < r.end && !stop) {
		const char *what, *start;
		unsigned line = r.line;

		skip_blanks(&r);
		if (at_line_end(&r) || *r.p == '#') {
			skip_line(&r);
			continue;
		}
		start = r.p;
		r.n_copied = 0;
		what = read_assignment(&r);
		if (what == NULL) {
			stop = each(arg, line, r.copy,
			    r.copy + strlen(r.copy) + 1);
		} else {
			/* A quote left open must not eat what follows. */
			bad(arg, line, what);
			n_bad++;
			r.p = start;
			r.line = line;
		}
		skip_line(&r);
	}
	wipe(r.copy, len + 2);
	free(r.copy);
	return n_bad;
}
