"""The body of `POST /v1/responses`, and the run that it asks for. Pure.

The structs are OpenAI's own shapes: https://platform.openai.com/docs/api-reference/responses/create. What of it is
taken, ignored and refused is the table in `headwater.api.responses_parameters`.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Literal

import msgspec

from headwater.api.openai_parameters import check_refused
from headwater.api.openai_request import JsonObjectFormat, TextFormat
from headwater.api.responses_input import messages_of
from headwater.api.responses_parameters import PARAMETERS
from headwater.domain.message import Message, NamedTool, ReasoningEffort, Settings, Tool, Verbosity
from headwater.domain.run import FaceTerms, OnCrash, OnDisconnect, RunRequest
from headwater.errors import BadRequestError, UnsupportedError

Include = Literal[
    "file_search_call.results",
    "web_search_call.results",
    "web_search_call.action.sources",
    "message.input_image.image_url",
    "computer_call_output.output.image_url",
    "code_interpreter_call.outputs",
    "reasoning.encrypted_content",
    "message.output_text.logprobs",
]
Summary = Literal["auto", "concise", "detailed"]


class _Body(msgspec.Struct, forbid_unknown_fields=True, frozen=True, kw_only=True):
    pass


class ReasoningOptions(_Body, frozen=True):
    effort: ReasoningEffort | None = None
    summary: Summary | None = None
    #: the older name
    generate_summary: Summary | None = None
    context: Any = None
    mode: Any = None


class ResponseSchemaFormat(_Body, frozen=True, tag="json_schema", tag_field="type"):
    name: str
    schema: dict[str, Any]
    description: str | None = None
    strict: bool | None = None


class TextOptions(_Body, frozen=True):
    format: TextFormat | JsonObjectFormat | ResponseSchemaFormat | None = None
    verbosity: Verbosity | None = None


class ResponseFunctionTool(_Body, frozen=True):
    type: Literal["function"]
    name: str
    description: str | None = None
    parameters: dict[str, Any] | None = None
    strict: bool | None = None
    # null, or what happens anyway
    allowed_callers: None = None
    defer_loading: Literal[False] | None = None
    output_schema: Any = None


class ResponseFunctionChoice(_Body, frozen=True):
    type: Literal["function"]
    name: str


class ResponseRequest(_Body, frozen=True):
    """The body of a request for a response. The items of `input` are read one by one (`responses_input`)."""

    model: str
    input: str | list[dict[str, Any]]
    instructions: str | None = None
    stream: bool | None = None
    background: bool | None = None
    previous_response_id: str | None = None
    store: bool | None = None
    include: list[Include] | None = None
    max_output_tokens: int | None = None
    temperature: float | None = None
    top_p: float | None = None
    top_logprobs: int | None = None
    reasoning: ReasoningOptions | None = None
    text: TextOptions | None = None
    tools: list[ResponseFunctionTool] | None = None
    tool_choice: Literal["auto", "none", "required"] | ResponseFunctionChoice | None = None
    parallel_tool_calls: bool | None = None
    metadata: dict[str, str] | None = None
    # ignored
    stream_options: Any = None
    user: Any = None
    safety_identifier: Any = None
    prompt_cache_key: Any = None
    prompt_cache_options: Any = None
    prompt_cache_retention: Any = None
    # refused, but for the values that ask for nothing
    access_programs: Any = None
    context_management: Any = None
    conversation: Any = None
    image: Any = None
    max_tool_calls: Any = None
    moderation: Any = None
    prompt: Any = None
    service_tier: Any = None
    truncation: Any = None


def check(body: ResponseRequest) -> None:
    """Raises `RefusedError` with the pointer of a parameter that can not be done, or not with the others."""
    check_refused(body, PARAMETERS)
    if body.reasoning is not None:
        for name in ("context", "mode"):
            if getattr(body.reasoning, name) is not None:
                raise UnsupportedError(f"`reasoning.{name}` is not supported.", pointer=f"/reasoning/{name}")
    if body.background and body.store is False:
        raise BadRequestError("What goes on in the background has to be stored.", pointer="/store")


def run_request(
    body: ResponseRequest,
    before: Sequence[Message] = (),
    *,
    on_disconnect: OnDisconnect,
    on_crash: OnCrash = "interrupt",
    fallback: Sequence[str] = (),
    summary_for: str | None = None,
) -> RunRequest:
    """The run that answers it; `before` is the conversation so far.

    `summary_for` is the name of a provider that takes `reasoning.summary`. Raises `BadRequestError` with the pointer
    of what can not be read.
    """
    messages = [*before, *messages_of(body.input)]
    if body.instructions is not None:
        messages.insert(0, Message("developer", body.instructions))
    reasoning = body.reasoning or ReasoningOptions()
    terms = FaceTerms(
        instructions=body.instructions is not None,
        previous_response_id=body.previous_response_id,
        stored=body.store is not False,
        sealed="reasoning.encrypted_content" in (body.include or ()),
        summary=reasoning.summary or reasoning.generate_summary,
    )
    settings = _settings(body, reasoning)
    if summary_for is not None and terms.summary is not None:
        settings = msgspec.structs.replace(settings, extra={summary_for: {"reasoning": {"summary": terms.summary}}})
    return RunRequest(
        model=body.model,
        messages=messages,
        settings=settings,
        on_disconnect=on_disconnect,
        on_crash=on_crash,
        fallback=list(fallback),
        metadata=body.metadata or {},
        face=terms,
    )


def _settings(body: ResponseRequest, reasoning: ReasoningOptions) -> Settings:
    text = body.text or TextOptions()
    choice = body.tool_choice
    wants_logprobs = body.top_logprobs is not None or "message.output_text.logprobs" in (body.include or ())
    return Settings(
        temperature=body.temperature,
        top_p=body.top_p,
        max_tokens=body.max_output_tokens,
        reasoning_effort=reasoning.effort,
        verbosity=text.verbosity,
        json_schema=_schema(text.format) if isinstance(text.format, ResponseSchemaFormat) else None,
        json_object=isinstance(text.format, JsonObjectFormat),
        tools=[Tool(tool.name, tool.description, tool.parameters, tool.strict) for tool in body.tools or []],
        tool_choice=NamedTool(choice.name) if isinstance(choice, ResponseFunctionChoice) else choice,
        parallel_tool_calls=body.parallel_tool_calls,
        logprobs=(body.top_logprobs or 0) if wants_logprobs else None,
    )


def _schema(wanted: ResponseSchemaFormat) -> dict[str, Any]:
    """The schema, whose title on our side of the wire is the name of the format."""
    schema: dict[str, Any] = {"title": wanted.name, **wanted.schema}
    return schema if wanted.description is None else {"description": wanted.description, **schema}
