"""Who comes next: each in turn, and no place is ever lost or had twice, whoever goes in the middle."""

from __future__ import annotations

import asyncio
import random
from contextlib import suppress

import pytest

from headwater.workflows.arc.turns import Turns


class Board:
    """Notes who had a place, and how many at once."""

    def __init__(self, places: int) -> None:
        self.turns = Turns(places)
        self.had: list[str] = []
        self.at_once = 0
        self.most = 0

    async def visit(self, of: str, until: asyncio.Event | None = None) -> None:
        async with self.turns.turn(of):
            self.had.append(of)
            self.at_once += 1
            self.most = max(self.most, self.at_once)
            try:
                if until is None:
                    await asyncio.sleep(0)  # paces: the turn in which another could come in
                else:
                    await until.wait()
            finally:
                self.at_once -= 1


async def settle() -> None:
    for _ in range(10):
        await asyncio.sleep(0)  # paces: turns of the loop in which everybody comes to wait


async def test_one_who_wants_much_does_not_keep_the_others_waiting() -> None:
    board, over = Board(1), asyncio.Event()
    visits = [asyncio.create_task(board.visit("a", over))]
    await settle()
    visits += [asyncio.create_task(board.visit(of)) for of in ["a"] * 5 + ["b", "b", "c"]]
    await settle()
    over.set()
    await asyncio.gather(*visits)
    assert "".join(board.had) == "aabcabaaa"


async def test_with_nobody_else_there_one_has_all_places() -> None:
    board = Board(2)
    await asyncio.gather(*(board.visit("a") for _ in range(6)))
    assert board.most == 2
    assert board.had == ["a"] * 6


async def test_a_place_is_given_back_by_a_block_that_fails() -> None:
    turns = Turns(1)
    with pytest.raises(ValueError, match="failed"):
        async with turns.turn("a"):
            raise ValueError("failed")
    async with asyncio.timeout(10), turns.turn("b"):
        pass


async def test_one_that_is_cancelled_when_its_turn_comes_passes_it_on() -> None:
    board = Board(1)
    async with board.turns.turn("a"):
        second, third = (asyncio.create_task(board.visit(of)) for of in "bc")
        await settle()
    # now it is the second's turn, which has not heard of it yet
    second.cancel()
    async with asyncio.timeout(10):
        await third
    with pytest.raises(asyncio.CancelledError):
        await second
    assert board.had == ["c"]


@pytest.mark.parametrize("seed", range(20))
async def test_whoever_goes_no_place_is_lost(seed: int) -> None:
    rng, board = random.Random(seed), Board(2)
    visits = [asyncio.create_task(board.visit(rng.choice("abc"))) for _ in range(40)]
    while any(not visit.done() for visit in visits):
        if rng.random() < 0.5:
            rng.choice(visits).cancel()
        await asyncio.sleep(0)  # paces: one step of the loop between two departures
    for visit in visits:
        with suppress(asyncio.CancelledError):
            await visit
    board.most = 0
    async with asyncio.timeout(10):
        await asyncio.gather(*(board.visit("d") for _ in range(4)))
    assert board.most == 2
