"""Streams: relayed event by event, given up when the client leaves."""
import json
import threading

import pytest

from harness.procs import name_of_mark, wait_until
from harness.signin import sign_in
from harness.webserver import KINDS

API = "/api/plugin-api"
CHAT = API + "/chat/completions"


@pytest.fixture(scope="module")
def module_env():
    """No comments: what arrives arrives because it was sent on."""
    return {"PLUGWAY_HEARTBEAT_S": "0", "PLUGWAY_STREAM_COMMIT_S": "0"}


def body(text="one two three four"):
    return {"model": "m", "stream": True,
            "messages": [{"role": "user", "content": text}]}


def content(event):
    return json.loads(event[6:])["choices"][0]["delta"].get("content", "")


def gated(session, upstream, text="one two three four"):
    """A stream whose every piece waits for a permit."""
    name = name_of_mark("gate")
    mark = upstream.mark()
    upstream.fault(path="chat", gate=name)
    opened = []
    thread = threading.Thread(target=lambda: opened.append(
        session.stream(CHAT, body(text), timeout=10)))
    thread.start()
    upstream.wait_request(mark, "/v1/chat/completions")
    upstream.gate(name)
    thread.join(20)
    return opened[0], name, mark


def row_of(upstream, mark):
    return upstream.requests(mark, "/v1/chat/completions")[0]


def test_each_event_arrives_before_the_next_is_sent(session, upstream):
    stream, gate, mark = gated(session, upstream)
    got = []
    for number in range(1, 5):
        got.append(content(stream.data()))
        # The upstream holds the next one until now.
        assert row_of(upstream, mark)["chunks"] <= number
        upstream.gate(gate)
    upstream.gate(gate, -1)
    rest = stream.rest()
    assert rest[-1] == b"data: [DONE]"
    assert "".join(got) == "You said: one two"
    stream.close()


@pytest.mark.parametrize("kind", KINDS)
def test_each_event_arrives_behind(fronts, gateway, upstream, kind):
    client = fronts(kind, gateway).client
    session = sign_in(client, name_of_mark(kind))
    stream, gate, mark = gated(session, upstream)
    for number in range(1, 5):
        assert content(stream.data())
        assert row_of(upstream, mark)["chunks"] <= number
        upstream.gate(gate)
    upstream.gate(gate, -1)
    assert stream.rest()[-1] == b"data: [DONE]"
    stream.close()


def wait_gone(upstream, mark, deadline):
    return wait_until(
        lambda: [r for r in upstream.requests(mark, "/v1/chat/completions")
                 if r["state"] == "gone"], deadline,
        "the upstream to see the client leave")[0]


def gone_before_head(session, upstream, stream):
    mark = upstream.mark()
    upstream.fault(path="chat", hang="request")
    exchange = session.client.stream(
        "POST", CHAT, json=dict(body(), stream=stream),
        token=session.access_token)
    upstream.wait_request(mark, "/v1/chat/completions")
    exchange.leave()
    return wait_gone(upstream, mark, 1.5)


@pytest.mark.parametrize("stream", [False, True])
def test_client_leaves_before_the_first_byte(session, upstream, stream):
    assert gone_before_head(session, upstream, stream)


@pytest.mark.parametrize("reset", [False, True])
def test_client_leaves_a_silent_stream(session, upstream, reset):
    stream, gate, mark = gated(session, upstream)
    assert stream.data()
    stream.leave(reset)
    assert wait_gone(upstream, mark, 1.5)


def test_client_leaves_a_busy_stream(session, upstream):
    mark = upstream.mark()
    upstream.fault(path="chat", sse=["data: {\"x\":1}\n\n"] * 2000,
                   chunk_delay=0.005)
    stream = session.stream(CHAT, body())
    for _ in range(5):
        assert stream.data()
    stream.leave()
    assert wait_gone(upstream, mark, 1.5)


# kind, seconds: what each server lets us know while the upstream is
# silent, with the heartbeat of one second that fast_heartbeat sets
BEHIND = [("nginx", 1.5), ("lighttpd", 1.5), ("apache", 3.5),
          ("apache-fcgid", 3.5)]


@pytest.mark.parametrize("reset", [False, True])
@pytest.mark.parametrize("kind,seconds", BEHIND)
def test_client_leaves_behind(fronts, start_gateway, upstream, kind,
                              seconds, reset):
    gateway = start_gateway(PLUGWAY_HEARTBEAT_S="1")
    client = fronts(kind, gateway).client
    session = sign_in(client, name_of_mark(kind))
    stream, gate, mark = gated(session, upstream)
    assert stream.data()
    stream.leave(reset)
    assert wait_gone(upstream, mark, seconds)


def test_heartbeat_and_commit(start_gateway, upstream):
    gateway = start_gateway(PLUGWAY_STREAM_COMMIT_S="0.3",
                            PLUGWAY_HEARTBEAT_S="0.2")
    session = sign_in(gateway.client, name_of_mark("hb"))
    name = name_of_mark("gate")
    upstream.fault(path="chat", gate=name)
    stream = session.stream(CHAT, body())
    assert stream.event().startswith(b":")
    assert stream.status == 200
    assert stream.event().startswith(b":")
    upstream.gate(name, -1)
    assert stream.rest()[-1] == b"data: [DONE]"
    stream.close()


def test_error_after_commit_is_an_event(start_gateway, upstream):
    gateway = start_gateway(PLUGWAY_STREAM_COMMIT_S="0.2",
                            PLUGWAY_HEARTBEAT_S="0.2")
    session = sign_in(gateway.client, name_of_mark("late"))
    upstream.fault(path="chat", delay_head=0.8, status=500,
                   body='{"error":"boom"}')
    stream = session.stream(CHAT, body())
    events = stream.rest()
    assert stream.status == 200
    assert "error" in json.loads(events[-1].partition(b"data: ")[2])
    assert b"[DONE]" not in b"".join(events)
    stream.close()


def test_slow_reader_slows_the_upstream(start_gateway, upstream):
    """Back-pressure: what the client does not take is not read."""
    gateway = start_gateway(PLUGWAY_CLIENT_STALL_S="60")
    session = sign_in(gateway.client, name_of_mark("slow"))
    piece = "data: {\"x\":\"%s\"}\n\n" % ("y" * 16000)
    mark = upstream.mark()
    upstream.fault(path="chat", sse=[piece] * 2000)
    stream = session.stream(CHAT, body())
    assert stream.data()
    last = [-1]

    def steady():
        """Nothing more is taken from the upstream."""
        sent = row_of(upstream, mark)["sent"]
        same, last[0] = sent == last[0], sent
        return same
    wait_until(steady, 15, "the upstream to be held back", every=0.5)
    assert last[0] < 16 << 20, "32 MB were offered"
    stream.leave()
    assert wait_gone(upstream, mark, 5)


def test_stalled_reader_is_dropped(start_gateway, upstream):
    gateway = start_gateway(PLUGWAY_CLIENT_STALL_S="1")
    session = sign_in(gateway.client, name_of_mark("stall"))
    piece = "data: {\"x\":\"%s\"}\n\n" % ("y" * 16000)
    mark = upstream.mark()
    upstream.fault(path="chat", sse=[piece] * 2000)
    stream = session.stream(CHAT, body())
    assert stream.data()
    assert wait_gone(upstream, mark, 8)
    stream.close()


def test_error_delta_passes_as_it_is(session, upstream):
    """Upstream's own words for a failure inside a 200 stay visible."""
    upstream.fault(path="chat", error_delta="RESOURCE_EXHAUSTED")
    stream = session.stream(CHAT, body())
    text = b"".join(stream.rest()).decode()
    stream.close()
    assert "RESOURCE_EXHAUSTED" in text


def test_multibyte_text_split_in_the_middle(session, upstream):
    text = "data: {\"choices\":[{\"delta\":{\"content\":\"猫🐱\"}}]}\n\n"
    raw = text.encode()
    for at in range(len(raw) - 12, len(raw) - 2):
        upstream.fault(path="chat", split_at=at,
                       sse=[text, "data: [DONE]\n\n"])
        stream = session.stream(CHAT, body())
        events = stream.rest()
        stream.close()
        assert events == [raw.strip(), b"data: [DONE]"]


def test_streams_of_one_user_are_limited(start_gateway, upstream):
    gateway = start_gateway(PLUGWAY_USER_STREAMS="2",
                            PLUGWAY_USER_REQUESTS="8")
    session = sign_in(gateway.client, name_of_mark("many"))
    open_now = [gated(session, upstream)[0] for _ in range(2)]
    refused = session.post(CHAT, body())
    assert refused.status == 429 and refused.code == "too_many_streams"
    assert refused.header("retry-after")
    assert session.get(API + "/accounts").status == 200
    for stream in open_now:
        stream.leave()

    def again():
        return session.post(CHAT, body()).status == 200
    wait_until(again, 5, "the streams to be counted out")
