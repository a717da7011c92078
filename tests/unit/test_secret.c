/* test_secret: wiping, comparing, fingerprints. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include <sys/wait.h>
#include <unistd.h>

#include "base/secret.h"

static void
test_set(void **state)
{
	struct secret s = { 0 };

	(void)state;
	assert_string_equal(secret_str(&s), "");
	assert_true(secret_equal(&s, "", 0));
	secret_set(&s, "abc\0def", 7);
	assert_int_equal(s.len, 7);
	assert_memory_equal(s.data, "abc\0def\0", 8);
	/* A part of itself. */
	secret_set(&s, s.data + 4, 3);
	assert_string_equal(secret_str(&s), "def");
	assert_true(secret_equal(&s, "def", 3));
	assert_false(secret_equal(&s, "deg", 3));
	assert_false(secret_equal(&s, "de", 2));
	assert_false(secret_equal(&s, "defg", 4));
	secret_wipe(&s);
	assert_null(s.data);
	assert_int_equal(s.len, 0);
	secret_wipe(&s);
}

static void
test_equal(void **state)
{
	unsigned char a[40], b[40];
	size_t i;

	(void)state;
	memset(a, 7, sizeof(a));
	memset(b, 7, sizeof(b));
	assert_true(ct_equal(a, b, sizeof(a)));
	assert_true(ct_equal(NULL, NULL, 0));
	for (i = 0; i < sizeof(a); i++) {
		b[i] ^= 0x80;
		assert_false(ct_equal(a, b, sizeof(a)));
		assert_true(ct_equal(a, b, i));
		b[i] ^= 0x80;
	}
	wipe(a, sizeof(a));
	for (i = 0; i < sizeof(a); i++)
		assert_int_equal(a[i], 0);
	wipe(NULL, 0);
}

/* A child shows a secret as its parent does. */
static void
test_fingerprint(void **state)
{
	char a[SECRET_FINGERPRINT_LEN], b[SECRET_FINGERPRINT_LEN];
	int status;
	pid_t pid;

	(void)state;
	secret_init();
	secret_fingerprint("sk-1", 4, a);
	secret_fingerprint("sk-1", 4, b);
	assert_string_equal(a, b);
	assert_int_equal(strlen(a), 8);
	assert_int_equal(strspn(a, "0123456789abcdef"), 8);
	secret_fingerprint("sk-2", 4, b);
	assert_string_not_equal(a, b);
	pid = fork();
	if (pid == 0) {
		secret_init();
		secret_fingerprint("sk-1", 4, b);
		_exit(strcmp(a, b) == 0 ? 0 : 1);
	}
	assert_true(pid > 0);
	assert_int_equal(waitpid(pid, &status, 0), pid);
	assert_int_equal(status, 0);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_set),
		cmocka_unit_test(test_equal),
		cmocka_unit_test(test_fingerprint),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
