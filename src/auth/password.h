/*
 * password: hashes of passwords, by crypt(3).
 *
 * New hashes are yescrypt; those of other programs are accepted when
 * their method and cost are on a list.  A check costs 20 ms and more on
 * purpose.
 */
#ifndef AUTH_PASSWORD_H
#define AUTH_PASSWORD_H

#include <stdbool.h>

#define PASSWORD_MAX		256	/* bytes */
#define PASSWORD_HASH_MAX	255

/* 0, or -1: empty, longer than PASSWORD_MAX, or crypt(3) failed. */
int	 password_hash(const char *password, char ret[PASSWORD_HASH_MAX + 1])
	    __attribute__((warn_unused_result));
/* Would password_check() ever accept something for this hash? */
bool	 password_hash_usable(const char *hash);
/*
 * hash NULL or "" (no such user, or no password): does the work of a
 * check all the same and says false, so that the time taken does not
 * tell who exists.
 */
bool	 password_check(const char *password, const char *hash)
	    __attribute__((warn_unused_result));

#endif
