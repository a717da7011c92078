/*
 * master_replace: the program starts anew from its file (USR2).
 *
 * The process stays, and with it whoever watches it; so does the
 * listening socket, on descriptor 0.  The new program first shows in a
 * process of its own that it can start with the configuration.  Old
 * workers finish what they do: they remain children of this process.
 * Between the two programs nobody accepts; connections wait.
 */
#include <sys/wait.h>

#include <errno.h>
#include <fcntl.h>
#include <spawn.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/log.h"
#include "base/xmalloc.h"
#include "proc/master_private.h"
#include "proc/sockets.h"

/* What most requests take: the keeper goes when they had its answers. */
#define GRACE_MS	1000
#define ARGS_MAX	8

/* The environment as it was handed over; the strings lie in memory that
 * no child gets, but exec copies them. */
static char **
make_env(const struct master *m)
{
	char **env = xcalloc(m->room.env_len + 2, sizeof(*env));
	size_t at, n = 0;

	for (at = 0; at < m->room.env_len; at += strlen(m->room.env + at) + 1)
		if (strcmp(m->room.env + at, SOCKETS_OWNED) != 0)
			env[n++] = m->room.env + at;
	if (sockets_listen_path() != NULL)
		env[n++] = (char *)(uintptr_t)SOCKETS_OWNED;
	return env;
}

static void
make_args(const struct master *m, const char *more, const char **ret)
{
	size_t n = 0;

	ret[n++] = "plugwayd";
	if (m->env_file != NULL) {
		ret[n++] = "--env";
		ret[n++] = m->env_file;
	}
	if (m->listen != NULL) {
		ret[n++] = "--listen";
		ret[n++] = m->listen;
	}
	ret[n++] = more;
	ret[n] = NULL;
}

/* The new program looks at the configuration; what it has to say goes
 * to our stderr.  0, or -1. */
static int
try_out(const struct master *m, char **env)
{
	const char *args[ARGS_MAX];
	posix_spawnattr_t attr;
	sigset_t none;
	pid_t pid;
	int status = -1, rc;

	make_args(m, "--check", args);
	(void)sigemptyset(&none);
	(void)posix_spawnattr_init(&attr);
	(void)posix_spawnattr_setsigmask(&attr, &none);
	(void)posix_spawnattr_setflags(&attr, POSIX_SPAWN_SETSIGMASK);
	rc = posix_spawn(&pid, m->program, NULL, &attr,
	    (char *const *)(uintptr_t)args, env);
	(void)posix_spawnattr_destroy(&attr);
	if (rc != 0) {
		errno = rc;
		log_error("%s", m->program);
		return -1;
	}
	while (waitpid(pid, &status, 0) == -1 && errno == EINTR)
		continue;
	if (WIFEXITED(status) && WEXITSTATUS(status) == 0)
		return 0;
	log_errorx("%s does not start with this configuration: the running "
	    "program stays", m->program);
	return -1;
}

/* Workers that do not stream are soon done. */
static bool
some_are_busy(const struct master *m)
{
	size_t i;

	for (i = 0; i < m->n_rows; i++)
		if (m->child[i].pid != 0 && m->child[i].role == PROC_WORKER &&
		    __atomic_load_n(&scoreboard_row(m->h.scores,
		    i)->streaming, __ATOMIC_RELAXED) == 0)
			return true;
	return false;
}

static void
retire_children(struct master *m)
{
	int64_t deadline = clock_mono_ms() + GRACE_MS;

	master_signal_all(m, PROC_WORKER, 0, SIGTERM);
	while (some_are_busy(m) && clock_mono_ms() < deadline)
		master_wait(m, 20);
	master_signal_all(m, PROC_REGISTRAR, 0, SIGTERM);
	master_signal_all(m, PROC_KEEPER, 0, SIGTERM);
}

void
master_replace(struct master *m)
{
	const char *args[ARGS_MAX];
	char **env = make_env(m);
	int null;

	if (try_out(m, env) == 0) {
		log_info("the program is replaced: %s", m->program);
		retire_children(m);
		make_args(m, NULL, args);
		if (dup2(m->h.listen_fd, 0) == 0)
			(void)execve(m->program,
			    (char *const *)(uintptr_t)args, env);
		/* The master goes on: it starts what is missing. */
		log_error("%s", m->program);
		null = open("/dev/null", O_RDWR | O_CLOEXEC);
		if (null == -1 || dup2(null, 0) == -1)
			fatal("/dev/null");
		(void)close(null);
	}
	free(env);
}
