"""Ways to break a registration, small in the tests and large in
registration_proof.
"""
import random
import signal
import time

from harness.procs import wait_until
from harness.registrar import wait_stopped

# Where a paused registrar holds something that is worth less later.
STOP_POINTS = ("claim-done", "intent-written", "lease-checked",
               "create-answered", "create-sealed", "bind-before")


def people_with_trouble(world, people):
    """New people, some of whose creates are lost or fail."""
    users = world.sign_in(people)
    for i in range(max(1, people // 20)):
        world.lose_answers(1, skip=1 + 3 * i)
        world.fail_creates(1, skip=2 + 3 * i)
    return users


def crash_at(world, point, people, kills, deadline=120.0):
    """Kills registrars at one point while everything it may pass
    happens; returns how many died.  Needs heal() afterwards."""
    if point.startswith("sweep-"):
        return crash_in_sweep(world, point, people, kills)
    if point == "bind-fenced":
        return crash_when_fenced(world, point, kills)
    if point == "bind-unknown":
        world.proxy.commit_share = 0.5
        died = crash_in_create(world, point, people, kills, deadline)
        world.proxy.commit_share = 0.0
        return died
    if point.split("-")[0] not in ("rekey", "status"):
        return crash_in_create(world, point, people, kills, deadline)
    return crash_in_repair(world, point, people, kills, deadline)


def crash_in_create(world, point, people, kills, deadline):
    died = 0
    people_with_trouble(world, people)
    while died < kills:
        more = world.drain_crashing("%s:%d" % (point, 1 + died % 3), 1,
                                    deadline)
        if more == 0:
            break
        died += more
    return died


def crash_in_repair(world, point, people, kills, deadline):
    died = 0
    users = people_with_trouble(world, people)
    world.drain(deadline)
    repair_work(world, users)
    while died < kills:
        more = world.drain_crashing("%s:1" % point, 1, deadline)
        if more == 0:
            break
        died += more
    return died


def repair_work(world, users):
    """Keys to renew, accounts that vanished, users switched off and on."""
    bound = world.bound()
    third = max(1, len(users) // 3)
    for user in users[:max(1, third // 3)]:
        world.delete_account(bound[user][0])
    world.rekey(users[:third])
    world.set_active(users[third:2 * third], False)
    world.set_active(users[third:third + third // 2], True)


def crash_in_sweep(world, point, people, kills):
    died = 0
    for i in range(max(4, people // 5)):
        world.lose_answers(1, skip=i)
    world.sign_in(people)
    world.drain()
    for turn in range(kills * 4):
        if died == kills:
            break
        if world.sweep(crash="%s:1" % point, quarantine_s=0) is None:
            died += 1
    world.sweep(quarantine_s=0)
    return died


def crash_when_fenced(world, point, kills):
    """The fence is raised while the upstream's answer is awaited."""
    died = 0
    for _ in range(kills):
        user, = world.sign_in(1)
        world.upstream.fault(method="POST", path="^/api/users$",
                             gate_head="fence")
        mark = len(world.upstream.ops(op="create"))
        probe = world.start(crash="%s:1" % point, drain=True)
        wait_until(lambda: len(world.upstream.ops(op="create")) > mark)
        world.db.sql("UPDATE registration_jobs SET fence=fence+1"
                     " WHERE user_id=%d" % user)
        world.upstream.gate("fence")
        died += probe.wait(30) == -signal.SIGKILL
        world.kills += 1
    return died


def crash_at_random(world, people, share, seed, deadline=300.0):
    """Every point kills with this probability, until all is done."""
    begin = time.monotonic()
    users = people_with_trouble(world, people)
    half = False
    turn = 0
    while True:
        assert time.monotonic() - begin < deadline
        turn += 1
        if not world.drain_crashing("random:%g:%d" % (share, seed + turn), 1,
                                    deadline):
            if half:
                return
            half = True
            repair_work(world, users)
        elif turn % 10 == 0:
            world.sweep(crash="random:%g:%d" % (share, seed + turn),
                        quarantine_s=0)


def stop_at(world, point, lease_s):
    """One registrar is paused at the point for longer than its lease;
    another takes over; then the first goes on."""
    users = world.sign_in(1)
    first = world.start(crash="stop:%s:1" % point, drain=True,
                        lease_s=lease_s)
    wait_stopped(first)
    world.stops += 1
    world.drain(lease_s=lease_s)
    assert users[0] in world.bound()
    before = world.bound()
    first.kill(signal.SIGCONT)
    assert first.wait(30) == 0
    assert world.bound() == before


def stop_and_go(world, people, stops, lease_s, pause_s, seed=5):
    """Two registrars, one or the other paused at a random moment."""
    dice = random.Random(seed)
    world.sign_in(people)
    world.upstream.fault(method="POST", path="^/api/users$", count=-1,
                         delay_head=0.02)
    probes = [world.start(lease_s=lease_s) for _ in range(2)]
    for _ in range(stops):
        victim = dice.choice(probes)
        time.sleep(dice.random() * 0.3)
        victim.kill(signal.SIGSTOP)
        world.stops += 1
        time.sleep(pause_s)
        victim.kill(signal.SIGCONT)
    wait_until(lambda: set(world.states()) == {"done"}, 300,
               "all registrations")
    for probe in probes:
        probe.stop()
    world.upstream.clear_faults()


def heal(world, drain=True, deadline=300.0):
    """What the passing of time does: jobs end, orphans are swept."""
    world.upstream.clear_faults()
    if drain:
        world.drain(deadline)
    world.sweep_until_clean(deadline)


def look_alikes(world, count):
    """Names that come as close to our markers as anybody can."""
    dice = random.Random(17)
    real = [u["name"] for u in world.accounts()]
    names = []
    while len(names) < count:
        name = dice.choice(real)
        kind = len(names) % 8
        at = dice.randrange(len(name))
        prefix, instance, job, fence, mac = name.split(".")
        if kind == 0:           # one character of it is another
            other = dice.choice([c for c in "abcXYZ012-_."
                                 if c != name[at]])
            name = name[:at] + other + name[at + 1:]
        elif kind == 1:         # the MAC of one, the job of another
            name = ".".join((prefix, instance, str(int(job) + 1000), fence,
                             mac))
        elif kind == 2:         # another installation
            name = ".".join((prefix, instance[::-1] + "x", job, fence, mac))
        elif kind == 3:
            name = name.upper()
        elif kind == 4:
            name = " " + name
        elif kind == 5:
            name = name + "="
        elif kind == 6:
            name = ".".join((prefix, instance, "0" + job, fence, mac))
        else:
            name = name[:-1]
        names.append(name)
    return names
