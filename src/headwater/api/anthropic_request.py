"""The body of `POST /v1/messages`, and the run that it asks for. Pure.

The structs are Anthropic's own shapes, of which what a field means is in their reference:
https://platform.claude.com/docs/en/api/messages. What of it is taken, ignored and refused is the table in
`headwater.api.anthropic_parameters`.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any, Literal

import msgspec

from headwater.api.anthropic_parameters import PARAMETERS
from headwater.api.openai_parameters import check_refused
from headwater.delivery.formats.content_blocks import PROVIDER
from headwater.domain.message import (
    ImagePart,
    Message,
    NamedTool,
    Part,
    ProviderValue,
    ReasoningEffort,
    Settings,
    TextPart,
    Tool,
    ToolResultPart,
    ToolUse,
)
from headwater.domain.run import OnDisconnect, RunRequest
from headwater.errors import BadRequestError, UnsupportedError
from headwater.providers.anthropic_request import THINKING_BUDGETS


class _Body(msgspec.Struct, forbid_unknown_fields=True, frozen=True, kw_only=True):
    pass


class TextBlock(_Body, frozen=True, tag="text", tag_field="type"):
    text: str
    citations: Any = None
    cache_control: Any = None


class Base64Source(_Body, frozen=True, tag="base64", tag_field="type"):
    media_type: str
    data: str


class UrlSource(_Body, frozen=True, tag="url", tag_field="type"):
    url: str


class ImageBlock(_Body, frozen=True, tag="image", tag_field="type"):
    source: Base64Source | UrlSource
    cache_control: Any = None


class ThinkingBlock(_Body, frozen=True, tag="thinking", tag_field="type"):
    thinking: str
    signature: str = ""


class RedactedThinkingBlock(_Body, frozen=True, tag="redacted_thinking", tag_field="type"):
    data: str


class ToolUseBlock(_Body, frozen=True, tag="tool_use", tag_field="type"):
    id: str
    name: str
    input: dict[str, Any]
    caller: Any = None
    toolset_name: None = None
    cache_control: Any = None


class ToolResultBlock(_Body, frozen=True, tag="tool_result", tag_field="type"):
    tool_use_id: str
    content: str | list[TextBlock | ImageBlock] = ""
    is_error: bool | None = None
    toolset_name: None = None
    cache_control: Any = None


class UserMessage(_Body, frozen=True, tag="user", tag_field="role"):
    content: str | list[TextBlock | ImageBlock | ToolResultBlock]


class AssistantMessage(_Body, frozen=True, tag="assistant", tag_field="role"):
    content: str | list[TextBlock | ThinkingBlock | RedactedThinkingBlock | ToolUseBlock]


class SystemMessage(_Body, frozen=True, tag="system", tag_field="role"):
    content: str | list[TextBlock]


class EnabledThinking(_Body, frozen=True, tag="enabled", tag_field="type"):
    budget_tokens: int
    display: Literal["summarized", "omitted"] | None = None


class AdaptiveThinking(_Body, frozen=True, tag="adaptive", tag_field="type"):
    display: Literal["summarized", "omitted"] | None = None


class DisabledThinking(_Body, frozen=True, tag="disabled", tag_field="type"):
    pass


class JsonSchemaFormat(_Body, frozen=True, tag="json_schema", tag_field="type"):
    schema: dict[str, Any]


class OutputConfig(_Body, frozen=True):
    effort: Literal["low", "medium", "high", "xhigh", "max"] | None = None
    format: JsonSchemaFormat | None = None


class CustomTool(_Body, frozen=True):
    name: str
    input_schema: dict[str, Any]
    type: Literal["custom"] | None = None
    description: str | None = None
    strict: bool | None = None
    cache_control: Any = None
    #: how early the input comes is the provider's affair, and the events are the same
    eager_input_streaming: Any = None


class AutoChoice(_Body, frozen=True, tag="auto", tag_field="type"):
    disable_parallel_tool_use: bool | None = None


class AnyChoice(_Body, frozen=True, tag="any", tag_field="type"):
    disable_parallel_tool_use: bool | None = None


class ToolChoice(_Body, frozen=True, tag="tool", tag_field="type"):
    name: str
    disable_parallel_tool_use: bool | None = None


class NoChoice(_Body, frozen=True, tag="none", tag_field="type"):
    pass


class MessageRequest(_Body, frozen=True):
    """The body of a request for a message."""

    model: str
    max_tokens: int
    messages: list[UserMessage | AssistantMessage | SystemMessage]
    system: str | list[TextBlock] | None = None
    stream: bool | None = None
    stop_sequences: list[str] | None = None
    temperature: float | None = None
    top_p: float | None = None
    thinking: EnabledThinking | AdaptiveThinking | DisabledThinking | None = None
    output_config: OutputConfig | None = None
    tools: list[CustomTool] | None = None
    tool_choice: AutoChoice | AnyChoice | ToolChoice | NoChoice | None = None
    # ignored
    cache_control: Any = None
    metadata: Any = None
    # refused, but for the values that ask for nothing
    service_tier: Any = None
    speed: Any = None
    top_k: Any = None
    container: Any = None
    diagnostics: Any = None
    inference_geo: Any = None
    user_profile_id: Any = None
    workspace_id: Any = None


def run_request(body: MessageRequest, on_disconnect: OnDisconnect, fallback: Sequence[str] = ()) -> RunRequest:
    """The run that answers it. Raises `RefusedError` with the pointer of the parameter that is at fault.

    Its messages are the body's, one for one, behind the system's if there is one.
    """
    check_refused(body, PARAMETERS)
    if not body.messages:
        raise BadRequestError("There is no message to answer.", pointer="/messages")
    system = [] if body.system is None else [Message("system", _words(body.system))]
    return RunRequest(
        model=body.model,
        messages=[*system, *(_message(message, f"/messages/{at}") for at, message in enumerate(body.messages))],
        settings=_settings(body),
        on_disconnect=on_disconnect,
        fallback=list(fallback),
    )


def _settings(body: MessageRequest) -> Settings:
    choice = body.tool_choice
    wanted: Literal["auto", "none", "required"] | NamedTool | None = None
    match choice:
        case AutoChoice():
            wanted = "auto"
        case AnyChoice():
            wanted = "required"
        case ToolChoice():
            wanted = NamedTool(choice.name)
        case NoChoice():
            wanted = "none"
    alone = None if choice is None or isinstance(choice, NoChoice) else choice.disable_parallel_tool_use
    format = body.output_config.format if body.output_config is not None else None
    return Settings(
        temperature=body.temperature,
        top_p=body.top_p,
        max_tokens=body.max_tokens,
        stop=body.stop_sequences or [],
        reasoning_effort=_effort(body),
        json_schema=None if format is None else format.schema,
        tools=[Tool(tool.name, tool.description, tool.input_schema, tool.strict) for tool in body.tools or []],
        tool_choice=wanted,
        parallel_tool_calls=None if alone is None else not alone,
    )


def _effort(body: MessageRequest) -> ReasoningEffort | None:
    """How hard to think: a budget is named by the least effort that has as much, and the highest has all above."""
    thinking = body.thinking
    effort = body.output_config.effort if body.output_config is not None else None
    if isinstance(thinking, EnabledThinking | AdaptiveThinking) and thinking.display == "omitted":
        raise UnsupportedError("Thinking can not be left out of the answer.", pointer="/thinking/display")
    if effort is not None and isinstance(thinking, EnabledThinking | DisabledThinking):
        raise UnsupportedError("An effort goes with adaptive thinking only.", pointer="/output_config/effort")
    match thinking:
        case DisabledThinking():
            return "none"
        case EnabledThinking():
            enough = (effort for effort, budget in THINKING_BUDGETS.items() if budget >= thinking.budget_tokens)
            return next(enough, "high")
        case AdaptiveThinking():
            return effort or "high"
    return effort


def _message(message: UserMessage | AssistantMessage | SystemMessage, pointer: str) -> Message:
    match message:
        case SystemMessage():
            return Message("system", _words(message.content))
        case UserMessage():
            if isinstance(message.content, str):
                return Message("user", message.content)
            return Message(
                "user", [_part(block, f"{pointer}/content/{at}") for at, block in enumerate(message.content)]
            )
        case AssistantMessage():
            if isinstance(message.content, str):
                return Message("assistant", message.content)
            return _answer(message.content)


def _answer(blocks: list[TextBlock | ThinkingBlock | RedactedThinkingBlock | ToolUseBlock]) -> Message:
    """An earlier answer. What its provider sealed goes along, and only to that provider."""
    calls = [
        ToolUse(block.id, block.name, msgspec.json.encode(block.input).decode())
        for block in blocks
        if isinstance(block, ToolUseBlock)
    ]
    texts = [block for block in blocks if isinstance(block, TextBlock)]
    return Message("assistant", _words(texts), tool_calls=calls, provider_data=list(_sealed(blocks)))


def _sealed(
    blocks: Sequence[TextBlock | ThinkingBlock | RedactedThinkingBlock | ToolUseBlock],
) -> Iterator[ProviderValue]:
    for block in blocks:
        if isinstance(block, RedactedThinkingBlock) or (isinstance(block, ThinkingBlock) and block.signature):
            yield ProviderValue(PROVIDER, msgspec.to_builtins(block))


def _words(content: str | list[TextBlock]) -> str | list[Part]:
    """Text; of several blocks each stays a part of its own."""
    if isinstance(content, str):
        return content
    return content[0].text if len(content) == 1 else [TextPart(block.text) for block in content]


def _part(block: TextBlock | ImageBlock | ToolResultBlock, pointer: str) -> Part:
    match block:
        case TextBlock():
            return TextPart(block.text)
        case ImageBlock(source=UrlSource() as source):
            return ImagePart(url=source.url)
        case ImageBlock(source=Base64Source() as source):
            return ImagePart(data=source.data, media_type=source.media_type)
        case ToolResultBlock():
            return ToolResultPart(block.tool_use_id, "Error: " * bool(block.is_error) + _result(block.content, pointer))
    raise AssertionError("a block of another type is no part of a user's message")


def _result(content: str | list[TextBlock | ImageBlock], pointer: str) -> str:
    if isinstance(content, str):
        return content
    texts: list[str] = []
    for at, block in enumerate(content):
        if isinstance(block, ImageBlock):
            raise UnsupportedError("A tool's result is text only.", pointer=f"{pointer}/content/{at}")
        texts.append(block.text)
    return "".join(texts)
