"""What is sent to a model: messages of parts, settings, and what the model's work cost.

One form for all providers; each dialect maps it to its provider's own and refuses what that can not do.
Unknown fields are refused, nested ones too.
"""

from __future__ import annotations

from typing import Annotated, Any, Final, Literal

import msgspec

from headwater.domain.open_word import open_word

Role = Literal["system", "developer", "user", "assistant", "tool"]
#: From the least to the most. No model knows all of them.
ReasoningEffort = Literal["none", "minimal", "low", "medium", "high", "xhigh", "max"]
Verbosity = Literal["low", "medium", "high"]
UsageSource = Literal["provider", "estimated"]


class _Strict(msgspec.Struct, forbid_unknown_fields=True, omit_defaults=True, frozen=True):
    pass


class TextPart(_Strict, frozen=True, tag="text", tag_field="type"):
    text: str


class ImagePart(_Strict, frozen=True, tag="image", tag_field="type"):
    """An image by `url` (https or data) or as base64 `data` with its `media_type`."""

    url: str | None = None
    data: str | None = None
    media_type: str | None = None
    detail: Literal["auto", "low", "high"] | None = None


class ToolResultPart(_Strict, frozen=True, tag="tool_result", tag_field="type"):
    tool_call_id: str
    content: str


Part = TextPart | ImagePart | ToolResultPart


class ToolUse(_Strict, frozen=True):
    """A call that the model made in an earlier turn; `arguments` is the JSON text as the model wrote it."""

    id: str
    name: str
    arguments: str


class ProviderValue(_Strict, frozen=True):
    """What a `provider_data` event of an earlier turn held, to be sent back as it came."""

    provider: str
    value: Any


class Message(_Strict, frozen=True):
    role: Role
    content: str | list[Part] = ""
    name: str | None = None
    tool_calls: list[ToolUse] = []
    #: of an assistant, in the order it came; each provider is sent its own only
    provider_data: list[ProviderValue] = []
    #: of an assistant: what it thought, as text, for those who want that back; others pass it over
    reasoning: str | None = None


class Tool(_Strict, frozen=True):
    """A function that the model may call; `parameters` is a JSON schema."""

    name: str
    description: str | None = None
    parameters: dict[str, Any] | None = None
    strict: bool | None = None


class NamedTool(_Strict, frozen=True):
    """`tool_choice`: this one and no other."""

    name: str


class Settings(_Strict, frozen=True):
    """How to generate. `None` leaves the provider's default."""

    temperature: float | None = None
    top_p: float | None = None
    max_tokens: int | None = None
    stop: list[str] = []
    seed: int | None = None
    reasoning_effort: ReasoningEffort | None = None
    #: how long the answer is to be, beside what the messages ask for
    verbosity: Verbosity | None = None
    json_schema: dict[str, Any] | None = None
    #: the answer is a JSON object, of whatever shape; a schema says more
    json_object: bool = False
    tools: list[Tool] = []
    tool_choice: Literal["auto", "none", "required"] | NamedTool | None = None
    parallel_tool_calls: bool | None = None
    frequency_penalty: float | None = None
    presence_penalty: float | None = None
    logprobs: int | None = None
    #: provider-specific fields under the provider's own name, e.g. `{"openai": {"service_tier": "flex"}}`
    extra: dict[str, dict[str, Any]] = {}


class GenerationRequest(_Strict, frozen=True):
    """One model call. `model` is the name that the provider knows it by."""

    model: str
    messages: list[Message]
    settings: Settings = Settings()
    #: False asks for the whole answer in one piece, of a provider whose `answers_whole` is true
    stream: bool = True


class Usage(msgspec.Struct, frozen=True):
    """Tokens and cost of a call or a run; `source` says whether the provider counted or we guessed."""

    input_tokens: int = 0
    cached_input_tokens: int = 0
    output_tokens: int = 0
    reasoning_tokens: int = 0
    cost_usd: float | None = None
    source: Annotated[str, open_word(UsageSource)] = "provider"
    #: of the input, what was put into the provider's cache; and of that, for an hour and not for minutes. Only where
    #: there was any: left out else
    cache_write_tokens: int | msgspec.UnsetType = msgspec.UNSET
    cache_write_1h_tokens: int | msgspec.UnsetType = msgspec.UNSET

    @property
    def cache_writes(self) -> tuple[int, int]:
        """How many tokens were put into the cache in all, and for an hour."""
        return self.cache_write_tokens or 0, self.cache_write_1h_tokens or 0

    def __add__(self, other: Usage) -> Usage:
        costs = [c for c in (self.cost_usd, other.cost_usd) if c is not None]
        return Usage(
            self.input_tokens + other.input_tokens,
            self.cached_input_tokens + other.cached_input_tokens,
            self.output_tokens + other.output_tokens,
            self.reasoning_tokens + other.reasoning_tokens,
            # a sum in which one cost is unknown is unknown, never too small
            sum(costs) if len(costs) == 2 else None,
            "provider" if self.source == other.source == "provider" else "estimated",
            *(own + more or msgspec.UNSET for own, more in zip(self.cache_writes, other.cache_writes, strict=True)),
        )


#: Of a run that has ended and of which no call has used anything: whatever a token costs, none of them cost nothing.
#: It is marked because no provider has said so.
NOTHING_USED: Final = Usage(cost_usd=0.0, source="estimated")
