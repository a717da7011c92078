/*
 * scoreboard: who is there and what he is at.
 *
 *	+---------------------+
 *	| header: n_rows      |
 *	+---------------------+
 *	| struct score 0      |  one per process, 64-byte aligned
 *	| ...                 |
 *	+---------------------+
 *
 * No locks: the master alone takes and clears rows, each process writes
 * its own, readers count what they see at the moment.  A state that a
 * process wrote is checked before it indexes anything.  Called by all
 * processes.
 */
#include <assert.h>
#include <string.h>

#include "base/clock.h"
#include "base/secret.h"
#include "share/askbox_private.h"
#include "share/scoreboard.h"

#define ROWS_MAX	(1u << 20)

struct scoreboard {
	size_t		 n_rows;	/* written once */
	struct score	 rows[];
};

static const char *const role_names[PROC_ROLE_MAX] = {
	[PROC_MASTER] = "master",
	[PROC_WORKER] = "worker",
	[PROC_KEEPER] = "keeper",
	[PROC_REGISTRAR] = "registrar",
};

static const char *const state_names[PROC_STATE_MAX] = {
	[PROC_FREE] = "free",
	[PROC_STARTING] = "starting",
	[PROC_IDLE] = "idle",
	[PROC_READING] = "reading",
	[PROC_BUSY] = "busy",
	[PROC_WAITING] = "waiting",
	[PROC_STREAMING] = "streaming",
	[PROC_CLOSING] = "closing",
	[PROC_DRAINING] = "draining",
};

#define LOAD(p)		__atomic_load_n((p), __ATOMIC_RELAXED)
#define STORE(p, v)	__atomic_store_n((p), (v), __ATOMIC_RELAXED)

size_t
scoreboard_size(size_t n_rows)
{
	assert(n_rows <= ROWS_MAX);
	return sizeof(struct scoreboard) + n_rows * sizeof(struct score);
}

struct scoreboard *
scoreboard_init(void *mem, size_t n_rows)
{
	struct scoreboard *sb = mem;

	assert((uintptr_t)mem % 64 == 0);
	sb->n_rows = n_rows;
	return sb;
}

size_t
scoreboard_rows(const struct scoreboard *sb)
{
	return sb->n_rows;
}

struct score *
scoreboard_row(struct scoreboard *sb, size_t i)
{
	assert(i < sb->n_rows);
	return &sb->rows[i];
}

struct score *
scoreboard_take(struct scoreboard *sb, enum proc_role role,
    uint32_t generation, size_t *ret_index)
{
	struct score *s;
	size_t i;

	for (i = 0; i < sb->n_rows; i++) {
		s = &sb->rows[i];
		if (LOAD(&s->state) != PROC_FREE)
			continue;
		STORE(&s->role, (uint32_t)role);
		STORE(&s->generation, generation);
		STORE(&s->started_ms, clock_mono_ms());
		score_set_state(s, PROC_STARTING);
		if (ret_index != NULL)
			*ret_index = i;
		return s;
	}
	return NULL;
}

/*
 * The process is gone.  Its mailbox gets a new ticket, so that an
 * answer still on its way reaches nobody.
 */
void
scoreboard_clear(struct score *s)
{
	(void)box_new_ticket(&s->ask);
	wipe(&s->ask.question, sizeof(s->ask.question));
	wipe(&s->ask.answer, sizeof(s->ask.answer));
	STORE(&s->pid, 0);
	STORE(&s->role, 0);
	STORE(&s->generation, 0);
	STORE(&s->started_ms, 0);
	STORE(&s->streaming, 0);
	STORE(&s->user_id, 0);
	STORE(&s->requests, 0);
	STORE(&s->since_ms, 0);
	STORE(&s->route, 0);
	__atomic_store_n(&s->state, PROC_FREE, __ATOMIC_RELEASE);
}

void
score_set_state(struct score *s, enum proc_state state)
{
	assert(state < PROC_STATE_MAX);
	STORE(&s->since_ms, clock_mono_ms());
	STORE(&s->state, (uint32_t)state);
}

/*
 * Sequentially consistent, as is the counting: of two workers that
 * begin for one user and then count, one at least sees the other.
 */
void
score_begin(struct score *s, uint64_t user_id, bool streaming)
{
	__atomic_store_n(&s->streaming, streaming, __ATOMIC_SEQ_CST);
	__atomic_store_n(&s->user_id, user_id, __ATOMIC_SEQ_CST);
}

void
score_end(struct score *s)
{
	STORE(&s->user_id, 0);
	STORE(&s->streaming, 0);
	STORE(&s->requests, LOAD(&s->requests) + 1);
}

void
scoreboard_count_user(const struct scoreboard *sb, uint64_t user_id,
    const struct score *self, unsigned *ret_requests, unsigned *ret_streams)
{
	unsigned requests = 0, streams = 0;
	const struct score *s;
	size_t i;

	for (i = 0; i < sb->n_rows; i++) {
		s = &sb->rows[i];
		if (s == self || user_id == 0 ||
		    __atomic_load_n(&s->user_id, __ATOMIC_SEQ_CST) != user_id)
			continue;
		requests++;
		streams += __atomic_load_n(&s->streaming,
		    __ATOMIC_SEQ_CST) != 0;
	}
	*ret_requests = requests;
	*ret_streams = streams;
}

void
scoreboard_count_states(const struct scoreboard *sb, enum proc_role role,
    uint32_t generation, unsigned ret[PROC_STATE_MAX])
{
	const struct score *s;
	uint32_t state;
	size_t i;

	memset(ret, 0, PROC_STATE_MAX * sizeof(ret[0]));
	for (i = 0; i < sb->n_rows; i++) {
		s = &sb->rows[i];
		state = LOAD(&s->state);
		if (state == PROC_FREE || state >= PROC_STATE_MAX ||
		    LOAD(&s->role) != (uint32_t)role)
			continue;
		if (generation == SCORE_ANY_GENERATION ||
		    LOAD(&s->generation) == generation)
			ret[state]++;
	}
}

unsigned
scoreboard_count_streams(const struct scoreboard *sb)
{
	unsigned n = 0;
	size_t i;

	for (i = 0; i < sb->n_rows; i++)
		n += LOAD(&sb->rows[i].streaming) != 0;
	return n;
}

const char *
proc_role_name(enum proc_role role)
{
	return role < PROC_ROLE_MAX ? role_names[role] : "unknown";
}

const char *
proc_state_name(enum proc_state state)
{
	return state < PROC_STATE_MAX ? state_names[state] : "unknown";
}
