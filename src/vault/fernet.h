/*
 * fernet: tokens after the Fernet specification, version 0x80.
 *
 * token = base64url(0x80 | time, 8 bytes big-endian | IV, 16 bytes |
 * AES-128-CBC(PKCS#7) | HMAC-SHA256 over all before), with padding.
 * Written strictly; read strictly too: url-safe alphabet, exact
 * padding, no white space.  The MAC is checked, in constant time,
 * before anything else is looked at, and every failure is the same -1.
 */
#ifndef VAULT_FERNET_H
#define VAULT_FERNET_H

#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include "base/buf.h"

#define FERNET_KEY_LEN		32	/* 16 sign, 16 encrypt */
#define FERNET_KEY_TEXT_LEN	44	/* base64url with one '=' */
#define FERNET_TOKEN_MAX	8192	/* characters we accept */
#define FERNET_PLAIN_MAX	4096	/* bytes we seal */

struct fernet_key {
	unsigned char	bytes[FERNET_KEY_LEN];
};

/* 0, or -1 when it is not 44 characters of url-safe base64. */
int	 fernet_key_parse(const char *, size_t, struct fernet_key *ret)
	    __attribute__((warn_unused_result));
void	 fernet_key_generate(char ret[FERNET_KEY_TEXT_LEN + 1]);

size_t	 fernet_token_len(size_t plain_len);
/* Appends the token to ret. */
int	 fernet_seal(const struct fernet_key *, const void *plain, size_t len,
	    struct buf *ret) __attribute__((warn_unused_result));
/* As above with a fixed time and IV: for the specification's vectors. */
int	 fernet_seal_at(const struct fernet_key *, uint64_t time_s,
	    const unsigned char iv[16], const void *plain, size_t len,
	    struct buf *ret) __attribute__((warn_unused_result));
/*
 * ttl_s 0: the token's age does not matter.  Otherwise one older than
 * ttl_s, or more than 60 s ahead of now_s, is refused.  plain needs room for
 * FERNET_PLAIN_MAX bytes; returns the length or -1.
 */
ssize_t	 fernet_open(const struct fernet_key *, const char *token,
	    size_t len, uint64_t ttl_s, uint64_t now_s, unsigned char *ret)
	    __attribute__((warn_unused_result));

#endif
