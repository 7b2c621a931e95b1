"""What a log has already of an answer that is asked for from an earlier place on. Pure.

A provider that is asked for the rest of an answer begins after a checkpoint; the log holds some of what follows that.
`Overlap` takes the answer's items, passes over as many as the log has, and gives out what is new: each piece once.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable, Sequence

import msgspec

from headwater.domain import event as ev
from headwater.domain.surrogates import replace_surrogates, scrub_surrogates
from headwater.errors import ErrorCode, ProviderError
from headwater.providers.contract import Finish, Item


class Overlap:
    """`said` is what the log has after the checkpoint, in order, or what was put out that is on its way there."""

    def __init__(self, said: Iterable[ev.Event]) -> None:
        self._said = deque(map(_with_whole_characters, said))

    @property
    def is_passed(self) -> bool:
        """Whether everything that the log has was seen again, so that all that follows is new."""
        return not self._said

    def take(self, items: Sequence[Item]) -> list[Item]:
        """What of these is new. Raises `ProviderError` where they are not what the log has."""
        fresh: list[Item] = []
        for place, item in enumerate(items):
            if not self._said:
                return [*fresh, *items[place:]]
            rest = self._pass_over(item)
            if rest is not None:
                fresh.append(rest)
        return fresh

    def _pass_over(self, item: Item) -> Item | None:
        """What of an item goes beyond what the log has; None for one that it has."""
        match item:
            case ev.Chunk() | ev.Reasoning() | ev.Refusal():
                return self._pass_text(item)
            case ev.ToolCall():
                self._pass_tool_call(item)
                return None
            case Finish():
                raise _other_answer()
            case _:
                if _form(item) != _form(self._said.popleft()):
                    raise _other_answer()
                return None

    def _pass_text(self, item: ev.Chunk | ev.Reasoning | ev.Refusal) -> Item | None:
        # the log has whole characters only, and may have cut or joined what came in one piece or in several
        left = replace_surrogates(item.content)
        while left and self._said:
            head = self._said[0]
            if not isinstance(head, type(item)) or head.index != item.index:
                raise _other_answer()
            shared = min(len(left), len(head.content))
            if left[:shared] != head.content[:shared]:
                raise _other_answer()
            left, rest = left[shared:], head.content[shared:]
            if rest:
                self._said[0] = msgspec.structs.replace(head, content=rest)
            else:
                self._said.popleft()
        return msgspec.structs.replace(item, content=left) if left else None

    def _pass_tool_call(self, item: ev.ToolCall) -> None:
        # the log may have cut it into several, and then has all of them
        left = replace_surrogates(item.arguments)
        while True:
            head = self._said.popleft() if self._said else None
            if not isinstance(head, ev.ToolCall) or (head.id, head.index) != (item.id, item.index):
                raise _other_answer()
            if not left.startswith(head.arguments):
                raise _other_answer()
            left = left[len(head.arguments) :]
            if not left:
                if head.done != item.done:
                    raise _other_answer()
                return


def _with_whole_characters(event: ev.Event) -> ev.Event:
    match event:
        case ev.Chunk() | ev.Reasoning() | ev.Refusal() if not event.content.isascii():
            return msgspec.structs.replace(event, content=replace_surrogates(event.content))
        case ev.ToolCall() if not event.arguments.isascii():
            return msgspec.structs.replace(event, arguments=replace_surrogates(event.arguments))
        case _:
            return event


def _form(item: Item) -> object:
    """As the log would have it: lists for tuples, whole characters. What we make of its price is not the provider's."""
    if isinstance(item, ev.UsageReport):
        item = ev.UsageReport(msgspec.structs.replace(item.usage, cost_usd=None))
    return type(item), scrub_surrogates(msgspec.to_builtins(item))


def _other_answer() -> ProviderError:
    return ProviderError(
        ErrorCode.INTERRUPTED, detail="what the provider says again is not what it had said", retryable=False
    )
