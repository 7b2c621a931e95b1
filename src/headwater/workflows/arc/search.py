"""Where a solver's search stands: what each iteration has found, and the best of all. Pure.

The record of a finished iteration holds all that the next one needs, so that a search is the fold of those records: a
process that takes it up after a crash reads them, and goes on.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final, NamedTuple

import msgspec

from headwater.domain import event as ev
from headwater.workflows.arc.programs import Program, ranked, without_outputs
from headwater.workflows.arc.sandbox import Outcome
from headwater.workflows.arc.score import cell_share, is_right
from headwater.workflows.arc.solution import AnsweredTest, BestProgram, Score, SolverResult, Standing, Verdict
from headwater.workflows.arc.solver_prompt import PROGRAMS_SHOWN
from headwater.workflows.arc.task import Grid, Task

#: Of an iteration as JSON: with its envelope it stays below what a record may have.
ITERATION_BYTES_MAX: Final = 200_000

_NO_BEST: Final = "There is no program."
_NOT_ASKED: Final = "The search was ended before the program was tried on it."
_NO_PROGRAM: Final = "The answer has no program in it."
_NO_OUTPUTS: Final = "The programs' outputs are left out: with them the record would be too large."


class Iteration(msgspec.Struct, frozen=True):
    """A finished iteration, as its record says it; `programs` are best first."""

    of: int
    pairs: int
    programs: list[Program]
    left_out: int = 0
    notes: list[str] = []
    state: str = "done"


class Found(NamedTuple):
    """A program, and the iteration that it came from."""

    iteration: int
    program: Program


class Search:
    """`of` is how many iterations there may be."""

    def __init__(self, task: Task, of: int) -> None:
        self.task = task
        self.of = of
        self.scores: list[Score] = []
        self._best: list[Found] = []
        self._last_had_none = False

    # ── what it knows ───────────────────────────────────────────────────────────────────────────

    @property
    def finished(self) -> int:
        """How many iterations have been finished."""
        return len(self.scores)

    @property
    def best(self) -> Found | None:
        """The best program of all; of equals the first."""
        return self._best[0] if self._best else None

    @property
    def fits(self) -> bool:
        """Whether the best program is right on every training pair."""
        return self.best is not None and self.best.program.fits

    @property
    def is_over(self) -> bool:
        return self.fits or self.finished >= self.of

    @property
    def shown(self) -> list[Program]:
        """The programs that the next prompt shows, best first."""
        return [found.program for found in self._best]

    @property
    def last_had_none(self) -> bool:
        """Whether the last answer had no program in it."""
        return self._last_had_none

    @property
    def tried(self) -> int:
        return sum(score.programs for score in self.scores)

    # ── what it takes ───────────────────────────────────────────────────────────────────────────

    def begun(self) -> ev.Iteration:
        """The event that opens the next iteration."""
        return ev.Iteration(self.finished + 1, {"state": "asking", "of": self.of, "pairs": len(self.task.train)})

    def finish(self, programs: Sequence[Program], left_out: int = 0) -> ev.Iteration:
        """Takes the programs of the next iteration, which is over with that; gives the event that says so."""
        notes = [] if programs else [_NO_PROGRAM]
        iteration = Iteration(self.of, len(self.task.train), ranked(programs), left_out, notes)
        if len(msgspec.json.encode(iteration)) > ITERATION_BYTES_MAX:
            iteration = msgspec.structs.replace(
                iteration, programs=without_outputs(iteration.programs), notes=[*notes, _NO_OUTPUTS]
            )
        # What is taken is what the record says: a search that is taken up has nothing else.
        self._take(iteration)
        return ev.Iteration(self.finished, msgspec.to_builtins(iteration))

    def take_up(self, before: Sequence[ev.Event]) -> int:
        """Takes the finished iterations among the events of a run that was cut; gives the seq of the last of them."""
        seq = 0
        for place, event in enumerate(before, 1):
            if isinstance(event, ev.Iteration) and event.data.get("state") == "done":
                self._take(msgspec.convert(event.data, Iteration))
                seq = place
        return seq

    def _take(self, iteration: Iteration) -> None:
        number = self.finished + 1
        best = iteration.programs[0] if iteration.programs else None
        correct, share = (0, 0.0) if best is None else best.rank
        self.scores.append(Score(number, len(iteration.programs), correct, share))
        known = {found.program.code for found in self._best}
        found = [*self._best, *(Found(number, each) for each in iteration.programs if each.code not in known)]
        found.sort(key=lambda each: each.program.rank, reverse=True)
        self._best = found[:PROGRAMS_SHOWN]
        self._last_had_none = not iteration.programs

    # ── what it says ────────────────────────────────────────────────────────────────────────────

    @property
    def standing(self) -> Standing:
        return Standing(self.finished, self.of, self.tried, self.fits, self._best_in_short(), self.scores)

    def context(self, result: SolverResult | None = None) -> ev.Context:
        """The puzzle, where the search stands, and what it would result in if it were ended here."""
        task = self.task
        told = {"id": task.id, "set": task.set, "train_pairs": len(task.train), "tests": len(task.test)}
        return ev.Context(
            {"task": told, "search": msgspec.to_builtins(self.standing), "result": msgspec.to_builtins(result)}
        )

    def result(
        self, outcomes: Sequence[Outcome], *, model: str, is_simulated: bool, is_cut: bool = False
    ) -> SolverResult:
        """What came of it; `outcomes` are what the best program made of the tests, none where it was not asked.

        `is_cut`: it was ended before it was over.
        """
        truths = [pair.output for pair in self.task.test]
        why = _NO_BEST if self.best is None else _NOT_ASKED
        answers = [*outcomes, *(Outcome(None, why) for _ in truths[len(outcomes) :])]
        tests = [_test(outcome, truth) for outcome, truth in zip(answers, truths, strict=True)]
        correct = sum(test.correct for test in tests)
        return SolverResult(
            task_id=self.task.id,
            set=self.task.set,
            model=model,
            simulated=is_simulated,
            verdict=self._verdict(solved=correct == len(tests)),
            stopped="cut" if is_cut else "perfect" if self.fits else "iterations",
            iterations=self.finished,
            programs=self.tried,
            best=self._best_in_short(),
            tests=tests,
            correct=correct == len(tests),
            correct_tests=correct,
            scores=self.scores,
        )

    def _verdict(self, *, solved: bool) -> Verdict:
        if solved:
            return "solved"
        if self.fits:
            return "fits"
        return "none" if self.best is None else "partial"

    def _best_in_short(self) -> BestProgram | None:
        if self.best is None:
            return None
        iteration, program = self.best
        return BestProgram(iteration, program.code, program.correct_pairs, program.pairs, program.cell_share)


def _test(outcome: Outcome, truth: Grid) -> AnsweredTest:
    right = is_right(outcome.grid, truth)
    return AnsweredTest(outcome.grid, truth, right, round(cell_share(outcome.grid, truth), 4), outcome.error or None)
