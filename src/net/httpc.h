/*
 * httpc: HTTP/1.1 towards other servers; the only user of libcurl.
 *
 * One struct httpc per process, made at its first use after the fork
 * and kept: it holds the connections.  One exchange at a time, or up to
 * HTTPC_PARALLEL_MAX side by side with httpc_perform_all().
 *
 * While an exchange runs the caller may have another descriptor watched
 * (its client's connection): when it becomes readable or hung up the
 * exchange is abandoned and the upstream connection closed.
 *
 * Never follows redirects, never uses a proxy from the environment, no
 * cookies, no netrc, no decompression, http and https only.
 */
#ifndef NET_HTTPC_H
#define NET_HTTPC_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include "base/buf.h"
#include "net/url.h"

#define HTTPC_PARALLEL_MAX	8
#define HTTPC_HEADERS_MAX	(64 * 1024)	/* bytes of an answer's head */
#define HTTPC_LINES_MAX		16		/* header lines of a request */

struct httpc;

struct httpc_conf {
	int		 connect_timeout_ms;	/* TCP */
	int		 tls_timeout_ms;	/* on top, for TLS */
	int		 keepalive_ms;		/* idle connection reused up to */
	const char	*ca_file;		/* NULL: the system's */
	const char	*user_agent;
};

enum httpc_error {
	HTTPC_DONE,		/* a complete answer */
	HTTPC_UNREACHABLE,	/* refused, DNS, TLS: nothing was sent, but
				   see sent when a request was repeated */
	HTTPC_CONNECT_TIMEOUT,	/* likewise nothing was sent */
	HTTPC_TIMEOUT_FIRST,	/* no answer head in time */
	HTTPC_TIMEOUT_IDLE,	/* a gap in the body longer than idle_ms */
	HTTPC_TIMEOUT_TOTAL,
	HTTPC_BROKEN,		/* cut, or not HTTP; see sent */
	HTTPC_TOO_LARGE,	/* head or body over the limit */
	HTTPC_ABANDONED,	/* the watched descriptor went away */
	HTTPC_STOPPED		/* a callback returned non-zero */
};

struct httpc_head {
	int		 status;	/* 100..599, never 1xx */
	const char	*content_type;	/* "" when absent */
	int64_t		 content_length; /* -1 when not declared */
	const char	*retry_after;	/* NULL when absent */
	const char	*content_encoding; /* NULL when absent */
};

struct httpc_request {
	const char	*method;
	const struct url_base *base;
	const char	*target;	/* "/path?query", encoded */
	/* Header lines "Name: value", NULL-terminated.  Host, Accept-
	 * Encoding, Content-Length, Expect are httpc's own. */
	const char *const *headers;
	/* "Bearer ..." or "Basic ...", kept apart so that it can be wiped
	 * from every copy we can reach; NULL: none. */
	const char	*authorization;

	const void	*body;		/* or NULL */
	size_t		 body_len;
	/* A body that is still arriving: read up to n bytes into ret.
	 * Returns the count, 0 at the end, -1 to give up.  body_len then
	 * is the declared length. */
	ssize_t		(*read_body)(void *arg, char *ret, size_t n);

	int		 first_byte_ms;	/* 0: no limit; from sending on */
	int		 idle_ms;	/* between pieces of the body; 0: none */
	int		 total_ms;	/* 0: none */
	uint64_t	 max_body;	/* bytes; 0: no limit */
	bool		 fresh;		/* never on a kept connection, and
					   the connection is not kept */
	bool		 idempotent;	/* may be repeated once when a kept
					   connection turns out dead */
	int		 watch_fd;	/* -1: none */
	/* With read_body, whose source cannot be watched before its end:
	 * asked once the whole body was read.  NULL: nothing to watch. */
	int		(*late_watch_fd)(void *arg);
	int		 tick_ms;	/* on_tick after this much silence; 0 */
	void		*arg;		/* for the callbacks */
	/* All callbacks may be NULL and return 0 to go on. */
	int		(*on_head)(void *arg, const struct httpc_head *);
	int		(*on_body)(void *arg, const char *, size_t);
	/* Called tick_ms after the start, after each piece of the answer
	 * and after each tick.  -1 stops; > 0: the next one is due after
	 * that many ms instead. */
	int		(*on_tick)(void *arg, int64_t silent_ms);
	/* Where the body goes when on_body is NULL. */
	struct buf	*sink;
};

struct httpc_result {
	enum httpc_error error;
	int		 status;	/* 0: no head was seen */
	bool		 sent;		/* part of the request may have reached
					   the server */
	bool		 reused;	/* a kept connection was used */
	bool		 repeated;	/* sent again: the kept one was dead */
	int64_t		 wait_us;	/* time spent waiting for the server */
	char		 text[160];	/* what went wrong, for the log */
	char		 content_type[128];
	char		 retry_after[32];	/* "" when absent */
};

/*
 * libcurl ready for use, with memory that is wiped when it is given
 * back; once, before the fork (httpc_create does it otherwise).
 */
void	 httpc_init(void);
/* Needs a process of its own: never used on both sides of a fork. */
struct httpc *httpc_create(const struct httpc_conf *);
void	 httpc_free(struct httpc **);
/* Runs the exchange to its end; the outcome is in ret. */
void	 httpc_perform(struct httpc *, const struct httpc_request *,
	    struct httpc_result *ret);
/* Runs n exchanges (each with its own sink) at the same time. */
void	 httpc_perform_all(struct httpc *, const struct httpc_request *,
	    size_t n, struct httpc_result *ret);
/* Drops kept connections (after a fork, after a large burst). */
void	 httpc_close_idle(struct httpc *);

const char *httpc_error_name(enum httpc_error);

#endif
