"""An answer is read as it arrives; what went wrong waits until what came before it has been given out."""

from __future__ import annotations

import json

import pytest

from headwater.domain.event import Chunk, UsageReport
from headwater.domain.message import GenerationRequest, Message, Usage
from headwater.errors import ErrorCode, Truncated
from headwater.providers.answer_reader import DETAIL_CHARS_MAX, AnswerLimits, AnswerReader
from headwater.providers.contract import Dialect, Finish
from headwater.providers.openai_chat import OpenAIChat
from headwater.providers.openai_responses import OpenAIResponses
from headwater.providers.redact import Secret
from tests.kit.upstream import DONE
from tests.providers.calls import HELLO, STOP

KEY = "canary-0123456789"


def reader(limits: AnswerLimits | None = None, dialect: Dialect | None = None) -> AnswerReader:
    request = GenerationRequest("m", [Message("user", "Hi")])
    return AnswerReader(dialect or OpenAIChat(), request, limits or AnswerLimits(), [Secret(KEY)])


def test_an_answer_in_pieces_of_any_size_is_the_same() -> None:
    body = HELLO + STOP + DONE
    for size in (1, 7, len(body)):
        read = reader()
        items = [item for at in range(0, len(body), size) for item in read.feed(body[at : at + size])]
        assert read.ended
        assert [*items, *read.end(clean=True)] == [Chunk("Hello", 0), Finish("stop", "stop")]
        assert read.failure is None


def test_what_follows_the_end_marker_is_not_read() -> None:
    read = reader()
    assert read.feed(DONE + b"data: {broken\n\n" + HELLO) == []
    assert read.failure is None


def test_items_before_a_failure_are_given_out_and_none_after_it() -> None:
    read = reader()
    assert read.feed(HELLO + b"data: {broken\n\n" + HELLO) == [Chunk("Hello", 0)]
    assert read.failure is not None
    assert read.failure.code is ErrorCode.PARSE
    assert read.feed(HELLO) == []


@pytest.mark.parametrize(
    ("limits", "whole_frames"),
    [(AnswerLimits(answer_bytes_max=2 * len(HELLO)), 2), (AnswerLimits(line_bytes_max=len(HELLO)), 3)],
    ids=["answer", "line"],
)
def test_an_answer_beyond_a_limit_fails(limits: AnswerLimits, whole_frames: int) -> None:
    read = reader(limits)
    pieces = [HELLO, HELLO, HELLO, b"data: " + b"x" * len(HELLO)]
    given = [read.feed(piece) for piece in pieces]
    assert given == [[Chunk("Hello", 0)]] * whole_frames + [[]] * (len(pieces) - whole_frames)
    assert read.failure is not None
    assert read.failure.code is ErrorCode.PARSE


def test_the_last_blank_line_may_be_missing() -> None:
    read = reader()
    assert read.feed(HELLO + STOP.rstrip()) == [Chunk("Hello", 0)]
    assert read.end(clean=True) == [Finish("stop", "stop")]


@pytest.mark.parametrize(("rest", "clean"), [(b"", True), (STOP, False), (STOP[:-9], True)])
def test_an_answer_that_is_not_whole_is_truncated(rest: bytes, clean: bool) -> None:
    read = reader()
    read.feed(HELLO + rest)
    assert read.end(clean=clean) == []
    assert isinstance(read.failure, Truncated)


def test_of_a_failed_answer_in_one_piece_only_the_cost_is_given_out() -> None:
    said = {"type": "message", "content": [{"type": "output_text", "text": "Hello"}]}
    usage = {"input_tokens": 1, "output_tokens": 2}
    read = reader(dialect=OpenAIResponses())
    items = read.whole(json.dumps({"status": "failed", "error": None, "output": [said], "usage": usage}).encode())
    assert items == [UsageReport(Usage(1, 0, 2, 0))]
    assert read.failure is not None
    assert read.failure.code is ErrorCode.SERVER


def test_a_failure_never_tells_a_key() -> None:
    read = reader()
    words = "x" * (DETAIL_CHARS_MAX - 5) + KEY
    read.feed(b"data: " + json.dumps({"error": {"message": words}}).encode() + b"\n\n")
    assert read.failure is not None
    assert KEY[:5] not in read.failure.detail
