/*
 * httpc: HTTP/1.1 towards other servers; the only user of libcurl.
 *
 * One multi handle in its socket form with a poll() of our own, so that
 * the caller's descriptor and our timers are part of one wait.  The
 * handles are made at the first use: a process that never calls stays
 * small.  Called by proxy, auth and provision; logs nothing.
 */
#include <assert.h>
#include <errno.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include <curl/curl.h>

#include "base/clock.h"
#include "base/log.h"
#include "base/xmalloc.h"
#include "net/curlmem.h"
#include "net/exchange.h"
#include "net/httpc.h"

/* A name may have addresses of both families under way, a resolver its
 * pair of sockets. */
#define SOCKETS_MAX	(HTTPC_PARALLEL_MAX * 4)

struct httpc {
	struct httpc_conf conf;
	char		*ca_file, *user_agent;
	pid_t		 pid;		/* never used in another process */
	CURLM		*multi;
	struct exchange	*exchange[HTTPC_PARALLEL_MAX];
	struct pollfd	 socket[SOCKETS_MAX];	/* libcurl's wishes */
	size_t		 n_sockets;
	int64_t		 curl_due_ms;	/* -1: libcurl waits for no time */
	int64_t		 used_ms;	/* last exchange; 0: none yet */
};

void
httpc_init(void)
{
	curlmem_init();
}

struct httpc *
httpc_create(const struct httpc_conf *conf)
{
	struct httpc *h = xcalloc(1, sizeof(*h));

	httpc_init();
	h->conf = *conf;
	h->ca_file = conf->ca_file == NULL ? NULL : xstrdup(conf->ca_file);
	h->user_agent = xstrdup(conf->user_agent == NULL ? "plugway" :
	    conf->user_agent);
	h->conf.ca_file = h->ca_file;
	h->conf.user_agent = h->user_agent;
	h->pid = getpid();
	h->curl_due_ms = -1;
	return h;
}

void
httpc_close_idle(struct httpc *h)
{
	size_t i;

	for (i = 0; i < HTTPC_PARALLEL_MAX; i++)
		exchange_free(&h->exchange[i]);
	if (h->multi != NULL)
		(void)curl_multi_cleanup(h->multi);
	h->multi = NULL;
	h->n_sockets = 0;
	h->curl_due_ms = -1;
	h->used_ms = 0;
}

void
httpc_free(struct httpc **hp)
{
	if (*hp == NULL)
		return;
	httpc_close_idle(*hp);
	free((*hp)->ca_file);
	free((*hp)->user_agent);
	free(*hp);
	*hp = NULL;
}

/* libcurl says which sockets it waits for. */
static int
on_socket(CURL *easy, curl_socket_t fd, int what, void *arg, void *unused)
{
	struct httpc *h = arg;
	struct exchange *x = NULL;
	short events;
	size_t i;

	(void)unused;
	if (curl_easy_getinfo(easy, CURLINFO_PRIVATE, (char **)&x) ==
	    CURLE_OK && x != NULL && what != CURL_POLL_REMOVE)
		x->fd = fd;
	for (i = 0; i < h->n_sockets && h->socket[i].fd != fd; i++)
		continue;
	if (what == CURL_POLL_REMOVE) {
		if (i < h->n_sockets)
			h->socket[i] = h->socket[--h->n_sockets];
		return 0;
	}
	events = (short)((what & CURL_POLL_IN ? POLLIN : 0) |
	    (what & CURL_POLL_OUT ? POLLOUT : 0));
	if (i == h->n_sockets) {
		assert(h->n_sockets < SOCKETS_MAX);
		h->n_sockets++;
	}
	h->socket[i].fd = fd;
	h->socket[i].events = events;
	return 0;
}

static int
on_timer(CURLM *multi, long timeout_ms, void *arg)
{
	struct httpc *h = arg;

	(void)multi;
	h->curl_due_ms = timeout_ms < 0 ? -1 : timeout_ms == 0 ? 0 :
	    clock_mono_ms() + timeout_ms;
	return 0;
}

static void
open_multi(struct httpc *h)
{
	if (h->multi != NULL)
		return;
	h->multi = curl_multi_init();
	if (h->multi == NULL ||
	    curl_multi_setopt(h->multi, CURLMOPT_SOCKETFUNCTION, on_socket) ||
	    curl_multi_setopt(h->multi, CURLMOPT_SOCKETDATA, h) ||
	    curl_multi_setopt(h->multi, CURLMOPT_TIMERFUNCTION, on_timer) ||
	    curl_multi_setopt(h->multi, CURLMOPT_TIMERDATA, h) ||
	    curl_multi_setopt(h->multi, CURLMOPT_PIPELINING,
	    (long)CURLPIPE_NOTHING) ||
	    curl_multi_setopt(h->multi, CURLMOPT_MAXCONNECTS,
	    (long)HTTPC_PARALLEL_MAX))
		fatalx("libcurl cannot be set up");
}

/* Takes the exchange out; one still under way loses its connection. */
static void
finish(struct httpc *h, struct exchange *x, CURLcode rc)
{
	exchange_end(x, rc);
	(void)curl_multi_remove_handle(h->multi, x->easy);
	x->running = false;
}

static void
give_up(struct httpc *h, struct exchange *x, enum httpc_error why,
    const char *text)
{
	exchange_decide(x, why, text);
	finish(h, x, CURLE_OK);
}

/* Ends what libcurl says is over. */
static void
reap(struct httpc *h)
{
	struct exchange *x;
	CURLMsg *msg;
	CURLcode rc;
	int left;

	while ((msg = curl_multi_info_read(h->multi, &left)) != NULL) {
		if (msg->msg != CURLMSG_DONE)
			continue;
		rc = msg->data.result;
		x = NULL;
		(void)curl_easy_getinfo(msg->easy_handle, CURLINFO_PRIVATE,
		    (char **)&x);
		finish(h, x, rc);
	}
}

/* Is the TCP connection there?  libcurl tells only when TLS is, too. */
static bool
is_connected(struct exchange *x)
{
	struct sockaddr_storage peer;
	socklen_t len = sizeof(peer);

	if (!x->connected && x->fd != -1)
		x->connected = getpeername(x->fd, (struct sockaddr *)&peer,
		    &len) == 0;
	return x->connected;
}

/* One limit: when it is over the exchange is. */
struct limit {
	int64_t		 due_ms;
	enum httpc_error why;
	const char	*text;
};

/* The limits that hold at this point of the exchange; returns how many. */
static size_t
limits_of(struct exchange *x, const struct httpc_conf *conf,
    struct limit ret[3])
{
	const struct httpc_request *req = x->req;
	size_t n = 0;

	if (req->total_ms > 0)
		ret[n++] = (struct limit){ x->started_ms + req->total_ms,
		    HTTPC_TIMEOUT_TOTAL, "the whole took too long" };
	if (x->sends == 0) {
		ret[n++] = (struct limit){ x->started_ms +
		    conf->connect_timeout_ms +
		    (is_connected(x) ? conf->tls_timeout_ms : 0),
		    HTTPC_CONNECT_TIMEOUT, "connecting took too long" };
	} else if (!x->head.done) {
		if (req->first_byte_ms > 0)
			ret[n++] = (struct limit){ x->sending_ms +
			    req->first_byte_ms, HTTPC_TIMEOUT_FIRST,
			    "no answer in time" };
	} else if (req->idle_ms > 0) {
		ret[n++] = (struct limit){ x->heard_ms + req->idle_ms,
		    HTTPC_TIMEOUT_IDLE, "the answer stood still" };
	}
	return n;
}

/* -1: the exchange is over. */
static int
tick(struct httpc *h, struct exchange *x, int64_t now)
{
	int next = x->req->on_tick(x->req->arg, now - x->heard_ms);

	if (next < 0) {
		give_up(h, x, HTTPC_STOPPED, "stopped while waiting");
		return -1;
	}
	x->tick_due_ms = clock_mono_ms() + (next > 0 ? next : x->req->tick_ms);
	return 0;
}

/*
 * Applies the limits and the tick; returns the time of the next one,
 * or INT64_MAX.
 */
static int64_t
check_times(struct httpc *h, struct exchange *x, int64_t now)
{
	struct limit limit[3];
	int64_t next = INT64_MAX;
	size_t i, n;

	if (x->req->on_tick != NULL && x->req->tick_ms > 0) {
		if (now >= x->tick_due_ms && tick(h, x, now) == -1)
			return INT64_MAX;
		next = x->tick_due_ms;
	}
	n = limits_of(x, &h->conf, limit);
	for (i = 0; i < n; i++) {
		if (now >= limit[i].due_ms) {
			give_up(h, x, limit[i].why, limit[i].text);
			return INT64_MAX;
		}
		if (limit[i].due_ms < next)
			next = limit[i].due_ms;
	}
	return next;
}

static int64_t
check_all_times(struct httpc *h, size_t n)
{
	int64_t now = clock_mono_ms(), next = INT64_MAX, one;
	size_t i;

	for (i = 0; i < n; i++) {
		if (!h->exchange[i]->running)
			continue;
		one = check_times(h, h->exchange[i], now);
		if (one < next)
			next = one;
	}
	return next;
}

/* The descriptor to watch now: that of the first exchange that has one. */
static int
watched(struct httpc *h, size_t n)
{
	struct exchange *x;
	size_t i;

	for (i = 0; i < n; i++) {
		x = h->exchange[i];
		if (!x->running)
			continue;
		if (x->req->watch_fd != -1)
			return x->req->watch_fd;
		if (x->req->late_watch_fd != NULL && (x->req->read_body ==
		    NULL || x->body_read == x->req->body_len))
			return x->req->late_watch_fd(x->req->arg);
	}
	return -1;
}

static void
abandon_all(struct httpc *h, size_t n)
{
	size_t i;

	for (i = 0; i < n; i++) {
		if (h->exchange[i]->running)
			give_up(h, h->exchange[i], HTTPC_ABANDONED,
			    "the client left");
	}
}

static void
act(struct httpc *h, curl_socket_t fd, int mask)
{
	int running;

	if (curl_multi_socket_action(h->multi, fd, mask, &running) != CURLM_OK)
		fatalx("libcurl lost its way");
}

static int
wait_ms(const struct httpc *h, int64_t next_ms)
{
	int64_t now;

	if (h->curl_due_ms != -1 && h->curl_due_ms < next_ms)
		next_ms = h->curl_due_ms;
	if (next_ms == INT64_MAX)
		return -1;
	if (next_ms == 0)
		return 0;
	now = clock_mono_ms();
	return next_ms <= now ? 0 : next_ms - now > 60000 ? 60000 :
	    (int)(next_ms - now);
}

/* Waits once and lets libcurl act.  *waited_us grows by the wait. */
static void
step(struct httpc *h, size_t n, int64_t next_ms, int64_t *waited_us)
{
	struct pollfd fds[SOCKETS_MAX + 1];
	size_t i, n_fds = h->n_sockets;
	int timeout = wait_ms(h, next_ms), ready, watch = watched(h, n);
	int64_t before;

	memcpy(fds, h->socket, n_fds * sizeof(fds[0]));
	fds[n_fds].fd = watch;		/* poll skips a negative one */
	fds[n_fds].events = POLLIN | POLLRDHUP;
	fds[n_fds].revents = 0;
	before = timeout == 0 ? 0 : clock_mono_us();
	/* At the start there is nothing yet to look at. */
	ready = timeout == 0 && n_fds == 0 ? 0 :
	    poll(fds, n_fds + 1, timeout);
	if (timeout != 0)
		*waited_us += clock_mono_us() - before;
	if (ready > 0 && fds[n_fds].revents != 0) {
		abandon_all(h, n);
		return;
	}
	for (i = 0; ready > 0 && i < n_fds; i++) {
		if (fds[i].revents == 0)
			continue;
		act(h, fds[i].fd,
		    (fds[i].revents & (POLLIN | POLLHUP) ?
		    CURL_CSELECT_IN : 0) |
		    (fds[i].revents & POLLOUT ? CURL_CSELECT_OUT : 0) |
		    (fds[i].revents & (POLLERR | POLLNVAL) ?
		    CURL_CSELECT_ERR : 0));
	}
	if (h->curl_due_ms != -1 && (h->curl_due_ms == 0 ||
	    clock_mono_ms() >= h->curl_due_ms)) {
		h->curl_due_ms = -1;
		act(h, CURL_SOCKET_TIMEOUT, 0);
	}
	reap(h);
}

static bool
any_running(const struct httpc *h, size_t n)
{
	size_t i;

	for (i = 0; i < n; i++) {
		if (h->exchange[i]->running)
			return true;
	}
	return false;
}

void
httpc_perform_all(struct httpc *h, const struct httpc_request *req, size_t n,
    struct httpc_result *ret)
{
	int64_t waited_us = 0, now = clock_mono_ms();
	bool stale = h->used_ms != 0 &&
	    now - h->used_ms >= h->conf.keepalive_ms;
	size_t i;

	assert(n <= HTTPC_PARALLEL_MAX && h->pid == getpid());
	open_multi(h);
	for (i = 0; i < n; i++) {
		if (h->exchange[i] == NULL)
			h->exchange[i] = exchange_create(&h->conf);
		if (exchange_begin(h->exchange[i], &req[i], stale,
		    &ret[i]) == -1)
			continue;
		if (curl_multi_add_handle(h->multi, h->exchange[i]->easy) !=
		    CURLM_OK)
			fatalx("libcurl cannot begin");
		h->exchange[i]->running = true;
	}
	while (any_running(h, n)) {
		int64_t next_ms = check_all_times(h, n);

		if (any_running(h, n))
			step(h, n, next_ms, &waited_us);
	}
	h->used_ms = clock_mono_ms();
	for (i = 0; i < n; i++)
		ret[i].wait_us = waited_us;
}

void
httpc_perform(struct httpc *h, const struct httpc_request *req,
    struct httpc_result *ret)
{
	httpc_perform_all(h, req, 1, ret);
}

static const char *const error_names[] = {
	[HTTPC_DONE] = "done",
	[HTTPC_UNREACHABLE] = "unreachable",
	[HTTPC_CONNECT_TIMEOUT] = "connect_timeout",
	[HTTPC_TIMEOUT_FIRST] = "timeout_first_byte",
	[HTTPC_TIMEOUT_IDLE] = "timeout_idle",
	[HTTPC_TIMEOUT_TOTAL] = "timeout_total",
	[HTTPC_BROKEN] = "broken",
	[HTTPC_TOO_LARGE] = "too_large",
	[HTTPC_ABANDONED] = "abandoned",
	[HTTPC_STOPPED] = "stopped",
};

const char *
httpc_error_name(enum httpc_error error)
{
	assert((size_t)error < sizeof(error_names) / sizeof(error_names[0]));
	return error_names[error];
}
