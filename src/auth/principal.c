/*
 * principal: from an Authorization header to a user.
 *
 * No SQL here: what is not in shared memory is asked of the keeper, with
 * a bounded wait.
 */
#include <string.h>
#include <strings.h>

#include <gcrypt.h>

#include "auth/principal.h"
#include "auth/session.h"
#include "base/clock.h"
#include "share/apikeycache.h"
#include "share/ask.h"

void
principal_apikey_hash(const char *key, unsigned char ret[APIKEY_HASH_LEN])
{
	gcry_md_hash_buffer(GCRY_MD_SHA256, ret, key, strlen(key));
}

int
principal_tenant(const struct principal_tools *t, uint64_t user_id,
    bool fresh, struct tenant *ret)
{
	struct ask_answer answer;
	int64_t now = clock_mono_ms();
	bool held = tenantcache_get(t->cache, user_id, ret) == 1;
	int status;

	if (held && !fresh && now < ret->fresh_until_ms) {
		counters_add(t->counters, CNT_CACHE_HIT, 1);
		return 0;
	}
	counters_add(t->counters, CNT_CACHE_MISS, 1);
	/* With the database known to be away the keeper need not be asked:
	 * its answer would be the same, later. */
	if (held && counters_gauge(t->counters, GAUGE_DB_OK) == 0 &&
	    now - ret->loaded_ms < t->max_stale_ms) {
		counters_add(t->counters, CNT_CACHE_STALE, 1);
		return 0;
	}
	status = ask_tenant(t->self, t->keeper_fd, user_id, t->ask_ms,
	    &answer);
	if (status == ASK_OK) {
		*ret = answer.tenant;
		return ret->user_id == user_id ? 0 : -1;
	}
	if (status == ASK_TIMED_OUT)
		counters_add(t->counters, CNT_ASK_TIMEOUT, 1);
	if (held && now - ret->loaded_ms < t->max_stale_ms) {
		counters_add(t->counters, CNT_CACHE_STALE, 1);
		return 0;
	}
	return -1;
}

static enum principal_result
check_user(const struct tenant *tenant)
{
	switch (tenant->state) {
	case TENANT_NO_USER:
		return PRINCIPAL_INVALID;
	case TENANT_DISABLED:
		return PRINCIPAL_USER_DISABLED;
	default:
		return PRINCIPAL_OK;
	}
}

static enum principal_result
by_token(const struct principal_tools *t, const char *token,
    struct principal *ret)
{
	enum principal_result result;

	switch (jwt_verify(t->jwt, token, strlen(token), clock_wall_s(),
	    &ret->claims)) {
	case JWT_OK:
		break;
	case JWT_EXPIRED:
		return PRINCIPAL_EXPIRED;
	default:
		return PRINCIPAL_INVALID;
	}
	if (session_is_revoked(t->revoked, &ret->claims))
		return PRINCIPAL_REVOKED;
	ret->user_id = ret->claims.user_id;
	ret->by_key = false;
	if (principal_tenant(t, ret->user_id, false, &ret->tenant) != 0)
		return PRINCIPAL_UNAVAILABLE;
	result = check_user(&ret->tenant);
	if (result == PRINCIPAL_OK &&
	    ret->claims.iat < ret->tenant.valid_from_s)
		return PRINCIPAL_REVOKED;
	return result;
}

/* Whose key it is: an ask_status; what is held serves for a while when
 * nobody answers. */
static int
find_key(const struct principal_tools *t, const unsigned char *hash,
    struct apikey_entry *ret)
{
	int64_t now = clock_mono_ms();
	bool held = apikeycache_get(t->cache, hash, ret) == 1;
	bool young = held && now - ret->loaded_ms < t->max_stale_ms;
	struct ask_answer answer;
	struct apikey_entry entry;
	int status;

	if ((held && now < ret->fresh_until_ms) || (young &&
	    counters_gauge(t->counters, GAUGE_DB_OK) == 0))
		return ASK_OK;
	status = ask_apikey(t->self, t->keeper_fd, hash, t->ask_ms, &answer);
	if (status == ASK_OK &&
	    apikeycache_decode(&answer.tenant, &entry) == 0 &&
	    memcmp(entry.hash, hash, sizeof(entry.hash)) == 0) {
		*ret = entry;
		return ASK_OK;
	}
	if (status == ASK_ABSENT)
		return ASK_ABSENT;
	if (status == ASK_TIMED_OUT)
		counters_add(t->counters, CNT_ASK_TIMEOUT, 1);
	return young ? ASK_OK : ASK_UNAVAILABLE;
}

static enum principal_result
by_key(const struct principal_tools *t, const char *key,
    struct principal *ret)
{
	unsigned char hash[APIKEY_HASH_LEN];
	struct apikey_entry entry;

	if (strlen(key) > APIKEY_MAX)
		return PRINCIPAL_KEY_INVALID;
	principal_apikey_hash(key, hash);
	switch (find_key(t, hash, &entry)) {
	case ASK_OK:
		break;
	case ASK_ABSENT:
		return PRINCIPAL_KEY_INVALID;
	default:
		return PRINCIPAL_UNAVAILABLE;
	}
	if (entry.config_type >= CONFIG_TYPE_MAX)
		return PRINCIPAL_UNAVAILABLE;	/* of no store of ours */
	if (!entry.active)
		return PRINCIPAL_KEY_DISABLED;
	ret->by_key = true;
	ret->user_id = entry.user_id;
	ret->apikey_id = entry.apikey_id;
	ret->apikey_slot = apikeycache_slot(hash);
	ret->config_type = (enum config_type)entry.config_type;
	if (principal_tenant(t, ret->user_id, false, &ret->tenant) != 0)
		return PRINCIPAL_UNAVAILABLE;
	return check_user(&ret->tenant);
}

/* RFC 6750 2.1, RFC 9110 11.1: the scheme in any case, one space. */
static const char *
bearer(const char *authorization)
{
	if (strncasecmp(authorization, "Bearer ", 7) != 0)
		return NULL;
	authorization += 7;
	while (*authorization == ' ')
		authorization++;
	return *authorization != '\0' ? authorization : NULL;
}

enum principal_result
principal_identify(const struct principal_tools *t,
    const struct credentials *c, struct principal *ret)
{
	const char *token;

	memset(ret, 0, sizeof(*ret));
	if (c->keys_allowed && c->key != NULL) {
		if (strncmp(c->key, APIKEY_PREFIX, strlen(APIKEY_PREFIX)) == 0)
			return by_key(t, c->key, ret);
		return by_token(t, c->key, ret);
	}
	if (c->authorization == NULL)
		return PRINCIPAL_NONE;
	token = bearer(c->authorization);
	if (token == NULL)
		return PRINCIPAL_INVALID;
	if (c->keys_allowed &&
	    strncmp(token, APIKEY_PREFIX, strlen(APIKEY_PREFIX)) == 0)
		return by_key(t, token, ret);
	return by_token(t, token, ret);
}
