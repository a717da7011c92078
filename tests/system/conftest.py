"""Fixtures shared by the system tests.

A module has its own database, demo servers and gateway; a test that
needs other settings starts a gateway of its own with `start_gateway`.
After every test each gateway must be alive, its log free of reports of
sanitizers and assertions, and no secret told in log or answers.
"""
import os
import shutil
import sys
import tempfile

import pytest

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))

from harness import database as databases  # noqa: E402
from harness.demo import DemoIdp, DemoUpstream  # noqa: E402
from harness.gateway import (ADMIN_KEY, DB_PASSWORD, Gateway,  # noqa: E402
                             OAUTH_ID, OAUTH_SECRET, base_env)
from harness.procs import name_of_mark  # noqa: E402
from harness.signin import sign_in  # noqa: E402
from harness.webserver import Front  # noqa: E402


def pytest_make_parametrize_id(config, val, argname):
    """Names of tests stay short and readable."""
    return ascii(val)[:40]


def short_dir():
    """A short directory: socket paths have at most 107 bytes."""
    path = tempfile.mkdtemp(prefix="pw-", dir="/tmp")
    os.chmod(path, 0o755)
    return path


@pytest.fixture(scope="module")
def rundir():
    path = short_dir()
    yield path
    if os.environ.get("PLUGWAY_KEEP_RUNDIR"):
        print("kept", path)
    else:
        shutil.rmtree(path, ignore_errors=True)


@pytest.fixture(scope="session")
def mariadb_template():
    path = short_dir()
    yield databases.make_template(os.path.join(path, "db"))
    shutil.rmtree(path, ignore_errors=True)


@pytest.fixture(scope="module")
def database(mariadb_template, rundir):
    server = databases.Database(mariadb_template, rundir, DB_PASSWORD)
    yield server
    server.stop()


@pytest.fixture(scope="module")
def demo_upstream(rundir):
    server = DemoUpstream(rundir, ADMIN_KEY)
    yield server
    server.stop()


@pytest.fixture(scope="module")
def demo_idp(rundir):
    server = DemoIdp(rundir, OAUTH_ID, OAUTH_SECRET)
    yield server
    server.stop()


@pytest.fixture
def upstream(demo_upstream):
    """The module's upstream, well-behaved again after the test."""
    yield demo_upstream
    demo_upstream.release()
    demo_upstream.clear_faults()
    demo_upstream.resume()


@pytest.fixture
def idp(demo_idp):
    yield demo_idp
    demo_idp.release()
    demo_idp.clear_faults()
    demo_idp.resume()


@pytest.fixture(scope="module")
def env(database, demo_upstream, demo_idp):
    return base_env(database.url(), demo_upstream.url, demo_idp.url)


@pytest.fixture(scope="module")
def migrated(rundir, env):
    """The database has its tables."""
    Gateway(rundir, env, name="migrate").migrate()


@pytest.fixture(scope="module")
def module_env():
    """Settings of the module's gateway; modules override this."""
    return {}


@pytest.fixture(scope="module")
def gateway(rundir, env, migrated, module_env):
    running = Gateway(rundir, dict(env, **module_env)).start()
    yield running
    running.stop()


@pytest.fixture
def start_gateway(rundir, env, migrated):
    """start_gateway(NAME=value, ...) runs one more for this test."""
    started = []

    def start(name=None, ready="ready", user=None, launcher="spawn", **more):
        values = dict(env, **more)
        for key in [k for k, v in values.items() if v is None]:
            del values[key]
        one = Gateway(rundir, values, name or name_of_mark("g"), user,
                      launcher)
        started.append(one)
        return one.start(ready) if ready is not False else one
    yield start
    for one in started:
        one.stop()


@pytest.fixture
def client(gateway):
    """Talks to the workers' socket directly."""
    return gateway.client


@pytest.fixture
def session(client, request):
    """A person who is new in this test, signed in."""
    return sign_in(client, name_of_mark("p"))


@pytest.fixture
def fronts():
    """fronts(kind, gateway) starts a web server for this test."""
    started = []

    def start(kind, gateway):
        front = Front(kind, gateway)
        started.append(front)
        return front
    yield start
    for front in started:
        front.stop()


@pytest.fixture(autouse=True)
def left_clean(request):
    yield
    names = request.fixturenames
    keys = []
    if "demo_upstream" in names:
        keys = [u["api_key"] for u in
                request.getfixturevalue("demo_upstream").users()]
    faults = [f for one in list(Gateway.alive_now)
              for f in one.inspect(keys)]
    assert not faults, "\n".join(faults)
