"""A log's growing end in memory."""

import pytest

from headwater.storage.contract import LogState
from headwater.storage.tail import Tail


def a_tail(durable: int = 5, base: int = 0) -> Tail:
    tail = Tail("r", 1, LogState(base, False, 1, 1))
    tail.records = [b"%d" % seq for seq in range(base + 1, durable + 1)]
    tail.durable = tail.tail = durable
    return tail


def test_a_page_is_what_memory_has() -> None:
    tail = a_tail(durable=9, base=4)
    page = tail.page(6, 2, 1000)
    assert page is not None
    assert (page.after, page.payloads, page.tail, page.closed) == (6, [b"7", b"8"], 9, False)
    assert tail.page(3, 10, 1000) is None
    assert tail.page(9, 10, 1000) == (9, [], 9, False)
    assert tail.page(12, 10, 1000) == (12, [], 9, False)


@pytest.mark.parametrize(("bytes_max", "count"), [(0, 1), (1, 1), (2, 2), (3, 3), (99, 5)])
def test_a_page_keeps_to_its_bytes_and_has_one_record_at_least(bytes_max: int, count: int) -> None:
    page = a_tail().page(0, 10, bytes_max)
    assert page is not None
    assert len(page.payloads) == count


def test_what_is_not_durable_is_rolled_back_and_the_fence_stays() -> None:
    tail = a_tail()
    tail.tail, tail.closed, tail.epoch = 8, True, 2
    tail.roll_back()
    assert (tail.tail, tail.closed, tail.epoch) == (5, False, 2)
    assert tail.state() == LogState(5, False, 1, 1)


def test_only_what_is_in_segments_is_released() -> None:
    tail = a_tail()
    tail.release()
    assert tail.base == 0
    tail.flushed = 3
    assert tail.unflushed() == (4, [b"4", b"5"])
    tail.release()
    assert (tail.base, tail.records) == (3, [b"4", b"5"])
    tail.release()
    assert tail.unflushed() == (4, [b"4", b"5"])


def test_trimming_never_leaves_a_hole() -> None:
    tail = a_tail()
    tail.trimmed(4)
    assert (tail.first, tail.base, tail.records) == (4, 3, [b"4", b"5"])
    assert tail.unflushed() == (4, [b"4", b"5"])
    tail.trimmed(2)
    assert tail.first == 4
