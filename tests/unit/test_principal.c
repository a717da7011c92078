/*
 * Who is calling: tokens, personal keys, what is held in shared memory
 * and what a keeper (a thread here) answers, refuses to or does not.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include <poll.h>
#include <pthread.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include "auth/principal.h"
#include "base/clock.h"
#include "base/shm.h"
#include "share/apikeycache.h"
#include "share/ask.h"
#include "vault/bootkey.h"

#define SLOTS		64
#define ASK_MS		60
#define MAX_STALE_MS	60000
#define ISSUER		"https://gateway.example"
#define KEY		"a-signing-key-of-the-tests-0123456789"

/* What the fake database holds: users are known by their number. */
enum {
	USER_OK = 1, USER_PENDING, USER_DISABLED, USER_REFUSED, USER_ENDED,
	USER_FOREIGN, USER_MAX
};
static const enum tenant_state states[USER_MAX] = {
	[USER_OK] = TENANT_OK, [USER_PENDING] = TENANT_PENDING,
	[USER_DISABLED] = TENANT_DISABLED,
	[USER_REFUSED] = TENANT_KEY_REFUSED, [USER_ENDED] = TENANT_OK,
	[USER_FOREIGN] = TENANT_OK,
};
#define GOOD	"sk-good"
#define OFF	"sk-off"
#define BARRED	"sk-barred"		/* its user is disabled */
#define BROKEN	"sk-broken"		/* a config type nobody knows */

enum mood { ANSWERS, DATABASE_AWAY, SILENT, ENDS };

static struct scoreboard *sb;
static struct tenantcache *cache;
static struct revoked *revoked;
static struct counters *counters;
static struct jwt_conf *jwt;
static struct principal_tools tools;
static pthread_t keeper;
static int poke_fd;
static volatile enum mood mood;
static volatile unsigned asked;

static int
answer_tenant(uint64_t id, struct ask_answer *ret)
{
	struct tenant *t = &ret->tenant;

	t->user_id = id == USER_FOREIGN ? USER_OK : id;
	t->state = id < USER_MAX && id > 0 ? (uint32_t)states[id] :
	    (uint32_t)TENANT_NO_USER;
	t->valid_from_s = id == USER_ENDED ? clock_wall_s() + 1 : 0;
	t->loaded_ms = clock_mono_ms();
	t->fresh_until_ms = t->loaded_ms + 60000;
	(void)tenantcache_put(cache, t);
	return ASK_OK;
}

static int
answer_key(const unsigned char *hash, struct ask_answer *ret)
{
	static const struct {
		const char	*key;
		uint64_t	 user_id;
		bool		 active;
		uint32_t	 config_type;
	} keys[] = {
		{ GOOD, USER_OK, true, 1 }, { OFF, USER_OK, false, 0 },
		{ BARRED, USER_DISABLED, true, 0 },
		{ BROKEN, USER_OK, true, 99 },
	};
	unsigned char own[APIKEY_HASH_LEN];
	size_t i;

	for (i = 0; i < sizeof(keys) / sizeof(keys[0]); i++) {
		struct apikey_entry e = { .user_id = keys[i].user_id,
		    .apikey_id = 70 + i, .active = keys[i].active,
		    .config_type = keys[i].config_type,
		    .loaded_ms = clock_mono_ms() };

		principal_apikey_hash(keys[i].key, own);
		if (memcmp(own, hash, sizeof(own)) != 0)
			continue;
		memcpy(e.hash, own, sizeof(own));
		e.fresh_until_ms = e.loaded_ms + 60000;
		apikeycache_encode(&e, &ret->tenant);
		(void)tenantcache_put(cache, &ret->tenant);
		return ASK_OK;
	}
	return ASK_ABSENT;
}

static int
answer(void *arg, const struct ask_question *q, struct ask_answer *ret)
{
	(void)arg;
	asked++;
	if (mood == DATABASE_AWAY)
		return ASK_UNAVAILABLE;
	return q->kind == ASK_TENANT ? answer_tenant(q->user_id, ret) :
	    answer_key(q->hash, ret);
}

static void *
keeper_thread(void *arg)
{
	struct pollfd p = { .fd = poke_fd, .events = POLLIN };
	uint64_t n;

	(void)arg;
	while (mood != ENDS) {
		(void)poll(&p, 1, 1000);
		(void)!read(poke_fd, &n, sizeof(n));
		if (mood != SILENT)
			(void)ask_serve(sb, answer, NULL);
	}
	return NULL;
}

static void *
map(size_t n)
{
	return shm_map(n, false);
}

static int
set_up(void **state)
{
	struct buf why = BUF_INIT(512);

	(void)state;
	vault_init();
	sb = scoreboard_init(map(scoreboard_size(2)), 2);
	cache = tenantcache_init(map(tenantcache_size(SLOTS)), SLOTS);
	revoked = revoked_init(map(revoked_size(64)), 64);
	counters = map(sizeof(*counters));
	counters_set(counters, GAUGE_DB_OK, 1);
	jwt = jwt_conf_make("HS256", KEY, ISSUER, 3600, &why);
	assert_non_null(jwt);
	poke_fd = eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC);
	tools = (struct principal_tools){ .jwt = jwt, .cache = cache,
	    .revoked = revoked, .counters = counters,
	    .self = scoreboard_take(sb, PROC_WORKER, 1, NULL),
	    .keeper_fd = poke_fd, .ask_ms = 5000,
	    .max_stale_ms = MAX_STALE_MS };
	buf_free(&why);
	return pthread_create(&keeper, NULL, keeper_thread, NULL);
}

static int
tear_down(void **state)
{
	uint64_t one = 1;

	(void)state;
	mood = ENDS;
	(void)!write(poke_fd, &one, sizeof(one));
	(void)pthread_join(keeper, NULL);
	jwt_conf_free(&jwt);
	return close(poke_fd);
}

/* Each test begins with an empty cache and a keeper in good mood. */
static int
fresh(void **state)
{
	(void)state;
	/* An entry read in the millisecond of a drop stays out. */
	tenantcache_drop_all(cache);
	(void)poll(NULL, 0, 2);
	counters_set(counters, GAUGE_DB_OK, 1);
	mood = ANSWERS;
	asked = 0;
	tools.ask_ms = 5000;
	tools.max_stale_ms = MAX_STALE_MS;
	return 0;
}

/* "Bearer " and a token of this user, made `ago` seconds ago. */
static const char *
token_of(uint64_t user_id, int64_t ago, struct jwt_claims *ret)
{
	static char text[JWT_MAX + 8];
	const struct jwt_subject subject = { .user_id = user_id,
	    .username = "somebody", .sid = "session-1" };
	struct buf b = BUF_INIT(JWT_MAX);

	assert_int_equal(jwt_issue(jwt, &subject, clock_wall_s() - ago, &b,
	    ret), 0);
	(void)snprintf(text, sizeof(text), "Bearer %s", buf_str(&b));
	buf_free(&b);
	return text;
}

static enum principal_result
identify(const char *authorization, const char *key, bool keys_allowed,
    struct principal *ret)
{
	const struct credentials c = { authorization, key, keys_allowed };

	return principal_identify(&tools, &c, ret);
}

static enum principal_result
by_header(const char *authorization)
{
	struct principal p;

	return identify(authorization, NULL, true, &p);
}

static void
nothing_and_nonsense(void **state)
{
	static const struct {
		const char	*header;
		enum principal_result want;
	} rows[] = {
		{ NULL, PRINCIPAL_NONE },
		{ "", PRINCIPAL_INVALID }, { "Bearer", PRINCIPAL_INVALID },
		{ "Bearer ", PRINCIPAL_INVALID },
		{ "Bearer   ", PRINCIPAL_INVALID },
		{ "Basic dTpw", PRINCIPAL_INVALID },
		{ "Bearerx y", PRINCIPAL_INVALID },
		{ "Bearer\ty", PRINCIPAL_INVALID },
		{ "Bearer x.y.z", PRINCIPAL_INVALID },
		{ "Bearer ..", PRINCIPAL_INVALID },
		{ "Bearer sk", PRINCIPAL_INVALID },
		{ "Bearer SK-good", PRINCIPAL_INVALID },
		{ "sk-good", PRINCIPAL_INVALID },
		{ "Bearer sk-", PRINCIPAL_KEY_INVALID },
		{ "Bearer sk-unknown", PRINCIPAL_KEY_INVALID },
		{ "Bearer sk-good ", PRINCIPAL_KEY_INVALID },
		{ "Bearer sk-good", PRINCIPAL_OK },
		{ "bEARER sk-good", PRINCIPAL_OK },
		{ "Bearer   sk-good", PRINCIPAL_OK },
	};
	char longest[256] = "Bearer sk-";
	size_t i;

	(void)state;
	for (i = 0; i < sizeof(rows) / sizeof(rows[0]); i++)
		if (by_header(rows[i].header) != rows[i].want)
			fail_msg("%s", rows[i].header);
	/* One character more than a key may have costs no question. */
	memset(longest + 10, 'x', APIKEY_MAX - 3 + 1);
	asked = 0;
	assert_int_equal(by_header(longest), PRINCIPAL_KEY_INVALID);
	assert_int_equal(asked, 0);
	longest[10 + APIKEY_MAX - 3] = '\0';
	assert_int_equal(by_header(longest), PRINCIPAL_KEY_INVALID);
	assert_int_equal(asked, 1);
}

static void
tokens(void **state)
{
	struct jwt_claims claims;
	struct principal p;
	const char *header;

	(void)state;
	header = token_of(USER_OK, 0, &claims);
	assert_int_equal(identify(header, NULL, false, &p), PRINCIPAL_OK);
	assert_int_equal(p.user_id, USER_OK);
	assert_false(p.by_key);
	assert_string_equal(p.claims.jti, claims.jti);
	assert_int_equal(p.tenant.state, TENANT_OK);
	assert_int_equal(asked, 1);
	/* The second time it is held. */
	assert_int_equal(identify(header, NULL, false, &p), PRINCIPAL_OK);
	assert_int_equal(asked, 1);
	/* Where keys are taken a token may stand in their place. */
	assert_int_equal(identify(NULL, header + 7, true, &p), PRINCIPAL_OK);
	assert_int_equal(identify(NULL, header + 7, false, &p),
	    PRINCIPAL_NONE);
	assert_int_equal(by_header(token_of(USER_OK, 3600 + 60, NULL)),
	    PRINCIPAL_EXPIRED);
	assert_int_equal(by_header(token_of(USER_OK, -120, NULL)),
	    PRINCIPAL_INVALID);
}

static void
ended_sessions(void **state)
{
	struct jwt_claims claims;
	const char *header = token_of(USER_OK, 0, &claims);

	(void)state;
	assert_int_equal(by_header(header), PRINCIPAL_OK);
	assert_int_equal(revoked_add(revoked, claims.jti, claims.exp), 0);
	assert_int_equal(by_header(header), PRINCIPAL_REVOKED);
	/* All of the user's, by the entry. */
	assert_int_equal(by_header(token_of(USER_ENDED, 0, NULL)),
	    PRINCIPAL_REVOKED);
}

static void
users(void **state)
{
	static const struct {
		uint64_t	 user;
		enum principal_result want;
	} rows[] = {
		{ USER_OK, PRINCIPAL_OK }, { USER_PENDING, PRINCIPAL_OK },
		{ USER_REFUSED, PRINCIPAL_OK },
		{ USER_DISABLED, PRINCIPAL_USER_DISABLED },
		{ 999, PRINCIPAL_INVALID },
		/* An entry of somebody else is not taken. */
		{ USER_FOREIGN, PRINCIPAL_UNAVAILABLE },
	};
	struct principal p;
	size_t i;

	(void)state;
	for (i = 0; i < sizeof(rows) / sizeof(rows[0]); i++)
		if (identify(token_of(rows[i].user, 0, NULL), NULL, false,
		    &p) != rows[i].want)
			fail_msg("user %llu",
			    (unsigned long long)rows[i].user);
}

static void
personal_keys(void **state)
{
	unsigned char hash[APIKEY_HASH_LEN];
	struct principal p;

	(void)state;
	assert_int_equal(identify("Bearer " GOOD, NULL, true, &p),
	    PRINCIPAL_OK);
	assert_true(p.by_key);
	assert_int_equal(p.user_id, USER_OK);
	assert_int_equal(p.apikey_id, 70);
	assert_int_equal(p.config_type, 1);
	principal_apikey_hash(GOOD, hash);
	assert_int_equal(p.apikey_slot, apikeycache_slot(hash));
	assert_int_equal(p.tenant.user_id, USER_OK);
	assert_int_equal(asked, 2);
	/* Held now; in the other header too. */
	assert_int_equal(identify(NULL, GOOD, true, &p), PRINCIPAL_OK);
	assert_int_equal(asked, 2);
	/* Never where a token is asked for. */
	assert_int_equal(identify("Bearer " GOOD, GOOD, false, &p),
	    PRINCIPAL_INVALID);
	assert_int_equal(by_header("Bearer " OFF), PRINCIPAL_KEY_DISABLED);
	assert_int_equal(by_header("Bearer " BARRED),
	    PRINCIPAL_USER_DISABLED);
	assert_int_equal(by_header("Bearer " BROKEN), PRINCIPAL_UNAVAILABLE);
	/* X-Api-Key goes before a token. */
	assert_int_equal(identify(token_of(USER_OK, 0, NULL), "sk-unknown",
	    true, &p), PRINCIPAL_KEY_INVALID);
}

/* What is held is no longer fresh; max_stale says whether it serves. */
static void
age_entries(const char *key)
{
	unsigned char hash[APIKEY_HASH_LEN];
	struct apikey_entry e = { .user_id = USER_OK, .apikey_id = 70,
	    .active = true };
	int64_t now = clock_mono_ms();
	struct tenant t;

	memset(&t, 0, sizeof(t));
	t.user_id = USER_OK;
	t.loaded_ms = now;
	t.fresh_until_ms = now - 1;
	assert_int_equal(tenantcache_put(cache, &t), 0);
	principal_apikey_hash(key, hash);
	memcpy(e.hash, hash, sizeof(hash));
	e.loaded_ms = now;
	e.fresh_until_ms = now - 1;
	apikeycache_encode(&e, &t);
	assert_int_equal(tenantcache_put(cache, &t), 0);
}

static void
old_entries_are_read_again(void **state)
{
	struct principal p;

	(void)state;
	age_entries(GOOD);
	assert_int_equal(identify("Bearer " GOOD, NULL, true, &p),
	    PRINCIPAL_OK);
	assert_int_equal(asked, 2);
	assert_int_equal(p.config_type, 1);
}

/* The database is away, and that is known: nobody is asked. */
static void
held_entries_serve_without_the_database(void **state)
{
	struct principal p;

	(void)state;
	mood = DATABASE_AWAY;
	counters_set(counters, GAUGE_DB_OK, 0);
	age_entries(GOOD);
	assert_int_equal(by_header(token_of(USER_OK, 0, NULL)),
	    PRINCIPAL_OK);
	assert_int_equal(by_header("Bearer " GOOD), PRINCIPAL_OK);
	assert_int_equal(asked, 0);
	/* Who is not held has to wait; it is no fault of the token. */
	assert_int_equal(by_header(token_of(USER_PENDING, 0, NULL)),
	    PRINCIPAL_UNAVAILABLE);
	assert_int_equal(by_header("Bearer " OFF), PRINCIPAL_UNAVAILABLE);
	assert_int_equal(asked, 2);
	/* Longer than max_stale nothing serves. */
	tools.max_stale_ms = 0;
	assert_int_equal(by_header(token_of(USER_OK, 0, NULL)),
	    PRINCIPAL_UNAVAILABLE);
	assert_int_equal(by_header("Bearer " GOOD), PRINCIPAL_UNAVAILABLE);
	assert_int_equal(identify(NULL, NULL, true, &p), PRINCIPAL_NONE);
}

/* Not known to be away, but the keeper says so. */
static void
held_entries_serve_when_the_keeper_says_away(void **state)
{
	(void)state;
	mood = DATABASE_AWAY;
	age_entries(GOOD);
	assert_int_equal(by_header(token_of(USER_OK, 0, NULL)),
	    PRINCIPAL_OK);
	assert_int_equal(by_header("Bearer " GOOD), PRINCIPAL_OK);
	assert_true(asked >= 2);
	assert_int_equal(by_header(token_of(USER_PENDING, 0, NULL)),
	    PRINCIPAL_UNAVAILABLE);
}

/* Nobody answers at all: bounded, and what is held serves. */
static void
a_silent_keeper_costs_the_wait_alone(void **state)
{
	uint64_t before = counters->count[CNT_ASK_TIMEOUT];
	int64_t start;

	(void)state;
	mood = SILENT;
	tools.ask_ms = ASK_MS;
	age_entries(GOOD);
	start = clock_mono_ms();
	assert_int_equal(by_header(token_of(USER_OK, 0, NULL)),
	    PRINCIPAL_OK);
	assert_true(clock_mono_ms() - start >= ASK_MS);
	assert_int_equal(by_header("Bearer " GOOD), PRINCIPAL_OK);
	assert_int_equal(by_header("Bearer " OFF), PRINCIPAL_UNAVAILABLE);
	assert_int_equal(by_header(token_of(USER_PENDING, 0, NULL)),
	    PRINCIPAL_UNAVAILABLE);
	assert_true(counters->count[CNT_ASK_TIMEOUT] >= before + 5);
	tools.max_stale_ms = 0;
	assert_int_equal(by_header("Bearer " GOOD), PRINCIPAL_UNAVAILABLE);
}

static void
fresh_is_asked_for(void **state)
{
	struct tenant t;

	(void)state;
	assert_int_equal(principal_tenant(&tools, USER_OK, false, &t), 0);
	assert_int_equal(principal_tenant(&tools, USER_OK, false, &t), 0);
	assert_int_equal(asked, 1);
	assert_int_equal(principal_tenant(&tools, USER_OK, true, &t), 0);
	assert_int_equal(asked, 2);
	assert_int_equal(t.user_id, USER_OK);
}

int
main(void)
{
#define TEST(f)	cmocka_unit_test_setup(f, fresh)
	const struct CMUnitTest tests[] = {
		TEST(nothing_and_nonsense),
		TEST(tokens),
		TEST(ended_sessions),
		TEST(users),
		TEST(personal_keys),
		TEST(old_entries_are_read_again),
		TEST(held_entries_serve_without_the_database),
		TEST(held_entries_serve_when_the_keeper_says_away),
		TEST(a_silent_keeper_costs_the_wait_alone),
		TEST(fresh_is_asked_for),
	};

	return cmocka_run_group_tests(tests, set_up, tear_down);
}
