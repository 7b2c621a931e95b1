"""A run's records as AG-UI's events, held to its own types, the same whichever way the log is cut."""

from __future__ import annotations

import json
from typing import Any

import pytest
from ag_ui.core import Event
from hypothesis import given
from hypothesis import strategies as st
from pydantic import TypeAdapter

from headwater.delivery.formats.ag_ui import AGUIStream, Identity
from headwater.domain import event as ev
from headwater.wire.sse import SSEDecoder
from tests.delivery.formats.faces import RUN, USAGE, complete, encoded, rendered

MESSAGE = "msg_" + "0a" * 16
NAMED = {"threadId": "t", "runId": "r"}
_events_of_theirs: TypeAdapter[Any] = TypeAdapter(Event)


def face() -> AGUIStream:
    return AGUIStream(Identity("t", "r", RUN, "m"))


def decoded(data: bytes) -> list[dict[str, Any]]:
    """The events, each one held to the protocol's own model."""
    found = [json.loads(frame.data) for frame in SSEDecoder().feed(data)]
    for each in found:
        _events_of_theirs.validate_python(each)
    return found


def told(events: list[ev.Event]) -> list[dict[str, Any]]:
    """The events after the greeting."""
    return decoded(rendered(face(), encoded(events)))


def test_an_answer_from_start_to_finish() -> None:
    events: list[ev.Event] = [
        ev.Status("streaming"),
        ev.Reasoning("Hm", 0),
        ev.Chunk("Hel", 1),
        ev.Chunk("lo", 1),
        ev.UsageReport(USAGE),
        complete(),
    ]
    stream = face()
    data = stream.greeting(0) + rendered(stream, encoded(events))
    thought, said = {"messageId": f"{MESSAGE}-2"}, {"messageId": f"{MESSAGE}-3"}
    usage = {"inputTokens": 9, "outputTokens": 5, "totalTokens": 14, "reasoningTokens": 3, "cachedInputTokens": 2}
    assert decoded(data) == [
        {"type": "RUN_STARTED", **NAMED, "protocolVersion": "1.0", "metadata": {"run": RUN}},
        {"type": "REASONING_START", **thought},
        {"type": "REASONING_MESSAGE_START", **thought, "role": "reasoning"},
        {"type": "REASONING_MESSAGE_CONTENT", **thought, "delta": "Hm"},
        {"type": "REASONING_MESSAGE_END", **thought},
        {"type": "REASONING_END", **thought},
        {"type": "TEXT_MESSAGE_START", **said, "role": "assistant"},
        {"type": "TEXT_MESSAGE_CONTENT", **said, "delta": "Hel"},
        {"type": "TEXT_MESSAGE_CONTENT", **said, "delta": "lo"},
        {"type": "TEXT_MESSAGE_END", **said},
        {"type": "RUN_FINISHED", **NAMED, "outcome": {"type": "success"}, "usage": [{"model": "m", **usage}]},
    ]
    assert b"[DONE]" not in data
    assert stream.ended


def test_tool_calls_belong_to_what_was_said_before_and_are_all_ended() -> None:
    found = told(
        [
            ev.ToolCall("a", "add", '{"x":'),
            ev.Chunk("So", 0),
            ev.ToolCall("b", "now", ""),
            ev.ToolCall("a", "add", "1}", done=True),
            complete("tool_calls"),
        ]
    )
    assert found[:-1] == [
        {"type": "TOOL_CALL_START", "toolCallId": "a", "toolCallName": "add", "parentMessageId": MESSAGE},
        {"type": "TOOL_CALL_ARGS", "toolCallId": "a", "delta": '{"x":'},
        {"type": "TEXT_MESSAGE_START", "messageId": f"{MESSAGE}-2", "role": "assistant"},
        {"type": "TEXT_MESSAGE_CONTENT", "messageId": f"{MESSAGE}-2", "delta": "So"},
        {"type": "TOOL_CALL_START", "toolCallId": "b", "toolCallName": "now", "parentMessageId": f"{MESSAGE}-2"},
        {"type": "TOOL_CALL_ARGS", "toolCallId": "a", "delta": "1}"},
        {"type": "TOOL_CALL_END", "toolCallId": "a"},
        {"type": "TEXT_MESSAGE_END", "messageId": f"{MESSAGE}-2"},
        {"type": "TOOL_CALL_END", "toolCallId": "b"},
    ]
    assert found[-1]["outcome"] == {"type": "success", "pendingToolCallIds": ["a", "b"]}


def test_what_the_client_refuses_to_patch_is_not_said() -> None:
    found = told(
        [
            ev.Field("", {}, False),
            ev.Field("/__proto__", 1, True),
            ev.Field("", {"__proto__": 2, "a": 1}, False, delta=True),
            ev.Field("/constructor", {}, False),
            ev.Field("/constructor", {"prototype": 3}, True, delta=True),
        ]
    )
    assert [each["delta"] for each in found] == [
        [{"op": "replace", "path": "", "value": {}}],
        [{"op": "add", "path": "/a", "value": 1}],
        [{"op": "add", "path": "/constructor", "value": {}}],
    ]


def test_fields_are_operations_on_the_state() -> None:
    found = told(
        [
            ev.Field("", {}, False),
            ev.Field("/names", [], False),
            ev.Field("/names/0", "An", False),
            ev.Field("/names/0", "Ann", True),
            ev.Field("", {"names": ["Ann"]}, True),
        ]
    )
    assert [each["type"] for each in found] == ["STATE_DELTA"] * 5
    assert [each["delta"] for each in found] == [
        [{"op": "replace", "path": "", "value": {}}],
        [{"op": "add", "path": "/names", "value": []}],
        [{"op": "add", "path": "/names/0", "value": "An"}],
        [{"op": "replace", "path": "/names/0", "value": "Ann"}],
        [{"op": "replace", "path": "", "value": {"names": ["Ann"]}}],
    ]


@pytest.mark.parametrize(
    ("event", "wanted"),
    [
        (
            ev.Annotation("p", {"a": 1}),
            {"type": "CUSTOM", "name": "annotation", "value": {"provider": "p", "value": {"a": 1}}},
        ),
        (
            ev.Status("queued", position=3),
            {"type": "CUSTOM", "name": "status", "value": {"state": "queued", "position": 3}},
        ),
        (ev.Log("info", "x"), {"type": "CUSTOM", "name": "log", "value": {"level": "info", "message": "x"}}),
        (ev.Context({"a": 1}), {"type": "CUSTOM", "name": "context", "value": {"context": {"a": 1}}}),
        (ev.Iteration(2), {"type": "CUSTOM", "name": "iteration", "value": {"number": 2}}),
        (ev.Cancelled("user", 0), {"type": "RUN_FINISHED", **NAMED, "outcome": {"type": "cancelled"}}),
        (ev.Error("TRUNCATED", "Cut.", True), {"type": "RUN_ERROR", "message": "Cut.", "code": "TRUNCATED"}),
    ],
)
def test_what_becomes_one_event(event: ev.Event, wanted: dict[str, Any]) -> None:
    assert told([event]) == [wanted]


@pytest.mark.parametrize(
    "event",
    [
        ev.Status("connecting"),
        ev.Call(1, "answer", "p", "m"),
        ev.Attempt(1, 2, "x", "p", "m"),
        ev.UsageReport(USAGE),
        ev.Unknown("odd", {}),
    ],
    ids=lambda event: event.type,
)
def test_what_is_not_shown(event: ev.Event) -> None:
    assert told([event]) == []


def test_an_application_s_result_is_the_run_s() -> None:
    assert told([ev.Complete("stop", USAGE, result={"a": 1})])[-1]["result"] == {"a": 1}


def test_what_a_call_says_for_the_application_alone_is_not_shown() -> None:
    events: list[ev.Event] = [
        ev.Call(1, "internal", "p", "m"),
        ev.Chunk("secret", 0, call=1),
        ev.Field("/a", 1, True, 1),
    ]
    assert told(events) == []


def test_a_failure_is_an_event_and_never_a_status() -> None:
    stream = face()
    data = rendered(stream, encoded([ev.Error("AUTH", "No key.", False)]))
    assert stream.refusal(data) is None
    assert stream.ended


def test_who_is_still_there_at_the_end_of_the_server_is_told() -> None:
    stream = face()
    (only,) = decoded(stream.farewell(1000))
    assert (only["type"], only["code"]) == ("RUN_ERROR", "DRAINING")
    assert stream.ended


def test_a_heartbeat_is_a_comment() -> None:
    assert decoded(face().heartbeat) == []


_events = st.one_of(
    st.builds(ev.Chunk, content=st.text(max_size=8), index=st.integers(0, 2), call=st.sampled_from([None, 1, 2])),
    st.builds(ev.Reasoning, content=st.text(max_size=8), index=st.integers(0, 2)),
    st.builds(ev.Field, path=st.sampled_from(["", "/a", "/a/0"]), value=st.integers(), done=st.booleans()),
    st.builds(
        ev.ToolCall, id=st.sampled_from("abc"), name=st.just("f"), arguments=st.text(max_size=4), done=st.booleans()
    ),
    st.just(ev.Call(2, "internal", "p", "m")),
)
_ends = st.sampled_from(
    [complete(), complete("tool_calls"), ev.Error("TRUNCATED", "Cut.", True), ev.Cancelled("user", 0)]
)


@given(st.lists(_events, max_size=30), _ends, st.sets(st.integers(1, 30)), st.sets(st.integers(1, 30)))
def test_the_bytes_do_not_depend_on_how_the_log_is_cut(
    events: list[ev.Event], end: ev.Event, cuts: set[int], others: set[int]
) -> None:
    payloads = encoded([*events, end])
    whole = rendered(face(), payloads)
    cuts = {cut for cut in cuts if cut < len(payloads)}
    stream = face()
    assert rendered(stream, payloads, cuts) == whole
    # Again by the same face, which has seen it all: a page may be made a second time, from any place.
    assert rendered(stream, payloads, {cut for cut in others if cut < len(payloads)}) == whole
    for cut in cuts:
        assert whole.startswith(rendered(face(), payloads[:cut]))


@given(st.lists(_events, max_size=30), _ends)
def test_whatever_was_begun_is_ended(events: list[ev.Event], end: ev.Event) -> None:
    begun: list[tuple[str, str]] = []
    for each in told([*events, end]):
        kind, _, what = each["type"].rpartition("_")
        named = (kind, each.get("messageId") or each.get("toolCallId") or "")
        if what == "START":
            assert named not in begun
            begun.append(named)
        elif what == "END":
            begun.remove(named)
    assert begun == []
