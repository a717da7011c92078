/*
 * fuzz_answer: any bytes, as an answer of another server.
 *
 * Up to the first line that ends the head they are fed to the head
 * parser as libcurl would, by lines; what follows is taken for the body
 * of an error and mapped.  What comes out must be safe to show and to
 * count with.
 */
#include <assert.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "base/codec.h"
#include "net/answerhead.h"
#include "net/httpc.h"
#include "proxy/upstream.h"

int	 LLVMFuzzerTestOneInput(const uint8_t *, size_t);

static void
check_value(const char *s, size_t size)
{
	assert(strlen(s) < size);
	assert(strpbrk(s, "\r\n") == NULL);
}

static void
check_head(const struct answerhead *h)
{
	assert(h->status >= 200 && h->status <= 599);
	assert(h->length >= -1);
	assert(!h->chunked || h->length == -1);
	assert(h->bytes <= HTTPC_HEADERS_MAX);
	check_value(h->content_type, sizeof(h->content_type));
	check_value(h->retry_after, sizeof(h->retry_after));
	check_value(h->encoding, sizeof(h->encoding));
}

static void
check_text(const char *text)
{
	const char *p;

	if (text == NULL)
		return;
	assert(utf8_valid(text, strlen(text)));
	/* A mask may take the last place of the limit and five more. */
	assert(utf8_count(text, strlen(text)) <= UPSTREAM_TEXT_MAX + 5);
	for (p = text; *p != '\0'; p++)
		assert((unsigned char)*p >= ' ' && *p != 0x7f);
}

static void
check_mapping(const struct answerhead *h, const char *body, size_t len)
{
	struct arena *arena = arena_create();
	struct upstream_verdict v;
	int class;

	check_text(upstream_text(arena, body, len));
	for (class = 0; class < UPSTREAM_CLASS_MAX; class++) {
		const struct upstream_answer a = { .class = class,
		    .status = h->status, .content_type = h->content_type,
		    .retry_after = h->retry_after, .body = body,
		    .body_len = len };

		upstream_map(&a, arena, &v);
		assert(v.problem < PROBLEM_MAX);
		/* No status of theirs about keys becomes ours. */
		assert(v.problem == PROBLEM_NONE ||
		    problem_row(v.problem)->status != 401);
		assert((v.problem == PROBLEM_NONE) ==
		    (h->status == 200 || h->status == 201 ||
		    h->status == 202 || h->status == 204));
		assert(v.retry_after_s >= 0 &&
		    v.retry_after_s <= UPSTREAM_RETRY_AFTER_MAX_S);
		check_text(v.detail);
	}
	arena_free(&arena);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	const char *p = (const char *)data, *end = p + size, *line_end;
	struct answerhead h;

	answerhead_init(&h);
	for (; p < end; p = line_end) {
		line_end = memchr(p, '\n', (size_t)(end - p));
		line_end = line_end == NULL ? end : line_end + 1;
		switch (answerhead_line(&h, p, (size_t)(line_end - p))) {
		case ANSWERHEAD_MORE:
			continue;
		case ANSWERHEAD_COMPLETE:
			check_head(&h);
			check_mapping(&h, line_end, (size_t)(end - line_end));
			return 0;
		default:
			return 0;
		}
	}
	return 0;
}
