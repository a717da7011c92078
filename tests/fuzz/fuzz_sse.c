/*
 * fuzz_sse: any bytes, as a stream from the upstream.
 *
 * The first byte says how the rest is cut.  However it is cut: the
 * machine says the same, the guard finds the key exactly when it is
 * there, what it gives on is the text and never holds the key, and what
 * it holds back is a beginning of the key.
 */
#include <assert.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "base/xmalloc.h"
#include "proxy/keyguard.h"
#include "proxy/sse.h"

#define KEY	"sk-sk-a"	/* its own beginning comes twice */
#define KEY_LEN	(sizeof(KEY) - 1)

int	 LLVMFuzzerTestOneInput(const uint8_t *, size_t);

struct out {
	char		*text;
	size_t		 len;
	struct sse	 sse;
};

static int
emit(void *arg, const char *bytes, size_t n)
{
	struct out *out = arg;

	assert(n > 0);
	memcpy(out->text + out->len, bytes, n);
	out->len += n;
	sse_feed(&out->sse, bytes, n);
	return 0;
}

/* step 0: pieces of lengths taken from the text. */
static int
relay(struct out *out, const char *text, size_t len, size_t step)
{
	struct keyguard g;
	size_t at, n;

	keyguard_init(&g, KEY, KEY_LEN);
	sse_init(&out->sse);
	out->len = 0;
	for (at = 0; at < len; at += n) {
		n = step > 0 ? step : 1 + (unsigned char)text[at] % 13u;
		if (n > len - at)
			n = len - at;
		if (keyguard_feed(&g, text + at, n, emit, out) != 0)
			return KEYGUARD_HIT;
		assert(g.held < KEY_LEN && out->len + g.held == at + n);
		assert(memcmp(KEY, text + out->len, g.held) == 0);
	}
	return keyguard_end(&g, emit, out);
}

/* The same, told in the plainest way. */
static bool
plain_done(const char *text, size_t len)
{
	static const char *const lines[] = { "data: [DONE]", "data:[DONE]" };
	size_t at, start = 0, i;

	for (at = 0; at < len; at++) {
		if (text[at] != '\n' && text[at] != '\r')
			continue;
		for (i = 0; i < 2; i++) {
			if (at - start == strlen(lines[i]) &&
			    memcmp(text + start, lines[i], at - start) == 0)
				return true;
		}
		start = at + 1;
	}
	return false;
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct out out = { 0 };
	const char *text = (const char *)data + 1;
	struct sse whole;
	size_t len = size - 1;
	bool hit;

	if (size == 0)
		return 0;
	out.text = xmalloc(len + 1);
	hit = memmem(text, len, KEY, KEY_LEN) != NULL;
	if (relay(&out, text, len, data[0]) == KEYGUARD_HIT) {
		assert(hit);
		assert(memmem(out.text, out.len, KEY, KEY_LEN) == NULL);
	} else {
		assert(!hit && out.len == len);
		assert(memcmp(out.text, text, len) == 0);
		sse_init(&whole);
		sse_feed(&whole, text, len);
		assert(whole.done == out.sse.done);
		assert(whole.events == out.sse.events);
		assert(sse_at_boundary(&whole) == sse_at_boundary(&out.sse));
		assert(whole.done == plain_done(text, len));
	}
	free(out.text);
	return 0;
}
