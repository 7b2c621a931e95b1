"""Conversations as Gemini's turns."""

from typing import Any

import pytest

from headwater.domain.message import (
    ImagePart,
    Message,
    ProviderValue,
    TextPart,
    ToolResultPart,
    ToolUse,
)
from headwater.errors import BadRequestError, RefusedError, UnsupportedError
from headwater.providers.gemini_contents import UNSIGNED, contents_of

HELLO = Message("user", "Hello")
CALL = Message("assistant", tool_calls=[ToolUse("a", "f", '{"x":1}'), ToolUse("b", "g", "")])
RESULT = Message("tool", [ToolResultPart("a", "7")])


def turns(*messages: Message, must_sign: bool = False) -> list[dict[str, Any]]:
    system, contents = contents_of(messages, "gemini", must_sign=must_sign)
    assert system == []
    return contents


def kept(*values: Any, provider: str = "gemini") -> list[ProviderValue]:
    return [ProviderValue(provider, value) for value in values]


def test_roles() -> None:
    messages = [
        Message("system", "Be brief."),
        HELLO,
        Message("assistant", "Hi"),
        Message("developer", [TextPart("!")]),
    ]
    system, contents = contents_of(messages, "gemini", must_sign=True)
    assert system == [{"text": "Be brief."}, {"text": "!"}]
    assert contents == [
        {"role": "user", "parts": [{"text": "Hello"}]},
        {"role": "model", "parts": [{"text": "Hi"}]},
    ]


def test_calls_and_their_results() -> None:
    text = Message("tool", [ToolResultPart("b", '{"temperature": 21}')])
    assert turns(HELLO, CALL, RESULT, text, HELLO)[1:4] == [
        {
            "role": "model",
            "parts": [
                {"functionCall": {"id": "a", "name": "f", "args": {"x": 1}}},
                {"functionCall": {"id": "b", "name": "g", "args": {}}},
            ],
        },
        {
            "role": "user",
            "parts": [
                {"functionResponse": {"id": "a", "name": "f", "response": {"output": "7"}}},
                {"functionResponse": {"id": "b", "name": "g", "response": {"temperature": 21}}},
            ],
        },
        {"role": "user", "parts": [{"text": "Hello"}]},
    ]


def test_a_result_in_a_users_message_and_an_id_that_is_used_again() -> None:
    again = Message("assistant", "", tool_calls=[ToolUse("a", "later", "{}")])
    mixed = Message("user", [ToolResultPart("a", "[1]"), TextPart("and now?")])
    assert turns(CALL, RESULT, again, mixed)[-1] == {
        "role": "user",
        "parts": [
            {"functionResponse": {"id": "a", "name": "later", "response": {"output": "[1]"}}},
            {"text": "and now?"},
        ],
    }


def test_what_is_gemini_s_goes_back_where_it_was() -> None:
    code = {"executableCode": {"code": "1+1"}, "thoughtSignature": "s0"}
    data = kept(
        code,
        {"text": "", "thoughtSignature": "s1"},
        {"functionCall": {"id": "b"}, "thoughtSignature": "s2"},
        {"functionCall": {"id": "gone"}, "thoughtSignature": "s3"},
        {"functionCall": 1},
        "odd",
    ) + kept({"thinking": "…"}, provider="anthropic")
    message = Message("assistant", "Two.", tool_calls=CALL.tool_calls, provider_data=data)
    assert turns(message, must_sign=True)[0]["parts"] == [
        code,
        {"text": "Two."},
        {"text": "", "thoughtSignature": "s1"},
        {"functionCall": {"id": "a", "name": "f", "args": {"x": 1}}},
        {"functionCall": {"id": "b", "name": "g", "args": {}}, "thoughtSignature": "s2"},
    ]


@pytest.mark.parametrize(("must_sign", "expected"), [(True, [UNSIGNED, None]), (False, [None, None])])
def test_calls_that_gemini_did_not_sign(must_sign: bool, expected: list[str | None]) -> None:
    parts = turns(CALL, must_sign=must_sign)[0]["parts"]
    assert [part.get("thoughtSignature") for part in parts] == expected


@pytest.mark.parametrize(
    ("part", "expected"),
    [
        (ImagePart(data="QUJD", media_type="image/png"), {"inlineData": {"mimeType": "image/png", "data": "QUJD"}}),
        (ImagePart(url="data:image/gif;base64,QUJD"), {"inlineData": {"mimeType": "image/gif", "data": "QUJD"}}),
        (ImagePart(url="https://example.com/a.png"), {"fileData": {"fileUri": "https://example.com/a.png"}}),
        (
            ImagePart(url="gs://bucket/a", media_type="image/png"),
            {"fileData": {"fileUri": "gs://bucket/a", "mimeType": "image/png"}},
        ),
    ],
)
def test_images(part: ImagePart, expected: dict[str, Any]) -> None:
    assert turns(Message("user", [part]))[0]["parts"] == [expected]


def test_an_empty_message_is_one_all_the_same() -> None:
    assert [turn["parts"] for turn in turns(Message("user", []), Message("assistant", ""), HELLO)] == [
        [{"text": ""}],
        [{"text": ""}],
        [{"text": "Hello"}],
    ]


REFUSED: list[tuple[str, list[Message], str, type[RefusedError]]] = [
    ("no turn", [Message("system", "x")], "/messages", BadRequestError),
    ("nothing", [], "/messages", BadRequestError),
    ("no call", [RESULT], "/messages/0/content/0/tool_call_id", BadRequestError),
    ("a user's call", [Message("user", tool_calls=CALL.tool_calls)], "/messages/0/tool_calls", BadRequestError),
    (
        "arguments that are no object",
        [Message("assistant", tool_calls=[ToolUse("a", "f", "[1]")])],
        "/messages/0/tool_calls/0/arguments",
        BadRequestError,
    ),
    (
        "arguments that are no JSON",
        [Message("assistant", tool_calls=[ToolUse("a", "f", "{")])],
        "/messages/0/tool_calls/0/arguments",
        BadRequestError,
    ),
    ("text of a tool", [CALL, Message("tool", "7")], "/messages/1/content", BadRequestError),
    ("other parts of a tool", [CALL, Message("tool", [TextPart("7")])], "/messages/1/content", BadRequestError),
    (
        "a model's image",
        [Message("assistant", [ImagePart(url="https://x")])],
        "/messages/0/content/0",
        UnsupportedError,
    ),
    ("a system's image", [Message("system", [ImagePart(url="https://x")])], "/messages/0/content/0", UnsupportedError),
    ("a model's result", [Message("assistant", RESULT.content)], "/messages/0/content", BadRequestError),
    ("a name", [Message("user", "Hello", name="Ada")], "/messages/0/name", UnsupportedError),
    ("an image of nothing", [Message("user", [ImagePart()])], "/messages/0/content/0", BadRequestError),
    ("an image of no type", [Message("user", [ImagePart(data="QUJD")])], "/messages/0/content/0", BadRequestError),
    (
        "a data URL of its own kind",
        [Message("user", [ImagePart(url="data:,x")])],
        "/messages/0/content/0/url",
        BadRequestError,
    ),
]


@pytest.mark.parametrize(("messages", "pointer", "kind"), [row[1:] for row in REFUSED], ids=[row[0] for row in REFUSED])
def test_what_can_not_be_sent(messages: list[Message], pointer: str, kind: type[RefusedError]) -> None:
    with pytest.raises(RefusedError) as caught:
        contents_of(messages, "gemini", must_sign=True)
    assert type(caught.value) is kind
    assert caught.value.extra == {"pointer": pointer}
