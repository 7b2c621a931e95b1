"""A generation request as a body of Messages, for Anthropic and for the servers that speak its language.

The fields are those of https://platform.claude.com/docs/en/api/messages/create. What a model can not do is refused
here, before anything is sent: what each of Anthropic's can is in `anthropic_models`, what another server's models can
is in its `Quirks`.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from typing import Any, Final, NoReturn

import msgspec

from headwater.domain.message import GenerationRequest, NamedTool, ReasoningEffort, Settings, Tool
from headwater.errors import BadRequestError, UnsupportedError
from headwater.providers.anthropic_messages import conversation
from headwater.providers.anthropic_models import Traits, traits_of
from headwater.providers.request_rules import check_verbosity, extra_of

#: What `settings.extra` can not set: our decoder and our accounting rest on these, and the models are the operator's.
RESERVED: Final = frozenset({"model", "fallbacks", "messages", "stream", "system"})
#: Reasoning by a budget: tokens for each effort. The API takes no budget below the first, and there is no word for more
#: than the last.
THINKING_BUDGETS: Final[Mapping[ReasoningEffort, int]] = {
    "minimal": 1_024,
    "low": 4_096,
    "medium": 10_240,
    "high": 24_576,
}
#: Reasoning that is left to the model: how hard it tries. There is nothing below low.
EFFORTS: Final[Mapping[ReasoningEffort, str]] = {
    "minimal": "low",
    "low": "low",
    "medium": "medium",
    "high": "high",
    "xhigh": "xhigh",
    "max": "max",
}

#: Settings that Messages has nothing for, and what they are called to the caller.
_ABSENT: Final[Mapping[str, str]] = {
    "seed": "a seed",
    "frequency_penalty": "a frequency penalty",
    "presence_penalty": "a presence penalty",
    "logprobs": "log probabilities",
}
_BETA: Final = re.compile(r"[A-Za-z0-9._-]{1,100}")
_SCHEMA_DEPTH_MAX: Final = 64

_Json = dict[str, Any]


class Quirks(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """How a server differs from Anthropic's own; the defaults are Anthropic.

    `provider_name` is what events and errors call the server, and the key of `settings.extra` that is meant for it.
    """

    provider_name: str = "anthropic"
    #: a request needs a limit, which covers reasoning too; this is it where the caller sets none
    max_tokens_default: int = 32_000
    #: what all models of the server take; None is for Claude, where it depends on the model
    traits: Traits | None = None
    #: whether `tool_choice` knows a named tool and none; else the tools that are not to be called are not sent
    tool_choice_by_name: bool = True


def request_body(request: GenerationRequest, quirks: Quirks) -> _Json:
    """The JSON object to send to `/messages`.

    Raises `UnsupportedError` for what the model can not do, `BadRequestError` (with a JSON pointer into the request)
    for messages that can not be meant.
    """
    settings = request.settings
    model = _Model(request.model, quirks)
    _refuse_what_is_absent(settings, quirks.provider_name)
    talk = conversation(request.messages, quirks.provider_name)
    if talk.prefill is not None:
        model.check_prefill(settings, talk.prefill)
    body: _Json = {
        "model": request.model,
        "max_tokens": model.max_tokens_default(quirks) if settings.max_tokens is None else settings.max_tokens,
        "messages": talk.messages,
        "stream": request.stream,
    }
    if talk.system:
        body["system"] = talk.system
    if talk.container is not None:
        body["container"] = talk.container
    body.update(model.sampling(settings))
    body.update(model.reasoning(settings, body["max_tokens"]))
    if settings.stop:
        body["stop_sequences"] = list(settings.stop)
    if settings.json_schema is not None:
        wanted = {"type": "json_schema", "schema": model.schema(settings.json_schema, "/settings/json_schema")}
        body["output_config"] = {**body.get("output_config", {}), "format": wanted}
    if tools := _tools(settings, quirks):
        body["tools"] = [model.tool(tool, f"/settings/tools/{at}") for at, tool in tools]
    if (choice := model.tool_choice(settings)) is not None and tools:
        if choice["type"] == "tool" and not quirks.tool_choice_by_name:
            choice = {**choice, "type": "any"}
            del choice["name"]
        body["tool_choice"] = choice
    return _with_extra(body, settings, quirks)


def beta_header(request: GenerationRequest, quirks: Quirks) -> str:
    """The value of `anthropic-beta`: the names in the extra field `betas`; "" for none. Raises `BadRequestError`."""
    betas = request.settings.extra.get(quirks.provider_name, {}).get("betas")
    if betas is None:
        return ""
    if not isinstance(betas, list) or not all(isinstance(each, str) and _BETA.fullmatch(each) for each in betas):
        raise BadRequestError("`betas` is a list of names", pointer=f"/settings/extra/{quirks.provider_name}/betas")
    return ",".join(betas)


class _Model:
    """The model that is asked, by its name and what it takes."""

    def __init__(self, name: str, quirks: Quirks) -> None:
        self._name = name
        self._traits = quirks.traits or traits_of(name)
        self._is_claude = quirks.traits is None

    def max_tokens_default(self, quirks: Quirks) -> int:
        # Models from before there was reasoning take no more.
        return min(quirks.max_tokens_default, 4_096) if self._traits.thinking == "none" else quirks.max_tokens_default

    def sampling(self, settings: Settings) -> _Json:
        wanted: _Json = {}
        for name, value in (("temperature", settings.temperature), ("top_p", settings.top_p)):
            if value is None:
                continue
            if self._traits.sampling:
                wanted[name] = value
            # 1 is what either is anyway, and no model is sent what it would refuse for nothing.
            elif value != 1:
                self._refuse(f"takes no `{name}`", f"/settings/{name}", "Claude 4.6 and older do.")
        if self._is_claude and wanted.get("temperature", 1) > 1:
            self._refuse("takes no `temperature` above 1", "/settings/temperature")
        if len(wanted) == 2 and not self._traits.both_samplers:
            wanted = {name: value for name, value in wanted.items() if value != 1}
            if len(wanted) == 2:
                self._refuse(
                    "takes one of `temperature` and `top_p`, not both", "/settings/top_p", "Claude 4 takes both."
                )
        if wanted.get("temperature", 1) != 1 and settings.reasoning_effort not in (None, "none"):
            self._refuse("takes no `temperature` while it reasons", "/settings/temperature")
        return wanted

    def reasoning(self, settings: Settings, max_tokens: int) -> _Json:
        effort = settings.reasoning_effort
        if effort is None:
            return {}
        traits = self._traits
        if effort == "none":
            if traits.thinking == "none" or traits.thinking_off == "is_off":
                return {}
            if traits.thinking_off == "never":
                return {"output_config": {"effort": "low"}}
            return {"thinking": {"type": traits.thinking_off}}
        if traits.thinking == "none":
            self._refuse("does not reason", "/settings/reasoning_effort", "Claude 3.7 and newer do.")
        if effort in ("xhigh", "max") and effort not in traits.beyond_high:
            able = {"xhigh": "Claude 4.7 and newer do.", "max": "Claude 4.6 and newer do."}[effort]
            self._refuse(f"does not know the effort `{effort}`", "/settings/reasoning_effort", able)
        wanted: _Json = {"output_config": {"effort": EFFORTS[effort]}} if traits.effort else {}
        if traits.thinking == "adaptive":
            # Newer models leave their thinking out unless it is asked for.
            return {**wanted, "thinking": {"type": "adaptive", "display": "summarized"}}
        least = THINKING_BUDGETS["minimal"]
        if max_tokens <= least:
            self._refuse(f"needs `max_tokens` above {least} to reason", "/settings/max_tokens")
        # The limit covers both, and an answer has to fit beside the thinking.
        budget = max(least, min(THINKING_BUDGETS[effort], max_tokens // 2))
        return {**wanted, "thinking": {"type": "enabled", "budget_tokens": budget}}

    def schema(self, schema: _Json, pointer: str) -> _Json:
        if not self._traits.json_schema:
            self._refuse("does not keep to a JSON schema", pointer, "Claude 4.5 and newer do.")
        closed: _Json = _closed(schema, pointer)
        return closed

    def tool(self, tool: Tool, pointer: str) -> _Json:
        schema = tool.parameters or {"type": "object", "properties": {}}
        sent: _Json = {"name": tool.name, "input_schema": schema}
        if tool.description is not None:
            sent["description"] = tool.description
        if tool.strict:
            sent["input_schema"] = self.schema(schema, f"{pointer}/strict")
            sent["strict"] = True
        return sent

    def tool_choice(self, settings: Settings) -> _Json | None:
        choice = settings.tool_choice
        if not settings.tools:
            if choice == "required" or isinstance(choice, NamedTool):
                raise BadRequestError("there is no tool to choose", pointer="/settings/tool_choice")
            return None
        if choice == "none":
            return {"type": "none"}
        if choice == "required" or isinstance(choice, NamedTool):
            reasons = settings.reasoning_effort not in (None, "none") and self._traits.thinking == "budget"
            if reasons or not self._traits.forced_tools:
                self._refuse("can not be made to call a tool" + " while it reasons" * reasons, "/settings/tool_choice")
        wanted: _Json = {"type": "auto"} if choice is not None else {}
        if isinstance(choice, NamedTool):
            wanted = {"type": "tool", "name": choice.name}
        elif choice == "required":
            wanted = {"type": "any"}
        if settings.parallel_tool_calls is False:
            wanted = {"type": "auto", **wanted, "disable_parallel_tool_use": True}
        return wanted or None

    def check_prefill(self, settings: Settings, pointer: str) -> None:
        """Refuses a last message of the assistant where it would not be gone on with."""
        if not self._traits.prefill:
            self._refuse("does not go on with an answer", pointer, "Claude 4.5 and older do.")
        if settings.reasoning_effort not in (None, "none"):
            self._refuse("does not go on with an answer while it reasons", pointer)

    def _refuse(self, words: str, pointer: str, able: str = "") -> NoReturn:
        """`able` says which of Anthropic's can."""
        able = f" {able}" if able and self._is_claude else ""
        raise UnsupportedError(f"The model `{self._name[:100]}` {words}.{able}", pointer=pointer)


def _tools(settings: Settings, quirks: Quirks) -> list[tuple[int, Tool]]:
    """The tools to send, with their places in the request."""
    tools = list(enumerate(settings.tools))
    if quirks.tool_choice_by_name:
        return tools
    if isinstance(settings.tool_choice, NamedTool):
        return [(at, tool) for at, tool in tools if tool.name == settings.tool_choice.name]
    return [] if settings.tool_choice == "none" else tools


def _refuse_what_is_absent(settings: Settings, provider: str) -> None:
    for name, words in _ABSENT.items():
        if getattr(settings, name) is not None:
            raise UnsupportedError(f"{provider} does not take {words}", pointer=f"/settings/{name}")
    check_verbosity(settings, provider)
    if settings.json_object and settings.json_schema is None:
        raise UnsupportedError(
            f"{provider} answers with JSON by a schema only: give a `json_schema`", pointer="/settings/json_object"
        )


def _with_extra(body: _Json, settings: Settings, quirks: Quirks) -> _Json:
    """The provider's own fields on top: server tools beside the caller's tools, the rest in place of ours."""
    extra = dict(extra_of(settings, quirks.provider_name, RESERVED))
    extra.pop("betas", None)
    if isinstance(extra.get("tools"), list):
        extra["tools"] = [*body.get("tools", []), *extra["tools"]]
    if isinstance(extra.get("output_config"), dict):
        extra["output_config"] = {**body.get("output_config", {}), **extra["output_config"]}
    return {**body, **extra}


def _closed(schema: Any, pointer: str, depth: int = 0) -> Any:
    """The schema with every object closed, which the API insists on: what fits it then fits the caller's too.

    Raises `UnsupportedError` for an object whose members have any name, which would be empty if it were closed.
    """
    if depth > _SCHEMA_DEPTH_MAX:
        raise UnsupportedError("the schema is nested too deep", pointer=pointer)
    if isinstance(schema, list):
        return [_closed(each, pointer, depth + 1) for each in schema]
    if not isinstance(schema, dict):
        return schema
    if isinstance(schema.get("additionalProperties"), dict):
        raise UnsupportedError("an object whose members have any name can not be asked for", pointer=pointer)
    closed = dict(_closed_members(schema, pointer, depth))
    if schema.get("type") == "object" or isinstance(schema.get("properties"), dict):
        closed["additionalProperties"] = False
    return closed


def _closed_members(schema: _Json, pointer: str, depth: int) -> Iterator[tuple[str, Any]]:
    for key, each in schema.items():
        if key in ("properties", "$defs", "definitions") and isinstance(each, dict):
            # Names of the caller's, not of the schema's language.
            yield key, {name: _closed(inner, pointer, depth + 1) for name, inner in each.items()}
        elif key in ("enum", "const", "default", "examples"):
            yield key, each
        else:
            yield key, _closed(each, pointer, depth + 1)
