/*
 * limiter: token buckets in shared memory, by 64-bit key.
 *
 * Used per user (requests per second) and per client address (sign-in).
 * A fixed table; a bucket is one 64-bit word changed by compare-and-
 * swap, so nobody can die holding it.  Two keys that meet in one bucket
 * share it: with the 8-way sets this needs nine busy keys in a set.
 */
#ifndef SHARE_LIMITER_H
#define SHARE_LIMITER_H

#include <stddef.h>
#include <stdint.h>

struct limiter;

size_t	 limiter_size(size_t n_slots);
struct limiter *limiter_init(void *mem, size_t n_slots);
/*
 * Takes one token of key's bucket, which refills with rate_milli
 * thousandths of a token per second (10 per second = 10000, 30 per
 * minute = 500; 0 = no limit) and holds burst, at least one.  0 = taken,
 * otherwise the milliseconds until there is one.
 */
int64_t	 limiter_take(struct limiter *, uint64_t key, uint64_t rate_milli,
	    unsigned burst, int64_t now_ms);

#endif
