/*
 * sse: follows a stream of server-sent events without changing it.
 *
 * Knows after every byte whether an event has just ended (a comment may
 * be put in there), and whether a line "data: [DONE]" has passed.
 * Constant memory for lines of any length.  Line ends: LF, CRLF, CR
 * (WHATWG HTML 9.2.5).
 */
#ifndef PROXY_SSE_H
#define PROXY_SSE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct sse {
	uint8_t		 line_len;	/* of this line, stops at 255 */
	uint8_t		 matched;	/* of "data: [DONE]"; 255: no more */
	bool		 after_cr;	/* an LF here belongs to that CR */
	bool		 in_event;	/* a non-empty line since the last
					   empty one */
	bool		 done;		/* [DONE] has passed */
	uint64_t	 events;
};

void	 sse_init(struct sse *);
void	 sse_feed(struct sse *, const char *, size_t);
/* Between two events, where a comment may be put in. */
bool	 sse_at_boundary(const struct sse *);

#endif
