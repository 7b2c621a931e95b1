"""The steps that a message of the AI SDK had before the run that goes on with it, from what the model was sent. Pure.

A page that runs a tool sends its outcome as a new request, and the answer to that is part of the same message. Its
replay is put in the place of the whole message, so it begins with the steps before. A tool's input is given as it would
stream: told as a whole, it would have the page run the tool again.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import msgspec

from headwater.domain.message import Message, ToolResultPart

Part = dict[str, Any]


def earlier_steps(messages: Sequence[Message]) -> list[Part]:
    """The parts of what the assistant said and did since the last question, each step from its start to its finish."""
    last = max((place for place, message in enumerate(messages) if message.role == "user"), default=-1)
    steps: list[tuple[int, Message, dict[str, str]]] = []
    for place, message in enumerate(messages[last + 1 :], last + 1):
        if message.role == "assistant":
            steps.append((place, message, {}))
        elif steps:
            # What a step's tools gave stands directly behind it.
            steps[-1][2].update(_outcomes(message))
    parts: list[Part] = []
    for place, message, outcomes in steps:
        said = [*_sealed(message), *_said(message, place), *_called(message, outcomes)]
        parts += [{"type": "start-step"}, *said, {"type": "finish-step"}]
    return parts


def _sealed(message: Message) -> list[Part]:
    """What the page has to send back with this step: without it some models refuse the next one."""
    data = ({"provider": each.provider, "value": each.value} for each in message.provider_data)
    return [{"type": "data-provider", "data": each} for each in data]


def _said(message: Message, place: int) -> list[Part]:
    if not isinstance(message.content, str) or not message.content:
        return []
    id = f"earlier-{place}"
    delta = {"type": "text-delta", "id": id, "delta": message.content}
    return [{"type": "text-start", "id": id}, delta, {"type": "text-end", "id": id}]


def _outcomes(message: Message) -> dict[str, str]:
    parts = [] if isinstance(message.content, str) else message.content
    return {part.tool_call_id: part.content for part in parts if isinstance(part, ToolResultPart)}


def _called(message: Message, outcomes: Mapping[str, str]) -> list[Part]:
    parts: list[Part] = []
    for call in message.tool_calls:
        parts.append({"type": "tool-input-start", "toolCallId": call.id, "toolName": call.name})
        parts.append({"type": "tool-input-delta", "toolCallId": call.id, "inputTextDelta": call.arguments})
        if call.id in outcomes:
            output = _output(outcomes[call.id])
            parts.append({"type": "tool-output-available", "toolCallId": call.id, "output": output})
    return parts


def _output(content: str) -> object:
    """What the tool gave: an object or a list was written down as JSON, a text as it was."""
    if content[:1] in ("{", "["):
        try:
            return msgspec.json.decode(content)
        except (msgspec.DecodeError, RecursionError):
            pass
    return content
