"""Whatever the upstream does, the client gets a clear answer."""
import json
import time

import pytest

from harness.procs import free_port, wait_until
from harness.signin import sign_in

API = "/api/plugin-api"
CHAT = API + "/chat/completions"
HTML = [["Content-Type", "text/html"]]


@pytest.fixture(scope="module")
def module_env():
    """Short times, and no breaker trouble: one user cannot open it."""
    return {"PLUGWAY_REQUEST_TIMEOUT_S": "1",
            "PLUGWAY_CHAT_TIMEOUT_S": "1.5",
            "PLUGWAY_STREAM_FIRST_BYTE_S": "1.5",
            "PLUGWAY_STREAM_IDLE_S": "1",
            "PLUGWAY_STREAM_TOTAL_S": "20",
            "PLUGWAY_STREAM_COMMIT_S": "0",
            "PLUGWAY_CONNECT_TIMEOUT_S": "1"}


@pytest.fixture(scope="module")
def person(gateway):
    return sign_in(gateway.client, "faulty")


def body(stream=False):
    return {"model": "m", "stream": stream,
            "messages": [{"role": "user", "content": "hi there friend"}]}


def raw(head, content=""):
    return {"raw": head + content, "then": "close"}


OK = "HTTP/1.1 200 OK\r\nContent-Type: application/json\r\n"
GZIP = "\x1f\x8b\x08\x00"

# name, fault, status, code; count -1: a retried GET meets it again
GET_FAULTS = [
    # Met while connecting or just after it.
    ("reset at connect", {"reset": "connect"}, (502, 503), None),
    ("close at connect", {"close": "connect"}, 502, "upstream_error"),
    ("reset after request", {"reset": "request"}, 502, "upstream_error"),
    ("reset in head", {"reset": "head"}, 502, "upstream_error"),
    ("reset in body", {"reset": "body"}, 502, "upstream_error"),
    ("close in head", {"close": "head"}, 502, "upstream_error"),
    ("close in body", {"close": "body"}, 502, "upstream_error"),
    ("silence", {"hang": "request"}, 504, "upstream_timeout"),
    ("silence in head", {"hang": "head"}, 504, "upstream_timeout"),
    ("silence in body", {"hang": "body"}, 504, "upstream_timeout"),
    ("one byte at a time", {"slow": 0.05}, 504, "upstream_timeout"),
    ("half a status line", raw("HTTP/1.1 20"), 502, "upstream_error"),
    ("not HTTP", raw("ICY 200 OK\r\n\r\n{}"), 502, "upstream_error"),
    ("HTTP/0.9", raw("hello"), 502, "upstream_error"),
    ("SSH", raw("SSH-2.0-OpenSSH\r\n"), 502, "upstream_error"),
    ("status 999", raw("HTTP/1.1 999 X\r\nContent-Length: 2\r\n\r\n{}"),
     502, "upstream_error"),
    ("empty answer", raw(""), 502, "upstream_error"),
    ("huge header", {"huge_header": 1 << 20}, 502, "upstream_error"),
    ("many headers", {"many_headers": 10000}, 502, "upstream_error"),
    ("length too large", {"content_length": 99999, "then": "close"}, 502,
     "upstream_error"),
    ("negative length", {"content_length": -5}, 502, "upstream_error"),
    ("length not a number", {"content_length": "abc"}, 502,
     "upstream_error"),
    ("two lengths", raw(OK + "Content-Length: 2\r\nContent-Length: 3\r\n"
                        "\r\n", "{} "), 502, "upstream_error"),
    ("length and chunked", raw(OK + "Content-Length: 5\r\nTransfer-"
                               "Encoding: chunked\r\n\r\n",
                               "2\r\n{}\r\n0\r\n\r\n"), (200, 502), None),
    ("bad chunk size", raw(OK + "Transfer-Encoding: chunked\r\n\r\n",
                           "zz\r\n{}\r\n0\r\n\r\n"), 502, "upstream_error"),
    ("huge chunk size", raw(OK + "Transfer-Encoding: chunked\r\n\r\n",
                            "ffffffffffffffff\r\n{}\r\n"), 502,
     "upstream_error"),
    ("negative chunk", raw(OK + "Transfer-Encoding: chunked\r\n\r\n",
                           "-1\r\n{}\r\n0\r\n\r\n"), 502, "upstream_error"),
    ("no last chunk", raw(OK + "Transfer-Encoding: chunked\r\n\r\n",
                          "2\r\n{}\r\n"), 502, "upstream_error"),
    ("unasked gzip", {"gzip": True}, 502, "upstream_error"),
    ("gzip without the header", {"body_b64": "H4sIAAAAAAAAAwMAAAAAAAAAAAA=",
                                 "status": 200}, 502, "upstream_error"),
    ("redirect", {"status": 302, "headers":
                  [["Location", "http://169.254.169.254/"]]}, 502,
     "upstream_error"),
    ("permanent redirect", {"status": 308, "headers":
                            [["Location", "http://127.0.0.1:1/"]]}, 502,
     "upstream_error"),
    ("304", {"status": 304, "headers": []}, 502, "upstream_error"),
    ("HTML 200", {"status": 200, "body": "<html>", "headers": HTML}, 502,
     "upstream_error"),
    ("HTML 500", {"status": 500, "body": "<html>", "headers": HTML}, 502,
     "upstream_error"),
    ("HTML 404", {"status": 404, "body": "<html>", "headers": HTML}, 502,
     "upstream_error"),
    ("HTML 403", {"status": 403, "body": "<html>", "headers": HTML}, 502,
     "upstream_error"),
    ("HTML labelled JSON", {"status": 200, "body": "<html>"}, 502,
     "upstream_error"),
    ("not JSON", {"status": 200, "body": "hello"}, 502, "upstream_error"),
    ("truncated JSON", {"status": 200, "body": '{"a":'}, 502,
     "upstream_error"),
    ("two JSON texts", {"status": 200, "body": "{}{}"}, 502,
     "upstream_error"),
    ("empty 200", {"status": 200, "body": ""}, 502, "upstream_error"),
    ("500", {"status": 500, "body": '{"error":"boom"}'}, 502,
     "upstream_error"),
    ("502", {"status": 502, "body": '{"error":"boom"}'}, 502,
     "upstream_error"),
    ("503", {"status": 503, "body": '{"error":"boom"}'}, 502,
     "upstream_error"),
    ("418", {"status": 418, "body": '{"error":"tea"}'}, 502,
     "upstream_error"),
    ("100 and nothing", raw("HTTP/1.1 100 Continue\r\n\r\n"), 502,
     "upstream_error"),
    ("101", raw("HTTP/1.1 101 Switching Protocols\r\nUpgrade: x\r\n\r\n"),
     502, "upstream_error"),
    ("other 401", {"status": 401, "body": '{"error":"{\\"x\\":1}"}'}, 502,
     "upstream_refused"),
    ("no account", {"status": 500, "body":
                    '{"error":"没有可用的账号，请添加账号"}'}, 409,
     "no_account"),
    ("quota used up", {"status": 500, "body": '{"error":"所有账号对模型 m '
                       '的配额已耗尽或用户共享配额不足"}'}, 429,
     "quota_exhausted"),
    ("400 with text", {"status": 400, "body": '{"error":"bad thing"}'}, 400,
     None),
    ("404 with text", {"status": 404, "body": '{"error":"账号不存在"}'},
     404, "upstream_not_found"),
    ("409 with text", {"status": 409, "body": '{"error":"clash"}'}, 409,
     None),
    ("422 with text", {"status": 422, "body": '{"error":"odd"}'}, 422,
     None),
    ("429 with text", {"status": 429, "body": '{"error":"slow"}',
                       "headers": [["Content-Type", "application/json"],
                                   ["Retry-After", "17"]]}, 429,
     "upstream_rate_limited"),
    ("key in body", {"status": 200, "body": '{"k":"{{key}}"}'}, 502,
     "upstream_error"),
    ("key in an error", {"status": 400, "body": '{"error":"{{key}}"}'}, 502,
     "upstream_error"),
]


@pytest.mark.parametrize("name,fault,status,code", GET_FAULTS,
                         ids=[f[0] for f in GET_FAULTS])
def test_get(person, upstream, name, fault, status, code):
    # A kept connection would not meet the faults at connect.
    if "connect" in fault.values():
        upstream.refuse()
        upstream.resume()
    fault = dict(fault, count=-1)
    if "connect" not in fault.values():
        fault["path"] = "/api/quotas/user"
    upstream.fault(**fault)
    began = time.monotonic()
    answer = person.get(API + "/quotas/user")
    took = time.monotonic() - began
    wanted = status if isinstance(status, tuple) else (status,)
    assert answer.status in wanted, answer
    assert took < 2.6, "one retry and a half second at most"
    assert "<html" not in answer.text.lower()
    if answer.status >= 400:
        value = answer.json()
        assert value["error"]["code"] == code or code is None
        assert value["request_id"] == answer.header("x-request-id")
    if answer.status == 429 and "Retry" in str(fault):
        assert answer.header("retry-after") == "17"
    if name.endswith("with text"):
        said = json.loads(fault["body"])["error"]
        assert said in json.dumps(answer.json()["detail"],
                                  ensure_ascii=False)


def test_204_is_204(person, upstream):
    upstream.fault(path="/api/accounts", status=204, headers=[])
    answer = person.call("DELETE", API + "/accounts/" + "a" * 32)
    assert (answer.status, answer.body) == (204, b"")


def test_201_becomes_200(person, upstream):
    upstream.fault(path="/api/accounts", status=201, body="{}")
    assert person.get(API + "/accounts").status == 200


def test_early_hints_are_skipped(person, upstream):
    upstream.fault(path="/api/accounts", early=[
        "HTTP/1.1 103 Early Hints\r\nLink: x\r\n\r\n"] * 5)
    assert person.get(API + "/accounts").status == 200


def test_get_is_retried_once_after_a_reset(person, upstream):
    upstream.fault(path="/api/accounts", reset="request", count=1)
    mark = upstream.mark()
    assert person.get(API + "/accounts").status == 200
    assert len(upstream.requests(mark)) == 2


@pytest.mark.parametrize("fault", [
    {"reset": "request"}, {"reset": "head"}, {"close": "body"},
    {"status": 500, "body": "{}"}])
def test_chat_is_never_repeated(person, upstream, fault):
    upstream.fault(path="chat", count=1, **fault)
    mark = upstream.mark()
    answer = person.post(CHAT, body())
    assert answer.status == 502, answer
    assert len(upstream.requests(mark)) == 1


def test_refused_connection(person, upstream):
    upstream.refuse()
    began = time.monotonic()
    answer = person.get(API + "/quotas/user")
    assert answer.status == 503
    assert answer.code == "upstream_unreachable"
    assert int(answer.header("retry-after")) >= 1
    assert time.monotonic() - began < 1.5


def test_upstream_that_is_not_there(start_gateway):
    """Sign-in works, calls say why they cannot."""
    gateway = start_gateway(PLUGIN_API_BASE_URL="http://127.0.0.1:%d"
                            % free_port(), PLUGWAY_REGISTRATION_WAIT_MS="0")
    session = sign_in(gateway.client, "nowhere")
    answer = session.get(API + "/accounts")
    assert answer.status == 503
    assert answer.code == "registration_pending"
    assert answer.header("retry-after")


def test_infinite_body_is_cut(person, upstream):
    upstream.fault(path="/api/quotas/user", infinite='{"a":"', count=-1)
    answer = person.get(API + "/quotas/user")
    assert answer.status in (502, 504), answer


CHAT_FAULTS = [
    ("chat 403", {"status": 403, "body": '{"error":"All endpoints"}'}, 502,
     "upstream_refused"),
    ("chat 401", {"status": 401, "body": '{"error":"{\\"code\\":401}"}'},
     502, "upstream_refused"),
    ("exhausted in a 200", {"status": 200, "body": json.dumps({
        "id": "x", "object": "chat.completion", "choices": [{
            "index": 0, "finish_reason": "stop", "message": {
                "role": "assistant", "content": "RESOURCE_EXHAUSTED"}}]})},
     429, "quota_exhausted"),
    ("silence", {"hang": "request"}, 504, "upstream_timeout"),
    ("HTML", {"status": 500, "body": "<html>", "headers": HTML}, 502,
     "upstream_error"),
]


@pytest.mark.parametrize("stream", [False, True])
@pytest.mark.parametrize("name,fault,status,code", CHAT_FAULTS,
                         ids=[f[0] for f in CHAT_FAULTS])
def test_chat(person, upstream, name, fault, status, code, stream):
    upstream.fault(path="chat", count=1, **fault)
    answer = person.post(CHAT, body(stream))
    if stream and name.startswith("exhausted"):
        assert answer.status in (200, 429, 502)
        return
    assert answer.status == status, answer
    assert answer.code == code


def test_only_exactly_the_word_means_exhausted(person, upstream):
    upstream.settings(text="RESOURCE_EXHAUSTED is a word")
    try:
        answer = person.post(CHAT, body())
    finally:
        upstream.settings(text=None)
    assert answer.status == 200


# -- streams: after the head is out ----------------------------------------

EVENTS = ["data: {\"choices\":[{\"delta\":{\"content\":\"a\"}}]}\n\n",
          "data: {\"choices\":[{\"delta\":{\"content\":\"b\"}}]}\n\n"]

# name, fault; each must end with an error event and without [DONE]
BROKEN_STREAMS = [
    ("closed without the last chunk",
     {"sse": EVENTS, "no_last_chunk": True}),
    ("ended without [DONE]", {"sse": EVENTS}),
    ("reset", {"sse": EVENTS, "cut_after": 1, "cut": "reset"}),
    ("closed", {"sse": EVENTS, "cut_after": 1, "cut": "close"}),
    ("silent", {"sse": EVENTS, "cut_after": 1, "cut": "hang"}),
    ("no [DONE] from the real thing", {"no_done": True}),
    ("half an event", {"sse": EVENTS + ["data: {\"cho"]}),
    ("bad chunk", {"sse": EVENTS, "chunk_head": "zz\r\n"}),
]


@pytest.mark.parametrize("name,fault", BROKEN_STREAMS,
                         ids=[f[0] for f in BROKEN_STREAMS])
def test_broken_stream_ends_with_an_error_event(person, upstream, name,
                                                fault):
    upstream.fault(path="chat", count=1, **fault)
    stream = person.stream(CHAT, body(True))
    try:
        events = stream.rest()
    finally:
        stream.close()
    if stream.status != 200:
        assert stream.status == 502
        return
    assert b"[DONE]" not in b"".join(events)
    last = json.loads(events[-1].partition(b"data: ")[2])
    assert last["error"]["code"] in ("upstream_error", "upstream_timeout")
    assert last["error"]["message"] and last["error"]["type"]


KEY_SPLITS = list(range(0, 76, 5))


@pytest.mark.parametrize("at", KEY_SPLITS)
def test_key_in_a_stream_never_passes(gateway, person, upstream, at):
    key = upstream.user(person.get(API + "/key").json()
                        ["plugin_user_id"])["api_key"]
    upstream.fault(path="chat", count=1, split_at=at, sse=[
        EVENTS[0],
        'data: {"choices":[{"delta":{"content":"{{key}}"}}]}\n\n',
        EVENTS[1], "data: [DONE]\n\n"])
    stream = person.stream(CHAT, body(True))
    everything = b"".join(stream.rest()) + b"".join(
        v.encode() for h in stream.headers for v in h)
    stream.close()
    assert key.encode() not in everything
    assert b"[DONE]" not in everything


def test_key_in_a_header_never_passes(person, upstream):
    upstream.fault(path="/api/accounts",
                   add_headers=[["X-Echo", "Bearer {{key}}"],
                                ["Retry-After", "{{key}}"]])
    answer = person.get(API + "/accounts")
    key = upstream.user(person.get(API + "/key").json()
                        ["plugin_user_id"])["api_key"]
    assert key not in str(answer.headers)


def test_401_for_a_bound_key_is_repaired(client, upstream):
    session = sign_in(client, "rekeyed")
    user_id = session.get(API + "/key").json()["plugin_user_id"]
    mark = upstream.ops_mark()
    upstream.control("POST", "user_regenerate", {"user_id": user_id})
    answer = session.get(API + "/accounts")
    assert answer.status == 503, answer
    assert answer.code == "upstream_key_invalid"
    assert answer.header("retry-after")
    wait_until(lambda: session.get(API + "/accounts").status == 200, 25,
               "the key to be repaired", every=0.2)
    ops = [o["op"] for o in upstream.ops(mark) if o["user_id"] == user_id]
    assert ops.count("regenerate") == 2 and "create" not in ops


def test_google_401_is_no_reason_to_repair(person, upstream):
    mark = upstream.ops_mark()
    upstream.fault(path="chat", status=401,
                   body='{"error":"{\\"error\\":{\\"code\\":401}}"}')
    assert person.post(CHAT, body()).status == 502
    assert person.get(API + "/accounts").status == 200
    assert upstream.ops(mark, "regenerate") == []
