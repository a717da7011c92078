/*
 * sql/grants.sql and the statement table hold each other: every
 * statement of a role runs under that role's account, and no right of
 * an account can be taken away without a statement failing.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>
#include <mysql.h>

#include "dbserver.h"
#include "store/stmts.h"

static const char *const accounts[] = {
	[DB_WORKER] = "plugway_worker",
	[DB_KEEPER] = "plugway_keeper",
	[DB_REGISTRAR] = "plugway_registrar",
};

static int
is_denial(unsigned code)
{
	return code == 1044 || code == 1142 || code == 1143 ||
	    code == 1227 || code == 1370;
}

/* Prepares and executes with zeros; what the values do is no matter.
 * The code of the error, 0: none. */
static unsigned
try_statement(MYSQL *my, const char *sql, char *text, size_t size)
{
	MYSQL_STMT *stmt = mysql_stmt_init(my);
	MYSQL_BIND bind[16];
	long long zero = 0;
	unsigned code = 0;

	memset(bind, 0, sizeof(bind));
	for (size_t i = 0; i < 16; i++) {
		bind[i].buffer_type = MYSQL_TYPE_LONGLONG;
		bind[i].buffer = &zero;
	}
	if (mysql_stmt_prepare(stmt, sql, strlen(sql)) != 0 ||
	    (mysql_stmt_param_count(stmt) > 0 &&
	    mysql_stmt_bind_param(stmt, bind) != 0) ||
	    mysql_stmt_execute(stmt) != 0) {
		code = mysql_stmt_errno(stmt);
		(void)snprintf(text, size, "%s", mysql_stmt_error(stmt));
	}
	(void)mysql_stmt_close(stmt);
	return code;
}

/* How many statements of the role its account may not run; looks for
 * one only unless all. */
static unsigned
count_denied(enum db_role role, bool all)
{
	MYSQL *my = dbserver_mysql(accounts[role], "test");
	char text[512];
	unsigned n = 0;

	if (my == NULL)
		return 1;
	for (int i = STMT_NOW_MS; i < STMT_MAX && (all || n == 0); i++) {
		unsigned code;

		if (!(stmts[i].roles & 1u << role))
			continue;
		assert_int_equal(mysql_query(my, "START TRANSACTION"), 0);
		code = try_statement(my, stmts[i].sql, text, sizeof(text));
		if (is_denial(code)) {
			n++;
			if (all)
				print_error("%s: %s\n", stmts[i].name, text);
		} else if (code == 1054 || code == 1064 || code == 1146) {
			fail_msg("%s: %s", stmts[i].name, text);
		}
		assert_int_equal(mysql_query(my, "ROLLBACK"), 0);
	}
	mysql_close(my);
	return n;
}

static void
test_every_statement_runs(void **state)
{
	(void)state;
	for (int i = 0; i < STMT_MAX; i++) {
		assert_non_null(stmts[i].name);
		assert_non_null(stmts[i].sql);
	}
	for (int role = 0; role < DB_OPERATOR; role++)
		assert_int_equal(count_denied((enum db_role)role, true), 0);
}

/* One right as information_schema tells it; column "" is the table. */
struct right {
	char		 table[64], column[64], privilege[16];
};

static unsigned
list_rights(MYSQL *root, const char *account, struct right *ret, unsigned max)
{
	char sql[1024];
	MYSQL_RES *res;
	MYSQL_ROW row;
	unsigned n = 0;

	(void)snprintf(sql, sizeof(sql),
	    "SELECT table_name,column_name,privilege_type"
	    " FROM information_schema.column_privileges"
	    " WHERE grantee='''%s''@''localhost''' UNION ALL"
	    " SELECT table_name,'',privilege_type"
	    " FROM information_schema.table_privileges"
	    " WHERE grantee='''%s''@''localhost'''", account, account);
	assert_int_equal(mysql_query(root, sql), 0);
	res = mysql_store_result(root);
	assert_non_null(res);
	while ((row = mysql_fetch_row(res)) != NULL) {
		assert_true(n < max);
		(void)snprintf(ret[n].table, sizeof(ret[n].table), "%s",
		    row[0]);
		(void)snprintf(ret[n].column, sizeof(ret[n].column), "%s",
		    row[1]);
		(void)snprintf(ret[n].privilege, sizeof(ret[n].privilege),
		    "%s", row[2]);
		n++;
	}
	mysql_free_result(res);
	return n;
}

static void
change_right(MYSQL *root, const char *verb, const char *preposition,
    const struct right *r, const char *account)
{
	char sql[512];

	(void)snprintf(sql, sizeof(sql), "%s %s%s%s%s ON plugway.%s %s"
	    " '%s'@'localhost'", verb, r->privilege,
	    r->column[0] != '\0' ? "(" : "", r->column,
	    r->column[0] != '\0' ? ")" : "", r->table, preposition,
	    account);
	assert_int_equal(mysql_query(root, sql), 0);
}

static void
test_no_right_is_idle(void **state)
{
	static struct right rights[400];
	MYSQL *root = dbserver_mysql("root", "");
	unsigned n, idle = 0, total = 0;

	(void)state;
	assert_non_null(root);
	for (int role = 0; role < DB_OPERATOR; role++) {
		const char *account = accounts[role];

		n = list_rights(root, account, rights, 400);
		assert_true(n > 20);
		total += n;
		for (unsigned i = 0; i < n; i++) {
			change_right(root, "REVOKE", "FROM", &rights[i],
			    account);
			if (count_denied((enum db_role)role, false) == 0) {
				idle++;
				print_error("%s: %s on %s(%s) is idle\n",
				    account, rights[i].privilege,
				    rights[i].table, rights[i].column);
			}
			change_right(root, "GRANT", "TO", &rights[i],
			    account);
		}
	}
	mysql_close(root);
	print_message("%u rights, %u idle\n", total, idle);
	assert_int_equal(idle, 0);
}

static void
test_what_nobody_may(void **state)
{
	/* account -> what must be refused */
	static const struct {
		enum db_role	 role;
		const char	*sql;
	} refused[] = {
		{ DB_WORKER, "SELECT api_key FROM plugin_api_keys" },
		{ DB_WORKER, "SELECT bind_mac FROM plugin_api_keys" },
		{ DB_WORKER, "SELECT * FROM plugin_api_keys" },
		{ DB_WORKER, "SELECT 1 FROM plugin_api_keys"
		    " WHERE api_key LIKE 'g%'" },
		{ DB_WORKER, "SELECT id FROM plugin_api_keys"
		    " ORDER BY bind_mac" },
		{ DB_WORKER, "UPDATE plugin_api_keys SET user_id=1" },
		{ DB_WORKER, "DELETE FROM plugin_api_keys" },
		{ DB_WORKER, "DELETE FROM users" },
		{ DB_WORKER, "UPDATE users SET password_hash=''" },
		{ DB_WORKER, "UPDATE users SET is_active=1" },
		{ DB_WORKER, "UPDATE identities SET user_id=1" },
		{ DB_WORKER, "UPDATE registration_jobs SET fence=9" },
		{ DB_WORKER, "DROP TABLE changes" },
		{ DB_WORKER, "CREATE TABLE t (a INT)" },
		{ DB_KEEPER, "SELECT password_hash FROM users" },
		{ DB_KEEPER, "UPDATE plugin_api_keys SET api_key=''" },
		{ DB_KEEPER, "DELETE FROM users" },
		{ DB_KEEPER, "SELECT token_hash FROM refresh_tokens" },
		{ DB_REGISTRAR, "SELECT password_hash FROM users" },
		{ DB_REGISTRAR, "UPDATE users SET is_active=1" },
		{ DB_REGISTRAR, "DELETE FROM users" },
		{ DB_REGISTRAR, "SELECT id FROM sessions" },
		{ DB_REGISTRAR, "SELECT id FROM api_keys" },
		{ DB_REGISTRAR, "SELECT state_hash FROM oauth_states" },
	};

	(void)state;
	for (size_t i = 0; i < sizeof(refused) / sizeof(refused[0]); i++) {
		MYSQL *my = dbserver_mysql(accounts[refused[i].role],
		    "test");

		assert_non_null(my);
		if (mysql_query(my, refused[i].sql) == 0 ||
		    !is_denial(mysql_errno(my)))
			fail_msg("%s may: %s (%u)",
			    accounts[refused[i].role], refused[i].sql,
			    mysql_errno(my));
		mysql_close(my);
	}
}

static void
test_no_password_no_entry(void **state)
{
	(void)state;
	dbserver_sql("ALTER USER 'plugway_worker'@'localhost' IDENTIFIED"
	    " VIA mysql_native_password USING 'invalid'");
	assert_null(dbserver_mysql("plugway_worker", ""));
	assert_null(dbserver_mysql("plugway_worker", "invalid"));
	dbserver_sql("ALTER USER 'plugway_worker'@'localhost'"
	    " IDENTIFIED BY 'test'");
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_every_statement_runs),
		cmocka_unit_test(test_no_right_is_idle),
		cmocka_unit_test(test_what_nobody_may),
		cmocka_unit_test(test_no_password_no_entry),
	};
	int rc;

	dbserver_start();
	dbserver_schema();
	rc = cmocka_run_group_tests(tests, NULL, NULL);
	dbserver_stop();
	return rc;
}
