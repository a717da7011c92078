/*
 * test_log: the form of lines, and what happens when a line cannot be
 * written.  Each case writes to a file, pipe or socket of its own.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include <errno.h>
#include <fcntl.h>
#include <json.h>
#include <stdio.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/codec.h"
#include "base/log.h"
#include "base/logline.h"

#define N(a)	(sizeof(a) / sizeof((a)[0]))

static char dir[] = "/tmp/test_log.XXXXXX";
static char path[64], path_old[64];

static struct logline
line_of(const char *message, const struct log_field *field, size_t n)
{
	return (struct logline){
		.wall_us = 1795470025061693, .level = "info",
		.process = "worker", .pid = 123, .request_id = "",
		.message = message, .field = field, .n_fields = n
	};
}

static const struct {
	const char	*message;
	const char	*value;		/* of the field v, NULL: left out */
	const char	*text;		/* behind "info worker[123] - " */
	const char	*json;		/* behind "pid":123, */
} row[] = {
	{ "started", NULL, "started", "\"message\":\"started\"" },
	{ "two words", "x", "two words v=x",
	    "\"message\":\"two words\",\"v\":\"x\"" },
	{ "m", "", "m v=\"\"", "\"message\":\"m\",\"v\":\"\"" },
	{ "", "x", "\"\" v=x", "\"message\":\"\",\"v\":\"x\"" },
	{ "m", "a b", "m v=\"a b\"", "\"message\":\"m\",\"v\":\"a b\"" },
	{ "m", "/p?q[1]", "m v=/p?q[1]",
	    "\"message\":\"m\",\"v\":\"/p?q[1]\"" },
	/* Neither a line nor a field can be forged. */
	{ "m", "a\n2026 info x", "m v=\"a\\n2026 info x\"",
	    "\"message\":\"m\",\"v\":\"a\\n2026 info x\"" },
	{ "m", "a\r\n", "m v=\"a\\r\\n\"",
	    "\"message\":\"m\",\"v\":\"a\\r\\n\"" },
	{ "m", "a\" w=\"b", "m v=\"a\\\" w=\\\"b\"",
	    "\"message\":\"m\",\"v\":\"a\\\" w=\\\"b\"" },
	{ "m", "a=b", "m v=\"a=b\"", "\"message\":\"m\",\"v\":\"a=b\"" },
	{ "m", "a\\", "m v=\"a\\\\\"", "\"message\":\"m\",\"v\":\"a\\\\\"" },
	{ "m status=200", "x", "\"m status=200\" v=x",
	    "\"message\":\"m status=200\",\"v\":\"x\"" },
	{ "m\nn", NULL, "\"m\\nn\"", "\"message\":\"m\\nn\"" },
	/* Controls of all kinds: escape, DEL, C1, separators, bidi. */
	{ "m", "\x1b[31m\x7f\t", "m v=\"\\x1B[31m\\x7F\\t\"",
	    "\"message\":\"m\",\"v\":\"\\u001b[31m\\u007f\\t\"" },
	{ "m", "\xc2\x9b", "m v=\"\\xC2\\x9B\"",
	    "\"message\":\"m\",\"v\":\"\\u009b\"" },
	{ "m", "\xe2\x80\xa8\xe2\x80\xae\xe2\x81\xa6",
	    "m v=\"\\xE2\\x80\\xA8\\xE2\\x80\\xAE\\xE2\\x81\\xA6\"",
	    "\"message\":\"m\",\"v\":\"\\u2028\\u202e\\u2066\"" },
	/* UTF-8 passes, what is not UTF-8 does not. */
	{ "m", "\xe4\xbd\xa0\xc3\xa9\xf0\x9f\x98\x80",
	    "m v=\"\xe4\xbd\xa0\xc3\xa9\xf0\x9f\x98\x80\"",
	    "\"message\":\"m\",\"v\":\"\xe4\xbd\xa0\xc3\xa9"
	    "\xf0\x9f\x98\x80\"" },
	{ "m", "a\xff\xe4\xbd", "m v=\"a\\xFF\\xE4\\xBD\"",
	    "\"message\":\"m\",\"v\":\"a\\ufffd\\ufffd\\ufffd\"" },
};

static void
test_lines(void **state)
{
	char got[8192], want[8192];
	size_t i, n;

	(void)state;
	for (i = 0; i < N(row); i++) {
		const struct log_field f[] = { LOG_S("v", row[i].value) };
		struct logline l = line_of(row[i].message, f, 1);

		n = logline_text(&l, got, sizeof(got));
		got[n] = '\0';
		(void)snprintf(want, sizeof(want), "2026-11-23T21:40:25.061Z "
		    "info worker[123] - %s\n", row[i].text);
		assert_string_equal(got, want);
		n = logline_short(&l, got, sizeof(got));
		got[n] = '\0';
		assert_string_equal(got, row[i].text);
		n = logline_json(&l, got, sizeof(got));
		got[n] = '\0';
		(void)snprintf(want, sizeof(want), "{\"time\":"
		    "\"2026-11-23T21:40:25.061Z\",\"level\":\"info\","
		    "\"process\":\"worker\",\"pid\":123,%s}\n", row[i].json);
		assert_string_equal(got, want);
	}
}

static void
test_fields(void **state)
{
	const struct log_field f[] = {
		LOG_N("status", 502), LOG_S("none", NULL),
		LOG_S("path", "/v1/models"), LOG_N("us", INT64_MIN),
	};
	struct logline l = line_of("request", f, N(f));
	char got[1000];
	size_t n;

	(void)state;
	l.request_id = "req 1";
	n = logline_text(&l, got, sizeof(got));
	got[n] = '\0';
	assert_string_equal(got, "2026-11-23T21:40:25.061Z info worker[123] "
	    "\"req 1\" request status=502 path=/v1/models "
	    "us=-9223372036854775808\n");
	n = logline_json(&l, got, sizeof(got));
	got[n] = '\0';
	assert_string_equal(got, "{\"time\":\"2026-11-23T21:40:25.061Z\","
	    "\"level\":\"info\",\"process\":\"worker\",\"pid\":123,"
	    "\"request_id\":\"req 1\",\"message\":\"request\",\"status\":502,"
	    "\"path\":\"/v1/models\",\"us\":-9223372036854775808}\n");
}

static bool
is_json(const char *text, size_t n)
{
	struct json_tokener *t = json_tokener_new();
	struct json_object *o;
	bool good;

	json_tokener_set_flags(t, JSON_TOKENER_STRICT |
	    JSON_TOKENER_VALIDATE_UTF8);
	o = json_tokener_parse_ex(t, text, (int)n);
	good = json_tokener_get_error(t) == json_tokener_success &&
	    json_object_is_type(o, json_type_object) &&
	    json_tokener_get_parse_end(t) >= n - 1;
	json_object_put(o);
	json_tokener_free(t);
	return good;
}

/*
 * Lines that fit by a hair and lines that do not: whatever the length,
 * a line is one line, well formed, and says when it was cut.
 */
static void
test_cut(void **state)
{
	static const char *const chars[] = { "x", " ", "\"", "\n", "\x01",
	    "\xc2\x9b", "\xe4\xbd\xa0", "\xff" };
	char value[600], got[LOGLINE_MIN];
	size_t i, k, len, n;

	(void)state;
	for (i = 0; i < N(chars); i++) {
		for (k = 0; k < 500; k++) {
			const struct log_field f[] = { LOG_S("value", value),
			    LOG_N("n", 123456), LOG_S("last", "z") };
			struct logline l;

			for (value[len = 0] = '\0'; len < k;
			    len += strlen(chars[i]))
				strcpy(value + len, chars[i]);
			l = line_of(k % 2 == 0 ? "m" : value, f, N(f));
			n = logline_text(&l, got, sizeof(got));
			assert_true(n <= sizeof(got));
			assert_ptr_equal(memchr(got, '\n', n), got + n - 1);
			assert_true(utf8_valid(got, n));
			assert_true(memmem(got, n, " last=z\n", 8) != NULL ||
			    memmem(got, n, " (cut)\n", 7) != NULL);
			n = logline_json(&l, got, sizeof(got));
			assert_true(n <= sizeof(got));
			assert_ptr_equal(memchr(got, '\n', n), got + n - 1);
			assert_true(is_json(got, n));
			assert_true(
			    memmem(got, n, ",\"last\":\"z\"}\n", 13) != NULL ||
			    memmem(got, n, ",\"cut\":true}\n", 13) != NULL);
		}
	}
}

/* What is in the file; a static copy. */
static const char *
content(const char *file)
{
	static char text[100000];
	FILE *f = fopen(file, "r");
	size_t n;

	assert_non_null(f);
	n = fread(text, 1, sizeof(text) - 1, f);
	text[n] = '\0';
	(void)fclose(f);
	return text;
}

static void
open_log(const char *target, enum log_level level, enum log_format format)
{
	const struct log_conf conf = { target, level, format };

	assert_int_equal(log_open(&conf), 0);
}

static void
test_file(void **state)
{
	struct stat st;
	const char *p;
	char want[200];

	(void)state;
	(void)umask(0);
	open_log(path, LOG_LEVEL_INFO, LOG_FORMAT_TEXT);
	assert_int_equal(stat(path, &st), 0);
	assert_int_equal(st.st_mode & 0777, 0640);
	log_set_process("keeper");
	log_set_request("01HX");
	log_debug("not %s", "seen");
	log_info("it is %d", 7);
	log_set_request(NULL);
	errno = ENOENT;
	log_warn("open %s", "/x");
	assert_int_equal(errno, ENOENT);
	log_warnx("warnx");
	errno = EACCES;
	log_error("a=%d", 1);
	log_errorx("errorx");
	LOG_EVENT(LOG_LEVEL_INFO, "request", LOG_N("status", 200),
	    LOG_S("user", "a\nb"));
	assert_true(log_enabled(LOG_LEVEL_INFO));
	assert_false(log_enabled(LOG_LEVEL_DEBUG));
	p = content(path);
	(void)snprintf(want, sizeof(want), " info keeper[%d] 01HX it is 7\n",
	    (int)getpid());
	assert_non_null(strstr(p, want));
	assert_null(strstr(p, "seen"));
	assert_non_null(strstr(p, " - open /x: No such file or directory\n"));
	assert_non_null(strstr(p, " warn keeper["));
	assert_non_null(strstr(p, " - warnx\n"));
	assert_non_null(strstr(p, " - \"a=1: Permission denied\"\n"));
	assert_non_null(strstr(p, " error keeper["));
	assert_non_null(strstr(p, " - errorx\n"));
	assert_non_null(strstr(p, " - request status=200 user=\"a\\nb\"\n"));
}

static void
test_reopen(void **state)
{
	(void)state;
	open_log(path, LOG_LEVEL_INFO, LOG_FORMAT_JSON);
	log_info("one");
	assert_int_equal(rename(path, path_old), 0);
	log_info("two");
	log_reopen();
	log_info("three");
	assert_non_null(strstr(content(path_old), "\"two\""));
	assert_null(strstr(content(path_old), "\"three\""));
	assert_non_null(strstr(content(path), "\"three\""));
	/* When it cannot be opened the old one is kept. */
	assert_int_equal(unlink(path), 0);
	assert_int_equal(mkdir(path, 0700), 0);
	log_reopen();
	log_info("four");
	assert_int_equal(rmdir(path), 0);
	assert_int_equal(unlink(path_old), 0);
}

static void
test_open_fails(void **state)
{
	const struct log_conf missing = { "/nonexistent/log",
	    LOG_LEVEL_INFO, LOG_FORMAT_TEXT };
	struct log_conf fifo = { path, LOG_LEVEL_INFO, LOG_FORMAT_TEXT };

	(void)state;
	assert_int_equal(log_open(&missing), -1);
	assert_int_equal(errno, ENOENT);
	assert_int_equal(mkfifo(path, 0600), 0);
	assert_int_equal(log_open(&fifo), -1);
	assert_int_equal(errno, ENXIO);
	assert_int_equal(unlink(path), 0);
}

/* Runs body in a child whose stderr is fd; returns its wait status. */
static int
with_stderr(int fd, void (*body)(void))
{
	int status;
	pid_t pid = fork();

	if (pid == 0) {
		if (dup2(fd, STDERR_FILENO) == -1)
			_exit(99);
		body();
		_exit(98);
	}
	assert_true(pid > 0);
	assert_int_equal(waitpid(pid, &status, 0), pid);
	return status;
}

/* More than any pipe or socket buffer holds, then the count. */
static void
log_a_lot_unopened(void)
{
	char text[4000];
	int i;

	memset(text, 'x', sizeof(text));
	for (i = 0; i < 2000; i++)
		log_info("%.*s", (int)sizeof(text), text);
	_exit(log_dropped() > 0 && log_dropped() < 2000 ? 0 : 1);
}

static void
open_stderr(void)
{
	open_log("stderr", LOG_LEVEL_INFO, LOG_FORMAT_TEXT);
}

static void
log_a_lot(void)
{
	open_stderr();
	log_a_lot_unopened();
}

/* What a reader of fd gets must be whole lines. */
static void
assert_whole_lines(int fd)
{
	FILE *f = fdopen(fd, "r");
	size_t lines = 0, size = 0;
	char *whole = NULL;
	ssize_t n;

	assert_non_null(f);
	while ((n = getline(&whole, &size, f)) > 0) {
		assert_int_equal(whole[n - 1], '\n');
		assert_int_equal(whole[0], '2');
		lines++;
	}
	free(whole);
	(void)fclose(f);
	assert_true(lines > 10);
}

/*
 * A blocking pipe, as stderr is before the log is opened; so this is
 * the first of all tests.
 */
static void
test_slow_reader_unopened(void **state)
{
	int fd[2];

	(void)state;
	assert_int_equal(pipe2(fd, O_CLOEXEC), 0);
	assert_int_equal(with_stderr(fd[1], log_a_lot_unopened), 0);
	(void)close(fd[1]);
	assert_whole_lines(fd[0]);
}

static void
test_slow_reader(void **state)
{
	int fd[2];

	(void)state;
	assert_int_equal(pipe2(fd, O_CLOEXEC), 0);
	assert_int_equal(with_stderr(fd[1], log_a_lot), 0);
	(void)close(fd[1]);
	assert_whole_lines(fd[0]);

	assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM, 0, fd), 0);
	assert_int_equal(with_stderr(fd[1], log_a_lot), 0);
	(void)close(fd[1]);
	(void)close(fd[0]);
}

static void
log_two(void)
{
	open_stderr();
	log_info("one");
	log_info("two");
	_exit(log_dropped() == 2 ? 0 : 1);
}

static void
test_no_reader(void **state)
{
	int fd[2];

	(void)state;
	assert_int_equal(pipe2(fd, O_CLOEXEC), 0);
	(void)close(fd[0]);
	assert_int_equal(with_stderr(fd[1], log_two), 0);
	(void)close(fd[1]);
	assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM, 0, fd), 0);
	(void)close(fd[0]);
	assert_int_equal(with_stderr(fd[1], log_two), 0);
	(void)close(fd[1]);
}

static void
test_disk_full(void **state)
{
	int fd = open("/dev/full", O_WRONLY | O_CLOEXEC);

	(void)state;
	assert_true(fd != -1);
	assert_int_equal(with_stderr(fd, log_two), 0);
	(void)close(fd);
}

/* Half a line at the size limit is ended before the next begins. */
static void
log_torn(void)
{
	struct rlimit limit = { 120, RLIM_INFINITY };

	open_log(path, LOG_LEVEL_INFO, LOG_FORMAT_TEXT);
	if (setrlimit(RLIMIT_FSIZE, &limit) == -1)
		_exit(2);
	log_info("first");
	log_info("second, which is torn: %060d", 1);
	log_info("third");
	limit.rlim_cur = RLIM_INFINITY;
	if (setrlimit(RLIMIT_FSIZE, &limit) == -1)
		_exit(3);
	log_info("fourth");
	_exit(log_dropped() == 2 ? 0 : 1);
}

static void
test_torn(void **state)
{
	const char *p;

	(void)state;
	assert_int_equal(with_stderr(STDERR_FILENO, log_torn), 0);
	p = content(path);
	assert_null(strstr(p, "third"));
	p = strstr(p, "second");
	assert_non_null(p);
	p = strchr(p, '\n');
	assert_non_null(p);
	assert_memory_equal(p + 1, "2", 1);
	assert_non_null(strstr(p, " - fourth\n"));
	assert_int_equal(unlink(path), 0);
}

static void
say_fatal(void)
{
	open_stderr();
	errno = ENOMEM;
	fatal("no memory");
}

static void
say_fatalx(void)
{
	open_stderr();
	fatalx("broken");
}

static void
test_fatal(void **state)
{
	int fd = open(path, O_RDWR | O_CREAT | O_CLOEXEC, 0600), status;

	(void)state;
	status = with_stderr(fd, say_fatal);
	assert_true(WIFEXITED(status) && WEXITSTATUS(status) == 1);
	status = with_stderr(fd, say_fatalx);
	assert_true(WIFEXITED(status) && WEXITSTATUS(status) == 1);
	(void)close(fd);
	assert_non_null(strstr(content(path),
	    "no memory: Cannot allocate memory\n"));
	assert_non_null(strstr(content(path), " - broken\n"));
	assert_int_equal(unlink(path), 0);
}

static int
set_up(void **state)
{
	(void)state;
	if (mkdtemp(dir) == NULL)
		return -1;
	(void)snprintf(path, sizeof(path), "%s/log", dir);
	(void)snprintf(path_old, sizeof(path_old), "%s/log.1", dir);
	return 0;
}

static int
forget_file(void **state)
{
	(void)state;
	(void)unlink(path);
	return 0;
}

static int
tear_down(void **state)
{
	(void)state;
	return rmdir(dir);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_slow_reader_unopened),
		cmocka_unit_test(test_lines),
		cmocka_unit_test(test_fields),
		cmocka_unit_test(test_cut),
		cmocka_unit_test_teardown(test_file, forget_file),
		cmocka_unit_test(test_reopen),
		cmocka_unit_test(test_open_fails),
		cmocka_unit_test(test_slow_reader),
		cmocka_unit_test(test_no_reader),
		cmocka_unit_test(test_disk_full),
		cmocka_unit_test(test_torn),
		cmocka_unit_test(test_fatal),
	};

	return cmocka_run_group_tests(tests, set_up, tear_down);
}
