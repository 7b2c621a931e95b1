"""Everything that can be asked for, sent by each server's row to a server that checks it with the provider's own types.

What a row can not send it refuses; what it sends is what the provider's SDK would send, and is answered.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

import msgspec
import pytest
from groq.types.chat.completion_create_params import CompletionCreateParams as GroqChat
from hypothesis import given
from hypothesis import strategies as st
from mistralai.client.models import ChatCompletionStreamRequest as MistralChat
from openrouter.components import ChatRequest as OpenRouterChat
from openrouter.components import ResponsesRequest as OpenRouterResponses

from headwater.domain.event import Chunk
from headwater.errors import ProviderError, RefusedError
from headwater.providers.contract import Finish, Item
from headwater.providers.egress import Egress
from headwater.providers.http import Auth, HttpProvider
from headwater.providers.redact import Secret
from headwater.providers.servers import SERVERS
from headwater.testing.requests import REQUESTS
from tests.kit.provider_apis import ANSWER, checking, wrong_with
from tests.kit.upstream import ScriptedUpstream
from tests.providers.requests import REQUESTS as REQUESTS_OF_ANY_KIND

KEY: Final = "canary-7f3a-b1e2"

#: A model of each row whose name matters to its dialect; what it can do follows from it.
MODELS: Final[Mapping[str, tuple[str, ...]]] = {
    "anthropic": ("claude-opus-4-5", "claude-opus-4-6", "claude-opus-5-5"),
    "gemini": ("gemini-2.5-flash", "gemini-3-pro-preview"),
    "openai": ("gpt-5-mini", "gpt-4o"),
    "openai_responses": ("gpt-5-mini", "gpt-5.2"),
    "xai": ("grok-4", "grok-4.3"),
    "xai_responses": ("grok-4", "grok-4.3"),
    "deepseek": ("deepseek-chat", "deepseek-v4-flash"),
    "groq": ("openai/gpt-oss-120b", "qwen/qwen3-32b"),
    "mistral": ("mistral-small-latest", "mistral-large-2512"),
}

#: What a row takes by the provider's own SDK. The other rows are checked by the types of the SDK that their providers
#: tell people to use, with another base URL, or that their servers copy:
#: - Azure, https://learn.microsoft.com/azure/ai-foundry/openai/api-version-lifecycle: OpenAI's;
#: - DeepSeek, https://api-docs.deepseek.com: OpenAI's;
#: - llama.cpp, https://github.com/ggml-org/llama.cpp/tree/master/tools/server: OpenAI's;
#: - LM Studio, https://lmstudio.ai/docs/developer/openai-compat: OpenAI's; its `lmstudio` speaks a WebSocket instead;
#: - Ollama, https://docs.ollama.com/api/openai-compatibility: OpenAI's; its `ollama` speaks the other API, `/api/chat`;
#: - vLLM, https://docs.vllm.ai/en/latest/serving/openai_compatible_server.html: OpenAI's;
#: - xAI, https://docs.x.ai/developers/grpc-api-reference: `xai-sdk` speaks gRPC with messages of its own, none of which
#:   is a body of REST, for which it names OpenAI's;
#: - Cerebras, Perplexity and Together have SDKs of their own, which are not asked: what they are sent is OpenAI's, but
#:   for `OWN_MEMBERS`.
OWN_TYPES: Final[Mapping[str, Any]] = {
    "groq": GroqChat,
    "mistral": MistralChat,
    "openrouter": OpenRouterChat,
    "openrouter_responses": OpenRouterResponses,
}

#: Members of a body that a provider documents, and its SDK's types have not, or no longer: by row, or by dialect.
OWN_MEMBERS: Final[Mapping[str, tuple[str, ...]]] = {
    "alibaba": ("enable_thinking", "thinking_budget"),
    "deepseek": ("thinking", "reasoning_content"),
    # Only the types of its answers speak of it: `ChatCompletionChunk.usage` of its SDK.
    "groq": ("stream_options",),
    "llamacpp": ("reasoning_content",),
    # https://openrouter.ai/docs/api/reference/parameters#verbosity
    "openrouter": ("verbosity",),
    # There `logprobs` is a number.
    "together": ("reasoning", "logprobs"),
    "vllm": ("continue_final_message", "add_generation_prompt", "reasoning"),
    # Claude 4.6 and older take them; what the newest models do not take has left the SDK.
    "anthropic": ("temperature", "top_p"),
}

#: Speaks its own version of an API, and is asked itself (`tests/local/test_real_apis.py`).
NOT_AS_THE_SDK: Final = frozenset({"llamacpp_responses"})


def own_members(server: str) -> tuple[str, ...]:
    return OWN_MEMBERS.get(server, OWN_MEMBERS.get(SERVERS[server].dialect().name, ()))


CASES: Final = [
    (server, model) for server in SERVERS if server not in NOT_AS_THE_SDK for model in MODELS.get(server, ("model",))
]


@pytest.mark.parametrize(("server", "model"), CASES, ids=lambda each: each)
async def test_what_is_sent_is_what_the_provider_s_sdk_would_send(server: str, model: str) -> None:
    row = SERVERS[server]
    async with ScriptedUpstream(checking(own_members(server), OWN_TYPES.get(server))) as upstream:
        auth = Auth(Secret(KEY), None, row.auth_header, row.auth_prefix)
        provider = HttpProvider(server, row.dialect(), base_url=upstream.base_url, auth=auth, egress=Egress(True))
        faults: dict[str, str] = {}
        answered = 0
        try:
            for name, asked in REQUESTS.items():
                request = msgspec.structs.replace(asked.request, model=model)
                try:
                    provider.check(request)
                except RefusedError:
                    continue
                items: list[Item] = []
                try:
                    async for batch in provider.stream(request, connect_s=10):
                        items += batch
                except ProviderError as error:
                    faults[name] = f"{error.code}: {error.detail}"
                    continue
                assert "".join(item.content for item in items if isinstance(item, Chunk)) == ANSWER
                assert isinstance(items[-1], Finish)
                assert items[-1].reason == "stop"
                answered += 1
        finally:
            await provider.close()
        assert faults == {}
        assert answered > 10
        for received in upstream.requests:
            assert received.headers[row.auth_header.lower()] == row.auth_prefix + KEY
            assert KEY not in received.path


@given(data=st.data())
def test_whatever_is_asked_for_is_refused_or_of_the_sdk_s_types(data: st.DataObject) -> None:
    """Settings that are fine alone, together; messages in an order that no conversation has."""
    server, model = data.draw(st.sampled_from(CASES))
    request = msgspec.structs.replace(data.draw(REQUESTS_OF_ANY_KIND), model=model)
    try:
        made = SERVERS[server].dialect().request(request)
    except RefusedError as error:
        refusal: RefusedError = error
    else:
        assert wrong_with(made, own_members(server), OWN_TYPES.get(server)) == []
        return
    assert str(refusal.extra["pointer"]).startswith("/")


async def test_a_wrong_body_is_refused_with_what_is_wrong() -> None:
    """Else the test above could not fail."""
    odd: Mapping[str, dict[str, Any]] = {
        "openai": {"verbosity": 3},
        "anthropic": {"metadata": 3},
        "gemini": {"generationConfig": {"temprature": 1}},
    }
    for server, wrong in odd.items():
        row = SERVERS[server]
        async with ScriptedUpstream(checking()) as upstream:
            provider = HttpProvider(server, row.dialect(), base_url=upstream.base_url, egress=Egress(True))
            asked = REQUESTS["a question"].request
            name = provider._dialect.name
            settings = msgspec.structs.replace(asked.settings, extra={server: wrong, name: wrong})
            with pytest.raises(ProviderError) as caught:
                async for _ in provider.stream(msgspec.structs.replace(asked, settings=settings), connect_s=10):
                    pass
            assert next(iter(wrong)) in caught.value.detail
            await provider.close()


@pytest.mark.parametrize(
    ("server", "name", "value", "fault"),
    [
        ("groq", "verbosity", "low", "/verbosity: CompletionCreateParams has no such member"),
        ("mistral", "seed", 7, "/seed: ChatCompletionStreamRequest has no such member"),
        ("openrouter", "store", True, "/store: ChatRequest has no such member"),
        ("openrouter_responses", "conversation", "c", "/conversation: ResponsesRequest has no such member"),
    ],
)
def test_a_body_of_openai_s_types_alone_is_refused_where_the_provider_has_its_own(
    server: str, name: str, value: object, fault: str
) -> None:
    asked = REQUESTS["a question"].request
    settings = msgspec.structs.replace(asked.settings, extra={server: {name: value}})
    made = SERVERS[server].dialect().request(msgspec.structs.replace(asked, settings=settings))
    assert wrong_with(made, own_members(server)) == []
    assert wrong_with(made, own_members(server), OWN_TYPES[server]) == [fault]
