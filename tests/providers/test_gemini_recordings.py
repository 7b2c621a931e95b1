"""Every recorded stream of Gemini's comes out as Google's own SDK read it, however its bytes are cut."""

import json
import random
from collections.abc import Iterator
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from headwater.domain.event import Annotation, ProviderData
from headwater.errors import ErrorCode
from headwater.providers.contract import Finish
from headwater.providers.gemini import FINISH_REASONS, Gemini, GeminiQuirks
from headwater.testing.dialect import Decoded, check_dialect, decode_pieces
from tests.providers.gemini_ends import gemini_ends
from tests.providers.recorded import (
    Deviation,
    check_cuts,
    check_failure,
    check_tables,
    deviated,
    draw_short,
    found,
    names_of,
)
from tests.providers.summaries import assert_tool_calls_end, summary_of
from tests.recordings import Recording, recordings

EVENTS, ARRAY = Gemini(), Gemini(GeminiQuirks(events=False))
RECORDINGS = {
    recording.name: recording
    for recording in [
        *recordings(api="generate-content"),
        *recordings(api="generate-content-jsonarray", suffix=".json"),
    ]
}


DEVIATIONS: dict[str, Deviation] = {
    "google-vertex-generate-content-jsonarray/openinference--gemini-token-counts-streaming-0-4d84a8.json": Deviation(
        {"finish": "STOP"}, "enums came by their numbers, which are read as the words that they stand for"
    ),
}

#: Calls whose arguments came in pieces, each of which the SDK gives out as a call of its own: the names of the calls.
STREAMED: dict[str, list[str]] = {
    "google-generate-content/vercel-ai--google-stream-no-args-tool-call-0-6aeab5.sse": [
        "read_theme",
        "read_screen",
        "read_screen",
        "read_screen",
    ],
    "google-vertex-generate-content/vercel-ai--google-vertex-stream-tool-call-arguments-nested.1-0-6ef534.sse": [
        "cookRecipe"
    ],
}

#: Streams that are not whole, or hold an error: how they end here. The SDK takes some of them for an end.
FAILURES: dict[str, tuple[ErrorCode, str]] = {
    "google-generate-content/synth--cut-inside-json.sse": (ErrorCode.TRUNCATED, "cut inside an event"),
    "google-generate-content/synth--no-finish-reason.sse": (ErrorCode.TRUNCATED, "cut at an event's end"),
    "google-vertex-generate-content/firebase--streaming-failure-error-mid-stream-0-92ae4d.sse": (
        ErrorCode.SERVER,
        "an error object among the events, without a field's name: CANCELLED, by the server",
    ),
    "google-vertex-generate-content/firebase--streaming-success-quotes-escaped-0-16519f.sse": (
        ErrorCode.TRUNCATED,
        "a vendor's mock of 2023 that has no finish reason",
    ),
}


def dialect_of(recording: Recording) -> Gemini:
    return EVENTS if recording.path.suffix == ".sse" else ARRAY


def decode(recording: Recording) -> Decoded:
    return decode_pieces(dialect_of(recording), [recording.read()], clean=True)


@pytest.fixture(params=names_of(RECORDINGS))
def recording(request: pytest.FixtureRequest) -> Recording:
    return found(RECORDINGS, request.param)


def test_the_tables_name_recordings() -> None:
    check_tables(RECORDINGS, DEVIATIONS, FAILURES, STREAMED, at_least=41)


@pytest.mark.slow
def test_laws(recording: Recording, seeded: random.Random) -> None:
    body = recording.read()
    dialect = dialect_of(recording)
    decoded = check_dialect(dialect, body, gemini_ends(body, events=dialect is EVENTS), rng=seeded)
    assert decoded.completed is (recording.name not in FAILURES)


def test_golden(recording: Recording) -> None:
    decoded = decode(recording)
    ours = summary_of(decoded)
    golden = deviated(golden_summary(recording.golden()), DEVIATIONS.get(recording.name))
    ours["tool_calls"] = [(call_id, name, json.loads(args)) for call_id, name, args in ours["tool_calls"]]
    if not decoded.completed:
        # How an unfinished stream ended is for `test_failure`; what it had put out is compared all the same.
        del ours["finish"], golden["finish"]
        ours["usage"] = golden["usage"] = None
    if recording.name in STREAMED:
        assert [name for _, name, _ in ours.pop("tool_calls")] == STREAMED[recording.name]
        assert len(golden.pop("tool_calls")) > len(STREAMED[recording.name])
    assert ours == golden


@pytest.mark.parametrize("name", sorted(STREAMED))
def test_streamed_arguments(name: str) -> None:
    """Every place that the SDK saw has what its pieces come to, and there is no other."""
    streamed = found(RECORDINGS, name)
    calls: list[dict[str, str]] = []
    for piece in streamed.golden()["summary"]["tool_calls"]:
        if "name" in piece:
            calls.append({})
        for argument in piece.get("partialArgs", []):
            place = argument["jsonPath"]
            calls[-1][place] = calls[-1].get(place, "") + argument["stringValue"]
    ours = [json.loads(args) for _, _, args in summary_of(decode(streamed))["tool_calls"]]
    assert [dict(leaves("$", args)) for args in ours] == calls


def leaves(place: str, value: Any) -> Iterator[tuple[str, Any]]:
    """Every value that holds no other, by its path."""
    if isinstance(value, dict):
        for name, each in value.items():
            yield from leaves(f"{place}.{name}", each)
    elif isinstance(value, list):
        for at, each in enumerate(value):
            yield from leaves(f"{place}[{at}]", each)
    else:
        yield place, value


@pytest.mark.parametrize("name", sorted(FAILURES))
def test_failure(name: str) -> None:
    check_failure(decode(found(RECORDINGS, name)), FAILURES[name][0], "gemini")


def test_finish_reason(recording: Recording) -> None:
    decoded = decode(recording)
    if not decoded.completed:
        assert recording.name in FAILURES
        return
    finish = decoded.items[-1]
    assert isinstance(finish, Finish)
    if summary_of(decoded)["tool_calls"]:
        assert finish == Finish("tool_calls", "STOP")
    else:
        assert finish.reason == FINISH_REASONS[finish.raw]


def test_every_tool_call_is_done_once_and_last(recording: Recording) -> None:
    assert_tool_calls_end(decode(recording))


def test_nothing_of_an_answer_is_lost(recording: Recording) -> None:
    """What is neither text nor a call is passed on: as often as it stands in the recording, found by text search."""
    body = recording.read()
    decoded = decode(recording)
    if not decoded.completed:
        return
    told = [item.value for item in decoded.items if isinstance(item, Annotation)]
    kept = [item.value for item in decoded.items if isinstance(item, ProviderData)]
    for name in ("executableCode", "codeExecutionResult", "toolCall", "toolResponse"):
        count = body.count(b'"%b":' % name.encode())
        assert sum(name in value for value in told) == sum(name in value for value in kept) == count
    for name in ("groundingMetadata", "citationMetadata", "urlContextMetadata"):
        assert (name.encode() in body) is any(name in value for value in told)
    assert sum("thoughtSignature" in value for value in kept) == body.count(b'"thoughtSignature":')


@given(data=st.data())
def test_any_cut(data: st.DataObject) -> None:
    recording = draw_short(data, RECORDINGS.values())
    check_cuts(data, dialect_of(recording), recording.read())


def golden_summary(golden: dict[str, Any]) -> dict[str, Any]:
    """The golden's summary in the form of `summary_of`, with arguments as values."""
    summary = golden["summary"]
    counted = summary["usage"] or {}
    usage = None
    if "promptTokenCount" in counted:
        thoughts = counted.get("thoughtsTokenCount", 0)
        usage = (
            counted["promptTokenCount"] + counted.get("toolUsePromptTokenCount", 0),
            counted.get("cachedContentTokenCount", 0),
            counted.get("candidatesTokenCount", 0) + thoughts,
            thoughts,
        )
        assert counted["totalTokenCount"] == usage[0] + usage[2], "Google adds them up so too"
    blocked = (summary.get("prompt_feedback") or {}).get("blockReason")
    return {
        "text": summary["text"],
        "reasoning": summary["reasoning"],
        "refusal": "",
        "tool_calls": [
            (call.get("id", f"call_{at}"), call.get("name"), call.get("args", {}))
            for at, call in enumerate(summary["tool_calls"])
        ],
        "finish": summary["finish_reason"] or blocked,
        "usage": usage,
    }
