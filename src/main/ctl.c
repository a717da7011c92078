/*
 * ctl: what several verbs need.
 */
#include <sys/socket.h>

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/codec.h"
#include "main/ctl.h"
#include "proc/control.h"
#include "proc/sockets.h"

int
ctl_fail(const char *fmt, ...)
{
	va_list ap;

	(void)fputs("plugwayctl: ", stderr);
	va_start(ap, fmt);
	(void)vfprintf(stderr, fmt, ap);
	va_end(ap);
	(void)fputc('\n', stderr);
	return 1;
}

int
ctl_db_failed(struct ctl *c, const char *what)
{
	return ctl_fail("%s: %s", what, db_fault_text(c->db));
}

int
ctl_done(struct ctl *c, const char *fmt, ...)
{
	struct buf text = BUF_INIT(4096);
	va_list ap;

	va_start(ap, fmt);
	buf_vprintf(&text, fmt, ap);
	va_end(ap);
	buf_puts(&c->out, "{\"ok\":true,\"message\":");
	buf_json_cstr(&c->out, buf_str(&text));
	buf_puts(&c->out, "}");
	buf_free(&text);
	return 0;
}

int
ctl_user(struct ctl *c, int i, struct user *ret)
{
	const char *who = i < c->argc ? c->argv[i] : NULL;
	int64_t id;
	int found;

	if (who == NULL)
		return ctl_fail("which user?  Give an id or name:NAME");
	if (strncmp(who, "name:", 5) == 0)
		found = user_by_name(c->db, who + 5, ret);
	else if (parse_int(who, 1, INT64_MAX, &id) == 0)
		found = user_by_id(c->db, (uint64_t)id, ret);
	else
		return ctl_fail("%s is neither an id nor name:NAME", who);
	if (found < 0)
		return ctl_db_failed(c, "users");
	return found == 1 ? 0 : ctl_fail("there is no user %s", who);
}

int
ctl_ask_master(struct ctl *c, const char *line, struct buf *ret)
{
	char *path = control_path_of(c->settings);
	int fd = sockets_control_connect(path);
	char block[4096];
	ssize_t n;

	free(path);
	if (fd == -1)
		return -1;
	n = send(fd, line, strlen(line), MSG_NOSIGNAL);
	while (n > 0 && (n = recv(fd, block, sizeof(block), 0)) > 0)
		buf_append(ret, block, (size_t)n);
	(void)close(fd);
	return ret->len > 0 ? 0 : -1;
}

void
ctl_poke(struct ctl *c)
{
	struct buf answer = BUF_INIT(4096);

	/* Without a running master there is nobody to hurry. */
	(void)ctl_ask_master(c, "poke\n", &answer);
	buf_free(&answer);
}
