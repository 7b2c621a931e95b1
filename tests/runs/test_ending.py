"""How a run ends."""

from __future__ import annotations

import hashlib
from typing import Any

import msgspec
import pytest

from headwater.domain import event as ev
from headwater.domain.message import ImagePart, Message, TextPart, Usage
from headwater.domain.run import RunRequest
from headwater.domain.snapshot import Fold
from headwater.errors import (
    BadRequestError,
    ErrorCode,
    Fenced,
    ProviderError,
    StorageFailed,
    Truncated,
)
from headwater.providers.cost import FREE, UNPRICED, Pricing
from headwater.runs.ending import (
    FINAL_RESPONSE_JSON_BYTES_MAX,
    MESSAGE_CHARS_MAX,
    RESULT_BYTES_MAX,
    cut_events,
    lost_usage,
    stop_cancelled,
    stop_error,
    stop_failed,
    stop_timeout,
    whole_events,
)


def folded(*events: ev.Event) -> Fold:
    fold = Fold()
    fold.apply_all(ev.Record(seq, 0, event) for seq, event in enumerate(events, 1))
    return fold


ASKED = RunRequest("m", messages=[Message("user", "12345"), Message("user", [TextPart("678"), ImagePart(url="u")])])


@pytest.mark.parametrize(
    ("error", "expected"),
    [
        (ValueError("canary"), ev.Error("SERVER", "Something went wrong on the server.", True, partial_bytes=7)),
        (StorageFailed("canary"), ev.Error("STORAGE", "The answer could not be stored.", True, partial_bytes=7)),
        (Fenced("canary"), ev.Error("STORAGE", "The answer could not be stored.", True, partial_bytes=7)),
        (BadRequestError("Not so."), ev.Error("BAD_REQUEST", "Not so.", False, partial_bytes=7)),
        (Truncated("Cut.", provider="p"), ev.Error("TRUNCATED", "Cut.", True, provider="p", partial_bytes=7)),
        (
            ProviderError(ErrorCode.RATE_LIMIT, "Slow.", provider="p", retry_after_ms=9, retryable=False, detail="x"),
            ev.Error("RATE_LIMIT", "Slow.", False, 9, "p", None, 7),
        ),
        (
            ProviderError(ErrorCode.TIMEOUT, "Late.", phase="connect"),
            ev.Error("TIMEOUT", "Late.", True, phase="connect", partial_bytes=7),
        ),
    ],
)
def test_what_was_raised_becomes_the_error_that_is_shown(error: Exception, expected: ev.Error) -> None:
    assert stop_failed(error).event(7) == expected


def test_an_endless_message_is_cut_to_fit_its_record() -> None:
    shown = stop_failed(ProviderError(ErrorCode.SERVER, "x" * 1_000_000)).event(0)
    assert isinstance(shown, ev.Error)
    assert len(shown.message) == MESSAGE_CHARS_MAX


def test_stops_say_why() -> None:
    assert stop_cancelled("disconnect").event(3) == ev.Cancelled("disconnect", 3)
    assert stop_error(ErrorCode.DRAINING).event(3) == ev.Error(
        "DRAINING", "The server is shutting down.", True, partial_bytes=3
    )
    timeout = stop_timeout("idle", 2.5).event(3)
    assert timeout == ev.Error(
        "TIMEOUT", "The run reached its limit of 2.5 s (idle).", True, phase="idle", partial_bytes=3
    )


def test_the_partial_is_measured_in_bytes_of_the_answer() -> None:
    fold = folded(ev.Chunk("é", 0), ev.Reasoning("long thoughts", 0), ev.Chunk("🚀", 0))
    assert cut_events(fold, stop_cancelled("user"))[-1] == ev.Cancelled("user", 6)


def test_the_end_of_a_run_that_used_nothing_says_so_at_no_cost() -> None:
    nothing = Usage(0, 0, 0, 0, cost_usd=0.0, source="estimated")
    assert cut_events(folded(), stop_error(ErrorCode.AUTH))[:-1] == [ev.UsageReport(nothing)]
    (cancelled,) = cut_events(folded(ev.UsageReport(Usage(1))), stop_cancelled("user"))
    assert cancelled == ev.Cancelled("user", 0)
    told = ev.UsageReport(Usage(1), call=2)
    assert cut_events(folded(), stop_cancelled("user"), [told]) == [told, ev.Cancelled("user", 0)]


def test_what_is_cut_has_the_result_as_far_as_it_had_come() -> None:
    *_, cancelled = cut_events(folded(), stop_cancelled("user"), result=[1])
    assert cancelled == ev.Cancelled("user", 0, result=[1])
    *_, error = cut_events(folded(), stop_error(ErrorCode.DRAINING), result={"best": 1})
    assert isinstance(error, ev.Error)
    assert error.result == {"best": 1}


def test_the_end_has_the_usage_of_all_calls() -> None:
    *_, complete = whole_events(folded(ev.UsageReport(Usage(1, 0, 2))), reason="stop", result=None)
    assert isinstance(complete, ev.Complete)
    assert complete.usage == Usage(1, 0, 2)
    *_, complete = whole_events(folded(), reason="stop", result=None)
    assert isinstance(complete, ev.Complete)
    assert complete.usage == Usage(cost_usd=0.0, source="estimated"), "none of an unknown price is 0"


def test_what_a_lost_call_used_is_estimated_where_nobody_has_said_it() -> None:
    called = ev.Call(1, "answer", "openai", "gpt")
    said: list[ev.Event] = [
        ev.Chunk("abcd", 0),
        ev.Reasoning("hmmm", 0),
        ev.ToolCall("call_1", "clock", "{}"),
        ev.Refusal("no", 0),
    ]
    guess = Usage(input_tokens=2, output_tokens=3, reasoning_tokens=1, source="estimated")
    assert lost(called, *said) == [ev.UsageReport(guess)]
    assert lost_usage(folded(called, *said), ASKED, lambda *_: FREE) == [
        ev.UsageReport(msgspec.structs.replace(guess, cost_usd=0.0))
    ]
    assert lost(called, ev.UsageReport(Usage(1, 0, 2))) == []
    assert lost() == []


def test_a_lost_call_was_asked_what_it_said_when_it_began() -> None:
    """A workflow's messages are made inside of it, and are not those that its run was started with."""
    first, second = ev.Call(1, "answer", "p", "m", input_bytes=400), ev.Call(2, "internal", "p", "m", input_bytes=0)
    assert lost(first, ev.Chunk("abcd", 0), second, ev.Chunk("abcd", 0, 2)) == [
        ev.UsageReport(Usage(100, 0, 1, source="estimated")),
        ev.UsageReport(Usage(0, 0, 1, source="estimated"), 2),
    ]
    again = ev.Attempt(1, 2, "NETWORK", "other", "opus")
    assert lost(first, ev.UsageReport(Usage(1, 0, 2)), again) == [
        ev.UsageReport(Usage(100, 0, 0, source="estimated"))
    ], "each try is asked the same"


def test_what_is_lost_is_that_of_each_call_s_newest_attempt() -> None:
    called, told = ev.Call(1, "answer", "openai", "gpt"), ev.UsageReport(Usage(1, 0, 2))
    again = ev.Attempt(1, 2, "NETWORK", "other", "opus")
    guess = ev.UsageReport(Usage(2, 0, 2, source="estimated"))
    # what another attempt has said is not its word
    assert lost(called, told, again, ev.Chunk("12345", 0)) == [guess]
    # what goes on belongs to the attempt that said it, until that was paid for
    assert lost(called, ev.Chunk("12", 0), again, ev.Chunk("345", 0)) == [guess]
    assert lost(called, ev.Chunk("1234", 0), told, again, ev.Chunk("5", 0)) == [
        ev.UsageReport(Usage(3, 0, 1, source="estimated"))
    ], "it was asked with what it goes on from"
    # nor is another call's
    second = ev.Call(2, "answer", "openai", "gpt")
    assert lost(called, told, second, ev.Chunk("12345", 0, 2)) == [ev.UsageReport(guess.usage, 2)]
    # a report of the beginning is made whole
    begun = ev.UsageReport(Usage(9, 4, 1, source="estimated"))
    assert lost(called, begun, ev.Chunk("12345", 0)) == [ev.UsageReport(Usage(9, 4, 2, source="estimated"))]
    # one that had failed used no more than was told, until it is made again
    waits = ev.Status("retrying", "Too busy.")
    assert lost(called, waits) == []
    assert lost(called, waits, again, ev.Chunk("12345", 0)) == [guess]
    # and what an answer had said before a crash was not told when it could not be asked for
    assert lost(called, ev.Chunk("12", 0), waits, again, ev.Chunk("345", 0)) == [guess]
    assert lost(called, second, waits) == [*lost(called), *lost(second)], "of which call it is nobody knows"
    asked: list[tuple[str, str]] = []

    def pricing(*model: str) -> Pricing:
        asked.append((model[0], model[1]))
        return FREE

    lost_usage(folded(called, told, again, ev.Chunk("12345", 0)), ASKED, pricing)
    assert asked == [("other", "opus")], "who was called last, whoever was asked for"


def lost(*events: ev.Event) -> list[ev.UsageReport]:
    return lost_usage(folded(*events), ASKED, lambda *_: UNPRICED)


@pytest.mark.parametrize(
    ("text", "kept"),
    [("", True), ("a" * 65_536, True), ("a" * 65_537, False), ("é" * 32_769, False), ("\x01" * 65_536, False)],
)
def test_a_final_response_is_kept_while_it_is_small(text: str, kept: bool) -> None:
    (complete,) = whole_events(folded(ev.Chunk(text, 0)), reason="length", result=None)
    assert isinstance(complete, ev.Complete)
    assert complete.final_response == (text if kept else None)
    assert complete.final_response_bytes == len(text.encode())
    assert complete.final_response_sha256 == hashlib.sha256(text.encode()).hexdigest()


def test_the_largest_end_fits_a_record() -> None:
    text = "\n" * ((FINAL_RESPONSE_JSON_BYTES_MAX - 2) // 2)
    result: Any = "x" * (RESULT_BYTES_MAX - 2)
    (complete,) = whole_events(folded(ev.Chunk(text, 0)), reason="stop", result=result)
    assert isinstance(complete, ev.Complete)
    assert complete.final_response == text
    assert len(msgspec.json.encode(result)) == RESULT_BYTES_MAX
    assert len(ev.encode_record(10**9, 10**12, complete)) <= ev.RECORD_BYTES_MAX
