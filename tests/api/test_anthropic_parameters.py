"""The table of parameters: what it refuses is refused, and what it ignores changes nothing."""

from __future__ import annotations

from typing import Any

import msgspec
import pytest

from headwater.api.anthropic_parameters import PARAMETERS
from headwater.api.anthropic_request import MessageRequest, run_request
from headwater.api.openai_parameters import Use
from headwater.errors import UnsupportedError


def body(**members: Any) -> MessageRequest:
    hello = [{"role": "user", "content": "Hello"}]
    return msgspec.convert({"model": "m", "max_tokens": 9, "messages": hello, **members}, MessageRequest)


@pytest.mark.parametrize("name", [name for name, row in PARAMETERS.items() if row.use is Use.REFUSED])
def test_what_can_not_be_done_is_refused_by_its_name(name: str) -> None:
    with pytest.raises(UnsupportedError) as caught:
        run_request(body(**{name: {"odd": "value"}}), "continue")
    assert caught.value.extra["pointer"] == f"/{name}"
    for value in (None, *PARAMETERS[name].harmless):
        assert run_request(body(**{name: value}), "continue") == run_request(body(), "continue")


@pytest.mark.parametrize("name", [name for name, row in PARAMETERS.items() if row.use is Use.IGNORED])
def test_what_is_ignored_changes_nothing(name: str) -> None:
    values: list[Any] = ["x", 1, {"a": []}]
    for value in values:
        assert run_request(body(**{name: value}), "continue") == run_request(body(), "continue")
