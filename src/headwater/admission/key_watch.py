"""Keeps the ring true: takes what `headwater keys` asked for, and cuts off those whose key is over."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from pathlib import Path
from typing import Final, TypeVar

import structlog

from headwater.admission.key_ring import KeyRing
from headwater.errors import StorageError
from headwater.storage.contract import ApiKeys
from headwater.storage.key_orders import Create, KeyOrders, Order
from headwater.telemetry import frames

#: How often is looked, in seconds. A revocation holds after this and a commit.
LOOK_S: Final = 1.0

T = TypeVar("T")

_log = structlog.get_logger(__name__)


class KeyWatch:
    """Every change of a key comes through here while the server runs, so the ring is never older than the last look."""

    def __init__(self, store: ApiKeys, orders: KeyOrders, ring: KeyRing, *, look_s: float = LOOK_S) -> None:
        self._store = store
        self._orders = orders
        self._ring = ring
        self._look_s = look_s
        # The loop's own threads may all be looking up names that nobody answers for.
        self._thread = ThreadPoolExecutor(1, thread_name_prefix="headwater-keys")

    async def begin(self) -> None:
        """Reads the keys in. Raises `StorageError` where they can not be read; orders that can not be taken wait."""
        await self._attempt(self._take_orders)
        self._ring.replace(await self._store.all())

    async def run(self) -> None:
        """For as long as the server runs."""
        while True:
            await asyncio.sleep(self._look_s)
            await self._attempt(self.look)

    def close(self) -> None:
        """After the end of `run`. A listing that hangs is not waited for."""
        self._thread.shutdown(wait=False, cancel_futures=True)

    async def look(self) -> None:
        """Raises what the first order raised that could not be taken, once the others are."""
        # Whose key has expired waits for no order.
        self._cut_off()
        try:
            await self._take_orders()
        finally:
            self._cut_off()

    async def _attempt(self, step: Callable[[], Awaitable[None]]) -> None:
        try:
            await step()
        except StorageError as error:
            # The order stays where it is, and is taken once it can be.
            _log.warning("a key could not be changed", error=error.code)
        except Exception as error:
            # Whatever it was, later revocations have to hold.
            _log.error("keys were not looked at", error=type(error).__name__, where=frames(error))

    async def _in_thread(self, work: Callable[[], T]) -> T:
        return await asyncio.get_running_loop().run_in_executor(self._thread, work)

    def _cut_off(self) -> None:
        try:
            if cut := self._ring.cut_off():
                _log.info("readers cut: their key is over", readers=cut)
        except ExceptionGroup as group:
            for error in group.exceptions:
                _log.error("a reader could not be cut", error=type(error).__name__, where=frames(error))

    async def _take_orders(self) -> None:
        """Each is forgotten once it is durable and holds; taking one twice changes nothing."""
        taken, raised = list[Path](), list[Exception]()
        for place, order in await self._in_thread(self._orders.waiting):
            try:
                await self._take(order)
                taken.append(place)
            except Exception as error:
                # A key that can not be made on a full disk holds up no revocation.
                raised.append(error)
        if taken:
            # Once for all of them: many keys take a while to read, and a revocation may be the last order.
            self._ring.replace(await self._store.all())
        for place in taken:
            try:
                await self._in_thread(partial(self._orders.forget, place))
            except OSError as error:
                raised.append(error)
        if raised:
            # What a full disk explains comes last: it may be there at every look, and would hide the other.
            raise min(raised, key=lambda error: isinstance(error, StorageError))

    async def _take(self, order: Order) -> None:
        match order:
            case Create():
                await self._store.put(order.key)
                _log.info("key created", key=order.key.id)
            case _:
                await self._store.revoke(order.id, order.at_ms)
                _log.info("key revoked", key=order.id)
