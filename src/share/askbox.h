/*
 * askbox: the mailbox in a row of the scoreboard (see share/ask.h).
 *
 * The asker writes question, the keeper answer, status and seal; `word`
 * says whose turn it is.  Question and answer are whole 64-bit words,
 * copied as relaxed atomics.
 */
#ifndef SHARE_ASKBOX_H
#define SHARE_ASKBOX_H

#include <stdint.h>

#include "share/tenantcache.h"

#define ASK_HASH_LEN	32

enum ask_kind {
	ASK_TENANT = 1,		/* by user id */
	ASK_APIKEY,		/* by hash of a personal key: whose is it */
	ASK_REPAIR		/* the upstream refused this user's key */
};

struct ask_question {
	enum ask_kind	 kind;
	uint32_t	 key_gen;	/* ASK_REPAIR */
	uint64_t	 user_id;	/* ASK_TENANT, ASK_REPAIR */
	unsigned char	 hash[ASK_HASH_LEN];	/* ASK_APIKEY */
};

struct ask_answer {
	struct tenant	 tenant;	/* ASK_TENANT, ASK_APIKEY */
	uint64_t	 apikey_id;	/* ASK_APIKEY */
	uint32_t	 config_type;	/* ASK_APIKEY */
	uint32_t	 pad;
};

struct ask_box {
	uint32_t		 word;	/* ticket << 3 | state; a futex */
	int32_t			 status;
	uint64_t		 seal;	/* over ticket, status, answer */
	struct ask_question	 question;
	struct ask_answer	 answer;
};

_Static_assert(sizeof(struct ask_question) == 48 &&
    sizeof(struct ask_answer) % 8 == 0, "both are whole words");

#endif
