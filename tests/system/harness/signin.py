"""Signing in as a person at the demo identity provider."""
from urllib.parse import parse_qs, urlsplit

import requests

from .fastcgi import target_of


class Session:
    """What the JSON flow gave, and calls made with it."""

    def __init__(self, client, answer):
        self.client = client
        self.answer = answer
        self.access_token = answer["access_token"]
        self.refresh_token = answer["refresh_token"]
        self.user = answer["user"]

    def call(self, method, target, **more):
        return self.client.call(method, target, token=self.access_token,
                                **more)

    def get(self, target, **more):
        return self.call("GET", target, **more)

    def post(self, target, json=None, **more):
        return self.call("POST", target, json=json, **more)

    def put(self, target, json=None, **more):
        return self.call("PUT", target, json=json, **more)

    def stream(self, target, json, **more):
        return self.client.stream("POST", target, json=json,
                                  token=self.access_token, **more)


def approve(url, name):
    """Where the provider sends the browser of that person."""
    answer = requests.get(url, params={"auto": name}, timeout=10,
                          allow_redirects=False)
    assert answer.status_code == 302, answer.text
    return answer.headers["Location"]


def query_of(url):
    return {k: v[0] for k, v in parse_qs(urlsplit(url).query).items()}


def sign_in(client, name, initiate="/api/auth/sso/initiate"):
    """The JSON flow, as the existing front-ends do it."""
    started = client.get(initiate)
    assert started.status == 200, started
    back = query_of(approve(started.json()["authorization_url"], name))
    assert back["state"] == started.json()["state"]
    answer = client.get("/api/auth/sso/callback?code=%s&state=%s" % (
        back["code"], back["state"]))
    assert answer.status == 200, answer
    return Session(client, answer.json())


class Browser:
    """Cookies and redirects, like a browser at one origin."""

    def __init__(self, client):
        self.client = client
        self.cookies = {}

    def get(self, target, **more):
        return self.call("GET", target, **more)

    def call(self, method, target, **more):
        headers = dict(more.pop("headers", {}))
        if self.cookies:
            headers["Cookie"] = "; ".join(
                "%s=%s" % pair for pair in self.cookies.items())
        answer = self.client.call(method, target, headers=headers, **more)
        for line in answer.header_all("set-cookie"):
            pair, *attributes = [p.strip() for p in line.split(";")]
            name, _, value = pair.partition("=")
            gone = any(a.lower() == "max-age=0" for a in attributes)
            if gone or not value:
                self.cookies.pop(name, None)
            else:
                self.cookies[name] = value
        return answer

    def sign_in(self, name, return_to="/"):
        """Returns the last redirect of the flow."""
        first = self.get("/api/auth/login/linux_do?return_to=" + return_to)
        assert first.status in (302, 303), first
        back = approve(first.header("location"), name)
        return self.get(target_of(back))
