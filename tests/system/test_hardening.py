"""What the processes are kept from: by the kernel's filter, by their
users, by what they do not hold.
"""
import os
import re
import signal
import stat
import subprocess

import pytest

from harness.gateway import BUILD, DAEMON
from harness.procs import name_of_mark, wait_until
from harness.signin import sign_in

PROBE = os.path.join(BUILD, "tests", "system", "sandbox_probe")
ROLES = ("worker", "keeper", "registrar")
API = "/api/plugin-api"
needs_root = pytest.mark.skipif(os.geteuid() != 0,
                                reason="looks into others' processes")


# -- the filter, from inside ------------------------------------------------

# what is tried -> how it must go
INSIDE = {
    "read": "ok", "append": "ok", "append_create": "EPERM",
    "write": "EPERM", "read_write": "EPERM", "cut": "EPERM",
    "read_cut": "EPERM", "create": "EPERM", "tmpfile": "EPERM",
    "creat": "EPERM", "truncate": "EPERM", "ftruncate": "EPERM",
    "unlink": "EPERM", "rename": "EPERM", "link": "EPERM",
    "symlink": "EPERM", "mkdir": "EPERM", "chmod": "EPERM",
    "chown": "EPERM", "memfd": "EPERM",
    "exec": "EPERM", "execveat": "EPERM", "fork": "EPERM",
    "vfork": "EPERM", "raw_fork": "EPERM",
    "ptrace": "EPERM", "traceme": "EPERM", "pidfd": "EPERM",
    "kill_parent": "EPERM", "kill_all": "EPERM", "kill_self": "ok",
    "setuid": "EPERM", "setgid": "EPERM", "dumpable": "EPERM",
    "rename_self": "ok", "limit": "EPERM",
    "listen": "EPERM", "raw_socket": "EPERM", "audit_socket": "EPERM",
    "map_code": "EPERM", "make_code": "EPERM", "map_data": "ok",
    "thread": "ok", "resolve": "ok",
    "peek": "killed", "mount": "killed", "unshare": "killed",
    "bpf": "killed", "uring": "killed",
}


def probe(role, what, path):
    done = subprocess.run([PROBE, role, what, path], capture_output=True,
                          text=True, stdin=subprocess.DEVNULL, timeout=20)
    if done.returncode == 77:
        pytest.skip("no filter: an old kernel, or built with a sanitizer")
    if done.returncode == -signal.SIGSYS:
        return "killed"
    assert done.returncode == 0, (what, done)
    return done.stdout.strip()


@pytest.mark.parametrize("role", ROLES)
def test_what_the_filter_refuses(role, rundir):
    path = os.path.join(rundir, name_of_mark("probe"))
    with open(path, "w") as file:
        file.write("text")
    went = {what: probe(role, what, path) for what in INSIDE}
    assert went == INSIDE
    with open(path) as file:
        assert file.read() == "text"
    assert not os.path.exists(path + ".other")


def test_only_workers_accept(rundir):
    path = os.path.join(rundir, name_of_mark("probe"))
    open(path, "w").close()
    went = {role: probe(role, "accept", path) for role in ROLES}
    assert went == {"worker": "ENOTSOCK", "keeper": "EPERM",
                    "registrar": "EPERM"}


# -- the running processes --------------------------------------------------

def status_of(pid):
    with open("/proc/%d/status" % pid) as file:
        return dict(line.rstrip("\n").split(":\t", 1) for line in file
                    if ":\t" in line)


def sanitized():
    with open(DAEMON, "rb") as file:
        return b"__asan_init" in file.read()


@pytest.mark.parametrize("role", ROLES)
def test_status_of_each_process(gateway, role):
    for pid in gateway.pids(role):
        status = status_of(pid)
        assert status["NoNewPrivs"] == "1"
        if not sanitized():
            assert status["Seccomp"] == "2"
        assert status["Umask"] == "0077"
        if os.geteuid() != 0:
            continue
        assert "0" not in status["Uid"].split() + status["Gid"].split()
        assert status["Groups"].strip() == ""
        for name in ("CapInh", "CapPrm", "CapEff", "CapAmb"):
            assert int(status[name], 16) == 0, name


def limits_of(pid):
    with open("/proc/%d/limits" % pid) as file:
        return file.read()


def test_master_leaves_no_core_and_no_readable_files(gateway):
    assert re.search(r"Max core file size +0 +0 ", limits_of(gateway.master))
    assert status_of(gateway.master)["Umask"] == "0027"


# The kinds of descriptors above 2 and how many there may be.
EXPECTED = {
    # listen socket; libcurl's pair and a connection, for the upstream and
    # for the providers; a database now and then
    "worker": {"eventfd": (3, 3), "eventpoll": (1, 1), "socket": (1, 8)},
    # one connection to the database
    "keeper": {"eventfd": (3, 3), "socket": (0, 1)},
    # likewise, libcurl's pair, and to the upstream
    "registrar": {"eventfd": (3, 3), "socket": (0, 5)},
}
# libcurl wakes itself through a pair whose flags nobody else can set; a
# process that has it is refused every exec.
STAY_OPEN = {"worker": 4, "keeper": 0, "registrar": 2}


def kind_of(link):
    return re.sub(r"^anon_inode:\[(\w+)\]$|^(socket):\[\d+\]$",
                  lambda m: m.group(1) or m.group(2), link)


def descriptors(pid):
    """number -> (what it is, whether an exec closes it)"""
    found = {}
    for name in os.listdir("/proc/%d/fd" % pid):
        try:
            link = os.readlink("/proc/%d/fd/%s" % (pid, name))
            with open("/proc/%d/fdinfo/%s" % (pid, name)) as file:
                flags = int(re.search(r"flags:\s+(\d+)", file.read())[1], 8)
        except FileNotFoundError:
            continue
        found[int(name)] = (kind_of(link), bool(flags & os.O_CLOEXEC))
    return found


def judge_descriptors(gateway, role):
    for pid in gateway.pids(role):
        found = descriptors(pid)
        assert found[0][0] == "/dev/null"
        assert found[1][0] == found[2][0] == gateway.log
        above = [v for n, v in found.items() if n > 2]
        stay = [kind for kind, closes in above if not closes]
        assert set(stay) <= {"socket"}, sorted(found.items())
        assert len(stay) <= STAY_OPEN[role], sorted(found.items())
        kinds = [kind for kind, _ in above]
        assert set(kinds) <= set(EXPECTED[role]), found
        for kind, (least, most) in EXPECTED[role].items():
            assert least <= kinds.count(kind) <= most, (kind, found)


@needs_root
def test_descriptors_of_each_process(gateway, session):
    """Also of those that a reload has started."""
    session.post(API + "/chat/completions", {
        "model": "m", "messages": [{"role": "user", "content": "x"}]})
    for _ in range(2):
        for role in ROLES:
            judge_descriptors(gateway, role)
        old = set(gateway.pids("worker"))
        assert gateway.ctl("reload").returncode == 0
        wait_until(lambda: not old & set(gateway.pids("worker")), 15,
                   "the old generation to leave")
        wait_until(lambda: len(gateway.pids("keeper")) == 1 and
                   len(gateway.pids("registrar")) == 1, 15,
                   "one keeper and one registrar")


@needs_root
def test_no_memory_is_writable_and_executable(gateway):
    for role in ROLES:
        with open("/proc/%d/maps" % gateway.pid(role)) as file:
            modes = {line.split()[1][:3] for line in file}
        assert "rwx" not in modes and "-wx" not in modes


def test_only_the_private_sockets_are_open(gateway):
    """No port, and nothing with a name in /dev/shm."""
    inodes = {os.stat("/proc/%d/fd/%s" % (gateway.master, fd)).st_ino
              for fd in os.listdir("/proc/%d/fd" % gateway.master)}
    for table in ("tcp", "tcp6", "udp", "udp6"):
        with open("/proc/net/" + table) as file:
            rows = [line.split() for line in list(file)[1:]]
        mine = [r for r in rows if int(r[9]) in inodes]
        assert mine == [], table
    mode = os.stat(gateway.socket).st_mode
    assert stat.S_IMODE(mode) & 0o007 == 0


# -- from the outside, as the workers' user ----------------------------------

ATTACK = r"""
import ctypes, json, os, sys
registrar, keeper, master, env_file = int(sys.argv[1]), int(sys.argv[2]), \
    int(sys.argv[3]), sys.argv[4]
libc = ctypes.CDLL(None, use_errno=True)
went = {}
def reading(name, path):
    try:
        with open(path, "rb") as file:
            file.read(1)
        went[name] = "read"
    except OSError as err:
        went[name] = err.errno
reading("env file", env_file)
for who, pid in (("registrar", registrar), ("keeper", keeper),
                 ("master", master)):
    for name in ("mem", "environ", "maps", "auxv", "syscall", "stack"):
        reading("%s %s" % (who, name), "/proc/%d/%s" % (pid, name))
    try:
        went[who + " fd"] = os.listdir("/proc/%d/fd" % pid)
    except OSError as err:
        went[who + " fd"] = err.errno
    if libc.ptrace(16, pid, 0, 0) == 0:
        went[who + " ptrace"] = "attached"
    else:
        went[who + " ptrace"] = ctypes.get_errno()
    try:
        os.kill(pid, 0)
        went[who + " signal"] = "sent"
    except OSError as err:
        went[who + " signal"] = err.errno
print(json.dumps(went))
"""


@needs_root
@pytest.mark.parametrize("who", ["worker", "nobody"])
def test_what_others_cannot_do(gateway, who):
    import errno
    import json
    import pwd
    uid = status_of(gateway.pid("worker"))["Uid"].split()[0] \
        if who == "worker" else str(pwd.getpwnam("nobody").pw_uid)
    gid = status_of(gateway.pid("worker"))["Gid"].split()[0]
    done = subprocess.run(
        ["setpriv", "--reuid=" + uid, "--regid=" + gid, "--clear-groups",
         "/usr/bin/python3", "-c", ATTACK, str(gateway.pid("registrar")),
         str(gateway.pid("keeper")), str(gateway.master), gateway.env_file],
        capture_output=True, text=True, timeout=30)
    assert done.returncode == 0, done.stderr
    went = json.loads(done.stdout)
    users = {status_of(gateway.pid(r))["Uid"].split()[0] for r in ROLES}
    if len(users) < 3:
        # One user for all: a signal arrives, a look inside does not.
        went = {k: v for k, v in went.items() if not k.endswith("signal")}
    assert set(went.values()) <= {errno.EACCES, errno.EPERM}, went


@needs_root
def test_a_readable_configuration_is_told(start_gateway):
    gateway = start_gateway(ready=False)
    os.chmod(gateway.env_file, 0o644)
    gateway.start()
    assert "mode 0600" in gateway.text()
    assert gateway.env_file in gateway.text()


def test_a_private_configuration_is_not_told(gateway):
    assert "mode 0600" not in gateway.text()


# -- what must still work -----------------------------------------------------

def test_upstream_by_name_under_the_filter(start_gateway, upstream):
    """libcurl looks a name up in a thread of its own."""
    gateway = start_gateway(
        PLUGIN_API_BASE_URL="http://localhost:%d" % upstream.port)
    session = sign_in(gateway.client, name_of_mark("byname"))
    assert session.get(API + "/accounts").status == 200


def test_rotated_log_under_the_filter(start_gateway, rundir):
    """Every child opens the file again that the master has made."""
    path = os.path.join(rundir, name_of_mark("log"))
    gateway = start_gateway(PLUGWAY_LOG=path)
    os.rename(path, path + ".1")
    os.kill(gateway.master, signal.SIGUSR1)
    pids = {p for r in ROLES for p in gateway.pids(r)}

    def opened():
        gateway.client.get("/api/health")
        return os.geteuid() != 0 or all(
            path in [kind for kind, _ in descriptors(p).values()]
            for p in pids)
    wait_until(opened, 10, "all to write to the new log")
    with open(path) as file:
        assert "cannot open" not in file.read()


# -- the program itself ---------------------------------------------------------

def readelf(*options):
    return subprocess.run(["readelf", "-W"] + list(options) + [DAEMON],
                          capture_output=True, text=True, check=True,
                          env={"PATH": os.environ["PATH"],
                               "LC_ALL": "C"}).stdout


def test_the_binary_is_hardened():
    assert re.search(r"Type: +DYN", readelf("-h")), "PIE"
    segments, dynamic = readelf("-l"), readelf("-d")
    assert "GNU_RELRO" in segments
    assert re.search(r"GNU_STACK .* RW +0x", segments), "stack"
    assert "BIND_NOW" in dynamic and "NOW PIE" in dynamic
    assert "RPATH" not in dynamic and "RUNPATH" not in dynamic
    assert "TEXTREL" not in dynamic
    symbols = readelf("--dyn-syms")
    assert "__stack_chk_fail" in symbols
    if not sanitized():
        assert re.search(r"__\w+_chk@", symbols), "_FORTIFY_SOURCE"


def test_our_code_checks_its_jumps():
    """Control-flow enforcement; whether the program as a whole has it is
    for the C library's start files to say.
    """
    if os.uname().machine != "x86_64":
        pytest.skip("x86 only")
    notes = subprocess.run(
        ["readelf", "-n", os.path.join(BUILD, "libplugway.a")],
        capture_output=True, text=True, check=True).stdout
    objects = notes.count("\nFile: ")
    assert objects > 100
    assert len(re.findall("IBT, SHSTK", notes)) == objects
