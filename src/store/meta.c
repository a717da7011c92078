/*
 * meta: named values of the whole installation (prototypes in
 * store/pluginkeys.h): the canary, the installation's name, and so on.
 */
#include "store/pluginkeys.h"
#include "store/run.h"

int
meta_get(struct db *db, const char *name, struct buf *ret)
{
	struct db_rows rows = DB_ROWS_INIT;
	int rc = db_select(db, &rows, STMT_META_GET, A_STR(name));

	if (rc == 0 && rows_next(&rows)) {
		buf_reset(ret);
		rows.misfit |= buf_puts(ret, rows_text(&rows, 0)) == -1;
		rc = 1;
	}
	return rows_end(db, &rows, rc);
}

int
meta_put_once(struct db *db, const char *name, const char *value)
{
	return db_exec(db, STMT_META_PUT_ONCE, A_STR(name), A_STR(value));
}

int
meta_put(struct db *db, const char *name, const char *value)
{
	return db_exec(db, STMT_META_PUT, A_STR(name), A_STR(value)) == -1 ?
	    -1 : 0;
}
