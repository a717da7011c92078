/*
 * problem: every error that a client can see, in one table.
 *
 * Nothing else writes an error body: {"detail": ..., "error":
 * {"message", "type", "code", "param"}, "request_id": ...}.  The text is
 * Chinese when the client prefers it.
 */
#ifndef HTTP_PROBLEM_H
#define HTTP_PROBLEM_H

#include <stdbool.h>
#include <stddef.h>

#include "base/buf.h"

enum problem {
	PROBLEM_NONE,
#define PROBLEM(id, status, code, type, en, zh) PROBLEM_##id,
#include "http/problem_table.h"
#undef PROBLEM
	PROBLEM_MAX
};

struct problem_row {
	int		 status;
	const char	*code;		/* stable, snake_case */
	const char	*type;		/* OpenAI's error.type */
	const char	*text[2];	/* English, Chinese */
};

const struct problem_row *problem_row(enum problem);
/* What a single error adds to its row; all may be NULL. */
struct problem_detail {
	const char	*text;		/* instead of the table's */
	const char	*json;		/* `detail` when it is an array */
	const char	*param;		/* the member at fault */
};
void	 problem_body(struct buf *, enum problem, bool chinese,
	    const struct problem_detail *, const char *request_id);

/* What can be wrong with one value; one table, in both languages. */
enum invalid {
	INVALID_MISSING, INVALID_NOT_STRING, INVALID_NOT_INTEGER,
	INVALID_NOT_BOOL, INVALID_NOT_ARRAY, INVALID_NOT_OBJECT,
	INVALID_ZERO_OR_ONE, INVALID_RANGE, INVALID_TOO_LONG,
	INVALID_EMPTY, INVALID_DATE, INVALID_CHOICE, INVALID_TWICE,
	INVALID_UNKNOWN, INVALID_URL, INVALID_MAX
};
struct invalid_row {
	const char	*type;		/* pydantic's name where it has one */
	const char	*text[2];
};
const struct invalid_row *invalid_row(enum invalid);
/* Prefers zh to en, by RFC 9110 12.5.4. */
bool	 problem_prefers_chinese(const char *accept_language);

#endif
