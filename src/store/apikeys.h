/*
 * apikeys: personal keys (sk-...), stored as SHA-256.
 */
#ifndef STORE_APIKEYS_H
#define STORE_APIKEYS_H

#include <stdbool.h>
#include <stdint.h>

#include "store/db.h"

#define APIKEY_NAME_MAX		100	/* characters */
#define APIKEY_HASH_LEN		32

enum config_type { CONFIG_ANTIGRAVITY, CONFIG_KIRO, CONFIG_TYPE_MAX };
const char *config_type_name(enum config_type);
int	 config_type_parse(const char *, enum config_type *ret);

struct apikey {
	uint64_t	 id, user_id;
	char		 preview[16];	/* "sk-Ab3dE..." */
	char		 name[APIKEY_NAME_MAX * 4 + 1];	/* "" : null */
	enum config_type config_type;
	bool		 is_active;
	int64_t		 created_us, last_used_us, expires_us;	/* 0: null */
};

int	 apikey_create(struct db *, struct apikey *,	/* id, created set */
	    const unsigned char hash[APIKEY_HASH_LEN]);
int	 apikey_by_hash(struct db *, const unsigned char hash[APIKEY_HASH_LEN],
	    struct apikey *ret);			/* 1/0/-1 */
int	 apikey_get(struct db *, uint64_t user_id, uint64_t id,
	    struct apikey *ret);
int	 apikey_list(struct db *, uint64_t user_id,	/* newest first */
	    void (*each)(void *, const struct apikey *), void *);
int	 apikey_set_active(struct db *, uint64_t user_id, uint64_t id,
	    bool active);				/* 1/0/-1 */
int	 apikey_delete(struct db *, uint64_t user_id, uint64_t id);
struct apikey_used { uint64_t id; int64_t wall_us; };
int	 apikey_note_used(struct db *, const struct apikey_used *, size_t n);

#endif
