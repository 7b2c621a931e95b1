"""The kit for logs catches the mistakes that matter."""

from collections.abc import Callable, Sequence
from typing import Any

import pytest

from headwater.errors import Fenced, LogClosed, SeqConflict
from headwater.storage.contract import Commit, Haste, LogState, Page
from headwater.storage.memory import MemoryStorage
from tests.testing.mutants import is_caught


def early_acknowledgement(storage: MemoryStorage) -> None:
    """What was accepted is shown and acknowledged at once."""
    append = storage.log.append

    def hasty(
        run: str, after: int, payloads: Sequence[bytes], epoch: int, final: bool = False, haste: Haste = Haste.SOON
    ) -> Commit:
        append(run, after, payloads, epoch, final)
        storage._commit()
        receipt = Commit()
        receipt.resolve()
        return receipt

    storage.log.append = hasty  # type: ignore[method-assign]


def forgives(kind: type[Exception]) -> Callable[[MemoryStorage], None]:
    """An append that has to be refused is taken for one that did nothing."""

    def mutate(storage: MemoryStorage) -> None:
        append = storage.log.append

        def lenient(*args: Any, **kwargs: Any) -> Commit:
            try:
                return append(*args, **kwargs)
            except kind:
                receipt = Commit()
                receipt.resolve()
                return receipt

        storage.log.append = lenient  # type: ignore[method-assign]

    return mutate


def epoch_not_kept(storage: MemoryStorage) -> None:
    """A claim does not look at the epoch in force."""
    claim = storage.log.claim

    async def careless(run: str, epoch: int) -> LogState:
        try:
            return await claim(run, epoch)
        except Fenced:
            return await storage.log.state(run)

    storage.log.claim = careless  # type: ignore[method-assign]


def reads(change: Callable[[Page], Page]) -> Callable[[MemoryStorage], None]:
    def mutate(storage: MemoryStorage) -> None:
        read = storage.log.read

        async def wrong(run: str, after: int, *, records_max: int = 1000, bytes_max: int = 1 << 20) -> Page:
            return change(await read(run, after, records_max=records_max, bytes_max=bytes_max))

        storage.log.read = wrong  # type: ignore[method-assign]

    return mutate


def no_limits(storage: MemoryStorage) -> None:
    read = storage.log.read

    async def boundless(run: str, after: int, *, records_max: int = 1000, bytes_max: int = 1 << 20) -> Page:
        return await read(run, after)

    storage.log.read = boundless  # type: ignore[method-assign]


def never_stops_watching(storage: MemoryStorage) -> None:
    watch = storage.log.watch

    def sticky(run: str, wake: Callable[[], None]) -> Callable[[], None]:
        watch(run, wake)
        return lambda: None

    storage.log.watch = sticky  # type: ignore[method-assign]


def trims_nothing(storage: MemoryStorage) -> None:
    async def idle(run: str, first: int) -> None:
        return

    storage.log.trim = idle  # type: ignore[method-assign]


def deletes_nothing(storage: MemoryStorage) -> None:
    async def idle(run: str) -> None:
        return

    storage.log.delete = idle  # type: ignore[method-assign]


def one_late(page: Page) -> Page:
    return page._replace(payloads=page.payloads[1:])


def never_closed(page: Page) -> Page:
    return page._replace(closed=False)


def swapped(page: Page) -> Page:
    return page._replace(payloads=list(page.payloads)[::-1])


@pytest.mark.parametrize(
    ("test", "mutant"),
    [
        ("test_nothing_is_visible_before_it_is_durable", early_acknowledgement),
        ("test_the_tail_has_to_be_known", forgives(SeqConflict)),
        ("test_nothing_follows_the_final_record", forgives(LogClosed)),
        ("test_a_claim_fences_the_older_epoch_at_once", forgives(Fenced)),
        ("test_an_epoch_is_claimed_once", epoch_not_kept),
        ("test_epochs_and_ends_outlive_a_restart", epoch_not_kept),
        ("test_records_come_back_in_order_and_equal", reads(one_late)),
        ("test_records_come_back_in_order_and_equal", reads(swapped)),
        ("test_nothing_follows_the_final_record", reads(never_closed)),
        ("test_pages_keep_their_limits", no_limits),
        ("test_cancelling_a_waiter_loses_nothing_and_leaves_nothing", never_stops_watching),
        ("test_a_watcher_that_stopped_is_not_called", never_stops_watching),
        ("test_what_is_trimmed_is_gone_and_seqs_stay", trims_nothing),
        ("test_a_deleted_log_is_gone", deletes_nothing),
    ],
)
async def test_a_mutant_is_caught(test: str, mutant: Callable[[MemoryStorage], None]) -> None:
    assert await is_caught(test, mutant)


async def test_a_lost_wake_up_is_caught(monkeypatch: pytest.MonkeyPatch) -> None:
    """Every third wake-up is lost; readers that wait for it would wait for ever, which the kit bounds."""

    def forgetful(storage: MemoryStorage) -> None:
        wake, calls = storage.log.wake, iter(range(10**9))
        storage.log.wake = lambda run: None if next(calls) % 3 == 2 else wake(run)  # type: ignore[method-assign]

    monkeypatch.setattr("headwater.testing.log_contract.HANGS_AFTER_S", 0.5)
    assert await is_caught("test_no_wake_up_is_lost", forgetful)
