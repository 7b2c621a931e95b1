"""One run that has readers: wakes them when its log moves, and makes each page's bytes once for all of them."""

from __future__ import annotations

import asyncio
from collections.abc import Callable

import structlog

from headwater.delivery.subscription import State, Subscription, Why
from headwater.delivery.view import BLOCK_BYTES_MAX, Block, View, empty
from headwater.errors import LogMissing, StorageError
from headwater.storage.contract import EventLog, Page
from headwater.tasks import Spawn

_log = structlog.get_logger(__name__)

#: What the blocks kept for readers at the same place may weigh and number; at least one is kept.
BLOCKS_BYTES_MAX = 256 * 1024
BLOCKS_MAX = 64
#: A reader who follows is given at most so many records without further ado.
PUSH_RECORDS_MAX = 64
#: How much of the log is taken from the disk at once, for several blocks: asking again costs more than reading on.
LOAD_BYTES_MAX = 128 * 1024
LOAD_RECORDS_MAX = 4000
#: How often a log that was never seen may be looked for; one look is a part of the heartbeat's time.
LOOKS_FOR_LOG_MAX = 8

_Place = tuple[View, int]


class Feed:
    """The subscriptions of a run, by view; the `Source` of each of them.

    `left` is called when one has ended, `idle` becomes True when that was the last one. The log is
    watched from the first moment to `close`, so whatever a reader sees first, it misses nothing after.
    """

    def __init__(self, run: str, log: EventLog, spawn: Spawn, left: Callable[[Feed, Subscription, Why], None]) -> None:
        self.run = run
        self._log = log
        self._spawn = spawn
        self._left = left
        self._loop = asyncio.get_running_loop()
        self._readers: dict[View, dict[Subscription, None]] = {}
        self._blocks: dict[_Place, Block] = {}
        self._blocks_bytes = 0
        #: those of them that end because they are full
        self._full: set[_Place] = set()
        self._loading: dict[_Place, list[Subscription]] = {}
        #: how often the log has moved: a page that was asked for before the last time may be older than that
        self._moves = 0
        self._tail = 0
        self._closed = False
        #: whether the log has been seen: one that is missing later was deleted, one that never was is still to come
        self._born = False
        self._looks_for_log = 0
        self._stop = log.watch(run, self._moved)

    @property
    def idle(self) -> bool:
        return not self._readers

    def close(self) -> None:
        """Stops watching and lets go of what was kept."""
        self._stop()
        self._blocks.clear()

    def join(self, subscription: Subscription) -> None:
        """Adds a reader; it reads when it is resumed."""
        self._readers.setdefault(subscription.view, {})[subscription] = None

    def tidy(self) -> None:
        """Called now and then. Lets go of bytes that nobody on the way to the tail has a use for any more.

        Ends the readers of a log that still has not come: its run was deleted while they joined.
        """
        if not self._born:
            self._looks_for_log += 1
            if self._looks_for_log > LOOKS_FOR_LOG_MAX:
                for reader in [reader for readers in self._readers.values() for reader in readers]:
                    reader.end(Why.DELETED)
                return
        following = State.FOLLOWING
        if all(reader.state is following for readers in self._readers.values() for reader in readers):
            self._blocks.clear()
            self._full.clear()
            self._blocks_bytes = 0

    def keep(self, view: View, page: Page) -> None:
        """Takes over a page that was read for a reader who is about to join."""
        if not self._born:
            # Whoever waits for the log to come would not be woken if it is gone again by now.
            self._loop.call_soon(self._moved)
        self._see(page)
        if page.payloads:
            self._remember((view, page.after), view.render(page), page)

    # ── the log moves ───────────────────────────────────────────────────────────────────────────

    def _moved(self) -> None:
        self._moves += 1
        for view, readers in list(self._readers.items()):
            if len(readers) == 1:
                (reader,) = readers
                if reader.state is State.FOLLOWING and self._push_one(view, reader):
                    continue
            while self._push(view, readers):
                pass

    def _push_one(self, view: View, reader: Subscription) -> bool:
        """`_push` for the one reader that most runs have: its bytes are of use to nobody else, so they are not kept.

        False where there is more to it than a few records at the tail.
        """
        cursor = reader.cursor
        page = self._log.peek(self.run, cursor, records_max=PUSH_RECORDS_MAX, bytes_max=BLOCK_BYTES_MAX)
        if page is None:
            return False
        after, payloads, tail, closed = page
        if closed or not payloads or after + len(payloads) < tail:
            return False
        try:
            if len(payloads) == 1 and view.types is None and after >= view.coalesced_to:
                data = view.encoding.record(tail, payloads[0])
            else:
                block = view.render(page)
                if block.last < tail:
                    return False
                data = block.data
        except Exception:
            return False  # what is no record is found again, and ends this reader alone
        if not 0 < len(data) <= BLOCK_BYTES_MAX:
            return False
        self._born = True
        self._tail = reader.cursor = tail
        if not reader.write(data):
            reader.state = State.FULL
        return True

    def _push(self, view: View, readers: dict[Subscription, None]) -> bool:
        """Gives the next block to all who stand at the same place; True if there is more for them.

        Whoever follows the run stands at its old tail, so this is the path of nearly every token: one
        lookup for all, one write for each. The others are called one by one.
        """
        cursor, data, last = -1, b"", 0
        following = State.FOLLOWING
        taken = False
        for reader in tuple(readers):
            if reader.state is following:
                if cursor < 0 and (block := self.block(view, reader.cursor)) and 0 < len(block.data) <= BLOCK_BYTES_MAX:
                    cursor, data, last = reader.cursor, block.data, block.last
                if reader.cursor == cursor:
                    reader.cursor = last
                    taken = True
                    if not reader.write(data):
                        reader.state = State.FULL
                    continue
            reader.moved()
        return taken and (last < self._tail or self._closed)

    # ── the subscriptions' source ───────────────────────────────────────────────────────────────

    def block(self, view: View, cursor: int) -> Block | None:
        if self.at_end(cursor):
            return empty(cursor)
        place = (view, cursor)
        block = self._blocks.get(place)
        # One that ended at the tail of its time is no use once the log has grown: small ones would follow each other.
        if block is not None and (block.last >= self._tail or place in self._full):
            return block
        page = self._log.peek(self.run, cursor, records_max=view.page_records_max, bytes_max=view.page_bytes_max)
        if page is None:
            return block
        self._see(page)
        if not page.payloads:
            return empty(cursor)
        try:
            block = view.render(page)
        except Exception:
            # Bytes that are no record. Waking must not raise: loading will, and ends this reader alone.
            return None
        self._remember(place, block, page)
        return block

    def at_end(self, cursor: int) -> bool:
        return self._closed and cursor >= self._tail

    def load(self, subscription: Subscription) -> None:
        place = (subscription.view, subscription.cursor)
        waiting = self._loading.get(place)
        if waiting is not None:
            waiting.append(subscription)
            return
        self._loading[place] = [subscription]
        self._spawn(self._load(place), f"load {self.run}")

    async def _load(self, place: _Place) -> None:
        view, cursor = place
        moves = self._moves
        block: Block | None = None
        why = Why.ERROR
        try:
            page = await self._log.read(self.run, cursor, records_max=LOAD_RECORDS_MAX, bytes_max=LOAD_BYTES_MAX)
            self._see(page)
            block = self._remember_all(view, page) or empty(cursor)
        except LogMissing:
            if self._born:
                why = Why.DELETED
            else:
                block = empty(cursor)
        except StorageError as error:
            # The reader is cut and asks again; the answer is then a problem that says what is wrong.
            _log.error("a reader was cut", run=self.run, error=type(error).__name__)
        finally:
            for subscription in self._loading.pop(place):
                if self._moves != moves:
                    # Also for whoever joined this load after the log had moved, and was not loading then.
                    subscription.moved()
                if block is not None:
                    subscription.loaded(block)
                elif subscription.state is State.LOADING:
                    subscription.end(why)

    def yielded(self, subscription: Subscription) -> None:
        self._loop.call_soon(subscription.resume)

    def ended(self, subscription: Subscription, why: Why) -> None:
        readers = self._readers[subscription.view]
        del readers[subscription]
        if not readers:
            del self._readers[subscription.view]
        self._left(self, subscription, why)

    # ── what is known ───────────────────────────────────────────────────────────────────────────

    def _see(self, page: Page) -> None:
        self._born = True
        self._tail = max(self._tail, page.tail)
        self._closed = self._closed or page.closed

    def _remember_all(self, view: View, page: Page) -> Block | None:
        """Renders all blocks of a page; returns the first. Raises where that one can not be made."""
        first: Block | None = None
        while page.payloads:
            try:
                block = view.render(page)
            except Exception:
                if first is None:
                    raise
                break  # who comes to that place will be told
            self._remember((view, page.after), block, page)
            first = first or block
            page = page._replace(after=block.last, payloads=page.payloads[block.last - page.after :])
        return first

    def _remember(self, place: _Place, block: Block, page: Page) -> None:
        known = self._blocks.pop(place, None)
        self._blocks[place] = block
        self._blocks_bytes += len(block.data) - (len(known.data) if known else 0)
        if block.last < page.tail:
            self._full.add(place)
        while len(self._blocks) > 1 and (self._blocks_bytes > BLOCKS_BYTES_MAX or len(self._blocks) > BLOCKS_MAX):
            oldest = next(iter(self._blocks))
            self._blocks_bytes -= len(self._blocks.pop(oldest).data)
            self._full.discard(oldest)
