"""Registration: one bound account for everybody, whatever breaks.

The registrar's work is driven by probes that may be killed anywhere
(harness/registrar.py); checker.py judges what is left behind.  The same
scenarios with large counts: registration_proof.
"""
import random
import signal
import time

import pytest

import checker
import scenarios
from harness.procs import free_port, wait_until
from harness.registrar import World, crash_points, wait_stopped

# enum job_reason
UNREACHABLE, UPSTREAM_ERROR, ADMIN_KEY, RATE, REFUSED = 1, 2, 3, 4, 5
UNKNOWN, USER_DISABLED = 6, 8

needs_crash_points = pytest.mark.skipif(
    "not crash_points()",
    reason="crash points are compiled in with --enable-testing")


@pytest.fixture
def make_world(mariadb_template, rundir):
    made = []

    def make(**more):
        name = "w%d" % time.monotonic_ns()
        made.append(World(rundir, mariadb_template, name, **more))
        return made[-1]
    yield make
    for one in made:
        faults = one.inspect()
        one.close()
        assert faults == []


@pytest.fixture
def world(make_world):
    return make_world()


def good(world):
    assert checker.check(checker.collect(world)) == []


def reasons(world):
    return {int(r) for (r,) in world.db.sql(
        "SELECT DISTINCT reason FROM registration_jobs"
        " WHERE state<>'done'")}


def posts(world):
    return world.upstream.requests(path="/api/users", method="POST")


def creates(world):
    return len(world.upstream.ops(op="create"))


# -- the straight way ----------------------------------------------------

def test_everybody_gets_one_account(world):
    users = world.sign_in(60)
    world.drain()
    assert sorted(world.bound()) == users
    assert creates(world) == 60
    good(world)


def test_a_second_sign_in_makes_no_second_account(world):
    world.sign_in(5)
    world.drain()
    world.people = 0
    world.sign_in(5)
    world.drain()
    assert creates(world) == 5
    good(world)


def test_create_is_one_fresh_request_with_a_marker(world):
    world.sign_in(3)
    world.drain()
    rows = posts(world)
    assert len(rows) == 3
    assert len({r["conn"] for r in rows}) == 3
    for row in rows:
        assert row.header("content-type") == "application/json"
        assert row.body.startswith(b'{"name":"plugway.')
        assert row["body_len"] <= 100 + len('{"name":""}')


# -- crashes -------------------------------------------------------------

@needs_crash_points
def test_killed_at_every_crash_point(make_world):
    """A few people and kills at each point, healed and judged once."""
    world = make_world(port=free_port())
    world.cut_connections()
    assert len(crash_points()) >= 20
    missed = [point for point in crash_points()
              if scenarios.crash_at(world, point, people=10, kills=2) == 0]
    assert missed == []
    scenarios.heal(world)
    good(world)


@needs_crash_points
def test_killed_at_random(world):
    scenarios.crash_at_random(world, people=120, share=0.02, seed=7)
    scenarios.heal(world)
    assert world.kills > 5
    good(world)


def test_two_registrars_share_the_work(world):
    users = world.sign_in(150)
    probes = [world.start(drain=True) for _ in range(2)]
    for probe in probes:
        assert probe.wait(60) == 0
    assert sorted(world.bound()) == users
    assert creates(world) == 150
    good(world)


@needs_crash_points
@pytest.mark.parametrize("point", scenarios.STOP_POINTS)
def test_stopped_for_longer_than_the_lease(world, point):
    """What a paused host does when it goes on is worth nothing."""
    scenarios.stop_at(world, point, lease_s=1)
    scenarios.heal(world)
    good(world)


@needs_crash_points
def test_the_next_claim_shuts_out_the_one_before(world):
    """The first goes on while the second still holds the job, and what
    the first created was swept meanwhile."""
    world.sign_in(1)
    first = world.start(crash="stop:create-sealed:1", drain=True, lease_s=1)
    wait_stopped(first)
    second = world.start(crash="stop:create-sealed:1", drain=True,
                         lease_s=30)
    wait_stopped(second)
    world.stops += 2
    wait_until(lambda: world.sweep()["disabled"] == 1, 10, every=0.3)
    first.kill(signal.SIGCONT)
    wait_until(lambda: '"bind_refused"' in world.log_text(), 10)
    assert world.bound() == {}
    second.kill(signal.SIGCONT)
    assert second.wait(20) == 0
    assert first.wait(20) == 0
    scenarios.heal(world)
    good(world)


def test_registrars_stopped_again_and_again(world):
    scenarios.stop_and_go(world, people=120, stops=3, lease_s=1, pause_s=2.5)
    scenarios.heal(world)
    good(world)


# -- the database --------------------------------------------------------

def test_commits_of_unknown_outcome(make_world):
    world = make_world(port=free_port())
    proxy = world.cut_connections()
    world.sign_in(100)
    proxy.commit_share = 0.5
    world.drain(deadline=120)
    proxy.commit_share = 0
    assert proxy.cut_before > 15 and proxy.cut_after > 15
    # Each answer was kept until it was bound, so nothing had to be
    # created twice.
    assert creates(world) == 100
    good(world)


def test_connections_lost_at_any_statement(make_world):
    world = make_world(port=free_port())
    proxy = world.cut_connections()
    world.sign_in(60)
    proxy.commit_share = proxy.other_share = 0.08
    world.drain(deadline=180)
    proxy.commit_share = proxy.other_share = 0
    world.kills += proxy.cut_other + proxy.cut_before + proxy.cut_after
    assert proxy.cut_other > 20
    scenarios.heal(world)
    good(world)


def stop_the_database(world):
    world.sign_in(80)
    world.upstream.fault(method="POST", path="^/api/users$", count=-1,
                         delay_head=0.02)
    probe = world.start(drain=True)
    wait_until(lambda: creates(world) >= 20)
    world.db.stop(signal.SIGKILL)
    time.sleep(3.0)     # longer than a lease
    assert probe.alive()
    world.db.start()
    assert probe.wait(30) == 0
    world.stops += 1
    scenarios.heal(world)


def test_database_stopped_in_the_middle(world):
    world.db.sql("SET GLOBAL innodb_flush_log_at_trx_commit=1")
    stop_the_database(world)
    assert creates(world) <= 81
    good(world)


def test_database_that_forgets_its_last_second(world):
    """It comes back as it was before: accounts that were bound then are
    disabled, and kept."""
    # The first start, which makes the marker's key, is long past.
    world.db.sql("SET GLOBAL innodb_flush_log_at_trx_commit=1")
    world.sign_in(5)
    world.drain()
    world.db.sql("SET GLOBAL innodb_flush_log_at_trx_commit=0")
    stop_the_database(world)
    world.gone += creates(world) - 85
    good(world)


# -- the upstream --------------------------------------------------------

def test_answers_lost(world):
    for i in range(8):
        world.lose_answers(1, skip=2 * i)
    world.sign_in(40)
    world.drain()
    assert creates(world) == 48
    scenarios.heal(world)
    good(world)


SPOILT = [
    dict(body="<html>ok</html>", headers=[["Content-Type", "text/html"]]),
    dict(body='{"success":true,"data":{}}'),
    dict(body='{"success":true,"data":{"user_id":"../../x","api_key":'
              '"sk-0123456789abcdef0","name":"x"}}'),
    dict(body='{"success":true,"data":{"user_id":"u-1","api_key":'
              '"sk-0123456789abcdef0","name":"somebody else"}}'),
    dict(status=204), dict(status=302, body=""), dict(status=503, body=""),
    dict(raw="HTTP/1.1 200 OK\r\nContent-Length: 999\r\n\r\n{"),
    dict(infinite="x"), dict(huge_header=100000), dict(close="head"),
    dict(close="body"), dict(hang="request"),
]


def test_answers_that_cannot_be_believed(world):
    world.sign_in(40)
    for i, fault in enumerate(SPOILT):
        world.upstream.fault(method="POST", path="^/api/users$",
                             execute=True, skip=i, **fault)
        world.unknowns += 1
    world.drain()
    assert creates(world) == 40 + len(SPOILT)
    scenarios.heal(world)
    good(world)


def test_upstream_down_costs_no_attempts(world):
    users = world.sign_in(5)
    world.upstream.refuse()
    probe = world.start()
    wait_until(lambda: reasons(world) == {UNREACHABLE}, 10)
    time.sleep(1.5)
    assert all(world.job(u)["attempts"] == 0 for u in users)
    assert probe.alive()
    world.upstream.resume()
    wait_until(lambda: world.states() == {"done": 5}, 20)
    assert creates(world) == 5
    good(world)


def test_upstream_in_trouble_costs_no_attempts(world):
    """500 from everything: jobs wait, and it heals by itself."""
    users = world.sign_in(4)
    world.upstream.fault(path="^/api/users", count=-1, status=500,
                         body='{"error":"connect ECONNREFUSED"}')
    world.start()
    wait_until(lambda: UPSTREAM_ERROR in reasons(world), 10)
    time.sleep(2.0)
    assert len(posts(world)) <= 3
    assert all(world.job(u)["attempts"] == 0 for u in users)
    world.unknowns += len(posts(world))
    world.upstream.clear_faults()
    wait_until(lambda: world.states() == {"done": 4}, 30)
    good(world)


def test_refused_admin_key_stops_all_claims(world):
    users = world.sign_in(5)
    right, world.admin_key = world.admin_key, "sk-notTheAdminKey0123456789"
    probe = world.start()
    wait_until(lambda: reasons(world) == {ADMIN_KEY}, 10)
    wait_until(lambda: len(world.upstream.requests(
        path="/api/user/me")) > 4, 10)
    assert len(posts(world)) == 1
    assert all(world.job(u)["attempts"] == 0 for u in users)
    assert '"registration_stopped"' in world.log_text()
    probe.stop()
    world.admin_key = right
    world.drain()
    good(world)


def test_admin_key_accepted_again(world):
    world.sign_in(3)
    world.upstream.fault(path="^/api/user", count=-1, status=401,
                         body='{"error":"no"}')
    world.start()
    wait_until(lambda: reasons(world) == {ADMIN_KEY}, 10)
    world.upstream.clear_faults()
    wait_until(lambda: world.states() == {"done": 3}, 10)
    good(world)


def test_no_admin_key_jobs_wait_and_say_why(world):
    world.sign_in(3)
    world.admin_key = None
    probe = world.start()
    wait_until(lambda: reasons(world) == {ADMIN_KEY}, 10)
    assert world.upstream.status()["requests"] == 0
    assert world.states() == {"ready": 3}
    assert probe.stop() == 0


def test_429_pauses_everybody(world):
    world.sign_in(3)
    world.upstream.fault(method="POST", path="^/api/users$", status=429,
                         headers=[["Content-Type", "application/json"],
                                  ["Retry-After", "2"]], body="{}")
    world.start()
    wait_until(lambda: RATE in reasons(world), 5)
    wait_until(lambda: world.states() == {"done": 3}, 15)
    times = [row["at"] for row in posts(world)]
    assert len(times) == 4
    assert times[1] - times[0] > 1.9
    good(world)


def test_poison_job_is_set_aside(world):
    """One that the upstream always refuses, among good ones."""
    users = world.sign_in(60)
    poison = users[0]
    world.upstream.fault(
        method="POST", path="^/api/users$", count=-1, status=400,
        body='{"error":"no such luck"}',
        body_has=r"plugway\.[a-z0-9]+\.%d\." % world.job(poison)["id"])
    world.drain()
    row = world.job(poison)
    assert (row["state"], row["attempts"], row["reason"]) == (
        "held", 8, REFUSED)
    assert world.states() == {"done": 59, "held": 1}
    assert len(posts(world)) == 59 + 8
    world.held_allowed = 1
    world.unbound_allowed = [poison]
    good(world)


def test_forbidden_for_one_is_not_forbidden_for_all(world):
    """A 403 although the admin key is good: that job's own trouble."""
    users = world.sign_in(20)
    poison = users[7]
    world.upstream.fault(
        method="POST", path="^/api/users$", count=-1, status=403,
        body='{"error":"no"}',
        body_has=r"plugway\.[a-z0-9]+\.%d\." % world.job(poison)["id"])
    world.drain()
    assert world.states() == {"done": 19, "held": 1}
    world.held_allowed = 1
    world.unbound_allowed = [poison]
    good(world)


def test_silent_creates_are_rare(world):
    """An upstream that creates and never answers is not flooded."""
    users = world.sign_in(1)
    world.upstream.fault(method="POST", path="^/api/users$", count=-1,
                         execute=True, reset="request")
    probe = world.start(unknown_window_s=3600)
    wait_until(lambda: world.job(users[0])["unknowns"] == 3, 30)
    time.sleep(1.5)
    assert creates(world) == 3
    assert world.job(users[0])["reason"] == UNKNOWN
    probe.stop()
    world.unknowns += 3
    world.unbound_allowed = users
    scenarios.heal(world, drain=False)
    good(world)


# -- repair --------------------------------------------------------------

def test_rekey_gives_a_new_key(world):
    users = world.sign_in(6)
    world.drain()
    before = world.bound()
    assert world.rekey(users[:3]) == 3
    world.drain()
    after = world.bound()
    for user in users[:3]:
        assert after[user][0] == before[user][0]
        assert after[user][1] == before[user][1] + 1
        assert after[user][2] != before[user][2]
    assert [after[u] for u in users[3:]] == [before[u] for u in users[3:]]
    good(world)


def test_account_gone_at_the_upstream_is_replaced(world):
    users = world.sign_in(3)
    world.drain()
    before = world.bound()
    world.delete_account(before[users[0]][0])
    world.rekey(users[:1])
    world.drain()
    assert world.bound()[users[0]][0] != before[users[0]][0]
    assert '"account_gone"' in world.log_text()
    good(world)


def test_account_disabled_at_the_upstream_is_enabled_by_a_rekey(world):
    users = world.sign_in(1)
    world.drain()
    upstream_id = world.bound()[users[0]][0]
    world.upstream.control("POST", "user_status",
                           {"user_id": upstream_id, "status": 0})
    world.rekey(users)
    world.drain()
    good(world)


def test_account_follows_its_user(world):
    users = world.sign_in(4)
    world.drain()
    world.set_active(users[:2], False)
    world.drain()
    good(world)
    world.set_active(users[:1], True)
    world.drain()
    good(world)


def test_user_disabled_before_registration(world):
    users = world.sign_in(3)
    world.set_active(users[:1], False)
    probe = world.start()
    wait_until(lambda: world.states().get("done") == 2, 20)
    wait_until(lambda: reasons(world) == {USER_DISABLED}, 5)
    assert creates(world) == 2
    world.set_active(users[:1], True)
    wait_until(lambda: world.states() == {"done": 3}, 10)
    probe.stop()
    world.drain()
    good(world)


def test_status_toggled_while_it_is_worked_on(world):
    users = world.sign_in(8)
    world.drain()
    world.start()
    dice = random.Random(3)
    for _ in range(25):
        world.set_active([dice.choice(users)], dice.random() < 0.5)
    wait_until(lambda: set(world.states("status")) == {"done"}, 20)
    good(world)


# -- the sweeper ---------------------------------------------------------

def test_foreign_accounts_are_never_touched(world):
    world.seed(["user %d" % i for i in range(10000)])
    for i in range(3):
        world.lose_answers(1, skip=i)
    world.sign_in(20)
    world.drain()
    world.seed(scenarios.look_alikes(world, 100))
    totals = world.sweep(quarantine_s=0)
    assert totals["listed"] == 10000 + 100 + 23
    assert (totals["ours"], totals["orphans"]) == (23, 3)
    totals = world.sweep(quarantine_s=0)
    assert totals["deleted"] == 3
    assert len(world.upstream.users()) == 10000 + 100 + 20
    good(world)


def test_orphans_are_quarantined_and_then_deleted(world):
    world.lose_answers(2)
    world.sign_in(2)
    world.drain()
    totals = world.sweep(quarantine_s=3)
    assert (totals["disabled"], totals["deleted"]) == (2, 0)
    totals = world.sweep(quarantine_s=3)
    assert (totals["disabled"], totals["deleted"]) == (0, 0)
    assert [n[0] for n in totals["notes"]] == ["quarantined"] * 2
    good(world)
    time.sleep(3.1)
    totals = world.sweep(quarantine_s=3)
    assert (totals["disabled"], totals["deleted"]) == (0, 2)
    assert len(world.accounts()) == 2
    good(world)


def test_orphans_that_vanished_are_forgotten(world):
    """Deleted, but the answer was lost; or by somebody else."""
    world.lose_answers(2)
    world.sign_in(2)
    world.drain()
    world.sweep()
    bound = {i for i, _, _ in world.bound().values()}
    for account in world.accounts():
        if account["user_id"] not in bound:
            world.delete_account(account["user_id"])
    totals = world.sweep()
    assert (totals["rc"], totals["orphans"]) == (0, 0)
    assert world.db.value("SELECT COUNT(*) FROM orphans"
                          " WHERE deleted_at IS NULL") == "0"
    good(world)


def test_dry_run_changes_nothing_upstream(world):
    world.lose_answers(2)
    world.sign_in(2)
    world.drain()
    mark = world.upstream.ops_mark()
    totals = world.sweep(dry_run=True)
    assert [(n[0], n[3]) for n in totals["notes"]] == [("disable", "0")] * 2
    assert world.upstream.ops_mark() == mark


def test_at_most_fifty_destructive_calls_in_one_sweep(world):
    for i in range(70):
        world.lose_answers(1, skip=i)
    world.sign_in(80)
    world.drain()
    totals = world.sweep()
    assert (totals["disabled"], totals["capped"]) == (50, 1)
    totals = world.sweep()
    assert (totals["disabled"], totals["capped"]) == (20, 0)
    good(world)


def test_unknown_job_is_an_alarm_and_nothing_else(world):
    """A restored backup does not know the newest jobs."""
    world.sign_in(1)
    world.drain()
    name = world.call("marker", 4711, 1).strip()
    stray, = world.seed([name])
    totals = world.sweep(quarantine_s=0)
    assert (totals["no_job"], totals["orphans"]) == (1, 0)
    world.sweep(quarantine_s=0)
    assert world.upstream.user(stray)["status"] == 1
    assert '"sweep_no_job"' in world.log_text()
    good(world)


def test_restored_backup_disables_and_keeps_the_old_account(world):
    users = world.sign_in(1)
    world.drain()
    old = world.bound()[users[0]][0]
    world.db.sql("DELETE FROM plugin_api_keys;"
                 "DELETE FROM registration_attempts;"
                 "UPDATE registration_jobs SET state='ready', fence=0,"
                 "plugin_user_id=NULL, next_try_at=UTC_TIMESTAMP(6)")
    world.drain()
    assert world.bound()[users[0]][0] != old
    world.gone += 1
    world.sweep()
    world.sweep()
    assert world.upstream.user(old)["status"] == 0
    good(world)


@needs_crash_points
def test_attempts_in_flight_are_left_alone(world):
    """An account whose attempt is open may still be bound."""
    world.sign_in(1)
    probe = world.start(crash="stop:create-answered:1", lease_s=30)
    wait_stopped(probe)
    totals = world.sweep()
    assert [n[0] for n in totals["notes"]] == ["in_flight"]
    probe.kill(signal.SIGCONT)
    wait_until(lambda: world.states() == {"done": 1}, 10)
    assert creates(world) == 1
    good(world)


@pytest.mark.parametrize("fault", [
    dict(close="body"), dict(body='{"success":true,"data":[{]}'),
    dict(body='{"success":false,"data":[]}'), dict(status=500, body="{}"),
    dict(body="[]"),
], ids=["cut", "broken", "no-success", "500", "array"])
def test_half_a_list_removes_nothing(world, fault):
    world.lose_answers(2)
    world.sign_in(2)
    world.drain()
    world.upstream.fault(method="GET", path="^/api/users$", **fault)
    mark = world.upstream.ops_mark()
    totals = world.sweep()
    assert totals["rc"] == -1
    assert world.upstream.ops_mark() == mark


def test_one_sweeper_leads(world):
    world.sign_in(1)
    world.drain()
    world.db.sql("REPLACE INTO leases (name, owner, lease_until) VALUES"
                 " ('sweeper', 'another host', UTC_TIMESTAMP(6) +"
                 " INTERVAL 60 SECOND)")
    assert world.sweep()["led"] == 0


def test_users_deleted_while_they_register(world):
    users = world.sign_in(60)
    world.upstream.fault(method="POST", path="^/api/users$", count=-1,
                         delay_head=0.01)
    probe = world.start(drain=True)
    victims = random.Random(11).sample(users, 30)
    for user in victims:
        world.db.sql("DELETE FROM users WHERE id=%d" % user)
    assert probe.wait(60) == 0
    world.users_deleted = len(victims)
    scenarios.heal(world)
    assert world.db.value(
        "SELECT COUNT(*) FROM plugin_api_keys k LEFT JOIN users u"
        " ON u.id=k.user_id WHERE u.id IS NULL") == "0"
    good(world)
