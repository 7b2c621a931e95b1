"""The response itself: who it is, what was asked, and how it stands at every record."""

from __future__ import annotations

from typing import Any

import msgspec
import pytest

from headwater.delivery.formats.responses_object import (
    ERROR_CODES,
    ResponseState,
    response_id,
    run_id,
    usage_object,
)
from headwater.domain import event as ev
from headwater.domain.message import Message, NamedTool, Settings, Tool, Usage
from headwater.domain.run import FaceTerms
from headwater.errors import ErrorCode
from tests.delivery.formats.faces import CREATED_AT_MS, RUN, complete, encoded
from tests.delivery.formats.responses import RESPONSE_ID, check_response, run


def states(*events: ev.Event, **asked: Any) -> list[dict[str, Any]]:
    """The response after each record, before the first one too."""
    state = ResponseState(run(**asked))
    found = [check_response(msgspec.json.encode(state.json()))]
    for payload in encoded(events):
        state.take(ev.decode_record(payload))
        found.append(check_response(msgspec.json.encode(state.json())))
    return found


def test_ids_are_those_of_runs() -> None:
    assert (response_id(RUN), run_id(RESPONSE_ID)) == (RESPONSE_ID, RUN)
    assert run_id(RUN) == run_id("") == ""


def test_how_it_stands_at_every_record() -> None:
    found = states(
        ev.Status("queued"),
        ev.Call(1, "answer", "p", "m"),
        ev.Chunk("Hi", 0),
        ev.UsageReport(Usage(1, 0, 1)),
        complete(),
    )
    assert [each["status"] for each in found] == ["queued", "queued", *["in_progress"] * 3, "completed"]
    assert [len(each["output"]) for each in found] == [0, 0, 0, 1, 1, 1]
    assert found[3]["output"][0]["status"] == "in_progress"
    assert [each["completed_at"] for each in found[-2:]] == [None, (CREATED_AT_MS + 35) // 1000]
    assert found[-2]["usage"] is None


def test_it_says_what_was_asked() -> None:
    settings = Settings(
        temperature=0.5,
        top_p=0.5,
        max_tokens=7,
        reasoning_effort="low",
        verbosity="low",
        logprobs=3,
        json_schema={"title": "city", "type": "object", "properties": {}, "additionalProperties": False},
        tools=[Tool("f", "does", {"type": "object"}, True)],
        tool_choice=NamedTool("f"),
        parallel_tool_calls=False,
    )
    terms = FaceTerms(True, "resp_1", False, True, "detailed")
    messages = [Message("developer", "Be brief."), Message("user", "Hello")]
    (found,) = states(settings=settings, face=terms, messages=messages, metadata={"a": "b"}, on_disconnect="continue")
    wanted = {
        "instructions": "Be brief.",
        "previous_response_id": "resp_1",
        "store": False,
        "reasoning": {"effort": "low", "summary": "detailed"},
        "background": True,
        "metadata": {"a": "b"},
        "temperature": 0.5,
        "max_output_tokens": 7,
        "top_logprobs": 3,
        "parallel_tool_calls": False,
        "tool_choice": {"type": "function", "name": "f"},
    }
    assert {name: found[name] for name in wanted} == wanted
    assert found["tools"][0]["name"] == "f"
    assert (found["text"]["format"]["name"], found["text"]["format"]["strict"]) == ("city", True)
    assert found["text"]["verbosity"] == "low"


def test_an_object_of_any_shape_is_said_to_be_one() -> None:
    (found,) = states(settings=Settings(json_object=True))
    assert found["text"] == {"format": {"type": "json_object"}}


@pytest.mark.parametrize("code", ErrorCode)
def test_every_failure_has_a_word(code: ErrorCode) -> None:
    *_, found = states(ev.Error(code, "No.", False))
    assert found["error"]["code"] == ERROR_CODES.get(code, "server_error")
    assert (found["error"]["message"], found["error"]["type"].islower()) == ("No.", True)


def test_what_was_put_into_a_cache_is_told() -> None:
    details = usage_object(Usage(9, 2, 1, 0, cache_write_tokens=4))["input_tokens_details"]
    assert details == {"cached_tokens": 2, "cache_write_tokens": 4}


def test_an_estimate_says_that_it_is_one() -> None:
    assert usage_object(Usage(1, 0, 2, 0, source="estimated"))["estimated"] is True
    assert "estimated" not in usage_object(Usage(1, 0, 2, 0))
