/*
 * problem: the table of errors, and the one body they all have.
 */
#include <assert.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "http/problem.h"

static const struct problem_row rows[PROBLEM_MAX] = {
	[PROBLEM_NONE] = { 200, "", "", { "", "" } },
#define PROBLEM(id, status, code, type, en, zh)			\
	[PROBLEM_##id] = { status, code, type, { en, zh } },
#include "http/problem_table.h"
#undef PROBLEM
};

const struct problem_row *
problem_row(enum problem p)
{
	assert(p > PROBLEM_NONE && p < PROBLEM_MAX);
	return &rows[p];
}

void
problem_body(struct buf *b, enum problem p, bool chinese,
    const struct problem_detail *d, const char *request_id)
{
	const struct problem_row *row = problem_row(p);
	const char *text = d->text != NULL ? d->text : row->text[chinese];

	buf_puts(b, "{\"detail\":");
	if (d->json != NULL)
		buf_puts(b, d->json);
	else
		buf_json_cstr(b, text);
	buf_puts(b, ",\"error\":{\"message\":");
	buf_json_cstr(b, text);
	buf_printf(b, ",\"type\":\"%s\",\"code\":\"%s\",\"param\":",
	    row->type, row->code);
	buf_json_cstr(b, d->param);
	buf_puts(b, "},\"request_id\":");
	buf_json_cstr(b, request_id);
	buf_puts(b, "}");
}

bool
problem_prefers_chinese(const char *accept)
{
	double zh = -1, en = -1, any = -1;
	const char *p = accept;

	while (p != NULL && *p != '\0') {
		double q = 1;
		const char *semi;
		size_t n;

		p += strspn(p, ", \t");
		n = strcspn(p, ",");
		semi = memchr(p, ';', n);
		if (semi != NULL) {
			semi += 1 + strspn(semi + 1, " \t");
			if (strncasecmp(semi, "q=", 2) == 0)
				q = strtod(semi + 2, NULL);
		}
		if (strncasecmp(p, "zh", 2) == 0 && q > zh)
			zh = q;
		else if (strncasecmp(p, "en", 2) == 0 && q > en)
			en = q;
		else if (*p == '*' && q > any)
			any = q;
		p += n;
	}
	return zh > 0 && zh >= en && zh >= any;
}

static const struct invalid_row invalid_rows[INVALID_MAX] = {
	[INVALID_MISSING] = { "missing",
	    { "Field required", "缺少必需字段" } },
	[INVALID_NOT_STRING] = { "string_type",
	    { "Input should be a valid string", "应为字符串" } },
	[INVALID_NOT_INTEGER] = { "int_type",
	    { "Input should be a valid integer", "应为整数" } },
	[INVALID_NOT_BOOL] = { "bool_type",
	    { "Input should be true or false", "应为 true 或 false" } },
	[INVALID_NOT_ARRAY] = { "list_type",
	    { "Input should be a valid list", "应为数组" } },
	[INVALID_NOT_OBJECT] = { "dict_type",
	    { "Input should be a JSON object", "应为 JSON 对象" } },
	[INVALID_ZERO_OR_ONE] = { "literal_error",
	    { "Input should be 0 or 1", "必须是 0 或 1" } },
	[INVALID_RANGE] = { "out_of_range",
	    { "Input is out of range", "超出允许范围" } },
	[INVALID_TOO_LONG] = { "string_too_long",
	    { "Input is too long", "内容过长" } },
	[INVALID_EMPTY] = { "string_too_short",
	    { "Input should not be empty", "不能为空" } },
	[INVALID_DATE] = { "datetime_parsing",
	    { "Input should be a date or an RFC 3339 time",
	    "应为日期或 RFC 3339 时间" } },
	[INVALID_CHOICE] = { "enum",
	    { "Input is not one of the allowed values", "不是允许的取值" } },
	[INVALID_TWICE] = { "duplicate",
	    { "Given more than once", "重复出现" } },
	[INVALID_UNKNOWN] = { "extra_forbidden",
	    { "There is no such parameter", "不存在该参数" } },
	[INVALID_URL] = { "url_parsing",
	    { "Input should be a valid URL", "应为有效的 URL" } },
};

const struct invalid_row *
invalid_row(enum invalid i)
{
	assert(i >= 0 && i < INVALID_MAX);
	return &invalid_rows[i];
}
