"""What a response was asked, as items: https://platform.openai.com/docs/api-reference/responses/input-items. Pure."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any, Final, Literal

import msgspec

from headwater.delivery.formats.responses_output import seal
from headwater.domain.message import ImagePart, Message, TextPart, ToolResultPart
from headwater.domain.run import Run
from headwater.errors import BadRequestError

ITEMS_LIMIT: Final = 20
ITEMS_LIMIT_MAX: Final = 100

_Json = dict[str, Any]


class ItemList(msgspec.Struct, frozen=True):
    data: list[Any]
    first_id: str
    last_id: str
    has_more: bool
    object: Literal["list"] = "list"


def input_items(run: Run) -> list[_Json]:
    """The items of the run's messages, the earlier turns' too, in their order. Each has an id of its own."""
    items = [item for message in run.request.messages for item in _items(message)]
    name = run.id.removeprefix("run_")
    return [{"id": f"in_{name}_{at}", **item} for at, item in enumerate(items)]


def item_page(items: Sequence[_Json], after: str | None, limit: int) -> ItemList:
    """The items after the one with that id. Raises `BadRequestError` where there is none."""
    start = 0
    if after is not None:
        start = next((at + 1 for at, item in enumerate(items) if item["id"] == after), 0)
        if start == 0:
            raise BadRequestError("There is no such item.", parameter="after")
    data = list(items[start : start + limit])
    ids = [str(item["id"]) for item in data] or [""]
    return ItemList(data, ids[0], ids[-1], start + limit < len(items))


def _items(message: Message) -> Iterator[_Json]:
    if message.role == "assistant":
        if message.provider_data:
            yield {"type": "reasoning", "summary": [], "encrypted_content": seal(message.provider_data)}
        if text := _text(message):
            said = {"type": "output_text", "text": text, "annotations": []}
            yield {"type": "message", "role": "assistant", "status": "completed", "content": [said]}
        for call in message.tool_calls:
            asked = {"call_id": call.id, "name": call.name, "arguments": call.arguments}
            yield {"type": "function_call", "status": "completed", **asked}
        return
    content: list[_Json] = []
    for part in [TextPart(message.content)] if isinstance(message.content, str) else message.content:
        match part:
            case TextPart():
                content.append({"type": "input_text", "text": part.text})
            case ImagePart():
                url = part.url or f"data:{part.media_type};base64,{part.data}"
                content.append({"type": "input_image", "image_url": url, "detail": part.detail or "auto"})
            case ToolResultPart():
                output = {"call_id": part.tool_call_id, "output": part.content}
                yield {"type": "function_call_output", "status": "completed", **output}
    if content:
        role = "user" if message.role == "tool" else message.role
        yield {"type": "message", "role": role, "status": "completed", "content": content}


def _text(message: Message) -> str:
    if isinstance(message.content, str):
        return message.content
    return "".join(part.text for part in message.content if isinstance(part, TextPart))
