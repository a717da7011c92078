/*
 * What sign-in providers may answer: good, broken, and hostile.  No
 * answer that does not say clearly whose it is may make an account.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "auth/answers.h"
#include "auth/displayname.h"
#include "base/codec.h"

#define NOW	1800000000LL

static struct provider linux_do = {
	.type = PROVIDER_LINUX_DO, .id = (char *)(uintptr_t)"linux_do",
	.key = "linux_do",
};
static struct provider github = {
	.type = PROVIDER_GITHUB, .id = (char *)(uintptr_t)"github",
	.key = "github",
};
static struct provider oidc = {
	.type = PROVIDER_OIDC, .id = (char *)(uintptr_t)"pocket",
	.key = "pocket:0011223344556677",
	.issuer = (char *)(uintptr_t)"https://id.test",
	.client_id = (char *)(uintptr_t)"client-1",
};

struct token_row {
	const char	*name;
	int		 status;
	const char	*body;
	enum oauth_result want;
};

static const struct token_row token_rows[] = {
	{ "good", 200, "{\"access_token\":\"abc\",\"token_type\":\"bearer\"}",
	    OAUTH_OK },
	{ "created", 201, "{\"access_token\":\"abc\"}", OAUTH_OK },
	{ "Bearer", 200, "{\"access_token\":\"a\",\"token_type\":\"Bearer\"}",
	    OAUTH_OK },
	{ "null extras", 200, "{\"access_token\":\"a\",\"token_type\":null,"
	    "\"id_token\":null,\"error\":null}", OAUTH_OK },
	{ "github's bad code", 200, "{\"error\":\"bad_verification_code\","
	    "\"error_description\":\"x\"}", OAUTH_DENIED },
	{ "github's bad secret", 200,
	    "{\"error\":\"incorrect_client_credentials\"}", OAUTH_BAD_ANSWER },
	{ "error and token", 200,
	    "{\"access_token\":\"a\",\"error\":\"invalid_grant\"}",
	    OAUTH_DENIED },
	{ "invalid_grant", 400, "{\"error\":\"invalid_grant\"}",
	    OAUTH_DENIED },
	{ "invalid_client", 401, "{\"error\":\"invalid_client\"}",
	    OAUTH_BAD_ANSWER },
	{ "error is a number", 200, "{\"access_token\":\"a\",\"error\":5}",
	    OAUTH_BAD_ANSWER },
	{ "error is an object", 400, "{\"error\":{\"a\":1}}",
	    OAUTH_BAD_ANSWER },
	{ "token in a 400", 400, "{\"access_token\":\"a\"}",
	    OAUTH_BAD_ANSWER },
	{ "token in a 302", 302, "{\"access_token\":\"a\"}",
	    OAUTH_BAD_ANSWER },
	{ "token in a 500", 500, "{\"access_token\":\"a\"}",
	    OAUTH_BAD_ANSWER },
	{ "empty", 200, "", OAUTH_BAD_ANSWER },
	{ "empty object", 200, "{}", OAUTH_BAD_ANSWER },
	{ "array", 200, "[{\"access_token\":\"a\"}]", OAUTH_BAD_ANSWER },
	{ "string", 200, "\"access_token\"", OAUTH_BAD_ANSWER },
	{ "null", 200, "null", OAUTH_BAD_ANSWER },
	{ "form", 200, "access_token=a&token_type=bearer", OAUTH_BAD_ANSWER },
	{ "HTML", 200, "<!doctype html><html></html>", OAUTH_BAD_ANSWER },
	{ "cut", 200, "{\"access_token\":\"a\"", OAUTH_BAD_ANSWER },
	{ "trailing", 200, "{\"access_token\":\"a\"}}", OAUTH_BAD_ANSWER },
	{ "BOM", 200, "\xef\xbb\xbf{\"access_token\":\"a\"}",
	    OAUTH_BAD_ANSWER },
	{ "token number", 200, "{\"access_token\":5}", OAUTH_BAD_ANSWER },
	{ "token null", 200, "{\"access_token\":null}", OAUTH_BAD_ANSWER },
	{ "token empty", 200, "{\"access_token\":\"\"}", OAUTH_BAD_ANSWER },
	{ "token array", 200, "{\"access_token\":[\"a\"]}",
	    OAUTH_BAD_ANSWER },
	{ "token with CR LF", 200,
	    "{\"access_token\":\"a\\r\\nX-Evil: 1\"}", OAUTH_BAD_ANSWER },
	{ "token with NUL", 200, "{\"access_token\":\"a\\u0000b\"}",
	    OAUTH_BAD_ANSWER },
	{ "token with space", 200, "{\"access_token\":\"a b\"}",
	    OAUTH_BAD_ANSWER },
	{ "token with tab", 200, "{\"access_token\":\"a\\tb\"}",
	    OAUTH_BAD_ANSWER },
	{ "token with UTF-8", 200, "{\"access_token\":\"\xc3\xa4\"}",
	    OAUTH_BAD_ANSWER },
	{ "token twice", 200,
	    "{\"access_token\":\"a\",\"access_token\":\"b\"}",
	    OAUTH_BAD_ANSWER },
	{ "token twice, escaped", 200,
	    "{\"access_token\":\"a\",\"\\u0061ccess_token\":\"b\"}",
	    OAUTH_BAD_ANSWER },
	{ "mac token", 200, "{\"access_token\":\"a\",\"token_type\":\"mac\"}",
	    OAUTH_BAD_ANSWER },
	{ "dpop token", 200,
	    "{\"access_token\":\"a\",\"token_type\":\"DPoP\"}",
	    OAUTH_BAD_ANSWER },
	{ "type number", 200, "{\"access_token\":\"a\",\"token_type\":1}",
	    OAUTH_BAD_ANSWER },
	{ "id_token number", 200, "{\"access_token\":\"a\",\"id_token\":1}",
	    OAUTH_BAD_ANSWER },
	{ "id_token empty", 200,
	    "{\"access_token\":\"a\",\"id_token\":\"\"}", OAUTH_BAD_ANSWER },
	{ "single quotes", 200, "{'access_token':'a'}", OAUTH_BAD_ANSWER },
	{ "bad UTF-8", 200, "{\"access_token\":\"a\",\"x\":\"\xff\"}",
	    OAUTH_BAD_ANSWER },
};

static void
token_answers(void **state)
{
	struct buf detail = BUF_INIT(OAUTH_DETAIL_MAX);
	struct oauth_grant grant = { 0 };
	enum oauth_result got;
	size_t i;

	(void)state;
	for (i = 0; i < sizeof(token_rows) / sizeof(token_rows[0]); i++) {
		const struct token_row *r = &token_rows[i];

		buf_reset(&detail);
		got = answer_token(r->status, r->body, strlen(r->body),
		    &grant, &detail);
		if (got != r->want)
			fail_msg("%s: %d (%s)", r->name, got,
			    buf_str(&detail));
		if ((got == OAUTH_OK) != (grant.access_token.len > 0))
			fail_msg("%s: token kept or lost", r->name);
		assert_int_equal(got == OAUTH_OK, detail.len == 0);
		oauth_grant_wipe(&grant);
	}
	print_message("%zu token answers\n", i);
	buf_free(&detail);
}

/* What is logged of a refusal cannot forge a line and is short. */
static void
refusals_are_told_briefly(void **state)
{
	static const char body[] =
	    "{\"error\":\"evil\\nlevel=error\","
	    "\"error_description\":\"s3cret\"}";
	struct buf detail = BUF_INIT(OAUTH_DETAIL_MAX);
	struct oauth_grant grant = { 0 };

	(void)state;
	assert_int_equal(answer_token(400, body, strlen(body), &grant,
	    &detail), OAUTH_BAD_ANSWER);
	assert_null(strchr(buf_str(&detail), '\n'));
	assert_null(strstr(buf_str(&detail), "evil"));
	assert_null(strstr(buf_str(&detail), "s3cret"));
	buf_free(&detail);
}

struct info_row {
	const char	*name;
	struct provider	*from;
	const char	*body;
	const char	*subject;
	const char	*username;
	const char	*avatar;
	int		 trust;
};

static const struct info_row info_rows[] = {
	{ "linux.do", &linux_do, "{\"id\":42,\"username\":\"ann\","
	    "\"avatar_url\":\"https://a.test/x.png\",\"trust_level\":3}",
	    "42", "ann", "https://a.test/x.png", 3 },
	{ "id as string", &linux_do, "{\"id\":\"42\",\"username\":\"ann\"}",
	    "42", "ann", "", 0 },
	{ "name and avatar", &linux_do, "{\"id\":1,\"username\":null,"
	    "\"name\":\"Ann\",\"avatar\":\"http://a.test/\"}",
	    "1", "Ann", "http://a.test/", 0 },
	{ "no name at all", &linux_do, "{\"id\":7}", "7", "linux_do-7", "",
	    0 },
	{ "empty name", &linux_do, "{\"id\":7,\"username\":\"  \"}", "7",
	    "linux_do-7", "", 0 },
	{ "name of the wrong type", &linux_do,
	    "{\"id\":7,\"username\":[\"x\"],\"name\":5}", "7", "linux_do-7",
	    "", 0 },
	{ "name with controls", &linux_do,
	    "{\"id\":7,\"username\":\" a\\u0007\\u202eb \\u0000\"}", "7",
	    "linux_do-7", "", 0 },
	{ "name mended", &linux_do,
	    "{\"id\":7,\"username\":\" \\u200ba\\u0007\\u202eb\\t \"}", "7",
	    "ab", "", 0 },
	{ "chinese name", &linux_do,
	    "{\"id\":7,\"username\":\"\xe5\xbc\xa0\xe4\xb8\x89\"}", "7",
	    "\xe5\xbc\xa0\xe4\xb8\x89", "", 0 },
	{ "big id", &linux_do, "{\"id\":123456789012345678901234567890}",
	    "123456789012345678901234567890",
	    "linux_do-123456789012345678901234567890", "", 0 },
	{ "trust null", &linux_do, "{\"id\":1,\"trust_level\":null}", "1",
	    "linux_do-1", "", 0 },
	{ "trust string", &linux_do, "{\"id\":1,\"trust_level\":\"4\"}", "1",
	    "linux_do-1", "", 0 },
	{ "trust float", &linux_do, "{\"id\":1,\"trust_level\":4.0}", "1",
	    "linux_do-1", "", 0 },
	{ "trust negative", &linux_do, "{\"id\":1,\"trust_level\":-1}", "1",
	    "linux_do-1", "", 0 },
	{ "trust huge", &linux_do, "{\"id\":1,\"trust_level\":1e9}", "1",
	    "linux_do-1", "", 0 },
	{ "trust overflow", &linux_do,
	    "{\"id\":1,\"trust_level\":18446744073709551617}", "1",
	    "linux_do-1", "", 0 },
	{ "trust true", &linux_do, "{\"id\":1,\"trust_level\":true}", "1",
	    "linux_do-1", "", 0 },
	{ "avatar script", &linux_do,
	    "{\"id\":1,\"avatar_url\":\"javascript:alert(1)\"}", "1",
	    "linux_do-1", "", 0 },
	{ "avatar quote", &linux_do,
	    "{\"id\":1,\"avatar_url\":\"https://a.test/\\\"onload=x\"}", "1",
	    "linux_do-1", "", 0 },
	{ "avatar newline", &linux_do,
	    "{\"id\":1,\"avatar_url\":\"https://a.test/\\r\\nX: 1\"}", "1",
	    "linux_do-1", "", 0 },
	{ "avatar falls back", &linux_do, "{\"id\":1,\"avatar_url\":\"/x\","
	    "\"avatar\":\"https://a.test/y\"}", "1", "linux_do-1",
	    "https://a.test/y", 0 },
	{ "github", &github, "{\"id\":9,\"login\":\"octo\",\"name\":\"O\","
	    "\"avatar_url\":\"https://g.test/o\",\"trust_level\":4}",
	    "9", "octo", "https://g.test/o", 0 },
	{ "oidc", &oidc, "{\"sub\":\"s-1\",\"preferred_username\":\"p\","
	    "\"picture\":\"https://i.test/p\"}", "s-1", "p",
	    "https://i.test/p", 0 },
	{ "oidc name", &oidc, "{\"sub\":\"s-1\",\"name\":\"N\"}", "s-1", "N",
	    "", 0 },
	{ "oidc e-mail", &oidc, "{\"sub\":\"s-1\",\"email\":\"me@x.test\"}",
	    "s-1", "me", "", 0 },
	{ "oidc many @", &oidc, "{\"sub\":\"s\",\"email\":\"a@b@c@x.test\"}",
	    "s", "a", "", 0 },
	{ "oidc e-mail is @", &oidc, "{\"sub\":\"s\",\"email\":\"@x\"}", "s",
	    "pocket-s", "", 0 },
	{ "oidc no @", &oidc, "{\"sub\":\"s\",\"email\":\"admin\"}", "s",
	    "pocket-s", "", 0 },
	{ "oidc id is not the sub", &oidc, "{\"sub\":\"s\",\"id\":1}", "s",
	    "pocket-s", "", 0 },
};

static const struct {
	const char	*name;
	struct provider	*from;
	const char	*body;
} refused_rows[] = {
	{ "no id", &linux_do, "{\"username\":\"ann\"}" },
	{ "sub is not the id", &linux_do, "{\"sub\":\"1\"}" },
	{ "id null", &linux_do, "{\"id\":null,\"username\":\"a\"}" },
	{ "id true", &linux_do, "{\"id\":true}" },
	{ "id object", &linux_do, "{\"id\":{\"v\":1}}" },
	{ "id array", &linux_do, "{\"id\":[1]}" },
	{ "id fraction", &linux_do, "{\"id\":1.0}" },
	{ "id fraction .5", &linux_do, "{\"id\":1.5}" },
	{ "id exponent", &linux_do, "{\"id\":1e3}" },
	{ "id negative", &linux_do, "{\"id\":-1}" },
	{ "id minus zero", &linux_do, "{\"id\":-0}" },
	{ "id leading zero", &linux_do, "{\"id\":01}" },
	{ "id plus", &linux_do, "{\"id\":+1}" },
	{ "id hex", &linux_do, "{\"id\":0x1}" },
	{ "id empty", &linux_do, "{\"id\":\"\"}" },
	{ "id space", &linux_do, "{\"id\":\" 1\"}" },
	{ "id space behind", &linux_do, "{\"id\":\"1 \"}" },
	{ "id wide space behind", &linux_do, "{\"id\":\"1\\u3000\"}" },
	{ "id newline", &linux_do, "{\"id\":\"1\\n\"}" },
	{ "id NUL", &linux_do, "{\"id\":\"1\\u00002\"}" },
	{ "id C1 control", &linux_do, "{\"id\":\"1\\u0085\"}" },
	{ "id lone surrogate", &linux_do, "{\"id\":\"\\ud800\"}" },
	{ "id U+FFFD", &linux_do, "{\"id\":\"\\ufffd\"}" },
	{ "id twice", &linux_do, "{\"id\":1,\"id\":2}" },
	{ "id twice, escaped", &linux_do, "{\"id\":1,\"\\u0069d\":2}" },
	{ "username twice", &linux_do,
	    "{\"id\":1,\"username\":\"a\",\"username\":\"b\"}" },
	{ "NUL in a name", &linux_do, "{\"id\":1,\"id\\u0000\":2}" },
	{ "oidc no sub", &oidc, "{\"preferred_username\":\"p\"}" },
	{ "oidc sub number", &oidc, "{\"sub\":1}" },
	{ "oidc sub null", &oidc, "{\"sub\":null}" },
	{ "oidc sub empty", &oidc, "{\"sub\":\"\"}" },
	{ "oidc only id", &oidc, "{\"id\":1}" },
	{ "array", &linux_do, "[{\"id\":1}]" },
	{ "wrapped", &linux_do, "{\"data\":{\"id\":1}}" },
	{ "empty", &linux_do, "" },
	{ "null", &linux_do, "null" },
	{ "number", &linux_do, "42" },
	{ "HTML", &linux_do, "<html>42</html>" },
	{ "a signed answer", &oidc, "eyJhbGciOiJIUzI1NiJ9.e30.AAAA" },
	{ "cut", &linux_do, "{\"id\":1" },
	{ "trailing", &linux_do, "{\"id\":1} 2" },
	{ "trailing comma", &linux_do, "{\"id\":1,}" },
	{ "single quotes", &linux_do, "{'id':1}" },
	{ "NaN", &linux_do, "{\"id\":NaN}" },
	{ "Infinity", &linux_do, "{\"id\":Infinity}" },
	{ "bad UTF-8", &linux_do, "{\"id\":1,\"username\":\"\xc0\xaf\"}" },
	{ "raw control", &linux_do, "{\"id\":1,\"username\":\"a\nb\"}" },
};

static void
info_row_check(const struct info_row *r)
{
	struct buf detail = BUF_INIT(OAUTH_DETAIL_MAX);
	struct oauth_identity id;
	enum oauth_result got;

	got = answer_userinfo(r->from, 200, r->body, strlen(r->body), &id,
	    &detail);
	if (got != OAUTH_OK)
		fail_msg("%s: %d (%s)", r->name, got, buf_str(&detail));
	if (strcmp(id.subject, r->subject) != 0 ||
	    strcmp(id.username, r->username) != 0 ||
	    strcmp(id.avatar_url, r->avatar) != 0 ||
	    strcmp(id.provider, r->from->key) != 0 ||
	    id.trust_level != r->trust)
		fail_msg("%s: '%s' '%s' '%s' %d", r->name, id.subject,
		    id.username, id.avatar_url, id.trust_level);
	buf_free(&detail);
}

static void
userinfo_answers(void **state)
{
	size_t i;

	(void)state;
	for (i = 0; i < sizeof(info_rows) / sizeof(info_rows[0]); i++)
		info_row_check(&info_rows[i]);
	print_message("%zu good user info answers\n", i);
}

static void
userinfo_refused(void **state)
{
	struct buf detail = BUF_INIT(OAUTH_DETAIL_MAX);
	struct oauth_identity id;
	size_t i;

	(void)state;
	memset(&id, 0x5a, sizeof(id));
	for (i = 0; i < sizeof(refused_rows) / sizeof(refused_rows[0]); i++) {
		buf_reset(&detail);
		if (answer_userinfo(refused_rows[i].from, 200,
		    refused_rows[i].body, strlen(refused_rows[i].body), &id,
		    &detail) != OAUTH_BAD_ANSWER)
			fail_msg("%s was taken", refused_rows[i].name);
		assert_true(detail.len > 0);
		assert_int_equal(id.subject[0], 0x5a);	/* untouched */
	}
	print_message("%zu hostile user info answers\n", i);
	buf_free(&detail);
}

static void
userinfo_statuses(void **state)
{
	static const int statuses[] = {
		201, 204, 301, 302, 400, 401, 403, 404, 429, 500, 502, 503
	};
	struct buf detail = BUF_INIT(OAUTH_DETAIL_MAX);
	struct oauth_identity id;
	size_t i;

	(void)state;
	for (i = 0; i < sizeof(statuses) / sizeof(statuses[0]); i++)
		assert_int_equal(answer_userinfo(&linux_do, statuses[i],
		    "{\"id\":1}", 8, &id, &detail), OAUTH_BAD_ANSWER);
	buf_free(&detail);
}

/* At and around every limit, and far beyond. */
static void
sizes(void **state)
{
	static char x[1000001];
	struct buf detail = BUF_INIT(OAUTH_DETAIL_MAX);
	struct buf body = BUF_INIT(4 << 20);
	struct oauth_identity id;
	struct oauth_grant grant = { 0 };
	size_t n;

	(void)state;
	for (n = 188; n < 193; n++) {
		memset(x, 'i', n);
		x[n] = '\0';
		buf_reset(&body);
		buf_printf(&body, "{\"id\":\"%s\"}", x);
		assert_int_equal(answer_userinfo(&linux_do, 200, body.data,
		    body.len, &id, &detail),
		    n <= IDENTITY_SUBJECT_MAX ? OAUTH_OK : OAUTH_BAD_ANSWER);
		memset(x, '7', n);
		buf_reset(&body);
		buf_printf(&body, "{\"id\":%s}", x);
		assert_int_equal(answer_userinfo(&linux_do, 200, body.data,
		    body.len, &id, &detail),
		    n <= IDENTITY_SUBJECT_MAX ? OAUTH_OK : OAUTH_BAD_ANSWER);
	}
	for (n = 254; n < 1000; n += 245) {
		memset(x, 'u', n);
		x[n] = '\0';
		buf_reset(&body);
		buf_printf(&body, "{\"id\":1,\"username\":\"%s\"}", x);
		assert_int_equal(answer_userinfo(&linux_do, 200, body.data,
		    body.len, &id, &detail), OAUTH_OK);
		assert_int_equal(strlen(id.username),
		    n < USER_NAME_MAX ? n : USER_NAME_MAX);
	}
	for (n = USER_AVATAR_MAX - 1; n < USER_AVATAR_MAX + 2; n++) {
		memset(x, 'p', n);
		memcpy(x, "https://", 8);
		x[n] = '\0';
		buf_reset(&body);
		buf_printf(&body, "{\"id\":1,\"avatar_url\":\"%s\"}", x);
		assert_int_equal(answer_userinfo(&linux_do, 200, body.data,
		    body.len, &id, &detail), OAUTH_OK);
		assert_int_equal(strlen(id.avatar_url),
		    n <= USER_AVATAR_MAX ? n : 0);
	}
	for (n = ANSWER_TOKEN_MAX - 1; n < ANSWER_TOKEN_MAX + 2; n++) {
		memset(x, 't', n);
		x[n] = '\0';
		buf_reset(&body);
		buf_printf(&body, "{\"access_token\":\"%s\"}", x);
		assert_int_equal(answer_token(200, body.data, body.len, &grant,
		    &detail),
		    n <= ANSWER_TOKEN_MAX ? OAUTH_OK : OAUTH_BAD_ANSWER);
		oauth_grant_wipe(&grant);
	}
	/* Deep, and megabytes of something else. */
	memset(x, '[', 1000000);
	x[1000000] = '\0';
	buf_reset(&body);
	buf_printf(&body, "{\"id\":1,\"x\":%s", x);
	assert_int_equal(answer_userinfo(&linux_do, 200, body.data, body.len,
	    &id, &detail), OAUTH_BAD_ANSWER);
	memset(x, ' ', 1000000);
	buf_reset(&body);
	buf_printf(&body, "%s{\"id\":1}", x);
	assert_int_equal(answer_userinfo(&linux_do, 200, body.data, body.len,
	    &id, &detail), OAUTH_OK);
	buf_free(&body);
	buf_free(&detail);
}

#define ID_GOOD	"{\"iss\":\"https://id.test\",\"aud\":\"client-1\","	\
	"\"sub\":\"s-1\",\"nonce\":\"n0nce\",\"exp\":1800000300}"

static const struct {
	const char	*name, *payload;
	bool		 good;
} id_rows[] = {
	{ "good", ID_GOOD, true },
	{ "aud array", "{\"iss\":\"https://id.test\",\"aud\":[\"x\","
	    "\"client-1\"],\"azp\":\"client-1\",\"sub\":\"s-1\","
	    "\"nonce\":\"n0nce\",\"exp\":1800000300}", true },
	{ "within the skew", "{\"iss\":\"https://id.test\","
	    "\"aud\":\"client-1\",\"sub\":\"s-1\",\"nonce\":\"n0nce\","
	    "\"exp\":1799999941}", true },
	{ "expired", "{\"iss\":\"https://id.test\",\"aud\":\"client-1\","
	    "\"sub\":\"s-1\",\"nonce\":\"n0nce\",\"exp\":1799999940}",
	    false },
	{ "no exp", "{\"iss\":\"https://id.test\",\"aud\":\"client-1\","
	    "\"sub\":\"s-1\",\"nonce\":\"n0nce\"}", false },
	{ "exp string", "{\"iss\":\"https://id.test\",\"aud\":\"client-1\","
	    "\"sub\":\"s-1\",\"nonce\":\"n0nce\",\"exp\":\"1800000300\"}",
	    false },
	{ "exp beyond", "{\"iss\":\"https://id.test\",\"aud\":\"client-1\","
	    "\"sub\":\"s-1\",\"nonce\":\"n0nce\","
	    "\"exp\":99999999999999999999}", false },
	{ "iss another", "{\"iss\":\"https://evil.test\","
	    "\"aud\":\"client-1\",\"sub\":\"s-1\",\"nonce\":\"n0nce\","
	    "\"exp\":1800000300}", false },
	{ "iss with slash", "{\"iss\":\"https://id.test/\","
	    "\"aud\":\"client-1\",\"sub\":\"s-1\",\"nonce\":\"n0nce\","
	    "\"exp\":1800000300}", false },
	{ "no iss", "{\"aud\":\"client-1\",\"sub\":\"s-1\","
	    "\"nonce\":\"n0nce\",\"exp\":1800000300}", false },
	{ "aud another", "{\"iss\":\"https://id.test\",\"aud\":\"client-2\","
	    "\"sub\":\"s-1\",\"nonce\":\"n0nce\",\"exp\":1800000300}",
	    false },
	{ "aud others", "{\"iss\":\"https://id.test\",\"aud\":[\"a\",\"b\"],"
	    "\"sub\":\"s-1\",\"nonce\":\"n0nce\",\"exp\":1800000300}",
	    false },
	{ "aud empty array", "{\"iss\":\"https://id.test\",\"aud\":[],"
	    "\"sub\":\"s-1\",\"nonce\":\"n0nce\",\"exp\":1800000300}",
	    false },
	{ "no aud", "{\"iss\":\"https://id.test\",\"sub\":\"s-1\","
	    "\"nonce\":\"n0nce\",\"exp\":1800000300}", false },
	{ "azp another", "{\"iss\":\"https://id.test\",\"aud\":\"client-1\","
	    "\"azp\":\"client-2\",\"sub\":\"s-1\",\"nonce\":\"n0nce\","
	    "\"exp\":1800000300}", false },
	{ "sub another", "{\"iss\":\"https://id.test\",\"aud\":\"client-1\","
	    "\"sub\":\"s-2\",\"nonce\":\"n0nce\",\"exp\":1800000300}",
	    false },
	{ "no sub", "{\"iss\":\"https://id.test\",\"aud\":\"client-1\","
	    "\"nonce\":\"n0nce\",\"exp\":1800000300}", false },
	{ "nonce another", "{\"iss\":\"https://id.test\","
	    "\"aud\":\"client-1\",\"sub\":\"s-1\",\"nonce\":\"other\","
	    "\"exp\":1800000300}", false },
	{ "nonce longer", "{\"iss\":\"https://id.test\","
	    "\"aud\":\"client-1\",\"sub\":\"s-1\",\"nonce\":\"n0nce1\","
	    "\"exp\":1800000300}", false },
	{ "no nonce", "{\"iss\":\"https://id.test\",\"aud\":\"client-1\","
	    "\"sub\":\"s-1\",\"exp\":1800000300}", false },
	{ "nonce number", "{\"iss\":\"https://id.test\","
	    "\"aud\":\"client-1\",\"sub\":\"s-1\",\"nonce\":1,"
	    "\"exp\":1800000300}", false },
	{ "sub twice", "{\"sub\":\"s-2\",\"iss\":\"https://id.test\","
	    "\"aud\":\"client-1\",\"sub\":\"s-1\",\"nonce\":\"n0nce\","
	    "\"exp\":1800000300}", false },
	{ "array", "[" ID_GOOD "]", false },
	{ "empty object", "{}", false },
	{ "not JSON", "hello", false },
};

static enum oauth_result
id_check(const char *token, size_t len)
{
	struct buf detail = BUF_INIT(OAUTH_DETAIL_MAX);
	enum oauth_result result;

	result = answer_id_token(&oidc, token, len, "n0nce", "s-1", NOW,
	    &detail);
	assert_int_equal(result == OAUTH_OK, detail.len == 0);
	buf_free(&detail);
	return result;
}

static void
id_tokens(void **state)
{
	static const char *const bad[] = {
		"", ".", "..", "...", "a.b", "a.!.c", "a.e30.c.d", "e30",
		"a.e30=.c", "a..c"
	};
	char payload[1024], token[2048];
	size_t i, n;

	(void)state;
	for (i = 0; i < sizeof(id_rows) / sizeof(id_rows[0]); i++) {
		n = strlen(id_rows[i].payload);
		b64url_encode(id_rows[i].payload, n, B64_UNPADDED, payload);
		n = (size_t)snprintf(token, sizeof(token),
		    "eyJhbGciOiJSUzI1NiJ9.%s.c2ln", payload);
		if ((id_check(token, n) == OAUTH_OK) != id_rows[i].good)
			fail_msg("%s", id_rows[i].name);
	}
	for (i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		if (id_check(bad[i], strlen(bad[i])) == OAUTH_OK)
			fail_msg("'%s' was believed", bad[i]);
	}
}

static void
names_are_mended(void **state)
{
	static const struct {
		const char *from, *to;	/* NULL: nothing is left */
	} all[] = {
		{ "ann", "ann" }, { "  ann  ", "ann" }, { "a b", "a b" },
		{ "", NULL }, { " ", NULL }, { "\t\r\n", NULL },
		{ "\xe3\x80\x80", NULL }, { "\xe2\x80\x8b", NULL },
		{ "a\x7f\xc2\x85z", "az" }, { "\xef\xbb\xbf" "a", "a" },
		{ "\xe2\x80\xae" "evil", "evil" }, { "\xff", NULL },
		{ "\xf0\x9f\x98\x80", "\xf0\x9f\x98\x80" },
		{ "a\xc2\xa0", "a" }, { "<b>&\"'", "<b>&\"'" },
		{ "\xf3\xa0\x81\x81" "a", "a" },
	};
	char ret[USER_NAME_MAX * 4 + 1], many[USER_NAME_MAX * 8 + 8] = "";
	size_t i;
	int rc;

	(void)state;
	for (i = 0; i < sizeof(all) / sizeof(all[0]); i++) {
		rc = displayname_clean(all[i].from, ret);
		if ((rc == 0) != (all[i].to != NULL) ||
		    (rc == 0 && strcmp(ret, all[i].to) != 0))
			fail_msg("row %zu", i);
	}
	for (i = 0; i < USER_NAME_MAX * 2; i++)
		memcpy(many + 4 * i, "\xf0\x9f\x98\x80", 5);
	assert_int_equal(displayname_clean(many, ret), 0);
	assert_int_equal(utf8_count(ret, strlen(ret)), USER_NAME_MAX);
	assert_true(utf8_valid(ret, strlen(ret)));
	many[190 * 4] = '\0';
	assert_true(displayname_subject_ok(many));
	displayname_from_subject("provider", many, ret);
	assert_int_equal(utf8_count(ret, strlen(ret)), 199);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(token_answers),
		cmocka_unit_test(refusals_are_told_briefly),
		cmocka_unit_test(userinfo_answers),
		cmocka_unit_test(userinfo_refused),
		cmocka_unit_test(userinfo_statuses),
		cmocka_unit_test(sizes),
		cmocka_unit_test(id_tokens),
		cmocka_unit_test(names_are_mended),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
