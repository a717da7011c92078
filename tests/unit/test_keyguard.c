/*
 * keyguard: the key is found however the bytes are cut, all else comes
 * out byte for byte and as early as it can.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <string.h>

#include "proxy/keyguard.h"

#define N_OF(array)	(sizeof(array) / sizeof((array)[0]))
#define OUT_MAX		4096
#define N_RANDOM	100000

struct out {
	char bytes[OUT_MAX];
	size_t len, calls;
	size_t stop_after;	/* calls; 0: never */
};

static int
emit(void *arg, const char *bytes, size_t n)
{
	struct out *o = arg;

	assert_true(n > 0 && n <= OUT_MAX - o->len);
	memcpy(o->bytes + o->len, bytes, n);
	o->len += n;
	o->calls++;
	return o->calls == o->stop_after ? -7 : 0;
}

/* The longest end of text that begins the key, by looking at all. */
static size_t
held_of(const char *text, size_t n, const char *key, size_t key_len)
{
	size_t k;

	for (k = key_len - 1 < n ? key_len - 1 : n; k > 0; k--) {
		if (memcmp(text + n - k, key, k) == 0)
			break;
	}
	return k;
}

/* After every piece: all is out but what may begin the key. */
static void
feed_and_check(struct keyguard *g, struct out *o, const char *text,
    size_t from, size_t to, const char *key, size_t key_len)
{
	size_t want;
	int rc = keyguard_feed(g, text + from, to - from, emit, o);

	if (memmem(text, to, key, key_len) != NULL) {
		assert_int_equal(rc, KEYGUARD_HIT);
		return;
	}
	assert_int_equal(rc, 0);
	want = to - held_of(text, to, key, key_len);
	assert_int_equal(o->len, want);
	assert_memory_equal(o->bytes, text, want);
}

static const char *const keys[] = {
	"sk-AbCdEfGhIjKlMnOp0123456789",
	"a", "aa", "aaaaaaaa", "ab", "aab", "aabaab", "abab", "aabaaac",
	"sk-sk-sk-sk-x", "abcabcabd", "abacabadabacaba",
};

/* The key at every place of a text, cut at every byte. */
static void
test_split_at_every_byte(void **state)
{
	char text[256];
	size_t k, before, cut, len, n;

	(void)state;
	for (k = 0; k < N_OF(keys); k++) {
		len = strlen(keys[k]);
		for (before = 0; before < 20; before++) {
			memset(text, '.', sizeof(text));
			memcpy(text + before, keys[k], len);
			n = before + len + 10;
			for (cut = 0; cut <= n; cut++) {
				struct keyguard g;
				struct out o = { .len = 0 };

				keyguard_init(&g, keys[k], len);
				feed_and_check(&g, &o, text, 0, cut, keys[k],
				    len);
				if (cut < before + len)
					feed_and_check(&g, &o, text, cut, n,
					    keys[k], len);
				/* Not a byte of it got out. */
				assert_true(o.len <= before);
			}
		}
	}
}

static void
test_byte_by_byte(void **state)
{
	char text[256];
	size_t k, i, len;

	(void)state;
	for (k = 0; k < N_OF(keys); k++) {
		struct keyguard g;
		struct out o = { .len = 0 };

		len = strlen(keys[k]);
		memset(text, '.', sizeof(text));
		memcpy(text + 7, keys[k], len);
		keyguard_init(&g, keys[k], len);
		for (i = 0; i < 7 + len; i++)
			feed_and_check(&g, &o, text, i, i + 1, keys[k], len);
		assert_int_equal(o.len, 7);
	}
}

/* Beginnings of the key that overlap each other, never the whole. */
static void
test_near_misses(void **state)
{
	static const struct { const char *key, *text; } rows[] = {
		{ "aab", "aaaaaaaaaaaaaaaac" },
		{ "aaaaaaaa", "aaaaaaabaaaaaaabaaaaaaa" },
		{ "abab", "abaabaabaaba" },
		{ "sk-sk-x", "sk-sk-sk-sk-sk-ysk-sk-sk-" },
		{ "abcabcabd", "abcabcabcabcabcab" },
		{ "sk-AAAA", "sk-AAAsk-AAAsk-AAA" },
		{ "aabaaac", "aabaaabaaabaaab" },
	};
	size_t i, a, b, n, len;

	(void)state;
	for (i = 0; i < N_OF(rows); i++) {
		n = strlen(rows[i].text);
		len = strlen(rows[i].key);
		assert_null(strstr(rows[i].text, rows[i].key));
		for (a = 0; a <= n; a++) {
			for (b = a; b <= n; b++) {
				struct keyguard g;
				struct out o = { .len = 0 };

				keyguard_init(&g, rows[i].key, len);
				feed_and_check(&g, &o, rows[i].text, 0, a,
				    rows[i].key, len);
				feed_and_check(&g, &o, rows[i].text, a, b,
				    rows[i].key, len);
				feed_and_check(&g, &o, rows[i].text, b, n,
				    rows[i].key, len);
				assert_int_equal(keyguard_end(&g, emit, &o),
				    0);
				assert_int_equal(o.len, n);
				assert_memory_equal(o.bytes, rows[i].text, n);
				assert_int_equal(g.held, 0);
			}
		}
	}
}

static uint32_t
next(uint32_t *seed)
{
	*seed = *seed * 1664525 + 1013904223;
	return *seed >> 8;
}

/* Keys and texts of few letters, pieces of any size, against memmem. */
static void
test_random(void **state)
{
	static char text[400];
	char key[40];
	uint32_t seed = 20230817;
	size_t hits = 0, i, at, n, len, letters;
	int round;

	(void)state;
	for (round = 0; round < N_RANDOM; round++) {
		struct keyguard g;
		struct out o = { .len = 0 };

		letters = 1 + next(&seed) % 3;
		len = 1 + next(&seed) % (letters == 1 ? 39 : 12);
		for (i = 0; i < len; i++)
			key[i] = (char)('a' + next(&seed) % letters);
		n = next(&seed) % 120;
		for (i = 0; i < n; i++)
			text[i] = (char)('a' + next(&seed) % (letters + 1));
		keyguard_init(&g, key, len);
		for (at = 0; at < n; at = i) {
			i = at + 1 + next(&seed) % 9;
			i = i < n ? i : n;
			feed_and_check(&g, &o, text, at, i, key, len);
			if (memmem(text, i, key, len) != NULL)
				break;
		}
		if (at < n) {
			hits++;
			continue;
		}
		assert_int_equal(keyguard_end(&g, emit, &o), 0);
		assert_int_equal(o.len, n);
		assert_memory_equal(o.bytes, text, n);
	}
	/* Both outcomes were met often. */
	assert_in_range(hits, N_RANDOM / 10, N_RANDOM * 9 / 10);
}

static void
test_every_byte_value(void **state)
{
	char text[256];
	struct keyguard g;
	struct out o = { .len = 0 };
	size_t i;

	(void)state;
	for (i = 0; i < sizeof(text); i++)
		text[i] = (char)i;
	keyguard_init(&g, "\xff\x80zz", 4);
	assert_int_equal(keyguard_feed(&g, text, sizeof(text), emit, &o), 0);
	assert_int_equal(g.held, 1);
	assert_int_equal(keyguard_end(&g, emit, &o), 0);
	assert_int_equal(o.len, sizeof(text));
	assert_memory_equal(o.bytes, text, sizeof(text));
	assert_int_equal(keyguard_feed(&g, "\xff\x80z", 3, emit, &o), 0);
	assert_int_equal(keyguard_feed(&g, "z", 1, emit, &o), KEYGUARD_HIT);
}

/* The longest key there can be; the table's numbers have to fit. */
static void
test_longest_key(void **state)
{
	char key[BOOTKEY_PLAIN_MAX];
	struct keyguard g;
	struct out o = { .len = 0 };
	size_t i;

	(void)state;
	memset(key, 'k', sizeof(key));
	keyguard_init(&g, key, sizeof(key));
	for (i = 0; i < sizeof(key) - 1; i++)
		assert_int_equal(keyguard_feed(&g, "k", 1, emit, &o), 0);
	assert_int_equal(o.len, 0);
	assert_int_equal(g.held, sizeof(key) - 1);
	assert_int_equal(keyguard_feed(&g, "l", 1, emit, &o), 0);
	assert_int_equal(o.len, sizeof(key));
	assert_int_equal(keyguard_feed(&g, key, sizeof(key), emit, &o),
	    KEYGUARD_HIT);
	keyguard_wipe(&g);
	assert_int_equal(g.len, 0);
	assert_null(g.key);
}

static void
test_no_key(void **state)
{
	struct keyguard g;
	struct out o = { .len = 0 };

	(void)state;
	keyguard_init(&g, "", 0);
	assert_int_equal(keyguard_feed(&g, "abc", 3, emit, &o), 0);
	assert_int_equal(keyguard_feed(&g, "", 0, emit, &o), 0);
	assert_int_equal(keyguard_end(&g, emit, &o), 0);
	assert_int_equal(o.len, 3);
	assert_int_equal(o.calls, 1);
}

/* What emit says is handed on, and nothing more is given to it. */
static void
test_emit_stops(void **state)
{
	struct keyguard g;
	struct out o = { .stop_after = 1 };

	(void)state;
	keyguard_init(&g, "sk-key", 6);
	assert_int_equal(keyguard_feed(&g, "sk-", 3, emit, &o), 0);
	assert_int_equal(o.calls, 0);
	assert_int_equal(keyguard_feed(&g, "other", 5, emit, &o), -7);
	assert_int_equal(o.calls, 1);
	o = (struct out){ .stop_after = 1 };
	keyguard_init(&g, "sk-key", 6);
	assert_int_equal(keyguard_feed(&g, "s", 1, emit, &o), 0);
	assert_int_equal(keyguard_end(&g, emit, &o), -7);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_split_at_every_byte),
		cmocka_unit_test(test_byte_by_byte),
		cmocka_unit_test(test_near_misses),
		cmocka_unit_test(test_random),
		cmocka_unit_test(test_every_byte_value),
		cmocka_unit_test(test_longest_key),
		cmocka_unit_test(test_no_key),
		cmocka_unit_test(test_emit_stops),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
