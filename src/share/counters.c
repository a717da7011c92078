/*
 * counters: relaxed atomic adds on one shared block.
 *
 * Any process adds; the one that answers /metrics reads.  A number read
 * while others add is some recent value, which is all that metrics
 * need.  Must not be used to decide anything.
 */
#include <assert.h>

#include "share/counters.h"

/* 100 us to 60 s, close together where requests are. */
const int64_t counters_bounds_us[COUNTERS_BUCKETS] = {
	100, 250, 500,
	1000, 2500, 5000,
	10000, 50000,
	100000, 500000,
	1000000, 5000000,
	10000000, 60000000
};

static void
add(uint64_t *p, uint64_t n)
{
	(void)__atomic_fetch_add(p, n, __ATOMIC_RELAXED);
}

void
counters_add(struct counters *c, enum counter which, uint64_t n)
{
	assert(which < CNT_MAX);
	add(&c->count[which], n);
}

void
counters_set(struct counters *c, enum gauge which, int64_t value)
{
	assert(which < GAUGE_MAX);
	__atomic_store_n(&c->gauge[which], value, __ATOMIC_RELAXED);
}

int64_t
counters_gauge(const struct counters *c, enum gauge which)
{
	assert(which < GAUGE_MAX);
	return __atomic_load_n(&c->gauge[which], __ATOMIC_RELAXED);
}

void
counters_observe(struct counters *c, enum histo which, int64_t us)
{
	size_t i;

	assert(which < HISTO_MAX);
	if (us < 0)
		us = 0;
	for (i = 0; i < COUNTERS_BUCKETS; i++)
		if (us <= counters_bounds_us[i])
			break;
	add(&c->histo[which].bucket[i], 1);
	add(&c->histo[which].sum_us, (uint64_t)us);
}

void
counters_answer(struct counters *c, size_t route, int status)
{
	size_t class = status >= 100 && status <= 599 ?
	    (size_t)status / 100 : 0;

	/* the last row is for what is no route */
	if (route >= COUNTERS_ROUTES_MAX)
		route = COUNTERS_ROUTES_MAX - 1;
	add(&c->route[route][class], 1);
}
