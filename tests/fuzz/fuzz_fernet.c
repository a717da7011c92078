/*
 * fuzz_fernet: any bytes, as a token, as the inside of a token under a
 * good MAC, as a text to seal, and as a list of keys.
 *
 * A token that opens has one spelling; what was sealed opens to itself;
 * a list of keys is taken, or a sentence says why not.
 */
#include <assert.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "base/codec.h"
#include "base/xmalloc.h"
#include "vault/bootkey.h"
#include "vault/hmac_private.h"
#include "vault/keyring.h"

#define KEY	"cw_0x689RpI-jtRR7oE8h_eQsKImvJapLeSbXpwF4e4="

int	 LLVMFuzzerTestOneInput(const uint8_t *, size_t);

static struct fernet_key key;

static void
as_token(const char *text, size_t len)
{
	unsigned char plain[FERNET_PLAIN_MAX], raw[FERNET_TOKEN_MAX];
	char again[FERNET_TOKEN_MAX + 1];
	ssize_t n;

	n = fernet_open(&key, text, len, 0, 0, plain);
	assert(n >= -1 && n <= FERNET_PLAIN_MAX);
	if (n == -1)
		return;
	assert(fernet_token_len((size_t)n) == len);
	n = b64url_decode(text, len, B64_PADDED, raw);
	assert(n > 0);
	b64url_encode(raw, (size_t)n, B64_PADDED, again);
	assert(strlen(again) == len && memcmp(again, text, len) == 0);
}

/* Behind the MAC: version, lengths and padding. */
static void
as_signed(const uint8_t *data, size_t size)
{
	const struct piece whole = { data, size };
	unsigned char *raw = xmalloc(size + HMAC_LEN);
	char *text = xmalloc(b64url_encoded_len(size + HMAC_LEN,
	    B64_PADDED) + 1);

	if (size > 0)
		memcpy(raw, data, size);
	hmac_sha256(key.bytes, FERNET_KEY_LEN / 2, &whole, 1, raw + size);
	b64url_encode(raw, size + HMAC_LEN, B64_PADDED, text);
	as_token(text, strlen(text));
	free(raw);
	free(text);
}

static void
as_plain(const uint8_t *data, size_t size)
{
	static const unsigned char iv[16] = { 1 };
	struct buf token = BUF_INIT(FERNET_TOKEN_MAX);
	unsigned char plain[FERNET_PLAIN_MAX];

	if (fernet_seal_at(&key, 1, iv, data, size, &token) == -1) {
		assert(size > FERNET_PLAIN_MAX);
		return;
	}
	assert(fernet_open(&key, token.data, token.len, 0, 0, plain) ==
	    (ssize_t)size);
	assert(size == 0 || memcmp(plain, data, size) == 0);
	buf_free(&token);
}

static void
as_list(const uint8_t *data, size_t size)
{
	char *list = xstrndup((const char *)data, size);
	struct buf why = BUF_INIT(1024);
	struct keyring *ring = keyring_parse(list, &why);

	if (ring == NULL) {
		assert(why.len > 0 && !why.failed);
	} else {
		assert(why.len == 0 && keyring_count(ring) >= 1 &&
		    keyring_count(ring) <= KEYRING_MAX);
	}
	keyring_free(&ring);
	buf_free(&why);
	free(list);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static int ready;

	if (!ready) {
		vault_init();
		if (fernet_key_parse(KEY, strlen(KEY), &key) == -1)
			abort();
		ready = 1;
	}
	as_token((const char *)data, size);
	as_signed(data, size);
	as_plain(data, size);
	as_list(data, size);
	return 0;
}
