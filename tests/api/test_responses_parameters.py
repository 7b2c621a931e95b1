"""The table of parameters of a response: what it refuses is refused, and what it ignores changes nothing."""

from __future__ import annotations

from typing import Any, get_type_hints

import msgspec
import pytest
from openai.types.responses.response_create_params import (
    ResponseCreateParamsNonStreaming,
    ResponseCreateParamsStreaming,
)

from headwater.api.openai_parameters import Use
from headwater.api.responses_parameters import PARAMETERS
from headwater.api.responses_request import ResponseRequest, check, run_request
from headwater.errors import UnsupportedError

REFUSED = [name for name, row in PARAMETERS.items() if row.use is Use.REFUSED]


def body(**members: Any) -> ResponseRequest:
    return msgspec.convert({"model": "m", "input": "Hello", **members}, ResponseRequest)


def test_every_parameter_of_the_sdk_is_known() -> None:
    """The SDK's own list: what is new there has to be taken, ignored or refused here."""
    theirs = {*get_type_hints(ResponseCreateParamsStreaming), *get_type_hints(ResponseCreateParamsNonStreaming)}
    assert theirs <= set(PARAMETERS), theirs - set(PARAMETERS)
    assert set(PARAMETERS) == {field.name for field in msgspec.structs.fields(ResponseRequest)}


@pytest.mark.parametrize("name", REFUSED)
def test_what_can_not_be_done_is_refused_by_its_name(name: str) -> None:
    with pytest.raises(UnsupportedError) as caught:
        check(body(**{name: {"odd": "value"}}))
    assert caught.value.extra["pointer"] == f"/{name}"


@pytest.mark.parametrize("name", REFUSED)
def test_what_asks_for_nothing_is_let_pass(name: str) -> None:
    for value in (None, *PARAMETERS[name].harmless):
        check(body(**{name: value}))


@pytest.mark.parametrize("name", [name for name, row in PARAMETERS.items() if row.use is Use.IGNORED])
def test_what_is_ignored_changes_nothing(name: str) -> None:
    plain = run_request(body(), on_disconnect="continue")
    values: list[Any] = ["x", 1, {"a": []}]
    for value in values:
        assert run_request(body(**{name: value}), on_disconnect="continue") == plain
