/*
 * bootkey: the key of one boot, which lies in memory only.
 *
 * The keeper seals upstream keys under it into shared memory, workers
 * open them for the time of one request.  AES-256-GCM; the additional
 * data are the user id and the key generation, so a sealed key that
 * turns up in another user's entry does not open.
 */
#ifndef VAULT_BOOTKEY_H
#define VAULT_BOOTKEY_H

#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#define BOOTKEY_LEN		32
#define BOOTKEY_PLAIN_MAX	192
#define BOOTKEY_SEALED_MAX	(12 + BOOTKEY_PLAIN_MAX + 16)

struct bootkey {
	unsigned char	bytes[BOOTKEY_LEN];
};

/* libgcrypt ready for use; once, in the first process, before a fork. */
void	 vault_init(void);

void	 bootkey_make(struct bootkey *);
/* ret has BOOTKEY_SEALED_MAX bytes; returns the length or -1. */
ssize_t	 bootkey_seal(const struct bootkey *, uint64_t user_id,
	    uint32_t key_gen, const void *plain, size_t len,
	    unsigned char *ret) __attribute__((warn_unused_result));
/* ret has BOOTKEY_PLAIN_MAX + 1 bytes (NUL added); the caller wipes it. */
ssize_t	 bootkey_open(const struct bootkey *, uint64_t user_id,
	    uint32_t key_gen, const unsigned char *sealed, size_t len,
	    unsigned char *ret) __attribute__((warn_unused_result));

#endif
