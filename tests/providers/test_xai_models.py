"""What is known of xAI's models."""

from typing import Any

import msgspec
import pytest

from headwater.domain.message import GenerationRequest, Message, Settings
from headwater.errors import UnsupportedError
from headwater.providers.catalog import Catalog, ModelRow
from headwater.providers.xai_models import MODELS
from tests.providers.efforts import EFFORTS

ALL = ("text", "reasoning", "tools", "json_schema", "images")
REASON = ["grok-3-mini", "grok-4", "grok-4-0709", "grok-4-fast-reasoning", "grok-4.20-0309-reasoning", "grok-4.5"]


def takes(model: str, **settings: Any) -> bool:
    try:
        MODELS.fit(model, msgspec.convert(settings, Settings))
    except UnsupportedError as error:
        return error.extra["pointer"] != f"/settings/{next(iter(settings))}"
    return True


@pytest.mark.parametrize(
    ("model", "lacks"),
    [
        ("grok-2-1212", {"reasoning", "images"}),
        ("grok-2-vision-1212", {"reasoning"}),
        ("grok-3", {"reasoning", "images"}),
        ("grok-3-mini-fast", {"images"}),
        ("grok-4-fast-non-reasoning", {"reasoning"}),
        ("grok-4.20-0309-non-reasoning", {"reasoning"}),
        ("grok-4", set()),
        ("grok-4.5", set()),
        ("grok-latest", set()),
    ],
)
def test_a_name_says_what_a_model_lacks(model: str, lacks: set[str]) -> None:
    assert set(ALL) - set(MODELS.able(model, ALL)) == lacks


@pytest.mark.parametrize(
    ("model", "known"),
    [
        ("grok-3-mini", {"low", "high"}),
        ("grok-4", set()),
        ("grok-4-latest", set()),
        ("grok-4-1-fast-reasoning", set()),
        ("grok-4.20-reasoning", set()),
        ("grok-code-fast-1", set()),
        ("grok-4.3", {"none", "low", "medium", "high"}),
        ("grok-4.5", {"low", "medium", "high"}),
        ("grok-4.6", {"low", "medium", "high"}),
        ("grok-4.20-multi-agent-0309", set(EFFORTS)),
        ("grok-4.7", set(EFFORTS)),
        ("grok-5", set(EFFORTS)),
    ],
)
def test_which_efforts_a_model_knows(model: str, known: set[str]) -> None:
    assert {effort for effort in EFFORTS if takes(model, reasoning_effort=effort)} == known


@pytest.mark.parametrize("model", REASON)
def test_a_model_that_reasons_takes_no_penalties_and_no_end(model: str) -> None:
    assert not takes(model, frequency_penalty=0.5)
    assert not takes(model, presence_penalty=-0.5)
    assert not takes(model, stop=["END"])
    assert takes(model, temperature=0.2)
    # 0 is what they are anyway, and is refused by the API too.
    assert MODELS.fit(model, Settings(frequency_penalty=0.0, presence_penalty=0.0)) == Settings()
    for other in ("grok-3", "grok-2-1212", "grok-4-fast-non-reasoning", "grok-9"):
        assert takes(other, frequency_penalty=0.5)
        assert takes(other, stop=["END"])


@pytest.mark.parametrize("provider", ["xai", "xai_responses"])
def test_the_refusal_says_which_model_can(provider: str) -> None:
    rows = [ModelRow(name=name, provider=provider) for name in ("grok-4", "grok-4-fast-reasoning", "grok-4.5")]
    asked = GenerationRequest("grok-4", [Message("user", "Why?")], Settings(reasoning_effort="low"))
    with pytest.raises(UnsupportedError) as caught:
        Catalog.from_rows(rows, {}).check(asked)
    assert caught.value.message == "The model `grok-4` takes no `reasoning_effort`. `grok-4.5` can."
    assert caught.value.extra == {"pointer": "/settings/reasoning_effort"}
