/*
 * oauth: sign-in with somebody else's account (RFC 6749, 7636, 9207,
 * 9700; OpenID Connect Core).
 *
 * Two flows.  JSON flow: the client gets URL and state and brings code
 * and state back; nothing ties them to a browser, so its result may only
 * be handed out as JSON, never as a cookie.  Browser flow: the state is
 * bound to a value that the caller keeps in a cookie.
 *
 * Each call bounds its own time (30 s) and the size of every answer.
 * Tokens of the provider are used once and wiped.
 */
#ifndef AUTH_OAUTH_H
#define AUTH_OAUTH_H

#include <stdbool.h>

#include "auth/providers.h"
#include "base/buf.h"
#include "net/httpc.h"
#include "store/db.h"
#include "store/tokens.h"
#include "store/users.h"

#define OAUTH_STATE_TTL_S	600
#define OAUTH_STATE_LEN		43	/* 32 bytes as base64url */
#define OAUTH_URL_MAX		8192
#define OAUTH_RETURN_MAX	1024
#define OAUTH_DETAIL_MAX	512

enum oauth_result {
	OAUTH_OK,
	OAUTH_BAD_STATE,	/* unknown, used, old, or another browser's */
	OAUTH_MISMATCH,		/* another provider's; nothing was sent */
	OAUTH_DENIED,		/* the provider, or the person, said no */
	OAUTH_UNREACHABLE,	/* no whole answer came */
	OAUTH_BAD_ANSWER,	/* an answer came that is of no use */
	OAUTH_DB_ERROR,
	OAUTH_RESULT_MAX
};
const char *oauth_result_name(enum oauth_result);	/* for the log */

struct oauth_start {
	char	state[OAUTH_STATE_LEN + 1];
	/* Browser flow: goes into the cookie.  "" in the JSON flow. */
	char	browser[OAUTH_STATE_LEN + 1];
};

/*
 * return_to: a same-site path (url_is_local_path; another one becomes
 * "/"), or NULL for the JSON flow.  The URL is appended to ret_url (max
 * OAUTH_URL_MAX).  detail gets a phrase for the log when it fails.
 */
enum oauth_result oauth_begin(struct db *, struct httpc *, struct provider *,
	    const char *return_to, struct oauth_start *ret,
	    struct buf *ret_url, struct buf *detail)
	    __attribute__((warn_unused_result));

/* What came back; every member may be NULL. */
struct oauth_callback {
	const char	*code, *state;
	const char	*iss;		/* RFC 9207; pass it on when it came */
	const char	*error;		/* RFC 6749 4.1.2.1 */
	const char	*browser;	/* the cookie's value */
};

/* Who signed in. */
struct oauth_identity {
	char	provider[IDENTITY_PROVIDER_MAX + 1];	/* provider->key */
	char	subject[IDENTITY_SUBJECT_MAX * 4 + 1];
	char	username[USER_NAME_MAX * 4 + 1];	/* never "" */
	char	avatar_url[USER_AVATAR_MAX + 1];	/* "" : none */
	int	trust_level;
	bool	browser_flow;
	char	return_to[OAUTH_RETURN_MAX + 1];	/* browser flow */
};

/*
 * Consumes the state, whatever comes of it, and asks the provider.  ret
 * is written on OAUTH_OK only.
 */
enum oauth_result oauth_finish(struct db *, struct httpc *,
	    struct provider *, const struct oauth_callback *,
	    struct oauth_identity *ret, struct buf *detail)
	    __attribute__((warn_unused_result));

/* For user_sign_in(); points into the oauth_identity. */
void	 oauth_identity_view(const struct oauth_identity *,
	    struct identity *ret);

#endif
