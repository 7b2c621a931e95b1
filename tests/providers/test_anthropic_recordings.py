"""Every recorded Messages stream comes out as the provider's own SDK read it, however its bytes are cut."""

import json
import random
from collections.abc import Iterable
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from headwater.domain.event import Annotation, ProviderData
from headwater.errors import ErrorCode
from headwater.providers.anthropic import FINISH_REASONS, Anthropic
from headwater.providers.contract import Finish
from headwater.testing.dialect import check_dialect, decode_pieces
from tests.providers.messages_ends import messages_ends
from tests.providers.recorded import (
    Deviation,
    check_cuts,
    check_failure,
    check_tables,
    deviated,
    draw_short,
    found,
    names_by_length,
    names_of,
)
from tests.providers.summaries import assert_tool_calls_end, summary_of
from tests.recordings import Recording, recordings

RECORDINGS = {recording.name: recording for recording in recordings(api="messages")}
DIALECT = Anthropic()
RETURNED = ("thinking", "redacted_thinking", "compaction")


DEVIATIONS: dict[str, Deviation] = {
    "anthropic-messages/anthropic-sdk--incomplete-partial-json-response-0-d3027e.sse": Deviation(
        {"tool_calls": [("toolu_01EKqbqmZrGRXy18eN7m9kvY", "make_file", None)]},
        "the limit cut the arguments off; ours are what the model wrote, the SDK writes their end itself",
    ),
    "anthropic-messages/pydantic-ai--anthropic-compaction-usage-with-cache-streaming-0-0d738f.sse": Deviation(
        {"usage": (55377, 55096, 91, 0)},
        "the totals leave out what a compaction took, which is paid for all the same",
    ),
    "anthropic-messages/vercel-ai--anthropic-programmatic-tool-calling.1-0-c4aa40.sse": Deviation(
        {"finish": "tool_use", "usage": (3369, 0, 725, 0)},
        "15 answers one after another; a stream is over at its first message_stop",
    ),
    "anthropic-messages/vercel-ai--anthropic-tool-search-bm25.1-0-3dbc18.sse": Deviation(
        {
            "text": "I'll search for a weather-related tool to help you get the weather information for San Francisco."
            "Great! I found a weather tool. Let me get the current weather for San Francisco.",
            "finish": "tool_use",
            "usage": (1630, 0, 158, 0),
        },
        "two answers one after another, of which the SDK puts the second one's text into the first one's block",
    ),
}

#: Streams that are not whole: how they end here. The SDK takes some of them for an end.
FAILURES: dict[str, tuple[ErrorCode, str]] = {
    "anthropic-messages/synth--cut-inside-tool-input.sse": (ErrorCode.TRUNCATED, "cut inside a tool's input"),
    "anthropic-messages/synth--cut-without-message-stop.sse": (ErrorCode.TRUNCATED, "cut at an event's end"),
}

#: Bodies in which one answer follows another, all of which the SDK accumulated into one.
SEVERAL = {name for name, deviation in DEVIATIONS.items() if deviation.fields.get("finish") == "tool_use"}


@pytest.fixture(params=names_of(RECORDINGS))
def recording(request: pytest.FixtureRequest) -> Recording:
    return found(RECORDINGS, request.param)


def test_the_tables_name_recordings() -> None:
    check_tables(RECORDINGS, DEVIATIONS, FAILURES, at_least=33)


@pytest.mark.slow
@pytest.mark.parametrize("name", names_by_length(RECORDINGS))
def test_laws(name: str, seeded: random.Random) -> None:
    body = found(RECORDINGS, name).read()
    decoded = check_dialect(DIALECT, body, messages_ends(body), rng=seeded)
    assert decoded.completed is (name not in FAILURES)


def test_golden(recording: Recording) -> None:
    decoded = decode_pieces(DIALECT, [recording.read()], clean=True)
    ours = _parsed(summary_of(decoded))
    golden = deviated(golden_summary(recording.golden()), DEVIATIONS.get(recording.name))
    if not decoded.completed:
        # How an unfinished stream ended is for `test_failure`; what it had put out is compared all the same.
        for name in ("finish", "usage", "tool_calls"):
            del ours[name], golden[name]
    assert ours == golden


@pytest.mark.parametrize("name", sorted(FAILURES))
def test_failure(name: str) -> None:
    decoded = decode_pieces(DIALECT, [found(RECORDINGS, name).read()], clean=True)
    check_failure(decoded, FAILURES[name][0], "anthropic")


def test_finish_reason(recording: Recording) -> None:
    decoded = decode_pieces(DIALECT, [recording.read()], clean=True)
    if not decoded.completed:
        assert recording.name in FAILURES
        return
    finish = decoded.items[-1]
    assert isinstance(finish, Finish)
    assert finish.reason == FINISH_REASONS[finish.raw]


def test_every_tool_call_is_done_once_and_last(recording: Recording) -> None:
    assert_tool_calls_end(decode_pieces(DIALECT, [recording.read()], clean=True))


def test_blocks_that_are_not_text_are_put_out_whole(recording: Recording) -> None:
    """Server tools, citations and what must go back, as the SDK accumulated them."""
    decoded = decode_pieces(DIALECT, [recording.read()], clean=True)
    if recording.name in FAILURES.keys() | SEVERAL:
        return
    blocks = recording.golden()["sdk_accumulated"]["content"]
    told = [item.value for item in decoded.items if isinstance(item, Annotation)]
    citations = [citation for block in blocks for citation in block.get("citations") or []]
    others = [block for block in blocks if block["type"] not in ("text", "tool_use", *RETURNED)]
    assert _comparable(told) == _comparable([*citations, *others])
    kept = [item.value for item in decoded.items if isinstance(item, ProviderData) and "type" in item.value]
    # The beta's SDK knows the deltas of a compaction, this one does not.
    assert _comparable(block for block in kept if block["type"] != "compaction") == _comparable(
        block for block in blocks if block["type"] in RETURNED and block["type"] != "compaction"
    )
    assert len(kept) == sum(block["type"] in RETURNED for block in blocks)


@given(data=st.data())
def test_any_cut(data: st.DataObject) -> None:
    check_cuts(data, DIALECT, draw_short(data, RECORDINGS.values()).read())


def _comparable(blocks: Iterable[Any]) -> list[str]:
    """In any order, and without what the SDK's classes add: nulls, and another name for `from`."""
    return sorted(json.dumps(_without_nulls(block), sort_keys=True) for block in blocks)


def _without_nulls(value: Any) -> Any:
    if isinstance(value, dict):
        return {
            name: _without_nulls(each)
            for name, each in value.items()
            if each is not None and name not in ("from", "from_")
        }
    return [_without_nulls(each) for each in value] if isinstance(value, list) else value


def _parsed(ours: dict[str, Any]) -> dict[str, Any]:
    """The summary with the input of tools as values; a cut off one as the SDK has it is not compared."""
    calls = [(call_id, name, _json(text)) for call_id, name, text in ours["tool_calls"]]
    return {**ours, "tool_calls": calls}


def _json(text: str) -> Any:
    try:
        return json.loads(text)
    except ValueError:
        return None


def golden_summary(golden: dict[str, Any]) -> dict[str, Any]:
    """The golden's summary in the same form."""
    summary, usage = golden["summary"], golden["summary"]["usage"]
    cached = usage.get("cache_read_input_tokens") or 0
    fresh = usage["input_tokens"] + (usage.get("cache_creation_input_tokens") or 0)
    thinking = (usage.get("output_tokens_details") or {}).get("thinking_tokens") or 0
    details = golden["sdk_accumulated"].get("stop_details") or {}
    calls = [call for call in summary["tool_calls"] if call["type"] == "tool_use"]
    return {
        "text": summary["text"],
        "reasoning": summary["reasoning"],
        "refusal": details.get("explanation") or "",
        "tool_calls": [(call["id"], call["name"], call["input"]) for call in calls],
        "finish": summary["finish_reason"],
        "usage": (fresh + cached, cached, usage["output_tokens"], thinking),
    }
