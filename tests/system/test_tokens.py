"""Access tokens: only ours, whole, unexpired and not ended."""
import base64
import hashlib
import hmac
import json
import time

import pytest

from harness.gateway import JWT_KEY
from harness.procs import name_of_mark, wait_until
from harness.signin import sign_in


def b64(data):
    if isinstance(data, (dict, list, str)):
        data = json.dumps(data, separators=(",", ":")).encode()
    return base64.urlsafe_b64encode(data).decode().rstrip("=")


def unb64(text):
    return base64.urlsafe_b64decode(text + "=" * (-len(text) % 4))


HEAD = {"alg": "HS256", "typ": "JWT"}


def sign(head, claims, key=JWT_KEY, hash_name="sha256"):
    signed = b64(head) + "." + b64(claims)
    mac = hmac.digest(key.encode(), signed.encode(), hash_name)
    return signed + "." + b64(mac)


@pytest.fixture(scope="module")
def good(gateway):
    """A real token's header and claims."""
    session = sign_in(gateway.client, name_of_mark("token"))
    head, claims, _ = session.access_token.split(".")
    return json.loads(unb64(head)), json.loads(unb64(claims))


def status_of(client, token):
    answer = client.get("/api/auth/me", token)
    if answer.status != 200:
        assert answer.header("www-authenticate").startswith("Bearer")
        assert answer.code in ("invalid_token", "token_expired",
                               "token_revoked", "unauthorized",
                               "invalid_api_key"), answer
    return answer.status


def test_our_own_signature_is_accepted(client, good):
    """The positive control of all that follows."""
    assert status_of(client, sign(*good)) == 200


HEADS = [
    {"alg": "none", "typ": "JWT"}, {"alg": "None"}, {"alg": "NONE"},
    {"alg": "nOnE"}, {"alg": "hs256"}, {"alg": "HS512"}, {"alg": "HS384"},
    {"alg": "RS256"}, {"alg": "ES256"}, {"alg": "PS256"}, {"alg": ""},
    {"alg": None}, {"alg": ["HS256"]}, {"alg": 1}, {},
    {"typ": "JWT"}, {"alg": "HS256", "typ": "at+jwt"},
    {"alg": "HS256", "typ": 1}, {"alg": "HS256", "crit": ["exp"]},
    {"alg": "HS256", "crit": []}, [], "HS256",
]


@pytest.mark.parametrize("head", HEADS)
def test_other_headers_are_refused(client, good, head):
    for token in (sign(head, good[1]),
                  b64(head) + "." + b64(good[1]) + ".",
                  b64(head) + "." + b64(good[1])):
        assert status_of(client, token) == 401


@pytest.mark.parametrize("extra", [
    {"kid": "../../../../dev/null"}, {"kid": "' OR 1=1 --"},
    {"kid": "http://127.0.0.1:1/k"}, {"kid": 7}, {"kid": ""},
    {"jku": "http://127.0.0.1:1/"}, {"x5u": "http://127.0.0.1:1/"},
    {"jwk": {"kty": "oct", "k": "AA"}}])
def test_key_hints_do_not_lead_anywhere(client, good, extra):
    """A wrong key stays wrong, whatever the header says of it."""
    head = dict(good[0], **extra)
    assert status_of(client, sign(head, good[1], key="")) == 401
    assert status_of(client, sign(head, good[1], key="k" * 40)) == 401


def test_other_hash_of_the_right_key(client, good):
    for alg, name in (("HS384", "sha384"), ("HS512", "sha512")):
        head = dict(good[0], alg=alg)
        assert status_of(client, sign(head, good[1],
                                      hash_name=name)) == 401


NOW = time.time

# claim, value(now) or None for "missing"
CLAIMS = [
    ("exp", None), ("exp", lambda n: n - 60), ("exp", lambda n: str(n + 60)),
    ("exp", lambda n: n + 60.5), ("exp", lambda n: 1e300),
    ("exp", lambda n: -1), ("exp", lambda n: 0), ("exp", lambda n: 2 ** 63),
    ("exp", lambda n: True), ("exp", lambda n: [n + 60]),
    ("exp", lambda n: n + 25 * 3600), ("exp", lambda n: n + 10 ** 9),
    ("iat", None), ("iat", lambda n: n + 120), ("iat", lambda n: str(n)),
    ("iat", lambda n: -1), ("iat", lambda n: 2 ** 63),
    ("iss", None), ("iss", lambda n: "evil"), ("iss", lambda n: 1),
    ("iss", lambda n: ["plugway"]),
    ("sub", None), ("sub", lambda n: ""), ("sub", lambda n: 1),
    ("sub", lambda n: "abc"), ("sub", lambda n: "-1"),
    ("sub", lambda n: "0"), ("sub", lambda n: "1 "),
    ("sub", lambda n: "01"), ("sub", lambda n: "99999999999999999999"),
    ("sub", lambda n: "1e0"), ("sub", lambda n: None),
    ("jti", None), ("jti", lambda n: ""), ("jti", lambda n: 5),
    ("type", None), ("type", lambda n: "refresh"), ("type", lambda n: 1),
    ("username", None), ("username", lambda n: 1),
    ("nbf", lambda n: n + 3600), ("nbf", lambda n: "x"),
]


@pytest.mark.parametrize("name,value", CLAIMS,
                         ids=["%s-%d" % (c[0], i)
                              for i, c in enumerate(CLAIMS)])
def test_wrong_claims_are_refused(client, good, name, value):
    claims = dict(good[1])
    if value is None:
        del claims[name]
    else:
        claims[name] = value(int(time.time()))
    assert status_of(client, sign(good[0], claims)) == 401


def test_unknown_user_is_refused(client, good):
    claims = dict(good[1], sub="4000000000")
    assert status_of(client, sign(good[0], claims)) == 401


def shapes(token):
    head, claims, mac = token.split(".")
    yield from (
        "", ".", "..", "...", "a.b.c", token + ".", "." + token,
        token + "=", token + "A", token[:-1], token + "\u00e9", head,
        head + "." + claims, head + "." + claims + ".", head + ".." + mac,
        "." + claims + "." + mac, token + "." + mac, token.replace(".", "!"),
        head + "=." + claims + "." + mac, token + "," + token,
        head + "." + claims + "." + mac[:-1] + ("A" if mac[-1] != "A"
                                                else "Q"),
        head + "." + b64(b"[]") + "." + mac, "A" * 5000,
        head + "." + "A" * 60000 + "." + mac)


def test_other_shapes_are_refused(client, good):
    token = sign(*good)
    seen = 0
    for shape in shapes(token):
        answer = client.get("/api/auth/me", headers={
            "Authorization": "Bearer " + shape.encode().decode("latin-1")})
        assert answer.status in (400, 401), shape[:80]
        seen += 1
    assert seen == 24


def test_every_flipped_character_is_refused(client, good):
    token = sign(*good)
    for at in range(0, len(token), 7):
        if token[at] == ".":
            continue
        other = "B" if token[at] == "A" else "A"
        broken = token[:at] + other + token[at + 1:]
        assert status_of(client, broken) == 401, at


def test_duplicate_claims_and_deep_payloads(client, good):
    text = json.dumps(good[1])
    for payload in (text[:-1] + ',"sub":"1"}', text + "x", "[" * 3000,
                    text[:-1] + ',"a":' + "[" * 200 + "]" * 200 + "}"):
        signed = b64(good[0]) + "." + b64(payload.encode())
        mac = hmac.new(JWT_KEY.encode(), signed.encode(), hashlib.sha256)
        token = signed + "." + b64(mac.digest())
        answer = client.get("/api/auth/me", token)
        assert answer.status in (200, 400, 401)
        if answer.status == 200:
            assert answer.json()["id"] == int(good[1]["sub"])


def test_refresh_token_is_no_access_token(client):
    session = sign_in(client, name_of_mark("both"))
    assert status_of(client, session.refresh_token) == 401
    answer = client.post("/api/auth/refresh",
                         {"refresh_token": session.access_token})
    assert answer.status == 401
    assert answer.code == "refresh_token_invalid"


def test_key_rotation(start_gateway, gateway):
    """Newest first; the old key still verifies."""
    session = sign_in(gateway.client, name_of_mark("rotate"))
    new = "a-newer-jwt-key-of-at-least-32-bytes-length"
    rotated = start_gateway(JWT_SECRET_KEY=new + "," + JWT_KEY)
    assert status_of(rotated.client, session.access_token) == 200
    fresh = sign_in(rotated.client, name_of_mark("rotate"))
    assert status_of(rotated.client, fresh.access_token) == 200
    assert status_of(gateway.client, fresh.access_token) == 401
    dropped = start_gateway(JWT_SECRET_KEY=new)
    assert status_of(dropped.client, session.access_token) == 401


def test_logout_holds_on_every_host(start_gateway, gateway):
    """Two masters, one database: within two seconds."""
    other = start_gateway()
    session = sign_in(gateway.client, name_of_mark("hosts"))
    assert status_of(other.client, session.access_token) == 200
    assert session.post("/api/auth/logout").status == 200
    wait_until(lambda: status_of(other.client, session.access_token) == 401,
               2.5, "the other host to know")
    wait_until(lambda: status_of(gateway.client,
                                 session.access_token) == 401, 1,
               "this host to know")
