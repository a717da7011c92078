/*
 * settings_name: which directive a name means, or might have meant.
 *
 * Called by settings.c while it reads a source.  Names come from the
 * environment and may hold any byte.
 */
#include <string.h>

#include "base/settings_private.h"

bool
settings_name_fits(const char *pattern, const char *name, size_t n,
    size_t *ret_at, size_t *ret_len)
{
	const char *star = strchr(pattern, '*');
	size_t before = (size_t)(star - pattern), after = strlen(star + 1);
	size_t i, len;

	if (n <= before + after || strncmp(name, pattern, before) != 0 ||
	    strncmp(name + n - after, star + 1, after) != 0)
		return false;
	len = n - before - after;
	name += before;
	for (i = 0; i < len; i++) {
		if ((name[i] >= 'A' && name[i] <= 'Z') ||
		    (name[i] >= '0' && name[i] <= '9'))
			continue;
		if (name[i] != '_' || i == 0 || i + 1 == len ||
		    name[i - 1] == '_')
			return false;
	}
	*ret_at = before;
	*ret_len = len;
	return true;
}

/* Levenshtein's; of b only the first SETTINGS_NAME_MAX characters. */
static size_t
edit_distance(const char *a, const char *b)
{
	size_t row[SETTINGS_NAME_MAX + 1];
	size_t n = strnlen(b, SETTINGS_NAME_MAX), i, j;

	for (j = 0; j <= n; j++)
		row[j] = j;
	for (i = 0; a[i] != '\0'; i++) {
		size_t diagonal = row[0];

		row[0] = i + 1;
		for (j = 1; j <= n; j++) {
			size_t best = diagonal + (a[i] != b[j - 1]);

			if (row[j - 1] + 1 < best)
				best = row[j - 1] + 1;
			if (row[j] + 1 < best)
				best = row[j] + 1;
			diagonal = row[j];
			row[j] = best;
		}
	}
	return row[n];
}

const char *
settings_name_nearest(const struct directive *table, size_t n_rows,
    const char *name)
{
	const char *nearest = NULL;
	size_t best = SIZE_MAX, i;

	for (i = 0; i < n_rows; i++) {
		size_t d = edit_distance(name, table[i].name);

		if (d < best) {
			best = d;
			nearest = table[i].name;
		}
	}
	return nearest;
}
