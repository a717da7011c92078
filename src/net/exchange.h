/*
 * exchange: one request and its answer on one libcurl easy handle.
 *
 * Private to this floor: httpc.c owns the exchanges, runs the loop and
 * the timers; exchange.c sets the handle up and reads what comes.
 */
#ifndef NET_EXCHANGE_H
#define NET_EXCHANGE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <curl/curl.h>

#include "base/buf.h"
#include "base/log.h"
#include "net/answerhead.h"
#include "net/httpc.h"

/* How libcurl has to see the request; the method's name is apart. */
enum shape { SHAPE_NONE, SHAPE_GET, SHAPE_HEAD, SHAPE_BODY, SHAPE_READ };

struct exchange {
	CURL		*easy;
	const struct httpc_request *req;
	struct httpc_result *ret;
	struct answerhead head;
	bool		 running;	/* in the multi handle */
	bool		 decided;	/* why is ours, not libcurl's */
	enum httpc_error why;
	const char	*why_text;
	unsigned	 sends;		/* times the request was begun */
	size_t		 body_read;	/* through read_body */
	uint64_t	 body_bytes;	/* of the answer */

	/* Times, monotonic ms. */
	int64_t		 started_ms, sending_ms, heard_ms, tick_due_ms;
	int		 fd;		/* libcurl's, while it connects */
	bool		 connected;

	/* The header lines, and the list of them that libcurl wants: both
	 * are ours, so that no copy of the key stays in one of its. */
	struct buf	 lines;
	struct curl_slist line[4];
	const char	*user_agent;	/* of httpc's conf */
	struct buf	 target;
	char		 error_text[CURL_ERROR_SIZE];

	/* What the easy handle is set to; only differences are set. */
	struct {
		char	*origin, *unix_path;
		CURLU	*url;	/* of origin */
		char	 method[16];
		enum shape shape;
		bool	 fresh, forbid_reuse;
	} set;
};

struct exchange *exchange_create(const struct httpc_conf *);
void	 exchange_free(struct exchange **);
/* 0, or -1 when the request cannot be sent as it is: ret is filled. */
int	 exchange_begin(struct exchange *, const struct httpc_request *,
	    bool stale, struct httpc_result *ret);
/* Fills the result; rc counts unless the outcome was decided before. */
void	 exchange_end(struct exchange *, CURLcode rc);
void	 exchange_decide(struct exchange *, enum httpc_error, const char *);

/* exchange_set.c */
void	 exchange_set_once(struct exchange *, const struct httpc_conf *);
/* stale: kept connections are too old to be used. */
int	 exchange_set_request(struct exchange *, const struct httpc_request *,
	    bool stale);

#define SETOPT(x, option, value) do {					\
	if (curl_easy_setopt((x)->easy, (option), (value)) != CURLE_OK)	\
		fatalx("libcurl refuses " #option);			\
} while (0)

#endif
