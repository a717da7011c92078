"""What the handlers make of an upstream that answers nonsense, of URLs
that read in two ways, and of clients that leave."""
import json
import re

import pytest

from harness.fastcgi import Exchange
from harness.procs import name_of_mark, wait_until
from harness.signin import sign_in

API = "/api/plugin-api"


@pytest.fixture(scope="module")
def module_env():
    return {"PLUGWAY_WORKERS_MIN": "3", "PLUGWAY_WORKERS_MAX": "3"}


def asked_state(session):
    answer = session.post(API + "/oauth/authorize", {})
    assert answer.status == 200, answer
    return answer.json()["data"]["state"]


# {own} is the caller's state, {other} somebody else's.
TWO_WAYS = [
    "http://l/cb?code=x&state={other}",
    "http://l/cb?code=x&state={own}&state={other}",
    "http://l/cb?code=x&state={other}&state={own}",
    "http://l/cb?code=x&st%61te={other}&state={own}",
    "http://l/cb?code=x&%73tate={other}",
    "http://l/cb?code=x&state={own}&st%61te={other}",
    "http://l/cb?code=x&st%61te={other}#&state={own}",
    "http://l/cb?code=x#?state={own}",
    "http://l/cb#?state={other}&x=?state={own}",
    "http://l/cb?code=x&sta\tte={other}&state={own}",
    "http://l/cb?code=x&sta\nte={other}&state={own}",
    " http://l/cb?code=x&state={own}",
    "http://l/cb?code=x&state={own} ",
    "http://l/cb?code=x&state={own}\x7f",
    "http://l/cb?code=x&state={own}%00",
    "http://l/cb?code=x&state={own}%0",
    "http://l/cb?code=x&state",
    "http://l/cb?code=x&state=",
    "http://l/cb?code=x",
    "http://l/cb?code=x&State={own}",
    "state={own}",
]


@pytest.mark.parametrize("url", TWO_WAYS)
def test_callback_url_that_reads_in_two_ways(client, session, upstream, url):
    other = sign_in(client, name_of_mark("o"))
    url = url.format(own=asked_state(session), other=asked_state(other))
    mark = upstream.mark()
    answer = session.post(API + "/oauth/callback", {"callback_url": url})
    assert answer.status in (409, 422), answer
    assert upstream.requests(mark) == []


@pytest.mark.parametrize("url", [
    "http://l/cb?code=4%2Fx&state={own}", "http://l/cb?state={own}&code=x",
    "http://l/cb?%73tate={own}&code=x", "http://l/cb?state={own}&code=x#f"])
def test_callback_url_that_reads_in_one_way(session, upstream, url):
    url = url.format(own=asked_state(session))
    mark = upstream.mark()
    session.post(API + "/oauth/callback", {"callback_url": url})
    seen, = upstream.requests(mark)
    assert seen["path"] == "/api/oauth/callback/manual"


ACCOUNTS = [
    "[1,\"x\",null,[],{}]", "{}", "null", "\"text\"", "7",
    "[{\"cookie_id\":null},{\"cookie_id\":7},{\"cookie_id\":{}}]",
    "[{\"cookie_id\":\"..\"},{\"cookie_id\":\".\"},{\"cookie_id\":\"\"}]",
    "[{\"cookie_id\":\"a/../../users\"},{\"cookie_id\":\"a%2fb\"}]",
    "[{\"cookie_id\":\"a b\"},{\"cookie_id\":\"" + "a" * 129 + "\"}]",
    "[{\"cookie_id\":\"good\",\"status\":\"NaN\",\"is_shared\":1e999}]",
    json.dumps([{"cookie_id": "id%d" % i} for i in range(250)]),
]


@pytest.mark.parametrize("data", ACCOUNTS)
def test_usage_of_nonsense_accounts(gateway, session, upstream, data):
    workers = gateway.pids("worker")
    upstream.fault(path="^/api/accounts$", status=200, count=-1,
                   body='{"success":true,"data":%s}' % data)
    mark = upstream.mark()
    for path in ("accounts", "summary", "shared-pool/stats"):
        answer = session.get("/api/usage/" + path)
        assert answer.status == 200, answer
        json.loads(answer.body)
    for seen in upstream.requests(mark):
        assert re.fullmatch(r"/api/(accounts(/[A-Za-z0-9_-]{1,128}/quotas)?|"
                            r"quotas/(user|shared-pool))", seen["path"])
    assert gateway.pids("worker") == workers, "none has died"


@pytest.mark.parametrize("value", ["\"NaN\"", "\"inf\"", "\"-Infinity\"",
                                   "\"1e999\"", "1e300", "\"x\"", "null",
                                   "{}", "[]", "true"])
def test_usage_of_nonsense_numbers(gateway, session, upstream, value):
    workers = gateway.pids("worker")
    rows = "[{\"model_name\":\"m\",\"quota\":%s,\"max_quota\":%s," \
           "\"total_quota\":%s,\"available_cookies\":%s}]" % ((value,) * 4)
    for path, data in (("user", rows),
                       ("shared-pool", "{\"quotas\":%s}" % rows)):
        upstream.fault(path="^/api/quotas/" + path, status=200, count=-1,
                       body='{"success":true,"data":%s}' % data)
    for path in ("summary", "shared-pool/stats"):
        answer = session.get("/api/usage/" + path)
        assert answer.status == 200, answer

        def refuse(word):
            raise AssertionError(word + " is no JSON")
        json.loads(answer.body, parse_constant=refuse)
    stats = session.get("/api/usage/shared-pool/stats").json()["data"]
    row = stats["quotas_by_model"]["m"]
    assert isinstance(row["total_quota"], (int, float))
    assert isinstance(row["available_cookies"], int)
    assert gateway.pids("worker") == workers


@pytest.mark.parametrize("data", ["{}", "{\"state\":\"\"}", "[]",
                                  "{\"state\":5}",
                                  "{\"state\":\"%s\"}" % ("s" * 600)])
def test_error_replaces_an_answer_as_a_whole(session, upstream, data):
    """The handler had the answer and its fields when it found the fault."""
    upstream.fault(path="oauth/authorize", status=200,
                   body='{"success":true,"data":%s}' % data)
    answer = session.post(API + "/oauth/authorize", {})
    assert (answer.status, answer.code) == (502, "upstream_error")
    assert answer.header_all("content-type") == ["application/json"]
    assert answer.header_all("cache-control") == ["no-store"]


def test_database_error_has_one_content_type(client, session, database,
                                             gateway):
    gateway.allow_log("database")
    assert session.get("/api/api-keys").status == 200
    database.sql("RENAME TABLE api_keys TO api_keys_away")
    try:
        answer = session.get("/api/api-keys")
    finally:
        database.sql("RENAME TABLE api_keys_away TO api_keys")
    assert answer.status in (500, 503), answer
    assert answer.header_all("content-type") == ["application/json"]
    assert "error" in answer.json()


def test_use_of_a_personal_key_is_noted(client, session):
    made = session.post("/api/api-keys", {"name": "n",
                                          "config_type": "kiro"}).json()
    path = "/api/api-keys/%d" % made["id"]
    assert session.get(path).json()["last_used_at"] is None
    assert client.get("/v1/models", token=made["key"]).status == 200
    wait_until(lambda: session.get(path).json()["last_used_at"], 10,
               "last_used_at")


@pytest.mark.parametrize("target", [
    API + "/quotas/user", "/api/usage/summary"])
def test_client_that_leaves_a_get(gateway, session, upstream, target):
    """The upstream call ends with it, also without a body."""
    mark = upstream.mark()
    upstream.fault(path="quotas/user", hang="request")
    exchange = Exchange(gateway.socket).start("GET", target, [
        ("Authorization", "Bearer " + session.access_token)])
    upstream.wait_request(mark, "/api/quotas/user")
    exchange.leave()
    wait_until(lambda: [r for r in upstream.requests(
        mark, "/api/quotas/user") if r["state"] == "gone"], 2,
               "the upstream to see it")
