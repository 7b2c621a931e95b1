"""Reading a request's body: bounded in bytes, depth and number of values before anything is made of it."""

from __future__ import annotations

import re
from itertools import accumulate
from typing import TypeVar

import msgspec

from headwater.api.answer import Receive
from headwater.errors import BadRequestError, TooLargeError

DEPTH_MAX = 64
#: Values in one body. An empty object of two bytes takes sixty-four in memory, so bytes alone bound too little.
VALUES_MAX = 200_000
NAME_CHARS_MAX = 200

T = TypeVar("T")

_STEPS = bytes.maketrans(b"[{]}", b"\x02\x02\x00\x00")
_NOT_BRACKETS = bytes(set(range(256)) - set(b"[]{}"))
_PATH = re.compile(r" - at `(\$[^`]*)`$")
_UNKNOWN_FIELD = re.compile(r"^Object contains unknown field `([^`]*)`")
_MISSING_FIELD = re.compile(r"^Object missing required field `([^`]*)`")
_STEP = re.compile(r"\.([^.\[\]]+)|\[(\d+)\]|\[\.\.\.\]")


class Disconnected(Exception):
    """The caller left before its body was whole; there is nobody to answer."""


async def read_body(receive: Receive, *, length: int | None, bytes_max: int) -> bytes:
    """The whole body. Raises `TooLargeError` as soon as it is known to be over `bytes_max`, `Disconnected`.

    `length` is what Content-Length says, None for a chunked body.
    """
    if length is not None and length > bytes_max:
        raise _too_large(bytes_max)
    pieces: list[bytes] = []
    size = 0
    while True:
        message = await receive()
        if message["type"] == "http.disconnect":
            raise Disconnected
        piece = message.get("body", b"")
        size += len(piece)
        if size > bytes_max:
            raise _too_large(bytes_max)
        pieces.append(piece)
        if not message.get("more_body", False):
            return b"".join(pieces)


def _too_large(bytes_max: int) -> TooLargeError:
    return TooLargeError(f"The body is larger than {bytes_max} bytes.")


def check_shape(body: bytes) -> None:
    """Raises `TooLargeError` where JSON is nested deeper or has more values than any request needs.

    Linear time, no recursion, and memory in proportion to the body. It need not understand malformed
    JSON: up to the first flaw it sees what the parser sees, and no parser goes further.
    """
    # Without escapes, what stands between an odd quote and the next is a string.
    plain = body.replace(b"\\\\", b"").replace(b'\\"', b"") if b"\\" in body else body
    if plain.count(b'"') > 4 * VALUES_MAX:
        raise TooLargeError(f"The body has more than {VALUES_MAX} values.")
    structure = b"".join(plain.split(b'"')[::2])
    brackets = structure.translate(None, _NOT_BRACKETS)
    if structure.count(b",") + len(brackets) > VALUES_MAX:
        raise TooLargeError(f"The body has more than {VALUES_MAX} values.")
    if max(accumulate(step - 1 for step in brackets.translate(_STEPS)), default=0) > DEPTH_MAX:
        raise TooLargeError(f"The body is nested deeper than {DEPTH_MAX} levels.")


def decode_body(body: bytes, decoder: msgspec.json.Decoder[T]) -> T:
    """The body as a struct. Raises `BadRequestError` with a `pointer` (RFC 6901), `TooLargeError`."""
    check_shape(body)
    try:
        return decoder.decode(body)
    except msgspec.ValidationError as error:
        message, pointer = explain(str(error))
        raise BadRequestError(message, pointer=pointer) from None
    except msgspec.DecodeError as error:
        raise BadRequestError(f"The body is not JSON: {error}.", pointer="") from None
    except UnicodeDecodeError:
        raise BadRequestError("The body is not UTF-8.", pointer="") from None


def explain(message: str) -> tuple[str, str]:
    """msgspec's sentence without its path, and the path as a JSON pointer to what is wrong.

    Below a mapping msgspec does not say which key it was; the pointer then ends at the mapping. It ends at the object
    too where a field's name is longer than any that is known: nobody is sent back what he sent.
    """
    found = _PATH.search(message)
    path = found.group(1) if found else "$"
    text = message[: found.start()] if found else message
    pointer = ""
    for step in _STEP.finditer(path, 1):
        name = step.group(1) or step.group(2)
        if name is None:
            break
        pointer += "/" + name
    for pattern in (_UNKNOWN_FIELD, _MISSING_FIELD):
        if (field := pattern.match(text)) and len(field.group(1)) <= NAME_CHARS_MAX:
            pointer += "/" + field.group(1).replace("~", "~0").replace("/", "~1")
    return text + ".", pointer
