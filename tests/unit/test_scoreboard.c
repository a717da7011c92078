/* The scoreboard: rows, and counting what a user holds. */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include <string.h>

#include "base/shm.h"
#include "share/askbox_private.h"
#include "share/scoreboard.h"

#define ROWS	5u

static struct scoreboard *
board(void)
{
	return scoreboard_init(shm_map(scoreboard_size(ROWS), false), ROWS);
}

static void
test_rows(void **state)
{
	struct scoreboard *sb = board();
	struct score *s;
	size_t i, index = 99;

	(void)state;
	assert_int_equal(scoreboard_rows(sb), ROWS);
	for (i = 0; i < ROWS; i++) {
		s = scoreboard_take(sb, PROC_WORKER, 3, &index);
		assert_non_null(s);
		assert_int_equal(index, i);
		assert_ptr_equal(s, scoreboard_row(sb, i));
		assert_int_equal((uintptr_t)s % 64, 0);
		assert_int_equal(s->state, PROC_STARTING);
		assert_int_equal(s->role, PROC_WORKER);
		assert_int_equal(s->generation, 3);
		assert_true(s->started_ms > 0 && s->since_ms > 0);
	}
	assert_null(scoreboard_take(sb, PROC_WORKER, 3, &index));
	scoreboard_clear(scoreboard_row(sb, 2));
	assert_ptr_equal(scoreboard_take(sb, PROC_KEEPER, 4, NULL),
	    scoreboard_row(sb, 2));
	shm_unmap(sb, scoreboard_size(ROWS), false);
}

/* Nothing of a process is left for the next one in its row. */
static void
test_clear(void **state)
{
	struct scoreboard *sb = board();
	struct score *s = scoreboard_take(sb, PROC_WORKER, 1, NULL), was;
	uint32_t ticket;

	(void)state;
	s->pid = 4711;
	s->route = 9;
	score_begin(s, 42, true);
	score_end(s);
	score_begin(s, 42, true);
	memset(&s->ask.question, 0xee, sizeof(s->ask.question));
	memset(&s->ask.answer, 0xee, sizeof(s->ask.answer));
	ticket = box_new_ticket(&s->ask);
	s->ask.word = box_word(ticket, BOX_WANT);
	scoreboard_clear(s);
	assert_int_equal(box_ticket(s->ask.word), ticket + 1);
	assert_int_equal(box_state(s->ask.word), BOX_FREE);
	s->ask.word = 0;
	memset(&was, 0, sizeof(was));
	assert_memory_equal(s, &was, sizeof(was));
	shm_unmap(sb, scoreboard_size(ROWS), false);
}

static void
count(const struct scoreboard *sb, uint64_t user, const struct score *self,
    unsigned want_requests, unsigned want_streams)
{
	unsigned requests = 99, streams = 99;

	scoreboard_count_user(sb, user, self, &requests, &streams);
	assert_int_equal(requests, want_requests);
	assert_int_equal(streams, want_streams);
}

static void
test_count_user(void **state)
{
	struct scoreboard *sb = board();
	struct score *s[ROWS];
	size_t i;

	(void)state;
	for (i = 0; i < ROWS; i++)
		s[i] = scoreboard_take(sb, PROC_WORKER, 1, NULL);
	score_begin(s[0], 42, false);
	score_begin(s[1], 42, true);
	score_begin(s[2], 42, true);
	score_begin(s[3], 43, true);
	count(sb, 42, NULL, 3, 2);
	count(sb, 42, s[0], 2, 2);
	count(sb, 42, s[1], 2, 1);
	count(sb, 43, s[0], 1, 1);
	count(sb, 0, NULL, 0, 0);
	count(sb, 44, NULL, 0, 0);
	assert_int_equal(scoreboard_count_streams(sb), 3);
	score_end(s[1]);
	assert_int_equal(s[1]->requests, 1);
	count(sb, 42, NULL, 2, 1);
	/* a killed worker's row, as the master clears it */
	scoreboard_clear(s[2]);
	count(sb, 42, NULL, 1, 0);
	assert_int_equal(scoreboard_count_streams(sb), 1);
	shm_unmap(sb, scoreboard_size(ROWS), false);
}

static void
test_count_states(void **state)
{
	struct scoreboard *sb = board();
	struct score *s[ROWS];
	unsigned n[PROC_STATE_MAX];
	size_t i;

	(void)state;
	for (i = 0; i < ROWS; i++)
		s[i] = scoreboard_take(sb, i == 4 ? PROC_KEEPER : PROC_WORKER,
		    i < 2 ? 0 : 1, NULL);
	score_set_state(s[0], PROC_IDLE);
	score_set_state(s[2], PROC_IDLE);
	score_set_state(s[3], PROC_BUSY);
	s[1]->state = 12345;	/* what no process should write */
	scoreboard_count_states(sb, PROC_WORKER, 1, n);
	assert_int_equal(n[PROC_IDLE], 1);
	assert_int_equal(n[PROC_BUSY], 1);
	scoreboard_count_states(sb, PROC_WORKER, 0, n);
	assert_int_equal(n[PROC_IDLE], 1);
	assert_int_equal(n[PROC_BUSY], 0);
	scoreboard_count_states(sb, PROC_WORKER, SCORE_ANY_GENERATION, n);
	assert_int_equal(n[PROC_IDLE], 2);
	assert_int_equal(n[PROC_FREE], 0);
	scoreboard_count_states(sb, PROC_KEEPER, 1, n);
	assert_int_equal(n[PROC_STARTING], 1);
	shm_unmap(sb, scoreboard_size(ROWS), false);
}

static void
test_names(void **state)
{
	int i;

	(void)state;
	for (i = 0; i < PROC_ROLE_MAX; i++)
		assert_non_null(proc_role_name((enum proc_role)i));
	for (i = 0; i < PROC_STATE_MAX; i++)
		assert_non_null(proc_state_name((enum proc_state)i));
	assert_string_equal(proc_role_name(PROC_KEEPER), "keeper");
	assert_string_equal(proc_state_name(PROC_STREAMING), "streaming");
	assert_string_equal(proc_state_name((enum proc_state)77), "unknown");
	assert_string_equal(proc_role_name((enum proc_role)77), "unknown");
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_rows),
		cmocka_unit_test(test_clear),
		cmocka_unit_test(test_count_user),
		cmocka_unit_test(test_count_states),
		cmocka_unit_test(test_names),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
