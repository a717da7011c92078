/*
 * upstream: the one mapping from what the upstream says to what our
 * client gets.
 *
 * A table, first match wins.  An upstream status is ours only when it
 * speaks about the request; when it speaks about the upstream or about
 * our key it becomes a 502 or 503, so that a 401 always means the
 * client's own session.  No HTML ever passes.
 */
#include <assert.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <time.h>

#include <json-c/json.h>

#include "base/clock.h"
#include "base/codec.h"
#include "proxy/upstream.h"

#define ERROR_DEPTH	32	/* of an error body */
#define KEY_LOOK_MIN	20	/* "sk-" and so many characters: masked */

enum wording { ANY_TEXT, EXACTLY, CONTAINS, ANYTHING };

#define EVERY		(~0u)
#define CLASS(c)	(1u << (c))

/* What the upstream's own words are used for. */
enum shown { SHOWN, HIDDEN };

/*
 * status, classes, which text, problem, is the text shown.  ANY_TEXT
 * wants the error envelope, ANYTHING matches without one too.
 */
static const struct rule {
	int		 status;
	unsigned	 classes;
	enum wording	 wording;
	const char	*text;
	enum problem	 problem;
	enum shown	 shown;
} rules[] = {
	/* Unknown, disabled, deleted and replaced keys all sound alike. */
	{ 401, EVERY, EXACTLY, "无效的API Key", PROBLEM_KEY_INVALID, HIDDEN },
	{ 401, EVERY, ANY_TEXT, NULL, PROBLEM_UPSTREAM_REFUSED, SHOWN },
	{ 403, CLASS(UPSTREAM_ACCOUNTS), ANY_TEXT, NULL,
	    PROBLEM_NOT_YOUR_ACCOUNT, HIDDEN },
	{ 403, EVERY, ANY_TEXT, NULL, PROBLEM_UPSTREAM_REFUSED, SHOWN },
	{ 429, EVERY, EXACTLY, "RESOURCE_EXHAUSTED", PROBLEM_QUOTA, HIDDEN },
	{ 429, EVERY, CONTAINS, "配额已耗尽", PROBLEM_QUOTA, SHOWN },
	{ 429, EVERY, ANY_TEXT, NULL, PROBLEM_UPSTREAM_RATE, SHOWN },
	{ 400, EVERY, ANY_TEXT, NULL, PROBLEM_BAD_REQUEST, SHOWN },
	{ 404, EVERY, ANY_TEXT, NULL, PROBLEM_UPSTREAM_NOT_FOUND, SHOWN },
	{ 409, EVERY, ANY_TEXT, NULL, PROBLEM_CONFLICT, SHOWN },
	{ 413, EVERY, ANY_TEXT, NULL, PROBLEM_TOO_LARGE, SHOWN },
	{ 422, EVERY, ANY_TEXT, NULL, PROBLEM_VALIDATION, SHOWN },
	{ 500, EVERY, CONTAINS, "没有可用的账号", PROBLEM_NO_ACCOUNT, HIDDEN },
	{ 500, EVERY, CONTAINS, "没有可用的Kiro账号", PROBLEM_NO_ACCOUNT,
	    HIDDEN },
	{ 500, EVERY, CONTAINS, "配额已耗尽", PROBLEM_QUOTA, SHOWN },
	{ 500, EVERY, CONTAINS, "配额不足", PROBLEM_QUOTA, SHOWN },
	{ 0, EVERY, ANYTHING, NULL, PROBLEM_UPSTREAM_ERROR, SHOWN },
};

static bool
rule_fits(const struct rule *rule, const struct upstream_answer *a,
    const char *text)
{
	if (rule->status != 0 && rule->status != a->status)
		return false;
	if ((rule->classes & CLASS(a->class)) == 0)
		return false;
	if (rule->wording == ANYTHING)
		return true;
	if (text == NULL)
		return false;
	switch (rule->wording) {
	case EXACTLY:
		return strcmp(text, rule->text) == 0;
	case CONTAINS:
		return strstr(text, rule->text) != NULL;
	default:
		return true;
	}
}

void
upstream_map(const struct upstream_answer *a, struct arena *arena,
    struct upstream_verdict *ret)
{
	const struct rule *rule = rules;
	const char *text = NULL;

	memset(ret, 0, sizeof(*ret));
	/* 2xx are looked at by the caller, as they may be streams; of them
	 * only these two are answers of a kind we know. */
	if (a->status == 200 || a->status == 201 || a->status == 202 ||
	    a->status == 204)
		return;
	/* A redirect, or 304: nothing that we asked for. */
	if (a->status >= 400 && !a->body_cut)
		text = upstream_text(arena, a->body, a->body_len);
	while (!rule_fits(rule, a, text))
		rule++;
	ret->problem = rule->problem;
	ret->detail = rule->shown == SHOWN ? text : NULL;
	ret->key_refused = rule->problem == PROBLEM_KEY_INVALID;
	if (a->retry_after != NULL && (a->status == 429 || a->status == 503))
		ret->retry_after_s = upstream_retry_after(a->retry_after,
		    clock_wall_s());
}

enum problem
upstream_map_error(enum httpc_error error)
{
	static const enum problem problems[] = {
		[HTTPC_DONE] = PROBLEM_NONE,
		[HTTPC_UNREACHABLE] = PROBLEM_UPSTREAM_UNREACHABLE,
		[HTTPC_CONNECT_TIMEOUT] = PROBLEM_UPSTREAM_UNREACHABLE,
		[HTTPC_TIMEOUT_FIRST] = PROBLEM_TIMEOUT,
		[HTTPC_TIMEOUT_IDLE] = PROBLEM_TIMEOUT,
		[HTTPC_TIMEOUT_TOTAL] = PROBLEM_TIMEOUT,
		[HTTPC_BROKEN] = PROBLEM_UPSTREAM_ERROR,
		[HTTPC_TOO_LARGE] = PROBLEM_UPSTREAM_ERROR,
		[HTTPC_ABANDONED] = PROBLEM_UPSTREAM_ERROR,
		[HTTPC_STOPPED] = PROBLEM_UPSTREAM_ERROR,
	};

	assert((size_t)error < sizeof(problems) / sizeof(problems[0]));
	return problems[error];
}

/* Something that reads like a key is nobody's business. */
static size_t
key_look(const char *s)
{
	size_t n;

	if (strncmp(s, "sk-", 3) != 0)
		return 0;
	n = strspn(s + 3, "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"
	    "0123456789_-");
	return n >= KEY_LOOK_MIN ? n + 3 : 0;
}

/* Control characters become spaces, what looks like a key "sk-***". */
static const char *
clean(struct arena *arena, const char *s, size_t len)
{
	char *text = arena_alloc(arena, len + 1), *out = text;
	const char *p = s, *end = s + len;
	size_t chars = 0, key;

	while (p < end && chars < UPSTREAM_TEXT_MAX) {
		key = key_look(p);
		if (key > 0) {
			memcpy(out, "sk-***", 6);
			out += 6;
			p += key;
			chars += 6;
			continue;
		}
		*out++ = (unsigned char)*p < ' ' || *p == 0x7f ? ' ' : *p;
		p++;
		while (p < end && ((unsigned char)*p & 0xc0) == 0x80)
			*out++ = *p++;
		chars++;
	}
	*out = '\0';
	return text;
}

static bool
is_html(const char *s)
{
	s += strspn(s, " \t\r\n");
	return strncasecmp(s, "<!doctype", 9) == 0 || strcasestr(s, "<html") ||
	    strcasestr(s, "<body") || strcasestr(s, "<pre>") ||
	    strcasestr(s, "<script");
}

/* The string in o, or in o's member "message". */
static struct json_object *
string_in(struct json_object *o)
{
	struct json_object *message;

	if (json_object_is_type(o, json_type_string))
		return o;
	if (json_object_is_type(o, json_type_object) &&
	    json_object_object_get_ex(o, "message", &message) &&
	    json_object_is_type(message, json_type_string))
		return message;
	return NULL;
}

const char *
upstream_text(struct arena *arena, const char *body, size_t len)
{
	struct json_tokener *tokener;
	struct json_object *top, *error, *found = NULL;
	const char *text = NULL, *s;
	size_t n;

	if (len == 0 || len > UPSTREAM_ERROR_MAX)
		return NULL;
	tokener = json_tokener_new_ex(ERROR_DEPTH);
	top = json_tokener_parse_ex(tokener, body, (int)len);
	if (json_object_is_type(top, json_type_object)) {
		if (json_object_object_get_ex(top, "error", &error))
			found = string_in(error);
		else
			found = string_in(top);
	}
	if (found != NULL) {
		s = json_object_get_string(found);
		n = strlen(s);	/* up to a NUL, if there is one */
		if (n > 0 && utf8_valid(s, n) && !is_html(s))
			text = clean(arena, s, n);
	}
	json_object_put(top);
	json_tokener_free(tokener);
	return text;
}

int
upstream_retry_after(const char *value, int64_t now_s)
{
	struct tm tm = { 0 };
	int64_t s;
	const char *end;

	if (parse_int(value, 0, INT64_MAX, &s) != 0) {
		end = strptime(value, "%a, %d %b %Y %H:%M:%S GMT", &tm);
		if (end == NULL || *end != '\0')
			return 0;
		s = (int64_t)timegm(&tm) - now_s;
	}
	if (s < 1)
		s = 1;
	return s > UPSTREAM_RETRY_AFTER_MAX_S ? UPSTREAM_RETRY_AFTER_MAX_S :
	    (int)s;
}

static bool
is_type(const char *content_type, const char *name)
{
	size_t n = strlen(name);

	return content_type != NULL &&
	    strncasecmp(content_type, name, n) == 0 &&
	    (content_type[n] == '\0' || content_type[n] == ';' ||
	    content_type[n] == ' ' || content_type[n] == '\t');
}

bool
upstream_is_json(const char *content_type)
{
	return is_type(content_type, "application/json");
}

bool
upstream_is_sse(const char *content_type)
{
	return is_type(content_type, "text/event-stream");
}
