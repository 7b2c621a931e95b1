"""The body of `POST /api/ag-ui`, and the run that it asks for. Pure.

It is AG-UI's `RunAgentInput` (https://docs.ag-ui.com/sdk/js/core/types), which has no word for a model: that and what
else a run can be asked stands in `forwardedProps`, and is called as in `POST /api/v1/runs`.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, Literal

import msgspec

from headwater.api.bounds import METADATA_VALUE_CHARS_MAX
from headwater.domain.message import ImagePart, Message, Part, Settings, TextPart, Tool, ToolResultPart, ToolUse
from headwater.domain.run import CancelAfter, Limits, OnDisconnect, RunRequest
from headwater.errors import BadRequestError, UnsupportedError

#: Where a run's metadata says which of the caller's threads and runs it is.
THREAD = "ag_ui.thread"
RUN = "ag_ui.run"
#: This protocol has no way back to a run, so one that its caller leaves is stopped.
ON_DISCONNECT_DEFAULT = CancelAfter(5)


class AgentTool(msgspec.Struct, frozen=True):
    name: str
    description: str = ""
    parameters: dict[str, Any] | None = None


class AgentContext(msgspec.Struct, frozen=True):
    description: str
    value: str


class AgentFunction(msgspec.Struct, frozen=True):
    name: str
    arguments: str


class AgentToolCall(msgspec.Struct, frozen=True):
    id: str
    function: AgentFunction


class AgentMessage(msgspec.Struct, frozen=True, rename="camel"):
    """A message of the thread, of whatever role: which of its members count depends on that."""

    role: Literal["developer", "system", "assistant", "user", "tool", "activity", "reasoning"]
    content: Any = None
    name: str | None = None
    tool_calls: list[AgentToolCall] = []
    tool_call_id: str = ""
    error: str | None = None


class ForwardedProps(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """What of a run AG-UI itself does not say."""

    model: str = ""
    settings: Settings = Settings()
    fallback: list[str] = []
    limits: Limits = Limits()
    on_disconnect: OnDisconnect = ON_DISCONNECT_DEFAULT
    metadata: dict[str, str] = {}


class RunAgentInput(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True, rename="camel"):
    """What an AG-UI client posts. `state` is the page's own and not sent to the model; `context` is."""

    thread_id: str
    run_id: str
    messages: list[AgentMessage]
    protocol_version: str | None = None
    parent_run_id: str | None = None
    state: Any = None
    tools: list[AgentTool] = []
    context: list[AgentContext] = []
    forwarded_props: ForwardedProps | None = None
    resume: list[Any] = []


def run_request(body: RunAgentInput) -> RunRequest:
    """The run that answers it. Raises `RefusedError` with the pointer of what is at fault."""
    asked = body.forwarded_props or ForwardedProps()
    if not asked.model:
        raise BadRequestError("Say which model: `forwardedProps: { model }`.", pointer="/forwardedProps/model")
    if body.resume:
        raise UnsupportedError("There are no interrupts to resume from.", pointer="/resume")
    names = {"threadId": body.thread_id, "runId": body.run_id}
    for name, value in names.items():
        if not 0 < len(value) <= METADATA_VALUE_CHARS_MAX:
            raise BadRequestError(f"`{name}` has 1 to {METADATA_VALUE_CHARS_MAX} characters.", pointer=f"/{name}")
    known = [Message("system", f"{each.description}:\n{each.value}") for each in body.context]
    said = [message for place, each in enumerate(body.messages) for message in _messages(each, f"/messages/{place}")]
    if not said:
        raise BadRequestError("There is nothing to answer.", pointer="/messages")
    tools = [Tool(tool.name, tool.description or None, tool.parameters or None) for tool in body.tools]
    settings = msgspec.structs.replace(asked.settings, tools=[*asked.settings.tools, *tools])
    return RunRequest(
        model=asked.model,
        messages=[*known, *said],
        settings=settings,
        on_disconnect=asked.on_disconnect,
        limits=asked.limits,
        fallback=asked.fallback,
        metadata={**asked.metadata, THREAD: body.thread_id, RUN: body.run_id},
    )


def _messages(message: AgentMessage, pointer: str) -> Iterator[Message]:
    """Nothing for what is shown to people only: activities, and reasoning, which no model is sent back in this form."""
    match message.role:
        case "system" | "developer" | "user":
            yield Message(message.role, _content(message.content, pointer), message.name)
        case "assistant":
            calls = [ToolUse(call.id, call.function.name, call.function.arguments) for call in message.tool_calls]
            text = _text(message.content, pointer)
            if text or calls:
                yield Message("assistant", text, message.name, calls)
        case "tool":
            outcome = message.error or _text(message.content, pointer)
            yield Message("tool", [ToolResultPart(message.tool_call_id, outcome)])


def _text(content: object, pointer: str) -> str:
    parts = _content(content, pointer)
    if isinstance(parts, str):
        return parts
    texts = [part.text for part in parts if isinstance(part, TextPart)]
    if len(texts) < len(parts):
        raise UnsupportedError("Only users can show pictures.", pointer=f"{pointer}/content")
    return "".join(texts)


def _content(content: object, pointer: str) -> str | list[Part]:
    if content is None or isinstance(content, str):
        return content or ""
    if not isinstance(content, list):
        raise BadRequestError("Expected a text or a list of parts.", pointer=f"{pointer}/content")
    return [_part(part, f"{pointer}/content/{place}") for place, part in enumerate(content)]


def _part(part: object, pointer: str) -> Part:
    match part:
        case {"type": "text", "text": str(text)}:
            return TextPart(text)
        case {"type": "image", "source": {"type": "url", "value": str(url)}}:
            return ImagePart(url=url)
        case {"type": "image", "source": {"type": "data", "value": str(data), "mimeType": str(media_type)}}:
            return ImagePart(data=data, media_type=media_type)
    raise UnsupportedError("Parts are text, and images by `url` or `data`.", pointer=pointer)
