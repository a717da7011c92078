/*
 * Several database hosts, a host that falls silent, and what each error
 * code is taken for.  The hosts are relays on loopback in front of one
 * private MariaDB; the codes come from a trigger.
 */
#include <errno.h>
#include <netinet/in.h>
#include <poll.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/clock.h"
#include "dbserver.h"
#include "store/changes.h"
#include "store/db_private.h"
#include "store/run.h"

#define LINKS_MAX	16

struct relay {
	pid_t		 pid;
	unsigned	 port;
};

static int
server_socket(void)
{
	const struct db_conf *c = dbserver_conf("root", "");
	struct sockaddr_un sun = { .sun_family = AF_UNIX };
	int fd = socket(AF_UNIX, SOCK_STREAM, 0);

	(void)snprintf(sun.sun_path, sizeof(sun.sun_path), "%s",
	    c->unix_socket);
	if (connect(fd, (struct sockaddr *)&sun, sizeof(sun)) == -1)
		_exit(1);
	return fd;
}

/* Passes on what is there; false when the link has ended. */
static bool
pump(int from, int to)
{
	char bytes[8192];
	ssize_t n = read(from, bytes, sizeof(bytes));

	return n > 0 && write(to, bytes, (size_t)n) == n;
}

static _Noreturn void
relay_run(int listener)
{
	struct pollfd fds[1 + 2 * LINKS_MAX];
	nfds_t n = 1;

	fds[0] = (struct pollfd){ .fd = listener, .events = POLLIN };
	for (;;) {
		if (poll(fds, n, -1) == -1)
			_exit(1);
		/* Each link is a pair of neighbours. */
		for (nfds_t i = 1; i < n; i++) {
			nfds_t peer = i % 2 == 1 ? i + 1 : i - 1;

			if (fds[i].revents == 0 || fds[i].fd < 0 ||
			    pump(fds[i].fd, fds[peer].fd))
				continue;
			(void)close(fds[i].fd);
			(void)close(fds[peer].fd);
			fds[i].fd = fds[peer].fd = -1;
		}
		if (fds[0].revents == 0 || n + 2 > 1 + 2 * LINKS_MAX)
			continue;
		fds[n++] = (struct pollfd){ .fd = accept(listener, NULL,
		    NULL), .events = POLLIN };
		fds[n++] = (struct pollfd){ .fd = server_socket(),
		    .events = POLLIN };
	}
}

static struct relay
relay_start(void)
{
	struct sockaddr_in sin = { .sin_family = AF_INET,
	    .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
	socklen_t len = sizeof(sin);
	int fd = socket(AF_INET, SOCK_STREAM, 0);
	struct relay r;

	assert_int_equal(bind(fd, (struct sockaddr *)&sin, len), 0);
	assert_int_equal(listen(fd, 16), 0);
	assert_int_equal(getsockname(fd, (struct sockaddr *)&sin, &len), 0);
	r.port = ntohs(sin.sin_port);
	r.pid = fork();
	assert_int_not_equal(r.pid, -1);
	if (r.pid == 0) {
		(void)prctl(PR_SET_PDEATHSIG, SIGKILL);
		relay_run(fd);
	}
	(void)close(fd);
	return r;
}

static void
relay_stop(struct relay *r)
{
	(void)kill(r->pid, SIGKILL);
	(void)waitpid(r->pid, NULL, 0);
}

static struct db_conf *
conf_of(unsigned port1, unsigned port2)
{
	struct buf why = BUF_INIT(200);
	char url[128];
	struct db_conf *c;

	(void)snprintf(url, sizeof(url), "mysql://plugway_keeper:test@"
	    "127.0.0.1:%u,127.0.0.1:%u/plugway", port1, port2);
	c = db_conf_parse(url, &why);
	assert_non_null(c);
	buf_free(&why);
	return c;
}

static void
test_next_host(void **state)
{
	struct relay a = relay_start(), b = relay_start();
	struct db_conf *c = conf_of(a.port, b.port);
	struct db *db = db_create(c, DB_KEEPER);
	int64_t now_ms;

	(void)state;
	assert_int_equal(db_now_ms(db, &now_ms), 0);
	assert_int_equal(db->host, 0);
	relay_stop(&a);
	/* One read, and it is answered by the other host. */
	assert_int_equal(db_now_ms(db, &now_ms), 0);
	assert_int_equal(db->host, 1);
	db_disconnect(db);
	/* The last good one is the first to be tried. */
	assert_int_equal(db_now_ms(db, &now_ms), 0);
	assert_int_equal(db->host, 1);
	relay_stop(&b);
	assert_int_equal(db_now_ms(db, &now_ms), -1);
	assert_int_equal(db_fault(db), DB_GONE);
	db_free(&db);
	db_conf_free(&c);
}

static void
test_silent_host(void **state)
{
	struct relay a = relay_start();
	struct db_conf *c = conf_of(a.port, a.port);
	struct db *db = db_create(c, DB_KEEPER);
	int64_t now_ms, start_ms;

	(void)state;
	assert_int_equal(db_connect(db, 1000), 0);
	assert_int_equal(db_begin(db), 0);
	assert_int_equal(kill(a.pid, SIGSTOP), 0);
	start_ms = clock_mono_ms();
	assert_int_equal(db_commit(db), -1);
	assert_int_equal(db_fault(db), DB_UNKNOWN_COMMIT);
	assert_true(clock_mono_ms() - start_ms < 2500);
	/* The connection is made by the kernel, the greeting never comes. */
	start_ms = clock_mono_ms();
	assert_int_equal(db_begin(db), -1);
	assert_int_equal(db_fault(db), DB_GONE);
	assert_true(clock_mono_ms() - start_ms < 4500);
	assert_int_equal(kill(a.pid, SIGCONT), 0);
	assert_int_equal(db_now_ms(db, &now_ms), 0);
	relay_stop(&a);
	db_free(&db);
	db_conf_free(&c);
}

static void
test_codes(void **state)
{
	/* code -> its kind, and whether the next host is to be tried */
	static const struct {
		unsigned	 code;
		enum db_fault	 fault;
		bool		 dropped, next_host;
	} rows[] = {
		{ 1020, DB_RETRY, false, false },
		{ 1021, DB_DENIED, false, false },
		{ 1040, DB_GONE, true, true },
		{ 1044, DB_DENIED, false, false },
		{ 1045, DB_DENIED, false, false },
		{ 1046, DB_WRONG, false, false },
		{ 1047, DB_GONE, true, true },
		{ 1048, DB_WRONG, false, false },
		{ 1053, DB_GONE, true, true },
		{ 1062, DB_DUPLICATE, false, false },
		{ 1064, DB_WRONG, false, false },
		{ 1114, DB_DENIED, false, false },
		{ 1129, DB_GONE, true, true },
		{ 1142, DB_DENIED, false, false },
		{ 1146, DB_WRONG, false, false },
		{ 1158, DB_GONE, true, false },
		{ 1203, DB_GONE, true, true },
		{ 1205, DB_RETRY, false, false },
		{ 1213, DB_RETRY, false, false },
		{ 1290, DB_DENIED, true, true },
		{ 1406, DB_WRONG, false, false },
		{ 1452, DB_WRONG, false, false },
		{ 1836, DB_DENIED, true, true },
		{ 1927, DB_GONE, true, false },
	};
	struct relay a = relay_start(), b = relay_start();
	struct db_conf *c = conf_of(a.port, b.port);
	struct db *db = db_create(c, DB_OPERATOR);

	(void)state;
	dbserver_sql("GRANT INSERT ON changes TO"
	    " 'plugway_keeper'@'localhost'");
	dbserver_sql("CREATE TRIGGER t BEFORE INSERT ON changes FOR EACH ROW"
	    " BEGIN DECLARE code INT DEFAULT NEW.ref;"
	    " SIGNAL SQLSTATE '45000' SET MYSQL_ERRNO=code; END");
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		unsigned host;

		assert_int_equal(db_begin(db), 0);
		host = db->host;
		assert_int_equal(change_note(db, CHANGE_USER,
		    rows[i].code), -1);
		if (db_fault(db) != rows[i].fault ||
		    (db->my == NULL) != rows[i].dropped ||
		    (db->host != host) != rows[i].next_host)
			fail_msg("code %u: fault %d, host %u", rows[i].code,
			    db_fault(db), db->host);
		assert_int_equal(db_parent_missing(db),
		    rows[i].code == 1452);
		db_rollback(db);
		assert_int_equal(db_fault(db), rows[i].fault);
	}
	relay_stop(&a);
	relay_stop(&b);
	db_free(&db);
	db_conf_free(&c);
	dbserver_sql("DROP TRIGGER t");
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_next_host),
		cmocka_unit_test(test_silent_host),
		cmocka_unit_test(test_codes),
	};
	int rc;

	dbserver_start();
	dbserver_schema();
	rc = cmocka_run_group_tests(tests, NULL, NULL);
	dbserver_stop();
	return rc;
}
