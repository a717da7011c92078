/*
 * db: one connection to MariaDB, prepared statements only.
 *
 * A handle belongs to the process that opened it (its pid is in it; use
 * after a fork aborts).  Several hosts may be named: the first that
 * answers is used, and the next one after a failure.  Time zone UTC,
 * utf8mb4, READ COMMITTED unless said, CLIENT_FOUND_ROWS off.
 *
 * Functions of this floor return as HACKING.md says: int 0 = done, -1 =
 * failed; lookups 1 = found, 0 = absent, -1 = failed.  After -1
 * db_fault() tells what kind of failure it was.
 */
#ifndef STORE_DB_H
#define STORE_DB_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/buf.h"

enum db_role { DB_WORKER, DB_KEEPER, DB_REGISTRAR, DB_OPERATOR, DB_ROLE_MAX };

enum db_fault {
	DB_FINE,
	DB_GONE,		/* cannot connect, connection lost, 1040, 1047... */
	DB_RETRY,		/* 1213, 1205: run the transaction again */
	DB_DUPLICATE,		/* a unique key judged */
	DB_UNKNOWN_COMMIT,	/* the connection died in COMMIT */
	DB_DENIED,		/* grants, read-only, disk full */
	DB_WRONG		/* schema or our own fault */
};

struct db_conf;			/* a parsed DATABASE_URL */
struct db;

/*
 * mysql://user:pass@host1:3306,host2:3306/db?unix_socket=...&ssl_ca=...
 * A URL that cannot be used: NULL and a sentence in why (never with the
 * password).
 */
struct db_conf *db_conf_parse(const char *url, struct buf *why);
void	 db_conf_free(struct db_conf **);
/* Where a handle would connect to, for people; without the password. */
void	 db_conf_describe(const struct db_conf *, struct buf *ret);

/* Does not connect yet. conf stays the caller's and must live on. */
struct db *db_create(const struct db_conf *, enum db_role);
void	 db_free(struct db **);
/* Connects when there is no live connection.  timeout_ms bounds each
 * of connect, read and write. */
int	 db_connect(struct db *, int timeout_ms)
	    __attribute__((warn_unused_result));
/* Drops the connection; the next use connects again. */
void	 db_disconnect(struct db *);
enum db_fault db_fault(const struct db *);
const char *db_fault_text(const struct db *);	/* for the log */

/* begin connects if need be. */
int	 db_begin(struct db *) __attribute__((warn_unused_result));
int	 db_commit(struct db *) __attribute__((warn_unused_result));
void	 db_rollback(struct db *);
/*
 * Runs body(arg) inside a transaction; on DB_RETRY or DB_GONE (not on an
 * unknown commit) runs the whole again, at most 5 times with full jitter
 * of 20 to 200 ms.  body returns 0 to commit, > 0 to roll back and stop
 * (the value is returned), -1 when it failed.
 */
int	 db_transaction(struct db *, int (*body)(struct db *, void *),
	    void *arg) __attribute__((warn_unused_result));

/* The schema is at the version this program needs, tables answer. */
int	 db_check_schema(struct db *, struct buf *why);
/* Milliseconds by the database's clock since the Unix epoch. */
int	 db_now_ms(struct db *, int64_t *ret);

#endif
