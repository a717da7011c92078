/*
 * signin: the OAuth endpoints of both flows.
 *
 * A state that was made for the JSON flow is tied to no browser, so its
 * result leaves as JSON only; a cookie is set for browser-flow states
 * alone, which are bound to the browser that began (login CSRF).
 */
#include <string.h>

#include "api/signin.h"
#include "api/views.h"
#include "auth/oauth.h"
#include "base/log.h"
#include "net/url.h"

#define DETAIL_MAX	512

static const enum problem oauth_problems[OAUTH_RESULT_MAX] = {
	[OAUTH_BAD_STATE] = PROBLEM_INVALID_STATE,
	[OAUTH_MISMATCH] = PROBLEM_PROVIDER_MISMATCH,
	[OAUTH_DENIED] = PROBLEM_SIGNIN_DENIED,
	[OAUTH_UNREACHABLE] = PROBLEM_SIGNIN_UNREACHABLE,
	[OAUTH_BAD_ANSWER] = PROBLEM_SIGNIN_FAILED,
	[OAUTH_DB_ERROR] = PROBLEM_DATABASE,
};

static int
oauth_failed(struct call *c, enum oauth_result result,
    const struct buf *detail)
{
	LOG_EVENT(LOG_LEVEL_WARN, "sign-in failed",
	    LOG_S("result", oauth_result_name(result)),
	    LOG_S("detail", buf_str(detail)),
	    LOG_S("client", c->req->client));
	counters_add(c->gw->shared.counters, CNT_SIGNIN_FAILED, 1);
	return response_problem(c->res, oauth_problems[result], NULL);
}

static struct provider *
find_provider(struct call *c, const char *id)
{
	struct provider *p = providers_find(c->gw->providers, id);

	if (p == NULL)
		(void)response_problem(c->res, PROBLEM_NO_PROVIDER, NULL);
	return p;
}

static const char *
state_cookie(const struct call *c)
{
	/* __Host-: this host alone, https alone (RFC 6265bis 4.1.3). */
	return c->gw->public_https ? "__Host-plugway_state" : "plugway_state";
}

static void
set_cookie(struct call *c, const char *name, const char *value,
    const char *path, long max_age)
{
	buf_printf(&c->res->head, "Set-Cookie: %s=%s; Path=%s; Max-Age=%ld; "
	    "HttpOnly; SameSite=Lax%s\r\n", name, value, path, max_age,
	    c->gw->public_https ? "; Secure" : "");
}

void
signin_refresh_cookie(struct call *c, const char *token)
{
	set_cookie(c, REFRESH_COOKIE, token != NULL ? token : "",
	    "/api/auth", token != NULL ?
	    (long)c->gw->sessions.refresh_ttl_s : 0);
}

static int
begin(struct call *c, const char *id, const char *return_to,
    struct oauth_start *start, struct buf *url)
{
	struct provider *p = find_provider(c, id);
	struct buf detail = BUF_INIT(DETAIL_MAX);
	enum oauth_result result;
	struct db *db;
	int status = 0;

	if (p == NULL || (db = call_db(c)) == NULL)
		return c->res->status;
	result = oauth_begin(db, gateway_httpc_oauth(c->gw), p, return_to,
	    start, url, &detail);
	if (result != OAUTH_OK)
		status = oauth_failed(c, result, &detail);
	buf_free(&detail);
	return status;
}

static int
initiate(struct call *c, const char *id)
{
	struct buf url = BUF_INIT(OAUTH_URL_MAX);
	struct oauth_start start;
	int status = begin(c, id, NULL, &start, &url);

	if (status == 0) {
		response_json(c->res, 200);
		(void)response_header(c->res, "Cache-Control", "no-store");
		buf_puts(&c->res->body, "{\"authorization_url\":");
		buf_json_cstr(&c->res->body, buf_str(&url));
		buf_printf(&c->res->body, ",\"state\":\"%s\"}", start.state);
	}
	buf_free(&url);
	return status;
}

int
signin_sso_initiate(struct call *c)
{
	return initiate(c, "linux_do");
}

int
signin_github_initiate(struct call *c)
{
	return initiate(c, "github");
}

int
signin_oidc_initiate(struct call *c)
{
	return initiate(c, c->req->value[0]);
}

int
signin_browser_start(struct call *c)
{
	struct buf url = BUF_INIT(OAUTH_URL_MAX);
	struct oauth_start start;
	bool twice = false;
	const char *to = request_query(c->req, "return_to", &twice);
	int status;

	if (twice)
		return response_invalid(c->req, c->res, "query", "return_to",
		    INVALID_TWICE);
	if (to == NULL || !url_is_local_path(to))
		to = "/";
	status = begin(c, c->req->value[0], to, &start, &url);
	if (status == 0) {
		c->res->status = 302;
		set_cookie(c, state_cookie(c), start.browser, "/",
		    OAUTH_STATE_TTL_S);
		(void)response_header(c->res, "Location", buf_str(&url));
		(void)response_header(c->res, "Cache-Control", "no-store");
		(void)response_header(c->res, "Referrer-Policy",
		    "no-referrer");
	}
	buf_free(&url);
	return status;
}

static int
refused(struct call *c, enum signin_result result)
{
	static const enum problem problems[] = {
		[SIGNIN_DISABLED] = PROBLEM_USER_DISABLED,
		[SIGNIN_CLOSED] = PROBLEM_SIGNUP_CLOSED,
		[SIGNIN_TRUST] = PROBLEM_TRUST_LEVEL,
	};

	counters_add(c->gw->shared.counters, CNT_SIGNIN_FAILED, 1);
	return response_problem(c->res, problems[result], NULL);
}

/* The account is usually there a moment later: wait for it, so that the
 * first call after the sign-in works.  Whatever comes of it, the sign-in
 * has succeeded. */
static void
wait_for_account(struct call *c, uint64_t user_id)
{
	struct tenant tenant;

	gateway_db_done(c->gw);
	gateway_poke_registrar(c->gw);
	(void)gateway_wait_bound(c->gw, user_id,
	    c->gw->registration_wait_ms, &tenant);
}

static void
write_tokens(struct call *c, const struct session_tokens *t,
    const struct user *user)
{
	struct buf *b = &c->res->body;

	response_json(c->res, 200);
	(void)response_header(c->res, "Cache-Control", "no-store");
	buf_printf(b, "{\"access_token\":\"%s\",\"refresh_token\":\"%s\","
	    "\"token_type\":\"bearer\",\"expires_in\":%lld", t->access,
	    t->refresh, (long long)t->expires_in_s);
	buf_puts(b, ",\"user\":");
	view_user(b, user);
	buf_puts(b, "}");
}

static int
start_session(struct call *c, struct db *db, const struct user *user,
    struct session_tokens *tokens)
{
	if (session_start(db, &c->gw->sessions, user, tokens) != 0)
		return call_db_failed(c, "session");
	counters_add(c->gw->shared.counters, CNT_SIGNIN_OK, 1);
	LOG_EVENT(LOG_LEVEL_INFO, "signed in", LOG_N("user", user->id),
	    LOG_S("client", c->req->client));
	wait_for_account(c, user->id);
	return 0;
}

int
signin_answer(struct call *c, struct db *db, const struct user *user)
{
	struct session_tokens tokens;
	int status = start_session(c, db, user, &tokens);

	if (status == 0)
		write_tokens(c, &tokens, user);
	session_tokens_wipe(&tokens);
	return status;
}

/* Code and state were brought back: who is it?  0, or a status. */
static int
finish(struct call *c, const char *id, const struct oauth_callback *cb,
    struct oauth_identity *who, struct user *user, struct db **ret_db)
{
	const struct signin_policy policy = {
		.allow_new = settings_bool(c->gw->settings,
		    SET_ALLOW_NEW_ACCOUNTS),
		.min_trust_level = (int)settings_int(c->gw->settings,
		    SET_MIN_TRUST_LEVEL),
	};
	struct provider *p = find_provider(c, id);
	struct buf detail = BUF_INIT(DETAIL_MAX);
	enum signin_result signin;
	enum oauth_result result;
	struct identity identity;
	struct db *db;

	if (p == NULL || (db = call_db(c)) == NULL)
		return c->res->status;
	result = oauth_finish(db, gateway_httpc_oauth(c->gw), p, cb, who,
	    &detail);
	if (result != OAUTH_OK) {
		(void)oauth_failed(c, result, &detail);
		buf_free(&detail);
		return c->res->status;
	}
	buf_free(&detail);
	oauth_identity_view(who, &identity);
	if (user_sign_in(db, &identity, &policy, &signin, user) != 0)
		return call_db_failed(c, "sign-in");
	if (signin != SIGNIN_OK && signin != SIGNIN_CREATED)
		return refused(c, signin);
	*ret_db = db;
	return 0;
}

static int
json_callback(struct call *c, const char *id, const char *code,
    const char *state)
{
	const struct oauth_callback cb = { .code = code, .state = state };
	struct oauth_identity who;
	struct user user;
	struct db *db;
	int status = finish(c, id, &cb, &who, &user, &db);

	return status != 0 ? status : signin_answer(c, db, &user);
}

/* code and state in the query, each once. */
static int
take_query(struct call *c, const char *const names[], const char **ret[],
    size_t n)
{
	size_t i;

	for (i = 0; i < n; i++) {
		bool twice = false;

		*ret[i] = request_query(c->req, names[i], &twice);
		if (twice)
			return response_invalid(c->req, c->res, "query",
			    names[i], INVALID_TWICE);
	}
	return 0;
}

int
signin_sso_callback(struct call *c)
{
	const char *code = NULL, *state = NULL;
	const char *const names[] = { "code", "state" };
	const char **into[] = { &code, &state };
	int status = take_query(c, names, into, 2);

	if (status != 0)
		return status;
	if (code == NULL)
		return response_invalid(c->req, c->res, "query", "code",
		    INVALID_MISSING);
	if (state == NULL)
		return response_invalid(c->req, c->res, "query", "state",
		    INVALID_MISSING);
	return json_callback(c, "linux_do", code, state);
}

int
signin_github_callback(struct call *c)
{
	return json_callback(c, "github", call_string(c, "code"),
	    call_string(c, "state"));
}

int
signin_oidc_callback(struct call *c)
{
	return json_callback(c, c->req->value[0], call_string(c, "code"),
	    call_string(c, "state"));
}

/* A person in a browser sees the console say what went wrong. */
static int
show_failure(struct call *c, int status)
{
	const char *code;

	if (c->res->problem == PROBLEM_NONE || c->req->accept == NULL ||
	    strstr(c->req->accept, "text/html") == NULL)
		return status;
	code = problem_row(c->res->problem)->code;
	c->res->problem = PROBLEM_NONE;
	buf_reset(&c->res->head);
	c->res->status = 302;
	(void)response_header(c->res, "Location", arena_printf(c->req->arena,
	    "/?signin_error=%s&request_id=%s", code, c->req->id));
	(void)response_header(c->res, "Cache-Control", "no-store");
	return 302;
}

int
signin_browser_callback(struct call *c)
{
	struct oauth_callback cb = { 0 };
	const char *const names[] = { "code", "state", "iss", "error" };
	const char **into[] = { &cb.code, &cb.state, &cb.iss, &cb.error };
	struct session_tokens tokens;
	struct oauth_identity who;
	struct user user;
	struct db *db;
	int status = take_query(c, names, into, 4);

	if (status != 0)
		return status;
	cb.browser = request_cookie(c->req, state_cookie(c));
	status = finish(c, c->req->value[0], &cb, &who, &user, &db);
	if (status != 0)
		return show_failure(c, status);
	if (!who.browser_flow)
		return signin_answer(c, db, &user);
	status = start_session(c, db, &user, &tokens);
	if (status == 0) {
		c->res->status = 302;
		set_cookie(c, state_cookie(c), "", "/", 0);
		signin_refresh_cookie(c, tokens.refresh);
		(void)response_header(c->res, "Location", who.return_to);
		(void)response_header(c->res, "Cache-Control", "no-store");
		(void)response_header(c->res, "Referrer-Policy",
		    "no-referrer");
	}
	session_tokens_wipe(&tokens);
	return status;
}

int
signin_providers(struct call *c)
{
	struct buf *b = &c->res->body;
	size_t i;

	response_json(c->res, 200);
	buf_puts(b, "{\"providers\":[");
	for (i = 0; i < providers_count(c->gw->providers); i++) {
		const struct provider *p = providers_at(c->gw->providers, i);

		buf_puts(b, i > 0 ? ",{\"id\":" : "{\"id\":");
		buf_json_cstr(b, p->id);
		buf_puts(b, ",\"name\":");
		buf_json_cstr(b, p->name);
		buf_printf(b, ",\"type\":\"%s\",\"enabled\":true,"
		    "\"supports_refresh\":true,\"description\":",
		    provider_type_name(p->type));
		buf_json_cstr(b, p->name);
		buf_puts(b, "}");
	}
	buf_puts(b, "]}");
	return 0;
}
