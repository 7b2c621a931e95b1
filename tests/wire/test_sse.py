"""The decoder against the WHATWG's rules: case by case, against a transcription of the text, and at its bounds."""

import tracemalloc
from collections.abc import Iterator
from typing import Any, SupportsIndex

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from headwater.errors import EventTooLarge, LineTooLong, WireError
from headwater.wire import sse
from headwater.wire.sse import RETRY_MS_MAX, Frame, SSEDecoder
from tests.wire.feeding import assert_reads, pieces
from tests.wire.reference import Reading, read_stream

BOM = b"\xef\xbb\xbf"


def frames(*data: bytes) -> list[Frame]:
    return [Frame(one) for one in data]


# Each row: what it shows, the body, the meaning. Written by hand from the specification's text, not from our output.
CASES: list[tuple[str, bytes, Reading]] = [
    ("nothing", b"", Reading()),
    ("blank lines only", b"\n\n\r\r\r\n\n", Reading()),
    ("one event", b"data: a\n\n", Reading(frames(b"a"))),
    ("two events", b"data: a\n\ndata: b\n\n", Reading(frames(b"a", b"b"))),
    ("more blank lines between", b"\n\ndata: a\n\n\n\n\ndata: b\n\n", Reading(frames(b"a", b"b"))),
    ("lines of data join with LF", b"data: YHOO\ndata: +2\ndata: 10\n\n", Reading(frames(b"YHOO\n+2\n10"))),
    ("empty lines of data count", b"data\ndata\n\ndata:\n\n", Reading(frames(b"\n", b""))),
    ("a leading empty line of data", b"data\ndata: a\n\n", Reading(frames(b"\na"))),
    ("no final blank line", b"data: a\n\ndata: b\n", Reading(frames(b"a"))),
    ("no final line end", b"data: a\n\ndata: b", Reading(frames(b"a"))),
    ("one space is removed, one only", b"data:a\n\ndata: a\n\ndata:  a \n\n", Reading(frames(b"a", b"a", b" a "))),
    ("a tab is no space", b"data:\ta\n\n", Reading(frames(b"\ta"))),
    ("colons in the value", b"data: a: b:c\n\ndata::\n\n", Reading(frames(b"a: b:c", b":"))),
    ("NUL in data is data", b"data: a\0b\n\n", Reading(frames(b"a\0b"))),
    ("CR", b"data: a\r\rdata: b\r\r", Reading(frames(b"a", b"b"))),
    ("CRLF", b"data: a\r\n\r\ndata: b\r\n\r\n", Reading(frames(b"a", b"b"))),
    ("LF then CR are two ends", b"data: a\n\rdata: b\n\r", Reading(frames(b"a", b"b"))),
    ("CR, LF, CRLF mixed", b"data: a\rdata: b\ndata: c\r\n\r\ndata: d\n\r\n", Reading(frames(b"a\nb\nc", b"d"))),
    ("CRLF is one end, not two", b"data: a\r\ndata: b\r\n\r\n", Reading(frames(b"a\nb"))),
    ("CR CR LF is two ends", b"data: a\r\r\ndata: b\r\r\n", Reading(frames(b"a", b"b"))),
    ("other line separators are text", "data: a\u2028b\u2029c\x85d\x0be\x0cf\x1cg\n\n".encode(),
     Reading(frames("a\u2028b\u2029c\x85d\x0be\x0cf\x1cg".encode()))),
    ("a BOM at the start", BOM + b"data: a\n\n", Reading(frames(b"a"))),
    ("one BOM only", BOM + BOM + b"data: a\n\ndata: b\n\n", Reading(frames(b"b"))),
    ("a BOM later is text", b"\n" + BOM + b"data: a\n\ndata: b" + BOM + b"\n\n", Reading(frames(b"b" + BOM))),
    ("a piece of a BOM is a field's name", b"\xef\xbbdata: a\n\ndata: b\n\n", Reading(frames(b"b"))),
    ("nothing but a piece of a BOM", b"\xef\xbb", Reading()),
    ("comments", b":\n: ping\n\ndata: a\n:mid\ndata: b\n\n:data: c\n\n", Reading(frames(b"a\nb"), comments=4)),
    ("a comment without its end is none yet", b": a\n: b", Reading(comments=1)),
    ("named events", b"event: add\ndata: 1\n\ndata: 2\n\ndata: 3\nevent:remove\n\n",
     Reading([Frame(b"1", "add"), Frame(b"2"), Frame(b"3", "remove")])),
    ("the last name wins", b"event: a\nevent: b\ndata: 1\n\nevent: a\nevent\ndata: 2\n\n",
     Reading([Frame(b"1", "b"), Frame(b"2", "")])),
    ("a name without data is forgotten", b"event: a\n\ndata: 1\n\n", Reading(frames(b"1"))),
    ("an id stays in force", b"data: 1\n\nid: 7\ndata: 2\n\ndata: 3\n\n",
     Reading([Frame(b"1", "", None), Frame(b"2", "", "7"), Frame(b"3", "", "7")], "7")),
    ("an id without data", b"id: 7\n\ndata: 1\n\n", Reading([Frame(b"1", "", "7")], "7")),
    ("an id alone moves the cursor", b"data: 1\nid: 7\n\nid: 9\n\n", Reading([Frame(b"1", "", "7")], "9")),
    ("an id of a block cut off does not", b"id: 7\n\nid: 9\ndata: lost\n", Reading([], "7")),
    ("an empty id takes it back", b"id: 7\ndata: 1\n\nid\ndata: 2\n\ndata: 3\n\n",
     Reading([Frame(b"1", "", "7"), Frame(b"2", "", ""), Frame(b"3", "", "")], "")),
    ("an id with NUL is ignored", b"id: 7\n\nid: 8\0\ndata: 1\n\n", Reading([Frame(b"1", "", "7")], "7")),
    ("an id is any text", "id:  é 1\ndata: 1\n\n".encode(), Reading([Frame(b"1", "", " é 1")], " é 1")),
    ("retry", b"retry: 3000\n", Reading(retry_ms=3000)),
    ("the last retry wins, zero too", b"retry: 3000\n\nretry:0\n", Reading(retry_ms=0)),
    ("retry is ASCII digits and no more", "retry: 7\nretry: +1\nretry: -1\nretry: 1.5\nretry: 1_0\nretry:  2\n"
     "retry: 3 \nretry\nretry: ٣\nretry: 0x1\n".encode(), Reading(retry_ms=7)),
    ("retry beyond every integer", b"retry: " + b"9" * 5000 + b"\n", Reading(retry_ms=RETRY_MS_MAX)),
    ("retry with leading zeros", b"retry: " + b"0" * 5000 + b"12\n", Reading(retry_ms=12)),
    ("retry just past the largest", b"retry: 9007199254740993\n", Reading(retry_ms=RETRY_MS_MAX)),
    ("unknown fields", b"datas: x\nDATA: x\n data: x\nid : x\nfoo\ndata: a\n\n", Reading(frames(b"a"))),
    ("invalid UTF-8 is replaced", b"data: a\xffb\n\ndata: \xe2\x82\n\n", Reading(frames("a�b".encode(), "�".encode()))),
    ("invalid UTF-8 does not eat a line end", b"data: \xf0\x9f\ndata: b\n\n", Reading(frames("�\nb".encode()))),
    ("surrogates and overlong forms", b"data: \xed\xa0\x80\xc0\xaf\n\n", Reading(frames(("�" * 5).encode()))),
    ("invalid UTF-8 in name and id", b"event: \xff\nid: \xfe\ndata: 1\n\n", Reading([Frame(b"1", "�", "�")], "�")),
    ("invalid UTF-8 in a neighbour", b"data: a\n\ndata: \xff\n\ndata: b\n\n",
     Reading(frames(b"a", "�".encode(), b"b"))),
    ("the specification's first example", b": test stream\n\ndata: first event\nid: 1\n\ndata:second event\nid\n\n"
     b"data:  third event\n",
     Reading([Frame(b"first event", "", "1"), Frame(b"second event", "", "")], "", comments=1)),
    ("the specification's second example", b"data\n\ndata\ndata\n\ndata:\n", Reading(frames(b"", b"\n"))),
    ("id and event in both orders", b"id: 1\nevent: a\ndata: x\n\nevent: b\nid: 2\ndata: y\n\n",
     Reading([Frame(b"x", "a", "1"), Frame(b"y", "b", "2")], "2")),
    ("shapes of the short ways, one step off", b"id: 1\ndata:x\n\nid: 2\ndata: a\ndata: b\n\nevent: n\ndata:y\n\n"
     b"event: n\ndata: c\ndata: d\n\ndata: e\ndata: f\n\ndata:g\n\n",
     Reading([Frame(b"x", "", "1"), Frame(b"a\nb", "", "2"), Frame(b"y", "n", "2"), Frame(b"c\nd", "n", "2"),
              Frame(b"e\nf", "", "2"), Frame(b"g", "", "2")], "2")),
]  # fmt: skip

IDS = [name for name, _, _ in CASES]


@pytest.mark.parametrize(("name", "body", "expected"), CASES, ids=IDS)
def test_case_in_every_cut(name: str, body: bytes, expected: Reading) -> None:
    assert_reads(body, expected)
    if len(body) < 200:
        for cut in range(len(body) + 1):
            assert_reads(body, expected, cuts=[cut, cut])


@pytest.mark.parametrize(("name", "body", "expected"), CASES, ids=IDS)
def test_reference_agrees_with_the_cases(name: str, body: bytes, expected: Reading) -> None:
    assert read_stream(body) == expected


@pytest.mark.parametrize(
    ("body", "expected"),
    [
        (b"data: a\n\ndata: b", frames(b"a", b"b")),
        (b"data: a\n\ndata: b\n", frames(b"a", b"b")),
        (b"data: a\r\n\r\ndata: b\r", frames(b"a", b"b")),
        (b"data: a\n\ndata", frames(b"a", b"")),
        (b"event: x\nid: 3\ndata: b", [Frame(b"b", "x", "3")]),
        (b"data: \xe2\x82", frames("�".encode())),
        (b"data: a\n\n: ping", frames(b"a")),
        (b"event: x", []),
    ],
)
def test_flush_completes_the_last_block(body: bytes, expected: list[Frame]) -> None:
    reading = read_stream(body, flush=True)
    assert reading.frames == expected
    assert_reads(body, reading, flush=True)


# The soup is made of what the rules speak of, so that most of its random bodies reach them.
FRAGMENTS = [
    b"data", b"data:", b"data: ", b"event", b"event:", b"event: ", b"id", b"id:", b"id: ", b"retry", b"retry: ", b":",
    b" ", b"\n", b"\r", b"\r\n", b"\n\n", b"\r\r", b"\r\n\r\n", b"\0", b"1", b"23", b"a", b"{}", b"\xff", b"\xe2\x82",
    b"\xe2\x82\xac", b"\xf0\x9f", b"\x98\x80", BOM, b"\xef\xbb", "\u2028".encode(), b"x: y", b"DATA: ", b"[DONE]",
]  # fmt: skip
SOUP = st.lists(st.sampled_from(FRAGMENTS), max_size=40).map(b"".join)
WHOLE_LINES = st.lists(
    st.sampled_from(
        [b"data: {}", b"data: \xff", b"data: a", b"event: n", b"event: ", b"id: 5", b"id: \0", b"", b"", b":"]
    ),
    max_size=40,
).map(lambda lines: b"".join(line + b"\n" for line in lines))  # fmt: skip


@given(body=st.one_of(SOUP, WHOLE_LINES, st.binary(max_size=40)), cuts=st.lists(st.integers(0, 200), max_size=8))
@example(body=b"data: a\n\ndata: b\n\n", cuts=[8])
@example(body=b"data: a\r\n\r\n", cuts=[8, 8, 9])
def test_soup_reads_as_the_reference_says(body: bytes, cuts: list[int]) -> None:
    cuts = [min(cut, len(body)) for cut in cuts]
    assert_reads(body, read_stream(body), cuts=cuts)
    assert_reads(body, read_stream(body, flush=True), flush=True, cuts=cuts)


@given(body=SOUP, cuts=st.lists(st.integers(0, 200), max_size=8), line=st.integers(1, 12), event=st.integers(1, 12))
@example(body=BOM + BOM, cuts=[], line=1, event=1)
@example(body=BOM[:2], cuts=[1], line=1, event=1)
def test_limits_do_not_depend_on_the_cuts(body: bytes, cuts: list[int], line: int, event: int) -> None:
    whole = outcome([body], line_bytes_max=line, event_bytes_max=event)
    assert (
        outcome(pieces(body, [min(cut, len(body)) for cut in cuts]), line_bytes_max=line, event_bytes_max=event)
        == whole
    )
    bytewise = (body[at : at + 1] for at in range(len(body)))
    assert outcome(bytewise, line_bytes_max=line, event_bytes_max=event) == whole
    assert whole == limited(body, line_bytes_max=line, event_bytes_max=event)


def outcome(chunks: Iterator[bytes] | list[bytes], **limits: Any) -> tuple[list[Frame], type[WireError] | None]:
    decoder = SSEDecoder(**limits)
    got: list[Frame] = []
    fault: WireError | None
    try:
        for chunk in chunks:
            got += decoder.feed(chunk)
        got += decoder.end()
    except WireError as error:
        fault = error
    else:
        fault = None
    assert decoder.fault is fault
    return got, None if fault is None else type(fault)


def limited(body: bytes, *, line_bytes_max: int, event_bytes_max: int) -> tuple[list[Frame], type[WireError] | None]:
    """What must come out: the reference's frames up to the first line that passes a limit."""
    text = body.removeprefix(BOM).replace(b"\r\n", b"\n").replace(b"\r", b"\n")
    *lines, unfinished = text.split(b"\n")
    start = end = 0
    data: bytes | None = None
    for line in [*lines, unfinished]:
        # A body that is only the beginning of a BOM is held back, for it may yet become one.
        if len(line) > line_bytes_max and body not in (BOM[:1], BOM[:2]):
            return read_stream(b"\n" + text[:start]).frames, LineTooLong
        end = start + len(line)
        if end == len(text):
            break
        if not line:
            data = None
        elif line.split(b":")[0] == b"data":
            value = line.partition(b":")[2].removeprefix(b" ")
            data = value if data is None else data + b"\n" + value
            if len(data) > event_bytes_max:
                return read_stream(b"\n" + text[:start]).frames, EventTooLarge
        start = end + 1
    return read_stream(b"\n" + text).frames, None


def test_a_line_at_the_limit_passes_and_one_byte_more_does_not() -> None:
    decoder = SSEDecoder(line_bytes_max=10)
    assert decoder.feed(b"data: 1234\r\n\r\n") == frames(b"1234")
    with pytest.raises(LineTooLong):
        decoder.feed(b"data: 12345")


def test_an_event_at_the_limit_passes_and_one_byte_more_does_not() -> None:
    decoder = SSEDecoder(event_bytes_max=5)
    assert decoder.feed(b"data: 12\ndata: 34\n\n") == frames(b"12\n34")
    assert decoder.feed(b"data: 12345\n") == []
    with pytest.raises(EventTooLarge):
        decoder.feed(b"data\n")


def test_frames_before_a_fault_are_delivered_first() -> None:
    decoder = SSEDecoder(line_bytes_max=8)
    assert decoder.feed(b"data: a\n\ndata: b\n\ndata: too long\n\ndata: c\n\n") == frames(b"a", b"b")
    assert isinstance(decoder.fault, LineTooLong)
    assert not decoder.pending
    for _ in range(2):
        with pytest.raises(LineTooLong):
            decoder.feed(b"data: d\n\n")
    with pytest.raises(LineTooLong):
        decoder.end(flush=True)


def test_a_flush_keeps_the_limits() -> None:
    decoder = SSEDecoder(event_bytes_max=4)
    assert decoder.feed(b"data: 12345") == []
    with pytest.raises(EventTooLarge):
        decoder.end(flush=True)
    assert isinstance(decoder.fault, EventTooLarge)


@pytest.mark.parametrize("limits", [{"line_bytes_max": 0}, {"event_bytes_max": -1}])
def test_limits_must_be_positive(limits: dict[str, Any]) -> None:
    with pytest.raises(ValueError, match="positive"):
        SSEDecoder(**limits)


@pytest.mark.slow
@pytest.mark.parametrize(
    ("start", "more", "error"),
    [
        (b"data: ", b"x", LineTooLong),
        (b": ", b"x", LineTooLong),
        (b"", b"x", LineTooLong),
        (b"", b"data: 0123456789\n", EventTooLarge),
        (b"", b"data\n", EventTooLarge),
        (b"", b"data\r", EventTooLarge),
    ],
)
@pytest.mark.parametrize("chunk_bytes", [1000, 65536])
def test_a_flood_costs_bounded_memory(start: bytes, more: bytes, error: type[WireError], chunk_bytes: int) -> None:
    chunk = more * (chunk_bytes // len(more))
    decoder = SSEDecoder(line_bytes_max=100_000, event_bytes_max=400_000)
    fed = 0
    tracemalloc.start()
    try:
        decoder.feed(start)
        with pytest.raises(error):
            while True:
                assert fed < 200_000_000, "no limit was held"
                assert decoder.feed(chunk) == []
                fed += len(chunk)
        kept, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    # The buffers with the room that they grow by, and one piece split into its lines.
    assert peak < 2 * (100_000 + 400_000) + 64 * chunk_bytes
    assert kept < 50_000
    assert not decoder.pending


def test_one_huge_chunk_is_taken_in_bounded_pieces() -> None:
    chunk = b"data: " + b"x" * 32_000_000
    decoder = SSEDecoder()
    tracemalloc.start()
    try:
        with pytest.raises(LineTooLong):
            decoder.feed(chunk)
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    # The first chunk is copied once, to look for a BOM; the decoder itself keeps a line and some pieces.
    assert peak < len(chunk) + 4_000_000


def test_events_of_a_chunk_larger_than_a_piece() -> None:
    many = [b"%d %b" % (number, b"x" * (number % 300)) for number in range(5000)]
    body = b"".join(b"data: %b\n\n" % data for data in many)
    assert len(body) > 2 * 256 * 1024
    assert SSEDecoder().feed(body) == frames(*many)


class CountingBuffer(bytearray):
    """A bytearray that adds up every byte that is put in, read out or searched."""

    touched = 0
    made = 0

    def __init__(self, *args: Any) -> None:
        super().__init__(*args)
        CountingBuffer.made += 1
        CountingBuffer.touched += len(self)

    def __iadd__(self, other: Any) -> "CountingBuffer":  # type: ignore[misc]  # bytearray's own __add__ is not used
        CountingBuffer.touched += len(other)
        super().__iadd__(other)
        return self

    def __bytes__(self) -> bytes:
        CountingBuffer.touched += len(self)
        return bytes(memoryview(self))

    def __getitem__(self, index: SupportsIndex | slice) -> Any:
        got = super().__getitem__(index)
        CountingBuffer.touched += len(got) if isinstance(got, bytearray) else 1
        return bytes(got) if isinstance(got, bytearray) else got

    def __getattribute__(self, name: str) -> Any:
        if name in ("find", "index", "split", "partition", "count", "replace", "rfind", "startswith", "endswith"):
            CountingBuffer.touched += len(self)
        return super().__getattribute__(name)


@pytest.mark.slow
@pytest.mark.parametrize("body", [b"data: " + b"x" * 1_000_000 + b"\n\n", b"data: y\n" * 100_000 + b"\n"])
@pytest.mark.parametrize("chunk_bytes", [1, 7])
def test_work_is_linear_however_cut(body: bytes, chunk_bytes: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(CountingBuffer, "touched", 0)
    monkeypatch.setattr(CountingBuffer, "made", 0)
    monkeypatch.setattr(sse, "bytearray", CountingBuffer, raising=False)
    decoder = SSEDecoder()
    got = [frame for at in range(0, len(body), chunk_bytes) for frame in decoder.feed(body[at : at + chunk_bytes])]
    assert got == read_stream(body).frames
    # Once into the line, once out of it, once into the data and once out of that.
    assert len(body) // 2 <= CountingBuffer.touched <= 4 * len(body)
    assert CountingBuffer.made <= 4


@pytest.mark.parametrize(
    ("body", "pending"),
    [
        (b"", False),
        (b"data: a\n\n", False),
        (b"data: a\r\r", False),
        (b"data: a\r\n\r", False),
        (b"data: a\n", True),
        (b"data: a\n\nd", True),
        (b"data\r", True),
        (b"event: a\n", True),
        (b"id: 1\n", True),
        (b"id: 1\n\n", False),
        (b"id: \0\n", False),
        (b": ping\n", False),
        (b"retry: 1\n", False),
        (BOM[:2], True),
        (BOM, False),
    ],
)
def test_pending_tells_a_cut_from_an_end(body: bytes, pending: bool) -> None:
    for chunks in ([body], [body[at : at + 1] for at in range(len(body))]):
        decoder = SSEDecoder()
        for chunk in chunks:
            decoder.feed(chunk)
        assert decoder.pending is pending
        decoder.end()
        assert not decoder.pending


def test_a_line_end_is_acted_on_at_its_first_byte() -> None:
    decoder = SSEDecoder()
    assert decoder.feed(b"data: a\r\n\r") == frames(b"a")
    assert decoder.feed(b"\ndata: b\n\n") == frames(b"b")
    assert decoder.feed(b"retry: 5\r") == []
    assert decoder.retry_ms == 5
    assert decoder.feed(b": ping\n") == []
    assert decoder.comments == 1


def test_after_the_end() -> None:
    decoder = SSEDecoder()
    assert decoder.feed(b"id: 4\ndata: a\n\nid: 5\ndata: b") == [Frame(b"a", "", "4")]
    assert decoder.end() == []
    assert decoder.last_event_id == "4"
    assert decoder.end(flush=True) == []
    with pytest.raises(RuntimeError, match="ended"):
        decoder.feed(b"data: c\n\n")


def test_frames_are_values() -> None:
    frame = Frame(b"a", "b", "c")
    assert frame == Frame(b"a", "b", "c")
    with pytest.raises(AttributeError):
        frame.data = b"x"  # type: ignore[misc]


class TestBareJSON:
    """An object that stands among the events without a field's name."""

    BODY = b'data: {"a":1}\n\n{\r\n  "error": {\r\n    "code": 499\r\n  }\r\n}\r\n\r\ndata: {"b":2}\n\n'
    OBJECT = b'{\n  "error": {\n    "code": 499\n  }\n}\n'

    @pytest.mark.parametrize("step", [1, 2, 3, 1000])
    def test_it_is_a_frame_of_its_own(self, step: int) -> None:
        decoder = SSEDecoder(bare_json=True)
        found = [frame for at in range(0, len(self.BODY), step) for frame in decoder.feed(self.BODY[at : at + step])]
        assert found == frames(b'{"a":1}', self.OBJECT, b'{"b":2}')
        assert not decoder.pending
        assert decoder.comments == 0

    def test_it_is_ignored_where_nobody_asked_for_it(self) -> None:
        assert SSEDecoder().feed(self.BODY) == frames(b'{"a":1}', b'{"b":2}')

    def test_only_what_begins_with_a_brace_is_one(self) -> None:
        decoder = SSEDecoder(bare_json=True)
        assert decoder.feed(b'error: {"a":1}\n\nda\n\n[{"a":1}]\n\n: {\n\n') == []
        assert decoder.comments == 1

    def test_without_its_blank_line_it_is_dropped_or_flushed(self) -> None:
        for flush, expected in ((False, []), (True, frames(b'{"a":\n'))):
            decoder = SSEDecoder(bare_json=True)
            assert decoder.feed(b'{"a":') == []
            assert decoder.pending
            assert decoder.end(flush=flush) == expected
            assert not decoder.pending

    def test_it_is_bounded_and_made_utf8(self) -> None:
        decoder = SSEDecoder(event_bytes_max=20, bare_json=True)
        assert decoder.feed(b'{"a":"\xff"}\n\n') == frames('{"a":"\ufffd"}\n'.encode())
        with pytest.raises(EventTooLarge):
            decoder.feed(b"{\n" * 11)
        assert not decoder.pending
