/*
 * Registration jobs against a real MariaDB, under the accounts of
 * grants.sql: claims, fences, binding, giving back, the sweeper's rows.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "dbserver.h"
#include "store/changes.h"
#include "store/jobs.h"
#include "store/pluginkeys.h"
#include "store/users.h"

static struct db *worker, *keeper, *registrar, *oper;

/* A new user with its create job. */
static uint64_t
new_user(struct job *ret)
{
	static unsigned n;
	const struct signin_policy open_door = { .allow_new = true };
	char subject[16];
	const struct identity who = { .provider = "p", .subject = subject,
	    .username = "user" };
	enum signin_result result;
	struct user user;

	(void)snprintf(subject, sizeof(subject), "%u", ++n);
	assert_int_equal(user_sign_in(worker, &who, &open_door, &result,
	    &user), 0);
	assert_int_equal(job_by_user(registrar, user.id, JOB_CREATE, ret),
	    1);
	return user.id;
}

static struct job
claim(const struct job *job)
{
	struct job ret;

	assert_int_equal(job_claim(registrar, job->id, job->fence,
	    "host.1", 60, &ret), 1);
	return ret;
}

static struct bind
binding(const struct job *job, const char *plugin_user_id, const char *token)
{
	struct bind bind = { .plugin_user_id = plugin_user_id,
	    .token = token, .mac = "mac", .key_id = "id", .key_gen = 1 };

	assert_int_equal(attempt_open(registrar, job, "marker",
	    &bind.attempt_id), 0);
	return bind;
}

static struct job
reread(const struct job *job)
{
	struct job ret;

	assert_int_equal(job_get(registrar, job->id, &ret), 1);
	return ret;
}

/* Its lease ran out a second ago. */
static void
expire(const struct job *job)
{
	dbserver_sql("UPDATE registration_jobs SET lease_until="
	    "UTC_TIMESTAMP(6)-INTERVAL 1 SECOND WHERE id=%llu",
	    (unsigned long long)job->id);
}

static long long
changes_of(enum change_kind kind, uint64_t ref)
{
	return dbserver_number("SELECT COUNT(*) FROM changes WHERE kind=%d"
	    " AND ref=%llu", kind, (unsigned long long)ref);
}

static void
test_names(void **state)
{
	(void)state;
	assert_string_equal(job_kind_name(JOB_STATUS), "status");
	assert_string_equal(job_state_name(JOB_HELD), "held");
	assert_string_equal(job_reason_name(REASON_UNREACHABLE),
	    "upstream_unreachable");
	for (int i = 0; i < REASON_MAX; i++) {
		assert_non_null(job_reason_name((enum job_reason)i));
		assert_non_null(job_reason_text((enum job_reason)i, false));
		assert_string_not_equal(
		    job_reason_text((enum job_reason)i, false),
		    job_reason_text((enum job_reason)i, true));
	}
}

static void
test_claim(void **state)
{
	struct job job, mine, other;
	uint64_t ids[100];
	uint32_t fences[100];
	int64_t left_ms;
	int n, found = 0;

	(void)state;
	new_user(&job);
	n = job_candidates(registrar, ids, fences, 100);
	assert_true(n >= 1);
	for (int i = 0; i < n; i++)
		found += ids[i] == job.id && fences[i] == job.fence;
	assert_int_equal(found, 1);
	assert_int_equal(job_candidates(registrar, ids, fences, 0), 0);

	mine = claim(&job);
	assert_int_equal(mine.fence, job.fence + 1);
	assert_int_equal(mine.state, JOB_WORKING);
	assert_int_equal(mine.attempts, 1);
	assert_string_equal(mine.owner, "host.1");
	assert_int_equal(job_lease_left_ms(registrar, &mine, &left_ms), 0);
	assert_true(left_ms > 50000 && left_ms <= 60000);
	/* Neither with the old fence nor with the new while it lasts. */
	assert_int_equal(job_claim(registrar, job.id, job.fence, "b", 60,
	    &other), 0);
	assert_int_equal(job_claim(registrar, job.id, mine.fence, "b", 60,
	    &other), 0);

	expire(&mine);
	assert_int_equal(job_lease_left_ms(registrar, &mine, &left_ms), 0);
	assert_int_equal(left_ms, 0);
	assert_int_equal(job_claim(registrar, job.id, mine.fence, "b", 60,
	    &other), 1);
	assert_int_equal(other.attempts, 2);
	/* Whoever was late may do nothing any more. */
	assert_int_equal(job_lease_left_ms(registrar, &mine, &left_ms), 0);
	assert_int_equal(left_ms, 0);
	assert_int_equal(job_finish(registrar, &mine), 0);
	assert_int_equal(job_hold(registrar, &mine, REASON_REFUSED, ""), 0);
	assert_int_equal(job_release(registrar, &mine, REASON_RATE, "", 0,
	    true, false), 0);
	assert_int_equal(job_turn_into_create(registrar, &mine), 0);
	assert_int_equal(reread(&job).fence, other.fence);
	assert_int_equal(reread(&job).state, JOB_WORKING);
}

static void
test_release_and_hold(void **state)
{
	struct job job, mine, now;
	struct bind bind;
	uint64_t id = new_user(&job);
	char detail[400];

	(void)state;
	mine = claim(&job);
	assert_int_equal(job_release(registrar, &mine, REASON_UNREACHABLE,
	    "connect\nrefused", 3600000, false, false), 1);
	now = reread(&job);
	assert_int_equal(now.state, JOB_READY);
	assert_int_equal(now.attempts, 0);
	assert_int_equal(now.unknowns, 0);
	assert_int_equal(now.reason, REASON_UNREACHABLE);
	assert_string_equal(now.detail, "connect refused");
	assert_true(now.next_try_us - now.updated_us == 3600000000);
	assert_int_equal(changes_of(CHANGE_JOB, id), 1);
	/* Not before its time. */
	assert_int_equal(job_claim(registrar, job.id, now.fence, "b", 60,
	    &mine), 0);
	assert_int_equal(job_operator_retry(oper, job.id), 1);
	mine = claim(&now);
	memset(detail, 'x', sizeof(detail));
	memcpy(detail + 254, "\xc3\xa9", 2);
	detail[399] = '\0';
	assert_int_equal(job_release(registrar, &mine, REASON_UNKNOWN,
	    detail, 0, true, true), 1);
	now = reread(&job);
	assert_int_equal(now.attempts, 1);
	assert_int_equal(now.unknowns, 1);
	assert_int_equal(strlen(now.detail), 254);
	assert_int_equal(changes_of(CHANGE_JOB, id), 3);
	mine = claim(&now);
	assert_int_equal(mine.attempts, 2);
	/* The same reason again is no news. */
	assert_int_equal(job_release(registrar, &mine, REASON_UNKNOWN, NULL,
	    0, true, true), 1);
	assert_int_equal(changes_of(CHANGE_JOB, id), 3);
	now = reread(&job);
	assert_int_equal(now.unknowns, 2);
	mine = claim(&now);
	assert_int_equal(job_hold(registrar, &mine, REASON_REFUSED, "no"),
	    1);
	assert_int_equal(changes_of(CHANGE_JOB, id), 4);
	now = reread(&job);
	assert_int_equal(now.state, JOB_HELD);
	assert_int_equal(job_claim(registrar, job.id, now.fence, "b", 60,
	    &mine), 0);
	assert_int_equal(job_operator_retry(oper, job.id), 1);
	now = reread(&job);
	assert_true(now.state == JOB_READY && now.attempts == 0 &&
	    now.unknowns == 0 && now.reason == REASON_NONE);
	assert_int_equal(job_operator_retry(oper, 999999), 0);

	/* An operator's hold fences out who is at work. */
	mine = claim(&now);
	assert_int_equal(job_operator_hold(oper, job.id), 1);
	assert_int_equal(job_operator_hold(oper, job.id), 0);
	bind = binding(&mine, "up-held", "t-held");
	assert_int_equal(job_bind(registrar, &mine, &bind), 0);
	assert_int_equal(reread(&job).reason, REASON_OPERATOR);
}

static void
test_bind(void **state)
{
	struct job job, mine, late, other, now;
	struct bind bind;
	uint64_t id = new_user(&job), id2;
	struct pluginkey key;
	int64_t age_s;

	(void)state;
	late = claim(&job);
	expire(&late);
	now = reread(&job);
	mine = claim(&now);
	assert_int_equal(attempt_youngest_open_s(registrar, job.id, &age_s),
	    0);
	assert_int_equal(age_s, -1);
	bind = binding(&mine, "up-1", "t-1");
	assert_int_equal(attempt_youngest_open_s(registrar, job.id, &age_s),
	    0);
	assert_true(age_s >= 0 && age_s < 10);
	assert_int_equal(job_settle(registrar, &mine, &bind), 0);
	assert_int_equal(job_settle(registrar, &late, &bind), 2);
	assert_int_equal(job_bind(registrar, &late, &bind), 0);
	assert_int_equal(pluginkey_info(worker, id, &key), 0);
	assert_int_equal(job_bind(registrar, &mine, &bind), 1);
	assert_int_equal(job_settle(registrar, &mine, &bind), 1);
	assert_int_equal(changes_of(CHANGE_KEY, id), 1);
	assert_int_equal(dbserver_number("SELECT COUNT(*) FROM"
	    " registration_attempts WHERE job_id=%llu AND state='ok' AND"
	    " plugin_user_id='up-1'", (unsigned long long)job.id), 1);
	now = reread(&job);
	assert_int_equal(now.state, JOB_DONE);
	assert_string_equal(now.plugin_user_id, "up-1");
	assert_int_equal(now.attempts, 0);
	assert_int_equal(job_bind(registrar, &mine, &bind), 0);
	/* Bound: signing in makes no new job. */
	assert_int_equal(job_queue(worker, id, JOB_CREATE, 0), 0);

	/* The upstream gives the same account twice: the key judges. */
	id2 = new_user(&other);
	mine = claim(&other);
	bind = binding(&mine, "up-1", "t-2");
	assert_int_equal(job_bind(registrar, &mine, &bind), 0);
	assert_int_equal(pluginkey_info(worker, id2, &key), 0);
	assert_int_equal(reread(&other).state, JOB_WORKING);
	assert_int_equal(job_settle(registrar, &mine, &bind), 0);
	assert_int_equal(changes_of(CHANGE_KEY, id2), 0);

	/* A key that came otherwise: the job has nothing left to do. */
	assert_int_equal(pluginkey_insert(registrar, id2, "up-2", "t-3",
	    "mac", "id", 1), 0);
	assert_int_equal(job_bind(registrar, &mine, &bind), 0);
	assert_int_equal(reread(&other).state, JOB_DONE);
	assert_int_equal(attempt_close(registrar, bind.attempt_id, "lost",
	    201, NULL), 0);
}

/* A user with a bound key of generation 1. */
static uint64_t
bound_user(const char *plugin_user_id)
{
	struct job job, mine;
	struct bind bind;
	uint64_t id = new_user(&job);

	mine = claim(&job);
	bind = binding(&mine, plugin_user_id, plugin_user_id);
	assert_int_equal(job_bind(registrar, &mine, &bind), 1);
	return id;
}

static void
test_rekey(void **state)
{
	struct job job, mine;
	struct bind bind;
	struct pluginkey key;
	uint64_t id = new_user(&job);

	(void)state;
	assert_int_equal(job_queue(worker, id, JOB_REKEY, 600), 0);
	id = bound_user("up-rk");
	assert_int_equal(job_queue(worker, id, JOB_REKEY, 600), 1);
	assert_int_equal(job_queue(keeper, id, JOB_REKEY, 600), 0);
	assert_int_equal(job_by_user(worker, id, JOB_REKEY, &job), 1);
	mine = claim(&job);
	bind = binding(&mine, "up-rk", "t-rk2");
	bind.key_gen = 2;
	assert_int_equal(job_rebind(registrar, &mine, &bind, 7), 0);
	assert_int_equal(reread(&job).state, JOB_WORKING);
	assert_int_equal(job_rebind(registrar, &mine, &bind, 1), 1);
	assert_int_equal(job_settle(registrar, &mine, &bind), 1);
	assert_int_equal(pluginkey_info(worker, id, &key), 1);
	assert_int_equal(key.key_gen, 2);
	/* Too soon; then not. */
	assert_int_equal(job_queue(worker, id, JOB_REKEY, 600), 0);
	dbserver_sql("UPDATE registration_jobs SET queued_at=queued_at-"
	    "INTERVAL 601 SECOND WHERE id=%llu",
	    (unsigned long long)job.id);
	assert_int_equal(job_queue(worker, id, JOB_REKEY, 600), 1);

	/* The account is gone: the key goes, a create comes. */
	job = reread(&job);
	mine = claim(&job);
	assert_int_equal(job_turn_into_create(registrar, &mine), 1);
	assert_int_equal(pluginkey_info(worker, id, &key), 0);
	assert_int_equal(job_by_user(worker, id, JOB_CREATE, &job), 1);
	assert_int_equal(job.state, JOB_READY);
	mine = claim(&job);
	bind = binding(&mine, "up-rk3", "t-rk3");
	assert_int_equal(job_bind(registrar, &mine, &bind), 1);
}

static void
test_status(void **state)
{
	struct job job, mine;
	uint64_t id = bound_user("up-st");

	(void)state;
	assert_int_equal(user_set_active(oper, id, false), 1);
	assert_int_equal(job_by_user(registrar, id, JOB_STATUS, &job), 1);
	mine = claim(&job);
	assert_int_equal(job_finish(registrar, &mine), 1);
	assert_int_equal(reread(&job).state, JOB_DONE);
	assert_int_equal(user_set_active(oper, id, true), 1);
	job = reread(&job);
	assert_int_equal(job.state, JOB_READY);
	/* Changed again while it is worked on: it must run again. */
	mine = claim(&job);
	assert_int_equal(user_set_active(oper, id, false), 1);
	assert_int_equal(reread(&job).state, JOB_WORKING);
	assert_int_equal(job_finish(registrar, &mine), 1);
	job = reread(&job);
	assert_int_equal(job.state, JOB_READY);
	mine = claim(&job);
	assert_int_equal(job_hold(registrar, &mine, REASON_REFUSED, ""), 1);
	assert_int_equal(user_set_active(oper, id, true), 1);
	assert_int_equal(reread(&job).state, JOB_READY);
}

static void
test_deleted_user(void **state)
{
	struct job job, mine;
	struct bind bind;
	uint64_t id = new_user(&job);

	(void)state;
	mine = claim(&job);
	bind = binding(&mine, "up-del", "t-del");
	dbserver_sql("DELETE FROM users WHERE id=%llu",
	    (unsigned long long)id);
	assert_int_equal(job_bind(registrar, &mine, &bind), 0);
	assert_int_equal(job_settle(registrar, &mine, &bind), 2);
	/* The job stays for the sweeper to look at, and is at its end. */
	assert_int_equal(reread(&job).state, JOB_DONE);
	assert_int_equal(job_queue(worker, id, JOB_CREATE, 0), 0);
	assert_int_equal(pluginkey_is_bound(registrar, "up-del"), 0);
	id = bound_user("up-del2");
	dbserver_sql("DELETE FROM users WHERE id=%llu",
	    (unsigned long long)id);
	assert_int_equal(pluginkey_is_bound(registrar, "up-del2"), 0);
}

static void
count_jobs(void *arg, const struct job *job)
{
	unsigned *n = arg;

	assert_true(job->id > 0);
	(*n)++;
}

static void
test_lists(void **state)
{
	struct job_totals totals;
	unsigned all = 0, done = 0;

	(void)state;
	assert_int_equal(job_list(oper, NULL, 0, 1000, count_jobs, &all),
	    0);
	assert_int_equal(job_list(oper, "done", 0, 1000, count_jobs, &done),
	    0);
	dbserver_sql("UPDATE registration_jobs SET queued_at=queued_at-"
	    "INTERVAL 77 SECOND WHERE state='ready'");
	assert_int_equal(attempt_close(registrar, 1, "unknown", 0, NULL),
	    0);
	for (int i = 0; i < 3; i++) {
		struct db *each[] = { worker, keeper, registrar };

		assert_int_equal(job_totals(each[i], &totals), 0);
		assert_int_equal(totals.ready + totals.working +
		    totals.done + totals.held, all);
		assert_int_equal(totals.done, done);
		assert_true(totals.oldest_ready_s >= 77);
		assert_int_equal(totals.unknown, 1);
		assert_int_equal(totals.orphans, 0);
	}
}

static void
test_leases(void **state)
{
	(void)state;
	assert_int_equal(lease_take(registrar, "sweep", "a", 60), 1);
	assert_int_equal(lease_take(registrar, "sweep", "b", 60), 0);
	assert_int_equal(lease_take(registrar, "sweep", "a", 60), 1);
	assert_int_equal(lease_take(keeper, "purge", "b", 0), 1);
	assert_int_equal(lease_take(keeper, "purge", "a", 60), 1);
	assert_int_equal(lease_take(keeper, "purge", "b", 60), 0);
}

static void
see_orphan(void *arg, const struct orphan *orphan)
{
	unsigned *n = arg;

	(*n)++;
	/* Statements may run while a list is read. */
	assert_int_equal(orphan_forget(registrar, orphan->plugin_user_id),
	    0);
}

static void
test_orphans(void **state)
{
	struct orphan orphan;
	struct job_totals totals;
	unsigned n = 0;

	(void)state;
	assert_int_equal(orphan_see(registrar, "o-1", "marker", &orphan),
	    0);
	assert_true(!orphan.disabled && !orphan.deleted);
	assert_int_equal(orphan.disabled_s, -1);
	dbserver_sql("UPDATE orphans SET first_seen_at=first_seen_at-"
	    "INTERVAL 1000 SECOND");
	assert_int_equal(orphan_note_disabled(registrar, "o-1"), 0);
	dbserver_sql("UPDATE orphans SET disabled_at=disabled_at-"
	    "INTERVAL 500 SECOND");
	assert_int_equal(orphan_note_disabled(registrar, "o-1"), 0);
	assert_int_equal(orphan_see(registrar, "o-1", "marker", &orphan),
	    0);
	assert_true(orphan.disabled && !orphan.deleted);
	assert_true(orphan.first_seen_s >= 1000);
	assert_true(orphan.disabled_s >= 500 && orphan.disabled_s < 1000);
	assert_string_equal(orphan.marker, "marker");
	assert_int_equal(job_totals(worker, &totals), 0);
	assert_int_equal(totals.orphans, 1);
	assert_int_equal(orphan_note_deleted(registrar, "o-1"), 0);
	assert_int_equal(job_totals(worker, &totals), 0);
	assert_int_equal(totals.orphans, 0);
	assert_int_equal(orphan_see(registrar, "o-1", "marker", &orphan),
	    0);
	assert_false(orphan.deleted);
	assert_int_equal(orphan_see(registrar, "o-2", "m2", &orphan), 0);
	assert_int_equal(orphan_list(registrar, see_orphan, &n), 0);
	assert_int_equal(n, 2);
	assert_int_equal(orphan_list(registrar, see_orphan, &n), 0);
	assert_int_equal(n, 2);
}

static int
open_handles(void **state)
{
	(void)state;
	worker = dbserver_handle(DB_WORKER);
	keeper = dbserver_handle(DB_KEEPER);
	registrar = dbserver_handle(DB_REGISTRAR);
	oper = dbserver_handle(DB_OPERATOR);
	return 0;
}

static int
close_handles(void **state)
{
	(void)state;
	db_free(&worker);
	db_free(&keeper);
	db_free(&registrar);
	db_free(&oper);
	return 0;
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_names),
		cmocka_unit_test(test_claim),
		cmocka_unit_test(test_release_and_hold),
		cmocka_unit_test(test_bind),
		cmocka_unit_test(test_rekey),
		cmocka_unit_test(test_status),
		cmocka_unit_test(test_deleted_user),
		cmocka_unit_test(test_lists),
		cmocka_unit_test(test_leases),
		cmocka_unit_test(test_orphans),
	};
	int rc;

	dbserver_start();
	dbserver_schema();
	rc = cmocka_run_group_tests(tests, open_handles, close_handles);
	dbserver_stop();
	return rc;
}
