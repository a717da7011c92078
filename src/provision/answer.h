/*
 * answer: what an exchange with the upstream's admin routes came to.
 *
 * Pure functions without network or database.  The upstream's answers
 * are outside data: whatever is not exactly the expected answer is an
 * outcome that nothing is built on.
 */
#ifndef PROVISION_ANSWER_H
#define PROVISION_ANSWER_H

#include <stddef.h>
#include <stdint.h>

#include "net/httpc.h"

enum admin_outcome {
	ADMIN_OK,
	ADMIN_NOT_EXECUTED,	/* nothing reached the upstream */
	ADMIN_REFUSED,		/* 401, 403: the admin key */
	ADMIN_RATE,		/* 429 */
	ADMIN_REJECTED,		/* another 4xx: this call, certainly not done */
	ADMIN_GONE,		/* there is no such user */
	ADMIN_UNKNOWN,		/* it may have been done, or will be */
	ADMIN_OUTCOME_MAX
};

#define ACCOUNT_ID_MAX		64	/* [A-Za-z0-9-] */
#define ACCOUNT_KEY_MIN		19	/* "sk-" and 16 */
#define ACCOUNT_KEY_MAX		163	/* "sk-" and 160 */

/* A new account or a new key of one.  The caller wipes it. */
struct account {
	char	 user_id[ACCOUNT_ID_MAX + 1];
	char	 api_key[ACCOUNT_KEY_MAX + 1];
};

struct admin_result {
	enum admin_outcome outcome;
	int		 status;	/* HTTP; 0: none */
	int64_t		 retry_after_ms; /* of ADMIN_RATE; else 0 */
	char		 text[200];	/* one line for log and operator */
};

const char *admin_outcome_name(enum admin_outcome);

/* What an answer's body must hold to be believed. */
enum answer_kind {
	ANSWER_CREATE,		/* user_id, api_key, and the name we sent */
	ANSWER_REGENERATE,	/* user_id as asked, api_key */
	ANSWER_STATUS,		/* user_id as asked, status as asked */
	ANSWER_DELETE,		/* success */
	ANSWER_ME,		/* success, data.user_id */
	ANSWER_KIND_MAX
};

struct answer_want {
	enum answer_kind kind;
	const char	*name;		/* CREATE */
	const char	*user_id;	/* REGENERATE, STATUS */
	int		 status;	/* STATUS */
};

/*
 * Judges the exchange; the account is written only with ADMIN_OK and
 * only for CREATE and REGENERATE (ret_account may be NULL for others).
 */
void	 answer_judge(const struct answer_want *, const struct httpc_result *,
	    const char *body, size_t body_len,
	    struct account *ret_account, struct admin_result *ret);
/* The outcome as far as status and error tell, before a body is read. */
enum admin_outcome answer_classify(const struct httpc_result *);

/* Retry-After (RFC 9110 10.2.3) in seconds, or def_ms for a date or
 * nonsense; at most an hour. */
int64_t	 answer_retry_after_ms(const char *, int64_t def_ms);
int	 account_id_valid(const char *, size_t);	/* 1 or 0 */

#endif
