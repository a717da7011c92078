"""Personal sk- keys: shown once, stored hashed, good for models, chat
and images only, and dead on every host two seconds after they end.
"""
import hashlib
import subprocess
import time

import pytest

from harness.gateway import Gateway
from harness.hosts import Hosts, parallel
from harness.procs import name_of_mark, wait_until
from harness.signin import sign_in

KEYS = "/api/api-keys"
MODELS = "/v1/models"
CHAT = {"model": "gemini-2.5-flash",
        "messages": [{"role": "user", "content": "hi"}]}
IMAGE = {"contents": [{"role": "user", "parts": [{"text": "x"}]}]}


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


def make(session, **body):
    answer = session.post(KEYS, dict({"name": "laptop"}, **body))
    assert answer.status == 200, answer
    return answer.json()


def path_of(key):
    return "%s/%d" % (KEYS, key["id"])


def switch(session, key, on):
    return session.call("PATCH", path_of(key) + "/status",
                        json={"is_active": on})


def asked_of(upstream, mark):
    """What people asked, without what the registrar asks at times."""
    return [r for r in upstream.requests(mark)
            if not r["path"].startswith("/api/users")]


def models(client, key):
    return client.get(MODELS, key).status


# -- making and showing -------------------------------------------------

def test_created_and_shown_once(session, database):
    answer = session.post(KEYS, {"name": "laptop", "config_type": "kiro"})
    assert answer.status == 200
    assert answer.header("cache-control") == "no-store"
    made = answer.json()
    assert made["key"].startswith("sk-") and len(made["key"]) == 67
    assert made["name"] == "laptop" and made["config_type"] == "kiro"
    assert made["user_id"] == session.user["id"]
    assert made["is_active"] is True and made["last_used_at"] is None
    assert made["expires_at"] is None and made["created_at"].endswith("Z")
    shown = dict(made, key_preview=made["key"][:8] + "...")
    del shown["key"]
    assert session.get(KEYS).json() == [shown]
    assert session.get(path_of(made)).json() == shown
    for answer in (switch(session, made, False), switch(session, made,
                                                        True)):
        assert answer.status == 200 and "key" not in answer.json()
        assert made["key"] not in answer.text


def test_stored_hashed(session, database):
    made = make(session)
    row, = database.sql("SELECT HEX(key_hash), key_preview FROM api_keys "
                        "WHERE id=%d" % made["id"])
    assert row[0].lower() == hashlib.sha256(
        made["key"].encode()).hexdigest()
    assert row[1] == made["key"][:8] + "..."
    dump = subprocess.run(
        ["mariadb-dump", "--no-defaults", "-uroot", "-S", database.socket,
         "plugway"], check=True, capture_output=True).stdout
    assert made["key"].encode() not in dump
    assert made["key"][11:].encode() not in dump


def test_listed_newest_first(session):
    made = [make(session, name="k%d" % i) for i in range(5)]
    assert len({m["key"] for m in made}) == 5
    assert [k["name"] for k in session.get(KEYS).json()] == [
        "k4", "k3", "k2", "k1", "k0"]


@pytest.mark.parametrize("body,name,config_type", [
    ({}, None, "antigravity"), ({"name": None}, None, "antigravity"),
    ({"name": ""}, None, "antigravity"), ({"name": "x" * 100}, "x" * 100,
                                          "antigravity"),
    ({"name": "名" * 100}, "名" * 100, "antigravity"),
    ({"name": "💥" * 100}, "💥" * 100, "antigravity"),
    ({"name": "<b>'\";--"}, "<b>'\";--", "antigravity"),
    ({"config_type": "antigravity"}, None, "antigravity"),
    ({"config_type": "kiro", "unknown": 1}, None, "kiro")])
def test_good_bodies(session, body, name, config_type):
    answer = session.post(KEYS, body)
    assert answer.status == 200, answer
    assert answer.json()["name"] == name
    assert answer.json()["config_type"] == config_type
    assert session.get(KEYS).json()[0]["name"] == name


@pytest.mark.parametrize("body", [
    {"name": "x" * 101}, {"name": "名" * 101}, {"name": 5}, {"name": ["x"]},
    {"name": {"a": 1}}, {"name": True}, {"config_type": "qwen"},
    {"config_type": ""}, {"config_type": None}, {"config_type": 1},
    {"config_type": "KIRO"}, {"config_type": " kiro"},
    {"config_type": "antigravity,kiro"}, {"config_type": "x" * 51}, [],
    {"name": "a\u0000b"}])
def test_bad_bodies(session, body):
    answer = session.post(KEYS, body)
    assert (answer.status, answer.code) == (422, "validation_error")
    assert session.get(KEYS).json() == []


@pytest.mark.parametrize("body", [
    {}, {"is_active": None}, {"is_active": 1}, {"is_active": "true"}, []])
def test_bad_switches(session, body):
    made = make(session)
    answer = session.call("PATCH", path_of(made) + "/status", json=body)
    assert answer.status == 422
    assert session.get(path_of(made)).json()["is_active"] is True


def test_somebody_else_s_key(client):
    mine = sign_in(client, name_of_mark("mine"))
    yours = sign_in(client, name_of_mark("yours"))
    key = make(yours)
    for answer in (mine.get(path_of(key)), switch(mine, key, False),
                   mine.call("DELETE", path_of(key))):
        assert (answer.status, answer.code) == (404, "api_key_not_found")
    assert mine.get(KEYS).json() == []
    assert models(client, key["key"]) == 200


@pytest.mark.parametrize("number,status", [
    ("0", 404), ("999999999", 404), ("9223372036854775807", 404),
    ("9223372036854775808", 404), ("99999999999999999999", 400),
    ("-1", 400), ("+1", 400), ("1.0", 400), ("0x1", 400), ("1e3", 400),
    ("%31%30%00", 400), ("a", 400), ("1%2f2", 400), ("..", 400)])
def test_odd_ids(session, number, status):
    for answer in (session.get(KEYS + "/" + number),
                   session.call("DELETE", KEYS + "/" + number),
                   session.call("PATCH", KEYS + "/%s/status" % number,
                                json={"is_active": False})):
        assert answer.status in (status, 404 if ".." in number else status)


# -- what it opens ------------------------------------------------------

def test_carriers(session, client):
    key = make(session)["key"]
    for headers in ({"Authorization": "Bearer " + key},
                    {"authorization": "bearer " + key},
                    {"X-Api-Key": key}, {"x-api-key": key}):
        assert client.get(MODELS, headers=headers).status == 200
        assert client.get("/api/plugin-api/models",
                          headers=headers).status == 200
        assert client.post("/v1/chat/completions", CHAT,
                           headers=headers).status == 200
    for headers in ({"Authorization": "Basic " + key},
                    {"Authorization": key}, {"Authorization": "Bearer"},
                    {"X-Goog-Api-Key": key}, {"Cookie": "key=" + key},
                    {"Proxy-Authorization": "Bearer " + key},
                    {"X-Api-Key": "Bearer " + key}):
        answer = client.get(MODELS, headers=headers)
        assert answer.status == 401, headers
        assert answer.header("www-authenticate").startswith("Bearer")
    assert client.get(MODELS + "?api_key=" + key).status in (401, 422)


def test_google_carrier(session, client):
    key = make(session)["key"]
    for path in ("/v1beta/models/m:generateContent",
                 "/api/plugin-api/v1beta/models/m:generateContent"):
        for headers in ({"x-goog-api-key": key}, {"X-Api-Key": key},
                        {"Authorization": "Bearer " + key},
                        {"x-goog-api-key": session.access_token}):
            assert client.post(path, IMAGE, headers=headers).status == 200
        for headers in ({}, {"x-goog-api-key": key + "x"},
                        {"x-goog-api-key": ""}):
            assert client.post(path, IMAGE, headers=headers).status == 401
    for path in (MODELS, "/v1/chat/completions"):
        answer = client.call("GET" if path == MODELS else "POST", path,
                             headers={"x-goog-api-key": key}, json=None
                             if path == MODELS else CHAT)
        assert answer.status == 401


def test_only_where_keys_are_allowed(session, client, gateway):
    """Every route of the table that is for sessions refuses a key."""
    key = make(session)["key"]
    refused = 0
    for row in gateway.ctl_json("routes"):
        if row["auth"] != "jwt":
            continue
        target = row["path"].replace("{cookie_id}", "c" * 32).replace(
            "{model_name}", "m").replace("{id}", "1")
        for headers in ({"Authorization": "Bearer " + key},
                        {"X-Api-Key": key}, {"x-goog-api-key": key}):
            answer = client.call(row["method"], target, headers=headers,
                                 json={} if row["method"] not in (
                                     "GET", "DELETE") else None)
            assert answer.status == 401, (row, answer)
            assert answer.code in ("invalid_token", "unauthorized")
            refused += 1
    assert refused >= 75
    assert len(session.get(KEYS).json()) == 1


@pytest.mark.parametrize("key", [
    "sk-", "sk-x", "sk-" + "A" * 64, "sk-" + "A" * 63, "sk-" + "A" * 65,
    "sk-" + "A" * 5000, "SK-" + "A" * 64, "sk-\u00e9" + "A" * 63,
    "sk-' OR 1=1 -- "])
def test_keys_that_never_were(client, key):
    answer = client.get(MODELS, headers={
        "X-Api-Key": key.encode().decode("latin-1")})
    assert answer.status == 401, answer
    assert answer.code in ("invalid_api_key", "invalid_token")


def test_almost_the_key(session, client):
    key = make(session)["key"]
    for wrong in (key[:-1], key + "A", key.swapcase(), key.lower(),
                  key[:10] + ("B" if key[10] == "A" else "A") + key[11:]):
        if wrong != key:
            assert models(client, wrong) == 401
    assert models(client, key) == 200


# -- where it leads -----------------------------------------------------

def test_account_type(session, client, upstream):
    keys = {t: make(session, config_type=t)["key"]
            for t in ("antigravity", "kiro")}
    jwt = session.access_token
    # credential, what the client says of itself, what goes upstream
    cases = [
        (keys["kiro"], {}, "kiro"),
        (keys["kiro"], {"X-Api-Type": "antigravity"}, "kiro"),
        (keys["kiro"], {"X-Account-Type": "antigravity"}, "kiro"),
        (keys["antigravity"], {}, "antigravity"),
        (keys["antigravity"], {"X-Api-Type": "kiro"}, "antigravity"),
        (keys["antigravity"], {"X-Account-Type": "kiro"}, "antigravity"),
        (jwt, {}, "antigravity"), (jwt, {"X-Api-Type": "kiro"}, "kiro"),
        (jwt, {"X-Api-Type": "antigravity"}, "antigravity"),
        (jwt, {"X-Account-Type": "kiro"}, "antigravity")]
    for token, headers, wanted in cases:
        for method, path, body in (("GET", MODELS, None),
                                   ("POST", "/v1/chat/completions", CHAT)):
            mark = upstream.mark()
            answer = client.call(method, path, headers=headers, json=body,
                                 token=token)
            assert answer.status == 200, answer
            seen, = asked_of(upstream, mark)
            assert (seen.header("x-account-type") or "antigravity") == \
                wanted, headers
            assert seen.header("x-api-type") is None
            assert seen.header("x-api-key") is None


@pytest.mark.parametrize("value", [
    "evil", "kiro2", "kiro, antigravity", "", "x" * 5000, "kiro\tx"])
def test_unknown_account_types_stay_here(session, upstream, value):
    mark = upstream.mark()
    answer = session.get(MODELS, headers={"X-Api-Type": value})
    assert answer.status in (200, 400, 422), answer
    for seen in asked_of(upstream, mark):
        assert seen.header("x-account-type") in (None, "antigravity")


def test_owner_s_key_goes_upstream(client, upstream):
    """Two people's keys in turn on the same workers."""
    people = [sign_in(client, name_of_mark("owner")) for _ in range(4)]
    keys = [make(p)["key"] for p in people]
    wanted = [upstream.user(p.get("/api/plugin-api/key").json()[
        "plugin_user_id"])["api_key"] for p in people]
    mark = upstream.mark()
    texts = parallel(24, lambda i: client.post(
        "/v1/chat/completions", dict(CHAT, messages=[
            {"role": "user", "content": "person %d" % (i % 4)}]),
        keys[i % 4]).json()["choices"][0]["message"]["content"])
    assert texts == ["You said: person %d" % (i % 4) for i in range(24)]
    for seen in upstream.requests(mark, "/v1/chat/completions"):
        number = int(seen.body.split(b"person ")[1][:1])
        assert seen.header("authorization") == "Bearer " + wanted[number]


def test_last_use(session, client):
    key = make(session)
    assert models(client, key["key"]) == 200
    used = wait_until(lambda: session.get(path_of(key)).json()[
        "last_used_at"], 10, "last_used_at")
    assert used >= key["created_at"][:19]


# -- its end ------------------------------------------------------------

def test_switched_off_and_on_everywhere(hosts):
    session = sign_in(hosts.clients[0], name_of_mark("off"))
    key = make(session)
    for turn in range(6):
        session.client = hosts.clients[turn % 2]
        for client in hosts.clients:
            assert parallel(8, lambda i: models(client, key["key"])) == \
                [200] * 8
        time.sleep(0.17 * turn)     # another part of the keeper's second
        assert switch(session, key, False).json()["is_active"] is False
        hosts.holds("key switched off",
                    lambda client: models(client, key["key"]) == 401)
        for client in hosts.clients:
            assert client.get(MODELS, key["key"]).code == \
                "api_key_disabled"
        assert switch(session, key, True).json()["is_active"] is True
        hosts.holds("key switched on",
                    lambda client: models(client, key["key"]) == 200)


def test_deleted_everywhere(hosts):
    session = sign_in(hosts.clients[0], name_of_mark("deleted"))
    for turn in range(6):
        session.client = hosts.clients[turn % 2]
        key, kept = make(session), make(session)
        for client in hosts.clients:
            assert models(client, key["key"]) == 200
            assert models(client, kept["key"]) == 200
        time.sleep(0.17 * turn)
        done = session.call("DELETE", path_of(key))
        assert done.status == 200 and done.json()["success"] is True
        hosts.holds("key deleted",
                    lambda client: models(client, key["key"]) == 401)
        for client in hosts.clients:
            assert client.get(MODELS, key["key"]).code == "invalid_api_key"
            assert models(client, kept["key"]) == 200
        assert session.call("DELETE", path_of(key)).status == 404


def test_good_on_every_host_as_soon_as_made(hosts):
    """Also where it was tried in vain before it existed."""
    session = sign_in(hosts.clients[0], name_of_mark("new"))
    for turn in range(4):
        session.client = hosts.clients[turn % 2]
        key = make(session)["key"]
        hosts.holds("key made", lambda client: models(client, key) == 200,
                    bound=0.5)


def test_outlives_the_session(session, client):
    key = make(session)["key"]
    assert session.post("/api/auth/logout-all").status == 200
    wait_until(lambda: session.get(KEYS).status == 401, 3, "the sign-out")
    assert models(client, key) == 200
