/*
 * routes: THE table.  A new proxied endpoint is one row.
 */
#ifndef API_ROUTES_H
#define API_ROUTES_H

#include "api/call.h"

const struct route *routes_table(size_t *ret_n);
const struct path_rule *routes_path_rules(size_t *ret_n);
const char *routes_path(size_t i);	/* "none" past the end */
const char *routes_method(size_t i);
/* "none", "jwt", "key" */
const char *routes_auth_name(enum route_auth);

#endif
