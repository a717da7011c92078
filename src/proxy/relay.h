/*
 * relay: an SSE answer from the upstream to the client.
 *
 * Bytes go through as they come and are flushed with each piece; nothing
 * is kept but the few bytes the key guard holds back.  While the
 * upstream is silent, comments keep the way open, only between events.
 * Before the upstream's head the relay can be committed (200 and the SSE
 * head); from then on a failure is one error event and the end.
 */
#ifndef PROXY_RELAY_H
#define PROXY_RELAY_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "http/request.h"
#include "http/response.h"
#include "proxy/keyguard.h"
#include "proxy/sse.h"

#define RELAY_COMMENT	": keep-alive\n\n"

struct relay {
	const struct request *request;
	struct response	*response;
	const struct http_writer *writer;
	struct keyguard	*guard;
	struct sse	 sse;
	int		 heartbeat_ms;	/* 0: none */
	int		 commit_ms;	/* 0: never before the head */
	int64_t		 wrote_ms;	/* monotonic, the last write */
	bool		 open;		/* the SSE head is out */
	bool		 broken;	/* the client takes no more */
	bool		 stalled;	/* ... because it did not read */
	int		 client_stall_ms;
};

/* All return 0, or -1 when the client is gone, or KEYGUARD_HIT. */
int	 relay_open(struct relay *);
int	 relay_bytes(struct relay *, const char *, size_t);
/* Gives on what the guard held; call at the end of the upstream body. */
int	 relay_finish(struct relay *);
/*
 * The upstream has been silent for silent_ms; body: its head is in.
 * Returns the milliseconds until the next call is due, or -1.
 */
int	 relay_tick(struct relay *, int64_t silent_ms, bool body);
/* One "data: {"error": ...}" event, after closing an open one. */
int	 relay_error(struct relay *, enum problem, const char *detail);

#endif
