"""Programs in a model's answer, and what each is worth: tried on every training pair, and ranked."""

from __future__ import annotations

import re
import textwrap
from collections.abc import Hashable, Sequence
from statistics import fmean
from typing import Final

import msgspec

from headwater.workflows.arc.sandbox import Outcome, Sandbox
from headwater.workflows.arc.sandbox_steps import FUNCTION
from headwater.workflows.arc.score import cell_share, is_right
from headwater.workflows.arc.task import Grid, Pair

#: Of one program's text, as JSON: what an iteration says of all its programs has to fit into one record.
CODE_BYTES_MAX: Final = 16 << 10
#: How much of an answer is looked through.
_ANSWER_CHARS_MAX: Final = 400_000

#: The line that opens a block, and the one that closes it: at least three of the same character (CommonMark 4.5), in
#: a list of lists as well.
_FENCE: Final = re.compile(r"\s{0,12}(`{3,}|~{3,})[ \t]*([^`\n]*)")


class PairResult(msgspec.Struct, frozen=True):
    """What a program made of one training pair. `output` is None where `error` says why, or where it is left out."""

    correct: bool
    cell_share: float
    output: Grid | None = None
    error: str | None = None


class Program(msgspec.Struct, frozen=True):
    """A program that was tried. `cell_share` is the mean over the pairs; `error` is there where no pair had a grid."""

    code: str
    correct_pairs: int
    pairs: int
    cell_share: float
    error: str | None
    results: list[PairResult]

    @property
    def fits(self) -> bool:
        """Whether it is right on every training pair."""
        return self.correct_pairs == self.pairs

    @property
    def rank(self) -> tuple[int, float]:
        """The more the better."""
        return self.correct_pairs, self.cell_share


class Written(msgspec.Struct, frozen=True):
    """The programs of an answer that are to be tried, and how many others it had."""

    codes: list[str]
    left_out: int


def programs_in(answer: str, most: int) -> Written:
    """The blocks of code that define `transform`, in order; at most so many, none twice, none that is too long.

    An answer without any block is one itself if a line of it begins with the definition.
    """
    answer = answer[:_ANSWER_CHARS_MAX]
    blocks = _blocks(answer)
    if blocks is None:
        start = _definition(answer)
        blocks = [] if start is None else [answer[start:]]
    found = [block.strip("\n") for block in blocks if _definition(block) is not None]
    codes: list[str] = []
    for code in found:
        if len(codes) < most and code not in codes and len(_encoded(code)) <= CODE_BYTES_MAX:
            codes.append(code)
    return Written(codes, len(found) - len(codes))


def _blocks(answer: str) -> list[str] | None:
    """What stands between fences; None where there is no fence. A block that is not closed was cut off, and is none."""
    blocks: list[str] = []
    lines: list[str] = []
    has_fence, fence = False, ""
    for line in answer.splitlines():
        opened = _FENCE.match(line)
        if not fence:
            if opened is not None:
                has_fence, fence, lines = True, opened[1], []
        elif opened is not None and not opened[2].strip() and opened[1].startswith(fence):
            # in a list of a text they are indented
            blocks.append(textwrap.dedent("\n".join(lines)))
            fence = ""
        else:
            lines.append(line)
    return blocks if has_fence else None


def _definition(text: str) -> int | None:
    """Where the first line begins that a program could begin with and that is followed by the definition."""
    found = re.search(rf"^def {FUNCTION}\b", text, re.MULTILINE)
    if found is None:
        return None
    imports = re.search(r"^(?:import|from) \w", text[: found.start()], re.MULTILINE)
    return found.start() if imports is None else imports.start()


def _encoded(code: str) -> bytes:
    return msgspec.json.encode(code.encode(errors="replace").decode())


async def tried(sandbox: Sandbox, code: str, pairs: Sequence[Pair], owner: Hashable = None) -> Program:
    """The program, run on each pair's input. Raises `UnavailableError` where there is no sandbox."""
    outcomes = await sandbox.run(code, [pair.input for pair in pairs], owner)
    return judged(code, pairs, outcomes)


def judged(code: str, pairs: Sequence[Pair], outcomes: Sequence[Outcome]) -> Program:
    """What the outcomes are worth. Pure."""
    results = [
        PairResult(
            is_right(outcome.grid, pair.output),
            round(cell_share(outcome.grid, pair.output), 4),
            outcome.grid,
            outcome.error or None,
        )
        for pair, outcome in zip(pairs, outcomes, strict=True)
    ]
    failed = all(result.error for result in results)
    return Program(
        code,
        sum(result.correct for result in results),
        len(results),
        round(fmean(result.cell_share for result in results), 4),
        results[0].error if failed else None,
        results,
    )


def ranked(programs: Sequence[Program]) -> list[Program]:
    """Best first; of equals the one that was written first."""
    return sorted(programs, key=lambda program: program.rank, reverse=True)


def without_outputs(programs: Sequence[Program]) -> list[Program]:
    """The same without the grids that they made."""
    return [
        msgspec.structs.replace(
            program, results=[msgspec.structs.replace(result, output=None) for result in program.results]
        )
        for program in programs
    ]


def percent(share: float) -> str:
    """Rounded down: only what is whole is 100%."""
    return f"{round(share * 10_000) // 100}%"
