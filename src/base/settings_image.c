/*
 * settings_image: reading and writing the flat image of the settings.
 *
 * Every process reads its configuration here.  An image that came
 * through a pipe is looked at by settings_check() once; after that the
 * readers trust its offsets.
 */
#include <assert.h>
#include <string.h>

#include "base/secret.h"
#include "base/settings_private.h"

/* Where entry i lies. */
static size_t
entry_offset(size_t i)
{
	return sizeof(struct settings) + i * sizeof(struct settings_entry);
}

struct settings_entry
settings_entry_at(const struct settings *s, size_t i)
{
	struct settings_entry e;

	assert(i < s->n_entries);
	memcpy(&e, (const char *)s + entry_offset(i), sizeof(e));
	return e;
}

int
settings_image_begin(struct settings *ret, size_t n)
{
	if (n > (SETTINGS_MAX - sizeof(*ret) - 1) /
	    sizeof(struct settings_entry))
		return -1;
	ret->n_entries = (uint32_t)n;
	/* One NUL ends the strings, so that a check of it covers all. */
	ret->size = (uint32_t)entry_offset(n) + 1;
	memset((char *)ret + sizeof(*ret), 0, ret->size - sizeof(*ret));
	return 0;
}

/* Adds a string behind the last one; 0 when there is no room. */
static uint32_t
put_string(struct settings *ret, const char *s)
{
	size_t n = strlen(s) + 1;
	uint32_t at = ret->size;

	if (n > SETTINGS_MAX - at)
		return 0;
	memcpy((char *)ret + at, s, n);
	ret->size += (uint32_t)n;
	return at;
}

int
settings_image_put(struct settings *ret, size_t i, struct settings_entry e,
    const char *value, const char *star)
{
	assert(i < ret->n_entries);
	e.value_at = e.star_at = 0;
	if (value != NULL && (e.value_at = put_string(ret, value)) == 0)
		return -1;
	if (star != NULL && (e.star_at = put_string(ret, star)) == 0)
		return -1;
	memcpy((char *)ret + entry_offset(i), &e, sizeof(e));
	return 0;
}

static const char *
string_at(const struct settings *s, uint32_t at)
{
	return at != 0 ? (const char *)s + at : NULL;
}

void
settings_filter(const struct directive *table, size_t n_rows,
    const struct settings *s, unsigned role, struct settings *ret)
{
	size_t i;
	int r;

	r = settings_image_begin(ret, s->n_entries);
	assert(r == 0);
	for (i = 0; i < s->n_entries; i++) {
		struct settings_entry e = settings_entry_at(s, i);
		const char *value = string_at(s, e.value_at);

		assert(e.row < n_rows);
		if ((table[e.row].roles & role) == 0) {
			value = NULL;
			e.num = 0;
			e.origin = ORIGIN_DEFAULT;
		}
		r = settings_image_put(ret, i, e, value,
		    string_at(s, e.star_at));
		assert(r == 0);
	}
}

static bool
entry_is_good(const struct settings *s, size_t i, size_t n_rows)
{
	struct settings_entry e = settings_entry_at(s, i);
	size_t strings = entry_offset(s->n_entries);

	if (e.row >= n_rows || e.type > SETTING_CHOICE ||
	    e.origin >= ORIGIN_MAX)
		return false;
	if (i < n_rows ? e.row != i || e.star_at != 0 : e.star_at == 0)
		return false;
	return (e.value_at == 0 ||
	    (e.value_at >= strings && e.value_at < s->size)) &&
	    (e.star_at == 0 ||
	    (e.star_at >= strings && e.star_at < s->size));
}

int
settings_check(const struct settings *s, size_t size, size_t n_rows)
{
	size_t i;

	if (size < sizeof(*s) || s->size > size || s->size > SETTINGS_MAX ||
	    s->n_entries < n_rows ||
	    s->n_entries > SETTINGS_MAX / sizeof(struct settings_entry) ||
	    s->size <= entry_offset(s->n_entries) ||
	    ((const char *)s)[s->size - 1] != '\0')
		return -1;
	for (i = 0; i < s->n_entries; i++)
		if (!entry_is_good(s, i, n_rows))
			return -1;
	return 0;
}

const char *
settings_str(const struct settings *s, size_t row)
{
	return string_at(s, settings_entry_at(s, row).value_at);
}

int64_t
settings_int(const struct settings *s, size_t row)
{
	struct settings_entry e = settings_entry_at(s, row);

	assert(e.type == SETTING_INT || e.type == SETTING_BYTES ||
	    e.type == SETTING_CHOICE);
	return e.num;
}

int64_t
settings_ms(const struct settings *s, size_t row)
{
	struct settings_entry e = settings_entry_at(s, row);

	assert(e.type == SETTING_SECONDS);
	return e.num;
}

bool
settings_bool(const struct settings *s, size_t row)
{
	struct settings_entry e = settings_entry_at(s, row);

	assert(e.type == SETTING_BOOL);
	return e.num != 0;
}

enum setting_origin
settings_origin(const struct settings *s, size_t row)
{
	return (enum setting_origin)settings_entry_at(s, row).origin;
}

const char *
settings_pattern(const struct settings *s, size_t row, size_t i,
    const char **ret_star)
{
	size_t k;

	for (k = row + 1; k < s->n_entries; k++) {
		struct settings_entry e = settings_entry_at(s, k);

		if (e.row != row || e.star_at == 0 || e.value_at == 0)
			continue;
		if (i-- > 0)
			continue;
		*ret_star = string_at(s, e.star_at);
		return string_at(s, e.value_at);
	}
	return NULL;
}

const char *
settings_origin_name(enum setting_origin origin)
{
	static const char *const name[ORIGIN_MAX] = {
		[ORIGIN_DEFAULT] = "default",
		[ORIGIN_FILE] = "file",
		[ORIGIN_ENVIRONMENT] = "environment",
	};

	assert((unsigned)origin < ORIGIN_MAX);
	return name[origin];
}
