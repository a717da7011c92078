/*
 * serve: accept, parse, dispatch, answer, log; one request at a time.
 *
 * A request body is read to its end (or given up at a bound) before the
 * answer goes out: web servers drop an answer that comes while they
 * still send.  Whatever a request took lies in its arena and is gone
 * afterwards.
 */
#include <malloc.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "api/dispatch.h"
#include "api/routes.h"
#include "base/clock.h"
#include "base/log.h"
#include "http/fcgi.h"
#include "http/parse.h"
#include "proc/serve.h"

#define FIRST_BYTES_MS	2000
#define HEAD_MS		5000
#define READ_MS		10000
#define BODY_MS		30000
#define DRAIN_MAX	(64u * 1024 * 1024)
#define DRAIN_MS	10000
#define GROWN_EVERY	64		/* requests */
#define GROWN_MAX	(16u * 1024 * 1024)

struct serve {
	const struct serve_conf *conf;
	struct gateway	*gw;
	struct fcgi	*fcgi;
	struct dispatcher *dispatcher;
	struct arena	*arena;
	uint64_t	 served;
	uint64_t	 log_dropped;	/* told to the counters */
	unsigned	 spare_min;
};

/*
 * Somebody is here: the worker is idle no more.  When too few others
 * are, the master hears it now and not at its next look.
 */
static void
taken(void *arg)
{
	const struct serve *s = arg;
	const struct gateway *gw = s->gw;
	unsigned count[PROC_STATE_MAX], total = 0;
	uint64_t one = 1;
	int i;

	score_set_state(gw->self, PROC_READING);
	scoreboard_count_states(gw->shared.scores, PROC_WORKER,
	    gw->self->generation, count);
	for (i = PROC_STARTING; i < PROC_STATE_MAX; i++)
		total += count[i];
	if (count[PROC_IDLE] + count[PROC_STARTING] < s->spare_min &&
	    total < gw->workers_max &&
	    write(s->conf->master_fd, &one, sizeof(one)) != sizeof(one))
		log_debug("eventfd is full");
}

/* What a worker holds between requests is little; a large answer can
 * leave the heap in pieces that are not given back. */
static bool
has_grown(const struct serve *s)
{
	struct mallinfo2 now;

	if (s->served % GROWN_EVERY != 0)
		return false;
	now = mallinfo2();
	return now.arena + now.hblkhd > GROWN_MAX;
}

static void
observe(struct serve *s, const struct request *req,
    const struct response *res, const struct dispatched *done)
{
	struct counters *n = s->gw->shared.counters;
	int64_t us = clock_mono_us() - req->started_us;
	int64_t own = us - res->upstream_us;
	const char *end = res->end_reason;

	if (end == NULL && res->client_gone)
		end = "client_gone";
	counters_add(n, CNT_LOG_DROPPED, log_dropped() - s->log_dropped);
	s->log_dropped = log_dropped();
	counters_answer(n, done->route, res->client_gone && !res->head_sent ?
	    0 : res->status);
	counters_observe(n, HISTO_REQUEST, us);
	counters_observe(n, HISTO_OVERHEAD, own > 0 ? own : 0);
	if (res->upstream_us > 0)
		counters_observe(n, HISTO_UPSTREAM, res->upstream_us);
	LOG_EVENT(LOG_LEVEL_INFO, "request",
	    LOG_S("method", req->method), LOG_S("path", req->path),
	    LOG_N("status", res->status),
	    LOG_S("code", res->problem != PROBLEM_NONE ?
	    problem_row(res->problem)->code : NULL),
	    LOG_N("user", done->user_id), LOG_N("bytes", res->body_bytes),
	    LOG_N("us", us), LOG_N("upstream_us", res->upstream_us),
	    LOG_N("upstream_status", res->upstream_status),
	    LOG_S("end", end), LOG_S("client", req->client));
}

static void
serve_one(struct serve *s)
{
	const struct http_writer *w = fcgi_writer(s->fcgi);
	struct request req;
	struct response res;
	struct dispatched done;
	enum problem parsed;

	memset(&req, 0, sizeof(req));
	req.arena = s->arena;
	req.started_us = clock_mono_us();
	response_init(&res, UPSTREAM_ANSWER_MAX);
	parsed = request_parse(&req, fcgi_params(s->fcgi));
	if (fcgi_params_check(s->fcgi) != 0)
		parsed = PROBLEM_BAD_REQUEST;
	log_set_request(req.id);
	dispatch(s->dispatcher, &req, parsed, &res, w, &done);
	score_set_state(s->gw->self, PROC_CLOSING);
	if (!res.head_sent)
		fcgi_drain(s->fcgi, DRAIN_MAX, DRAIN_MS);
	response_send(&res, &req, w);
	fcgi_finish(s->fcgi, res.client_gone);
	observe(s, &req, &res, &done);
	score_end(s->gw->self);
	response_free(&res);
	log_set_request(NULL);
	arena_reset(s->arena);
	s->served++;
}

void
serve_run(const struct serve_conf *conf)
{
	struct gateway *gw = conf->gw;
	struct serve s = { .conf = conf, .gw = gw,
	    .spare_min = (unsigned)settings_int(gw->settings,
	    SET_WORKERS_SPARE_MIN) };
	const struct fcgi_conf fc = {
		.listen_fd = conf->listen_fd,
		.first_bytes_ms = FIRST_BYTES_MS, .head_ms = HEAD_MS,
		.read_ms = READ_MS, .body_ms = BODY_MS,
		.write_ms = (int)settings_ms(gw->settings, SET_CLIENT_STALL),
		.taken = taken, .arg = &s,
	};

	s.arena = arena_create();
	s.dispatcher = dispatcher_create(gw);
	s.fcgi = fcgi_create(&fc);
	while (s.served < conf->max_requests && !conf->stop() &&
	    !has_grown(&s)) {
		score_set_state(gw->self, PROC_IDLE);
		switch (fcgi_next(s.fcgi, conf->wait_mask, -1)) {
		case 1:
			serve_one(&s);
			break;
		case -1:
			counters_add(gw->shared.counters, CNT_BAD_CONNECTION,
			    1);
			break;
		}
	}
	score_set_state(gw->self, PROC_DRAINING);
	fcgi_free(&s.fcgi);
	dispatcher_free(&s.dispatcher);
	arena_free(&s.arena);
}
