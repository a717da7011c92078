/*
 * arena: memory that lives for one request.
 *
 * A list of blocks, newest first; the last of the list is the first
 * block, which stays for the arena's life.  A request's memory may hold
 * tokens, so a reset overwrites what was handed out.  Nothing here is
 * freed piecemeal.
 */
#include <assert.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/arena.h"
#include "base/log.h"
#include "base/secret.h"
#include "base/xmalloc.h"

#define BLOCK_SIZE	4096	/* with its head: one page for the common */
#define ALIGN		_Alignof(max_align_t)

struct block {
	struct block		*next;
	size_t			 size;	/* bytes of mem */
	size_t			 used;
	_Alignas(max_align_t) unsigned char mem[];
};

struct arena {
	struct block	*top;
};

static struct block *
block_create(size_t size, struct block *next)
{
	struct block *b = xmalloc(sizeof(*b) + size);

	b->next = next;
	b->size = size;
	b->used = 0;
	return b;
}

struct arena *
arena_create(void)
{
	struct arena *a = xmalloc(sizeof(*a));

	a->top = block_create(BLOCK_SIZE - sizeof(struct block) - 16, NULL);
	return a;
}

void
arena_reset(struct arena *a)
{
	struct block *b;

	while ((b = a->top)->next != NULL) {
		a->top = b->next;
		wipe(b->mem, b->used);
		free(b);
	}
	wipe(b->mem, b->used);
	b->used = 0;
}

void
arena_free(struct arena **ap)
{
	struct arena *a = *ap;

	if (a == NULL)
		return;
	arena_reset(a);
	free(a->top);
	free(a);
	*ap = NULL;
}

/*
 * A block for n more bytes.  A large piece gets a block of its own size
 * behind the current one, whose rest stays usable.
 */
static struct block *
block_for(struct arena *a, size_t n)
{
	struct block *b = a->top;

	if (b->size - b->used >= n)
		return b;
	if (n < BLOCK_SIZE / 4 || b->next == NULL) {
		size_t size = BLOCK_SIZE - sizeof(*b) - 16;

		return a->top = block_create(n > size ? n : size, b);
	}
	return b->next = block_create(n, b->next);
}

void *
arena_alloc(struct arena *a, size_t n)
{
	struct block *b;
	void *p;

	if (n > SIZE_MAX / 2)
		fatalx("a request asked for %zu bytes", n);
	n = (n + ALIGN - 1) / ALIGN * ALIGN;
	if (n == 0)
		n = ALIGN;
	b = block_for(a, n);
	p = b->mem + b->used;
	b->used += n;
	return memset(p, 0, n);
}

char *
arena_strndup(struct arena *a, const char *s, size_t max)
{
	size_t n = strnlen(s, max);

	return memcpy(arena_alloc(a, n + 1), s, n);
}

char *
arena_strdup(struct arena *a, const char *s)
{
	return arena_strndup(a, s, strlen(s));
}

char *
arena_printf(struct arena *a, const char *fmt, ...)
{
	va_list ap;
	char *p;
	int n;

	assert(fmt != NULL);
	va_start(ap, fmt);
	n = vsnprintf(NULL, 0, fmt, ap);
	va_end(ap);
	assert(n >= 0);
	p = arena_alloc(a, (size_t)n + 1);
	va_start(ap, fmt);
	(void)vsnprintf(p, (size_t)n + 1, fmt, ap);
	va_end(ap);
	return p;
}
