"""What the checker of typed dictionaries takes, and what it does not."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any, Literal, NotRequired, Required

import pytest
from openai.types.chat.completion_create_params import CompletionCreateParamsStreaming
from pydantic import BaseModel
from typing_extensions import TypedDict

from tests.kit.typed import faults


class Text(TypedDict, total=False):
    type: Required[Literal["text"]]
    text: Required[str]
    weight: float | None


class Picture(TypedDict):
    type: Literal["picture"]
    url: str
    alt: NotRequired[str]


class Model(BaseModel):
    name: str


class Said(Text, total=False):
    parts: Iterable[Text | Picture] | str
    scores: dict[str, int]
    model: Model
    anything: object


SAID: dict[str, Any] = {"type": "text", "text": "x"}


@pytest.mark.parametrize(
    "more",
    [
        {},
        {"weight": 1},
        {"weight": None},
        {"parts": "x"},
        {"parts": []},
        {"parts": [{"type": "picture", "url": "u"}, {"type": "text", "text": "x"}]},
        {"scores": {"a": 1}},
        {"model": {"name": "x"}},
        {"anything": [7, {}]},
    ],
)
def test_what_is_of_the_type(more: dict[str, Any]) -> None:
    assert [*faults({**SAID, **more}, Said)] == []


@pytest.mark.parametrize(
    ("value", "fault"),
    [
        ([], ": [] is no object"),
        ({"type": "text"}, "/text: Said needs it"),
        ({**SAID, "odd": 1}, "/odd: Said has no such member"),
        ({**SAID, "type": "word"}, "/type: 'word' is none of ('text',)"),
        ({**SAID, "text": 7}, "/text: 7 is no str"),
        ({**SAID, "weight": True}, "/weight: True is no float"),
        ({**SAID, "weight": "1"}, "/weight: '1' is no float"),
        ({**SAID, "parts": [{"type": "picture"}]}, "/parts/0/url: Picture needs it"),
        ({**SAID, "parts": [{"type": "text", "text": "x", "url": "u"}]}, "/parts/0/url: Text has no such member"),
        ({**SAID, "scores": {"a": "1"}}, "/scores/a: '1' is no int"),
        ({**SAID, "model": {}}, "/model/name: Field required"),
    ],
)
def test_what_is_not(value: object, fault: str) -> None:
    assert [*faults(value, Said)] == [fault]


def test_it_understands_openai_s_types() -> None:
    """pydantic takes neither the string as a content nor the odd member for a fault, or both for one."""
    asked: dict[str, Any] = {"model": "m", "messages": [{"role": "user", "content": "Hi"}], "stream": True}
    assert [*faults(asked, CompletionCreateParamsStreaming)] == []
    odd = [
        *faults(
            {**asked, "messages": [{"role": "user", "content": [{"type": "text"}]}]}, CompletionCreateParamsStreaming
        )
    ]
    assert odd == ["/messages/0/content/0/text: ChatCompletionContentPartTextParam needs it"]
