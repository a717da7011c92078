"""The control interface of the demo servers (only with --control).

It listens on a port of its own, so that it answers while the server
itself refuses connections.  Tests script faults here and read what was
recorded; nothing of it exists in a demo run.
"""
import json
import time
from urllib.parse import parse_qs

from faults import Faults
from wire import Recorder, Reply, Server


def answer(value, status=200):
    return Reply(status, json.dumps(value, ensure_ascii=False),
                 [("Content-Type", "application/json")])


class Control:
    def __init__(self, server, extra=None):
        self.server = server
        self.extra = extra or {}
        self.routes = {
            ("POST", "fault"): self.add_fault,
            ("GET", "faults"): lambda q, b: self.server.faults.list(),
            ("DELETE", "faults"): self.clear_faults,
            ("GET", "requests"): self.requests,
            ("DELETE", "requests"): self.clear_requests,
            ("POST", "gate"): self.gate,
            ("GET", "gates"): self.gates,
            ("GET", "status"): self.status,
            ("POST", "refuse"): self.refuse,
            ("POST", "resume"): self.resume,
            ("POST", "release"): self.release,
        }
        self.routes.update(self.extra)

    def __call__(self, request):
        prefix = "/__control/"
        if not request.path.startswith(prefix):
            return answer({"error": "no such control"}, 404)
        name = request.path[len(prefix):]
        handler = self.routes.get((request.method, name))
        if not handler:
            return answer({"error": "no such control"}, 404)
        query = {k: v[-1] for k, v in parse_qs(request.query).items()}
        body = json.loads(request.body) if request.body else {}
        try:
            return answer(handler(query, body))
        except (KeyError, ValueError, TypeError) as err:
            return answer({"error": "%s: %s" % (type(err).__name__, err)},
                          400)

    def add_fault(self, query, body):
        specs = body if isinstance(body, list) else [body]
        return {"ids": [self.server.faults.add(spec) for spec in specs]}

    def clear_faults(self, query, body):
        self.server.faults.clear(query.get("gates") != "0")
        return {}

    def requests(self, query, body):
        return {"requests":
                self.server.recorder.since(int(query.get("since", 0))),
                "last": self.server.recorder.seq}

    def clear_requests(self, query, body):
        self.server.recorder.clear()
        return {}

    def gate(self, query, body):
        self.server.gates.release(body["name"], body.get("count", 1))
        return {}

    def gates(self, query, body):
        gates = self.server.gates
        return {"waiting": dict(gates.waiting),
                "permits": dict(gates.permits)}

    def status(self, query, body):
        recorder = self.server.recorder
        with recorder.lock:
            states = [r["state"] for r in recorder.rows]
        return {"open": states.count("open"), "gone": states.count("gone"),
                "requests": recorder.seq,
                "connections": len(self.server.connections),
                "accepted": self.server.accepted,
                "listening": bool(self.server.listeners),
                "now": time.time()}

    def refuse(self, query, body):
        self.server.refuse()
        return {}

    def resume(self, query, body):
        self.server.resume()
        return {}

    def release(self, query, body):
        """Ends every hang and opens every gate that is waited for."""
        self.server.release_turn += 1
        self.server.gates.open_all()
        return {}


def start_control(server, port, extra=None):
    """Starts the control listener; returns its port."""
    control = Server(Control(server, extra), Faults(), Recorder(keep=False))
    return control.listen_tcp("127.0.0.1", port)
