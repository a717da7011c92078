"""A TCP proxy before MariaDB that cuts connections where it hurts.

A COMMIT is let through and its answer swallowed, or it is swallowed
itself: for the client both look the same.  Other statements can be cut
too.  Nothing is altered otherwise.
"""
import random
import select
import socket
import struct
import threading

COMMIT = b"\x07\x00\x00\x00\x03COMMIT"


class CuttingProxy:
    def __init__(self, target, seed=1):
        self.target = target            # (host, port)
        self.random = random.Random(seed)
        self.commit_share = 0.0         # of COMMITs that are cut
        self.other_share = 0.0          # of other statements
        self.commits = 0
        self.cut_before = 0             # never reached the server
        self.cut_after = 0              # done, the answer lost
        self.cut_other = 0
        self.lock = threading.Lock()
        self.listener = socket.socket()
        self.listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        self.listener.bind(("127.0.0.1", 0))
        self.listener.listen(64)
        self.port = self.listener.getsockname()[1]
        threading.Thread(target=self.accept, daemon=True).start()

    def close(self):
        self.listener.close()

    def accept(self):
        while True:
            try:
                client, _ = self.listener.accept()
            except OSError:
                return
            threading.Thread(target=self.relay, args=(client,),
                             daemon=True).start()

    def fate(self, data, logged_in):
        """"pass", "before" (swallow it) or "after" (swallow the answer)."""
        with self.lock:
            if data == COMMIT:
                self.commits += 1
                if self.random.random() >= self.commit_share:
                    return "pass"
                if self.random.random() < 0.5:
                    self.cut_before += 1
                    return "before"
                self.cut_after += 1
                return "after"
            if not logged_in or self.random.random() >= self.other_share:
                return "pass"
            self.cut_other += 1
            return "before" if self.random.random() < 0.5 else "after"

    def relay(self, client):
        server = socket.socket()
        try:
            server.connect(self.target)
            self.pump(client, server)
        except OSError:
            pass
        for sock in (client, server):
            try:
                sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER,
                                struct.pack("ii", 1, 0))
            except OSError:
                pass
            sock.close()

    def pump(self, client, server):
        for sock in (client, server):
            sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        packets = 0
        cutting = False
        while True:
            ready, _, _ = select.select([client, server], [], [])
            if client in ready:
                data = client.recv(65536)
                if not data:
                    return
                packets += 1
                # The login and the settings of the session pass.
                fate = self.fate(data, packets > 4)
                if fate == "before":
                    return
                cutting = fate == "after"
                server.sendall(data)
            if server in ready:
                data = server.recv(65536)
                if not data or cutting:
                    return
                client.sendall(data)
