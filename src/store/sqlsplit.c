/*
 * sqlsplit: finds the ';' that ends a statement.
 *
 * Knows strings ('..', "..", `..`, doubled quotes, backslashes), and the
 * three kinds of comment; nothing else of SQL.  There is no DELIMITER.
 */
#include <string.h>

#include "store/sqlsplit.h"

static const char *
skip_string(const char *p, const char *end)
{
	char quote = *p++;

	for (; p < end; p++) {
		if (*p == '\\' && quote != '`' && p + 1 < end)
			p++;
		else if (*p == quote && p + 1 < end && p[1] == quote)
			p++;
		else if (*p == quote)
			return p + 1;
	}
	return NULL;
}

static const char *
skip_block_comment(const char *p, const char *end)
{
	for (p += 2; p + 1 < end; p++)
		if (p[0] == '*' && p[1] == '/')
			return p + 2;
	return NULL;
}

/* "-- " is a comment, "--1" is arithmetic. */
static int
begins_line_comment(const char *p, const char *end)
{
	if (*p == '#')
		return 1;
	return end - p >= 2 && p[0] == '-' && p[1] == '-' &&
	    (end - p == 2 || (unsigned char)p[2] <= ' ');
}

/* Behind what stands at p; NULL when it is not closed. */
static const char *
skip_token(const char *p, const char *end, int *ret_is_blank)
{
	const char *newline;

	*ret_is_blank = 1;
	if (begins_line_comment(p, end)) {
		newline = memchr(p, '\n', (size_t)(end - p));
		return newline != NULL ? newline + 1 : end;
	}
	if (end - p >= 2 && p[0] == '/' && p[1] == '*')
		return skip_block_comment(p, end);
	*ret_is_blank = *p == ' ' || (*p >= '\t' && *p <= '\r');
	if (*p == '\'' || *p == '"' || *p == '`')
		return skip_string(p, end);
	return p + 1;
}

const char *
sqlsplit_next(const char **pos, const char *end, size_t *ret_len)
{
	const char *start = NULL, *p = *pos, *next;
	int is_blank;

	for (; p < end; p = next) {
		if (*p == ';' && start != NULL)
			break;
		next = skip_token(p, end, &is_blank);
		if (next == NULL) {
			*ret_len = 1;
			return NULL;
		}
		if (start == NULL && !is_blank && *p != ';')
			start = p;
	}
	*ret_len = start != NULL ? (size_t)(p - start) : 0;
	*pos = p < end ? p + 1 : end;
	return start;
}
