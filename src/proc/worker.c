/*
 * worker: one request at a time, until told to stop or grown old.
 *
 * Holds the JWT key, the boot key and the clients' secrets of the
 * providers; never a Fernet key, never the admin key.
 */
#include <stdlib.h>
#include <unistd.h>

#include "api/gateway.h"
#include "base/codec.h"
#include "base/log.h"
#include "proc/children.h"
#include "proc/serve.h"
#include "proc/signals.h"
#include "proc/title.h"
#include "proc/worker.h"

static sigset_t wait_mask;

static int
should_stop(void)
{
	signals_poll(&wait_mask);
	if (signals_usr1) {
		signals_usr1 = 0;
		log_reopen();
	}
	return signals_term;
}

/* Workers that were started together do not retire together. */
static uint64_t
jittered(uint64_t n)
{
	uint32_t r;

	random_bytes(&r, sizeof(r));
	return n - n / 10 * (r % 1024) / 1024;
}

void
worker_run(struct heritage *h)
{
	const struct gateway_shared shared = {
		.cache = h->cache, .scores = h->scores,
		.counters = h->counters, .revoked = h->revoked,
		.user_limits = h->user_limits,
		.address_limits = h->address_limits, .breaker = h->breaker,
		.bootkey = h->bootkey, .keeper_fd = h->keeper_fd,
		.registrar_fd = h->registrar_fd,
	};
	struct serve_conf conf;

	signals_init_child(&wait_mask);
	conf = (struct serve_conf){
		.gw = gateway_create(h->settings, &shared, h->self),
		.listen_fd = h->listen_fd, .master_fd = h->master_fd,
		.max_requests = jittered((uint64_t)settings_int(h->settings,
		    SET_WORKER_REQUESTS)),
		.wait_mask = &wait_mask, .stop = should_stop,
	};
	title_set("worker", "");
	child_ready(h, PROC_WORKER);
	serve_run(&conf);
	gateway_free(&conf.gw);
	_exit(0);
}
