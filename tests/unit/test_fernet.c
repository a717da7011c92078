/*
 * The published vectors of the Fernet specification (generate, verify,
 * invalid), and what this reader refuses beyond them.
 */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "base/codec.h"
#include "base/xmalloc.h"
#include "vault/bootkey.h"
#include "vault/fernet.h"
#include "vault/hmac_private.h"

#define SPEC_KEY	"cw_0x689RpI-jtRR7oE8h_eQsKImvJapLeSbXpwF4e4="
#define SPEC_NOW	499162800u	/* 1985-10-26T01:20:00-07:00 */
#define SPEC_TOKEN	"gAAAAAAdwJ6wAAECAwQFBgcICQoLDA0ODy021cpGVWKZ_eEwCGM4" \
			"BLLF_5CV9dOPmrhuVUPgJobwOz7JcbmrR64jVmpU4IwqDA=="

static const unsigned char spec_iv[16] = {
	0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15
};

static const struct {
	const char	*name;
	const char	*token;
	uint64_t	 now_s;
} invalid[] = {
	{ "incorrect mac", "gAAAAAAdwJ6xAAECAwQFBgcICQoLDA0OD3HkMATM5lFqGaer"
	    "Z-fWPAl1-szkFVzXTuGb4hR8AKtwcaX1YdykQUFBQUFBQUFBQQ==",
	    SPEC_NOW + 1 },
	{ "too short", "gAAAAAAdwJ6xAAECAwQFBgcICQoLDA0OD3HkMATM5lFqGaerZ-fW"
	    "PA==", SPEC_NOW + 1 },
	{ "invalid base64", "%%%%%%%%%%%%%AECAwQFBgcICQoLDA0OD3HkMATM5lFqGaer"
	    "Z-fWPAl1-szkFVzXTuGb4hR8AKtwcaX1YdykRtfsH-p1YsUD2Q==",
	    SPEC_NOW + 1 },
	{ "payload size not multiple of block size", "gAAAAAAdwJ6xAAECAwQFBgcI"
	    "CQoLDA0OD3HkMATM5lFqGaerZ-fWPOm73QeoCk9uGib28Xe5vz6oxq5nmxbx_v7m"
	    "rfyudzUm", SPEC_NOW + 1 },
	{ "payload padding error", "gAAAAAAdwJ6xAAECAwQFBgcICQoLDA0ODz4LEpdE"
	    "LGQAad7aNEHbf-JkLPIpuiYRLQ3RtXatOYREu2FWke6CnJNYIbkuKNqOhw==",
	    SPEC_NOW + 1 },
	{ "far-future TS", "gAAAAAAdwStRAAECAwQFBgcICQoLDA0OD3HkMATM5lFqGaer"
	    "Z-fWPAnja1xKYyhd-Y6mSkTOyTGJmw2Xc2a6kBd-iX9b_qXQcw==",
	    SPEC_NOW + 1 },
	{ "expired TTL", "gAAAAAAdwJ6xAAECAwQFBgcICQoLDA0OD3HkMATM5lFqGaerZ-fW"
	    "PAl1-szkFVzXTuGb4hR8AKtwcaX1YdykRtfsH-p1YsUD2Q==",
	    SPEC_NOW + 91 },
	{ "incorrect IV", "gAAAAAAdwJ6xBQECAwQFBgcICQoLDA0OD3HkMATM5lFqGaerZ"
	    "-fWPAkLhFLHpGtDBRLRTZeUfWgHSv49TF2AUEZ1TIvcZjK1zQ==",
	    SPEC_NOW + 1 },
};

static struct fernet_key
spec_key(void)
{
	struct fernet_key key;

	assert_int_equal(fernet_key_parse(SPEC_KEY, strlen(SPEC_KEY), &key),
	    0);
	return key;
}

static void
test_generate(void **state)
{
	struct fernet_key key = spec_key();
	struct buf token = BUF_INIT(FERNET_TOKEN_MAX);

	(void)state;
	assert_int_equal(fernet_seal_at(&key, SPEC_NOW, spec_iv, "hello", 5,
	    &token), 0);
	assert_string_equal(buf_str(&token), SPEC_TOKEN);
	assert_int_equal(token.len, fernet_token_len(5));
	buf_free(&token);
}

static void
test_verify(void **state)
{
	struct fernet_key key = spec_key();
	unsigned char plain[FERNET_PLAIN_MAX];

	(void)state;
	assert_int_equal(fernet_open(&key, SPEC_TOKEN, strlen(SPEC_TOKEN),
	    60, SPEC_NOW + 1, plain), 5);
	assert_memory_equal(plain, "hello", 5);
}

static void
test_invalid(void **state)
{
	struct fernet_key key = spec_key();
	unsigned char plain[FERNET_PLAIN_MAX];
	size_t i;

	(void)state;
	for (i = 0; i < sizeof(invalid) / sizeof(invalid[0]); i++)
		if (fernet_open(&key, invalid[i].token,
		    strlen(invalid[i].token), 60, invalid[i].now_s, plain) != -1)
			fail_msg("opened: %s", invalid[i].name);
	/* The two that only the clock refuses are good without a TTL. */
	assert_int_equal(fernet_open(&key, invalid[5].token,
	    strlen(invalid[5].token), 0, 0, plain), 0);
	assert_int_equal(fernet_open(&key, invalid[6].token,
	    strlen(invalid[6].token), 0, 0, plain), 0);
}

static void
test_time(void **state)
{
	static const struct {
		uint64_t ttl_s, now_s;
		ssize_t want;
	} rows[] = {
		{ 60, SPEC_NOW + 60, 5 },
		{ 60, SPEC_NOW + 61, -1 },
		{ 60, SPEC_NOW - 60, 5 },	/* clocks may differ */
		{ 60, SPEC_NOW - 61, -1 },
		{ UINT64_MAX, UINT64_MAX, 5 },
		{ 1, 0, -1 },
		{ 0, UINT64_MAX, 5 },
		{ 0, 0, 5 },
	};
	struct fernet_key key = spec_key();
	unsigned char plain[FERNET_PLAIN_MAX];
	size_t i;

	(void)state;
	for (i = 0; i < sizeof(rows) / sizeof(rows[0]); i++)
		if (fernet_open(&key, SPEC_TOKEN, strlen(SPEC_TOKEN),
		    rows[i].ttl_s, rows[i].now_s, plain) != rows[i].want)
			fail_msg("time row %zu", i);
}

/* Every single-bit change of a token's bytes is refused. */
static void
test_bits(void **state)
{
	struct fernet_key key = spec_key();
	unsigned char plain[FERNET_PLAIN_MAX], raw[128];
	char text[256];
	ssize_t n;
	size_t bit;

	(void)state;
	n = b64url_decode(SPEC_TOKEN, strlen(SPEC_TOKEN), B64_PADDED, raw);
	assert_int_equal(n, 73);
	for (bit = 0; bit < 73 * 8; bit++) {
		raw[bit / 8] ^= (unsigned char)(1u << bit % 8);
		b64url_encode(raw, 73, B64_PADDED, text);
		assert_int_equal(fernet_open(&key, text, strlen(text), 0, 0,
		    plain), -1);
		raw[bit / 8] ^= (unsigned char)(1u << bit % 8);
	}
}

/* One spelling for one token, which some readers do not insist on. */
static void
test_spellings(void **state)
{
	static const char *const rows[] = {
		"", "=", "====", "gAAA", SPEC_TOKEN "\n", SPEC_TOKEN " ",
		SPEC_TOKEN "=", SPEC_TOKEN "====", " " SPEC_TOKEN,
		SPEC_TOKEN SPEC_TOKEN,
		/* without padding, with half of it */
		"gAAAAAAdwJ6wAAECAwQFBgcICQoLDA0ODy021cpGVWKZ_eEwCGM4BLLF_5CV"
		"9dOPmrhuVUPgJobwOz7JcbmrR64jVmpU4IwqDA",
		"gAAAAAAdwJ6wAAECAwQFBgcICQoLDA0ODy021cpGVWKZ_eEwCGM4BLLF_5CV"
		"9dOPmrhuVUPgJobwOz7JcbmrR64jVmpU4IwqDA=",
		/* bits left over in the last character */
		"gAAAAAAdwJ6wAAECAwQFBgcICQoLDA0ODy021cpGVWKZ_eEwCGM4BLLF_5CV"
		"9dOPmrhuVUPgJobwOz7JcbmrR64jVmpU4IwqDB==",
		/* the other alphabet */
		"gAAAAAAdwJ6wAAECAwQFBgcICQoLDA0ODy021cpGVWKZ/eEwCGM4BLLF/5CV"
		"9dOPmrhuVUPgJobwOz7JcbmrR64jVmpU4IwqDA==",
	};
	struct fernet_key key = spec_key();
	unsigned char plain[FERNET_PLAIN_MAX];
	size_t i;

	(void)state;
	for (i = 0; i < sizeof(rows) / sizeof(rows[0]); i++)
		if (fernet_open(&key, rows[i], strlen(rows[i]), 0, 0,
		    plain) != -1)
			fail_msg("spelling row %zu", i);
}

static void
test_lengths(void **state)
{
	static const size_t lens[] = {
		0, 1, 15, 16, 17, 47, 48, 51, 100, 255, 4095, FERNET_PLAIN_MAX
	};
	struct fernet_key key = spec_key();
	struct buf token = BUF_INIT(FERNET_TOKEN_MAX);
	unsigned char in[FERNET_PLAIN_MAX + 1], out[FERNET_PLAIN_MAX];
	size_t i;

	(void)state;
	random_bytes(in, sizeof(in));
	for (i = 0; i < sizeof(lens) / sizeof(lens[0]); i++) {
		buf_reset(&token);
		assert_int_equal(fernet_seal(&key, in, lens[i], &token), 0);
		assert_int_equal(token.len, fernet_token_len(lens[i]));
		assert_int_equal(strlen(buf_str(&token)), token.len);
		assert_int_equal(fernet_open(&key, token.data, token.len, 60,
		    (uint64_t)time(NULL), out), lens[i]);
		assert_memory_equal(in, out, lens[i]);
	}
	buf_reset(&token);
	assert_int_equal(fernet_seal(&key, in, FERNET_PLAIN_MAX + 1, &token),
	    -1);
	assert_int_equal(token.len, 0);
	buf_free(&token);

	buf_init(&token, fernet_token_len(16) - 1);
	assert_int_equal(fernet_seal(&key, in, 16, &token), -1);
	buf_free(&token);
	buf_init(&token, fernet_token_len(16));
	assert_int_equal(fernet_seal(&key, in, 16, &token), 0);
	buf_free(&token);
}

static void
test_other_key(void **state)
{
	struct fernet_key key = spec_key(), other;
	char text[FERNET_KEY_TEXT_LEN + 1], again[FERNET_KEY_TEXT_LEN + 1];
	unsigned char plain[FERNET_PLAIN_MAX];

	(void)state;
	fernet_key_generate(text);
	fernet_key_generate(again);
	assert_string_not_equal(text, again);
	assert_int_equal(fernet_key_parse(text, strlen(text), &other), 0);
	assert_int_equal(fernet_open(&other, SPEC_TOKEN, strlen(SPEC_TOKEN),
	    0, 0, plain), -1);
	/* one wrong bit in the half that signs */
	memcpy(other.bytes, key.bytes, 32);
	other.bytes[15] ^= 1;
	assert_int_equal(fernet_open(&other, SPEC_TOKEN, strlen(SPEC_TOKEN),
	    0, 0, plain), -1);
}

static void
test_bad_keys(void **state)
{
	static const char *const rows[] = {
		"", "your-32-char-key", "0123456789abcdef0123456789abcdef",
		"cw_0x689RpI-jtRR7oE8h_eQsKImvJapLeSbXpwF4e4",
		"cw_0x689RpI-jtRR7oE8h_eQsKImvJapLeSbXpwF4e4==",
		"cw/0x689RpI+jtRR7oE8h/eQsKImvJapLeSbXpwF4e4=",
		"cw_0x689RpI-jtRR7oE8h_eQsKImvJapLeSbXpwF4e5=",
		"cw_0x689RpI-jtRR7oE8h_eQsKImvJapLeSbXpwF4e4\n",
		"cw_0x689RpI-jtRR7oE8h_eQsKImvJapLeSbXpwF4e4A",
		"cw_0x689RpI-jtRR7oE8h_eQsKImvJapLeSbXpwF4e==",
		"============================================",
	};
	struct fernet_key key;
	size_t i;

	(void)state;
	for (i = 0; i < sizeof(rows) / sizeof(rows[0]); i++)
		if (fernet_key_parse(rows[i], strlen(rows[i]), &key) != -1)
			fail_msg("key row %zu", i);
}

/* Signs n bytes as the owner of the key would, and opens them. */
static ssize_t
open_forged(const unsigned char *raw, size_t n)
{
	struct fernet_key key = spec_key();
	const struct piece whole = { raw, n };
	unsigned char plain[FERNET_PLAIN_MAX];
	unsigned char *signed_raw = xmalloc(n + 32);
	char *text = xmalloc(2 * n + 128);
	ssize_t r;

	if (n > 0)
		memcpy(signed_raw, raw, n);
	hmac_sha256(key.bytes, 16, &whole, 1, signed_raw + n);
	b64url_encode(signed_raw, n + 32, B64_PADDED, text);
	r = fernet_open(&key, text, strlen(text), 0, 0, plain);
	free(signed_raw);
	free(text);
	return r;
}

/* A good MAC over what no Fernet writer makes. */
static void
test_forged(void **state)
{
	unsigned char *raw = xcalloc(1, 8192);
	ssize_t n;
	size_t len;

	(void)state;
	n = b64url_decode(SPEC_TOKEN, strlen(SPEC_TOKEN), B64_PADDED, raw);
	assert_int_equal(n, 73);
	n -= 32;
	assert_int_equal(open_forged(raw, (size_t)n), 5);
	raw[0] = 0x81;
	assert_int_equal(open_forged(raw, (size_t)n), -1);
	raw[0] = 0x80;
	for (len = 0; len < 80; len++)
		if (len != (size_t)n && open_forged(raw, len) != -1)
			/* other blocks decrypt to some padding by luck */
			assert_true(len > 41 && (len - 25) % 16 == 0);
	/* the last block over the largest plain text, and more */
	assert_int_equal(open_forged(raw, 25 + 4096 + 32), -1);
	assert_int_equal(open_forged(raw, 25 + 6000), -1);
	/* the IV turns the padding 0b into 00, 11 and 0a */
	raw[24] ^= 0x0b;
	assert_int_equal(open_forged(raw, (size_t)n), -1);
	raw[24] ^= 0x11;
	assert_int_equal(open_forged(raw, (size_t)n), -1);
	raw[24] ^= 0x11 ^ 0x0a;
	assert_int_equal(open_forged(raw, (size_t)n), -1);
	free(raw);
}

/* As many blocks as our longest token has, but 4,111 bytes of text. */
static void
test_forged_long(void **state)
{
	struct fernet_key key = spec_key();
	struct buf token = BUF_INIT(FERNET_TOKEN_MAX);
	unsigned char *raw = xcalloc(1, 8192);

	(void)state;
	assert_int_equal(fernet_seal(&key, raw, FERNET_PLAIN_MAX, &token), 0);
	assert_int_equal(b64url_decode(token.data, token.len, B64_PADDED,
	    raw), 57 + FERNET_PLAIN_MAX + 16);
	assert_int_equal(open_forged(raw, 25 + FERNET_PLAIN_MAX + 16),
	    FERNET_PLAIN_MAX);
	raw[25 + FERNET_PLAIN_MAX - 1] ^= 0x10 ^ 0x01;
	assert_int_equal(open_forged(raw, 25 + FERNET_PLAIN_MAX + 16), -1);
	buf_free(&token);
	free(raw);
}

/* Tokens longer than what we seal, but within FERNET_TOKEN_MAX. */
static void
test_oversized(void **state)
{
	struct fernet_key key = spec_key();
	unsigned char plain[FERNET_PLAIN_MAX];
	char *token = xmalloc(FERNET_TOKEN_MAX + 5);

	(void)state;
	memset(token, 'A', FERNET_TOKEN_MAX + 4);
	token[0] = 'g';
	assert_int_equal(fernet_open(&key, token, FERNET_TOKEN_MAX, 0, 0,
	    plain), -1);
	assert_int_equal(fernet_open(&key, token, FERNET_TOKEN_MAX + 4, 0, 0,
	    plain), -1);
	free(token);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_generate),
		cmocka_unit_test(test_verify),
		cmocka_unit_test(test_invalid),
		cmocka_unit_test(test_time),
		cmocka_unit_test(test_bits),
		cmocka_unit_test(test_spellings),
		cmocka_unit_test(test_lengths),
		cmocka_unit_test(test_other_key),
		cmocka_unit_test(test_bad_keys),
		cmocka_unit_test(test_forged),
		cmocka_unit_test(test_forged_long),
		cmocka_unit_test(test_oversized),
	};

	vault_init();
	return cmocka_run_group_tests(tests, NULL, NULL);
}
