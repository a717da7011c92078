"""The registrar's work under test: database, demo upstream, and probes.

A probe (registration_probe.c) is a registrar without the daemon around
it, so that it can be killed at any point and started again at once.
"""
import os
import re
import signal
import subprocess

from .database import Database
from .dbproxy import CuttingProxy
from .demo import DemoUpstream
from .gateway import ADMIN_KEY, BUILD, DB_PASSWORD, FERNET_KEY
from .procs import Process, TOP, alive, state_of, wait_until

PROBE = os.environ.get("PLUGWAY_PROBE") or os.path.join(
    BUILD, "tests", "system", "registration_probe")
UNCLEAN = re.compile(r"AddressSanitizer|runtime error:|Assertion|"
                     r"stack smashing|LeakSanitizer")

# Everything that takes minutes in earnest takes a moment here.
QUICK = {"lease-s": 2, "grace-s": 1, "sweep-s": 0, "quarantine-s": 3600,
         "unknown-window-s": 1, "backoff-ms": 10, "backoff-cap-ms": 100,
         "idle-ms": 20, "connect-ms": 1000, "refused-probe-ms": 200}


def crash_points():
    done = subprocess.run([PROBE, "points"], capture_output=True, text=True,
                          check=True)
    return done.stdout.split()


class World:
    """One database, one upstream, and what the test did to them."""

    def __init__(self, rundir, template, name="reg", port=None):
        self.rundir = os.path.join(rundir, name)
        os.makedirs(self.rundir)
        self.db = Database(template, self.rundir, DB_PASSWORD, port=port)
        self.upstream = DemoUpstream(self.rundir, ADMIN_KEY)
        self.database_url = self.db.url()
        self.admin_key = ADMIN_KEY
        self.log = os.path.join(self.rundir, "probe.log")
        self.probes = []
        self.kills = 0          # probes killed by a crash point
        self.unknowns = 0       # creates whose answer was spoilt
        self.gone = 0           # accounts deleted at the upstream
        self.stops = 0          # probes stopped and continued
        self.foreign = set()    # ids that were never ours
        self.people = 0
        self.proxy = None
        self.call("migrate", os.path.join(TOP, "sql"))

    def cut_connections(self):
        """From now on probes reach the database through a CuttingProxy
        (needs a port)."""
        self.proxy = CuttingProxy(("127.0.0.1", self.db.port))
        self.database_url = self.db.url().replace(
            ":%d/" % self.db.port, ":%d/" % self.proxy.port)
        return self.proxy

    def close(self):
        for probe in self.probes:
            if probe.alive():
                probe.kill(signal.SIGCONT)
                probe.stop(signal.SIGKILL)
        if self.proxy:
            self.proxy.close()
        self.upstream.stop()
        self.db.stop(signal.SIGKILL)

    # -- probes ---------------------------------------------------------

    def environment(self, crash=None):
        env = {"PATH": "/usr/bin:/bin", "LC_ALL": "C.UTF-8",
               "PROBE_DATABASE_URL": self.database_url,
               "PROBE_UPSTREAM": self.upstream.url,
               "PROBE_KEYS": FERNET_KEY,
               "ASAN_OPTIONS": "detect_leaks=0:abort_on_error=1"}
        if self.admin_key:
            env["PROBE_ADMIN_KEY"] = self.admin_key
        if crash:
            env["PLUGWAY_TEST_CRASH"] = crash
        return env

    @staticmethod
    def options(changed):
        values = dict(QUICK, **{k.replace("_", "-"): v
                                for k, v in changed.items()})
        return ["--%s=%d" % pair for pair in values.items()]

    def start(self, crash=None, drain=False, **options):
        """A registrar that runs beside us."""
        argv = [PROBE] + self.options(options)
        if drain:
            argv.append("--drain")
        probe = Process(argv + ["run"], self.log,
                        env=self.environment(crash))
        self.probes = [p for p in self.probes if p.alive()] + [probe]
        return probe

    def call(self, *args, stdin=None, crash=None, dry_run=False, **options):
        """Runs a verb to its end; what it printed."""
        argv = [PROBE] + self.options(options)
        if dry_run:
            argv.append("--dry-run")
        with open(self.log, "ab") as log:
            done = subprocess.run(
                argv + [str(a) for a in args], input=stdin, text=True,
                stdout=subprocess.PIPE, stderr=log, timeout=600,
                env=self.environment(crash))
        if done.returncode == -signal.SIGKILL and crash:
            self.kills += 1
            return None
        if done.returncode not in (0, 1) or (
                done.returncode == 1 and args[0] != "sweep"):
            raise AssertionError("%s: exit %d\n%s" % (
                args, done.returncode, self.log_text()[-2000:]))
        return done.stdout

    def drain(self, deadline=60.0, **options):
        """Runs a registrar until no job is left."""
        probe = self.start(drain=True, **options)
        code = probe.wait(deadline)
        assert code == 0, "probe: exit %d\n%s" % (
            code, self.log_text()[-2000:])

    def drain_crashing(self, crash, kills, deadline=60.0, **options):
        """Starts registrars until `kills` died at the point, or no job is
        left.  Returns how many died."""
        died = 0
        while died < kills:
            probe = self.start(crash=crash, drain=True, **options)
            if probe.wait(deadline) != -signal.SIGKILL:
                break
            died += 1
        self.kills += died
        return died

    def log_text(self):
        with open(self.log, "rb") as file:
            return file.read().decode("utf-8", "replace")

    def inspect(self):
        """No sanitizer report, no secret, in anything a probe wrote."""
        text = self.log_text()
        faults = [line for line in text.splitlines()
                  if UNCLEAN.search(line)]
        secrets = {u["api_key"] for u in self.upstream.users()}
        secrets |= {ADMIN_KEY, FERNET_KEY, DB_PASSWORD}
        faults += ["a secret in the log" for s in secrets if s in text]
        return faults

    # -- people and their jobs ------------------------------------------

    def sign_in(self, count):
        """New people; returns their user ids.  Past the proxy: a person
        whose sign-in fails comes again, and is not what is proved."""
        through, self.database_url = self.database_url, self.db.url()
        try:
            out = self.call("sign-in", "person", self.people,
                            self.people + count)
        finally:
            self.database_url = through
        self.people += count
        return [int(line) for line in out.split()]

    def bound(self):
        """user id -> (upstream id, generation, SHA-256 of the key)."""
        rows = [line.split() for line in self.call("keys").splitlines()]
        return {int(u): (i, int(g), h) for u, i, g, h in rows}

    def states(self, kind="create"):
        rows = self.db.sql("SELECT state, COUNT(*) FROM registration_jobs"
                           " WHERE kind='%s' GROUP BY state" % kind)
        return {state: int(n) for state, n in rows}

    def job(self, user_id, kind="create"):
        names = ("id", "state", "fence", "attempts", "unknowns", "reason")
        row = self.db.sql(
            "SELECT %s FROM registration_jobs WHERE user_id=%d AND "
            "kind='%s'" % (",".join(names), user_id, kind))[0]
        return {n: v if n == "state" else int(v)
                for n, v in zip(names, row)}

    def rekey(self, users):
        return int(self.call("rekey", *users)) if users else 0

    def set_active(self, users, active):
        if users:
            self.call("active", int(active), *users)

    # -- the upstream ---------------------------------------------------

    def seed(self, names):
        ids = self.upstream.control("POST", "seed",
                                    {"names": names})["ids"]
        self.foreign |= set(ids)
        return ids

    def lose_answers(self, count, skip=0):
        """Creates that are done, with answers that never arrive."""
        self.upstream.fault(method="POST", path="^/api/users$", count=count,
                            skip=skip, execute=True, reset="request")
        self.unknowns += count

    def fail_creates(self, count, skip=0, status=500):
        self.upstream.fault(method="POST", path="^/api/users$", count=count,
                            skip=skip, status=status,
                            body='{"error":"spoilt by the test"}')
        if status >= 500:
            self.unknowns += count

    def delete_account(self, upstream_id):
        self.upstream.control("POST", "user_delete",
                              {"user_id": upstream_id})
        self.gone += 1

    def accounts(self):
        """What exists at the upstream and carries our marker."""
        users = self.upstream.users()
        names = [(u["name"] or "").replace("\n", " ") for u in users]
        flags = self.call("ours", stdin="\n".join(names) + "\n").split()
        assert len(flags) == len(users)
        return [u for u, f in zip(users, flags)
                if f == "1" and u["user_id"] not in self.foreign]

    # -- sweeping -------------------------------------------------------

    def sweep(self, crash=None, dry_run=False, **options):
        """One run; its totals as numbers, or None when it crashed."""
        out = self.call("sweep", crash=crash, dry_run=dry_run, **options)
        if out is None:
            self.db.sql("DELETE FROM leases")   # two minutes pass
            return None
        totals = out.splitlines()[-1]
        assert totals.startswith("totals "), out
        found = {k: int(v) for k, v in re.findall(r"(\w+)=(-?\d+)", totals)}
        found["notes"] = [line.split()[1:]
                          for line in out.splitlines()[:-1]]
        return found

    def sweep_until_clean(self, deadline=60.0, **options):
        """Until every account of ours is bound or disabled."""
        def clean():
            totals = self.sweep(**options)
            bound = {i for i, _, _ in self.bound().values()}
            active = [u for u in self.accounts() if u["status"] == 1 and
                      u["user_id"] not in bound]
            return totals["rc"] == 0 and totals["led"] and not active
        wait_until(clean, deadline, "a clean upstream", every=0.2)


def stopped(probe):
    return state_of(probe.pid) == "T"


def wait_stopped(probe, deadline=20.0):
    wait_until(lambda: stopped(probe) or not alive(probe.pid), deadline,
               "a stopped probe")
    assert stopped(probe), "the probe ended instead of stopping"
