/*
 * title: what ps shows, and a clean environment.
 */
#ifndef PROC_TITLE_H
#define PROC_TITLE_H

/*
 * Takes over the memory of argv and the environment: overwrites it, so
 * that /proc/PID/environ shows nothing of what was handed over, and
 * leaves a small environment of harmless names.  Call once, when the
 * environment was read.
 */
void	 title_init(int argc, char **argv);
/* "plugwayd: worker" */
void	 title_set(const char *role, const char *doing);

#endif
