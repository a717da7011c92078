/*
 * marker: names of upstream accounts that prove who made them.
 *
 * Pure text and HMAC; no database.  The registration makes markers, the
 * sweeper reads them back out of a list that anybody may have written
 * into, so parsing accepts exactly what marker_make() writes.
 */
#include "provision/marker.h"

#include <assert.h>
#include <gcrypt.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "base/codec.h"
#include "base/secret.h"

#define PREFIX		"plugway."
#define PREFIX_LEN	(sizeof(PREFIX) - 1)
#define LABEL		"plugway marker v1"
#define MAC_BYTES	(MARKER_MAC_LEN / 4 * 3)

static_assert(PREFIX_LEN + MARKER_INSTANCE_MAX + 1 + 20 + 1 + 10 + 1 +
    MARKER_MAC_LEN <= MARKER_MAX, "a marker fits the upstream's limit");

/* The MAC over label, NUL and the text before the last dot. */
static void
mac_text(const struct marker_key *key, const char *text, size_t len,
    char ret[MARKER_MAC_LEN + 1])
{
	gcry_mac_hd_t	 mac;
	unsigned char	 digest[32];
	size_t		 digest_len = sizeof(digest);
	gcry_error_t	 bad;

	bad = gcry_mac_open(&mac, GCRY_MAC_HMAC_SHA256, 0, NULL);
	assert(bad == 0);
	bad = gcry_mac_setkey(mac, key->key, sizeof(key->key));
	assert(bad == 0);
	bad = gcry_mac_write(mac, LABEL, sizeof(LABEL));
	assert(bad == 0);
	bad = gcry_mac_write(mac, text, len);
	assert(bad == 0);
	bad = gcry_mac_read(mac, digest, &digest_len);
	assert(bad == 0 && digest_len == sizeof(digest));
	(void)bad;
	gcry_mac_close(mac);
	b64url_encode(digest, MAC_BYTES, B64_UNPADDED, ret);
	wipe(digest, sizeof(digest));
}

void
marker_make(const struct marker_key *key, const struct marker *marker,
    char ret[MARKER_MAX + 1])
{
	char	 mac[MARKER_MAC_LEN + 1];
	int	 n;

	n = snprintf(ret, MARKER_MAX + 1, PREFIX "%s.%" PRIu64 ".%" PRIu32,
	    key->instance, marker->job_id, marker->fence);
	assert(n > 0 && n + 1 + MARKER_MAC_LEN <= MARKER_MAX);
	mac_text(key, ret, (size_t)n, mac);
	ret[n] = '.';
	memcpy(ret + n + 1, mac, MARKER_MAC_LEN + 1);
}

/*
 * A positive decimal number up to the next dot: no sign, no leading
 * zero.  Returns the dot, or NULL.
 */
static const char *
read_number(const char *p, const char *end, uint64_t max, uint64_t *ret)
{
	uint64_t	 value = 0;
	const char	*start = p;

	if (p == end || *p < '1' || *p > '9')
		return NULL;
	for (; p < end && *p >= '0' && *p <= '9'; p++) {
		if (p - start >= 20 ||
		    __builtin_mul_overflow(value, 10u, &value) ||
		    __builtin_add_overflow(value, (uint64_t)(*p - '0'), &value))
			return NULL;
	}
	if (p == end || *p != '.' || value > max)
		return NULL;
	*ret = value;
	return p;
}

int
marker_parse(const struct marker_key *key, const char *text, size_t len,
    struct marker *ret)
{
	const char	*p, *end = text + len;
	char		 mac[MARKER_MAC_LEN + 1];
	size_t		 instance_len = strlen(key->instance);
	uint64_t	 job, fence;

	if (len > MARKER_MAX || len < PREFIX_LEN + instance_len + 1 ||
	    memcmp(text, PREFIX, PREFIX_LEN) != 0)
		return 0;
	p = text + PREFIX_LEN;
	if (memcmp(p, key->instance, instance_len) != 0 ||
	    p[instance_len] != '.')
		return 0;
	p = read_number(p + instance_len + 1, end, UINT64_MAX, &job);
	if (p == NULL)
		return 0;
	p = read_number(p + 1, end, UINT32_MAX, &fence);
	if (p == NULL || end - (p + 1) != MARKER_MAC_LEN)
		return 0;
	mac_text(key, text, (size_t)(p - text), mac);
	if (!ct_equal(mac, p + 1, MARKER_MAC_LEN))
		return 0;
	ret->job_id = job;
	ret->fence = (uint32_t)fence;
	return 1;
}
