/*
 * curlmem: libcurl's memory, wiped when it is given back.
 *
 * libcurl builds the request, key and all, in buffers of its own; giving
 * it an allocator that overwrites what is freed leaves no copy behind.
 */
#ifndef NET_CURLMEM_H
#define NET_CURLMEM_H

/*
 * The size libcurl is told for its receive buffer, which it makes anew
 * for each request.  No other block of its has this size, so it is known
 * by it and not wiped: what the request says never gets there.
 */
#define CURLMEM_RECEIVE_SIZE	(16 * 1024 + 64)

/* curl_global_init with this allocator; once per process tree. */
void	 curlmem_init(void);

#endif
