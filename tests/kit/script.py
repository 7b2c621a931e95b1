"""What a scripted upstream can be told to do, step by step, and what upstreams usually say."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal

Framing = Literal["chunked", "length", "close"]

DONE = b"data: [DONE]\n\n"


@dataclass(frozen=True)
class Status:
    """The head of the answer; with `body` the body too. Without one a script begins with `Status()`.

    `length` overrides the Content-Length of `framing="length"`: promise more than is sent to cut a body.
    """

    code: int = 200
    headers: Mapping[str, str] = field(default_factory=lambda: {"Content-Type": "text/event-stream"})
    body: bytes = b""
    framing: Framing = "chunked"
    length: int | None = None


@dataclass(frozen=True)
class Send:
    """Body bytes, framed as the head promised: whole, or in `pieces` of n bytes, or in pieces of these sizes.

    `tokens` is what a provider would bill for them.
    """

    data: bytes
    pieces: int | Sequence[int] | None = None
    tokens: int = 0


@dataclass(frozen=True)
class Raw:
    """Bytes as they are, without any framing."""

    data: bytes


@dataclass(frozen=True)
class Pause:
    """Waits until the event is set, or for so many seconds."""

    until: asyncio.Event | None = None
    seconds: float = 0.0


@dataclass(frozen=True)
class Stall:
    """Says nothing more, until the client goes."""


@dataclass(frozen=True)
class Reset:
    """A TCP reset: what the kernel has not sent yet is lost."""


@dataclass(frozen=True)
class HalfClose:
    """Ends our direction without the body's end, and goes on listening until the client goes."""


@dataclass(frozen=True)
class EndCleanly:
    """The body's end as the framing has it. The connection stays open, but for `close`. What a script ends with."""


@dataclass(frozen=True)
class EndWithoutTerminator:
    """Closes the connection without the body's end."""


@dataclass(frozen=True)
class HugeLine:
    """`size` bytes of one SSE line that never ends, made as they are sent."""

    size: int
    prefix: bytes = b"data: "


Step = Status | Send | Raw | Pause | Stall | Reset | HalfClose | EndCleanly | EndWithoutTerminator | HugeLine


# What upstreams usually say.


def chat_chunk(
    content: str | None = None,
    *,
    finish: str | None = None,
    model: str = "scripted",
    usage: tuple[int, int] | None = None,
    **members: Any,
) -> bytes:
    """One Chat Completions chunk as an SSE block. `members` are further members of the delta.

    `usage` is what some servers report on every chunk: the tokens that went in, and those that came out until then.
    """
    delta: dict[str, Any] = dict(members)
    if content is not None:
        delta["content"] = content
    choice = {"index": 0, "delta": delta, "finish_reason": finish}
    chunk: dict[str, Any] = {"id": "chatcmpl-1", "object": "chat.completion.chunk", "created": 1, "model": model}
    chunk["choices"] = [choice]
    if usage is not None:
        chunk["usage"] = _usage(*usage)
    return b"data: %b\n\n" % json.dumps(chunk, ensure_ascii=False).encode()


def usage_chunk(input_tokens: int, output_tokens: int, *, model: str = "scripted") -> bytes:
    """The chunk that `include_usage` asks for."""
    chunk = {"id": "chatcmpl-1", "object": "chat.completion.chunk", "created": 1, "model": model, "choices": []}
    return b"data: %b\n\n" % json.dumps(chunk | {"usage": _usage(input_tokens, output_tokens)}).encode()


def _usage(input_tokens: int, output_tokens: int) -> dict[str, int]:
    return {
        "prompt_tokens": input_tokens,
        "completion_tokens": output_tokens,
        "total_tokens": input_tokens + output_tokens,
    }


def chat_stream(
    tokens: Sequence[str],
    *,
    delay_s: float = 0.0,
    finish: str = "stop",
    usage: bool = True,
    done: bool = True,
    input_tokens: int = 7,
) -> list[Step]:
    """A whole Chat Completions answer, a `Send` a token; each token is billed as one."""
    steps: list[Step] = [Send(chat_chunk("", role="assistant"))]
    for token in tokens:
        if delay_s:
            steps.append(Pause(seconds=delay_s))
        steps.append(Send(chat_chunk(token), tokens=1))
    steps.append(Send(chat_chunk(finish=finish)))
    if usage:
        steps.append(Send(usage_chunk(input_tokens, len(tokens))))
    if done:
        steps.append(Send(DONE))
    return steps


def play(recording: bytes, pieces: int | Sequence[int] | None = None, *, framing: Framing = "chunked") -> list[Step]:
    """A recorded body as it is, cut as asked, ended cleanly."""
    return [Status(framing=framing, length=len(recording)), Send(recording, pieces), EndCleanly()]


def error_answer(code: int, message: str, *, kind: str = "invalid_request_error", **headers: str) -> list[Step]:
    """A refusal in the form of OpenAI. Header names are given with `_` for `-`."""
    body = json.dumps({"error": {"message": message, "type": kind, "param": None, "code": None}}).encode()
    named = {name.replace("_", "-"): value for name, value in headers.items()}
    return [Status(code, {"Content-Type": "application/json", **named}, body, "length")]
