/*
 * The tenant cache under readers and writers that are killed at any
 * instruction: no torn or foreign or dropped entry is ever read, no lock
 * stays held, and the cache is whole afterwards.
 */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/shm.h"
#include "share/tenantcache_private.h"

#define SLOTS		32u
#define USERS		100u
#define READERS		3
#define WRITERS		3
#define CHILDREN	(READERS + WRITERS)
#define RUN_MS		2000	/* or what CHURN_MS says */
#define KILL_EVERY_US	1500

/* What the children found; atomics, for they die at any time. */
struct found {
	uint64_t	 reads, hits, writes, refused, drops, uses;
	uint64_t	 torn, foreign, stale, wrong_use;
	int64_t		 dropped_ms[USERS + 1];
};

static struct tenantcache *tc;
static struct found *found;

static uint64_t
next(uint64_t *rng)
{
	*rng ^= *rng << 13;
	*rng ^= *rng >> 7;
	*rng ^= *rng << 17;
	return *rng;
}

static unsigned char
pattern(uint64_t user_id, uint32_t key_gen, size_t i)
{
	return (unsigned char)(user_id * 31 + key_gen * 7 + i);
}

static void
fill(struct tenant *t, uint64_t user_id, uint32_t key_gen)
{
	size_t i;

	memset(t, 0, sizeof(*t));
	t->user_id = user_id;
	t->state = key_gen % 16 == 0 ? TENANT_PENDING : TENANT_OK;
	t->key_gen = key_gen;
	t->sealed_len = BOOTKEY_SEALED_MAX;
	for (i = 0; i < PLUGIN_USER_ID_MAX; i++)
		t->plugin_user_id[i] = (char)('a' + (user_id + key_gen) % 26);
	for (i = 0; i < t->sealed_len; i++)
		t->sealed[i] = pattern(user_id, key_gen, i);
}

static void
verify(const struct tenant *t, uint64_t user_id, int64_t dropped_ms)
{
	struct tenant want;

	if (t->user_id != user_id)
		ATOMIC_ADD(&found->foreign, 1);
	fill(&want, user_id, t->key_gen);
	want.loaded_ms = t->loaded_ms;
	if (memcmp(t, &want, sizeof(want)) != 0)
		ATOMIC_ADD(&found->torn, 1);
	if (t->loaded_ms <= dropped_ms)
		ATOMIC_ADD(&found->stale, 1);
}

static _Noreturn void
reader(uint64_t rng)
{
	struct tenant t;
	int64_t dropped_ms;
	uint64_t u;

	for (;;) {
		u = next(&rng) % USERS + 1;
		dropped_ms = __atomic_load_n(&found->dropped_ms[u],
		    __ATOMIC_ACQUIRE);
		if (tenantcache_get(tc, u, &t) == 1) {
			verify(&t, u, dropped_ms);
			/* a time that tells whose it is */
			tenantcache_used(tc, u, (int64_t)
			    ((next(&rng) >> 20) / 256 * 256 + u));
			ATOMIC_ADD(&found->hits, 1);
		}
		ATOMIC_ADD(&found->reads, 1);
	}
}

static int
take(void *arg, uint64_t user_id, int64_t wall_us)
{
	uint64_t *rng = arg;

	if ((uint64_t)wall_us % 256 != user_id)
		ATOMIC_ADD(&found->wrong_use, 1);
	ATOMIC_ADD(&found->uses, 1);
	return next(rng) % 4 == 0 ? -1 : 0;
}

static void
drop(uint64_t user_id)
{
	int64_t now = clock_mono_ms();

	if (tenantcache_drop(tc, user_id) == 0)
		atomic_max(&found->dropped_ms[user_id], now);
	ATOMIC_ADD(&found->drops, 1);
}

/* The same entry some times over: most time is spent under the lock. */
static void
put_burst(const struct tenant *t)
{
	int i;

	for (i = 0; i < 32; i++)
		if (tenantcache_put(tc, t) == 0)
			ATOMIC_ADD(&found->writes, 1);
		else
			ATOMIC_ADD(&found->refused, 1);
}

static _Noreturn void
writer(uint64_t rng, bool slow_loads)
{
	struct tenant t;
	int64_t loaded_ms;
	uint64_t r;

	for (;;) {
		r = next(&rng);
		if (r % 16 == 0)
			drop(next(&rng) % USERS + 1);
		if (r % 64 == 1)
			tenantcache_take_used(tc, take, &rng);
		if (r % 4096 == 2)
			tenantcache_drop_all(tc);
		loaded_ms = clock_mono_ms();
		/* a load that takes long enough for a drop in between */
		if (slow_loads && r % 16 == 3)
			while (clock_mono_ms() < loaded_ms + 2)
				continue;
		fill(&t, next(&rng) % USERS + 1, (uint32_t)loaded_ms);
		t.loaded_ms = loaded_ms;
		put_burst(&t);
	}
}

static pid_t
start(int i, uint64_t seed)
{
	pid_t pid = fork();

	assert_true(pid != -1);
	if (pid > 0)
		return pid;
	(void)alarm(600);	/* should the parent be gone */
	if (i < READERS)
		reader(seed);
	writer(seed, i == READERS);
}

static void
end(pid_t pid)
{
	assert_int_equal(kill(pid, SIGKILL), 0);
	assert_int_equal(waitpid(pid, NULL, 0), pid);
}

static unsigned
churn(void)
{
	const struct timespec pause = { 0, KILL_EVERY_US * 1000L };
	const char *run_ms = getenv("CHURN_MS");
	int64_t until = clock_mono_ms() +
	    (run_ms != NULL ? atoi(run_ms) : RUN_MS);
	uint64_t rng = 0x9e3779b97f4a7c15u;
	pid_t pids[CHILDREN];
	unsigned kills = 0;
	int i;

	for (i = 0; i < CHILDREN; i++)
		pids[i] = start(i, next(&rng));
	while (clock_mono_ms() < until) {
		(void)nanosleep(&pause, NULL);
		i = (int)(next(&rng) % CHILDREN);
		end(pids[i]);
		kills++;
		pids[i] = start(i, next(&rng));
	}
	for (i = 0; i < CHILDREN; i++)
		end(pids[i]);
	return kills + CHILDREN;
}

static void
test_churn(void **state)
{
	struct tenantcache_stats stats;
	unsigned kills, stuck = 0;
	size_t i;

	(void)state;
	tc = tenantcache_init(shm_map(tenantcache_size(SLOTS), false), SLOTS);
	found = shm_map(sizeof(*found), false);
	kills = churn();
	for (i = 0; i < tc->n_shards; i++) {
		if (shard_lock(tc, i) == -1)
			stuck++;
		else
			shard_unlock(tc, i);
	}
	tenantcache_stats(tc, &stats);
	print_message("reads %llu hits %llu writes %llu refused %llu drops "
	    "%llu uses %llu kills %u: torn %llu foreign %llu stale %llu "
	    "wrong uses %llu stuck locks %u, owner died %llu, wiped %llu, "
	    "busy %llu\n",
	    (unsigned long long)found->reads, (unsigned long long)found->hits,
	    (unsigned long long)found->writes,
	    (unsigned long long)found->refused,
	    (unsigned long long)found->drops, (unsigned long long)found->uses,
	    kills, (unsigned long long)found->torn,
	    (unsigned long long)found->foreign,
	    (unsigned long long)found->stale,
	    (unsigned long long)found->wrong_use, stuck,
	    (unsigned long long)stats.recovered,
	    (unsigned long long)stats.wiped, (unsigned long long)stats.busy);
	assert_int_equal(found->torn, 0);
	assert_int_equal(found->foreign, 0);
	assert_int_equal(found->stale, 0);
	assert_int_equal(found->wrong_use, 0);
	assert_int_equal(stuck, 0);
	assert_int_equal(stats.rejects, 0);
	assert_int_equal(tenantcache_check(tc), 0);
	/* otherwise nothing was tried */
	assert_true(found->hits > 0 && found->writes > 0 && found->uses > 0);
	assert_true(stats.recovered > 0);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_churn),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
