/*
 * fuzz_jwt: any bytes, as an access token.
 *
 * The first byte chooses: 'r', the rest is a token as it came; else the
 * rest is a header, a newline and a payload, which are signed here, so
 * that what lies behind the signature is reached as well.  What is
 * accepted must keep every promise of a good token, and nobody else's
 * signature may ever be.
 */
#include <assert.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <gcrypt.h>

#include "auth/jwt.h"
#include "base/codec.h"

#define NOW	1800000000LL
#define ISSUER	"http://gw.test"
#define LIFE	86400
#define OUR_KEY	"0123456789abcdef0123456789abcdef"
#define BAD_KEY	"fedcba9876543210fedcba9876543210"

int	 LLVMFuzzerTestOneInput(const uint8_t *, size_t);

static struct jwt_conf *conf;

static void
conf_make(void)
{
	struct buf why = BUF_INIT(256);

	if (conf == NULL)
		conf = jwt_conf_make("HS256", OUR_KEY, ISSUER, LIFE, &why);
	assert(conf != NULL);
	buf_free(&why);
}

static void
check_good(const struct jwt_claims *c)
{
	static const char allowed[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZ"
	    "abcdefghijklmnopqrstuvwxyz0123456789._-";
	size_t n = strlen(c->username);

	assert(c->user_id >= 1 && c->user_id <= INT64_MAX);
	assert(n >= 1 && utf8_valid(c->username, n));
	assert(utf8_count(c->username, n) <= USER_NAME_MAX);
	n = strlen(c->jti);
	assert(n >= 1 && n <= JWT_ID_MAX && strspn(c->jti, allowed) == n);
	n = strlen(c->sid);
	assert(n <= JWT_ID_MAX && strspn(c->sid, allowed) == n);
	assert(c->iat >= 0 && c->iat <= NOW + JWT_IAT_SKEW_S);
	assert(c->exp > c->iat && c->exp - c->iat <= LIFE);
	assert(c->exp > NOW - JWT_SKEW_S);
}

static void
put_part(struct buf *b, const void *data, size_t n)
{
	char *text = malloc(b64url_encoded_len(n, B64_UNPADDED) + 1);

	assert(text != NULL);
	b64url_encode(data, n, B64_UNPADDED, text);
	(void)buf_puts(b, text);
	free(text);
}

static void
sign(struct buf *b, const char *key)
{
	gcry_md_hd_t md;
	gcry_error_t err;

	err = gcry_md_open(&md, GCRY_MD_SHA256, GCRY_MD_FLAG_HMAC);
	assert(err == 0);
	err = gcry_md_setkey(md, key, strlen(key));
	assert(err == 0);
	(void)err;
	gcry_md_write(md, b->data, b->len);
	(void)buf_putc(b, '.');
	put_part(b, gcry_md_read(md, GCRY_MD_SHA256), 32);
	gcry_md_close(md);
}

static enum jwt_result
verify(const char *token, size_t len)
{
	struct jwt_claims claims;
	enum jwt_result result;

	result = jwt_verify(conf, token, len, NOW, &claims);
	if (result == JWT_OK)
		check_good(&claims);
	return result;
}

static void
signed_token(const char *text, size_t len, const char *key, bool ours)
{
	struct buf b = BUF_INIT(1 << 20);
	const char *line = memchr(text, '\n', len);
	size_t n = line != NULL ? (size_t)(line - text) : len;
	enum jwt_result result;

	put_part(&b, text, n);
	(void)buf_putc(&b, '.');
	if (line != NULL)
		put_part(&b, line + 1, len - n - 1);
	sign(&b, key);
	if (!b.failed) {
		result = verify(b.data, b.len);
		assert(ours || result == JWT_INVALID);
		(void)result;
	}
	buf_free(&b);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	const char *text = (const char *)data;

	conf_make();
	if (size == 0 || size > 65536)
		return 0;
	if (text[0] == 'r') {
		(void)verify(text + 1, size - 1);
		return 0;
	}
	signed_token(text + 1, size - 1, OUR_KEY, true);
	signed_token(text + 1, size - 1, BAD_KEY, false);
	return 0;
}
