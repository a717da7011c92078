/*
 * breaker: the circuit breaker in front of the upstream.
 *
 *	state	one word: what | level | time
 *		what	2 bits	CLOSED, OPEN, PROBING
 *		level	6 bits	how often it stayed open, for the interval
 *		time	56 bits	ms: until when nobody may probe
 *	failed	a ring of words: user (32 bits of a hash) | ms (32 bits)
 *
 * Every change is one compare-and-swap from a state seen; one that was
 * overtaken does nothing.  Called by proxy for each call; a closed
 * breaker costs a call one load before and one after.
 */
#include <assert.h>

#include "proxy/breaker.h"

#define RING		16
#define LEVEL_MAX	5	/* 1 s << 5 is past 30 s */
#define TIME_MASK	((UINT64_C(1) << 56) - 1)

enum what { CLOSED, OPEN, PROBING };

struct breaker {
	uint64_t	 state;
	uint32_t	 n_failed;	/* words of the ring in use */
	uint32_t	 pad;
	uint64_t	 failed[RING];
};

static uint64_t
pack(enum what what, unsigned level, int64_t time_ms)
{
	return (uint64_t)what << 62 | (uint64_t)level << 56 |
	    ((uint64_t)time_ms & TIME_MASK);
}

static enum what
what_of(uint64_t state)
{
	return (enum what)(state >> 62);
}

static unsigned
level_of(uint64_t state)
{
	return (unsigned)(state >> 56) & 0x3f;
}

static int64_t
time_of(uint64_t state)
{
	return (int64_t)(state & TIME_MASK);
}

static int64_t
interval_ms(unsigned level)
{
	int64_t ms = (int64_t)BREAKER_OPEN_MIN_MS << level;

	return ms < BREAKER_OPEN_MAX_MS ? ms : BREAKER_OPEN_MAX_MS;
}

static uint64_t
load(const uint64_t *word)
{
	return __atomic_load_n(word, __ATOMIC_ACQUIRE);
}

static bool
swap(uint64_t *word, uint64_t seen, uint64_t want)
{
	return __atomic_compare_exchange_n(word, &seen, want, false,
	    __ATOMIC_ACQ_REL, __ATOMIC_ACQUIRE);
}

size_t
breaker_size(void)
{
	return sizeof(struct breaker);
}

struct breaker *
breaker_init(void *mem)
{
	assert((uintptr_t)mem % _Alignof(struct breaker) == 0);
	return mem;
}

bool
breaker_is_open(const struct breaker *b)
{
	return what_of(load(&b->state)) != CLOSED;
}

void
breaker_ask(struct breaker *b, int64_t now_ms, struct breaker_pass *ret)
{
	uint64_t state = load(&b->state), probing;

	*ret = (struct breaker_pass){ .verdict = BREAKER_PASS };
	if (what_of(state) == CLOSED)
		return;
	if (now_ms >= time_of(state)) {
		/* The probe's lease is one interval: if it is never heard of
		 * again, the next one follows then. */
		probing = pack(PROBING, level_of(state),
		    now_ms + interval_ms(level_of(state)));
		if (swap(&b->state, state, probing)) {
			ret->verdict = BREAKER_PROBE;
			ret->ticket = probing;
			return;
		}
		state = load(&b->state);
		if (what_of(state) == CLOSED)
			return;
	}
	ret->verdict = BREAKER_REFUSE;
	ret->retry_ms = time_of(state) > now_ms ?
	    (int)(time_of(state) - now_ms) : 1;
}

static uint32_t
user_hash(uint64_t user_id)
{
	/* Fibonacci hashing; never 0, which marks an empty word. */
	return (uint32_t)(user_id * UINT64_C(0x9e3779b97f4a7c15) >> 32) | 1;
}

static bool
is_recent(uint64_t word, uint32_t now)
{
	return word != 0 && now - (uint32_t)word <= BREAKER_WINDOW_MS;
}

/* Where this user's failure belongs: over the user's own word, an empty
 * or the oldest one. */
static size_t
place_of(const struct breaker *b, uint32_t hash, uint32_t now,
    uint64_t *ret_seen)
{
	uint32_t age, oldest = 0;
	size_t i, at = 0;
	uint64_t word;

	for (i = 0; i < RING; i++) {
		word = load(&b->failed[i]);
		if (word == 0 || (uint32_t)(word >> 32) == hash) {
			*ret_seen = word;
			return i;
		}
		age = now - (uint32_t)word;
		if (age >= oldest) {
			oldest = age;
			at = i;
			*ret_seen = word;
		}
	}
	return at;
}

static void
note_failure(struct breaker *b, uint64_t user_id, uint32_t now)
{
	uint32_t hash = user_hash(user_id);
	uint64_t seen = 0;
	size_t at;
	int tries;

	/* Somebody else may take the place first; each of them is noted, so
	 * a few tries are enough for what matters. */
	for (tries = 0; tries < RING; tries++) {
		at = place_of(b, hash, now, &seen);
		if (swap(&b->failed[at], seen, (uint64_t)hash << 32 | now))
			break;
	}
	__atomic_store_n(&b->n_failed, 1, __ATOMIC_RELEASE);
}

static unsigned
count_users(const struct breaker *b, uint32_t now)
{
	uint64_t word[RING];
	unsigned users = 0;
	size_t i, j;

	for (i = 0; i < RING; i++) {
		word[i] = load(&b->failed[i]);
		if (!is_recent(word[i], now))
			word[i] = 0;
		for (j = 0; j < i && (word[j] >> 32) != (word[i] >> 32); j++)
			continue;
		users += word[i] != 0 && j == i;
	}
	return users;
}

static void
forget_failures(struct breaker *b)
{
	size_t i;

	if (__atomic_load_n(&b->n_failed, __ATOMIC_ACQUIRE) == 0)
		return;
	__atomic_store_n(&b->n_failed, 0, __ATOMIC_RELEASE);
	for (i = 0; i < RING; i++)
		__atomic_store_n(&b->failed[i], 0, __ATOMIC_RELEASE);
}

/* A probe that was overtaken (its lease ran out) changes only this: an
 * upstream that answers is alive. */
static void
tell_probe(struct breaker *b, uint64_t ticket, enum breaker_outcome outcome,
    int64_t now_ms)
{
	uint64_t state;
	unsigned level;

	if (outcome == BREAKER_ALIVE) {
		forget_failures(b);
		for (state = load(&b->state); what_of(state) != CLOSED;
		    state = load(&b->state)) {
			if (swap(&b->state, state, pack(CLOSED, 0, 0)))
				return;
		}
	} else if (outcome == BREAKER_DEAD) {
		level = level_of(ticket);
		level += level < LEVEL_MAX;
		(void)swap(&b->state, ticket, pack(OPEN, level,
		    now_ms + interval_ms(level)));
	}
}

void
breaker_tell(struct breaker *b, const struct breaker_pass *pass,
    enum breaker_outcome outcome, uint64_t user_id, int64_t now_ms)
{
	uint64_t state;

	assert(pass->verdict != BREAKER_REFUSE);
	if (pass->verdict == BREAKER_PROBE) {
		tell_probe(b, pass->ticket, outcome, now_ms);
		return;
	}
	state = load(&b->state);
	if (outcome == BREAKER_UNKNOWN || what_of(state) != CLOSED)
		return;
	if (outcome == BREAKER_ALIVE) {
		forget_failures(b);
		return;
	}
	note_failure(b, user_id, (uint32_t)now_ms);
	if (count_users(b, (uint32_t)now_ms) >= BREAKER_USERS)
		(void)swap(&b->state, state, pack(OPEN, 0,
		    now_ms + interval_ms(0)));
}
