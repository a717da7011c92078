/*
 * upstreamadmin: makes the calls that need the admin key.
 *
 * Builds each request from fixed parts and a checked user id, runs it
 * over httpc and lets answer.c judge.  Used by registration, repair and
 * sweeper; knows nothing of jobs.  Must never log a body.
 */
#include "provision/upstreamadmin.h"

#include <assert.h>
#include <stdio.h>
#include <string.h>

#include "base/buf.h"

#define BODY_MAX	(64 * 1024)	/* of an answer; the list is streamed */
#define LIST_MAX	(1024ull * 1024 * 1024)

struct call {
	const char	*method;
	const char	*action;	/* behind the user id, or "" */
	const char	*body;
	bool		 fresh, idempotent;
	struct answer_want want;
};

static const char *const headers[] = {
	"Content-Type: application/json",
	"Accept: application/json",
	NULL
};

static void
target_of(const struct call *call, char *ret, size_t size)
{
	int	 n;

	if (call->want.kind == ANSWER_ME) {
		n = snprintf(ret, size, "/api/user/me");
	} else if (call->want.user_id == NULL) {
		n = snprintf(ret, size, "/api/users");
	} else {
		assert(account_id_valid(call->want.user_id,
		    strlen(call->want.user_id)));
		n = snprintf(ret, size, "/api/users/%s%s",
		    call->want.user_id, call->action);
	}
	assert(n > 0 && (size_t)n < size);
	(void)n;
}

/* "Bearer KEY"; the caller wipes it. */
static void
authorize(const struct upstreamadmin *admin, struct buf *ret)
{
	int	 bad;

	assert(admin->key != NULL && admin->key->len > 0);
	/* one allocation, so that growing leaves no copy behind */
	bad = buf_reserve(ret, strlen("Bearer ") + admin->key->len + 1);
	assert(bad == 0);
	(void)bad;
	(void)buf_puts(ret, "Bearer ");
	(void)buf_append(ret, admin->key->data, admin->key->len);
}

static void
run(const struct upstreamadmin *admin, const struct call *call,
    struct account *ret_account, struct admin_result *ret)
{
	struct buf		 body = BUF_INIT(BODY_MAX);
	struct buf		 auth = BUF_INIT(4096);
	struct httpc_request	 request;
	struct httpc_result	 result;
	char			 target[160];

	target_of(call, target, sizeof(target));
	authorize(admin, &auth);
	memset(&result, 0, sizeof(result));
	memset(&request, 0, sizeof(request));
	request.method = call->method;
	request.base = admin->base;
	request.target = target;
	request.headers = call->body != NULL ? headers : headers + 1;
	request.authorization = buf_str(&auth);
	request.body = call->body;
	request.body_len = call->body != NULL ? strlen(call->body) : 0;
	request.total_ms = admin->total_ms;
	request.max_body = BODY_MAX;
	request.fresh = call->fresh;
	request.idempotent = call->idempotent;
	request.watch_fd = -1;
	request.sink = &body;
	httpc_perform(admin->http, &request, &result);
	buf_wipe(&auth);
	answer_judge(&call->want, &result, buf_str(&body), body.len,
	    ret_account, ret);
	buf_wipe(&body);
}

void
upstreamadmin_create(const struct upstreamadmin *admin, const char *name,
    struct account *ret_account, struct admin_result *ret)
{
	struct buf	 body = BUF_INIT(1024);
	struct call	 call = {
		.method = "POST", .action = "", .fresh = true,
		.want = { .kind = ANSWER_CREATE, .name = name },
	};

	(void)buf_puts(&body, "{\"name\":");
	(void)buf_json_cstr(&body, name);
	(void)buf_puts(&body, "}");
	assert(!body.failed);
	call.body = buf_str(&body);
	run(admin, &call, ret_account, ret);
	buf_free(&body);
}

void
upstreamadmin_regenerate(const struct upstreamadmin *admin,
    const char *user_id, struct account *ret_account,
    struct admin_result *ret)
{
	/* Last wins, but a late repeat would kill a key just stored. */
	const struct call	 call = {
		.method = "POST", .action = "/regenerate-key",
		.body = "{}", .fresh = true,
		.want = { .kind = ANSWER_REGENERATE, .user_id = user_id },
	};

	run(admin, &call, ret_account, ret);
}

void
upstreamadmin_set_status(const struct upstreamadmin *admin,
    const char *user_id, int status, struct admin_result *ret)
{
	const struct call	 call = {
		.method = "PUT", .action = "/status",
		.body = status == 0 ? "{\"status\":0}" : "{\"status\":1}",
		.idempotent = true,
		.want = { .kind = ANSWER_STATUS, .user_id = user_id,
		    .status = status },
	};

	assert(status == 0 || status == 1);
	run(admin, &call, NULL, ret);
}

void
upstreamadmin_delete(const struct upstreamadmin *admin,
    const char *user_id, struct admin_result *ret)
{
	const struct call	 call = {
		.method = "DELETE", .action = "", .idempotent = true,
		.want = { .kind = ANSWER_DELETE, .user_id = user_id },
	};

	run(admin, &call, NULL, ret);
}

void
upstreamadmin_check_key(const struct upstreamadmin *admin,
    struct admin_result *ret)
{
	const struct call	 call = {
		.method = "GET", .action = "", .idempotent = true,
		.want = { .kind = ANSWER_ME },
	};

	run(admin, &call, NULL, ret);
}

struct listing {
	struct userlist	 list;
	int		 status;
};

static int
list_head(void *arg, const struct httpc_head *head)
{
	struct listing	*listing = arg;

	listing->status = head->status;
	return 0;
}

static int
list_body(void *arg, const char *data, size_t len)
{
	struct listing	*listing = arg;

	/* The body of an error is read and dropped. */
	if (listing->status != 200)
		return 0;
	return userlist_feed(&listing->list, data, len);
}

static int
stop_at_head(void *arg, const struct httpc_head *head)
{
	struct listing	*listing = arg;

	listing->status = head->status;
	return 1;
}

static void
get_list(const struct upstreamadmin *admin, struct listing *listing,
    int (*on_head)(void *, const struct httpc_head *), int total_ms,
    struct httpc_result *ret)
{
	struct buf		 auth = BUF_INIT(4096);
	struct httpc_request	 request;

	authorize(admin, &auth);
	memset(ret, 0, sizeof(*ret));
	memset(&request, 0, sizeof(request));
	request.method = "GET";
	request.base = admin->base;
	request.target = "/api/users";
	request.headers = headers + 1;
	request.authorization = buf_str(&auth);
	request.total_ms = total_ms;
	request.max_body = LIST_MAX;
	request.fresh = true;
	request.watch_fd = -1;
	request.arg = listing;
	request.on_head = on_head;
	request.on_body = list_body;
	httpc_perform(admin->http, &request, ret);
	buf_wipe(&auth);
}

static void
describe_list(const struct httpc_result *result, struct admin_result *ret)
{
	if (ret->outcome == ADMIN_OK)
		return;
	if (ret->outcome == ADMIN_RATE)
		ret->retry_after_ms = answer_retry_after_ms(
		    result->retry_after, 30000);
	if (result->error == HTTPC_DONE)
		(void)snprintf(ret->text, sizeof(ret->text),
		    "user list: HTTP %d", result->status);
	else
		(void)snprintf(ret->text, sizeof(ret->text),
		    "user list: %s: %s", httpc_error_name(result->error),
		    result->text);
}

void
upstreamadmin_check_store(const struct upstreamadmin *admin,
    struct admin_result *ret)
{
	struct listing		 listing;
	struct httpc_result	 result;

	memset(&listing, 0, sizeof(listing));
	get_list(admin, &listing, stop_at_head, admin->total_ms, &result);
	/* We ended it ourselves when the head was there. */
	if (result.error == HTTPC_STOPPED && listing.status != 0) {
		result.error = HTTPC_DONE;
		result.status = listing.status;
	}
	memset(ret, 0, sizeof(*ret));
	ret->outcome = answer_classify(&result);
	ret->status = result.status;
	describe_list(&result, ret);
}

void
upstreamadmin_list(const struct upstreamadmin *admin,
    int (*each)(void *, const struct userlist_entry *), void *arg,
    uint64_t *ret_n_entries, struct admin_result *ret)
{
	struct listing		 listing;
	struct httpc_result	 result;

	memset(&listing, 0, sizeof(listing));
	userlist_init(&listing.list, each, arg);
	get_list(admin, &listing, list_head, admin->list_ms, &result);
	memset(ret, 0, sizeof(*ret));
	ret->outcome = answer_classify(&result);
	ret->status = result.status;
	describe_list(&result, ret);
	if (ret->outcome == ADMIN_OK && (result.status != 200 ||
	    userlist_end(&listing.list) == -1)) {
		ret->outcome = ADMIN_UNKNOWN;
		(void)snprintf(ret->text, sizeof(ret->text),
		    "user list: not a whole, well-formed list");
	}
	*ret_n_entries = listing.list.n_entries;
	userlist_free(&listing.list);
}
