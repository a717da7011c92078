/*
 * master: the list of steps from start to stop.
 *
 * Settings (in a child of their own), sockets, shared memory, keeper
 * ready, registrar ready, workers; then it watches.
 */
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/stat.h>

#include <errno.h>
#include <fcntl.h>
#include <libgen.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "api/settings.h"
#include "base/clock.h"
#include "base/log.h"
#include "base/secret.h"
#include "base/xmalloc.h"
#include "http/fcgi.h"
#include "net/httpc.h"
#include "proc/master.h"
#include "proc/control.h"
#include "proc/master_private.h"
#include "proc/sandbox.h"
#include "proc/signals.h"
#include "proc/sockets.h"
#include "proc/title.h"

#define TICK_MS		100
#define READY_MS	30000
#define FAULTS_MAX	65536

/* One line per fault, for whoever started us. */
static int
refuse(const struct buf *faults)
{
	char *copy = xstrdup(buf_str(faults)), *save = NULL, *line;

	for (line = strtok_r(copy, "\n", &save); line != NULL;
	    line = strtok_r(NULL, "\n", &save))
		(void)fprintf(stderr, "plugwayd: %s\n", line);
	free(copy);
	return 1;
}

static void
init_libraries(void)
{
	/* Before any fork: their tables are shared by all children. */
	secret_init();
	vault_init();
	fcgi_init();
	httpc_init();
}

static void
open_control(struct master *m)
{
	struct buf why = BUF_INIT(1024);
	char *dir;

	m->control_path = control_path_of(m->room.full);
	dir = xstrdup(m->control_path);
	(void)mkdir(dirname(dir), 0755);
	free(dir);
	m->control_fd = sockets_control(m->control_path, &why);
	if (m->control_fd == -1)
		log_warnx("plugwayctl cannot reach this plugwayd: %s (set "
		    "PLUGWAY_RUN_DIR to a directory of its own)",
		    buf_str(&why));
	buf_free(&why);
}

/* fd 0 to 2 are taken, so that nothing of ours becomes one of them:
 * whoever writes to stderr would write there. */
static void
settle_fds(void)
{
	int fd;

	do
		fd = open("/dev/null", O_RDWR);
	while (fd >= 0 && fd <= 2);
	if (fd == -1)
		fatal("/dev/null");
	(void)close(fd);
}

/* The socket that was handed over is held elsewhere by now. */
static void
leave_stdin(void)
{
	int fd = open("/dev/null", O_RDWR | O_CLOEXEC);

	if (fd == -1 || dup2(fd, 0) == -1)
		fatal("/dev/null");
	(void)close(fd);
}

/* The parent of a daemon ends when the daemon says how it went. */
static int
detach(void)
{
	int fds[2];
	char status = 1;
	pid_t pid;

	if (pipe2(fds, O_CLOEXEC) == -1)
		fatal("pipe");
	pid = fork();
	if (pid == -1)
		fatal("fork");
	if (pid > 0) {
		(void)close(fds[1]);
		if (read(fds[0], &status, 1) != 1)
			status = 1;
		_exit(status);
	}
	(void)close(fds[0]);
	(void)setsid();
	return fds[1];
}

/* Starts one process and waits until it works; what dies at once is
 * tried again, more and more slowly. */
static int
start_first(struct master *m, enum proc_role role)
{
	int64_t deadline = clock_mono_ms() + READY_MS;

	while (clock_mono_ms() < deadline && !signals_term && !signals_quit) {
		int row;

		if (clock_mono_ms() < m->brake[role].until_ms) {
			master_wait(m, 50);
			continue;
		}
		row = master_spawn(m, role);
		if (row >= 0 && master_wait_ready(m, row, READY_MS) == 0)
			return 0;
	}
	return -1;
}

static int
start_children(struct master *m, struct buf *faults)
{
	static const enum proc_role first[] = { PROC_KEEPER, PROC_REGISTRAR };
	size_t i;

	for (i = 0; i < sizeof(first) / sizeof(first[0]); i++)
		if (start_first(m, first[i]) != 0) {
			buf_printf(faults, "the %s did not start; see the "
			    "log\n", proc_role_name(first[i]));
			return -1;
		}
	master_maintain(m);
	return 0;
}

static void
stop(struct master *m)
{
	if (signals_quit || m->stopping) {
		/* At once, or asked twice. */
		master_signal_all(m, PROC_ROLE_MAX, 0, SIGQUIT);
		m->stopping = true;
		return;
	}
	log_info("stopping: requests in progress are finished");
	m->stopping = true;
	(void)close(m->h.listen_fd);
	m->h.listen_fd = -1;
	master_signal_all(m, PROC_WORKER, 0, SIGTERM);
	master_signal_all(m, PROC_REGISTRAR, 0, SIGTERM);
}

/* The keeper goes last: it writes the times of last use. */
static bool
stopped(struct master *m)
{
	if (!m->stopping)
		return false;
	if (master_count(m, PROC_WORKER) == 0 &&
	    master_count(m, PROC_REGISTRAR) == 0)
		master_signal_all(m, PROC_KEEPER, 0, SIGTERM);
	return master_count(m, PROC_ROLE_MAX) == 0;
}

static void
act_on_signals(struct master *m)
{
	struct buf faults = BUF_INIT(FAULTS_MAX);

	if (signals_term || signals_quit) {
		stop(m);
		signals_term = signals_quit = 0;
	}
	if (signals_hup) {
		signals_hup = 0;
		if (!m->stopping && master_reload(m, &faults) != 0)
			log_errorx("reload refused: %s", buf_str(&faults));
		else if (!m->stopping)
			log_info("reloaded: generation %u",
			    m->h.generation);
	}
	if (signals_usr1) {
		signals_usr1 = 0;
		log_reopen();
		master_log_open(m);
		master_signal_all(m, PROC_ROLE_MAX, 0, SIGUSR1);
	}
	if (signals_usr2) {
		signals_usr2 = 0;
		if (!m->stopping)
			master_replace(m);
	}
	buf_free(&faults);
}

static void
watch(struct master *m)
{
	while (!stopped(m)) {
		master_wait(m, TICK_MS);
		act_on_signals(m);
		master_serve_control(m);
		master_reap(m);
		master_maintain(m);
	}
}

static void
clean_up(struct master *m)
{
	if (m->control_fd >= 0)
		(void)unlink(m->control_path);
	if (sockets_listen_path() != NULL)
		(void)unlink(sockets_listen_path());
	log_info("stopped");
}

/* The file has every secret; whoever parses requests must not read it. */
static void
warn_readable(const struct master *m)
{
	struct stat st;
	const struct identity_ids *w = &m->ids.worker;
	bool bad;

	if (m->env_file == NULL || stat(m->env_file, &st) != 0)
		return;
	bad = (st.st_mode & S_IROTH) != 0;
	if (m->ids.drop)
		bad |= st.st_uid == w->uid || (st.st_gid == w->gid &&
		    (st.st_mode & S_IRGRP) != 0);
	if (bad)
		log_warnx("%s can be read by others than its owner, or by the "
		    "workers: give it to root, mode 0600", m->env_file);
}

static int
set_up(struct master *m, const struct master_args *a, struct buf *faults)
{
	const char *addr;

	if (master_configure(m, faults) != 0)
		return -1;
	addr = a->listen != NULL ? a->listen :
	    settings_str(m->room.full, SET_LISTEN);
	m->h.listen_fd = sockets_listen(addr,
	    (int)settings_int(m->room.full, SET_LISTEN_BACKLOG), faults);
	if (m->h.listen_fd == -1)
		return -1;
	/* The web server is in the workers' group, not in root's. */
	if (m->ids.drop && sockets_listen_path() != NULL &&
	    chown(sockets_listen_path(), (uid_t)-1, m->ids.worker.gid) != 0)
		log_warn("%s", sockets_listen_path());
	leave_stdin();
	title_init(a->argc, a->argv);
	title_set("master", "");
	log_set_process("master");
	master_log_open(m);
	return 0;
}

static void
no_cores(void)
{
	const struct rlimit none = { 0, 0 };

	(void)setrlimit(RLIMIT_CORE, &none);
	(void)prctl(PR_SET_DUMPABLE, 0);
}

/* For reloads: the arguments are overwritten, and a relative path would
 * mean something else elsewhere. */
static char *
absolute(const char *path)
{
	char *ret;

	if (path == NULL)
		return NULL;
	ret = realpath(path, NULL);
	return ret != NULL ? ret : xstrdup(path);
}

int
master_run(const struct master_args *a)
{
	static struct master m;
	struct buf faults = BUF_INIT(FAULTS_MAX);

	settle_fds();
	m.notify_fd = -1;
	/* Whoever handed a socket over watches this process itself. */
	if (!a->check && !a->foreground && !sockets_inherited() &&
	    getenv("INVOCATION_ID") == NULL)
		m.notify_fd = detach();
	no_cores();
	m.env_file = absolute(a->env_file);
	m.program = absolute("/proc/self/exe");
	m.listen = a->listen != NULL ? xstrdup(a->listen) : NULL;
	m.control_fd = m.client_fd = -1;
	m.started_ms = clock_mono_ms();
	strongroom_init(&m.room);
	if (a->check) {
		if (loader_load(&m.room, a->env_file, true, &faults) != 0)
			return refuse(&faults);
		(void)printf("plugwayd: the configuration is good\n");
		return 0;
	}
	init_libraries();
	if (set_up(&m, a, &faults) != 0)
		return refuse(&faults);
	signals_init_master(&m.wait_mask);
	open_control(&m);
	(void)umask(027);
	warn_readable(&m);
	log_info("plugwayd " PLUGWAY_VERSION " starts");
	sandbox_probe();
	if (start_children(&m, &faults) != 0) {
		master_signal_all(&m, PROC_ROLE_MAX, 0, SIGKILL);
		clean_up(&m);
		return refuse(&faults);
	}
	if (m.notify_fd >= 0) {
		if (write(m.notify_fd, "", 1) != 1)
			log_debug("nobody waits for the start");
		(void)close(m.notify_fd);
		m.notify_fd = -1;
	}
	log_info("ready: %u to %u workers", m.scale.min, m.scale.max);
	watch(&m);
	clean_up(&m);
	return 0;
}
