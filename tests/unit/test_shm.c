/* test_shm: what children see, and waiting between processes. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/shm.h"

#define SIZE	8192

static int
exit_status(pid_t pid)
{
	int status;

	assert_true(pid > 0);
	assert_int_equal(waitpid(pid, &status, 0), pid);
	return status;
}

static void
test_shared(void **state)
{
	unsigned char *p = shm_map(SIZE, true);
	pid_t pid;
	size_t i;

	(void)state;
	for (i = 0; i < SIZE; i++)
		assert_int_equal(p[i], 0);
	if ((pid = fork()) == 0) {
		p[SIZE - 1] = 7;
		_exit(0);
	}
	assert_int_equal(exit_status(pid), 0);
	assert_int_equal(p[SIZE - 1], 7);
	shm_unmap(p, SIZE, true);
	shm_unmap(NULL, 0, true);
}

/* mincore() fails with ENOMEM where nothing is mapped. */
static void
test_private(void **state)
{
	unsigned char *p = shm_map_private(SIZE), pages[SIZE];
	pid_t pid;

	(void)state;
	p[0] = 7;
	assert_int_equal(mincore(p, SIZE, pages), 0);
	if ((pid = fork()) == 0)
		_exit(mincore(p, SIZE, pages) == -1 ? 0 : 1);
	assert_int_equal(exit_status(pid), 0);
	shm_unmap(p, SIZE, false);
}

static void
test_wait_changed(void **state)
{
	uint32_t word = 5;

	(void)state;
	assert_int_equal(shm_wait(&word, 4, 60000), 0);
	assert_int_equal(shm_wait(&word, 5, 0), -1);
}

static void
test_wait_times_out(void **state)
{
	uint32_t word = 5;
	int64_t from_us = clock_mono_us();

	(void)state;
	assert_int_equal(shm_wait(&word, 5, 30), -1);
	assert_true(clock_mono_us() - from_us >= 30000);
}

/* Parent and child hand one word to and fro a thousand times. */
static void
test_wait_processes(void **state)
{
	uint32_t *word = shm_map(SIZE, false), i;
	pid_t pid = fork();
	uint32_t mine = pid == 0 ? 1 : 0;

	(void)state;
	for (i = mine; i < 2000; i += 2) {
		while (__atomic_load_n(word, __ATOMIC_ACQUIRE) != i)
			if (shm_wait(word, i - 1, 60000) == -1)
				_exit(1);
		__atomic_store_n(word, i + 1, __ATOMIC_RELEASE);
		shm_wake(word);
	}
	if (pid == 0)
		_exit(0);
	assert_int_equal(exit_status(pid), 0);
	assert_int_equal(*word, 2000);
	shm_unmap(word, SIZE, false);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_shared),
		cmocka_unit_test(test_private),
		cmocka_unit_test(test_wait_changed),
		cmocka_unit_test(test_wait_times_out),
		cmocka_unit_test(test_wait_processes),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
