/*
 * ctl_registrations: jobs, adoption, sweep.
 */
#include <stdlib.h>
#include <string.h>

#include "api/settings.h"
#include "api/views.h"
#include "base/codec.h"
#include "base/secret.h"
#include "main/ctl.h"
#include "net/httpc.h"
#include "provision/installation.h"
#include "provision/sweeper.h"
#include "store/jobs.h"
#include "store/pluginkeys.h"
#include "vault/keyring.h"

#define PAGE		500
#define WHY_MAX		4096
#define CALL_MS		30000

struct listing {
	struct buf	*out;
	uint64_t	 last;
	unsigned	 n;
};

static void
view_job(struct buf *b, const struct job *j)
{
	buf_printf(b, "{\"id\":%llu,\"user_id\":%llu,\"kind\":\"%s\","
	    "\"state\":\"%s\",\"attempts\":%u,\"unknown\":%u,\"fence\":%u,"
	    "\"reason\":", (unsigned long long)j->id,
	    (unsigned long long)j->user_id, job_kind_name(j->kind),
	    job_state_name(j->state), j->attempts, j->unknowns, j->fence);
	buf_json_cstr(b, j->reason != REASON_NONE ?
	    job_reason_name(j->reason) : NULL);
	buf_puts(b, ",\"detail\":");
	buf_json_cstr(b, j->detail[0] != '\0' ? j->detail : NULL);
	buf_puts(b, ",\"plugin_user_id\":");
	buf_json_cstr(b, j->plugin_user_id[0] != '\0' ? j->plugin_user_id :
	    NULL);
	buf_puts(b, ",\"created_at\":");
	view_time(b, j->created_us);
	buf_puts(b, ",\"next_try_at\":");
	view_time(b, j->next_try_us);
	buf_puts(b, ",\"updated_at\":");
	view_time(b, j->updated_us);
	buf_puts(b, "}");
}

static void
add_job(void *arg, const struct job *j)
{
	struct listing *l = arg;

	if (l->out->len > 1)
		buf_puts(l->out, ",");
	view_job(l->out, j);
	l->last = j->id;
	l->n++;
}

int
ctl_registrations_list(struct ctl *c)
{
	struct listing l = { .out = &c->out };
	const char *state = c->argc > 0 ? c->argv[0] : NULL;

	buf_puts(&c->out, "[");
	do {
		l.n = 0;
		if (job_list(c->db, state, l.last, PAGE, add_job, &l) != 0)
			return ctl_db_failed(c, "registrations");
	} while (l.n == PAGE);
	buf_puts(&c->out, "]");
	return 0;
}

/* The job of argv[0]: 0, or 1 after ctl_fail. */
static int
find_job(struct ctl *c, struct job *ret)
{
	int64_t id;
	int found;

	if (c->argc < 1 || parse_int(c->argv[0], 1, INT64_MAX, &id) != 0)
		return ctl_fail("which job?  registrations list shows them");
	found = job_get(c->db, (uint64_t)id, ret);
	if (found < 0)
		return ctl_db_failed(c, "registrations");
	return found == 1 ? 0 : ctl_fail("there is no job %s", c->argv[0]);
}

int
ctl_registrations_show(struct ctl *c)
{
	struct job job;

	if (find_job(c, &job) != 0)
		return 1;
	view_job(&c->out, &job);
	return 0;
}

static int
change_job(struct ctl *c, int (*change)(struct db *, uint64_t),
    const char *done, const char *not_done)
{
	struct job job;
	int rc;

	if (find_job(c, &job) != 0)
		return 1;
	rc = change(c->db, job.id);
	if (rc < 0)
		return ctl_db_failed(c, "registrations");
	if (rc == 0)
		return ctl_fail("job %llu %s", (unsigned long long)job.id,
		    not_done);
	ctl_poke(c);
	return ctl_done(c, "job %llu %s", (unsigned long long)job.id, done);
}

int
ctl_registrations_retry(struct ctl *c)
{
	return change_job(c, job_operator_retry, "is tried again",
	    "is done or being worked on");
}

int
ctl_registrations_hold(struct ctl *c)
{
	return change_job(c, job_operator_hold, "is held",
	    "is done or being worked on");
}

/* What calls with the admin key need. */
struct admin_tools {
	struct keyring	*ring;
	struct httpc	*http;
	struct url_base	 base;
	struct secret	 key;
	struct upstreamadmin admin;
	struct marker_key marker;
};

static int
admin_open(struct ctl *c, struct admin_tools *t)
{
	const char *key = settings_str(c->settings, SET_PLUGIN_API_ADMIN_KEY);
	struct buf why = BUF_INIT(WHY_MAX);
	struct httpc_conf conf;
	int rc = 0;

	memset(t, 0, sizeof(*t));
	if (key == NULL)
		return ctl_fail("PLUGIN_API_ADMIN_KEY is not set");
	httpc_init();
	secret_set(&t->key, key, strlen(key));
	t->ring = keyring_parse(settings_str(c->settings,
	    SET_PLUGIN_API_ENCRYPTION_KEY), &why);
	if (t->ring == NULL || url_base_parse(settings_str(c->settings,
	    SET_PLUGIN_API_BASE_URL), &t->base, &why) != 0 ||
	    installation_load(c->db, t->ring, &t->marker, &why) != 0)
		rc = ctl_fail("%s", buf_str(&why));
	app_httpc_conf(c->settings, &conf);
	t->http = httpc_create(&conf);
	t->admin = (struct upstreamadmin){ .http = t->http,
	    .base = &t->base, .key = &t->key, .total_ms = CALL_MS,
	    .list_ms = CALL_MS };
	buf_free(&why);
	return rc;
}

static void
admin_close(struct admin_tools *t)
{
	httpc_free(&t->http);
	keyring_free(&t->ring);
	url_base_free(&t->base);
	secret_wipe(&t->key);
	wipe(&t->marker, sizeof(t->marker));
}

static void
add_note(void *arg, const struct sweep_note *n)
{
	struct buf *b = arg;

	buf_puts(b, b->len > 1 ? ",{\"plugin_user_id\":" :
	    "{\"plugin_user_id\":");
	buf_json_cstr(b, n->plugin_user_id);
	buf_puts(b, ",\"marker\":");
	buf_json_cstr(b, n->marker);
	buf_printf(b, ",\"action\":\"%s\",\"done\":%s,\"text\":",
	    sweep_action_name(n->action), n->done ? "true" : "false");
	buf_json_cstr(b, n->text);
	buf_puts(b, "}");
}

int
ctl_sweep(struct ctl *c)
{
	struct admin_tools t;
	struct sweep_totals totals;
	struct sweeper s;
	int rc = admin_open(c, &t);

	if (rc == 0) {
		s = (struct sweeper){ .db = c->db, .admin = &t.admin,
		    .key = &t.marker, .owner = "plugwayctl",
		    .attempt_grace_s = (unsigned)(settings_ms(c->settings,
		    SET_ATTEMPT_GRACE) / 1000),
		    .quarantine_s = (unsigned)(settings_ms(c->settings,
		    SET_QUARANTINE) / 1000) };
		buf_puts(&c->out, "[");
		rc = sweeper_run(&s, c->dry_run, add_note, &c->out,
		    &totals) == 0 ? 0 : 1;
		buf_puts(&c->out, "]");
		if (rc != 0 && !totals.led)
			(void)ctl_fail("another sweep is running; try again "
			    "later");
		else if (rc != 0)
			(void)ctl_fail("the sweep did not come to its end: "
			    "%s", totals.list.text);
	}
	admin_close(&t);
	return rc;
}

/* Issues a new key for an existing account and binds it. */
static int
adopt(struct ctl *c, struct admin_tools *t, const struct user *user,
    const char *upstream_id)
{
	struct buf token = BUF_INIT(FERNET_TOKEN_MAX);
	char mac[BIND_MAC_TEXT_LEN + 1];
	struct admin_result result;
	struct account account;
	struct binding binding;
	int rc = 1;

	upstreamadmin_regenerate(&t->admin, upstream_id, &account, &result);
	if (result.outcome != ADMIN_OK)
		return ctl_fail("the upstream issued no key for %s: %s",
		    upstream_id, result.text);
	binding = (struct binding){ user->id, upstream_id, 1 };
	if (keyring_seal(t->ring, &binding, account.api_key,
	    strlen(account.api_key), &token, mac) != 0)
		(void)ctl_fail("the key could not be sealed");
	else if (job_operator_adopt(c->db, user->id, upstream_id,
	    buf_str(&token), mac, keyring_id(t->ring, 0)) != 1)
		(void)ctl_db_failed(c, "the user or the account is bound "
		    "already");
	else
		rc = 0;
	wipe(&account, sizeof(account));
	buf_free(&token);
	return rc;
}

int
ctl_registrations_adopt(struct ctl *c)
{
	struct admin_tools t;
	struct user user;
	int rc, bound;

	if (ctl_user(c, 0, &user) != 0)
		return 1;
	if (c->argc < 2)
		return ctl_fail("which upstream account?  Give its id");
	bound = pluginkey_is_bound(c->db, c->argv[1]);
	if (bound != 0)
		return bound < 0 ? ctl_db_failed(c, "keys") :
		    ctl_fail("%s is bound already", c->argv[1]);
	rc = admin_open(c, &t);
	if (rc == 0)
		rc = adopt(c, &t, &user, c->argv[1]);
	admin_close(&t);
	if (rc != 0)
		return rc;
	ctl_poke(c);
	return ctl_done(c, "user %llu has upstream account %s",
	    (unsigned long long)user.id, c->argv[1]);
}
