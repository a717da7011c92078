"""The FastCGI socket: what no web server sends, and what libfcgi does
with it.

One worker at most: whatever pins or kills it shows in the next request.
The fields of libfcgi's request that src/http/fcgi.c sets are held to
their behaviour here.
"""
import json
import os
import socket
import struct
import time

import pytest

from harness.fastcgi import (ABORT, END, GET_VALUES, PARAMS, STDIN, STDOUT,
                             begin, pairs, params_of, record, records)
from harness.procs import name_of_mark, wait_until
from harness.signin import sign_in

API = "/api/plugin-api"
GONE = (ConnectionResetError, BrokenPipeError)
# libfcgi has bugs of its own; a worker may die of them, the service not.
LIBFCGI = r"smash|overflow|Assert|died|signal|allocation|allocator|abort"


@pytest.fixture(scope="module")
def module_env():
    return {"PLUGWAY_WORKERS_MIN": "1", "PLUGWAY_WORKERS_MAX": "1",
            "PLUGWAY_WORKERS_SPARE_MIN": "0",
            "PLUGWAY_WORKERS_SPARE_MAX": "1"}


def head(method="GET", target="/api/health", headers=(), body=None, keep=0):
    items = params_of(method, target, headers, body)
    return begin(keep=keep) + records(PARAMS, pairs(items)) + record(PARAMS)


def post(session, length, extra=()):
    """The head of a PUT whose body comes by hand."""
    items = params_of("PUT", API + "/preference", [
        ("Content-Type", "application/json"),
        ("Authorization", "Bearer " + session.access_token)] + list(extra),
        b"")
    items = [i for i in items if i[0] != "CONTENT_LENGTH"]
    if length is not None:
        items.append(("CONTENT_LENGTH", str(length)))
    return begin() + records(PARAMS, pairs(items)) + record(PARAMS)


def send(exchange, data):
    try:
        exchange.send(data)
    except GONE:
        pass


def closed(exchange, within):
    """Seconds until the peer closed."""
    start = time.monotonic()
    exchange.sock.settimeout(within)
    try:
        while exchange.more():
            pass
    except GONE:
        pass
    exchange.close()
    return time.monotonic() - start


def serves(gateway, within=5):
    """The one worker answers; a killed one was replaced."""
    def good():
        try:
            return gateway.client.get("/api/health",
                                      timeout=within).status == 200
        except OSError:
            return False
    wait_until(good, within, "an answer")


# -- who says nothing, or nonsense --------------------------------------

@pytest.mark.parametrize("data", [b"", begin()[:4]],
                         ids=["silent", "half a header"])
def test_a_silent_connection_is_dropped(gateway, data):
    exchange = gateway.exchange(15)
    send(exchange, data)
    assert 1.5 < closed(exchange, 10) < 5
    serves(gateway)


def test_half_a_header_and_a_hang_up_is_dropped_at_once(gateway):
    exchange = gateway.exchange(15)
    exchange.send(begin()[:4])
    exchange.sock.shutdown(socket.SHUT_WR)
    assert closed(exchange, 10) < 1
    serves(gateway)


@pytest.mark.parametrize("pause", [0.02, 0.1])
def test_a_header_in_pieces_is_served(gateway, pause):
    exchange = gateway.exchange(15)
    data = head() + record(STDIN)
    for at in range(8):
        exchange.send(data[at:at + 1])
        time.sleep(pause)
    exchange.send(data[8:])
    assert exchange.answer().status == 200


@pytest.mark.parametrize("data", [
    b"GET / HTTP/1.1\r\nHost: x\r\n\r\n", b"\0" * 64, b"\xff" * 64,
    b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03",
    record(STDIN, b"x"), record(PARAMS), record(ABORT), record(END),
    record(1, begin()[8:], version=2), record(1, begin()[8:], version=0),
    record(1, begin()[8:], request_id=0), record(77, b"12345678"),
])
def test_garbage_is_dropped_at_once(gateway, data):
    exchange = gateway.exchange(15)
    send(exchange, data)
    assert closed(exchange, 10) < 1
    serves(gateway)


@pytest.mark.parametrize("data", [
    begin(role=2), begin(role=3), begin(role=0), record(1, b"\0\1\0"),
    record(1, b"\0\1\0\0\0\0\0\0\0"), begin() + record(STDIN),
    begin() + record(ABORT), begin() + record(STDOUT, b"x"),
    begin() + record(PARAMS, b"\x04"),
    begin() + record(PARAMS, pairs([("A", "b")]))[:-1],
    begin() + record(PARAMS, b"\0\0"), begin() + record(77, b"x"),
    begin() + record(PARAMS, b"\x7f\x7f" + b"x" * 20) + record(PARAMS),
])
def test_a_broken_request_costs_a_connection(gateway, data):
    gateway.allow_log(LIBFCGI)
    exchange = gateway.exchange(15)
    send(exchange, data)
    exchange.sock.shutdown(socket.SHUT_WR)
    assert closed(exchange, 12) < 8
    serves(gateway)


def test_half_a_request_is_no_request(gateway):
    """libfcgi would serve what came before the connection ended."""
    exchange = gateway.exchange(15)
    exchange.send(begin() + records(PARAMS, pairs(params_of(
        "GET", "/api/health", [], None))))
    exchange.sock.shutdown(socket.SHUT_WR)
    assert closed(exchange, 10) < 1
    assert exchange.inbuf == b""
    serves(gateway)


def test_parameters_that_never_end_are_cut(gateway):
    """A byte now and then does not hold a worker."""
    exchange = gateway.exchange(15)
    exchange.send(begin())
    start = time.monotonic()
    data = records(PARAMS, pairs(params_of("GET", "/api/health", [], None)))
    with pytest.raises(OSError):
        for byte in data:
            exchange.send(bytes([byte]))
            time.sleep(0.1)
            assert time.monotonic() - start < 12
    assert 4 < time.monotonic() - start < 9
    exchange.close()
    serves(gateway)


# -- management records -------------------------------------------------

@pytest.mark.parametrize("count", [1, 5, 20, 2000])
def test_get_values_flood(gateway, count):
    """libfcgi overruns a buffer on these: it never sees them."""
    workers = gateway.pids("worker")
    exchange = gateway.exchange(15)
    for _ in range(10):
        send(exchange, record(GET_VALUES, pairs(
            [("FCGI_MPXS_CONNS", "")] * count)[:65000], 0))
    assert closed(exchange, 10) < 2
    serves(gateway)
    assert gateway.pids("worker") == workers


@pytest.mark.parametrize("after", [begin(), head()],
                         ids=["begin", "parameters"])
def test_get_values_inside_a_request(gateway, after):
    """Here libfcgi sees them; a worker may end, the service does not."""
    gateway.allow_log(LIBFCGI)
    exchange = gateway.exchange(15)
    send(exchange, after)
    send(exchange, record(GET_VALUES, pairs(
        [("FCGI_MPXS_CONNS", "")] * 20), 0))
    closed(exchange, 15)
    serves(gateway, 10)


# -- parameters ---------------------------------------------------------

@pytest.mark.parametrize("claim", [
    b"\xc0\x00\x00\x00\xc0\x00\x00\x00", b"\xff\xff\xff\xff\xff\xff\xff\xff",
    b"\xbf\xff\xff\xff\xbf\xff\xff\xff", b"\x01\xc0\x00\x00\x00A",
    b"\xc0\x00\x00\x00\x01", b"\xff\xff\xff\xff\x00"])
def test_claims_of_gigabytes(gateway, claim):
    gateway.allow_log(LIBFCGI)
    exchange = gateway.exchange(15)
    send(exchange, begin() + record(PARAMS, claim + b"x" * 1000) +
         record(PARAMS) + record(STDIN))
    exchange.sock.shutdown(socket.SHUT_WR)
    closed(exchange, 12)
    serves(gateway, 10)


def test_a_gigabyte_that_comes_is_not_held(gateway):
    gateway.allow_log(LIBFCGI)
    exchange = gateway.exchange(15)
    block = record(PARAMS, b"x" * 65528) * 16
    start = time.monotonic()
    try:
        exchange.send(begin() + record(
            PARAMS, b"\x01" + struct.pack(">I", 0xbfffffff) + b"A"))
        for _ in range(1024):
            exchange.send(block)
    except OSError:
        pass
    assert time.monotonic() - start < 12
    exchange.close()
    serves(gateway, 10)


@pytest.mark.parametrize("count,size,status", [
    (400, 10, 200), (600, 10, 400), (5000, 1, 400), (50000, 1, 400),
    (20, 6000, 200), (20, 7000, 400), (2, 120000, 400)])
def test_too_many_parameters(gateway, count, size, status):
    exchange = gateway.exchange(15)
    items = params_of("GET", "/api/health", [], None) + [
        ("X%d" % i, "v" * size) for i in range(count)]
    exchange.send(begin() + records(PARAMS, pairs(items)) +
                  record(PARAMS) + record(STDIN))
    answer = exchange.answer()
    assert answer.status == status
    if status == 400:
        assert answer.code == "bad_request"
    serves(gateway)


@pytest.mark.parametrize("leave_out", ["REQUEST_URI", "REQUEST_METHOD"])
def test_missing_parameters(gateway, leave_out):
    exchange = gateway.exchange(15)
    items = [i for i in params_of("GET", "/api/health", [], None)
             if i[0] != leave_out]
    exchange.send(begin() + records(PARAMS, pairs(items)) +
                  record(PARAMS) + record(STDIN))
    answer = exchange.answer()
    assert (answer.status, answer.code) == (400, "bad_request")


# -- bodies -------------------------------------------------------------

GOOD = b'{"prefer_shared":1}'


@pytest.mark.parametrize("declared,body,status,code", [
    (len(GOOD), GOOD, 200, None), (None, GOOD, 200, None),
    (len(GOOD) + 1, GOOD, 400, "body_incomplete"),
    (len(GOOD) - 1, GOOD, 400, "body_incomplete"),
    (0, GOOD, 400, "body_incomplete"),
    (70000, GOOD, 413, "body_too_large"),
    (None, b"", 422, "validation_error"),
    (None, GOOD + b" " * 60000, 200, None),
    (None, GOOD + b" " * 70000, 413, "body_too_large"),
])
def test_body_and_declared_length(gateway, session, declared, body, status,
                                  code):
    exchange = gateway.exchange(15)
    exchange.send(post(session, declared) + records(STDIN, body) +
                  record(STDIN))
    answer = exchange.answer()
    assert answer.status == status, answer
    if code:
        assert answer.code == code


@pytest.mark.parametrize("size", [1, 7, 4096])
def test_body_in_small_records(gateway, session, size):
    exchange = gateway.exchange(15)
    exchange.send(post(session, len(GOOD)))
    for at in range(0, len(GOOD), size):
        exchange.send(record(STDIN, GOOD[at:at + size], padding=at % 8))
    exchange.send(record(STDIN))
    assert exchange.answer().status == 200


def test_body_that_stops_is_given_up(gateway, session):
    """A gap of ten seconds ends it, with an answer."""
    exchange = gateway.exchange(30)
    exchange.send(post(session, len(GOOD)) + record(STDIN, GOOD[:5]))
    start = time.monotonic()
    answer = exchange.answer()
    assert (answer.status, answer.code) == (400, "body_incomplete")
    assert 8 < time.monotonic() - start < 14
    serves(gateway)


def test_client_that_leaves_in_its_body(gateway, session):
    exchange = gateway.exchange(15)
    exchange.send(post(session, len(GOOD)) + record(STDIN, GOOD[:5]))
    exchange.leave()
    serves(gateway)


def test_abort_ends_the_request(gateway, session):
    exchange = gateway.exchange(15)
    exchange.send(post(session, len(GOOD)) + record(STDIN, GOOD[:5]) +
                  record(ABORT))
    answer = exchange.answer()
    assert answer.status == 400
    serves(gateway)


@pytest.mark.parametrize("megabytes", [1, 20])
@pytest.mark.parametrize("target,status", [
    (API + "/chat/completions", 401), ("/nowhere", 404),
    ("/api/health", 405)])
def test_early_answer_with_a_large_body(gateway, target, status, megabytes):
    """The body is read first, so that the web server takes the answer."""
    body = b"x" * (megabytes << 20)
    exchange = gateway.exchange(30)
    exchange.send(head("POST", target, [("Content-Type",
                                         "application/json")], body))
    exchange.send(records(STDIN, body))
    exchange.send(record(STDIN))
    assert exchange.answer().status == status
    serves(gateway)


# -- kept connections ---------------------------------------------------

def take(exchange):
    """One answer of several on this connection."""
    exchange.status, exchange.stdout, exchange.ended = None, b"", False
    exchange.read_head()
    while exchange.step():
        pass
    return exchange.status, exchange.stdout


def test_kept_connection_serves_many(gateway):
    exchange = gateway.exchange(15)
    for _ in range(50):
        exchange.start("GET", "/api/health", keep=1)
        status, body = take(exchange)
        assert status == 200
        assert json.loads(body)["status"] == "healthy"
    exchange.close()


@pytest.mark.parametrize("target", ["/", "/api/openapi.json"])
def test_kept_connection_survives_pages(gateway, target):
    """Their answer goes out early; the end of the body is read all the
    same."""
    exchange = gateway.exchange(15)
    for _ in range(3):
        exchange.start("GET", target, keep=1)
        assert take(exchange)[0] == 200
    exchange.close()


def test_kept_connection_with_bodies(gateway, session, upstream):
    exchange = gateway.exchange(15)
    for value in (0, 1, 0):
        exchange.start("PUT", API + "/preference", [
            ("Content-Type", "application/json"),
            ("Authorization", "Bearer " + session.access_token)],
            b'{"prefer_shared":%d}' % value, keep=1)
        status, body = take(exchange)
        assert status == 200, body
    exchange.close()


def test_without_the_flag_it_is_closed(gateway):
    exchange = gateway.exchange(15).start("GET", "/api/health")
    assert take(exchange)[0] == 200
    assert closed(exchange, 5) < 1


def test_idle_kept_connection_does_not_pin_the_worker(gateway):
    """With one worker: the new connection wins, the idle one is closed."""
    kept = gateway.exchange(15).start("GET", "/api/health", keep=1)
    assert take(kept)[0] == 200
    start = time.monotonic()
    assert gateway.client.get("/api/health").status == 200
    assert time.monotonic() - start < 1
    assert closed(kept, 5) < 1


def test_idle_kept_connection_that_talks_nonsense(gateway):
    kept = gateway.exchange(15).start("GET", "/api/health", keep=1)
    assert take(kept)[0] == 200
    send(kept, b"GET / HTTP/1.1\r\n\r\n")
    assert closed(kept, 5) < 1
    kept = gateway.exchange(15).start("GET", "/api/health", keep=1)
    assert take(kept)[0] == 200
    kept.leave()
    serves(gateway)


def test_failed_requests_keep_the_connection(gateway, session):
    """404, 401, 422 are answers as any other."""
    exchange = gateway.exchange(15)
    for target, token, want in ((API + "/nowhere", None, 404),
                                (API + "/accounts", None, 401),
                                ("/api/auth/me", session.access_token, 200)):
        headers = [("Authorization", "Bearer " + token)] if token else []
        exchange.start("GET", target, headers, keep=1)
        assert take(exchange)[0] == want
    exchange.close()


def test_two_requests_at_once_on_one_connection(gateway):
    """Not multiplexed: the second is refused, the first is served."""
    exchange = gateway.exchange(15)
    exchange.send(head() + begin(request_id=2) + record(STDIN))
    kinds = []
    exchange.sock.settimeout(5)
    while True:
        got = exchange.read_record()
        if got is None:
            break
        kinds.append(got)
    ends = [data for kind, data in kinds if kind == END]
    assert len(ends) == 2
    assert ends[0][4] == 1, "FCGI_CANT_MPX_CONN"
    assert any(b"healthy" in data for kind, data in kinds
               if kind == STDOUT)
    serves(gateway)


def test_worker_ends_gracefully_with_a_kept_connection(start_gateway):
    gateway = start_gateway(PLUGWAY_WORKERS_MIN="1", PLUGWAY_WORKERS_MAX="1",
                            PLUGWAY_WORKERS_SPARE_MIN="0")
    kept = gateway.exchange(15).start("GET", "/api/health", keep=1)
    assert take(kept)[0] == 200
    start = time.monotonic()
    assert gateway.stop() == 0
    assert time.monotonic() - start < 3
    kept.close()


# -- who does not read --------------------------------------------------

def test_client_that_takes_nothing(start_gateway, rundir):
    """The answer is larger than all buffers; the worker is free again
    after PLUGWAY_CLIENT_STALL_S, once and not twice."""
    data = os.path.join(rundir, "large")
    os.makedirs(data, exist_ok=True)
    with open(os.path.join(data, "app.js"), "wb") as file:
        file.write(b"x" * (8 << 20))
    gateway = start_gateway(
        PLUGWAY_DATA_DIR=data, PLUGWAY_WORKERS_MIN="1",
        PLUGWAY_WORKERS_MAX="1", PLUGWAY_WORKERS_SPARE_MIN="0",
        PLUGWAY_CLIENT_STALL_S="1.5")
    stuck = []
    for _ in range(3):
        exchange = gateway.exchange(15)
        exchange.sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        exchange.start("GET", "/assets/app.js")
        stuck.append(exchange)
    start = time.monotonic()
    serves(gateway, 15)
    assert 3 < time.monotonic() - start < 8
    for exchange in stuck:
        exchange.close()


def test_after_all_this_everything_works(gateway, upstream):
    session = sign_in(gateway.client, name_of_mark("after"))
    assert session.get(API + "/quotas/user").status == 200
    answer = session.post(API + "/chat/completions", {
        "model": "m", "messages": [{"role": "user", "content": "hello"}]})
    assert answer.status == 200
