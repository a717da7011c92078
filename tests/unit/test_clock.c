/* test_clock: dates, and the clock that tests move. */
#ifdef HAVE_CONFIG_H
#include "config.h"
#endif

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include <time.h>

#include "base/clock.h"

static const struct {
	int64_t		 us;
	const char	*want;
} date_row[] = {
	{ 0, "1970-01-01T00:00:00.000000Z" },
	{ -1, "1969-12-31T23:59:59.999999Z" },
	{ 1795470025061693, "2026-11-23T21:40:25.061693Z" },
	{ 951782400000000, "2000-02-29T00:00:00.000000Z" },
	{ 951868800000001, "2000-03-01T00:00:00.000001Z" },
	{ 4107542399000000, "2100-02-28T23:59:59.000000Z" },
	{ 4107542400000000, "2100-03-01T00:00:00.000000Z" },
	{ INT64_MAX, "9999-12-31T23:59:59.999999Z" },
	{ INT64_MIN, "0000-01-01T00:00:00.000000Z" },
};

static void
test_rfc3339(void **state)
{
	char text[CLOCK_RFC3339_LEN];
	size_t i;

	(void)state;
	for (i = 0; i < sizeof(date_row) / sizeof(date_row[0]); i++) {
		clock_rfc3339(date_row[i].us, text);
		assert_string_equal(text, date_row[i].want);
	}
}

/* 40,000 moments over 400 years, against the C library. */
static void
test_rfc3339_as_libc(void **state)
{
	char text[CLOCK_RFC3339_LEN], want[CLOCK_RFC3339_LEN];
	time_t t;

	(void)state;
	for (t = -2208988800; t < 10413792000; t += 315569) {
		struct tm tm;

		assert_non_null(gmtime_r(&t, &tm));
		assert_int_not_equal(strftime(want, sizeof(want),
		    "%Y-%m-%dT%H:%M:%S.000000Z", &tm), 0);
		clock_rfc3339((int64_t)t * 1000000, text);
		assert_string_equal(text, want);
	}
}

static void
test_clocks(void **state)
{
	int64_t us = clock_mono_us();

	(void)state;
	assert_true(clock_mono_us() >= us);
	assert_in_range(clock_mono_ms() - us / 1000, 0, 60000);
	assert_in_range(clock_wall_s() - time(NULL) + 1, 0, 60);
}

static void
test_offset(void **state)
{
	(void)state;
#ifdef PLUGWAY_TESTING
	int64_t before = clock_wall_s(), mono_ms = clock_mono_ms();

	clock_test_offset_s(86400);
	assert_in_range(clock_wall_s() - before, 86400, 86460);
	assert_in_range(clock_mono_ms() - mono_ms, 0, 60000);
	clock_test_offset_s(0);
	assert_in_range(clock_wall_s() - before, 0, 60);
#else
	skip();
#endif
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_rfc3339),
		cmocka_unit_test(test_rfc3339_as_libc),
		cmocka_unit_test(test_clocks),
		cmocka_unit_test(test_offset),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
