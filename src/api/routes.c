/*
 * routes: what plugway answers, row by row.
 *
 * First match wins; literal paths stand before those with a value in the
 * same place.  A proxied endpoint needs nothing but its row here and its
 * entry in the API document.
 */
#include "api/apikeys.h"
#include "api/health.h"
#include "api/key.h"
#include "api/pages.h"
#include "api/proxied.h"
#include "api/routes.h"
#include "api/session.h"
#include "api/signin.h"
#include "api/usage.h"

#define ID_RULE		"_-"
#define MODEL_RULE	"._:@-"

static const struct path_rule path_rules[] = {
	/* name, other characters, longest, no dots, digits only */
	{ "cookie_id", ID_RULE, 128, true, false },
	{ "model", MODEL_RULE, 200, true, false },
	{ "model_name", MODEL_RULE, 200, true, false },
	{ "provider", ID_RULE, 40, true, false },
	{ "file", "._-", 64, true, false },
	{ "id", "", 19, true, true },
};

/* Members that are checked; all others go on unseen. */
static const struct member
	is_shared_optional[] = { { "is_shared", MEMBER_ZERO_ONE,
	    .required = false }, { 0 } },
	is_shared[] = { { "is_shared", MEMBER_ZERO_ONE, .required = true },
	    { 0 } },
	status[] = { { "status", MEMBER_ZERO_ONE, .required = true }, { 0 } },
	prefer_shared[] = { { "prefer_shared", MEMBER_ZERO_ONE,
	    .required = true }, { 0 } },
	account_name[] = { { "name", MEMBER_STRING, .required = true,
	    .max = 100, .may_be_empty = true }, { 0 } },
	callback_url[] = { { "callback_url", MEMBER_STRING, .required = true,
	    .max = 4096 }, { 0 } },
	chat[] = {
	    { "model", MEMBER_STRING, .required = true, .max = 200 },
	    { "messages", MEMBER_ARRAY, .required = true },
	    { "stream", MEMBER_BOOL, .nullable = true }, { 0 } },
	contents[] = { { "contents", MEMBER_ARRAY, .required = true },
	    { 0 } },
	code_state[] = {
	    { "code", MEMBER_STRING, .required = true, .max = 4096 },
	    { "state", MEMBER_STRING, .required = true, .max = 512 }, { 0 } },
	refresh_token[] = { { "refresh_token", MEMBER_STRING,
	    .nullable = true, .max = 512 }, { 0 } },
	password[] = {
	    { "username", MEMBER_STRING, .required = true, .max = 255 },
	    { "password", MEMBER_STRING, .required = true, .max = 256 },
	    { 0 } },
	new_key[] = {
	    { "name", MEMBER_STRING, .nullable = true, .max = 100,
	    .may_be_empty = true },
	    { "config_type", MEMBER_STRING, .max = 50 }, { 0 } },
	is_active[] = { { "is_active", MEMBER_BOOL, .required = true },
	    { 0 } };

static const struct query_rule
	consumption[] = {
	    { "limit", QUERY_INT, 1, 1000, "100" },
	    { "start_date", QUERY_DATE, 0, 40, NULL },
	    { "end_date", QUERY_DATE, 0, 40, NULL }, { 0 } },
	usage_consumption[] = {
	    { "limit", QUERY_INT, 1, 1000, "50" },
	    { "start_date", QUERY_DATE, 0, 40, NULL },
	    { "end_date", QUERY_DATE, 0, 40, NULL }, { 0 } };

#define API	"/api/plugin-api"
/* A proxied row: method, path, who may call, body rule, members, query,
 * then upstream method and path, class, and what comes back. */
#define PROXIED(method, path, who, body, members, query, up_method,	\
	    up_path, class, answer)					\
	{ { method, path }, who, body, members, query,			\
	    { up_method, up_path, class, answer }, proxied_handle, 0 }
/* A local row: method, path, who, body rule, members, handler, flags. */
#define LOCAL(method, path, who, body, members, handler, flags)		\
	{ { method, path }, who, body, members, NULL,			\
	    { NULL, NULL, UPSTREAM_MANAGEMENT, PROXY_JSON }, handler, flags }
/* Looks at the call first, then proxies it. */
#define GUARDED(method, path, body, members, up_path, handler)		\
	{ { method, path }, AUTH_JWT, body, members, NULL,		\
	    { "POST", up_path, UPSTREAM_MANAGEMENT, PROXY_JSON }, handler, 0 }

static const struct route routes[] = {
	/* The upstream's calls. */
	LOCAL("GET", API "/key", AUTH_JWT, BODY_NONE, NULL,
	    key_handle_info, 0),
	GUARDED("POST", API "/oauth/authorize", BODY_OPTIONAL,
	    is_shared_optional, "/api/oauth/authorize",
	    key_handle_authorize),
	GUARDED("POST", API "/oauth/callback", BODY_SMALL, callback_url,
	    "/api/oauth/callback/manual", key_handle_callback),
	PROXIED("GET", API "/accounts", AUTH_JWT, BODY_NONE, NULL, NULL,
	    "GET", "/api/accounts", UPSTREAM_ACCOUNTS, PROXY_JSON),
	PROXIED("GET", API "/accounts/{cookie_id}", AUTH_JWT, BODY_NONE,
	    NULL, NULL, "GET", "/api/accounts/{0}", UPSTREAM_ACCOUNTS,
	    PROXY_JSON),
	PROXIED("DELETE", API "/accounts/{cookie_id}", AUTH_JWT, BODY_NONE,
	    NULL, NULL, "DELETE", "/api/accounts/{0}", UPSTREAM_ACCOUNTS,
	    PROXY_JSON),
	PROXIED("PUT", API "/accounts/{cookie_id}/status", AUTH_JWT,
	    BODY_SMALL, status, NULL, "PUT", "/api/accounts/{0}/status",
	    UPSTREAM_ACCOUNTS, PROXY_JSON),
	PROXIED("PUT", API "/accounts/{cookie_id}/name", AUTH_JWT,
	    BODY_SMALL, account_name, NULL, "PUT", "/api/accounts/{0}/name",
	    UPSTREAM_ACCOUNTS, PROXY_JSON),
	PROXIED("PUT", API "/accounts/{cookie_id}/type", AUTH_JWT,
	    BODY_SMALL, is_shared, NULL, "PUT", "/api/accounts/{0}/type",
	    UPSTREAM_ACCOUNTS, PROXY_JSON),
	PROXIED("GET", API "/accounts/{cookie_id}/quotas", AUTH_JWT,
	    BODY_NONE, NULL, NULL, "GET", "/api/accounts/{0}/quotas",
	    UPSTREAM_ACCOUNTS, PROXY_JSON),
	PROXIED("PUT", API "/accounts/{cookie_id}/quotas/{model_name}/status",
	    AUTH_JWT, BODY_SMALL, status, NULL, "PUT",
	    "/api/accounts/{0}/quotas/{1}/status", UPSTREAM_ACCOUNTS,
	    PROXY_JSON),
	PROXIED("GET", API "/quotas/user", AUTH_JWT, BODY_NONE, NULL, NULL,
	    "GET", "/api/quotas/user", UPSTREAM_MANAGEMENT, PROXY_JSON),
	PROXIED("GET", API "/quotas/shared-pool", AUTH_JWT, BODY_NONE, NULL,
	    NULL, "GET", "/api/quotas/shared-pool", UPSTREAM_MANAGEMENT,
	    PROXY_JSON),
	PROXIED("GET", API "/quotas/consumption", AUTH_JWT, BODY_NONE, NULL,
	    consumption, "GET", "/api/quotas/consumption",
	    UPSTREAM_MANAGEMENT, PROXY_JSON),
	PROXIED("GET", API "/quotas/consumption/stats/{model_name}",
	    AUTH_JWT, BODY_NONE, NULL, NULL, "GET",
	    "/api/quotas/consumption/stats/{0}", UPSTREAM_MANAGEMENT,
	    PROXY_JSON),
	PROXIED("GET", API "/models", AUTH_KEY, BODY_NONE, NULL, NULL,
	    "GET", "/v1/models", UPSTREAM_MODELS, PROXY_JSON),
	PROXIED("POST", API "/chat/completions", AUTH_KEY, BODY_LARGE, chat,
	    NULL, "POST", "/v1/chat/completions", UPSTREAM_CHAT, PROXY_CHAT),
	PROXIED("POST", API "/v1beta/models/{model}:generateContent",
	    AUTH_GOOGLE, BODY_LARGE, contents, NULL, "POST",
	    "/v1beta/models/{0}:generateContent", UPSTREAM_IMAGE,
	    PROXY_IMAGE),
	PROXIED("GET", API "/preference", AUTH_JWT, BODY_NONE, NULL, NULL,
	    "GET", "/api/user/me", UPSTREAM_MANAGEMENT, PROXY_JSON),
	PROXIED("PUT", API "/preference", AUTH_JWT, BODY_SMALL,
	    prefer_shared, NULL, "PUT",
	    "/api/users/{plugin_user_id}/preference", UPSTREAM_MANAGEMENT,
	    PROXY_JSON),

	/* The same for SDKs, at the root. */
	PROXIED("GET", "/v1/models", AUTH_KEY, BODY_NONE, NULL, NULL,
	    "GET", "/v1/models", UPSTREAM_MODELS, PROXY_JSON),
	PROXIED("POST", "/v1/chat/completions", AUTH_KEY, BODY_LARGE, chat,
	    NULL, "POST", "/v1/chat/completions", UPSTREAM_CHAT, PROXY_CHAT),
	PROXIED("POST", "/v1beta/models/{model}:generateContent",
	    AUTH_GOOGLE, BODY_LARGE, contents, NULL, "POST",
	    "/v1beta/models/{0}:generateContent", UPSTREAM_IMAGE,
	    PROXY_IMAGE),

	/* Sign-in and session. */
	LOCAL("GET", "/api/auth/sso/initiate", AUTH_NONE, BODY_NONE, NULL,
	    signin_sso_initiate, ROUTE_SIGNIN),
	LOCAL("GET", "/api/auth/sso/callback", AUTH_NONE, BODY_NONE, NULL,
	    signin_sso_callback, ROUTE_SIGNIN),
	LOCAL("GET", "/api/auth/github/login", AUTH_NONE, BODY_NONE, NULL,
	    signin_github_initiate, ROUTE_SIGNIN),
	LOCAL("POST", "/api/auth/github/callback", AUTH_NONE, BODY_SMALL,
	    code_state, signin_github_callback, ROUTE_SIGNIN),
	LOCAL("GET", "/api/auth/oidc/providers", AUTH_NONE, BODY_NONE, NULL,
	    signin_providers, 0),
	LOCAL("GET", "/api/auth/oidc/{provider}/login", AUTH_NONE, BODY_NONE,
	    NULL, signin_oidc_initiate, ROUTE_SIGNIN),
	LOCAL("POST", "/api/auth/oidc/{provider}/callback", AUTH_NONE,
	    BODY_SMALL, code_state, signin_oidc_callback, ROUTE_SIGNIN),
	LOCAL("GET", "/api/auth/login/{provider}", AUTH_NONE, BODY_NONE,
	    NULL, signin_browser_start, ROUTE_SIGNIN),
	LOCAL("GET", "/api/auth/callback/{provider}", AUTH_NONE, BODY_NONE,
	    NULL, signin_browser_callback, ROUTE_SIGNIN),
	LOCAL("POST", "/api/auth/login", AUTH_NONE, BODY_SMALL, password,
	    session_handle_password, ROUTE_SIGNIN),
	LOCAL("POST", "/api/auth/refresh", AUTH_NONE, BODY_OPTIONAL,
	    refresh_token, session_handle_refresh, 0),
	LOCAL("POST", "/api/auth/logout", AUTH_JWT, BODY_OPTIONAL,
	    refresh_token, session_handle_logout, ROUTE_NO_LIMIT),
	LOCAL("POST", "/api/auth/logout-all", AUTH_JWT, BODY_NONE, NULL,
	    session_handle_logout_all, ROUTE_NO_LIMIT),
	LOCAL("GET", "/api/auth/me", AUTH_JWT, BODY_NONE, NULL,
	    session_handle_me, 0),
	LOCAL("GET", "/api/auth/check-username", AUTH_NONE, BODY_NONE, NULL,
	    session_handle_check_username, ROUTE_SIGNIN),

	/* Personal keys. */
	LOCAL("POST", "/api/api-keys", AUTH_JWT, BODY_SMALL, new_key,
	    apikeys_handle_create, 0),
	LOCAL("GET", "/api/api-keys", AUTH_JWT, BODY_NONE, NULL,
	    apikeys_handle_list, 0),
	LOCAL("GET", "/api/api-keys/{id}", AUTH_JWT, BODY_NONE, NULL,
	    apikeys_handle_get, 0),
	LOCAL("PATCH", "/api/api-keys/{id}/status", AUTH_JWT, BODY_SMALL,
	    is_active, apikeys_handle_status, 0),
	LOCAL("DELETE", "/api/api-keys/{id}", AUTH_JWT, BODY_NONE, NULL,
	    apikeys_handle_delete, 0),

	/* Usage, composed. */
	LOCAL("GET", "/api/usage/shared-pool/stats", AUTH_JWT, BODY_NONE,
	    NULL, usage_handle_shared_stats, 0),
	LOCAL("GET", "/api/usage/quotas", AUTH_JWT, BODY_NONE, NULL,
	    usage_handle_quotas, 0),
	LOCAL("GET", "/api/usage/accounts", AUTH_JWT, BODY_NONE, NULL,
	    usage_handle_accounts, 0),
	LOCAL("GET", "/api/usage/summary", AUTH_JWT, BODY_NONE, NULL,
	    usage_handle_summary, 0),
	PROXIED("GET", "/api/usage/consumption", AUTH_JWT, BODY_NONE, NULL,
	    usage_consumption, "GET", "/api/quotas/consumption",
	    UPSTREAM_MANAGEMENT, PROXY_JSON),

	/* Health, documentation, console. */
	LOCAL("GET", "/api/health", AUTH_NONE, BODY_NONE, NULL,
	    health_handle_live, 0),
	LOCAL("GET", "/api/health/ready", AUTH_NONE, BODY_NONE, NULL,
	    health_handle_ready, 0),
	LOCAL("GET", "/metrics", AUTH_NONE, BODY_NONE, NULL,
	    health_handle_metrics, 0),
	LOCAL("GET", "/api/openapi.json", AUTH_NONE, BODY_NONE, NULL,
	    pages_handle_openapi, 0),
	LOCAL("GET", "/api/docs", AUTH_NONE, BODY_NONE, NULL,
	    pages_handle_docs, 0),
	LOCAL("GET", "/api/redoc", AUTH_NONE, BODY_NONE, NULL,
	    pages_handle_redoc, 0),
	LOCAL("GET", "/api/docs/{file}", AUTH_NONE, BODY_NONE, NULL,
	    pages_handle_docs_asset, 0),
	LOCAL("GET", "/assets/{file}", AUTH_NONE, BODY_NONE, NULL,
	    pages_handle_asset, 0),
	LOCAL("GET", "/", AUTH_NONE, BODY_NONE, NULL,
	    pages_handle_console, 0),
};
#define N_ROUTES	(sizeof(routes) / sizeof(routes[0]))
_Static_assert(N_ROUTES < COUNTERS_ROUTES_MAX, "counters hold all routes");

const struct route *
routes_table(size_t *ret_n)
{
	*ret_n = N_ROUTES;
	return routes;
}

const struct path_rule *
routes_path_rules(size_t *ret_n)
{
	*ret_n = sizeof(path_rules) / sizeof(path_rules[0]);
	return path_rules;
}

const char *
routes_path(size_t i)
{
	return i < N_ROUTES ? routes[i].pattern.path : "none";
}

const char *
routes_method(size_t i)
{
	return i < N_ROUTES ? routes[i].pattern.method : "none";
}

const char *
routes_auth_name(enum route_auth who)
{
	static const char *const names[] = {
		[AUTH_NONE] = "none", [AUTH_JWT] = "jwt", [AUTH_KEY] = "key",
		[AUTH_GOOGLE] = "key",
	};

	return names[who];
}
