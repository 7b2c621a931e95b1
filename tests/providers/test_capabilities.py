"""What a request asks for, and what becomes of it where it is not promised."""

from typing import Any

import msgspec
import pytest

from headwater.domain.message import GenerationRequest, ImagePart, Message, Settings, TextPart
from headwater.errors import UnsupportedError
from headwater.providers.capabilities import CAPABILITIES, check, needs

IMAGE = Message("user", [TextPart("What is this?"), ImagePart(url="https://pictures.example/cat.png")])
TOOLS = [{"name": "clock"}]


def asked(*messages: Message, **settings: Any) -> GenerationRequest:
    return GenerationRequest("m", [Message("user", "Hello"), *messages], msgspec.convert(settings, Settings))


@pytest.mark.parametrize(
    ("request_", "capability", "pointer"),
    [
        (asked(IMAGE), "images", "/messages/1/content/1"),
        (asked(tools=TOOLS), "tools", "/settings/tools"),
        (asked(json_schema={"type": "object"}), "json_schema", "/settings/json_schema"),
        (asked(reasoning_effort="low"), "reasoning", "/settings/reasoning_effort"),
    ],
)
def test_what_is_not_promised_is_refused_where_it_is_asked_for(
    request_: GenerationRequest, capability: str, pointer: str
) -> None:
    check(request_, "m", CAPABILITIES)
    check(request_, "m", ["text", capability])
    with pytest.raises(UnsupportedError, match="The model `m` can not ") as caught:
        check(request_, "m", [each for each in CAPABILITIES if each != capability])
    assert caught.value.extra["pointer"] == pointer


def test_plain_text_asks_for_nothing() -> None:
    request = asked(temperature=0.5, max_tokens=3, seed=1, json_object=True, reasoning_effort="none")
    assert list(needs(request)) == []
    check(request, "m", ["text"])


def test_each_need_is_a_capability_and_is_said_once() -> None:
    request = asked(IMAGE, IMAGE, tools=TOOLS * 2, json_schema={}, reasoning_effort="high")
    said = [need.capability for need in needs(request)]
    assert said == ["images", "tools", "json_schema", "reasoning"]
    assert set(said) <= set(CAPABILITIES)
