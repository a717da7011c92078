/*
 * gateway: what one worker works with, made after the fork.
 */
#ifndef API_GATEWAY_H
#define API_GATEWAY_H

#include <stdbool.h>
#include <stdint.h>

#include "api/settings.h"
#include "auth/principal.h"
#include "auth/providers.h"
#include "auth/session.h"
#include "net/httpc.h"
#include "proxy/breaker.h"
#include "proxy/upstream.h"
#include "share/counters.h"
#include "share/limiter.h"
#include "share/revoked.h"
#include "share/scoreboard.h"
#include "share/tenantcache.h"
#include "store/db.h"
#include "vault/bootkey.h"

/* Shared between the processes of a host; see proc/heritage.h. */
struct gateway_shared {
	struct tenantcache	*cache;
	struct scoreboard	*scores;
	struct counters		*counters;
	struct revoked		*revoked;
	struct limiter		*user_limits;
	struct limiter		*address_limits;
	struct breaker		*breaker;
	const struct bootkey	*bootkey;
	int			 keeper_fd;	/* eventfds */
	int			 registrar_fd;
};

struct gateway {
	struct gateway_shared	 shared;
	const struct settings	*settings;
	struct score		*self;
	struct jwt_conf		*jwt;
	struct session_conf	 sessions;
	struct providers	*providers;
	struct upstream_conf	 upstream;
	struct httpc_conf	 httpc_conf;
	struct httpc		*httpc;		/* towards the upstream; lazy */
	struct httpc		*httpc_oauth;	/* towards providers; lazy */
	struct db_conf		*db_conf;
	struct db		*db;		/* connected while needed */
	struct principal_tools	 tools;
	struct buf		 public_base;
	bool			 public_https;
	uint64_t		 max_body;
	char			*data_dir;
	unsigned		 user_requests, user_streams, user_rate;
	unsigned		 user_burst, stream_share, signin_rate;
	size_t			 workers_max;
	int			 registration_wait_ms;
};

struct gateway *gateway_create(const struct settings *,
	    const struct gateway_shared *, struct score *self);
void	 gateway_free(struct gateway **);

struct httpc *gateway_httpc(struct gateway *);
struct httpc *gateway_httpc_oauth(struct gateway *);
/* A connected handle, or NULL.  gateway_db_done closes the connection:
 * one per worker would be too many. */
struct db *gateway_db(struct gateway *);
void	 gateway_db_done(struct gateway *);

/* Tells the keeper, the registrar, that there is something to look at. */
void	 gateway_poke_keeper(const struct gateway *);
void	 gateway_poke_registrar(const struct gateway *);
/*
 * Waits until the user's account is bound (or registration failed), at
 * most ms; ret is the newest state.  0, or -1: the database is away.
 */
int	 gateway_wait_bound(struct gateway *, uint64_t user_id, int ms,
	    struct tenant *ret);

#endif
