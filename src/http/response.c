/*
 * response: writes answers.
 *
 * Status lines always have a reason phrase: without one nginx emits an
 * unusual line.  Header values never carry control characters, so
 * nothing from outside can add a field.
 */
#include <assert.h>
#include <string.h>

#include "http/response.h"

void
response_init(struct response *r, size_t max_body)
{
	memset(r, 0, sizeof(*r));
	buf_init(&r->head, RESPONSE_HEAD_MAX);
	buf_init(&r->body, max_body);
	r->status = 200;
}

void
response_free(struct response *r)
{
	/* Tokens go out in both. */
	buf_wipe(&r->head);
	buf_wipe(&r->body);
}

int
response_header(struct response *r, const char *name, const char *value)
{
	const unsigned char *p;

	for (p = (const unsigned char *)value; *p != '\0'; p++)
		if (*p < 0x20 || *p == 0x7f)
			return -1;
	return buf_printf(&r->head, "%s: %s\r\n", name, value);
}

void
response_json(struct response *r, int status)
{
	r->status = status;
	(void)response_header(r, "Content-Type", "application/json");
}

int
response_problem(struct response *r, enum problem p, const char *detail)
{
	r->problem = p;
	r->detail.text = detail;
	r->status = problem_row(p)->status;
	return r->status;
}

int
response_invalid(struct request *req, struct response *r, const char *where,
    const char *name, enum invalid kind)
{
	const struct invalid_row *row = invalid_row(kind);
	const char *text = row->text[req->chinese];
	struct buf b = BUF_INIT(16384);

	buf_puts(&b, "[{\"loc\":[");
	buf_json_cstr(&b, where);
	if (name != NULL) {
		buf_puts(&b, ",");
		buf_json_cstr(&b, name);
	}
	buf_puts(&b, "],\"msg\":");
	buf_json_cstr(&b, text);
	buf_printf(&b, ",\"type\":\"%s\"}]", row->type);
	r->problem = PROBLEM_VALIDATION;
	r->status = problem_row(PROBLEM_VALIDATION)->status;
	r->detail.json = arena_strdup(req->arena, buf_str(&b));
	r->detail.text = arena_printf(req->arena, "%s%s%s: %s", where,
	    name != NULL ? "." : "", name != NULL ? name : "", text);
	r->detail.param = name;
	buf_free(&b);
	return r->status;
}

static const char *
reason_phrase(int status)
{
	static const struct { int status; const char *phrase; } phrases[] = {
		{ 200, "OK" }, { 204, "No Content" }, { 302, "Found" },
		{ 304, "Not Modified" }, { 400, "Bad Request" },
		{ 401, "Unauthorized" }, { 403, "Forbidden" },
		{ 404, "Not Found" }, { 405, "Method Not Allowed" },
		{ 409, "Conflict" }, { 413, "Content Too Large" },
		{ 415, "Unsupported Media Type" },
		{ 422, "Unprocessable Content" },
		{ 429, "Too Many Requests" },
		{ 500, "Internal Server Error" }, { 502, "Bad Gateway" },
		{ 503, "Service Unavailable" }, { 504, "Gateway Timeout" },
	};
	size_t i;

	for (i = 0; i < sizeof(phrases) / sizeof(phrases[0]); i++)
		if (phrases[i].status == status)
			return phrases[i].phrase;
	return "Status";
}

int
response_send_head(struct response *r, const struct request *req,
    const struct http_writer *w, int64_t content_length)
{
	struct buf b = BUF_INIT(RESPONSE_HEAD_MAX + 1024);
	int rc;

	assert(!r->head_sent);
	buf_printf(&b, "Status: %d %s\r\n", r->status,
	    reason_phrase(r->status));
	buf_append(&b, buf_str(&r->head), r->head.len);
	buf_printf(&b, "X-Request-Id: %s\r\n"
	    "X-Content-Type-Options: nosniff\r\n", req->id);
	if (content_length >= 0)
		buf_printf(&b, "Content-Length: %lld\r\n",
		    (long long)content_length);
	buf_puts(&b, "\r\n");
	assert(!b.failed);
	rc = w->write(w->arg, b.data, b.len);
	buf_free(&b);
	r->head_sent = true;
	if (rc != 0)
		r->client_gone = true;
	return rc;
}

/* Of the answer that a handler had begun these would tell something
 * wrong about the error's body. */
static void
drop_body_fields(struct buf *head)
{
	static const char *const fields[] = { "Content-Type:",
	    "Content-Encoding:", "Content-Security-Policy:",
	    "Cache-Control:", "ETag:", "Location:" };
	size_t at = 0, i, n;

	while (at < head->len) {
		char *line = head->data + at;

		n = (size_t)(strstr(line, "\r\n") - line) + 2;
		for (i = 0; i < sizeof(fields) / sizeof(fields[0]); i++)
			if (strncmp(line, fields[i], strlen(fields[i])) == 0)
				break;
		if (i == sizeof(fields) / sizeof(fields[0])) {
			at += n;
			continue;
		}
		memmove(line, line + n, head->len - at - n + 1);
		head->len -= n;
	}
}

static void
problem_headers(struct response *r)
{
	const char *error;

	drop_body_fields(&r->head);
	(void)response_header(r, "Content-Type", "application/json");
	(void)response_header(r, "Cache-Control", "no-store");
	if (r->retry_after_s > 0)
		buf_printf(&r->head, "Retry-After: %d\r\n", r->retry_after_s);
	if (r->status != 401)
		return;
	/* RFC 6750 3.1: no error code when nothing was presented. */
	error = r->problem == PROBLEM_UNAUTHORIZED ? "" :
	    ", error=\"invalid_token\"";
	buf_printf(&r->head, "WWW-Authenticate: Bearer realm=\"plugway\"%s\r\n",
	    error);
}

void
response_send(struct response *r, const struct request *req,
    const struct http_writer *w)
{
	const void *body;
	size_t len;
	bool head_only = strcmp(req->method, "HEAD") == 0;
	bool bare = r->status == 204 || r->status == 304;

	if (r->head_sent)
		return;
	if (r->problem != PROBLEM_NONE) {
		buf_reset(&r->body);
		r->static_body = NULL;
		/* 429 and 503 always say when to come back. */
		if (r->retry_after_s == 0 &&
		    (r->status == 429 || r->status == 503))
			r->retry_after_s = 1;
		problem_headers(r);
		problem_body(&r->body, r->problem, req->chinese, &r->detail,
		    req->id);
	}
	body = r->static_body != NULL ? r->static_body : r->body.data;
	len = r->static_body != NULL ? r->static_len : r->body.len;
	if (response_send_head(r, req, w, bare ? -1 : (int64_t)len) != 0)
		return;
	if (!head_only && !bare && len > 0) {
		if (w->write(w->arg, body, len) != 0) {
			r->client_gone = true;
			return;
		}
		r->body_bytes += len;
	}
}
