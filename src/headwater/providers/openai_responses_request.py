"""A generation request as a body of Responses, and the other requests of that API that answers are asked for with.

The fields are those of https://platform.openai.com/docs/api-reference/responses/create; where a server differs, its
row of `ResponsesQuirks` says how. What the API has no field for is refused here, before anything is sent.

Nothing is kept at the provider's (`store`), but for an answer in the background, which is kept for as long as it can
be asked for. So what a later turn needs of the model's reasoning has to come with the answer, encrypted.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any, Final

import msgspec

from headwater.domain.message import (
    GenerationRequest,
    ImagePart,
    Message,
    NamedTool,
    Settings,
    TextPart,
    Tool,
)
from headwater.errors import UnsupportedError
from headwater.providers.contract import Checkpoint, HttpRequest
from headwater.providers.model_limits import Models
from headwater.providers.openai_parts import chat_format, named_schema
from headwater.providers.request_rules import check_detail, check_verbosity, extra_of, image_url, tool_results

#: What `settings.extra` can not set: our decoder and our accounting rest on these, and the models are the operator's.
RESERVED: Final = frozenset({"model", "models", "input", "stream"})
#: Settings that Chat Completions has a field for and this API has none.
_OF_CHAT: Final = ("stop", "seed", "frequency_penalty", "presence_penalty")
#: Fields that our settings and `extra` may both say a part of.
_SHARED: Final = ("reasoning", "text")
#: Lists that `extra` adds to.
_LISTS: Final = ("include", "tools")

_ENCRYPTED_REASONING: Final = "reasoning.encrypted_content"
_LOGPROBS: Final = "message.output_text.logprobs"

#: What an answer's id may be to become part of a path: it is the provider's word, and must not lead anywhere else.
_RESPONSE_ID: Final = re.compile(r"[A-Za-z0-9_-][A-Za-z0-9_.:-]{0,255}")

_Json = dict[str, Any]


class ResponsesQuirks(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """How a server differs from OpenAI's own; the defaults are OpenAI.

    `provider_name` is what events and errors call the server, and the key of `settings.extra` that is meant for it.
    """

    provider_name: str = "openai"
    #: what its models do not take, where what one is called says it: a deployment may have any name
    models: Models | None = None
    #: whether the role `developer` is known; else it is sent as `system`
    developer_role: bool = True
    #: whether `text.format` takes a JSON schema
    json_schema: bool = True
    #: whether images are taken
    images: bool = True
    #: whether `detail` of an image is known; a server without it shows its model all that the model can see
    image_detail: bool = True
    #: whether `text.verbosity` is known
    verbosity: bool = True
    #: whether `top_logprobs` is known
    logprobs: bool = True
    #: whether `include` has a word for log probabilities; else `top_logprobs` alone asks for them
    logprobs_included: bool = True
    #: whether reasoning can be had encrypted, to be sent back in a later turn
    encrypted_reasoning: bool = True
    #: whether an answer can go on while nobody listens
    background: bool = True
    #: an assistant's words go back as an item of output; a server with it takes no plain message of that role
    output_messages: bool = False
    #: whether settings that this API has no field for, and the answer's format, are taken as Chat Completions has them
    chat_settings: bool = False
    #: whether an answer that was cut by `max_output_tokens` says so
    tells_incomplete: bool = True


def create_request(request: GenerationRequest, quirks: ResponsesQuirks) -> HttpRequest:
    """`POST /responses`. Raises as `request_body`."""
    body = msgspec.json.encode(request_body(request, quirks))
    headers = {
        "Content-Type": "application/json",
        "Accept": "text/event-stream" if request.stream else "application/json",
    }
    return HttpRequest("/responses", body, headers=headers)


def reattach_request(checkpoint: Checkpoint) -> HttpRequest:
    """Asks for the events of a background answer that come after a checkpoint."""
    path = f"{_path(checkpoint)}?stream=true&starting_after={checkpoint.sequence_number}"
    return HttpRequest(path, method="GET", headers={"Accept": "text/event-stream"})


def cancel_request(checkpoint: Checkpoint) -> HttpRequest:
    """Stops a background answer."""
    return HttpRequest(f"{_path(checkpoint)}/cancel", headers={"Accept": "application/json"})


def background_request(request: GenerationRequest, quirks: ResponsesQuirks) -> GenerationRequest:
    """The same request with an answer that goes on without us. Raises `UnsupportedError` where there are none."""
    _check_background(quirks)
    own = {**request.settings.extra.get(quirks.provider_name, {}), "background": True}
    settings = msgspec.structs.replace(request.settings, extra={**request.settings.extra, quirks.provider_name: own})
    return msgspec.structs.replace(request, settings=settings)


def is_response_id(text: str) -> bool:
    """Whether an answer with this id can be asked for again."""
    return _RESPONSE_ID.fullmatch(text) is not None


def is_background(request: GenerationRequest, quirks: ResponsesQuirks) -> bool:
    return request.settings.extra.get(quirks.provider_name, {}).get("background") is True


def request_body(request: GenerationRequest, quirks: ResponsesQuirks) -> _Json:
    """The JSON object to send to `/responses`.

    Raises `UnsupportedError` for what the API or the server can not do, `BadRequestError` (with a JSON pointer into
    the request) for messages that can not be meant.
    """
    settings = quirks.models.fit(request.model, request.settings) if quirks.models else request.settings
    extra = dict(extra_of(settings, quirks.provider_name, RESERVED))
    background = is_background(request, quirks)
    if background:
        _check_background(quirks)
    items: list[_Json] = []
    for at, message in enumerate(request.messages):
        items += _items(message, f"/messages/{at}", quirks)
    body: _Json = {"model": request.model, "input": items, "stream": request.stream, "store": background}
    body.update(_settings(settings, quirks))
    for name in _SHARED:
        if isinstance(extra.get(name), dict) and name in body:
            body[name] |= extra.pop(name)
    if include := _include(request, quirks):
        body["include"] = include
    for name in _LISTS:
        if isinstance(extra.get(name), list) and name in body:
            body[name] += [each for each in extra.pop(name) if each not in body[name]]
    body.update(extra)
    return body


def _path(checkpoint: Checkpoint) -> str:
    if not is_response_id(checkpoint.response_id):
        raise ValueError("an answer with such an id has no checkpoints")
    return f"/responses/{checkpoint.response_id}"


def _check_background(quirks: ResponsesQuirks) -> None:
    if not quirks.background:
        raise UnsupportedError(
            f"{quirks.provider_name} has no answers in the background",
            pointer=f"/settings/extra/{quirks.provider_name}/background",
        )


def _settings(settings: Settings, quirks: ResponsesQuirks) -> _Json:
    _check_settings(settings, quirks)
    body: _Json = {
        "temperature": settings.temperature,
        "top_p": settings.top_p,
        "max_output_tokens": settings.max_tokens,
        "parallel_tool_calls": settings.parallel_tool_calls,
        "top_logprobs": settings.logprobs,
    }
    if quirks.chat_settings:
        body.update({name: getattr(settings, name) for name in _OF_CHAT})
        body["stop"] = settings.stop or None
    body = {name: value for name, value in body.items() if value is not None}
    if settings.reasoning_effort is not None:
        body["reasoning"] = {"effort": settings.reasoning_effort}
    if quirks.chat_settings and (answer_format := chat_format(settings)) is not None:
        body["response_format"] = answer_format
    elif text := _text(settings, quirks):
        body["text"] = text
    if settings.tools:
        body["tools"] = [_tool(tool) for tool in settings.tools]
    if isinstance(settings.tool_choice, NamedTool):
        body["tool_choice"] = {"type": "function", "name": settings.tool_choice.name}
    elif settings.tool_choice is not None:
        body["tool_choice"] = settings.tool_choice
    return body


def _text(settings: Settings, quirks: ResponsesQuirks) -> _Json:
    text: _Json = {}
    if settings.json_schema is not None:
        text["format"] = {"type": "json_schema", **named_schema(settings.json_schema)}
    elif settings.json_object:
        text["format"] = {"type": "json_object"}
    if quirks.verbosity and settings.verbosity is not None:
        text["verbosity"] = settings.verbosity
    return text


def _check_settings(settings: Settings, quirks: ResponsesQuirks) -> None:
    name = quirks.provider_name
    for field in _OF_CHAT:
        if getattr(settings, field) not in (None, []) and not quirks.chat_settings:
            raise UnsupportedError(f"{name} has no `{field}` in the Responses API", pointer=f"/settings/{field}")
    if settings.json_schema is not None and not quirks.json_schema:
        raise UnsupportedError(f"{name} does not take a JSON schema for its answer", pointer="/settings/json_schema")
    if settings.logprobs is not None and not quirks.logprobs:
        raise UnsupportedError(f"{name} gives no log probabilities", pointer="/settings/logprobs")
    if not quirks.verbosity:
        check_verbosity(settings, name)


def _tool(tool: Tool) -> _Json:
    sent: _Json = {"type": "function", "name": tool.name}
    if tool.description is not None:
        sent["description"] = tool.description
    sent["parameters"] = tool.parameters if tool.parameters is not None else {"type": "object", "properties": {}}
    # Left out, it is true here and false in Chat Completions; a schema that leaves fields open would be refused.
    sent["strict"] = bool(tool.strict)
    return sent


def _include(request: GenerationRequest, quirks: ResponsesQuirks) -> list[str]:
    """What else the answer is to hold. Models that do not reason refuse to encrypt it, so it has to be asked for."""
    wanted = []
    reasons = request.settings.reasoning_effort not in (None, "none") or any(
        value.provider == quirks.provider_name for message in request.messages for value in message.provider_data
    )
    if reasons and quirks.encrypted_reasoning:
        wanted.append(_ENCRYPTED_REASONING)
    if request.settings.logprobs is not None and quirks.logprobs_included:
        wanted.append(_LOGPROBS)
    return wanted


def _items(message: Message, pointer: str, quirks: ResponsesQuirks) -> list[_Json]:
    """One message, as one item of input or several: calls and results of tools are items of their own."""
    if message.name is not None:
        raise UnsupportedError(
            f"{quirks.provider_name} has no names for authors in the Responses API", pointer=f"{pointer}/name"
        )
    results = tool_results(message, pointer)
    sent: list[_Json] = [
        {"type": "function_call_output", "call_id": result.tool_call_id, "output": result.content} for result in results
    ]
    if results and len(results) == len(message.content):
        return sent
    if message.role == "assistant":
        return [*_returned(message, quirks), *_said(message, pointer, quirks), *_called(message)]
    role = "system" if message.role == "developer" and not quirks.developer_role else message.role
    sent.append({"role": role, "content": _content(message, pointer, quirks)})
    return sent


def _returned(message: Message, quirks: ResponsesQuirks) -> Iterator[_Json]:
    """Items of an earlier answer that go back as they came; a member that is null would be refused."""
    for each in message.provider_data:
        if each.provider == quirks.provider_name and isinstance(each.value, dict) and "type" in each.value:
            yield {name: value for name, value in each.value.items() if value is not None}


def _said(message: Message, pointer: str, quirks: ResponsesQuirks) -> Iterator[_Json]:
    content = _content(message, pointer, quirks)
    text = content if isinstance(content, str) else "".join(part["text"] for part in content)
    if not text:
        return
    if quirks.output_messages:
        said = {"type": "output_text", "text": text, "annotations": []}
        yield {"type": "message", "role": "assistant", "content": [said]}
    else:
        yield {"role": "assistant", "content": text}


def _called(message: Message) -> Iterator[_Json]:
    for call in message.tool_calls:
        yield {"type": "function_call", "call_id": call.id, "name": call.name, "arguments": call.arguments}


def _content(message: Message, pointer: str, quirks: ResponsesQuirks) -> str | list[_Json]:
    if isinstance(message.content, str):
        return message.content
    sent: list[_Json] = []
    for at, part in enumerate(message.content):
        where = f"{pointer}/content/{at}"
        if isinstance(part, TextPart):
            sent.append({"type": "input_text", "text": part.text})
        elif isinstance(part, ImagePart):
            if not quirks.images:
                raise UnsupportedError(f"{quirks.provider_name} does not take images", pointer=where)
            if not quirks.image_detail:
                check_detail(part, quirks.provider_name, where)
            url = image_url(part, where)
            sent.append({"type": "input_image", "image_url": url, "detail": part.detail or "auto"})
    return sent
