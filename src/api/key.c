/*
 * key: GET /key, and the two calls that add an account at the upstream.
 */
#include <string.h>

#include <gcrypt.h>
#include <json.h>

#include "api/key.h"
#include "api/proxied.h"
#include "api/views.h"
#include "base/codec.h"
#include "base/jsonscan.h"
#include "store/jobs.h"
#include "store/pluginkeys.h"
#include "store/tokens.h"

#define STATE_TTL_S	600	/* the upstream's own lives 300 s */
#define STATE_MAX	512

/* {id, user_id, plugin_user_id, is_active, status, ...}; the key itself
 * never, not even a part of it. */
static void
view_key(struct call *c, const struct pluginkey *key, const char *status,
    enum job_reason reason)
{
	struct buf *b = &c->res->body;
	bool bound = key->id != 0;

	if (bound)
		buf_printf(b, "{\"id\":%llu", (unsigned long long)key->id);
	else
		buf_puts(b, "{\"id\":null");
	buf_printf(b, ",\"user_id\":%llu,\"plugin_user_id\":",
	    (unsigned long long)c->who.user_id);
	buf_json_cstr(b, bound ? key->plugin_user_id : NULL);
	buf_printf(b, ",\"is_active\":%s,\"status\":\"%s\"",
	    bound && key->is_active ? "true" : "false", status);
	if (reason != REASON_NONE) {
		buf_puts(b, ",\"reason\":");
		buf_json_cstr(b, job_reason_text(reason, c->req->chinese));
		buf_printf(b, ",\"reason_code\":\"%s\"",
		    job_reason_name(reason));
	}
	buf_puts(b, ",\"created_at\":");
	view_time(b, key->created_us);
	buf_puts(b, ",\"updated_at\":");
	view_time(b, key->updated_us);
	buf_puts(b, ",\"last_used_at\":");
	view_time(b, key->last_used_us);
	buf_puts(b, "}");
}

int
key_handle_info(struct call *c)
{
	struct db *db = call_db(c);
	struct pluginkey key;
	struct job job;
	int bound, queued;

	if (db == NULL)
		return c->res->status;
	memset(&key, 0, sizeof(key));
	memset(&job, 0, sizeof(job));
	bound = pluginkey_info(db, c->who.user_id, &key);
	queued = bound < 0 ? -1 : job_by_user(db, c->who.user_id, JOB_CREATE,
	    &job);
	if (queued < 0)
		return call_db_failed(c, "key");
	response_json(c->res, 200);
	(void)response_header(c->res, "Cache-Control", "no-store");
	if (bound)
		view_key(c, &key, key.is_active ? "ok" : "disabled",
		    REASON_NONE);
	else if (queued && job.state == JOB_HELD)
		view_key(c, &key, "failed", job.reason != REASON_NONE ?
		    job.reason : REASON_OPERATOR);
	else
		view_key(c, &key, "pending", job.reason);
	return 0;
}

static void
hash_state(const char *state, unsigned char ret[TOKEN_HASH_LEN])
{
	gcry_md_hash_buffer(GCRY_MD_SHA256, ret, state, strlen(state));
}

/* Remembers whose the state in the upstream's answer is. */
static int
remember_state(struct call *c)
{
	unsigned char hash[TOKEN_HASH_LEN];
	struct json_object *root, *data, *state;
	struct db *db;
	int rc = -1;

	root = json_tokener_parse(buf_str(&c->res->body));
	if (json_object_object_get_ex(root, "data", &data) &&
	    json_object_object_get_ex(data, "state", &state) &&
	    json_object_is_type(state, json_type_string) &&
	    json_object_get_string_len(state) > 0 &&
	    json_object_get_string_len(state) <= STATE_MAX) {
		hash_state(json_object_get_string(state), hash);
		rc = 0;
	}
	json_object_put(root);
	if (rc != 0)
		return response_problem(c->res, PROBLEM_UPSTREAM_ERROR, NULL);
	if ((db = call_db(c)) == NULL)
		return c->res->status;
	if (upstream_state_put(db, hash, c->who.user_id, STATE_TTL_S) != 0)
		return call_db_failed(c, "upstream state");
	return 0;
}

int
key_handle_authorize(struct call *c)
{
	const struct jsonscan_member *shared = call_member(c, "is_shared");
	const char *body = c->req->body;
	size_t len = c->req->body_len;
	int status = proxied_ready(c);

	if (status != 0)
		return status;
	if (shared == NULL) {
		body = "{\"is_shared\":0}";
		len = strlen(body);
	}
	status = proxied_forward(c, body, len);
	if (c->res->problem != PROBLEM_NONE || c->res->status != 200)
		return status;
	return remember_state(c);
}

/* One side of a query parameter, decoded; NULL when malformed. */
static const char *
decode_part(struct call *c, const char *s, size_t n)
{
	char *ret = arena_strndup(c->req->arena, s, n), *plus;
	ssize_t len;

	while ((plus = strchr(ret, '+')) != NULL)
		*plus = ' ';
	len = percent_decode(ret, n, ret);
	if (len < 0)
		return NULL;
	ret[len] = '\0';
	return ret;
}

/*
 * The state in a callback URL, decoded; NULL when there is none.  What
 * the upstream's parser could read as another state than ours does (two
 * of them, a name in other spelling, characters that parsers leave out)
 * is refused: the check below must be of the one that counts.
 */
static const char *
state_of_url(struct call *c, const char *url)
{
	const char *found = NULL, *p, *end = url + strcspn(url, "#");

	for (p = url; *p != '\0'; p++)
		if ((unsigned char)*p <= ' ' || *p == 0x7f)
			return NULL;
	p = memchr(url, '?', (size_t)(end - url));
	while (p != NULL && p < end) {
		size_t n = strcspn(++p, "&#"), name_len = strcspn(p, "=&#");
		const char *name = decode_part(c, p, name_len);

		if (name == NULL)
			return NULL;
		if (strcmp(name, "state") == 0) {
			if (found != NULL || name_len == n ||
			    n - name_len - 1 > STATE_MAX)
				return NULL;
			found = decode_part(c, p + name_len + 1,
			    n - name_len - 1);
			if (found == NULL || *found == '\0')
				return NULL;
		}
		p += n;
	}
	return found;
}

int
key_handle_callback(struct call *c)
{
	const char *url = call_string(c, "callback_url");
	const char *state = state_of_url(c, url);
	unsigned char hash[TOKEN_HASH_LEN];
	struct db *db;
	int known, status;

	if (state == NULL)
		return response_invalid(c->req, c->res, "body",
		    "callback_url", INVALID_URL);
	status = proxied_ready(c);
	if (status != 0)
		return status;
	if ((db = call_db(c)) == NULL)
		return c->res->status;
	hash_state(state, hash);
	known = upstream_state_check(db, hash, c->who.user_id);
	if (known < 0)
		return call_db_failed(c, "upstream state");
	/* The exchange may take long; the connection need not wait. */
	gateway_db_done(c->gw);
	if (known == 0)
		return response_problem(c->res, PROBLEM_STATE_NOT_YOURS,
		    NULL);
	return proxied_forward(c, c->req->body, c->req->body_len);
}
