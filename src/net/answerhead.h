/*
 * answerhead: the head of an HTTP/1.x answer, line by line, strictly.
 *
 * libcurl parses too; this module refuses what libcurl lets pass and two
 * readers could read differently (RFC 9112 5.1, 6.3), and keeps the few
 * fields that matter.
 */
#ifndef NET_ANSWERHEAD_H
#define NET_ANSWERHEAD_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct answerhead {
	int		 status;	/* of the block being read */
	bool		 done;		/* a final head is complete */
	size_t		 bytes;		/* of all blocks, 1xx too */
	int64_t		 length;	/* Content-Length, -1: none */
	bool		 chunked;
	bool		 has_retry_after, has_encoding;
	char		 content_type[128];
	char		 retry_after[32];
	char		 encoding[32];
};

enum answerhead_verdict {
	ANSWERHEAD_MORE,	/* go on */
	ANSWERHEAD_COMPLETE,	/* this line ended the final head */
	ANSWERHEAD_TRAILER,	/* ignored: behind the body */
	ANSWERHEAD_BAD,
	ANSWERHEAD_TOO_LARGE
};

void	 answerhead_init(struct answerhead *);
/* One line with its line end. */
enum answerhead_verdict answerhead_line(struct answerhead *, const char *,
	    size_t);

#endif
