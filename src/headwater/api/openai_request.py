"""The body of `POST /v1/chat/completions`, and the run that it asks for. Pure.

The structs are OpenAI's own shapes, of which what a field means is in their reference:
https://platform.openai.com/docs/api-reference/chat/create. What of it is taken, ignored and refused is the table in
`headwater.api.openai_parameters`.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Literal

import msgspec

from headwater.api.openai_parameters import check_refused
from headwater.domain.message import (
    ImagePart,
    Message,
    NamedTool,
    Part,
    ReasoningEffort,
    Settings,
    TextPart,
    Tool,
    ToolResultPart,
    ToolUse,
    Verbosity,
)
from headwater.domain.run import OnDisconnect, RunRequest
from headwater.errors import BadRequestError


class _Body(msgspec.Struct, forbid_unknown_fields=True, frozen=True, kw_only=True):
    pass


class TextContent(_Body, frozen=True, tag="text", tag_field="type"):
    text: str


class RefusalContent(_Body, frozen=True, tag="refusal", tag_field="type"):
    refusal: str


class ImageUrl(_Body, frozen=True):
    url: str
    detail: Literal["auto", "low", "high"] | None = None


class ImageContent(_Body, frozen=True, tag="image_url", tag_field="type"):
    image_url: ImageUrl


class FunctionCall(_Body, frozen=True):
    name: str
    arguments: str


class FunctionToolCall(_Body, frozen=True):
    id: str
    function: FunctionCall
    type: Literal["function"] = "function"


class SystemMessage(_Body, frozen=True, tag="system", tag_field="role"):
    content: str | list[TextContent]
    name: str | None = None


class DeveloperMessage(_Body, frozen=True, tag="developer", tag_field="role"):
    content: str | list[TextContent]
    name: str | None = None


class UserMessage(_Body, frozen=True, tag="user", tag_field="role"):
    content: str | list[TextContent | ImageContent]
    name: str | None = None


class AssistantMessage(_Body, frozen=True, tag="assistant", tag_field="role"):
    """An earlier answer, as it was given: what is only about that answer is passed over."""

    content: str | list[TextContent | RefusalContent] | None = None
    refusal: str | None = None
    name: str | None = None
    tool_calls: list[FunctionToolCall] | None = None
    annotations: Any = None
    #: what it thought, under both names that servers have for it
    reasoning_content: Any = None
    reasoning: Any = None
    audio: None = None
    function_call: None = None


class ToolMessage(_Body, frozen=True, tag="tool", tag_field="role"):
    tool_call_id: str
    content: str | list[TextContent]


ChatMessage = SystemMessage | DeveloperMessage | UserMessage | AssistantMessage | ToolMessage


class FunctionDefinition(_Body, frozen=True):
    name: str
    description: str | None = None
    parameters: dict[str, Any] | None = None
    strict: bool | None = None


class FunctionTool(_Body, frozen=True):
    type: Literal["function"]
    function: FunctionDefinition


class FunctionName(_Body, frozen=True):
    name: str


class FunctionChoice(_Body, frozen=True):
    type: Literal["function"]
    function: FunctionName


class TextFormat(_Body, frozen=True, tag="text", tag_field="type"):
    pass


class JsonObjectFormat(_Body, frozen=True, tag="json_object", tag_field="type"):
    pass


class JsonSchema(_Body, frozen=True):
    name: str
    schema: dict[str, Any]
    description: str | None = None
    strict: bool | None = None


class JsonSchemaFormat(_Body, frozen=True, tag="json_schema", tag_field="type"):
    json_schema: JsonSchema


class StreamOptions(_Body, frozen=True):
    include_usage: bool | None = None
    include_obfuscation: bool | None = None


class ChatCompletionRequest(_Body, frozen=True):
    """The body of a request for a chat completion."""

    model: str
    messages: list[ChatMessage]
    stream: bool | None = None
    stream_options: StreamOptions | None = None
    temperature: float | None = None
    top_p: float | None = None
    max_tokens: int | None = None
    max_completion_tokens: int | None = None
    stop: str | list[str] | None = None
    seed: int | None = None
    reasoning_effort: ReasoningEffort | None = None
    verbosity: Verbosity | None = None
    response_format: TextFormat | JsonObjectFormat | JsonSchemaFormat | None = None
    tools: list[FunctionTool] | None = None
    tool_choice: Literal["auto", "none", "required"] | FunctionChoice | None = None
    parallel_tool_calls: bool | None = None
    frequency_penalty: float | None = None
    presence_penalty: float | None = None
    logprobs: bool | None = None
    top_logprobs: int | None = None
    metadata: dict[str, str] | None = None
    # ignored
    user: Any = None
    safety_identifier: Any = None
    store: Any = None
    prompt_cache_key: Any = None
    prompt_cache_options: Any = None
    prompt_cache_retention: Any = None
    # refused, but for the values that ask for nothing
    n: Any = None
    audio: Any = None
    function_call: Any = None
    functions: Any = None
    logit_bias: Any = None
    modalities: Any = None
    moderation: Any = None
    prediction: Any = None
    service_tier: Any = None
    web_search_options: Any = None

    @property
    def include_usage(self) -> bool:
        return bool(self.stream_options and self.stream_options.include_usage)


def run_request(body: ChatCompletionRequest, on_disconnect: OnDisconnect, fallback: Sequence[str] = ()) -> RunRequest:
    """The run that answers it. Raises `RefusedError` with the pointer of the parameter that is at fault."""
    check_refused(body)
    if body.top_logprobs is not None and not body.logprobs:
        raise BadRequestError("`top_logprobs` needs `logprobs: true`.", pointer="/top_logprobs")
    return RunRequest(
        model=body.model,
        messages=[_message(message) for message in body.messages],
        settings=_settings(body),
        on_disconnect=on_disconnect,
        fallback=list(fallback),
        metadata=body.metadata or {},
    )


def _settings(body: ChatCompletionRequest) -> Settings:
    stop = [body.stop] if isinstance(body.stop, str) else body.stop or []
    choice = body.tool_choice
    schema: dict[str, Any] | None = None
    if isinstance(body.response_format, JsonSchemaFormat):
        wanted = body.response_format.json_schema
        # The name is the schema's title on our side of the wire.
        schema = {"title": wanted.name, **wanted.schema}
        if wanted.description is not None:
            schema = {"description": wanted.description, **schema}
    return Settings(
        temperature=body.temperature,
        top_p=body.top_p,
        max_tokens=body.max_tokens if body.max_completion_tokens is None else body.max_completion_tokens,
        stop=stop,
        seed=body.seed,
        reasoning_effort=body.reasoning_effort,
        verbosity=body.verbosity,
        json_schema=schema,
        json_object=isinstance(body.response_format, JsonObjectFormat),
        tools=[_tool(tool.function) for tool in body.tools or []],
        tool_choice=NamedTool(choice.function.name) if isinstance(choice, FunctionChoice) else choice,
        parallel_tool_calls=body.parallel_tool_calls,
        frequency_penalty=body.frequency_penalty,
        presence_penalty=body.presence_penalty,
        logprobs=(body.top_logprobs or 0) if body.logprobs else None,
    )


def _tool(function: FunctionDefinition) -> Tool:
    return Tool(function.name, function.description, function.parameters, function.strict)


def _message(message: ChatMessage) -> Message:
    match message:
        case ToolMessage():
            return Message("tool", [ToolResultPart(message.tool_call_id, _text(message.content))])
        case AssistantMessage():
            text = _text(message.content or "") or message.refusal or ""
            calls = [ToolUse(call.id, call.function.name, call.function.arguments) for call in message.tool_calls or []]
            thoughts = [
                each for each in (message.reasoning_content, message.reasoning) if each and isinstance(each, str)
            ]
            return Message("assistant", text, message.name, calls, reasoning=thoughts[0] if thoughts else None)
        case UserMessage():
            return Message("user", _parts(message.content), message.name)
        case SystemMessage():
            return Message("system", _text(message.content), message.name)
        case DeveloperMessage():
            return Message("developer", _text(message.content), message.name)


def _text(content: str | list[TextContent] | list[TextContent | RefusalContent]) -> str:
    if isinstance(content, str):
        return content
    return "".join(part.text if isinstance(part, TextContent) else part.refusal for part in content)


def _parts(content: str | list[TextContent | ImageContent]) -> str | list[Part]:
    if isinstance(content, str):
        return content
    return [
        TextPart(part.text)
        if isinstance(part, TextContent)
        else ImagePart(url=part.image_url.url, detail=part.image_url.detail)
        for part in content
    ]
