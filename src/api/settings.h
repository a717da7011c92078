/*
 * settings: every directive of the configuration, in one table.
 *
 * `plugwayctl config`, etc/plugway.env and plugway.env(5) are held
 * against the table.  The enum and the table are one list
 * (settings_table.h).
 */
#ifndef API_SETTINGS_H
#define API_SETTINGS_H

#include "base/settings.h"
#include "base/log.h"
#include "base/buf.h"
#include "auth/jwt.h"
#include "auth/providers.h"
#include "proxy/upstream.h"

enum setting {
#define SETTING(id, name, type, def, min, max, choices, flags, roles, help) \
	SET_##id,
#include "api/settings_table.h"
#undef SETTING
	SETTING_MAX
};

extern const struct directive settings_table[SETTING_MAX];

#define SETTINGS_FILE_DEFAULT	"/etc/plugway/plugway.env"

/*
 * Reads and checks everything that can be checked without the network:
 * types and ranges, key ring, JWT keys, URLs, providers.  Each fault is
 * told as one line; returns their number.
 */
size_t	 app_settings_load(const char *file, char *const *envp,
	    struct settings *ret, settings_fault_cb *, void *);
void	 app_settings_filter(const struct settings *, unsigned role,
	    struct settings *ret);
int	 app_settings_check(const struct settings *, size_t size);

/* What the modules below are configured with.  Strings point into the
 * image; faults were told by app_settings_load. */
void	 app_log_conf(const struct settings *, struct log_conf *ret);
int	 app_upstream_conf(const struct settings *, struct upstream_conf *ret,
	    struct buf *why);
void	 app_httpc_conf(const struct settings *, struct httpc_conf *ret);
struct jwt_conf *app_jwt_conf(const struct settings *, struct buf *why);
struct providers *app_providers(const struct settings *, struct buf *why);
/* The DATABASE_URL of a role: its own, or the common one. */
const char *app_database_url(const struct settings *, unsigned role);
/* PUBLIC_BASE_URL without its trailing slash, in ret. */
void	 app_public_base(const struct settings *, struct buf *ret);

#endif
