/*
 * upstream: what is configured about the upstream, and the one mapping
 * from what it says to what our client gets.
 */
#ifndef PROXY_UPSTREAM_H
#define PROXY_UPSTREAM_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/arena.h"
#include "http/problem.h"
#include "net/httpc.h"
#include "net/url.h"

#define UPSTREAM_ANSWER_MAX	(64u * 1024 * 1024)	/* a JSON answer */
#define UPSTREAM_ERROR_MAX	(256u * 1024)	/* body of an error */
#define UPSTREAM_TEXT_MAX	2000		/* characters shown of it */
#define UPSTREAM_RETRY_AFTER_MAX_S	3600

/* All times in milliseconds; 0 = no limit where nothing else is said. */
struct upstream_conf {
	struct url_base	 base;
	int		 request_timeout_ms;	/* management call, total */
	int		 chat_timeout_ms;	/* chat not streamed, total */
	int		 stream_first_byte_ms;
	int		 stream_idle_ms;
	int		 stream_total_ms;
	int		 stream_commit_ms;	/* 0: never commit early */
	int		 heartbeat_ms;		/* 0: no comments */
	int		 client_stall_ms;	/* the writer's own limit; here it
						   only names the reason */
	uint64_t	 max_answer;	/* bytes; 0: UPSTREAM_ANSWER_MAX */
};

/* Which family of endpoints: decides time-outs and what a 403 means. */
enum upstream_class {
	UPSTREAM_MANAGEMENT,	/* users, oauth, quotas */
	UPSTREAM_ACCOUNTS,	/* a 403 is: not your account */
	UPSTREAM_MODELS,
	UPSTREAM_CHAT,
	UPSTREAM_IMAGE,
	UPSTREAM_CLASS_MAX
};

/* What the upstream said, as far as it matters here. */
struct upstream_answer {
	enum upstream_class class;
	int		 status;
	const char	*content_type;
	const char	*retry_after;	/* "" : absent */
	const char	*body;
	size_t		 body_len;
	bool		 body_cut;	/* longer than we read */
};

struct upstream_verdict {
	enum problem	 problem;	/* PROBLEM_NONE: a success */
	const char	*detail;	/* upstream's text, or NULL */
	int		 retry_after_s;	/* 0: none */
	bool		 key_refused;	/* the bound key is not valid */
};

/* Any status.  detail lies in the arena. */
void	 upstream_map(const struct upstream_answer *, struct arena *,
	    struct upstream_verdict *ret);
/* An exchange that gave no complete answer. */
enum problem upstream_map_error(enum httpc_error);
/*
 * The text of {"error": TEXT}, {"error": {"message": TEXT}} or
 * {"message": TEXT}: valid UTF-8, without control characters, at most
 * UPSTREAM_TEXT_MAX characters.  NULL when there is none, or when it is
 * HTML.
 */
const char *upstream_text(struct arena *, const char *body, size_t len);
/* Retry-After (RFC 9110 10.2.3) in seconds, 0 when it cannot be used. */
int	 upstream_retry_after(const char *, int64_t now_s);
bool	 upstream_is_json(const char *content_type);
bool	 upstream_is_sse(const char *content_type);

#endif
