"""The pages in a real browser: console, Swagger UI, ReDoc."""
import os
import shutil

import pytest

from harness.clients import Node, need_node
from harness.gateway import Gateway
from harness.procs import name_of_mark
from harness.webserver import Front


@pytest.fixture(scope="module")
def shots(rundir):
    """PLUGWAY_SHOTS keeps the pictures for a person to look at."""
    path = os.environ.get("PLUGWAY_SHOTS", os.path.join(rundir, "shots"))
    os.makedirs(path, exist_ok=True)
    return path


@pytest.fixture(scope="module")
def seen(rundir, env, migrated, shots):
    """One walk through all pages; the tests judge what was seen."""
    browser = shutil.which("chromium")
    if not browser:
        pytest.skip("chromium is not installed")
    need_node()
    gateway = Gateway(rundir, env)
    front = Front("lighttpd", gateway)
    gateway.env["PUBLIC_BASE_URL"] = front.base
    gateway.write_env()
    gateway.start()
    node = Node("browse.mjs", PLUGWAY_CHROMIUM=browser)
    job = {"base": front.base, "name": name_of_mark("person"),
           "shots": shots}
    try:
        yield dict(node.ask(job), job=job)
    finally:
        node.stop()
        front.stop()
        gateway.stop()


# Chromium's own words for the first visit: the console asks for a new
# token before it can know that there is no refresh cookie.
NO_COOKIE = "Failed to load resource: the server responded with a status " \
    "of 422 (Unprocessable Entity)"


def own(seen, page, idp=None, allowed_error=None):
    """Nothing went wrong, and nothing was asked of anybody else."""
    told = seen[page]
    assert "failed" not in told, told
    assert [e for e in told["errors"] if e != allowed_error] == []
    assert len(told["errors"]) <= 1
    allowed = {seen["job"]["base"]}
    if idp:
        allowed |= {idp.url, "http://localhost:%d" % idp.port}
    assert set(told["asked"]) <= allowed
    return told


def test_console(seen, demo_idp):
    told = own(seen, "console", demo_idp, NO_COOKIE)
    assert told["label"] == "Sign in with Linux.do"
    assert told["other"] == "使用 Linux.do 登录"
    assert told["user"] == seen["job"]["name"]
    assert told["key"] == "Ready"
    assert told["answer"] == "You said: hello from the console"
    assert told["made"].startswith("sk-") and len(told["made"]) == 67
    assert "from the console" in told["listed"]
    assert told["made"] not in told["listed"]
    assert not told["wide"]


def test_console_keeps_no_token_where_scripts_find_it(seen):
    told = seen["console"]
    assert told["stored"] == '[{},{},""]'
    assert told["url"] == seen["job"]["base"] + "/"


def test_console_on_a_telephone(seen):
    told = own(seen, "narrow")
    assert told["user"] == seen["job"]["name"] and not told["wide"]


def test_swagger_ui(seen):
    told = own(seen, "swagger")
    assert told["operations"] >= 50
    assert told["status"].startswith("200")
    assert seen["job"]["name"] in told["body"]


def test_redoc(seen):
    """It tries for a logo of its maker's, which the policy refuses."""
    told = seen["redoc"]
    assert "failed" not in told, told
    assert all("redoc" in e and "Content Security Policy" in e
               for e in told["errors"]), told["errors"]
    assert len(told["errors"]) <= 1
    assert "plugway" in told["title"] and told["operations"] >= 50


def test_sign_out(seen):
    told = own(seen, "signed-out", None, NO_COOKIE)
    assert told["notice"] == "You are signed out."
    assert told["still"] is False


def test_denied(seen, demo_idp):
    told = own(seen, "denied", demo_idp, NO_COOKIE)
    assert "did not sign you in" in told["notice"]
    assert told["url"] == seen["job"]["base"] + "/"


def test_every_page_has_its_picture(seen, shots):
    for name in ("welcome", "console", "narrow", "swagger", "redoc",
                 "signed-out", "denied"):
        assert os.path.getsize(os.path.join(shots, name + ".png")) > 5000
