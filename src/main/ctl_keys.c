/*
 * ctl_keys: stored keys and the key ring.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "api/settings.h"
#include "base/secret.h"
#include "base/xmalloc.h"
#include "main/ctl.h"
#include "provision/installation.h"
#include "store/audit.h"
#include "store/jobs.h"
#include "store/pluginkeys.h"
#include "vault/keyring.h"

#define PAGE		200
#define WHY_MAX		4096
#define CANARY		"fernet_canary"

/* One stored key, copied, so that it can be written while none is
 * being read. */
struct row {
	struct pluginkey key;
	char		*token, *mac;
};
struct page {
	struct row	 row[PAGE];
	size_t		 n;
};

static void
add_row(void *arg, const struct pluginkey *key, const char *token,
    const char *mac)
{
	struct page *p = arg;

	p->row[p->n++] = (struct row){ *key, xstrdup(token), xstrdup(mac) };
}

static void
page_free(struct page *p)
{
	while (p->n > 0) {
		p->n--;
		free(p->row[p->n].token);
		free(p->row[p->n].mac);
	}
}

struct walk {
	struct ctl	*c;
	struct keyring	*ring;
	uint64_t	 rows, bad, resealed, raced;
	uint64_t	 by_key[KEYRING_MAX];
	/* What to do with a row that opens with the index-th key. */
	int		(*each)(struct walk *, const struct row *,
			    const unsigned char *plain, size_t len,
			    size_t index);
	bool		 report;
};

static void
report_bad(struct walk *w, const struct row *r, ssize_t why)
{
	struct buf *b = &w->c->out;

	w->bad++;
	if (!w->report)
		return;
	buf_printf(b, "%s{\"user_id\":%llu,\"key_gen\":%u,"
	    "\"plugin_user_id\":", b->len > 1 ? "," : "",
	    (unsigned long long)r->key.user_id, r->key.key_gen);
	buf_json_cstr(b, r->key.plugin_user_id);
	buf_printf(b, ",\"fault\":\"%s\"}", why == KEYRING_WRONG_ROW ?
	    "does_not_belong_to_this_row" : "no_key_opens_it");
}

static int
walk_row(struct walk *w, const struct row *r)
{
	const struct binding binding = { r->key.user_id,
	    r->key.plugin_user_id, r->key.key_gen };
	unsigned char plain[FERNET_PLAIN_MAX];
	size_t index = 0;
	ssize_t n;
	int rc = 0;

	w->rows++;
	n = keyring_open(w->ring, &binding, r->token, strlen(r->token),
	    r->mac, plain, &index);
	if (n < 0)
		report_bad(w, r, n);
	else {
		w->by_key[index]++;
		if (w->each != NULL)
			rc = w->each(w, r, plain, (size_t)n, index);
	}
	wipe(plain, sizeof(plain));
	return rc;
}

static int
walk(struct walk *w)
{
	static struct page page;
	struct buf why = BUF_INIT(WHY_MAX);
	uint64_t after = 0;
	size_t i, n;
	int rc = 0;

	w->ring = keyring_parse(settings_str(w->c->settings,
	    SET_PLUGIN_API_ENCRYPTION_KEY), &why);
	if (w->ring == NULL)
		return ctl_fail("%s", buf_str(&why));
	do {
		if (pluginkey_scan(w->c->db, after, PAGE, add_row,
		    &page) != 0)
			rc = ctl_db_failed(w->c, "keys");
		n = page.n;
		for (i = 0; rc == 0 && i < n; i++) {
			rc = walk_row(w, &page.row[i]);
			after = page.row[i].key.user_id;
		}
		page_free(&page);
	} while (rc == 0 && n == PAGE);
	return rc;
}

int
ctl_keys_audit(struct ctl *c)
{
	struct walk w = { .c = c, .report = true };
	int rc;

	buf_puts(&c->out, "[");
	rc = walk(&w);
	buf_puts(&c->out, "]");
	keyring_free(&w.ring);
	if (rc != 0)
		return rc;
	return w.bad == 0 ? 0 : ctl_fail("%llu of %llu stored keys cannot be "
	    "used", (unsigned long long)w.bad, (unsigned long long)w.rows);
}

static void
status_row(struct buf *b, const char *key, uint64_t rows)
{
	buf_printf(b, "%s{\"key\":\"%s\",\"rows\":%llu}",
	    b->len > 1 ? "," : "", key, (unsigned long long)rows);
}

int
ctl_keys_status(struct ctl *c)
{
	struct walk w = { .c = c };
	int rc = walk(&w);
	size_t i;

	if (rc == 0) {
		buf_puts(&c->out, "[");
		for (i = 0; i < keyring_count(w.ring); i++)
			status_row(&c->out, keyring_id(w.ring, i),
			    w.by_key[i]);
		status_row(&c->out, "none", w.bad);
		buf_puts(&c->out, "]");
	}
	keyring_free(&w.ring);
	return rc;
}

/* Writes only if the row still holds the old token: a key that changed
 * meanwhile was sealed under the newest key already. */
static int
reseal(struct walk *w, const struct row *r, const unsigned char *plain,
    size_t len, size_t index)
{
	const struct binding binding = { r->key.user_id,
	    r->key.plugin_user_id, r->key.key_gen };
	struct buf token = BUF_INIT(FERNET_TOKEN_MAX);
	char mac[BIND_MAC_TEXT_LEN + 1];
	int rc = 0;

	if (index == 0 && r->key.key_id[0] != '\0')
		return 0;
	if (keyring_seal(w->ring, &binding, plain, len, &token, mac) != 0)
		return ctl_fail("a key could not be sealed");
	switch (pluginkey_reseal(w->c->db, r->key.user_id, r->token,
	    buf_str(&token), mac, keyring_id(w->ring, 0))) {
	case 1:
		w->resealed++;
		break;
	case 0:
		w->raced++;
		break;
	default:
		rc = ctl_db_failed(w->c, "keys");
	}
	buf_free(&token);
	return rc;
}

/* Told even when rows are left: some were written. */
static int
note_reencryption(struct walk *w)
{
	char detail[128];

	(void)snprintf(detail, sizeof(detail), "{\"key\":\"%s\","
	    "\"resealed\":%llu,\"left\":%llu}", keyring_id(w->ring, 0),
	    (unsigned long long)w->resealed, (unsigned long long)w->bad);
	return audit_note_alone(w->c->db, AUDIT_KEYS_REENCRYPT, "keys",
	    detail) == 0 ? 0 : ctl_db_failed(w->c, "audit");
}

int
ctl_keys_reencrypt(struct ctl *c)
{
	struct walk w = { .c = c, .each = reseal };
	struct buf why = BUF_INIT(WHY_MAX);
	struct buf canary = BUF_INIT(FERNET_TOKEN_MAX);
	int rc = walk(&w);

	if (rc == 0 && installation_reseal(c->db, w.ring, &why) < 0)
		rc = ctl_fail("%s", buf_str(&why));
	if (rc == 0 && (keyring_canary_make(w.ring, &canary) != 0 ||
	    meta_put(c->db, CANARY, buf_str(&canary)) != 0))
		rc = ctl_db_failed(c, "canary");
	if (w.resealed > 0 && note_reencryption(&w) != 0)
		rc = 1;
	keyring_free(&w.ring);
	buf_free(&canary);
	buf_free(&why);
	if (rc != 0)
		return rc;
	buf_printf(&c->out, "{\"ok\":%s,\"rows\":%llu,\"resealed\":%llu,"
	    "\"changed_meanwhile\":%llu,\"left\":%llu}",
	    w.bad == 0 ? "true" : "false", (unsigned long long)w.rows,
	    (unsigned long long)w.resealed, (unsigned long long)w.raced,
	    (unsigned long long)w.bad);
	return w.bad == 0 ? 0 : 1;
}

int
ctl_keys_rekey(struct ctl *c)
{
	struct user user;
	int queued;

	if (ctl_user(c, 0, &user) != 0)
		return 1;
	queued = job_operator_rekey(c->db, user.id);
	if (queued < 0)
		return ctl_db_failed(c, "registrations");
	ctl_poke(c);
	return ctl_done(c, queued ? "a new key is being issued for user %llu" :
	    "a new key is already being issued for user %llu",
	    (unsigned long long)user.id);
}

int
ctl_keys_revoke(struct ctl *c)
{
	struct user user;
	int rc;

	if (ctl_user(c, 0, &user) != 0)
		return 1;
	rc = pluginkey_set_active(c->db, user.id, false);
	if (rc < 0)
		return ctl_db_failed(c, "keys");
	if (rc == 0)
		return ctl_fail("user %llu has no key",
		    (unsigned long long)user.id);
	ctl_poke(c);
	return ctl_done(c, "the key of user %llu is refused until rekey",
	    (unsigned long long)user.id);
}
