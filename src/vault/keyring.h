/*
 * keyring: the Fernet keys, newest first: the first seals, all open.
 *
 * Also binds a token to its row: bind_mac = HMAC-SHA256 under a key
 * derived (HKDF-SHA256, RFC 5869, info "plugway bind_mac v1") from the
 * Fernet key, over a length-prefixed encoding of user id, upstream user
 * id, key generation and token.  A token in another row, or an old one
 * put back, does not verify.
 */
#ifndef VAULT_KEYRING_H
#define VAULT_KEYRING_H

#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include "base/buf.h"
#include "vault/fernet.h"

#define KEYRING_MAX		16
#define KEYRING_ID_LEN		9	/* 8 hex digits and NUL */
#define BIND_MAC_LEN		32
#define BIND_MAC_TEXT_LEN	64	/* hex, as it is stored */

struct keyring;

/* What a stored token belongs to. */
struct binding {
	uint64_t	 user_id;
	const char	*plugin_user_id;
	uint32_t	 key_gen;
};

/*
 * One key or a comma-separated list, no key twice.  On failure returns NULL and
 * appends to why one sentence for people; it names the position of the
 * key in the list, never its content.
 */
struct keyring *keyring_parse(const char *list, struct buf *why);
void	 keyring_free(struct keyring **);
size_t	 keyring_count(const struct keyring *);
/* A public name of the i-th key, derived one-way from it. */
const char *keyring_id(const struct keyring *, size_t i);

/* Appends the token to ret_token, the MAC in hex to ret_mac. */
int	 keyring_seal(const struct keyring *, const struct binding *,
	    const void *plain, size_t len, struct buf *ret_token,
	    char ret_mac[BIND_MAC_TEXT_LEN + 1])
	    __attribute__((warn_unused_result));
/*
 * Opens with whichever key fits and checks mac against the binding.
 * Returns the length in ret (FERNET_PLAIN_MAX bytes of room),
 * KEYRING_WRONG_KEY when no key opens the token, KEYRING_WRONG_ROW when
 * it opens and does not belong here.  ret_index: which key (may be NULL).
 */
#define KEYRING_WRONG_KEY	(-1)
#define KEYRING_WRONG_ROW	(-2)
ssize_t	 keyring_open(const struct keyring *, const struct binding *,
	    const char *token, size_t token_len, const char *mac,
	    unsigned char *ret, size_t *ret_index)
	    __attribute__((warn_unused_result));
/*
 * HMAC-SHA256 under a key derived from the newest key (HKDF, info
 * "plugway mac v1: " and the label, at most 64 characters).
 */
void	 keyring_mac(const struct keyring *, const char *label,
	    const void *, size_t, unsigned char ret[32]);

/* The canary: a token of a fixed text which proves, at start, that this
 * ring opens this database. */
int	 keyring_canary_make(const struct keyring *, struct buf *ret);
int	 keyring_canary_check(const struct keyring *, const char *token);

#endif
