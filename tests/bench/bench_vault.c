/*
 * bench_vault: what sealing, opening and looking up cost.
 *
 *	bench_vault		a table of nanoseconds per operation
 *	bench_vault ROW N	N operations of one row, for a profiler that
 *				counts instructions
 *
 * Not part of `make check`: figures are for people.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/shm.h"
#include "share/limiter.h"
#include "share/revoked.h"
#include "share/tenantcache.h"
#include "vault/bootkey.h"
#include "vault/fernet.h"
#include "vault/keyring.h"

#define SLOTS	16384
#define USERS	10000
#define PLAIN	"sk-0123456789abcdefghijklmnopqrstuvwxyz0123456789ab"

static struct fernet_key fernet_key;
static struct buf token = BUF_INIT(FERNET_TOKEN_MAX);
static struct keyring *ring;
static const struct binding row = { 1, "acct-1", 1 };
static char mac[BIND_MAC_TEXT_LEN + 1];
static struct bootkey bootkey;
static unsigned char sealed[BOOTKEY_SEALED_MAX];
static size_t sealed_len;
static struct tenantcache *cache;
static struct revoked *revoked;
static struct limiter *limiter;
static unsigned long sum;	/* so that nothing is optimised away */

static void
set_up(void)
{
	struct buf why = BUF_INIT(1024);
	char text[FERNET_KEY_TEXT_LEN + 1];
	struct tenant t;
	ssize_t n;

	vault_init();
	fernet_key_generate(text);
	ring = keyring_parse(text, &why);
	bootkey_make(&bootkey);
	n = bootkey_seal(&bootkey, 1, 1, PLAIN, strlen(PLAIN), sealed);
	if (ring == NULL || n == -1 ||
	    fernet_key_parse(text, strlen(text), &fernet_key) == -1 ||
	    keyring_seal(ring, &row, PLAIN, strlen(PLAIN), &token,
	    mac) == -1)
		exit(1);
	sealed_len = (size_t)n;
	cache = tenantcache_init(shm_map(tenantcache_size(SLOTS), false),
	    SLOTS);
	revoked = revoked_init(shm_map(revoked_size(SLOTS), false), SLOTS);
	limiter = limiter_init(shm_map(limiter_size(SLOTS), false), SLOTS);
	memset(&t, 0, sizeof(t));
	memcpy(t.sealed, sealed, sealed_len);
	t.sealed_len = (uint16_t)sealed_len;
	for (t.user_id = 1; t.user_id <= USERS; t.user_id++)
		(void)tenantcache_put(cache, &t);
	(void)revoked_add(revoked, "somebody's session", INT64_MAX);
}

static void
run_fernet_seal(uint64_t i)
{
	struct buf b = BUF_INIT(FERNET_TOKEN_MAX);

	(void)i;
	if (fernet_seal(&fernet_key, PLAIN, strlen(PLAIN), &b) == 0)
		sum += b.len;
	buf_free(&b);
}

static void
run_fernet_open(uint64_t i)
{
	unsigned char plain[FERNET_PLAIN_MAX];

	(void)i;
	if (fernet_open(&fernet_key, token.data, token.len, 0, 0, plain) > 0)
		sum += plain[0];
}

static void
run_keyring_open(uint64_t i)
{
	unsigned char plain[FERNET_PLAIN_MAX];

	(void)i;
	if (keyring_open(ring, &row, token.data, token.len, mac, plain,
	    NULL) > 0)
		sum += plain[0];
}

static void
run_bootkey_open(uint64_t i)
{
	unsigned char plain[BOOTKEY_PLAIN_MAX + 1];

	(void)i;
	if (bootkey_open(&bootkey, 1, 1, sealed, sealed_len, plain) > 0)
		sum += plain[0];
}

static void
run_bootkey_seal(uint64_t i)
{
	unsigned char out[BOOTKEY_SEALED_MAX];

	(void)i;
	if (bootkey_seal(&bootkey, 1, 1, PLAIN, strlen(PLAIN), out) > 0)
		sum += out[0];
}

static void
run_get(uint64_t i)
{
	struct tenant t;

	sum += (unsigned long)tenantcache_get(cache, i % USERS + 1, &t);
}

static void
run_put(uint64_t i)
{
	struct tenant t;

	if (tenantcache_get(cache, i % USERS + 1, &t) == 1)
		sum += (unsigned long)tenantcache_put(cache, &t);
}

static void
run_used(uint64_t i)
{
	tenantcache_used(cache, i % USERS + 1, (int64_t)i + 1);
}

static void
run_revoked(uint64_t i)
{
	(void)i;
	sum += revoked_has(revoked, "0123456789abcdef0123456789abcdef");
}

static void
run_limiter(uint64_t i)
{
	sum += (unsigned long)limiter_take(limiter, i % USERS + 1, 10000, 20,
	    (int64_t)(i / 1000));
}

static const struct {
	const char	*name;
	void		(*run)(uint64_t);
	uint64_t	 times;
} rows[] = {
	{ "fernet_seal", run_fernet_seal, 100000 },
	{ "fernet_open", run_fernet_open, 100000 },
	{ "keyring_open", run_keyring_open, 100000 },
	{ "bootkey_seal", run_bootkey_seal, 200000 },
	{ "bootkey_open", run_bootkey_open, 2000000 },
	{ "tenantcache_get", run_get, 10000000 },
	{ "tenantcache_get+put", run_put, 5000000 },
	{ "tenantcache_used", run_used, 10000000 },
	{ "revoked_has", run_revoked, 10000000 },
	{ "limiter_take", run_limiter, 10000000 },
};

static void
measure(size_t r, uint64_t times)
{
	int64_t start_us = clock_mono_us();
	uint64_t i;

	for (i = 0; i < times; i++)
		rows[r].run(i);
	printf("%-20s %10.1f ns\n", rows[r].name,
	    (double)(clock_mono_us() - start_us) * 1000.0 / (double)times);
}

int
main(int argc, char **argv)
{
	size_t r;

	set_up();
	for (r = 0; r < sizeof(rows) / sizeof(rows[0]); r++)
		if (argc < 3)
			measure(r, rows[r].times);
		else if (strcmp(rows[r].name, argv[1]) == 0)
			measure(r, strtoull(argv[2], NULL, 10));
	keyring_free(&ring);
	buf_wipe(&token);
	return sum == 0;
}
