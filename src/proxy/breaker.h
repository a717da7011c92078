/*
 * breaker: the circuit breaker in front of the upstream, in shared
 * memory, for all workers of the host.
 *
 * Opens when three different users met a dead upstream (no connection,
 * time-out before the first byte, 502, 503, 504) within ten seconds and
 * nobody met a living one in between; a 500 is a living one.  While open
 * everybody is refused but one probe per interval (1 s, doubling to
 * 30 s).  Words changed by compare-and-swap only: nobody can die holding
 * it, and a probe whose process died gives way after one interval.
 */
#ifndef PROXY_BREAKER_H
#define PROXY_BREAKER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define BREAKER_USERS		3
#define BREAKER_WINDOW_MS	10000
#define BREAKER_OPEN_MIN_MS	1000
#define BREAKER_OPEN_MAX_MS	30000

struct breaker;

enum breaker_verdict { BREAKER_PASS, BREAKER_PROBE, BREAKER_REFUSE };
enum breaker_outcome {
	BREAKER_ALIVE,		/* answered, be it with a 500 */
	BREAKER_DEAD,
	BREAKER_UNKNOWN		/* the client left, or the fault is ours */
};

/* One per call; filled by breaker_ask. */
struct breaker_pass {
	enum breaker_verdict verdict;
	uint64_t	 ticket;	/* of a probe */
	int		 retry_ms;	/* of a refusal */
};

size_t	 breaker_size(void);
/* Formats zeroed shared memory of that size. */
struct breaker *breaker_init(void *mem);
/* now_ms is monotonic (clock_mono_ms). */
void	 breaker_ask(struct breaker *, int64_t now_ms,
	    struct breaker_pass *ret);
/* Tells how a call that was let through went; once per call. */
void	 breaker_tell(struct breaker *, const struct breaker_pass *,
	    enum breaker_outcome, uint64_t user_id, int64_t now_ms);
bool	 breaker_is_open(const struct breaker *);

#endif
