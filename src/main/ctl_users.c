/*
 * ctl_users: people.
 */
#include <stdio.h>
#include <string.h>
#include <termios.h>
#include <unistd.h>

#include "api/views.h"
#include "auth/password.h"
#include "base/secret.h"
#include "main/ctl.h"
#include "store/jobs.h"
#include "store/pluginkeys.h"

#define PAGE	500

struct listing {
	struct buf	*out;
	uint64_t	 last;
	unsigned	 n;
};

static void
add_user(void *arg, const struct user *u)
{
	struct listing *l = arg;

	if (l->out->len > 1)
		buf_puts(l->out, ",");
	view_user(l->out, u);
	l->last = u->id;
	l->n++;
}

int
ctl_users_list(struct ctl *c)
{
	struct listing l = { .out = &c->out };

	buf_puts(&c->out, "[");
	do {
		l.n = 0;
		if (user_list(c->db, l.last, PAGE, add_user, &l) != 0)
			return ctl_db_failed(c, "users");
	} while (l.n == PAGE);
	buf_puts(&c->out, "]");
	return 0;
}

int
ctl_users_show(struct ctl *c)
{
	struct pluginkey key;
	struct user user;
	struct job job;
	int bound, queued;

	if (ctl_user(c, 0, &user) != 0)
		return 1;
	bound = pluginkey_info(c->db, user.id, &key);
	queued = job_by_user(c->db, user.id, JOB_CREATE, &job);
	if (bound < 0 || queued < 0)
		return ctl_db_failed(c, "keys");
	view_user(&c->out, &user);
	c->out.len--;			/* go on inside the object */
	buf_puts(&c->out, ",\"plugin_user_id\":");
	buf_json_cstr(&c->out, bound ? key.plugin_user_id : NULL);
	buf_printf(&c->out, ",\"key_active\":%s,\"key_gen\":%u,"
	    "\"last_used_at\":", bound && key.is_active ? "true" : "false",
	    bound ? key.key_gen : 0);
	view_time(&c->out, bound ? key.last_used_us : 0);
	buf_puts(&c->out, ",\"registration\":");
	buf_json_cstr(&c->out, queued ? job_state_name(job.state) : NULL);
	buf_puts(&c->out, ",\"reason\":");
	buf_json_cstr(&c->out, queued && job.reason != REASON_NONE ?
	    job_reason_name(job.reason) : NULL);
	buf_puts(&c->out, "}");
	return 0;
}

static int
set_active(struct ctl *c, bool active)
{
	struct user user;

	if (ctl_user(c, 0, &user) != 0)
		return 1;
	if (user_set_active(c->db, user.id, active) < 0)
		return ctl_db_failed(c, "users");
	ctl_poke(c);
	return ctl_done(c, "user %llu is %s", (unsigned long long)user.id,
	    active ? "enabled" : "disabled");
}

int
ctl_users_disable(struct ctl *c)
{
	return set_active(c, false);
}

int
ctl_users_enable(struct ctl *c)
{
	return set_active(c, true);
}

/* One line from standard input; not shown when it is typed. */
static int
read_password(char *ret, size_t size)
{
	struct termios old, quiet;
	bool typed = tcgetattr(STDIN_FILENO, &old) == 0;
	char *line;

	if (typed) {
		quiet = old;
		quiet.c_lflag &= ~(tcflag_t)ECHO;
		(void)fputs("New password: ", stderr);
		(void)tcsetattr(STDIN_FILENO, TCSAFLUSH, &quiet);
	}
	line = fgets(ret, (int)size, stdin);
	if (typed) {
		(void)tcsetattr(STDIN_FILENO, TCSAFLUSH, &old);
		(void)fputc('\n', stderr);
	}
	if (line == NULL)
		return -1;
	ret[strcspn(ret, "\n")] = '\0';
	return 0;
}

int
ctl_users_set_password(struct ctl *c)
{
	char password[PASSWORD_MAX + 2], hash[PASSWORD_HASH_MAX + 1];
	struct user user;
	int rc;

	if (ctl_user(c, 0, &user) != 0)
		return 1;
	if (read_password(password, sizeof(password)) != 0)
		return ctl_fail("no password on standard input");
	if (strlen(password) < 8) {
		wipe(password, sizeof(password));
		return ctl_fail("a password has at least 8 characters");
	}
	rc = password_hash(password, hash);
	wipe(password, sizeof(password));
	if (rc != 0)
		return ctl_fail("a password has at most %d bytes",
		    PASSWORD_MAX);
	if (user_set_password(c->db, user.id, hash) < 0)
		return ctl_db_failed(c, "users");
	return ctl_done(c, "user %llu has a password",
	    (unsigned long long)user.id);
}
