/*
 * db_private: the inside of a handle; for this floor (and its tests)
 * only.  No other floor sees <mysql.h>.
 */
#ifndef STORE_DB_PRIVATE_H
#define STORE_DB_PRIVATE_H

#include <mysql.h>
#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

#include "base/secret.h"
#include "store/db.h"
#include "store/stmts.h"

#define DB_HOSTS_MAX	16

struct db_host {
	char		*name;
	uint16_t	 port;		/* 0: not given */
};

struct db_conf {
	char		*user;
	struct secret	 password;
	char		*database;
	char		*unix_socket;	/* NULL: none */
	char		*ssl_ca;	/* NULL: no TLS asked for */
	struct db_host	 hosts[DB_HOSTS_MAX];
	unsigned	 n_hosts;	/* 0 only with unix_socket */
};

/* Who acts (store/audit). */
struct audit_actor {
	const char	*kind;		/* NULL: what the role is */
	char		 id[256];
	char		 request_id[65];
};

struct db {
	const struct db_conf *conf;
	enum db_role	 role;
	pid_t		 pid;		/* who opened it */
	MYSQL		*my;		/* NULL: not connected */
	MYSQL_STMT	*prepared[STMT_MAX];
	unsigned	 host;		/* the one to try first */
	int		 timeout_ms;
	bool		 proven;	/* answered since it connected */
	bool		 in_transaction;
	bool		 broken;	/* the transaction can only end */
	uint64_t	 insert_id;	/* of the last statement */
	enum db_fault	 fault;
	unsigned	 code;		/* the server's, of the last failure */
	struct audit_actor actor;
	char		 text[512];
};

/* Aborts when the handle is used in another process than its own. */
void	 db_assert_owner(const struct db *);
/* Connected, and the transaction (if any) can still be used: 0 or -1. */
int	 db_ready(struct db *);
/*
 * Keeps class and text of an error; drops the connection when it is of
 * no more use.  Returns -1.
 */
int	 db_fail(struct db *, enum stmt_id, unsigned code, const char *text);
int	 db_fail_own(struct db *, enum db_fault, const char *text);
/* A statement without parameters and result, by the text protocol. */
int	 db_text(struct db *, enum stmt_id);
/* Text of a migration; operator only. */
int	 db_migration_text(struct db *, const char *sql, size_t len);

#endif
