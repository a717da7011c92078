"""HTTP/1.1 at the level of bytes, for the demo servers.

One thread per connection, requests read whole, answers sent as one piece
or as a chunked stream.  What makes it different from http.server: every
exchange is recorded, a client that goes away is noticed while we wait,
and an answer can be spoilt on purpose (faults.py).  It knows nothing of
routes; an application is a function from Request to Reply.
"""
import base64
import hashlib
import os
import select
import socket
import struct
import threading
import time
from email.utils import formatdate
from http.client import responses

HEAD_MAX = 16 * 1024
IDLE_S = 6.0
RECORD_BODY_MAX = 1 << 20


class Gone(Exception):
    """The peer closed or reset the connection."""


class TooLong(Exception):
    """The head of a request is larger than HEAD_MAX."""


class Request:
    def __init__(self, method, target, version, headers):
        self.method = method
        self.target = target
        self.version = version
        self.headers = headers
        self.body = b""
        self.fault = None
        self.record = None
        self.conn = None

    @property
    def path(self):
        return self.target.split("?", 1)[0]

    @property
    def query(self):
        return self.target.split("?", 1)[1] if "?" in self.target else ""

    def header(self, name, default=None):
        name = name.lower()
        for key, value in self.headers:
            if key.lower() == name:
                return value
        return default

    def bearer(self):
        value = self.header("authorization") or ""
        return value[7:] if value.startswith("Bearer ") else None


class Reply:
    """An answer: a body, or an iterator of stream pieces."""

    def __init__(self, status=200, body=b"", headers=(), stream=None,
                 reason=None):
        self.status = status
        self.body = body.encode() if isinstance(body, str) else body
        self.headers = list(headers)
        self.stream = stream
        self.reason = reason

    def head(self):
        reason = self.reason
        if reason is None:
            reason = responses.get(self.status, "Unknown")
        lines = ["HTTP/1.1 %d %s" % (self.status, reason)]
        lines += ["%s: %s" % pair for pair in self.headers]
        return ("\r\n".join(lines) + "\r\n\r\n").encode("latin-1", "replace")


class Recorder:
    """Every request that came in, and what became of it."""

    def __init__(self, path=None, keep=True):
        self.lock = threading.Lock()
        self.rows = []
        self.seq = 0
        self.keep = keep
        self.file = open(path, "a", buffering=1) if path else None

    def add(self, request, conn_no, request_no):
        body = request.body
        row = {
            "method": request.method, "target": request.target,
            "path": request.path, "query": request.query,
            "version": request.version,
            "headers": [list(pair) for pair in request.headers],
            "body_len": len(body),
            "body_sha256": hashlib.sha256(body).hexdigest(),
            "body_b64": base64.b64encode(body).decode()
            if len(body) <= RECORD_BODY_MAX else None,
            "at": time.time(), "conn": conn_no, "request_no": request_no,
            "state": "open", "status": None, "chunks": 0, "sent": 0,
            "gone_at": None, "done_at": None,
        }
        with self.lock:
            self.seq += 1
            row["seq"] = self.seq
            if self.keep:
                self.rows.append(row)
        if self.file:
            import json
            self.file.write(json.dumps(row) + "\n")
        request.record = row
        return row

    def since(self, seq):
        with self.lock:
            return [dict(row) for row in self.rows if row["seq"] > seq]

    def clear(self):
        with self.lock:
            self.rows = [r for r in self.rows if r["state"] == "open"]


class Gates:
    """Named counters of permits: a stream waits for one per piece."""

    def __init__(self):
        self.cond = threading.Condition()
        self.permits = {}
        self.waiting = {}
        self.opened = set()

    def release(self, name, count=1):
        with self.cond:
            if count < 0:
                self.opened.add(name)
            self.permits[name] = self.permits.get(name, 0) + max(count, 0)
            self.cond.notify_all()

    def open_all(self):
        with self.cond:
            self.opened.update(self.waiting)
            self.cond.notify_all()

    def reset(self):
        """Forgets every permit, so that names can be used again."""
        with self.cond:
            self.permits = {}
            self.opened = set()

    def wait(self, name, conn):
        with self.cond:
            self.waiting[name] = self.waiting.get(name, 0) + 1
        try:
            while True:
                with self.cond:
                    if name in self.opened:
                        return
                    if self.permits.get(name, 0) > 0:
                        self.permits[name] -= 1
                        return
                    self.cond.wait(0.01)
                conn.check()
        finally:
            with self.cond:
                self.waiting[name] -= 1


class Connection:
    """One accepted socket: reads requests, sends answers."""

    def __init__(self, server, sock, number):
        self.server = server
        self.sock = sock
        self.number = number
        self.buffer = b""
        self.requests = 0
        self.poller = select.poll()
        self.poller.register(sock, select.POLLIN | select.POLLRDHUP)

    # -- reading --------------------------------------------------------

    def fill(self):
        try:
            data = self.sock.recv(65536)
        except socket.timeout:
            raise Gone("idle")
        except OSError as err:
            raise Gone(str(err))
        if not data:
            raise Gone("closed")
        self.buffer += data

    def take_until(self, mark, limit):
        while mark not in self.buffer:
            if len(self.buffer) > limit:
                raise TooLong()
            self.fill()
        head, self.buffer = self.buffer.split(mark, 1)
        if len(head) > limit:
            raise TooLong()
        return head

    def take_exactly(self, count):
        pieces, have = [self.buffer[:count]], min(len(self.buffer), count)
        self.buffer = self.buffer[count:]
        while have < count:
            self.fill()
            piece, self.buffer = (self.buffer[:count - have],
                                  self.buffer[count - have:])
            pieces.append(piece)
            have += len(piece)
        return b"".join(pieces)

    def read_head(self):
        self.sock.settimeout(IDLE_S if self.requests else None)
        text = self.take_until(b"\r\n\r\n", HEAD_MAX).decode("latin-1")
        self.sock.settimeout(60)
        lines = text.lstrip("\r\n").split("\r\n")
        parts = lines[0].split(" ")
        if len(parts) != 3 or not parts[2].startswith("HTTP/1."):
            raise Gone("no request line")
        headers = []
        for line in lines[1:]:
            name, colon, value = line.partition(":")
            if not colon:
                raise Gone("no header line")
            headers.append((name, value.strip(" \t")))
        return Request(parts[0], parts[1], parts[2], headers)

    def read_body(self, request):
        if (request.header("expect") or "").lower() == "100-continue":
            self.send(b"HTTP/1.1 100 Continue\r\n\r\n")
        encoding = (request.header("transfer-encoding") or "").lower()
        if "chunked" in encoding:
            request.body = self.read_chunks()
        else:
            request.body = self.take_exactly(
                int(request.header("content-length") or 0))

    def read_chunks(self):
        body = []
        while True:
            size = int(self.take_until(b"\r\n", 1024).split(b";")[0], 16)
            if size == 0:
                while self.take_until(b"\r\n", HEAD_MAX):
                    pass
                return b"".join(body)
            body.append(self.take_exactly(size))
            self.take_exactly(2)

    # -- watching -------------------------------------------------------

    def check(self, timeout_s=0.0):
        """Raises Gone when the peer is no longer there."""
        for _, event in self.poller.poll(timeout_s * 1000):
            if event & (select.POLLRDHUP | select.POLLHUP | select.POLLERR):
                raise Gone("closed by peer")
            return True
        return False

    def wait(self, seconds):
        """Sleeps, but notices a peer that goes away."""
        end = time.monotonic() + seconds
        while True:
            left = end - time.monotonic()
            if left <= 0:
                return
            if self.check(min(left, 0.25)):
                time.sleep(min(left, 0.01))

    def hang(self):
        """Silence until the peer gives up or the server is told to stop."""
        turn = self.server.release_turn
        while self.server.release_turn == turn:
            self.wait(0.05)

    # -- sending --------------------------------------------------------

    def send(self, data):
        try:
            self.sock.sendall(data)
        except OSError as err:
            raise Gone(str(err))

    def reset(self):
        """Closes with a RST instead of a FIN."""
        try:
            self.sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER,
                                 struct.pack("ii", 1, 0))
        except OSError:
            pass
        self.close()
        raise Gone("reset by us")

    def finish(self):
        """Closes with a FIN, although the peer may still be sending."""
        try:
            self.sock.shutdown(socket.SHUT_WR)
            self.sock.settimeout(0.3)
            while self.sock.recv(65536):
                pass
        except OSError:
            pass
        self.close()
        raise Gone("closed by us")

    def close(self):
        try:
            self.sock.close()
        except OSError:
            pass

    # -- the loop -------------------------------------------------------

    def run(self):
        try:
            fault = self.server.faults.on_connect()
            if fault:
                fault.spoil_connect(self)
            while self.serve_one():
                pass
        except (Gone, ValueError):
            pass
        except TooLong:
            try:
                self.send(b"HTTP/1.1 431 Request Header Fields Too Large\r\n"
                          b"Connection: close\r\n\r\n")
            except Gone:
                pass
        finally:
            self.close()
            self.server.forget(self)

    def serve_one(self):
        request = self.read_head()
        request.conn = self
        self.requests += 1
        request.fault = fault = self.server.faults.find(request)
        if fault:
            fault.before_body(self, request)
        self.read_body(request)
        row = self.server.recorder.add(request, self.number, self.requests)
        try:
            keep = self.server.faults.answer(self, request,
                                             self.server.application)
            row["state"] = "done"
            return keep
        except Gone:
            row["state"] = "gone"
            row["gone_at"] = time.time()
            raise
        finally:
            row["done_at"] = time.time()


class Server:
    """Listens, and starts a thread for each connection."""

    def __init__(self, application, faults, recorder):
        self.application = application
        self.faults = faults
        self.recorder = recorder
        self.gates = faults.gates
        self.release_turn = 0
        self.lock = threading.Lock()
        self.connections = set()
        self.accepted = 0
        self.listeners = []
        self.addresses = []

    def listen_tcp(self, host, port):
        sock = socket.socket(socket.AF_INET, socket.SOCK_STREAM)
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        sock.bind((host, port))
        self.start(sock, ("tcp", host, sock.getsockname()[1]))
        return sock.getsockname()[1]

    def listen_unix(self, path):
        if os.path.exists(path):
            os.unlink(path)
        sock = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        sock.bind(path)
        os.chmod(path, 0o666)
        self.start(sock, ("unix", path))

    def start(self, sock, address):
        sock.listen(4096)
        self.listeners.append(sock)
        if address not in self.addresses:
            self.addresses.append(address)
        threading.Thread(target=self.accept_loop, args=(sock,),
                         daemon=True).start()

    def accept_loop(self, sock):
        while True:
            try:
                peer, _ = sock.accept()
            except OSError:
                return
            if peer.family == socket.AF_INET:
                peer.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            with self.lock:
                self.accepted += 1
                conn = Connection(self, peer, self.accepted)
                self.connections.add(conn)
            threading.Thread(target=conn.run, daemon=True).start()

    def forget(self, conn):
        with self.lock:
            self.connections.discard(conn)

    def refuse(self):
        """Stops listening and drops every connection, like a dead server."""
        for sock in self.listeners:
            try:
                sock.shutdown(socket.SHUT_RDWR)
            except OSError:
                pass
            sock.close()
        self.listeners = []
        for address in self.addresses:
            if address[0] == "unix" and os.path.exists(address[1]):
                os.unlink(address[1])
        with self.lock:
            for conn in self.connections:
                try:
                    conn.sock.shutdown(socket.SHUT_RDWR)
                except OSError:
                    pass

    def resume(self):
        """Listens again at the addresses it had."""
        if self.listeners:
            return
        for address in list(self.addresses):
            if address[0] == "tcp":
                self.listen_tcp(address[1], address[2])
            else:
                self.listen_unix(address[1])


def standard_headers(keep=True):
    """What Node puts on every answer after the application's headers."""
    pairs = [("Date", formatdate(usegmt=True))]
    if keep:
        pairs += [("Connection", "keep-alive"), ("Keep-Alive", "timeout=5")]
    else:
        pairs += [("Connection", "close")]
    return pairs
