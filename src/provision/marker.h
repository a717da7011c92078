/*
 * marker: the name under which an upstream account is created.
 *
 * plugway.<instance>.<job>.<fence>.<mac>, at most 100 characters.  The
 * MAC is HMAC-SHA256 under a secret of this installation, so an account
 * of another installation, or one that only looks like ours, is never
 * taken for ours.  A marker says who made the account; whether it is
 * bound is for the database alone to say.
 */
#ifndef PROVISION_MARKER_H
#define PROVISION_MARKER_H

#include <stddef.h>
#include <stdint.h>

#define MARKER_MAX		100	/* the upstream's limit for names */
#define MARKER_INSTANCE_MIN	8
#define MARKER_INSTANCE_MAX	16
#define MARKER_KEY_LEN		32
#define MARKER_MAC_LEN		24	/* base64url characters: 144 bits */

struct marker_key {
	char		 instance[MARKER_INSTANCE_MAX + 1];	/* [a-z0-9] */
	unsigned char	 key[MARKER_KEY_LEN];
};

struct marker {
	uint64_t	 job_id;
	uint32_t	 fence;
};

/* Writes the text and a NUL. */
void	 marker_make(const struct marker_key *, const struct marker *,
	    char ret[MARKER_MAX + 1]);
/* 1 = ours, 0 = anything else.  One spelling only; the MAC is compared
 * in constant time. */
int	 marker_parse(const struct marker_key *, const char *, size_t len,
	    struct marker *ret) __attribute__((warn_unused_result));

#endif
