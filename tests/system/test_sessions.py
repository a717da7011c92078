"""Sessions: refresh tokens, signing out, passwords, disabled users; on
two hosts that share a database.
"""
import crypt
import hashlib
import json
import subprocess
import time

import pytest

from harness.gateway import Gateway
from harness.hosts import Hosts, parallel, patient
from harness.procs import name_of_mark, wait_until
from harness.signin import Browser, approve, query_of, sign_in

REFRESH = "/api/auth/refresh"
ME = "/api/auth/me"


@pytest.fixture(scope="module")
def module_env():
    return {"FRONTEND_ORIGINS": "http://localhost:3000"}


@pytest.fixture(scope="module")
def other(rundir, env, migrated):
    running = Gateway(rundir, env, name="other").start()
    yield running
    running.stop()


@pytest.fixture(scope="module")
def hosts(gateway, other):
    both = Hosts(gateway, other)
    yield both
    both.report()


def refresh(client, token):
    return client.post(REFRESH, {"refresh_token": token})


def status_of(client, token, target=ME):
    return client.get(target, token).status


def row_of(token):
    return "token_hash = UNHEX('%s')" % hashlib.sha256(
        token.encode()).hexdigest()


def age(database, token, seconds):
    """The token becomes older than it is."""
    database.sql(
        "UPDATE refresh_tokens SET first_used_at = first_used_at - INTERVAL "
        "%d SECOND WHERE %s" % (seconds, row_of(token)))


def password_of(gateway, name, password):
    return gateway.ctl("users", "set-password", "name:" + name,
                       stdin=password + "\n")


def login(client, name, password, **more):
    return client.post("/api/auth/login", {"username": name,
                                           "password": password}, **more)


# -- refresh ------------------------------------------------------------

def test_refresh_answer(session, client):
    answer = refresh(client, session.refresh_token)
    assert answer.status == 200
    assert set(answer.json()) == {"access_token", "refresh_token",
                                  "token_type", "expires_in"}
    assert answer.json()["token_type"] == "bearer"
    assert answer.json()["expires_in"] == 24 * 3600
    assert answer.header("cache-control") == "no-store"
    assert answer.header("set-cookie") is None
    assert status_of(client, answer.json()["access_token"]) == 200
    assert status_of(client, session.access_token) == 200


def test_rotation_goes_on_and_on(session, hosts):
    seen, token = {session.refresh_token}, session.refresh_token
    for turn in range(12):
        answer = refresh(hosts.clients[turn % 2], token)
        assert answer.status == 200
        token = answer.json()["refresh_token"]
        seen.add(token)
    assert len(seen) == 13


@pytest.mark.parametrize("ages,status", [
    ([], 200), ([55], 200), ([61], 401), ([3600], 401), ([10, 45], 200),
    # The grace runs from the first use; using it again adds nothing.
    ([40, 25], 401)])
def test_grace_of_a_used_token(session, hosts, database, ages, status):
    first, second = hosts.clients
    token = session.refresh_token
    pairs = [refresh(first, token).json()]
    for seconds in ages[:-1]:
        age(database, token, seconds)
        pairs.append(refresh(second, token).json())
    for seconds in ages[-1:]:
        age(database, token, seconds)
    again = refresh(second, token)
    assert again.status == status, again
    if status == 401:
        assert again.code == "refresh_token_used"
        assert again.header("www-authenticate").startswith("Bearer")
    else:
        pairs.append(again.json())
    # The rest of the family lives on.
    for pair in pairs:
        assert status_of(first, pair["access_token"]) == 200
        assert refresh(second, pair["refresh_token"]).status == 200


def test_unused_token_does_not_age(session, client, database):
    database.sql("UPDATE refresh_tokens SET created_at = created_at - "
                 "INTERVAL 6 DAY WHERE " + row_of(session.refresh_token))
    assert refresh(client, session.refresh_token).status == 200


def test_expired_token(session, client, database):
    database.sql("UPDATE refresh_tokens SET expires_at = UTC_TIMESTAMP(6) - "
                 "INTERVAL 1 SECOND WHERE " + row_of(session.refresh_token))
    answer = refresh(client, session.refresh_token)
    assert answer.status == 401 and answer.code == "refresh_token_invalid"


def test_lifetime_is_seven_days(session, database):
    days = database.value(
        "SELECT TIMESTAMPDIFF(MINUTE, UTC_TIMESTAMP(6), expires_at) FROM "
        "refresh_tokens WHERE " + row_of(session.refresh_token))
    assert 7 * 24 * 60 - 2 <= int(days) <= 7 * 24 * 60


@pytest.mark.parametrize("token", [
    "x", "rt_", "rt_" + "A" * 43, "rt_" + "A" * 42, "rt_" + "A" * 44,
    "' OR 1=1 -- ", "rt_\n", "é" * 20, "a.b.c", "sk-" + "A" * 64,
    "A" * 512])
def test_tokens_that_never_were(client, token):
    answer = refresh(client, token)
    assert answer.status == 401 and answer.code == "refresh_token_invalid"


@pytest.mark.parametrize("body,status", [
    ({}, 422), ({"refresh_token": ""}, 422), ({"refresh_token": None}, 422),
    ({"refresh_token": 5}, 422), ({"refresh_token": ["x"]}, 422), ([], 422),
    ({"refresh_token": "A" * 513}, 422),
    ({"refresh_token": "rt_\u0000"}, 422)])
def test_bodies_without_a_token(client, body, status):
    assert client.post(REFRESH, body).status == status


def test_thirty_tabs_refresh_at_once(session, hosts):
    answers = parallel(30, lambda i: patient(lambda: refresh(
        hosts.clients[i % 2], session.refresh_token)))
    assert [a.status for a in answers] == [200] * 30
    tokens = {a.json()["refresh_token"] for a in answers}
    assert len(tokens) == 30
    assert session.post("/api/auth/logout").status == 200
    answers = parallel(30, lambda i: patient(lambda: refresh(
        hosts.clients[i % 2], sorted(tokens)[i])))
    assert [a.status for a in answers] == [401] * 30


def test_tokens_are_stored_hashed(session, client, database):
    pair = refresh(client, session.refresh_token).json()
    dump = subprocess.run(
        ["mariadb-dump", "--no-defaults", "-uroot", "-S", database.socket,
         "--hex-blob", "--skip-comments", "plugway"], check=True,
        capture_output=True).stdout
    raw = subprocess.run(
        ["mariadb-dump", "--no-defaults", "-uroot", "-S", database.socket,
         "--skip-comments", "plugway"], check=True,
        capture_output=True).stdout
    assert hashlib.sha256(pair["refresh_token"].encode()).hexdigest(
        ).upper().encode() in dump.upper()
    for token in (session.refresh_token, pair["refresh_token"],
                  session.access_token, pair["access_token"]):
        for text in (dump, raw):
            assert token.encode() not in text
            assert token[3:].encode() not in text


def test_refresh_by_cookie(client):
    browser = Browser(client)
    browser.sign_in(name_of_mark("cookie"))
    first = dict(browser.cookies)
    answer = browser.call("POST", REFRESH)
    assert answer.status == 200
    assert browser.cookies != first
    cookie, = answer.header_all("set-cookie")
    assert "HttpOnly" in cookie and "SameSite=Lax" in cookie
    assert answer.json()["refresh_token"] in cookie
    # A dead cookie is taken away.
    browser.cookies = {name: "rt_" + "A" * 43 for name in browser.cookies}
    assert browser.call("POST", REFRESH).status == 401
    assert browser.cookies == {}


# -- signing out --------------------------------------------------------

def test_sign_out_on_all_workers_of_both_hosts(hosts):
    for turn in range(8):
        here = hosts.clients[turn % 2]
        session = sign_in(here, name_of_mark("out"))
        for client in hosts.clients:
            assert parallel(8, lambda i: status_of(
                client, session.access_token)) == [200] * 8
        done = session.post("/api/auth/logout",
                            {"refresh_token": session.refresh_token})
        assert done.status == 200 and done.json()["success"] is True
        # On this host before the answer is out.
        assert parallel(8, lambda i: status_of(
            here, session.access_token)) == [401] * 8
        hosts.holds("logout", lambda client: status_of(
            client, session.access_token) == 401)
        answer = here.get(ME, session.access_token)
        assert answer.code == "token_revoked"
        for client in hosts.clients:
            assert refresh(client, session.refresh_token).code == \
                "refresh_token_invalid"


def test_sign_out_ends_one_session_with_all_its_tokens(client, hosts):
    name = name_of_mark("two")
    one, two = sign_in(client, name), sign_in(client, name)
    older = refresh(client, one.refresh_token).json()
    newer = refresh(client, older["refresh_token"]).json()
    assert client.post("/api/auth/logout", {}, newer["access_token"]
                       ).status == 200
    hosts.holds("logout", lambda c: not [
        t for t in (one.access_token, older["access_token"],
                    newer["access_token"]) if status_of(c, t) != 401])
    for token in (one.refresh_token, older["refresh_token"],
                  newer["refresh_token"]):
        assert refresh(client, token).status == 401
    assert status_of(client, two.access_token) == 200
    assert refresh(client, two.refresh_token).status == 200


def test_sign_out_with_somebody_else_s_refresh_token(client):
    mine = sign_in(client, name_of_mark("mine"))
    yours = sign_in(client, name_of_mark("yours"))
    assert mine.post("/api/auth/logout", {
        "refresh_token": yours.refresh_token}).status == 200
    assert status_of(client, yours.access_token) == 200
    assert refresh(client, yours.refresh_token).status == 200


def test_sign_out_needs_a_session(session, client):
    for token in (None, "x", session.refresh_token):
        for target in ("/api/auth/logout", "/api/auth/logout-all"):
            assert client.post(target, token=token).status == 401
    assert status_of(client, session.access_token) == 200
    assert session.post("/api/auth/logout").status == 200
    assert session.post("/api/auth/logout").status == 401


def test_sign_out_everywhere(hosts):
    for turn in range(6):
        name = name_of_mark("everywhere")
        sessions = [sign_in(hosts.clients[i % 2], name) for i in range(4)]
        assert sessions[turn % 4].post("/api/auth/logout-all").status == 200
        hosts.holds("logout-all", lambda client: not [
            s for s in sessions if status_of(client, s.access_token) != 401])
        for session in sessions:
            assert refresh(hosts.clients[turn % 2],
                           session.refresh_token).status == 401


def test_sign_in_again_in_the_second_of_a_sign_out_everywhere(hosts):
    for turn in range(4):
        name = name_of_mark("again")
        old = sign_in(hosts.clients[0], name)
        assert old.post("/api/auth/logout-all").status == 200
        new = sign_in(hosts.clients[turn % 2], name)
        renewed = refresh(hosts.clients[0], new.refresh_token)
        assert renewed.status == 200
        hosts.holds("logout-all", lambda client: status_of(
            client, old.access_token) == 401)
        for client in hosts.clients:
            assert status_of(client, new.access_token) == 200
            assert status_of(client,
                             renewed.json()["access_token"]) == 200


def test_sign_out_does_not_touch_others(hosts):
    stays = sign_in(hosts.clients[0], name_of_mark("stays"))
    leaves = sign_in(hosts.clients[0], name_of_mark("leaves"))
    leaves.post("/api/auth/logout-all")
    hosts.holds("logout-all", lambda client: status_of(
        client, leaves.access_token) == 401)
    for client in hosts.clients:
        assert status_of(client, stays.access_token) == 200
        assert status_of(client, stays.access_token,
                         "/api/plugin-api/accounts") == 200


# -- disabled users -----------------------------------------------------

def sign_in_status(client, name):
    started = client.get("/api/auth/sso/initiate").json()
    back = query_of(approve(started["authorization_url"], name))
    answer = client.get("/api/auth/sso/callback?code=%s&state=%s" % (
        back["code"], back["state"]))
    if answer.status != 200:
        assert answer.code == "user_disabled", answer
    return answer.status


def calls_of(session, key):
    token = session.access_token
    return [("GET", ME, token, None),
            ("GET", "/api/plugin-api/accounts", token, None),
            ("GET", "/v1/models", key, None),
            ("POST", "/v1/chat/completions", key,
             {"model": "m", "messages": []})]


def statuses(client, calls):
    return [client.call(m, t, token=token, json=body).status
            for m, t, token, body in calls]


def test_disabled_user_is_refused_everywhere(hosts, gateway, upstream):
    name = name_of_mark("disabled")
    assert sign_in(hosts.clients[0], name)
    assert password_of(gateway, name, "a long password").returncode == 0
    for turn in range(4):
        session = sign_in(hosts.clients[1 - turn % 2], name)
        key = session.post("/api/api-keys", {"name": "k"}).json()["key"]
        calls = calls_of(session, key)
        own = session.get("/api/plugin-api/key").json()["plugin_user_id"]
        for client in hosts.clients:
            assert statuses(client, calls) == [200] * 4
        here = hosts.gateways[turn % 2]
        time.sleep(0.25 * turn)     # another part of the keeper's second
        done = here.ctl("users", "disable", "name:" + name)
        assert done.returncode == 0, done.stderr
        hosts.holds("users disable", lambda client: statuses(
            client, calls) == [403] * 4)
        mark = upstream.mark()
        secret = upstream.user(own)["api_key"]
        for client in hosts.clients:
            answer = client.get(ME, session.access_token)
            assert answer.code == "user_disabled"
            assert refresh(client, session.refresh_token).status in (401,
                                                                     403)
            assert sign_in_status(client, name) == 403
            answer = login(client, name, "a long password")
            assert (answer.status, answer.code) == (403, "user_disabled")
            assert login(client, name, "wrong").status == 401
            assert statuses(client, calls) == [403] * 4
        assert [r for r in upstream.requests(mark)
                if r.header("authorization") == "Bearer " + secret] == []
        done = here.ctl("users", "enable", "name:" + name)
        assert done.returncode == 0, done.stderr
        hosts.holds("users enable", lambda client: statuses(
            client, calls)[:2] == [401] * 2)
        # The personal key serves again once the upstream knows, too.
        wait_until(lambda: upstream.user(own)["status"] == 1, 10,
                   "the upstream account to be enabled")
        hosts.holds("users enable", lambda client: statuses(
            client, calls)[2:] == [200] * 2)
        assert sign_in(hosts.clients[turn % 2], name).get(
            "/api/plugin-api/accounts").status == 200


def test_browser_sees_that_it_is_disabled(hosts, gateway):
    name = name_of_mark("browser")
    browser = Browser(hosts.clients[0])
    browser.sign_in(name)
    assert gateway.ctl("users", "disable", "name:" + name).returncode == 0
    browser = Browser(hosts.clients[0])
    first = browser.get("/api/auth/login/linux_do")
    back = approve(first.header("location"), name)
    last = browser.get("/api/auth/callback/linux_do?" +
                       back.split("?", 1)[1],
                       headers={"Accept": "text/html,*/*;q=0.8"})
    assert last.status == 302
    assert last.header("location").startswith(
        "/?signin_error=user_disabled&request_id=")
    assert browser.call("POST", REFRESH).status == 422


# -- passwords ----------------------------------------------------------

def test_password_login(session, client, gateway, database):
    name = session.user["username"]
    refused = login(client, name, "correct horse")
    assert (refused.status, refused.code) == (401, "invalid_credentials")
    assert password_of(gateway, name, "correct horse").returncode == 0
    answer = login(client, name, "correct horse")
    assert answer.status == 200
    assert set(answer.json()) == {"access_token", "refresh_token",
                                  "token_type", "expires_in", "user"}
    assert answer.json()["user"]["id"] == session.user["id"]
    assert answer.header("cache-control") == "no-store"
    token = answer.json()["access_token"]
    assert status_of(client, token, "/api/plugin-api/accounts") == 200
    stored = database.value("SELECT password_hash FROM users WHERE id=%d"
                            % session.user["id"])
    assert stored.startswith("$y$") and "correct" not in stored
    assert crypt.crypt("correct horse", stored) == stored
    assert password_of(gateway, name, "another secret").returncode == 0
    assert login(client, name, "correct horse").status == 401
    assert login(client, name, "another secret").status == 200


def test_password_of_another_program(session, client, database):
    """bcrypt, as the reference back-end stored it."""
    stored = crypt.crypt("from elsewhere", crypt.mksalt(
        crypt.METHOD_BLOWFISH, rounds=1 << 4))
    assert stored.startswith("$2b$")
    database.sql("UPDATE users SET password_hash='%s' WHERE id=%d" % (
        stored, session.user["id"]))
    name = session.user["username"]
    assert login(client, name, "from elsewhere").status == 200
    assert login(client, name, "from elsewhere ").status == 401


@pytest.mark.parametrize("stored", [
    "", "*", "!", "x", "$1$abcdefgh$0123456789012345678901", "$2b$99$x",
    "correct horse", "$y$", "0" * 255])
def test_hashes_that_let_nobody_in(session, client, database, stored):
    database.sql("UPDATE users SET password_hash='%s' WHERE id=%d" % (
        stored, session.user["id"]))
    for password in ("correct horse", "x", stored or "x", "*0"):
        assert login(client, session.user["username"],
                     password).status == 401


def test_wrong_logins_are_alike(session, client, gateway):
    """Neither text nor time tells whether the name exists."""
    name = session.user["username"]
    assert password_of(gateway, name, "correct horse").returncode == 0
    spent, bodies = {}, set()
    for who in (name, name_of_mark("nobody")):
        times = []
        for _ in range(5):
            began = time.monotonic()
            answer = login(client, who, "wrong password")
            times.append(time.monotonic() - began)
            assert answer.status == 401
            value = answer.json()
            del value["request_id"]
            bodies.add(json.dumps(value))
        spent[who] = min(times)
    assert len(bodies) == 1
    known, unknown = spent.values()
    assert 1 / 3 < known / unknown < 3, spent


@pytest.mark.parametrize("body", [
    {}, {"username": "a"}, {"password": "a"}, {"username": "", "password": ""},
    {"username": 1, "password": "x"}, {"username": "a", "password": None},
    {"username": "a" * 300, "password": "x"},
    {"username": "a", "password": "x" * 300},
    {"username": "a\u0000b", "password": "x"}, []])
def test_logins_without_a_name_or_password(client, body):
    assert client.post("/api/auth/login", body).status == 422


@pytest.mark.parametrize("name", ["' OR '1'='1", "%", "_", "a\nb",
                                  "\\", "名字", " "])
def test_odd_names_are_nobody(client, name):
    assert login(client, name, "x").status == 401


def test_set_password_refuses(session, gateway, database):
    name = session.user["username"]
    for text in ("", "short", "x" * 300):
        done = password_of(gateway, name, text)
        assert done.returncode != 0 and done.stderr, text
        assert text == "" or text not in done.stdout + done.stderr
    done = gateway.ctl("users", "set-password", "name:" + name, stdin="")
    assert done.returncode != 0
    done = password_of(gateway, name_of_mark("nobody"), "a long password")
    assert done.returncode != 0
    assert database.value("SELECT password_hash FROM users WHERE id=%d"
                          % session.user["id"]) == "NULL"


def test_username_is_compared_exactly(client, gateway):
    name = name_of_mark("Case")
    sign_in(client, name)
    assert password_of(gateway, name, "a long password").returncode == 0
    assert login(client, name, "a long password").status == 200
    for other in (name.lower(), name + "x", " " + name, name[:-1]):
        assert login(client, other, "a long password").status == 401
