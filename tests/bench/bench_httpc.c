/*
 * bench_httpc: what one warm call to an upstream costs in httpc.
 *
 *	bench_httpc N [get|post]	N calls, figures per call
 *
 * A forked server on loopback answers every request with the same small
 * JSON on a kept connection.  The instructions of one call are the
 * difference of two runs:
 *
 *	valgrind --tool=callgrind --callgrind-out-file=/dev/null \
 *	    tests/bench/bench_httpc 1000
 *	valgrind --tool=callgrind --callgrind-out-file=/dev/null \
 *	    tests/bench/bench_httpc 2000
 *
 * divided by 1000 (of the "Collected" lines the one of the process that
 * printed the figures).
 */
#include <arpa/inet.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/buf.h"
#include "base/clock.h"
#include "base/xmalloc.h"
#include "net/httpc.h"

#define ANSWER	"HTTP/1.1 200 OK\r\nContent-Type: application/json; "	\
		"charset=utf-8\r\nX-Powered-By: Express\r\n"		\
		"Content-Length: 27\r\nETag: W/\"1b-abc\"\r\n"		\
		"Date: Tue, 24 Nov 2026 01:00:00 GMT\r\n"		\
		"Connection: keep-alive\r\nKeep-Alive: timeout=5\r\n\r\n" \
		"{\"success\":true,\"data\":[1]}"
#define BODY	"{\"model\":\"m\",\"messages\":[{\"role\":\"user\","	\
		"\"content\":\"hello\"}],\"stream\":false}"

/* One request is one piece here: small ones on loopback are. */
static void
serve(int listener)
{
	char in[8192];
	int fd = accept(listener, NULL, NULL), yes = 1;

	(void)setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &yes, sizeof(yes));
	while (recv(fd, in, sizeof(in), 0) > 0) {
		if (send(fd, ANSWER, sizeof(ANSWER) - 1, MSG_NOSIGNAL) <= 0)
			break;
	}
	_exit(0);
}

static char *
start_server(void)
{
	struct sockaddr_in sin = { .sin_family = AF_INET };
	socklen_t len = sizeof(sin);
	int fd = socket(AF_INET, SOCK_STREAM, 0);

	sin.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
	if (fd == -1 || bind(fd, (struct sockaddr *)&sin, len) == -1 ||
	    listen(fd, 8) == -1 ||
	    getsockname(fd, (struct sockaddr *)&sin, &len) == -1) {
		perror("bench_httpc");
		exit(1);
	}
	if (fork() == 0) {
		(void)prctl(PR_SET_PDEATHSIG, SIGKILL);
		serve(fd);
	}
	(void)close(fd);
	return xasprintf("http://127.0.0.1:%d", ntohs(sin.sin_port));
}

static int
never(void *arg, int64_t silent_ms)
{
	(void)arg;
	(void)silent_ms;
	return 1000000;
}

int
main(int argc, char **argv)
{
	static const char *const fields[] = { "Accept: application/json",
	    "Content-Type: application/json",
	    "X-Request-Id: 0123456789abcdef0123456789abcdef", NULL };
	static const char *const get_fields[] = { "Accept: application/json",
	    "X-Request-Id: 0123456789abcdef0123456789abcdef", NULL };
	struct httpc_conf conf = { .connect_timeout_ms = 2000,
	    .tls_timeout_ms = 3000, .keepalive_ms = 4000,
	    .user_agent = "plugway/bench" };
	struct buf why = BUF_INIT(256), body = BUF_INIT(65536);
	long i, n = argc > 1 ? strtol(argv[1], NULL, 10) : 1000;
	bool post = argc > 2 && strcmp(argv[2], "post") == 0;
	char *url = start_server();
	struct httpc *httpc = httpc_create(&conf);
	struct httpc_result result;
	struct rusage before, after;
	struct url_base base;
	int64_t us;

	if (url_base_parse(url, &base, &why) != 0)
		return 1;
	(void)getrusage(RUSAGE_SELF, &before);
	us = clock_mono_us();
	for (i = 0; i < n; i++) {
		struct httpc_request req = {
			.method = post ? "POST" : "GET", .base = &base,
			.target = "/api/accounts/0123456789abcdef/quotas",
			.headers = post ? fields : get_fields,
			.authorization = "Bearer sk-0123456789abcdefghijklmn",
			.body = post ? BODY : NULL,
			.body_len = post ? sizeof(BODY) - 1 : 0,
			.total_ms = 30000, .max_body = 65536,
			.idempotent = !post, .watch_fd = -1, .sink = &body,
			.on_tick = never, .tick_ms = 1000,
		};

		buf_reset(&body);
		httpc_perform(httpc, &req, &result);
		if (result.error != HTTPC_DONE || body.len != 27) {
			fprintf(stderr, "call %ld: %s %s\n", i,
			    httpc_error_name(result.error), result.text);
			return 1;
		}
	}
	us = clock_mono_us() - us;
	(void)getrusage(RUSAGE_SELF, &after);
	printf("%ld calls: %.1f us each, %.1f us of CPU\n", n,
	    (double)us / (double)n,
	    ((double)(after.ru_utime.tv_sec + after.ru_stime.tv_sec -
	    before.ru_utime.tv_sec - before.ru_stime.tv_sec) * 1e6 +
	    (double)(after.ru_utime.tv_usec + after.ru_stime.tv_usec -
	    before.ru_utime.tv_usec - before.ru_stime.tv_usec)) / (double)n);
	httpc_free(&httpc);
	url_base_free(&base);
	buf_free(&body);
	free(url);
	return 0;
}
