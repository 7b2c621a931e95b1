"""Who runs now and who waits."""

from __future__ import annotations

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule

from headwater.domain.run import Priority
from headwater.runs.queue import PRIORITIES, RunQueue

SLOTS, WAITING_MAX = 3, 5


class QueueAgainstModel(RuleBasedStateMachine):
    """The model is two plain lists, and the rule for who is next read off them each time."""

    def __init__(self) -> None:
        super().__init__()
        self.queue = RunQueue(SLOTS, WAITING_MAX)
        self.running: list[str] = []
        self.waiting: list[tuple[int, int, str]] = []
        self.entered = 0

    @rule(priority=st.sampled_from(PRIORITIES))
    def enter(self, priority: Priority) -> None:
        self.entered += 1
        run = f"run_{self.entered}"
        if len(self.running) < SLOTS:
            assert not self.queue.is_full
            assert self.queue.enter(run, priority) == 0
            self.running.append(run)
        elif len(self.waiting) < WAITING_MAX:
            assert not self.queue.is_full
            self.waiting.append((PRIORITIES.index(priority), self.entered, run))
            self.waiting.sort()
            assert self.queue.enter(run, priority) == 1 + [each for *_, each in self.waiting].index(run)
        else:
            assert self.queue.is_full
            with pytest.raises(OverflowError):
                self.queue.enter(run, priority)

    @precondition(lambda self: self.running)
    @rule(data=st.data())
    def leave_running(self, data: st.DataObject) -> None:
        run = data.draw(st.sampled_from(self.running))
        self.running.remove(run)
        expected = self.waiting.pop(0)[2] if self.waiting else None
        assert self.queue.leave(run) == expected
        if expected is not None:
            self.running.append(expected)

    @precondition(lambda self: self.waiting)
    @rule(data=st.data())
    def leave_waiting(self, data: st.DataObject) -> None:
        place = data.draw(st.sampled_from(self.waiting))
        self.waiting.remove(place)
        assert self.queue.leave(place[2]) is None

    @rule()
    def leave_unknown(self) -> None:
        assert self.queue.leave("run_unknown") is None

    @precondition(lambda self: self.running or self.waiting)
    @rule(data=st.data())
    def enter_twice(self, data: st.DataObject) -> None:
        run = data.draw(st.sampled_from([*self.running, *(each for *_, each in self.waiting)]))
        with pytest.raises(ValueError):
            self.queue.enter(run, "normal")

    @invariant()
    def counts_agree(self) -> None:
        assert (self.queue.running, self.queue.waiting) == (len(self.running), len(self.waiting))
        assert self.queue.has_slot == (len(self.running) < SLOTS)

    @invariant()
    def places_agree(self) -> None:
        assert [self.queue.place(run) for run in self.running] == [0] * len(self.running)
        assert [self.queue.place(run) for *_, run in self.waiting] == list(range(1, len(self.waiting) + 1))
        with pytest.raises(KeyError):
            self.queue.place("run_unknown")


TestQueueAgainstModel = QueueAgainstModel.TestCase
TestQueueAgainstModel.settings = settings(max_examples=60, stateful_step_count=40, deadline=None)


def test_better_priorities_come_first_and_older_ones_among_equals() -> None:
    queue = RunQueue(1, 10)
    assert queue.enter("first", "batch") == 0
    for run, priority, place in [
        ("b1", "batch", 1),
        ("n1", "normal", 1),
        ("n2", "normal", 2),
        ("i1", "interactive", 1),
    ]:
        assert queue.enter(run, priority) == place  # type: ignore[arg-type]
    order, held = [], "first"
    while (following := queue.leave(held)) is not None:
        order.append(following)
        held = following
    assert order == ["i1", "n1", "n2", "b1"]


@pytest.mark.parametrize(("slots", "waiting_max"), [(0, 1), (-1, 1), (1, -1)])
def test_a_queue_without_slots_is_refused(slots: int, waiting_max: int) -> None:
    with pytest.raises(ValueError):
        RunQueue(slots, waiting_max)
