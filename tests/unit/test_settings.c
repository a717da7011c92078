/*
 * test_settings: sources, types, secrets and faults over a small table
 * of directives; and the image.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include <errno.h>
#include <stdio.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/buf.h"
#include "base/settings.h"

#define N(a)	(sizeof(a) / sizeof((a)[0]))

enum {
	NAME, WORKERS, BODY, TIMEOUT, DEBUG, FORMAT, KEY, URL, PLAIN, SEED,
	OIDC_ISSUER, OIDC_SECRET, PORT, OFFSET, ROW_MAX
};

static const struct directive table[ROW_MAX] = {
	[NAME] = { "PLUGWAY_NAME", SETTING_STRING, "plugway", 0, 0, NULL,
	    0, ROLE_ALL, "A name." },
	[WORKERS] = { "PLUGWAY_WORKERS_MAX", SETTING_INT, "16", 1, 65536,
	    NULL, 0, ROLE_MASTER, "How many workers." },
	[BODY] = { "PLUGWAY_MAX_BODY", SETTING_BYTES, "20M", 1024,
	    1073741824, NULL, 0, ROLE_WORKER, "Bytes of a body." },
	[TIMEOUT] = { "PLUGWAY_TIMEOUT_S", SETTING_SECONDS, "30", 0.1, 3600,
	    NULL, 0, ROLE_WORKER, "Seconds." },
	[DEBUG] = { "PLUGWAY_DEBUG", SETTING_BOOL, "false", 0, 0, NULL,
	    0, ROLE_ALL, "Debugging." },
	[FORMAT] = { "PLUGWAY_LOG_FORMAT", SETTING_CHOICE, "text", 0, 0,
	    "text|json", 0, ROLE_ALL, "Form of the log." },
	[KEY] = { "JWT_SECRET_KEY", SETTING_STRING, NULL, 0, 0, NULL,
	    SETTING_SECRET | SETTING_REQUIRED, ROLE_WORKER, "Key." },
	[URL] = { "DATABASE_URL", SETTING_STRING, NULL, 0, 0, NULL,
	    SETTING_SECRET, ROLE_WORKER | ROLE_KEEPER, "Database." },
	[PLAIN] = { "PUBLIC_BASE_URL", SETTING_STRING, NULL, 0, 0, NULL,
	    0, ROLE_ALL, "Base." },
	[SEED] = { "PLUGWAY_SEED", SETTING_INT, NULL, 1, 9, NULL,
	    SETTING_SECRET, ROLE_KEEPER, "A secret number." },
	[OIDC_ISSUER] = { "OIDC_*_ISSUER", SETTING_STRING, NULL, 0, 0, NULL,
	    SETTING_PATTERN, ROLE_WORKER, "Issuer." },
	[OIDC_SECRET] = { "OIDC_*_CLIENT_SECRET", SETTING_STRING, NULL, 0, 0,
	    NULL, SETTING_PATTERN | SETTING_SECRET, ROLE_WORKER, "Secret." },
	[PORT] = { "PLUGWAY_HTTP_PORT", SETTING_INT, NULL, 1, 65535, NULL,
	    SETTING_IGNORED, ROLE_MASTER, "Of the web server." },
	[OFFSET] = { "PLUGWAY_OFFSET", SETTING_INT, "0", -5, 5, NULL,
	    0, ROLE_ALL, "May be negative." },
};

static union {
	struct settings	 s;
	char		 room[SETTINGS_MAX];
} image, filtered;
static struct buf faults = BUF_INIT(100000);
static char dir[] = "/tmp/test_settings.XXXXXX";

static void
note(void *arg, const char *text)
{
	(void)buf_printf(arg, "%s\n", text);
}

static const char *
path_of(const char *name)
{
	static char path[128];

	(void)snprintf(path, sizeof(path), "%s/%s", dir, name);
	return path;
}

static void
write_file(const char *name, const char *text, size_t len)
{
	FILE *f = fopen(path_of(name), "w");

	assert_non_null(f);
	assert_int_equal(fwrite(text, 1, len, f), len);
	assert_int_equal(fclose(f), 0);
}

/* Loads a file of this text (NULL: none) and up to four variables. */
static size_t
load(const char *text, const char *e0, const char *e1, const char *e2)
{
	const char *envp[] = { e0, e1, e2, NULL };
	char file[128];

	buf_reset(&faults);
	memset(&image, 0xa5, sizeof(image));
	if (text != NULL)
		write_file("env", text, strlen(text));
	(void)snprintf(file, sizeof(file), "%s", path_of("env"));
	return settings_load(table, ROW_MAX, text != NULL ? file : NULL,
	    (char *const *)(uintptr_t)envp, &image.s, note, &faults);
}

#define KEY_OK	"JWT_SECRET_KEY=0123456789"

static void
test_defaults(void **state)
{
	const char *star;

	(void)state;
	assert_int_equal(load(NULL, KEY_OK, NULL, NULL), 0);
	assert_string_equal(buf_str(&faults), "");
	assert_string_equal(settings_str(&image.s, NAME), "plugway");
	assert_int_equal(settings_int(&image.s, WORKERS), 16);
	assert_string_equal(settings_str(&image.s, WORKERS), "16");
	assert_int_equal(settings_int(&image.s, BODY), 20 * 1024 * 1024);
	assert_int_equal(settings_ms(&image.s, TIMEOUT), 30000);
	assert_false(settings_bool(&image.s, DEBUG));
	assert_int_equal(settings_int(&image.s, FORMAT), 0);
	assert_string_equal(settings_str(&image.s, KEY), "0123456789");
	assert_null(settings_str(&image.s, URL));
	assert_int_equal(settings_origin(&image.s, NAME), ORIGIN_DEFAULT);
	assert_int_equal(settings_origin(&image.s, KEY), ORIGIN_ENVIRONMENT);
	assert_null(settings_pattern(&image.s, OIDC_ISSUER, 0, &star));
	assert_int_equal(settings_check(&image.s, sizeof(image), ROW_MAX), 0);
	assert_string_equal(settings_origin_name(ORIGIN_FILE), "file");
}

static void
test_order(void **state)
{
	(void)state;
	assert_int_equal(load("PLUGWAY_NAME=a\nPLUGWAY_WORKERS_MAX=2\n"
	    "PLUGWAY_WORKERS_MAX=3\nSOMEBODY_ELSES=7\n" KEY_OK "\n",
	    "PLUGWAY_NAME=b", "PATH=/bin", "NOTHING"), 0);
	assert_string_equal(settings_str(&image.s, NAME), "b");
	assert_int_equal(settings_origin(&image.s, NAME), ORIGIN_ENVIRONMENT);
	assert_int_equal(settings_int(&image.s, WORKERS), 3);
	assert_int_equal(settings_origin(&image.s, WORKERS), ORIGIN_FILE);

	/* Empty is not set: the default again. */
	assert_int_equal(load("PLUGWAY_NAME=a\n" KEY_OK "\n",
	    "PLUGWAY_NAME=", "DATABASE_URL=", NULL), 0);
	assert_string_equal(settings_str(&image.s, NAME), "plugway");
	assert_int_equal(settings_origin(&image.s, NAME), ORIGIN_DEFAULT);
	assert_null(settings_str(&image.s, URL));
}

static const struct {
	const char	*assignment;
	size_t		 row;
	int64_t		 want;
} number_row[] = {
	{ "PLUGWAY_WORKERS_MAX=1", WORKERS, 1 },
	{ "PLUGWAY_WORKERS_MAX=65536", WORKERS, 65536 },
	{ "PLUGWAY_OFFSET=-5", OFFSET, -5 },
	{ "PLUGWAY_MAX_BODY=1024", BODY, 1024 },
	{ "PLUGWAY_MAX_BODY=1K", BODY, 1024 },
	{ "PLUGWAY_MAX_BODY=3M", BODY, 3 * 1024 * 1024 },
	{ "PLUGWAY_MAX_BODY=1G", BODY, 1024 * 1024 * 1024 },
	{ "PLUGWAY_TIMEOUT_S=0.1", TIMEOUT, 100 },
	{ "PLUGWAY_TIMEOUT_S=0.25", TIMEOUT, 250 },
	{ "PLUGWAY_TIMEOUT_S=1.005", TIMEOUT, 1005 },
	{ "PLUGWAY_TIMEOUT_S=3600", TIMEOUT, 3600000 },
	{ "PLUGWAY_DEBUG=true", DEBUG, 1 },
	{ "PLUGWAY_DEBUG=True", DEBUG, 1 },
	{ "PLUGWAY_DEBUG=1", DEBUG, 1 },
	{ "PLUGWAY_DEBUG=yes", DEBUG, 1 },
	{ "PLUGWAY_DEBUG=on", DEBUG, 1 },
	{ "PLUGWAY_DEBUG=FALSE", DEBUG, 0 },
	{ "PLUGWAY_DEBUG=0", DEBUG, 0 },
	{ "PLUGWAY_DEBUG=no", DEBUG, 0 },
	{ "PLUGWAY_DEBUG=off", DEBUG, 0 },
	{ "PLUGWAY_LOG_FORMAT=json", FORMAT, 1 },
};

static void
test_numbers(void **state)
{
	size_t i;

	(void)state;
	for (i = 0; i < N(number_row); i++) {
		size_t row = number_row[i].row;
		int64_t got;

		assert_int_equal(load(NULL, KEY_OK, number_row[i].assignment,
		    NULL), 0);
		if (table[row].type == SETTING_SECONDS)
			got = settings_ms(&image.s, row);
		else if (table[row].type == SETTING_BOOL)
			got = settings_bool(&image.s, row);
		else
			got = settings_int(&image.s, row);
		if (got != number_row[i].want)
			fail_msg("%s: %ld", number_row[i].assignment,
			    (long)got);
	}
}

/* One variable, and the only fault it gives. */
static const struct {
	const char	*assignment;
	const char	*fault;
} fault_row[] = {
	{ "PLUGWAY_WORKERS_MAX=abc", "PLUGWAY_WORKERS_MAX: \"abc\" is not a "
	    "whole number (1 to 65536)" },
	{ "PLUGWAY_WORKERS_MAX=0", "PLUGWAY_WORKERS_MAX: \"0\" is out of "
	    "range (1 to 65536)" },
	{ "PLUGWAY_WORKERS_MAX=65537", "PLUGWAY_WORKERS_MAX: \"65537\" is "
	    "out of range (1 to 65536)" },
	{ "PLUGWAY_WORKERS_MAX= 5", "PLUGWAY_WORKERS_MAX: \" 5\" is not a "
	    "whole number (1 to 65536)" },
	{ "PLUGWAY_WORKERS_MAX=1.5", "PLUGWAY_WORKERS_MAX: \"1.5\" is not a "
	    "whole number (1 to 65536)" },
	{ "PLUGWAY_WORKERS_MAX=99999999999999999999",
	    "PLUGWAY_WORKERS_MAX: \"99999999999999999999\" is not a whole "
	    "number (1 to 65536)" },
	{ "PLUGWAY_OFFSET=-6", "PLUGWAY_OFFSET: \"-6\" is out of range "
	    "(-5 to 5)" },
	{ "PLUGWAY_MAX_BODY=1023", "PLUGWAY_MAX_BODY: \"1023\" is out of "
	    "range (1024 to 1073741824)" },
	{ "PLUGWAY_MAX_BODY=9999999999999999G", "PLUGWAY_MAX_BODY: "
	    "\"9999999999999999G\" is not a number of bytes such as 65536, "
	    "64K, 10M or 1G (1024 to 1073741824)" },
	{ "PLUGWAY_MAX_BODY=M", "PLUGWAY_MAX_BODY: \"M\" is not a number of "
	    "bytes such as 65536, 64K, 10M or 1G (1024 to 1073741824)" },
	{ "PLUGWAY_MAX_BODY=1MB", "PLUGWAY_MAX_BODY: \"1MB\" is not a number "
	    "of bytes such as 65536, 64K, 10M or 1G (1024 to 1073741824)" },
	{ "PLUGWAY_MAX_BODY=-1K", "PLUGWAY_MAX_BODY: \"-1K\" is not a number "
	    "of bytes such as 65536, 64K, 10M or 1G (1024 to 1073741824)" },
	{ "PLUGWAY_TIMEOUT_S=0.01", "PLUGWAY_TIMEOUT_S: \"0.01\" is out of "
	    "range (0.1 to 3600)" },
	{ "PLUGWAY_TIMEOUT_S=1.", "PLUGWAY_TIMEOUT_S: \"1.\" is not a number "
	    "of seconds such as 30 or 0.25 (0.1 to 3600)" },
	{ "PLUGWAY_TIMEOUT_S=.5", "PLUGWAY_TIMEOUT_S: \".5\" is not a number "
	    "of seconds such as 30 or 0.25 (0.1 to 3600)" },
	{ "PLUGWAY_TIMEOUT_S=1.0000", "PLUGWAY_TIMEOUT_S: \"1.0000\" is not "
	    "a number of seconds such as 30 or 0.25 (0.1 to 3600)" },
	{ "PLUGWAY_TIMEOUT_S=1s", "PLUGWAY_TIMEOUT_S: \"1s\" is not a number "
	    "of seconds such as 30 or 0.25 (0.1 to 3600)" },
	{ "PLUGWAY_DEBUG=maybe", "PLUGWAY_DEBUG: \"maybe\" is neither true "
	    "nor false" },
	{ "PLUGWAY_LOG_FORMAT=xml", "PLUGWAY_LOG_FORMAT: \"xml\" is not one "
	    "of text|json" },
	{ "PLUGWAY_LOG_FORMAT=tex", "PLUGWAY_LOG_FORMAT: \"tex\" is not one "
	    "of text|json" },
	{ "PLUGWAY_LOG_FORMAT=text|json", "PLUGWAY_LOG_FORMAT: \"text|json\" "
	    "is not one of text|json" },
	{ "PLUGWAY_NAME=a\nb", "PLUGWAY_NAME: control characters are not "
	    "allowed" },
	{ "DATABASE_URL=a\x7f", "DATABASE_URL: control characters are not "
	    "allowed" },
	{ "PLUGWAY_SEED=hunter2", "PLUGWAY_SEED: the value is not a whole "
	    "number (1 to 9)" },
	{ "PLUGWAY_SEED=4711", "PLUGWAY_SEED: the value is out of range "
	    "(1 to 9)" },
	{ "PLUGWAY_WORKER_MAX=1", "environment: unknown name "
	    "PLUGWAY_WORKER_MAX (did you mean PLUGWAY_WORKERS_MAX?)" },
	{ "PLUGWAY_=1", "environment: unknown name PLUGWAY_ (did you mean "
	    "PLUGWAY_NAME?)" },
	{ "PLUGWAY_NAM\nE=1", "environment: unknown name PLUGWAY_NAM?E (did "
	    "you mean PLUGWAY_NAME?)" },
	{ "PLUGWAY_NAME_FILE=/x", "environment: unknown name "
	    "PLUGWAY_NAME_FILE (did you mean PLUGWAY_NAME?)" },
	{ "DATABASE_URL_FILE=/nonexistent/x", "DATABASE_URL_FILE: cannot "
	    "read /nonexistent/x: No such file or directory" },
	{ "DATABASE_URL_FILE=/", "DATABASE_URL_FILE: cannot read /: Is a "
	    "directory" },
};

static void
test_faults(void **state)
{
	size_t i;

	(void)state;
	for (i = 0; i < N(fault_row); i++) {
		assert_int_equal(load(NULL, KEY_OK, fault_row[i].assignment,
		    NULL), 1);
		assert_int_equal(buf_putc(&faults, '\0'), 0);
		faults.data[faults.len - 2] = '\0';
		assert_string_equal(faults.data, fault_row[i].fault);
	}
}

static void
test_many_faults(void **state)
{
	(void)state;
	assert_int_equal(load("PLUGWAY_FORMAT=1\n\nPLUGWAY_DEBUG\n"
	    "PLUGWAY_TEST_THING=1\nOIDC__ISSUER=x\n", "PLUGWAY_DEBUG=x",
	    "PLUGWAY_WORKERS_MAX=x", NULL), 5);
	assert_non_null(strstr(faults.data, "/env line 1: unknown name "
	    "PLUGWAY_FORMAT (did you mean PLUGWAY_"));
	assert_non_null(strstr(faults.data, "/env line 3: '=' was expected "));
	assert_non_null(strstr(faults.data, "PLUGWAY_DEBUG: \"x\" is"));
	assert_non_null(strstr(faults.data, "PLUGWAY_WORKERS_MAX: \"x\" is"));
	assert_non_null(strstr(faults.data,
	    "JWT_SECRET_KEY is required but not set\n"));

	/* An empty value does not do for a required one. */
	assert_int_equal(load(KEY_OK, "JWT_SECRET_KEY=", NULL, NULL), 1);
	assert_string_equal(faults.data,
	    "JWT_SECRET_KEY is required but not set\n");
}

static void
test_no_file(void **state)
{
	const char *envp[] = { KEY_OK, NULL };

	(void)state;
	buf_reset(&faults);
	assert_int_equal(settings_load(table, ROW_MAX, "/nonexistent/env",
	    (char *const *)(uintptr_t)envp, &image.s, note, &faults), 1);
	assert_string_equal(faults.data, "cannot read /nonexistent/env: "
	    "No such file or directory\n");
}

static void
test_secret_file(void **state)
{
	char key[160], big[70000];

	(void)state;
	write_file("key", "multi\nline\n\n", 12);
	(void)snprintf(key, sizeof(key), "JWT_SECRET_KEY_FILE=%s",
	    path_of("key"));
	assert_int_equal(load(NULL, key, NULL, NULL), 0);
	assert_string_equal(settings_str(&image.s, KEY), "multi\nline\n");
	assert_int_equal(settings_origin(&image.s, KEY), ORIGIN_ENVIRONMENT);

	/* A higher source goes over a lower one in either form. */
	assert_int_equal(load(KEY_OK, key, NULL, NULL), 0);
	assert_string_equal(settings_str(&image.s, KEY), "multi\nline\n");
	assert_int_equal(load(key, KEY_OK, NULL, NULL), 0);
	assert_string_equal(settings_str(&image.s, KEY), "0123456789");

	assert_int_equal(load(NULL, key, KEY_OK, NULL), 1);
	assert_string_equal(faults.data, "JWT_SECRET_KEY and "
	    "JWT_SECRET_KEY_FILE are both set in the environment\n");
	assert_int_equal(load(NULL, key, "JWT_SECRET_KEY=", NULL), 0);
	assert_int_equal(load(NULL, KEY_OK, "JWT_SECRET_KEY_FILE=", NULL), 0);

	write_file("key", "a\0b", 3);
	assert_int_equal(load(NULL, key, NULL, NULL), 1);
	assert_non_null(strstr(faults.data, "holds a NUL byte"));
	write_file("key", "\n", 1);
	assert_int_equal(load(NULL, key, NULL, NULL), 1);
	assert_non_null(strstr(faults.data, "required but not set"));
	memset(big, 'x', sizeof(big));
	write_file("key", big, 65536);
	assert_int_equal(load(NULL, key, NULL, NULL), 0);
	assert_int_equal(strlen(settings_str(&image.s, KEY)), 65536);
	write_file("key", big, 65537);
	assert_int_equal(load(NULL, key, NULL, NULL), 1);
	assert_non_null(strstr(faults.data, "File too large"));
}

static void
test_pattern(void **state)
{
	const char *star;
	char secret[160];

	(void)state;
	write_file("secret", "s3cret\n", 7);
	(void)snprintf(secret, sizeof(secret),
	    "OIDC_MY_IDP2_CLIENT_SECRET_FILE=%s", path_of("secret"));
	assert_int_equal(load(KEY_OK "\nOIDC_GOOGLE_ISSUER=https://g\n"
	    "OIDC_MY_IDP2_ISSUER=https://m\nOIDC_GONE_ISSUER=\n"
	    "OIDC_a_ISSUER=x\nOIDC__ISSUER=x\nOIDC_ISSUER=x\n"
	    "OIDC_A__B_ISSUER=x\nOIDC__A_ISSUER=x\n",
	    "OIDC_GOOGLE_ISSUER=https://h", secret, NULL), 0);
	assert_string_equal(settings_pattern(&image.s, OIDC_ISSUER, 0, &star),
	    "https://h");
	assert_string_equal(star, "google");
	assert_string_equal(settings_pattern(&image.s, OIDC_ISSUER, 1, &star),
	    "https://m");
	assert_string_equal(star, "my_idp2");
	assert_null(settings_pattern(&image.s, OIDC_ISSUER, 2, &star));
	assert_string_equal(settings_pattern(&image.s, OIDC_SECRET, 0, &star),
	    "s3cret");
	assert_string_equal(star, "my_idp2");
	assert_null(settings_pattern(&image.s, OIDC_SECRET, 1, &star));
	assert_int_equal(settings_check(&image.s, sizeof(image), ROW_MAX), 0);
}

static void
test_pattern_limit(void **state)
{
	struct buf text = BUF_INIT(100000);
	int i;

	(void)state;
	(void)buf_puts(&text, KEY_OK "\n");
	for (i = 0; i < 257; i++)
		(void)buf_printf(&text, "OIDC_N%d_ISSUER=x\n", i);
	assert_int_equal(load(text.data, "UNRELATED=1", NULL, NULL), 1);
	assert_string_equal(faults.data,
	    "more than 256 names that fit a pattern\n");
	buf_free(&text);
}

static void
test_too_large(void **state)
{
	struct buf text = BUF_INIT(300000);
	size_t i;

	(void)state;
	(void)buf_puts(&text, KEY_OK "\nPUBLIC_BASE_URL=");
	for (i = 0; i < SETTINGS_MAX - 300; i++)
		(void)buf_putc(&text, 'x');
	assert_int_equal(load(text.data, NULL, NULL, NULL), 1);
	assert_non_null(strstr(faults.data, "are larger than 262144 bytes"));
	for (i = 0; i < 1000; i++)
		(void)buf_putc(&text, 'x');
	assert_int_equal(load(text.data, KEY_OK, NULL, NULL), 1);
	assert_non_null(strstr(faults.data, "File too large"));
	buf_free(&text);
}

static bool
image_holds(const struct settings *s, const char *text)
{
	return memmem(s, s->size, text, strlen(text)) != NULL;
}

static void
test_filter(void **state)
{
	const char *star;

	(void)state;
	assert_int_equal(load("DATABASE_URL=mysql://dbsecret\n"
	    "OIDC_A_ISSUER=https://a\nPLUGWAY_WORKERS_MAX=7\n"
	    "PLUGWAY_SEED=5\n", KEY_OK, NULL, NULL), 0);
	memset(&filtered, 0xa5, sizeof(filtered));
	settings_filter(table, ROW_MAX, &image.s, ROLE_WORKER, &filtered.s);
	assert_int_equal(settings_check(&filtered.s, sizeof(filtered),
	    ROW_MAX), 0);
	assert_string_equal(settings_str(&filtered.s, KEY), "0123456789");
	assert_string_equal(settings_pattern(&filtered.s, OIDC_ISSUER, 0,
	    &star), "https://a");
	assert_null(settings_str(&filtered.s, WORKERS));
	assert_int_equal(settings_int(&filtered.s, WORKERS), 0);
	assert_null(settings_str(&filtered.s, SEED));
	assert_int_equal(settings_int(&filtered.s, SEED), 0);

	settings_filter(table, ROW_MAX, &image.s, ROLE_MASTER, &filtered.s);
	assert_int_equal(settings_int(&filtered.s, WORKERS), 7);
	assert_null(settings_str(&filtered.s, KEY));
	assert_null(settings_pattern(&filtered.s, OIDC_ISSUER, 0, &star));
	assert_false(image_holds(&filtered.s, "0123456789"));
	assert_false(image_holds(&filtered.s, "dbsecret"));
	assert_true(image_holds(&image.s, "dbsecret"));
}

/* Entries that lie behind the end are not even looked at. */
static void
test_check_short(void **state)
{
	struct settings *s;
	uint32_t size;

	(void)state;
	assert_int_equal(load(NULL, KEY_OK, NULL, NULL), 0);
	settings_filter(table, ROW_MAX, &image.s, 0, &filtered.s);
	for (size = 8; size < filtered.s.size; size++) {
		s = malloc(size);
		memcpy(s, &filtered, size);
		s->size = size;
		assert_int_equal(settings_check(s, size, ROW_MAX), -1);
		free(s);
	}
	assert_int_equal(settings_check(&filtered.s, size, ROW_MAX), 0);
}

/*
 * Each byte of the head and the entries, set to other values: the check
 * may pass, but then no reader may leave the image.
 */
static void
test_check(void **state)
{
	size_t i, v, row, k, bytes = 0;
	const char *star;
	char *copy;

	(void)state;
	assert_int_equal(load("OIDC_A_ISSUER=https://a\n", KEY_OK, NULL,
	    NULL), 0);
	copy = malloc(image.s.size);
	for (i = 0; i < 8 + (ROW_MAX + 1) * 24; i++) {
		for (v = 0; v < 256; v += i < 32 ? 1 : 85) {
			struct settings *s = (struct settings *)(void *)copy;

			memcpy(copy, &image, image.s.size);
			copy[i] = (char)v;
			if (settings_check(s, image.s.size, ROW_MAX) == -1)
				continue;
			for (row = 0; row < ROW_MAX; row++) {
				const char *p = settings_str(s, row);

				bytes += p != NULL ? strlen(p) : 0;
				for (k = 0; settings_pattern(s, row, k,
				    &star) != NULL; k++)
					bytes += strlen(star);
			}
		}
	}
	assert_true(bytes > 0);
	memcpy(copy, &image, image.s.size);
	assert_int_equal(settings_check((void *)copy, image.s.size,
	    ROW_MAX), 0);
	assert_int_equal(settings_check((void *)copy, image.s.size - 1,
	    ROW_MAX), -1);
	assert_int_equal(settings_check((void *)copy, 4, ROW_MAX), -1);
	assert_int_equal(settings_check((void *)copy, image.s.size,
	    ROW_MAX + 5), -1);
	copy[image.s.size - 1] = 'x';
	assert_int_equal(settings_check((void *)copy, image.s.size,
	    ROW_MAX), -1);
	free(copy);
}

static int
set_up(void **state)
{
	(void)state;
	return mkdtemp(dir) != NULL ? 0 : -1;
}

static int
tear_down(void **state)
{
	static const char *const names[] = { "env", "key", "secret" };
	size_t i;

	(void)state;
	for (i = 0; i < N(names); i++)
		(void)unlink(path_of(names[i]));
	buf_free(&faults);
	return rmdir(dir);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_defaults),
		cmocka_unit_test(test_order),
		cmocka_unit_test(test_numbers),
		cmocka_unit_test(test_faults),
		cmocka_unit_test(test_many_faults),
		cmocka_unit_test(test_no_file),
		cmocka_unit_test(test_secret_file),
		cmocka_unit_test(test_pattern),
		cmocka_unit_test(test_pattern_limit),
		cmocka_unit_test(test_too_large),
		cmocka_unit_test(test_filter),
		cmocka_unit_test(test_check_short),
		cmocka_unit_test(test_check),
	};

	return cmocka_run_group_tests(tests, set_up, tear_down);
}
