/*
 * tenantcache: finds, puts in and drops the entries of users.
 *
 *	+--------------------------------------------------------------+
 *	| header: magic, version, sizes, SipHash key, drop_all_ms      |
 *	+--------------------------------------------------------------+
 *	| shard 0: robust mutex | ring of evicted uses | counters      |
 *	| ...      CACHE_SHARDS of them; set i belongs to shard        |
 *	|          i mod n_shards                                      |
 *	+--------------------------------------------------------------+
 *	| set 0: drop_ms, CLOCK hand                                   |
 *	|   slot 0: seq, ref | used | struct tenant, live              |
 *	|   ...     CACHE_WAYS of them                                 |
 *	| set 1 ...                                                    |
 *	+--------------------------------------------------------------+
 *
 * A user is in the set its hash chooses, or nowhere.  One slot of each
 * set at most holds a negative entry (state other than TENANT_OK), so
 * those are at most an eighth.  A drop leaves its time in the set: what
 * was read from the database up to then is not put into the set again,
 * which for the other users of the set costs one load, and for nobody a
 * stale entry.  Must not block, log or trust a length from here.
 */
#include <assert.h>
#include <string.h>

#include "base/clock.h"
#include "base/codec.h"
#include "share/tenantcache_private.h"

#define SETS_MAX	(1u << 24)

static size_t
sets_for(size_t n_slots)
{
	size_t n = n_slots / CACHE_WAYS + (n_slots % CACHE_WAYS != 0);

	assert(n <= SETS_MAX);
	return n > 0 ? n : 1;
}

size_t
tenantcache_size(size_t n_slots)
{
	return sizeof(struct tenantcache) +
	    sets_for(n_slots) * sizeof(struct set);
}

struct tenantcache *
tenantcache_init(void *mem, size_t n_slots)
{
	struct tenantcache *tc = mem;
	pthread_mutexattr_t attr;
	size_t i;
	int r;

	assert((uintptr_t)mem % 64 == 0);
	tc->n_sets = (uint32_t)sets_for(n_slots);
	tc->n_shards = tc->n_sets < CACHE_SHARDS ? tc->n_sets : CACHE_SHARDS;
	tc->set_size = sizeof(struct set);
	random_bytes(tc->sip_key, sizeof(tc->sip_key));
	tc->drop_all_ms = INT64_MIN;
	for (i = 0; i < tc->n_sets; i++)
		tc->sets[i].drop_ms = INT64_MIN;
	r = pthread_mutexattr_init(&attr);
	r |= pthread_mutexattr_setpshared(&attr, PTHREAD_PROCESS_SHARED);
	r |= pthread_mutexattr_setrobust(&attr, PTHREAD_MUTEX_ROBUST);
	for (i = 0; i < tc->n_shards; i++)
		r |= pthread_mutex_init(&tc->shards[i].mutex, &attr);
	assert(r == 0);
	(void)pthread_mutexattr_destroy(&attr);
	tc->version = CACHE_VERSION;
	tc->magic = CACHE_MAGIC;
	return tc;
}

static struct tenantcache_stats *
stats_of(struct tenantcache *tc, size_t set)
{
	return &tc->shards[shard_of(tc, set)].stats;
}

/* What a copy must be before anything in it is believed. */
static bool
plausible(const struct tenant *t)
{
	return t->state < TENANT_STATE_MAX &&
	    t->sealed_len <= BOOTKEY_SEALED_MAX &&
	    memchr(t->plugin_user_id, '\0', sizeof(t->plugin_user_id)) !=
	    NULL;
}

/* Dropped with all: its slot may not have been cleared yet. */
static bool
dropped(const struct tenantcache *tc, const struct tenant *t)
{
	return t->loaded_ms <= __atomic_load_n(&tc->drop_all_ms,
	    __ATOMIC_ACQUIRE);
}

int
tenantcache_get(struct tenantcache *tc, uint64_t user_id, struct tenant *ret)
{
	union payload_words copy;
	size_t set, way;
	struct slot *s;

	if (user_id == 0)
		return 0;
	set = set_of(tc, user_id);
	for (way = 0; way < CACHE_WAYS; way++) {
		s = &tc->sets[set].slots[way];
		if (slot_user_hint(s) != user_id)
			continue;
		if (!slot_read(s, &copy) || copy.p.live != 1 ||
		    copy.p.tenant.user_id != user_id)
			continue;
		if (!plausible(&copy.p.tenant)) {
			ATOMIC_ADD(&stats_of(tc, set)->rejects, 1);
			continue;
		}
		if (dropped(tc, &copy.p.tenant))
			break;
		if (ATOMIC_LOAD(&s->ref) == 0)
			ATOMIC_STORE(&s->ref, 1);
		*ret = copy.p.tenant;
		ATOMIC_ADD(&stats_of(tc, set)->hits, 1);
		return 1;
	}
	ATOMIC_ADD(&stats_of(tc, set)->misses, 1);
	return 0;
}

/* Whether t may take the place of what the set knows of its user. */
static bool
newer_locked(const struct tenantcache *tc, const struct set *set,
    const struct tenant *t, const struct payload *old)
{
	if (t->loaded_ms <= ATOMIC_LOAD(&set->drop_ms) || dropped(tc, t))
		return false;
	if (old == NULL || old->live != 1)
		return true;
	if (t->key_gen != 0 && t->key_gen < old->tenant.key_gen)
		return false;
	return t->loaded_ms >= old->tenant.loaded_ms;
}

static struct slot *
find_locked(struct set *set, uint64_t user_id, union payload_words *ret)
{
	size_t way;

	for (way = 0; way < CACHE_WAYS; way++) {
		if (slot_user_hint(&set->slots[way]) != user_id)
			continue;
		slot_peek_locked(&set->slots[way], ret);
		return &set->slots[way];
	}
	return NULL;
}

/* Its user stays in the slot, for the time of last use. */
static void
clear_locked(struct slot *s)
{
	union payload_words empty;

	memset(&empty, 0, sizeof(empty));
	empty.p.tenant.user_id = slot_user_hint(s);
	(void)slot_write_locked(s, &empty);
}

/* The CLOCK: the first slot that nobody read since the hand was here. */
static struct slot *
clock_locked(struct set *set)
{
	struct slot *s;

	for (;;) {
		s = &set->slots[set->hand % CACHE_WAYS];
		set->hand = (set->hand + 1) % CACHE_WAYS;
		if (ATOMIC_LOAD(&s->ref) == 0)
			return s;
		ATOMIC_STORE(&s->ref, 0);
	}
}

/* Empty slots first, one whose last use is flushed before others; then
 * the negative entry; then the CLOCK decides. */
static struct slot *
victim_locked(struct set *set, struct slot *negative, bool *ret_evicted)
{
	struct slot *s, *empty = NULL;
	union payload_words p;
	size_t way;

	*ret_evicted = false;
	for (way = 0; way < CACHE_WAYS; way++) {
		s = &set->slots[way];
		slot_peek_locked(s, &p);
		if (p.p.live == 1)
			continue;
		if (used_time(s) == 0)
			return s;
		empty = s;
	}
	if (empty != NULL)
		return empty;
	*ret_evicted = true;
	return negative != NULL ? negative : clock_locked(set);
}

/* The set's negative entry that is not user_id's, or NULL. */
static struct slot *
negative_locked(struct set *set, uint64_t user_id)
{
	union payload_words p;
	size_t way;

	for (way = 0; way < CACHE_WAYS; way++) {
		slot_peek_locked(&set->slots[way], &p);
		if (p.p.live == 1 && p.p.tenant.state != TENANT_OK &&
		    p.p.tenant.user_id != user_id)
			return &set->slots[way];
	}
	return NULL;
}

static int
put_locked(struct tenantcache *tc, size_t n_set, const union payload_words *new)
{
	struct set *set = &tc->sets[n_set];
	struct shard *sh = &tc->shards[shard_of(tc, n_set)];
	const struct tenant *t = &new->p.tenant;
	union payload_words old;
	struct slot *s, *negative;
	uint64_t before;
	int64_t left_us;
	bool evicted = false;

	s = find_locked(set, t->user_id, &old);
	if (!newer_locked(tc, set, t, s != NULL ? &old.p : NULL)) {
		ATOMIC_ADD(&sh->stats.refused, 1);
		return -1;
	}
	negative = negative_locked(set, t->user_id);
	if (negative != NULL && t->state != TENANT_OK) {
		/* there is room for one; with no slot yet, this one */
		ATOMIC_ADD(&sh->stats.evictions, 1);
		clear_locked(negative);
	}
	if (s == NULL)
		s = victim_locked(set, negative, &evicted);
	if (evicted)
		ATOMIC_ADD(&sh->stats.evictions, 1);
	before = slot_user_hint(s);
	left_us = slot_write_locked(s, new);
	if (left_us != 0)
		used_park_locked(sh, before, left_us);
	/* nobody read it yet: were all bits set, they would say nothing */
	if (before != t->user_id)
		ATOMIC_STORE(&s->ref, 0);
	return 0;
}

int
tenantcache_put(struct tenantcache *tc, const struct tenant *t)
{
	union payload_words new;
	size_t set = set_of(tc, t->user_id);
	int r;

	if (t->user_id == 0 || !plausible(t))
		return -1;
	memset(&new, 0, sizeof(new));
	new.p.tenant = *t;
	new.p.live = 1;
	if (shard_lock(tc, shard_of(tc, set)) == -1)
		return -1;
	r = put_locked(tc, set, &new);
	shard_unlock(tc, shard_of(tc, set));
	return r;
}

int
tenantcache_drop(struct tenantcache *tc, uint64_t user_id)
{
	size_t set = set_of(tc, user_id);
	union payload_words p;
	struct slot *s;

	if (user_id == 0)
		return 0;
	/* before the lock: a put that holds it is the older one, and what
	 * it puts is cleared below */
	atomic_max(&tc->sets[set].drop_ms, clock_mono_ms());
	if (shard_lock(tc, shard_of(tc, set)) == -1)
		return -1;
	s = find_locked(&tc->sets[set], user_id, &p);
	if (s != NULL && p.p.live == 1)
		clear_locked(s);
	shard_unlock(tc, shard_of(tc, set));
	return 0;
}

/* Memory that was never touched stays untouched. */
static void
set_clear_locked(struct set *set)
{
	size_t way;

	for (way = 0; way < CACHE_WAYS; way++)
		if (slot_user_hint(&set->slots[way]) != 0)
			clear_locked(&set->slots[way]);
}

/*
 * The stamp alone is enough for readers; clearing gives the slots free
 * and takes the sealed keys out of memory.
 */
void
tenantcache_drop_all(struct tenantcache *tc)
{
	size_t shard, set;

	atomic_max(&tc->drop_all_ms, clock_mono_ms());
	for (shard = 0; shard < tc->n_shards; shard++) {
		if (shard_lock(tc, shard) == -1)
			continue;
		for (set = shard; set < tc->n_sets; set += tc->n_shards)
			set_clear_locked(&tc->sets[set]);
		shard_unlock(tc, shard);
	}
}

void
tenantcache_stats(const struct tenantcache *tc, struct tenantcache_stats *ret)
{
	const struct tenantcache_stats *s;
	size_t i;

	memset(ret, 0, sizeof(*ret));
	for (i = 0; i < tc->n_shards; i++) {
		s = &tc->shards[i].stats;
		ret->hits += ATOMIC_LOAD(&s->hits);
		ret->misses += ATOMIC_LOAD(&s->misses);
		ret->evictions += ATOMIC_LOAD(&s->evictions);
		ret->rejects += ATOMIC_LOAD(&s->rejects);
		ret->refused += ATOMIC_LOAD(&s->refused);
		ret->busy += ATOMIC_LOAD(&s->busy);
		ret->recovered += ATOMIC_LOAD(&s->recovered);
		ret->wiped += ATOMIC_LOAD(&s->wiped);
		ret->used_lost += ATOMIC_LOAD(&s->used_lost);
	}
}

static int
set_check_locked(const struct tenantcache *tc, size_t n_set)
{
	const struct set *set = &tc->sets[n_set];
	union payload_words p;
	unsigned negatives = 0;
	size_t way, other;

	for (way = 0; way < CACHE_WAYS; way++) {
		slot_peek_locked(&set->slots[way], &p);
		if (ATOMIC_LOAD(&set->slots[way].seq) & 1)
			return -1;
		if (p.p.tenant.user_id == 0) {
			if (p.p.live != 0)
				return -1;
			continue;
		}
		if (p.p.live > 1 || !plausible(&p.p.tenant) ||
		    set_of(tc, p.p.tenant.user_id) != n_set)
			return -1;
		for (other = 0; other < way; other++)
			if (slot_user_hint(&set->slots[other]) ==
			    p.p.tenant.user_id)
				return -1;
		negatives += p.p.live == 1 && p.p.tenant.state != TENANT_OK;
	}
	return negatives > 1 ? -1 : 0;
}

int
tenantcache_check(struct tenantcache *tc)
{
	size_t shard, set;
	int r = 0;

	if (tc->magic != CACHE_MAGIC || tc->version != CACHE_VERSION ||
	    tc->set_size != sizeof(struct set) || tc->n_sets == 0 ||
	    tc->n_sets > SETS_MAX || tc->n_shards == 0 ||
	    tc->n_shards > CACHE_SHARDS)
		return -1;
	for (shard = 0; shard < tc->n_shards; shard++) {
		if (shard_lock(tc, shard) == -1)
			return -1;
		for (set = shard; set < tc->n_sets; set += tc->n_shards)
			r |= set_check_locked(tc, set);
		shard_unlock(tc, shard);
	}
	return r == 0 ? 0 : -1;
}
