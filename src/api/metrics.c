/*
 * metrics: the counters in Prometheus' text format 0.0.4.
 */
#include <string.h>

#include "api/health.h"
#include "api/routes.h"
#include "base/clock.h"
#include "base/secret.h"

/* A counter and its name; `label` is NULL or a whole label pair.  Rows
 * of one name stand together. */
struct row {
	const char	*name, *label;
	int		 index;
	const char	*help;		/* at the first row of a name */
};

static const struct row counter_rows[] = {
	{ "cache_lookups_total", "result=\"hit\"", CNT_CACHE_HIT,
	    "Lookups of tenants in shared memory." },
	{ "cache_lookups_total", "result=\"miss\"", CNT_CACHE_MISS, NULL },
	{ "cache_lookups_total", "result=\"stale\"", CNT_CACHE_STALE, NULL },
	{ "cache_lookups_total", "result=\"reject\"", CNT_CACHE_REJECT,
	    NULL },
	{ "keeper_timeouts_total", NULL, CNT_ASK_TIMEOUT,
	    "Questions that the keeper did not answer in time." },
	{ "streams_opened_total", NULL, CNT_STREAM_OPENED,
	    "Streams whose head went out." },
	{ "streams_ended_total", "reason=\"done\"", CNT_STREAM_DONE,
	    "Streams by the reason of their end." },
	{ "streams_ended_total", "reason=\"client_gone\"",
	    CNT_STREAM_CLIENT_GONE, NULL },
	{ "streams_ended_total", "reason=\"upstream_broken\"",
	    CNT_STREAM_UPSTREAM_BROKEN, NULL },
	{ "streams_ended_total", "reason=\"no_done\"", CNT_STREAM_NO_DONE,
	    NULL },
	{ "streams_ended_total", "reason=\"timeout\"", CNT_STREAM_TIMEOUT,
	    NULL },
	{ "streams_ended_total", "reason=\"stalled\"", CNT_STREAM_STALLED,
	    NULL },
	{ "upstream_answers_total", "class=\"2xx\"", CNT_UPSTREAM_2XX,
	    "Answers of the upstream by status." },
	{ "upstream_answers_total", "class=\"3xx\"", CNT_UPSTREAM_3XX, NULL },
	{ "upstream_answers_total", "class=\"4xx\"", CNT_UPSTREAM_4XX, NULL },
	{ "upstream_answers_total", "class=\"5xx\"", CNT_UPSTREAM_5XX, NULL },
	{ "upstream_answers_total", "class=\"failed\"", CNT_UPSTREAM_FAILED,
	    NULL },
	{ "upstream_answers_total", "class=\"timeout\"",
	    CNT_UPSTREAM_TIMEOUT, NULL },
	{ "upstream_retries_total", NULL, CNT_UPSTREAM_RETRY,
	    "Calls that were sent a second time." },
	{ "key_echoes_total", NULL, CNT_KEY_ECHO,
	    "Answers that contained the caller's upstream key." },
	{ "rejected_total", "reason=\"auth\"", CNT_REJECT_AUTH,
	    "Requests turned away, by reason." },
	{ "rejected_total", "reason=\"rate\"", CNT_REJECT_RATE, NULL },
	{ "rejected_total", "reason=\"concurrency\"",
	    CNT_REJECT_CONCURRENCY, NULL },
	{ "rejected_total", "reason=\"overload\"", CNT_REJECT_OVERLOAD,
	    NULL },
	{ "rejected_total", "reason=\"breaker\"", CNT_REJECT_BREAKER, NULL },
	{ "rejected_total", "reason=\"pending\"", CNT_REJECT_PENDING, NULL },
	{ "rejected_total", "reason=\"input\"", CNT_REJECT_INPUT, NULL },
	{ "bad_connections_total", NULL, CNT_BAD_CONNECTION,
	    "FastCGI connections that came to nothing." },
	{ "signins_total", "result=\"ok\"", CNT_SIGNIN_OK,
	    "Sign-ins." },
	{ "signins_total", "result=\"failed\"", CNT_SIGNIN_FAILED, NULL },
	{ "restarts_total", "role=\"worker\"", CNT_WORKER_CRASHED,
	    "Processes that died and were replaced." },
	{ "restarts_total", "role=\"keeper\"", CNT_KEEPER_RESTARTED, NULL },
	{ "restarts_total", "role=\"registrar\"", CNT_REGISTRAR_RESTARTED,
	    NULL },
	{ "workers_started_total", NULL, CNT_WORKER_STARTED,
	    "Workers started." },
	{ "reloads_total", "result=\"ok\"", CNT_RELOADS,
	    "Reloads of the configuration." },
	{ "reloads_total", "result=\"failed\"", CNT_RELOADS_FAILED, NULL },
	{ "registration_outcomes_total", "outcome=\"done\"", CNT_REG_DONE,
	    "Attempts to open an upstream account, by outcome." },
	{ "registration_outcomes_total", "outcome=\"unknown\"",
	    CNT_REG_UNKNOWN, NULL },
	{ "registration_outcomes_total", "outcome=\"fenced\"",
	    CNT_REG_FENCED, NULL },
	{ "registration_outcomes_total", "outcome=\"failed\"",
	    CNT_REG_FAILED, NULL },
	{ "last_used_written_total", NULL, CNT_LAST_USED_WRITTEN,
	    "Times of last use written to the database." },
	{ "log_lines_dropped_total", NULL, CNT_LOG_DROPPED,
	    "Log lines that could not be written." },
};

static const struct row gauge_rows[] = {
	{ "registrations", "state=\"ready\"", GAUGE_REG_READY,
	    "Registration jobs by state." },
	{ "registrations", "state=\"working\"", GAUGE_REG_WORKING, NULL },
	{ "registrations", "state=\"held\"", GAUGE_REG_HELD, NULL },
	{ "registrations", "state=\"done\"", GAUGE_REG_DONE, NULL },
	{ "registrations_oldest_seconds", NULL, GAUGE_REG_OLDEST_S,
	    "Age of the oldest job that waits." },
	{ "orphans", NULL, GAUGE_ORPHANS,
	    "Unbound upstream accounts of ours that are not yet deleted." },
	{ "database_up", NULL, GAUGE_DB_OK,
	    "Whether the database answered the keeper." },
	{ "registrar_state", NULL, GAUGE_REGISTRAR_STATE,
	    "0 works, 1 no admin key, 2 admin key refused, 3 unreachable." },
};

static void
put_rows(struct buf *b, const struct row *rows, size_t n, const char *type,
    const struct counters *counters)
{
	size_t i;

	for (i = 0; i < n; i++) {
		const struct row *r = &rows[i];
		long long value = *type == 'c' ?
		    (long long)__atomic_load_n(&counters->count[r->index],
		    __ATOMIC_RELAXED) :
		    (long long)counters_gauge(counters,
		    (enum gauge)r->index);

		if (r->help != NULL)
			buf_printf(b, "# HELP plugway_%s %s\n"
			    "# TYPE plugway_%s %s\n", r->name, r->help,
			    r->name, type);
		buf_printf(b, "plugway_%s%s%s%s %lld\n", r->name,
		    r->label != NULL ? "{" : "",
		    r->label != NULL ? r->label : "",
		    r->label != NULL ? "}" : "", value);
	}
}

static void
put_gauge(struct buf *b, const char *name, const char *help, double value)
{
	buf_printf(b, "# HELP plugway_%s %s\n# TYPE plugway_%s gauge\n"
	    "plugway_%s %g\n", name, help, name, name, value);
}

static void
put_requests(struct buf *b, const struct counters *n)
{
	static const char *const classes[] = { "aborted", "1xx", "2xx",
	    "3xx", "4xx", "5xx" };
	size_t i, k;

	buf_puts(b, "# HELP plugway_requests_total Requests by route, method "
	    "and status.\n# TYPE plugway_requests_total counter\n");
	for (i = 0; i < COUNTERS_ROUTES_MAX; i++)
		for (k = 0; k < 6; k++) {
			uint64_t v = __atomic_load_n(&n->route[i][k],
			    __ATOMIC_RELAXED);

			if (v == 0)
				continue;
			buf_printf(b, "plugway_requests_total{route=\"%s\","
			    "method=\"%s\",status=\"%s\"} %llu\n",
			    routes_path(i), routes_method(i), classes[k],
			    (unsigned long long)v);
		}
}

static void
put_histogram(struct buf *b, const char *name, const char *help,
    const struct histogram *h)
{
	uint64_t sum = 0;
	size_t i;

	buf_printf(b, "# HELP plugway_%s %s\n# TYPE plugway_%s histogram\n",
	    name, help, name);
	for (i = 0; i <= COUNTERS_BUCKETS; i++) {
		sum += __atomic_load_n(&h->bucket[i], __ATOMIC_RELAXED);
		if (i < COUNTERS_BUCKETS)
			buf_printf(b, "plugway_%s_bucket{le=\"%g\"} %llu\n",
			    name, (double)counters_bounds_us[i] / 1e6,
			    (unsigned long long)sum);
		else
			buf_printf(b, "plugway_%s_bucket{le=\"+Inf\"} %llu\n",
			    name, (unsigned long long)sum);
	}
	buf_printf(b, "plugway_%s_sum %.6f\nplugway_%s_count %llu\n", name,
	    (double)__atomic_load_n(&h->sum_us, __ATOMIC_RELAXED) / 1e6,
	    name, (unsigned long long)sum);
}

static void
put_workers(struct buf *b, const struct scoreboard *scores)
{
	unsigned count[PROC_STATE_MAX];
	size_t i;

	scoreboard_count_states(scores, PROC_WORKER, SCORE_ANY_GENERATION,
	    count);
	buf_puts(b, "# HELP plugway_workers Workers by state.\n"
	    "# TYPE plugway_workers gauge\n");
	for (i = PROC_STARTING; i < PROC_STATE_MAX; i++)
		buf_printf(b, "plugway_workers{state=\"%s\"} %u\n",
		    proc_state_name((enum proc_state)i), count[i]);
	put_gauge(b, "streams_open", "Streams that are open now.",
	    scoreboard_count_streams(scores));
}

/* A token if one is configured, otherwise loopback clients only. */
static bool
may_see(const struct call *c)
{
	const char *token = settings_str(c->gw->settings, SET_METRICS_TOKEN);
	const char *given = c->req->authorization;
	const char *client = c->req->client;

	if (token == NULL)
		return strncmp(client, "127.", 4) == 0 ||
		    strcmp(client, "::1") == 0 ||
		    strncmp(client, "::ffff:127.", 11) == 0;
	return given != NULL && strncmp(given, "Bearer ", 7) == 0 &&
	    strlen(given + 7) == strlen(token) &&
	    ct_equal(given + 7, token, strlen(token));
}

int
health_handle_metrics(struct call *c)
{
	const struct counters *n = c->gw->shared.counters;
	struct tenantcache_stats stats;
	struct buf *b = &c->res->body;

	if (!may_see(c))
		return response_problem(c->res, PROBLEM_METRICS_FORBIDDEN,
		    NULL);
	(void)response_header(c->res, "Content-Type",
	    "text/plain; version=0.0.4; charset=utf-8");
	(void)response_header(c->res, "Cache-Control", "no-store");
	put_requests(b, n);
	put_histogram(b, "request_duration_seconds",
	    "Time from the accept to the end of the answer.",
	    &n->histo[HISTO_REQUEST]);
	put_histogram(b, "own_overhead_seconds",
	    "Time of a request that was not spent waiting for the upstream.",
	    &n->histo[HISTO_OVERHEAD]);
	put_histogram(b, "upstream_wait_seconds",
	    "Time spent waiting for the upstream.",
	    &n->histo[HISTO_UPSTREAM]);
	put_rows(b, counter_rows, sizeof(counter_rows) /
	    sizeof(counter_rows[0]), "counter", n);
	put_rows(b, gauge_rows, sizeof(gauge_rows) / sizeof(gauge_rows[0]),
	    "gauge", n);
	put_gauge(b, "keeper_lag_seconds",
	    "Time since the keeper last read the changes.",
	    (double)(clock_mono_ms() - __atomic_load_n(&n->keeper_seen_ms,
	    __ATOMIC_RELAXED)) / 1e3);
	put_gauge(b, "breaker_open", "Whether the circuit breaker is open.",
	    c->gw->shared.breaker != NULL &&
	    breaker_is_open(c->gw->shared.breaker));
	tenantcache_stats(c->gw->shared.cache, &stats);
	put_gauge(b, "cache_evictions", "Entries that made room for others.",
	    (double)stats.evictions);
	put_workers(b, c->gw->shared.scores);
	return 0;
}
