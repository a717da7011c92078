/*
 * installation: what makes this installation's accounts ours.
 *
 * The instance id and the marker secret are made once and kept in the
 * meta table; the secret is sealed by the key ring, and because it is
 * not derived from a Fernet key it stays the same when those rotate.
 */
#ifndef PROVISION_INSTALLATION_H
#define PROVISION_INSTALLATION_H

#include "base/buf.h"
#include "provision/marker.h"
#include "store/db.h"
#include "vault/keyring.h"

/*
 * Reads both, making what is absent (hosts that start at once end up
 * with the same).  0; or -1 with a sentence in why: the database failed,
 * or no key of the ring opens the secret.
 */
int	 installation_load(struct db *, const struct keyring *,
	    struct marker_key *ret, struct buf *why)
	    __attribute__((warn_unused_result));
/* Seals the secret under the newest key; for re-encryption.  1 = sealed
 * anew, 0 = it was under the newest key already, -1. */
int	 installation_reseal(struct db *, const struct keyring *,
	    struct buf *why) __attribute__((warn_unused_result));

#endif
