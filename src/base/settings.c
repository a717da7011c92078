/*
 * settings: the configuration engine.
 *
 * Collects what file and environment say about the rows of a table,
 * resolves NAME_FILE, checks, and writes the image.  Called once at
 * start, at each reload and by plugwayctl.  It knows no directive by
 * name, logs nothing and shows no secret: faults go to the caller.
 */
#include <assert.h>
#include <ctype.h>
#include <errno.h>
#include <fcntl.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/envfile.h"
#include "base/secret.h"
#include "base/settings_private.h"
#include "base/xmalloc.h"

#define FILE_MAX	(256u * 1024)	/* bytes of a configuration file */
#define SECRET_FILE_MAX	(64u * 1024)	/* bytes behind a NAME_FILE */
#define VALUE_SHOWN	80		/* characters of a value in a fault */
#define PATTERN_MAX	256		/* names found for all PATTERN rows */

/* What one source says about one name. */
struct given {
	bool		 by_value, by_file;
	struct secret	 value;		/* any value may be a secret */
	char		*path;
};

struct slot {
	size_t		 row;
	char		*name;		/* as it is written */
	char		*star;		/* PATTERN rows: in lower case */
	enum setting_origin origin;
	struct given	 now;		/* by the source being read */
	struct given	 last;		/* by the highest source so far */
};

struct loader {
	const struct directive	*table;
	size_t			 n_rows;
	/* The first n_rows are those of the table's rows. */
	struct slot		*slot;
	size_t			 n_slots;
	enum setting_origin	 source;
	const char		*file;
	settings_fault_cb	*fault;
	void			*arg;
	size_t			 n_faults;
};

static void __attribute__((format(printf, 2, 3)))
fault(struct loader *l, const char *fmt, ...)
{
	char text[1024];
	va_list ap;

	va_start(ap, fmt);
	(void)vsnprintf(text, sizeof(text), fmt, ap);
	va_end(ap);
	l->n_faults++;
	l->fault(l->arg, text);
}

static void
given_clear(struct given *g)
{
	secret_wipe(&g->value);
	free(g->path);
	*g = (struct given){ 0 };
}

/* Reads at most max bytes; -1 with errno, EFBIG when there are more. */
static int
read_file(const char *path, size_t max, struct buf *ret)
{
	int fd, saved_errno;
	ssize_t n = -1;

	buf_init(ret, max + 1);
	if (buf_reserve(ret, max + 1) == -1)
		return -1;
	if ((fd = open(path, O_RDONLY | O_CLOEXEC | O_NOCTTY)) == -1)
		return -1;
	do {
		n = read(fd, ret->data + ret->len, max + 1 - ret->len);
		if (n > 0)
			ret->len += (size_t)n;
	} while (n > 0 || (n == -1 && errno == EINTR));
	saved_errno = errno;
	(void)close(fd);
	if (n == 0 && ret->len <= max)
		return 0;
	errno = n == 0 ? EFBIG : saved_errno;
	return -1;
}

/* The slot of a PATTERN row's name, made when it is new. */
static struct slot *
slot_of_pattern(struct loader *l, size_t row, const char *name, size_t n,
    size_t star_at, size_t star_len)
{
	struct slot *s;
	size_t i;

	for (i = l->n_rows; i < l->n_slots; i++)
		if (l->slot[i].row == row && strlen(l->slot[i].name) == n &&
		    strncmp(l->slot[i].name, name, n) == 0)
			return &l->slot[i];
	if (l->n_slots == l->n_rows + PATTERN_MAX) {
		fault(l, "more than %d names that fit a pattern", PATTERN_MAX);
		return NULL;
	}
	s = &l->slot[l->n_slots++];
	s->row = row;
	s->name = xstrndup(name, n);
	s->star = xstrndup(name + star_at, star_len);
	for (i = 0; i < star_len; i++)
		s->star[i] = (char)tolower((unsigned char)s->star[i]);
	return s;
}

/*
 * The slot of the first n characters of name, or NULL.  Whole names go
 * before patterns: OIDC_*_ISSUER must not catch a row of that form.
 */
static struct slot *
find_slot(struct loader *l, const char *name, size_t n, unsigned flags)
{
	size_t i, at, len;

	for (i = 0; i < l->n_rows; i++)
		if ((l->table[i].flags & SETTING_PATTERN) == 0 &&
		    (l->table[i].flags & flags) == flags &&
		    strlen(l->table[i].name) == n &&
		    strncmp(l->table[i].name, name, n) == 0)
			return &l->slot[i];
	for (i = 0; i < l->n_rows; i++)
		if ((l->table[i].flags & SETTING_PATTERN) != 0 &&
		    (l->table[i].flags & flags) == flags &&
		    settings_name_fits(l->table[i].name, name, n, &at, &len))
			return slot_of_pattern(l, i, name, n, at, len);
	return NULL;
}

/* line 0: the environment. */
static void
unknown_name(struct loader *l, unsigned line, const char *name)
{
	char shown[SETTINGS_NAME_MAX + 1];
	const char *nearest;
	size_t i;

	(void)snprintf(shown, sizeof(shown), "%s", name);
	for (i = 0; shown[i] != '\0'; i++)
		if (!isalnum((unsigned char)shown[i]) && shown[i] != '_')
			shown[i] = '?';
	nearest = settings_name_nearest(l->table, l->n_rows, shown);
	assert(nearest != NULL);
	if (line > 0)
		fault(l, "%s line %u: unknown name %s (did you mean %s?)",
		    l->file, line, shown, nearest);
	else
		fault(l, "environment: unknown name %s (did you mean %s?)",
		    shown, nearest);
}

/* One assignment of the source that is being read; the last one wins. */
static void
assign(struct loader *l, unsigned line, const char *name, const char *value)
{
	static const char suffix[] = "_FILE";
	size_t n = strlen(name), suffix_len = sizeof(suffix) - 1;
	struct slot *s;

	if ((s = find_slot(l, name, n, 0)) != NULL) {
		s->now.by_value = true;
		secret_set(&s->now.value, value, strlen(value));
		return;
	}
	if (n > suffix_len && strcmp(name + n - suffix_len, suffix) == 0 &&
	    (s = find_slot(l, name, n - suffix_len, SETTING_SECRET)) != NULL) {
		s->now.by_file = true;
		free(s->now.path);
		s->now.path = xstrdup(value);
		return;
	}
	if (strncmp(name, "PLUGWAY_", 8) == 0 &&
	    strncmp(name, "PLUGWAY_TEST_", 13) != 0)
		unknown_name(l, line, name);
}

/* What this source said goes over what lower ones said. */
static void
end_source(struct loader *l)
{
	struct slot *s;

	for (s = l->slot; s < l->slot + l->n_slots; s++) {
		if (!s->now.by_value && !s->now.by_file)
			continue;
		if (s->now.value.len > 0 && s->now.path != NULL &&
		    *s->now.path != '\0')
			fault(l, "%s and %s_FILE are both set in the %s",
			    s->name, s->name, settings_origin_name(l->source));
		given_clear(&s->last);
		s->last = s->now;
		s->now = (struct given){ 0 };
		s->origin = l->source;
	}
}

static int
file_line(void *arg, unsigned line, const char *name, const char *value)
{
	assign(arg, line, name, value);
	return 0;
}

static void
file_fault(void *arg, unsigned line, const char *what)
{
	struct loader *l = arg;

	fault(l, "%s line %u: %s", l->file, line, what);
}

static void
load_file(struct loader *l)
{
	struct buf text;

	if (read_file(l->file, FILE_MAX, &text) == -1)
		fault(l, "cannot read %s: %s", l->file, strerror(errno));
	else
		(void)envfile_parse(text.data, text.len, file_line,
		    file_fault, l);
	buf_wipe(&text);
	end_source(l);
}

static void
load_environment(struct loader *l, char *const *envp)
{
	for (; envp != NULL && *envp != NULL; envp++) {
		const char *value = strchr(*envp, '=');
		char *name;

		if (value == NULL)
			continue;
		name = xstrndup(*envp, (size_t)(value - *envp));
		assign(l, 0, name, value + 1);
		free(name);
	}
	end_source(l);
}

/* Puts the content of NAME_FILE in the place of the value. */
static int
read_secret_file(struct loader *l, struct slot *s)
{
	struct buf text;
	int r = -1;

	if (read_file(s->last.path, SECRET_FILE_MAX, &text) == -1) {
		fault(l, "%s_FILE: cannot read %s: %s", s->name,
		    s->last.path, strerror(errno));
	} else if (memchr(text.data, '\0', text.len) != NULL) {
		fault(l, "%s_FILE: %s holds a NUL byte", s->name,
		    s->last.path);
	} else {
		if (text.len > 0 && text.data[text.len - 1] == '\n')
			text.len--;
		secret_set(&s->last.value, text.data, text.len);
		r = 0;
	}
	buf_wipe(&text);
	return r;
}

static bool
has_control(const char *s)
{
	for (; *s != '\0'; s++)
		if ((unsigned char)*s < 0x20 || *s == 0x7f)
			return true;
	return false;
}

/* Checks a value and finds its number. */
static int
check_value(struct loader *l, const struct slot *s, const char *value,
    int64_t *ret_num)
{
	const struct directive *d = &l->table[s->row];
	bool by_file = s->last.path != NULL && *s->last.path != '\0';
	struct buf why = BUF_INIT(600);

	*ret_num = 0;
	if (!by_file && has_control(value)) {
		fault(l, "%s: control characters are not allowed", s->name);
		return -1;
	}
	if ((d->flags & SETTING_IGNORED) != 0 ||
	    settings_value_parse(d, value, ret_num, &why) == 0)
		return 0;
	if ((d->flags & SETTING_SECRET) != 0)
		fault(l, "%s: the value %s", s->name, buf_str(&why));
	else
		fault(l, "%s: \"%.*s\" %s", s->name, VALUE_SHOWN, value,
		    buf_str(&why));
	buf_free(&why);
	return -1;
}

/* Writes the entry of one slot; a faulty value is left out. */
static int
finish_slot(struct loader *l, struct slot *s, size_t i, struct settings *ret)
{
	const struct directive *d = &l->table[s->row];
	struct settings_entry e = {
		.row = (uint32_t)s->row, .type = (uint8_t)d->type,
		.origin = (uint8_t)s->origin
	};
	const char *value = NULL;
	bool unreadable = false;

	if (s->last.path != NULL && *s->last.path != '\0')
		unreadable = read_secret_file(l, s) == -1;
	if (s->last.value.len > 0)
		value = secret_str(&s->last.value);
	if (value == NULL) {
		e.origin = ORIGIN_DEFAULT;
		if (i >= l->n_rows || (d->flags & SETTING_PATTERN) == 0)
			value = d->def;
		if (value == NULL && (d->flags & SETTING_REQUIRED) != 0 &&
		    (d->flags & SETTING_PATTERN) == 0 && !unreadable)
			fault(l, "%s is required but not set", s->name);
	}
	if (value != NULL && check_value(l, s, value, &e.num) == -1) {
		value = NULL;
		e.num = 0;
	}
	return settings_image_put(ret, i, e, value, s->star);
}

static void
loader_init(struct loader *l)
{
	size_t i;

	l->slot = xcalloc(l->n_rows + PATTERN_MAX, sizeof(*l->slot));
	l->n_slots = l->n_rows;
	for (i = 0; i < l->n_rows; i++) {
		l->slot[i].row = i;
		l->slot[i].name = xstrdup(l->table[i].name);
	}
}

static void
loader_fini(struct loader *l)
{
	struct slot *s;

	for (s = l->slot; s < l->slot + l->n_slots; s++) {
		free(s->name);
		free(s->star);
		given_clear(&s->now);
		given_clear(&s->last);
	}
	free(l->slot);
}

size_t
settings_load(const struct directive *table, size_t n_rows, const char *file,
    char *const *envp, struct settings *ret, settings_fault_cb *cb, void *arg)
{
	struct loader l = { .table = table, .n_rows = n_rows, .file = file,
	    .fault = cb, .arg = arg };
	bool full;
	size_t i;

	loader_init(&l);
	l.source = ORIGIN_FILE;
	if (file != NULL)
		load_file(&l);
	l.source = ORIGIN_ENVIRONMENT;
	load_environment(&l, envp);
	full = settings_image_begin(ret, l.n_slots) == -1;
	for (i = 0; i < l.n_slots && !full; i++)
		full = finish_slot(&l, &l.slot[i], i, ret) == -1;
	if (full)
		fault(&l, "the settings together are larger than %u bytes",
		    SETTINGS_MAX);
	loader_fini(&l);
	return l.n_faults;
}
