/*
 * apikeycache: entries of personal keys inside the tenant cache.
 *
 * The keeper encodes and puts them in; workers get them (auth/principal).
 */
#include <string.h>

#include "share/apikeycache.h"

/* What lies in tenant.sealed. */
struct payload {
	unsigned char	 hash[APIKEYCACHE_HASH_LEN];
	uint64_t	 user_id, apikey_id;
	uint32_t	 config_type, active;
};
_Static_assert(sizeof(struct payload) <= BOOTKEY_SEALED_MAX,
    "the entry of a personal key fits into a tenant's");

uint64_t
apikeycache_slot(const unsigned char hash[APIKEYCACHE_HASH_LEN])
{
	uint64_t v = 0;
	size_t i;

	for (i = 0; i < 8; i++)
		v = v << 8 | hash[i];
	return v | APIKEYCACHE_SLOT_BIT;
}

void
apikeycache_encode(const struct apikey_entry *e, struct tenant *ret)
{
	struct payload p;

	memset(&p, 0, sizeof(p));
	memcpy(p.hash, e->hash, sizeof(p.hash));
	p.user_id = e->user_id;
	p.apikey_id = e->apikey_id;
	p.config_type = e->config_type;
	p.active = e->active;
	memset(ret, 0, sizeof(*ret));
	ret->user_id = apikeycache_slot(e->hash);
	ret->state = TENANT_OK;
	ret->loaded_ms = e->loaded_ms;
	ret->fresh_until_ms = e->fresh_until_ms;
	memcpy(ret->sealed, &p, sizeof(p));
	ret->sealed_len = sizeof(p);
}

int
apikeycache_decode(const struct tenant *t, struct apikey_entry *ret)
{
	struct payload p;

	if ((t->user_id & APIKEYCACHE_SLOT_BIT) == 0 || t->sealed_len != sizeof(p))
		return -1;
	memcpy(&p, t->sealed, sizeof(p));
	memcpy(ret->hash, p.hash, sizeof(ret->hash));
	ret->user_id = p.user_id;
	ret->apikey_id = p.apikey_id;
	ret->config_type = p.config_type;
	ret->active = p.active != 0;
	ret->loaded_ms = t->loaded_ms;
	ret->fresh_until_ms = t->fresh_until_ms;
	return 0;
}

int
apikeycache_get(struct tenantcache *cache,
    const unsigned char hash[APIKEYCACHE_HASH_LEN], struct apikey_entry *ret)
{
	struct apikey_entry e;
	struct tenant t;

	if (tenantcache_get(cache, apikeycache_slot(hash), &t) != 1 ||
	    apikeycache_decode(&t, &e) != 0 ||
	    memcmp(e.hash, hash, APIKEYCACHE_HASH_LEN) != 0)
		return 0;
	*ret = e;
	return 1;
}
