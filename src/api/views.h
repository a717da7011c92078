/*
 * views: our own objects as JSON.
 */
#ifndef API_VIEWS_H
#define API_VIEWS_H

#include <stdbool.h>
#include <stdint.h>

#include "base/buf.h"
#include "store/users.h"

void	 view_time(struct buf *, int64_t wall_us);	/* 0: null */
void	 view_user(struct buf *, const struct user *);

#endif
