/*
 * httpc against servers that misbehave.
 *
 * Each case is a short script that a forked server on a loopback port of
 * its own plays on every connection; the limits are short.  No other
 * process, no other host.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/buf.h"
#include "base/clock.h"
#include "base/xmalloc.h"
#include "net/httpc.h"

#define FIRST_MS	300
#define IDLE_MS		300
#define TOTAL_MS	700
#define BODY_MAX	(256 * 1024)

/* What the server process and the test both see. */
struct seen {
	_Atomic int	 connections, requests, closed;
	char		 request[8192];	/* of the last one */
	_Atomic size_t	 request_len;
};
static struct seen *seen;

struct server {
	pid_t		 pid;
	struct url_base	 base;
};

struct play;
typedef void play_fn(const struct play *, int fd);

/* One way to misbehave. */
struct play {
	const char	*name;
	const char	*says;		/* sent after the request */
	play_fn		*fn;		/* instead */
	bool		 then_close;
	enum httpc_error want;
	int		 status;	/* wanted, 0: none */
	bool		 sent;
};

static void
say(int fd, const char *s, size_t n)
{
	while (n > 0) {
		ssize_t got = send(fd, s, n, MSG_NOSIGNAL);

		if (got <= 0)
			return;
		s += got;
		n -= (size_t)got;
	}
}

static void
say_str(int fd, const char *s)
{
	say(fd, s, strlen(s));
}

/* Reads one request with its body; 0, or -1 at the end. */
static int
hear(int fd)
{
	char in[65536];
	size_t n = 0, want = 0;
	char *end, *length;

	for (;;) {
		ssize_t got = recv(fd, in + n, sizeof(in) - 1 - n, 0);

		if (got <= 0)
			return -1;
		n += (size_t)got;
		in[n] = '\0';
		end = strstr(in, "\r\n\r\n");
		if (end == NULL)
			continue;
		length = strcasestr(in, "\r\ncontent-length:");
		want = length != NULL && length < end ?
		    strtoul(length + 17, NULL, 10) : 0;
		want += (size_t)(end + 4 - in);
		if (n >= want || want > sizeof(in) - 1)
			break;
	}
	n = n < sizeof(seen->request) - 1 ? n : sizeof(seen->request) - 1;
	memcpy(seen->request, in, n);
	seen->request[n] = '\0';
	seen->request_len = n;
	seen->requests++;
	return 0;
}

/* Waits until the peer closes; counts it. */
static void
await_close(int fd)
{
	char c;
	struct pollfd p = { .fd = fd, .events = POLLIN };

	while (poll(&p, 1, 5000) > 0) {
		if (recv(fd, &c, 1, 0) <= 0) {
			seen->closed++;
			return;
		}
	}
}

static void
reset(int fd)
{
	struct linger l = { .l_onoff = 1, .l_linger = 0 };

	(void)setsockopt(fd, SOL_SOCKET, SO_LINGER, &l, sizeof(l));
}

static void
serve_one(const struct play *play, int fd)
{
	int yes = 1;

	(void)setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &yes, sizeof(yes));
	if (play->fn != NULL) {
		play->fn(play, fd);
	} else {
		while (hear(fd) == 0) {
			say_str(fd, play->says);
			if (play->then_close)
				return;
		}
		seen->closed++;
	}
}

static void
serve(const struct play *play, int listener)
{
	for (;;) {
		int fd = accept(listener, NULL, NULL);

		if (fd == -1)
			_exit(0);
		seen->connections++;
		if (fork() == 0) {
			(void)close(listener);
			(void)alarm(20);
			serve_one(play, fd);
			(void)close(fd);
			_exit(0);
		}
		(void)close(fd);
	}
}

static struct server
start(const struct play *play)
{
	struct sockaddr_in sin = { .sin_family = AF_INET };
	socklen_t len = sizeof(sin);
	struct server server;
	struct buf why = BUF_INIT(256);
	int fd = socket(AF_INET, SOCK_STREAM, 0);
	char *url;

	sin.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
	assert_return_code(bind(fd, (struct sockaddr *)&sin, len), errno);
	assert_return_code(listen(fd, 64), errno);
	(void)getsockname(fd, (struct sockaddr *)&sin, &len);
	memset(seen, 0, sizeof(*seen));
	server.pid = fork();
	assert_return_code(server.pid, errno);
	if (server.pid == 0) {
		(void)signal(SIGCHLD, SIG_IGN);
		(void)setpgid(0, 0);
		(void)alarm(30);
		serve(play, fd);
	}
	(void)close(fd);
	url = xasprintf("http://127.0.0.1:%d", ntohs(sin.sin_port));
	assert_int_equal(url_base_parse(url, &server.base, &why), 0);
	free(url);
	buf_free(&why);
	return server;
}

static void
stop(struct server *server)
{
	(void)kill(server->pid, SIGKILL);
	(void)waitpid(server->pid, NULL, 0);
	url_base_free(&server->base);
}

static struct httpc *
new_httpc(void)
{
	struct httpc_conf conf = {
		.connect_timeout_ms = 300, .tls_timeout_ms = 300,
		.keepalive_ms = 4000, .user_agent = "plugway/test",
	};

	return httpc_create(&conf);
}

static struct httpc_request
get(const struct url_base *base)
{
	return (struct httpc_request){
		.method = "GET", .base = base, .target = "/x?y=1",
		.first_byte_ms = FIRST_MS, .idle_ms = IDLE_MS,
		.total_ms = TOTAL_MS, .max_body = BODY_MAX,
		.idempotent = true, .watch_fd = -1,
	};
}

static bool
eventually(_Atomic int *value, int want)
{
	int i;

	for (i = 0; i < 2000 && *value < want; i++)
		(void)usleep(1000);
	return *value >= want;
}

/* ---- the plays ---- */

static void
play_silence(const struct play *play, int fd)
{
	(void)play;
	(void)hear(fd);
	await_close(fd);
}

static void
play_reset_at_once(const struct play *play, int fd)
{
	(void)play;
	reset(fd);
}

static void
play_reset_after_request(const struct play *play, int fd)
{
	(void)play;
	(void)hear(fd);
	reset(fd);
}

static void
play_reset_mid_head(const struct play *play, int fd)
{
	(void)hear(fd);
	say_str(fd, "HTTP/1.1 200 OK\r\nContent-Ty");
	(void)usleep(20000);
	reset(fd);
	(void)play;
}

static void
play_reset_mid_body(const struct play *play, int fd)
{
	(void)hear(fd);
	say_str(fd, "HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\n{\"a\"");
	(void)usleep(20000);
	reset(fd);
	(void)play;
}

static void
play_drip_head(const struct play *play, int fd)
{
	const char *s = "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n{}";

	(void)play;
	(void)hear(fd);
	for (; *s != '\0'; s++) {
		say(fd, s, 1);
		(void)usleep(100000);
	}
}

static void
play_drip_body(const struct play *play, int fd)
{
	int i;

	(void)play;
	(void)hear(fd);
	say_str(fd, "HTTP/1.1 200 OK\r\nContent-Length: 1000\r\n\r\n");
	for (i = 0; i < 100; i++) {
		say_str(fd, " ");
		(void)usleep(100000);
	}
}

static void
play_stalled_body(const struct play *play, int fd)
{
	(void)play;
	(void)hear(fd);
	say_str(fd, "HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\n12345");
	await_close(fd);
}

static void
play_big_header(const struct play *play, int fd)
{
	char line[4096];
	int i;

	(void)play;
	(void)hear(fd);
	memset(line, 'a', sizeof(line));
	say_str(fd, "HTTP/1.1 200 OK\r\nX-Big: ");
	for (i = 0; i < 256; i++)
		say(fd, line, sizeof(line));
	say_str(fd, "\r\nContent-Length: 2\r\n\r\n{}");
	await_close(fd);
}

static void
play_many_headers(const struct play *play, int fd)
{
	char line[64];
	int i;

	(void)play;
	(void)hear(fd);
	say_str(fd, "HTTP/1.1 200 OK\r\n");
	for (i = 0; i < 10000; i++) {
		(void)snprintf(line, sizeof(line), "X-N%d: %d\r\n", i, i);
		say_str(fd, line);
	}
	say_str(fd, "Content-Length: 2\r\n\r\n{}");
	await_close(fd);
}

static void
play_interim_flood(const struct play *play, int fd)
{
	int i;

	(void)hear(fd);
	for (i = 0; i < 100000; i++)
		say_str(fd, play->says);
}

static void
play_interim_hangs(const struct play *play, int fd)
{
	(void)play;
	(void)hear(fd);
	say_str(fd, "HTTP/1.1 100 Continue\r\n\r\n");
	await_close(fd);
}

static void
play_infinite_body(const struct play *play, int fd)
{
	char block[8192];
	int i;

	(void)play;
	(void)hear(fd);
	memset(block, 'x', sizeof(block));
	say_str(fd, "HTTP/1.1 200 OK\r\n\r\n");
	for (i = 0; i < 100000; i++)
		say(fd, block, sizeof(block));
}

static void
play_nul_in_head(const struct play *play, int fd)
{
	static const char head[] =
	    "HTTP/1.1 200 OK\r\nX-A: a\0b\r\nContent-Length: 2\r\n\r\n{}";

	(void)play;
	(void)hear(fd);
	say(fd, head, sizeof(head) - 1);
}

static void
play_huge_chunk_extension(const struct play *play, int fd)
{
	char block[8192];
	int i;

	(void)play;
	(void)hear(fd);
	memset(block, 'e', sizeof(block));
	say_str(fd, "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2;");
	for (i = 0; i < 100000; i++)
		say(fd, block, sizeof(block));
}

#define OK200	"HTTP/1.1 200 OK\r\n"
#define CHUNKED	OK200 "Transfer-Encoding: chunked\r\n\r\n"

/* name, answer, function, close after it, what httpc says, status, sent */
static const struct play plays[] = {
	{ "good", OK200 "Content-Length: 2\r\n\r\n{}", NULL, false,
	    HTTPC_DONE, 200, true },
	{ "good, chunked", CHUNKED "2\r\n{}\r\n0\r\n\r\n", NULL, false,
	    HTTPC_DONE, 200, true },
	{ "good, to the end of the connection", OK200 "\r\n{}", NULL, true,
	    HTTPC_DONE, 200, true },
	{ "good, HTTP/1.0", "HTTP/1.0 200 OK\r\n\r\n{}", NULL, true,
	    HTTPC_DONE, 200, true },
	{ "good after 100 and 103", "HTTP/1.1 100 Continue\r\n\r\n"
	    "HTTP/1.1 103 Early Hints\r\nLink: </a>\r\nContent-Length: 9\r\n"
	    "\r\n" OK200 "Content-Length: 2\r\n\r\n{}", NULL, false,
	    HTTPC_DONE, 200, true },
	{ "accept, then silence", NULL, play_silence, false,
	    HTTPC_TIMEOUT_FIRST, 0, true },
	{ "reset after connect", NULL, play_reset_at_once, false,
	    HTTPC_BROKEN, 0, true },
	{ "reset after the request", NULL, play_reset_after_request, false,
	    HTTPC_BROKEN, 0, true },
	{ "closed after the request", "", NULL, true, HTTPC_BROKEN, 0, true },
	{ "reset in the head", NULL, play_reset_mid_head, false,
	    HTTPC_BROKEN, 0, true },
	{ "reset in the body", NULL, play_reset_mid_body, false,
	    HTTPC_BROKEN, 200, true },
	{ "half a status line", "HTTP/1.1 20", NULL, true,
	    HTTPC_BROKEN, 0, true },
	{ "a head without an end", OK200 "Content-Length: 2\r\n", NULL, true,
	    HTTPC_BROKEN, 0, true },
	{ "the head, byte by byte", NULL, play_drip_head, false,
	    HTTPC_TIMEOUT_FIRST, 0, true },
	{ "the body, byte by byte", NULL, play_drip_body, false,
	    HTTPC_TIMEOUT_TOTAL, 200, true },
	{ "a body that stops", NULL, play_stalled_body, false,
	    HTTPC_TIMEOUT_IDLE, 200, true },
	{ "1 MB header", NULL, play_big_header, false, HTTPC_BROKEN, 0, true },
	{ "10,000 headers", NULL, play_many_headers, false,
	    HTTPC_TOO_LARGE, 0, true },
	{ "status 999", "HTTP/1.1 999 No\r\nContent-Length: 0\r\n\r\n", NULL,
	    true, HTTPC_BROKEN, 0, true },
	{ "status 099", "HTTP/1.1 099 No\r\nContent-Length: 0\r\n\r\n", NULL,
	    true, HTTPC_BROKEN, 0, true },
	{ "status of two digits", "HTTP/1.1 20 OK\r\n\r\n", NULL, true,
	    HTTPC_BROKEN, 0, true },
	{ "status of four digits", "HTTP/1.1 2000 OK\r\n\r\n", NULL, true,
	    HTTPC_BROKEN, 0, true },
	{ "ICY", "ICY 200 OK\r\n\r\nbody", NULL, true, HTTPC_BROKEN, 0, true },
	{ "HTTP/0.9", "{\"data\": 1}", NULL, true, HTTPC_BROKEN, 0, true },
	{ "HTTP/3.7", "HTTP/3.7 200 OK\r\n\r\n{}", NULL, true,
	    HTTPC_BROKEN, 0, true },
	{ "101", "HTTP/1.1 101 Switching Protocols\r\nUpgrade: x\r\n\r\nhello",
	    NULL, true, HTTPC_BROKEN, 0, true },
	{ "a flood of 100", "HTTP/1.1 100 Continue\r\n\r\n",
	    play_interim_flood, false, HTTPC_TOO_LARGE, 0, true },
	{ "a flood of 103", "HTTP/1.1 103 Early Hints\r\nLink: </s>\r\n\r\n",
	    play_interim_flood, false, HTTPC_TOO_LARGE, 0, true },
	{ "100 and nothing more", NULL, play_interim_hangs, false,
	    HTTPC_TIMEOUT_FIRST, 0, true },
	{ "204 with a body", "HTTP/1.1 204 No Content\r\nContent-Length: 5\r\n"
	    "\r\nhello", NULL, false, HTTPC_DONE, 204, true },
	{ "304 with a body", "HTTP/1.1 304 Not Modified\r\n"
	    "Content-Length: 5\r\n\r\nhello", NULL, false,
	    HTTPC_DONE, 304, true },
	{ "length too large", OK200 "Content-Length: 10\r\n\r\n{}", NULL, true,
	    HTTPC_BROKEN, 200, true },
	{ "length too small", OK200 "Content-Length: 2\r\n\r\n{}{}{}", NULL,
	    false, HTTPC_DONE, 200, true },
	{ "two lengths that differ", OK200 "Content-Length: 2\r\n"
	    "Content-Length: 4\r\n\r\n{}{}", NULL, true,
	    HTTPC_BROKEN, 0, true },
	{ "two lengths that agree", OK200 "Content-Length: 2\r\n"
	    "Content-Length: 2\r\n\r\n{}", NULL, true, HTTPC_DONE, 200, true },
	{ "a list of lengths", OK200 "Content-Length: 2, 4\r\n\r\n{}{}", NULL,
	    true, HTTPC_BROKEN, 0, true },
	{ "a negative length", OK200 "Content-Length: -2\r\n\r\n{}", NULL,
	    true, HTTPC_BROKEN, 0, true },
	{ "a length with a sign", OK200 "Content-Length: +2\r\n\r\n{}", NULL,
	    true, HTTPC_BROKEN, 0, true },
	{ "a length that is no number", OK200 "Content-Length: two\r\n\r\n{}",
	    NULL, true, HTTPC_BROKEN, 0, true },
	{ "an empty length", OK200 "Content-Length:\r\n\r\n{}", NULL, true,
	    HTTPC_BROKEN, 0, true },
	{ "a length of 2^64", OK200 "Content-Length: 18446744073709551616\r\n"
	    "\r\n{}", NULL, true, HTTPC_BROKEN, 0, true },
	{ "a declared length over the limit", OK200
	    "Content-Length: 99999999\r\n\r\n{}", NULL, true,
	    HTTPC_TOO_LARGE, 200, true },
	{ "length, then chunked", OK200 "Content-Length: 2\r\n"
	    "Transfer-Encoding: chunked\r\n\r\n2\r\n{}\r\n0\r\n\r\n", NULL,
	    true, HTTPC_BROKEN, 0, true },
	{ "chunked, then length", OK200 "Transfer-Encoding: chunked\r\n"
	    "Content-Length: 2\r\n\r\n2\r\n{}\r\n0\r\n\r\n", NULL, true,
	    HTTPC_BROKEN, 0, true },
	{ "chunked twice", OK200 "Transfer-Encoding: chunked\r\n"
	    "Transfer-Encoding: chunked\r\n\r\n2\r\n{}\r\n0\r\n\r\n", NULL,
	    true, HTTPC_BROKEN, 0, true },
	{ "transfer encoding gzip", OK200 "Transfer-Encoding: gzip, chunked"
	    "\r\n\r\n2\r\n{}\r\n0\r\n\r\n", NULL, true,
	    HTTPC_BROKEN, 0, true },
	{ "chunk size ffffffffffffffff", CHUNKED "ffffffffffffffff\r\n{}", NULL,
	    true, HTTPC_BROKEN, 200, true },
	{ "chunk size of 17 digits", CHUNKED "10000000000000000\r\n{}", NULL,
	    true, HTTPC_BROKEN, 200, true },
	{ "chunk size -1", CHUNKED "-1\r\n{}", NULL, true,
	    HTTPC_BROKEN, 200, true },
	{ "chunk without its line end", CHUNKED "2\r\n{}XX0\r\n\r\n", NULL,
	    true, HTTPC_BROKEN, 200, true },
	{ "a huge chunk extension", NULL, play_huge_chunk_extension, false,
	    HTTPC_TIMEOUT_IDLE, 200, true },
	{ "no last chunk", CHUNKED "2\r\n{}\r\n", NULL, true,
	    HTTPC_BROKEN, 200, true },
	{ "trailers", CHUNKED "2\r\n{}\r\n0\r\nContent-Length: 99\r\n"
	    "X-Checksum: 1\r\n\r\n", NULL, false, HTTPC_DONE, 200, true },
	{ "an infinite body", NULL, play_infinite_body, false,
	    HTTPC_TOO_LARGE, 200, true },
	{ "NUL in the head", NULL, play_nul_in_head, false,
	    HTTPC_BROKEN, 0, true },
	{ "a folded line", OK200 "X-A: 1\r\n 2\r\nContent-Length: 2\r\n\r\n{}",
	    NULL, true, HTTPC_BROKEN, 0, true },
	{ "a line without a colon", OK200 "Content-Length 2\r\n\r\n{}", NULL,
	    true, HTTPC_BROKEN, 0, true },
	{ "a space before the colon", OK200 "Content-Length : 2\r\n\r\n{}",
	    NULL, true, HTTPC_BROKEN, 0, true },
	{ "gzip that nobody asked for", OK200 "Content-Encoding: gzip\r\n"
	    "Content-Length: 4\r\n\r\n\x1f\x8b\x08\x01", NULL, true,
	    HTTPC_DONE, 200, true },
	{ "302 to another host", "HTTP/1.1 302 Found\r\n"
	    "Location: http://169.254.169.254/\r\nContent-Length: 0\r\n\r\n",
	    NULL, true, HTTPC_DONE, 302, true },
	{ "308 to another scheme", "HTTP/1.1 308 Permanent Redirect\r\n"
	    "Location: file:///etc/passwd\r\nContent-Length: 0\r\n\r\n",
	    NULL, true, HTTPC_DONE, 308, true },
};

static void
check_play(const struct play *play)
{
	struct server server = start(play);
	struct httpc *h = new_httpc();
	struct httpc_request req = get(&server.base);
	struct httpc_result ret;
	struct buf sink = BUF_INIT(BODY_MAX);
	int64_t began = clock_mono_ms(), took;

	req.sink = &sink;
	httpc_perform(h, &req, &ret);
	took = clock_mono_ms() - began;
	/* A reset may be quicker than the connection: then nothing was
	 * sent, and that is what has to be said. */
	if (play->fn == play_reset_at_once &&
	    ret.error == HTTPC_UNREACHABLE && !ret.sent) {
		httpc_free(&h);
		buf_free(&sink);
		stop(&server);
		return;
	}
	if (ret.error != play->want || ret.status != play->status ||
	    ret.sent != play->sent || took > TOTAL_MS + 5000)
		fail_msg("%s: %s (%s), status %d, sent %d, %d ms", play->name,
		    httpc_error_name(ret.error), ret.text, ret.status,
		    ret.sent, (int)took);
	if (play->want == HTTPC_DONE && play->status == 200 &&
	    strstr(play->name, "gzip") == NULL)
		assert_string_equal(buf_str(&sink), "{}");
	if (play->want != HTTPC_DONE)
		assert_true(ret.text[0] != '\0');
	assert_int_equal(seen->requests <= 1, 1);
	buf_free(&sink);
	httpc_free(&h);
	stop(&server);
}

static void
test_plays(void **state)
{
	size_t i;

	(void)state;
	for (i = 0; i < sizeof(plays) / sizeof(plays[0]); i++)
		check_play(&plays[i]);
	print_message("%zu ways to misbehave\n", i);
}

/* Port 1 of loopback: nobody listens. */
static void
test_refused(void **state)
{
	struct httpc *h = new_httpc();
	struct buf why = BUF_INIT(100);
	struct url_base base;
	struct httpc_request req;
	struct httpc_result ret;

	(void)state;
	assert_int_equal(url_base_parse("http://127.0.0.1:1", &base, &why), 0);
	req = get(&base);
	httpc_perform(h, &req, &ret);
	assert_int_equal(ret.error, HTTPC_UNREACHABLE);
	assert_false(ret.sent);
	url_base_free(&base);
	httpc_free(&h);
}

/* A listener whose queue is full drops SYNs: a black hole. */
static void
test_blackhole(void **state)
{
	struct sockaddr_in sin = { .sin_family = AF_INET };
	socklen_t len = sizeof(sin);
	int listener = socket(AF_INET, SOCK_STREAM, 0), filler[4], i;
	struct httpc *h = new_httpc();
	struct buf why = BUF_INIT(100);
	struct url_base base;
	struct httpc_request req;
	struct httpc_result ret;
	int64_t began;
	char url[64];

	(void)state;
	sin.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
	assert_return_code(bind(listener, (struct sockaddr *)&sin, len), errno);
	assert_return_code(listen(listener, 0), errno);
	(void)getsockname(listener, (struct sockaddr *)&sin, &len);
	for (i = 0; i < 4; i++) {
		filler[i] = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK, 0);
		(void)connect(filler[i], (struct sockaddr *)&sin, len);
	}
	(void)snprintf(url, sizeof(url), "http://127.0.0.1:%d",
	    ntohs(sin.sin_port));
	assert_int_equal(url_base_parse(url, &base, &why), 0);
	req = get(&base);
	began = clock_mono_ms();
	httpc_perform(h, &req, &ret);
	assert_int_equal(ret.error, HTTPC_CONNECT_TIMEOUT);
	assert_false(ret.sent);
	assert_in_range(clock_mono_ms() - began, 290, 450);
	for (i = 0; i < 4; i++)
		(void)close(filler[i]);
	(void)close(listener);
	url_base_free(&base);
	httpc_free(&h);
}

/* TLS towards a server that never answers the handshake, and to one
 * that speaks no TLS. */
static void
test_tls(void **state)
{
	static const struct play silent = { .name = "silent",
	    .fn = play_silence };
	static const struct play plain = { .name = "plain",
	    .says = "HTTP/1.1 400 Bad Request\r\n\r\n", .then_close = true };
	struct server server = start(&silent);
	struct httpc *h = new_httpc();
	struct httpc_request req;
	struct httpc_result ret;
	int64_t began;

	(void)state;
	free(server.base.origin);
	server.base.origin = xasprintf("https://%s", server.base.host);
	req = get(&server.base);
	req.total_ms = 5000;
	began = clock_mono_ms();
	httpc_perform(h, &req, &ret);
	assert_int_equal(ret.error, HTTPC_CONNECT_TIMEOUT);
	assert_false(ret.sent);
	/* 300 for TCP and 300 on top for TLS */
	assert_in_range(clock_mono_ms() - began, 550, 900);
	stop(&server);

	server = start(&plain);
	free(server.base.origin);
	server.base.origin = xasprintf("https://%s", server.base.host);
	req.base = &server.base;
	kill(server.pid, 0);
	httpc_perform(h, &req, &ret);
	assert_true(ret.error == HTTPC_UNREACHABLE ||
	    ret.error == HTTPC_CONNECT_TIMEOUT);
	assert_false(ret.sent);
	stop(&server);
	httpc_free(&h);
}

/* Answers the first request, closes at the second without an answer. */
static void
play_second_dies(const struct play *play, int fd)
{
	(void)play;
	if (hear(fd) != 0)
		return;
	say_str(fd, OK200 "Content-Length: 2\r\n\r\n{}");
	(void)hear(fd);
}

static const struct play second_dies = { .name = "second dies",
    .fn = play_second_dies };

/* A kept connection that dies: a GET is repeated once, a POST never. */
static void
test_repeat(void **state)
{
	struct server server = start(&second_dies);
	struct httpc *h = new_httpc();
	struct httpc_request req = get(&server.base);
	struct httpc_result ret;

	(void)state;
	httpc_perform(h, &req, &ret);
	assert_int_equal(ret.error, HTTPC_DONE);
	assert_false(ret.reused);
	httpc_perform(h, &req, &ret);
	assert_int_equal(ret.error, HTTPC_DONE);
	assert_true(ret.repeated);
	assert_int_equal(seen->requests, 3);

	/* The kept connection is again one that dies at its second. */
	req.method = "POST";
	req.body = "{\"a\":1}";
	req.body_len = 7;
	req.idempotent = false;
	httpc_perform(h, &req, &ret);
	assert_int_equal(ret.error, HTTPC_BROKEN);
	assert_true(ret.sent);
	assert_false(ret.repeated);
	(void)usleep(50000);
	assert_int_equal(seen->requests, 4);
	stop(&server);
	httpc_free(&h);
}

static const struct play good = { .name = "good",
    .says = OK200 "Content-Length: 2\r\n\r\n{}" };

static void
test_keepalive(void **state)
{
	struct httpc_conf conf = { .connect_timeout_ms = 300,
	    .tls_timeout_ms = 300, .keepalive_ms = 150 };
	struct server server = start(&good);
	struct httpc *h = httpc_create(&conf);
	struct httpc_request req = get(&server.base);
	struct httpc_result ret;
	int i;

	(void)state;
	for (i = 0; i < 5; i++) {
		httpc_perform(h, &req, &ret);
		assert_int_equal(ret.error, HTTPC_DONE);
		assert_int_equal(ret.reused, i > 0);
	}
	assert_int_equal(seen->connections, 1);
	/* Idle for longer than the limit: not used again. */
	(void)usleep(200000);
	httpc_perform(h, &req, &ret);
	assert_false(ret.reused);
	assert_int_equal(seen->connections, 2);
	/* A fresh one is neither a kept one nor kept. */
	req.fresh = true;
	httpc_perform(h, &req, &ret);
	assert_false(ret.reused);
	assert_int_equal(seen->connections, 3);
	req.fresh = false;
	httpc_perform(h, &req, &ret);
	assert_true(ret.reused);
	httpc_close_idle(h);
	httpc_perform(h, &req, &ret);
	assert_false(ret.reused);
	stop(&server);
	httpc_free(&h);
}

/* Bytes behind an answer are never taken for the next one. */
static void
test_excess(void **state)
{
	static const struct play excess = { .name = "excess", .says =
	    OK200 "Content-Length: 2\r\n\r\n{}" OK200
	    "Content-Length: 6\r\n\r\nfoisted" };
	struct server server = start(&excess);
	struct httpc *h = new_httpc();
	struct httpc_request req = get(&server.base);
	struct httpc_result ret;
	struct buf sink = BUF_INIT(BODY_MAX);
	int i;

	(void)state;
	req.sink = &sink;
	for (i = 0; i < 4; i++) {
		buf_reset(&sink);
		httpc_perform(h, &req, &ret);
		assert_int_equal(ret.error, HTTPC_DONE);
		assert_string_equal(buf_str(&sink), "{}");
		(void)usleep(10000);
	}
	buf_free(&sink);
	stop(&server);
	httpc_free(&h);
}

/* The watched descriptor ends the exchange in every phase. */
static void
test_abandon(void **state)
{
	static const struct play quiet[] = {
		{ .name = "before the head", .fn = play_silence },
		{ .name = "in the body", .fn = play_stalled_body },
	};
	size_t i, how;

	(void)state;
	for (i = 0; i < 4; i++) {
		struct server server = start(&quiet[i / 2]);
		struct httpc *h = new_httpc();
		struct httpc_request req = get(&server.base);
		struct httpc_result ret;
		int pair[2];
		int64_t began;

		how = i % 2;
		assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM, 0, pair), 0);
		req.watch_fd = pair[0];
		req.first_byte_ms = req.idle_ms = req.total_ms = 3000;
		began = clock_mono_ms();
		if (fork() == 0) {
			(void)close(pair[0]);
			(void)usleep(60000);
			if (how == 0)
				(void)shutdown(pair[1], SHUT_WR);
			_exit(0);
		}
		(void)close(pair[1]);
		httpc_perform(h, &req, &ret);
		assert_int_equal(ret.error, HTTPC_ABANDONED);
		assert_in_range(clock_mono_ms() - began, 50, 500);
		assert_true(eventually(&seen->closed, 1));
		(void)wait(NULL);
		(void)close(pair[0]);
		stop(&server);
		httpc_free(&h);
	}
}

struct ticks {
	int		 n, stop_at;
	int64_t		 at[16];
	int64_t		 began;
};

static int
count_tick(void *arg, int64_t silent_ms)
{
	struct ticks *t = arg;

	assert_true(silent_ms >= 0);
	if (t->n < 16)
		t->at[t->n] = clock_mono_ms() - t->began;
	t->n++;
	if (t->n == t->stop_at)
		return -1;
	return t->n == 2 ? 20 : 0;
}

static void
test_ticks(void **state)
{
	static const struct play silent = { .name = "silent",
	    .fn = play_silence };
	struct server server = start(&silent);
	struct httpc *h = new_httpc();
	struct httpc_request req = get(&server.base);
	struct httpc_result ret;
	struct ticks ticks = { .stop_at = 4, .began = clock_mono_ms() };

	(void)state;
	req.first_byte_ms = req.total_ms = 0;
	req.tick_ms = 60;
	req.arg = &ticks;
	req.on_tick = count_tick;
	httpc_perform(h, &req, &ret);
	assert_int_equal(ret.error, HTTPC_STOPPED);
	assert_int_equal(ticks.n, 4);
	/* Never early; how late depends on the machine. */
	assert_true(ticks.at[0] >= 60);
	assert_true(ticks.at[1] >= ticks.at[0] + 59);
	assert_true(ticks.at[2] >= ticks.at[1] + 19);
	assert_true(ticks.at[3] >= ticks.at[2] + 59);
	assert_true(ret.wait_us > 100000);
	assert_true(eventually(&seen->closed, 1));
	stop(&server);
	httpc_free(&h);
}

struct body {
	size_t		 left, step;
	ssize_t		 fail_at;	/* -1: never */
	int		 watch;
};

static ssize_t
give_body(void *arg, char *ret, size_t n)
{
	struct body *b = arg;

	if (b->fail_at >= 0 && b->left <= (size_t)b->fail_at)
		return -1;
	if (n > b->step)
		n = b->step;
	if (n > b->left)
		n = b->left;
	memset(ret, 'b', n);
	b->left -= n;
	return (ssize_t)n;
}

static int
body_watch(void *arg)
{
	return ((struct body *)arg)->watch;
}

static void
test_arriving_body(void **state)
{
	struct server server = start(&good);
	struct httpc *h = new_httpc();
	struct httpc_request req = get(&server.base);
	struct httpc_result ret;
	struct body body = { .left = 50000, .step = 777, .fail_at = -1 };

	(void)state;
	req.method = "PUT";
	req.idempotent = false;
	req.read_body = give_body;
	req.body_len = 50000;
	req.arg = &body;
	httpc_perform(h, &req, &ret);
	assert_int_equal(ret.error, HTTPC_DONE);
	assert_memory_equal(seen->request, "PUT /x?y=1 HTTP/1.1\r\n", 21);
	assert_non_null(strstr(seen->request, "Content-Length: 50000\r\n"));
	assert_null(strstr(seen->request, "Expect"));
	assert_null(strstr(seen->request, "Transfer-Encoding"));
	assert_int_equal(seen->requests, 1);

	/* The client leaves in the middle: no whole request goes out. */
	body.left = 50000;
	body.fail_at = 20000;
	httpc_perform(h, &req, &ret);
	assert_int_equal(ret.error, HTTPC_STOPPED);
	assert_true(eventually(&seen->closed, 1));
	assert_int_equal(seen->requests, 1);

	/* ... or sends less than it said. */
	body.left = 30000;
	body.fail_at = -1;
	httpc_perform(h, &req, &ret);
	assert_int_equal(ret.error, HTTPC_STOPPED);
	assert_int_equal(seen->requests, 1);

	/* A plain request works after it. */
	req = get(&server.base);
	httpc_perform(h, &req, &ret);
	assert_int_equal(ret.error, HTTPC_DONE);
	assert_memory_equal(seen->request, "GET /x?y=1 HTTP/1.1\r\n", 21);
	stop(&server);
	httpc_free(&h);
}

/* Notes the head, takes the body, answers. */
static void
play_big_body(const struct play *play, int fd)
{
	char in[65536];
	size_t left = strtoul(play->says, NULL, 10);
	ssize_t got = recv(fd, in, sizeof(in) - 1, 0);
	char *end;

	if (got <= 0)
		return;
	in[got] = '\0';
	end = strstr(in, "\r\n\r\n");
	if (end == NULL)
		return;
	(void)snprintf(seen->request, sizeof(seen->request), "%.*s",
	    (int)(end - in), in);
	left -= (size_t)(in + got - (end + 4));
	while (left > 0 && (got = recv(fd, in, sizeof(in), 0)) > 0)
		left -= (size_t)got;
	seen->requests += left == 0;
	say_str(fd, OK200 "Content-Length: 2\r\n\r\n{}");
}

/* No 100 (Continue) is waited for, however large the body. */
static void
test_big_body(void **state)
{
	static const struct play big = { .name = "big", .says = "3000000",
	    .fn = play_big_body };
	struct server server = start(&big);
	struct httpc *h = new_httpc();
	struct httpc_request req = get(&server.base);
	struct httpc_result ret;
	char *body = xcalloc(1, 3000000);

	(void)state;
	memset(body, 'b', 3000000);
	req.method = "POST";
	req.idempotent = false;
	req.body = body;
	req.body_len = 3000000;
	req.first_byte_ms = req.total_ms = 5000;
	httpc_perform(h, &req, &ret);
	assert_int_equal(ret.error, HTTPC_DONE);
	assert_int_equal(seen->requests, 1);
	assert_null(strcasestr(seen->request, "expect"));
	free(body);
	stop(&server);
	httpc_free(&h);
}

/* Watching begins when the body is through. */
static void
test_late_watch(void **state)
{
	static const struct play silent = { .name = "silent",
	    .fn = play_silence };
	struct server server = start(&silent);
	struct httpc *h = new_httpc();
	struct httpc_request req = get(&server.base);
	struct httpc_result ret;
	struct body body = { .left = 3000, .step = 3000, .fail_at = -1 };
	int pair[2];

	(void)state;
	assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM, 0, pair), 0);
	(void)close(pair[1]);
	body.watch = pair[0];
	req.method = "POST";
	req.read_body = give_body;
	req.late_watch_fd = body_watch;
	req.body_len = 3000;
	req.arg = &body;
	httpc_perform(h, &req, &ret);
	assert_int_equal(ret.error, HTTPC_ABANDONED);
	assert_int_equal(body.left, 0);
	(void)close(pair[0]);
	stop(&server);
	httpc_free(&h);
}

/* What goes out, for each shape of request, on one handle in turn. */
static void
test_requests(void **state)
{
	static const char *const headers[] = { "Accept: application/json",
	    "Content-Type: application/json", "X-Request-Id: r1", NULL };
	static const struct {
		const char *method, *body, *first, *length;
	} rows[] = {
		{ "GET", NULL, "GET /p/x?y=1 HTTP/1.1\r\n", NULL },
		{ "POST", "{\"k\":1}", "POST /p/x?y=1 HTTP/1.1\r\n",
		    "Content-Length: 7\r\n" },
		{ "PUT", "{}", "PUT /p/x?y=1 HTTP/1.1\r\n",
		    "Content-Length: 2\r\n" },
		{ "DELETE", NULL, "DELETE /p/x?y=1 HTTP/1.1\r\n", NULL },
		{ "POST", NULL, "POST /p/x?y=1 HTTP/1.1\r\n",
		    "Content-Length: 0\r\n" },
		{ "GET", NULL, "GET /p/x?y=1 HTTP/1.1\r\n", NULL },
		{ "PATCH", "[]", "PATCH /p/x?y=1 HTTP/1.1\r\n",
		    "Content-Length: 2\r\n" },
	};
	struct server server = start(&good);
	struct httpc *h = new_httpc();
	struct httpc_request req = get(&server.base);
	struct httpc_result ret;
	size_t i;

	(void)state;
	free(server.base.prefix);
	server.base.prefix = xstrdup("/p");
	req.headers = headers;
	for (i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		const char *got = seen->request;

		req.method = rows[i].method;
		req.body = rows[i].body;
		req.body_len = rows[i].body == NULL ? 0 : strlen(rows[i].body);
		req.authorization = i % 2 == 0 ? "Bearer sk-canary" : NULL;
		httpc_perform(h, &req, &ret);
		assert_int_equal(ret.error, HTTPC_DONE);
		assert_memory_equal(got, rows[i].first, strlen(rows[i].first));
		if (rows[i].length != NULL)
			assert_non_null(strstr(got, rows[i].length));
		else
			assert_null(strstr(got, "Content-Length"));
		assert_int_equal(strstr(got,
		    "\r\nAuthorization: Bearer sk-canary\r\n") != NULL,
		    i % 2 == 0);
		assert_non_null(strstr(got, server.base.host));
		assert_non_null(strstr(got, "\r\nUser-Agent: plugway/test\r\n"));
		assert_non_null(strstr(got, "\r\nX-Request-Id: r1\r\n"));
		assert_null(strstr(got, "Expect"));
		assert_null(strstr(got, "Accept-Encoding"));
		assert_null(strstr(got, "x-www-form"));
		if (rows[i].body != NULL)
			assert_string_equal(strstr(got, "\r\n\r\n") + 4,
			    rows[i].body);
	}
	assert_int_equal(seen->connections, 1);
	stop(&server);
	httpc_free(&h);
}

/* Nothing that could begin a second line or request is sent. */
static void
test_injection(void **state)
{
	static const char *const targets[] = { "/a b", "/a\r\nX: y", "/a\tb",
	    "x", "", "/\x7f", "/\xc3\xa4", "http://evil/" };
	static const char *const bad_header[] = { "X-A: b\r\nX-C: d", NULL };
	struct server server = start(&good);
	struct httpc *h = new_httpc();
	struct httpc_request req = get(&server.base);
	struct httpc_result ret;
	size_t i;

	(void)state;
	for (i = 0; i < sizeof(targets) / sizeof(targets[0]); i++) {
		req.target = targets[i];
		httpc_perform(h, &req, &ret);
		assert_int_equal(ret.error, HTTPC_BROKEN);
		assert_false(ret.sent);
	}
	req.target = "/";
	req.headers = bad_header;
	httpc_perform(h, &req, &ret);
	assert_int_equal(ret.error, HTTPC_BROKEN);
	req.headers = NULL;
	req.authorization = "Bearer a\nX: y";
	httpc_perform(h, &req, &ret);
	assert_int_equal(ret.error, HTTPC_BROKEN);
	assert_int_equal(seen->connections, 0);
	/* The target reaches the server as it was given. */
	req.authorization = NULL;
	req.target = "/a/%2e%2e/./../b;c:d";
	httpc_perform(h, &req, &ret);
	assert_int_equal(ret.error, HTTPC_DONE);
	assert_memory_equal(seen->request, "GET /a/%2e%2e/./../b;c:d HTTP",
	    29);
	stop(&server);
	httpc_free(&h);
}

static void
play_slow_good(const struct play *play, int fd)
{
	(void)play;
	while (hear(fd) == 0) {
		(void)usleep(150000);
		say_str(fd, OK200 "Content-Length: 2\r\n\r\n{}");
	}
}

static void
test_parallel(void **state)
{
	static const struct play slow = { .name = "slow",
	    .fn = play_slow_good };
	struct server server = start(&slow);
	struct httpc *h = new_httpc();
	struct httpc_request req[HTTPC_PARALLEL_MAX];
	struct httpc_result ret[HTTPC_PARALLEL_MAX];
	struct buf sink[HTTPC_PARALLEL_MAX];
	int64_t began = clock_mono_ms();
	size_t i;

	(void)state;
	for (i = 0; i < HTTPC_PARALLEL_MAX; i++) {
		req[i] = get(&server.base);
		req[i].total_ms = i == 3 ? 50 : 2000;
		req[i].first_byte_ms = 0;
		buf_init(&sink[i], 100);
		req[i].sink = &sink[i];
	}
	httpc_perform_all(h, req, HTTPC_PARALLEL_MAX, ret);
	assert_in_range(clock_mono_ms() - began, 140, 600);
	for (i = 0; i < HTTPC_PARALLEL_MAX; i++) {
		assert_int_equal(ret[i].error, i == 3 ? HTTPC_TIMEOUT_TOTAL :
		    HTTPC_DONE);
		assert_string_equal(buf_str(&sink[i]), i == 3 ? "" : "{}");
		buf_free(&sink[i]);
	}
	stop(&server);
	httpc_free(&h);
}

static int
refuse_head(void *arg, const struct httpc_head *head)
{
	*(int *)arg = head->status;
	return 1;
}

static int
count_body(void *arg, const char *bytes, size_t n)
{
	(void)bytes;
	*(size_t *)arg += n;
	return 0;
}

/* A body without a declared length is counted. */
static void
test_counted(void **state)
{
	static const struct play full = { .name = "full", .says =
	    OK200 "\r\nabc", .then_close = true };
	struct server server = start(&full);
	struct httpc *h = new_httpc();
	struct httpc_request req = get(&server.base);
	struct httpc_result ret;
	size_t bytes = 0;

	(void)state;
	req.arg = &bytes;
	req.on_body = count_body;
	req.max_body = 3;
	httpc_perform(h, &req, &ret);
	assert_int_equal(ret.error, HTTPC_DONE);
	assert_int_equal(bytes, 3);
	req.max_body = 2;
	httpc_perform(h, &req, &ret);
	assert_int_equal(ret.error, HTTPC_TOO_LARGE);
	assert_int_equal(bytes, 3);
	stop(&server);
	httpc_free(&h);
}

static void
test_callbacks(void **state)
{
	static const struct play full = { .name = "full", .says =
	    "HTTP/1.1 429 Slow\r\nRetry-After: 7\r\nContent-Type: a/b; c=d\r\n"
	    "Content-Encoding: br\r\nContent-Length: 3\r\n\r\nabc" };
	struct server server = start(&full);
	struct httpc *h = new_httpc();
	struct httpc_request req = get(&server.base);
	struct httpc_result ret;
	size_t bytes = 0;
	int status = 0;

	(void)state;
	req.arg = &status;
	req.on_head = refuse_head;
	httpc_perform(h, &req, &ret);
	assert_int_equal(ret.error, HTTPC_STOPPED);
	assert_int_equal(status, 429);
	req.on_head = NULL;
	req.arg = &bytes;
	req.on_body = count_body;
	httpc_perform(h, &req, &ret);
	assert_int_equal(ret.error, HTTPC_DONE);
	assert_int_equal(bytes, 3);
	assert_string_equal(ret.retry_after, "7");
	req.max_body = 2;
	httpc_perform(h, &req, &ret);
	assert_int_equal(ret.error, HTTPC_TOO_LARGE);
	assert_int_equal(bytes, 3);
	assert_string_equal(ret.content_type, "a/b; c=d");
	stop(&server);
	httpc_free(&h);
}

/* No proxy from the environment, whatever its name. */
static void
test_environment(void **state)
{
	static const char *const names[] = { "http_proxy", "HTTP_PROXY",
	    "all_proxy", "ALL_PROXY" };
	struct server server;
	struct httpc *h;
	struct httpc_request req;
	struct httpc_result ret;
	size_t i;

	(void)state;
	for (i = 0; i < 4; i++)
		(void)setenv(names[i], "http://127.0.0.1:1", 1);
	server = start(&good);
	h = new_httpc();
	req = get(&server.base);
	httpc_perform(h, &req, &ret);
	assert_int_equal(ret.error, HTTPC_DONE);
	for (i = 0; i < 4; i++)
		(void)unsetenv(names[i]);
	stop(&server);
	httpc_free(&h);
}

static void
test_unix_socket(void **state)
{
	char dir[] = "/tmp/test_httpc.XXXXXX", path[64];
	struct sockaddr_un sun = { .sun_family = AF_UNIX };
	struct buf why = BUF_INIT(100);
	struct url_base base;
	struct httpc *h = new_httpc();
	struct httpc_request req;
	struct httpc_result ret;
	int fd = socket(AF_UNIX, SOCK_STREAM, 0);
	pid_t pid;
	char *url;

	(void)state;
	assert_non_null(mkdtemp(dir));
	(void)snprintf(path, sizeof(path), "%s/s", dir);
	strcpy(sun.sun_path, path);
	assert_return_code(bind(fd, (struct sockaddr *)&sun, sizeof(sun)),
	    errno);
	assert_return_code(listen(fd, 4), errno);
	memset(seen, 0, sizeof(*seen));
	pid = fork();
	if (pid == 0) {
		(void)alarm(30);
		(void)signal(SIGCHLD, SIG_IGN);
		serve(&good, fd);
	}
	(void)close(fd);
	url = xasprintf("unix:%s", path);
	assert_int_equal(url_base_parse(url, &base, &why), 0);
	free(url);
	req = get(&base);
	httpc_perform(h, &req, &ret);
	assert_int_equal(ret.error, HTTPC_DONE);
	assert_non_null(strstr(seen->request, "\r\nHost: localhost\r\n"));
	(void)kill(pid, SIGKILL);
	(void)waitpid(pid, NULL, 0);
	(void)unlink(path);
	(void)rmdir(dir);
	url_base_free(&base);
	httpc_free(&h);
}

static int
set_up(void **state)
{
	(void)state;
	(void)signal(SIGPIPE, SIG_IGN);
	seen = mmap(NULL, sizeof(*seen), PROT_READ | PROT_WRITE,
	    MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	httpc_init();
	return seen == MAP_FAILED ? -1 : 0;
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_plays),
		cmocka_unit_test(test_refused),
		cmocka_unit_test(test_blackhole),
		cmocka_unit_test(test_tls),
		cmocka_unit_test(test_repeat),
		cmocka_unit_test(test_keepalive),
		cmocka_unit_test(test_excess),
		cmocka_unit_test(test_abandon),
		cmocka_unit_test(test_ticks),
		cmocka_unit_test(test_arriving_body),
		cmocka_unit_test(test_big_body),
		cmocka_unit_test(test_late_watch),
		cmocka_unit_test(test_requests),
		cmocka_unit_test(test_injection),
		cmocka_unit_test(test_parallel),
		cmocka_unit_test(test_counted),
		cmocka_unit_test(test_callbacks),
		cmocka_unit_test(test_environment),
		cmocka_unit_test(test_unix_socket),
	};

	return cmocka_run_group_tests(tests, set_up, NULL);
}
