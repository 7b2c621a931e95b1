"""Every recorded Responses stream comes out as the provider's own SDK read it, however its bytes are cut."""

import json
import random
from collections.abc import Iterable, Iterator
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from headwater.domain.event import Annotation, ProviderData
from headwater.errors import ErrorCode, ProviderError
from headwater.providers.contract import Checkpoint, Decoder, Finish, Frame, Item
from headwater.providers.openai_responses import OpenAIResponses
from headwater.testing.dialect import PLAIN, Decoded, check_dialect, decode_pieces
from headwater.wire.sse import SSEDecoder
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
from tests.providers.responses_ends import responses_ends
from tests.providers.summaries import assert_tool_calls_end, summary_of
from tests.recordings import Recording, recordings

RECORDINGS = {recording.name: recording for recording in recordings(api="responses")}
DIALECT = OpenAIResponses()
BACKGROUND = DIALECT.in_background(PLAIN)


_FOUR = "the file holds four answers one after another, which the SDK runs together; a stream ends with its first"

DEVIATIONS: dict[str, Deviation] = {
    "azure-responses/vercel-ai--azure-reasoning-encrypted-content.1-0-0c94be.sse": Deviation(
        {
            "text": "",
            "tool_calls": [("call_UdvUeOElp5zdU0DKr6IoyhjE", "calculator", '{"a":12,"b":7,"op":"add"}')],
            "usage": (137, 0, 28, 0),
        },
        _FOUR,
    ),
    "openai-responses/vercel-ai--openai-reasoning-encrypted-content.1-0-5c7dee.sse": Deviation(
        {
            "text": "",
            "tool_calls": [("call_AB6AaRZ1FYZB2RwS6A5vbdqn", "calculator", '{"a":12,"b":7,"op":"add"}')],
            "usage": (134, 0, 28, 0),
        },
        _FOUR,
    ),
}

#: Streams that end in an error: how. The SDK takes the first two for streams that were cut.
FAILURES: dict[str, ErrorCode] = {
    "openai-responses/synth--error-event-mid-stream.sse": ErrorCode.RATE_LIMIT,
    "openai-responses/synth--failed-mid-stream.sse": ErrorCode.SERVER,
    "openai-responses/vercel-ai--openai-error.1-0-33b23e.sse": ErrorCode.BUDGET,
}

#: Refusals, which end as `completed` like any other answer.
REFUSALS = {"openai-responses/synth--refusal-delta-sequence.sse"}


@pytest.fixture(params=names_of(RECORDINGS))
def recording(request: pytest.FixtureRequest) -> Recording:
    return found(RECORDINGS, request.param)


def test_the_tables_name_recordings() -> None:
    check_tables(RECORDINGS, DEVIATIONS, FAILURES, REFUSALS, at_least=61)


@pytest.mark.slow
@pytest.mark.parametrize("name", names_by_length(RECORDINGS))
def test_laws(name: str, seeded: random.Random) -> None:
    body = found(RECORDINGS, name).read()
    decoded = check_dialect(DIALECT, body, responses_ends(body), rng=seeded)
    assert decoded.completed is (name not in FAILURES)


@pytest.mark.parametrize("name", sorted(name for name in RECORDINGS if "background" in name) or ["absent"])
def test_laws_in_the_background(name: str, seeded: random.Random) -> None:
    body = found(RECORDINGS, name).read()
    decoded = check_dialect(DIALECT, body, responses_ends(body), rng=seeded, request=BACKGROUND)
    assert decoded.completed
    assert [item for item in decoded.items if _checkpoint(item) is not None]


def test_golden(recording: Recording) -> None:
    decoded = decode_pieces(DIALECT, [recording.read()], clean=True)
    ours = summary_of(decoded)
    golden = deviated(golden_summary(recording.golden()), DEVIATIONS.get(recording.name))
    if not decoded.completed:
        del ours["finish"], golden["finish"]
    assert ours == golden


@pytest.mark.parametrize("name", sorted(FAILURES))
def test_failure(name: str) -> None:
    check_failure(decode_pieces(DIALECT, [found(RECORDINGS, name).read()], clean=True), FAILURES[name], "openai")


def test_finish_reason(recording: Recording) -> None:
    decoded = decode_pieces(DIALECT, [recording.read()], clean=True)
    if not decoded.completed:
        assert recording.name in FAILURES
        return
    finish = decoded.items[-1]
    if recording.name in REFUSALS:
        assert finish == Finish("refusal", "completed")
    elif summary_of(decoded)["tool_calls"]:
        assert finish == Finish("tool_calls", "completed")
    else:
        reasons = {"completed": "stop", "max_output_tokens": "length", "content_filter": "content_filter"}
        assert isinstance(finish, Finish)
        assert finish.reason == reasons[finish.raw]


def test_every_tool_call_is_done_once_and_last(recording: Recording) -> None:
    assert_tool_calls_end(decode_pieces(DIALECT, [recording.read()], clean=True))


def test_all_answers_of_a_file_with_several() -> None:
    """The four answers that the goldens of `DEVIATIONS` run together, each as a stream of its own."""
    for name in DEVIATIONS.keys() & RECORDINGS.keys():
        body, golden = RECORDINGS[name].read(), golden_summary(RECORDINGS[name].golden())
        answers = [b"event: response.created\n" + each for each in body.split(b"event: response.created\n")[1:]]
        summaries = [summary_of(decode_pieces(DIALECT, [each], clean=True)) for each in answers]
        assert [summary["finish"] for summary in summaries] == ["completed"] * 4
        assert "".join(summary["text"] for summary in summaries) == golden["text"]
        assert "".join(summary["reasoning"] for summary in summaries) == golden["reasoning"]
        assert summaries[-1]["usage"] == golden["usage"]
        # The SDK kept those whose place in the output no later answer had.
        assert {call for summary in summaries for call in summary["tool_calls"]} >= set(golden["tool_calls"])


@given(data=st.data())
def test_any_cut(data: st.DataObject) -> None:
    check_cuts(data, DIALECT, draw_short(data, RECORDINGS.values()).read())


def test_the_answer_in_one_piece_says_the_same(recording: Recording) -> None:
    """What a server that does not stream would have sent: the response in the stream's last event."""
    if recording.name in FAILURES:
        return
    response = json.loads(_frames(recording)[-1].data)["response"]
    whole = decode_pieces(DIALECT, [b"data: " + json.dumps(response).encode() + b"\n\n"], clean=True)
    streamed = decode_pieces(DIALECT, [recording.read()], clean=True)
    assert summary_of(whole) == summary_of(streamed)
    assert _kinds_of_annotations(whole) == _kinds_of_annotations(streamed)


def test_an_answer_is_taken_up_where_it_was_left(recording: Recording) -> None:
    """What `Reattachable` promises: what followed a checkpoint comes again, event for event."""
    frames = _frames(recording)
    events = [json.loads(frame.data) for frame in frames]
    items = list(_items(DIALECT.decoder(BACKGROUND), frames))
    places = [(at, place) for at, item in enumerate(items) if (place := _checkpoint(item)) is not None]
    assert bool(places) is ("sequence_number" in events[0])
    for at, place in places:
        assert place.response_id == events[0]["response"]["id"]
        rest = [
            frame
            for frame, event in zip(frames, events, strict=True)
            if event["sequence_number"] > place.sequence_number
        ]
        assert list(_items(DIALECT.resume(BACKGROUND, place), rest)) == items[at + 1 :]


def test_only_what_is_in_the_background_has_checkpoints(recording: Recording) -> None:
    decoded = decode_pieces(DIALECT, [recording.read()], clean=True)
    assert not [item for item in decoded.items if _checkpoint(item) is not None]
    background = list(_items(DIALECT.decoder(BACKGROUND), _frames(recording)))
    assert [item for item in background if _checkpoint(item) is None] == decoded.items


def _frames(recording: Recording) -> list[Frame]:
    """Those of the first answer, up to its end."""
    frames = SSEDecoder().feed(recording.read())
    reader = DIALECT.decoder(PLAIN)
    for count, frame in enumerate(frames, 1):
        try:
            reader.feed(frame)
        except ProviderError:
            return frames[:count]
        if reader.ended:
            return frames[:count]
    raise AssertionError("the stream has no end")


def _items(decoder: Decoder, frames: Iterable[Frame]) -> Iterator[Item]:
    """What comes of them until the stream fails, if it does."""
    try:
        for frame in frames:
            yield from decoder.feed(frame)
        yield from decoder.end(True)
    except ProviderError:
        return


def _checkpoint(item: Item) -> Checkpoint | None:
    return DIALECT.checkpoint(item) if isinstance(item, ProviderData) else None


def _kinds_of_annotations(decoded: Decoded) -> list[str]:
    return sorted(item.value["type"] for item in decoded.items if isinstance(item, Annotation))


def golden_summary(golden: dict[str, Any]) -> dict[str, Any]:
    """The golden's summary in the form of ours: reasoning is its text and its summary, whichever there is."""
    summary = golden["summary"]
    usage = summary["usage"]
    if usage is not None:
        cached = (usage.get("input_tokens_details") or {}).get("cached_tokens") or 0
        reasoning = (usage.get("output_tokens_details") or {}).get("reasoning_tokens") or 0
        usage = (usage["input_tokens"], cached, usage["output_tokens"], reasoning)
    incomplete = summary["incomplete_details"]
    return {
        "text": summary["text"],
        "reasoning": summary["reasoning_summary"] + summary["reasoning_text"],
        "refusal": summary["refusal"],
        "tool_calls": [(call["call_id"], call["name"], call["arguments"]) for call in summary["tool_calls"]],
        "finish": incomplete["reason"] if incomplete else summary["status"],
        "usage": usage,
    }
