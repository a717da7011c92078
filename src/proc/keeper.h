/* keeper: opens stored keys for the workers. */
#ifndef PROC_KEEPER_H
#define PROC_KEEPER_H

#include "proc/heritage.h"

_Noreturn void keeper_run(struct heritage *);

#endif
