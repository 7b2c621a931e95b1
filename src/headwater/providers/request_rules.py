"""What every provider's requests have in common: what a role may hold, where an image is, whose fields there are."""

from __future__ import annotations

from collections.abc import Set
from typing import Any

from headwater.domain.message import ImagePart, Message, Settings, ToolResultPart, ToolUse
from headwater.errors import BadRequestError, UnsupportedError
from headwater.providers.lenient_json import read_object


def tool_results(message: Message, pointer: str) -> list[ToolResultPart]:
    """The results of tools in a message, which `pointer` points to.

    Raises where its role can not hold what it holds: results are a tool's or a user's, and a tool has nothing else;
    calls and reasoning are an assistant's (`BadRequestError`); images are a user's (`UnsupportedError`).
    """
    parts = [] if isinstance(message.content, str) else message.content
    results = [part for part in parts if isinstance(part, ToolResultPart)]
    if message.role == "tool" and (not results or len(results) != len(parts)):
        raise BadRequestError("a message of the role `tool` holds tool results only", pointer=f"{pointer}/content")
    if results and message.role not in ("tool", "user"):
        raise BadRequestError(
            "tool results belong in a message of the role `tool` or `user`", pointer=f"{pointer}/content"
        )
    if message.tool_calls and message.role != "assistant":
        raise BadRequestError("only a message of the role `assistant` has tool calls", pointer=f"{pointer}/tool_calls")
    if message.reasoning is not None and message.role != "assistant":
        raise BadRequestError("only a message of the role `assistant` has reasoning", pointer=f"{pointer}/reasoning")
    for at, part in enumerate(parts):
        if isinstance(part, ImagePart) and message.role != "user":
            raise UnsupportedError(
                f"an image can not be part of a `{message.role}` message", pointer=f"{pointer}/content/{at}"
            )
    return results


def arguments_of(call: ToolUse, pointer: str) -> dict[str, Any]:
    """The arguments of a call, which `pointer` points to, as an object. Raises `BadRequestError` for any other.

    A call without any may have been written as nothing at all.
    """
    arguments = read_object(call.arguments) if call.arguments.strip() else {}
    if arguments is None:
        raise BadRequestError("the arguments of a tool call are not a JSON object", pointer=f"{pointer}/arguments")
    return arguments


def check_image(part: ImagePart, pointer: str) -> None:
    """Raises `BadRequestError` for an image that is nowhere, in two places, or of an unknown type."""
    if (part.url is None) == (part.data is None):
        raise BadRequestError("an image has either `url` or `data`", pointer=pointer)
    if part.url is None and part.media_type is None:
        raise BadRequestError("an image given as `data` needs its `media_type`", pointer=pointer)


def image_url(part: ImagePart, pointer: str) -> str:
    """Where the image is: its address, or its data as an address. Raises as `check_image`."""
    check_image(part, pointer)
    return f"data:{part.media_type};base64,{part.data}" if part.url is None else part.url


def check_detail(part: ImagePart, provider: str, pointer: str) -> None:
    """For a provider whose models see an image as well as they can. Raises `UnsupportedError` for one that is to be
    seen, and paid for, as a small one: "high" and "auto" are what happens."""
    if part.detail == "low":
        raise UnsupportedError(f"{provider} does not know `detail` of an image", pointer=f"{pointer}/detail")


def check_verbosity(settings: Settings, provider: str) -> None:
    """For a provider that knows no verbosity. Raises `UnsupportedError` but for "medium", which is what happens."""
    if settings.verbosity not in (None, "medium"):
        raise UnsupportedError(f"{provider} does not know verbosity", pointer="/settings/verbosity")


def extra_of(settings: Settings, provider: str, reserved: Set[str]) -> dict[str, Any]:
    """The fields that the request has for this provider. Raises `BadRequestError` for one that is reserved."""
    extra = settings.extra.get(provider, {})
    if taken := sorted(reserved & extra.keys()):
        raise BadRequestError(
            f"`{taken[0]}` can not be set by `extra`", pointer=f"/settings/extra/{provider}/{taken[0]}"
        )
    return extra
