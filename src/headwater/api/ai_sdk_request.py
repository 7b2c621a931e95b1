"""The body of `POST /api/chat`, and the run that it asks for. Pure.

`id`, `messages`, `trigger` and `messageId` are what `DefaultChatTransport` of npm's `ai` sends; all else comes from its
option `body`, and is called as in `POST /api/v1/runs`. A `UIMessage` is what a page keeps and sends back, parts that
only concern the page included: those are passed over, as the AI SDK's own `convertToModelMessages` does.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, Literal

import msgspec

from headwater.api.bounds import METADATA_VALUE_CHARS_MAX
from headwater.domain.message import (
    ImagePart,
    Message,
    Part,
    ProviderValue,
    Settings,
    TextPart,
    ToolResultPart,
    ToolUse,
)
from headwater.domain.run import Limits, OnDisconnect, RunRequest
from headwater.errors import BadRequestError, UnsupportedError

#: Where a run's metadata says which chat it is of, and to which message its answer belongs if not to one of its own.
CHAT = "ai_sdk.chat"
MESSAGE = "ai_sdk.message"

#: States of a tool call that has no outcome: the page was left, or the answer was stopped, before there was one.
_OPEN_STATES = frozenset({"input-streaming", "input-available", "approval-requested", "approval-responded"})
_DENIED = "The user did not allow this tool call."

_encode = msgspec.json.Encoder().encode


class UIMessage(msgspec.Struct, frozen=True):
    """A message as the page keeps it. Its parts are open: each application and each version has its own."""

    role: Literal["system", "user", "assistant"]
    parts: list[dict[str, Any]]
    id: str = ""
    metadata: Any = None


class ChatRequest(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """What `useChat` posts, and what the application adds to it."""

    #: the chat's id, by which its answer is found again
    id: str
    messages: list[UIMessage]
    trigger: Literal["submit-message", "regenerate-message"] = "submit-message"
    #: the message that was edited or is to be answered anew; the messages are cut behind it already
    messageId: str | None = None
    model: str = ""
    system: str | None = None
    settings: Settings = Settings()
    fallback: list[str] = []
    limits: Limits = Limits()
    on_disconnect: OnDisconnect = "continue"
    metadata: dict[str, str] = {}


def run_request(body: ChatRequest) -> RunRequest:
    """The run that answers it. Raises `RefusedError` with the pointer of what is at fault."""
    if not body.model:
        raise BadRequestError("Say which model: `new DefaultChatTransport({ body: { model } })`.", pointer="/model")
    if not 0 < len(body.id) <= METADATA_VALUE_CHARS_MAX:
        raise BadRequestError(f"A chat's id has 1 to {METADATA_VALUE_CHARS_MAX} characters.", pointer="/id")
    if not body.messages:
        raise BadRequestError("There is nothing to answer.", pointer="/messages")
    system = [] if body.system is None else [Message("system", body.system)]
    told = [message for place, each in enumerate(body.messages) for message in _messages(each, f"/messages/{place}")]
    last = body.messages[-1]
    metadata = {**body.metadata, CHAT: body.id}
    if last.role == "assistant" and last.id:
        # The client goes on with its last message where that is an answer, and takes another id for another message.
        metadata[MESSAGE] = last.id
    return RunRequest(
        model=body.model,
        messages=[*system, *told],
        settings=body.settings,
        on_disconnect=body.on_disconnect,
        limits=body.limits,
        fallback=body.fallback,
        metadata=metadata,
    )


def _messages(message: UIMessage, pointer: str) -> Iterator[Message]:
    match message.role:
        case "system":
            yield Message("system", "".join(_text(part) for part in message.parts))
        case "user":
            yield Message("user", _user_content(message.parts, pointer))
        case "assistant":
            step = _Step()
            for place, part in enumerate(message.parts):
                if part.get("type") == "step-start":
                    yield from step.messages()
                    step = _Step()
                else:
                    step.take(part, f"{pointer}/parts/{place}")
            yield from step.messages()


def _text(part: dict[str, Any]) -> str:
    text = part.get("text")
    return text if part.get("type") == "text" and isinstance(text, str) else ""


def _user_content(parts: list[dict[str, Any]], pointer: str) -> str | list[Part]:
    content: list[Part] = []
    for place, part in enumerate(parts):
        match part:
            case {"type": "text", "text": str(text)}:
                content.append(TextPart(text))
            case {"type": "file", "mediaType": str(media_type), "url": str(url)}:
                if not media_type.startswith("image/"):
                    what = f"Files of type {media_type[:100]} are not supported, images are."
                    raise UnsupportedError(what, pointer=f"{pointer}/parts/{place}")
                content.append(ImagePart(url=url))
            case {"type": "file"}:
                raise BadRequestError("A file has a `mediaType` and a `url`.", pointer=f"{pointer}/parts/{place}")
    if all(isinstance(part, TextPart) for part in content):
        return "".join(_text(part) for part in parts)
    return content


class _Step:
    """One turn of the model inside an answer: what it said and which tools it called, then what those gave."""

    def __init__(self) -> None:
        self._text: list[str] = []
        self._calls: list[ToolUse] = []
        self._results: list[Message] = []
        self._provider_data: list[ProviderValue] = []

    def take(self, part: dict[str, Any], pointer: str) -> None:
        kind = part.get("type")
        if kind == "data-provider":
            match part.get("data"):
                case {"provider": str(provider), "value": value}:
                    self._provider_data.append(ProviderValue(provider, value))
        elif kind == "dynamic-tool" or (isinstance(kind, str) and kind.startswith("tool-")):
            self._take_tool(part, pointer)
        else:
            self._text.append(_text(part))

    def _take_tool(self, part: dict[str, Any], pointer: str) -> None:
        name = part.get("toolName") if part["type"] == "dynamic-tool" else part["type"].removeprefix("tool-")
        id, state = part.get("toolCallId"), part.get("state")
        if not (isinstance(id, str) and isinstance(name, str) and isinstance(state, str)):
            raise BadRequestError("A tool call has a name, a `toolCallId` and a `state`.", pointer=pointer)
        if state in _OPEN_STATES or part.get("providerExecuted"):
            return
        arguments = part.get("input")
        self._calls.append(ToolUse(id, name, _json(arguments if isinstance(arguments, dict) else {})))
        self._results.append(Message("tool", [ToolResultPart(id, _outcome(part, state))]))

    def messages(self) -> Iterator[Message]:
        text = "".join(self._text)
        if text or self._calls:
            yield Message("assistant", text, None, self._calls, self._provider_data)
            yield from self._results


def _outcome(part: dict[str, Any], state: str) -> str:
    match state:
        case "output-error":
            return str(part.get("errorText") or "The tool failed.")
        case "output-denied":
            return _DENIED
    output = part.get("output")
    return output if isinstance(output, str) else _json(output)


def _json(value: object) -> str:
    return _encode(value).decode()
