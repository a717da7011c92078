/*
 * settings_value: what the text of a directive's value means.
 *
 * One small reader for each type, in a table.  It says why a value is
 * refused, never which value: the caller decides whether that may be
 * shown.
 */
#include <assert.h>
#include <string.h>
#include <strings.h>

#include "base/codec.h"
#include "base/settings_private.h"

/* " (1 to 65536)" behind a sentence, when the row has a range. */
static void
why(struct buf *ret_why, const struct directive *d, const char *text)
{
	(void)buf_puts(ret_why, text);
	if (d->min != 0 || d->max != 0)
		(void)buf_printf(ret_why, " (%.15g to %.15g)", d->min, d->max);
}

/* scale: how many units of v one of the row's range is. */
static int
check_range(const struct directive *d, int64_t v, double scale,
    struct buf *ret_why)
{
	if (d->min == 0 && d->max == 0)
		return 0;
	if ((double)v >= d->min * scale && (double)v <= d->max * scale)
		return 0;
	why(ret_why, d, "is out of range");
	return -1;
}

static int
parse_string(const struct directive *d, const char *value, int64_t *ret,
    struct buf *ret_why)
{
	(void)d;
	(void)value;
	(void)ret_why;
	*ret = 0;
	return 0;
}

static int
parse_whole(const struct directive *d, const char *value, int64_t *ret,
    struct buf *ret_why)
{
	if (parse_int(value, INT64_MIN, INT64_MAX, ret) == -1) {
		why(ret_why, d, "is not a whole number");
		return -1;
	}
	return check_range(d, *ret, 1, ret_why);
}

static int
parse_bytes(const struct directive *d, const char *value, int64_t *ret,
    struct buf *ret_why)
{
	static const char units[] = "KMG";
	size_t n = strlen(value);
	const char *unit = n > 1 ? strchr(units, value[n - 1]) : NULL;
	int64_t factor = 1;
	char digits[24];

	if (unit != NULL) {
		factor = INT64_C(1) << 10 * (unit - units + 1);
		n--;
	}
	if (n < sizeof(digits)) {
		memcpy(digits, value, n);
		digits[n] = '\0';
	}
	if (n >= sizeof(digits) ||
	    parse_int(digits, 0, INT64_MAX / factor, ret) == -1) {
		why(ret_why, d, "is not a number of bytes such as 65536, "
		    "64K, 10M or 1G");
		return -1;
	}
	*ret *= factor;
	return check_range(d, *ret, 1, ret_why);
}

/* 12, 0.25: milliseconds. */
static int
parse_seconds(const struct directive *d, const char *value, int64_t *ret,
    struct buf *ret_why)
{
	size_t whole = strcspn(value, "."), fraction = 0, i;
	const char *point = value + whole;
	int64_t s = 0, ms = 0;
	char digits[16];
	bool bad;

	bad = whole >= sizeof(digits);
	if (!bad) {
		memcpy(digits, value, whole);
		digits[whole] = '\0';
		bad = parse_int(digits, 0, INT64_MAX / 1000 - 1, &s) == -1;
	}
	if (!bad && *point == '.') {
		fraction = strspn(point + 1, "0123456789");
		bad = fraction < 1 || fraction > 3 ||
		    point[1 + fraction] != '\0';
		for (i = 0; !bad && i < 3; i++)
			ms = ms * 10 + (i < fraction ? point[1 + i] - '0' : 0);
	}
	if (bad) {
		why(ret_why, d, "is not a number of seconds such as 30 "
		    "or 0.25");
		return -1;
	}
	*ret = s * 1000 + ms;
	return check_range(d, *ret, 1000, ret_why);
}

static int
parse_bool(const struct directive *d, const char *value, int64_t *ret,
    struct buf *ret_why)
{
	static const char *const words[] = { "false", "true", "0", "1", "no",
	    "yes", "off", "on" };
	size_t i;

	(void)d;
	for (i = 0; i < sizeof(words) / sizeof(words[0]); i++) {
		if (strcasecmp(value, words[i]) == 0) {
			*ret = (int64_t)(i % 2);
			return 0;
		}
	}
	(void)buf_puts(ret_why, "is neither true nor false");
	return -1;
}

/* The number of a choice is its place in the list. */
static int
parse_choice(const struct directive *d, const char *value, int64_t *ret,
    struct buf *ret_why)
{
	const char *p = d->choices;
	size_t n, i;

	assert(p != NULL);
	for (i = 0;; i++) {
		n = strcspn(p, "|");
		if (strlen(value) == n && strncmp(value, p, n) == 0) {
			*ret = (int64_t)i;
			return 0;
		}
		if (p[n] == '\0')
			break;
		p += n + 1;
	}
	(void)buf_printf(ret_why, "is not one of %s", d->choices);
	return -1;
}

int
settings_value_parse(const struct directive *d, const char *value,
    int64_t *ret, struct buf *ret_why)
{
	static int (*const parse[])(const struct directive *, const char *,
	    int64_t *, struct buf *) = {
		[SETTING_STRING] = parse_string,
		[SETTING_INT] = parse_whole,
		[SETTING_BYTES] = parse_bytes,
		[SETTING_SECONDS] = parse_seconds,
		[SETTING_BOOL] = parse_bool,
		[SETTING_CHOICE] = parse_choice,
	};

	assert((size_t)d->type < sizeof(parse) / sizeof(parse[0]));
	return parse[d->type](d, value, ret, ret_why);
}
