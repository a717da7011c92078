/* DATABASE_URL: what is understood, what is refused, what is not said. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "store/db_private.h"

static void
test_good(void **state)
{
	static const struct {
		const char	*url, *describe, *user, *password, *database;
		unsigned	 n_hosts;
		unsigned	 port;		/* of the last host */
	} rows[] = {
		{ "mysql://u:p@h/d", "d at h as u", "u", "p", "d", 1, 0 },
		{ "mariadb://u@h:3307/d", "d at h:3307 as u", "u", "", "d",
		    1, 3307 },
		{ "mysql://u:p@a,b:2,c:65535/d", "d at a,b:2,c:65535 as u",
		    "u", "p", "d", 3, 65535 },
		{ "mysql://u:p@[::1]:3306,[fe80::1]/d",
		    "d at [::1]:3306,[fe80::1] as u", "u", "p", "d", 2, 0 },
		{ "mysql://u%40x:p%2F%3a%25%23@h/d%20e", "d e at h as u@x",
		    "u@x", "p/:%#", "d e", 1, 0 },
		{ "mysql://u:a@b@h/d", "d at h as u", "u", "a@b", "d", 1,
		    0 },
		{ "mysql://u:a:b@h/d", "d at h as u", "u", "a:b", "d", 1,
		    0 },
		{ "mysql://u:p@localhost/d?unix_socket=/run/x%20y.sock",
		    "d at /run/x y.sock as u", "u", "p", "d", 1, 0 },
		{ "mysql://u:p@/d?unix_socket=/s", "d at /s as u", "u",
		    "p", "d", 0, 0 },
		{ "mysql://u:p@h/d?ssl_ca=/ca.pem", "d at h as u (TLS)",
		    "u", "p", "d", 1, 0 },
	};

	(void)state;
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		struct buf why = BUF_INIT(500), text = BUF_INIT(500);
		struct db_conf *c = db_conf_parse(rows[i].url, &why);

		if (c == NULL)
			fail_msg("%s: %s", rows[i].url, buf_str(&why));
		db_conf_describe(c, &text);
		assert_string_equal(buf_str(&text), rows[i].describe);
		assert_string_equal(c->user, rows[i].user);
		assert_string_equal(secret_str(&c->password),
		    rows[i].password);
		assert_string_equal(c->database, rows[i].database);
		assert_int_equal(c->n_hosts, rows[i].n_hosts);
		if (c->n_hosts > 0)
			assert_int_equal(c->hosts[c->n_hosts - 1].port,
			    rows[i].port);
		db_conf_free(&c);
		assert_null(c);
		buf_free(&why);
		buf_free(&text);
	}
}

/* Each holds the word s3cret somewhere, which no answer may repeat. */
static void
test_refused(void **state)
{
	static const struct {
		const char	*url, *says;
	} rows[] = {
		{ "", "mysql://" },
		{ "s3cret", "mysql://" },
		{ "sqlite:///s3cret.db", "mysql://" },
		{ "postgresql+asyncpg://u:s3cret@h/d", "PostgreSQL" },
		{ "postgres://u:s3cret@h/d", "PostgreSQL" },
		{ "mysql://", "no database" },
		{ "mysql://u:s3cret@h", "no database" },
		{ "mysql://u:s3cret@h/", "no database" },
		{ "mysql://h/d", "no user" },
		{ "mysql://:s3cret@h/d", "no user" },
		{ "mysql://u:s3cret@/d", "neither a host" },
		{ "mysql://u:s3cret@h,/d", "comma" },
		{ "mysql://u:s3cret@,h/d", "not of the form" },
		{ "mysql://u:s3cret@h:/d", "port" },
		{ "mysql://u:s3cret@h:0/d", "port" },
		{ "mysql://u:s3cret@h:65536/d", "port" },
		{ "mysql://u:s3cret@h:33x/d", "port" },
		{ "mysql://u:s3cret@h:000003306/d", "port" },
		{ "mysql://u:s3cret@[::1/d", "not of the form" },
		{ "mysql://u:s3cret@[::1]3306/d", "not of the form" },
		{ "mysql://u:s3cret@::1/d", "port" },
		{ "mysql://u:p@h s3cret/d", "character" },
		{ "mysql://u:p%zzs3cret@h/d", "password" },
		{ "mysql://u%0:s3cret@h/d", "user name" },
		{ "mysql://u:p%00s3cret@h/d", "password" },
		{ "mysql://u:p#s3cret@h/d", "%23" },
		{ "mysql://u:p/s3cret@h/d", "%2F" },
		{ "mysql://u:s3cret@h/d/e", "'/'" },
		{ "mysql://u:s3cret@h/d?x=1", "unknown option" },
		{ "mysql://u:s3cret@h/d?", "unknown option" },
		{ "mysql://u:p@x/d?s3cret@h/d", "unknown option" },
		{ "mysql://u:s3cret@h/d?ssl_ca=ca.pem", "absolute" },
		{ "mysql://u:s3cret@h/d?unix_socket=", "absolute" },
		{ "mysql://u:s3cret@h/d?unix_socket=/a&unix_socket=/b",
		    "twice" },
		{ "mysql://u:s3cret@h/d?ssl_ca=/a&", "unknown option" },
		{ "mysql://u:s3cret@a,b,c,d,e,f,g,h,i,j,k,l,m,n,o,p,q/d",
		    "16 hosts" },
	};

	(void)state;
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		struct buf why = BUF_INIT(500);

		if (db_conf_parse(rows[i].url, &why) != NULL)
			fail_msg("taken: %s", rows[i].url);
		if (strstr(buf_str(&why), rows[i].says) == NULL)
			fail_msg("%s: says %s", rows[i].url, buf_str(&why));
		assert_null(strstr(buf_str(&why), "s3cret"));
		buf_free(&why);
	}
}

/* Nothing listens on port 1: every host is tried, the failure is GONE
 * and its text is free of the password. */
static void
test_unreachable(void **state)
{
	struct buf why = BUF_INIT(500);
	struct db_conf *c = db_conf_parse(
	    "mysql://u:s3cret@127.0.0.1:1,127.0.0.1:1/d", &why);
	struct db *db;

	(void)state;
	assert_non_null(c);
	db = db_create(c, DB_WORKER);
	assert_int_equal(db_connect(db, 1000), -1);
	assert_int_equal(db_fault(db), DB_GONE);
	assert_non_null(strstr(db_fault_text(db), "error 200"));
	assert_null(strstr(db_fault_text(db), "s3cret"));
	assert_int_equal(db_begin(db), -1);
	assert_int_equal(db_check_schema(db, &why), -1);
	assert_non_null(strstr(buf_str(&why), "does not answer"));
	db_free(&db);
	assert_null(db);
	db_conf_free(&c);
	buf_free(&why);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_good),
		cmocka_unit_test(test_refused),
		cmocka_unit_test(test_unreachable),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
