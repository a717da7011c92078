/*
 * fcgi: the worker's side of FastCGI, over libfcgi.
 *
 * libfcgi parses records; when to accept, how long to wait and how to
 * close is decided here, because its own accept neither bounds a silent
 * peer nor chooses which worker wakes.  The fields of FCGX_Request used
 * for that (ipcFd, keepConnection, listen_sock, detached) are public in
 * fcgiapp.h; tests/system/test_fastcgi.py holds their behaviour.
 */
#include <sys/epoll.h>
#include <sys/socket.h>
#include <sys/time.h>

#include <assert.h>
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <fcgiapp.h>

#include "base/clock.h"
#include "base/log.h"
#include "base/secret.h"
#include "base/xmalloc.h"
#include "http/fcgi.h"

#define FCGI_HEADER_LEN		8
#define FCGI_VERSION		1
#define FCGI_TYPE_BEGIN		1

struct fcgi {
	struct fcgi_conf	 conf;
	int			 epoll_fd;
	FCGX_Request		 request;
	struct http_writer	 writer;
	bool			 open;		/* a request is being served */
	bool			 body_done;	/* read to its end */
	bool			 body_bad;
	int64_t			 body_wait_ms;	/* spent waiting for it */
	uint64_t		 body_bytes;
	bool			 broken;	/* a write failed */
};

/* The connection that the deadline timer cuts; read by the handler. */
static volatile sig_atomic_t deadline_fd = -1;

static void
deadline_passed(int sig)
{
	int saved = errno;

	(void)sig;
	if (deadline_fd >= 0)
		(void)shutdown((int)deadline_fd, SHUT_RDWR);
	errno = saved;
}

/* Cuts fd after ms; 0 disarms. */
static void
deadline_set(int fd, int ms)
{
	struct itimerval timer = { { 0, 0 }, { 0, 0 } };

	deadline_fd = ms > 0 ? fd : -1;
	timer.it_value.tv_sec = ms / 1000;
	timer.it_value.tv_usec = ms % 1000 * 1000;
	(void)setitimer(ITIMER_REAL, &timer, NULL);
}

void
fcgi_init(void)
{
	struct sigaction sa;

	if (FCGX_Init() != 0)
		fatalx("libfcgi cannot be initialised");
	/* libfcgi put handlers of its own in place. */
	memset(&sa, 0, sizeof(sa));
	sa.sa_handler = SIG_IGN;
	(void)sigaction(SIGPIPE, &sa, NULL);
	sa.sa_handler = SIG_DFL;
	(void)sigaction(SIGTERM, &sa, NULL);
	(void)sigaction(SIGUSR1, &sa, NULL);
}

static int
write_bytes(void *arg, const void *data, size_t len)
{
	struct fcgi *f = arg;
	const char *p = data;

	if (f->broken)
		return -1;
	while (len > 0) {
		int piece = len > 1 << 20 ? 1 << 20 : (int)len;

		if (FCGX_PutStr(p, piece, f->request.out) != piece) {
			f->broken = true;
			return -1;
		}
		p += piece;
		len -= (size_t)piece;
	}
	return 0;
}

static int
flush_bytes(void *arg)
{
	struct fcgi *f = arg;

	if (f->broken)
		return -1;
	if (FCGX_FFlush(f->request.out) != 0) {
		f->broken = true;
		return -1;
	}
	return 0;
}

/*
 * Waits for the next piece of the body: 1, 0 at the end, -1.  A byte
 * now and then would hold the worker for days, so the waits are added
 * up; what the upstream takes its time for is not among them.
 */
static int
fill_body(struct fcgi *f)
{
	FCGX_Stream *in = f->request.in;
	int64_t start = clock_mono_ms();
	int c = FCGX_GetChar(in);

	f->body_wait_ms += clock_mono_ms() - start;
	if (c == EOF && FCGX_GetError(in) == 0 && FCGX_HasSeenEOF(in) == EOF) {
		f->body_done = true;
		return 0;
	}
	if (c == EOF || f->body_wait_ms > f->conf.body_ms +
	    (int64_t)(f->body_bytes * 1000 / FCGI_BODY_RATE)) {
		f->body_bad = true;
		return -1;
	}
	(void)FCGX_UnGetChar(c, in);
	return 1;
}

/*
 * At most n bytes that are there now; waits only when there are none.
 * FCGX_GetStr would wait until all n have come.
 */
static ssize_t
read_bytes(void *arg, char *ret, size_t n)
{
	struct fcgi *f = arg;
	FCGX_Stream *in = f->request.in;
	size_t have;
	int rc;

	if (f->body_bad)
		return -1;
	if (f->body_done || n == 0)
		return 0;
	if (in->rdNext == in->stop && (rc = fill_body(f)) <= 0)
		return rc;
	have = (size_t)(in->stop - in->rdNext);
	if (have > n)
		have = n;
	memcpy(ret, in->rdNext, have);
	in->rdNext += have;
	f->body_bytes += have;
	return (ssize_t)have;
}

static int
watch_fd(void *arg)
{
	const struct fcgi *f = arg;

	return f->body_done ? f->request.ipcFd : -1;
}

struct fcgi *
fcgi_create(const struct fcgi_conf *conf)
{
	struct fcgi *f = xcalloc(1, sizeof(*f));
	struct epoll_event ev;
	struct sigaction sa;

	f->conf = *conf;
	if (FCGX_InitRequest(&f->request, -1, FCGI_FAIL_ACCEPT_ON_INTR) != 0)
		fatalx("libfcgi cannot make a request");
	f->request.ipcFd = -1;
	f->writer = (struct http_writer){ .arg = f, .write = write_bytes,
	    .flush = flush_bytes, .read = read_bytes, .watch_fd = watch_fd };
	f->epoll_fd = epoll_create1(EPOLL_CLOEXEC);
	if (f->epoll_fd == -1)
		fatal("epoll_create1");
	memset(&ev, 0, sizeof(ev));
	ev.events = EPOLLIN | EPOLLEXCLUSIVE;
	if (epoll_ctl(f->epoll_fd, EPOLL_CTL_ADD, conf->listen_fd, &ev) == -1)
		fatal("epoll_ctl on the listen socket");
	memset(&sa, 0, sizeof(sa));
	sa.sa_handler = deadline_passed;
	(void)sigaction(SIGALRM, &sa, NULL);
	return f;
}

void
fcgi_free(struct fcgi **pf)
{
	struct fcgi *f = *pf;

	if (f == NULL)
		return;
	if (f->request.ipcFd >= 0)
		FCGX_Free(&f->request, 1);
	(void)close(f->epoll_fd);
	free(f);
	*pf = NULL;
}

static void
set_timeout(int fd, int option, int ms)
{
	struct timeval tv = { ms / 1000, ms % 1000 * 1000 };

	(void)setsockopt(fd, SOL_SOCKET, option, &tv, sizeof(tv));
}

/*
 * A connection whose first bytes are not the beginning of a request is
 * closed before libfcgi sees it: silent peers and management records
 * never reach it.
 */
static bool
begins_well(const struct fcgi *f, int fd)
{
	unsigned char head[FCGI_HEADER_LEN];
	int64_t deadline = 0;

	for (;;) {
		ssize_t n = recv(fd, head, sizeof(head),
		    MSG_PEEK | MSG_DONTWAIT);
		int64_t now = clock_mono_ms();
		struct pollfd p = { .fd = fd, .events = POLLIN };
		int wait;

		if (n == sizeof(head))
			break;
		if (n == 0 || (n == -1 && errno != EAGAIN && errno != EINTR))
			return false;
		if (deadline == 0)
			deadline = now + f->conf.first_bytes_ms;
		if (now >= deadline)
			return false;
		/* Some bytes but not all: POLLIN is true at once, so look
		 * again a little later instead.  No more comes after a
		 * hang-up. */
		wait = n > 0 ? 5 : (int)(deadline - now);
		if (n > 0)
			p.events = POLLRDHUP;
		if (poll(&p, 1, wait) > 0 && n > 0)
			return false;
	}
	return head[0] == FCGI_VERSION && head[1] == FCGI_TYPE_BEGIN &&
	    (head[2] != 0 || head[3] != 0);
}

/* Accepts without waiting: the connection, or -1. */
static int
take_connection(struct fcgi *f)
{
	int fd;

	do
		fd = accept4(f->conf.listen_fd, NULL, NULL, SOCK_CLOEXEC);
	while (fd == -1 && errno == EINTR);
	if (fd == -1 && (errno == EMFILE || errno == ENFILE ||
	    errno == ENOMEM || errno == ENOBUFS)) {
		/* Nothing here can help; do not spin. */
		log_warn("accept");
		(void)poll(NULL, 0, 100);
		errno = ENFILE;
	}
	if (fd == -1)
		return -1;
	set_timeout(fd, SO_RCVTIMEO, f->conf.read_ms);
	set_timeout(fd, SO_SNDTIMEO, f->conf.write_ms);
	f->conf.taken(f->conf.arg);
	return fd;
}

static void
drop_connection(struct fcgi *f)
{
	f->request.keepConnection = 0;
	f->request.detached = 1;
	FCGX_Free(&f->request, 1);
	f->request.ipcFd = -1;
}

/* Lets libfcgi read the parameters from the connection in ipcFd. */
static int
read_params(struct fcgi *f)
{
	int rc;

	/* FCGX_Accept_r first finishes the previous request, which would
	 * close the connection unless it is marked as kept. */
	f->request.keepConnection = 1;
	f->request.listen_sock = -1;
	f->request.detached = 1;
	deadline_set(f->request.ipcFd, f->conf.head_ms);
	rc = FCGX_Accept_r(&f->request);
	deadline_set(-1, 0);
	if (rc < 0) {
		f->request.ipcFd = -1;
		return -1;
	}
	/* libfcgi takes a connection that ends between two records for the
	 * end of the parameters: half a request. */
	if (FCGX_GetError(f->request.in) != 0) {
		drop_connection(f);
		return -1;
	}
	f->open = true;
	f->body_done = f->body_bad = f->broken = false;
	f->body_wait_ms = 0;
	f->body_bytes = 0;
	return 1;
}

bool
fcgi_has_kept(const struct fcgi *f)
{
	return !f->open && f->request.ipcFd >= 0;
}

/*
 * A kept connection is idle: whichever speaks first is served.  When the
 * listen socket does, the kept one is given up, so that a server's idle
 * connection never keeps a worker from new ones.
 */
static int
next_kept(struct fcgi *f, const sigset_t *wait_mask, int timeout_ms)
{
	struct timespec ts = { timeout_ms / 1000,
	    timeout_ms % 1000 * 1000000L };
	struct pollfd p[2] = {
	    { .fd = f->request.ipcFd, .events = POLLIN },
	    { .fd = f->epoll_fd, .events = POLLIN },
	};
	int fd;

	if (ppoll(p, 2, timeout_ms < 0 ? NULL : &ts, wait_mask) <= 0)
		return 0;
	if (p[0].revents != 0) {
		char c;

		f->conf.taken(f->conf.arg);
		if (recv(f->request.ipcFd, &c, 1, MSG_PEEK | MSG_DONTWAIT) <= 0
		    || !begins_well(f, f->request.ipcFd)) {
			drop_connection(f);
			return 0;
		}
		return read_params(f);
	}
	fd = take_connection(f);
	if (fd == -1)
		return 0;
	drop_connection(f);
	if (!begins_well(f, fd)) {
		(void)close(fd);
		return -1;
	}
	f->request.ipcFd = fd;
	return read_params(f);
}

int
fcgi_next(struct fcgi *f, const sigset_t *wait_mask, int timeout_ms)
{
	struct epoll_event ev;
	int fd;

	assert(!f->open);
	if (fcgi_has_kept(f))
		return next_kept(f, wait_mask, timeout_ms);
	fd = take_connection(f);
	if (fd == -1 && errno == EAGAIN) {
		if (epoll_pwait(f->epoll_fd, &ev, 1, timeout_ms,
		    wait_mask) <= 0)
			return 0;
		fd = take_connection(f);
	}
	if (fd == -1)
		return 0;	/* somebody else was quicker */
	if (!begins_well(f, fd)) {
		(void)close(fd);
		return -1;
	}
	f->request.ipcFd = fd;
	return read_params(f);
}

char *const *
fcgi_params(const struct fcgi *f)
{
	return f->request.envp;
}

int
fcgi_params_check(const struct fcgi *f)
{
	size_t i, bytes = 0;

	for (i = 0; f->request.envp[i] != NULL; i++) {
		bytes += strlen(f->request.envp[i]);
		if (i >= FCGI_PARAMS_MAX || bytes > FCGI_PARAMS_BYTES_MAX)
			return -1;
	}
	return 0;
}

const struct http_writer *
fcgi_writer(struct fcgi *f)
{
	return &f->writer;
}

void
fcgi_drain(struct fcgi *f, uint64_t max, int ms)
{
	int64_t deadline = clock_mono_ms() + ms;
	char block[16384];
	ssize_t n;

	if (f->body_done || f->body_bad)
		return;
	set_timeout(f->request.ipcFd, SO_RCVTIMEO, ms);
	while (max > 0 && (n = read_bytes(f, block, sizeof(block))) > 0 &&
	    clock_mono_ms() < deadline)
		max -= (uint64_t)n < max ? (uint64_t)n : max;
	set_timeout(f->request.ipcFd, SO_RCVTIMEO, f->conf.read_ms);
}

/* Tokens came in them; libfcgi would free them as they are. */
static void
wipe_params(struct fcgi *f)
{
	char **p;

	for (p = f->request.envp; *p != NULL; p++)
		wipe(*p, strlen(*p));
}

void
fcgi_finish(struct fcgi *f, bool abort)
{
	bool keep = f->request.keepConnection != 0 && f->body_done && !abort &&
	    !f->broken;

	assert(f->open);
	/* Without the linger only when nothing is left to read: closing
	 * with unread input resets the connection, and the web server
	 * would lose the answer. */
	wipe_params(f);
	f->request.keepConnection = keep;
	f->request.detached = f->body_done || abort;
	/* Whoever does not read any more is not waited for again. */
	if (abort || f->broken)
		(void)shutdown(f->request.ipcFd, SHUT_RDWR);
	deadline_set(f->request.ipcFd, f->conf.write_ms);
	FCGX_Finish_r(&f->request);
	deadline_set(-1, 0);
	if (!keep)
		f->request.ipcFd = -1;
	f->open = false;
}
