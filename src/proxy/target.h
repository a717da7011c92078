/*
 * target: the request target from a route's template.
 */
#ifndef PROXY_TARGET_H
#define PROXY_TARGET_H

#include "base/buf.h"

#define TARGET_VALUES_MAX	4

/*
 * Appends to ret the template with {0}..{3} and {plugin_user_id} put in,
 * each percent-encoded but for ':', and "?query" when there is one.
 * -1: a value is empty, "." or "..", or the whole does not fit.
 */
int	 target_build(struct buf *ret, const char *template,
	    const char *const values[TARGET_VALUES_MAX],
	    const char *plugin_user_id, const char *query)
	    __attribute__((warn_unused_result));

#endif
