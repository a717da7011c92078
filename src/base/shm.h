/*
 * shm: anonymous memory shared with children.
 *
 * Mapped before the fork, left out of core dumps, without a name in any
 * file system.
 */
#ifndef BASE_SHM_H
#define BASE_SHM_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* Zeroed, shared, MADV_DONTDUMP.  Fatal when it cannot be had. */
void	*shm_map(size_t size, bool lock);
/* As above and MADV_DONTFORK: no child ever sees it. */
void	*shm_map_private(size_t size);
/* Overwrites (when wiped is set) and unmaps. */
void	 shm_unmap(void *, size_t size, bool wiped);

/*
 * Waits until *word is no longer `seen`, at most timeout_ms.  Works
 * between processes.  0 = changed or woken, -1 = timed out.
 */
int	 shm_wait(const uint32_t *word, uint32_t seen, int timeout_ms);
void	 shm_wake(const uint32_t *word);

#endif
