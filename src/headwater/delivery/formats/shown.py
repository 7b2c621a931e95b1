"""Which records a reader of an answer is shown, where a format has a word for them. Pure."""

from __future__ import annotations

from headwater.domain import event as ev

#: States in which a run says that nothing comes for a while; the others pass too fast to be shown.
_TOLD_STATES = frozenset({"queued", "retrying", "falling_back"})


def is_told(status: ev.Status) -> bool:
    return status.state in _TOLD_STATES


class Shown:
    """Learns from records, each first given in order, which calls are the application's own business."""

    __slots__ = ("_internal",)

    def __init__(self) -> None:
        #: by the seq that says so
        self._internal: dict[int, int] = {}

    def is_shown(self, seq: int, event: ev.Event) -> bool:
        """Whether the record is part of the answer: not if it belongs to a call that is internal."""
        if isinstance(event, ev.Call):
            if event.role != "answer":
                self._internal.setdefault(event.call, seq)
            return True
        return seq <= self._internal.get(getattr(event, "call", None) or 0, seq)
