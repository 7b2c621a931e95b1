"""Bodies: bounded before anything is made of them, and what is wrong with one is said with a pointer."""

import json
import tracemalloc
from pathlib import Path
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from headwater.api.body import (
    DEPTH_MAX,
    NAME_CHARS_MAX,
    VALUES_MAX,
    Disconnected,
    check_shape,
    decode_body,
    explain,
    read_body,
)
from headwater.domain.run import RunRequest
from headwater.errors import BadRequestError, RefusedError, TooLargeError
from tests.corpora import corpora_dir

ANY: msgspec.json.Decoder[Any] = msgspec.json.Decoder()
RUN = msgspec.json.Decoder(RunRequest)


def nested(depth: int, pair: str = "[]") -> bytes:
    return (pair[0] * depth + pair[1] * depth).encode()


# ── shape ───────────────────────────────────────────────────────────────────────────────────────────


def test_the_deepest_that_is_taken() -> None:
    check_shape(nested(DEPTH_MAX))
    check_shape(b'{"a":' * DEPTH_MAX + b"1" + b"}" * DEPTH_MAX)
    with pytest.raises(TooLargeError):
        check_shape(nested(DEPTH_MAX + 1))
    with pytest.raises(TooLargeError):
        check_shape(b'{"a":' * (DEPTH_MAX + 1))


@pytest.mark.parametrize(
    "text",
    ["[" * 1000, '"' + "{" * 500, '\\"[', "\\", "\\\\", '\\\\"[[', "]]]]", '"', "\\u0022" + "[" * 100, "é[" * 100],
)
def test_brackets_in_strings_are_text(text: str) -> None:
    body = json.dumps({text: [text, text]}).encode()
    check_shape(body)
    with pytest.raises(TooLargeError):
        check_shape(body[:-1] + b',"deep":' + nested(DEPTH_MAX) + b"}")


def depth_of(value: Any) -> int:
    if isinstance(value, dict | list):
        inner = value.values() if isinstance(value, dict) else value
        return 1 + max(map(depth_of, inner), default=0)
    return 0


@given(
    st.recursive(
        st.none() | st.integers() | st.text(st.sampled_from('[]{}",:\\\né')),
        lambda inner: st.lists(inner) | st.dictionaries(st.text(st.sampled_from('[]{}",:\\')), inner),
    ),
    st.integers(0, DEPTH_MAX),
)
def test_the_depth_is_that_of_the_parsed_value(value: Any, wrapped: int) -> None:
    body = b"[" * wrapped + json.dumps(value, ensure_ascii=False).encode() + b"]" * wrapped
    if wrapped + depth_of(value) > DEPTH_MAX:
        with pytest.raises(TooLargeError):
            check_shape(body)
    else:
        check_shape(body)


@given(st.binary(max_size=100), st.integers(0, 3))
def test_no_bytes_reach_the_parser_deeper_than_they_may(body: bytes, wrapped: int) -> None:
    try:
        value = decode_body(b"[" * wrapped * 30 + body, ANY)
    except RefusedError:
        return
    assert depth_of(value) <= DEPTH_MAX


@given(st.text(st.sampled_from('[]{}",:\\1'), max_size=300))
def test_the_parser_never_runs_out_of_stack(text: str) -> None:
    try:
        decode_body(text.encode() * 20, ANY)
    except RefusedError:
        pass


@pytest.mark.parametrize(
    "bomb",
    [
        b"[" * (8 << 20),
        b'{"a":' * 1_600_000,
        b"[]," * 2_700_000,
        b"0," * 4_000_000,
        b'"",' * 2_700_000,
        b'"' * (8 << 20),
        b"\\" * (8 << 20),
        b'\\"' * (4 << 20),
    ],
)
def test_a_bomb_costs_no_more_than_a_few_of_its_own_size(bomb: bytes) -> None:
    tracemalloc.start()
    try:
        with pytest.raises(RefusedError):
            decode_body(bomb, ANY)
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert peak < 4 * len(bomb)


def test_the_number_of_values_is_bounded() -> None:
    check_shape(b"[" + b"0," * (VALUES_MAX - 3) + b"0]")
    with pytest.raises(TooLargeError):
        check_shape(b"[" + b"0," * VALUES_MAX + b"0]")


# ── JSON ────────────────────────────────────────────────────────────────────────────────────────────


def json_cases() -> list[Path]:
    directory = corpora_dir()
    return [] if directory is None else sorted((directory / "json" / "test_parsing").glob("*.json"))


@pytest.mark.skipif(corpora_dir() is None, reason="the corpora are not on this machine")
def test_json_is_what_the_test_suite_says() -> None:
    wrong = []
    cases = json_cases()
    for path in cases:
        try:
            decode_body(path.read_bytes(), ANY)
            taken = True
        except RefusedError:
            taken = False
        if path.name[0] != "i" and taken != (path.name[0] == "y"):
            wrong.append(path.name)
    assert len(cases) > 300
    assert wrong == []


# ── pointers ────────────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize(
    ("body", "pointer"),
    [
        (b"{}", "/model"),
        (b'{"model":1}', "/model"),
        (b'{"model":"m","n":1}', "/n"),
        (b'{"model":"m","a/b~c":1}', "/a~1b~0c"),
        (b'{"model":"m","settings":{"n":1}}', "/settings/n"),
        (b'{"model":"m","settings":{"temperature":"hot"}}', "/settings/temperature"),
        (b'{"model":"m","limits":{"total_s":null}}', "/limits/total_s"),
        (b'{"model":"m","messages":[{"role":"user"},{"role":"robot"}]}', "/messages/1/role"),
        (b'{"model":"m","messages":[{"content":""}]}', "/messages/0/role"),
        (
            b'{"model":"m","messages":[{"role":"user","content":[{"type":"text","text":1}]}]}',
            "/messages/0/content/0/text",
        ),
        (b'{"model":"m","messages":[{"role":"user","content":[{"type":"film"}]}]}', "/messages/0/content/0/type"),
        (b'{"model":"m","metadata":{"k":1}}', "/metadata"),
        (b'{"model":"m","settings":{"tool_choice":{"name":"f","n":1}}}', "/settings/tool_choice/n"),
        (b"[]", ""),
        (b"", ""),
        (b"nonsense", ""),
        (b'{"model":"\xff"}', ""),
        (b'{"model":"\\ud800"}', ""),
        (b'\xef\xbb\xbf{"model":"m"}', ""),
        (b'{"model":"m"} {}', ""),
        (b'{"model":"m","input":NaN}', ""),
        (b'{"model":"m","input":' + b"9" * 5000 + b"}", "/input"),
    ],
)
def test_the_pointer_says_where(body: bytes, pointer: str) -> None:
    with pytest.raises(BadRequestError) as refused:
        decode_body(body, RUN)
    assert refused.value.extra == {"pointer": pointer}
    assert "$" not in refused.value.message


@given(st.text(st.characters(codec="utf-8"), max_size=NAME_CHARS_MAX))
def test_any_name_of_a_field_is_pointed_to(name: str) -> None:
    pointer = "/"
    try:
        decode_body(msgspec.json.encode({"model": "m", name: 1}), RUN)
    except BadRequestError as refused:  # else it is a field that takes anything
        pointer = str(refused.extra["pointer"])
    assert pointer.startswith("/")


def test_what_was_sent_is_not_repeated() -> None:
    with pytest.raises(BadRequestError) as refused:
        decode_body(b'{"model":"m","metadata":{"a":["secret"]},"input":"secret"}', RUN)
    assert "secret" not in refused.value.message


@pytest.mark.parametrize(
    ("chars", "pointer"), [(NAME_CHARS_MAX, "/settings/" + "x" * NAME_CHARS_MAX), (10_000, "/settings")]
)
def test_a_pointer_is_no_longer_than_a_name_can_be(chars: int, pointer: str) -> None:
    assert explain(f"Object contains unknown field `{'x' * chars}` - at `$.settings`")[1] == pointer


def test_explaining_a_message_without_a_path() -> None:
    assert explain("Expected `object`, got `array`") == ("Expected `object`, got `array`.", "")


# ── reading ─────────────────────────────────────────────────────────────────────────────────────────


class Incoming:
    """Pieces of a body as ASGI gives them; None is the client's leaving."""

    def __init__(self, *pieces: bytes | None) -> None:
        self.pieces = list(pieces)

    async def __call__(self) -> Any:
        piece = self.pieces.pop(0)
        if piece is None:
            return {"type": "http.disconnect"}
        return {"type": "http.request", "body": piece, "more_body": bool(self.pieces)}


async def test_a_body_comes_in_pieces() -> None:
    assert await read_body(Incoming(b"a", b"", b"bc"), length=3, bytes_max=3) == b"abc"


async def test_a_length_that_is_too_large_is_refused_unread() -> None:
    incoming = Incoming(b"a")
    with pytest.raises(TooLargeError):
        await read_body(incoming, length=4, bytes_max=3)
    assert incoming.pieces == [b"a"]


@pytest.mark.parametrize("length", [None, 1])
async def test_a_body_that_grows_too_large_is_read_no_further(length: int | None) -> None:
    incoming = Incoming(b"ab", b"cd", b"ef", b"gh")
    with pytest.raises(TooLargeError):
        await read_body(incoming, length=length, bytes_max=3)
    assert incoming.pieces == [b"ef", b"gh"]


async def test_a_client_that_leaves_is_not_answered() -> None:
    with pytest.raises(Disconnected):
        await read_body(Incoming(b"a", None), length=None, bytes_max=3)
