"""Reloads that are refused, generations that drain side by side, and the
program that is replaced while it runs."""
import json
import os
import signal
import threading

import pytest

from harness.procs import name_of_mark, wait_until
from harness.signin import sign_in

API = "/api/plugin-api"


def open_stream(client, upstream):
    """A stream that waits at a gate, and the gate's name."""
    session = sign_in(client, name_of_mark("s"))
    gate = name_of_mark("gate")
    upstream.fault(path="chat", gate=gate)
    upstream.gate(gate)
    stream = session.stream(API + "/chat/completions", {
        "model": "m", "stream": True,
        "messages": [{"role": "user", "content": "a b c"}]})
    assert stream.data()
    return stream, gate


def reload(gateway):
    done = gateway.ctl("reload", "--json")
    return json.loads(done.stdout)


def test_refused_reload_leaves_all_streams(start_gateway, upstream):
    """Every generation drains a stream until there is no place for one
    more: that reload is refused, and none of the streams is cut."""
    gateway = start_gateway(
        PLUGWAY_WORKERS_MIN="1", PLUGWAY_WORKERS_MAX="1",
        PLUGWAY_WORKERS_SPARE_MIN="0", PLUGWAY_STREAM_SHARE="0")
    streams = []
    for _ in range(40):
        streams.append(open_stream(gateway.client, upstream))
        said = reload(gateway)
        if not said["ok"]:
            break
    assert not said["ok"]
    assert "did not start" in said["faults"]
    assert len(streams) > 5
    # The generation before it serves on.
    wait_until(lambda: gateway.pids("keeper") and gateway.pids("registrar"),
               10, "keeper and registrar")
    last, last_gate = streams.pop()
    upstream.gate(last_gate, -1)
    assert last.rest()[-1] == b"data: [DONE]"
    wait_until(lambda: gateway.client.get("/api/health").status == 200, 10,
               "an answer")
    for stream, gate in streams:
        upstream.gate(gate, -1)
        assert stream.rest()[-1] == b"data: [DONE]"
    wait_until(lambda: len(gateway.pids("worker")) <= 2, 10,
               "the old workers to go")
    assert reload(gateway)["ok"]
    assert sign_in(gateway.client, name_of_mark("s")).get(
        API + "/quotas/user").status == 200


def test_reload_while_it_stops(start_gateway, upstream):
    """Nothing is started any more, and the stop is not undone."""
    gateway = start_gateway(PLUGWAY_WORKERS_MIN="2", PLUGWAY_WORKERS_MAX="4")
    stream, gate = open_stream(gateway.client, upstream)
    os.kill(gateway.master, signal.SIGTERM)
    wait_until(lambda: len(gateway.pids("worker")) == 1, 10,
               "the idle workers to go")
    said = reload(gateway)
    assert not said["ok"] and "stopping" in said["faults"]
    assert len(gateway.pids("worker")) == 1
    upstream.gate(gate, -1)
    assert stream.rest()[-1] == b"data: [DONE]"
    wait_until(lambda: not gateway.process.alive(), 10, "the end")
    gateway.stop()


# -- the program itself ---------------------------------------------------

def hammer(gateway, stop, failed, done):
    while not stop.is_set():
        try:
            if gateway.client.get("/api/health", timeout=15).status != 200:
                failed.append("status")
        except OSError as err:
            failed.append(repr(err))
        done.append(1)


def replace(gateway):
    """USR2, until the new program serves; the process stays."""
    master, mark = gateway.master, gateway.log_mark()
    old = set(gateway.pids("worker"))
    os.kill(master, signal.SIGUSR2)
    wait_until(lambda: "ready:" in gateway.log_since(mark), 30,
               "the new program")
    wait_until(lambda: set(gateway.pids("worker")) - old, 10,
               "new workers")
    assert gateway.master == master
    return old


@pytest.mark.parametrize("launcher", ["spawn", "listen"])
def test_replaced_program_loses_nothing(start_gateway, upstream, launcher):
    gateway = start_gateway(launcher=launcher)
    stream, gate = open_stream(gateway.client, upstream)
    stop, failed, done = threading.Event(), [], []
    threads = [threading.Thread(target=hammer, args=(
        gateway, stop, failed, done)) for _ in range(4)]
    for thread in threads:
        thread.start()
    for _ in range(2):
        replace(gateway)
    stop.set()
    for thread in threads:
        thread.join()
    assert failed == [] and len(done) > 20
    upstream.gate(gate, -1)
    assert stream.rest()[-1] == b"data: [DONE]"
    session = sign_in(gateway.client, name_of_mark("s"))
    assert session.get(API + "/quotas/user").status == 200
    assert {r["role"] for r in gateway.ctl_json("status")} == {
        "master", "worker", "keeper", "registrar"}
    wait_until(lambda: len(gateway.pids("keeper")) == 1 and
               len(gateway.pids("registrar")) == 1, 10, "the old to go")
    assert reload(gateway)["ok"]
    assert gateway.stop() == 0
    # What it opened itself goes with it, what was handed over stays.
    assert os.path.exists(gateway.socket) == (launcher == "spawn")


def test_replaced_program_keeps_its_secrets(start_gateway):
    """Given by the environment they are wiped there again."""
    gateway = start_gateway(ready=False)
    plain = gateway.environment()
    gateway.environment = lambda: dict(
        plain, JWT_SECRET_KEY=gateway.env["JWT_SECRET_KEY"])
    gateway.start()
    token = sign_in(gateway.client, name_of_mark("s")).access_token
    replace(gateway)
    assert gateway.client.get("/api/auth/me", token=token).status == 200
    with open("/proc/%d/environ" % gateway.master, "rb") as file:
        assert b"canary" not in file.read().lower()
    with open("/proc/%d/cmdline" % gateway.master, "rb") as file:
        assert file.read().startswith(b"plugwayd: master")


def test_program_that_would_not_start_is_refused(start_gateway):
    gateway = start_gateway()
    workers = set(gateway.pids("worker"))
    good = gateway.env["JWT_SECRET_KEY"]
    gateway.env["JWT_SECRET_KEY"] = "short"
    gateway.write_env()
    mark = gateway.log_mark()
    os.kill(gateway.master, signal.SIGUSR2)
    wait_until(lambda: "the running program stays" in
               gateway.log_since(mark), 20, "the refusal")
    assert "JWT_SECRET_KEY" in gateway.log_since(mark)
    assert gateway.client.get("/api/health/ready").status == 200
    assert workers & set(gateway.pids("worker"))
    gateway.env["JWT_SECRET_KEY"] = good
    gateway.write_env()
    replace(gateway)
