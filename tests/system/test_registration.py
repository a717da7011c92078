"""Accounts are opened once, and registration heals by itself."""
import time

import pytest

from harness.procs import alive, name_of_mark, wait_until
from harness.signin import sign_in

API = "/api/plugin-api"


@pytest.fixture(scope="module")
def module_env():
    return {"PLUGWAY_LEASE_S": "2", "PLUGWAY_ATTEMPT_GRACE_S": "1",
            "PLUGWAY_SWEEP_INTERVAL_S": "0.5", "PLUGWAY_QUARANTINE_S": "1",
            "PLUGWAY_REGISTRATION_WAIT_MS": "500",
            "PLUGWAY_REQUEST_TIMEOUT_S": "1",
            "PLUGWAY_CONNECT_TIMEOUT_S": "1"}


def heal(session, deadline=40):
    wait_until(lambda: session.get(API + "/key").json()["status"] == "ok",
               deadline, "the account to be opened", every=0.1)
    answer = session.get(API + "/accounts")
    assert answer.status == 200, answer


def bound_key_works(session, upstream):
    info = session.get(API + "/key").json()
    user = upstream.user(info["plugin_user_id"])
    assert user["status"] == 1
    return info["plugin_user_id"]


def test_upstream_down_then_heals(client, upstream):
    upstream.refuse()
    began = time.monotonic()
    session = sign_in(client, name_of_mark("down"))
    assert time.monotonic() - began < 2, "sign-in does not wait for it"
    info = session.get(API + "/key").json()
    assert info["status"] in ("pending", "failed")
    answer = session.get(API + "/accounts")
    assert answer.status == 503
    assert answer.code == "registration_pending"
    assert int(answer.header("retry-after")) >= 1
    mark = upstream.ops_mark()
    upstream.resume()
    heal(session)
    assert len(upstream.ops(mark, "create")) == 1
    bound_key_works(session, upstream)


# name, fault, accounts that upstream may have made besides the bound one
LOST = [
    ("reset after request", {"reset": "request"}, 0),
    ("reset in the head", {"reset": "head"}, 1),
    ("never answers", {"execute": True, "hang": "request"}, 1),
    ("made, then reset", {"execute": True, "reset": "request"}, 1),
    ("made, then nonsense", {"execute": True, "status": 200,
                             "body": '{"success":true}'}, 1),
    ("made, then HTML", {"execute": True, "status": 200, "body": "<html>",
                         "headers": [["Content-Type", "text/html"]]}, 1),
    ("made, then 500", {"execute": True, "status": 500,
                        "body": '{"error":"x"}'}, 1),
    ("made, answer cut", {"execute": True, "close": "body"}, 1),
    ("key with a line break", {"execute": True, "status": 200, "body":
                               '{"success":true,"data":{"user_id":"x",'
                               '"api_key":"sk-a\\r\\nX: y","name":"n"}}'},
     1),
    ("huge key", {"execute": True, "status": 200, "body":
                  '{"success":true,"data":{"user_id":"x","api_key":"sk-%s"'
                  '}}' % ("k" * 200000)}, 1),
    ("path in the id", {"execute": True, "status": 200, "body":
                        '{"success":true,"data":{"user_id":"../users",'
                        '"api_key":"sk-0123456789abcdef0123456789"}}'}, 1),
    ("database trouble", {"status": 500, "body": '{"error":"db"}'}, 0),
    ("slow down", {"status": 429, "body": '{"error":"x"}', "headers":
                   [["Content-Type", "application/json"],
                    ["Retry-After", "1"]]}, 0),
]


@pytest.mark.parametrize("name,fault,extra", LOST, ids=[x[0] for x in LOST])
def test_lost_answers_bind_one_account(client, upstream, database, name,
                                       fault, extra):
    mark = upstream.ops_mark()
    upstream.fault(method="POST", path="^/api/users$", **fault)
    session = sign_in(client, name_of_mark("lost"))
    heal(session)
    bound = bound_key_works(session, upstream)
    made = [o["user_id"] for o in upstream.ops(mark, "create")]
    assert bound in made and len(made) <= 1 + extra
    assert database.value("SELECT COUNT(*) FROM plugin_api_keys WHERE "
                          "user_id = %d" % session.user["id"]) == "1"
    for other in set(made) - {bound}:
        wait_until(lambda: other not in
                   [u["user_id"] for u in upstream.users()], 30,
                   "the orphan to be removed", every=0.2)
        ops = [o["op"] for o in upstream.ops(mark)
               if o["user_id"] == other]
        assert ops == ["create", "status", "delete"]


def test_foreign_accounts_are_never_touched(client, upstream):
    names = ["somebody", None, "plugway.", "plugway.x.1.1.00",
             "plugway.AAAAAAAA.1.1." + "0" * 64]
    ids = upstream.control("POST", "seed", {"names": names})["ids"]
    mark = upstream.ops_mark()
    # An unknown outcome makes a sweep happen.
    upstream.fault(method="POST", path="^/api/users$", execute=True,
                   reset="request")
    session = sign_in(client, name_of_mark("foreign"))
    heal(session)
    wait_until(lambda: upstream.ops(mark, "delete"), 30, "a sweep",
               every=0.2)
    touched = {o["user_id"] for o in upstream.ops(mark)}
    assert not touched & set(ids)


def test_killed_registrar_loses_nothing(client, gateway, upstream):
    upstream.fault(method="POST", path="^/api/users$", execute=True,
                   hang="request")
    mark = upstream.mark()
    session = sign_in(client, name_of_mark("killed"))
    upstream.wait_request(mark, "/api/users", "POST")
    old = gateway.kill("registrar")
    gateway.allow_log("registrar")
    gateway.wait_replaced("registrar", old)
    upstream.release()
    heal(session)
    bound_key_works(session, upstream)


def test_refused_admin_key_stops_all_claims(start_gateway, upstream,
                                            client):
    gateway = start_gateway(PLUGIN_API_ADMIN_KEY="sk-wrongwrongwrongwrong",
                            PLUGWAY_REGISTRATION_WAIT_MS="200",
                            ready="health")
    mark = upstream.mark()
    # Two registrars share the database: this one must not be served by
    # the module's, so its creates are refused there for a while.
    upstream.fault(method="POST", path="^/api/users$", count=-1, status=401,
                   body='{"error":"无效的API Key"}')
    session = sign_in(gateway.client, name_of_mark("refused"))

    def told():
        parts = gateway.client.get("/api/health/ready").json()["components"]
        return "refuses" in parts["registrar"]["message"]
    wait_until(told, 20, "health to say so", every=0.1)
    answer = session.get(API + "/accounts")
    assert answer.status == 503 and answer.code == "registration_pending"
    assert len(upstream.requests(mark, "/api/users", "POST")) < 10
    upstream.clear_faults()
    heal(session, 90)


def test_without_admin_key_it_runs_and_says_so(start_gateway):
    gateway = start_gateway(PLUGIN_API_ADMIN_KEY=None)

    def told():
        parts = gateway.client.get("/api/health/ready").json()["components"]
        return "no admin key" in parts["registrar"]["message"]
    wait_until(told, 5, "health to say so")


def test_disabled_user(client, gateway, upstream):
    session = sign_in(client, name_of_mark("off"))
    heal(session)
    bound = bound_key_works(session, upstream)
    done = gateway.ctl("users", "disable", str(session.user["id"]))
    assert done.returncode == 0, done.stderr
    wait_until(lambda: session.get(API + "/accounts").status in (401, 403),
               3, "the user to be refused")
    started = client.get("/api/auth/sso/initiate").json()
    from harness.signin import approve, query_of
    back = query_of(approve(started["authorization_url"],
                            session.user["username"]))
    again = client.get("/api/auth/sso/callback?code=%s&state=%s" % (
        back["code"], back["state"]))
    assert again.status == 403 and again.code == "user_disabled"
    wait_until(lambda: upstream.user(bound)["status"] == 0, 20,
               "the upstream account to follow", every=0.2)
    assert gateway.ctl("users", "enable",
                       str(session.user["id"])).returncode == 0
    wait_until(lambda: upstream.user(bound)["status"] == 1, 20,
               "the upstream account to follow", every=0.2)
    assert sign_in(client, session.user["username"]).get(
        API + "/key").json()["status"] == "ok"


def test_swapped_rows_are_refused(client, database, gateway):
    """A token copied into another row opens nothing."""
    one = sign_in(client, name_of_mark("swap"))
    two = sign_in(client, name_of_mark("swap"))
    heal(one)
    heal(two)
    rows = dict(database.sql(
        "SELECT user_id, api_key FROM plugin_api_keys"))
    mine, other = str(one.user["id"]), str(two.user["id"])
    database.sql("UPDATE plugin_api_keys SET api_key = '%s', changed_at = "
                 "UTC_TIMESTAMP(6) WHERE user_id = %s"
                 % (rows[other], mine))
    gateway.ctl("purge", mine)
    wait_until(lambda: one.get(API + "/accounts").status == 503, 5,
               "the row to be refused")
    assert one.get(API + "/accounts").code == "key_unusable"
    assert two.get(API + "/accounts").status == 200
    database.sql("UPDATE plugin_api_keys SET api_key = '%s', changed_at = "
                 "UTC_TIMESTAMP(6) WHERE user_id = %s"
                 % (rows[mine], mine))
    wait_until(lambda: one.get(API + "/accounts").status == 200, 25,
               "the row to be read again", every=0.2)


def test_database_away_for_a_while(client, database, gateway):
    """Cached users are served, others get a clear answer."""
    cached = sign_in(client, name_of_mark("cached"))
    heal(cached)
    database.freeze()
    try:
        began = time.monotonic()
        for _ in range(20):
            answer = cached.get(API + "/accounts")
            assert answer.status == 200, answer
        assert time.monotonic() - began < 10
        began = time.monotonic()
        answer = client.get("/api/auth/sso/initiate", timeout=40)
        assert answer.status == 503, answer
        assert answer.code == "database_unavailable"
        assert answer.header("retry-after")
    finally:
        database.thaw()
    wait_until(lambda: client.get("/api/health/ready").status == 200, 30,
               "the database to be noticed", every=0.2)
    heal(sign_in(client, name_of_mark("after")))
    assert alive(gateway.master)
