/*
 * master_control: answers plugwayctl.
 *
 * One line in, one JSON text out, then the connection is closed.  The
 * socket has mode 0600: whoever gets here is the operator.
 */
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/time.h>

#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "api/routes.h"
#include "api/settings.h"
#include "base/clock.h"
#include "base/codec.h"
#include "base/log.h"
#include "base/xmalloc.h"
#include "proc/control.h"
#include "proc/master_private.h"
#include "proc/sockets.h"

#define LINE_MAX_LEN	256
#define ANSWER_MAX	(4u * 1024 * 1024)
#define PATIENCE_S	1

char *
control_path_of(const struct settings *s)
{
	const char *path = settings_str(s, SET_CONTROL);
	const char *dir = settings_str(s, SET_RUN_DIR);
	const char *home;

	if (path != NULL)
		return xstrdup(path);
	if (dir != NULL)
		return xasprintf("%s/control.sock", dir);
	if (geteuid() == 0)
		return xstrdup("/run/plugway/control.sock");
	home = getenv("HOME");
	return xasprintf("%s/.plugway/control.sock",
	    home != NULL ? home : "/tmp");
}

static void
view_process(struct master *m, struct buf *b, size_t i)
{
	const struct score *row = scoreboard_row(m->h.scores, i);
	uint32_t state = __atomic_load_n(&row->state, __ATOMIC_RELAXED);
	int64_t now = clock_mono_ms();
	bool worker = m->child[i].role == PROC_WORKER;

	buf_printf(b, ",{\"pid\":%ld,\"role\":\"%s\",\"state\":\"%s\","
	    "\"generation\":%u,\"requests\":%llu,\"age_s\":%lld,"
	    "\"state_s\":%lld,\"streaming\":%s,\"draining\":%s",
	    (long)m->child[i].pid, proc_role_name(m->child[i].role),
	    proc_state_name(state < PROC_STATE_MAX ?
	    (enum proc_state)state : PROC_FREE), m->child[i].generation,
	    (unsigned long long)row->requests,
	    (long long)(now - m->child[i].started_ms) / 1000,
	    (long long)(now - row->since_ms) / 1000,
	    row->streaming != 0 ? "true" : "false",
	    m->child[i].term_ms != 0 ? "true" : "false");
	if (worker && state > (uint32_t)PROC_IDLE)
		buf_printf(b, ",\"route\":\"%s %s\",\"user_id\":%llu",
		    routes_method(row->route), routes_path(row->route),
		    (unsigned long long)row->user_id);
	buf_puts(b, "}");
}

static void
do_status(struct master *m, const char *arg, struct buf *b)
{
	size_t i;

	(void)arg;
	buf_printf(b, "[{\"pid\":%ld,\"role\":\"master\",\"state\":\"%s\","
	    "\"generation\":%u,\"requests\":0,\"age_s\":%lld,"
	    "\"state_s\":0,\"streaming\":false,\"draining\":false}",
	    (long)getpid(), m->stopping ? "stopping" : "running",
	    m->h.generation,
	    (long long)(clock_mono_ms() - m->started_ms) / 1000);
	for (i = 0; i < m->n_rows; i++)
		if (m->child[i].pid != 0)
			view_process(m, b, i);
	buf_puts(b, "]");
}

static void
do_reload(struct master *m, const char *arg, struct buf *b)
{
	struct buf faults = BUF_INIT(65536);
	int rc = -1;

	(void)arg;
	if (m->stopping)
		buf_puts(&faults, "it is stopping");
	else
		rc = master_reload(m, &faults);
	if (rc != 0)
		log_errorx("reload refused: %s", buf_str(&faults));
	else
		log_info("reloaded: generation %u", m->h.generation);
	buf_printf(b, "{\"ok\":%s,\"generation\":%u,\"faults\":",
	    rc == 0 ? "true" : "false", m->h.generation);
	buf_json_cstr(b, buf_str(&faults));
	buf_puts(b, "}");
	buf_free(&faults);
}

static void
do_purge(struct master *m, const char *arg, struct buf *b)
{
	int64_t id = 0;
	int rc = 0;

	if (*arg == '\0')
		tenantcache_drop_all(m->h.cache);
	else if (parse_int(arg, 1, INT64_MAX, &id) == 0)
		rc = tenantcache_drop(m->h.cache, (uint64_t)id);
	else
		rc = -1;
	buf_printf(b, "{\"ok\":%s}", rc == 0 ? "true" : "false");
}

static void
do_poke(struct master *m, const char *arg, struct buf *b)
{
	uint64_t one = 1;

	(void)arg;
	if (write(m->h.keeper_fd, &one, sizeof(one)) != sizeof(one) ||
	    write(m->h.registrar_fd, &one, sizeof(one)) != sizeof(one))
		log_debug("eventfd");
	buf_puts(b, "{\"ok\":true}");
}

static const struct {
	const char	*verb;
	void		(*run)(struct master *, const char *, struct buf *);
} verbs[] = {
	{ "status", do_status },
	{ "reload", do_reload },
	{ "purge", do_purge },		/* [user id] */
	{ "poke", do_poke },		/* something changed in the DB */
};

static void
answer(struct master *m, char *line, struct buf *b)
{
	char *arg = line + strcspn(line, " \n");
	size_t i;

	if (*arg == ' ') {
		*arg++ = '\0';
		arg[strcspn(arg, "\n")] = '\0';
	} else
		*arg = '\0';
	for (i = 0; i < sizeof(verbs) / sizeof(verbs[0]); i++)
		if (strcmp(verbs[i].verb, line) == 0) {
			verbs[i].run(m, arg, b);
			return;
		}
	buf_puts(b, "{\"ok\":false,\"faults\":\"unknown verb\"}");
}

static void
serve_client(struct master *m, int fd)
{
	const struct timeval patience = { PATIENCE_S, 0 };
	struct buf b = BUF_INIT(ANSWER_MAX);
	char line[LINE_MAX_LEN + 1] = "";
	size_t sent = 0;
	ssize_t n;

	(void)setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &patience,
	    sizeof(patience));
	(void)setsockopt(fd, SOL_SOCKET, SO_SNDTIMEO, &patience,
	    sizeof(patience));
	n = recv(fd, line, LINE_MAX_LEN, 0);
	if (n > 0) {
		line[n] = '\0';
		answer(m, line, &b);
		buf_puts(&b, "\n");
	}
	while (sent < b.len && (n = send(fd, b.data + sent, b.len - sent,
	    MSG_NOSIGNAL)) > 0)
		sent += (size_t)n;
	buf_free(&b);
}

void
master_serve_control(struct master *m)
{
	int fd;

	while (m->control_fd >= 0 &&
	    (fd = accept4(m->control_fd, NULL, NULL, SOCK_CLOEXEC)) >= 0) {
		m->client_fd = fd;
		serve_client(m, fd);
		m->client_fd = -1;
		(void)close(fd);
	}
}
