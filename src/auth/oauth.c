/*
 * oauth: sign-in with somebody else's account.
 *
 * The api floor calls oauth_begin() and oauth_finish().  What is sent is
 * built in requests.c, what comes back is judged in answers.c; here is
 * only the order of the steps, because it is the order that keeps a code
 * from going to the wrong place: the state is consumed first, and
 * nothing is sent before provider, browser and issuer agree.
 */
#include <assert.h>
#include <stdio.h>
#include <string.h>

#include <gcrypt.h>

#include "auth/answers.h"
#include "auth/discovery.h"
#include "auth/fetch.h"
#include "auth/oauth.h"
#include "auth/requests.h"
#include "base/clock.h"
#include "base/codec.h"

#define TOTAL_MS	30000		/* of one call */
#define RANDOM_BYTES	32
#define CODE_MAX	2048
#define FORM_MAX	16384

static const char *const result_names[OAUTH_RESULT_MAX] = {
	[OAUTH_OK] = "ok",
	[OAUTH_BAD_STATE] = "bad_state",
	[OAUTH_MISMATCH] = "mismatch",
	[OAUTH_DENIED] = "denied",
	[OAUTH_UNREACHABLE] = "unreachable",
	[OAUTH_BAD_ANSWER] = "bad_answer",
	[OAUTH_DB_ERROR] = "db_error",
};

const char *
oauth_result_name(enum oauth_result result)
{
	assert(result < OAUTH_RESULT_MAX);
	return result_names[result];
}

static void
token_hash(const char *token, unsigned char ret[TOKEN_HASH_LEN])
{
	gcry_md_hash_buffer(GCRY_MD_SHA256, ret, token, strlen(token));
}

enum oauth_result
oauth_begin(struct db *db, struct httpc *httpc, struct provider *p,
    const char *return_to, struct oauth_start *ret, struct buf *ret_url,
    struct buf *detail)
{
	struct oauth_start start = { 0 };
	struct oauth_state row = { 0 };
	unsigned char hash[TOKEN_HASH_LEN];
	enum oauth_result result;

	result = discovery_refresh(httpc, p, clock_mono_ms() + TOTAL_MS,
	    detail);
	if (result != OAUTH_OK)
		return result;
	random_token(RANDOM_BYTES, start.state);
	random_token(RANDOM_BYTES, row.verifier);
	if (p->type == PROVIDER_OIDC)
		random_token(RANDOM_BYTES, row.nonce);
	if (return_to != NULL) {
		random_token(RANDOM_BYTES, start.browser);
		token_hash(start.browser, row.browser);
		if (strlen(return_to) > OAUTH_RETURN_MAX ||
		    !url_is_local_path(return_to))
			return_to = "/";
		memcpy(row.return_to, return_to, strlen(return_to) + 1);
	}
	(void)snprintf(row.provider, sizeof(row.provider), "%s", p->id);
	token_hash(start.state, hash);
	if (request_authorization_url(p, start.state, row.verifier, row.nonce,
	    ret_url) == -1) {
		(void)buf_puts(detail, "the authorization URL is too long");
		result = OAUTH_BAD_ANSWER;
	} else if (oauth_state_put(db, hash, &row, OAUTH_STATE_TTL_S) == -1) {
		(void)buf_printf(detail, "database: %s", db_fault_text(db));
		result = OAUTH_DB_ERROR;
	} else
		*ret = start;
	wipe(&row, sizeof(row));
	return result;
}

/* What our states and cookies look like. */
static bool
random_ok(const char *s)
{
	unsigned char bytes[RANDOM_BYTES + 2];

	return s != NULL && strlen(s) == OAUTH_STATE_LEN &&
	    b64url_decode(s, OAUTH_STATE_LEN, B64_UNPADDED, bytes) ==
	    RANDOM_BYTES;
}

static enum oauth_result
state_take(struct db *db, const char *state, struct oauth_state *ret,
    struct buf *detail)
{
	unsigned char hash[TOKEN_HASH_LEN];

	if (!random_ok(state)) {
		(void)buf_puts(detail, "no state, or not one of ours");
		return OAUTH_BAD_STATE;
	}
	token_hash(state, hash);
	switch (oauth_state_take(db, hash, ret)) {
	case 1:
		return OAUTH_OK;
	case 0:
		(void)buf_puts(detail, "the state is unknown, used or old");
		return OAUTH_BAD_STATE;
	default:
		(void)buf_printf(detail, "database: %s", db_fault_text(db));
		return OAUTH_DB_ERROR;
	}
}

static bool
is_browser_flow(const struct oauth_state *row)
{
	static const unsigned char none[TOKEN_HASH_LEN];

	return !ct_equal(row->browser, none, TOKEN_HASH_LEN);
}

static bool
browser_ok(const struct oauth_state *row, const char *cookie)
{
	unsigned char hash[TOKEN_HASH_LEN];

	if (!is_browser_flow(row))
		return true;
	if (!random_ok(cookie))
		return false;
	token_hash(cookie, hash);
	return ct_equal(hash, row->browser, TOKEN_HASH_LEN);
}

/*
 * RFC 9207 2.4.  A provider that always sends `iss` must have sent it in
 * the browser flow, where the answer comes straight to us.  In the JSON
 * flow a front-end stands between, and those that exist hand on code and
 * state alone; the state and a redirect URI of its own for each provider
 * guard against mix-up there (RFC 9700 4.4.2.2).  Where no issuer is
 * configured (OAuth without OpenID Connect) an `iss` must at least be of
 * the origin that was asked.
 */
static bool
issuer_ok(const struct provider *p, const struct oauth_state *row,
    const char *iss)
{
	const char *origin;
	size_t n;

	if (iss == NULL)
		return !p->endpoints.iss_required || !is_browser_flow(row);
	if (p->issuer != NULL)
		return strcmp(iss, p->issuer) == 0;
	origin = p->endpoints.authorization.base.origin;
	n = strlen(origin);
	return strncmp(iss, origin, n) == 0 &&
	    (iss[n] == '\0' || iss[n] == '/');
}

static bool
code_ok(const char *code)
{
	size_t n;

	if (code == NULL)
		return false;
	for (n = 0; code[n] != '\0'; n++) {
		if (code[n] < 0x20 || code[n] >= 0x7f || n >= CODE_MAX)
			return false;
	}
	return n > 0;
}

/* All that can be refused without a word to the provider. */
static enum oauth_result
callback_check(const struct provider *p, const struct oauth_state *row,
    const struct oauth_callback *cb, struct buf *detail)
{
	if (strcmp(row->provider, p->id) != 0) {
		(void)buf_puts(detail, "the state is another provider's");
		return OAUTH_MISMATCH;
	}
	if (!browser_ok(row, cb->browser)) {
		(void)buf_puts(detail, "the state is another browser's");
		return OAUTH_BAD_STATE;
	}
	if (cb->error != NULL) {
		(void)buf_puts(detail, "the provider sent an error");
		return OAUTH_DENIED;
	}
	if (!code_ok(cb->code)) {
		(void)buf_puts(detail, "no usable code");
		return OAUTH_DENIED;
	}
	return OAUTH_OK;
}

static enum oauth_result
token_fetch(struct httpc *httpc, const struct provider *p, const char *code,
    const char *verifier, int64_t deadline_ms, struct oauth_grant *ret,
    struct buf *detail)
{
	struct buf form = BUF_INIT(FORM_MAX), basic = BUF_INIT(FORM_MAX);
	struct buf body = BUF_INIT(0);
	struct fetch f = {
		.what = "token request", .to = &p->endpoints.token,
		.form = &form, .deadline_ms = deadline_ms,
	};
	enum oauth_result result = OAUTH_BAD_ANSWER;
	int status;

	if (request_token_form(p, code, verifier, &form) == -1 ||
	    request_basic(p, &basic) == -1) {
		(void)buf_puts(detail, "the token request is too long");
		goto out;
	}
	f.authorization = basic.len > 0 ? buf_str(&basic) : NULL;
	result = fetch_run(httpc, &f, &body, &status, detail);
	if (result == OAUTH_OK)
		result = answer_token(status, buf_str(&body), body.len, ret,
		    detail);
out:
	buf_wipe(&form);
	buf_wipe(&basic);
	buf_wipe(&body);
	return result;
}

static enum oauth_result
userinfo_fetch(struct httpc *httpc, const struct provider *p,
    const struct oauth_grant *grant, int64_t deadline_ms,
    struct oauth_identity *ret, struct buf *detail)
{
	struct buf bearer = BUF_INIT(ANSWER_TOKEN_MAX + 16);
	struct buf body = BUF_INIT(0);
	struct fetch f = {
		.what = "user info request", .to = &p->endpoints.userinfo,
		.deadline_ms = deadline_ms,
	};
	enum oauth_result result;
	int status;

	(void)buf_printf(&bearer, "Bearer %s",
	    secret_str(&grant->access_token));
	f.authorization = buf_str(&bearer);
	result = fetch_run(httpc, &f, &body, &status, detail);
	if (result == OAUTH_OK)
		result = answer_userinfo(p, status, buf_str(&body), body.len,
		    ret, detail);
	buf_wipe(&bearer);
	buf_wipe(&body);
	return result;
}

/* The two requests, and the id_token when one came. */
static enum oauth_result
provider_ask(struct httpc *httpc, const struct provider *p, const char *code,
    const struct oauth_state *row, int64_t deadline_ms,
    struct oauth_identity *ret, struct buf *detail)
{
	struct oauth_grant grant = { 0 };
	enum oauth_result result;

	result = token_fetch(httpc, p, code, row->verifier, deadline_ms,
	    &grant, detail);
	if (result == OAUTH_OK)
		result = userinfo_fetch(httpc, p, &grant, deadline_ms, ret,
		    detail);
	if (result == OAUTH_OK && p->type == PROVIDER_OIDC &&
	    grant.id_token.len > 0)
		result = answer_id_token(p, secret_str(&grant.id_token),
		    grant.id_token.len, row->nonce, ret->subject,
		    clock_wall_s(), detail);
	oauth_grant_wipe(&grant);
	return result;
}

enum oauth_result
oauth_finish(struct db *db, struct httpc *httpc, struct provider *p,
    const struct oauth_callback *cb, struct oauth_identity *ret,
    struct buf *detail)
{
	int64_t deadline_ms = clock_mono_ms() + TOTAL_MS;
	struct oauth_identity identity = { 0 };
	struct oauth_state row = { 0 };
	enum oauth_result result;

	result = state_take(db, cb->state, &row, detail);
	if (result == OAUTH_OK)
		result = callback_check(p, &row, cb, detail);
	/* A worker that began none of this provider's has to find out. */
	if (result == OAUTH_OK)
		result = discovery_refresh(httpc, p, deadline_ms, detail);
	if (result == OAUTH_OK && !issuer_ok(p, &row, cb->iss)) {
		(void)buf_puts(detail, "iss is missing or another's");
		result = OAUTH_MISMATCH;
	}
	if (result == OAUTH_OK)
		result = provider_ask(httpc, p, cb->code, &row, deadline_ms,
		    &identity, detail);
	if (result == OAUTH_OK) {
		identity.browser_flow = is_browser_flow(&row);
		memcpy(identity.return_to, row.return_to,
		    sizeof(identity.return_to));
		*ret = identity;
	}
	wipe(&row, sizeof(row));
	return result;
}

void
oauth_identity_view(const struct oauth_identity *id, struct identity *ret)
{
	*ret = (struct identity){
		.provider = id->provider,
		.subject = id->subject,
		.username = id->username,
		.avatar_url = id->avatar_url[0] != '\0' ? id->avatar_url :
		    NULL,
		.trust_level = id->trust_level,
	};
}
