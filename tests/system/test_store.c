/*
 * The store against a real MariaDB, under the accounts of grants.sql:
 * people, keys, sessions, tokens, api keys, changes, migrations.  Jobs
 * and races have programs of their own.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include <cmocka.h>

#include "dbserver.h"
#include "share/apikeycache.h"
#include "store/apikeys.h"
#include "store/changes.h"
#include "store/jobs.h"
#include "store/migrate.h"
#include "store/pluginkeys.h"
#include "store/tokens.h"
#include "store/users.h"

static struct db *worker, *keeper, *registrar, *oper;

/* Signs somebody in who must be let in. */
static uint64_t
sign_in(const char *subject, const char *name, struct user *ret)
{
	const struct signin_policy open_door = { .allow_new = true };
	const struct identity who = { .provider = "linux_do",
	    .subject = subject, .username = name, .trust_level = 2 };
	enum signin_result result;
	struct user user;

	assert_int_equal(user_sign_in(worker, &who, &open_door, &result,
	    &user), 0);
	assert_true(result == SIGNIN_OK || result == SIGNIN_CREATED);
	if (ret != NULL)
		*ret = user;
	return user.id;
}

static unsigned char *
hash_of(int n)
{
	static unsigned char hash[4][32];
	static unsigned next;
	unsigned char *ret = hash[next++ % 4];

	memset(ret, 0, 32);
	memcpy(ret, &n, sizeof(n));
	return ret;
}

/* Rows of changes of this kind for ref. */
static long long
changes_of(enum change_kind kind, uint64_t ref)
{
	return dbserver_number("SELECT COUNT(*) FROM changes WHERE kind=%d"
	    " AND ref=%llu", kind, (unsigned long long)ref);
}

static void
test_sign_in(void **state)
{
	const struct signin_policy open_door = { .allow_new = true };
	struct identity who = { .provider = "linux_do", .subject = "7",
	    .username = "bob", .avatar_url = "https://a/1", .trust_level = 1 };
	enum signin_result result;
	struct user first, again;
	struct job job;

	(void)state;
	assert_int_equal(user_sign_in(worker, &who, &open_door, &result,
	    &first), 0);
	assert_int_equal(result, SIGNIN_CREATED);
	assert_string_equal(first.username, "bob");
	assert_string_equal(first.avatar_url, "https://a/1");
	assert_int_equal(first.trust_level, 1);
	assert_true(first.is_active && !first.is_silenced);
	assert_true(first.created_us > 1500000000000000);
	assert_true(llabs(first.created_us - (int64_t)time(NULL) * 1000000) <
	    60000000);
	assert_int_equal(job_by_user(worker, first.id, JOB_CREATE, &job), 1);
	assert_int_equal(job.state, JOB_READY);

	who.avatar_url = NULL;
	who.trust_level = 3;
	who.username = "renamed at the provider";
	assert_int_equal(user_sign_in(worker, &who, &open_door, &result,
	    &again), 0);
	assert_int_equal(result, SIGNIN_OK);
	assert_int_equal(again.id, first.id);
	assert_string_equal(again.username, "bob");
	assert_string_equal(again.avatar_url, "https://a/1");
	assert_int_equal(again.trust_level, 3);

	/* Another person: '7 ' is not '7', nor is 7 elsewhere. */
	who.subject = "7 ";
	assert_int_equal(user_sign_in(worker, &who, &open_door, &result,
	    &again), 0);
	assert_int_equal(result, SIGNIN_CREATED);
	who.subject = "7";
	who.provider = "github";
	assert_int_equal(user_sign_in(worker, &who, &open_door, &result,
	    &again), 0);
	assert_int_equal(result, SIGNIN_CREATED);
	assert_string_equal(again.username, "renamed at the provider-2");
	assert_int_equal(dbserver_number("SELECT COUNT(*) FROM"
	    " registration_jobs"), 3);
}

static void
test_sign_in_names(void **state)
{
	char subject[16], want[32];
	struct user user;

	(void)state;
	for (int i = 1; i <= 12; i++) {
		(void)snprintf(subject, sizeof(subject), "n%d", i);
		sign_in(subject, "same", &user);
		(void)snprintf(want, sizeof(want), i == 1 ? "same" :
		    "same-%d", i);
		if (i <= 9)
			assert_string_equal(user.username, want);
		else
			assert_int_equal(strlen(user.username), 4 + 9);
	}
	/* 300 characters of four bytes are cut at a character. */
	char *longer = malloc(1201);

	assert_non_null(longer);
	for (int i = 0; i < 300; i++)
		memcpy(longer + (size_t)i * 4, "\xf0\x9f\x98\x80", 5);
	sign_in("e1", longer, &user);
	assert_int_equal(strlen(user.username), 1020);
	sign_in("e2", longer, &user);
	assert_int_equal(strlen(user.username), 253 * 4 + 2);
	assert_string_equal(user.username + 253 * 4, "-2");
	free(longer);
	sign_in("e3", "", &user);
	assert_string_equal(user.username, "user");
	sign_in("e4", "bad \xff bytes", &user);
	assert_string_equal(user.username, "user-2");
	assert_int_equal(user_name_exists(worker, "user-2"), 1);
	assert_int_equal(user_name_exists(worker, "user-3"), 0);
}

static void
test_sign_in_policy(void **state)
{
	struct identity who = { .provider = "linux_do", .subject = "p1",
	    .username = "p", .trust_level = 1 };
	enum signin_result result;
	struct user user;

	(void)state;
	assert_int_equal(user_sign_in(worker, &who, &(struct signin_policy){
	    .allow_new = false }, &result, &user), 0);
	assert_int_equal(result, SIGNIN_CLOSED);
	assert_int_equal(user_sign_in(worker, &who, &(struct signin_policy){
	    .allow_new = true, .min_trust_level = 2 }, &result, &user), 0);
	assert_int_equal(result, SIGNIN_TRUST);
	assert_int_equal(user_name_exists(worker, "p"), 0);
	assert_int_equal(user_sign_in(worker, &who, &(struct signin_policy){
	    .allow_new = true, .min_trust_level = 1 }, &result, &user), 0);
	assert_int_equal(result, SIGNIN_CREATED);
	/* The door is for newcomers only. */
	assert_int_equal(user_sign_in(worker, &who, &(struct signin_policy){
	    .allow_new = false, .min_trust_level = 9 }, &result, &user), 0);
	assert_int_equal(result, SIGNIN_OK);
	assert_int_equal(user_set_active(oper, user.id, false), 1);
	assert_int_equal(user_sign_in(worker, &who, &(struct signin_policy){
	    .allow_new = true }, &result, &user), 0);
	assert_int_equal(result, SIGNIN_DISABLED);
}

static void
test_user_changes(void **state)
{
	uint64_t id = sign_in("c1", "changer", NULL);
	struct user user;
	int64_t from1, from2;
	long long before = changes_of(CHANGE_USER, id);

	(void)state;
	assert_int_equal(user_set_password(oper, id, "$y$x"), 1);
	assert_int_equal(user_by_name(worker, "changer", &user), 1);
	assert_string_equal(user.password_hash, "$y$x");
	assert_int_equal(user_by_name(worker, "CHANGER", &user), 0);
	assert_int_equal(user_by_id(worker, id, &user), 1);
	assert_string_equal(user.password_hash, "");
	assert_int_equal(user_note_login(worker, id), 0);

	assert_int_equal(user_end_sessions(worker, id, &from1), 1);
	assert_true(from1 > time(NULL) - 60);
	assert_int_equal(user_end_sessions(worker, id, &from2), 1);
	assert_true(from2 > from1);
	assert_int_equal(changes_of(CHANGE_USER, id), before + 2);
	assert_int_equal(user_end_sessions(worker, 999999, &from1), 0);

	assert_int_equal(user_set_active(oper, id, true), 1);
	assert_int_equal(changes_of(CHANGE_USER, id), before + 3);
	assert_int_equal(user_set_active(oper, 999999, false), 0);
	assert_int_equal(user_set_active(oper, id, false), 1);
	assert_int_equal(user_by_id(worker, id, &user), 1);
	assert_false(user.is_active);
	assert_true(user.sessions_valid_from_s > from2);
	/* No key is bound: nothing to do at the upstream. */
	assert_int_equal(dbserver_number("SELECT COUNT(*) FROM"
	    " registration_jobs WHERE kind='status'"), 0);
	assert_int_equal(pluginkey_insert(registrar, id, "up-c1", "tok",
	    "mac", "id", 1), 0);
	assert_int_equal(user_set_active(oper, id, true), 1);
	assert_int_equal(dbserver_number("SELECT COUNT(*) FROM"
	    " registration_jobs WHERE kind='status' AND user_id=%llu",
	    (unsigned long long)id), 1);
}

static void
count_users(void *arg, const struct user *user)
{
	uint64_t *last = arg;

	assert_true(user->id > *last);
	*last = user->id;
}

static void
test_user_list(void **state)
{
	uint64_t last = 0, before;
	unsigned pages = 0;

	(void)state;
	do {
		before = last;
		assert_int_equal(user_list(oper, before, 7, count_users,
		    &last), 0);
		pages++;
	} while (last != before);
	assert_int_equal(last, dbserver_number("SELECT MAX(id) FROM users"));
	assert_true(pages > 2);
}

struct count {
	char		 text[128];
};

static void
count_one(void *arg, const char *key_id, uint64_t n)
{
	struct count *c = arg;
	size_t at = strlen(c->text);

	if (strcmp(key_id, "old-id") == 0 || strcmp(key_id, "new-id") == 0)
		(void)snprintf(c->text + at, sizeof(c->text) - at, "%s=%llu ",
		    key_id, (unsigned long long)n);
}

static const char *
counted(void)
{
	static struct count c;

	c.text[0] = '\0';
	assert_int_equal(pluginkey_count_by_id(keeper, count_one, &c), 0);
	return c.text;
}

static void
scan_unnamed(void *arg, const struct pluginkey *key, const char *token,
    const char *mac)
{
	assert_string_equal(token, "t");
	assert_string_equal(mac, "m");
	assert_string_equal(key->key_id, "");
	(*(unsigned *)arg)++;
}

static void
scan_one(void *arg, const struct pluginkey *key, const char *token,
    const char *mac)
{
	char *seen = arg;

	(void)snprintf(seen, 256, "%s %s %s", key->plugin_user_id, token,
	    mac);
	/* A result in hand is not hurt by what is run in between. */
	assert_int_equal(pluginkey_reseal(registrar, key->user_id, token,
	    "resealed", "mac3", "id"), 1);
}

static void
test_plugin_keys(void **state)
{
	uint64_t id = sign_in("k1", "keyed", NULL);
	struct pluginkey key;
	struct tenant_row row;
	struct buf token = BUF_INIT(200);
	char seen[256] = "";

	(void)state;
	assert_int_equal(pluginkey_info(worker, id, &key), 0);
	assert_int_equal(tenant_load(keeper, id, &row, &token), 1);
	assert_true(row.user_active && !row.has_key && row.has_job);
	assert_string_equal(row.job_state, "ready");
	assert_int_equal(tenant_load(keeper, 999999, &row, &token), 0);

	assert_int_equal(pluginkey_insert(registrar, id, "up-k1", "tok1",
	    "mac1", "old-id", 1), 0);
	assert_int_equal(pluginkey_insert(registrar, sign_in("k2", "other",
	    NULL), "up-k1", "tok2", "mac2", "id", 1), -1);
	assert_int_equal(db_fault(registrar), DB_DUPLICATE);
	assert_null(strstr(db_fault_text(registrar), "up-k"));
	assert_int_equal(pluginkey_info(worker, id, &key), 1);
	assert_string_equal(key.plugin_user_id, "up-k1");
	assert_int_equal(key.last_used_us, 0);
	assert_int_equal(tenant_load(keeper, id, &row, &token), 1);
	assert_true(row.has_key && !row.has_job && row.key.is_active);
	assert_string_equal(buf_str(&token), "tok1");
	assert_string_equal(row.bind_mac, "mac1");

	/* Only the generation seen, only the token seen. */
	assert_string_equal(counted(), "old-id=1 ");
	assert_int_equal(pluginkey_replace(registrar, id, 2, "up-k1", "x",
	    "x", "x", 3), 0);
	assert_int_equal(pluginkey_replace(registrar, id, 1, "up-k1",
	    "tok2", "mac2", "new-id", 2), 1);
	assert_string_equal(counted(), "new-id=1 ");
	assert_string_equal(counted(), "new-id=1 ");
	assert_int_equal(pluginkey_reseal(registrar, id, "tok1", "x", "x",
	    "x"), 0);
	assert_int_equal(pluginkey_scan(registrar, id - 1, 1, scan_one,
	    seen), 0);
	assert_string_equal(seen, "up-k1 tok2 mac2");
	assert_int_equal(tenant_load(keeper, id, &row, &token), 1);
	assert_string_equal(buf_str(&token), "resealed");
	assert_int_equal(row.key.key_gen, 2);

	/* A token that is larger than its place is a fault, not cut. */
	struct buf small = BUF_INIT(3);

	assert_int_equal(tenant_load(keeper, id, &row, &small), -1);
	assert_int_equal(db_fault(keeper), DB_WRONG);
	buf_free(&small);
	dbserver_sql("UPDATE plugin_api_keys SET plugin_user_id=REPEAT('x',"
	    "65) WHERE user_id=%llu", (unsigned long long)id);
	assert_int_equal(pluginkey_info(worker, id, &key), -1);
	assert_int_equal(db_fault(worker), DB_WRONG);
	dbserver_sql("UPDATE plugin_api_keys SET plugin_user_id='up-k1'"
	    " WHERE user_id=%llu", (unsigned long long)id);

	assert_int_equal(pluginkey_is_bound(registrar, "up-k1"), 1);
	assert_int_equal(pluginkey_is_bound(registrar, "UP-K1"), 0);
	dbserver_sql("UPDATE plugin_api_keys SET key_id='new-id' WHERE"
	    " user_id=%llu", (unsigned long long)id);
	assert_string_equal(counted(), "new-id=1 ");
	assert_int_equal(pluginkey_set_active(oper, id, false), 1);
	assert_string_equal(counted(), "");
	assert_int_equal(changes_of(CHANGE_KEY, id), 1);
	assert_int_equal(pluginkey_set_active(oper, 999999, false), 0);
	assert_int_equal(tenant_load(keeper, id, &row, &token), 1);
	assert_false(row.key.is_active);
	/* Refused until it is replaced. */
	assert_int_equal(pluginkey_replace(registrar, id, 2, "up-k1",
	    "tok3", "mac3", "id", 3), 1);
	assert_int_equal(tenant_load(keeper, id, &row, &token), 1);
	assert_true(row.key.is_active);
	assert_int_equal(pluginkey_delete(registrar, id), 1);
	assert_int_equal(pluginkey_delete(registrar, id), 0);
	buf_free(&token);
}

static void
test_last_used(void **state)
{
	uint64_t a = sign_in("l1", "last1", NULL);
	uint64_t b = sign_in("l2", "last2", NULL);
	struct pluginkey key;
	unsigned unnamed = 0;
	const int64_t now = 1790000000123456;
	const struct last_used used[] = {
		{ b, now }, { a, now }, { a, now - 5 }, { 999999, now },
	};

	(void)state;
	assert_int_equal(pluginkey_insert(registrar, a, "up-l1", "t", "m",
	    "id", 1), 0);
	assert_int_equal(pluginkey_insert(registrar, b, "up-l2", "t", "m",
	    NULL, 1), 0);
	assert_int_equal(pluginkey_scan_unnamed(keeper, 0, 100, scan_unnamed,
	    &unnamed), 0);
	assert_int_equal(unnamed, 1);
	assert_int_equal(pluginkey_note_used(keeper, used, 4), 0);
	assert_int_equal(pluginkey_note_used(keeper, used, 0), 0);
	assert_int_equal(pluginkey_info(worker, a, &key), 1);
	assert_true(key.last_used_us == now);
	assert_int_equal(pluginkey_info(worker, b, &key), 1);
	assert_true(key.last_used_us == now);
}

static void
test_meta(void **state)
{
	struct buf value = BUF_INIT(100);

	(void)state;
	assert_int_equal(meta_get(worker, "canary", &value), 0);
	assert_int_equal(meta_put_once(keeper, "canary", "one"), 1);
	assert_int_equal(meta_put_once(keeper, "canary", "two"), 0);
	assert_int_equal(meta_get(worker, "canary", &value), 1);
	assert_string_equal(buf_str(&value), "one");
	assert_int_equal(meta_put(registrar, "canary", "three"), 0);
	assert_int_equal(meta_put(registrar, "canary", "three"), 0);
	assert_int_equal(meta_get(keeper, "canary", &value), 1);
	assert_string_equal(buf_str(&value), "three");
	buf_free(&value);
}

static void
test_oauth_states(void **state)
{
	struct oauth_state put = { .provider = "linux_do",
	    .verifier = "v", .nonce = "n", .return_to = "/x?y=é" }, got;
	uint64_t id = sign_in("o1", "oauth", NULL);

	(void)state;
	memset(put.browser, 0xab, sizeof(put.browser));
	put.browser[3] = 0;
	assert_int_equal(oauth_state_put(worker, hash_of(1), &put, 600), 0);
	assert_int_equal(oauth_state_take(worker, hash_of(2), &got), 0);
	assert_int_equal(oauth_state_take(worker, hash_of(1), &got), 1);
	assert_string_equal(got.provider, "linux_do");
	assert_string_equal(got.return_to, "/x?y=é");
	assert_memory_equal(got.browser, put.browser, 32);
	assert_int_equal(oauth_state_take(worker, hash_of(1), &got), 0);
	assert_int_equal(oauth_state_put(worker, hash_of(3), &put, 0), 0);
	assert_int_equal(oauth_state_take(worker, hash_of(3), &got), 0);

	assert_int_equal(upstream_state_put(worker, hash_of(1), id, 600), 0);
	assert_int_equal(upstream_state_check(worker, hash_of(1), id), 1);
	assert_int_equal(upstream_state_check(worker, hash_of(1), id), 1);
	assert_int_equal(upstream_state_check(worker, hash_of(1), id + 1),
	    0);
	assert_int_equal(upstream_state_put(worker, hash_of(2), id, 0), 0);
	assert_int_equal(upstream_state_check(worker, hash_of(2), id), 0);
}

#define SID	"0123456789abcdefghijkl"

static enum refresh_result
refresh(int old, int next, unsigned grace_s)
{
	enum refresh_result result;
	char session[SESSION_ID_LEN + 1] = "";
	uint64_t user_id = 0;

	assert_int_equal(session_refresh(worker, hash_of(old),
	    hash_of(next), grace_s, 3600, &result, session, &user_id), 0);
	if (result == REFRESH_OK) {
		assert_int_equal(strlen(session), SESSION_ID_LEN);
		assert_true(user_id > 0);
	}
	return result;
}

static void
test_refresh(void **state)
{
	uint64_t id = sign_in("r1", "refresher", NULL);
	char session[SESSION_ID_LEN + 1];
	int64_t from;

	(void)state;
	assert_int_equal(session_create(worker, SID, id, hash_of(100), 3600),
	    0);
	assert_int_equal(refresh(99, 101, 60), REFRESH_UNKNOWN);
	assert_int_equal(refresh(100, 101, 60), REFRESH_OK);
	/* Within the grace a second copy works; the family lives on. */
	assert_int_equal(refresh(100, 102, 60), REFRESH_OK);
	assert_int_equal(refresh(100, 103, 0), REFRESH_USED_UP);
	dbserver_sql("UPDATE refresh_tokens SET first_used_at=first_used_at"
	    "-INTERVAL 61 SECOND WHERE first_used_at IS NOT NULL");
	assert_int_equal(refresh(100, 103, 60), REFRESH_USED_UP);
	assert_int_equal(refresh(100, 103, 90), REFRESH_OK);
	assert_int_equal(refresh(100, 109, 60), REFRESH_USED_UP);
	assert_int_equal(refresh(101, 104, 0), REFRESH_OK);
	assert_int_equal(refresh(102, 105, 60), REFRESH_OK);
	assert_int_equal(refresh(109, 106, 60), REFRESH_UNKNOWN);
	dbserver_sql("UPDATE refresh_tokens SET expires_at=UTC_TIMESTAMP(6)"
	    " WHERE token_hash=UNHEX(RPAD('69',64,'0'))");
	assert_int_equal(refresh(105, 107, 60), REFRESH_EXPIRED);

	assert_int_equal(session_of_refresh(worker, hash_of(104), id,
	    session), 1);
	assert_string_equal(session, SID);
	assert_int_equal(session_of_refresh(worker, hash_of(104), id + 1,
	    session), 0);
	assert_int_equal(session_end(worker, SID, id + 1), 0);
	assert_int_equal(session_end(worker, SID, id), 1);
	assert_int_equal(session_end(worker, SID, id), 0);
	assert_int_equal(refresh(104, 108, 60), REFRESH_SESSION_ENDED);

	/* All sessions at once, and a disabled user. */
	assert_int_equal(session_create(worker, "s2", id, hash_of(110),
	    3600), 0);
	assert_int_equal(user_end_sessions(worker, id, &from), 1);
	assert_int_equal(refresh(110, 111, 60), REFRESH_SESSION_ENDED);
	assert_int_equal(session_create(worker, "s3", id, hash_of(120),
	    3600), 0);
	dbserver_sql("UPDATE users SET is_active=0 WHERE id=%llu",
	    (unsigned long long)id);
	assert_int_equal(refresh(120, 121, 60), REFRESH_USER_DISABLED);
}

struct seen {
	unsigned	 n;
	char		 id[512];
	int64_t		 expires_s;
};

static void
see_revoked(void *arg, const char *id, int64_t expires_s)
{
	struct seen *seen = arg;

	seen->n++;
	(void)snprintf(seen->id, sizeof(seen->id), "%s", id);
	seen->expires_s = expires_s;
}

static void
test_revoked(void **state)
{
	const int64_t later = (int64_t)time(NULL) + 3600;
	struct seen seen = { 0 };

	(void)state;
	assert_int_equal(revoked_put(worker, "sid:" SID, later), 0);
	assert_int_equal(revoked_put(worker, "sid:" SID, later - 9), 0);
	assert_int_equal(revoked_put(worker, "old", 5), 0);
	assert_int_equal(revoked_put(worker, "far", INT64_MAX), 0);
	assert_int_equal(changes_of(CHANGE_REVOKED, 0), 4);
	dbserver_sql("UPDATE revoked_tokens SET created_at=created_at-"
	    "INTERVAL 100 SECOND WHERE id='far'");
	assert_int_equal(revoked_list(keeper, 50, see_revoked, &seen), 0);
	assert_int_equal(seen.n, 1);
	assert_string_equal(seen.id, "sid:" SID);
	assert_true(seen.expires_s == later);
	assert_int_equal(revoked_list(keeper, 0, see_revoked, &seen), 0);
	assert_int_equal(seen.n, 3);
}

static void
test_purge(void **state)
{
	(void)state;
	dbserver_sql("UPDATE sessions SET expires_at=UTC_TIMESTAMP(6)"
	    " WHERE id='s3'");
	assert_int_equal(tokens_purge(keeper, 1000), 0);
	assert_int_equal(dbserver_number("SELECT COUNT(*) FROM sessions"),
	    2);
	/* The one that had expired, and the one that went with s3. */
	assert_int_equal(dbserver_number("SELECT COUNT(*) FROM"
	    " refresh_tokens"), 6);
	assert_int_equal(dbserver_number("SELECT COUNT(*) FROM"
	    " revoked_tokens"), 2);
	assert_int_equal(dbserver_number("SELECT COUNT(*) FROM"
	    " oauth_states"), 0);
	assert_int_equal(dbserver_number("SELECT COUNT(*) FROM"
	    " upstream_states"), 1);
}

static void
see_apikey(void *arg, const struct apikey *key)
{
	struct seen *seen = arg;

	seen->n++;
	(void)snprintf(seen->id, sizeof(seen->id), "%s", key->name);
}

static void
test_apikeys(void **state)
{
	uint64_t id = sign_in("a1", "apiuser", NULL);
	struct apikey key = { .user_id = id, .preview = "sk-Ab3dE...",
	    .name = "密钥", .config_type = CONFIG_KIRO, .is_active = true };
	struct apikey plain = { .user_id = id, .preview = "sk-x...",
	    .is_active = true, .expires_us = 4102444800000000 }, got;
	const struct apikey_used used = { .wall_us = 1790000000000001 };
	struct seen seen = { 0 };
	enum config_type type;

	(void)state;
	assert_int_equal(config_type_parse("kiro", &type), 0);
	assert_int_equal(type, CONFIG_KIRO);
	assert_int_equal(config_type_parse("Kiro", &type), -1);
	assert_int_equal(apikey_create(worker, &key, hash_of(500)), 0);
	assert_true(key.id > 0 && key.created_us > 0);
	assert_int_equal(apikey_create(worker, &plain, hash_of(501)), 0);
	assert_int_equal(apikey_create(worker, &plain, hash_of(501)), -1);
	assert_int_equal(db_fault(worker), DB_DUPLICATE);
	assert_int_equal(apikey_by_hash(worker, hash_of(502), &got), 0);
	assert_int_equal(apikey_by_hash(keeper, hash_of(500), &got), 1);
	assert_string_equal(got.name, "密钥");
	assert_int_equal(got.config_type, CONFIG_KIRO);
	assert_true(got.expires_us == 0 && got.last_used_us == 0);
	assert_int_equal(apikey_by_hash(worker, hash_of(501), &got), 1);
	assert_string_equal(got.name, "");
	assert_true(got.expires_us == 4102444800000000);

	assert_int_equal(apikey_list(worker, id, see_apikey, &seen), 0);
	assert_int_equal(seen.n, 2);
	assert_string_equal(seen.id, "密钥");	/* the oldest last */
	assert_int_equal(apikey_get(worker, id + 1, key.id, &got), 0);
	assert_int_equal(apikey_set_active(worker, id + 1, key.id, false),
	    0);
	assert_int_equal(apikey_set_active(worker, id, key.id, false), 1);
	assert_int_equal(apikey_set_active(worker, id, key.id, false), 1);
	assert_int_equal(changes_of(CHANGE_APIKEY,
	    apikeycache_slot(hash_of(500))), 2);
	assert_int_equal(apikey_note_used(keeper, &(struct apikey_used){
	    key.id, used.wall_us }, 1), 0);
	assert_int_equal(apikey_get(worker, id, key.id, &got), 1);
	assert_true(got.last_used_us == used.wall_us && !got.is_active);
	assert_int_equal(apikey_delete(worker, id + 1, key.id), 0);
	assert_int_equal(apikey_delete(worker, id, key.id), 1);
	assert_int_equal(apikey_delete(worker, id, key.id), 0);
	assert_int_equal(changes_of(CHANGE_APIKEY,
	    apikeycache_slot(hash_of(500))), 3);
}

static void
see_change(void *arg, uint64_t id, enum change_kind kind, uint64_t ref)
{
	struct seen *seen = arg;

	assert_true(id > 0);
	if (kind == CHANGE_JOB && ref == 424242)
		seen->n++;
}

static void
test_changes(void **state)
{
	struct seen seen = { 0 };

	(void)state;
	assert_int_equal(change_note(worker, CHANGE_JOB, 424242), 0);
	assert_int_equal(change_note(registrar, CHANGE_JOB, 424242), 0);
	assert_int_equal(change_list(keeper, 15, see_change, &seen), 0);
	assert_int_equal(seen.n, 2);
	dbserver_sql("UPDATE changes SET noted_at=noted_at-INTERVAL 20"
	    " SECOND WHERE ref=424242 LIMIT 1");
	seen.n = 0;
	assert_int_equal(change_list(keeper, 15, see_change, &seen), 0);
	assert_int_equal(seen.n, 1);
	assert_int_equal(change_purge(keeper, 10, 100), 0);
	assert_int_equal(dbserver_number("SELECT COUNT(*) FROM changes"
	    " WHERE ref=424242"), 1);
}

static void
say_nothing(void *arg, const char *line)
{
	(void)arg;
	(void)line;
}

static void
write_file(const char *dir, const char *name, const char *text)
{
	char path[256];
	FILE *fp;

	(void)snprintf(path, sizeof(path), "%s/%s", dir, name);
	fp = fopen(path, "w");
	assert_non_null(fp);
	assert_true(fputs(text, fp) >= 0);
	assert_int_equal(fclose(fp), 0);
}

static int
migrate(const char *dir, const char *want_why)
{
	struct buf why = BUF_INIT(1000);
	int rc = migrate_run(oper, dir, say_nothing, NULL, &why);

	if (want_why != NULL && strstr(buf_str(&why), want_why) == NULL)
		fail_msg("says: %s", buf_str(&why));
	buf_free(&why);
	return rc;
}

static void
test_migrations(void **state)
{
	char dir[] = "/tmp/pwmXXXXXX", cmd[64];
	struct buf why = BUF_INIT(500);

	(void)state;
	assert_int_equal(migrate(dbserver_sql_dir(), NULL), 0);
	assert_int_equal(db_check_schema(worker, &why), 0);
	assert_non_null(mkdtemp(dir));
	assert_int_equal(migrate(dir, "no migration files"), -1);
	write_file(dir, "0001_initial.sql", "CREATE TABLE other (a INT);");
	write_file(dir, "grants.sql", "NONSENSE");
	assert_int_equal(migrate(dir, "not the text that ran"), -1);
	(void)snprintf(cmd, sizeof(cmd), "rm %s/0001*", dir);
	assert_int_equal(system(cmd), 0);
	write_file(dir, "9002_a.sql", "CREATE TABLE a (x INT); -- ;\n"
	    "INSERT INTO a VALUES (1);");
	write_file(dir, "9003_b.sql", "INSERT INTO a VALUES (2); BROKEN;");
	assert_int_equal(migrate(dir, "9003_b.sql, statement 2"), -1);
	/* The first of them stays done, the broken one is run again. */
	write_file(dir, "9003_b.sql", "INSERT INTO a VALUES (3)");
	assert_int_equal(migrate(dir, NULL), 1);
	assert_int_equal(dbserver_number("SELECT SUM(x) FROM a"), 6);
	assert_int_equal(migrate(dir, NULL), 0);
	write_file(dir, "9003_c.sql", "SELECT 1");
	assert_int_equal(migrate(dir, "two files"), -1);
	/* The lease was given back each time. */
	assert_int_equal(dbserver_number("SELECT COUNT(*) FROM schema_lease"
	    " WHERE lease_until>UTC_TIMESTAMP(6)"), 0);
	dbserver_sql("DROP TABLE a");
	dbserver_sql("DELETE FROM schema_migrations WHERE version>9000");
	(void)snprintf(cmd, sizeof(cmd), "rm -r %s", dir);
	assert_int_equal(system(cmd), 0);

	dbserver_sql("UPDATE schema_migrations SET version=0 WHERE"
	    " version=%d", SCHEMA_VERSION);
	assert_int_equal(db_check_schema(worker, &why), -1);
	(void)snprintf(cmd, sizeof(cmd), "needs %d", SCHEMA_VERSION);
	assert_non_null(strstr(buf_str(&why), cmd));
	dbserver_sql("UPDATE schema_migrations SET version=%d WHERE"
	    " version=0", SCHEMA_VERSION);
	buf_free(&why);
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
		cmocka_unit_test(test_sign_in),
		cmocka_unit_test(test_sign_in_names),
		cmocka_unit_test(test_sign_in_policy),
		cmocka_unit_test(test_user_changes),
		cmocka_unit_test(test_user_list),
		cmocka_unit_test(test_plugin_keys),
		cmocka_unit_test(test_last_used),
		cmocka_unit_test(test_meta),
		cmocka_unit_test(test_oauth_states),
		cmocka_unit_test(test_refresh),
		cmocka_unit_test(test_revoked),
		cmocka_unit_test(test_purge),
		cmocka_unit_test(test_apikeys),
		cmocka_unit_test(test_changes),
		cmocka_unit_test(test_migrations),
	};
	int rc;

	dbserver_start();
	dbserver_schema();
	rc = cmocka_run_group_tests(tests, open_handles, close_handles);
	dbserver_stop();
	return rc;
}
