"""Chat and image answers of the demo upstream.

The answer is made from the last user message, so that a person sees at
once whose question was answered, and a test can tell answers apart.
"""
import json
import time

from people import KIRO_MODELS, MODELS
from wire import Reply

STREAM_HEADERS = [("X-Powered-By", "Express"),
                  ("Content-Type", "text/event-stream"),
                  ("Cache-Control", "no-cache")]
# One grey pixel, for the image route.
PIXEL = ("iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAAAAAA6fptVAAAACklEQVR4nGNo"
         "AAAAggCBd81ytgAAAABJRU5ErkJggg==")
PIECES_MAX = 40


class Settings:
    """What a test may change while the server runs."""

    def __init__(self, chunk_delay=0.03, chat_delay=0.0):
        self.chunk_delay = chunk_delay
        self.chat_delay = chat_delay
        self.text = None
        self.reasoning = None
        self.tool_calls = None


def last_user_text(messages):
    for message in reversed(messages):
        if message.get("role") != "user":
            continue
        content = message.get("content")
        if isinstance(content, str):
            return content
        if isinstance(content, list):
            return " ".join(p.get("text", "") for p in content
                            if isinstance(p, dict))
    return ""


def pieces_of(text):
    """Words with the space before them; a long text in larger pieces."""
    words = text.split(" ")
    words = [words[0]] + [" " + w for w in words[1:]]
    size = max(1, -(-len(words) // PIECES_MAX))
    joined = ["".join(words[i:i + size])
              for i in range(0, len(words), size)]
    return [piece for piece in joined if piece.strip()]


def event(value):
    text = json.dumps(value, ensure_ascii=False, separators=(",", ":"))
    return ("data: " + text + "\n\n").encode()


class Chat:
    """One chat call that was accepted."""

    def __init__(self, settings, body, kiro):
        self.settings = settings
        self.model = body["model"]
        self.kiro = kiro
        asked = last_user_text(body["messages"])
        self.text = settings.text
        if self.text is None:
            self.text = "You said: %s" % asked if asked else "Hello."
        self.stamp = int(time.time() * 1000)
        prompt = sum(len(json.dumps(m)) for m in body["messages"]) // 4 + 1
        answer = max(1, len(self.text) // 4)
        self.usage = {"prompt_tokens": prompt, "completion_tokens": answer,
                      "total_tokens": prompt + answer}

    def chunk(self, delta, finish=None, usage=None):
        value = {"id": "chatcmpl-%d" % self.stamp,
                 "object": "chat.completion.chunk",
                 "created": self.stamp // 1000, "model": self.model,
                 "choices": [{"index": 0, "delta": delta,
                              "finish_reason": finish}]}
        if usage:
            value["usage"] = usage
        return event(value)

    def stream(self, fault):
        """Events, with the pauses between them as plain numbers."""
        settings = self.settings
        if settings.chat_delay:
            yield settings.chat_delay
        if settings.reasoning:
            yield self.chunk({"reasoning_content": settings.reasoning})
        for number, piece in enumerate(pieces_of(self.text)):
            if number:
                yield settings.chunk_delay
            yield self.chunk({"content": piece})
            if fault and fault.error_delta:
                yield self.chunk({"content":
                                  "\n\n错误: " + fault.error_delta})
                yield self.chunk({}, "stop")
                yield b"data: [DONE]\n\n"
                return
        finish = "stop"
        if settings.tool_calls:
            yield self.chunk({"tool_calls": settings.tool_calls})
            finish = "tool_calls"
        bare = self.kiro or (fault and fault.no_usage)
        yield settings.chunk_delay
        yield self.chunk({}, finish, None if bare else self.usage)
        yield b"data: [DONE]\n\n"

    def whole(self):
        message = {"role": "assistant", "content": self.text}
        finish = "stop"
        if self.settings.reasoning:
            message["reasoning_content"] = self.settings.reasoning
        if self.settings.tool_calls:
            message["tool_calls"] = self.settings.tool_calls
            finish = "tool_calls"
        value = {"id": "chatcmpl-%d" % self.stamp,
                 "object": "chat.completion",
                 "created": self.stamp // 1000, "model": self.model,
                 "choices": [{"index": 0, "message": message,
                              "finish_reason": finish}]}
        if not self.kiro:
            value["usage"] = self.usage
        return value


def chat_fault(body, kiro):
    """(status, text) when upstream refuses the call before it starts."""
    if not body.get("messages") and body.get("messages") != []:
        return 400, "messages是必需的"
    if kiro and not body.get("model"):
        return 400, "model是必需的"
    messages, model = body["messages"], body.get("model")
    if model is None:
        return 500, ("Cannot read properties of undefined "
                     "(reading 'endsWith')")
    if not isinstance(model, str):
        return 500, "model.endsWith is not a function"
    if not isinstance(messages, list):
        return 500, "messages is not iterable"
    if any(m is None for m in messages):
        return 500, "Cannot read properties of null (reading 'role')"
    for tool in body.get("tools") or ():
        if not isinstance(tool, dict) or "function" not in tool:
            return 500, "Cannot read properties of undefined (reading 'name')"
    return None


def wants_stream(body):
    """The default is true; false, null and 0 say no."""
    return body.get("stream", True) not in (False, None, 0, "")


def stream_reply(chat, fault):
    return Reply(200, headers=STREAM_HEADERS, stream=chat.stream(fault))


def model_list(kiro):
    now = int(time.time())
    names, owner = ((KIRO_MODELS, "anthropic") if kiro
                    else (MODELS, "google"))
    return {"object": "list",
            "data": [{"id": name, "object": "model", "created": now,
                      "owned_by": owner} for name in names]}


def image_answer(body):
    """(status, JSON) of the image route."""
    def refused(text):
        return 400, {"error": {"code": 400, "message": text,
                               "status": "INVALID_ARGUMENT"}}
    contents = body.get("contents")
    if not isinstance(contents, list) or not contents:
        return refused("contents is required and must be a non-empty array")
    parts = [p for c in contents if isinstance(c, dict) and
             c.get("role") == "user" for p in c.get("parts") or ()
             if isinstance(p, dict) and ("text" in p or "inlineData" in p)]
    if not parts:
        return refused("no valid user parts found")
    return 200, {"candidates": [{
        "content": {"parts": [{"inlineData": {"mimeType": "image/png",
                                              "data": PIXEL}}],
                    "role": "model"}, "finishReason": "STOP"}]}
