/* The tenant cache in one process: rules of put, drop and last use. */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/codec.h"
#include "base/shm.h"
#include "share/tenantcache_private.h"

#define SLOTS	64u

static struct tenantcache *
cache(size_t n_slots)
{
	return tenantcache_init(shm_map(tenantcache_size(n_slots), false),
	    n_slots);
}

static void
cache_free(struct tenantcache *tc, size_t n_slots)
{
	assert_int_equal(tenantcache_check(tc), 0);
	shm_unmap(tc, tenantcache_size(n_slots), true);
}

/* Content that follows from the user alone. */
static struct tenant
tenant(uint64_t user_id, uint32_t state, uint32_t key_gen, int64_t loaded_ms)
{
	struct tenant t;

	memset(&t, 0, sizeof(t));
	t.user_id = user_id;
	t.state = state;
	t.key_gen = key_gen;
	t.loaded_ms = loaded_ms;
	(void)snprintf(t.plugin_user_id, sizeof(t.plugin_user_id),
	    "acct-%llu", (unsigned long long)user_id);
	t.sealed_len = 40;
	memset(t.sealed, (int)(user_id & 0xff), t.sealed_len);
	return t;
}

static int
put(struct tenantcache *tc, uint64_t user_id, uint32_t state,
    uint32_t key_gen, int64_t loaded_ms)
{
	struct tenant t = tenant(user_id, state, key_gen, loaded_ms);

	return tenantcache_put(tc, &t);
}

/* The first n users, from 1, whose set is `set`. */
static void
users_of_set(const struct tenantcache *tc, size_t set, uint64_t *ret,
    size_t n)
{
	uint64_t u;
	size_t i;

	for (u = 1, i = 0; i < n; u++)
		if (set_of(tc, u) == set)
			ret[i++] = u;
}

static void
test_put_get(void **state)
{
	struct tenantcache *tc = cache(SLOTS);
	struct tenantcache_stats stats;
	struct tenant t = tenant(7, TENANT_OK, 1, 100), got;

	(void)state;
	assert_int_equal(tenantcache_get(tc, 7, &got), 0);
	assert_int_equal(tenantcache_put(tc, &t), 0);
	assert_int_equal(tenantcache_get(tc, 7, &got), 1);
	assert_memory_equal(&got, &t, sizeof(t));
	assert_int_equal(tenantcache_get(tc, 8, &got), 0);
	assert_int_equal(tenantcache_get(tc, 0, &got), 0);
	t.user_id = 0;
	assert_int_equal(tenantcache_put(tc, &t), -1);
	tenantcache_stats(tc, &stats);
	assert_int_equal(stats.hits, 1);
	assert_int_equal(stats.misses, 2);
	cache_free(tc, SLOTS);
}

/* What a caller or a stray writer must not get into a reader. */
static void
test_implausible(void **state)
{
	struct tenantcache *tc = cache(SLOTS);
	struct tenantcache_stats stats;
	struct tenant t, got;
	struct slot *s;
	size_t way;

	(void)state;
	t = tenant(7, TENANT_STATE_MAX, 1, 100);
	assert_int_equal(tenantcache_put(tc, &t), -1);
	t = tenant(7, TENANT_OK, 1, 100);
	t.sealed_len = BOOTKEY_SEALED_MAX + 1;
	assert_int_equal(tenantcache_put(tc, &t), -1);
	t = tenant(7, TENANT_OK, 1, 100);
	memset(t.plugin_user_id, 'x', sizeof(t.plugin_user_id));
	assert_int_equal(tenantcache_put(tc, &t), -1);

	assert_int_equal(put(tc, 7, TENANT_OK, 1, 100), 0);
	for (way = 0; way < CACHE_WAYS; way++) {
		s = &tc->sets[set_of(tc, 7)].slots[way];
		if (slot_user_hint(s) == 7)
			break;
	}
	assert_true(way < CACHE_WAYS);
	t = tenant(7, TENANT_OK, 1, 100);
	t.sealed_len = 0xffff;
	memcpy(s->words, &t, sizeof(t));
	assert_int_equal(tenantcache_get(tc, 7, &got), 0);
	assert_int_equal(tenantcache_check(tc), -1);
	tenantcache_stats(tc, &stats);
	assert_int_equal(stats.rejects, 1);
	memset(s->words, 0, sizeof(s->words));
	cache_free(tc, SLOTS);
}

/* rows: what is put in turn, and whether it is taken */
static void
test_generations(void **state)
{
	static const struct {
		uint32_t state, key_gen;
		int64_t loaded_ms;
		int want;
		uint32_t key_gen_then;
	} rows[] = {
		{ TENANT_PENDING, 0, 100, 0, 0 },
		{ TENANT_OK, 5, 101, 0, 5 },
		{ TENANT_OK, 4, 200, -1, 5 },	/* older key */
		{ TENANT_OK, 5, 100, -1, 5 },	/* read earlier */
		{ TENANT_OK, 5, 101, 0, 5 },
		{ TENANT_OK, 6, 99, -1, 5 },
		{ TENANT_OK, 6, 102, 0, 6 },
		{ TENANT_NO_USER, 0, 101, -1, 6 },
		{ TENANT_NO_USER, 0, 103, 0, 0 },
		{ TENANT_OK, 1, 104, 0, 1 },
	};
	struct tenantcache *tc = cache(SLOTS);
	struct tenant got;
	size_t i;

	(void)state;
	for (i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		if (put(tc, 7, rows[i].state, rows[i].key_gen,
		    rows[i].loaded_ms) != rows[i].want)
			fail_msg("row %zu", i);
		assert_int_equal(tenantcache_get(tc, 7, &got), 1);
		assert_int_equal(got.key_gen, rows[i].key_gen_then);
	}
	cache_free(tc, SLOTS);
}

static void
test_drop(void **state)
{
	struct tenantcache *tc = cache(SLOTS);
	struct tenantcache_stats stats;
	struct tenant got;
	int64_t now;

	(void)state;
	now = clock_mono_ms();
	assert_int_equal(put(tc, 7, TENANT_OK, 3, now - 10), 0);
	assert_int_equal(put(tc, 8, TENANT_OK, 3, now - 10), 0);
	assert_int_equal(tenantcache_drop(tc, 7), 0);
	assert_int_equal(tenantcache_get(tc, 7, &got), 0);
	assert_int_equal(tenantcache_get(tc, 8, &got), 1);
	/* a load that was under way when the drop came */
	assert_int_equal(put(tc, 7, TENANT_OK, 3, now - 1), -1);
	assert_int_equal(put(tc, 7, TENANT_OK, 4, now - 1), -1);
	assert_int_equal(tenantcache_get(tc, 7, &got), 0);
	/* one that began later; the key generation may have begun anew */
	assert_int_equal(put(tc, 7, TENANT_OK, 1, now + 1000), 0);
	assert_int_equal(tenantcache_get(tc, 7, &got), 1);
	assert_int_equal(tenantcache_drop(tc, 99), 0);
	assert_int_equal(tenantcache_drop(tc, 0), 0);
	tenantcache_stats(tc, &stats);
	assert_int_equal(stats.refused, 2);
	cache_free(tc, SLOTS);
}

static void
test_drop_all(void **state)
{
	struct tenantcache *tc = cache(SLOTS);
	struct tenant got;
	int64_t now = clock_mono_ms();
	uint64_t u;

	(void)state;
	for (u = 1; u <= 20; u++)
		assert_int_equal(put(tc, u, TENANT_OK, 1, now - 5), 0);
	/* one shard is locked: the stamp works without it */
	assert_int_equal(shard_lock(tc, shard_of(tc, set_of(tc, 1))), 0);
	atomic_max(&tc->drop_all_ms, now);
	assert_int_equal(tenantcache_get(tc, 1, &got), 0);
	shard_unlock(tc, shard_of(tc, set_of(tc, 1)));

	tenantcache_drop_all(tc);
	for (u = 1; u <= 20; u++) {
		assert_int_equal(tenantcache_get(tc, u, &got), 0);
		assert_int_equal(put(tc, u, TENANT_OK, 2, now), -1);
		assert_int_equal(put(tc, u, TENANT_OK, 1, now + 1000), 0);
		assert_int_equal(tenantcache_get(tc, u, &got), 1);
	}
	cache_free(tc, SLOTS);
}

/* No key stays in memory behind a drop. */
static void
test_drop_zeroes(void **state)
{
	struct tenantcache *tc = cache(SLOTS);
	const unsigned char *p = (const unsigned char *)tc;
	size_t i, run = 0, longest = 0;

	(void)state;
	assert_int_equal(put(tc, 0xabababababababab, TENANT_OK, 1, 1), 0);
	assert_int_equal(tenantcache_drop(tc, 0xabababababababab), 0);
	for (i = 0; i < tenantcache_size(SLOTS); i++) {
		run = p[i] == 0xab ? run + 1 : 0;
		longest = run > longest ? run : longest;
	}
	assert_true(longest == 8);	/* the id; the seal has 40 */
	cache_free(tc, SLOTS);
}

static void
test_full(void **state)
{
	struct tenantcache *tc = cache(CACHE_WAYS);
	struct tenantcache_stats stats;
	struct tenant got;
	uint64_t u;
	unsigned kept;

	(void)state;
	for (u = 1; u <= 8; u++)
		assert_int_equal(put(tc, u, TENANT_OK, 1, 1), 0);
	for (u = 9; u <= 100; u++) {
		assert_int_equal(put(tc, u, TENANT_OK, 1, 1), 0);
		assert_int_equal(tenantcache_get(tc, u, &got), 1);
		assert_int_equal(got.user_id, u);
	}
	for (u = 1, kept = 0; u <= 100; u++)
		kept += (unsigned)tenantcache_get(tc, u, &got);
	assert_int_equal(kept, 8);
	tenantcache_stats(tc, &stats);
	assert_int_equal(stats.evictions, 92);
	cache_free(tc, CACHE_WAYS);
}

/* A user who calls all the time is not pushed out by those who do not. */
static void
test_clock(void **state)
{
	struct tenantcache *tc = cache(CACHE_WAYS);
	struct tenant got;
	uint64_t u;

	(void)state;
	for (u = 1; u <= 1000; u++) {
		assert_int_equal(put(tc, u, TENANT_OK, 1, 1), 0);
		assert_int_equal(tenantcache_get(tc, 1, &got), 1);
	}
	cache_free(tc, CACHE_WAYS);
}

static unsigned
negatives(struct tenantcache *tc, uint64_t upto)
{
	struct tenant got;
	unsigned n = 0;
	uint64_t u;

	for (u = 1; u <= upto; u++)
		if (tenantcache_get(tc, u, &got) == 1)
			n += got.state != TENANT_OK;
	return n;
}

static void
test_negative(void **state)
{
	struct tenantcache *tc = cache(SLOTS);
	struct tenant got;
	uint64_t u, users[10];

	(void)state;
	for (u = 1; u <= 500; u++)
		assert_int_equal(put(tc, u, TENANT_NO_USER, 0, 1), 0);
	assert_true(negatives(tc, 500) <= SLOTS / 8);
	assert_int_equal(tenantcache_check(tc), 0);
	tenantcache_drop_all(tc);

	/* a negative entry leaves first, and only for its own kind */
	users_of_set(tc, 0, users, 10);
	for (u = 0; u < 7; u++)
		assert_int_equal(put(tc, users[u], TENANT_OK, 1, INT64_MAX),
		    0);
	assert_int_equal(put(tc, users[7], TENANT_PENDING, 0, INT64_MAX), 0);
	assert_int_equal(put(tc, users[8], TENANT_DISABLED, 0, INT64_MAX), 0);
	assert_int_equal(tenantcache_get(tc, users[7], &got), 0);
	assert_int_equal(tenantcache_get(tc, users[8], &got), 1);
	assert_int_equal(put(tc, users[9], TENANT_OK, 1, INT64_MAX), 0);
	assert_int_equal(tenantcache_get(tc, users[8], &got), 0);
	for (u = 0; u < 7; u++)
		assert_int_equal(tenantcache_get(tc, users[u], &got), 1);
	/* two users with a key turn negative one after the other */
	assert_int_equal(put(tc, users[0], TENANT_KEY_REFUSED, 1, INT64_MAX),
	    0);
	assert_int_equal(put(tc, users[1], TENANT_KEY_REFUSED, 1, INT64_MAX),
	    0);
	assert_int_equal(tenantcache_get(tc, users[0], &got), 0);
	assert_int_equal(tenantcache_get(tc, users[1], &got), 1);
	assert_int_equal(got.state, TENANT_KEY_REFUSED);
	cache_free(tc, SLOTS);
}

/* The times that `each` was given: the newest of each user. */
struct uses {
	int64_t		 wall_us[256];
	unsigned	 calls;
	uint64_t	 refuse;	/* this user's time cannot be kept */
};

static int
note_use(void *arg, uint64_t user_id, int64_t wall_us)
{
	struct uses *u = arg;

	assert_true(user_id > 0 && user_id < 256);
	u->calls++;
	if (user_id == u->refuse)
		return -1;
	if (u->wall_us[user_id] < wall_us)
		u->wall_us[user_id] = wall_us;
	return 0;
}

static void
test_used(void **state)
{
	struct tenantcache *tc = cache(SLOTS);
	struct uses uses = { .refuse = 2 };
	uint64_t u;

	(void)state;
	for (u = 1; u <= 3; u++)
		assert_int_equal(put(tc, u, TENANT_OK, 1, 1), 0);
	tenantcache_used(tc, 1, 1764000000000001);
	tenantcache_used(tc, 1, 1764000000000000);	/* not backwards */
	tenantcache_used(tc, 2, 1764000000000002);
	tenantcache_used(tc, 4, 1764000000000004);	/* not here */
	tenantcache_used(tc, 1, 0);
	tenantcache_used(tc, 1, -1);
	tenantcache_used(tc, 1, INT64_MAX);
	tenantcache_take_used(tc, note_use, &uses);
	assert_int_equal(uses.calls, 2);
	assert_int_equal(uses.wall_us[1], 1764000000000001);
	assert_int_equal(uses.wall_us[2], 0);
	/* the refused one stays noted; a refresh does not lose it */
	assert_int_equal(put(tc, 2, TENANT_OK, 2, 2), 0);
	assert_int_equal(tenantcache_drop(tc, 2), 0);
	uses.refuse = 0;
	tenantcache_take_used(tc, note_use, &uses);
	assert_int_equal(uses.calls, 3);
	assert_int_equal(uses.wall_us[2], 1764000000000002);
	tenantcache_take_used(tc, note_use, &uses);
	assert_int_equal(uses.calls, 3);
	cache_free(tc, SLOTS);
}

/* Who is evicted before the keeper came is in the ring. */
static void
test_used_evicted(void **state)
{
	struct tenantcache *tc = cache(CACHE_WAYS);
	struct tenantcache_stats stats;
	struct uses uses = { .refuse = 3 };
	uint64_t u;

	(void)state;
	for (u = 1; u <= 30; u++) {
		assert_int_equal(put(tc, u, TENANT_OK, 1, 1), 0);
		tenantcache_used(tc, u, 1000 + (int64_t)u);
	}
	tenantcache_take_used(tc, note_use, &uses);
	assert_int_equal(uses.calls, 30);
	for (u = 1; u <= 30; u++)
		assert_int_equal(uses.wall_us[u], u == 3 ? 0 : 1000 + u);
	uses.refuse = 0;
	tenantcache_take_used(tc, note_use, &uses);
	assert_int_equal(uses.calls, 31);
	assert_int_equal(uses.wall_us[3], 1003);

	/* more than the ring holds: lost, and counted */
	for (u = 1; u <= CACHE_RING + CACHE_WAYS + 5; u++) {
		assert_int_equal(put(tc, u, TENANT_OK, 1, 1), 0);
		tenantcache_used(tc, u, 2000);
	}
	tenantcache_take_used(tc, note_use, &uses);
	tenantcache_stats(tc, &stats);
	assert_int_equal(stats.used_lost, 5);
	assert_int_equal(uses.calls, 31 + CACHE_RING + CACHE_WAYS);
	cache_free(tc, CACHE_WAYS);
}

/*
 * A worker that was held up before its compare-and-swap holds a word
 * that is no more, although the slot's next user has no time either.
 */
static void
test_used_late(void **state)
{
	struct tenantcache *tc = cache(CACHE_WAYS);
	uint64_t old[CACHE_WAYS], u;
	size_t way;

	(void)state;
	for (u = 1; u <= CACHE_WAYS; u++)
		assert_int_equal(put(tc, u, TENANT_OK, 1, 1), 0);
	for (way = 0; way < CACHE_WAYS; way++)
		old[way] = tc->sets[0].slots[way].used;
	for (u = 1; u <= CACHE_WAYS; u++)
		assert_int_equal(put(tc, 100 + u, TENANT_OK, 1, 1), 0);
	for (way = 0; way < CACHE_WAYS; way++) {
		assert_int_equal(used_time(&tc->sets[0].slots[way]), 0);
		assert_true(tc->sets[0].slots[way].used != old[way]);
	}
	cache_free(tc, CACHE_WAYS);
}

/* A writer dies with the lock, with and without a half-written slot. */
static void
test_owner_died(void **state)
{
	struct tenantcache *tc = cache(CACHE_WAYS);
	struct tenantcache_stats stats;
	struct tenant got;
	pid_t pid;
	int status;

	(void)state;
	assert_int_equal(put(tc, 1, TENANT_OK, 1, 1), 0);
	assert_int_equal(put(tc, 2, TENANT_OK, 1, 1), 0);
	tenantcache_used(tc, 2, 1000);
	pid = fork();
	if (pid == 0) {
		if (shard_lock(tc, 0) == -1)
			_exit(1);
		tc->sets[0].slots[1].seq++;
		tc->sets[0].slots[1].words[20] ^= 1;
		_exit(0);
	}
	assert_int_equal(waitpid(pid, &status, 0), pid);
	assert_int_equal(status, 0);
	/* readers go on: one entry is a miss, the others are there */
	assert_int_equal(tenantcache_get(tc, 2, &got), 0);
	assert_int_equal(tenantcache_get(tc, 1, &got), 1);
	assert_int_equal(put(tc, 3, TENANT_OK, 1, 1), 0);
	tenantcache_stats(tc, &stats);
	assert_int_equal(stats.recovered, 1);
	assert_int_equal(stats.wiped, 1);
	assert_int_equal(tenantcache_get(tc, 2, &got), 0);
	assert_int_equal(tenantcache_get(tc, 1, &got), 1);
	assert_int_equal(tenantcache_get(tc, 3, &got), 1);
	assert_int_equal(put(tc, 2, TENANT_OK, 1, 1), 0);
	assert_int_equal(tenantcache_get(tc, 2, &got), 1);
	cache_free(tc, CACHE_WAYS);
}

/* A writer that is stopped with the lock costs 50 ms, not more. */
static void
test_busy(void **state)
{
	struct tenantcache *tc = cache(CACHE_WAYS);
	struct tenantcache_stats stats;
	struct tenant got;
	int64_t start;
	int held[2];
	char c;
	pid_t pid;

	(void)state;
	assert_int_equal(put(tc, 1, TENANT_OK, 1, 1), 0);
	assert_int_equal(pipe(held), 0);
	pid = fork();
	if (pid == 0) {
		if (shard_lock(tc, 0) == -1 || write(held[1], "", 1) != 1)
			_exit(1);
		for (;;)
			(void)pause();
	}
	assert_int_equal(read(held[0], &c, 1), 1);
	start = clock_mono_ms();
	assert_int_equal(put(tc, 2, TENANT_OK, 1, 1), -1);
	assert_in_range(clock_mono_ms() - start, 45, 2000);
	assert_int_equal(tenantcache_drop(tc, 1), -1);
	assert_int_equal(tenantcache_get(tc, 1, &got), 1);
	assert_int_equal(kill(pid, SIGKILL), 0);
	assert_int_equal(waitpid(pid, NULL, 0), pid);
	assert_int_equal(tenantcache_drop(tc, 1), 0);
	assert_int_equal(tenantcache_get(tc, 1, &got), 0);
	tenantcache_stats(tc, &stats);
	assert_int_equal(stats.busy, 2);
	assert_int_equal(stats.wiped, 0);
	(void)close(held[0]);
	(void)close(held[1]);
	cache_free(tc, CACHE_WAYS);
}

/*
 * Isolation: many users over few slots; what comes out is always the
 * user's own, of a generation not older than the last one taken.
 */
static void
test_isolation(void **state)
{
	enum { USERS = 200, OPS = 1500000 };
	struct tenantcache *tc = cache(SLOTS);
	static uint32_t gen[USERS + 1];
	static int64_t at[USERS + 1];
	struct tenant got, want;
	uint64_t rng = 88172645463325252u, u, hits = 0;
	int64_t now = clock_mono_ms() + 1000000;
	int i;

	(void)state;
	for (i = 0; i < OPS; i++) {
		rng ^= rng << 13;
		rng ^= rng >> 7;
		rng ^= rng << 17;
		u = rng % USERS + 1;
		switch (rng >> 32 & 7) {
		case 0:
		case 1:
			gen[u] += (uint32_t)(rng >> 40 & 1);
			at[u] = ++now;
			assert_int_equal(put(tc, u, rng >> 41 & 3 ?
			    TENANT_OK : TENANT_PENDING, gen[u], now), 0);
			break;
		case 2:
			if ((rng >> 48 & 63) == 0)
				assert_int_equal(tenantcache_drop(tc, u), 0);
			break;
		default:
			if (tenantcache_get(tc, u, &got) == 0)
				break;
			hits++;
			want = tenant(u, got.state, gen[u], at[u]);
			assert_memory_equal(&got, &want, sizeof(got));
		}
	}
	assert_true(hits > 100000);
	print_message("isolation: %d operations, %llu hits, 0 foreign\n",
	    OPS, (unsigned long long)hits);
	cache_free(tc, SLOTS);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_put_get),
		cmocka_unit_test(test_implausible),
		cmocka_unit_test(test_generations),
		cmocka_unit_test(test_drop),
		cmocka_unit_test(test_drop_all),
		cmocka_unit_test(test_drop_zeroes),
		cmocka_unit_test(test_full),
		cmocka_unit_test(test_clock),
		cmocka_unit_test(test_negative),
		cmocka_unit_test(test_used),
		cmocka_unit_test(test_used_evicted),
		cmocka_unit_test(test_used_late),
		cmocka_unit_test(test_owner_died),
		cmocka_unit_test(test_busy),
		cmocka_unit_test(test_isolation),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
