"""The process that reads programs: there when it is needed, and another in its place when it is there no more."""

from __future__ import annotations

import asyncio
import os
import signal
import sys
from collections.abc import AsyncIterator

import psutil
import pytest

from headwater.workflows.arc import sandbox_counting
from headwater.workflows.arc.sandbox_counting import Counting
from headwater.workflows.arc.step_count import UncountableError
from tests.delivery.loops import OnLoop, on_loop
from tests.workflows.arc.sandboxes import gone

__all__ = ["on_loop"]

LOOP = "while x: pass"
COUNTED = "while  T and (x): pass"


@pytest.fixture
async def counting() -> AsyncIterator[Counting]:
    made = Counting()
    yield made
    await made.close()


def process_of(counting: Counting) -> psutil.Process:
    assert counting.pid is not None
    return psutil.Process(counting.pid)


async def test_one_process_counts_every_program(counting: Counting) -> None:
    assert counting.pid is None
    await counting.begin()
    process = process_of(counting)
    await counting.open()
    both = await asyncio.gather(*(counting.counted(f"{LOOP}  # {number}", "T") for number in range(20)))
    assert both == [f"{COUNTED}  # {number}" for number in range(20)]
    assert process_of(counting) == process


async def test_a_long_program_comes_back_whole(counting: Counting) -> None:
    tick = "(" + "T" * 60 + ")"
    text = await counting.counted("lambda:0;" * 1800, tick)
    assert text == f"lambda: {tick} and (0);" * 1800


async def test_what_is_no_program_is_refused(counting: Counting) -> None:
    with pytest.raises(UncountableError, match=r"invalid syntax \(line 1\)"):
        await counting.counted("for x in", "T")
    assert await counting.counted(LOOP, "T") == COUNTED


def test_one_that_died_while_it_had_nothing_to_do_is_replaced(on_loop: OnLoop) -> None:
    async def scene() -> None:
        counting = Counting()
        await counting.open()
        process = process_of(counting)
        process.kill()
        await gone(process)
        assert await counting.counted(LOOP, "T") == COUNTED
        assert process_of(counting) != process
        await counting.close()

    on_loop(scene())


async def test_a_program_that_its_reader_does_not_survive_is_refused(
    counting: Counting, monkeypatch: pytest.MonkeyPatch
) -> None:
    ends = "import os, sys; print('ready', flush=True); sys.stdin.readline(); os._exit(1)"
    monkeypatch.setattr(sandbox_counting, "_SERVE", ends)
    with pytest.raises(UncountableError, match="its reader ends"):
        await counting.counted(LOOP, "T")
    monkeypatch.undo()
    assert await counting.counted(LOOP, "T") == COUNTED


async def test_a_program_that_is_not_read_in_time_is_refused(counting: Counting) -> None:
    await counting.open()
    process = process_of(counting)
    process.send_signal(signal.SIGSTOP)
    counting.read_s = 0.05
    with pytest.raises(UncountableError, match="too long"):
        await counting.counted(LOOP, "T")
    await gone(process)
    counting.read_s = sandbox_counting.READ_S
    assert await counting.counted(LOOP, "T") == COUNTED


async def test_who_does_not_wait_for_it_leaves_no_answer_to_the_next(counting: Counting) -> None:
    await counting.open()
    process = process_of(counting)
    process.send_signal(signal.SIGSTOP)
    waits = asyncio.create_task(counting.counted("first = 1", "T"))
    next_one = asyncio.create_task(counting.counted(LOOP, "T"))
    while not process_waits(counting):  # noqa: ASYNC110  # no event for it
        await asyncio.sleep(0)  # paces: until the other task has its turn
    waits.cancel()
    with pytest.raises(asyncio.CancelledError):
        await waits
    assert await next_one == COUNTED
    await gone(process)


def process_waits(counting: Counting) -> bool:
    """Whether a program has its turn."""
    return counting._turn.locked()


@pytest.mark.parametrize("serve", ["import os; os._exit(77)", "print('other', flush=True); input()"])
async def test_without_a_process_there_is_an_os_error(
    counting: Counting, serve: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sandbox_counting, "_SERVE", serve)
    with pytest.raises(OSError, match="does not start"):
        await counting.counted(LOOP, "T")
    assert counting.pid is None
    monkeypatch.setattr(sys, "executable", "/nowhere/python")
    with pytest.raises(OSError, match="nowhere"):
        await counting.open()


async def test_it_has_nothing_of_the_servers(counting: Counting, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OPENAI_API_KEY", "sk-canary")
    await counting.begin()
    process = process_of(counting)
    # of another user's process even its environment is nobody's business
    told = {} if os.geteuid() == 0 and sys.platform != "linux" else process.environ()
    assert "OPENAI_API_KEY" not in told


async def test_closing_ends_it(counting: Counting) -> None:
    await counting.close()
    await counting.open()
    process = process_of(counting)
    await counting.close()
    await gone(process)
    assert await counting.counted(LOOP, "T") == COUNTED
