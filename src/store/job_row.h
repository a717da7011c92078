/* job_row: the columns of a job, for jobs.c and joblist.c. */
#ifndef STORE_JOB_ROW_H
#define STORE_JOB_ROW_H

#include "store/jobs.h"
#include "store/run.h"

#define JOB_DETAIL_MAX	255	/* bytes */

void	 job_from_row(struct db_rows *, struct job *ret);

#endif
