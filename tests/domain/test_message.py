"""Usage adds up; parts are told apart by their type."""

from typing import get_args, get_type_hints

import msgspec
import pytest
from anthropic.types import OutputConfigParam
from google.genai.types import ThinkingLevel
from hypothesis import given
from hypothesis import strategies as st
from openai.types.shared import ReasoningEffort as OpenAIEffort

from headwater.domain.message import (
    ImagePart,
    Message,
    ProviderValue,
    ReasoningEffort,
    TextPart,
    ToolResultPart,
    Usage,
)

USAGES = st.builds(
    Usage,
    *[st.integers(0, 2**40)] * 4,
    # quarters of a cent add up without rounding
    cost_usd=st.none() | st.integers(0, 1000).map(lambda n: n / 4),
    source=st.sampled_from(["provider", "estimated"]),
    cache_write_tokens=st.just(msgspec.UNSET) | st.integers(1, 2**40),
    cache_write_1h_tokens=st.just(msgspec.UNSET) | st.integers(1, 2**40),
)


@given(USAGES, USAGES, USAGES)
def test_usage_adds_up_in_any_order(a: Usage, b: Usage, c: Usage) -> None:
    assert a + b == b + a
    assert (a + b) + c == a + (b + c)


@given(USAGES, USAGES)
def test_a_sum_never_claims_more_than_is_known(a: Usage, b: Usage) -> None:
    total = a + b
    assert total.input_tokens == a.input_tokens + b.input_tokens
    assert total.cached_input_tokens == a.cached_input_tokens + b.cached_input_tokens
    assert total.output_tokens == a.output_tokens + b.output_tokens
    assert total.reasoning_tokens == a.reasoning_tokens + b.reasoning_tokens
    assert total.cache_writes == (a.cache_writes[0] + b.cache_writes[0], a.cache_writes[1] + b.cache_writes[1])
    assert (total.cost_usd is None) == (a.cost_usd is None or b.cost_usd is None)
    assert (total.source == "provider") == (a.source == b.source == "provider")


@pytest.mark.parametrize(
    "part",
    [
        TextPart("hello"),
        ImagePart(url="https://example.org/cat.png", detail="low"),
        ImagePart(data="aGk=", media_type="image/png"),
        ToolResultPart("call_1", "42"),
    ],
)
def test_parts_are_read_back(part: TextPart | ImagePart | ToolResultPart) -> None:
    message = Message("user", [part])
    assert msgspec.json.decode(msgspec.json.encode(message), type=Message) == message


def test_content_is_text_or_parts() -> None:
    assert msgspec.json.decode(b'{"role":"user","content":"hi"}', type=Message).content == "hi"
    with pytest.raises(msgspec.ValidationError):
        msgspec.json.decode(b'{"role":"user","content":[{"type":"video"}]}', type=Message)
    with pytest.raises(msgspec.ValidationError):
        msgspec.json.decode(b'{"role":"robot","content":"hi"}', type=Message)


def test_what_is_sent_back_is_as_it_came() -> None:
    sent = b'{"role":"assistant","content":"hi","provider_data":[{"provider":"openai","value":{"a":[1,null]}}]}'
    message = msgspec.json.decode(sent, type=Message)
    assert message.provider_data == [ProviderValue("openai", {"a": [1, None]})]
    assert msgspec.json.encode(message) == sent


def test_the_efforts_are_the_words_that_providers_have() -> None:
    """Of OpenAI and Anthropic those of their SDKs' types; Google's levels are the same words in capitals."""
    ours = get_args(ReasoningEffort)
    assert set(ours) == {*get_args(get_args(OpenAIEffort)[0])}
    (of_anthropic,) = (each for each in get_args(get_type_hints(OutputConfigParam)["effort"]) if get_args(each))
    assert set(get_args(of_anthropic)) < set(ours)
    assert {level.value.lower() for level in ThinkingLevel} - {"thinking_level_unspecified"} < set(ours)
