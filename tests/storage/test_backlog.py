"""What is written out when, and which frames of the journal are still needed."""

from headwater.storage.backlog import FLUSH_BYTES, Backlog, Flush
from headwater.storage.contract import LogState
from headwater.storage.tail import Tail


def grown(run: str, count: int, size: int = 10, touched: float = 0.0) -> Tail:
    tail = Tail(run, 1, LogState(0, False, 1, 1))
    tail.records = [bytes(size)] * count
    tail.tail = tail.durable = count
    tail.touched = touched
    return tail


def runs(flushes: list[Flush]) -> list[str]:
    return [flush.tail.run for flush in flushes]


def test_nothing_is_written_out_while_all_is_new_and_small() -> None:
    backlog = Backlog(journal_bytes=1000, idle_s=5)
    backlog.dirty[grown("a", 3, touched=1.0)] = 1
    backlog.committed(1, 500)
    assert backlog.tick(2.0) == []
    assert not backlog.has_due
    assert backlog.take() == []
    assert backlog.has_work


def test_the_oldest_go_first_when_the_journal_is_large() -> None:
    backlog = Backlog(journal_bytes=1000)
    a, b = grown("a", 1, FLUSH_BYTES), grown("b", 1, FLUSH_BYTES)
    backlog.dirty = {a: 1, b: 2}
    backlog.committed(1, 600)
    backlog.committed(2, 600)
    taken = backlog.take()
    assert runs(taken) == ["a"]
    assert backlog.lowest_frame(3) == 2
    backlog.flushed(taken, 2)
    assert backlog.journal_size == 600
    assert a.flushed == 1
    assert backlog.take() == []


def test_ended_and_idle_runs_are_due() -> None:
    backlog = Backlog(idle_s=5)
    ended, idle, busy = grown("ended", 1, touched=9), grown("idle", 1, touched=1), grown("busy", 1, touched=9)
    ended.ended = True
    backlog.dirty = {busy: 1, idle: 2, ended: 3}
    backlog.tick(10.0)
    assert backlog.has_due
    assert sorted(runs(backlog.take())) == ["ended", "idle"]
    assert backlog.lowest_frame(9) == 1


def test_memory_is_let_go_of_one_to_two_ticks_after_the_flush() -> None:
    backlog = Backlog(idle_s=0)
    tail = grown("a", 3)
    backlog.dirty = {tail: 1}
    backlog.tick(1.0)
    backlog.flushed(backlog.take(), 2)
    assert backlog.tick(2.0) == []
    assert backlog.tick(3.0) == [tail]
    assert not backlog.has_work


def test_what_could_not_be_written_is_taken_again_in_its_old_order() -> None:
    backlog = Backlog(journal_bytes=0)
    a, b, c = (grown(run, 1) for run in "abc")
    backlog.dirty = {a: 1, b: 2}
    backlog.committed(1, 1)
    taken = backlog.take()
    backlog.dirty[c] = 3
    backlog.dirty[a] = 3
    backlog.put_back(taken)
    assert list(backlog.dirty.items()) == [(a, 1), (b, 2), (c, 3)]


def test_a_run_that_is_forgotten_is_in_nobodys_way() -> None:
    backlog = Backlog(idle_s=0)
    tail = grown("a", 1)
    backlog.dirty = {tail: 1}
    backlog.tick(1.0)
    backlog.forget(tail)
    assert backlog.take() == []
    assert backlog.lowest_frame(7) == 7
    assert not backlog.has_work


def test_only_the_tail_is_noted_where_all_records_were_trimmed() -> None:
    backlog = Backlog(journal_bytes=0)
    tail = grown("a", 3)
    tail.trimmed(4)
    backlog.dirty = {tail: 1}
    backlog.committed(1, 1)
    (flush,) = backlog.take()
    assert (flush.payloads, flush.last) == ([], 3)
