"""The solver, with a model that says what it is told to and a real sandbox."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, AsyncIterator, Hashable, Sequence
from typing import Any, cast

import msgspec
import pytest

from headwater.domain import event as ev
from headwater.domain.message import GenerationRequest, Settings, Usage
from headwater.domain.run import Owner, RunRequest, RunState
from headwater.domain.snapshot import fold
from headwater.errors import BadRequestError, NotFoundError, UnavailableError
from headwater.workflows.arc import sandbox_launcher
from headwater.workflows.arc.sandbox import Limits, Outcome, Sandbox
from headwater.workflows.arc.solution import COLLECTION, SolverResult, StoredSolution
from headwater.workflows.arc.task import Grid
from headwater.workflows.contract import EndedRun, RunContext
from headwater.workflows.input_schema import InputSchema
from headwater.workflows.solver import Solver

TASK = "3c9b0459"
RIGHT = "[row[::-1] for row in grid[::-1]]"


def answer(*returned: str) -> str:
    """What a model says: a program for each of these expressions."""
    blocks = [f"```python\ndef transform(grid):\n    return {each}\n```" for each in returned]
    return "Let me see.\n\n" + "\n\n".join(blocks)


WRONG = answer("grid", "grid[::-1]")
SOLVED = answer("grid", RIGHT)
NOTHING = "I have no idea."


class Context:
    """The model says one answer after another, half of it at a time. `done` iterations were answered before."""

    owner = Owner("o", "u")
    run = "run_1"
    clock: Any = None
    documents: Any = None

    def __init__(self, *answers: str, before: Sequence[ev.Event] = (), model: str = "m", **asked: Any) -> None:
        self.request = RunRequest(model, workflow="solver", input={"task_id": TASK, **asked})
        self.before = before
        self._answers = answers
        self._done = sum(isinstance(each, ev.Iteration) and each.data["state"] == "done" for each in before)
        self._calls = sum(isinstance(each, ev.Call) for each in before)
        self.asked: list[GenerationRequest] = []
        self.roles: list[ev.Role] = []
        self.result: Any = None

    async def generate(self, request: GenerationRequest, *, role: ev.Role = "answer") -> AsyncIterator[list[ev.Event]]:
        text = self._answers[self._done + len(self.asked)]
        self.asked.append(request)
        self.roles.append(role)
        number = self._calls + len(self.asked)
        yield [ev.Call(number, role, "simulated" if request.model == "simulated" else "p", "m")]
        yield [ev.Reasoning("Hm.", 0, number)]
        yield [ev.Chunk(text[: len(text) // 2], 0, number)]
        yield [ev.Chunk(text[len(text) // 2 :], 0, number)]

    def set_result(self, value: object) -> None:
        self.result = msgspec.json.decode(msgspec.json.encode(value), type=SolverResult)


@pytest.fixture
async def solver() -> AsyncIterator[Solver]:
    made = Solver(Sandbox(Limits(call_s=0.3), processes=1))
    yield made
    await made.close()


async def solved(solver: Solver, context: Context) -> list[ev.Event]:
    return [event async for events in solver.run(cast(RunContext, context)) for event in events]


def iterations(events: Sequence[ev.Event]) -> list[ev.Iteration]:
    return [event for event in events if isinstance(event, ev.Iteration) and event.data["state"] == "done"]


async def test_it_searches_until_a_program_is_right(solver: Solver) -> None:
    context = Context(WRONG, NOTHING, SOLVED, WRONG)
    events = await solved(solver, context)
    assert [len(each.data["programs"]) for each in iterations(events)] == [2, 0, 2]
    result: SolverResult = context.result
    assert (result.verdict, result.stopped, result.iterations, result.correct_tests) == ("solved", "perfect", 3, 1)
    assert result.best is not None
    assert (result.best.iteration, result.best.code) == (3, f"def transform(grid):\n    return {RIGHT}")
    assert result.tests[0].predicted == result.tests[0].truth
    assert context.roles == ["internal"] * 3


async def test_each_prompt_shows_how_far_the_programs_before_came(solver: Solver) -> None:
    context = Context(WRONG, NOTHING, SOLVED)
    await solved(solver, context)
    prompts = [str(request.messages[-1].content) for request in context.asked]
    assert "have been tried" not in prompts[0]
    assert "return grid[::-1]" in prompts[1]
    assert "had no program in it" not in prompts[1]
    assert "return grid[::-1]" in prompts[2]
    assert "had no program in it" in prompts[2]


async def test_its_phases_scores_and_state_are_told_in_order(solver: Solver) -> None:
    events = await solved(solver, Context(WRONG, SOLVED, iterations=2))
    assert isinstance(events[0], ev.Context)
    assert events[0].context["search"]["iterations"] == 0
    states = [event.state for event in events if isinstance(event, ev.Status)]
    assert states == ["asking", "running", "asking", "running", "testing"]
    progress = [event.progress for event in events if isinstance(event, ev.Status)]
    assert progress == [0, 0.25, 0.5, 0.75, 1]
    lines = [event.message for event in events if isinstance(event, ev.Log)]
    assert lines[0].startswith("Iteration 1 of 2, program 1: 0 of 4 pairs right, ")
    assert "Iteration 2 of 2: the best program so far: 4 of 4 pairs right, 100% of the cells." in lines
    assert lines[-1] == "The puzzle is solved. Right tests: 1 of 1."
    # what a snapshot shows of it is where it stands at the end
    records = [ev.Record(seq, 0, event) for seq, event in enumerate(events, 1)]
    snapshot = fold(records)
    assert snapshot.state["context"]["search"]["fits"] is True
    assert snapshot.text == ""


async def test_what_the_simulated_model_said_in_anothers_place_is_told_as_simulated(solver: Solver) -> None:
    class FallingBack(Context):
        async def generate(
            self, request: GenerationRequest, *, role: ev.Role = "answer"
        ) -> AsyncIterator[list[ev.Event]]:
            async for events in super().generate(request, role=role):
                for event in events:
                    if isinstance(event, ev.Call):
                        yield [event, ev.Attempt(event.call, 2, "SERVER", "simulated", "simulated")]
                    else:
                        yield [event]

    context = FallingBack(SOLVED)
    await solved(solver, context)
    assert context.result.simulated
    plain = Context(SOLVED)
    await solved(solver, plain)
    assert not plain.result.simulated


@pytest.mark.parametrize(
    ("answers", "verdict"), [([WRONG, WRONG], "partial"), ([NOTHING, NOTHING], "none"), ([NOTHING, WRONG], "partial")]
)
async def test_it_ends_after_so_many_iterations(solver: Solver, answers: list[str], verdict: str) -> None:
    context = Context(*answers, iterations=2)
    await solved(solver, context)
    assert (context.result.verdict, context.result.stopped, len(context.asked)) == (verdict, "iterations", 2)
    assert context.result.correct is False


async def cut_in_the_second_call(solver: Solver, context: Context) -> list[ev.Event]:
    """What the search says until the model writes for the second time, where it is ended."""
    events: list[ev.Event] = []
    async for each in cast(AsyncGenerator[list[ev.Event], None], solver.run(cast(RunContext, context))):
        events += each
        if len(context.asked) == 2:
            return events
    raise AssertionError("there was no second call")


async def test_one_that_is_ended_before_it_is_over_has_the_best_program_so_far_as_its_result(solver: Solver) -> None:
    context = Context(WRONG, SOLVED)
    await cut_in_the_second_call(solver, context)
    result: SolverResult = context.result
    assert (result.stopped, result.verdict, result.iterations, result.programs) == ("cut", "partial", 1, 2)
    assert result.best is not None
    assert result.best.iteration == 1
    # and what that one makes of the tests
    assert [(test.predicted is None, test.correct, test.error) for test in result.tests] == [(False, False, None)]


async def test_one_that_is_ended_while_the_tests_are_answered_says_so(solver: Solver) -> None:
    class NoTests(Sandbox):
        async def run(self, source: str, grids: Sequence[Grid], owner: Hashable = None) -> list[Outcome]:
            if len(grids) == 1:
                raise asyncio.CancelledError
            return await solver._sandbox.run(source, grids, owner)

    context = Context(WRONG, SOLVED)
    with pytest.raises(asyncio.CancelledError):
        await solved(Solver(NoTests(processes=1)), context)
    result: SolverResult = context.result
    assert (result.stopped, result.iterations, result.correct_tests) == ("cut", 1, 0)
    assert [test.error for test in result.tests] == ["The search was ended before the program was tried on it."]


async def test_one_that_is_ended_before_it_has_a_program_has_no_result(solver: Solver) -> None:
    context = Context(NOTHING, SOLVED)
    await cut_in_the_second_call(solver, context)
    assert context.result is None


async def test_one_that_is_taken_up_has_at_once_what_was_found_before(solver: Solver) -> None:
    context = Context(WRONG, SOLVED)
    before = await cut_in_the_second_call(solver, context)
    again = Context(WRONG, SOLVED, before=before)
    async for _ in solver.run(cast(RunContext, again)):
        if again.asked:
            break
    assert again.result == context.result


async def test_one_that_is_taken_up_where_no_sandbox_can_be_had_keeps_what_was_found(solver: Solver) -> None:
    class NoSandbox(Sandbox):
        async def open(self) -> None:
            raise UnavailableError("There is none.")

    context = Context(WRONG, SOLVED)
    before = await cut_in_the_second_call(solver, context)
    assert context.result.tests[0].predicted is not None
    (found,) = iterations(before)
    results: list[SolverResult] = []
    for cut in range(before.index(found) + 1, len(before) + 1):
        again = Context(WRONG, SOLVED, before=before[:cut])
        events: list[ev.Event] = []
        with pytest.raises(UnavailableError):
            async for each in Solver(NoSandbox(processes=1)).run(cast(RunContext, again)):
                events += each
        told = [each.context["result"] for each in (*before[:cut], *events) if isinstance(each, ev.Context)]
        assert again.result == msgspec.convert(told[-1], SolverResult)
        assert again.result.best == context.result.best
        results.append(again.result)
    assert results[-1] == context.result


async def test_no_more_programs_are_tried_than_were_asked_for(solver: Solver) -> None:
    events = await solved(solver, Context(answer("grid", "grid[::-1]", RIGHT), programs=2, iterations=1))
    (iteration,) = iterations(events)
    assert len(iteration.data["programs"]) == 2
    assert iteration.data["left_out"] == 1


async def test_half_a_surrogate_pair_in_a_program_is_no_end_of_the_search(solver: Solver) -> None:
    context = Context(answer("'\ud83d'"), SOLVED)
    (first, _) = iterations(await solved(solver, context))
    assert first.data["programs"][0]["code"].endswith("return '\ufffd'")
    assert context.result.verdict == "solved"


async def test_what_an_attempt_has_superseded_is_not_read(solver: Solver) -> None:
    class Failing(Context):
        async def generate(
            self, request: GenerationRequest, *, role: ev.Role = "answer"
        ) -> AsyncIterator[list[ev.Event]]:
            yield [ev.Call(1, role, "p", "m")]
            yield [ev.Chunk(answer("grid"), 0, 1)]
            yield [ev.Attempt(1, 2, "NETWORK", "p", "m", supersedes_from=2)]
            yield [ev.Chunk(SOLVED, 0, 1)]

    (iteration, *_) = iterations(await solved(solver, Failing(iterations=1)))
    assert len(iteration.data["programs"]) == 2


@pytest.mark.slow
async def test_wherever_it_was_cut_it_goes_on_from_the_last_finished_iteration(solver: Solver) -> None:
    """No call of a finished iteration is made again, and what comes of it is the same."""
    answers = [WRONG, NOTHING, answer(RIGHT + "[:1]"), SOLVED]
    whole = Context(*answers)
    log = await solved(solver, whole)
    for cut in range(len(log)):
        before = [ev.decode_record(ev.encode_record(seq, 0, event)).event for seq, event in enumerate(log[:cut], 1)]
        finished = len(iterations(before))
        context = Context(*answers, before=before)
        events = await solved(solver, context)
        assert len(context.asked) == len(answers) - finished
        assert iterations([*before, *events]) == iterations(log)
        assert context.result == whole.result
        begun = sum(isinstance(each, ev.Call) for each in before)
        withdrawn = [each for each in events if isinstance(each, ev.Attempt)]
        # the call of the iteration that was cut says no more
        assert len(withdrawn) == begun - finished
        assert isinstance(events[0], ev.Attempt | ev.Log) == bool(before)


async def test_a_cancel_ends_a_program_in_the_middle() -> None:
    solver = Solver(Sandbox(Limits(call_s=600, program_s=600), processes=1))
    endless = "```python\ndef transform(grid):\n    while True: pass\n```"
    running = asyncio.Event()

    async def search() -> None:
        async for events in solver.run(cast(RunContext, Context(endless))):
            if any(isinstance(event, ev.Status) and event.state == "running" for event in events):
                running.set()

    work = asyncio.create_task(search())
    await running.wait()
    work.cancel()
    with pytest.raises(asyncio.CancelledError):
        await work
    # there is one process: it can not be held by the program that was cut
    context = Context(SOLVED)
    await solved(solver, context)
    assert context.result.verdict == "solved"
    await solver.close()


async def test_its_programs_wait_among_those_of_its_owner() -> None:
    owners: list[Hashable] = []

    class Noting(Sandbox):
        async def run(self, source: str, grids: Sequence[Grid], owner: Hashable = None) -> list[Outcome]:
            owners.append(owner)
            return await super().run(source, grids, owner)

    solver = Solver(Noting(Limits(call_s=0.3), processes=1))
    await solved(solver, Context(SOLVED))
    assert owners == [Context.owner] * 3
    await solver.close()


async def test_without_a_sandbox_no_model_is_asked(solver: Solver, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sandbox_launcher, "_DISTRIBUTION", "no-such-distribution")
    context = Context(SOLVED)
    with pytest.raises(UnavailableError):
        await solved(solver, context)
    assert context.asked == []


async def test_only_the_simulated_model_is_told_what_to_say(solver: Solver) -> None:
    other, simulated = Context(SOLVED), Context(SOLVED, model="simulated")
    await solved(solver, other)
    await solved(solver, simulated)
    assert other.asked[0].settings == Settings()
    assert "def transform(grid)" in simulated.asked[0].settings.extra["simulated"]["says"]
    assert (other.result.simulated, simulated.result.simulated) == (False, True)


# ── what is refused ─────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize(
    "given",
    [
        None,
        [],
        {},
        {"task_id": 7},
        {"task_id": "3C9B0459"},
        {"task_id": TASK, "iterations": 0},
        {"task_id": TASK, "iterations": 21},
        {"task_id": TASK, "iterations": 1.5},
        {"task_id": TASK, "programs": 6},
        {"task_id": TASK, "other": 1},
    ],
)
def test_other_input_is_refused(given: Any) -> None:
    schema = InputSchema(Solver.input_schema)
    schema.check({"task_id": TASK, "iterations": 20, "programs": 1})
    with pytest.raises(BadRequestError):
        schema.check(given)


def test_messages_are_refused(solver: Solver) -> None:
    request = RunRequest("m", workflow="solver", input={"task_id": TASK})
    solver.check(request)
    with pytest.raises(BadRequestError) as refused:
        solver.check(msgspec.convert({**msgspec.to_builtins(request), "messages": [{"role": "user"}]}, RunRequest))
    assert refused.value.extra == {"pointer": "/messages"}


@pytest.mark.parametrize("settings", [Settings(json_schema={}), Settings(json_object=True)])
def test_another_form_of_the_answers_is_refused(solver: Solver, settings: Settings) -> None:
    request = RunRequest("m", workflow="solver", input={"task_id": TASK}, settings=settings)
    with pytest.raises(BadRequestError):
        solver.check(request)


async def test_a_puzzle_that_there_is_not_is_refused(solver: Solver) -> None:
    await solved(solver, Context(SOLVED))
    with pytest.raises(NotFoundError) as refused:
        solver.check(RunRequest("m", workflow="solver", input={"task_id": "00000000"}))
    assert refused.value.extra == {"pointer": "/input/task_id"}


async def test_a_whole_number_may_be_written_as_json_schema_lets_it(solver: Solver) -> None:
    context = Context(WRONG, WRONG, iterations=1.0)
    InputSchema(Solver.input_schema).check(context.request.input)
    solver.check(context.request)
    events = await solved(solver, context)
    assert context.result.iterations == 1
    assert len(solver.documents(ended(context, events, RunState.COMPLETED, complete(None)))) == 1


# ── what is stored ──────────────────────────────────────────────────────────────────────────────


def ended(context: Context, events: Sequence[ev.Event], state: RunState, last: ev.Event) -> EndedRun:
    records = [ev.Record(seq, 0, event) for seq, event in enumerate([*events, last], 1)]
    result = last.result if isinstance(last, ev.Complete) else None
    return EndedRun(context.run, context.owner, context.request, state, fold(records), result, 1_000, 3_000)


def complete(result: Any) -> ev.Complete:
    return ev.Complete("stop", Usage(), result=result)


async def test_a_search_is_stored_with_its_result(solver: Solver) -> None:
    context = Context(WRONG, SOLVED)
    events = await solved(solver, context)
    result = msgspec.to_builtins(context.result)
    (document,) = solver.documents(ended(context, events, RunState.COMPLETED, complete(result)))
    assert (document.collection, document.key, document.run) == (COLLECTION, "run_1", "run_1")
    assert document.words == {"task": TASK, "model": "m", "state": "completed", "verdict": "solved"}
    stored = msgspec.convert(document.body, StoredSolution)
    assert stored.result == context.result
    assert (stored.partial, stored.error, stored.created_at_ms, stored.ended_at_ms) == (False, None, 1_000, 3_000)


async def test_of_a_search_that_was_cut_what_it_had_found_is_stored(solver: Solver) -> None:
    context = Context(WRONG, SOLVED)
    events = await cut_in_the_second_call(solver, context)
    last = ev.Cancelled("user", partial_bytes=0, result=msgspec.to_builtins(context.result))
    (document,) = solver.documents(ended(context, events, RunState.CANCELLED, last))
    assert document.words == {"task": TASK, "model": "m", "state": "cancelled", "verdict": "partial"}
    stored = msgspec.convert(document.body, StoredSolution)
    assert stored.error is not None
    assert stored.search is not None
    assert (stored.partial, stored.error.code, stored.search.iterations) == (True, "CANCELLED", 1)
    assert stored.result == context.result


def test_one_that_never_began_is_stored_too(solver: Solver) -> None:
    failed = ev.Error("INTERRUPTED", "Stopped.", retryable=True)
    (document,) = solver.documents(ended(Context(), [], RunState.FAILED, failed))
    stored = msgspec.convert(document.body, StoredSolution)
    assert stored.error is not None
    assert (stored.error.code, stored.search, stored.result) == ("INTERRUPTED", None, None)
