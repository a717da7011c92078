/*
 * jsonscan: a strict RFC 8259 checker that is fed in pieces.
 *
 * Bodies are forwarded as they came; this module only says whether
 * bytes are one JSON text and what some members of the top-level object
 * hold.  It needs constant memory, so a body of any size can be checked
 * while it passes.  It refuses what json-c lets through: overlong
 * UTF-8, raw control characters, NaN, single quotes, trailing bytes,
 * depth over the limit, and a NUL escape in a member name.  An escaped
 * lone surrogate is grammar and passes; a captured value has U+FFFD in
 * its place.
 */
#ifndef BASE_JSONSCAN_H
#define BASE_JSONSCAN_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define JSONSCAN_DEPTH_MAX	64
#define JSONSCAN_VALUE_MAX	256	/* bytes kept of a watched value */
#define JSONSCAN_WATCH_MAX	8
#define JSONSCAN_NAME_MAX	64	/* bytes of a watched name */

enum json_kind {
	JSON_ABSENT, JSON_NULL, JSON_FALSE, JSON_TRUE, JSON_NUMBER,
	JSON_STRING, JSON_ARRAY, JSON_OBJECT
};

/* One watched member of the top-level object. */
struct jsonscan_member {
	const char	*name;		/* as it is after unescaping */
	enum json_kind	 kind;		/* of the last occurrence */
	unsigned	 count;		/* occurrences */
	/* Number text or unescaped string; cut at the maximum. */
	char		 value[JSONSCAN_VALUE_MAX + 1];
	size_t		 value_len;
	bool		 cut;
	uint64_t	 value_start;	/* offsets in the text: the value is */
	uint64_t	 value_end;	/* [value_start, value_end) */
};

enum jsonscan_fault {
	JSONSCAN_OK, JSONSCAN_SYNTAX, JSONSCAN_UTF8, JSONSCAN_DEPTH,
	JSONSCAN_TRAILING, JSONSCAN_TRUNCATED, JSONSCAN_NUL
};

struct jsonscan {
	struct jsonscan_member	 member[JSONSCAN_WATCH_MAX];
	size_t			 n_members;
	enum json_kind		 top;		/* kind of the whole text */
	uint64_t		 offset;	/* bytes fed; of a fault */
	uint64_t		 object_open;	/* offset behind the top '{' */
	bool			 object_empty;
	enum jsonscan_fault	 fault;
	/* The state of the machine; private. */
	struct {
		uint64_t	 objects;	/* a bit for each level */
		const char	*chunk;		/* where the fed bytes begin */
		const char	*literal;	/* what is left of true, ... */
		uint8_t		 state, depth, keep;
		uint8_t		 utf8_left, utf8_min, utf8_max;
		uint8_t		 hex_left;
		int8_t		 watching;	/* member, -1: none */
		uint16_t	 unit;		/* of \uXXXX */
		uint16_t	 surrogate;	/* high half waiting, 0: none */
		bool		 in_name, name_cut;
		uint8_t		 name_len;
		char		 name[JSONSCAN_NAME_MAX];
	} s;
};

/* names: the members to watch, n at most JSONSCAN_WATCH_MAX.  The strings
 * must live as long as the scan. */
void	 jsonscan_init(struct jsonscan *, const char *const *names, size_t n);
/*
 * 0, or -1 with fault and offset set; further calls change nothing.
 * How the text is cut into pieces makes no difference to any result.
 */
int	 jsonscan_feed(struct jsonscan *, const char *, size_t);
/* The text is over: 0 when it was one whole JSON text. */
int	 jsonscan_end(struct jsonscan *);
const struct jsonscan_member *jsonscan_member(const struct jsonscan *,
	    const char *name);
/* init, feed, end in one. */
int	 jsonscan_text(struct jsonscan *, const char *const *names, size_t n,
	    const char *text, size_t len);
/* An English phrase: "nested deeper than 64 levels". */
const char *jsonscan_fault_text(enum jsonscan_fault);

#endif
