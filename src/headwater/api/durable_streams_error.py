"""Refusals to clients of Durable Streams: problem+json, with the headers that the protocol's clients look for."""

from __future__ import annotations

from headwater.api.answer import Answer, Headers
from headwater.api.problem import problem_of
from headwater.delivery.formats.durable_streams import offset_of
from headwater.errors import (
    HeadwaterError,
    ProducerFencedError,
    ProducerGapError,
    StreamClosedError,
    StreamGoneError,
)


def stream_problem(error: HeadwaterError, *, headers: Headers = (), status: int | None = None) -> Answer:
    """The answer for an error. A stream that is gone for good is 410, which its code alone does not say."""
    if isinstance(error, StreamGoneError):
        status = 410
    return problem_of(error, headers=[*_told(error), *headers], status=status)


def _told(error: HeadwaterError) -> Headers:
    match error:
        case StreamClosedError():
            return [(b"stream-closed", b"true"), (b"stream-next-offset", offset_of(error.tail).encode())]
        case ProducerFencedError():
            return [(b"producer-epoch", b"%d" % error.epoch)]
        case ProducerGapError():
            return [
                (b"producer-expected-seq", b"%d" % error.expected),
                (b"producer-received-seq", b"%d" % error.received),
            ]
    return []
