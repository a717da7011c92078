"""plugwayctl, and what it says about the routes."""
import json
import os

import pytest

from harness.procs import name_of_mark, wait_until
from harness.signin import sign_in

API = "/api/plugin-api"


def test_genkey(gateway):
    import base64
    done = gateway.ctl("genkey")
    assert done.returncode == 0
    keys = [w for w in done.stdout.split() if len(w) == 44]
    assert keys and len(base64.urlsafe_b64decode(keys[0])) == 32
    assert gateway.ctl("genkey").stdout != done.stdout


def test_check_config_and_config(gateway):
    assert gateway.ctl("check-config").returncode == 0
    rows = {r["name"]: r for r in gateway.ctl_json("config")}
    assert rows["PLUGWAY_WORKERS_MIN"]["value"] in (4, "4")
    assert "file" in rows["PLUGWAY_WORKERS_MIN"]["origin"] or \
        gateway.env_file in rows["PLUGWAY_WORKERS_MIN"]["origin"]
    assert "default" in rows["PLUGWAY_MAX_BODY"]["origin"]


def test_migrate_twice_does_nothing(gateway):
    assert gateway.ctl("migrate").returncode == 0


def normal(path):
    import re
    return re.sub(r"\{[^}]*\}", "{}", path)


def test_routes_are_the_documented_ones(gateway):
    rows = gateway.ctl_json("routes")
    assert all(set(r) >= {"method", "path", "auth", "upstream"}
               for r in rows)
    ours = {(r["method"], normal(r["path"])) for r in rows}
    document = json.loads(gateway.client.get("/api/openapi.json").body)
    assert document["openapi"].startswith("3.1")
    theirs = {(method.upper(), normal(path))
              for path, item in document["paths"].items()
              for method in item
              if method in ("get", "put", "post", "delete", "patch")}
    assert theirs <= ours
    assert {m for m in ours - theirs if m[1].startswith(API)} == set()


@pytest.mark.parametrize("target,kind", [
    ("/api/docs", "text/html"), ("/api/redoc", "text/html"),
    ("/api/openapi.json", "application/json"), ("/", "text/html")])
def test_pages(client, target, kind):
    answer = client.get(target)
    assert answer.status == 200, answer
    assert answer.header("content-type").startswith(kind)
    assert "http://" not in answer.text.replace(
        "http://localhost", "").replace("http://www.w3.org", "") or \
        target.endswith("json")
    assert answer.header("content-security-policy") or \
        kind != "text/html"


def test_users(gateway, session):
    name = session.user["username"]
    listed = gateway.ctl_json("users", "list")
    listed = listed if isinstance(listed, list) else listed["users"]
    assert session.user["id"] in [u["id"] for u in listed]
    for who in (str(session.user["id"]), "name:" + name):
        shown = gateway.ctl_json("users", "show", who)
        assert shown["username"] == name
    assert gateway.ctl("users", "show", "4000000000").returncode != 0
    assert gateway.ctl("users", "show", "name:nobody").returncode != 0


def test_password_sign_in(gateway, session):
    """For accounts that an operator gave a password."""
    client, name = gateway.client, session.user["username"]
    wrong = client.post("/api/auth/login", {"username": name,
                                            "password": "secret-pass"})
    assert wrong.status == 401 and wrong.code == "invalid_credentials"
    done = gateway.ctl("users", "set-password", "name:" + name,
                       stdin="secret-pass\n")
    assert done.returncode == 0, done.stdout + done.stderr
    good = client.post("/api/auth/login", {"username": name,
                                           "password": "secret-pass"})
    assert good.status == 200, good
    assert good.json()["user"]["id"] == session.user["id"]
    assert client.post("/api/auth/login", {
        "username": name, "password": "secret-pasS"}).status == 401


def test_registrations_and_sweep(gateway, session):
    rows = gateway.ctl_json("registrations", "list")
    rows = rows if isinstance(rows, list) else rows["registrations"]
    mine = [r for r in rows if r["user_id"] == session.user["id"]]
    assert mine and mine[0]["state"] == "done"
    assert gateway.ctl("sweep", "--dry-run").returncode == 0


def test_keys_audit_status_and_rekey(gateway, session, upstream):
    assert gateway.ctl("keys", "audit").returncode == 0
    assert gateway.ctl("keys", "status").returncode == 0
    bound = session.get(API + "/key").json()["plugin_user_id"]
    mark = upstream.ops_mark()
    done = gateway.ctl("keys", "rekey", str(session.user["id"]))
    assert done.returncode == 0, done.stderr
    wait_until(lambda: [o for o in upstream.ops(mark, "regenerate")
                        if o["user_id"] == bound], 20, "a new key",
               every=0.1)
    wait_until(lambda: session.get(API + "/accounts").status == 200, 20,
               "the new key to be used", every=0.1)


def test_revoke_until_rekey(gateway, session):
    who = str(session.user["id"])
    assert session.get(API + "/accounts").status == 200
    assert gateway.ctl("keys", "revoke", who).returncode == 0
    wait_until(lambda: session.get(API + "/accounts").status != 200, 3,
               "the key to be refused")
    assert session.get(API + "/accounts").status in (403, 503)
    assert gateway.ctl("keys", "rekey", who).returncode == 0
    wait_until(lambda: session.get(API + "/accounts").status == 200, 25,
               "the key to work again", every=0.2)


def test_reencrypt(gateway, start_gateway, database, session):
    """A new first key; all rows follow, nobody notices."""
    from cryptography.fernet import Fernet
    new = Fernet.generate_key().decode()
    old = gateway.env["PLUGIN_API_ENCRYPTION_KEY"]
    gateway.scanner.add("new Fernet key", new)
    both = start_gateway(PLUGIN_API_ENCRYPTION_KEY=new + "," + old)
    assert both.ctl("keys", "status").returncode == 0
    done = both.ctl("keys", "reencrypt")
    assert done.returncode == 0, done.stdout + done.stderr
    for token, in database.sql("SELECT api_key FROM plugin_api_keys"):
        assert Fernet(new).decrypt(token.encode()).startswith(b"sk-")
    again = sign_in(both.client, session.user["username"])
    assert again.get(API + "/accounts").status == 200
    alone = start_gateway(ready=False, PLUGIN_API_ENCRYPTION_KEY=old)
    assert alone.check().returncode == 1, "a key that is needed is gone"
    # Back again, for the other tests of this module.
    back = start_gateway(PLUGIN_API_ENCRYPTION_KEY=old + "," + new)
    assert back.ctl("keys", "reencrypt").returncode == 0
    assert gateway.ctl("purge").returncode == 0
    assert session.get(API + "/accounts").status == 200


def test_reload_by_ctl(start_gateway):
    gateway = start_gateway()
    old = set(gateway.pids("worker"))
    assert gateway.ctl("reload").returncode == 0
    wait_until(lambda: not old & set(gateway.pids("worker")), 10,
               "a new generation")
    gateway.env["JWT_SECRET_KEY"] = "short"
    gateway.write_env()
    done = gateway.ctl("reload")
    assert done.returncode != 0
    assert "JWT_SECRET_KEY" in done.stdout + done.stderr
    assert gateway.client.get("/api/health").status == 200


def test_unknown_verb_and_stopped_daemon(gateway, start_gateway):
    assert gateway.ctl("frobnicate").returncode != 0
    stopped = start_gateway(ready=False)
    done = stopped.ctl("status")
    assert done.returncode != 0 and done.stderr.strip()


def test_no_verb_tells_a_secret(gateway):
    for verb in (["status"], ["config"], ["routes"], ["users", "list"],
                 ["keys", "audit"], ["keys", "status"],
                 ["registrations", "list"], ["check-config"]):
        done = gateway.ctl(*verb)
        assert gateway.scanner.find(
            (done.stdout + done.stderr).encode()) == [], verb


@pytest.mark.skipif(os.geteuid() != 0, reason="becomes somebody else")
def test_control_socket_is_for_the_operator(gateway):
    import subprocess
    from harness.gateway import CTL
    done = subprocess.run(
        ["runuser", "-u", "nobody", "--", CTL, "status"],
        env=dict(gateway.environment(), PLUGWAY_RUN_DIR=gateway.run),
        capture_output=True, text=True, timeout=20)
    assert done.returncode != 0


def test_two_people_named_alike(gateway):
    name = name_of_mark("alike")
    session = sign_in(gateway.client, name)
    answer = gateway.client.get("/api/auth/check-username?username=" + name)
    assert answer.json()["exists"] is True
    assert answer.json()["username"] == session.user["username"]
    free = gateway.client.get("/api/auth/check-username?username=free-one")
    assert free.json()["exists"] is False
    assert gateway.client.get("/api/auth/check-username").status == 422
