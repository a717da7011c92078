/*
 * url: base URLs from the configuration, and redirect targets.
 *
 * Both are read strictly: what two programs could read differently is
 * refused.  Called at start (base URLs, discovered endpoints) and by the
 * sign-in for the page to return to.  Never resolves a name.
 */
#include <arpa/inet.h>
#include <assert.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/un.h>

#include "base/codec.h"
#include "base/xmalloc.h"
#include "net/url.h"

#define URL_MAX			2048
#define URL_HOST_MAX		253	/* RFC 1035 2.3.4, without the dot */
#define URL_PATH_DECODES	4	/* rounds of percent-decoding */

static bool
is_alnum(char c)
{
	return (c >= '0' && c <= '9') || (c >= 'a' && c <= 'z') ||
	    (c >= 'A' && c <= 'Z');
}

static bool
is_digits(const char *s, size_t n)
{
	return n > 0 && strspn(s, "0123456789") >= n;
}

/* The last label decides whether a browser or a resolver reads a host as
 * an IPv4 number (WHATWG URL 3.5); then only a.b.c.d will do. */
static bool
host_is_number(const char *host)
{
	const char *last = strrchr(host, '.');

	last = last == NULL ? host : last + 1;
	return is_digits(last, strlen(last)) ||
	    (last[0] == '0' && (last[1] == 'x' || last[1] == 'X'));
}

static bool
host_is_name(const char *host)
{
	size_t i, n = strlen(host), label = 0;

	if (n == 0 || n > URL_HOST_MAX)
		return false;
	for (i = 0; i < n; i++) {
		if (host[i] == '.') {
			if (label == 0)
				return false;
			label = 0;
			continue;
		}
		if (!is_alnum(host[i]) && host[i] != '-' && host[i] != '_')
			return false;
		if (++label > 63)
			return false;
	}
	return label > 0 && host[0] != '-';
}

/* Is host (without brackets) usable; does it mean this machine? */
static bool
check_host(const char *host, bool bracketed, bool *ret_loopback)
{
	struct in6_addr six;
	struct in_addr four;

	*ret_loopback = false;
	if (bracketed) {
		if (inet_pton(AF_INET6, host, &six) != 1)
			return false;
		*ret_loopback = IN6_IS_ADDR_LOOPBACK(&six);
		return true;
	}
	if (inet_pton(AF_INET, host, &four) == 1) {
		*ret_loopback = (ntohl(four.s_addr) >> 24) == 127;
		return true;
	}
	if (!host_is_name(host) || host_is_number(host))
		return false;
	*ret_loopback = strcasecmp(host, "localhost") == 0;
	return true;
}

/* "/a/b": no empty or dot segments, plain characters only. */
static bool
check_prefix(const char *p)
{
	const char *end;
	size_t i, n;

	while (*p != '\0') {
		assert(*p == '/');
		p++;
		end = strchrnul(p, '/');
		n = (size_t)(end - p);
		if (n == 0 || strncmp(p, "..", n) == 0)
			return false;
		for (i = 0; i < n; i++) {
			if (!is_alnum(p[i]) && strchr("-._~@:", p[i]) == NULL)
				return false;
		}
		p = end;
	}
	return true;
}

static int
refuse(struct buf *why, const char *text)
{
	(void)buf_puts(why, text);
	return -1;
}

static int
parse_unix(const char *path, struct url_base *ret, struct buf *why)
{
	struct sockaddr_un sun;
	const char *p;

	if (path[0] != '/')
		return refuse(why, "unix: must be followed by an absolute "
		    "path, as in unix:/run/upstream.sock");
	if (strlen(path) >= sizeof(sun.sun_path))
		return refuse(why, "the path of the socket is too long");
	for (p = path; *p != '\0'; p++) {
		if ((unsigned char)*p <= ' ' || *p == 0x7f)
			return refuse(why, "the path of the socket has a "
			    "space or control character");
	}
	ret->origin = xstrdup("http://localhost");
	ret->prefix = xstrdup("");
	ret->unix_path = xstrdup(path);
	ret->host = xstrdup("localhost");
	ret->https = false;
	ret->loopback = true;
	return 0;
}

/* Cuts "host:port" in place.  The port stays NULL when there is none. */
static bool
split_authority(char *s, char **ret_host, char **ret_port, bool *ret_six)
{
	char *end;

	*ret_port = NULL;
	*ret_six = s[0] == '[';
	if (*ret_six) {
		*ret_host = s + 1;
		end = strchr(s, ']');
		if (end == NULL)
			return false;
		*end++ = '\0';
		if (*end == '\0')
			return true;
	} else {
		*ret_host = s;
		end = strchr(s, ':');
		if (end == NULL)
			return true;
	}
	if (*end != ':')
		return false;
	*end = '\0';
	*ret_port = end + 1;
	return true;
}

static int
parse_authority(char *authority, struct url_base *ret, struct buf *why)
{
	char *host, *port;
	int64_t number;
	bool six;

	if (strchr(authority, '@') != NULL)
		return refuse(why, "a user name or password in the URL is "
		    "not supported");
	if (!split_authority(authority, &host, &port, &six) ||
	    !check_host(host, six, &ret->loopback))
		return refuse(why, "the host is not a valid name or address");
	if (port != NULL && parse_int(port, 1, 65535, &number) == -1)
		return refuse(why, "the port must be a number from 1 to "
		    "65535");
	ret->host = xasprintf("%s%s%s%s%s", six ? "[" : "", host,
	    six ? "]" : "", port == NULL ? "" : ":", port == NULL ? "" : port);
	ret->origin = xasprintf("http%s://%s", ret->https ? "s" : "",
	    ret->host);
	return 0;
}

static int
parse_http(const char *rest, struct url_base *ret, struct buf *why)
{
	const char *slash = strchrnul(rest, '/');
	size_t n = strlen(slash);
	char *authority;
	int error;

	if (strpbrk(rest, "?#") != NULL)
		return refuse(why, "a query or fragment does not belong into "
		    "a base URL");
	if (n > 0 && slash[n - 1] == '/')
		n--;
	authority = xstrndup(rest, (size_t)(slash - rest));
	error = parse_authority(authority, ret, why);
	free(authority);
	if (error != 0)
		return -1;
	ret->prefix = xstrndup(slash, n);
	if (!check_prefix(ret->prefix))
		return refuse(why, "the path has empty or dot segments or "
		    "characters that are not allowed");
	return 0;
}

int
url_base_parse(const char *text, struct url_base *ret, struct buf *why)
{
	struct url_base base = { 0 };
	int error;

	if (strlen(text) > URL_MAX)
		return refuse(why, "the URL is too long");
	if (strncmp(text, "unix:", 5) == 0) {
		error = parse_unix(text + 5, &base, why);
	} else if (strncasecmp(text, "http://", 7) == 0) {
		error = parse_http(text + 7, &base, why);
	} else if (strncasecmp(text, "https://", 8) == 0) {
		base.https = true;
		error = parse_http(text + 8, &base, why);
	} else {
		return refuse(why, "the URL must begin with http://, "
		    "https:// or unix:/");
	}
	if (error != 0) {
		url_base_free(&base);
		return -1;
	}
	*ret = base;
	return 0;
}

void
url_base_free(struct url_base *base)
{
	free(base->origin);
	free(base->prefix);
	free(base->unix_path);
	free(base->host);
	memset(base, 0, sizeof(*base));
}

/* One reading of the text: could it leave the site? */
static bool
reading_is_safe(const char *s, size_t n)
{
	size_t i, path_len;

	path_len = strcspn(s, "?#");
	if (path_len > n)
		path_len = n;
	for (i = 0; i < n; i++) {
		if ((unsigned char)s[i] < ' ' || s[i] == 0x7f || s[i] == '\\')
			return false;
	}
	if (n == 0 || s[0] != '/' || !utf8_valid(s, n))
		return false;
	for (i = 0; i + 1 < path_len; i++) {
		if (s[i] != '/')
			continue;
		if (s[i + 1] == '/')
			return false;
		/* "/./" and "/../" may join two slashes when resolved. */
		if (s[i + 1] == '.' && (i + 2 >= path_len ||
		    s[i + 2] == '/' || (s[i + 2] == '.' &&
		    (i + 3 >= path_len || s[i + 3] == '/'))))
			return false;
	}
	return true;
}

bool
url_is_local_path(const char *text)
{
	char a[URL_MAX + 1], b[URL_MAX + 1];
	size_t i, n = strlen(text);
	ssize_t decoded;
	int round;

	if (n == 0 || n > URL_MAX)
		return false;
	for (i = 0; i < n; i++) {
		if ((unsigned char)text[i] <= ' ' ||
		    (unsigned char)text[i] >= 0x7f)
			return false;
	}
	memcpy(a, text, n + 1);
	for (round = 0; reading_is_safe(a, n); round++) {
		if (strchr(a, '%') == NULL)
			return true;
		if (round == URL_PATH_DECODES)
			return false;
		decoded = percent_decode(a, n, b);
		if (decoded == -1)
			return false;
		n = (size_t)decoded;
		memcpy(a, b, n);
		a[n] = '\0';
	}
	return false;
}
