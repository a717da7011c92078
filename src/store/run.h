/*
 * run: statements by id, with typed arguments and results.
 *
 * A statement is prepared at its first use on a connection.  The whole
 * result is copied out before the caller sees it, so other statements
 * may run while it is read, even ones that lose the connection.
 */
#ifndef STORE_RUN_H
#define STORE_RUN_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/buf.h"
#include "store/db.h"
#include "store/stmts.h"

enum db_arg_type { ARG_NULL, ARG_INT, ARG_UINT, ARG_TEXT, ARG_BYTES };

struct db_arg {
	enum db_arg_type type;
	int64_t		 num;
	const void	*bytes;
	size_t		 len;
};

#define A_I64(v)	((struct db_arg){ .type = ARG_INT, .num = (v) })
#define A_U64(v)	((struct db_arg){ .type = ARG_UINT,		\
			    .num = (int64_t)(v) })
#define A_NULL		((struct db_arg){ .type = ARG_NULL })
#define A_STR(s)	db_arg_str(s)		/* NULL: SQL's NULL */
#define A_BYTES(p, n)	((struct db_arg){ .type = ARG_BYTES,		\
			    .bytes = (p), .len = (n) })

struct db_arg db_arg_str(const char *);

/* The first element keeps the array from being empty. */
#define DB_ARGS_(...)							\
	(const struct db_arg[]){ A_NULL, ##__VA_ARGS__ } + 1,		\
	sizeof((const struct db_arg[]){ A_NULL, ##__VA_ARGS__ }) /	\
	sizeof(struct db_arg) - 1

/*
 * Runs a statement without a result; returns the affected rows, or -1.
 * Outside a transaction a deadlock is tried again.
 */
#define db_exec(db, id, ...)	db_exec_args(db, id, DB_ARGS_(__VA_ARGS__))
int	 db_exec_args(struct db *, enum stmt_id, const struct db_arg *,
	    size_t n) __attribute__((warn_unused_result));
uint64_t db_insert_id(const struct db *);
/* The last failure: a row was to refer to one that is not there. */
bool	 db_parent_missing(const struct db *);

struct db_cell {
	bool		 is_null;
	int64_t		 num;		/* integers */
	size_t		 off, len;	/* the rest: place in bytes */
};

struct db_rows {
	struct buf	 bytes;
	struct db_cell	*cells;
	size_t		 n_cells, cap_cells, n_cols;
	size_t		 next;		/* cell where the next row starts */
	const struct db_cell *row;	/* the current one */
	bool		 misfit;	/* a value did not fit its place */
};

#define DB_ROWS_INIT	{ .bytes = BUF_INIT(64u << 20) }

/*
 * Runs a SELECT and copies its result; 0 or -1.  Outside a transaction
 * a connection that had died while idle is opened again once.
 */
#define db_select(db, rows, id, ...)					\
	db_select_args(db, rows, id, DB_ARGS_(__VA_ARGS__))
int	 db_select_args(struct db *, struct db_rows *, enum stmt_id,
	    const struct db_arg *, size_t n)
	    __attribute__((warn_unused_result));
bool	 rows_next(struct db_rows *);

/* Of the current row; NULL gives 0 and "". */
bool	 rows_null(const struct db_rows *, size_t col);
int64_t	 rows_i64(const struct db_rows *, size_t col);
uint64_t rows_u64(const struct db_rows *, size_t col);
bool	 rows_bool(const struct db_rows *, size_t col);
/* Lives until rows_end. */
const char *rows_text(const struct db_rows *, size_t col);
/* A value that does not fit is a fault, seen in rows_end. */
void	 rows_str(struct db_rows *, size_t col, char *ret, size_t size);
void	 rows_bytes(struct db_rows *, size_t col, unsigned char *ret,
	    size_t len);
/* Wipes and frees; returns result, or -1 when something did not fit. */
int	 rows_end(struct db *, struct db_rows *, int result);

/*
 * As db_transaction, and runs the whole again after a commit of unknown
 * outcome too: for bodies that do no harm when run twice.
 */
int	 db_transaction_again(struct db *,
	    int (*body)(struct db *, void *), void *arg)
	    __attribute__((warn_unused_result));
/* Sleeps 20 to 200 ms, at random. */
void	 db_jitter(void);
/*
 * For reads that decide: body(arg) in a transaction that sees every
 * commit done before, on any node of a cluster, and is rolled back.
 * Returns what body returned; on -1 it has been tried again.
 */
int	 db_decide(struct db *, int (*body)(struct db *, void *), void *arg)
	    __attribute__((warn_unused_result));

#endif
