/*
 * url: base URLs from the configuration, and paths built from templates.
 */
#ifndef NET_URL_H
#define NET_URL_H

#include <stdbool.h>
#include <stddef.h>

#include "base/buf.h"

/* http://host[:port][/prefix], https://..., or unix:/path/to.sock */
struct url_base {
	char	*origin;	/* "http://host:port", no trailing slash;
				   "http://localhost" for unix: */
	char	*prefix;	/* "" or "/prefix" */
	char	*unix_path;	/* NULL, or the socket */
	char	*host;		/* as it is sent: host[:port] */
	bool	 https;
	bool	 loopback;	/* 127/8, ::1, localhost or unix: */
};

/*
 * Userinfo, query, fragment and other schemes are refused; one trailing
 * slash is tolerated.  NULL-terminated reasons go to why.
 */
int	 url_base_parse(const char *, struct url_base *ret, struct buf *why)
	    __attribute__((warn_unused_result));
void	 url_base_free(struct url_base *);

/*
 * A same-site absolute path that may be a redirect target: begins with
 * exactly one '/', no backslash, no control character, nothing that a
 * browser could read as another host even after decoding.
 */
bool	 url_is_local_path(const char *);

#endif
