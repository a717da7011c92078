/*
 * apikeycache: whose personal key (sk-...) this is, shared by all
 * workers.
 *
 * Kept in the tenant cache, under a slot name with the top bit set which
 * is made of the key's SHA-256, so that eviction, freshness, drops and
 * recovery are the same code.  The entry holds the whole hash: a key
 * that only shares its slot name is a miss.
 */
#ifndef SHARE_APIKEYCACHE_H
#define SHARE_APIKEYCACHE_H

#include <stdbool.h>
#include <stdint.h>

#include "share/tenantcache.h"

#define APIKEYCACHE_HASH_LEN	32

#define APIKEYCACHE_SLOT_BIT	(UINT64_C(1) << 63)

struct apikey_entry {
	unsigned char	 hash[APIKEYCACHE_HASH_LEN];
	uint64_t	 user_id, apikey_id;
	uint32_t	 config_type;
	bool		 active;
	int64_t		 loaded_ms, fresh_until_ms;	/* monotonic */
};

/* The slot name: changes of store/changes tell of keys by it. */
uint64_t apikeycache_slot(const unsigned char hash[APIKEYCACHE_HASH_LEN]);

void	 apikeycache_encode(const struct apikey_entry *, struct tenant *ret);
/* 0, or -1 when the tenant is not an entry of a personal key. */
int	 apikeycache_decode(const struct tenant *, struct apikey_entry *ret);
/* 1 = *ret is the entry of this hash, of any age; 0 = miss. */
int	 apikeycache_get(struct tenantcache *,
	    const unsigned char hash[APIKEYCACHE_HASH_LEN],
	    struct apikey_entry *ret);

#endif
