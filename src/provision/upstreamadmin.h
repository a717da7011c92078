/*
 * upstreamadmin: the upstream's admin routes.
 *
 * One host, six fixed methods and paths, no redirect, no retry of a
 * create.  The admin key is in the Authorization header for the time of
 * one call and wiped behind it.
 */
#ifndef PROVISION_UPSTREAMADMIN_H
#define PROVISION_UPSTREAMADMIN_H

#include "base/secret.h"
#include "net/httpc.h"
#include "net/url.h"
#include "provision/answer.h"
#include "provision/userlist.h"

struct upstreamadmin {
	struct httpc		*http;	/* its connect time-out is 3 s */
	const struct url_base	*base;
	const struct secret	*key;
	int			 total_ms;	/* of one call */
	int			 list_ms;	/* of the list */
};

/* Never repeated, on a fresh connection.  name: a marker. */
void	 upstreamadmin_create(const struct upstreamadmin *, const char *name,
	    struct account *ret_account, struct admin_result *ret);
/* The old key is dead as soon as the upstream did it. */
void	 upstreamadmin_regenerate(const struct upstreamadmin *,
	    const char *user_id, struct account *ret_account,
	    struct admin_result *ret);
void	 upstreamadmin_set_status(const struct upstreamadmin *,
	    const char *user_id, int status, struct admin_result *ret);
void	 upstreamadmin_delete(const struct upstreamadmin *,
	    const char *user_id, struct admin_result *ret);
/* Does the upstream answer and take the admin key? */
void	 upstreamadmin_check_key(const struct upstreamadmin *,
	    struct admin_result *ret);
/* Does it answer from its database too?  Reads no more than the head of
 * the user list. */
void	 upstreamadmin_check_store(const struct upstreamadmin *,
	    struct admin_result *ret);
/* ADMIN_OK only when the list was whole.  each: as in userlist.h. */
void	 upstreamadmin_list(const struct upstreamadmin *,
	    int (*each)(void *, const struct userlist_entry *), void *arg,
	    uint64_t *ret_n_entries, struct admin_result *ret);

#endif
