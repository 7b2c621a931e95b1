"""The answer in a stored run, as a provider would say it again: pure, from records to items.

It takes the records twice, for a later one may say that an earlier one does not count: first each of them by `note`,
then each of them by `items`, until the final one, which `finish` takes.
"""

from __future__ import annotations

from functools import cached_property
from typing import get_args

import msgspec

from headwater.domain import event as ev
from headwater.domain.message import Usage
from headwater.errors import ErrorCode, ProviderError, Truncated
from headwater.providers.contract import Finish, Item

_Output = ev.Chunk | ev.Reasoning | ev.Refusal | ev.ToolCall | ev.Annotation | ev.ProviderData
#: By its word. Of one that a newer version of this server gave no more is known than that it is an end.
_REASONS: dict[str, ev.FinishReason] = {reason: reason for reason in get_args(ev.FinishReason)}


class StoredAnswer:
    """What the answer calls of one run put out and still counts, as the output of a single call."""

    def __init__(self) -> None:
        #: when the first answer call began, in ms since the run was created
        self.began_ms: int | None = None
        self._internal: set[int] = set()
        #: call, and the first and last seq of what of it was taken back
        self._superseded: list[tuple[int, int, int]] = []
        self._parts: set[tuple[int, int]] = set()
        self._usage: dict[int, Usage] = {}

    def note(self, record: ev.Record) -> None:
        """Takes a record of the first time through."""
        event = record.event
        match event:
            case ev.Call(role=role) if role != "answer":
                self._internal.add(event.call)
            case ev.Call() if self.began_ms is None:
                self.began_ms = record.t
            case ev.Attempt(supersedes_from=int() as start):
                self._superseded.append((event.call, start, record.seq))
            case ev.Chunk() | ev.Reasoning() | ev.Refusal() | ev.ToolCall() | ev.Annotation() | ev.ProviderData():
                if (event.call or 1) not in self._internal:
                    self._parts.add((event.call or 1, event.index))
            case _:
                pass

    def items(self, record: ev.Record) -> list[Item]:
        """What a record of the second time through says: an item, or nothing."""
        event = record.event
        if not isinstance(event, _Output | ev.UsageReport) or not self._counts(event.call or 1, record.seq):
            return []
        call = event.call or 1
        if isinstance(event, ev.UsageReport):
            self._usage[call] = event.usage
            first, *others = self._usage.values()
            return [ev.UsageReport(free(sum(others, first)))]
        index = self._indexes[call, event.index]
        if event.call is not None or index != event.index:
            event = msgspec.structs.replace(event, call=None, index=index)
        return [event]

    @cached_property
    def _indexes(self) -> dict[tuple[int, int], int]:
        """Each part's index. Of several calls the parts follow one another, as they do in the run's own text."""
        parts = sorted(self._parts)
        if len({call for call, _ in parts}) == 1:
            return {part: part[1] for part in parts}
        return {part: at for at, part in enumerate(parts)}

    def _counts(self, call: int, seq: int) -> bool:
        if call in self._internal:
            return False
        return not any(of == call and start <= seq < end for of, start, end in self._superseded)

    @staticmethod
    def finish(final: ev.Complete | ev.Cancelled | ev.Error) -> Finish:
        """The end of the call that is the end of the run. Raises `ProviderError` where the run was not whole."""
        match final:
            case ev.Complete(finish_reason=reason):
                return Finish(_REASONS.get(reason, "stop"), reason)
            case ev.Cancelled():
                raise Truncated("The run that is replayed was cancelled here.")
            case ev.Error():
                raise ProviderError(
                    ErrorCode(final.code) if final.code in set(ErrorCode) else ErrorCode.SERVER,
                    final.message,
                    provider=final.provider or "",
                    phase=final.phase,
                    retry_after_ms=final.retry_after_ms,
                    retryable=final.retryable,
                )


def free(usage: Usage) -> Usage:
    """The tokens as they were counted, at no cost: what is played again is not bought again."""
    return msgspec.structs.replace(usage, cost_usd=0.0)
