"""What OpenAI's models can be asked for."""

import pytest

from headwater.domain.message import GenerationRequest, Message, Settings
from headwater.errors import UnsupportedError
from headwater.providers.catalog import Catalog, ModelRow
from headwater.providers.openai_models import able

ALL = ("text", "reasoning", "tools", "json_schema", "images")


@pytest.mark.parametrize(
    ("model", "lacks"),
    [
        ("gpt-5", set()),
        ("gpt-5-mini", set()),
        ("gpt-5-nano-2025-08-07", set()),
        ("gpt-5.2-codex", set()),
        ("o3", set()),
        ("o4-mini", set()),
        ("ft:gpt-4o-mini:acme::abc", set()),
        ("something-newer", set()),
        ("gpt-5-chat-latest", {"reasoning"}),
        ("gpt-4o-mini", {"reasoning"}),
        ("gpt-4o-2024-08-06", {"reasoning"}),
        ("gpt-4.1-nano", {"reasoning"}),
        ("gpt-4o-2024-05-13", {"reasoning", "json_schema"}),
        ("gpt-4-turbo-2024-04-09", {"reasoning", "json_schema"}),
        ("gpt-4", {"reasoning", "json_schema", "images"}),
        ("gpt-4-0613", {"reasoning", "json_schema", "images"}),
        ("gpt-3.5-turbo", {"reasoning", "json_schema", "images"}),
        ("o3-mini", {"images"}),
        ("o1-mini-2024-09-12", {"tools", "json_schema", "images"}),
    ],
)
def test_a_name_says_what_a_model_lacks(model: str, lacks: set[str]) -> None:
    assert able(model, ALL) == tuple(each for each in ALL if each not in lacks)


def test_a_model_that_can_not_reason_is_not_asked_to() -> None:
    rows = [
        ModelRow(name="old", provider="openai", model="gpt-4o-mini"),
        ModelRow(name="new", provider="openai_responses", model="gpt-5-mini"),
        ModelRow(name="a deployment", provider="azure", model="gpt-4o-mini", base_url="https://a.openai.azure.com/v1"),
    ]
    catalog = Catalog.from_rows(rows, {})
    hard = GenerationRequest("old", [Message("user", "Why?")], Settings(reasoning_effort="high"))
    with pytest.raises(UnsupportedError, match=r"^The model `old` can not reason\. `new` or `a deployment` can\.$"):
        catalog.check(hard)
