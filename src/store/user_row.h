/* user_row: the columns of a user, for users.c and signin.c. */
#ifndef STORE_USER_ROW_H
#define STORE_USER_ROW_H

#include "store/run.h"
#include "store/users.h"

void	 user_from_row(struct db_rows *, struct user *ret);

#endif
