"""Who answers where nobody said who."""

from __future__ import annotations

import pytest

from headwater.api.talk_terms import usual_models
from headwater.providers.contract import ModelInfo


def model(name: str, provider: str, missing_key: str | None = None) -> ModelInfo:
    return ModelInfo(name, provider, name, missing_key=missing_key)


GPT = model("gpt", "openai_responses")
GEMINI = model("gem", "gemini")


@pytest.mark.parametrize(
    ("models", "names"),
    [
        ([], ["simulated"]),
        ([model("claude", "anthropic")], ["simulated"]),
        ([GEMINI, GPT], ["gpt", "gem"]),
        ([GEMINI], ["gem"]),
        ([GPT, model("gpt2", "openai"), GEMINI, model("gem2", "vertex")], ["gpt", "gem"]),
        ([model("gpt", "openai", "OPENAI_API_KEY"), GEMINI], ["gem"]),
        ([model("gpt", "openai", "OPENAI_API_KEY"), model("gpt2", "openai")], ["gpt2"]),
    ],
)
def test_openai_first_then_gemini_where_there_are_keys(models: list[ModelInfo], names: list[str]) -> None:
    assert usual_models(models) == names
