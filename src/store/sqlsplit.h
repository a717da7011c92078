/* sqlsplit: cuts a migration file into its statements. */
#ifndef STORE_SQLSPLIT_H
#define STORE_SQLSPLIT_H

#include <stddef.h>

/*
 * The next statement of [*pos, end): its start, its length in *ret_len
 * (without the ';', and without white space and comments in front), and
 * *pos moved behind it.  NULL with *ret_len 0 at the end; NULL with
 * *ret_len 1 when a string or comment is not closed.
 */
const char *sqlsplit_next(const char **pos, const char *end,
	    size_t *ret_len);

#endif
