/*
 * response: what goes back, over whatever carries it.
 *
 * A handler either fills in status, headers and body and returns, or
 * takes the writer and streams.  The transport (http/fcgi) is behind
 * struct http_writer, so handlers and the relay can be tested without
 * it.
 */
#ifndef HTTP_RESPONSE_H
#define HTTP_RESPONSE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include "base/buf.h"
#include "http/problem.h"
#include "http/request.h"

#define RESPONSE_HEAD_MAX	(16 * 1024)

/* Towards the client.  All return 0, or -1 when the client is gone. */
struct http_writer {
	void	*arg;
	int	(*write)(void *arg, const void *, size_t);
	int	(*flush)(void *arg);
	/* Body bytes: > 0, 0 at the end, -1 broken or timed out. */
	ssize_t	(*read)(void *arg, char *, size_t);
	/* The descriptor to watch for a vanished client; -1 while the
	 * request body was not read to its end. */
	int	(*watch_fd)(void *arg);
};

struct response {
	int		 status;
	struct buf	 head;		/* "Name: value\r\n" lines */
	struct buf	 body;
	const void	*static_body;	/* instead of body; not copied */
	size_t		 static_len;
	enum problem	 problem;	/* set: the router writes the body */
	struct problem_detail detail;
	int		 retry_after_s;	/* 0: none */
	bool		 head_sent;	/* the handler streamed */
	bool		 client_gone;
	int64_t		 upstream_us;	/* waited for the upstream */
	int		 upstream_status;
	uint64_t	 body_bytes;	/* sent to the client */
	const char	*end_reason;	/* of a stream, for the log */
};

void	 response_init(struct response *, size_t max_body);
void	 response_free(struct response *);
/* Values with control characters are refused (dropped, -1). */
int	 response_header(struct response *, const char *name,
	    const char *value);
/* JSON answer; the body is appended by the caller to r->body. */
void	 response_json(struct response *, int status);
/* Marks an error; returns its HTTP status, so that handlers can say
 * `return response_problem(...)`. */
int	 response_problem(struct response *, enum problem,
	    const char *detail);
/* 422 for one value: where is "body", "query" or "path"; name NULL for
 * the whole of it. */
int	 response_invalid(struct request *, struct response *,
	    const char *where, const char *name, enum invalid);
/* Writes status line, own headers, r->head; once.  content_length -1:
 * a stream. */
int	 response_send_head(struct response *, const struct request *,
	    const struct http_writer *, int64_t content_length);
/* Writes what the handler left: the problem's body, or body or
 * static_body; nothing when the handler streamed. */
void	 response_send(struct response *, const struct request *,
	    const struct http_writer *);

#endif
