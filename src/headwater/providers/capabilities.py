"""What a model can be asked for, and what a request asks for.

A server's row promises what its dialect can say; a model's row may promise less, where the operator knows that the
model behind it can not do it all. Three are never asked for by a request: a model without `seed` takes one and does
not keep to it, and `prefill` (it goes on with an answer that was begun) and `background` (its answer goes on without
us) are for taking a run up again after a crash.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator
from typing import Final, NamedTuple

from headwater.domain.message import GenerationRequest, ImagePart
from headwater.errors import UnsupportedError

#: What a row may promise. `text` is promised by each.
CAPABILITIES: Final = ("text", "reasoning", "tools", "json_schema", "images", "seed", "prefill", "background")


class Need(NamedTuple):
    """Something that a request asks for beyond text: the capability, where it is asked for, and in words."""

    capability: str
    pointer: str
    words: str


def needs(request: GenerationRequest) -> Iterator[Need]:
    """What a request can not do without, in the order of its parts; each capability once."""
    if place := _first_image(request):
        yield Need("images", place, "take images")
    settings = request.settings
    if settings.tools:
        yield Need("tools", "/settings/tools", "call tools")
    if settings.json_schema is not None:
        yield Need("json_schema", "/settings/json_schema", "keep its answer to a JSON schema")
    if settings.reasoning_effort not in (None, "none"):
        yield Need("reasoning", "/settings/reasoning_effort", "reason")


def check(request: GenerationRequest, model: str, promised: Collection[str]) -> None:
    """Refuses what is not promised. Raises `UnsupportedError`, with a pointer to what asks for it."""
    for need in needs(request):
        if need.capability not in promised:
            raise UnsupportedError(f"The model `{model}` can not {need.words}.", pointer=need.pointer)


def _first_image(request: GenerationRequest) -> str:
    for at, message in enumerate(request.messages):
        if isinstance(message.content, str):
            continue
        for place, part in enumerate(message.content):
            if isinstance(part, ImagePart):
                return f"/messages/{at}/content/{place}"
    return ""
