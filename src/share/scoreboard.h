/*
 * scoreboard: one row per process, in shared memory.
 *
 * A worker writes its own row; the master clears the row when the
 * process is gone, so what a killed worker held counts no more.  Limits
 * are counted by scanning the rows.  Rows also carry the mailbox through
 * which a worker asks the keeper (share/ask.h).
 */
#ifndef SHARE_SCOREBOARD_H
#define SHARE_SCOREBOARD_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include "share/askbox.h"

enum proc_role {
	PROC_MASTER, PROC_WORKER, PROC_KEEPER, PROC_REGISTRAR, PROC_ROLE_MAX
};
enum proc_state {
	PROC_FREE,		/* the row is nobody's */
	PROC_STARTING, PROC_IDLE, PROC_READING, PROC_BUSY, PROC_WAITING,
	PROC_STREAMING, PROC_CLOSING, PROC_DRAINING, PROC_STATE_MAX
};

struct score {
	/* master writes, under no lock (it alone forks) */
	int32_t		 pid;
	uint32_t	 role;
	uint32_t	 generation;
	int64_t		 started_ms;	/* monotonic */
	/* the process writes (relaxed atomics) */
	uint32_t	 state;
	uint32_t	 streaming;	/* 1 while a stream is open */
	uint64_t	 user_id;	/* whose request, 0 = nobody's */
	uint64_t	 requests;	/* served since start */
	int64_t		 since_ms;	/* monotonic, start of the state */
	uint32_t	 route;		/* row of the route table */
	uint32_t	 pad;
	struct ask_box	 ask;
} __attribute__((aligned(64)));

struct scoreboard;

size_t	 scoreboard_size(size_t n_rows);
/* Formats zeroed memory of that size, aligned to 64. */
struct scoreboard *scoreboard_init(void *mem, size_t n_rows);
size_t	 scoreboard_rows(const struct scoreboard *);
struct score *scoreboard_row(struct scoreboard *, size_t i);

/*
 * Master: takes a free row, or NULL when all are taken.  Done before the
 * fork; the caller writes the pid into it afterwards, or clears it.
 */
struct score *scoreboard_take(struct scoreboard *, enum proc_role,
	    uint32_t generation, size_t *ret_index);
void	 scoreboard_clear(struct score *);

/* The process itself. */
void	 score_set_state(struct score *, enum proc_state);
void	 score_begin(struct score *, uint64_t user_id, bool streaming);
void	 score_end(struct score *);	/* request over: nobody's */

/* What user_id holds now, not counting `self`. */
void	 scoreboard_count_user(const struct scoreboard *, uint64_t user_id,
	    const struct score *self, unsigned *ret_requests,
	    unsigned *ret_streams);
/* How many rows of a role are in each state, of one generation or of
 * all. */
#define SCORE_ANY_GENERATION	UINT32_MAX
void	 scoreboard_count_states(const struct scoreboard *, enum proc_role,
	    uint32_t generation, unsigned ret[PROC_STATE_MAX]);
unsigned scoreboard_count_streams(const struct scoreboard *);

const char *proc_role_name(enum proc_role);
const char *proc_state_name(enum proc_state);

#endif
