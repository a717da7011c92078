/*
 * children: drops what a child must not have.
 */
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/stat.h>

#include <errno.h>
#include <grp.h>
#include <malloc.h>
#include <pwd.h>
#include <signal.h>
#include <string.h>
#include <unistd.h>

#include "api/settings.h"
#include "base/log.h"
#include "base/shm.h"
#include "proc/children.h"
#include "proc/sandbox.h"
#include "proc/title.h"

/* The largest body, answers and their parts several times over; a
 * sanitizer's own memory has no such bound. */
#define WORKER_DATA_MAX	(512u * 1024 * 1024)
#if defined(__SANITIZE_ADDRESS__)
#undef WORKER_DATA_MAX
#define WORKER_DATA_MAX	RLIM_INFINITY
#elif defined(__has_feature)
#if __has_feature(address_sanitizer)
#undef WORKER_DATA_MAX
#define WORKER_DATA_MAX	RLIM_INFINITY
#endif
#endif

/* The user by name, or the first of the usual ones. */
static int
find_user(const char *wanted, const char *const *usual,
    struct identity_ids *ret, struct buf *why)
{
	const struct passwd *pw = NULL;

	if (wanted != NULL) {
		pw = getpwnam(wanted);
		if (pw == NULL) {
			buf_printf(why, "there is no user %s", wanted);
			return -1;
		}
	}
	for (; pw == NULL && *usual != NULL; usual++)
		pw = getpwnam(*usual);
	if (pw == NULL || pw->pw_uid == 0) {
		buf_puts(why, "no unprivileged user to run as: set "
		    "PLUGWAY_USER");
		return -1;
	}
	ret->uid = pw->pw_uid;
	ret->gid = pw->pw_gid;
	return 0;
}

int
identities_find(const struct settings *s, struct identities *ret,
    struct buf *why)
{
	static const char *const worker[] = { "plugway", "www-data",
	    "nobody", NULL };
	static const char *const keeper[] = { "plugway-keeper", "plugway",
	    "www-data", "nobody", NULL };
	static const char *const registrar[] = { "plugway-registrar",
	    "plugway", "www-data", "nobody", NULL };

	memset(ret, 0, sizeof(*ret));
	ret->drop = geteuid() == 0;
	if (!ret->drop)
		return 0;
	if (find_user(settings_str(s, SET_USER), worker, &ret->worker,
	    why) != 0 ||
	    find_user(settings_str(s, SET_USER_KEEPER), keeper,
	    &ret->keeper, why) != 0 ||
	    find_user(settings_str(s, SET_USER_REGISTRAR), registrar,
	    &ret->registrar, why) != 0)
		return -1;
	return 0;
}

static void
drop_privileges(enum proc_role role, const struct identities *ids)
{
	const struct identity_ids *to = role == PROC_WORKER ? &ids->worker :
	    role == PROC_KEEPER ? &ids->keeper : &ids->registrar;

	if (!ids->drop)
		return;
	/* One common group, so that all can append to the log file. */
	if (setgroups(0, NULL) != 0 || setgid(ids->worker.gid) != 0 ||
	    setuid(to->uid) != 0)
		fatal("giving up root");
	if (setuid(0) != -1)
		fatalx("root was not given up");
}

static void
harden(pid_t master)
{
	const struct rlimit none = { 0, 0 };

	/* After the change of user, which clears both. */
	if (prctl(PR_SET_DUMPABLE, 0) != 0 ||
	    prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) != 0 ||
	    setrlimit(RLIMIT_CORE, &none) != 0)
		fatal("hardening");
	if (prctl(PR_SET_PDEATHSIG, SIGQUIT) != 0)
		fatal("PR_SET_PDEATHSIG");
	/* The master may have gone before that call. */
	if (getppid() != master)
		_exit(0);
}

static void
drop_memory(struct heritage *h, enum proc_role role)
{
	if (role != PROC_WORKER) {
		if (h->settings != NULL)
			(void)munmap(h->settings, SETTINGS_MAX);
		h->settings = NULL;
		(void)close(h->listen_fd);
		h->listen_fd = -1;
	}
	if (role == PROC_REGISTRAR) {
		(void)munmap(h->bootkey, h->bootkey_size);
		h->bootkey = NULL;
	}
}

/*
 * libfcgi believes any length that a peer claims for a parameter: a
 * worker that takes so much ends, before the machine is out of memory.
 */
static void
bound_memory(enum proc_role role)
{
	const struct rlimit most = { WORKER_DATA_MAX, WORKER_DATA_MAX };

	if (role == PROC_WORKER && setrlimit(RLIMIT_DATA, &most) != 0)
		fatal("RLIMIT_DATA");
}

void
child_enter(struct heritage *h, enum proc_role role,
    const struct identities *ids)
{
	log_set_process(proc_role_name(role));
	title_set(proc_role_name(role), "starting");
	drop_memory(h, role);
	(void)umask(077);
	drop_privileges(role, ids);
	harden(h->master);
	bound_memory(role);
	/* Large bodies go back to the system: without a fixed threshold
	 * glibc raises it to the largest block ever freed. */
	(void)mallopt(M_MMAP_THRESHOLD, 128 * 1024);
	(void)mallopt(M_TRIM_THRESHOLD, 256 * 1024);
}

struct settings *
child_read_settings(struct heritage *h)
{
	struct settings *s = shm_map_private(SETTINGS_MAX);
	size_t have = 0;
	ssize_t n;

	while (have < SETTINGS_MAX && ((n = read(h->secrets_fd,
	    (char *)s + have, SETTINGS_MAX - have)) > 0 ||
	    (n == -1 && errno == EINTR)))
		if (n > 0)
			have += (size_t)n;
	(void)close(h->secrets_fd);
	h->secrets_fd = -1;
	if (app_settings_check(s, have) != 0)
		fatalx("no configuration came from the master");
	return s;
}

void
child_ready(const struct heritage *h, enum proc_role role)
{
	uint64_t one = 1;

	sandbox_enter(role);
	score_set_state(h->self, PROC_IDLE);
	if (write(h->master_fd, &one, sizeof(one)) != sizeof(one))
		log_debug("eventfd");
}
