/*
 * displayname: names, subjects and pictures of people, as a provider
 * gave them, made fit to keep and show.  Input is valid UTF-8.
 */
#ifndef AUTH_DISPLAYNAME_H
#define AUTH_DISPLAYNAME_H

#include <stdbool.h>

#include "store/users.h"

/*
 * Without control, formatting and bidirectional characters, trimmed, at
 * most USER_NAME_MAX characters.  -1 when nothing is left.
 */
int	 displayname_clean(const char *, char ret[USER_NAME_MAX * 4 + 1]);
/* "<provider>-<subject>", cleaned and cut. */
void	 displayname_from_subject(const char *provider, const char *subject,
	    char ret[USER_NAME_MAX * 4 + 1]);
/* 1 to IDENTITY_SUBJECT_MAX characters, no control character, no space
 * at either end (a database may take "a" and "a " for the same). */
bool	 displayname_subject_ok(const char *);
/* A plain http or https URL of at most USER_AVATAR_MAX bytes. */
bool	 displayname_picture_ok(const char *);

#endif
