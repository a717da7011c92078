#!/usr/bin/python3
"""Tokens each way between auth/jwt and Python's jwt.

Skipped only where that package is not installed.
"""
import os
import random
import subprocess
import sys
import time
import uuid

try:
    import jwt
except ImportError:
    print("python3-jwt is not installed")
    sys.exit(77)

COUNT = 2000
ISSUER = "http://localhost:8000"
LIFETIME = 86400
PROGRAM = os.environ.get("JWT_LINES", "tests/unit/jwt_lines")
NAMES = ["ann", "张三", "a\"b\\c/d", "😀" * 255, "Ünïcode name", "</script>"]


def run(verb, alg, keys, lines, lifetime=LIFETIME):
    text = "".join(line + "\n" for line in lines)
    done = subprocess.run(
        [PROGRAM, verb, alg, keys, ISSUER, str(lifetime)],
        input=text.encode(), stdout=subprocess.PIPE, check=True)
    out = done.stdout.decode().split("\n")[:-1]
    assert len(out) == len(lines), (len(out), len(lines))
    return out


def claims(now, uid, name, **more):
    c = {"iss": ISSUER, "sub": str(uid), "username": name, "iat": now,
         "exp": now + LIFETIME, "jti": str(uuid.uuid4()), "type": "access"}
    c.update(more)
    return {k: v for k, v in c.items() if v is not None}


def both_ways(alg, key, rng):
    people = [(rng.randrange(1, 2**63), NAMES[i % len(NAMES)])
              for i in range(COUNT)]
    ours = run("issue", alg, key, [f"{u} {n}" for u, n in people])
    seen = set()
    for token, (uid, name) in zip(ours, people):
        got = jwt.decode(token, key, algorithms=[alg], issuer=ISSUER,
                         options={"require": ["iss", "sub", "iat", "exp",
                                              "jti"]})
        assert got["sub"] == str(uid) and got["username"] == name
        assert got["type"] == "access" and got["exp"] - got["iat"] == LIFETIME
        assert jwt.get_unverified_header(token)["typ"] == "JWT"
        seen.add(got["jti"])
    assert len(seen) == COUNT

    now = int(time.time())
    theirs, want = [], []
    for uid, name in people:
        # Theirs writes twelve characters for each of these: a token with
        # the longest name is over our limit.
        name = name[:200]
        c = claims(now, uid, name)
        theirs.append(jwt.encode(c, key, algorithm=alg))
        want.append(f"{uid} {c['jti']} {name}")
    assert run("verify", alg, key, theirs) == want


def refused(alg, key):
    now = int(time.time())
    bad = {
        "other key": jwt.encode(claims(now, 1, "a"), key + "x", alg),
        "none": jwt.encode(claims(now, 1, "a"), None, "none"),
        "no iss": jwt.encode(claims(now, 1, "a", iss=None), key, alg),
        "no type": jwt.encode(claims(now, 1, "a", type=None), key, alg),
        "refresh": jwt.encode(claims(now, 1, "a", type="refresh"), key, alg),
        "no jti": jwt.encode(claims(now, 1, "a", jti=None), key, alg),
        "no exp": jwt.encode(claims(now, 1, "a", exp=None), key, alg),
        "float": jwt.encode(claims(now, 1, "a", exp=now + 60.5), key, alg),
        "long": jwt.encode(claims(now, 1, "a", exp=now + LIFETIME + 1), key,
                           alg),
        "aud": jwt.encode(claims(now, 1, "a", aud="else"), key, alg),
        "number": jwt.encode(claims(now, 1, "a", sub=1), key, alg),
        "crit": jwt.encode(claims(now, 1, "a"), key, alg,
                           headers={"crit": ["exp"]}),
    }
    bad["too long"] = jwt.encode(claims(now, 1, "😀" * 255), key, alg)
    assert len(bad["too long"]) > 4096
    for other in ("HS256", "HS384", "HS512"):
        if other != alg:
            bad[other] = jwt.encode(claims(now, 1, "a"), key, other)
    got = run("verify", alg, key, list(bad.values()))
    for name, result in zip(bad, got):
        assert result == "invalid", (name, result)
    old = jwt.encode(claims(now - 2 * LIFETIME, 1, "a"), key, alg)
    assert run("verify", alg, key, [old]) == ["expired"]
    good = jwt.encode(claims(now, 1, "a"), key, alg, headers={"kid": "x"})
    assert run("verify", alg, "n" * 40 + "," + key, [good])[0].startswith("1 ")


def main():
    rng = random.Random(20251123)
    for alg in ("HS256", "HS384", "HS512"):
        key = "%064x" % rng.getrandbits(256)
        both_ways(alg, key, rng)
        refused(alg, key)
    print(f"{COUNT} tokens each way for each of three algorithms")


if __name__ == "__main__":
    main()
