/*
 * discovery: the endpoints of an OpenID Connect provider.
 *
 * auth/oauth calls it before each use; a fetch happens once an hour.
 * The document must speak for exactly the issuer that was configured,
 * and must not lead us to plain http or, from the outside, to our own
 * loopback.
 */
#include <stdlib.h>
#include <string.h>

#include "auth/discovery.h"
#include "auth/fetch.h"
#include "auth/object.h"
#include "base/clock.h"
#include "base/xmalloc.h"

#define WELL_KNOWN	"/.well-known/openid-configuration"
#define METHODS		"token_endpoint_auth_methods_supported"
#define ISS_SENT	"authorization_response_iss_parameter_supported"

static int
take_endpoint(struct json_object *o, const char *name, bool loopback_ok,
    struct endpoint *ret, struct buf *detail)
{
	struct buf why = BUF_INIT(512);
	const char *url = object_string(o, name);
	int rc = -1;

	if (url == NULL)
		(void)buf_printf(detail, "discovery: no %s", name);
	else if (endpoint_parse(url, ret, &why) == -1)
		(void)buf_printf(detail, "discovery: %s: %s", name,
		    buf_str(&why));
	else if (!(loopback_ok ? endpoint_is_safe(ret) :
	    ret->base.https && !ret->base.loopback)) {
		(void)buf_printf(detail,
		    "discovery: %s is not a safe https:// URL", name);
		endpoint_free(ret);
	} else
		rc = 0;
	buf_free(&why);
	return rc;
}

/* Without the member client_secret_basic is meant (Discovery 3). */
static int
take_method(struct json_object *o, bool *ret_in_body, struct buf *detail)
{
	*ret_in_body = false;
	if (!object_has(o, METHODS) ||
	    object_array_has(o, METHODS, "client_secret_basic"))
		return 0;
	if (object_array_has(o, METHODS, "client_secret_post")) {
		*ret_in_body = true;
		return 0;
	}
	(void)buf_puts(detail, "discovery: the token endpoint takes neither "
	    "client_secret_basic nor client_secret_post");
	return -1;
}

static int
take_all(const char *issuer, struct json_object *o,
    struct provider_endpoints *e, struct buf *detail)
{
	const char *said = object_string(o, "issuer");
	struct endpoint self = { 0 };
	bool local;

	if (said == NULL || strcmp(said, issuer) != 0) {
		(void)buf_puts(detail,
		    "discovery: the document is of another issuer");
		return -1;
	}
	if (endpoint_parse(issuer, &self, detail) == -1)
		return -1;
	local = self.base.loopback;
	endpoint_free(&self);
	if (take_endpoint(o, "authorization_endpoint", local,
	    &e->authorization, detail) == -1 ||
	    take_endpoint(o, "token_endpoint", local, &e->token,
	    detail) == -1 ||
	    take_endpoint(o, "userinfo_endpoint", local, &e->userinfo,
	    detail) == -1 ||
	    take_method(o, &e->secret_in_body, detail) == -1)
		return -1;
	e->iss_required = object_is_true(o, ISS_SENT);
	return 0;
}

int
discovery_parse(const char *issuer, const char *body, size_t len,
    struct provider_endpoints *ret, struct buf *detail)
{
	static const char *const names[] = {
		"issuer", "authorization_endpoint", "token_endpoint",
		"userinfo_endpoint", METHODS, ISS_SENT
	};
	struct provider_endpoints e = { 0 };
	struct json_object *o;
	const char *fault;

	o = object_read(body, len, names, 6, &fault);
	if (o == NULL) {
		(void)buf_printf(detail, "discovery: %s", fault);
		return -1;
	}
	if (take_all(issuer, o, &e, detail) == -1) {
		provider_endpoints_free(&e);
		(void)json_object_put(o);
		return -1;
	}
	(void)json_object_put(o);
	*ret = e;
	return 0;
}

static enum oauth_result
discovery_fetch(struct httpc *httpc, const struct provider *p,
    int64_t deadline_ms, struct provider_endpoints *ret, struct buf *detail)
{
	struct fetch f = { .what = "discovery", .deadline_ms = deadline_ms };
	struct endpoint document = { 0 };
	struct buf body = BUF_INIT(0);
	enum oauth_result result = OAUTH_BAD_ANSWER;
	size_t n = strlen(p->issuer);
	char *url;
	int status;

	if (p->issuer[n - 1] == '/')
		n--;
	url = xasprintf("%.*s" WELL_KNOWN, (int)n, p->issuer);
	if (endpoint_parse(url, &document, detail) == -1)
		goto out;
	f.to = &document;
	result = fetch_run(httpc, &f, &body, &status, detail);
	if (result != OAUTH_OK)
		goto out;
	result = OAUTH_BAD_ANSWER;
	if (status != 200)
		(void)buf_printf(detail, "discovery at %s: status %d", url,
		    status);
	else if (discovery_parse(p->issuer, buf_str(&body), body.len, ret,
	    detail) == 0)
		result = OAUTH_OK;
out:
	buf_free(&body);
	endpoint_free(&document);
	free(url);
	return result;
}

enum oauth_result
discovery_refresh(struct httpc *httpc, struct provider *p,
    int64_t deadline_ms, struct buf *detail)
{
	struct provider_endpoints found = { 0 };
	enum oauth_result result;
	int64_t now_ms = clock_mono_ms(), age_ms = now_ms - p->discovered_ms;

	if (p->have_endpoints && (p->type != PROVIDER_OIDC ||
	    age_ms < DISCOVERY_FRESH_MS))
		return OAUTH_OK;
	result = discovery_fetch(httpc, p, deadline_ms, &found, detail);
	if (result != OAUTH_OK) {
		if (!p->have_endpoints || age_ms > DISCOVERY_STALE_MS)
			return result;
		buf_reset(detail);
		return OAUTH_OK;
	}
	provider_endpoints_free(&p->endpoints);
	p->endpoints = found;
	p->have_endpoints = true;
	p->discovered_ms = now_ms;
	return OAUTH_OK;
}
