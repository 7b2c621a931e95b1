"""A body of Responses becomes the run that it asks for."""

from __future__ import annotations

from typing import Any

import msgspec
import pytest

from headwater.api.body import explain
from headwater.api.responses_parameters import PARAMETERS
from headwater.api.responses_request import ResponseRequest, check, run_request
from headwater.domain.message import Message, NamedTool, Settings, Tool
from headwater.domain.run import FaceTerms, RunRequest
from headwater.errors import BadRequestError, RefusedError, UnsupportedError


def body(**members: Any) -> ResponseRequest:
    return msgspec.json.decode(msgspec.json.encode({"model": "m", "input": "Hello", **members}), type=ResponseRequest)


def asked(**members: Any) -> RunRequest:
    return run_request(body(**members), on_disconnect="continue")


def test_the_least() -> None:
    assert asked() == RunRequest("m", messages=[Message("user", "Hello")], face=FaceTerms())


def test_null_is_as_if_it_was_not_there() -> None:
    assert asked(**dict.fromkeys(PARAMETERS.keys() - {"model", "input"})) == asked()


@pytest.mark.parametrize(
    ("members", "wanted"),
    [
        (
            {"temperature": 0.5, "top_p": 1, "max_output_tokens": 7, "parallel_tool_calls": False},
            Settings(temperature=0.5, top_p=1.0, max_tokens=7, parallel_tool_calls=False),
        ),
        ({"reasoning": {"effort": "low", "summary": "auto"}}, Settings(reasoning_effort="low")),
        ({"reasoning": {"effort": "max"}}, Settings(reasoning_effort="max")),
        ({"top_logprobs": 3}, Settings(logprobs=3)),
        ({"include": ["message.output_text.logprobs"]}, Settings(logprobs=0)),
        ({"text": {"format": {"type": "text"}, "verbosity": "low"}}, Settings(verbosity="low")),
        ({"text": {"format": {"type": "json_object"}}}, Settings(json_object=True)),
        (
            {
                "text": {
                    "format": {
                        "type": "json_schema",
                        "name": "n",
                        "schema": {"type": "object"},
                        "strict": True,
                        "description": "d",
                    }
                }
            },
            Settings(json_schema={"description": "d", "title": "n", "type": "object"}),
        ),
        (
            {
                "tools": [{"type": "function", "name": "f", "parameters": {}, "strict": True, "description": None}],
                "tool_choice": {"type": "function", "name": "f"},
            },
            Settings(tools=[Tool("f", None, {}, True)], tool_choice=NamedTool("f")),
        ),
        ({"tool_choice": "required"}, Settings(tool_choice="required")),
    ],
)
def test_settings(members: dict[str, Any], wanted: Settings) -> None:
    assert asked(**members).settings == wanted


def test_what_the_run_has_no_use_for_is_kept() -> None:
    wanted = FaceTerms(True, "resp_1", False, True, "detailed")
    found = asked(
        instructions="Be brief.",
        previous_response_id="resp_1",
        store=False,
        include=["reasoning.encrypted_content", "file_search_call.results"],
        reasoning={"generate_summary": "detailed"},
        metadata={"a": "b"},
    )
    assert (found.face, found.metadata) == (wanted, {"a": "b"})


def test_instructions_come_first() -> None:
    before = [Message("user", "One"), Message("assistant", "Two")]
    found = run_request(body(instructions="Be brief."), before, on_disconnect="cancel", on_crash="rerun")
    assert found.messages == [Message("developer", "Be brief."), *before, Message("user", "Hello")]
    assert (found.on_disconnect, found.on_crash) == ("cancel", "rerun")


def test_a_summary_is_asked_of_a_provider_that_makes_them() -> None:
    asked = body(reasoning={"summary": "auto"})
    extra = {"p": {"reasoning": {"summary": "auto"}}}
    assert run_request(asked, on_disconnect="continue", summary_for="p").settings.extra == extra
    assert run_request(asked, on_disconnect="continue").settings.extra == {}
    assert run_request(body(), on_disconnect="continue", summary_for="p").settings.extra == {}


@pytest.mark.parametrize(
    ("members", "error", "pointer"),
    [
        ({"background": True, "store": False}, BadRequestError, "/store"),
        ({"reasoning": {"mode": "pro"}}, UnsupportedError, "/reasoning/mode"),
        ({"reasoning": {"context": "auto"}}, UnsupportedError, "/reasoning/context"),
    ],
)
def test_what_can_not_be_done_is_refused(members: dict[str, Any], error: type[RefusedError], pointer: str) -> None:
    with pytest.raises(error) as caught:
        check(body(**members))
    assert caught.value.extra == {"pointer": pointer}


@pytest.mark.parametrize(
    ("members", "pointer"),
    [
        ({"unknown": 1}, "/unknown"),
        ({"input": 3}, "/input"),
        ({"tools": [{"type": "web_search"}]}, "/tools/0"),
        ({"tools": [{"type": "custom", "name": "x"}]}, "/tools/0"),
        ({"tool_choice": {"type": "allowed_tools"}}, "/tool_choice"),
        ({"text": {"format": {"type": "grammar"}}}, "/text/format/type"),
        ({"include": ["everything"]}, "/include/0"),
        ({"reasoning": {"effort": "extreme"}}, "/reasoning/effort"),
        ({"temperature": "hot"}, "/temperature"),
    ],
)
def test_what_is_wrong_is_pointed_at(members: dict[str, Any], pointer: str) -> None:
    with pytest.raises(msgspec.ValidationError) as caught:
        body(**members)
    assert explain(str(caught.value))[1].startswith(pointer)
