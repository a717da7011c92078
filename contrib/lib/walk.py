#!/usr/bin/python3
"""Walks the main job once against the demo provider: sign in, account
created, accounts listed, chat answered, chat streamed.  Prints one line
per step; exits 1 at the first that fails.

usage: walk.py GATEWAY_URL
"""
import http.client
import json
import sys
import time
import urllib.error
import urllib.request
from urllib.parse import parse_qs, urlencode, urlsplit

ACCOUNT_DEADLINE_S = 30
TIMEOUT_S = 60
NAME = "quickstart"


class Failed(Exception):
    pass


class NoRedirect(urllib.request.HTTPRedirectHandler):
    def redirect_request(self, *_):
        return None


OPENER = urllib.request.build_opener(urllib.request.ProxyHandler({}),
                                     NoRedirect())


def ask(url, token=None, body=None):
    """Returns status, header fields and body."""
    request = urllib.request.Request(url)
    if token:
        request.add_header("Authorization", "Bearer " + token)
    if body is not None:
        request.add_header("Content-Type", "application/json")
        request.data = json.dumps(body).encode()
    try:
        with OPENER.open(request, timeout=TIMEOUT_S) as answer:
            return answer.status, answer.headers, answer.read()
    except urllib.error.HTTPError as answer:
        return answer.code, answer.headers, answer.read()
    except (OSError, http.client.HTTPException) as problem:
        raise Failed("%s: %s" % (url.split("?")[0], problem)) from problem


def want(url, token=None, body=None):
    """The JSON of a 200 answer."""
    status, _, text = ask(url, token, body)
    if status != 200:
        raise Failed("%s answered %d: %s" % (
            url.split("?")[0], status, text[:300].decode("utf-8", "replace")))
    return json.loads(text)


def sign_in(base):
    start = want(base + "/api/auth/sso/initiate")
    url = start["authorization_url"] + "&" + urlencode({"auto": NAME})
    status, headers, _ = ask(url)
    if status not in (302, 303, 307):
        raise Failed("the demo provider answered %d" % status)
    back = parse_qs(urlsplit(headers["Location"]).query)
    query = urlencode({"code": back["code"][0], "state": back["state"][0]})
    answer = want(base + "/api/auth/sso/callback?" + query)
    return answer["access_token"], "signed in as %s (user %s)" % (
        answer["user"]["username"], answer["user"]["id"])


def account(base, token):
    deadline = time.monotonic() + ACCOUNT_DEADLINE_S
    while True:
        key = want(base + "/api/plugin-api/key", token)
        if key["status"] == "ok":
            return "upstream account %s" % key["plugin_user_id"]
        if time.monotonic() > deadline:
            raise Failed("still %s: %s" % (key["status"], key.get("reason")))
        time.sleep(0.2)


def accounts(base, token):
    answer = want(base + "/api/plugin-api/accounts", token)
    return "%d accounts" % len(answer["data"])


def model(base, token):
    return want(base + "/v1/models", token)["data"][0]["id"]


def chat(base, token):
    body = {"model": model(base, token), "stream": False,
            "messages": [{"role": "user", "content": "Hello"}]}
    answer = want(base + "/v1/chat/completions", token, body)
    return repr(answer["choices"][0]["message"]["content"][:60])


def stream(base, token):
    body = {"model": model(base, token), "stream": True,
            "messages": [{"role": "user", "content": "Hello"}]}
    status, headers, text = ask(base + "/v1/chat/completions", token, body)
    lines = [line[6:] for line in text.decode().split("\n")
             if line.startswith("data: ")]
    if status != 200 or not lines or lines[-1].strip() != "[DONE]":
        raise Failed("answered %d %s without an end: %s" % (
            status, headers["Content-Type"], text[:300]))
    if any('"error"' in line for line in lines):
        raise Failed("an error inside the stream: %s" % lines[-2][:300])
    return "%d events, then [DONE]" % (len(lines) - 1)


def main():
    base = sys.argv[1].rstrip("/")
    token = None
    steps = (("sign in", sign_in), ("account created", account),
             ("accounts listed", accounts), ("chat answered", chat),
             ("chat streamed", stream))
    for name, step in steps:
        try:
            if token is None:
                token, result = step(base)
            else:
                result = step(base, token)
        except (Failed, KeyError, IndexError, TypeError, ValueError) as why:
            print("    FAILED  %-16s %s" % (name, why), flush=True)
            sys.exit(1)
        print("    ok      %-16s %s" % (name, result), flush=True)


if __name__ == "__main__":
    main()
