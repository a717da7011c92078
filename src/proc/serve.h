/*
 * serve: a worker's loop over requests.
 */
#ifndef PROC_SERVE_H
#define PROC_SERVE_H

#include <signal.h>
#include <stdint.h>

#include "api/gateway.h"

struct serve_conf {
	struct gateway	*gw;
	int		 listen_fd;
	int		 master_fd;	/* poked when spare workers run low */
	uint64_t	 max_requests;	/* then the worker retires; earlier
					   when its heap has grown */
	/* Signals that are blocked but while waiting for a request. */
	const sigset_t	*wait_mask;
	/* Called between requests: non-zero ends the loop. */
	int		(*stop)(void);
};

/* Returns when stop said so or max_requests were served. */
void	 serve_run(const struct serve_conf *);

#endif
