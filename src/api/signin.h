/*
 * signin: OAuth flows, from the first redirect to the tokens.
 */
#ifndef API_SIGNIN_H
#define API_SIGNIN_H

#include "api/call.h"

/* JSON flow */
route_handler signin_sso_initiate, signin_github_initiate,
    signin_oidc_initiate;
route_handler signin_sso_callback, signin_github_callback,
    signin_oidc_callback;
/* Browser flow */
route_handler signin_browser_start, signin_browser_callback;
route_handler signin_providers;

/* Starts a session for a user who has proved who they are, waits for
 * the account and answers {access_token, ...}. */
int	 signin_answer(struct call *, struct db *, const struct user *);

#define REFRESH_COOKIE	"plugway_refresh"
/* Sets (token NULL: clears) the refresh cookie. */
void	 signin_refresh_cookie(struct call *, const char *token);

#endif
