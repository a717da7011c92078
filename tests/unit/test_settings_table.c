/*
 * The directives: each is in the sample file and in the manual page,
 * each default is in its own range, what is wrong is told in one clear
 * sentence that holds no secret, and each role gets its part alone.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "api/settings.h"
#include "vault/bootkey.h"

#define FERNET	"Y2FuYXJ5LWZlcm5ldC1rZXktb2YtdGhlLXRlc3RzITE="
#define FERNET2	"Y2FuYXJ5LWZlcm5ldC1rZXktb2YtdGhlLXRlc3RzITI="
#define JWT	"jwt-canary-secret-of-the-tests-0123456789"
#define ADMIN	"sk-adminCanary0123456789"
#define DB	"mysql://u:dbCanary99@h/d"
#define ENV_MAX	16
#define FAULTS	16

/* What a configuration needs at least. */
static const char *const base_env[] = {
	"PLUGIN_API_ENCRYPTION_KEY=" FERNET, "JWT_SECRET_KEY=" JWT,
	"DATABASE_URL=" DB, "PLUGIN_API_ADMIN_KEY=" ADMIN,
	/* of providers that are not offered without a client id */
	"OAUTH_CLIENT_SECRET=oauthCanary",
	"OIDC_ACME_CLIENT_SECRET=oidcCanary", NULL
};

static struct settings *image, *part;
static struct buf faults[FAULTS];
static size_t n_faults;

static void
note(void *arg, const char *text)
{
	(void)arg;
	assert_true(n_faults < FAULTS);
	buf_reset(&faults[n_faults]);
	buf_puts(&faults[n_faults++], text);
}

static int
set_up(void **state)
{
	size_t i;

	(void)state;
	vault_init();
	image = calloc(1, SETTINGS_MAX);
	part = calloc(1, SETTINGS_MAX);
	for (i = 0; i < FAULTS; i++)
		buf_init(&faults[i], 8192);
	return 0;
}

static int
tear_down(void **state)
{
	size_t i;

	(void)state;
	free(image);
	free(part);
	for (i = 0; i < FAULTS; i++)
		buf_free(&faults[i]);
	return 0;
}

static size_t
name_len(const char *assignment)
{
	return strcspn(assignment, "=");
}

/* Loads the base with these over it; "NAME" alone takes NAME away. */
static size_t
load(const char *const *changes)
{
	char *env[ENV_MAX + 8];
	size_t i, k, n = 0;

	for (i = 0; base_env[i] != NULL; i++) {
		size_t len = name_len(base_env[i]);

		for (k = 0; changes[k] != NULL; k++)
			if (name_len(changes[k]) == len &&
			    memcmp(changes[k], base_env[i], len) == 0)
				break;
		if (changes[k] == NULL)
			env[n++] = (char *)(uintptr_t)base_env[i];
	}
	for (k = 0; changes[k] != NULL; k++)
		if (strchr(changes[k], '=') != NULL)
			env[n++] = (char *)(uintptr_t)changes[k];
	env[n] = NULL;
	n_faults = 0;
	return app_settings_load(NULL, env, image, note, NULL);
}

#define LOAD(...)	load((const char *const[]){ __VA_ARGS__, NULL })

static char *
read_all(const char *path)
{
	const char *top = getenv("srcdir");
	struct buf name = BUF_INIT(4096);
	char *text = calloc(1, 1 << 20);
	FILE *f;

	buf_printf(&name, "%s/%s", top != NULL ? top : ".", path);
	f = fopen(buf_str(&name), "r");
	if (f == NULL)
		fail_msg("%s", buf_str(&name));
	(void)fread(text, 1, (1 << 20) - 1, f);
	(void)fclose(f);
	buf_free(&name);
	return text;
}

/* Is this the row's name, with its '*' standing for capitals? */
static bool
fits(const char *pattern, const char *name, size_t n)
{
	size_t head = strcspn(pattern, "*");
	const char *tail;

	if (pattern[head] == '\0')
		return head == n && memcmp(pattern, name, n) == 0;
	tail = pattern + head + 1;
	return n > head + strlen(tail) && memcmp(pattern, name, head) == 0 &&
	    memcmp(name + n - strlen(tail), tail, strlen(tail)) == 0;
}

/* The line of the sample file that sets this row, behind a '#' or not;
 * ret_value is what stands there. */
static bool
sample_value(const char *text, const struct directive *d, char *ret,
    size_t size)
{
	const char *line = text;

	while (line != NULL && *line != '\0') {
		const char *p = *line == '#' ? line + 1 : line;
		size_t n = strcspn(p, "=\n");

		if (p[n] == '=' && fits(d->name, p, n)) {
			(void)snprintf(ret, size, "%.*s",
			    (int)strcspn(p + n + 1, "\n"), p + n + 1);
			return true;
		}
		line = strchr(line, '\n');
		line = line != NULL ? line + 1 : NULL;
	}
	return false;
}

static void
table_is_sound(void **state)
{
	size_t i, k;

	(void)state;
	for (i = 0; i < SETTING_MAX; i++) {
		const struct directive *d = &settings_table[i];
		size_t n = strlen(d->help);

		for (k = 0; k < i; k++)
			assert_string_not_equal(d->name,
			    settings_table[k].name);
		assert_true(n > 10 && d->help[n - 1] == '.');
		assert_int_not_equal(d->roles, 0);
		/* A secret has no default, and not everybody holds it. */
		if ((d->flags & SETTING_SECRET) != 0) {
			assert_null(d->def);
			assert_int_equal(d->roles & ROLE_MASTER, 0);
		}
		if ((d->flags & SETTING_REQUIRED) != 0)
			assert_null(d->def);
	}
	/* The admin key is the registrar's alone; nobody who reads requests
	 * holds a key that opens stored keys. */
	assert_int_equal(settings_table[SET_PLUGIN_API_ADMIN_KEY].roles,
	    ROLE_REGISTRAR);
	assert_int_equal(settings_table[SET_PLUGIN_API_ENCRYPTION_KEY].roles &
	    ROLE_WORKER, 0);
	assert_int_equal(settings_table[SET_JWT_SECRET_KEY].roles,
	    ROLE_WORKER);
}

/* Each default given by hand is accepted, so it is in its own range. */
static void
defaults_pass(void **state)
{
	char text[256];
	size_t i;

	(void)state;
	assert_int_equal(LOAD(NULL), 0);
	for (i = 0; i < SETTING_MAX; i++) {
		const struct directive *d = &settings_table[i];

		if (d->def == NULL || (d->flags & SETTING_PATTERN) != 0)
			continue;
		(void)snprintf(text, sizeof(text), "%s=%s", d->name, d->def);
		if (LOAD(text) != 0)
			fail_msg("%s: %s", text, buf_str(&faults[0]));
		assert_int_equal(settings_origin(image, i),
		    ORIGIN_ENVIRONMENT);
	}
}

/* Above and below the range is refused, and the directive is named. */
static void
ranges_hold(void **state)
{
	char text[256];
	size_t i, k;

	(void)state;
	for (i = 0; i < SETTING_MAX; i++) {
		const struct directive *d = &settings_table[i];
		const double out[] = { d->max * 2 + 1, -1 };

		if (d->type == SETTING_STRING || d->type == SETTING_BOOL ||
		    d->type == SETTING_CHOICE ||
		    (d->flags & SETTING_IGNORED) != 0)
			continue;
		assert_true(d->max > d->min);
		for (k = 0; k < 2; k++) {
			(void)snprintf(text, sizeof(text), "%s=%.0f",
			    d->name, out[k]);
			if (LOAD(text) != 1)
				fail_msg("%s: %zu faults", text, n_faults);
			assert_non_null(strstr(buf_str(&faults[0]), d->name));
		}
		(void)snprintf(text, sizeof(text), "%s=many", d->name);
		assert_int_equal(LOAD(text), 1);
	}
}

static void
every_row_is_in_the_sample_file(void **state)
{
	char *text = read_all("etc/plugway.env"), value[512];
	size_t i;

	(void)state;
	for (i = 0; i < SETTING_MAX; i++) {
		const struct directive *d = &settings_table[i];

		if (!sample_value(text, d, value, sizeof(value)))
			fail_msg("etc/plugway.env lacks %s", d->name);
		if (d->def != NULL && strcmp(value, d->def) != 0)
			fail_msg("etc/plugway.env: %s=%s, the default is %s",
			    d->name, value, d->def);
	}
	free(text);
}

static void
every_name_of_the_sample_file_is_a_row(void **state)
{
	char *text = read_all("etc/plugway.env"), *save = NULL, *line;
	size_t i;

	(void)state;
	for (line = strtok_r(text, "\n", &save); line != NULL;
	    line = strtok_r(NULL, "\n", &save)) {
		const char *p = *line == '#' ? line + 1 : line;
		size_t n = strspn(p, "ABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_");

		if (n == 0 || p[n] != '=')
			continue;
		for (i = 0; i < SETTING_MAX; i++)
			if (fits(settings_table[i].name, p, n))
				break;
		if (i == SETTING_MAX)
			fail_msg("etc/plugway.env has %s", p);
	}
	free(text);
}

static void
every_row_is_in_the_manual(void **state)
{
	char *text = read_all("doc/plugway.env.5");
	size_t i;

	(void)state;
	for (i = 0; i < SETTING_MAX; i++)
		if (strstr(text, settings_table[i].name) == NULL)
			fail_msg("plugway.env.5 lacks %s",
			    settings_table[i].name);
	free(text);
}

/* One thing is wrong: one sentence says which, without the secret. */
static const struct {
	const char	*change, *more, *names, *secret;
} wrong[] = {
	/* change, and what goes with it; said; never said */
	{ "PLUGIN_API_ENCRYPTION_KEY", NULL, "PLUGIN_API_ENCRYPTION_KEY",
	    NULL },
	{ "PLUGIN_API_ENCRYPTION_KEY=", NULL, "PLUGIN_API_ENCRYPTION_KEY",
	    NULL },
	{ "PLUGIN_API_ENCRYPTION_KEY=fernetCanary1", NULL,
	    "PLUGIN_API_ENCRYPTION_KEY", "fernetCanary1" },
	/* without its padding */
	{ "PLUGIN_API_ENCRYPTION_KEY=Y2FuYXJ5LWZlcm5ldC1rZXktb2YtdGhlLXRlc3Rz"
	    "ITE", NULL, "PLUGIN_API_ENCRYPTION_KEY", "Y2FuYXJ5" },
	/* 31 bytes, 33 bytes, the other alphabet, left-over bits */
	{ "PLUGIN_API_ENCRYPTION_KEY=Y2FuYXJ5LWZlcm5ldC1rZXktb2YtdGhlLXRlc3Rz"
	    "IQ==", NULL, "PLUGIN_API_ENCRYPTION_KEY", "Y2FuYXJ5" },
	{ "PLUGIN_API_ENCRYPTION_KEY=Y2FuYXJ5LWZlcm5ldC1rZXktb2YtdGhlLXRlc3Rz"
	    "ITEx", NULL, "PLUGIN_API_ENCRYPTION_KEY", "Y2FuYXJ5" },
	{ "PLUGIN_API_ENCRYPTION_KEY=+2FuYXJ5LWZlcm5ldC1rZXktb2YtdGhlLXRlc3Rz"
	    "ITE=", NULL, "PLUGIN_API_ENCRYPTION_KEY", "2FuYXJ5" },
	{ "PLUGIN_API_ENCRYPTION_KEY=Y2FuYXJ5LWZlcm5ldC1rZXktb2YtdGhlLXRlc3Rz"
	    "ITF=", NULL, "PLUGIN_API_ENCRYPTION_KEY", "Y2FuYXJ5" },
	/* the second of a list; one twice; a hole */
	{ "PLUGIN_API_ENCRYPTION_KEY=" FERNET ",fernetCanary2", NULL,
	    "PLUGIN_API_ENCRYPTION_KEY", "fernetCanary2" },
	{ "PLUGIN_API_ENCRYPTION_KEY=" FERNET ",," FERNET2, NULL,
	    "PLUGIN_API_ENCRYPTION_KEY", "Y2FuYXJ5" },
	{ "JWT_SECRET_KEY", NULL, "JWT_SECRET_KEY", NULL },
	{ "JWT_SECRET_KEY=jwtCanary", NULL, "JWT_SECRET_KEY", "jwtCanary" },
	{ "JWT_SECRET_KEY=jwtCanary-of-31-bytes-is-short!", NULL,
	    "JWT_SECRET_KEY", "jwtCanary" },
	{ "JWT_SECRET_KEY=" JWT ",jwtCanary", NULL, "JWT_SECRET_KEY",
	    "jwtCanary" },
	{ "JWT_ALGORITHM=none", NULL, "JWT_ALGORITHM", NULL },
	{ "JWT_ALGORITHM=RS256", NULL, "JWT_ALGORITHM", NULL },
	{ "JWT_ALGORITHM=hs256", NULL, "JWT_ALGORITHM", NULL },
	{ "DATABASE_URL", NULL, "DATABASE_URL", NULL },
	{ "DATABASE_URL=postgres://u:dbCanary2@h/d", NULL, "DATABASE_URL",
	    "dbCanary2" },
	{ "DATABASE_URL=mysql://u:dbCanary2@h:99999/d", NULL, "DATABASE_URL",
	    "dbCanary2" },
	{ "DATABASE_URL=mysql://u:dbCanary2@h", NULL, "DATABASE_URL",
	    "dbCanary2" },
	{ "DATABASE_URL=mysql://u:dbCanary2@h/d?nonsense=1", NULL,
	    "DATABASE_URL", "dbCanary2" },
	{ "DATABASE_URL_WORKER=dbCanary3", NULL, "DATABASE_URL_WORKER",
	    "dbCanary3" },
	{ "DATABASE_URL_KEEPER=mysql://u:dbCanary4@/", NULL,
	    "DATABASE_URL_KEEPER", "dbCanary4" },
	{ "DATABASE_URL_REGISTRAR=mysql:", NULL, "DATABASE_URL_REGISTRAR",
	    NULL },
	{ "PLUGIN_API_BASE_URL=localhost:8045", NULL, "PLUGIN_API_BASE_URL",
	    NULL },
	{ "PLUGIN_API_BASE_URL=ftp://h", NULL, "PLUGIN_API_BASE_URL", NULL },
	{ "PLUGIN_API_BASE_URL=http://u:urlCanary@h", NULL,
	    "PLUGIN_API_BASE_URL", "urlCanary" },
	{ "PLUGIN_API_BASE_URL=http://h/?q=1", NULL, "PLUGIN_API_BASE_URL",
	    NULL },
	{ "PUBLIC_BASE_URL=gateway.example", NULL, "PUBLIC_BASE_URL", NULL },
	{ "FRONTEND_ORIGINS=*", NULL, "FRONTEND_ORIGINS", NULL },
	{ "FRONTEND_ORIGINS=https://*.example", NULL, "FRONTEND_ORIGINS",
	    NULL },
	{ "FRONTEND_ORIGINS=https://a.example/path", NULL, "FRONTEND_ORIGINS",
	    NULL },
	{ "FRONTEND_ORIGINS=a.example", NULL, "FRONTEND_ORIGINS", NULL },
	{ "OIDC_ACME_CLIENT_ID=x", NULL, "acme: the issuer", "oidcCanary" },
	{ "OIDC_ACME_CLIENT_ID=x", "OIDC_ACME_ISSUER=http://sso.example",
	    "acme", NULL },
	{ "OAUTH_CLIENT_ID=x", "OAUTH_TOKEN_ENDPOINT=http://t.example/",
	    "linux_do", NULL },
	{ "PLUGWAY_WORKER_MAX=9", NULL, "PLUGWAY_WORKERS_MAX", NULL },
	{ "PLUGWAY_SECRETCANARY=9", NULL, "PLUGWAY_", "=9" },
	{ "PLUGWAY_LOG_LEVEL=loud", NULL, "PLUGWAY_LOG_LEVEL", NULL },
	{ "PLUGWAY_LOG_FORMAT=xml", NULL, "PLUGWAY_LOG_FORMAT", NULL },
	{ "ALLOW_NEW_ACCOUNTS=perhaps", NULL, "ALLOW_NEW_ACCOUNTS", NULL },
	{ "PLUGWAY_MAX_BODY=20X", NULL, "PLUGWAY_MAX_BODY", NULL },
	{ "PLUGWAY_WORKERS_MIN=4.5", NULL, "PLUGWAY_WORKERS_MIN", NULL },
	{ "PLUGWAY_HEARTBEAT_S=nan", NULL, "PLUGWAY_HEARTBEAT_S", NULL },
	{ "PLUGWAY_HEARTBEAT_S=1e3", NULL, "PLUGWAY_HEARTBEAT_S", NULL },
	{ "JWT_SECRET_KEY_FILE=/nonexistent", "JWT_SECRET_KEY",
	    "JWT_SECRET_KEY", NULL },
	{ "PLUGWAY_LOG_LEVEL_FILE=/etc/hostname", NULL, "PLUGWAY_LOG_LEVEL",
	    NULL },
};

static void
one_fault_is_one_sentence(void **state)
{
	size_t i;

	(void)state;
	for (i = 0; i < sizeof(wrong) / sizeof(wrong[0]); i++) {
		size_t n = LOAD(wrong[i].change, wrong[i].more);
		const char *said = n > 0 ? buf_str(&faults[0]) : "";

		if (n != 1 || n_faults != 1)
			fail_msg("%s: %zu faults (%s | %s)", wrong[i].change,
			    n, said, n > 1 ? buf_str(&faults[1]) : "");
		if (strstr(said, wrong[i].names) == NULL)
			fail_msg("%s: said %s", wrong[i].change, said);
		assert_null(strchr(said, '\n'));
		if (wrong[i].secret != NULL &&
		    strstr(said, wrong[i].secret) != NULL)
			fail_msg("%s: tells %s", wrong[i].change, said);
	}
}

static void
several_faults_are_told_at_once(void **state)
{
	(void)state;
	assert_int_equal(LOAD("JWT_SECRET_KEY=short", "FRONTEND_ORIGINS=*",
	    "PLUGIN_API_ENCRYPTION_KEY=x", "PLUGWAY_WORKERS_MAX=0"), 4);
	assert_int_equal(n_faults, 4);
}

static void
good_variants_pass(void **state)
{
	static const char *const good[] = {
		"PLUGIN_API_ENCRYPTION_KEY=" FERNET "," FERNET2,
		"PLUGIN_API_ENCRYPTION_KEY=" FERNET ", " FERNET2,
		"JWT_SECRET_KEY=" JWT "," JWT "2", "JWT_ALGORITHM=HS512",
		"PLUGIN_API_BASE_URL=http://localhost:8045/",
		"PLUGIN_API_BASE_URL=unix:/run/up.sock",
		"PLUGIN_API_BASE_URL=https://[::1]:8045",
		"FRONTEND_ORIGINS=https://a.example, http://localhost:3000",
		"DATABASE_URL=mysql://u:p@h1:3306,h2:3307/d?ssl_ca=/ca.pem",
		"PLUGWAY_HEARTBEAT_S=0.25", "PLUGWAY_MAX_BODY=1M",
		"ALLOW_NEW_ACCOUNTS=off", "PLUGWAY_TEST_ANYTHING=1",
		"SOMETHING_ELSE=1", "plugway_workers_max=none",
	};
	size_t i;

	(void)state;
	for (i = 0; i < sizeof(good) / sizeof(good[0]); i++)
		if (LOAD(good[i]) != 0)
			fail_msg("%s: %s", good[i], buf_str(&faults[0]));
}

static bool
image_holds(const struct settings *s, const char *text)
{
	return memmem(s, s->size, text, strlen(text)) != NULL;
}

/* A role's image has not a byte of what it may not hold. */
static void
roles_get_their_part(void **state)
{
	static const struct {
		unsigned	 role;
		bool		 admin, fernet, jwt, oauth, metrics;
	} want[] = {
		/* role, admin key, Fernet, JWT, OAuth, metrics */
		{ ROLE_WORKER, false, false, true, true, true },
		{ ROLE_KEEPER, false, true, false, false, false },
		{ ROLE_REGISTRAR, true, true, false, false, false },
		{ ROLE_MASTER, false, false, false, false, false },
	};
	size_t i;

	(void)state;
	assert_int_equal(LOAD("OAUTH_CLIENT_ID=x", "OIDC_ACME_CLIENT_ID=x",
	    "OIDC_ACME_ISSUER=https://sso.example",
	    "PLUGWAY_METRICS_TOKEN=metricsCanary",
	    "DATABASE_URL_WORKER=mysql://w:workerCanary@h/d"), 0);
	for (i = 0; i < sizeof(want) / sizeof(want[0]); i++) {
		memset(part, 0, SETTINGS_MAX);
		app_settings_filter(image, want[i].role, part);
		assert_int_equal(app_settings_check(part, SETTINGS_MAX), 0);
		assert_int_equal(image_holds(part, ADMIN), want[i].admin);
		assert_int_equal(image_holds(part, FERNET), want[i].fernet);
		assert_int_equal(image_holds(part, JWT), want[i].jwt);
		assert_int_equal(image_holds(part, "oauthCanary"),
		    want[i].oauth);
		assert_int_equal(image_holds(part, "oidcCanary"),
		    want[i].oauth);
		assert_int_equal(image_holds(part, "metricsCanary"),
		    want[i].metrics);
		assert_int_equal(image_holds(part, "workerCanary"),
		    want[i].role == ROLE_WORKER);
	}
}

static void
floors_get_their_configuration(void **state)
{
	struct upstream_conf up;
	struct buf b = BUF_INIT(2048);
	struct httpc_conf http;
	struct log_conf log;

	(void)state;
	assert_int_equal(LOAD("PLUGWAY_LOG_LEVEL=error",
	    "PLUGWAY_LOG_FORMAT=json", "PLUGWAY_LOG=/var/log/x",
	    "PLUGWAY_STREAM_COMMIT_S=0.5", "PLUGWAY_CONNECT_TIMEOUT_S=1.25",
	    "PUBLIC_BASE_URL=https://g.example/",
	    "DATABASE_URL_KEEPER=mysql://k:p@h/d"), 0);
	app_log_conf(image, &log);
	assert_int_equal(log.level, LOG_LEVEL_ERROR);
	assert_int_equal(log.format, LOG_FORMAT_JSON);
	assert_string_equal(log.target, "/var/log/x");
	assert_int_equal(app_upstream_conf(image, &up, &b), 0);
	assert_int_equal(up.stream_commit_ms, 500);
	assert_int_equal(up.request_timeout_ms, 30000);
	assert_int_equal(up.chat_timeout_ms, 600000);
	assert_int_equal(up.stream_first_byte_ms, 320000);
	assert_int_equal(up.stream_total_ms, 1200000);
	assert_int_equal(up.client_stall_ms, 30000);
	url_base_free(&up.base);
	app_httpc_conf(image, &http);
	assert_int_equal(http.connect_timeout_ms, 1250);
	assert_int_equal(http.keepalive_ms, 4000);
	app_public_base(image, &b);
	assert_string_equal(buf_str(&b), "https://g.example");
	assert_string_equal(app_database_url(image, ROLE_KEEPER),
	    "mysql://k:p@h/d");
	assert_string_equal(app_database_url(image, ROLE_WORKER), DB);
	assert_string_equal(app_database_url(image, ROLE_REGISTRAR), DB);
	buf_free(&b);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(table_is_sound),
		cmocka_unit_test(defaults_pass),
		cmocka_unit_test(ranges_hold),
		cmocka_unit_test(every_row_is_in_the_sample_file),
		cmocka_unit_test(every_name_of_the_sample_file_is_a_row),
		cmocka_unit_test(every_row_is_in_the_manual),
		cmocka_unit_test(one_fault_is_one_sentence),
		cmocka_unit_test(several_faults_are_told_at_once),
		cmocka_unit_test(good_variants_pass),
		cmocka_unit_test(roles_get_their_part),
		cmocka_unit_test(floors_get_their_configuration),
	};

	return cmocka_run_group_tests(tests, set_up, tear_down);
}
