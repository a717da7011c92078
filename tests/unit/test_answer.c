/*
 * test_answer: what the upstream's answers are taken for.
 */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <cmocka.h>

#include <stdio.h>
#include <string.h>

#include "provision/answer.h"

#define ID	"0f8fad5b-d9cb-469f-a165-70867728950e"
#define KEY	"sk-abcdefghijklmnopqrstuvwxyzABCDEFGHIJ0123456"
#define NAME	"plugway.abcd1234efgh.7.3.ABCDEFGHabcdefgh01234567"
#define JSON	"application/json; charset=utf-8"
#define GONE	"\xe7\x94\xa8\xe6\x88\xb7\xe4\xb8\x8d\xe5\xad\x98\xe5\x9c\xa8"

#define DATA(id, key, name) \
	"\"data\":{\"user_id\":" id ",\"api_key\":" key ",\"name\":" name \
	",\"created_at\":\"2026-01-01T00:00:00.000Z\"}"
#define GOOD	"{\"success\":true,\"message\":\"m\"," \
	DATA("\"" ID "\"", "\"" KEY "\"", "\"" NAME "\"") "}"

static const struct answer_want create = {
	.kind = ANSWER_CREATE, .name = NAME,
};
static const struct answer_want regenerate = {
	.kind = ANSWER_REGENERATE, .user_id = ID,
};
static const struct answer_want disable = {
	.kind = ANSWER_STATUS, .user_id = ID, .status = 0,
};
static const struct answer_want delete = { .kind = ANSWER_DELETE };
static const struct answer_want me = { .kind = ANSWER_ME };

struct answer_case {
	const struct answer_want *want;
	int			 status;
	const char		*type, *body;
	enum admin_outcome	 outcome;
};

static void
judge(const struct answer_case *c, struct account *account,
    struct admin_result *ret)
{
	struct httpc_result	 result;

	memset(&result, 0, sizeof(result));
	memset(account, 0, sizeof(*account));
	result.error = HTTPC_DONE;
	result.status = c->status;
	result.sent = true;
	(void)snprintf(result.content_type, sizeof(result.content_type),
	    "%s", c->type);
	answer_judge(c->want, &result, c->body, strlen(c->body), account,
	    ret);
}

static void
run_cases(const struct answer_case *cases, size_t n)
{
	struct account		 account;
	struct admin_result	 result;
	size_t			 i;

	for (i = 0; i < n; i++) {
		judge(&cases[i], &account, &result);
		if (result.outcome != cases[i].outcome)
			fail_msg("case %zu: %s, not %s: %d %s", i,
			    admin_outcome_name(result.outcome),
			    admin_outcome_name(cases[i].outcome),
			    cases[i].status, cases[i].body);
		assert_int_equal(result.status, cases[i].status);
		if (result.outcome != ADMIN_OK) {
			assert_string_equal(account.user_id, "");
			assert_string_equal(account.api_key, "");
			assert_string_not_equal(result.text, "");
		}
		assert_null(strstr(result.text, "sk-"));
	}
}

static void
good_create(void **state)
{
	static const struct answer_case	 c = { &create, 200, JSON, GOOD,
	    ADMIN_OK };
	struct account		 account;
	struct admin_result	 result;

	(void)state;
	judge(&c, &account, &result);
	assert_int_equal(result.outcome, ADMIN_OK);
	assert_string_equal(account.user_id, ID);
	assert_string_equal(account.api_key, KEY);
}

#define Q(s)	"\"" s "\""
#define CREATED(id, key, name)	\
	"{\"success\":true," DATA(id, key, name) "}"
#define K16	"0123456789abcdef"

static void
hostile_creates(void **state)
{
	static const struct answer_case	 cases[] = {
		{ &create, 201, "application/json", GOOD, ADMIN_OK },
		{ &create, 200, "APPLICATION/JSON", GOOD, ADMIN_OK },
		{ &create, 200, JSON, " \n" GOOD "\r\n", ADMIN_OK },
		{ &create, 200, JSON, CREATED(Q(ID), Q("sk-" K16), Q(NAME)),
		    ADMIN_OK },
		/* not a JSON answer */
		{ &create, 200, "text/html", GOOD, ADMIN_UNKNOWN },
		{ &create, 200, "", GOOD, ADMIN_UNKNOWN },
		{ &create, 200, "application/jsonp", GOOD, ADMIN_UNKNOWN },
		{ &create, 200, "text/event-stream", GOOD, ADMIN_UNKNOWN },
		{ &create, 200, JSON, "", ADMIN_UNKNOWN },
		{ &create, 200, JSON, "<html>ok</html>", ADMIN_UNKNOWN },
		{ &create, 200, JSON, "null", ADMIN_UNKNOWN },
		{ &create, 200, JSON, "true", ADMIN_UNKNOWN },
		{ &create, 200, JSON, "[" GOOD "]", ADMIN_UNKNOWN },
		{ &create, 200, JSON, GOOD GOOD, ADMIN_UNKNOWN },
		{ &create, 200, JSON, GOOD "x", ADMIN_UNKNOWN },
		{ &create, 200, JSON, "{\"success\":true,\"data\":{",
		    ADMIN_UNKNOWN },
		{ &create, 200, JSON, "{\"success\":true}", ADMIN_UNKNOWN },
		/* success is not true */
		{ &create, 200, JSON, "{" DATA(Q(ID), Q(KEY), Q(NAME)) "}",
		    ADMIN_UNKNOWN },
		{ &create, 200, JSON, "{\"success\":false,"
		    DATA(Q(ID), Q(KEY), Q(NAME)) "}", ADMIN_UNKNOWN },
		{ &create, 200, JSON, "{\"success\":\"true\","
		    DATA(Q(ID), Q(KEY), Q(NAME)) "}", ADMIN_UNKNOWN },
		{ &create, 200, JSON, "{\"success\":1,"
		    DATA(Q(ID), Q(KEY), Q(NAME)) "}", ADMIN_UNKNOWN },
		{ &create, 200, JSON, "{\"success\":true,\"success\":true,"
		    DATA(Q(ID), Q(KEY), Q(NAME)) "}", ADMIN_UNKNOWN },
		/* data is not what it should be */
		{ &create, 200, JSON, "{\"success\":true,"
		    DATA(Q(ID), Q(KEY), Q(NAME)) ","
		    DATA(Q(ID), Q(KEY), Q(NAME)) "}", ADMIN_UNKNOWN },
		{ &create, 200, JSON, "{\"success\":true,\"data\":[{}]}",
		    ADMIN_UNKNOWN },
		{ &create, 200, JSON, "{\"success\":true,\"data\":null}",
		    ADMIN_UNKNOWN },
		{ &create, 200, JSON, "{\"success\":true,\"data\":\"x\"}",
		    ADMIN_UNKNOWN },
		{ &create, 200, JSON, "{\"success\":true,\"data\":{}}",
		    ADMIN_UNKNOWN },
		{ &create, 200, JSON, "{\"success\":true,\"user_id\":" Q(ID)
		    ",\"api_key\":" Q(KEY) ",\"name\":" Q(NAME)
		    ",\"data\":{}}", ADMIN_UNKNOWN },
		/* the user id */
		{ &create, 200, JSON, CREATED(Q(""), Q(KEY), Q(NAME)),
		    ADMIN_UNKNOWN },
		{ &create, 200, JSON, CREATED("7", Q(KEY), Q(NAME)),
		    ADMIN_UNKNOWN },
		{ &create, 200, JSON, CREATED("null", Q(KEY), Q(NAME)),
		    ADMIN_UNKNOWN },
		{ &create, 200, JSON, CREATED(Q("../../admin"), Q(KEY),
		    Q(NAME)), ADMIN_UNKNOWN },
		{ &create, 200, JSON, CREATED(Q("a/b"), Q(KEY), Q(NAME)),
		    ADMIN_UNKNOWN },
		{ &create, 200, JSON, CREATED(Q("a b"), Q(KEY), Q(NAME)),
		    ADMIN_UNKNOWN },
		{ &create, 200, JSON, CREATED(Q("a\\u0000"), Q(KEY),
		    Q(NAME)), ADMIN_UNKNOWN },
		{ &create, 200, JSON, CREATED(Q("a\\r\\nb"), Q(KEY),
		    Q(NAME)), ADMIN_UNKNOWN },
		{ &create, 200, JSON, CREATED(Q("\xc3\xa9"), Q(KEY),
		    Q(NAME)), ADMIN_UNKNOWN },
		{ &create, 200, JSON, CREATED(Q(K16 K16 K16 K16 "0"), Q(KEY),
		    Q(NAME)), ADMIN_UNKNOWN },
		/* the key */
		{ &create, 200, JSON, CREATED(Q(ID), Q(""), Q(NAME)),
		    ADMIN_UNKNOWN },
		{ &create, 200, JSON, CREATED(Q(ID), "null", Q(NAME)),
		    ADMIN_UNKNOWN },
		{ &create, 200, JSON, CREATED(Q(ID), Q("sk-"), Q(NAME)),
		    ADMIN_UNKNOWN },
		{ &create, 200, JSON, CREATED(Q(ID), Q("sk-0123456789abcde"),
		    Q(NAME)), ADMIN_UNKNOWN },
		{ &create, 200, JSON, CREATED(Q(ID), Q("SK-" K16 K16),
		    Q(NAME)), ADMIN_UNKNOWN },
		{ &create, 200, JSON, CREATED(Q(ID), Q(K16 K16), Q(NAME)),
		    ADMIN_UNKNOWN },
		{ &create, 200, JSON, CREATED(Q(ID), Q("sk-" K16 "\\r\\nX: y"),
		    Q(NAME)), ADMIN_UNKNOWN },
		{ &create, 200, JSON, CREATED(Q(ID), Q("sk-" K16 "\\u0000"),
		    Q(NAME)), ADMIN_UNKNOWN },
		{ &create, 200, JSON, CREATED(Q(ID), Q("sk-" K16 "-_"),
		    Q(NAME)), ADMIN_UNKNOWN },
		{ &create, 200, JSON, CREATED(Q(ID), Q("sk-" K16 K16 K16 K16
		    K16 K16 K16 K16 K16 K16 "0"), Q(NAME)), ADMIN_UNKNOWN },
		{ &create, 200, JSON, CREATED(Q(ID), Q(KEY) ",\"api_key\":"
		    Q("sk-" K16), Q(NAME)), ADMIN_UNKNOWN },
		/* the name */
		{ &create, 200, JSON, CREATED(Q(ID), Q(KEY), "null"),
		    ADMIN_UNKNOWN },
		{ &create, 200, JSON, CREATED(Q(ID), Q(KEY), Q("")),
		    ADMIN_UNKNOWN },
		{ &create, 200, JSON, CREATED(Q(ID), Q(KEY), Q(NAME "x")),
		    ADMIN_UNKNOWN },
		{ &create, 200, JSON, CREATED(Q(ID), Q(KEY), Q(" " NAME)),
		    ADMIN_UNKNOWN },
		{ &create, 200, JSON, CREATED(Q(ID), Q(KEY),
		    Q("plugway.abcd1234efgh.7.4.ABCDEFGHabcdefgh01234567")),
		    ADMIN_UNKNOWN },
	};

	(void)state;
	assert_true(sizeof(cases) / sizeof(cases[0]) >= 40);
	run_cases(cases, sizeof(cases) / sizeof(cases[0]));
}

/* The longest id and key that are taken. */
static void
longest(void **state)
{
	static const struct answer_case	 c = { &create, 200, JSON,
	    CREATED(Q(K16 K16 K16 K16), Q("sk-" K16 K16 K16 K16 K16 K16 K16
	    K16 K16 K16), Q(NAME)), ADMIN_OK };
	struct account		 account;
	struct admin_result	 result;

	(void)state;
	judge(&c, &account, &result);
	assert_int_equal(result.outcome, ADMIN_OK);
	assert_int_equal(strlen(account.user_id), ACCOUNT_ID_MAX);
	assert_int_equal(strlen(account.api_key), ACCOUNT_KEY_MAX);
}

/* A key that is also the id would end up where ids are shown. */
static void
key_as_id(void **state)
{
	static const struct answer_case	 cases[] = {
		{ &create, 200, JSON, CREATED(Q("sk-" K16), Q("sk-" K16),
		    Q(NAME)), ADMIN_UNKNOWN },
		{ &create, 200, JSON, CREATED(Q("x-sk-" K16), Q("sk-" K16),
		    Q(NAME)), ADMIN_UNKNOWN },
	};

	(void)state;
	run_cases(cases, sizeof(cases) / sizeof(cases[0]));
}

static void
statuses(void **state)
{
	static const struct answer_case	 cases[] = {
		{ &create, 202, JSON, GOOD, ADMIN_UNKNOWN },
		{ &create, 204, JSON, "", ADMIN_UNKNOWN },
		{ &create, 206, JSON, GOOD, ADMIN_UNKNOWN },
		{ &create, 301, JSON, GOOD, ADMIN_UNKNOWN },
		{ &create, 307, "", "", ADMIN_UNKNOWN },
		{ &create, 304, "", "", ADMIN_UNKNOWN },
		{ &create, 400, JSON, "{\"error\":\"no\"}", ADMIN_REJECTED },
		{ &create, 400, "text/html", "<pre>x</pre>",
		    ADMIN_REJECTED },
		{ &create, 401, JSON, "{\"error\":\"x\"}", ADMIN_REFUSED },
		{ &create, 403, JSON, GOOD, ADMIN_REFUSED },
		{ &create, 404, "text/html", "Cannot POST /api/users",
		    ADMIN_REJECTED },
		{ &create, 404, JSON, "{\"error\":\"" GONE "\"}",
		    ADMIN_REJECTED },
		{ &create, 408, "", "", ADMIN_UNKNOWN },
		{ &create, 409, JSON, "{}", ADMIN_REJECTED },
		{ &create, 413, JSON, "{}", ADMIN_REJECTED },
		{ &create, 429, JSON, "{}", ADMIN_RATE },
		{ &create, 500, JSON, "{\"error\":\"db\"}", ADMIN_UNKNOWN },
		{ &create, 500, JSON, "{\"error\":\"" GONE "\"}",
		    ADMIN_UNKNOWN },
		{ &create, 500, JSON, "{\"error\":\"" KEY "\"}",
		    ADMIN_UNKNOWN },
		{ &create, 500, JSON, GOOD, ADMIN_UNKNOWN },
		{ &create, 502, "text/html", "", ADMIN_UNKNOWN },
		{ &create, 503, JSON, "{}", ADMIN_UNKNOWN },
		{ &create, 504, JSON, "{}", ADMIN_UNKNOWN },
		{ &create, 599, JSON, "{}", ADMIN_UNKNOWN },
	};

	(void)state;
	run_cases(cases, sizeof(cases) / sizeof(cases[0]));
}

static void
other_calls(void **state)
{
	static const struct answer_case	 cases[] = {
		{ &regenerate, 200, JSON, "{\"success\":true,\"data\":{"
		    "\"user_id\":" Q(ID) ",\"api_key\":" Q(KEY) "}}",
		    ADMIN_OK },
		{ &regenerate, 200, JSON, "{\"success\":true,\"data\":{"
		    "\"user_id\":\"other\",\"api_key\":" Q(KEY) "}}",
		    ADMIN_UNKNOWN },
		{ &regenerate, 200, JSON, "{\"success\":true,\"data\":{"
		    "\"user_id\":" Q(ID) "}}", ADMIN_UNKNOWN },
		{ &regenerate, 500, JSON, "{\"error\":\"" GONE
		    ": user_id=" ID "\"}", ADMIN_GONE },
		{ &regenerate, 404, JSON, "{\"error\":\"" GONE "\"}",
		    ADMIN_GONE },
		{ &regenerate, 404, "text/html", "Cannot POST",
		    ADMIN_REJECTED },
		{ &regenerate, 500, "text/html", "{\"error\":\"" GONE "\"}",
		    ADMIN_UNKNOWN },
		{ &regenerate, 500, JSON, "{\"error\":\"x " GONE "\"}",
		    ADMIN_UNKNOWN },
		{ &regenerate, 500, JSON, "{\"error\":[\"" GONE "\"]}",
		    ADMIN_UNKNOWN },
		{ &regenerate, 401, JSON, "{\"error\":\"" GONE "\"}",
		    ADMIN_REFUSED },
		{ &disable, 200, JSON, "{\"success\":true,\"data\":{"
		    "\"user_id\":" Q(ID) ",\"status\":0}}", ADMIN_OK },
		{ &disable, 200, JSON, "{\"success\":true,\"data\":{"
		    "\"user_id\":" Q(ID) ",\"status\":1}}", ADMIN_UNKNOWN },
		{ &disable, 200, JSON, "{\"success\":true,\"data\":{"
		    "\"user_id\":" Q(ID) ",\"status\":\"0\"}}",
		    ADMIN_UNKNOWN },
		{ &disable, 200, JSON, "{\"success\":true,\"data\":{"
		    "\"user_id\":\"x\",\"status\":0}}", ADMIN_UNKNOWN },
		{ &disable, 500, JSON, "{\"error\":\"" GONE ": x\"}",
		    ADMIN_GONE },
		{ &delete, 200, JSON, "{\"success\":true,\"message\":\"m\"}",
		    ADMIN_OK },
		{ &delete, 200, JSON, "{\"success\":false}", ADMIN_UNKNOWN },
		{ &delete, 200, JSON, "{}", ADMIN_UNKNOWN },
		{ &delete, 404, JSON, "{\"error\":\"" GONE "\"}",
		    ADMIN_GONE },
		{ &delete, 404, "text/html", "Cannot DELETE",
		    ADMIN_REJECTED },
		{ &me, 200, JSON, "{\"success\":true,\"data\":"
		    "{\"user_id\":\"admin\"}}", ADMIN_OK },
		{ &me, 200, JSON, "{\"success\":true,\"data\":{}}",
		    ADMIN_UNKNOWN },
		{ &me, 200, "text/html", "{\"success\":true,\"data\":"
		    "{\"user_id\":\"admin\"}}", ADMIN_UNKNOWN },
		{ &me, 404, JSON, "{\"error\":\"" GONE "\"}",
		    ADMIN_REJECTED },
	};

	(void)state;
	run_cases(cases, sizeof(cases) / sizeof(cases[0]));
}

/* Without a whole answer only "was anything sent" counts. */
static void
transport_faults(void **state)
{
	static const struct {
		enum httpc_error	 error;
		bool			 sent;
		int			 status;
		enum admin_outcome	 outcome;
	} cases[] = {
		{ HTTPC_UNREACHABLE, false, 0, ADMIN_NOT_EXECUTED },
		{ HTTPC_CONNECT_TIMEOUT, false, 0, ADMIN_NOT_EXECUTED },
		{ HTTPC_UNREACHABLE, true, 0, ADMIN_UNKNOWN },
		{ HTTPC_BROKEN, false, 0, ADMIN_NOT_EXECUTED },
		{ HTTPC_BROKEN, true, 0, ADMIN_UNKNOWN },
		{ HTTPC_BROKEN, true, 200, ADMIN_UNKNOWN },
		{ HTTPC_BROKEN, true, 401, ADMIN_UNKNOWN },
		{ HTTPC_TIMEOUT_FIRST, true, 0, ADMIN_UNKNOWN },
		{ HTTPC_TIMEOUT_IDLE, true, 200, ADMIN_UNKNOWN },
		{ HTTPC_TIMEOUT_TOTAL, true, 200, ADMIN_UNKNOWN },
		{ HTTPC_TIMEOUT_TOTAL, true, 429, ADMIN_UNKNOWN },
		{ HTTPC_TOO_LARGE, true, 200, ADMIN_UNKNOWN },
		{ HTTPC_ABANDONED, true, 0, ADMIN_UNKNOWN },
		{ HTTPC_STOPPED, true, 200, ADMIN_UNKNOWN },
		{ HTTPC_STOPPED, false, 0, ADMIN_NOT_EXECUTED },
	};
	struct httpc_result	 result;
	struct admin_result	 got;
	struct account		 account;
	size_t			 i;

	(void)state;
	for (i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		memset(&result, 0, sizeof(result));
		memset(&account, 0, sizeof(account));
		result.error = cases[i].error;
		result.sent = cases[i].sent;
		result.status = cases[i].status;
		(void)strcpy(result.content_type, JSON);
		assert_int_equal(answer_classify(&result), cases[i].outcome);
		/* A body that happens to be whole changes nothing. */
		answer_judge(&create, &result, GOOD, strlen(GOOD), &account,
		    &got);
		assert_int_equal(got.outcome, cases[i].outcome);
		assert_string_equal(account.api_key, "");
		answer_judge(&delete, &result, "{\"error\":\"" GONE "\"}",
		    strlen("{\"error\":\"" GONE "\"}"), NULL, &got);
		assert_int_equal(got.outcome, cases[i].outcome);
	}
}

static void
retry_after(void **state)
{
	static const struct {
		const char	*text;
		int64_t		 want;
	} cases[] = {
		{ NULL, 7 }, { "", 7 }, { "0", 1000 }, { "1", 1000 },
		{ "30", 30000 }, { "3600", 3600000 }, { "3601", 3600000 },
		{ "99999999999999999999", 7 }, { "-1", 7 }, { "1.5", 7 },
		{ " 1", 7 }, { "1 ", 7 }, { "0x10", 7 },
		{ "Wed, 21 Oct 2026 07:28:00 GMT", 7 },
	};
	size_t	 i;

	(void)state;
	for (i = 0; i < sizeof(cases) / sizeof(cases[0]); i++)
		assert_int_equal(answer_retry_after_ms(cases[i].text, 7),
		    cases[i].want);
}

/* Text for people: no control characters, whole characters only. */
static void
text_is_clean(void **state)
{
	struct answer_case	 c = { &create, 500, JSON, "",
	    ADMIN_UNKNOWN };
	struct account		 account;
	struct admin_result	 result;
	char			 body[512];
	size_t			 i;

	(void)state;
	c.body = "{\"error\":\"a\\r\\nb\\u001bc\\u007f\"}";
	judge(&c, &account, &result);
	assert_string_equal(result.text, "HTTP 500: a  b c ");
	/* 60 characters of 3 bytes are cut between two of them */
	(void)strcpy(body, "{\"error\":\"");
	for (i = 0; i < 60; i++)
		(void)strcat(body, "\xe7\x94\xa8");
	(void)strcat(body, "\"}");
	c.body = body;
	judge(&c, &account, &result);
	assert_int_equal((strlen(result.text) - strlen("HTTP 500: ")) % 3, 0);
	assert_true(strlen(result.text) < 200);
}

int
main(void)
{
	const struct CMUnitTest	 tests[] = {
		cmocka_unit_test(good_create),
		cmocka_unit_test(hostile_creates),
		cmocka_unit_test(longest),
		cmocka_unit_test(key_as_id),
		cmocka_unit_test(statuses),
		cmocka_unit_test(other_calls),
		cmocka_unit_test(transport_faults),
		cmocka_unit_test(retry_after),
		cmocka_unit_test(text_is_clean),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
