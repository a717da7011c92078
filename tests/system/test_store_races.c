/*
 * Races and broken connections: many processes, one MariaDB.  What may
 * happen once happens once; what was cut is whole or is not there.
 */
#include <errno.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>
#include <mysql.h>

#include "dbserver.h"
#include "store/jobs.h"
#include "store/pluginkeys.h"
#include "store/run.h"
#include "store/tokens.h"
#include "store/users.h"

#define RACERS_MAX	60

/*
 * n processes run racer(db, i, arg) on connections of their own, let go
 * at one instant; returns how many gave 1.  -1 of one fails the test.
 */
static int
race(int n, enum db_role role, int (*racer)(struct db *, int, void *),
    void *arg)
{
	pid_t pids[RACERS_MAX];
	int gate[2], ready[2], winners = 0, status;
	char byte;

	assert_true(n <= RACERS_MAX);
	assert_int_equal(pipe(gate), 0);
	assert_int_equal(pipe(ready), 0);
	for (int i = 0; i < n; i++) {
		pids[i] = fork();
		assert_int_not_equal(pids[i], -1);
		if (pids[i] != 0)
			continue;
		struct db *db = dbserver_handle(role);

		(void)close(gate[1]);
		if (db_connect(db, 10000) == -1 ||
		    write(ready[1], "r", 1) != 1 ||
		    read(gate[0], &byte, 1) != 0)
			_exit(100);
		int rc = racer(db, i, arg);

		if (rc == -1)
			(void)fprintf(stderr, "racer %d: %s\n", i,
			    db_fault_text(db));
		db_free(&db);
		_exit(rc == -1 ? 101 : rc);
	}
	(void)close(ready[1]);
	for (int i = 0; i < n; i++)
		assert_int_equal(read(ready[0], &byte, 1), 1);
	(void)close(gate[1]);
	for (int i = 0; i < n; i++) {
		assert_int_equal(waitpid(pids[i], &status, 0), pids[i]);
		assert_true(WIFEXITED(status));
		assert_true(WEXITSTATUS(status) <= 1);
		winners += WEXITSTATUS(status);
	}
	(void)close(gate[0]);
	(void)close(ready[0]);
	return winners;
}

static int
sign_in_named(struct db *db, const char *subject, const char *name,
    struct user *ret)
{
	const struct signin_policy open_door = { .allow_new = true };
	const struct identity who = { .provider = "p", .subject = subject,
	    .username = name };
	enum signin_result result;

	if (user_sign_in(db, &who, &open_door, &result, ret) == -1)
		return -1;
	return result == SIGNIN_CREATED;
}

static int
sign_in_as(struct db *db, const char *subject, struct user *ret)
{
	return sign_in_named(db, subject, "racer", ret);
}

/* The names differ now and then: then the identity's key judges. */
static int
racing_sign_in(struct db *db, int i, void *arg)
{
	char name[32];
	struct user user;

	(void)snprintf(name, sizeof(name), "%s-%d", (char *)arg, i % 7);
	return sign_in_named(db, arg, name, &user);
}

static void
test_one_person(void **state)
{
	char subject[16];

	(void)state;
	for (int round = 0; round < 5; round++) {
		(void)snprintf(subject, sizeof(subject), "one%d", round);
		assert_int_equal(race(20, DB_WORKER, racing_sign_in,
		    subject), 1);
		assert_int_equal(dbserver_number("SELECT COUNT(*) FROM"
		    " identities WHERE subject='%s'", subject), 1);
		assert_int_equal(dbserver_number("SELECT COUNT(*) FROM"
		    " users"), round + 1);
		assert_int_equal(dbserver_number("SELECT COUNT(*) FROM"
		    " registration_jobs"), round + 1);
	}
}

static int
racing_namesake(struct db *db, int i, void *arg)
{
	char subject[32];
	struct user user;

	(void)snprintf(subject, sizeof(subject), "%s-%d", (char *)arg, i);
	return sign_in_as(db, subject, &user);
}

static void
test_many_of_one_name(void **state)
{
	const long long before = dbserver_number("SELECT COUNT(*) FROM"
	    " users");
	char prefix[] = "many";

	(void)state;
	assert_int_equal(race(20, DB_WORKER, racing_namesake, prefix), 20);
	assert_int_equal(dbserver_number("SELECT COUNT(*) FROM users"),
	    before + 20);
}

/* A user's create job that is ready. */
static void
ready_job(struct job *ret)
{
	static int n;
	struct db *db = dbserver_handle(DB_REGISTRAR);
	struct db *worker = dbserver_handle(DB_WORKER);
	char subject[16];
	struct user user;

	(void)snprintf(subject, sizeof(subject), "job%d", n++);
	assert_int_equal(sign_in_as(worker, subject, &user), 1);
	assert_int_equal(job_by_user(db, user.id, JOB_CREATE, ret), 1);
	db_free(&db);
	db_free(&worker);
}

static int
racing_claim(struct db *db, int i, void *arg)
{
	const struct job *job = arg;
	char owner[16];
	struct job mine;
	int rc;

	(void)snprintf(owner, sizeof(owner), "o%d", i);
	rc = job_claim(db, job->id, job->fence, owner, 60, &mine);
	if (rc == 1 && strcmp(mine.owner, owner) != 0)
		return -1;
	return rc;
}

static void
test_one_claim(void **state)
{
	struct job job;

	(void)state;
	for (int round = 0; round < 4; round++) {
		ready_job(&job);
		assert_int_equal(race(50, DB_REGISTRAR, racing_claim, &job),
		    1);
		assert_int_equal(dbserver_number("SELECT fence FROM"
		    " registration_jobs WHERE id=%llu",
		    (unsigned long long)job.id), 1);
	}
}

/* All hold the same fence, as after a lost answer; one may bind. */
static int
racing_bind(struct db *db, int i, void *arg)
{
	const struct job *job = arg;
	char id[32], token[40];
	struct bind bind = { .plugin_user_id = id, .token = token,
	    .mac = "m", .key_gen = 1 };

	(void)snprintf(id, sizeof(id), "up-%llu-%d",
	    (unsigned long long)job->id, i);
	(void)snprintf(token, sizeof(token), "t-%s", id);
	return job_bind(db, job, &bind);
}

static void
test_one_bind(void **state)
{
	struct db *db = dbserver_handle(DB_REGISTRAR);
	struct job job, mine;

	(void)state;
	for (int round = 0; round < 4; round++) {
		ready_job(&job);
		assert_int_equal(job_claim(db, job.id, job.fence, "a", 60,
		    &mine), 1);
		assert_int_equal(race(20, DB_REGISTRAR, racing_bind, &mine),
		    1);
		assert_int_equal(dbserver_number("SELECT COUNT(*) FROM"
		    " plugin_api_keys WHERE user_id=%llu",
		    (unsigned long long)job.user_id), 1);
	}
	db_free(&db);
}

static int
racing_take(struct db *db, int i, void *arg)
{
	struct oauth_state got;
	int wins = 0;

	(void)i;
	for (int n = 0; n < 100; n++) {
		unsigned char hash[32] = { 0 };

		memcpy(hash, &n, sizeof(n));
		int rc = oauth_state_take(db, hash, &got);

		if (rc == -1)
			return -1;
		wins += rc;
	}
	/* Told apart from the exit status by a row each. */
	for (; wins > 0; wins--)
		if (oauth_state_put(db, (unsigned char[32]){ 1, 2,
		    (unsigned char)i, (unsigned char)wins, 9 },
		    arg, 600) == -1)
			return -1;
	return 0;
}

static void
test_states_taken_once(void **state)
{
	struct db *db = dbserver_handle(DB_WORKER);
	struct oauth_state put = { .provider = "p", .return_to = "/" };

	(void)state;
	for (int n = 0; n < 100; n++) {
		unsigned char hash[32] = { 0 };

		memcpy(hash, &n, sizeof(n));
		assert_int_equal(oauth_state_put(db, hash, &put, 600), 0);
	}
	assert_int_equal(race(10, DB_WORKER, racing_take, &put), 0);
	/* A hundred states were there; a hundred takes succeeded. */
	assert_int_equal(dbserver_number("SELECT COUNT(*) FROM"
	    " oauth_states"), 100);
	db_free(&db);
}

static int
racing_refresh(struct db *db, int i, void *arg)
{
	unsigned char next[32] = { 0xff, (unsigned char)i };
	char session[SESSION_ID_LEN + 1];
	enum refresh_result result;
	uint64_t user_id;

	if (session_refresh(db, arg, next, 60, 600, &result, session,
	    &user_id) == -1)
		return -1;
	return result == REFRESH_OK;
}

static void
test_refresh_together(void **state)
{
	struct db *db = dbserver_handle(DB_WORKER);
	unsigned char first[32] = { 0xee };
	struct user user;

	(void)state;
	assert_int_equal(sign_in_as(db, "refresher", &user), 1);
	assert_int_equal(session_create(db, "s", user.id, first, 600), 0);
	assert_int_equal(race(20, DB_WORKER, racing_refresh, first), 20);
	assert_int_equal(dbserver_number("SELECT COUNT(*) FROM"
	    " refresh_tokens WHERE session_id='s'"), 21);
	db_free(&db);
}

static int
racing_lease(struct db *db, int i, void *arg)
{
	char owner[16];

	(void)snprintf(owner, sizeof(owner), "o%d", i);
	return lease_take(db, arg, owner, 60);
}

static void
test_one_leader(void **state)
{
	char name[] = "sweeper";

	(void)state;
	assert_int_equal(race(30, DB_REGISTRAR, racing_lease, name), 1);
	dbserver_sql("UPDATE leases SET lease_until='2000-01-01'");
	assert_int_equal(race(30, DB_REGISTRAR, racing_lease, name), 1);
}

/* Two bodies that touch two users in opposite order. */
struct crossing {
	uint64_t	 first, second;
	int		 runs;
};

static int
crossing_body(struct db *db, void *arg)
{
	struct crossing *c = arg;

	c->runs++;
	if (db_exec(db, STMT_USER_NOTE_LOGIN, A_U64(c->first)) == -1)
		return -1;
	(void)usleep(20000);
	return db_exec(db, STMT_USER_NOTE_LOGIN, A_U64(c->second)) == -1 ?
	    -1 : 0;
}

static int
racing_crossing(struct db *db, int i, void *arg)
{
	const uint64_t *ids = arg;
	struct crossing c = { .first = ids[i % 2],
	    .second = ids[1 - i % 2] };

	if (db_transaction(db, crossing_body, &c) != 0)
		return -1;
	return c.runs > 1;
}

static void
test_deadlock_runs_again(void **state)
{
	struct db *db = dbserver_handle(DB_WORKER);
	struct user a, b;

	(void)state;
	assert_int_equal(sign_in_as(db, "cross1", &a), 1);
	assert_int_equal(sign_in_as(db, "cross2", &b), 1);
	/* Nobody fails, and somebody did meet a deadlock. */
	assert_true(race(2, DB_WORKER, racing_crossing,
	    (uint64_t[]){ a.id, b.id }) >= 1);
	db_free(&db);
}

/* Kills its own connection in its first run. */
struct cut {
	uint64_t	 user_id;
	int		 runs, cuts;
	int		 result;	/* of the body at the end */
};

static void
kill_connections(void)
{
	MYSQL *root = dbserver_mysql("root", "");
	MYSQL_RES *res;
	MYSQL_ROW row;
	char sql[64];

	assert_non_null(root);
	assert_int_equal(mysql_query(root, "SELECT id FROM"
	    " information_schema.processlist WHERE user LIKE 'plugway%'"),
	    0);
	res = mysql_store_result(root);
	assert_non_null(res);
	while ((row = mysql_fetch_row(res)) != NULL) {
		(void)snprintf(sql, sizeof(sql), "KILL HARD CONNECTION %s",
		    row[0]);
		(void)mysql_query(root, sql);
	}
	mysql_free_result(res);
	mysql_close(root);
}

static int
cut_body(struct db *db, void *arg)
{
	struct cut *cut = arg;

	cut->runs++;
	if (db_exec(db, STMT_CHANGE_NOTE, A_I64(77), A_U64(cut->runs)) == -1)
		return -1;
	if (cut->runs <= cut->cuts)
		kill_connections();
	if (db_exec(db, STMT_USER_NOTE_LOGIN, A_U64(cut->user_id)) == -1) {
		/* Nothing runs outside the lost transaction. */
		assert_int_equal(db_exec(db, STMT_CHANGE_NOTE, A_I64(78),
		    A_U64(1)), -1);
		return -1;
	}
	return cut->result;
}

static void
test_killed_connection(void **state)
{
	struct db *db = dbserver_handle(DB_WORKER);
	struct user user;
	struct cut cut = { .cuts = 2 };

	(void)state;
	assert_int_equal(sign_in_as(db, "cut", &user), 1);
	cut.user_id = user.id;
	assert_int_equal(db_transaction(db, cut_body, &cut), 0);
	assert_int_equal(cut.runs, 3);
	assert_int_equal(dbserver_number("SELECT COUNT(*) FROM changes"
	    " WHERE kind=77"), 1);
	assert_int_equal(dbserver_number("SELECT COUNT(*) FROM changes"
	    " WHERE kind=78"), 0);
	/* Idle and killed: the next read connects again by itself. */
	kill_connections();
	assert_int_equal(user_by_id(db, user.id, &user), 1);
	kill_connections();
	assert_int_equal(db_exec(db, STMT_USER_NOTE_LOGIN,
	    A_U64(user.id)), -1);
	assert_int_equal(db_fault(db), DB_GONE);
	assert_int_equal(db_exec(db, STMT_USER_NOTE_LOGIN,
	    A_U64(user.id)), 1);
	/* Five tries, no more. */
	cut = (struct cut){ .user_id = user.id, .cuts = 99 };
	assert_int_equal(db_transaction(db, cut_body, &cut), -1);
	assert_int_equal(cut.runs, 5);
	assert_int_equal(db_fault(db), DB_GONE);
	/* On purpose: rolled back, the value comes back, no retry. */
	cut = (struct cut){ .user_id = user.id, .result = 3 };
	assert_int_equal(db_transaction(db, cut_body, &cut), 3);
	assert_int_equal(cut.runs, 1);
	assert_int_equal(dbserver_number("SELECT COUNT(*) FROM changes"
	    " WHERE kind=77"), 1);
	db_free(&db);
}

/* The commit itself meets a dead connection: nobody knows. */
static int
cut_commit_body(struct db *db, void *arg)
{
	int *runs = arg;

	if (db_exec(db, STMT_CHANGE_NOTE, A_I64(79), A_U64(1)) == -1)
		return -1;
	if ((*runs)++ == 0)
		kill_connections();
	return 0;
}

static void
test_unknown_commit(void **state)
{
	struct db *db = dbserver_handle(DB_WORKER);
	int runs = 0;

	(void)state;
	assert_int_equal(db_transaction(db, cut_commit_body, &runs), -1);
	assert_int_equal(db_fault(db), DB_UNKNOWN_COMMIT);
	assert_int_equal(runs, 1);
	runs = 0;
	assert_int_equal(db_transaction_again(db, cut_commit_body, &runs),
	    0);
	assert_int_equal(runs, 2);
	db_free(&db);
}

static void
test_lock_wait(void **state)
{
	struct db *db = dbserver_handle(DB_WORKER);
	MYSQL *root = dbserver_mysql("root", "");
	struct user user;

	(void)state;
	assert_int_equal(sign_in_as(db, "locked", &user), 1);
	db_disconnect(db);
	/* With short time-outs lock waits end before the reads do. */
	assert_int_equal(db_connect(db, 3000), 0);
	assert_int_equal(mysql_query(root, "BEGIN"), 0);
	assert_int_equal(mysql_query(root, "UPDATE users SET beta=beta+1"),
	    0);
	assert_int_equal(db_begin(db), 0);
	assert_int_equal(db_exec(db, STMT_USER_NOTE_LOGIN, A_U64(user.id)),
	    -1);
	assert_int_equal(db_fault(db), DB_RETRY);
	assert_int_equal(db_commit(db), -1);
	assert_int_equal(db_fault(db), DB_RETRY);
	assert_int_equal(mysql_query(root, "ROLLBACK"), 0);
	mysql_close(root);
	db_free(&db);
}

static void
test_faults(void **state)
{
	struct db *db = dbserver_handle(DB_WORKER);
	struct db *wrong = db_create(dbserver_conf("plugway_worker",
	    "n0t-it"), DB_WORKER);
	int64_t now_ms;

	(void)state;
	assert_int_equal(db_connect(wrong, 1000), -1);
	assert_int_equal(db_fault(wrong), DB_DENIED);
	assert_null(strstr(db_fault_text(wrong), "n0t-it"));
	db_free(&wrong);
	dbserver_sql("SET GLOBAL read_only=1");
	assert_int_equal(user_note_login(db, 1), -1);
	assert_int_equal(db_fault(db), DB_DENIED);
	dbserver_sql("SET GLOBAL read_only=0");
	assert_int_equal(user_note_login(db, 1), 0);
	dbserver_kill();
	assert_int_equal(db_now_ms(db, &now_ms), -1);
	assert_int_equal(db_fault(db), DB_GONE);
	assert_int_equal(db_begin(db), -1);
	assert_int_equal(db_fault(db), DB_GONE);
	dbserver_again();
	assert_int_equal(db_now_ms(db, &now_ms), 0);
	assert_true(now_ms > 1500000000000);
	db_free(&db);
}

/* A child that used its parent's connection would break it. */
static void
test_fork_guard(void **state)
{
	struct db *db = dbserver_handle(DB_WORKER);
	int64_t now_ms;
	int status;
	pid_t pid;

	(void)state;
	assert_int_equal(db_now_ms(db, &now_ms), 0);
	pid = fork();
	assert_int_not_equal(pid, -1);
	if (pid == 0) {
		(void)signal(SIGABRT, SIG_DFL);
		(void)close(2);
		(void)db_now_ms(db, &now_ms);
		_exit(0);
	}
	assert_int_equal(waitpid(pid, &status, 0), pid);
	assert_true(WIFSIGNALED(status) && WTERMSIG(status) == SIGABRT);
	assert_int_equal(db_now_ms(db, &now_ms), 0);
	db_free(&db);
}

/* A handle may run its role's statements only. */
static void
test_role_guard(void **state)
{
	struct db *db = dbserver_handle(DB_WORKER);
	int status;
	pid_t pid = fork();

	(void)state;
	assert_int_not_equal(pid, -1);
	if (pid == 0) {
		struct db *own = dbserver_handle(DB_WORKER);

		(void)signal(SIGABRT, SIG_DFL);
		(void)close(2);
		(void)pluginkey_delete(own, 1);
		_exit(0);
	}
	assert_int_equal(waitpid(pid, &status, 0), pid);
	assert_true(WIFSIGNALED(status) && WTERMSIG(status) == SIGABRT);
	db_free(&db);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_one_person),
		cmocka_unit_test(test_many_of_one_name),
		cmocka_unit_test(test_one_claim),
		cmocka_unit_test(test_one_bind),
		cmocka_unit_test(test_states_taken_once),
		cmocka_unit_test(test_refresh_together),
		cmocka_unit_test(test_one_leader),
		cmocka_unit_test(test_deadlock_runs_again),
		cmocka_unit_test(test_killed_connection),
		cmocka_unit_test(test_unknown_commit),
		cmocka_unit_test(test_lock_wait),
		cmocka_unit_test(test_faults),
		cmocka_unit_test(test_fork_guard),
		cmocka_unit_test(test_role_guard),
	};
	int rc;

	dbserver_start();
	dbserver_schema();
	rc = cmocka_run_group_tests(tests, NULL, NULL);
	dbserver_stop();
	return rc;
}
