"""A program with its steps counted: the same one, on the same lines, with ticks wherever it could go on for long."""

from __future__ import annotations

import ast
import textwrap
import traceback
from pathlib import Path
from typing import Any

import pytest

from headwater.workflows.arc.step_count import UncountableError, counted

TICK = "T(I)"
#: Of the standard library, by people who did not think of this.
MODULES = ("argparse", "ast", "bdb", "dataclasses", "difflib", "functools", "heapq", "inspect", "random", "textwrap")


class Without(ast.NodeTransformer):
    """Takes the ticks out of a tree again, and counts them."""

    def __init__(self) -> None:
        self.ticks = 0

    def visit_BoolOp(self, node: ast.BoolOp) -> ast.AST:
        self.generic_visit(node)
        return node.values[1] if self._is_tick(node.values[0]) else node

    def generic_visit(self, node: ast.AST) -> ast.AST:
        if isinstance(body := getattr(node, "body", None), list):
            body[:] = [each for each in body if not (isinstance(each, ast.Expr) and self._is_tick(each.value))]
        return super().generic_visit(node)

    def _is_tick(self, node: ast.AST) -> bool:
        found = ast.unparse(node) == TICK
        self.ticks += found
        return found


def ticks_due(tree: ast.AST) -> int:
    """One for each function, lambda and loop, and for each `for` of a comprehension."""
    bodies = (ast.FunctionDef, ast.AsyncFunctionDef, ast.For, ast.AsyncFor, ast.While, ast.Lambda, ast.comprehension)
    due = [node for node in ast.walk(tree) if isinstance(node, bodies)]
    # whose body begins with a `while` has its tick from that
    spared = [
        node for node in due if isinstance(body := getattr(node, "body", None), list) and _begins_with_while(body)
    ]
    return len(due) - len([node for node in spared if not isinstance(node, ast.While)])


def _begins_with_while(body: list[ast.stmt]) -> bool:
    is_text = isinstance(body[0], ast.Expr) and isinstance(body[0].value, ast.Constant) and len(body) > 1
    return isinstance(body[is_text], ast.While)


@pytest.mark.parametrize("module", MODULES)
def test_whatever_is_written_stays_what_it_was_but_for_the_ticks(module: str) -> None:
    source = Path(ast.__file__).with_name(f"{module}.py").read_text()
    text = counted(source, TICK)
    without, tree = Without(), ast.parse(source)
    assert ast.dump(without.visit(ast.parse(text))) == ast.dump(tree)
    assert without.ticks == ticks_due(tree)
    assert text.count("\n") == source.count("\n")


class Counter:
    """What a tick calls."""

    def __init__(self) -> None:
        self.steps = 0

    def __call__(self, _: object) -> bool:
        self.steps += 1
        return True


def run(source: str) -> tuple[dict[str, Any], int]:
    """The names that a program leaves, and how many steps it took."""
    counter = Counter()
    names: dict[str, Any] = {"T": counter, "I": None}
    exec(counted(textwrap.dedent(source), TICK), names)  # the programs are those below
    return names, counter.steps


@pytest.mark.parametrize(
    ("source", "made", "steps"),
    [
        ("x = 1; y = [2, 3]", 1, 0),
        ("x = 0\nwhile x < 5: x += 1", 5, 6),
        ("x = 0\nwhile[x] < [5]:\n    x += 1", 5, 6),
        ("x = 0\nwhile y := x < 3: x += 1", 3, 4),
        ("x = 0\nwhile True:\n    x += 1\n    if x == 4: break", 4, 4),
        ("x = 0\nfor i in range(5): x += i", 10, 5),
        ("x = 0\nfor i in 1, 2:\n    for j in 3, 4:\n        x += i * j", 21, 2 + 4),
        ("x = 0\nfor i in range(3):\n    if i:\n        x += i", 3, 3),
        ("x = 0\nfor i in range(3):\n    while x < i: x += 1", 2, 3 + 2),
        ("x = 0\nfor i in range(3):\n    try: x += 1 // i\n    except ZeroDivisionError: x += 5", 6, 3),
        ("x = 0\nfor i in range(3):\n    match i, x:\n        case 2, y: x = 7", 7, 3),
        ("x = 0\nfor i in range(3):\n    # nothing\n    def f(): pass\nx = i", 2, 3),
        ("x = 0\nfor i in range(3):\n    class A: pass\nx = i", 2, 3),
        ("x = 0\nfor i in range(3):\n    class A(*[int]): pass\n    x += A(i)", 3, 3),
        (
            "x = 0\nfor i in range(3):\n    class A:\n        'a text'\n        y: int\n        z = i\n    x += A.z",
            3,
            3,
        ),
        ("x = 0\nfor i in range(3):\n    def f(a, b=i): return b\n    x += f(1)", 3, 3 + 3),
        ("x = 0\nfor i in range(3):\n    @(lambda f: f)\n    def f(): return 1\n    x += f()", 3, 3 + 3 + 3),
        ("def f():\n    'a text'\n    return 7\nx = f() + f()", 14, 2),
        ("def f(): 'a text'\nx = f()", None, 1),
        ("def f(): return 7\nx = f()", 7, 1),
        ("def f():\n    def g(): return 7\n    return g()\nx = f()", 7, 2),
        ("def f(n): return n and f(n - 1)\nx = f(5)", 0, 6),
        ("def f():\n    for i in range(3): yield i\nx = list(f())", [0, 1, 2], 1 + 3),
        ("def f():\n    with open(__file__) as g: pass\nx = 1", 1, 0),
        ("async def f(): return 7\ntry: f().send(None)\nexcept StopIteration as end: x = end.value", 7, 1),
        ("class A:\n    y = 5\n    def f(self): return self.y\nx = A().f()", 5, 1),
        ("x = (lambda: 7)()", 7, 1),
        ("x = (lambda a:a if a else 1)(0)", 1, 1),
        ("x = (lambda: lambda: 7)()()", 7, 2),
        ("x = (lambda*a:[*a])(1, 2)", [1, 2], 1),
        ("x = sorted([3, 1, 2], key=lambda a: -a)", [3, 2, 1], 3),
        ("x = [a for a in range(5)]", [0, 1, 2, 3, 4], 5),
        ("x = [()for a in range(5)]", [()] * 5, 5),
        ("x = [a for a in range(5) if a > 2]", [3, 4], 5),
        ("x = [a for a in (range(5)) if(a > 2)if(a < 4)]", [3], 5),
        ("x = [(a, b) for a in range(2) for b in range(3)]", [(a, b) for a in range(2) for b in range(3)], 2 + 6),
        ("x = [[b for b in range(a)] for a in range(3)]", [[], [0], [0, 1]], 3 + 3),
        ("x = [f() for f in (lambda: 7, lambda: 8)]", [7, 8], 2 + 2),
        ("x = {a % 2 for a in range(4)}", {0, 1}, 4),
        ("x = {a: b for a, b in zip('xy', 'uv')}", {"x": "u", "y": "v"}, 2),
        ("x = sum(a for a in range(4))", 6, 4),
        ("x = f'{sum(a for a in range(4))}.'", "6.", 4),
        ("x = 'é' f'{[(lambda: a)() for a in range(2)]!r:>{len([()for _ in \"ab\"])}}'", "é[0, 1]", 4 + 2),
        ("x = f'{[a for a in (1,)]=}'", "[a for a in (1,)]=[1]", 1),
        ("é = 'ü'; x = [é for ö in é]", ["ü"], 1),
        ("x = 0\r\nfor i in range(2):\r\n    x += 1\r\n", 2, 2),
        ("x = 0\rfor i in range(2):\r    x += 1", 2, 2),
        ("x = 0\n\x0cfor i in range(2):\n\tx += 1", 2, 2),
        ("x = [a \\\n    for a in \\\n    range(2)]", [0, 1], 2),
    ],
)
def test_steps_are_entries_turns_and_elements(source: str, made: object, steps: int) -> None:
    names, taken = run(source)
    assert (names["x"], taken) == (made, steps)


@pytest.mark.parametrize(
    "source",
    [
        "def f():\n\n    'a text'\n    return 1 / 0\nf()",
        "def f(\n    a=1,\n):\n    # a remark\n    def g():\n        return 1 / 0\n    return g()\nf()",
        "for i in range(3):\n    if (\n        i\n        and 1 / 0\n    ): pass",
        "while (\n    True\n):\n    x = [\n        a\n        for a in [1]\n        if 1 / 0\n    ]",
        "x = (\n    lambda: (\n        1 / 0\n    )\n)\nx()",
        "x = f'''\n{[a for a in [1]]}\n'''\n\n1 / 0",
        "x = (f'{[a for a in [1]]}'\n    'x'\n    f'y')\n1 / 0",
        "class A:\n    'a text'\n\n    def f(self):\n        for i in range(3):\n            1 / 0\nA().f()",
        "def f():\n    try:\n        with 1 / 0: pass\n    finally:\n        pass\nf()",
    ],
)
def test_an_error_is_on_the_authors_line(source: str) -> None:
    def lines(text: str) -> list[int | None]:
        with pytest.raises(ZeroDivisionError) as raised:
            exec(compile(text, "program", "exec"), {"T": Counter(), "I": None})  # the programs are those above
        return [frame.lineno for frame in traceback.extract_tb(raised.tb) if frame.filename == "program"]

    assert lines(counted(source, TICK)) == lines(source)


@pytest.mark.parametrize(
    ("source", "why"),
    [
        ("def transform(grid) return grid", r".* \(line 1\)"),
        ("x = 1\nfor i in", r".* \(line 2\)"),
        ("x = '", r".* \(line 1\)"),
        ("x = 1\0", "null"),
        ("x = " + "-" * 9000 + "1", "."),
        ("x = " + "(" * 3000 + "1" + ")" * 3000, "."),
        ("x = " + "[" * 190 + "]" * 190 + "\\", "."),
    ],
)
def test_what_is_no_program_is_refused(source: str, why: str) -> None:
    with pytest.raises(UncountableError, match=why):
        counted(source, TICK)
