/*
 * orphans: leases by name, and the sweeper's memory of upstream
 * accounts that nobody is bound to.
 *
 * Ages are by the database's clock, so a host whose clock jumps neither
 * keeps a lease too long nor ends a quarantine early.
 */
#include <stdio.h>

#include "store/audit.h"
#include "store/jobs.h"
#include "store/run.h"

int
lease_take(struct db *db, const char *name, const char *owner,
    unsigned lease_s)
{
	int n = db_exec(db, STMT_LEASE_TAKE, A_STR(owner), A_U64(lease_s),
	    A_STR(name), A_STR(owner));

	if (n != 0)
		return n;
	return db_exec(db, STMT_LEASE_ADD, A_STR(name), A_STR(owner),
	    A_U64(lease_s));
}

static void
orphan_from_row(struct db_rows *rows, struct orphan *ret)
{
	rows_str(rows, 0, ret->plugin_user_id,
	    sizeof(ret->plugin_user_id));
	rows_str(rows, 1, ret->marker, sizeof(ret->marker));
	ret->first_seen_s = rows_i64(rows, 2);
	ret->disabled = rows_bool(rows, 3);
	ret->deleted = rows_bool(rows, 4);
	ret->disabled_s = rows_i64(rows, 5);
}

int
orphan_see(struct db *db, const char *plugin_user_id, const char *marker,
    struct orphan *ret)
{
	struct db_rows rows = DB_ROWS_INIT;
	int rc;

	if (db_exec(db, STMT_ORPHAN_SEE, A_STR(plugin_user_id),
	    A_STR(marker)) == -1)
		return -1;
	rc = db_select(db, &rows, STMT_ORPHAN_GET, A_STR(plugin_user_id));
	if (rc == 0 && rows_next(&rows))
		orphan_from_row(&rows, ret);
	return rows_end(db, &rows, rc);
}

int
orphan_note_disabled(struct db *db, const char *plugin_user_id)
{
	return db_exec(db, STMT_ORPHAN_DISABLED,
	    A_STR(plugin_user_id)) == -1 ? -1 : 0;
}

int
orphan_note_deleted(struct db *db, const char *plugin_user_id)
{
	return db_exec(db, STMT_ORPHAN_DELETED,
	    A_STR(plugin_user_id)) == -1 ? -1 : 0;
}

struct swept {
	const char	*plugin_user_id, *marker;
	bool		 deleted;
};

static int
swept_body(struct db *db, void *arg)
{
	const struct swept *s = arg;
	struct buf detail = BUF_INIT(AUDIT_DETAIL_MAX);
	char subject[128];
	int rc = s->deleted ? orphan_note_deleted(db, s->plugin_user_id) :
	    orphan_note_disabled(db, s->plugin_user_id);

	(void)snprintf(subject, sizeof(subject), "account:%s",
	    s->plugin_user_id);
	buf_puts(&detail, "{\"marker\":");
	buf_json_cstr(&detail, s->marker);
	buf_puts(&detail, "}");
	if (rc == 0)
		rc = audit_note(db, s->deleted ? AUDIT_ORPHAN_DELETE :
		    AUDIT_ORPHAN_DISABLE, subject, buf_str(&detail));
	buf_free(&detail);
	return rc;
}

int
orphan_swept(struct db *db, const char *plugin_user_id, const char *marker,
    bool deleted)
{
	struct swept s = { plugin_user_id, marker, deleted };

	return db_transaction_again(db, swept_body, &s);
}

int
orphan_forget(struct db *db, const char *plugin_user_id)
{
	return db_exec(db, STMT_ORPHAN_FORGET,
	    A_STR(plugin_user_id)) == -1 ? -1 : 0;
}

int
orphan_list(struct db *db, void (*each)(void *, const struct orphan *),
    void *arg)
{
	struct db_rows rows = DB_ROWS_INIT;
	struct orphan orphan;
	int rc = db_select(db, &rows, STMT_ORPHAN_LIST);

	while (rc == 0 && rows_next(&rows)) {
		orphan_from_row(&rows, &orphan);
		each(arg, &orphan);
	}
	return rows_end(db, &rows, rc);
}
