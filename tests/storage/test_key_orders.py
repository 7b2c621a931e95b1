"""An order is there whole or not at all, and whoever has no business there can neither read nor leave one."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
from structlog.testing import capture_logs

from headwater.domain.api_key import new_api_key
from headwater.domain.run import LOCAL_OWNER
from headwater.storage.key_orders import DIRECTORY_NAME, ORDER_BYTES_MAX, Create, KeyOrders, Order, Revoke


def test_orders_come_in_turn_and_are_gone_when_they_are_forgotten(data_dir: Path) -> None:
    orders = KeyOrders(data_dir)
    assert orders.waiting() == ()
    left: list[Order] = [Create(new_api_key("k", LOCAL_OWNER, 0, 5).key), Revoke("0" * 16, 7)]
    places = [orders.leave(order) for order in left]
    assert [placed.order for placed in orders.waiting()] == left
    assert [placed.place for placed in orders.waiting()] == places
    orders.forget(places[0])
    orders.forget(places[0])
    assert [placed.order for placed in orders.waiting()] == left[1:]


def test_an_order_is_its_owners_alone_and_has_no_secret_in_it(data_dir: Path) -> None:
    key, text = new_api_key("k", LOCAL_OWNER, 0)
    place = KeyOrders(data_dir).leave(Create(key))
    assert place.stat().st_mode & 0o077 == 0
    assert place.parent.stat().st_mode & 0o077 == 0
    assert text.rpartition("_")[2].encode() not in place.read_bytes()


def test_what_is_no_order_is_removed_and_one_that_is_being_written_is_left_alone(data_dir: Path) -> None:
    orders = KeyOrders(data_dir)
    right = orders.leave(Revoke("0" * 16, 7))
    directory = data_dir / DIRECTORY_NAME
    for name, content in (("0.json", b"{"), ("1.json", b'{"order":"rm"}'), ("2.json", b" " * (ORDER_BYTES_MAX + 1))):
        (directory / name).write_bytes(content)
    (directory / "3.part").write_bytes(b"{")
    assert [placed.place for placed in orders.waiting()] == [right]
    assert sorted(path.name for path in directory.iterdir()) == sorted(["3.part", right.name])


@pytest.mark.parametrize("at_ms", [b"-1", b"9223372036854775808", b"1" + b"0" * 30])
def test_a_time_that_no_database_holds_is_no_order(data_dir: Path, at_ms: bytes) -> None:
    orders = KeyOrders(data_dir)
    key = new_api_key("k", LOCAL_OWNER, 5).key
    kept: list[Order] = [Revoke("0" * 16, 5), Create(key)]
    places = [orders.leave(order) for order in kept]
    for place in places:
        place.write_bytes(place.read_bytes().replace(b'at_ms":5', b'at_ms":' + at_ms))
    right = orders.leave(kept[0])
    assert [placed.place for placed in orders.waiting()] == [right]
    assert list((data_dir / DIRECTORY_NAME).iterdir()) == [right]


def test_a_pipe_that_nobody_writes_to_is_no_order(data_dir: Path) -> None:
    orders = KeyOrders(data_dir)
    right = orders.leave(Revoke("0" * 16, 7))
    os.mkfifo(data_dir / DIRECTORY_NAME / "0.json")
    assert [placed.place for placed in orders.waiting()] == [right]


def test_a_pipe_that_somebody_has_open_is_no_order(data_dir: Path) -> None:
    orders = KeyOrders(data_dir)
    right = orders.leave(Revoke("0" * 16, 7))
    pipe = data_dir / DIRECTORY_NAME / "0.json"
    os.mkfifo(pipe)
    held = os.open(pipe, os.O_RDWR)
    assert [placed.place for placed in orders.waiting()] == [right]
    assert [*pipe.parent.iterdir()] == [right]
    os.close(held)


def test_one_that_can_not_be_read_waits_and_is_told_of_once(data_dir: Path) -> None:
    orders = KeyOrders(data_dir)
    orders.leave(Revoke("0" * 16, 7))
    (data_dir / DIRECTORY_NAME / "0.json").mkdir()
    with capture_logs() as said:
        assert [len(orders.waiting()) for _ in range(3)] == [1, 1, 1]
    assert len(said) == 1


def test_a_directory_that_can_not_be_read_holds_nothing_up(data_dir: Path) -> None:
    (data_dir / DIRECTORY_NAME).write_text("no directory")
    with capture_logs() as said:
        orders = KeyOrders(data_dir)
        assert [*orders.waiting(), *orders.waiting()] == []
    assert len(said) == 1


def test_what_is_withdrawn_leaves_nothing_behind(data_dir: Path) -> None:
    orders = KeyOrders(data_dir)
    first, second = (orders.leave(Revoke("0" * 16, 7)) for _ in range(2))
    orders.withdraw(first)
    assert [placed.place for placed in orders.waiting()] == [second]
    orders.withdraw(second)
    assert list(data_dir.iterdir()) == []
