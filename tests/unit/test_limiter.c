/* Token buckets: rate, burst, sharing, clamping, and many processes. */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/shm.h"
#include "share/limiter.h"

#define SLOTS	256u

static struct limiter *
limiter(size_t n_slots)
{
	return limiter_init(shm_map(limiter_size(n_slots), false), n_slots);
}

/* How many of `tries` at one instant are let through. */
static int
burst_of(struct limiter *l, uint64_t key, uint64_t rate_milli,
    unsigned burst, int64_t now_ms, int tries)
{
	int i, n = 0;

	for (i = 0; i < tries; i++)
		n += limiter_take(l, key, rate_milli, burst, now_ms) == 0;
	return n;
}

static void
test_burst_and_rate(void **state)
{
	static const struct {
		uint64_t rate_milli;
		unsigned burst;
		int64_t wait_ms;	/* after the burst */
	} rows[] = {
		{ 10000, 20, 100 }, { 500, 5, 2000 }, { 1000, 1, 1000 },
		{ 1000000, 50, 1 }, { 3000, 3, 334 }, { 1, 2, 1000000 },
		{ 10000, 0, 100 },
	};
	struct limiter *l = limiter(SLOTS);
	int64_t now = 5000000, wait;
	unsigned burst;
	size_t i;

	(void)state;
	for (i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		burst = rows[i].burst > 0 ? rows[i].burst : 1;
		assert_int_equal(burst_of(l, i + 1, rows[i].rate_milli,
		    rows[i].burst, now, 200), burst);
		wait = limiter_take(l, i + 1, rows[i].rate_milli,
		    rows[i].burst, now);
		assert_int_equal(wait, rows[i].wait_ms);
		assert_true(limiter_take(l, i + 1, rows[i].rate_milli,
		    rows[i].burst, now + wait - 1) > 0);
		assert_int_equal(limiter_take(l, i + 1, rows[i].rate_milli,
		    rows[i].burst, now + wait), 0);
		/* full again, never fuller */
		assert_int_equal(burst_of(l, i + 1, rows[i].rate_milli,
		    rows[i].burst, now + 100000000, 200), burst);
	}
	assert_int_equal(burst_of(l, 99, 0, 1, now, 200), 200);
	shm_unmap(l, limiter_size(SLOTS), false);
}

static void
test_steady(void **state)
{
	struct limiter *l = limiter(SLOTS);
	int64_t ms;
	int n = 0;

	(void)state;
	for (ms = 1; ms <= 10000; ms++)
		n += limiter_take(l, 7, 10000, 5, ms) == 0;
	assert_in_range(n, 100, 105);
	shm_unmap(l, limiter_size(SLOTS), false);
}

/* One key's calls are not another's. */
static void
test_keys(void **state)
{
	struct limiter *l = limiter(4096);
	uint64_t key;

	(void)state;
	assert_int_equal(burst_of(l, 1, 1000, 3, 1000, 100), 3);
	for (key = 2; key < 500; key++)
		assert_int_equal(burst_of(l, key, 1000, 3, 1000, 4), 3);
	assert_true(limiter_take(l, 1, 1000, 3, 1000) > 0);
	shm_unmap(l, limiter_size(4096), false);
}

/* More busy keys than a set has ways: they share, none is let loose. */
static void
test_crowded(void **state)
{
	struct limiter *l = limiter(8);
	uint64_t key;
	int n = 0;

	(void)state;
	for (key = 1; key <= 100; key++)
		n += burst_of(l, key, 1000, 3, 1000, 100);
	assert_int_equal(n, 8 * 3);
	/* all idle again: the words go to whoever comes */
	for (key = 201; key <= 208; key++)
		assert_int_equal(burst_of(l, key, 1000, 3, 100000, 100), 3);
	shm_unmap(l, limiter_size(8), false);
}

/* A word that no caller wrote costs one burst at most. */
static void
test_wild_word(void **state)
{
	struct limiter *l = limiter(8);
	int64_t wait;

	(void)state;
	memset((char *)l + 64, 0xee, 64);
	wait = limiter_take(l, 1, 10000, 10, 1000);
	assert_in_range(wait, 0, 100);
	assert_int_equal(limiter_take(l, 1, 10000, 10, 1100), 0);
	/* a smaller burst after a reload */
	memset((char *)l + 64, 0, 64);
	assert_int_equal(burst_of(l, 2, 10000, 1000, 1000, 2000), 1000);
	assert_int_equal(limiter_take(l, 2, 10000, 2, 1000), 100);
	shm_unmap(l, limiter_size(8), false);
}

static void
test_processes(void **state)
{
	enum { CHILDREN = 4, TRIES = 200000, BURST = 100000 };
	struct limiter *l = limiter(SLOTS);
	uint32_t *taken = shm_map(sizeof(*taken), false);
	pid_t pids[CHILDREN];
	int i, n;

	(void)state;
	for (i = 0; i < CHILDREN; i++) {
		pids[i] = fork();
		if (pids[i] == 0) {
			n = burst_of(l, 7, 1000, BURST, 1000, TRIES);
			__atomic_fetch_add(taken, (uint32_t)n,
			    __ATOMIC_SEQ_CST);
			_exit(0);
		}
	}
	for (i = 0; i < CHILDREN; i++)
		assert_int_equal(waitpid(pids[i], NULL, 0), pids[i]);
	assert_int_equal(*taken, BURST);
	shm_unmap(taken, sizeof(*taken), false);
	shm_unmap(l, limiter_size(SLOTS), false);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_burst_and_rate),
		cmocka_unit_test(test_steady),
		cmocka_unit_test(test_keys),
		cmocka_unit_test(test_crowded),
		cmocka_unit_test(test_wild_word),
		cmocka_unit_test(test_processes),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
