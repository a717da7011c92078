/*
 * registration: opens an upstream account for every user, once.
 *
 * The registrar calls registration_step() in a loop.  A job is claimed
 * (fence, lease), an attempt is written down, one POST is made, the key
 * is sealed and bound in one transaction that needs the fence.  Whoever
 * is fenced out does nothing more; what it created is garbage for the
 * sweeper.  At most one account is ever bound per user: the database
 * alone decides.
 */
#ifndef PROVISION_REGISTRATION_H
#define PROVISION_REGISTRATION_H

#include <signal.h>
#include <stdbool.h>
#include <stdint.h>

#include "base/buf.h"
#include "base/secret.h"
#include "net/httpc.h"
#include "net/url.h"
#include "share/counters.h"
#include "store/db.h"
#include "vault/keyring.h"

/* Everything pointed to is the caller's and lives as long. */
struct registration_conf {
	struct db		*db;		/* role registrar */
	const struct keyring	*ring;		/* opened and checked */
	struct httpc		*http;		/* connect_timeout_ms 3000 */
	const struct url_base	*base;
	const struct secret	*admin_key;	/* NULL or empty: jobs wait */
	struct counters		*counters;	/* may be NULL */
	const volatile sig_atomic_t *stop;	/* non-zero: return soon */
	const char		*owner;		/* unique: host:pid:random */

	unsigned		 lease_s;		/* 60 */
	unsigned		 attempt_grace_s;	/* 900 */
	unsigned		 sweep_interval_s;	/* 600; 0: no sweeps */
	unsigned		 quarantine_s;		/* 604800 */

	/* 0: the default */
	int			 total_ms;	/* one call: 30000 */
	int64_t			 backoff_base_ms, backoff_cap_ms;
						/* 1000, 300000 */
	unsigned		 attempts_max;	/* 8, then held */
	unsigned		 unknowns_max;	/* 3 in unknown_window_s */
	unsigned		 unknown_window_s;	/* 3600 */
	int			 idle_ms;	/* between looks: 250 */
	int			 refused_probe_ms;	/* 30000 */
};

struct registration;

/* Copies conf.  Needs the database (installation_load); NULL with a
 * sentence in why when that fails: try again later. */
struct registration *registration_create(const struct registration_conf *,
	    struct buf *why);
void	 registration_free(struct registration **);
/*
 * Works on at most one job, one probe or one sweep.  Returns the
 * milliseconds after which it wants to be called again; 0 = at once;
 * calling it earlier does no harm.
 */
int	 registration_step(struct registration *);
/* Asks for a sweep as soon as there is time. */
void	 registration_want_sweep(struct registration *);
/* What /health says: "open", "no_admin_key", "admin_key_refused", ... */
const char *registration_state_name(int gauge_registrar_state);

#endif
