"""What is refused, and how the refusal looks."""
import json
import re

import pytest

from harness.fastcgi import (PARAMS, STDIN, Exchange, begin, pairs,
                             params_of, record, records)

API = "/api/plugin-api"
ID = "a" * 32
JSON = {"Content-Type": "application/json"}

BAD_PATHS = [
    API + "/accounts/" + value for value in (
        "..", ".", "%2e%2e", "%252e", "a%2fb", "a%5cb", "a;b", "a%3fb",
        "a%23b", "a%00b", "%c0%af", "a" * 129, "a" * 10000, "a%20b", "a+b",
        "a@b", "é", "a%0d%0ab", "%zz", "a%")
] + [API + "/accounts/%s/status" % v for v in ("..", "%2e%2e")] + [
    API + "/quotas/consumption/stats/" + v for v in (
        "..", "%2e%2e", "a%2fb", "a b".replace(" ", "%20"), "m" * 201,
        "a%00")]


@pytest.mark.parametrize("target", BAD_PATHS)
def test_bad_path_value(session, upstream, target):
    mark = upstream.mark()
    method = "PUT" if target.endswith("/status") else "GET"
    answer = session.call(method, target, headers=JSON if method == "PUT"
                          else None,
                          body=b'{"status":1}' if method == "PUT" else None)
    assert answer.status in (400, 404), answer
    assert answer.code in ("invalid_path", "not_found", "bad_request")
    assert upstream.requests(mark) == []


# method, target, content type, body, status, code
BAD_BODIES = [
    ("PUT", "/preference", "application/json", b"{", 400, "invalid_json"),
    ("PUT", "/preference", "application/json", b"", 422, None),
    ("PUT", "/preference", "application/json", b'{"prefer_shared":1} x',
     400, "invalid_json"),
    ("PUT", "/preference", "application/json", b"{'prefer_shared':1}", 400,
     "invalid_json"),
    ("PUT", "/preference", "application/json", b'{"prefer_shared":1,}', 400,
     "invalid_json"),
    ("PUT", "/preference", "application/json", b'{"prefer_shared":01}', 400,
     "invalid_json"),
    ("PUT", "/preference", "application/json", b'{"prefer_shared":NaN}',
     400, "invalid_json"),
    ("PUT", "/preference", "application/json",
     b'{"prefer_shared":1,"a":"\xff"}', 400, "invalid_json"),
    ("PUT", "/preference", "application/json",
     b'{"prefer_shared":1,"a":"\x01"}', 400, "invalid_json"),
    ("PUT", "/preference", "application/json",
     b'{"prefer_shared":1}\x00', 400, "invalid_json"),
    ("PUT", "/preference", "application/json",
     b'{"a":' + b"[" * 70 + b"]" * 70 + b'}', 400, "invalid_json"),
    ("PUT", "/preference", "application/json", b"[]", 422,
     "validation_error"),
    ("PUT", "/preference", "application/json", b"1", 422,
     "validation_error"),
    ("PUT", "/preference", "application/json", b"{}", 422,
     "validation_error"),
    ("PUT", "/preference", "application/json", b'{"prefer_shared":2}', 422,
     "validation_error"),
    ("PUT", "/preference", "application/json", b'{"prefer_shared":"1"}',
     422, "validation_error"),
    ("PUT", "/preference", "application/json", b'{"prefer_shared":true}',
     422, "validation_error"),
    ("PUT", "/preference", "application/json", b'{"prefer_shared":1.5}',
     422, "validation_error"),
    ("PUT", "/preference", "application/json", b'{"prefer_shared":null}',
     422, "validation_error"),
    ("PUT", "/preference", "text/plain", b'{"prefer_shared":1}', 415,
     "unsupported_media_type"),
    ("PUT", "/preference", "application/x-www-form-urlencoded",
     b"prefer_shared=1", 415, "unsupported_media_type"),
    ("PUT", "/preference", "application/jsonx", b'{"prefer_shared":1}', 415,
     "unsupported_media_type"),
    ("PUT", "/accounts/%s/status" % ID, "application/json",
     b'{"status":"on"}', 422, "validation_error"),
    ("PUT", "/accounts/%s/name" % ID, "application/json",
     json.dumps({"name": "n" * 101}).encode(), 422, "validation_error"),
    ("POST", "/oauth/callback", "application/json", b"{}", 422,
     "validation_error"),
    ("POST", "/oauth/authorize", "application/json", b'{"is_shared":7}',
     422, "validation_error"),
    ("POST", "/chat/completions", "application/json", b"{}", 422,
     "validation_error"),
    ("POST", "/chat/completions", "application/json", b'{"model":"m"}', 422,
     "validation_error"),
    ("POST", "/chat/completions", "application/json",
     b'{"model":1,"messages":[]}', 422, "validation_error"),
    ("POST", "/chat/completions", "application/json",
     b'{"model":"m","messages":{}}', 422, "validation_error"),
    ("POST", "/chat/completions", "application/json",
     b'{"model":"m","messages":[],"stream":"yes"}', 422,
     "validation_error"),
    ("POST", "/v1beta/models/m:generateContent", "application/json", b"{}",
     422, "validation_error"),
]


@pytest.mark.parametrize("method,path,kind,body,status,code", BAD_BODIES)
def test_bad_body(session, upstream, method, path, kind, body, status,
                  code):
    mark = upstream.mark()
    answer = session.call(method, API + path, body=body,
                          headers={"Content-Type": kind})
    assert answer.status == status, answer
    if code:
        assert answer.code == code
    assert upstream.requests(mark) == []
    if status == 422:
        details = answer.json()["detail"]
        assert isinstance(details, list) and details
        assert all(set(d) >= {"loc", "msg", "type"} for d in details)


@pytest.mark.parametrize("query", [
    "limit=0", "limit=-1", "limit=1001", "limit=abc", "limit=1e2",
    "limit=%31%30x", "limit=", "limit=1&limit=2", "limit=+5", "limit= 5",
    "limit=05x", "limit=99999999999999999999", "limit=2147483648",
    "start_date=x", "start_date=2025-13-01", "end_date=a&end_date=b",
    "start_date=" + "1" * 50])
def test_bad_query(session, upstream, query):
    mark = upstream.mark()
    answer = session.get(API + "/quotas/consumption?" +
                         query.replace(" ", "%20"))
    assert answer.status == 422, answer
    assert answer.code == "validation_error"
    assert upstream.requests(mark) == []


@pytest.mark.parametrize("query,sent", [
    ("limit=1", "limit=1"), ("limit=1000", "limit=1000"),
    ("start_date=2026-01-02T03:04:05.678Z",
     "limit=100&start_date=2026-01-02T03%3A04%3A05.678Z"),
])
def test_good_query(session, upstream, query, sent):
    mark = upstream.mark()
    answer = session.get(API + "/quotas/consumption?" + query)
    assert answer.status == 200, answer
    seen, = upstream.requests(mark)
    assert sorted(seen["query"].replace("%3A", ":").split("&")) == \
        sorted(sent.replace("%3A", ":").split("&"))


def check_error(answer, code, request_id=None):
    value = answer.json()
    assert set(value) >= {"detail", "error", "request_id"}
    assert set(value["error"]) >= {"message", "type", "code"}
    assert value["error"]["code"] == code
    assert value["request_id"] == answer.header("x-request-id")
    if request_id:
        assert value["request_id"] == request_id
    assert answer.header("content-type").startswith("application/json")
    assert answer.header("cache-control") == "no-store"


ERRORS = [
    ("GET", "/nowhere", None, 404, "not_found"),
    ("GET", API, None, 404, "not_found"),
    ("GET", "/api/plugin-api//accounts", None, None, None),
    ("POST", "/api/plugin-api/accounts", "good", 405,
     "method_not_allowed"),
    ("GET", API + "/accounts", None, 401, "unauthorized"),
    ("GET", API + "/accounts", "x.y.z", 401, "invalid_token"),
    ("GET", API + "/accounts", "x" * 5000, 401, "invalid_token"),
    ("GET", "/v1/models", "sk-" + "x" * 48, 401, "invalid_api_key"),
    ("GET", "/api/auth/github/login", None, 404,
     "provider_not_configured"),
    ("GET", "/api/auth/oidc/nobody/login", None, 404,
     "provider_not_configured"),
]


@pytest.mark.parametrize("method,target,token,status,code", ERRORS)
def test_error_body(client, session, method, target, token, status, code):
    token = session.access_token if token == "good" else token
    answer = client.call(method, target, token=token,
                         headers={"X-Request-Id": "test-abc-123"})
    if status is None:
        assert answer.status in (400, 404)
        return
    assert answer.status == status, answer
    check_error(answer, code, "test-abc-123")
    if status == 401:
        assert answer.header("www-authenticate").startswith("Bearer")
    if status == 405:
        assert "GET" in answer.header("allow")


def test_error_language(client):
    zh = client.get(API + "/accounts",
                    headers={"Accept-Language": "zh-CN,zh;q=0.9,en;q=0.8"})
    en = client.get(API + "/accounts",
                    headers={"Accept-Language": "en-US,zh;q=0.5"})
    assert re.search("[一-鿿]", zh.json()["detail"])
    assert not re.search("[一-鿿]", en.json()["detail"])


@pytest.mark.parametrize("value,kept", [
    ("good-ID_1.2", True), ("a" * 300, False), ("bad id", False),
    ("<script>", False), ("", False)])
def test_request_id(client, value, kept):
    answer = client.get("/api/health", headers={"X-Request-Id": value})
    given = answer.header("x-request-id")
    assert given and (given == value) == kept
    other = client.get("/api/health")
    assert other.header("x-request-id") != given


AUTHORIZATIONS = [
    ([("Authorization", "Bearer {t}")], 200),
    ([("Authorization", "bearer {t}")], 200),
    ([("Authorization", "Bearer  {t}")], (200, 400, 401)),
    ([("Authorization", "Basic {t}")], (400, 401)),
    ([("Authorization", "Bearer")], (400, 401)),
    ([("Authorization", "Bearer {t}x")], 401),
    ([("Authorization", "Bearer {t} x")], (400, 401)),
    ([("Authorization", "Bearer {t}"), ("Authorization", "Bearer {t}")],
     (400, 401)),
    ([("X-Forwarded-User", "1"), ("Remote-User", "1")], 401),
]


@pytest.mark.parametrize("headers,status", AUTHORIZATIONS)
def test_authorization_header(client, session, headers, status):
    headers = [(n, v.replace("{t}", session.access_token))
               for n, v in headers]
    answer = client.get("/api/auth/me", headers=headers)
    wanted = status if isinstance(status, tuple) else (status,)
    assert answer.status in wanted, answer


def test_token_in_query_or_body_is_no_token(client, session):
    token = session.access_token
    assert client.get("/api/auth/me?access_token=" + token).status == 401
    answer = client.post(API + "/oauth/authorize",
                         {"access_token": token})
    assert answer.status == 401


def test_head_and_trailing_slash(client, session):
    head = client.call("HEAD", "/api/health")
    assert (head.status, head.body) == (200, b"")
    assert client.get("/api/health/").status == 200
    assert session.get(API + "/accounts/").status == 200
    answer = session.call("HEAD", API + "/accounts")
    assert (answer.status, answer.body) == (200, b"")


def test_health_and_ready(client):
    live = client.get("/api/health")
    assert live.json()["status"] == "healthy"
    ready = client.get("/api/health/ready").json()
    assert ready["status"] == "ready"
    assert set(ready["components"]) >= {
        "database", "keeper", "registrar", "upstream", "encryption_key"}


def test_body_limit(session, upstream):
    mark = upstream.mark()
    body = (b'{"model":"m","messages":[],"x":"' + b"x" * (20 << 20) + b'"}')
    answer = session.call("POST", API + "/chat/completions", body=body)
    assert answer.status == 413 and answer.code == "body_too_large"
    assert upstream.requests(mark) == []


# -- what no web server would send --------------------------------------

def raw_post(gateway, session, declared, body, extra=()):
    exchange = Exchange(gateway.socket, 15)
    headers = [("Content-Type", "application/json"),
               ("Authorization", "Bearer " + session.access_token)]
    items = params_of("PUT", API + "/preference",
                      headers + list(extra), b"")
    items = [i for i in items if i[0] != "CONTENT_LENGTH"]
    if declared is not None:
        items.append(("CONTENT_LENGTH", declared))
    exchange.send(begin() + records(PARAMS, pairs(items)) +
                  record(PARAMS) + records(STDIN, body) + record(STDIN))
    return exchange.answer()


GOOD = b'{"prefer_shared":1}'


@pytest.mark.parametrize("declared,status", [
    (str(len(GOOD)), 200), (None, 200), ("", 200),
    (str(len(GOOD) + 5), 400), (str(len(GOOD) - 5), 400), ("-1", 400),
    ("+19", 400), ("0x13", 400), ("1e3", 400), ("99999999999999999999", 413),
    ("18446744073709551616", 413), ("19 ", 400), ("abc", 400)])
def test_declared_length_must_be_true(gateway, session, upstream, declared,
                                      status):
    mark = upstream.mark()
    answer = raw_post(gateway, session, declared, GOOD)
    wanted = (400, 413) if status != 200 else (200,)
    assert answer.status in wanted, answer
    assert len(upstream.requests(mark)) == (1 if status == 200 else 0)


MALFORMED = [
    b"GET / HTTP/1.1\r\n\r\n", b"\x00" * 64, b"\x01\x01\x00\x00" + b"\0" * 12,
    record(9, pairs([("FCGI_MPXS_CONNS", "")] * 20), 0),
    begin(role=3), begin() + record(PARAMS, b"\xff\xff\xff\xff"),
    begin() + record(PARAMS, b"\xc0\x00\x00\x00\xc0\x00\x00\x00"),
    begin() + record(PARAMS) + record(STDIN), begin()[:5],
    record(STDIN, b"x"), begin() + record(2), b"\xff" * 8,
    begin() + record(PARAMS, pairs([("REQUEST_METHOD", "GET")])),
]


@pytest.mark.parametrize("data", MALFORMED)
def test_malformed_records_do_not_harm(gateway, data):
    gateway.allow_log(r"exit|died|signal|killed|overflow|smash|Assert|"
                      r"requested allocation size|allocation-size-too-big")
    exchange = Exchange(gateway.socket, 15)
    exchange.send(data)
    exchange.sock.shutdown(1)
    try:
        while exchange.more():
            pass
    except ConnectionResetError:
        pass
    exchange.close()
    assert gateway.client.get("/api/health").status == 200


def test_http_proxy_header_is_nothing(session, upstream):
    """httpoxy: a Proxy: header must not become a setting."""
    mark = upstream.mark()
    answer = session.get(API + "/accounts",
                         headers={"Proxy": "http://127.0.0.1:1/"})
    assert answer.status == 200
    assert "proxy" not in upstream.requests(mark)[0].header_names()
