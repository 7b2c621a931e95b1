"""The tokens and the cost that a server reports which speaks one of OpenAI's APIs, in the one form that we keep."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any, Final, NamedTuple

from headwater.domain.message import Usage

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

    Cached tokens are where OpenAI has them, or where DeepSeek and Together do. xAI's chat counts reasoning apart from
    the completion; its total shows it. Cost is what OpenRouter, Perplexity or xAI say they charged, None elsewhere.
    Whatever is missing or is not a count is 0; None where neither the prompt nor the completion was counted: nothing
    was reported then, and an estimate says more than two zeros.
    """
    if _number(reported.get(names.input)) is None and _number(reported.get(names.output)) is None:
        return None
    given, made = _count(reported, names.input), _count(reported, names.output)
    reasoning = _count(_part(reported, names.output_details), "reasoning_tokens")
    reasoning = reasoning or _count(reported, "reasoning_tokens")
    cached = _count(_part(reported, names.input_details), "cached_tokens")
    cached = cached or _count(reported, "cached_tokens") or _count(reported, "prompt_cache_hit_tokens")
    if reasoning and _count(reported, "total_tokens") == given + made + reasoning:
        made += reasoning
    return Usage(given, cached, made, reasoning, _cost_usd(reported))


def _part(reported: Mapping[str, Any], name: str) -> Mapping[str, Any]:
    part = reported.get(name)
    return part if isinstance(part, dict) else {}


def _count(reported: Mapping[str, Any], name: str) -> int:
    count = _number(reported.get(name))
    return int(count) if count is not None else 0


def _cost_usd(reported: Mapping[str, Any]) -> float | None:
    cost = _number(reported.get("cost"))
    if cost is None:
        cost = _number(_part(reported, "cost").get("total_cost"))
    # xAI's resellers send 0 ticks for what they charge by other means.
    if cost is None and (ticks := _number(reported.get("cost_in_usd_ticks"))):
        cost = ticks / _TICKS_PER_USD
    return cost


def _number(value: object) -> float | None:
    if isinstance(value, bool) or not isinstance(value, int | float):
        return None
    # Counts beyond any real one would not fit what stores them.
    return float(value) if math.isfinite(value) and 0 <= value < 2**53 else None
