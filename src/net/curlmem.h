/*
 * curlmem: libcurl's memory, wiped when it is given back.
 *
 * libcurl builds the request, key and all, in buffers of its own; giving
 * it an allocator that overwrites what is freed leaves no copy behind.
 */
#ifndef NET_CURLMEM_H
#define NET_CURLMEM_H

/* curl_global_init with this allocator; once per process tree. */
void	 curlmem_init(void);

#endif
