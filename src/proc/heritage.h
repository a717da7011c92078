/*
 * heritage: all that crosses the fork.
 *
 * The master fills it in; a child finds it as it was at the fork.  What a
 * role must not hold is unmapped first thing in the child
 * (proc/children).  Secrets of the keeper and the registrar are not here
 * at all: they come through a pipe.
 */
#ifndef PROC_HERITAGE_H
#define PROC_HERITAGE_H

#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include "base/settings.h"
#include "proxy/breaker.h"
#include "share/counters.h"
#include "share/limiter.h"
#include "share/revoked.h"
#include "share/scoreboard.h"
#include "share/tenantcache.h"
#include "vault/bootkey.h"

struct heritage {
	/* Descriptors. */
	int		 listen_fd;	/* workers only */
	int		 keeper_fd;	/* eventfd: questions, pokes */
	int		 registrar_fd;	/* eventfd: new jobs */
	int		 master_fd;	/* eventfd: a child changed state */

	/* Shared memory, mapped before the first fork; lives over reloads. */
	struct tenantcache *cache;
	struct scoreboard *scores;
	struct counters	*counters;
	struct revoked	*revoked;
	struct limiter	*user_limits;
	struct limiter	*address_limits;
	struct breaker	*breaker;

	/* Read-only after set-up; the registrar unmaps it. */
	struct bootkey	*bootkey;
	size_t		 bootkey_size;	/* of its mapping */

	/* The worker's view of the configuration, by generation; keeper
	 * and registrar unmap it. */
	struct settings	*settings;
	uint32_t	 generation;

	pid_t		 master;
	/* The child's own row. */
	struct score	*self;
	/* Keeper, registrar: the pipe with their view of the configuration. */
	int		 secrets_fd;
};

#endif
