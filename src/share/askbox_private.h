/* What ask.c and scoreboard.c share about a mailbox. */
#ifndef SHARE_ASKBOX_PRIVATE_H
#define SHARE_ASKBOX_PRIVATE_H

#include "share/askbox.h"

/* The states of ask_box.word; the ticket is above them. */
enum ask_state { BOX_FREE, BOX_WANT, BOX_FILLING, BOX_DONE };
#define BOX_STATE_BITS	3

static inline uint32_t
box_word(uint32_t ticket, enum ask_state state)
{
	return ticket << BOX_STATE_BITS | (uint32_t)state;
}

static inline uint32_t
box_ticket(uint32_t word)
{
	return word >> BOX_STATE_BITS;
}

static inline enum ask_state
box_state(uint32_t word)
{
	return (enum ask_state)(word & ((1u << BOX_STATE_BITS) - 1));
}

/* A new ticket, state free: nothing that is under way fits any more. */
uint32_t box_new_ticket(struct ask_box *);

#endif
