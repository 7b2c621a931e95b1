"""Who watches a stream is told of it alone, and can stop."""

from functools import partial

from headwater.domain.run import LOCAL_OWNER
from headwater.domain.stream import StreamName
from headwater.storage.stream_watchers import StreamWatchers

ONE, TWO = StreamName(LOCAL_OWNER, "one"), StreamName(LOCAL_OWNER, "two")


def test_those_who_watch_are_told_until_they_stop() -> None:
    watchers, told = StreamWatchers(), list[str]()
    stops = [watchers.watch(ONE, partial(told.append, who)) for who in ("a", "b")]
    watchers.watch(TWO, lambda: told.append("c"))
    watchers.wake(ONE)
    stops[0]()
    stops[0]()
    watchers.wake(ONE)
    watchers.wake(TWO)
    assert told == ["a", "b", "b", "c"]
    assert len(watchers) == 2


def test_who_stops_while_all_are_told_is_not_in_the_way() -> None:
    watchers, told = StreamWatchers(), list[str]()

    def once() -> None:
        told.append("once")
        stop()

    stop = watchers.watch(ONE, once)
    watchers.watch(ONE, lambda: told.append("other"))
    watchers.wake(ONE)
    watchers.wake(ONE)
    assert told == ["once", "other", "other"]
