/*
 * fuzz_jsonscan: any bytes, as a body.
 *
 * How the text is cut must make no difference; what is accepted, json-c
 * must accept in its strict mode too; and the place noted for a watched
 * member must hold one value of the noted kind.
 */
#include <assert.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <json.h>

#include "base/codec.h"
#include "base/jsonscan.h"

#define N_NAMES	3

int	 LLVMFuzzerTestOneInput(const uint8_t *, size_t);

static const char *const names[N_NAMES] = { "model", "stream", "a" };

/* Feeds `step` bytes at a time; 0: pieces of lengths taken from the text. */
static int
scan(struct jsonscan *j, const char *text, size_t len, size_t step)
{
	size_t at, n;

	jsonscan_init(j, names, N_NAMES);
	for (at = 0; at < len; at += n) {
		n = step > 0 ? step : (unsigned char)text[at] % 13u;
		if (n > len - at)
			n = len - at;
		if (n == 0)
			n = 1;
		(void)jsonscan_feed(j, text + at, n);
	}
	return jsonscan_end(j);
}

static void
check_same(const struct jsonscan *a, const struct jsonscan *b)
{
	size_t i;

	assert(a->fault == b->fault && a->offset == b->offset);
	assert(a->top == b->top && a->object_open == b->object_open);
	assert(a->object_empty == b->object_empty);
	for (i = 0; i < N_NAMES; i++) {
		const struct jsonscan_member *m = &a->member[i];
		const struct jsonscan_member *n = &b->member[i];

		assert(m->kind == n->kind && m->count == n->count);
		assert(m->cut == n->cut && m->value_len == n->value_len);
		assert(m->value_start == n->value_start);
		assert(m->value_end == n->value_end);
		assert(memcmp(m->value, n->value, m->value_len + 1) == 0);
	}
}

static void
check_json_c(const char *text, size_t len)
{
	struct json_tokener *t = json_tokener_new_ex(JSONSCAN_DEPTH_MAX + 2);
	struct json_object *o;

	assert(t != NULL);
	json_tokener_set_flags(t, JSON_TOKENER_STRICT |
	    JSON_TOKENER_VALIDATE_UTF8);
	o = json_tokener_parse_ex(t, text, (int)len);
	/* A number at the end of the text waits for what follows. */
	if (json_tokener_get_error(t) == json_tokener_continue)
		o = json_tokener_parse_ex(t, "", 1);
	assert(json_tokener_get_error(t) == json_tokener_success);
	json_object_put(o);
	json_tokener_free(t);
}

static void
check_member(const struct jsonscan_member *m, const char *text, size_t len)
{
	struct jsonscan inner;

	assert(m->value_len <= JSONSCAN_VALUE_MAX);
	assert(m->value[m->value_len] == '\0');
	assert((m->kind == JSON_ABSENT) == (m->count == 0));
	if (m->kind == JSON_ABSENT)
		return;
	assert(m->value_start < m->value_end && m->value_end <= len);
	assert(jsonscan_text(&inner, NULL, 0, text + m->value_start,
	    m->value_end - m->value_start) == 0);
	assert(inner.top == m->kind);
	assert(utf8_valid(m->value, m->value_len));
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	const char *text = (const char *)data;
	struct jsonscan whole, other;
	size_t i;
	int r;

	r = scan(&whole, text, size, size);
	assert((r == 0) == (whole.fault == JSONSCAN_OK));
	assert(whole.offset <= size);
	assert(scan(&other, text, size, 1) == r);
	check_same(&whole, &other);
	assert(scan(&other, text, size, 0) == r);
	check_same(&whole, &other);
	if (r == -1)
		return 0;
	assert(utf8_valid(text, size));
	assert(whole.offset == size);
	check_json_c(text, size);
	for (i = 0; i < N_NAMES; i++)
		check_member(&whole.member[i], text, size);
	return 0;
}
