"""A run's records put together to items; what the events say of it is in the tests of the stream."""

from __future__ import annotations

import base64

import pytest

from headwater.delivery.formats.responses_output import NOTHING, ResponseOutput, seal, unseal
from headwater.domain import event as ev
from headwater.domain.message import Message, ProviderValue, ToolUse, Usage


def output_of(*events: ev.Event, sealed: bool = False) -> ResponseOutput:
    output = ResponseOutput("x", sealed=sealed)
    for seq, event in enumerate(events, 1):
        output.take(seq, event)
    return output


VALUE = {"type": "reasoning", "id": "rs_1"}


def test_what_a_model_is_shown_of_it_later() -> None:
    output = output_of(
        ev.Reasoning("Hm", 0),
        ev.ProviderData("p", VALUE),
        ev.ProviderData("p", {"response_id": "resp_1", "sequence_number": 1}),
        ev.Chunk("One", 1),
        ev.Refusal(" no", 1),
        ev.ToolCall("a", "f", "{}", True),
    )
    assert output.message() == Message(
        "assistant", "One no", None, [ToolUse("a", "f", "{}")], [ProviderValue("p", VALUE)]
    )


def test_superseded_output_is_not_shown_to_a_model() -> None:
    output = output_of(
        ev.Chunk("One", 0),
        ev.ProviderData("p", VALUE),
        ev.ToolCall("a", "f", "{", False),
        ev.Attempt(1, 2, "NETWORK", "p", "m", 2),
        ev.Chunk(" two", 0),
    )
    assert output.message() == Message("assistant", "One two")


@pytest.mark.parametrize(
    "event",
    [
        ev.Status("queued"),
        ev.UsageReport(Usage()),
        ev.Log("info", "x"),
        ev.Field("", 1, True),
        ev.Attempt(1, 2, "NETWORK", "p", "m"),
        ev.Annotation("p", {"type": "web_search_call"}),
        ev.ProviderData("p", VALUE),
        ev.Unknown("odd", {}),
    ],
    ids=lambda event: event.type,
)
def test_what_this_format_has_no_word_for_does_nothing(event: ev.Event) -> None:
    assert output_of().take(1, event) is NOTHING


def test_what_comes_of_a_call_after_its_end_is_passed_over() -> None:
    output = output_of(ev.ToolCall("a", "f", "{}", True))
    assert output.take(2, ev.ToolCall("a", "f", "more")) is NOTHING


def test_several_values_are_sealed_together() -> None:
    output = output_of(ev.Reasoning("Hm", 0), *(ev.ProviderData("p", n) for n in range(2)), sealed=True)
    (item,) = output.json()
    assert unseal(item["encrypted_content"]) == [ProviderValue("p", 0), ProviderValue("p", 1)]


#: Deeper than any parser goes.
ABYSS = base64.urlsafe_b64encode(b'[{"provider":"p","value":%b%b}]' % (b"[" * 100_000, b"]" * 100_000)).decode()


@pytest.mark.parametrize("text", ["", "x", "gAAAA===", "é", seal([])[:-1], ABYSS])
def test_what_others_sealed_says_nothing(text: str) -> None:
    assert unseal(text) == []
