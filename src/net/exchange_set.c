/*
 * exchange_set: makes a libcurl handle ready for a request.
 *
 * The handle is set up once; between requests only what differs is set.
 * The URL stays the origin, the target is handed over as it is
 * (CURLOPT_REQUEST_TARGET), so libcurl neither parses nor normalises a
 * path.  What cannot be sent as it is, is refused.  Called by exchange.c.
 */
#include <assert.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "base/xmalloc.h"
#include "net/curlmem.h"
#include "net/exchange.h"

/* From here on libcurl would ask whether the body is welcome (its own
 * threshold is 1 MB). */
#define EXPECT_MIN	(512 * 1024)

static int
close_on_exec(void *arg, curl_socket_t fd, curlsocktype purpose)
{
	(void)arg;
	(void)purpose;
	return fcntl(fd, F_SETFD, FD_CLOEXEC) == 0 ? CURL_SOCKOPT_OK :
	    CURL_SOCKOPT_ERROR;
}

/* What is the same for all requests. */
void
exchange_set_once(struct exchange *x, const struct httpc_conf *conf)
{
	SETOPT(x, CURLOPT_ERRORBUFFER, x->error_text);
	SETOPT(x, CURLOPT_PRIVATE, x);
	SETOPT(x, CURLOPT_NOSIGNAL, 1L);
	SETOPT(x, CURLOPT_SOCKOPTFUNCTION, close_on_exec);
	/* Never wait for a resolver's thread. */
	SETOPT(x, CURLOPT_QUICK_EXIT, 1L);
	SETOPT(x, CURLOPT_NOPROGRESS, 1L);
	SETOPT(x, CURLOPT_PROTOCOLS_STR, "http,https");
	SETOPT(x, CURLOPT_HTTP_VERSION, (long)CURL_HTTP_VERSION_1_1);
	SETOPT(x, CURLOPT_HTTP09_ALLOWED, 0L);
	SETOPT(x, CURLOPT_FOLLOWLOCATION, 0L);
	SETOPT(x, CURLOPT_PATH_AS_IS, 1L);
	SETOPT(x, CURLOPT_PROXY, "");
	SETOPT(x, CURLOPT_NOPROXY, "*");
	SETOPT(x, CURLOPT_NETRC, (long)CURL_NETRC_IGNORED);
	SETOPT(x, CURLOPT_TCP_KEEPALIVE, 1L);
	SETOPT(x, CURLOPT_TCP_KEEPIDLE, 30L);
	SETOPT(x, CURLOPT_TCP_KEEPINTVL, 10L);
	SETOPT(x, CURLOPT_BUFFERSIZE, (long)CURLMEM_RECEIVE_SIZE);
	SETOPT(x, CURLOPT_UPLOAD_BUFFERSIZE, 32L * 1024);
	/* Our own timers are more exact; this is the net below them. */
	SETOPT(x, CURLOPT_CONNECTTIMEOUT_MS, (long)conf->connect_timeout_ms +
	    conf->tls_timeout_ms + 5000L);
	/* Whole seconds, and a second begun counts not as over: one less
	 * keeps every reuse inside the limit. */
	SETOPT(x, CURLOPT_MAXAGE_CONN, conf->keepalive_ms >= 2000 ?
	    conf->keepalive_ms / 1000L - 1 : 1L);
	x->user_agent = conf->user_agent;
	if (conf->ca_file != NULL)
		SETOPT(x, CURLOPT_CAINFO, conf->ca_file);
	SETOPT(x, CURLOPT_SSLVERSION, (long)CURL_SSLVERSION_TLSv1_2);
	SETOPT(x, CURLOPT_HTTPHEADER, x->line);
}

static bool
same(const char *a, const char *b)
{
	return (a == NULL || b == NULL) ? a == b : strcmp(a, b) == 0;
}

static void
set_base(struct exchange *x, const struct url_base *base)
{
	if (!same(x->set.origin, base->origin)) {
		free(x->set.origin);
		x->set.origin = xstrdup(base->origin);
		/* Taken apart once, not for each request. */
		if (curl_url_set(x->set.url, CURLUPART_URL, base->origin,
		    0) != CURLUE_OK)
			fatalx("libcurl refuses a base URL that was checked");
		SETOPT(x, CURLOPT_URL, NULL);
		SETOPT(x, CURLOPT_CURLU, x->set.url);
	}
	if (!same(x->set.unix_path, base->unix_path)) {
		free(x->set.unix_path);
		x->set.unix_path = base->unix_path == NULL ? NULL :
		    xstrdup(base->unix_path);
		SETOPT(x, CURLOPT_UNIX_SOCKET_PATH, x->set.unix_path);
	}
}

static enum shape
shape_of(const struct httpc_request *req)
{
	if (req->read_body != NULL)
		return SHAPE_READ;
	if (req->body != NULL || strcmp(req->method, "POST") == 0)
		return SHAPE_BODY;
	if (strcmp(req->method, "HEAD") == 0)
		return SHAPE_HEAD;
	return SHAPE_GET;
}

/* libcurl's verb follows from the shape; any other name is given. */
static void
set_method(struct exchange *x, const struct httpc_request *req)
{
	enum shape shape = shape_of(req);

	if (shape != x->set.shape) {
		SETOPT(x, CURLOPT_HTTPGET, 1L);	/* also undoes NOBODY */
		if (shape == SHAPE_HEAD)
			SETOPT(x, CURLOPT_NOBODY, 1L);
		else if (shape != SHAPE_GET)
			SETOPT(x, CURLOPT_POST, 1L);
		x->set.shape = shape;
	}
	if (strcmp(x->set.method, req->method) != 0) {
		assert(strlen(req->method) < sizeof(x->set.method));
		strcpy(x->set.method, req->method);
		SETOPT(x, CURLOPT_CUSTOMREQUEST, x->set.method);
	}
	if (shape == SHAPE_BODY) {
		SETOPT(x, CURLOPT_POSTFIELDSIZE_LARGE, (curl_off_t)req->body_len);
		SETOPT(x, CURLOPT_POSTFIELDS,
		    req->body == NULL ? "" : (const char *)req->body);
	} else if (shape == SHAPE_READ) {
		SETOPT(x, CURLOPT_POSTFIELDS, NULL);
		SETOPT(x, CURLOPT_POSTFIELDSIZE_LARGE, (curl_off_t)req->body_len);
	}
}

static bool
has_control(const char *s)
{
	for (; *s != '\0'; s++) {
		if ((unsigned char)*s < ' ' || *s == 0x7f)
			return true;
	}
	return false;
}

/* Strings that libcurl only reads; its struct is not const-clean. */
static void
add_entry(struct exchange *x, size_t *n, const char *text)
{
	assert(*n < sizeof(x->line) / sizeof(x->line[0]));
	x->line[*n].data = (char *)(uintptr_t)text;
	x->line[*n].next = NULL;
	if (*n > 0)
		x->line[*n - 1].next = &x->line[*n];
	(*n)++;
}

static bool
is_field(const char *line, const char *name_colon)
{
	return strncasecmp(line, name_colon, strlen(name_colon)) == 0;
}

/* Appends "NAME VALUE", behind what is there. */
static int
put_line(struct buf *lines, const char *name, const char *value)
{
	if (has_control(value))
		return -1;
	if (lines->len > 0)
		(void)buf_append(lines, "\r\n", 2);
	(void)buf_puts(lines, name);
	return buf_puts(lines, value);
}

/*
 * All fields that libcurl does not have to know make one entry of its
 * list, joined here: it compares each entry with a dozen names and
 * prints it character by character.  Accept comes first, because libcurl
 * would add one of its own if no entry began with it.
 */
static int
join_lines(struct exchange *x, const struct httpc_request *req,
    const char **ret_type)
{
	const char *const *h;
	int pass;

	*ret_type = NULL;
	buf_reset(&x->lines);
	for (pass = 0; pass < 2; pass++) {
		for (h = req->headers; h != NULL && *h != NULL; h++) {
			assert(h - req->headers < HTTPC_LINES_MAX);
			if (is_field(*h, "Content-Type:"))
				*ret_type = *h;
			else if (is_field(*h, "Accept:") == (pass == 0) &&
			    put_line(&x->lines, "", *h) != 0)
				return -1;
		}
	}
	if (*ret_type != NULL && has_control(*ret_type))
		return -1;
	if (put_line(&x->lines, "Host: ", req->base->host) != 0)
		return -1;
	/* The key comes last: the buffer does not move with it inside. */
	if (put_line(&x->lines, "User-Agent: ", x->user_agent) != 0)
		return -1;
	return req->authorization == NULL ? 0 :
	    put_line(&x->lines, "Authorization: ", req->authorization);
}

static int
set_lines(struct exchange *x, const struct httpc_request *req)
{
	bool has_body = req->body != NULL || req->read_body != NULL ||
	    strcmp(req->method, "POST") == 0;
	const char *type;
	size_t n = 0;

	if (join_lines(x, req, &type) != 0)
		return -1;
	add_entry(x, &n, buf_str(&x->lines));
	add_entry(x, &n, "Host:");	/* none by itself */
	if (type != NULL)
		add_entry(x, &n, type);
	else if (has_body)
		add_entry(x, &n, "Content-Type:");	/* none by itself */
	if (req->read_body != NULL || req->body_len > EXPECT_MIN)
		add_entry(x, &n, "Expect:");	/* never wait for a 100 */
	return 0;
}

static int
set_target(struct exchange *x, const struct httpc_request *req)
{
	const char *p;

	buf_reset(&x->target);
	if (req->target[0] != '/' ||
	    buf_puts(&x->target, req->base->prefix) != 0 ||
	    buf_puts(&x->target, req->target) != 0)
		return -1;
	for (p = buf_str(&x->target); *p != '\0'; p++) {
		if ((unsigned char)*p <= ' ' || (unsigned char)*p >= 0x7f)
			return -1;
	}
	SETOPT(x, CURLOPT_REQUEST_TARGET, buf_str(&x->target));
	return 0;
}

int
exchange_set_request(struct exchange *x, const struct httpc_request *req,
    bool stale)
{
	bool fresh = req->fresh || stale;

	if (set_target(x, req) != 0 || set_lines(x, req) != 0)
		return -1;
	set_base(x, req->base);
	set_method(x, req);
	if (fresh != x->set.fresh) {
		SETOPT(x, CURLOPT_FRESH_CONNECT, fresh ? 1L : 0L);
		x->set.fresh = fresh;
	}
	if (req->fresh != x->set.forbid_reuse) {
		SETOPT(x, CURLOPT_FORBID_REUSE, req->fresh ? 1L : 0L);
		x->set.forbid_reuse = req->fresh;
	}
	return 0;
}
