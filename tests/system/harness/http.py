"""An HTTP client that sends what it is told, unnormalised."""
import http.client
import json
import socket
from urllib.parse import urlsplit


class Answer:
    """Also what the raw FastCGI client returns."""

    def __init__(self, status, headers, body):
        self.status = status
        self.headers = headers
        self.body = body

    def header(self, name, default=None):
        for key, value in self.headers:
            if key.lower() == name.lower():
                return value
        return default

    def header_all(self, name):
        return [v for k, v in self.headers if k.lower() == name.lower()]

    @property
    def text(self):
        return self.body.decode("utf-8", "replace")

    def json(self):
        return json.loads(self.body)

    @property
    def code(self):
        """The stable code of one of our errors."""
        return self.json()["error"]["code"]

    def __repr__(self):
        return "<%d %s>" % (self.status, self.text[:300])


def fetch(base, method, target, headers=(), body=None, timeout=30):
    """One request on a connection of its own."""
    parts = urlsplit(base)
    conn = http.client.HTTPConnection(parts.hostname, parts.port,
                                      timeout=timeout)
    # http.client refuses odd targets; the tests need them.
    conn._validate_path = lambda url: None
    conn._encode_request = lambda request: request.encode("latin-1")
    try:
        conn.putrequest(method, target, skip_accept_encoding=True)
        pairs = headers.items() if isinstance(headers, dict) else headers
        for key, value in pairs:
            conn.putheader(key, value)
        has_body = body is not None or method in ("POST", "PUT", "PATCH")
        if has_body and not any(
                k.lower() in ("content-length", "transfer-encoding")
                for k, _ in pairs):
            conn.putheader("Content-Length", str(len(body or b"")))
        conn.endheaders(body)
        answer = conn.getresponse()
        return Answer(answer.status, answer.getheaders(), answer.read())
    finally:
        conn.close()


class Stream:
    """An answer that is read while it arrives."""

    def __init__(self, base, method, target, headers=(), body=None,
                 timeout=30):
        parts = urlsplit(base)
        self.conn = http.client.HTTPConnection(
            parts.hostname, parts.port, timeout=timeout)
        self.conn.request(method, target, body, dict(headers))
        self.sock = self.conn.sock
        self.answer = self.conn.getresponse()
        self.status = self.answer.status
        self.headers = self.answer.getheaders()

    def event(self):
        """The next SSE event without its blank line; None at the end."""
        lines = []
        while True:
            line = self.answer.readline()
            if not line:
                return b"\n".join(lines) if lines else None
            line = line.rstrip(b"\r\n")
            if line:
                lines.append(line)
            elif lines:
                return b"\n".join(lines)

    def data(self):
        """The next event that is not a comment."""
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
        """Goes away in the middle, by FIN or by RST."""
        import struct
        if reset:
            self.sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER,
                                 struct.pack("ii", 1, 0))
            # Every duplicate must go, or no RST is sent.
            self.answer.close()
            self.sock.close()
        else:
            self.sock.shutdown(socket.SHUT_RDWR)
        self.close()

    def close(self):
        self.answer.close()
        self.conn.close()
