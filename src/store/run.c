/*
 * run: executes one row of the statement table.
 *
 * Prepares lazily, binds typed arguments, copies results out.  Only the
 * files of this floor call it.  It holds no SQL and knows no table.
 */
#include <assert.h>
#include <stdlib.h>
#include <string.h>

#include "base/secret.h"
#include "base/xmalloc.h"
#include "store/db_private.h"
#include "store/run.h"

#define ARGS_MAX	16
#define COLS_MAX	24
#define EXEC_TRIES	4

struct db_arg
db_arg_str(const char *s)
{
	if (s == NULL)
		return A_NULL;
	return (struct db_arg){ .type = ARG_TEXT, .bytes = s,
	    .len = strlen(s) };
}

static int
stmt_fail(struct db *db, enum stmt_id id, MYSQL_STMT *stmt)
{
	return db_fail(db, id, mysql_stmt_errno(stmt),
	    mysql_stmt_error(stmt));
}

static MYSQL_STMT *
prepare(struct db *db, enum stmt_id id)
{
	const char *sql = stmts[id].sql;
	MYSQL_STMT *stmt = db->prepared[id];

	if (stmt != NULL)
		return stmt;
	stmt = mysql_stmt_init(db->my);
	if (stmt == NULL) {
		(void)db_fail_own(db, DB_WRONG, "out of memory");
		return NULL;
	}
	/* Cached before anything can fail: losing the connection closes
	 * what is cached. */
	db->prepared[id] = stmt;
	if (mysql_stmt_prepare(stmt, sql, (unsigned long)strlen(sql)) != 0) {
		(void)stmt_fail(db, id, stmt);
		if (db->prepared[id] != NULL)
			(void)mysql_stmt_close(stmt);
		db->prepared[id] = NULL;
		return NULL;
	}
	return stmt;
}

static void
bind_args(MYSQL_BIND *bind, const struct db_arg *args, size_t n)
{
	/* enum db_arg_type -> how the server sees it */
	static const enum enum_field_types types[] = {
		[ARG_NULL] = MYSQL_TYPE_NULL,
		[ARG_INT] = MYSQL_TYPE_LONGLONG,
		[ARG_UINT] = MYSQL_TYPE_LONGLONG,
		[ARG_TEXT] = MYSQL_TYPE_STRING,
		[ARG_BYTES] = MYSQL_TYPE_BLOB,
	};

	memset(bind, 0, sizeof(*bind) * ARGS_MAX);
	for (size_t i = 0; i < n; i++) {
		const struct db_arg *a = &args[i];

		/* The library only reads what it is given here. */
		bind[i].buffer_type = types[a->type];
		bind[i].is_unsigned = a->type == ARG_UINT;
		bind[i].buffer = (void *)(uintptr_t)(a->bytes != NULL ?
		    a->bytes : &a->num);
		bind[i].buffer_length = (unsigned long)a->len;
	}
}

/* Ready, prepared, bound, executed: the statement, or NULL. */
static MYSQL_STMT *
execute(struct db *db, enum stmt_id id, const struct db_arg *args, size_t n)
{
	MYSQL_BIND bind[ARGS_MAX];
	MYSQL_STMT *stmt;

	assert(stmt_allowed(id, db->role));
	assert(n <= ARGS_MAX);
	if (db_ready(db) == -1)
		return NULL;
	stmt = prepare(db, id);
	if (stmt == NULL)
		return NULL;
	assert(mysql_stmt_param_count(stmt) == n);
	bind_args(bind, args, n);
	if ((n > 0 && mysql_stmt_bind_param(stmt, bind) != 0) ||
	    mysql_stmt_execute(stmt) != 0) {
		(void)stmt_fail(db, id, stmt);
		return NULL;
	}
	return stmt;
}

int
db_exec_args(struct db *db, enum stmt_id id, const struct db_arg *args,
    size_t n)
{
	MYSQL_STMT *stmt;

	for (int i = 1;; i++) {
		stmt = execute(db, id, args, n);
		if (stmt != NULL)
			break;
		if (db->in_transaction || db->fault != DB_RETRY ||
		    i == EXEC_TRIES)
			return -1;
		db_jitter();
	}
	db->proven = true;
	db->insert_id = mysql_stmt_insert_id(stmt);
	return (int)mysql_stmt_affected_rows(stmt);
}

uint64_t
db_insert_id(const struct db *db)
{
	return db->insert_id;
}

static bool
is_integer(enum enum_field_types type)
{
	return type == MYSQL_TYPE_TINY || type == MYSQL_TYPE_SHORT ||
	    type == MYSQL_TYPE_LONG || type == MYSQL_TYPE_INT24 ||
	    type == MYSQL_TYPE_LONGLONG || type == MYSQL_TYPE_YEAR;
}

/* What a row is fetched into: integers at once, the rest by length. */
struct fetch {
	MYSQL_BIND	 bind[COLS_MAX];
	int64_t		 num[COLS_MAX];
	unsigned long	 len[COLS_MAX];
	my_bool		 is_null[COLS_MAX];
	bool		 integer[COLS_MAX];
	char		 nothing;
};

static int
fetch_init(MYSQL_STMT *stmt, struct fetch *f, size_t n_cols)
{
	MYSQL_RES *meta = mysql_stmt_result_metadata(stmt);

	if (meta == NULL)
		return -1;
	memset(f, 0, sizeof(*f));
	for (size_t i = 0; i < n_cols; i++) {
		const MYSQL_FIELD *field =
		    mysql_fetch_field_direct(meta, (unsigned)i);

		f->integer[i] = is_integer(field->type);
		f->bind[i].is_null = &f->is_null[i];
		f->bind[i].length = &f->len[i];
		f->bind[i].buffer_type = f->integer[i] ?
		    MYSQL_TYPE_LONGLONG : MYSQL_TYPE_STRING;
		f->bind[i].is_unsigned =
		    (field->flags & UNSIGNED_FLAG) != 0;
		f->bind[i].buffer = f->integer[i] ? (void *)&f->num[i] :
		    (void *)&f->nothing;
		f->bind[i].buffer_length = 0;
	}
	mysql_free_result(meta);
	return mysql_stmt_bind_result(stmt, f->bind) != 0 ? -1 : 0;
}

static struct db_cell *
cell_add(struct db_rows *rows)
{
	if (rows->n_cells == rows->cap_cells) {
		rows->cap_cells = rows->cap_cells == 0 ? 32 :
		    rows->cap_cells * 2;
		rows->cells = xreallocarray(rows->cells, rows->cap_cells,
		    sizeof(*rows->cells));
	}
	memset(&rows->cells[rows->n_cells], 0, sizeof(*rows->cells));
	return &rows->cells[rows->n_cells++];
}

static int
copy_cell(MYSQL_STMT *stmt, struct fetch *f, unsigned col,
    struct db_rows *rows)
{
	struct db_cell *cell = cell_add(rows);
	MYSQL_BIND bind = { 0 };

	cell->is_null = f->is_null[col] != 0;
	if (cell->is_null)
		return 0;
	if (f->integer[col]) {
		cell->num = f->num[col];
		return 0;
	}
	cell->off = rows->bytes.len;
	cell->len = f->len[col];
	if (buf_reserve(&rows->bytes, cell->len + 1) == -1)
		return -1;
	bind.buffer_type = MYSQL_TYPE_STRING;
	bind.buffer = rows->bytes.data + cell->off;
	bind.buffer_length = cell->len;
	if (cell->len > 0 && mysql_stmt_fetch_column(stmt, &bind, col, 0) != 0)
		return -1;
	rows->bytes.len += cell->len;
	return buf_putc(&rows->bytes, '\0');
}

static int
copy_result(MYSQL_STMT *stmt, struct db_rows *rows)
{
	struct fetch f;
	int rc;

	rows->n_cols = mysql_stmt_field_count(stmt);
	assert(rows->n_cols > 0 && rows->n_cols <= COLS_MAX);
	if (mysql_stmt_store_result(stmt) != 0 ||
	    fetch_init(stmt, &f, rows->n_cols) == -1)
		return -1;
	while ((rc = mysql_stmt_fetch(stmt)) == 0 ||
	    rc == MYSQL_DATA_TRUNCATED)
		for (unsigned i = 0; i < rows->n_cols; i++)
			if (copy_cell(stmt, &f, i, rows) == -1)
				return -1;
	return rc == MYSQL_NO_DATA ? 0 : -1;
}

static int
select_once(struct db *db, struct db_rows *rows, enum stmt_id id,
    const struct db_arg *args, size_t n)
{
	MYSQL_STMT *stmt = execute(db, id, args, n);

	if (stmt == NULL)
		return -1;
	if (copy_result(stmt, rows) == -1) {
		if (mysql_stmt_errno(stmt) != 0)
			return stmt_fail(db, id, stmt);
		(void)mysql_stmt_free_result(stmt);
		return db_fail_own(db, DB_WRONG, "the result is too large");
	}
	(void)mysql_stmt_free_result(stmt);
	db->proven = true;
	return 0;
}

int
db_select_args(struct db *db, struct db_rows *rows, enum stmt_id id,
    const struct db_arg *args, size_t n)
{
	bool proven = db->my != NULL && db->proven;
	int rc = select_once(db, rows, id, args, n);

	if (rc == 0 || db->in_transaction)
		return rc;
	if (db->fault != DB_RETRY && !(db->fault == DB_GONE && proven))
		return rc;
	rows->n_cells = 0;
	rows->bytes.len = 0;
	return select_once(db, rows, id, args, n);
}

bool
rows_next(struct db_rows *rows)
{
	if (rows->next >= rows->n_cells)
		return false;
	rows->row = &rows->cells[rows->next];
	rows->next += rows->n_cols;
	return true;
}

bool
rows_null(const struct db_rows *rows, size_t col)
{
	assert(rows->row != NULL && col < rows->n_cols);
	return rows->row[col].is_null;
}

int64_t
rows_i64(const struct db_rows *rows, size_t col)
{
	assert(rows->row != NULL && col < rows->n_cols);
	return rows->row[col].num;
}

uint64_t
rows_u64(const struct db_rows *rows, size_t col)
{
	return (uint64_t)rows_i64(rows, col);
}

bool
rows_bool(const struct db_rows *rows, size_t col)
{
	return rows_i64(rows, col) != 0;
}

const char *
rows_text(const struct db_rows *rows, size_t col)
{
	assert(rows->row != NULL && col < rows->n_cols);
	if (rows->row[col].is_null || rows->bytes.data == NULL)
		return "";
	return rows->bytes.data + rows->row[col].off;
}

void
rows_str(struct db_rows *rows, size_t col, char *ret, size_t size)
{
	const char *text = rows_text(rows, col);
	size_t len = rows->row[col].len;

	if (len >= size || strlen(text) != len) {
		rows->misfit = true;
		len = 0;
	}
	memcpy(ret, text, len);
	ret[len] = '\0';
}

void
rows_bytes(struct db_rows *rows, size_t col, unsigned char *ret, size_t len)
{
	const char *bytes = rows_text(rows, col);

	memset(ret, 0, len);
	if (rows->row[col].len == len)
		memcpy(ret, bytes, len);
	else
		rows->misfit = true;
}

int
rows_end(struct db *db, struct db_rows *rows, int result)
{
	bool misfit = rows->misfit;

	buf_wipe(&rows->bytes);
	free(rows->cells);
	*rows = (struct db_rows)DB_ROWS_INIT;
	if (!misfit || result == -1)
		return result;
	return db_fail_own(db, DB_WRONG, "a value in the database is longer"
	    " than its place");
}
