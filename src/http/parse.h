/*
 * parse: a struct request from FastCGI parameters.
 */
#ifndef HTTP_PARSE_H
#define HTTP_PARSE_H

#include "http/request.h"

/*
 * Fills req, whose arena is set; params are "NAME=value" strings and
 * must live as long as req is served; method, path, id and client outlive
 * them.  Returns the problem that the client is to
 * be told, or PROBLEM_NONE.  req->id, client, chinese and origin are
 * usable in any case.
 */
enum problem request_parse(struct request *req, char *const *params);

#endif
