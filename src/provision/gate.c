/*
 * gate: one switch for faults that stop every registration alike.
 *
 * Held by the registration loop, in this process only: two registrars
 * find out for themselves.  Makes no calls; says when a probe is due.
 */
#include "provision/gate.h"

#include <assert.h>
#include <string.h>

#include "base/clock.h"
#include "base/codec.h"

/* name, and what a waiting job shows to its user */
static const struct gate_row {
	const char	*name;
	enum job_reason	 reason;
} rows[GATE_STATE_MAX] = {
	[GATE_OPEN] = { "open", REASON_NONE },
	[GATE_NO_KEY] = { "no_admin_key", REASON_ADMIN_KEY },
	[GATE_KEY_REFUSED] = { "admin_key_refused", REASON_ADMIN_KEY },
	[GATE_UNREACHABLE] = { "upstream_unreachable", REASON_UNREACHABLE },
	[GATE_ERRORS] = { "upstream_error", REASON_UPSTREAM_ERROR },
	[GATE_RATE] = { "upstream_rate", REASON_RATE },
};

void
gate_init(struct gate *gate)
{
	memset(gate, 0, sizeof(*gate));
	gate->refused_probe_ms = GATE_REFUSED_PROBE_MS;
	gate->base_ms = GATE_PROBE_BASE_MS;
	gate->cap_ms = GATE_PROBE_CAP_MS;
}

void
gate_shut(struct gate *gate, enum gate_state state, int64_t retry_after_ms)
{
	int64_t	 now = clock_mono_ms(), wait;

	assert(state != GATE_OPEN && state < GATE_STATE_MAX);
	if (gate->state != state) {
		gate->since_ms = now;
		gate->failures = 0;
	}
	gate->state = state;
	if (state == GATE_RATE)
		wait = retry_after_ms;
	else if (state == GATE_KEY_REFUSED)
		wait = gate->refused_probe_ms;
	else
		wait = backoff_ms(gate->failures, gate->base_ms, gate->cap_ms);
	gate->failures++;
	gate->next_probe_ms = now + wait;
}

void
gate_brake(struct gate *gate, enum gate_state state, unsigned n)
{
	if (gate->state != state)
		gate->since_ms = clock_mono_ms();
	gate->state = state;
	gate->failures = n;
	gate_shut(gate, state, 0);
}

void
gate_open(struct gate *gate)
{
	gate->state = GATE_OPEN;
	gate->failures = 0;
}

int64_t
gate_probe_in_ms(const struct gate *gate)
{
	int64_t	 left;

	if (gate->state == GATE_OPEN)
		return 0;
	if (gate->state == GATE_NO_KEY)
		return -1;
	left = gate->next_probe_ms - clock_mono_ms();
	return left > 0 ? left : 0;
}

enum gate_state
gate_of_outcome(enum admin_outcome outcome)
{
	static const enum gate_state of[ADMIN_OUTCOME_MAX] = {
		[ADMIN_OK] = GATE_OPEN,
		[ADMIN_NOT_EXECUTED] = GATE_UNREACHABLE,
		[ADMIN_REFUSED] = GATE_KEY_REFUSED,
		[ADMIN_RATE] = GATE_RATE,
		[ADMIN_REJECTED] = GATE_OPEN,
		[ADMIN_GONE] = GATE_OPEN,
		[ADMIN_UNKNOWN] = GATE_ERRORS,
	};

	assert(outcome < ADMIN_OUTCOME_MAX);
	return of[outcome];
}

enum job_reason
gate_reason(enum gate_state state)
{
	assert(state < GATE_STATE_MAX);
	return rows[state].reason;
}

const char *
gate_state_name(enum gate_state state)
{
	assert(state < GATE_STATE_MAX);
	return rows[state].name;
}

int64_t
backoff_bound_ms(unsigned n, int64_t base_ms, int64_t cap_ms)
{
	int64_t	 bound = base_ms;

	assert(base_ms > 0 && cap_ms > 0);
	while (n-- > 0 && bound < cap_ms)
		bound *= 2;
	return bound < cap_ms ? bound : cap_ms;
}

int64_t
backoff_ms(unsigned n, int64_t base_ms, int64_t cap_ms)
{
	int64_t		 bound = backoff_bound_ms(n, base_ms, cap_ms);
	int64_t		 floor_ms = base_ms / 2;
	uint64_t	 random;

	if (floor_ms > bound)
		floor_ms = bound;
	random_bytes(&random, sizeof(random));
	return floor_ms +
	    (int64_t)(random % (uint64_t)(bound - floor_ms + 1));
}
