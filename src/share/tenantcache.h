/*
 * tenantcache: who a user is at the upstream, shared by all workers.
 *
 * The keeper writes, workers read.  One entry per user in 8-way sets
 * chosen by SipHash under a key made per boot; readers use the slot's
 * sequence number and copy out; writers hold the robust mutex of the
 * shard.  It is a cache: losing an entry is correct, giving a wrong one
 * is not.  See tenantcache.c for the layout.
 */
#ifndef SHARE_TENANTCACHE_H
#define SHARE_TENANTCACHE_H

#include <stddef.h>
#include <stdint.h>

#include "vault/bootkey.h"

#define PLUGIN_USER_ID_MAX	64

enum tenant_state {
	TENANT_OK,		/* has a key */
	TENANT_PENDING,		/* registration is under way */
	TENANT_FAILED,		/* registration is held; see reason */
	TENANT_NO_USER,
	TENANT_DISABLED,	/* the user may not call */
	TENANT_KEY_REFUSED,	/* stored key not openable, or revoked */
	TENANT_STATE_MAX
};

/* Why a registration waits or failed: a code of store/jobs, 0 = none. */

struct tenant {
	uint64_t	 user_id;
	uint32_t	 state;		/* enum tenant_state */
	uint32_t	 reason;
	uint32_t	 key_gen;
	uint32_t	 flags;		/* TENANT_F_* */
	int64_t		 valid_from_s;	/* sessions issued before are dead */
	int64_t		 loaded_ms;	/* monotonic, when the DB was read */
	int64_t		 fresh_until_ms; /* monotonic */
	char		 plugin_user_id[PLUGIN_USER_ID_MAX + 1];
	uint16_t	 sealed_len;
	unsigned char	 sealed[BOOTKEY_SEALED_MAX];
};
#define TENANT_F_KEY_BAD	0x1u	/* the upstream refused the key */

struct tenantcache;		/* in shared memory */

struct tenantcache_stats {
	uint64_t	 hits, misses;
	uint64_t	 evictions;	/* of live entries, for another user */
	uint64_t	 rejects;	/* copies with implausible content */
	uint64_t	 refused;	/* puts that came too late */
	uint64_t	 busy;		/* locks not got in 50 ms */
	uint64_t	 recovered;	/* locks whose owner had died */
	uint64_t	 wiped;		/* half-written slots it left */
	uint64_t	 used_lost;	/* times of last use without room */
};

/* Size of a segment for n_slots (rounded up to whole sets). */
size_t	 tenantcache_size(size_t n_slots);
/* Formats zeroed memory of that size, aligned to 64; once, before the
 * fork. */
struct tenantcache *tenantcache_init(void *mem, size_t n_slots);

/*
 * 1 = *ret is this user's entry (of any state and age: the caller looks
 * at fresh_until_ms), 0 = miss.  Never blocks.
 */
int	 tenantcache_get(struct tenantcache *, uint64_t user_id,
	    struct tenant *ret) __attribute__((warn_unused_result));
/*
 * Puts the entry in.  An entry with an older key_gen (0: it has no
 * key, and does not count), one loaded earlier than what is there, or
 * one read from the DB up to the newest drop of this user is refused:
 * -1; also -1 when the shard could not be locked within 50 ms.
 */
int	 tenantcache_put(struct tenantcache *, const struct tenant *);
/*
 * Forgets one user, or all.  An entry whose loaded_ms is this
 * millisecond or before stays out.  -1: the shard could not be locked,
 * the entry may still be there; call again.
 */
int	 tenantcache_drop(struct tenantcache *, uint64_t user_id);
void	 tenantcache_drop_all(struct tenantcache *);
/* Atomic maximum of the time of last use; a miss is ignored. */
void	 tenantcache_used(struct tenantcache *, uint64_t user_id,
	    int64_t wall_us);
/*
 * Takes the times of last use noted since the last call: each(arg,
 * user_id, wall_us).  each returns -1 when the time could not be kept:
 * it stays noted.
 */
void	 tenantcache_take_used(struct tenantcache *,
	    int (*each)(void *, uint64_t, int64_t), void *);
void	 tenantcache_stats(const struct tenantcache *,
	    struct tenantcache_stats *ret);
/* Every slot is in the set its user hashes to, at most once: 0 or -1. */
int	 tenantcache_check(struct tenantcache *);

#endif
