/*
 * health: is it alive, is it ready, how is it doing.
 */
#ifndef API_HEALTH_H
#define API_HEALTH_H

#include "api/call.h"

route_handler health_handle_live, health_handle_ready, health_handle_metrics;

#endif
