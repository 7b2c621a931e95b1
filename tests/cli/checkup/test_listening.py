from __future__ import annotations

import socket
from collections.abc import Iterator
from pathlib import Path

import pytest

from headwater.cli.checkup.finding import Level
from headwater.cli.checkup.listening import Answer, ask_headwater, check_port
from tests.kit.product import Product, free_port
from tests.kit.run_log import in_thread
from tests.kit.upstream import Send, Status

HOST = "127.0.0.1"


@pytest.fixture
def taken() -> Iterator[int]:
    """A port where somebody listens and says nothing."""
    with socket.create_server((HOST, 0)) as server:
        yield server.getsockname()[1]


def level_of(port: int, answer: Answer | None = None) -> Level:
    (finding,) = check_port(HOST, port, lambda *_: answer)
    return finding.level


def test_a_free_port_is_good_and_stays_free() -> None:
    port = free_port()
    assert level_of(port) is level_of(port) is Level.OK
    assert level_of(0) is Level.OK


def test_a_headwater_that_is_ready_is_good(taken: int) -> None:
    assert level_of(taken, Answer("1.0", True, "")) is Level.OK


def test_one_that_is_not_says_why(taken: int) -> None:
    (finding,) = check_port(HOST, taken, lambda *_: Answer("1.0", False, "It drains."))
    assert finding.level is Level.WARNING
    assert finding.text.endswith("It drains.")


def test_another_program_is_a_problem(taken: int) -> None:
    assert level_of(taken) is Level.PROBLEM


@pytest.mark.parametrize("body", [b"<html>", b"[]", b'{"info": {"title": "Other"}}', b'{"info": 3}', b"\xff"])
def test_who_answers_something_else_is_no_headwater(body: bytes) -> None:
    with in_thread([Status(200, {"Content-Type": "application/json"}), Send(body)]) as upstream:
        port = int(upstream.origin.rpartition(":")[2])
        assert ask_headwater(HOST, port) is None


def test_who_is_not_there_is_none() -> None:
    assert ask_headwater(HOST, free_port()) is None


@pytest.mark.slow
async def test_a_real_server_is_known(tmp_path: Path) -> None:
    async with Product(tmp_path / "data") as product:
        answer = ask_headwater(HOST, product.port)
    assert answer is not None
    assert answer.ready
    assert answer.version
