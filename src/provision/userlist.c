/*
 * userlist: splits the upstream's user list while it arrives.
 *
 * jsonscan judges every byte of the whole text; the splitter beside it
 * only follows strings and nesting to cut out the objects of the array
 * "data", one at a time.  It never holds more than one entry.
 */
#include "provision/userlist.h"

#include <string.h>

#include "base/codec.h"
#include "provision/answer.h"

enum { TOP_SUCCESS, TOP_DATA, TOP_MAX };
static const char *const top_names[TOP_MAX] = {
	[TOP_SUCCESS] = "success", [TOP_DATA] = "data",
};

enum { MEM_ID, MEM_NAME, MEM_STATUS, MEM_CREATED, MEM_MAX };
static const char *const member_names[MEM_MAX] = {
	[MEM_ID] = "user_id", [MEM_NAME] = "name",
	[MEM_STATUS] = "status", [MEM_CREATED] = "created_at",
};

void
userlist_init(struct userlist *list,
    int (*each)(void *, const struct userlist_entry *), void *arg)
{
	memset(list, 0, sizeof(*list));
	list->each = each;
	list->arg = arg;
	jsonscan_init(&list->scan, top_names, TOP_MAX);
	buf_init(&list->entry, USERLIST_ENTRY_MAX);
}

void
userlist_free(struct userlist *list)
{
	buf_free(&list->entry);
}

static void
copy_member(const struct jsonscan_member *member, char *ret, size_t size,
    size_t *ret_len)
{
	size_t	 len = member->value_len;

	if (member->kind != JSON_STRING || member->cut || len >= size)
		len = 0;
	memcpy(ret, member->value, len);
	ret[len] = '\0';
	if (ret_len != NULL)
		*ret_len = len;
}

/* 0 with *ret filled, or -1: not an entry that can be used. */
static int
read_entry(const struct buf *text, struct userlist_entry *ret)
{
	struct jsonscan			 scan;
	const struct jsonscan_member	*id, *status;
	size_t				 i;

	if (jsonscan_text(&scan, member_names, MEM_MAX, text->data,
	    text->len) == -1)
		return -1;
	for (i = 0; i < MEM_MAX; i++) {
		if (scan.member[i].count > 1)
			return -1;
	}
	id = &scan.member[MEM_ID];
	if (id->kind != JSON_STRING || id->cut ||
	    !account_id_valid(id->value, id->value_len))
		return -1;
	copy_member(id, ret->user_id, sizeof(ret->user_id), NULL);
	copy_member(&scan.member[MEM_NAME], ret->name, sizeof(ret->name),
	    &ret->name_len);
	copy_member(&scan.member[MEM_CREATED], ret->created_at,
	    sizeof(ret->created_at), NULL);
	status = &scan.member[MEM_STATUS];
	ret->status = -1;
	if (status->kind == JSON_NUMBER && status->value_len == 1 &&
	    (status->value[0] == '0' || status->value[0] == '1'))
		ret->status = status->value[0] - '0';
	return 0;
}

static int
finish_entry(struct userlist *list)
{
	struct userlist_entry	 entry;

	list->n_entries++;
	if (list->entry_cut || read_entry(&list->entry, &entry) == -1) {
		list->n_skipped++;
	} else if (list->each(list->arg, &entry) != 0) {
		list->stopped = true;
		return -1;
	}
	buf_reset(&list->entry);
	list->entry_cut = false;
	return 0;
}

static void
keep(struct userlist *list, char c)
{
	if (!list->entry_cut && buf_putc(&list->entry, c) == -1)
		list->entry_cut = true;
}

/* Inside a string: its end, and the name of a top-level member. */
static void
step_string(struct userlist *list, char c)
{
	if (list->depth == 1 && list->key_next) {
		if (list->key_len < sizeof(list->key) && c != '"')
			list->key[list->key_len] = c;
		if (c != '"' || list->escaped)
			list->key_len++;
	}
	if (list->escaped)
		list->escaped = false;
	else if (c == '\\')
		list->escaped = true;
	else if (c == '"')
		list->in_string = false;
}

static bool
key_is_data(const struct userlist *list)
{
	return list->key_len == 4 && memcmp(list->key, "data", 4) == 0;
}

/* Outside of strings; the text up to here is known to be valid. */
static int
step_plain(struct userlist *list, char c)
{
	switch (c) {
	case '"':
		list->in_string = true;
		if (list->depth == 1 && list->key_next)
			list->key_len = 0;
		break;
	case '{':
	case '[':
		if (list->depth == 1 && c == '[' && key_is_data(list))
			list->in_data = list->saw_data = true;
		list->depth++;
		list->key_next = list->depth == 1;
		break;
	case '}':
	case ']':
		list->depth--;
		if (list->in_data && list->depth == 1)
			list->in_data = false;
		break;
	case ':':
		if (list->depth == 1)
			list->key_next = false;
		break;
	case ',':
		if (list->depth == 1) {
			list->key_next = true;
			list->key_len = 0;
		}
		break;
	default:
		/* a bare value where an object belongs */
		if (list->in_data && list->depth == 2 && c != ' ' &&
		    c != '\t' && c != '\r' && c != '\n')
			return -1;
	}
	return 0;
}

static int
step(struct userlist *list, char c)
{
	bool	 inside = list->in_data && list->depth >= 3;

	if (list->in_string) {
		step_string(list, c);
	} else {
		/* elements are objects and nothing else */
		if (list->in_data && list->depth == 2 &&
		    (c == '"' || c == '['))
			return -1;
		if (step_plain(list, c) == -1)
			return -1;
	}
	if (inside || (list->in_data && list->depth >= 3))
		keep(list, c);
	if (inside && list->depth == 2)
		return finish_entry(list);
	return 0;
}

int
userlist_feed(struct userlist *list, const char *data, size_t len)
{
	size_t	 i;

	if (list->failed)
		return -1;
	/* A byte at a time, so that the splitter never runs ahead of the
	 * judge within one piece. */
	for (i = 0; i < len; i++) {
		if (jsonscan_feed(&list->scan, data + i, 1) == -1 ||
		    step(list, data[i]) == -1) {
			list->failed = true;
			return -1;
		}
	}
	return 0;
}

int
userlist_end(struct userlist *list)
{
	const struct jsonscan_member	*success, *data;

	if (list->failed || jsonscan_end(&list->scan) == -1 ||
	    list->scan.top != JSON_OBJECT) {
		list->failed = true;
		return -1;
	}
	success = &list->scan.member[TOP_SUCCESS];
	data = &list->scan.member[TOP_DATA];
	if (success->count != 1 || success->kind != JSON_TRUE ||
	    data->count != 1 || data->kind != JSON_ARRAY ||
	    !list->saw_data) {
		list->failed = true;
		return -1;
	}
	return 0;
}
