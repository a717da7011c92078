/*
 * jwt_verify: is this access token one of ours, and in force?
 *
 * Called for every request with a bearer token, so each byte is
 * hostile.  libjwt judges the signature and nothing else: it takes the
 * algorithm from the token, ignores exp, crit and duplicate names, and
 * turns a wrong type into 0.  Form, header and claims are therefore
 * checked here, on bytes that were decoded here (RFC 8725).
 *
 * The signature comes last, as the dearest step; nothing is told about a
 * token whose signature is wrong.
 */
#include <assert.h>
#include <string.h>
#include <strings.h>

#include <json-c/json.h>

#include "auth/jwt.h"
#include "auth/jwt_private.h"
#include "base/codec.h"
#include "base/jsonscan.h"

#define TIME_MAX	253402300799LL	/* the end of the year 9999 */
#define PART_MAX	(JWT_MAX / 4 * 3 + 2)

enum { PART_HEADER, PART_PAYLOAD, PART_SIGNATURE, PART_MAX_COUNT };

struct part {
	const char	*text;
	size_t		 len;
};

/* Exactly three parts, none empty. */
static int
token_split(const char *token, size_t len, struct part ret[PART_MAX_COUNT])
{
	const char *end = token + len, *dot;
	int i;

	for (i = 0; i < PART_MAX_COUNT; i++) {
		dot = memchr(token, '.', (size_t)(end - token));
		if ((dot == NULL) != (i == PART_SIGNATURE))
			return -1;
		if (dot == NULL)
			dot = end;
		ret[i].text = token;
		ret[i].len = (size_t)(dot - token);
		if (ret[i].len == 0)
			return -1;
		token = dot + 1;
	}
	return 0;
}

/* The member when it is there once and of that kind. */
static const struct jsonscan_member *
once(const struct jsonscan *scan, const char *name, enum json_kind kind)
{
	const struct jsonscan_member *m = jsonscan_member(scan, name);

	return m->count == 1 && m->kind == kind ? m : NULL;
}

static bool
absent(const struct jsonscan *scan, const char *name)
{
	return jsonscan_member(scan, name)->count == 0;
}

static bool
says(const struct jsonscan_member *m, const char *text)
{
	return m != NULL && !m->cut && m->value_len == strlen(text) &&
	    memcmp(m->value, text, m->value_len) == 0;
}

static int
object_scan(struct jsonscan *scan, const char *const *names, size_t n,
    const char *text, size_t len)
{
	if (jsonscan_text(scan, names, n, text, len) == -1)
		return -1;
	return scan->top == JSON_OBJECT ? 0 : -1;
}

/* -1: not ours; otherwise ret_kid is the named key or NULL. */
static int
header_check(const struct jwt_conf *conf, const char *text, size_t len,
    const struct jwt_key **ret_key)
{
	static const char *const names[] = { "alg", "typ", "crit", "kid" };
	const struct jsonscan_member *typ, *kid;
	struct jsonscan scan;
	size_t i;

	if (object_scan(&scan, names, 4, text, len) == -1 ||
	    !says(once(&scan, "alg", JSON_STRING), conf->alg_name) ||
	    !absent(&scan, "crit"))
		return -1;
	typ = once(&scan, "typ", JSON_STRING);
	if (!absent(&scan, "typ") && (typ == NULL || typ->value_len != 3 ||
	    strncasecmp(typ->value, "JWT", 3) != 0))
		return -1;
	kid = once(&scan, "kid", JSON_STRING);
	if (!absent(&scan, "kid") && kid == NULL)
		return -1;
	*ret_key = NULL;
	for (i = 0; kid != NULL && i < conf->n_keys; i++) {
		if (says(kid, conf->keys[i].kid))
			*ret_key = &conf->keys[i];
	}
	return 0;
}

/* A whole number of seconds, written plainly. */
static int
take_time(const struct jsonscan *scan, const char *name, int64_t *ret)
{
	const struct jsonscan_member *m = once(scan, name, JSON_NUMBER);

	if (m == NULL || m->cut || m->value[0] == '-')
		return -1;
	return parse_int(m->value, 0, TIME_MAX, ret);
}

static int
take_id(const struct jsonscan_member *m, char ret[JWT_ID_MAX + 1])
{
	static const char allowed[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZ"
	    "abcdefghijklmnopqrstuvwxyz0123456789._-";

	if (m == NULL || m->cut || m->value_len == 0 ||
	    m->value_len > JWT_ID_MAX ||
	    strspn(m->value, allowed) != m->value_len)
		return -1;
	memcpy(ret, m->value, m->value_len + 1);
	return 0;
}

/* A user id as we write it: decimal, no sign, no leading zero. */
static int
take_subject(const struct jsonscan *scan, uint64_t *ret)
{
	const struct jsonscan_member *m = once(scan, "sub", JSON_STRING);
	int64_t id;

	if (m == NULL || m->cut || strlen(m->value) != m->value_len ||
	    parse_int(m->value, 1, INT64_MAX, &id) == -1)
		return -1;
	*ret = (uint64_t)id;
	return 0;
}

/* Names may be longer than what the scanner keeps. */
static int
take_username(const struct jsonscan *scan, const char *text,
    char ret[USER_NAME_MAX * 4 + 1])
{
	const struct jsonscan_member *m = once(scan, "username", JSON_STRING);
	struct json_tokener *tokener;
	struct json_object *name;
	const char *s;
	size_t len;
	int rc = -1;

	if (m == NULL || m->value_len == 0)
		return -1;
	if ((tokener = json_tokener_new()) == NULL)
		return -1;
	name = json_tokener_parse_ex(tokener, text + m->value_start,
	    (int)(m->value_end - m->value_start));
	if (name != NULL) {
		s = json_object_get_string(name);
		len = (size_t)json_object_get_string_len(name);
		if (strlen(s) == len && len <= USER_NAME_MAX * 4 &&
		    utf8_valid(s, len) && utf8_count(s, len) <= USER_NAME_MAX) {
			memcpy(ret, s, len + 1);
			rc = 0;
		}
	}
	(void)json_object_put(name);
	json_tokener_free(tokener);
	return rc;
}

/* RFC 7519 4.1.4 to 4.1.6, and our own limit on the lifetime. */
static int
times_check(const struct jwt_conf *conf, const struct jsonscan *scan,
    int64_t now_s, struct jwt_claims *c)
{
	int64_t nbf;

	if (take_time(scan, "iat", &c->iat) == -1 ||
	    take_time(scan, "exp", &c->exp) == -1)
		return -1;
	if (!absent(scan, "nbf") && (take_time(scan, "nbf", &nbf) == -1 ||
	    nbf > now_s + JWT_SKEW_S))
		return -1;
	if (c->iat > now_s + JWT_IAT_SKEW_S || c->exp <= c->iat ||
	    c->exp - c->iat > conf->lifetime_s)
		return -1;
	return 0;
}

static int
payload_check(const struct jwt_conf *conf, const char *text, size_t len,
    int64_t now_s, struct jwt_claims *c)
{
	static const char *const required[] = {
		"iss", "sub", "username", "iat", "exp", "jti", "type", "nbf"
	};
	static const char *const optional[] = { "sid", "aud" };
	struct jsonscan scan;

	if (object_scan(&scan, required, 8, text, len) == -1 ||
	    !says(once(&scan, "iss", JSON_STRING), conf->issuer) ||
	    !says(once(&scan, "type", JSON_STRING), "access") ||
	    take_subject(&scan, &c->user_id) == -1 ||
	    take_id(once(&scan, "jti", JSON_STRING), c->jti) == -1 ||
	    take_username(&scan, text, c->username) == -1 ||
	    times_check(conf, &scan, now_s, c) == -1)
		return -1;
	if (object_scan(&scan, optional, 2, text, len) == -1)
		return -1;
	if (!absent(&scan, "sid") &&
	    take_id(once(&scan, "sid", JSON_STRING), c->sid) == -1)
		return -1;
	/* A token meant for others is not for us (RFC 7519 4.1.3). */
	if (!absent(&scan, "aud") &&
	    !says(once(&scan, "aud", JSON_STRING), conf->issuer))
		return -1;
	return 0;
}

static bool
signed_with(const struct jwt_conf *conf, const struct jwt_key *key,
    const char *token)
{
	jwt_t *jwt = NULL;
	bool good;

	/* Without a key libjwt would not look at the signature. */
	assert(key->secret.len >= JWT_KEY_MIN);
	if (jwt_decode(&jwt, token, key->secret.data,
	    (int)key->secret.len) != 0)
		return false;
	good = jwt_get_alg(jwt) == conf->alg;
	jwt_free(jwt);
	return good;
}

/* A key that the token does not name is tried like any other: tokens
 * that another program made with our key must work. */
static bool
signature_check(const struct jwt_conf *conf, const struct jwt_key *named,
    const char *token)
{
	size_t i;

	if (named != NULL)
		return signed_with(conf, named, token);
	for (i = 0; i < conf->n_keys; i++) {
		if (signed_with(conf, &conf->keys[i], token))
			return true;
	}
	return false;
}

enum jwt_result
jwt_verify(const struct jwt_conf *conf, const char *token, size_t len,
    int64_t now_s, struct jwt_claims *ret)
{
	struct part parts[PART_MAX_COUNT];
	const struct jwt_key *named;
	struct jwt_claims claims = { 0 };
	unsigned char bytes[PART_MAX];
	char copy[JWT_MAX + 1];
	ssize_t n;
	bool good;

	if (len > JWT_MAX || token_split(token, len, parts) == -1)
		return JWT_INVALID;
	if (b64url_decode(parts[PART_SIGNATURE].text,
	    parts[PART_SIGNATURE].len, B64_UNPADDED, bytes) == -1)
		return JWT_INVALID;
	n = b64url_decode(parts[PART_HEADER].text, parts[PART_HEADER].len,
	    B64_UNPADDED, bytes);
	if (n == -1 || header_check(conf, (char *)bytes, (size_t)n,
	    &named) == -1)
		return JWT_INVALID;
	n = b64url_decode(parts[PART_PAYLOAD].text, parts[PART_PAYLOAD].len,
	    B64_UNPADDED, bytes);
	if (n == -1 || payload_check(conf, (char *)bytes, (size_t)n, now_s,
	    &claims) == -1)
		return JWT_INVALID;
	memcpy(copy, token, len);
	copy[len] = '\0';
	good = signature_check(conf, named, copy);
	wipe(copy, len);
	if (!good)
		return JWT_INVALID;
	if (claims.exp <= now_s - JWT_SKEW_S)
		return JWT_EXPIRED;
	*ret = claims;
	return JWT_OK;
}
