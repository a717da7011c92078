/*
 * settings: the table, the checks that need to know what a value means,
 * and the configurations of the floors below.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "api/settings.h"
#include "base/secret.h"
#include "base/xmalloc.h"
#include "net/url.h"
#include "store/db.h"
#include "vault/keyring.h"

#define WHY_MAX	4096

const struct directive settings_table[SETTING_MAX] = {
#define SETTING(id, name, type, def, min, max, choices, flags, roles, help) \
	[SET_##id] = { name, type, def, min, max, choices, flags, roles, help },
#include "api/settings_table.h"
#undef SETTING
};

struct faults {
	settings_fault_cb	*tell;
	void			*arg;
	size_t			 n;
};

static void
fault(struct faults *f, const char *name, const char *why)
{
	struct buf b = BUF_INIT(WHY_MAX + 256);

	buf_printf(&b, "%s: %s", name, why);
	f->tell(f->arg, buf_str(&b));
	f->n++;
	buf_free(&b);
}

/* Has every row that a check looks at a value?  A faulty one was told
 * and left out; what follows from that need not be told again. */
static bool
are_set(const struct settings *s, const enum setting *rows, size_t n)
{
	size_t i;

	for (i = 0; i < n; i++)
		if (settings_str(s, rows[i]) == NULL)
			return false;
	return true;
}
#define ARE_SET(s, ...)	are_set((s), (const enum setting[]){ __VA_ARGS__ }, \
	sizeof((const enum setting[]){ __VA_ARGS__ }) / sizeof(enum setting))

static void
check_keys(const struct settings *s, struct faults *f)
{
	struct buf why = BUF_INIT(WHY_MAX);
	const char *keys = settings_str(s, SET_PLUGIN_API_ENCRYPTION_KEY);
	struct keyring *ring;
	struct jwt_conf *jwt;

	if (keys != NULL) {
		ring = keyring_parse(keys, &why);
		if (ring == NULL)
			fault(f, "PLUGIN_API_ENCRYPTION_KEY", buf_str(&why));
		keyring_free(&ring);
	}
	buf_reset(&why);
	if (ARE_SET(s, SET_JWT_SECRET_KEY, SET_JWT_ALGORITHM,
	    SET_JWT_EXPIRE_HOURS, SET_PUBLIC_BASE_URL)) {
		jwt = app_jwt_conf(s, &why);
		if (jwt == NULL)
			fault(f, "JWT_SECRET_KEY", buf_str(&why));
		jwt_conf_free(&jwt);
	}
	buf_free(&why);
}

static void
check_database(const struct settings *s, struct faults *f, size_t row)
{
	struct buf why = BUF_INIT(WHY_MAX);
	const char *url = settings_str(s, row);
	struct db_conf *conf;

	if (url == NULL)
		return;
	conf = db_conf_parse(url, &why);
	if (conf == NULL)
		fault(f, settings_table[row].name, buf_str(&why));
	db_conf_free(&conf);
	buf_free(&why);
}

static void
check_urls(const struct settings *s, struct faults *f)
{
	struct buf why = BUF_INIT(WHY_MAX);
	struct upstream_conf upstream = { 0 };
	struct url_base base;
	struct providers *providers;

	if (!ARE_SET(s, SET_PLUGIN_API_BASE_URL, SET_PUBLIC_BASE_URL))
		return;
	if (app_upstream_conf(s, &upstream, &why) != 0)
		fault(f, "PLUGIN_API_BASE_URL", buf_str(&why));
	else
		url_base_free(&upstream.base);
	buf_reset(&why);
	if (url_base_parse(settings_str(s, SET_PUBLIC_BASE_URL), &base,
	    &why) != 0)
		fault(f, "PUBLIC_BASE_URL", buf_str(&why));
	else
		url_base_free(&base);
	buf_reset(&why);
	providers = app_providers(s, &why);
	if (providers == NULL) {
		char *copy = xstrdup(buf_str(&why)), *save = NULL, *line;

		for (line = strtok_r(copy, "\n", &save); line != NULL;
		    line = strtok_r(NULL, "\n", &save)) {
			f->tell(f->arg, line);
			f->n++;
		}
		free(copy);
	}
	providers_free(&providers);
	buf_free(&why);
}

/* An origin is scheme://host[:port], as browsers send it. */
static void
check_origins(const struct settings *s, struct faults *f)
{
	const char *list = settings_str(s, SET_FRONTEND_ORIGINS);
	char *copy, *save = NULL, *item;

	if (list == NULL)
		return;
	copy = xstrdup(list);
	for (item = strtok_r(copy, ", ", &save); item != NULL;
	    item = strtok_r(NULL, ", ", &save)) {
		const char *host = strstr(item, "://");

		if (host == NULL || host[3] == '\0' ||
		    strchr(host + 3, '/') != NULL || strchr(item, '*') != NULL)
			fault(f, "FRONTEND_ORIGINS", "an origin is written "
			    "https://host or https://host:port, without a "
			    "path and without *");
	}
	free(copy);
}

size_t
app_settings_load(const char *file, char *const *envp, struct settings *ret,
    settings_fault_cb *tell, void *arg)
{
	struct faults f = { tell, arg, 0 };

	f.n = settings_load(settings_table, SETTING_MAX, file, envp, ret,
	    tell, arg);
	if (app_settings_check(ret, SETTINGS_MAX) != 0)
		return f.n;	/* too large: it was told */
	check_keys(ret, &f);
	check_database(ret, &f, SET_DATABASE_URL);
	check_database(ret, &f, SET_DATABASE_URL_WORKER);
	check_database(ret, &f, SET_DATABASE_URL_KEEPER);
	check_database(ret, &f, SET_DATABASE_URL_REGISTRAR);
	check_urls(ret, &f);
	check_origins(ret, &f);
	return f.n;
}

void
app_settings_filter(const struct settings *s, unsigned role,
    struct settings *ret)
{
	settings_filter(settings_table, SETTING_MAX, s, role, ret);
}

int
app_settings_check(const struct settings *s, size_t size)
{
	return settings_check(s, size, SETTING_MAX);
}

void
app_log_conf(const struct settings *s, struct log_conf *ret)
{
	static const char *const levels[LOG_LEVEL_MAX] = {
		[LOG_LEVEL_DEBUG] = "debug", [LOG_LEVEL_INFO] = "info",
		[LOG_LEVEL_WARN] = "warn", [LOG_LEVEL_ERROR] = "error",
	};
	const char *level = settings_str(s, SET_LOG_LEVEL);
	int i;

	ret->level = LOG_LEVEL_INFO;
	for (i = 0; i < LOG_LEVEL_MAX; i++)
		if (strcmp(levels[i], level) == 0)
			ret->level = (enum log_level)i;
	ret->format = strcmp(settings_str(s, SET_LOG_FORMAT), "json") == 0 ?
	    LOG_FORMAT_JSON : LOG_FORMAT_TEXT;
	ret->target = settings_str(s, SET_LOG);
}

int
app_upstream_conf(const struct settings *s, struct upstream_conf *ret,
    struct buf *why)
{
#define MS(id)	(int)settings_ms(s, SET_##id)
	*ret = (struct upstream_conf){
		.request_timeout_ms = MS(REQUEST_TIMEOUT),
		.chat_timeout_ms = MS(CHAT_TIMEOUT),
		.stream_first_byte_ms = MS(STREAM_FIRST_BYTE),
		.stream_idle_ms = MS(STREAM_IDLE),
		.stream_total_ms = MS(STREAM_TOTAL),
		.stream_commit_ms = MS(STREAM_COMMIT),
		.heartbeat_ms = MS(HEARTBEAT),
		.client_stall_ms = MS(CLIENT_STALL),
	};
#undef MS
	return url_base_parse(settings_str(s, SET_PLUGIN_API_BASE_URL),
	    &ret->base, why);
}

void
app_httpc_conf(const struct settings *s, struct httpc_conf *ret)
{
	*ret = (struct httpc_conf){
		.connect_timeout_ms = (int)settings_ms(s, SET_CONNECT_TIMEOUT),
		.tls_timeout_ms = 3000,
		.keepalive_ms = (int)settings_ms(s, SET_UPSTREAM_KEEPALIVE),
		.ca_file = settings_str(s, SET_UPSTREAM_CA_FILE),
		.user_agent = "plugway/" PLUGWAY_VERSION,
	};
}

void
app_public_base(const struct settings *s, struct buf *ret)
{
	const char *base = settings_str(s, SET_PUBLIC_BASE_URL);
	size_t n = strlen(base);

	if (n > 0 && base[n - 1] == '/')
		n--;
	buf_append(ret, base, n);
}

struct jwt_conf *
app_jwt_conf(const struct settings *s, struct buf *why)
{
	struct buf issuer = BUF_INIT(JWT_ISSUER_MAX);
	struct jwt_conf *conf;

	app_public_base(s, &issuer);
	conf = jwt_conf_make(settings_str(s, SET_JWT_ALGORITHM),
	    settings_str(s, SET_JWT_SECRET_KEY), buf_str(&issuer),
	    settings_int(s, SET_JWT_EXPIRE_HOURS) * 3600, why);
	buf_free(&issuer);
	return conf;
}

/* The value of another pattern row with the same star. */
static const char *
sibling(const struct settings *s, size_t row, const char *star)
{
	const char *value, *other;
	size_t i;

	for (i = 0; (value = settings_pattern(s, row, i, &other)) != NULL; i++)
		if (strcmp(other, star) == 0)
			return value;
	return NULL;
}

static size_t
oidc_confs(const struct settings *s, struct provider_conf *ret, size_t max)
{
	const char *id, *client_id;
	size_t i, n = 0;

	for (i = 0; n < max && (client_id = settings_pattern(s,
	    SET_OIDC_CLIENT_ID, i, &id)) != NULL; i++)
		ret[n++] = (struct provider_conf){
			.type = PROVIDER_OIDC, .id = id,
			.client_id = client_id,
			.client_secret = sibling(s, SET_OIDC_CLIENT_SECRET,
			    id),
			.issuer = sibling(s, SET_OIDC_ISSUER, id),
			.scope = sibling(s, SET_OIDC_SCOPES, id),
		};
	return n;
}

struct providers *
app_providers(const struct settings *s, struct buf *why)
{
	struct provider_conf conf[PROVIDERS_MAX];
	struct buf base = BUF_INIT(2048);
	struct providers *providers;
	size_t n = 0;

#define V(id)	settings_str(s, SET_##id)
	conf[n++] = (struct provider_conf){
		.type = PROVIDER_LINUX_DO, .id = "linux_do",
		.name = "Linux.do", .client_id = V(OAUTH_CLIENT_ID),
		.client_secret = V(OAUTH_CLIENT_SECRET),
		.redirect_uri = V(OAUTH_REDIRECT_URI),
		.authorization_endpoint = V(OAUTH_AUTHORIZATION_ENDPOINT),
		.token_endpoint = V(OAUTH_TOKEN_ENDPOINT),
		.userinfo_endpoint = V(OAUTH_USER_INFO_ENDPOINT),
	};
	conf[n++] = (struct provider_conf){
		.type = PROVIDER_GITHUB, .id = "github", .name = "GitHub",
		.client_id = V(GITHUB_CLIENT_ID),
		.client_secret = V(GITHUB_CLIENT_SECRET),
		.redirect_uri = V(GITHUB_REDIRECT_URI),
		.authorization_endpoint = V(GITHUB_AUTHORIZATION_ENDPOINT),
		.token_endpoint = V(GITHUB_TOKEN_ENDPOINT),
		.userinfo_endpoint = V(GITHUB_USER_INFO_ENDPOINT),
	};
#undef V
	n += oidc_confs(s, conf + n, PROVIDERS_MAX - n);
	app_public_base(s, &base);
	providers = providers_make(conf, n, buf_str(&base), why);
	buf_free(&base);
	return providers;
}

const char *
app_database_url(const struct settings *s, unsigned role)
{
	size_t row = role == ROLE_WORKER ? SET_DATABASE_URL_WORKER :
	    role == ROLE_KEEPER ? SET_DATABASE_URL_KEEPER :
	    SET_DATABASE_URL_REGISTRAR;
	const char *url = settings_str(s, row);

	return url != NULL ? url : settings_str(s, SET_DATABASE_URL);
}
