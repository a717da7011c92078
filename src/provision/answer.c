/*
 * answer: reads the upstream's answers and says what happened.
 *
 * The one distinction that everything rests on is between "certainly
 * not done" and "perhaps done".  When in doubt it is "perhaps".  Called
 * by upstreamadmin; makes no calls itself.
 */
#include "provision/answer.h"

#include <assert.h>
#include <ctype.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <strings.h>

#include "base/codec.h"
#include "base/jsonscan.h"
#include "base/secret.h"

#define RETRY_AFTER_MAX_S	3600
#define RETRY_AFTER_DEFAULT_MS	30000

/* How the upstream says that there is no such user. */
#define GONE_TEXT	"\xe7\x94\xa8\xe6\x88\xb7\xe4\xb8\x8d" \
			"\xe5\xad\x98\xe5\x9c\xa8"

enum { TOP_SUCCESS, TOP_DATA, TOP_ERROR, TOP_MAX };
static const char *const top_names[TOP_MAX] = {
	[TOP_SUCCESS] = "success", [TOP_DATA] = "data",
	[TOP_ERROR] = "error",
};

enum { DATA_ID, DATA_KEY, DATA_NAME, DATA_STATUS, DATA_MAX };
static const char *const data_names[DATA_MAX] = {
	[DATA_ID] = "user_id", [DATA_KEY] = "api_key",
	[DATA_NAME] = "name", [DATA_STATUS] = "status",
};

const char *
admin_outcome_name(enum admin_outcome outcome)
{
	static const char *const names[ADMIN_OUTCOME_MAX] = {
		[ADMIN_OK] = "ok",
		[ADMIN_NOT_EXECUTED] = "not_executed",
		[ADMIN_REFUSED] = "admin_key_refused",
		[ADMIN_RATE] = "rate",
		[ADMIN_REJECTED] = "rejected",
		[ADMIN_GONE] = "gone",
		[ADMIN_UNKNOWN] = "unknown",
	};

	assert(outcome < ADMIN_OUTCOME_MAX);
	return names[outcome];
}

int
account_id_valid(const char *id, size_t len)
{
	size_t	 i;

	if (len == 0 || len > ACCOUNT_ID_MAX)
		return 0;
	for (i = 0; i < len; i++) {
		if (!isalnum((unsigned char)id[i]) && id[i] != '-')
			return 0;
	}
	return 1;
}

static bool
key_valid(const char *key, size_t len)
{
	size_t	 i;

	if (len < ACCOUNT_KEY_MIN || len > ACCOUNT_KEY_MAX ||
	    memcmp(key, "sk-", 3) != 0)
		return false;
	for (i = 3; i < len; i++) {
		if (!isalnum((unsigned char)key[i]))
			return false;
	}
	return true;
}

int64_t
answer_retry_after_ms(const char *text, int64_t def_ms)
{
	int64_t	 seconds;

	if (text == NULL ||
	    parse_int(text, 0, INT64_MAX, &seconds) == -1)
		return def_ms;
	if (seconds > RETRY_AFTER_MAX_S)
		seconds = RETRY_AFTER_MAX_S;
	return seconds > 0 ? seconds * 1000 : 1000;
}

enum admin_outcome
answer_classify(const struct httpc_result *result)
{
	if (result->error != HTTPC_DONE)
		return result->sent ? ADMIN_UNKNOWN : ADMIN_NOT_EXECUTED;
	if (result->status == 200 || result->status == 201)
		return ADMIN_OK;
	if (result->status == 401 || result->status == 403)
		return ADMIN_REFUSED;
	if (result->status == 429)
		return ADMIN_RATE;
	/* 408: somebody between us and the upstream lost patience. */
	if (result->status >= 400 && result->status < 500 &&
	    result->status != 408)
		return ADMIN_REJECTED;
	return ADMIN_UNKNOWN;
}

static bool
is_json_type(const char *content_type)
{
	const size_t	 len = strlen("application/json");

	return strncasecmp(content_type, "application/json", len) == 0 &&
	    (content_type[len] == '\0' || content_type[len] == ';' ||
	    content_type[len] == ' ');
}

static bool
member_is(const struct jsonscan_member *member, enum json_kind kind)
{
	return member->count == 1 && member->kind == kind && !member->cut;
}

static bool
string_is(const struct jsonscan_member *member, const char *want)
{
	size_t	 len = strlen(want);

	return member_is(member, JSON_STRING) && member->value_len == len &&
	    memcmp(member->value, want, len) == 0;
}

static bool
take_account(const struct jsonscan *data, const char *user_id,
    struct account *ret)
{
	const struct jsonscan_member	*id = &data->member[DATA_ID];
	const struct jsonscan_member	*key = &data->member[DATA_KEY];

	if (!member_is(id, JSON_STRING) || !member_is(key, JSON_STRING) ||
	    !account_id_valid(id->value, id->value_len) ||
	    !key_valid(key->value, key->value_len))
		return false;
	/* A user id with the key in it would be stored in the clear. */
	if (memmem(id->value, id->value_len, key->value,
	    key->value_len) != NULL)
		return false;
	if (user_id != NULL && !string_is(id, user_id))
		return false;
	memcpy(ret->user_id, id->value, id->value_len + 1);
	memcpy(ret->api_key, key->value, key->value_len + 1);
	return true;
}

static bool
status_is(const struct jsonscan_member *member, int status)
{
	return member_is(member, JSON_NUMBER) && member->value_len == 1 &&
	    member->value[0] == '0' + status;
}

/* A 200 whose body may be believed. */
static bool
body_fits(const struct answer_want *want, const char *body,
    const struct jsonscan *top, struct account *ret_account)
{
	const struct jsonscan_member	*member = &top->member[TOP_DATA];
	struct jsonscan			 data;
	bool				 fits = false;

	if (top->top != JSON_OBJECT ||
	    !member_is(&top->member[TOP_SUCCESS], JSON_TRUE))
		return false;
	if (want->kind == ANSWER_DELETE)
		return true;
	if (member->count != 1 || member->kind != JSON_OBJECT ||
	    jsonscan_text(&data, data_names, DATA_MAX,
	    body + member->value_start,
	    (size_t)(member->value_end - member->value_start)) == -1)
		return false;
	switch (want->kind) {
	case ANSWER_CREATE:
		fits = string_is(&data.member[DATA_NAME], want->name) &&
		    take_account(&data, NULL, ret_account);
		break;
	case ANSWER_REGENERATE:
		fits = take_account(&data, want->user_id, ret_account);
		break;
	case ANSWER_STATUS:
		fits = string_is(&data.member[DATA_ID], want->user_id) &&
		    status_is(&data.member[DATA_STATUS], want->status);
		break;
	case ANSWER_ME:
		fits = member_is(&data.member[DATA_ID], JSON_STRING);
		break;
	default:
		break;
	}
	wipe(&data, sizeof(data));
	return fits;
}

/* {"error":"...no such user..."}; an HTML 404 is a wrong path. */
static bool
says_gone(const struct httpc_result *result, const struct jsonscan *top)
{
	const struct jsonscan_member	*error = &top->member[TOP_ERROR];

	return (result->status == 404 || result->status == 500) &&
	    is_json_type(result->content_type) && top->top == JSON_OBJECT &&
	    error->count == 1 && error->kind == JSON_STRING &&
	    error->value_len >= strlen(GONE_TEXT) &&
	    memcmp(error->value, GONE_TEXT, strlen(GONE_TEXT)) == 0;
}

/*
 * For the log and the operator.  Of the body only a well-formed "error"
 * member is shown; an answer that may hold a key is never quoted.
 */
static void
describe(const struct httpc_result *result, const struct jsonscan *top,
    bool top_ok, struct admin_result *ret)
{
	const struct jsonscan_member	*error = &top->member[TOP_ERROR];
	size_t				 i;

	if (result->error != HTTPC_DONE)
		(void)snprintf(ret->text, sizeof(ret->text), "%s: %s",
		    httpc_error_name(result->error), result->text);
	else if (ret->outcome == ADMIN_OK)
		ret->text[0] = '\0';
	else if (result->status >= 400 && top_ok &&
	    error->kind == JSON_STRING &&
	    strstr(error->value, "sk-") == NULL)
		(void)snprintf(ret->text, sizeof(ret->text),
		    "HTTP %d: %.150s", result->status, error->value);
	else if (result->status == 200 || result->status == 201)
		(void)snprintf(ret->text, sizeof(ret->text),
		    "HTTP %d with a body that cannot be believed",
		    result->status);
	else
		(void)snprintf(ret->text, sizeof(ret->text), "HTTP %d",
		    result->status);
	for (i = 0; ret->text[i] != '\0'; i++) {
		if ((unsigned char)ret->text[i] < ' ' || ret->text[i] == 0x7f)
			ret->text[i] = ' ';
	}
	/* a character cut in its middle */
	while (i > 0 && !utf8_valid(ret->text, i))
		ret->text[--i] = '\0';
}

void
answer_judge(const struct answer_want *want,
    const struct httpc_result *result, const char *body, size_t body_len,
    struct account *ret_account, struct admin_result *ret)
{
	struct jsonscan	 top;
	struct account	 account = { "", "" };
	bool		 top_ok = false;

	assert(want->kind < ANSWER_KIND_MAX);
	memset(ret, 0, sizeof(*ret));
	memset(&top, 0, sizeof(top));
	ret->outcome = answer_classify(result);
	ret->status = result->status;
	if (result->error == HTTPC_DONE)
		top_ok = jsonscan_text(&top, top_names, TOP_MAX, body,
		    body_len) == 0;
	if (ret->outcome == ADMIN_OK && !(top_ok &&
	    is_json_type(result->content_type) &&
	    body_fits(want, body, &top, &account)))
		ret->outcome = ADMIN_UNKNOWN;
	if (want->kind != ANSWER_CREATE && want->kind != ANSWER_ME &&
	    (ret->outcome == ADMIN_REJECTED ||
	    ret->outcome == ADMIN_UNKNOWN) && result->error == HTTPC_DONE &&
	    top_ok && says_gone(result, &top))
		ret->outcome = ADMIN_GONE;
	if (ret->outcome == ADMIN_RATE)
		ret->retry_after_ms = answer_retry_after_ms(
		    result->retry_after, RETRY_AFTER_DEFAULT_MS);
	describe(result, &top, top_ok, ret);
	if (ret->outcome == ADMIN_OK && account.user_id[0] != '\0')
		*ret_account = account;
	wipe(&account, sizeof(account));
	wipe(&top, sizeof(top));
}
