/*
 * secret: keys and tokens in memory.
 *
 * A secret is wiped when it is freed, is compared in constant time and
 * has no printing function.  What a log may show of it is its
 * fingerprint: 8 hex digits of a hash keyed at random per process tree.
 */
#ifndef BASE_SECRET_H
#define BASE_SECRET_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct secret {
	unsigned char	*data;		/* data[len] is always NUL */
	size_t		 len;
};

#define SECRET_FINGERPRINT_LEN	9	/* 8 hex digits and the NUL */

/*
 * Makes the key of fingerprints.  The first process calls it before it
 * forks, so that one secret has one fingerprint in the whole tree.
 */
void	 secret_init(void);
/* Copies; a previous content is wiped. */
void	 secret_set(struct secret *, const void *, size_t);
void	 secret_wipe(struct secret *);
const char *secret_str(const struct secret *);
bool	 secret_equal(const struct secret *, const void *, size_t);
void	 secret_fingerprint(const void *, size_t,
	    char ret[SECRET_FINGERPRINT_LEN]);

/* Constant time in n; the lengths are public. */
bool	 ct_equal(const void *, const void *, size_t n);
void	 wipe(void *, size_t);

#endif
