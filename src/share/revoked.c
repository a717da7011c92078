/*
 * revoked: a set of hashes of what was ended before its time.
 *
 *	+------------------------------------------------+
 *	| header: SipHash key, n_slots, reach, count     |
 *	+------------------------------------------------+
 *	| hash[n_slots]   0 = free                       |
 *	| until[n_slots]  seconds; 0 = not yet written,  |
 *	|                 LEAVING = is being removed     |
 *	+------------------------------------------------+
 *
 * An id may be in any of the REACH_MAX slots from its home on, and all
 * of them up to the farthest ever used are looked at, so removing needs
 * no marks and moves nothing.  A wrong "revoked" needs two equal 64-bit
 * keyed hashes; a wrong "not revoked" must not be: an entry whose
 * writer was killed before it wrote `until` stays for ORPHAN_S.
 */
#include <assert.h>
#include <string.h>

#include "base/codec.h"
#include "share/revoked.h"

#define REACH_MAX	128u
#define LEAVING		INT64_C(-1)
#define ORPHAN_S	(30 * 86400)	/* no session lives longer unasked */
#define SLOTS_MAX	(1u << 28)

/*
 * reach: no id lies this far or farther from its home; only grows,
 * before the id is written.  count: about how many there are.
 */
struct revoked {
	unsigned char	 sip_key[16];	/* written once */
	uint64_t	 n_slots;	/* written once; a power of two */
	uint32_t	 reach;
	int64_t		 count;
	uint64_t	 words[] __attribute__((aligned(64)));
};

static uint64_t *
hash_at(const struct revoked *r, size_t i)
{
	return (uint64_t *)&r->words[i & (r->n_slots - 1)];
}

static int64_t *
until_at(const struct revoked *r, size_t i)
{
	return (int64_t *)&r->words[r->n_slots + (i & (r->n_slots - 1))];
}

size_t
revoked_size(size_t n_slots)
{
	assert(n_slots >= 8 && n_slots <= SLOTS_MAX &&
	    (n_slots & (n_slots - 1)) == 0);
	return sizeof(struct revoked) + n_slots * 2 * sizeof(uint64_t);
}

struct revoked *
revoked_init(void *mem, size_t n_slots)
{
	struct revoked *r = mem;

	assert((uintptr_t)mem % 64 == 0);
	random_bytes(r->sip_key, sizeof(r->sip_key));
	r->n_slots = n_slots;
	return r;
}

static uint64_t
hash_of(const struct revoked *r, const char *id)
{
	uint64_t hash = siphash24(r->sip_key, id, strlen(id));

	return hash != 0 ? hash : 1;
}

/* The farthest that an id may be from its home. */
static size_t
farthest(const struct revoked *r)
{
	return r->n_slots < REACH_MAX ? r->n_slots : REACH_MAX;
}

static size_t
reach_of(const struct revoked *r)
{
	size_t n = __atomic_load_n(&r->reach, __ATOMIC_SEQ_CST);

	return n < farthest(r) ? n : farthest(r);
}

/*
 * A later end wins.  False: the slot is being removed, or was given to
 * another hash meanwhile.
 */
static bool
extend(struct revoked *r, size_t slot, uint64_t hash, int64_t until_s)
{
	int64_t old = __atomic_load_n(until_at(r, slot), __ATOMIC_SEQ_CST);

	while (old != LEAVING && old < until_s)
		if (__atomic_compare_exchange_n(until_at(r, slot), &old,
		    until_s, false, __ATOMIC_SEQ_CST, __ATOMIC_SEQ_CST))
			break;
	return old != LEAVING &&
	    __atomic_load_n(hash_at(r, slot), __ATOMIC_SEQ_CST) == hash;
}

static bool
add_known(struct revoked *r, uint64_t hash, int64_t until_s)
{
	size_t i, n = reach_of(r);

	for (i = 0; i < n; i++)
		if (__atomic_load_n(hash_at(r, hash + i),
		    __ATOMIC_SEQ_CST) == hash &&
		    extend(r, hash + i, hash, until_s))
			return true;
	return false;
}

static void
reach_grow(struct revoked *r, uint32_t reach)
{
	uint32_t old = __atomic_load_n(&r->reach, __ATOMIC_SEQ_CST);

	while (old < reach && !__atomic_compare_exchange_n(&r->reach, &old,
	    reach, false, __ATOMIC_SEQ_CST, __ATOMIC_SEQ_CST))
		continue;
}

/* The slot is ours; a remover may still be about to write 0 there. */
static void
write_until(struct revoked *r, size_t slot, int64_t until_s)
{
	int64_t old = __atomic_load_n(until_at(r, slot), __ATOMIC_SEQ_CST);

	while (!__atomic_compare_exchange_n(until_at(r, slot), &old,
	    old > until_s ? old : until_s, false, __ATOMIC_SEQ_CST,
	    __ATOMIC_SEQ_CST))
		continue;
}

static int
add_new(struct revoked *r, uint64_t hash, int64_t until_s)
{
	uint64_t nobody;
	size_t i;

	for (i = 0; i < farthest(r); i++) {
		if (__atomic_load_n(hash_at(r, hash + i),
		    __ATOMIC_RELAXED) != 0)
			continue;
		reach_grow(r, (uint32_t)i + 1);
		nobody = 0;
		if (!__atomic_compare_exchange_n(hash_at(r, hash + i),
		    &nobody, hash, false, __ATOMIC_SEQ_CST,
		    __ATOMIC_SEQ_CST))
			continue;
		write_until(r, hash + i, until_s);
		return 0;
	}
	return -1;
}

int
revoked_add(struct revoked *r, const char *id, int64_t until_s)
{
	uint64_t hash = hash_of(r, id);

	if (until_s < 1)
		until_s = 1;
	if (add_known(r, hash, until_s))
		return 0;
	if (__atomic_fetch_add(&r->count, 1, __ATOMIC_RELAXED) >=
	    (int64_t)(r->n_slots / 4 * 3) || add_new(r, hash, until_s) == -1) {
		(void)__atomic_fetch_sub(&r->count, 1, __ATOMIC_RELAXED);
		return -1;
	}
	return 0;
}

bool
revoked_has(const struct revoked *r, const char *id)
{
	size_t i, n = reach_of(r);
	uint64_t hash;

	if (n == 0)
		return false;
	hash = hash_of(r, id);
	for (i = 0; i < n; i++)
		if (__atomic_load_n(hash_at(r, hash + i),
		    __ATOMIC_ACQUIRE) == hash)
			return true;
	return false;
}

/*
 * LEAVING first, so that nobody prolongs what goes; then the hash; then
 * 0, unless the slot has a new owner, who wrote its own time.
 */
static bool
sweep_slot(struct revoked *r, size_t i, int64_t now_s)
{
	int64_t until = __atomic_load_n(until_at(r, i), __ATOMIC_SEQ_CST);
	int64_t leaving = LEAVING;

	if (until <= 0) {
		/* its writer, or an earlier sweep, died at it */
		(void)__atomic_compare_exchange_n(until_at(r, i), &until,
		    now_s + ORPHAN_S, false, __ATOMIC_SEQ_CST,
		    __ATOMIC_SEQ_CST);
		return false;
	}
	if (until >= now_s || !__atomic_compare_exchange_n(until_at(r, i),
	    &until, LEAVING, false, __ATOMIC_SEQ_CST, __ATOMIC_SEQ_CST))
		return false;
	__atomic_store_n(hash_at(r, i), 0, __ATOMIC_SEQ_CST);
	(void)__atomic_compare_exchange_n(until_at(r, i), &leaving, 0, false,
	    __ATOMIC_SEQ_CST, __ATOMIC_SEQ_CST);
	return true;
}

void
revoked_sweep(struct revoked *r, int64_t now_s)
{
	int64_t before = __atomic_load_n(&r->count, __ATOMIC_RELAXED);
	int64_t live = 0;
	size_t i;

	for (i = 0; i < r->n_slots; i++)
		if (__atomic_load_n(hash_at(r, i), __ATOMIC_RELAXED) != 0)
			live += !sweep_slot(r, i, now_s);
	/* also corrects what killed writers left in the count */
	(void)__atomic_fetch_add(&r->count, live - before, __ATOMIC_RELAXED);
}

size_t
revoked_count(const struct revoked *r)
{
	int64_t n = __atomic_load_n(&r->count, __ATOMIC_RELAXED);

	return n > 0 ? (size_t)n : 0;
}
