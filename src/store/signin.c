/*
 * signin: the one transaction of a sign-in (user_sign_in).
 *
 * Two first sign-ins of one person at once: both find nobody, both
 * insert; the unique keys of username and identity let one through, the
 * other rolls back, starts over and finds what the first one made.  So
 * a duplicate is never handled inside the transaction that met it (the
 * locks it holds by then would only make deadlocks).
 */
#include <stdio.h>
#include <string.h>

#include "base/codec.h"
#include "store/audit.h"
#include "store/changes.h"
#include "store/db_private.h"
#include "store/jobs.h"
#include "store/user_row.h"
#include "store/users.h"

#define COUNTED_NAMES	9	/* name, name-2, ... name-9 */
#define NAME_TRIES	14	/* then name-<8 hex digits> */
#define RACE_TRIES	8

/* Why the transaction was rolled back on purpose. */
enum { STOP_DECIDED = 1, STOP_NAME_TAKEN, STOP_RACED };

struct signin {
	const struct identity *who;
	const struct signin_policy *policy;
	unsigned	 name_try;
	uint64_t	 made_id;	/* inserted; committed or not */
	enum signin_result result;
	struct user	*ret;
};

/* Bytes of the first n characters of valid UTF-8. */
static size_t
prefix_len(const char *s, size_t n)
{
	size_t i;

	for (i = 0; s[i] != '\0'; i++)
		if (((unsigned char)s[i] & 0xc0) != 0x80 && n-- == 0)
			break;
	return i;
}

static void
make_name(const struct signin *si, char ret[USER_NAME_MAX * 4 + 1])
{
	const char *name = si->who->username;
	char suffix[16] = "";
	unsigned char random[4];
	size_t len;

	if (name == NULL || name[0] == '\0' ||
	    !utf8_valid(name, strlen(name)))
		name = "user";
	if (si->name_try >= COUNTED_NAMES) {
		random_bytes(random, sizeof(random));
		suffix[0] = '-';
		hex_encode(random, sizeof(random), suffix + 1);
	} else if (si->name_try > 0) {
		(void)snprintf(suffix, sizeof(suffix), "-%u",
		    si->name_try + 1);
	}
	len = prefix_len(name, USER_NAME_MAX - strlen(suffix));
	memcpy(ret, name, len);
	memcpy(ret + len, suffix, strlen(suffix) + 1);
}

/* NULL (leave as it is) for what cannot be kept. */
static const char *
usable_avatar(const char *url)
{
	if (url == NULL || url[0] == '\0' ||
	    !utf8_valid(url, strlen(url)) ||
	    utf8_count(url, strlen(url)) > USER_AVATAR_MAX)
		return NULL;
	return url;
}

static int
find(struct db *db, const struct identity *who, struct user *ret)
{
	struct db_rows rows = DB_ROWS_INIT;
	int rc = db_select(db, &rows, STMT_USER_BY_IDENTITY,
	    A_STR(who->provider), A_STR(who->subject));

	if (rc == 0 && rows_next(&rows)) {
		user_from_row(&rows, ret);
		rc = 1;
	}
	return rows_end(db, &rows, rc);
}

/* Whose sign-in it was, and how. */
static int
note_success(struct db *db, const struct signin *si)
{
	struct buf detail = BUF_INIT(AUDIT_DETAIL_MAX);
	int rc;

	buf_puts(&detail, "{\"provider\":");
	buf_json_cstr(&detail, si->who->provider);
	buf_printf(&detail, ",\"new\":%s}",
	    si->result == SIGNIN_CREATED ? "true" : "false");
	rc = audit_note_user(db, AUDIT_SIGN_IN, si->ret->id,
	    buf_str(&detail));
	buf_free(&detail);
	return rc;
}

/* Nothing was changed; that it was tried is told all the same.  A
 * refusal stays one when that cannot be written. */
static void
note_refusal(struct db *db, const struct signin *si)
{
	static const char *const why[] = {
		[SIGNIN_DISABLED] = "{\"why\":\"disabled\"}",
		[SIGNIN_CLOSED] = "{\"why\":\"no_new_accounts\"}",
		[SIGNIN_TRUST] = "{\"why\":\"trust_level\"}",
	};
	struct buf subject = BUF_INIT(AUDIT_DETAIL_MAX);

	if (si->result == SIGNIN_DISABLED)
		buf_printf(&subject, "user:%llu",
		    (unsigned long long)si->ret->id);
	else
		buf_printf(&subject, "identity:%s:%s", si->who->provider,
		    si->who->subject);
	(void)audit_note_alone(db, AUDIT_SIGN_IN_REFUSED, buf_str(&subject),
	    why[si->result]);
	buf_free(&subject);
}

static int
returning(struct db *db, struct signin *si)
{
	uint64_t id = si->ret->id;

	if (!si->ret->is_active) {
		si->result = SIGNIN_DISABLED;
		return STOP_DECIDED;
	}
	if (db_exec(db, STMT_USER_SIGNED_IN,
	    A_STR(usable_avatar(si->who->avatar_url)),
	    A_I64(si->who->trust_level), A_U64(id)) == -1)
		return -1;
	if (job_queue(db, id, JOB_CREATE, 0) == -1)
		return -1;
	if (user_by_id(db, id, si->ret) != 1)
		return -1;
	/* Ours from a run whose commit was of unknown outcome. */
	si->result = id == si->made_id ? SIGNIN_CREATED : SIGNIN_OK;
	return note_success(db, si);
}

/* -1, or stop when a unique key judged. */
static int
judged(struct db *db, int stop)
{
	return db_fault(db) == DB_DUPLICATE ? stop : -1;
}

static int
newcomer(struct db *db, struct signin *si)
{
	char name[USER_NAME_MAX * 4 + 1];
	const struct identity *who = si->who;

	if (!si->policy->allow_new || who->trust_level <
	    si->policy->min_trust_level) {
		si->result = si->policy->allow_new ? SIGNIN_TRUST :
		    SIGNIN_CLOSED;
		return STOP_DECIDED;
	}
	make_name(si, name);
	if (db_exec(db, STMT_USER_INSERT, A_STR(name),
	    A_STR(usable_avatar(who->avatar_url)),
	    A_I64(who->trust_level)) == -1)
		return judged(db, STOP_NAME_TAKEN);
	si->made_id = db_insert_id(db);
	if (db_exec(db, STMT_IDENTITY_INSERT, A_STR(who->provider),
	    A_STR(who->subject), A_U64(si->made_id)) == -1)
		return judged(db, STOP_RACED);
	if (db_exec(db, STMT_JOB_INSERT, A_STR(job_kind_name(JOB_CREATE)),
	    A_U64(si->made_id)) == -1)
		return -1;
	if (user_by_id(db, si->made_id, si->ret) != 1)
		return -1;
	si->result = SIGNIN_CREATED;
	return note_success(db, si);
}

static int
body(struct db *db, void *arg)
{
	struct signin *si = arg;
	int rc = find(db, si->who, si->ret);

	if (rc == -1)
		return -1;
	return rc == 1 ? returning(db, si) : newcomer(db, si);
}

int
user_sign_in(struct db *db, const struct identity *who,
    const struct signin_policy *policy, enum signin_result *ret_result,
    struct user *ret)
{
	struct user user;
	struct signin si = { .who = who, .policy = policy, .ret = &user };
	unsigned races = 0;
	int rc;

	memset(&user, 0, sizeof(user));
	for (;;) {
		rc = db_transaction_again(db, body, &si);
		if (rc == STOP_NAME_TAKEN && ++si.name_try < NAME_TRIES)
			continue;
		if (rc == STOP_RACED && ++races < RACE_TRIES)
			continue;
		break;
	}
	if (rc == STOP_NAME_TAKEN || rc == STOP_RACED)
		return db_fail_own(db, DB_DUPLICATE, "sign-in: the unique"
		    " keys refused every try");
	if (rc == -1)
		return -1;
	if (rc == STOP_DECIDED)
		note_refusal(db, &si);
	*ret_result = si.result;
	*ret = user;
	return 0;
}
