/*
 * apikeys: create, list, show, switch, delete personal keys.
 */
#include <stdlib.h>
#include <string.h>

#include "api/apikeys.h"
#include "api/views.h"
#include "base/codec.h"
#include "base/jsonscan.h"
#include "base/secret.h"

#define KEY_RANDOM_BYTES	48	/* 64 characters */
#define KEY_TEXT_MAX		(sizeof(APIKEY_PREFIX) + 64)
#define PREVIEW_CHARS		8

static void
view_apikey(struct buf *b, const struct apikey *k, const char *full)
{
	buf_printf(b, "{\"id\":%llu,\"user_id\":%llu,",
	    (unsigned long long)k->id, (unsigned long long)k->user_id);
	if (full != NULL)
		buf_printf(b, "\"key\":\"%s\",", full);
	buf_puts(b, "\"key_preview\":");
	buf_json_cstr(b, k->preview);
	buf_puts(b, ",\"name\":");
	buf_json_cstr(b, k->name[0] != '\0' ? k->name : NULL);
	buf_printf(b, ",\"config_type\":\"%s\",\"is_active\":%s,"
	    "\"created_at\":", config_type_name(k->config_type),
	    k->is_active ? "true" : "false");
	view_time(b, k->created_us);
	buf_puts(b, ",\"last_used_at\":");
	view_time(b, k->last_used_us);
	buf_puts(b, ",\"expires_at\":");
	view_time(b, k->expires_us);
	buf_puts(b, "}");
}

int
apikeys_handle_create(struct call *c)
{
	const char *name = call_string(c, "name");
	const char *type = call_string(c, "config_type");
	unsigned char hash[APIKEY_HASH_LEN];
	char full[KEY_TEXT_MAX];
	struct apikey key;
	struct db *db;

	memset(&key, 0, sizeof(key));
	key.user_id = c->who.user_id;
	key.is_active = true;
	if (type != NULL && config_type_parse(type, &key.config_type) != 0)
		return response_invalid(c->req, c->res, "body", "config_type",
		    INVALID_CHOICE);
	if (name != NULL)
		(void)strncpy(key.name, name, sizeof(key.name) - 1);
	if ((db = call_db(c)) == NULL)
		return c->res->status;
	memcpy(full, APIKEY_PREFIX, strlen(APIKEY_PREFIX));
	random_token(KEY_RANDOM_BYTES, full + strlen(APIKEY_PREFIX));
	memcpy(key.preview, full, PREVIEW_CHARS);
	memcpy(key.preview + PREVIEW_CHARS, "...", sizeof("..."));
	principal_apikey_hash(full, hash);
	if (apikey_create(db, &key, hash) != 0)
		return call_db_failed(c, "api key");
	response_json(c->res, 200);
	(void)response_header(c->res, "Cache-Control", "no-store");
	view_apikey(&c->res->body, &key, full);
	wipe(full, sizeof(full));
	return 0;
}

static void
add_to_list(void *arg, const struct apikey *k)
{
	struct buf *b = arg;

	if (b->len > 1)
		buf_puts(b, ",");
	view_apikey(b, k, NULL);
}

int
apikeys_handle_list(struct call *c)
{
	struct db *db = call_db(c);

	if (db == NULL)
		return c->res->status;
	response_json(c->res, 200);
	buf_puts(&c->res->body, "[");
	if (apikey_list(db, c->who.user_id, add_to_list, &c->res->body) != 0)
		return call_db_failed(c, "api keys");
	buf_puts(&c->res->body, "]");
	return 0;
}

/* The id in the path; the router let digits through only. */
static uint64_t
path_id(const struct call *c)
{
	int64_t id;

	return parse_int(c->req->value[0], 1, INT64_MAX, &id) == 0 ?
	    (uint64_t)id : 0;
}

static int
show(struct call *c, struct db *db, uint64_t id)
{
	struct apikey key;
	int found = apikey_get(db, c->who.user_id, id, &key);

	if (found < 0)
		return call_db_failed(c, "api key");
	if (found == 0)
		return response_problem(c->res, PROBLEM_NO_SUCH_KEY, NULL);
	response_json(c->res, 200);
	view_apikey(&c->res->body, &key, NULL);
	return 0;
}

int
apikeys_handle_get(struct call *c)
{
	struct db *db = call_db(c);

	return db == NULL ? c->res->status : show(c, db, path_id(c));
}

int
apikeys_handle_status(struct call *c)
{
	struct db *db = call_db(c);
	bool on = call_member(c, "is_active")->kind == JSON_TRUE;
	int found;

	if (db == NULL)
		return c->res->status;
	found = apikey_set_active(db, c->who.user_id, path_id(c), on);
	if (found < 0)
		return call_db_failed(c, "api key");
	if (found == 0)
		return response_problem(c->res, PROBLEM_NO_SUCH_KEY, NULL);
	gateway_poke_keeper(c->gw);
	return show(c, db, path_id(c));
}

int
apikeys_handle_delete(struct call *c)
{
	struct db *db = call_db(c);
	int found;

	if (db == NULL)
		return c->res->status;
	found = apikey_delete(db, c->who.user_id, path_id(c));
	if (found < 0)
		return call_db_failed(c, "api key");
	if (found == 0)
		return response_problem(c->res, PROBLEM_NO_SUCH_KEY, NULL);
	gateway_poke_keeper(c->gw);
	response_json(c->res, 200);
	buf_puts(&c->res->body, "{\"message\":");
	buf_json_cstr(&c->res->body, c->req->chinese ? "API密钥已删除" :
	    "The API key is deleted.");
	buf_puts(&c->res->body, ",\"success\":true}");
	return 0;
}
