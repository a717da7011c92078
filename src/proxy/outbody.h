/*
 * outbody: the JSON body on its way to the upstream.
 *
 * Either it is here already, or it arrives while it is sent and is
 * checked as it passes.  Where a chat lacks "stream" the default that
 * OpenAI defines is put in behind the opening brace; no other byte is
 * touched.
 */
#ifndef PROXY_OUTBODY_H
#define PROXY_OUTBODY_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include "base/buf.h"
#include "base/jsonscan.h"
#include "http/response.h"

#define OUTBODY_DEFAULT		"\"stream\":false"
#define OUTBODY_DEFAULT_LEN	(sizeof(OUTBODY_DEFAULT) - 1)

enum outbody_fault {
	OUTBODY_OK,
	OUTBODY_GONE,		/* the client stopped sending */
	OUTBODY_NOT_JSON,
	OUTBODY_NOT_OBJECT	/* a chat body that is no object */
};

struct outbody {
	const struct http_writer *writer; /* NULL: nothing arrives */
	bool		 chat;
	uint64_t	 left;		/* still to come from the writer */
	struct jsonscan	 scan;
	enum outbody_fault fault;
	/* How far the beginning was read: it decides about the splice. */
	enum { OUTBODY_BEFORE, OUTBODY_OPENED, OUTBODY_INSIDE } stage;
};

/*
 * A body that is here: appends it to ret with the default put in.  -1:
 * not an object, or it does not fit.
 */
int	 outbody_splice(struct buf *ret, const char *body, size_t len)
	    __attribute__((warn_unused_result));

/*
 * A body of len bytes that arrives.  Returns the length to declare.  A
 * chat always gets the default as its first member: a later "stream" of
 * the client's own wins, as the upstream reads JSON.
 */
size_t	 outbody_open(struct outbody *, const struct http_writer *,
	    uint64_t len, bool chat);
/* As httpc_request.read_body wants it, with the outbody as arg. */
ssize_t	 outbody_read(struct outbody *, char *, size_t n);
bool	 outbody_sent(const struct outbody *);
/* Does the body that has passed ask for a stream? */
bool	 outbody_wants_stream(const struct outbody *);
/* A jsonscan member "stream" as the upstream reads it. */
bool	 outbody_is_stream(const struct jsonscan_member *);

#endif
