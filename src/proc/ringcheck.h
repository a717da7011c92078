/*
 * ringcheck: whether a key ring opens all that it must open.
 */
#ifndef PROC_RINGCHECK_H
#define PROC_RINGCHECK_H

#include "base/buf.h"
#include "store/db.h"
#include "vault/keyring.h"

/*
 * Under the keeper's account.  Every stored key in use was sealed with a
 * key of the ring, and the canary opens; the first ring that is used
 * with a database leaves the canary there.  0; or -1 with a sentence in
 * why that tells how many stored keys are in the way.
 */
int	 ringcheck(struct db *, const struct keyring *, struct buf *why)
	    __attribute__((warn_unused_result));

#endif
