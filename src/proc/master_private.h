/*
 * master_private: the master's state, for the files of its own.
 */
#ifndef PROC_MASTER_PRIVATE_H
#define PROC_MASTER_PRIVATE_H

#include <signal.h>
#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

#include "base/buf.h"
#include "proc/children.h"
#include "proc/heritage.h"
#include "proc/loader.h"

/* Per scoreboard row; pid 0: none. */
struct child {
	pid_t		 pid;
	enum proc_role	 role;
	uint32_t	 generation;
	int64_t		 started_ms;
	int64_t		 term_ms;	/* last TERM; 0: not told to go */
	bool		 ready;
};

/* A role whose children die young is started more and more slowly. */
struct brake {
	int64_t		 until_ms;
	int		 delay_ms;
};

struct scale {
	unsigned	 min, max, spare_min, spare_max;
	unsigned	 batch;		/* started at once; doubles */
	int64_t		 next_shrink_ms;
};

struct master {
	struct heritage	 h;
	struct strongroom room;
	struct identities ids;
	const char	*env_file;
	const char	*listen;	/* as it was given; NULL: not */
	const char	*program;	/* the file that runs */
	char		*control_path;
	int		 control_fd;
	/* Who started the daemon waits at the other end; -1: nobody. */
	int		 notify_fd;
	int		 client_fd;	/* of plugwayctl, being served; -1 */
	struct child	*child;		/* one per scoreboard row */
	size_t		 n_rows;
	struct brake	 brake[PROC_ROLE_MAX];
	struct scale	 scale;
	bool		 stopping;
	int64_t		 started_ms;
	sigset_t	 wait_mask;
};

/* master_children.c */

/* Starts a process; the row's index or -1. */
int	 master_spawn(struct master *, enum proc_role);
/* Reaps whoever has ended. */
void	 master_reap(struct master *);
/* Waits until row is ready, at most ms; 0, or -1: it ended, or was not
 * ready in time and was killed. */
int	 master_wait_ready(struct master *, int row, int ms);
void	 master_signal(struct master *, int row, int sig);
/* Sends sig to all of a role (PROC_ROLE_MAX: all roles) that are not of
 * generation `but` (0: all). */
void	 master_signal_all(struct master *, enum proc_role, uint32_t but,
	    int sig);
/* Ends all of one generation at once. */
void	 master_kill_generation(struct master *, uint32_t generation);
size_t	 master_count(const struct master *, enum proc_role);
/* Starts what is missing, kills what is not ready in time, reminds
 * those who were told to go, scales the workers. */
void	 master_maintain(struct master *);
/* Sleeps until something happened, at most ms. */
void	 master_wait(struct master *, int ms);

/* master_config.c */

/* Reads the configuration; at the first time sets everything up. */
int	 master_configure(struct master *, struct buf *faults);
/* New generation first, then the old one drains.  0, or -1 with faults
 * and everything as before. */
int	 master_reload(struct master *, struct buf *faults);
void	 master_log_open(struct master *);

/* master_replace.c */

/* Executes the program anew; returns when that is not possible, and
 * then all is as before. */
void	 master_replace(struct master *);

/* master_control.c */

void	 master_serve_control(struct master *);

#endif
