"""The demo servers themselves: a test double that lies proves nothing."""
import base64
import hashlib
import json
import socket
import subprocess
import threading
from urllib.parse import parse_qs, urlsplit

import pytest
import requests

from harness.demo import DemoUpstream
from harness.gateway import OAUTH_ID, OAUTH_SECRET
from harness.http import fetch
from harness.procs import wait_until


def call(upstream, method, path, key=None, data=None, headers=None,
         json_body=None):
    headers = dict(headers or {})
    if key:
        headers["Authorization"] = "Bearer " + key
    if json_body is not None:
        data = json.dumps(json_body).encode()
        headers["Content-Type"] = "application/json"
    return fetch(upstream.url, method, path, headers, data, timeout=10)


@pytest.fixture
def user(upstream):
    answer = call(upstream, "POST", "/api/users", upstream.admin_key,
                  json_body={"name": "somebody"})
    assert answer.status == 200
    assert answer.json()["message"] == "用户创建成功"
    return answer.json()["data"]


def chat_body(stream, text="hello there world"):
    return {"model": "gemini-2.5-flash", "stream": stream,
            "messages": [{"role": "user", "content": text}]}


# method, path, who (none, user, admin), body, status, part of the answer
RECORDED = [
    ("GET", "/api/user/me", None, None, 401, "缺少Authorization请求头"),
    ("GET", "/api/user/me", "sk-unknown", None, 401, "无效的API Key"),
    ("GET", "/api/user/me", "admin", None, 200, '{"user_id":"admin"}'),
    ("GET", "/api/users", "user", None, 403, "需要管理员权限"),
    ("GET", "/api/accounts", "admin", None, 500, "type uuid"),
    ("POST", "/api/users", "admin", None, 500, "Cannot destructure"),
    ("POST", "/api/users", "admin", b'{"name":', 400, "<!DOCTYPE html>"),
    ("POST", "/api/users", "admin", b'"text"', 400, "<!DOCTYPE html>"),
    ("POST", "/api/users/abc/regenerate-key", "admin", None, 500,
     "type uuid"),
    ("GET", "/nowhere", None, None, 404, "Cannot GET /nowhere"),
    ("GET", "/api/accounts/%zz", None, None, 400, "<!DOCTYPE html>"),
    ("GET", "/api/accounts/none", "user", None, 404, "账号不存在"),
    ("PUT", "/api/accounts/none/status", "user", b'{"status":2}', 400,
     "status必须是0或1"),
    ("PUT", "/api/accounts/none/name", "user", b'{}', 400, "name是必需的"),
    ("GET", "/API/Accounts/", "user", None, 200, "cookie_id"),
    ("GET", "/api/quotas/user", "user", None, 200, '"max_quota":"2.0000"'),
    ("GET", "/api/quotas/shared-pool", "user", None, 200,
     "user_consumption"),
    ("GET", "/api/quotas/consumption?limit=-1", "user", None, 500,
     "LIMIT must not be negative"),
    ("GET", "/api/quotas/consumption?start_date=x", "user", None, 500,
     "timestamp"),
    ("GET", "/api/quotas/low", "admin", None, 500, "user_uuid"),
    ("GET", "/v1/models", "user", None, 200, '"owned_by":"google"'),
    ("POST", "/v1/chat/completions", "user", b"{}", 400,
     "messages是必需的"),
    ("POST", "/v1/chat/completions", "user", None, 500, "<!DOCTYPE html>"),
    ("POST", "/v1/chat/completions", "user", b'{"messages":[]}', 500,
     "endsWith"),
    ("POST", "/v1beta/models/m:generateContent", "user", b"{}", 400,
     "INVALID_ARGUMENT"),
    ("POST", "/v1beta/models/m%3AgenerateContent", "user", b"{}", 404,
     "<!DOCTYPE html>"),
    ("POST", "/api/oauth/callback/manual", "user", b"{}", 400,
     "缺少callback_url参数"),
]


@pytest.mark.parametrize("method,path,who,body,status,part", RECORDED)
def test_recorded_answers(upstream, user, method, path, who, body, status,
                          part):
    key = {"admin": upstream.admin_key, "user": user["api_key"]}.get(
        who, who)
    answer = call(upstream, method, path, key, data=body,
                  headers={"Content-Type": "application/json"})
    assert answer.status == status
    assert part in answer.text
    if answer.text.startswith("{"):
        assert answer.header("Content-Type") == \
            "application/json; charset=utf-8"
        assert answer.header("ETag").startswith('W/"')


def test_create_is_not_idempotent_and_keys_rotate(upstream):
    admin = upstream.admin_key
    pair = [call(upstream, "POST", "/api/users", admin,
                 json_body={"name": "twice"}).json()["data"] for _ in range(2)]
    assert pair[0]["user_id"] != pair[1]["user_id"]
    one = pair[0]
    new = call(upstream, "POST", "/api/users/%s/regenerate-key" %
               one["user_id"], admin).json()["data"]["api_key"]
    assert call(upstream, "GET", "/api/user/me",
                one["api_key"]).status == 401
    me = call(upstream, "GET", "/api/user/me", new)
    assert me.json()["data"]["name"] == "twice"
    assert "api_key" not in me.text
    assert "sk-" not in call(upstream, "GET", "/api/users", admin).text
    path = "/api/users/%s" % one["user_id"]
    assert call(upstream, "PUT", path + "/status", admin,
                json_body={"status": 0}).status == 200
    assert call(upstream, "GET", "/api/user/me", new).status == 401
    assert call(upstream, "DELETE", path, admin).status == 200
    assert call(upstream, "DELETE", path, admin).status == 404
    ops = [o["op"] for o in upstream.ops()
           if o["user_id"] == one["user_id"]]
    assert ops == ["create", "regenerate", "account", "account", "status",
                   "delete"]


def test_etag_gives_304(upstream, user):
    first = call(upstream, "GET", "/api/user/me", user["api_key"])
    again = call(upstream, "GET", "/api/user/me", user["api_key"],
                 headers={"If-None-Match": first.header("ETag")})
    assert (again.status, again.body) == (304, b"")


def test_chat_whole_and_streamed(upstream, user):
    key = user["api_key"]
    whole = call(upstream, "POST", "/v1/chat/completions", key,
                 json_body=chat_body(False)).json()
    text = whole["choices"][0]["message"]["content"]
    assert text == "You said: hello there world"
    answer = call(upstream, "POST", "/v1/chat/completions", key,
                  json_body=chat_body(True))
    assert answer.header("Content-Type") == "text/event-stream"
    events = answer.text.split("\n\n")
    assert events[-2:] == ["data: [DONE]", ""]
    chunks = [json.loads(e[6:]) for e in events[:-2]]
    assert len(chunks) > 3
    assert "".join(c["choices"][0]["delta"].get("content", "")
                   for c in chunks) == text
    assert chunks[-1]["choices"][0]["finish_reason"] == "stop"
    assert "usage" in chunks[-1] and "usage" not in chunks[0]
    rows = call(upstream, "GET", "/api/quotas/consumption", key).json()
    assert len(rows["data"]) == 2
    assert rows["data"][0]["quota_consumed"] == "0.0050"


def test_manual_callback_gives_the_account_to_the_asker(upstream, user):
    key = user["api_key"]
    asked = call(upstream, "POST", "/api/oauth/authorize", key,
                 json_body={"is_shared": 1}).json()["data"]
    assert asked["expires_in"] == 300
    page = requests.get(asked["auth_url"].replace("localhost", "127.0.0.1"),
                        timeout=10).text
    url = page.split('id="callback">')[1].split("<")[0].replace("&amp;", "&")
    other = call(upstream, "POST", "/api/users", upstream.admin_key,
                 json_body={}).json()["data"]
    made = call(upstream, "POST", "/api/oauth/callback/manual",
                other["api_key"], json_body={"callback_url": url}).json()["data"]
    assert made["user_id"] == user["user_id"]
    again = call(upstream, "POST", "/api/oauth/callback/manual", key,
                 json_body={"callback_url": url})
    assert again.status == 500


def test_requests_are_recorded_byte_for_byte(upstream, user):
    mark = upstream.mark()
    body = b'{ "name" : "a b",\n"n":12345678901234567890123, "n":1 }'
    call(upstream, "PUT", "/api/accounts/x%2fy/name?q=1&q=%41",
         user["api_key"], data=body,
         headers={"Content-Type": "application/json"})
    seen, = upstream.requests(mark)
    assert seen["target"] == "/api/accounts/x%2fy/name?q=1&q=%41"
    assert seen.body == body
    assert seen["body_sha256"] == hashlib.sha256(body).hexdigest()
    assert seen.header("authorization") == "Bearer " + user["api_key"]


def raw_exchange(upstream, path="/api/user/me", key="x"):
    """Everything that comes back, and how it ended."""
    data = b""
    with socket.socket() as sock:
        sock.settimeout(10)
        try:
            sock.connect(("127.0.0.1", upstream.port))
            sock.sendall(("GET %s HTTP/1.1\r\nHost: h\r\nAuthorization: "
                          "Bearer %s\r\nConnection: close\r\n\r\n"
                          % (path, key)).encode())
            while True:
                piece = sock.recv(65536)
                if not piece:
                    return data, "closed"
                data += piece
        except ConnectionResetError:
            return data, "reset"


# fault, how it ends, what is in the bytes
FAULTS = [
    ({"reset": "connect"}, "reset", b""),
    ({"close": "connect"}, "closed", b""),
    ({"reset": "request"}, "reset", b""),
    ({"reset": "head"}, "reset", b"HTTP/1.1"),
    ({"reset": "body", "status": 200, "body": "x" * 50}, "reset", b"xxx"),
    ({"raw": "HTTP/1.1 20"}, "closed", b"HTTP/1.1 20"),
    ({"status": 302, "headers": [["Location", "http://elsewhere/"]]},
     "closed", b"Location: http://elsewhere/"),
    ({"huge_header": 70000}, "closed", b"h" * 70000),
    ({"many_headers": 200}, "closed", b"X-Many-199: m"),
    ({"content_length": -5}, "closed", b"Content-Length: -5"),
    ({"gzip": True}, "closed", b"\x1f\x8b"),
    ({"status": 200, "body": '{"k":"{{key}}"}'}, "closed", b'{"k":"x"}'),
    ({"add_headers": [["Set-Cookie", "a=b"]]}, "closed",
     b"Set-Cookie: a=b"),
    ({"early": ["HTTP/1.1 103 Early Hints\r\n\r\n"]}, "closed",
     b"HTTP/1.1 103 Early Hints\r\n\r\nHTTP/1.1 401"),
    ({"sse": ["data: 1\n\n", "data: 2\n\n"], "cut_after": 1}, "closed",
     b"9\r\ndata: 1\n\n\r\n"),
    ({"sse": ["data: 1\n\n"], "split_at": 3}, "closed",
     b"3\r\ndat\r\n6\r\na: 1\n\n\r\n0\r\n"),
    ({"sse": ["data: 1\n\n"], "no_last_chunk": True}, "closed",
     b"data: 1\n\n\r\n"),
]


@pytest.mark.parametrize("spec,end,part", FAULTS)
def test_faults_do_what_they_say(upstream, spec, end, part):
    upstream.fault(path="/api/user/me", **spec)
    data, how = raw_exchange(upstream)
    assert how == end
    assert part in data
    data, how = raw_exchange(upstream)
    assert data.startswith(b"HTTP/1.1 401"), "a fault is used up"


def test_refusing_and_resuming(upstream):
    upstream.refuse()
    with pytest.raises(ConnectionRefusedError):
        socket.create_connection(("127.0.0.1", upstream.port), timeout=5)
    upstream.resume()
    assert raw_exchange(upstream)[0].startswith(b"HTTP/1.1 401")


def test_create_but_never_answer(upstream):
    mark = upstream.ops_mark()
    upstream.fault(method="POST", path="^/api/users$", execute=True,
                   hang="request")
    with pytest.raises(requests.exceptions.ReadTimeout):
        requests.post(upstream.url + "/api/users", json={"name": "lost"},
                      headers={"Authorization": "Bearer " +
                               upstream.admin_key}, timeout=0.3)
    assert [o["op"] for o in upstream.ops(mark)] == ["create"]


def test_gate_holds_each_piece_and_a_lost_client_is_seen(upstream, user):
    mark = upstream.mark()
    upstream.fault(path="chat", gate="g")
    upstream.gate("g")
    answer = requests.post(
        upstream.url + "/v1/chat/completions", json=chat_body(True),
        headers={"Authorization": "Bearer " + user["api_key"]},
        stream=True, timeout=10)
    lines = answer.iter_lines()
    assert b"You" in next(lines)
    got = []
    thread = threading.Thread(target=lambda: got.append(
        [line for line in [next(lines), next(lines)] if line]))
    thread.start()
    row, = upstream.requests(mark)
    assert row["chunks"] == 1 and not got
    upstream.gate("g")
    thread.join(10)
    assert b"said" in got[0][0]
    answer.raw._fp.fp.raw._sock.shutdown(socket.SHUT_RDWR)
    answer.close()
    row = wait_until(lambda: [r for r in upstream.requests(mark)
                              if r["state"] == "gone"],
                     what="the disconnect to be noticed")[0]
    assert row["gone_at"] and row["chunks"] == 2


def test_state_file_keeps_users_and_unix_socket_works(rundir):
    state, sock = rundir + "/users.json", rundir + "/u.sock"
    args = ["--state", state, "--unix", sock]
    server = DemoUpstream(rundir, "sk-adminadmin", args)
    key = requests.post(
        server.url + "/api/users",
        headers={"Authorization": "Bearer sk-adminadmin"},
        json={"name": "kept"}, timeout=5).json()["data"]["api_key"]
    out = subprocess.run(
        ["curl", "-s", "--unix-socket", sock, "http://x/api/user/me", "-H",
         "Authorization: Bearer " + key], capture_output=True, text=True)
    assert json.loads(out.stdout)["data"]["name"] == "kept"
    server.stop()
    server = DemoUpstream(rundir, "sk-adminadmin", args)
    try:
        assert requests.get(
            server.url + "/api/user/me", timeout=5,
            headers={"Authorization": "Bearer " + key}).status_code == 200
    finally:
        server.stop()


# -- the identity provider --------------------------------------------------

VERIFIER = "v" * 60
CHALLENGE = base64.urlsafe_b64encode(
    hashlib.sha256(VERIFIER.encode()).digest()).decode().rstrip("=")
BACK = "http://localhost:1/back"


def authorize(idp, path, **more):
    query = {"client_id": "demo-client", "redirect_uri": BACK,
             "response_type": "code", "state": "st", "auto": "dora",
             "code_challenge": CHALLENGE, "code_challenge_method": "S256"}
    query.update(more)
    answer = requests.get(idp.url + path, params=query, timeout=5,
                          allow_redirects=False)
    if answer.status_code != 302:
        return answer
    return {k: v[0] for k, v in parse_qs(
        urlsplit(answer.headers["Location"]).query).items()}


def redeem(idp, path, code, auth=(OAUTH_ID, OAUTH_SECRET),
           **more):
    form = {"grant_type": "authorization_code", "code": code,
            "redirect_uri": BACK, "code_verifier": VERIFIER}
    form.update(more)
    return requests.post(idp.url + path, data=form, auth=auth, timeout=5)


# authorize, token, user, member with the name
SHAPES = [
    ("/oauth2/authorize", "/oauth2/token", "/api/user", "username"),
    ("/login/oauth/authorize", "/login/oauth/access_token", "/user",
     "login"),
    ("/oidc/authorize", "/oidc/token", "/oidc/userinfo",
     "preferred_username"),
]


@pytest.mark.parametrize("where,token,user,member", SHAPES)
def test_idp_main_path(demo_idp, where, token, user, member):
    back = authorize(demo_idp, where, nonce="n1")
    assert back["state"] == "st"
    assert ("iss" in back) == where.startswith("/oidc")
    made = redeem(demo_idp, token, back["code"]).json()
    who = requests.get(demo_idp.url + user, timeout=5, headers={
        "Authorization": "Bearer " + made["access_token"]}).json()
    assert who[member] == "dora"
    if "id_token" in made:
        claims = made["id_token"].split(".")[1]
        claims = json.loads(base64.urlsafe_b64decode(claims + "=="))
        assert claims["nonce"] == "n1" and claims["aud"] == "demo-client"
    again = redeem(demo_idp, token, back["code"])
    assert "access_token" not in again.json()


@pytest.mark.parametrize("change,status", [
    ({"auth": ("demo-client", "wrong")}, 401),
    ({"auth": None}, 401),
    ({"code_verifier": "w" * 60}, 400),
    ({"code_verifier": ""}, 400),
    ({"redirect_uri": BACK + "x"}, 400),
    ({"grant_type": "password"}, 400),
])
def test_idp_checks_the_exchange(demo_idp, change, status):
    code = authorize(demo_idp, "/oauth2/authorize")["code"]
    assert redeem(demo_idp, "/oauth2/token", code,
                  **change).status_code == status


def test_idp_page_and_denial(demo_idp):
    page = authorize(demo_idp, "/oauth2/authorize", auto="",
                     state='"><b>')
    assert page.status_code == 200
    assert "Sign in as demo" in page.text
    assert '"><b>' not in page.text
    assert authorize(demo_idp, "/oauth2/authorize",
                     deny="1")["error"] == "access_denied"
    assert authorize(demo_idp, "/oauth2/authorize",
                     client_id="x").status_code == 400
