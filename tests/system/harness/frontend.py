"""The existing Next.js front-end, as far as the gateway can tell.

Its browser half lives at an origin of its own: every call goes through
the rules of the Fetch standard for cross-origin calls, so a header that
our CORS answer lacks blocks a page here as it does there.  Its server
half (callback route, middleware) calls without an origin and keeps a
copy of the tokens in cookies, beside the browser's localStorage.
"""
import json
import threading

from .signin import approve, query_of

SAFE_METHODS = ("GET", "HEAD", "POST")
SAFE_TYPES = ("application/x-www-form-urlencoded", "multipart/form-data",
              "text/plain")


class CorsError(Exception):
    """The browser would have kept the answer from the page."""


class PageError(Exception):
    """What the page shows in its red box."""

    def __init__(self, message, answer):
        super().__init__(message)
        self.answer = answer


def unsafe_names(headers):
    """Header names that need a preflight (Fetch, CORS-safelisted)."""
    names = []
    for name, value in headers.items():
        low = name.lower()
        if low in ("accept", "accept-language", "content-language"):
            continue
        if low == "content-type" and value.split(";")[0] in SAFE_TYPES:
            continue
        names.append(low)
    return sorted(names)


def split(value):
    return [part.strip() for part in (value or "").split(",")]


def shown(answer):
    """The text that the page's handleResponse makes of an error."""
    try:
        detail = answer.json().get("detail")
    except ValueError:
        return ""
    if isinstance(detail, str):
        return detail
    if isinstance(detail, list):
        return ", ".join(item["msg"] for item in detail)
    if isinstance(detail, dict):
        return detail.get("error") or detail.get("message") or ""
    return ""


class FrontEnd:
    origin = "http://localhost:3000"

    def __init__(self, client):
        self.client = client
        self.local = {}         # localStorage
        self.cookies = {}       # held by the Next server
        self.preflights = 0
        self.refreshes = 0
        self.lock = threading.Lock()

    # -- the browser ----------------------------------------------------

    def preflight(self, method, target, names, credentials):
        answer = self.client.call("OPTIONS", target, headers={
            "Origin": self.origin,
            "Access-Control-Request-Method": method,
            "Access-Control-Request-Headers": ",".join(names)})
        self.preflights += 1
        if not 200 <= answer.status <= 299:
            raise CorsError("preflight of %s %s: %r" % (method, target,
                                                        answer))
        self.admit(answer, credentials)
        methods = split(answer.header("access-control-allow-methods"))
        if method not in SAFE_METHODS and method not in methods:
            raise CorsError("%s is not among %s" % (method, methods))
        allowed = [n.lower() for n in split(
            answer.header("access-control-allow-headers"))]
        missing = [n for n in names if n not in allowed]
        if missing:
            raise CorsError("%s not among %s" % (missing, allowed))

    def admit(self, answer, credentials):
        allowed = answer.header("access-control-allow-origin")
        if allowed != self.origin and (credentials or allowed != "*"):
            raise CorsError("origin %s, allowed %s: %r" % (
                self.origin, allowed, answer))
        if credentials and answer.header(
                "access-control-allow-credentials") != "true":
            raise CorsError("credentials are not allowed")

    def fetch(self, method, target, headers, body=None, credentials=False):
        names = unsafe_names(headers)
        if names or method not in SAFE_METHODS:
            self.preflight(method, target, names, credentials)
        if body is None and method in ("POST", "PUT", "PATCH"):
            body = b""          # a browser sends Content-Length: 0
        answer = self.client.call(
            method, target, headers=dict(headers, Origin=self.origin),
            body=body)
        self.admit(answer, credentials)
        return answer

    def headers(self, **more):
        """Content-Type on every call, GET included."""
        headers = {"Content-Type": "application/json"}
        if self.local.get("access_token"):
            headers["Authorization"] = "Bearer " + \
                self.local["access_token"]
        headers.update({k.replace("_", "-"): v for k, v in more.items()})
        return headers

    def refresh(self, stale):
        """Callers that failed together share one refresh."""
        with self.lock:
            if self.local.get("access_token") != stale:
                return "access_token" in self.local
            self.refreshes += 1
            answer = self.fetch(
                "POST", "/api/auth/refresh",
                {"Content-Type": "application/json"},
                json.dumps({"refresh_token":
                            self.local["refresh_token"]}).encode(), True)
            if answer.status != 200:
                self.local = {}
                return False
            pair = answer.json()
            for name in ("access_token", "refresh_token"):
                self.local[name] = pair[name]
            self.local["expires_in"] = pair["expires_in"] + 0
            return True

    def call(self, method, target, json_body=None, **more):
        """fetchWithAuth: any 401 or 403, a refresh, once more."""
        body = None if json_body is None else json.dumps(json_body).encode()
        stale = self.local.get("access_token")
        answer = self.fetch(method, target, self.headers(**more), body)
        if answer.status in (401, 403) and "refresh_token" in self.local:
            if not self.refresh(stale):
                raise PageError("Session expired, please login again",
                                answer)
            answer = self.fetch(method, target, self.headers(**more), body)
        return answer

    def page(self, method, target, json_body=None, **more):
        """What a page goes on with: the JSON, or an error box."""
        answer = self.call(method, target, json_body, **more)
        if answer.status != 200:
            raise PageError(shown(answer), answer)
        return answer.json()

    # -- the Next server ------------------------------------------------

    def sign_in(self, name):
        """The whole way: button, provider, callback route, redirect."""
        url = self.page("GET", "/api/auth/sso/initiate")[
            "authorization_url"]
        back = approve(url, name)
        assert back.startswith(self.origin + "/api/auth/callback?"), back
        return self.callback(query_of(back))

    def callback(self, query):
        answer = self.client.get("/api/auth/sso/callback?code=%s&state=%s" %
                                 (query["code"], query["state"]))
        if answer.status != 200:
            raise PageError(shown(answer), answer)
        login = answer.json()
        # The redirect to /dashboard carries them into localStorage too.
        for name in ("access_token", "refresh_token"):
            self.local[name] = self.cookies[name] = login[name]
        self.local["user"] = json.loads(json.dumps(login["user"]))
        self.local["expires_in"] = login["expires_in"] + 0
        return login

    def middleware(self):
        """/dashboard without the cookie access_token."""
        answer = self.client.post("/api/auth/refresh", {
            "refresh_token": self.cookies["refresh_token"]})
        if answer.status == 200:
            self.cookies.update(answer.json())
        return answer
