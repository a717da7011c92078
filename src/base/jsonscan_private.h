/* jsonscan_private: what the files of the scan share. */
#ifndef BASE_JSONSCAN_PRIVATE_H
#define BASE_JSONSCAN_PRIVATE_H

#include "base/jsonscan.h"

enum jsonscan_state {
	ST_VALUE,		/* a value must begin */
	ST_FIRST_ELEMENT,	/* behind '[': a value or ']' */
	ST_FIRST_NAME,		/* behind '{': a name or '}' */
	ST_NAME,		/* behind ',' in an object */
	ST_COLON,
	ST_AFTER,		/* behind a value: ',' or the end */
	ST_STRING,
	ST_ESCAPE,		/* behind '\' */
	ST_HEX,			/* in the four digits of \uXXXX */
	ST_UTF8,		/* in a character of several bytes */
	ST_MINUS,
	ST_ZERO,
	ST_INTEGER,
	ST_POINT,
	ST_FRACTION,
	ST_E,
	ST_E_SIGN,
	ST_EXPONENT,
	ST_LITERAL,
	ST_END,			/* the text is complete */
	ST_MAX
};

enum jsonscan_keep { KEEP_NOTHING, KEEP_NAME, KEEP_VALUE };

static inline bool
jsonscan_is_space(char c)
{
	return c == ' ' || c == '\n' || c == '\t' || c == '\r';
}

static inline bool
jsonscan_is_digit(char c)
{
	return c >= '0' && c <= '9';
}

/* The offset of p in the whole text. */
uint64_t jsonscan_offset_at(const struct jsonscan *, const char *p);
/* Notes the fault and returns p, the byte that is wrong. */
const char *jsonscan_fail(struct jsonscan *, enum jsonscan_fault,
	    const char *p);
/* A value of this kind begins at p; scalars are kept when watched. */
void	 jsonscan_begin_value(struct jsonscan *, enum json_kind,
	    const char *p);
/* The value, and its container if it is one, ended before end. */
void	 jsonscan_end_value(struct jsonscan *, uint64_t end);

/* Unescaped bytes of a name or a value. */
void	 jsonscan_keep(struct jsonscan *, const char *bytes, size_t n);
/* One \uXXXX, of which two may make a character. */
void	 jsonscan_keep_unit(struct jsonscan *, uint16_t unit);
/* Is the name just read one of those we watch? */
void	 jsonscan_watch_name(struct jsonscan *);

/*
 * Steps: take bytes from p, which is before end, set the next state and
 * return where they stopped.
 */
const char *jsonscan_begin_string(struct jsonscan *, bool in_name,
	    const char *p);
const char *jsonscan_string(struct jsonscan *, const char *p,
	    const char *end);
const char *jsonscan_escape(struct jsonscan *, const char *p,
	    const char *end);
const char *jsonscan_hex(struct jsonscan *, const char *p, const char *end);
const char *jsonscan_utf8(struct jsonscan *, const char *p, const char *end);

const char *jsonscan_begin_number(struct jsonscan *, const char *p);
const char *jsonscan_minus(struct jsonscan *, const char *p,
	    const char *end);
const char *jsonscan_integer(struct jsonscan *, const char *p,
	    const char *end);
const char *jsonscan_point(struct jsonscan *, const char *p,
	    const char *end);
const char *jsonscan_fraction(struct jsonscan *, const char *p,
	    const char *end);
const char *jsonscan_e(struct jsonscan *, const char *p, const char *end);
const char *jsonscan_exponent(struct jsonscan *, const char *p,
	    const char *end);

#endif
