"""One helper that feeds a decoder the same bytes in every way that matters."""

from collections.abc import Iterable, Iterator, Sequence

from headwater.wire.sse import SSEDecoder
from tests.wire.reference import Reading


def pieces(body: bytes, cuts: Iterable[int]) -> Iterator[bytes]:
    """`body` cut at each offset; equal offsets give empty pieces, as a socket may."""
    start = 0
    for cut in sorted(cuts):
        yield body[start:cut]
        start = max(start, cut)
    yield body[start:]


def read(chunks: Iterable[bytes], *, flush: bool = False) -> Reading:
    """What the decoder under test makes of the chunks, to the end of the body."""
    decoder = SSEDecoder()
    frames = [frame for chunk in chunks for frame in decoder.feed(chunk)]
    frames += decoder.end(flush=flush)
    return Reading(frames, decoder.last_event_id, decoder.retry_ms, decoder.comments)


def assert_reads(body: bytes, expected: Reading, *, flush: bool = False, cuts: Sequence[int] = ()) -> None:
    """Fed whole, byte by byte, cut at `cuts`, and with another event behind it, `body` means `expected`.

    The trailing event is only added where the body ends with a blank line: elsewhere it would be part of its block.
    """
    assert read([body], flush=flush) == expected
    assert read((body[at : at + 1] for at in range(len(body))), flush=flush) == expected
    if cuts:
        assert read(pieces(body, cuts), flush=flush) == expected
    if body.endswith((b"\n\n", b"\r\n\r\n", b"\r\r")):
        trailing = read([body + b"data: trailing\n\ndata: unfinished"])
        assert trailing.frames[:-1] == expected.frames
        assert trailing.frames[-1].data == b"trailing"
        assert trailing.frames[-1].event == ""
        assert (trailing.frames[-1].id or "") == trailing.last_event_id == expected.last_event_id
