/*
 * providers: the table of sign-in providers, from the configuration.
 *
 * Made by the master's checks and by each worker.  Nothing is fetched
 * here; a fault is told in words that name the provider, never with a
 * secret.
 */
#include <assert.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <gcrypt.h>

#include "auth/providers.h"
#include "base/codec.h"
#include "base/xmalloc.h"

#define CALLBACK_PATH	"/api/auth/callback/"
#define ISSUER_HASH	8	/* bytes of the issuer's hash in the key */

struct providers {
	struct provider	 list[PROVIDERS_MAX];
	size_t		 n;
};

/* What a type assumes when the configuration is silent. */
static const struct {
	const char	*type_name, *name;
	const char	*authorization, *token, *userinfo;
	const char	*scope;
} defaults[PROVIDER_TYPE_MAX] = {
	[PROVIDER_LINUX_DO] = { "linux_do", "Linux.do",
	    "https://connect.linux.do/oauth2/authorize",
	    "https://connect.linux.do/oauth2/token",
	    "https://connect.linux.do/api/user", "" },
	[PROVIDER_GITHUB] = { "github", "GitHub",
	    "https://github.com/login/oauth/authorize",
	    "https://github.com/login/oauth/access_token",
	    "https://api.github.com/user", "read:user" },
	[PROVIDER_OIDC] = { "oidc", NULL, NULL, NULL, NULL,
	    "openid profile email" },
};

const char *
provider_type_name(enum provider_type type)
{
	assert(type < PROVIDER_TYPE_MAX);
	return defaults[type].type_name;
}

static bool
empty(const char *s)
{
	return s == NULL || *s == '\0';
}

static const char *
or_default(const char *s, const char *def)
{
	return empty(s) ? def : s;
}

static int __attribute__((format(printf, 3, 4)))
fault(struct buf *why, const char *id, const char *fmt, ...)
{
	va_list ap;

	(void)buf_printf(why, "%ssign-in provider %s: ",
	    why->len > 0 ? "\n" : "", empty(id) ? "(no name)" : id);
	va_start(ap, fmt);
	(void)buf_vprintf(why, fmt, ap);
	va_end(ap);
	return -1;
}

/* Letters, digits and marks of a URL that needs no second reading. */
static bool
url_text_ok(const char *s)
{
	for (; *s != '\0'; s++) {
		if (*s <= 0x20 || *s >= 0x7f || strchr("\\\"<>^`{|}", *s))
			return false;
	}
	return true;
}

int
endpoint_parse(const char *url, struct endpoint *ret, struct buf *why)
{
	struct endpoint e = { 0 };
	const char *rest = NULL;
	char *origin;
	int rc;

	if (strncmp(url, "https://", 8) == 0)
		rest = url + 8;
	else if (strncmp(url, "http://", 7) == 0)
		rest = url + 7;
	if (rest == NULL || !url_text_ok(url) || strchr(url, '#') != NULL) {
		(void)buf_puts(why, "not an http:// or https:// URL");
		return -1;
	}
	rest += strcspn(rest, "/?");
	origin = xstrndup(url, (size_t)(rest - url));
	rc = url_base_parse(origin, &e.base, why);
	free(origin);
	if (rc == -1)
		return -1;
	e.url = xstrdup(url);
	e.target = xasprintf("%s%s", *rest == '/' ? "" : "/", rest);
	*ret = e;
	return 0;
}

void
endpoint_free(struct endpoint *e)
{
	if (e->url != NULL)
		url_base_free(&e->base);
	free(e->url);
	free(e->target);
	*e = (struct endpoint){ 0 };
}

bool
endpoint_is_safe(const struct endpoint *e)
{
	return e->base.https || e->base.loopback;
}

void
provider_endpoints_free(struct provider_endpoints *e)
{
	endpoint_free(&e->authorization);
	endpoint_free(&e->token);
	endpoint_free(&e->userinfo);
}

static bool
id_ok(const char *id)
{
	size_t len = strlen(id);

	return len >= 1 && len <= PROVIDER_ID_MAX && id[0] != '-' &&
	    id[0] != '_' && strspn(id,
	    "abcdefghijklmnopqrstuvwxyz0123456789_-") == len;
}

static int
add_endpoint(const char *id, const char *what, const char *url,
    struct endpoint *ret, struct buf *why)
{
	struct buf reason = BUF_INIT(512);
	int rc = -1;

	if (endpoint_parse(url, ret, &reason) == -1)
		(void)fault(why, id, "the %s is of no use: %s", what,
		    buf_str(&reason));
	else if (!endpoint_is_safe(ret))
		(void)fault(why, id, "the %s must be https:// (http:// is "
		    "accepted on loopback only)", what);
	else
		rc = 0;
	buf_free(&reason);
	return rc;
}

static int
add_endpoints(struct provider *p, const struct provider_conf *c,
    struct buf *why)
{
	int rc = 0;

	if (p->type == PROVIDER_OIDC)
		return 0;
	rc |= add_endpoint(c->id, "authorization endpoint",
	    or_default(c->authorization_endpoint,
	    defaults[c->type].authorization), &p->endpoints.authorization,
	    why);
	rc |= add_endpoint(c->id, "token endpoint",
	    or_default(c->token_endpoint, defaults[c->type].token),
	    &p->endpoints.token, why);
	rc |= add_endpoint(c->id, "user info endpoint",
	    or_default(c->userinfo_endpoint, defaults[c->type].userinfo),
	    &p->endpoints.userinfo, why);
	p->endpoints.secret_in_body = p->type == PROVIDER_GITHUB;
	p->have_endpoints = rc == 0;
	return rc;
}

/* OpenID Connect Discovery 4.1: the issuer has no query. */
static int
add_issuer(struct provider *p, const struct provider_conf *c,
    struct buf *why)
{
	struct endpoint e = { 0 };
	unsigned char hash[32];
	char hex[2 * ISSUER_HASH + 1];
	int rc;

	if (p->type != PROVIDER_OIDC) {
		(void)snprintf(p->key, sizeof(p->key), "%s", p->id);
		return 0;
	}
	if (empty(c->issuer))
		return fault(why, c->id, "the issuer is missing");
	rc = add_endpoint(c->id, "issuer", c->issuer, &e, why);
	endpoint_free(&e);
	if (rc == -1)
		return -1;
	if (strchr(c->issuer, '?') != NULL || strlen(c->issuer) > 512)
		return fault(why, c->id,
		    "the issuer has a query or is too long");
	p->issuer = xstrdup(c->issuer);
	gcry_md_hash_buffer(GCRY_MD_SHA256, hash, p->issuer,
	    strlen(p->issuer));
	hex_encode(hash, ISSUER_HASH, hex);
	(void)snprintf(p->key, sizeof(p->key), "%s:%s", p->id, hex);
	return 0;
}

static int
add_redirect_uri(struct provider *p, const struct provider_conf *c,
    const char *public_base_url, struct buf *why)
{
	struct buf reason = BUF_INIT(512);
	struct endpoint e = { 0 };
	size_t base = strlen(public_base_url);
	int rc = 0;

	if (base > 0 && public_base_url[base - 1] == '/')
		base--;
	p->redirect_uri = empty(c->redirect_uri) ?
	    xasprintf("%.*s" CALLBACK_PATH "%s", (int)base, public_base_url,
	    c->id) : xstrdup(c->redirect_uri);
	if (endpoint_parse(p->redirect_uri, &e, &reason) == -1)
		rc = fault(why, c->id, "the redirect URI is of no use: %s",
		    buf_str(&reason));
	endpoint_free(&e);
	buf_free(&reason);
	return rc;
}

static bool
scope_has(const char *scope, const char *word)
{
	size_t n = strlen(word), len;

	for (; *scope != '\0'; scope += len + (scope[len] != '\0')) {
		len = strcspn(scope, " ");
		if (len == n && strncmp(scope, word, n) == 0)
			return true;
	}
	return false;
}

/* Commas do as well as spaces; OIDC is nothing without openid. */
static int
add_scope(struct provider *p, const struct provider_conf *c, struct buf *why)
{
	char *scope = xstrdup(or_default(c->scope, defaults[c->type].scope));
	char *s;

	for (s = scope; *s != '\0'; s++) {
		if (*s == ',')
			*s = ' ';
		if (*s < 0x20 || *s >= 0x7f || *s == '"' || *s == '\\') {
			free(scope);
			return fault(why, c->id,
			    "the scope has a character that is not allowed");
		}
	}
	if (p->type != PROVIDER_OIDC || scope_has(scope, "openid")) {
		p->scope = scope;
		return 0;
	}
	p->scope = xasprintf("openid %s", scope);
	free(scope);
	return 0;
}

static int
provider_fill(struct provider *p, const struct provider_conf *c,
    const char *public_base_url, struct buf *why)
{
	int rc = 0;

	if (empty(c->id) || !id_ok(c->id))
		return fault(why, c->id, "its name must be 1 to %d of a-z, "
		    "0-9, _ and -", PROVIDER_ID_MAX);
	p->type = c->type;
	p->id = xstrdup(c->id);
	p->name = xstrdup(or_default(c->name, defaults[c->type].name != NULL ?
	    defaults[c->type].name : c->id));
	p->client_id = xstrdup(c->client_id);
	if (empty(c->client_secret))
		rc |= fault(why, c->id,
		    "it has a client id but no client secret");
	else
		secret_set(&p->client_secret, c->client_secret,
		    strlen(c->client_secret));
	rc |= add_endpoints(p, c, why);
	rc |= add_issuer(p, c, why);
	rc |= add_redirect_uri(p, c, public_base_url, why);
	rc |= add_scope(p, c, why);
	return rc;
}

static void
provider_wipe(struct provider *p)
{
	free(p->id);
	free(p->name);
	free(p->client_id);
	secret_wipe(&p->client_secret);
	free(p->redirect_uri);
	free(p->scope);
	free(p->issuer);
	provider_endpoints_free(&p->endpoints);
}

struct providers *
providers_make(const struct provider_conf *conf, size_t n,
    const char *public_base_url, struct buf *why)
{
	struct providers *ps = xcalloc(1, sizeof(*ps));
	size_t i;
	int rc = 0;

	for (i = 0; i < n; i++) {
		assert(conf[i].type < PROVIDER_TYPE_MAX);
		if (empty(conf[i].client_id))
			continue;
		if (ps->n == PROVIDERS_MAX) {
			rc |= fault(why, conf[i].id,
			    "there are more than %d", PROVIDERS_MAX);
			break;
		}
		if (!empty(conf[i].id) && providers_find(ps, conf[i].id)) {
			rc |= fault(why, conf[i].id, "the name is taken");
			continue;
		}
		rc |= provider_fill(&ps->list[ps->n++], &conf[i],
		    public_base_url, why);
	}
	if (rc != 0)
		providers_free(&ps);
	return ps;
}

void
providers_free(struct providers **ps)
{
	size_t i;

	if (*ps == NULL)
		return;
	for (i = 0; i < (*ps)->n; i++)
		provider_wipe(&(*ps)->list[i]);
	free(*ps);
	*ps = NULL;
}

struct provider *
providers_find(struct providers *ps, const char *id)
{
	size_t i;

	for (i = 0; i < ps->n; i++) {
		if (ps->list[i].id != NULL && strcmp(ps->list[i].id, id) == 0)
			return &ps->list[i];
	}
	return NULL;
}

size_t
providers_count(const struct providers *ps)
{
	return ps->n;
}

struct provider *
providers_at(struct providers *ps, size_t i)
{
	assert(i < ps->n);
	return &ps->list[i];
}
