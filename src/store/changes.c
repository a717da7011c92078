/*
 * changes: the log that keepers poll.
 *
 * change_note() is called inside the transaction that makes the change,
 * so that neither can be without the other.
 */
#include "store/changes.h"
#include "store/run.h"

int
change_note(struct db *db, enum change_kind kind, uint64_t ref)
{
	return db_exec(db, STMT_CHANGE_NOTE, A_I64(kind), A_U64(ref)) == -1 ?
	    -1 : 0;
}

int
change_list(struct db *db, unsigned within_s,
    void (*each)(void *, uint64_t, enum change_kind, uint64_t), void *arg)
{
	struct db_rows rows = DB_ROWS_INIT;
	int rc = db_select(db, &rows, STMT_CHANGE_LIST, A_U64(within_s));

	while (rc == 0 && rows_next(&rows))
		each(arg, rows_u64(&rows, 0),
		    (enum change_kind)rows_i64(&rows, 1),
		    rows_u64(&rows, 2));
	return rows_end(db, &rows, rc);
}

int
change_purge(struct db *db, unsigned older_than_s, unsigned limit)
{
	return db_exec(db, STMT_CHANGE_PURGE, A_U64(older_than_s),
	    A_U64(limit)) == -1 ? -1 : 0;
}
