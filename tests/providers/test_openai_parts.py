"""A schema has a name and is strict where it can be; an image has one place; reserved fields stay ours."""

from typing import Any

import pytest

from headwater.domain.message import ImagePart, Settings
from headwater.errors import BadRequestError
from headwater.providers.openai_parts import chat_format, extra_of, image_url, named_schema

OPEN = {"type": "object", "properties": {"x": {"type": "integer"}}}
CLOSED = {**OPEN, "required": ["x"], "additionalProperties": False}


@pytest.mark.parametrize(
    ("schema", "strict"),
    [
        (CLOSED, True),
        (OPEN, False),
        ({**CLOSED, "required": []}, False),
        ({**CLOSED, "required": "x"}, False),
        ({**CLOSED, "additionalProperties": True}, False),
        ({**CLOSED, "properties": {"x": OPEN}}, False),
        ({**CLOSED, "anyOf": [OPEN]}, False),
        ({"type": "string", "enum": [{"type": "object"}]}, True),
    ],
)
def test_a_schema_is_strict_where_it_can_be(schema: dict[str, Any], strict: bool) -> None:
    wanted = named_schema(schema)
    assert wanted["schema"] == schema
    assert wanted.get("strict", False) is strict


def test_a_schema_that_is_too_deep_is_not_strict() -> None:
    schema: dict[str, Any] = {"type": "string"}
    for _ in range(100):
        schema = {"type": "array", "items": schema}
    assert "strict" not in named_schema(schema)


@pytest.mark.parametrize(
    ("title", "name"), [("An answer!", "An_answer_"), ("", "answer"), (5, "answer"), ("x" * 99, "x" * 64)]
)
def test_a_schema_has_a_name_that_is_allowed(title: object, name: str) -> None:
    assert named_schema({"type": "string", "title": title})["name"] == name


def test_the_format_of_an_answer() -> None:
    assert chat_format(Settings()) is None
    assert chat_format(Settings(json_object=True)) == {"type": "json_object"}
    both = chat_format(Settings(json_object=True, json_schema=OPEN))
    assert both == {"type": "json_schema", "json_schema": {"name": "answer", "schema": OPEN}}


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
