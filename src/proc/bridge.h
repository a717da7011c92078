/*
 * bridge: the program that mod_fcgid starts.
 *
 * mod_fcgid runs one process per simultaneous request.  A bridge makes
 * sure that one master runs (a lock decides who starts it) and relays
 * each connection to the master's socket, so that cache, limits and
 * registrar stay one.  It reads no configuration and holds no secret.
 */
#ifndef PROC_BRIDGE_H
#define PROC_BRIDGE_H

struct bridge_args {
	const char	*listen;	/* "unix:/path" of the master */
	const char	*env_file;	/* handed to a master it starts */
	const char	*program;	/* path of plugwayd */
};

/* Returns the exit status. */
int	 bridge_run(const struct bridge_args *);

#endif
