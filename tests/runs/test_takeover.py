"""Which runs go on after a crash, and how (T11): the table, case by case."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import msgspec
import pytest

from headwater.domain import event as ev
from headwater.domain.message import Settings, Usage
from headwater.domain.run import LOCAL_OWNER, OnCrash, Run
from headwater.errors import UnsupportedError
from headwater.providers.contract import Checkpoint
from headwater.runs.takeover import (
    AGAINST,
    TAKEOVERS_MAX,
    CallTrace,
    Cut,
    Resumption,
    check_policy,
    checkpoint_of,
    is_over,
    opening,
    resumption_of,
    why_not,
)
from tests.runs.scene import request

ABLE = ("text", "prefill", "background")
CALL = ev.Call(1, "answer", "scripted", "upstream-m")
PLACE = Checkpoint("resp_1", 7, 1)
CHECKPOINT = ev.ProviderData("scripted", msgspec.to_builtins(PLACE))


def trace_of(events: Sequence[ev.Event]) -> CallTrace:
    trace = CallTrace()
    trace.apply_all(ev.Record(seq, seq, event) for seq, event in enumerate(events, 1))
    return trace


def cut(policy: OnCrash, *events: ev.Event, epoch: int = 1, **more: Any) -> Cut:
    run = Run("r", LOCAL_OWNER, request(on_crash=policy, **more.pop("asked", {})), 0, epoch=epoch)
    text = "".join(event.content for event in events if isinstance(event, ev.Chunk))
    found = Cut(run, trace_of(events), text, 1000, True, {("scripted", "upstream-m"): "m"}, ABLE)
    return found._replace(**more)


def test_who_did_not_ask_for_it_is_not_taken_up() -> None:
    assert why_not(cut("interrupt", CALL)) == AGAINST[0].words
    assert why_not(cut("interrupt")) == AGAINST[0].words


@pytest.mark.parametrize("policy", ["rerun", "continue", "reattach"])
def test_a_run_that_called_nobody_begins(policy: OnCrash) -> None:
    found = cut(policy, ev.Status("queued", position=1))
    assert why_not(found) is None
    assert resumption_of(found) == Resumption("fresh")


@pytest.mark.parametrize("policy", ["rerun", "continue", "reattach"])
@pytest.mark.parametrize(
    "change",
    [
        {"intact": False},
        {"epoch": 1 + TAKEOVERS_MAX},
        {"asked": {"workflow": "other"}},
        {"models": {}},
        {"models": {("scripted", "another"): "m"}},
    ],
)
def test_what_stands_against_every_policy(policy: OnCrash, change: dict[str, Any]) -> None:
    said = (CALL, CHECKPOINT, ev.Chunk("a", 0)) if policy == "reattach" else (CALL, ev.Chunk("a", 0))
    assert why_not(cut(policy, *said)) is None
    assert why_not(cut(policy, *said, **change)) is not None


@pytest.mark.parametrize("policy", ["rerun", "continue", "reattach"])
def test_a_run_of_several_calls_ends(policy: OnCrash) -> None:
    found = cut(policy, CALL, CHECKPOINT, ev.Call(2, "answer", "scripted", "upstream-m"))
    assert why_not(found) == "it made several calls"


def test_the_last_time_is_the_last() -> None:
    assert why_not(cut("rerun", CALL, epoch=TAKEOVERS_MAX)) is None
    assert why_not(cut("rerun", CALL, epoch=TAKEOVERS_MAX + 1)) is not None


@pytest.mark.parametrize(
    "said",
    [
        ev.Reasoning("hm", 0),
        ev.Refusal("no", 0),
        ev.ToolCall("1", "f", "{", False),
        ev.Annotation("scripted", {}),
        ev.ProviderData("scripted", "signature"),
    ],
)
def test_only_text_is_continued(said: ev.Event) -> None:
    assert why_not(cut("continue", CALL, ev.Chunk("a", 0))) is None
    assert why_not(cut("continue", CALL, said, ev.Chunk("a", 0))) == "only text can be continued"
    # what was superseded does not count any more
    superseded = (CALL, said, ev.Attempt(1, 2, "NETWORK", "scripted", "upstream-m", 2), ev.Chunk("a", 0))
    assert why_not(cut("continue", *superseded)) is None


def test_who_answered_instead_has_to_be_able_to_go_on() -> None:
    against = "the model that was called can not keep to it"
    policies: tuple[OnCrash, ...] = ("continue", "reattach")
    for policy in policies:
        assert why_not(cut(policy, CALL, CHECKPOINT, can=("text",))) == against
        assert why_not(cut(policy, can=())) is None, "who begins can"
    assert why_not(cut("rerun", CALL, can=("text",))) is None


def test_a_call_is_found_again_by_its_newest_checkpoint() -> None:
    assert why_not(cut("reattach", CALL, ev.Chunk("a", 0))) is not None
    later = ev.ProviderData("scripted", {**msgspec.to_builtins(PLACE), "sequence_number": 9})
    found = cut("reattach", CALL, CHECKPOINT, ev.Chunk("a", 0), later, ev.Chunk("b", 0), ev.Chunk("c", 0))
    going_on = resumption_of(found)
    assert going_on.checkpoint == Checkpoint("resp_1", 9, 1)
    assert going_on.said == (ev.Chunk("b", 0), ev.Chunk("c", 0))
    # it is the newest attempt that is found by it
    again = cut("reattach", CALL, CHECKPOINT, ev.Attempt(1, 2, "NETWORK", "scripted", "upstream-m"))
    assert why_not(again) is not None


def test_what_is_no_checkpoint_is_none() -> None:
    assert checkpoint_of(CHECKPOINT) == PLACE
    for value in (None, "text", {}, {"response_id": "r"}, {**msgspec.to_builtins(PLACE), "more": 1}):
        assert checkpoint_of(ev.ProviderData("scripted", value)) is None


def test_a_rerun_supersedes_what_still_counts() -> None:
    events: list[ev.Event] = [CALL, ev.Status("streaming"), ev.Reasoning("hm", 0), ev.Chunk("ab", 1)]
    going_on = resumption_of(cut("rerun", *events))
    assert (going_on.attempt, going_on.first_output) == (1, 3)
    assert (going_on.reported, going_on.said_bytes, going_on.reasoning_bytes) == (None, 4, 2)
    assert opening(going_on, request("12345678").messages, "p", "m") == [
        ev.UsageReport(Usage(2, 0, 1, 1, source="estimated")),
        ev.Attempt(1, 2, "INTERRUPTED", "p", "m", 3),
    ]
    again: list[ev.Event] = [
        *events,
        ev.UsageReport(Usage(1, 0, 1)),
        ev.Attempt(1, 2, "INTERRUPTED", "scripted", "upstream-m", 3),
    ]
    going_on = resumption_of(cut("rerun", *again))
    assert (going_on.attempt, going_on.first_output, going_on.said_bytes) == (2, None, 0)
    going_on = resumption_of(cut("rerun", *again, ev.Chunk("c", 0), ev.UsageReport(Usage(1, 0, 1))))
    assert opening(going_on, [], "p", "m") == [ev.Attempt(1, 3, "INTERRUPTED", "p", "m", 7)]


def test_what_a_cut_attempt_reported_at_its_beginning_is_made_whole() -> None:
    begun = ev.UsageReport(Usage(9, 4, 1, source="estimated"))
    going_on = resumption_of(cut("rerun", CALL, begun, ev.Chunk("12345678", 0)))
    told, _ = opening(going_on, request("1234").messages, "p", "m")
    assert told == ev.UsageReport(Usage(9, 4, 2, source="estimated"))


@pytest.mark.parametrize("state", ["retrying", "falling_back"])
def test_an_attempt_that_had_failed_before_the_crash_used_no_more_than_was_told(state: Any) -> None:
    going_on = resumption_of(cut("rerun", CALL, ev.Status(state, "Too busy.")))
    assert opening(going_on, request("1234").messages, "p", "m") == [ev.Attempt(1, 2, "INTERRUPTED", "p", "m", None)]
    again = ev.Attempt(1, 2, "NETWORK", "scripted", "upstream-m")
    going_on = resumption_of(cut("rerun", CALL, ev.Status(state, "Too busy."), again))
    assert len(opening(going_on, request("1234").messages, "p", "m")) == 2


def test_a_pause_that_the_provider_wanted_is_known_until_the_next_attempt() -> None:
    waits = ev.Status("retrying", "Too busy.", wait_ms=9000)
    policies: tuple[OnCrash, ...] = ("rerun", "continue")
    for policy in policies:
        # the record's own time is 2 ms
        assert resumption_of(cut(policy, CALL, waits)).due_ms == 9002
        assert resumption_of(cut(policy, CALL, ev.Status("falling_back"))).due_ms == 2
        again = ev.Attempt(1, 2, "NETWORK", "scripted", "upstream-m")
        assert resumption_of(cut(policy, CALL, waits, again)).due_ms == 0
    assert resumption_of(cut("reattach", CALL, CHECKPOINT, waits)).due_ms == 0


def test_a_lost_connection_settles_nothing() -> None:
    going_on = resumption_of(cut("reattach", CALL, CHECKPOINT, ev.Chunk("a", 0), ev.Status("reattaching", wait_ms=5)))
    assert (going_on.is_settled, going_on.said) == (False, (ev.Chunk("a", 0),))


def test_a_rest_that_was_given_up_leaves_what_it_went_on_from() -> None:
    events: list[ev.Event] = [CALL, ev.Chunk("a", 0), ev.Chunk("b", 1)]
    rest: list[ev.Event] = [ev.Attempt(1, 2, "INTERRUPTED", "scripted", "upstream-m"), ev.Reasoning("c", 1)]
    given_up = ev.Attempt(1, 3, "NETWORK", "scripted", "upstream-m", supersedes_from=5)
    going_on = resumption_of(found := cut("continue", *events, *rest, given_up))
    assert (going_on.partial, going_on.part, going_on.first_output) == ("ab", 1, 2)
    assert found.trace.kinds == {"chunk"}
    # what comes of it is text behind the text
    assert resumption_of(cut("continue", *events, *rest, given_up, ev.Chunk("d", 2))).part == 2


def test_what_goes_on_supersedes_nothing() -> None:
    going_on = resumption_of(cut("continue", CALL, ev.Chunk("ab", 0), ev.Chunk("cd", 2)))
    assert (going_on.partial, going_on.part, going_on.model) == ("abcd", 2, "m")
    assert opening(going_on, [], "p", "m")[-1] == ev.Attempt(1, 2, "INTERRUPTED", "p", "m", None)
    assert opening(resumption_of(cut("reattach", CALL, CHECKPOINT)), [], "p", "m") == []


def test_the_time_of_a_run_is_counted_from_its_creation() -> None:
    run = Run("r", LOCAL_OWNER, request(total_s=2.0), 0)
    assert not is_over(run, 1999)
    assert is_over(run, 2000)


@pytest.mark.parametrize(
    ("policy", "can", "settings"),
    [
        ("continue", ("text", "background"), Settings()),
        ("continue", ("prefill",), Settings(json_object=True)),
        ("continue", ("prefill",), Settings(json_schema={})),
        ("reattach", ("text", "prefill"), Settings()),
    ],
)
def test_a_policy_that_could_not_be_kept_is_refused(policy: OnCrash, can: Sequence[str], settings: Settings) -> None:
    with pytest.raises(UnsupportedError) as caught:
        check_policy(request(on_crash=policy, settings=settings), can, lambda _: [])
    assert caught.value.extra["pointer"] == "/on_crash"


@pytest.mark.parametrize(
    ("policy", "can"), [("interrupt", ()), ("rerun", ()), ("continue", ("prefill",)), ("reattach", ("background",))]
)
def test_a_policy_that_can_be_kept_is_taken(policy: OnCrash, can: Sequence[str]) -> None:
    check_policy(request(on_crash=policy), can, lambda _: [])


def test_a_refusal_names_models_that_can() -> None:
    able = {"background": ["gpt", "gpt-mini"], "prefill": ["claude"]}
    for policy, words in [("reattach", "`gpt` or `gpt-mini` can."), ("continue", "`claude` can.")]:
        with pytest.raises(UnsupportedError, match=f"The model `m` can not .* {words}"):
            check_policy(request(on_crash=policy), (), able.__getitem__)
