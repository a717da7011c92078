/*
 * loader: the child that reads the configuration, and the master's side.
 */
#include <sys/wait.h>

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "api/settings.h"
#include "base/log.h"
#include "base/secret.h"
#include "base/shm.h"
#include "base/xmalloc.h"
#include "proc/loader.h"
#include "proc/ringcheck.h"
#include "store/db.h"
#include "vault/keyring.h"

#define DB_TIMEOUT_MS	5000
#define WHY_MAX		4096

extern char **environ;

void
strongroom_init(struct strongroom *room)
{
	size_t i;

	room->full = shm_map_private(SETTINGS_MAX);
	room->scratch = shm_map_private(SETTINGS_MAX);
	room->env = shm_map_private(LOADER_ENV_MAX);
	room->env_len = 0;
	for (i = 0; environ[i] != NULL; i++) {
		size_t n = strlen(environ[i]) + 1;

		if (room->env_len + n > LOADER_ENV_MAX)
			fatalx("the environment is larger than %u bytes",
			    LOADER_ENV_MAX);
		memcpy(room->env + room->env_len, environ[i], n);
		room->env_len += n;
	}
}

static void
tell(void *arg, const char *text)
{
	int fd = *(int *)arg;
	size_t n = strlen(text);

	if (write(fd, text, n) != (ssize_t)n || write(fd, "\n", 1) != 1)
		_exit(2);
}

static void
tell_database(int fd, const char *url_name, const struct db_conf *conf,
    const char *why)
{
	struct buf b = BUF_INIT(WHY_MAX * 2);

	buf_printf(&b, "%s: ", url_name);
	db_conf_describe(conf, &b);
	buf_printf(&b, ": %s", why);
	tell(&fd, buf_str(&b));
	buf_free(&b);
}

static int
check_ring(struct db *db, const struct settings *s, struct buf *why)
{
	struct keyring *ring = keyring_parse(settings_str(s,
	    SET_PLUGIN_API_ENCRYPTION_KEY), why);
	int rc = ring == NULL ? -1 : ringcheck(db, ring, why);

	keyring_free(&ring);
	return rc;
}

static size_t
check_role(const struct settings *s, unsigned role, enum db_role db_role,
    int fd)
{
	struct buf why = BUF_INIT(WHY_MAX);
	struct db_conf *conf = db_conf_parse(app_database_url(s, role), &why);
	struct db *db = db_create(conf, db_role);
	const char *name = role == ROLE_WORKER ? "DATABASE_URL (worker)" :
	    role == ROLE_KEEPER ? "DATABASE_URL (keeper)" :
	    "DATABASE_URL (registrar)";
	size_t faults = 0;

	buf_reset(&why);
	if (db_connect(db, DB_TIMEOUT_MS) != 0) {
		tell_database(fd, name, conf, db_fault_text(db));
		faults++;
	} else if (db_role == DB_KEEPER &&
	    (db_check_schema(db, &why) != 0 ||
	    check_ring(db, s, &why) != 0)) {
		tell_database(fd, name, conf, buf_str(&why));
		faults++;
	}
	db_free(&db);
	db_conf_free(&conf);
	buf_free(&why);
	return faults;
}

static size_t
check_database(const struct settings *s, int fd)
{
	const char *keeper = app_database_url(s, ROLE_KEEPER);
	const char *worker = app_database_url(s, ROLE_WORKER);
	const char *registrar = app_database_url(s, ROLE_REGISTRAR);
	size_t faults = check_role(s, ROLE_KEEPER, DB_KEEPER, fd);

	if (strcmp(worker, keeper) != 0)
		faults += check_role(s, ROLE_WORKER, DB_WORKER, fd);
	if (strcmp(registrar, keeper) != 0)
		faults += check_role(s, ROLE_REGISTRAR, DB_REGISTRAR, fd);
	return faults;
}

static _Noreturn void
load_in_child(struct settings *image, char *env, size_t env_len,
    const char *file, bool check_db, int fd)
{
	char **envp = xcalloc(env_len + 1, sizeof(*envp));
	size_t n = 0, at, faults;

	for (at = 0; at < env_len; at += strlen(env + at) + 1)
		envp[n++] = env + at;
	faults = app_settings_load(file, envp, image, tell, &fd);
	if (faults == 0 && check_db)
		faults = check_database(image, fd);
	_exit(faults == 0 ? 0 : 1);
}

static void
read_faults(int fd, struct buf *faults)
{
	char block[4096];
	ssize_t n;

	while ((n = read(fd, block, sizeof(block))) > 0 ||
	    (n == -1 && errno == EINTR))
		if (n > 0)
			buf_append(faults, block, (size_t)n);
}

int
loader_load(struct strongroom *room, const char *file, bool check_db,
    struct buf *faults)
{
	size_t size = SETTINGS_MAX + LOADER_ENV_MAX;
	char *shared = shm_map(size, false);
	char *env = shared + SETTINGS_MAX;
	struct settings *image = (struct settings *)(void *)shared;
	int fds[2], wstatus = -1, rc = -1;
	pid_t pid;

	if (pipe2(fds, O_CLOEXEC) == -1)
		fatal("pipe");
	memcpy(env, room->env, room->env_len);
	pid = fork();
	if (pid == 0) {
		(void)close(fds[0]);
		load_in_child(image, env, room->env_len, file, check_db,
		    fds[1]);
	}
	(void)close(fds[1]);
	if (pid > 0) {
		read_faults(fds[0], faults);
		while (waitpid(pid, &wstatus, 0) == -1 && errno == EINTR)
			continue;
	} else
		buf_printf(faults, "fork: %s\n", strerror(errno));
	(void)close(fds[0]);
	if (pid > 0 && WIFEXITED(wstatus) && WEXITSTATUS(wstatus) == 0 &&
	    app_settings_check(image, SETTINGS_MAX) == 0) {
		memcpy(room->full, image, SETTINGS_MAX);
		rc = 0;
	} else if (faults->len == 0)
		buf_puts(faults, "the configuration could not be read\n");
	shm_unmap(shared, size, true);
	return rc;
}
