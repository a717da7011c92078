/*
 * providers: where people may sign in.
 *
 * Made once from the configuration.  The endpoints of an OpenID Connect
 * provider are found by discovery at the first use (auth/discovery) and
 * kept in the process.  http:// is accepted on loopback only.
 */
#ifndef AUTH_PROVIDERS_H
#define AUTH_PROVIDERS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/buf.h"
#include "base/secret.h"
#include "net/url.h"

#define PROVIDERS_MAX		16
#define PROVIDER_ID_MAX		40	/* [a-z0-9][a-z0-9_-]* */
#define PROVIDER_KEY_MAX	64

enum provider_type {
	PROVIDER_LINUX_DO, PROVIDER_GITHUB, PROVIDER_OIDC, PROVIDER_TYPE_MAX
};

/*
 * What the configuration says; strings are borrowed for the call.  NULL
 * and "" are the same: the type's own default.  Without client_id the
 * provider is not configured and left out.
 */
struct provider_conf {
	enum provider_type type;
	const char	*id;		/* "linux_do", "github", "pocketid" */
	const char	*name;		/* for people; default: made from id */
	const char	*client_id;
	const char	*client_secret;
	const char	*redirect_uri;	/* default: public base +
					   /api/auth/callback/<id> */
	const char	*authorization_endpoint;
	const char	*token_endpoint;
	const char	*userinfo_endpoint;
	const char	*scope;
	const char	*issuer;	/* OIDC: needed */
};

/* A URL cut for net/httpc. */
struct endpoint {
	char		*url;
	struct url_base	 base;		/* origin only */
	char		*target;	/* "/path?query" */
};

/* What discovery found; see auth/discovery. */
struct provider_endpoints {
	struct endpoint	 authorization, token, userinfo;
	bool		 secret_in_body; /* client_secret_post */
	bool		 iss_required;	/* RFC 9207 3 */
};

struct provider {
	enum provider_type type;
	char		*id, *name;
	char		*client_id;
	struct secret	 client_secret;
	char		*redirect_uri;
	char		*scope;
	char		*issuer;	/* NULL unless OIDC */
	/*
	 * The name under which identities are kept: the id, and for OIDC
	 * also a hash of the issuer, so that another issuer under the same
	 * name never speaks for the first one's people.
	 */
	char		 key[PROVIDER_KEY_MAX + 1];
	/* Filled from the start, or (OIDC) by discovery_refresh(). */
	bool		 have_endpoints;
	struct provider_endpoints endpoints;
	int64_t		 discovered_ms;	/* monotonic */
};

struct providers;

/*
 * Returns NULL when there is any fault; why holds one sentence a line.
 * No provider at all is no fault.
 */
struct providers *providers_make(const struct provider_conf *, size_t n,
	    const char *public_base_url, struct buf *why);
void	 providers_free(struct providers **);
/* NULL: not configured. */
struct provider *providers_find(struct providers *, const char *id);
size_t	 providers_count(const struct providers *);
struct provider *providers_at(struct providers *, size_t i);
/* "linux_do", "github", "oidc" */
const char *provider_type_name(enum provider_type);

/* http or https with a host, no userinfo, no fragment. */
int	 endpoint_parse(const char *url, struct endpoint *ret,
	    struct buf *why) __attribute__((warn_unused_result));
void	 endpoint_free(struct endpoint *);
/* https, or http on loopback. */
bool	 endpoint_is_safe(const struct endpoint *);
void	 provider_endpoints_free(struct provider_endpoints *);

#endif
