/* The key ring: parsing for people, rotation, binding, canary. */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include <stdio.h>
#include <string.h>

#include "base/codec.h"
#include "vault/bootkey.h"
#include "vault/hmac_private.h"
#include "vault/keyring.h"

#define KEY_A	"cw_0x689RpI-jtRR7oE8h_eQsKImvJapLeSbXpwF4e4="
#define KEY_B	"AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8="
#define KEY_C	"_____________________________________________"
#define PLAIN	"sk-upstream-0123456789abcdef"

static const struct binding row = { 7, "acct-1", 3 };

static struct keyring *
ring(const char *list)
{
	struct buf why = BUF_INIT(1024);
	struct keyring *r = keyring_parse(list, &why);

	if (r == NULL)
		fail_msg("%s", buf_str(&why));
	assert_int_equal(why.len, 0);
	buf_free(&why);
	return r;
}

static void
test_parse(void **state)
{
	struct keyring *r;

	(void)state;
	r = ring(KEY_A);
	assert_int_equal(keyring_count(r), 1);
	assert_int_equal(strlen(keyring_id(r, 0)), 8);
	keyring_free(&r);
	assert_null(r);
	r = ring(" " KEY_A " ,\t" KEY_B);
	assert_int_equal(keyring_count(r), 2);
	assert_string_not_equal(keyring_id(r, 0), keyring_id(r, 1));
	keyring_free(&r);
	keyring_free(&r);
}

static void
test_parse_fails(void **state)
{
	static const struct {
		const char *list, *says;
	} rows[] = {
		{ "", "Key 1" },
		{ "your-encryption-key-here-32-char", "32 characters" },
		{ "0123456789abcdef0123456789abcdef", "plugwayctl genkey" },
		{ KEY_A ",", "Key 2" },
		{ "," KEY_A, "Key 1" },
		{ KEY_A "," KEY_A, "same as key 1" },
		{ KEY_A ";" KEY_B, "89 characters" },
		{ "cw_0x689RpI-jtRR7oE8h_eQsKImvJapLeSbXpwF4e4", "43" },
		{ "cw/0x689RpI+jtRR7oE8h/eQsKImvJapLeSbXpwF4e4=", "'+'" },
		{ "cw_0x689RpI-jtRR7oE8h_eQsKImvJapLeSbXpwF4e5=", "form" },
		{ KEY_C, "45 characters" },
	};
	size_t i;

	(void)state;
	for (i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		struct buf why = BUF_INIT(1024);

		assert_null(keyring_parse(rows[i].list, &why));
		if (strstr(buf_str(&why), rows[i].says) == NULL)
			fail_msg("row %zu: %s", i, buf_str(&why));
		assert_int_equal(why.data[why.len - 1], '.');
		/* never the content */
		assert_null(strstr(buf_str(&why), "cw"));
		assert_null(strstr(buf_str(&why), "encryption-key-here"));
		buf_free(&why);
	}
}

static void
test_parse_many(void **state)
{
	struct buf list = BUF_INIT(4096), why = BUF_INIT(1024);
	char key[FERNET_KEY_TEXT_LEN + 1];
	struct keyring *r;
	int i;

	(void)state;
	for (i = 0; i < KEYRING_MAX; i++) {
		fernet_key_generate(key);
		buf_printf(&list, "%s%s", i > 0 ? "," : "", key);
	}
	r = ring(buf_str(&list));
	assert_int_equal(keyring_count(r), KEYRING_MAX);
	keyring_free(&r);
	buf_puts(&list, "," KEY_A);
	assert_null(keyring_parse(buf_str(&list), &why));
	assert_non_null(strstr(buf_str(&why), "more than 16"));
	buf_free(&list);
	buf_free(&why);
}

static void
test_rotation(void **state)
{
	struct keyring *old = ring(KEY_A), *both = ring(KEY_B "," KEY_A),
	    *young = ring(KEY_B);
	struct buf token = BUF_INIT(1024);
	char mac[BIND_MAC_TEXT_LEN + 1];
	unsigned char plain[FERNET_PLAIN_MAX];
	size_t index = 99;

	(void)state;
	buf_puts(&token, "before:");
	assert_int_equal(keyring_seal(old, &row, PLAIN, strlen(PLAIN), &token,
	    mac), 0);
	buf_consume(&token, 7);
	assert_int_equal(strlen(mac), BIND_MAC_TEXT_LEN);
	assert_int_equal(keyring_open(both, &row, token.data, token.len, mac,
	    plain, &index), strlen(PLAIN));
	assert_int_equal(index, 1);
	assert_memory_equal(plain, PLAIN, strlen(PLAIN));
	assert_int_equal(keyring_open(young, &row, token.data, token.len, mac,
	    plain, NULL), KEYRING_WRONG_KEY);

	buf_reset(&token);
	assert_int_equal(keyring_seal(both, &row, PLAIN, strlen(PLAIN),
	    &token, mac), 0);
	assert_int_equal(keyring_open(young, &row, token.data, token.len, mac,
	    plain, &index), strlen(PLAIN));
	assert_int_equal(index, 0);
	buf_free(&token);
	keyring_free(&old);
	keyring_free(&both);
	keyring_free(&young);
}

/* A token in another row, an old one put back, a MAC of another one. */
static void
test_binding(void **state)
{
	static const struct binding wrong[] = {
		{ 8, "acct-1", 3 }, { 7, "acct-2", 3 }, { 7, "acct-1", 4 },
		{ 7, "", 3 }, { 7, "acct-1\1", 3 },
		{ UINT64_C(7) << 32, "acct-1", 3 },
	};
	struct keyring *r = ring(KEY_A);
	struct buf token = BUF_INIT(1024), second = BUF_INIT(1024);
	char mac[BIND_MAC_TEXT_LEN + 1], mac2[BIND_MAC_TEXT_LEN + 1];
	unsigned char plain[FERNET_PLAIN_MAX];
	size_t i;

	(void)state;
	assert_int_equal(keyring_seal(r, &row, PLAIN, strlen(PLAIN), &token,
	    mac), 0);
	assert_int_equal(keyring_seal(r, &row, PLAIN, strlen(PLAIN), &second,
	    mac2), 0);
	for (i = 0; i < sizeof(wrong) / sizeof(wrong[0]); i++) {
		assert_int_equal(keyring_open(r, &wrong[i], token.data,
		    token.len, mac, plain, NULL), KEYRING_WRONG_ROW);
		assert_memory_not_equal(plain, PLAIN, strlen(PLAIN));
	}
	assert_int_equal(keyring_open(r, &row, token.data, token.len, mac2,
	    plain, NULL), KEYRING_WRONG_ROW);
	assert_int_equal(keyring_open(r, &row, token.data, token.len, NULL,
	    plain, NULL), KEYRING_WRONG_ROW);
	assert_int_equal(keyring_open(r, &row, token.data, token.len, "",
	    plain, NULL), KEYRING_WRONG_ROW);
	for (i = 0; i < BIND_MAC_TEXT_LEN; i++) {
		mac[i] ^= 1;
		assert_int_equal(keyring_open(r, &row, token.data, token.len,
		    mac, plain, NULL), KEYRING_WRONG_ROW);
		mac[i] ^= 1;
	}
	assert_int_equal(keyring_open(r, &row, token.data, token.len, mac,
	    plain, NULL), strlen(PLAIN));
	buf_free(&token);
	buf_free(&second);
	keyring_free(&r);
}

static void
test_mac(void **state)
{
	struct keyring *r = ring(KEY_A "," KEY_B), *one = ring(KEY_A),
	    *other = ring(KEY_B "," KEY_A);
	unsigned char a[32], b[32];

	(void)state;
	keyring_mac(r, "label", "data", 4, a);
	keyring_mac(one, "label", "data", 4, b);
	assert_memory_equal(a, b, 32);
	keyring_mac(one, "labem", "data", 4, b);
	assert_memory_not_equal(a, b, 32);
	keyring_mac(one, "label", "dato", 4, b);
	assert_memory_not_equal(a, b, 32);
	keyring_mac(other, "label", "data", 4, b);
	assert_memory_not_equal(a, b, 32);
	keyring_free(&r);
	keyring_free(&one);
	keyring_free(&other);
}

static void
test_canary(void **state)
{
	struct keyring *a = ring(KEY_A), *ba = ring(KEY_B "," KEY_A),
	    *b = ring(KEY_B);
	struct buf canary = BUF_INIT(1024), token = BUF_INIT(1024);
	char mac[BIND_MAC_TEXT_LEN + 1];

	(void)state;
	assert_int_equal(keyring_canary_make(a, &canary), 0);
	assert_int_equal(keyring_canary_check(a, buf_str(&canary)), 0);
	assert_int_equal(keyring_canary_check(ba, buf_str(&canary)), 0);
	assert_int_equal(keyring_canary_check(b, buf_str(&canary)), -1);
	assert_int_equal(keyring_canary_check(a, ""), -1);
	/* a good token of another text is no canary */
	assert_int_equal(keyring_seal(a, &row, "x", 1, &token, mac), 0);
	assert_int_equal(keyring_canary_check(a, buf_str(&token)), -1);
	buf_free(&canary);
	buf_free(&token);
	keyring_free(&a);
	keyring_free(&ba);
	keyring_free(&b);
}

/* RFC 5869 A.3 (no salt, no info) gives the first 32 of 42 bytes. */
static void
test_hkdf(void **state)
{
	unsigned char ikm[22], okm[32];
	char hex[65];

	(void)state;
	memset(ikm, 0x0b, sizeof(ikm));
	hkdf_sha256(ikm, sizeof(ikm), "", okm);
	hex_encode(okm, sizeof(okm), hex);
	assert_string_equal(hex, "8da4e775a563c18f715f802a063c5a31b8a11f5c5ee"
	    "1879ec3454e5f3c738d2d");
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_parse),
		cmocka_unit_test(test_parse_fails),
		cmocka_unit_test(test_parse_many),
		cmocka_unit_test(test_rotation),
		cmocka_unit_test(test_binding),
		cmocka_unit_test(test_mac),
		cmocka_unit_test(test_canary),
		cmocka_unit_test(test_hkdf),
	};

	vault_init();
	return cmocka_run_group_tests(tests, NULL, NULL);
}
