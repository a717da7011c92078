/*
 * ask: questions of workers to the keeper, through the mailboxes in the
 * scoreboard.
 *
 *	FREE -asker-> WANT -keeper-> FILLING -keeper-> DONE -asker-> FREE
 *	  any state -asker gives up-> FREE, and the next ticket
 *
 * Every step is a compare-and-swap of ticket and state together, so
 * nobody holds anything that dies with him.  What is copied may be
 * written by somebody else at the same time; a copy counts only when
 * the word still said the same afterwards (question) or when the seal
 * fits (answer).
 */
#include <assert.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/codec.h"
#include "base/shm.h"
#include "base/xmalloc.h"
#include "share/ask.h"
#include "share/askbox_private.h"

#define POKE_EVERY_MS	250

/* Both are whole words: see askbox.h. */
static void
words_store(void *to, const void *from, size_t size)
{
	uint64_t *d = to, w;
	size_t i;

	for (i = 0; i < size / sizeof(w); i++) {
		memcpy(&w, (const char *)from + i * sizeof(w), sizeof(w));
		__atomic_store_n(&d[i], w, __ATOMIC_RELAXED);
	}
}

static void
words_load(void *to, const void *from, size_t size)
{
	const uint64_t *s = from;
	uint64_t w;
	size_t i;

	for (i = 0; i < size / sizeof(w); i++) {
		w = __atomic_load_n(&s[i], __ATOMIC_RELAXED);
		memcpy((char *)to + i * sizeof(w), &w, sizeof(w));
	}
}

static bool
word_swap(struct ask_box *box, uint32_t old, uint32_t new)
{
	return __atomic_compare_exchange_n(&box->word, &old, new, false,
	    __ATOMIC_ACQ_REL, __ATOMIC_ACQUIRE);
}

uint32_t
box_new_ticket(struct ask_box *box)
{
	uint32_t old, ticket;

	do {
		old = __atomic_load_n(&box->word, __ATOMIC_ACQUIRE);
		/* shifted there and back: it wraps as the word does */
		ticket = box_ticket(box_word(box_ticket(old) + 1, BOX_FREE));
	} while (!word_swap(box, old, box_word(ticket, BOX_FREE)));
	/* what is written into the box comes behind the new ticket */
	__atomic_thread_fence(__ATOMIC_RELEASE);
	return ticket;
}

/* Not against malice: it tells whether a copy is one keeper's whole. */
static uint64_t
seal_of(uint32_t ticket, int status, const struct ask_answer *a)
{
	unsigned char key[16] = { 0 };
	uint32_t s = (uint32_t)status;

	memcpy(key, &ticket, sizeof(ticket));
	memcpy(key + 8, &s, sizeof(s));
	return siphash24(key, a, sizeof(*a));
}

static void
poke(int keeper_fd)
{
	const uint64_t one = 1;
	ssize_t n;

	/* full means that it was poked already */
	n = write(keeper_fd, &one, sizeof(one));
	(void)n;
}

/* 0 = the box is done, -1 = the time is over or the row was cleared. */
static int
box_wait(struct ask_box *box, uint32_t ticket, int keeper_fd,
    int64_t until_ms)
{
	uint32_t word;
	int64_t left_ms;

	for (;;) {
		word = __atomic_load_n(&box->word, __ATOMIC_ACQUIRE);
		if (word == box_word(ticket, BOX_DONE))
			return 0;
		if (box_ticket(word) != ticket)
			return -1;
		left_ms = until_ms - clock_mono_ms();
		if (left_ms <= 0)
			return -1;
		/* again now and then: a poke dies with the keeper that
		 * took it */
		if (box_state(word) == BOX_WANT)
			poke(keeper_fd);
		(void)shm_wait(&box->word, word, (int)(left_ms <
		    POKE_EVERY_MS ? left_ms : POKE_EVERY_MS));
	}
}

/* Whether the answer's content may be believed. */
static bool
answer_fits(const struct ask_question *q, const struct ask_answer *a)
{
	const struct tenant *t = &a->tenant;

	if (q->kind == ASK_REPAIR)
		return true;
	return (q->kind != ASK_TENANT || t->user_id == q->user_id) &&
	    t->state < TENANT_STATE_MAX &&
	    t->sealed_len <= BOOTKEY_SEALED_MAX &&
	    memchr(t->plugin_user_id, '\0', sizeof(t->plugin_user_id)) !=
	    NULL;
}

/* An ask_status, or ASK_TIMED_OUT when the copy is not one answer. */
static int
box_take(const struct ask_box *box, uint32_t ticket,
    const struct ask_question *q, struct ask_answer *ret)
{
	struct ask_answer copy;
	uint64_t seal;
	int status;

	words_load(&copy, &box->answer, sizeof(copy));
	status = __atomic_load_n(&box->status, __ATOMIC_RELAXED);
	seal = __atomic_load_n(&box->seal, __ATOMIC_RELAXED);
	if (seal != seal_of(ticket, status, &copy))
		return ASK_TIMED_OUT;
	if (status < ASK_OK || status > ASK_UNAVAILABLE)
		return ASK_TIMED_OUT;
	if (status == ASK_OK && !answer_fits(q, &copy))
		return ASK_TIMED_OUT;
	if (status == ASK_OK && ret != NULL)
		*ret = copy;
	return status;
}

static int
ask(struct score *self, int keeper_fd, const struct ask_question *q,
    int timeout_ms, struct ask_answer *ret)
{
	struct ask_box *box = &self->ask;
	int64_t until_ms = clock_mono_ms() + timeout_ms;
	int status = ASK_TIMED_OUT;
	uint32_t ticket;

	do {
		ticket = box_new_ticket(box);
		words_store(&box->question, q, sizeof(*q));
		if (!word_swap(box, box_word(ticket, BOX_FREE),
		    box_word(ticket, BOX_WANT)))
			break;
		if (box_wait(box, ticket, keeper_fd, until_ms) == -1)
			break;
		status = box_take(box, ticket, q, ret);
	} while (status == ASK_TIMED_OUT);
	(void)box_new_ticket(box);
	return status;
}

int
ask_tenant(struct score *self, int keeper_fd, uint64_t user_id,
    int timeout_ms, struct ask_answer *ret)
{
	const struct ask_question q = {
		.kind = ASK_TENANT, .user_id = user_id
	};

	return ask(self, keeper_fd, &q, timeout_ms, ret);
}

int
ask_apikey(struct score *self, int keeper_fd,
    const unsigned char hash[ASK_HASH_LEN], int timeout_ms,
    struct ask_answer *ret)
{
	struct ask_question q = { .kind = ASK_APIKEY };

	memcpy(q.hash, hash, sizeof(q.hash));
	return ask(self, keeper_fd, &q, timeout_ms, ret);
}

int
ask_repair(struct score *self, int keeper_fd, uint64_t user_id,
    uint32_t key_gen, int timeout_ms)
{
	const struct ask_question q = {
		.kind = ASK_REPAIR, .user_id = user_id, .key_gen = key_gen
	};

	return ask(self, keeper_fd, &q, timeout_ms, NULL);
}

/* A question that the keeper has taken up. */
struct taken {
	struct ask_question	 question;
	struct ask_box		*box;
	uint32_t		 ticket;
};

static size_t
count_open(struct scoreboard *sb)
{
	size_t i, n = 0;

	for (i = 0; i < scoreboard_rows(sb); i++)
		n += box_state(__atomic_load_n(&scoreboard_row(sb,
		    i)->ask.word, __ATOMIC_RELAXED)) == BOX_WANT;
	return n;
}

/* Takes up one question; false when there is none, or no more. */
static bool
take_up(struct ask_box *box, struct taken *ret)
{
	uint32_t word = __atomic_load_n(&box->word, __ATOMIC_ACQUIRE);

	if (box_state(word) != BOX_WANT)
		return false;
	ret->box = box;
	ret->ticket = box_ticket(word);
	words_load(&ret->question, &box->question, sizeof(ret->question));
	/* the swap sees a new ticket if any word was of a new question */
	__atomic_thread_fence(__ATOMIC_ACQUIRE);
	return word_swap(box, word, box_word(ret->ticket, BOX_FILLING));
}

static bool
still_waits(const struct taken *t)
{
	return __atomic_load_n(&t->box->word, __ATOMIC_ACQUIRE) ==
	    box_word(t->ticket, BOX_FILLING);
}

static bool
box_fill(const struct taken *t, int status, const struct ask_answer *a)
{
	if (!still_waits(t))
		return false;
	words_store(&t->box->answer, a, sizeof(*a));
	__atomic_store_n(&t->box->status, status, __ATOMIC_RELAXED);
	__atomic_store_n(&t->box->seal, seal_of(t->ticket, status, a),
	    __ATOMIC_RELAXED);
	if (!word_swap(t->box, box_word(t->ticket, BOX_FILLING),
	    box_word(t->ticket, BOX_DONE)))
		return false;
	shm_wake(&t->box->word);
	return true;
}

static int
by_question(const void *a, const void *b)
{
	return memcmp(&((const struct taken *)a)->question,
	    &((const struct taken *)b)->question,
	    sizeof(struct ask_question));
}

/* n of them ask the same: one answer for all who still wait. */
static unsigned
serve_group(const struct taken *t, size_t n,
    int (*answer)(void *, const struct ask_question *, struct ask_answer *),
    void *arg)
{
	struct ask_answer a;
	unsigned filled = 0;
	size_t i;
	int status;

	for (i = 0; i < n && !still_waits(&t[i]); i++)
		continue;
	if (i == n)
		return 0;
	memset(&a, 0, sizeof(a));
	status = answer(arg, &t->question, &a);
	for (i = 0; i < n; i++)
		filled += box_fill(&t[i], status, &a);
	return filled;
}

unsigned
ask_serve(struct scoreboard *sb,
    int (*answer)(void *, const struct ask_question *, struct ask_answer *),
    void *arg)
{
	size_t i, max = count_open(sb), n = 0, end;
	struct taken *taken;
	unsigned served = 0;

	if (max == 0)
		return 0;
	taken = xcalloc(max, sizeof(*taken));
	for (i = 0; i < scoreboard_rows(sb) && n < max; i++)
		n += take_up(&scoreboard_row(sb, i)->ask, &taken[n]);
	qsort(taken, n, sizeof(*taken), by_question);
	for (i = 0; i < n; i = end) {
		for (end = i + 1; end < n; end++)
			if (by_question(&taken[i], &taken[end]) != 0)
				break;
		served += serve_group(&taken[i], end - i, answer, arg);
	}
	free(taken);
	return served;
}

void
ask_requeue(struct scoreboard *sb)
{
	struct ask_box *box;
	uint32_t word;
	size_t i;

	for (i = 0; i < scoreboard_rows(sb); i++) {
		box = &scoreboard_row(sb, i)->ask;
		word = __atomic_load_n(&box->word, __ATOMIC_ACQUIRE);
		if (box_state(word) == BOX_FILLING)
			(void)word_swap(box, word,
			    box_word(box_ticket(word), BOX_WANT));
	}
}
