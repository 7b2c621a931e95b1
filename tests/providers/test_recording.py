"""Recorded bodies, cut as they came or after each event."""

import json
from itertools import pairwise
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from headwater.errors import ConfigError
from headwater.providers.recording import MS_PER_EVENT, as_arrived, evenly, load_recording
from tests.recordings import recordings, recordings_dir


def bytes_of(pieces: list[tuple[float, bytes]]) -> bytes:
    return b"".join(piece for _, piece in pieces)


@pytest.mark.parametrize("end", [b"\n", b"\r", b"\r\n"])
def test_an_even_pace_is_cut_after_each_event(end: bytes) -> None:
    events = [b"event: a" + end + b"data: 1" + end + end, b"data: 2" + end + end, b"data: [DO"]
    pieces = list(evenly(b"".join(events), 30).pieces)
    assert pieces == [(30, events[0]), (60, events[1]), (90, events[2])]


def test_one_crlf_does_not_end_an_event() -> None:
    assert [piece for _, piece in evenly(b"a: 1\r\nb: 2\r\n\r\n", 1).pieces] == [b"a: 1\r\nb: 2\r\n\r\n"]


def test_a_json_array_is_cut_after_each_value() -> None:
    values = [b'[{\n  "a": [\n    1,\n    2\n  ]\n}\n,\n', b'{\n  "b": 2\n}\n,\n', b"{}\n]"]
    assert [piece for _, piece in evenly(b"".join(values), 1).pieces] == values


def test_nothing_has_no_pieces() -> None:
    assert list(evenly(b"", 1).pieces) == []


@given(st.binary(max_size=200), st.lists(st.sampled_from([b"\n", b"\r", b"\r\n", b"x"]), max_size=40))
def test_no_byte_is_lost_or_moved(some: bytes, more: list[bytes]) -> None:
    body = some + b"".join(more)
    pieces = list(evenly(body, 5).pieces)
    assert bytes_of(pieces) == body
    assert all(piece for _, piece in pieces)


def test_a_recorded_timing_cuts_as_it_came(tmp_path: Path) -> None:
    file = tmp_path / "a.sse"
    file.write_bytes(b"abcdef")
    timing = tmp_path / "a.timing.json"
    timing.write_text(json.dumps({"status": 200, "arrivals_ms_bytes": [[10.5, 2], [10.5, 0], [900, 4]]}))
    assert list(load_recording(file).pieces) == [(10.5, b"ab"), (10.5, b""), (900, b"cdef")]
    assert list(load_recording(file, 7).pieces) == [(7, b"abcdef")]
    timing.unlink()
    assert list(load_recording(file).pieces) == [(MS_PER_EVENT, b"abcdef")]


@pytest.mark.parametrize("arrivals", [[(1.0, 2)], [(1.0, 9)], [(2.0, 2), (1.0, 4)], [(1.0, 8), (2.0, -2)]])
def test_times_of_other_bytes_are_refused(arrivals: list[tuple[float, int]]) -> None:
    with pytest.raises(ConfigError, match=r"a\.timing\.json"):
        as_arrived(b"abcdef", arrivals, Path("a.timing.json"))


@pytest.mark.parametrize("content", ["", "{}", "[]", '{"arrivals_ms_bytes": [["1", "2"]]}'])
def test_a_timing_that_is_none_is_refused(tmp_path: Path, content: str) -> None:
    (tmp_path / "a.sse").write_bytes(b"x")
    (tmp_path / "a.timing.json").write_text(content)
    with pytest.raises(ConfigError, match=r"timing\.json can not be read"):
        load_recording(tmp_path / "a.sse")


def test_a_file_that_is_not_there_is_named(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"none\.sse can not be read: No such file"):
        load_recording(tmp_path / "none.sse")
    with pytest.raises(ConfigError, match="can not be read"):
        load_recording(tmp_path)


def test_a_file_that_is_too_large_is_refused(tmp_path: Path) -> None:
    with (tmp_path / "a.sse").open("wb") as file:
        file.truncate((64 << 20) + 1)
    with pytest.raises(ConfigError, match="64 MiB"):
        load_recording(tmp_path / "a.sse")


@pytest.mark.skipif(recordings_dir() is None, reason="the recorded streams are not on this machine")
def test_every_recording_with_its_times_can_be_played() -> None:
    timed = [each for each in recordings() if each.path.with_suffix(".timing.json").exists()]
    assert timed
    for each in timed:
        pieces = list(load_recording(each.path).pieces)
        assert bytes_of(pieces) == each.read()
        assert len(pieces) > 5
        assert all(before <= after for (before, _), (after, _) in pairwise(pieces))
