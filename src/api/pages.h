/*
 * pages: the console and the API documentation, from the data directory.
 */
#ifndef API_PAGES_H
#define API_PAGES_H

#include "api/call.h"

route_handler pages_handle_console, pages_handle_asset, pages_handle_docs,
    pages_handle_redoc, pages_handle_docs_asset, pages_handle_openapi;

#endif
