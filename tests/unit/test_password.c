/* Password hashes: ours, those of other programs, and none at all. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>
#include <crypt.h>

#include "auth/password.h"
#include "base/clock.h"

static void
own_hashes(void **state)
{
	char one[PASSWORD_HASH_MAX + 1], two[PASSWORD_HASH_MAX + 1];
	char longest[PASSWORD_MAX + 2];

	(void)state;
	assert_int_equal(password_hash("correct horse", one), 0);
	assert_int_equal(password_hash("correct horse", two), 0);
	assert_int_equal(strncmp(one, "$y$", 3), 0);
	assert_string_not_equal(one, two);
	assert_true(password_hash_usable(one));
	assert_true(password_check("correct horse", one));
	assert_true(password_check("correct horse", two));
	assert_false(password_check("correct hors", one));
	assert_false(password_check("correct horse ", one));
	assert_false(password_check("", one));
	memset(longest, 'x', sizeof(longest));
	longest[PASSWORD_MAX + 1] = '\0';
	assert_int_equal(password_hash(longest, one), -1);
	longest[PASSWORD_MAX] = '\0';
	assert_int_equal(password_hash(longest, one), 0);
	assert_true(password_check(longest, one));
	longest[PASSWORD_MAX - 1] = 'y';
	assert_false(password_check(longest, one));
	assert_int_equal(password_hash("", one), -1);
}

/* Each hashed by crypt(3) with a setting of its own. */
static void
other_methods(void **state)
{
	static const char *const settings[] = {
		"$2b$04$abcdefghijklmnopqrstuu",
		"$2y$04$abcdefghijklmnopqrstuu",
		"$2a$04$abcdefghijklmnopqrstuu", "$6$saltsalt",
		"$6$rounds=1000$saltsalt", "$y$j75$abcdefgh",
		"$gy$j75$abcdefgh",
	};
	struct crypt_data data;
	size_t i;

	(void)state;
	for (i = 0; i < sizeof(settings) / sizeof(settings[0]); i++) {
		memset(&data, 0, sizeof(data));
		assert_non_null(crypt_r("pass word", settings[i], &data));
		if (data.output[0] != '$')
			fail_msg("%s: %s", settings[i], data.output);
		if (!password_check("pass word", data.output))
			fail_msg("%s refused", data.output);
		assert_false(password_check("pass worD", data.output));
		/* A setting alone is no hash. */
		assert_false(password_check("pass word", settings[i]));
		/* One more or less character is another hash. */
		data.output[strlen(data.output) - 1] = '\0';
		assert_false(password_check("pass word", data.output));
	}
	/* A known value, made by another implementation of bcrypt. */
	assert_true(password_check("U*U",
	    "$2a$05$CCCCCCCCCCCCCCCCCCCCC.E5YPO9kmyuRGyh0XouQYb4YMJKvyOeW"));
}

/* bcrypt would take any password with these first 72 bytes. */
static void
bcrypt_never_cuts(void **state)
{
	struct crypt_data data = { 0 };
	char password[80];

	(void)state;
	memset(password, 'p', sizeof(password));
	password[72] = '\0';
	assert_non_null(crypt_r(password, "$2b$04$abcdefghijklmnopqrstuu",
	    &data));
	assert_true(password_check(password, data.output));
	password[72] = 'q';
	password[73] = '\0';
	assert_false(password_check(password, data.output));
}

static void
what_is_no_hash(void **state)
{
	static const char *const bad[] = {
		"", "x", "*", "*0", "*1", "!", "!!", "plain", "garbage",
		"ab", "abJnggxhB/yWI",			/* DES */
		"$1$saltsalt$qjXMvbEw8oaL.CzflDtaK/",	/* MD5 */
		"$5$saltsalt$abc", "$3$$8846f7eaee8fb117ad06bdd830b7586c",
		"$md5$x", "$sha1$1$x$y", "$argon2id$v=19$m=1,t=1,p=1$a$b",
		"$pbkdf2-sha256$29000$a$b", "$", "$$", "$2$", "$2b$",
		"$2b$04", "$2b$03$abcdefghijklmnopqrstuu",
		"$2b$15$abcdefghijklmnopqrstuu",
		"$2b$31$abcdefghijklmnopqrstuu",
		"$2x$04$abcdefghijklmnopqrstuu",
		"$6$rounds=999999999$saltsalt$x", "$6$rounds=$saltsalt$x",
		"$y$", "$y$j", "$y$jFT$abcdefgh$x", "$y$zzz$abcdefgh$x",
		"$7$", "$7$HU..../....abcdefgh$x", "$gy$jFT$abcdefgh$x",
	};
	char longest[600];
	int64_t t0;
	size_t i;

	(void)state;
	for (i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		if (password_hash_usable(bad[i]))
			fail_msg("%s is usable", bad[i]);
	}
	/* Checked all the same, quickly enough, and never with success. */
	t0 = clock_mono_ms();
	for (i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		if (password_check(bad[i], bad[i]) ||
		    password_check("x", bad[i]))
			fail_msg("%s let somebody in", bad[i]);
	}
	assert_true(clock_mono_ms() - t0 < 60000);
	assert_false(password_check("x", NULL));
	assert_false(password_hash_usable(NULL));
	memset(longest, 'a', sizeof(longest) - 1);
	memcpy(longest, "$6$", 3);
	longest[sizeof(longest) - 1] = '\0';
	assert_false(password_hash_usable(longest));
	assert_false(password_check("x", longest));
}

static int64_t
least_us(const char *password, const char *hash)
{
	int64_t best = INT64_MAX, t0, t;
	int i;

	for (i = 0; i < 5; i++) {
		t0 = clock_mono_us();
		assert_false(password_check(password, hash));
		t = clock_mono_us() - t0;
		if (t < best)
			best = t;
	}
	return best;
}

/* Who is unknown costs as much as who is known: within a factor of four,
 * where a check that was skipped would be thousands of times faster. */
static void
unknown_users_take_time(void **state)
{
	char hash[PASSWORD_HASH_MAX + 1];
	int64_t known, unknown;

	(void)state;
	assert_int_equal(password_hash("right", hash), 0);
	known = least_us("wrong", hash);
	unknown = least_us("wrong", NULL);
	print_message("known %lld us, unknown %lld us\n", (long long)known,
	    (long long)unknown);
	assert_true(unknown * 4 > known && known * 4 > unknown);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(own_hashes),
		cmocka_unit_test(other_methods),
		cmocka_unit_test(bcrypt_never_cuts),
		cmocka_unit_test(what_is_no_hash),
		cmocka_unit_test(unknown_users_take_time),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
