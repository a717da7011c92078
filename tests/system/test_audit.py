"""The audit log: who did what, that it is whole, and that it tells no
secret.
"""
import json
import threading

import pytest

from harness.leaks import Scanner
from harness.procs import name_of_mark
from harness.signin import sign_in

API = "/api/plugin-api"


def entries(gateway, after=0):
    return gateway.ctl_json("audit", "list", str(after))


def verify(gateway, *noted):
    done = gateway.ctl("audit", "verify", *noted, "--json")
    return done.returncode, json.loads(done.stdout), done.stderr


def last_id(gateway):
    return int(verify(gateway)[1]["last"].split(":")[0])


def actions(rows):
    return [(r["actor"], r["actor_id"], r["action"], r["subject"])
            for r in rows]


def test_what_a_person_does(gateway, client):
    mark = last_id(gateway)
    person = sign_in(client, name_of_mark("audit"))
    me = str(person.user["id"])
    made = person.post("/api/api-keys", {
        "name": "secret name", "config_type": "kiro"})
    key = made.json()
    person.call("PATCH", "/api/api-keys/%d/status" % key["id"],
                json={"is_active": False})
    person.call("DELETE", "/api/api-keys/%d" % key["id"])
    assert person.post("/api/auth/logout-all").status == 200
    rows = entries(gateway, mark)
    api_key = "api_key:%d" % key["id"]
    seen = actions(rows)
    for wanted in [
            ("user", me, "sign_in", "user:" + me),
            ("registrar", "", "account_bind", "user:" + me),
            ("user", me, "api_key_create", api_key),
            ("user", me, "api_key_delete", api_key),
            ("user", me, "logout_all", "user:" + me)]:
        assert seen.count(wanted) == 1, (wanted, seen)
    row, = [r for r in rows if r["action"] == "api_key_create"]
    assert row["request_id"] == made.header("x-request-id")
    assert json.loads(row["detail"]) == {"config_type": "kiro"}
    row, = [r for r in rows if r["action"] == "sign_in"]
    assert json.loads(row["detail"]) == {"provider": "linux_do",
                                         "new": True}


def test_what_an_operator_does(gateway, session):
    mark = last_id(gateway)
    me = str(session.user["id"])
    for verb in (["users", "disable", me], ["users", "enable", me],
                 ["keys", "revoke", me], ["keys", "rekey", me]):
        assert gateway.ctl(*verb).returncode == 0
    assert gateway.ctl("users", "set-password", me,
                       stdin="a long password\n").returncode == 0
    mine = [r for r in entries(gateway, mark) if r["actor"] == "operator"]
    assert [r["action"] for r in mine] == [
        "user_disable", "user_enable", "key_revoke", "key_rekey",
        "user_set_password"]
    assert {r["subject"] for r in mine} == {"user:" + me}
    assert all(r["actor_id"] for r in mine)


def test_refused_sign_ins(gateway, client):
    person = sign_in(client, name_of_mark("refused"))
    me = str(person.user["id"])
    assert gateway.ctl("users", "set-password", me,
                       stdin="right password\n").returncode == 0
    name = person.user["username"]
    mark = last_id(gateway)

    def login(user, password):
        return client.post("/api/auth/login", {
            "username": user, "password": password}).status
    assert login(name, "wrong password") == 401
    assert login("nobody-" + name, "wrong password") == 401
    assert login(name, "right password") == 200
    rows = entries(gateway, mark)
    assert [(r["action"], r["subject"]) for r in rows] == [
        ("sign_in_refused", "user:" + me), ("sign_in_refused", "user:0"),
        ("sign_in", "user:" + me)]
    assert all(json.loads(r["detail"])["by"] == "password" for r in rows)
    gateway.ctl("users", "disable", me)
    mark = last_id(gateway)
    with pytest.raises(AssertionError):
        sign_in(client, name)
    rows = entries(gateway, mark)
    assert [(r["action"], r["subject"], r["detail"]) for r in rows] == [
        ("sign_in_refused", "user:" + me, '{"why":"disabled"}')]


def test_no_secret_is_told(gateway, client, upstream):
    person = sign_in(client, name_of_mark("quiet"))
    key = person.post("/api/api-keys", {
        "name": "n", "config_type": "kiro"}).json()["key"]
    told = gateway.ctl("audit", "list", "0", "--json").stdout.encode()
    scanner = Scanner()
    scanner.secrets.update(gateway.scanner.secrets)
    for user in upstream.users():
        scanner.add("upstream key", user["api_key"])
    for name, value in (("personal key", key),
                        ("access token", person.access_token),
                        ("refresh token", person.refresh_token),
                        ("password", "right password")):
        scanner.add(name, value)
    assert len(told) > 1000 and scanner.find(told) == []


def test_many_at_once_leave_it_whole(gateway, client):
    before = last_id(gateway)
    failures = []

    def visit(n):
        try:
            person = sign_in(client, name_of_mark("crowd%d" % n))
            person.post("/api/auth/logout-all")
        except (AssertionError, OSError) as err:
            failures.append(err)
    threads = [threading.Thread(target=visit, args=(n,)) for n in range(16)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert failures == []
    code, report, _ = verify(gateway)
    assert code == 0 and report["ok"] is True
    seen = [r["action"] for r in entries(gateway, before)]
    assert seen.count("sign_in") == seen.count("logout_all") == 16


def test_tampering_is_found(gateway, session, database):
    code, report, _ = verify(gateway)
    assert code == 0
    noted = report["last"]
    assert verify(gateway, noted)[0] == 0
    assert verify(gateway, "1:" + "0" * 64)[0] == 1
    assert gateway.ctl("audit", "verify", "nonsense").returncode == 1
    row = database.value("SELECT MAX(id) FROM audit_log WHERE "
                         "action='sign_in'")
    old = database.value("SELECT subject FROM audit_log WHERE id=" + row)
    database.sql("UPDATE audit_log SET subject='user:1000000' WHERE id=" +
                 row)
    code, report, said = verify(gateway)
    assert code == 1 and report["ok"] is False
    assert str(report["at"]) == row
    assert "entry %s: a row was changed" % row in said
    database.sql("UPDATE audit_log SET subject='%s' WHERE id=%s" % (
        old, row))
    assert verify(gateway, noted)[0] == 0


def test_list_shows_the_last_hundred(gateway, session):
    rows = gateway.ctl_json("audit", "list")
    assert 0 < len(rows) <= 100
    assert rows[-1]["id"] == last_id(gateway)
    assert [r["id"] for r in rows] == list(
        range(rows[0]["id"], rows[-1]["id"] + 1))
    table = gateway.ctl("audit", "list").stdout
    assert table.splitlines()[0].split()[:4] == ["id", "at", "actor",
                                                 "actor_id"]
