"""The harness itself: what looks for faults must find them."""
import base64
import os
import subprocess
import urllib.parse

import pytest

from harness.fastcgi import STDOUT, Exchange, length, pairs, record
from harness.gateway import ADMIN_KEY, FERNET_KEY, UNCLEAN
from harness.leaks import Scanner, in_memory
from harness.procs import (Process, alive, children_of, tree_of,
                           wait_until)

SECRET = "sk-aCanary+/=0123456789abcdef"


@pytest.mark.parametrize("spoil", [
    lambda s: s,
    lambda s: s.hex().encode(),
    lambda s: s.hex().upper().encode(),
    lambda s: urllib.parse.quote(s, safe="").encode(),
    lambda s: base64.b64encode(s),
    lambda s: base64.b64encode(b"x" + s + b"yz"),
    lambda s: base64.b64encode(b"xy" + s + b"z"),
    lambda s: base64.urlsafe_b64encode(b"xyz" + s),
    lambda s: base64.urlsafe_b64encode(b"u:" + s + b"\n"),
], ids=["raw", "hex", "HEX", "url", "base64", "base64+1", "base64+2",
        "base64url+0", "base64url+2"])
def test_scanner_finds_every_form(spoil):
    scanner = Scanner()
    scanner.add("it", SECRET)
    data = b"before " + spoil(SECRET.encode()) + b" after"
    assert scanner.find(data) == ["it"]
    assert scanner.find(b"nothing of that kind " * 50) == []


def test_memory_scan_finds_what_is_there():
    # Built at run time, so that it is not in the program's text.
    needle = base64.b64encode(os.urandom(33))
    kept = bytearray(needle)
    other = base64.b64encode(os.urandom(33))
    if os.geteuid() == 0:
        child = subprocess.Popen(["cat"], stdin=subprocess.PIPE,
                                 stdout=subprocess.PIPE)
        child.stdin.write(needle)
        child.stdin.flush()
        child.stdout.read(len(needle))
        assert in_memory(child.pid, {"a": needle, "b": other}) == {"a"}
        child.stdin.close()
        child.wait()
        child.stdout.close()
    assert in_memory(os.getpid(), {"a": bytes(kept)}) == {"a"}


@pytest.mark.parametrize("line", [
    b"==1==ERROR: AddressSanitizer: heap-use-after-free",
    b"x.c:1:2: runtime error: signed integer overflow",
    b"plugwayd: fernet.c:12: f: Assertion `x' failed.",
    b"*** stack smashing detected ***: terminated",
    b"warn master[1] - child died role=worker child=2 signal=11 exit=0",
    b"warn master[1] - child died role=worker child=2 signal=31 exit=0",
    b"warn master[1] - child died role=keeper child=2 signal=0 exit=1",
    b'{"event":"child died","role":"worker","signal":6,"exit":0}'])
def test_unclean_lines_are_seen(line):
    assert UNCLEAN.search(line)


def test_clean_lines_are_not():
    for line in (b"child died role=worker child=2 signal=9 exit=0",
                 b"info worker[12] abc request method=GET status=200"):
        assert not UNCLEAN.search(line)


def test_wait_until_fails_at_the_deadline():
    with pytest.raises(AssertionError, match="in vain for a miracle"):
        wait_until(lambda: False, 0.1, "a miracle")
    assert wait_until(lambda: 7, 0.1) == 7


def test_processes_are_ended_with_all_they_started(rundir):
    process = Process(["sh", "-c", "sleep 600 & sleep 600 & wait"],
                      os.path.join(rundir, "sh.log"))
    wait_until(lambda: len(children_of(process.pid)) == 2, 5, "children")
    pids = [process.pid] + tree_of(process.pid)
    process.stop()
    wait_until(lambda: not [p for p in pids if alive(p)], 5, "the end")


def test_fastcgi_forms():
    assert length(127) == b"\x7f" and length(128) == b"\x80\0\0\x80"
    assert pairs([("A", "b")]) == b"\x01\x01Ab"
    assert record(STDOUT, b"xy")[:8] == b"\x01\x06\0\x01\0\x02\0\0"
    import socket
    ours, theirs = socket.socketpair()
    exchange = Exchange.__new__(Exchange)
    exchange.sock, exchange.inbuf, exchange.stdout = ours, b"", b""
    exchange.stderr, exchange.ended = b"", False
    exchange.status, exchange.headers = None, []
    theirs.sendall(record(6, b"Status: 404 No\r\nA: b\r\n\r\nbo") +
                   record(6, b"dy", padding=3) + record(6) +
                   record(3, b"\0" * 8))
    answer = exchange.answer()
    theirs.close()
    assert (answer.status, answer.headers, answer.body) == \
        (404, [("A", "b")], b"body")


def test_canaries_are_long_enough_to_be_told_apart():
    for secret in (ADMIN_KEY, FERNET_KEY):
        assert len(secret) >= 30
