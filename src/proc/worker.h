/* worker: serves requests. */
#ifndef PROC_WORKER_H
#define PROC_WORKER_H

#include "proc/heritage.h"

_Noreturn void worker_run(struct heritage *);

#endif
