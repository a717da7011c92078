/*
 * jsonscan_keep: what a scan keeps of a text.
 *
 * Called by the steps of the scan with the bytes of names and values,
 * unescaped.  Keeps member names of the top-level object, to compare
 * them, and the scalar values of watched members; all else is dropped.
 */
#include <string.h>

#include "base/codec.h"
#include "base/jsonscan_private.h"

static void
keep_name(struct jsonscan *j, const char *bytes, size_t n)
{
	if (n > sizeof(j->s.name) - j->s.name_len) {
		j->s.name_cut = true;
		j->s.keep = KEEP_NOTHING;
		return;
	}
	memcpy(j->s.name + j->s.name_len, bytes, n);
	j->s.name_len += (uint8_t)n;
}

/* Drops a character at the end of which only the first bytes fitted. */
static void
trim_character(struct jsonscan_member *m)
{
	size_t at = m->value_len;

	while (at > 0 && m->value_len - at < 4) {
		at--;
		if (((unsigned char)m->value[at] & 0xc0) != 0x80)
			break;
	}
	if (utf8_char(m->value + at, m->value_len - at) == 0)
		m->value_len = at;
}

static void
keep_value(struct jsonscan *j, const char *bytes, size_t n)
{
	struct jsonscan_member *m = &j->member[j->s.watching];
	size_t room = JSONSCAN_VALUE_MAX - m->value_len;

	if (n > room) {
		n = room;
		m->cut = true;
		j->s.keep = KEEP_NOTHING;
	}
	memcpy(m->value + m->value_len, bytes, n);
	m->value_len += n;
	if (m->cut)
		trim_character(m);
	m->value[m->value_len] = '\0';
}

static void
keep(struct jsonscan *j, const char *bytes, size_t n)
{
	if (j->s.keep == KEEP_NAME)
		keep_name(j, bytes, n);
	else if (j->s.keep == KEEP_VALUE)
		keep_value(j, bytes, n);
}

void
jsonscan_keep(struct jsonscan *j, const char *bytes, size_t n)
{
	/* A high surrogate whose other half did not follow. */
	if (j->s.surrogate != 0) {
		j->s.surrogate = 0;
		keep(j, "\xef\xbf\xbd", 3);
	}
	keep(j, bytes, n);
}

static void
keep_code_point(struct jsonscan *j, uint32_t cp)
{
	char utf8[4];
	size_t n = 0;

	if (cp < 0x80) {
		utf8[n++] = (char)cp;
	} else if (cp < 0x800) {
		utf8[n++] = (char)(0xc0 | cp >> 6);
		utf8[n++] = (char)(0x80 | (cp & 0x3f));
	} else if (cp < 0x10000) {
		utf8[n++] = (char)(0xe0 | cp >> 12);
		utf8[n++] = (char)(0x80 | (cp >> 6 & 0x3f));
		utf8[n++] = (char)(0x80 | (cp & 0x3f));
	} else {
		utf8[n++] = (char)(0xf0 | cp >> 18);
		utf8[n++] = (char)(0x80 | (cp >> 12 & 0x3f));
		utf8[n++] = (char)(0x80 | (cp >> 6 & 0x3f));
		utf8[n++] = (char)(0x80 | (cp & 0x3f));
	}
	jsonscan_keep(j, utf8, n);
}

void
jsonscan_keep_unit(struct jsonscan *j, uint16_t unit)
{
	uint32_t high = j->s.surrogate;

	if (j->s.keep == KEEP_NOTHING)
		return;
	if (unit >= 0xdc00 && unit <= 0xdfff && high != 0) {
		j->s.surrogate = 0;
		keep_code_point(j, 0x10000 + ((high - 0xd800) << 10) +
		    (unit - 0xdc00u));
	} else if (unit >= 0xd800 && unit <= 0xdbff) {
		jsonscan_keep(j, "", 0);
		j->s.surrogate = unit;
	} else if (unit >= 0xdc00 && unit <= 0xdfff) {
		keep_code_point(j, 0xfffd);
	} else {
		keep_code_point(j, unit);
	}
}

void
jsonscan_watch_name(struct jsonscan *j)
{
	size_t i;

	for (i = 0; i < j->n_members && !j->s.name_cut; i++) {
		const char *name = j->member[i].name;

		if (strlen(name) == j->s.name_len &&
		    memcmp(name, j->s.name, j->s.name_len) == 0)
			j->s.watching = (int8_t)i;
	}
}

