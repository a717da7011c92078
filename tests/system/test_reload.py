"""Reloads that are refused, and generations that drain side by side."""
import json
import os
import signal

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
