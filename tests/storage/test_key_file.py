"""Keys are read and changed whether a server has the directory or not; none that is not there is waited for."""

from __future__ import annotations

import asyncio
import sqlite3
from pathlib import Path

import pytest

from headwater.admission.key_ring import KeyRing
from headwater.admission.key_watch import KeyWatch
from headwater.domain.api_key import ApiKey, new_api_key
from headwater.domain.run import LOCAL_OWNER
from headwater.errors import ConfigError, NotFoundError, UnavailableError
from headwater.storage.directory import DataDirectory
from headwater.storage.key_file import KeyFile
from headwater.storage.key_orders import KeyOrders
from headwater.storage.schema import FILE_NAME, KEYS_STEP, MIGRATIONS
from tests.kit.run_log import until
from tests.storage.engine import behind, engine


def a_key(name: str = "k") -> ApiKey:
    return new_api_key(name, LOCAL_OWNER, 5).key


async def test_without_a_server_it_is_done_here_and_the_next_server_finds_it(tmp_path: Path) -> None:
    data, key = tmp_path / "new" / "data", a_key()
    keys = KeyFile(data)
    assert keys.all() == ()
    keys.put(key)
    assert keys.all() == [key]
    keys.revoke(key.id, 6)
    async with engine(data) as storage:
        assert [(each.id, each.revoked_at_ms) for each in await storage.api_keys.all()] == [(key.id, 6)]
    assert data.stat().st_mode & 0o077 == 0


async def test_a_server_that_runs_does_it_and_only_it_writes(data_dir: Path) -> None:
    key = a_key()
    async with engine(data_dir) as storage:
        watch = KeyWatch(storage.api_keys, KeyOrders(data_dir), KeyRing(lambda: 0), look_s=0.01)
        going = asyncio.ensure_future(watch.run())
        keys = KeyFile(data_dir)
        await asyncio.to_thread(keys.put, key)
        assert await asyncio.to_thread(keys.all) == [key] == list(await storage.api_keys.all())
        await asyncio.to_thread(keys.revoke, key.id, 6)
        assert [each.revoked_at_ms for each in await storage.api_keys.all()] == [6]
        assert not KeyOrders(data_dir).waiting()
        going.cancel()


def test_who_does_not_answer_is_not_waited_for_and_finds_no_order_later(data_dir: Path) -> None:
    held = DataDirectory(data_dir, 0)
    held.hold()
    with pytest.raises(UnavailableError, match="did not take"):
        KeyFile(data_dir, answer_s=0.05).put(a_key())
    assert not KeyOrders(data_dir).waiting()
    held.let_go()


def test_who_gives_up_leaves_no_order_behind(data_dir: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    held, orders = DataDirectory(data_dir, 0), KeyOrders(data_dir)
    held.hold()
    left = list[int]()

    def interrupted(_: float) -> None:
        left.append(len(orders.waiting()))
        raise KeyboardInterrupt

    monkeypatch.setattr("time.sleep", interrupted)
    with pytest.raises(KeyboardInterrupt):
        KeyFile(data_dir).put(a_key())
    assert (left, orders.waiting()) == ([1], ())
    held.let_go()


async def test_a_server_that_ends_meanwhile_leaves_it_to_us(data_dir: Path) -> None:
    held, key = DataDirectory(data_dir, 0), a_key()
    held.hold()
    putting = asyncio.ensure_future(asyncio.to_thread(KeyFile(data_dir).put, key))
    orders = KeyOrders(data_dir)
    await until(lambda: bool(orders.waiting()))
    held.let_go()
    await putting
    assert KeyFile(data_dir).all() == [key]
    assert not orders.waiting()


def test_an_id_of_no_key_is_told(data_dir: Path) -> None:
    keys = KeyFile(data_dir)
    with pytest.raises(NotFoundError):
        keys.revoke("0" * 16, 1)
    keys.put(a_key())
    with pytest.raises(NotFoundError):
        keys.revoke("' OR ''='", 1)
    assert [key.revoked_at_ms for key in keys.all()] == [None]


def test_a_file_of_an_older_version_has_no_keys_until_one_is_made(data_dir: Path) -> None:
    db = sqlite3.connect(data_dir / FILE_NAME, isolation_level=None)
    for number, statements in enumerate(MIGRATIONS[: KEYS_STEP - 1], 1):
        for statement in statements:
            db.execute(statement)
        db.execute(f"PRAGMA user_version = {number}")
    db.execute("PRAGMA application_id = 0x48645774")
    db.close()
    keys, key = KeyFile(data_dir), a_key()
    assert keys.all() == ()
    keys.put(key)
    assert keys.all() == [key]


def test_what_is_no_database_or_is_locked_is_told_in_words(data_dir: Path) -> None:
    keys = KeyFile(data_dir)
    keys.put(a_key())
    locker = sqlite3.connect(data_dir / FILE_NAME, isolation_level=None)
    locker.execute("BEGIN IMMEDIATE")
    with pytest.raises(ConfigError, match="locked by another program"):
        keys.put(a_key())
    locker.close()
    behind(data_dir, lambda db: db.execute("PRAGMA user_version = 1000"))
    with pytest.raises(ConfigError, match="newer"):
        keys.put(a_key())
