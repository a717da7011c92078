/*
 * dbconf: reads DATABASE_URL.
 *
 * What is wrong is said without quoting any of the URL: a password with
 * a raw '/', '?' or '@' in it can end up in any of its parts.  Called
 * by the processes at start and by plugwayctl.
 */
#include <assert.h>
#include <stdlib.h>
#include <string.h>

#include "base/codec.h"
#include "base/xmalloc.h"
#include "store/db_private.h"

static int
fault(struct buf *why, const char *text)
{
	buf_printf(why, "DATABASE_URL: %s", text);
	return -1;
}

/* Takes [s, s + n) percent-decoded; NULL when an escape is bad. */
static char *
decode(const char *s, size_t n)
{
	char *ret = xmalloc(n + 1);
	ssize_t len = percent_decode(s, n, ret);

	if (len == -1) {
		free(ret);
		return NULL;
	}
	ret[len] = '\0';
	return ret;
}

static int
parse_user(struct db_conf *c, const char *s, const char *end,
    struct buf *why)
{
	const char *colon = memchr(s, ':', (size_t)(end - s));
	char *password;

	c->user = decode(s, (size_t)((colon != NULL ? colon : end) - s));
	if (c->user == NULL)
		return fault(why, "bad percent escape in the user name");
	if (c->user[0] == '\0')
		return fault(why, "it names no user");
	if (colon == NULL)
		return 0;
	password = decode(colon + 1, (size_t)(end - colon - 1));
	if (password == NULL)
		return fault(why, "bad percent escape in the password"
		    " (a percent sign itself is written %25)");
	secret_set(&c->password, password, strlen(password));
	wipe(password, strlen(password));
	free(password);
	return 0;
}

static int
parse_port(const char *s, const char *end, uint16_t *ret)
{
	char text[6];
	int64_t port;
	size_t n = (size_t)(end - s);

	if (n == 0 || n >= sizeof(text))
		return -1;
	memcpy(text, s, n);
	text[n] = '\0';
	if (parse_int(text, 1, 65535, &port) == -1)
		return -1;
	*ret = (uint16_t)port;
	return 0;
}

static bool
host_char(char ch, bool bracketed)
{
	if ((ch >= '0' && ch <= '9') || (ch >= 'a' && ch <= 'z') ||
	    (ch >= 'A' && ch <= 'Z') || ch == '.')
		return true;
	return bracketed ? ch == ':' || ch == '%' : ch == '-' || ch == '_';
}

/* One of host, host:port, [v6], [v6]:port. */
static int
parse_host(struct db_host *h, const char *s, const char *end,
    struct buf *why)
{
	const char *name = s, *name_end, *p;
	bool bracketed = s < end && *s == '[';

	if (bracketed) {
		name = s + 1;
		name_end = memchr(s, ']', (size_t)(end - s));
		p = name_end == NULL ? NULL : name_end + 1;
	} else {
		name_end = memchr(s, ':', (size_t)(end - s));
		p = name_end = name_end == NULL ? end : name_end;
	}
	if (p == NULL || name == name_end || (p < end && *p != ':'))
		return fault(why, "a host is not of the form name,"
		    " name:port, [address] or [address]:port");
	for (const char *q = name; q < name_end; q++)
		if (!host_char(*q, bracketed))
			return fault(why, "a host name has a character that"
			    " cannot be in one (reserved characters in the"
			    " password are written as %XX)");
	if (p < end && parse_port(p + 1, end, &h->port) == -1)
		return fault(why, "a port is not a number from 1 to 65535");
	h->name = xstrndup(name, (size_t)(name_end - name));
	return 0;
}

static int
parse_hosts(struct db_conf *c, const char *s, const char *end,
    struct buf *why)
{
	while (s < end) {
		const char *comma = memchr(s, ',', (size_t)(end - s));
		const char *stop = comma != NULL ? comma : end;

		if (c->n_hosts == DB_HOSTS_MAX)
			return fault(why, "it names more than 16 hosts");
		if (parse_host(&c->hosts[c->n_hosts], s, stop, why) == -1)
			return -1;
		c->n_hosts++;
		if (comma != NULL && comma + 1 == end)
			return fault(why, "a comma without a host after it");
		s = comma != NULL ? comma + 1 : end;
	}
	return 0;
}

static int
parse_option(struct db_conf *c, const char *s, const char *end,
    struct buf *why)
{
	/* option -> where its value goes */
	const struct {
		const char	*name;
		char		**ret;
	} options[] = {
		{ "unix_socket=",	&c->unix_socket },
		{ "ssl_ca=",		&c->ssl_ca },
	};
	size_t len = (size_t)(end - s);

	for (size_t i = 0; i < sizeof(options) / sizeof(options[0]); i++) {
		size_t n = strlen(options[i].name);

		if (len < n || memcmp(s, options[i].name, n) != 0)
			continue;
		if (*options[i].ret != NULL)
			return fault(why, "an option is given twice");
		*options[i].ret = decode(s + n, len - n);
		if (*options[i].ret == NULL || (*options[i].ret)[0] != '/')
			return fault(why, "unix_socket and ssl_ca must be"
			    " absolute paths");
		return 0;
	}
	return fault(why, "unknown option after '?' (known: unix_socket,"
	    " ssl_ca)");
}

static int
parse_query(struct db_conf *c, const char *s, struct buf *why)
{
	for (;;) {
		const char *end = s + strcspn(s, "&");

		if (parse_option(c, s, end, why) == -1)
			return -1;
		if (*end == '\0')
			return 0;
		s = end + 1;
	}
}

static const char *
skip_scheme(const char *url, struct buf *why)
{
	static const char *const schemes[] = { "mysql://", "mariadb://" };

	for (size_t i = 0; i < 2; i++)
		if (strncmp(url, schemes[i], strlen(schemes[i])) == 0)
			return url + strlen(schemes[i]);
	if (strncmp(url, "postgres", 8) == 0)
		(void)fault(why, "this is a PostgreSQL URL, as the earlier"
		    " back-end used; plugway keeps its data in MariaDB and"
		    " needs mysql://user:password@host/database");
	else
		(void)fault(why, "it must begin with mysql:// or"
		    " mariadb://");
	return NULL;
}

static int
parse(struct db_conf *c, const char *url, struct buf *why)
{
	const char *s = skip_scheme(url, why), *slash, *at, *query;

	if (s == NULL)
		return -1;
	if (strchr(s, '#') != NULL)
		return fault(why, "it holds a '#' (write it as %23)");
	slash = strchr(s, '/');
	if (slash == NULL)
		return fault(why, "it names no database");
	at = memrchr(s, '@', (size_t)(slash - s));
	if (at == NULL)
		return fault(why, "it names no user (a '/' in the password"
		    " is written as %2F)");
	query = slash + strcspn(slash, "?");
	if (memchr(slash + 1, '/', (size_t)(query - slash - 1)) != NULL)
		return fault(why, "the name of the database holds a '/'");
	c->database = decode(slash + 1, (size_t)(query - slash - 1));
	if (c->database == NULL || c->database[0] == '\0')
		return fault(why, "it names no database");
	if (parse_user(c, s, at, why) == -1 ||
	    parse_hosts(c, at + 1, slash, why) == -1)
		return -1;
	if (*query == '?' && parse_query(c, query + 1, why) == -1)
		return -1;
	if (c->n_hosts == 0 && c->unix_socket == NULL)
		return fault(why, "it names neither a host nor a"
		    " unix_socket");
	return 0;
}

struct db_conf *
db_conf_parse(const char *url, struct buf *why)
{
	struct db_conf *c = xcalloc(1, sizeof(*c));

	if (parse(c, url, why) == -1)
		db_conf_free(&c);
	return c;
}

void
db_conf_free(struct db_conf **cp)
{
	struct db_conf *c = *cp;

	*cp = NULL;
	if (c == NULL)
		return;
	free(c->user);
	secret_wipe(&c->password);
	free(c->database);
	free(c->unix_socket);
	free(c->ssl_ca);
	for (unsigned i = 0; i < DB_HOSTS_MAX; i++)
		free(c->hosts[i].name);
	free(c);
}

void
db_conf_describe(const struct db_conf *c, struct buf *ret)
{
	buf_printf(ret, "%s at ", c->database);
	if (c->unix_socket != NULL) {
		buf_puts(ret, c->unix_socket);
	} else for (unsigned i = 0; i < c->n_hosts; i++) {
		const struct db_host *h = &c->hosts[i];
		bool v6 = strchr(h->name, ':') != NULL;

		buf_printf(ret, "%s%s%s%s", i > 0 ? "," : "", v6 ? "[" : "",
		    h->name, v6 ? "]" : "");
		if (h->port != 0)
			buf_printf(ret, ":%u", h->port);
	}
	buf_printf(ret, " as %s%s", c->user,
	    c->ssl_ca != NULL ? " (TLS)" : "");
}
