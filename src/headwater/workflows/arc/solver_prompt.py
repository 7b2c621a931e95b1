"""What a model is told in each iteration of the solver: the puzzle, and the best programs with what they got wrong.

Pure. Its length is bounded, whatever programs have done: the model's window is.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Final

from headwater.domain.message import Message
from headwater.workflows.arc.programs import PairResult, Program, percent
from headwater.workflows.arc.prompt import rows
from headwater.workflows.arc.sandbox_steps import FUNCTION
from headwater.workflows.arc.task import Grid, Task

#: How many of the best programs are shown, and of each how many of the pairs that it got wrong.
PROGRAMS_SHOWN: Final = 3
PAIRS_SHOWN: Final = 3
#: Of a program's text that is shown; a longer one is cut.
CODE_CHARS_MAX: Final = 6_000

_SYSTEM: Final = f"""\
You solve puzzles of the Abstraction and Reasoning Corpus by writing programs. Each training pair shows how an input \
grid becomes an output grid; all pairs follow one rule. A grid is a list of rows, each a list of whole numbers from 0 \
to 9.

Write {{programs}}, each in a block of its own that begins with ```python and defines `{FUNCTION}(grid)`, which \
returns the output grid as a list of lists. Each block is run by itself. Only Python's own types and a part of its \
standard library are there (math, itertools, collections, copy, functools, re): no NumPy, no files, no input. Each \
program has one second for a grid. Let the programs follow different ideas, and none of them hold the training \
outputs as they are: they will be run on inputs that you have not seen."""


def messages_of(
    task: Task, programs: int, best: Sequence[Program] = (), *, last_had_none: bool = False
) -> list[Message]:
    """`programs` is how many are asked for; `best` are those that were tried before, best first."""
    asked = "one program" if programs == 1 else f"{programs} programs"
    parts = [*_puzzle(task), *_tried(task, best[:PROGRAMS_SHOWN])]
    if last_had_none:
        parts.append(
            f"Your last answer had no program in it. Put each program into a block that begins with ```python and "
            f"defines `{FUNCTION}(grid)`."
        )
    wish = " Mend the best of these, or find another rule." if best else ""
    parts.append(f"Write {asked}.{wish}")
    return [Message("system", _SYSTEM.format(programs=asked)), Message("user", "\n\n".join(parts))]


def _puzzle(task: Task) -> Iterator[str]:
    for number, pair in enumerate(task.train, 1):
        yield f"Training pair {number}, input:\n{rows(pair.input)}"
        yield f"Training pair {number}, output:\n{rows(pair.output)}"
    for number, pair in enumerate(task.test, 1):
        yield f"Test {number}, input:\n{rows(pair.input)}"


def _tried(task: Task, best: Sequence[Program]) -> Iterator[str]:
    if best:
        yield "These programs have been tried. None of them is right on every training pair. The best one is first."
    for place, program in enumerate(best, 1):
        yield (
            f"Program {place}: {program.correct_pairs} of {program.pairs} training pairs are right, "
            f"{percent(program.cell_share)} of the cells.\n```python\n{_cut(program.code)}\n```"
        )
        wrong = [(number, each) for number, each in enumerate(program.results, 1) if not each.correct]
        for number, result in wrong[:PAIRS_SHOWN]:
            yield _wrong(number, result, task.train[number - 1].output)


def _wrong(number: int, result: PairResult, truth: Grid) -> str:
    if result.error is not None:
        return f"On training pair {number} it fails: {result.error}"
    if result.output is None:
        return f"On training pair {number}, {percent(result.cell_share)} of the cells are right."
    size, true_size = _size(result.output), _size(truth)
    told = f"it makes {size} cells in place of {true_size}" if size != true_size else "these cells are wrong"
    return f"On training pair {number} {told}. It makes:\n{rows(result.output)}"


def _size(grid: Grid) -> str:
    return f"{len(grid)} × {len(grid[0])}"


def _cut(code: str) -> str:
    return code if len(code) <= CODE_CHARS_MAX else code[:CODE_CHARS_MAX] + "\n# …"
