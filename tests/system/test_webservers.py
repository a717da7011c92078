"""The shipped configurations of the web servers."""
import hashlib
import json
import os
import shutil
import signal
import threading

import pytest

from harness.procs import (alive, listeners_of, name_of_mark, title_of,
                           wait_until)
from harness.signin import Browser, sign_in
from harness.webserver import Front, KINDS

API = "/api/plugin-api"


@pytest.fixture(scope="module", params=KINDS)
def front(request, gateway):
    server = Front(request.param, gateway)
    yield server
    server.stop()


@pytest.fixture
def visitor(front):
    return sign_in(front.client, name_of_mark(front.kind))


def test_main_job(front, visitor):
    assert visitor.get(API + "/key").json()["status"] == "ok"
    assert len(visitor.get(API + "/accounts").json()["data"]) == 2
    chat = {"model": "m", "messages": [{"role": "user", "content": "hi"}]}
    answer = visitor.post(API + "/chat/completions", chat)
    assert answer.json()["choices"][0]["message"]["content"] == \
        "You said: hi"
    stream = visitor.stream(API + "/chat/completions",
                            dict(chat, stream=True))
    assert stream.rest()[-1] == b"data: [DONE]"
    stream.close()


def test_browser_flow(front):
    browser = Browser(front.client)
    last = browser.sign_in(name_of_mark("web"), "/x")
    assert last.status in (302, 303)
    assert browser.call("POST", "/api/auth/refresh").status == 200


def test_body_bytes_and_20_megabytes(front, visitor, upstream):
    upstream.fault(path="chat", status=200, body='{"ok":1}', count=2)
    for size in (10, (20 << 20) - 200):
        body = (b'{"model":"m","messages":[],"x":"' + b"z" * size +
                b'","stream":false}')
        mark = upstream.mark()
        answer = visitor.call("POST", API + "/chat/completions", body=body)
        assert answer.status == 200, answer
        seen, = upstream.requests(mark)
        assert seen["body_sha256"] == hashlib.sha256(body).hexdigest()


def test_chunked_upload(front, visitor, upstream):
    body = json.dumps({"prefer_shared": 1}).encode()
    mark = upstream.mark()
    answer = visitor.call(
        "PUT", API + "/preference",
        headers=[("Transfer-Encoding", "chunked"),
                 ("Content-Type", "application/json")],
        body=b"%x\r\n%s\r\n0\r\n\r\n" % (len(body), body))
    assert answer.status == 200, answer
    seen, = upstream.requests(mark)
    assert seen.body == body


def test_too_large_body_is_our_413(front, visitor):
    body = b'{"model":"m","messages":[],"x":"' + b"z" * (21 << 20) + b'"}'
    answer = visitor.call("POST", API + "/chat/completions", body=body)
    assert answer.status == 413 and answer.code == "body_too_large"


def test_unauthorised_large_body_is_a_clear_401(front):
    answer = front.client.call("POST", API + "/chat/completions",
                               body=b'{"x":"' + b"z" * (8 << 20) + b'"}')
    assert answer.status == 401 and answer.code == "unauthorized"


@pytest.mark.parametrize("value", ["a%2fb", "%2e%2e", "a%00b", "a%5cb"])
def test_odd_paths_are_judged_by_us(front, visitor, upstream, value):
    mark = upstream.mark()
    answer = visitor.get(API + "/accounts/" + value)
    assert answer.status in (400, 404)
    assert upstream.requests(mark) == []


def test_colon_path(front, visitor):
    answer = visitor.post("/v1beta/models/m:generateContent", {
        "contents": [{"role": "user", "parts": [{"text": "x"}]}]})
    assert answer.status == 200, answer


def test_errors_keep_their_body(front):
    for method, target, status in (
            ("GET", API + "/accounts", 401), ("GET", "/nowhere", 404),
            ("DELETE", "/api/health", 405)):
        answer = front.client.call(method, target)
        assert answer.status == status
        assert answer.json()["error"]["code"]
        assert answer.json()["request_id"] == answer.header("x-request-id")
    head = front.client.call("HEAD", "/api/health")
    assert (head.status, head.body) == (200, b"")


def test_duplicate_authorization_is_no_way_in(front, visitor):
    answer = front.client.get("/api/auth/me", headers=[
        ("Authorization", "Bearer " + visitor.access_token),
        ("Authorization", "Bearer x")])
    assert answer.status in (400, 401)


def test_server_logs_tell_no_secret(front, gateway, visitor):
    visitor.get(API + "/accounts")
    assert gateway.scanner.find(front.logs().encode()) == []
    assert visitor.access_token not in front.logs()


@pytest.mark.skipif(os.geteuid() != 0, reason="Apache changes its user")
def test_bridge_starts_one_master(start_gateway, fronts):
    """mod_fcgid starts many programs at once; one plugwayd serves."""
    gateway = start_gateway(ready=False)
    gateway.socket = os.path.join(gateway.run, "fcgi.sock")
    for path in (gateway.run, gateway.env_file):
        shutil.chown(path, "www-data", "www-data")
    front = fronts("apache-fcgid", gateway)
    answers = []

    def visit():
        answers.append(front.client.get("/api/health", timeout=60))
    threads = [threading.Thread(target=visit) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    def masters():
        return [pid for pid in listeners_of(gateway.socket)
                if title_of(pid).startswith("plugwayd: master")]
    first = masters()
    try:
        assert [a.status for a in answers] == [200] * 8
        assert len(first) == 1
        session = sign_in(front.client, name_of_mark("bridge"))
        assert session.get(API + "/accounts").status == 200
        os.kill(first[0], signal.SIGKILL)
        wait_until(lambda: not alive(first[0]), 5, "its end")

        def back():
            return front.client.get("/api/health",
                                    timeout=60).status == 200
        wait_until(back, 30, "another master", every=0.2)
    finally:
        front.stop()
        for pid in masters():
            os.kill(pid, signal.SIGKILL)
