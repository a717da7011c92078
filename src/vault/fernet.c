/*
 * fernet: seals and opens tokens of the Fernet specification, 0x80.
 *
 * Must not tell one failure from another: a token is good or it is -1.
 * The MAC is checked before the time, the version or the padding is
 * looked at; only the length, which everybody sees, comes before it.
 * Called by keyring.c, and by plugwayctl for a new key.
 */
#include <gcrypt.h>
#include <string.h>

#include "base/clock.h"
#include "base/codec.h"
#include "base/log.h"
#include "base/secret.h"
#include "vault/fernet.h"
#include "vault/hmac_private.h"

/* version 1 | time 8 | IV 16 | ciphertext | MAC 32 */
#define VERSION		0x80
#define OFF_TIME	1
#define OFF_IV		9
#define OFF_TEXT	25
#define IV_LEN		16
#define BLOCK_LEN	16
#define OVERHEAD	(OFF_TEXT + HMAC_LEN)
#define TEXT_MAX	(FERNET_PLAIN_MAX / BLOCK_LEN * BLOCK_LEN + BLOCK_LEN)
#define RAW_MAX		(OVERHEAD + TEXT_MAX)
#define SKEW_S		60

_Static_assert(FERNET_TOKEN_MAX / 4 * 3 > RAW_MAX,
    "the longest token we seal is one that we open");

/* What a decoder of FERNET_TOKEN_MAX characters may write. */
#define DECODE_MAX	(FERNET_TOKEN_MAX / 4 * 3 + 2)

static const unsigned char *
sign_key(const struct fernet_key *key)
{
	return key->bytes;
}

static const unsigned char *
crypt_key(const struct fernet_key *key)
{
	return key->bytes + FERNET_KEY_LEN / 2;
}

int
fernet_key_parse(const char *text, size_t len, struct fernet_key *ret)
{
	unsigned char raw[FERNET_KEY_TEXT_LEN / 4 * 3 + 2];
	ssize_t n;

	if (len != FERNET_KEY_TEXT_LEN)
		return -1;
	n = b64url_decode(text, len, B64_PADDED, raw);
	if (n == FERNET_KEY_LEN)
		memcpy(ret->bytes, raw, FERNET_KEY_LEN);
	wipe(raw, sizeof(raw));
	return n == FERNET_KEY_LEN ? 0 : -1;
}

void
fernet_key_generate(char ret[FERNET_KEY_TEXT_LEN + 1])
{
	unsigned char raw[FERNET_KEY_LEN];

	random_bytes(raw, sizeof(raw));
	b64url_encode(raw, sizeof(raw), B64_PADDED, ret);
	wipe(raw, sizeof(raw));
}

size_t
fernet_token_len(size_t plain_len)
{
	return b64url_encoded_len(OVERHEAD +
	    (plain_len / BLOCK_LEN + 1) * BLOCK_LEN, B64_PADDED);
}

/* AES-128-CBC in place; len is a multiple of the block. */
static void
cbc(const struct fernet_key *key, const unsigned char iv[IV_LEN],
    unsigned char *text, size_t len, bool encrypt)
{
	gcry_cipher_hd_t h;
	gcry_error_t e;

	e = gcry_cipher_open(&h, GCRY_CIPHER_AES128, GCRY_CIPHER_MODE_CBC, 0);
	if (e != 0)
		fatalx("libgcrypt gives no AES-128-CBC: %s",
		    gcry_strerror(e));
	e = gcry_cipher_setkey(h, crypt_key(key), FERNET_KEY_LEN / 2);
	if (e == 0)
		e = gcry_cipher_setiv(h, iv, IV_LEN);
	if (e == 0 && encrypt)
		e = gcry_cipher_encrypt(h, text, len, NULL, 0);
	else if (e == 0)
		e = gcry_cipher_decrypt(h, text, len, NULL, 0);
	if (e != 0)
		fatalx("AES-128-CBC failed: %s", gcry_strerror(e));
	gcry_cipher_close(h);
}

static void
mac(const struct fernet_key *key, const unsigned char *raw, size_t len,
    unsigned char ret[HMAC_LEN])
{
	const struct piece whole = { raw, len };

	hmac_sha256(sign_key(key), FERNET_KEY_LEN / 2, &whole, 1, ret);
}

int
fernet_seal_at(const struct fernet_key *key, uint64_t time_s,
    const unsigned char iv[16], const void *plain, size_t len,
    struct buf *ret)
{
	unsigned char raw[RAW_MAX];
	size_t pad, text_len, token_len;
	int i;

	if (len > FERNET_PLAIN_MAX)
		return -1;
	token_len = fernet_token_len(len);
	if (buf_reserve(ret, token_len) == -1)
		return -1;
	pad = BLOCK_LEN - len % BLOCK_LEN;
	text_len = len + pad;
	raw[0] = VERSION;
	for (i = 0; i < 8; i++)
		raw[OFF_TIME + i] = (unsigned char)(time_s >> (56 - 8 * i));
	memcpy(raw + OFF_IV, iv, IV_LEN);
	if (len > 0)
		memcpy(raw + OFF_TEXT, plain, len);
	memset(raw + OFF_TEXT + len, (int)pad, pad);
	cbc(key, iv, raw + OFF_TEXT, text_len, true);
	mac(key, raw, OFF_TEXT + text_len, raw + OFF_TEXT + text_len);
	b64url_encode(raw, OVERHEAD + text_len, B64_PADDED,
	    ret->data + ret->len);
	ret->len += token_len;
	return 0;
}

int
fernet_seal(const struct fernet_key *key, const void *plain, size_t len,
    struct buf *ret)
{
	unsigned char iv[IV_LEN];

	random_bytes(iv, sizeof(iv));
	return fernet_seal_at(key, (uint64_t)clock_wall_s(), iv, plain, len,
	    ret);
}

/* The length without the padding, or -1 when the padding is wrong. */
static ssize_t
unpad(const unsigned char *text, size_t len)
{
	unsigned pad = text[len - 1], i, bad;

	if (pad == 0 || pad > BLOCK_LEN)
		return -1;
	for (i = 1, bad = 0; i <= pad; i++)
		bad |= text[len - i] ^ pad;
	return bad ? -1 : (ssize_t)(len - pad);
}

static bool
time_good(uint64_t time_s, uint64_t ttl_s, uint64_t now_s)
{
	if (ttl_s == 0)
		return true;
	if (time_s > now_s)
		return time_s - now_s <= SKEW_S;
	return now_s - time_s <= ttl_s;
}

/* raw is a whole token of n bytes; its text is decrypted in place. */
static ssize_t
open_raw(const struct fernet_key *key, unsigned char *raw, size_t n,
    uint64_t ttl_s, uint64_t now_s)
{
	unsigned char want[HMAC_LEN];
	uint64_t time_s = 0;
	size_t text_len = n - OVERHEAD;
	int i;

	mac(key, raw, n - HMAC_LEN, want);
	if (!ct_equal(want, raw + n - HMAC_LEN, HMAC_LEN))
		return -1;
	if (raw[0] != VERSION || text_len % BLOCK_LEN != 0)
		return -1;
	for (i = 0; i < 8; i++)
		time_s = time_s << 8 | raw[OFF_TIME + i];
	if (!time_good(time_s, ttl_s, now_s))
		return -1;
	cbc(key, raw + OFF_IV, raw + OFF_TEXT, text_len, false);
	return unpad(raw + OFF_TEXT, text_len);
}

ssize_t
fernet_open(const struct fernet_key *key, const char *token, size_t len,
    uint64_t ttl_s, uint64_t now_s, unsigned char *ret)
{
	unsigned char raw[DECODE_MAX];
	ssize_t n, plain_len = -1;

	if (len > FERNET_TOKEN_MAX)
		return -1;
	n = b64url_decode(token, len, B64_PADDED, raw);
	if (n >= OVERHEAD + BLOCK_LEN && n <= RAW_MAX)
		plain_len = open_raw(key, raw, (size_t)n, ttl_s, now_s);
	if (plain_len > FERNET_PLAIN_MAX)
		plain_len = -1;
	if (plain_len > 0)
		memcpy(ret, raw + OFF_TEXT, (size_t)plain_len);
	if (n > 0)
		wipe(raw, (size_t)n);
	return plain_len;
}
