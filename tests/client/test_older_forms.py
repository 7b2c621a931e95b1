"""The corners of the older forms. What whole streams are is in spec/cases/forms.json."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from headwater.client.errors import ParseError
from headwater.client.forms import Form, settle
from headwater.client.older_forms import OpenAIChunks, RawText, Tokens, Typed, json_object
from headwater.domain import event as ev
from headwater.wire.sse import Frame


def frame(value: object) -> Frame:
    return Frame(json.dumps(value).encode())


def events(form: Form, *values: object) -> list[ev.Event]:
    return [record.event for value in values for record in form.read(frame(value))]


@pytest.mark.parametrize("data", [b"{", b"[{}]", b"12", b"", b"null", b'{"a":1}{}', b"\xff{}"])
def test_only_an_object_is_an_object(data: bytes) -> None:
    assert json_object(data) is None


def test_white_space_around_an_object_is_none_of_it() -> None:
    assert json_object(b' \n{"a": 1}\t') == {"a": 1}


def test_bytes_that_are_no_text_are_replaced() -> None:
    assert [record.event for record in RawText().read(Frame(b"a\xffb"))] == [ev.Chunk("a�b", 0)]


@pytest.mark.parametrize("form", [Tokens(), Typed(), OpenAIChunks()])
def test_what_is_no_object_is_named_without_what_it_held(form: Form) -> None:
    with pytest.raises(ParseError) as caught:
        form.read(Frame(b"secret-value"))
    assert "secret" not in str(caught.value)


@pytest.mark.parametrize(
    ("error", "code", "message"),
    [
        ({"error": {"message": "Too long.", "code": "context_length"}}, "CONTEXT_LENGTH", "Too long."),
        ({"error": {"code": 429}}, "SERVER", "The server reported an error"),
        ({"error": "It broke."}, "SERVER", "It broke."),
        ({"error": "auth", "message": "Who are you?"}, "AUTH", "Who are you?"),
        ({"error": True}, "SERVER", "The server reported an error"),
    ],
)
@pytest.mark.parametrize("form", [Tokens, Typed, OpenAIChunks])
def test_errors_have_a_known_code_and_a_sentence(form: type, error: object, code: str, message: str) -> None:
    assert events(form(), error) == [ev.Error(code, message, False)]


def test_tool_calls_side_by_side_keep_apart_and_end_together() -> None:
    form = OpenAIChunks()

    def call(place: int, **members: Any) -> dict[str, Any]:
        return {"choices": [{"delta": {"tool_calls": [{"index": place, **members}]}}]}

    seen = events(
        form,
        call(0, id="a", function={"name": "f", "arguments": ""}),
        call(1, id="b", function={"name": "g", "arguments": "{"}),
        call(0, function={"arguments": "{}"}),
        call(1, function={"arguments": "}"}),
        {"choices": [{"delta": {}, "finish_reason": "function_call"}]},
    )
    seen += [record.event for record in form.end()]
    arguments = {"a": "", "b": ""}
    for event in seen:
        if isinstance(event, ev.ToolCall):
            arguments[event.id] += event.arguments
    assert arguments == {"a": "{}", "b": "{}"}
    assert [(event.id, event.name) for event in seen if isinstance(event, ev.ToolCall) and event.done] == [
        ("a", "f"),
        ("b", "g"),
    ]
    assert isinstance(seen[-1], ev.Complete)
    assert seen[-1].finish_reason == "tool_calls"


NAMES = """type chunk content token done fullText error choices delta index tool_calls finish_reason usage function
message progress code seq t data reasoning"""
MEMBERS = st.sampled_from(NAMES.split())
JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(MEMBERS, inner, max_size=4),
    max_leaves=8,
)


@given(st.lists(st.dictionaries(MEMBERS, JSON | st.sampled_from(["chunk", "error", "done"]), max_size=5), max_size=5))
def test_any_objects_are_records_or_a_typed_error(values: list[dict[str, Any]]) -> None:
    form: Form | None = None
    seqs: list[int] = []
    try:
        for value in values:
            form = form or settle(frame(value))
            seqs += [record.seq for record in form.read(frame(value))]
    except ParseError:
        return
    if form is not None and form.name != "envelope":
        seqs += [record.seq for record in form.end()]
        assert seqs == list(range(1, len(seqs) + 1))
