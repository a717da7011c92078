"""The demo upstream and identity provider, and their control interface."""
import base64
import json
import os
import subprocess
import urllib.request

from .procs import DEMO, Process, wait_until

PYTHON = "/usr/bin/python3"


class Recorded(dict):
    """One request that a demo server received."""

    @property
    def body(self):
        return base64.b64decode(self["body_b64"])

    def header(self, name):
        for key, value in self["headers"]:
            if key.lower() == name.lower():
                return value
        return None

    def header_names(self):
        return [key.lower() for key, _ in self["headers"]]


class DemoServer:
    script = None

    def __init__(self, rundir, env, args=()):
        log = os.path.join(rundir, self.script + ".log")
        self.process = Process(
            [PYTHON, os.path.join(DEMO, self.script), "--port", "0",
             "--control", "0"] + list(args), log,
            env=dict(os.environ, **env), stdout=subprocess.PIPE)
        out = self.process.popen.stdout
        first = out.readline().decode().split()
        second = out.readline().decode().split()
        if not first or not second:
            raise AssertionError(self.process.text())
        self.address = first[-1]
        self.control_address = second[-1]
        port = self.address.rpartition(":")[2]
        self.port = int(port) if port.isdigit() else None
        self.url = "http://127.0.0.1:%s" % port

    def control(self, method, name, body=None):
        request = urllib.request.Request(
            "http://%s/__control/%s" % (self.control_address, name),
            method=method,
            data=json.dumps(body).encode() if body is not None else None)
        with urllib.request.urlopen(request, timeout=30) as answer:
            return json.load(answer)

    # -- faults and gates -----------------------------------------------

    def fault(self, **spec):
        return self.control("POST", "fault", spec)["ids"][0]

    def clear_faults(self, gates=True):
        """gates=False: what waits at a gate goes on waiting."""
        self.control("DELETE", "faults" if gates else "faults?gates=0")

    def fault_hits(self, number):
        rows = self.control("GET", "faults")
        return [row["hits"] for row in rows if row["id"] == number][0]

    def gate(self, name, count=1):
        self.control("POST", "gate", {"name": name, "count": count})

    def refuse(self):
        self.control("POST", "refuse")

    def resume(self):
        self.control("POST", "resume")

    def release(self):
        self.control("POST", "release")

    def settings(self, **values):
        self.control("POST", "settings", values)

    # -- what it saw ----------------------------------------------------

    def status(self):
        return self.control("GET", "status")

    def mark(self):
        """A place in the record, for requests(since=...)."""
        return self.status()["requests"]

    def requests(self, since=0, path=None, method=None):
        rows = self.control("GET", "requests?since=%d" % since)["requests"]
        return [Recorded(r) for r in rows
                if (path is None or r["path"] == path) and
                (method is None or r["method"] == method)]

    def wait_request(self, since=0, path=None, method=None, deadline=10.0):
        return wait_until(
            lambda: self.requests(since, path, method), deadline,
            "a request for %s" % path)[0]

    def stop(self):
        self.process.stop()
        self.process.popen.stdout.close()


class DemoUpstream(DemoServer):
    script = "upstream.py"

    def __init__(self, rundir, admin_key, args=()):
        self.admin_key = admin_key
        super().__init__(rundir, {"DEMO_UPSTREAM_ADMIN_KEY": admin_key},
                         ["--chunk-delay", "0"] + list(args))

    def users(self):
        return self.control("GET", "users")["users"]

    def user(self, user_id):
        return [u for u in self.users() if u["user_id"] == user_id][0]

    def ops(self, since=0, op=None):
        rows = self.control("GET", "ops?since=%d" % since)["ops"]
        return [r for r in rows if op is None or r["op"] == op]

    def ops_mark(self):
        return self.control("GET", "ops")["last"]


class DemoIdp(DemoServer):
    script = "idp.py"

    def __init__(self, rundir, client_id, secret, args=()):
        super().__init__(rundir, {"DEMO_IDP_CLIENT_ID": client_id,
                                  "DEMO_IDP_CLIENT_SECRET": secret}, args)

    def person(self, name, **values):
        self.control("POST", "person", {"name": name, "set": values})
