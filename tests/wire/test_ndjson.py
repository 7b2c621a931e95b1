"""Lines of JSON, however they are cut."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from headwater.wire.ndjson import NDJSONDecoder
from headwater.wire.sse import Frame
from tests.wire.feeding import pieces

CASES: list[tuple[str, bytes, list[bytes], list[bytes]]] = [
    # what it shows, the body, its values, and those that a flush adds
    ("nothing", b"", [], []),
    ("LF", b'{"a":1}\n{"b":2}\n', [b'{"a":1}', b'{"b":2}'], []),
    ("CRLF", b"1\r\n2\r\n", [b"1", b"2"], []),
    ("blank lines are heartbeats", b"\n \n\r\n1\n\n2\n", [b"1", b"2"], []),
    ("the last line without its end", b"1\n2", [b"1"], [b"2"]),
    ("white space at the end is no value", b"1\n  ", [b"1"], []),
    ("what is left of a byte order mark", b"\xef\xbb", [], ["\ufffd".encode()]),
    ("one byte order mark only", b"\xef\xbb\xbf\xef\xbb\xbf1\n", [b"\xef\xbb\xbf1"], []),
    ("separators of other formats are text", "\u2028\x1e\n".encode(), ["\u2028\x1e".encode()], []),
]


@pytest.mark.parametrize(("body", "values", "flushed"), [case[1:] for case in CASES], ids=[case[0] for case in CASES])
@pytest.mark.parametrize("step", [1, 2, 1000])
def test_lines(body: bytes, values: list[bytes], flushed: list[bytes], step: int) -> None:
    decoder = NDJSONDecoder()
    frames = [frame for at in range(0, len(body), step) for frame in decoder.feed(body[at : at + step])]
    assert frames == [Frame(value) for value in values]
    assert decoder.end(flush=True) == [Frame(value) for value in flushed]


@given(
    data=st.data(), body=st.lists(st.sampled_from([b"\n", b"\r", b" ", b"1", b'"\xc3\xa9"', b"{}", b"\xef\xbb\xbf"]))
)
def test_any_cut(data: st.DataObject, body: list[bytes]) -> None:
    whole, cut, joined = NDJSONDecoder(), NDJSONDecoder(), b"".join(body)
    cuts = data.draw(st.lists(st.integers(0, len(joined)), max_size=8))
    expected = whole.feed(joined) + whole.end(flush=True)
    assert [frame for piece in pieces(joined, cuts) for frame in cut.feed(piece)] + cut.end(flush=True) == expected
    assert [frame.data for frame in expected] == [
        line.strip() for line in joined.removeprefix(b"\xef\xbb\xbf").split(b"\n") if line.strip()
    ]
