/*
 * codec: base64url, hex, percent-decoding, UTF-8, SipHash.
 *
 * All decoders are strict: one spelling for one value.
 */
#ifndef BASE_CODEC_H
#define BASE_CODEC_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

enum b64_padding {
	B64_UNPADDED,		/* RFC 7515 2: no '=' at all */
	B64_PADDED		/* Fernet: '=' up to a multiple of 4 */
};

/* Characters without the NUL. */
size_t	 b64url_encoded_len(size_t n, enum b64_padding);
/* Writes the characters and a NUL. */
void	 b64url_encode(const void *, size_t n, enum b64_padding, char *ret);
/*
 * RFC 4648 5 alphabet only; bits left over in the last character must
 * be zero.  Returns the number of bytes, or -1.  ret may be as small as
 * n / 4 * 3 + 2 bytes.
 */
ssize_t	 b64url_decode(const char *, size_t n, enum b64_padding,
	    unsigned char *ret);

void	 hex_encode(const void *, size_t n, char *ret);	/* and a NUL */
ssize_t	 hex_decode(const char *, size_t n, unsigned char *ret);

/* Returns the decoded length, -1 on a bad escape or on %00.  ret may be
 * the text itself. */
ssize_t	 percent_decode(const char *, size_t n, char *ret);

/* RFC 3629: no overlong forms, no surrogates, at most U+10FFFF. */
bool	 utf8_valid(const char *, size_t n);
/* Bytes of the valid character at the front, 0 when there is none. */
size_t	 utf8_char(const char *, size_t n);
/* The number of characters in valid UTF-8. */
size_t	 utf8_count(const char *, size_t n);

/* SipHash-2-4. */
uint64_t siphash24(const unsigned char key[16], const void *, size_t n);

/* Cryptographic random bytes; never fails. */
void	 random_bytes(void *, size_t n);
/* n (at most 64) random bytes as unpadded base64url, and a NUL. */
void	 random_token(size_t n, char *ret);

/*
 * A whole decimal integer: no sign but '-', no spaces, no leading
 * zeros, within [min, max].  Returns 0, or -1.
 */
int	 parse_int(const char *, int64_t min, int64_t max, int64_t *ret);

#endif
