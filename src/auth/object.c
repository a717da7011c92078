/*
 * object: one JSON object from outside, read without surprises.
 *
 * The answers of sign-in providers are read with it.  json-c alone lets
 * through single quotes, NaN, raw control characters and broken UTF-8,
 * keeps the last of two members of one name, and turns any type into
 * any other when asked.
 */
#include <assert.h>
#include <limits.h>
#include <string.h>

#include "auth/object.h"
#include "base/jsonscan.h"

/* NULL when fine, or what is wrong. */
static const char *
check(const char *text, size_t len, const char *const *names, size_t n)
{
	struct jsonscan scan;
	size_t done = 0, take, i;

	do {
		take = n - done;
		if (take > JSONSCAN_WATCH_MAX)
			take = JSONSCAN_WATCH_MAX;
		if (jsonscan_text(&scan, names + done, take, text, len) == -1)
			return jsonscan_fault_text(scan.fault);
		if (scan.top != JSON_OBJECT)
			return "not a JSON object";
		for (i = 0; i < take; i++) {
			if (jsonscan_member(&scan, names[done + i])->count > 1)
				return "a member occurs twice";
		}
		done += take;
	} while (done < n);
	return NULL;
}

struct json_object *
object_read(const char *text, size_t len, const char *const *names, size_t n,
    const char **ret_fault)
{
	struct json_tokener *tokener;
	struct json_object *o;
	const char *fault;

	assert(n <= OBJECT_NAMES_MAX);
	if (len > INT_MAX) {
		*ret_fault = "too long";
		return NULL;
	}
	if ((fault = check(text, len, names, n)) != NULL) {
		*ret_fault = fault;
		return NULL;
	}
	tokener = json_tokener_new_ex(JSONSCAN_DEPTH_MAX + 2);
	if (tokener == NULL) {
		*ret_fault = "no memory";
		return NULL;
	}
	o = json_tokener_parse_ex(tokener, text, (int)len);
	if (!json_object_is_type(o, json_type_object)) {
		*ret_fault = "not a JSON object";
		(void)json_object_put(o);
		o = NULL;
	}
	json_tokener_free(tokener);
	return o;
}

bool
object_has(struct json_object *o, const char *name)
{
	struct json_object *m;

	return json_object_object_get_ex(o, name, &m) && m != NULL;
}

static struct json_object *
member(struct json_object *o, const char *name, enum json_type type)
{
	struct json_object *m;

	if (!json_object_object_get_ex(o, name, &m) ||
	    !json_object_is_type(m, type))
		return NULL;
	return m;
}

const char *
object_string(struct json_object *o, const char *name)
{
	struct json_object *m = member(o, name, json_type_string);
	const char *s;

	if (m == NULL)
		return NULL;
	s = json_object_get_string(m);
	if (strlen(s) != (size_t)json_object_get_string_len(m))
		return NULL;
	return s;
}

bool
object_is_true(struct json_object *o, const char *name)
{
	struct json_object *m = member(o, name, json_type_boolean);

	return m != NULL && json_object_get_boolean(m);
}

int64_t
object_int(struct json_object *o, const char *name, int64_t min, int64_t max,
    int64_t def)
{
	struct json_object *m = member(o, name, json_type_int);
	int64_t value;

	if (m == NULL)
		return def;
	/* Saturates beyond 64 bits, which no caller's range reaches. */
	value = json_object_get_int64(m);
	return value >= min && value <= max ? value : def;
}

bool
object_array_has(struct json_object *o, const char *name, const char *string)
{
	struct json_object *a = member(o, name, json_type_array), *e;
	size_t i;

	for (i = 0; a != NULL && i < json_object_array_length(a); i++) {
		e = json_object_array_get_idx(a, i);
		if (json_object_is_type(e, json_type_string) &&
		    strlen(string) == (size_t)json_object_get_string_len(e) &&
		    strcmp(json_object_get_string(e), string) == 0)
			return true;
	}
	return false;
}
