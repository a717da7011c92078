"""Each proxied endpoint reaches the upstream as it must."""
import hashlib

import pytest

from harness.signin import sign_in

API = "/api/plugin-api"
COOKIE = "0123456789abcdef0123456789abcdef"
ODD = (b'{ "model" :\t"m",\n "messages":[{"role":"user","content":"a\\u00e9'
       b'\xc3\xa9"}],  "temperature":1.00,"seed":12345678901234567890123,'
       b'"big":1E400, "unknown":{"b":1,"a":2,"b":3}, "stream" : false }')

# method, our path, body, upstream method, upstream target, upstream body
ENDPOINTS = [
    ("POST", "/oauth/authorize", b'{"is_shared":1}', "POST",
     "/api/oauth/authorize", b'{"is_shared":1}'),
    ("GET", "/accounts", None, "GET", "/api/accounts", b""),
    ("GET", "/accounts/" + COOKIE, None, "GET", "/api/accounts/" + COOKIE,
     b""),
    ("PUT", "/accounts/%s/status" % COOKIE, b'{ "status" : 1 }', "PUT",
     "/api/accounts/%s/status" % COOKIE, b'{ "status" : 1 }'),
    ("DELETE", "/accounts/" + COOKIE, None, "DELETE",
     "/api/accounts/" + COOKIE, b""),
    ("GET", "/accounts/%s/quotas" % COOKIE, None, "GET",
     "/api/accounts/%s/quotas" % COOKIE, b""),
    ("GET", "/quotas/user", None, "GET", "/api/quotas/user", b""),
    ("GET", "/quotas/shared-pool", None, "GET", "/api/quotas/shared-pool",
     b""),
    ("GET", "/quotas/consumption", None, "GET",
     "/api/quotas/consumption?limit=100", b""),
    ("GET", "/quotas/consumption?limit=7", None, "GET",
     "/api/quotas/consumption?limit=7", b""),
    ("GET", "/models", None, "GET", "/v1/models", b""),
    ("POST", "/chat/completions", ODD, "POST", "/v1/chat/completions", ODD),
    ("PUT", "/preference", b'{"prefer_shared":1,"x": 1.0}', "PUT",
     "/api/users/{me}/preference", b'{"prefer_shared":1,"x": 1.0}'),
    # beyond the table of the seed
    ("PUT", "/accounts/%s/name" % COOKIE, '{"name":"名 a"}'.encode(),
     "PUT", "/api/accounts/%s/name" % COOKIE, '{"name":"名 a"}'.encode()),
    ("PUT", "/accounts/%s/type" % COOKIE, b'{"is_shared":0}', "PUT",
     "/api/accounts/%s/type" % COOKIE, b'{"is_shared":0}'),
    ("PUT", "/accounts/%s/quotas/gemini-2.5-flash/status" % COOKIE,
     b'{"status":0}', "PUT",
     "/api/accounts/%s/quotas/gemini-2.5-flash/status" % COOKIE,
     b'{"status":0}'),
    ("GET", "/preference", None, "GET", "/api/user/me", b""),
    ("GET", "/quotas/consumption/stats/gemini-2.5-flash", None, "GET",
     "/api/quotas/consumption/stats/gemini-2.5-flash", b""),
    ("POST", "/v1beta/models/gemini-3-pro-image:generateContent",
     b'{"contents":[{"role":"user","parts":[{"text":"a cat"}]}]}', "POST",
     "/v1beta/models/gemini-3-pro-image:generateContent",
     b'{"contents":[{"role":"user","parts":[{"text":"a cat"}]}]}'),
]


@pytest.fixture(scope="module")
def pair(gateway):
    """Two people, whose keys must not be mixed up."""
    return (sign_in(gateway.client, "left"),
            sign_in(gateway.client, "right"))


@pytest.mark.parametrize("method,path,body,up_method,up_target,up_body",
                         ENDPOINTS, ids=[e[0] + e[1] for e in ENDPOINTS])
def test_endpoint_reaches_the_upstream(pair, upstream, method, path, body,
                                       up_method, up_target, up_body):
    for session in pair:
        me = session.get(API + "/key").json()["plugin_user_id"]
        mark = upstream.mark()
        answer = session.call(method, API + path, body=body)
        seen, = upstream.requests(mark)
        assert seen["method"] == up_method
        target = up_target.replace("{me}", me)
        if "{me}" not in up_target and "?" in up_target:
            assert seen["target"] == up_target
        assert seen["target"] == target
        assert seen.body == up_body
        assert seen["body_sha256"] == hashlib.sha256(up_body).hexdigest()
        assert seen.header("authorization") == \
            "Bearer " + upstream.user(me)["api_key"]
        if body:
            assert seen.header("content-type").startswith(
                "application/json")
        assert answer.status == {True: 200, False: 404}[
            COOKIE not in path], answer


def test_answer_bytes_come_through_unchanged(session, upstream):
    odd = '{ "success":true , "data":[1.00,12345678901234567890123,"é"]}'
    upstream.fault(path="/api/quotas/user", body=odd, status=200)
    answer = session.get(API + "/quotas/user")
    assert answer.status == 200
    assert answer.body == odd.encode()
    assert answer.header("content-length") in (None, str(len(odd.encode())))


def test_stream_false_is_added_when_absent(session, upstream):
    mark = upstream.mark()
    session.call("POST", API + "/chat/completions",
                 body=b' { "model":"m", "messages":[] } ')
    seen, = upstream.requests(mark)
    assert b'"stream":false' in seen.body.replace(b" ", b"")
    assert b'"model":"m", "messages":[]' in seen.body


def test_default_is_shared_is_sent(session, upstream):
    for body in (b"{}", None, b""):
        mark = upstream.mark()
        answer = session.call("POST", API + "/oauth/authorize", body=body)
        assert answer.status == 200, answer
        seen, = upstream.requests(mark)
        assert seen.body.replace(b" ", b"") == b'{"is_shared":0}'


NEVER_SENT = ("cookie", "x-forwarded-for", "x-real-ip", "accept-encoding",
              "if-none-match", "origin", "referer", "expect", "te",
              "upgrade", "proxy-authorization", "x-api-key", "x-custom",
              "content-encoding", "range", "forwarded")


def test_request_headers_are_allow_listed(session, upstream):
    mark = upstream.mark()
    headers = [(name, "evil") for name in NEVER_SENT
               if name not in ("x-api-key", "expect", "content-encoding")]
    answer = session.get(API + "/accounts", headers=headers +
                         [("X-Request-Id", "req-0123456789abcdef")])
    assert answer.status == 200
    seen, = upstream.requests(mark)
    assert not set(seen.header_names()) & set(NEVER_SENT)
    assert seen.header_names().count("authorization") == 1
    assert seen.header("x-request-id") == "req-0123456789abcdef"


def test_answer_headers_are_allow_listed(session, upstream):
    upstream.fault(path="/api/accounts", add_headers=[
        ["Set-Cookie", "a=b"], ["X-Accel-Redirect", "/etc/passwd"],
        ["X-Sendfile", "/etc/passwd"],
        ["X-LIGHTTPD-send-file", "/etc/passwd"],
        ["Location", "http://evil/"], ["Access-Control-Allow-Origin", "*"],
        ["Status", "500"], ["X-Evil", "1"]])
    answer = session.get(API + "/accounts")
    assert answer.status == 200
    for name in ("set-cookie", "x-accel-redirect", "x-sendfile", "x-evil",
                 "x-lighttpd-send-file", "location", "x-powered-by",
                 "etag", "keep-alive", "transfer-encoding",
                 "access-control-allow-origin", "status"):
        assert answer.header(name) is None, name


def test_manual_callback_needs_ones_own_state(pair, upstream):
    left, right = pair
    asked = left.post(API + "/oauth/authorize", {}).json()["data"]
    url = "http://localhost/cb?code=4/x&state=" + asked["state"]
    mark = upstream.mark()
    refused = right.post(API + "/oauth/callback", {"callback_url": url})
    assert refused.status == 409 and refused.code == "state_not_yours"
    assert upstream.requests(mark) == []
    done = left.post(API + "/oauth/callback", {"callback_url": url})
    assert done.status == 200, done
    assert len(left.get(API + "/accounts").json()["data"]) == 3


def test_preference_is_ones_own(pair):
    left, right = pair
    assert left.put(API + "/preference", {"prefer_shared": 1}).status == 200
    assert right.put(API + "/preference",
                     {"prefer_shared": 0}).status == 200
    assert left.get(API + "/preference").json()["data"][
        "prefer_shared"] == 1
    assert right.get(API + "/preference").json()["data"][
        "prefer_shared"] == 0


def test_other_peoples_account_is_403(pair):
    left, right = pair
    cookie = left.get(API + "/accounts").json()["data"][0]["cookie_id"]
    answer = right.get(API + "/accounts/" + cookie)
    assert answer.status == 403 and answer.code == "not_your_account"


def test_large_body_goes_through(session, upstream):
    body = (b'{"model":"m","messages":[{"role":"user","content":"' +
            b"x" * (6 << 20) + b'"}],"stream":false}')
    mark = upstream.mark()
    upstream.fault(path="chat", status=200, body='{"ok":1}')
    answer = session.call("POST", API + "/chat/completions", body=body)
    assert answer.status == 200, answer
    seen, = upstream.requests(mark)
    assert seen["body_len"] == len(body)
    assert seen["body_sha256"] == hashlib.sha256(body).hexdigest()


def test_image_by_google_key_header(session, client, upstream):
    key = session.post("/api/api-keys", {
        "name": "g", "config_type": "antigravity"}).json()["key"]
    body = {"contents": [{"role": "user", "parts": [{"text": "x"}]}]}
    for path in ("/v1beta/models/m:generateContent",
                 API + "/v1beta/models/m:generateContent"):
        answer = client.post(path, body, headers={"x-goog-api-key": key})
        assert answer.status == 200, answer
        assert answer.json()["candidates"]
