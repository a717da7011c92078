/*
 * principal: who is calling, and what they are at the upstream.
 *
 * An access token, or where the route allows it a personal key (sk-),
 * names the user; the tenant entry from shared memory (or from the
 * keeper) says whether the user is active and whether the session is
 * still in force.  Nothing else in a request says who somebody is.
 */
#ifndef AUTH_PRINCIPAL_H
#define AUTH_PRINCIPAL_H

#include <stdbool.h>
#include <stdint.h>

#include "auth/jwt.h"
#include "share/counters.h"
#include "share/revoked.h"
#include "share/scoreboard.h"
#include "share/tenantcache.h"
#include "store/apikeys.h"

/* What a worker asks with. */
struct principal_tools {
	const struct jwt_conf	*jwt;
	struct tenantcache	*cache;
	struct revoked		*revoked;
	struct counters		*counters;
	struct score		*self;
	int			 keeper_fd;
	int			 ask_ms;	/* wait for the keeper */
	int64_t			 max_stale_ms;
};

/* What the request presents; NULL: nothing. */
struct credentials {
	const char	*authorization;		/* the header's value */
	const char	*key;			/* X-Api-Key and the like */
	bool		 keys_allowed;
};

enum principal_result {
	PRINCIPAL_OK,
	PRINCIPAL_NONE,			/* nothing was presented */
	PRINCIPAL_INVALID,
	PRINCIPAL_EXPIRED,
	PRINCIPAL_REVOKED,
	PRINCIPAL_KEY_INVALID,
	PRINCIPAL_KEY_DISABLED,
	PRINCIPAL_USER_DISABLED,
	PRINCIPAL_UNAVAILABLE		/* the database does not answer */
};

struct principal {
	uint64_t	 user_id;
	bool		 by_key;
	uint64_t	 apikey_id;	/* by_key */
	uint64_t	 apikey_slot;	/* by_key: for tenantcache_used() */
	enum config_type config_type;	/* by_key */
	struct jwt_claims claims;	/* not by_key */
	struct tenant	 tenant;
};

enum principal_result principal_identify(const struct principal_tools *,
	    const struct credentials *, struct principal *ret)
	    __attribute__((warn_unused_result));

/*
 * The user's tenant entry.  fresh: from the database, whatever the cache
 * holds.  0, or -1 when the database does not answer and nothing young
 * enough is held.
 */
int	 principal_tenant(const struct principal_tools *, uint64_t user_id,
	    bool fresh, struct tenant *ret)
	    __attribute__((warn_unused_result));

#define APIKEY_PREFIX	"sk-"
#define APIKEY_MAX	128	/* characters */
void	 principal_apikey_hash(const char *key,
	    unsigned char ret[APIKEY_HASH_LEN]);

#endif
