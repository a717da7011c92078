/*
 * installation: instance id and marker secret, in the meta table.
 *
 * Read once when the registrar (or the operator's tool) starts.  Both
 * are put with "only if absent", then read back, so that racing hosts
 * agree.  Must never make a new secret where one is stored that cannot
 * be opened: all accounts made so far would become foreign.
 */
#include "provision/installation.h"

#include <string.h>

#include "base/codec.h"
#include "base/secret.h"
#include "store/pluginkeys.h"

#define META_INSTANCE	"instance_id"
#define META_KEY	"marker_key"
#define INSTANCE_LEN	12
#define VALUE_MAX	1024

/* The row that the sealed secret belongs to. */
static const struct binding binding = {
	.user_id = 0, .plugin_user_id = "marker_key", .key_gen = 0,
};

static int
db_failed(struct db *db, struct buf *why)
{
	(void)buf_printf(why, "the database failed: %s", db_fault_text(db));
	return -1;
}

static void
make_instance(char ret[INSTANCE_LEN + 1])
{
	static const char	 alphabet[] = "abcdefghijklmnopqrstuvwxyz012345";
	unsigned char		 bytes[INSTANCE_LEN];
	size_t			 i;

	random_bytes(bytes, sizeof(bytes));
	for (i = 0; i < INSTANCE_LEN; i++)
		ret[i] = alphabet[bytes[i] % 32];
	ret[INSTANCE_LEN] = '\0';
}

/* Token and MAC in one value: "TOKEN:MAC". */
static int
seal_value(const struct keyring *ring,
    const unsigned char key[MARKER_KEY_LEN], struct buf *ret)
{
	char	 mac[BIND_MAC_TEXT_LEN + 1];

	if (keyring_seal(ring, &binding, key, MARKER_KEY_LEN, ret,
	    mac) == -1 || buf_putc(ret, ':') == -1 ||
	    buf_puts(ret, mac) == -1)
		return -1;
	return 0;
}

static int
open_value(const struct keyring *ring, const char *value,
    unsigned char ret[MARKER_KEY_LEN], size_t *ret_index)
{
	unsigned char	 plain[FERNET_PLAIN_MAX];
	const char	*colon = strchr(value, ':');
	ssize_t		 n;

	if (colon == NULL || strlen(colon + 1) != BIND_MAC_TEXT_LEN)
		return -1;
	n = keyring_open(ring, &binding, value, (size_t)(colon - value),
	    colon + 1, plain, ret_index);
	if (n == MARKER_KEY_LEN)
		memcpy(ret, plain, MARKER_KEY_LEN);
	wipe(plain, sizeof(plain));
	return n == MARKER_KEY_LEN ? 0 : -1;
}

static int
instance_valid(const struct buf *value)
{
	return value->len >= MARKER_INSTANCE_MIN &&
	    value->len <= MARKER_INSTANCE_MAX &&
	    strspn(buf_str(value), "abcdefghijklmnopqrstuvwxyz0123456789")
	    == value->len;
}

static int
load_instance(struct db *db, struct marker_key *ret, struct buf *why)
{
	struct buf	 value = BUF_INIT(VALUE_MAX);
	char		 made[INSTANCE_LEN + 1];
	int		 found, rc = -1;

	make_instance(made);
	found = meta_get(db, META_INSTANCE, &value);
	if (found == 0 && meta_put_once(db, META_INSTANCE, made) != -1)
		found = meta_get(db, META_INSTANCE, &value);
	if (found != 1) {
		(void)db_failed(db, why);
	} else if (!instance_valid(&value)) {
		(void)buf_puts(why, "meta." META_INSTANCE
		    " is not 8 to 16 characters of a-z and 0-9");
	} else {
		memcpy(ret->instance, buf_str(&value), value.len + 1);
		rc = 0;
	}
	buf_free(&value);
	return rc;
}

/* 1 = stored now or before, in *ret; -1. */
static int
get_or_make_key(struct db *db, const struct keyring *ring, struct buf *ret)
{
	struct buf	 sealed = BUF_INIT(VALUE_MAX);
	unsigned char	 key[MARKER_KEY_LEN];
	int		 found;

	found = meta_get(db, META_KEY, ret);
	if (found != 0)
		return found;
	random_bytes(key, sizeof(key));
	if (seal_value(ring, key, &sealed) == 0 &&
	    meta_put_once(db, META_KEY, buf_str(&sealed)) != -1)
		found = meta_get(db, META_KEY, ret);
	wipe(key, sizeof(key));
	buf_free(&sealed);
	return found == 1 ? 1 : -1;
}

int
installation_load(struct db *db, const struct keyring *ring,
    struct marker_key *ret, struct buf *why)
{
	struct buf		 value = BUF_INIT(VALUE_MAX);
	struct marker_key	 loaded;
	int			 rc = -1;

	memset(&loaded, 0, sizeof(loaded));
	if (load_instance(db, &loaded, why) == -1)
		return -1;
	if (get_or_make_key(db, ring, &value) != 1) {
		(void)db_failed(db, why);
	} else if (open_value(ring, buf_str(&value), loaded.key,
	    NULL) == -1) {
		(void)buf_puts(why, "no key of PLUGIN_API_ENCRYPTION_KEY "
		    "opens meta." META_KEY);
	} else {
		*ret = loaded;
		rc = 0;
	}
	wipe(&loaded, sizeof(loaded));
	buf_free(&value);
	return rc;
}

int
installation_reseal(struct db *db, const struct keyring *ring,
    struct buf *why)
{
	struct buf	 value = BUF_INIT(VALUE_MAX);
	struct buf	 sealed = BUF_INIT(VALUE_MAX);
	unsigned char	 key[MARKER_KEY_LEN];
	size_t		 index = 0;
	int		 found, rc = -1;

	found = meta_get(db, META_KEY, &value);
	if (found == 0) {
		rc = 0;		/* no account was ever created */
	} else if (found == -1) {
		(void)db_failed(db, why);
	} else if (open_value(ring, buf_str(&value), key, &index) == -1) {
		(void)buf_puts(why, "no key of PLUGIN_API_ENCRYPTION_KEY "
		    "opens meta." META_KEY);
	} else if (index == 0) {
		rc = 0;
	} else if (seal_value(ring, key, &sealed) == 0 &&
	    meta_put(db, META_KEY, buf_str(&sealed)) != -1) {
		rc = 1;
	} else {
		(void)db_failed(db, why);
	}
	wipe(key, sizeof(key));
	buf_free(&value);
	buf_free(&sealed);
	return rc;
}
