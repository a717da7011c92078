/*
 * buf: a growing byte buffer with a hard maximum.
 *
 * Outside data never meets a fixed array: it goes into a buf whose max
 * is a named limit.  An append that would pass the maximum changes
 * nothing and sets `failed`, so that a writer may append many pieces
 * and look once at the end.  data is always NUL-terminated (the NUL is
 * not counted in len) once anything was appended; an empty buf gives ""
 * through buf_str().
 */
#ifndef BASE_BUF_H
#define BASE_BUF_H

#include <stdbool.h>
#include <stdarg.h>
#include <stddef.h>

struct buf {
	char	*data;
	size_t	 len;
	size_t	 cap;
	size_t	 max;		/* bytes, without the NUL */
	bool	 failed;	/* an append did not fit */
};

#define BUF_INIT(limit)	{ .max = (limit) }

void	 buf_init(struct buf *, size_t max);
/* Empties and keeps the memory; clears failed. */
void	 buf_reset(struct buf *);
/* Empties, and gives back memory above keep bytes. */
void	 buf_shrink(struct buf *, size_t keep);
void	 buf_free(struct buf *);
/* As buf_free, after overwriting the content. */
void	 buf_wipe(struct buf *);

int	 buf_reserve(struct buf *, size_t extra)
	    __attribute__((warn_unused_result));
int	 buf_append(struct buf *, const void *, size_t);
int	 buf_puts(struct buf *, const char *);
int	 buf_putc(struct buf *, char);
int	 buf_printf(struct buf *, const char *fmt, ...)
	    __attribute__((format(printf, 2, 3)));
int	 buf_vprintf(struct buf *, const char *fmt, va_list)
	    __attribute__((format(printf, 2, 0)));
/* A JSON string with its quotes (RFC 8259 7); bytes that are not UTF-8
 * become U+FFFD. */
int	 buf_json_string(struct buf *, const char *, size_t len);
int	 buf_json_cstr(struct buf *, const char *);	/* NULL: null */
/* Percent-encodes all but RFC 3986 unreserved characters. */
int	 buf_percent(struct buf *, const char *, size_t len);
/* Removes n bytes from the front. */
void	 buf_consume(struct buf *, size_t n);
const char *buf_str(const struct buf *);

#endif
