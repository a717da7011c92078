/*
 * router: matches raw path segments against the rows' patterns.
 *
 * A value is decoded only after the row is known, and is held against
 * the rule of its name before anything else happens to the request, so
 * an encoded slash or dot never becomes part of another path.
 */
#include <assert.h>
#include <stdlib.h>
#include <string.h>

#include "base/codec.h"
#include "base/xmalloc.h"
#include "http/router.h"

struct piece {
	const char		*literal;	/* or the tail behind a value */
	size_t			 literal_len;
	const struct path_rule	*rule;		/* NULL: a literal */
};

struct compiled {
	const struct route_pattern *pattern;
	struct piece		 piece[REQUEST_SEGMENTS_MAX];
	size_t			 n_pieces;
};

struct router {
	struct compiled	*row;
	size_t		 n;
};

static const struct path_rule *
find_rule(const struct path_rule *rules, size_t n, const char *name,
    size_t len)
{
	size_t i;

	for (i = 0; i < n; i++)
		if (strlen(rules[i].name) == len &&
		    memcmp(rules[i].name, name, len) == 0)
			return &rules[i];
	return NULL;
}

static void
compile(struct compiled *c, const struct route_pattern *pattern,
    const struct path_rule *rules, size_t n_rules)
{
	const char *p = pattern->path;

	c->pattern = pattern;
	assert(*p == '/');
	while (*p == '/' && p[1] != '\0') {
		struct piece *piece = &c->piece[c->n_pieces++];
		const char *brace;

		assert(c->n_pieces <= REQUEST_SEGMENTS_MAX);
		p++;
		if (*p == '{') {
			brace = strchr(p, '}');
			assert(brace != NULL);
			piece->rule = find_rule(rules, n_rules, p + 1,
			    (size_t)(brace - p - 1));
			assert(piece->rule != NULL);
			p = brace + 1;
		}
		piece->literal = p;
		piece->literal_len = strcspn(p, "/");
		p += piece->literal_len;
	}
}

struct router *
router_create(const void *rows, size_t n, size_t stride,
    const struct path_rule *rules, size_t n_rules)
{
	struct router *r = xcalloc(1, sizeof(*r));
	size_t i;

	r->row = xcalloc(n, sizeof(*r->row));
	r->n = n;
	for (i = 0; i < n; i++)
		compile(&r->row[i], (const void *)((const char *)rows +
		    i * stride), rules, n_rules);
	return r;
}

void
router_free(struct router **pr)
{
	if (*pr == NULL)
		return;
	free((*pr)->row);
	free(*pr);
	*pr = NULL;
}

static bool
piece_matches(const struct piece *piece, const char *segment)
{
	size_t n = strlen(segment);

	if (piece->rule == NULL)
		return n == piece->literal_len &&
		    memcmp(segment, piece->literal, n) == 0;
	return n >= piece->literal_len && memcmp(segment + n -
	    piece->literal_len, piece->literal, piece->literal_len) == 0;
}

static bool
row_matches(const struct compiled *c, const struct request *req)
{
	size_t i;

	if (c->n_pieces != req->n_segments)
		return false;
	for (i = 0; i < c->n_pieces; i++)
		if (!piece_matches(&c->piece[i], req->segment[i]))
			return false;
	return true;
}

static bool
value_allowed(const struct path_rule *rule, const char *value, size_t len)
{
	size_t i;

	if (len == 0 || len > rule->max)
		return false;
	if (rule->no_dots && (strcmp(value, ".") == 0 ||
	    strcmp(value, "..") == 0))
		return false;
	for (i = 0; i < len; i++) {
		char c = value[i];

		if (c >= '0' && c <= '9')
			continue;
		if (!rule->digits_only && ((c >= 'A' && c <= 'Z') ||
		    (c >= 'a' && c <= 'z')))
			continue;
		if (c == '\0' || strchr(rule->chars, c) == NULL)
			return false;
	}
	return true;
}

static enum problem
take_values(const struct compiled *c, struct request *req)
{
	size_t i, n = 0;

	for (i = 0; i < c->n_pieces; i++) {
		const struct piece *piece = &c->piece[i];
		size_t len = strlen(req->segment[i]) - piece->literal_len;
		char *value;
		ssize_t got;

		if (piece->rule == NULL)
			continue;
		assert(n < ROUTE_VALUES_MAX);
		value = arena_alloc(req->arena, len + 1);
		got = percent_decode(req->segment[i], len, value);
		if (got < 0)
			return PROBLEM_INVALID_PATH;
		value[got] = '\0';
		if (!value_allowed(piece->rule, value, (size_t)got))
			return PROBLEM_INVALID_PATH;
		req->value[n++] = value;
	}
	return PROBLEM_NONE;
}

static bool
method_matches(const char *row, const char *asked)
{
	return strcmp(row, asked) == 0 ||
	    (strcmp(row, "GET") == 0 && strcmp(asked, "HEAD") == 0);
}

static void
allow_add(struct request *req, const char **allow, const char *method)
{
	bool get = strcmp(method, "GET") == 0;

	*allow = arena_printf(req->arena, "%s%s%s%s",
	    *allow != NULL ? *allow : "", *allow != NULL ? ", " : "", method,
	    get ? ", HEAD" : "");
}

enum problem
router_find(const struct router *r, struct request *req, size_t *ret_row,
    const char **ret_allow)
{
	const char *allow = NULL;
	size_t i;

	for (i = 0; i < r->n; i++) {
		const struct compiled *c = &r->row[i];

		if (!row_matches(c, req))
			continue;
		if (method_matches(c->pattern->method, req->method)) {
			enum problem problem = take_values(c, req);

			if (problem == PROBLEM_NONE)
				*ret_row = i;
			return problem;
		}
		allow_add(req, &allow, c->pattern->method);
	}
	if (allow == NULL)
		return PROBLEM_NOT_FOUND;
	*ret_allow = allow;
	return PROBLEM_METHOD;
}
