"""The main job: sign in, account opened, accounts, chat, stream."""
import base64
import hmac
import json

import pytest
from cryptography.fernet import Fernet

from harness.gateway import FERNET_KEY, JWT_KEY
from harness.procs import name_of_mark, wait_until
from harness.signin import Browser, approve, query_of, sign_in

CHAT = "/api/plugin-api/chat/completions"


def chat_body(stream=None, text="hello there"):
    body = {"model": "gemini-2.5-flash",
            "messages": [{"role": "user", "content": text}]}
    if stream is not None:
        body["stream"] = stream
    return body


def text_of(events):
    assert events[-1] == b"data: [DONE]", events[-3:]
    chunks = [json.loads(e[6:]) for e in events[:-1]]
    return "".join(c["choices"][0]["delta"].get("content", "")
                   for c in chunks)


def test_json_flow_opens_an_account(client, upstream, database):
    mark = upstream.ops_mark()
    name = name_of_mark("json")
    session = sign_in(client, name)
    answer = session.answer
    assert answer["token_type"] == "bearer"
    assert answer["expires_in"] == 24 * 3600
    user = answer["user"]
    assert set(user) >= {"id", "username", "avatar_url", "trust_level",
                         "is_active", "is_silenced", "beta", "created_at",
                         "last_login_at"}
    assert user["username"] == name and user["is_active"] is True
    assert user["created_at"].endswith("Z")

    made = upstream.ops(mark, "create")
    assert len(made) == 1
    assert made[0]["name"].startswith("plugway.")
    info = session.get("/api/plugin-api/key").json()
    assert info["status"] == "ok" and info["user_id"] == user["id"]
    assert info["plugin_user_id"] == made[0]["user_id"]
    assert "sk-" not in json.dumps(info)

    accounts = session.get("/api/plugin-api/accounts").json()
    assert [a["user_id"] for a in accounts["data"]] == \
        [made[0]["user_id"]] * 2
    answer = session.post(CHAT, chat_body())
    assert answer.status == 200
    assert answer.json()["choices"][0]["message"]["content"] == \
        "You said: hello there"
    stream = session.stream(CHAT, chat_body(True, "one two three"))
    assert text_of(stream.rest()) == "You said: one two three"
    assert stream.status == 200
    assert stream.header("content-type").startswith("text/event-stream")
    assert stream.header("x-accel-buffering") == "no"

    sealed = database.value("SELECT api_key FROM plugin_api_keys WHERE "
                            "user_id = %d" % user["id"])
    key = upstream.user(made[0]["user_id"])["api_key"]
    assert Fernet(FERNET_KEY).decrypt(sealed.encode()).decode() == key


def test_second_sign_in_is_the_same_user(client, upstream):
    name = name_of_mark("again")
    first = sign_in(client, name)
    mark = upstream.ops_mark()
    second = sign_in(client, name)
    assert second.user["id"] == first.user["id"]
    assert second.access_token != first.access_token
    assert second.get("/api/plugin-api/accounts").status == 200
    assert upstream.ops(mark, "create") == []


def test_browser_flow(client, upstream):
    browser = Browser(client)
    last = browser.sign_in(name_of_mark("browser"), "/some/page")
    assert last.status in (302, 303), last
    assert last.header("location").split("#")[0] == "/some/page"
    assert last.header("cache-control") == "no-store"
    cookie = [c for c in last.header_all("set-cookie")
              if "HttpOnly" in c and "Max-Age=0" not in c]
    assert len(cookie) == 1 and "SameSite=Lax" in cookie[0]
    refreshed = browser.call("POST", "/api/auth/refresh")
    assert refreshed.status == 200, refreshed
    token = refreshed.json()["access_token"]
    assert client.get("/api/plugin-api/accounts", token).status == 200
    # A token never travels in a URL.
    assert token not in last.header("location")


@pytest.mark.parametrize("return_to", [
    "//evil.example/", "https://evil.example/", "/\\evil.example",
    "\\\\evil.example", "/%09/evil.example", "/%0d%0aX-A:b",
    "javascript:alert(1)", "http:evil.example", "/..//evil.example",
    "%2f%2fevil.example", "", "evil.example", "/%5cevil.example"])
def test_browser_flow_returns_to_this_site_only(client, return_to):
    browser = Browser(client)
    first = browser.get("/api/auth/login/linux_do?return_to=" + return_to)
    if first.status == 422 or first.status == 400:
        return
    back = approve(first.header("location"), "wanderer")
    last = browser.get("/api/auth/callback/linux_do?" +
                       back.split("?", 1)[1])
    where = last.header("location")
    assert where.startswith("/") and not where.startswith("//")
    assert "\\" not in where and "evil" not in where.split("?")[0][:2]


def test_state_is_bound_to_the_browser_and_used_once(client):
    browser = Browser(client)
    first = browser.get("/api/auth/login/linux_do")
    back = approve(first.header("location"), "carla")
    target = "/api/auth/callback/linux_do?" + back.split("?", 1)[1]
    stranger = client.get(target)
    assert stranger.status in (302, 303, 400)
    assert not [c for c in stranger.header_all("set-cookie")
                if "HttpOnly" in c and "Max-Age=0" not in c]
    query = query_of(back)
    again = client.get("/api/auth/sso/callback?code=%s&state=%s" % (
        query["code"], query["state"]))
    assert again.status == 400 and again.code == "invalid_state"


def test_callback_refuses_a_used_state(client):
    started = client.get("/api/auth/sso/initiate").json()
    back = query_of(approve(started["authorization_url"], "dan"))
    target = "/api/auth/sso/callback?code=%s&state=%s" % (
        back["code"], back["state"])
    first = client.get(target)
    assert first.status == 200
    second = client.get(target)
    assert second.status == 400 and second.code == "invalid_state"
    token = first.json()["access_token"]
    assert client.get("/api/auth/me", token).status == 200


def test_sign_in_sends_pkce_and_basic_auth(client, idp):
    mark = idp.mark()
    sign_in(client, name_of_mark("pkce"))
    asked, = idp.requests(mark, "/oauth2/authorize")
    token, = idp.requests(mark, "/oauth2/token")
    assert "code_challenge_method=S256" in asked["query"]
    assert b"code_verifier=" in token.body
    assert token.header("authorization").startswith("Basic ")
    assert b"client_secret" not in token.body


def test_many_first_sign_ins_of_one_person_make_one_user(client, upstream):
    import threading
    name, mark = name_of_mark("twins"), upstream.ops_mark()
    found, failed = [], []

    def one():
        try:
            found.append(sign_in(client, name).user["id"])
        except AssertionError as err:
            failed.append(err)
    threads = [threading.Thread(target=one) for _ in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert not failed and len(set(found)) == 1
    assert len(upstream.ops(mark, "create")) == 1


def test_taken_name_gets_a_suffix(client, idp):
    name = name_of_mark("same")
    first = sign_in(client, name)
    idp.person(name + "x", username=name)
    second = sign_in(client, name + "x")
    assert second.user["id"] != first.user["id"]
    assert second.user["username"] != name
    assert second.user["username"].startswith(name)


def test_last_use_is_recorded(session, database):
    assert session.get("/api/plugin-api/quotas/user").status == 200
    wait_until(lambda: session.get("/api/plugin-api/key")
               .json()["last_used_at"], 10, "last_used_at")
    assert database.value(
        "SELECT last_used_at > NOW(6) - INTERVAL 1 HOUR OR last_used_at > "
        "UTC_TIMESTAMP(6) - INTERVAL 1 HOUR FROM plugin_api_keys WHERE "
        "user_id = %d" % session.user["id"]) == "1"


def unb64(text):
    return base64.urlsafe_b64decode(text + "=" * (-len(text) % 4))


def test_token_claims(session):
    head, claims, mac = session.access_token.split(".")
    assert json.loads(unb64(head))["alg"] == "HS256"
    claims = json.loads(unb64(claims))
    assert set(claims) >= {"iss", "sub", "username", "iat", "exp", "jti",
                           "type"}
    assert claims["type"] == "access"
    assert claims["sub"] == str(session.user["id"])
    assert claims["exp"] - claims["iat"] == 24 * 3600
    signed = session.access_token.rpartition(".")[0].encode()
    assert hmac.digest(JWT_KEY.encode(), signed, "sha256") == unb64(mac)


def test_refresh_rotates_and_logout_ends(session):
    client = session.client
    first = client.post("/api/auth/refresh",
                        {"refresh_token": session.refresh_token})
    assert first.status == 200
    assert first.json()["refresh_token"] != session.refresh_token
    # Parallel tabs: again within the grace.
    assert client.post("/api/auth/refresh", {
        "refresh_token": session.refresh_token}).status == 200
    done = session.post("/api/auth/logout")
    assert done.json() == {"message": done.json()["message"],
                           "success": True}

    def ended():
        return session.get("/api/auth/me").status == 401
    wait_until(ended, 3, "the token to end")
    assert client.post("/api/auth/refresh", {
        "refresh_token": first.json()["refresh_token"]}).status == 401


def test_logout_all_ends_every_session(client):
    name = name_of_mark("all")
    one, two = sign_in(client, name), sign_in(client, name)
    assert two.post("/api/auth/logout-all").status == 200
    for session in (one, two):
        wait_until(lambda: session.get("/api/auth/me").status == 401, 3,
                   "both to end")
        assert client.post("/api/auth/refresh", {
            "refresh_token": session.refresh_token}).status == 401


def test_personal_key_calls_models_and_chat(session, client):
    made = session.post("/api/api-keys", {"name": "laptop",
                                          "config_type": "antigravity"})
    assert made.status == 200
    key = made.json()["key"]
    assert key.startswith("sk-")
    listed = session.get("/api/api-keys").json()
    assert [k["id"] for k in listed] == [made.json()["id"]]
    assert "key" not in listed[0] and listed[0]["key_preview"]
    for target in ("/v1/models", "/api/plugin-api/models"):
        assert client.get(target, key).status == 200
    assert client.get("/v1/models",
                      headers={"X-Api-Key": key}).status == 200
    answer = client.post("/v1/chat/completions", chat_body(), key)
    assert answer.status == 200
    refused = client.get("/api/plugin-api/accounts", key)
    assert refused.status == 401
    path = "/api/api-keys/%d" % made.json()["id"]
    assert session.call("PATCH", path + "/status",
                        json={"is_active": False}).status == 200
    wait_until(lambda: client.get("/v1/models", key).status == 401, 3,
               "the key to be off")
    assert session.call("DELETE", path).status == 200
    assert session.get(path).status == 404


def test_account_type_header_follows_the_key(session, client, upstream):
    kiro = session.post("/api/api-keys", {
        "name": "k", "config_type": "kiro"}).json()["key"]
    mark = upstream.mark()
    assert client.get("/v1/models", kiro).json()["data"][0]["owned_by"] \
        == "anthropic"
    session.get("/v1/models", headers={"X-Api-Type": "kiro"})
    session.get("/v1/models", headers={"X-Api-Type": "evil",
                                       "X-Account-Type": "kiro"})
    seen = [r.header("x-account-type")
            for r in upstream.requests(mark, "/v1/models")]
    assert seen[:2] == ["kiro", "kiro"]
    assert seen[2:] in ([], [None], ["antigravity"])


USAGE = {
    "/api/usage/quotas": {"user_quota", "shared_pool_quota"},
    "/api/usage/summary": {"accounts", "user_quotas", "shared_pool"},
    "/api/usage/shared-pool/stats": {"accounts", "quotas_by_model"},
}


@pytest.mark.parametrize("target", sorted(USAGE))
def test_usage_is_composed(session, target):
    answer = session.get(target)
    assert answer.status == 200, answer
    assert answer.json()["success"] is True
    assert set(answer.json()["data"]) >= USAGE[target]


def test_usage_shapes(session):
    stats = session.get("/api/usage/shared-pool/stats").json()["data"]
    assert stats["accounts"]["total_shared"] == 1
    model = stats["quotas_by_model"]["gemini-2.5-flash"]
    assert isinstance(model["total_quota"], (int, float))
    accounts = session.get("/api/usage/accounts").json()["data"]
    assert len(accounts) == 2 and all(a["quotas"] for a in accounts)
    rows = session.get("/api/usage/consumption?limit=5")
    assert rows.status == 200 and rows.json()["data"] == []
