/*
 * ctl: what the verbs of plugwayctl work with.
 *
 * Every verb writes JSON into out: an array of rows or an object.  With
 * --json it is printed as it is, otherwise as a table or as lines.
 */
#ifndef MAIN_CTL_H
#define MAIN_CTL_H

#include <stdbool.h>
#include <stdint.h>

#include "base/buf.h"
#include "base/settings.h"
#include "store/db.h"
#include "store/users.h"

struct ctl {
	const char	*env_file;
	bool		 json, dry_run;
	struct settings	*settings;
	struct db_conf	*db_conf;
	struct db	*db;
	int		 argc;		/* arguments behind the verb */
	char		**argv;
	struct buf	 out;
};

/* Returns the exit status; 0 = out is printed. */
typedef int ctl_verb(struct ctl *);

/* Says what is wrong on stderr; returns 1. */
int	 ctl_fail(const char *fmt, ...) __attribute__((format(printf, 1, 2)));
/* ctl_fail with the database's words. */
int	 ctl_db_failed(struct ctl *, const char *what);
/* {"ok":true,"message":...} */
int	 ctl_done(struct ctl *, const char *fmt, ...)
	    __attribute__((format(printf, 2, 3)));
/* The user of argv[i]: a number or name:NAME.  0, or 1 after ctl_fail. */
int	 ctl_user(struct ctl *, int i, struct user *ret);
/* Sends a line to the master; its answer is in ret.  0, or -1 silently. */
int	 ctl_ask_master(struct ctl *, const char *line, struct buf *ret);
/* Something changed in the database: hosts look at once. */
void	 ctl_poke(struct ctl *);

/* ctl_local.c */
ctl_verb ctl_genkey, ctl_routes, ctl_config, ctl_check_config, ctl_migrate,
    ctl_status, ctl_reload, ctl_purge;
/* ctl_users.c */
ctl_verb ctl_users_list, ctl_users_show, ctl_users_disable,
    ctl_users_enable, ctl_users_set_password;
/* ctl_keys.c */
ctl_verb ctl_keys_audit, ctl_keys_reencrypt, ctl_keys_status,
    ctl_keys_rekey, ctl_keys_revoke;
/* ctl_audit.c */
ctl_verb ctl_audit_list, ctl_audit_verify;
/* ctl_registrations.c */
ctl_verb ctl_registrations_list, ctl_registrations_show,
    ctl_registrations_retry, ctl_registrations_hold,
    ctl_registrations_adopt, ctl_sweep;

#endif
