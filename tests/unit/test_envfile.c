/* test_envfile: the .env syntax as a table of texts and readings. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "base/buf.h"
#include "base/envfile.h"

/*
 * want: for each assignment "LINE NAME=value;", for each fault
 * "LINE !text;", in order.
 */
static const struct {
	const char	*text;
	const char	*want;
} row[] = {
	{ "", "" },
	{ "\n\n  \n\t\n", "" },
	{ "A=1", "1 A=1;" },
	{ "A=1\nB=2\n", "1 A=1;2 B=2;" },
	{ "A=1\r\nB=2\r\n", "1 A=1;2 B=2;" },
	{ "\xef\xbb\xbf" "A=1\n", "1 A=1;" },
	{ "A=\nB=\n", "1 A=;2 B=;" },
	{ "_a9=x", "1 _a9=x;" },
	{ "  A=1", "1 A=1;" },
	{ "export A=1\nexport\t B=2", "1 A=1;2 B=2;" },
	{ "export=1\nexported=2", "1 export=1;2 exported=2;" },
	/* Comments. */
	{ "# A=1\n  # B=2\nC=3", "3 C=3;" },
	{ "A=1 # one\nB=2\t#two\nC=3#three", "1 A=1;2 B=2;3 C=3#three;" },
	{ "A=#1\nB= #2\nC=a #\n", "1 A=#1;2 B=;3 C=a;" },
	{ "A='1' # one\nB=\"2\"\t# two", "1 A=1;2 B=2;" },
	/* Blanks around values. */
	{ "A= 1 2  \nB=\t3\t", "1 A=1 2;2 B=3;" },
	{ "A=' 1 '\nB=\" 2 \"  ", "1 A= 1 ;2 B= 2 ;" },
	/* Nothing is expanded. */
	{ "A=$B\nB=${A}\nC=`id`\nD=\\n\\", "1 A=$B;2 B=${A};3 C=`id`;"
	    "4 D=\\n\\;" },
	{ "A=a'b\"c\nB=x=y", "1 A=a'b\"c;2 B=x=y;" },
	/* Quotes. */
	{ "A=''\nB=\"\"", "1 A=;2 B=;" },
	{ "A='a\"b\\n#$c'", "1 A=a\"b\\n#$c;" },
	{ "A=\"a'b#c\"", "1 A=a'b#c;" },
	{ "A=\"\\n\\r\\t\\\\\\\"\\$\"", "1 A=\n\r\t\\\"$;" },
	{ "A='1\n2'\nB=\"3\n\n4\"\nC=5", "1 A=1\n2;3 B=3\n\n4;6 C=5;" },
	{ "A='x'\r\nB=\"y\"\r\n", "1 A=x;2 B=y;" },
	/* Faults, after each of which the next line is read. */
	{ "A\nB=2", "1 !'=' was expected right behind the name;2 B=2;" },
	{ "A =1\nB=2", "1 !'=' was expected right behind the name;2 B=2;" },
	{ "=1\nB=2", "1 !a name was expected;2 B=2;" },
	{ "9A=1\nB=2", "1 !a name was expected;2 B=2;" },
	{ "A-B=1\nB=2", "1 !'=' was expected right behind the name;2 B=2;" },
	{ "\xc3\xa4=1\nB=2", "1 !a name was expected;2 B=2;" },
	{ "export \nB=2", "1 !a name was expected;2 B=2;" },
	{ "A='1\nB=2", "1 !the closing ' is missing;2 B=2;" },
	{ "A=\"1\nB=2", "1 !the closing \" is missing;2 B=2;" },
	{ "A=\"1\\\nB=2", "1 !an escape that is not one of "
	    "\\n \\r \\t \\\\ \\\" \\$;2 B=2;" },
	{ "A=\"\\x\"\nB=2", "1 !an escape that is not one of "
	    "\\n \\r \\t \\\\ \\\" \\$;2 B=2;" },
	{ "A='1'2\nB=2", "1 !text behind the closing quote;2 B=2;" },
	{ "A=\"1\"#2\nB=2", "1 !text behind the closing quote;2 B=2;" },
	{ "A=\"1\" 2\nB=2", "1 !text behind the closing quote;2 B=2;" },
	{ "A='1\n2' x\nB=3", "1 !text behind the closing quote;"
	    "2 !a name was expected;3 B=3;" },
};

static int
each(void *arg, unsigned line, const char *name, const char *value)
{
	return buf_printf(arg, "%u %s=%s;", line, name, value);
}

static void
bad(void *arg, unsigned line, const char *what)
{
	(void)buf_printf(arg, "%u !%s;", line, what);
}

static size_t
parse(const char *text, size_t len, struct buf *ret)
{
	/* A block of its own: reading past the text is seen. */
	char *copy = malloc(len + 1);
	size_t n;

	memcpy(copy, text, len);
	copy = realloc(copy, len > 0 ? len : 1);
	n = envfile_parse(copy, len, each, bad, ret);
	free(copy);
	return n;
}

static void
test_table(void **state)
{
	size_t i, n, want;
	const char *p;

	(void)state;
	for (i = 0; i < sizeof(row) / sizeof(row[0]); i++) {
		struct buf got = BUF_INIT(1000);

		n = parse(row[i].text, strlen(row[i].text), &got);
		assert_string_equal(buf_str(&got), row[i].want);
		want = 0;
		for (p = row[i].want; (p = strstr(p, " !")) != NULL; p++)
			want++;
		assert_int_equal(n, want);
		buf_free(&got);
	}
}

static void
test_nul(void **state)
{
	struct buf got = BUF_INIT(1000);

	(void)state;
	assert_int_equal(parse("A=1\0002\nB='\0'\nC=3\n\0", 18, &got), 3);
	assert_string_equal(buf_str(&got), "1 !a NUL byte;2 !a NUL byte;"
	    "3 C=3;4 !a name was expected;");
	buf_free(&got);
}

static int
stop_at_b(void *arg, unsigned line, const char *name, const char *value)
{
	(void)each(arg, line, name, value);
	return *name == 'B';
}

static void
test_stop(void **state)
{
	static const char text[] = "A=1\nB=2\nC=3\n!\n";
	struct buf got = BUF_INIT(1000);

	(void)state;
	assert_int_equal(envfile_parse(text, sizeof(text) - 1, stop_at_b,
	    bad, &got), 0);
	assert_string_equal(buf_str(&got), "1 A=1;2 B=2;");
	buf_free(&got);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_table),
		cmocka_unit_test(test_nul),
		cmocka_unit_test(test_stop),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
