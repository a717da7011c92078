/*
 * users: people, the identities they sign in with, and who they are here.
 */
#ifndef STORE_USERS_H
#define STORE_USERS_H

#include <stdbool.h>
#include <stdint.h>

#include "store/db.h"

#define USER_NAME_MAX		255	/* characters */
#define USER_AVATAR_MAX		512
#define IDENTITY_PROVIDER_MAX	64
#define IDENTITY_SUBJECT_MAX	190	/* characters */

struct user {
	uint64_t	 id;
	char		 username[USER_NAME_MAX * 4 + 1];
	char		 avatar_url[USER_AVATAR_MAX * 4 + 1];	/* "" : null */
	char		 password_hash[256];	/* filled by user_by_name only */
	int		 trust_level;
	bool		 is_active, is_silenced;
	int		 beta;
	int64_t		 created_us;		/* Unix, microseconds */
	int64_t		 last_login_us;		/* 0: never */
	int64_t		 sessions_valid_from_s;	/* tokens before are dead */
};

/* What a provider said of the person who signed in. */
struct identity {
	const char	*provider;	/* "linux_do" */
	const char	*subject;	/* canonical string id */
	const char	*username;	/* wished name; may collide */
	const char	*avatar_url;	/* NULL: leave as it is */
	int		 trust_level;
};

enum signin_result {
	SIGNIN_OK, SIGNIN_CREATED, SIGNIN_DISABLED, SIGNIN_CLOSED,
	SIGNIN_TRUST
};
struct signin_policy {
	bool		 allow_new;
	int		 min_trust_level;	/* of new accounts */
};

/*
 * One transaction: finds the user by (provider, subject) or makes user,
 * identity and registration job; refreshes avatar and trust level;
 * last_login.  A user without a bound key and without a job gets a job.
 * Racing first sign-ins make one user (unique key, rerun).  A name that
 * is taken gets a suffix.  Returns 0 with *ret_result, or -1.
 */
int	 user_sign_in(struct db *, const struct identity *,
	    const struct signin_policy *, enum signin_result *ret_result,
	    struct user *ret);

int	 user_by_id(struct db *, uint64_t id, struct user *ret);
int	 user_by_name(struct db *, const char *name, struct user *ret);
int	 user_name_exists(struct db *, const char *name);	/* 1, 0, -1 */
/* A sign-in by password: that it was, or that it was refused (id 0: to
 * somebody who is not there; active: because of the password). */
int	 user_note_login(struct db *, uint64_t id);
void	 user_note_refusal(struct db *, uint64_t id, bool active);

/* Operator.  Each change is told to all hosts (store/changes). */
int	 user_set_active(struct db *, uint64_t id, bool active); /* 1/0/-1 */
int	 user_set_password(struct db *, uint64_t id, const char *hash);
/* Ends every session; *ret is the new sessions_valid_from_s. */
int	 user_end_sessions(struct db *, uint64_t id, int64_t *ret);
/* Calls each for users after after_id, by id; at most limit. */
int	 user_list(struct db *, uint64_t after_id, unsigned limit,
	    void (*each)(void *, const struct user *), void *);

#endif
