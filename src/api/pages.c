/*
 * pages: files of a fixed list; no name from outside becomes a path.
 *
 * A file that lies there compressed (NAME.gz) is sent so to who accepts
 * gzip.  The entity tag is made of size and time of the file, so a copy
 * that a browser holds is answered with 304.
 */
#include <sys/mman.h>
#include <sys/stat.h>

#include <fcntl.h>
#include <string.h>
#include <unistd.h>

#include "api/pages.h"
#include "base/log.h"

#define CSP_CONSOLE	"default-src 'none'; script-src 'self'; "	\
	"style-src 'self'; img-src 'self' https: http: data:; "		\
	"connect-src 'self'; form-action 'self'; base-uri 'none'; "	\
	"frame-ancestors 'none'"
/* Swagger UI and ReDoc put style elements of their own into the page;
 * ReDoc searches in a worker made from a blob. */
#define CSP_DOCS	"default-src 'none'; script-src 'self'; "	\
	"style-src 'self' 'unsafe-inline'; img-src 'self' data:; "	\
	"font-src 'self' data:; connect-src 'self'; worker-src blob:; "	\
	"base-uri 'none'; form-action 'none'; frame-ancestors 'none'"

enum set { CONSOLE, DOCS };

struct page {
	enum set	 set;
	const char	*name;		/* as in the path */
	const char	*file;		/* below the data directory */
	const char	*type;
};

#define HTML	"text/html; charset=utf-8"
#define CSS	"text/css; charset=utf-8"
#define JS	"text/javascript; charset=utf-8"
static const struct page pages[] = {
	{ CONSOLE, "index.html", "index.html", HTML },
	{ CONSOLE, "app.js", "app.js", JS },
	{ CONSOLE, "style.css", "style.css", CSS },
	{ CONSOLE, "favicon.svg", "favicon.svg", "image/svg+xml" },
	{ DOCS, "swagger.html", "docs/swagger.html", HTML },
	{ DOCS, "swagger-init.js", "docs/swagger-init.js", JS },
	{ DOCS, "swagger-ui.css", "docs/swagger-ui.css", CSS },
	{ DOCS, "swagger-ui-bundle.js", "docs/swagger-ui-bundle.js", JS },
	{ DOCS, "redoc.html", "docs/redoc.html", HTML },
	{ DOCS, "redoc-init.js", "docs/redoc-init.js", JS },
	{ DOCS, "redoc.standalone.js", "docs/redoc.standalone.js", JS },
	{ DOCS, "docs.css", "docs/docs.css", CSS },
	{ DOCS, "openapi.json", "openapi.json", "application/json" },
};

static const struct page *
find_page(enum set set, const char *name)
{
	size_t i;

	for (i = 0; i < sizeof(pages) / sizeof(pages[0]); i++)
		if (pages[i].set == set && strcmp(pages[i].name, name) == 0)
			return &pages[i];
	return NULL;
}

static bool
accepts_gzip(const struct request *req)
{
	const char *p = req->accept_encoding;

	p = p != NULL ? strstr(p, "gzip") : NULL;
	return p != NULL && strncmp(p, "gzip;q=0", 8) != 0;
}

/* The file, or its compressed twin: descriptor, or -1. */
static int
open_page(struct call *c, const struct page *p, bool *ret_gzip)
{
	const char *path;
	int fd = -1;

	*ret_gzip = false;
	if (accepts_gzip(c->req)) {
		path = arena_printf(c->req->arena, "%s/%s.gz",
		    c->gw->data_dir, p->file);
		fd = open(path, O_RDONLY | O_CLOEXEC);
		*ret_gzip = fd != -1;
	}
	if (fd == -1) {
		path = arena_printf(c->req->arena, "%s/%s", c->gw->data_dir,
		    p->file);
		fd = open(path, O_RDONLY | O_CLOEXEC);
	}
	return fd;
}

static int
send_file(struct call *c, const struct page *p, int fd, bool gzip)
{
	struct response *r = c->res;
	struct stat st;
	const char *etag;
	void *data = NULL;
	int rc;

	if (fstat(fd, &st) == -1 || !S_ISREG(st.st_mode))
		return response_problem(r, PROBLEM_NOT_FOUND, NULL);
	etag = arena_printf(c->req->arena, "\"%llx-%llx%s\"",
	    (unsigned long long)st.st_mtime, (unsigned long long)st.st_size,
	    gzip ? "-gz" : "");
	(void)response_header(r, "ETag", etag);
	(void)response_header(r, "Cache-Control", "no-cache");
	(void)response_header(r, "Vary", "Accept-Encoding");
	if (c->req->if_none_match != NULL &&
	    strstr(c->req->if_none_match, etag) != NULL) {
		r->status = 304;
		return 0;
	}
	(void)response_header(r, "Content-Type", p->type);
	(void)response_header(r, "Content-Security-Policy",
	    p->set == CONSOLE ? CSP_CONSOLE : CSP_DOCS);
	(void)response_header(r, "Referrer-Policy", "no-referrer");
	if (gzip)
		(void)response_header(r, "Content-Encoding", "gzip");
	if (st.st_size > 0)
		data = mmap(NULL, (size_t)st.st_size, PROT_READ, MAP_PRIVATE,
		    fd, 0);
	if (data == MAP_FAILED || data == NULL)
		return response_problem(r, PROBLEM_INTERNAL, NULL);
	r->static_body = data;
	r->static_len = (size_t)st.st_size;
	response_send(r, c->req, c->writer);
	rc = munmap(data, (size_t)st.st_size);
	(void)rc;
	r->static_body = NULL;
	return r->status;
}

static int
send_page(struct call *c, enum set set, const char *name)
{
	const struct page *p = find_page(set, name);
	bool gzip;
	int fd, status;

	if (p == NULL)
		return response_problem(c->res, PROBLEM_NOT_FOUND, NULL);
	fd = open_page(c, p, &gzip);
	if (fd == -1) {
		log_warn("%s/%s", c->gw->data_dir, p->file);
		return response_problem(c->res, PROBLEM_NOT_FOUND,
		    c->req->chinese ? "该文件未安装，请运行 contrib/assets。" :
		    "This file is not installed; contrib/assets fetches it.");
	}
	status = send_file(c, p, fd, gzip);
	(void)close(fd);
	return status;
}

int
pages_handle_console(struct call *c)
{
	return send_page(c, CONSOLE, "index.html");
}

int
pages_handle_asset(struct call *c)
{
	return send_page(c, CONSOLE, c->req->value[0]);
}

int
pages_handle_docs(struct call *c)
{
	return send_page(c, DOCS, "swagger.html");
}

int
pages_handle_redoc(struct call *c)
{
	return send_page(c, DOCS, "redoc.html");
}

int
pages_handle_docs_asset(struct call *c)
{
	return send_page(c, DOCS, c->req->value[0]);
}

int
pages_handle_openapi(struct call *c)
{
	return send_page(c, DOCS, "openapi.json");
}
