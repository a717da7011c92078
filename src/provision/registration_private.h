/*
 * registration_private: what the files of the registration share.
 *
 * registration.c  the loop: gate, probes, sweeps, claims
 * create.c        a claimed create job, up to the sealed key
 * bind.c          from the sealed key to a bound account
 * repair.c        rekey and status jobs
 * failure.c       what becomes of a job that could not be done
 */
#ifndef PROVISION_REGISTRATION_PRIVATE_H
#define PROVISION_REGISTRATION_PRIVATE_H

#include "provision/gate.h"
#include "provision/marker.h"
#include "provision/registration.h"
#include "provision/upstreamadmin.h"
#include "store/jobs.h"

#define CANDIDATES_MAX	32

struct registration {
	struct registration_conf conf;	/* defaults filled in */
	struct upstreamadmin	 admin;
	struct marker_key	 key;
	struct gate		 gate;

	/* candidates read and not yet tried */
	uint64_t		 candidate_id[CANDIDATES_MAX];
	uint32_t		 candidate_fence[CANDIDATES_MAX];
	size_t			 n_candidates;

	unsigned		 unknown_run;	/* unknown outcomes in a row */
	unsigned		 db_failures;	/* likewise, of the database */
	bool			 db_failed;	/* in this step */
	int64_t			 next_sweep_ms, next_totals_ms, next_note_ms;
};

/* A claimed job.  Each takes it to an end: done, released or held; or
 * leaves it to its lease.  0, or -1 when the database failed. */
int	 work_create(struct registration *, const struct job *);
int	 work_rekey(struct registration *, const struct job *);
int	 work_status(struct registration *, const struct job *);

/* May the call be made: is there enough of the lease?  1/0/-1 */
int	 lease_suffices(struct registration *, const struct job *);
/* Writes the intent under a fresh marker. 0/-1 */
int	 open_attempt(struct registration *, const struct job *,
	    char ret_marker[MARKER_MAX + 1], uint64_t *ret_attempt_id);
/* Seals the key and binds it.  seen_gen 0: a new account, otherwise the
 * generation that is replaced.  Wipes nothing of the caller's.  1 =
 * bound, 0 = not (the job was looked after), -1 = the database. */
int	 seal_and_bind(struct registration *, const struct job *,
	    const struct account *, uint64_t attempt_id, uint32_t seen_gen);

/* A call that did not do it: closes the attempt (0: there is none),
 * gives the job back or holds it, shuts the gate.  0/-1 */
int	 handle_failure(struct registration *, const struct job *,
	    uint64_t attempt_id, const struct admin_result *);
/* Gives the job back without an attempt counted. */
int	 postpone(struct registration *, const struct job *,
	    enum job_reason, const char *detail, int64_t delay_ms);

void	 count(struct registration *, enum counter);
bool	 stopping(const struct registration *);
/* Sleeps, shorter when asked to stop. */
void	 pause_ms(const struct registration *, int64_t ms);

#endif
