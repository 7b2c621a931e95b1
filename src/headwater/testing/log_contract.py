"""What every `EventLog` must pass; part of `headwater.testing.storage`."""

from __future__ import annotations

import asyncio
import random
from collections.abc import Iterator
from contextlib import contextmanager

from headwater.errors import Fenced, HeadwaterError, LogClosed, LogMissing, LogTrimmed, SeqConflict
from headwater.storage.contract import EventLog, LogState, Storage, wait

#: Readers that have not seen everything by then have missed a wake-up.
HANGS_AFTER_S = 30.0


@contextmanager
def refuses(kind: type[HeadwaterError]) -> Iterator[None]:
    """The block must raise this error; another one passes through."""
    try:
        yield
    except kind:
        return
    raise AssertionError(f"did not raise {kind.__name__}")


def records(first: int, last: int) -> list[bytes]:
    """Payloads that tell their own seq, with every byte value somewhere in them."""
    return [b"%d:" % seq + bytes([seq % 256, 0, 10, 13, 255]) * (seq % 7) for seq in range(first, last + 1)]


async def read_all(log: EventLog, run: str, after: int = 0, *, records_max: int = 1000) -> list[bytes]:
    """Every durable record after a seq, page by page; asserts that pages join without a gap."""
    found: list[bytes] = []
    while True:
        page = await log.read(run, after, records_max=records_max)
        assert page.after == after
        assert len(page.payloads) <= records_max
        if not page.payloads:
            assert after >= page.tail
            return found
        found += page.payloads
        after = page.last


class LogContract:
    """Tests of `EventLog`; each gets an open, empty engine as `storage`."""

    async def reopen(self, storage: Storage) -> Storage:
        """Closes the engine and opens another one on the same medium."""
        raise NotImplementedError

    async def test_a_new_log_is_empty(self, storage: Storage) -> None:
        assert await storage.log.claim("r", 1) == LogState(tail=0, closed=False, epoch=1, first=1)
        page = await storage.log.read("r", 0)
        assert (list(page.payloads), page.tail, page.closed, page.last, page.at_end) == ([], 0, False, 0, False)

    async def test_a_log_that_never_was_is_missing(self, storage: Storage) -> None:
        with refuses(LogMissing):
            await storage.log.state("none")
        with refuses(LogMissing):
            await storage.log.read("none", 0)
        with refuses(LogMissing):
            storage.log.append("none", 0, [b"x"], 1)
        assert storage.log.peek("none", 0) is None

    async def test_records_come_back_in_order_and_equal(self, storage: Storage) -> None:
        await storage.log.claim("r", 1)
        for first, last in ((1, 1), (2, 50), (51, 51), (52, 300)):
            await storage.log.append("r", first - 1, records(first, last), 1)
        assert await read_all(storage.log, "r") == records(1, 300)
        assert await read_all(storage.log, "r", 123, records_max=10) == records(124, 300)

    async def test_records_may_be_of_any_size(self, storage: Storage) -> None:
        await storage.log.claim("r", 1)
        payloads = [b"", b"\0", b"x" * 300_000, b"", b"y" * 5000]
        await storage.log.append("r", 0, payloads, 1)
        assert await read_all(storage.log, "r") == payloads
        storage = await self.reopen(storage)
        assert await read_all(storage.log, "r") == payloads
        await storage.close()

    async def test_nothing_is_visible_before_it_is_durable(self, storage: Storage) -> None:
        log = storage.log
        await log.claim("r", 1)
        seen: list[int] = []
        stop = log.watch("r", lambda: seen.append((log.peek("r", 0) or await_nothing()).tail))
        receipt = log.append("r", 0, records(1, 3), 1, final=True)
        assert not receipt.done
        assert seen == []
        page = log.peek("r", 0)
        assert page is None or (list(page.payloads), page.tail, page.closed) == ([], 0, False)
        await receipt
        stop()
        assert seen
        assert set(seen) == {3}
        assert (await log.state("r"))[:2] == (3, True)

    async def test_a_receipt_answers_for_all_before_it(self, storage: Storage) -> None:
        await storage.log.claim("r", 1)
        receipts = [storage.log.append("r", seq, records(seq + 1, seq + 1), 1) for seq in range(100)]
        await receipts[-1]
        assert all(receipt.done and receipt.error is None for receipt in receipts)
        assert (await storage.log.state("r")).tail == 100

    async def test_the_tail_has_to_be_known(self, storage: Storage) -> None:
        await storage.log.claim("r", 1)
        first = storage.log.append("r", 0, records(1, 2), 1)
        for wrong in (0, 1, 3, 1000):
            with refuses(SeqConflict):
                storage.log.append("r", wrong, [b"x"], 1)
        await first
        await storage.log.append("r", 2, records(3, 3), 1)
        assert await read_all(storage.log, "r") == records(1, 3)

    async def test_nothing_follows_the_final_record(self, storage: Storage) -> None:
        await storage.log.claim("r", 1)
        receipt = storage.log.append("r", 0, records(1, 2), 1, final=True)
        with refuses(LogClosed):
            storage.log.append("r", 2, [b"x"], 1)
        with refuses(LogClosed):
            storage.log.append("r", 2, [b"x"], 1, final=True)
        await receipt
        assert await storage.log.claim("r", 2) == LogState(2, True, 2, 1)
        with refuses(LogClosed):
            storage.log.append("r", 2, [b"x"], 2)
        page = await storage.log.read("r", 0)
        assert page.at_end
        assert list(page.payloads) == records(1, 2)

    async def test_a_claim_fences_the_older_epoch_at_once(self, storage: Storage) -> None:
        await storage.log.claim("r", 1)
        queued = storage.log.append("r", 0, records(1, 1), 1)
        claiming = asyncio.ensure_future(storage.log.claim("r", 2))
        await asyncio.sleep(0)
        with refuses(Fenced):
            storage.log.append("r", 1, [b"zombie"], 1)
        state = await claiming
        assert state.epoch == 2
        # What was queued is either in the state that the new owner got, or will never be.
        assert state.tail == (1 if queued.done and queued.error is None else 0)
        with refuses(Fenced):
            storage.log.append("r", state.tail, [b"zombie"], 1, final=True)
        await storage.log.append("r", state.tail, records(state.tail + 1, 2), 2)
        assert await read_all(storage.log, "r") == records(1, 2)

    async def test_an_epoch_is_claimed_once(self, storage: Storage) -> None:
        await storage.log.claim("r", 5)
        for epoch in (1, 4, 5):
            with refuses(Fenced):
                await storage.log.claim("r", epoch)
        with refuses(Fenced):
            storage.log.append("r", 0, [b"x"], 6)
        results = await asyncio.gather(*(storage.log.claim("r", 6) for _ in range(10)), return_exceptions=True)
        assert sum(isinstance(result, LogState) for result in results) == 1
        assert sum(isinstance(result, Fenced) for result in results) == 9

    async def test_epochs_and_ends_outlive_a_restart(self, storage: Storage) -> None:
        await storage.log.claim("open", 3)
        await storage.log.append("open", 0, records(1, 10), 3)
        await storage.log.claim("ended", 1)
        storage.log.append("ended", 0, records(1, 4), 1, final=True)  # closing sees it through
        storage = await self.reopen(storage)
        assert await storage.log.state("open") == LogState(10, False, 3, 1)
        assert await storage.log.state("ended") == LogState(4, True, 1, 1)
        with refuses(LogMissing):
            storage.log.append("open", 10, [b"x"], 3)
        with refuses(Fenced):
            await storage.log.claim("open", 3)
        assert (await storage.log.claim("open", 4)).tail == 10
        await storage.log.append("open", 10, records(11, 11), 4, final=True)
        assert await read_all(storage.log, "open") == records(1, 11)
        assert await read_all(storage.log, "ended") == records(1, 4)
        await storage.close()

    async def test_pages_keep_their_limits(self, storage: Storage) -> None:
        await storage.log.claim("r", 1)
        await storage.log.append("r", 0, [b"x" * 100] * 50, 1)
        for limits in ({"records_max": 7}, {"bytes_max": 799}):
            page = await storage.log.read("r", 10, **limits)
            assert len(page.payloads) == 7
            assert page.tail == 50
        assert len((await storage.log.read("r", 49, bytes_max=1)).payloads) == 1
        assert len((await storage.log.read("r", 0, bytes_max=1)).payloads) == 1
        assert list((await storage.log.read("r", 50)).payloads) == []
        ahead = await storage.log.read("r", 60)
        assert (list(ahead.payloads), ahead.tail) == ([], 50)

    async def test_what_is_trimmed_is_gone_and_seqs_stay(self, storage: Storage) -> None:
        await storage.log.claim("r", 1)
        await storage.log.append("r", 0, records(1, 100), 1)
        await storage.log.trim("r", 41)
        assert (await storage.log.state("r")).first == 41
        for after in (0, 39):
            with refuses(LogTrimmed):
                await storage.log.read("r", after)
            assert storage.log.peek("r", after) is None
        assert await read_all(storage.log, "r", 40) == records(41, 100)
        await storage.log.trim("r", 10)
        assert (await storage.log.state("r")).first == 41
        await storage.log.append("r", 100, records(101, 110), 1)
        await storage.log.trim("r", 10_000)
        assert await storage.log.state("r") == LogState(110, False, 1, 111)
        assert list((await storage.log.read("r", 110)).payloads) == []
        await storage.log.append("r", 110, records(111, 112), 1, final=True)
        storage = await self.reopen(storage)
        assert await storage.log.state("r") == LogState(112, True, 1, 111)
        assert await read_all(storage.log, "r", 110) == records(111, 112)
        with refuses(LogTrimmed):
            await storage.log.read("r", 109)
        with refuses(LogMissing):
            await storage.log.trim("none", 1)
        await storage.close()

    async def test_a_deleted_log_is_gone(self, storage: Storage) -> None:
        log = storage.log
        await log.claim("r", 1)
        await log.append("r", 0, records(1, 5), 1)
        woken: list[bool] = []
        stop = log.watch("r", lambda: woken.append(True))
        log.append("r", 5, records(6, 6), 1)
        deleting = asyncio.ensure_future(log.delete("r"))
        await asyncio.sleep(0)
        with refuses(LogMissing):
            log.append("r", 6, [b"x"], 1)
        await deleting
        assert woken
        stop()
        with refuses(LogMissing):
            await log.read("r", 0)
        await wait(log, "r", 0)
        await log.delete("r")
        assert await log.claim("r", 1) == LogState(0, False, 1, 1)
        await log.append("r", 0, [b"anew"], 1)
        assert await read_all(log, "r") == [b"anew"]

    async def test_no_wake_up_is_lost(self, storage: Storage) -> None:
        """Readers that register, read and wait in every order against a writer see everything exactly once."""
        log, total, chance = storage.log, 400, random.Random(7)
        await log.claim("r", 1)

        positions, progress = [0] * 8, asyncio.Event()

        async def reader(number: int) -> list[bytes]:
            dice, found = random.Random(number), list[bytes]()
            while True:
                page = await log.read("r", positions[number], records_max=dice.randint(1, 20))
                found += page.payloads
                positions[number] = page.last
                progress.set()
                if page.at_end:
                    return found
                if not page.payloads:
                    await wait(log, "r", page.last)
                for _ in range(dice.randint(0, 3)):
                    await asyncio.sleep(0)

        async def all_have(seq: int) -> None:
            while min(positions) < seq:
                progress.clear()
                await progress.wait()

        readers = [asyncio.ensure_future(reader(number)) for number in range(len(positions))]
        seq = 0
        while seq < total:
            count = min(chance.randint(1, 5), total - seq)
            receipt = log.append("r", seq, records(seq + 1, seq + count), 1, final=seq + count == total)
            seq += count
            if chance.random() < 0.2:
                # Nothing more comes until every reader has it: one wake-up that is lost is one too many.
                await receipt
                await asyncio.wait_for(all_have(seq), HANGS_AFTER_S)
            elif chance.random() < 0.5:
                await asyncio.sleep(0)
        for found in await asyncio.wait_for(asyncio.gather(*readers), HANGS_AFTER_S):
            assert found == records(1, total)

    async def test_cancelling_a_waiter_loses_nothing_and_leaves_nothing(self, storage: Storage) -> None:
        log = storage.log
        await log.claim("r", 1)
        waiters = [asyncio.ensure_future(wait(log, "r", 0)) for _ in range(20)]
        await asyncio.sleep(0)
        for waiter in waiters[:10]:
            waiter.cancel()
        receipt = log.append("r", 0, records(1, 2), 1)

        async def until_durable() -> None:
            await receipt

        impatient = asyncio.ensure_future(until_durable())
        await asyncio.sleep(0)
        impatient.cancel()
        await receipt
        results = await asyncio.gather(*waiters, impatient, return_exceptions=True)
        assert [isinstance(result, asyncio.CancelledError) for result in results[:20]] == [True] * 10 + [False] * 10
        assert await read_all(log, "r") == records(1, 2)
        assert getattr(log, "watcher_count", 0) == 0

    async def test_cancelling_a_claim_or_a_deletion_leaves_the_log_usable(self, storage: Storage) -> None:
        log = storage.log
        await log.claim("r", 1)
        claiming = asyncio.ensure_future(log.claim("r", 2))
        await asyncio.sleep(0)
        claiming.cancel()
        await asyncio.gather(claiming, return_exceptions=True)
        state = await log.claim("r", 3)
        await log.append("r", state.tail, records(1, 1), 3)
        assert await read_all(log, "r") == records(1, 1)

    async def test_a_watcher_that_stopped_is_not_called(self, storage: Storage) -> None:
        log = storage.log
        await log.claim("r", 1)
        calls: list[str] = []
        stop_a = log.watch("r", lambda: calls.append("a"))
        stop_b = log.watch("r", lambda: calls.append("b"))
        log.watch("other", lambda: calls.append("other"))
        await log.append("r", 0, [b"1"], 1)
        assert set(calls) == {"a", "b"}
        stop_a()
        stop_a()
        calls.clear()
        await log.append("r", 1, [b"2"], 1)
        stop_b()
        assert set(calls) == {"b"}

    async def test_many_runs_at_once_stay_apart(self, storage: Storage) -> None:
        log, runs, dice = storage.log, [f"r{n}" for n in range(20)], random.Random(3)
        await asyncio.gather(*(log.claim(run, 1) for run in runs))
        tails = dict.fromkeys(runs, 0)
        for _ in range(500):
            run = dice.choice(runs)
            count = dice.randint(1, 3)
            log.append(run, tails[run], [f"{run}:{tails[run] + n + 1}".encode() for n in range(count)], 1)
            tails[run] += count
            if dice.random() < 0.05:
                await asyncio.sleep(0.001)
        storage = await self.reopen(storage)
        for run in runs:
            expected = [f"{run}:{seq}".encode() for seq in range(1, tails[run] + 1)]
            assert await read_all(storage.log, run) == expected
        await storage.close()


def await_nothing() -> LogState:
    """A log whose record was just announced has to be in memory or on disk, and this one says nothing of it."""
    raise AssertionError("a watcher was called, but the newest records can not be peeked at")
