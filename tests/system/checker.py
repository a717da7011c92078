#!/usr/bin/python3
"""Checks, offline, what registrations left behind.

The facts are a plain dictionary, taken from the database, from the
upstream's own records and from what the test did (collect()); check()
knows nothing of how they came about.

    checker.py FACTS.json      prints every violation; exit status 1
"""
import json
import re
import sys

USER_PATH = re.compile(r"^/api/users/([^/]+)(/[a-z-]+)?$")


def collect(world):
    """The facts of a World (harness/registrar.py)."""
    users = world.db.sql("SELECT id, is_active FROM users")
    jobs = world.db.sql("SELECT user_id, kind, state FROM registration_jobs")
    once = world.db.sql("SELECT DISTINCT plugin_user_id FROM"
                        " registration_attempts WHERE state='ok'")
    keys = world.db.sql("SELECT user_id, plugin_user_id FROM"
                        " plugin_api_keys")
    opened = world.bound()
    return {
        "users": {int(i): int(active) for i, active in users},
        "jobs": [[int(u), kind, state] for u, kind, state in jobs],
        "ever_bound": [row[0] for row in once],
        "keys": [[int(u), i, opened[int(u)][2]] for u, i in keys],
        "accounts": [dict(user_id=a["user_id"], status=a["status"])
                     for a in world.accounts()],
        "current_key": current_keys(world.upstream.ops()),
        "creates": [o["user_id"] for o in world.upstream.ops(op="create")
                    if o["user_id"] not in world.foreign],
        "calls": [[r["method"], r["path"], r["status"]]
                  for r in world.upstream.requests()
                  if r["method"] != "GET"],
        "foreign": sorted(world.foreign),
        "unknowns": world.unknowns, "kills": world.kills,
        "stops": world.stops, "gone": world.gone,
        "held_allowed": getattr(world, "held_allowed", 0),
        "was_disabled": sorted(getattr(world, "was_disabled", ())),
        "users_deleted": getattr(world, "users_deleted", 0),
        "unbound_allowed": sorted(getattr(world, "unbound_allowed", ())),
    }


def current_keys(ops):
    """upstream id -> SHA-256 of the one key that works now."""
    current = {}
    for op in ops:
        if op["op"] in ("create", "regenerate"):
            current[op["user_id"]] = op["key"]
        elif op["op"] == "delete":
            current.pop(op["user_id"], None)
    return current


def one_key_each(facts):
    by_user = {}
    for user, upstream_id, digest in facts["keys"]:
        by_user.setdefault(user, []).append(upstream_id)
        if facts["current_key"].get(upstream_id) != digest:
            yield "user %d: the bound key is not the one that works" % user
        if user not in facts["users"]:
            yield "key of user %d, who does not exist" % user
    for user in facts["users"]:
        if user in facts["unbound_allowed"]:
            continue
        if len(by_user.get(user, ())) != 1:
            yield "user %d has %d keys" % (user,
                                           len(by_user.get(user, ())))
    bound = [row[1] for row in facts["keys"]]
    if len(bound) != len(set(bound)):
        yield "an upstream account is bound twice"


def accounts_follow(facts):
    """Bound: as active as the user.  Everything else: disabled."""
    owner = {row[1]: row[0] for row in facts["keys"]}
    status = {a["user_id"]: a["status"] for a in facts["accounts"]}
    for upstream_id, user in owner.items():
        if status.get(upstream_id) != facts["users"].get(user):
            yield "account %s of user %d has status %s, the user %s" % (
                upstream_id, user, status.get(upstream_id),
                facts["users"].get(user))
    for upstream_id, value in status.items():
        if upstream_id not in owner and value != 0:
            yield "orphan %s is active" % upstream_id


def calls_were_rightful(facts):
    foreign = set(facts["foreign"])
    ever_bound = set(facts["ever_bound"])
    for method, path, status in facts["calls"]:
        found = USER_PATH.match(path)
        if path != "/api/users" and not found:
            yield "a call that is none of ours: %s %s" % (method, path)
            continue
        if not found:
            continue
        if found.group(1) in foreign:
            yield "a foreign account was touched: %s %s" % (method, path)
        if method == "DELETE" and found.group(1) in ever_bound:
            yield "an account that was bound was deleted: %s" % path


def jobs_ended(facts):
    held = 0
    for user, kind, state in facts["jobs"]:
        if state == "held":
            held += 1
        elif state != "done" and user not in facts["unbound_allowed"]:
            yield "job %s of user %d is %s" % (kind, user, state)
    if held > facts["held_allowed"]:
        yield "%d jobs are held" % held


def creates_are_few(facts):
    limit = (len(facts["users"]) + facts["users_deleted"] +
             facts["unknowns"] + facts["kills"] + facts["stops"] +
             facts["gone"])
    if len(facts["creates"]) > limit:
        yield "%d accounts were created, at most %d are explained" % (
            len(facts["creates"]), limit)


RULES = (one_key_each, accounts_follow, calls_were_rightful, jobs_ended,
         creates_are_few)


def check(facts):
    """Every violation, as a sentence."""
    return ["%s: %s" % (rule.__name__, text)
            for rule in RULES for text in rule(facts)]


def main():
    if len(sys.argv) != 2:
        sys.exit("usage: checker.py FACTS.json")
    with open(sys.argv[1]) as file:
        facts = json.load(file)
    facts["users"] = {int(k): v for k, v in facts["users"].items()}
    violations = check(facts)
    for line in violations:
        print(line)
    print("%d users, %d accounts created, %d violations" % (
        len(facts["users"]), len(facts["creates"]), len(violations)))
    sys.exit(1 if violations else 0)


if __name__ == "__main__":
    main()
