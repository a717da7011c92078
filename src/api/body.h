/*
 * body: reads and checks the JSON body of a call, by its row's rules.
 */
#ifndef API_BODY_H
#define API_BODY_H

#include "api/call.h"

/* 0 to go on, or the status of a problem that was set. */
int	 body_take(struct call *);
/* Appends the checked query of the row, encoded; 0 or a status. */
int	 query_take(struct call *, struct buf *ret);

#endif
