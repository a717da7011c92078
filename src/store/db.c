/*
 * db: connecting, and what kind of failure an error is.
 *
 * With run.c and transaction.c the only files that talk to MariaDB
 * Connector/C.  A lost connection is opened again at the next use, but
 * never behind a transaction's back.  Nothing here logs.
 */
#include <assert.h>
#include <errmsg.h>
#include <fcntl.h>
#include <mysqld_error.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/xmalloc.h"
#include "store/db_private.h"
#include "store/migrate.h"
#include "store/run.h"

#define DEFAULT_TIMEOUT_MS	10000
#define HURRIED_BELOW_S		7	/* lock waits must end before reads */

/* First match wins: code from..to -> what it means, and whether the
 * server (rather than the connection) is of no more use. */
static const struct {
	unsigned	 from, to;
	enum db_fault	 fault;
	bool		 next_host;
} fault_table[] = {
	{ 1020, 1020, DB_RETRY, false },	/* record has changed */
	{ 1021, 1021, DB_DENIED, false },	/* disk full */
	{ 1040, 1040, DB_GONE, true },		/* too many connections */
	{ 1044, 1045, DB_DENIED, false },	/* account */
	{ 1047, 1047, DB_GONE, true },		/* node not in the cluster */
	{ 1053, 1053, DB_GONE, true },		/* shutting down */
	{ 1062, 1062, DB_DUPLICATE, false },
	{ 1114, 1114, DB_DENIED, false },	/* table full */
	{ 1129, 1130, DB_GONE, true },		/* host blocked */
	{ 1142, 1143, DB_DENIED, false },	/* grants */
	{ 1152, 1152, DB_GONE, false },		/* aborted connection */
	{ 1153, 1153, DB_WRONG, false },	/* packet too large */
	{ 1154, 1161, DB_GONE, false },		/* network */
	{ 1184, 1184, DB_GONE, false },
	{ 1203, 1203, DB_GONE, true },		/* account's connections */
	{ 1205, 1205, DB_RETRY, false },	/* lock wait */
	{ 1213, 1213, DB_RETRY, false },	/* deadlock */
	{ 1226, 1226, DB_GONE, true },		/* account's resources */
	{ 1227, 1227, DB_DENIED, false },
	{ 1290, 1290, DB_DENIED, true },	/* read-only */
	{ 1317, 1317, DB_RETRY, false },	/* KILL QUERY */
	{ 1615, 1615, DB_RETRY, false },	/* needs to be prepared again */
	{ 1792, 1792, DB_DENIED, true },	/* read-only transaction */
	{ 1836, 1836, DB_DENIED, true },	/* read-only mode */
	{ 1927, 1927, DB_GONE, false },		/* KILL */
	{ 1969, 1969, DB_RETRY, false },	/* statement took too long */
	{ 2008, 2008, DB_WRONG, false },	/* out of memory */
	{ 2014, 2014, DB_WRONG, false },	/* out of sync */
	{ 2000, 2028, DB_GONE, false },		/* the connection */
	{ 2048, 2048, DB_GONE, false },
	{ 2055, 2056, DB_GONE, false },		/* lost in mid-packet */
	{ 2058, 2061, DB_DENIED, false },	/* authentication plug-ins */
	{ 5012, 5013, DB_GONE, false },
};

void
db_assert_owner(const struct db *db)
{
	/* A child that touched this connection would kill its parent's. */
	assert(db->pid == getpid());
}

static void
drop(struct db *db, bool next_host)
{
	for (size_t i = 0; i < STMT_MAX; i++) {
		if (db->prepared[i] != NULL)
			(void)mysql_stmt_close(db->prepared[i]);
		db->prepared[i] = NULL;
	}
	if (db->my != NULL)
		mysql_close(db->my);
	db->my = NULL;
	db->broken = db->in_transaction;
	if (next_host && db->conf->n_hosts > 0)
		db->host = (db->host + 1) % db->conf->n_hosts;
}

int
db_fail_own(struct db *db, enum db_fault fault, const char *text)
{
	db->fault = fault;
	db->code = 0;
	(void)snprintf(db->text, sizeof(db->text), "%s", text);
	return -1;
}

int
db_fail(struct db *db, enum stmt_id id, unsigned code, const char *text)
{
	bool next_host = false;

	db->fault = DB_WRONG;
	db->code = code;
	for (size_t i = 0; i < sizeof(fault_table) / sizeof(fault_table[0]);
	    i++) {
		if (code < fault_table[i].from || code > fault_table[i].to)
			continue;
		db->fault = fault_table[i].fault;
		next_host = fault_table[i].next_host;
		break;
	}
	/* The text of a duplicate quotes the value. */
	(void)snprintf(db->text, sizeof(db->text), "%s: error %u: %s",
	    id < STMT_MAX ? stmts[id].name : "connect", code,
	    db->fault == DB_DUPLICATE ? "duplicate key" : text);
	if (db->fault == DB_GONE || next_host)
		drop(db, next_host);
	else if (db->fault == DB_RETRY)
		db->broken = db->in_transaction;
	return -1;
}

struct db *
db_create(const struct db_conf *conf, enum db_role role)
{
	static bool library;
	struct db *db = xcalloc(1, sizeof(*db));

	if (!library && mysql_library_init(0, NULL, NULL) == 0)
		library = true;
	db->conf = conf;
	db->role = role;
	db->pid = getpid();
	db->timeout_ms = DEFAULT_TIMEOUT_MS;
	return db;
}

void
db_free(struct db **dbp)
{
	struct db *db = *dbp;

	*dbp = NULL;
	if (db == NULL)
		return;
	db_assert_owner(db);
	drop(db, false);
	free(db);
}

static void
set_options(const struct db_conf *c, MYSQL *my, unsigned timeout_s)
{
	my_bool yes = 1;
	unsigned no = 0;

	(void)mysql_options(my, MYSQL_OPT_CONNECT_TIMEOUT, &timeout_s);
	(void)mysql_options(my, MYSQL_OPT_READ_TIMEOUT, &timeout_s);
	(void)mysql_options(my, MYSQL_OPT_WRITE_TIMEOUT, &timeout_s);
	(void)mysql_options(my, MYSQL_SET_CHARSET_NAME, "utf8mb4");
	/* The server must not ask for our files, nor for the password in
	 * clear. */
	(void)mysql_options(my, MYSQL_OPT_LOCAL_INFILE, &no);
	(void)mysql_options(my, MARIADB_OPT_RESTRICTED_AUTH,
	    "mysql_native_password,client_ed25519,caching_sha2_password,"
	    "sha256_password");
	if (c->ssl_ca == NULL)
		return;
	(void)mysql_options(my, MYSQL_OPT_SSL_CA, c->ssl_ca);
	(void)mysql_options(my, MYSQL_OPT_SSL_ENFORCE, &yes);
	(void)mysql_options(my, MYSQL_OPT_SSL_VERIFY_SERVER_CERT, &yes);
}

/* One host: connected and set up, or -1. */
static int
connect_host(struct db *db, unsigned timeout_s)
{
	const struct db_conf *c = db->conf;
	const struct db_host *h = c->unix_socket == NULL ?
	    &c->hosts[db->host] : NULL;
	unsigned tcp = MYSQL_PROTOCOL_TCP;

	db->my = mysql_init(NULL);
	if (db->my == NULL)
		return db_fail_own(db, DB_WRONG, "out of memory");
	set_options(c, db->my, timeout_s);
	/* "localhost" without a port means the usual socket. */
	if (h != NULL && (h->port != 0 || strcmp(h->name, "localhost") != 0))
		(void)mysql_options(db->my, MYSQL_OPT_PROTOCOL, &tcp);
	if (mysql_real_connect(db->my, h != NULL ? h->name : NULL, c->user,
	    secret_str(&c->password), c->database, h != NULL ? h->port : 0,
	    c->unix_socket, 0) == NULL) {
		(void)db_fail(db, STMT_MAX, mysql_errno(db->my),
		    mysql_error(db->my));
		drop(db, false);
		return -1;
	}
	(void)fcntl(mysql_get_socket(db->my), F_SETFD, FD_CLOEXEC);
	db->proven = false;
	db->broken = false;
	if (db_text(db, STMT_SESSION) == -1 ||
	    (timeout_s < HURRIED_BELOW_S &&
	    db_text(db, STMT_SESSION_HURRIED) == -1)) {
		drop(db, false);
		return -1;
	}
	return 0;
}

int
db_connect(struct db *db, int timeout_ms)
{
	unsigned timeout_s = ((unsigned)timeout_ms + 999) / 1000;
	unsigned n = db->conf->unix_socket != NULL ? 1 : db->conf->n_hosts;
	unsigned first = db->host;

	assert(timeout_ms > 0);
	db_assert_owner(db);
	db->timeout_ms = timeout_ms;
	if (db->my != NULL)
		return 0;
	for (unsigned i = 0; i < n; i++) {
		db->host = (first + i) % n;
		if (connect_host(db, timeout_s) == 0) {
			db->fault = DB_FINE;
			return 0;
		}
	}
	return -1;
}

void
db_disconnect(struct db *db)
{
	db_assert_owner(db);
	if (db->in_transaction)
		(void)db_fail_own(db, DB_GONE, "disconnected");
	drop(db, false);
}

enum db_fault
db_fault(const struct db *db)
{
	return db->fault;
}

const char *
db_fault_text(const struct db *db)
{
	return db->fault == DB_FINE ? "no error" : db->text;
}

bool
db_parent_missing(const struct db *db)
{
	return db->code == ER_NO_REFERENCED_ROW ||
	    db->code == ER_NO_REFERENCED_ROW_2;
}

int
db_ready(struct db *db)
{
	db_assert_owner(db);
	if (db->broken)
		return -1;	/* the fault that broke it stands */
	return db_connect(db, db->timeout_ms);
}

static int
send_text(struct db *db, enum stmt_id id, const char *sql, size_t len)
{
	if (mysql_real_query(db->my, sql, (unsigned long)len) != 0)
		return db_fail(db, id, mysql_errno(db->my),
		    mysql_error(db->my));
	return 0;
}

int
db_text(struct db *db, enum stmt_id id)
{
	assert(stmt_allowed(id, db->role));
	return send_text(db, id, stmts[id].sql, strlen(stmts[id].sql));
}

int
db_migration_text(struct db *db, const char *sql, size_t len)
{
	assert(db->role == DB_OPERATOR);
	if (db_ready(db) == -1)
		return -1;
	return send_text(db, STMT_MIGRATION_DONE, sql, len);
}

int
db_check_schema(struct db *db, struct buf *why)
{
	struct db_rows rows = DB_ROWS_INIT;
	int64_t version = 0;

	if (db_select(db, &rows, STMT_SCHEMA_STATE) == -1) {
		if (db->my != NULL && db->fault == DB_WRONG)
			buf_printf(why, "the database has no tables of"
			    " plugway (%s)", db_fault_text(db));
		else
			buf_printf(why, "the database does not answer (%s)",
			    db_fault_text(db));
		return rows_end(db, &rows, -1);
	}
	if (rows_next(&rows))
		version = rows_i64(&rows, 0);
	if (rows_end(db, &rows, 0) == -1)
		return -1;
	if (version >= SCHEMA_VERSION)
		return 0;
	buf_printf(why, "the database is at schema version %lld, this program"
	    " needs %d", (long long)version, SCHEMA_VERSION);
	return db_fail_own(db, DB_WRONG, "the schema is too old");
}

int
db_now_ms(struct db *db, int64_t *ret)
{
	struct db_rows rows = DB_ROWS_INIT;
	int64_t now_ms = 0;

	if (db_select(db, &rows, STMT_NOW_MS) == -1)
		return rows_end(db, &rows, -1);
	if (rows_next(&rows))
		now_ms = rows_i64(&rows, 0);
	if (rows_end(db, &rows, 0) == -1)
		return -1;
	*ret = now_ms;
	return 0;
}
