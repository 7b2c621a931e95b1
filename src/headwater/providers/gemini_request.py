"""A generation request as a body of Gemini's `generateContent`, for Google's own API and for Vertex AI.

The fields are those of https://ai.google.dev/api/generate-content and, for Vertex, of
https://docs.cloud.google.com/vertex-ai/generative-ai/docs/reference/rest/v1/GenerateContentResponse. What Gemini can
not do is refused here, before anything is sent.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any, Final

import msgspec

from headwater.domain.message import GenerationRequest, NamedTool, ReasoningEffort, Settings, Tool
from headwater.errors import BadRequestError, UnsupportedError
from headwater.providers.gemini_contents import contents_of, media_resolution
from headwater.providers.gemini_models import thinking_of
from headwater.providers.model_limits import Models
from headwater.providers.request_rules import check_verbosity, extra_of

#: What `settings.extra` can not set: our decoder and our accounting rest on these.
RESERVED: Final = frozenset({"model", "contents", "systemInstruction"})
#: The name that `settings.extra` may be under beside the server's own, for both of Google's servers.
GOOGLE: Final = "google"

#: One piece of a model's name, which becomes a piece of a path: no slash, no query, no climbing.
_SEGMENT: Final = r"(?!\.+(?:/|$))[A-Za-z0-9._@~-]{1,200}"
_BARE_NAME: Final = re.compile(_SEGMENT)
#: Google's own table for the efforts of OpenAI (https://ai.google.dev/gemini-api/docs/openai).
_BUDGETS: Final[Mapping[ReasoningEffort, int]] = {
    "minimal": 1024,
    "low": 1024,
    "medium": 8192,
    "high": 24576,
}

_Json = dict[str, Any]


class GeminiQuirks(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """How a server differs from Google's own API; the defaults are that.

    `provider_name` is what events and errors call the server, and the key of `settings.extra` that is meant for it.
    """

    provider_name: str = "gemini"
    #: whether the answer comes as events; else as one JSON array
    events: bool = True
    #: what a bare name of a model stands under in the path
    models_path: str = "models"
    #: what its models do not take, where what one is called says it
    models: Models | None = None
    #: what a name that says more must begin with
    model_forms: tuple[str, ...] = ("models", "tunedModels")


def model_path(model: str, quirks: GeminiQuirks) -> str:
    """Where a model is, below the base URL. Raises `BadRequestError` for a name that would lead elsewhere."""
    if _BARE_NAME.fullmatch(model):
        return f"{quirks.models_path}/{model}"
    for form in quirks.model_forms:
        if re.fullmatch(rf"{re.escape(form)}(?:/{_SEGMENT}){{1,5}}", model):
            return model
    forms = " or ".join(f"`{form}/…`" for form in quirks.model_forms)
    raise BadRequestError(f"a model's name is one word, or of the form {forms}", pointer="/model")


def request_body(request: GenerationRequest, quirks: GeminiQuirks) -> _Json:
    """The JSON object to send.

    Raises `UnsupportedError` for what Gemini can not do, `BadRequestError` (with a JSON pointer into the request) for
    messages that can not be meant.
    """
    if quirks.models is not None:
        settings = quirks.models.fit(request.model, request.settings)
        request = msgspec.structs.replace(request, settings=settings)
    model = thinking_of(request.model)
    system, contents = contents_of(
        request.messages, quirks.provider_name, must_sign=model.signs, sees_by_part=model.sees_by_part
    )
    body: _Json = {"contents": contents}
    if system:
        body["systemInstruction"] = {"parts": system}
    body.update(_tools(request.settings))
    if config := _generation_config(request, quirks):
        body["generationConfig"] = config
    for name in dict.fromkeys((GOOGLE, quirks.provider_name)):
        _add_extra(body, extra_of(request.settings, name, RESERVED), f"/settings/extra/{name}")
    return body


def _generation_config(request: GenerationRequest, quirks: GeminiQuirks) -> _Json:
    settings = request.settings
    config: _Json = {
        "temperature": settings.temperature,
        "topP": settings.top_p,
        "maxOutputTokens": settings.max_tokens,
        "stopSequences": list(settings.stop) or None,
        "seed": settings.seed,
        "presencePenalty": settings.presence_penalty,
        "frequencyPenalty": settings.frequency_penalty,
    }
    if not thinking_of(request.model).sees_by_part:
        config["mediaResolution"] = media_resolution(request.messages)
    if settings.json_schema is not None:
        config["responseMimeType"] = "application/json"
        config["responseJsonSchema"] = settings.json_schema
    elif settings.json_object:
        config["responseMimeType"] = "application/json"
    if settings.logprobs is not None:
        config["responseLogprobs"] = True
        # Beside the chosen token; none is what is sent where nothing is said.
        config["logprobs"] = settings.logprobs or None
    if settings.reasoning_effort is not None:
        config["thinkingConfig"] = _thinking(request.model, settings.reasoning_effort, settings.max_tokens)
    check_verbosity(settings, quirks.provider_name)
    return {name: value for name, value in config.items() if value is not None}


def _thinking(model: str, effort: ReasoningEffort, max_tokens: int | None) -> _Json | None:
    thinking = thinking_of(model)
    if effort == "none":
        if thinking.by == "none":
            return None
        if not thinking.can_stop:
            raise UnsupportedError(
                f"`{model[:100]}` can not be kept from thinking; `gemini-2.5-flash` can, and others think little where "
                "`minimal` is asked for",
                pointer="/settings/reasoning_effort",
            )
        return {"thinkingBudget": 0, "includeThoughts": False}
    if thinking.by == "none":
        raise UnsupportedError(f"`{model[:100]}` does not think", pointer="/settings/reasoning_effort")
    if effort == "max" or (effort == "xhigh" and not thinking.xhigh):
        raise UnsupportedError(
            f"`{model[:100]}` does not know the effort `{effort}`, but `high`", pointer="/settings/reasoning_effort"
        )
    if thinking.by == "level":
        return {"thinkingLevel": effort.upper(), "includeThoughts": True}
    budget = _BUDGETS[effort]
    if max_tokens is not None:
        # Thoughts are part of what `maxOutputTokens` limits: some of it has to be left for the answer.
        budget = max(min(budget, max_tokens // 2), thinking.budget_min)
    return {"thinkingBudget": budget, "includeThoughts": True}


def _tools(settings: Settings) -> _Json:
    if settings.parallel_tool_calls is False and settings.tools:
        raise UnsupportedError(
            "Gemini can not be kept from calling several tools at once", pointer="/settings/parallel_tool_calls"
        )
    body: _Json = {}
    if settings.tools:
        body["tools"] = [{"functionDeclarations": [_declaration(tool) for tool in settings.tools]}]
    choice = settings.tool_choice
    calling: _Json | None = None
    if isinstance(choice, NamedTool):
        calling = {"mode": "ANY", "allowedFunctionNames": [choice.name]}
    elif choice is not None:
        calling = {"mode": {"auto": "AUTO", "none": "NONE", "required": "ANY"}[choice]}
    if any(tool.strict for tool in settings.tools) and (calling is None or calling["mode"] == "AUTO"):
        # AUTO, with arguments that keep to their schema; ANY keeps to it always.
        calling = {"mode": "VALIDATED"}
    if calling is not None:
        body["toolConfig"] = {"functionCallingConfig": calling}
    return body


def _declaration(tool: Tool) -> _Json:
    declaration: _Json = {
        "name": tool.name,
        "description": tool.description,
        "parametersJsonSchema": tool.parameters,
    }
    return {name: value for name, value in declaration.items() if value is not None}


def _add_extra(body: _Json, extra: Mapping[str, Any], pointer: str) -> None:
    """Google's own fields: further tools stand beside the functions, and single fields of what holds many others."""
    for name, value in extra.items():
        present = body.get(name)
        if isinstance(present, dict) and isinstance(value, dict):
            body[name] = present | value
        elif isinstance(present, list) and isinstance(value, list):
            body[name] = present + value
        else:
            body[name] = value
    config = body.get("generationConfig")
    if isinstance(config, dict) and config.get("candidateCount") not in (None, 1):
        raise UnsupportedError(
            "more than one answer to a request (`candidateCount`) is not supported",
            pointer=f"{pointer}/generationConfig/candidateCount",
        )
