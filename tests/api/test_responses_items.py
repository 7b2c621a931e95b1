"""What a response was asked, as the items that OpenAI's SDK reads."""

from __future__ import annotations

import pytest
from openai.types.responses import ResponseItem
from pydantic import TypeAdapter

from headwater.api.responses_input import messages_of
from headwater.api.responses_items import input_items, item_page
from headwater.domain.message import ImagePart, Message, ProviderValue, TextPart, ToolResultPart, ToolUse
from headwater.errors import BadRequestError
from tests.delivery.formats.responses import extras, run

_item = TypeAdapter(ResponseItem)

MESSAGES = [
    Message("developer", "Be brief."),
    Message("user", [TextPart("What is it?"), ImagePart("https://e.org/a.png", detail="low")]),
    Message("assistant", "A bird.", None, [ToolUse("a", "f", "{}")], [ProviderValue("p", {"type": "x"})]),
    Message("tool", [ToolResultPart("a", "1")]),
    Message("user", "Thanks."),
]


def test_every_message_has_its_items() -> None:
    items = input_items(run(messages=MESSAGES))
    for item in items:
        assert not list(extras(_item.validate_python(item, strict=True)))
    assert len({item["id"] for item in items}) == len(items)
    assert [(item["type"], item.get("role")) for item in items] == [
        ("message", "developer"),
        ("message", "user"),
        ("reasoning", None),
        ("message", "assistant"),
        ("function_call", None),
        ("function_call_output", None),
        ("message", "user"),
    ]


def test_what_is_told_can_be_sent_again() -> None:
    assert messages_of(input_items(run(messages=MESSAGES))) == MESSAGES


def test_an_image_by_its_bytes_is_a_data_url() -> None:
    image = ImagePart(data="AAAA", media_type="image/png")
    (item,) = input_items(run(messages=[Message("user", [image])]))
    assert item["content"] == [{"type": "input_image", "image_url": "data:image/png;base64,AAAA", "detail": "auto"}]


def test_pages() -> None:
    items = input_items(run(messages=MESSAGES))
    first = item_page(items, None, 3)
    assert (first.data, first.has_more, first.last_id) == (items[:3], True, items[2]["id"])
    rest = item_page(items, first.last_id, 100)
    assert (rest.data, rest.has_more, rest.first_id) == (items[3:], False, items[3]["id"])
    assert item_page(items, rest.last_id, 1).data == []
    with pytest.raises(BadRequestError):
        item_page(items, "nobody", 3)
