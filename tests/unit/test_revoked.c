/*
 * The set of revoked ids: what is added is there until its time, also
 * while other processes add, sweep and are killed.
 */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include <signal.h>
#include <stdio.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/shm.h"
#include "share/revoked.h"

static struct revoked *
set(size_t n_slots)
{
	return revoked_init(shm_map(revoked_size(n_slots), false), n_slots);
}

static const char *
id(unsigned n)
{
	static char text[40];

	(void)snprintf(text, sizeof(text), "id-%u", n);
	return text;
}

static void
test_add_has(void **state)
{
	struct revoked *r = set(1024);
	unsigned i;

	(void)state;
	assert_false(revoked_has(r, ""));
	for (i = 0; i < 700; i++) {
		assert_false(revoked_has(r, id(i)));
		assert_int_equal(revoked_add(r, id(i), 1000), 0);
		assert_int_equal(revoked_add(r, id(i), 900), 0);
		assert_true(revoked_has(r, id(i)));
	}
	assert_int_equal(revoked_count(r), 700);
	for (i = 0; i < 700; i++)
		assert_true(revoked_has(r, id(i)));
	for (i = 700; i < 20000; i++)
		assert_false(revoked_has(r, id(i)));
	shm_unmap(r, revoked_size(1024), false);
}

static void
test_full(void **state)
{
	struct revoked *r = set(64);
	unsigned i;

	(void)state;
	for (i = 0; i < 48; i++)
		assert_int_equal(revoked_add(r, id(i), 10), 0);
	assert_int_equal(revoked_add(r, id(48), 10), -1);
	assert_false(revoked_has(r, id(48)));
	/* what is there may still be prolonged */
	assert_int_equal(revoked_add(r, id(0), 20), 0);
	assert_int_equal(revoked_count(r), 48);
	revoked_sweep(r, 15);
	assert_int_equal(revoked_count(r), 1);
	assert_true(revoked_has(r, id(0)));
	assert_int_equal(revoked_add(r, id(48), 10), 0);
	shm_unmap(r, revoked_size(64), false);
}

static void
test_large(void **state)
{
	struct revoked *r = set(16384);
	unsigned i;

	(void)state;
	for (i = 0; i < 16384 / 2; i++)
		assert_int_equal(revoked_add(r, id(i), 10), 0);
	for (i = 0; i < 16384 / 2; i++)
		assert_true(revoked_has(r, id(i)));
	shm_unmap(r, revoked_size(16384), false);
}

/* Each entry goes at its own time, the last of its times. */
static void
test_sweep(void **state)
{
	struct revoked *r = set(1024);
	int64_t now;
	unsigned i;

	(void)state;
	for (i = 0; i < 500; i++) {
		assert_int_equal(revoked_add(r, id(i), 1 + i), 0);
		assert_int_equal(revoked_add(r, id(i), 1000 + i), 0);
		assert_int_equal(revoked_add(r, id(i), -5), 0);
	}
	for (now = 900; now < 1600; now += 50) {
		revoked_sweep(r, now);
		for (i = 0; i < 500; i++)
			assert_int_equal(revoked_has(r, id(i)),
			    1000 + i >= now);
	}
	assert_int_equal(revoked_count(r), 0);
	shm_unmap(r, revoked_size(1024), false);
}

/* A writer that died after its hash and before its time. */
static void
test_half_done(void **state)
{
	struct revoked *r = set(64);
	uint64_t *words = (uint64_t *)(void *)((char *)r +
	    revoked_size(64) - 2 * 64 * sizeof(uint64_t));
	unsigned i, n = 0;

	(void)state;
	assert_int_equal(revoked_add(r, id(1), 10), 0);
	for (i = 0; i < 64; i++)
		if (words[64 + i] == 10) {
			words[64 + i] = 0;
			n++;
		}
	assert_int_equal(n, 1);
	assert_true(revoked_has(r, id(1)));
	revoked_sweep(r, 1000);
	assert_true(revoked_has(r, id(1)));
	revoked_sweep(r, 1000 + 31 * 86400);
	assert_false(revoked_has(r, id(1)));
	assert_int_equal(revoked_count(r), 0);
	shm_unmap(r, revoked_size(64), false);
}

/*
 * Writers add ids and ask for them at once, a sweeper runs all the time
 * and is also the clock, all are killed now and then.  What stays, and
 * was added (that is told in shared memory), must always be there; what
 * is prolonged in the moment in which it is swept, until its new end.
 */
#define LASTING		64u
#define FAR		(INT64_C(1) << 40)

struct churn {
	uint32_t	 added[LASTING];
	uint64_t	 missed, asked, swept, prolonged;
	int64_t		 now_s;
};

static int64_t
churn_now(struct churn *c)
{
	return __atomic_load_n(&c->now_s, __ATOMIC_SEQ_CST);
}

static void
churn_prolong(struct revoked *r, struct churn *c, unsigned n)
{
	int64_t now_s = churn_now(c);
	bool has;

	(void)revoked_add(r, id(n), now_s - 1);
	if (revoked_add(r, id(n), now_s + 50) == -1)
		return;
	has = revoked_has(r, id(n));
	if (!has && churn_now(c) <= now_s + 50)
		__atomic_fetch_add(&c->missed, 1, __ATOMIC_RELAXED);
	__atomic_fetch_add(&c->prolonged, 1, __ATOMIC_RELAXED);
}

static _Noreturn void
churn_writer(struct revoked *r, struct churn *c, unsigned seed)
{
	unsigned n = seed, i;

	for (;;) {
		n = n * 1103515245u + 12345u;
		(void)revoked_add(r, id(1000 + (n >> 16) % 200), 5);
		churn_prolong(r, c, 5000 + (n >> 16) % 4);
		i = (n >> 8) % LASTING;
		if (__atomic_load_n(&c->added[i], __ATOMIC_ACQUIRE) &&
		    !revoked_has(r, id(i)))
			__atomic_fetch_add(&c->missed, 1, __ATOMIC_RELAXED);
		if (revoked_add(r, id(i), n & 1 ? FAR : FAR + 1) == 0)
			__atomic_store_n(&c->added[i], 1, __ATOMIC_RELEASE);
		__atomic_fetch_add(&c->asked, 1, __ATOMIC_RELAXED);
	}
}

static _Noreturn void
churn_sweeper(struct revoked *r, struct churn *c)
{
	for (;;) {
		revoked_sweep(r, churn_now(c));
		__atomic_fetch_add(&c->now_s, 1, __ATOMIC_SEQ_CST);
		__atomic_fetch_add(&c->swept, 1, __ATOMIC_RELAXED);
	}
}

static pid_t
churn_start(struct revoked *r, struct churn *c, int i, unsigned seed)
{
	pid_t pid = fork();

	assert_true(pid != -1);
	if (pid > 0)
		return pid;
	(void)alarm(60);
	if (i == 0)
		churn_sweeper(r, c);
	churn_writer(r, c, seed);
}

static void
test_churn(void **state)
{
	const struct timespec pause = { 0, 2000000 };
	struct revoked *r = set(512);
	struct churn *c = shm_map(sizeof(*c), false);
	int64_t until = clock_mono_ms() + 1000;
	unsigned kills = 0, i;
	pid_t pids[4];

	(void)state;
	c->now_s = 100;
	for (i = 0; i < 4; i++)
		pids[i] = churn_start(r, c, (int)i, i);
	for (; clock_mono_ms() < until; kills++) {
		(void)nanosleep(&pause, NULL);
		i = kills % 4;
		assert_int_equal(kill(pids[i], SIGKILL), 0);
		assert_int_equal(waitpid(pids[i], NULL, 0), pids[i]);
		pids[i] = churn_start(r, c, (int)i, kills);
	}
	for (i = 0; i < 4; i++) {
		assert_int_equal(kill(pids[i], SIGKILL), 0);
		assert_int_equal(waitpid(pids[i], NULL, 0), pids[i]);
	}
	print_message("asked %llu prolonged %llu swept %llu kills %u: missed %llu\n",
	    (unsigned long long)c->asked,
	    (unsigned long long)c->prolonged, (unsigned long long)c->swept,
	    kills, (unsigned long long)c->missed);
	assert_int_equal(c->missed, 0);
	assert_true(c->asked > 0 && c->swept > 0);
	for (i = 0; i < LASTING; i++)
		assert_int_equal(revoked_has(r, id(i)), c->added[i]);
	/* a sweep without writers sets the count right */
	revoked_sweep(r, c->now_s);
	revoked_sweep(r, 2 * FAR);
	assert_int_equal(revoked_count(r), 0);
	shm_unmap(c, sizeof(*c), false);
	shm_unmap(r, revoked_size(512), false);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_add_has),
		cmocka_unit_test(test_full),
		cmocka_unit_test(test_large),
		cmocka_unit_test(test_sweep),
		cmocka_unit_test(test_half_done),
		cmocka_unit_test(test_churn),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
