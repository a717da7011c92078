/*
 * fuzz_envfile: any bytes, as a .env file.
 *
 * Names must be names, lines must ascend, and what was read must read
 * the same again once it is written with quotes.
 */
#include <assert.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "base/buf.h"
#include "base/envfile.h"

int	 LLVMFuzzerTestOneInput(const uint8_t *, size_t);

struct reading {
	unsigned	 line;
	size_t		 n_good, n_bad;
	struct buf	 text;		/* what was read, written again */
};

static void
write_again(struct buf *b, const char *name, const char *value)
{
	(void)buf_printf(b, "%s=\"", name);
	for (; *value != '\0'; value++) {
		if (strchr("\\\"$", *value) != NULL)
			(void)buf_putc(b, '\\');
		(void)buf_putc(b, *value);
	}
	(void)buf_puts(b, "\"\n");
}

static int
each(void *arg, unsigned line, const char *name, const char *value)
{
	struct reading *r = arg;

	assert(line >= 1 && line > r->line);
	assert(*name != '\0' && (*name < '0' || *name > '9'));
	assert(strspn(name, "ABCDEFGHIJKLMNOPQRSTUVWXYZ"
	    "abcdefghijklmnopqrstuvwxyz0123456789_") == strlen(name));
	r->line = line;
	r->n_good++;
	write_again(&r->text, name, value);
	return 0;
}

static void
bad(void *arg, unsigned line, const char *what)
{
	struct reading *r = arg;

	assert(line > r->line && *what != '\0');
	r->line = line;
	r->n_bad++;
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct reading first = { .text = BUF_INIT(1 << 24) };
	struct reading second = { .text = BUF_INIT(1 << 24) };
	size_t n;

	n = envfile_parse((const char *)data, size, each, bad, &first);
	assert(n == first.n_bad);
	n = envfile_parse(buf_str(&first.text), first.text.len, each, bad,
	    &second);
	assert(n == 0 && second.n_good == first.n_good);
	assert(first.text.len == second.text.len);
	assert(memcmp(buf_str(&first.text), buf_str(&second.text),
	    first.text.len) == 0);
	buf_free(&first.text);
	buf_free(&second.text);
	return 0;
}
