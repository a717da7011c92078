/*
 * changes: what every host must hear of within two seconds.
 *
 * Whoever changes a user, key, api key or session appends a row in the
 * same transaction.  Each host's keeper reads the rows of the last
 * seconds again and again (ids are not commit-ordered, least of all
 * under Galera) and drops what is older from its cache.
 */
#ifndef STORE_CHANGES_H
#define STORE_CHANGES_H

#include <stdint.h>

#include "store/db.h"

enum change_kind {
	CHANGE_USER = 1,	/* ref: user id */
	CHANGE_KEY,		/* ref: user id */
	CHANGE_APIKEY,		/* ref: share/apikeycache slot */
	CHANGE_REVOKED,		/* look at revoked_list */
	CHANGE_JOB		/* ref: user id */
};
int	 change_note(struct db *, enum change_kind, uint64_t ref);
/* Rows of the last within_s seconds; each gets the row's id too, so a
 * reader can skip what it has seen. */
int	 change_list(struct db *, unsigned within_s,
	    void (*each)(void *, uint64_t id, enum change_kind, uint64_t ref),
	    void *);
int	 change_purge(struct db *, unsigned older_than_s, unsigned limit);

#endif
