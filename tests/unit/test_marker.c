/*
 * test_marker: markers, and everything that only looks like one.
 */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <cmocka.h>

#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include "provision/marker.h"
#include "vault/bootkey.h"

static struct marker_key ours = { .instance = "abcd1234efgh" };
static struct marker_key others = { .instance = "abcd1234efgh" };

static int
set_up(void **state)
{
	(void)state;
	vault_init();
	memset(ours.key, 0x11, sizeof(ours.key));
	memset(others.key, 0x12, sizeof(others.key));
	return 0;
}

static void
round_trip(void **state)
{
	static const struct marker	 cases[] = {
		{ 1, 1 }, { 42, 7 }, { UINT64_MAX, UINT32_MAX },
		{ 1000000, 4294967295u }, { 10, 10 },
	};
	struct marker	 got;
	char		 text[MARKER_MAX + 1];
	size_t		 i;

	(void)state;
	for (i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		marker_make(&ours, &cases[i], text);
		assert_true(strlen(text) <= MARKER_MAX);
		assert_int_equal(marker_parse(&ours, text, strlen(text),
		    &got), 1);
		assert_int_equal(got.job_id, cases[i].job_id);
		assert_int_equal(got.fence, cases[i].fence);
		assert_int_equal(marker_parse(&others, text, strlen(text),
		    &got), 0);
	}
}

static void
longest_fits(void **state)
{
	struct marker_key	 key = { .instance = "0123456789abcdef" };
	const struct marker	 most = { UINT64_MAX, UINT32_MAX };
	struct marker		 got;
	char			 text[MARKER_MAX + 1];

	(void)state;
	marker_make(&key, &most, text);
	assert_true(strlen(text) <= MARKER_MAX);
	assert_int_equal(marker_parse(&key, text, strlen(text), &got), 1);
}

/* Every single-character change, cut and addition is refused. */
static void
every_change_is_refused(void **state)
{
	const struct marker	 marker = { 123, 4 };
	struct marker		 got = { 0, 0 };
	char			 text[MARKER_MAX + 1], bad[MARKER_MAX + 8];
	size_t			 len, i;
	int			 c;

	(void)state;
	marker_make(&ours, &marker, text);
	len = strlen(text);
	for (i = 0; i < len; i++) {
		for (c = 1; c < 256; c++) {
			if ((char)c == text[i])
				continue;
			memcpy(bad, text, len + 1);
			bad[i] = (char)c;
			assert_int_equal(marker_parse(&ours, bad, len, &got),
			    0);
		}
		assert_int_equal(marker_parse(&ours, text, i, &got), 0);
	}
	for (c = 0; c < 256; c++) {
		memcpy(bad, text, len + 1);
		bad[len] = (char)c;
		assert_int_equal(marker_parse(&ours, bad, len + 1, &got), 0);
	}
	assert_int_equal(got.job_id, 0);
}

static void
look_alikes(void **state)
{
	static const char *const cases[] = {
		"", "plugway", "plugway.", "plugway.abcd1234efgh",
		"plugway.abcd1234efgh.", "plugway.abcd1234efgh.1",
		"plugway.abcd1234efgh.1.1", "plugway.abcd1234efgh.1.1.",
		"plugway.abcd1234efgh.1.1.AAAAAAAAAAAAAAAAAAAAAAAA",
		"plugway.abcd1234efgh.01.1.AAAAAAAAAAAAAAAAAAAAAAAA",
		"plugway.abcd1234efgh.1.01.AAAAAAAAAAAAAAAAAAAAAAAA",
		"plugway.abcd1234efgh.0.1.AAAAAAAAAAAAAAAAAAAAAAAA",
		"plugway.abcd1234efgh.+1.1.AAAAAAAAAAAAAAAAAAAAAAAA",
		"plugway.abcd1234efgh.-1.1.AAAAAAAAAAAAAAAAAAAAAAAA",
		"plugway.abcd1234efgh. 1.1.AAAAAAAAAAAAAAAAAAAAAAAA",
		"plugway.abcd1234efgh.18446744073709551616.1."
		    "AAAAAAAAAAAAAAAAAAAAAAAA",
		"plugway.abcd1234efgh.1.4294967296.AAAAAAAAAAAAAAAAAAAAAAAA",
		"plugway.otherinstanc.1.1.AAAAAAAAAAAAAAAAAAAAAAAA",
		"plugway..1.1.AAAAAAAAAAAAAAAAAAAAAAAA",
		"Plugway.abcd1234efgh.1.1.AAAAAAAAAAAAAAAAAAAAAAAA",
		" plugway.abcd1234efgh.1.1.AAAAAAAAAAAAAAAAAAAAAAAA",
		"gw:abcd1234efgh", "plugway.abcd1234efgh.1.1.1.AAAAAAAA",
		"plugway.abcd1234efgh.1.1.AAAAAAAAAAAAAAAAAAAAAAAA.",
	};
	struct marker	 got;
	size_t		 i;

	(void)state;
	for (i = 0; i < sizeof(cases) / sizeof(cases[0]); i++)
		assert_int_equal(marker_parse(&ours, cases[i],
		    strlen(cases[i]), &got), 0);
}

/* The numbers are under the MAC: one job's MAC is of no use to another. */
static void
mac_of_another_job(void **state)
{
	const struct marker	 one = { 11, 1 }, two = { 12, 1 };
	const struct marker	 three = { 1, 11 };
	struct marker		 got;
	char			 a[MARKER_MAX + 1], b[MARKER_MAX + 1];
	char			 c[MARKER_MAX + 1];

	(void)state;
	marker_make(&ours, &one, a);
	marker_make(&ours, &two, b);
	marker_make(&ours, &three, c);
	assert_string_not_equal(strrchr(a, '.'), strrchr(b, '.'));
	assert_string_not_equal(strrchr(a, '.'), strrchr(c, '.'));
	memcpy(strrchr(b, '.'), strrchr(a, '.'), MARKER_MAC_LEN + 2);
	assert_int_equal(marker_parse(&ours, b, strlen(b), &got), 0);
}

/* A NUL inside is a character like any other: not one of ours. */
static void
nul_inside(void **state)
{
	const struct marker	 marker = { 5, 6 };
	struct marker		 got;
	char			 text[MARKER_MAX + 8];
	size_t			 len;

	(void)state;
	marker_make(&ours, &marker, text);
	len = strlen(text);
	text[len + 1] = 'x';
	assert_int_equal(marker_parse(&ours, text, len + 2, &got), 0);
}

/* The format is stored at the upstream: it must never change. */
static void
known_value(void **state)
{
	const struct marker	 marker = { 7, 3 };
	char			 text[MARKER_MAX + 1];

	(void)state;
	marker_make(&ours, &marker, text);
	assert_string_equal(text, "plugway.abcd1234efgh.7.3."
	    "qSTJ3AwHGlI7qsJ-j9WHze-I");
}

int
main(void)
{
	const struct CMUnitTest	 tests[] = {
		cmocka_unit_test(round_trip),
		cmocka_unit_test(longest_fits),
		cmocka_unit_test(every_change_is_refused),
		cmocka_unit_test(look_alikes),
		cmocka_unit_test(mac_of_another_job),
		cmocka_unit_test(nul_inside),
		cmocka_unit_test(known_value),
	};

	return cmocka_run_group_tests(tests, set_up, NULL);
}
