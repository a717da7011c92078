/*
 * bridge: accepts on descriptor 0, relays bytes, starts the master.
 */
#include <sys/file.h>
#include <sys/socket.h>
#include <sys/wait.h>

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/log.h"
#include "base/xmalloc.h"
#include "proc/bridge.h"
#include "proc/sockets.h"

#define PIECE	16384

/* One direction of a connection. */
struct flow {
	int	 from, to;
	char	 piece[PIECE];
	size_t	 at, len;
	int	 done;		/* the end was passed on */
};

/* Moves what can be moved now; -1: the connection is broken. */
static int
flow_move(struct flow *f)
{
	ssize_t n;

	if (f->done)
		return 0;
	if (f->at == f->len) {
		n = recv(f->from, f->piece, PIECE, MSG_DONTWAIT);
		if (n == -1)
			return errno == EAGAIN || errno == EINTR ? 0 : -1;
		if (n == 0) {
			f->done = 1;
			(void)shutdown(f->to, SHUT_WR);
			return 0;
		}
		f->at = 0;
		f->len = (size_t)n;
	}
	n = send(f->to, f->piece + f->at, f->len - f->at,
	    MSG_DONTWAIT | MSG_NOSIGNAL);
	if (n == -1)
		return errno == EAGAIN || errno == EINTR ? 0 : -1;
	f->at += (size_t)n;
	return 0;
}

/* What a flow waits for, in the poll entries of its two ends. */
static void
flow_want(const struct flow *f, struct pollfd *from, struct pollfd *to)
{
	if (f->done)
		return;
	if (f->at == f->len)
		from->events |= POLLIN;
	else
		to->events |= POLLOUT;
}

static void
relay(int client, int master)
{
	static struct flow up, down;

	up = (struct flow){ .from = client, .to = master };
	down = (struct flow){ .from = master, .to = client };
	while (!down.done) {
		struct pollfd p[2] = { { .fd = client }, { .fd = master } };

		flow_want(&up, &p[0], &p[1]);
		flow_want(&down, &p[1], &p[0]);
		/* A master that has hung up is always "ready": nothing is
		 * asked of it while the web server takes its time. */
		if (p[1].events == 0)
			p[1].fd = -1;
		if (poll(p, 2, -1) == -1 && errno != EINTR)
			return;
		/* A web server that hangs up while we wait for the answer
		 * is passed on too: the request is abandoned. */
		if ((p[0].revents & (POLLERR | POLLHUP)) != 0 &&
		    (p[0].revents & POLLIN) == 0)
			return;
		if (flow_move(&up) != 0 || flow_move(&down) != 0)
			return;
	}
}

static int
start_master(const struct bridge_args *a)
{
	int status;
	pid_t pid = fork();

	if (pid == -1)
		return -1;
	if (pid == 0) {
		const char *argv[6] = { a->program, "--listen", a->listen };
		int null = open("/dev/null", O_RDWR);

		/* Descriptor 0 is the web server's socket, not its own; and
		 * it is no service of systemd, whatever the web server is:
		 * it returns when it is ready. */
		(void)dup2(null, 0);
		(void)unsetenv("INVOCATION_ID");
		if (a->env_file != NULL) {
			argv[3] = "--env";
			argv[4] = a->env_file;
		}
		(void)execv(a->program, (char *const *)argv);
		_exit(127);
	}
	/* It ends when the daemon is ready or has said why not. */
	while (waitpid(pid, &status, 0) == -1 && errno == EINTR)
		continue;
	return WIFEXITED(status) && WEXITSTATUS(status) == 0 ? 0 : -1;
}

static int
connect_master(const struct bridge_args *a)
{
	const char *path = a->listen + strlen("unix:");
	int fd = sockets_control_connect(path), lock;
	char *name;

	if (fd >= 0)
		return fd;
	name = xasprintf("%s.lock", path);
	lock = open(name, O_RDWR | O_CREAT | O_CLOEXEC, 0600);
	free(name);
	if (lock == -1 || flock(lock, LOCK_EX) == -1) {
		log_error("%s.lock", path);
		return -1;
	}
	/* Somebody else may have started it meanwhile. */
	fd = sockets_control_connect(path);
	if (fd == -1 && start_master(a) == 0)
		fd = sockets_control_connect(path);
	(void)close(lock);
	if (fd == -1)
		log_errorx("no plugwayd answers on %s and none could be "
		    "started", path);
	return fd;
}

int
bridge_run(const struct bridge_args *a)
{
	if (a->listen == NULL || strncmp(a->listen, "unix:", 5) != 0) {
		(void)fprintf(stderr, "plugwayd: --bridge needs --listen "
		    "unix:/path, the socket of the master\n");
		return 1;
	}
	if (!sockets_inherited()) {
		(void)fprintf(stderr, "plugwayd: --bridge is started by a "
		    "web server, with a listening socket on descriptor 0\n");
		return 1;
	}
	log_set_process("bridge");
	(void)signal(SIGPIPE, SIG_IGN);
	for (;;) {
		int client = accept4(0, NULL, NULL, SOCK_CLOEXEC), master;

		if (client == -1) {
			if (errno == EINTR || errno == ECONNABORTED)
				continue;
			log_error("accept");
			return 1;
		}
		master = connect_master(a);
		if (master >= 0) {
			relay(client, master);
			(void)close(master);
		}
		(void)close(client);
	}
}
