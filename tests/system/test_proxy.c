/*
 * proxy_run and proxy_fetch against a scripted upstream of their own:
 * what goes out, what comes back, and what the breaker and the counters
 * hear of it.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/shm.h"
#include "base/xmalloc.h"
#include "proxy/proxy.h"

#define KEY	"sk-canary0123456789canary0123456789canary012345"
#define HEARD_MAX	(512 * 1024)
#define OK_JSON	"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\n"
#define OK_SSE	"HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\n"
#define EVENT	"data: {\"choices\":[{\"delta\":{\"content\":\"hi\"}}]}\n\n"
#define DONE	"data: [DONE]\n\n"

/* What both processes see. */
static struct heard {
	_Atomic int	 connections, whole, closed;
	_Atomic size_t	 len;
	char		 text[HEARD_MAX];
} *heard;

/* The upstream says this to each request; then. */
enum then { THEN_NEXT, THEN_CLOSE, THEN_HANG };
static const char *says;
static enum then then;
static bool reset_first;	/* the first connection is reset unread */

static pid_t upstream_pid;
static struct proxy_ctx ctx;
static struct upstream_conf conf;
static struct counters *counters;
static struct bootkey bootkey;
static struct tenant tenant;
static struct request request;
static struct response response;
static struct proxy_result result;

/* ---- the upstream ---- */

/* 0: one whole request is in heard->text. */
static int
hear(int fd)
{
	size_t n = 0, want;
	char *end, *length;

	for (;;) {
		ssize_t got = recv(fd, heard->text + n, HEARD_MAX - 1 - n, 0);

		if (got <= 0)
			return -1;
		n += (size_t)got;
		heard->text[n] = '\0';
		heard->len = n;
		end = strstr(heard->text, "\r\n\r\n");
		if (end == NULL)
			continue;
		length = strcasestr(heard->text, "\r\ncontent-length:");
		want = (size_t)(end + 4 - heard->text) +
		    (length != NULL && length < end ?
		    strtoul(length + 17, NULL, 10) : 0);
		if (n >= want)
			break;
	}
	heard->whole++;
	return 0;
}

static void
serve_one(int fd)
{
	struct linger hard = { .l_onoff = 1, .l_linger = 0 };
	char c;

	if (reset_first && heard->connections == 1) {
		(void)setsockopt(fd, SOL_SOCKET, SO_LINGER, &hard,
		    sizeof(hard));
		return;
	}
	while (hear(fd) == 0) {
		(void)send(fd, says, strlen(says), MSG_NOSIGNAL);
		if (then == THEN_CLOSE)
			return;
		if (then == THEN_HANG) {
			while (recv(fd, &c, 1, 0) > 0)
				continue;
			break;
		}
	}
	heard->closed++;
}

static void
start(const char *text, enum then and_then)
{
	struct sockaddr_in sin = { .sin_family = AF_INET };
	socklen_t len = sizeof(sin);
	struct buf why = BUF_INIT(100);
	int listener = socket(AF_INET, SOCK_STREAM, 0), fd;
	char *url;

	says = text;
	then = and_then;
	sin.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
	assert_return_code(bind(listener, (struct sockaddr *)&sin, len), errno);
	assert_return_code(listen(listener, 16), errno);
	(void)getsockname(listener, (struct sockaddr *)&sin, &len);
	heard->connections = heard->whole = heard->closed = 0;
	heard->len = 0;
	upstream_pid = fork();
	if (upstream_pid == 0) {
		(void)alarm(30);
		(void)signal(SIGCHLD, SIG_IGN);
		while ((fd = accept(listener, NULL, NULL)) != -1) {
			heard->connections++;
			if (fork() == 0) {
				(void)close(listener);
				(void)alarm(20);
				serve_one(fd);
				_exit(0);
			}
			(void)close(fd);
		}
		_exit(0);
	}
	(void)close(listener);
	url = xasprintf("http://127.0.0.1:%d", ntohs(sin.sin_port));
	url_base_free(&conf.base);
	assert_int_equal(url_base_parse(url, &conf.base, &why), 0);
	free(url);
}

/* ---- the client ---- */

static struct client {
	struct buf	 got;
	const char	*sends;
	size_t		 at, sends_len;
	bool		 breaker_open_at_write;
} client;

static int
client_write(void *arg, const void *bytes, size_t n)
{
	(void)arg;
	client.breaker_open_at_write = breaker_is_open(ctx.breaker);
	return buf_append(&client.got, bytes, n);
}

static int
client_flush(void *arg)
{
	(void)arg;
	return 0;
}

static ssize_t
client_read(void *arg, char *ret, size_t n)
{
	size_t left = client.sends_len - client.at;

	(void)arg;
	n = n < left ? n : left;
	n = n < 1000 ? n : 1000;
	memcpy(ret, client.sends + client.at, n);
	client.at += n;
	return (ssize_t)n;
}

static int
client_watch_fd(void *arg)
{
	(void)arg;
	return -1;
}

static const struct http_writer writer = { .write = client_write,
    .flush = client_flush, .read = client_read,
    .watch_fd = client_watch_fd };

/* ---- each test ---- */

static const struct proxy_route
    get_route = { "GET", "/api/accounts/{0}", UPSTREAM_ACCOUNTS, PROXY_JSON },
    put_route = { "PUT", "/api/users/{plugin_user_id}/preference",
    UPSTREAM_MANAGEMENT, PROXY_JSON },
    chat_route = { "POST", "/v1/chat/completions", UPSTREAM_CHAT,
    PROXY_CHAT };

static int
set_up(void **state)
{
	const struct httpc_conf http = { .connect_timeout_ms = 500,
	    .tls_timeout_ms = 500, .keepalive_ms = 4000,
	    .user_agent = "plugway/test" };

	(void)state;
	ctx = (struct proxy_ctx){ .httpc = httpc_create(&http), .conf = &conf,
	    .counters = counters, .bootkey = &bootkey,
	    .breaker = breaker_init(shm_map(breaker_size(), false)) };
	memset(counters, 0, sizeof(*counters));
	conf = (struct upstream_conf){ .request_timeout_ms = 1000,
	    .chat_timeout_ms = 1000, .stream_first_byte_ms = 1000,
	    .stream_idle_ms = 1000, .stream_total_ms = 3000,
	    .stream_commit_ms = 200, .heartbeat_ms = 100 };
	memset(&request, 0, sizeof(request));
	request.arena = arena_create();
	strcpy(request.id, "req-1");
	request.method = "GET";
	request.value[0] = "c00k1e";
	response_init(&response, UPSTREAM_ANSWER_MAX);
	memset(&client, 0, sizeof(client));
	buf_init(&client.got, 1 << 20);
	reset_first = false;
	return 0;
}

static int
tear_down(void **state)
{
	(void)state;
	(void)kill(upstream_pid, SIGKILL);
	(void)waitpid(upstream_pid, NULL, 0);
	httpc_free(&ctx.httpc);
	shm_unmap(ctx.breaker, breaker_size(), false);
	url_base_free(&conf.base);
	arena_free(&request.arena);
	response_free(&response);
	buf_free(&client.got);
	return 0;
}

static int
run(const struct proxy_route *route, const char *body, bool stream)
{
	const struct proxy_call call = { .route = route, .request = &request,
	    .tenant = &tenant, .body = body,
	    .body_len = body == NULL ? 0 : strlen(body), .stream = stream,
	    .add_stream_false = route == &chat_route && body != NULL &&
	    strstr(body, "stream") == NULL };

	return proxy_run(&ctx, &call, &response, &writer, &result);
}

static const char *
client_body(void)
{
	const char *end = strstr(buf_str(&client.got), "\r\n\r\n");

	assert_non_null(end);
	return end + 4;
}

static void
test_json(void **state)
{
	(void)state;
	start(OK_JSON "Content-Length: 12\r\nSet-Cookie: a=b\r\n"
	    "X-Accel-Redirect: /etc/passwd\r\n\r\n{\"a\":1.50 } ", THEN_NEXT);
	assert_int_equal(run(&get_route, NULL, false), 200);
	assert_string_equal(buf_str(&response.body), "{\"a\":1.50 } ");
	assert_null(strstr(buf_str(&response.head), "Cookie"));
	assert_null(strstr(buf_str(&response.head), "X-Accel"));
	assert_memory_equal(heard->text,
	    "GET /api/accounts/c00k1e HTTP/1.1\r\n", 35);
	assert_non_null(strstr(heard->text, "\r\nAuthorization: Bearer " KEY
	    "\r\n"));
	assert_non_null(strstr(heard->text, "\r\nX-Request-Id: req-1\r\n"));
	assert_int_equal(counters->count[CNT_UPSTREAM_2XX], 1);
	assert_int_equal(response.upstream_status, 200);
	assert_true(response.upstream_us > 0);
}

static void
test_default_body(void **state)
{
	(void)state;
	start(OK_JSON "Content-Length: 2\r\n\r\n{}", THEN_NEXT);
	assert_int_equal(run(&put_route, NULL, false), 200);
	assert_memory_equal(heard->text,
	    "PUT /api/users/0f-uuid/preference HTTP/1.1\r\n", 44);
	assert_string_equal(strstr(heard->text, "\r\n\r\n") + 4, "{}");
	response_free(&response);
	response_init(&response, 1000);
	assert_int_equal(run(&chat_route, " {\"n\": 1e5}", false), 200);
	assert_string_equal(strstr(heard->text, "\r\n\r\n") + 4,
	    " {\"stream\":false,\"n\": 1e5}");
}

/* Bytes for bytes, and the connection is good for the next call. */
static void
test_stream(void **state)
{
	(void)state;
	start(OK_SSE "Content-Length: 62\r\n\r\n" EVENT DONE, THEN_NEXT);
	assert_int_equal(strlen(EVENT DONE), 62);
	assert_int_equal(run(&chat_route, "{\"stream\":true}", true), 200);
	assert_string_equal(client_body(), EVENT DONE);
	assert_string_equal(response.end_reason, "done");
	assert_int_equal(counters->count[CNT_STREAM_OPENED], 1);
	assert_int_equal(counters->count[CNT_STREAM_DONE], 1);
	response_free(&response);
	response_init(&response, 1000);
	assert_int_equal(run(&chat_route, "{\"stream\":true}", true), 200);
	assert_int_equal(heard->connections, 1);
}

/* Behind [DONE] nothing is missing and nobody is waited for. */
static void
test_after_done(void **state)
{
	static const enum then ends[] = { THEN_HANG, THEN_CLOSE };
	size_t i;

	for (i = 0; i < 2; i++) {
		int64_t began = clock_mono_ms();

		start(OK_SSE "Transfer-Encoding: chunked\r\n\r\n3e\r\n" EVENT
		    DONE "\r\n", ends[i]);
		assert_int_equal(run(&chat_route, "{\"stream\":true}", true),
		    200);
		assert_string_equal(response.end_reason, "done");
		assert_string_equal(client_body(), EVENT DONE);
		assert_true(clock_mono_ms() - began < 600);
		assert_int_equal(counters->count[CNT_STREAM_DONE], 1);
		(void)tear_down(state);
		(void)set_up(state);
	}
}

static void
test_no_done(void **state)
{
	(void)state;
	start(OK_SSE "\r\n" EVENT, THEN_CLOSE);
	assert_int_equal(run(&chat_route, "{\"stream\":true}", true), 200);
	assert_string_equal(response.end_reason, "no_done");
	assert_memory_equal(client_body(), EVENT, strlen(EVENT));
	assert_non_null(strstr(client_body(), "\"code\":\"upstream_error\""));
	assert_int_equal(counters->count[CNT_STREAM_NO_DONE], 1);
}

static void
test_commit_then_silence(void **state)
{
	(void)state;
	start("", THEN_HANG);
	assert_int_equal(run(&chat_route, "{\"stream\":true}", true), 200);
	assert_memory_equal(client_body(), ": keep-alive\n\n", 14);
	assert_non_null(strstr(client_body(), "\"code\":\"upstream_timeout\""));
	assert_string_equal(response.end_reason, "timeout");
	assert_int_equal(counters->count[CNT_STREAM_TIMEOUT], 1);
	assert_int_equal(counters->count[CNT_STREAM_OPENED], 1);
}

static void
test_key_echo(void **state)
{
	static const struct {
		const char *says;
		bool stream;
	} rows[] = {
		{ OK_JSON "\r\n{\"k\":\"" KEY "\"}", false },
		{ OK_SSE "\r\ndata: Bearer " KEY "\n\n" DONE, true },
		{ "HTTP/1.1 400 X\r\nContent-Type: application/json\r\n\r\n"
		    "{\"error\":\"" KEY "\"}", false },
	};
	size_t i;

	for (i = 0; i < 3; i++) {
		int want = rows[i].stream ? 200 : 502;

		start(rows[i].says, THEN_CLOSE);
		assert_int_equal(run(&chat_route, "{\"stream\":true}",
		    rows[i].stream), want);
		assert_true(result.key_echo);
		assert_null(strstr(buf_str(&client.got), KEY));
		assert_int_equal(counters->count[CNT_KEY_ECHO], 1);
		assert_string_equal(response.end_reason, "key_echo");
		(void)tear_down(state);
		(void)set_up(state);
	}
}

static void
test_repair(void **state)
{
	(void)state;
	start("HTTP/1.1 401 U\r\nContent-Type: application/json\r\n\r\n"
	    "{\"error\":\"无效的API Key\"}", THEN_CLOSE);
	assert_int_equal(run(&get_route, NULL, false), 503);
	assert_int_equal(response.problem, PROBLEM_KEY_INVALID);
	assert_true(result.repair);
}

/* A GET is tried twice, a chat once; the probe of a breaker once. */
static void
test_retry(void **state)
{
	reset_first = true;
	start(OK_JSON "Content-Length: 2\r\n\r\n{}", THEN_NEXT);
	assert_int_equal(run(&get_route, NULL, false), 200);
	assert_int_equal(heard->connections, 2);
	assert_int_equal(counters->count[CNT_UPSTREAM_RETRY], 1);

	(void)tear_down(state);
	(void)set_up(state);
	start("", THEN_CLOSE);
	assert_int_equal(run(&get_route, NULL, false), 502);
	assert_int_equal(heard->connections, 2);

	(void)tear_down(state);
	(void)set_up(state);
	start("", THEN_CLOSE);
	assert_int_equal(run(&chat_route, "{\"stream\":false}", false), 502);
	assert_int_equal(heard->whole, 1);
}

static void
open_breaker(void)
{
	struct breaker_pass pass = { .verdict = BREAKER_PASS };
	int64_t then_ms = clock_mono_ms() - BREAKER_OPEN_MIN_MS;
	uint64_t user;

	for (user = 1; user <= BREAKER_USERS; user++)
		breaker_tell(ctx.breaker, &pass, BREAKER_DEAD, user, then_ms);
	assert_true(breaker_is_open(ctx.breaker));
}

/* A stream that probes closes the breaker with its head, not its end. */
static void
test_breaker(void **state)
{
	struct breaker_pass pass;

	(void)state;
	start(OK_SSE "\r\n" EVENT DONE, THEN_CLOSE);
	open_breaker();
	assert_int_equal(run(&chat_route, "{\"stream\":true}", true), 200);
	assert_false(client.breaker_open_at_write);
	assert_false(breaker_is_open(ctx.breaker));
	/* While somebody probes the others are refused at once. */
	open_breaker();
	breaker_ask(ctx.breaker, clock_mono_ms(), &pass);
	assert_int_equal(pass.verdict, BREAKER_PROBE);
	response_free(&response);
	response_init(&response, 1000);
	assert_int_equal(run(&get_route, NULL, false), 503);
	assert_int_equal(response.problem, PROBLEM_UPSTREAM_UNAVAILABLE);
	assert_int_equal(response.retry_after_s, 1);
	assert_int_equal(counters->count[CNT_REJECT_BREAKER], 1);
	assert_int_equal(heard->connections, 1);
}

static int
arrive(const char *sends, size_t n, int64_t declared)
{
	const struct proxy_call call = { .route = &chat_route,
	    .request = &request, .tenant = &tenant, .body_arrives = true };

	client.sends = sends;
	client.sends_len = n;
	client.at = 0;
	request.content_length = declared;
	response_free(&response);
	response_init(&response, 1000);
	return proxy_run(&ctx, &call, &response, &writer, &result);
}

/* A large body goes up while it comes in, with the default put in. */
static void
test_arriving_body(void **state)
{
	struct buf body = BUF_INIT(1 << 20);
	const char *got;
	int i;

	(void)state;
	start(OK_JSON "Content-Length: 2\r\n\r\n{}", THEN_NEXT);
	(void)buf_puts(&body, " {\"messages\":[");
	for (i = 0; i < 20000; i++)
		(void)buf_puts(&body, "\"0123456\",");
	(void)buf_puts(&body, "1]}");
	assert_int_equal(arrive(body.data, body.len, (int64_t)body.len), 200);
	got = strstr(heard->text, "\r\n\r\n") + 4;
	assert_memory_equal(got, " {\"stream\":false,\"messages\":[", 29);
	assert_string_equal(got + 17, body.data + 2);

	/* What turns out to be no JSON never becomes a whole request. */
	body.data[body.len - 1] = ']';
	assert_int_equal(arrive(body.data, body.len, (int64_t)body.len), 400);
	assert_int_equal(response.problem, PROBLEM_BAD_JSON);
	assert_int_equal(arrive("{\"a\":1", 6, 6), 400);
	assert_int_equal(response.problem, PROBLEM_BAD_JSON);
	assert_int_equal(arrive("[1]", 3, 3), 400);
	assert_int_equal(arrive("", 0, 0), 400);
	/* The client stops in the middle. */
	assert_int_equal(arrive("{\"a\":1", 6, 100), 400);
	assert_int_equal(response.problem, PROBLEM_BODY_LENGTH);
	/* They share one page to note what they heard on. */
	for (i = 0; i < 2000 && heard->closed < heard->connections; i++)
		(void)usleep(1000);
	assert_int_equal(heard->whole, 1);
	assert_int_equal(arrive("{ }", 3, 3), 200);
	assert_string_equal(strstr(heard->text, "\r\n\r\n") + 4,
	    "{\"stream\":false  }");
	buf_free(&body);
}

static void
test_arriving_stream(void **state)
{
	static const char body[] = "{\"model\":\"m\",\"stream\":true}";

	(void)state;
	start(OK_SSE "\r\n" EVENT DONE, THEN_CLOSE);
	assert_int_equal(arrive(body, sizeof(body) - 1,
	    (int64_t)sizeof(body) - 1), 200);
	assert_string_equal(client_body(), EVENT DONE);
	assert_true(result.streamed);
}

/* A key that does not open for this user is never used. */
static void
test_foreign_key(void **state)
{
	(void)state;
	start(OK_JSON "Content-Length: 2\r\n\r\n{}", THEN_NEXT);
	tenant.user_id++;
	assert_int_equal(run(&get_route, NULL, false), 503);
	assert_int_equal(response.problem, PROBLEM_KEY_UNUSABLE);
	assert_int_equal(heard->connections, 0);
	tenant.user_id--;
}

static void
test_fetch(void **state)
{
	struct proxy_part parts[3];
	size_t i;

	(void)state;
	memset(parts, 0, sizeof(parts));
	for (i = 0; i < 3; i++) {
		parts[i].route = &get_route;
		buf_init(&parts[i].answer, 1000);
	}
	start(OK_JSON "Content-Length: 7\r\n\r\n{\"a\":1}", THEN_NEXT);
	assert_int_equal(proxy_fetch(&ctx, &request, &tenant, parts, 3,
	    &response, &writer, &result), 0);
	for (i = 0; i < 3; i++)
		assert_string_equal(buf_str(&parts[i].answer), "{\"a\":1}");
	assert_int_equal(heard->connections, 3);

	(void)kill(upstream_pid, SIGKILL);
	(void)waitpid(upstream_pid, NULL, 0);
	for (i = 0; i < 3; i++) {
		buf_reset(&parts[i].answer);
		parts[i].optional = true;
	}
	start("HTTP/1.1 500 X\r\nContent-Type: application/json\r\n\r\n"
	    "{\"error\":\"x " KEY "\"}", THEN_CLOSE);
	assert_int_equal(proxy_fetch(&ctx, &request, &tenant, parts, 3,
	    &response, &writer, &result), 0);
	for (i = 0; i < 3; i++)
		assert_int_equal(parts[i].answer.len, 0);
	assert_true(result.key_echo);
	assert_int_equal(response.problem, PROBLEM_NONE);
	parts[1].optional = false;
	assert_int_equal(proxy_fetch(&ctx, &request, &tenant, parts, 3,
	    &response, &writer, &result), 502);
	for (i = 0; i < 3; i++)
		buf_free(&parts[i].answer);
}

static int
set_up_all(void **state)
{
	ssize_t n;

	(void)state;
	(void)signal(SIGPIPE, SIG_IGN);
	vault_init();
	httpc_init();
	heard = shm_map(sizeof(*heard), false);
	counters = shm_map(sizeof(*counters), false);
	bootkey_make(&bootkey);
	tenant.user_id = 7;
	tenant.key_gen = 1;
	strcpy(tenant.plugin_user_id, "0f-uuid");
	n = bootkey_seal(&bootkey, tenant.user_id, tenant.key_gen, KEY,
	    strlen(KEY), tenant.sealed);
	tenant.sealed_len = (uint16_t)n;
	return n > 0 ? 0 : -1;
}

#define T(f)	cmocka_unit_test_setup_teardown(f, set_up, tear_down)

int
main(void)
{
	const struct CMUnitTest tests[] = {
		T(test_json), T(test_default_body), T(test_stream),
		T(test_after_done), T(test_no_done),
		T(test_commit_then_silence), T(test_key_echo), T(test_repair),
		T(test_retry), T(test_breaker), T(test_arriving_body),
		T(test_arriving_stream), T(test_foreign_key), T(test_fetch),
	};

	return cmocka_run_group_tests(tests, set_up_all, NULL);
}
