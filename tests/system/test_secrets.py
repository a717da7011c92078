"""Where secrets are, and where they are not."""
import base64
import os
import signal

import pytest
from cryptography.fernet import Fernet

from harness.gateway import (ADMIN_KEY, DB_PASSWORD, FERNET_KEY, JWT_KEY,
                             OAUTH_SECRET)
from harness.leaks import Scanner, in_memory
from harness.procs import name_of_mark
from harness.signin import sign_in

API = "/api/plugin-api"
needs_root = pytest.mark.skipif(os.geteuid() != 0,
                                reason="reads the memory of others")


def needles():
    raw = base64.urlsafe_b64decode(FERNET_KEY)
    return {"admin key": ADMIN_KEY.encode(), "Fernet text":
            FERNET_KEY.encode(), "Fernet bytes": raw,
            "signing half": raw[:16], "encryption half": raw[16:]}


@pytest.fixture
def busy(gateway):
    """Workers that have served sign-ins, calls and chats."""
    people = []
    for _ in range(4):
        session = sign_in(gateway.client, name_of_mark("busy"))
        session.get(API + "/accounts")
        session.post(API + "/chat/completions", {
            "model": "m", "messages": [{"role": "user", "content": "x"}]})
        stream = session.stream(API + "/chat/completions", {
            "model": "m", "stream": True,
            "messages": [{"role": "user", "content": "x"}]})
        stream.rest()
        stream.close()
        people.append(session)
    return people


@needs_root
def test_memory_of_the_workers(gateway, busy):
    found = {pid: in_memory(pid, needles())
             for pid in gateway.pids("worker")}
    assert found and set().union(*found.values()) == set(), found


@needs_root
def test_memory_of_the_registrar_is_a_positive_control(gateway, busy):
    """The scan finds what is there."""
    assert "admin key" in in_memory(gateway.pid("registrar"), needles())
    keeper = in_memory(gateway.pid("keeper"), needles())
    assert "admin key" not in keeper
    assert keeper & {"Fernet text", "Fernet bytes", "signing half",
                     "encryption half"}


@needs_root
@pytest.mark.parametrize("kind", ["management", "chat", "stream", "usage",
                                  "failure"])
def test_no_upstream_key_stays_in_a_worker(start_gateway, upstream, kind):
    """Opened for one request, then wiped: looked at right after it."""
    gateway = start_gateway(
        PLUGWAY_WORKERS_MIN="1", PLUGWAY_WORKERS_MAX="2",
        PLUGWAY_WORKERS_SPARE_MIN="0", PLUGWAY_STREAM_SHARE="0")
    session = sign_in(gateway.client, name_of_mark("wipe"))
    bound = session.get(API + "/key").json()["plugin_user_id"]
    key = upstream.user(bound)["api_key"].encode()
    chat = {"model": "m", "messages": [{"role": "user", "content": "x"}]}
    if kind == "management":
        status = session.get(API + "/accounts").status
    elif kind == "chat":
        status = session.post(API + "/chat/completions", chat).status
    elif kind == "usage":
        status = session.get("/api/usage/summary").status
    elif kind == "failure":
        upstream.fault(path="/api/accounts", count=-1, reset="head")
        status = session.get(API + "/accounts").status
    else:
        stream = session.stream(API + "/chat/completions",
                                dict(chat, stream=True))
        stream.rest()
        status = stream.status
    assert status == (502 if kind == "failure" else 200)
    for pid in gateway.pids("worker"):
        assert in_memory(pid, {"key": key}) == set()


@needs_root
def test_environment_and_command_line(gateway):
    scanner = Scanner()
    for name, value in (("admin", ADMIN_KEY), ("fernet", FERNET_KEY),
                        ("jwt", JWT_KEY), ("oauth", OAUTH_SECRET),
                        ("database", DB_PASSWORD)):
        scanner.add(name, value)
    pids = [gateway.master] + gateway.pids("worker") + [
        gateway.pid("keeper"), gateway.pid("registrar")]
    for pid in pids:
        for name in ("environ", "cmdline"):
            with open("/proc/%d/%s" % (pid, name), "rb") as file:
                assert scanner.find(file.read()) == []


@needs_root
def test_secrets_given_by_environment_are_wiped_there(start_gateway):
    gateway = start_gateway(ready=False)
    secrets = {n: gateway.env.pop(n) for n in (
        "PLUGIN_API_ADMIN_KEY", "PLUGIN_API_ENCRYPTION_KEY",
        "JWT_SECRET_KEY", "OAUTH_CLIENT_SECRET", "DATABASE_URL")}
    gateway.write_env()
    plain = gateway.environment
    gateway.environment = lambda: dict(plain(), **secrets)
    gateway.start()
    scanner = Scanner()
    for name, value in secrets.items():
        scanner.add(name, value)
    for pid in [gateway.master] + gateway.pids("worker") + [
            gateway.pid("keeper"), gateway.pid("registrar")]:
        with open("/proc/%d/environ" % pid, "rb") as file:
            assert scanner.find(file.read()) == []


@needs_root
def test_secret_from_a_file(start_gateway, rundir):
    path = os.path.join(rundir, name_of_mark("key"))
    with open(path, "w") as file:
        file.write(FERNET_KEY + "\n")
    os.chmod(path, 0o600)
    gateway = start_gateway(PLUGIN_API_ENCRYPTION_KEY=None,
                            PLUGIN_API_ENCRYPTION_KEY_FILE=path)
    session = sign_in(gateway.client, name_of_mark("file"))
    assert session.get(API + "/accounts").status == 200


@needs_root
def test_processes_cannot_be_looked_into(gateway):
    """Not dumpable: their /proc files belong to root."""
    import subprocess
    for role in ("worker", "keeper", "registrar"):
        pid = gateway.pid(role)
        with open("/proc/%d/status" % pid) as file:
            uid = [line.split()[1] for line in file
                   if line.startswith("Uid:")][0]
        for name in ("environ", "mem", "maps"):
            done = subprocess.run(
                ["setpriv", "--reuid=" + uid, "--clear-groups", "head",
                 "-c1", "/proc/%d/%s" % (pid, name)], capture_output=True)
            assert done.returncode != 0, (role, name)


def test_crash_leaves_no_core(gateway, busy):
    gateway.allow_log("signal|worker")
    with open("/proc/%d/limits" % gateway.pid("worker")) as file:
        line = [x for x in file if x.startswith("Max core file size")][0]
    assert line.split()[4:6] == ["0", "0"]
    old = gateway.pid("worker")
    os.kill(old, signal.SIGKILL)
    gateway.wait_replaced("worker", old)


def test_stored_tokens_open_with_any_fernet(gateway, busy, database,
                                            upstream):
    fernet = Fernet(FERNET_KEY)
    current = {u["user_id"]: u["api_key"] for u in upstream.users()}
    rows = database.sql("SELECT plugin_user_id, api_key FROM "
                        "plugin_api_keys")
    assert len(rows) >= 4
    for plugin_user_id, token in rows:
        assert fernet.decrypt(token.encode()).decode() == \
            current[plugin_user_id]


def test_database_has_no_clear_secret(gateway, busy, database, upstream):
    import subprocess
    dump = subprocess.run(
        ["mariadb-dump", "--no-defaults", "-uroot", "-S", database.socket,
         "plugway"], check=True, capture_output=True).stdout
    scanner = Scanner()
    for user in upstream.users():
        scanner.add(user["user_id"], user["api_key"])
    for person in busy:
        scanner.add("refresh", person.refresh_token)
        scanner.add("access", person.access_token)
    key = busy[0].post("/api/api-keys", {
        "name": "n", "config_type": "antigravity"}).json()["key"]
    scanner.add("personal key", key)
    assert len(dump) > 10000
    assert scanner.find(dump) == []


def test_config_masks_secrets(gateway):
    done = gateway.ctl("config")
    assert done.returncode == 0
    assert gateway.scanner.find(done.stdout.encode()) == []
    rows = gateway.ctl_json("config")
    masked = {r["name"] for r in rows if r["secret"]}
    assert masked >= {"PLUGIN_API_ADMIN_KEY", "JWT_SECRET_KEY",
                      "PLUGIN_API_ENCRYPTION_KEY", "DATABASE_URL"}


def test_metrics_need_the_token(gateway):
    from harness.gateway import METRICS_TOKEN
    client = gateway.client
    assert client.get("/metrics", remote="203.0.113.9").status == 403
    answer = client.get("/metrics", METRICS_TOKEN, remote="203.0.113.9")
    assert answer.status == 200
    assert answer.text.count("# TYPE plugway_") > 10
    assert gateway.scanner.find(answer.body) == []
