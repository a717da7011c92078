/*
 * fcgi: FastCGI connections; fcgi.c is the only user of libfcgi.
 *
 * Accepts for itself: an epoll set of its own with EPOLLEXCLUSIVE on the
 * non-blocking listen socket, so that waking is last-in first-out and
 * few warm workers do the work.  A new connection gets send and receive
 * time-outs and its first bytes are looked at before libfcgi reads.
 * After the answer it is closed without libfcgi's linger, but only once
 * the request body was read to its end.  A kept connection is watched
 * together with the listen socket, so it never pins a worker.
 */
#ifndef HTTP_FCGI_H
#define HTTP_FCGI_H

#include <signal.h>
#include <stdbool.h>
#include <stdint.h>

#include "http/request.h"
#include "http/response.h"

#define FCGI_PARAMS_MAX		512		/* entries */
#define FCGI_PARAMS_BYTES_MAX	(128 * 1024)

struct fcgi;

struct fcgi_conf {
	int	 listen_fd;
	int	 first_bytes_ms;	/* connect and say nothing */
	int	 head_ms;		/* all parameters, from the accept */
	int	 read_ms;		/* a gap in the request body */
	/* Waiting for the whole body, and a second more for every
	 * FCGI_BODY_RATE bytes that came. */
	int	 body_ms;
	int	 write_ms;		/* the client takes nothing */
	/* Somebody connected, or a kept connection speaks: from now on
	 * the worker is not idle. */
	void	(*taken)(void *arg);
	void	*arg;
};
#define FCGI_BODY_RATE	4096

/* Once per program, before the fork; takes over SIGPIPE. */
void	 fcgi_init(void);

/* After the fork. */
struct fcgi *fcgi_create(const struct fcgi_conf *);
void	 fcgi_free(struct fcgi **);

/*
 * Waits for the next request.  Signals in wait_mask's complement are
 * taken only while waiting; returns 1 with the request's parameters
 * read, 0 when a signal or timeout_ms (-1: none) ended the wait, -1 when
 * a connection came to nothing (counted by the caller).
 */
int	 fcgi_next(struct fcgi *, const sigset_t *wait_mask, int timeout_ms);
/* The parameters, "NAME=value", NULL-terminated. */
char	*const *fcgi_params(const struct fcgi *);
/* 0, or -1 when they are too many or too large. */
int	 fcgi_params_check(const struct fcgi *);
const struct http_writer *fcgi_writer(struct fcgi *);
/* Reads what is left of the request body, at most max bytes and for
 * about ms. */
void	 fcgi_drain(struct fcgi *, uint64_t max, int ms);
/* The answer is complete (or given up: abort).  The parameters are
 * overwritten and gone. */
void	 fcgi_finish(struct fcgi *, bool abort);
/* True while a kept connection waits for its next request. */
bool	 fcgi_has_kept(const struct fcgi *);

#endif
