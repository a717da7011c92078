/* xmalloc: allocation that is fatal when it fails. */
#ifndef BASE_XMALLOC_H
#define BASE_XMALLOC_H

#include <stddef.h>

void	*xmalloc(size_t) __attribute__((malloc, returns_nonnull));
void	*xcalloc(size_t n, size_t size)
	    __attribute__((malloc, returns_nonnull));
void	*xreallocarray(void *, size_t n, size_t size)
	    __attribute__((returns_nonnull));
char	*xstrdup(const char *) __attribute__((malloc, returns_nonnull));
char	*xstrndup(const char *, size_t)
	    __attribute__((malloc, returns_nonnull));
char	*xasprintf(const char *fmt, ...)
	    __attribute__((format(printf, 1, 2), malloc, returns_nonnull));

#endif
