/*
 * target: the request target from a route's template.
 *
 * The values were checked against the route's alphabet before; they are
 * encoded all the same, so that a weaker check above never becomes a
 * path of somebody's choice at the upstream.
 */
#include <assert.h>
#include <stddef.h>
#include <string.h>

#include "proxy/target.h"

/* All but unreserved characters and ':', which the upstream's v1beta
 * paths want as it is. */
static int
put_value(struct buf *ret, const char *value)
{
	size_t n;

	if (value[0] == '\0' || strcmp(value, ".") == 0 ||
	    strcmp(value, "..") == 0)
		return -1;
	while (*value != '\0') {
		n = strcspn(value, ":");
		if (buf_percent(ret, value, n) != 0)
			return -1;
		value += n;
		n = strspn(value, ":");
		if (buf_append(ret, value, n) != 0)
			return -1;
		value += n;
	}
	return 0;
}

static const char *
find_value(const char *name, size_t n, const char *const *values,
    const char *plugin_user_id)
{
	static const char own[] = "plugin_user_id";

	if (n == sizeof(own) - 1 && memcmp(name, own, n) == 0)
		return plugin_user_id;
	assert(n == 1 && name[0] >= '0' &&
	    name[0] < '0' + TARGET_VALUES_MAX);
	return values[name[0] - '0'];
}

int
target_build(struct buf *ret, const char *template,
    const char *const values[TARGET_VALUES_MAX], const char *plugin_user_id,
    const char *query)
{
	const char *p = template, *open, *close, *value;

	while ((open = strchr(p, '{')) != NULL) {
		close = strchr(open, '}');
		assert(close != NULL);
		(void)buf_append(ret, p, (size_t)(open - p));
		value = find_value(open + 1, (size_t)(close - open - 1),
		    values, plugin_user_id);
		if (value == NULL || put_value(ret, value) != 0)
			return -1;
		p = close + 1;
	}
	(void)buf_puts(ret, p);
	if (query != NULL && query[0] != '\0') {
		(void)buf_putc(ret, '?');
		(void)buf_puts(ret, query);
	}
	return ret->failed ? -1 : 0;
}
