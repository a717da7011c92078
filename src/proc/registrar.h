/* registrar: opens upstream accounts. */
#ifndef PROC_REGISTRAR_H
#define PROC_REGISTRAR_H

#include "proc/heritage.h"

_Noreturn void registrar_run(struct heritage *);

#endif
