/*
 * crashpoint: places where a test kills this process at once.
 *
 * Nothing is compiled in unless PLUGWAY_TESTING is defined.  Then the
 * environment variable PLUGWAY_TEST_CRASH chooses:
 *	"name"			SIGKILL at the first pass of that point
 *	"name:n"		at the n-th pass
 *	"stop:name:n"		SIGSTOP instead, as a host that is paused
 *	"random:0.01:seed"	at any point with this probability; the
 *				seed is mixed with the pid
 */
#ifndef PROVISION_CRASHPOINT_H
#define PROVISION_CRASHPOINT_H

#ifdef HAVE_CONFIG_H
#include "config.h"
#endif

#include <stdbool.h>
#include <stddef.h>

#ifdef PLUGWAY_TESTING
#define CRASHPOINT(name)	crashpoint_pass(name)
#else
#define CRASHPOINT(name)	((void)0)
#endif

/* Every name that is passed somewhere, for tests that go through all. */
const char *const *crashpoint_names(size_t *ret_n);
void	 crashpoint_pass(const char *name);

/* The parsed wish; public for the unit test. */
struct crash_wish {
	char		 name[48];	/* "" : none, or random */
	unsigned	 nth;		/* of a named point */
	bool		 stop;		/* not killed, only stopped */
	double		 probability;	/* of random, 0: not random */
	unsigned long	 seed;
};
/* NULL or malformed text: a wish that never fires, and -1. */
int	 crash_wish_parse(const char *, struct crash_wish *ret);

#endif
