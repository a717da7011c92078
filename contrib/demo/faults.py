"""Scripted misbehaviour of the demo servers.

A fault is a dictionary posted to /__control/fault.  It says which
requests it meets and how their answers are spoilt:

 which   method, path (regular expression on the raw target), key (the
         bearer token), body_has (regular expression on the body; looked
         at when the body is there), skip (let so many pass first), count
         (default 1, -1 = always)
 before  reset | close | hang: "connect", "before_body", "request",
         "head" (in the middle of it), "body" (in the middle of it)
         execute: do the work first, although the answer is lost or false
 time    delay_head, chunk_delay, slow (seconds per byte), gate (a permit
         of that name is needed for each piece), gate_head
 answer  status, reason, headers, body | body_b64 | body_repeat [text, n],
         raw | raw_b64 with then: close | reset | hang | keep,
         add_headers, drop_headers, content_length, gzip, early (heads of
         1xx answers), infinite (a filler, repeated), huge_header (bytes),
         many_headers (count)
 stream  sse (list of texts sent instead), split_at (each piece is cut
         there), cut_after with cut: close | reset | hang, no_done,
         no_usage, error_delta, no_last_chunk, chunk_head (a false size
         line), trailer

{{key}}, {{key_b64}} and {{key_hex}} in texts stand for the caller's key.
"""
import base64
import gzip
import re
import threading
import time

from wire import Gates, Gone, Reply, standard_headers


class Fault:
    def __init__(self, number, spec):
        self.number = number
        self.spec = spec
        self.path = re.compile(spec.get("path", ".*"))
        self.skip = spec.get("skip", 0)
        self.left = spec.get("count", 1)
        self.hits = 0

    def __getattr__(self, name):
        return self.spec.get(name)

    def meets(self, request):
        spec = self.spec
        if self.left == 0 or self.stage_is("connect"):
            return False
        if spec.get("body_has") and (
                request.record is None or not re.search(
                    spec["body_has"].encode(), request.body)):
            return False
        if spec.get("method") and request.method != spec["method"]:
            return False
        if spec.get("key") and request.bearer() != spec["key"]:
            return False
        return bool(self.path.search(request.target))

    def use(self):
        """Counts a meeting; True when it is this fault's turn."""
        if self.skip > 0:
            self.skip -= 1
            return False
        if self.left > 0:
            self.left -= 1
        self.hits += 1
        return True

    def stage_is(self, stage):
        spec = self.spec
        return stage in (spec.get("reset"), spec.get("close"),
                         spec.get("hang"))

    def strike(self, conn, stage):
        if self.spec.get("reset") == stage:
            conn.reset()
        if self.spec.get("close") == stage:
            conn.finish()
        if self.spec.get("hang") == stage:
            conn.hang()
            raise Gone("released")

    def spoil_connect(self, conn):
        self.strike(conn, "connect")

    def before_body(self, conn, request):
        self.strike(conn, "before_body")

    def text(self, value, request):
        key = request.bearer() or ""
        raw = key.encode("latin-1")
        for mark, real in (("{{key}}", key),
                           ("{{key_b64}}", base64.b64encode(raw).decode()),
                           ("{{key_hex}}", raw.hex())):
            value = value.replace(mark, real)
        return value

    def replaces_answer(self):
        names = ("status", "raw", "raw_b64", "sse", "infinite", "body",
                 "body_b64", "body_repeat")
        return any(self.spec.get(name) is not None for name in names)

    def made_reply(self, request):
        """The answer that this fault gives instead of the true one."""
        spec = self.spec
        headers = [(n, self.text(v, request))
                   for n, v in spec.get("headers",
                                        [["Content-Type",
                                          "application/json; charset=utf-8"]])]
        if spec.get("sse") is not None:
            pieces = [self.text(t, request).encode() for t in spec["sse"]]
            if "headers" not in spec:
                headers = [("Content-Type", "text/event-stream"),
                           ("Cache-Control", "no-cache")]
            return Reply(spec.get("status", 200), headers=headers,
                         stream=iter(pieces), reason=spec.get("reason"))
        if spec.get("body_b64") is not None:
            body = base64.b64decode(spec["body_b64"])
        elif spec.get("body_repeat") is not None:
            body = spec["body_repeat"][0].encode() * spec["body_repeat"][1]
        else:
            body = self.text(spec.get("body", ""), request).encode()
        return Reply(spec.get("status", 200), body, headers,
                     reason=spec.get("reason"))


class Faults:
    """The list of faults in force, and the delivery of answers."""

    def __init__(self):
        self.lock = threading.Lock()
        self.rows = []
        self.number = 0
        self.gates = Gates()

    def add(self, spec):
        with self.lock:
            self.number += 1
            self.rows.append(Fault(self.number, spec))
            return self.number

    def clear(self, gates=True):
        with self.lock:
            self.rows = []
        if gates:
            self.gates.reset()

    def list(self):
        with self.lock:
            return [dict(f.spec, id=f.number, hits=f.hits, left=f.left)
                    for f in self.rows]

    def on_connect(self):
        with self.lock:
            for fault in self.rows:
                if fault.left and fault.stage_is("connect") and fault.use():
                    return fault
        return None

    def find(self, request):
        with self.lock:
            for fault in self.rows:
                if fault.meets(request) and fault.use():
                    return fault
        return None

    # -- delivery -------------------------------------------------------

    def find_by_body(self, request):
        with self.lock:
            for fault in self.rows:
                if fault.body_has and fault.meets(request) and fault.use():
                    return fault
        return None

    def answer(self, conn, request, application):
        fault = request.fault or self.find_by_body(request)
        if not fault:
            return deliver(conn, request, application(request), None)
        reply = None
        if fault.execute or not fault.replaces_answer():
            if not (fault.stage_is("request") and not fault.execute):
                reply = application(request)
        fault.strike(conn, "request")
        if fault.replaces_answer():
            reply = fault.made_reply(request)
        return deliver(conn, request, reply, fault)


NO_FAULT = Fault(0, {})


def deliver(conn, request, reply, fault):
    """Sends the answer; True when the connection may be used again."""
    fault = fault or NO_FAULT
    row = request.record
    row["status"] = reply.status
    if fault.delay_head:
        conn.wait(fault.delay_head)
    if fault.gate_head:
        conn.server.gates.wait(fault.gate_head, conn)
    for head in fault.early or ():
        conn.send(head.encode("latin-1"))
    if fault.raw is not None or fault.raw_b64 is not None:
        return deliver_raw(conn, request, fault)
    if reply.stream is not None and request.method != "HEAD":
        return deliver_stream(conn, request, reply, fault)
    return deliver_body(conn, request, reply, fault)


def deliver_raw(conn, request, fault):
    if fault.raw_b64 is not None:
        data = base64.b64decode(fault.raw_b64)
    else:
        data = fault.text(fault.raw, request).encode("latin-1")
    paced(conn, data, fault)
    request.record["sent"] = len(data)
    then = fault.then or "close"
    if then == "reset":
        conn.wait(0.05)
        conn.reset()
    if then == "hang":
        conn.hang()
    return then == "keep"


def paced(conn, data, fault):
    """Sends at once, or byte by byte when the fault is slow."""
    if not fault.slow:
        conn.send(data)
        return
    for at in range(len(data)):
        conn.send(data[at:at + 1])
        conn.wait(fault.slow)


def spoil_headers(headers, fault, request):
    drop = {name.lower() for name in fault.drop_headers or ()}
    headers = [h for h in headers if h[0].lower() not in drop]
    headers += [(n, fault.text(v, request))
                for n, v in fault.add_headers or ()]
    if fault.huge_header:
        headers.append(("X-Huge", "h" * fault.huge_header))
    headers += [("X-Many-%d" % i, "m")
                for i in range(fault.many_headers or 0)]
    return headers


def send_head(conn, request, reply, fault):
    reply.headers = spoil_headers(reply.headers, fault, request)
    head = reply.head()
    if fault.stage_is("head"):
        conn.send(head[:len(head) // 2])
        conn.wait(0.02)
        fault.strike(conn, "head")
    paced(conn, head, fault)


def keeps(request):
    return (request.version == "HTTP/1.1" and
            (request.header("connection") or "").lower() != "close")


def deliver_body(conn, request, reply, fault):
    body = reply.body
    keep = keeps(request)
    if fault.gzip:
        body = gzip.compress(body)
        reply.headers.append(("Content-Encoding", "gzip"))
    if reply.status not in (204, 304) and not reply.status < 200:
        length = str(len(body))
        if fault.content_length is not None:
            length = str(fault.content_length)
            keep = False
        if fault.infinite is not None:
            length = None
        if length is not None:
            reply.headers.append(("Content-Length", length))
    reply.headers += standard_headers(keep and fault.infinite is None)
    send_head(conn, request, reply, fault)
    if request.method == "HEAD":
        return keep
    if fault.infinite is not None:
        filler = fault.infinite.encode() * max(1, 65536 // len(fault.infinite))
        while True:
            conn.send(filler)
            request.record["sent"] += len(filler)
            conn.check()
    if reply.status in (204, 304):
        return keep
    if fault.stage_is("body"):
        conn.send(body[:max(1, len(body) // 2)])
        conn.wait(0.02)
        fault.strike(conn, "body")
    paced(conn, body, fault)
    request.record["sent"] = len(body)
    if fault.content_length is not None and fault.then == "hang":
        conn.hang()
    return keep


def deliver_stream(conn, request, reply, fault):
    """Chunked; the head goes out with the first piece, as upstream does."""
    row = request.record
    http11 = request.version == "HTTP/1.1"
    reply.headers += standard_headers(http11)[:2]
    if http11:
        reply.headers.append(("Transfer-Encoding", "chunked"))
    sent_head = False
    for piece in reply.stream:
        if isinstance(piece, (int, float)):
            conn.wait(fault.chunk_delay
                      if fault.chunk_delay is not None else piece)
            continue
        if fault.no_done and piece == b"data: [DONE]\n\n":
            continue
        if fault.gate:
            conn.server.gates.wait(fault.gate, conn)
        if not sent_head:
            send_head(conn, request, reply, fault)
            sent_head = True
            if fault.chunk_head:
                conn.send(fault.chunk_head.encode("latin-1"))
        for number, part in enumerate(parts_of(piece, fault)):
            conn.wait(0.005 if number else 0)
            conn.check()
            paced(conn, b"%x\r\n%s\r\n" % (len(part), part)
                  if http11 else part, fault)
        row["chunks"] += 1
        row["sent"] += len(piece)
        if fault.cut_after is not None and row["chunks"] >= fault.cut_after:
            cut(conn, fault)
        if fault.chunk_delay and fault.sse:
            conn.wait(fault.chunk_delay)
    if not sent_head:
        send_head(conn, request, reply, fault)
    if fault.no_last_chunk or not http11:
        return False
    trailer = (fault.trailer or "").encode("latin-1")
    conn.send(b"0\r\n" + trailer + b"\r\n")
    return True


def parts_of(piece, fault):
    at = fault.split_at
    if at is None or at <= 0 or at >= len(piece):
        return [piece]
    return [piece[:at], piece[at:]]


def cut(conn, fault):
    conn.wait(0.02)
    if fault.cut == "reset":
        conn.reset()
    if fault.cut == "hang":
        conn.hang()
    raise Gone("cut by us")
