"""Ours against parsers that other people wrote, on our cases, on random soup, on recordings and on what we encode.

Where one of them deviates from the WHATWG's text, the body or the rule is listed here with the reason, and a listing
that no longer holds fails.
"""

import random
import re
from collections.abc import Iterable, Iterator, Sequence

import pytest

from headwater.wire.sse import Frame, encode_comment, encode_event, record_frame
from tests.recordings import recordings, recordings_dir
from tests.wire.feeding import pieces, read
from tests.wire.oracles import eventsource_parser, httpx_sse_frames, launchdarkly_frames
from tests.wire.reference import Reading, read_stream
from tests.wire.test_sse import BOM, CASES, FRAGMENTS
from tests.wire.test_sse_encode import NASTY

# eventsource-parser 4.1.3, by body.
EVENTSOURCE_PARSER_DEVIATES = {
    "case: retry beyond every integer": "it reports Infinity, which JSON makes null; ours holds the largest integer",
}
# httpx-sse, by recording; it deviates by rule from our cases too, see `without_what_httpx_sse_adds`.
HTTPX_SSE_DEVIATES = {
    "recording: openai-chat/synth--bom-and-comments.sse": "it keeps the BOM, and so loses the first field",
    "recording: openai-chat/synth--retry-only-block-first.sse": "it makes an event of the block with `retry:` only",
}

Body = tuple[bytes, Sequence[int]]


def gathered() -> dict[str, Body]:
    """Every body by name, each with the offsets at which it is cut."""
    chance = random.Random(20261121)

    def cut(body: bytes) -> Body:
        return body, sorted(chance.randrange(len(body) + 1) for _ in range(chance.randrange(6)))

    bodies = {f"case: {name}": cut(body) for name, body, _ in CASES}
    for number in range(3000):
        bodies[f"soup: {number}"] = cut(b"".join(chance.choices(FRAGMENTS, k=chance.randrange(40))))
    for number, text in enumerate(NASTY):
        bodies[f"encoded: {number}"] = cut(encode_event(text, id="9") + encode_comment(text) + record_frame(10, b"{}"))
    if recordings_dir() is not None:
        bodies |= {f"recording: {recording.name}": cut(recording.read()) for recording in recordings()}
    return bodies


BODIES = gathered()
KINDS = ["case", "soup", "encoded", "recording"]


def of_kind(kind: str) -> dict[str, Body]:
    bodies = {name: body for name, body in BODIES.items() if name.startswith(kind + ": ")}
    if not bodies:
        assert kind == "recording"
        pytest.skip("the recordings are not on this machine")
    return bodies


@pytest.fixture(scope="module")
def theirs() -> dict[str, Reading]:
    return eventsource_parser(BODIES)


@pytest.mark.parametrize("kind", KINDS)
def test_eventsource_parser_reads_the_same(kind: str, theirs: dict[str, Reading]) -> None:
    bodies = of_kind(kind)
    differ = {name for name, (body, cuts) in bodies.items() if read(pieces(body, cuts)) != theirs[name]}
    assert differ == EVENTSOURCE_PARSER_DEVIATES.keys() & bodies.keys()


def with_eventsource_names(frames: list[Frame]) -> list[Frame]:
    """With EventSource's name for the unnamed, and "" for an id never set."""
    return [Frame(frame.data, frame.event or "message", frame.id or "") for frame in frames]


def without_what_httpx_sse_adds(frames: list[Frame]) -> list[Frame]:
    """Drops events with empty data, on both sides.

    It makes an event of every blank line once an id was seen, and of blocks that have only an `event` or a `retry`;
    in what it returns they look like events whose data is truly empty.
    """
    return [frame for frame in frames if frame.data]


@pytest.mark.parametrize("kind", ["case", "soup", "encoded"])
def test_httpx_sse_reads_the_same_but_for_its_rules(kind: str) -> None:
    for name, (body, cuts) in of_kind(kind).items():
        ours = without_what_httpx_sse_adds(with_eventsource_names(read(pieces(body, cuts)).frames))
        # It does not know a BOM, so it gets the body without.
        text = body.removeprefix(BOM)
        cuts = [min(cut, len(text)) for cut in cuts]
        assert without_what_httpx_sse_adds(httpx_sse_frames(text, cuts)) == ours, name


def test_httpx_sse_reads_the_recordings_the_same() -> None:
    bodies = of_kind("recording")
    differ = {
        name
        for name, (body, cuts) in bodies.items()
        if with_eventsource_names(read(pieces(body, cuts)).frames) != httpx_sse_frames(body, cuts)
    }
    assert differ == HTTPX_SSE_DEVIATES.keys()


def sets_an_id_alone(body: bytes) -> bool:
    """Whether a block has an id and no data: for the WHATWG that sets the last id, for launchdarkly-eventsource not."""
    blocks = re.split(rb"(?:\r\n|\r|\n){2,}", body)
    return any(re.search(rb"(?m)^id", block) and not re.search(rb"(?m)^data", block) for block in unified(blocks))


def unified(blocks: Iterable[bytes]) -> Iterator[bytes]:
    return (block.replace(b"\r\n", b"\n").replace(b"\r", b"\n") for block in blocks)


@pytest.mark.parametrize("kind", KINDS)
def test_launchdarkly_reads_the_same_but_for_its_rules(kind: str) -> None:
    """It does not know a BOM, refuses what is no UTF-8, and forgets the id of a block without data.

    The first two are kept from it: both read the body without its BOM, and with invalid sequences replaced.
    """
    for name, (body, cuts) in of_kind(kind).items():
        text = body.decode("utf-8-sig", errors="replace").lstrip("\ufeff").encode()
        cuts = [min(cut, len(text)) for cut in cuts]
        frames = with_eventsource_names(read(pieces(text, cuts)).frames)
        theirs = launchdarkly_frames(text, cuts)
        assert [(frame.event, frame.data) for frame in theirs] == [(frame.event, frame.data) for frame in frames], name
        if not sets_an_id_alone(text):
            assert [frame.id or "" for frame in theirs] == [frame.id for frame in frames], name


@pytest.mark.parametrize("number", range(len(NASTY)))
def test_what_is_encoded_reads_as_meant_everywhere(number: int, theirs: dict[str, Reading]) -> None:
    body, cuts = BODIES[f"encoded: {number}"]
    text = NASTY[number].replace("\r\n", "\n").replace("\r", "\n").encode()
    meant = [Frame(text, "", "9"), Frame(b"{}", "", "10")]
    assert read(pieces(body, cuts)).frames == meant
    assert read_stream(body).frames == meant
    assert theirs[f"encoded: {number}"].frames == meant
    # It makes an event of the comment's blank line, for an id was seen.
    assert without_what_httpx_sse_adds(httpx_sse_frames(body, cuts)) == without_what_httpx_sse_adds(
        with_eventsource_names(meant)
    )
