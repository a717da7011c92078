"""Sign-in providers: each speaks its own dialect, none is believed
blindly, and one's answer is never another's.
"""
import base64
import hashlib
import hmac
import json
import time
from urllib.parse import quote

import pytest

from harness.gateway import OAUTH_ID, OAUTH_SECRET
from harness.hosts import parallel
from harness.procs import name_of_mark
from harness.signin import Browser, Session, approve, query_of

PROVIDERS = ("linux_do", "github", "demo")
TOKEN_PATHS = {"linux_do": "/oauth2/token",
               "github": "/login/oauth/access_token",
               "demo": "/oidc/token"}
USER_PATHS = {"linux_do": "/api/user", "github": "/user",
              "demo": "/oidc/userinfo"}


def issuer_of(idp):
    return "http://localhost:%d/oidc" % idp.port


def provider_env(idp):
    return {
        "GITHUB_CLIENT_ID": OAUTH_ID, "GITHUB_CLIENT_SECRET": OAUTH_SECRET,
        "GITHUB_AUTHORIZATION_ENDPOINT": idp.url + "/login/oauth/authorize",
        "GITHUB_TOKEN_ENDPOINT": idp.url + "/login/oauth/access_token",
        "GITHUB_USER_INFO_ENDPOINT": idp.url + "/user",
        "OIDC_DEMO_ISSUER": issuer_of(idp),
        "OIDC_DEMO_CLIENT_ID": OAUTH_ID,
        "OIDC_DEMO_CLIENT_SECRET": OAUTH_SECRET}


@pytest.fixture(scope="module")
def module_env(demo_idp):
    return provider_env(demo_idp)


def begin(client, provider, name):
    path = {"linux_do": "/api/auth/sso/initiate",
            "github": "/api/auth/github/login"}.get(
                provider, "/api/auth/oidc/%s/login" % provider)
    started = client.get(path)
    assert started.status == 200, started
    return query_of(approve(started.json()["authorization_url"], name))


def finish(client, provider, back):
    """The JSON callback of a provider."""
    if provider == "linux_do":
        return client.get("/api/auth/sso/callback?code=%s&state=%s" % (
            quote(back["code"], safe=""), back["state"]))
    path = "/api/auth/github/callback" if provider == "github" else \
        "/api/auth/oidc/%s/callback" % provider
    return client.post(path, {"code": back["code"], "state": back["state"]})


def begin_browser(client, provider, name):
    browser = Browser(client)
    first = browser.get("/api/auth/login/" + provider)
    assert first.status == 302, first
    return browser, query_of(approve(first.header("location"), name))


def back_to(browser, provider, back):
    return browser.get("/api/auth/callback/%s?%s" % (
        provider, "&".join("%s=%s" % (k, quote(v, safe=""))
                           for k, v in back.items())))


def count(database):
    return int(database.value("SELECT COUNT(*) FROM users"))


# -- each as it is ------------------------------------------------------

def test_list(client):
    listed = client.get("/api/auth/oidc/providers").json()["providers"]
    assert {(p["id"], p["type"]) for p in listed} == {
        ("linux_do", "linux_do"), ("github", "github"), ("demo", "oidc")}
    assert all(p["enabled"] is True and p["name"] for p in listed)


@pytest.mark.parametrize("provider", PROVIDERS)
def test_both_flows(client, provider, database):
    name = name_of_mark(provider)
    answer = finish(client, provider, begin(client, provider, name))
    assert answer.status == 200, answer
    session = Session(client, answer.json())
    assert session.user["username"] == name
    assert session.get("/api/plugin-api/accounts").status == 200
    browser, back = begin_browser(client, provider, name)
    last = back_to(browser, provider, back)
    assert last.status == 302 and last.header("location") == "/"
    token = browser.call("POST", "/api/auth/refresh").json()["access_token"]
    assert client.get("/api/auth/me", token).json()["id"] == \
        session.user["id"]
    keys = database.sql("SELECT provider FROM identities WHERE user_id=%d"
                        % session.user["id"])
    assert len(keys) == 1 and keys[0][0].split(":")[0] == provider


def test_generic_route_serves_every_provider(client):
    for provider in PROVIDERS:
        started = client.get("/api/auth/oidc/%s/login" % provider)
        back = query_of(approve(started.json()["authorization_url"],
                                name_of_mark("generic")))
        answer = client.post("/api/auth/oidc/%s/callback" % provider,
                             {"code": back["code"], "state": back["state"]})
        assert answer.status == 200, answer


def test_one_name_at_three_providers_is_three_people(client):
    name = name_of_mark("alias")
    users = [finish(client, p, begin(client, p, name)).json()["user"]
             for p in PROVIDERS]
    assert len({u["id"] for u in users}) == 3
    assert len({u["username"] for u in users}) == 3
    assert all(u["username"].startswith(name) for u in users)


@pytest.mark.parametrize("provider", PROVIDERS)
def test_own_redirect_uri_and_endpoints(client, idp, provider):
    mark = idp.mark()
    back = begin(client, provider, name_of_mark("uri"))
    assert finish(client, provider, back).status == 200
    asked = [r for r in idp.requests(mark) if r["path"].endswith(
        "/authorize")]
    query = query_of("?" + asked[0]["query"])
    assert query["redirect_uri"] == \
        "http://localhost:8000/api/auth/callback/" + provider
    token, = idp.requests(mark, TOKEN_PATHS[provider])
    user, = idp.requests(mark, USER_PATHS[provider])
    assert user.header("authorization").startswith("Bearer idp-")
    form = query_of("?" + token.body.decode())
    assert form["grant_type"] == "authorization_code"
    assert form["redirect_uri"] == query["redirect_uri"]
    in_body = provider == "github"
    assert ("client_secret" in form) == in_body
    assert bool(token.header("authorization")) != in_body
    if in_body:
        assert "application/json" in token.header("accept")
    assert not user.header("cookie") and not token.header("cookie")


@pytest.mark.parametrize("target", [
    "/api/auth/oidc/nobody/login", "/api/auth/login/nobody",
    "/api/auth/callback/nobody?code=x&state=y"])
def test_unknown_provider(client, target):
    answer = client.get(target)
    assert (answer.status, answer.code) == (404, "provider_not_configured")


def test_github_tells_of_errors_in_a_200(client, idp, database):
    back = begin(client, "github", name_of_mark("hub"))
    before = count(database)
    answer = finish(client, "github", dict(back, code="never-given"))
    assert (answer.status, answer.code) == (400, "signin_denied")
    assert count(database) == before


# -- mix-up -------------------------------------------------------------

@pytest.mark.parametrize("asked", PROVIDERS)
@pytest.mark.parametrize("brought", PROVIDERS)
def test_answer_at_another_provider_s_callback(client, idp, database, asked,
                                               brought):
    """Nothing is sent to anybody."""
    if asked == brought:
        return
    before = count(database)
    back = begin(client, asked, name_of_mark("mix"))
    browser, later = begin_browser(client, asked, name_of_mark("mix"))
    mark = idp.mark()
    answer = finish(client, brought, back)
    assert (answer.status, answer.code) == (400, "provider_mismatch")
    answer = back_to(browser, brought, later)
    assert (answer.status, answer.code) == (400, "provider_mismatch")
    assert "plugway_refresh" not in browser.cookies
    assert idp.requests(mark) == []
    # The state is spent by the attempt.
    assert finish(client, asked, back).code == "invalid_state"
    assert count(database) == before


@pytest.mark.parametrize("provider,iss", [
    ("demo", None), ("demo", "https://evil.example"), ("demo", ""),
    ("demo", "http://localhost/oidc"), ("demo", "{iss}/"),
    ("demo", "{iss}x"), ("linux_do", "https://evil.example"),
    ("linux_do", "{iss}"), ("github", "https://github.com")])
def test_wrong_issuer(client, idp, provider, iss):
    """RFC 9207; Linux.do's endpoints are at 127.0.0.1, not localhost."""
    browser, back = begin_browser(client, provider, name_of_mark("iss"))
    back.pop("iss", None)
    if iss is not None:
        back["iss"] = iss.replace("{iss}", issuer_of(idp))
    mark = idp.mark()
    answer = back_to(browser, provider, back)
    assert (answer.status, answer.code) == (400, "provider_mismatch")
    assert "plugway_refresh" not in browser.cookies
    assert idp.requests(mark, method="POST") == []


def test_right_issuer(client, idp):
    browser, back = begin_browser(client, "demo", name_of_mark("iss"))
    assert back["iss"] == issuer_of(idp)
    assert back_to(browser, "demo", back).status == 302
    browser, back = begin_browser(client, "linux_do", name_of_mark("iss"))
    assert back_to(browser, "linux_do",
                   dict(back, iss=idp.url)).status == 302


# -- OpenID Connect -----------------------------------------------------

def b64(value):
    data = value if isinstance(value, bytes) else json.dumps(value).encode()
    return base64.urlsafe_b64encode(data).decode().rstrip("=")


def id_token(claims, alg="HS256"):
    text = b64({"alg": alg, "typ": "JWT"}) + "." + b64(claims)
    mac = hmac.digest(OAUTH_SECRET.encode(), text.encode(), hashlib.sha256)
    return text + "." + b64(mac)


def oidc_sign_in(client, idp, change):
    """The provider's token answer carries an id_token of our making."""
    started = client.get("/api/auth/oidc/demo/login").json()
    url = started["authorization_url"]
    back = query_of(approve(url, "nonce"))
    now = int(time.time())
    claims = {"iss": issuer_of(idp), "sub": "4711", "aud": OAUTH_ID,
              "iat": now, "exp": now + 300, "nonce": query_of(url)["nonce"]}
    for name, value in change.items():
        claims[name] = value(claims[name]) if callable(value) else value
    claims = {k: v for k, v in claims.items() if v is not None}
    idp.fault(path="^/oidc/token$", body=json.dumps({
        "access_token": "idp-abc", "token_type": "Bearer",
        "id_token": id_token(claims)}))
    idp.fault(path="^/oidc/userinfo$", body=json.dumps({
        "sub": "4711", "preferred_username": "nonce"}))
    return finish(client, "demo", back)


@pytest.mark.parametrize("change", [
    {}, {"aud": [OAUTH_ID]}, {"exp": lambda v: v - 290}], ids=str)
def test_good_id_token(client, idp, change):
    answer = oidc_sign_in(client, idp, change)
    assert answer.status == 200, answer


@pytest.mark.parametrize("change", [
    {"nonce": "other"}, {"nonce": None}, {"nonce": ""}, {"sub": "4712"},
    {"sub": 4711}, {"sub": None}, {"aud": "somebody"}, {"aud": None},
    {"aud": []}, {"aud": ["x", "y"]}, {"iss": "https://evil.example"},
    {"iss": None}, {"iss": lambda v: v + "/"}, {"exp": lambda v: v - 4000},
    {"exp": None}, {"exp": "tomorrow"}], ids=str)
def test_bad_id_token(client, idp, database, change):
    before = count(database)
    answer = oidc_sign_in(client, idp, change)
    assert (answer.status, answer.code) == (502, "signin_failed"), answer
    assert count(database) == before


def test_discovery_is_asked_when_needed_and_remembered(start_gateway, idp,
                                                       demo_idp):
    gateway = start_gateway(PLUGWAY_WORKERS_MIN="1",
                            PLUGWAY_WORKERS_MAX="1",
                            PLUGWAY_WORKERS_SPARE_MIN="1",
                            PLUGWAY_WORKERS_SPARE_MAX="1",
                            **provider_env(demo_idp))
    path = "/oidc/.well-known/openid-configuration"
    mark = idp.mark()
    # Starting needs no provider; what fails now heals by itself.
    idp.fault(path=path, status=500, body="{}", count=1)
    idp.fault(path=path, close="request", count=2)      # a GET is repeated
    for code in ("signin_failed", "provider_unreachable"):
        answer = gateway.client.get("/api/auth/oidc/demo/login")
        assert (answer.status, answer.code) == (502, code), answer
    for _ in range(4):
        answer = gateway.client.get("/api/auth/oidc/demo/login")
        assert answer.status == 200, answer
    assert len(idp.requests(mark, path)) == 4


GOOD = {"issuer": "{iss}", "authorization_endpoint": "{iss}/authorize",
        "token_endpoint": "{iss}/token", "userinfo_endpoint":
        "{iss}/userinfo", "code_challenge_methods_supported": ["S256"]}


@pytest.mark.parametrize("change", [
    {"issuer": "https://evil.example"}, {"issuer": None},
    {"issuer": "{iss}/"}, {"token_endpoint": None},
    {"token_endpoint": "http://evil.example/token"},
    {"token_endpoint": "file:///etc/passwd"},
    {"userinfo_endpoint": "http://169.254.169.254/"},
    {"authorization_endpoint": "javascript:alert(1)"},
    {"authorization_endpoint": 5}, {"token_endpoint": ["{iss}/token"]}],
    ids=str)
def test_bad_discovery(start_gateway, idp, demo_idp, change):
    gateway = start_gateway(**provider_env(demo_idp))
    document = {k: v for k, v in dict(GOOD, **change).items()
                if v is not None}
    idp.fault(path="openid-configuration", count=-1, body=json.dumps(
        document).replace("{iss}", issuer_of(idp)))
    mark = idp.mark()
    answer = gateway.client.get("/api/auth/oidc/demo/login")
    assert (answer.status, answer.code) == (502, "signin_failed"), answer
    assert len(idp.requests(mark)) == 1
    # The others are not concerned.
    assert gateway.client.get("/api/auth/sso/initiate").status == 200


# -- hostile answers ----------------------------------------------------

DEEP = "[" * 100000
BIG = '{"id":1,"username":"%s"}' % ("x" * (10 << 20))

# name, fault, status, code
TOKEN_ANSWERS = [
    ("array", {"body": "[]"}, 502, "signin_failed"),
    ("string", {"body": '"x"'}, 502, "signin_failed"),
    ("null", {"body": "null"}, 502, "signin_failed"),
    ("empty", {"body": ""}, 502, "signin_failed"),
    ("html", {"body": "<html>", "headers": [["Content-Type", "text/html"]]},
     502, "signin_failed"),
    ("cut", {"body": '{"access_token":"a'}, 502, "signin_failed"),
    ("deep", {"body": DEEP}, 502, "signin_failed"),
    ("big", {"body": BIG}, 502, "signin_failed"),
    ("token number", {"body": '{"access_token":5}'}, 502, "signin_failed"),
    ("token null", {"body": '{"access_token":null}'}, 502, "signin_failed"),
    ("token empty", {"body": '{"access_token":""}'}, 502, "signin_failed"),
    ("token with line", {"body": '{"access_token":"a\\r\\nX: y"}'}, 502,
     "signin_failed"),
    ("token with nul", {"body": '{"access_token":"a\\u0000b"}'}, 502,
     "signin_failed"),
    ("token twice", {"body": '{"access_token":"a","access_token":"b"}'},
     502, "signin_failed"),
    ("mac token", {"body": '{"access_token":"a","token_type":"mac"}'}, 502,
     "signin_failed"),
    ("denied", {"body": '{"error":"invalid_grant"}', "status": 400}, 400,
     "signin_denied"),
    ("our fault", {"body": '{"error":"invalid_client"}', "status": 401},
     502, "signin_failed"),
    ("error object", {"body": '{"error":{"a":1},"access_token":"x"}'}, 502,
     "signin_failed"),
    ("500", {"status": 500, "body": "{}"}, 502, "signin_failed"),
    ("redirect", {"status": 302, "headers":
                  [["Location", "http://169.254.169.254/"]]}, 502,
     "signin_failed"),
    ("closed", {"close": "request"}, 502, "provider_unreachable"),
    ("reset", {"reset": "before_body"}, 502, "provider_unreachable"),
    ("cut body", {"reset": "body"}, 502, "provider_unreachable"),
    ("half a head", {"raw": "HTTP/1.1 200 O"}, 502, None),
    ("no HTTP", {"raw": "SSH-2.0-x\r\n\r\n"}, 502, None),
    ("huge header", {"huge_header": 400000}, 502, None),
]


@pytest.mark.parametrize("provider", ["linux_do", "github"])
@pytest.mark.parametrize("fault,status,code",
                         [t[1:] for t in TOKEN_ANSWERS],
                         ids=[t[0] for t in TOKEN_ANSWERS])
def test_token_answers(client, idp, database, provider, fault, status,
                       code):
    back = begin(client, provider, name_of_mark("hostile"))
    before, mark = count(database), idp.mark()
    idp.fault(path=TOKEN_PATHS[provider], **fault)
    answer = finish(client, provider, back)
    assert answer.status == status, answer
    assert answer.code in ([code] if code else
                           ["signin_failed", "provider_unreachable"])
    assert "access_token" not in answer.text
    assert count(database) == before
    # A code is for one attempt; a connection cut early is not recorded.
    assert len(idp.requests(mark, TOKEN_PATHS[provider])) <= 1
    assert idp.requests(mark, USER_PATHS[provider]) == []


USERS = [
    ("array", {"body": "[]"}), ("array of one", {"body": '[{"id":1}]'}),
    ("string", {"body": '"me"'}), ("null", {"body": "null"}),
    ("empty", {"body": ""}), ("object", {"body": "{}"}),
    ("html", {"body": "<html>", "headers": [["Content-Type", "text/html"]]}),
    ("cut", {"body": '{"id":1'}), ("deep", {"body": '{"a":' + DEEP}),
    ("big", {"body": BIG}), ("trailing", {"body": '{"id":1}x'}),
    ("id null", {"body": '{"id":null,"username":"x"}'}),
    ("id missing", {"body": '{"username":"x"}'}),
    ("id empty", {"body": '{"id":"","username":"x"}'}),
    ("id true", {"body": '{"id":true,"username":"x"}'}),
    ("id float", {"body": '{"id":1.5,"username":"x"}'}),
    ("id exponent", {"body": '{"id":1e3,"username":"x"}'}),
    ("id negative", {"body": '{"id":-1,"username":"x"}'}),
    ("id object", {"body": '{"id":{"a":1},"username":"x"}'}),
    ("id array", {"body": '{"id":[1],"username":"x"}'}),
    ("id twice", {"body": '{"id":1,"id":2,"username":"x"}'}),
    ("id with nul", {"body": '{"id":"1\\u0000","username":"x"}'}),
    ("id with line", {"body": '{"id":"1\\n2","username":"x"}'}),
    ("id with space", {"body": '{"id":" 1","username":"x"}'}),
    ("id long", {"body": '{"id":"%s"}' % ("1" * 1000)}),
    ("401", {"status": 401, "body": '{"id":1,"username":"x"}'}),
    ("500", {"status": 500, "body": '{"id":1,"username":"x"}'}),
    ("redirect", {"status": 302, "headers":
                  [["Location", "http://169.254.169.254/"]]}),
    ("closed", {"close": "request", "count": -1}),
    ("cut body", {"reset": "body", "count": -1}),
    ("gzip unasked", {"gzip": True}),
]


@pytest.mark.parametrize("provider", ["linux_do", "github"])
@pytest.mark.parametrize("fault", [u[1] for u in USERS],
                         ids=[u[0] for u in USERS])
def test_user_answers(client, idp, database, upstream, provider, fault):
    """No account comes of an answer that does not say whose it is."""
    back = begin(client, provider, name_of_mark("hostile"))
    before, mark = count(database), upstream.ops_mark()
    idp.fault(path="^%s$" % USER_PATHS[provider], **fault)
    answer = finish(client, provider, back)
    assert answer.status == 502, answer
    assert answer.code in ("signin_failed", "provider_unreachable")
    assert count(database) == before
    assert upstream.ops(mark, "create") == []


def test_id_is_one_person_as_number_and_as_text(client, idp):
    users = []
    for text in ("18446744073709551617", '"18446744073709551617"'):
        back = begin(client, "linux_do", name_of_mark("type"))
        idp.fault(path="^/api/user$", body='{"id":%s,"username":"bigid"}'
                  % text)
        answer = finish(client, "linux_do", back)
        assert answer.status == 200, answer
        users.append(answer.json()["user"]["id"])
    assert users[0] == users[1]


@pytest.mark.parametrize("value,kept", [
    ("https://img.example/a.png", True), ("javascript:alert(1)", False),
    ("http://x/" + "a" * 600, False), (5, False), (None, False),
    ("https://x/\" onerror=\"alert(1)", False), ("//x/y", False)])
def test_avatars(client, idp, value, kept):
    name = name_of_mark("avatar")
    idp.person(name, avatar_url=value)
    answer = finish(client, "linux_do", begin(client, "linux_do", name))
    assert answer.status == 200, answer
    assert answer.json()["user"]["avatar_url"] == (value if kept else None)


def test_odd_mail_addresses(client, idp):
    """OpenID Connect without any name: what stands before the @."""
    for email, name in (("a@b@c@d", "a"), ("@x", None), ("", None),
                        ("plain", None), (5, None), (None, None)):
        back = begin(client, "demo", name_of_mark("mail"))
        idp.fault(path="^/oidc/token$", body='{"access_token":"x"}')
        idp.fault(path="^/oidc/userinfo$", body=json.dumps(
            {"sub": name_of_mark("sub"), "email": email}))
        answer = finish(client, "demo", back)
        assert answer.status == 200, answer
        shown = answer.json()["user"]["username"]
        assert shown.startswith(name or "demo"), (email, shown)


def test_slow_providers_hold_nobody_for_long(client, idp, database):
    """30 s in all, whatever the provider stretches."""
    before = count(database)
    cases = [("linux_do", "^/oauth2/token$", {"hang": "request"}),
             ("github", "^/login/oauth/access_token$",
              {"slow": 0.4, "body": json.dumps({"access_token": "a" * 90})}),
             ("linux_do", "^/api/user$", {"delay_head": 60})]
    names = [name_of_mark("slow") for _ in cases]
    backs = [begin(client, c[0], n) for c, n in zip(cases, names)]
    mark = idp.mark()
    first = idp.fault(path=cases[0][1], body_has="code=" + quote(
        backs[0]["code"]), **cases[0][2])
    for _, path, fault in cases[1:]:
        idp.fault(path=path, **fault)
    began = time.monotonic()
    answers = parallel(len(cases), lambda i: finish_slow(
        client, cases[i][0], backs[i]))
    took = time.monotonic() - began
    assert idp.fault_hits(first) == 1
    for answer in answers:
        assert (answer.status, answer.code) == (502, "provider_unreachable")
    assert 25 <= took <= 35, took
    assert len(idp.requests(mark)) >= 4
    assert count(database) == before


def finish_slow(client, provider, back):
    if provider == "linux_do":
        return client.get("/api/auth/sso/callback?code=%s&state=%s" % (
            quote(back["code"]), back["state"]), timeout=60)
    return client.post("/api/auth/github/callback",
                       {"code": back["code"], "state": back["state"]},
                       timeout=60)
