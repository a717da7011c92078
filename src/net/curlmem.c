/*
 * curlmem: libcurl's memory, wiped when it is given back.
 *
 * malloc_usable_size() says how much there is to overwrite.  realloc is
 * a new block and a wiped old one, because the C library's may move
 * without a trace.  Called once by httpc_init(); libcurl calls the rest.
 */
#include <malloc.h>
#include <stdlib.h>
#include <string.h>

#include <curl/curl.h>

#include "base/log.h"
#include "base/secret.h"
#include "net/curlmem.h"

static void
mem_free(void *p)
{
	if (p == NULL)
		return;
	wipe(p, malloc_usable_size(p));
	free(p);
}

static void *
mem_realloc(void *old, size_t size)
{
	size_t old_size;
	void *p;

	if (old == NULL)
		return malloc(size);
	old_size = malloc_usable_size(old);
	/* Room enough, and not much too much. */
	if (size <= old_size && size >= old_size / 2)
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
