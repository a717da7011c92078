/*
 * relay: what the client gets, byte by byte, with a writer that notes it.
 *
 * Silence is made by moving back the time of the last write, so nothing
 * here waits.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <limits.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "proxy/headers.h"
#include "proxy/relay.h"

#define KEY	"sk-canary0123456789canary0123456789"

/* The client's side. */
struct client {
	struct buf	 got;
	size_t		 flushed;	/* of got, when last flushed */
	int		 writes, flushes;
	int		 fail_at;	/* this write fails; 0: none */
};

static struct client client;
static struct request request = { .id = "r1" };
static struct response response;
static struct keyguard guard;
static struct relay relay;

static int
client_write(void *arg, const void *bytes, size_t n)
{
	struct client *c = arg;

	if (++c->writes == c->fail_at)
		return -1;
	return buf_append(&c->got, bytes, n);
}

static int
client_flush(void *arg)
{
	struct client *c = arg;

	c->flushes++;
	c->flushed = c->got.len;
	return 0;
}

static const struct http_writer writer = { .arg = &client,
    .write = client_write, .flush = client_flush };

static int
set_up(void **state)
{
	(void)state;
	memset(&client, 0, sizeof(client));
	buf_init(&client.got, 1 << 20);
	response_init(&response, 1000);
	keyguard_init(&guard, KEY, strlen(KEY));
	memset(&relay, 0, sizeof(relay));
	relay.request = &request;
	relay.response = &response;
	relay.writer = &writer;
	relay.guard = &guard;
	relay.heartbeat_ms = 5000;
	relay.commit_ms = 10000;
	relay.wrote_ms = clock_mono_ms();
	sse_init(&relay.sse);
	request.chinese = false;
	return 0;
}

static int
tear_down(void **state)
{
	(void)state;
	response_free(&response);
	buf_free(&client.got);
	return 0;
}

/* What came behind the head. */
static const char *
body(void)
{
	const char *end = strstr(buf_str(&client.got), "\r\n\r\n");

	assert_non_null(end);
	return end + 4;
}

static void
silent_for(int64_t ms)
{
	relay.wrote_ms = clock_mono_ms() - ms;
}

static void
test_head(void **state)
{
	const char *head;

	(void)state;
	assert_int_equal(relay_open(&relay), 0);
	head = buf_str(&client.got);
	assert_memory_equal(head, "Status: 200", 11);
	assert_non_null(strstr(head, "\r\nContent-Type: text/event-stream\r\n"));
	assert_non_null(strstr(head, "\r\nCache-Control: no-cache\r\n"));
	assert_non_null(strstr(head, "\r\nX-Accel-Buffering: no\r\n"));
	assert_null(strstr(head, "Content-Length"));
	assert_int_equal(client.flushed, client.got.len);
	assert_true(response.head_sent);
}

/* However the upstream cuts, the bytes are the same, and none waits. */
static void
test_verbatim(void **state)
{
	static const char stream[] =
	    "data: {\"x\":\"\xe4\xbd\xa0\xe5\xa5\xbd s\"}\n\n: c\r\n\r\n"
	    "event: e\rdata: 1\r\r" "data: a\ndata: b\n\ndata: [DONE]\n\n";
	size_t cut, at, n;

	(void)state;
	for (cut = 1; cut < sizeof(stream); cut++) {
		(void)tear_down(NULL);
		(void)set_up(NULL);
		assert_int_equal(relay_open(&relay), 0);
		for (at = 0; at < sizeof(stream) - 1; at += n) {
			n = sizeof(stream) - 1 - at < cut ?
			    sizeof(stream) - 1 - at : cut;
			assert_int_equal(relay_bytes(&relay, stream + at, n),
			    0);
			/* All but a beginning of the key is out. */
			assert_int_equal(client.flushed + guard.held,
			    (size_t)(body() - buf_str(&client.got)) + at + n);
		}
		assert_int_equal(relay_finish(&relay), 0);
		assert_string_equal(body(), stream);
		assert_true(relay.sse.done);
		assert_int_equal(response.body_bytes, sizeof(stream) - 1);
	}
}

static void
test_key(void **state)
{
	static const char event[] = "data: {\"t\":\"x" KEY "\"}\n\n";
	size_t cut;
	int rc;

	(void)state;
	for (cut = 0; cut < sizeof(event); cut++) {
		(void)tear_down(NULL);
		(void)set_up(NULL);
		assert_int_equal(relay_open(&relay), 0);
		rc = relay_bytes(&relay, event, cut);
		if (rc == 0)
			rc = relay_bytes(&relay, event + cut,
			    sizeof(event) - 1 - cut);
		assert_int_equal(rc, KEYGUARD_HIT);
		assert_int_equal(relay_error(&relay, PROBLEM_UPSTREAM_ERROR,
		    NULL), 0);
		assert_null(strstr(body(), KEY));
		assert_null(strstr(body(), "sk-c"));
		assert_non_null(strstr(body(), "\"code\":\"upstream_error\""));
	}
}

static void
test_commit(void **state)
{
	(void)state;
	assert_int_equal(relay_tick(&relay, 5000, false), 5000);
	assert_int_equal(relay_tick(&relay, 9999, false), 1);
	assert_int_equal(client.got.len, 0);
	/* The upstream's head is in, but it was no stream: never. */
	assert_int_equal(relay_tick(&relay, 60000, true), INT_MAX);
	assert_false(relay.open);
	assert_true(relay_tick(&relay, 10000, false) > 4000);
	assert_true(relay.open);
	assert_string_equal(body(), RELAY_COMMENT);
	assert_int_equal(client.flushed, client.got.len);
	/* Heartbeats go on before the upstream's head. */
	silent_for(5000);
	assert_int_equal(relay_tick(&relay, 15000, false), 5000);
	assert_string_equal(body(), RELAY_COMMENT RELAY_COMMENT);
}

static void
test_never_commit(void **state)
{
	(void)state;
	relay.commit_ms = 0;
	assert_int_equal(relay_tick(&relay, 1000000, false), INT_MAX);
	assert_int_equal(client.writes, 0);
}

/* Comments only between events, and only after silence. */
static void
test_heartbeat(void **state)
{
	static const char stream[] = "data: a\r\n\r\ndata: b\n\n";
	struct buf want = BUF_INIT(1000);
	struct sse sse;
	size_t i;

	(void)state;
	assert_int_equal(relay_open(&relay), 0);
	sse_init(&sse);
	for (i = 0; i < sizeof(stream) - 1; i++) {
		assert_int_equal(relay_bytes(&relay, stream + i, 1), 0);
		(void)buf_putc(&want, stream[i]);
		sse_feed(&sse, stream + i, 1);
		assert_in_range(relay_tick(&relay, 0, true), 4000, 5000);
		silent_for(5001);
		assert_int_equal(relay_tick(&relay, 5001, true), 5000);
		if (sse_at_boundary(&sse))
			(void)buf_puts(&want, RELAY_COMMENT);
		assert_string_equal(body(), buf_str(&want));
	}
	relay.heartbeat_ms = 0;
	silent_for(100000);
	assert_int_equal(relay_tick(&relay, 100000, true), INT_MAX);
	assert_string_equal(body(), buf_str(&want));
	buf_free(&want);
}

static void
test_error_event(void **state)
{
	(void)state;
	assert_int_equal(relay_open(&relay), 0);
	/* Between events: nothing before it. */
	assert_int_equal(relay_error(&relay, PROBLEM_TIMEOUT, NULL), 0);
	assert_string_equal(body(), "data: {\"error\":{\"message\":\"The upstream"
	    " did not answer in time.\",\"type\":\"api_error\",\"code\":"
	    "\"upstream_timeout\"}}\n\n");
	/* In the middle of one: that is ended first. */
	(void)tear_down(NULL);
	(void)set_up(NULL);
	request.chinese = true;
	assert_int_equal(relay_open(&relay), 0);
	assert_int_equal(relay_bytes(&relay, "data: {\"a", 9), 0);
	assert_int_equal(relay_error(&relay, PROBLEM_UPSTREAM_RATE,
	    "a \"text\"\n"), 0);
	assert_string_equal(body(), "data: {\"a\n\ndata: {\"error\":{\"message\":"
	    "\"a \\\"text\\\"\\n\",\"type\":\"rate_limit_error\",\"code\":"
	    "\"upstream_rate_limited\"}}\n\n");
	assert_true(sse_at_boundary(&relay.sse));
}

/* A client that takes no more stops everything at once. */
static void
test_client_gone(void **state)
{
	int writes;

	(void)state;
	client.fail_at = 2;
	assert_int_equal(relay_open(&relay), 0);
	assert_int_equal(relay_bytes(&relay, "data: a\n\n", 9), -1);
	assert_true(relay.broken);
	assert_false(relay.stalled);
	assert_true(response.client_gone);
	writes = client.writes;
	assert_int_equal(relay_bytes(&relay, "data: b\n\n", 9), -1);
	assert_int_equal(relay_error(&relay, PROBLEM_TIMEOUT, NULL), -1);
	silent_for(10000);
	assert_int_equal(relay_tick(&relay, 10000, true), -1);
	assert_int_equal(client.writes, writes);
}

/* The fields towards the upstream, and nothing of the client's. */
static void
test_upstream_fields(void **state)
{
	static const struct {
		const char *given, *want;
	} types[] = {
		{ "kiro", "kiro" }, { "KIRO", "kiro" },
		{ "Antigravity", "antigravity" }, { "", NULL }, { NULL, NULL },
		{ "kiro\r\nX: y", NULL }, { "kiro ", NULL }, { "other", NULL },
	};
	const char *lines[HEADERS_REQUEST_MAX];
	struct headers_request h = { .has_body = true, .accept_sse = true,
	    .account_type = "KIRO", .request_id = "abc" };
	struct arena *arena = arena_create();
	size_t i;

	(void)state;
	for (i = 0; i < sizeof(types) / sizeof(types[0]); i++) {
		const char *got = headers_account_type(types[i].given);

		assert_int_equal(got == NULL, types[i].want == NULL);
		if (got != NULL)
			assert_string_equal(got, types[i].want);
	}
	headers_for_upstream(arena, &h, lines);
	assert_string_equal(lines[0],
	    "Accept: text/event-stream, application/json");
	assert_string_equal(lines[1], "Content-Type: application/json");
	assert_string_equal(lines[2], "X-Account-Type: kiro");
	assert_string_equal(lines[3], "X-Request-Id: abc");
	assert_null(lines[4]);
	h = (struct headers_request){ .account_type = "x" };
	headers_for_upstream(arena, &h, lines);
	assert_string_equal(lines[0], "Accept: application/json");
	assert_null(lines[1]);
	arena_free(&arena);
}

#define T(f)	cmocka_unit_test_setup_teardown(f, set_up, tear_down)

int
main(void)
{
	const struct CMUnitTest tests[] = {
		T(test_head), T(test_verbatim), T(test_key), T(test_commit),
		T(test_never_commit), T(test_heartbeat), T(test_error_event),
		T(test_client_gone), T(test_upstream_fields),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
