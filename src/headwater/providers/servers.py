"""The servers that are known by name: where each one is, how it is shown a key, and the dialect it speaks.

A server that speaks a known dialect is a row here and not a file. A model of the configuration names its row in
`provider`; a further server is a further row, wherever it comes from (`Catalog.from_rows(..., servers=...)`).
"""

from __future__ import annotations

from collections.abc import Callable, Hashable, Mapping
from functools import partial
from typing import Any, Final

import msgspec

from headwater.providers import (
    alibaba_models,
    anthropic,
    anthropic_models,
    cerebras_models,
    deepseek_models,
    gemini_models,
    groq_models,
    mistral_models,
    openai_models,
    perplexity_models,
    together_models,
    xai_models,
)
from headwater.providers.contract import Dialect
from headwater.providers.gemini import Gemini, GeminiQuirks
from headwater.providers.model_limits import Models
from headwater.providers.openai_chat import OpenAIChat, Quirks
from headwater.providers.openai_chat_request import Prefill
from headwater.providers.openai_responses import OpenAIResponses, ResponsesQuirks

#: What a dialect can ask for that has a word for all of it.
_ALL: Final = ("text", "reasoning", "tools", "json_schema", "images")


class ServerRow(msgspec.Struct, frozen=True, kw_only=True):
    """A server that is known by name. Without `base_url` each of its models has to say where it is."""

    #: makes the dialect, which has no state: one does for all calls
    dialect: Callable[[], Dialect]
    #: what can be asked for in this dialect; whether the model behind it can do it is the model's affair
    capabilities: tuple[str, ...] = _ALL
    #: the same of one of its models, by the server's name for it, where that is the dialect's affair
    capabilities_of: Callable[[str], tuple[str, ...]] | None = None
    #: what is equal for two of its models, by their names, that take the same; None where their capabilities say it
    kind_of: Callable[[str], Hashable] | None = None
    base_url: str | None = None
    api_key_env: str | None = None
    auth_header: str = "Authorization"
    auth_prefix: str = "Bearer "
    #: the address above is this machine's, so that nobody is paid
    is_local: bool = False
    #: where the server lists its models, which costs nothing to ask; joined to the base URL. None: it has no such list
    models_path: str | None = "/models"


def _with_models(row: ServerRow, models: Models | None) -> ServerRow:
    """A row whose models are known by their names, if they are."""
    if models is None:
        return row
    of_model = partial(models.able, capabilities=row.capabilities)
    return msgspec.structs.replace(row, capabilities_of=of_model, kind_of=models.limits_of)


def _chat(
    name: str,
    base_url: str | None = None,
    api_key_env: str | None = None,
    *,
    auth_header: str = "Authorization",
    auth_prefix: str = "Bearer ",
    **quirks: Any,
) -> ServerRow:
    """A server that speaks Chat Completions."""
    its_quirks = Quirks(provider_name=name, **quirks)
    row = ServerRow(
        dialect=lambda: OpenAIChat(its_quirks),
        capabilities=_of_chat(its_quirks),
        base_url=base_url,
        api_key_env=api_key_env,
        auth_header=auth_header,
        auth_prefix=auth_prefix,
    )
    return _with_models(row, its_quirks.models)


def _of_chat(quirks: Quirks) -> tuple[str, ...]:
    able = {"json_schema": quirks.json_schema, "images": quirks.content_parts, "tools": quirks.tools}
    prefill = () if quirks.prefill == "no" else ("prefill",)
    return (*(each for each in _ALL if able.get(each, True)), *prefill)


def chat_quirks_here(name: str, prefill: Prefill = "no", **more: Any) -> Quirks:
    """Of a server on this machine: it takes the older names, and its chat templates know no developer.

    vLLM documents that it knows no `detail` of an image; llama.cpp and Ollama read the address and nothing else.
    """
    return Quirks(
        provider_name=name,
        max_tokens_field="max_tokens",
        developer_role=False,
        verbosity=False,
        prefill=prefill,
        **{"image_detail": False, **more},
    )


def _chat_here(name: str, port: int, prefill: Prefill = "no", **more: Any) -> ServerRow:
    """A server on this machine that speaks Chat Completions."""
    quirks = chat_quirks_here(name, prefill, **more)
    return ServerRow(
        dialect=lambda: OpenAIChat(quirks),
        capabilities=_of_chat(quirks),
        base_url=f"http://127.0.0.1:{port}/v1",
        is_local=True,
    )


#: Those of Chat Completions. Quirks are from each provider's own reference; what is not there is OpenAI's way.
_CHAT: Mapping[str, ServerRow] = {
    # Any compatible server, wherever it is.
    "openai_chat": _chat("openai_chat", max_tokens_field="max_tokens"),
    "openai": _chat("openai", "https://api.openai.com/v1", "OPENAI_API_KEY", models=openai_models.MODELS),
    # Its address is the resource's: https://NAME.openai.azure.com/openai/v1
    "azure": _chat("azure", api_key_env="AZURE_OPENAI_API_KEY", auth_header="api-key", auth_prefix=""),
    "alibaba": _chat(
        "alibaba",
        "https://dashscope-intl.aliyuncs.com/compatible-mode/v1",
        "DASHSCOPE_API_KEY",
        max_tokens_field="max_tokens",
        developer_role=False,
        verbosity=False,
        # https://www.alibabacloud.com/help/en/model-studio/deep-thinking
        reasoning_on={"enable_thinking": True},
        reasoning_off={"enable_thinking": False},
        models=alibaba_models.MODELS,
        thinking_budgets={"minimal": 1_024, "low": 4_096, "medium": 10_240, "high": 24_576},
    ),
    "cerebras": _chat(
        "cerebras",
        "https://api.cerebras.ai/v1",
        "CEREBRAS_API_KEY",
        developer_role=False,
        verbosity=False,
        models=cerebras_models.MODELS,
    ),
    # Its `response_format` is `text` or `json_object` only.
    "deepseek": _chat(
        "deepseek",
        "https://api.deepseek.com/v1",
        "DEEPSEEK_API_KEY",
        max_tokens_field="max_tokens",
        developer_role=False,
        json_schema=False,
        content_parts=False,
        verbosity=False,
        models=deepseek_models.MODELS,
        reasoning_on={"thinking": {"type": "enabled"}},
        reasoning_off={"thinking": {"type": "disabled"}},
        reasoning_field="reasoning_content",
    ),
    "groq": _chat(
        "groq",
        "https://api.groq.com/openai/v1",
        "GROQ_API_KEY",
        developer_role=False,
        verbosity=False,
        names=False,
        models=groq_models.MODELS,
    ),
    "huggingface": _chat(
        "huggingface",
        "https://router.huggingface.co/v1",
        "HF_TOKEN",
        max_tokens_field="max_tokens",
        developer_role=False,
        verbosity=False,
    ),
    # Refuses fields that it does not know, and sends usage unasked. A tool has to have `parameters` (`Function` in its
    # SDK).
    "mistral": _chat(
        "mistral",
        "https://api.mistral.ai/v1",
        "MISTRAL_API_KEY",
        max_tokens_field="max_tokens",
        seed_field="random_seed",
        prefill="prefix",
        stream_options=False,
        bare_tools=False,
        developer_role=False,
        verbosity=False,
        names=False,
        models=mistral_models.MODELS,
    ),
    "openrouter": _chat(
        "openrouter",
        "https://openrouter.ai/api/v1",
        "OPENROUTER_API_KEY",
        max_tokens_field="max_tokens",
        reasoning_field="reasoning_details",
    ),
    # Searches by itself, and refuses tools and the role `tool`.
    "perplexity": _chat(
        "perplexity",
        "https://api.perplexity.ai",
        "PERPLEXITY_API_KEY",
        tools=False,
        models=perplexity_models.MODELS,
        max_tokens_field="max_tokens",
        stream_options=False,
        developer_role=False,
        verbosity=False,
    ),
    "together": _chat(
        "together",
        "https://api.together.xyz/v1",
        "TOGETHER_API_KEY",
        max_tokens_field="max_tokens",
        developer_role=False,
        verbosity=False,
        image_detail=False,
        reasoning_off={"reasoning": {"enabled": False}},
        logprobs="count",
        models=together_models.MODELS,
    ),
    "xai": _chat(
        "xai", "https://api.x.ai/v1", "XAI_API_KEY", developer_role=False, verbosity=False, models=xai_models.MODELS
    ),
    "llamacpp": _chat_here("llamacpp", 8080, "plain", reasoning_text_field="reasoning_content"),
    "lmstudio": _chat_here("lmstudio", 1234, image_detail=True),
    "ollama": _chat_here("ollama", 11434),
    "vllm": _chat_here("vllm", 8000, "continue_final_message", reasoning_text_field="reasoning"),
}


def _gemini(name: str, *, base_url: str, api_key_env: str, **quirks: Any) -> ServerRow:
    """A server that speaks generateContent and takes Google's API keys, which never go into a URL."""
    its_quirks = GeminiQuirks(provider_name=name, **quirks)
    return ServerRow(
        dialect=lambda: Gemini(its_quirks),
        capabilities=gemini_models.CAPABILITIES,
        capabilities_of=gemini_models.capabilities_of,
        kind_of=gemini_models.kind_of,
        base_url=base_url,
        api_key_env=api_key_env,
        auth_header="x-goog-api-key",
        auth_prefix="",
        # Else a page has 50: https://ai.google.dev/api/models#method:-models.list
        models_path="/models?pageSize=1000",
    )


_GOOGLE: Final = "https://generativelanguage.googleapis.com/v1beta"
#: On Vertex AI a model is its publisher's, or an endpoint of one's own.
_ON_VERTEX: Final[dict[str, Any]] = {
    "models_path": "publishers/google/models",
    "model_forms": ("publishers", "endpoints"),
}
_VERTEX_QUIRKS: Final = GeminiQuirks(provider_name="vertex", **_ON_VERTEX)

#: Those of generateContent.
_GEMINI: Mapping[str, ServerRow] = {
    "gemini": _gemini("gemini", base_url=_GOOGLE, api_key_env="GEMINI_API_KEY", models=gemini_models.MODELS),
    # The same answers as one JSON array, for a way on which events do not come through.
    "gemini_array": _gemini(
        "gemini_array", base_url=_GOOGLE, api_key_env="GEMINI_API_KEY", events=False, models=gemini_models.MODELS
    ),
    # Its address is the project's, https://REGION-aiplatform.googleapis.com/v1/projects/PROJECT/locations/REGION, and
    # its key an access token.
    "vertex": ServerRow(
        dialect=lambda: Gemini(_VERTEX_QUIRKS),
        capabilities=gemini_models.CAPABILITIES,
        capabilities_of=gemini_models.capabilities_of,
        kind_of=gemini_models.kind_of,
        models_path=None,
    ),
    "vertex_express": msgspec.structs.replace(
        _gemini(
            "vertex_express",
            base_url="https://aiplatform.googleapis.com/v1",
            api_key_env="GOOGLE_API_KEY",
            **_ON_VERTEX,
        ),
        models_path=None,
    ),
}


def _here(row: ServerRow, port: int) -> ServerRow:
    return msgspec.structs.replace(row, base_url=f"http://127.0.0.1:{port}/v1", is_local=True)


def _responses(name: str, base_url: str | None = None, api_key_env: str | None = None, **quirks: Any) -> ServerRow:
    """A server that speaks Responses."""
    its_quirks = ResponsesQuirks(provider_name=name, **quirks)
    able = {"json_schema": its_quirks.json_schema, "images": its_quirks.images, "background": its_quirks.background}
    row = ServerRow(
        dialect=lambda: OpenAIResponses(its_quirks),
        capabilities=tuple(each for each in (*_ALL, "background") if able.get(each, True)),
        base_url=base_url,
        api_key_env=api_key_env,
    )
    return _with_models(row, its_quirks.models)


#: What only OpenAI itself has, and who serves its models.
_NOT_OPENAI: Final[dict[str, Any]] = {"developer_role": False, "verbosity": False, "background": False}

#: Those of Responses. Quirks are from each provider's own reference and from recordings; what is not there is OpenAI's
#: way.
_RESPONSES: Mapping[str, ServerRow] = {
    # With a base URL, any compatible server.
    "openai_responses": _responses(
        "openai_responses", "https://api.openai.com/v1", "OPENAI_API_KEY", models=openai_models.MODELS
    ),
    # Its address is the resource's: https://NAME.openai.azure.com/openai/v1
    "azure_responses": msgspec.structs.replace(
        _responses("azure_responses", api_key_env="AZURE_OPENAI_API_KEY"), auth_header="api-key", auth_prefix=""
    ),
    "xai_responses": _responses(
        "xai_responses", "https://api.x.ai/v1", "XAI_API_KEY", models=xai_models.MODELS, **_NOT_OPENAI
    ),
    # Keeps nothing, so there is nothing to come back to. Its answers have log probabilities, and `include` has no word
    # for them (`ResponseIncludesEnum` in its SDK).
    "openrouter_responses": _responses(
        "openrouter_responses",
        "https://openrouter.ai/api/v1",
        "OPENROUTER_API_KEY",
        background=False,
        logprobs_included=False,
    ),
    "deepseek_responses": _responses(
        "deepseek_responses",
        "https://api.deepseek.com/v1",
        "DEEPSEEK_API_KEY",
        json_schema=False,
        images=False,
        encrypted_reasoning=False,
        models=deepseek_models.MODELS,
        **_NOT_OPENAI,
    ),
    # Its address has the region: https://bedrock-mantle.REGION.api.aws/v1
    "bedrock_responses": _responses(
        "bedrock_responses", api_key_env="AWS_BEARER_TOKEN_BEDROCK", verbosity=False, encrypted_reasoning=False
    ),
    # Turns the request into one of Chat Completions, and keeps what it does not know as it is.
    "llamacpp_responses": _here(
        _responses(
            "llamacpp_responses",
            image_detail=False,
            logprobs=False,
            encrypted_reasoning=False,
            output_messages=True,
            chat_settings=True,
            tells_incomplete=False,
            **_NOT_OPENAI,
        ),
        8080,
    ),
    "lmstudio_responses": _here(
        _responses("lmstudio_responses", json_schema=False, encrypted_reasoning=False, **_NOT_OPENAI), 1234
    ),
}

#: What models that are not Anthropic's take by this API. Nothing is refused but what no server has been seen to do.
_OTHERS: Final = anthropic_models.Traits(
    "budget", "disabled", effort=False, sampling=True, prefill=True, json_schema=False, forced_tools=True
)


def _messages(name: str, *, tool_choice_by_name: bool = True, prefill: bool = False) -> ServerRow:
    """A server that speaks Messages and has models of its own; with `prefill` they go on with an answer."""
    quirks = anthropic.Quirks(
        provider_name=name, max_tokens_default=4_096, traits=_OTHERS, tool_choice_by_name=tool_choice_by_name
    )
    able = tuple(each for each in _ALL if each != "json_schema")
    more = ("prefill",) if prefill else ()
    return ServerRow(dialect=lambda: anthropic.Anthropic(quirks), capabilities=(*able, *more))


#: Those of Messages.
_MESSAGES: Mapping[str, ServerRow] = {
    "anthropic": ServerRow(
        dialect=anthropic.Anthropic,
        capabilities=anthropic_models.CAPABILITIES,
        capabilities_of=anthropic_models.capabilities_of,
        kind_of=anthropic_models.traits_of,
        base_url="https://api.anthropic.com/v1",
        api_key_env="ANTHROPIC_API_KEY",
        auth_header="x-api-key",
        auth_prefix="",
        # Else a page has 20: https://docs.anthropic.com/en/api/models-list
        models_path="/models?limit=1000",
    ),
    # Any compatible server, wherever it is.
    "anthropic_compatible": _messages("anthropic_compatible"),
    # Knows no named tool, and no `none`.
    "llamacpp_messages": _here(_messages("llamacpp_messages", tool_choice_by_name=False, prefill=True), 8080),
    "lmstudio_messages": _here(_messages("lmstudio_messages"), 1234),
    "ollama_messages": _here(_messages("ollama_messages"), 11434),
    "vllm_messages": _here(_messages("vllm_messages"), 8000),
}

#: What a model's `provider` can be. A dialect's rows stand together, above; here they are joined.
SERVERS: Mapping[str, ServerRow] = {**_CHAT, **_RESPONSES, **_GEMINI, **_MESSAGES}
