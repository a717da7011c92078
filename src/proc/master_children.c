/*
 * master_children: fork, reap, scale.
 *
 * A child's pid stays taken until it is reaped here, so a signal never
 * reaches a stranger.
 */
#include <sys/wait.h>

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <string.h>
#include <unistd.h>

#include "api/settings.h"
#include "base/clock.h"
#include "base/log.h"
#include "base/secret.h"
#include "proc/keeper.h"
#include "proc/master_private.h"
#include "proc/registrar.h"
#include "proc/signals.h"
#include "proc/worker.h"

#define READY_MS		30000
#define REMIND_MS		500
#define BRAKE_MIN_MS		1000
#define BRAKE_MAX_MS		60000
#define YOUNG_MS		10000
#define BATCH_MAX		32
#define SHRINK_EVERY_MS		1000

/* What each role is: its work and the part of the configuration that
 * comes to it through a pipe (0: none). */
static const struct {
	void		(*run)(struct heritage *);	/* does not return */
	unsigned	 settings_role;
	enum counter	 died;
} roles[PROC_ROLE_MAX] = {
	[PROC_WORKER] = { worker_run, 0, CNT_WORKER_CRASHED },
	[PROC_KEEPER] = { keeper_run, ROLE_KEEPER, CNT_KEEPER_RESTARTED },
	[PROC_REGISTRAR] = { registrar_run, ROLE_REGISTRAR,
	    CNT_REGISTRAR_RESTARTED },
};

static _Noreturn void
become(struct master *m, enum proc_role role, struct score *row, int fd)
{
	struct heritage *h = &m->h;

	if (m->control_fd >= 0)
		(void)close(m->control_fd);
	/* A reload forks while plugwayctl waits for the end of its
	 * connection. */
	if (m->client_fd >= 0)
		(void)close(m->client_fd);
	if (m->notify_fd >= 0)
		(void)close(m->notify_fd);
	h->self = row;
	h->secrets_fd = fd;
	child_enter(h, role, &m->ids);
	roles[role].run(h);
	_exit(1);
}

/* The role's part of the configuration, from memory that the child does
 * not have. */
static void
hand_over(struct master *m, unsigned role, int fd)
{
	size_t sent = 0;

	app_settings_filter(m->room.full, role, m->room.scratch);
	while (sent < m->room.scratch->size) {
		ssize_t n = write(fd, (char *)m->room.scratch + sent,
		    m->room.scratch->size - sent);

		if (n <= 0)
			break;		/* the child is gone; reaped later */
		sent += (size_t)n;
	}
	wipe(m->room.scratch, m->room.scratch->size);
}

int
master_spawn(struct master *m, enum proc_role role)
{
	int pipe_fds[2] = { -1, -1 };
	size_t index;
	struct score *row = scoreboard_take(m->h.scores, role,
	    m->h.generation, &index);
	struct child *c;
	pid_t pid;

	if (row == NULL)
		return -1;
	if (roles[role].settings_role != 0) {
		if (pipe2(pipe_fds, O_CLOEXEC) == -1)
			fatal("pipe");
		/* So that the whole image fits and nobody waits. */
		(void)fcntl(pipe_fds[1], F_SETPIPE_SZ, (int)SETTINGS_MAX);
	}
	pid = fork();
	if (pid == 0) {
		if (pipe_fds[1] >= 0)
			(void)close(pipe_fds[1]);
		become(m, role, row, pipe_fds[0]);
	}
	if (pipe_fds[0] >= 0)
		(void)close(pipe_fds[0]);
	if (pid > 0 && pipe_fds[1] >= 0)
		hand_over(m, roles[role].settings_role, pipe_fds[1]);
	if (pipe_fds[1] >= 0)
		(void)close(pipe_fds[1]);
	if (pid == -1) {
		log_warn("fork");
		scoreboard_clear(row);
		m->brake[role].until_ms = clock_mono_ms() + BRAKE_MIN_MS;
		return -1;
	}
	__atomic_store_n(&row->pid, (int32_t)pid, __ATOMIC_RELAXED);
	c = &m->child[index];
	*c = (struct child){ .pid = pid, .role = role,
	    .generation = m->h.generation, .started_ms = clock_mono_ms() };
	if (role == PROC_WORKER)
		counters_add(m->h.counters, CNT_WORKER_STARTED, 1);
	return (int)index;
}

static void
brake_on(struct master *m, enum proc_role role)
{
	struct brake *b = &m->brake[role];

	b->delay_ms = b->delay_ms == 0 ? BRAKE_MIN_MS :
	    b->delay_ms * 2 > BRAKE_MAX_MS ? BRAKE_MAX_MS : b->delay_ms * 2;
	b->until_ms = clock_mono_ms() + b->delay_ms;
	log_errorx("%s died before its first work: next start in %d ms",
	    proc_role_name(role), b->delay_ms);
}

/* Has this child shown that its role can work here?  A worker that
 * waited long for its first request has: what kills it then is the
 * request. */
static bool
proved_itself(const struct child *c, const struct score *row)
{
	if (!c->ready)
		return false;
	if (c->role == PROC_WORKER &&
	    __atomic_load_n(&row->requests, __ATOMIC_RELAXED) > 0)
		return true;
	return clock_mono_ms() - c->started_ms > YOUNG_MS;
}

static void
buried(struct master *m, struct child *c, struct score *row, int status)
{
	bool killed = WIFSIGNALED(status) && (WTERMSIG(status) == SIGKILL ||
	    WTERMSIG(status) == SIGTERM);
	bool clean = WIFEXITED(status) && WEXITSTATUS(status) == 0;
	uint64_t served = __atomic_load_n(&row->requests, __ATOMIC_RELAXED);

	if (c->term_ms == 0 && !clean) {
		LOG_EVENT(LOG_LEVEL_WARN, "child died",
		    LOG_S("role", proc_role_name(c->role)),
		    LOG_N("child", c->pid),
		    LOG_N("signal", WIFSIGNALED(status) ? WTERMSIG(status) :
		    0), LOG_N("exit", WIFEXITED(status) ?
		    WEXITSTATUS(status) : 0), LOG_N("requests", served));
		counters_add(m->h.counters, roles[c->role].died, 1);
		/* Somebody who kills from outside says nothing of us. */
		if (!killed && !proved_itself(c, row))
			brake_on(m, c->role);
	}
	scoreboard_clear(row);
	memset(c, 0, sizeof(*c));
}

void
master_reap(struct master *m)
{
	int status;
	pid_t pid;
	size_t i;

	while ((pid = waitpid(-1, &status, WNOHANG)) > 0)
		for (i = 0; i < m->n_rows; i++)
			if (m->child[i].pid == pid) {
				buried(m, &m->child[i],
				    scoreboard_row(m->h.scores, i), status);
				break;
			}
}

void
master_wait(struct master *m, int ms)
{
	struct pollfd p[2] = {
	    { .fd = m->h.master_fd, .events = POLLIN },
	    { .fd = m->control_fd, .events = POLLIN },
	};
	struct timespec ts = { ms / 1000, ms % 1000 * 1000000L };
	uint64_t n;

	if (ppoll(p, 2, &ts, &m->wait_mask) > 0 && p[0].revents != 0 &&
	    read(m->h.master_fd, &n, sizeof(n)) == -1 && errno != EAGAIN)
		log_warn("eventfd");
	if (signals_child) {
		signals_child = 0;
		master_reap(m);
	}
}

void
master_signal(struct master *m, int row, int sig)
{
	struct child *c = &m->child[row];

	if (c->pid == 0)
		return;
	if (sig == SIGTERM || sig == SIGQUIT || sig == SIGKILL)
		c->term_ms = clock_mono_ms();
	(void)kill(c->pid, sig);
}

void
master_signal_all(struct master *m, enum proc_role role, uint32_t but,
    int sig)
{
	size_t i;

	for (i = 0; i < m->n_rows; i++)
		if (m->child[i].pid != 0 &&
		    (role == PROC_ROLE_MAX || m->child[i].role == role) &&
		    (but == 0 || m->child[i].generation != but))
			master_signal(m, (int)i, sig);
}

void
master_kill_generation(struct master *m, uint32_t generation)
{
	size_t i;

	for (i = 0; i < m->n_rows; i++)
		if (m->child[i].generation == generation)
			master_signal(m, (int)i, SIGKILL);
}

size_t
master_count(const struct master *m, enum proc_role role)
{
	size_t i, n = 0;

	for (i = 0; i < m->n_rows; i++)
		n += m->child[i].pid != 0 &&
		    (role == PROC_ROLE_MAX || m->child[i].role == role);
	return n;
}

static bool
is_ready(const struct master *m, size_t i)
{
	const struct score *row = scoreboard_row(m->h.scores, i);

	return __atomic_load_n(&row->state, __ATOMIC_RELAXED) >
	    (uint32_t)PROC_STARTING;
}

int
master_wait_ready(struct master *m, int row, int ms)
{
	int64_t deadline = clock_mono_ms() + ms;
	pid_t pid = m->child[row].pid;

	while (m->child[row].pid == pid) {
		if (is_ready(m, (size_t)row)) {
			m->child[row].ready = true;
			return 0;
		}
		if (clock_mono_ms() >= deadline || signals_quit) {
			master_signal(m, row, SIGKILL);
			return -1;
		}
		master_wait(m, 20);
	}
	return -1;
}

/* Notes who became ready; kills who does not in time; reminds those who
 * were told to go, because a signal can fall between two requests. */
static void
look_after(struct master *m)
{
	int64_t now = clock_mono_ms();
	size_t i;

	for (i = 0; i < m->n_rows; i++) {
		struct child *c = &m->child[i];

		if (c->pid == 0)
			continue;
		if (!c->ready && is_ready(m, i))
			c->ready = true;
		else if (!c->ready && now - c->started_ms > READY_MS) {
			log_errorx("%s[%ld] was not ready in time",
			    proc_role_name(c->role), (long)c->pid);
			brake_on(m, c->role);
			master_signal(m, (int)i, SIGKILL);
		}
		if (m->brake[c->role].delay_ms != 0 &&
		    proved_itself(c, scoreboard_row(m->h.scores, i)))
			m->brake[c->role].delay_ms = 0;
		if (c->term_ms != 0 && now - c->term_ms > REMIND_MS)
			master_signal(m, (int)i, SIGTERM);
	}
}

static void
keep_one(struct master *m, enum proc_role role)
{
	size_t i;

	for (i = 0; i < m->n_rows; i++)
		if (m->child[i].pid != 0 && m->child[i].role == role &&
		    m->child[i].generation == m->h.generation &&
		    m->child[i].term_ms == 0)
			return;
	if (clock_mono_ms() >= m->brake[role].until_ms)
		(void)master_spawn(m, role);
}

struct census {
	unsigned	 total, idle;
	int		 longest_idle;	/* row, or -1 */
};

static void
count_workers(const struct master *m, struct census *ret)
{
	int64_t since = INT64_MAX;
	size_t i;

	*ret = (struct census){ .longest_idle = -1 };
	for (i = 0; i < m->n_rows; i++) {
		const struct score *row = scoreboard_row(m->h.scores, i);
		uint32_t state;

		if (m->child[i].pid == 0 || m->child[i].role != PROC_WORKER ||
		    m->child[i].generation != m->h.generation ||
		    m->child[i].term_ms != 0)
			continue;
		ret->total++;
		state = __atomic_load_n(&row->state, __ATOMIC_RELAXED);
		if (state > (uint32_t)PROC_IDLE)
			continue;
		ret->idle++;
		if (state == (uint32_t)PROC_IDLE && row->since_ms < since) {
			since = row->since_ms;
			ret->longest_idle = (int)i;
		}
	}
}

static void
grow(struct master *m, unsigned wanted, unsigned total)
{
	struct scale *s = &m->scale;
	unsigned n = wanted;

	if (total + n > s->max)
		n = s->max > total ? s->max - total : 0;
	if (clock_mono_ms() < m->brake[PROC_WORKER].until_ms)
		return;
	while (n-- > 0)
		if (master_spawn(m, PROC_WORKER) < 0)
			return;
}

static void
scale_workers(struct master *m)
{
	struct scale *s = &m->scale;
	struct census now;
	int64_t ms = clock_mono_ms();
	unsigned n;

	count_workers(m, &now);
	if (now.total < s->min) {
		grow(m, s->min - now.total, now.total);
		return;
	}
	if (now.idle < s->spare_min && now.total < s->max) {
		grow(m, s->batch, now.total);
		s->batch = s->batch * 2 > BATCH_MAX ? BATCH_MAX :
		    s->batch * 2;
		return;
	}
	s->batch = 1;
	if (now.idle <= s->spare_max || now.total <= s->min ||
	    ms < s->next_shrink_ms)
		return;
	/* The longest idle go first: they are the cold ones. */
	s->next_shrink_ms = ms + SHRINK_EVERY_MS;
	for (n = (now.idle - s->spare_max + 7) / 8; n > 0 &&
	    now.total > s->min; n--) {
		if (now.longest_idle < 0)
			return;
		master_signal(m, now.longest_idle, SIGTERM);
		count_workers(m, &now);
	}
}

void
master_maintain(struct master *m)
{
	look_after(m);
	if (m->stopping)
		return;
	keep_one(m, PROC_KEEPER);
	keep_one(m, PROC_REGISTRAR);
	scale_workers(m);
}
