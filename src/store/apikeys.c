/*
 * apikeys: personal keys; only their SHA-256 is stored.
 *
 * Every function that takes a user id touches that user's keys only.
 * Disabling and deleting are told to all hosts with the change itself.
 */
#include <assert.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/xmalloc.h"
#include "share/apikeycache.h"
#include "store/apikeys.h"
#include "store/audit.h"
#include "store/changes.h"
#include "store/run.h"

static const char *const type_names[CONFIG_TYPE_MAX] = {
	[CONFIG_ANTIGRAVITY] = "antigravity",
	[CONFIG_KIRO] = "kiro",
};

const char *
config_type_name(enum config_type type)
{
	assert(type < CONFIG_TYPE_MAX);
	return type_names[type];
}

int
config_type_parse(const char *name, enum config_type *ret)
{
	for (int i = 0; i < CONFIG_TYPE_MAX; i++) {
		if (strcmp(name, type_names[i]) != 0)
			continue;
		*ret = (enum config_type)i;
		return 0;
	}
	return -1;
}

static void
apikey_from_row(struct db_rows *rows, struct apikey *ret)
{
	ret->id = rows_u64(rows, 0);
	ret->user_id = rows_u64(rows, 1);
	rows_str(rows, 2, ret->preview, sizeof(ret->preview));
	rows_str(rows, 3, ret->name, sizeof(ret->name));
	rows->misfit |= config_type_parse(rows_text(rows, 4),
	    &ret->config_type) == -1;
	ret->is_active = rows_bool(rows, 5);
	ret->created_us = rows_i64(rows, 6);
	ret->last_used_us = rows_i64(rows, 7);
	ret->expires_us = rows_i64(rows, 8);
}

static int
note_key(struct db *db, enum audit_action action, uint64_t id,
    const char *detail)
{
	char subject[32];

	(void)snprintf(subject, sizeof(subject), "api_key:%llu",
	    (unsigned long long)id);
	return audit_note(db, action, subject, detail);
}

struct creation {
	const struct apikey *key;
	const unsigned char *hash;
	struct apikey	 made;
};

static int
create_body(struct db *db, void *arg)
{
	struct creation *c = arg;
	const struct apikey *key = c->key;
	char detail[64];

	if (db_exec(db, STMT_APIKEY_INSERT, A_U64(key->user_id),
	    A_BYTES(c->hash, APIKEY_HASH_LEN), A_STR(key->preview),
	    A_STR(key->name[0] != '\0' ? key->name : NULL),
	    A_STR(config_type_name(key->config_type)),
	    A_I64(key->is_active), key->expires_us != 0 ?
	    A_I64(key->expires_us) : A_NULL) == -1)
		return -1;
	if (apikey_get(db, key->user_id, db_insert_id(db), &c->made) != 1)
		return -1;
	(void)snprintf(detail, sizeof(detail), "{\"config_type\":\"%s\"}",
	    config_type_name(key->config_type));
	return note_key(db, AUDIT_APIKEY_CREATE, c->made.id, detail);
}

int
apikey_create(struct db *db, struct apikey *key,
    const unsigned char hash[APIKEY_HASH_LEN])
{
	struct creation c = { .key = key, .hash = hash };

	if (db_transaction(db, create_body, &c) != 0)
		return -1;
	*key = c.made;
	return 0;
}

int
apikey_by_hash(struct db *db, const unsigned char hash[APIKEY_HASH_LEN],
    struct apikey *ret)
{
	struct db_rows rows = DB_ROWS_INIT;
	int rc = db_select(db, &rows, STMT_APIKEY_BY_HASH,
	    A_BYTES(hash, APIKEY_HASH_LEN));

	if (rc == 0 && rows_next(&rows)) {
		apikey_from_row(&rows, ret);
		rc = 1;
	}
	return rows_end(db, &rows, rc);
}

int
apikey_get(struct db *db, uint64_t user_id, uint64_t id, struct apikey *ret)
{
	struct db_rows rows = DB_ROWS_INIT;
	int rc = db_select(db, &rows, STMT_APIKEY_GET, A_U64(user_id),
	    A_U64(id));

	if (rc == 0 && rows_next(&rows)) {
		apikey_from_row(&rows, ret);
		rc = 1;
	}
	return rows_end(db, &rows, rc);
}

int
apikey_list(struct db *db, uint64_t user_id,
    void (*each)(void *, const struct apikey *), void *arg)
{
	struct db_rows rows = DB_ROWS_INIT;
	struct apikey key;
	int rc = db_select(db, &rows, STMT_APIKEY_LIST, A_U64(user_id));

	while (rc == 0 && rows_next(&rows)) {
		apikey_from_row(&rows, &key);
		each(arg, &key);
	}
	return rows_end(db, &rows, rc);
}

#define NO_SUCH_KEY	1

struct key_change {
	uint64_t	 user_id, id;
	bool		 active;
};

/* What other hosts know the key by: 1 = found, 0 = absent, -1. */
static int
find_slot(struct db *db, const struct key_change *kc, uint64_t *ret)
{
	unsigned char hash[APIKEY_HASH_LEN];
	struct db_rows rows = DB_ROWS_INIT;
	int rc = db_select(db, &rows, STMT_APIKEY_HASH, A_U64(kc->user_id),
	    A_U64(kc->id));

	if (rc == 0 && rows_next(&rows)) {
		rows_bytes(&rows, 0, hash, sizeof(hash));
		*ret = apikeycache_slot(hash);
		rc = 1;
	}
	return rows_end(db, &rows, rc);
}

static int
set_active_body(struct db *db, void *arg)
{
	const struct key_change *kc = arg;
	uint64_t slot;
	int rc = find_slot(db, kc, &slot);

	/* Affected rows do not tell an absent key from an equal value. */
	if (rc <= 0)
		return rc == 0 ? NO_SUCH_KEY : -1;
	if (db_exec(db, STMT_APIKEY_SET_ACTIVE, A_I64(kc->active),
	    A_U64(kc->user_id), A_U64(kc->id)) == -1 ||
	    change_note(db, CHANGE_APIKEY, slot) == -1)
		return -1;
	return note_key(db, AUDIT_APIKEY_SWITCH, kc->id, kc->active ?
	    "{\"active\":true}" : "{\"active\":false}");
}

int
apikey_set_active(struct db *db, uint64_t user_id, uint64_t id, bool active)
{
	struct key_change kc = { .user_id = user_id, .id = id,
	    .active = active };
	int rc = db_transaction_again(db, set_active_body, &kc);

	return rc == -1 ? -1 : rc != NO_SUCH_KEY;
}

static int
delete_body(struct db *db, void *arg)
{
	const struct key_change *kc = arg;
	uint64_t slot;
	int n = find_slot(db, kc, &slot);

	if (n > 0)
		n = db_exec(db, STMT_APIKEY_DELETE, A_U64(kc->user_id),
		    A_U64(kc->id));
	if (n <= 0)
		return n == 0 ? NO_SUCH_KEY : -1;
	if (change_note(db, CHANGE_APIKEY, slot) == -1)
		return -1;
	return note_key(db, AUDIT_APIKEY_DELETE, kc->id, NULL);
}

int
apikey_delete(struct db *db, uint64_t user_id, uint64_t id)
{
	struct key_change kc = { .user_id = user_id, .id = id };
	int rc = db_transaction(db, delete_body, &kc);

	return rc == -1 ? -1 : rc != NO_SUCH_KEY;
}

struct used_batch {
	struct apikey_used *used;
	size_t		 n;
};

static int
note_used_body(struct db *db, void *arg)
{
	const struct used_batch *b = arg;

	for (size_t i = 0; i < b->n; i++)
		if (db_exec(db, STMT_APIKEY_USED, A_I64(b->used[i].wall_us),
		    A_U64(b->used[i].id), A_I64(b->used[i].wall_us)) == -1)
			return -1;
	return 0;
}

static int
by_id(const void *a, const void *b)
{
	uint64_t x = ((const struct apikey_used *)a)->id;
	uint64_t y = ((const struct apikey_used *)b)->id;

	return x < y ? -1 : x > y;
}

/* In one order everywhere, so that two hosts cannot lock each other. */
int
apikey_note_used(struct db *db, const struct apikey_used *used, size_t n)
{
	struct used_batch b = { .n = n };
	int rc;

	if (n == 0)
		return 0;
	b.used = xreallocarray(NULL, n, sizeof(*used));
	memcpy(b.used, used, n * sizeof(*used));
	qsort(b.used, n, sizeof(*used), by_id);
	rc = db_transaction_again(db, note_used_body, &b);
	free(b.used);
	return rc;
}
