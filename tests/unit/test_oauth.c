/*
 * The order of the steps of a sign-in: what is asked of the provider,
 * and above all when nothing is.
 *
 * The database and the network are stood in for here: the store holds
 * the states in an array, the network answers from a script and keeps
 * what was sent.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "auth/discovery.h"
#include "auth/oauth.h"
#include "base/clock.h"
#include "base/codec.h"

/* The store. */
static struct {
	struct {
		bool			 there;
		unsigned char		 hash[TOKEN_HASH_LEN];
		struct oauth_state	 row;
	} states[16];
	bool		 broken;
	unsigned	 puts, takes;
} store;

int
oauth_state_put(struct db *db, const unsigned char hash[TOKEN_HASH_LEN],
    const struct oauth_state *row, unsigned ttl_s)
{
	size_t i;

	(void)db;
	assert_int_equal(ttl_s, OAUTH_STATE_TTL_S);
	assert_true(ttl_s <= 600);
	store.puts++;
	if (store.broken)
		return -1;
	for (i = 0; store.states[i].there; i++)
		assert_true(i < 15);
	store.states[i].there = true;
	memcpy(store.states[i].hash, hash, TOKEN_HASH_LEN);
	store.states[i].row = *row;
	return 0;
}

int
oauth_state_take(struct db *db, const unsigned char hash[TOKEN_HASH_LEN],
    struct oauth_state *ret)
{
	size_t i;

	(void)db;
	store.takes++;
	if (store.broken)
		return -1;
	for (i = 0; i < 16; i++) {
		if (store.states[i].there && memcmp(store.states[i].hash,
		    hash, TOKEN_HASH_LEN) == 0) {
			store.states[i].there = false;
			*ret = store.states[i].row;
			return 1;
		}
	}
	return 0;
}

const char *
db_fault_text(const struct db *db)
{
	(void)db;
	return "away";
}

/* The network. */
static struct {
	struct {
		const char	*target;
		int		 status;
		const char	*body;
		enum httpc_error error;
	} script[8];
	unsigned	 n_sent;
	struct {
		char	method[8], url[256], authorization[512], body[2048];
		bool	fresh, idempotent;
		int	total_ms;
		uint64_t max_body;
	} sent[16];
} net;

void
httpc_perform(struct httpc *httpc, const struct httpc_request *r,
    struct httpc_result *ret)
{
	size_t i;

	(void)httpc;
	assert_true(net.n_sent < 16);
	(void)snprintf(net.sent[net.n_sent].method, 8, "%s", r->method);
	(void)snprintf(net.sent[net.n_sent].url, 256, "%s%s%s",
	    r->base->origin, r->base->prefix, r->target);
	(void)snprintf(net.sent[net.n_sent].authorization, 512, "%s",
	    r->authorization != NULL ? r->authorization : "");
	(void)snprintf(net.sent[net.n_sent].body, 2048, "%.*s",
	    (int)r->body_len, r->body != NULL ? (const char *)r->body : "");
	net.sent[net.n_sent].fresh = r->fresh;
	net.sent[net.n_sent].idempotent = r->idempotent;
	net.sent[net.n_sent].total_ms = r->total_ms;
	net.sent[net.n_sent].max_body = r->max_body;
	net.n_sent++;
	*ret = (struct httpc_result){ .error = HTTPC_UNREACHABLE };
	for (i = 0; i < 8 && net.script[i].target != NULL; i++) {
		if (strcmp(net.script[i].target, r->target) != 0)
			continue;
		ret->error = net.script[i].error;
		ret->status = net.script[i].status;
		if (net.script[i].body != NULL)
			buf_puts(r->sink, net.script[i].body);
		return;
	}
}

const char *
httpc_error_name(enum httpc_error error)
{
	return error == HTTPC_TOO_LARGE ? "too_large" : "unreachable";
}

static void
net_say(const char *target, int status, const char *body)
{
	size_t i;

	for (i = 0; net.script[i].target != NULL &&
	    strcmp(net.script[i].target, target) != 0; i++)
		assert_true(i < 7);
	net.script[i].target = target;
	net.script[i].status = status;
	net.script[i].body = body;
}

static struct providers *ps;
static struct provider *one, *two, *oidc;
static struct buf detail = BUF_INIT(OAUTH_DETAIL_MAX);

#define ISS "http://127.0.0.1:9"

static int
setup(void **state)
{
	const struct provider_conf conf[] = {
		{ .type = PROVIDER_LINUX_DO, .id = "linux_do",
		    .client_id = "one", .client_secret = "s",
		    .authorization_endpoint = "http://127.0.0.1:1/auth",
		    .token_endpoint = "http://127.0.0.1:1/token",
		    .userinfo_endpoint = "http://127.0.0.1:1/user" },
		{ .type = PROVIDER_GITHUB, .id = "github",
		    .client_id = "two", .client_secret = "t",
		    .authorization_endpoint = "http://127.0.0.1:2/auth",
		    .token_endpoint = "http://127.0.0.1:2/token",
		    .userinfo_endpoint = "http://127.0.0.1:2/user" },
		{ .type = PROVIDER_OIDC, .id = "pocket", .client_id = "three",
		    .client_secret = "u", .issuer = ISS },
	};
	struct buf why = BUF_INIT(4096);

	(void)state;
	memset(&store, 0, sizeof(store));
	memset(&net, 0, sizeof(net));
	buf_reset(&detail);
	ps = providers_make(conf, 3, "http://localhost:8000", &why);
	assert_non_null(ps);
	buf_free(&why);
	one = providers_find(ps, "linux_do");
	two = providers_find(ps, "github");
	oidc = providers_find(ps, "pocket");
	net_say("/token", 200, "{\"access_token\":\"AT\"}");
	net_say("/user", 200, "{\"id\":42,\"sub\":\"s-1\","
	    "\"username\":\"ann\",\"login\":\"ann\",\"name\":\"ann\"}");
	return 0;
}

static int
teardown(void **state)
{
	(void)state;
	providers_free(&ps);
	buf_free(&detail);
	return 0;
}

static struct oauth_start
begin(struct provider *p, const char *return_to)
{
	struct buf url = BUF_INIT(OAUTH_URL_MAX);
	struct oauth_start start;

	assert_int_equal(oauth_begin(NULL, NULL, p, return_to, &start, &url,
	    &detail), OAUTH_OK);
	assert_non_null(strstr(buf_str(&url), start.state));
	assert_non_null(strstr(buf_str(&url), "code_challenge_method=S256"));
	assert_int_equal(strlen(start.state), OAUTH_STATE_LEN);
	buf_free(&url);
	net.n_sent = 0;
	return start;
}

static enum oauth_result
finish(struct provider *p, const char *state, const char *browser,
    struct oauth_identity *ret)
{
	const struct oauth_callback cb = {
		.code = "the-code", .state = state, .browser = browser,
	};

	buf_reset(&detail);
	return oauth_finish(NULL, NULL, p, &cb, ret, &detail);
}

static void
json_flow(void **state)
{
	struct oauth_start start = begin(one, NULL);
	struct oauth_identity id;
	struct identity view;

	(void)state;
	assert_string_equal(start.browser, "");
	assert_int_equal(finish(one, start.state, NULL, &id), OAUTH_OK);
	assert_string_equal(id.provider, "linux_do");
	assert_string_equal(id.subject, "42");
	assert_string_equal(id.username, "ann");
	assert_false(id.browser_flow);
	assert_string_equal(id.return_to, "");
	oauth_identity_view(&id, &view);
	assert_string_equal(view.subject, "42");
	assert_null(view.avatar_url);
	assert_int_equal(net.n_sent, 2);
	assert_string_equal(net.sent[0].method, "POST");
	assert_string_equal(net.sent[0].url, "http://127.0.0.1:1/token");
	assert_string_equal(net.sent[0].authorization, "Basic b25lOnM=");
	assert_true(net.sent[0].fresh && !net.sent[0].idempotent);
	assert_non_null(strstr(net.sent[0].body, "&code=the-code&"));
	assert_string_equal(net.sent[1].method, "GET");
	assert_string_equal(net.sent[1].url, "http://127.0.0.1:1/user");
	assert_string_equal(net.sent[1].authorization, "Bearer AT");
	assert_true(net.sent[1].total_ms > 0 && net.sent[1].total_ms <= 30000);
	assert_true(net.sent[0].max_body == 1024 * 1024);
	/* Once only, and the second asks nobody. */
	assert_int_equal(finish(one, start.state, NULL, &id),
	    OAUTH_BAD_STATE);
	assert_int_equal(net.n_sent, 2);
}

/* The verifier that is sent belongs to the challenge that was sent. */
static void
verifier_is_the_states_own(void **state)
{
	struct oauth_start a = begin(one, NULL), b = begin(one, NULL);
	struct oauth_identity id;
	char verifier_a[129];
	char *at;

	(void)state;
	assert_string_not_equal(a.state, b.state);
	assert_string_not_equal(store.states[0].row.verifier,
	    store.states[1].row.verifier);
	memcpy(verifier_a, store.states[0].row.verifier, 129);
	assert_int_equal(strlen(verifier_a), 43);
	assert_int_equal(finish(one, a.state, NULL, &id), OAUTH_OK);
	at = strstr(net.sent[0].body, "code_verifier=");
	assert_non_null(at);
	assert_int_equal(strncmp(at + 14, verifier_a, 43), 0);
}

static void
browser_flow(void **state)
{
	struct oauth_start a, b;
	struct oauth_identity id;

	(void)state;
	a = begin(one, "/app?x=1");
	assert_int_equal(strlen(a.browser), OAUTH_STATE_LEN);
	assert_string_not_equal(a.browser, a.state);
	assert_int_equal(finish(one, a.state, a.browser, &id), OAUTH_OK);
	assert_true(id.browser_flow);
	assert_string_equal(id.return_to, "/app?x=1");
	/* Without the cookie, with another's, with what is no cookie. */
	net.n_sent = 0;
	a = begin(one, "/");
	assert_int_equal(finish(one, a.state, NULL, &id), OAUTH_BAD_STATE);
	assert_int_equal(finish(one, a.state, a.browser, &id),
	    OAUTH_BAD_STATE);		/* was consumed */
	a = begin(one, "/");
	b = begin(one, "/");
	assert_string_not_equal(a.browser, b.browser);
	assert_int_equal(finish(one, a.state, b.browser, &id),
	    OAUTH_BAD_STATE);
	a = begin(one, "/");
	assert_int_equal(finish(one, a.state, "", &id), OAUTH_BAD_STATE);
	a = begin(one, "/");
	assert_int_equal(finish(one, a.state, a.state, &id),
	    OAUTH_BAD_STATE);
	assert_int_equal(net.n_sent, 0);
}

static void
return_to_stays_here(void **state)
{
	static const char *const bad[] = {
		"//evil.test", "https://evil.test/", "/\\evil.test",
		"evil", "", "/a\r\nX: 1", "javascript:alert(1)"
	};
	char longest[OAUTH_RETURN_MAX + 8];
	struct oauth_identity id;
	struct oauth_start a;
	size_t i;

	(void)state;
	for (i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		a = begin(one, bad[i]);
		assert_int_equal(finish(one, a.state, a.browser, &id),
		    OAUTH_OK);
		assert_string_equal(id.return_to, "/");
	}
	memset(longest, 'a', sizeof(longest));
	longest[0] = '/';
	longest[OAUTH_RETURN_MAX] = '\0';
	a = begin(one, longest);
	assert_int_equal(finish(one, a.state, a.browser, &id), OAUTH_OK);
	assert_string_equal(id.return_to, longest);
	longest[OAUTH_RETURN_MAX] = 'a';
	longest[OAUTH_RETURN_MAX + 1] = '\0';
	a = begin(one, longest);
	assert_int_equal(finish(one, a.state, a.browser, &id), OAUTH_OK);
	assert_string_equal(id.return_to, "/");
}

/* Mix-up: the code of one is never shown to the other. */
static void
providers_are_not_mixed_up(void **state)
{
	struct oauth_identity id;
	struct oauth_start a = begin(one, NULL);

	(void)state;
	assert_int_equal(finish(two, a.state, NULL, &id), OAUTH_MISMATCH);
	assert_int_equal(net.n_sent, 0);
	assert_int_equal(finish(one, a.state, NULL, &id), OAUTH_BAD_STATE);
	assert_int_equal(net.n_sent, 0);
}

static void
iss_must_agree(void **state)
{
	static const struct {
		const char *iss;
		bool good;
	} all[] = {
		{ NULL, true }, { "http://127.0.0.1:1", true },
		{ "http://127.0.0.1:1/", true },
		{ "http://127.0.0.1:1/login/oauth", true },
		{ "", false }, { "http://127.0.0.1:11", false },
		{ "http://127.0.0.1:2", false },
		{ "http://127.0.0.1:1@evil.test/", false },
		{ "http://127.0.0.1:1.evil.test/", false },
		{ "https://evil.test/http://127.0.0.1:1", false },
	};
	struct oauth_callback cb = { .code = "c" };
	struct oauth_identity id;
	struct oauth_start a;
	size_t i;

	(void)state;
	for (i = 0; i < sizeof(all) / sizeof(all[0]); i++) {
		a = begin(one, NULL);
		cb.state = a.state;
		cb.iss = all[i].iss;
		assert_int_equal(oauth_finish(NULL, NULL, one, &cb, &id,
		    &detail), all[i].good ? OAUTH_OK : OAUTH_MISMATCH);
		assert_int_equal(net.n_sent, all[i].good ? 2 : 0);
	}
}

static void
states_that_are_none(void **state)
{
	static const char *const bad[] = {
		"", "x", "0123456789012345678901234567890123456789012",
		"AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA",
		"AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA",
		"AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAB",
		"AAAAAAAAAAAAAAAAAAAAA AAAAAAAAAAAAAAAAAAAAA",
		"' or '1'='1",
	};
	struct oauth_identity id;
	size_t i;

	(void)state;
	for (i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
		assert_int_equal(finish(one, bad[i], NULL, &id),
		    OAUTH_BAD_STATE);
	assert_int_equal(finish(one, NULL, NULL, &id), OAUTH_BAD_STATE);
	/* The database was asked for none of these. */
	assert_int_equal(store.takes, 0);
	/* A well-formed one that was never given out. */
	assert_int_equal(finish(one,
	    "AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA", NULL, &id),
	    OAUTH_BAD_STATE);
	assert_int_equal(store.takes, 1);
	assert_int_equal(net.n_sent, 0);
}

static void
refusals(void **state)
{
	static const char *const bad[] = {
		NULL, "", "a\nb", "a\x7f", "\xc3\xa4"
	};
	struct oauth_callback cb = { 0 };
	struct oauth_identity id;
	struct oauth_start a;
	char code[2050];
	size_t i;

	(void)state;
	for (i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		a = begin(one, NULL);
		cb.state = a.state;
		cb.code = bad[i];
		assert_int_equal(oauth_finish(NULL, NULL, one, &cb, &id,
		    &detail), OAUTH_DENIED);
	}
	memset(code, 'c', sizeof(code));
	code[2049] = '\0';
	a = begin(one, NULL);
	cb = (struct oauth_callback){ .state = a.state, .code = code };
	assert_int_equal(oauth_finish(NULL, NULL, one, &cb, &id, &detail),
	    OAUTH_DENIED);
	a = begin(one, NULL);
	cb = (struct oauth_callback){ .state = a.state, .code = "c",
	    .error = "access_denied" };
	assert_int_equal(oauth_finish(NULL, NULL, one, &cb, &id, &detail),
	    OAUTH_DENIED);
	assert_int_equal(net.n_sent, 0);
	/* The provider does not like the code. */
	net_say("/token", 400, "{\"error\":\"invalid_grant\"}");
	a = begin(one, NULL);
	assert_int_equal(finish(one, a.state, NULL, &id), OAUTH_DENIED);
	assert_int_equal(net.n_sent, 1);
}

static void
what_fails(void **state)
{
	struct buf url = BUF_INIT(OAUTH_URL_MAX);
	struct oauth_identity id;
	struct oauth_start a;

	(void)state;
	store.broken = true;
	assert_int_equal(oauth_begin(NULL, NULL, one, NULL, &a, &url,
	    &detail), OAUTH_DB_ERROR);
	store.broken = false;
	a = begin(one, NULL);
	store.broken = true;
	assert_int_equal(finish(one, a.state, NULL, &id), OAUTH_DB_ERROR);
	store.broken = false;
	assert_int_equal(net.n_sent, 0);
	net.script[0].error = HTTPC_UNREACHABLE;
	assert_int_equal(finish(one, a.state, NULL, &id), OAUTH_UNREACHABLE);
	net.script[0].error = HTTPC_TOO_LARGE;
	a = begin(one, NULL);
	assert_int_equal(finish(one, a.state, NULL, &id), OAUTH_BAD_ANSWER);
	net.script[0].error = HTTPC_DONE;
	net.script[1].error = HTTPC_TIMEOUT_TOTAL;
	a = begin(one, NULL);
	assert_int_equal(finish(one, a.state, NULL, &id), OAUTH_UNREACHABLE);
	net.script[1].error = HTTPC_DONE;
	net_say("/user", 200, "{\"username\":\"no id\"}");
	a = begin(one, NULL);
	memset(&id, 0x5a, sizeof(id));
	assert_int_equal(finish(one, a.state, NULL, &id), OAUTH_BAD_ANSWER);
	assert_int_equal(id.subject[0], 0x5a);
	buf_free(&url);
}

#define DOC "{\"issuer\":\"" ISS "\",\"authorization_endpoint\":\"" ISS	\
	"/auth\",\"token_endpoint\":\"" ISS "/token\","			\
	"\"userinfo_endpoint\":\"" ISS "/user\","			\
	"\"authorization_response_iss_parameter_supported\":true}"
#define WELL_KNOWN "/.well-known/openid-configuration"

/* An id_token with this nonce, good in all else. */
static const char *
token_answer(const char *nonce)
{
	static char answer[2048];
	char payload[512], coded[1024];
	int n;

	n = snprintf(payload, sizeof(payload), "{\"iss\":\"" ISS "\","
	    "\"aud\":\"three\",\"sub\":\"s-1\",\"nonce\":\"%s\",\"exp\":%lld}",
	    nonce, (long long)clock_wall_s() + 300);
	b64url_encode(payload, (size_t)n, B64_UNPADDED, coded);
	(void)snprintf(answer, sizeof(answer), "{\"access_token\":\"AT\","
	    "\"id_token\":\"e30.%s.c2ln\"}", coded);
	return answer;
}

static void
openid_connect(void **state)
{
	struct oauth_callback cb = { .code = "c", .iss = ISS };
	struct buf url = BUF_INIT(OAUTH_URL_MAX);
	struct oauth_identity id;
	struct oauth_start a;

	(void)state;
	/* Without discovery there is no sign-in. */
	assert_int_equal(oauth_begin(NULL, NULL, oidc, NULL, &a, &url,
	    &detail), OAUTH_UNREACHABLE);
	net_say(WELL_KNOWN, 404, "{}");
	assert_int_equal(oauth_begin(NULL, NULL, oidc, NULL, &a, &url,
	    &detail), OAUTH_BAD_ANSWER);
	assert_int_equal(store.puts, 0);
	net_say(WELL_KNOWN, 200, DOC);
	net.n_sent = 0;
	assert_int_equal(oauth_begin(NULL, NULL, oidc, NULL, &a, &url,
	    &detail), OAUTH_OK);
	assert_int_equal(net.n_sent, 1);
	assert_string_equal(net.sent[0].url, ISS WELL_KNOWN);
	assert_non_null(strstr(buf_str(&url), "&nonce="));
	assert_non_null(strstr(buf_str(&url), "scope=openid%20"));

	/* Found once an hour, kept for a day when it cannot be found. */
	a = begin(oidc, NULL);
	assert_int_equal(strlen(store.states[1].row.nonce), 43);
	assert_string_not_equal(store.states[0].row.nonce,
	    store.states[1].row.nonce);
	net_say("/token", 200, token_answer(store.states[1].row.nonce));
	cb.state = a.state;
	assert_int_equal(oauth_finish(NULL, NULL, oidc, &cb, &id, &detail),
	    OAUTH_OK);
	assert_string_equal(id.subject, "s-1");
	assert_string_equal(id.provider, oidc->key);
	assert_int_equal(net.n_sent, 2);
	oidc->discovered_ms = clock_mono_ms() - DISCOVERY_FRESH_MS - 1;
	net.n_sent = 0;
	net_say(WELL_KNOWN, 500, "");
	assert_int_equal(discovery_refresh(NULL, oidc,
	    clock_mono_ms() + 1000, &detail), OAUTH_OK);
	assert_int_equal(net.n_sent, 1);
	oidc->discovered_ms = clock_mono_ms() - DISCOVERY_STALE_MS - 1;
	assert_int_equal(discovery_refresh(NULL, oidc,
	    clock_mono_ms() + 1000, &detail), OAUTH_BAD_ANSWER);
	net_say(WELL_KNOWN, 200, DOC);

	/* The nonce of another sign-in; iss missing, or another's. */
	a = begin(oidc, NULL);
	net_say("/token", 200, token_answer("not-this"));
	cb.state = a.state;
	assert_int_equal(oauth_finish(NULL, NULL, oidc, &cb, &id, &detail),
	    OAUTH_BAD_ANSWER);
	assert_int_equal(net.n_sent, 2);
	a = begin(oidc, "/");
	cb = (struct oauth_callback){ .code = "c", .state = a.state,
	    .browser = a.browser };
	assert_int_equal(oauth_finish(NULL, NULL, oidc, &cb, &id, &detail),
	    OAUTH_MISMATCH);
	a = begin(oidc, NULL);
	cb = (struct oauth_callback){ .code = "c", .state = a.state,
	    .iss = ISS "/" };
	assert_int_equal(oauth_finish(NULL, NULL, oidc, &cb, &id, &detail),
	    OAUTH_MISMATCH);
	assert_int_equal(net.n_sent, 0);
	buf_free(&url);
}

/* Front-ends of the JSON flow hand on code and state alone. */
static void
openid_connect_without_iss(void **state)
{
	struct oauth_callback cb = { .code = "c" };
	struct oauth_identity id;
	struct oauth_start a;

	(void)state;
	net_say(WELL_KNOWN, 200, DOC);
	a = begin(oidc, NULL);
	net_say("/token", 200, token_answer(store.states[0].row.nonce));
	cb.state = a.state;
	assert_int_equal(oauth_finish(NULL, NULL, oidc, &cb, &id, &detail),
	    OAUTH_OK);
	assert_string_equal(id.subject, "s-1");
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
#define T(f)	cmocka_unit_test_setup_teardown(f, setup, teardown)
		T(json_flow), T(verifier_is_the_states_own), T(browser_flow),
		T(return_to_stays_here), T(providers_are_not_mixed_up),
		T(iss_must_agree), T(states_that_are_none), T(refusals),
		T(what_fails), T(openid_connect),
		T(openid_connect_without_iss),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
