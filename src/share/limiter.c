/*
 * limiter: token buckets as one time each (GCRA).
 *
 *	+-----------------------------+
 *	| header: SipHash key, n_sets |
 *	+-----------------------------+
 *	| set 0: 8 words, 64 bytes    |  word = tag, 16 bits | time, 48
 *	| ...                         |
 *	+-----------------------------+
 *
 * The time is when the bucket will be full again, in microseconds of
 * the monotonic clock; a bucket that is full now is the same as none,
 * so its word is free for another key.  What is read here is clamped to
 * what the caller's own limit could have made: a wild word costs its
 * user one burst, not a day.  Called by workers; must not block.
 */
#include <assert.h>

#include "base/codec.h"
#include "share/limiter.h"

#define WAYS		8u
#define TIME_BITS	48
#define TIME_MAX	((UINT64_C(1) << TIME_BITS) - 1)
#define SETS_MAX	(1u << 24)

struct limiter {
	unsigned char	 sip_key[16];	/* written once */
	uint32_t	 n_sets;	/* written once */
	uint64_t	 words[] __attribute__((aligned(64)));
};

/* One question, in the units of the table. */
struct want {
	uint64_t	 now_us, period_us, burst_us;
	uint64_t	 tag;		/* never 0 */
};

static size_t
sets_for(size_t n_slots)
{
	size_t n = n_slots / WAYS + (n_slots % WAYS != 0);

	assert(n <= SETS_MAX);
	return n > 0 ? n : 1;
}

size_t
limiter_size(size_t n_slots)
{
	return sizeof(struct limiter) +
	    sets_for(n_slots) * WAYS * sizeof(uint64_t);
}

struct limiter *
limiter_init(void *mem, size_t n_slots)
{
	struct limiter *l = mem;

	assert((uintptr_t)mem % 64 == 0);
	random_bytes(l->sip_key, sizeof(l->sip_key));
	l->n_sets = (uint32_t)sets_for(n_slots);
	return l;
}

static uint64_t
tag_of(uint64_t word)
{
	return word >> TIME_BITS;
}

static uint64_t
time_of(uint64_t word)
{
	return word & TIME_MAX;
}

/*
 * The word for this key: its own, else a free one, else (eight busy
 * keys are here) one that it must share.  *ret_old is what was read.
 */
static uint64_t *
find(uint64_t *set, const struct want *w, uint64_t *ret_old)
{
	uint64_t *free_word = NULL, word, free_old = 0;
	size_t i;

	for (i = 0; i < WAYS; i++) {
		word = __atomic_load_n(&set[i], __ATOMIC_RELAXED);
		if (tag_of(word) == w->tag) {
			*ret_old = word;
			return &set[i];
		}
		if (free_word == NULL && time_of(word) <= w->now_us) {
			free_word = &set[i];
			free_old = word;
		}
	}
	if (free_word == NULL) {
		free_word = &set[w->tag % WAYS];
		free_old = __atomic_load_n(free_word, __ATOMIC_RELAXED);
	}
	*ret_old = free_old;
	return free_word;
}

/*
 * When the bucket is full again after this token.  When there is no
 * token, the time it has, and *ret_wait_us says for how long.
 */
static uint64_t
full_again(uint64_t old, const struct want *w, uint64_t *ret_wait_us)
{
	uint64_t full_us = time_of(old), empty_us = w->now_us + w->burst_us;

	if (full_us < w->now_us)
		full_us = w->now_us;
	if (full_us > empty_us)
		full_us = empty_us;
	*ret_wait_us = 0;
	if (full_us + w->period_us <= empty_us)
		return full_us + w->period_us;
	*ret_wait_us = full_us + w->period_us - empty_us;
	return full_us;
}

static int64_t
take(uint64_t *set, const struct want *w)
{
	uint64_t *word, old, new, tag, wait_us;

	for (;;) {
		word = find(set, w, &old);
		/* a shared word stays under the name it has */
		tag = time_of(old) > w->now_us ? tag_of(old) : w->tag;
		new = tag << TIME_BITS |
		    (full_again(old, w, &wait_us) & TIME_MAX);
		/* with no token to take, there may be a time to clamp */
		if (new == old || __atomic_compare_exchange_n(word, &old, new,
		    false, __ATOMIC_RELAXED, __ATOMIC_RELAXED))
			return (int64_t)((wait_us + 999) / 1000);
	}
}

int64_t
limiter_take(struct limiter *l, uint64_t key, uint64_t rate_milli,
    unsigned burst, int64_t now_ms)
{
	uint64_t hash = siphash24(l->sip_key, &key, sizeof(key));
	struct want w;
	size_t set;

	if (rate_milli == 0)
		return 0;
	set = (size_t)(((unsigned __int128)hash * l->n_sets) >> 64);
	w.now_us = now_ms > 0 ? (uint64_t)now_ms * 1000 : 0;
	w.period_us = UINT64_C(1000000000) / rate_milli;
	if (w.period_us == 0)
		w.period_us = 1;
	w.burst_us = w.period_us * (burst > 0 ? burst : 1);
	if (w.burst_us > TIME_MAX / 2)
		w.burst_us = TIME_MAX / 2;
	w.tag = hash & 0xffff;
	if (w.tag == 0)
		w.tag = 1;
	return take(&l->words[set * WAYS], &w);
}
