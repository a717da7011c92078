/*
 * codec: base64url, hex, percent-decoding, UTF-8, whole numbers.
 *
 * Pure functions over bytes; every floor uses them on outside data, so
 * each decoder accepts one spelling of a value and never reads or
 * writes past the lengths it was given.
 */
#include <assert.h>
#include <string.h>

#include <gcrypt.h>

#include "base/codec.h"
#include "base/secret.h"

static const char b64url[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZ"
    "abcdefghijklmnopqrstuvwxyz0123456789-_";

size_t
b64url_encoded_len(size_t n, enum b64_padding padding)
{
	size_t rest = n % 3;

	if (rest == 0)
		return n / 3 * 4;
	return n / 3 * 4 + (padding == B64_PADDED ? 4 : rest + 1);
}

void
b64url_encode(const void *data, size_t n, enum b64_padding padding, char *ret)
{
	const unsigned char *p = data;
	uint32_t v;

	for (; n >= 3; n -= 3, p += 3) {
		v = (uint32_t)p[0] << 16 | (uint32_t)p[1] << 8 | p[2];
		*ret++ = b64url[v >> 18];
		*ret++ = b64url[v >> 12 & 63];
		*ret++ = b64url[v >> 6 & 63];
		*ret++ = b64url[v & 63];
	}
	if (n > 0) {
		v = (uint32_t)p[0] << 16 | (n == 2 ? (uint32_t)p[1] << 8 : 0);
		*ret++ = b64url[v >> 18];
		*ret++ = b64url[v >> 12 & 63];
		if (n == 2)
			*ret++ = b64url[v >> 6 & 63];
		for (; padding == B64_PADDED && n < 3; n++)
			*ret++ = '=';
	}
	*ret = '\0';
}

/* The value of one character of the alphabet, or -1. */
static int
b64url_value(unsigned char c)
{
	if (c >= 'A' && c <= 'Z')
		return c - 'A';
	if (c >= 'a' && c <= 'z')
		return c - 'a' + 26;
	if (c >= '0' && c <= '9')
		return c - '0' + 52;
	if (c == '-')
		return 62;
	return c == '_' ? 63 : -1;
}

/* Cuts the padding off *n; -1 when it is not what it must be. */
static int
b64url_unpad(const char *s, size_t *n)
{
	if (*n % 4 != 0)
		return -1;
	if (*n > 0 && s[*n - 1] == '=')
		(*n)--;
	if (*n % 4 == 3 && s[*n - 1] == '=')
		(*n)--;
	return 0;
}

ssize_t
b64url_decode(const char *s, size_t n, enum b64_padding padding,
    unsigned char *ret)
{
	unsigned char *p = ret;
	uint32_t bits = 0;
	unsigned n_bits = 0;
	size_t i;
	int v;

	if (padding == B64_PADDED && b64url_unpad(s, &n) == -1)
		return -1;
	if (n % 4 == 1)
		return -1;
	for (i = 0; i < n; i++) {
		if ((v = b64url_value((unsigned char)s[i])) == -1)
			return -1;
		bits = (bits << 6 | (uint32_t)v) & 0xffffu;
		n_bits += 6;
		if (n_bits >= 8) {
			n_bits -= 8;
			*p++ = (unsigned char)(bits >> n_bits);
		}
	}
	if ((bits & ((1u << n_bits) - 1)) != 0)
		return -1;
	return p - ret;
}

void
hex_encode(const void *data, size_t n, char *ret)
{
	static const char digits[] = "0123456789abcdef";
	const unsigned char *p = data;
	size_t i;

	for (i = 0; i < n; i++) {
		*ret++ = digits[p[i] >> 4];
		*ret++ = digits[p[i] & 15];
	}
	*ret = '\0';
}

static int
hex_value(unsigned char c)
{
	if (c >= '0' && c <= '9')
		return c - '0';
	if (c >= 'a' && c <= 'f')
		return c - 'a' + 10;
	return c >= 'A' && c <= 'F' ? c - 'A' + 10 : -1;
}

ssize_t
hex_decode(const char *s, size_t n, unsigned char *ret)
{
	size_t i;

	if (n % 2 != 0)
		return -1;
	for (i = 0; i < n; i += 2) {
		int high = hex_value((unsigned char)s[i]);
		int low = hex_value((unsigned char)s[i + 1]);

		if (high == -1 || low == -1)
			return -1;
		ret[i / 2] = (unsigned char)(high << 4 | low);
	}
	return (ssize_t)(n / 2);
}

ssize_t
percent_decode(const char *s, size_t n, char *ret)
{
	size_t i, len = 0;
	int high, low;

	for (i = 0; i < n; i++) {
		if (s[i] != '%') {
			ret[len++] = s[i];
			continue;
		}
		if (n - i < 3)
			return -1;
		high = hex_value((unsigned char)s[i + 1]);
		low = hex_value((unsigned char)s[i + 2]);
		if (high == -1 || low == -1 || (high | low) == 0)
			return -1;
		ret[len++] = (char)(high << 4 | low);
		i += 2;
	}
	return (ssize_t)len;
}

size_t
utf8_char(const char *s, size_t n)
{
	const unsigned char *p = (const unsigned char *)s;
	unsigned char min = 0x80, max = 0xbf;
	size_t len, i;

	if (n == 0)
		return 0;
	if (p[0] < 0x80)
		return 1;
	if (p[0] < 0xc2 || p[0] > 0xf4)
		return 0;
	len = p[0] < 0xe0 ? 2 : p[0] < 0xf0 ? 3 : 4;
	/* Overlong forms, surrogates, and what lies above U+10FFFF. */
	if (p[0] == 0xe0)
		min = 0xa0;
	else if (p[0] == 0xed)
		max = 0x9f;
	else if (p[0] == 0xf0)
		min = 0x90;
	else if (p[0] == 0xf4)
		max = 0x8f;
	if (n < len || p[1] < min || p[1] > max)
		return 0;
	for (i = 2; i < len; i++)
		if (p[i] < 0x80 || p[i] > 0xbf)
			return 0;
	return len;
}

bool
utf8_valid(const char *s, size_t n)
{
	size_t i = 0, len;

	while (i < n) {
		if ((len = utf8_char(s + i, n - i)) == 0)
			return false;
		i += len;
	}
	return true;
}

size_t
utf8_count(const char *s, size_t n)
{
	size_t i, count = 0;

	for (i = 0; i < n; i++)
		count += ((unsigned char)s[i] & 0xc0) != 0x80;
	return count;
}

void
random_bytes(void *ret, size_t n)
{
	/* The vault sets libgcrypt up; a tool that has none may come
	 * here first. */
	if (!gcry_control(GCRYCTL_ANY_INITIALIZATION_P))
		(void)gcry_check_version(NULL);
	if (n > 0)
		gcry_randomize(ret, n, GCRY_STRONG_RANDOM);
}

void
random_token(size_t n, char *ret)
{
	unsigned char bytes[64];

	assert(n <= sizeof(bytes));
	random_bytes(bytes, n);
	b64url_encode(bytes, n, B64_UNPADDED, ret);
	wipe(bytes, sizeof(bytes));
}

int
parse_int(const char *s, int64_t min, int64_t max, int64_t *ret)
{
	bool negative = *s == '-';
	int64_t v = 0;

	if (negative)
		s++;
	if (*s == '\0' || (s[0] == '0' && (s[1] != '\0' || negative)))
		return -1;
	for (; *s != '\0'; s++) {
		if (*s < '0' || *s > '9')
			return -1;
		/* Downwards: INT64_MIN has no positive twin. */
		if (__builtin_mul_overflow(v, 10, &v) ||
		    __builtin_sub_overflow(v, *s - '0', &v))
			return -1;
	}
	if (!negative && __builtin_sub_overflow((int64_t)0, v, &v))
		return -1;
	if (v < min || v > max)
		return -1;
	*ret = v;
	return 0;
}
