/*
 * requests: the bytes that go to a sign-in provider.
 *
 * auth/oauth sends what is built here.  Every value is percent-encoded;
 * nothing from outside is put into a URL or form as it is.
 */
#include <string.h>

#include <gcrypt.h>

#include "auth/requests.h"
#include "base/codec.h"
#include "base/secret.h"
#include "base/xmalloc.h"

#define FORM_MAX	16384

/* Appends "name=value", behind '&' unless it is the first. */
static void
put_pair(struct buf *b, char before, const char *name, const char *value)
{
	if (before != '\0')
		(void)buf_putc(b, before);
	(void)buf_puts(b, name);
	(void)buf_putc(b, '=');
	(void)buf_percent(b, value, strlen(value));
}

/* RFC 7636 4.2: S256. */
static void
challenge_of(const char *verifier, char ret[44])
{
	unsigned char hash[32];

	gcry_md_hash_buffer(GCRY_MD_SHA256, hash, verifier, strlen(verifier));
	b64url_encode(hash, sizeof(hash), B64_UNPADDED, ret);
}

int
request_authorization_url(const struct provider *p, const char *state,
    const char *verifier, const char *nonce, struct buf *ret)
{
	const char *url = p->endpoints.authorization.url;
	char challenge[44];

	challenge_of(verifier, challenge);
	(void)buf_puts(ret, url);
	put_pair(ret, strchr(url, '?') != NULL ? '&' : '?', "response_type",
	    "code");
	put_pair(ret, '&', "client_id", p->client_id);
	put_pair(ret, '&', "redirect_uri", p->redirect_uri);
	if (p->scope[0] != '\0')
		put_pair(ret, '&', "scope", p->scope);
	put_pair(ret, '&', "state", state);
	put_pair(ret, '&', "code_challenge", challenge);
	put_pair(ret, '&', "code_challenge_method", "S256");
	if (nonce[0] != '\0')
		put_pair(ret, '&', "nonce", nonce);
	return ret->failed ? -1 : 0;
}

int
request_token_form(const struct provider *p, const char *code,
    const char *verifier, struct buf *ret)
{
	put_pair(ret, '\0', "grant_type", "authorization_code");
	put_pair(ret, '&', "code", code);
	put_pair(ret, '&', "redirect_uri", p->redirect_uri);
	put_pair(ret, '&', "code_verifier", verifier);
	if (p->endpoints.secret_in_body) {
		put_pair(ret, '&', "client_id", p->client_id);
		put_pair(ret, '&', "client_secret",
		    secret_str(&p->client_secret));
	}
	return ret->failed ? -1 : 0;
}

/* RFC 4648 4: the other two characters of the standard alphabet. */
static void
standard_alphabet(char *s)
{
	for (; *s != '\0'; s++) {
		if (*s == '-')
			*s = '+';
		else if (*s == '_')
			*s = '/';
	}
}

int
request_basic(const struct provider *p, struct buf *ret)
{
	struct buf plain = BUF_INIT(FORM_MAX);
	size_t start, len;

	if (p->endpoints.secret_in_body)
		return 0;
	(void)buf_percent(&plain, p->client_id, strlen(p->client_id));
	(void)buf_putc(&plain, ':');
	(void)buf_percent(&plain, secret_str(&p->client_secret),
	    p->client_secret.len);
	(void)buf_puts(ret, "Basic ");
	len = b64url_encoded_len(plain.len, B64_PADDED);
	if (plain.failed || ret->failed || buf_reserve(ret, len) == -1) {
		buf_wipe(&plain);
		return -1;
	}
	start = ret->len;
	b64url_encode(plain.data, plain.len, B64_PADDED, ret->data + start);
	standard_alphabet(ret->data + start);
	ret->len += len;
	buf_wipe(&plain);
	return 0;
}
