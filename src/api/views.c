/*
 * views: JSON of our own objects; member names and order are part of
 * the interface.
 */
#include "api/views.h"
#include "base/clock.h"

void
view_time(struct buf *b, int64_t wall_us)
{
	char text[CLOCK_RFC3339_LEN];

	if (wall_us == 0) {
		buf_puts(b, "null");
		return;
	}
	clock_rfc3339(wall_us, text);
	buf_printf(b, "\"%s\"", text);
}

void
view_user(struct buf *b, const struct user *u)
{
	buf_printf(b, "{\"id\":%llu,\"username\":",
	    (unsigned long long)u->id);
	buf_json_cstr(b, u->username);
	buf_puts(b, ",\"avatar_url\":");
	buf_json_cstr(b, u->avatar_url[0] != '\0' ? u->avatar_url : NULL);
	buf_printf(b, ",\"trust_level\":%d,\"is_active\":%s,"
	    "\"is_silenced\":%s,\"beta\":0,\"created_at\":", u->trust_level,
	    u->is_active ? "true" : "false",
	    u->is_silenced ? "true" : "false");
	view_time(b, u->created_us);
	buf_puts(b, ",\"last_login_at\":");
	view_time(b, u->last_login_us);
	buf_puts(b, "}");
}
