"""What a workflow says first that is begun again after a crash. Pure."""

from __future__ import annotations

from collections.abc import Sequence

from headwater.domain import event as ev
from headwater.errors import ErrorCode


def withdrawn(before: Sequence[ev.Event], kept: int = 0) -> list[ev.Event]:
    """The events after which the output of calls that were begun after `before[:kept]` no longer counts.

    To be yielded before anything else by a workflow that makes those calls anew: their text would stay in the answer,
    half of it twice. What they have cost stays counted.
    """
    calls: dict[int, ev.Attempt] = {}
    for seq, event in enumerate(before, 1):
        if isinstance(event, ev.Call) and seq > kept:
            calls[event.call] = ev.Attempt(event.call, 2, ErrorCode.INTERRUPTED, event.provider, event.model, seq)
        elif isinstance(event, ev.Attempt) and (known := calls.get(event.call)) is not None:
            calls[event.call] = ev.Attempt(
                event.call, event.number + 1, ErrorCode.INTERRUPTED, event.provider, event.model, known.supersedes_from
            )
    return list(calls.values())
