"""What the demo upstream knows: users, accounts, quotas, consumption.

All in memory under one lock, with an optional JSON file that is written
whole and renamed into place, so that a stopped demo keeps its users.
Every executed operation gets a line in the operation log.
"""
import base64
import hashlib
import json
import os
import secrets
import string
import threading
import time
import uuid
from datetime import datetime, timedelta, timezone

ALNUM = string.ascii_letters + string.digits
MODELS = ("gemini-3-pro-high", "gemini-2.5-flash", "claude-sonnet-4-5",
          "gemini-3-pro-image")
KIRO_MODELS = ("claude-sonnet-4-5", "claude-opus-4-5", "claude-haiku-4-5")
ROWS_KEPT = 500


def stamp(when=None):
    when = when or datetime.now(timezone.utc)
    return when.strftime("%Y-%m-%dT%H:%M:%S.") + \
        "%03dZ" % (when.microsecond // 1000)


def stamp_bare(when):
    """reset_time and its like carry no zone."""
    return stamp(when)[:-1]


def new_key():
    """The length of a real key varies from 46 to 51."""
    return "sk-" + "".join(secrets.choice(ALNUM)
                           for _ in range(43 + secrets.randbelow(6)))


def key_hash(key):
    return hashlib.sha256(key.encode()).hexdigest()


class Store:
    def __init__(self, state_path=None, log_path=None, demo_accounts=True):
        self.lock = threading.RLock()
        self.state_path = state_path
        self.demo_accounts = demo_accounts
        self.users = {}
        self.keys = {}
        self.accounts = {}
        self.states = {}
        self.ops = []
        self.log = open(log_path, "a", buffering=1) if log_path else None
        self.dirty = threading.Event()
        if state_path:
            self.load()
            threading.Thread(target=self.save_loop, daemon=True).start()

    # -- persistence ----------------------------------------------------

    def load(self):
        if not os.path.exists(self.state_path):
            return
        with open(self.state_path) as file:
            data = json.load(file)
        self.users = data["users"]
        self.accounts = data["accounts"]
        self.keys = {u["api_key"]: i for i, u in self.users.items()}

    def save(self):
        with self.lock:
            self.dirty.clear()
            text = json.dumps({"users": self.users,
                               "accounts": self.accounts})
        beside = self.state_path + ".new"
        fd = os.open(beside, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
        with os.fdopen(fd, "w") as file:
            file.write(text)
            file.flush()
            os.fsync(file.fileno())
        os.replace(beside, self.state_path)

    def save_loop(self):
        while True:
            self.dirty.wait()
            time.sleep(0.1)
            self.save()

    def close(self):
        if self.state_path and self.dirty.is_set():
            self.save()

    def note(self, op, user_id, **more):
        with self.lock:
            row = dict(seq=len(self.ops) + 1, op=op, user_id=user_id,
                       at=time.time(), **more)
            self.ops.append(row)
            self.dirty.set()
            if self.log:
                self.log.write(json.dumps(row) + "\n")

    # -- users ----------------------------------------------------------

    def create_user(self, name):
        with self.lock:
            user_id, key, now = str(uuid.uuid4()), new_key(), stamp()
            user = {"user_id": user_id, "api_key": key, "name": name,
                    "prefer_shared": 0, "status": 1, "created_at": now,
                    "updated_at": now, "seeded": False, "pools": {},
                    "rows": []}
            self.users[user_id] = user
            self.keys[key] = user_id
            self.note("create", user_id, name=name, key=key_hash(key))
            return user

    def regenerate(self, user):
        with self.lock:
            self.keys.pop(user["api_key"], None)
            user["api_key"] = new_key()
            user["updated_at"] = stamp()
            self.keys[user["api_key"]] = user["user_id"]
            self.note("regenerate", user["user_id"],
                      key=key_hash(user["api_key"]))
            return user["api_key"]

    def set_status(self, user, status):
        with self.lock:
            user["status"] = status
            user["updated_at"] = stamp()
            self.note("status", user["user_id"], status=status)

    def set_preference(self, user, prefer_shared):
        with self.lock:
            user["prefer_shared"] = prefer_shared
            user["updated_at"] = stamp()
            self.note("preference", user["user_id"], value=prefer_shared)

    def delete_user(self, user):
        with self.lock:
            self.keys.pop(user["api_key"], None)
            del self.users[user["user_id"]]
            self.accounts = {i: a for i, a in self.accounts.items()
                             if a["user_id"] != user["user_id"]}
            self.note("delete", user["user_id"])

    def by_key(self, key):
        """The enabled user of a key, with demo accounts at first sight."""
        with self.lock:
            user = self.users.get(self.keys.get(key))
            if not user or user["status"] != 1:
                return None
            if not user["seeded"]:
                user["seeded"] = True
                if self.demo_accounts:
                    self.seed(user)
            return user

    def list_users(self):
        with self.lock:
            rows = sorted(self.users.values(), reverse=True,
                          key=lambda u: u["created_at"])
            return [{k: u[k] for k in ("user_id", "name", "status",
                                       "created_at", "updated_at")}
                    for u in rows]

    # -- accounts -------------------------------------------------------

    def seed(self, user):
        tag = user["user_id"][:8]
        self.add_account(user, "demo-%s@example.com" % tag, 0)
        self.add_account(user, "shared-%s@example.com" % tag, 1)

    def add_account(self, user, email, is_shared):
        with self.lock:
            now = stamp()
            expires = int((time.time() + 3600) * 1000)
            account = {
                "cookie_id": secrets.token_hex(16),
                "user_id": user["user_id"], "name": email,
                "is_shared": is_shared, "status": 1, "need_refresh": False,
                "expires_at": str(expires),
                "project_id_0": "demo-" + secrets.token_hex(4),
                "is_restricted": False, "paid_tier": None,
                "ineligible": False, "created_at": now, "updated_at": now,
                "last_used_at": None, "email": email,
                "quotas": {m: {"quota_id": str(uuid.uuid4()), "quota": 1.0,
                               "status": 1, "created_at": now}
                           for m in MODELS},
            }
            self.accounts[account["cookie_id"]] = account
            if is_shared:
                self.move_pool(user, 1)
            self.note("account", user["user_id"],
                      cookie_id=account["cookie_id"])
            return account

    def email_taken(self, email):
        with self.lock:
            return any(a["email"] == email for a in self.accounts.values())

    def accounts_of(self, user):
        with self.lock:
            return [a for a in self.accounts.values()
                    if a["user_id"] == user["user_id"]]

    def change_account(self, account, name, value):
        """name, status or is_shared; the last two move the shared pool."""
        with self.lock:
            user = self.users.get(account["user_id"])
            before = account["status"] and account["is_shared"]
            account[name] = value
            account["updated_at"] = stamp()
            after = account["status"] and account["is_shared"]
            if user and bool(before) != bool(after):
                self.move_pool(user, 1 if after else -1)
            self.note("account_" + name, account["user_id"],
                      cookie_id=account["cookie_id"])

    def delete_account(self, account):
        with self.lock:
            user = self.users.get(account["user_id"])
            if user and account["status"] and account["is_shared"]:
                self.move_pool(user, -1)
            self.accounts.pop(account["cookie_id"], None)
            self.note("account_delete", account["user_id"],
                      cookie_id=account["cookie_id"])

    def move_pool(self, user, sign):
        """A shared account is worth a quota of 2 per model."""
        for model in MODELS:
            pool = user["pools"].setdefault(model, {
                "pool_id": str(uuid.uuid4()), "quota": 0.0,
                "max_quota": 0.0, "last_recovered_at": stamp()})
            pool["quota"] = max(0.0, pool["quota"] + 2 * sign)
            pool["max_quota"] = max(0.0, pool["max_quota"] + 2 * sign)

    # -- quotas ---------------------------------------------------------

    def account_quotas(self, account):
        reset = stamp_bare(datetime.now(timezone.utc) + timedelta(hours=5))
        with self.lock:
            return [{"quota_id": q["quota_id"],
                     "cookie_id": account["cookie_id"], "model_name": model,
                     "reset_time": reset, "quota": "%.4f" % q["quota"],
                     "status": q["status"], "last_fetched_at": stamp(),
                     "created_at": q["created_at"]}
                    for model, q in account["quotas"].items()]

    def user_pools(self, user):
        with self.lock:
            return [{"pool_id": p["pool_id"], "user_id": user["user_id"],
                     "model_name": model, "quota": "%.4f" % p["quota"],
                     "max_quota": "%.4f" % p["max_quota"],
                     "last_recovered_at": p["last_recovered_at"],
                     "last_updated_at": stamp()}
                    for model, p in user["pools"].items()]

    def shared_pool(self, user):
        reset = stamp_bare(datetime.now(timezone.utc) + timedelta(hours=5))
        with self.lock:
            shared = [a for a in self.accounts.values()
                      if a["is_shared"] and a["status"]]
            quotas = [{"model_name": m,
                       "total_quota": "%.4f" % sum(
                           a["quotas"][m]["quota"] for a in shared),
                       "earliest_reset_time": reset,
                       "available_cookies": str(len(shared)),
                       "status": 1, "last_fetched_at": stamp()}
                      for m in MODELS if shared]
            rows = user["rows"]
            of_shared = sum(r["used"] for r in rows if r["is_shared"])
            total = sum(r["used"] for r in rows)
            return {"quotas": quotas, "user_consumption": {
                "total_requests": len(rows),
                "total_quota_consumed": round(total, 4),
                "shared_quota_consumed": round(of_shared, 4),
                "private_quota_consumed": round(total - of_shared, 4)}}

    # -- consumption ----------------------------------------------------

    def usable_account(self, user):
        mine = [a for a in self.accounts_of(user) if a["status"]]
        if user["prefer_shared"]:
            mine.sort(key=lambda a: -a["is_shared"])
        return mine[0] if mine else None

    def charge(self, user, account, model, used=0.005):
        with self.lock:
            quota = account["quotas"].setdefault(
                model, {"quota_id": str(uuid.uuid4()), "quota": 1.0,
                        "status": 1, "created_at": stamp()})
            before = quota["quota"]
            quota["quota"] = max(0.0, before - used)
            account["last_used_at"] = stamp()
            user["rows"].insert(0, {
                "log_id": str(uuid.uuid4()), "model": model,
                "cookie_id": account["cookie_id"], "before": before,
                "after": quota["quota"], "used": before - quota["quota"],
                "is_shared": account["is_shared"], "at": stamp()})
            del user["rows"][ROWS_KEPT:]
            self.note("chat", user["user_id"], model=model,
                      key=key_hash(user["api_key"]))

    def consumption(self, user):
        with self.lock:
            return [{"log_id": r["log_id"], "user_id": user["user_id"],
                     "cookie_id": r["cookie_id"], "model_name": r["model"],
                     "quota_before": "%.4f" % r["before"],
                     "quota_after": "%.4f" % r["after"],
                     "quota_consumed": "%.4f" % r["used"],
                     "is_shared": r["is_shared"], "consumed_at": r["at"]}
                    for r in user["rows"]]

    def consumption_stats(self, user, model):
        with self.lock:
            rows = [r for r in user["rows"] if r["model"] == model]
        if not rows:
            return {"total_requests": "0", "total_quota_consumed": None,
                    "avg_quota_consumed": None, "last_used_at": None}
        total = sum(r["used"] for r in rows)
        return {"total_requests": str(len(rows)),
                "total_quota_consumed": "%.4f" % total,
                "avg_quota_consumed": "%.20f" % (total / len(rows)),
                "last_used_at": rows[0]["at"]}

    # -- OAuth states ---------------------------------------------------

    def new_state(self, user, is_shared):
        state = str(uuid.uuid4())
        with self.lock:
            self.states[state] = (user["user_id"], is_shared,
                                  time.time() + 300)
        return state

    def peek_state(self, state):
        with self.lock:
            found = self.states.get(state)
            if not found or found[2] < time.time():
                return None
            return found

    def drop_state(self, state):
        with self.lock:
            self.states.pop(state, None)


def email_of_code(code):
    """A demo code carries the mail address of the account it stands for."""
    if code.startswith("4/demo-"):
        try:
            text = code[7:] + "=" * (-len(code[7:]) % 4)
            return base64.urlsafe_b64decode(text).decode()
        except ValueError:
            pass
    return code[:40] + "@example.com"


def code_of_email(email):
    return "4/demo-" + base64.urlsafe_b64encode(
        email.encode()).decode().rstrip("=")
