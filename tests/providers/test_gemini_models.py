"""What Geminis can be asked for, by their names."""

import pytest

from headwater.providers.capabilities import CAPABILITIES as WORDS
from headwater.providers.gemini_models import CAPABILITIES, Thinking, capabilities_of, thinking_of


@pytest.mark.parametrize(
    ("model", "thinking"),
    [
        ("gemini-1.5-pro-002", Thinking("none", can_stop=True)),
        ("publishers/google/models/gemini-2.0-flash", Thinking("none", can_stop=True)),
        ("gemini-2.0-flash-thinking-exp", Thinking("budget", can_stop=True)),
        ("models/gemini-2.5-pro-preview-05-06", Thinking("budget", budget_min=128)),
        ("gemini-2.5-flash", Thinking("budget", can_stop=True)),
        ("gemini-2.5-flash-lite", Thinking("budget", can_stop=True, budget_min=512)),
        ("gemini-3-pro-preview", Thinking("level")),
        ("gemini-3.5-flash", Thinking("level")),
        ("gemini-10-pro", Thinking("level")),
        ("gemini-flash-latest", Thinking("level")),
        ("llama-4", Thinking("level")),
    ],
)
def test_thinking(model: str, thinking: Thinking) -> None:
    assert thinking_of(model) == thinking
    assert ("reasoning" in capabilities_of(model)) is (thinking.by != "none")


def test_only_models_of_levels_insist_on_signatures() -> None:
    assert [thinking_of(each).signs for each in ("gemini-2.5-pro", "gemini-3-pro-preview")] == [False, True]


def test_words_are_known() -> None:
    assert set(CAPABILITIES) <= set(WORDS)
    assert set(capabilities_of("gemini-2.0-flash")) == set(CAPABILITIES) - {"reasoning"}
