/*
 * plugwayctl: the operator's tool.
 *
 * One table of verbs; each says what it needs.
 */
#include <getopt.h>
#include <pwd.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <json.h>

#include "api/settings.h"
#include "base/log.h"
#include "base/secret.h"
#include "base/xmalloc.h"
#include "main/ctl.h"
#include "store/audit.h"
#include "vault/bootkey.h"

#define OUT_MAX		(256u * 1024 * 1024)
#define DB_TIMEOUT_MS	10000

enum need { NEED_NOTHING, NEED_SETTINGS, NEED_DB };

static const struct verb {
	const char	*name, *sub;	/* sub NULL: none */
	enum need	 need;
	ctl_verb	*run;
	const char	*arguments, *help;
} verbs[] = {
	{ "status", NULL, NEED_SETTINGS, ctl_status, "",
	    "what every process does now" },
	{ "check-config", NULL, NEED_SETTINGS, ctl_check_config, "",
	    "say what is wrong with the configuration" },
	{ "config", NULL, NEED_SETTINGS, ctl_config, "",
	    "every directive, its value and where it comes from" },
	{ "genkey", NULL, NEED_NOTHING, ctl_genkey, "",
	    "print a new key for PLUGIN_API_ENCRYPTION_KEY" },
	{ "migrate", NULL, NEED_DB, ctl_migrate, "",
	    "bring the database up to date" },
	{ "routes", NULL, NEED_NOTHING, ctl_routes, "",
	    "every endpoint and where it goes" },
	{ "users", "list", NEED_DB, ctl_users_list, "", "all users" },
	{ "users", "show", NEED_DB, ctl_users_show, "USER",
	    "one user with key and registration" },
	{ "users", "disable", NEED_DB, ctl_users_disable, "USER",
	    "refuse the user everywhere, also upstream" },
	{ "users", "enable", NEED_DB, ctl_users_enable, "USER",
	    "admit the user again" },
	{ "users", "set-password", NEED_DB, ctl_users_set_password, "USER",
	    "read a password from standard input and set it" },
	{ "keys", "audit", NEED_DB, ctl_keys_audit, "",
	    "stored keys that do not open or do not belong" },
	{ "keys", "reencrypt", NEED_DB, ctl_keys_reencrypt, "",
	    "seal all stored keys under the newest key" },
	{ "keys", "status", NEED_DB, ctl_keys_status, "",
	    "how many stored keys each key of the ring opens" },
	{ "keys", "rekey", NEED_DB, ctl_keys_rekey, "USER",
	    "have the upstream issue a new key" },
	{ "keys", "revoke", NEED_DB, ctl_keys_revoke, "USER",
	    "refuse the stored key until rekey" },
	{ "registrations", "list", NEED_DB, ctl_registrations_list,
	    "[STATE]", "registration jobs" },
	{ "registrations", "show", NEED_DB, ctl_registrations_show, "JOB",
	    "one job" },
	{ "registrations", "retry", NEED_DB, ctl_registrations_retry, "JOB",
	    "try a job again now" },
	{ "registrations", "hold", NEED_DB, ctl_registrations_hold, "JOB",
	    "set a job aside" },
	{ "registrations", "adopt", NEED_DB, ctl_registrations_adopt,
	    "USER UPSTREAM_ID",
	    "bind an existing upstream account to a user" },
	{ "audit", "list", NEED_DB, ctl_audit_list, "[AFTER_ID]",
	    "the last 100 entries of the audit log, or all after an id" },
	{ "audit", "verify", NEED_DB, ctl_audit_verify, "[ID:HASH]",
	    "whether the audit log is whole (and has the entry noted)" },
	{ "sweep", NULL, NEED_DB, ctl_sweep, "[--dry-run]",
	    "collect upstream accounts that were never bound" },
	{ "purge", NULL, NEED_SETTINGS, ctl_purge, "[USER]",
	    "empty the shared cache, or forget one user" },
	{ "reload", NULL, NEED_SETTINGS, ctl_reload, "",
	    "read the configuration again" },
};
#define N_VERBS	(sizeof(verbs) / sizeof(verbs[0]))

enum { OPT_JSON = 256, OPT_DRY_RUN, OPT_VERSION };
static const struct option options[] = {
	{ "env", required_argument, NULL, 'e' },
	{ "json", no_argument, NULL, OPT_JSON },
	{ "dry-run", no_argument, NULL, OPT_DRY_RUN },
	{ "version", no_argument, NULL, OPT_VERSION },
	{ "help", no_argument, NULL, 'h' },
	{ NULL, 0, NULL, 0 }
};

extern char **environ;

static void
usage(FILE *f)
{
	size_t i;

	(void)fprintf(f, "usage: plugwayctl [--env FILE] [--json] VERB ...\n"
	    "\n");
	for (i = 0; i < N_VERBS; i++) {
		char left[64];

		(void)snprintf(left, sizeof(left), "%s%s%s %s",
		    verbs[i].name, verbs[i].sub != NULL ? " " : "",
		    verbs[i].sub != NULL ? verbs[i].sub : "",
		    verbs[i].arguments);
		(void)fprintf(f, "  %-38s %s\n", left, verbs[i].help);
	}
	(void)fprintf(f, "\nUSER is a number or name:NAME.\n");
}

static void
tell_fault(void *arg, const char *text)
{
	(void)arg;
	(void)ctl_fail("%s", text);
}

static const struct verb *
find_verb(int *argc, char ***argv)
{
	size_t i;

	for (i = 0; *argc > 0 && i < N_VERBS; i++) {
		const struct verb *v = &verbs[i];
		int words = v->sub != NULL ? 2 : 1;

		if (strcmp(v->name, (*argv)[0]) != 0 || *argc < words ||
		    (v->sub != NULL && strcmp(v->sub, (*argv)[1]) != 0))
			continue;
		*argc -= words;
		*argv += words;
		return v;
	}
	return NULL;
}

/* Who works here: behind sudo and su it is who logged in. */
static const char *
operator_name(void)
{
	const char *name = getenv("SUDO_USER");
	struct passwd *pw;

	if (name == NULL || *name == '\0')
		name = getlogin();
	if (name == NULL && (pw = getpwuid(getuid())) != NULL)
		name = pw->pw_name;
	return name != NULL ? name : "";
}

static int
prepare(struct ctl *c, const struct verb *v)
{
	struct buf why = BUF_INIT(4096);
	const char *url;

	if (v->need == NEED_NOTHING)
		return 0;
	c->settings = xcalloc(1, SETTINGS_MAX);
	if (app_settings_load(c->env_file, environ, c->settings, tell_fault,
	    NULL) != 0)
		return 1;
	url = settings_str(c->settings, SET_DATABASE_URL);
	c->db_conf = db_conf_parse(url, &why);
	if (c->db_conf == NULL)
		return ctl_fail("DATABASE_URL: %s", buf_str(&why));
	c->db = db_create(c->db_conf, DB_OPERATOR);
	audit_context(c->db, "operator", operator_name(), NULL);
	if (v->need == NEED_DB && db_connect(c->db, DB_TIMEOUT_MS) != 0)
		return ctl_db_failed(c, "database");
	return 0;
}

static const char *
cell(struct json_object *o)
{
	if (o == NULL)
		return "-";
	return json_object_get_string(o);
}

static void
print_object(struct json_object *o)
{
	json_object_object_foreach(o, name, value)
		(void)printf("%-20s %s\n", name, cell(value));
}

static void
print_rows(struct json_object *rows)
{
	size_t n = json_object_array_length(rows), i, col;
	struct json_object *first;
	size_t width[32] = { 0 };

	if (n == 0) {
		(void)printf("(none)\n");
		return;
	}
	first = json_object_array_get_idx(rows, 0);
	for (i = 0; i < n; i++) {
		col = 0;
		json_object_object_foreach(json_object_array_get_idx(rows, i),
		    name, value) {
			size_t w = strlen(cell(value));

			if (col >= 32)
				break;
			if (strlen(name) > w)
				w = strlen(name);
			if (w > width[col])
				width[col] = w;
			col++;
		}
	}
	col = 0;
	json_object_object_foreach(first, heading, unused) {
		(void)unused;
		(void)printf("%-*s  ", (int)width[col < 31 ? col : 31],
		    heading);
		col++;
	}
	(void)printf("\n");
	for (i = 0; i < n; i++) {
		col = 0;
		json_object_object_foreach(json_object_array_get_idx(rows, i),
		    key, value) {
			(void)key;
			(void)printf("%-*s  ", (int)width[col < 31 ? col :
			    31], cell(value));
			col++;
		}
		(void)printf("\n");
	}
}

static void
print(struct ctl *c)
{
	struct json_object *o;

	if (c->out.len == 0)
		return;
	if (c->json) {
		(void)printf("%s%s", buf_str(&c->out),
		    c->out.data[c->out.len - 1] == '\n' ? "" : "\n");
		return;
	}
	o = json_tokener_parse(buf_str(&c->out));
	if (json_object_is_type(o, json_type_array))
		print_rows(o);
	else if (json_object_is_type(o, json_type_object))
		print_object(o);
	json_object_put(o);
}

int
main(int argc, char **argv)
{
	struct ctl c = { .out = BUF_INIT(OUT_MAX) };
	const struct verb *v;
	int opt, rc;

	while ((opt = getopt_long(argc, argv, "e:h", options, NULL)) != -1)
		switch (opt) {
		case 'e':
			c.env_file = optarg;
			break;
		case OPT_JSON:
			c.json = true;
			break;
		case OPT_DRY_RUN:
			c.dry_run = true;
			break;
		case OPT_VERSION:
			(void)printf("plugwayctl " PLUGWAY_VERSION "\n");
			return 0;
		case 'h':
			usage(stdout);
			return 0;
		default:
			usage(stderr);
			return 2;
		}
	c.argc = argc - optind;
	c.argv = argv + optind;
	v = find_verb(&c.argc, &c.argv);
	if (v == NULL) {
		usage(stderr);
		return 2;
	}
	if (c.env_file == NULL && access(SETTINGS_FILE_DEFAULT, R_OK) == 0)
		c.env_file = SETTINGS_FILE_DEFAULT;
	secret_init();
	vault_init();
	log_set_process("plugwayctl");
	rc = prepare(&c, v);
	if (rc == 0)
		rc = v->run(&c);
	if (rc == 0 || c.out.len > 0)
		print(&c);
	db_free(&c.db);
	db_conf_free(&c.db_conf);
	if (c.settings != NULL)
		wipe(c.settings, SETTINGS_MAX);
	free(c.settings);
	buf_free(&c.out);
	return rc;
}
