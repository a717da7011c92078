/*
 * dbserver: a private MariaDB for one test program.
 *
 * Data and socket lie in a new directory under /tmp that only we can
 * enter; there is no network.  The server dies with the program,
 * however that ends, and the directory is removed.
 */
#ifndef TESTS_DBSERVER_H
#define TESTS_DBSERVER_H

#include "store/db.h"

/* Exits 77 (skipped) when MariaDB is not installed. */
void	 dbserver_start(void);
void	 dbserver_stop(void);
/* Stops it hard, and starts it again on the same data. */
void	 dbserver_kill(void);
void	 dbserver_again(void);
/* Of an account; kept until the end. */
const struct db_conf *dbserver_conf(const char *user, const char *password);
/* A new handle; "root" for DB_OPERATOR, else plugway_ROLE once the
 * grants are in. */
struct db *dbserver_handle(enum db_role);
/* Runs the SQL of a file as root, with the mariadb client: 0 or -1. */
int	 dbserver_client(const char *file);
/* One statement as root; aborts the test when it fails. */
void	 dbserver_sql(const char *fmt, ...)
	    __attribute__((format(printf, 1, 2)));
/* The first value of the first row, as a number. */
long long dbserver_number(const char *fmt, ...)
	    __attribute__((format(printf, 1, 2)));

/* A plain connection of the client library, or NULL. */
struct st_mysql *dbserver_mysql(const char *user, const char *password);
/* The directory sql/ of the source tree. */
const char *dbserver_sql_dir(void);
/* Creates the tables and the three accounts, with password "test". */
void	 dbserver_schema(void);

#endif
