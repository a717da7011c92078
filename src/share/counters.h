/*
 * counters: monotonic counters and fixed-bucket histograms in shared
 * memory, for /metrics.
 *
 * Relaxed atomic adds; one block for all processes of the host; it lives
 * over reloads.
 */
#ifndef SHARE_COUNTERS_H
#define SHARE_COUNTERS_H

#include <stddef.h>
#include <stdint.h>

#define COUNTERS_ROUTES_MAX	128
#define COUNTERS_BUCKETS	14

enum counter {
	CNT_CACHE_HIT, CNT_CACHE_MISS, CNT_CACHE_STALE, CNT_CACHE_REJECT,
	CNT_ASK_TIMEOUT,
	CNT_STREAM_OPENED, CNT_STREAM_DONE, CNT_STREAM_CLIENT_GONE,
	CNT_STREAM_UPSTREAM_BROKEN, CNT_STREAM_NO_DONE, CNT_STREAM_TIMEOUT,
	CNT_STREAM_STALLED,
	CNT_UPSTREAM_2XX, CNT_UPSTREAM_3XX, CNT_UPSTREAM_4XX,
	CNT_UPSTREAM_5XX, CNT_UPSTREAM_FAILED, CNT_UPSTREAM_TIMEOUT,
	CNT_UPSTREAM_RETRY, CNT_KEY_ECHO,
	CNT_REJECT_AUTH, CNT_REJECT_RATE, CNT_REJECT_CONCURRENCY,
	CNT_REJECT_OVERLOAD, CNT_REJECT_BREAKER, CNT_REJECT_PENDING,
	CNT_REJECT_INPUT, CNT_BAD_CONNECTION,
	CNT_SIGNIN_OK, CNT_SIGNIN_FAILED,
	CNT_WORKER_STARTED, CNT_WORKER_CRASHED, CNT_KEEPER_RESTARTED,
	CNT_REGISTRAR_RESTARTED, CNT_RELOADS, CNT_RELOADS_FAILED,
	CNT_REG_DONE, CNT_REG_UNKNOWN, CNT_REG_FENCED, CNT_REG_FAILED,
	CNT_LAST_USED_WRITTEN, CNT_LOG_DROPPED,
	CNT_MAX
};

/* Values that go up and down, written by one process. */
enum gauge {
	GAUGE_REG_READY, GAUGE_REG_WORKING, GAUGE_REG_HELD, GAUGE_REG_DONE,
	GAUGE_REG_OLDEST_S, GAUGE_ORPHANS, GAUGE_KEEPER_LAG_MS,
	GAUGE_BREAKER_OPEN, GAUGE_DB_OK, GAUGE_REGISTRAR_STATE,
	GAUGE_UPSTREAM_OK, GAUGE_MAX
};

struct histogram {
	/* each counts its own range alone; last: +Inf */
	uint64_t	 bucket[COUNTERS_BUCKETS + 1];
	uint64_t	 sum_us;
};

enum histo {
	HISTO_REQUEST, HISTO_OVERHEAD, HISTO_UPSTREAM, HISTO_QUEUE, HISTO_MAX
};

struct counters {
	uint64_t	 count[CNT_MAX];
	int64_t		 gauge[GAUGE_MAX];
	/* answers by route and status class 0..5 (0: aborted); the last
	 * row is for what is no route */
	uint64_t	 route[COUNTERS_ROUTES_MAX][6];
	struct histogram histo[HISTO_MAX];
	uint32_t	 bind_seq;	/* a futex: one more for each bound
					   account */
	int64_t		 keeper_seen_ms, registrar_seen_ms; /* monotonic */
};

/* Upper bounds of the buckets in microseconds. */
extern const int64_t counters_bounds_us[COUNTERS_BUCKETS];

void	 counters_add(struct counters *, enum counter, uint64_t);
void	 counters_set(struct counters *, enum gauge, int64_t);
int64_t	 counters_gauge(const struct counters *, enum gauge);
void	 counters_observe(struct counters *, enum histo, int64_t us);
void	 counters_answer(struct counters *, size_t route, int status);

#endif
