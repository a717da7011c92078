/*
 * Sign-in providers from the configuration, the requests built for them,
 * and what an OpenID Connect provider may say of itself.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "auth/discovery.h"
#include "auth/providers.h"
#include "auth/requests.h"

#define BASE	"http://localhost:8000"

static struct providers *
make_one(const struct provider_conf *conf)
{
	struct buf why = BUF_INIT(4096);
	struct providers *ps = providers_make(conf, 1, BASE, &why);

	if (ps == NULL)
		fail_msg("%s", buf_str(&why));
	buf_free(&why);
	return ps;
}

static void
defaults_are_known(void **state)
{
	const struct provider_conf conf[] = {
		{ .type = PROVIDER_LINUX_DO, .id = "linux_do",
		    .client_id = "c", .client_secret = "s" },
		{ .type = PROVIDER_GITHUB, .id = "github",
		    .client_id = "c", .client_secret = "s", .scope = "" },
		{ .type = PROVIDER_OIDC, .id = "pocket", .client_id = "c",
		    .client_secret = "s", .issuer = "https://id.test",
		    .scope = "profile,email",
		    .redirect_uri = "https://front.test/cb" },
		{ .type = PROVIDER_OIDC, .id = "off", .client_id = "",
		    .issuer = "broken" },
	};
	struct buf why = BUF_INIT(4096);
	struct providers *ps = providers_make(conf, 4, BASE "/", &why);
	struct provider *p;

	(void)state;
	assert_non_null(ps);
	assert_int_equal(providers_count(ps), 3);
	assert_null(providers_find(ps, "off"));
	assert_null(providers_find(ps, ""));
	p = providers_find(ps, "linux_do");
	assert_string_equal(p->name, "Linux.do");
	assert_string_equal(p->key, "linux_do");
	assert_string_equal(p->scope, "");
	assert_string_equal(p->redirect_uri,
	    BASE "/api/auth/callback/linux_do");
	assert_string_equal(p->endpoints.token.url,
	    "https://connect.linux.do/oauth2/token");
	assert_string_equal(p->endpoints.token.target, "/oauth2/token");
	assert_string_equal(p->endpoints.token.base.origin,
	    "https://connect.linux.do");
	assert_true(p->have_endpoints && !p->endpoints.secret_in_body);
	p = providers_find(ps, "github");
	assert_true(p->have_endpoints && p->endpoints.secret_in_body);
	assert_string_equal(p->scope, "read:user");
	p = providers_at(ps, 2);
	assert_string_equal(p->name, "pocket");
	assert_string_equal(p->scope, "openid profile email");
	assert_string_equal(p->redirect_uri, "https://front.test/cb");
	assert_int_equal(strncmp(p->key, "pocket:", 7), 0);
	assert_int_equal(strlen(p->key), 7 + 16);
	assert_false(p->have_endpoints);
	providers_free(&ps);
	assert_null(ps);
	providers_free(&ps);
	/* None at all is fine. */
	ps = providers_make(NULL, 0, BASE, &why);
	assert_non_null(ps);
	assert_int_equal(providers_count(ps), 0);
	providers_free(&ps);
	buf_free(&why);
}

/* Another issuer under the same name is another authority. */
static void
issuer_is_part_of_the_key(void **state)
{
	struct provider_conf conf = { .type = PROVIDER_OIDC, .id = "x",
	    .client_id = "c", .client_secret = "s",
	    .issuer = "https://one.test" };
	struct providers *one = make_one(&conf), *again = make_one(&conf);
	struct providers *two;

	(void)state;
	conf.issuer = "https://two.test";
	two = make_one(&conf);
	assert_string_equal(providers_at(one, 0)->key,
	    providers_at(again, 0)->key);
	assert_string_not_equal(providers_at(one, 0)->key,
	    providers_at(two, 0)->key);
	providers_free(&one);
	providers_free(&again);
	providers_free(&two);
}

static void
faults_are_told(void **state)
{
#define LD .type = PROVIDER_LINUX_DO, .id = "linux_do", .client_id = "c", \
	.client_secret = "s3cret"
#define OI .type = PROVIDER_OIDC, .id = "oi", .client_id = "c", \
	.client_secret = "s3cret"
	static const struct {
		struct provider_conf conf;
		const char *says;	/* NULL: fine */
	} all[] = {
		{ { LD }, NULL },
		{ { LD, .token_endpoint = "http://127.0.0.1:9/t" }, NULL },
		{ { LD, .token_endpoint = "http://localhost:9/t" }, NULL },
		{ { LD, .token_endpoint = "http://[::1]:9/t" }, NULL },
		{ { LD, .token_endpoint = "https://a.test/t?x=1" }, NULL },
		{ { LD, .token_endpoint = "http://a.test/t" }, "loopback" },
		{ { LD, .token_endpoint = "http://127.0.0.1.a.test/" },
		    "loopback" },
		{ { LD, .token_endpoint = "http://10.0.0.1/" }, "loopback" },
		{ { LD, .userinfo_endpoint = "http://a.test/" }, "user info" },
		{ { LD, .authorization_endpoint = "http://a.test/" },
		    "authorization" },
		{ { LD, .token_endpoint = "ftp://a.test/" }, "token" },
		{ { LD, .token_endpoint = "a.test/t" }, "token" },
		{ { LD, .token_endpoint = "https://" }, "token" },
		{ { LD, .token_endpoint = "https://u:p@a.test/" }, "token" },
		{ { LD, .token_endpoint = "https://a.test/#f" }, "token" },
		{ { LD, .token_endpoint = "https://a.test/a b" }, "token" },
		{ { LD, .token_endpoint = "https://a.test/\r\nX: 1" },
		    "token" },
		{ { LD, .token_endpoint = "unix:/run/x" }, "token" },
		{ { LD, .token_endpoint = "javascript:alert(1)" }, "token" },
		{ { LD, .redirect_uri = "/relative" }, "redirect" },
		{ { LD, .redirect_uri = "javascript:x" }, "redirect" },
		{ { LD, .scope = "a\"b" }, "scope" },
		{ { LD, .scope = "a\nb" }, "scope" },
		{ { .type = PROVIDER_GITHUB, .id = "github",
		    .client_id = "c" }, "no client secret" },
		{ { .type = PROVIDER_OIDC, .id = "Upper", .client_id = "c",
		    .client_secret = "s3cret",
		    .issuer = "https://id.test" }, "its name" },
		{ { .type = PROVIDER_OIDC, .id = "a/b", .client_id = "c",
		    .client_secret = "s3cret",
		    .issuer = "https://id.test" }, "its name" },
		{ { .type = PROVIDER_OIDC, .id = "", .client_id = "c",
		    .client_secret = "s3cret",
		    .issuer = "https://id.test" }, "its name" },
		{ { OI, .issuer = "https://id.test/realm" }, NULL },
		{ { OI, .issuer = "http://localhost:1" }, NULL },
		{ { OI }, "issuer is missing" },
		{ { OI, .issuer = "http://id.test" }, "loopback" },
		{ { OI, .issuer = "https://id.test?x=1" }, "query" },
		{ { OI, .issuer = "id.test" }, "issuer" },
	};
	struct buf why = BUF_INIT(4096);
	struct providers *ps;
	size_t i;

	(void)state;
	for (i = 0; i < sizeof(all) / sizeof(all[0]); i++) {
		buf_reset(&why);
		ps = providers_make(&all[i].conf, 1, BASE, &why);
		if ((ps == NULL) != (all[i].says != NULL))
			fail_msg("row %zu: %s", i, buf_str(&why));
		if (ps == NULL && strstr(buf_str(&why), all[i].says) == NULL)
			fail_msg("row %zu says %s", i, buf_str(&why));
		assert_null(strstr(buf_str(&why), "s3cret"));
		providers_free(&ps);
	}
	buf_free(&why);
}

static void
names_are_unique_and_few(void **state)
{
	struct provider_conf conf[PROVIDERS_MAX + 1];
	char ids[PROVIDERS_MAX + 1][8];
	struct buf why = BUF_INIT(4096);
	struct providers *ps;
	size_t i;

	(void)state;
	for (i = 0; i <= PROVIDERS_MAX; i++) {
		(void)snprintf(ids[i], sizeof(ids[i]), "p%zu", i);
		conf[i] = (struct provider_conf){ .type = PROVIDER_OIDC,
		    .id = ids[i], .client_id = "c", .client_secret = "s",
		    .issuer = "https://id.test" };
	}
	ps = providers_make(conf, PROVIDERS_MAX, BASE, &why);
	assert_non_null(ps);
	providers_free(&ps);
	assert_null(providers_make(conf, PROVIDERS_MAX + 1, BASE, &why));
	buf_reset(&why);
	conf[1].id = ids[0];
	assert_null(providers_make(conf, 2, BASE, &why));
	assert_non_null(strstr(buf_str(&why), "taken"));
	buf_free(&why);
}

static void
authorization_urls(void **state)
{
	/* RFC 7636 appendix B. */
	static const char verifier[] =
	    "dBjftJeZ4CVP-mB92K27uhbUJU1p1r_wW1gFWFOEjXk";
	struct provider_conf conf = { .type = PROVIDER_LINUX_DO,
	    .id = "linux_do", .client_id = "a&b=c d", .client_secret = "s",
	    .authorization_endpoint = "http://127.0.0.1:7/auth?x=1" };
	struct providers *ps = make_one(&conf);
	struct buf url = BUF_INIT(4096), small = BUF_INIT(64);

	(void)state;
	assert_int_equal(request_authorization_url(providers_at(ps, 0), "St",
	    verifier, "", &url), 0);
	assert_string_equal(buf_str(&url), "http://127.0.0.1:7/auth?x=1"
	    "&response_type=code&client_id=a%26b%3Dc%20d&redirect_uri="
	    "http%3A%2F%2Flocalhost%3A8000%2Fapi%2Fauth%2Fcallback%2Flinux_do"
	    "&state=St&code_challenge="
	    "E9Melhoa2OwvFrEMTJguCHaoeK1t8URWbuGJSstw-cM"
	    "&code_challenge_method=S256");
	assert_int_equal(request_authorization_url(providers_at(ps, 0), "St",
	    verifier, "", &small), -1);
	providers_free(&ps);
	conf.authorization_endpoint = "http://127.0.0.1:7/auth";
	conf.scope = "a b";
	ps = make_one(&conf);
	buf_reset(&url);
	assert_int_equal(request_authorization_url(providers_at(ps, 0), "St",
	    verifier, "No", &url), 0);
	assert_non_null(strstr(buf_str(&url), "/auth?response_type=code&"));
	assert_non_null(strstr(buf_str(&url), "&scope=a%20b&"));
	assert_non_null(strstr(buf_str(&url), "&nonce=No"));
	/* The verifier itself never goes into a URL. */
	assert_null(strstr(buf_str(&url), verifier));
	providers_free(&ps);
	buf_free(&url);
	buf_free(&small);
}

static void
token_requests(void **state)
{
	struct provider_conf conf = { .type = PROVIDER_LINUX_DO,
	    .id = "linux_do", .client_id = "id:1",
	    .client_secret = "p&ss/word+\xc3\xa4" };
	struct providers *ps = make_one(&conf);
	struct buf form = BUF_INIT(4096), basic = BUF_INIT(4096);

	(void)state;
	assert_int_equal(request_token_form(providers_at(ps, 0), "c&d",
	    "ver", &form), 0);
	assert_string_equal(buf_str(&form), "grant_type=authorization_code"
	    "&code=c%26d&redirect_uri="
	    "http%3A%2F%2Flocalhost%3A8000%2Fapi%2Fauth%2Fcallback%2Flinux_do"
	    "&code_verifier=ver");
	assert_int_equal(request_basic(providers_at(ps, 0), &basic), 0);
	/* base64 of id%3A1:p%26ss%2Fword%2B%C3%A4 */
	assert_string_equal(buf_str(&basic),
	    "Basic aWQlM0ExOnAlMjZzcyUyRndvcmQlMkIlQzMlQTQ=");
	providers_free(&ps);
	/* The standard alphabet, not that of URLs. */
	conf.client_id = "~~~";
	conf.client_secret = "s~~~~~o";
	ps = make_one(&conf);
	buf_reset(&basic);
	assert_int_equal(request_basic(providers_at(ps, 0), &basic), 0);
	assert_string_equal(buf_str(&basic), "Basic fn5+OnN+fn5+fm8=");
	providers_free(&ps);
	conf.type = PROVIDER_GITHUB;
	conf.client_id = "id:1";
	conf.client_secret = "p&ss/word+\xc3\xa4";
	ps = make_one(&conf);
	buf_reset(&form);
	buf_reset(&basic);
	assert_int_equal(request_token_form(providers_at(ps, 0), "c", "v",
	    &form), 0);
	assert_non_null(strstr(buf_str(&form), "&client_id=id%3A1"
	    "&client_secret=p%26ss%2Fword%2B%C3%A4"));
	assert_int_equal(request_basic(providers_at(ps, 0), &basic), 0);
	assert_int_equal(basic.len, 0);
	providers_free(&ps);
	buf_free(&form);
	buf_free(&basic);
}

#define DOC(iss, auth, token, info, more)				\
	"{\"issuer\":\"" iss "\",\"authorization_endpoint\":\"" auth	\
	"\",\"token_endpoint\":\"" token "\",\"userinfo_endpoint\":\""	\
	info "\"" more "}"
#define I "https://id.test"

static void
discovery_documents(void **state)
{
	static const struct {
		const char *name, *issuer, *doc;
		bool good, in_body;
	} all[] = {
		{ "good", I, DOC(I, I "/a", I "/t", I "/u", ""), true, false },
		{ "other hosts", I, DOC(I, "https://a.test/",
		    "https://t.test/x", "https://u.test", ""), true, false },
		{ "basic offered", I, DOC(I, I, I, I,
		    ",\"token_endpoint_auth_methods_supported\":["
		    "\"client_secret_post\",\"client_secret_basic\"]"), true,
		    false },
		{ "post only", I, DOC(I, I, I, I,
		    ",\"token_endpoint_auth_methods_supported\":["
		    "\"client_secret_post\"]"), true, true },
		{ "neither", I, DOC(I, I, I, I,
		    ",\"token_endpoint_auth_methods_supported\":["
		    "\"private_key_jwt\"]"), false, false },
		{ "methods no array", I, DOC(I, I, I, I,
		    ",\"token_endpoint_auth_methods_supported\":"
		    "\"client_secret_basic\""), false, false },
		{ "another issuer", I, DOC("https://evil.test", I, I, I, ""),
		    false, false },
		{ "slash at the end", I, DOC(I "/", I, I, I, ""), false,
		    false },
		{ "issuer in capitals", I, DOC("https://ID.test", I, I, I,
		    ""), false, false },
		{ "http token", I, DOC(I, I, "http://id.test/t", I, ""),
		    false, false },
		{ "http user info", I, DOC(I, I, I, "http://id.test/u", ""),
		    false, false },
		{ "http authorization", I, DOC(I, "http://id.test/a", I, I,
		    ""), false, false },
		{ "to our loopback", I, DOC(I, I, "http://127.0.0.1:8045/t",
		    I, ""), false, false },
		{ "to our loopback by https", I, DOC(I, I, I,
		    "https://localhost/u", ""), false, false },
		{ "metadata address", I, DOC(I, I, I,
		    "http://169.254.169.254/", ""), false, false },
		{ "file", I, DOC(I, I, "file:///etc/passwd", I, ""), false,
		    false },
		{ "userinfo in URL", I, DOC(I, I, "https://a:b@id.test/", I,
		    ""), false, false },
		{ "fragment", I, DOC(I, I "#x", I, I, ""), false, false },
		{ "control character", I, DOC(I, I "/\\r\\n", I, I, ""),
		    false, false },
		{ "relative", I, DOC(I, "/a", I, I, ""), false, false },
		{ "empty", I, DOC(I, "", I, I, ""), false, false },
		{ "issuer twice", I, DOC(I, I, I, I, ",\"issuer\":\"" I "\""),
		    false, false },
		{ "local all", "http://localhost:9", DOC("http://localhost:9",
		    "http://localhost:9/a", "http://127.0.0.1:9/t",
		    "http://[::1]:9/u", ""), true, false },
		{ "local to outside http", "http://localhost:9",
		    DOC("http://localhost:9", "http://a.test/", I, I, ""),
		    false, false },
		{ "no user info", I, "{\"issuer\":\"" I "\","
		    "\"authorization_endpoint\":\"" I "\","
		    "\"token_endpoint\":\"" I "\"}", false, false },
		{ "number", I, "{\"issuer\":\"" I "\","
		    "\"authorization_endpoint\":1,\"token_endpoint\":2,"
		    "\"userinfo_endpoint\":3}", false, false },
		{ "array", I, "[]", false, false },
		{ "empty object", I, "{}", false, false },
		{ "nothing", I, "", false, false },
		{ "HTML", I, "<html>", false, false },
	};
	struct buf detail = BUF_INIT(OAUTH_DETAIL_MAX);
	struct provider_endpoints e;
	size_t i;
	int rc;

	(void)state;
	for (i = 0; i < sizeof(all) / sizeof(all[0]); i++) {
		buf_reset(&detail);
		e = (struct provider_endpoints){ 0 };
		rc = discovery_parse(all[i].issuer, all[i].doc,
		    strlen(all[i].doc), &e, &detail);
		if ((rc == 0) != all[i].good ||
		    e.secret_in_body != all[i].in_body)
			fail_msg("%s: %s", all[i].name, buf_str(&detail));
		assert_int_equal(rc == 0, detail.len == 0);
		assert_int_equal(rc == 0, e.token.url != NULL);
		provider_endpoints_free(&e);
	}
	buf_free(&detail);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(defaults_are_known),
		cmocka_unit_test(issuer_is_part_of_the_key),
		cmocka_unit_test(faults_are_told),
		cmocka_unit_test(names_are_unique_and_few),
		cmocka_unit_test(authorization_urls),
		cmocka_unit_test(token_requests),
		cmocka_unit_test(discovery_documents),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
