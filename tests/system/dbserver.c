/*
 * dbserver: starts and stops the private MariaDB of a test program.
 */
#include <errno.h>
#include <fcntl.h>
#include <mysql.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "base/xmalloc.h"
#include "dbserver.h"
#include "store/migrate.h"

#define CONFS_MAX	16

static char dir[32];
static pid_t owner, server;
static struct db_conf *confs[CONFS_MAX];
static struct {
	char *user, *password;
} accounts[CONFS_MAX];
static unsigned n_confs;

static void
give_up(const char *what)
{
	(void)fprintf(stderr, "dbserver: %s\n", what);
	exit(1);
}

/* A child that dies with us; output to dir/log. */
static pid_t
spawn(char *const argv[])
{
	pid_t parent = getpid(), pid = fork();
	char *log;
	int fd;

	if (pid == -1)
		give_up(strerror(errno));
	if (pid != 0)
		return pid;
	(void)prctl(PR_SET_PDEATHSIG, SIGKILL);
	if (getppid() != parent)
		_exit(1);
	log = xasprintf("%s/log", dir);
	fd = open(log, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0600);
	if (fd == -1 || dup2(fd, 1) == -1 || dup2(fd, 2) == -1)
		_exit(1);
	(void)execvp(argv[0], argv);
	_exit(127);
}

static int
run(char *const argv[])
{
	pid_t pid = spawn(argv);
	int status;

	while (waitpid(pid, &status, 0) == -1)
		if (errno != EINTR)
			return -1;
	return WIFEXITED(status) ? WEXITSTATUS(status) : -1;
}

static void
server_spawn(void)
{
	char *datadir = xasprintf("--datadir=%s/data", dir);
	char *sock = xasprintf("--socket=%s/s", dir);
	char *pidfile = xasprintf("--pid-file=%s/pid", dir);
	const char *argv[] = { "mariadbd", "--no-defaults", datadir, sock,
	    pidfile, "--skip-networking", "--skip-name-resolve",
	    "--innodb-buffer-pool-size=16M", "--innodb-log-file-size=8M",
	    "--innodb-flush-log-at-trx-commit=0",
	    "--innodb-fast-shutdown=2", "--performance-schema=OFF",
	    "--key-buffer-size=1M", "--aria-pagecache-buffer-size=1M",
	    "--max-connections=200",
	    geteuid() == 0 ? "--user=root" : NULL, NULL };

	server = spawn((char *const *)(uintptr_t)argv);
	free(datadir);
	free(sock);
	free(pidfile);
}

static MYSQL *
plain_connect(const char *user, const char *password, const char *database)
{
	char *sock = xasprintf("%s/s", dir);
	MYSQL *my = mysql_init(NULL);

	if (my != NULL && mysql_real_connect(my, NULL, user, password,
	    database, 0, sock, 0) == NULL) {
		mysql_close(my);
		my = NULL;
	}
	free(sock);
	return my;
}

static MYSQL *
root_connect(const char *database)
{
	return plain_connect("root", "", database);
}

struct st_mysql *
dbserver_mysql(const char *user, const char *password)
{
	return plain_connect(user, password, "plugway");
}

static void
wait_until_it_answers(void)
{
	const struct timespec pause = { .tv_nsec = 20000000 };

	for (int i = 0; i < 1500; i++) {
		MYSQL *my = root_connect(NULL);

		if (my != NULL) {
			mysql_close(my);
			return;
		}
		if (waitpid(server, NULL, WNOHANG) == server)
			give_up("mariadbd ended at start");
		(void)nanosleep(&pause, NULL);
	}
	give_up("mariadbd does not answer");
}

/* Also at exit, also after a failed test; only in the first process. */
static void
clean_up(void)
{
	if (getpid() != owner || dir[0] == '\0')
		return;
	dbserver_kill();
	char *const argv[] = { (char *)(uintptr_t)"rm",
	    (char *)(uintptr_t)"-rf", dir, NULL };
	pid_t pid = fork();

	if (pid == 0) {
		(void)execvp(argv[0], argv);
		_exit(127);
	}
	(void)waitpid(pid, NULL, 0);
	dir[0] = '\0';
}

static void
on_signal(int sig)
{
	(void)sig;
	clean_up();
	_exit(1);
}

void
dbserver_start(void)
{
	char *datadir;
	int rc;

	(void)strcpy(dir, "/tmp/pwXXXXXX");
	if (mkdtemp(dir) == NULL)
		give_up(strerror(errno));
	owner = getpid();
	(void)atexit(clean_up);
	(void)signal(SIGTERM, on_signal);
	(void)signal(SIGINT, on_signal);
	(void)signal(SIGABRT, on_signal);
	/* Debian keeps the server where users' PATH does not look. */
	char *path = xasprintf("%s:/usr/sbin:/usr/local/sbin",
	    getenv("PATH") != NULL ? getenv("PATH") : "/usr/bin:/bin");

	(void)setenv("PATH", path, 1);
	free(path);
	datadir = xasprintf("--datadir=%s/data", dir);
	const char *argv[] = { "mariadb-install-db", "--no-defaults",
	    datadir, "--auth-root-authentication-method=normal",
	    "--skip-test-db", geteuid() == 0 ? "--user=root" : NULL, NULL };

	rc = run((char *const *)(uintptr_t)argv);
	free(datadir);
	if (rc == 127) {
		(void)fprintf(stderr, "dbserver: MariaDB is not"
		    " installed\n");
		exit(77);
	}
	if (rc != 0)
		give_up("mariadb-install-db failed");
	server_spawn();
	wait_until_it_answers();
	MYSQL *my = root_connect(NULL);

	if (my == NULL || mysql_query(my, "CREATE DATABASE plugway"
	    " CHARACTER SET utf8mb4") != 0)
		give_up("cannot create the database");
	mysql_close(my);
}

void
dbserver_stop(void)
{
	for (unsigned i = 0; i < n_confs; i++) {
		db_conf_free(&confs[i]);
		free(accounts[i].user);
		free(accounts[i].password);
	}
	n_confs = 0;
	clean_up();
}

void
dbserver_kill(void)
{
	if (server <= 0)
		return;
	(void)kill(server, SIGKILL);
	(void)waitpid(server, NULL, 0);
	server = 0;
}

void
dbserver_again(void)
{
	server_spawn();
	wait_until_it_answers();
}

const struct db_conf *
dbserver_conf(const char *user, const char *password)
{
	struct buf why = BUF_INIT(500);
	char *url;

	for (unsigned i = 0; i < n_confs; i++)
		if (strcmp(accounts[i].user, user) == 0 &&
		    strcmp(accounts[i].password, password) == 0)
			return confs[i];
	if (n_confs == CONFS_MAX)
		give_up("too many accounts");
	url = xasprintf("mysql://%s:%s@localhost/plugway?unix_socket=%s/s",
	    user, password, dir);
	confs[n_confs] = db_conf_parse(url, &why);
	if (confs[n_confs] == NULL)
		give_up(buf_str(&why));
	free(url);
	buf_free(&why);
	accounts[n_confs].user = xstrdup(user);
	accounts[n_confs].password = xstrdup(password);
	return confs[n_confs++];
}

struct db *
dbserver_handle(enum db_role role)
{
	static const char *const users[DB_ROLE_MAX] = {
		[DB_WORKER] = "plugway_worker",
		[DB_KEEPER] = "plugway_keeper",
		[DB_REGISTRAR] = "plugway_registrar",
		[DB_OPERATOR] = "root",
	};

	return db_create(dbserver_conf(users[role],
	    role == DB_OPERATOR ? "" : "test"), role);
}

int
dbserver_client(const char *file)
{
	char *cmd = xasprintf("mariadb --no-defaults -u root -S %s/s plugway"
	    " < '%s'", dir, file);
	const char *argv[] = { "sh", "-c", cmd, NULL };
	int rc = run((char *const *)(uintptr_t)argv);

	free(cmd);
	return rc == 0 ? 0 : -1;
}

static void
say_nothing(void *arg, const char *line)
{
	(void)arg;
	(void)line;
}

void
dbserver_schema(void)
{
	static const char *const users[] = {
		"plugway_worker", "plugway_keeper", "plugway_registrar",
	};
	struct db *db = dbserver_handle(DB_OPERATOR);
	struct buf why = BUF_INIT(1000);

	if (migrate_run(db, dbserver_sql_dir(), say_nothing, NULL,
	    &why) < 1)
		give_up(buf_str(&why));
	db_free(&db);
	char *grants = xasprintf("%s/grants.sql", dbserver_sql_dir());

	if (dbserver_client(grants) == -1)
		give_up("grants.sql failed");
	free(grants);
	for (size_t i = 0; i < sizeof(users) / sizeof(users[0]); i++)
		dbserver_sql("ALTER USER '%s'@'localhost' IDENTIFIED BY"
		    " 'test'", users[i]);
}

const char *
dbserver_sql_dir(void)
{
	static char path[4096];
	const char *srcdir = getenv("srcdir");

	(void)snprintf(path, sizeof(path), "%s/sql",
	    srcdir != NULL ? srcdir : ".");
	return path;
}

static MYSQL *query(const char *, va_list)
    __attribute__((format(printf, 1, 0)));

static MYSQL *
query(const char *fmt, va_list ap)
{
	char sql[4096];
	MYSQL *my = root_connect("plugway");

	(void)vsnprintf(sql, sizeof(sql), fmt, ap);
	if (my == NULL || mysql_query(my, sql) != 0) {
		(void)fprintf(stderr, "%s: %s\n", sql,
		    my != NULL ? mysql_error(my) : "no connection");
		abort();
	}
	return my;
}

void
dbserver_sql(const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	mysql_close(query(fmt, ap));
	va_end(ap);
}

long long
dbserver_number(const char *fmt, ...)
{
	va_list ap;
	MYSQL *my;
	MYSQL_RES *res;
	MYSQL_ROW row;
	long long ret = -1;

	va_start(ap, fmt);
	my = query(fmt, ap);
	va_end(ap);
	res = mysql_store_result(my);
	row = res != NULL ? mysql_fetch_row(res) : NULL;
	if (row != NULL && row[0] != NULL)
		ret = atoll(row[0]);
	mysql_free_result(res);
	mysql_close(my);
	return ret;
}
