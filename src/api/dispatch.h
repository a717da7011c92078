/*
 * dispatch: one request through the route table: CORS, route, who,
 * limits, body, handler.
 */
#ifndef API_DISPATCH_H
#define API_DISPATCH_H

#include "api/gateway.h"
#include "http/request.h"
#include "http/response.h"
#include "http/router.h"

struct dispatcher;

struct dispatcher *dispatcher_create(struct gateway *);
void	 dispatcher_free(struct dispatcher **);

struct dispatched {
	size_t		 route;		/* index; past the table: none */
	uint64_t	 user_id;	/* 0: nobody */
};

/*
 * Answers the request: fills or streams res.  parsed: what
 * request_parse() said.
 */
void	 dispatch(struct dispatcher *, struct request *, enum problem parsed,
	    struct response *, const struct http_writer *,
	    struct dispatched *ret);

#endif
