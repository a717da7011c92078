/*
 * pluginkeys: the bound upstream accounts (table plugin_api_keys).
 *
 * The columns of the seed's table, and key_gen (one more at each new
 * key), bind_mac (vault/keyring) and changed_at.
 */
#ifndef STORE_PLUGINKEYS_H
#define STORE_PLUGINKEYS_H

#include <stdbool.h>
#include <stdint.h>

#include "base/buf.h"
#include "store/db.h"

#define PLUGINKEY_UPSTREAM_ID_MAX	64

/* Without the sealed key: what a worker's account may read. */
struct pluginkey {
	uint64_t	 id, user_id;
	char		 plugin_user_id[PLUGINKEY_UPSTREAM_ID_MAX + 1];
	bool		 is_active;
	uint32_t	 key_gen;
	int64_t		 created_us, updated_us, last_used_us;	/* 0: null */
	/* Of a scan only: vault/keyring's name of the key that sealed it,
	 * "" when it is not known. */
	char		 key_id[9];
};
/* worker: 1/0/-1 */
int	 pluginkey_info(struct db *, uint64_t user_id, struct pluginkey *ret);

/*
 * keeper: user, key and job of one user, read in one statement.  token
 * and mac are set when a key is bound (has_key).
 */
struct tenant_row {
	uint64_t	 user_id;
	bool		 user_active;
	int64_t		 sessions_valid_from_s;
	bool		 has_key;
	struct pluginkey key;
	char		 bind_mac[65];
	/* The create job; of a user with a key the rekey job. */
	bool		 has_job;
	char		 job_state[16];		/* "ready", "working", "held" ... */
	int		 job_reason;		/* enum job_reason of store/jobs */
};
/* token is emptied first. 1 = the user exists, 0 = no such user, -1. */
int	 tenant_load(struct db *, uint64_t user_id, struct tenant_row *ret,
	    struct buf *token);

/* keeper: GREATEST(last_used_at, ...) for n users in one transaction. */
struct last_used { uint64_t user_id; int64_t wall_us; };
int	 pluginkey_note_used(struct db *, const struct last_used *, size_t n);

/* registrar: inside the bind transaction (store/jobs).  key_id here and
 * below: the name of the key that sealed the token. */
int	 pluginkey_insert(struct db *, uint64_t user_id,
	    const char *plugin_user_id, const char *token, const char *mac,
	    const char *key_id, uint32_t key_gen);
/* New key for a bound account; requires the generation seen. 1/0/-1 */
int	 pluginkey_replace(struct db *, uint64_t user_id, uint32_t seen_gen,
	    const char *plugin_user_id, const char *token, const char *mac,
	    const char *key_id, uint32_t new_gen);
/* Same key sealed anew (re-encryption); requires the old token. */
int	 pluginkey_reseal(struct db *, uint64_t user_id, const char *old_token,
	    const char *token, const char *mac, const char *key_id);
int	 pluginkey_delete(struct db *, uint64_t user_id);
/* operator: revoke = is_active 0. */
int	 pluginkey_set_active(struct db *, uint64_t user_id, bool active);
/* registrar, operator: rows after after_user_id, with token and mac. */
int	 pluginkey_scan(struct db *, uint64_t after_user_id, unsigned limit,
	    void (*each)(void *, const struct pluginkey *, const char *token,
	    const char *mac), void *);
/* keeper: how many keys in use each key of a ring has sealed; key_id ""
 * for those that do not say. */
int	 pluginkey_count_by_id(struct db *,
	    void (*each)(void *, const char *key_id, uint64_t n), void *);
/* keeper: as pluginkey_scan, only keys in use that do not say. */
int	 pluginkey_scan_unnamed(struct db *, uint64_t after_user_id,
	    unsigned limit, void (*each)(void *, const struct pluginkey *,
	    const char *token, const char *mac), void *);
/* registrar: is this upstream id bound now?  Reads the writer. 1/0/-1 */
int	 pluginkey_is_bound(struct db *, const char *plugin_user_id);

/* meta table */
int	 meta_get(struct db *, const char *name, struct buf *ret); /* 1/0/-1 */
/* Sets it if it is absent; 1 = set, 0 = was there, -1. */
int	 meta_put_once(struct db *, const char *name, const char *value);
int	 meta_put(struct db *, const char *name, const char *value);

#endif
