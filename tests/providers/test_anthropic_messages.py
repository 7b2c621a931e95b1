"""Two roles take turns, results of tools come first, and what can not be meant is refused."""

from typing import Any

import pytest

from headwater.domain.message import ImagePart, Message, ProviderValue, TextPart, ToolResultPart, ToolUse
from headwater.errors import BadRequestError, UnsupportedError
from headwater.providers.anthropic_messages import Conversation, conversation

HELLO = Message("user", "Hello")


def turns(*messages: Message) -> list[tuple[str, Any]]:
    return [(turn["role"], turn["content"]) for turn in conversation(messages, "acme").messages]


def test_the_system_is_apart() -> None:
    messages = [Message("system", "Be brief."), HELLO]
    assert conversation(messages, "acme") == Conversation(
        "Be brief.", [{"role": "user", "content": "Hello"}], None, None
    )
    messages = [
        Message("system", ""),
        Message("system", "Be brief."),
        HELLO,
        Message("developer", [TextPart("Be kind.")]),
    ]
    assert conversation(messages, "acme").system == [
        {"type": "text", "text": "Be brief."},
        {"type": "text", "text": "Be kind."},
    ]


def test_messages_in_a_row_are_one_turn() -> None:
    assert turns(HELLO, Message("user", [TextPart("you")]), Message("assistant", "Yes"), Message("assistant", "?")) == [
        ("user", [{"type": "text", "text": "Hello"}, {"type": "text", "text": "you"}]),
        ("assistant", [{"type": "text", "text": "Yes"}, {"type": "text", "text": "?"}]),
    ]


def test_results_come_first_in_a_turn() -> None:
    calls = Message("assistant", tool_calls=[ToolUse("a", "add", "{}"), ToolUse("b", "add", "{}")])
    results = [
        Message("tool", [ToolResultPart("a", "1")]),
        Message("user", [TextPart("Go on."), ToolResultPart("b", "2")]),
    ]
    wanted = [
        {"type": "tool_result", "tool_use_id": "a", "content": "1"},
        {"type": "tool_result", "tool_use_id": "b", "content": "2"},
        {"type": "text", "text": "Go on."},
    ]
    assert turns(HELLO, calls, *results)[-1] == ("user", wanted)
    assert turns(HELLO, calls, *reversed(results))[-1][1][:2] == [wanted[1], wanted[0]]


def test_an_answer_is_thinking_text_and_calls() -> None:
    thinking = {"type": "thinking", "thinking": "Hm", "signature": "c2ln"}
    message = Message(
        "assistant",
        "Let me see.",
        tool_calls=[ToolUse("call:1", "look", '{"at": "sea"}')],
        provider_data=[ProviderValue("acme", thinking), ProviderValue("other", {"type": "thinking"})],
    )
    result = Message("tool", [ToolResultPart("call:1", "blue")])
    assert turns(HELLO, message, result)[1:] == [
        (
            "assistant",
            [
                thinking,
                {"type": "text", "text": "Let me see."},
                {"type": "tool_use", "id": "call_1", "name": "look", "input": {"at": "sea"}},
            ],
        ),
        ("user", [{"type": "tool_result", "tool_use_id": "call_1", "content": "blue"}]),
    ]


@pytest.mark.parametrize("value", [None, "x", {}, {"type": 7}, {"container": "x"}, {"container": {"id": 7}}])
def test_what_is_no_block_does_not_go_back(value: Any) -> None:
    answer = Message("assistant", "Yes", provider_data=[ProviderValue("acme", value)])
    sent = conversation([HELLO, answer, HELLO], "acme")
    assert sent.messages[1] == {"role": "assistant", "content": "Yes"}
    assert sent.container is None


def test_the_newest_container_goes_back() -> None:
    answers = [
        Message("assistant", "Yes", provider_data=[ProviderValue("acme", {"container": {"id": each}})])
        for each in ("one", "two")
    ]
    assert conversation([HELLO, answers[0], HELLO, answers[1], HELLO], "acme").container == "two"
    assert conversation([HELLO, *answers, HELLO], "other").container is None


def test_an_answer_to_go_on_with() -> None:
    assert conversation([HELLO, Message("assistant", "The sea ")], "acme").prefill == "/messages/1"
    calls = Message("assistant", "Yes", tool_calls=[ToolUse("a", "add", "{}")])
    assert conversation([HELLO, calls], "acme").prefill is None
    blank = conversation([HELLO, Message("assistant", [TextPart("\n"), TextPart(" ")])], "acme")
    assert (blank.prefill, len(blank.messages)) == (None, 1)


def test_an_image_can_not_be_seen_as_a_small_one() -> None:
    with pytest.raises(UnsupportedError) as caught:
        turns(Message("user", [TextPart("What?"), ImagePart("https://example.com/a.png", detail="low")]))
    assert caught.value.extra == {"pointer": "/messages/0/content/1/detail"}


def test_images() -> None:
    parts = [ImagePart("https://example.com/a.png", detail="high"), ImagePart("data:image/PNG;base64,AAAA")]
    assert turns(Message("user", [*parts, ImagePart(data="BBBB", media_type="image/gif")])) == [
        (
            "user",
            [
                {"type": "image", "source": {"type": "url", "url": "https://example.com/a.png"}},
                {"type": "image", "source": {"type": "base64", "media_type": "image/png", "data": "AAAA"}},
                {"type": "image", "source": {"type": "base64", "media_type": "image/gif", "data": "BBBB"}},
            ],
        )
    ]


@pytest.mark.parametrize(
    ("message", "pointer"),
    [
        (Message("tool", "2"), "/messages/1/content"),
        (Message("tool", [TextPart("2")]), "/messages/1/content"),
        (Message("tool", [ToolResultPart("a", "2"), TextPart("2")]), "/messages/1/content"),
        (Message("assistant", [ToolResultPart("a", "2")]), "/messages/1/content"),
        (Message("system", [ToolResultPart("a", "2")]), "/messages/1/content"),
        (Message("user", "x", tool_calls=[ToolUse("a", "add", "{}")]), "/messages/1/tool_calls"),
        (Message("assistant", tool_calls=[ToolUse("a", "add", "[1]")]), "/messages/1/tool_calls/0/arguments"),
        (Message("assistant", tool_calls=[ToolUse("a", "add", '{"x')]), "/messages/1/tool_calls/0/arguments"),
        (Message("assistant", tool_calls=[ToolUse("a", "add", '"\ud800"')]), "/messages/1/tool_calls/0/arguments"),
        (Message("user", [TextPart("x"), ImagePart()]), "/messages/1/content/1"),
        (Message("user", [ImagePart("data:image/png,AAAA")]), "/messages/1/content/0"),
        (Message("user", [ImagePart("https://example.com/a.png", data="AAAA")]), "/messages/1/content/0"),
        (Message("user", [ImagePart(data="AAAA")]), "/messages/1/content/0"),
    ],
)
def test_messages_that_can_not_be_meant(message: Message, pointer: str) -> None:
    with pytest.raises(BadRequestError) as caught:
        conversation([HELLO, message], "acme")
    assert caught.value.extra == {"pointer": pointer}


@pytest.mark.parametrize(
    "messages", [[], [Message("system", "Be brief.")], [Message("user", "")], [Message("assistant", " ")]]
)
def test_nothing_to_answer(messages: list[Message]) -> None:
    with pytest.raises(BadRequestError, match="no message"):
        conversation(messages, "acme")


@pytest.mark.parametrize(
    ("role", "part"),
    [
        ("assistant", ImagePart("https://example.com/a.png")),
        ("system", ImagePart("https://example.com/a.png")),
        ("user", ImagePart("data:image/tiff;base64,AAAA")),
        ("user", ImagePart(data="AAAA", media_type="application/pdf")),
    ],
)
def test_images_that_are_not_taken(role: Any, part: ImagePart) -> None:
    with pytest.raises(UnsupportedError) as caught:
        conversation([HELLO, Message(role, [part])], "acme")
    assert caught.value.extra == {"pointer": "/messages/1/content/0"}


@pytest.mark.parametrize("role", ["user", "assistant", "system"])
def test_names_are_not_taken(role: Any) -> None:
    with pytest.raises(UnsupportedError) as caught:
        conversation([HELLO, Message(role, "Hello", name="Ann")], "acme")
    assert caught.value.extra == {"pointer": "/messages/1/name"}
