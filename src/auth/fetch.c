/*
 * fetch: one small exchange with a sign-in provider.
 *
 * Used by auth/oauth and auth/discovery.  It bounds time and size; what
 * an answer means is not known here.  A POST goes over a fresh
 * connection and is never repeated, because a code works once.
 */
#include "auth/fetch.h"
#include "base/clock.h"

enum oauth_result
fetch_run(struct httpc *httpc, const struct fetch *f, struct buf *ret_body,
    int *ret_status, struct buf *detail)
{
	static const char *const get_headers[] = {
		"Accept: application/json", NULL
	};
	static const char *const post_headers[] = {
		"Accept: application/json",
		"Content-Type: application/x-www-form-urlencoded", NULL
	};
	int64_t left_ms = f->deadline_ms - clock_mono_ms();
	struct httpc_request request = {
		.method = f->form != NULL ? "POST" : "GET",
		.base = &f->to->base,
		.target = f->to->target,
		.headers = f->form != NULL ? post_headers : get_headers,
		.authorization = f->authorization,
		.body = f->form != NULL ? f->form->data : NULL,
		.body_len = f->form != NULL ? f->form->len : 0,
		.total_ms = (int)left_ms,
		.max_body = FETCH_BODY_MAX,
		.fresh = f->form != NULL,
		.idempotent = f->form == NULL,
		.watch_fd = -1,
		.sink = ret_body,
	};
	struct httpc_result result;

	buf_init(ret_body, FETCH_BODY_MAX);
	if (left_ms <= 0) {
		(void)buf_printf(detail, "%s: no time left", f->what);
		return OAUTH_UNREACHABLE;
	}
	httpc_perform(httpc, &request, &result);
	if (result.error == HTTPC_DONE && !ret_body->failed) {
		*ret_status = result.status;
		return OAUTH_OK;
	}
	(void)buf_printf(detail, "%s at %s: %s: %.150s", f->what,
	    f->to->base.origin, httpc_error_name(result.error), result.text);
	return result.error == HTTPC_TOO_LARGE || ret_body->failed ?
	    OAUTH_BAD_ANSWER : OAUTH_UNREACHABLE;
}
