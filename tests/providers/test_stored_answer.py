"""What a stored run's answer says again, and what it leaves out."""

import pytest

from headwater.domain import event as ev
from headwater.domain.message import Usage
from headwater.errors import ErrorCode, ProviderError, Truncated
from headwater.providers.contract import Finish, Item
from headwater.providers.stored_answer import StoredAnswer


def answer_of(*events: ev.Event) -> tuple[StoredAnswer, list[ev.Record]]:
    records = [ev.Record(seq, seq * 10, event) for seq, event in enumerate(events, 1)]
    answer = StoredAnswer()
    for record in records:
        answer.note(record)
    return answer, records


def items_of(*events: ev.Event) -> list[Item]:
    answer, records = answer_of(*events)
    return [item for record in records for item in answer.items(record)]


def call(number: int, role: str = "answer") -> ev.Call:
    return ev.Call(number, role, "openai", "gpt")


def test_output_is_said_again_as_it_was() -> None:
    output: list[ev.Event] = [
        ev.Reasoning("why", 0),
        ev.Chunk("a", 0, logprobs=[{"token": "a"}]),
        ev.Refusal("no", 1),
        ev.ToolCall("id", "f", "{}", done=True, index=2),
        ev.Annotation("openai", {"url": "u"}, 0),
        ev.ProviderData("openai", "sealed", 3),
    ]
    assert items_of(ev.Status("connecting"), call(1), ev.Status("streaming"), *output) == output


def test_what_belongs_to_the_run_is_left_out() -> None:
    events: list[ev.Event] = [
        ev.Context({"a": 1}),
        ev.Log("info", "x"),
        ev.Iteration(1),
        ev.Field("", 1, True),
        ev.Unknown("new", 1),
    ]
    assert items_of(call(1), *events) == []


@pytest.mark.parametrize("role", ["internal", "a_later_one"])
def test_internal_calls_are_left_out(role: str) -> None:
    said: list[ev.Event] = [
        ev.Chunk("plan", 0),
        ev.UsageReport(Usage(1)),
        ev.Chunk("answer", 0, call=2),
        ev.UsageReport(Usage(2), 2),
    ]
    assert items_of(call(1, role), call(2), *said) == [
        ev.Chunk("answer", 0),
        ev.UsageReport(Usage(2, cost_usd=0.0)),
    ]


def test_several_answers_become_one_in_the_order_of_their_calls() -> None:
    said: list[ev.Event] = [ev.Chunk("b", 0, call=3), ev.Chunk("a1", 0), ev.Chunk("a2", 4), ev.Chunk("B", 0, call=3)]
    assert items_of(call(1), call(3), *said) == [
        ev.Chunk("b", 2),
        ev.Chunk("a1", 0),
        ev.Chunk("a2", 1),
        ev.Chunk("B", 2),
    ]


def test_what_was_superseded_is_left_out() -> None:
    # seq 2 and 3 no longer count; seq 1 is the call
    again = ev.Attempt(1, 2, "NETWORK", "openai", "gpt", supersedes_from=2)
    said: list[ev.Event] = [ev.Chunk("wrong", 0), ev.UsageReport(Usage(9)), again, ev.Chunk("right", 0)]
    assert items_of(call(1), *said) == [ev.Chunk("right", 0)]


def test_a_try_that_supersedes_nothing_changes_nothing() -> None:
    again = ev.Attempt(1, 2, "NETWORK", "openai", "gpt")
    assert items_of(call(1), ev.Chunk("a", 0), again, ev.Chunk("b", 0)) == [ev.Chunk("a", 0), ev.Chunk("b", 0)]


def test_usage_is_the_runs_own_and_costs_nothing() -> None:
    first, second = Usage(10, 2, 5, 1, 0.5), Usage(1, 0, 1, 0, 0.25, "estimated")
    got = items_of(call(1), call(2), ev.UsageReport(first), ev.UsageReport(second, 2), ev.UsageReport(Usage(3), 2))
    assert got == [
        ev.UsageReport(Usage(10, 2, 5, 1, 0.0)),
        ev.UsageReport(Usage(11, 2, 6, 1, 0.0, "estimated")),
        ev.UsageReport(Usage(13, 2, 5, 1, 0.0)),
    ]


def test_it_begins_with_the_first_answer_call() -> None:
    assert answer_of(ev.Status("queued"), call(1, "internal"), call(2), call(3))[0].began_ms == 30
    assert answer_of(ev.Status("queued"))[0].began_ms is None


def test_a_whole_run_finishes() -> None:
    assert StoredAnswer.finish(ev.Complete("length", Usage())) == Finish("length", "length")
    assert StoredAnswer.finish(ev.Complete("a_later_one", Usage())) == Finish("stop", "a_later_one")


def test_a_failed_run_fails_the_same_way() -> None:
    with pytest.raises(ProviderError) as caught:
        StoredAnswer.finish(ev.Error("TIMEOUT", "Too slow.", False, 1500, "openai", "idle", 7))
    error = caught.value
    assert (error.code, error.message, error.retryable) == (ErrorCode.TIMEOUT, "Too slow.", False)
    assert (error.retry_after_ms, error.provider, error.phase) == (1500, "openai", "idle")


def test_a_code_of_a_later_version_is_a_failure_too() -> None:
    with pytest.raises(ProviderError) as caught:
        StoredAnswer.finish(ev.Error("NEW_CODE", "Oh.", True))
    assert (caught.value.code, caught.value.message) == (ErrorCode.SERVER, "Oh.")


def test_a_cancelled_run_is_not_whole() -> None:
    with pytest.raises(Truncated):
        StoredAnswer.finish(ev.Cancelled("user", 3))
