"""Waiting for what was recorded, in a time of its own."""

import asyncio

import pytest

from headwater.providers.pace import Pace, Speed, is_speed
from tests.kit.virtual import run_virtual


@pytest.mark.parametrize("value", [0.01, 1, 4, 2.5, 1000, "instant"])
def test_speeds(value: object) -> None:
    assert is_speed(value)


@pytest.mark.parametrize("value", [0, -1, 0.009, 1001, float("inf"), float("nan"), True, "fast", None, [1]])
def test_what_is_no_speed(value: object) -> None:
    assert not is_speed(value)


def waited(speed: Speed, *due_ms: float, late_s: float = 0.0) -> list[float]:
    """When each wait was over, in ms since the beginning; `late_s` is lost before the second."""

    async def wait() -> list[float]:
        loop = asyncio.get_running_loop()
        began, pace, over = loop.time(), Pace(speed), []
        for number, at_ms in enumerate(due_ms):
            if number == 1:
                await asyncio.sleep(late_s)  # paces: the lateness that is asked for, in virtual time
            await pace.until(at_ms)
            over.append(round((loop.time() - began) * 1000, 6))
        return over

    return run_virtual(wait())


@pytest.mark.parametrize(("speed", "over"), [(1.0, [0, 100, 250]), (4.0, [0, 25, 62.5]), (0.5, [0, 200, 500])])
def test_a_speed_divides_the_time(speed: float, over: list[float]) -> None:
    assert waited(speed, 0, 100, 250) == over


def test_at_once_takes_no_time() -> None:
    assert waited("instant", 0, 100, 1e9) == [0, 0, 0]


def test_being_late_once_delays_nothing_after_it() -> None:
    assert waited(1.0, 0, 100, 250, late_s=0.2) == [0, 200, 250]


def test_a_time_before_the_beginning_is_over() -> None:
    assert waited(1.0, -50, 10) == [0, 10]


@pytest.mark.parametrize("speed", [1.0, "instant"])
async def test_others_have_their_turn_whatever_the_speed(speed: Speed) -> None:
    turns: list[int] = []
    asyncio.get_running_loop().call_soon(turns.append, 1)
    await Pace(speed).until(0)
    assert turns == [1]
