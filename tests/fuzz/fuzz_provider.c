/*
 * fuzz_provider: any bytes, as what a sign-in provider answers.
 *
 * The first byte chooses which answer it is.  What is accepted must be
 * fit for where it goes next: a token into a header, an id and a name
 * into the database, a picture into a page, an endpoint into a request.
 */
#include <assert.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "auth/answers.h"
#include "auth/discovery.h"
#include "base/codec.h"

#define NOW	1800000000LL

int	 LLVMFuzzerTestOneInput(const uint8_t *, size_t);

static char linux_do_id[] = "linux_do", github_id[] = "github";
static char oidc_id[] = "pocket", issuer[] = "https://id.test";
static char client[] = "client-1";

static const struct provider linux_do = {
	.type = PROVIDER_LINUX_DO, .id = linux_do_id, .key = "linux_do",
};
static const struct provider github = {
	.type = PROVIDER_GITHUB, .id = github_id, .key = "github",
};
static const struct provider oidc = {
	.type = PROVIDER_OIDC, .id = oidc_id, .key = "pocket:0011223344556677",
	.issuer = issuer, .client_id = client,
};

/* Exactly one of: success and nothing told, or failure and a phrase. */
static void
check_detail(enum oauth_result result, const struct buf *detail)
{
	size_t i;

	assert(result == OAUTH_OK || result == OAUTH_BAD_ANSWER ||
	    result == OAUTH_DENIED);
	assert((result == OAUTH_OK) == (detail->len == 0));
	for (i = 0; i < detail->len; i++)
		assert(detail->data[i] >= 0x20 && detail->data[i] < 0x7f);
}

static void
check_token(const struct secret *token, size_t least)
{
	size_t i;

	assert(token->len >= least && token->len <= ANSWER_TOKEN_MAX);
	for (i = 0; i < token->len; i++)
		assert(token->data[i] > 0x20 && token->data[i] < 0x7f);
}

static void
token_answer(const char *text, size_t len)
{
	struct buf detail = BUF_INIT(OAUTH_DETAIL_MAX);
	struct oauth_grant grant = { 0 };
	enum oauth_result result;

	result = answer_token(200, text, len, &grant, &detail);
	check_detail(result, &detail);
	if (result == OAUTH_OK) {
		check_token(&grant.access_token, 1);
		check_token(&grant.id_token, 0);
	} else
		assert(grant.access_token.len + grant.id_token.len == 0);
	oauth_grant_wipe(&grant);
	buf_reset(&detail);
	result = answer_token(400, text, len, &grant, &detail);
	check_detail(result, &detail);
	assert(result != OAUTH_OK);
	buf_free(&detail);
}

static void
check_identity(const struct oauth_identity *id)
{
	size_t n = strlen(id->subject), i;

	assert(n >= 1 && utf8_valid(id->subject, n));
	assert(utf8_count(id->subject, n) <= IDENTITY_SUBJECT_MAX);
	assert(id->subject[0] != ' ' && id->subject[n - 1] != ' ');
	for (i = 0; i < n; i++)
		assert((unsigned char)id->subject[i] >= 0x20);
	n = strlen(id->username);
	assert(n >= 1 && utf8_valid(id->username, n));
	assert(utf8_count(id->username, n) <= USER_NAME_MAX);
	for (i = 0; i < n; i++)
		assert((unsigned char)id->username[i] >= 0x20);
	n = strlen(id->avatar_url);
	assert(n <= USER_AVATAR_MAX);
	assert(n == 0 || strncmp(id->avatar_url, "http", 4) == 0);
	assert(strpbrk(id->avatar_url, "\"'<> \r\n\\") == NULL);
	assert(id->trust_level >= 0 && id->trust_level <= 1000);
	assert(!id->browser_flow && id->return_to[0] == '\0');
}

static void
userinfo(const struct provider *p, const char *text, size_t len)
{
	struct buf detail = BUF_INIT(OAUTH_DETAIL_MAX);
	struct oauth_identity id, again;
	enum oauth_result result;

	result = answer_userinfo(p, 200, text, len, &id, &detail);
	check_detail(result, &detail);
	if (result == OAUTH_OK) {
		check_identity(&id);
		result = answer_userinfo(p, 200, text, len, &again, &detail);
		assert(result == OAUTH_OK);
		assert(strcmp(id.subject, again.subject) == 0);
	}
	buf_free(&detail);
}

static void
userinfo_linux_do(const char *text, size_t len)
{
	userinfo(&linux_do, text, len);
}

static void
userinfo_github(const char *text, size_t len)
{
	userinfo(&github, text, len);
}

static void
userinfo_oidc(const char *text, size_t len)
{
	userinfo(&oidc, text, len);
}

static void
id_token_raw(const char *text, size_t len)
{
	struct buf detail = BUF_INIT(OAUTH_DETAIL_MAX);

	check_detail(answer_id_token(&oidc, text, len, "n0nce", "s-1", NOW,
	    &detail), &detail);
	buf_free(&detail);
}

static void
id_token_payload(const char *text, size_t len)
{
	struct buf token = BUF_INIT(1 << 20);
	char *coded = malloc(b64url_encoded_len(len, B64_UNPADDED) + 1);

	assert(coded != NULL);
	b64url_encode(text, len, B64_UNPADDED, coded);
	(void)buf_printf(&token, "e30.%s.c2ln", coded);
	id_token_raw(buf_str(&token), token.len);
	buf_free(&token);
	free(coded);
}

static void
discovery(const char *text, size_t len)
{
	struct buf detail = BUF_INIT(4096);
	struct provider_endpoints e = { 0 };

	if (discovery_parse(issuer, text, len, &e, &detail) == 0) {
		assert(strncmp(e.token.url, "https://", 8) == 0);
		assert(strncmp(e.userinfo.url, "https://", 8) == 0);
		assert(strncmp(e.authorization.url, "https://", 8) == 0);
		assert(!e.token.base.loopback && !e.userinfo.base.loopback);
		assert(e.token.target[0] == '/');
		assert(strpbrk(e.token.target, " \r\n#") == NULL);
	} else
		assert(detail.len > 0 && e.token.url == NULL);
	provider_endpoints_free(&e);
	buf_free(&detail);
}

static void (*const kinds[])(const char *, size_t) = {
	token_answer, userinfo_linux_do, userinfo_github, userinfo_oidc,
	id_token_raw, id_token_payload, discovery,
};

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	if (size == 0 || size > 65536)
		return 0;
	kinds[data[0] % (sizeof(kinds) / sizeof(kinds[0]))](
	    (const char *)data + 1, size - 1);
	return 0;
}
