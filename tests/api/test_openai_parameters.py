"""The table of parameters: what it refuses is refused, and what it ignores changes nothing."""

from __future__ import annotations

from typing import Any

import msgspec
import pytest

from headwater.api.openai_parameters import PARAMETERS, Use, check_refused
from headwater.api.openai_request import ChatCompletionRequest, run_request
from headwater.errors import UnsupportedError

REFUSED = [name for name, row in PARAMETERS.items() if row.use is Use.REFUSED]


def body(**members: Any) -> ChatCompletionRequest:
    hello = [{"role": "user", "content": "Hello"}]
    return msgspec.convert({"model": "m", "messages": hello, **members}, ChatCompletionRequest)


@pytest.mark.parametrize("name", REFUSED)
def test_what_can_not_be_done_is_refused_by_its_name(name: str) -> None:
    with pytest.raises(UnsupportedError) as caught:
        check_refused(body(**{name: {"odd": "value"}}))
    assert caught.value.extra["pointer"] == f"/{name}"
    assert name in caught.value.message


@pytest.mark.parametrize("name", REFUSED)
def test_what_asks_for_nothing_is_let_pass(name: str) -> None:
    for value in (None, *PARAMETERS[name].harmless):
        check_refused(body(**{name: value}))


def test_true_is_not_one() -> None:
    with pytest.raises(UnsupportedError):
        check_refused(body(n=True))


@pytest.mark.parametrize("name", [name for name, row in PARAMETERS.items() if row.use is Use.IGNORED])
def test_what_is_ignored_changes_nothing(name: str) -> None:
    values: list[Any] = ["x", 1, {"a": []}]
    for value in values:
        assert run_request(body(**{name: value}), "continue") == run_request(body(), "continue")
