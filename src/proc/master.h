/*
 * master: starts, watches and replaces the other processes.
 *
 * Parses no request, speaks to no database, upstream or client.
 */
#ifndef PROC_MASTER_H
#define PROC_MASTER_H

#include <stdbool.h>

struct master_args {
	const char	*env_file;	/* NULL: none */
	const char	*listen;	/* NULL: PLUGWAY_LISTEN */
	bool		 check;		/* look at the configuration, exit */
	bool		 foreground;
	int		 argc;
	char		**argv;
};

/* Returns the exit status. */
int	 master_run(const struct master_args *);

#endif
