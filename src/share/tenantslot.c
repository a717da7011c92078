/*
 * tenantslot: one slot of the tenant cache, and the lock of a shard.
 *
 * Readers take no lock: they copy the slot and look whether its
 * sequence number moved.  Writers hold the robust mutex of the shard; a
 * writer that was killed leaves an odd number, and the next one to lock
 * wipes such slots.  Nothing is ever repaired.  Under the lock there is
 * no system call, no allocation and no log.  Called by tenantcache.c
 * and tenantused.c only.
 */
#ifdef HAVE_CONFIG_H
#include "config.h"
#endif

#include <assert.h>
#include <errno.h>
#include <string.h>
#include <time.h>

#include "base/codec.h"
#include "base/secret.h"
#include "share/tenantcache_private.h"

size_t
set_of(const struct tenantcache *tc, uint64_t user_id)
{
	uint64_t hash = siphash24(tc->sip_key, &user_id, sizeof(user_id));

	return (size_t)(((unsigned __int128)hash * tc->n_sets) >> 64);
}

bool
slot_read(const struct slot *s, union payload_words *ret)
{
	uint32_t before;
	size_t i;
	int tries;

	for (tries = 0; tries < CACHE_READ_TRIES; tries++) {
		before = __atomic_load_n(&s->seq, __ATOMIC_ACQUIRE);
		if (before & 1)
			continue;
		for (i = 0; i < PAYLOAD_WORDS; i++)
			ret->w[i] = ATOMIC_LOAD(&s->words[i]);
		/* the words are read before seq is looked at again */
		__atomic_thread_fence(__ATOMIC_ACQUIRE);
		if (ATOMIC_LOAD(&s->seq) == before)
			return true;
	}
	return false;
}

void
slot_peek_locked(const struct slot *s, union payload_words *ret)
{
	size_t i;

	for (i = 0; i < PAYLOAD_WORDS; i++)
		ret->w[i] = ATOMIC_LOAD(&s->words[i]);
}

/*
 * The write of a slot begins and ends with one more in seq.  The fence
 * keeps the words behind the odd number.
 */
int64_t
slot_write_locked(struct slot *s, const union payload_words *new)
{
	uint32_t seq = ATOMIC_LOAD(&s->seq);
	int64_t left_us = 0;
	size_t i;

	ATOMIC_STORE(&s->seq, seq + 1);
	__atomic_thread_fence(__ATOMIC_RELEASE);
	if (slot_user_hint(s) != new->p.tenant.user_id)
		left_us = used_begin_locked(s);
	for (i = 0; i < PAYLOAD_WORDS; i++)
		ATOMIC_STORE(&s->words[i], new->w[i]);
	__atomic_store_n(&s->seq, seq + 2, __ATOMIC_RELEASE);
	return left_us;
}

/* A writer died in this slot: whatever is there is nobody's. */
static void
slot_wipe_locked(struct slot *s)
{
	size_t i;

	(void)used_begin_locked(s);
	for (i = 0; i < PAYLOAD_WORDS; i++)
		ATOMIC_STORE(&s->words[i], 0);
	__atomic_store_n(&s->seq, ATOMIC_LOAD(&s->seq) + 1,
	    __ATOMIC_RELEASE);
}

static void
shard_recover_locked(struct tenantcache *tc, size_t shard)
{
	size_t set, way;

	for (set = shard; set < tc->n_sets; set += tc->n_shards)
		for (way = 0; way < CACHE_WAYS; way++) {
			struct slot *s = &tc->sets[set].slots[way];

			if (!(ATOMIC_LOAD(&s->seq) & 1))
				continue;
			slot_wipe_locked(s);
			ATOMIC_ADD(&tc->shards[shard].stats.wiped, 1);
		}
	if (tc->shards[shard].ring_len > CACHE_RING)
		tc->shards[shard].ring_len = 0;
}

static int
lock_until(pthread_mutex_t *mutex)
{
	struct timespec until;

	(void)clock_gettime(CLOCK_MONOTONIC, &until);
	until.tv_nsec += CACHE_LOCK_MS * 1000000L;
	if (until.tv_nsec >= 1000000000L) {
		until.tv_nsec -= 1000000000L;
		until.tv_sec++;
	}
	/* not timedlock: that would wait by the wall clock */
	return pthread_mutex_clocklock(mutex, CLOCK_MONOTONIC, &until);
}

int
shard_lock(struct tenantcache *tc, size_t shard)
{
	pthread_mutex_t *mutex = &tc->shards[shard].mutex;
	int r;

	r = pthread_mutex_trylock(mutex);
	if (r == EBUSY)
		r = lock_until(mutex);
	if (r == EOWNERDEAD) {
		shard_recover_locked(tc, shard);
		ATOMIC_ADD(&tc->shards[shard].stats.recovered, 1);
		r = pthread_mutex_consistent(mutex);
	}
	if (r != 0)
		ATOMIC_ADD(&tc->shards[shard].stats.busy, 1);
	return r == 0 ? 0 : -1;
}

void
shard_unlock(struct tenantcache *tc, size_t shard)
{
	int r = pthread_mutex_unlock(&tc->shards[shard].mutex);

	assert(r == 0);
}
