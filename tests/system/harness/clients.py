"""Other people's clients, from npm; contrib/clients fetches them."""
import json
import os
import shutil
import subprocess
import tempfile

import pytest

from .procs import TOP, die_with_parent

HOME = os.environ.get("PLUGWAY_CLIENTS",
                      os.path.join(TOP, "var", "clients"))
SOURCE = os.path.join(TOP, "tests", "clients")


def need_node():
    """Skips only where node and npm are not installed."""
    for program in ("node", "npm"):
        if not shutil.which(program):
            pytest.skip(program + " is not installed")
    done = subprocess.run([os.path.join(TOP, "contrib", "clients"), HOME],
                          capture_output=True, text=True, timeout=600)
    assert done.returncode == 0, done.stdout + done.stderr


def environment(**more):
    env = {name: os.environ[name] for name in ("PATH", "HOME", "LANG")
           if name in os.environ}
    return dict(env, PLUGWAY_CLIENTS=HOME, NO_COLOR="1",
                REDOCLY_TELEMETRY="off", **more)


class Node:
    """A script of tests/clients: a line of JSON in, a line out."""

    def __init__(self, script, **more):
        self.errors = tempfile.TemporaryFile()
        self.process = subprocess.Popen(
            ["node", os.path.join(SOURCE, script)], stdin=subprocess.PIPE,
            stdout=subprocess.PIPE, stderr=self.errors,
            env=environment(**more), preexec_fn=die_with_parent)

    def ask(self, value):
        self.process.stdin.write(json.dumps(value).encode() + b"\n")
        self.process.stdin.flush()
        line = self.process.stdout.readline()
        if not line:
            self.errors.seek(0)
            raise AssertionError(self.errors.read().decode()[-4000:])
        return json.loads(line)

    def stop(self):
        self.process.stdin.close()
        self.process.stdout.close()
        self.process.kill()
        self.process.wait()
        self.errors.close()


def redocly(*args):
    return subprocess.run(
        [os.path.join(HOME, "node_modules", ".bin", "redocly")] +
        list(args), capture_output=True, text=True, env=environment(),
        cwd=SOURCE, timeout=120)
