/*
 * health: liveness is one constant answer; readiness looks at each part.
 *
 * No host names, no secrets: whoever may ask is anybody.
 */
#include "api/health.h"
#include "base/clock.h"

#define SILENT_MS	15000	/* keeper and registrar tick each second */

int
health_handle_live(struct call *c)
{
	response_json(c->res, 200);
	(void)response_header(c->res, "Cache-Control", "no-store");
	buf_puts(&c->res->body, "{\"status\":\"healthy\",\"components\":{"
	    "\"api\":{\"status\":\"healthy\"}}}");
	return 0;
}

struct part {
	const char	*name, *text;
	bool		 good, needed;
};

static bool
lately(const int64_t *seen_ms)
{
	int64_t seen = __atomic_load_n(seen_ms, __ATOMIC_RELAXED);

	return seen != 0 && clock_mono_ms() - seen < SILENT_MS;
}

/* GAUGE_REGISTRAR_STATE: 0 works, 1 no admin key, 2 it is refused. */
static const char *
registrar_text(const struct counters *n, bool alive)
{
	static const char *const texts[] = {
		"works", "no admin key is configured",
		"the upstream refuses the admin key",
		"the upstream cannot be reached",
	};
	int64_t state = counters_gauge(n, GAUGE_REGISTRAR_STATE);

	if (!alive)
		return "does not run";
	if (state < 0 || state > 3)
		return "unknown";
	return texts[state];
}

int
health_handle_ready(struct call *c)
{
	const struct counters *n = c->gw->shared.counters;
	struct buf *b = &c->res->body;
	bool keeper = lately(&n->keeper_seen_ms);
	bool registrar = lately(&n->registrar_seen_ms);
	bool database = counters_gauge(n, GAUGE_DB_OK) != 0;
	bool works = registrar &&
	    counters_gauge(n, GAUGE_REGISTRAR_STATE) == 0;
	bool breaker = c->gw->shared.breaker != NULL &&
	    breaker_is_open(c->gw->shared.breaker);
	const struct part parts[] = {
		{ "database", database ? "answers" : "does not answer",
		    database, true },
		{ "keeper", keeper ? "works" : "does not run", keeper, true },
		{ "registrar", registrar_text(n, registrar), works, false },
		{ "upstream", breaker ? "does not answer" : "answers",
		    !breaker, false },
		{ "encryption_key", keeper ? "opens the database" :
		    "unknown", keeper, true },
	};
	bool ready = true;
	size_t i;

	for (i = 0; i < sizeof(parts) / sizeof(parts[0]); i++)
		ready = ready && (parts[i].good || !parts[i].needed);
	response_json(c->res, ready ? 200 : 503);
	(void)response_header(c->res, "Cache-Control", "no-store");
	if (!ready)
		(void)response_header(c->res, "Retry-After", "1");
	buf_printf(b, "{\"status\":\"%s\",\"components\":{",
	    ready ? "ready" : "not_ready");
	for (i = 0; i < sizeof(parts) / sizeof(parts[0]); i++)
		buf_printf(b, "%s\"%s\":{\"status\":\"%s\",\"message\":"
		    "\"%s\"}", i > 0 ? "," : "", parts[i].name,
		    parts[i].good ? "healthy" : "unhealthy", parts[i].text);
	buf_puts(b, "}}");
	return 0;
}
