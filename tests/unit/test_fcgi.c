/*
 * The times of http/fcgi: how long it waits for a head, a body and a
 * reader, with a client (a thread) that is slow on purpose.
 *
 * What is sent and refused is in tests/system/test_fastcgi.py.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "base/clock.h"
#include "http/fcgi.h"

#define HEAD_MS		300
#define READ_MS		200
#define BODY_MS		400
#define WRITE_MS	300
#define SLACK_MS	2000		/* of a busy machine */

#define BEGIN		"\1\1\0\1\0\10\0\0" "\0\1\0\0\0\0\0\0"
#define BEGIN_KEEP	"\1\1\0\1\0\10\0\0" "\0\1\1\0\0\0\0\0"
#define PARAMS		"\1\4\0\1\0\6\2\0" "\1\3Axyz" "\0\0"
#define PARAMS_END	"\1\4\0\1\0\0\0\0"
#define STDIN_4		"\1\5\0\1\0\4\4\0" "body" "\0\0\0\0"
#define STDIN_1		"\1\5\0\1\0\1\0\0" "x"
#define STDIN_END	"\1\5\0\1\0\0\0\0"
#define BYTES(s)	(s), sizeof(s) - 1

static struct sockaddr_un name = { .sun_family = AF_UNIX };
static struct fcgi *fcgi;
static int listen_fd;
static sigset_t none;

static unsigned n_taken;

static void
taken(void *arg)
{
	assert_ptr_equal(arg, &n_taken);
	n_taken++;
}

static int
set_up(void **state)
{
	struct fcgi_conf conf = { .first_bytes_ms = 200, .head_ms = HEAD_MS,
	    .read_ms = READ_MS, .body_ms = BODY_MS, .write_ms = WRITE_MS,
	    .taken = taken, .arg = &n_taken };

	(void)state;
	/* A name of the abstract kind leaves no file behind. */
	(void)snprintf(name.sun_path + 1, sizeof(name.sun_path) - 1,
	    "plugway-test-%ld", (long)getpid());
	listen_fd = socket(AF_UNIX, SOCK_STREAM, 0);
	if (bind(listen_fd, (struct sockaddr *)&name, sizeof(name)) != 0 ||
	    listen(listen_fd, 16) != 0)
		return -1;
	(void)fcntl(listen_fd, F_SETFL, O_NONBLOCK);
	(void)sigemptyset(&none);
	fcgi_init();
	conf.listen_fd = listen_fd;
	fcgi = fcgi_create(&conf);
	return 0;
}

static int
tear_down(void **state)
{
	(void)state;
	fcgi_free(&fcgi);
	return close(listen_fd);
}

static int
dial(void)
{
	int fd = socket(AF_UNIX, SOCK_STREAM, 0);

	assert_int_equal(connect(fd, (struct sockaddr *)&name, sizeof(name)),
	    0);
	return fd;
}

static void
say(int fd, const char *bytes, size_t n)
{
	assert_int_equal(send(fd, bytes, n, MSG_NOSIGNAL), n);
}

/* Sends the same bytes again and again until it is told to stop. */
struct drip {
	pthread_t	 thread;
	int		 fd, pause_ms;
	const char	*bytes;
	size_t		 n;
	volatile bool	 stop;
};

static void *
drip_run(void *arg)
{
	struct drip *d = arg;

	while (!d->stop && send(d->fd, d->bytes, d->n, MSG_NOSIGNAL) ==
	    (ssize_t)d->n)
		(void)poll(NULL, 0, d->pause_ms);
	return NULL;
}

static void
drip_start(struct drip *d, int fd, const char *bytes, size_t n, int pause_ms)
{
	*d = (struct drip){ .fd = fd, .pause_ms = pause_ms, .bytes = bytes,
	    .n = n };
	assert_int_equal(pthread_create(&d->thread, NULL, drip_run, d), 0);
}

static void
drip_stop(struct drip *d)
{
	d->stop = true;
	(void)pthread_join(d->thread, NULL);
}

static void
assert_took(int64_t start, int64_t least, int64_t most)
{
	int64_t ms = clock_mono_ms() - start;

	if (ms < least || ms > most)
		fail_msg("%lld ms, not %lld to %lld", (long long)ms,
		    (long long)least, (long long)most);
}

/* A whole request is open, its body not yet sent. */
static int
open_request(const char *begin, size_t n)
{
	int fd = dial();

	say(fd, begin, n);
	say(fd, BYTES(PARAMS PARAMS_END));
	assert_int_equal(fcgi_next(fcgi, &none, 1000), 1);
	assert_string_equal(fcgi_params(fcgi)[1], "A=xyz");
	return fd;
}

static void
nobody_comes(void **state)
{
	int64_t start = clock_mono_ms();

	(void)state;
	assert_int_equal(fcgi_next(fcgi, &none, 100), 0);
	assert_took(start, 99, 100 + SLACK_MS);
	assert_false(fcgi_has_kept(fcgi));
}

static void
half_a_head_and_gone(void **state)
{
	struct rusage before, after;
	int fd = dial();

	(void)state;
	say(fd, "\1\1\0", 3);
	(void)shutdown(fd, SHUT_WR);
	(void)getrusage(RUSAGE_SELF, &before);
	assert_int_equal(fcgi_next(fcgi, &none, 1000), -1);
	(void)getrusage(RUSAGE_SELF, &after);
	/* Far below the 200 ms that a loop would take. */
	assert_true((after.ru_utime.tv_sec - before.ru_utime.tv_sec) *
	    1000000 + after.ru_utime.tv_usec - before.ru_utime.tv_usec <
	    100000);
	(void)close(fd);
}

static void
parameters_that_never_end(void **state)
{
	int64_t start = clock_mono_ms();
	struct drip d;
	int fd = dial();

	(void)state;
	say(fd, BYTES(BEGIN));
	drip_start(&d, fd, BYTES(PARAMS), 50);
	assert_int_equal(fcgi_next(fcgi, &none, 1000), -1);
	assert_took(start, HEAD_MS - 1, HEAD_MS + SLACK_MS);
	drip_stop(&d);
	(void)close(fd);
}

static void
a_body_with_gaps(void **state)
{
	int fd = open_request(BYTES(BEGIN));
	const struct http_writer *w = fcgi_writer(fcgi);
	int64_t start = clock_mono_ms();
	char got[64];

	(void)state;
	say(fd, BYTES(STDIN_4));
	assert_int_equal(w->read(w->arg, got, sizeof(got)), 4);
	assert_memory_equal(got, "body", 4);
	assert_int_equal(w->watch_fd(w->arg), -1);
	/* No more comes. */
	assert_int_equal(w->read(w->arg, got, sizeof(got)), -1);
	assert_took(start, READ_MS - 20, READ_MS + SLACK_MS);
	assert_int_equal(w->read(w->arg, got, sizeof(got)), -1);
	fcgi_finish(fcgi, true);
	(void)close(fd);
}

/* No gap is too long, all of them together are. */
static void
a_body_that_drips(void **state)
{
	int fd = open_request(BYTES(BEGIN));
	const struct http_writer *w = fcgi_writer(fcgi);
	int64_t start = clock_mono_ms();
	struct drip d;
	char got[64];
	ssize_t n;

	(void)state;
	drip_start(&d, fd, BYTES(STDIN_1), 50);
	while ((n = w->read(w->arg, got, sizeof(got))) > 0)
		assert_true(clock_mono_ms() - start < BODY_MS + SLACK_MS);
	assert_int_equal(n, -1);
	assert_took(start, BODY_MS - 100, BODY_MS + SLACK_MS);
	drip_stop(&d);
	fcgi_finish(fcgi, true);
	(void)close(fd);
}

/* What the worker itself takes its time for does not count. */
static void
a_slow_worker_is_no_slow_client(void **state)
{
	int fd = open_request(BYTES(BEGIN));
	const struct http_writer *w = fcgi_writer(fcgi);
	char got[64];
	int i;

	(void)state;
	for (i = 0; i < 3; i++) {
		say(fd, BYTES(STDIN_4));
		(void)poll(NULL, 0, BODY_MS / 2);
		assert_int_equal(w->read(w->arg, got, sizeof(got)), 4);
	}
	say(fd, BYTES(STDIN_END));
	assert_int_equal(w->read(w->arg, got, sizeof(got)), 0);
	assert_true(w->watch_fd(w->arg) >= 0);
	fcgi_finish(fcgi, false);
	(void)close(fd);
}

static void
draining_is_bounded(void **state)
{
	struct drip d;
	int64_t start;
	int fd = open_request(BYTES(BEGIN));

	(void)state;
	/* By time, */
	drip_start(&d, fd, BYTES(STDIN_1), 20);
	start = clock_mono_ms();
	fcgi_drain(fcgi, 1 << 20, 150);
	assert_took(start, 100, 150 + SLACK_MS);
	drip_stop(&d);
	/* by size, */
	say(fd, BYTES(STDIN_4 STDIN_4));
	fcgi_drain(fcgi, 1, 1000);
	/* and by the end. */
	say(fd, BYTES(STDIN_END));
	start = clock_mono_ms();
	fcgi_drain(fcgi, 1 << 20, 5000);
	assert_took(start, 0, SLACK_MS);
	assert_true(fcgi_writer(fcgi)->watch_fd(fcgi_writer(fcgi)->arg) >= 0);
	fcgi_finish(fcgi, false);
	(void)close(fd);
}

/* Whoever takes nothing costs one wait, not another one at the end. */
static void
a_reader_that_stalls(void **state)
{
	int fd = open_request(BYTES(BEGIN));
	const struct http_writer *w = fcgi_writer(fcgi);
	static char block[1 << 16];
	int64_t start = clock_mono_ms();

	(void)state;
	while (w->write(w->arg, block, sizeof(block)) == 0)
		assert_true(clock_mono_ms() - start < WRITE_MS + SLACK_MS);
	assert_took(start, WRITE_MS - 20, WRITE_MS + SLACK_MS);
	assert_int_equal(w->flush(w->arg), -1);
	start = clock_mono_ms();
	fcgi_finish(fcgi, true);
	assert_took(start, 0, WRITE_MS - 50);
	(void)close(fd);
}

/* Reads up to the record that ends the request. */
static void
take_answer(int fd)
{
	unsigned char head[8], body[65536];
	size_t n;

	do {
		assert_int_equal(recv(fd, head, 8, MSG_WAITALL), 8);
		n = (size_t)head[4] * 256 + head[5] + head[6];
		assert_int_equal(recv(fd, body, n, MSG_WAITALL), n);
	} while (head[1] != 3);
}

static void
kept_connections(void **state)
{
	int fd = dial(), other, i;
	unsigned before = n_taken;
	char c;

	(void)state;
	for (i = 0; i < 3; i++) {
		say(fd, BYTES(BEGIN_KEEP PARAMS PARAMS_END STDIN_END));
		assert_int_equal(fcgi_next(fcgi, &none, 1000), 1);
		fcgi_drain(fcgi, 1 << 20, 1000);
		fcgi_finish(fcgi, false);
		take_answer(fd);
		assert_true(fcgi_has_kept(fcgi));
		/* Idle while nobody speaks. */
		assert_int_equal(n_taken, before + (unsigned)i + 1);
	}
	/* An idle one gives way to a new connection. */
	other = dial();
	say(other, BYTES(BEGIN PARAMS PARAMS_END STDIN_END));
	assert_int_equal(fcgi_next(fcgi, &none, 1000), 1);
	assert_int_equal(recv(fd, &c, 1, 0), 0);
	fcgi_drain(fcgi, 1 << 20, 1000);
	fcgi_finish(fcgi, false);
	assert_false(fcgi_has_kept(fcgi));
	take_answer(other);
	assert_int_equal(recv(other, &c, 1, 0), 0);
	(void)close(fd);
	(void)close(other);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(nobody_comes),
		cmocka_unit_test(half_a_head_and_gone),
		cmocka_unit_test(parameters_that_never_end),
		cmocka_unit_test(a_body_with_gaps),
		cmocka_unit_test(a_body_that_drips),
		cmocka_unit_test(a_slow_worker_is_no_slow_client),
		cmocka_unit_test(draining_is_bounded),
		cmocka_unit_test(a_reader_that_stalls),
		cmocka_unit_test(kept_connections),
	};

	return cmocka_run_group_tests(tests, set_up, tear_down);
}
