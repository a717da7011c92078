"""A FastCGI client, record by record.

It talks to a worker's socket directly, so that tests see what plugway
itself says, without a web server in between, and can send what no web
server would.
"""
import socket
import struct
from urllib.parse import urlsplit

from .http import Answer

BEGIN, ABORT, END, PARAMS, STDIN, STDOUT, STDERR = 1, 2, 3, 4, 5, 6, 7
GET_VALUES, GET_VALUES_RESULT = 9, 10


def record(kind, data=b"", request_id=1, version=1, padding=0):
    return struct.pack(">BBHHBB", version, kind, request_id, len(data),
                       padding, 0) + data + b"\0" * padding


def records(kind, data, request_id=1, size=32768):
    pieces = [data[i:i + size] for i in range(0, len(data), size)]
    return b"".join(record(kind, p, request_id) for p in pieces)


def begin(role=1, keep=0, request_id=1):
    return record(BEGIN, struct.pack(">HB5x", role, keep), request_id)


def length(count):
    return (struct.pack(">B", count) if count < 128
            else struct.pack(">I", count | 0x80000000))


def pairs(items):
    out = []
    for name, value in items:
        name = name if isinstance(name, bytes) else name.encode("latin-1")
        value = value if isinstance(value, bytes) else \
            value.encode("latin-1")
        out.append(length(len(name)) + length(len(value)) + name + value)
    return b"".join(out)


def params_of(method, target, headers, body, remote="127.0.0.1"):
    """What nginx would send; headers may repeat."""
    query = target.split("?", 1)[1] if "?" in target else ""
    items = [("GATEWAY_INTERFACE", "CGI/1.1"),
             ("SERVER_PROTOCOL", "HTTP/1.1"), ("SERVER_NAME", "localhost"),
             ("SERVER_PORT", "8000"), ("REMOTE_ADDR", remote),
             ("REMOTE_PORT", "40000"), ("REQUEST_METHOD", method),
             ("REQUEST_URI", target), ("QUERY_STRING", query),
             ("SCRIPT_NAME", target.split("?")[0]),
             ("CONTENT_LENGTH", str(len(body)) if body is not None else "")]
    seen_host = False
    for name, value in headers:
        variable = name.upper().replace("-", "_")
        if variable == "CONTENT_LENGTH":
            items = [i for i in items if i[0] != "CONTENT_LENGTH"]
            items.append(("CONTENT_LENGTH", value))
            continue
        if variable == "CONTENT_TYPE":
            items.append(("CONTENT_TYPE", value))
            continue
        seen_host |= variable == "HOST"
        items.append(("HTTP_" + variable, value))
    if not seen_host:
        items.append(("HTTP_HOST", "localhost:8000"))
    return items


class Exchange:
    """One request on one connection, read as far as the test wants."""

    def __init__(self, address, timeout=30):
        if isinstance(address, str):
            self.sock = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        else:
            self.sock = socket.socket(socket.AF_INET, socket.SOCK_STREAM)
        self.sock.settimeout(timeout)
        self.sock.connect(address)
        self.inbuf = b""
        self.stdout = b""
        self.stderr = b""
        self.ended = False
        self.status = None
        self.headers = []

    def send(self, data):
        self.sock.sendall(data)

    def start(self, method, target, headers=(), body=None, keep=0,
              remote="127.0.0.1"):
        headers = list(headers.items() if isinstance(headers, dict)
                       else headers)
        items = params_of(method, target, headers, body, remote)
        data = begin(keep=keep) + records(PARAMS, pairs(items)) + \
            record(PARAMS)
        if body:
            data += records(STDIN, body)
        self.send(data + record(STDIN))
        return self

    def read_record(self):
        """(kind, data), or None when the peer closed."""
        while len(self.inbuf) < 8:
            if not self.more():
                return None
        _, kind, _, size, padding, _ = struct.unpack(">BBHHBB",
                                                     self.inbuf[:8])
        while len(self.inbuf) < 8 + size + padding:
            if not self.more():
                return None
        data = self.inbuf[8:8 + size]
        self.inbuf = self.inbuf[8 + size + padding:]
        return kind, data

    def more(self):
        data = self.sock.recv(65536)
        self.inbuf += data
        return bool(data)

    def step(self):
        """Takes one record in; False at the end."""
        if self.ended:
            return False
        got = self.read_record()
        if got is None:
            self.ended = True
            return False
        if got[0] == STDOUT:
            self.stdout += got[1]
        elif got[0] == STDERR:
            self.stderr += got[1]
        elif got[0] == END:
            self.ended = True
        return not self.ended

    def read_head(self):
        while b"\r\n\r\n" not in self.stdout:
            if not self.step():
                break
        if b"\r\n\r\n" not in self.stdout:
            raise ConnectionError("no answer: %r" % self.stdout)
        head, self.stdout = self.stdout.split(b"\r\n\r\n", 1)
        self.headers = [tuple(line.split(": ", 1)) for line in
                        head.decode("latin-1").split("\r\n")]
        self.status = 200
        for name, value in self.headers:
            if name.lower() == "status":
                self.status = int(value[:3])
        self.headers = [h for h in self.headers
                        if h[0].lower() != "status"]
        return self

    def header(self, name):
        for key, value in self.headers:
            if key.lower() == name.lower():
                return value
        return None

    def answer(self):
        if self.status is None:
            self.read_head()
        while self.step():
            pass
        self.close()
        return Answer(self.status, self.headers, self.stdout)

    # -- server-sent events ---------------------------------------------

    def event(self):
        if self.status is None:
            self.read_head()
        while b"\n\n" not in self.stdout:
            if not self.step():
                return None
        event, self.stdout = self.stdout.split(b"\n\n", 1)
        return event

    def data(self):
        while True:
            event = self.event()
            if event is None or not event.startswith(b":"):
                return event

    def rest(self):
        events = []
        while True:
            event = self.data()
            if event is None:
                return events
            events.append(event)

    def leave(self, reset=False):
        if reset:
            self.sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER,
                                 struct.pack("ii", 1, 0))
        self.close()

    def close(self):
        self.sock.close()


class Client:
    """Calls by FastCGI or through a web server, with one interface.

    Every answer is kept in `seen`, where the leak scan reads it.
    """

    def __init__(self, address=None, base=None, seen=None):
        self.address = address
        self.base = base
        self.seen = seen if seen is not None else []

    def heads(self, headers, token, body):
        items = list(headers.items() if isinstance(headers, dict)
                     else headers or ())
        if token:
            items.append(("Authorization", "Bearer " + token))
        if body is not None and not any(
                k.lower() == "content-type" for k, _ in items):
            items.append(("Content-Type", "application/json"))
        return items

    def call(self, method, target, headers=None, body=None, token=None,
             json=None, timeout=30, remote="127.0.0.1"):
        import json as codec
        from .http import fetch
        if json is not None:
            body = codec.dumps(json).encode()
        items = self.heads(headers, token, body)
        if self.base:
            answer = fetch(self.base, method, target, items, body, timeout)
        else:
            answer = Exchange(self.address, timeout).start(
                method, target, items, body, remote=remote).answer()
        self.seen.append((target, answer))
        return answer

    def get(self, target, token=None, **more):
        return self.call("GET", target, token=token, **more)

    def post(self, target, json=None, token=None, **more):
        return self.call("POST", target, token=token, json=json, **more)

    def put(self, target, json=None, token=None, **more):
        return self.call("PUT", target, token=token, json=json, **more)

    def stream(self, method, target, headers=None, body=None, token=None,
               json=None, timeout=30):
        import json as codec
        from .http import Stream
        if json is not None:
            body = codec.dumps(json).encode()
        items = self.heads(headers, token, body)
        if self.base:
            return Stream(self.base, method, target, items, body, timeout)
        return Exchange(self.address, timeout).start(method, target, items,
                                                     body)


def target_of(url):
    parts = urlsplit(url)
    return parts.path + ("?" + parts.query if parts.query else "")
