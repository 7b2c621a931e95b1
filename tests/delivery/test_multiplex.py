"""Several runs on one connection: whatever happens, every block says exactly where each of them stands."""

from __future__ import annotations

import asyncio
import json
import random
from collections.abc import Callable

import pytest

from headwater.delivery.multiplex import Multiplex, NamedRun
from headwater.delivery.shared_sink import SharedSink
from headwater.delivery.sse import SSE
from headwater.delivery.subscription import BLOCKS_PER_TURN, State, Subscription, Why
from headwater.delivery.view import BLOCK_BYTES_MAX, View
from headwater.wire.sse import Frame, SSEDecoder
from tests.delivery.rig import final, record, records
from tests.delivery.sinks import HeldSink
from tests.delivery.test_heartbeat import HEARTBEAT_S, STALL_S, Scene, TimedSink
from tests.delivery.test_subscription import Script
from tests.kit.virtual import run_virtual

NAMES = ["run_a", "run_b", "run_c"]


class Log(Script):
    """The source of one run: single records as several runs' readers get them."""

    def __init__(self, run: str, tail: int, *, closed: bool = False) -> None:
        super().__init__(tail, closed=closed)
        self.encoding = NamedRun(run)

    def data(self, seq: int) -> bytes:
        length = 3 * BLOCK_BYTES_MAX + seq if seq in self.long else 1
        return self.encoding.record(seq, b'{"seq":%d,"text":"%b"}' % (seq, b"x" * length))

    def ended(self, subscription: Subscription, why: Why) -> None:
        super().ended(subscription, why)
        self.told(why)

    told: Callable[[Why], None]


class Stage:
    """A multiplex over logs that the test holds in its hands."""

    def __init__(self, *tails: int) -> None:
        self.logs = [Log(run, tail) for run, tail in zip(NAMES, tails, strict=False)]
        self.sink = HeldSink()
        self.later: list[Callable[[], None]] = []
        self.closed: list[SharedSink] = []
        runs = NAMES[: len(tails)]
        self.multiplex = Multiplex(self.sink, runs, self.later.append, self.closed.append)
        for member, log in zip(self.multiplex.members, self.logs, strict=True):
            log.told = member.ended
            member.subscription = Subscription(log, View(log.encoding), 0, member)
        self.sink.drained = self.multiplex.drained

    @property
    def readers(self) -> list[Subscription]:
        return [member.subscription for member in self.multiplex.members]

    def grow(self, place: int, *, closed: bool = False) -> None:
        self.logs[place].tail += 1
        self.logs[place].closed = closed
        self.readers[place].moved()

    def turn(self) -> None:
        """One turn of the loop: whoever has yielded, and what was put off."""
        put_off, self.later[:] = list(self.later), []
        for call in put_off:
            call()
        for log in self.logs:
            turns, log.turns = log.turns, []
            for subscription in turns:
                subscription.resume()

    def load(self, place: int) -> None:
        """The disk answers what was asked of it."""
        log, reader = self.logs[place], self.readers[place]
        loads, log.loads = log.loads, []
        for cursor in loads:
            log.cold.discard(cursor + 1)
            reader.loaded(log.make(cursor))


def frames(body: bytes) -> list[Frame]:
    decoder = SSEDecoder()
    return [*decoder.feed(body), *decoder.end()]


def judge(body: bytes, runs: int) -> list[int]:
    """Each record follows the one before of its run, and each id says how far all of them are. The cursors."""
    cursors = [0] * runs
    for frame in frames(body):
        told = json.loads(frame.data)
        place = NAMES.index(told["run"])
        if "seq" in told:
            cursors[place] += 1
            assert told["seq"] == cursors[place]
        assert frame.id == ".".join(map(str, cursors))
    return cursors


def test_each_record_names_its_run_and_every_cursor() -> None:
    stage = Stage(2, 0, 1)
    stage.multiplex.begin()
    stage.grow(1)
    stage.grow(0)
    assert stage.sink.body == (
        b'id: 1.0.0\ndata: {"run":"run_a","seq":1,"text":"x"}\n\n'
        b'id: 2.0.0\ndata: {"run":"run_a","seq":2,"text":"x"}\n\n'
        b'id: 2.0.1\ndata: {"run":"run_c","seq":1,"text":"x"}\n\n'
        b'id: 2.1.1\ndata: {"run":"run_b","seq":1,"text":"x"}\n\n'
        b'id: 3.1.1\ndata: {"run":"run_a","seq":3,"text":"x"}\n\n'
    )


def test_a_record_that_is_hidden_moves_a_cursor() -> None:
    assert NamedRun("run_a").skip(7) == b"id: \x007\0\n\n"
    stage = Stage(1, 1)
    stage.logs[1].data = lambda seq: NamedRun("run_b").skip(seq)  # type: ignore[method-assign]
    stage.multiplex.begin()
    assert stage.sink.body.endswith(b"id: 1.1\n\n")


def test_readers_of_one_run_share_its_bytes() -> None:
    assert View(NamedRun("run_a")) == View(NamedRun("run_a"))
    assert hash(NamedRun("run_a")) == hash(NamedRun("run_a"))
    assert NamedRun("run_a") != NamedRun("run_b")
    assert NamedRun("run_a") != SSE


def test_each_end_is_told_and_the_last_one_ends_the_answer() -> None:
    stage = Stage(1, 0)
    stage.multiplex.begin()
    stage.grow(0, closed=True)
    assert json.loads(frames(stage.sink.body)[-1].data) == {"run": "run_a", "end": {"reason": "closed", "tail": 2}}
    assert not stage.sink.ended
    stage.grow(1)
    stage.readers[1].end(Why.DELETED)
    assert json.loads(frames(stage.sink.body)[-1].data) == {"run": "run_b", "end": {"reason": "deleted"}}
    assert stage.sink.finished
    assert stage.closed == [stage.multiplex]
    assert stage.multiplex.state is State.ENDED
    assert judge(stage.sink.body, 2) == [2, 1]


def test_a_run_that_has_ended_before_is_told_too() -> None:
    stage = Stage(0, 1)
    stage.logs[0].closed = True
    stage.multiplex.begin()
    assert [json.loads(frame.data).get("end") for frame in frames(stage.sink.body)] == [
        {"reason": "closed", "tail": 0},
        None,
    ]


def test_the_end_waits_for_a_full_sink() -> None:
    stage = Stage(0)
    stage.multiplex.begin()
    stage.sink.hold()
    stage.grow(0, closed=True)
    assert not stage.sink.ended
    stage.sink.drain()
    assert stage.sink.finished
    stage = Stage(0)
    stage.multiplex.begin()
    stage.logs[0].closed = True
    stage.sink.hold()
    stage.readers[0].moved()
    assert not stage.sink.ended, "the word of its end has filled it"
    stage.sink.drain()
    assert stage.sink.finished


def test_a_sink_is_full_for_all() -> None:
    stage = Stage(1, 1, 1)
    stage.multiplex.begin(full=True)
    assert stage.sink.writes == []
    stage.sink.hold()
    stage.multiplex.drained()
    assert len(stage.sink.writes) == 1
    for place in range(3):
        stage.grow(place)
    stage.turn()
    assert len(stage.sink.writes) == 1
    assert stage.multiplex.state is State.FULL
    stage.sink.drain()
    assert judge(stage.sink.body, 3) == [2, 2, 2]


def test_a_slow_sink_is_shared_fairly() -> None:
    """One with much to say does not keep the others from saying a little."""
    stage = Stage(1000, 1000, 1000)
    stage.sink.hold()
    stage.multiplex.begin()
    for _ in range(30):
        stage.multiplex.drained()
    cursors = judge(stage.sink.body, 3)
    assert max(cursors) - min(cursors) <= 1
    assert sum(cursors) == 31


def test_a_page_that_comes_while_the_sink_is_full_waits() -> None:
    stage = Stage(2, 0)
    stage.logs[0].cold = {1, 2}
    stage.multiplex.begin()
    stage.sink.hold()
    stage.grow(1)
    stage.load(0)
    assert judge(stage.sink.body, 2) == [0, 1]
    stage.sink.drain()
    assert judge(stage.sink.body, 2) == [1, 1]
    stage.load(0)
    assert judge(stage.sink.body, 2) == [2, 1]


def test_nothing_breaks_into_a_record() -> None:
    stage = Stage(1, 0)
    stage.logs[0].long = {1}
    stage.sink.hold()
    stage.multiplex.begin()
    assert not stage.sink.body.endswith(b"\n\n")
    stage.grow(1)
    stage.multiplex.heartbeat()
    stage.multiplex.farewell(1)
    while stage.multiplex.state is State.FULL and judge_whole(stage.sink.body) < 2:
        stage.multiplex.drained()
        stage.turn()
    assert judge(stage.sink.body, 2) == [1, 1]


def judge_whole(body: bytes) -> int:
    return len(frames(body))


def test_an_end_inside_a_record_is_no_end() -> None:
    for end in (Why.DRAIN, Why.DELETED, Why.CLIENT):
        stage = Stage(1, 0)
        stage.logs[0].long = {1}
        stage.sink.hold()
        stage.multiplex.begin()
        if end is Why.DELETED:
            stage.readers[1].end(end)
        else:
            stage.multiplex.end(end)
        assert (stage.sink.finished, stage.sink.aborted) == (False, end is not Why.CLIENT)
        assert [log.ends for log in stage.logs] == [stage.logs[0].ends, stage.logs[1].ends]
        assert all(len(log.ends) == 1 for log in stage.logs)


def test_a_record_that_takes_more_than_a_turn_is_not_broken_into_either() -> None:
    """The sink takes more, but whose turn it is has not come again yet."""
    stage = Stage(1, 0)
    long = stage.logs[0].encoding.record(1, b'{"seq":1,"text":"%b"}' % (b"x" * BLOCK_BYTES_MAX * (BLOCKS_PER_TURN + 1)))
    stage.logs[0].data = lambda seq: long  # type: ignore[method-assign]
    stage.multiplex.begin()
    assert stage.multiplex.state is State.FOLLOWING
    stage.grow(1)
    stage.multiplex.heartbeat()
    assert stage.sink.body == long.replace(b"\0001\0", b"1.0")[: len(stage.sink.body)]
    stage.turn()
    stage.turn()
    assert judge(stage.sink.body, 2) == [1, 1]

    stage = Stage(1, 0)
    stage.logs[0].data = lambda seq: long  # type: ignore[method-assign]
    stage.multiplex.begin()
    stage.multiplex.end(Why.DRAIN)
    assert stage.sink.aborted, "it ends inside a record"


def test_a_deleted_run_whose_page_is_awaited_can_not_be_told_of_inside_a_record() -> None:
    stage = Stage(1, 1)
    stage.logs[0].long = {1}
    stage.logs[1].cold = {1}
    stage.sink.hold()
    stage.multiplex.members.reverse()
    stage.multiplex.begin()
    stage.multiplex.members.reverse()
    assert stage.readers[1].state is State.LOADING
    stage.readers[1].end(Why.DELETED)
    assert stage.sink.aborted


def test_a_fault_of_one_cuts_the_connection() -> None:
    stage = Stage(1, 1)
    stage.multiplex.begin()
    stage.readers[1].end(Why.ERROR)
    assert stage.sink.aborted
    assert [log.ends for log in stage.logs] == [[Why.ERROR], [Why.ERROR]]
    stage.multiplex.end(Why.CLIENT)
    stage.multiplex.heartbeat()
    stage.multiplex.drained()
    assert len(stage.closed) == 1


def test_a_drain_ends_it_cleanly_and_says_when_to_come_back() -> None:
    stage = Stage(1, 1)
    stage.multiplex.begin()
    stage.multiplex.farewell(700)
    stage.multiplex.end(Why.DRAIN)
    assert stage.sink.body.endswith(SSE.farewell(700))
    assert stage.sink.finished
    stage = Stage(1, 1)
    stage.multiplex.begin()
    stage.sink.hold()
    stage.multiplex.heartbeat()
    stage.grow(0)
    assert stage.multiplex.state is State.FULL
    assert judge(stage.sink.body, 2) == [1, 1]


@pytest.mark.parametrize("seed", range(60))
def test_any_order_of_things(seed: int) -> None:
    """Logs that grow and end, long records, pages on the disk, a sink that fills: every id is exact at every block."""
    random_ = random.Random(seed)
    stage = Stage(*(random_.randrange(4) for _ in NAMES))
    for log in stage.logs:
        log.long = {seq for seq in range(1, 40) if random_.random() < 0.2}
        log.cold = {seq for seq in range(1, 40) if random_.random() < 0.3}
    stage.multiplex.begin(full=random_.random() < 0.2)

    def grow() -> None:
        place = random_.randrange(3)
        if not stage.logs[place].closed:
            stage.grow(place, closed=random_.random() < 0.1)

    def fill() -> None:
        stage.sink.full = not stage.sink.full
        if not stage.sink.full:
            stage.multiplex.drained()

    steps = [grow, stage.turn, lambda: stage.load(random_.randrange(3)), fill, stage.multiplex.heartbeat]
    for _ in range(200):
        if not stage.sink.ended:
            random_.choice(steps)()
    for log in stage.logs:
        log.closed = True
    for place in range(3):
        stage.readers[place].moved()
    for _ in range(300):
        if stage.sink.ended:
            break
        if stage.sink.full or stage.multiplex.state is State.FULL:
            stage.sink.drain()
        stage.turn()
        for place in range(3):
            stage.load(place)
    assert stage.sink.finished, f"seed {seed}"
    assert judge(stage.sink.body, 3) == [log.tail for log in stage.logs]
    assert [log.ends for log in stage.logs] == [[Why.END]] * 3


# ── in the hub ──────────────────────────────────────────────────────────────────────────────────────


async def joined(scene: Scene, sink: TimedSink) -> Multiplex:
    """A reader of all runs from their first records on."""
    starts = [await scene.hub.start(run, 0, View(NamedRun(run))) for run in NAMES]
    multiplex = scene.hub.join_many(NAMES, starts, sink)
    sink.drained = multiplex.drained
    multiplex.begin()
    return multiplex


def test_one_heartbeat_for_all() -> None:
    async def scenario() -> None:
        scene, sink = Scene(), TimedSink()
        for run in NAMES:
            await scene.log.claim(run, 1)
        await joined(scene, sink)
        for step in range(1, 11):
            await asyncio.sleep(HEARTBEAT_S / 2)  # paces: virtual
            await scene.log.append("run_b", step - 1, [record(step)], 1)
        assert sink.body.count(SSE.heartbeat) == 0, "one of them said something"
        await asyncio.sleep(3 * HEARTBEAT_S)  # paces: virtual
        assert sink.body.count(SSE.heartbeat) in (3, 4)
        assert max(sink.silences) < HEARTBEAT_S
        assert (scene.hub.readers, scene.presence.here) == (3, dict.fromkeys(NAMES, 1))
        scene.hub.drain()
        assert sink.finished
        assert (scene.hub.readers, scene.presence.here) == (0, dict.fromkeys(NAMES, 0))

    run_virtual(scenario())


def test_one_that_takes_nothing_is_cut_and_one_that_takes_little_is_not() -> None:
    async def scenario() -> None:
        scene, sink = Scene(), TimedSink()
        for run in NAMES:
            await scene.log.claim(run, 1)
            await scene.log.append(run, 0, [*records(20, text="x" * BLOCK_BYTES_MAX), final(21)], 1, True)
        sink.hold()
        multiplex = await joined(scene, sink)
        for _ in range(5):
            await asyncio.sleep(STALL_S * 0.9)  # paces: virtual
            assert not sink.ended
            multiplex.drained()
        await asyncio.sleep(STALL_S * 1.3)  # paces: virtual
        assert sink.aborted
        assert {left.why for left in scene.presence.left} == {"stalled"}
        assert len(scene.presence.left) == len(NAMES)

    run_virtual(scenario())
