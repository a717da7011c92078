/*
 * Bodies and targets on their way to the upstream.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "proxy/outbody.h"
#include "proxy/target.h"

static const struct {
	const char	*body, *want;	/* NULL: refused */
} splices[] = {
	{ "{}", "{\"stream\":false}" },
	{ "{ }", "{\"stream\":false }" },
	{ " \n{\"a\":1}", " \n{\"stream\":false,\"a\":1}" },
	{ "{ \"a\" : 1 }", "{\"stream\":false, \"a\" : 1 }" },
	{ "[]", NULL }, { "", NULL }, { "1", NULL },
};

static void
defaults_are_spliced(void **state)
{
	struct buf b = BUF_INIT(1024);
	size_t i;

	(void)state;
	for (i = 0; i < sizeof(splices) / sizeof(splices[0]); i++) {
		int rc;

		buf_reset(&b);
		rc = outbody_splice(&b, splices[i].body,
		    strlen(splices[i].body));
		assert_int_equal(rc, splices[i].want == NULL ? -1 : 0);
		if (rc == 0)
			assert_string_equal(buf_str(&b), splices[i].want);
	}
	buf_free(&b);
}

/* A client that sends `text` in pieces, and stops after `cut` bytes. */
struct sender {
	const char	*text;
	size_t		 at, piece, cut;
};

static ssize_t
send_piece(void *arg, char *ret, size_t n)
{
	struct sender *s = arg;
	size_t left = s->cut - s->at;

	if (n > s->piece)
		n = s->piece;
	if (n > left)
		n = left;
	memcpy(ret, s->text + s->at, n);
	s->at += n;
	return (ssize_t)n;
}

/* Reads all; the fault, with what was passed on in got. */
static enum outbody_fault
pass(const char *text, size_t piece, size_t cut, bool chat, struct buf *got,
    size_t *ret_declared, bool *ret_stream)
{
	struct sender s = { text, 0, piece, cut };
	const struct http_writer w = { .arg = &s, .read = send_piece };
	struct outbody b;
	char block[64];
	ssize_t n;

	buf_reset(got);
	*ret_declared = outbody_open(&b, &w, strlen(text), chat);
	while (got->len < *ret_declared &&
	    (n = outbody_read(&b, block, sizeof(block))) > 0)
		buf_append(got, block, (size_t)n);
	*ret_stream = outbody_wants_stream(&b);
	return b.fault;
}

static void
bodies_that_arrive(void **state)
{
	static const char text[] = "{\"model\":\"m\",\"stream\":true,"
	    "\"messages\":[{\"role\":\"user\",\"content\":\"h\\u00e9 \xe4\xbd"
	    "\xa0\"}]}";
	struct buf got = BUF_INIT(4096);
	size_t piece, declared;
	bool stream;

	(void)state;
	for (piece = 1; piece < sizeof(text); piece++) {
		assert_int_equal(pass(text, piece, strlen(text), true, &got,
		    &declared, &stream), OUTBODY_OK);
		assert_int_equal(got.len, declared);
		assert_true(stream);
		assert_memory_equal(buf_str(&got),
		    "{\"stream\":false,\"model\":", 24);
		assert_string_equal(buf_str(&got) + 16, text + 1);
		assert_int_equal(pass(text, piece, strlen(text), false, &got,
		    &declared, &stream), OUTBODY_OK);
		assert_string_equal(buf_str(&got), text);
	}
	buf_free(&got);
}

static void
a_bad_body_is_never_complete(void **state)
{
	static const char *const bad[] = { "{\"a\":1", "{\"a\":1}x",
	    "{\"a\":\xff}", "{'a':1}", "nul" };
	struct buf got = BUF_INIT(4096);
	size_t i, piece, declared;
	bool stream;

	(void)state;
	for (i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
		for (piece = 1; piece <= strlen(bad[i]); piece++) {
			assert_int_not_equal(pass(bad[i], piece,
			    strlen(bad[i]), false, &got, &declared, &stream),
			    OUTBODY_OK);
			assert_true(got.len < declared);
		}
	assert_int_equal(pass("{\"a\":1}", 3, 4, false, &got, &declared,
	    &stream), OUTBODY_GONE);
	assert_true(got.len < declared);
	assert_int_equal(pass("[1]", 3, 3, true, &got, &declared, &stream),
	    OUTBODY_NOT_OBJECT);
	buf_free(&got);
}

static void
targets(void **state)
{
	static const char *const values[TARGET_VALUES_MAX] = { "a-b_1",
	    "m:x@2", "..", "" };
	struct buf b = BUF_INIT(256);

	(void)state;
	assert_int_equal(target_build(&b, "/api/accounts/{0}/status", values,
	    "u", NULL), 0);
	assert_string_equal(buf_str(&b), "/api/accounts/a-b_1/status");
	buf_reset(&b);
	assert_int_equal(target_build(&b,
	    "/v1beta/models/{1}:generateContent", values, "u", "a=1&b=2"), 0);
	assert_string_equal(buf_str(&b),
	    "/v1beta/models/m:x%402:generateContent?a=1&b=2");
	buf_reset(&b);
	assert_int_equal(target_build(&b, "/api/users/{plugin_user_id}/p",
	    values, "a/../b", NULL), 0);
	assert_string_equal(buf_str(&b), "/api/users/a%2F..%2Fb/p");
	assert_int_equal(target_build(&b, "/x/{2}", values, "u", NULL), -1);
	assert_int_equal(target_build(&b, "/x/{3}", values, "u", NULL), -1);
	assert_int_equal(target_build(&b, "/x/{plugin_user_id}", values, "",
	    NULL), -1);
	buf_free(&b);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(defaults_are_spliced),
		cmocka_unit_test(bodies_that_arrive),
		cmocka_unit_test(a_bad_body_is_never_complete),
		cmocka_unit_test(targets),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
