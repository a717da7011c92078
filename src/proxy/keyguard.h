/*
 * keyguard: finds the caller's upstream key in what the upstream sends.
 *
 * Fed in pieces of any size; gives on at once all bytes that cannot be
 * the beginning of the key (Knuth-Morris-Pratt), so it holds back bytes
 * only while they really are a prefix of it.
 */
#ifndef PROXY_KEYGUARD_H
#define PROXY_KEYGUARD_H

#include <stddef.h>
#include <stdint.h>

#include "vault/bootkey.h"

struct keyguard {
	const unsigned char *key;	/* borrowed */
	size_t		 len;		/* 0: guards nothing */
	size_t		 held;		/* bytes held back: key[0..held) */
	uint8_t		 back[BOOTKEY_PLAIN_MAX + 1];
};

/* Gets on with n bytes; 0, or non-zero to stop. */
typedef int keyguard_emit(void *, const char *, size_t n);

void	 keyguard_init(struct keyguard *, const void *key, size_t len);
#define KEYGUARD_HIT	(-2)
/* 0, KEYGUARD_HIT when the key is in, or what emit returned. */
int	 keyguard_feed(struct keyguard *, const char *, size_t,
	    keyguard_emit *, void *);
/* The end: gives on what was held. */
int	 keyguard_end(struct keyguard *, keyguard_emit *, void *);
/* Forgets the key's shape. */
void	 keyguard_wipe(struct keyguard *);

#endif
