"""Programs that a model wrote, against everything that they may try."""

from __future__ import annotations

import asyncio
import os
import re
import sys
from collections.abc import AsyncIterator
from pathlib import Path

import psutil
import pytest
from hypothesis import given
from hypothesis import strategies as st

from headwater.errors import UnavailableError
from headwater.workflows.arc import sandbox_launcher, sandbox_worker
from headwater.workflows.arc.sandbox import ERROR_CHARS_MAX, Limits, Outcome, Sandbox, read_grid
from headwater.workflows.arc.sandbox_launcher import launcher
from headwater.workflows.arc.task import is_grid
from tests.workflows.arc.odd_programs import BODIES
from tests.workflows.arc.sandboxes import GRID, body, gone, only, the_worker, workers

# Of time and memory: what is said of steps has its own.
LIMITS = Limits(call_s=0.2, program_s=2.0, steps=10**9, memory_bytes=32 << 20)


@pytest.fixture
async def sandbox() -> AsyncIterator[Sandbox]:
    for left in workers():
        await gone(left)
    made = Sandbox(LIMITS, processes=1)
    yield made
    await made.close()


# ── what programs are for ───────────────────────────────────────────────────────────────────────


async def test_a_program_answers_each_grid(sandbox: Sandbox) -> None:
    outcomes = await sandbox.run(body("return [row[::-1] for row in grid]"), [GRID, [[5]], [[1, 0, 0]]])
    assert outcomes == [Outcome([[2, 1], [4, 3]]), Outcome([[5]]), Outcome([[0, 0, 1]])]


async def test_the_largest_grid_goes_in_and_comes_out(sandbox: Sandbox) -> None:
    large = [[(row * column) % 10 for column in range(30)] for row in range(30)]
    assert await sandbox.run(body("return [list(row) for row in zip(*grid)]"), [large]) == [
        Outcome([list(row) for row in zip(*large, strict=True)])
    ]


@pytest.mark.parametrize(
    "lines",
    [
        "import math\nreturn [[math.gcd(cell, 9) for cell in row] for row in grid] and [[4, 3], [2, 1]]",
        "from collections import Counter, deque\nqueue = deque([4, 3])\nreturn [list(queue), [2, 1]]",
        "import copy\nmine = copy.deepcopy(grid)\nreturn [row[::-1] for row in mine[::-1]]",
        "return tuple(tuple(reversed(row)) for row in reversed(grid))",
        "return list(map(list, [[4, 3], [2, 1]]))",
    ],
)
async def test_what_models_like_to_use_is_there(sandbox: Sandbox, lines: str) -> None:
    assert await only(sandbox, body(lines)) == Outcome([[4, 3], [2, 1]])


async def test_a_program_may_do_without_what_it_looks_for(sandbox: Sandbox) -> None:
    lines = "try:\n    import numpy\nexcept ImportError:\n    return grid\nreturn [[0]]"
    assert await sandbox.run(body(lines), [GRID] * 10) == [Outcome(GRID)] * 10


async def test_each_grid_is_told_why_it_failed(sandbox: Sandbox) -> None:
    outcomes = await sandbox.run(body("import numpy"), [GRID] * 10)
    assert {each.error for each in outcomes} == {"ModuleNotFoundError: No module named 'numpy'"}


async def test_a_program_does_not_look_for_ever(sandbox: Sandbox) -> None:
    lines = "while True:\n    try:\n        outside\n    except BaseException:\n        pass"
    assert (await only(sandbox, body(lines))).grid is None
    assert await only(sandbox, body("return grid")) == Outcome(GRID)


async def test_what_is_done_to_a_grid_is_done_to_a_copy(sandbox: Sandbox) -> None:
    mine = [[1, 2], [3, 4]]
    outcomes = await sandbox.run(body("grid[0][0] += 1\nreturn grid"), [mine, mine])
    assert outcomes == [Outcome([[2, 2], [3, 4]])] * 2
    assert mine == [[1, 2], [3, 4]]


async def test_a_program_knows_nothing_of_the_one_before(sandbox: Sandbox) -> None:
    await sandbox.run("secret = 7\n" + body("return [[secret]]"), [GRID])
    process = await the_worker()
    assert (await only(sandbox, body("return [[secret]]"))).error == "NameError: name 'secret' is not defined"
    assert await the_worker() == process


async def test_what_is_printed_is_seen_by_nobody(sandbox: Sandbox, capfd: pytest.CaptureFixture[str]) -> None:
    source = "import sys\nprint('a', file=sys.stderr)\n" + body("print('b')\nreturn grid")
    assert await only(sandbox, source) == Outcome(GRID)
    assert capfd.readouterr() == ("", "")


async def test_chance_is_the_same_each_time(sandbox: Sandbox) -> None:
    source = "import random\n" + body("return [[random.randint(0, 9) for _ in range(20)]]")
    one, two = await only(sandbox, source), await only(sandbox, source)
    assert one.grid is not None
    assert one == two


# ── what is wrong with a program ────────────────────────────────────────────────────────────────


@pytest.mark.parametrize(
    ("source", "error"),
    [
        ("x = 1", "NameError: name 'transform' is not defined"),
        ("transform = 3", "TypeError"),
        ("def transform(grid) return grid", "SyntaxError"),
        ("def transform(): return [[1]]", "TypeError"),
        (body("return grid[7]"), "IndexError"),
        (body("raise ValueError('no \\ud800 idea')"), ""),
        (body("import sys\nsys.exit(1)"), ""),
        (body("return None"), "TypeError"),
        (body("return 5"), "TypeError"),
        (body("return '12'"), "a value of type str"),
        (body("return {(1, 2): 3}"), "a value of type dict"),
        (body("return []"), "no grid"),
        (body("return [[]]"), "no grid"),
        (body("return [[1, 2], [3]]"), "no grid"),
        (body("return [[1, 10]]"), "no grid"),
        (body("return [[-1]]"), "no grid"),
        (body("return [[True]]"), "no grid"),
        (body("return [[1.0]]"), "no grid"),
        (body("return ['12', '34']"), "no grid"),
        (body("return [[None]]"), "no grid"),
        (body("return [[[1]]]"), "no grid"),
        (body("return [[0] * 31]"), "no grid"),
        (body("return [[0]] * 31"), "no grid"),
        (body("return [1, 2]"), "TypeError"),
        (body("return [[0] * 100] * 100"), "no grid"),
        ("class Cell:\n    def __repr__(self): return '1 1\\n1'\n" + body("return [[Cell(), 1], [2]]"), ""),
        ("type = lambda value: 5\n" + body("return grid"), "AttributeError"),
        ("def transform(grid):\n    return grid\n\\", ""),
        ("def transform(grid):\n    return '''", "SyntaxError"),
    ],
)
async def test_a_faulty_program_is_told_of_and_nothing_else(sandbox: Sandbox, source: str, error: str) -> None:
    outcome = await only(sandbox, source)
    assert error in outcome.error
    assert len(outcome.error) <= ERROR_CHARS_MAX + 100
    assert outcome.grid is None or is_grid(outcome.grid)
    assert (outcome.grid is None) == bool(outcome.error)
    assert await only(sandbox, body("return grid")) == Outcome(GRID)


@pytest.mark.parametrize(
    "source",
    [
        body("return grid").replace("\n", "\0"),
        body("return '\ud800'"),
        "#" * LIMITS.source_bytes,
        "é" * LIMITS.source_bytes,
        "",
        "(" * 5000,
        "x = " + "-" * 9000 + "1",
        "x = " + "[" * 3000 + "]" * 3000,
    ],
    ids=["nul", "surrogate", "long", "long_bytes", "empty", "open", "deep", "nested"],
)
async def test_a_text_that_is_no_program_is_refused(sandbox: Sandbox, source: str) -> None:
    assert (await only(sandbox, source)).grid is None
    assert await only(sandbox, body("return grid")) == Outcome(GRID)


# ── what a program must not get at ──────────────────────────────────────────────────────────────

ATTEMPTS = {
    "open": "return [[len(open('/etc/passwd').read())]]",
    "write": "open('written', 'w').write('x')\nreturn [[1]]",
    "path": "from pathlib import Path\nPath('/etc/passwd').read_text()\nreturn [[1]]",
    "listing": "import os\nos.listdir('/')\nreturn [[1]]",
    "environ": "import os\nos.environ['PATH']\nreturn [[1]]",
    "getenv": "import os\nos.getenv('PATH')\nreturn [[1]]",
    "urandom": "import os\nos.urandom(8)\nreturn [[1]]",
    "system": "import os\nos.system('true')\nreturn [[1]]",
    "fork": "import os\nos.fork()\nreturn [[1]]",
    "kill": "import os\nos.kill(1, 9)\nreturn [[1]]",
    "socket": "import socket\nreturn [[1]]",
    "urllib": "import urllib.request\nreturn [[1]]",
    "http": "import http.client\nreturn [[1]]",
    "subprocess": "import subprocess\nreturn [[1]]",
    "ctypes": "import ctypes\nreturn [[1]]",
    "importlib": "import importlib\nreturn [[1]]",
    "numpy": "import numpy\nreturn [[1]]",
    "pydantic_monty": "import pydantic_monty\nreturn [[1]]",
    "import_function": "__import__('os').system('true')\nreturn [[1]]",
    "builtins": "import builtins\nbuiltins.open('/etc/passwd')\nreturn [[1]]",
    "classes": "().__class__.__bases__[0].__subclasses__()\nreturn [[1]]",
    "globals": "transform.__globals__['__builtins__']\nreturn [[1]]",
    "eval": "eval('open(\"/etc/passwd\")')\nreturn [[1]]",
    "host": "host_function(1)\nreturn [[1]]",
}


@pytest.mark.parametrize("lines", ATTEMPTS.values(), ids=ATTEMPTS)
async def test_there_is_nothing_outside(sandbox: Sandbox, lines: str) -> None:
    outcome = await only(sandbox, body(lines))
    assert outcome.grid is None
    assert outcome.error


async def test_sleep_returns_at_once(sandbox: Sandbox) -> None:
    lines = "import time\ntime.sleep(3600)\nreturn grid"
    assert await only(sandbox, body(lines)) == Outcome(GRID)


BOMBS = {
    "loop": "while True: pass",
    "loop_that_catches": "while True:\n    try:\n        while True: pass\n    except BaseException: pass",
    "long_loop_inside": "sum(range(10**15))",
    "memory": "hold = []\nwhile True: hold.append([0] * 100000)",
    "memory_at_once": "[0] * 10**10",
    "text": "'a' * 10**10",
    "text_by_steps": "text = 'a'\nwhile True: text += text",
    "power": "return [[10 ** 10 ** 9]]",
    "power_by_steps": "number = 9\nwhile True: number = number * number",
    "shift": "1 << 10**11",
    "recursion": "return transform(grid)",
    "long_message": "raise ValueError('x' * 10**8)",
    "doubled_message": "text = 'x'\nwhile True: text = f'{text}{text}'",
    "printing": "while True: print('x' * 1000)",
    "text_of_doubled_lists": "nest = [0]\nfor _ in range(60): nest = [nest, nest]\nreturn repr(nest)",
    "doubled_lists": "nest = [0]\nfor _ in range(60): nest = [nest, nest]\nreturn [nest]",
    "endless_rows": "import itertools\nreturn itertools.count()",
    "generator": "return ([0] for _ in iter(int, 1))",
}


@pytest.mark.slow
@pytest.mark.parametrize("lines", BOMBS.values(), ids=BOMBS)
async def test_a_bomb_hits_a_limit_and_the_next_program_runs(sandbox: Sandbox, lines: str) -> None:
    outcome = await only(sandbox, body(lines))
    assert outcome.grid is None
    assert outcome.error
    assert len(outcome.error) <= ERROR_CHARS_MAX + 100
    assert await only(sandbox, body("return grid")) == Outcome(GRID)


@pytest.mark.slow
async def test_the_oddest_programs_come_to_a_grid_or_to_a_sentence() -> None:
    sandbox = Sandbox(LIMITS._replace(program_s=1.0), processes=1)
    for lines in BODIES:
        outcome = await only(sandbox, body(lines))
        assert (outcome.grid is None) == bool(outcome.error), lines
        assert outcome.grid is None or is_grid(outcome.grid), lines
        assert len(outcome.error) <= ERROR_CHARS_MAX + 100, lines
    assert await only(sandbox, body("return grid")) == Outcome(GRID)
    await sandbox.close()


async def test_the_last_value_of_a_program_stays_where_it_is(sandbox: Sandbox) -> None:
    """Each of its lists holds the one before twice: sent as a value it would fill the server's memory."""
    nest = "nest = [0]\nfor _ in range(60): nest = [nest, nest]\n"
    assert await only(sandbox, body("return grid") + nest + "nest") == Outcome(GRID)


@pytest.mark.parametrize("lines", [BOMBS["loop"], BOMBS["memory"], BOMBS["recursion"]])
async def test_a_process_that_hit_a_limit_is_thrown_away(sandbox: Sandbox, lines: str) -> None:
    assert await only(sandbox, body("return grid")) == Outcome(GRID)
    process = await the_worker()
    outcomes = await sandbox.run(body(lines), [GRID, GRID])
    assert "Error" in outcomes[0].error
    assert outcomes[1].error == "Not run: the program had hit a limit before."
    await gone(process)
    assert await only(sandbox, body("return grid")) == Outcome(GRID)
    assert (await the_worker()).pid != process.pid


async def test_all_grids_together_have_a_limit() -> None:
    sandbox = Sandbox(LIMITS._replace(program_s=0.0), processes=1)
    outcomes = await sandbox.run(body("return grid"), [GRID, GRID])
    assert [each.grid for each in outcomes] == [None, None]
    assert outcomes[0].error == "TimeoutError: more than 0 s for all grids"
    await sandbox.close()


async def test_other_work_goes_on_meanwhile(sandbox: Sandbox) -> None:
    """The loop turns while a program has all of its time."""
    turned = asyncio.Event()
    running = asyncio.create_task(only(sandbox, body(BOMBS["loop"])))
    asyncio.get_running_loop().call_later(0.01, turned.set)
    await turned.wait()
    assert not running.done()
    assert "TimeoutError" in (await running).error


async def test_a_program_is_stopped_with_whoever_waits_for_it() -> None:
    sandbox = Sandbox(Limits(call_s=600, program_s=600, steps=10**12), processes=1)
    assert await only(sandbox, body("return grid")) == Outcome(GRID)
    process = await the_worker()
    running = asyncio.create_task(only(sandbox, body("while True: pass")))
    async with asyncio.timeout(10):
        before = process.cpu_times().user
        while process.cpu_times().user == before:  # noqa: ASYNC110  # no event for it
            await asyncio.sleep(0.01)  # paces: until the program is seen to run, in another process
    running.cancel()
    with pytest.raises(asyncio.CancelledError):
        await running
    await gone(process)
    assert await only(sandbox, body("return grid")) == Outcome(GRID)
    await sandbox.close()


async def test_programs_wait_for_a_process(sandbox: Sandbox) -> None:
    outcomes = await asyncio.gather(*(only(sandbox, body(f"return [[{number}]]")) for number in range(8)))
    assert outcomes == [Outcome([[number]]) for number in range(8)]
    assert len(workers()) == 1


async def test_owners_take_turns(sandbox: Sandbox) -> None:
    """Who brings many programs does not keep another's waiting for all of them."""
    had: list[str] = []

    async def tried(owner: str) -> None:
        assert await sandbox.run(body("return grid"), [GRID], owner) == [Outcome(GRID)]
        had.append(owner)

    await asyncio.gather(*(tried("many") for _ in range(6)), tried("one"))
    assert had.index("one") == 2


# ── the process ─────────────────────────────────────────────────────────────────────────────────


@pytest.mark.skipif(sys.platform != "linux", reason="what a process is allowed is looked up in /proc")
async def test_the_process_has_nothing_and_may_do_nothing(sandbox: Sandbox, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OPENAI_API_KEY", "sk-canary")
    await only(sandbox, body("return grid"))
    process = await the_worker()
    of_process = Path(f"/proc/{process.pid}")
    status = dict(line.split(":\t", 1) for line in (of_process / "status").read_text().splitlines() if ":\t" in line)
    assert status["NoNewPrivs"] == "1"
    assert int(status["CapEff"], 16) == int(status["CapPrm"], 16) == 0
    assert process.uids().effective != 0
    limits = (of_process / "limits").read_text()
    assert re.search(r"Max file size +0 +0 ", limits)
    assert re.search(r"Max core file size +0 +0 ", limits)
    if os.geteuid() != 0:
        # of another user's process even its environment is nobody's business
        assert process.environ() == {}


async def test_nothing_is_run_where_the_process_can_not_be_confined(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    unable = tmp_path / "unable.py"
    unable.write_text("import os\nos._exit(77)\n")
    monkeypatch.setattr(sandbox_worker, "__file__", str(unable))
    sandbox = Sandbox(LIMITS, processes=1)
    with pytest.raises(UnavailableError, match="no sandbox"):
        await sandbox.run(body("return grid"), [GRID])
    await sandbox.close()


async def test_nothing_is_run_without_the_interpreter(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sandbox_launcher, "_DISTRIBUTION", "no-such-distribution")
    sandbox = Sandbox(LIMITS, processes=1)
    with pytest.raises(UnavailableError, match="no sandbox"):
        await sandbox.open()
    with pytest.raises(UnavailableError, match="no sandbox"):
        await sandbox.run(body("return grid"), [GRID])
    monkeypatch.undo()
    assert await only(sandbox, body("return grid")) == Outcome(GRID)
    await sandbox.close()


async def test_more_processes_are_started_where_the_first_has_lost_its_file(sandbox: Sandbox) -> None:
    assert await only(sandbox, body("return grid")) == Outcome(GRID)
    launcher().unlink()
    assert "TimeoutError" in (await only(sandbox, body(BOMBS["loop"]))).error
    assert await only(sandbox, body("return grid")) == Outcome(GRID)


#: A server that begins a program which its interpreter does not stop by itself.
SERVER = """
import asyncio
from headwater.workflows.arc.sandbox import Limits, Sandbox
limits = Limits(call_s=600, program_s=600, steps=10**12)
asyncio.run(Sandbox(limits, processes=1).run("def transform(grid):\\n    while True: pass", [[[1]]]))
"""


@pytest.mark.skipif(sys.platform != "linux", reason="elsewhere the kernel ends it later, by the work it has done")
async def test_a_killed_server_leaves_no_program_behind() -> None:
    started = await asyncio.create_subprocess_exec(sys.executable, "-c", SERVER)
    server = psutil.Process(started.pid)
    try:
        async with asyncio.timeout(20):
            while not (running := [each for each in server.children() if runs_a_program(each)]):  # noqa: ASYNC110
                await asyncio.sleep(0.01)  # paces: a program begins in another process, which tells nobody
        left = server.children()
    finally:
        started.kill()
        await started.wait()
    assert set(running) < set(left)
    for each in left:
        await gone(each)


def runs_a_program(process: psutil.Process) -> bool:
    """Whether it is the interpreter, and has done more than to start."""
    return process.name() == "monty" and process.cpu_times().user > 0.3


async def test_processes_that_died_while_they_had_nothing_to_do_are_replaced() -> None:
    sandbox = Sandbox(LIMITS, processes=2)
    for _ in range(5):
        both = [sandbox.run(body("return grid"), [GRID]) for _ in range(2)]
        assert await asyncio.gather(*both) == [[Outcome(GRID)]] * 2
        for each in workers():
            each.kill()
        assert await only(sandbox, body("return grid")) == Outcome(GRID)
    await sandbox.close()


async def test_closing_ends_every_process(sandbox: Sandbox) -> None:
    await sandbox.close()
    await only(sandbox, body("return grid"))
    process = await the_worker()
    await sandbox.close()
    await gone(process)
    assert await only(sandbox, body("return grid")) == Outcome(GRID)


# ── what comes back is text ─────────────────────────────────────────────────────────────────────

SIDES = st.integers(1, 30)


@given(st.data(), SIDES, SIDES)
def test_every_grid_is_read_as_it_was_written(data: st.DataObject, height: int, width: int) -> None:
    rows = st.lists(st.integers(0, 9), min_size=width, max_size=width)
    grid = data.draw(st.lists(rows, min_size=height, max_size=height))
    text = "list\n" + "\n".join(" ".join(map(repr, row)) for row in grid)
    assert read_grid(text) == Outcome(grid)


@given(st.one_of(st.text(), st.text("list\n 0123456789.-'[]"), st.none(), st.lists(st.integers())))
def test_any_other_text_is_no_grid_and_no_fault(text: object) -> None:
    outcome = read_grid(text)
    assert (outcome.grid is None) == bool(outcome.error)
    assert outcome.grid is None or is_grid(outcome.grid)


@pytest.mark.parametrize("text", ["list\n١", "list\n1  1", "list\n1 ", "list\n1\n", "list\r\n1", "1", "list"])
def test_only_digits_with_one_blank_between_are_cells(text: str) -> None:
    assert read_grid(text).grid is None
