/*
 * object: one JSON object from outside, read without surprises.
 *
 * The text is checked strictly (base/jsonscan) before json-c sees it;
 * getters never convert one type to another.
 */
#ifndef AUTH_OBJECT_H
#define AUTH_OBJECT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <json-c/json.h>

#define OBJECT_NAMES_MAX	24

/*
 * names: the members that matter; one of them twice makes the object
 * ambiguous and so unusable.  NULL and a phrase in *ret_fault, or an
 * object for json_object_put().
 */
struct json_object *object_read(const char *text, size_t len,
	    const char *const *names, size_t n, const char **ret_fault);
/* It is there, and not null. */
bool	 object_has(struct json_object *, const char *name);
/* NULL: absent, not a string, or with a NUL in it.  Borrowed. */
const char *object_string(struct json_object *, const char *name);
bool	 object_is_true(struct json_object *, const char *name);
/* Whole numbers within [min, max] only; else def. */
int64_t	 object_int(struct json_object *, const char *name, int64_t min,
	    int64_t max, int64_t def);
/* name is an array that holds the string. */
bool	 object_array_has(struct json_object *, const char *name,
	    const char *string);

#endif
