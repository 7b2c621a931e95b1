"""Items of input become messages, and what can not be read is pointed at."""

from __future__ import annotations

from typing import Any

import pytest

from headwater.api.responses_input import messages_of
from headwater.delivery.formats.responses_output import seal
from headwater.domain.message import ImagePart, Message, ProviderValue, TextPart, ToolResultPart, ToolUse
from headwater.errors import BadRequestError, TooLargeError

CALL = {"type": "function_call", "call_id": "a", "name": "f", "arguments": "{}"}
OUTPUT = {"type": "function_call_output", "call_id": "a", "output": "1"}
SAID = {"type": "output_text", "text": "Hi", "annotations": []}
MESSAGE = {"type": "message", "id": "msg_1", "role": "assistant", "status": "completed", "content": [SAID]}
VALUE = ProviderValue("p", {"type": "reasoning", "id": "rs_1"})
REASONING = {"type": "reasoning", "id": "rs_1", "summary": [], "encrypted_content": seal([VALUE])}


def test_a_string_is_what_the_user_says() -> None:
    assert messages_of("Hello") == [Message("user", "Hello")]


@pytest.mark.parametrize(
    ("items", "wanted"),
    [
        ([{"role": "user", "content": "Hi"}], [Message("user", "Hi")]),
        ([{"role": "developer", "content": [{"type": "input_text", "text": "Hi"}]}], [Message("developer", "Hi")]),
        (
            [
                {
                    "role": "user",
                    "content": [
                        {"type": "input_text", "text": "?"},
                        {"type": "input_image", "image_url": "https://e.org/a.png", "detail": "low"},
                    ],
                }
            ],
            [Message("user", [TextPart("?"), ImagePart("https://e.org/a.png", detail="low")])],
        ),
        ([MESSAGE], [Message("assistant", "Hi")]),
        (
            [{"role": "assistant", "content": [SAID, {"type": "refusal", "refusal": "No"}], "phase": None}],
            [Message("assistant", "HiNo")],
        ),
        (
            [REASONING, MESSAGE, CALL, {**CALL, "call_id": "b"}, OUTPUT],
            [
                Message("assistant", "Hi", None, [ToolUse("a", "f", "{}"), ToolUse("b", "f", "{}")], [VALUE]),
                Message("tool", [ToolResultPart("a", "1")]),
            ],
        ),
        (
            [CALL, MESSAGE],
            [Message("assistant", "", None, [ToolUse("a", "f", "{}")]), Message("assistant", "Hi")],
        ),
        (
            [MESSAGE, REASONING, CALL],
            [Message("assistant", "Hi"), Message("assistant", "", None, [ToolUse("a", "f", "{}")], [VALUE])],
        ),
        (
            [{**OUTPUT, "output": [{"type": "input_text", "text": "1"}, {"type": "input_text", "text": "2"}]}],
            [Message("tool", [ToolResultPart("a", "12")])],
        ),
        # What another server sealed says nothing here.
        ([{**REASONING, "encrypted_content": "gAAAA"}, MESSAGE], [Message("assistant", "Hi")]),
    ],
)
def test_items_become_messages(items: list[dict[str, Any]], wanted: list[Message]) -> None:
    assert messages_of(items) == wanted


@pytest.mark.parametrize(
    ("item", "pointer"),
    [
        ({"type": "item_reference", "id": "x"}, "/type"),
        ({"type": "web_search_call"}, "/type"),
        ({"role": "tool", "content": "x"}, "/role"),
        ({"role": "user"}, "/content"),
        ({"role": "user", "content": [{"type": "input_file", "file_id": "f"}]}, "/content/0/type"),
        ({"role": "user", "content": [{"type": "input_image", "file_id": "f"}]}, "/content/0"),
        ({**CALL, "namespace": "x"}, "/namespace"),
        ({**OUTPUT, "output": [{"type": "input_image", "image_url": "https://e.org/a.png"}]}, "/output"),
    ],
)
def test_what_can_not_be_read_is_pointed_at(item: dict[str, Any], pointer: str) -> None:
    with pytest.raises(BadRequestError) as caught:
        messages_of([{"role": "user", "content": "x"}, item])
    assert str(caught.value.extra["pointer"]).startswith(f"/input/1{pointer}")


def test_what_is_sealed_is_no_deeper_than_a_body() -> None:
    value: list[Any] = []
    for _ in range(100):
        value = [value]
    with pytest.raises(TooLargeError):
        messages_of([{**REASONING, "encrypted_content": seal([ProviderValue("p", value)])}])
