"""One reader's loop, state by state, without an event loop."""

from __future__ import annotations

import pytest

from headwater.delivery.sse import SSE
from headwater.delivery.subscription import BLOCKS_PER_TURN, State, Subscription, Why
from headwater.delivery.view import BLOCK_BYTES_MAX, Block, View, empty
from tests.delivery.sinks import HeldSink


class Script:
    """A source of single records `<seq>` up to `tail`, each a block; seqs in `cold` have to be loaded."""

    def __init__(self, tail: int, *, closed: bool = False, cold: set[int] | None = None) -> None:
        self.tail = tail
        self.closed = closed
        self.cold = cold or set()
        self.long: set[int] = set()
        #: seqs of which the view makes no bytes
        self.hidden: set[int] = set()
        self.loads: list[int] = []
        self.turns: list[Subscription] = []
        self.ends: list[Why] = []

    def data(self, seq: int) -> bytes:
        if seq in self.hidden:
            return b""
        return b"<%d>" % seq * (BLOCK_BYTES_MAX if seq in self.long else 1)

    def make(self, cursor: int) -> Block:
        return Block(self.data(cursor + 1), cursor + 1, single=True)

    def block(self, view: View, cursor: int) -> Block | None:
        if cursor >= self.tail:
            return empty(cursor)
        return None if cursor + 1 in self.cold else self.make(cursor)

    def at_end(self, cursor: int) -> bool:
        return self.closed and cursor >= self.tail

    def load(self, subscription: Subscription) -> None:
        self.loads.append(subscription.cursor)

    def yielded(self, subscription: Subscription) -> None:
        self.turns.append(subscription)

    def ended(self, subscription: Subscription, why: Why) -> None:
        self.ends.append(why)

    def body(self, after: int = 0) -> bytes:
        return b"".join(self.data(seq) for seq in range(after + 1, self.tail + 1))


def subscribe(source: Script, cursor: int = 0, opening: Block | None = None) -> tuple[Subscription, HeldSink]:
    sink = HeldSink()
    subscription = Subscription(source, View(SSE), cursor, sink, opening)
    sink.drained = subscription.drained
    return subscription, sink


def test_the_past_then_the_present_then_the_end() -> None:
    source = Script(3)
    reader, sink = subscribe(source, cursor=1)
    reader.begin()
    assert (sink.body, reader.state) == (b"<2><3>", State.FOLLOWING)
    source.tail, source.closed = 5, True
    reader.moved()
    assert sink.body == b"<2><3><4><5>"
    assert sink.finished
    assert source.ends == [Why.END]


def test_what_a_view_does_not_show_is_no_progress() -> None:
    """Else nobody would break the silence of a reader whose records all pass it by."""
    source = Script(3)
    source.hidden = {2, 3, 5}
    reader, sink = subscribe(source)
    reader.begin()
    seen = reader.progress
    source.tail = 5
    reader.moved()
    assert (sink.body, reader.cursor) == (b"<1><4>", 5)
    assert reader.progress != seen
    seen = reader.progress
    source.hidden |= {6, 7}
    source.tail = 7
    reader.moved()
    assert (reader.cursor, reader.progress) == (7, seen)


def test_at_the_end_of_a_closed_log_there_is_nothing_but_the_end() -> None:
    source = Script(3, closed=True)
    reader, sink = subscribe(source, cursor=3)
    reader.begin()
    assert (sink.writes, sink.finished) == ([], True)


def test_a_full_sink_stops_it_and_only_the_sink_wakes_it() -> None:
    source = Script(3)
    reader, sink = subscribe(source)
    sink.hold()
    reader.begin()
    assert (sink.body, reader.state, reader.cursor) == (b"<1>", State.FULL, 1)
    reader.moved()
    reader.resume()
    reader.loaded(source.make(1))
    assert sink.body == b"<1>"
    sink.drain()
    assert (sink.body, reader.state) == (b"<1><2><3>", State.FOLLOWING)
    sink.drain()
    assert sink.body == b"<1><2><3>"


def test_a_sink_that_was_filled_by_the_last_record_is_ended_cleanly_once_it_has_drained() -> None:
    reader, sink = subscribe(Script(1, closed=True))
    sink.hold()
    reader.begin()
    assert (sink.body, reader.state, sink.finished) == (b"<1>", State.FULL, False)
    sink.drain()
    assert (reader.state, sink.finished, sink.aborted) == (State.ENDED, True, False)


def test_a_sink_that_is_full_from_the_start_is_waited_for() -> None:
    reader, sink = subscribe(Script(2))
    reader.begin(full=True)
    assert sink.writes == []
    sink.drain()
    assert sink.body == b"<1><2>"


def test_a_page_from_the_disk_is_asked_for_once() -> None:
    source = Script(3, cold={1, 2})
    reader, sink = subscribe(source)
    reader.begin()
    reader.moved()
    reader.drained()
    assert (source.loads, reader.state, sink.writes) == ([0], State.LOADING, [])
    reader.loaded(source.make(0))
    assert (source.loads, sink.body) == ([0, 1], b"<1>")
    reader.loaded(source.make(1))
    assert (sink.body, reader.state) == (b"<1><2><3>", State.FOLLOWING)


def test_a_load_that_finds_nothing_does_not_ask_again() -> None:
    source = Script(0)
    reader, _ = subscribe(source)
    source.tail, source.cold = 1, {1}
    reader.begin()
    source.tail = 0
    reader.loaded(empty(0))
    assert (reader.state, source.loads) == (State.FOLLOWING, [0])


def test_a_move_during_a_load_is_not_lost() -> None:
    """The page was read before the log moved, and comes after it."""
    source = Script(1, cold={1})
    reader, sink = subscribe(source)
    reader.begin()
    source.cold = set()
    reader.moved()
    reader.loaded(empty(0))
    assert (sink.body, reader.state) == (b"<1>", State.FOLLOWING)


def test_a_load_that_finds_the_end() -> None:
    source = Script(1, cold={1})
    reader, sink = subscribe(source)
    reader.begin()
    source.tail, source.closed = 0, True
    reader.loaded(empty(0))
    assert sink.finished


def test_a_load_that_comes_after_the_end_is_dropped() -> None:
    source = Script(1, cold={1})
    reader, sink = subscribe(source)
    reader.begin()
    reader.end(Why.CLIENT)
    reader.loaded(source.make(0))
    assert sink.writes == []


def test_it_lets_others_have_their_turn() -> None:
    source = Script(BLOCKS_PER_TURN + 2)
    reader, sink = subscribe(source)
    reader.begin()
    assert (len(sink.writes), reader.state, source.turns) == (BLOCKS_PER_TURN, State.YIELDED, [reader])
    reader.moved()
    reader.drained()
    assert len(sink.writes) == BLOCKS_PER_TURN
    reader.resume()
    assert (sink.body, reader.state) == (source.body(), State.FOLLOWING)


def test_a_long_record_is_given_in_pieces_and_counts_when_it_is_whole() -> None:
    source = Script(3)
    source.long = {2}
    reader, sink = subscribe(source)
    sink.hold()
    reader.begin()
    cursors = []
    for _ in range(len(source.data(2)) // BLOCK_BYTES_MAX + 2):
        sink.hold()
        reader.drained()
        cursors.append(reader.cursor)
    sink.drain()
    assert sink.body == source.body()
    assert max(map(len, sink.writes)) == BLOCK_BYTES_MAX
    assert cursors.index(2) == len(source.data(2)) // BLOCK_BYTES_MAX - 1
    assert len({reader.progress for _ in range(2)}) == 1


def test_every_piece_is_progress() -> None:
    source = Script(1)
    source.long = {1}
    reader, sink = subscribe(source)
    sink.hold()
    reader.begin()
    seen = [reader.progress]
    while reader.state is State.FULL and reader.cursor == 0:
        reader.drained()
        seen.append(reader.progress)
    assert len(set(seen)) == len(seen) > 2


def test_an_opening_stands_for_the_records_up_to_its_seq() -> None:
    source = Script(5)
    reader, sink = subscribe(source, 0, Block(b"<1-3>", 3, single=True))
    reader.begin()
    assert sink.body == b"<1-3><4><5>"


def test_a_long_opening_is_given_in_pieces() -> None:
    source = Script(5)
    opening = b"<1-3>" * BLOCK_BYTES_MAX
    reader, sink = subscribe(source, 0, Block(opening, 3, single=True))
    sink.hold()
    reader.begin()
    assert sink.body == opening[:BLOCK_BYTES_MAX]
    sink.drain()
    assert sink.body == opening + b"<4><5>"


def test_a_heartbeat_comes_only_where_nothing_else_is_under_way() -> None:
    source = Script(2, cold={2})
    source.long = {1}
    reader, sink = subscribe(source)
    reader.heartbeat()
    sink.hold()
    reader.begin()
    reader.heartbeat()
    assert len(sink.writes) == 1, "inside a record"
    sink.drain()
    assert reader.state is State.LOADING
    reader.heartbeat()
    assert sink.body == source.data(1)
    reader.loaded(source.make(1))
    reader.heartbeat()
    assert sink.body == source.body() + SSE.heartbeat


def test_a_heartbeat_that_fills_the_sink_stops_it() -> None:
    source = Script(0)
    reader, sink = subscribe(source)
    reader.begin()
    sink.hold()
    reader.heartbeat()
    source.tail = 1
    reader.moved()
    assert sink.body == SSE.heartbeat
    sink.drain()
    assert sink.body == SSE.heartbeat + b"<1>"


@pytest.mark.parametrize(
    ("why", "finished", "aborted"),
    [
        (Why.END, True, False),
        (Why.DRAIN, True, False),
        (Why.DELETED, True, False),
        (Why.STALLED, False, True),
        (Why.ERROR, False, True),
        (Why.CLIENT, False, False),
    ],
)
def test_how_each_end_looks_to_the_client(why: Why, finished: bool, aborted: bool) -> None:
    source = Script(1)
    reader, sink = subscribe(source)
    reader.begin()
    reader.end(why)
    reader.end(Why.CLIENT)
    assert (sink.finished, sink.aborted, source.ends) == (finished, aborted, [why])
    source.tail = 2
    for wake in (reader.moved, reader.drained, reader.resume, reader.heartbeat):
        wake()
    reader.loaded(source.make(1))
    reader.farewell(1000)
    assert sink.body == b"<1>"


@pytest.mark.parametrize("why", [Why.DRAIN, Why.DELETED])
def test_an_end_inside_a_record_or_a_full_sink_is_a_cut(why: Why) -> None:
    for long in ({1}, set[int]()):
        source = Script(1)
        source.long = long
        reader, sink = subscribe(source)
        sink.hold()
        reader.begin()
        reader.farewell(1000)
        reader.end(why)
        assert sink.aborted
        assert len(sink.writes) == 1


def test_a_farewell_is_said_where_it_can_be_heard() -> None:
    reader, sink = subscribe(Script(1))
    reader.begin()
    reader.farewell(1234)
    assert b"retry: 1234\n" in sink.body
