/*
 * answerhead: the head of an HTTP/1.x answer, line by line, strictly.
 *
 * Called by httpc's header callback.  1xx blocks are read and forgotten;
 * lines behind the final head are trailers and only counted.  Knows no
 * socket and no libcurl, so every rule has its row in a table test.
 */
#include <string.h>
#include <strings.h>

#include "base/codec.h"
#include "net/answerhead.h"
#include "net/httpc.h"

void
answerhead_init(struct answerhead *h)
{
	memset(h, 0, sizeof(*h));
	h->length = -1;
}

/* A new block: what an earlier 1xx said is void. */
static enum answerhead_verdict
status_line(struct answerhead *h, const char *line, size_t n)
{
	size_t bytes = h->bytes;
	const char *p;

	answerhead_init(h);
	h->bytes = bytes;
	/* "HTTP/1.x NNN" and a space or the end (RFC 9112 4). */
	if (n < 12 || memcmp(line, "HTTP/1.", 7) != 0 ||
	    (line[7] != '0' && line[7] != '1') || line[8] != ' ')
		return ANSWERHEAD_BAD;
	for (p = line + 9; p < line + 12; p++) {
		if (*p < '0' || *p > '9')
			return ANSWERHEAD_BAD;
		h->status = h->status * 10 + (*p - '0');
	}
	if (n > 12 && line[12] != ' ')
		return ANSWERHEAD_BAD;
	/* Nobody asked to switch protocols. */
	if (h->status < 100 || h->status > 599 || h->status == 101)
		return ANSWERHEAD_BAD;
	return ANSWERHEAD_MORE;
}

/* RFC 9110 5.6.2: what a field name consists of. */
static const bool token_chars[256] = {
	['!'] = true, ['#'] = true, ['$'] = true, ['%'] = true, ['&'] = true,
	['\''] = true, ['*'] = true, ['+'] = true, ['-'] = true, ['.'] = true,
	['^'] = true, ['_'] = true, ['`'] = true, ['|'] = true, ['~'] = true,
	['0' ... '9'] = true, ['A' ... 'Z'] = true, ['a' ... 'z'] = true,
};

static bool
is_token(const char *s, size_t n)
{
	size_t i;

	for (i = 0; i < n; i++) {
		if (!token_chars[(unsigned char)s[i]])
			return false;
	}
	return n > 0;
}

/* Keeps what fits; a value too long for us is treated as absent. */
static bool
keep(char *ret, size_t size, const char *value, size_t n)
{
	if (n >= size) {
		ret[0] = '\0';
		return false;
	}
	memcpy(ret, value, n);
	ret[n] = '\0';
	return true;
}

static enum answerhead_verdict
field_length(struct answerhead *h, const char *value, size_t n)
{
	char digits[20];
	int64_t length;

	if (!keep(digits, sizeof(digits), value, n) ||
	    parse_int(digits, 0, INT64_MAX, &length) == -1)
		return ANSWERHEAD_BAD;
	if (h->chunked || (h->length != -1 && h->length != length))
		return ANSWERHEAD_BAD;
	h->length = length;
	return ANSWERHEAD_MORE;
}

static enum answerhead_verdict
field_transfer(struct answerhead *h, const char *value, size_t n)
{
	if (h->length != -1 || h->chunked || n != 7 ||
	    strncasecmp(value, "chunked", 7) != 0)
		return ANSWERHEAD_BAD;
	h->chunked = true;
	return ANSWERHEAD_MORE;
}

static enum answerhead_verdict
field_type(struct answerhead *h, const char *value, size_t n)
{
	(void)keep(h->content_type, sizeof(h->content_type), value, n);
	return ANSWERHEAD_MORE;
}

static enum answerhead_verdict
field_retry(struct answerhead *h, const char *value, size_t n)
{
	h->has_retry_after = keep(h->retry_after, sizeof(h->retry_after),
	    value, n);
	return ANSWERHEAD_MORE;
}

static enum answerhead_verdict
field_encoding(struct answerhead *h, const char *value, size_t n)
{
	h->has_encoding = true;
	(void)keep(h->encoding, sizeof(h->encoding), value, n);
	return ANSWERHEAD_MORE;
}

/* The fields that matter; all others are only looked at for their form. */
static const struct field {
	const char	*name;
	size_t		 name_len;
	enum answerhead_verdict (*take)(struct answerhead *, const char *,
	    size_t);
} fields[] = {
	{ "content-length", 14, field_length },
	{ "transfer-encoding", 17, field_transfer },
	{ "content-type", 12, field_type },
	{ "retry-after", 11, field_retry },
	{ "content-encoding", 16, field_encoding },
};

static enum answerhead_verdict
field_line(struct answerhead *h, const char *line, size_t n)
{
	const char *colon = memchr(line, ':', n), *value, *end = line + n;
	size_t i, name_len;

	/* Also refuses obsolete folding and a space before the colon. */
	if (colon == NULL || !is_token(line, (size_t)(colon - line)) ||
	    memchr(line, '\r', n) != NULL || memchr(line, '\0', n) != NULL)
		return ANSWERHEAD_BAD;
	name_len = (size_t)(colon - line);
	for (value = colon + 1; value < end && (*value == ' ' ||
	    *value == '\t'); value++)
		continue;
	while (end > value && (end[-1] == ' ' || end[-1] == '\t'))
		end--;
	for (i = 0; i < sizeof(fields) / sizeof(fields[0]); i++) {
		if (fields[i].name_len == name_len &&
		    strncasecmp(fields[i].name, line, name_len) == 0)
			return fields[i].take(h, value,
			    (size_t)(end - value));
	}
	return ANSWERHEAD_MORE;
}

enum answerhead_verdict
answerhead_line(struct answerhead *h, const char *line, size_t n)
{
	h->bytes += n;
	if (h->bytes > HTTPC_HEADERS_MAX)
		return ANSWERHEAD_TOO_LARGE;
	if (h->done)
		return ANSWERHEAD_TRAILER;
	if (n > 0 && line[n - 1] == '\n')
		n--;
	if (n > 0 && line[n - 1] == '\r')
		n--;
	if (n >= 5 && memcmp(line, "HTTP/", 5) == 0)
		return status_line(h, line, n);
	if (h->status == 0)
		return ANSWERHEAD_BAD;
	if (n > 0)
		return field_line(h, line, n);
	if (h->status < 200)
		return ANSWERHEAD_MORE;
	h->done = true;
	return ANSWERHEAD_COMPLETE;
}
