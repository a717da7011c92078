/*
 * audit: writes, reads and verifies the chain.
 *
 * The end of the chain is one row, locked by each who adds: a gap or a
 * fork cannot come about, on any host, at the price of one writer at a
 * time between that lock and the commit.  Nobody below api gives a
 * secret to this file, and it keeps none.
 */
#include <assert.h>
#include <stdio.h>
#include <string.h>

#include <gcrypt.h>

#include "base/buf.h"
#include "store/audit.h"
#include "store/db_private.h"
#include "store/run.h"

#define VERSION		"plugway audit v1"
#define CANONICAL_MAX	(64u * 1024)
#define PAGE		1000

static const char *const action_names[AUDIT_ACTION_MAX] = {
	[AUDIT_SIGN_IN] = "sign_in",
	[AUDIT_SIGN_IN_REFUSED] = "sign_in_refused",
	[AUDIT_LOGOUT_ALL] = "logout_all",
	[AUDIT_APIKEY_CREATE] = "api_key_create",
	[AUDIT_APIKEY_SWITCH] = "api_key_switch",
	[AUDIT_APIKEY_DELETE] = "api_key_delete",
	[AUDIT_ACCOUNT_BIND] = "account_bind",
	[AUDIT_ACCOUNT_ADOPT] = "account_adopt",
	[AUDIT_ACCOUNT_GONE] = "account_gone",
	[AUDIT_KEY_RENEW] = "key_renew",
	[AUDIT_KEY_REKEY] = "key_rekey",
	[AUDIT_KEY_REVOKE] = "key_revoke",
	[AUDIT_KEYS_REENCRYPT] = "keys_reencrypt",
	[AUDIT_USER_ENABLE] = "user_enable",
	[AUDIT_USER_DISABLE] = "user_disable",
	[AUDIT_USER_SET_PASSWORD] = "user_set_password",
	[AUDIT_JOB_RETRY] = "registration_retry",
	[AUDIT_JOB_HOLD] = "registration_hold",
	[AUDIT_ORPHAN_DISABLE] = "orphan_disable",
	[AUDIT_ORPHAN_DELETE] = "orphan_delete",
};

static const char *const fault_texts[] = {
	[AUDIT_WHOLE] = "the chain is whole",
	[AUDIT_MISSING] = "a row is missing",
	[AUDIT_CHANGED] = "a row was changed",
	[AUDIT_BROKEN] = "a row does not follow the one before it",
	[AUDIT_OTHER] = "the row that was noted is another one",
};

static const char *const role_names[DB_ROLE_MAX] = {
	[DB_WORKER] = "user",
	[DB_KEEPER] = "keeper",
	[DB_REGISTRAR] = "registrar",
	[DB_OPERATOR] = "operator",
};

const char *
audit_action_name(enum audit_action action)
{
	assert(action < AUDIT_ACTION_MAX);
	return action_names[action];
}

const char *
audit_fault_text(enum audit_fault fault)
{
	return fault_texts[fault];
}

void
audit_context(struct db *db, const char *kind, const char *id,
    const char *request_id)
{
	struct audit_actor *a = &db->actor;

	a->kind = kind;
	(void)snprintf(a->id, sizeof(a->id), "%s", id);
	(void)snprintf(a->request_id, sizeof(a->request_id), "%s",
	    request_id != NULL ? request_id : "");
}

static void
add_number(struct buf *b, uint64_t v)
{
	unsigned char bytes[8];
	size_t i;

	for (i = sizeof(bytes); i-- > 0; v >>= 8)
		bytes[i] = (unsigned char)v;
	buf_append(b, bytes, sizeof(bytes));
}

/* The length first: no two rows have the same form. */
static void
add_text(struct buf *b, const char *text)
{
	size_t n = strlen(text);

	add_number(b, n);
	buf_append(b, text, n);
}

static int
hash_row(const struct audit_row *r, unsigned char ret[AUDIT_HASH_LEN])
{
	const char *const texts[] = { VERSION, r->actor_kind, r->actor_id,
	    r->action, r->subject, r->request_id, r->detail };
	struct buf b = BUF_INIT(CANONICAL_MAX);
	bool fits;
	size_t i;

	buf_append(&b, r->prev_hash, sizeof(r->prev_hash));
	add_number(&b, r->id);
	add_number(&b, (uint64_t)r->at_us);
	for (i = 0; i < sizeof(texts) / sizeof(texts[0]); i++)
		add_text(&b, texts[i]);
	fits = !b.failed;
	gcry_md_hash_buffer(GCRY_MD_SHA256, ret, buf_str(&b), b.len);
	buf_free(&b);
	return fits ? 0 : -1;
}

/* The end of the chain, held until the transaction ends. */
static int
lock_head(struct db *db, struct audit_row *ret)
{
	struct db_rows rows = DB_ROWS_INIT;
	int rc = db_select(db, &rows, STMT_AUDIT_LOCK);

	if (rc == 0 && rows_next(&rows)) {
		ret->id = rows_u64(&rows, 0) + 1;
		rows_bytes(&rows, 1, ret->prev_hash,
		    sizeof(ret->prev_hash));
		ret->at_us = rows_i64(&rows, 2);
		rc = 1;
	}
	rc = rows_end(db, &rows, rc);
	if (rc == 0)
		return db_fail_own(db, DB_WRONG, "audit_head is empty");
	return rc == 1 ? 0 : -1;
}

static int
note(struct db *db, struct audit_row *r)
{
	assert(db->in_transaction);
	if (lock_head(db, r) == -1)
		return -1;
	if (hash_row(r, r->hash) == -1)
		return db_fail_own(db, DB_WRONG, "audit: a row is too long");
	if (db_exec(db, STMT_AUDIT_ADD, A_U64(r->id), A_I64(r->at_us),
	    A_STR(r->actor_kind), A_STR(r->actor_id), A_STR(r->action),
	    A_STR(r->subject), A_STR(r->request_id), A_STR(r->detail),
	    A_BYTES(r->prev_hash, sizeof(r->prev_hash)),
	    A_BYTES(r->hash, sizeof(r->hash))) == -1)
		return -1;
	return db_exec(db, STMT_AUDIT_ADVANCE, A_U64(r->id),
	    A_BYTES(r->hash, sizeof(r->hash))) == 1 ? 0 : -1;
}

int
audit_note(struct db *db, enum audit_action action, const char *subject,
    const char *detail)
{
	const struct audit_actor *a = &db->actor;
	struct audit_row r = {
		.actor_kind = a->kind != NULL ? a->kind :
		    role_names[db->role],
		.actor_id = a->id, .action = audit_action_name(action),
		.subject = subject, .request_id = a->request_id,
		.detail = detail != NULL ? detail : "{}",
	};

	return note(db, &r);
}

int
audit_note_user(struct db *db, enum audit_action action, uint64_t user_id,
    const char *detail)
{
	struct audit_actor *a = &db->actor;
	char subject[32];
	int rc;

	(void)snprintf(subject, sizeof(subject), "user:%llu",
	    (unsigned long long)user_id);
	if (a->id[0] != '\0' || db->role != DB_WORKER)
		return audit_note(db, action, subject, detail);
	/* Who signs in has no name before. */
	(void)snprintf(a->id, sizeof(a->id), "%llu",
	    (unsigned long long)user_id);
	rc = audit_note(db, action, subject, detail);
	a->id[0] = '\0';
	return rc;
}

struct lone {
	enum audit_action action;
	const char	*subject, *detail;
};

static int
lone_body(struct db *db, void *arg)
{
	const struct lone *l = arg;

	return audit_note(db, l->action, l->subject, l->detail);
}

int
audit_note_alone(struct db *db, enum audit_action action,
    const char *subject, const char *detail)
{
	struct lone l = { action, subject, detail };

	return db_transaction(db, lone_body, &l);
}

static void
row_from(struct db_rows *rows, struct audit_row *ret)
{
	ret->id = rows_u64(rows, 0);
	ret->at_us = rows_i64(rows, 1);
	ret->actor_kind = rows_text(rows, 2);
	ret->actor_id = rows_text(rows, 3);
	ret->action = rows_text(rows, 4);
	ret->subject = rows_text(rows, 5);
	ret->request_id = rows_text(rows, 6);
	ret->detail = rows_text(rows, 7);
	rows_bytes(rows, 8, ret->prev_hash, sizeof(ret->prev_hash));
	rows_bytes(rows, 9, ret->hash, sizeof(ret->hash));
}

int
audit_list(struct db *db, uint64_t after_id, unsigned limit,
    void (*each)(void *, const struct audit_row *), void *arg)
{
	struct db_rows rows = DB_ROWS_INIT;
	struct audit_row row;
	int rc = db_select(db, &rows, STMT_AUDIT_LIST, A_U64(after_id),
	    A_U64(limit));

	while (rc == 0 && rows_next(&rows)) {
		row_from(&rows, &row);
		each(arg, &row);
	}
	return rows_end(db, &rows, rc);
}

int
audit_last(struct db *db, uint64_t *ret_id,
    unsigned char ret_hash[AUDIT_HASH_LEN])
{
	struct db_rows rows = DB_ROWS_INIT;
	int rc = db_select(db, &rows, STMT_AUDIT_HEAD);

	*ret_id = 0;
	memset(ret_hash, 0, AUDIT_HASH_LEN);
	if (rc == 0 && rows_next(&rows)) {
		*ret_id = rows_u64(&rows, 0);
		rows_bytes(&rows, 1, ret_hash, AUDIT_HASH_LEN);
	}
	return rows_end(db, &rows, rc);
}

struct walk {
	const struct audit_anchor *noted;
	struct audit_anchor head;	/* rows behind it came later */
	struct audit_anchor at;		/* the last that was whole */
	struct audit_report *report;
};

static void
judge(void *arg, const struct audit_row *r)
{
	struct walk *w = arg;
	struct audit_report *report = w->report;
	unsigned char hash[AUDIT_HASH_LEN];

	if (report->fault != AUDIT_WHOLE || r->id > w->head.id)
		return;
	report->at_id = w->at.id + 1;
	if (r->id != w->at.id + 1)
		report->fault = AUDIT_MISSING;
	else if (memcmp(r->prev_hash, w->at.hash, sizeof(hash)) != 0)
		report->fault = AUDIT_BROKEN;
	else if (hash_row(r, hash) == -1 ||
	    memcmp(hash, r->hash, sizeof(hash)) != 0)
		report->fault = AUDIT_CHANGED;
	else if (w->noted != NULL && r->id == w->noted->id &&
	    memcmp(hash, w->noted->hash, sizeof(hash)) != 0)
		report->fault = AUDIT_OTHER;
	if (report->fault != AUDIT_WHOLE)
		return;
	report->rows++;
	w->at.id = r->id;
	memcpy(w->at.hash, r->hash, sizeof(hash));
}

/* The rows were whole as far as they go: do they go far enough? */
static void
judge_end(struct walk *w)
{
	struct audit_report *report = w->report;

	report->last = w->at;
	if (report->fault != AUDIT_WHOLE)
		return;
	if (w->at.id != w->head.id ||
	    (w->noted != NULL && w->noted->id > w->at.id)) {
		report->fault = AUDIT_MISSING;
		report->at_id = w->at.id + 1;
	} else if (memcmp(w->at.hash, w->head.hash,
	    sizeof(w->at.hash)) != 0) {
		report->fault = AUDIT_BROKEN;
		report->at_id = w->at.id;
	}
}

int
audit_verify(struct db *db, const struct audit_anchor *noted,
    struct audit_report *ret)
{
	struct walk w = { .noted = noted, .report = ret };
	uint64_t after;

	memset(ret, 0, sizeof(*ret));
	if (audit_last(db, &w.head.id, w.head.hash) == -1)
		return -1;
	do {
		after = w.at.id;
		if (audit_list(db, after, PAGE, judge, &w) == -1)
			return -1;
	} while (w.at.id > after && w.at.id < w.head.id &&
	    ret->fault == AUDIT_WHOLE);
	judge_end(&w);
	return 0;
}
