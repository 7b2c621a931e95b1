"""Mistakes that somebody could make, each a few lines put in place of the right ones while a schedule plays.

A simulation is worth what it catches: `test_mutants` plays the seeds of continuous integration until the checker
objects, and fails for a mutant that none of them gives away.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from typing import Any, NamedTuple
from unittest import mock

import msgspec

from headwater.delivery.feed import Feed
from headwater.delivery.hub import Hub
from headwater.delivery.snapshots import Snapshots
from headwater.delivery.subscription import State, Subscription
from headwater.domain import event as ev
from headwater.domain.run import Run
from headwater.errors import ErrorCode, HeadwaterError
from headwater.runs import recorder as recorder_module
from headwater.runs import resumed as resumed_module
from headwater.runs.call import ModelCall
from headwater.runs.context import Context
from headwater.runs.continuation import Joint
from headwater.runs.ending import Stop
from headwater.runs.overlap import Overlap
from headwater.runs.recorder import Recorder
from headwater.runs.resumed import Lasting
from headwater.runs.runner import Runner
from headwater.storage.contract import Commit, EventLog, Haste, IdempotencyKey, LogState
from headwater.storage.memory import MemoryLog, MemoryStorage, _Change, _settle
from headwater.storage.memory_runs import MemoryRuns

Patch = Callable[..., None]


class Mutant(NamedTuple):
    name: str
    #: which invariant it breaks; others may be broken with it
    invariant: str
    apply: Callable[[Patch], None]

    @property
    def words(self) -> str:
        return (self.apply.__doc__ or "").split("\n")[0]

    @contextmanager
    def applied(self) -> Iterator[None]:
        with ExitStack() as stack:
            self.apply(lambda where, what, by: stack.enter_context(mock.patch.object(where, what, by)))
            yield


def early_acknowledgement(patch: Patch) -> None:
    """Records are shown when they are written, before they are synced."""
    right = MemoryLog.append

    def append(
        self: MemoryLog,
        run: str,
        after: int,
        payloads: Sequence[bytes],
        epoch: int,
        final: bool = False,
        haste: Haste = Haste.SOON,
    ) -> Commit:
        receipt = right(self, run, after, payloads, epoch, final)
        steps: list[Any] = self._storage._group.steps  # type: ignore[union-attr]
        MemoryLog.store(self, steps[-1])
        steps[-1] = steps[-1]._replace(payloads=[])
        asyncio.get_running_loop().call_soon(self.wake, run)
        return receipt

    patch(MemoryLog, "append", append)


def lost_wake_up(patch: Patch) -> None:
    """A reader whose page is on its way from the disk does not notice that the log has moved meanwhile."""

    def moved(self: Subscription) -> None:
        if self.state is State.FOLLOWING:
            self._pump()

    patch(Subscription, "moved", moved)


def watched_too_late(patch: Patch) -> None:
    """A run with readers is watched from a moment after the first of them has read, not from before."""
    right = Feed.__init__

    def begin(self: Feed, run: str, log: EventLog, *rest: Any) -> None:
        right(self, run, log, *rest)
        self._stop()
        stops: list[Callable[[], None]] = []

        def stop() -> None:
            for each in stops:
                each()

        late = asyncio.get_running_loop().call_later(0.2, lambda: stops.append(log.watch(run, self._moved)))
        stops.append(late.cancel)
        self._stop = stop

    patch(Feed, "__init__", begin)


def double_final_record(patch: Patch) -> None:
    """The end is written twice."""
    right = Recorder.add

    def add(self: Recorder, events: Sequence[ev.Event], *, final: bool = False, **options: Any) -> None:
        right(self, [*events, events[-1]] if final else events, final=final)

    patch(Recorder, "add", add)


def off_by_one_cursor(patch: Patch) -> None:
    """The cursor is taken for the first record wanted, not for the last one had."""
    right = Hub.start

    def start(self: Hub, run: str, after: int, *rest: Any, **options: Any) -> Any:
        return right(self, run, max(0, after - 1), *rest, **options)

    patch(Hub, "start", start)


def reader_resumed_one_late(patch: Patch) -> None:
    """A reader that comes back misses one record."""
    right = Hub.start

    async def start(self: Hub, run: str, after: int, *rest: Any, **options: Any) -> Any:
        known = self._log.peek(run, after, records_max=1) if after else None
        return await right(self, run, after if known is None else min(after + 1, known.tail), *rest, **options)

    patch(Hub, "start", start)


def missing_fence(patch: Patch) -> None:
    """The log takes appends under any epoch."""
    right = MemoryLog.append

    def append(
        self: MemoryLog,
        run: str,
        after: int,
        payloads: Sequence[bytes],
        epoch: int,
        final: bool = False,
        haste: Haste = Haste.SOON,
    ) -> Commit:
        known = self._accepted.get(run)
        return right(self, run, after, payloads, known.epoch if known else epoch, final)

    patch(MemoryLog, "append", append)


def cancel_lost(patch: Patch) -> None:
    """A cancel is noted, but the run that is going on does not hear of it."""
    right = Runner.stop

    def stop(self: Runner, reason: Stop) -> bool:
        return reason.why != "cancelled" and right(self, reason)

    patch(Runner, "stop", stop)


def cancel_forgotten(patch: Patch) -> None:
    """A cancel is acted on, but not noted: a crash right after it forgets that it was accepted."""

    async def request_cancel(self: MemoryRuns, run: str, by: str) -> Run | None:
        return await self.get(run)

    patch(MemoryRuns, "request_cancel", request_cancel)


def epoch_not_raised(patch: Patch) -> None:
    """Who takes a run over does so under the epoch of the one before, and the log allows it."""
    right = MemoryLog.claim

    async def claim_row(self: MemoryRuns, run: str) -> int:
        return self._row(run).epoch

    async def claim_log(self: MemoryLog, run: str, epoch: int) -> LogState:
        for known in (self._accepted.get(run), self._storage.medium.logs.get(run)):
            if known is not None:
                known.epoch = min(known.epoch, epoch - 1)
        return await right(self, run, epoch)

    patch(MemoryRuns, "claim", claim_row)
    patch(MemoryLog, "claim", claim_log)


def coalescing_across_attempts(patch: Patch) -> None:
    """Text of the past is put together over the seq from which on an attempt superseded it."""
    right = Snapshots.opening

    async def opening(self: Snapshots, *rest: Any) -> Any:
        return (await right(self, *rest))._replace(breaks=frozenset())

    patch(Snapshots, "opening", opening)


def recording_across_attempts(patch: Patch) -> None:
    """Text that arrives together becomes one record even where an attempt lies between."""
    right = recorder_module.shape

    def shape(events: Sequence[ev.Event]) -> list[ev.Event]:
        return right(sorted(events, key=lambda event: isinstance(event, ev.Attempt)))

    patch(recorder_module, "shape", shape)


def partial_dropped_at_the_end(patch: Patch) -> None:
    """The newest text is held back for the next append, and forgotten where the next is an end that is not whole."""
    right = Recorder.add
    held: dict[Recorder, list[ev.Event]] = {}

    def add(self: Recorder, events: Sequence[ev.Event], *, final: bool = False, **options: Any) -> None:
        before = held.pop(self, [])
        if final and not isinstance(events[-1], ev.Complete):
            before = []
        # The workflow with attempts counts on its seqs; its text begins with a number and is let be.
        if not final and isinstance(events[-1], ev.Chunk) and not events[-1].content[:1].isdigit():
            held[self] = [events[-1]]
            events = events[:-1]
        right(self, [*before, *events], final=final)

    patch(Recorder, "add", add)


def false_complete(patch: Patch) -> None:
    """A stream that ends without its end is taken for whole."""
    right = ModelCall.events

    async def events(self: ModelCall) -> Any:
        try:
            async for each in right(self):
                yield each
        except HeadwaterError:
            return

    patch(ModelCall, "events", events)
    patch(Context, "unfinished_answers", [])


def attempts_spliced(patch: Patch) -> None:
    """A new attempt does not take back what the one before it had put out."""
    right = ModelCall._again

    def again(self: ModelCall, reason: ErrorCode) -> ev.Attempt:
        return msgspec.structs.replace(right(self, reason), supersedes_from=None)

    patch(ModelCall, "_again", again)


def rest_said_twice(patch: Patch) -> None:
    """What the log has of an answer that is asked for again is put out once more."""
    patch(Overlap, "take", lambda self, items: [*items])


def lost_answer_made_again(patch: Patch) -> None:
    """An answer that goes on at its provider's is not asked for again, but made, and paid for, anew."""
    right = Lasting.stream

    def stream(self: Lasting, *rest: Any, **options: Any) -> Any:
        self.forget()
        return right(self, *rest, **options)

    patch(Lasting, "stream", stream)


def beginning_not_shown(patch: Patch) -> None:
    """The model is not shown what it has said before the crash, and what it says then is put behind it."""
    patch(resumed_module, "continued", lambda request, partial: request)


def joint_left_open(patch: Patch) -> None:
    """White space at which an answer was cut is in it twice."""
    patch(Joint, "take", lambda self, items: [*items])


def key_forgotten(patch: Patch) -> None:
    """A repeat with the same idempotency key makes another run."""
    right = MemoryRuns.create

    async def create(self: MemoryRuns, run: Run, idempotency: IdempotencyKey | None = None, **options: Any) -> Run:
        return await right(self, run, **options)

    async def find(self: MemoryRuns, idempotency: IdempotencyKey) -> Run | None:
        return None

    patch(MemoryRuns, "create", create)
    patch(MemoryRuns, "find", find)


def limit_forgotten(patch: Patch) -> None:
    """No timer is set for a run's limits."""
    patch(Runner, "_arm", lambda self, *rest, **options: None)


def watcher_left(patch: Patch) -> None:
    """A run that nobody reads any more is still watched."""
    patch(Feed, "close", lambda self: None)


def full_disk_forgiven(patch: Patch) -> None:
    """Records that a full disk refused are taken for durable."""

    def lose_group(self: MemoryStorage) -> None:
        self.full = True
        group, self._group = self._group, None
        if self._timer is not None:
            self._timer.cancel()
        if group is not None:
            for step in group.steps:
                if isinstance(step, _Change):
                    _settle(step)
            group.receipt.resolve()

    patch(MemoryStorage, "lose_group", lose_group)


MUTANTS = (
    Mutant("early acknowledgement", "I1", early_acknowledgement),
    Mutant("lost wake-up", "I2", lost_wake_up),
    Mutant("watched too late", "I2", watched_too_late),
    Mutant("double final record", "I3", double_final_record),
    Mutant("off-by-one cursor", "I2", off_by_one_cursor),
    Mutant("reader resumed one late", "I2", reader_resumed_one_late),
    Mutant("missing fence", "I5", missing_fence),
    Mutant("epoch not raised", "I5", epoch_not_raised),
    Mutant("cancel lost", "I10", cancel_lost),
    Mutant("cancel forgotten", "I10", cancel_forgotten),
    Mutant("coalescing across attempts", "I2", coalescing_across_attempts),
    Mutant("recording across attempts", "I4", recording_across_attempts),
    Mutant("partial dropped at the end", "I4", partial_dropped_at_the_end),
    Mutant("false complete", "I4", false_complete),
    Mutant("attempts spliced", "I4", attempts_spliced),
    Mutant("rest said twice", "I4", rest_said_twice),
    Mutant("lost answer made again", "I8", lost_answer_made_again),
    Mutant("beginning not shown", "I4", beginning_not_shown),
    Mutant("joint left open", "I4", joint_left_open),
    Mutant("key forgotten", "I8", key_forgotten),
    Mutant("limit forgotten", "I10", limit_forgotten),
    Mutant("watcher left", "I6", watcher_left),
    Mutant("full disk forgiven", "I3", full_disk_forgiven),
)
