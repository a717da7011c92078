/*
 * sweeper: collects accounts that were created and never bound.
 *
 * Lists the upstream's users, looks at our own valid markers only,
 * disables what is not bound, and deletes it after a quarantine that is
 * counted by our own clock.  What is bound, foreign, or unknown to this
 * database is never touched.
 */
#ifndef PROVISION_SWEEPER_H
#define PROVISION_SWEEPER_H

#include <signal.h>
#include <stdbool.h>

#include "provision/marker.h"
#include "provision/upstreamadmin.h"
#include "share/counters.h"
#include "store/db.h"

#define SWEEPER_CALLS_MAX	50	/* destructive calls in one run */
#define SWEEPER_LEASE		"sweeper"
#define SWEEPER_LEASE_S		120

struct sweeper {
	struct db			*db;
	const struct upstreamadmin	*admin;
	const struct marker_key		*key;
	struct counters			*counters;	/* may be NULL */
	const volatile sig_atomic_t	*stop;		/* may be NULL */
	const char			*owner;
	unsigned			 attempt_grace_s;
	unsigned			 quarantine_s;
};

enum sweep_action {
	SWEEP_DISABLE, SWEEP_DELETE,
	SWEEP_QUARANTINED,	/* disabled and not old enough */
	SWEEP_IN_FLIGHT,	/* an attempt may still bind it */
	SWEEP_NO_JOB,		/* alarm: ours, and this database does not
				   know its job (a restored backup?) */
	SWEEP_CAPPED,		/* the cap was reached before it */
	SWEEP_ACTION_MAX
};

struct sweep_note {
	const char	*plugin_user_id, *marker;
	enum sweep_action action;
	bool		 done;		/* false in a dry run or on failure */
	const char	*text;		/* "" or what went wrong */
};

struct sweep_totals {
	uint64_t	 listed, ours, bound, orphans;
	unsigned	 disabled, deleted, failed, no_job;
	bool		 led;		/* false: another host sweeps now */
	bool		 capped;
	struct admin_result list;	/* of the list call */
};

/*
 * Returns 0 when the list was read whole and every call that was due
 * was made or noted, -1 otherwise (totals tell how far it came).
 * report may be NULL.
 */
int	 sweeper_run(const struct sweeper *, bool dry_run,
	    void (*report)(void *, const struct sweep_note *), void *arg,
	    struct sweep_totals *ret);
const char *sweep_action_name(enum sweep_action);

#endif
