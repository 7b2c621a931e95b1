"""What was asked for while the server runs is done, once, and holds at once."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import NamedTuple

import pytest
from structlog.testing import capture_logs

from headwater.admission.key_ring import KeyRing
from headwater.admission.key_watch import KeyWatch
from headwater.domain.api_key import ApiKey, new_api_key
from headwater.domain.run import LOCAL_OWNER
from headwater.errors import AuthError, StorageError, StorageFull
from headwater.storage.key_orders import Create, KeyOrders, Placed, Revoke
from headwater.storage.memory import MemoryStorage
from tests.kit.run_log import until


class Begun(NamedTuple):
    """A watch that has begun, over one key."""

    storage: MemoryStorage
    orders: KeyOrders
    ring: KeyRing
    watch: KeyWatch
    key: ApiKey
    text: str


async def begun(tmp_path: Path, now_ms: Callable[[], int] = lambda: 0, *, lives_ms: int | None = None) -> Begun:
    storage, orders, ring = MemoryStorage(), KeyOrders(tmp_path), KeyRing(now_ms)
    await storage.open()
    key, text = new_api_key("first", LOCAL_OWNER, 0, lives_ms)
    await storage.api_keys.put(key)
    watch = KeyWatch(storage.api_keys, orders, ring, look_s=0.01)
    await watch.begin()
    return Begun(storage, orders, ring, watch, key, text)


async def test_orders_are_taken_in_turn_and_forgotten(tmp_path: Path) -> None:
    storage, orders, ring, watch, first, first_text = await begun(tmp_path)
    second, second_text = new_api_key("second", LOCAL_OWNER, 1)
    cut = list[str]()
    ring.enter(ring.find(first_text), lambda: cut.append("first"))
    for order in (Create(second), Revoke(first.id, 5), Create(second)):
        orders.leave(order)
    await watch.look()
    assert not orders.waiting()
    assert ring.find(second_text) == second
    with pytest.raises(AuthError):
        ring.find(first_text)
    assert cut == ["first"]
    assert [(key.name, key.revoked_at_ms) for key in await storage.api_keys.all()] == [("first", 5), ("second", None)]


async def test_an_order_that_was_left_before_the_start_is_taken(tmp_path: Path) -> None:
    storage, orders, ring = MemoryStorage(), KeyOrders(tmp_path), KeyRing(lambda: 0)
    await storage.open()
    key, text = new_api_key("first", LOCAL_OWNER, 0)
    orders.leave(Create(key))
    await KeyWatch(storage.api_keys, orders, ring).begin()
    assert ring.find(text) == key


async def test_many_orders_are_one_look_at_the_keys(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    storage, orders, ring, watch, key, text = await begun(tmp_path)
    all_keys, looks = storage.api_keys.all, list[int]()

    async def counted() -> Sequence[ApiKey]:
        looks.append(len(orders.waiting()))
        return await all_keys()

    monkeypatch.setattr(storage.api_keys, "all", counted)
    for number in range(5):
        orders.leave(Create(new_api_key(str(number), LOCAL_OWNER, 1).key))
    orders.leave(Revoke(key.id, 5))
    await watch.look()
    assert looks == [6]
    assert (ring.active, orders.waiting()) == (5, [])
    with pytest.raises(AuthError):
        ring.find(text)


async def test_a_revocation_holds_though_no_order_can_be_forgotten(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    _, orders, ring, watch, key, text = await begun(tmp_path)

    def forget(_: Path) -> None:
        raise PermissionError(1, "not yours")

    monkeypatch.setattr(orders, "forget", forget)
    for order in (Create(new_api_key("second", LOCAL_OWNER, 0).key), Revoke(key.id, 5)):
        orders.leave(order)
    with pytest.raises(PermissionError):
        await watch.look()
    with pytest.raises(AuthError):
        ring.find(text)


async def test_without_space_a_key_is_revoked_and_none_is_made_until_there_is(tmp_path: Path) -> None:
    storage, orders, ring, watch, key, text = await begun(tmp_path)
    storage.full = True
    orders.leave(Create(new_api_key("second", LOCAL_OWNER, 0).key))
    orders.leave(Revoke(key.id, 1))
    with pytest.raises(StorageFull):
        await watch.look()
    assert len(orders.waiting()) == 1
    with pytest.raises(AuthError):
        ring.find(text)
    going = asyncio.ensure_future(watch.run())
    await asyncio.sleep(0.05)  # paces: some looks fail, and the watch goes on
    assert len(orders.waiting()) == 1
    storage.full = False
    await until(lambda: ring.active == 1)
    going.cancel()


async def test_an_order_that_fails_for_an_unknown_reason_holds_nothing_up_and_is_told(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    storage, orders, ring, watch, key, text = await begun(tmp_path)
    raising: list[Exception] = [StorageFull(), ZeroDivisionError(), StorageFull()]
    for number, _ in enumerate(raising):
        orders.leave(Create(new_api_key(str(number), LOCAL_OWNER, 0).key))
    orders.leave(Revoke(key.id, 1))

    async def put(_: ApiKey) -> None:
        raise raising.pop()

    monkeypatch.setattr(storage.api_keys, "put", put)
    with pytest.raises(ZeroDivisionError):
        await watch.look()
    assert len(orders.waiting()) == 3
    with pytest.raises(AuthError):
        ring.find(text)


async def test_a_server_starts_though_an_order_can_not_be_taken(tmp_path: Path) -> None:
    storage, orders, ring = MemoryStorage(), KeyOrders(tmp_path), KeyRing(lambda: 0)
    await storage.open()
    (kept, kept_text), (revoked, revoked_text) = (new_api_key(name, LOCAL_OWNER, 0) for name in "ab")
    for key in (kept, revoked):
        await storage.api_keys.put(key)
    storage.full = True
    orders.leave(Create(new_api_key("c", LOCAL_OWNER, 0).key))
    orders.leave(Revoke(revoked.id, 1))
    with capture_logs() as said:
        await KeyWatch(storage.api_keys, orders, ring).begin()
    assert [line["log_level"] for line in said if "could not" in line["event"]] == ["warning"]
    assert len(orders.waiting()) == 1
    assert ring.find(kept_text) == kept
    with pytest.raises(AuthError):
        ring.find(revoked_text)


async def test_no_server_starts_without_its_keys(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    storage, orders = MemoryStorage(), KeyOrders(tmp_path)
    await storage.open()

    async def unreadable() -> Sequence[ApiKey]:
        raise StorageError("the database can not be read")

    monkeypatch.setattr(storage.api_keys, "all", unreadable)
    for _ in range(2):
        with pytest.raises(StorageError):
            await KeyWatch(storage.api_keys, orders, KeyRing(lambda: 0)).begin()
        orders.leave(Revoke("0" * 16, 1))


async def test_a_look_that_fails_is_not_the_last(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    storage, orders, ring = MemoryStorage(), KeyOrders(tmp_path), KeyRing(lambda: 0)
    await storage.open()
    key, text = new_api_key("first", LOCAL_OWNER, 0)
    watch = KeyWatch(storage.api_keys, orders, ring, look_s=0.01)
    await watch.begin()
    looks = list[str]()

    def broken(place: Path) -> None:
        looks.append("broken")
        raise PermissionError(1, "not yours")

    monkeypatch.setattr(orders, "forget", broken)
    orders.leave(Create(key))
    going = asyncio.ensure_future(watch.run())
    await until(lambda: len(looks) > 2)
    assert ring.find(text) == key
    monkeypatch.undo()
    await until(lambda: not orders.waiting())
    going.cancel()


async def test_who_is_over_is_cut_though_an_order_can_not_be_taken(tmp_path: Path) -> None:
    now_ms, cut = 0, list[str]()
    storage, orders, ring, watch, _, text = await begun(tmp_path, lambda: now_ms, lives_ms=10)
    ring.enter(ring.find(text), lambda: cut.append("first"))
    storage.full = True
    orders.leave(Create(new_api_key("second", LOCAL_OWNER, 0).key))
    now_ms = 10
    with pytest.raises(StorageFull):
        await watch.look()
    assert cut == ["first"]


async def test_keys_are_looked_at_though_every_thread_of_the_loop_hangs(tmp_path: Path) -> None:
    _, orders, ring, watch, key, text = await begun(tmp_path)
    loop, answered = asyncio.get_running_loop(), threading.Event()
    loop.set_default_executor(ThreadPoolExecutor(1))
    hanging = loop.run_in_executor(None, answered.wait)
    try:
        orders.leave(Revoke(key.id, 1))
        async with asyncio.timeout(20):
            await watch.look()
    finally:
        answered.set()
        await hanging
    with pytest.raises(AuthError):
        ring.find(text)
    watch.close()


async def test_who_is_over_is_cut_though_the_orders_can_not_be_listed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    now_ms, cut = 0, list[str]()
    _, orders, ring, watch, _, text = await begun(tmp_path, lambda: now_ms, lives_ms=10)
    ring.enter(ring.find(text), lambda: cut.append("first"))
    answered, waiting = threading.Event(), orders.waiting

    def hanging() -> Sequence[Placed]:
        answered.wait()
        return waiting()

    monkeypatch.setattr(orders, "waiting", hanging)
    now_ms = 10
    looking = asyncio.ensure_future(watch.look())
    try:
        async with asyncio.timeout(20):
            await until(lambda: bool(cut))
    finally:
        answered.set()
        await looking
    assert cut == ["first"]
    watch.close()


async def test_a_cut_that_fails_is_told_and_orders_are_taken_all_the_same(tmp_path: Path) -> None:
    storage, orders, ring = MemoryStorage(), KeyOrders(tmp_path), KeyRing(lambda: 0)
    await storage.open()
    key, _ = new_api_key("first", LOCAL_OWNER, 0)
    await storage.api_keys.put(key)
    watch = KeyWatch(storage.api_keys, orders, ring)
    await watch.begin()

    def broken() -> None:
        raise IndexError

    ring.enter(key, broken)
    ring.replace([])
    orders.leave(Create(new_api_key("second", LOCAL_OWNER, 0).key))
    with capture_logs() as said:
        await watch.look()
    assert [line["error"] for line in said if line["log_level"] == "error"] == ["IndexError"]
    assert not orders.waiting()
    watch.close()
