/* The boot key: what it opens, what it must not, and forks. */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "vault/bootkey.h"

#define PLAIN	"sk-0123456789abcdefghijklmnopqrstuvwxyz-0123456789"

static void
test_roundtrip(void **state)
{
	static const size_t lens[] = {
		1, 15, 16, 17, 51, BOOTKEY_PLAIN_MAX
	};
	unsigned char in[BOOTKEY_PLAIN_MAX + 1], sealed[BOOTKEY_SEALED_MAX];
	unsigned char out[BOOTKEY_PLAIN_MAX + 1];
	struct bootkey key;
	ssize_t n;
	size_t i;

	(void)state;
	bootkey_make(&key);
	memset(in, 'k', sizeof(in));
	for (i = 0; i < sizeof(lens) / sizeof(lens[0]); i++) {
		n = bootkey_seal(&key, 42, 1, in, lens[i], sealed);
		assert_int_equal(n, lens[i] + 28);
		memset(out, 0xff, sizeof(out));
		assert_int_equal(bootkey_open(&key, 42, 1, sealed, (size_t)n,
		    out), lens[i]);
		assert_memory_equal(in, out, lens[i]);
		assert_int_equal(out[lens[i]], 0);
	}
	assert_int_equal(bootkey_seal(&key, 42, 1, in, 0, sealed), -1);
	assert_int_equal(bootkey_seal(&key, 42, 1, in, sizeof(in), sealed),
	    -1);
}

/* Another user, generation or boot; every bit; every length. */
static void
test_refuses(void **state)
{
	unsigned char sealed[BOOTKEY_SEALED_MAX + 1];
	unsigned char out[BOOTKEY_PLAIN_MAX + 1];
	struct bootkey key, other;
	size_t bit, len;
	ssize_t n;

	(void)state;
	bootkey_make(&key);
	bootkey_make(&other);
	assert_memory_not_equal(&key, &other, sizeof(key));
	n = bootkey_seal(&key, 42, 7, PLAIN, strlen(PLAIN), sealed);
	assert_true(n > 0);
	assert_int_equal(bootkey_open(&key, 43, 7, sealed, (size_t)n, out),
	    -1);
	assert_memory_not_equal(out, PLAIN, strlen(PLAIN));
	assert_int_equal(bootkey_open(&key, 42, 8, sealed, (size_t)n, out),
	    -1);
	assert_int_equal(bootkey_open(&other, 42, 7, sealed, (size_t)n, out),
	    -1);
	for (bit = 0; bit < (size_t)n * 8; bit++) {
		sealed[bit / 8] ^= (unsigned char)(1u << bit % 8);
		assert_int_equal(bootkey_open(&key, 42, 7, sealed, (size_t)n,
		    out), -1);
		sealed[bit / 8] ^= (unsigned char)(1u << bit % 8);
	}
	for (len = 0; len <= sizeof(sealed); len++)
		if (len != (size_t)n)
			assert_int_equal(bootkey_open(&key, 42, 7, sealed,
			    len, out), -1);
	assert_int_equal(bootkey_open(&key, 42, 7, sealed, (size_t)n, out),
	    strlen(PLAIN));
}

/* The same text twice is not the same bytes. */
static void
test_nonce(void **state)
{
	unsigned char a[BOOTKEY_SEALED_MAX], b[BOOTKEY_SEALED_MAX];
	struct bootkey key;

	(void)state;
	bootkey_make(&key);
	assert_true(bootkey_seal(&key, 1, 1, PLAIN, 16, a) > 0);
	assert_true(bootkey_seal(&key, 1, 1, PLAIN, 16, b) > 0);
	assert_memory_not_equal(a, b, 12);
}

static int
child_opens(const struct bootkey *key, const unsigned char *sealed, size_t n)
{
	unsigned char out[BOOTKEY_PLAIN_MAX + 1];
	struct bootkey own;
	int i;

	for (i = 0; i < 100; i++)
		if (bootkey_open(key, 42, 7, sealed, n, out) == -1)
			return 1;
	/* a second key in turn with the first */
	bootkey_make(&own);
	if (bootkey_open(&own, 42, 7, sealed, n, out) != -1)
		return 2;
	return bootkey_open(key, 42, 7, sealed, n, out) == -1 ? 3 : 0;
}

static void
test_fork(void **state)
{
	unsigned char sealed[BOOTKEY_SEALED_MAX];
	unsigned char out[BOOTKEY_PLAIN_MAX + 1];
	struct bootkey key;
	pid_t pid[4];
	int status;
	ssize_t n;
	size_t i;

	(void)state;
	bootkey_make(&key);
	n = bootkey_seal(&key, 42, 7, PLAIN, strlen(PLAIN), sealed);
	assert_true(n > 0);
	for (i = 0; i < 4; i++) {
		pid[i] = fork();
		assert_true(pid[i] != -1);
		if (pid[i] == 0)
			_exit(child_opens(&key, sealed, (size_t)n));
	}
	for (i = 0; i < 4; i++) {
		assert_int_equal(waitpid(pid[i], &status, 0), pid[i]);
		assert_int_equal(status, 0);
	}
	assert_int_equal(bootkey_open(&key, 42, 7, sealed, (size_t)n, out),
	    strlen(PLAIN));
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_roundtrip),
		cmocka_unit_test(test_refuses),
		cmocka_unit_test(test_nonce),
		cmocka_unit_test(test_fork),
	};

	vault_init();
	vault_init();
	return cmocka_run_group_tests(tests, NULL, NULL);
}
