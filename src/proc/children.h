/*
 * children: what a process does between the fork and its own work.
 */
#ifndef PROC_CHILDREN_H
#define PROC_CHILDREN_H

#include <stdbool.h>
#include <sys/types.h>

#include "base/buf.h"
#include "proc/heritage.h"

/* Unprivileged identities, when the master is root. */
struct identity_ids {
	uid_t	uid;
	gid_t	gid;
};
struct identities {
	bool	drop;			/* the master is root */
	struct identity_ids worker, keeper, registrar;
};

/* Looks the users up (PLUGWAY_USER ...); -1 with a sentence in why. */
int	 identities_find(const struct settings *, struct identities *ret,
	    struct buf *why);

/*
 * First thing in a child: gives up what the role must not hold,
 * privileges, core dumps, being traced; arranges to die with the
 * master.  Fatal when any of it fails.
 */
void	 child_enter(struct heritage *, enum proc_role,
	    const struct identities *);
/* Keeper and registrar: reads the image that the master sends; the
 * caller wipes it (shm_unmap). */
struct settings *child_read_settings(struct heritage *);
/* The child can work: closes the sandbox and tells the master. */
void	 child_ready(const struct heritage *, enum proc_role);

#endif
