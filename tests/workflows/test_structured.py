"""A structured answer: told behind the text that it was read from, taken back with it, and judged at its end."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator, Sequence
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from headwater.domain import event as ev
from headwater.domain.message import GenerationRequest, Message
from headwater.domain.run import LOCAL_OWNER, RunRequest
from headwater.domain.snapshot import fold
from headwater.runs.ending import RESULT_BYTES_MAX
from headwater.workflows.answer_schema import Flaw
from headwater.workflows.structured import RESULT_VALUE_BYTES_MAX, StructuredAnswer, structured

SCHEMA = {"type": "object", "required": ["a"], "properties": {"a": {"type": "integer"}}}
BEGUN = ev.Call(1, "answer", "p", "m")


def again(supersedes_from: int | None) -> ev.Attempt:
    return ev.Attempt(1, 2, "TIMEOUT", "p", "m", supersedes_from)


def chunks(*texts: str, call: int | None = None) -> list[ev.Event]:
    return [ev.Chunk(text, 0, call) for text in texts]


def judged(*texts: str, schema: dict[str, Any] | None = SCHEMA) -> StructuredAnswer:
    answer = StructuredAnswer(schema)
    answer.take(chunks(*texts))
    return answer


class Context:
    """A call that yields these lists."""

    run = "run_1"
    owner = LOCAL_OWNER

    def __init__(self, lists: Sequence[list[ev.Event]], before: Sequence[ev.Event] = ()) -> None:
        self.request = RunRequest("m", messages=[Message("user", "Hi")])
        self.clock: Any = None
        self.documents: Any = None
        self.before = before
        self.roles: list[ev.Role] = []
        self._lists = lists

    def can(self, capability: str) -> bool:
        return True

    async def generate(self, request: GenerationRequest, *, role: ev.Role = "answer") -> AsyncIterator[list[ev.Event]]:
        self.roles.append(role)
        for events in self._lists:
            yield events

    def set_result(self, value: object) -> None:
        raise AssertionError("what the result is, the workflow says")


async def told(context: Context, answer: StructuredAnswer) -> list[list[ev.Event]]:
    request = GenerationRequest("m", context.request.messages)
    return [events async for events in structured(context, request, answer, role="internal")]


def snapshot_of(*events: ev.Event) -> Any:
    return fold([ev.Record(seq, 0, event) for seq, event in enumerate(events, 1)])


async def test_what_becomes_known_stands_behind_its_text() -> None:
    first, second, third = [BEGUN, *chunks('{"a"')], [*chunks(": 1, "), ev.Reasoning("x", 0)], chunks('"b": "c"}')
    context = Context([[ev.Status("streaming")], first, second, third])
    answer = StructuredAnswer(SCHEMA)
    assert await told(context, answer) == [
        [ev.Status("streaming")],
        [*first, ev.Field("", {}, False)],
        [*second, ev.Field("/a", 1, True)],
        [*third, ev.Field("/b", "c", True), ev.Field("", {}, True, delta=True)],
    ]
    assert context.roles == ["internal"]
    assert answer.verdict().value == {"a": 1, "b": "c"}


async def test_a_number_that_is_all_of_the_answer_is_told_at_its_end() -> None:
    answer = StructuredAnswer({"type": "integer"})
    assert (await told(Context([chunks("4", "2")]), answer))[-1] == [ev.Field("", 42, True)]
    assert answer.verdict().is_valid


def test_fields_bear_the_number_of_their_call() -> None:
    answer = StructuredAnswer(SCHEMA)
    assert [field.call for field in answer.take([ev.Call(3, "internal", "p", "m"), *chunks('{"a"', call=3)])] == [3]


def test_a_superseded_attempt_is_taken_back_with_what_it_told() -> None:
    answer = StructuredAnswer(SCHEMA)
    events: list[ev.Event] = [BEGUN]
    for part in (chunks('{"a": 1, "x'), [again(2)], chunks('{"a"'), chunks(": 2}")):
        events += [*part, *answer.take(part)]
    snapshot = snapshot_of(*events)
    assert (answer.text, snapshot.text) == ('{"a": 2}', '{"a": 2}')
    assert answer.value == snapshot.value == {"a": 2}
    assert answer.verdict().is_valid


def test_what_comes_with_the_attempt_that_takes_it_back_is_not_told() -> None:
    answer = StructuredAnswer(SCHEMA)
    assert answer.take([*chunks('{"old": 1'), again(2), *chunks('{"new": 2}')]) == [ev.Field("", {"new": 2}, True)]


def test_an_attempt_that_takes_nothing_back_goes_on() -> None:
    answer = judged('{"a": ')
    answer.take([again(None), *chunks("1}")])
    assert answer.verdict().value == {"a": 1}


# ── after a crash ───────────────────────────────────────────────────────────────────────────────────


@given(st.integers(0, 3), st.integers(0, 3))
def test_after_a_crash_the_log_s_answer_goes_on(cut: int, lost: int) -> None:
    """`cut` lists had been logged, but for the last fields, which were on their way."""
    answer = StructuredAnswer(SCHEMA)
    logged: list[ev.Event] = [BEGUN]
    parts = ['{"a": 1, "b": "on', 'e", "c": [[1, 2', '], [3]], "d": "x', 'y"}']
    for part in parts[:cut]:
        logged += [*chunks(part), *answer.take(chunks(part))]
    while lost and isinstance(logged[-1], ev.Field):
        logged.pop()
        lost -= 1
    resumed = StructuredAnswer(SCHEMA)
    rest: list[ev.Event] = [*resumed.went_before(logged)]
    for part in parts[cut:]:
        rest += [*chunks(part), *resumed.take(chunks(part))]
    whole = json.loads("".join(parts))
    assert snapshot_of(*logged, *rest).value == resumed.verdict().value == whole


async def test_what_went_before_counts_only_where_its_call_goes_on() -> None:
    before = [BEGUN, *chunks('{"a": 1, "b": "x'), ev.Field("", {"a": 1, "b": "x"}, False)]
    goes_on = StructuredAnswer(SCHEMA)
    assert await told(Context([[ev.Status("connecting")], chunks('y"}')], before), goes_on) == [
        [ev.Status("connecting")],
        [*chunks('y"}'), ev.Field("/b", "y", True, delta=True), ev.Field("", {}, True, delta=True)],
    ]
    assert goes_on.verdict().value == {"a": 1, "b": "xy"}
    anew = StructuredAnswer(SCHEMA)
    await told(Context([[ev.Call(2, "answer", "p", "m")], chunks('{"a": 2}', call=2)], before), anew)
    assert anew.text == '{"a": 2}'


async def test_fields_that_a_crash_has_lost_are_told_at_once() -> None:
    before = [BEGUN, *chunks('{"a": 1')]
    lists = await told(Context([[ev.Status("reattaching")], chunks("}")], [*before, *chunks(', "b": 2, ')]), judged())
    assert lists[0] == [ev.Field("", {"a": 1, "b": 2}, False)]


# ── the verdict ─────────────────────────────────────────────────────────────────────────────────────


def test_an_answer_as_it_was_asked_for() -> None:
    verdict = judged('{"a": 1}').verdict()
    assert (verdict.value, verdict.text, verdict.is_valid, verdict.repairs, verdict.errors) == (
        *({"a": 1}, '{"a": 1}', True, []),
        [],
    )


def test_what_was_passed_over_is_no_fault_and_is_noted() -> None:
    verdict = judged('Sure!\n```json\n{"a": 1,}\n```').verdict()
    assert (verdict.value, verdict.is_valid) == ({"a": 1}, True)
    assert verdict.repairs == ["fence", "prose", "trailing_comma"]


def test_a_value_that_the_schema_does_not_take_is_kept_with_its_faults() -> None:
    verdict = judged('{"a": "one"}').verdict()
    assert (verdict.value, verdict.is_valid) == ({"a": "one"}, False)
    assert verdict.errors == [Flaw("schema", "/a", 'the value is not of type "integer"')]


@pytest.mark.parametrize(
    ("text", "code", "value"),
    [
        ("No.", "no_json", None),
        ('{"a": 1, "b": "c', "unfinished", {"a": 1, "b": "c"}),
        ('{"a": 1, b}', "malformed", {"a": 1}),
    ],
)
def test_what_is_no_whole_json_is_never_valid(text: str, code: str, value: Any) -> None:
    verdict = judged(text).verdict()
    assert (verdict.value, verdict.text, verdict.is_valid, verdict.repairs) == (value, text, False, [])
    assert [flaw.code for flaw in verdict.errors] == [code]


def test_of_several_values_the_one_that_the_schema_takes_is_the_answer() -> None:
    answer = judged('For example {"x": 1}; the ', 'answer: {"a": 2}', ' {"a": 3}')
    verdict = answer.verdict()
    assert (verdict.value, verdict.is_valid, verdict.repairs) == ({"a": 2}, True, ["other_value", "prose"])
    none = judged('{"x": 1}', '{"a": "two"}').verdict()
    assert (none.value, [flaw.path for flaw in none.errors]) == ({"x": 1}, [""])


def test_thinking_is_not_the_answer_and_stays_in_the_text() -> None:
    verdict = judged("<think>", '{"a": 1}', "</think>", '{"a": 2}').verdict()
    assert (verdict.value, verdict.repairs, verdict.text) == ({"a": 2}, ["thinking"], '<think>{"a": 1}</think>{"a": 2}')


def test_what_was_told_of_thinking_that_nothing_opened_is_taken_back() -> None:
    answer = StructuredAnswer(SCHEMA)
    events: list[ev.Event] = [BEGUN]
    values = []
    for part in (chunks('Maybe {"a": 1, "b": [3]}? No.'), chunks("\n</think>\n"), chunks('{"a": 2'), chunks("}")):
        events += [*part, *answer.take(part)]
        values.append(snapshot_of(*events).value)
    assert values == [{"a": 1, "b": [3]}, None, {}, {"a": 2}]
    assert answer.verdict().is_valid


def test_an_attempt_that_supersedes_begins_outside_of_thinking() -> None:
    answer = judged('<think>{"a": 1}')
    answer.take([again(2), *chunks('{"a": 2}')])
    assert answer.verdict().value == {"a": 2}


def test_a_value_that_takes_too_much_work_is_not_left_for_another_one() -> None:
    """Else each of them would be tried."""
    heavy = {"type": "object", "additionalProperties": {"pattern": "(a|b){1000}x"}}
    verdict = judged('{"a": "' + "ab" * 5000 + '"}', "{}", schema=heavy).verdict()
    assert [flaw.code for flaw in verdict.errors] == ["unchecked"]
    assert verdict.value.keys() == {"a"}


def test_without_a_schema_any_object_will_do() -> None:
    assert judged('[1] {"x": 1}', schema=None).verdict().value == {"x": 1}
    assert judged('{"x": 1}', schema=None).verdict().is_valid


def test_a_result_has_no_value_that_is_too_long_for_it() -> None:
    judgement = {"is_valid": True, "repairs": [], "errors": []}
    assert judged('{"a": 1}').verdict().result() == {"value": {"a": 1}, **judgement}
    long = judged('{"a": 1, "b": "' + "x" * RESULT_VALUE_BYTES_MAX + '"}')
    assert long.verdict().result() == {"value": None, "is_value_left_out": True, **judgement}


def test_the_longest_verdict_is_a_result() -> None:
    names = [f"{number:02}" + "n" * 500 for number in range(40)]
    schema = {"type": "object", "required": names, "properties": {"a": {"enum": ["e" * 5000] * 9}}}
    answer = judged('{"a": "' + "\\u0001" * 10_000 + '"}', schema=schema)
    assert len(json.dumps(answer.verdict().result())) < 96 * 1024


def test_faults_whose_paths_are_long_are_told_as_far_as_they_fit() -> None:
    name = "🌊" * 240
    text = json.dumps({f"{number}{name}": {name: 1} for number in range(25)}, ensure_ascii=False)
    schema = {"additionalProperties": {"additionalProperties": {"type": "string"}}}
    verdict = judged(text, schema=schema).verdict()
    assert len(verdict.errors) == 20
    result = verdict.result()
    assert result["errors"] == msgspec.to_builtins(verdict.errors[: len(result["errors"])]) != []
    assert len(result["errors"]) < 20
    assert len(msgspec.json.encode({**result, "value": "v" * RESULT_VALUE_BYTES_MAX})) < RESULT_BYTES_MAX
