/*
 * proxy: one call on behalf of one user, from row to answer.
 *
 * proxy_run() does everything behind authentication and limits: builds
 * the target, opens the user's sealed key for the time of the call, asks
 * the breaker, runs the exchange, maps what comes back, relays a stream,
 * wipes the key.  It writes no log line per request: the caller does,
 * from struct response, and observes the histograms from upstream_us.
 */
#ifndef PROXY_PROXY_H
#define PROXY_PROXY_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/buf.h"
#include "http/request.h"
#include "http/response.h"
#include "net/httpc.h"
#include "proxy/breaker.h"
#include "proxy/upstream.h"
#include "share/counters.h"
#include "share/scoreboard.h"
#include "share/tenantcache.h"
#include "vault/bootkey.h"

/* What may come back. */
enum proxy_answer {
	PROXY_JSON,		/* one JSON text */
	PROXY_CHAT,		/* JSON, or SSE when the body says stream:true */
	PROXY_IMAGE		/* JSON, with the times of chat */
};

/* The upstream's half of a route; static const data of the caller. */
struct proxy_route {
	const char	*method;	/* towards the upstream */
	/* "/api/accounts/{0}/status": {0}..{3} are request->value[],
	 * {plugin_user_id} is the tenant's; each is percent-encoded. */
	const char	*target;
	enum upstream_class class;
	enum proxy_answer answer;
};

/* What a worker has; every member but counters, self is required. */
struct proxy_ctx {
	struct httpc	*httpc;
	const struct upstream_conf *conf;
	struct counters	*counters;	/* or NULL */
	struct breaker	*breaker;	/* NULL: none */
	const struct bootkey *bootkey;
	struct score	*self;		/* or NULL; its state is kept up */
};

struct proxy_call {
	const struct proxy_route *route;
	const struct request *request;
	const struct tenant *tenant;	/* TENANT_OK */
	const char	*query;		/* encoded, without '?'; NULL: none */
	/* What is sent as X-Account-Type; NULL: nothing. */
	const char	*account_type;
	/*
	 * The JSON body, already checked by the caller; a method with a
	 * body and body NULL sends "{}".  Usually request->body.
	 */
	const char	*body;
	size_t		 body_len;
	/*
	 * Instead: request->content_length bytes are read from the writer
	 * while they are sent, and checked on their way (400 and the
	 * upstream never gets the last byte when they are not JSON).  The
	 * caller counts such a chat as a stream: it is not known yet.
	 */
	bool		 body_arrives;
	/* Chat: the client asked for a stream (jsonscan of the body);
	 * ignored when body_arrives. */
	bool		 stream;
	/* Chat: the body has no member "stream"; "stream":false is put in
	 * behind its opening brace.  Ignored when body_arrives. */
	bool		 add_stream_false;
};

struct proxy_result {
	bool		 repair;	/* the bound key was refused: ask the
					   keeper for a repair */
	bool		 streamed;	/* an SSE head went out */
	bool		 key_echo;
	enum httpc_error error;
};

/*
 * Returns the HTTP status, as handlers do; response is filled (problem
 * or body), or streamed (head_sent).
 */
int	 proxy_run(const struct proxy_ctx *, const struct proxy_call *,
	    struct response *, const struct http_writer *,
	    struct proxy_result *ret);

/*
 * Several GETs of one user at the same time, for answers that are
 * composed.  All parts hold JSON of a 2xx: 0.  Otherwise the status of
 * the first part that failed, with response filled; optional parts may
 * fail and then have answer.len 0.  The caller frees the answers.
 */
struct proxy_part {
	const struct proxy_route *route;
	const char	*query;		/* as in proxy_call */
	const char	*account_type;
	bool		 optional;
	struct buf	 answer;	/* BUF_INIT(limit) by the caller */
};
int	 proxy_fetch(const struct proxy_ctx *, const struct request *,
	    const struct tenant *, struct proxy_part *, size_t n,
	    struct response *, const struct http_writer *,
	    struct proxy_result *ret);

/*
 * Looks into a chat body that is valid JSON: is `stream` absent, and is
 * it true as the upstream reads it (false, null and 0 are false)?
 * -1 when the body is not an object.
 */
int	 proxy_chat_stream(const char *body, size_t len, bool *ret_stream,
	    bool *ret_absent);

#endif
