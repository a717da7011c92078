/* jwt_private: what auth/jwt and auth/jwt_verify share. */
#ifndef AUTH_JWT_PRIVATE_H
#define AUTH_JWT_PRIVATE_H

#include <stddef.h>
#include <stdint.h>

#include <jwt.h>

#include "auth/jwt.h"
#include "base/secret.h"

#define JWT_KID_LEN	8	/* hex digits of a hash of the key */

struct jwt_key {
	char		 kid[JWT_KID_LEN + 1];
	struct secret	 secret;
};

struct jwt_conf {
	jwt_alg_t	 alg;
	const char	*alg_name;
	struct jwt_key	 keys[JWT_KEYS_MAX];	/* newest first */
	size_t		 n_keys;
	char		 issuer[JWT_ISSUER_MAX + 1];
	int64_t		 lifetime_s;
};

#endif
