"""Start, stop, signals, and children that die."""
import os
import signal
import socket
import stat
import subprocess
import threading
import time

import pytest

from harness.gateway import DAEMON
from harness.procs import (Process, adopt_orphans, alive, children_of,
                           free_port, name_of_mark, title_of, wait_until)
from harness.signin import sign_in

API = "/api/plugin-api"
CHAT = API + "/chat/completions"


def sanitized():
    with open(DAEMON, "rb") as file:
        return b"__asan_init" in file.read()


def started_stream(session, upstream):
    """A stream that waits for its next piece; the gate's name."""
    name = name_of_mark("gate")
    upstream.fault(path="chat", gate=name)
    upstream.gate(name)
    stream = session.stream(CHAT, {
        "model": "m", "stream": True,
        "messages": [{"role": "user", "content": "a b c d"}]})
    assert stream.data()
    return stream, name


# -- faults at the start --------------------------------------------------

# settings that are wrong, and words that the line must have
FAULTS = [
    ({"PLUGIN_API_ENCRYPTION_KEY": "your-32-char-key-0123456789abcdef"},
     ["PLUGIN_API_ENCRYPTION_KEY"]),
    ({"PLUGIN_API_ENCRYPTION_KEY": None}, ["PLUGIN_API_ENCRYPTION_KEY"]),
    ({"PLUGIN_API_ENCRYPTION_KEY":
      "Y2FuYXJ5LWZlcm5ldC1rZXktb2YtdGhlLXRlc3RzITE"},
     ["PLUGIN_API_ENCRYPTION_KEY"]),
    ({"JWT_SECRET_KEY": "short"}, ["JWT_SECRET_KEY", "32"]),
    ({"JWT_SECRET_KEY": None}, ["JWT_SECRET_KEY"]),
    ({"DATABASE_URL": None}, ["DATABASE_URL"]),
    ({"DATABASE_URL": "postgresql://x/y"}, ["DATABASE_URL"]),
    ({"DATABASE_URL": "mysql://u:p@localhost/db?unix_socket=/tmp/none"},
     ["database"]),
    ({"PLUGWAY_WORKRS_MAX": "3"}, ["PLUGWAY_WORKRS_MAX",
                                  "PLUGWAY_WORKERS_MAX"]),
    ({"PLUGWAY_WORKERS_MAX": "many"}, ["PLUGWAY_WORKERS_MAX"]),
    ({"PLUGWAY_LOG_LEVEL": "loud"}, ["PLUGWAY_LOG_LEVEL"]),
    ({"PLUGIN_API_BASE_URL": "localhost:8045"}, ["PLUGIN_API_BASE_URL"]),
    ({"PLUGIN_API_BASE_URL": "file:///etc/passwd"},
     ["PLUGIN_API_BASE_URL"]),
    ({"JWT_ALGORITHM": "none"}, ["JWT_ALGORITHM"]),
]


@pytest.mark.parametrize("wrong,words", FAULTS,
                         ids=[next(iter(f[0])) + "=" + str(
                             next(iter(f[0].values())))[:12]
                             for f in FAULTS])
def test_start_fault_is_one_clear_line(start_gateway, wrong, words):
    gateway = start_gateway(ready=False, **wrong)
    done = gateway.check()
    said = done.stdout + done.stderr
    assert done.returncode == 1, said
    lines = [line for line in said.splitlines()
             if words[0].lower() in line.lower()]
    assert len(lines) == 1, said
    assert all(word in lines[0] for word in words[1:])
    for value in wrong.values():
        if value and len(value) > 10 and "://" not in value:
            assert value not in said, "the value itself is not told"
    gateway.start(ready=None)
    assert gateway.process.wait(15) == 1
    said = gateway.text()
    assert len([line for line in said.splitlines()
                if words[0].lower() in line.lower()]) == 1, said


def test_all_faults_are_told_in_one_run(start_gateway):
    gateway = start_gateway(
        ready=False, PLUGIN_API_ENCRYPTION_KEY="x", JWT_SECRET_KEY="y",
        DATABASE_URL=None, PLUGWAY_WORKERS_MIN="z")
    said = gateway.check()
    text = said.stdout + said.stderr
    for name in ("PLUGIN_API_ENCRYPTION_KEY", "JWT_SECRET_KEY",
                 "DATABASE_URL", "PLUGWAY_WORKERS_MIN"):
        assert name in text
    assert said.returncode == 1


def test_check_of_a_good_configuration(start_gateway):
    done = start_gateway(ready=False).check()
    assert done.returncode == 0, done.stdout + done.stderr


def test_wrong_fernet_key_is_refused(start_gateway, gateway):
    """The canary row proves that the key opens this database."""
    other = start_gateway(
        ready=False, PLUGIN_API_ENCRYPTION_KEY=
        "b3RoZXIta2V5LW90aGVyLWtleS1vdGhlci1rZXktb3Q=")
    done = other.check()
    assert done.returncode == 1
    assert "PLUGIN_API_ENCRYPTION_KEY" in done.stdout + done.stderr


def test_version_and_help():
    for option, word in (("--version", "plugway"), ("--help", "--listen")):
        done = subprocess.run([DAEMON, option], capture_output=True,
                              text=True, timeout=20)
        assert done.returncode == 0 and word in done.stdout


# -- sockets ---------------------------------------------------------------

def test_listen_option_on_a_unix_socket(start_gateway):
    gateway = start_gateway(launcher="listen")
    mode = os.stat(gateway.socket).st_mode
    assert stat.S_ISSOCK(mode) and stat.S_IMODE(mode) == 0o660
    gateway.process.kill(signal.SIGTERM)
    assert gateway.process.wait(15) == 0


def test_listen_option_on_tcp(start_gateway):
    from harness.fastcgi import Client
    gateway = start_gateway(ready=False)
    port = free_port()
    gateway.process = Process(
        gateway.daemon_argv("--foreground", "--listen",
                            "127.0.0.1:%d" % port), gateway.log,
        env=gateway.environment())
    client = Client(address=("127.0.0.1", port))

    def up():
        try:
            return client.get("/api/health").status == 200
        except OSError:
            return False
    wait_until(up, 15, "the port")


def test_without_foreground_it_returns_when_it_serves(start_gateway):
    gateway = start_gateway(ready=False)
    adopt_orphans()
    before = set(children_of(os.getpid()))
    with open(gateway.log, "ab") as log:
        done = subprocess.run(
            gateway.daemon_argv("--listen", "unix:" + gateway.socket),
            stdin=subprocess.DEVNULL, env=gateway.environment(),
            stdout=log, stderr=log, timeout=30)
    daemon, = set(children_of(os.getpid())) - before
    try:
        assert done.returncode == 0
        assert gateway.client.get("/api/health").status == 200
        assert os.getsid(daemon) != os.getsid(0)
    finally:
        os.kill(daemon, signal.SIGTERM)
        wait_until(lambda: not alive(daemon), 15, "the daemon to stop")
        os.waitpid(daemon, 0)


def test_systemd_socket(start_gateway):
    gateway = start_gateway(ready=False)
    listener = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    listener.bind(gateway.socket)
    listener.listen(16)
    # Descriptor 3 and the pid of the process itself, as systemd sets it.
    script = ("import os,sys\nos.dup2(%d,3)\nos.set_inheritable(3,True)\n"
              "os.environ['LISTEN_PID']=str(os.getpid())\n"
              "os.environ['LISTEN_FDS']='1'\n"
              "os.execv(sys.argv[1],sys.argv[1:])" % listener.fileno())
    gateway.process = Process(
        ["/usr/bin/python3", "-c", script] + gateway.daemon_argv(),
        gateway.log, env=gateway.environment(),
        pass_fds=[listener.fileno()])
    listener.close()
    gateway.wait_ready()


def test_without_any_socket_it_says_so(start_gateway):
    gateway = start_gateway(ready=False)
    done = subprocess.run(gateway.daemon_argv("--foreground"),
                          stdin=subprocess.DEVNULL, capture_output=True,
                          env=gateway.environment(), text=True, timeout=30)
    assert done.returncode == 1
    assert "listen" in done.stderr


def test_files_are_private(gateway):
    for where, _, names in os.walk(gateway.run):
        for name in names:
            mode = os.lstat(os.path.join(where, name)).st_mode
            assert stat.S_IMODE(mode) & 0o007 == 0, name
            if stat.S_ISSOCK(mode):
                assert stat.S_IMODE(mode) == 0o600, name
    assert not [n for n in os.listdir("/dev/shm") if "plugway" in n]


def test_titles_and_status(gateway):
    roles = [title_of(gateway.master)] + [
        title_of(gateway.pid(r)) for r in ("worker", "keeper", "registrar")]
    for role, title in zip(("master", "worker", "keeper", "registrar"),
                           roles):
        assert title.startswith("plugwayd: " + role)
    rows = gateway.ctl_json("status")
    rows = rows if isinstance(rows, list) else rows["processes"]
    shown = {(row["pid"], row["role"]) for row in rows}
    assert (gateway.pid("keeper"), "keeper") in shown
    assert {role for _, role in shown} >= {"worker", "keeper", "registrar"}


# -- signals ----------------------------------------------------------------

def test_term_lets_streams_finish(start_gateway, upstream):
    gateway = start_gateway()
    session = sign_in(gateway.client, name_of_mark("term"))
    stream, gate = started_stream(session, upstream)
    pids = gateway.pids("worker") + [gateway.pid("keeper"),
                                     gateway.pid("registrar")]
    gateway.process.kill(signal.SIGTERM)
    wait_until(lambda: len([p for p in pids if alive(p)]) < len(pids), 10,
               "idle workers to leave")
    upstream.gate(gate, -1)
    assert stream.rest()[-1] == b"data: [DONE]"
    assert gateway.process.wait(15) == 0
    assert not [p for p in pids if alive(p)]


@pytest.mark.parametrize("number", [signal.SIGQUIT, signal.SIGINT])
def test_quick_stop(start_gateway, upstream, number):
    gateway = start_gateway()
    session = sign_in(gateway.client, name_of_mark("quit"))
    stream, _ = started_stream(session, upstream)
    pids = gateway.pids("worker")
    gateway.process.kill(number)
    assert gateway.process.wait(8) == 0
    assert not [p for p in pids if alive(p)]
    stream.close()


def calls_until(stop, session, failures):
    while not stop.is_set():
        try:
            answer = session.get(API + "/quotas/user")
            if answer.status != 200:
                failures.append(answer)
        except OSError as err:
            failures.append(err)


def test_hup_reloads_without_a_failure(start_gateway, upstream):
    gateway = start_gateway()
    session = sign_in(gateway.client, name_of_mark("hup"))
    stream, gate = started_stream(session, upstream)
    stop, failures = threading.Event(), []
    threads = [threading.Thread(target=calls_until,
                                args=(stop, session, failures))
               for _ in range(3)]
    for thread in threads:
        thread.start()
    try:
        for turn in range(5):
            old = set(gateway.pids("worker"))
            gateway.env["PLUGWAY_USER_STREAMS"] = str(turn + 3)
            gateway.write_env()
            os.kill(gateway.master, signal.SIGHUP)
            # One old worker still serves the stream.
            wait_until(lambda: len(old & set(gateway.pids("worker"))) <= 1,
                       15, "the old generation to leave")
            gateway.wait_ready()
    finally:
        stop.set()
        for thread in threads:
            thread.join()
    assert failures == []
    upstream.gate(gate, -1)
    assert stream.rest()[-1] == b"data: [DONE]"


def test_hup_with_a_broken_file_keeps_serving(start_gateway):
    gateway = start_gateway()
    workers = set(gateway.pids("worker"))
    mark = gateway.log_mark()
    good = gateway.env["JWT_SECRET_KEY"]
    gateway.env["JWT_SECRET_KEY"] = "short"
    gateway.write_env()
    os.kill(gateway.master, signal.SIGHUP)
    wait_until(lambda: "JWT_SECRET_KEY" in gateway.log_since(mark), 10,
               "a line about the fault")
    assert gateway.client.get("/api/health").status == 200
    assert workers & set(gateway.pids("worker"))
    gateway.env["JWT_SECRET_KEY"] = good
    gateway.write_env()


def test_usr1_opens_the_log_again(start_gateway, rundir):
    path = os.path.join(rundir, name_of_mark("log"))
    gateway = start_gateway(PLUGWAY_LOG=path)
    gateway.client.get("/api/health")
    os.rename(path, path + ".1")
    os.kill(gateway.master, signal.SIGUSR1)

    def written():
        gateway.client.get("/api/health")
        return os.path.exists(path) and os.path.getsize(path) > 0
    wait_until(written, 5, "the new log")
    assert stat.S_IMODE(os.stat(path).st_mode) & 0o007 == 0


# -- children that die --------------------------------------------------------

@pytest.mark.parametrize("role", ["worker", "keeper", "registrar"])
def test_killed_child_is_replaced(gateway, session, role):
    gateway.allow_log(r"signal 9|killed|died")
    old = gateway.kill(role)
    gateway.wait_replaced(role, old)

    def served():
        return session.get(API + "/accounts").status == 200 and \
            gateway.client.get("/api/health/ready").status == 200
    wait_until(served, 10, "service")
    fresh = sign_in(gateway.client, name_of_mark("after"))
    assert fresh.get(API + "/key").json()["status"] == "ok"


def test_worker_killed_in_a_stream_gives_its_place_back(start_gateway,
                                                        upstream):
    gateway = start_gateway(PLUGWAY_USER_STREAMS="1")
    session = sign_in(gateway.client, name_of_mark("place"))
    for _ in range(3):
        stream, _ = started_stream(session, upstream)
        upstream.clear_faults()
        for pid in gateway.pids("worker"):
            os.kill(pid, signal.SIGKILL)
        stream.close()

        def free():
            try:
                return session.post(CHAT, {
                    "model": "m", "messages": [], "stream": True}
                ).status == 200
            except (OSError, ConnectionError):
                return False
        wait_until(free, 20, "the stream to be counted out", every=0.1)


@pytest.mark.parametrize("role,most", [("worker", 24), ("keeper", 8),
                                       ("registrar", 8)])
def test_brake_on_children_that_die_at_once(start_gateway, role, most):
    """What crashes before its first work is not started in a circle."""
    gateway = start_gateway(ready=None)
    gateway.allow_log(role)
    wait_until(lambda: gateway.pids(role), 10, role)
    crashed, end = set(), time.monotonic() + 4
    while time.monotonic() < end:
        for pid in set(gateway.pids(role)) - crashed:
            try:
                os.kill(pid, signal.SIGSEGV)
                crashed.add(pid)
            except ProcessLookupError:
                pass
        time.sleep(0.01)
    assert role in gateway.text()
    gateway.wait_ready(deadline=20)
    assert len(crashed) <= most


def test_killed_master_takes_its_children_along(start_gateway):
    gateway = start_gateway()
    pids = gateway.pids("worker") + [gateway.pid("keeper"),
                                     gateway.pid("registrar")]
    os.kill(gateway.master, signal.SIGKILL)
    wait_until(lambda: not [p for p in pids if alive(p)], 3,
               "orphans to end")
    gateway.stop()


def test_worker_storm(start_gateway):
    """kill -9 of random workers under load: no wrong answer."""
    import random
    gateway = start_gateway(PLUGWAY_WORKERS_MIN="8")
    gateway.allow_log(r"worker|signal")
    people = [sign_in(gateway.client, name_of_mark("storm"))
              for _ in range(3)]
    mine = {p.user["id"]: p.get(API + "/key").json()["plugin_user_id"]
            for p in people}
    stop, wrong, good = threading.Event(), [], []

    def visit(person):
        while not stop.is_set():
            try:
                answer = person.get(API + "/accounts", timeout=10)
            except (OSError, ConnectionError):
                continue
            if answer.status != 200:
                continue
            good.append(1)
            owners = {a["user_id"] for a in answer.json()["data"]}
            if owners != {mine[person.user["id"]]}:
                wrong.append(answer)
    threads = [threading.Thread(target=visit, args=(p,)) for p in people]
    for thread in threads:
        thread.start()
    end = time.monotonic() + 5
    while time.monotonic() < end:
        workers = gateway.pids("worker")
        if workers:
            try:
                os.kill(random.choice(workers), signal.SIGKILL)
            except ProcessLookupError:
                pass
        time.sleep(0.03)
    stop.set()
    for thread in threads:
        thread.join()
    assert not wrong and good
    wait_until(lambda: gateway.client.get("/api/health").status == 200, 5,
               "service")
    wait_until(lambda: people[0].get(API + "/accounts").status == 200, 20,
               "service")


# -- without root -------------------------------------------------------------

@pytest.mark.skipif(os.geteuid() != 0, reason="needs root to become nobody")
def test_as_an_ordinary_user(start_gateway, rundir, demo_upstream):
    os.chmod(rundir, 0o777)
    gateway = start_gateway(user="nobody")
    import pwd
    uid = pwd.getpwnam("nobody").pw_uid
    for pid in [gateway.master] + gateway.pids("worker"):
        assert os.stat("/proc/%d" % pid).st_uid in (uid, 0)
        with open("/proc/%d/status" % pid) as file:
            ids = [line.split()[1:] for line in file
                   if line.startswith("Uid:")][0]
        assert set(ids) == {str(uid)}
    session = sign_in(gateway.client, name_of_mark("nobody"))
    assert session.get(API + "/accounts").status == 200


@pytest.mark.skipif(os.geteuid() != 0, reason="users are changed by root")
def test_root_gives_up_its_rights(gateway):
    for role in ("worker", "keeper", "registrar"):
        with open("/proc/%d/status" % gateway.pid(role)) as file:
            status = dict(line.rstrip("\n").split(":\t", 1)
                          for line in file if ":\t" in line)
        assert "0" not in status["Uid"].split(), role
        assert int(status["CapEff"], 16) == 0, role
        assert status["NoNewPrivs"].strip() == "1", role
        # AddressSanitizer needs calls that no filter would let pass.
        assert status["Seccomp"].strip() == ("0" if sanitized() else "2")
