#!/usr/bin/python3
"""A small plug-in-api server for demonstrations and tests.

It answers as the real one does, odd statuses and Chinese texts included,
but the accounts are made up and the chat is an echo.  The admin key is
taken from DEMO_UPSTREAM_ADMIN_KEY or --admin-key.
"""
import argparse
import base64
import gzip
import hashlib
import html
import json
import os
import re
import signal
import sys
import threading
import zlib
from datetime import datetime
from urllib.parse import parse_qs, quote, unquote, urlencode, urlsplit

import chat
import people
from control import start_control
from faults import Faults
from wire import Recorder, Reply, Server

BODY_MAX = 52428800
UUID = re.compile(r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}\Z", re.I)
NO_HEADER = "缺少Authorization请求头"
BAD_KEY = "无效的API Key"


class Refusal(Exception):
    def __init__(self, status, text):
        self.reply = error(status, text)


def reply_json(value, status=200):
    body = json.dumps(value, ensure_ascii=False,
                      separators=(",", ":")).encode()
    digest = base64.b64encode(hashlib.sha1(body).digest()).decode()[:27]
    return Reply(status, body, [
        ("X-Powered-By", "Express"),
        ("Content-Type", "application/json; charset=utf-8"),
        ("ETag", 'W/"%x-%s"' % (len(body), digest))])


def error(status, text):
    return reply_json({"error": text}, status)


def page(status, text):
    """A framework error, as Express shows it."""
    body = ('<!DOCTYPE html>\n<html lang="en">\n<head>\n'
            '<meta charset="utf-8">\n<title>Error</title>\n</head>\n<body>\n'
            "<pre>%s</pre>\n</body>\n</html>\n" % html.escape(text))
    return Reply(status, body, [
        ("X-Powered-By", "Express"),
        ("Content-Security-Policy", "default-src 'none'"),
        ("X-Content-Type-Options", "nosniff"),
        ("Content-Type", "text/html; charset=utf-8")])


def good(data=None, message=None):
    value = {"success": True}
    if message is not None:
        value["message"] = message
    if data is not None:
        value["data"] = data
    return reply_json(value)


class Upstream:
    """Routes and rules; the state is in people.Store."""

    def __init__(self, store, admin_key, base_url, settings):
        self.store = store
        self.admin_key = admin_key
        self.base_url = base_url
        self.settings = settings
        u, a, q = r"/api/users/([^/]+)", r"/api/accounts/([^/]+)", \
            r"/api/quotas/"
        # method, path, who may call, handler
        table = (
            ("GET", r"/api/user/me", "any", self.me),
            ("POST", r"/api/users", "admin", self.create_user),
            ("GET", r"/api/users", "admin", self.list_users),
            ("POST", u + r"/regenerate-key", "admin", self.regenerate),
            ("PUT", u + r"/status", "admin", self.user_status),
            ("PUT", u + r"/preference", "any", self.preference),
            ("DELETE", u, "admin", self.delete_user),
            ("POST", r"/api/oauth/authorize", "user", self.authorize),
            ("GET", r"/api/oauth/callback", "none", self.callback_page),
            ("POST", r"/api/oauth/callback/manual", "user", self.manual),
            ("GET", r"/demo/consent", "none", self.consent),
            ("GET", r"/api/accounts", "user", self.accounts),
            ("GET", a, "any", self.account),
            ("PUT", a + r"/status", "any", self.account_status),
            ("PUT", a + r"/name", "any", self.account_name),
            ("PUT", a + r"/type", "any", self.account_type),
            ("DELETE", a, "any", self.account_delete),
            ("GET", a + r"/quotas", "any", self.account_quotas),
            ("PUT", a + r"/quotas/([^/]+)/status", "any",
             self.model_status),
            ("GET", q + r"user", "user", self.quotas_user),
            ("GET", q + r"shared-pool", "user", self.quotas_shared),
            ("GET", q + r"consumption", "user", self.consumption),
            ("GET", q + r"consumption/stats/([^/]+)", "user",
             self.consumption_stats),
            ("GET", q + r"low", "admin", self.quotas_low),
            ("GET", r"/v1/models", "user", self.models),
            ("POST", r"/v1/chat/completions", "user", self.chat),
            ("POST", r"/v1beta/models/([^/:]+):(?:stream)?generateContent",
             "user", self.image),
        )
        self.routes = [(m, re.compile(p + r"/?\Z", re.I), who, f)
                       for m, p, who, f in table]

    # -- the order of checks: body, auth, admin, the route's own ---------

    def __call__(self, request):
        try:
            reply = self.dispatch(request)
        except Refusal as refusal:
            reply = refusal.reply
        etag = dict(reply.headers).get("ETag")
        if etag and request.method in ("GET", "HEAD") and \
                request.header("if-none-match") == etag:
            return Reply(304, b"", [("X-Powered-By", "Express"),
                                    ("ETag", etag)])
        return reply

    def dispatch(self, request):
        fault = self.parse_body(request)
        if fault:
            return fault
        method = "GET" if request.method == "HEAD" else request.method
        verbs = []
        for verb, pattern, who, handler in self.routes:
            match = pattern.match(request.path)
            if match and verb == method:
                if re.search(r"%(?![0-9A-Fa-f]{2})", request.path):
                    return page(400, "URIError: Failed to decode param")
                request.args = [unquote(g) for g in match.groups()]
                self.authorise(request, who)
                return handler(request)
            if match:
                verbs.append(verb)
        if verbs and request.method == "OPTIONS":
            if "GET" in verbs:
                verbs.insert(verbs.index("GET") + 1, "HEAD")
            return Reply(200, ", ".join(verbs),
                         [("X-Powered-By", "Express"),
                          ("Allow", ", ".join(verbs)),
                          ("Content-Type", "text/plain")])
        return page(404, "Cannot %s %s" % (request.method, request.path))

    def parse_body(self, request):
        request.json = None
        if not request.body:
            return None
        kind, _, rest = (request.header("content-type") or "").partition(";")
        if kind.strip().lower() != "application/json":
            return None
        if "charset=" in rest.lower() and "utf" not in rest.lower():
            return page(415, "UnsupportedMediaTypeError: unsupported charset")
        if len(request.body) > BODY_MAX:
            return error(413, "请求体过大，最大支持 50mb")
        try:
            body = inflate(request.body, request.header("content-encoding"))
            request.json = json.loads(body, parse_constant=no_constant)
        except KeyError:
            return page(415, "UnsupportedMediaTypeError: unsupported "
                        "content encoding")
        except (ValueError, RecursionError, OSError, zlib.error):
            return page(400, "Bad Request")
        if not isinstance(request.json, (dict, list)):
            return page(400, "Bad Request")
        return None

    def authorise(self, request, who):
        request.user, request.admin = None, False
        if who == "none":
            return
        key = request.bearer()
        if not key:
            raise Refusal(401, NO_HEADER)
        if key == self.admin_key:
            request.admin = True
            if who == "user":
                raise Refusal(500, "invalid input syntax for type uuid: "
                              '"admin"')
            return
        request.user = self.store.by_key(key)
        if not request.user:
            raise Refusal(401, BAD_KEY)
        if who == "admin":
            raise Refusal(403, "需要管理员权限")

    # -- users ----------------------------------------------------------

    def me(self, request):
        if request.admin:
            return good({"user_id": "admin"})
        user = request.user
        return good({k: user[k] for k in (
            "user_id", "name", "prefer_shared", "status", "created_at",
            "updated_at")})

    def create_user(self, request):
        name = field(request, "name", None)
        if isinstance(name, (dict, list)):
            name = json.dumps(name, separators=(",", ":"))
        elif isinstance(name, (int, float)) and name is not True:
            name = str(name)
        if name and len(name) > 100:
            raise Refusal(500, "value too long for type "
                          "character varying(100)")
        if name and "\0" in name:
            raise Refusal(500, "invalid byte sequence for encoding "
                          '"UTF8": 0x00')
        user = self.store.create_user(name or None)
        return good({k: user[k] for k in ("user_id", "api_key", "name",
                                          "created_at")}, "用户创建成功")

    def list_users(self, request):
        return good(self.store.list_users())

    def user_of(self, request):
        user_id = request.args[0]
        if not UUID.match(user_id):
            raise Refusal(500, "invalid input syntax for type uuid: "
                          '"%s"' % user_id)
        return self.store.users.get(user_id.lower())

    def regenerate(self, request):
        user = self.user_of(request)
        if not user:
            raise Refusal(500, "用户不存在: user_id=" + request.args[0])
        key = self.store.regenerate(user)
        return good({"user_id": user["user_id"], "api_key": key},
                    "API Key已重新生成")

    def user_status(self, request):
        status = zero_or_one(request, "status", "status必须是0或1")
        user = self.user_of(request)
        if not user:
            raise Refusal(500, "用户不存在: user_id=" + request.args[0])
        self.store.set_status(user, status)
        return good({"user_id": user["user_id"], "status": status},
                    "用户已启用" if status else "用户已禁用")

    def preference(self, request):
        value = zero_or_one(request, "prefer_shared",
                            "prefer_shared必须是0或1")
        if not request.admin and \
                request.args[0] != request.user["user_id"]:
            raise Refusal(403, "无权修改此用户的设置")
        user = self.user_of(request)
        if not user:
            raise Refusal(500, "用户不存在: user_id=" + request.args[0])
        self.store.set_preference(user, value)
        return good({"user_id": user["user_id"], "prefer_shared": value},
                    "Cookie优先级已更新")

    def delete_user(self, request):
        user = self.user_of(request)
        if not user:
            raise Refusal(404, "用户不存在")
        self.store.delete_user(user)
        return good(message="用户已删除")

    # -- OAuth ----------------------------------------------------------

    def authorize(self, request):
        is_shared = field(request, "is_shared", 0)
        state = self.store.new_state(request.user, is_shared)
        query = urlencode({
            "client_id": "demo-upstream",
            "redirect_uri": self.base_url + "/api/oauth/callback",
            "response_type": "code", "access_type": "offline",
            "prompt": "consent", "scope": "openid email", "state": state})
        return good({"auth_url": self.base_url + "/demo/consent?" + query,
                     "state": state, "expires_in": 300})

    def consent(self, request):
        """Stands in for the account owner's consent at Google."""
        state = one(request, "state")
        email = "demo-%s@example.com" % state[:13]
        back = "%s/api/oauth/callback?%s" % (self.base_url, urlencode(
            {"code": people.code_of_email(email), "state": state}))
        body = ("<!DOCTYPE html><html lang=\"en\"><head><meta charset="
                "\"utf-8\"><title>Demo consent</title></head><body>"
                "<h1>Demo consent</h1><p>This page stands in for Google. "
                "Paste this address into the gateway's callback field:</p>"
                "<p><code id=\"callback\">%s</code></p></body></html>"
                % html.escape(back))
        return Reply(200, body, [("Content-Type",
                                  "text/html; charset=utf-8")])

    def finish(self, code, state):
        """The account of a code; Refusal when it cannot be added."""
        found = self.store.peek_state(state)
        user = self.store.users.get(found[0]) if found else None
        if not user:
            raise Refusal(500, "Invalid or expired state parameter")
        if code.startswith("bad"):
            raise Refusal(500, 'HTTP 400: {"error":"invalid_grant",'
                          '"error_description":"Malformed auth code."}')
        email = people.email_of_code(code)
        if self.store.email_taken(email):
            raise Refusal(500, "此邮箱已被添加过: " + email)
        self.store.drop_state(state)
        return self.store.add_account(user, email, found[1])

    def manual(self, request):
        url = field(request, "callback_url", None)
        if not url:
            raise Refusal(400, "缺少callback_url参数")
        parts = urlsplit(url) if isinstance(url, str) else None
        if not parts or not parts.scheme or not parts.netloc:
            raise Refusal(400, "无效的URL格式")
        query = parse_qs(parts.query)
        if "error" in query:
            raise Refusal(400, "OAuth授权失败: " + query["error"][0])
        if "code" not in query or "state" not in query:
            raise Refusal(400, "回调URL中缺少code或state参数")
        account = self.finish(query["code"][0], query["state"][0])
        return good({k: account[k] for k in (
            "cookie_id", "user_id", "is_shared", "project_id_0",
            "is_restricted", "ineligible", "created_at")}, "账号添加成功")

    def callback_page(self, request):
        """Always HTML; the error is echoed as it came, as upstream does."""
        query = parse_qs(request.query)
        status, text = 200, ""
        if "error" in query:
            status, text = 400, query["error"][0]
        elif "code" not in query or "state" not in query:
            status, text = 400, "缺少参数"
        else:
            try:
                account = self.finish(query["code"][0], query["state"][0])
                text = account["cookie_id"]
            except Refusal as refusal:
                status = 500
                text = json.loads(refusal.reply.body)["error"]
        return Reply(status, "<!DOCTYPE html><html><body><h1>%s</h1>"
                     "</body></html>" % text,
                     [("X-Powered-By", "Express"),
                      ("Content-Type", "text/html; charset=utf-8")])

    # -- accounts -------------------------------------------------------

    def account_of(self, request, denied):
        account = self.store.accounts.get(request.args[0])
        if not account:
            raise Refusal(404, "账号不存在")
        if not request.admin and \
                account["user_id"] != request.user["user_id"]:
            raise Refusal(403, denied)
        return account

    def accounts(self, request):
        rows = [account_view(a) for a in
                self.store.accounts_of(request.user)]
        return good(rows)

    def account(self, request):
        view = account_view(self.account_of(request, "无权访问此账号"))
        del view["last_used_at"]
        return good(view)

    def account_status(self, request):
        status = zero_or_one(request, "status", "status必须是0或1")
        account = self.account_of(request, "无权修改此账号")
        same = account["status"] == status
        self.store.change_account(account, "status", status)
        return good({"cookie_id": account["cookie_id"], "status": status},
                    "账号状态未变化" if same else "账号状态已更新")

    def account_name(self, request):
        name = field(request, "name", None)
        if name is None:
            raise Refusal(400, "name是必需的")
        if not isinstance(name, str) or \
                len(name.encode("utf-16-le")) > 200:
            raise Refusal(400, "name必须是字符串且长度不超过100")
        account = self.account_of(request, "无权修改此账号")
        self.store.change_account(account, "name", name)
        return good({"cookie_id": account["cookie_id"], "name": name},
                    "账号名称已更新")

    def account_type(self, request):
        value = zero_or_one(request, "is_shared", "is_shared必须是0或1")
        account = self.account_of(request, "无权修改此账号")
        self.store.change_account(account, "is_shared", value)
        return good({"cookie_id": account["cookie_id"],
                     "is_shared": value}, "账号类型已更新")

    def account_delete(self, request):
        self.store.delete_account(self.account_of(request,
                                                  "无权删除此账号"))
        return good(message="账号已删除")

    def account_quotas(self, request):
        account = self.account_of(request, "无权访问此账号的配额信息")
        return good(self.store.account_quotas(account))

    def model_status(self, request):
        status = zero_or_one(request, "status", "status必须是0或1")
        account = self.account_of(request, "无权修改此账号的配额")
        model = request.args[1]
        if model not in account["quotas"]:
            raise Refusal(500, "配额记录不存在: cookie_id=%s, model_name=%s"
                          % (account["cookie_id"], model))
        account["quotas"][model]["status"] = status
        return good({"cookie_id": account["cookie_id"],
                     "model_name": model, "status": status},
                    "模型配额状态已更新")

    # -- quotas ---------------------------------------------------------

    def quotas_user(self, request):
        return good(self.store.user_pools(request.user))

    def quotas_shared(self, request):
        return good(self.store.shared_pool(request.user))

    def consumption(self, request):
        rows = self.store.consumption(request.user)
        for name, keep in (("start_date", lambda r, d: r >= d),
                           ("end_date", lambda r, d: r <= d)):
            value = one(request, name)
            if value:
                date = iso(value)
                rows = [r for r in rows if keep(r["consumed_at"], date)]
        match = re.match(r"\s*([+-]?\d+)", one(request, "limit"))
        limit = int(match.group(1)) if match else 0
        if limit < 0:
            raise Refusal(500, "LIMIT must not be negative")
        return good(rows[:limit] if limit else rows)

    def consumption_stats(self, request):
        return good(self.store.consumption_stats(request.user,
                                                 request.args[0]))

    def quotas_low(self, request):
        raise Refusal(500, "column a.user_uuid does not exist")

    # -- models, chat, images -------------------------------------------

    def models(self, request):
        kiro = is_kiro(request)
        if not kiro and not self.store.usable_account(request.user):
            raise Refusal(500, "没有可用的账号")
        return reply_json(chat.model_list(kiro))

    def chat(self, request):
        if request.json is None:
            return page(500, "TypeError: Cannot destructure property "
                        "'messages' of 'req.body' as it is undefined.")
        body = request.json if isinstance(request.json, dict) else {}
        kiro = is_kiro(request)
        fault = chat.chat_fault(body, kiro)
        if fault:
            raise Refusal(*fault)
        account = self.store.usable_account(request.user)
        if not account:
            raise Refusal(500, "没有可用的Kiro账号，请先添加账号" if kiro
                          else "没有可用的账号，请添加账号")
        self.store.charge(request.user, account, body["model"])
        answer = chat.Chat(self.settings, body, kiro)
        if chat.wants_stream(body):
            return chat.stream_reply(answer, request.fault)
        if self.settings.chat_delay:
            request.conn.wait(self.settings.chat_delay)
        return reply_json(answer.whole())

    def image(self, request):
        body = request.json if isinstance(request.json, dict) else {}
        status, value = chat.image_answer(body)
        if status == 200:
            account = self.store.usable_account(request.user)
            if not account:
                status, value = 500, {"error": {
                    "code": 500, "message": "没有可用的账号，请添加账号",
                    "status": "INTERNAL"}}
            else:
                self.store.charge(request.user, account, request.args[0])
        return reply_json(value, status)


def no_constant(text):
    raise ValueError(text)


def inflate(body, encoding):
    encoding = (encoding or "identity").lower()
    return {"identity": lambda b: b, "gzip": gzip.decompress,
            "deflate": zlib.decompress}[encoding](body)


def one(request, name):
    return parse_qs(request.query).get(name, [""])[-1]


def is_kiro(request):
    return (request.header("x-account-type") or "").lower() == "kiro"


def field(request, name, default):
    """A member of the body; no body at all is upstream's own failure."""
    if request.json is None:
        raise Refusal(500, "Cannot destructure property '%s' of 'req.body' "
                      "as it is undefined." % name)
    if isinstance(request.json, list):
        return default
    return request.json.get(name, default)


def zero_or_one(request, name, text):
    value = field(request, name, None)
    if isinstance(value, bool) or value not in (0, 1):
        raise Refusal(400, text)
    return int(value)


def iso(value):
    try:
        moment = datetime.fromisoformat(value.replace("Z", "+00:00"))
    except ValueError:
        raise Refusal(500, "invalid input syntax for type timestamp with "
                      'time zone: "%s"' % value)
    return people.stamp(moment)


def account_view(account):
    return {k: account[k] for k in (
        "cookie_id", "user_id", "name", "is_shared", "status",
        "need_refresh", "expires_at", "project_id_0", "is_restricted",
        "paid_tier", "ineligible", "created_at", "updated_at",
        "last_used_at")}


def control_routes(store, settings):
    """What tests may ask beyond the common control routes."""
    def change(query, body):
        for name, value in body.items():
            if name == "demo_accounts":
                store.demo_accounts = value
            elif hasattr(settings, name):
                setattr(settings, name, value)
            else:
                raise KeyError(name)
        return {}

    def seed(query, body):
        """Foreign users, as another program would have made them."""
        return {"ids": [store.create_user(name)["user_id"]
                        for name in body["names"]]}

    def quota(query, body):
        account = store.accounts[body["cookie_id"]]
        account["quotas"][body["model"]]["quota"] = body["quota"]
        return {}

    def users(query, body):
        with store.lock:
            return {"users": [dict(u) for u in store.users.values()]}

    def ops(query, body):
        since = int(query.get("since", 0))
        with store.lock:
            return {"ops": store.ops[since:], "last": len(store.ops)}

    def disable(query, body):
        with store.lock:
            store.set_status(store.users[body["user_id"]],
                             body.get("status", 0))
        return {}

    def regenerate(query, body):
        with store.lock:
            return {"key": store.regenerate(store.users[body["user_id"]])}

    def delete(query, body):
        with store.lock:
            store.delete_user(store.users[body["user_id"]])
        return {}

    return {("POST", "settings"): change, ("POST", "seed"): seed,
            ("POST", "quota"): quota, ("GET", "users"): users,
            ("GET", "ops"): ops, ("POST", "user_status"): disable,
            ("POST", "user_regenerate"): regenerate,
            ("POST", "user_delete"): delete}


def options():
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--host", default="127.0.0.1")
    parser.add_argument("--port", type=int, default=8045,
                        help="0 takes a free one; -1: none")
    parser.add_argument("--unix", metavar="PATH")
    parser.add_argument("--public-url", metavar="URL",
                        help="how a browser reaches this server")
    parser.add_argument("--admin-key",
                        default=os.environ.get("DEMO_UPSTREAM_ADMIN_KEY"))
    parser.add_argument("--state", metavar="FILE")
    parser.add_argument("--log", metavar="FILE",
                        help="one line per executed operation")
    parser.add_argument("--requests", metavar="FILE",
                        help="one line per request, bodies included")
    parser.add_argument("--chunk-delay", type=float, default=0.03)
    parser.add_argument("--chat-delay", type=float, default=0.0)
    parser.add_argument("--no-demo-accounts", action="store_true")
    parser.add_argument("--control", type=int, metavar="PORT",
                        help="control interface for tests")
    return parser.parse_args()


def main():
    args = options()
    if not args.admin_key:
        sys.exit("upstream: set DEMO_UPSTREAM_ADMIN_KEY")
    threading.stack_size(512 * 1024)
    store = people.Store(args.state, args.log, not args.no_demo_accounts)
    settings = chat.Settings(args.chunk_delay, args.chat_delay)
    upstream = Upstream(store, args.admin_key, "", settings)
    server = Server(upstream, Faults(),
                    Recorder(args.requests, args.control is not None))
    port = 0
    if args.unix:
        server.listen_unix(args.unix)
    if args.port >= 0:
        port = server.listen_tcp(args.host, args.port)
    upstream.base_url = args.public_url or "http://localhost:%d" % port
    print("listening on %s" % ("%s:%d" % (args.host, port) if port
                               else "unix:" + quote(args.unix)), flush=True)
    if args.control is not None:
        print("control on 127.0.0.1:%d" % start_control(
            server, args.control, control_routes(store, settings)),
            flush=True)
    done = threading.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: done.set())
    done.wait()
    store.close()


if __name__ == "__main__":
    main()
