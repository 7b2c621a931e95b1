"""The messages of a conversation as Messages has them: two roles that take turns, and the system apart.

What several messages in a row of one role say becomes one turn, for not every server joins them itself. Results of
tools are the user's and come first in the turn, where the API wants them.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from typing import Any, Final, NamedTuple

from headwater.domain.message import ImagePart, Message, TextPart, ToolResultPart
from headwater.errors import BadRequestError, UnsupportedError
from headwater.providers.request_rules import arguments_of, check_detail, image_url, tool_results

#: What an image may be, as https://platform.claude.com/docs/en/build-with-claude/vision has it.
IMAGE_TYPES: Final = ("image/jpeg", "image/png", "image/gif", "image/webp")

_DATA_URL: Final = re.compile(r"data:([\w.+-]+/[\w.+-]+);base64,", re.ASCII)
#: What the API takes in the id of a call; ids of other providers may hold more.
_ID: Final = re.compile(r"[^A-Za-z0-9_-]")

_Json = dict[str, Any]


class Conversation(NamedTuple):
    """What to send."""

    #: "" for none, text, or several texts as blocks
    system: str | list[_Json]
    messages: list[_Json]
    #: where the last message is the assistant's, to be gone on with: a pointer to it
    prefill: str | None
    #: the id of the container in which server tools worked in an earlier turn
    container: str | None


def conversation(messages: Sequence[Message], provider: str) -> Conversation:
    """Raises `BadRequestError` or `UnsupportedError`, with a JSON pointer into the request."""
    system: list[_Json] = []
    turns: list[_Json] = []
    for at, message in enumerate(messages):
        pointer = f"/messages/{at}"
        results = tool_results(message, pointer)
        if message.name is not None:
            raise UnsupportedError(f"{provider} does not take the name of a speaker", pointer=f"{pointer}/name")
        if message.role in ("system", "developer"):
            system += _texts(message, pointer)
            continue
        is_answer = message.role == "assistant"
        blocks = list(
            _assistant(message, pointer, provider) if is_answer else _user(message, pointer, results, provider)
        )
        role = "assistant" if is_answer else "user"
        if turns and turns[-1]["role"] == role:
            turns[-1]["content"] += blocks
        elif blocks:
            turns.append({"role": role, "content": blocks})
    if turns and turns[-1]["role"] == "assistant":
        _trim(turns)
    if not turns:
        raise BadRequestError("there is no message to answer", pointer="/messages")
    last = turns[-1]
    has_prefill = last["role"] == "assistant" and last["content"][-1]["type"] != "tool_use"
    prefill = f"/messages/{len(messages) - 1}" if has_prefill else None
    for turn in turns:
        turn["content"] = _simplest(sorted(turn["content"], key=lambda block: block["type"] != "tool_result"))
    return Conversation(_simplest(system), turns, prefill, _container(messages, provider))


def _simplest(blocks: list[_Json]) -> str | list[_Json]:
    """One text as a string, for every server takes that."""
    if not blocks:
        return ""
    return blocks[0]["text"] if len(blocks) == 1 and blocks[0].keys() == {"type", "text"} else blocks


def _trim(turns: list[_Json]) -> None:
    """An answer to go on with may not end in white space, which the model will write again."""
    blocks = turns[-1]["content"]
    while blocks and blocks[-1]["type"] == "text":
        blocks[-1]["text"] = blocks[-1]["text"].rstrip()
        if blocks[-1]["text"]:
            return
        blocks.pop()
    if not blocks:
        turns.pop()


def _texts(message: Message, pointer: str) -> Iterator[_Json]:
    """The texts of a message that may hold nothing else. Empty ones are left out, for the API refuses them."""
    parts = [TextPart(message.content)] if isinstance(message.content, str) else message.content
    for part in parts:
        if isinstance(part, TextPart) and part.text:
            yield {"type": "text", "text": part.text}


def _assistant(message: Message, pointer: str, provider: str) -> Iterator[_Json]:
    """Thinking first, as it came, then what was said, then the calls: the order of an answer."""
    for given in message.provider_data:
        if given.provider == provider and isinstance(given.value, dict) and isinstance(given.value.get("type"), str):
            yield dict(given.value)
    yield from _texts(message, pointer)
    for at, call in enumerate(message.tool_calls):
        yield {
            "type": "tool_use",
            "id": _ID.sub("_", call.id),
            "name": call.name,
            "input": arguments_of(call, f"{pointer}/tool_calls/{at}"),
        }


def _user(message: Message, pointer: str, results: Sequence[ToolResultPart], provider: str) -> Iterator[_Json]:
    parts = [TextPart(message.content)] if isinstance(message.content, str) else message.content
    for result in results:
        sent = {"type": "tool_result", "tool_use_id": _ID.sub("_", result.tool_call_id)}
        yield {**sent, "content": result.content} if result.content else sent
    for at, part in enumerate(parts):
        if isinstance(part, TextPart) and part.text:
            yield {"type": "text", "text": part.text}
        elif isinstance(part, ImagePart):
            yield {"type": "image", "source": _image(part, f"{pointer}/content/{at}", provider)}


def _image(part: ImagePart, pointer: str, provider: str) -> _Json:
    """By its address where it has one, else as data. The API has no word for `detail`."""
    check_detail(part, provider, pointer)
    url = image_url(part, pointer)
    if not url.startswith("data:"):
        return {"type": "url", "url": url}
    found = _DATA_URL.match(url)
    if found is None:
        raise BadRequestError("an image's `data:` address holds its media type and base64", pointer=pointer)
    media_type = found[1].lower()
    if media_type not in IMAGE_TYPES:
        raise UnsupportedError(f"an image can be {', '.join(IMAGE_TYPES)}, not {media_type[:50]}", pointer=pointer)
    return {"type": "base64", "media_type": media_type, "data": url[found.end() :]}


def _container(messages: Sequence[Message], provider: str) -> str | None:
    """The newest container that the provider named; it is gone after a while, and the API then says so."""
    for message in reversed(messages):
        for given in reversed(message.provider_data):
            if given.provider == provider and isinstance(given.value, dict):
                container = given.value.get("container")
                if isinstance(container, dict) and isinstance(container.get("id"), str):
                    return str(container["id"])
    return None
