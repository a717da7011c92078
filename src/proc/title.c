/*
 * title: writes over the argument vector.
 */
#include <sys/prctl.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/secret.h"
#include "base/xmalloc.h"
#include "proc/title.h"

extern char **environ;

static char *area;
static size_t area_len;

/* Names that libraries and helpers look at and that hold no secret. */
static const char *const kept[] = { "PATH", "TZ", "LANG", "HOME",
    "ASAN_OPTIONS", "UBSAN_OPTIONS", "LSAN_OPTIONS",
    "PLUGWAY_TEST_CRASH" };

void
title_init(int argc, char **argv)
{
	size_t n = sizeof(kept) / sizeof(kept[0]), i, k = 0;
	char **env = xcalloc(n + 1, sizeof(*env));
	char *end = argv[0];
	int a;

	for (i = 0; i < n; i++) {
		const char *value = getenv(kept[i]);

		if (value != NULL)
			env[k++] = xasprintf("%s=%s", kept[i], value);
	}
	/* The strings lie one behind the other, arguments first. */
	for (a = 0; a < argc; a++)
		if (argv[a] == end)
			end += strlen(argv[a]) + 1;
	for (i = 0; environ[i] != NULL; i++) {
		if (environ[i] == end)
			end += strlen(environ[i]) + 1;
		else
			wipe(environ[i], strlen(environ[i]));
	}
	area = argv[0];
	area_len = (size_t)(end - area);
	wipe(area, area_len);
	environ = env;
}

void
title_set(const char *role, const char *doing)
{
	if (area_len < 2)
		return;
	memset(area, 0, area_len);
	(void)snprintf(area, area_len, "plugwayd: %s%s%s%s", role,
	    *doing != '\0' ? " (" : "", doing, *doing != '\0' ? ")" : "");
	(void)prctl(PR_SET_NAME, "plugwayd");
}
