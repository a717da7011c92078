/*
 * log: one line, one event.
 *
 * Every line carries time, level, process name and pid, and the request
 * id when there is one.  Format "text" is key=value behind the message;
 * "json" is one object a line.  Whatever comes from outside is escaped,
 * so that it cannot begin a line or forge a field.  Writing never
 * blocks the caller for long and never fails it: a line that cannot be
 * written is counted and dropped.
 *
 * warn and error add strerror(errno); warnx and errorx do not.
 * Secrets and bodies are never passed here.
 */
#ifndef BASE_LOG_H
#define BASE_LOG_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum log_level {
	LOG_LEVEL_DEBUG,
	LOG_LEVEL_INFO,
	LOG_LEVEL_WARN,
	LOG_LEVEL_ERROR,
	LOG_LEVEL_MAX
};

enum log_format { LOG_FORMAT_TEXT, LOG_FORMAT_JSON };

struct log_conf {
	const char	*target;	/* "stderr", "syslog" or a path */
	enum log_level	 level;
	enum log_format	 format;
};

/* A field of log_event: a string (NULL is left out) or a number. */
struct log_field {
	const char	*name;
	const char	*str;
	int64_t		 num;
	bool		 is_num;
};
#define LOG_S(n, v)	{ .name = (n), .str = (v) }
#define LOG_N(n, v)	{ .name = (n), .num = (int64_t)(v), .is_num = true }

/* 0, or -1 with errno when the file cannot be opened (mode 0640). */
int	 log_open(const struct log_conf *) __attribute__((warn_unused_result));
/* Opens the file again (after it was rotated). */
void	 log_reopen(void);
void	 log_set_process(const char *name);
/* NULL: none.  The string is copied. */
void	 log_set_request(const char *request_id);
uint64_t log_dropped(void);
bool	 log_enabled(enum log_level);

void	 log_event(enum log_level, const char *event,
	    const struct log_field *, size_t n);
#define LOG_EVENT(level, event, ...) do {				\
	const struct log_field lf_[] = { __VA_ARGS__ };			\
	log_event((level), (event), lf_, sizeof(lf_) / sizeof(lf_[0]));	\
} while (0)

void	 log_debug(const char *fmt, ...) __attribute__((format(printf, 1, 2)));
void	 log_info(const char *fmt, ...) __attribute__((format(printf, 1, 2)));
void	 log_warn(const char *fmt, ...) __attribute__((format(printf, 1, 2)));
void	 log_warnx(const char *fmt, ...) __attribute__((format(printf, 1, 2)));
void	 log_error(const char *fmt, ...) __attribute__((format(printf, 1, 2)));
void	 log_errorx(const char *fmt, ...)
	    __attribute__((format(printf, 1, 2)));
/* Broken set-up, or no memory: says so and exits 1. */
_Noreturn void fatal(const char *fmt, ...)
	    __attribute__((format(printf, 1, 2)));
_Noreturn void fatalx(const char *fmt, ...)
	    __attribute__((format(printf, 1, 2)));

#endif
