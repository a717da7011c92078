/*
 * migrate: numbered files of sql/ run in order, once each.
 *
 * A file NNNN_name.sql is split at ';' outside strings and comments;
 * schema_migrations records what ran (with a SHA-256 of the file).  Two
 * runs at once: one waits (a lease row), the other does the work.
 */
#ifndef STORE_MIGRATE_H
#define STORE_MIGRATE_H

#include "store/db.h"

#define SCHEMA_VERSION	3	/* the newest file this program needs */

/* Returns how many files ran, or -1 with why. say(arg, line) reports. */
int	 migrate_run(struct db *, const char *sql_dir,
	    void (*say)(void *, const char *), void *, struct buf *why);

#endif
