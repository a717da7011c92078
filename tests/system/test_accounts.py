"""The main job, registrations and sessions once more, each kind of
process with its own account of sql/grants.sql.

A statement that an account lacks a right for fails one of these; what an
account must not have is in test_store_grants.c.
"""
import os
import subprocess

import pytest

from harness.procs import TOP, wait_until
from harness.signin import sign_in

from test_main_job import *         # noqa: F401,F403
from test_tokens import *           # noqa: F401,F403
from test_audit import *            # noqa: F401,F403

ROLES = ("worker", "keeper", "registrar")


@pytest.fixture(scope="module")
def module_env(database, migrated):
    with open(os.path.join(TOP, "sql", "grants.sql")) as file:
        database.sql(file.read())
    env = {}
    for role in ROLES:
        database.sql("ALTER USER 'plugway_%s'@'localhost' IDENTIFIED BY "
                     "'%sPassword'" % (role, role))
        env["DATABASE_URL_" + role.upper()] = database.url(
            "plugway_" + role, role + "Password")
    return env


def test_who_is_connected(gateway, client, database):
    """The owner of the database is nobody's account."""
    seen = set()

    def all_three():
        sign_in(client, "who")
        seen.update(row[0] for row in database.sql(
            "SELECT user FROM information_schema.processlist WHERE "
            "db='plugway' AND user<>'root'"))
        return len(seen) >= 2
    wait_until(all_three, 20, "keeper and registrar")
    assert seen <= {"plugway_" + role for role in ROLES}
    assert {"plugway_keeper", "plugway_registrar"} <= seen


@pytest.mark.parametrize("statement", [
    "SELECT api_key FROM plugin_api_keys",
    "SELECT bind_mac FROM plugin_api_keys",
    "UPDATE plugin_api_keys SET is_active=1",
    "DELETE FROM users", "DELETE FROM audit_log",
    "UPDATE audit_log SET detail=''",
    "SELECT * FROM mysql.user"])
def test_what_a_worker_is_refused(gateway, database, statement):
    done = subprocess.run(
        ["mariadb", "--no-defaults", "-uplugway_worker",
         "-pworkerPassword", "-S", database.socket, "plugway", "-e",
         statement], capture_output=True, text=True)
    assert done.returncode != 0 and "denied" in done.stderr, done


def test_nothing_was_denied(gateway):
    """The last of the module: what all the others left in the log."""
    assert "denied" not in gateway.text()
