"""Rotating the key of the stored keys, under load.

The list is extended in front, all hosts reload, everything is sealed
anew, and only then may the old key go.
"""
import base64
import os
import signal
import subprocess
import threading
import time

import pytest

from harness.gateway import CTL, FERNET_KEY
from harness.procs import name_of_mark, wait_until
from harness.signin import sign_in

API = "/api/plugin-api"


def new_key():
    return base64.urlsafe_b64encode(os.urandom(32)).decode()


class Load:
    """People who call all the time; what went wrong is kept."""

    def __init__(self, people):
        self.stop = threading.Event()
        self.failures = []
        self.calls = 0
        self.threads = [threading.Thread(target=self.visit, args=(p,))
                        for p in people]

    def visit(self, person):
        while not self.stop.is_set():
            try:
                answer = person.get(API + "/accounts")
                if answer.status != 200:
                    self.failures.append((answer.status, answer.text))
            except OSError as err:
                self.failures.append(err)
            self.calls += 1

    def __enter__(self):
        for thread in self.threads:
            thread.start()
        return self

    def __exit__(self, *_):
        self.stop.set()
        for thread in self.threads:
            thread.join()


@pytest.fixture
def rotating(start_gateway):
    """A gateway on the shared database, back on the old key afterwards."""
    gateway = start_gateway(PLUGWAY_TENANT_TTL_S="1")
    yield gateway
    gateway.env["PLUGIN_API_ENCRYPTION_KEY"] = \
        FERNET_KEY + "," + gateway.env["PLUGIN_API_ENCRYPTION_KEY"].replace(
            FERNET_KEY + ",", "").replace("," + FERNET_KEY, "").replace(
            FERNET_KEY, new_key())
    gateway.write_env()
    done = gateway.ctl("keys", "reencrypt")
    assert done.returncode == 0, done.stdout + done.stderr


def use(gateway, *keys):
    gateway.env["PLUGIN_API_ENCRYPTION_KEY"] = ",".join(keys)
    gateway.write_env()
    return gateway.ctl("reload", "--json")


def rows_by_key(gateway):
    return {row["key"]: row["rows"]
            for row in gateway.ctl_json("keys", "status")}


def test_rotation_under_load(rotating, database, upstream):
    gateway = rotating
    people = [sign_in(gateway.client, name_of_mark("rot"))
              for _ in range(6)]
    total = int(database.value("SELECT COUNT(*) FROM plugin_api_keys"))
    key = new_key()
    with Load(people) as load:
        # Dropped at once: refused, with the count, and it serves on.
        refused = use(gateway, key)
        assert refused.returncode == 1
        assert "%d stored keys" % total in refused.stdout, refused.stdout
        assert "plugwayctl keys reencrypt" in refused.stdout
        assert key not in refused.stdout
        check = gateway.check()
        assert check.returncode == 1
        assert "%d stored keys" % total in check.stdout + check.stderr

        # In front of the old one: new keys are sealed with it.
        assert use(gateway, key, FERNET_KEY).returncode == 0
        fresh = sign_in(gateway.client, name_of_mark("rot"))
        assert fresh.get(API + "/accounts").status == 200
        assert sorted(rows_by_key(gateway).values()) == [0, 1, total]
        refused = use(gateway, key)
        assert refused.returncode == 1
        assert "%d stored keys" % total in refused.stdout, refused.stdout

        # After the re-encryption the old one may go.
        assert use(gateway, key, FERNET_KEY).returncode == 0
        done = gateway.ctl_json("keys", "reencrypt")
        assert (done["resealed"], done["left"]) == (total, 0)
        dropped = use(gateway, key)
        assert dropped.returncode == 0, dropped.stdout
        calls = load.calls
        wait_until(lambda: load.calls > calls + 50 or load.failures, 20,
                   "calls with the new ring")
    assert load.failures == []
    assert sorted(rows_by_key(gateway).values()) == [0, total + 1]
    ids = database.sql("SELECT DISTINCT key_id FROM plugin_api_keys")
    assert len(ids) == 1


def test_rotation_killed_in_the_middle_is_resumed(rotating, database):
    """Each row is sealed anew by itself: nothing is half done."""
    gateway = rotating
    people = [sign_in(gateway.client, name_of_mark("kill"))
              for _ in range(8)]
    # Many rows, so that there is a middle: disabled users' copies.
    database.sql(
        "INSERT INTO users (username,created_at,updated_at) SELECT "
        "CONCAT('bulk-',UUID()),UTC_TIMESTAMP(6),UTC_TIMESTAMP(6) FROM "
        "seq_1_to_1500")
    fill_bulk(gateway, database)
    key = new_key()
    assert use(gateway, key, FERNET_KEY).returncode == 0
    total = int(database.value("SELECT COUNT(*) FROM plugin_api_keys"))
    old_id, = [r["key"] for r in gateway.ctl_json("keys", "status")
               if r["rows"] == total]

    def left():
        return int(database.value("SELECT COUNT(*) FROM plugin_api_keys "
                                  "WHERE key_id='%s'" % old_id))
    kills = 0
    with Load(people) as load:
        while left() > 0 and kills < 4:
            before = left()
            running = subprocess.Popen(
                [CTL, "--env", gateway.env_file, "keys", "reencrypt"],
                stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
                env=gateway.environment())
            wait_until(lambda: left() < before - 50 or
                       running.poll() is not None, 20, "some rows", 0.002)
            if running.poll() is None:
                running.kill()
                kills += 1
            running.wait()
            if left() > 0:
                refused = use(gateway, key)
                assert refused.returncode == 1
                assert "%d stored keys" % left() in refused.stdout
                assert use(gateway, key, FERNET_KEY).returncode == 0
        assert kills > 0
        done = gateway.ctl_json("keys", "reencrypt")
        assert done["left"] == 0
        assert left() == 0
        assert use(gateway, key).returncode == 0
        time.sleep(1.2)         # each entry has outlived its time
    assert load.failures == []
    assert gateway.ctl_json("keys", "audit") == []
    database.sql("DELETE FROM users WHERE username LIKE 'bulk-%'")


def fill_bulk(gateway, database):
    """A sealed key for each bulk user, made by the same construction as
    the program's: the test for that is that keys audit finds no fault.
    """
    import hashlib
    import hmac
    import struct

    from cryptography.fernet import Fernet
    raw = base64.urlsafe_b64decode(FERNET_KEY)
    prk = hmac.new(b"\0" * 32, raw, hashlib.sha256).digest()

    def derive(info):
        return hmac.new(prk, info + b"\1", hashlib.sha256).digest()
    bind_key = derive(b"plugway bind_mac v1")
    key_id = derive(b"plugway key id v1").hex()[:8]
    fernet = Fernet(FERNET_KEY)
    values = []
    for user, in database.sql("SELECT id FROM users WHERE username LIKE "
                              "'bulk-%'"):
        upstream_id = "bulk-" + user
        token = fernet.encrypt(b"sk-bulk0123456789abcdef")
        text = b"".join(
            struct.pack(">I", len(part)) + part for part in (
                struct.pack(">Q", int(user)), upstream_id.encode(),
                struct.pack(">I", 1), token))
        mac = hmac.new(bind_key, text, hashlib.sha256).hexdigest()
        values.append("(%s,'%s','%s','%s','%s',1,UTC_TIMESTAMP(6),"
                      "UTC_TIMESTAMP(6),UTC_TIMESTAMP(6))" % (
                          user, token.decode(), upstream_id, mac, key_id))
    database.sql("INSERT INTO plugin_api_keys (user_id,api_key,"
                 "plugin_user_id,bind_mac,key_id,key_gen,created_at,"
                 "updated_at,changed_at) VALUES " + ",".join(values))
    assert gateway.ctl_json("keys", "audit") == []


def test_rows_that_do_not_name_their_key_are_opened(rotating, database):
    """As a database of before that column has them."""
    gateway = rotating
    for _ in range(2):
        sign_in(gateway.client, name_of_mark("old"))
    database.sql("UPDATE plugin_api_keys SET key_id=NULL")
    total = int(database.value("SELECT COUNT(*) FROM plugin_api_keys"))
    key = new_key()
    assert use(gateway, FERNET_KEY).returncode == 0
    refused = use(gateway, key)
    assert refused.returncode == 1
    assert "%d stored keys" % total in refused.stdout
    # Also those under the newest key get their name.
    assert use(gateway, FERNET_KEY).returncode == 0
    assert gateway.ctl_json("keys", "reencrypt")["resealed"] == total
    assert database.value("SELECT COUNT(*) FROM plugin_api_keys WHERE "
                          "key_id IS NULL") == "0"


def test_a_revoked_key_holds_no_ring_back(rotating, database):
    """Who lost a key of the ring revokes what it sealed, and has the
    upstream issue new ones.
    """
    gateway = rotating
    session = sign_in(gateway.client, name_of_mark("lost"))
    database.sql("UPDATE plugin_api_keys SET key_id='00000000' WHERE "
                 "user_id=%s" % session.user["id"])
    refused = use(gateway, FERNET_KEY)
    assert refused.returncode == 1
    assert "1 stored keys" in refused.stdout and "00000000" in refused.stdout
    user = str(session.user["id"])
    assert gateway.ctl("keys", "revoke", user).returncode == 0
    assert use(gateway, FERNET_KEY).returncode == 0
    assert gateway.ctl("keys", "rekey", user).returncode == 0
    wait_until(lambda: session.get(API + "/accounts").status == 200, 20,
               "the new key")
    assert use(gateway, FERNET_KEY).returncode == 0


def test_other_secrets_may_go_at_once(rotating):
    """Dropping the JWT key ends sessions, and that is what it is for."""
    gateway = rotating
    session = sign_in(gateway.client, name_of_mark("jwt"))
    gateway.env["JWT_SECRET_KEY"] = "another-jwt-secret-" + new_key()
    assert use(gateway, FERNET_KEY).returncode == 0
    wait_until(lambda: session.get(API + "/key").status == 401, 10,
               "the old sessions to end")
    os.kill(gateway.master, signal.SIGHUP)
    fresh = sign_in(gateway.client, name_of_mark("jwt"))
    assert fresh.get(API + "/accounts").status == 200
