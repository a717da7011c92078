/*
 * transaction: begin, commit, roll back, and running the whole again.
 *
 * A transaction that lost its connection or was chosen as the victim of
 * a deadlock can only end; db_transaction() then runs its body anew.
 * A commit whose answer was lost is told apart: it may have happened.
 */
#include <assert.h>
#include <errno.h>
#include <mysqld_error.h>
#include <string.h>
#include <time.h>

#include "base/clock.h"
#include "base/codec.h"
#include "store/db_private.h"
#include "store/run.h"

#define TRANSACTION_TRIES	5

int
db_begin(struct db *db)
{
	assert(!db->in_transaction);
	if (db_ready(db) == -1 || db_text(db, STMT_BEGIN) == -1)
		return -1;
	db->in_transaction = true;
	return 0;
}

int
db_commit(struct db *db)
{
	assert(db->in_transaction);
	db_assert_owner(db);
	if (db->broken) {
		db_rollback(db);
		return -1;
	}
	db->in_transaction = false;
	if (db_text(db, STMT_COMMIT) == 0)
		return 0;
	/* A server that refused says so; one that fell silent may have
	 * committed. */
	if (db->my == NULL && db->fault == DB_GONE &&
	    db->code != ER_UNKNOWN_COM_ERROR)	/* 1047: it refused */
		db->fault = DB_UNKNOWN_COMMIT;
	else if (db->my != NULL)
		db_disconnect(db);
	return -1;
}

void
db_rollback(struct db *db)
{
	enum db_fault fault = db->fault;
	unsigned code = db->code;
	char text[sizeof(db->text)];

	db_assert_owner(db);
	if (!db->in_transaction)
		return;
	db->in_transaction = false;
	db->broken = false;
	if (db->my == NULL)
		return;
	/* Why we roll back is what the caller wants to know. */
	memcpy(text, db->text, sizeof(text));
	if (db_text(db, STMT_ROLLBACK) == -1)
		db_disconnect(db);
	db->fault = fault;
	db->code = code;
	memcpy(db->text, text, sizeof(text));
}

void
db_jitter(void)
{
	uint32_t r;
	struct timespec ts = { 0 };

	random_bytes(&r, sizeof(r));
	ts.tv_nsec = (20 + (long)(r % 181)) * 1000000;
	while (nanosleep(&ts, &ts) == -1 && errno == EINTR)
		continue;
}

static int
transaction_once(struct db *db, int (*body)(struct db *, void *), void *arg)
{
	int rc;

	if (db_begin(db) == -1)
		return -1;
	rc = body(db, arg);
	if (rc == 0)
		return db_commit(db);
	db_rollback(db);
	return rc;
}

static int
transaction(struct db *db, int (*body)(struct db *, void *), void *arg,
    bool again)
{
	int64_t start_ms = clock_mono_ms();
	int rc;

	for (int i = 1;; i++) {
		rc = transaction_once(db, body, arg);
		if (rc != -1 || i == TRANSACTION_TRIES)
			return rc;
		if (db->fault != DB_RETRY && db->fault != DB_GONE &&
		    !(again && db->fault == DB_UNKNOWN_COMMIT))
			return rc;
		/* A dead database costs a time-out for each try. */
		if (db->fault == DB_GONE && db->my == NULL &&
		    clock_mono_ms() - start_ms > db->timeout_ms)
			return rc;
		db_jitter();
	}
}

int
db_transaction(struct db *db, int (*body)(struct db *, void *), void *arg)
{
	return transaction(db, body, arg, false);
}

int
db_transaction_again(struct db *db, int (*body)(struct db *, void *),
    void *arg)
{
	return transaction(db, body, arg, true);
}

/* A plain server may not know the variable. */
static int
sync_reads(struct db *db, enum stmt_id on_or_off)
{
	if (db_text(db, on_or_off) == 0)
		return 0;
	return db->my != NULL &&
	    mysql_errno(db->my) == ER_UNKNOWN_SYSTEM_VARIABLE ? 0 : -1;
}

static int
decide_once(struct db *db, int (*body)(struct db *, void *), void *arg)
{
	int rc = -1;

	if (db_ready(db) == -1 || sync_reads(db, STMT_SYNC_ON) == -1)
		return -1;
	if (db_begin(db) == 0) {
		rc = body(db, arg);
		db_rollback(db);
	}
	/* A connection that could not be set back is not kept. */
	if (db->my != NULL && sync_reads(db, STMT_SYNC_OFF) == -1)
		db_disconnect(db);
	return rc;
}

int
db_decide(struct db *db, int (*body)(struct db *, void *), void *arg)
{
	int rc;

	for (int i = 1;; i++) {
		rc = decide_once(db, body, arg);
		if (rc != -1 || i == TRANSACTION_TRIES ||
		    (db->fault != DB_RETRY && db->fault != DB_GONE))
			return rc;
		db_jitter();
	}
}
