/*
 * ask: how a worker asks the keeper, and how the keeper answers.
 *
 * No queue: the worker writes its question into the mailbox of its own
 * scoreboard row, sets the state to WANT and pokes the keeper's eventfd;
 * the keeper scans all rows, loads each user once for all who ask, fills
 * the boxes and wakes the sleepers (futex).  A question survives a
 * keeper that dies: its successor scans too.  Each question has a
 * ticket, so a late answer never fits the next question.
 */
#ifndef SHARE_ASK_H
#define SHARE_ASK_H

#include <stdint.h>

#include "share/scoreboard.h"

enum ask_kind {
	ASK_TENANT = 1,		/* by user id */
	ASK_APIKEY,		/* by hash of a personal key: whose is it */
	ASK_REPAIR		/* the upstream refused this user's key */
};

enum ask_status {
	ASK_OK,			/* the answer is in the box */
	ASK_ABSENT,		/* there is no such key */
	ASK_UNAVAILABLE		/* the database does not answer */
};

#define ASK_TIMED_OUT	(-1)

/* The worker's side. */
struct ask_answer {
	struct tenant	 tenant;	/* ASK_TENANT, ASK_APIKEY */
	uint64_t	 apikey_id;	/* ASK_APIKEY */
	uint32_t	 config_type;	/* ASK_APIKEY */
};
/* Waits at most timeout_ms.  An ask_status, or ASK_TIMED_OUT. */
int	 ask_tenant(struct score *self, int keeper_fd, uint64_t user_id,
	    int timeout_ms, struct ask_answer *ret);
int	 ask_apikey(struct score *self, int keeper_fd,
	    const unsigned char hash[ASK_HASH_LEN], int timeout_ms,
	    struct ask_answer *ret);
int	 ask_repair(struct score *self, int keeper_fd, uint64_t user_id,
	    uint32_t key_gen, int timeout_ms);

/* The keeper's side: calls answer for every open question.  answer
 * fills ret and returns an ask_status. */
struct ask_question {
	enum ask_kind	 kind;
	uint64_t	 user_id;
	uint32_t	 key_gen;	/* ASK_REPAIR */
	unsigned char	 hash[ASK_HASH_LEN];
};
/* Returns how many were answered. */
unsigned ask_serve(struct scoreboard *,
	    int (*answer)(void *, const struct ask_question *,
	    struct ask_answer *ret), void *);

#endif
