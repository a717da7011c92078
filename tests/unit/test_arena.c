/* test_arena: alignment, zeroing, reset; and xmalloc on top. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "base/arena.h"
#include "base/xmalloc.h"

static void
test_alloc(void **state)
{
	static const size_t sizes[] = { 0, 1, 7, 16, 100, 1000, 3000, 5000,
	    100000, 1, 900, 3999, 4000, 4001, 4096 };
	struct arena *a = arena_create();
	unsigned char *p[15];
	size_t round, i, j;

	(void)state;
	for (round = 0; round < 3; round++) {
		for (i = 0; i < 15; i++) {
			p[i] = arena_alloc(a, sizes[i]);
			assert_int_equal((uintptr_t)p[i] %
			    _Alignof(max_align_t), 0);
			for (j = 0; j < sizes[i]; j++)
				assert_int_equal(p[i][j], 0);
			memset(p[i], (int)i + 1, sizes[i]);
		}
		for (i = 0; i < 15; i++)
			for (j = 0; j < sizes[i]; j++)
				assert_int_equal(p[i][j], i + 1);
		arena_reset(a);
	}
	arena_free(&a);
	assert_null(a);
	arena_free(&a);
}

/* The first block stays, and what lay in it is gone. */
static void
test_reset_wipes(void **state)
{
	struct arena *a = arena_create();
	char *first = arena_strdup(a, "sk-secret"), *big;

	(void)state;
	big = arena_alloc(a, 20000);
	memset(big, 'x', 20000);
	arena_reset(a);
	assert_memory_equal(first, "\0\0\0\0\0\0\0\0\0", 9);
	assert_ptr_equal(arena_alloc(a, 1), first);
	arena_free(&a);
}

static void
test_strings(void **state)
{
	struct arena *a = arena_create();
	char *s;

	(void)state;
	assert_string_equal(arena_strdup(a, ""), "");
	assert_string_equal(arena_strndup(a, "abcdef", 3), "abc");
	assert_string_equal(arena_strndup(a, "ab", 30), "ab");
	s = arena_printf(a, "%s-%d-%5000d", "a", 7, 3);
	assert_int_equal(strlen(s), 5004);
	assert_memory_equal(s, "a-7- ", 5);
	assert_int_equal(s[5003], '3');
	arena_free(&a);
}

static void
test_xmalloc(void **state)
{
	char *s = xasprintf("%d %s", 12, "x");
	int *v = xcalloc(10, sizeof(*v));

	(void)state;
	assert_string_equal(s, "12 x");
	free(s);
	assert_int_equal(v[9], 0);
	v = xreallocarray(v, 1000, sizeof(*v));
	v[999] = 1;
	free(v);
	s = xstrndup("abc", 2);
	assert_string_equal(s, "ab");
	free(s);
	s = xstrdup("");
	assert_string_equal(s, "");
	free(s);
	free(xmalloc(0));
	free(xcalloc(0, 8));
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_alloc),
		cmocka_unit_test(test_reset_wipes),
		cmocka_unit_test(test_strings),
		cmocka_unit_test(test_xmalloc),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
