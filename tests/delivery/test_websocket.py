"""Many runs on one socket: each frame is whole, each run's records are exact, whatever comes and goes meanwhile."""

from __future__ import annotations

import json
import random
from collections.abc import Callable
from typing import Any

import pytest
from websockets.frames import Frame, Opcode
from websockets.protocol import Protocol, Side

from headwater.delivery.multiplex import NamedRun
from headwater.delivery.shared_sink import SharedSink
from headwater.delivery.subscription import State, Subscription, Why
from headwater.delivery.view import BLOCK_BYTES_MAX, View
from headwater.delivery.websocket import HEARTBEAT, SocketReader, WebSocketEncoding, text_frame
from headwater.errors import ConflictError, TooLargeError
from tests.delivery.sinks import HeldSink
from tests.delivery.test_subscription import Script

NAMES = ["run_a", "run_b", "run_c"]


class Log(Script):
    """The source of one run: single records as the readers of sockets get them."""

    def __init__(self, run: str, tail: int, *, closed: bool = False) -> None:
        super().__init__(tail, closed=closed)
        self.encoding = WebSocketEncoding(run)
        self.told: Callable[[Why], None] = lambda why: None

    def data(self, seq: int) -> bytes:
        length = 3 * BLOCK_BYTES_MAX + seq if seq in self.long else 1
        return self.encoding.record(seq, b'{"seq":%d,"text":"%b"}' % (seq, b"x" * length))

    def ended(self, subscription: Subscription, why: Why) -> None:
        super().ended(subscription, why)
        self.told(why)


class HeldOutlet(HeldSink):
    def __init__(self) -> None:
        super().__init__()
        self.said_times = 0

    def said(self) -> None:
        self.said_times += 1


class Stage:
    """A socket's reader over logs that the test holds in its hands."""

    def __init__(self, *tails: int, subscriptions_max: int = 10) -> None:
        self.logs = {run: Log(run, tail) for run, tail in zip(NAMES, tails, strict=False)}
        self.readers: dict[str, Subscription] = {}
        self.outlet = HeldOutlet()
        self.later: list[Callable[[], None]] = []
        self.closed: list[SharedSink] = []
        self.reader = SocketReader(self.outlet, self.later.append, self.closed.append, subscriptions_max)
        self.outlet.drained = self.reader.drained

    def join(self, *runs: str, after: int = 0) -> None:
        for run in runs:
            log = self.logs[run]
            self.reader.check_free(run)
            seat = self.reader.seat(run, log.encoding)
            log.told = seat.ended
            self.readers[run] = seat.subscription = Subscription(log, View(log.encoding), after, seat)
            self.reader.begin_run(run)

    def grow(self, run: str, *, closed: bool = False) -> None:
        self.logs[run].tail += 1
        self.logs[run].closed = closed
        if run in self.readers:
            self.readers[run].moved()

    def turn(self) -> None:
        put_off, self.later[:] = list(self.later), []
        for call in put_off:
            call()
        for log in self.logs.values():
            turns, log.turns = log.turns, []
            for subscription in turns:
                subscription.resume()

    def load(self, run: str) -> None:
        log = self.logs[run]
        loads, log.loads = log.loads, []
        for cursor in loads:
            log.cold.discard(cursor + 1)
            self.readers[run].loaded(log.make(cursor))

    def messages(self) -> list[dict[str, Any]]:
        return messages(self.outlet.body)


def messages(body: bytes) -> list[dict[str, Any]]:
    """What a client understands of the bytes: the package that frames them is asked, from the other side."""
    protocol = Protocol(Side.CLIENT, max_size=None)
    protocol.receive_data(body)
    assert protocol.parser_exc is None
    found = []
    for frame in protocol.events_received():
        assert isinstance(frame, Frame)
        assert frame.fin
        if frame.opcode is Opcode.TEXT:
            found.append(json.loads(bytes(frame.data)))
    return found


def seqs(stage: Stage, run: str) -> list[int]:
    return [each["record"]["seq"] for each in stage.messages() if each.get("run") == run and "record" in each]


def test_each_record_is_a_message_that_names_its_run() -> None:
    stage = Stage(2, 1)
    stage.join("run_a", "run_b")
    stage.grow("run_b", closed=True)
    assert stage.messages() == [
        {"run": "run_a", "record": {"seq": 1, "text": "x"}},
        {"run": "run_a", "record": {"seq": 2, "text": "x"}},
        {"run": "run_b", "record": {"seq": 1, "text": "x"}},
        {"run": "run_b", "record": {"seq": 2, "text": "x"}},
        {"run": "run_b", "end": {"reason": "closed", "tail": 2}},
    ]
    assert stage.reader.runs == ["run_a"]
    assert not stage.outlet.ended, "the socket is there for whatever comes next"


def test_the_forms_of_an_encoding() -> None:
    encoding = WebSocketEncoding("run_a")
    assert messages(encoding.skip(7)) == [{"run": "run_a", "after": 7}]
    assert messages(encoding.end(7, Why.DELETED)) == [{"run": "run_a", "end": {"reason": "deleted"}}]
    assert messages(encoding.end(7, Why.ERROR)) == [{"run": "run_a", "end": {"reason": "error"}}]
    assert messages(encoding.heartbeat) == [{"heartbeat": {}}]
    assert messages(encoding.farewell(700)) == [{"farewell": {"retry_ms": 700}}]
    assert encoding.greeting(1) == b""
    assert View(encoding) == View(WebSocketEncoding("run_a"))
    assert hash(encoding) == hash(WebSocketEncoding("run_a"))
    assert encoding not in (WebSocketEncoding("run_b"), NamedRun("run_a"))


def test_places_are_bounded_and_each_run_has_one() -> None:
    stage = Stage(0, 0, 0, subscriptions_max=2)
    stage.join("run_a", "run_b")
    with pytest.raises(ConflictError):
        stage.reader.check_free("run_a")
    with pytest.raises(TooLargeError):
        stage.reader.check_free("run_c")
    stage.reader.leave("run_a")
    stage.join("run_c")
    assert stage.reader.runs == ["run_b", "run_c"]


def test_who_leaves_is_gone_and_may_come_back() -> None:
    stage = Stage(1, 1)
    stage.join("run_a", "run_b")
    stage.reader.leave("run_a")
    stage.reader.leave("run_a")
    assert stage.logs["run_a"].ends == [Why.CLIENT]
    stage.grow("run_a")
    assert seqs(stage, "run_a") == [1]
    stage.join("run_a", after=1)
    assert seqs(stage, "run_a") == [1, 2]
    assert stage.logs["run_b"].ends == []


def test_who_leaves_in_the_middle_of_a_record_gives_it_whole_first() -> None:
    stage = Stage(2, 0)
    stage.logs["run_a"].long = {1}
    stage.outlet.hold()
    stage.join("run_a")
    assert not stage.reader.whole
    stage.reader.leave("run_a")
    stage.reader.say(text_frame(b'{"id":1,"ok":{}}'))
    assert stage.reader.waiting
    assert stage.logs["run_a"].ends == []
    for _ in range(5):
        stage.outlet.drain()
        stage.turn()
    assert [list(each) for each in stage.messages()] == [["run", "record"], ["id", "ok"]], "and nothing of it after"
    stage.turn()
    assert stage.logs["run_a"].ends == [Why.CLIENT]
    assert stage.outlet.said_times == 1
    stage.join("run_b")
    stage.grow("run_b")
    assert seqs(stage, "run_b") == [1]


def test_a_socket_that_goes_takes_who_was_leaving_along() -> None:
    stage = Stage(1, 1)
    stage.logs["run_a"].long = {1}
    stage.outlet.hold()
    stage.join("run_a", "run_b")
    stage.reader.leave("run_a")
    stage.reader.end(Why.CLIENT)
    assert [log.ends for log in stage.logs.values()] == [[Why.CLIENT], [Why.CLIENT]]
    assert (stage.outlet.ended, stage.reader.state, stage.closed) == (False, State.ENDED, [stage.reader])


def test_what_is_said_keeps_its_order_and_comes_before_more_records() -> None:
    stage = Stage(50)
    stage.outlet.hold()
    stage.join("run_a")
    for number in range(3):
        stage.reader.say(text_frame(b'{"id":%d,"ok":{}}' % number))
    assert stage.outlet.said_times == 0
    stage.outlet.drain()
    assert [each["id"] for each in stage.messages()[1:4]] == [0, 1, 2]
    assert stage.outlet.said_times == 1
    stage.turn()
    stage.turn()
    assert len(seqs(stage, "run_a")) > 10


def test_what_is_said_counts_as_progress_and_a_heartbeat_does_not() -> None:
    stage = Stage(0)
    stage.join("run_a")
    before = stage.reader.progress
    stage.reader.heartbeat()
    assert (stage.outlet.body, stage.reader.progress) == (HEARTBEAT, before)
    stage.reader.say(text_frame(b"{}"))
    assert stage.reader.progress != before


def test_a_run_that_can_not_be_read_is_told_of_and_the_others_go_on() -> None:
    stage = Stage(1, 1)
    stage.join("run_a", "run_b")
    stage.readers["run_a"].end(Why.ERROR)
    assert stage.messages()[-1] == {"run": "run_a", "end": {"reason": "error"}}
    stage.grow("run_b")
    assert seqs(stage, "run_b") == [1, 2]
    assert not stage.outlet.ended


def test_a_record_that_can_not_be_ended_cuts_the_socket() -> None:
    stage = Stage(1, 1)
    stage.logs["run_a"].long = {1}
    stage.outlet.hold()
    stage.join("run_a", "run_b")
    stage.readers["run_a"].end(Why.ERROR)
    assert stage.outlet.aborted
    assert [log.ends for log in stage.logs.values()] == [[Why.ERROR], [Why.ERROR]]


def test_a_drain_says_when_to_come_back_and_ends_it() -> None:
    stage = Stage(1)
    stage.join("run_a")
    stage.reader.farewell(700)
    stage.reader.end(Why.DRAIN)
    assert stage.messages()[-1] == {"farewell": {"retry_ms": 700}}
    assert stage.outlet.finished
    stage.reader.say(text_frame(b"{}"))
    stage.reader.heartbeat()
    stage.reader.farewell(1)
    stage.reader.drained()
    assert len(stage.closed) == 1


def test_an_end_while_it_is_full_is_a_cut() -> None:
    for why in (Why.DRAIN, Why.STALLED):
        stage = Stage(1)
        stage.outlet.hold()
        stage.join("run_a")
        stage.reader.end(why)
        assert stage.outlet.aborted


@pytest.mark.parametrize("seed", range(60))
def test_any_order_of_things(seed: int) -> None:
    """Runs that are joined, left, grow and end, long records, pages on the disk, a full sink: no record is lost."""
    random_ = random.Random(seed)
    stage = Stage(*(random_.randrange(4) for _ in NAMES))
    joined_after: dict[str, list[int]] = {run: [] for run in NAMES}
    said = 0
    for log in stage.logs.values():
        log.long = {seq for seq in range(1, 60) if random_.random() < 0.2}
        log.cold = {seq for seq in range(1, 60) if random_.random() < 0.3}

    def join() -> None:
        run = random_.choice(NAMES)
        if run not in stage.reader.runs and stage.logs[run].ends[-1:] != [Why.END]:
            after = seqs(stage, run)[-1:] or [0]
            # One that is still giving its last record comes back after it.
            if run in stage.readers and stage.readers[run].state is not State.ENDED:
                return
            joined_after[run].append(after[0])
            stage.join(run, after=after[0])

    def grow() -> None:
        run = random_.choice(NAMES)
        if not stage.logs[run].closed:
            stage.grow(run, closed=random_.random() < 0.05)

    def fill() -> None:
        stage.outlet.full = not stage.outlet.full
        if not stage.outlet.full:
            stage.reader.drained()

    def say() -> None:
        nonlocal said
        stage.reader.say(text_frame(b'{"id":%d,"ok":{}}' % said))
        said += 1

    def load() -> None:
        run = random_.choice(NAMES)
        if run in stage.readers:
            stage.load(run)

    def leave() -> None:
        stage.reader.leave(random_.choice(NAMES))

    steps = [join, join, grow, grow, fill, say, load, leave, stage.turn, stage.turn, stage.reader.heartbeat]
    for _ in range(300):
        random_.choice(steps)()
    for run in NAMES:
        stage.logs[run].closed = True
    for _ in range(300):
        stage.outlet.drain()
        stage.turn()
        for run in NAMES:
            if run in stage.readers:
                stage.load(run)
                stage.readers[run].moved()
    for run in NAMES:
        tail = stage.logs[run].tail if stage.logs[run].ends[-1:] == [Why.END] else len(seqs(stage, run))
        assert seqs(stage, run) == list(range(1, tail + 1)), f"seed {seed}"
    assert [each["id"] for each in stage.messages() if "id" in each] == list(range(said))
    assert (stage.reader.waiting, stage.reader.runs) == (False, []), f"seed {seed}"
