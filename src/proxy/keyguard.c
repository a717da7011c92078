/*
 * keyguard: finds the caller's upstream key in what the upstream sends.
 *
 * What is held back is always a prefix of the key, so no bytes are
 * stored: only how many.  Called for every body that goes to a client,
 * stream or not.
 */
#include <assert.h>
#include <string.h>

#include "base/secret.h"
#include "proxy/keyguard.h"

void
keyguard_init(struct keyguard *g, const void *key, size_t len)
{
	size_t i, k = 0;

	assert(len <= BOOTKEY_PLAIN_MAX);
	memset(g, 0, sizeof(*g));
	g->key = key;
	g->len = len;
	/* back[n]: the longest proper prefix that also ends key[0..n). */
	for (i = 1; i < len; i++) {
		while (k > 0 && g->key[i] != g->key[k])
			k = g->back[k];
		if (g->key[i] == g->key[k])
			k++;
		g->back[i + 1] = (uint8_t)k;
	}
}

/* How much of the key the text up to and with c ends in. */
static size_t
advance(const struct keyguard *g, size_t held, unsigned char c)
{
	while (held > 0 && g->key[held] != c)
		held = g->back[held];
	return g->key[held] == c ? held + 1 : 0;
}

/* Steps over the piece; the key's length when it is in there. */
static size_t
scan(const struct keyguard *g, const char *piece, size_t n)
{
	const char *p = piece, *end = piece + n;
	size_t held = g->held;

	while (p < end) {
		if (held == 0) {
			p = memchr(p, g->key[0], (size_t)(end - p));
			if (p == NULL)
				return 0;
		}
		held = advance(g, held, (unsigned char)*p++);
		if (held == g->len)
			break;
	}
	return held;
}

int
keyguard_feed(struct keyguard *g, const char *piece, size_t n,
    keyguard_emit *emit, void *arg)
{
	size_t carried = g->held, out;
	int rc;

	if (n == 0)
		return 0;
	if (g->len == 0)
		return emit(arg, piece, n);
	g->held = scan(g, piece, n);
	if (g->held == g->len)
		return KEYGUARD_HIT;
	/* Of what was carried and the piece all but the last held. */
	out = carried + n - g->held;
	if (carried > 0 && out > 0) {
		size_t first = out < carried ? out : carried;

		rc = emit(arg, (const char *)g->key, first);
		if (rc != 0)
			return rc;
		out -= first;
	} else if (carried > 0) {
		return 0;
	}
	return out > 0 ? emit(arg, piece, out) : 0;
}

int
keyguard_end(struct keyguard *g, keyguard_emit *emit, void *arg)
{
	size_t held = g->held;

	g->held = 0;
	return held > 0 ? emit(arg, (const char *)g->key, held) : 0;
}

void
keyguard_wipe(struct keyguard *g)
{
	wipe(g, sizeof(*g));
}
