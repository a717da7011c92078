/*
 * Access tokens: what we make, and what we refuse.
 *
 * Tokens are made here with an HMAC of the test's own, so that a token
 * can be wrong in exactly one thing and right in all else.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>
#include <gcrypt.h>

#include "auth/jwt.h"
#include "base/codec.h"

#define NOW	1800000000LL
#define ISSUER	"http://gw.test"
#define LIFE	86400
#define NEW_KEY	"0123456789abcdef0123456789abcdef-new"
#define OLD_KEY	"fedcba9876543210fedcba9876543210-old"
#define BAD_KEY	"not-a-key-of-ours-not-a-key-of-ours-"

#define HEADER	"{\"alg\":\"HS256\",\"typ\":\"JWT\"}"
#define PAYLOAD	"{\"iss\":\"" ISSUER "\",\"sub\":\"42\","		\
	"\"username\":\"ann\",\"iat\":1800000000,\"exp\":1800003600,"	\
	"\"jti\":\"a.b_c-1\",\"type\":\"access\"}"

static struct jwt_conf *
conf_of(const char *alg, const char *keys)
{
	struct buf why = BUF_INIT(512);
	struct jwt_conf *conf;

	conf = jwt_conf_make(alg, keys, ISSUER, LIFE, &why);
	if (conf == NULL)
		fail_msg("%s", buf_str(&why));
	buf_free(&why);
	return conf;
}

static void
put_part(struct buf *b, const void *data, size_t n)
{
	char text[8192];

	assert_true(b64url_encoded_len(n, B64_UNPADDED) < sizeof(text));
	b64url_encode(data, n, B64_UNPADDED, text);
	assert_int_equal(buf_puts(b, text), 0);
}

static size_t
mac(int algo, const char *key, const char *text, size_t n,
    unsigned char ret[64])
{
	gcry_md_hd_t md;
	size_t len = gcry_md_get_algo_dlen(algo);

	assert_int_equal(gcry_md_open(&md, algo, GCRY_MD_FLAG_HMAC), 0);
	assert_int_equal(gcry_md_setkey(md, key, strlen(key)), 0);
	gcry_md_write(md, text, n);
	memcpy(ret, gcry_md_read(md, algo), len);
	gcry_md_close(md);
	return len;
}

static void
token_make(struct buf *b, const char *header, const char *payload, int algo,
    const char *key)
{
	unsigned char sig[64];
	size_t n;

	buf_reset(b);
	put_part(b, header, strlen(header));
	buf_putc(b, '.');
	put_part(b, payload, strlen(payload));
	n = mac(algo, key, b->data, b->len, sig);
	buf_putc(b, '.');
	put_part(b, sig, n);
}

/* text with the first `from` made `to`. */
static void
replace(const char *text, const char *from, const char *to, char *ret,
    size_t max)
{
	const char *at = strstr(text, from);

	assert_non_null(at);
	assert_true((size_t)snprintf(ret, max, "%.*s%s%s", (int)(at - text),
	    text, to, at + strlen(from)) < max);
}

struct row {
	const char	*name;
	char		 where;		/* h: header, p: payload */
	const char	*from, *to;
	enum jwt_result	 want;
};

static const struct row rows[] = {
	{ "as it is", 'p', "{", "{", JWT_OK },
	/* header: J1 */
	{ "alg none", 'h', "HS256", "none", JWT_INVALID },
	{ "alg None", 'h', "HS256", "None", JWT_INVALID },
	{ "alg NONE", 'h', "HS256", "NONE", JWT_INVALID },
	{ "alg hs256", 'h', "HS256", "hs256", JWT_INVALID },
	{ "alg HS384", 'h', "HS256", "HS384", JWT_INVALID },
	{ "alg HS512", 'h', "HS256", "HS512", JWT_INVALID },
	{ "alg RS256", 'h', "HS256", "RS256", JWT_INVALID },
	{ "alg ES256", 'h', "HS256", "ES256", JWT_INVALID },
	{ "alg PS256", 'h', "HS256", "PS256", JWT_INVALID },
	{ "alg EdDSA", 'h', "HS256", "EdDSA", JWT_INVALID },
	{ "alg empty", 'h', "HS256", "", JWT_INVALID },
	{ "alg with space", 'h', "HS256", "HS256 ", JWT_INVALID },
	{ "alg with NUL", 'h', "HS256", "HS256\\u0000", JWT_INVALID },
	{ "alg absent", 'h', "\"alg\":\"HS256\",", "", JWT_INVALID },
	{ "alg array", 'h', "\"HS256\"", "[\"HS256\"]", JWT_INVALID },
	{ "alg object", 'h', "\"HS256\"", "{}", JWT_INVALID },
	{ "alg null", 'h', "\"HS256\"", "null", JWT_INVALID },
	{ "alg number", 'h', "\"HS256\"", "256", JWT_INVALID },
	{ "alg true", 'h', "\"HS256\"", "true", JWT_INVALID },
	{ "alg twice", 'h', "{", "{\"alg\":\"HS256\",", JWT_INVALID },
	{ "alg none, then ours", 'h', "{", "{\"alg\":\"none\",",
	    JWT_INVALID },
	{ "alg escaped is the same text", 'h', "HS256", "HS\\u0032" "56",
	    JWT_OK },
	{ "Alg besides", 'h', "{", "{\"Alg\":\"none\",", JWT_OK },
	{ "typ absent", 'h', ",\"typ\":\"JWT\"", "", JWT_OK },
	{ "typ jwt", 'h', "JWT", "jwt", JWT_OK },
	{ "typ at+jwt", 'h', "JWT", "at+jwt", JWT_INVALID },
	{ "typ empty", 'h', "JWT", "", JWT_INVALID },
	{ "typ number", 'h', "\"JWT\"", "1", JWT_INVALID },
	{ "typ null", 'h', "\"JWT\"", "null", JWT_INVALID },
	{ "typ twice", 'h', "{", "{\"typ\":\"JWT\",", JWT_INVALID },
	{ "crit empty", 'h', "{", "{\"crit\":[],", JWT_INVALID },
	{ "crit exp", 'h', "{", "{\"crit\":[\"exp\"],", JWT_INVALID },
	{ "crit null", 'h', "{", "{\"crit\":null,", JWT_INVALID },
	{ "b64 with crit", 'h', "{", "{\"b64\":false,\"crit\":[\"b64\"],",
	    JWT_INVALID },
	{ "kid unknown", 'h', "{", "{\"kid\":\"other\",", JWT_OK },
	{ "kid number", 'h', "{", "{\"kid\":1,", JWT_INVALID },
	{ "kid null", 'h', "{", "{\"kid\":null,", JWT_INVALID },
	{ "kid array", 'h', "{", "{\"kid\":[\"a\"],", JWT_INVALID },
	{ "kid twice", 'h', "{", "{\"kid\":\"a\",\"kid\":\"b\",",
	    JWT_INVALID },
	{ "header array", 'h', HEADER, "[" HEADER "]", JWT_INVALID },
	{ "header string", 'h', HEADER, "\"alg\"", JWT_INVALID },
	{ "header null", 'h', HEADER, "null", JWT_INVALID },
	{ "header empty object", 'h', HEADER, "{}", JWT_INVALID },
	{ "header trailing byte", 'h', "JWT\"}", "JWT\"}x", JWT_INVALID },
	{ "header cut", 'h', "\"}", "\"", JWT_INVALID },
	{ "header comment", 'h', "{", "{/**/", JWT_INVALID },
	{ "header single quotes", 'h', "\"typ\"", "'typ'", JWT_INVALID },
	{ "header bad UTF-8", 'h', "{", "{\"x\":\"\xff\",", JWT_INVALID },
	{ "header overlong UTF-8", 'h', "{", "{\"x\":\"\xc0\xaf\",",
	    JWT_INVALID },
	{ "header BOM", 'h', "{", "\xef\xbb\xbf{", JWT_INVALID },
	{ "header NUL in name", 'h', "\"alg\"", "\"alg\\u0000x\"",
	    JWT_INVALID },
	/* times: J2 */
	{ "exp absent", 'p', "\"exp\":1800003600,", "", JWT_INVALID },
	{ "exp string", 'p', "1800003600", "\"1800003600\"", JWT_INVALID },
	{ "exp float", 'p', "1800003600", "1800003600.0", JWT_INVALID },
	{ "exp exponent", 'p', "1800003600", "18000036e2", JWT_INVALID },
	{ "exp 1e300", 'p', "1800003600", "1e300", JWT_INVALID },
	{ "exp -1", 'p', "1800003600", "-1", JWT_INVALID },
	{ "exp 0", 'p', "1800003600", "0", JWT_INVALID },
	{ "exp -0", 'p', "1800003600", "-0", JWT_INVALID },
	{ "exp 2^63", 'p', "1800003600", "9223372036854775808",
	    JWT_INVALID },
	{ "exp 2^63-1", 'p', "1800003600", "9223372036854775807",
	    JWT_INVALID },
	{ "exp 2^64", 'p', "1800003600", "18446744073709551616",
	    JWT_INVALID },
	{ "exp null", 'p', "1800003600", "null", JWT_INVALID },
	{ "exp true", 'p', "1800003600", "true", JWT_INVALID },
	{ "exp array", 'p', "1800003600", "[1800003600]", JWT_INVALID },
	{ "exp twice", 'p', "{", "{\"exp\":1800003600,", JWT_INVALID },
	{ "exp is iat", 'p', "1800003600", "1800000000", JWT_INVALID },
	{ "longest lifetime", 'p', "1800003600", "1800086400", JWT_OK },
	{ "lifetime over it", 'p', "1800003600", "1800086401",
	    JWT_INVALID },
	{ "within the skew", 'p', "1800000000,\"exp\":1800003600",
	    "1799990000,\"exp\":1799999971", JWT_OK },
	{ "expired", 'p', "1800000000,\"exp\":1800003600",
	    "1799990000,\"exp\":1799999970", JWT_EXPIRED },
	{ "long expired", 'p', "1800000000,\"exp\":1800003600",
	    "1,\"exp\":2", JWT_EXPIRED },
	{ "iat absent", 'p', "\"iat\":1800000000,", "", JWT_INVALID },
	{ "iat string", 'p', "\"iat\":1800000000", "\"iat\":\"1800000000\"",
	    JWT_INVALID },
	{ "iat float", 'p', "\"iat\":1800000000", "\"iat\":1800000000.5",
	    JWT_INVALID },
	{ "iat negative", 'p', "\"iat\":1800000000", "\"iat\":-1800000000",
	    JWT_INVALID },
	{ "iat 60 s ahead", 'p', "\"iat\":1800000000", "\"iat\":1800000060",
	    JWT_OK },
	{ "iat 61 s ahead", 'p', "\"iat\":1800000000", "\"iat\":1800000061",
	    JWT_INVALID },
	{ "iat after exp", 'p', "1800003600", "1799999999", JWT_INVALID },
	{ "nbf now", 'p', "{", "{\"nbf\":1800000000,", JWT_OK },
	{ "nbf 30 s ahead", 'p', "{", "{\"nbf\":1800000030,", JWT_OK },
	{ "nbf 31 s ahead", 'p', "{", "{\"nbf\":1800000031,", JWT_INVALID },
	{ "nbf string", 'p', "{", "{\"nbf\":\"1800000000\",", JWT_INVALID },
	{ "nbf float", 'p', "{", "{\"nbf\":1.5,", JWT_INVALID },
	{ "nbf null", 'p', "{", "{\"nbf\":null,", JWT_INVALID },
	{ "nbf huge", 'p', "{", "{\"nbf\":1e300,", JWT_INVALID },
	/* the other claims */
	{ "iss absent", 'p', "\"iss\":\"" ISSUER "\",", "", JWT_INVALID },
	{ "iss another", 'p', "gw.test", "evil.test", JWT_INVALID },
	{ "iss longer", 'p', "gw.test", "gw.test/", JWT_INVALID },
	{ "iss empty", 'p', ISSUER, "", JWT_INVALID },
	{ "iss array", 'p', "\"" ISSUER "\"", "[\"" ISSUER "\"]",
	    JWT_INVALID },
	{ "iss twice", 'p', "{", "{\"iss\":\"" ISSUER "\",", JWT_INVALID },
	{ "aud another", 'p', "{", "{\"aud\":\"other\",", JWT_INVALID },
	{ "aud array", 'p', "{", "{\"aud\":[\"other\"],", JWT_INVALID },
	{ "aud ours", 'p', "{", "{\"aud\":\"" ISSUER "\",", JWT_OK },
	{ "sub absent", 'p', "\"sub\":\"42\",", "", JWT_INVALID },
	{ "sub number", 'p', "\"42\"", "42", JWT_INVALID },
	{ "sub zero", 'p', "\"42\"", "\"0\"", JWT_INVALID },
	{ "sub negative", 'p', "\"42\"", "\"-42\"", JWT_INVALID },
	{ "sub plus", 'p', "\"42\"", "\"+42\"", JWT_INVALID },
	{ "sub leading zero", 'p', "\"42\"", "\"042\"", JWT_INVALID },
	{ "sub space", 'p', "\"42\"", "\" 42\"", JWT_INVALID },
	{ "sub hex", 'p', "\"42\"", "\"0x2a\"", JWT_INVALID },
	{ "sub empty", 'p', "\"42\"", "\"\"", JWT_INVALID },
	{ "sub huge", 'p', "\"42\"", "\"18446744073709551658\"",
	    JWT_INVALID },
	{ "sub NUL", 'p', "\"42\"", "\"42\\u0000\"", JWT_INVALID },
	{ "sub SQL", 'p', "\"42\"", "\"42 or 1=1\"", JWT_INVALID },
	{ "sub twice", 'p', "{", "{\"sub\":\"1\",", JWT_INVALID },
	{ "sub twice, escaped", 'p', "{", "{\"s\\u0075b\":\"1\",",
	    JWT_INVALID },
	{ "username absent", 'p', "\"username\":\"ann\",", "",
	    JWT_INVALID },
	{ "username number", 'p', "\"ann\"", "7", JWT_INVALID },
	{ "username empty", 'p', "\"ann\"", "\"\"", JWT_INVALID },
	{ "username NUL", 'p', "\"ann\"", "\"a\\u0000\"", JWT_INVALID },
	{ "jti absent", 'p', "\"jti\":\"a.b_c-1\",", "", JWT_INVALID },
	{ "jti empty", 'p', "a.b_c-1", "", JWT_INVALID },
	{ "jti number", 'p', "\"a.b_c-1\"", "1", JWT_INVALID },
	{ "jti with colon", 'p', "a.b_c-1", "sid:1", JWT_INVALID },
	{ "jti with space", 'p', "a.b_c-1", "a b", JWT_INVALID },
	{ "jti 64", 'p', "a.b_c-1", "0123456789abcdef0123456789abcdef"
	    "0123456789abcdef0123456789abcdef", JWT_OK },
	{ "jti 65", 'p', "a.b_c-1", "0123456789abcdef0123456789abcdef"
	    "0123456789abcdef0123456789abcdefX", JWT_INVALID },
	{ "type absent", 'p', ",\"type\":\"access\"", "", JWT_INVALID },
	{ "type refresh", 'p', "\"access\"", "\"refresh\"", JWT_INVALID },
	{ "type Access", 'p', "\"access\"", "\"Access\"", JWT_INVALID },
	{ "type null", 'p', "\"access\"", "null", JWT_INVALID },
	{ "type twice", 'p', "{", "{\"type\":\"access\",", JWT_INVALID },
	{ "sid empty", 'p', "{", "{\"sid\":\"\",", JWT_INVALID },
	{ "sid number", 'p', "{", "{\"sid\":1,", JWT_INVALID },
	{ "sid null", 'p', "{", "{\"sid\":null,", JWT_INVALID },
	{ "sid with slash", 'p', "{", "{\"sid\":\"a/b\",", JWT_INVALID },
	{ "sid good", 'p', "{", "{\"sid\":\"abcdefghijklmnopqrstuv\",",
	    JWT_OK },
	{ "more claims", 'p', "{", "{\"scope\":[{\"a\":1}],", JWT_OK },
	{ "payload array", 'p', PAYLOAD, "[" PAYLOAD "]", JWT_INVALID },
	{ "payload null", 'p', PAYLOAD, "null", JWT_INVALID },
	{ "payload empty object", 'p', PAYLOAD, "{}", JWT_INVALID },
	{ "payload trailing", 'p', "access\"}", "access\"}{}", JWT_INVALID },
	{ "payload trailing comma", 'p', "access\"}", "access\",}",
	    JWT_INVALID },
	{ "payload NaN", 'p', "{", "{\"x\":NaN,", JWT_INVALID },
	{ "payload bad UTF-8", 'p', "ann", "\xed\xa0\x80", JWT_INVALID },
	{ "payload raw control", 'p', "ann", "a\x01", JWT_INVALID },
};

static void
row_check(const struct jwt_conf *conf, const struct row *r)
{
	struct buf token = BUF_INIT(32768);
	struct jwt_claims claims;
	enum jwt_result got;
	char text[8192];

	memset(&claims, 0x5a, sizeof(claims));
	replace(r->where == 'h' ? HEADER : PAYLOAD, r->from, r->to, text,
	    sizeof(text));
	token_make(&token, r->where == 'h' ? text : HEADER,
	    r->where == 'p' ? text : PAYLOAD, GCRY_MD_SHA256, NEW_KEY);
	got = jwt_verify(conf, token.data, token.len, NOW, &claims);
	if (got != r->want)
		fail_msg("%s: %d instead of %d", r->name, got, r->want);
	if (got == JWT_OK)
		assert_int_equal(claims.user_id, 42);
	else
		assert_int_equal(claims.sid[0], 0x5a);	/* untouched */
	/* The same with a signature of somebody else is never good. */
	token_make(&token, r->where == 'h' ? text : HEADER,
	    r->where == 'p' ? text : PAYLOAD, GCRY_MD_SHA256, BAD_KEY);
	if (jwt_verify(conf, token.data, token.len, NOW, &claims) !=
	    JWT_INVALID)
		fail_msg("%s: a foreign signature was believed", r->name);
	buf_free(&token);
}

static void
hostile_tokens_are_refused(void **state)
{
	struct jwt_conf *conf = conf_of("HS256", NEW_KEY);
	size_t i;

	(void)state;
	for (i = 0; i < sizeof(rows) / sizeof(rows[0]); i++)
		row_check(conf, &rows[i]);
	print_message("%zu tokens\n", i);
	jwt_conf_free(&conf);
}

static void
want_raw(const struct jwt_conf *conf, const char *name, const char *token,
    size_t len, enum jwt_result want)
{
	struct jwt_claims claims;
	char *copy = test_malloc(len > 0 ? len : 1);
	enum jwt_result got;

	/* Exactly len bytes, so that a sanitizer sees one too many read. */
	memcpy(copy, token, len);
	got = jwt_verify(conf, copy, len, NOW, &claims);
	if (got != want)
		fail_msg("%s: %d instead of %d", name, got, want);
	test_free(copy);
}

static void
form_is_strict(void **state)
{
	static const struct {
		const char *name, *text;
	} raw[] = {
		{ "empty", "" }, { "one dot", "." }, { "two dots", ".." },
		{ "three dots", "..." }, { "a word", "abc" },
		{ "spaces", "  " }, { "parts of one", "a.b.c" },
		{ "an api key", "sk-0123456789abcdef" },
		{ "no signature", "eyJhbGciOiJub25lIn0.e30." },
		{ "no payload", "eyJhbGciOiJIUzI1NiJ9..AAAA" },
		{ "an encrypted one", "eyJhbGciOiJkaXIifQ..AAAA.BBBB.CCCC" },
	};
	struct jwt_conf *conf = conf_of("HS256", NEW_KEY);
	struct buf t = BUF_INIT(32768), bad = BUF_INIT(65536);
	const char *dot;
	size_t i;

	(void)state;
	for (i = 0; i < sizeof(raw) / sizeof(raw[0]); i++)
		want_raw(conf, raw[i].name, raw[i].text, strlen(raw[i].text),
		    JWT_INVALID);
	token_make(&t, HEADER, PAYLOAD, GCRY_MD_SHA256, NEW_KEY);
	want_raw(conf, "as it is", t.data, t.len, JWT_OK);
	for (i = 0; i < t.len; i++)
		want_raw(conf, "cut", t.data, i, JWT_INVALID);
	/* Every other character at every place. */
	for (i = 0; i < t.len; i++) {
		char was = t.data[i];

		t.data[i] = was == 'A' ? 'B' : 'A';
		want_raw(conf, "changed", t.data, t.len, JWT_INVALID);
		t.data[i] = '+';
		want_raw(conf, "plus", t.data, t.len, JWT_INVALID);
		t.data[i] = '\0';
		want_raw(conf, "NUL", t.data, t.len, JWT_INVALID);
		t.data[i] = was;
	}
	static const char *const tails[] = {
		"=", "==", ".", "A", " ", "\n", "\t", ".AAAA", "%00"
	};
	for (i = 0; i < sizeof(tails) / sizeof(tails[0]); i++) {
		buf_reset(&bad);
		buf_printf(&bad, "%s%s", t.data, tails[i]);
		want_raw(conf, "tail", bad.data, bad.len, JWT_INVALID);
		buf_reset(&bad);
		buf_printf(&bad, "%s%s", tails[i], t.data);
		want_raw(conf, "front", bad.data, bad.len, JWT_INVALID);
	}
	/* alg none in its two spellings, signed by nobody. */
	buf_reset(&bad);
	put_part(&bad, "{\"alg\":\"none\"}", 14);
	buf_putc(&bad, '.');
	put_part(&bad, PAYLOAD, strlen(PAYLOAD));
	buf_putc(&bad, '.');
	want_raw(conf, "none", bad.data, bad.len, JWT_INVALID);
	/* Ours, without the signature. */
	dot = strrchr(t.data, '.');
	want_raw(conf, "stripped", t.data, (size_t)(dot - t.data) + 1,
	    JWT_INVALID);
	buf_free(&t);
	buf_free(&bad);
	jwt_conf_free(&conf);
}

static void
length_is_limited(void **state)
{
	struct jwt_conf *conf = conf_of("HS256", NEW_KEY);
	struct buf t = BUF_INIT(1 << 20);
	char pad[4096], payload[8192], part[4100];
	size_t n, longest = 0;

	(void)state;
	for (n = 2700; n < 2900; n++) {
		memset(pad, 'x', n);
		pad[n] = '\0';
		(void)snprintf(part, sizeof(part), "{\"x\":\"%.4000s\",", pad);
		replace(PAYLOAD, "{", part, payload, sizeof(payload));
		token_make(&t, HEADER, payload, GCRY_MD_SHA256, NEW_KEY);
		want_raw(conf, "long", t.data, t.len,
		    t.len <= JWT_MAX ? JWT_OK : JWT_INVALID);
		if (t.len <= JWT_MAX)
			longest = t.len;
	}
	assert_true(longest > JWT_MAX - 4);
	assert_true(t.len > JWT_MAX);
	buf_reset(&t);
	while (t.len < 65536)
		buf_puts(&t, "eyJhbGciOiJIUzI1NiJ9.");
	want_raw(conf, "64 kB", t.data, t.len, JWT_INVALID);
	buf_free(&t);
	jwt_conf_free(&conf);
}

static void
depth_is_limited(void **state)
{
	struct jwt_conf *conf = conf_of("HS256", NEW_KEY);
	struct buf t = BUF_INIT(32768), deep = BUF_INIT(8192);
	char payload[8192];
	int i;

	(void)state;
	buf_puts(&deep, "{\"x\":");
	for (i = 0; i < 1000; i++)
		buf_putc(&deep, '[');
	for (i = 0; i < 1000; i++)
		buf_putc(&deep, ']');
	buf_putc(&deep, ',');
	replace(PAYLOAD, "{", deep.data, payload, sizeof(payload));
	token_make(&t, HEADER, payload, GCRY_MD_SHA256, NEW_KEY);
	want_raw(conf, "deep", t.data, t.len, JWT_INVALID);
	buf_free(&t);
	buf_free(&deep);
	jwt_conf_free(&conf);
}

static void
other_hashes(void **state)
{
	static const struct {
		const char *alg;
		int algo;
	} all[] = {
		{ "HS256", GCRY_MD_SHA256 }, { "HS384", GCRY_MD_SHA384 },
		{ "HS512", GCRY_MD_SHA512 },
	};
	struct buf t = BUF_INIT(32768);
	char header[128];
	size_t i, k;

	(void)state;
	for (i = 0; i < 3; i++) {
		struct jwt_conf *conf = conf_of(all[i].alg, NEW_KEY);

		for (k = 0; k < 9; k++) {
			replace(HEADER, "HS256", all[k / 3].alg, header,
			    sizeof(header));
			token_make(&t, header, PAYLOAD, all[k % 3].algo,
			    NEW_KEY);
			want_raw(conf, "hash", t.data, t.len,
			    k / 3 == i && k % 3 == i ? JWT_OK : JWT_INVALID);
		}
		jwt_conf_free(&conf);
	}
	buf_free(&t);
}

/* The kid that conf signs with, out of a token's header. */
static void
kid_of(const struct jwt_conf *conf, char ret[9])
{
	struct jwt_subject s = { .user_id = 1, .username = "u" };
	struct buf t = BUF_INIT(JWT_MAX);
	unsigned char head[256];
	ssize_t n;

	assert_int_equal(jwt_issue(conf, &s, NOW, &t, NULL), 0);
	n = b64url_decode(t.data, strcspn(t.data, "."), B64_UNPADDED, head);
	assert_true(n > 0 && n < 255);
	head[n] = '\0';
	assert_non_null(strstr((char *)head, "\"alg\":\"HS256\""));
	assert_non_null(strstr((char *)head, "\"typ\":\"JWT\""));
	assert_non_null(strstr((char *)head, "\"kid\":\""));
	memcpy(ret, strstr((char *)head, "\"kid\":\"") + 7, 8);
	ret[8] = '\0';
	assert_int_equal(strspn(ret, "0123456789abcdef"), 8);
	buf_free(&t);
}

static void
keys_rotate(void **state)
{
	struct jwt_conf *old = conf_of("HS256", OLD_KEY);
	struct jwt_conf *both = conf_of("HS256", NEW_KEY " , " OLD_KEY);
	struct jwt_conf *new = conf_of("HS256", NEW_KEY);
	struct jwt_subject s = { .user_id = 7, .username = "bob" };
	struct buf t = BUF_INIT(JWT_MAX);
	char kid_old[9], kid_new[9], kid_both[9], header[128];

	(void)state;
	kid_of(old, kid_old);
	kid_of(new, kid_new);
	kid_of(both, kid_both);
	assert_string_equal(kid_new, kid_both);
	assert_string_not_equal(kid_old, kid_new);

	assert_int_equal(jwt_issue(old, &s, NOW, &t, NULL), 0);
	want_raw(both, "old", t.data, t.len, JWT_OK);
	want_raw(new, "gone", t.data, t.len, JWT_INVALID);
	buf_reset(&t);
	assert_int_equal(jwt_issue(both, &s, NOW, &t, NULL), 0);
	want_raw(new, "newest signs", t.data, t.len, JWT_OK);
	want_raw(old, "newest signs", t.data, t.len, JWT_INVALID);

	/* Without kid every key is tried; a known kid binds. */
	token_make(&t, HEADER, PAYLOAD, GCRY_MD_SHA256, OLD_KEY);
	want_raw(both, "no kid", t.data, t.len, JWT_OK);
	(void)snprintf(header, sizeof(header),
	    "{\"alg\":\"HS256\",\"kid\":\"%s\"}", kid_new);
	token_make(&t, header, PAYLOAD, GCRY_MD_SHA256, OLD_KEY);
	want_raw(both, "wrong kid", t.data, t.len, JWT_INVALID);
	token_make(&t, header, PAYLOAD, GCRY_MD_SHA256, NEW_KEY);
	want_raw(both, "right kid", t.data, t.len, JWT_OK);
	buf_free(&t);
	jwt_conf_free(&old);
	jwt_conf_free(&both);
	jwt_conf_free(&new);
}

/* kid, jku, x5u and jwk name keys; none of them is ever followed. */
static void
foreign_keys_are_not_followed(void **state)
{
	static const char *const heads[] = {
		"\"kid\":\"../../../../dev/null\"", "\"kid\":\"/dev/null\"",
		"\"kid\":\"' union select 'x' -- \"",
		"\"kid\":\"http://evil.test/key\"", "\"kid\":\"\"",
		"\"jku\":\"http://127.0.0.1:1/jwks\"",
		"\"x5u\":\"http://127.0.0.1:1/cert\"",
		"\"jwk\":{\"kty\":\"oct\",\"k\":\"bm90LWEta2V5\"}",
		"\"x5c\":[\"MII\"]",
	};
	static const char *const keys[] = { BAD_KEY, "", "x", ISSUER };
	struct jwt_conf *conf = conf_of("HS256", NEW_KEY);
	struct buf t = BUF_INIT(32768);
	char header[256];
	size_t i, k;

	(void)state;
	for (i = 0; i < sizeof(heads) / sizeof(heads[0]); i++) {
		(void)snprintf(header, sizeof(header), "{\"alg\":\"HS256\",%s}",
		    heads[i]);
		for (k = 0; k < sizeof(keys) / sizeof(keys[0]); k++) {
			token_make(&t, header, PAYLOAD, GCRY_MD_SHA256,
			    keys[k]);
			want_raw(conf, heads[i], t.data, t.len, JWT_INVALID);
		}
	}
	buf_free(&t);
	jwt_conf_free(&conf);
}

static void
issued_tokens_verify(void **state)
{
	static const char *const names[] = {
		"ann", "\xe5\xbc\xa0\xe4\xb8\x89", "a\"b\\c/d",
		"\xf0\x9f\x98\x80", "tab\there",
	};
	struct jwt_conf *conf = conf_of("HS256", NEW_KEY);
	struct jwt_subject s = {
		.user_id = INT64_MAX, .sid = "abcdefghijklmnopqrstuv",
	};
	struct jwt_claims issued, got;
	struct buf t = BUF_INIT(JWT_MAX);
	char last[JWT_ID_MAX + 1] = "", name[USER_NAME_MAX * 4 + 1] = "";
	size_t i;

	(void)state;
	for (i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
		s.username = names[i];
		buf_reset(&t);
		assert_int_equal(jwt_issue(conf, &s, NOW, &t, &issued), 0);
		assert_int_equal(jwt_verify(conf, t.data, t.len, NOW, &got),
		    JWT_OK);
		assert_string_equal(got.username, names[i]);
		assert_string_equal(got.sid, s.sid);
		assert_string_equal(got.jti, issued.jti);
		assert_int_equal(strlen(got.jti), 22);
		assert_string_not_equal(got.jti, last);
		assert_true(got.user_id == INT64_MAX);
		assert_int_equal(got.iat, NOW);
		assert_int_equal(got.exp, NOW + LIFE);
		memcpy(last, got.jti, sizeof(last));
	}
	/* The longest name there may be, and one more. */
	for (i = 0; i < USER_NAME_MAX; i++)
		memcpy(name + 4 * i, "\xf0\x9f\x98\x80", 5);
	s.username = name;
	buf_reset(&t);
	assert_int_equal(jwt_issue(conf, &s, NOW, &t, NULL), 0);
	assert_int_equal(jwt_verify(conf, t.data, t.len, NOW, &got), JWT_OK);
	assert_string_equal(got.username, name);
	memset(name, 'x', USER_NAME_MAX + 1);
	name[USER_NAME_MAX + 1] = '\0';
	assert_int_equal(jwt_issue(conf, &s, NOW, &t, NULL), -1);
	s.username = "\xff";
	assert_int_equal(jwt_issue(conf, &s, NOW, &t, NULL), -1);
	s.username = "";
	assert_int_equal(jwt_issue(conf, &s, NOW, &t, NULL), -1);
	/* Not before the sessions that are valid; no sid is no claim. */
	s = (struct jwt_subject){ .user_id = 1, .username = "u",
	    .iat_min_s = NOW + 20 };
	buf_reset(&t);
	assert_int_equal(jwt_issue(conf, &s, NOW, &t, NULL), 0);
	assert_int_equal(jwt_verify(conf, t.data, t.len, NOW, &got), JWT_OK);
	assert_int_equal(got.iat, NOW + 20);
	assert_string_equal(got.sid, "");
	assert_int_equal(jwt_verify(conf, t.data, t.len,
	    NOW + 20 + LIFE + JWT_SKEW_S - 1, &got), JWT_OK);
	assert_int_equal(jwt_verify(conf, t.data, t.len,
	    NOW + 20 + LIFE + JWT_SKEW_S, &got), JWT_EXPIRED);
	buf_free(&t);
	jwt_conf_free(&conf);
}

static void
conf_is_checked(void **state)
{
	static const struct {
		const char *alg, *keys, *issuer;
		int64_t life;
		const char *says;	/* NULL: fine */
	} all[] = {
		{ "HS256", NEW_KEY, "x", 1, NULL },
		{ "HS512", NEW_KEY "," OLD_KEY, "x", 1, NULL },
		{ "none", NEW_KEY, "x", 1, "HS256" },
		{ "hs256", NEW_KEY, "x", 1, "HS256" },
		{ "RS256", NEW_KEY, "x", 1, "HS256" },
		{ "", NEW_KEY, "x", 1, "HS256" },
		{ "HS256", "", "x", 1, "openssl rand" },
		{ "HS256", "0123456789abcdef0123456789abcde", "x", 1,
		    "31 bytes" },
		{ "HS256", "   0123456789abcdef0123456789abcde ", "x", 1,
		    "31 bytes" },
		{ "HS256", NEW_KEY ",", "x", 1, "key 2" },
		{ "HS256", NEW_KEY ",secret-but-short", "x", 1, "key 2" },
		{ "HS256", "," NEW_KEY, "x", 1, "key 1" },
		{ "HS256", NEW_KEY, "", 1, "issuer" },
		{ "HS256", NEW_KEY, "\xff", 1, "issuer" },
		{ "HS256", NEW_KEY, "x", 0, "lifetime" },
		{ "HS256", NEW_KEY, "x", -5, "lifetime" },
		{ "HS256", NEW_KEY, "x", INT64_MAX, "lifetime" },
	};
	struct buf why = BUF_INIT(512);
	struct jwt_conf *conf;
	size_t i;

	(void)state;
	for (i = 0; i < sizeof(all) / sizeof(all[0]); i++) {
		buf_reset(&why);
		conf = jwt_conf_make(all[i].alg, all[i].keys, all[i].issuer,
		    all[i].life, &why);
		if ((conf == NULL) != (all[i].says != NULL))
			fail_msg("row %zu: %s", i, buf_str(&why));
		if (all[i].says != NULL &&
		    strstr(buf_str(&why), all[i].says) == NULL)
			fail_msg("row %zu says %s", i, buf_str(&why));
		assert_null(strstr(buf_str(&why), "0123456789abcdef"));
		assert_null(strstr(buf_str(&why), "secret-but"));
		jwt_conf_free(&conf);
	}
	buf_free(&why);
	jwt_conf_free(&conf);		/* NULL is fine */
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(hostile_tokens_are_refused),
		cmocka_unit_test(form_is_strict),
		cmocka_unit_test(length_is_limited),
		cmocka_unit_test(depth_is_limited),
		cmocka_unit_test(other_hashes),
		cmocka_unit_test(keys_rotate),
		cmocka_unit_test(foreign_keys_are_not_followed),
		cmocka_unit_test(issued_tokens_verify),
		cmocka_unit_test(conf_is_checked),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
