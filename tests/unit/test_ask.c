/*
 * Questions of workers to the keeper: answers, time-outs, late and mixed
 * answers, one load for all who ask, and keepers that are killed.
 */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/shm.h"
#include "share/ask.h"
#include "share/askbox_private.h"

#define ASKERS		64u
#define USERS		16u
#define QUESTIONS	100u
#define LONG_MS		20000

/* What the keepers know and did, over their deaths. */
struct world {
	uint32_t	 cached[USERS + 1];
	uint32_t	 loads[USERS + 1];
	uint32_t	 answers, right, wrong, timed_out;
};

static struct scoreboard *sb;
static struct world *world;
static int poke_fd;

static int
set_up(void **state)
{
	size_t i;

	(void)state;
	sb = scoreboard_init(shm_map(scoreboard_size(ASKERS), false), ASKERS);
	for (i = 0; i < ASKERS; i++)
		(void)scoreboard_take(sb, PROC_WORKER, 1, NULL);
	world = shm_map(sizeof(*world), false);
	poke_fd = eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC);
	return poke_fd == -1 ? -1 : 0;
}

static int
tear_down(void **state)
{
	(void)state;
	shm_unmap(sb, scoreboard_size(ASKERS), false);
	shm_unmap(world, sizeof(*world), false);
	return close(poke_fd);
}

static void
sleep_ms(int ms)
{
	const struct timespec pause = { ms / 1000, ms % 1000 * 1000000L };

	(void)nanosleep(&pause, NULL);
}

static void
add(uint32_t *p)
{
	(void)__atomic_fetch_add(p, 1, __ATOMIC_SEQ_CST);
}

/* Content that follows from the user alone. */
static void
tenant_of(uint64_t user_id, struct tenant *ret)
{
	memset(ret, 0, sizeof(*ret));
	ret->user_id = user_id;
	ret->key_gen = (uint32_t)user_id * 3;
	(void)snprintf(ret->plugin_user_id, sizeof(ret->plugin_user_id),
	    "acct-%u", (unsigned)user_id);
	ret->sealed_len = BOOTKEY_SEALED_MAX;
	memset(ret->sealed, (int)user_id, sizeof(ret->sealed));
}

/*
 * The keeper: a tenant that is not cached takes it two milliseconds.
 * A key whose hash begins with 0 is none, with 1 the database is away.
 */
static int
answer(void *arg, const struct ask_question *q, struct ask_answer *ret)
{
	(void)arg;
	add(&world->answers);
	if (q->kind == ASK_REPAIR)
		return q->key_gen == 5 && q->user_id == 7 ? ASK_OK :
		    ASK_ABSENT;
	if (q->kind == ASK_APIKEY) {
		ret->apikey_id = UINT64_C(0x100000001) * q->hash[0];
		ret->config_type = q->hash[31];
		tenant_of(q->hash[0], &ret->tenant);
		return q->hash[0] == 0 ? ASK_ABSENT : q->hash[0] == 1 ?
		    ASK_UNAVAILABLE : ASK_OK;
	}
	if (q->user_id > USERS)
		return 17;	/* no ask_status */
	if (!__atomic_load_n(&world->cached[q->user_id], __ATOMIC_SEQ_CST)) {
		add(&world->loads[q->user_id]);
		sleep_ms(2);
		__atomic_store_n(&world->cached[q->user_id], 1,
		    __ATOMIC_SEQ_CST);
	}
	tenant_of(q->user_id, &ret->tenant);
	return ASK_OK;
}

static _Noreturn void
keeper(void)
{
	struct pollfd p = { .fd = poke_fd, .events = POLLIN };
	uint64_t n;

	(void)alarm(60);
	ask_requeue(sb);
	for (;;) {
		(void)ask_serve(sb, answer, NULL);
		if (poll(&p, 1, 50) == 1 && read(poke_fd, &n, sizeof(n)) == -1)
			continue;
	}
}

static pid_t
keeper_start(void)
{
	pid_t pid = fork();

	assert_true(pid != -1);
	if (pid == 0)
		keeper();
	return pid;
}

static void
keeper_kill(pid_t pid)
{
	assert_int_equal(kill(pid, SIGKILL), 0);
	assert_int_equal(waitpid(pid, NULL, 0), pid);
}

static void
test_kinds(void **state)
{
	unsigned char hash[ASK_HASH_LEN] = { 9, [31] = 200 };
	struct score *self = scoreboard_row(sb, 0);
	struct ask_answer a, untouched;
	struct tenant want;
	pid_t pid = keeper_start();

	(void)state;
	memset(&a, 0x5a, sizeof(a));
	assert_int_equal(ask_tenant(self, poke_fd, 7, LONG_MS, &a), ASK_OK);
	tenant_of(7, &want);
	assert_memory_equal(&a.tenant, &want, sizeof(want));
	assert_int_equal(ask_apikey(self, poke_fd, hash, LONG_MS, &a),
	    ASK_OK);
	assert_true(a.apikey_id == UINT64_C(0x900000009));
	assert_int_equal(a.config_type, 200);

	memset(&a, 0x5a, sizeof(a));
	untouched = a;
	hash[0] = 0;
	assert_int_equal(ask_apikey(self, poke_fd, hash, LONG_MS, &a),
	    ASK_ABSENT);
	hash[0] = 1;
	assert_int_equal(ask_apikey(self, poke_fd, hash, LONG_MS, &a),
	    ASK_UNAVAILABLE);
	assert_memory_equal(&a, &untouched, sizeof(a));
	assert_int_equal(ask_repair(self, poke_fd, 7, 5, LONG_MS), ASK_OK);
	assert_int_equal(ask_repair(self, poke_fd, 7, 4, LONG_MS),
	    ASK_ABSENT);
	/* a status that is none is no answer */
	assert_int_equal(ask_tenant(self, poke_fd, USERS + 1, 30, &a),
	    ASK_TIMED_OUT);
	keeper_kill(pid);
}

static void
test_no_keeper(void **state)
{
	struct score *self = scoreboard_row(sb, 0);
	int64_t start = clock_mono_ms();
	struct ask_answer a;

	(void)state;
	assert_int_equal(ask_tenant(self, poke_fd, 7, 60, &a), ASK_TIMED_OUT);
	assert_in_range(clock_mono_ms() - start, 60, 5000);
	/* nobody waits any more: nothing is loaded */
	assert_int_equal(ask_serve(sb, answer, NULL), 0);
	assert_int_equal(world->answers, 0);
}

/* Runs the asker in a child; what it returns is the exit status. */
static pid_t
asker(size_t row, uint64_t user_id, int timeout_ms)
{
	struct tenant want;
	struct ask_answer a;
	pid_t pid = fork();
	int r;

	assert_true(pid != -1);
	if (pid > 0)
		return pid;
	(void)alarm(60);
	r = ask_tenant(scoreboard_row(sb, row), poke_fd, user_id,
	    timeout_ms, &a);
	tenant_of(user_id, &want);
	if (r == ASK_OK && memcmp(&a.tenant, &want, sizeof(want)) != 0)
		_exit(99);
	_exit(r == ASK_TIMED_OUT ? 77 : r);
}

static int
asker_end(pid_t pid)
{
	int status;

	assert_int_equal(waitpid(pid, &status, 0), pid);
	assert_true(WIFEXITED(status));
	return WEXITSTATUS(status);
}

static uint32_t
wait_for_state(size_t row, enum ask_state wanted)
{
	struct ask_box *box = &scoreboard_row(sb, row)->ask;
	uint32_t word;

	for (;;) {
		word = __atomic_load_n(&box->word, __ATOMIC_ACQUIRE);
		if (box_state(word) == wanted)
			return word;
		sleep_ms(1);
	}
}

/* The answer to a question comes when the next one is already asked. */
static int
answer_late(void *arg, const struct ask_question *q, struct ask_answer *ret)
{
	pid_t *second = arg;

	assert_int_equal(q->user_id, 3);
	wait_for_state(0, BOX_FREE);
	*second = asker(0, 4, LONG_MS);
	wait_for_state(0, BOX_WANT);
	return answer(NULL, q, ret);
}

static void
test_late(void **state)
{
	pid_t first = asker(0, 3, 30), second = -1;

	(void)state;
	wait_for_state(0, BOX_WANT);
	assert_int_equal(ask_serve(sb, answer_late, &second), 0);
	assert_int_equal(asker_end(first), 77);
	assert_int_equal(ask_serve(sb, answer, NULL), 1);
	assert_int_equal(asker_end(second), ASK_OK);
}

/* While one is answered the other gives up. */
static int
answer_slowly(void *arg, const struct ask_question *q,
    struct ask_answer *ret)
{
	(void)arg;
	(void)wait_for_state(1, BOX_FREE);
	return answer(NULL, q, ret);
}

static void
test_gave_up(void **state)
{
	pid_t first = asker(0, 3, LONG_MS), second = asker(1, 4, 30);

	(void)state;
	wait_for_state(0, BOX_WANT);
	wait_for_state(1, BOX_WANT);
	assert_int_equal(ask_serve(sb, answer_slowly, NULL), 1);
	assert_int_equal(world->answers, 1);
	assert_int_equal(asker_end(first), ASK_OK);
	assert_int_equal(asker_end(second), 77);
}

/* Two keepers wrote into one box: the asker asks again. */
static void
test_mixed(void **state)
{
	struct ask_box *box = &scoreboard_row(sb, 0)->ask;
	pid_t pid = asker(0, 3, LONG_MS);
	uint32_t word = wait_for_state(0, BOX_WANT), again;

	(void)state;
	tenant_of(3, &box->answer.tenant);
	box->answer.tenant.sealed[100] ^= 1;
	box->status = ASK_OK;
	__atomic_store_n(&box->word, box_word(box_ticket(word), BOX_DONE),
	    __ATOMIC_RELEASE);
	shm_wake(&box->word);
	do
		again = wait_for_state(0, BOX_WANT);
	while (again == word);
	assert_int_equal(ask_serve(sb, answer, NULL), 1);
	assert_int_equal(asker_end(pid), ASK_OK);
}

static int
answer_other(void *arg, const struct ask_question *q, struct ask_answer *ret)
{
	unsigned *calls = arg;

	tenant_of((*calls)++ == 0 ? q->user_id + 1 : q->user_id,
	    &ret->tenant);
	return ASK_OK;
}

/* An answer about somebody else is none. */
static void
test_foreign(void **state)
{
	unsigned calls = 0;
	pid_t pid = asker(0, 3, LONG_MS);

	(void)state;
	while (calls < 2) {
		wait_for_state(0, BOX_WANT);
		assert_int_equal(ask_serve(sb, answer_other, &calls), 1);
	}
	assert_int_equal(asker_end(pid), ASK_OK);
}

static void
test_cleared(void **state)
{
	pid_t pid = asker(0, 3, LONG_MS);
	int64_t start = clock_mono_ms();

	(void)state;
	wait_for_state(0, BOX_WANT);
	scoreboard_clear(scoreboard_row(sb, 0));
	assert_int_equal(asker_end(pid), 77);
	assert_true(clock_mono_ms() - start < LONG_MS / 2);
	assert_int_equal(ask_serve(sb, answer, NULL), 0);
}

static void
ask_many(size_t row)
{
	struct score *self = scoreboard_row(sb, row);
	unsigned char hash[ASK_HASH_LEN] = { 0 };
	struct ask_answer a;
	struct tenant want;
	uint64_t user;
	size_t i;
	int r;

	for (i = 0; i < QUESTIONS; i++) {
		user = (row + i) % USERS + 1;
		hash[0] = (unsigned char)(user + 1);
		hash[31] = (unsigned char)i;
		tenant_of(i % 4 == 3 ? user + 1 : user, &want);
		r = i % 4 == 3 ?
		    ask_apikey(self, poke_fd, hash, LONG_MS, &a) :
		    ask_tenant(self, poke_fd, user, LONG_MS, &a);
		if (r == ASK_TIMED_OUT)
			add(&world->timed_out);
		else if (r == ASK_OK && memcmp(&a.tenant, &want,
		    sizeof(want)) == 0 && (i % 4 != 3 ||
		    a.config_type == (unsigned char)i))
			add(&world->right);
		else
			add(&world->wrong);
	}
}

/*
 * 64 askers, and a keeper that is killed every few milliseconds, most
 * often in the middle of a load: everybody gets the right answer, and
 * each user is loaded once, and once more for a load that was killed.
 */
static void
test_stampede(void **state)
{
	pid_t askers[ASKERS], pid;
	unsigned kills = 0, loads = 0, i;

	(void)state;
	for (i = 0; i < ASKERS; i++) {
		askers[i] = fork();
		assert_true(askers[i] != -1);
		if (askers[i] == 0) {
			(void)alarm(60);
			ask_many(i);
			_exit(0);
		}
	}
	for (; kills < 40; kills++) {
		pid = keeper_start();
		sleep_ms(3 + (int)kills % 5);
		keeper_kill(pid);
	}
	pid = keeper_start();
	for (i = 0; i < ASKERS; i++)
		assert_int_equal(asker_end(askers[i]), 0);
	keeper_kill(pid);
	for (i = 1; i <= USERS; i++)
		loads += world->loads[i];
	print_message("askers %u right %u wrong %u timed out %u, keepers "
	    "killed %u, users %u loads %u\n", ASKERS, world->right,
	    world->wrong, world->timed_out, kills, USERS, loads);
	assert_int_equal(world->right, ASKERS * QUESTIONS);
	assert_int_equal(world->wrong, 0);
	assert_in_range(loads, USERS, USERS + kills);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(test_kinds, set_up,
		    tear_down),
		cmocka_unit_test_setup_teardown(test_no_keeper, set_up,
		    tear_down),
		cmocka_unit_test_setup_teardown(test_late, set_up,
		    tear_down),
		cmocka_unit_test_setup_teardown(test_gave_up, set_up,
		    tear_down),
		cmocka_unit_test_setup_teardown(test_mixed, set_up,
		    tear_down),
		cmocka_unit_test_setup_teardown(test_foreign, set_up,
		    tear_down),
		cmocka_unit_test_setup_teardown(test_cleared, set_up,
		    tear_down),
		cmocka_unit_test_setup_teardown(test_stampede, set_up,
		    tear_down),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
