/*
 * session: the endpoints of a session that already exists, and the
 * sign-in by password for accounts that an operator gave one.
 */
#include <string.h>

#include "api/session.h"
#include "api/signin.h"
#include "api/views.h"
#include "auth/password.h"
#include "base/log.h"

#define USERNAME_QUERY_MAX	320	/* bytes; front-ends send e-mails */

int
session_handle_refresh(struct call *c)
{
	static const enum problem problems[] = {
		[REFRESH_UNKNOWN] = PROBLEM_REFRESH_INVALID,
		[REFRESH_EXPIRED] = PROBLEM_REFRESH_INVALID,
		[REFRESH_USED_UP] = PROBLEM_REFRESH_USED,
		[REFRESH_SESSION_ENDED] = PROBLEM_REFRESH_INVALID,
		[REFRESH_USER_DISABLED] = PROBLEM_USER_DISABLED,
	};
	const char *token = call_string(c, "refresh_token");
	bool by_cookie = token == NULL;
	enum refresh_result result;
	struct session_tokens tokens;
	struct user user;
	struct db *db;

	if (by_cookie)
		token = request_cookie(c->req, REFRESH_COOKIE);
	if (token == NULL || *token == '\0')
		return response_invalid(c->req, c->res, "body",
		    "refresh_token", INVALID_MISSING);
	if ((db = call_db(c)) == NULL)
		return c->res->status;
	if (session_renew(db, &c->gw->sessions, token, &result, &tokens,
	    &user) != 0)
		return call_db_failed(c, "refresh");
	if (result != REFRESH_OK) {
		if (by_cookie)
			signin_refresh_cookie(c, NULL);
		return response_problem(c->res, problems[result], NULL);
	}
	response_json(c->res, 200);
	(void)response_header(c->res, "Cache-Control", "no-store");
	if (by_cookie)
		signin_refresh_cookie(c, tokens.refresh);
	buf_printf(&c->res->body, "{\"access_token\":\"%s\","
	    "\"refresh_token\":\"%s\",\"token_type\":\"bearer\","
	    "\"expires_in\":%lld}", tokens.access, tokens.refresh,
	    (long long)tokens.expires_in_s);
	session_tokens_wipe(&tokens);
	return 0;
}

static int
goodbye(struct call *c, const char *text_en, const char *text_zh, bool full)
{
	if (full)
		log_errorx("no room for another ended session: it ends on "
		    "this host when its token expires");
	gateway_poke_keeper(c->gw);
	signin_refresh_cookie(c, NULL);
	response_json(c->res, 200);
	buf_puts(&c->res->body, "{\"message\":");
	buf_json_cstr(&c->res->body, c->req->chinese ? text_zh : text_en);
	buf_puts(&c->res->body, ",\"success\":true}");
	return 0;
}

int
session_handle_logout(struct call *c)
{
	const char *refresh = call_string(c, "refresh_token");
	struct db *db = call_db(c);
	bool full = false;

	if (db == NULL)
		return c->res->status;
	if (refresh == NULL)
		refresh = request_cookie(c->req, REFRESH_COOKIE);
	if (session_logout(db, &c->gw->sessions, c->gw->shared.revoked,
	    &c->who.claims, refresh, &full) != 0)
		return call_db_failed(c, "logout");
	return goodbye(c, "Signed out.", "登出成功", full);
}

int
session_handle_logout_all(struct call *c)
{
	struct db *db = call_db(c);
	int64_t valid_from;
	bool full = false;

	if (db == NULL)
		return c->res->status;
	if (session_logout_all(db, &c->gw->sessions, c->gw->shared.revoked,
	    &c->who.claims, &full, &valid_from) != 0)
		return call_db_failed(c, "logout");
	(void)tenantcache_drop(c->gw->shared.cache, c->who.user_id);
	return goodbye(c, "Signed out everywhere.", "已登出所有设备", full);
}

int
session_handle_me(struct call *c)
{
	struct db *db = call_db(c);
	struct user user;
	int found;

	if (db == NULL)
		return c->res->status;
	found = user_by_id(db, c->who.user_id, &user);
	if (found < 0)
		return call_db_failed(c, "user");
	if (found == 0)
		return response_problem(c->res, PROBLEM_INVALID_TOKEN, NULL);
	response_json(c->res, 200);
	(void)response_header(c->res, "Cache-Control", "no-store");
	view_user(&c->res->body, &user);
	return 0;
}

int
session_handle_check_username(struct call *c)
{
	bool twice = false;
	const char *name = request_query(c->req, "username", &twice);
	struct db *db;
	int exists;

	if (name == NULL || *name == '\0' || twice)
		return response_invalid(c->req, c->res, "query", "username",
		    twice ? INVALID_TWICE : name == NULL ? INVALID_MISSING :
		    INVALID_EMPTY);
	if (strlen(name) > USERNAME_QUERY_MAX)
		return response_invalid(c->req, c->res, "query", "username",
		    INVALID_TOO_LONG);
	if ((db = call_db(c)) == NULL)
		return c->res->status;
	exists = user_name_exists(db, name);
	if (exists < 0)
		return call_db_failed(c, "user name");
	response_json(c->res, 200);
	buf_printf(&c->res->body, "{\"exists\":%s,\"message\":",
	    exists ? "true" : "false");
	buf_json_cstr(&c->res->body, c->req->chinese ?
	    (exists ? "用户名已存在" : "用户名不存在") :
	    (exists ? "The user name exists." :
	    "The user name does not exist."));
	buf_puts(&c->res->body, ",\"username\":");
	buf_json_cstr(&c->res->body, name);
	buf_puts(&c->res->body, "}");
	return 0;
}

int
session_handle_password(struct call *c)
{
	const char *name = call_string(c, "username");
	const char *password = call_string(c, "password");
	struct db *db = call_db(c);
	struct user user;
	int found;
	bool good;

	if (db == NULL)
		return c->res->status;
	found = user_by_name(db, name, &user);
	if (found < 0)
		return call_db_failed(c, "user");
	/* The same work whether or not there is such a user. */
	good = password_check(password, found ? user.password_hash : NULL);
	if (!good) {
		counters_add(c->gw->shared.counters, CNT_SIGNIN_FAILED, 1);
		user_note_refusal(db, found ? user.id : 0, true);
		return response_problem(c->res, PROBLEM_BAD_PASSWORD, NULL);
	}
	if (!user.is_active) {
		user_note_refusal(db, user.id, false);
		return response_problem(c->res, PROBLEM_USER_DISABLED, NULL);
	}
	if (user_note_login(db, user.id) != 0)
		return call_db_failed(c, "login");
	return signin_answer(c, db, &user);
}
