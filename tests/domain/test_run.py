"""The table of states, ids, and what a request's body may be."""

import re

import msgspec
import pytest

from headwater.domain.event import FINAL_TYPES
from headwater.domain.run import (
    BEGINNINGS,
    STATE_BY_FINAL_TYPE,
    TRANSITIONS,
    CancelAfter,
    Limits,
    RunRequest,
    RunState,
    is_ended,
    new_run_id,
    state_diagram,
)

ENDED = {RunState.COMPLETED, RunState.FAILED, RunState.CANCELLED}


def reachable(start: RunState) -> set[RunState]:
    found = {start}
    while more := {target for state in found for target in TRANSITIONS[state]} - found:
        found |= more
    return found


def test_every_state_is_in_the_table_and_can_be_reached() -> None:
    assert set(TRANSITIONS) == set(RunState) == reachable(RunState.QUEUED)


@pytest.mark.parametrize("state", RunState)
def test_from_every_state_an_end_can_be_reached_and_none_is_left(state: RunState) -> None:
    assert is_ended(state) == (state in ENDED)
    assert reachable(state) & ENDED
    if is_ended(state):
        assert reachable(state) == {state}


def test_no_state_leads_back() -> None:
    for state, exits in TRANSITIONS.items():
        assert all(state not in reachable(target) for target in exits)


def test_a_run_completes_only_after_it_has_run() -> None:
    assert [state for state, exits in TRANSITIONS.items() if RunState.COMPLETED in exits] == [RunState.RUNNING]


def test_every_final_record_leads_to_an_end_of_its_own() -> None:
    assert set(STATE_BY_FINAL_TYPE) == FINAL_TYPES
    assert set(STATE_BY_FINAL_TYPE.values()) == ENDED


def test_the_diagram_is_the_table() -> None:
    lines = [line.strip() for line in state_diagram().splitlines()]
    assert lines[0] == "stateDiagram-v2"
    drawn = {tuple(re.split(r" --> |: ", line)) for line in lines[1:]}
    wanted = {(str(a), str(b), why) for a, exits in TRANSITIONS.items() for b, why in exits.items()}
    begun = {("[*]", str(state), when) for state, when in BEGINNINGS.items()}
    assert drawn == wanted | begun | {(str(state), "[*]") for state in ENDED}


def test_ids_have_128_random_bits() -> None:
    ids = {new_run_id() for _ in range(1000)}
    assert len(ids) == 1000
    assert all(re.fullmatch(r"run_[0-9a-f]{32}", each) for each in ids)
    # every bit is both 0 and 1 somewhere
    numbers = [int(each[4:], 16) for each in ids]
    ones = zeros = 0
    for number in numbers:
        ones, zeros = ones | number, zeros | ~number
    assert ones == zeros & (2**128 - 1) == 2**128 - 1


PROTOCOL_BODY = b"""{"workflow": "chat", "model": "simulated",
 "messages": [{"role": "user", "content": "Hello"}],
 "settings": {"temperature": 0.7, "top_p": null, "max_tokens": 500, "stop": [], "seed": null, "reasoning_effort": "low",
              "json_schema": null, "tools": [], "tool_choice": null, "extra": {"openai": {}}},
 "on_disconnect": "continue", "on_crash": "interrupt", "after_output": "fail",
 "limits": {"queue_s": 60, "connect_s": 10, "first_token_s": null, "idle_s": null, "total_s": 300},
 "priority": "interactive", "fallback": [], "metadata": {}}"""


def test_the_body_of_the_protocol_is_taken() -> None:
    request = msgspec.json.decode(PROTOCOL_BODY, type=RunRequest)
    assert request.limits == Limits()
    assert request.settings.extra == {"openai": {}}
    again = msgspec.json.decode(msgspec.json.encode(request), type=RunRequest)
    assert again == request


@pytest.mark.parametrize(
    ("policy", "taken"),
    [
        (b'"continue"', "continue"),
        (b'"cancel"', "cancel"),
        (b'{"cancel_after_s": 5}', CancelAfter(5)),
    ],
)
def test_the_ways_to_leave(policy: bytes, taken: object) -> None:
    request = msgspec.json.decode(b'{"model":"m","on_disconnect":%b}' % policy, type=RunRequest)
    assert request.on_disconnect == taken


@pytest.mark.parametrize(
    "path",
    [
        '{"model":"m","n":2}',
        '{"model":"m","settings":{"n":2}}',
        '{"model":"m","limits":{"n":2}}',
        '{"model":"m","on_disconnect":{"cancel_after_s":1,"n":2}}',
        '{"model":"m","messages":[{"role":"user","content":"","n":2}]}',
        '{"model":"m","messages":[{"role":"user","content":[{"type":"text","text":"","n":2}]}]}',
        '{"model":"m","messages":[{"role":"user","tool_calls":[{"id":"","name":"","arguments":"","n":2}]}]}',
        '{"model":"m","settings":{"tools":[{"name":"f","n":2}]}}',
        '{"model":"m","settings":{"tool_choice":{"name":"f","n":2}}}',
    ],
)
def test_unknown_fields_are_refused_wherever_they_are(path: str) -> None:
    with pytest.raises(msgspec.ValidationError, match="unknown field `n`"):
        msgspec.json.decode(path, type=RunRequest)
