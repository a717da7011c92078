/*
 * call: what one exchange and several side by side have in common.
 *
 * Private to this floor: the key of the user, opened for the time of the
 * call, the request made with it, the breaker and the counters.
 */
#ifndef PROXY_CALL_H
#define PROXY_CALL_H

#include <stdbool.h>
#include <stddef.h>

#include "proxy/keyguard.h"
#include "proxy/proxy.h"

/* The user's key in clear; wiped by callkey_wipe() and nowhere kept. */
struct callkey {
	unsigned char	 plain[BOOTKEY_PLAIN_MAX + 1];
	size_t		 len;
	char		 authorization[sizeof("Bearer ") + BOOTKEY_PLAIN_MAX];
};

int	 callkey_open(struct callkey *, const struct bootkey *,
	    const struct tenant *) __attribute__((warn_unused_result));
void	 callkey_wipe(struct callkey *);

/* Asks the breaker.  0, or the status of the problem put in response. */
int	 call_admit(const struct proxy_ctx *, struct breaker_pass *ret,
	    struct response *);
/* Tells the breaker and counts.  status 0: no head was seen. */
void	 call_tell(const struct proxy_ctx *, const struct breaker_pass *,
	    uint64_t user_id, int status, enum httpc_error);
void	 call_count(const struct proxy_ctx *, enum counter);
/* The answer holds the key: counted, and said in the log. */
void	 call_key_echo(const struct proxy_ctx *, const struct tenant *);

/* Base, target, limits, fields and key of a request.  -1: the target
 * cannot be built. */
int	 call_request(const struct proxy_ctx *, const struct proxy_call *,
	    const struct callkey *, struct httpc_request *ret)
	    __attribute__((warn_unused_result));
/* Puts the verdict about an answer into response; its status. */
int	 call_problem(struct response *, const struct upstream_verdict *);
uint64_t call_max_answer(const struct upstream_conf *);

#endif
