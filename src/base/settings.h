/*
 * settings: the configuration engine.
 *
 * A table of directives (api/settings) says what names exist; this
 * module reads them from file and environment (default < file <
 * environment), checks type and range and gives an image: one flat
 * block without pointers, which can lie in shared memory or go through
 * a pipe.  A directive's `roles` say which processes may hold its
 * value; settings_filter() makes the image of one role.
 *
 * NAME_FILE=/path gives the value of a directive marked SETTING_SECRET
 * from a file (one trailing newline is cut).
 */
#ifndef BASE_SETTINGS_H
#define BASE_SETTINGS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum setting_type {
	SETTING_STRING,
	SETTING_INT,		/* 64 bits */
	SETTING_BYTES,		/* int with an optional K, M, G (1024) */
	SETTING_SECONDS,	/* fraction allowed; kept in ms */
	SETTING_BOOL,		/* true/false/1/0/yes/no/on/off */
	SETTING_CHOICE		/* one of `choices`, separated by '|' */
};

#define SETTING_SECRET		0x01u	/* masked; NAME_FILE works */
#define SETTING_REQUIRED	0x02u
#define SETTING_PATTERN		0x04u	/* name holds one '*': OIDC_*_ISSUER */
#define SETTING_IGNORED		0x08u	/* read by other programs */

#define ROLE_MASTER	0x1u
#define ROLE_WORKER	0x2u
#define ROLE_KEEPER	0x4u
#define ROLE_REGISTRAR	0x8u
#define ROLE_ALL	0xfu

struct directive {
	const char	*name;
	enum setting_type type;
	const char	*def;		/* NULL: none */
	double		 min, max;	/* of numbers; both 0: any */
	const char	*choices;
	unsigned	 flags;
	unsigned	 roles;		/* who may hold the value */
	const char	*help;		/* one sentence */
};

enum setting_origin {
	ORIGIN_DEFAULT, ORIGIN_FILE, ORIGIN_ENVIRONMENT, ORIGIN_MAX
};

/* The image.  Opaque but for its size. */
struct settings {
	uint32_t	 size;		/* bytes of the whole image */
	uint32_t	 n_entries;
	/* entries and strings follow */
};

#define SETTINGS_MAX	(256u * 1024)	/* bytes of an image */

/* One fault in the configuration; text is a whole sentence. */
typedef void settings_fault_cb(void *, const char *text);

/*
 * Reads `file` (NULL: none) and the environment block envp, writes the
 * image to ret (SETTINGS_MAX bytes).  Unknown names that begin with
 * PLUGWAY_ are faults which name the nearest known one; other unknown
 * names are none of our business.  Every fault is told; returns their
 * number (0: the image is good).
 */
size_t	 settings_load(const struct directive *table, size_t n_rows,
	    const char *file, char *const *envp, struct settings *ret,
	    settings_fault_cb *, void *);
/* Copies without the values that `role` may not hold. */
void	 settings_filter(const struct directive *table, size_t n_rows,
	    const struct settings *, unsigned role, struct settings *ret);
/* An image from a pipe is checked before it is used: 0 or -1. */
int	 settings_check(const struct settings *, size_t size, size_t n_rows);

/* row is the directive's index in the table.  NULL: not set. */
const char *settings_str(const struct settings *, size_t row);
int64_t	 settings_int(const struct settings *, size_t row);	/* bytes too */
int64_t	 settings_ms(const struct settings *, size_t row);
bool	 settings_bool(const struct settings *, size_t row);
enum setting_origin settings_origin(const struct settings *, size_t row);
/*
 * The i-th value of a PATTERN row: NULL after the last.  *ret_star is
 * the part the '*' stood for, in lower case, NUL-terminated inside the
 * image.
 */
const char *settings_pattern(const struct settings *, size_t row, size_t i,
	    const char **ret_star);

const char *settings_origin_name(enum setting_origin);

#endif
