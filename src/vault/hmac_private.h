/*
 * hmac: HMAC-SHA256 over several pieces, and HKDF, for this floor alone.
 */
#ifndef VAULT_HMAC_PRIVATE_H
#define VAULT_HMAC_PRIVATE_H

#include <stddef.h>

#define HMAC_LEN	32

struct piece {
	const void	*data;
	size_t		 len;
};

void	 hmac_sha256(const void *key, size_t key_len,
	    const struct piece *pieces, size_t n,
	    unsigned char ret[HMAC_LEN]);
/* RFC 5869 with SHA-256, no salt, 32 bytes of output. */
void	 hkdf_sha256(const void *ikm, size_t ikm_len, const char *info,
	    unsigned char ret[HMAC_LEN]);

#endif
