"""What a stream is, and the rules of producers, writers, forks and lives."""

from __future__ import annotations

import itertools

import msgspec
import pytest

from headwater.domain.stream import (
    Append,
    ForkPoint,
    Producer,
    Stream,
    StreamConfig,
    StreamLimits,
    alive_until,
    check_append,
    first_part,
    is_duplicate,
    is_repeat,
    is_worth_noting,
    media_type,
)
from headwater.errors import (
    BadRequestError,
    ConflictError,
    HeadwaterError,
    ProducerFencedError,
    ProducerGapError,
    TooLargeError,
)

TEXT = Stream(id=1, content_type="text/plain", created_at_ms=0)
JSON = Stream(id=1, content_type="application/JSON; charset=utf-8", created_at_ms=0)


def test_a_type_is_compared_without_its_parameters() -> None:
    assert media_type(" Text/Plain ; charset=utf-8") == "text/plain"
    assert (TEXT.is_json, JSON.is_json) == (False, True)


@pytest.mark.parametrize(
    ("last", "epoch", "seq", "outcome"),
    [
        (None, 0, 0, False),
        (None, 7, 0, False),
        (None, 0, 1, ProducerGapError),
        ((2, 5), 2, 6, False),
        ((2, 5), 2, 5, True),
        ((2, 5), 2, 0, True),
        ((2, 5), 2, 7, ProducerGapError),
        ((2, 5), 1, 6, ProducerFencedError),
        ((2, 5), 3, 0, False),
        ((2, 5), 3, 1, BadRequestError),
    ],
)
def test_what_a_producer_sends_next(
    last: tuple[int, int] | None, epoch: int, seq: int, outcome: bool | type[HeadwaterError]
) -> None:
    known = None if last is None else Producer("p", *last)
    asked = Producer("p", epoch, seq)
    if isinstance(outcome, bool):
        assert is_duplicate(asked, known) is outcome
        return
    with pytest.raises(outcome):
        is_duplicate(asked, known)


def test_any_order_of_sends_and_repeats_accepts_each_once() -> None:
    for sends in itertools.product(range(4), repeat=6):
        last: Producer | None = None
        accepted = []
        for seq in sends:
            try:
                if not is_duplicate(Producer("p", 0, seq), last):
                    accepted.append(seq)
                    last = Producer("p", 0, seq)
            except ProducerGapError:
                assert seq > len(accepted)
        assert accepted == list(range(len(accepted)))


def test_what_is_appended_has_the_type_the_order_and_the_room() -> None:
    limits = StreamLimits(stream_bytes_max=10)
    stream = msgspec.structs.replace(TEXT, size=8, writer_seq="b")
    check_append(stream, Append(b"xx", "TEXT/plain; charset=x", writer_seq="ba"), limits)
    check_append(stream, Append(None, "application/json", close=True), limits)
    with pytest.raises(TooLargeError):
        check_append(stream, Append(b"xxx", "text/plain"), limits)
    with pytest.raises(ConflictError):
        check_append(stream, Append(b"x", "text/html"), limits)
    for seq in ("b", "B", ""):
        with pytest.raises(ConflictError):
            check_append(stream, Append(b"x", "text/plain", writer_seq=seq), limits)


def test_a_life_is_lengthened_by_use_or_is_not() -> None:
    lasting = msgspec.structs.replace(TEXT, ttl_s=80, alive_until_ms=80_000)
    ending = msgspec.structs.replace(TEXT, expires_at_ms=80_000, alive_until_ms=80_000)
    assert [alive_until(each, 5_000) for each in (TEXT, lasting, ending)] == [None, 85_000, 80_000]
    assert [each.is_over(80_000) for each in (TEXT, lasting, ending)] == [False, True, True]
    assert [is_worth_noting(lasting, now) for now in (0, 10_000, 10_001)] == [False, False, True]
    assert not is_worth_noting(TEXT, 10**9)
    assert not is_worth_noting(ending, 79_000)


def test_who_asks_for_a_stream_gets_the_one_that_is_what_was_asked_for() -> None:
    assert is_repeat(TEXT, StreamConfig("text/PLAIN"))
    assert not is_repeat(TEXT, StreamConfig())
    assert is_repeat(msgspec.structs.replace(TEXT, content_type="application/octet-stream"), StreamConfig())
    for other in ({"ttl_s": 1}, {"expires_at_ms": 1}, {"closed": True}, {"fork": ForkPoint("a")}):
        assert not is_repeat(TEXT, StreamConfig("text/plain")._replace(**other))


def test_who_asks_for_a_fork_need_not_say_what_it_inherits() -> None:
    fork = msgspec.structs.replace(TEXT, fork=ForkPoint("a", 3, 2), base=3, source=9, ttl_s=5)
    for config in (
        StreamConfig(fork=ForkPoint("a", None, 2)),
        StreamConfig("text/plain", ttl_s=5, fork=ForkPoint("a", 3, 2)),
    ):
        assert is_repeat(fork, config)
    for point in (ForkPoint("b", 3, 2), ForkPoint("a", 2, 2), ForkPoint("a", 3, 1), None):
        assert not is_repeat(fork, StreamConfig("text/plain", ttl_s=5, fork=point))


def test_the_first_part_of_a_record() -> None:
    assert [first_part(TEXT, b"hello", count) for count in (0, 3, 5)] == [b"", b"hel", b"hello"]
    record = b'{"a":"],"},[1,2],3'
    assert [first_part(JSON, record, count) for count in (1, 2, 3)] == [b'{"a":"],"}', b'{"a":"],"},[1,2]', record]
    for stream, count in ((TEXT, 19), (JSON, 4)):
        with pytest.raises(BadRequestError):
            first_part(stream, record, count)
