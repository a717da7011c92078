/*
 * sandbox: what the kernel lets a process of ours do (seccomp).
 *
 * The last step of a child's set-up.  From there on no process of ours
 * starts a program, opens a file for writing, looks into another process
 * or gains a right; a process that parses requests and was taken over
 * has the sockets it had and the files its user may read.
 */
#ifndef PROC_SANDBOX_H
#define PROC_SANDBOX_H

#include "share/scoreboard.h"

/*
 * Whether this kernel has what sandbox_enter needs; says so once, in the
 * master, when it has not.  Never fails a start: the rest of the
 * hardening does not depend on it.
 */
void	 sandbox_probe(void);
/*
 * For good.  Fatal when the kernel has filters and refuses this one;
 * without filters, and under a sanitizer, does nothing.
 */
void	 sandbox_enter(enum proc_role);

#endif
