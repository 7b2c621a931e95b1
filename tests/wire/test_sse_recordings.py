"""What real providers sent: however it is cut, it reads as the specification's transcription reads it."""

from functools import cache

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from headwater.wire.sse import SSEDecoder
from tests.recordings import Recording, recordings, recordings_dir
from tests.wire.feeding import assert_reads, pieces, read
from tests.wire.reference import Reading, read_stream

pytestmark = pytest.mark.skipif(recordings_dir() is None, reason="the recordings are not on this machine")

RECORDINGS = list(recordings())
# What ends within a block, so that only `end(flush=True)` gives it: cut on purpose (`cut-…`), or a last blank line that
# the provider or the tool that recorded it has left out.
UNFINISHED = {
    "anthropic-messages/anthropic-sdk--fallback-response-0-683cde.sse",
    "anthropic-messages/anthropic-sdk--incomplete-partial-json-response-0-d3027e.sse",
    "anthropic-messages/anthropic-sdk--refusal-response-0-333e8d.sse",
    "anthropic-messages/anthropic-sdk--tool-use-response-0-ebd6e7.sse",
    "google-generate-content/firebase--streaming-failure-prompt-blocked-safety-0-3c01c3.sse",
    "google-generate-content/firebase--streaming-success-no-content-parts-0-85943a.sse",
    "google-generate-content/synth--cut-inside-json.sse",
    "google-vertex-generate-content/firebase--streaming-success-quotes-escaped-0-16519f.sse",
    "openai-chat/synth--cut-inside-json.sse",
    "openai-chat/synth--cut-inside-utf8-character.sse",
}


@cache
def whole(recording: str) -> tuple[bytes, Reading]:
    (found,) = [one for one in RECORDINGS if one.name == recording]
    body = found.read()
    return body, read_stream(body)


@pytest.mark.slow
@pytest.mark.parametrize("recording", RECORDINGS, ids=lambda recording: str(recording.name))
def test_whole_and_byte_by_byte(recording: Recording) -> None:
    body, expected = whole(recording.name)
    assert_reads(body, expected)
    flushed = read_stream(body, flush=True)
    assert flushed.frames, "a recording without an event shows nothing"
    assert_reads(body, flushed, flush=True)


@pytest.mark.parametrize("recording", RECORDINGS, ids=lambda recording: str(recording.name))
@settings(max_examples=10)
@given(data=st.data())
def test_at_random_cuts(recording: Recording, data: st.DataObject) -> None:
    body, expected = whole(recording.name)
    cuts = data.draw(st.lists(st.integers(0, len(body)), max_size=40), label="cuts")
    assert read(pieces(body, cuts)) == expected


@pytest.mark.slow
@pytest.mark.parametrize("chunk_bytes", [2, 3, 1448, 16384])
def test_in_even_chunks(chunk_bytes: int) -> None:
    for recording in RECORDINGS:
        body, expected = whole(recording.name)
        assert read(pieces(body, range(0, len(body), chunk_bytes))) == expected, recording.name


def test_all_recordings_are_here() -> None:
    directory = recordings_dir()
    assert directory is not None
    assert {recording.path for recording in RECORDINGS} == set(directory.rglob("*.sse"))


def test_an_unfinished_end_is_told_from_a_whole_one() -> None:
    unfinished = set()
    for recording in RECORDINGS:
        decoder = SSEDecoder()
        frames = decoder.feed(recording.read())
        if decoder.pending:
            unfinished.add(recording.name)
        assert bool(decoder.end(flush=True)) is (recording.name in unfinished), recording.name
        assert frames == whole(recording.name)[1].frames
    assert unfinished == UNFINISHED
