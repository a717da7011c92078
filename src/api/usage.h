/*
 * usage: answers composed from several of the upstream's.
 */
#ifndef API_USAGE_H
#define API_USAGE_H

#include "api/call.h"

route_handler usage_handle_quotas, usage_handle_accounts,
    usage_handle_summary, usage_handle_shared_stats;

#endif
