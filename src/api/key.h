/*
 * key: what a user may know of the bound upstream account, and the
 * upstream's own OAuth, whose states belong to the user who asked.
 */
#ifndef API_KEY_H
#define API_KEY_H

#include "api/call.h"

route_handler key_handle_info, key_handle_authorize, key_handle_callback;

#endif
