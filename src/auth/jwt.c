/*
 * jwt: the configuration of access tokens, and new tokens.
 *
 * Sign-in and refresh call jwt_issue(); checking is in jwt_verify.c.
 * Keys shorter than the hash are refused here, because libjwt signs
 * with a key of one byte without a word.  Nothing here logs.
 */
#include <assert.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <gcrypt.h>

#include "auth/jwt.h"
#include "auth/jwt_private.h"
#include "base/codec.h"
#include "base/xmalloc.h"

#define JWT_LIFETIME_MAX	(10 * 366 * 86400LL)
#define JTI_BYTES		16
#define HOW_TO_MAKE	"make one with: openssl rand -base64 48"

static const struct {
	const char	*name;
	jwt_alg_t	 alg;
} algs[] = {
	{ "HS256", JWT_ALG_HS256 },
	{ "HS384", JWT_ALG_HS384 },
	{ "HS512", JWT_ALG_HS512 },
};

static int
conf_set_alg(struct jwt_conf *conf, const char *name, struct buf *why)
{
	size_t i;

	for (i = 0; i < sizeof(algs) / sizeof(algs[0]); i++) {
		if (strcmp(name, algs[i].name) == 0) {
			conf->alg = algs[i].alg;
			conf->alg_name = algs[i].name;
			return 0;
		}
	}
	(void)buf_puts(why, "the JWT algorithm must be HS256, HS384 or HS512");
	return -1;
}

/*
 * Eight digits of a hash.  Says which key, to us and to other hosts; it
 * helps nobody who does not have a token to try guesses on anyway.
 */
static void
key_name(struct jwt_key *key)
{
	static const char label[] = "plugway jwt kid";
	gcry_buffer_t parts[2] = {
		{ .data = (void *)(uintptr_t)label, .len = sizeof(label) },
		{ .data = key->secret.data, .len = key->secret.len },
	};
	unsigned char hash[32];
	gcry_error_t err;

	err = gcry_md_hash_buffers(GCRY_MD_SHA256, 0, hash, parts, 2);
	assert(err == 0);
	(void)err;
	hex_encode(hash, JWT_KID_LEN / 2, key->kid);
}

static int
conf_add_key(struct jwt_conf *conf, const char *key, size_t len,
    struct buf *why)
{
	size_t nth = conf->n_keys + 1;

	while (len > 0 && (*key == ' ' || *key == '\t'))
		key++, len--;
	while (len > 0 && (key[len - 1] == ' ' || key[len - 1] == '\t'))
		len--;
	if (len < JWT_KEY_MIN) {
		(void)buf_printf(why, "JWT key %zu of the list has %zu bytes, "
		    "at least %d are needed (" HOW_TO_MAKE "; a comma "
		    "separates keys)", nth, len, JWT_KEY_MIN);
		return -1;
	}
	if (nth > JWT_KEYS_MAX) {
		(void)buf_printf(why, "more than %d JWT keys", JWT_KEYS_MAX);
		return -1;
	}
	secret_set(&conf->keys[conf->n_keys].secret, key, len);
	key_name(&conf->keys[conf->n_keys]);
	conf->n_keys = nth;
	return 0;
}

static int
conf_add_keys(struct jwt_conf *conf, const char *list, struct buf *why)
{
	size_t n;

	if (*list == '\0') {
		(void)buf_puts(why, "no JWT key is set (" HOW_TO_MAKE ")");
		return -1;
	}
	for (;;) {
		n = strcspn(list, ",");
		if (conf_add_key(conf, list, n, why) == -1)
			return -1;
		if (list[n] == '\0')
			return 0;
		list += n + 1;
	}
}

struct jwt_conf *
jwt_conf_make(const char *alg, const char *keys, const char *issuer,
    int64_t lifetime_s, struct buf *why)
{
	struct jwt_conf *conf = xcalloc(1, sizeof(*conf));
	size_t issuer_len = strlen(issuer);

	if (conf_set_alg(conf, alg, why) == -1 ||
	    conf_add_keys(conf, keys, why) == -1)
		goto bad;
	if (issuer_len == 0 || issuer_len > JWT_ISSUER_MAX ||
	    !utf8_valid(issuer, issuer_len)) {
		(void)buf_printf(why, "the issuer of tokens must have 1 to %d "
		    "bytes of UTF-8", JWT_ISSUER_MAX);
		goto bad;
	}
	if (lifetime_s < 1 || lifetime_s > JWT_LIFETIME_MAX) {
		(void)buf_puts(why,
		    "the lifetime of tokens must be 1 s to 10 years");
		goto bad;
	}
	memcpy(conf->issuer, issuer, issuer_len + 1);
	conf->lifetime_s = lifetime_s;
	return conf;
bad:
	jwt_conf_free(&conf);
	return NULL;
}

void
jwt_conf_free(struct jwt_conf **conf)
{
	size_t i;

	if (*conf == NULL)
		return;
	for (i = 0; i < (*conf)->n_keys; i++)
		secret_wipe(&(*conf)->keys[i].secret);
	free(*conf);
	*conf = NULL;
}

int64_t
jwt_conf_lifetime_s(const struct jwt_conf *conf)
{
	return conf->lifetime_s;
}

static int
claims_fill(const struct jwt_conf *conf, const struct jwt_subject *subject,
    int64_t now_s, struct jwt_claims *ret)
{
	const char *sid = subject->sid != NULL ? subject->sid : "";
	size_t name_len = strlen(subject->username);

	assert(subject->user_id != 0 && subject->user_id <= INT64_MAX);
	assert(strlen(sid) <= JWT_ID_MAX);
	if (name_len == 0 || name_len >= sizeof(ret->username) ||
	    !utf8_valid(subject->username, name_len) ||
	    utf8_count(subject->username, name_len) > USER_NAME_MAX)
		return -1;
	*ret = (struct jwt_claims){ .user_id = subject->user_id };
	memcpy(ret->username, subject->username, name_len + 1);
	memcpy(ret->sid, sid, strlen(sid) + 1);
	random_token(JTI_BYTES, ret->jti);
	ret->iat = now_s > subject->iat_min_s ? now_s : subject->iat_min_s;
	ret->exp = ret->iat + conf->lifetime_s;
	return 0;
}

/* libjwt copies what it is given. */
static char *
sign(const struct jwt_conf *conf, const struct jwt_claims *c)
{
	const struct jwt_key *key = &conf->keys[0];
	char sub[24], *token = NULL;
	jwt_t *jwt;

	if (jwt_new(&jwt) != 0)
		return NULL;
	(void)snprintf(sub, sizeof(sub), "%llu",
	    (unsigned long long)c->user_id);
	if (jwt_set_alg(jwt, conf->alg, key->secret.data,
	    (int)key->secret.len) == 0 &&
	    jwt_add_header(jwt, "kid", key->kid) == 0 &&
	    jwt_add_grant(jwt, "iss", conf->issuer) == 0 &&
	    jwt_add_grant(jwt, "sub", sub) == 0 &&
	    jwt_add_grant(jwt, "username", c->username) == 0 &&
	    jwt_add_grant_int(jwt, "iat", c->iat) == 0 &&
	    jwt_add_grant_int(jwt, "exp", c->exp) == 0 &&
	    jwt_add_grant(jwt, "jti", c->jti) == 0 &&
	    jwt_add_grant(jwt, "type", "access") == 0 &&
	    (c->sid[0] == '\0' || jwt_add_grant(jwt, "sid", c->sid) == 0))
		token = jwt_encode_str(jwt);
	jwt_free(jwt);
	return token;
}

int
jwt_issue(const struct jwt_conf *conf, const struct jwt_subject *subject,
    int64_t now_s, struct buf *ret, struct jwt_claims *ret_claims)
{
	struct jwt_claims claims;
	char *token;
	size_t len;
	int rc;

	if (claims_fill(conf, subject, now_s, &claims) == -1 ||
	    (token = sign(conf, &claims)) == NULL)
		return -1;
	len = strlen(token);
	rc = len <= JWT_MAX ? buf_append(ret, token, len) : -1;
	wipe(token, len);
	free(token);
	if (rc == 0 && ret_claims != NULL)
		*ret_claims = claims;
	return rc;
}
