/*
 * ctl_audit: the log of what was done.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "api/views.h"
#include "base/codec.h"
#include "main/ctl.h"
#include "store/audit.h"

#define PAGE	1000
#define SHOWN	100	/* without an id: the last so many */

struct listing {
	struct buf	*out;
	uint64_t	 last;
	unsigned	 n;
};

static void
add_row(void *arg, const struct audit_row *r)
{
	struct listing *l = arg;
	struct buf *b = l->out;

	buf_printf(b, "%s{\"id\":%llu,\"at\":", b->len > 1 ? "," : "",
	    (unsigned long long)r->id);
	view_time(b, r->at_us);
	buf_puts(b, ",\"actor\":");
	buf_json_cstr(b, r->actor_kind);
	buf_puts(b, ",\"actor_id\":");
	buf_json_cstr(b, r->actor_id);
	buf_puts(b, ",\"action\":");
	buf_json_cstr(b, r->action);
	buf_puts(b, ",\"subject\":");
	buf_json_cstr(b, r->subject);
	buf_puts(b, ",\"request_id\":");
	buf_json_cstr(b, r->request_id);
	/* As text: what was hashed, and one cell of a table. */
	buf_puts(b, ",\"detail\":");
	buf_json_cstr(b, r->detail);
	buf_puts(b, "}");
	l->last = r->id;
	l->n++;
}

int
ctl_audit_list(struct ctl *c)
{
	struct listing l = { .out = &c->out };
	unsigned char hash[AUDIT_HASH_LEN];
	uint64_t end;
	int64_t after;

	if (audit_last(c->db, &end, hash) != 0)
		return ctl_db_failed(c, "audit");
	l.last = end > SHOWN ? end - SHOWN : 0;
	if (c->argc > 0) {
		if (parse_int(c->argv[0], 0, INT64_MAX, &after) != 0)
			return ctl_fail("%s is not the id of an entry",
			    c->argv[0]);
		l.last = (uint64_t)after;
	}
	buf_puts(&c->out, "[");
	do {
		l.n = 0;
		if (audit_list(c->db, l.last, PAGE, add_row, &l) != 0)
			return ctl_db_failed(c, "audit");
	} while (l.n == PAGE);
	buf_puts(&c->out, "]");
	return 0;
}

/* ID:HASH, as verify printed it before.  0, or 1 after ctl_fail. */
static int
read_anchor(const char *text, struct audit_anchor *ret)
{
	const char *colon = strchr(text, ':');
	char *id = strndup(text, strcspn(text, ":"));
	int64_t n;
	bool good = id != NULL && colon != NULL &&
	    parse_int(id, 1, INT64_MAX, &n) == 0 &&
	    strlen(colon + 1) == 2 * AUDIT_HASH_LEN &&
	    hex_decode(colon + 1, 2 * AUDIT_HASH_LEN, ret->hash) ==
	    AUDIT_HASH_LEN;

	free(id);
	if (!good)
		return ctl_fail("%s is not an ID:HASH that audit verify "
		    "printed", text);
	ret->id = (uint64_t)n;
	return 0;
}

int
ctl_audit_verify(struct ctl *c)
{
	struct audit_anchor noted = { 0 };
	struct audit_report r;
	char hash[2 * AUDIT_HASH_LEN + 1];

	if (c->argc > 0 && read_anchor(c->argv[0], &noted) != 0)
		return 1;
	if (audit_verify(c->db, c->argc > 0 ? &noted : NULL, &r) != 0)
		return ctl_db_failed(c, "audit");
	hex_encode(r.last.hash, sizeof(r.last.hash), hash);
	buf_printf(&c->out, "{\"ok\":%s,\"entries\":%llu,\"last\":"
	    "\"%llu:%s\"", r.fault == AUDIT_WHOLE ? "true" : "false",
	    (unsigned long long)r.rows, (unsigned long long)r.last.id, hash);
	if (r.fault == AUDIT_WHOLE) {
		buf_puts(&c->out, "}");
		return 0;
	}
	buf_printf(&c->out, ",\"at\":%llu}", (unsigned long long)r.at_id);
	return ctl_fail("entry %llu: %s", (unsigned long long)r.at_id,
	    audit_fault_text(r.fault));
}
