"""What a workflow of another distribution may put into its run's log.

It passes on what its calls yield, and events of its own. The log's end, its snapshots and what is said of calls are the
server's; and what is folded as it comes has to be what its type says, or the run could not be ended any more.
"""

from __future__ import annotations

from collections.abc import AsyncGenerator, AsyncIterator, Sequence
from typing import Any, Final

from headwater.domain import event as ev

_TEXTS: Final = (ev.Chunk, ev.Reasoning, ev.Refusal)
_ALLOWED: Final = frozenset({*ev.EVENT_TYPES.values(), ev.Unknown}) - {
    *(ev.EVENT_TYPES[name] for name in ev.FINAL_TYPES),
    ev.SnapshotEvent,
}


async def guarded(stream: AsyncIterator[list[ev.Event]]) -> AsyncGenerator[list[ev.Event], None]:
    """The same lists. Raises TypeError for the first that no workflow may yield. Closes the stream.

    Who asks for the process's end fails alone (RuntimeError): other runs live in it.
    """
    try:
        async for events in stream:
            _check(events)
            yield events
    except SystemExit as error:
        raise RuntimeError("a workflow has asked for the process's end").with_traceback(error.__traceback__) from None
    finally:
        if (close := getattr(stream, "aclose", None)) is not None:
            await close()


def _check(events: Sequence[Any]) -> None:
    if not isinstance(events, list):
        raise TypeError(f"a workflow yields lists of events, not a {type(events).__name__}")
    for event in events:
        if type(event) not in _ALLOWED:
            raise TypeError(f"a workflow does not yield a {type(event).__name__}")
        if isinstance(event, _TEXTS) and not (
            type(event.content) is str and type(event.index) is int and type(event.call) in (int, type(None))
        ):
            raise TypeError(f"the members of a {type(event).__name__} are not of their types")
