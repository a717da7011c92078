"""Processes that cannot outlive the tests, and waiting without sleeping
for luck.
"""
import ctypes
import os
import random
import signal
import socket
import subprocess
import time

PR_SET_PDEATHSIG = 1
PR_SET_CHILD_SUBREAPER = 36
LIBC = ctypes.CDLL(None, use_errno=True)

TOP = os.path.abspath(os.path.join(os.path.dirname(__file__),
                                   "..", "..", ".."))
DEMO = os.path.join(TOP, "contrib", "demo")


def wait_until(condition, deadline=10.0, what=None, every=0.01):
    """The first true value of condition(); fails loudly at the deadline."""
    end = time.monotonic() + deadline
    while True:
        value = condition()
        if value:
            return value
        if time.monotonic() > end:
            raise AssertionError("waited %.1f s in vain for %s" % (
                deadline, what or getattr(condition, "__name__", "it")))
        time.sleep(every)


def free_port():
    """Below the ports that outgoing connections are given, so that none
    of those takes it before the server does."""
    while True:
        port = random.randrange(10000, 32000)
        with socket.socket() as sock:
            try:
                sock.bind(("127.0.0.1", port))
            except OSError:
                continue
            return port


def children_of(pid):
    """Direct children, zombies left out."""
    found = []
    try:
        tasks = os.listdir("/proc/%d/task" % pid)
    except OSError:
        return found
    for task in tasks:
        try:
            with open("/proc/%d/task/%s/children" % (pid, task)) as file:
                found += [int(p) for p in file.read().split()]
        except OSError:
            pass
    return [p for p in found if alive(p)]


def tree_of(pid):
    found = []
    for child in children_of(pid):
        found += [child] + tree_of(child)
    return found


def state_of(pid):
    """The letter of /proc/PID/stat, or None when it is gone."""
    try:
        with open("/proc/%d/stat" % pid, "rb") as file:
            return file.read().rpartition(b")")[2].split()[0].decode()
    except OSError:
        return None


def alive(pid):
    return state_of(pid) not in (None, "Z", "X")


def title_of(pid):
    try:
        with open("/proc/%d/cmdline" % pid, "rb") as file:
            return file.read().rstrip(b"\0").replace(b"\0", b" ").decode(
                "utf-8", "replace")
    except OSError:
        return ""


def die_with_parent():
    LIBC.prctl(PR_SET_PDEATHSIG, signal.SIGKILL, 0, 0, 0)


def adopt_orphans():
    """What a child of ours leaves behind becomes our child."""
    LIBC.prctl(PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0)


class Process:
    """A program in a session of its own, its output in a file."""

    def __init__(self, argv, log, env=None, cwd=None, stdin=None,
                 pass_fds=(), stdout=None):
        self.log = log
        self.argv = argv
        before = die_with_parent
        with open(log, "ab") as file:
            self.popen = subprocess.Popen(
                argv, stdin=stdin if stdin is not None
                else subprocess.DEVNULL,
                stdout=stdout if stdout is not None else file, stderr=file,
                env=env, cwd=cwd, pass_fds=pass_fds,
                start_new_session=True, preexec_fn=before)
        self.pid = self.popen.pid

    def alive(self):
        return self.popen.poll() is None

    def kill(self, number):
        if self.alive():
            os.kill(self.pid, number)

    def wait(self, deadline=15.0):
        """The exit status; None is never returned."""
        wait_until(lambda: self.popen.poll() is not None, deadline,
                   "the end of " + os.path.basename(self.argv[0]))
        return self.popen.returncode

    def stop(self, number=signal.SIGTERM, deadline=10.0):
        """Ends it and everything it started."""
        descendants = tree_of(self.pid)
        self.kill(number)
        try:
            self.wait(deadline)
        except AssertionError:
            pass
        for pid in descendants + tree_of(self.pid):
            if alive(pid):
                try:
                    os.kill(pid, signal.SIGKILL)
                except ProcessLookupError:
                    pass
        if self.alive():
            self.popen.kill()
            self.popen.wait()
        return self.popen.returncode

    def text(self):
        with open(self.log, "rb") as file:
            return file.read().decode("utf-8", "replace")


def name_of_mark(prefix, counter=[0]):
    """A name that nobody else has in this run."""
    counter[0] += 1
    return "%s%d-%d" % (prefix, os.getpid(), counter[0])


def listeners_of(path):
    """Pids that hold the listening UNIX socket of that path."""
    with open("/proc/net/unix") as file:
        inodes = {"socket:[%s]" % line.split()[6] for line in file
                  if line.rstrip().endswith(" " + path)}
    found = set()
    for pid in filter(str.isdigit, os.listdir("/proc")):
        try:
            held = {os.readlink("/proc/%s/fd/%s" % (pid, fd))
                    for fd in os.listdir("/proc/%s/fd" % pid)}
        except OSError:
            continue
        if held & inodes:
            found.add(int(pid))
    return found
