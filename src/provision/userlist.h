/*
 * userlist: the upstream's user list, read while it arrives.
 *
 * {"success":true,"data":[{"user_id","name","status","created_at",...}]}
 * of any length is checked and split in constant memory.  The entries
 * are told before the end is known, so a caller must do nothing it
 * could regret before userlist_end() said that the list was whole.
 */
#ifndef PROVISION_USERLIST_H
#define PROVISION_USERLIST_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/buf.h"
#include "base/jsonscan.h"

#define USERLIST_ENTRY_MAX	8192	/* bytes of one entry's text */
#define USERLIST_ID_MAX		64
#define USERLIST_NAME_MAX	256

struct userlist_entry {
	char	 user_id[USERLIST_ID_MAX + 1];
	char	 name[USERLIST_NAME_MAX + 1];	/* "" when null or cut */
	size_t	 name_len;
	int	 status;			/* 0, 1; -1: anything else */
	char	 created_at[40];		/* "" when absent */
};

struct userlist {
	/* Returns 0 to go on. */
	int		(*each)(void *, const struct userlist_entry *);
	void		*arg;
	uint64_t	 n_entries;
	uint64_t	 n_skipped;	/* too long, or without a usable id */
	bool		 failed;
	bool		 stopped;	/* each() said so */

	/* private */
	struct jsonscan	 scan;
	struct buf	 entry;
	unsigned	 depth;
	bool		 in_string, escaped, in_data, saw_data, key_next;
	bool		 entry_cut;
	char		 key[8];
	size_t		 key_len;
};

void	 userlist_init(struct userlist *,
	    int (*each)(void *, const struct userlist_entry *), void *arg);
/* 0, or -1: not such a list, or stopped. */
int	 userlist_feed(struct userlist *, const char *, size_t);
/* 0 = it was one whole, well-formed list. */
int	 userlist_end(struct userlist *);
void	 userlist_free(struct userlist *);

#endif
