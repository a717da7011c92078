/*
 * audit: the log of what was done, as a chain of hashes.
 *
 * A row's hash is SHA-256 over the hash of the row before and a
 * canonical form of its own columns.  A row that was changed, removed or
 * put in between is seen by audit_verify.  A chain that was written anew
 * from some row on, by one who owns the database, is seen by comparing
 * with an id and hash noted elsewhere.
 */
#ifndef STORE_AUDIT_H
#define STORE_AUDIT_H

#include <stdbool.h>
#include <stdint.h>

#include "store/db.h"

#define AUDIT_HASH_LEN		32
#define AUDIT_ACTOR_MAX		255	/* bytes */
#define AUDIT_REQUEST_ID_MAX	64
#define AUDIT_DETAIL_MAX	4096

enum audit_action {
	AUDIT_SIGN_IN, AUDIT_SIGN_IN_REFUSED, AUDIT_LOGOUT_ALL,
	AUDIT_APIKEY_CREATE, AUDIT_APIKEY_SWITCH, AUDIT_APIKEY_DELETE,
	AUDIT_ACCOUNT_BIND, AUDIT_ACCOUNT_ADOPT, AUDIT_ACCOUNT_GONE,
	AUDIT_KEY_RENEW,	/* a new upstream key is bound */
	AUDIT_KEY_REKEY,	/* an operator asked for one */
	AUDIT_KEY_REVOKE, AUDIT_KEYS_REENCRYPT,
	AUDIT_USER_ENABLE, AUDIT_USER_DISABLE, AUDIT_USER_SET_PASSWORD,
	AUDIT_JOB_RETRY, AUDIT_JOB_HOLD,
	AUDIT_ORPHAN_DISABLE, AUDIT_ORPHAN_DELETE,
	AUDIT_ACTION_MAX
};

const char *audit_action_name(enum audit_action);

/*
 * Who acts through this handle from now on: "user" and a number,
 * "operator" and a name; request_id may be NULL.  Without it the actor
 * is the kind of process.  The strings are copied, cut where too long.
 */
void	 audit_context(struct db *, const char *kind, const char *id,
	    const char *request_id);

/*
 * Adds a row; in the transaction of what it tells of, as its last
 * statement: from here to the commit nobody else can add one.  subject:
 * "user:12"; detail: a JSON object (NULL: {}), never with a secret.
 * 0/-1
 */
int	 audit_note(struct db *, enum audit_action, const char *subject,
	    const char *detail) __attribute__((warn_unused_result));
/* With the subject user:ID; an actor "user" without an id is that user. */
int	 audit_note_user(struct db *, enum audit_action, uint64_t user_id,
	    const char *detail) __attribute__((warn_unused_result));
/* In a transaction of its own, for what has none. 0/-1 */
int	 audit_note_alone(struct db *, enum audit_action, const char *subject,
	    const char *detail);

struct audit_row {
	uint64_t	 id;
	int64_t		 at_us;
	const char	*actor_kind, *actor_id, *action, *subject,
			*request_id, *detail;
	unsigned char	 prev_hash[AUDIT_HASH_LEN], hash[AUDIT_HASH_LEN];
};

/* operator: rows after an id, at most limit. */
int	 audit_list(struct db *, uint64_t after_id, unsigned limit,
	    void (*each)(void *, const struct audit_row *), void *);
/* operator: id and hash of the last row (0 and zeros: there is none). */
int	 audit_last(struct db *, uint64_t *ret_id,
	    unsigned char ret_hash[AUDIT_HASH_LEN]);

enum audit_fault {
	AUDIT_WHOLE,
	AUDIT_MISSING,		/* a row between two others, or the last */
	AUDIT_CHANGED,		/* a row's content is not what was hashed */
	AUDIT_BROKEN,		/* a row does not follow the one before */
	AUDIT_OTHER,		/* the noted id has another hash */
};
const char *audit_fault_text(enum audit_fault);

struct audit_anchor {
	uint64_t	 id;		/* 0: none was noted */
	unsigned char	 hash[AUDIT_HASH_LEN];
};
struct audit_report {
	uint64_t	 rows;		/* that are whole */
	enum audit_fault fault;
	uint64_t	 at_id;		/* where it was found */
	struct audit_anchor last;	/* to be noted */
};
/* operator: 0 with *ret, whole or not; -1: the database failed. */
int	 audit_verify(struct db *, const struct audit_anchor *noted,
	    struct audit_report *ret);

#endif
