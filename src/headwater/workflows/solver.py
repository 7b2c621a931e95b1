"""The solver: a model writes programs for a puzzle, they are tried on its training pairs, and the model is shown how
far the best of them came, until one is right or there have been enough iterations. The best one answers the tests.

What is known is in the log: `arc.search.Search` is the fold of its `iteration` records, so a search that a crash has
cut goes on from the last one that was finished.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping, Sequence
from typing import Any, ClassVar, Final

from headwater.domain import event as ev
from headwater.domain.document import Document
from headwater.domain.message import GenerationRequest
from headwater.domain.run import RunRequest
from headwater.domain.snapshot import Snapshot
from headwater.domain.surrogates import replace_surrogates
from headwater.errors import BadRequestError, NotFoundError
from headwater.providers import simulated
from headwater.workflows.arc import tasks
from headwater.workflows.arc.programs import Program, percent, programs_in, tried
from headwater.workflows.arc.sandbox import Outcome, Sandbox
from headwater.workflows.arc.search import Search
from headwater.workflows.arc.simulated import scripted
from headwater.workflows.arc.simulated_programs import programs_answer
from headwater.workflows.arc.solution import SolverInput, SolverResult, document_of
from headwater.workflows.arc.solver_prompt import messages_of
from headwater.workflows.contract import EndedRun, RunContext, Workflow
from headwater.workflows.taking_up import withdrawn


class Solver(Workflow):
    """`sandbox` runs the programs of all searches; there is one of its own unless another is given."""

    name = "solver"
    title = "Solver"
    description = (
        "Writes programs for a puzzle, tries them on its training pairs, and mends the best ones, iteration after "
        "iteration. The best program answers the tests."
    )
    input_schema: ClassVar[Mapping[str, Any]] = {
        "type": "object",
        "properties": {
            "task_id": {"type": "string", "pattern": "^[0-9a-f]{8}$"},
            "iterations": {"type": "integer", "minimum": 1, "maximum": 20, "default": 5},
            "programs": {"type": "integer", "minimum": 1, "maximum": 5, "default": 3},
        },
        "required": ["task_id"],
        "additionalProperties": False,
    }
    takes_up = True

    def __init__(self, sandbox: Sandbox | None = None) -> None:
        self._sandbox = sandbox or Sandbox()

    def check(self, request: RunRequest) -> None:
        if request.messages:
            raise BadRequestError("The workflow `solver` takes `input`, not `messages`.", pointer="/messages")
        if request.settings.json_schema is not None or request.settings.json_object:
            raise BadRequestError("The form of the answers is the workflow's own.", pointer="/settings/json_schema")
        try:
            tasks.check(request.input["task_id"])
        except NotFoundError as error:
            error.extra["pointer"] = "/input/task_id"
            raise

    def title_of(self, request: RunRequest) -> str:
        return f"Solve {request.input['task_id']}"

    async def run(self, context: RunContext) -> AsyncIterator[list[ev.Event]]:
        asked = SolverInput.of(context.request)
        task = await tasks.find(asked.task_id)
        search = Search(task, asked.iterations)
        kept = search.take_up(context.before)
        if context.before:
            yield [
                *withdrawn(context.before, kept),
                ev.Log("warning", f"The server was started again. {search.finished} iterations are finished."),
            ]
        answers = _Answers(self._sandbox, context, search, is_simulated=_is_simulated(context.before))
        if not answers.take_up(context.before):
            yield [answers.told()]
        # where no program can be run no model is to be paid for one
        await self._sandbox.open()
        if await answers.so_far():
            yield [answers.told()]
        while not search.is_over:
            async for events in self._iteration(context, search, asked, answers):
                yield events
            if await answers.so_far():
                yield [answers.told()]
        if search.best is not None:
            yield [ev.Status("testing", "The best program answers the tests.", progress=1.0)]
        result = await answers.all()
        yield [ev.Log("info", f"{_ENDS[result.verdict]} Right tests: {result.correct_tests} of {len(task.test)}.")]
        context.set_result(result)

    async def _iteration(
        self, context: RunContext, search: Search, asked: SolverInput, answers: _Answers
    ) -> AsyncIterator[list[ev.Event]]:
        """From the model's call to its programs' scores, which the search has at the end."""
        number = search.finished + 1
        place = f"Iteration {number} of {asked.iterations}"
        progress = round((number - 1) / asked.iterations, 4)
        yield [search.begun(), ev.Status("asking", f"{place}: the model writes programs.", progress=progress)]
        answer = _Answer()
        async for events in context.generate(_call(context.request, search, asked), role="internal"):
            answer.take(events)
            answers.is_simulated = answers.is_simulated or _is_simulated(events)
            yield events
        written = programs_in(answer.text, asked.programs)
        told = f"{place}: {len(written.codes)} programs are tried."
        yield [ev.Status("running", told, progress=round(progress + 0.5 / asked.iterations, 4))]
        if not written.codes:
            yield [ev.Log("warning", f"{place}: the answer has no program in it.")]
        programs: list[Program] = []
        for code in written.codes:
            programs.append(await tried(self._sandbox, code, search.task.train, context.owner))
            yield [ev.Log("info", f"{place}, program {len(programs)}: {_score(programs[-1])}")]
        yield [search.finish(programs, written.left_out), answers.told()]
        if search.best is not None:
            yield [ev.Log("info", f"{place}: the best program so far: {_score(search.best.program)}")]

    def result_so_far(self, request: RunRequest, snapshot: Snapshot) -> object:
        context = snapshot.state.get("context")
        return None if context is None else context.get("result")

    def documents(self, ended: EndedRun) -> Sequence[Document]:
        return [document_of(ended)]

    async def close(self) -> None:
        """Ends the sandbox's processes."""
        await self._sandbox.close()


_ENDS: Final = {
    "solved": "The puzzle is solved.",
    "fits": "The best program is right on every training pair, and not on every test.",
    "partial": "No program is right on every training pair.",
    "none": "No answer had a program in it.",
}


class _Answers:
    """What the best program makes of the tests: it is asked once, when it has become the best."""

    def __init__(self, sandbox: Sandbox, context: RunContext, search: Search, *, is_simulated: bool) -> None:
        self.is_simulated = is_simulated
        self._sandbox = sandbox
        self._context = context
        self._search = search
        #: the program that was asked last, and its answers
        self._code: str | None = None
        self._outcomes: Sequence[Outcome] = ()

    def told(self) -> ev.Context:
        """Where the search stands. What it would result in stands in the log too, for a start after a crash."""
        return self._search.context(None if self._search.best is None else self._result(is_cut=True))

    def take_up(self, before: Sequence[ev.Event]) -> bool:
        """Sets what a run that was cut results in where it is ended from here on; whether the log says all of it."""
        if self._search.best is None:
            return False
        told = next((event.context for event in reversed(before) if isinstance(event, ev.Context)), None)
        # an iteration is told with what it makes of the search, and the tests' answers behind that
        if told is None or told["result"] is None or told["search"]["iterations"] != self._search.finished:
            self._context.set_result(self._result(is_cut=True))
            return False
        self._context.set_result(told["result"])
        return True

    async def so_far(self) -> bool:
        """Sets what the run results in where it is ended from here on, before the search is over.

        True where that is more than the log says.
        """
        search = self._search
        if search.best is None:
            return False
        # at once, for it may be ended while the tests are answered
        self._context.set_result(self._result(is_cut=True))
        if search.is_over or not await self._ask():
            return False
        self._context.set_result(self._result(is_cut=True))
        return True

    async def all(self) -> SolverResult:
        """The result of a search that is over."""
        await self._ask()
        return self._result()

    async def _ask(self) -> bool:
        """Has the best program answer; False where it has, or there is none."""
        best = self._search.best
        if best is None or best.program.code == self._code:
            return False
        inputs = [pair.input for pair in self._search.task.test]
        self._outcomes = await self._sandbox.run(best.program.code, inputs, self._context.owner)
        self._code = best.program.code
        return True

    def _result(self, *, is_cut: bool = False) -> SolverResult:
        best, model = self._search.best, self._context.request.model
        outcomes = self._outcomes if best is not None and best.program.code == self._code else ()
        return self._search.result(outcomes, model=model, is_simulated=self.is_simulated, is_cut=is_cut)


class _Answer:
    """The text of one call's present attempt."""

    def __init__(self) -> None:
        self._pieces: list[str] = []

    def take(self, events: Sequence[ev.Event]) -> None:
        for event in events:
            if isinstance(event, ev.Chunk):
                self._pieces.append(event.content)
            elif isinstance(event, ev.Attempt) and event.supersedes_from is not None:
                # all that this call has said: only a call that a crash had cut begins with what was said before
                self._pieces.clear()

    @property
    def text(self) -> str:
        # a program of it is told again and stored, as UTF-8
        return replace_surrogates("".join(self._pieces))


def _call(request: RunRequest, search: Search, asked: SolverInput) -> GenerationRequest:
    settings = request.settings
    if request.model == simulated.NAME:
        number = search.finished + 1
        settings = scripted(settings, *programs_answer(search.task, number, asked.programs, settings.seed))
    messages = messages_of(search.task, asked.programs, search.shown, last_had_none=search.last_had_none)
    return GenerationRequest(request.model, messages, settings)


def _is_simulated(events: Sequence[ev.Event]) -> bool:
    """Whether a call went to the simulated model, be it in another's place."""
    return any(isinstance(event, ev.Call | ev.Attempt) and event.provider == simulated.NAME for event in events)


def _score(program: Program) -> str:
    fault = "" if program.error is None else f" ({program.error})"
    return f"{program.correct_pairs} of {program.pairs} pairs right, {percent(program.cell_share)} of the cells.{fault}"
