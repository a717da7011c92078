/*
 * parse: reads what matters from FastCGI parameters.
 *
 * Only REQUEST_URI says what was asked: web servers decode SCRIPT_NAME
 * and PATH_INFO in different ways.  A field that decides something and
 * comes twice is an error, because one would be ignored.
 */
#include <string.h>
#include <strings.h>

#include "base/clock.h"
#include "base/codec.h"
#include "http/parse.h"

/* Where a parameter's value goes. */
struct slot {
	const char	*name;
	size_t		 offset;	/* of a const char * in request */
	bool		 single;	/* twice is an error */
};

#define AT(field)	offsetof(struct request, field)
static const struct slot slots[] = {
	{ "HTTP_AUTHORIZATION",		AT(authorization),	true },
	{ "HTTP_X_API_KEY",		AT(x_api_key),		true },
	{ "HTTP_X_GOOG_API_KEY",	AT(x_goog_api_key),	true },
	{ "HTTP_X_API_TYPE",		AT(x_api_type),		true },
	{ "CONTENT_TYPE",		AT(content_type),	true },
	{ "HTTP_ACCEPT",		AT(accept),		false },
	{ "HTTP_ORIGIN",		AT(origin),		true },
	{ "HTTP_ACCEPT_LANGUAGE",	AT(accept_language),	false },
	{ "HTTP_ACCEPT_ENCODING",	AT(accept_encoding),	false },
	{ "HTTP_COOKIE",		AT(cookie),		true },
	{ "HTTP_IF_NONE_MATCH",		AT(if_none_match),	false },
	{ "HTTP_ACCESS_CONTROL_REQUEST_METHOD",
					AT(request_method_asked), false },
};

/* Parameters that are not plain strings of the request. */
struct raw {
	const char	*uri, *method, *length, *id, *addr, *https;
	bool		 twice;
};

static void
take_param(struct request *req, struct raw *raw, const char *param)
{
	const char *eq = strchr(param, '='), *value;
	size_t len, i;

	if (eq == NULL)
		return;
	len = (size_t)(eq - param);
	value = eq + 1;
#define IS(s)	(len == sizeof(s) - 1 && memcmp(param, s, len) == 0)
	if (IS("REQUEST_URI"))
		raw->uri = value;
	else if (IS("REQUEST_METHOD"))
		raw->method = value;
	else if (IS("CONTENT_LENGTH")) {
		if (raw->length != NULL && strcmp(raw->length, value) != 0)
			raw->twice = true;
		raw->length = value;
	} else if (IS("HTTP_X_REQUEST_ID"))
		raw->id = value;
	else if (IS("REMOTE_ADDR"))
		raw->addr = value;
	else if (IS("HTTPS"))
		raw->https = value;
#undef IS
	for (i = 0; i < sizeof(slots) / sizeof(slots[0]); i++) {
		const char **at;

		if (strncmp(param, slots[i].name, len) != 0 ||
		    slots[i].name[len] != '\0')
			continue;
		at = (const char **)(void *)((char *)req + slots[i].offset);
		if (*at != NULL && slots[i].single)
			raw->twice = true;
		*at = *value != '\0' ? value : NULL;
		return;
	}
}

static void
choose_id(struct request *req, const char *wanted)
{
	size_t n = wanted != NULL ? strlen(wanted) : 0;
	unsigned char random[12];

	if (n >= 8 && n <= REQUEST_ID_MAX &&
	    strspn(wanted, "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwx"
	    "yz0123456789._-") == n) {
		memcpy(req->id, wanted, n + 1);
		return;
	}
	random_bytes(random, sizeof(random));
	hex_encode(random, sizeof(random), req->id);
}

/* The path: cut at '?', split at raw '/'. */
static enum problem
split_path(struct request *req, char *path)
{
	size_t n = strlen(path);
	char *decoded = arena_alloc(req->arena, n + 1);
	char *p;

	if (path[0] != '/')
		return PROBLEM_BAD_REQUEST;
	if (percent_decode(path, n, decoded) < 0) {
		req->path = "(malformed)";
		return PROBLEM_INVALID_PATH;
	}
	req->path = decoded;
	for (p = path + 1;; ) {
		char *slash = strchr(p, '/');

		if (slash == NULL && *p == '\0') {
			req->trailing_slash = req->n_segments > 0;
			return PROBLEM_NONE;
		}
		if (req->n_segments == REQUEST_SEGMENTS_MAX)
			return PROBLEM_NOT_FOUND;
		req->segment[req->n_segments++] = p;
		if (slash == NULL)
			return PROBLEM_NONE;
		*slash = '\0';
		p = slash + 1;
	}
}

static char *
decode_query_part(struct request *req, const char *s, size_t n)
{
	char *ret = arena_alloc(req->arena, n + 1);
	char *copy = arena_strndup(req->arena, s, n);
	ssize_t len;
	size_t i;

	for (i = 0; i < n; i++)
		if (copy[i] == '+')
			copy[i] = ' ';
	len = percent_decode(copy, n, ret);
	if (len < 0 || !utf8_valid(ret, (size_t)len))
		return NULL;
	ret[len] = '\0';
	return ret;
}

static enum problem
split_query(struct request *req, const char *query)
{
	while (*query != '\0') {
		size_t n = strcspn(query, "&");
		const char *eq = memchr(query, '=', n);
		struct request_param *p;
		size_t name_len = eq != NULL ? (size_t)(eq - query) : n;

		if (n > 0) {
			if (req->n_query == REQUEST_QUERY_MAX)
				return PROBLEM_BAD_REQUEST;
			p = &req->query[req->n_query++];
			p->name = decode_query_part(req, query, name_len);
			p->value = eq == NULL ? "" : decode_query_part(req,
			    eq + 1, n - name_len - 1);
			if (p->name == NULL || p->value == NULL)
				return PROBLEM_BAD_REQUEST;
		}
		query += n;
		if (*query == '&')
			query++;
	}
	return PROBLEM_NONE;
}

static enum problem
parse_uri(struct request *req, const char *uri)
{
	char *path, *query;
	enum problem problem;

	req->path = "";
	if (uri == NULL || strlen(uri) > REQUEST_URI_MAX)
		return PROBLEM_BAD_REQUEST;
	/* Absolute form (RFC 9112 3.2.2): some servers pass it on. */
	if (strncasecmp(uri, "http://", 7) == 0 ||
	    strncasecmp(uri, "https://", 8) == 0) {
		uri = strchr(strchr(uri, ':') + 3, '/');
		if (uri == NULL)
			uri = "/";
	}
	path = arena_strdup(req->arena, uri);
	query = strchr(path, '?');
	if (query != NULL)
		*query++ = '\0';
	problem = split_path(req, path);
	if (problem == PROBLEM_NONE && query != NULL)
		problem = split_query(req, query);
	return problem;
}

enum problem
request_parse(struct request *req, char *const *params)
{
	struct raw raw = { 0 };
	size_t i;
	enum problem problem;

	req->content_length = -1;
	for (i = 0; params[i] != NULL; i++)
		take_param(req, &raw, params[i]);
	choose_id(req, raw.id);
	req->chinese = problem_prefers_chinese(req->accept_language);
	req->https = raw.https != NULL && raw.https[0] != '\0' &&
	    strcasecmp(raw.https, "off") != 0;
	(void)strncpy(req->client, raw.addr != NULL ? raw.addr : "",
	    sizeof(req->client) - 1);
	/* The log line is written when the parameters are gone. */
	req->method = arena_strdup(req->arena, raw.method != NULL ?
	    raw.method : "");
	problem = parse_uri(req, raw.uri);
	if (problem != PROBLEM_NONE)
		return problem;
	if (raw.twice || *req->method == '\0')
		return PROBLEM_BAD_REQUEST;
	if (raw.length != NULL && *raw.length != '\0' &&
	    parse_int(raw.length, 0, INT64_MAX, &req->content_length) != 0)
		return PROBLEM_BAD_REQUEST;
	return PROBLEM_NONE;
}

const char *
request_query(const struct request *req, const char *name, bool *ret_twice)
{
	const char *value = NULL;
	size_t i;

	for (i = 0; i < req->n_query; i++) {
		if (strcmp(req->query[i].name, name) != 0)
			continue;
		if (value != NULL)
			*ret_twice = true;
		value = req->query[i].value;
	}
	return value;
}

const char *
request_cookie(const struct request *req, const char *name)
{
	const char *p = req->cookie;
	size_t n = strlen(name);

	while (p != NULL && *p != '\0') {
		p += strspn(p, "; ");
		if (strncmp(p, name, n) == 0 && p[n] == '=')
			return arena_strndup(req->arena, p + n + 1,
			    strcspn(p + n + 1, "; "));
		p = strchr(p, ';');
	}
	return NULL;
}
