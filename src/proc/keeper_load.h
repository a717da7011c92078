/*
 * keeper_load: answers the workers' questions from the database.
 */
#ifndef PROC_KEEPER_LOAD_H
#define PROC_KEEPER_LOAD_H

#include <stdbool.h>
#include <stdint.h>

#include "share/ask.h"
#include "share/counters.h"
#include "share/tenantcache.h"
#include "store/db.h"
#include "vault/bootkey.h"
#include "vault/keyring.h"

struct keeper_loader {
	struct db	*db;
	const struct keyring *ring;
	const struct bootkey *bootkey;
	struct tenantcache *cache;
	struct counters	*counters;
	int64_t		 ttl_ms;
	/* The database was away: do not try again before. */
	int64_t		 retry_ms;
};

/* 0 = connected; -1 = away, at once when it was away a moment ago. */
int	 keeper_loader_connect(struct keeper_loader *);
/* What the last statements showed of the database. */
void	 keeper_loader_note(struct keeper_loader *, bool up);
/* For ask_serve(); arg is the loader. */
int	 keeper_loader_answer(void *arg, const struct ask_question *,
	    struct ask_answer *ret);

#endif
