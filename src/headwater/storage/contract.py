"""What every storage engine promises.

Five contracts. `EventLog` keeps each run's records as opaque bytes; it knows nothing of event types.
`RunStore` keeps each run's row: identity, owner, input, cancel request, state. An engine may keep
both in one place (`sqlite` does), but nobody relies on it: after a crash between the two the log is
the truth of what happened, and the row is repaired from it. `StreamStore` (`storage.streams`) keeps
what programs put into streams of their own. `Documents` keeps what applications make of their runs.
`ApiKeys` keeps the hashes of callers' keys.

The kit in `headwater.testing.storage` holds every engine to these words.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping, Sequence
from enum import IntEnum
from typing import Any, NamedTuple, Protocol

from headwater.domain.api_key import ApiKey
from headwater.domain.document import Document
from headwater.domain.run import Owner, Run, RunMetrics, RunState
from headwater.domain.snapshot import Snapshot
from headwater.errors import LogMissing, StorageFull
from headwater.storage.streams import StreamStore


class LogState(NamedTuple):
    """A log as it stands on disk. An empty log has tail 0 and first 1."""

    tail: int
    closed: bool
    epoch: int
    #: the oldest seq that can still be read; `tail + 1` if there is none
    first: int


class Page(NamedTuple):
    """Records `after + 1 … after + len(payloads)`, contiguous, all of them durable."""

    after: int
    payloads: Sequence[bytes]
    tail: int
    closed: bool

    @property
    def last(self) -> int:
        return self.after + len(self.payloads)

    @property
    def at_end(self) -> bool:
        """Nothing follows this page, and nothing ever will."""
        return self.closed and self.last == self.tail


class Commit:
    """The receipt of an append: awaiting it returns once the append is durable, or raises what went wrong.

    Not awaiting it costs nothing and loses nothing, so a writer may run ahead of the disk and wait
    only where it must (`done` says whether it would have to). One receipt may stand for the appends
    of many runs. A failed commit fails every later append of the same runs too, so awaiting the last
    receipt of a run answers for all before it.

    Cancel-safe: a waiter that is cancelled does not take the append back.
    """

    __slots__ = ("_error", "_waiters", "done")

    def __init__(self) -> None:
        self.done = False
        self._error: BaseException | None = None
        self._waiters: list[asyncio.Future[None]] = []

    def resolve(self, error: BaseException | None = None) -> None:
        """For engines, in the loop's thread, once."""
        self.done = True
        self._error = error
        waiters, self._waiters = self._waiters, []
        for waiter in waiters:
            if not waiter.done():
                waiter.set_result(None)

    @property
    def error(self) -> BaseException | None:
        return self._error

    def __await__(self) -> Any:
        if not self.done:
            waiter = asyncio.get_running_loop().create_future()
            self._waiters.append(waiter)
            yield from waiter
        if self._error is not None:
            raise self._error
        return None


class Haste(IntEnum):
    """How long an engine that gathers writes to share a commit may keep one back for the sake of others."""

    #: nobody looks for it: as long as a person does not notice
    LATER = 0
    #: tokens that follow each other
    SOON = 1
    #: somebody waits for just this
    NOW = 2


class EventLog(Protocol):
    """An append-only, numbered, durable log for each run.

    All methods are called from the event loop's thread. A record becomes visible to `read`, `peek`,
    `state`, `watch` and `wait` only when it is durable; the epoch and the final mark likewise.
    """

    async def claim(self, run: str, epoch: int) -> LogState:
        """Makes `epoch` the only one that may append, creating the log if there is none. Durable on return.

        When it returns, nothing of an older epoch can be added any more, and everything an older
        epoch was acknowledged for is in the state returned.
        Raises `Fenced` where the log's epoch is already `epoch` or higher. A closed log can be
        claimed; appends to it still raise `LogClosed`.
        """
        ...

    def append(
        self,
        run: str,
        after: int,
        payloads: Sequence[bytes],
        epoch: int,
        final: bool = False,
        haste: Haste = Haste.SOON,
    ) -> Commit:
        """Adds records `after + 1 …` in one piece: all of them or none, in the order of the calls.

        The caller must have claimed the log in this process. Checked at once, against all that was
        appended before whether durable yet or not: raises `Fenced` where `epoch` is not the one in
        force, `LogClosed` after a final record, `SeqConflict` where `after` is not the tail,
        `StorageFull` for anything but a final record while there is no space, `StorageFailed` after
        a failed sync, `LogMissing` for a log that was never claimed here or was deleted.
        With `final` the last of the payloads closes the log. `haste` has no other effect
        than on when they become durable, and only where others are not in more of a hurry.
        The receipt raises `StorageFull` or `StorageFailed`; the log then stands as before.
        """
        ...

    async def read(self, run: str, after: int, *, records_max: int = 1000, bytes_max: int = 1 << 20) -> Page:
        """The durable records after a seq: contiguous, from `after + 1`, at least one if there is one.

        At the tail the page is empty. Raises `LogTrimmed` where `after + 1` is older than the first
        kept record, `LogCorrupt` where what is stored does not match its checksum, `LogMissing`.
        `after` ahead of the tail gives an empty page; the caller compares with `page.tail`.
        """
        ...

    def peek(self, run: str, after: int, *, records_max: int = 1000, bytes_max: int = 1 << 20) -> Page | None:
        """`read` without waiting, from memory: None where the disk has to be asked. Never raises."""
        ...

    async def state(self, run: str) -> LogState:
        """How the log stands on disk. Raises `LogMissing`."""
        ...

    def watch(self, run: str, wake: Callable[[], None]) -> Callable[[], None]:
        """Calls `wake` in the loop's thread after the run's durable tail or end has moved; returns the way to stop.

        May call for nothing, never misses: register first, read afterwards. `wake` must not block or
        raise. A log that is deleted wakes its watchers, and reading then raises `LogMissing`.
        """
        ...

    async def trim(self, run: str, first: int) -> None:
        """Forgets the records before `first`; seqs stay. Never beyond `tail + 1`. Durable on return."""
        ...

    async def delete(self, run: str) -> None:
        """Forgets the log altogether. Appends that are under way fail or vanish with it."""
        ...


async def wait(log: EventLog, run: str, after: int) -> None:
    """Returns once the log has a durable record past `after`, is closed, or is gone. Never misses.

    Cancel-safe: whoever is cancelled leaves no watcher behind.
    """
    moved = asyncio.Event()
    stop = log.watch(run, moved.set)
    try:
        while True:
            moved.clear()
            page = log.peek(run, after, records_max=1)
            if page is None:
                try:
                    page = await log.read(run, after, records_max=1)
                except LogMissing:
                    return
            if page.payloads or page.closed:
                return
            await moved.wait()
    finally:
        stop()


class IdempotencyKey(NamedTuple):
    """A caller's promise that two requests are one. `digest` is of the parsed body."""

    owner: Owner
    route: str
    key: str
    digest: bytes


class RunFilter(NamedTuple):
    """What `RunStore.select` returns; None means any. Times are ms since 1970, `created_before_ms` exclusive."""

    owner: Owner
    states: tuple[RunState, ...] | None = None
    workflow: str | None = None
    model: str | None = None
    created_from_ms: int | None = None
    created_before_ms: int | None = None


class RunPage(NamedTuple):
    """Runs, newest first. `cursor` is opaque and leads to the next page, None at the end."""

    runs: list[Run]
    cursor: str | None


class Begun(NamedTuple):
    """A run that is stored, and its log; None where the idempotency key had made the run before."""

    run: Run
    log: LogState | None


class RunStore(Protocol):
    """Each run's row. What it returns is durable."""

    async def create(
        self, run: Run, idempotency: IdempotencyKey | None = None, *, documents: Sequence[Document] = ()
    ) -> Run:
        """Stores a new run and returns it, or the one that the same idempotency key already made.

        Compare ids to tell. Exactly one of any number of racing calls with one key creates. `documents` of the run's
        owner are stored in one piece with a new run, and not at all without one. Raises `ConflictError` where the key
        was used with another digest, or the run it made was deleted; `StorageFull`, `StorageFailed`.
        """
        ...

    async def find(self, idempotency: IdempotencyKey) -> Run | None:
        """The run that this key made, or None where it made none. Stores nothing.

        Raises `ConflictError` where `create` would.
        """
        ...

    async def get(self, run: str) -> Run | None: ...

    async def select(self, where: RunFilter, *, cursor: str | None = None, limit: int = 50) -> RunPage:
        """Newest first; runs made meanwhile do not shift the pages. Raises `BadRequestError` for a bad cursor."""
        ...

    async def unfinished(self) -> list[Run]:
        """Every run that has not ended, oldest first: what a new start has to end or take up."""
        ...

    async def claim(self, run: str) -> int:
        """Raises the run's epoch by one and returns it: the number under which the log is then claimed."""
        ...

    async def start(self, run: str) -> None:
        """queued → running. Raises `StorageError` where the table of transitions does not allow it."""
        ...

    async def request_cancel(self, run: str, by: str) -> Run | None:
        """Notes that a cancel was asked for and returns the run; the first `by` stays.

        None for a run that never was. Ended runs stay as they are.
        """
        ...

    async def finish(
        self,
        run: str,
        state: RunState,
        snapshot: Snapshot,
        ended_at_ms: int,
        metrics: RunMetrics | None,
        *,
        documents: Sequence[Document] = (),
    ) -> None:
        """Stores a run's end. Repeating it changes nothing; another end than the first is ignored.

        `documents` of the run's owner are stored in one piece with the end, and not at all where it is ignored.
        """
        ...

    async def delete(self, run: str) -> None:
        """Forgets the row and its content, and the documents that came out of the run.

        The idempotency key's tombstone and a usage row without content stay.
        """
        ...


class DocumentPage(NamedTuple):
    """Documents, newest first. `next_cursor` is opaque and leads to the next page, None at the end."""

    documents: Sequence[Document]
    next_cursor: str | None


class Documents(Protocol):
    """What applications keep, each owner's apart. What it returns is durable.

    `RunStore.create` and `RunStore.finish` store documents too, in one piece with the run's row.
    """

    async def put(self, owner: Owner, documents: Sequence[Document]) -> None:
        """Stores all of them or none; one of the same collection and key takes the older one's place.

        Raises what `domain.document.sealed` raises; `StorageFull`, `StorageFailed`.
        """
        ...

    async def get(self, owner: Owner, collection: str, key: str) -> Document | None: ...

    async def list(
        self,
        owner: Owner,
        collection: str,
        *,
        where: Mapping[str, str] = {},
        limit: int = 50,
        cursor: str | None = None,
    ) -> DocumentPage:
        """Those that have all of these words, newest first. One that was replaced stays where it was first put.

        Documents stored meanwhile do not shift the pages. Raises `BadRequestError` for a bad cursor.
        """
        ...

    async def delete(self, owner: Owner, collection: str, key: str) -> bool:
        """Forgets it; returns whether there was one."""
        ...


class OwnDocuments(Protocol):
    """One owner's documents, to be read: as `Documents`, without a word about anybody else's."""

    async def get(self, collection: str, key: str) -> Document | None: ...

    async def list(
        self, collection: str, *, where: Mapping[str, str] = {}, limit: int = 50, cursor: str | None = None
    ) -> DocumentPage: ...


class ApiKeys(Protocol):
    """The keys of callers: their hashes, never what callers show. What it returns is durable."""

    async def all(self) -> Sequence[ApiKey]:
        """Every key, revoked ones too, in the order in which they were made."""
        ...

    async def put(self, key: ApiKey) -> None:
        """Stores a new key; one whose id is there stays as it is. Raises `StorageFull`, `StorageFailed`."""
        ...

    async def revoke(self, id: str, at_ms: int) -> bool:
        """Whether there is such a key; the first `at_ms` stays. Is done on a full disk too. Raises `StorageFailed`."""
        ...


class Storage(Protocol):
    """An engine: all contracts over one medium, with a beginning and an end."""

    @property
    def log(self) -> EventLog: ...

    @property
    def runs(self) -> RunStore: ...

    @property
    def streams(self) -> StreamStore: ...

    @property
    def documents(self) -> Documents: ...

    @property
    def api_keys(self) -> ApiKeys: ...

    async def begin(
        self, run: Run, idempotency: IdempotencyKey | None = None, *, documents: Sequence[Document] = ()
    ) -> Begun:
        """`runs.create` and, for a run that is new, `log.claim` under its epoch: both durable on return.

        Every first token waits for this, so an engine that can makes it one commit; `begin_by_steps`
        does for the others. Raises what `runs.create` raises, and then has stored nothing.
        """
        ...

    async def open(self) -> None:
        """Takes exclusive hold of the medium. Raises `ConfigError` where another server has it, `StorageError`."""
        ...

    async def close(self) -> None:
        """Writes what was appended, resolves every receipt, lets go of the medium."""
        ...

    @property
    def intact(self) -> bool:
        """Whether all that an earlier process acknowledged is there: known once open, and the same until closed.

        It is not where something was acknowledged before it was synced, and the machine has started again since.
        """
        ...

    async def settle(self) -> None:
        """Called when what an earlier process left has been seen to: a loss in it no longer matters. Durable on return.

        Until then the next `open` finds it as this one did.
        """
        ...

    @property
    def failed(self) -> BaseException | None:
        """What stopped the engine, if something did: from then on nothing is acknowledged."""
        ...

    @property
    def full(self) -> bool:
        """Whether there is no space for new runs; what was there before can be read and ended."""
        ...

    def on_failure(self, callback: Callable[[BaseException], None]) -> None:
        """Calls back once, in the loop's thread, when the engine stops itself."""
        ...


async def begin_by_steps(
    storage: Storage, run: Run, idempotency: IdempotencyKey | None = None, *, documents: Sequence[Document] = ()
) -> Begun:
    """`Storage.begin`, the row first and then the log.

    A crash between the two leaves a row without a log, which the next start ends as interrupted.
    """
    made = await storage.runs.create(run, idempotency, documents=documents)
    if made.id != run.id:
        return Begun(made, None)
    try:
        return Begun(made, await storage.log.claim(run.id, run.epoch))
    except StorageFull:
        await storage.runs.delete(run.id)
        raise
