"""Refusals of streams have the headers and the status that the protocol's clients look for."""

from __future__ import annotations

import msgspec
import pytest

from headwater.api.durable_streams_error import stream_problem
from headwater.errors import (
    ConflictError,
    HeadwaterError,
    NotFoundError,
    ProducerFencedError,
    ProducerGapError,
    StreamClosedError,
    StreamGoneError,
)


@pytest.mark.parametrize(
    ("error", "status", "code", "headers"),
    [
        (NotFoundError(), 404, "NOT_FOUND", {}),
        (StreamGoneError(), 410, "NOT_FOUND", {}),
        (ConflictError(), 409, "CONFLICT", {}),
        (
            StreamClosedError(tail=7),
            409,
            "CONFLICT",
            {b"stream-closed": b"true", b"stream-next-offset": b"0000000000000000_0000000000000007"},
        ),
        (ProducerFencedError(epoch=3), 403, "FORBIDDEN", {b"producer-epoch": b"3"}),
        (
            ProducerGapError(expected=1, received=4),
            409,
            "CONFLICT",
            {b"producer-expected-seq": b"1", b"producer-received-seq": b"4"},
        ),
    ],
)
def test_each_error(error: HeadwaterError, status: int, code: str, headers: dict[bytes, bytes]) -> None:
    answer = stream_problem(error, headers=[(b"x-more", b"1")])
    assert answer.status == status
    assert msgspec.json.decode(answer.body)["code"] == code
    said = dict(answer.headers)
    assert said[b"x-more"] == b"1"
    assert {name: value for name, value in said.items() if name.startswith((b"stream-", b"producer-"))} == headers
