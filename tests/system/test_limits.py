"""Limits, overload, slow clients."""
import threading
import time

import pytest

from harness.fastcgi import (PARAMS, begin, pairs, params_of, record,
                             records)
from harness.procs import name_of_mark, wait_until
from harness.signin import sign_in

API = "/api/plugin-api"
CHAT = API + "/chat/completions"


def chat_body(stream=True):
    return {"model": "m", "stream": stream,
            "messages": [{"role": "user", "content": "a b c"}]}


def hold_streams(session, upstream, count):
    """As many as are let in of count streams, each held after a piece."""
    for _ in range(count):
        name = name_of_mark("hold")
        upstream.fault(path="chat", gate=name)
        upstream.gate(name)
    opened = []

    def one():
        stream = session.stream(CHAT, chat_body())
        if stream.data():
            opened.append(stream)
    threads = [threading.Thread(target=one) for _ in range(count)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(20)
    upstream.clear_faults(gates=False)
    return opened


def test_rate_of_a_user(start_gateway):
    gateway = start_gateway(PLUGWAY_USER_RATE="5", PLUGWAY_USER_BURST="10")
    one = sign_in(gateway.client, name_of_mark("rate"))
    two = sign_in(gateway.client, name_of_mark("rate"))
    answers = [one.get(API + "/quotas/user") for _ in range(40)]
    refused = [a for a in answers if a.status == 429]
    assert 20 <= len(refused) <= 32
    assert refused[0].code == "rate_limited"
    assert int(refused[0].header("retry-after")) >= 1
    assert two.get(API + "/quotas/user").status == 200

    def again():
        return one.get(API + "/quotas/user").status == 200
    wait_until(again, 3, "the bucket to fill", every=0.2)


def test_rate_of_sign_ins_counts_by_address(start_gateway):
    gateway = start_gateway(PLUGWAY_SIGNIN_RATE="10")
    target = "/api/auth/sso/initiate"
    answers = [gateway.client.get(target, remote="203.0.113.5")
               for _ in range(25)]
    refused = [a for a in answers if a.status == 429]
    assert 10 <= len(refused) <= 15
    assert refused[0].header("retry-after")
    assert gateway.client.get(target, remote="203.0.113.6").status == 200
    # A header that anybody can send does not change the address.
    assert gateway.client.get(
        target, remote="203.0.113.5",
        headers={"X-Forwarded-For": "198.51.100.1"}).status == 429


def test_requests_of_a_user_at_once(start_gateway, upstream):
    gateway = start_gateway(PLUGWAY_USER_REQUESTS="3",
                            PLUGWAY_USER_STREAMS="3")
    session = sign_in(gateway.client, name_of_mark("three"))
    streams = hold_streams(session, upstream, 3)
    assert len(streams) == 3
    refused = session.get(API + "/quotas/user")
    assert refused.status == 429
    assert refused.code == "too_many_requests_at_once"
    for stream in streams:
        stream.leave()
    wait_until(lambda: session.get(API + "/quotas/user").status == 200, 5,
               "the requests to be counted out")


def test_streams_leave_workers_for_others(start_gateway, upstream):
    """One tenant's streams do not take everything."""
    gateway = start_gateway(
        PLUGWAY_WORKERS_MIN="10", PLUGWAY_WORKERS_MAX="10",
        PLUGWAY_STREAM_SHARE="50")
    greedy = sign_in(gateway.client, name_of_mark("greedy"))
    modest = sign_in(gateway.client, name_of_mark("modest"))
    streams = hold_streams(greedy, upstream, 8)
    assert 4 <= len(streams) <= 5
    began = time.monotonic()
    for _ in range(20):
        assert modest.get(API + "/quotas/user").status == 200
    assert time.monotonic() - began < 5
    refused = modest.post(CHAT, chat_body())
    assert refused.status in (429, 503) and refused.header("retry-after")
    for stream in streams:
        stream.leave()


def test_overload_is_answered_at_once(start_gateway, upstream):
    """When every worker but one is busy, that one says so."""
    gateway = start_gateway(
        PLUGWAY_WORKERS_MIN="3", PLUGWAY_WORKERS_MAX="3",
        PLUGWAY_WORKERS_SPARE_MIN="0", PLUGWAY_STREAM_SHARE="100")
    session = sign_in(gateway.client, name_of_mark("busy"))
    streams = hold_streams(session, upstream, 2)
    assert len(streams) == 2
    began = time.monotonic()
    answers = [session.get(API + "/quotas/user") for _ in range(5)]
    assert time.monotonic() - began < 2
    assert {a.status for a in answers} == {503}
    assert answers[0].code == "overloaded"
    assert answers[0].header("retry-after")
    assert gateway.client.get("/api/health").status == 200
    for stream in streams:
        stream.leave()
    wait_until(lambda: session.get(API + "/quotas/user").status == 200, 5,
               "room")


SLOW = [
    b"", begin()[:3], begin(), begin() + record(PARAMS, b"\x0e"),
    begin() + records(PARAMS, pairs(params_of("GET", "/api/health", [],
                                              None))),
]


def is_closed(exchange):
    try:
        return not exchange.more()
    except ConnectionResetError:
        return True


@pytest.mark.parametrize("data", SLOW, ids=["nothing", "half a record",
                                            "begin", "half params",
                                            "params without end"])
def test_silent_connections_do_not_hold_workers(start_gateway, data):
    gateway = start_gateway(PLUGWAY_WORKERS_MIN="2",
                            PLUGWAY_WORKERS_MAX="2")
    silent = [gateway.exchange() for _ in range(4)]
    for exchange in silent:
        if data:
            exchange.send(data)

    def served():
        try:
            return gateway.client.get("/api/health",
                                      timeout=20).status == 200
        except OSError:
            return False
    # Two workers take two connections each, one after the other.
    wait_until(served, 25, "a free worker")
    for exchange in silent:
        exchange.sock.settimeout(15)
        assert is_closed(exchange)
        exchange.close()


def test_workers_grow_and_shrink(start_gateway, upstream):
    gateway = start_gateway(
        PLUGWAY_WORKERS_MIN="2", PLUGWAY_WORKERS_MAX="24",
        PLUGWAY_WORKERS_SPARE_MIN="2", PLUGWAY_WORKERS_SPARE_MAX="4",
        PLUGWAY_STREAM_SHARE="0")
    session = sign_in(gateway.client, name_of_mark("grow"))
    streams = []
    for _ in range(3):
        streams += hold_streams(session, upstream, 4)
    assert len(streams) == 12
    wait_until(lambda: len(gateway.pids("worker")) >= 14, 5,
               "spare workers")
    for stream in streams:
        stream.leave()
    wait_until(lambda: len(gateway.pids("worker")) <= 6, 30,
               "workers to be retired", every=0.2)
    assert session.get(API + "/quotas/user").status == 200


def test_worker_is_replaced_after_its_requests(start_gateway):
    gateway = start_gateway(PLUGWAY_WORKERS_MIN="2",
                            PLUGWAY_WORKERS_MAX="2",
                            PLUGWAY_WORKERS_SPARE_MIN="1",
                            PLUGWAY_WORKER_REQUESTS="20")
    before = set(gateway.pids("worker"))
    for _ in range(120):
        assert gateway.client.get("/api/health").status == 200
    wait_until(lambda: not before & set(gateway.pids("worker")), 10,
               "both to be replaced")


def test_kept_connection_serves_and_does_not_pin(start_gateway):
    """FCGI_KEEP_CONN: several requests on one connection, and an idle
    one does not hold a worker."""
    gateway = start_gateway(PLUGWAY_WORKERS_MIN="2",
                            PLUGWAY_WORKERS_MAX="2",
                            PLUGWAY_WORKERS_SPARE_MIN="0")
    kept = [gateway.exchange() for _ in range(2)]
    for exchange in kept:
        exchange.start("GET", "/api/health", keep=1)
        exchange.read_head()
        while exchange.step():
            pass
        assert exchange.status == 200
    began = time.monotonic()
    for _ in range(10):
        assert gateway.client.get("/api/health", timeout=10).status == 200
    assert time.monotonic() - began < 3
    for exchange in kept:
        exchange.close()


def test_breaker(start_gateway, upstream):
    """Fails fast while the upstream is dead; closes after it heals."""
    gateway = start_gateway(PLUGWAY_CONNECT_TIMEOUT_S="0.5")
    people = [sign_in(gateway.client, name_of_mark("brk"))
              for _ in range(4)]
    for person in people:
        assert person.get(API + "/quotas/user").status == 200
    upstream.refuse()
    codes = set()

    def opened():
        for person in people:
            codes.add(person.get(API + "/quotas/user").code)
        return "upstream_unavailable" in codes
    wait_until(opened, 20, "the breaker to open")
    began = time.monotonic()
    answer = people[0].get(API + "/quotas/user")
    if answer.code == "upstream_unavailable":
        assert time.monotonic() - began < 0.3
        assert int(answer.header("retry-after")) >= 1
    upstream.resume()
    wait_until(lambda: all(p.get(API + "/quotas/user").status == 200
                           for p in people), 60, "it to close", every=0.2)


def test_one_tenants_500s_open_nothing(start_gateway, upstream):
    gateway = start_gateway()
    one = sign_in(gateway.client, name_of_mark("bad"))
    two = sign_in(gateway.client, name_of_mark("fine"))
    key = upstream.user(one.get(API + "/key").json()
                        ["plugin_user_id"])["api_key"]
    upstream.fault(key=key, status=500, body='{"error":"x"}', count=-1)
    for _ in range(60):
        assert one.get(API + "/quotas/user").status == 502
    assert two.get(API + "/quotas/user").status == 200
