"""What Geminis can be asked for, by their names."""

import msgspec
import pytest

from headwater.domain.message import GenerationRequest, Message, Settings
from headwater.errors import UnsupportedError
from headwater.providers.capabilities import CAPABILITIES as WORDS
from headwater.providers.gemini_models import CAPABILITIES, MODELS, Thinking, capabilities_of, kind_of, thinking_of
from headwater.providers.model_limits import NO_LIMITS
from headwater.providers.servers import SERVERS


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
        ("gemini-10-pro", Thinking("level", xhigh=True)),
        ("gemini-flash-latest", Thinking("level", xhigh=True)),
        ("llama-4", Thinking("level", xhigh=True)),
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


@pytest.mark.parametrize("model", ["gemini-2.5-flash", "models/gemini-2.5-pro", "gemini-3-pro-preview"])
def test_a_newer_model_takes_no_penalties_but_on_vertex(model: str) -> None:
    for name in ("frequency_penalty", "presence_penalty"):
        asked, idle = (
            GenerationRequest(model, [Message("user", "Why?")], msgspec.convert({name: value}, Settings))
            for value in (0.5, 0.0)
        )
        for server in ("gemini", "gemini_array"):
            with pytest.raises(UnsupportedError) as caught:
                SERVERS[server].dialect().request(asked)
            assert caught.value.extra == {"pointer": f"/settings/{name}"}
            assert b"Penalty" not in SERVERS[server].dialect().request(idle).body
    assert MODELS.limits_of("gemini-2.0-flash") is NO_LIMITS
    asked = GenerationRequest("gemini-2.5-flash", [Message("user", "Why?")], Settings(presence_penalty=0.5))
    assert b"presencePenalty" in SERVERS["vertex"].dialect().request(asked).body


def test_models_that_take_the_same_are_of_a_kind() -> None:
    assert kind_of("gemini-3-pro-preview") == kind_of("gemini-3-flash-preview") != kind_of("gemini-flash-latest")
    assert kind_of("gemini-2.0-flash") != kind_of("gemini-2.5-flash")
