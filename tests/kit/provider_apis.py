"""The providers' APIs as one server on a real socket: each checks a body by its own SDK's types, and then answers.

A body that the SDK could not have sent is refused with 400 and all that is wrong with it.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Collection, Iterable, Iterator
from typing import Any, Final, NamedTuple

from anthropic.types.message_create_params import MessageCreateParamsStreaming
from google.genai import types as google
from openai.types.chat.completion_create_params import CompletionCreateParamsStreaming
from openai.types.responses.response_create_params import ResponseCreateParamsStreaming
from typing_extensions import TypedDict

from headwater.providers.contract import HttpRequest
from tests.kit.script import DONE, Send, Status, Step, chat_chunk, error_answer, usage_chunk
from tests.kit.typed import faults
from tests.kit.upstream import Received

#: What every API says to everything.
ANSWER: Final = "Hello wader"


class GenerateContent(TypedDict, total=False):
    """The body of Gemini's `generateContent`: the SDK's types have its parts, for the SDK puts them together.

    https://ai.google.dev/api/generate-content
    """

    contents: list[google.Content]
    systemInstruction: google.Content
    tools: list[google.Tool]
    toolConfig: google.ToolConfig
    safetySettings: list[google.SafetySetting]
    generationConfig: google.GenerationConfig
    cachedContent: str


class Api(NamedTuple):
    """One API: where it is, what it takes, how it answers, and in which header the key comes."""

    path: re.Pattern[str]
    takes: Any
    answer: Callable[[], bytes]
    media_type: str = "text/event-stream"


def _event(value: dict[str, Any]) -> bytes:
    return f"event: {value['type']}\ndata: {json.dumps(value)}\n\n".encode()


def _chat() -> bytes:
    return chat_chunk(ANSWER) + chat_chunk(finish="stop") + usage_chunk(5, 2) + DONE


def _responses() -> bytes:
    part = {"type": "output_text", "text": ANSWER, "annotations": []}
    item = {"type": "message", "id": "msg_1", "role": "assistant", "status": "completed", "content": [part]}
    usage = {"input_tokens": 5, "output_tokens": 2, "total_tokens": 7}
    response = {"id": "resp_1", "object": "response", "status": "completed", "output": [item], "usage": usage}
    begun = {**response, "status": "in_progress", "output": [], "usage": None}
    place = {"item_id": "msg_1", "output_index": 0, "content_index": 0}
    events: list[dict[str, Any]] = [
        {"type": "response.created", "response": begun},
        {"type": "response.output_item.added", "output_index": 0, "item": {**item, "content": []}},
        {"type": "response.output_text.delta", **place, "delta": ANSWER},
        {"type": "response.output_text.done", **place, "text": ANSWER},
        {"type": "response.output_item.done", "output_index": 0, "item": item},
        {"type": "response.completed", "response": response},
    ]
    return b"".join(_event({**event, "sequence_number": number}) for number, event in enumerate(events))


def _messages() -> bytes:
    message: dict[str, Any] = {"id": "msg_1", "type": "message", "role": "assistant", "model": "m", "content": []}
    events: list[dict[str, Any]] = [
        {"type": "message_start", "message": {**message, "usage": {"input_tokens": 5, "output_tokens": 1}}},
        {"type": "content_block_start", "index": 0, "content_block": {"type": "text", "text": ""}},
        {"type": "ping"},
        {"type": "content_block_delta", "index": 0, "delta": {"type": "text_delta", "text": ANSWER}},
        {"type": "content_block_stop", "index": 0},
        {"type": "message_delta", "delta": {"stop_reason": "end_turn"}, "usage": {"output_tokens": 2}},
        {"type": "message_stop"},
    ]
    return b"".join(map(_event, events))


def _gemini() -> dict[str, Any]:
    content = {"role": "model", "parts": [{"text": ANSWER}]}
    usage = {"promptTokenCount": 5, "candidatesTokenCount": 2, "totalTokenCount": 7}
    return {"candidates": [{"content": content, "finishReason": "STOP", "index": 0}], "usageMetadata": usage}


#: In each of these paths a version or a project may come first.
APIS: Final = (
    Api(re.compile(r".*/chat/completions"), CompletionCreateParamsStreaming, _chat),
    Api(re.compile(r".*/responses"), ResponseCreateParamsStreaming, _responses),
    Api(re.compile(r".*/messages"), MessageCreateParamsStreaming, _messages),
    Api(
        re.compile(r".*/models/[\w.-]+:streamGenerateContent\?alt=sse"),
        GenerateContent,
        lambda: f"data: {json.dumps(_gemini())}\r\n\r\n".encode(),
    ),
    Api(
        re.compile(r".*/models/[\w.-]+:streamGenerateContent"),
        GenerateContent,
        lambda: f"[{json.dumps(_gemini())}\n]".encode(),
        "application/json",
    ),
)


def wrong_with(made: HttpRequest, more: Collection[str] = (), takes: Any = None) -> list[str]:
    """What one of these servers would find wrong with a request; `more` and `takes` as for `checking`."""
    return _faults(made.method, made.path, made.headers.get("Content-Type"), json.loads(made.body), more, takes)


def checking(more: Collection[str] = (), takes: Any = None) -> Callable[[Received], Iterable[Step]]:
    """The script of such a server. `takes` is the type of a body where the provider has an SDK of its own, beside that
    of the API which it speaks too; `more` are members, anywhere in a body, that this provider has and the types have
    not."""
    return lambda received: _answer(received, more, takes)


def _answer(received: Received, more: Collection[str], takes: Any) -> Iterator[Step]:
    media_type = received.headers.get("content-type")
    if found := _faults(received.method, received.path, media_type, received.json, more, takes):
        yield from error_answer(400, "; ".join(found))
        return
    api = _api_at(received.path)
    assert api is not None
    yield Status(200, {"Content-Type": api.media_type})
    yield Send(api.answer())


def _api_at(path: str) -> Api | None:
    return next((each for each in APIS if each.path.fullmatch(path)), None)


def _faults(method: str, path: str, media_type: str | None, body: Any, more: Collection[str], takes: Any) -> list[str]:
    api = _api_at(path)
    if api is None or method != "POST":
        return [f"no {method} {path}"]
    every = faults(body, takes or api.takes)
    found = [fault for fault in every if fault.partition(":")[0].rpartition("/")[2] not in more]
    if media_type != "application/json":
        found.append("the body is not said to be JSON")
    return found
