"""plugwayd, started as its users start it."""
import json
import os
import re
import shlex
import signal
import subprocess

from .fastcgi import Client, Exchange
from .leaks import Scanner
from .procs import (Process, TOP, alive, children_of, title_of, tree_of,
                    wait_until)

BUILD = os.environ.get("PLUGWAY_BUILDDIR", TOP)
DAEMON = os.path.join(BUILD, "plugwayd")
CTL = os.path.join(BUILD, "plugwayctl")

ADMIN_KEY = "sk-adminCanary0123456789abcdefADMIN"
FERNET_KEY = "Y2FuYXJ5LWZlcm5ldC1rZXktb2YtdGhlLXRlc3RzITE="
JWT_KEY = "jwt-canary-secret-of-the-tests-0123456789"
OAUTH_ID = "demo-client"
OAUTH_SECRET = "idp-secret-canary-0123456789"
DB_PASSWORD = "dbCanaryPassword0123456789"
METRICS_TOKEN = "metricsCanaryToken0123456789"

# What a sanitizer, an assertion or a stack protector would write.
UNCLEAN = re.compile(
    rb"AddressSanitizer|LeakSanitizer|runtime error:|Assertion|assert|"
    rb"stack smashing|buffer overflow detected|Segmentation|SIGSEGV|SIGABRT|"
    rb"double free|corrupted|child died.*(signal\"?[=:](4|6|7|8|11|31)\b|"
    rb"exit\"?[=:][1-9])")

ASAN = "detect_leaks=0:abort_on_error=1:handle_abort=0:" \
       "detect_stack_use_after_return=0"


def base_env(database_url, upstream_url, idp_url):
    return {
        "PLUGIN_API_BASE_URL": upstream_url,
        "PLUGIN_API_ADMIN_KEY": ADMIN_KEY,
        "PLUGIN_API_ENCRYPTION_KEY": FERNET_KEY,
        "DATABASE_URL": database_url,
        "JWT_SECRET_KEY": JWT_KEY,
        "OAUTH_CLIENT_ID": OAUTH_ID,
        "OAUTH_CLIENT_SECRET": OAUTH_SECRET,
        "OAUTH_AUTHORIZATION_ENDPOINT": idp_url + "/oauth2/authorize",
        "OAUTH_TOKEN_ENDPOINT": idp_url + "/oauth2/token",
        "OAUTH_USER_INFO_ENDPOINT": idp_url + "/api/user",
        "PUBLIC_BASE_URL": "http://localhost:8000",
        "PLUGWAY_LOG_LEVEL": "debug",
        "PLUGWAY_WORKERS_MIN": "4",
        "PLUGWAY_WORKERS_MAX": "32",
        "PLUGWAY_WORKERS_SPARE_MIN": "2",
        "PLUGWAY_WORKERS_SPARE_MAX": "8",
        "PLUGWAY_SIGNIN_RATE": "0",
        "PLUGWAY_USER_RATE": "0",
        "PLUGWAY_USER_REQUESTS": "0",
        "PLUGWAY_USER_STREAMS": "0",
        "PLUGWAY_METRICS_TOKEN": METRICS_TOKEN,
    }


class Gateway:
    """One master with its children, and what is known of it."""

    alive_now = []

    def __init__(self, rundir, env, name="gw", user=None, launcher="spawn"):
        self.rundir = rundir
        self.env = dict(env)
        self.name = name
        self.user = user
        self.launcher = launcher
        self.socket = os.path.join(rundir, name + ".sock")
        self.env_file = os.path.join(rundir, name + ".env")
        self.log = os.path.join(rundir, name + ".log")
        self.run = os.path.join(rundir, name + ".run")
        self.env.setdefault("PLUGWAY_RUN_DIR", self.run)
        self.env.setdefault("PLUGWAY_DATA_DIR", os.path.join(BUILD, "datadir"))
        self.process = None
        self.seen = []
        self.log_at = 0
        self.allowed = []
        self.scanner = Scanner()
        for label, secret in (
                ("admin key", ADMIN_KEY), ("Fernet key", FERNET_KEY),
                ("JWT key", JWT_KEY), ("OAuth secret", OAUTH_SECRET),
                ("database password", DB_PASSWORD),
                ("metrics token", METRICS_TOKEN)):
            self.scanner.add(label, secret)
        assert os.path.exists(DAEMON), \
            "%s is not built (PLUGWAY_BUILDDIR)" % DAEMON
        os.makedirs(self.run, exist_ok=True)
        self.write_env()
        if user:
            subprocess.run(["chown", user, self.run, self.env_file],
                           check=True)

    def write_env(self):
        fd = os.open(self.env_file,
                     os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
        with os.fdopen(fd, "w") as file:
            for name, value in self.env.items():
                file.write("%s=%s\n" % (name, shlex.quote(str(value))))

    @property
    def client(self):
        return Client(address=self.socket, seen=self.seen)

    def exchange(self, timeout=30):
        return Exchange(self.socket, timeout)

    # -- running --------------------------------------------------------

    def environment(self):
        return {"PATH": "/usr/sbin:/usr/bin:/sbin:/bin", "LC_ALL": "C.UTF-8",
                "ASAN_OPTIONS": ASAN, "UBSAN_OPTIONS":
                "print_stacktrace=1"}

    def wrap(self, argv):
        if self.user:
            return ["runuser", "-u", self.user, "--"] + argv
        return argv

    def daemon_argv(self, *more):
        return [DAEMON, "--env", self.env_file] + list(more)

    def start(self, ready="ready", deadline=20.0):
        if self.launcher == "spawn":
            argv = ["spawn-fcgi", "-n", "-s", self.socket, "-M", "0660"]
            if os.geteuid() == 0 and not self.user:
                argv += ["-G", "www-data"]
            argv = self.wrap(argv + ["--"] + self.daemon_argv())
        else:
            argv = self.wrap(self.daemon_argv(
                "--foreground", "--listen", "unix:" + self.socket))
        if os.path.exists(self.socket):
            os.unlink(self.socket)
        self.process = Process(argv, self.log, env=self.environment(),
                               cwd="/")
        Gateway.alive_now.append(self)
        if ready:
            self.wait_ready(ready, deadline)
        return self

    def wait_ready(self, which="ready", deadline=20.0):
        path = "/api/health" + ("/ready" if which == "ready" else "")

        def good():
            if not self.process.alive():
                raise AssertionError("plugwayd ended:\n" + self.text())
            try:
                return self.client.get(path, timeout=5).status == 200
            except OSError:
                return False
        try:
            wait_until(good, deadline, "plugwayd to be ready", every=0.05)
        except AssertionError as err:
            raise AssertionError("%s\n%s" % (err, self.text()[-4000:]))

    def stop(self, number=signal.SIGTERM):
        if self in Gateway.alive_now:
            Gateway.alive_now.remove(self)
        if self.process:
            code = self.process.stop(number)
            self.process = None
            return code
        return None

    def migrate(self):
        done = self.ctl("migrate")
        assert done.returncode == 0, done.stdout + done.stderr
        return done

    def check(self, *more):
        """plugwayd --check: exit status and what it said."""
        return subprocess.run(
            self.wrap(self.daemon_argv("--check", *more)),
            env=self.environment(), stdin=subprocess.DEVNULL,
            capture_output=True, text=True, timeout=60)

    def ctl(self, *args, stdin=None):
        return subprocess.run(
            self.wrap([CTL, "--env", self.env_file] + list(args)),
            env=self.environment(), capture_output=True, text=True,
            input=stdin, timeout=60)

    def ctl_json(self, *args):
        done = self.ctl(*args, "--json")
        assert done.returncode == 0, done.stdout + done.stderr
        return json.loads(done.stdout)

    # -- its processes --------------------------------------------------

    @property
    def master(self):
        """The daemon itself: a launcher may stand before it."""
        pid = self.process.pid
        for candidate in [pid] + tree_of(pid):
            if title_of(candidate).startswith("plugwayd: master"):
                return candidate
        return pid

    def pids(self, role):
        return [pid for pid in children_of(self.master)
                if title_of(pid).startswith("plugwayd: " + role)]

    def pid(self, role):
        return wait_until(lambda: self.pids(role), 10, role)[0]

    def kill(self, role, number=signal.SIGKILL):
        """Kills one and returns its pid."""
        pid = self.pid(role)
        os.kill(pid, number)
        return pid

    def wait_replaced(self, role, old, deadline=15.0):
        """Until the old one is gone and another serves."""
        return wait_until(
            lambda: not alive(old) and
            [p for p in self.pids(role) if p != old], deadline,
            "a new " + role)[0]

    # -- its log --------------------------------------------------------

    def text(self):
        with open(self.log, "rb") as file:
            return file.read().decode("utf-8", "replace")

    def log_mark(self):
        return os.path.getsize(self.log)

    def log_since(self, mark):
        with open(self.log, "rb") as file:
            file.seek(mark)
            return file.read().decode("utf-8", "replace")

    def allow_log(self, pattern):
        """A line that the running test provokes on purpose."""
        self.allowed.append(re.compile(pattern.encode()))

    def inspect(self, upstream_keys=()):
        """What a test must leave behind: alive, clean, no secret told."""
        faults = []
        if self.process and not self.process.alive():
            faults.append("the master ended")
        with open(self.log, "rb") as file:
            file.seek(self.log_at)
            fresh = file.read()
        self.log_at += len(fresh)
        for line in fresh.split(b"\n"):
            if UNCLEAN.search(line) and not any(
                    a.search(line) for a in self.allowed):
                faults.append("log: " + line.decode("utf-8", "replace"))
        for key in upstream_keys:
            if key not in self.scanner.secrets:
                self.scanner.add(key, key)
        for name in self.scanner.find(fresh):
            faults.append("the log tells the " + name)
        for target, answer in self.seen:
            told = self.scanner.find(answer.body) + self.scanner.find(
                "\n".join("%s: %s" % h for h in answer.headers)
                .encode("utf-8", "replace"))
            if told:
                faults.append("the answer to %s tells %s" % (target, told))
        self.seen.clear()
        self.allowed = []
        return faults
