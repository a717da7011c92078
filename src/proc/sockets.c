/*
 * sockets: inherits or opens the listening sockets; master only.
 */
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>

#include <errno.h>
#include <fcntl.h>
#include <netdb.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/codec.h"
#include "base/log.h"
#include "proc/sockets.h"

#define SYSTEMD_FIRST_FD	3
#define UNIX_PATH_MAX	(sizeof(((struct sockaddr_un *)0)->sun_path) - 1)

static char listen_path[UNIX_PATH_MAX + 1];

const char *
sockets_listen_path(void)
{
	return listen_path[0] != '\0' ? listen_path : NULL;
}

static bool
is_listening(int fd)
{
	int on = 0;
	socklen_t len = sizeof(on);

	return getsockopt(fd, SOL_SOCKET, SO_ACCEPTCONN, &on, &len) == 0 &&
	    on != 0;
}

/* The first socket from systemd (sd_listen_fds(3)), or -1. */
static int
from_systemd(void)
{
	const char *pid = getenv("LISTEN_PID"), *n = getenv("LISTEN_FDS");
	int64_t value;

	if (pid == NULL || n == NULL ||
	    parse_int(pid, 1, INT32_MAX, &value) != 0 ||
	    value != (int64_t)getpid() ||
	    parse_int(n, 1, 1024, &value) != 0)
		return -1;
	return is_listening(SYSTEMD_FIRST_FD) ? SYSTEMD_FIRST_FD : -1;
}

bool
sockets_inherited(void)
{
	return is_listening(0) || from_systemd() >= 0;
}

static int
unix_address(const char *path, struct sockaddr_un *ret, struct buf *why)
{
	memset(ret, 0, sizeof(*ret));
	ret->sun_family = AF_UNIX;
	if (strlen(path) > UNIX_PATH_MAX || *path == '\0') {
		buf_printf(why, "%s: the path of a socket has 1 to %zu bytes",
		    path, UNIX_PATH_MAX);
		return -1;
	}
	memcpy(ret->sun_path, path, strlen(path));
	return 0;
}

/* Somebody listens there?  A socket file nobody listens on is removed. */
static int
clear_stale(const struct sockaddr_un *sun, struct buf *why)
{
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
	struct stat st;
	int rc = 0;

	if (lstat(sun->sun_path, &st) == -1) {
		(void)close(fd);
		return 0;
	}
	if (!S_ISSOCK(st.st_mode)) {
		buf_printf(why, "%s exists and is not a socket",
		    sun->sun_path);
		rc = -1;
	} else if (connect(fd, (const struct sockaddr *)sun,
	    sizeof(*sun)) == 0) {
		buf_printf(why, "%s is in use by a running program",
		    sun->sun_path);
		rc = -1;
	} else
		(void)unlink(sun->sun_path);
	(void)close(fd);
	return rc;
}

static int
open_unix(const char *path, mode_t mode, struct buf *why)
{
	struct sockaddr_un sun;
	mode_t old;
	int fd, rc;

	if (unix_address(path, &sun, why) != 0 || clear_stale(&sun, why) != 0)
		return -1;
	fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
	if (fd == -1)
		fatal("socket");
	old = umask(0777 & ~mode);
	rc = bind(fd, (struct sockaddr *)&sun, sizeof(sun));
	(void)umask(old);
	if (rc == -1) {
		buf_printf(why, "%s: %s", path, strerror(errno));
		(void)close(fd);
		return -1;
	}
	return fd;
}

static int
open_tcp(const char *addr, struct buf *why)
{
	struct addrinfo hints = { .ai_socktype = SOCK_STREAM,
	    .ai_flags = AI_PASSIVE | AI_NUMERICHOST | AI_NUMERICSERV };
	struct addrinfo *res = NULL;
	const char *colon = strrchr(addr, ':');
	char host[64];
	int fd = -1, on = 1, rc;
	size_t n;

	if (colon == NULL || colon == addr ||
	    (n = (size_t)(colon - addr)) >= sizeof(host)) {
		buf_printf(why, "%s: an address is unix:/path or "
		    "127.0.0.1:9000", addr);
		return -1;
	}
	memcpy(host, addr, n);
	host[n] = '\0';
	if (host[0] == '[' && host[n - 1] == ']') {
		host[n - 1] = '\0';
		memmove(host, host + 1, n - 1);
	}
	rc = getaddrinfo(host, colon + 1, &hints, &res);
	if (rc != 0) {
		buf_printf(why, "%s: %s", addr, gai_strerror(rc));
		return -1;
	}
	fd = socket(res->ai_family, SOCK_STREAM | SOCK_CLOEXEC, 0);
	if (fd == -1)
		fatal("socket");
	(void)setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof(on));
	if (bind(fd, res->ai_addr, res->ai_addrlen) == -1) {
		buf_printf(why, "%s: %s", addr, strerror(errno));
		(void)close(fd);
		fd = -1;
	}
	freeaddrinfo(res);
	return fd;
}

static void
warn_backlog(int backlog)
{
	FILE *f = fopen("/proc/sys/net/core/somaxconn", "re");
	int max = 0;

	if (f == NULL)
		return;
	if (fscanf(f, "%d", &max) == 1 && max < backlog)
		log_warnx("net.core.somaxconn is %d: at most that many "
		    "connections wait, not PLUGWAY_LISTEN_BACKLOG=%d", max,
		    backlog);
	(void)fclose(f);
}

/* The file of "unix:/path" is ours to remove. */
static void
own_path(const char *addr)
{
	if (addr != NULL && strncmp(addr, "unix:", 5) == 0 &&
	    strlen(addr + 5) <= UNIX_PATH_MAX)
		(void)strcpy(listen_path, addr + 5);
}

int
sockets_listen(const char *addr, int backlog, struct buf *why)
{
	int fd = -1, inherited = is_listening(0) ? 0 : from_systemd();

	if (inherited >= 0) {
		fd = fcntl(inherited, F_DUPFD_CLOEXEC, 3);
		if (inherited != 0)
			(void)close(inherited);
		else if (getenv("PLUGWAYD_SOCKET_OWNED") != NULL)
			own_path(addr);
	} else if (addr != NULL && strncmp(addr, "unix:", 5) == 0) {
		fd = open_unix(addr + 5, 0660, why);
		if (fd >= 0)
			own_path(addr);
	} else if (addr != NULL)
		fd = open_tcp(addr, why);
	else
		buf_puts(why, "there is no socket to listen on: start under "
		    "spawn-fcgi, or give --listen unix:/path or "
		    "--listen 127.0.0.1:9000");
	if (fd == -1)
		return -1;
	if (listen(fd, backlog) == -1) {
		buf_printf(why, "listen: %s", strerror(errno));
		return -1;
	}
	(void)fcntl(fd, F_SETFL, fcntl(fd, F_GETFL) | O_NONBLOCK);
	warn_backlog(backlog);
	return fd;
}

int
sockets_control(const char *path, struct buf *why)
{
	int fd = open_unix(path, 0600, why);

	if (fd == -1)
		return -1;
	if (listen(fd, 16) == -1) {
		buf_printf(why, "listen: %s", strerror(errno));
		(void)close(fd);
		return -1;
	}
	(void)fcntl(fd, F_SETFL, fcntl(fd, F_GETFL) | O_NONBLOCK);
	return fd;
}

int
sockets_control_connect(const char *path)
{
	struct buf why = BUF_INIT(512);
	struct sockaddr_un sun;
	int fd, saved;

	if (unix_address(path, &sun, &why) != 0) {
		buf_free(&why);
		errno = ENAMETOOLONG;
		return -1;
	}
	fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
	if (fd == -1 || connect(fd, (struct sockaddr *)&sun,
	    sizeof(sun)) == 0)
		return fd;
	saved = errno;
	(void)close(fd);
	errno = saved;
	return -1;
}
