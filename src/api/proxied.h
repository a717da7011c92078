/*
 * proxied: the one handler of all proxied rows.
 */
#ifndef API_PROXIED_H
#define API_PROXIED_H

#include "api/call.h"

route_handler proxied_handle;

/* The tenant can be served now: 0, or the status of the 503 that says
 * why not.  Waits briefly for a registration that is under way. */
int	 proxied_ready(struct call *);
/* The exchange itself, for handlers that look at the body before. */
int	 proxied_forward(struct call *, const char *body, size_t body_len);
/* What a worker proxies with. */
void	 proxied_ctx(struct call *, struct proxy_ctx *ret);
/* After a call: a refused key is reported to the keeper. */
void	 proxied_after(struct call *, const struct proxy_result *);
/* X-Account-Type: of the key, or of X-Api-Type with a JWT. */
const char *proxied_account_type(const struct call *);

#endif
