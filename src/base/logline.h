/*
 * logline: the text of one log line.
 *
 * Made in a block of fixed size, without allocation.  What is too long
 * is cut at a whole character and marked as cut; the line is always
 * well formed and always ends with its newline.
 */
#ifndef BASE_LOGLINE_H
#define BASE_LOGLINE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/log.h"

#define LOGLINE_MIN	512	/* bytes a line needs at the least */

struct logline {
	int64_t			 wall_us;
	const char		*level;
	const char		*process;
	int			 pid;
	const char		*request_id;	/* "" none */
	const char		*message;
	const struct log_field	*field;
	size_t			 n_fields;
};

/* Returns the length, newline included; cap is at least LOGLINE_MIN. */
size_t	 logline_text(const struct logline *, char *ret, size_t cap);
size_t	 logline_json(const struct logline *, char *ret, size_t cap);
/* Message and fields only, without the newline: for syslog. */
size_t	 logline_short(const struct logline *, char *ret, size_t cap);

#endif
