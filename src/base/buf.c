/*
 * buf: a growing byte buffer with a hard maximum.
 *
 * Every floor collects outside data and builds its texts here.  It must
 * never hold more than its maximum and never keep half an append: one
 * that does not fit leaves the content as it was.  When a buf moves, the
 * old memory is overwritten, because a body may carry a token.
 */
#include <assert.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/buf.h"
#include "base/codec.h"
#include "base/secret.h"
#include "base/xmalloc.h"

#define BUF_FIRST	64	/* bytes of the first allocation */

void
buf_init(struct buf *b, size_t max)
{
	*b = (struct buf)BUF_INIT(max);
}

void
buf_reset(struct buf *b)
{
	b->len = 0;
	b->failed = false;
	if (b->data != NULL)
		b->data[0] = '\0';
}

/* Gives the content a block of cap bytes, the NUL included. */
static void
move_to(struct buf *b, size_t cap)
{
	char *data = xmalloc(cap);

	assert(cap > b->len);
	if (b->data != NULL) {
		memcpy(data, b->data, b->len);
		wipe(b->data, b->cap);
		free(b->data);
	}
	data[b->len] = '\0';
	b->data = data;
	b->cap = cap;
}

void
buf_shrink(struct buf *b, size_t keep)
{
	buf_reset(b);
	if (b->cap <= keep)
		return;
	wipe(b->data, b->cap);
	free(b->data);
	b->data = NULL;
	b->cap = 0;
}

void
buf_free(struct buf *b)
{
	free(b->data);
	b->data = NULL;
	b->len = b->cap = 0;
	b->failed = false;
}

void
buf_wipe(struct buf *b)
{
	if (b->data != NULL)
		wipe(b->data, b->cap);
	buf_free(b);
}

int
buf_reserve(struct buf *b, size_t extra)
{
	size_t need, cap;

	assert(b->max < SIZE_MAX / 2);
	if (extra > b->max - b->len) {
		b->failed = true;
		return -1;
	}
	need = b->len + extra + 1;
	if (need <= b->cap)
		return 0;
	cap = b->cap < BUF_FIRST / 2 ? BUF_FIRST : b->cap * 2;
	if (cap < need)
		cap = need;
	if (cap > b->max + 1)
		cap = b->max + 1;
	move_to(b, cap);
	return 0;
}

int
buf_append(struct buf *b, const void *data, size_t n)
{
	if (buf_reserve(b, n) == -1)
		return -1;
	if (n > 0)
		memcpy(b->data + b->len, data, n);
	b->len += n;
	b->data[b->len] = '\0';
	return 0;
}

int
buf_puts(struct buf *b, const char *s)
{
	return buf_append(b, s, strlen(s));
}

int
buf_putc(struct buf *b, char c)
{
	return buf_append(b, &c, 1);
}

int
buf_vprintf(struct buf *b, const char *fmt, va_list ap)
{
	va_list again;
	int n;

	va_copy(again, ap);
	n = vsnprintf(NULL, 0, fmt, again);
	va_end(again);
	if (n < 0) {
		b->failed = true;
		return -1;
	}
	if (buf_reserve(b, (size_t)n) == -1)
		return -1;
	(void)vsnprintf(b->data + b->len, (size_t)n + 1, fmt, ap);
	b->len += (size_t)n;
	return 0;
}

int
buf_printf(struct buf *b, const char *fmt, ...)
{
	va_list ap;
	int r;

	va_start(ap, fmt);
	r = buf_vprintf(b, fmt, ap);
	va_end(ap);
	return r;
}

/* Takes a half-written text of several appends back. */
static int
take_back(struct buf *b, size_t len)
{
	b->len = len;
	if (b->data != NULL)
		b->data[len] = '\0';
	return -1;
}

/* The two-character escape of c, or NULL. */
static const char *
json_short_escape(unsigned char c)
{
	static const char *const escape[128] = {
		['"'] = "\\\"", ['\\'] = "\\\\", ['\b'] = "\\b",
		['\f'] = "\\f", ['\n'] = "\\n", ['\r'] = "\\r",
		['\t'] = "\\t",
	};

	return c < 128 ? escape[c] : NULL;
}

/* Appends the character at s; *used is how many bytes that took. */
static int
json_char(struct buf *b, const char *s, size_t n, size_t *used)
{
	unsigned char c = (unsigned char)*s;
	const char *escape = json_short_escape(c);

	*used = 1;
	if (escape != NULL)
		return buf_puts(b, escape);
	if (c < 0x20)
		return buf_printf(b, "\\u%04x", c);
	*used = utf8_char(s, n);
	if (*used > 0)
		return buf_append(b, s, *used);
	*used = 1;
	return buf_puts(b, "\xef\xbf\xbd");
}

/* The number of bytes at s that stand for themselves in a string. */
static size_t
json_plain(const char *s, size_t n)
{
	size_t i;

	for (i = 0; i < n; i++) {
		unsigned char c = (unsigned char)s[i];

		if (c < 0x20 || c >= 0x80 || c == '"' || c == '\\')
			break;
	}
	return i;
}

int
buf_json_string(struct buf *b, const char *s, size_t len)
{
	size_t start = b->len, i = 0, n;

	if (buf_putc(b, '"') == -1)
		return -1;
	while (i < len) {
		n = json_plain(s + i, len - i);
		if (n > 0) {
			if (buf_append(b, s + i, n) == -1)
				return take_back(b, start);
		} else if (json_char(b, s + i, len - i, &n) == -1) {
			return take_back(b, start);
		}
		i += n;
	}
	if (buf_putc(b, '"') == -1)
		return take_back(b, start);
	return 0;
}

int
buf_json_cstr(struct buf *b, const char *s)
{
	return s == NULL ? buf_puts(b, "null") :
	    buf_json_string(b, s, strlen(s));
}

int
buf_percent(struct buf *b, const char *s, size_t len)
{
	static const char unreserved[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZ"
	    "abcdefghijklmnopqrstuvwxyz0123456789-._~";
	size_t start = b->len, i;
	int r;

	for (i = 0; i < len; i++) {
		if (s[i] != '\0' && strchr(unreserved, s[i]) != NULL)
			r = buf_putc(b, s[i]);
		else
			r = buf_printf(b, "%%%02X", (unsigned char)s[i]);
		if (r == -1)
			return take_back(b, start);
	}
	return 0;
}

void
buf_consume(struct buf *b, size_t n)
{
	assert(n <= b->len);
	if (n == 0)
		return;
	memmove(b->data, b->data + n, b->len - n);
	b->len -= n;
	b->data[b->len] = '\0';
}

const char *
buf_str(const struct buf *b)
{
	return b->data != NULL ? b->data : "";
}
