/*
 * outbody: the JSON body on its way to the upstream.
 *
 * A body that arrives is checked as it passes; the piece with the last
 * byte is given on only when the whole was one JSON text, so that the
 * upstream never sees a complete request that we refuse.  Called by
 * proxy; outbody_read() by httpc through it.
 */
#include <assert.h>
#include <stdlib.h>
#include <string.h>

#include "proxy/outbody.h"

static const char *const watched[] = { "stream" };

static bool
is_space(char c)
{
	return c == ' ' || c == '\t' || c == '\n' || c == '\r';
}

static size_t
skip_space(const char *s, size_t n, size_t at)
{
	while (at < n && is_space(s[at]))
		at++;
	return at;
}

int
outbody_splice(struct buf *ret, const char *body, size_t len)
{
	size_t open = skip_space(body, len, 0), next;

	if (open == len || body[open] != '{')
		return -1;
	open++;
	next = skip_space(body, len, open);
	(void)buf_append(ret, body, open);
	(void)buf_puts(ret, OUTBODY_DEFAULT);
	if (next < len && body[next] != '}')
		(void)buf_putc(ret, ',');
	(void)buf_append(ret, body + open, len - open);
	return ret->failed ? -1 : 0;
}

size_t
outbody_open(struct outbody *b, const struct http_writer *writer, uint64_t len,
    bool chat)
{
	memset(b, 0, sizeof(*b));
	b->writer = writer;
	b->chat = chat;
	b->left = len;
	b->stage = chat ? OUTBODY_BEFORE : OUTBODY_INSIDE;
	jsonscan_init(&b->scan, watched, 1);
	return len + (chat ? OUTBODY_DEFAULT_LEN + 1 : 0);
}

/* How many bytes are still to be put in. */
static size_t
extra_of(const struct outbody *b)
{
	return b->stage == OUTBODY_BEFORE ? OUTBODY_DEFAULT_LEN + 1 :
	    b->stage == OUTBODY_OPENED ? 1 : 0;
}

static size_t
put_in(char *s, size_t len, size_t at, const char *what, size_t n)
{
	memmove(s + at + n, s + at, len - at);
	memcpy(s + at, what, n);
	return len + n;
}

/* Puts in what belongs into this piece of len bytes; the new length. */
static size_t
splice_piece(struct outbody *b, char *s, size_t len)
{
	size_t at = skip_space(s, len, 0);

	if (b->stage == OUTBODY_BEFORE && at < len) {
		if (s[at] != '{') {
			b->fault = OUTBODY_NOT_OBJECT;
			return len;
		}
		len = put_in(s, len, at + 1, OUTBODY_DEFAULT,
		    OUTBODY_DEFAULT_LEN);
		at = skip_space(s, len, at + 1 + OUTBODY_DEFAULT_LEN);
		b->stage = OUTBODY_OPENED;
	}
	if (b->stage == OUTBODY_OPENED && at < len) {
		/* A comma, or a space so that the length stays declared. */
		len = put_in(s, len, at, s[at] == '}' ? " " : ",", 1);
		b->stage = OUTBODY_INSIDE;
	}
	return len;
}

ssize_t
outbody_read(struct outbody *b, char *ret, size_t n)
{
	size_t extra = extra_of(b);
	ssize_t got;

	if (b->left == 0) {	/* an empty body */
		b->fault = OUTBODY_NOT_JSON;
		return -1;
	}
	assert(n > extra);
	n -= extra;
	if (n > b->left)
		n = (size_t)b->left;
	got = b->writer->read(b->writer->arg, ret, n);
	if (got <= 0) {
		b->fault = OUTBODY_GONE;
		return -1;
	}
	assert((size_t)got <= n);
	b->left -= (uint64_t)got;
	if (jsonscan_feed(&b->scan, ret, (size_t)got) != 0 ||
	    (b->left == 0 && jsonscan_end(&b->scan) != 0)) {
		b->fault = OUTBODY_NOT_JSON;
		return -1;
	}
	got = (ssize_t)splice_piece(b, ret, (size_t)got);
	return b->fault == OUTBODY_OK ? got : -1;
}

bool
outbody_sent(const struct outbody *b)
{
	return b->left == 0;
}

bool
outbody_is_stream(const struct jsonscan_member *m)
{
	switch (m->kind) {
	case JSON_ABSENT:
	case JSON_NULL:
	case JSON_FALSE:
		return false;
	case JSON_NUMBER:
		return strtod(m->value, NULL) != 0;
	case JSON_STRING:
		return m->value_len > 0;
	default:
		return true;
	}
}

bool
outbody_wants_stream(const struct outbody *b)
{
	return outbody_sent(b) && outbody_is_stream(&b->scan.member[0]);
}
