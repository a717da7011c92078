/*
 * run: one call under way.
 *
 * Private to this floor: proxy.c runs the exchange, outcome.c decides
 * what its end means for the client.
 */
#ifndef PROXY_RUN_H
#define PROXY_RUN_H

#include <stdbool.h>

#include "base/buf.h"
#include "proxy/breaker.h"
#include "proxy/call.h"
#include "proxy/keyguard.h"
#include "proxy/outbody.h"
#include "proxy/proxy.h"
#include "proxy/relay.h"

struct run {
	const struct proxy_ctx *ctx;
	const struct proxy_call *call;
	struct response	*response;
	struct breaker_pass pass;
	struct callkey	 key;
	struct keyguard	 guard;
	struct relay	 relay;
	struct outbody	 outbody;
	struct buf	 spliced;
	char		 content_type[128];
	int		 status;	/* of the upstream; 0: no head yet */
	bool		 encoded;	/* a content coding nobody asked for */
	bool		 relaying;	/* the body goes through the relay */
	bool		 body_cut;
	bool		 told;		/* the breaker knows how it went */
	int		 stopped;	/* what a callback stopped with */
};

/* Tells the breaker, the first time only: an answer counts from its head
 * on, however long its body takes. */
void	 run_tell(struct run *, int status, enum httpc_error);
/* The exchange is over: fills response and ret; the status. */
int	 outcome_finish(struct run *, const struct httpc_result *,
	    struct proxy_result *ret);

#endif
