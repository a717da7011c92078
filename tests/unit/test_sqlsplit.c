/* Migration files are cut at the right semicolons. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "base/buf.h"
#include "store/sqlsplit.h"

/* The statements of the text, joined by '|'; "!" for a fault. */
static void
split(const char *text, struct buf *ret)
{
	const char *pos = text, *end = text + strlen(text), *sql;
	size_t len;

	buf_reset(ret);
	while ((sql = sqlsplit_next(&pos, end, &len)) != NULL) {
		if (ret->len > 0)
			buf_putc(ret, '|');
		buf_append(ret, sql, len);
	}
	if (len != 0)
		buf_putc(ret, '!');
}

static void
test_split(void **state)
{
	static const struct {
		const char	*text, *want;
	} rows[] = {
		{ "", "" },
		{ " \n\t", "" },
		{ "A", "A" },
		{ "A;", "A" },
		{ "A;B", "A|B" },
		{ ";;A;;B;;", "A|B" },
		{ "A ';' B;C", "A ';' B|C" },
		{ "A \";\";B", "A \";\"|B" },
		{ "A `;`;B", "A `;`|B" },
		{ "A 'it''s;';B", "A 'it''s;'|B" },
		{ "A 'x\\';';B", "A 'x\\';'|B" },
		{ "A `x\\`;B", "A `x\\`|B" },
		{ "-- x;y\nA;B", "A|B" },
		{ "A -- x;y\n+1;B", "A -- x;y\n+1|B" },
		{ "A --1;B", "A --1|B" },
		{ "--\nA;", "A" },
		{ "A; --", "A" },
		{ "# it's;\nA", "A" },
		{ "/* ; ' */ A /* ; */;B", "A /* ; */|B" },
		{ "A;-- it's the end", "A" },
		{ "A 'x;B", "!" },
		{ "A;B 'x", "A!" },
		{ "A /* x;B", "!" },
		{ "/*/", "!" },
		{ "A '\\", "!" },
	};
	struct buf got = BUF_INIT(1000);

	(void)state;
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		split(rows[i].text, &got);
		if (strcmp(buf_str(&got), rows[i].want) != 0)
			fail_msg("[%s] gives [%s], not [%s]", rows[i].text,
			    buf_str(&got), rows[i].want);
	}
	buf_free(&got);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_split),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
