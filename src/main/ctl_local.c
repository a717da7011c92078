/*
 * ctl_local: verbs about the program, its configuration and the running
 * master.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "api/routes.h"
#include "api/settings.h"
#include "base/xmalloc.h"
#include "main/ctl.h"
#include "store/migrate.h"
#include "vault/fernet.h"

#define WHY_MAX	8192

extern char **environ;

int
ctl_genkey(struct ctl *c)
{
	char key[FERNET_KEY_TEXT_LEN + 1];

	fernet_key_generate(key);
	if (c->json)
		buf_printf(&c->out, "{\"key\":\"%s\"}", key);
	else
		(void)printf("%s\n", key);
	return 0;
}

int
ctl_routes(struct ctl *c)
{
	size_t n, i;
	const struct route *r = routes_table(&n);

	for (i = 0; i < n; i++) {
		buf_printf(&c->out, "%s{\"method\":\"%s\",\"path\":\"%s\","
		    "\"auth\":\"%s\",\"upstream\":", i > 0 ? "," : "[",
		    r[i].pattern.method, r[i].pattern.path,
		    routes_auth_name(r[i].who));
		if (r[i].upstream.method != NULL)
			buf_printf(&c->out, "\"%s %s\"}",
			    r[i].upstream.method, r[i].upstream.target);
		else
			buf_puts(&c->out, "null}");
	}
	buf_puts(&c->out, "]");
	return 0;
}

static void
config_row(struct buf *b, const char *name, const char *value,
    const char *origin, bool secret)
{
	buf_puts(b, b->len > 1 ? ",{\"name\":" : "{\"name\":");
	buf_json_cstr(b, name);
	buf_puts(b, ",\"value\":");
	buf_json_cstr(b, value == NULL ? NULL : secret ? "********" : value);
	buf_printf(b, ",\"origin\":\"%s\",\"secret\":%s}", origin,
	    secret ? "true" : "false");
}

/* OIDC_*_ISSUER and the like: one row per name that is set. */
static void
config_pattern(struct ctl *c, size_t row)
{
	const struct directive *d = &settings_table[row];
	const char *origin = settings_origin_name(settings_origin(c->settings,
	    row));
	const char *star, *value;
	size_t i, k;

	for (i = 0; (value = settings_pattern(c->settings, row, i,
	    &star)) != NULL; i++) {
		const char *at = strchr(d->name, '*');
		char *name = xasprintf("%.*s%s%s", (int)(at - d->name),
		    d->name, star, at + 1);

		for (k = 0; name[k] != '\0'; k++)
			if (name[k] >= 'a' && name[k] <= 'z')
				name[k] = (char)(name[k] - 'a' + 'A');
		config_row(&c->out, name, value, origin,
		    (d->flags & SETTING_SECRET) != 0);
		free(name);
	}
	if (i == 0)
		config_row(&c->out, d->name, NULL, "default",
		    (d->flags & SETTING_SECRET) != 0);
}

int
ctl_config(struct ctl *c)
{
	size_t i;

	buf_puts(&c->out, "[");
	for (i = 0; i < SETTING_MAX; i++) {
		const struct directive *d = &settings_table[i];

		if ((d->flags & SETTING_PATTERN) != 0)
			config_pattern(c, i);
		else
			config_row(&c->out, d->name,
			    settings_str(c->settings, i),
			    settings_origin_name(settings_origin(c->settings,
			    i)), (d->flags & SETTING_SECRET) != 0);
	}
	buf_puts(&c->out, "]");
	return 0;
}

int
ctl_check_config(struct ctl *c)
{
	/* Faults were told while it was read. */
	return ctl_done(c, "the configuration is good");
}

static void
say(void *arg, const char *line)
{
	(void)arg;
	(void)fprintf(stderr, "%s\n", line);
}

int
ctl_migrate(struct ctl *c)
{
	struct buf why = BUF_INIT(WHY_MAX);
	const char *dir = settings_str(c->settings, SET_DATA_DIR);
	char *sql_dir = xasprintf("%s/sql", dir != NULL ? dir :
	    PLUGWAY_DATADIR);
	int n = migrate_run(c->db, sql_dir, say, NULL, &why);

	free(sql_dir);
	if (n < 0)
		(void)ctl_fail("%s", buf_str(&why));
	else if (n == 0)
		(void)ctl_done(c, "the database is up to date");
	else
		(void)ctl_done(c, "%d migration%s ran", n, n > 1 ? "s" : "");
	buf_free(&why);
	return n < 0 ? 1 : 0;
}

static int
ask(struct ctl *c, const char *line)
{
	if (ctl_ask_master(c, line, &c->out) != 0)
		return ctl_fail("no plugwayd answers on the control socket "
		    "(%s): is it running, and with this configuration?",
		    strerror(errno));
	return strncmp(buf_str(&c->out), "{\"ok\":false", 11) == 0 ? 1 : 0;
}

int
ctl_status(struct ctl *c)
{
	return ask(c, "status\n");
}

int
ctl_reload(struct ctl *c)
{
	return ask(c, "reload\n");
}

int
ctl_purge(struct ctl *c)
{
	struct user user;
	char line[64] = "purge\n";
	const char *who = c->argc > 0 ? c->argv[0] : NULL;

	/* An id works without the database. */
	if (who != NULL && strspn(who, "0123456789") == strlen(who))
		(void)snprintf(line, sizeof(line), "purge %s\n", who);
	else if (who != NULL) {
		if (db_connect(c->db, 2000) != 0)
			return ctl_db_failed(c, "database");
		if (ctl_user(c, 0, &user) != 0)
			return 1;
		(void)snprintf(line, sizeof(line), "purge %llu\n",
		    (unsigned long long)user.id);
	}
	return ask(c, line);
}
