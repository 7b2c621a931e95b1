"""A growing array's values, held against the standard library's reading of the whole."""

import json
import tracemalloc

import pytest
from hypothesis import given
from hypothesis import strategies as st

from headwater.errors import MalformedBody, WireError
from headwater.wire.json_array import DEPTH_MAX, JSONArrayDecoder
from headwater.wire.sse import Frame
from tests.recordings import recordings, recordings_dir
from tests.wire.feeding import pieces

JSON = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(alphabet=st.characters() | st.sampled_from('"\\[]{},\n')),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=3), inner, max_size=3),
    max_leaves=8,
)
SPACE = st.sampled_from(["", " ", "\n", "\r\n\t "])


def read(body: bytes, cuts: list[int]) -> tuple[list[Frame], JSONArrayDecoder]:
    decoder = JSONArrayDecoder()
    frames = [frame for piece in pieces(body, cuts) for frame in decoder.feed(piece)]
    return frames, decoder


@given(data=st.data(), values=st.lists(JSON, max_size=5), escaped=st.booleans())
def test_any_array_cut_anywhere(data: st.DataObject, values: list[object], escaped: bool) -> None:
    texts = [data.draw(SPACE) + json.dumps(value, ensure_ascii=escaped) + data.draw(SPACE) for value in values]
    body = (data.draw(SPACE) + "[" + (",".join(texts) or data.draw(SPACE)) + "]" + data.draw(SPACE)).encode(
        errors="replace"
    )
    cuts = data.draw(st.lists(st.integers(0, len(body)), max_size=12))
    frames, decoder = read(body, cuts)
    assert [json.loads(frame.data) for frame in frames] == json.loads(body)
    assert decoder.closed
    byte_by_byte, decoder = read(body, list(range(len(body))))
    assert byte_by_byte == frames
    assert decoder.closed
    last = body.rindex(b"]")
    cut, decoder = read(body[:last], cuts)
    assert cut == frames[: len(cut)]
    assert not decoder.closed
    assert decoder.end(flush=True) == []


@given(body=st.binary(max_size=40) | st.text(alphabet='[]{},"\\ a1\n', max_size=30).map(str.encode))
def test_anything_at_all_is_frames_or_a_typed_error_however_it_is_cut(body: bytes) -> None:
    outcomes = []
    for step in (1, 2, 1000):
        decoder, frames, fault = JSONArrayDecoder(), list[Frame](), ""
        try:
            for at in range(0, len(body), step):
                frames += decoder.feed(body[at : at + step])
            decoder.end()
        except WireError as error:
            fault = error.message
        outcomes.append((frames, fault, decoder.closed))
    assert outcomes[0] == outcomes[1] == outcomes[2]
    try:
        values = json.loads(body)
    except (ValueError, RecursionError):
        return
    if isinstance(values, list):
        assert ([json.loads(frame.data) for frame in outcomes[0][0]], outcomes[0][1:]) == (values, ("", True))


@pytest.mark.parametrize(
    ("body", "values", "words"),
    [
        (b"hello", [], "no JSON array"),
        (b'"text"', [], "no JSON array"),
        (b"]", [], "no JSON array"),
        (b"\xef\xbb\xbf\xef\xbb\xbf[]", [], "no JSON array"),
        (b"[,1]", [], "no value"),
        (b"[}", [], "no value"),
        (b"[{},]", [b"{}"], "no value after it"),
        (b"[{} {}]", [b"{}"], "no comma"),
        (b"[{}}", [b"{}"], "no comma"),
        (b"[{}]]", [b"{}"], "follows the end"),
        (b"[]x", [], "follows the end"),
        (b"{}{}", [b"{}"], "follows the end"),
        (b"[1 2]", [b"1"], "no comma"),
        (b'[1"a"]', [b"1"], "no comma"),
    ],
)
def test_what_is_no_array(body: bytes, values: list[bytes], words: str) -> None:
    decoder, frames = JSONArrayDecoder(), list[Frame]()
    with pytest.raises(MalformedBody, match=words):
        for byte in body:
            frames += decoder.feed(bytes([byte]))
    assert [frame.data for frame in frames] == values


def test_a_value_is_given_out_with_its_last_bracket() -> None:
    decoder = JSONArrayDecoder()
    assert decoder.feed(b'[{"a":[1') == []
    assert decoder.feed(b"]}") == [Frame(b'{"a":[1]}')]
    assert decoder.feed(b"\n") == []
    assert decoder.feed(b',\n"b"') == [Frame(b'"b"')]
    assert decoder.feed(b",12") == []
    assert decoder.feed(b"3]") == [Frame(b"123")]


def test_an_object_alone_is_one_value() -> None:
    frames, decoder = read(b' {"error": {"code": 400}}\n', [3, 9])
    assert [frame.data for frame in frames] == [b'{"error": {"code": 400}}']
    assert decoder.closed
    assert not read(b'{"error": {"code": 400}', [])[1].closed


def test_brackets_that_do_not_match_are_for_whoever_decodes() -> None:
    frames, _ = read(b'[{"a":[1}}, 2]', [])
    assert [frame.data for frame in frames] == [b'{"a":[1}}', b"2"]


def test_depth_is_bounded() -> None:
    inside = b"[" * DEPTH_MAX + b"]" * DEPTH_MAX
    for cuts in ([], list(range(0, len(inside), 3))):
        assert read(b"[" + inside + b"]", cuts)[0] == [Frame(inside)]
        with pytest.raises(MalformedBody, match="deeper"):
            read(b"[[" + inside + b"]]", cuts)


def test_white_space_costs_no_memory() -> None:
    decoder = JSONArrayDecoder()
    decoder.feed(b"[1")
    piece = b" " * 65_536
    tracemalloc.start()
    try:
        decoder.feed(piece)
        before, _ = tracemalloc.get_traced_memory()
        for _ in range(64):
            decoder.feed(piece)
        after, _ = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert after - before < 4_096


@pytest.mark.parametrize("text", [b"\\\\" * 1_000_000, b'\\"' * 1_000_000, b"a" * 2_000_000, b"{" * 2_000_000])
def test_a_long_string_is_one_value_however_it_comes(text: bytes) -> None:
    body = b'[{"a":"' + text + b'"}]'
    expected = [Frame(body[1:-1])]
    assert read(body, [])[0] == expected
    assert read(body, list(range(0, len(body), 1_449)))[0] == expected


@pytest.mark.skipif(recordings_dir() is None, reason="the recordings are not on this machine")
def test_recordings() -> None:
    bodies = [recording.read() for recording in recordings(suffix=".json")]
    assert len(bodies) >= 3
    for body in bodies:
        frames, decoder = read(body, list(range(0, len(body), 7)))
        assert [json.loads(frame.data) for frame in frames] == json.loads(body)
        assert decoder.closed
