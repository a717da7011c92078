/* settings_private: what the files of the settings share. */
#ifndef BASE_SETTINGS_PRIVATE_H
#define BASE_SETTINGS_PRIVATE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/buf.h"
#include "base/settings.h"

/*
 * The image:
 *
 *	struct settings | entry 0 .. n_entries - 1 | strings, NUL-ended
 *
 * Entry i < n_rows is that of the table's row i; behind them come the
 * entries of PATTERN rows, one for each name found.  Offsets count from
 * the start of the image, 0 means none.  An image may lie at any
 * address, so entries are copied in and out.
 */
struct settings_entry {
	uint32_t	 row;
	uint8_t		 type;		/* enum setting_type */
	uint8_t		 origin;	/* enum setting_origin */
	uint16_t	 unused;
	uint32_t	 value_at;
	uint32_t	 star_at;
	int64_t		 num;
};

struct settings_entry settings_entry_at(const struct settings *, size_t i);
/* Empties ret and makes room for n entries; -1 when they do not fit. */
int	 settings_image_begin(struct settings *ret, size_t n);
/* Sets entry i; value and star may be NULL.  -1: the image is full. */
int	 settings_image_put(struct settings *ret, size_t i,
	    struct settings_entry, const char *value, const char *star);

/*
 * The number a value stands for by the directive's type, 0 for strings.
 * On -1 *ret_why is told what is wrong, as the end of a sentence that
 * begins with the value: "is not a whole number (1 to 9)".
 */
int	 settings_value_parse(const struct directive *, const char *value,
	    int64_t *ret, struct buf *ret_why);

#define SETTINGS_NAME_MAX	100	/* characters of a name in a fault */

/*
 * Do the n characters of name fit a pattern with one '*'?  The star
 * stands for words of capitals and digits with single '_' between them;
 * *ret_at and *ret_len say where they are in name.
 */
bool	 settings_name_fits(const char *pattern, const char *name, size_t n,
	    size_t *ret_at, size_t *ret_len);
/* The table's name with the fewest differences from name. */
const char *settings_name_nearest(const struct directive *table,
	    size_t n_rows, const char *name);

#endif
