/*
 * body: what comes in is checked here and then left as it is.
 *
 * The bytes are never printed again: json-c is used to read single
 * values only, after jsonscan found the text to be strict JSON.
 */
#include <stdio.h>
#include <string.h>
#include <strings.h>

#include <json.h>

#include "api/body.h"
#include "base/codec.h"
#include "base/jsonscan.h"
#include "base/log.h"
#include "store/audit.h"

static bool
is_json_type(const char *type)
{
	size_t n = strlen("application/json");

	if (strncasecmp(type, "application/json", n) != 0)
		return false;
	type += n;
	type += strspn(type, " \t");
	return *type == '\0' || *type == ';';
}

#define PIECE	8192

/* Room for a byte at least; into->max is one above what is allowed. */
static int
make_room(struct buf *into)
{
	size_t left = into->max - into->len, want = into->len / 2 + PIECE;

	if (into->cap > into->len + 1)
		return 0;
	if (left == 0)
		return -1;
	return buf_reserve(into, want < left ? want : left);
}

static enum problem
check_length(const struct request *req, uint64_t got)
{
	return req->content_length >= 0 &&
	    (uint64_t)req->content_length != got ? PROBLEM_BODY_LENGTH :
	    PROBLEM_NONE;
}

/* Reads the body to its end.  0, or the problem. */
static enum problem
read_all(struct call *c, uint64_t max, struct buf *into)
{
	const struct http_writer *w = c->writer;
	int64_t declared = c->req->content_length;
	ssize_t n;

	if (declared >= 0 && (uint64_t)declared > max)
		return PROBLEM_TOO_LARGE;
	/* One more, so that the end is seen without growing. */
	if (declared > 0 && buf_reserve(into, (size_t)declared + 1) != 0)
		return PROBLEM_TOO_LARGE;
	for (;;) {
		if (make_room(into) != 0)
			return PROBLEM_TOO_LARGE;
		n = w->read(w->arg, into->data + into->len,
		    into->cap - 1 - into->len);
		if (n < 0)
			return PROBLEM_BODY_LENGTH;
		if (n == 0)
			break;
		into->len += (size_t)n;
		if (into->len > max)
			return PROBLEM_TOO_LARGE;
	}
	into->data[into->len] = '\0';
	return check_length(c->req, into->len);
}

/* None is expected.  Its end is read all the same: only then does the
 * connection show when the client goes away. */
static enum problem
skip_all(struct call *c)
{
	const struct http_writer *w = c->writer;
	char piece[PIECE];
	uint64_t got = 0;
	ssize_t n;

	while ((n = w->read(w->arg, piece, sizeof(piece))) > 0) {
		got += (uint64_t)n;
		if (got > BODY_SMALL_MAX)
			return PROBLEM_TOO_LARGE;
	}
	return n < 0 ? PROBLEM_BODY_LENGTH : check_length(c->req, got);
}

static enum invalid
check_member(const struct member *m, const struct jsonscan_member *v,
    const struct call *c)
{
	const char *text;

	if (v->count > 1)
		return INVALID_TWICE;
	if (v->kind == JSON_ABSENT)
		return m->required ? INVALID_MISSING : INVALID_MAX;
	if (v->kind == JSON_NULL && m->nullable)
		return INVALID_MAX;
	switch (m->kind) {
	case MEMBER_ZERO_ONE:
		if (v->kind != JSON_NUMBER)
			return INVALID_NOT_INTEGER;
		return strcmp(v->value, "0") == 0 ||
		    strcmp(v->value, "1") == 0 ? INVALID_MAX :
		    INVALID_ZERO_OR_ONE;
	case MEMBER_BOOL:
		return v->kind == JSON_TRUE || v->kind == JSON_FALSE ?
		    INVALID_MAX : INVALID_NOT_BOOL;
	case MEMBER_ARRAY:
		return v->kind == JSON_ARRAY ? INVALID_MAX :
		    INVALID_NOT_ARRAY;
	case MEMBER_OBJECT:
		return v->kind == JSON_OBJECT ? INVALID_MAX :
		    INVALID_NOT_OBJECT;
	case MEMBER_STRING:
		break;
	}
	if (v->kind != JSON_STRING)
		return INVALID_NOT_STRING;
	if (v->value_len == 0 && !m->may_be_empty)
		return INVALID_EMPTY;
	text = call_string(c, m->name);
	if (text == NULL)
		return INVALID_NOT_STRING;	/* a NUL inside */
	if (m->max > 0 && utf8_count(text, strlen(text)) > m->max)
		return INVALID_TOO_LONG;
	return INVALID_MAX;
}

static int
check_members(struct call *c)
{
	const struct member *m = c->route->members;

	for (; m != NULL && m->name != NULL; m++) {
		const struct jsonscan_member *v =
		    jsonscan_member(c->body, m->name);
		enum invalid wrong = check_member(m, v, c);

		if (wrong != INVALID_MAX)
			return response_invalid(c->req, c->res, "body",
			    m->name, wrong);
	}
	return 0;
}

static int
scan(struct call *c)
{
	const char *names[MEMBERS_MAX];
	const struct member *m = c->route->members;
	size_t n = 0;

	for (; m != NULL && m->name != NULL && n < MEMBERS_MAX; m++)
		names[n++] = m->name;
	c->body = arena_alloc(c->req->arena, sizeof(*c->body));
	if (jsonscan_text(c->body, names, n, c->req->body,
	    c->req->body_len) != 0)
		return response_problem(c->res, PROBLEM_BAD_JSON,
		    arena_printf(c->req->arena, "%s %s (byte %llu)",
		    problem_row(PROBLEM_BAD_JSON)->text[c->req->chinese],
		    jsonscan_fault_text(c->body->fault),
		    (unsigned long long)c->body->offset));
	if (c->body->top != JSON_OBJECT)
		return response_invalid(c->req, c->res, "body", NULL,
		    INVALID_NOT_OBJECT);
	return check_members(c);
}

int
body_take(struct call *c)
{
	struct request *req = c->req;
	uint64_t max = c->route->body == BODY_LARGE ? c->gw->max_body :
	    BODY_SMALL_MAX < c->gw->max_body ? BODY_SMALL_MAX :
	    c->gw->max_body;
	struct buf body = BUF_INIT(max + 1);
	enum problem problem;

	if (c->route->body == BODY_NONE) {
		problem = skip_all(c);
		return problem == PROBLEM_NONE ? 0 :
		    response_problem(c->res, problem, NULL);
	}
	problem = read_all(c, max, &body);
	if (problem != PROBLEM_NONE) {
		buf_wipe(&body);
		return response_problem(c->res, problem, NULL);
	}
	req->body = body.data;
	req->body_len = body.len;
	if (body.len == 0) {
		if (c->route->body == BODY_OPTIONAL)
			return 0;
		return response_invalid(req, c->res, "body", NULL,
		    INVALID_MISSING);
	}
	if (req->content_type == NULL || !is_json_type(req->content_type))
		return response_problem(c->res, PROBLEM_MEDIA_TYPE, NULL);
	return scan(c);
}

const struct jsonscan_member *
call_member(const struct call *c, const char *name)
{
	const struct jsonscan_member *v;

	if (c->body == NULL)
		return NULL;
	v = jsonscan_member(c->body, name);
	return v == NULL || v->kind == JSON_ABSENT || v->kind == JSON_NULL ?
	    NULL : v;
}

const char *
call_string(const struct call *c, const char *name)
{
	const struct jsonscan_member *v = call_member(c, name);
	struct json_tokener *tok;
	struct json_object *o;
	const char *ret = NULL;

	if (v == NULL || v->kind != JSON_STRING)
		return NULL;
	tok = json_tokener_new();
	o = json_tokener_parse_ex(tok, c->req->body + v->value_start,
	    (int)(v->value_end - v->value_start));
	if (o != NULL && json_object_is_type(o, json_type_string) &&
	    strlen(json_object_get_string(o)) ==
	    (size_t)json_object_get_string_len(o))
		ret = arena_strdup(c->req->arena, json_object_get_string(o));
	json_object_put(o);
	json_tokener_free(tok);
	return ret;
}

int
call_zero_one(const struct call *c, const char *name, int def)
{
	const struct jsonscan_member *v = call_member(c, name);

	return v == NULL ? def : v->value[0] == '1';
}

/*
 * Reads `form`, in which each # is a digit and each @ ends a number
 * (returned in ret[], in order): the text behind it, or NULL.
 */
static const char *
take_digits(const char *s, const char *form, int *ret)
{
	int n = 0;

	for (; *form != '\0'; form++) {
		if (*form == '@') {
			*ret++ = n;
			n = 0;
			continue;
		}
		if (*form != '#' ? *s != *form : *s < '0' || *s > '9')
			return NULL;
		if (*form == '#')
			n = n * 10 + (*s - '0');
		s++;
	}
	return s;
}

static int
days_of(int year, int month)
{
	static const int days[] = { 31, 28, 31, 30, 31, 30, 31, 31, 30, 31,
	    30, 31 };
	bool leap = (year % 4 == 0 && year % 100 != 0) || year % 400 == 0;

	return month < 1 || month > 12 ? 0 :
	    days[month - 1] + (month == 2 && leap);
}

/* Z, an offset, or nothing; a + that was not escaped has become a
 * space. */
static bool
is_zone(const char *s)
{
	int t[2];

	if (*s == '\0' || strcmp(s, "Z") == 0 || strcmp(s, "z") == 0)
		return true;
	if (*s != '+' && *s != '-' && *s != ' ')
		return false;
	s = take_digits(s + 1, "##@:##@", t);
	return s != NULL && *s == '\0' && t[0] <= 23 && t[1] <= 59;
}

/* YYYY-MM-DD, or RFC 3339 with optional fraction and zone. */
static bool
is_date(const char *s)
{
	int d[3], t[3];

	s = take_digits(s, "####@-##@-##@", d);
	if (s == NULL || d[2] < 1 || d[2] > days_of(d[0], d[1]))
		return false;
	if (*s == '\0')
		return true;
	if (*s != 'T' && *s != 't' && *s != ' ')
		return false;
	s = take_digits(s + 1, "##@:##@:##@", t);
	if (s == NULL || t[0] > 23 || t[1] > 59 || t[2] > 60)
		return false;
	if (*s == '.') {
		size_t digits = strspn(s + 1, "0123456789");

		if (digits == 0 || digits > 9)
			return false;
		s += 1 + digits;
	}
	return is_zone(s);
}

static enum invalid
check_query(const struct query_rule *rule, const char *value)
{
	int64_t n;

	switch (rule->kind) {
	case QUERY_INT:
		if (parse_int(value, INT64_MIN, INT64_MAX, &n) != 0)
			return INVALID_NOT_INTEGER;
		return n < rule->min || n > rule->max ? INVALID_RANGE :
		    INVALID_MAX;
	case QUERY_DATE:
		return is_date(value) ? INVALID_MAX : INVALID_DATE;
	case QUERY_TEXT:
		break;
	}
	return strlen(value) > (size_t)rule->max ? INVALID_TOO_LONG :
	    INVALID_MAX;
}

static bool
known(const struct query_rule *rules, const char *name)
{
	for (; rules->name != NULL; rules++)
		if (strcmp(rules->name, name) == 0)
			return true;
	return false;
}

int
query_take(struct call *c, struct buf *ret)
{
	const struct query_rule *rule = c->route->query;
	size_t i;

	if (rule == NULL)
		return 0;
	for (i = 0; i < c->req->n_query; i++)
		if (!known(rule, c->req->query[i].name))
			return response_invalid(c->req, c->res, "query",
			    c->req->query[i].name, INVALID_UNKNOWN);
	for (; rule->name != NULL; rule++) {
		bool twice = false;
		const char *value = request_query(c->req, rule->name, &twice);
		enum invalid wrong;

		if (twice)
			return response_invalid(c->req, c->res, "query",
			    rule->name, INVALID_TWICE);
		if (value == NULL)
			value = rule->def;
		if (value == NULL)
			continue;
		wrong = check_query(rule, value);
		if (wrong != INVALID_MAX)
			return response_invalid(c->req, c->res, "query",
			    rule->name, wrong);
		buf_printf(ret, "%s%s=", ret->len > 0 ? "&" : "", rule->name);
		buf_percent(ret, value, strlen(value));
	}
	return 0;
}

struct db *
call_db(struct call *c)
{
	struct db *db = gateway_db(c->gw);
	char id[24] = "";

	if (db == NULL) {
		(void)response_problem(c->res, PROBLEM_DATABASE, NULL);
		return NULL;
	}
	/* Who signs in is known later (store/audit). */
	if (c->who.user_id != 0)
		(void)snprintf(id, sizeof(id), "%llu",
		    (unsigned long long)c->who.user_id);
	audit_context(db, "user", id, c->req->id);
	return db;
}

int
call_db_failed(struct call *c, const char *what)
{
	enum db_fault fault = db_fault(c->gw->db);

	log_errorx("%s: %s", what, db_fault_text(c->gw->db));
	if (fault == DB_WRONG)
		return response_problem(c->res, PROBLEM_INTERNAL, NULL);
	return response_problem(c->res, PROBLEM_DATABASE, NULL);
}
