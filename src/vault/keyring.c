/*
 * keyring: the list of Fernet keys, and what ties a token to its row.
 *
 * From each key three things are derived by HKDF, each under a name of
 * its own: the key of bind_mac, the public id, and the keys of
 * keyring_mac.  The ring lives in the keeper, the registrar and
 * plugwayctl; a process that parses requests must not hold one.
 */
#include <assert.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/codec.h"
#include "base/secret.h"
#include "base/xmalloc.h"
#include "vault/hmac_private.h"
#include "vault/keyring.h"

#define INFO_BIND	"plugway bind_mac v1"
#define INFO_ID		"plugway key id v1"
#define INFO_MAC	"plugway mac v1: "	/* and the label */
#define LABEL_MAX	64
#define CANARY		"plugway canary v1"

struct ring_key {
	struct fernet_key	 key;
	unsigned char		 bind_key[HMAC_LEN];
	char			 id[KEYRING_ID_LEN];
};

struct keyring {
	size_t			 n;
	struct ring_key		 keys[KEYRING_MAX];
};

static void
ring_key_derive(struct ring_key *k)
{
	unsigned char name[HMAC_LEN];

	hkdf_sha256(k->key.bytes, FERNET_KEY_LEN, INFO_BIND, k->bind_key);
	hkdf_sha256(k->key.bytes, FERNET_KEY_LEN, INFO_ID, name);
	hex_encode(name, (KEYRING_ID_LEN - 1) / 2, k->id);
}

/* Says what is wrong with the text of the i-th key (from 1). */
static void
explain(struct buf *why, size_t i, const char *text, size_t len)
{
	buf_printf(why, "Key %zu of the encryption keys is not a Fernet key: "
	    "a Fernet key is 44 characters of url-safe base64 for 32 bytes "
	    "and ends with one '='", i);
	if (len == FERNET_KEY_LEN)
		buf_puts(why, "; this one has 32 characters, and a password "
		    "of 32 characters is not 32 bytes in base64");
	else if (len == FERNET_KEY_TEXT_LEN - 1)
		buf_puts(why, "; this one has 43 characters, probably its "
		    "'=' at the end was lost");
	else if (len != FERNET_KEY_TEXT_LEN)
		buf_printf(why, "; this one has %zu characters", len);
	else if (memchr(text, '+', len) != NULL ||
	    memchr(text, '/', len) != NULL)
		buf_puts(why, "; this one uses '+' or '/', where url-safe "
		    "base64 has '-' and '_'");
	else
		buf_puts(why, "; this one has 44 characters, but not of this "
		    "form");
	buf_puts(why, ". Make one with `plugwayctl genkey`.");
}

/* Appends one key.  0, or -1 with why. */
static int
ring_add(struct keyring *ring, const char *text, size_t len, struct buf *why)
{
	struct ring_key *k;
	size_t i;

	if (ring->n == KEYRING_MAX) {
		buf_printf(why, "There are more than %d encryption keys; "
		    "re-encrypt and remove the old ones.", KEYRING_MAX);
		return -1;
	}
	k = &ring->keys[ring->n];
	if (fernet_key_parse(text, len, &k->key) == -1) {
		explain(why, ring->n + 1, text, len);
		return -1;
	}
	for (i = 0; i < ring->n; i++) {
		if (!ct_equal(ring->keys[i].key.bytes, k->key.bytes,
		    FERNET_KEY_LEN))
			continue;
		buf_printf(why, "Key %zu of the encryption keys is the same "
		    "as key %zu.", ring->n + 1, i + 1);
		return -1;
	}
	ring_key_derive(k);
	ring->n++;
	return 0;
}

struct keyring *
keyring_parse(const char *list, struct buf *why)
{
	struct keyring *ring = xcalloc(1, sizeof(*ring));
	const char *p = list, *end;
	size_t len;

	for (;;) {
		p += strspn(p, " \t");
		end = p + strcspn(p, ",");
		len = (size_t)(end - p);
		while (len > 0 && (p[len - 1] == ' ' || p[len - 1] == '\t'))
			len--;
		if (ring_add(ring, p, len, why) == -1) {
			keyring_free(&ring);
			return NULL;
		}
		if (*end == '\0')
			return ring;
		p = end + 1;
	}
}

void
keyring_free(struct keyring **ring)
{
	if (*ring == NULL)
		return;
	wipe(*ring, sizeof(**ring));
	free(*ring);
	*ring = NULL;
}

size_t
keyring_count(const struct keyring *ring)
{
	return ring->n;
}

const char *
keyring_id(const struct keyring *ring, size_t i)
{
	assert(i < ring->n);
	return ring->keys[i].id;
}

static void
be_write(uint64_t v, size_t n, unsigned char *ret)
{
	while (n-- > 0) {
		ret[n] = (unsigned char)v;
		v >>= 8;
	}
}

/*
 * Each field is its length in four bytes and then itself, so that no
 * two different bindings give the same text.
 */
static void
bind_mac(const struct ring_key *k, const struct binding *b,
    const char *token, size_t token_len, char ret[BIND_MAC_TEXT_LEN + 1])
{
	unsigned char user[8], gen[4], len[4][4], mac[HMAC_LEN];
	const struct piece pieces[] = {
		{ len[0], 4 }, { user, sizeof(user) },
		{ len[1], 4 }, { b->plugin_user_id,
		    strlen(b->plugin_user_id) },
		{ len[2], 4 }, { gen, sizeof(gen) },
		{ len[3], 4 }, { token, token_len }
	};
	size_t i;

	be_write(b->user_id, sizeof(user), user);
	be_write(b->key_gen, sizeof(gen), gen);
	for (i = 0; i < 4; i++)
		be_write(pieces[2 * i + 1].len, 4, len[i]);
	hmac_sha256(k->bind_key, sizeof(k->bind_key), pieces, 8, mac);
	hex_encode(mac, sizeof(mac), ret);
}

int
keyring_seal(const struct keyring *ring, const struct binding *b,
    const void *plain, size_t len, struct buf *ret_token,
    char ret_mac[BIND_MAC_TEXT_LEN + 1])
{
	size_t start = ret_token->len;

	if (fernet_seal(&ring->keys[0].key, plain, len, ret_token) == -1)
		return -1;
	bind_mac(&ring->keys[0], b, ret_token->data + start,
	    ret_token->len - start, ret_mac);
	return 0;
}

/* The first key that opens the token, and the length; or -1. */
static ssize_t
open_any(const struct keyring *ring, const char *token, size_t token_len,
    unsigned char *ret, size_t *ret_index)
{
	ssize_t n;
	size_t i;

	for (i = 0; i < ring->n; i++) {
		n = fernet_open(&ring->keys[i].key, token, token_len, 0, 0,
		    ret);
		if (n == -1)
			continue;
		*ret_index = i;
		return n;
	}
	return -1;
}

ssize_t
keyring_open(const struct keyring *ring, const struct binding *b,
    const char *token, size_t token_len, const char *mac,
    unsigned char *ret, size_t *ret_index)
{
	char want[BIND_MAC_TEXT_LEN + 1];
	size_t i;
	ssize_t n;

	n = open_any(ring, token, token_len, ret, &i);
	if (n == -1)
		return KEYRING_WRONG_KEY;
	bind_mac(&ring->keys[i], b, token, token_len, want);
	if (mac == NULL || strlen(mac) != BIND_MAC_TEXT_LEN ||
	    !ct_equal(mac, want, BIND_MAC_TEXT_LEN)) {
		wipe(ret, (size_t)n);
		return KEYRING_WRONG_ROW;
	}
	if (ret_index != NULL)
		*ret_index = i;
	return n;
}

void
keyring_mac(const struct keyring *ring, const char *label, const void *data,
    size_t len, unsigned char ret[32])
{
	char info[sizeof(INFO_MAC) + LABEL_MAX];
	unsigned char key[HMAC_LEN];
	const struct piece whole = { data, len };
	int n;

	n = snprintf(info, sizeof(info), INFO_MAC "%s", label);
	assert(n > 0 && (size_t)n < sizeof(info));
	hkdf_sha256(ring->keys[0].key.bytes, FERNET_KEY_LEN, info, key);
	hmac_sha256(key, sizeof(key), &whole, 1, ret);
	wipe(key, sizeof(key));
}

int
keyring_canary_make(const struct keyring *ring, struct buf *ret)
{
	return fernet_seal(&ring->keys[0].key, CANARY, strlen(CANARY), ret);
}

int
keyring_canary_check(const struct keyring *ring, const char *token)
{
	unsigned char text[FERNET_PLAIN_MAX];
	size_t i;
	ssize_t n;

	n = open_any(ring, token, strlen(token), text, &i);
	if (n != (ssize_t)strlen(CANARY) ||
	    memcmp(text, CANARY, strlen(CANARY)) != 0)
		return -1;
	return 0;
}
