"""The fold, held to a slow one that is plainly right: strike out what was superseded, then add up what is left."""

from collections import Counter
from collections.abc import Sequence
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from headwater.domain import event as ev
from headwater.domain.message import Usage
from headwater.domain.snapshot import CallSnapshot, ErrorSnapshot, Fold, Snapshot, ToolCallSnapshot, fold
from headwater.domain.structured_value import value_of

KINDS: dict[type[Any], str] = {ev.Chunk: "text", ev.Reasoning: "reasoning", ev.Refusal: "refusal"}
CALLS = st.sampled_from([None, 1, 2])
WORDS = st.sampled_from(["", "a", "bc", "é\n", "😀"])
USAGES = st.builds(Usage, st.integers(0, 9), st.integers(0, 9), cost_usd=st.none() | st.just(0.5))

STEPS = st.one_of(
    st.builds(ev.Chunk, content=WORDS, index=st.integers(0, 2), call=CALLS),
    st.builds(ev.Reasoning, content=WORDS, index=st.integers(0, 2), call=CALLS),
    st.builds(ev.Refusal, content=WORDS, index=st.integers(0, 1), call=CALLS),
    st.builds(
        ev.ToolCall,
        id=st.sampled_from(["t1", "t2"]),
        name=st.sampled_from(["", "f", "g"]),
        arguments=WORDS,
        done=st.booleans(),
        call=CALLS,
    ),
    st.builds(ev.UsageReport, usage=USAGES, call=CALLS),
    st.builds(
        ev.Call,
        call=st.integers(1, 2),
        role=st.sampled_from(["answer", "internal"]),
        provider=st.just("p"),
        model=st.just("m"),
    ),
    st.builds(
        ev.Field,
        path=st.sampled_from(["", "/a", "/a/0"]),
        value=st.integers(0, 9) | st.sampled_from(["x", [], {}]),
        done=st.booleans(),
        call=CALLS,
        delta=st.booleans(),
    ),
    st.builds(ev.Status, state=st.just("streaming")),
    st.builds(ev.Unknown, name=st.just("later"), data=st.none()),
    # how far back it reaches is settled when its own seq is known
    st.builds(
        ev.Attempt,
        call=st.integers(1, 2),
        number=st.integers(2, 3),
        reason=st.just("r"),
        provider=st.just("q"),
        model=st.just("n"),
        supersedes_from=st.none() | st.integers(0, 100),
    ),
)
ENDS = st.one_of(
    st.none(),
    st.builds(ev.Complete, finish_reason=st.just("stop"), usage=USAGES, result=st.none() | st.integers()),
    st.builds(ev.Cancelled, by=st.just("user"), partial_bytes=st.just(1)),
    st.builds(ev.Error, code=st.just("TIMEOUT"), message=st.just("late"), retryable=st.booleans()),
)


@st.composite
def logs(draw: st.DrawFn) -> list[ev.Record]:
    events = draw(st.lists(STEPS, max_size=30))
    end = draw(ENDS)
    records = []
    for seq, event in enumerate([*events, *([] if end is None else [end])], 1):
        if isinstance(event, ev.Attempt) and event.supersedes_from is not None:
            event = ev.Attempt(
                event.call, event.number, event.reason, event.provider, event.model, 1 + event.supersedes_from % seq
            )
        records.append(ev.Record(seq, seq * 10, event))
    return records


def call_of(event: Any) -> int:
    return event.call or 1


def struck_out(records: Sequence[ev.Record]) -> list[ev.Record]:
    """The records that still count: an attempt strikes its call's output from a seq up to itself."""
    left = list(records)
    for attempt in records:
        match attempt.event:
            case ev.Attempt(call=call, supersedes_from=int(start)):
                left = [
                    record
                    for record in left
                    if not (
                        isinstance(record.event, ev.Chunk | ev.Reasoning | ev.Refusal | ev.ToolCall | ev.Field)
                        and call_of(record.event) == call
                        and start <= record.seq < attempt.seq
                    )
                ]
    return left


def slow_fold(records: Sequence[ev.Record]) -> dict[str, Any]:
    left = [record.event for record in struck_out(records)]
    roles = {event.call: event.role for event in left if isinstance(event, ev.Call)}
    announced: dict[int, CallSnapshot] = {}
    role_then: dict[int, str] = {}
    for event in left:
        if isinstance(event, ev.Call):
            role_then[event.call] = event.role
            announced[event.call] = CallSnapshot(event.call, event.role, event.provider, event.model)
        elif isinstance(event, ev.Attempt):
            role = role_then.get(event.call, "answer")
            announced[event.call] = CallSnapshot(event.call, role, event.provider, event.model, event.number)
    pieces: dict[tuple[int, int, str], str] = {}
    for event in left:
        if type(event) in KINDS:
            key = (call_of(event), event.index, KINDS[type(event)])  # type: ignore[union-attr]
            pieces[key] = pieces.get(key, "") + event.content  # type: ignore[union-attr]
    final = records[-1].event if records and ev.is_final(records[-1].event) else None

    def joined(kind: str) -> str:
        answers = [key for key in sorted(pieces) if key[2] == kind and roles.get(key[0], "answer") == "answer"]
        return "".join(pieces[key] for key in answers)

    fields: dict[int, list[ev.Field]] = {}
    for event in left:
        if isinstance(event, ev.Field) and roles.get(call_of(event), "answer") == "answer":
            fields.setdefault(call_of(event), []).append(event)
    return {
        "text": joined("text"),
        "reasoning": joined("reasoning"),
        "refusal": joined("refusal"),
        "parts": [(*key, pieces[key]) for key in sorted(pieces)],
        "value": value_of(fields[max(fields)]) if fields else getattr(final, "result", None),
        "calls": announced,
    }


@given(logs())
def test_the_fold_is_what_is_left_after_striking_out(records: list[ev.Record]) -> None:
    snapshot, wanted = fold(records), slow_fold(records)
    several = len(wanted["calls"]) > 1
    assert snapshot.seq == len(records)
    for name in ("text", "reasoning", "refusal", "value"):
        assert getattr(snapshot, name) == wanted[name], name
    assert [(part.index, part.kind, part.text) for part in snapshot.parts] == [part[1:] for part in wanted["parts"]]
    assert [part.call for part in snapshot.parts] == [part[0] if several else None for part in wanted["parts"]]
    assert {call.call: (call.role, call.model, call.attempt) for call in snapshot.calls} == {
        number: (call.role, call.model, call.attempt) for number, call in wanted["calls"].items()
    }


@given(logs())
def test_tool_calls_are_what_is_left_after_striking_out(records: list[ev.Record]) -> None:
    wanted: dict[tuple[int, str], list[Any]] = {}
    for record in struck_out(records):
        if isinstance(event := record.event, ev.ToolCall):
            name, arguments, done = wanted.get((call_of(event), event.id), ["", "", False])
            wanted[call_of(event), event.id] = [name or event.name, arguments + event.arguments, done or event.done]
    found = fold(records).tool_calls
    assert [(tool.id, tool.name, tool.arguments, tool.done) for tool in found] == [
        (tool_id, *rest) for (_, tool_id), rest in wanted.items()
    ]


@given(logs())
def test_usage_is_the_newest_of_each_attempt_added_up(records: list[ev.Record]) -> None:
    """Superseded attempts too: they were paid for (I7)."""
    attempts: Counter[int] = Counter()
    newest: dict[tuple[int, int], Usage] = {}
    for _, _, event in records:
        if isinstance(event, ev.Attempt):
            attempts[event.call] += 1
        elif isinstance(event, ev.UsageReport):
            newest[call_of(event), attempts[call_of(event)]] = event.usage
    usage = fold(records).usage
    if records and isinstance(final := records[-1].event, ev.Complete):
        assert usage == final.usage
    elif not newest:
        assert usage is None
    else:
        assert usage is not None
        assert usage.input_tokens == sum(each.input_tokens for each in newest.values())
        costs = [each.cost_usd for each in newest.values()]
        assert usage.cost_usd == (None if None in costs else sum(cost or 0 for cost in costs))


@given(logs(), st.data())
def test_a_fold_goes_on_from_where_it_was_asked(records: list[ev.Record], data: st.DataObject) -> None:
    cut = data.draw(st.integers(0, len(records)))
    state = Fold()
    state.apply_all(records[:cut])
    first = state.snapshot()
    assert first == fold(records[:cut])
    state.apply_all(records[cut:])
    assert state.snapshot() == fold(records)
    assert first == fold(records[:cut]), "a snapshot that was given out must not change"
    assert state.text == state.snapshot().text


@given(logs())
def test_the_fold_of_what_was_written_is_the_fold(records: list[ev.Record]) -> None:
    assert fold([ev.decode_record(ev.encode_record(*record)) for record in records]) == fold(records)


@given(logs())
def test_a_chunk_is_folded_alike_by_the_short_way(records: list[ev.Record]) -> None:
    state = Fold()
    for seq, t, event in records:
        if isinstance(event, ev.Chunk):
            state.apply_text(seq, t, event)
        else:
            state.apply(ev.Record(seq, t, event))
    assert state.snapshot() == fold(records)
    with pytest.raises(ValueError, match="does not follow"):
        state.apply_text(state.seq + 2, 0, ev.Chunk("x", 0))


@pytest.mark.parametrize("seq", [0, 1, 3, 100])
def test_records_come_one_after_another(seq: int) -> None:
    state = Fold()
    state.apply(ev.Record(1, 0, ev.Status("queued")))
    with pytest.raises(ValueError):
        state.apply(ev.Record(seq, 0, ev.Status("queued")))
    assert state.seq == 1


def test_the_ends() -> None:
    answer = [ev.Call(1, "answer", "p", "m"), ev.Chunk("Hi", 0)]

    def ended(end: Any) -> Snapshot:
        return fold([ev.Record(seq, 0, event) for seq, event in enumerate([*answer, end], 1)])

    complete = ended(ev.Complete("length", Usage(1), result={"a": 1}))
    assert (complete.finish_reason, complete.error, complete.value, complete.usage) == (
        "length",
        None,
        {"a": 1},
        Usage(1),
    )
    assert complete.calls == [CallSnapshot(1, "answer", "p", "m", 1, "length")]
    cancelled = ended(ev.Cancelled("user", 2))
    assert (cancelled.finish_reason, cancelled.error, cancelled.text) == (None, None, "Hi")
    failed = ended(ev.Error("TIMEOUT", "late", True, phase="idle"))
    assert (failed.finish_reason, failed.error) == (None, ErrorSnapshot("TIMEOUT", "late", True))
    assert failed.text == "Hi", "the partial is kept"


def test_what_a_superseded_attempt_said_is_gone() -> None:
    events: list[ev.Event] = [
        ev.Call(1, "answer", "p", "m"),
        ev.ToolCall("t", "", "{"),
        ev.ToolCall("t", "wrong", "1", done=True),
        ev.Field("", {"old": 1}, done=True),
        ev.Attempt(1, 2, "cut off", "q", "n", supersedes_from=3),
    ]
    snapshot = fold([ev.Record(seq, 0, event) for seq, event in enumerate(events, 1)])
    assert snapshot.value is None
    assert snapshot.tool_calls == [ToolCallSnapshot(id="t", name="", arguments="{", done=False)]
    assert snapshot.calls == [CallSnapshot(1, "answer", "q", "n", 2)]


def test_superseding_begins_with_the_very_record_that_it_names() -> None:
    events: list[ev.Event] = [
        ev.Call(1, "answer", "p", "m"),
        ev.Chunk("kept", 0),
        ev.Chunk("old", 0),
        ev.ToolCall("t", "f", "{}", done=True),
        ev.Attempt(1, 2, "cut off", "q", "n", supersedes_from=3),
        ev.Chunk(" and new", 0),
    ]
    records = [ev.Record(seq, 0, event) for seq, event in enumerate(events, 1)]
    snapshot = fold(records)
    assert (snapshot.text, snapshot.tool_calls) == ("kept and new", [])
    records[4] = ev.Record(5, 0, ev.Attempt(1, 2, "cut off", "q", "n", supersedes_from=4))
    snapshot = fold(records)
    assert (snapshot.text, snapshot.tool_calls) == ("keptold and new", [])


def test_what_internal_calls_say_is_not_the_answer() -> None:
    events: list[ev.Event] = [
        ev.Call(1, "internal", "p", "m"),
        ev.Chunk("thought", 0, call=1),
        ev.Field("", {"intent": 1}, done=True, call=1),
        ev.Call(2, "answer", "p", "m"),
        ev.Chunk("said", 0, call=2),
    ]
    snapshot = fold([ev.Record(seq, 0, event) for seq, event in enumerate(events, 1)])
    assert snapshot.text == "said"
    assert snapshot.value is None
    assert [(part.call, part.text) for part in snapshot.parts] == [(1, "thought"), (2, "said")]


def test_context_is_in_the_state() -> None:
    snapshot = fold([ev.Record(1, 0, ev.Context({"a": 1})), ev.Record(2, 0, ev.Context({"b": 2}))])
    assert snapshot.state == {"context": {"b": 2}}
