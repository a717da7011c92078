/*
 * tenantcache: the layout (drawn in tenantcache.c) and what its files
 * share: tenantcache.c finds and replaces, tenantslot.c reads, writes
 * and locks, tenantused.c keeps the times of last use.
 */
#ifndef SHARE_TENANTCACHE_PRIVATE_H
#define SHARE_TENANTCACHE_PRIVATE_H

#include <pthread.h>
#include <stdbool.h>

#include "share/tenantcache.h"

#define CACHE_MAGIC	UINT64_C(0x706c756777617901)
#define CACHE_VERSION	1u
#define CACHE_WAYS	8u
#define CACHE_SHARDS	64u	/* at most; no more than there are sets */
#define CACHE_RING	32u	/* uses of evicted users, per shard */
#define CACHE_LOCK_MS	50
#define CACHE_READ_TRIES 64

/*
 * What the sequence number guards.  A slot that was dropped keeps its
 * user_id, live 0, so that an unflushed use still has its user.
 */
struct payload {
	struct tenant	 tenant;
	uint64_t	 live;
};
#define PAYLOAD_WORDS	(sizeof(struct payload) / sizeof(uint64_t))

union payload_words {
	struct payload	 p;
	uint64_t	 w[PAYLOAD_WORDS];
};

/*
 * seq: odd while a writer is at it; written under the shard's lock.
 * ref: the CLOCK bit; set by readers, cleared under the lock.
 * used: epoch << USED_BITS | wall_us; by compare-and-swap, see
 * tenantused.c.
 */
struct slot {
	uint32_t	 seq;
	uint32_t	 ref;
	uint64_t	 used;
	uint64_t	 words[PAYLOAD_WORDS];
} __attribute__((aligned(64)));

/*
 * drop_ms: the newest drop of a user of this set; only grows, written
 * before the lock is taken.  hand: of the CLOCK, under the lock.
 */
struct set {
	int64_t		 drop_ms;
	uint32_t	 hand;
	struct slot	 slots[CACHE_WAYS];
} __attribute__((aligned(64)));

struct use {
	uint64_t	 user_id;
	int64_t		 wall_us;
};

/* Counters are relaxed atomics; the ring is under the lock. */
struct shard {
	pthread_mutex_t	 mutex;		/* robust, process-shared */
	uint32_t	 ring_len;
	struct use	 ring[CACHE_RING];
	struct tenantcache_stats stats __attribute__((aligned(64)));
} __attribute__((aligned(64)));

/* All but drop_all_ms is written once, by tenantcache_init. */
struct tenantcache {
	uint64_t	 magic;
	uint32_t	 version;
	uint32_t	 n_sets;
	uint32_t	 n_shards;
	uint32_t	 set_size;	/* sizeof(struct set) */
	unsigned char	 sip_key[16];
	int64_t		 drop_all_ms;	/* atomic maximum */
	struct shard	 shards[CACHE_SHARDS] __attribute__((aligned(64)));
	struct set	 sets[] __attribute__((aligned(64)));
};

_Static_assert(sizeof(struct payload) % sizeof(uint64_t) == 0,
    "a payload is whole words");
_Static_assert(sizeof(struct slot) == 384, "six cache lines a slot");
_Static_assert(sizeof(struct set) == 64 + CACHE_WAYS * 384,
    "a set is its head and its slots");

#define ATOMIC_LOAD(p)		__atomic_load_n((p), __ATOMIC_RELAXED)
#define ATOMIC_STORE(p, v)	__atomic_store_n((p), (v), __ATOMIC_RELAXED)
#define ATOMIC_ADD(p, v)	\
	((void)__atomic_fetch_add((p), (v), __ATOMIC_RELAXED))

static inline size_t
shard_of(const struct tenantcache *tc, size_t set)
{
	return set % tc->n_shards;
}

/* The user a slot belongs or belonged to, without any promise. */
static inline uint64_t
slot_user_hint(const struct slot *s)
{
	return ATOMIC_LOAD(&s->words[offsetof(struct payload,
	    tenant.user_id) / sizeof(uint64_t)]);
}

size_t	 set_of(const struct tenantcache *, uint64_t user_id);

/* Copies a slot out.  False: a writer was at it each time. */
bool	 slot_read(const struct slot *, union payload_words *ret);
/* The caller holds the lock of the shard: it may read plainly. */
void	 slot_peek_locked(const struct slot *, union payload_words *ret);
/* Returns the unflushed time of a user who had to leave the slot, or 0. */
int64_t	 slot_write_locked(struct slot *, const union payload_words *);

/* 0, or -1 when the lock was not to be had in CACHE_LOCK_MS. */
int	 shard_lock(struct tenantcache *, size_t shard)
	    __attribute__((warn_unused_result));
void	 shard_unlock(struct tenantcache *, size_t shard);

/* The slot changes its user, inside a write of it; as above. */
int64_t	 used_begin_locked(struct slot *);
/* The noted time, or 0. */
int64_t	 used_time(const struct slot *);
void	 used_park_locked(struct shard *, uint64_t user_id, int64_t wall_us);
void	 atomic_max(int64_t *, int64_t);

#endif
