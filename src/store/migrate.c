/*
 * migrate: brings the schema up to date.
 *
 * DDL commits by itself, so a file that was cut short is run again from
 * its beginning; files are written for that.  A lease row in a table of
 * its own lets one run at a time work.  Called by plugwayctl only.
 */
#include <dirent.h>
#include <errno.h>
#include <gcrypt.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/codec.h"
#include "base/xmalloc.h"
#include "store/db_private.h"
#include "store/migrate.h"
#include "store/run.h"
#include "store/sqlsplit.h"

#define LEASE_S		600	/* renewed before each statement */
#define FILE_MAX	(4u << 20)
#define WAIT_TRIES	6000	/* times db_jitter: about ten minutes */

struct run {
	struct db	*db;
	const char	*dir;
	void		(*say)(void *, const char *);
	void		*arg;
	struct buf	*why;
	char		 owner[32];
};

static int
db_failed(struct run *r, const char *doing)
{
	buf_printf(r->why, "%s: %s", doing, db_fault_text(r->db));
	return -1;
}

/* NNNN_name.sql */
static int
is_migration(const struct dirent *e)
{
	const char *s = e->d_name;
	size_t len = strlen(s);

	return len > 9 && strspn(s, "0123456789") == 4 && s[4] == '_' &&
	    strcmp(s + len - 4, ".sql") == 0 && len < 190;
}

static int
read_file(struct run *r, const char *name, struct buf *ret)
{
	char *path = xasprintf("%s/%s", r->dir, name), chunk[8192];
	FILE *fp = fopen(path, "re");
	size_t n;
	int rc = 0;

	if (fp == NULL) {
		buf_printf(r->why, "%s: %s", path, strerror(errno));
		free(path);
		return -1;
	}
	while (rc == 0 && (n = fread(chunk, 1, sizeof(chunk), fp)) > 0)
		rc = buf_append(ret, chunk, n);
	if (rc == -1 || ferror(fp)) {
		buf_printf(r->why, "%s: cannot be read, or is larger than"
		    " 4 MiB", path);
		rc = -1;
	}
	(void)fclose(fp);
	free(path);
	return rc;
}

static void
sha256_hex(const struct buf *text, char ret[65])
{
	unsigned char hash[32];

	gcry_md_hash_buffer(GCRY_MD_SHA256, hash, buf_str(text), text->len);
	hex_encode(hash, sizeof(hash), ret);
}

/* 1 = ours, 0 = somebody else's, -1 */
static int
take_lease(struct run *r)
{
	return db_exec(r->db, STMT_MIGRATION_LEASE_TAKE, A_STR(r->owner),
	    A_U64(LEASE_S), A_STR(r->owner));
}

static int
wait_for_lease(struct run *r)
{
	for (int i = 0; i < WAIT_TRIES; i++) {
		int rc = take_lease(r);

		if (rc == -1)
			return db_failed(r, "taking the lease");
		if (rc == 1)
			return 0;
		if (i == 0)
			r->say(r->arg, "another run is at work; waiting");
		db_jitter();
	}
	buf_puts(r->why, "another run holds the lease for too long");
	return -1;
}

/* 1 = it ran already, 0 = not yet, -1 = it was another text. */
static int
has_run(struct run *r, unsigned version, const char *name, const char *sha)
{
	struct db_rows rows = DB_ROWS_INIT;
	int rc = db_select(r->db, &rows, STMT_MIGRATION_LIST);

	if (rc == -1) {
		(void)rows_end(r->db, &rows, -1);
		return db_failed(r, "reading schema_migrations");
	}
	while (rc == 0 && rows_next(&rows)) {
		if (rows_u64(&rows, 0) != version)
			continue;
		rc = 1;
		if (strcmp(rows_text(&rows, 2), sha) != 0) {
			buf_printf(r->why, "%s is not the text that ran as"
			    " version %u on this database", name, version);
			rc = -1;
		}
	}
	return rows_end(r->db, &rows, rc);
}

static int
run_statements(struct run *r, const char *name, const struct buf *text)
{
	const char *pos = buf_str(text), *end = pos + text->len, *sql;
	unsigned n = 0;
	size_t len;

	while ((sql = sqlsplit_next(&pos, end, &len)) != NULL) {
		n++;
		if (take_lease(r) != 1)
			return db_failed(r, "keeping the lease");
		if (db_migration_text(r->db, sql, len) == -1) {
			buf_printf(r->why, "%s, statement %u: %s", name, n,
			    db_fault_text(r->db));
			return -1;
		}
	}
	if (len != 0) {
		buf_printf(r->why, "%s: a string or comment is not closed",
		    name);
		return -1;
	}
	return 0;
}

/* 1 = ran, 0 = had run, -1 */
static int
run_file(struct run *r, const char *name)
{
	struct buf text = BUF_INIT(FILE_MAX);
	unsigned version = (unsigned)strtoul(name, NULL, 10);
	char sha[65], *line;
	int rc = -1;

	if (read_file(r, name, &text) == -1)
		goto out;
	sha256_hex(&text, sha);
	rc = has_run(r, version, name, sha);
	if (rc != 0) {
		rc = rc == 1 ? 0 : -1;
		goto out;
	}
	rc = run_statements(r, name, &text);
	if (rc == -1)
		goto out;
	rc = db_exec(r->db, STMT_MIGRATION_DONE, A_U64(version),
	    A_STR(name), A_STR(sha));
	if (rc == -1) {
		(void)db_failed(r, "recording the migration");
		goto out;
	}
	line = xasprintf("ran %s", name);
	r->say(r->arg, line);
	free(line);
out:
	buf_free(&text);
	return rc;
}

static int
run_files(struct run *r, struct dirent **files, int n)
{
	int ran = 0;

	for (int i = 0; i < n; i++) {
		int rc;

		if (i > 0 && strncmp(files[i]->d_name,
		    files[i - 1]->d_name, 4) == 0) {
			buf_printf(r->why, "two files with the number %.4s",
			    files[i]->d_name);
			return -1;
		}
		rc = run_file(r, files[i]->d_name);
		if (rc == -1)
			return -1;
		ran += rc;
	}
	return ran;
}

static int
prepare_tables(struct run *r)
{
	static const enum stmt_id steps[] = {
		STMT_MIGRATIONS_MAKE, STMT_MIGRATION_LEASE_MAKE,
		STMT_MIGRATION_LEASE_ADD,
	};

	for (size_t i = 0; i < sizeof(steps) / sizeof(steps[0]); i++)
		if (db_exec(r->db, steps[i]) == -1)
			return db_failed(r, "preparing the database");
	return 0;
}

int
migrate_run(struct db *db, const char *sql_dir,
    void (*say)(void *, const char *), void *arg, struct buf *why)
{
	struct run r = { .db = db, .dir = sql_dir, .say = say, .arg = arg,
	    .why = why };
	struct dirent **files = NULL;
	int n, ran = -1;

	n = scandir(sql_dir, &files, is_migration, alphasort);
	if (n <= 0) {
		buf_printf(why, "%s: %s", sql_dir, n == 0 ?
		    "no migration files" : strerror(errno));
		free(files);
		return -1;
	}
	(void)gcry_check_version(NULL);
	random_token(15, r.owner);
	if (prepare_tables(&r) == 0 && wait_for_lease(&r) == 0) {
		ran = run_files(&r, files, n);
		if (db_exec(db, STMT_MIGRATION_LEASE_DROP,
		    A_STR(r.owner)) == -1 && ran != -1)
			ran = db_failed(&r, "giving the lease back");
	}
	for (int i = 0; i < n; i++)
		free(files[i]);
	free(files);
	return ran;
}
