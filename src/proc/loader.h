/*
 * loader: reads the configuration in a process of its own.
 *
 * Parsing leaves copies of secrets behind: in buffers, on the stack, in
 * the database library.  So a child does it, which ends; the master gets
 * the finished image in memory that no other child inherits.
 */
#ifndef PROC_LOADER_H
#define PROC_LOADER_H

#include <stdbool.h>
#include <stddef.h>

#include "base/buf.h"
#include "base/settings.h"

#define LOADER_ENV_MAX	(192u * 1024)

/* Memory of the master that no child inherits. */
struct strongroom {
	struct settings	*full;		/* SETTINGS_MAX bytes */
	struct settings	*scratch;	/* likewise: an image to hand on */
	char		*env;		/* LOADER_ENV_MAX bytes: NAME=value\0 */
	size_t		 env_len;
};

/* Maps it and takes a copy of the environment. */
void	 strongroom_init(struct strongroom *);

/*
 * Loads and checks; with check_db also connects to the database as each
 * role, looks at the schema and proves that the key ring opens what is
 * stored there.  0: room->full is the new image.  -1: faults has one line
 * per fault and room->full is as before.
 */
int	 loader_load(struct strongroom *, const char *file, bool check_db,
	    struct buf *faults) __attribute__((warn_unused_result));

#endif
