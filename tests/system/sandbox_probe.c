/*
 * sandbox_probe: does one thing inside the sandbox of a role and says
 * how it went: sandbox_probe ROLE WHAT PATH.
 *
 * Prints the name of the error, or "ok".  A call that kills the process
 * kills it with SIGSYS.  Exits 77 where there is no filter.  PATH is a
 * file that the caller may write to.  Called by test_hardening.py.
 */
#include <sys/mman.h>
#include <sys/mount.h>
#include <sys/prctl.h>
#include <sys/ptrace.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/uio.h>

#include <errno.h>
#include <fcntl.h>
#include <netdb.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/xmalloc.h"
#include "proc/sandbox.h"

#define LOG_FLAGS	(O_WRONLY | O_APPEND | O_CLOEXEC | O_NONBLOCK | \
			    O_NOCTTY)

static const char *path, *other;

static int
open_it(int flags)
{
	return open(path, flags, 0600);
}

static int try_read(void) { return open_it(O_RDONLY); }
static int try_append(void) { return open_it(LOG_FLAGS); }
static int try_append_create(void) { return open_it(LOG_FLAGS | O_CREAT); }
static int try_write(void) { return open_it(O_WRONLY); }
static int try_read_write(void) { return open_it(O_RDWR); }
static int try_cut(void) { return open_it(LOG_FLAGS | O_TRUNC); }
static int try_read_cut(void) { return open_it(O_RDONLY | O_TRUNC); }
static int try_create(void) { return open(other, O_RDONLY | O_CREAT, 0600); }
static int try_tmpfile(void) { return open("/tmp", O_TMPFILE | O_RDWR, 0600); }
static int try_creat(void) { return (int)syscall(SYS_creat, path, 0600); }
static int try_truncate(void) { return truncate(path, 0); }
static int try_unlink(void) { return unlink(path); }
static int try_rename(void) { return rename(path, other); }
static int try_link(void) { return link(path, other); }
static int try_symlink(void) { return symlink(path, other); }
static int try_mkdir(void) { return mkdir(other, 0700); }
static int try_chmod(void) { return chmod(path, 0777); }
static int try_chown(void) { return chown(path, getuid(), getgid()); }
static int try_memfd(void) { return (int)syscall(SYS_memfd_create, "x", 0); }

static int
try_ftruncate(void)
{
	int fd = open_it(LOG_FLAGS);

	return fd == -1 ? 0 : ftruncate(fd, 0);
}

static int
try_exec(void)
{
	char *argv[] = { NULL, NULL };

	return execve("/bin/true", argv, argv);
}

static int
try_execveat(void)
{
	int fd = open("/bin/true", O_RDONLY | O_CLOEXEC);
	char *argv[] = { NULL, NULL };

	return (int)syscall(SYS_execveat, fd, "", argv, argv, AT_EMPTY_PATH);
}

static int
try_fork(void)
{
	pid_t pid = fork();

	if (pid == 0)
		_exit(0);
	return pid == -1 ? -1 : 0;
}

static int try_vfork(void) { return (int)syscall(SYS_vfork); }
static int try_raw_fork(void) { return (int)syscall(SYS_fork); }
static int try_ptrace(void)
{
	return (int)ptrace(PTRACE_ATTACH, getppid(), NULL, NULL);
}
static int try_traceme(void)
{
	return (int)ptrace(PTRACE_TRACEME, 0, NULL, NULL);
}
static int try_kill_parent(void) { return kill(getppid(), 0); }
static int try_kill_all(void) { return kill(-1, 0); }
static int try_kill_self(void) { return kill(getpid(), 0); }
static int try_setuid(void) { return (int)syscall(SYS_setuid, getuid()); }
static int try_setgid(void) { return (int)syscall(SYS_setgid, getgid()); }
static int try_dumpable(void) { return prctl(PR_SET_DUMPABLE, 1); }
static int try_rename_self(void) { return prctl(PR_SET_NAME, "x"); }
static int try_listen(void)
{
	return listen(socket(AF_INET, SOCK_STREAM, 0), 1);
}
static int try_raw_socket(void) { return socket(AF_PACKET, SOCK_RAW, 0); }
static int try_audit_socket(void)
{
	return socket(AF_NETLINK, SOCK_RAW, 9);
}
static int try_accept(void) { return accept4(0, NULL, NULL, 0); }
static int try_pidfd(void) { return (int)syscall(SYS_pidfd_open, getpid(), 0); }

static int
try_limit(void)
{
	struct rlimit limit;

	if (getrlimit(RLIMIT_CORE, &limit) == -1)
		return 0;
	return setrlimit(RLIMIT_CORE, &limit);
}

static int
map(int protection)
{
	return mmap(NULL, 4096, protection, MAP_PRIVATE | MAP_ANONYMOUS, -1,
	    0) == MAP_FAILED ? -1 : 0;
}

static int try_map_code(void)
{
	return map(PROT_READ | PROT_WRITE | PROT_EXEC);
}
static int try_map_data(void) { return map(PROT_READ | PROT_WRITE); }

static int
try_make_code(void)
{
	void *p = mmap(NULL, 4096, PROT_READ | PROT_WRITE,
	    MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	return p == MAP_FAILED ? 0 : mprotect(p, 4096, PROT_READ | PROT_EXEC);
}

static void *
thread(void *arg)
{
	return arg;
}

static int
try_thread(void)
{
	pthread_t t;

	errno = pthread_create(&t, NULL, thread, NULL);
	return errno != 0 ? -1 : pthread_join(t, NULL);
}

static int
try_resolve(void)
{
	struct addrinfo hints = { .ai_socktype = SOCK_STREAM }, *list = NULL;
	int rc = getaddrinfo("localhost", "80", &hints, &list);

	if (rc == 0)
		freeaddrinfo(list);
	errno = EHOSTUNREACH;
	return rc == 0 ? 0 : -1;
}

static int
try_peek(void)
{
	char byte;
	struct iovec to = { &byte, 1 }, from = { (void *)(uintptr_t)&path, 1 };

	return (int)process_vm_readv(getppid(), &to, 1, &from, 1, 0);
}

static int try_mount(void) { return mount("none", "/mnt", "tmpfs", 0, ""); }
static int try_unshare(void) { return (int)syscall(SYS_unshare, 0); }
static int try_bpf(void) { return (int)syscall(SYS_bpf, 0, NULL, 0); }
static int try_uring(void) { return (int)syscall(SYS_io_uring_setup, 1, NULL); }

static const struct {
	const char	*name;
	int		(*run)(void);	/* -1 with errno */
} trials[] = {
	{ "read", try_read }, { "append", try_append },
	{ "append_create", try_append_create }, { "write", try_write },
	{ "read_write", try_read_write }, { "cut", try_cut },
	{ "read_cut", try_read_cut }, { "create", try_create },
	{ "tmpfile", try_tmpfile }, { "creat", try_creat },
	{ "truncate", try_truncate }, { "ftruncate", try_ftruncate },
	{ "unlink", try_unlink }, { "rename", try_rename },
	{ "link", try_link }, { "symlink", try_symlink },
	{ "mkdir", try_mkdir }, { "chmod", try_chmod },
	{ "chown", try_chown }, { "memfd", try_memfd },
	{ "exec", try_exec }, { "execveat", try_execveat },
	{ "fork", try_fork }, { "vfork", try_vfork },
	{ "raw_fork", try_raw_fork }, { "ptrace", try_ptrace },
	{ "traceme", try_traceme }, { "kill_parent", try_kill_parent },
	{ "kill_all", try_kill_all }, { "kill_self", try_kill_self },
	{ "setuid", try_setuid }, { "setgid", try_setgid },
	{ "dumpable", try_dumpable }, { "rename_self", try_rename_self },
	{ "listen", try_listen }, { "raw_socket", try_raw_socket },
	{ "audit_socket", try_audit_socket }, { "accept", try_accept },
	{ "pidfd", try_pidfd }, { "limit", try_limit },
	{ "map_code", try_map_code }, { "map_data", try_map_data },
	{ "make_code", try_make_code }, { "thread", try_thread },
	{ "resolve", try_resolve }, { "peek", try_peek },
	{ "mount", try_mount }, { "unshare", try_unshare },
	{ "bpf", try_bpf }, { "uring", try_uring },
};

static void
enter(const char *name)
{
	int role;

	for (role = 0; role < PROC_ROLE_MAX; role++)
		if (strcmp(proc_role_name((enum proc_role)role), name) == 0)
			break;
	if (role == PROC_ROLE_MAX)
		exit(2);
	if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) != 0)
		exit(2);
	sandbox_enter((enum proc_role)role);
	if (prctl(PR_GET_SECCOMP) == 0)
		exit(77);
}

int
main(int argc, char **argv)
{
	size_t i;

	if (argc != 4)
		return 2;
	path = argv[3];
	other = xasprintf("%s.other", path);
	enter(argv[1]);
	for (i = 0; i < sizeof(trials) / sizeof(trials[0]); i++) {
		if (strcmp(trials[i].name, argv[2]) != 0)
			continue;
		errno = 0;
		(void)printf("%s\n", trials[i].run() == -1 ?
		    strerrorname_np(errno) : "ok");
		(void)fflush(stdout);
		_exit(0);
	}
	return 2;
}
