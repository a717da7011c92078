#!/usr/bin/python3
"""A small identity provider for demonstrations and tests.

It stands in for Linux.do (/oauth2/authorize, /oauth2/token, /api/user),
for GitHub (/login/oauth/authorize, /login/oauth/access_token, /user,
/user/emails) and for an OpenID Connect provider (/oidc/...).  Anybody
may sign in under any name: never use it for anything real.  Client id
and secret come from DEMO_IDP_CLIENT_ID and DEMO_IDP_CLIENT_SECRET.
"""
import argparse
import base64
import hashlib
import hmac
import html
import json
import os
import secrets
import signal
import sys
import threading
import time
from urllib.parse import parse_qs, unquote, urlencode, urlsplit

from control import start_control
from faults import Faults
from wire import Recorder, Reply, Server

CODE_LIFE_S = 300
SUGGESTED = ("alice", "bob", "carol")

PAGE = """<!DOCTYPE html>
<html lang="en">
<head>
<meta charset="utf-8">
<title>Demo sign-in</title>
<style>
body { font: 1rem/1.5 system-ui, sans-serif; max-width: 26rem;
       margin: 3rem auto; padding: 0 1rem; }
button, input { font: inherit; padding: .3rem .8rem; margin: .2rem 0; }
</style>
</head>
<body>
<h1>Demo sign-in</h1>
<p>This page stands in for %(kind)s. Choose who you are;
no password is asked.</p>
%(buttons)s
<form method="get" action="%(action)s">
%(hidden)s
<label>Another name <input name="auto" required maxlength="60"></label>
<button>Sign in</button>
</form>
<form method="get" action="%(action)s">
%(hidden)s
<input type="hidden" name="deny" value="1">
<button>Deny</button>
</form>
</body>
</html>
"""


def b64url(data):
    return base64.urlsafe_b64encode(data).decode().rstrip("=")


def reply_json(value, status=200):
    return Reply(status, json.dumps(value, ensure_ascii=False),
                 [("Content-Type", "application/json; charset=utf-8"),
                  ("Cache-Control", "no-store")])


def refused(status, error, text):
    return reply_json({"error": error, "error_description": text}, status)


def form_of(request):
    return {k: v[-1] for k, v in
            parse_qs(request.body.decode("utf-8", "replace"),
                     keep_blank_values=True).items()}


class Provider:
    """One kind of provider: where it lives and how it differs."""

    def __init__(self, kind, authorize, token, issuer=""):
        self.kind = kind
        self.authorize = authorize
        self.token = token
        self.issuer = issuer


class Idp:
    def __init__(self, clients, auto, redirects):
        self.lock = threading.Lock()
        self.clients = clients
        self.auto = auto
        self.redirects = redirects
        self.base_url = ""
        self.send_iss = True
        self.require_pkce = False
        self.people = {}
        self.codes = {}
        self.tokens = {}
        linux = Provider("Linux.do", "/oauth2/authorize", "/oauth2/token")
        github = Provider("GitHub", "/login/oauth/authorize",
                          "/login/oauth/access_token")
        self.oidc = Provider("an OpenID Connect provider",
                             "/oidc/authorize", "/oidc/token")
        self.routes = {
            ("GET", "/api/user"): self.linux_user,
            ("GET", "/user"): self.github_user,
            ("GET", "/user/emails"): self.github_emails,
            ("GET", "/oidc/userinfo"): self.oidc_user,
            ("GET", "/oidc/.well-known/openid-configuration"):
                self.discovery,
            ("GET", "/"): self.home,
        }
        for provider in (linux, github, self.oidc):
            self.routes[("GET", provider.authorize)] = \
                lambda r, p=provider: self.authorize(r, p)
            self.routes[("POST", provider.token)] = \
                lambda r, p=provider: self.token(r, p)

    def __call__(self, request):
        method = "GET" if request.method == "HEAD" else request.method
        handler = self.routes.get((method, request.path))
        if not handler:
            return refused(404, "not_found", "There is nothing here.")
        return handler(request)

    def home(self, request):
        return Reply(200, "The demo identity provider is running.\n",
                     [("Content-Type", "text/plain; charset=utf-8")])

    def person(self, name):
        """The same name is the same person for as long as we run."""
        with self.lock:
            if name not in self.people:
                digest = hashlib.sha256(name.encode()).digest()
                self.people[name] = {
                    "id": int.from_bytes(digest[:4], "big"),
                    "username": name, "name": name.title(),
                    "avatar_url": "", "trust_level": 2,
                    "email": name + "@example.com"}
            return dict(self.people[name])

    # -- authorize ------------------------------------------------------

    def authorize(self, request, provider):
        query = parse_qs(request.query, keep_blank_values=True)
        asked = {k: v[-1] for k, v in query.items()}
        wrong = self.wrong_request(asked)
        if wrong:
            return refused(400, "invalid_request", wrong)
        if "deny" in asked:
            return self.back(asked, provider,
                             {"error": "access_denied",
                              "error_description": "The user said no."})
        name = asked.get("auto") or self.auto
        if not name:
            return self.choose(asked, provider)
        code = secrets.token_urlsafe(24)
        with self.lock:
            self.codes[code] = {
                "name": name, "asked": asked, "kind": provider.kind,
                "until": time.time() + CODE_LIFE_S}
        return self.back(asked, provider, {"code": code})

    def wrong_request(self, asked):
        if asked.get("client_id") not in self.clients:
            return "unknown client_id"
        uri = asked.get("redirect_uri", "")
        if not urlsplit(uri).scheme or \
                (self.redirects and uri not in self.redirects):
            return "redirect_uri is not registered"
        if asked.get("response_type", "code") != "code":
            return "response_type must be code"
        if not asked.get("state"):
            return "state is missing"
        if asked.get("code_challenge") and \
                asked.get("code_challenge_method") != "S256":
            return "code_challenge_method must be S256"
        if self.require_pkce and not asked.get("code_challenge"):
            return "code_challenge is missing"
        return None

    def back(self, asked, provider, answer):
        answer = dict(answer, state=asked["state"])
        if provider is self.oidc and self.send_iss:
            answer["iss"] = self.base_url + "/oidc"
        uri = asked["redirect_uri"]
        uri += ("&" if "?" in uri else "?") + urlencode(answer)
        return Reply(302, b"", [("Location", uri),
                                ("Cache-Control", "no-store")])

    def choose(self, asked, provider):
        hidden = "\n".join(
            '<input type="hidden" name="%s" value="%s">'
            % (html.escape(k), html.escape(v)) for k, v in asked.items())
        buttons = "\n".join(
            '<form method="get" action="%s">%s<input type="hidden" '
            'name="auto" value="%s"><button>Sign in as %s</button></form>'
            % (provider.authorize, hidden, n, n)
            for n in ("demo",) + SUGGESTED)
        return Reply(200, PAGE % {
            "kind": provider.kind, "buttons": buttons, "hidden": hidden,
            "action": provider.authorize},
            [("Content-Type", "text/html; charset=utf-8"),
             ("Content-Security-Policy",
              "default-src 'none'; style-src 'unsafe-inline'"),
             ("Cache-Control", "no-store")])

    # -- token ----------------------------------------------------------

    def client_of(self, request, form):
        """The client id when the secret is right, else None."""
        value = request.header("authorization") or ""
        if value.startswith("Basic "):
            try:
                text = base64.b64decode(value[6:], validate=True).decode()
            except ValueError:
                return None
            client, _, secret = text.partition(":")
            client, secret = unquote(client), unquote(secret)
        else:
            client = form.get("client_id", "")
            secret = form.get("client_secret", "")
        want = self.clients.get(client)
        if want is None or not hmac.compare_digest(want.encode(),
                                                   secret.encode()):
            return None
        return client

    def token(self, request, provider):
        form = form_of(request)
        client = self.client_of(request, form)
        basic = (request.header("authorization") or "").startswith("Basic ")
        if not client or (provider.token == "/oauth2/token" and not basic):
            return refused(401, "invalid_client", "Client not known.")
        wrong, grant = self.redeem(form, client, provider)
        if wrong:
            # GitHub tells of errors inside a 200.
            status = 200 if provider.kind == "GitHub" else 400
            return refused(status, "bad_verification_code"
                           if status == 200 else "invalid_grant", wrong)
        return reply_json(self.issue(grant, client, provider))

    def redeem(self, form, client, provider):
        with self.lock:
            grant = self.codes.pop(form.get("code", ""), None)
        if form.get("grant_type", "authorization_code") != \
                "authorization_code":
            return "grant_type must be authorization_code", None
        if not grant or grant["until"] < time.time():
            return "The code is unknown, used or old.", None
        asked = grant["asked"]
        if grant["kind"] != provider.kind or asked["client_id"] != client:
            return "The code was given to somebody else.", None
        if form.get("redirect_uri") != asked["redirect_uri"]:
            return "redirect_uri differs.", None
        challenge = asked.get("code_challenge")
        if challenge:
            verifier = form.get("code_verifier", "")
            digest = hashlib.sha256(verifier.encode()).digest()
            if not 43 <= len(verifier) <= 128 or \
                    b64url(digest) != challenge:
                return "code_verifier is wrong.", None
        return None, grant

    def issue(self, grant, client, provider):
        token = "idp-" + secrets.token_urlsafe(24)
        with self.lock:
            self.tokens[token] = grant["name"]
        answer = {"access_token": token, "token_type": "bearer",
                  "scope": grant["asked"].get("scope", "")}
        if provider.kind != "GitHub":
            answer["expires_in"] = 3600
            answer["refresh_token"] = "idpr-" + secrets.token_urlsafe(24)
        if provider is self.oidc:
            answer["id_token"] = self.id_token(grant, client)
        return answer

    def id_token(self, grant, client):
        now = int(time.time())
        claims = {"iss": self.base_url + "/oidc",
                  "sub": str(self.person(grant["name"])["id"]),
                  "aud": client, "iat": now, "exp": now + 300}
        if grant["asked"].get("nonce"):
            claims["nonce"] = grant["asked"]["nonce"]
        signed = ".".join(b64url(json.dumps(part).encode()) for part in
                          ({"alg": "HS256", "typ": "JWT"}, claims))
        mac = hmac.new(self.clients[client].encode(), signed.encode(),
                       hashlib.sha256).digest()
        return signed + "." + b64url(mac)

    # -- who is it ------------------------------------------------------

    def bearer_person(self, request):
        value = request.header("authorization") or ""
        kind, _, token = value.partition(" ")
        if kind.lower() not in ("bearer", "token"):
            return None
        with self.lock:
            name = self.tokens.get(token)
        return self.person(name) if name else None

    def shown(self, request, view):
        person = self.bearer_person(request)
        if not person:
            return refused(401, "invalid_token", "The token is not valid.")
        return reply_json(view(person))

    def linux_user(self, request):
        return self.shown(request, lambda p: {
            k: v for k, v in p.items() if k != "email"})

    def github_user(self, request):
        return self.shown(request, lambda p: {
            "id": p["id"], "login": p["username"], "name": p["name"],
            "avatar_url": p["avatar_url"], "email": None})

    def github_emails(self, request):
        return self.shown(request, lambda p: [
            {"email": p["email"], "primary": True, "verified": True,
             "visibility": None}])

    def oidc_user(self, request):
        return self.shown(request, lambda p: {
            "sub": str(p["id"]), "preferred_username": p["username"],
            "name": p["name"], "picture": p["avatar_url"],
            "email": p["email"], "email_verified": True})

    def discovery(self, request):
        base = self.base_url
        return reply_json({
            "issuer": base + "/oidc",
            "authorization_endpoint": base + "/oidc/authorize",
            "token_endpoint": base + "/oidc/token",
            "userinfo_endpoint": base + "/oidc/userinfo",
            "jwks_uri": base + "/oidc/jwks",
            "response_types_supported": ["code"],
            "subject_types_supported": ["public"],
            "id_token_signing_alg_values_supported": ["HS256"],
            "scopes_supported": ["openid", "profile", "email"],
            "token_endpoint_auth_methods_supported":
                ["client_secret_basic", "client_secret_post"],
            "code_challenge_methods_supported": ["S256"],
            "authorization_response_iss_parameter_supported":
                self.send_iss})


def control_routes(idp):
    def person(query, body):
        name = body["name"]
        idp.person(name)
        with idp.lock:
            idp.people[name].update(body.get("set", {}))
        return {}

    def settings(query, body):
        for name, value in body.items():
            if name not in ("auto", "send_iss", "require_pkce",
                            "redirects"):
                raise KeyError(name)
            setattr(idp, name, value)
        return {}

    return {("POST", "person"): person, ("POST", "settings"): settings}


def options():
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--host", default="127.0.0.1")
    parser.add_argument("--port", type=int, default=8046,
                        help="0 takes a free one")
    parser.add_argument("--public-url", metavar="URL",
                        help="how a browser reaches this server")
    parser.add_argument("--auto", metavar="NAME",
                        help="sign everybody in under this name at once")
    parser.add_argument("--redirect-uri", action="append", default=[],
                        help="registered address; any, when none is given")
    parser.add_argument("--requests", metavar="FILE",
                        help="one line per request, bodies included")
    parser.add_argument("--control", type=int, metavar="PORT",
                        help="control interface for tests")
    return parser.parse_args()


def main():
    args = options()
    client = os.environ.get("DEMO_IDP_CLIENT_ID")
    secret = os.environ.get("DEMO_IDP_CLIENT_SECRET")
    if not client or not secret:
        sys.exit("idp: set DEMO_IDP_CLIENT_ID and DEMO_IDP_CLIENT_SECRET")
    threading.stack_size(512 * 1024)
    idp = Idp({client: secret}, args.auto, args.redirect_uri)
    server = Server(idp, Faults(),
                    Recorder(args.requests, args.control is not None))
    port = server.listen_tcp(args.host, args.port)
    idp.base_url = args.public_url or "http://localhost:%d" % port
    print("listening on %s:%d" % (args.host, port), flush=True)
    if args.control is not None:
        print("control on 127.0.0.1:%d" % start_control(
            server, args.control, control_routes(idp)), flush=True)
    done = threading.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: done.set())
    done.wait()


if __name__ == "__main__":
    main()
