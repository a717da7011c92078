"""Sign-in: who may, once, from the browser that began it, and back to
this site only.
"""
import base64
import hashlib
import re
from urllib.parse import quote, urljoin, urlsplit

import pytest

from harness.gateway import Gateway
from harness.hosts import parallel, patient
from harness.procs import name_of_mark
from harness.signin import Browser, Session, approve, query_of, sign_in

SSO = "/api/auth/sso/callback"
BROWSER = "/api/auth/callback/linux_do"
HTML = {"Accept": "text/html,application/xhtml+xml,*/*;q=0.8"}


@pytest.fixture(scope="module")
def other(rundir, env, migrated):
    running = Gateway(rundir, env, name="other").start()
    yield running
    running.stop()


def begin(client, name):
    """Code and state, as they come back to the front-end."""
    started = client.get("/api/auth/sso/initiate").json()
    return query_of(approve(started["authorization_url"], name))


def target(back, path=SSO):
    return "%s?code=%s&state=%s" % (path, back["code"], back["state"])


def begin_browser(client, name, return_to="/"):
    """A browser with its cookie, and where the provider sends it."""
    browser = Browser(client)
    first = browser.get("/api/auth/login/linux_do?return_to=" +
                        quote(return_to, safe=""))
    assert first.status == 302, first
    return browser, query_of(approve(first.header("location"), name))


def signed_in(answer):
    """Did this answer give somebody a session?"""
    if any("plugway_refresh=rt_" in c
           for c in answer.header_all("set-cookie")):
        return True
    return answer.status == 200 and "access_token" in answer.text


def users(database, name):
    return int(database.value("SELECT COUNT(*) FROM users WHERE username "
                              "LIKE '%s%%'" % name))


# -- the state ----------------------------------------------------------

def test_state_is_long_and_random(client):
    states = {client.get("/api/auth/sso/initiate").json()["state"]
              for _ in range(40)}
    assert len(states) == 40
    assert all(len(base64.urlsafe_b64decode(s + "=")) == 32 for s in states)


def test_replay(client, idp):
    back = begin(client, name_of_mark("replay"))
    first = client.get(target(back))
    assert first.status == 200
    mark = idp.mark()
    for path in (SSO, BROWSER):
        again = client.get(target(back, path))
        assert (again.status, again.code) == (400, "invalid_state")
    assert idp.requests(mark, method="POST") == []
    token = first.json()["access_token"]
    assert client.get("/api/auth/me", token).status == 200


def test_parallel_use_of_one_state(client, gateway, other, idp, database):
    """A hundred at once, on two hosts: exactly one."""
    name = name_of_mark("hundred")
    back = begin(client, name)
    mark = idp.mark()
    clients = [gateway.client, other.client]
    answers = parallel(100, lambda i: patient(
        lambda: clients[i % 2].get(target(back))))
    assert sorted(a.status for a in answers) == [200] + [400] * 99
    assert {a.code for a in answers if a.status == 400} == {"invalid_state"}
    assert len(idp.requests(mark, "/oauth2/token")) == 1
    assert users(database, name) == 1


def test_parallel_use_in_the_browser_flow(client, gateway, other, idp):
    browser, back = begin_browser(client, name_of_mark("tabs"))
    cookie = "; ".join("%s=%s" % c for c in browser.cookies.items())
    mark = idp.mark()
    clients = [gateway.client, other.client]
    answers = parallel(100, lambda i: patient(lambda: clients[i % 2].get(
        target(back, BROWSER), headers={"Cookie": cookie})))
    assert sorted(a.status for a in answers) == [302] + [400] * 99
    assert sum(signed_in(a) for a in answers) == 1
    assert len(idp.requests(mark, "/oauth2/token")) == 1


@pytest.mark.parametrize("path", [SSO, BROWSER])
@pytest.mark.parametrize("query,status", [
    ("", None), ("code=x", None), ("state=x", None),
    ("code=&state=", None), ("code=x&state=x", 400),
    ("code=x&state=" + "A" * 43, 400), ("code=x&state=" + "A" * 4000, None),
    ("code=x&state=" + "%00" * 43, None), ("code=x&state=%ff", None),
    ("code=x&code=y&state=z", 422), ("code=x&state=y&state=z", 422),
    ("code=x&state[]=y", None), ("code=x;state=y", None)])
def test_missing_and_malformed(client, idp, path, query, status):
    mark = idp.mark()
    answer = client.get(path + "?" + query)
    assert answer.status in ((400, 422) if status is None else (status,))
    assert answer.code in ("invalid_state", "validation_error",
                           "bad_request", "signin_denied")
    assert not signed_in(answer)
    assert idp.requests(mark, method="POST") == []


def test_repeated_members(client, idp):
    """Which of two is meant is never guessed."""
    back = begin(client, name_of_mark("double"))
    mark = idp.mark()
    for query in ("&code=" + back["code"], "&state=" + back["state"],
                  "&state=" + "A" * 43, "&code=x"):
        answer = client.get(target(back) + query)
        assert answer.status == 422, answer
        assert answer.json()["detail"][0]["loc"][0] == "query"
    assert idp.requests(mark, method="POST") == []
    assert client.get(target(back)).status == 200


def test_old_state(client, database):
    back = begin(client, name_of_mark("old"))
    digest = hashlib.sha256(back["state"].encode()).hexdigest()
    left = database.value(
        "SELECT TIMESTAMPDIFF(SECOND, UTC_TIMESTAMP(6), expires_at) FROM "
        "oauth_states WHERE state_hash = UNHEX('%s')" % digest)
    assert 590 <= int(left) <= 600
    database.sql("UPDATE oauth_states SET expires_at = UTC_TIMESTAMP(6) - "
                 "INTERVAL 1 SECOND WHERE state_hash = UNHEX('%s')" % digest)
    answer = client.get(target(back))
    assert (answer.status, answer.code) == (400, "invalid_state")


def test_person_said_no(client, idp):
    browser, back = begin_browser(client, name_of_mark("no"))
    mark = idp.mark()
    answer = browser.get("%s?error=access_denied&state=%s" % (
        BROWSER, back["state"]), headers=HTML)
    assert answer.status == 302
    assert "signin_error=signin_denied" in answer.header("location")
    assert idp.requests(mark, method="POST") == []
    answer = browser.get(target(back, BROWSER))
    assert answer.code == "invalid_state"


# -- the browser --------------------------------------------------------

def test_cookies_of_the_browser_flow(client):
    browser = Browser(client)
    first = browser.get("/api/auth/login/linux_do?return_to=/here")
    cookie, = first.header_all("set-cookie")
    name, value = cookie.split(";")[0].split("=")
    assert name == "plugway_state"
    assert len(base64.urlsafe_b64decode(value + "=")) == 32
    assert "HttpOnly" in cookie and "SameSite=Lax" in cookie
    assert "Max-Age=600" in cookie
    assert value not in first.header("location")
    back = query_of(approve(first.header("location"), "cookies"))
    last = browser.get(target(back, BROWSER))
    assert last.status == 302 and last.header("location") == "/here"
    for answer in (first, last):
        assert answer.header("cache-control") == "no-store"
        assert answer.header("referrer-policy") == "no-referrer"
        assert answer.body == b""
    assert list(browser.cookies) == ["plugway_refresh"]
    # What came by URL is nothing that could be used again.
    assert "rt_" not in last.header("location")


def test_cookies_on_https(start_gateway):
    gateway = start_gateway(PUBLIC_BASE_URL="https://gate.example")
    browser, back = begin_browser(gateway.client, name_of_mark("https"))
    assert list(browser.cookies) == ["__Host-plugway_state"]
    last = browser.get(target(back, BROWSER))
    assert last.status == 302
    for cookie in last.header_all("set-cookie"):
        assert "; Secure" in cookie and "HttpOnly" in cookie
        assert "Domain=" not in cookie
        if cookie.startswith("__Host-"):
            assert "Path=/;" in cookie


@pytest.mark.parametrize("cookie", [
    None, "", "A" * 43, "A" * 42 + "=", "x", "A" * 4000])
def test_another_browser(client, idp, cookie):
    _, back = begin_browser(client, name_of_mark("victim"))
    stranger = Browser(client)
    if cookie is not None:
        stranger.cookies["plugway_state"] = cookie
    mark = idp.mark()
    answer = stranger.get(target(back, BROWSER))
    assert (answer.status, answer.code) == (400, "invalid_state")
    assert not signed_in(answer)
    assert idp.requests(mark, method="POST") == []


def test_cookie_of_another_sign_in(client):
    """Two browsers have both begun; their answers are crossed."""
    one, back_one = begin_browser(client, name_of_mark("one"))
    two, back_two = begin_browser(client, name_of_mark("two"))
    answer = one.get(target(back_two, BROWSER))
    assert (answer.status, answer.code) == (400, "invalid_state")
    assert one.get(target(back_one, BROWSER)).status == 302


def test_login_csrf(client):
    """A link with the attacker's code signs the victim in as nobody."""
    victim = Browser(client)
    victim.sign_in(name_of_mark("victim"))
    before = dict(victim.cookies)
    me = refreshed_name(victim)
    # The attacker's browser flow, and his JSON flow, which has no cookie.
    _, back = begin_browser(client, name_of_mark("attacker"))
    loose = begin(client, name_of_mark("attacker"))
    for query in (back, loose):
        answer = victim.get(target(query, BROWSER), headers=HTML)
        assert not any("plugway_refresh" in c
                       for c in answer.header_all("set-cookie"))
    assert set(victim.cookies) == set(before)
    assert refreshed_name(victim) == me


def refreshed_name(browser):
    answer = browser.call("POST", "/api/auth/refresh")
    assert answer.status == 200, answer
    return browser.client.get("/api/auth/me", answer.json()[
        "access_token"]).json()["username"]


def test_json_state_gives_json_at_the_browser_callback(client):
    """One redirect URI serves both flows; a cookie it is never."""
    back = begin(client, name_of_mark("json"))
    answer = client.get(target(back, BROWSER))
    assert answer.status == 200 and answer.json()["access_token"]
    assert answer.header_all("set-cookie") == []
    assert answer.header("content-type").startswith("application/json")


def test_browser_state_is_worth_nothing_as_json(client, idp):
    browser, back = begin_browser(client, name_of_mark("stolen"))
    mark = idp.mark()
    for other in (client, browser):
        answer = other.get(target(back))
        assert (answer.status, answer.code) == (400, "invalid_state")
    assert idp.requests(mark, method="POST") == []


def test_new_session_at_every_sign_in(client):
    """Nothing that a browser had before is raised to a session."""
    planted = "rt_" + "A" * 43
    browser, back = begin_browser(client, name_of_mark("fixed"))
    browser.cookies["plugway_refresh"] = planted
    browser.get(target(back, BROWSER))
    first = browser.cookies["plugway_refresh"]
    assert first != planted
    again, back = begin_browser(client, name_of_mark("fixed"))
    again.cookies["plugway_refresh"] = first
    again.get(target(back, BROWSER))
    assert again.cookies["plugway_refresh"] != first


# -- PKCE ---------------------------------------------------------------

def test_pkce_always(client, idp):
    idp.settings(require_pkce=True)
    try:
        mark = idp.mark()
        name = name_of_mark("pkce")
        sign_in(client, name)
        Browser(client).sign_in(name)
        asked = idp.requests(mark, "/oauth2/authorize")
        told = idp.requests(mark, "/oauth2/token")
        assert len(asked) == len(told) == 2
        for question, answer in zip(asked, told):
            query = query_of("?" + question["query"])
            form = query_of("?" + answer.body.decode())
            assert query["code_challenge_method"] == "S256"
            digest = hashlib.sha256(form["code_verifier"].encode()).digest()
            assert base64.urlsafe_b64encode(digest).decode().rstrip(
                "=") == query["code_challenge"]
            assert re.fullmatch(r"[A-Za-z0-9._~-]{43,128}",
                                form["code_verifier"])
            assert form["redirect_uri"] == query["redirect_uri"]
    finally:
        idp.settings(require_pkce=False)


def test_verifier_never_leaves_but_to_the_provider(client, database, idp):
    mark = idp.mark()
    started = client.get("/api/auth/sso/initiate")
    digest = hashlib.sha256(started.json()["state"].encode()).hexdigest()
    verifier = database.value("SELECT verifier FROM oauth_states WHERE "
                              "state_hash = UNHEX('%s')" % digest)
    assert len(verifier) >= 43
    assert verifier not in started.text
    # Gone with the state.
    back = query_of(approve(started.json()["authorization_url"],
                            name_of_mark("verifier")))
    assert client.get(target(back)).status == 200
    assert database.value("SELECT COUNT(*) FROM oauth_states WHERE "
                          "verifier = '%s'" % verifier) == "0"
    assert verifier.encode() in idp.requests(mark, "/oauth2/token")[0].body


def test_stolen_code_in_one_s_own_session(client, idp, database):
    """Code injection: the thief's verifier does not fit."""
    victim = begin(client, name_of_mark("victim"))
    name = name_of_mark("thief")
    thief = begin(client, name)
    answer = client.get(target(dict(thief, code=victim["code"])))
    assert (answer.status, answer.code) == (400, "signin_denied")
    assert not signed_in(answer) and users(database, name) == 0


# -- where it goes back to ----------------------------------------------

HOSTS = ["evil.example", "evil.example/", "evil.example:443", "1.2.3.4",
         "user@evil.example", "localhost:8000@evil.example",
         "localhost:8000.evil.example", "[::1]", "evil.example%2f.."]
STARTS = ["//", "///", "////", "/\\", "\\/", "\\\\", "\\", "/\\/", "//\\",
          "http://", "https://", "HTTPS://", "http:", "https:", "http:/",
          "http:\\\\", "ftp://", "/%2f", "/%5c", "%2f%2f", "%5c%5c",
          "/%2f%2f", "/.//", "/..//", "/x/..//", "/./\\", "/%2e//",
          "/%2e%2e//", "/%252f", "/%255c", "/%252e%252e%252f%252f"]
MARKS = ["\t", "\n", "\r", "\r\n", "\0", " ", "\x0b", "\x0c", "\x1f",
         "\x7f", "\u00a0", "\u200b", "\u2028", "\uff0f", "\ufeff"]
SCRIPTS = ["javascript:alert(1)", "JaVaScRiPt:alert(1)",
           "java\tscript:alert(1)", "\x01javascript:alert(1)",
           "data:text/html,<script>alert(1)</script>", "vbscript:x",
           "file:///etc/passwd", "blob:http://evil.example/1",
           "mailto:a@evil.example", "about:blank", "?", "#", "", ".",
           "..", "x", "@evil.example", ":evil.example", ";//evil.example",
           "/\r\nLocation: http://evil.example/",
           "/%0d%0aLocation:%20http://evil.example/",
           "/\r\n\r\n<script>", "/x\nSet-Cookie: a=b", "/" + "a" * 5000,
           "/é", "/\ud7ff", "/%", "/%zz", "/%f", "//%0devil.example"]


def payloads():
    found = [start + host for start in STARTS for host in HOSTS[:4]]
    found += ["//" + host for host in HOSTS[4:]]
    found += ["https://" + host for host in HOSTS[4:]]
    found += [mark + "//evil.example" for mark in MARKS]
    found += ["/" + mark + "/evil.example" for mark in MARKS]
    found += ["/" + mark + "\\evil.example" for mark in MARKS]
    found += SCRIPTS
    return found


def leads_to(location):
    """The origin that a browser would go to (URL standard)."""
    text = location.strip("".join(map(chr, range(0x21))))
    text = re.sub("[\t\r\n]", "", text).replace("\\", "/")
    text = re.sub("^(https?):/*", r"\1://", text, flags=re.I)
    text = re.sub("^//+", "//", text)
    parts = urlsplit(urljoin("http://localhost:8000/", text))
    return parts.scheme + "://" + parts.netloc


def test_the_judge_of_redirects_can_say_no():
    for text in ("//evil.example", "/\\evil.example", "\\\\evil.example",
                 "http:evil.example", "/\t/evil.example",
                 "https:///evil.example", "///evil.example", " //e",
                 "javascript:alert(1)", "http://localhost:8000@evil/"):
        assert leads_to(text) != "http://localhost:8000", text
    for text in ("/", "/a?b#c", "/a//b", "/a/../b"):
        assert leads_to(text) == "http://localhost:8000", text


def test_open_redirects(client):
    tried = payloads()
    assert len(tried) >= 200
    name = name_of_mark("wanderer")
    sign_in(client, name)
    finished = 0
    for text in tried:
        for value in {quote(text, safe=""), quote(text, safe="/:\\%?#@")}:
            browser = Browser(client)
            first = browser.get("/api/auth/login/linux_do?return_to=" +
                                value)
            if first.status in (400, 422):
                continue
            assert first.status == 302, (text, first)
            back = query_of(approve(first.header("location"), name))
            last = browser.get(target(back, BROWSER))
            assert last.status == 302, (text, last)
            assert leads_to(last.header("location")) == \
                "http://localhost:8000", text
            assert len(last.header_all("location")) == 1
            assert "evil" not in str(last.header_all("set-cookie"))
            finished += 1
    assert finished >= 150
    print("\n%d payloads, %d sign-ins, none led away" % (len(tried),
                                                         finished))


@pytest.mark.parametrize("return_to", [
    "/", "/console", "/a/b?c=d&e=f", "/#part", "/a?next=/b",
    "/%E4%BD%A0?x=%20", "/@me", "/a:b"])
def test_paths_of_this_site_are_kept(client, return_to):
    browser, back = begin_browser(client, "keeper", return_to)
    assert browser.get(target(back, BROWSER)).header("location") == \
        return_to


def test_error_page_leads_to_the_console(client):
    answer = client.get(BROWSER + "?code=x&state=" + "A" * 43, headers=HTML)
    assert answer.status == 302
    assert re.fullmatch(r"/\?signin_error=invalid_state&request_id="
                        r"[A-Za-z0-9._-]+", answer.header("location"))


# -- who may sign up ----------------------------------------------------

def finish(client, name):
    return client.get(target(begin(client, name)))


def test_closed_to_new_accounts(gateway, start_gateway, database, upstream):
    old, new = name_of_mark("old"), name_of_mark("new")
    sign_in(gateway.client, old)
    closed = start_gateway(ALLOW_NEW_ACCOUNTS="false")
    mark = upstream.ops_mark()
    answer = finish(closed.client, new)
    assert (answer.status, answer.code) == (403, "signup_closed")
    browser, back = begin_browser(closed.client, new)
    answer = browser.get(target(back, BROWSER), headers=HTML)
    assert "signin_error=signup_closed" in answer.header("location")
    assert users(database, new) == 0
    assert upstream.ops(mark, "create") == []
    assert finish(closed.client, old).status == 200


def test_trust_level(gateway, start_gateway, idp, database):
    picky = start_gateway(MIN_TRUST_LEVEL="3")
    low, high, old = (name_of_mark("trust") for _ in range(3))
    idp.person(high, trust_level=3)
    sign_in(gateway.client, old)
    for level in (2, 0, -1, None, "3", 2.9):
        idp.person(low, trust_level=level)
        answer = finish(picky.client, low)
        assert (answer.status, answer.code) in (
            (403, "trust_level_too_low"), (502, "signin_failed")), level
    assert users(database, low) == 0
    answer = finish(picky.client, high)
    assert answer.status == 200
    assert answer.json()["user"]["trust_level"] == 3
    # Who is here already stays, and the level is kept up to date.
    idp.person(old, trust_level=1)
    answer = finish(picky.client, old)
    assert answer.status == 200
    assert answer.json()["user"]["trust_level"] == 1


def test_avatar_and_level_follow_the_name_stays(client, idp):
    name = name_of_mark("face")
    idp.person(name, avatar_url="https://img.example/1.png")
    assert sign_in(client, name).user["avatar_url"] == \
        "https://img.example/1.png"
    idp.person(name, avatar_url="https://img.example/2.png",
               username=name + "-renamed")
    again = sign_in(client, name).user
    assert again["avatar_url"] == "https://img.example/2.png"
    assert again["username"] == name


# -- names --------------------------------------------------------------

def test_twenty_first_sign_ins_of_one_person(gateway, other, upstream,
                                             database):
    name, mark = name_of_mark("crowd"), upstream.ops_mark()
    clients = [gateway.client, other.client]
    backs = [begin(clients[i % 2], name) for i in range(20)]
    answers = parallel(20, lambda i: patient(
        lambda: clients[i % 2].get(target(backs[i]))))
    assert [a.status for a in answers] == [200] * 20
    assert len({a.json()["user"]["id"] for a in answers}) == 1
    assert users(database, name) == 1
    assert len(upstream.ops(mark, "create")) == 1
    for answer in answers:
        session = Session(clients[0], answer.json())
        assert session.get("/api/plugin-api/accounts").status == 200


def test_twelve_people_of_one_name_at_once(gateway, other, idp, database):
    name = name_of_mark("john")
    people = ["%s.%d" % (name, i) for i in range(12)]
    for person in people:
        idp.person(person, username=name)
    clients = [gateway.client, other.client]
    backs = [begin(clients[i % 2], people[i]) for i in range(12)]
    answers = parallel(12, lambda i: patient(
        lambda: clients[i % 2].get(target(backs[i]))))
    assert [a.status for a in answers] == [200] * 12
    found = [a.json()["user"] for a in answers]
    assert len({u["id"] for u in found}) == 12
    names = {u["username"] for u in found}
    assert len(names) == 12 and name in names
    assert all(n.startswith(name) for n in names)
    # The next time everybody is who he was.
    for person, user in zip(people, found):
        assert sign_in(gateway.client, person).user["username"] == \
            user["username"]


@pytest.mark.parametrize("username", [
    None, "", " ", "a" * 400, "名字", "a\nb", "<script>", "\u202eevil", 5,
    ["x"], {"x": 1}, "\u0000", "💥" * 300])
def test_odd_user_names(client, idp, username):
    name = name_of_mark("odd")
    idp.control("POST", "person", {
        "name": name, "set": {"username": username, "name": username}})
    answer = finish(client, name)
    assert answer.status == 200, answer
    shown = answer.json()["user"]["username"]
    assert 1 <= len(shown) <= 255
    assert not re.search("[\x00-\x1f\x7f\u202e]", shown)


def test_check_username(client):
    name = name_of_mark("taken")
    sign_in(client, name)
    for asked, exists in ((name, True), (name + "x", False),
                          (name.upper(), False), ("%", False),
                          (name[:-1] + "_", False), ("没有这个人", False)):
        answer = client.get("/api/auth/check-username?username=" +
                            quote(asked))
        assert answer.status == 200
        assert answer.json() == {"exists": exists, "username": asked,
                                 "message": answer.json()["message"]}
    for query in ("", "?username=", "?username=a&username=b",
                  "?username=" + "a" * 400, "?user=a"):
        assert client.get("/api/auth/check-username" + query).status == 422


# -- limits by address --------------------------------------------------

def test_sign_in_endpoints_are_limited_by_address(start_gateway):
    gateway = start_gateway(PLUGWAY_SIGNIN_RATE="5")
    client = gateway.client
    body = {"code": "x", "state": "A" * 43}
    calls = [
        ("GET", "/api/auth/sso/initiate", None),
        ("GET", SSO + "?code=x&state=" + "A" * 43, None),
        ("POST", "/api/auth/github/callback", body),
        ("POST", "/api/auth/oidc/linux_do/callback", body),
        ("GET", "/api/auth/oidc/linux_do/login", None),
        ("GET", "/api/auth/login/linux_do", None),
        ("GET", BROWSER + "?code=x&state=" + "A" * 43, None),
        ("POST", "/api/auth/login", {"username": "x", "password": "y"}),
        ("GET", "/api/auth/check-username?username=x", None)]
    for method, path, json in calls:
        answers = [client.call(method, path, json=json,
                               remote="203.0.113.9") for _ in range(12)]
        statuses = [a.status for a in answers]
        assert 429 not in statuses[:5], (path, statuses)
        assert statuses[-1] == 429 and statuses.count(429) >= 5, path
        limited = answers[-1]
        assert limited.code == "rate_limited"
        assert 1 <= int(limited.header("retry-after")) <= 60
        # Neither another address nor another name for oneself.
        assert client.call(method, path, json=json,
                           remote="203.0.113.10").status != 429
        assert client.call(method, path, json=json, remote="203.0.113.9",
                           headers={"X-Forwarded-For": "198.51.100.1",
                                    "X-Real-IP": "198.51.100.1",
                                    "Forwarded": "for=198.51.100.1"}
                           ).status == 429
    # Sessions that exist are not held up.
    assert client.get("/api/health", remote="203.0.113.9").status == 200
    for _ in range(12):
        assert client.post("/api/auth/refresh", {"refresh_token": "x"},
                           remote="203.0.113.9").status == 401
