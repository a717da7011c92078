/*
 * apikeys: personal keys, shown in full once.
 */
#ifndef API_APIKEYS_H
#define API_APIKEYS_H

#include "api/call.h"

route_handler apikeys_handle_create, apikeys_handle_list, apikeys_handle_get,
    apikeys_handle_status, apikeys_handle_delete;

#endif
