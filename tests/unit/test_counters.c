/* Counters, gauges and histograms. */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include <sys/wait.h>
#include <unistd.h>

#include "base/shm.h"
#include "share/counters.h"

static void
test_bounds(void **state)
{
	size_t i;

	(void)state;
	assert_int_equal(counters_bounds_us[0], 100);
	assert_int_equal(counters_bounds_us[COUNTERS_BUCKETS - 1], 60000000);
	for (i = 1; i < COUNTERS_BUCKETS; i++)
		assert_true(counters_bounds_us[i] >
		    counters_bounds_us[i - 1]);
}

static void
test_observe(void **state)
{
	static const struct {
		int64_t us;
		size_t bucket;
	} rows[] = {
		{ -5, 0 }, { 0, 0 }, { 100, 0 }, { 101, 1 }, { 1000, 3 },
		{ 60000000, COUNTERS_BUCKETS - 1 },
		{ 60000001, COUNTERS_BUCKETS }, { INT64_MAX / 4,
		    COUNTERS_BUCKETS },
	};
	struct counters *c = shm_map(sizeof(*c), false);
	uint64_t sum = 0;
	size_t i;

	(void)state;
	for (i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		uint64_t before =
		    c->histo[HISTO_QUEUE].bucket[rows[i].bucket];

		counters_observe(c, HISTO_QUEUE, rows[i].us);
		assert_int_equal(c->histo[HISTO_QUEUE].bucket[rows[i].bucket],
		    before + 1);
		sum += rows[i].us > 0 ? (uint64_t)rows[i].us : 0;
		assert_int_equal(c->histo[HISTO_QUEUE].sum_us, sum);
	}
	assert_int_equal(c->histo[HISTO_REQUEST].sum_us, 0);
	shm_unmap(c, sizeof(*c), false);
}

static void
test_answer(void **state)
{
	static const struct {
		size_t route;
		int status;
		size_t want_route, want_class;
	} rows[] = {
		{ 0, 200, 0, 2 }, { 3, 100, 3, 1 }, { 3, 404, 3, 4 },
		{ 3, 599, 3, 5 }, { 3, 0, 3, 0 }, { 3, 600, 3, 0 },
		{ 3, -1, 3, 0 }, { 3, 99, 3, 0 },
		{ 127, 301, 127, 3 }, { 128, 301, 127, 3 },
		{ SIZE_MAX, 503, 127, 5 },
	};
	struct counters *c = shm_map(sizeof(*c), false);
	uint64_t *cell, before;
	size_t i;

	(void)state;
	for (i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		cell = &c->route[rows[i].want_route][rows[i].want_class];
		before = *cell;
		counters_answer(c, rows[i].route, rows[i].status);
		assert_int_equal(*cell, before + 1);
	}
	shm_unmap(c, sizeof(*c), false);
}

static void
test_gauge(void **state)
{
	struct counters *c = shm_map(sizeof(*c), false);

	(void)state;
	assert_int_equal(counters_gauge(c, GAUGE_DB_OK), 0);
	counters_set(c, GAUGE_DB_OK, 1);
	counters_set(c, GAUGE_KEEPER_LAG_MS, -7);
	assert_int_equal(counters_gauge(c, GAUGE_DB_OK), 1);
	assert_int_equal(counters_gauge(c, GAUGE_KEEPER_LAG_MS), -7);
	shm_unmap(c, sizeof(*c), false);
}

/* Nothing is lost when four processes add at once. */
static void
test_processes(void **state)
{
	struct counters *c = shm_map(sizeof(*c), false);
	pid_t pids[4];
	int i, n;

	(void)state;
	for (i = 0; i < 4; i++) {
		pids[i] = fork();
		if (pids[i] != 0)
			continue;
		for (n = 0; n < 100000; n++) {
			counters_add(c, CNT_CACHE_HIT, 2);
			counters_observe(c, HISTO_REQUEST, 1000);
		}
		_exit(0);
	}
	for (i = 0; i < 4; i++)
		assert_int_equal(waitpid(pids[i], NULL, 0), pids[i]);
	assert_int_equal(c->count[CNT_CACHE_HIT], 800000);
	assert_int_equal(c->histo[HISTO_REQUEST].bucket[3], 400000);
	assert_int_equal(c->histo[HISTO_REQUEST].sum_us, 400000000);
	shm_unmap(c, sizeof(*c), false);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_bounds),
		cmocka_unit_test(test_observe),
		cmocka_unit_test(test_answer),
		cmocka_unit_test(test_gauge),
		cmocka_unit_test(test_processes),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
