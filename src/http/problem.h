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
/*
 * Appends the body.  detail: the text to show instead of the table's
 * (NULL: the table's); param: the member at fault (NULL: null).
 */
void	 problem_body(struct buf *, enum problem, bool chinese,
	    const char *detail, const char *param, const char *request_id);
/* Prefers zh to en, by RFC 9110 12.5.4. */
bool	 problem_prefers_chinese(const char *accept_language);

#endif
