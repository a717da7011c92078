/*
 * jsonscan_number: the steps of a scan through numbers (RFC 8259 6).
 *
 * One function for each place in the grammar.  Called through the table
 * of jsonscan.c; it never judges how large a number is.
 */
#include "base/jsonscan_private.h"

const char *
jsonscan_begin_number(struct jsonscan *j, const char *p)
{
	jsonscan_begin_value(j, JSON_NUMBER, p);
	jsonscan_keep(j, p, 1);
	j->s.state = *p == '-' ? ST_MINUS : *p == '0' ? ST_ZERO : ST_INTEGER;
	return p + 1;
}

/* Takes digits; the state is `next` behind the first. */
static const char *
take_digits(struct jsonscan *j, enum jsonscan_state next, const char *p,
    const char *end)
{
	const char *from = p;

	while (p < end && jsonscan_is_digit(*p))
		p++;
	if (p > from) {
		jsonscan_keep(j, from, (size_t)(p - from));
		j->s.state = (uint8_t)next;
	}
	return p;
}

static const char *
take_one(struct jsonscan *j, enum jsonscan_state next, const char *p)
{
	jsonscan_keep(j, p, 1);
	j->s.state = (uint8_t)next;
	return p + 1;
}

/* What ends a number is looked at again by the next step. */
static const char *
end_number(struct jsonscan *j, const char *p)
{
	if (!jsonscan_is_space(*p) && *p != ',' && *p != ']' && *p != '}')
		return jsonscan_fail(j, JSONSCAN_SYNTAX, p);
	jsonscan_end_value(j, jsonscan_offset_at(j, p));
	return p;
}

const char *
jsonscan_minus(struct jsonscan *j, const char *p, const char *end)
{
	if (*p == '0')
		return take_one(j, ST_ZERO, p);
	if (!jsonscan_is_digit(*p))
		return jsonscan_fail(j, JSONSCAN_SYNTAX, p);
	return take_digits(j, ST_INTEGER, p, end);
}

const char *
jsonscan_integer(struct jsonscan *j, const char *p, const char *end)
{
	if (j->s.state == ST_INTEGER &&
	    (p = take_digits(j, ST_INTEGER, p, end)) == end)
		return p;
	if (*p == '.')
		return take_one(j, ST_POINT, p);
	if (*p == 'e' || *p == 'E')
		return take_one(j, ST_E, p);
	return end_number(j, p);
}

const char *
jsonscan_point(struct jsonscan *j, const char *p, const char *end)
{
	if (!jsonscan_is_digit(*p))
		return jsonscan_fail(j, JSONSCAN_SYNTAX, p);
	return take_digits(j, ST_FRACTION, p, end);
}

const char *
jsonscan_fraction(struct jsonscan *j, const char *p, const char *end)
{
	if ((p = take_digits(j, ST_FRACTION, p, end)) == end)
		return p;
	if (*p == 'e' || *p == 'E')
		return take_one(j, ST_E, p);
	return end_number(j, p);
}

const char *
jsonscan_e(struct jsonscan *j, const char *p, const char *end)
{
	if (j->s.state == ST_E && (*p == '+' || *p == '-'))
		return take_one(j, ST_E_SIGN, p);
	if (!jsonscan_is_digit(*p))
		return jsonscan_fail(j, JSONSCAN_SYNTAX, p);
	return take_digits(j, ST_EXPONENT, p, end);
}

const char *
jsonscan_exponent(struct jsonscan *j, const char *p, const char *end)
{
	if ((p = take_digits(j, ST_EXPONENT, p, end)) == end)
		return p;
	return end_number(j, p);
}

