/*
 * log: where lines go, and the verbs.
 *
 * Any floor may call it, floors below http only at debug level.  It
 * must never block a request or end the process because of a log that
 * is full, slow or gone: such a line is dropped and counted.  The text
 * of a line is made by logline.c, on the stack.
 */
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <poll.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/uio.h>
#include <syslog.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/log.h"
#include "base/logline.h"
#include "base/xmalloc.h"

#define LINE_MAX_LEN	8192	/* bytes of a line in a file */

/* What the descriptor is decides how a write is kept from blocking. */
enum sink {
	SINK_FILE,		/* regular: one write, however long */
	SINK_STREAM,		/* pipe, terminal: poll first, one PIPE_BUF */
	SINK_SOCKET,		/* send() has a flag for it */
	SINK_SYSLOG
};

static const struct {
	const char	*name;
	int		 priority;	/* of syslog */
} level_row[LOG_LEVEL_MAX] = {
	[LOG_LEVEL_DEBUG] = { "debug", LOG_DEBUG },
	[LOG_LEVEL_INFO] = { "info", LOG_INFO },
	[LOG_LEVEL_WARN] = { "warn", LOG_WARNING },
	[LOG_LEVEL_ERROR] = { "error", LOG_ERR },
};

static struct {
	enum log_level	 level;
	enum log_format	 format;
	enum sink	 sink;
	int		 fd;
	char		*path;		/* NULL: stderr or syslog */
	bool		 torn;		/* the last line was cut by the disk */
	uint64_t	 dropped;
	char		 process[32];
	char		 request_id[65];
} state = {
	.level = LOG_LEVEL_INFO,
	.sink = SINK_STREAM,
	.fd = STDERR_FILENO,
	.process = "plugway",
};

static enum sink
sink_of(int fd)
{
	struct stat st;

	if (fstat(fd, &st) == -1)
		return SINK_STREAM;
	if (S_ISREG(st.st_mode))
		return SINK_FILE;
	return S_ISSOCK(st.st_mode) ? SINK_SOCKET : SINK_STREAM;
}

/* Keeps 0, 1 and 2 free of our file: one may be the listen socket. */
static int
above_stdio(int fd)
{
	int high;

	if (fd == -1 || fd > STDERR_FILENO)
		return fd;
	high = fcntl(fd, F_DUPFD_CLOEXEC, STDERR_FILENO + 1);
	(void)close(fd);
	return high;
}

/* O_NONBLOCK: a FIFO without a reader is an error, not a long wait. */
static int
open_path(const char *path)
{
	const int flags = O_WRONLY | O_APPEND | O_CLOEXEC | O_NONBLOCK |
	    O_NOCTTY;
	int fd = open(path, flags);

	/* Apart from the rest: who may only append is not refused. */
	if (fd == -1 && errno == ENOENT)
		fd = open(path, flags | O_CREAT, 0640);
	return above_stdio(fd);
}

/*
 * A pipe or terminal behind stderr is opened once more, so that it can
 * be non-blocking for us and stay as it is for those we share it with.
 */
static int
open_stderr(void)
{
	int fd = -1;

	if (sink_of(STDERR_FILENO) == SINK_STREAM)
		fd = above_stdio(open("/proc/self/fd/2", O_WRONLY |
		    O_APPEND | O_CLOEXEC | O_NONBLOCK | O_NOCTTY));
	return fd != -1 ? fd : STDERR_FILENO;
}

static void
use_fd(int fd)
{
	if (state.fd > STDERR_FILENO)
		(void)close(state.fd);
	state.fd = fd;
	state.sink = sink_of(fd);
	state.torn = false;
}

/* A reader that went away, or a file at its size limit, must not kill. */
static void
ignore_signal(int number)
{
	struct sigaction sa;

	if (sigaction(number, NULL, &sa) == -1 || sa.sa_handler != SIG_DFL)
		return;
	sa.sa_handler = SIG_IGN;
	(void)sigaction(number, &sa, NULL);
}

int
log_open(const struct log_conf *conf)
{
	bool to_syslog = strcmp(conf->target, "syslog") == 0;
	bool to_stderr = strcmp(conf->target, "stderr") == 0;
	int fd = STDERR_FILENO;

	if (to_stderr)
		fd = open_stderr();
	else if (!to_syslog && (fd = open_path(conf->target)) == -1)
		return -1;
	ignore_signal(SIGPIPE);
	ignore_signal(SIGXFSZ);
	free(state.path);
	state.path = to_stderr || to_syslog ? NULL : xstrdup(conf->target);
	use_fd(fd);
	if (to_syslog)
		state.sink = SINK_SYSLOG;
	state.level = conf->level;
	state.format = conf->format;
	return 0;
}

void
log_reopen(void)
{
	int fd;

	if (state.path == NULL)
		return;
	if ((fd = open_path(state.path)) == -1) {
		log_warn("cannot open the log %s again", state.path);
		return;
	}
	use_fd(fd);
}

void
log_set_process(const char *name)
{
	(void)snprintf(state.process, sizeof(state.process), "%s", name);
}

void
log_set_request(const char *request_id)
{
	(void)snprintf(state.request_id, sizeof(state.request_id), "%s",
	    request_id != NULL ? request_id : "");
}

uint64_t
log_dropped(void)
{
	return state.dropped;
}

bool
log_enabled(enum log_level level)
{
	return level >= state.level;
}

/* Would a write go through at once? */
static bool
is_writable(int fd)
{
	struct pollfd p = { .fd = fd, .events = POLLOUT };
	int r;

	do {
		r = poll(&p, 1, 0);
	} while (r == -1 && errno == EINTR);
	return r == 1 && (p.revents & (POLLERR | POLLNVAL)) == 0;
}

/*
 * One call for the whole line, because other processes write to the
 * same place.  A line the disk took only in part is ended by the next.
 */
static ssize_t
write_once(const char *line, size_t n)
{
	char newline[] = "\n";
	struct iovec iov[2] = {
		{ newline, state.torn ? 1 : 0 },
		{ (void *)(uintptr_t)line, n }
	};
	ssize_t r;

	do {
		if (state.sink == SINK_SOCKET)
			r = send(state.fd, line, n,
			    MSG_DONTWAIT | MSG_NOSIGNAL);
		else
			r = writev(state.fd, iov, 2);
	} while (r == -1 && errno == EINTR);
	return r > 0 && state.torn && state.sink != SINK_SOCKET ? r - 1 : r;
}

static void
write_line(const char *line, size_t n)
{
	ssize_t r;

	if (state.sink == SINK_STREAM && !is_writable(state.fd)) {
		state.dropped++;
		return;
	}
	r = write_once(line, n);
	if (r >= 0)
		state.torn = (size_t)r < n;
	if (r < 0 || (size_t)r < n)
		state.dropped++;
}

static void
write_syslog(enum log_level level, const struct logline *l)
{
	char line[LINE_MAX_LEN];
	size_t n;

	if (state.format == LOG_FORMAT_JSON)
		n = logline_json(l, line, sizeof(line)) - 1;
	else
		n = logline_short(l, line, sizeof(line));
	openlog(state.process, LOG_PID | LOG_NDELAY, LOG_DAEMON);
	syslog(level_row[level].priority, "%.*s", (int)n, line);
}

void
log_event(enum log_level level, const char *event,
    const struct log_field *field, size_t n)
{
	const struct logline l = {
		.wall_us = clock_wall_us(), .level = level_row[level].name,
		.process = state.process, .pid = (int)getpid(),
		.request_id = state.request_id, .message = event,
		.field = field, .n_fields = n
	};
	char line[LINE_MAX_LEN];
	size_t cap = state.sink == SINK_STREAM ? PIPE_BUF : sizeof(line);
	int saved_errno = errno;

	if (!log_enabled(level))
		return;
	if (state.sink == SINK_SYSLOG)
		write_syslog(level, &l);
	else if (state.format == LOG_FORMAT_JSON)
		write_line(line, logline_json(&l, line, cap));
	else
		write_line(line, logline_text(&l, line, cap));
	errno = saved_errno;
}

/* error_number 0: none is added. */
static void __attribute__((format(printf, 3, 0)))
log_text(enum log_level level, int error_number, const char *fmt,
    va_list ap)
{
	/* As long as a line: what is cut here is cut and marked there. */
	char text[LINE_MAX_LEN];
	int saved_errno = errno, n;

	if (!log_enabled(level))
		return;
	n = vsnprintf(text, sizeof(text), fmt, ap);
	if (n < 0)
		n = snprintf(text, sizeof(text), "unprintable message");
	if (error_number != 0 && (size_t)n < sizeof(text))
		(void)snprintf(text + n, sizeof(text) - (size_t)n, ": %s",
		    strerror(error_number));
	log_event(level, text, NULL, 0);
	errno = saved_errno;
}

void
log_debug(const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	log_text(LOG_LEVEL_DEBUG, 0, fmt, ap);
	va_end(ap);
}

void
log_info(const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	log_text(LOG_LEVEL_INFO, 0, fmt, ap);
	va_end(ap);
}

void
log_warn(const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	log_text(LOG_LEVEL_WARN, errno, fmt, ap);
	va_end(ap);
}

void
log_warnx(const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	log_text(LOG_LEVEL_WARN, 0, fmt, ap);
	va_end(ap);
}

void
log_error(const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	log_text(LOG_LEVEL_ERROR, errno, fmt, ap);
	va_end(ap);
}

void
log_errorx(const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	log_text(LOG_LEVEL_ERROR, 0, fmt, ap);
	va_end(ap);
}

void
fatal(const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	log_text(LOG_LEVEL_ERROR, errno, fmt, ap);
	va_end(ap);
	exit(1);
}

void
fatalx(const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	log_text(LOG_LEVEL_ERROR, 0, fmt, ap);
	va_end(ap);
	exit(1);
}
