"""The existing Next.js front-ends, unmodified: every call of every page,
with the members that the page reads.
"""
import json
import threading
from datetime import datetime, timedelta, timezone
from urllib.parse import quote, unquote

import pytest

from harness.frontend import CorsError, FrontEnd, PageError, shown
from harness.gateway import JWT_KEY
from harness.procs import name_of_mark
from harness.signin import approve, query_of
from harness.webserver import Front

API = "/api/plugin-api"
MODEL = "gemini-2.5-flash"
NUMBER = (int, float)
NOW = datetime.now(timezone.utc)


@pytest.fixture(scope="module")
def module_env():
    return {"FRONTEND_ORIGINS": FrontEnd.origin,
            "OAUTH_REDIRECT_URI": FrontEnd.origin + "/api/auth/callback"}


@pytest.fixture(scope="module")
def web(gateway):
    """The pages see the gateway behind its usual web server."""
    front = Front("lighttpd", gateway)
    yield front
    front.stop()


@pytest.fixture
def front(web):
    return FrontEnd(web.client)


@pytest.fixture
def person(front):
    front.sign_in(name_of_mark("front"))
    return front


def js_iso(when):
    """Date.prototype.toISOString()."""
    return when.strftime("%Y-%m-%dT%H:%M:%S.") + \
        "%03dZ" % (when.microsecond // 1000)


def is_time(value):
    """new Date(value) is a date."""
    datetime.fromisoformat(value.replace("Z", "+00:00"))
    return True


def is_real(value):
    return isinstance(value, NUMBER) and not isinstance(value, bool)


def asked_of(upstream, mark):
    """What people asked, without what the registrar asks at times."""
    return [r for r in upstream.requests(mark)
            if not r["path"].startswith("/api/users")]


def spoilt(token):
    """The same token, long expired."""
    import base64
    import hmac
    head, claims, _ = token.split(".")
    claims = json.loads(base64.urlsafe_b64decode(
        claims + "=" * (-len(claims) % 4)))
    claims["iat"] -= 100000
    claims["exp"] -= 100000
    text = base64.urlsafe_b64encode(json.dumps(claims).encode())
    signed = head + "." + text.decode().rstrip("=")
    mac = hmac.digest(JWT_KEY.encode(), signed.encode(), "sha256")
    return signed + "." + base64.urlsafe_b64encode(mac).decode().rstrip("=")


# -- login page ---------------------------------------------------------

def test_login_page(front):
    started = front.page("GET", "/api/auth/sso/initiate")
    assert started["authorization_url"].startswith("http")
    assert "state=" + started["state"] in started["authorization_url"]
    providers = front.page("GET", "/api/auth/oidc/providers")["providers"]
    assert [(p["id"], p["type"], p["enabled"]) for p in providers] == \
        [("linux_do", "linux_do", True)]
    assert providers[0]["name"] and "description" in providers[0]
    assert providers[0]["supports_refresh"] is True
    started = front.page("GET", "/api/auth/oidc/linux_do/login")
    assert started["authorization_url"] and started["state"]


def test_login_page_without_github(front):
    with pytest.raises(PageError) as error:
        front.page("GET", "/api/auth/github/login")
    assert error.value.answer.status == 404
    assert error.value.answer.code == "provider_not_configured"
    assert str(error.value)


def test_e_mail_box(front, person):
    found = front.page("GET", "/api/auth/check-username?username=" +
                       quote("nobody@example.com"))
    assert found == {"exists": False, "message": found["message"],
                     "username": "nobody@example.com"}
    name = person.local["user"]["username"]
    found = front.page("GET", "/api/auth/check-username?username=" + name)
    assert found["exists"] is True and found["message"]
    with pytest.raises(PageError) as error:
        front.page("POST", "/api/auth/email-login",
                   {"email": "nobody@example.com"})
    assert error.value.answer.status == 404 and str(error.value)


# -- callback route of the Next server ----------------------------------

def test_callback_route(front, web):
    login = front.sign_in(name_of_mark("next"))
    assert set(login) == {"access_token", "refresh_token", "token_type",
                          "expires_in", "user"}
    assert login["token_type"] == "bearer"
    assert isinstance(login["expires_in"], int)
    user = login["user"]
    assert list(user) == ["id", "username", "avatar_url", "trust_level",
                          "is_active", "is_silenced", "beta", "created_at",
                          "last_login_at"]
    assert isinstance(user["id"], int)
    assert user["beta"] == 0 and not isinstance(user["beta"], bool)
    assert user["is_active"] is True and user["is_silenced"] is False
    assert is_time(user["created_at"]) and is_time(user["last_login_at"])
    assert user["created_at"].endswith("Z")
    # The route puts all of it into a URL and cookies: they must fit.
    assert len(login["access_token"]) < 1000
    assert len(quote(quote(json.dumps(user)))) < 2000


def test_callback_route_shows_why_not(front):
    for query in ({"code": "x", "state": "y"},
                  {"code": "", "state": ""}):
        with pytest.raises(PageError) as error:
            front.callback(query)
        assert error.value.answer.status in (400, 422)
        assert str(error.value)


def test_callback_route_is_not_bound_to_a_browser(front, web):
    """The Next server has neither cookie nor origin of the browser."""
    url = front.page("GET", "/api/auth/sso/initiate")["authorization_url"]
    query = query_of(approve(url, name_of_mark("server")))
    other = FrontEnd(web.client)
    assert other.callback(query)["user"]["id"]


# -- dashboard ----------------------------------------------------------

def dashboard_calls():
    start = quote(js_iso(NOW - timedelta(hours=24)))
    end = quote(js_iso(NOW + timedelta(hours=1)))
    return ["/api/usage/shared-pool/stats",
            API + "/quotas/consumption?limit=1000",
            API + "/quotas/consumption?start_date=%s&end_date=%s" % (start,
                                                                    end),
            "/api/usage/shared-pool/stats", API + "/quotas/shared-pool"]


def together(calls, one):
    """Promise.all: the results in order, or the first failure."""
    results, failed = [None] * len(calls), []

    def run(i):
        try:
            results[i] = one(calls[i])
        except Exception as err:        # shown by the caller
            failed.append(err)
    threads = [threading.Thread(target=run, args=(i,))
               for i in range(len(calls))]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    if failed:
        raise failed[0]
    return results


def chat_once(person):
    return person.page("POST", "/v1/chat/completions", {
        "model": MODEL, "stream": False,
        "messages": [{"role": "user", "content": "hi"}]})


def test_dashboard(person, upstream):
    chat_once(person)
    mark = upstream.mark()
    stats, rows, of_a_day, _, pool = together(
        dashboard_calls(), lambda target: person.page("GET", target))
    accounts = stats["data"]["accounts"]
    assert (accounts["total_shared"], accounts["active_shared"]) == (1, 1)
    for row in stats["data"]["quotas_by_model"].values():
        assert is_real(row["total_quota"])
        assert "%.2f" % row["total_quota"]      # .toFixed(2)
        assert is_real(row["available_cookies"])
        assert is_time(row["earliest_reset_time"])
        assert row["status"] == 1
    for answer in (rows, of_a_day):
        assert len(answer["data"]) == 1
        assert is_time(answer["data"][0]["consumed_at"])
        assert float(answer["data"][0]["quota_consumed"]) > 0
    used = pool["data"]["user_consumption"]
    assert used["total_requests"] == 1
    assert is_real(used["total_quota_consumed"])
    of_a_day, all_rows = sorted(
        r["target"] for r in asked_of(upstream, mark)
        if "consumption" in r["path"])
    assert all_rows == "/api/quotas/consumption?limit=1000"
    assert of_a_day.startswith("/api/quotas/consumption?limit=100&")
    assert unquote(of_a_day).endswith("&start_date=%s&end_date=%s" % (
        js_iso(NOW - timedelta(hours=24)), js_iso(NOW + timedelta(hours=1))))


def test_dashboard_with_an_expired_token(person):
    """All cards fail at once and wait for one refresh."""
    person.local["access_token"] = spoilt(person.local["access_token"])
    results = together(dashboard_calls(),
                       lambda target: person.page("GET", target))
    assert all(r["success"] for r in results)
    assert person.refreshes == 1


def test_dashboard_twice_a_second(person):
    """Nothing of the front-end's usual traffic meets a limit."""
    for _ in range(4):
        together(dashboard_calls(), lambda target: person.page("GET",
                                                               target))


# -- usage --------------------------------------------------------------

def test_usage_shapes(person):
    chat_once(person)
    stats = person.page("GET", "/api/usage/shared-pool/stats")
    assert stats["success"] is True
    assert set(stats["data"]) == {"accounts", "quotas_by_model",
                                  "user_consumption", "note"}
    assert set(stats["data"]["accounts"]) == {
        "total_shared", "active_shared", "inactive_shared"}
    assert isinstance(stats["data"]["note"], str)

    quotas = person.page("GET", "/api/usage/quotas")
    assert quotas["success"] is True
    assert isinstance(quotas["data"]["user_quota"], list)
    assert isinstance(quotas["data"]["shared_pool_quota"], dict)
    assert isinstance(quotas["data"]["shared_pool_quota"]["quotas"], list)

    rows = person.page("GET", "/api/usage/accounts")["data"]
    assert len(rows) == 2
    assert all(len(row["quotas"]) >= 1 and row["cookie_id"] for row in rows)

    summary = person.page("GET", "/api/usage/summary")["data"]
    assert summary["accounts"] == {"total": 2, "active": 2, "inactive": 0}
    for row in summary["user_quotas"].values():
        assert is_real(row["current_quota"]) and is_real(row["max_quota"])
        assert is_time(row["last_recovered_at"])
    assert summary["user_quotas"][MODEL]["max_quota"] == 2
    assert isinstance(summary["shared_pool"], list)


def test_usage_counts_switched_off_accounts(person):
    rows = person.page("GET", API + "/accounts")["data"]
    shared = [r for r in rows if r["is_shared"]][0]
    person.page("PUT", API + "/accounts/%s/status" % shared["cookie_id"],
                {"status": 0})
    stats = person.page("GET", "/api/usage/shared-pool/stats")["data"]
    assert stats["accounts"] == {"total_shared": 1, "active_shared": 0,
                                 "inactive_shared": 1}
    summary = person.page("GET", "/api/usage/summary")["data"]
    assert summary["accounts"] == {"total": 2, "active": 1, "inactive": 1}


def test_usage_of_an_account_without_quotas(person, upstream):
    """One failing quota call leaves that account's list empty."""
    first = person.page("GET", API + "/accounts")["data"][0]["cookie_id"]
    upstream.fault(path="/api/accounts/%s/quotas" % first, status=500,
                   body='{"error":"无法获取配额信息"}', count=-1)
    rows = person.page("GET", "/api/usage/accounts")["data"]
    assert [len(r["quotas"]) == 0 for r in rows] == [
        r["cookie_id"] == first for r in rows]


def test_usage_fails_as_a_whole(person, upstream):
    upstream.fault(path="/api/quotas/shared-pool", status=500,
                   body='{"error":"boom"}', count=-1)
    for target in ("/api/usage/shared-pool/stats", "/api/usage/quotas",
                   "/api/usage/summary"):
        with pytest.raises(PageError) as error:
            person.page("GET", target)
        assert error.value.answer.status == 502 and str(error.value)


@pytest.mark.parametrize("path,default", [
    (API + "/quotas/consumption", 100), ("/api/usage/consumption", 50)])
def test_consumption_limits(person, upstream, path, default):
    for query, sent in (("", default), ("?limit=1000", 1000),
                        ("?limit=1", 1)):
        mark = upstream.mark()
        assert isinstance(person.page("GET", path + query)["data"], list)
        seen, = upstream.requests(mark, "/api/quotas/consumption")
        assert seen["query"] == "limit=%d" % sent
    mark = upstream.mark()
    for query in ("limit=0", "limit=1001", "limit=-1", "limit=x",
                  "limit=1&limit=2", "limit=%201", "limit=",
                  "start_date=yesterday", "end_date=2026-13-01"):
        with pytest.raises(PageError) as error:
            person.page("GET", path + "?" + query)
        assert error.value.answer.status == 422, query
        assert str(error.value)
    assert asked_of(upstream, mark) == []


# -- accounts page ------------------------------------------------------

ACCOUNT = ("cookie_id", "name", "status", "is_shared", "created_at",
           "last_used_at", "need_refresh", "project_id_0", "paid_tier",
           "is_restricted", "ineligible")


def test_accounts_page(person):
    rows = person.page("GET", API + "/accounts")["data"]
    assert isinstance(rows, list) and len(rows) == 2
    for row in rows:
        assert set(row) >= set(ACCOUNT)
    assert person.page("GET", "/api/auth/me")["beta"] == 0
    at = API + "/accounts/" + rows[0]["cookie_id"]
    assert person.page("GET", at)["data"]["cookie_id"] == \
        rows[0]["cookie_id"]
    quotas = person.page("GET", at + "/quotas")["data"]
    for row in quotas:
        assert set(row) >= {"quota_id", "model_name", "quota", "status",
                            "reset_time"}
        assert 0 <= float(row["quota"]) <= 1 and is_time(row["reset_time"])
    for what, body in (("/status", {"status": 0}), ("/status",
                                                   {"status": 1}),
                       ("/name", {"name": "我的账号"}),
                       ("/type", {"is_shared": 1}),
                       ("/quotas/%s/status" % MODEL, {"status": 0})):
        done = person.page("PUT", at + what, body)
        assert done["success"] is True and done["message"]
    now = person.page("GET", at)["data"]
    assert (now["name"], now["is_shared"], now["status"]) == ("我的账号",
                                                              1, 1)
    assert person.page("DELETE", at)["success"] is True
    assert len(person.page("GET", API + "/accounts")["data"]) == 1
    with pytest.raises(PageError) as error:
        person.page("GET", at)
    assert error.value.answer.status == 404
    assert str(error.value) == "账号不存在"


@pytest.mark.parametrize("is_shared", [0, 1])
def test_accounts_page_adds_an_account(person, is_shared):
    asked = person.page("POST", API + "/oauth/authorize",
                        {"is_shared": is_shared})["data"]
    assert asked["auth_url"].startswith("http") and asked["state"]
    done = person.page("POST", API + "/oauth/callback", {
        "callback_url": "http://localhost:42532/oauth-callback?state=%s"
        "&code=4/0%s&scope=email" % (asked["state"], asked["state"][:8])})
    assert done["data"]["is_shared"] == is_shared
    assert len(person.page("GET", API + "/accounts")["data"]) == 3


def test_accounts_page_shows_why_an_account_was_not_added(person):
    asked = person.page("POST", API + "/oauth/authorize", {})["data"]
    for url, words in (
            ("http://x/?error=access_denied&state=" + asked["state"],
             "access_denied"), ("nonsense", ""),
            ("http://x/?code=1&state=00000000-0000-4000-8000-000000000000",
             "")):
        with pytest.raises(PageError) as error:
            person.page("POST", API + "/oauth/callback",
                        {"callback_url": url})
        assert error.value.answer.status in (400, 409, 422)
        assert str(error.value) and words in str(error.value)
        assert "access_token" in person.local


# -- analytics ----------------------------------------------------------

def test_analytics_page(person):
    chat_once(person)
    assert person.page("GET", "/api/auth/me")["beta"] == 0
    for row in person.page("GET", API + "/quotas/user")["data"]:
        assert set(row) >= {"pool_id", "model_name", "quota", "max_quota",
                            "last_updated_at"}
        assert float(row["quota"]) <= float(row["max_quota"])
    rows = person.page("GET",
                       API + "/quotas/consumption?limit=1000")["data"]
    assert isinstance(rows, list) and len(rows) == 1
    assert set(rows[0]) >= {"log_id", "cookie_id", "model_name",
                            "is_shared", "quota_consumed", "consumed_at"}


# -- playground ---------------------------------------------------------

def read_as_the_playground(answer):
    """Its parser: lines `data: ` + JSON, everything else ignored."""
    content, thought, done = "", "", False
    for line in answer.text.split("\n"):
        if not line.startswith("data: "):
            continue
        if line[6:].strip() == "[DONE]":
            done = True
            continue
        try:
            delta = json.loads(line[6:])["choices"][0]["delta"]
        except (ValueError, KeyError, IndexError):
            continue
        content += delta.get("content", "")
        thought += delta.get("reasoning_content", "")
    return content, thought, done


def playground(person, **more):
    return person.call("POST", "/v1/chat/completions", {
        "model": MODEL, "stream": True,
        "messages": [{"role": "user", "content": "one two"}]}, **more)


@pytest.mark.parametrize("api_type", ["antigravity", "kiro"])
def test_playground(person, upstream, api_type):
    assert person.page("GET", API + "/quotas/user")["data"][0][
        "model_name"]
    upstream.settings(reasoning="Let me think.")
    try:
        mark = upstream.mark()
        answer = playground(person, X_Api_Type=api_type)
        assert answer.status == 200
        assert read_as_the_playground(answer) == (
            "You said: one two", "Let me think.", True)
        seen, = asked_of(upstream, mark)
        assert (seen.header("x-account-type") or "antigravity") == api_type
    finally:
        upstream.settings(reasoning=None)


@pytest.mark.parametrize("status,text,ours", [
    (500, "没有可用的账号，请添加账号", 409),
    (500, "所有账号对模型 M 的配额已耗尽或用户共享配额不足", 429),
    (429, "slow down", 429), (400, "bad model", 400),
    (401, '{"error":{"message":"Request had invalid credentials"}}', 502),
    (403, "All endpoints returned 403", 502), (500, "boom", 502)])
def test_playground_shows_upstream_failures(person, upstream, status, text,
                                            ours):
    """Inside a 200 the playground would show an empty answer; a 401 or
    403 would cost a refresh and a second chat."""
    upstream.fault(path="chat", status=status, body=json.dumps(
        {"error": text}))
    mark = upstream.mark()
    answer = playground(person, X_Api_Type="antigravity")
    assert answer.status == ours, answer
    assert shown(answer)
    assert person.refreshes == 0
    assert len(asked_of(upstream, mark)) == 1


def test_images(person):
    """Asked for with Accept: text/event-stream, answered as JSON."""
    answer = person.call(
        "POST", "/v1beta/models/gemini-3-pro-image:generateContent",
        {"contents": [{"role": "user", "parts": [{"text": "a cat"}]}],
         "generationConfig": {"imageConfig": {"aspectRatio": "1:1"}}},
        Accept="text/event-stream", X_Api_Type="antigravity")
    assert answer.status == 200
    assert "text/event-stream" not in answer.header("content-type")
    part = answer.json()["candidates"][0]["content"]["parts"][0]
    assert part["inlineData"]["mimeType"] == "image/png"


def test_desktop_helper_calls_with_the_page_s_token(person, web):
    """AntiHook got the token in its URL and is no browser."""
    answer = web.client.post(API + "/oauth/authorize", {"is_shared": 1},
                             person.local["access_token"])
    assert answer.status == 200 and answer.json()["data"]["auth_url"]


# -- settings, profile --------------------------------------------------

def test_settings_page(person):
    made = person.page("POST", "/api/api-keys", {
        "name": "laptop", "config_type": "antigravity"})
    assert made["key"].startswith("sk-") and made["name"] == "laptop"
    listed = person.page("GET", "/api/api-keys")
    assert isinstance(listed, list) and len(listed) == 1
    assert set(listed[0]) >= {"id", "name", "key_preview", "config_type",
                              "created_at", "last_used_at"}
    assert listed[0]["key_preview"] == made["key"][:8] + "..."
    done = person.page("DELETE", "/api/api-keys/%d" % made["id"])
    assert done["success"] is True and done["message"]
    assert person.page("GET", "/api/api-keys") == []
    for value in (1, 0):
        assert person.page("PUT", API + "/preference",
                           {"prefer_shared": value})["success"] is True
        assert person.page("GET", API + "/preference")["data"][
            "prefer_shared"] == value


def test_settings_page_of_the_first_front_end(person):
    """F0 creates keys with a name alone, or with none."""
    for body, name in (({"name": "old"}, "old"), ({}, None),
                       ({"name": None}, None)):
        made = person.page("POST", "/api/api-keys", body)
        assert made["config_type"] == "antigravity"
        assert made["name"] == name


def test_profile_page(person):
    me = person.page("GET", "/api/auth/me")
    assert set(me) == {"id", "username", "avatar_url", "trust_level",
                       "is_active", "is_silenced", "beta", "created_at",
                       "last_login_at"}
    assert me == dict(person.local["user"],
                      last_login_at=me["last_login_at"])
    with pytest.raises(PageError) as error:
        person.page("POST", "/api/auth/join-beta")
    assert error.value.answer.status == 404 and str(error.value)
    assert person.refreshes == 0


def test_logout_from_the_sidebar(person):
    token = person.local["refresh_token"]
    done = person.page("POST", "/api/auth/logout", {"refresh_token": token})
    assert done["success"] is True and done["message"]
    assert person.middleware().status == 401
    with pytest.raises(PageError) as error:
        person.page("GET", "/api/auth/me")
    assert "expired" in str(error.value) and person.local == {}


# -- refresh ------------------------------------------------------------

def test_a_post_is_repeated_after_a_refresh_and_done_once(person, upstream):
    person.local["access_token"] = spoilt(person.local["access_token"])
    mark = upstream.mark()
    person.page("POST", API + "/oauth/authorize", {"is_shared": 0})
    assert person.refreshes == 1
    assert len(asked_of(upstream, mark)) == 1


def test_403_costs_a_refresh_but_not_the_session(person, web, upstream):
    other = FrontEnd(web.client)
    other.sign_in(name_of_mark("other"))
    cookie = other.page("GET", API + "/accounts")["data"][0]["cookie_id"]
    with pytest.raises(PageError) as error:
        person.page("DELETE", API + "/accounts/" + cookie)
    assert error.value.answer.code == "not_your_account"
    assert "somebody else" in str(error.value)
    assert person.refreshes == 1
    assert person.page("GET", "/api/auth/me")["id"]
    assert len(other.page("GET", API + "/accounts")["data"]) == 2


def used_ago(database, token, seconds):
    """As if the token had been used first so long ago."""
    import hashlib
    database.sql(
        "UPDATE refresh_tokens SET first_used_at = first_used_at - INTERVAL "
        "%d SECOND WHERE token_hash = UNHEX('%s')" % (
            seconds, hashlib.sha256(token.encode()).hexdigest()))


def test_two_copies_drift_apart(person, database):
    """Cookies and localStorage hold the same token; both refresh."""
    shared = person.local["refresh_token"]
    assert shared == person.cookies["refresh_token"]
    assert person.middleware().status == 200
    used_ago(database, shared, 55)
    person.local["access_token"] = spoilt(person.local["access_token"])
    assert person.page("GET", "/api/auth/me")["id"]
    assert person.refreshes == 1
    tokens = {shared, person.local["refresh_token"],
              person.cookies["refresh_token"]}
    assert len(tokens) == 3
    # Later the first one is dead, and only that one.
    used_ago(database, shared, 6)
    late = person.client.post("/api/auth/refresh",
                              {"refresh_token": shared})
    assert late.status == 401 and late.code == "refresh_token_used"
    assert late.header("www-authenticate").startswith("Bearer")
    assert person.middleware().status == 200
    person.local["access_token"] = spoilt(person.local["access_token"])
    assert person.page("GET", "/api/auth/me")["id"]
    # And again: each copy goes its own way for good.
    for _ in range(3):
        assert person.middleware().status == 200
        assert person.refresh(person.local["access_token"])


def test_refresh_of_a_dead_copy_ends_that_copy_only(person, database):
    """What the page does then is its own: it wipes localStorage."""
    shared = person.local["refresh_token"]
    assert person.middleware().status == 200
    used_ago(database, shared, 61)
    person.local["access_token"] = spoilt(person.local["access_token"])
    with pytest.raises(PageError):
        person.page("GET", "/api/auth/me")
    assert person.local == {}
    assert person.middleware().status == 200
    assert person.client.get("/api/auth/me",
                             person.cookies["access_token"]).status == 200


# -- errors and CORS ----------------------------------------------------

def test_every_kind_of_error_is_shown(person, upstream):
    """A page with an empty error box is what users complain of."""
    cases = [
        ("GET", "/api/nothing", None, 404),
        ("POST", "/api/auth/me", None, 405),
        ("GET", API + "/accounts/a.b", None, 400),
        ("PUT", API + "/accounts/x/status", {"status": 5}, 422),
        ("PUT", API + "/accounts/x/status", {}, 422),
        ("PUT", API + "/accounts/x/status", [], 422),
        ("POST", "/api/api-keys", {"name": "n" * 101}, 422),
        ("POST", "/api/api-keys", {"config_type": "qwen"}, 422),
        ("GET", API + "/quotas/consumption?limit=0", None, 422),
        ("GET", "/api/auth/sso/callback", None, 422),
        ("GET", "/api/auth/check-username", None, 422),
        ("GET", "/api/api-keys/999999", None, 404),
        ("POST", "/v1/chat/completions", {"model": "m"}, 422),
    ]
    for method, target, body, status in cases:
        answer = person.call(method, target, body)
        assert answer.status == status, (target, answer)
        assert shown(answer), (target, answer)
        value = answer.json()
        assert set(value) == {"detail", "error", "request_id"}
        assert set(value["error"]) >= {"message", "type", "code"}
        assert value["request_id"] == answer.header("x-request-id")
        assert isinstance(value["detail"], list) == (status == 422)
        if status == 422:
            assert all({"loc", "msg", "type"} <= set(d)
                       for d in value["detail"])
    for body, status in (('{"error":"文字"}', 400), ("<html>", 500),
                         ('{"error":{"message":"m"}}', 409), ("", 502)):
        upstream.fault(path="/api/quotas/user", status=status, body=body)
        answer = person.call("GET", API + "/quotas/user")
        assert answer.status == (status if status < 500 else 502)
        assert shown(answer) and "<" not in shown(answer)


def test_texts_follow_the_browser_s_language(person):
    texts = [shown(person.call("GET", "/api/nothing", Accept_Language=tag))
             for tag in ("zh-CN,zh;q=0.9,en;q=0.8", "en-US,en;q=0.9",
                         "en;q=0.4, zh;q=0.9")]
    assert texts[0] == texts[2] != texts[1]
    assert texts[0] == "请求的资源不存在。"


def test_every_call_is_preflighted_and_passes(person, gateway):
    """All routes of the table, with what the pages send."""
    routes = gateway.ctl_json("routes")
    calls = [r for r in routes if r["path"].startswith(("/api/", "/v1"))]
    assert len(calls) >= 45
    for row in calls:
        target = row["path"].replace("{provider}", "linux_do").replace(
            "{id}", "1").replace("{file}", "x").replace(
                "{cookie_id}", "c").replace("{model}", "m").replace(
                    "{model_name}", "m")
        person.preflight(row["method"], target, [
            "authorization", "content-type", "x-api-type"], True)


def test_no_other_page_may_read_or_write(person, web):
    """The page of an attacker in the same browser."""
    evil = FrontEnd(web.client)
    evil.origin = "http://localhost:3001"
    evil.local = dict(person.local)
    for call in (lambda: evil.page("GET", "/api/auth/me"),
                 lambda: evil.page("DELETE", "/api/api-keys/1"),
                 lambda: evil.refresh(evil.local["access_token"])):
        with pytest.raises(CorsError):
            call()
