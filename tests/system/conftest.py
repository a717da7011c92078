"""Fixtures shared by the system tests."""
import os
import shutil
import sys
import tempfile

import pytest

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))

from harness.demo import DemoIdp, DemoUpstream  # noqa: E402


@pytest.fixture(scope="module")
def rundir():
    """A short directory: socket paths have at most 107 bytes."""
    path = tempfile.mkdtemp(prefix="pw-", dir="/tmp")
    os.chmod(path, 0o755)
    yield path
    shutil.rmtree(path, ignore_errors=True)


@pytest.fixture(scope="module")
def demo_upstream(rundir):
    server = DemoUpstream(rundir, "sk-adminCanary0123456789abcdefADMIN")
    yield server
    server.stop()


@pytest.fixture(scope="module")
def demo_idp(rundir):
    server = DemoIdp(rundir, "demo-client", "idp-secret-canary")
    yield server
    server.stop()
