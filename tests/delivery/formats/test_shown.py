"""What an internal call says is nobody's answer, however often it is asked."""

from __future__ import annotations

import pytest

from headwater.delivery.formats.shown import Shown, is_told
from headwater.domain import event as ev

LOG: list[ev.Event] = [
    ev.Chunk("early", 0, call=2),
    ev.Call(1, "answer", "p", "m"),
    ev.Call(2, "internal", "p", "m"),
    ev.Chunk("yes", 0, call=1),
    ev.Chunk("no", 0, call=2),
    ev.Chunk("yes", 0),
    ev.Status("streaming"),
    ev.ToolCall("a", "f", "", call=2),
]


def test_what_belongs_to_an_internal_call_is_not_shown() -> None:
    shown = Shown()
    wanted = [True, True, True, True, False, True, True, False]
    for _ in range(2):
        assert [shown.is_shown(seq, event) for seq, event in enumerate(LOG, 1)] == wanted


@pytest.mark.parametrize(("state", "told"), [("queued", True), ("retrying", True), ("streaming", False)])
def test_only_what_lasts_is_told(state: str, told: bool) -> None:
    assert is_told(ev.Status(state)) is told
