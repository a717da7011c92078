/*
 * arena: memory that lives for one request.
 *
 * Everything a request needs is taken from its arena and given back in
 * one step when the answer is out.  Never returns NULL: out of memory
 * is fatal in a worker, which the master replaces.
 */
#ifndef BASE_ARENA_H
#define BASE_ARENA_H

#include <stddef.h>

struct arena;

struct arena *arena_create(void);
void	 arena_free(struct arena **);
/* Overwrites what was used, keeps the first block, frees the rest. */
void	 arena_reset(struct arena *);
/* Zeroed, aligned for any type. */
void	*arena_alloc(struct arena *, size_t)
	    __attribute__((malloc, returns_nonnull));
char	*arena_strdup(struct arena *, const char *)
	    __attribute__((malloc, returns_nonnull));
char	*arena_strndup(struct arena *, const char *, size_t)
	    __attribute__((malloc, returns_nonnull));
char	*arena_printf(struct arena *, const char *fmt, ...)
	    __attribute__((format(printf, 2, 3), returns_nonnull));

#endif
