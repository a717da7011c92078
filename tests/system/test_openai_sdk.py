"""An unmodified OpenAI client at both bases, with both credentials."""
import base64
import json

import pytest

from harness.clients import Node, need_node
from harness.procs import name_of_mark
from harness.signin import sign_in
from harness.webserver import Front

BASES = ("/v1", "/api/plugin-api")
MODEL = "gemini-2.5-flash"
HELLO = {"model": MODEL,
         "messages": [{"role": "user", "content": "one two three"}]}
TOOL = {"type": "function", "function": {
    "name": "weather", "parameters": {
        "type": "object", "properties": {"city": {"type": "string"}}}}}
CALLED = [{"id": "call_1", "type": "function", "function": {
    "name": "weather", "arguments": "{\"city\":\"Oslo\"}"}}]


@pytest.fixture(scope="module")
def node():
    need_node()
    running = Node("openai_calls.mjs")
    yield running.ask
    running.stop()


@pytest.fixture(scope="module")
def module_env():
    return {"PLUGWAY_STREAM_COMMIT_S": "1", "PLUGWAY_HEARTBEAT_S": "1"}


@pytest.fixture(scope="module")
def web(gateway):
    front = Front("lighttpd", gateway)
    yield front
    front.stop()


@pytest.fixture(scope="module")
def person(gateway):
    return sign_in(gateway.client, name_of_mark("sdk"))


@pytest.fixture(scope="module")
def keys(person):
    made = person.post("/api/api-keys", {"name": "sdk"})
    return {"jwt": person.access_token, "sk": made.json()["key"]}


@pytest.fixture(params=BASES)
def base(request, web):
    return web.base + request.param


@pytest.fixture(params=["jwt", "sk"])
def use(request, node, base, keys):
    """use(verb, ...) makes one call with the client, use.all many."""
    def every(calls):
        return node([
            {"base": base, "key": keys[request.param], "verb": verb,
             "body": body} for verb, body in calls])

    def one(verb, body=None, **more):
        return node([dict(
            {"base": base, "key": keys[request.param], "verb": verb,
             "body": body}, **more)])[0]
    one.all = every
    return one


def chats(upstream, mark):
    return upstream.requests(mark, "/v1/chat/completions")


def said(chunks):
    return "".join(c["choices"][0]["delta"].get("content", "")
                   for c in chunks)


def test_models(use):
    result = use("models")
    assert MODEL in result["value"], result


def test_chat(use, upstream):
    mark = upstream.mark()
    result = use("chat", HELLO)
    value = result["value"]
    assert value["choices"][0]["message"]["content"] == \
        "You said: one two three"
    assert value["usage"]["total_tokens"] > 0
    assert result["requestId"]
    seen, = chats(upstream, mark)
    assert json.loads(seen.body) == dict(HELLO, stream=False)
    # What the client tells of itself stays here.
    assert not [n for n in seen.header_names()
                if n.startswith("x-stainless")]


def test_streamed_chat(use):
    result = use("stream", HELLO)
    assert "error" not in result, result
    assert said(result["value"]) == "You said: one two three"
    last = result["value"][-1]
    assert last["choices"][0]["finish_reason"] == "stop"
    assert last["usage"]["total_tokens"] > 0
    assert result["type"].startswith("text/event-stream")
    assert result["requestId"]


def test_heartbeats_do_not_disturb(use, upstream):
    """Two seconds of silence: the client sees comments only."""
    upstream.fault(path="chat", delay_head=2.5)
    result = use("stream", HELLO)
    assert said(result["value"]) == "You said: one two three", result
    assert result["took"] >= 2.5


def test_leaving_early(use, upstream):
    upstream.fault(path="chat", chunk_delay=0.2)
    result = use("leave", HELLO, after=1)
    assert len(result["value"]) == 1 and result["took"] < 3


@pytest.mark.parametrize("verb", ["chat", "stream"])
def test_tools(use, upstream, verb):
    upstream.settings(tool_calls=CALLED)
    try:
        mark = upstream.mark()
        body = dict(HELLO, tools=[TOOL], tool_choice="auto")
        result = use(verb, body)
        if verb == "chat":
            choice = result["value"]["choices"][0]
            called = choice["message"]["tool_calls"]
        else:
            choice = result["value"][-1]["choices"][0]
            called = [t for c in result["value"] for t in
                      c["choices"][0]["delta"].get("tool_calls", [])]
        assert choice["finish_reason"] == "tool_calls"
        assert called == CALLED
        assert json.loads(called[0]["function"]["arguments"]) == {
            "city": "Oslo"}
        seen, = chats(upstream, mark)
        assert json.loads(seen.body)["tools"] == [TOOL]
    finally:
        upstream.settings(tool_calls=None)


def test_answer_of_a_tool(use, upstream):
    messages = HELLO["messages"] + [
        {"role": "assistant", "content": None, "tool_calls": CALLED},
        {"role": "tool", "tool_call_id": "call_1", "content": "rain"},
        {"role": "user", "content": "and tomorrow?"}]
    mark = upstream.mark()
    result = use("chat", dict(HELLO, messages=messages))
    assert result["value"]["choices"][0]["message"]["content"] == \
        "You said: and tomorrow?"
    seen, = chats(upstream, mark)
    assert json.loads(seen.body)["messages"] == messages


@pytest.mark.parametrize("size", [100, 6 << 20])
def test_images_in_messages(use, upstream, size):
    picture = base64.b64encode(b"\x89PNG" * (size // 4)).decode()
    messages = [{"role": "user", "content": [
        {"type": "text", "text": "what is this?"},
        {"type": "image_url", "image_url": {
            "url": "data:image/png;base64," + picture}}]}]
    mark = upstream.mark()
    result = use("chat", dict(HELLO, messages=messages))
    assert "error" not in result, result["error"]
    seen, = chats(upstream, mark)
    assert seen["body_len"] > len(picture)
    if seen["body_b64"]:            # the demo keeps no large bodies
        assert json.loads(seen.body)["messages"] == messages


def check_error(result, name, status, code):
    error = result["error"]
    assert name in error["names"] and "APIError" in error["names"]
    assert error["status"] == status and error["code"] == code
    assert error["type"]
    # "422 status code (no body)" is what users would complain of.
    assert error["message"].startswith("%d " % status)
    assert len(error["message"]) > 5 and "no body" not in error["message"]
    assert error["requestId"]


def test_own_errors(use):
    bodies = [{"model": MODEL}, {"messages": []}, dict(HELLO, model=5),
              {"model": MODEL, "messages": "x"}, dict(HELLO, model="")]
    for result in use.all([(verb, body) for body in bodies
                           for verb in ("chat", "stream")]):
        check_error(result, "UnprocessableEntityError", 422,
                    "validation_error")


# upstream's status and text, and what the client throws
FAILURES = [
    (400, "bad model", "BadRequestError", 400, "bad_request"),
    (500, "没有可用的账号，请添加账号", "ConflictError", 409, "no_account"),
    (500, "所有账号对模型 M 的配额已耗尽或用户共享配额不足",
     "RateLimitError", 429, "quota_exhausted"),
    (429, "slow down", "RateLimitError", 429, "upstream_rate_limited"),
    (500, "boom", "InternalServerError", 502, "upstream_error"),
    (403, "no", "InternalServerError", 502, "upstream_refused")]


@pytest.mark.parametrize("verb", ["chat", "stream"])
def test_upstream_errors(use, upstream, verb):
    for answer, text, *_ in FAILURES:       # each spoils one call
        upstream.fault(path="chat", status=answer,
                       body=json.dumps({"error": text}))
    results = use.all([(verb, HELLO)] * len(FAILURES))
    for result, (answer, text, *wanted) in zip(results, FAILURES):
        check_error(result, *wanted)
        if answer < 403:
            assert text in result["error"]["message"]


def test_error_names_the_parameter(use):
    error = use("chat", {"model": MODEL})["error"]
    assert error["param"] == "messages"
    assert "messages" in error["message"]


def test_wrong_key(node, base):
    for key in ("sk-" + "A" * 64, "nonsense", "a.b.c"):
        result = node([
            {"base": base, "key": key, "verb": verb, "body": HELLO}
            for verb in ("models", "chat", "stream")])
        for one in result:
            error = one["error"]
            assert "AuthenticationError" in error["names"]
            assert error["code"] in ("invalid_api_key", "invalid_token")
            assert error["requestId"] and "no body" not in error["message"]


def test_wrong_path(node, web, keys):
    result, = node([
        {"base": web.base + "/v2", "key": keys["sk"], "verb": "models"}])
    check_error(result, "NotFoundError", 404, "not_found")


@pytest.mark.parametrize("verb", ["chat", "stream"])
def test_retry_after_is_honoured(use, upstream, verb):
    """The client waits as long as it is told, then is served."""
    upstream.fault(path="chat", status=429, body='{"error":"slow down"}',
                   headers=[["Content-Type", "application/json"],
                            ["Retry-After", "2"]])
    mark = upstream.mark()
    result = use(verb, HELLO, retries=2)
    assert "error" not in result, result
    assert 2.0 <= result["took"] < 4
    assert len(chats(upstream, mark)) == 2


def test_own_limit_is_honoured(node, start_gateway, fronts):
    limited = start_gateway(PLUGWAY_USER_RATE="1", PLUGWAY_USER_BURST="1")
    web = fronts("lighttpd", limited)
    token = sign_in(limited.client, name_of_mark("limited")).access_token
    results = node([
        {"base": web.base + "/v1", "key": token, "verb": "models",
         "retries": 2}] * 4)
    assert not [r for r in results if "error" in r], results
    assert sum(r["took"] for r in results) >= 2


BREAKS = [
    {"cut_after": 2, "cut": "reset"}, {"cut_after": 2, "cut": "close"},
    {"no_done": True},
    {"sse": ["data: {\"choices\":[{\"index\":0,\"delta\":{\"content\":"
             "\"a\"}}]}\n\n", "<html>"]}]


def test_stream_that_breaks(use, upstream):
    """Never a short answer that looks whole."""
    for fault in BREAKS:
        upstream.fault(path="chat", **fault)
    for result in use.all([("stream", HELLO)] * len(BREAKS)):
        assert "APIError" in result["error"]["names"], result
        assert result["error"]["code"] == "upstream_error"
        assert len(result["error"]["message"]) > 10
        assert len(result["value"]) >= 1


def test_collector_sees_a_broken_stream(use, upstream):
    upstream.fault(path="chat", cut_after=2, cut="reset")
    result = use("collect", HELLO)
    assert "APIError" in result["error"]["names"], result


def test_failure_after_a_silence(use, upstream):
    """The head is out already: the error is an event."""
    upstream.fault(path="chat", delay_head=2, status=500,
                   body='{"error":"boom"}')
    result = use("stream", HELLO)
    assert "APIError" in result["error"]["names"], result
    assert result["error"]["code"] == "upstream_error"
    assert result["value"] == []


def test_quota_hidden_in_a_200(use, upstream):
    upstream.settings(text="RESOURCE_EXHAUSTED")
    try:
        check_error(use("chat", HELLO), "RateLimitError", 429,
                    "quota_exhausted")
    finally:
        upstream.settings(text=None)
