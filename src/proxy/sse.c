/*
 * sse: follows a stream of server-sent events without changing it.
 *
 * A machine of a few bytes, fed what was given to the client.  Called by
 * the relay, which asks it whether a comment may be put in and whether
 * the stream came to its end.
 */
#include <string.h>

#include "proxy/sse.h"

#define NO_MATCH	255

/* The field name, and the value the last event of a chat carries; one
 * space between them is optional (WHATWG HTML 9.2.6). */
static const char field[] = "data:";
static const char value[] = "[DONE]";
#define FIELD_LEN	(sizeof(field) - 1)
#define VALUE_LEN	(sizeof(value) - 1)

void
sse_init(struct sse *s)
{
	memset(s, 0, sizeof(*s));
}

static void
match(struct sse *s, char c)
{
	if (s->matched == NO_MATCH)
		return;
	if (s->matched < FIELD_LEN) {
		s->matched = c == field[s->matched] ? s->matched + 1 :
		    NO_MATCH;
		return;
	}
	if (s->matched == FIELD_LEN && s->line_len == FIELD_LEN && c == ' ')
		return;
	if (s->matched < FIELD_LEN + VALUE_LEN &&
	    c == value[s->matched - FIELD_LEN])
		s->matched++;
	else
		s->matched = NO_MATCH;
}

static void
end_line(struct sse *s)
{
	if (s->line_len > 0) {
		s->in_event = true;
		if (s->matched == FIELD_LEN + VALUE_LEN)
			s->done = true;
	} else if (s->in_event) {
		s->in_event = false;
		s->events++;
	}
	s->line_len = 0;
	s->matched = 0;
}

void
sse_feed(struct sse *s, const char *bytes, size_t n)
{
	size_t i;

	for (i = 0; i < n; i++) {
		char c = bytes[i];
		bool second = s->after_cr && c == '\n';

		s->after_cr = c == '\r';
		if (second)
			continue;
		if (c == '\n' || c == '\r') {
			end_line(s);
			continue;
		}
		match(s, c);
		if (s->line_len < UINT8_MAX)
			s->line_len++;
	}
}

bool
sse_at_boundary(const struct sse *s)
{
	return !s->in_event && s->line_len == 0 && !s->after_cr;
}
