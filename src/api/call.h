/*
 * call: one request on its way through a handler.
 */
#ifndef API_CALL_H
#define API_CALL_H

#include "api/gateway.h"
#include "auth/principal.h"
#include "http/request.h"
#include "http/response.h"
#include "http/router.h"
#include "proxy/proxy.h"

enum route_auth {
	AUTH_NONE,
	AUTH_JWT,		/* an access token */
	AUTH_KEY,		/* or a personal key */
	AUTH_GOOGLE		/* as AUTH_KEY, also in x-goog-api-key */
};

/* Members of a JSON body that are checked before anything is done. */
enum member_kind {
	MEMBER_STRING, MEMBER_ZERO_ONE, MEMBER_BOOL, MEMBER_ARRAY,
	MEMBER_OBJECT
};
struct member {
	const char	*name;
	enum member_kind kind;
	bool		 required;
	bool		 nullable;
	size_t		 max;		/* characters of a string; 0: any */
	bool		 may_be_empty;
};
#define MEMBERS_MAX	6

/* Query parameters that a route understands. */
enum query_kind { QUERY_INT, QUERY_DATE, QUERY_TEXT };
struct query_rule {
	const char	*name;
	enum query_kind	 kind;
	int64_t		 min, max;
	const char	*def;		/* always sent when set */
};
#define QUERY_RULES_MAX	4

enum body_rule {
	BODY_NONE,		/* none is expected; one is ignored */
	BODY_SMALL,		/* JSON object, at most 64 KiB */
	BODY_OPTIONAL,		/* the same, or nothing */
	BODY_LARGE		/* JSON object up to PLUGWAY_MAX_BODY */
};
#define BODY_SMALL_MAX	(64 * 1024)

struct call;
typedef int route_handler(struct call *);

/* A row of the route table. */
struct route {
	struct route_pattern pattern;
	enum route_auth	 who;
	enum body_rule	 body;
	const struct member *members;		/* MEMBERS_MAX at most */
	const struct query_rule *query;		/* QUERY_RULES_MAX at most */
	struct proxy_route upstream;		/* method NULL: local */
	route_handler	*handler;
	unsigned	 flags;
};
#define ROUTE_SIGNIN	0x1u	/* limited per client address */
#define ROUTE_NO_LIMIT	0x2u	/* not counted per user */

struct call {
	struct gateway	*gw;
	const struct route *route;
	size_t		 route_index;
	struct request	*req;
	struct response	*res;
	const struct http_writer *writer;
	struct principal who;		/* not of AUTH_NONE */
	struct jsonscan	*body;		/* the members found, or NULL */
};

/* A member of the body that was checked; NULL when absent or null. */
const struct jsonscan_member *call_member(const struct call *,
	    const char *name);
/* A string member, unescaped, in the arena; NULL when absent. */
const char *call_string(const struct call *, const char *name);
/* 0 or 1; def when absent. */
int	 call_zero_one(const struct call *, const char *name, int def);

/* For handlers: the database, or the 503 that says it is away. */
struct db *call_db(struct call *);
/* The answer to a failed statement: 503, or 500 with a log line. */
int	 call_db_failed(struct call *, const char *what);

#endif
