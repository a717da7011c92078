/*
 * url: base URLs and redirect targets, as tables.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <stdio.h>
#include <string.h>

#include "net/url.h"

static const struct {
	const char *text, *origin, *prefix, *host;
	bool https, loopback;
} good[] = {
	{ "http://localhost:8045", "http://localhost:8045", "",
	    "localhost:8045", false, true },
	{ "http://localhost:8045/", "http://localhost:8045", "",
	    "localhost:8045", false, true },
	{ "HTTP://LOCALHOST", "http://LOCALHOST", "", "LOCALHOST", false,
	    true },
	{ "https://api.example.org/base/v2/", "https://api.example.org",
	    "/base/v2", "api.example.org", true, false },
	{ "http://127.8.9.1:1", "http://127.8.9.1:1", "", "127.8.9.1:1", false,
	    true },
	{ "http://10.0.0.1:65535", "http://10.0.0.1:65535", "",
	    "10.0.0.1:65535", false, false },
	{ "http://[::1]:80/a", "http://[::1]:80", "/a", "[::1]:80", false,
	    true },
	{ "https://[2001:db8::1]", "https://[2001:db8::1]", "",
	    "[2001:db8::1]", true, false },
	{ "http://my_host-1.lan", "http://my_host-1.lan", "",
	    "my_host-1.lan", false, false },
	{ "http://localhost.evil.org", "http://localhost.evil.org", "",
	    "localhost.evil.org", false, false },
};

static void
test_good(void **state)
{
	struct buf why = BUF_INIT(200);
	struct url_base base;
	size_t i;

	(void)state;
	for (i = 0; i < sizeof(good) / sizeof(good[0]); i++) {
		if (url_base_parse(good[i].text, &base, &why) != 0)
			fail_msg("%s: %s", good[i].text, buf_str(&why));
		assert_string_equal(base.origin, good[i].origin);
		assert_string_equal(base.prefix, good[i].prefix);
		assert_string_equal(base.host, good[i].host);
		assert_int_equal(base.https, good[i].https);
		assert_int_equal(base.loopback, good[i].loopback);
		assert_null(base.unix_path);
		url_base_free(&base);
		assert_null(base.origin);
	}
	assert_int_equal(url_base_parse("unix:/run/u.sock", &base, &why), 0);
	assert_string_equal(base.unix_path, "/run/u.sock");
	assert_string_equal(base.origin, "http://localhost");
	assert_true(base.loopback);
	url_base_free(&base);
	buf_free(&why);
}

static const char *const bad[] = {
	"", "localhost:8045", "//host", "ftp://host", "file:///etc/passwd",
	"http:/host", "http://", "http:///path", "https://:80",
	"http://user@host", "http://user:pw@host", "http://host@evil",
	"http://host?x", "http://host/a?x=1", "http://host/#f", "http://ho st",
	"http://host:0", "http://host:65536", "http://host:", "http://host:-1",
	"http://host:+80", "http://host:080", "http://host:80a",
	"http://host:80:81", "http://127.1", "http://0x7f000001",
	"http://2130706433", "http://0177.0.0.1", "http://1.2.3.256",
	"http://1.2.3.4.5", "http://a..b", "http://.a", "http://a.",
	"http://-a", "http://[::1", "http://::1", "http://[::g]",
	"http://[::1]x", "http://[fe80::1%25eth0]", "http://h\\x",
	"http://h/a//b", "http://h/../a", "http://h/./a", "http://h/a/..",
	"http://h//", "http://h/%2e%2e", "http://h/a b", "http://h/a\r\nX: y",
	"http://h\r\n", "http://h\xc3\xa4.de", "unix:", "unix:relative",
	"unix:/a b", "unix:/a\n",
	"unix:/aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa"
	"aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa",
	"http://aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa",
};

static void
test_bad(void **state)
{
	struct buf why = BUF_INIT(200);
	struct url_base base;
	size_t i;

	(void)state;
	for (i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		buf_reset(&why);
		if (url_base_parse(bad[i], &base, &why) != -1)
			fail_msg("accepted: %s", bad[i]);
		assert_true(why.len > 0);
	}
	buf_free(&why);
}

static const char *const local[] = {
	"/", "/dashboard", "/a/b/c", "/a?x=1&y=2", "/a#frag", "/a/?q=a%20b",
	"/%E4%BD%A0%E5%A5%BD", "/a.b/c..d/...e", "/a?next=/b",
	"/a?u=https://example.org/", "/a:b@c", "/~user/;p=1", "/a?x=//y",
	"/a%2Fb",
};

static const char *const hostile[] = {
	"", " ", "a", "a/b", ".", "..", "?x", "#x", "//", "//evil.com",
	"///evil.com", "////evil.com", "/\\evil.com", "\\/evil.com",
	"\\\\evil.com", "/\\/evil.com", "/a\\b", "http://evil.com",
	"https://evil.com", "HTTP://evil.com", "http:evil.com",
	"http:/evil.com", "https:///evil.com", "javascript:alert(1)",
	"JaVaScRiPt:alert(1)", "data:text/html,x", "mailto:a@b", "evil.com",
	"@evil.com", ":80", "/\tevil", "\t//evil.com", "/\t/evil.com",
	"/\n/evil.com", "/\r/evil.com", "/\r\nLocation: //evil.com",
	"/a\r\nSet-Cookie: a=b", "\n/a", " /a", "/a b", "/ /evil.com",
	"/%2fevil.com", "/%2Fevil.com", "/%2f%2fevil.com", "%2f%2fevil.com",
	"%2fa", "/%5cevil.com", "/%5Cevil.com", "/%5c%5cevil.com",
	"/%255cevil.com", "/%252fevil.com", "/%252f%252fevil.com",
	"/%25252fevil.com", "/%2525252fevil.com", "/%252525252fevil.com",
	"/%25252525252fevil.com", "/%09/evil.com", "/%0a/evil.com",
	"/%0d%0aLocation:%20//evil.com", "/%0D%0A", "/%00", "/a%00b",
	"/%2500", "/%250d%250a", "/%", "/%2", "/%zz", "/%2g", "/./",
	"/.//evil.com", "/..//evil.com", "/../evil", "/a/..//evil.com",
	"/a/../..//evil.com", "/%2e/%2fevil.com", "/%2e%2e//evil.com",
	"/%2e%2e%2f%2fevil.com", "/a//b", "/a/%2fb", "/a%2f%2fb", "/.", "/..",
	"/a/.", "/a/..", "/\x01", "/\x7f", "/%7f", "/\xff", "/%ff", "/%c0%af",
	"/%c0%afevil.com", "/%e0%80%af", "/%ed%a0%80", "/\xc3\xa4",
	"/?x=%0d%0a", "/?x=\\", "/?x=%5c", "/#%0a", "/%5c/evil.com",
	"/%5c%2fevil.com", "/\\%2fevil.com",
};

static void
test_local_path(void **state)
{
	char long_path[4000];
	size_t i;

	(void)state;
	for (i = 0; i < sizeof(local) / sizeof(local[0]); i++) {
		if (!url_is_local_path(local[i]))
			fail_msg("refused: %s", local[i]);
	}
	for (i = 0; i < sizeof(hostile) / sizeof(hostile[0]); i++) {
		if (url_is_local_path(hostile[i]))
			fail_msg("accepted: %s", hostile[i]);
	}
	assert_true(i >= 60);
	memset(long_path, '/', sizeof(long_path));
	memset(long_path + 1, 'a', sizeof(long_path) - 2);
	long_path[sizeof(long_path) - 1] = '\0';
	assert_false(url_is_local_path(long_path));
	long_path[2048] = '\0';
	assert_true(url_is_local_path(long_path));
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_good),
		cmocka_unit_test(test_bad),
		cmocka_unit_test(test_local_path),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
