/*
 * discovery: the endpoints of an OpenID Connect provider (OpenID Connect
 * Discovery 1.0, RFC 8414).
 */
#ifndef AUTH_DISCOVERY_H
#define AUTH_DISCOVERY_H

#include <stddef.h>
#include <stdint.h>

#include "auth/oauth.h"
#include "auth/providers.h"
#include "base/buf.h"
#include "net/httpc.h"

#define DISCOVERY_FRESH_MS	(3600 * 1000LL)
/* What was found is used this long when it cannot be found again. */
#define DISCOVERY_STALE_MS	(24 * 3600 * 1000LL)

/*
 * Makes provider->endpoints usable: at once when they are fixed or were
 * found less than DISCOVERY_FRESH_MS ago.
 */
enum oauth_result discovery_refresh(struct httpc *, struct provider *,
	    int64_t deadline_ms, struct buf *detail);

/* Pure: what the document of this issuer says.  0, or -1 with detail;
 * ret is written on success only. */
int	 discovery_parse(const char *issuer, const char *body, size_t len,
	    struct provider_endpoints *ret, struct buf *detail);

#endif
