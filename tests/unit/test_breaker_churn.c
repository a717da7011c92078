/*
 * breaker: many processes at once, killed at any instant.
 *
 * Time is a number here, so nothing waits for an interval.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <sched.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/shm.h"
#include "proxy/breaker.h"

static struct breaker *b;

static int
set_up(void **state)
{
	*state = shm_map(breaker_size(), false);
	b = breaker_init(*state);
	return 0;
}

static int
tear_down(void **state)
{
	shm_unmap(*state, breaker_size(), false);
	return 0;
}

static struct breaker_pass
ask(int64_t now)
{
	struct breaker_pass pass;

	breaker_ask(b, now, &pass);
	return pass;
}

static void
dead(uint64_t user, int64_t now)
{
	struct breaker_pass pass = ask(now);

	assert_int_equal(pass.verdict, BREAKER_PASS);
	breaker_tell(b, &pass, BREAKER_DEAD, user, now);
}

static void
open_at(int64_t now)
{
	dead(1, now);
	dead(2, now);
	dead(3, now);
	assert_true(breaker_is_open(b));
}

/* Many users over a long time: old words give way. */
static void
test_ring(void **state)
{
	uint64_t user;

	(void)state;
	for (user = 1; user < 200; user++)
		dead(user, (int64_t)user * BREAKER_WINDOW_MS);
	assert_false(breaker_is_open(b));
	open_at(202 * BREAKER_WINDOW_MS);
}

/* Calls from before the breaker opened change nothing. */
static void
test_stragglers(void **state)
{
	struct breaker_pass old, probe, second;

	(void)state;
	old = ask(900);
	open_at(1000);
	breaker_tell(b, &old, BREAKER_ALIVE, 7, 1001);
	assert_true(breaker_is_open(b));
	probe = ask(2000);
	assert_int_equal(probe.verdict, BREAKER_PROBE);
	breaker_tell(b, &old, BREAKER_DEAD, 7, 2001);
	/* The probe is never heard of: another one after an interval. */
	assert_int_equal(ask(2999).verdict, BREAKER_REFUSE);
	second = ask(3000);
	assert_int_equal(second.verdict, BREAKER_PROBE);
	/* The first one's bad news come too late, its good ones do not. */
	breaker_tell(b, &probe, BREAKER_DEAD, 1, 3001);
	assert_int_equal(ask(3999).verdict, BREAKER_REFUSE);
	breaker_tell(b, &probe, BREAKER_ALIVE, 1, 3001);
	assert_false(breaker_is_open(b));
	breaker_tell(b, &second, BREAKER_DEAD, 1, 3002);
	assert_false(breaker_is_open(b));
}

/* Asks, fails and probes all the time. */
static void
churn(unsigned seed, int64_t now)
{
	struct breaker_pass pass;

	for (;;) {
		seed = seed * 1103515245u + 12345u;
		pass = ask(now);
		if (pass.verdict == BREAKER_REFUSE)
			continue;
		breaker_tell(b, &pass, BREAKER_DEAD, seed >> 16 & 7, now);
	}
}

/* Whatever killed processes left, it is never stuck, and there is one
 * probe. */
static void
test_kill(void **state)
{
	int64_t now = 1000;
	int round;

	(void)state;
	for (round = 0; round < 60; round++) {
		pid_t pid[2];
		int i, probes = 0;

		for (i = 0; i < 2; i++) {
			pid[i] = fork();
			assert_true(pid[i] >= 0);
			if (pid[i] == 0)
				churn((unsigned)(round * 2 + i), now);
		}
		(void)usleep(2000);
		for (i = 0; i < 2; i++) {
			(void)kill(pid[i], SIGKILL);
			(void)waitpid(pid[i], NULL, 0);
		}
		now += BREAKER_OPEN_MAX_MS;
		if (!breaker_is_open(b))
			open_at(now);
		now += BREAKER_OPEN_MAX_MS;
		for (i = 0; i < 50; i++)
			probes += ask(now).verdict == BREAKER_PROBE;
		assert_int_equal(probes, 1);
		now += BREAKER_OPEN_MAX_MS;
	}
}

/* At the same instant: exactly one of them probes. */
static void
test_one_of_many(void **state)
{
	enum { PROCS = 2, ROUNDS = 20000 };
	struct round {
		_Atomic int there, probes;
	} *round;
	int i, n, spins;

	(void)state;
	round = shm_map(sizeof(*round) * ROUNDS, false);
	open_at(1000);
	for (i = 0; i < PROCS; i++) {
		if (fork() != 0)
			continue;
		(void)alarm(30);
		for (n = 0; n < ROUNDS; n++) {
			round[n].there++;
			for (spins = 1; round[n].there < PROCS; spins++) {
				if (spins % 20000 == 0)
					(void)sched_yield();
			}
			round[n].probes += ask(2000 + 1000 * (int64_t)n)
			    .verdict == BREAKER_PROBE;
		}
		_exit(0);
	}
	while (wait(NULL) > 0)
		continue;
	for (n = 0; n < ROUNDS; n++)
		assert_int_equal(round[n].probes, 1);
	shm_unmap(round, sizeof(*round) * ROUNDS, false);
}

#define T(f)	cmocka_unit_test_setup_teardown(f, set_up, tear_down)

int
main(void)
{
	const struct CMUnitTest tests[] = {
		T(test_ring), T(test_stragglers), T(test_kill),
		T(test_one_of_many),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
