/*
 * hmac: HMAC-SHA256 and the one form of HKDF that the vault uses.
 *
 * A handle is opened for each use: that costs a few microseconds, the
 * callers are the keeper and the registrar, and nothing of a key stays
 * behind.  What fails here is memory or a broken libgcrypt; both are
 * fatal.  Called by fernet.c and keyring.c only.
 */
#include <gcrypt.h>
#include <string.h>

#include "base/log.h"
#include "base/secret.h"
#include "vault/hmac_private.h"

void
hmac_sha256(const void *key, size_t key_len, const struct piece *pieces,
    size_t n, unsigned char ret[HMAC_LEN])
{
	gcry_mac_hd_t mac;
	gcry_error_t e;
	size_t i, len = HMAC_LEN;

	e = gcry_mac_open(&mac, GCRY_MAC_HMAC_SHA256, 0, NULL);
	if (e != 0)
		fatalx("libgcrypt gives no HMAC-SHA256: %s",
		    gcry_strerror(e));
	e = gcry_mac_setkey(mac, key, key_len);
	for (i = 0; e == 0 && i < n; i++)
		e = gcry_mac_write(mac, pieces[i].data, pieces[i].len);
	if (e == 0)
		e = gcry_mac_read(mac, ret, &len);
	if (e != 0 || len != HMAC_LEN)
		fatalx("HMAC-SHA256 failed: %s", gcry_strerror(e));
	gcry_mac_close(mac);
}

void
hkdf_sha256(const void *ikm, size_t ikm_len, const char *info,
    unsigned char ret[HMAC_LEN])
{
	static const unsigned char no_salt[HMAC_LEN];
	static const unsigned char first_block = 1;
	unsigned char prk[HMAC_LEN];
	const struct piece extract = { ikm, ikm_len };
	const struct piece expand[] = {
		{ info, strlen(info) }, { &first_block, 1 }
	};

	hmac_sha256(no_salt, sizeof(no_salt), &extract, 1, prk);
	hmac_sha256(prk, sizeof(prk), expand, 2, ret);
	wipe(prk, sizeof(prk));
}
