/*
 * ask: how a worker asks the keeper, and how the keeper answers.
 *
 * No queue: the worker writes its question into the mailbox of its own
 * scoreboard row, sets the state to WANT and pokes the keeper's eventfd;
 * the keeper scans all rows, loads each user once for all who ask, fills
 * the boxes and wakes the sleepers (futex).  A question survives a
 * keeper that dies: its successor scans too.  Each question has a
 * ticket, so a late answer never fits the next question, and each
 * answer a check sum under its ticket, so that two keepers (one that was
 * replaced and did not know) cannot mix theirs.
 */
#ifndef SHARE_ASK_H
#define SHARE_ASK_H

#include <stdint.h>

#include "share/scoreboard.h"

enum ask_status {
	ASK_OK,			/* the answer is in the box */
	ASK_ABSENT,		/* there is no such key */
	ASK_UNAVAILABLE		/* the database does not answer */
};

#define ASK_TIMED_OUT	(-1)

/*
 * The worker's side.  Waits at most timeout_ms.  An ask_status, or
 * ASK_TIMED_OUT; ret is written with ASK_OK alone.  keeper_fd: an
 * eventfd, non-blocking.
 */
int	 ask_tenant(struct score *self, int keeper_fd, uint64_t user_id,
	    int timeout_ms, struct ask_answer *ret);
int	 ask_apikey(struct score *self, int keeper_fd,
	    const unsigned char hash[ASK_HASH_LEN], int timeout_ms,
	    struct ask_answer *ret);
int	 ask_repair(struct score *self, int keeper_fd, uint64_t user_id,
	    uint32_t key_gen, int timeout_ms);

/*
 * The keeper's side: calls answer once for every different open
 * question, however many ask it, and not for one whose askers gave up.
 * answer fills ret, which comes zeroed, and returns an ask_status.  It
 * should look into the cache before it loads: who asked while another's
 * load was under way is served in the next call.  Returns how many
 * boxes were answered.
 */
unsigned ask_serve(struct scoreboard *,
	    int (*answer)(void *, const struct ask_question *,
	    struct ask_answer *ret), void *);
/*
 * Opens again what a keeper took up and did not answer; to be called
 * when a keeper has died (by its successor at its start, or by the
 * master).  Otherwise those askers wait until their time is over.
 */
void	 ask_requeue(struct scoreboard *);

#endif
