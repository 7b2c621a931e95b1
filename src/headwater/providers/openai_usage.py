"""The tokens and the cost that a server reports which speaks one of OpenAI's APIs, in the one form that we keep."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final, NamedTuple

import msgspec

from headwater.domain.message import Usage
from headwater.providers.reported_figures import count, figure

#: xAI counts money in these: https://docs.x.ai/developers/cost-tracking
_TICKS_PER_USD: Final = 10_000_000_000


class UsageNames(NamedTuple):
    """What an API calls the counts, and the objects that divide them up."""

    input: str
    output: str

    @property
    def input_details(self) -> str:
        return f"{self.input}_details"

    @property
    def output_details(self) -> str:
        return f"{self.output}_details"


CHAT: Final = UsageNames("prompt_tokens", "completion_tokens")
RESPONSES: Final = UsageNames("input_tokens", "output_tokens")


def read_usage(reported: Mapping[str, Any], names: UsageNames) -> Usage | None:
    """The usage in a `usage` object, in OpenAI's sense: output tokens include those of reasoning.

    Cached tokens are where OpenAI has them, or where DeepSeek and Together do; what was put into one, where OpenAI's
    Responses and OpenRouter have it. xAI's chat counts reasoning apart from the completion; its total shows it. Cost is
    what OpenRouter, Perplexity or xAI say they charged, None elsewhere.
    Whatever is missing or is not a count is 0; None where neither the prompt nor the completion was counted: nothing
    was reported then, and an estimate says more than two zeros.
    """
    if figure(reported.get(names.input)) is None and figure(reported.get(names.output)) is None:
        return None
    given, made = count(reported.get(names.input)), count(reported.get(names.output))
    reasoning = count(_part(reported, names.output_details).get("reasoning_tokens"))
    reasoning = reasoning or count(reported.get("reasoning_tokens"))
    cached = count(_part(reported, names.input_details).get("cached_tokens"))
    cached = cached or count(reported.get("cached_tokens")) or count(reported.get("prompt_cache_hit_tokens"))
    if reasoning and count(reported.get("total_tokens")) == given + made + reasoning:
        made += reasoning
    written = count(_part(reported, names.input_details).get("cache_write_tokens")) or msgspec.UNSET
    return Usage(given, cached, made, reasoning, _cost_usd(reported), cache_write_tokens=written)


def _part(reported: Mapping[str, Any], name: str) -> Mapping[str, Any]:
    part = reported.get(name)
    return part if isinstance(part, dict) else {}


def _cost_usd(reported: Mapping[str, Any]) -> float | None:
    cost = figure(reported.get("cost"))
    if cost is None:
        cost = figure(_part(reported, "cost").get("total_cost"))
    # xAI's resellers send 0 ticks for what they charge by other means.
    if cost is None and (ticks := figure(reported.get("cost_in_usd_ticks"))):
        cost = ticks / _TICKS_PER_USD
    return cost
