/*
 * test_gate: back-off bounds, the gate's states, and wishes for crashes.
 */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <cmocka.h>

#include <stdint.h>
#include <string.h>

#include "provision/crashpoint.h"
#include "provision/gate.h"

static void
backoff_bounds(void **state)
{
	static const struct {
		unsigned	 n;
		int64_t		 base, cap, want;
	} cases[] = {
		{ 0, 1000, 300000, 1000 }, { 1, 1000, 300000, 2000 },
		{ 2, 1000, 300000, 4000 }, { 8, 1000, 300000, 256000 },
		{ 9, 1000, 300000, 300000 }, { 63, 1000, 300000, 300000 },
		{ 4000000000u, 1000, 300000, 300000 },
		{ 0, 1, 1, 1 }, { 5, 10, 7, 7 }, { 3, 1, 1000000000000, 8 },
	};
	size_t	 i;

	(void)state;
	for (i = 0; i < sizeof(cases) / sizeof(cases[0]); i++)
		assert_int_equal(backoff_bound_ms(cases[i].n, cases[i].base,
		    cases[i].cap), cases[i].want);
}

/* Full jitter: never out of bounds, and all of the range is used. */
static void
backoff_spreads(void **state)
{
	int64_t	 lowest = INT64_MAX, highest = 0, ms;
	int	 i;

	(void)state;
	for (i = 0; i < 4000; i++) {
		ms = backoff_ms(4, 1000, 300000);
		assert_in_range(ms, 500, 16000);
		lowest = ms < lowest ? ms : lowest;
		highest = ms > highest ? ms : highest;
	}
	assert_true(lowest < 1500);
	assert_true(highest > 15000);
	for (i = 0; i < 100; i++)
		assert_in_range(backoff_ms(0, 1000, 10), 0, 10);
}

static void
outcomes_shut_it(void **state)
{
	static const struct {
		enum admin_outcome	 outcome;
		enum gate_state		 state;
		enum job_reason		 reason;
	} cases[] = {
		{ ADMIN_OK, GATE_OPEN, REASON_NONE },
		{ ADMIN_NOT_EXECUTED, GATE_UNREACHABLE, REASON_UNREACHABLE },
		{ ADMIN_REFUSED, GATE_KEY_REFUSED, REASON_ADMIN_KEY },
		{ ADMIN_RATE, GATE_RATE, REASON_RATE },
		{ ADMIN_REJECTED, GATE_OPEN, REASON_NONE },
		{ ADMIN_GONE, GATE_OPEN, REASON_NONE },
		{ ADMIN_UNKNOWN, GATE_ERRORS, REASON_UPSTREAM_ERROR },
	};
	size_t	 i;

	(void)state;
	assert_int_equal(sizeof(cases) / sizeof(cases[0]),
	    ADMIN_OUTCOME_MAX);
	for (i = 0; i < ADMIN_OUTCOME_MAX; i++) {
		assert_int_equal(gate_of_outcome(cases[i].outcome),
		    cases[i].state);
		assert_int_equal(gate_reason(cases[i].state),
		    cases[i].reason);
	}
	for (i = 0; i < GATE_STATE_MAX; i++)
		assert_non_null(gate_state_name((enum gate_state)i));
}

static void
probes_come_due(void **state)
{
	struct gate	 gate;

	(void)state;
	gate_init(&gate);
	assert_int_equal(gate.state, GATE_OPEN);
	assert_int_equal(gate_probe_in_ms(&gate), 0);

	gate_shut(&gate, GATE_KEY_REFUSED, 0);
	assert_in_range(gate_probe_in_ms(&gate), GATE_REFUSED_PROBE_MS - 200,
	    GATE_REFUSED_PROBE_MS);
	gate_shut(&gate, GATE_RATE, 7000);
	assert_in_range(gate_probe_in_ms(&gate), 6800, 7000);
	gate_shut(&gate, GATE_UNREACHABLE, 0);
	assert_in_range(gate_probe_in_ms(&gate), 0, GATE_PROBE_BASE_MS);
	assert_int_equal(gate.failures, 1);
	gate_shut(&gate, GATE_UNREACHABLE, 0);
	assert_int_equal(gate.failures, 2);
	gate_brake(&gate, GATE_ERRORS, 3);
	assert_int_equal(gate.failures, 4);
	assert_in_range(gate_probe_in_ms(&gate), 50, 8 * GATE_PROBE_BASE_MS);
	gate_shut(&gate, GATE_NO_KEY, 0);
	assert_int_equal(gate_probe_in_ms(&gate), -1);
	gate_open(&gate);
	assert_int_equal(gate_probe_in_ms(&gate), 0);
	assert_int_equal(gate.failures, 0);
}

/* Ten failed probes do not go beyond the cap. */
static void
probes_are_capped(void **state)
{
	struct gate	 gate;
	int		 i;

	(void)state;
	gate_init(&gate);
	for (i = 0; i < 50; i++) {
		gate_shut(&gate, GATE_UNREACHABLE, 0);
		assert_in_range(gate_probe_in_ms(&gate), 0,
		    GATE_PROBE_CAP_MS);
	}
}

static void
crash_wishes(void **state)
{
	static const struct {
		const char	*text;
		int		 rc;
		const char	*name;
		unsigned	 nth;
		double		 probability;
		unsigned long	 seed;
		bool		 stop;
	} cases[] = {
		{ NULL, -1, "", 0, 0, 0, false },
		{ "", -1, "", 0, 0, 0, false },
		{ "bind-done", 0, "bind-done", 1, 0, 0, false },
		{ "bind-done:3", 0, "bind-done", 3, 0, 0, false },
		{ "bind-done:0", -1, "", 0, 0, 0, false },
		{ "bind-done:", -1, "", 0, 0, 0, false },
		{ "bind-done:x", -1, "", 0, 0, 0, false },
		{ ":3", -1, "", 0, 0, 0, false },
		{ "stop:bind-done:2", 0, "bind-done", 2, 0, 0, true },
		{ "stop:", -1, "", 0, 0, 0, false },
		{ "random:0.01:42", 0, "", 0, 0.01, 42, false },
		{ "random:1:0", 0, "", 0, 1.0, 0, false },
		{ "random:0:1", -1, "", 0, 0, 0, false },
		{ "random:2:1", -1, "", 0, 0, 0, false },
		{ "random:nan:1", -1, "", 0, 0, 0, false },
		{ "random:0.1", -1, "", 0, 0, 0, false },
		{ "random:0.1:", -1, "", 0, 0, 0, false },
		{ "random:0.1:7x", -1, "", 0, 0, 0, false },
	};
	struct crash_wish	 wish;
	size_t			 i;

	(void)state;
	for (i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		assert_int_equal(crash_wish_parse(cases[i].text, &wish),
		    cases[i].rc);
		if (cases[i].rc == -1) {
			assert_int_equal(wish.nth, 0);
			assert_true(wish.probability <= 0.0);
			continue;
		}
		assert_string_equal(wish.name, cases[i].name);
		assert_int_equal(wish.nth, cases[i].nth);
		assert_int_equal((int)(wish.probability * 1000),
		    (int)(cases[i].probability * 1000));
		assert_int_equal(wish.seed, cases[i].seed);
		assert_int_equal(wish.stop, cases[i].stop);
	}
}

static void
crash_names(void **state)
{
	const char *const	*names;
	size_t			 n, i, j;

	(void)state;
	names = crashpoint_names(&n);
	assert_true(n >= 20);
	for (i = 0; i < n; i++) {
		assert_true(strlen(names[i]) <
		    sizeof(((struct crash_wish *)0)->name));
		for (j = 0; j < i; j++)
			assert_string_not_equal(names[i], names[j]);
	}
}

int
main(void)
{
	const struct CMUnitTest	 tests[] = {
		cmocka_unit_test(backoff_bounds),
		cmocka_unit_test(backoff_spreads),
		cmocka_unit_test(outcomes_shut_it),
		cmocka_unit_test(probes_come_due),
		cmocka_unit_test(probes_are_capped),
		cmocka_unit_test(crash_wishes),
		cmocka_unit_test(crash_names),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
