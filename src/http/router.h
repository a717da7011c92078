/*
 * router: finds the row of a route table that a request means.
 *
 * Knows no handler: the rows carry a pointer that only api/ looks into.
 */
#ifndef HTTP_ROUTER_H
#define HTTP_ROUTER_H

#include <stdbool.h>
#include <stddef.h>

#include "http/problem.h"
#include "http/request.h"

#define ROUTE_VALUES_MAX	4

/* The characters and length of a value in a path, by its name. */
struct path_rule {
	const char	*name;		/* "cookie_id" */
	const char	*chars;		/* allowed besides letters and digits */
	size_t		 max;
	bool		 no_dots;	/* "." and ".." are refused */
	bool		 digits_only;
};

struct route_pattern {
	const char	*method;	/* "GET" answers HEAD too */
	/* "/api/x/{cookie_id}/status"; a segment may have a literal tail:
	 * "{model}:generateContent" */
	const char	*path;
};

struct router;

/* Splits the patterns once; rows are `stride` bytes apart and begin
 * with a struct route_pattern. */
struct router *router_create(const void *rows, size_t n, size_t stride,
	    const struct path_rule *rules, size_t n_rules);
void	 router_free(struct router **);

/*
 * PROBLEM_NONE: *ret_row is the row's index and req->value[] are set,
 * decoded and checked, in the order of the path.  PROBLEM_METHOD:
 * *ret_allow lists the methods that work ("GET, HEAD, PUT").
 */
enum problem router_find(const struct router *, struct request *req,
	    size_t *ret_row, const char **ret_allow);

#endif
