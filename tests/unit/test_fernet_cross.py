#!/usr/bin/python3
"""10,000 tokens each way between vault/fernet and Python's cryptography.

Skipped only where that package is not installed.
"""
import os
import random
import subprocess
import sys

try:
    from cryptography.fernet import Fernet, InvalidToken
except ImportError:
    print("python3-cryptography is not installed")
    sys.exit(77)

COUNT = 10000
PROGRAM = os.environ.get("FERNET_LINES", "tests/unit/fernet_lines")


def run(verb, key, lines):
    text = "".join(line + "\n" for line in lines)
    done = subprocess.run([PROGRAM, verb, key], input=text, text=True,
                          stdout=subprocess.PIPE, check=True)
    out = done.stdout.splitlines()
    assert len(out) == len(lines), (len(out), len(lines))
    return out


def main():
    rng = random.Random(20251123)
    key = Fernet.generate_key().decode()
    theirs = Fernet(key)
    plains = [rng.randbytes(rng.randrange(0, 300)) for _ in range(COUNT)]
    plains[:4] = [b"", b"\0", bytes(4096), bytes(range(256)) * 16]

    tokens = run("seal", key, [p.hex() for p in plains])
    for token, plain in zip(tokens, plains):
        assert theirs.decrypt(token.encode()) == plain

    tokens = [theirs.encrypt(p).decode() for p in plains]
    for got, plain in zip(run("open", key, tokens), plains):
        assert got == plain.hex()

    # A changed character opens on neither side, unless it only changes
    # bits that their decoder ignores and ours refuses.
    broken = []
    for token in tokens[:1000]:
        at = rng.randrange(len(token))
        other = rng.choice([c for c in "AZaz09-_" if c != token[at]])
        broken.append(token[:at] + other + token[at + 1:])
    for got, token in zip(run("open", key, broken), broken):
        assert got == "-", token

    other = Fernet.generate_key().decode()
    assert set(run("open", other, tokens[:100])) == {"-"}
    try:
        Fernet(other).decrypt(run("seal", key, ["00"])[0].encode())
        raise AssertionError("opened with another key")
    except InvalidToken:
        pass
    print(f"{COUNT} tokens sealed here and opened there, {COUNT} back, "
          f"{len(broken)} broken ones refused")


main()
