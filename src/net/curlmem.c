/*
 * curlmem: libcurl's memory, wiped when it is given back.
 *
 * malloc_usable_size() says how much there is to overwrite.  realloc is
 * a new block and a wiped old one, because the C library's may move
 * without a trace.  Called once by httpc_init(); libcurl calls the rest.
 */
#include <malloc.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>

#include <curl/curl.h>

#include "base/log.h"
#include "base/secret.h"
#include "net/curlmem.h"

/* What grows is mostly a head: room for all of it at once leaves fewer
 * blocks to wipe. */
#define FIRST_SIZE	512

/* The receive buffer, told by its size. */
static bool
is_receive_buffer(size_t size)
{
	return size > CURLMEM_RECEIVE_SIZE &&
	    size <= CURLMEM_RECEIVE_SIZE + 2 * sizeof(max_align_t);
}

static void
mem_free(void *p)
{
	size_t size;

	if (p == NULL)
		return;
	size = malloc_usable_size(p);
	if (!is_receive_buffer(size))
		wipe(p, size);
	free(p);
}

static void *
mem_realloc(void *old, size_t size)
{
	size_t old_size;
	void *p;

	if (old == NULL)
		return malloc(size < FIRST_SIZE ? FIRST_SIZE : size);
	old_size = malloc_usable_size(old);
	/* Room enough, and not much too much. */
	if (size <= old_size && (size >= old_size / 2 ||
	    old_size < 2 * FIRST_SIZE))
		return old;
	p = malloc(size);
	if (p == NULL)
		return NULL;
	memcpy(p, old, size < old_size ? size : old_size);
	mem_free(old);
	return p;
}

void
curlmem_init(void)
{
	static int done;

	if (done)
		return;
	if (curl_global_init_mem(CURL_GLOBAL_DEFAULT, malloc, mem_free,
	    mem_realloc, strdup, calloc) != CURLE_OK)
		fatalx("libcurl cannot be initialised");
	done = 1;
}
