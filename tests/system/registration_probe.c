/*
 * registration_probe: the registrar's work without the daemon.
 *
 * Runs registration_step() in a loop, and makes and inspects what the
 * tests of the registration need: users, jobs, bound keys.  A test may
 * kill it anywhere and start it again at once.  Settings come by the
 * environment (secrets are never arguments):
 *	PROBE_DATABASE_URL, PROBE_UPSTREAM, PROBE_ADMIN_KEY, PROBE_KEYS
 */
#include <gcrypt.h>
#include <inttypes.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <time.h>
#include <unistd.h>

#include "base/codec.h"
#include "base/log.h"
#include "provision/crashpoint.h"
#include "provision/installation.h"
#include "provision/registration.h"
#include "provision/sweeper.h"
#include "store/jobs.h"
#include "store/migrate.h"
#include "store/pluginkeys.h"
#include "store/users.h"
#include "vault/bootkey.h"

static volatile sig_atomic_t	 stop;

static struct {
	struct registration_conf conf;
	struct db_conf		*db_conf;
	struct url_base		 base;
	struct secret		 admin_key;
	struct counters		 counters;
	char			 owner[64];
	unsigned		 connect_ms;
	bool			 drain, dry_run;
} probe = {
	.connect_ms = 3000,
	.conf = { .lease_s = 60, .attempt_grace_s = 900,
	    .sweep_interval_s = 0, .quarantine_s = 604800 },
};

static void
on_term(int number)
{
	(void)number;
	stop = 1;
}

static const char *
need(const char *name)
{
	const char	*value = getenv(name);

	if (value == NULL)
		fatalx("%s is not set", name);
	return value;
}

static void
must(int rc, const char *what)
{
	if (rc == -1)
		fatalx("%s: %s", what, db_fault_text(probe.conf.db));
}

static void
open_database(enum db_role role)
{
	struct buf	 why = BUF_INIT(1024);

	probe.db_conf = db_conf_parse(need("PROBE_DATABASE_URL"), &why);
	if (probe.db_conf == NULL)
		fatalx("%s", buf_str(&why));
	probe.conf.db = db_create(probe.db_conf, role);
	buf_free(&why);
}

static void
open_rest(void)
{
	struct buf		 why = BUF_INIT(1024);
	static struct httpc_conf conf;
	const char		*key = getenv("PROBE_ADMIN_KEY");

	conf.connect_timeout_ms = (int)probe.connect_ms;
	conf.keepalive_ms = 4000;
	conf.user_agent = "plugway-probe";
	probe.conf.http = httpc_create(&conf);
	probe.conf.ring = keyring_parse(need("PROBE_KEYS"), &why);
	if (probe.conf.ring == NULL ||
	    url_base_parse(need("PROBE_UPSTREAM"), &probe.base, &why) == -1)
		fatalx("%s", buf_str(&why));
	if (key != NULL)
		secret_set(&probe.admin_key, key, strlen(key));
	(void)snprintf(probe.owner, sizeof(probe.owner), "probe:%d",
	    (int)getpid());
	probe.conf.base = &probe.base;
	probe.conf.admin_key = &probe.admin_key;
	probe.conf.counters = &probe.counters;
	probe.conf.stop = &stop;
	probe.conf.owner = probe.owner;
	buf_free(&why);
}

/* No job is left that somebody could still work on. */
static bool
drained(void)
{
	struct job_totals	 totals;

	return job_totals(probe.conf.db, &totals) == 0 &&
	    totals.ready == 0 && totals.working == 0;
}

static void
sleep_ms(int ms)
{
	const struct timespec	 ts = {
		.tv_sec = ms / 1000, .tv_nsec = ms % 1000 * 1000000L,
	};

	(void)nanosleep(&ts, NULL);
}

static int
do_run(char **args)
{
	struct registration	*r = NULL;
	struct buf		 why = BUF_INIT(1024);
	int			 wait;

	(void)args;
	open_database(DB_REGISTRAR);
	open_rest();
	while (!stop && (r = registration_create(&probe.conf, &why)) == NULL) {
		log_warnx("%s", buf_str(&why));
		buf_reset(&why);
		sleep_ms(100);
	}
	while (!stop) {
		wait = registration_step(r);
		if (wait > 0 && probe.drain && drained())
			break;
		if (wait > 0)
			sleep_ms(wait);
	}
	registration_free(&r);
	buf_free(&why);
	return 0;
}

static void
print_note(void *arg, const struct sweep_note *note)
{
	(void)arg;
	printf("note %s %s %s %d %s\n", sweep_action_name(note->action),
	    note->plugin_user_id, note->marker, note->done, note->text);
}

static void
load_key(struct marker_key *ret)
{
	struct buf	 why = BUF_INIT(1024);

	open_database(DB_REGISTRAR);
	open_rest();
	if (installation_load(probe.conf.db, probe.conf.ring, ret,
	    &why) == -1)
		fatalx("%s", buf_str(&why));
	buf_free(&why);
}

static int
do_sweep(char **args)
{
	struct marker_key	 key;
	struct sweep_totals	 totals;
	struct upstreamadmin	 admin;
	struct sweeper		 sweeper;
	int			 rc;

	(void)args;
	load_key(&key);
	admin = (struct upstreamadmin){
		.http = probe.conf.http, .base = &probe.base,
		.key = &probe.admin_key, .total_ms = 30000,
		.list_ms = 60000,
	};
	sweeper = (struct sweeper){
		.db = probe.conf.db, .admin = &admin, .key = &key,
		.stop = &stop, .owner = probe.owner,
		.attempt_grace_s = probe.conf.attempt_grace_s,
		.quarantine_s = probe.conf.quarantine_s,
	};
	rc = sweeper_run(&sweeper, probe.dry_run, print_note, NULL, &totals);
	printf("totals rc=%d led=%d capped=%d listed=%" PRIu64 " ours=%"
	    PRIu64 " bound=%" PRIu64 " orphans=%" PRIu64 " disabled=%u"
	    " deleted=%u failed=%u no_job=%u\n", rc, totals.led,
	    totals.capped, totals.listed, totals.ours, totals.bound,
	    totals.orphans, totals.disabled, totals.deleted, totals.failed,
	    totals.no_job);
	return rc == 0 ? 0 : 1;
}

static void
say(void *arg, const char *line)
{
	(void)arg;
	puts(line);
}

static int
do_migrate(char **args)
{
	struct buf	 why = BUF_INIT(1024);

	open_database(DB_OPERATOR);
	if (migrate_run(probe.conf.db, args[0], say, NULL, &why) == -1)
		fatalx("%s", buf_str(&why));
	return 0;
}

/* sign-in PREFIX FROM TO: people sign in for the first time. */
static int
do_sign_in(char **args)
{
	const struct signin_policy	 policy = { .allow_new = true };
	enum signin_result		 result;
	struct identity			 identity;
	struct user			 user;
	char				 name[64];
	int				 i, to = atoi(args[2]);

	open_database(DB_WORKER);
	for (i = atoi(args[1]); i < to && !stop; i++) {
		(void)snprintf(name, sizeof(name), "%s%d", args[0], i);
		identity = (struct identity){
			.provider = "linux_do", .subject = name,
			.username = name,
		};
		must(user_sign_in(probe.conf.db, &identity, &policy, &result,
		    &user), "sign-in");
		printf("%" PRIu64 "\n", user.id);
	}
	return 0;
}

/* rekey USER... */
static int
do_rekey(char **args)
{
	int	 n = 0, rc;

	open_database(DB_KEEPER);
	for (; *args != NULL; args++) {
		rc = job_queue(probe.conf.db, strtoull(*args, NULL, 10),
		    JOB_REKEY, 0);
		must(rc, "queue");
		n += rc;
	}
	printf("%d\n", n);
	return 0;
}

/* active 0|1 USER... */
static int
do_active(char **args)
{
	bool	 active = atoi(args[0]) != 0;

	open_database(DB_OPERATOR);
	for (args++; *args != NULL; args++)
		must(user_set_active(probe.conf.db,
		    strtoull(*args, NULL, 10), active), "set active");
	return 0;
}

/* Each bound key, opened and checked against its row. */
static void
print_key(void *arg, const struct pluginkey *key, const char *token,
    const char *mac)
{
	unsigned char		 plain[FERNET_PLAIN_MAX], digest[32];
	const struct binding	 binding = {
		.user_id = key->user_id,
		.plugin_user_id = key->plugin_user_id,
		.key_gen = key->key_gen,
	};
	char			 hex[65] = "unreadable";
	ssize_t			 n;

	n = keyring_open(probe.conf.ring, &binding, token, strlen(token), mac,
	    plain, NULL);
	if (n >= 0) {
		gcry_md_hash_buffer(GCRY_MD_SHA256, digest, plain, (size_t)n);
		hex_encode(digest, sizeof(digest), hex);
	}
	printf("%" PRIu64 " %s %" PRIu32 " %s\n", key->user_id,
	    key->plugin_user_id, key->key_gen, hex);
	*(uint64_t *)arg = key->user_id;
}

static int
do_keys(char **args)
{
	uint64_t	 last = 0, before;

	(void)args;
	open_database(DB_REGISTRAR);
	open_rest();
	do {
		before = last;
		must(pluginkey_scan(probe.conf.db, last, 500, print_key,
		    &last), "scan");
	} while (last != before);
	return 0;
}

/* marker JOB FENCE: as the registration would name the account. */
static int
do_marker(char **args)
{
	struct marker_key	 key;
	const struct marker	 marker = {
		.job_id = strtoull(args[0], NULL, 10),
		.fence = (uint32_t)strtoul(args[1], NULL, 10),
	};
	char			 text[MARKER_MAX + 1];

	load_key(&key);
	marker_make(&key, &marker, text);
	puts(text);
	return 0;
}

/* ours: 1 or 0 for each name on standard input. */
static int
do_ours(char **args)
{
	struct marker_key	 key;
	struct marker		 marker;
	char			 line[512];
	size_t			 len;

	(void)args;
	load_key(&key);
	while (fgets(line, sizeof(line), stdin) != NULL) {
		len = strcspn(line, "\n");
		line[len] = '\0';
		printf("%d\n", marker_parse(&key, line, len, &marker));
	}
	return 0;
}

static int
do_points(char **args)
{
	const char *const	*names;
	size_t			 n, i;

	(void)args;
	names = crashpoint_names(&n);
#ifndef PLUGWAY_TESTING
	n = 0;		/* they are not compiled in */
#endif
	for (i = 0; i < n; i++)
		puts(names[i]);
	return 0;
}

/* verb, number of arguments at least, what runs */
static const struct verb {
	const char	*name;
	int		 n_args;
	int		(*run)(char **);
} verbs[] = {
	{ "run", 0, do_run },
	{ "sweep", 0, do_sweep },
	{ "migrate", 1, do_migrate },
	{ "sign-in", 3, do_sign_in },
	{ "rekey", 1, do_rekey },
	{ "active", 2, do_active },
	{ "keys", 0, do_keys },
	{ "marker", 2, do_marker },
	{ "ours", 0, do_ours },
	{ "points", 0, do_points },
};

/* option -> where its number goes */
static const struct number {
	const char	*name;
	enum { TO_UNSIGNED, TO_INT, TO_INT64 } type;
	void		*to;
} numbers[] = {
	{ "lease-s", TO_UNSIGNED, &probe.conf.lease_s },
	{ "grace-s", TO_UNSIGNED, &probe.conf.attempt_grace_s },
	{ "sweep-s", TO_UNSIGNED, &probe.conf.sweep_interval_s },
	{ "quarantine-s", TO_UNSIGNED, &probe.conf.quarantine_s },
	{ "unknown-window-s", TO_UNSIGNED, &probe.conf.unknown_window_s },
	{ "attempts-max", TO_UNSIGNED, &probe.conf.attempts_max },
	{ "connect-ms", TO_UNSIGNED, &probe.connect_ms },
	{ "total-ms", TO_INT, &probe.conf.total_ms },
	{ "idle-ms", TO_INT, &probe.conf.idle_ms },
	{ "refused-probe-ms", TO_INT, &probe.conf.refused_probe_ms },
	{ "backoff-ms", TO_INT64, &probe.conf.backoff_base_ms },
	{ "backoff-cap-ms", TO_INT64, &probe.conf.backoff_cap_ms },
};

static void
set_number(const char *name, const char *text)
{
	size_t		 i;
	long long	 value = strtoll(text, NULL, 10);

	for (i = 0; i < sizeof(numbers) / sizeof(numbers[0]); i++) {
		if (strcmp(numbers[i].name, name) != 0)
			continue;
		if (numbers[i].type == TO_UNSIGNED)
			*(unsigned *)numbers[i].to = (unsigned)value;
		else if (numbers[i].type == TO_INT)
			*(int *)numbers[i].to = (int)value;
		else
			*(int64_t *)numbers[i].to = value;
		return;
	}
	fatalx("no option --%s", name);
}

/* --name=number, --drain, --dry-run; returns the verb and its arguments. */
static char **
take_options(char **argv)
{
	char	*equals;

	for (argv++; *argv != NULL && strncmp(*argv, "--", 2) == 0; argv++) {
		if (strcmp(*argv, "--drain") == 0) {
			probe.drain = true;
		} else if (strcmp(*argv, "--dry-run") == 0) {
			probe.dry_run = true;
		} else {
			equals = strchr(*argv, '=');
			if (equals == NULL)
				fatalx("%s wants a number", *argv);
			*equals = '\0';
			set_number(*argv + 2, equals + 1);
		}
	}
	return argv;
}

int
main(int argc, char **argv)
{
	const struct log_conf	 log_conf = {
		.target = "stderr", .level = LOG_LEVEL_INFO,
		.format = LOG_FORMAT_JSON,
	};
	char			**args;
	int			 given;
	size_t			 i;

	if (log_open(&log_conf) == -1)
		return 1;
	log_set_process("probe");
	(void)prctl(PR_SET_PDEATHSIG, SIGKILL);
	(void)signal(SIGTERM, on_term);
	(void)signal(SIGPIPE, SIG_IGN);
	vault_init();
	args = take_options(argv);
	given = argc - (int)(args - argv) - 1;
	for (i = 0; *args != NULL && i < sizeof(verbs) / sizeof(verbs[0]);
	    i++) {
		if (strcmp(verbs[i].name, *args) == 0 &&
		    given >= verbs[i].n_args)
			return verbs[i].run(args + 1);
	}
	fprintf(stderr, "usage: registration_probe [--option=n] verb ...\n");
	return 2;
}
