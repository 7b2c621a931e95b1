"""The tokens that a Messages server reports, in the one form that we keep.

A stream reports twice or more: `message_start` says what the request came to, each `message_delta` what the answer has
come to by then. The counts are totals, so a later one takes an earlier one's place, and one that is left out stays.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import msgspec

from headwater.domain.message import Usage
from headwater.providers.reported_figures import count


class Tokens:
    """The counts of one answer as they stand."""

    def __init__(self) -> None:
        self._reported: dict[str, Any] = {}

    def take(self, reported: object) -> None:
        """A `usage` object; what is none says nothing."""
        if isinstance(reported, dict):
            self._reported.update({name: value for name, value in reported.items() if value is not None})

    def usage(self, *, final: bool) -> Usage | None:
        """The usage in OpenAI's sense: input includes what the cache gave and took. None where nothing was counted.

        Until the counts are `final` they are an estimate: of the answer only its beginning has been counted. Tokens of
        a compaction are added, for the totals leave them out; those of an advisor are another model's, and are not.
        """
        if not {"input_tokens", "output_tokens"} & self._reported.keys():
            return None
        parts = [self._reported, *_compactions(self._reported.get("iterations"))]
        cached = sum(count(part.get("cache_read_input_tokens")) for part in parts)
        written = sum(count(part.get("cache_creation_input_tokens")) for part in parts)
        for_an_hour = sum(_written_for_an_hour(part) for part in parts)
        fresh = sum(count(part.get("input_tokens")) for part in parts)
        details = self._reported.get("output_tokens_details")
        return Usage(
            input_tokens=fresh + cached + written,
            cached_input_tokens=cached,
            output_tokens=sum(count(part.get("output_tokens")) for part in parts),
            reasoning_tokens=count(details.get("thinking_tokens")) if isinstance(details, dict) else 0,
            source="provider" if final else "estimated",
            cache_write_tokens=written or msgspec.UNSET,
            cache_write_1h_tokens=for_an_hour or msgspec.UNSET,
        )


def _written_for_an_hour(part: Mapping[str, Any]) -> int:
    """https://docs.anthropic.com/en/docs/build-with-claude/prompt-caching#1-hour-cache-duration"""
    lifetimes = part.get("cache_creation")
    return count(lifetimes.get("ephemeral_1h_input_tokens")) if isinstance(lifetimes, dict) else 0


def _compactions(iterations: object) -> list[Mapping[str, Any]]:
    if not isinstance(iterations, list):
        return []
    return [each for each in iterations if isinstance(each, dict) and each.get("type") == "compaction"]
