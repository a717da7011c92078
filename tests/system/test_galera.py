"""Two plugways on one Galera cluster, of which a node dies and returns.

PLUGWAY_TEST_REGISTRATIONS sets how many people register (60).
"""
import os

import pytest

import checker
from harness import galera
from harness.demo import DemoIdp, DemoUpstream
from harness.gateway import (ADMIN_KEY, DB_PASSWORD, Gateway, OAUTH_ID,
                             OAUTH_SECRET, base_env)
from harness.procs import name_of_mark, wait_until
from harness.registrar import World
from harness.signin import sign_in

PEOPLE = int(os.environ.get("PLUGWAY_TEST_REGISTRATIONS", "60"))

pytestmark = pytest.mark.skipif(
    not galera.installed(), reason="galera-4, rsync or lsof is missing")


class ClusterWorld(World):
    """A World whose database is the cluster and whose registrars are
    those of two daemons."""

    def __init__(self, rundir, template):
        self.rundir = os.path.join(rundir, "galera")
        os.makedirs(self.rundir)
        self.db = galera.Cluster(template, os.path.join(
            self.rundir, "c"), DB_PASSWORD)
        self.upstream = DemoUpstream(self.rundir, ADMIN_KEY)
        self.idp = DemoIdp(self.rundir, OAUTH_ID, OAUTH_SECRET)
        self.database_url = self.db.url()
        self.admin_key = ADMIN_KEY
        self.log = os.path.join(self.rundir, "probe.log")
        self.probes, self.foreign = [], set()
        self.kills = self.unknowns = self.gone = self.stops = 0
        self.people = 0
        self.proxy = None
        self.gateways = []

    def start_gateway(self, first):
        env = base_env(self.db.url(first), self.upstream.url, self.idp.url)
        env.update(PLUGWAY_LEASE_S="5", PLUGWAY_ATTEMPT_GRACE_S="1",
                   PLUGWAY_SWEEP_INTERVAL_S="1",
                   PLUGWAY_QUARANTINE_S="3600")
        one = Gateway(self.rundir, env, "gw%d" % first)
        if not self.gateways:
            one.migrate()
        self.gateways.append(one)
        one.start(deadline=40)
        # A node that dies is told of; that is no fault.
        one.allow_log("")
        return one

    def close(self):
        for one in self.gateways:
            one.stop()
        self.idp.stop()
        super().close()


@pytest.fixture
def world(rundir, mariadb_template):
    one = ClusterWorld(rundir, mariadb_template)
    yield one
    one.close()


def done(world):
    return int(world.db.sql("SELECT COUNT(*) FROM registration_jobs WHERE "
                            "state='done' AND kind='create'")[0][0])


def test_a_node_dies_and_returns(world):
    first, second = world.start_gateway(0), world.start_gateway(1)
    world.sign_in(PEOPLE // 3)
    wait_until(lambda: done(world) >= PEOPLE // 6, 60, "the first accounts",
               every=0.1)
    # The node that the first plugway writes to.
    world.db.nodes[0].kill()
    # What was under way at that instant may be done twice upstream.
    world.kills += 4
    world.database_url = world.db.url(1)
    world.sign_in(PEOPLE // 3)
    wait_until(lambda: done(world) >= 2 * (PEOPLE // 3), 90,
               "all accounts on two nodes", every=0.1)
    for gateway in (first, second):
        session = sign_in(gateway.client, name_of_mark("on-two-nodes"))
        assert session.get("/api/plugin-api/accounts").status == 200
    world.db.nodes[0].start()
    world.db.nodes[0].wait_ready(90)
    wait_until(lambda: world.db.size() == 3, 30, "three nodes")
    people = PEOPLE - 2 * (PEOPLE // 3)
    world.sign_in(people)
    total = PEOPLE + 2
    wait_until(lambda: done(world) >= total, 90, "all accounts", every=0.1)
    assert len(world.bound()) == total

    def clean():
        bound = {i for i, _, _ in world.bound().values()}
        return not [a for a in world.accounts()
                    if a["status"] == 1 and a["user_id"] not in bound]
    wait_until(clean, 60, "no active orphan", every=0.5)
    assert checker.check(checker.collect(world)) == []
    print("registrations %d, accounts created %d, bound once %d" % (
        total, len(world.upstream.ops(op="create")), len(world.bound())))
