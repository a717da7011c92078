/*
 * The audit log against a real MariaDB, under the accounts of
 * grants.sql: what is written, what of it can be undone unseen, and
 * writers that race.
 */
#include <sys/wait.h>

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>
#include <mysql.h>

#include "dbserver.h"
#include "store/apikeys.h"
#include "store/audit.h"
#include "store/jobs.h"
#include "store/pluginkeys.h"
#include "store/run.h"
#include "store/users.h"

#define WRITERS		8
#define EACH		40

static struct db *worker, *registrar, *oper;

struct last {
	uint64_t	 id;
	char		 text[512];
};

static void
keep_last(void *arg, const struct audit_row *r)
{
	struct last *l = arg;

	l->id = r->id;
	(void)snprintf(l->text, sizeof(l->text), "%s/%s/%s/%s/%s/%s",
	    r->actor_kind, r->actor_id, r->action, r->subject,
	    r->request_id, r->detail);
}

/* "" when there is no row after after_id. */
static const char *
last_after(uint64_t after_id)
{
	static struct last l;

	l.text[0] = '\0';
	assert_int_equal(audit_list(oper, after_id, 1000, keep_last, &l), 0);
	return l.text;
}

static uint64_t
end_of_log(void)
{
	unsigned char hash[AUDIT_HASH_LEN];
	uint64_t id;

	assert_int_equal(audit_last(oper, &id, hash), 0);
	return id;
}

static struct audit_report
verify(const struct audit_anchor *noted)
{
	struct audit_report r;

	assert_int_equal(audit_verify(oper, noted, &r), 0);
	return r;
}

static void
assert_whole(uint64_t rows)
{
	struct audit_report r = verify(NULL);

	if (r.fault != AUDIT_WHOLE)
		fail_msg("row %llu: %s", (unsigned long long)r.at_id,
		    audit_fault_text(r.fault));
	assert_int_equal(r.rows, rows);
	assert_int_equal(r.last.id, rows);
}

/* Rows to work on: ids 1 to n of a new log. */
static void
fresh_log(unsigned n)
{
	dbserver_sql("DELETE FROM plugway.audit_log");
	dbserver_sql("UPDATE plugway.audit_head SET last_id=0,"
	    "last_hash=REPEAT(X'00',32)");
	for (unsigned i = 1; i <= n; i++) {
		char subject[32];

		(void)snprintf(subject, sizeof(subject), "user:%u", i);
		assert_int_equal(audit_note_alone(oper, AUDIT_USER_ENABLE,
		    subject, "{\"a\":1}"), 0);
	}
	assert_whole(n);
}

static uint64_t
sign_in(const char *subject, bool allow_new, enum signin_result want)
{
	const struct signin_policy policy = { .allow_new = allow_new };
	const struct identity who = { .provider = "p", .subject = subject,
	    .username = "user" };
	enum signin_result result;
	struct user user;

	assert_int_equal(user_sign_in(worker, &who, &policy, &result,
	    &user), 0);
	assert_int_equal(result, want);
	return user.id;
}

static void
expect(uint64_t *before, const char *fmt, ...)
{
	char want[512];
	va_list ap;

	va_start(ap, fmt);
	(void)vsnprintf(want, sizeof(want), fmt, ap);
	va_end(ap);
	assert_string_equal(last_after(*before), want);
	/* That one and no other. */
	assert_int_equal(end_of_log(), *before + 1);
	++*before;
}

static void
test_people(void **state)
{
	uint64_t at = end_of_log(), id;
	int64_t valid_from;

	(void)state;
	audit_context(worker, "user", "", "req-1");
	id = sign_in("a1", true, SIGNIN_CREATED);
	expect(&at, "user/%llu/sign_in/user:%llu/req-1/"
	    "{\"provider\":\"p\",\"new\":true}", id, id);
	(void)sign_in("a1", false, SIGNIN_OK);
	expect(&at, "user/%llu/sign_in/user:%llu/req-1/"
	    "{\"provider\":\"p\",\"new\":false}", id, id);
	(void)sign_in("a2", false, SIGNIN_CLOSED);
	expect(&at, "user//sign_in_refused/identity:p:a2/req-1/"
	    "{\"why\":\"no_new_accounts\"}");
	assert_int_equal(user_note_login(worker, id), 0);
	expect(&at, "user/%llu/sign_in/user:%llu/req-1/"
	    "{\"by\":\"password\"}", id, id);
	user_note_refusal(worker, id, true);
	expect(&at, "user//sign_in_refused/user:%llu/req-1/"
	    "{\"by\":\"password\",\"why\":\"password\"}", id);
	audit_context(oper, "operator", "root", NULL);
	assert_int_equal(user_set_active(oper, id, false), 1);
	expect(&at, "operator/root/user_disable/user:%llu//{}", id);
	(void)sign_in("a1", false, SIGNIN_DISABLED);
	expect(&at, "user//sign_in_refused/user:%llu/req-1/"
	    "{\"why\":\"disabled\"}", id);
	assert_int_equal(user_set_active(oper, id, true), 1);
	expect(&at, "operator/root/user_enable/user:%llu//{}", id);
	assert_int_equal(user_set_password(oper, id, "$hash$"), 1);
	expect(&at, "operator/root/user_set_password/user:%llu//{}", id);
	assert_int_equal(user_set_password(oper, 999999, "$hash$"), 0);
	audit_context(worker, "user", "77", NULL);
	assert_int_equal(user_end_sessions(worker, id, &valid_from), 1);
	expect(&at, "user/77/logout_all/user:%llu//{}", id);
	assert_whole(at);
}

static void
test_api_keys(void **state)
{
	uint64_t id = sign_in("k1", true, SIGNIN_CREATED), at = end_of_log();
	unsigned char hash[APIKEY_HASH_LEN] = { 1 };
	struct apikey key = { .user_id = id, .preview = "sk-12345...",
	    .name = "my \"key\"", .is_active = true };

	(void)state;
	audit_context(worker, "user", "5", "r");
	assert_int_equal(apikey_create(worker, &key, hash), 0);
	expect(&at, "user/5/api_key_create/api_key:%llu/r/"
	    "{\"config_type\":\"antigravity\"}", key.id);
	assert_int_equal(apikey_set_active(worker, id, key.id, false), 1);
	expect(&at, "user/5/api_key_switch/api_key:%llu/r/"
	    "{\"active\":false}", key.id);
	assert_int_equal(apikey_delete(worker, id, key.id), 1);
	expect(&at, "user/5/api_key_delete/api_key:%llu/r/{}", key.id);
	assert_int_equal(apikey_delete(worker, id, key.id), 0);
	assert_int_equal(end_of_log(), at);
}

static void
test_accounts(void **state)
{
	uint64_t id = sign_in("b1", true, SIGNIN_CREATED), at = end_of_log();
	struct job job, mine;
	struct bind bind = { .plugin_user_id = "up-a1", .token = "tok",
	    .mac = "mac", .key_id = "id", .key_gen = 1 };

	(void)state;
	assert_int_equal(job_by_user(registrar, id, JOB_CREATE, &job), 1);
	assert_int_equal(job_claim(registrar, job.id, job.fence, "h", 60,
	    &mine), 1);
	assert_int_equal(attempt_open(registrar, &mine, "m",
	    &bind.attempt_id), 0);
	assert_int_equal(job_bind(registrar, &mine, &bind), 1);
	expect(&at, "registrar//account_bind/user:%llu//"
	    "{\"plugin_user_id\":\"up-a1\",\"key_gen\":1,\"job\":%llu}", id,
	    job.id);
	/* Fenced out: nothing was bound, nothing is told. */
	assert_int_equal(job_bind(registrar, &mine, &bind), 0);
	assert_int_equal(end_of_log(), at);
	audit_context(oper, "operator", "root", NULL);
	assert_int_equal(pluginkey_set_active(oper, id, false), 1);
	expect(&at, "operator/root/key_revoke/user:%llu//"
	    "{\"active\":false}", id);
	assert_int_equal(job_operator_rekey(oper, id), 1);
	expect(&at, "operator/root/key_rekey/user:%llu//{}", id);
	assert_int_equal(job_operator_rekey(oper, id), 0);
	assert_int_equal(job_by_user(registrar, id, JOB_REKEY, &job), 1);
	assert_int_equal(job_operator_hold(oper, job.id), 1);
	expect(&at, "operator/root/registration_hold/user:%llu//"
	    "{\"job\":%llu,\"kind\":\"rekey\"}", id, job.id);
	assert_int_equal(job_operator_retry(oper, job.id), 1);
	expect(&at, "operator/root/registration_retry/user:%llu//"
	    "{\"job\":%llu,\"kind\":\"rekey\"}", id, job.id);
	assert_int_equal(job_claim(registrar, job.id, mine.fence, "h", 60,
	    &mine) == -1, 0);
	assert_int_equal(orphan_swept(registrar, "up-x", "plugway.m", true),
	    0);
	expect(&at, "registrar//orphan_delete/account:up-x//"
	    "{\"marker\":\"plugway.m\"}");
	assert_whole(at);
}

static int
roll_back(struct db *db, void *arg)
{
	assert_int_equal(audit_note(db, AUDIT_USER_ENABLE, "user:1", NULL),
	    0);
	return *(int *)arg;
}

static void
test_nothing_without_its_event(void **state)
{
	uint64_t at = end_of_log();
	int stop = 1;

	(void)state;
	assert_int_equal(db_transaction(worker, roll_back, &stop), 1);
	assert_int_equal(end_of_log(), at);
	stop = 0;
	assert_int_equal(db_transaction(worker, roll_back, &stop), 0);
	assert_whole(at + 1);
}

static void
test_what_is_found(void **state)
{
	static const struct {
		const char	*sql;
		enum audit_fault fault;
		uint64_t	 at;
	} rows[] = {
		{ "UPDATE audit_log SET at=at+INTERVAL 1 MICROSECOND WHERE"
		    " id=3", AUDIT_CHANGED, 3 },
		{ "UPDATE audit_log SET actor_kind='nobody' WHERE id=1",
		    AUDIT_CHANGED, 1 },
		{ "UPDATE audit_log SET actor_id='x' WHERE id=3",
		    AUDIT_CHANGED, 3 },
		{ "UPDATE audit_log SET action='user_disable' WHERE id=3",
		    AUDIT_CHANGED, 3 },
		{ "UPDATE audit_log SET subject='user:4' WHERE id=3",
		    AUDIT_CHANGED, 3 },
		{ "UPDATE audit_log SET request_id='x' WHERE id=3",
		    AUDIT_CHANGED, 3 },
		{ "UPDATE audit_log SET detail='{}' WHERE id=5",
		    AUDIT_CHANGED, 5 },
		/* Bytes moved from one column to its neighbour. */
		{ "UPDATE audit_log SET action='user_enableu',subject='ser:3'"
		    " WHERE id=3", AUDIT_CHANGED, 3 },
		{ "UPDATE audit_log SET hash=REPEAT(X'01',32) WHERE id=3",
		    AUDIT_CHANGED, 3 },
		{ "UPDATE audit_log SET prev_hash=REPEAT(X'01',32) WHERE"
		    " id=3", AUDIT_BROKEN, 3 },
		{ "DELETE FROM audit_log WHERE id=1", AUDIT_MISSING, 1 },
		{ "DELETE FROM audit_log WHERE id=3", AUDIT_MISSING, 3 },
		{ "DELETE FROM audit_log WHERE id=5", AUDIT_MISSING, 5 },
		{ "DELETE FROM audit_log", AUDIT_MISSING, 1 },
		/* What stood behind a removed row moved up. */
		{ "DELETE FROM audit_log WHERE id=3;"
		    "UPDATE audit_log SET id=id-1 WHERE id>3 ORDER BY id;"
		    "UPDATE audit_head SET last_id=4", AUDIT_BROKEN, 3 },
		{ "UPDATE audit_head SET last_hash=REPEAT(X'01',32)",
		    AUDIT_BROKEN, 5 },
		{ "UPDATE audit_log SET id=6 WHERE id=2;"
		    "UPDATE audit_log SET id=2 WHERE id=3;"
		    "UPDATE audit_log SET id=3 WHERE id=6", AUDIT_BROKEN, 2 },
	};
	MYSQL *root = dbserver_mysql("root", "");

	(void)state;
	assert_non_null(root);
	assert_int_equal(mysql_set_server_option(root,
	    MYSQL_OPTION_MULTI_STATEMENTS_ON), 0);
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		struct audit_report r;

		fresh_log(5);
		assert_int_equal(mysql_query(root, rows[i].sql), 0);
		while (mysql_next_result(root) == 0)
			continue;
		assert_int_equal(mysql_errno(root), 0);
		r = verify(NULL);
		if (r.fault != rows[i].fault || r.at_id != rows[i].at)
			fail_msg("%s: found \"%s\" at %llu", rows[i].sql,
			    audit_fault_text(r.fault),
			    (unsigned long long)r.at_id);
	}
	mysql_close(root);
}

/* The owner of the database can write a chain anew; he cannot make it
 * end in a hash that was noted before. */
static void
test_a_noted_hash(void **state)
{
	struct audit_anchor noted;

	(void)state;
	fresh_log(3);
	noted = verify(NULL).last;
	assert_int_equal(audit_note_alone(oper, AUDIT_USER_ENABLE, "user:9",
	    NULL), 0);
	assert_int_equal(verify(&noted).fault, AUDIT_WHOLE);
	fresh_log(5);
	assert_int_equal(verify(&noted).fault, AUDIT_OTHER);
	assert_int_equal(verify(&noted).at_id, 3);
	fresh_log(2);
	assert_int_equal(verify(&noted).fault, AUDIT_MISSING);
	assert_int_equal(verify(&noted).at_id, 3);
}

static void
test_only_added_to(void **state)
{
	static const char *const refused[] = {
		"UPDATE audit_log SET detail=''",
		"DELETE FROM audit_log",
		"TRUNCATE audit_log",
		"DELETE FROM audit_head",
		"INSERT INTO audit_head VALUES (2,0,'')",
		"REPLACE INTO audit_log VALUES (1,NOW(),'','','','','','',"
		    "'','')",
		"INSERT INTO audit_log (id,at,actor_kind,actor_id,action,"
		    "subject,request_id,detail,prev_hash,hash) VALUES"
		    " (1,NOW(),'','','','','','','','')"
		    " ON DUPLICATE KEY UPDATE detail=''",
		"SELECT detail FROM audit_log",
	};
	static const char *const accounts[] = { "plugway_worker",
	    "plugway_keeper", "plugway_registrar" };

	(void)state;
	fresh_log(2);
	for (size_t a = 0; a < 3; a++) {
		MYSQL *my = dbserver_mysql(accounts[a], "test");

		assert_non_null(my);
		for (size_t i = 0; i < sizeof(refused) / sizeof(refused[0]);
		    i++)
			if (mysql_query(my, refused[i]) == 0)
				fail_msg("%s may: %s", accounts[a],
				    refused[i]);
		mysql_close(my);
	}
	assert_whole(2);
}

/* One of many: half of what it writes is rolled back. */
static void
write_many(unsigned n)
{
	struct db *db = dbserver_handle(n % 2 == 0 ? DB_WORKER :
	    DB_REGISTRAR);
	char id[16];
	int bad = 0;

	(void)snprintf(id, sizeof(id), "%u", n);
	audit_context(db, "writer", id, NULL);
	for (unsigned i = 0; i < EACH; i++) {
		int stop = 1;

		if (i % 2 == 0)
			bad |= audit_note_alone(db, AUDIT_SIGN_IN, "user:1",
			    NULL);
		else
			bad |= db_transaction(db, roll_back, &stop) != 1;
	}
	db_free(&db);
	_exit(bad != 0);
}

static void
test_writers_race(void **state)
{
	pid_t pids[WRITERS];

	(void)state;
	fresh_log(0);
	for (unsigned n = 0; n < WRITERS; n++) {
		pids[n] = fork();
		assert_true(pids[n] != -1);
		if (pids[n] == 0)
			write_many(n);
	}
	/* Verifying meanwhile never sees a fault that is not there. */
	for (unsigned i = 0; i < 20; i++)
		assert_int_equal(verify(NULL).fault, AUDIT_WHOLE);
	for (unsigned n = 0; n < WRITERS; n++) {
		int status;

		assert_int_equal(waitpid(pids[n], &status, 0), pids[n]);
		assert_true(WIFEXITED(status) && WEXITSTATUS(status) == 0);
	}
	assert_whole(WRITERS * EACH / 2);
	assert_int_equal(dbserver_number("SELECT COUNT(*) FROM"
	    " plugway.audit_log WHERE actor_id='3'"), EACH / 2);
}

static void
test_many_rows(void **state)
{
	(void)state;
	/* More than a page of the verification. */
	fresh_log(1100);
}

static int
open_handles(void **state)
{
	(void)state;
	worker = dbserver_handle(DB_WORKER);
	registrar = dbserver_handle(DB_REGISTRAR);
	oper = dbserver_handle(DB_OPERATOR);
	return 0;
}

static int
close_handles(void **state)
{
	(void)state;
	db_free(&worker);
	db_free(&registrar);
	db_free(&oper);
	return 0;
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_people),
		cmocka_unit_test(test_api_keys),
		cmocka_unit_test(test_accounts),
		cmocka_unit_test(test_nothing_without_its_event),
		cmocka_unit_test(test_what_is_found),
		cmocka_unit_test(test_a_noted_hash),
		cmocka_unit_test(test_only_added_to),
		cmocka_unit_test(test_writers_race),
		cmocka_unit_test(test_many_rows),
	};
	int rc;

	dbserver_start();
	dbserver_schema();
	rc = cmocka_run_group_tests(tests, open_handles, close_handles);
	dbserver_stop();
	return rc;
}
