"""A generation request as a body of Chat Completions, for OpenAI and for the servers that speak its language.

The fields are those of https://platform.openai.com/docs/api-reference/chat/create; where a server differs, its row of
`Quirks` says how. What a server can not do is refused here, before anything is sent.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final, Literal

import msgspec

from headwater.domain.message import (
    GenerationRequest,
    ImagePart,
    Message,
    NamedTool,
    ReasoningEffort,
    Settings,
    TextPart,
    Tool,
)
from headwater.errors import UnsupportedError
from headwater.providers.model_limits import Models
from headwater.providers.openai_chat_reasoning import ReasoningField, ReasoningTextField, returned
from headwater.providers.openai_parts import chat_format
from headwater.providers.request_rules import check_detail, check_verbosity, extra_of, image_url, tool_results

#: What `settings.extra` can not set: our decoder and our accounting rest on these. With `models` a caller would name
#: others than the operator's to OpenRouter: https://openrouter.ai/docs/guides/routing/model-fallbacks
RESERVED: Final = frozenset({"model", "models", "messages", "stream"})

_Json = dict[str, Any]

#: How an answer that was begun is gone on with, where the last message is an assistant's: not, by that message alone,
#: by a field of the request (vLLM), or by a field of the message (Mistral).
Prefill = Literal["no", "plain", "continue_final_message", "prefix"]


class Quirks(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """How a server differs from OpenAI's own; the defaults are OpenAI.

    `provider_name` is what events and errors call the server, and the key of `settings.extra` that is meant for it.
    """

    provider_name: str = "openai"
    #: what its models do not take, where what one is called says it: a deployment may have any name
    models: Models | None = None
    max_tokens_field: Literal["max_completion_tokens", "max_tokens"] = "max_completion_tokens"
    seed_field: Literal["seed", "random_seed"] = "seed"
    #: asks for usage; a server that sends it unasked may refuse the field
    stream_options: bool = True
    #: whether the role `developer` is known; else it is sent as `system`
    developer_role: bool = True
    #: whether `response_format` takes a JSON schema
    json_schema: bool = True
    #: whether content may be a list of parts; a server without it takes text only
    content_parts: bool = True
    #: whether `verbosity` is known
    verbosity: bool = True
    #: whether tools can be called
    tools: bool = True
    #: whether a tool without parameters may leave them out; else an empty schema is sent
    bare_tools: bool = True
    #: whether a message may say who its author is
    names: bool = True
    #: whether `image_url.detail` is known; a server without it shows its model all that the model can see
    image_detail: bool = True
    #: what turns reasoning on and off, where the effort itself does not
    reasoning_on: Mapping[str, Any] = {}
    reasoning_off: Mapping[str, Any] = {}
    #: tokens for each effort, where reasoning is asked for by a `thinking_budget`
    thinking_budgets: Mapping[ReasoningEffort, int] = {}
    #: the field of an assistant's message that its reasoning goes back in
    reasoning_field: ReasoningField = ""
    #: the field that it is taken in as text
    reasoning_text_field: ReasoningTextField = ""
    #: how log probabilities are asked for: by whether and how many, or by how many alone
    logprobs: Literal["flag", "count"] = "flag"
    prefill: Prefill = "no"


def request_body(request: GenerationRequest, quirks: Quirks) -> _Json:
    """The JSON object to send to `/chat/completions`.

    Raises `UnsupportedError` for what the server can not do, `BadRequestError` (with a JSON pointer into the request)
    for messages that can not be meant.
    """
    settings = quirks.models.fit(request.model, request.settings) if quirks.models else request.settings
    thinks = settings.reasoning_effort != "none"
    messages = _messages(request.messages, quirks, thinks=thinks)
    body: _Json = {"model": request.model, "messages": messages, "stream": request.stream}
    if quirks.stream_options and request.stream:
        body["stream_options"] = {"include_usage": True}
    if request.messages and request.messages[-1].role == "assistant":
        _prefill(body, quirks)
    body.update(_settings(settings, quirks))
    extra = extra_of(request.settings, quirks.provider_name, RESERVED)
    if extra.get("n") not in (None, 1):
        raise UnsupportedError(
            "more than one answer to a request (`n`) is not supported",
            pointer=f"/settings/extra/{quirks.provider_name}/n",
        )
    body.update(extra)
    return body


def _prefill(body: _Json, quirks: Quirks) -> None:
    """Asks for more of the last message, where that has to be said."""
    if quirks.prefill == "continue_final_message":
        # https://docs.vllm.ai/en/latest/serving/openai_compatible_server.html
        body |= {"continue_final_message": True, "add_generation_prompt": False}
    elif quirks.prefill == "prefix":
        # https://docs.mistral.ai/capabilities/completion/prefix
        body["messages"][-1]["prefix"] = True


def _settings(settings: Settings, quirks: Quirks) -> _Json:
    body: _Json = {
        "temperature": settings.temperature,
        "top_p": settings.top_p,
        quirks.max_tokens_field: settings.max_tokens,
        quirks.seed_field: settings.seed,
        "frequency_penalty": settings.frequency_penalty,
        "presence_penalty": settings.presence_penalty,
        "parallel_tool_calls": settings.parallel_tool_calls,
    }
    body = {name: value for name, value in body.items() if value is not None}
    body |= _reasoning(settings.reasoning_effort, quirks)
    if not quirks.verbosity:
        check_verbosity(settings, quirks.provider_name)
    elif settings.verbosity is not None:
        body["verbosity"] = settings.verbosity
    if settings.stop:
        body["stop"] = list(settings.stop)
    if settings.json_schema is not None and not quirks.json_schema:
        raise UnsupportedError(
            f"{quirks.provider_name} does not take a JSON schema for its answer", pointer="/settings/json_schema"
        )
    if (answer_format := chat_format(settings)) is not None:
        body["response_format"] = answer_format
    if settings.tools:
        if not quirks.tools:
            raise UnsupportedError(f"{quirks.provider_name} calls no tools of its callers", pointer="/settings/tools")
        body["tools"] = [_tool(tool, quirks) for tool in settings.tools]
    if isinstance(settings.tool_choice, NamedTool):
        body["tool_choice"] = {"type": "function", "function": {"name": settings.tool_choice.name}}
    elif settings.tool_choice is not None:
        body["tool_choice"] = settings.tool_choice
    if settings.logprobs is not None:
        body |= (
            {"logprobs": True, "top_logprobs": settings.logprobs}
            if quirks.logprobs == "flag"
            else {"logprobs": settings.logprobs}
        )
    return body


def _reasoning(effort: ReasoningEffort | None, quirks: Quirks) -> _Json:
    if effort is None:
        return {}
    if effort == "none" and quirks.reasoning_off:
        return {**quirks.reasoning_off}
    if effort in ("xhigh", "max") and quirks.thinking_budgets:
        words = f"`{quirks.provider_name}` reasons by a budget, and has none for the effort `{effort}`, but for `high`"
        raise UnsupportedError(words, pointer="/settings/reasoning_effort")
    if effort in quirks.thinking_budgets:
        return {**quirks.reasoning_on, "thinking_budget": quirks.thinking_budgets[effort]}
    return {"reasoning_effort": effort, **(quirks.reasoning_on if effort != "none" else {})}


def _tool(tool: Tool, quirks: Quirks) -> _Json:
    bare = None if quirks.bare_tools else {"type": "object", "properties": {}}
    function: _Json = {
        "name": tool.name,
        "description": tool.description,
        "parameters": bare if tool.parameters is None else tool.parameters,
        "strict": tool.strict,
    }
    return {"type": "function", "function": {name: value for name, value in function.items() if value is not None}}


def _messages(messages: list[Message], quirks: Quirks, *, thinks: bool) -> list[_Json]:
    sent: list[_Json] = []
    for at, message in enumerate(messages):
        sent += _message(message, f"/messages/{at}", quirks)
        if message.role == "assistant":
            sent[-1] |= returned(
                message, quirks.provider_name, quirks.reasoning_field, quirks.reasoning_text_field, thinks=thinks
            )
    return sent


def _message(message: Message, pointer: str, quirks: Quirks) -> list[_Json]:
    """One message, as one of the provider's or several: each tool's result is a message of its own there."""
    results = tool_results(message, pointer)
    if (results or message.tool_calls) and not quirks.tools:
        raise UnsupportedError(f"{quirks.provider_name} knows no calls of tools and no results", pointer=pointer)
    sent: list[_Json] = [
        {"role": "tool", "tool_call_id": result.tool_call_id, "content": result.content} for result in results
    ]
    if results and len(results) == len(message.content):
        if message.name is not None:
            raise UnsupportedError("the result of a tool has no name of an author", pointer=f"{pointer}/name")
        return sent
    role = "system" if message.role == "developer" and not quirks.developer_role else message.role
    main: _Json = {"role": role, "content": _content(message, pointer, quirks)}
    if message.name is not None:
        if not quirks.names:
            raise UnsupportedError(f"{quirks.provider_name} has no names for authors", pointer=f"{pointer}/name")
        main["name"] = message.name
    if message.tool_calls:
        main["content"] = main["content"] or None
        main["tool_calls"] = [
            {"id": call.id, "type": "function", "function": {"name": call.name, "arguments": call.arguments}}
            for call in message.tool_calls
        ]
    sent.append(main)
    return sent


def _content(message: Message, pointer: str, quirks: Quirks) -> str | list[_Json]:
    if isinstance(message.content, str):
        return message.content
    sent: list[_Json] = []
    for at, part in enumerate(message.content):
        if isinstance(part, TextPart):
            sent.append({"type": "text", "text": part.text})
        elif isinstance(part, ImagePart):
            where = f"{pointer}/content/{at}"
            if not quirks.content_parts:
                raise UnsupportedError(f"{quirks.provider_name} does not take images", pointer=where)
            if not quirks.image_detail:
                check_detail(part, quirks.provider_name, where)
            image = {"url": image_url(part, where), "detail": part.detail if quirks.image_detail else None}
            sent.append({"type": "image_url", "image_url": {key: each for key, each in image.items() if each}})
    if not quirks.content_parts:
        return "".join(part["text"] for part in sent)
    return sent
