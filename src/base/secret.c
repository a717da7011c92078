/*
 * secret: keys and tokens in memory.
 *
 * Used by everything that holds a key.  It must not print and must not
 * leave copies behind: a secret never moves, its memory is overwritten
 * before it is given back.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/codec.h"
#include "base/secret.h"
#include "base/xmalloc.h"

/* The key of fingerprints: made once, shared by all children. */
static struct {
	unsigned char	key[16];
	bool		made;
} print;

void
secret_init(void)
{
	if (print.made)
		return;
	random_bytes(print.key, sizeof(print.key));
	print.made = true;
}

void
secret_set(struct secret *s, const void *data, size_t n)
{
	unsigned char *copy = xmalloc(n + 1);

	if (n > 0)
		memcpy(copy, data, n);
	copy[n] = '\0';
	secret_wipe(s);
	s->data = copy;
	s->len = n;
}

void
secret_wipe(struct secret *s)
{
	if (s->data != NULL) {
		wipe(s->data, s->len);
		free(s->data);
	}
	s->data = NULL;
	s->len = 0;
}

const char *
secret_str(const struct secret *s)
{
	return s->data != NULL ? (const char *)s->data : "";
}

bool
secret_equal(const struct secret *s, const void *data, size_t n)
{
	return s->len == n && ct_equal(s->data, data, n);
}

void
secret_fingerprint(const void *data, size_t n,
    char ret[SECRET_FINGERPRINT_LEN])
{
	uint64_t hash;

	secret_init();
	hash = siphash24(print.key, data, n);
	(void)snprintf(ret, SECRET_FINGERPRINT_LEN, "%08x",
	    (unsigned)(hash & 0xffffffffu));
}

bool
ct_equal(const void *a, const void *b, size_t n)
{
	const volatile unsigned char *x = a, *y = b;
	unsigned char diff = 0;
	size_t i;

	for (i = 0; i < n; i++)
		diff |= x[i] ^ y[i];
	return diff == 0;
}

void
wipe(void *p, size_t n)
{
	if (n > 0)
		explicit_bzero(p, n);
}
