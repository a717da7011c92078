/*
 * bootkey: AES-256-GCM under the key of this boot.
 *
 * sealed = nonce, 12 bytes | ciphertext | tag, 16 bytes.  The nonce is
 * random: one boot seals far fewer than 2^32 times.  Opening is on the
 * path of every request, so the handle and its key schedule are kept;
 * the process that opened the handle is stamped into it, since a child
 * of a fork must not go on in its parent's handle.  Called by the
 * keeper (seal) and the workers (open).
 */
#include <gcrypt.h>
#include <string.h>
#include <unistd.h>

#include "base/codec.h"
#include "base/log.h"
#include "base/secret.h"
#include "vault/bootkey.h"

#define NONCE_LEN	12
#define TAG_LEN		16
#define AAD_LEN		12		/* user id, key generation */

/* The process's own handle with the key that is set in it. */
static struct {
	gcry_cipher_hd_t handle;
	pid_t		 pid;
	struct bootkey	 key;
} kept;

void
vault_init(void)
{
	if (gcry_control(GCRYCTL_INITIALIZATION_FINISHED_P))
		return;
	if (gcry_check_version("1.10.0") == NULL)
		fatalx("libgcrypt 1.10 or later is needed, this is %s",
		    gcry_check_version(NULL));
	/*
	 * No secure pool: its lock is lost at a fork, and every process
	 * that holds a key is not dumpable and has no core file.
	 */
	gcry_control(GCRYCTL_DISABLE_SECMEM, 0);
	gcry_control(GCRYCTL_INITIALIZATION_FINISHED, 0);
}

static gcry_cipher_hd_t
kept_open(const struct bootkey *key)
{
	gcry_error_t e;

	if (kept.handle != NULL)
		gcry_cipher_close(kept.handle);
	e = gcry_cipher_open(&kept.handle, GCRY_CIPHER_AES256,
	    GCRY_CIPHER_MODE_GCM, 0);
	if (e == 0)
		e = gcry_cipher_setkey(kept.handle, key->bytes, BOOTKEY_LEN);
	if (e != 0)
		fatalx("libgcrypt gives no AES-256-GCM: %s",
		    gcry_strerror(e));
	kept.pid = getpid();
	kept.key = *key;
	return kept.handle;
}

/* The handle with this key set, ready for a new nonce. */
static gcry_cipher_hd_t
kept_handle(const struct bootkey *key)
{
	if (kept.handle == NULL || kept.pid != getpid() ||
	    !ct_equal(kept.key.bytes, key->bytes, BOOTKEY_LEN))
		return kept_open(key);
	return kept.handle;
}

static void
aad_write(uint64_t user_id, uint32_t key_gen, unsigned char ret[AAD_LEN])
{
	int i;

	for (i = 0; i < 8; i++)
		ret[i] = (unsigned char)(user_id >> (56 - 8 * i));
	for (i = 0; i < 4; i++)
		ret[8 + i] = (unsigned char)(key_gen >> (24 - 8 * i));
}

void
bootkey_make(struct bootkey *ret)
{
	random_bytes(ret->bytes, sizeof(ret->bytes));
}

ssize_t
bootkey_seal(const struct bootkey *key, uint64_t user_id, uint32_t key_gen,
    const void *plain, size_t len, unsigned char *ret)
{
	gcry_cipher_hd_t h;
	unsigned char aad[AAD_LEN];
	gcry_error_t e;

	if (len == 0 || len > BOOTKEY_PLAIN_MAX)
		return -1;
	h = kept_handle(key);
	aad_write(user_id, key_gen, aad);
	random_bytes(ret, NONCE_LEN);
	e = gcry_cipher_setiv(h, ret, NONCE_LEN);
	if (e == 0)
		e = gcry_cipher_authenticate(h, aad, sizeof(aad));
	if (e == 0)
		e = gcry_cipher_encrypt(h, ret + NONCE_LEN, len, plain, len);
	if (e == 0)
		e = gcry_cipher_gettag(h, ret + NONCE_LEN + len, TAG_LEN);
	if (e != 0) {
		wipe(ret, NONCE_LEN + len + TAG_LEN);
		return -1;
	}
	return (ssize_t)(NONCE_LEN + len + TAG_LEN);
}

ssize_t
bootkey_open(const struct bootkey *key, uint64_t user_id, uint32_t key_gen,
    const unsigned char *sealed, size_t len, unsigned char *ret)
{
	gcry_cipher_hd_t h;
	unsigned char aad[AAD_LEN];
	gcry_error_t e;
	size_t n;

	if (len <= NONCE_LEN + TAG_LEN || len > BOOTKEY_SEALED_MAX)
		return -1;
	n = len - NONCE_LEN - TAG_LEN;
	h = kept_handle(key);
	aad_write(user_id, key_gen, aad);
	e = gcry_cipher_setiv(h, sealed, NONCE_LEN);
	if (e == 0)
		e = gcry_cipher_authenticate(h, aad, sizeof(aad));
	if (e == 0)
		e = gcry_cipher_decrypt(h, ret, n, sealed + NONCE_LEN, n);
	if (e == 0)
		e = gcry_cipher_checktag(h, sealed + NONCE_LEN + n, TAG_LEN);
	if (e != 0) {
		/* what was decrypted is nobody's plain text */
		wipe(ret, n);
		return -1;
	}
	ret[n] = '\0';
	return (ssize_t)n;
}
