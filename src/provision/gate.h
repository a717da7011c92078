/*
 * gate: whether registration may call the upstream at all.
 *
 * Faults that are not of one job - no admin key, the key refused, the
 * upstream unreachable, out of order, or asking to slow down - stop all
 * claims, so that jobs keep their attempts.  While it is shut, a cheap
 * probe at growing intervals opens it again.
 */
#ifndef PROVISION_GATE_H
#define PROVISION_GATE_H

#include <stdint.h>

#include "provision/answer.h"
#include "store/jobs.h"

/* Also the value of GAUGE_REGISTRAR_STATE. */
enum gate_state {
	GATE_OPEN,
	GATE_NO_KEY,		/* no admin key is configured */
	GATE_KEY_REFUSED,
	GATE_UNREACHABLE,
	GATE_ERRORS,		/* 5xx, time-outs */
	GATE_RATE,
	GATE_STATE_MAX
};

struct gate {
	enum gate_state	 state;
	unsigned	 failures;	/* probes in a row */
	int64_t		 since_ms, next_probe_ms;	/* monotonic */
	int		 refused_probe_ms;	/* interval of GATE_KEY_REFUSED */
	int		 base_ms, cap_ms;	/* of the other probes */
};

#define GATE_REFUSED_PROBE_MS	30000
#define GATE_PROBE_BASE_MS	500
#define GATE_PROBE_CAP_MS	15000

void	 gate_init(struct gate *);
/* Shuts, or notes one more failure.  retry_after_ms: of GATE_RATE. */
void	 gate_shut(struct gate *, enum gate_state, int64_t retry_after_ms);
/* As gate_shut, as if n probes had failed before: a brake. */
void	 gate_brake(struct gate *, enum gate_state, unsigned n);
void	 gate_open(struct gate *);
/* Milliseconds until a probe is due; 0 = now; -1 = never (GATE_NO_KEY). */
int64_t	 gate_probe_in_ms(const struct gate *);
/* The state that an outcome puts the gate into; GATE_OPEN: none. */
enum gate_state gate_of_outcome(enum admin_outcome);
enum job_reason gate_reason(enum gate_state);
const char *gate_state_name(enum gate_state);

/* Full jitter: a random time in [0, min(cap, base * 2^n)], never under
 * base / 2. */
int64_t	 backoff_ms(unsigned n, int64_t base_ms, int64_t cap_ms);
/* The upper bound of the same. */
int64_t	 backoff_bound_ms(unsigned n, int64_t base_ms, int64_t cap_ms);

#endif
