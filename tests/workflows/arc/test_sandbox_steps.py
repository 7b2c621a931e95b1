"""The limit on steps: nothing that a program does gets it past, and the same program always takes as many."""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import Any, Final

import pytest

from headwater.workflows.arc.sandbox import Limits, Outcome, Sandbox
from headwater.workflows.arc.sandbox_counting import Counting
from headwater.workflows.arc.sandbox_steps import Steps
from headwater.workflows.arc.step_count import UncountableError
from tests.workflows.arc.sandboxes import GRID, body, gone, only, the_worker

#: Time enough that no machine comes to its end before that of the steps.
LIMITS: Final = Limits(call_s=60, program_s=120, steps=2_000)
OVER: Final = "RuntimeError: step limit exceeded: more than 2000 steps"
NOT_RUN: Final = "Not run: the program had hit a limit before."


@pytest.fixture
async def sandbox() -> AsyncIterator[Sandbox]:
    made = Sandbox(LIMITS, processes=1)
    yield made
    await made.close()


# ── without a sandbox ───────────────────────────────────────────────────────────────────────────


def test_the_count_is_an_expression_that_is_true_so_many_times() -> None:
    steps = Steps(3)
    names: dict[str, Any] = {}
    exec(steps.begin, names)  # it is ours
    assert all(eval(steps.tick, names) for _ in range(3))  # it is ours
    with pytest.raises((MemoryError, OverflowError)):
        eval(steps.tick, names)  # it is ours


def test_no_two_programs_have_the_same_names() -> None:
    assert len({Steps(3).tick for _ in range(100)}) == 100


# ── what never ends ─────────────────────────────────────────────────────────────────────────────

ENDLESS: Final = {
    "while": "while True: pass",
    "while_on_one_line": "while 1: grid = grid",
    "while_with_else": "while True:\n    continue\nelse:\n    return grid",
    "for": "import itertools\nfor _ in itertools.count(): pass",
    "for_over_what_grows": "turns = [1]\nfor turn in turns: turns.append(turn)",
    "for_over_a_function": "for _ in iter(int, 1): pass",
    "for_with_nothing_but_definitions": "for _ in iter(int, 1):\n    def f(): pass\n    class A: pass",
    "for_in_try": "for _ in iter(int, 1):\n    try: pass\n    finally: pass",
    "comprehension": "return [0 for _ in iter(int, 1) if False]",
    "nested_comprehension": "return [[a for a in range(9) if a > 9] for _ in iter(int, 1) if _]",
    "clauses": "return [0 for _ in iter(int, 1) for _ in []]",
    "set_comprehension": "return {0 for _ in iter(int, 1)}",
    "dict_comprehension": "return {0: 1 for _ in iter(int, 1)}",
    "generator": "return list(0 for _ in iter(int, 1) if False)",
    "generator_as_argument": "return any(_ for _ in iter(int, 1))",
    "recursion": "def f(n): return n and f(n - 1) + f(n - 1)\nreturn f(100)",
    "recursion_by_two": "def f(n): return n and g(n) + g(n)\ndef g(n): return f(n - 1)\nreturn f(60)",
    "recursion_by_lambda": "f = lambda n: n and f(n - 1) + f(n - 1)\nreturn f(100)",
    "recursion_by_default": "def f(n):\n    def g(a=n and f(n - 1), b=n and f(n - 1)): return 1\nreturn f(60)",
    "recursion_by_decorator": "def f(n):\n    @(n and f(n - 1), n and f(n - 1), id)[2]\n    def g(): return 1\nf(60)",
    "recursion_by_class": "def f(n):\n    class A:\n        a = n and f(n - 1)\n        b = n and f(n - 1)\nf(60)",
    "recursion_of_methods": "class A:\n    def f(self, n): return n and self.f(n - 1) + self.f(n - 1)\nA().f(100)",
    "iterator": "class A:\n    def __iter__(self): return self\n    def __next__(self): return 1\nreturn sum(A())",
    "called_by_a_builtin": "return list(iter(lambda: 0, 1))",
    "called_by_a_sort": "def f(a):\n    while True: pass\nreturn sorted(grid, key=f)",
    "called_by_repr": "class A:\n    def __repr__(self):\n        while True: pass\nreturn f'{A()}'",
    "called_by_comparison": "class A:\n    def __eq__(self, other):\n        while True: pass\nreturn A() in [A()]",
    "called_by_reduce": "import functools\nreturn functools.reduce(lambda a, b: (a, b), iter(int, 1))",
    "within_a_text": "return f'{[0 for _ in iter(int, 1) if False]}'",
    "async": "import asyncio\nasync def f():\n    while True: pass\nreturn asyncio.run(f())",
    "match": "while True:\n    match grid:\n        case [[1, *_], *_]: pass",
    "with": "while True:\n    try:\n        with grid: pass\n    except Exception: pass",
    "rows": "return iter(list, 1)",
    "cells": "return [iter(int, 1)]",
}


@pytest.mark.parametrize("lines", ENDLESS.values(), ids=ENDLESS)
async def test_what_never_ends_comes_to_the_limit(sandbox: Sandbox, lines: str) -> None:
    assert await sandbox.run(body(lines), [GRID, GRID]) == [Outcome(None, OVER), Outcome(None, NOT_RUN)]


CAUGHT: Final = {
    "except": "while True:\n    try:\n        while True: pass\n    except BaseException: pass",
    "except_all": "while True:\n    try:\n        while True: pass\n    except: pass",
    "finally": "try:\n    while True: pass\nfinally:\n    return grid",
    "returned": "try:\n    while True: pass\nexcept BaseException:\n    return grid",
    "by_a_context": "class A:\n    def __enter__(self): return self\n    def __exit__(self, *_): return True\n"
    "with A():\n    while True: pass\nreturn grid",
    "by_a_builtin": "def f(_):\n    try:\n        while True: pass\n    except BaseException: return 0\n"
    "sorted(grid, key=f)\nreturn grid",
    "by_tasks": "import asyncio\nasync def f():\n    while True: pass\nasync def g():\n"
    "    try: await asyncio.gather(f(), f())\n    except BaseException: pass\nasyncio.run(g())\nreturn grid",
    "in_the_deepest": "def f(n):\n    try: return f(n + 1)\n    except RecursionError:\n        while True: pass\n"
    "try: f(0)\nexcept BaseException: pass\nreturn grid",
    "on_the_way_back": "def f(n):\n    try: f(n + 1)\n    except RecursionError: pass\n    f(n + 1)\n"
    "try: f(0)\nexcept BaseException: pass\nreturn grid",
}


@pytest.mark.parametrize("lines", CAUGHT.values(), ids=CAUGHT)
async def test_the_limit_is_not_to_be_caught(sandbox: Sandbox, lines: str) -> None:
    assert await only(sandbox, body(lines)) == Outcome(None, OVER)


REDEFINED: Final = {
    "builtins": "next = iter = range = len\nmap = str = type = 5\n",
    "by_global": "def f():\n    global next, iter, range\n    next = iter = range = lambda *_: 1\nf()\n",
    "modules": "import itertools\n",
    "code_of_text": "f = [exec, eval, locals]\n",
}


@pytest.mark.parametrize("before", REDEFINED.values(), ids=REDEFINED)
async def test_the_count_is_not_to_be_redefined(sandbox: Sandbox, before: str) -> None:
    assert await only(sandbox, before + body("while True: pass")) == Outcome(None, OVER)


@pytest.mark.parametrize("name", ["exec", "eval", "locals"])
@pytest.mark.parametrize("lines", ["return {}('1')", "def f(g): return g()\nreturn f({})", "f = {}\nreturn f(*grid)"])
async def test_nothing_makes_code_of_a_text_or_tells_names(sandbox: Sandbox, name: str, lines: str) -> None:
    outcome = await only(sandbox, body(lines.format(name)))
    assert outcome == Outcome(None, f"NameError: name '{name}' is not defined")


async def test_names_that_are_the_programs_own_are_left_to_it(sandbox: Sandbox) -> None:
    assert await only(sandbox, "def eval(a): return a\n" + body("return eval(grid)")) == Outcome(GRID)


async def test_a_program_that_does_not_end_before_it_is_called(sandbox: Sandbox) -> None:
    source = body("return grid") + "while True: pass\n"
    assert await sandbox.run(source, [GRID, GRID]) == [Outcome(None, OVER)] * 2


# ── what ends ───────────────────────────────────────────────────────────────────────────────────


async def test_each_grid_has_all_of_them(sandbox: Sandbox) -> None:
    """A step for the call, and one for each row and cell that is given back, beside those of the loop."""
    most = LIMITS.steps - 1 - (2 + 4)
    just = body(f"for _ in range({most}): pass\nreturn grid")
    assert await sandbox.run(just, [GRID] * 3) == [Outcome(GRID)] * 3
    more = body(f"for _ in range({most + 1}): pass\nreturn grid")
    assert await sandbox.run(more, [GRID] * 2) == [Outcome(None, OVER), Outcome(None, NOT_RUN)]


ENDING: Final = {
    "loops": (
        "for row in grid:\n    for cell in row:\n        while cell: cell -= 1\nreturn grid",
        1 + 2 + (2 + 3 + 4 + 5) + 6,
    ),
    "elements": ("return [[cell for cell in row] for row in grid]", 1 + 2 + 4 + 6),
    "random": ("import random\nrandom.shuffle(grid)\nreturn sorted(grid, key=lambda row: row[0])", 1 + 2 + 6),
    "sets": ("return [[cell for cell in sorted({cell for row in grid for cell in row})]]", 1 + 2 + 4 + 4 + 5),
}


@pytest.mark.parametrize(("lines", "steps"), ENDING.values(), ids=ENDING)
async def test_the_same_program_takes_as_many_each_time(lines: str, steps: int) -> None:
    for most, has_grid in [(steps, True), (steps - 1, False)] * 2:
        sandbox = Sandbox(LIMITS._replace(steps=most), processes=1)
        outcome = await only(sandbox, body(lines))
        await sandbox.close()
        assert (outcome.grid is not None) == has_grid
        assert has_grid or outcome.error == OVER.replace("2000", str(most))


async def test_a_process_in_which_it_was_hit_is_thrown_away(sandbox: Sandbox) -> None:
    assert await only(sandbox, body("return grid")) == Outcome(GRID)
    process = await the_worker()
    assert await only(sandbox, body("while True: pass")) == Outcome(None, OVER)
    await gone(process)
    assert await only(sandbox, body("return grid")) == Outcome(GRID)
    assert (await the_worker()).pid != process.pid


async def test_calls_within_calls_are_as_many_as_without_a_count(sandbox: Sandbox) -> None:
    lines = "def f(n): return n and f(n - 1)\nf({})\nreturn grid"
    # `transform` is one of them
    assert await only(sandbox, body(lines.format(LIMITS.depth - 2))) == Outcome(GRID)
    assert "RecursionError" in (await only(sandbox, body(lines.format(LIMITS.depth)))).error


# ── what is wrong with a program is told in the interpreter's words ─────────────────────────────


@pytest.mark.parametrize(
    ("source", "error"),
    [
        ("def transform(grid) return grid", "SyntaxError: Expected `:`, found `return`"),
        (body("yield 1"), "NotImplementedError: The monty syntax parser does not yet support yield expressions"),
        (
            body("for _ in grid: del grid"),
            "NotImplementedError: The monty syntax parser does not yet support the 'del'",
        ),
        (body("while True:\nbreak"), "SyntaxError: Expected an indented block after `while` statement"),
        ("nonlocal x\n" + body("return grid"), "SyntaxError: nonlocal declaration not allowed at module level"),
        (body("return [cell for cell in nothing]"), "NameError: name 'nothing' is not defined"),
    ],
)
async def test_a_fault_is_told_in_the_interpreters_words(sandbox: Sandbox, source: str, error: str) -> None:
    outcome = await only(sandbox, source)
    assert outcome.error.startswith(error)


async def test_what_only_the_interpreter_can_read_is_not_run(sandbox: Sandbox, monkeypatch: pytest.MonkeyPatch) -> None:
    """It would not be counted: so it is with what is newer than the Python that the server runs on."""

    async def older(self: Counting, source: str, tick: str) -> str:
        raise UncountableError("no such syntax (line 7)")

    monkeypatch.setattr(Counting, "counted", older)
    assert await only(sandbox, body("return grid")) == Outcome(None, "SyntaxError: no such syntax (line 7)")
    assert (await only(sandbox, body("while True pass"))).error.startswith("SyntaxError: Expected `:`")
    monkeypatch.undo()
    assert await only(sandbox, body("return grid")) == Outcome(GRID)
