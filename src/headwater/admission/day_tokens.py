"""How many tokens somebody may use on one day (UTC): held before the call, settled with what it used.

What comes back is not known before the call, so that some is held for it, too: else any number of calls side by side
would find the day's last token unused. What a call has used takes the place of what was held; of one that has failed,
of as much of it, for another may follow.

What was used is known from the calls that the observer is told of. It is kept in memory, for this process: a start
begins anew.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable
from typing import Final

from headwater.domain.run import Owner
from headwater.errors import BudgetError
from headwater.telemetry import ProviderCalled, RunEnded, SilentObserver

OWNERS_MAX: Final = 100_000
_DAY_MS: Final = 86_400_000


class Hold:
    """Tokens that are held for a run that is about to be started: `bind` it to the run, or `release` them.

    `tokens` are those that it still holds.
    """

    __slots__ = ("_day", "owner", "tokens")

    def __init__(self, day: DayTokens, owner: Owner, tokens: int) -> None:
        self._day = day
        self.owner = owner
        self.tokens = tokens

    def bind(self, run: str) -> None:
        self._day.bind(self, run)

    def release(self) -> None:
        self._day.release(self)


class DayTokens(SilentObserver):
    """A day's tokens by owner; with the limit 0 nobody is refused, and nothing is counted."""

    def __init__(self, limit: int, now_ms: Callable[[], int], *, owners_max: int = OWNERS_MAX) -> None:
        self._limit = limit
        self._now_ms = now_ms
        self._owners_max = owners_max
        self._day = 0
        self._used: OrderedDict[Owner, int] = OrderedDict()
        self._held: dict[Owner, int] = {}
        self._runs: dict[str, Hold] = {}
        #: holds whose run has no id yet, and what was told meanwhile: it may be of their runs
        self._unbound = 0
        self._early: list[ProviderCalled | RunEnded] = []

    def used(self, owner: Owner) -> int:
        """What the owner has used today, and what is held for runs that go on."""
        self._turn_the_page()
        return self._used.get(owner, 0) + self._held.get(owner, 0)

    def hold(self, owner: Owner, tokens: int, reserve: int = 0) -> Hold:
        """Holds what is to be sent, and what may come back: `reserve`, or less where less is left of the day.

        Raises `BudgetError` where what is to be sent is more than is left.
        """
        hold = Hold(self, owner, tokens)
        if not self._limit:
            return hold
        left = self._limit - self.used(owner)
        if tokens > left:
            raise BudgetError(f"This would be more than {self._limit} tokens on one day.")
        hold.tokens = min(tokens + reserve, left)
        self._held[owner] = self._held.get(owner, 0) + hold.tokens
        self._unbound += 1
        return hold

    def bind(self, hold: Hold, run: str) -> None:
        """The run that these tokens are for. One that another hold is for already, or that is over, frees them."""
        if not self._limit:
            return
        self._unbound -= 1
        if run in self._runs:
            self._free(hold)
        else:
            self._runs[run] = hold
        told = [each for each in self._early if each.run == run]
        if not self._unbound:
            self._early.clear()
        for each in told:
            if isinstance(each, RunEnded):
                self.run_ended(each)
            else:
                self.provider_called(each)

    def release(self, hold: Hold) -> None:
        """There will be no run."""
        if self._limit:
            self._unbound -= 1
            if not self._unbound:
                self._early.clear()
            self._free(hold)

    def provider_called(self, detail: ProviderCalled) -> None:
        if (hold := self._runs.get(detail.run)) is None:
            self._note_early(detail)
            return
        self._turn_the_page()
        spent = detail.input_tokens + detail.output_tokens
        self._free(hold, None if detail.code is None else spent)
        self._used[hold.owner] = self._used.pop(hold.owner, 0) + spent
        if len(self._used) > self._owners_max:
            self._used.popitem(last=False)

    def run_ended(self, detail: RunEnded) -> None:
        if (hold := self._runs.pop(detail.run, None)) is None:
            self._note_early(detail)
        else:
            self._free(hold)

    def _note_early(self, detail: ProviderCalled | RunEnded) -> None:
        if self._unbound:
            self._early.append(detail)

    def _free(self, hold: Hold, tokens: int | None = None) -> None:
        """So many of what it holds; None for all of it."""
        freed = hold.tokens if tokens is None else min(hold.tokens, tokens)
        hold.tokens -= freed
        left = self._held.get(hold.owner, 0) - freed
        if left > 0:
            self._held[hold.owner] = left
        else:
            self._held.pop(hold.owner, None)

    def _turn_the_page(self) -> None:
        day = self._now_ms() // _DAY_MS
        if day != self._day:
            self._day = day
            self._used.clear()
