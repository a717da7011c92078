/*
 * The circuit breaker: when it opens, who may probe, how it closes.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/shm.h"
#include "proxy/breaker.h"

#define T0	1000000

static struct breaker *
fresh(void)
{
	return breaker_init(shm_map(breaker_size(), false));
}

/* One call at now by user: the verdict. */
static enum breaker_verdict
call(struct breaker *b, int64_t now, uint64_t user,
    enum breaker_outcome outcome)
{
	struct breaker_pass pass;

	breaker_ask(b, now, &pass);
	if (pass.verdict != BREAKER_REFUSE)
		breaker_tell(b, &pass, outcome, user, now);
	return pass.verdict;
}

static void
open_it(struct breaker *b, int64_t now)
{
	uint64_t user;

	for (user = 1; user <= BREAKER_USERS; user++)
		(void)call(b, now, user, BREAKER_DEAD);
	assert_true(breaker_is_open(b));
}

static void
three_users_open_it(void **state)
{
	struct breaker *b = fresh();
	int i;

	(void)state;
	for (i = 0; i < 100; i++)
		assert_int_equal(call(b, T0 + i, 1, BREAKER_DEAD),
		    BREAKER_PASS);
	(void)call(b, T0 + 200, 2, BREAKER_DEAD);
	assert_false(breaker_is_open(b));
	(void)call(b, T0 + 201, 3, BREAKER_DEAD);
	assert_true(breaker_is_open(b));
	assert_int_equal(call(b, T0 + 202, 4, BREAKER_ALIVE),
	    BREAKER_REFUSE);
}

static void
a_living_answer_starts_anew(void **state)
{
	struct breaker *b = fresh();

	(void)state;
	(void)call(b, T0, 1, BREAKER_DEAD);
	(void)call(b, T0 + 1, 2, BREAKER_DEAD);
	(void)call(b, T0 + 2, 9, BREAKER_ALIVE);
	(void)call(b, T0 + 3, 3, BREAKER_DEAD);
	assert_false(breaker_is_open(b));
}

static void
old_failures_do_not_count(void **state)
{
	struct breaker *b = fresh();

	(void)state;
	(void)call(b, T0, 1, BREAKER_DEAD);
	(void)call(b, T0, 2, BREAKER_DEAD);
	(void)call(b, T0 + BREAKER_WINDOW_MS + 1, 3, BREAKER_DEAD);
	assert_false(breaker_is_open(b));
}

static void
one_probe_an_interval(void **state)
{
	struct breaker *b = fresh();
	struct breaker_pass pass, other;
	int64_t now = T0 + BREAKER_OPEN_MIN_MS + 1;
	int i;

	(void)state;
	open_it(b, T0);
	breaker_ask(b, T0 + 1, &pass);
	assert_int_equal(pass.verdict, BREAKER_REFUSE);
	assert_in_range(pass.retry_ms, 1, BREAKER_OPEN_MIN_MS);
	breaker_ask(b, now, &pass);
	assert_int_equal(pass.verdict, BREAKER_PROBE);
	for (i = 0; i < 50; i++) {
		breaker_ask(b, now + i, &other);
		assert_int_equal(other.verdict, BREAKER_REFUSE);
	}
	breaker_tell(b, &pass, BREAKER_ALIVE, 1, now + 60);
	assert_false(breaker_is_open(b));
	assert_int_equal(call(b, now + 61, 5, BREAKER_ALIVE), BREAKER_PASS);
}

static void
intervals_double_to_a_bound(void **state)
{
	struct breaker *b = fresh();
	int64_t now = T0, waited = 0;
	int i;

	(void)state;
	open_it(b, now);
	for (i = 0; i < 8; i++) {
		struct breaker_pass pass;
		int64_t began = now;

		do
			breaker_ask(b, ++now, &pass);
		while (pass.verdict == BREAKER_REFUSE);
		assert_true(now - began >= waited);
		waited = now - began > waited ? now - began : waited;
		breaker_tell(b, &pass, BREAKER_DEAD, 1, now);
	}
	assert_in_range(waited, BREAKER_OPEN_MAX_MS - 1000,
	    BREAKER_OPEN_MAX_MS + 1000);
}

static void
a_dead_prober_gives_way(void **state)
{
	struct breaker *b = fresh();
	int64_t now = T0 + BREAKER_OPEN_MIN_MS + 1;
	struct breaker_pass pass;
	pid_t pid;

	(void)state;
	open_it(b, T0);
	pid = fork();
	if (pid == 0) {
		breaker_ask(b, now, &pass);
		_exit(pass.verdict == BREAKER_PROBE ? 0 : 1);
	}
	{
		int status;

		assert_int_equal(waitpid(pid, &status, 0), pid);
		assert_int_equal(status, 0);
	}
	breaker_ask(b, now + 1, &pass);
	assert_int_equal(pass.verdict, BREAKER_REFUSE);
	breaker_ask(b, now + BREAKER_OPEN_MAX_MS, &pass);
	assert_int_equal(pass.verdict, BREAKER_PROBE);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(three_users_open_it),
		cmocka_unit_test(a_living_answer_starts_anew),
		cmocka_unit_test(old_failures_do_not_count),
		cmocka_unit_test(one_probe_an_interval),
		cmocka_unit_test(intervals_double_to_a_bound),
		cmocka_unit_test(a_dead_prober_gives_way),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
