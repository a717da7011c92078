/*
 * clock: the time, in one place so that tests can move it.
 *
 * Used by all floors.  Dates are computed here and not by gmtime, which
 * opens the zone file at its first call: a process behind its system
 * call filter may not.
 */
#ifdef HAVE_CONFIG_H
#include "config.h"
#endif

#include <assert.h>
#include <time.h>

#include "base/clock.h"

#define WALL_US_MIN	(-INT64_C(62167219200) * 1000000) /* year 0000 */
#define WALL_US_MAX	(INT64_C(253402300800) * 1000000 - 1) /* 9999 */

#ifdef PLUGWAY_TESTING
static int64_t test_offset_s;

void
clock_test_offset_s(int64_t offset_s)
{
	test_offset_s = offset_s;
}
#endif

static int64_t
clock_us(clockid_t which)
{
	struct timespec ts;
	int r;

	r = clock_gettime(which, &ts);
	assert(r == 0);
	return (int64_t)ts.tv_sec * 1000000 + ts.tv_nsec / 1000;
}

int64_t
clock_mono_us(void)
{
	return clock_us(CLOCK_MONOTONIC);
}

int64_t
clock_mono_ms(void)
{
	return clock_mono_us() / 1000;
}

int64_t
clock_wall_us(void)
{
	int64_t us = clock_us(CLOCK_REALTIME);

#ifdef PLUGWAY_TESTING
	us += test_offset_s * 1000000;
#endif
	return us;
}

int64_t
clock_wall_s(void)
{
	return clock_wall_us() / 1000000;
}

/* Writes v as n decimal digits, then the character behind them. */
static char *
put_digits(char *p, int64_t v, int n, char behind)
{
	int i;

	for (i = n - 1; i >= 0; i--, v /= 10)
		p[i] = (char)('0' + v % 10);
	p[n] = behind;
	return p + n + 1;
}

/*
 * Days since 1970-01-01 as a date.  Years are counted from March, so
 * that the leap day is the last of its year; an era is the 400 years
 * after which the calendar repeats.
 */
static char *
put_date(char *p, int64_t days)
{
	int64_t shifted = days + 719468;	/* from 0000-03-01 */
	int64_t era = (shifted >= 0 ? shifted : shifted - 146096) / 146097;
	int64_t doe = shifted - era * 146097;	/* day of the era */
	int64_t yoe = (doe - doe / 1460 + doe / 36524 - doe / 146096) / 365;
	int64_t doy = doe - (365 * yoe + yoe / 4 - yoe / 100);
	int64_t month = (5 * doy + 2) / 153;	/* 0 is March */
	int64_t day = doy - (153 * month + 2) / 5 + 1;

	month += month < 10 ? 3 : -9;
	p = put_digits(p, yoe + era * 400 + (month <= 2), 4, '-');
	p = put_digits(p, month, 2, '-');
	return put_digits(p, day, 2, 'T');
}

void
clock_rfc3339(int64_t wall_us, char ret[CLOCK_RFC3339_LEN])
{
	int64_t days, us;
	char *p;

	if (wall_us < WALL_US_MIN)
		wall_us = WALL_US_MIN;
	if (wall_us > WALL_US_MAX)
		wall_us = WALL_US_MAX;
	days = wall_us / INT64_C(86400000000);
	us = wall_us % INT64_C(86400000000);
	if (us < 0) {
		us += INT64_C(86400000000);
		days--;
	}
	p = put_date(ret, days);
	p = put_digits(p, us / INT64_C(3600000000), 2, ':');
	p = put_digits(p, us / 60000000 % 60, 2, ':');
	p = put_digits(p, us / 1000000 % 60, 2, '.');
	p = put_digits(p, us % 1000000, 6, 'Z');
	*p = '\0';
}
