"""One try at a model call in figures: what it used, what that costs, how soon it began and how fast it went."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

import msgspec

from headwater.clock import Clock
from headwater.domain import event as ev
from headwater.domain.message import Message, Usage
from headwater.errors import ErrorCode
from headwater.providers import estimate
from headwater.providers.contract import Item
from headwater.providers.cost import Pricing, priced

#: Ends that are not the provider's word, or none that can be read: it has worked until then, and perhaps after.
_UNHEARD: Final = frozenset(
    {ErrorCode.CANCELLED, ErrorCode.TIMEOUT, ErrorCode.NETWORK, ErrorCode.TRUNCATED, ErrorCode.PARSE}
)


class CallMeter:
    """`took` for each list that the provider puts out, then `missing` once at the end, however it came."""

    def __init__(self, messages: Sequence[Message], pricing: Pricing, clock: Clock) -> None:
        #: what is known so far, with its cost
        self.usage: Usage | None = None
        self._messages = messages
        self._pricing = pricing
        self._clock = clock
        self._began = clock.monotonic()
        #: the provider has taken the request: from here on it may be paid for
        self._is_answered = False
        self._first_at: float | None = None
        self._last_at = 0.0
        self._said_bytes = 0
        self._reasoning_bytes = 0

    def goes_on(self, reported: Usage | None, said_bytes: int, reasoning_bytes: int) -> None:
        """The answer was begun before a crash: what was reported of it then, and what it had put out."""
        self.usage, self._is_answered = reported, True
        self._said_bytes, self._reasoning_bytes = said_bytes, reasoning_bytes

    def took(self, items: list[Item]) -> None:
        """Takes note of what arrived together. Reports of usage in the list get their cost."""
        self._is_answered = True
        if len(items) == 1 and (only := items[0]).__class__ is ev.Chunk:
            # Nearly everything that comes is this; it does no more than it must.
            text = only.content
            said = len(text) if text.isascii() else estimate.utf8_bytes(text)
        else:
            said = self._took(items)
        if said:
            self._said_bytes += said
            self._last_at = self._clock.monotonic()
            if self._first_at is None:
                self._first_at = self._last_at

    def _took(self, items: list[Item]) -> int:
        """The bytes of output in these."""
        said = 0
        for at, item in enumerate(items):
            if isinstance(item, ev.Chunk | ev.Refusal):
                said += estimate.utf8_bytes(item.content)
            elif isinstance(item, ev.Reasoning):
                size = estimate.utf8_bytes(item.content)
                self._reasoning_bytes += size
                said += size
            elif isinstance(item, ev.ToolCall):
                said += estimate.utf8_bytes(item.arguments)
            elif isinstance(item, ev.UsageReport):
                self.usage = priced(item.usage, self._pricing)
                items[at] = msgspec.structs.replace(item, usage=self.usage)
        return said

    def missing(
        self, code: ErrorCode | None = None, *, is_unanswered: bool = False, interim: Usage | None = None
    ) -> Usage | None:
        """What is still to be told of the usage of a call that ended so; None where the provider has told it all.

        Nobody is paid for an error in place of an answer. But who was stopped, was too slow for us, or could not be
        heard any more may have worked: from the moment on when the whole request was sent (`is_unanswered`).
        `interim` is what the provider itself had reported until then and no list has held: it may have gone on.
        """
        if interim is not None:
            self.usage = priced(msgspec.structs.replace(interim, source="estimated"), self._pricing)
        is_failure = code is not None and code not in _UNHEARD and not self._said_bytes
        if interim is None and (is_failure or not (self._is_answered or is_unanswered)):
            return None
        guess = estimate.usage(estimate.input_bytes(self._messages), self._said_bytes, self._reasoning_bytes)
        untold = estimate.completed(self.usage, guess)
        if untold is not None:
            self.usage = priced(untold, self._pricing)
        return None if untold is None and interim is None else self.usage

    @property
    def first_token_s(self) -> float | None:
        """From the call to its first output."""
        return None if self._first_at is None else self._first_at - self._began

    @property
    def tokens_per_s(self) -> float | None:
        """Output tokens a second, from the first output to the newest; None where all came at once."""
        if self._first_at is None or self._last_at <= self._first_at or self.usage is None:
            return None
        return self.usage.output_tokens / (self._last_at - self._first_at)
