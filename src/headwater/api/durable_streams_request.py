"""What a client of Durable Streams asks for, in headers and in its body: read and checked before anything is done."""

from __future__ import annotations

import re
from typing import Final
from urllib.parse import unquote

import msgspec

from headwater.api.body import check_shape
from headwater.api.parameters import parse_time
from headwater.api.route import Call
from headwater.delivery.formats.durable_streams import parse_offset
from headwater.domain.stream import JSON_TYPE, Append, ForkPoint, Producer, StreamConfig, StreamName, media_type
from headwater.errors import BadRequestError, NotFoundError
from headwater.storage.stream_changes import NO_SUCH_STREAM

PREFIX: Final = "/v1/stream/"
#: What is here of names that programs may not choose: runs' logs, and what the protocol keeps for itself.
RESERVED: Final = ("runs/", "__ds/")
NAME_CHARS_MAX: Final = 512
#: Of a content type, a producer's id and a `Stream-Seq`.
HEADER_CHARS_MAX: Final = 255
#: A whole number that JavaScript keeps exactly.
_NUMBER_MAX: Final = 2**53 - 1
#: A hundred years: beyond it, a stream has no end.
TTL_S_MAX: Final = 3_155_760_000

#: What is no UTF-8 in an address comes as U+FFFD, and is no name: two of them would be one.
_NAME: Final = re.compile(rf"[^\x00-\x1f\x7f\ufffd]{{1,{NAME_CHARS_MAX}}}")
_NUMBER: Final = re.compile(r"0|[1-9]\d{0,15}", re.ASCII)
_TYPE: Final = re.compile(r"[\w!#$&^.+-]+/[\w!#$&^.+-]+( *;[ -~]*)?", re.ASCII)


def stream_name(call: Call) -> StreamName:
    """The stream that the path names. Raises `NotFoundError` for what can be none."""
    return own_name(call, call.path["stream"])


def own_name(call: Call, name: str) -> StreamName:
    if _NAME.fullmatch(name) is None or name.startswith(RESERVED):
        raise NotFoundError(NO_SUCH_STREAM)
    return StreamName(call.owner, name)


def is_closing(call: Call) -> bool:
    return (call.header("Stream-Closed") or "").lower() == "true"


def config_of(call: Call) -> StreamConfig:
    """What a new stream is to be. Raises `BadRequestError`."""
    ttl, expires = call.header("Stream-TTL"), call.header("Stream-Expires-At")
    if ttl is not None and expires is not None:
        raise BadRequestError("Of Stream-TTL and Stream-Expires-At one at most can be given.", parameter="Stream-TTL")
    try:
        expires_at_ms = None if expires is None else parse_time(expires)
    except ValueError as error:
        raise BadRequestError(f"Expected {error}.", parameter="Stream-Expires-At") from None
    return StreamConfig(
        content_type=content_type_of(call),
        ttl_s=_number(call, "Stream-TTL", TTL_S_MAX),
        expires_at_ms=expires_at_ms,
        closed=is_closing(call),
        fork=_fork(call),
    )


def content_type_of(call: Call) -> str | None:
    """The content type as it was given. Raises `BadRequestError`."""
    value = _text(call, "Content-Type")
    if value is not None and _TYPE.fullmatch(value) is None:
        raise BadRequestError("Content-Type must be a media type.", parameter="Content-Type")
    return value


def _fork(call: Call) -> ForkPoint | None:
    source, offset = call.header("Stream-Forked-From"), call.header("Stream-Fork-Offset")
    sub = _number(call, "Stream-Fork-Sub-Offset")
    if source is None:
        if offset is not None or sub is not None:
            raise BadRequestError("A fork needs Stream-Forked-From.", parameter="Stream-Forked-From")
        return None
    if not source.startswith(PREFIX):
        raise BadRequestError(f"Stream-Forked-From must begin with {PREFIX}.", parameter="Stream-Forked-From")
    try:
        seq = None if offset is None else parse_offset(offset)
    except ValueError as error:
        raise BadRequestError(f"Expected {error}.", parameter="Stream-Fork-Offset") from None
    # It is the path of an address, in which a name may be encoded.
    return ForkPoint(own_name(call, unquote(source.removeprefix(PREFIX))).name, seq, sub or 0)


def append_of(call: Call, body: bytes) -> Append:
    """What is to be appended. Raises `BadRequestError`, `TooLargeError`."""
    close = is_closing(call)
    payload: bytes | None = None
    content_type: str | None = None
    if body:
        content_type = content_type_of(call)
        if content_type is None:
            raise BadRequestError("An append needs a Content-Type.", parameter="Content-Type")
        payload = payload_of(content_type, body)
        if not payload:
            raise BadRequestError("An empty array appends nothing.", pointer="")
    elif not close:
        raise BadRequestError("An append needs a body, unless it closes the stream.")
    return Append(payload, content_type, _producer(call), _text(call, "Stream-Seq"), close)


def payload_of(content_type: str | None, body: bytes) -> bytes:
    """The record that a body becomes: of JSON its values, those of an array one by one, with commas between them.

    Raises `BadRequestError`, `TooLargeError`.
    """
    if content_type is None or media_type(content_type) != JSON_TYPE or not body:
        return body
    check_shape(body)
    try:
        value = msgspec.json.decode(body)
        if not isinstance(value, list):
            return body.strip()
        return b",".join(map(bytes, msgspec.json.decode(body, type=list[msgspec.Raw])))
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        detail = str(error) if isinstance(error, msgspec.DecodeError) else "it is not UTF-8"
        raise BadRequestError(f"The body is not JSON: {detail}.", pointer="") from None


def _producer(call: Call) -> Producer | None:
    id = _text(call, "Producer-Id")
    epoch, seq = _number(call, "Producer-Epoch"), _number(call, "Producer-Seq")
    if id is None and epoch is None and seq is None:
        return None
    if not id or epoch is None or seq is None:
        raise BadRequestError(
            "Producer-Id, Producer-Epoch and Producer-Seq are given together.", parameter="Producer-Id"
        )
    return Producer(id, epoch, seq)


def _text(call: Call, name: str) -> str | None:
    value = call.header(name)
    if value is not None and len(value) > HEADER_CHARS_MAX:
        raise BadRequestError(f"At most {HEADER_CHARS_MAX} characters are taken.", parameter=name)
    return value


def _number(call: Call, name: str, at_most: int = _NUMBER_MAX) -> int | None:
    value = call.header(name)
    if value is None:
        return None
    if _NUMBER.fullmatch(value) is None or int(value) > at_most:
        raise BadRequestError(f"Expected a whole number up to {at_most}.", parameter=name)
    return int(value)
