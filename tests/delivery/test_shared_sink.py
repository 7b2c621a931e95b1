"""What every form of several runs on one connection has in common; its two forms have the rest of its tests."""

from __future__ import annotations

from collections.abc import Callable

from headwater.delivery.shared_sink import Member, SharedSink
from headwater.delivery.sse import SSE
from headwater.delivery.subscription import State, Subscription, Why
from headwater.delivery.view import BLOCK_BYTES_MAX, View
from tests.delivery.sinks import HeldSink
from tests.delivery.test_subscription import Script


class Plain(SharedSink):
    """The least that a form has to say for itself."""

    def __init__(self, sink: HeldSink, count: int) -> None:
        self.calls: list[Callable[[], None]] = []
        self.notes: list[tuple[str, str]] = []
        super().__init__(sink, self.calls.append, lambda shared: self.notes.append(("closed", "")))
        self.scripts = [Script(0) for _ in range(count)]
        for place, script in enumerate(self.scripts):
            member = Member(self, f"run_{place}", SSE)
            member.subscription = Subscription(script, View(SSE), 0, member)
            self._turns.append(member)

    @property
    def members(self) -> list[Member]:
        return sorted(self._turns, key=lambda member: member.run)

    def broken(self, member: Member) -> None:
        self.notes.append(("broken", member.run))

    def left(self, member: Member, why: Why) -> None:
        self.notes.append((why.value, member.run))

    def heartbeat(self) -> None:
        self._say(b"<3>")

    def farewell(self, retry_ms: int) -> None:
        self._say(b"<bye>")


def stage(count: int = 2) -> tuple[Plain, HeldSink]:
    sink = HeldSink()
    shared = Plain(sink, count)
    sink.drained = shared.drained
    for member in shared.members:
        member.subscription.begin()
    return shared, sink


def grow(shared: Plain, place: int, records: int = 1) -> None:
    shared.scripts[place].tail += records
    shared.members[place].subscription.moved()


def test_a_full_sink_holds_all_and_they_go_on_in_turn() -> None:
    shared, sink = stage()
    sink.hold()
    grow(shared, 0, 3)
    grow(shared, 1, 3)
    assert (sink.body, shared.state) == (b"<1>", State.FULL)
    for _ in range(4):
        shared.drained()
    assert [member.subscription.cursor for member in shared.members] == [3, 2], "none waits for all of another's"
    sink.drain()
    assert sink.body.count(b"<3>") == 2
    assert shared.state is State.FOLLOWING


def test_what_is_said_may_fill_it_too() -> None:
    shared, sink = stage()
    sink.hold()
    shared.heartbeat()
    grow(shared, 0)
    assert sink.body == b"<3>"
    sink.drain()
    assert sink.body == b"<3><1>"


def test_a_record_in_pieces_holds_the_others_though_the_sink_takes_more() -> None:
    shared, sink = stage()
    shared.scripts[0].long = {1}
    sink.hold()
    grow(shared, 0)
    grow(shared, 1)
    sink.full = False
    long = len(shared.scripts[0].data(1))
    assert long > 2 * BLOCK_BYTES_MAX
    while len(sink.body) < long:
        shared.drained()
    for call in shared.calls:
        call()
    assert sink.body == shared.scripts[0].data(1) + b"<1>"


def test_its_end_is_that_of_all_and_a_cut_where_something_is_left_to_say() -> None:
    shared, sink = stage()
    shared.end(Why.DRAIN)
    shared.end(Why.CLIENT)
    assert sink.finished
    assert [script.ends for script in shared.scripts] == [[Why.DRAIN]] * 2
    assert (shared.state, shared.notes) == (State.ENDED, [("closed", "")])
    shared, sink = stage()
    sink.hold()
    grow(shared, 0)
    shared.end(Why.DRAIN)
    assert sink.aborted
    shared, sink = stage()
    shared.end(Why.CLIENT)
    assert not sink.ended


def test_a_member_tells_of_its_fault_and_its_end() -> None:
    shared, sink = stage()
    member = shared.members[1]
    member.subscription.end(Why.ERROR)
    member.ended(Why.ERROR)
    member.finish()
    assert shared.notes == [("broken", "run_1"), ("error", "run_1")]
    assert not sink.ended


def test_progress_is_that_of_every_run_whoever_is_next() -> None:
    shared, _ = stage()
    before = shared.progress
    shared.drained()
    assert shared.progress == before
    grow(shared, 1)
    assert shared.progress != before
