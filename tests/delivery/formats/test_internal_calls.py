"""Whatever an internal call puts out, no format of an answer has any of it."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from headwater.delivery.formats import ag_ui, ai_sdk, anthropic_stream, openai_chat
from headwater.delivery.formats.anthropic_message import AnthropicMessage
from headwater.delivery.formats.openai_completion import OpenAIChatCompletion
from headwater.delivery.formats.responses_stream import ResponseStream
from headwater.delivery.formats.responses_whole import WholeResponse
from headwater.delivery.held import Face
from headwater.domain import event as ev
from headwater.domain.message import Usage
from tests.delivery.formats.faces import CREATED_AT_MS, RUN, complete, encoded, rendered
from tests.delivery.formats.responses import run

CANARY = "canary-88ad"
OPENAI = openai_chat.identity(RUN, CREATED_AT_MS, "m")
ANTHROPIC = anthropic_stream.identity(RUN, "m")

FORMATS: dict[str, Callable[[], Face]] = {
    "openai_chat": lambda: openai_chat.OpenAIChatStream(OPENAI, include_usage=True),
    "openai_completion": lambda: OpenAIChatCompletion(OPENAI),
    "anthropic_stream": lambda: anthropic_stream.AnthropicStream(ANTHROPIC),
    "anthropic_message": lambda: AnthropicMessage(ANTHROPIC),
    "ai_sdk": lambda: ai_sdk.AISDKStream(ai_sdk.Identity(RUN, "msg_1", "m")),
    "ag_ui": lambda: ag_ui.AGUIStream(ag_ui.Identity("t", "r", RUN, "m")),
    "responses_stream": lambda: ResponseStream(run()),
    "responses_whole": lambda: WholeResponse(run()),
}

#: The run's only answer has the number 1, whenever it begins (`Context`).
LOG: list[ev.Event] = [
    ev.Call(2, "internal", "p", "m"),
    ev.Reasoning(CANARY, 0, 2),
    ev.Chunk(CANARY, 0, 2),
    ev.Chunk(CANARY, 0, 2, logprobs=[{"token": CANARY}]),
    ev.Call(1, "answer", "p", "m"),
    ev.Chunk("said ", 0),
    ev.Refusal(CANARY, 0, 2),
    ev.ToolCall("a", CANARY, CANARY, True, 0, 2),
    ev.Annotation("anthropic", {"type": "url_citation", "url": CANARY}, 0, 2),
    ev.Annotation("anthropic", {"type": "char_location", "cited_text": CANARY}, 0, 2),
    ev.ProviderData("anthropic", {"type": "thinking", "thinking": CANARY, "signature": CANARY}, 0, 2),
    ev.ProviderData("anthropic", {"type": "redacted_thinking", "data": CANARY}, 0, 2),
    ev.Field("/a", CANARY, True, 2),
    ev.UsageReport(Usage(1, 0, 1), 2),
    ev.Attempt(2, 2, "NETWORK", "p", CANARY, 2),
    ev.Chunk(CANARY, 1, 2),
    ev.Chunk("aloud", 0),
    complete(),
]


@pytest.mark.parametrize("role", ["internal", "a_later_one"])
@pytest.mark.parametrize("name", FORMATS)
def test_what_an_internal_call_says_is_in_no_answer(name: str, role: str) -> None:
    payloads = encoded([ev.Call(2, role, "p", "m"), *LOG[1:]])
    whole = rendered(FORMATS[name](), payloads)
    without = [event for event in LOG if CANARY not in str(event)]
    assert CANARY.encode() not in whole
    assert b"aloud" in whole
    # and the log's records are none the less the answer's, whoever comes back in the middle
    assert rendered(FORMATS[name](), encoded(without)).count(b"aloud") == whole.count(b"aloud")


@pytest.mark.parametrize("name", FORMATS)
def test_words_of_a_later_version_spoil_no_answer(name: str) -> None:
    """A server that was put back to this version reads what the newer one wrote."""
    usage = ev.UsageReport(Usage(1, source="a_later_one"))
    said: list[ev.Event] = [LOG[4], ev.Log("a_later_one", "x"), ev.Chunk("aloud", 0), usage]
    assert b"aloud" in rendered(FORMATS[name](), encoded([*said, complete("a_later_one")]))
    rendered(FORMATS[name](), encoded([*said, ev.Cancelled("a_later_one", 5)]))


@pytest.mark.parametrize("name", FORMATS)
def test_what_an_answer_says_is_shown_whatever_number_it_has(name: str) -> None:
    said: list[ev.Event] = [
        ev.Call(2, "internal", "p", "m"),
        ev.Chunk(CANARY, 0, 2),
        ev.Call(3, "answer", "p", "m"),
        ev.Chunk("aloud", 0, 3),
        complete(),
    ]
    whole = rendered(FORMATS[name](), encoded(said))
    assert b"aloud" in whole
    assert CANARY.encode() not in whole
