/*
 * exchange: one request and its answer on one libcurl easy handle.
 *
 * libcurl's callbacks, and what the end of an exchange means.  The first
 * reason that is found counts: what libcurl says afterwards about having
 * been stopped does not.  Called by httpc.c only.
 */
#include <assert.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/log.h"
#include "base/secret.h"
#include "base/xmalloc.h"
#include "net/exchange.h"

#define TARGET_MAX		(16 * 1024)
#define LINES_MAX		(16 * 1024)

void
exchange_decide(struct exchange *x, enum httpc_error why, const char *text)
{
	if (x->decided)
		return;
	x->decided = true;
	x->why = why;
	x->why_text = text;
}

/*
 * The request is about to be sent.  libcurl sends it once more by itself
 * when a kept connection turns out dead; that is right only for what may
 * be repeated, or when no byte had left.
 */
static int
on_send(void *arg, char *to, char *from, int to_port, int from_port)
{
	struct exchange *x = arg;
	long bytes = 0;

	(void)to;
	(void)from;
	(void)to_port;
	(void)from_port;
	if (x->sends > 0) {
		(void)curl_easy_getinfo(x->easy, CURLINFO_REQUEST_SIZE, &bytes);
		if (x->sends > 1 || (bytes > 0 && (!x->req->idempotent ||
		    x->req->read_body != NULL))) {
			exchange_decide(x, HTTPC_BROKEN,
			    "a kept connection was closed without an answer");
			return CURL_PREREQFUNC_ABORT;
		}
		x->ret->repeated = true;
	}
	x->sends++;
	x->connected = true;
	x->sending_ms = clock_mono_ms();
	return CURL_PREREQFUNC_OK;
}

static void
heard(struct exchange *x)
{
	x->heard_ms = clock_mono_ms();
	x->tick_due_ms = x->heard_ms + x->req->tick_ms;
}

static bool
head_complete(struct exchange *x)
{
	const struct answerhead *h = &x->head;
	struct httpc_head head = {
		.status = h->status,
		.content_type = h->content_type,
		.content_length = h->length,
		.retry_after = h->has_retry_after ? h->retry_after : NULL,
		.content_encoding = h->has_encoding ? h->encoding : NULL,
	};

	x->ret->status = h->status;
	(void)snprintf(x->ret->content_type, sizeof(x->ret->content_type),
	    "%s", h->content_type);
	(void)snprintf(x->ret->retry_after, sizeof(x->ret->retry_after), "%s",
	    h->has_retry_after ? h->retry_after : "");
	if (x->req->max_body > 0 && h->length >= 0 &&
	    (uint64_t)h->length > x->req->max_body &&
	    x->set.shape != SHAPE_HEAD) {
		exchange_decide(x, HTTPC_TOO_LARGE,
		    "the declared length is over the limit");
		return false;
	}
	if (x->req->on_head != NULL && x->req->on_head(x->req->arg, &head)) {
		exchange_decide(x, HTTPC_STOPPED, "stopped at the head");
		return false;
	}
	heard(x);
	return true;
}

static size_t
on_header(char *line, size_t one, size_t n, void *arg)
{
	struct exchange *x = arg;

	n *= one;
	switch (answerhead_line(&x->head, line, n)) {
	case ANSWERHEAD_MORE:
	case ANSWERHEAD_TRAILER:
		return n;
	case ANSWERHEAD_COMPLETE:
		return head_complete(x) ? n : 0;
	case ANSWERHEAD_BAD:
		exchange_decide(x, HTTPC_BROKEN, "the head is not well formed");
		return 0;
	case ANSWERHEAD_TOO_LARGE:
		exchange_decide(x, HTTPC_TOO_LARGE, "the head is too large");
		return 0;
	}
	return 0;
}

static size_t
on_body(char *piece, size_t one, size_t n, void *arg)
{
	struct exchange *x = arg;
	const struct httpc_request *req = x->req;

	n *= one;
	if (!x->head.done) {
		exchange_decide(x, HTTPC_BROKEN, "a body without a head");
		return 0;
	}
	x->body_bytes += n;
	if (req->max_body > 0 && x->body_bytes > req->max_body) {
		exchange_decide(x, HTTPC_TOO_LARGE,
		    "the body is over the limit");
		return 0;
	}
	if (req->on_body != NULL) {
		if (req->on_body(req->arg, piece, n) != 0) {
			exchange_decide(x, HTTPC_STOPPED,
			    "stopped in the body");
			return 0;
		}
	} else if (req->sink != NULL && buf_append(req->sink, piece, n) != 0) {
		exchange_decide(x, HTTPC_TOO_LARGE,
		    "the body does not fit");
		return 0;
	}
	heard(x);
	return n;
}

static size_t
on_read(char *ret, size_t one, size_t n, void *arg)
{
	struct exchange *x = arg;
	size_t left = x->req->body_len - x->body_read;
	ssize_t got;

	n *= one;
	if (n > left)
		n = left;
	if (n == 0)
		return 0;
	got = x->req->read_body(x->req->arg, ret, n);
	if (got <= 0) {
		exchange_decide(x, HTTPC_STOPPED, "the body ended early");
		return CURL_READFUNC_ABORT;
	}
	assert((size_t)got <= n);
	x->body_read += (size_t)got;
	/* The time to answer runs from the last byte sent. */
	x->sending_ms = clock_mono_ms();
	return (size_t)got;
}

static void
set_callbacks(struct exchange *x)
{
	SETOPT(x, CURLOPT_PREREQFUNCTION, on_send);
	SETOPT(x, CURLOPT_PREREQDATA, x);
	SETOPT(x, CURLOPT_HEADERFUNCTION, on_header);
	SETOPT(x, CURLOPT_HEADERDATA, x);
	SETOPT(x, CURLOPT_WRITEFUNCTION, on_body);
	SETOPT(x, CURLOPT_WRITEDATA, x);
	SETOPT(x, CURLOPT_READFUNCTION, on_read);
	SETOPT(x, CURLOPT_READDATA, x);
}

struct exchange *
exchange_create(const struct httpc_conf *conf)
{
	struct exchange *x = xcalloc(1, sizeof(*x));

	x->easy = curl_easy_init();
	x->set.url = curl_url();
	if (x->easy == NULL || x->set.url == NULL)
		fatalx("no memory for a libcurl handle");
	buf_init(&x->target, TARGET_MAX);
	buf_init(&x->lines, LINES_MAX);
	exchange_set_once(x, conf);
	set_callbacks(x);
	return x;
}

void
exchange_free(struct exchange **xp)
{
	struct exchange *x = *xp;

	if (x == NULL)
		return;
	curl_easy_cleanup(x->easy);
	buf_wipe(&x->lines);
	buf_free(&x->target);
	curl_url_cleanup(x->set.url);
	free(x->set.origin);
	free(x->set.unix_path);
	free(x);
	*xp = NULL;
}

int
exchange_begin(struct exchange *x, const struct httpc_request *req, bool stale,
    struct httpc_result *ret)
{
	memset(ret, 0, sizeof(*ret));
	x->req = req;
	x->ret = ret;
	x->decided = x->connected = false;
	x->fd = -1;
	x->sends = 0;
	x->body_read = 0;
	x->body_bytes = 0;
	x->error_text[0] = '\0';
	answerhead_init(&x->head);
	x->started_ms = x->heard_ms = x->sending_ms = clock_mono_ms();
	x->tick_due_ms = x->started_ms + req->tick_ms;
	if (exchange_set_request(x, req, stale) != 0) {
		exchange_decide(x, HTTPC_BROKEN, "the request has characters "
		    "that cannot be sent, or is too long");
		exchange_end(x, CURLE_OK);
		return -1;
	}
	return 0;
}

static enum httpc_error
outcome(const struct exchange *x, CURLcode rc)
{
	if (x->decided)
		return x->why;
	if (rc == CURLE_OK)
		return x->head.done ? HTTPC_DONE : HTTPC_BROKEN;
	if (rc == CURLE_COULDNT_CONNECT || rc == CURLE_COULDNT_RESOLVE_HOST)
		return HTTPC_UNREACHABLE;
	if (x->ret->sent)
		return HTTPC_BROKEN;
	return rc == CURLE_OPERATION_TIMEDOUT ? HTTPC_CONNECT_TIMEOUT :
	    HTTPC_UNREACHABLE;
}

void
exchange_end(struct exchange *x, CURLcode rc)
{
	struct httpc_result *ret = x->ret;
	long bytes = 0, connects = 0;

	if (x->sends > 0) {
		(void)curl_easy_getinfo(x->easy, CURLINFO_REQUEST_SIZE, &bytes);
		(void)curl_easy_getinfo(x->easy, CURLINFO_NUM_CONNECTS,
		    &connects);
		ret->sent = bytes > 0;
		ret->reused = connects == 0;
	}
	ret->error = outcome(x, rc);
	if (ret->error != HTTPC_DONE)
		(void)snprintf(ret->text, sizeof(ret->text), "%.*s",
		    (int)sizeof(ret->text) - 1, x->decided ? x->why_text :
		    x->error_text[0] != '\0' ? x->error_text :
		    rc != CURLE_OK ? curl_easy_strerror(rc) :
		    "no complete answer");
	if (x->lines.data != NULL)
		wipe(x->lines.data, x->lines.cap);
	buf_reset(&x->lines);
	memset(x->line, 0, sizeof(x->line));
	x->req = NULL;
	x->ret = NULL;
}
