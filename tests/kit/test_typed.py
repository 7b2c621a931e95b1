"""What the checker of typed dictionaries takes, and what it does not."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any, Literal, NotRequired, Required, TypeVar

import pytest
from openai.types.chat.completion_create_params import CompletionCreateParamsStreaming
from pydantic import BaseModel, ConfigDict, Field
from typing_extensions import TypeAliasType, TypedDict

from tests.kit.typed import faults


class Text(TypedDict, total=False):
    type: Required[Literal["text"]]
    text: Required[str]
    weight: float | None


class Picture(TypedDict):
    type: Literal["picture"]
    url: str
    alt: NotRequired[str]


T = TypeVar("T")
Absent = TypeAliasType("Absent", T | None, type_params=(T,))


class Strict(BaseModel):
    model_config = ConfigDict(extra="forbid")
    name: str


class Unset(BaseModel):
    """As the generators of some SDKs have it: it stands for a member that is not sent."""


class Newer(str):
    """As they have it too: a word that this version does not know."""


class Model(BaseModel):
    model_config = ConfigDict(arbitrary_types_allowed=True)
    kind: Literal["model"] = "model"
    name: str
    plan: dict[str, Any] = Field(default={}, alias="schema")
    tone: Literal["low", "high"] | Newer = "low"
    depth: Absent[int] | Unset = Field(default_factory=Unset)


class Open(BaseModel):
    model_config = ConfigDict(extra="allow")
    name: str


class Said(Text, total=False):
    parts: Iterable[Text | Picture] | str
    scores: dict[str, int]
    model: Model
    strict: Strict
    open: Open
    anything: object


SAID: dict[str, Any] = {"type": "text", "text": "x"}
MODEL: dict[str, Any] = {"kind": "model", "name": "x"}


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
        {"model": {"kind": "model", "name": "x"}},
        {"model": {"kind": "model", "name": "x", "schema": {"a": 1}, "tone": "high", "depth": 3}},
        {"model": {"kind": "model", "name": "x", "depth": None}},
        {"strict": {"name": "x"}},
        {"open": {"name": "x", "more": 1}},
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
        ({**SAID, "model": []}, "/model: [] is no object"),
        ({**SAID, "model": {"kind": "model"}}, "/model/name: Model needs it"),
        ({**SAID, "model": {"name": "x"}}, "/model/kind: Model needs it"),
        ({**SAID, "model": {**MODEL, "plan": {}}}, "/model/plan: Model has no such member"),
        ({**SAID, "model": {**MODEL, "tone": "odd"}}, "/model/tone: 'odd' is none of ('low', 'high')"),
        ({**SAID, "model": {**MODEL, "depth": "1"}}, "/model/depth: '1' is no int"),
        ({**SAID, "model": {**MODEL, "depth": {}}}, "/model/depth: {} is no int"),
        ({**SAID, "strict": {}}, "/strict/name: Field required"),
        ({**SAID, "strict": {"name": "x", "odd": 1}}, "/strict/odd: Extra inputs are not permitted"),
        ({**SAID, "open": {"more": 1}}, "/open/name: Open needs it"),
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
