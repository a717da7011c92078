/*
 * shm: anonymous memory shared with children.
 *
 * The master maps before it forks.  What lies here is indexes, never
 * pointers; the layouts belong to the modules of share/.  Waiting is a
 * futex on a word of the mapping, so it works between processes.
 */
#include <assert.h>
#include <errno.h>
#include <limits.h>
#include <linux/futex.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/log.h"
#include "base/secret.h"
#include "base/shm.h"

static void *
map(size_t size, int flags)
{
	void *p = mmap(NULL, size, PROT_READ | PROT_WRITE,
	    flags | MAP_ANONYMOUS, -1, 0);

	if (p == MAP_FAILED)
		fatal("cannot map %zu bytes of memory", size);
	if (madvise(p, size, MADV_DONTDUMP) == -1)
		fatal("cannot keep memory out of core dumps");
	return p;
}

void *
shm_map(size_t size, bool lock)
{
	void *p = map(size, MAP_SHARED);

	/* Locking is a wish: shared hosting allows little of it. */
	if (lock)
		(void)mlock(p, size);
	return p;
}

void *
shm_map_private(size_t size)
{
	void *p = map(size, MAP_PRIVATE);

	if (madvise(p, size, MADV_DONTFORK) == -1)
		fatal("cannot keep memory from children");
	(void)mlock(p, size);
	return p;
}

void
shm_unmap(void *p, size_t size, bool wiped)
{
	if (p == NULL)
		return;
	if (wiped)
		wipe(p, size);
	(void)munmap(p, size);
}

int
shm_wait(const uint32_t *word, uint32_t seen, int timeout_ms)
{
	int64_t until_us = clock_mono_us() + (int64_t)timeout_ms * 1000;
	int64_t left_us;
	struct timespec ts;

	assert(timeout_ms >= 0);
	while (__atomic_load_n(word, __ATOMIC_ACQUIRE) == seen) {
		left_us = until_us - clock_mono_us();
		if (left_us <= 0)
			return -1;
		ts.tv_sec = left_us / 1000000;
		ts.tv_nsec = left_us % 1000000 * 1000;
		if (syscall(SYS_futex, word, FUTEX_WAIT, seen, &ts, NULL,
		    0) == 0)
			return 0;
		assert(errno == EAGAIN || errno == EINTR ||
		    errno == ETIMEDOUT);
	}
	return 0;
}

void
shm_wake(const uint32_t *word)
{
	(void)syscall(SYS_futex, word, FUTEX_WAKE, INT_MAX, NULL, NULL, 0);
}
