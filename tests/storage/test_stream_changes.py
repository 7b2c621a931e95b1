"""A fork of forks reads as one stream, page by page, from any place, with any size of page."""

from __future__ import annotations

import random

import pytest

from headwater.domain.run import LOCAL_OWNER
from headwater.domain.stream import Append, ForkPoint, StreamConfig, StreamLimits, StreamName
from headwater.errors import NotFoundError, StorageFullError
from headwater.storage import stream_changes as changes
from headwater.storage.memory_streams import MemoryShelf

LIMITS = StreamLimits()


def named(number: int) -> StreamName:
    return StreamName(LOCAL_OWNER, str(number))


@pytest.mark.parametrize("seed", range(20))
def test_streams_forked_at_random_are_what_a_list_would_be(seed: int) -> None:
    chance, shelf = random.Random(seed), MemoryShelf()
    expected: dict[int, list[bytes]] = {}
    for number in range(40):
        choice = chance.random()
        if not expected or choice < 0.1:
            changes.create(shelf, LIMITS, named(number), StreamConfig("text/plain"), b"", 0)
            expected[number] = []
        elif choice < 0.4:
            source = chance.choice(list(expected))
            place = chance.randint(0, len(expected[source]))
            point = ForkPoint(str(source), place)
            try:
                changes.create(shelf, LIMITS, named(number), StreamConfig(fork=point), b"", 0)
            except NotFoundError:
                continue
            expected[number] = expected[source][:place]
        elif choice < 0.5 and len(expected) > 3:
            gone = chance.choice(list(expected))
            changes.delete(shelf, named(gone), 0)
            del expected[gone]
        else:
            stream = chance.choice(list(expected))
            payload = b"%d;" % number
            changes.append(shelf, LIMITS, named(stream), Append(payload, "text/plain"), 0)
            expected[stream].append(payload)
    for number, records in expected.items():
        after = chance.randint(0, len(records))
        found: list[bytes] = []
        while not (page := changes.read(shelf, named(number), after + len(found), 0, chance.randint(1, 9))).up_to_date:
            assert page.payloads
            found += page.payloads
        assert [*found, *page.payloads] == records[after:]
    for number in list(expected):
        changes.delete(shelf, named(number), 0)
    assert shelf.totals() == (0, 0)


def test_what_is_over_is_swept_a_few_at_a_time() -> None:
    shelf = MemoryShelf()
    for number in range(changes.SWEPT_MAX + 2):
        changes.create(shelf, LIMITS, named(number), StreamConfig("text/plain", expires_at_ms=5), b"x", 0)
    changes.sweep(shelf, 4)
    assert shelf.totals().streams == changes.SWEPT_MAX + 2
    changes.sweep(shelf, 5)
    assert shelf.totals() == (2, 2)
    changes.sweep(shelf, 5)
    assert shelf.totals() == (0, 0)


def test_of_large_ones_fewer_are_swept() -> None:
    shelf = MemoryShelf()
    config, most = StreamConfig("text/plain", expires_at_ms=5), changes.SWEPT_BYTES_MAX
    for number, size in enumerate((1, most - 1, most, 3 * most, 1)):
        changes.create(shelf, LIMITS, named(number), config, b"x" * size, 0)
    for left in (3, 2, 1, 0):
        changes.sweep(shelf, 5)
        assert shelf.totals().streams == left


def test_what_is_over_is_never_in_the_way() -> None:
    """However many they are: a change that is refused takes back what it swept, so it would be refused for ever."""
    limits = LIMITS._replace(bytes_max=100, streams_max=30)
    config = StreamConfig("text/plain", expires_at_ms=5)
    full = changes.SWEPT_MAX * 2 + 5
    shelf = MemoryShelf()
    changes.create(shelf, limits, named(0), StreamConfig("text/plain"), b"", 0)
    for number in range(1, full):
        changes.create(shelf, limits, named(number), config, b"1234", 0)
    large = Append(b"x" * 90, "text/plain")
    with pytest.raises(StorageFullError):
        changes.append(shelf, limits, named(0), large, 4)
    assert shelf.totals().streams == full
    changes.append(shelf, limits, named(0), large, 5)
    assert shelf.totals() == (1, 90)
    shelf = MemoryShelf()
    for number in range(30):
        changes.create(shelf, limits, named(number), config, b"", 0)
    changes.create(shelf, limits._replace(streams_max=5), named(30), config, b"", 5)
    assert shelf.totals() == (1, 0)
