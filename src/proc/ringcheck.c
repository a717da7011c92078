/*
 * ringcheck: a key that is still needed is not dropped.
 *
 * Each stored key names the key of the ring that sealed it, so counting
 * them by name is enough; only those sealed before there was such a name
 * are opened.  Never writes a stored key.  Called by the loader, at a
 * start and at a reload.
 */
#include <string.h>

#include "base/secret.h"
#include "proc/ringcheck.h"
#include "store/pluginkeys.h"

#define CANARY	"fernet_canary"
#define PAGE	500

struct tally {
	const struct keyring *ring;
	uint64_t	 unnamed;	/* rows that do not name their key */
	uint64_t	 lost;		/* rows that no key of the ring opens */
	char		 lost_id[KEYRING_ID_LEN];	/* one such key, or "" */
	uint64_t	 last_user, in_page;
};

static void
count_id(void *arg, const char *id, uint64_t rows)
{
	struct tally *t = arg;
	size_t i;

	if (*id == '\0') {
		t->unnamed += rows;
		return;
	}
	for (i = 0; i < keyring_count(t->ring); i++)
		if (strcmp(keyring_id(t->ring, i), id) == 0)
			return;
	t->lost += rows;
	if (strlen(id) < sizeof(t->lost_id))
		strcpy(t->lost_id, id);
}

/* A row that belongs elsewhere is the keeper's alarm, not our matter. */
static void
try_row(void *arg, const struct pluginkey *key, const char *token,
    const char *mac)
{
	const struct binding binding = { key->user_id, key->plugin_user_id,
	    key->key_gen };
	unsigned char plain[FERNET_PLAIN_MAX];
	struct tally *t = arg;

	if (keyring_open(t->ring, &binding, token, strlen(token), mac, plain,
	    NULL) == KEYRING_WRONG_KEY)
		t->lost++;
	wipe(plain, sizeof(plain));
	t->last_user = key->user_id;
	t->in_page++;
}

static int
check_rows(struct db *db, const struct keyring *ring, struct buf *why)
{
	struct tally t = { .ring = ring };
	int rc = pluginkey_count_by_id(db, count_id, &t);

	if (rc == 0 && t.unnamed > 0)
		do {
			t.in_page = 0;
			rc = pluginkey_scan_unnamed(db, t.last_user, PAGE,
			    try_row, &t);
		} while (rc == 0 && t.in_page == PAGE);
	if (rc != 0) {
		buf_puts(why, db_fault_text(db));
		return -1;
	}
	if (t.lost == 0)
		return 0;
	buf_printf(why, "PLUGIN_API_ENCRYPTION_KEY lacks the key that %llu "
	    "stored keys are sealed with", (unsigned long long)t.lost);
	if (t.lost_id[0] != '\0')
		buf_printf(why, " (key %s)", t.lost_id);
	buf_puts(why, "; put it back at the end of the list, and take it out "
	    "after `plugwayctl keys reencrypt` has run to its end");
	return -1;
}

static int
check_canary(struct db *db, const struct keyring *ring, struct buf *why)
{
	struct buf token = BUF_INIT(FERNET_TOKEN_MAX);
	int found = meta_get(db, CANARY, &token), rc = -1;

	if (found < 0)
		buf_puts(why, db_fault_text(db));
	else if (found == 0) {
		rc = keyring_canary_make(ring, &token);
		if (rc == 0 && meta_put_once(db, CANARY, buf_str(&token)) < 0) {
			buf_puts(why, db_fault_text(db));
			rc = -1;
		}
	} else if (keyring_canary_check(ring, buf_str(&token)) != 0)
		buf_puts(why, "PLUGIN_API_ENCRYPTION_KEY is not the key that "
		    "this database is sealed with; put that key (back) into "
		    "the list, and let `plugwayctl keys reencrypt` run to "
		    "its end before it is taken out");
	else
		rc = 0;
	buf_free(&token);
	return rc;
}

int
ringcheck(struct db *db, const struct keyring *ring, struct buf *why)
{
	if (check_rows(db, ring, why) != 0)
		return -1;
	return check_canary(db, ring, why);
}
