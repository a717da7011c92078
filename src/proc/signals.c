/*
 * signals: the same handler for all; what a flag means is the loop's.
 *
 * The signals are blocked all the time but in ppoll or epoll_pwait, so
 * no system call in between is ever interrupted.
 */
#include <stddef.h>
#include <string.h>
#include <unistd.h>

#include "proc/signals.h"

volatile sig_atomic_t signals_term, signals_hup, signals_usr1, signals_usr2,
    signals_child, signals_quit;

static void
flag(int sig)
{
	switch (sig) {
	case SIGTERM:	signals_term = 1; break;
	case SIGHUP:	signals_hup = 1; break;
	case SIGUSR1:	signals_usr1 = 1; break;
	case SIGUSR2:	signals_usr2 = 1; break;
	case SIGCHLD:	signals_child = 1; break;
	default:	signals_quit = 1; break;
	}
}

static void
end_now(int sig)
{
	(void)sig;
	_exit(0);
}

static void
handle(int sig, void (*handler)(int))
{
	struct sigaction sa;

	memset(&sa, 0, sizeof(sa));
	sa.sa_handler = handler;
	(void)sigfillset(&sa.sa_mask);
	(void)sigaction(sig, &sa, NULL);
}

void
signals_init_master(sigset_t *ret_wait_mask)
{
	static const int ours[] = { SIGTERM, SIGHUP, SIGUSR1, SIGUSR2,
	    SIGCHLD, SIGQUIT, SIGINT };
	sigset_t block;
	size_t i;

	(void)sigemptyset(&block);
	for (i = 0; i < sizeof(ours) / sizeof(ours[0]); i++) {
		handle(ours[i], flag);
		(void)sigaddset(&block, ours[i]);
	}
	handle(SIGPIPE, SIG_IGN);
	(void)sigprocmask(SIG_BLOCK, &block, NULL);
	(void)sigprocmask(SIG_BLOCK, NULL, ret_wait_mask);
	for (i = 0; i < sizeof(ours) / sizeof(ours[0]); i++)
		(void)sigdelset(ret_wait_mask, ours[i]);
}

void
signals_init_child(sigset_t *ret_wait_mask)
{
	sigset_t block;

	signals_term = signals_hup = signals_usr1 = 0;
	signals_usr2 = signals_child = signals_quit = 0;
	handle(SIGTERM, flag);
	handle(SIGUSR1, flag);
	handle(SIGHUP, SIG_IGN);
	handle(SIGUSR2, SIG_IGN);
	handle(SIGCHLD, SIG_DFL);
	handle(SIGPIPE, SIG_IGN);
	handle(SIGQUIT, end_now);
	handle(SIGINT, end_now);
	(void)sigemptyset(&block);
	(void)sigaddset(&block, SIGTERM);
	(void)sigaddset(&block, SIGUSR1);
	(void)sigprocmask(SIG_SETMASK, &block, NULL);
	(void)sigemptyset(ret_wait_mask);
}

void
signals_poll(const sigset_t *wait_mask)
{
	sigset_t pending;

	if (sigpending(&pending) != 0 || (sigismember(&pending, SIGTERM) != 1
	    && sigismember(&pending, SIGUSR1) != 1))
		return;
	/* sigsuspend delivers what is pending and returns. */
	(void)sigsuspend(wait_mask);
}
