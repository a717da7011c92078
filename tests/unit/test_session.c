/*
 * Sessions: what reaches the database, what is given out, and what is
 * dead afterwards.  The store and the shared set are stood in for here.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>
#include <gcrypt.h>

#include "auth/session.h"
#include "base/clock.h"

#define KEY	"0123456789abcdef0123456789abcdef"
#define LIFE	3600

static struct {
	bool		 broken;
	int		 fail_at;	/* this call fails; 0: none */
	int		 calls;
	unsigned	 created, refreshed, ended, ended_all;
	char		 session[SESSION_ID_LEN + 1], last_ended[128];
	unsigned char	 hash[TOKEN_HASH_LEN], next[TOKEN_HASH_LEN];
	enum refresh_result result[2];
	struct user	 user;
	int		 user_found;
	bool		 of_refresh;	/* hash belongs to `session` */
	struct { char id[128]; int64_t until_s; } put[8];
	unsigned	 n_put;
} db;

static struct {
	struct { char id[128]; int64_t until_s; } has[8];
	unsigned	 n;
	bool		 full;
} set;

static bool
fails(void)
{
	return db.broken || ++db.calls == db.fail_at;
}

int
session_create(struct db *h, const char *session_id, uint64_t user_id,
    const unsigned char refresh_hash[TOKEN_HASH_LEN], unsigned ttl_s)
{
	(void)h;
	if (fails())
		return -1;
	assert_int_equal(user_id, 42);
	assert_int_equal(ttl_s, 7 * 86400);
	assert_int_equal(strlen(session_id), SESSION_ID_LEN);
	memcpy(db.session, session_id, sizeof(db.session));
	memcpy(db.hash, refresh_hash, TOKEN_HASH_LEN);
	db.created++;
	return 0;
}

int
session_refresh(struct db *h, const unsigned char old[TOKEN_HASH_LEN],
    const unsigned char next[TOKEN_HASH_LEN], unsigned grace_s,
    unsigned ttl_s, enum refresh_result *ret_result,
    char ret_session[SESSION_ID_LEN + 1], uint64_t *ret_user_id)
{
	(void)h;
	if (fails())
		return -1;
	assert_int_equal(grace_s, 60);
	assert_int_equal(ttl_s, 7 * 86400);
	assert_memory_equal(old, db.hash, TOKEN_HASH_LEN);
	assert_memory_not_equal(old, next, TOKEN_HASH_LEN);
	memcpy(db.hash, next, TOKEN_HASH_LEN);
	memcpy(ret_session, db.session, SESSION_ID_LEN + 1);
	*ret_user_id = 42;
	*ret_result = db.result[db.refreshed++ % 2];
	return 0;
}

int
session_end(struct db *h, const char *session_id, uint64_t user_id)
{
	(void)h;
	if (fails())
		return -1;
	assert_int_equal(user_id, 42);
	(void)snprintf(db.last_ended, sizeof(db.last_ended), "%s", session_id);
	db.ended++;
	return 1;
}

int
session_of_refresh(struct db *h, const unsigned char hash[TOKEN_HASH_LEN],
    uint64_t user_id, char ret_session[SESSION_ID_LEN + 1])
{
	(void)h;
	if (fails())
		return -1;
	assert_int_equal(user_id, 42);
	if (!db.of_refresh || memcmp(hash, db.hash, TOKEN_HASH_LEN) != 0)
		return 0;
	memcpy(ret_session, db.session, SESSION_ID_LEN + 1);
	return 1;
}

int
revoked_put(struct db *h, const char *id, int64_t expires_s)
{
	(void)h;
	if (fails())
		return -1;
	assert_true(db.n_put < 8);
	(void)snprintf(db.put[db.n_put].id, 128, "%s", id);
	db.put[db.n_put++].until_s = expires_s;
	return 0;
}

int
user_by_id(struct db *h, uint64_t id, struct user *ret)
{
	(void)h;
	if (fails())
		return -1;
	assert_int_equal(id, 42);
	*ret = db.user;
	return db.user_found;
}

int
user_end_sessions(struct db *h, uint64_t id, int64_t *ret)
{
	(void)h;
	if (fails())
		return -1;
	assert_int_equal(id, 42);
	db.ended_all++;
	*ret = 1234;
	return 1;
}

int
revoked_add(struct revoked *r, const char *id, int64_t until_s)
{
	(void)r;
	if (set.full)
		return -1;
	assert_true(set.n < 8);
	(void)snprintf(set.has[set.n].id, 128, "%s", id);
	set.has[set.n++].until_s = until_s;
	return 0;
}

bool
revoked_has(const struct revoked *r, const char *id)
{
	unsigned i;

	(void)r;
	for (i = 0; i < set.n; i++) {
		if (strcmp(set.has[i].id, id) == 0)
			return true;
	}
	return false;
}

static struct session_conf conf = { .refresh_ttl_s = 7 * 86400 };
static struct jwt_conf *jwt;

static int
setup(void **state)
{
	struct buf why = BUF_INIT(256);

	(void)state;
	memset(&db, 0, sizeof(db));
	memset(&set, 0, sizeof(set));
	db.user = (struct user){ .id = 42, .username = "ann",
	    .is_active = true };
	db.user_found = 1;
	jwt = jwt_conf_make("HS256", KEY, "http://gw.test", LIFE, &why);
	assert_non_null(jwt);
	conf.jwt = jwt;
	buf_free(&why);
	return 0;
}

static int
teardown(void **state)
{
	(void)state;
	jwt_conf_free(&jwt);
	return 0;
}

static struct jwt_claims
claims_of(const struct session_tokens *t, int64_t now_s)
{
	struct jwt_claims c;

	assert_int_equal(jwt_verify(jwt, t->access, strlen(t->access), now_s,
	    &c), JWT_OK);
	return c;
}

static void
hash_is_of(const char *refresh)
{
	unsigned char hash[TOKEN_HASH_LEN];

	gcry_md_hash_buffer(GCRY_MD_SHA256, hash, refresh, strlen(refresh));
	assert_memory_equal(hash, db.hash, TOKEN_HASH_LEN);
}

static void
start(void **state)
{
	struct session_tokens a, b;
	struct jwt_claims c;
	int64_t now = clock_wall_s();

	(void)state;
	assert_int_equal(session_start(NULL, &conf, &db.user, &a), 0);
	assert_int_equal(strncmp(a.refresh, "rt_", 3), 0);
	assert_int_equal(strlen(a.refresh), REFRESH_TOKEN_LEN);
	assert_int_equal(a.expires_in_s, LIFE);
	hash_is_of(a.refresh);
	assert_string_equal(a.session_id, db.session);
	c = claims_of(&a, now);
	assert_string_equal(c.sid, a.session_id);
	assert_int_equal(c.user_id, 42);
	assert_true(c.iat >= now && c.iat <= now + 5);
	/* Never the same twice (O5). */
	assert_int_equal(session_start(NULL, &conf, &db.user, &b), 0);
	assert_string_not_equal(a.session_id, b.session_id);
	assert_string_not_equal(a.refresh, b.refresh);
	assert_string_not_equal(a.access, b.access);
	/* Right behind a sign-out everywhere. */
	db.user.sessions_valid_from_s = clock_wall_s() + 3;
	assert_int_equal(session_start(NULL, &conf, &db.user, &b), 0);
	c = claims_of(&b, clock_wall_s());
	assert_int_equal(c.iat, db.user.sessions_valid_from_s);
	memset(&b, 0x5a, sizeof(b));
	db.broken = true;
	assert_int_equal(session_start(NULL, &conf, &db.user, &b), -1);
	assert_int_equal(b.access[0], 0x5a);
	session_tokens_wipe(&a);
	assert_string_equal(a.access, "");
	assert_string_equal(a.refresh, "");
}

static void
renew(void **state)
{
	enum refresh_result result = REFRESH_UNKNOWN;
	struct session_tokens a, b;
	struct user user;

	(void)state;
	assert_int_equal(session_start(NULL, &conf, &db.user, &a), 0);
	assert_int_equal(session_renew(NULL, &conf, a.refresh, &result, &b,
	    &user), 0);
	assert_int_equal(result, REFRESH_OK);
	assert_string_equal(user.username, "ann");
	assert_string_not_equal(a.refresh, b.refresh);
	assert_string_equal(a.session_id, b.session_id);
	assert_string_equal(claims_of(&b, clock_wall_s()).sid, a.session_id);
	hash_is_of(b.refresh);
	assert_int_equal(db.refreshed, 1);
}

static void
renew_refused(void **state)
{
	static const char *const bad[] = {
		"", "rt_", "x", "rt_short",
		"RT_AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA",
		"rt_AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAB",
		"rt_AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA",
		"rt_AAAAAAAAAAAAAAAAAAAA' or AAAAAAAAAAAAAAAAAA",
		"eyJhbGciOiJIUzI1NiJ9.e30.AAAA",
	};
	static const enum refresh_result results[] = {
		REFRESH_UNKNOWN, REFRESH_EXPIRED, REFRESH_USED_UP,
		REFRESH_SESSION_ENDED, REFRESH_USER_DISABLED
	};
	enum refresh_result result;
	struct session_tokens a, b;
	struct user user;
	size_t i;

	(void)state;
	for (i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		result = REFRESH_OK;
		assert_int_equal(session_renew(NULL, &conf, bad[i], &result,
		    &b, &user), 0);
		assert_int_equal(result, REFRESH_UNKNOWN);
	}
	assert_int_equal(db.calls, 0);
	assert_int_equal(session_start(NULL, &conf, &db.user, &a), 0);
	memset(&b, 0x5a, sizeof(b));
	for (i = 0; i < sizeof(results) / sizeof(results[0]); i++) {
		gcry_md_hash_buffer(GCRY_MD_SHA256, db.hash, a.refresh,
		    REFRESH_TOKEN_LEN);
		db.result[0] = db.result[1] = results[i];
		assert_int_equal(session_renew(NULL, &conf, a.refresh,
		    &result, &b, &user), 0);
		assert_int_equal(result, results[i]);
		assert_int_equal(b.access[0], 0x5a);
	}
}

static enum refresh_result
renew_again(const char *refresh, struct session_tokens *b)
{
	enum refresh_result result = REFRESH_OK;
	struct user user;

	db.refreshed = 0;
	gcry_md_hash_buffer(GCRY_MD_SHA256, db.hash, refresh,
	    REFRESH_TOKEN_LEN);
	assert_int_equal(session_renew(NULL, &conf, refresh, &result, b,
	    &user), 0);
	return result;
}

static void
renew_and_the_user(void **state)
{
	struct session_tokens a, b;

	(void)state;
	assert_int_equal(session_start(NULL, &conf, &db.user, &a), 0);
	db.user.is_active = false;
	assert_int_equal(renew_again(a.refresh, &b), REFRESH_USER_DISABLED);
	db.user.is_active = true;
	db.user_found = 0;
	assert_int_equal(renew_again(a.refresh, &b), REFRESH_UNKNOWN);
	db.user_found = 1;
	/* Signed out everywhere and in again: dated ahead. */
	db.user.sessions_valid_from_s = clock_wall_s() + 5;
	assert_int_equal(renew_again(a.refresh, &b), REFRESH_OK);
	assert_int_equal(db.refreshed, 2);
	hash_is_of(b.refresh);
	assert_int_equal(claims_of(&b, clock_wall_s()).iat,
	    db.user.sessions_valid_from_s);
	/* Signing out everywhere while we are at it: nothing is given. */
	db.result[1] = REFRESH_SESSION_ENDED;
	memset(&b, 0x5a, sizeof(b));
	assert_int_equal(renew_again(a.refresh, &b), REFRESH_SESSION_ENDED);
	assert_int_equal(b.access[0], 0x5a);
}

static void
renew_with_a_failing_database(void **state)
{
	enum refresh_result result = REFRESH_EXPIRED;
	struct session_tokens a, b;
	struct user user;
	int i;

	(void)state;
	assert_int_equal(session_start(NULL, &conf, &db.user, &a), 0);
	memset(&b, 0x5a, sizeof(b));
	for (i = 1; i <= 2; i++) {
		db.calls = 0;
		db.fail_at = i;
		gcry_md_hash_buffer(GCRY_MD_SHA256, db.hash, a.refresh,
		    REFRESH_TOKEN_LEN);
		assert_int_equal(session_renew(NULL, &conf, a.refresh,
		    &result, &b, &user), -1);
		assert_int_equal(b.access[0], 0x5a);
		assert_int_equal(result, REFRESH_EXPIRED);
	}
}

static void
logout(void **state)
{
	struct session_tokens a;
	struct jwt_claims c, no_sid;
	char id[128];
	bool full = false;

	(void)state;
	assert_int_equal(session_start(NULL, &conf, &db.user, &a), 0);
	c = claims_of(&a, clock_wall_s());
	assert_false(session_is_revoked(NULL, &c));
	assert_int_equal(session_logout(NULL, &conf, NULL, &c, NULL, &full),
	    0);
	assert_false(full);
	assert_true(session_is_revoked(NULL, &c));
	assert_string_equal(db.last_ended, a.session_id);
	/* Another access token of that session is dead too, to its end. */
	(void)snprintf(c.jti, sizeof(c.jti), "another");
	assert_true(session_is_revoked(NULL, &c));
	(void)snprintf(id, sizeof(id), "sid:%s", a.session_id);
	assert_string_equal(db.put[0].id, id);
	assert_true(db.put[0].until_s >= clock_wall_s() + LIFE + JWT_SKEW_S);
	assert_true(db.put[1].until_s >= c.exp + JWT_SKEW_S);
	assert_int_equal(db.n_put, 2);
	assert_int_equal(set.n, 2);
	/* A jti is no session and a session no jti. */
	no_sid = c;
	(void)snprintf(no_sid.jti, sizeof(no_sid.jti), "%s", a.session_id);
	no_sid.sid[0] = '\0';
	assert_false(session_is_revoked(NULL, &no_sid));
	/* A token without sid: itself alone. */
	(void)snprintf(no_sid.jti, sizeof(no_sid.jti), "lonely");
	assert_int_equal(session_logout(NULL, &conf, NULL, &no_sid, NULL,
	    NULL), 0);
	assert_true(session_is_revoked(NULL, &no_sid));
	assert_int_equal(db.ended, 1);
	/* No room is told. */
	set.full = true;
	assert_int_equal(session_logout(NULL, &conf, NULL, &no_sid, NULL,
	    &full), 0);
	assert_true(full);
}

static void
logout_with_a_refresh_token(void **state)
{
	struct session_tokens a, b;
	struct jwt_claims c;

	(void)state;
	assert_int_equal(session_start(NULL, &conf, &db.user, &a), 0);
	c = claims_of(&a, clock_wall_s());
	assert_int_equal(session_start(NULL, &conf, &db.user, &b), 0);
	db.of_refresh = true;		/* b's is the stored one */
	assert_int_equal(session_logout(NULL, &conf, NULL, &c, b.refresh,
	    NULL), 0);
	assert_int_equal(db.ended, 2);
	assert_true(session_is_revoked(NULL, &c));
	c = claims_of(&b, clock_wall_s());
	assert_true(session_is_revoked(NULL, &c));
	/* What is not this user's, or no token at all, is ignored. */
	db.of_refresh = false;
	set.n = db.n_put = db.ended = 0;
	assert_int_equal(session_logout(NULL, &conf, NULL, &c, a.refresh,
	    NULL), 0);
	assert_int_equal(session_logout(NULL, &conf, NULL, &c, "nonsense",
	    NULL), 0);
	assert_int_equal(db.ended, 2);
}

/* When the database fails nothing is dead here: the same token can be
 * used to try again. */
static void
logout_with_a_failing_database(void **state)
{
	struct session_tokens a;
	struct jwt_claims c;
	int64_t from;

	(void)state;
	assert_int_equal(session_start(NULL, &conf, &db.user, &a), 0);
	c = claims_of(&a, clock_wall_s());
	db.broken = true;
	assert_int_equal(session_logout(NULL, &conf, NULL, &c, a.refresh,
	    NULL), -1);
	assert_int_equal(session_logout(NULL, &conf, NULL, &c, NULL, NULL),
	    -1);
	assert_int_equal(session_logout_all(NULL, &conf, NULL, &c, NULL,
	    &from), -1);
	assert_int_equal(set.n, 0);
	assert_false(session_is_revoked(NULL, &c));
}

static void
logout_everywhere(void **state)
{
	struct session_tokens a;
	struct jwt_claims c;
	int64_t from = 0;

	(void)state;
	assert_int_equal(session_start(NULL, &conf, &db.user, &a), 0);
	c = claims_of(&a, clock_wall_s());
	assert_int_equal(session_logout_all(NULL, &conf, NULL, &c, NULL,
	    &from), 0);
	assert_int_equal(db.ended_all, 1);
	assert_int_equal(from, 1234);
	assert_true(session_is_revoked(NULL, &c));
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
#define T(f)	cmocka_unit_test_setup_teardown(f, setup, teardown)
		T(start), T(renew), T(renew_refused), T(renew_and_the_user),
		T(renew_with_a_failing_database), T(logout),
		T(logout_with_a_refresh_token),
		T(logout_with_a_failing_database), T(logout_everywhere),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
