"""What a run may ask for, before it exists: the bounds of every number and list in the body. Pure.

What a model or a workflow can do with a request within these bounds is theirs to check.
"""

from __future__ import annotations

import binascii
from collections.abc import Iterator, Mapping, Sequence
from typing import NamedTuple

from headwater.domain.message import ImagePart, Message, Settings
from headwater.domain.run import METADATA_PAIRS_MAX, CancelAfter, RunRequest
from headwater.errors import BadRequestError


class Bound(NamedTuple):
    """A number's bounds, both inclusive unless `above`: then it must be greater than `low`."""

    low: float
    high: float
    above: bool = False

    def __str__(self) -> str:
        if self.above:
            return f"more than {self.low:g} and at most {self.high:g}"
        return f"from {self.low:g} to {self.high:g}"

    def holds(self, value: float) -> bool:
        return self.low <= value <= self.high and not (self.above and value == self.low)


#: Seconds, by the name in `limits`.
LIMITS: dict[str, Bound] = {
    "queue_s": Bound(0, 3600, above=True),
    "connect_s": Bound(0, 120, above=True),
    "first_token_s": Bound(0, 3600, above=True),
    "idle_s": Bound(0, 3600, above=True),
    "total_s": Bound(0, 3600, above=True),
}
#: By the name in `settings`. A provider may allow less, and then says so itself.
SETTINGS: dict[str, Bound] = {
    "temperature": Bound(0, 2),
    "top_p": Bound(0, 1),
    "max_tokens": Bound(1, 10_000_000),
    "seed": Bound(-(2**63), 2**63 - 1),
    "logprobs": Bound(0, 20),
    "frequency_penalty": Bound(-2, 2),
    "presence_penalty": Bound(-2, 2),
}
CANCEL_AFTER_S = Bound(0, 86_400)

MODEL_CHARS_MAX = 200
FALLBACKS_MAX = 8
METADATA_KEY_CHARS_MAX = 64
METADATA_VALUE_CHARS_MAX = 512
MESSAGES_MAX = 10_000
TOOLS_MAX = 128
STOPS_MAX = 16
STOP_CHARS_MAX = 256


def check_bounds(request: RunRequest) -> None:
    """Raises `BadRequestError` with a `pointer` for the first thing that is out of bounds."""
    for pointer, message in _faults(request):
        raise BadRequestError(message, pointer=pointer)


Fault = tuple[str, str]


def _faults(request: RunRequest) -> Iterator[Fault]:
    if not 0 < len(request.model) <= MODEL_CHARS_MAX:
        yield "/model", f"A model's name has 1 to {MODEL_CHARS_MAX} characters."
    if len(request.fallback) > FALLBACKS_MAX:
        yield "/fallback", f"There can be at most {FALLBACKS_MAX} models to fall back to."
    for place, name in enumerate(request.fallback):
        if not 0 < len(name) <= MODEL_CHARS_MAX:
            yield f"/fallback/{place}", f"A model's name has 1 to {MODEL_CHARS_MAX} characters."
    yield from _metadata_faults(request.metadata)
    yield from _out_of(LIMITS, request.limits, "/limits")
    if isinstance(request.on_disconnect, CancelAfter):
        yield from _out_of({"cancel_after_s": CANCEL_AFTER_S}, request.on_disconnect, "/on_disconnect")
    yield from _settings_faults(request.settings)
    yield from _message_faults(request.messages)


def _out_of(bounds: Mapping[str, Bound], given: object, pointer: str) -> Iterator[Fault]:
    for name, bound in bounds.items():
        value: float | None = getattr(given, name)
        if value is not None and not bound.holds(value):
            yield f"{pointer}/{name}", f"`{name}` must be {bound}."


def _settings_faults(settings: Settings) -> Iterator[Fault]:
    yield from _out_of(SETTINGS, settings, "/settings")
    if len(settings.stop) > STOPS_MAX:
        yield "/settings/stop", f"There can be at most {STOPS_MAX} stop strings."
    for index, stop in enumerate(settings.stop):
        if not 0 < len(stop) <= STOP_CHARS_MAX:
            yield f"/settings/stop/{index}", f"A stop string has 1 to {STOP_CHARS_MAX} characters."
    if len(settings.tools) > TOOLS_MAX:
        yield "/settings/tools", f"There can be at most {TOOLS_MAX} tools."


def _metadata_faults(metadata: dict[str, str]) -> Iterator[Fault]:
    if len(metadata) > METADATA_PAIRS_MAX:
        yield "/metadata", f"There can be at most {METADATA_PAIRS_MAX} pairs of metadata."
    for key, value in metadata.items():
        if not 0 < len(key) <= METADATA_KEY_CHARS_MAX:
            yield "/metadata", f"A key of the metadata has 1 to {METADATA_KEY_CHARS_MAX} characters."
        elif len(value) > METADATA_VALUE_CHARS_MAX:
            escaped = key.replace("~", "~0").replace("/", "~1")
            yield f"/metadata/{escaped}", f"A value of the metadata has at most {METADATA_VALUE_CHARS_MAX} characters."


def _message_faults(messages: Sequence[Message]) -> Iterator[Fault]:
    if len(messages) > MESSAGES_MAX:
        yield "/messages", f"There can be at most {MESSAGES_MAX} messages."
    for index, message in enumerate(messages):
        if isinstance(message.content, str):
            continue
        for place, part in enumerate(message.content):
            if isinstance(part, ImagePart):
                yield from _image_faults(part, f"/messages/{index}/content/{place}")


def _image_faults(image: ImagePart, pointer: str) -> Iterator[Fault]:
    if (image.url is None) == (image.data is None):
        yield pointer, "An image has either a `url` or `data`."
    elif image.data is not None and image.media_type is None:
        yield f"{pointer}/media_type", "An image given as `data` needs its `media_type`."
    elif image.url is not None and not image.url.lower().startswith(("https://", "data:image/")):
        yield f"{pointer}/url", "An image's `url` begins with https:// or data:image/."
    elif image.data is not None and not _is_base64(image.data):
        yield f"{pointer}/data", "An image's `data` is base64 (RFC 4648, section 4), with its padding."


def _is_base64(text: str) -> bool:
    try:
        return bool(binascii.a2b_base64(text, strict_mode=True))
    except ValueError:
        return False
