/*
 * control: how plugwayctl finds the master.
 */
#ifndef PROC_CONTROL_H
#define PROC_CONTROL_H

#include "base/settings.h"

/* The path of the control socket by this configuration; malloced. */
char	*control_path_of(const struct settings *);

#endif
