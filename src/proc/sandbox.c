/*
 * sandbox: the filters of the three roles.
 *
 * Each is a list of what the role needs, and all else is refused with
 * EPERM: a library that tries something new fails in that call, not
 * with its process.  What no library would ever try kills the process,
 * which the master tells.  Called last by worker, keeper and registrar;
 * the master has no filter: it must fork, bind and change users.
 */
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/syscall.h>

#include <errno.h>
#include <fcntl.h>
#include <linux/netlink.h>
#include <linux/seccomp.h>
#include <sched.h>
#include <seccomp.h>
#include <stdint.h>
#include <unistd.h>

#include "base/log.h"
#include "proc/sandbox.h"

/* A sanitizer's own machinery (symbols, shadow memory) does what a
 * filter is there to refuse. */
#if defined(__SANITIZE_ADDRESS__)
#define SANITIZED	1
#elif defined(__has_feature)
#if __has_feature(address_sanitizer)
#define SANITIZED	1
#endif
#endif
#ifndef SANITIZED
#define SANITIZED	0
#endif

#define WORKER		(1u << PROC_WORKER)
#define ALL		(1u << PROC_WORKER | 1u << PROC_KEEPER | \
			    1u << PROC_REGISTRAR)
#define NR(name)	SCMP_SYS(name)

/* Whatever the arguments. */
static const struct {
	int		 nr;
	unsigned	 roles;
} plain[] = {
	/* What is open already. */
	{ NR(read), ALL }, { NR(readv), ALL }, { NR(pread64), ALL },
	{ NR(write), ALL }, { NR(writev), ALL }, { NR(close), ALL },
	{ NR(lseek), ALL }, { NR(dup), ALL }, { NR(dup2), ALL },
	{ NR(dup3), ALL }, { NR(fcntl), ALL }, { NR(fadvise64), ALL },
	/* Looking at files. */
	{ NR(fstat), ALL }, { NR(stat), ALL }, { NR(lstat), ALL },
	{ NR(newfstatat), ALL }, { NR(statx), ALL }, { NR(access), ALL },
	{ NR(faccessat), ALL }, { NR(readlink), ALL },
	{ NR(readlinkat), ALL }, { NR(getcwd), ALL },
	{ NR(getdents64), ALL }, { NR(statfs), ALL }, { NR(fstatfs), ALL },
	/* Waiting. */
	{ NR(poll), ALL }, { NR(ppoll), ALL }, { NR(select), ALL },
	{ NR(pselect6), ALL }, { NR(epoll_create1), ALL },
	{ NR(epoll_ctl), ALL }, { NR(epoll_wait), ALL },
	{ NR(epoll_pwait), ALL }, { NR(eventfd2), ALL }, { NR(pipe), ALL },
	{ NR(pipe2), ALL }, { NR(nanosleep), ALL },
	{ NR(clock_nanosleep), ALL }, { NR(setitimer), ALL },
	/* Sockets; which kinds is below. */
	{ NR(connect), ALL }, { NR(bind), ALL }, { NR(socketpair), ALL },
	{ NR(sendto), ALL }, { NR(sendmsg), ALL }, { NR(sendmmsg), ALL },
	{ NR(recvfrom), ALL }, { NR(recvmsg), ALL }, { NR(recvmmsg), ALL },
	{ NR(shutdown), ALL }, { NR(getsockname), ALL },
	{ NR(getpeername), ALL }, { NR(getsockopt), ALL },
	{ NR(setsockopt), ALL },
	{ NR(accept), WORKER }, { NR(accept4), WORKER },
	/* Memory; what may be executed is below. */
	{ NR(brk), ALL }, { NR(munmap), ALL }, { NR(mremap), ALL },
	{ NR(madvise), ALL }, { NR(mlock), ALL }, { NR(munlock), ALL },
	{ NR(membarrier), ALL },
	/* Threads, which libcurl starts to look names up. */
	{ NR(futex), ALL }, { NR(set_robust_list), ALL }, { NR(rseq), ALL },
	{ NR(sched_yield), ALL }, { NR(sched_getaffinity), ALL },
	{ NR(set_tid_address), ALL }, { NR(gettid), ALL },
	/* Signals to itself; sending them is below. */
	{ NR(rt_sigaction), ALL }, { NR(rt_sigprocmask), ALL },
	{ NR(rt_sigreturn), ALL }, { NR(rt_sigpending), ALL },
	{ NR(rt_sigsuspend), ALL }, { NR(rt_sigtimedwait), ALL },
	{ NR(sigaltstack), ALL }, { NR(restart_syscall), ALL },
	/* Who and when. */
	{ NR(getpid), ALL }, { NR(getppid), ALL }, { NR(getuid), ALL },
	{ NR(geteuid), ALL }, { NR(getgid), ALL }, { NR(getegid), ALL },
	{ NR(getrandom), ALL }, { NR(uname), ALL }, { NR(sysinfo), ALL },
	{ NR(clock_gettime), ALL }, { NR(clock_getres), ALL },
	{ NR(gettimeofday), ALL }, { NR(time), ALL }, { NR(times), ALL },
	{ NR(getrusage), ALL }, { NR(getrlimit), ALL },
	{ NR(exit), ALL }, { NR(exit_group), ALL },
};

/* Nothing we are linked with calls these: somebody else does. */
static const int deadly[] = {
	NR(process_vm_readv), NR(process_vm_writev), NR(mount), NR(umount2),
	NR(pivot_root), NR(chroot), NR(setns), NR(unshare), NR(bpf),
	NR(perf_event_open), NR(userfaultfd), NR(init_module),
	NR(finit_module), NR(delete_module), NR(kexec_load), NR(reboot),
	NR(swapon), NR(swapoff), NR(keyctl), NR(add_key), NR(request_key),
	NR(io_uring_setup), NR(modify_ldt), NR(personality), NR(acct),
	NR(quotactl), NR(open_by_handle_at), NR(fanotify_init),
	NR(pidfd_getfd), NR(kcmp), NR(iopl), NR(ioperm),
};

/* glibc tries these first and knows older ones, whose arguments a
 * filter can see. */
static const int absent[] = {
	NR(clone3), NR(openat2), NR(faccessat2), NR(epoll_pwait2),
	NR(close_range),
};

#define WRITE_BITS	(O_ACCMODE | O_CREAT | O_TRUNC | \
			    (O_TMPFILE & ~O_DIRECTORY))
/* A log that was rotated: base/log opens it so, and only appends. */
#define LOG_FLAGS	(O_WRONLY | O_APPEND | O_CLOEXEC | O_NONBLOCK | \
			    O_NOCTTY)
#define NEW_SPACES	(CLONE_NEWNS | CLONE_NEWUTS | CLONE_NEWIPC | \
			    CLONE_NEWUSER | CLONE_NEWPID | CLONE_NEWNET | \
			    CLONE_NEWCGROUP)
#define INT_BITS	0xffffffffu

/* (argument & mask) == value; several of a call: one that holds is
 * enough. */
static const struct {
	int		 nr;
	unsigned	 arg;
	uint64_t	 mask, value;
} masked[] = {
	{ NR(open), 1, WRITE_BITS, O_RDONLY },
	{ NR(openat), 2, WRITE_BITS, O_RDONLY },
	{ NR(openat), 2, INT_BITS, LOG_FLAGS },
	/* Never writable and executable; mprotect never executable. */
	{ NR(mmap), 2, PROT_EXEC, 0 },
	{ NR(mmap), 2, PROT_WRITE, 0 },
	{ NR(mprotect), 2, PROT_EXEC, 0 },
	{ NR(clone), 0, CLONE_THREAD | NEW_SPACES, CLONE_THREAD },
	{ NR(socket), 0, INT_BITS, AF_UNIX },
	{ NR(socket), 0, INT_BITS, AF_INET },
	{ NR(socket), 0, INT_BITS, AF_INET6 },
	{ NR(prctl), 0, INT_BITS, PR_SET_NAME },
	{ NR(ioctl), 1, INT_BITS, FIONREAD },
	{ NR(ioctl), 1, INT_BITS, FIONBIO },
	{ NR(ioctl), 1, INT_BITS, TCGETS },
	/* Reading limits: no new one is given. */
	{ NR(prlimit64), 2, UINT64_MAX, 0 },
};

static int
add_lists(scmp_filter_ctx filter, unsigned role)
{
	size_t i;
	int rc = 0;

	for (i = 0; rc == 0 && i < sizeof(plain) / sizeof(plain[0]); i++)
		if ((plain[i].roles & role) != 0)
			rc = seccomp_rule_add(filter, SCMP_ACT_ALLOW,
			    plain[i].nr, 0);
	for (i = 0; rc == 0 && i < sizeof(deadly) / sizeof(deadly[0]); i++)
		rc = seccomp_rule_add(filter, SCMP_ACT_KILL_PROCESS,
		    deadly[i], 0);
	for (i = 0; rc == 0 && i < sizeof(absent) / sizeof(absent[0]); i++)
		rc = seccomp_rule_add(filter, SCMP_ACT_ERRNO(ENOSYS),
		    absent[i], 0);
	for (i = 0; rc == 0 && i < sizeof(masked) / sizeof(masked[0]); i++)
		rc = seccomp_rule_add(filter, SCMP_ACT_ALLOW, masked[i].nr,
		    1, SCMP_CMP(masked[i].arg, SCMP_CMP_MASKED_EQ,
		    masked[i].mask, masked[i].value));
	return rc;
}

/* What depends on more than one argument, or on who we are. */
static int
add_special(scmp_filter_ctx filter)
{
	uint64_t self = (uint64_t)getpid();
	int rc;

	/* abort() and the like, never another process. */
	rc = seccomp_rule_add(filter, SCMP_ACT_ALLOW, NR(kill), 1,
	    SCMP_A0(SCMP_CMP_EQ, self, 0));
	if (rc == 0)
		rc = seccomp_rule_add(filter, SCMP_ACT_ALLOW, NR(tgkill), 1,
		    SCMP_A0(SCMP_CMP_EQ, self, 0));
	/* getaddrinfo asks which addresses this host has. */
	if (rc == 0)
		rc = seccomp_rule_add(filter, SCMP_ACT_ALLOW, NR(socket), 2,
		    SCMP_A0(SCMP_CMP_MASKED_EQ, INT_BITS, AF_NETLINK),
		    SCMP_A2(SCMP_CMP_MASKED_EQ, INT_BITS, NETLINK_ROUTE));
	return rc;
}

static bool
is_supported(void)
{
	const uint32_t action = SECCOMP_RET_KILL_PROCESS;

	return syscall(SYS_seccomp, SECCOMP_GET_ACTION_AVAIL, 0,
	    &action) == 0;
}

void
sandbox_probe(void)
{
	if (SANITIZED)
		log_warnx("built with a sanitizer: no seccomp filter");
	else if (!is_supported())
		log_warnx("this kernel has no seccomp filters: the processes "
		    "run without");
}

void
sandbox_enter(enum proc_role role)
{
	scmp_filter_ctx filter;
	int rc;

	if (SANITIZED || !is_supported())
		return;
	filter = seccomp_init(SCMP_ACT_ERRNO(EPERM));
	if (filter == NULL)
		fatalx("seccomp: no memory");
	rc = add_lists(filter, 1u << role);
	if (rc == 0)
		rc = add_special(filter);
	/* Another architecture's calls would have other numbers. */
	if (rc == 0)
		rc = seccomp_attr_set(filter, SCMP_FLTATR_ACT_BADARCH,
		    SCMP_ACT_KILL_PROCESS);
	/* A tree of comparisons instead of a line of them. */
	if (rc == 0)
		rc = seccomp_attr_set(filter, SCMP_FLTATR_CTL_OPTIMIZE, 2);
	if (rc == 0)
		rc = seccomp_load(filter);
	seccomp_release(filter);
	if (rc != 0) {
		errno = -rc;
		fatal("seccomp");
	}
}
