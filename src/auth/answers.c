/*
 * answers: what a sign-in provider said.
 *
 * auth/oauth hands every body it got to these functions.  A provider may
 * be malicious or broken: nothing may crash, no account may come out of
 * an answer that does not say clearly whose it is, and one person must
 * always come out under the same subject.
 */
#include <assert.h>
#include <stdio.h>
#include <string.h>
#include <strings.h>

#include "auth/answers.h"
#include "auth/displayname.h"
#include "auth/object.h"
#include "base/codec.h"
#include "base/jsonscan.h"

#define TRUST_MAX	1000
#define ID_TOKEN_SKEW_S	60

void
oauth_grant_wipe(struct oauth_grant *grant)
{
	secret_wipe(&grant->access_token);
	secret_wipe(&grant->id_token);
}

static enum oauth_result
bad(struct buf *detail, const char *what, const char *fault)
{
	(void)buf_printf(detail, "%s: %s", what, fault);
	return OAUTH_BAD_ANSWER;
}

/* An error code (RFC 6749 5.2) is copied only when it looks like one. */
static enum oauth_result
refused(struct buf *detail, int status, const char *error)
{
	/* These are about the code or the person; the others about us. */
	static const char *const about_code[] = {
		"invalid_grant", "access_denied", "bad_verification_code",
		"expired_token", "authorization_pending", "consent_required",
		"interaction_required", "login_required"
	};
	size_t i, len = strlen(error);
	bool plain = len <= 64 && strspn(error, "abcdefghijklmnopqrstuvwxyz"
	    "ABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_.-") == len;

	(void)buf_printf(detail, "token answer: status %d, error %s", status,
	    plain ? error : "(unreadable)");
	for (i = 0; i < sizeof(about_code) / sizeof(about_code[0]); i++) {
		if (strcmp(error, about_code[i]) == 0)
			return OAUTH_DENIED;
	}
	return OAUTH_BAD_ANSWER;
}

/* It goes into a header: visible ASCII without spaces (RFC 6750 2.1). */
static bool
token_ok(const char *s)
{
	size_t n;

	for (n = 0; s[n] != '\0'; n++) {
		if (s[n] <= 0x20 || s[n] >= 0x7f || n >= ANSWER_TOKEN_MAX)
			return false;
	}
	return n > 0;
}

static const char *
take_grant(struct json_object *o, struct oauth_grant *ret)
{
	const char *access = object_string(o, "access_token");
	const char *id = object_string(o, "id_token");
	const char *type = object_string(o, "token_type");

	if (access == NULL || !token_ok(access))
		return "no usable access_token";
	if (object_has(o, "token_type") &&
	    (type == NULL || strcasecmp(type, "bearer") != 0))
		return "token_type is not bearer";
	if (object_has(o, "id_token") &&
	    (id == NULL || !token_ok(id)))
		return "id_token is not usable";
	secret_set(&ret->access_token, access, strlen(access));
	if (id != NULL)
		secret_set(&ret->id_token, id, strlen(id));
	return NULL;
}

enum oauth_result
answer_token(int status, const char *body, size_t len,
    struct oauth_grant *ret, struct buf *detail)
{
	static const char *const names[] = {
		"access_token", "token_type", "id_token", "error"
	};
	static const char what[] = "token answer";
	struct json_object *o;
	const char *fault, *error;
	enum oauth_result result;

	o = object_read(body, len, names, 4, &fault);
	if (o == NULL) {
		(void)buf_printf(detail, "%s: status %d, %s", what, status,
		    fault);
		return OAUTH_BAD_ANSWER;
	}
	error = object_string(o, "error");
	if (object_has(o, "error"))
		result = refused(detail, status, error != NULL ? error : " ");
	else if (status < 200 || status > 299)
		result = refused(detail, status, "none");
	else if ((fault = take_grant(o, ret)) != NULL)
		result = bad(detail, what, fault);
	else
		result = OAUTH_OK;
	(void)json_object_put(o);
	return result;
}

/*
 * The subject as a string, the same for 42 and "42".  Numbers are taken
 * as they are written, because a parsed one is not exact beyond 64 bits.
 */
static int
take_subject(const struct provider *p, const char *body, size_t len,
    char *ret)
{
	static const char *const names[] = { "id", "sub" };
	const char *name = names[p->type == PROVIDER_OIDC];
	const struct jsonscan_member *m;
	struct jsonscan scan;
	struct json_object *o;
	const char *s, *fault;
	int rc = -1;

	if (jsonscan_text(&scan, names, 2, body, len) == -1)
		return -1;
	m = jsonscan_member(&scan, name);
	if (m->kind == JSON_NUMBER && p->type != PROVIDER_OIDC) {
		if (m->cut || m->value_len > IDENTITY_SUBJECT_MAX ||
		    strspn(m->value, "0123456789") != m->value_len)
			return -1;
		memcpy(ret, m->value, m->value_len + 1);
		return 0;
	}
	if (m->kind != JSON_STRING)
		return -1;
	o = object_read(body, len, names, 2, &fault);
	s = o != NULL ? object_string(o, name) : NULL;
	if (s != NULL && displayname_subject_ok(s)) {
		memcpy(ret, s, strlen(s) + 1);
		rc = 0;
	}
	(void)json_object_put(o);
	return rc;
}

/* Where each type keeps the name and the picture, best first. */
static const struct {
	const char	*names[3];
	const char	*avatars[2];
} members[PROVIDER_TYPE_MAX] = {
	[PROVIDER_LINUX_DO] = { { "username", "name" },
	    { "avatar_url", "avatar" } },
	[PROVIDER_GITHUB] = { { "login" }, { "avatar_url" } },
	[PROVIDER_OIDC] = { { "preferred_username", "name", "nickname" },
	    { "picture" } },
};

static void
take_username(const struct provider *p, struct json_object *o,
    struct oauth_identity *id)
{
	const char *s;
	char *at;
	size_t i;

	for (i = 0; i < 3 && members[p->type].names[i] != NULL; i++) {
		s = object_string(o, members[p->type].names[i]);
		if (s != NULL && displayname_clean(s, id->username) == 0)
			return;
	}
	s = p->type == PROVIDER_OIDC ? object_string(o, "email") : NULL;
	if (s != NULL && displayname_clean(s, id->username) == 0 &&
	    (at = strchr(id->username, '@')) != NULL && at > id->username) {
		*at = '\0';
		return;
	}
	displayname_from_subject(p->id, id->subject, id->username);
}

static void
take_avatar(const struct provider *p, struct json_object *o,
    struct oauth_identity *id)
{
	const char *s;
	size_t i;

	id->avatar_url[0] = '\0';
	for (i = 0; i < 2 && members[p->type].avatars[i] != NULL; i++) {
		s = object_string(o, members[p->type].avatars[i]);
		if (s != NULL && displayname_picture_ok(s)) {
			memcpy(id->avatar_url, s, strlen(s) + 1);
			return;
		}
	}
}

enum oauth_result
answer_userinfo(const struct provider *p, int status, const char *body,
    size_t len, struct oauth_identity *ret, struct buf *detail)
{
	static const char *const names[] = {
		"id", "sub", "username", "name", "login", "nickname",
		"preferred_username", "email", "avatar_url", "avatar",
		"picture", "trust_level"
	};
	static const char what[] = "user info answer";
	struct oauth_identity id = { 0 };
	struct json_object *o;
	const char *fault;

	if (status != 200) {
		(void)buf_printf(detail, "%s: status %d", what, status);
		return OAUTH_BAD_ANSWER;
	}
	o = object_read(body, len, names, sizeof(names) / sizeof(names[0]),
	    &fault);
	if (o == NULL)
		return bad(detail, what, fault);
	if (take_subject(p, body, len, id.subject) == -1) {
		(void)json_object_put(o);
		return bad(detail, what, "no usable id");
	}
	(void)snprintf(id.provider, sizeof(id.provider), "%s", p->key);
	take_username(p, o, &id);
	take_avatar(p, o, &id);
	if (p->type == PROVIDER_LINUX_DO)
		id.trust_level = (int)object_int(o, "trust_level", 0,
		    TRUST_MAX, 0);
	(void)json_object_put(o);
	*ret = id;
	return OAUTH_OK;
}

/* OpenID Connect Core 3.1.3.7, points 2 to 5. */
static bool
audience_ok(struct json_object *o, const char *client_id)
{
	const char *aud = object_string(o, "aud");
	const char *azp = object_string(o, "azp");

	if (object_has(o, "azp") &&
	    (azp == NULL || strcmp(azp, client_id) != 0))
		return false;
	if (aud != NULL)
		return strcmp(aud, client_id) == 0;
	return object_array_has(o, "aud", client_id);
}

static const char *
id_claims_check(const struct provider *p, struct json_object *o,
    const char *nonce, const char *subject, int64_t now_s)
{
	const char *iss = object_string(o, "iss");
	const char *got = object_string(o, "nonce");
	const char *sub = object_string(o, "sub");

	if (iss == NULL || strcmp(iss, p->issuer) != 0)
		return "iss is another's";
	if (!audience_ok(o, p->client_id))
		return "aud is another's";
	if (got == NULL || strlen(got) != strlen(nonce) ||
	    !ct_equal(got, nonce, strlen(nonce)))
		return "nonce is not ours";
	if (sub == NULL || strcmp(sub, subject) != 0)
		return "sub is not that of the user info";
	if (object_int(o, "exp", now_s - ID_TOKEN_SKEW_S + 1, INT64_MAX - 1,
	    -1) == -1)
		return "expired, or without exp";
	return NULL;
}

enum oauth_result
answer_id_token(const struct provider *p, const char *token, size_t len,
    const char *nonce, const char *subject, int64_t now_s,
    struct buf *detail)
{
	static const char *const names[] = {
		"iss", "aud", "azp", "nonce", "sub", "exp"
	};
	static const char what[] = "id_token";
	unsigned char payload[ANSWER_TOKEN_MAX / 4 * 3 + 2];
	const char *first, *second, *fault;
	struct json_object *o;
	ssize_t n;

	assert(p->issuer != NULL && nonce[0] != '\0');
	first = memchr(token, '.', len);
	second = first == NULL ? NULL : memchr(first + 1, '.',
	    len - (size_t)(first + 1 - token));
	if (len > ANSWER_TOKEN_MAX || second == NULL ||
	    memchr(second + 1, '.', len - (size_t)(second + 1 - token)))
		return bad(detail, what, "not three parts");
	n = b64url_decode(first + 1, (size_t)(second - first - 1),
	    B64_UNPADDED, payload);
	if (n == -1)
		return bad(detail, what, "not base64url");
	o = object_read((char *)payload, (size_t)n, names, 6, &fault);
	wipe(payload, (size_t)n);
	if (o == NULL)
		return bad(detail, what, fault);
	fault = id_claims_check(p, o, nonce, subject, now_s);
	(void)json_object_put(o);
	return fault == NULL ? OAUTH_OK : bad(detail, what, fault);
}
