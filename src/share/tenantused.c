/*
 * tenantused: when each user of the tenant cache was last served.
 *
 * Workers note the time without a lock; the keeper takes the times once
 * a second.  The word holds an epoch, which is another one for each
 * user that the slot gets, beside the time: a worker that was held up
 * between finding the slot and noting the time cannot note it for the
 * slot's next user, because the word it compares with is gone.  The
 * time of a user who is evicted before the keeper came is parked in a
 * ring of the shard.
 */
#include "share/tenantcache_private.h"

/* 52 bits of microseconds last until the year 2112. */
#define USED_BITS	52
#define USED_MAX	((INT64_C(1) << USED_BITS) - 1)

static int64_t
time_in(uint64_t word)
{
	return (int64_t)(word & (uint64_t)USED_MAX);
}

static uint64_t
with_time(uint64_t word, int64_t wall_us)
{
	return (word & ~(uint64_t)USED_MAX) | (uint64_t)wall_us;
}

void
atomic_max(int64_t *p, int64_t v)
{
	int64_t old = ATOMIC_LOAD(p);

	while (old < v && !__atomic_compare_exchange_n(p, &old, v, false,
	    __ATOMIC_SEQ_CST, __ATOMIC_RELAXED))
		continue;
}

/*
 * Called with seq odd: a worker that sees the new epoch also sees that
 * the slot is being written, and looks for its user again.
 */
int64_t
used_begin_locked(struct slot *s)
{
	uint64_t old = ATOMIC_LOAD(&s->used);

	while (!__atomic_compare_exchange_n(&s->used, &old,
	    ((old >> USED_BITS) + 1) << USED_BITS, false, __ATOMIC_ACQ_REL,
	    __ATOMIC_RELAXED))
		continue;
	return time_in(old);
}

int64_t
used_time(const struct slot *s)
{
	return time_in(ATOMIC_LOAD(&s->used));
}

/* Whether the slot is user_id's, read after its epoch was. */
static bool
is_users(const struct slot *s, uint64_t user_id)
{
	uint32_t before = __atomic_load_n(&s->seq, __ATOMIC_ACQUIRE);
	uint64_t user = slot_user_hint(s);

	__atomic_thread_fence(__ATOMIC_ACQUIRE);
	return !(before & 1) && user == user_id &&
	    ATOMIC_LOAD(&s->seq) == before;
}

/* 0 = noted, -1 = this slot is not the user's (any more). */
static int
slot_note(struct slot *s, uint64_t user_id, int64_t wall_us)
{
	uint64_t old;

	for (;;) {
		old = __atomic_load_n(&s->used, __ATOMIC_ACQUIRE);
		if (!is_users(s, user_id))
			return -1;
		if (time_in(old) >= wall_us)
			return 0;
		if (__atomic_compare_exchange_n(&s->used, &old,
		    with_time(old, wall_us), false, __ATOMIC_ACQ_REL,
		    __ATOMIC_RELAXED))
			return 0;
	}
}

static int
set_note(struct set *set, uint64_t user_id, int64_t wall_us)
{
	size_t way;

	for (way = 0; way < CACHE_WAYS; way++)
		if (slot_user_hint(&set->slots[way]) == user_id &&
		    slot_note(&set->slots[way], user_id, wall_us) == 0)
			return 0;
	return -1;
}

void
tenantcache_used(struct tenantcache *tc, uint64_t user_id, int64_t wall_us)
{
	if (user_id == 0 || wall_us <= 0 || wall_us > USED_MAX)
		return;
	(void)set_note(&tc->sets[set_of(tc, user_id)], user_id, wall_us);
}

void
used_park_locked(struct shard *sh, uint64_t user_id, int64_t wall_us)
{
	uint32_t i;

	for (i = 0; i < sh->ring_len; i++)
		if (sh->ring[i].user_id == user_id) {
			if (sh->ring[i].wall_us < wall_us)
				sh->ring[i].wall_us = wall_us;
			return;
		}
	if (sh->ring_len == CACHE_RING) {
		ATOMIC_ADD(&sh->stats.used_lost, 1);
		return;
	}
	sh->ring[sh->ring_len] = (struct use){ user_id, wall_us };
	/* killed before this line: the pair was never there */
	ATOMIC_STORE(&sh->ring_len, sh->ring_len + 1);
}

static size_t
ring_take(struct tenantcache *tc, size_t shard, struct use *ret)
{
	struct shard *sh = &tc->shards[shard];
	size_t i, n;

	if (ATOMIC_LOAD(&sh->ring_len) == 0 || shard_lock(tc, shard) == -1)
		return 0;
	n = sh->ring_len;
	for (i = 0; i < n; i++)
		ret[i] = sh->ring[i];
	sh->ring_len = 0;
	shard_unlock(tc, shard);
	return n;
}

static size_t
set_take_locked(struct set *set, struct use *ret)
{
	struct slot *s;
	uint64_t old;
	size_t way, n = 0;

	for (way = 0; way < CACHE_WAYS; way++) {
		s = &set->slots[way];
		old = ATOMIC_LOAD(&s->used);
		while (!__atomic_compare_exchange_n(&s->used, &old,
		    with_time(old, 0), false, __ATOMIC_ACQ_REL,
		    __ATOMIC_RELAXED))
			continue;
		if (time_in(old) == 0)
			continue;
		ret[n++] = (struct use){ slot_user_hint(s), time_in(old) };
	}
	return n;
}

static size_t
set_take(struct tenantcache *tc, size_t set, struct use *ret)
{
	size_t way, n;

	for (way = 0; way < CACHE_WAYS; way++)
		if (used_time(&tc->sets[set].slots[way]) != 0)
			break;
	if (way == CACHE_WAYS || shard_lock(tc, shard_of(tc, set)) == -1)
		return 0;
	n = set_take_locked(&tc->sets[set], ret);
	shard_unlock(tc, shard_of(tc, set));
	return n;
}

/* The time could not be kept: back to the slot, or into the ring. */
static void
put_back(struct tenantcache *tc, const struct use *u)
{
	size_t set = set_of(tc, u->user_id), shard = shard_of(tc, set);

	if (set_note(&tc->sets[set], u->user_id, u->wall_us) == 0)
		return;
	if (shard_lock(tc, shard) == -1) {
		ATOMIC_ADD(&tc->shards[shard].stats.used_lost, 1);
		return;
	}
	if (set_note(&tc->sets[set], u->user_id, u->wall_us) == -1)
		used_park_locked(&tc->shards[shard], u->user_id, u->wall_us);
	shard_unlock(tc, shard);
}

/* Rings first: what `each` refuses may come to lie in one. */
void
tenantcache_take_used(struct tenantcache *tc,
    int (*each)(void *, uint64_t, int64_t), void *arg)
{
	struct use taken[CACHE_RING > CACHE_WAYS ? CACHE_RING : CACHE_WAYS];
	size_t i, at, n;

	for (at = 0; at < tc->n_shards + tc->n_sets; at++) {
		n = at < tc->n_shards ? ring_take(tc, at, taken) :
		    set_take(tc, at - tc->n_shards, taken);
		for (i = 0; i < n; i++)
			if (each(arg, taken[i].user_id,
			    taken[i].wall_us) == -1)
				put_back(tc, &taken[i]);
	}
}
