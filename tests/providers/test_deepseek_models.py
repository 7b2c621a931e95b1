"""What is known of DeepSeek's models."""

import json
from typing import Any

import msgspec
import pytest

from headwater.domain.message import GenerationRequest, Message, Settings
from headwater.errors import UnsupportedError
from headwater.providers.deepseek_models import MODELS
from headwater.providers.servers import SERVERS


def sent(model: str, **settings: Any) -> dict[str, Any]:
    request = GenerationRequest(model, [Message("user", "Why?")], msgspec.convert(settings, Settings))
    body: dict[str, Any] = json.loads(SERVERS["deepseek"].dialect().request(request).body)
    return {
        name: value for name, value in body.items() if name not in ("model", "messages", "stream", "stream_options")
    }


@pytest.mark.parametrize("model", ["deepseek-v4-flash", "deepseek-v4-pro", "deepseek-flash", "deepseek-reasoner"])
@pytest.mark.parametrize("name", ["temperature", "frequency_penalty", "presence_penalty"])
def test_what_a_model_that_thinks_passes_over_is_refused(model: str, name: str) -> None:
    for effort in (None, "high"):
        with pytest.raises(UnsupportedError, match="while it reasons") as caught:
            sent(model, **{name: 0.5}, reasoning_effort=effort)
        assert caught.value.extra == {"pointer": f"/settings/{name}"}
    assert sent(model, **{name: 0.5}, reasoning_effort="none")[name] == 0.5
    assert sent("deepseek-chat", **{name: 0.5})[name] == 0.5
    assert sent("deepseek-next", **{name: 0.5})[name] == 0.5


def test_the_older_thinker_takes_no_logprobs() -> None:
    with pytest.raises(UnsupportedError, match="takes no `logprobs`"):
        MODELS.fit("deepseek-reasoner", Settings(logprobs=2))
    MODELS.fit("deepseek-v4-flash", Settings(logprobs=2))


def test_thinking_is_turned_on_and_off_by_a_field_of_its_own() -> None:
    assert sent("deepseek-v4-flash") == {}
    assert sent("deepseek-v4-flash", reasoning_effort="none") == {"thinking": {"type": "disabled"}}
    on = {"thinking": {"type": "enabled"}, "reasoning_effort": "low"}
    assert sent("deepseek-chat", reasoning_effort="low") == on
