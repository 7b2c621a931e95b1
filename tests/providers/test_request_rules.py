"""A role holds what a provider takes of it, an image has one place, and reserved fields stay ours."""

import msgspec
import pytest

from headwater.domain.message import (
    ImagePart,
    Message,
    Role,
    Settings,
    TextPart,
    ToolResultPart,
    ToolUse,
    Verbosity,
)
from headwater.errors import BadRequestError, UnsupportedError
from headwater.providers.request_rules import (
    arguments_of,
    check_detail,
    check_verbosity,
    extra_of,
    image_url,
    tool_results,
)

RESULT = ToolResultPart("call_1", "42")


@pytest.mark.parametrize(
    ("message", "results"),
    [
        (Message("user", "Hello"), []),
        (Message("user", [TextPart("Go on."), RESULT]), [RESULT]),
        (Message("tool", [RESULT, RESULT]), [RESULT, RESULT]),
        (Message("assistant", "", tool_calls=[ToolUse("a", "add", "{}")]), []),
    ],
)
def test_results_are_found(message: Message, results: list[ToolResultPart]) -> None:
    assert tool_results(message, "/messages/0") == results


@pytest.mark.parametrize(
    ("message", "pointer"),
    [
        (Message("tool", "42"), "/messages/3/content"),
        (Message("tool", []), "/messages/3/content"),
        (Message("tool", [RESULT, TextPart("and more")]), "/messages/3/content"),
        (Message("assistant", [RESULT]), "/messages/3/content"),
        (Message("system", [RESULT]), "/messages/3/content"),
        (Message("user", "", tool_calls=[ToolUse("a", "add", "{}")]), "/messages/3/tool_calls"),
        (Message("user", "", reasoning="Hm"), "/messages/3/reasoning"),
        (Message("tool", [RESULT], tool_calls=[ToolUse("a", "add", "{}")]), "/messages/3/tool_calls"),
    ],
)
def test_what_a_role_can_not_hold_is_refused(message: Message, pointer: str) -> None:
    with pytest.raises(BadRequestError) as caught:
        tool_results(message, "/messages/3")
    assert caught.value.extra["pointer"] == pointer


@pytest.mark.parametrize("role", ["system", "developer", "assistant"])
def test_an_image_is_a_users(role: Role) -> None:
    text, image = TextPart("Look:"), ImagePart("https://example.com/a.png")
    assert tool_results(Message("user", [text, image]), "/messages/3") == []
    with pytest.raises(UnsupportedError) as caught:
        tool_results(Message(role, [text, image]), "/messages/3")
    assert caught.value.extra["pointer"] == "/messages/3/content/1"


@pytest.mark.parametrize(("text", "arguments"), [('{"x": 1}', {"x": 1}), ("{}", {}), ("", {}), (" \n", {})])
def test_the_arguments_of_a_call_are_an_object(text: str, arguments: dict[str, object]) -> None:
    assert arguments_of(ToolUse("a", "add", text), "/messages/0/tool_calls/2") == arguments


@pytest.mark.parametrize("text", ["[1]", "null", '{"x":', "words"])
def test_other_arguments_are_refused_and_not_repeated(text: str) -> None:
    with pytest.raises(BadRequestError) as caught:
        arguments_of(ToolUse("a", "add", text), "/messages/0/tool_calls/2")
    assert caught.value.extra["pointer"] == "/messages/0/tool_calls/2/arguments"
    assert text not in caught.value.message


@pytest.mark.parametrize("verbosity", ["low", "high"])
def test_verbosity_that_is_not_known_is_refused(verbosity: Verbosity) -> None:
    check_verbosity(Settings(), "xai")
    check_verbosity(Settings(verbosity="medium"), "xai")
    with pytest.raises(UnsupportedError) as caught:
        check_verbosity(Settings(verbosity=verbosity), "xai")
    assert caught.value.extra["pointer"] == "/settings/verbosity"


def test_an_image_is_seen_as_well_as_can_be_and_never_small() -> None:
    for detail in (None, "auto", "high"):
        check_detail(
            msgspec.convert({"type": "image", "url": "https://example.com/", "detail": detail}, ImagePart), "x", ""
        )
    with pytest.raises(UnsupportedError) as caught:
        check_detail(ImagePart("https://example.com/", detail="low"), "vllm", "/messages/0/content/1")
    assert caught.value.extra == {"pointer": "/messages/0/content/1/detail"}


def test_an_image_is_where_it_is_or_in_its_own_address() -> None:
    assert image_url(ImagePart("https://example.com/a.png"), "/x") == "https://example.com/a.png"
    assert image_url(ImagePart(data="AAAA", media_type="image/png"), "/x") == "data:image/png;base64,AAAA"


@pytest.mark.parametrize("part", [ImagePart(), ImagePart("https://example.com/", "AAAA"), ImagePart(data="AAAA")])
def test_an_image_that_can_not_be_meant_is_refused(part: ImagePart) -> None:
    with pytest.raises(BadRequestError) as caught:
        image_url(part, "/messages/0/content/1")
    assert caught.value.extra["pointer"] == "/messages/0/content/1"


def test_each_provider_has_its_own_fields_and_none_that_are_reserved() -> None:
    settings = Settings(extra={"openai": {"service_tier": "flex"}, "xai": {"stream": False}})
    assert extra_of(settings, "openai", {"stream"}) == {"service_tier": "flex"}
    assert extra_of(settings, "groq", {"stream"}) == {}
    with pytest.raises(BadRequestError) as caught:
        extra_of(settings, "xai", {"model", "stream"})
    assert caught.value.extra["pointer"] == "/settings/extra/xai/stream"
