/*
 * signals: handlers set a flag, loops clear it and act.
 */
#ifndef PROC_SIGNALS_H
#define PROC_SIGNALS_H

#include <signal.h>
#include <stdbool.h>

/* Set by the handlers, non-zero once the signal came. */
extern volatile sig_atomic_t signals_term, signals_hup, signals_usr1,
    signals_usr2, signals_child;

/* Master: TERM, HUP, USR1, USR2, CHLD, QUIT/INT are flagged; they stay
 * blocked but while waiting. */
extern volatile sig_atomic_t signals_quit;
void	 signals_init_master(sigset_t *ret_wait_mask);
/* Child: TERM and USR1 are flagged while waiting; QUIT and INT end the
 * process at once; HUP is ignored. */
void	 signals_init_child(sigset_t *ret_wait_mask);
/* Is a blocked signal of ours waiting?  Takes it. */
void	 signals_poll(const sigset_t *wait_mask);

#endif
