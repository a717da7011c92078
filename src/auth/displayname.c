/*
 * displayname: names, subjects and pictures of people.
 *
 * auth/answers uses it on what providers say.  A name is for people: it
 * is mended, because a strange one must not keep anybody out.  A subject
 * is for us: it is taken as it is or refused, never mended.
 */
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include "auth/displayname.h"
#include "base/codec.h"

/* Characters that show nothing, or change how others show. */
static const struct {
	uint32_t	from, to;
} invisible[] = {
	{ 0x0000, 0x001f }, { 0x007f, 0x009f }, { 0x00ad, 0x00ad },
	{ 0x061c, 0x061c }, { 0x180e, 0x180e }, { 0x200b, 0x200f },
	{ 0x2028, 0x202e }, { 0x2060, 0x206f }, { 0xfeff, 0xfeff },
	{ 0xfff9, 0xfffb }, { 0xe0000, 0xe007f },
};

/* One character of valid UTF-8; returns its bytes. */
static size_t
next(const char *s, uint32_t *ret)
{
	const unsigned char *p = (const unsigned char *)s;

	if (p[0] < 0x80) {
		*ret = p[0];
		return 1;
	}
	if (p[0] < 0xe0) {
		*ret = (p[0] & 0x1fu) << 6 | (p[1] & 0x3fu);
		return 2;
	}
	if (p[0] < 0xf0) {
		*ret = (p[0] & 0x0fu) << 12 | (p[1] & 0x3fu) << 6 |
		    (p[2] & 0x3fu);
		return 3;
	}
	*ret = (p[0] & 0x07u) << 18 | (p[1] & 0x3fu) << 12 |
	    (p[2] & 0x3fu) << 6 | (p[3] & 0x3fu);
	return 4;
}

static bool
is_invisible(uint32_t c)
{
	size_t i;

	for (i = 0; i < sizeof(invisible) / sizeof(invisible[0]); i++) {
		if (c >= invisible[i].from && c <= invisible[i].to)
			return true;
	}
	return false;
}

static bool
is_space(uint32_t c)
{
	return c == ' ' || c == 0xa0 || c == 0x3000 ||
	    (c >= 0x2000 && c <= 0x200a) || c == 0x202f || c == 0x205f;
}

int
displayname_clean(const char *s, char ret[USER_NAME_MAX * 4 + 1])
{
	size_t len = 0, keep = 0, chars = 0, n;
	uint32_t c;

	if (!utf8_valid(s, strlen(s)))
		return -1;
	for (; *s != '\0' && chars < USER_NAME_MAX; s += n) {
		n = next(s, &c);
		if (is_invisible(c) || (len == 0 && is_space(c)))
			continue;
		memcpy(ret + len, s, n);
		len += n;
		chars++;
		if (!is_space(c))
			keep = len;
	}
	if (keep == 0)
		return -1;
	ret[keep] = '\0';
	return 0;
}

void
displayname_from_subject(const char *provider, const char *subject,
    char ret[USER_NAME_MAX * 4 + 1])
{
	char name[IDENTITY_PROVIDER_MAX + IDENTITY_SUBJECT_MAX * 4 + 2];

	(void)snprintf(name, sizeof(name), "%s-%s", provider, subject);
	(void)displayname_clean(name, ret);
}

bool
displayname_subject_ok(const char *s)
{
	size_t len = strlen(s), n;
	uint32_t c = 0;
	bool first = true;

	if (len == 0 || !utf8_valid(s, len) ||
	    utf8_count(s, len) > IDENTITY_SUBJECT_MAX)
		return false;
	for (; *s != '\0'; s += n, first = false) {
		n = next(s, &c);
		/* U+FFFD may stand for anything that was not text. */
		if (c < 0x20 || (c >= 0x7f && c <= 0x9f) || c == 0xfffd ||
		    (first && is_space(c)))
			return false;
	}
	return !is_space(c);
}

bool
displayname_picture_ok(const char *s)
{
	size_t len = strlen(s), i;

	if (len > USER_AVATAR_MAX || (strncmp(s, "https://", 8) != 0 &&
	    strncmp(s, "http://", 7) != 0))
		return false;
	for (i = 0; i < len; i++) {
		if (s[i] <= 0x20 || s[i] >= 0x7f ||
		    strchr("\\\"'<>^`{|}", s[i]) != NULL)
			return false;
	}
	return true;
}
