/*
 * keeper_load: reads a user's row, opens the key, seals it for workers.
 *
 * A key that does not open, or opens and belongs to another row, is
 * never handed out: the entry says so, and the operator hears of it.
 */
#include <string.h>

#include "base/clock.h"
#include "base/codec.h"
#include "base/log.h"
#include "base/secret.h"
#include "proc/keeper_load.h"
#include "share/apikeycache.h"
#include "store/apikeys.h"
#include "store/jobs.h"
#include "store/pluginkeys.h"

#define DB_TIMEOUT_MS	2000
#define DB_RETRY_MS	1000
#define TOKEN_MAX	FERNET_TOKEN_MAX
#define REKEY_EVERY_S	600

/* How long an entry of each state may be believed; OK has the
 * configured time. */
static const int64_t state_ttl_ms[TENANT_STATE_MAX] = {
	[TENANT_PENDING] = 1000,
	[TENANT_FAILED] = 2000,
	[TENANT_NO_USER] = 2000,
	[TENANT_DISABLED] = 15000,
	[TENANT_KEY_REFUSED] = 15000,
};

void
keeper_loader_note(struct keeper_loader *l, bool up)
{
	bool was = counters_gauge(l->counters, GAUGE_DB_OK) != 0;

	if (up != was)
		LOG_EVENT(up ? LOG_LEVEL_INFO : LOG_LEVEL_ERROR,
		    up ? "database answers" : "database does not answer",
		    LOG_S("why", up ? NULL : db_fault_text(l->db)));
	counters_set(l->counters, GAUGE_DB_OK, up);
	l->retry_ms = up ? 0 : clock_mono_ms() + DB_RETRY_MS;
}

int
keeper_loader_connect(struct keeper_loader *l)
{
	if (clock_mono_ms() < l->retry_ms)
		return -1;
	if (db_connect(l->db, DB_TIMEOUT_MS) != 0) {
		keeper_loader_note(l, false);
		return -1;
	}
	return 0;
}

/* Everybody's entries do not end in the same second. */
static int64_t
jittered(int64_t ms)
{
	uint16_t r;

	random_bytes(&r, sizeof(r));
	return ms - ms / 10 * r / 65536;
}

static void
alarm_key(const struct tenant_row *row, ssize_t rc)
{
	LOG_EVENT(LOG_LEVEL_ERROR, rc == KEYRING_WRONG_ROW ?
	    "ALARM: a stored key does not belong to its row" :
	    "ALARM: a stored key does not open with any key of the ring",
	    LOG_N("user", row->user_id), LOG_N("key_gen", row->key.key_gen));
}

/* Opens the stored key and seals it under the boot key. */
static int
reseal(struct keeper_loader *l, const struct tenant_row *row,
    const struct buf *token, struct tenant *t)
{
	const struct binding binding = { row->user_id,
	    row->key.plugin_user_id, row->key.key_gen };
	unsigned char plain[FERNET_PLAIN_MAX];
	ssize_t n, sealed = -1;

	n = keyring_open(l->ring, &binding, token->data, token->len,
	    row->bind_mac, plain, NULL);
	if (n < 0)
		alarm_key(row, n);
	else if (n <= BOOTKEY_PLAIN_MAX)
		sealed = bootkey_seal(l->bootkey, row->user_id,
		    row->key.key_gen, plain, (size_t)n, t->sealed);
	wipe(plain, sizeof(plain));
	if (sealed < 0)
		return -1;
	t->sealed_len = (uint16_t)sealed;
	return 0;
}

static enum tenant_state
judge(struct keeper_loader *l, const struct tenant_row *row,
    const struct buf *token, struct tenant *t)
{
	t->valid_from_s = row->sessions_valid_from_s;
	if (!row->user_active)
		return TENANT_DISABLED;
	if (!row->has_key) {
		t->reason = (uint32_t)row->job_reason;
		return row->has_job && strcmp(row->job_state,
		    job_state_name(JOB_HELD)) == 0 ? TENANT_FAILED :
		    TENANT_PENDING;
	}
	t->key_gen = row->key.key_gen;
	memcpy(t->plugin_user_id, row->key.plugin_user_id,
	    sizeof(t->plugin_user_id));
	if (!row->key.is_active || reseal(l, row, token, t) != 0)
		return TENANT_KEY_REFUSED;
	return TENANT_OK;
}

static int
load_tenant(struct keeper_loader *l, uint64_t user_id, struct tenant *t)
{
	struct buf token = BUF_INIT(TOKEN_MAX);
	struct tenant_row row;
	int found;

	memset(t, 0, sizeof(*t));
	memset(&row, 0, sizeof(row));
	t->user_id = user_id;
	t->loaded_ms = clock_mono_ms();
	found = tenant_load(l->db, user_id, &row, &token);
	if (found < 0) {
		keeper_loader_note(l, false);
		buf_free(&token);
		return ASK_UNAVAILABLE;
	}
	t->state = found == 0 ? (uint32_t)TENANT_NO_USER :
	    (uint32_t)judge(l, &row, &token, t);
	t->fresh_until_ms = t->loaded_ms + jittered(t->state == TENANT_OK ?
	    l->ttl_ms : state_ttl_ms[t->state]);
	buf_free(&token);
	(void)tenantcache_put(l->cache, t);
	return ASK_OK;
}

static int
answer_apikey(struct keeper_loader *l, const unsigned char *hash,
    struct ask_answer *ret)
{
	/* Before the read: what is dropped meanwhile must stay out. */
	int64_t now = clock_mono_ms();
	struct apikey_entry entry;
	struct apikey key;
	int found;

	if (apikeycache_get(l->cache, hash, &entry) == 1 &&
	    now < entry.fresh_until_ms) {
		apikeycache_encode(&entry, &ret->tenant);
		return ASK_OK;
	}
	found = apikey_by_hash(l->db, hash, &key);
	if (found < 0) {
		keeper_loader_note(l, false);
		return ASK_UNAVAILABLE;
	}
	if (found == 0)
		return ASK_ABSENT;
	memcpy(entry.hash, hash, sizeof(entry.hash));
	entry.user_id = key.user_id;
	entry.apikey_id = key.id;
	entry.config_type = (uint32_t)key.config_type;
	entry.active = key.is_active && (key.expires_us == 0 ||
	    key.expires_us > clock_wall_us());
	entry.loaded_ms = now;
	entry.fresh_until_ms = now + jittered(l->ttl_ms);
	apikeycache_encode(&entry, &ret->tenant);
	(void)tenantcache_put(l->cache, &ret->tenant);
	return ASK_OK;
}

/*
 * The upstream refused this key: queue one repair, and let the entry say
 * so for a while, so that the user is not sent there again and again.
 */
static int
answer_repair(struct keeper_loader *l, const struct ask_question *q,
    struct ask_answer *ret)
{
	struct tenant *t = &ret->tenant;
	int queued;

	if (load_tenant(l, q->user_id, t) != ASK_OK)
		return ASK_UNAVAILABLE;
	if (t->state != TENANT_OK || t->key_gen != q->key_gen)
		return ASK_OK;
	queued = job_queue(l->db, q->user_id, JOB_REKEY, REKEY_EVERY_S);
	if (queued < 0) {
		keeper_loader_note(l, false);
		return ASK_UNAVAILABLE;
	}
	if (queued == 1)
		LOG_EVENT(LOG_LEVEL_WARN, "repair queued",
		    LOG_N("user", q->user_id), LOG_N("key_gen", q->key_gen));
	t->flags |= TENANT_F_KEY_BAD;
	t->fresh_until_ms = t->loaded_ms + state_ttl_ms[TENANT_KEY_REFUSED];
	(void)tenantcache_put(l->cache, t);
	return ASK_OK;
}

/*
 * Who asked while another's question was being answered gets the same
 * answer: one load per user, whatever the crowd.  A state other than OK
 * is read again, because somebody may wait for it to change.
 */
static bool
held(struct keeper_loader *l, uint64_t user_id, struct tenant *ret)
{
	return tenantcache_get(l->cache, user_id, ret) == 1 &&
	    ret->state == TENANT_OK && clock_mono_ms() < ret->fresh_until_ms;
}

int
keeper_loader_answer(void *arg, const struct ask_question *q,
    struct ask_answer *ret)
{
	struct keeper_loader *l = arg;
	int status = ASK_UNAVAILABLE;

	if (q->kind == ASK_TENANT && held(l, q->user_id, &ret->tenant))
		return ASK_OK;
	if (keeper_loader_connect(l) != 0)
		return ASK_UNAVAILABLE;
	switch (q->kind) {
	case ASK_TENANT:
		status = load_tenant(l, q->user_id, &ret->tenant);
		break;
	case ASK_APIKEY:
		status = answer_apikey(l, q->hash, ret);
		break;
	case ASK_REPAIR:
		status = answer_repair(l, q, ret);
		break;
	}
	if (status != ASK_UNAVAILABLE)
		keeper_loader_note(l, true);
	return status;
}
