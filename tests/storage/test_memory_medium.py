"""A log as the medium has it: pages from any place, bounded, and never from before the first record."""

import pytest

from headwater.errors import LogTrimmed
from headwater.storage.contract import LogState, Page
from headwater.storage.memory_medium import StoredLog


@pytest.fixture
def log() -> StoredLog:
    """Records 3 to 6 of a log whose first two were trimmed."""
    log = StoredLog()
    log.first, log.records = 3, [b"3", b"44", b"5", b"6"]
    return log


def test_a_page_follows_its_cursor(log: StoredLog) -> None:
    assert log.state() == LogState(tail=6, closed=False, epoch=0, first=3)
    assert log.page(4, 10, 10) == Page(4, [b"5", b"6"], 6, False)
    assert log.page(6, 10, 10) == Page(6, [], 6, False)
    assert log.page(9, 10, 10) == Page(9, [], 6, False)


@pytest.mark.parametrize(("records_max", "bytes_max", "count"), [(2, 100, 2), (10, 3, 2), (10, 2, 1), (10, 0, 1)])
def test_a_page_is_bounded_but_never_empty(log: StoredLog, records_max: int, bytes_max: int, count: int) -> None:
    assert len(log.page(2, records_max, bytes_max).payloads) == count


def test_what_was_trimmed_is_refused(log: StoredLog) -> None:
    with pytest.raises(LogTrimmed):
        log.page(1, 10, 10)
