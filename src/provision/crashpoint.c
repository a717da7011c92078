/*
 * crashpoint: named places where a test kills the process.
 *
 * The proof that no crash ever loses or doubles an account goes through
 * every name below, so a name that is not in the list is a programmer's
 * error.  Without PLUGWAY_TESTING nothing here is called.
 */
#include "provision/crashpoint.h"

#include <assert.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/codec.h"

/* In the order in which a run passes them. */
static const char *const names[] = {
	/* registration.c, create.c */
	"candidates-read",
	"claim-done",
	"user-checked",
	"lease-checked",
	"intent-written",
	"create-answered",
	"create-judged",
	"create-sealed",
	"failure-before-release",
	"failure-after-release",
	/* bind.c */
	"bind-before",
	"bind-unknown",
	"bind-done",
	"bind-fenced",
	"bind-told",
	/* repair.c */
	"rekey-intent-written",
	"rekey-answered",
	"rekey-sealed",
	"rekey-gone",
	"rekey-turned",
	"rekey-before-status",
	"status-before-call",
	"status-called",
	"status-done",
	/* sweeper.c */
	"sweep-leading",
	"sweep-listed",
	"sweep-orphan-seen",
	"sweep-before-disable",
	"sweep-disabled",
	"sweep-disable-noted",
	"sweep-before-delete",
	"sweep-deleted",
	"sweep-delete-noted",
	"sweep-done",
};

const char *const *
crashpoint_names(size_t *ret_n)
{
	*ret_n = sizeof(names) / sizeof(names[0]);
	return names;
}

static int
parse_random(const char *text, struct crash_wish *ret)
{
	char		*end;
	double		 p;
	unsigned long	 seed;

	p = strtod(text, &end);
	if (end == text || *end != ':' || !(p > 0.0) || p > 1.0)
		return -1;
	text = end + 1;
	seed = strtoul(text, &end, 10);
	if (end == text || *end != '\0')
		return -1;
	ret->probability = p;
	ret->seed = seed;
	return 0;
}

int
crash_wish_parse(const char *text, struct crash_wish *ret)
{
	const char	*colon;
	size_t		 len;
	int64_t		 nth = 1;
	bool		 stop;

	memset(ret, 0, sizeof(*ret));
	if (text == NULL || *text == '\0')
		return -1;
	if (strncmp(text, "random:", 7) == 0)
		return parse_random(text + 7, ret);
	stop = strncmp(text, "stop:", 5) == 0;
	if (stop)
		text += 5;
	colon = strchr(text, ':');
	len = colon == NULL ? strlen(text) : (size_t)(colon - text);
	if (len == 0 || len >= sizeof(ret->name))
		return -1;
	if (colon != NULL && parse_int(colon + 1, 1, 1000000, &nth) == -1)
		return -1;
	memcpy(ret->name, text, len);
	ret->nth = (unsigned)nth;
	ret->stop = stop;
	return 0;
}

#ifdef PLUGWAY_TESTING
static struct crash_wish wish;
static pid_t		 wish_pid;
static unsigned		 passes;
static unsigned short	 random_state[3];

static void
learn_wish(void)
{
	unsigned long	 seed;

	wish_pid = getpid();
	passes = 0;
	(void)crash_wish_parse(getenv("PLUGWAY_TEST_CRASH"), &wish);
	seed = wish.seed ^ (unsigned long)wish_pid;
	random_state[0] = (unsigned short)seed;
	random_state[1] = (unsigned short)(seed >> 16);
	random_state[2] = (unsigned short)wish_pid;
}
#endif

void
crashpoint_pass(const char *name)
{
	size_t	 i, n = sizeof(names) / sizeof(names[0]);

	for (i = 0; i < n && strcmp(names[i], name) != 0; i++)
		;
	assert(i < n);
#ifdef PLUGWAY_TESTING
	if (wish_pid != getpid())
		learn_wish();
	if (wish.probability > 0.0) {
		if (erand48(random_state) < wish.probability)
			(void)kill(wish_pid, SIGKILL);
	} else if (wish.nth > 0 && strcmp(wish.name, name) == 0 &&
	    ++passes == wish.nth) {
		(void)kill(wish_pid, wish.stop ? SIGSTOP : SIGKILL);
	}
#endif
}
