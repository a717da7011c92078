/*
 * test_userlist: the upstream's user list in pieces, huge and broken.
 */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <cmocka.h>

#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/buf.h"
#include "provision/userlist.h"

#define KEPT_MAX	8

struct sink {
	struct userlist_entry	 kept[KEPT_MAX];
	size_t			 n;
	size_t			 stop_after;	/* 0: never */
};

static int
keep(void *arg, const struct userlist_entry *entry)
{
	struct sink	*sink = arg;

	if (sink->n < KEPT_MAX)
		sink->kept[sink->n] = *entry;
	sink->n++;
	return sink->stop_after != 0 && sink->n >= sink->stop_after;
}

/* Feeds text in pieces; 0 when it was a whole list. */
static int
read_list(const char *text, size_t len, size_t piece, struct sink *sink,
    struct userlist *list)
{
	size_t	 at, n;
	int	 rc = 0;

	userlist_init(list, keep, sink);
	for (at = 0; at < len && rc == 0; at += n) {
		n = len - at < piece ? len - at : piece;
		rc = userlist_feed(list, text + at, n);
	}
	if (rc == 0)
		rc = userlist_end(list);
	userlist_free(list);
	return rc;
}

static const char sample[] =
    "{\"success\":true,\"data\":[{\"user_id\":\"a-1\",\"name\":\"n}]{[\\\"\","
    "\"status\":1,\"created_at\":\"2026-01-01T00:00:00.000Z\"},\n"
    " {\"status\":0,\"x\":{\"user_id\":\"no\",\"l\":[1,{\"y\":2}]},"
    "\"user_id\":\"b-2\",\"name\":null} ,"
    "{\"user_id\":\"c-3\",\"name\":\"\\u4f60\\u597d\",\"status\":2}]}";

static void
check_sample(const struct sink *sink)
{
	assert_int_equal(sink->n, 3);
	assert_string_equal(sink->kept[0].user_id, "a-1");
	assert_string_equal(sink->kept[0].name, "n}]{[\"");
	assert_int_equal(sink->kept[0].name_len, 6);
	assert_int_equal(sink->kept[0].status, 1);
	assert_string_equal(sink->kept[0].created_at,
	    "2026-01-01T00:00:00.000Z");
	assert_string_equal(sink->kept[1].user_id, "b-2");
	assert_string_equal(sink->kept[1].name, "");
	assert_int_equal(sink->kept[1].status, 0);
	assert_string_equal(sink->kept[1].created_at, "");
	assert_string_equal(sink->kept[2].name, "\xe4\xbd\xa0\xe5\xa5\xbd");
	assert_int_equal(sink->kept[2].status, -1);
}

static void
in_any_pieces(void **state)
{
	struct userlist	 list;
	struct sink	 sink;
	size_t		 piece;

	(void)state;
	for (piece = 1; piece <= sizeof(sample); piece++) {
		memset(&sink, 0, sizeof(sink));
		assert_int_equal(read_list(sample, sizeof(sample) - 1, piece,
		    &sink, &list), 0);
		check_sample(&sink);
		assert_int_equal(list.n_entries, 3);
		assert_int_equal(list.n_skipped, 0);
	}
}

/* A list that was cut anywhere is not a list. */
static void
every_cut_fails(void **state)
{
	struct userlist	 list;
	struct sink	 sink;
	size_t		 len;

	(void)state;
	for (len = 0; len < sizeof(sample) - 1; len++) {
		memset(&sink, 0, sizeof(sink));
		assert_int_equal(read_list(sample, len, 7, &sink, &list),
		    -1);
	}
}

static void
shapes(void **state)
{
#define E	"{\"user_id\":\"a\",\"name\":\"x\",\"status\":1}"
	static const struct {
		const char	*text;
		int		 rc;
		size_t		 n, skipped;
	} cases[] = {
		{ "{\"success\":true,\"data\":[]}", 0, 0, 0 },
		{ "{\"data\":[],\"success\":true}", 0, 0, 0 },
		{ "{\"data\":[" E "],\"success\":true,\"message\":\"m\"}", 0,
		    1, 0 },
		{ "{\"x\":{\"data\":[1]},\"success\":true,\"data\":[" E
		    "]}", 0, 1, 0 },
		{ "{\"x\":[" E "],\"success\":true,\"data\":[]}", 0, 0, 0 },
		{ "{\"success\":false,\"data\":[]}", -1, 0, 0 },
		{ "{\"success\":\"true\",\"data\":[]}", -1, 0, 0 },
		{ "{\"success\":1,\"data\":[]}", -1, 0, 0 },
		{ "{\"data\":[]}", -1, 0, 0 },
		{ "{\"success\":true}", -1, 0, 0 },
		{ "{\"success\":true,\"data\":{}}", -1, 0, 0 },
		{ "{\"success\":true,\"data\":null}", -1, 0, 0 },
		{ "{\"success\":true,\"data\":\"[]\"}", -1, 0, 0 },
		{ "{\"success\":true,\"data\":[],\"data\":[]}", -1, 0, 0 },
		{ "{\"success\":true,\"d\\u0061ta\":[" E "]}", -1, 0, 0 },
		{ "{\"success\":true,\"data\":[1]}", -1, 0, 0 },
		{ "{\"success\":true,\"data\":[null]}", -1, 0, 0 },
		{ "{\"success\":true,\"data\":[\"a\"]}", -1, 0, 0 },
		{ "{\"success\":true,\"data\":[[]]}", -1, 0, 0 },
		{ "{\"success\":true,\"data\":[" E ",]}", -1, 1, 0 },
		{ "{\"success\":true,\"data\":[" E "]}x", -1, 1, 0 },
		{ "[" E "]", -1, 0, 0 },
		{ "[\"data\",[" E "]]", -1, 0, 0 },
		{ "", -1, 0, 0 },
		{ "null", -1, 0, 0 },
		{ "<html>", -1, 0, 0 },
		{ "{\"success\":true,\"data\":[{}]}", 0, 0, 1 },
		{ "{\"success\":true,\"data\":[{\"user_id\":7}]}", 0, 0, 1 },
		{ "{\"success\":true,\"data\":[{\"user_id\":\"\"}]}", 0, 0,
		    1 },
		{ "{\"success\":true,\"data\":[{\"user_id\":\"../x\"}]}", 0,
		    0, 1 },
		{ "{\"success\":true,\"data\":[{\"user_id\":\"a\","
		    "\"user_id\":\"b\"}]}", 0, 0, 1 },
		{ "{\"success\":true,\"data\":[{\"user_id\":\"a\","
		    "\"name\":\"a\",\"name\":\"b\"}]}", 0, 0, 1 },
		{ "{\"success\":true,\"data\":[{\"user_id\":\"a\\u0000\"}]}",
		    0, 0, 1 },
		{ "{\"success\":true,\"data\":[{\"user_id\":\"\xc3\"}]}", -1,
		    0, 0 },
	};
#undef E
	struct userlist	 list;
	struct sink	 sink;
	size_t		 i;

	(void)state;
	for (i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		memset(&sink, 0, sizeof(sink));
		if (read_list(cases[i].text, strlen(cases[i].text), 3, &sink,
		    &list) != cases[i].rc)
			fail_msg("case %zu: %s", i, cases[i].text);
		if (cases[i].rc == -1)
			continue;
		assert_int_equal(sink.n, cases[i].n);
		assert_int_equal(list.n_skipped, cases[i].skipped);
	}
}

static void
stops_when_told(void **state)
{
	struct userlist	 list;
	struct sink	 sink = { .stop_after = 2 };

	(void)state;
	assert_int_equal(read_list(sample, sizeof(sample) - 1, 16, &sink,
	    &list), -1);
	assert_int_equal(sink.n, 2);
	assert_true(list.stopped);
}

/* One entry over the limit is skipped, the others are read. */
static void
long_entry_is_skipped(void **state)
{
	struct buf	 text = BUF_INIT(1 << 20);
	struct userlist	 list;
	struct sink	 sink;
	int		 i;

	(void)state;
	buf_puts(&text, "{\"success\":true,\"data\":[{\"user_id\":\"a\","
	    "\"name\":\"");
	for (i = 0; i < USERLIST_ENTRY_MAX; i++)
		buf_putc(&text, 'x');
	buf_puts(&text, "\"},{\"user_id\":\"b\",\"name\":\"");
	for (i = 0; i < USERLIST_NAME_MAX + 1; i++)
		buf_putc(&text, 'y');
	buf_puts(&text, "\",\"status\":1}]}");
	memset(&sink, 0, sizeof(sink));
	assert_int_equal(read_list(text.data, text.len, 1000, &sink, &list),
	    0);
	assert_int_equal(list.n_entries, 2);
	assert_int_equal(list.n_skipped, 1);
	assert_int_equal(sink.n, 1);
	assert_string_equal(sink.kept[0].user_id, "b");
	assert_int_equal(sink.kept[0].name_len, 0);
	buf_free(&text);
}

/* 200,000 entries, 32 MB, in constant memory. */
static void
huge(void **state)
{
	const int	 total = 200000;
	char		 entry[256];
	struct userlist	 list;
	struct sink	 sink;
	int		 i, n;

	(void)state;
	memset(&sink, 0, sizeof(sink));
	userlist_init(&list, keep, &sink);
	assert_int_equal(userlist_feed(&list,
	    "{\"success\":true,\"data\":[", 24), 0);
	for (i = 0; i < total; i++) {
		n = snprintf(entry, sizeof(entry), "%s{\"user_id\":"
		    "\"5b2f1c9e-0000-4000-8000-%012d\",\"name\":"
		    "\"plugway.abcd1234efgh.%d.1.ABCDEFGHabcdefgh01234567\","
		    "\"status\":1,\"created_at\":"
		    "\"2026-01-01T00:00:00.000Z\"}", i == 0 ? "" : ",", i, i);
		assert_int_equal(userlist_feed(&list, entry, (size_t)n), 0);
	}
	assert_int_equal(userlist_feed(&list, "]}", 2), 0);
	assert_int_equal(userlist_end(&list), 0);
	assert_int_equal(sink.n, total);
	assert_int_equal(list.n_skipped, 0);
	assert_true(list.entry.cap <= USERLIST_ENTRY_MAX + 64);
	userlist_free(&list);
}

/* After a fault nothing more is told. */
static void
fault_is_final(void **state)
{
	struct userlist	 list;
	struct sink	 sink;

	(void)state;
	memset(&sink, 0, sizeof(sink));
	userlist_init(&list, keep, &sink);
	assert_int_equal(userlist_feed(&list, "x", 1), -1);
	assert_int_equal(userlist_feed(&list, sample, sizeof(sample) - 1),
	    -1);
	assert_int_equal(userlist_end(&list), -1);
	assert_int_equal(sink.n, 0);
	userlist_free(&list);
}

int
main(void)
{
	const struct CMUnitTest	 tests[] = {
		cmocka_unit_test(in_any_pieces),
		cmocka_unit_test(every_cut_fails),
		cmocka_unit_test(shapes),
		cmocka_unit_test(stops_when_told),
		cmocka_unit_test(long_entry_is_skipped),
		cmocka_unit_test(huge),
		cmocka_unit_test(fault_is_final),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
