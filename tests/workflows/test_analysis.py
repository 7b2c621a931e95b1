"""A puzzle shown to a model: what it is asked, what is told of its answer, and what is made of it."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator, Sequence
from typing import Any

import msgspec
import pytest

from headwater.domain import event as ev
from headwater.domain.message import GenerationRequest, Message, Settings
from headwater.domain.run import LOCAL_OWNER, RunRequest
from headwater.domain.snapshot import Fold, Snapshot
from headwater.errors import BadRequestError, NotFoundError, ProviderError, Truncated
from headwater.providers.simulated import Simulated
from headwater.workflows.analysis import Analysis
from headwater.workflows.arc import tasks
from headwater.workflows.arc.schema import answer_schema
from headwater.workflows.arc.verdict import AnalysisResult
from headwater.workflows.contract import Workflow

TASK = "007bbfb7"
PLAIN = Settings()
AT_ONCE = Settings(extra={"simulated": {"delay_ms": 0}})


def asked(model: str = "m", settings: Settings = PLAIN, **more: Any) -> RunRequest:
    return RunRequest(model, workflow="analysis", input={"task_id": TASK, **more}, settings=settings)


class Context:
    """Answers one call with these pieces and notes how it was asked."""

    run = "run_" + "0" * 32
    owner = LOCAL_OWNER
    documents: Any = None
    clock: Any = None

    def __init__(self, request: RunRequest, *pieces: str, failure: ProviderError | None = None) -> None:
        self.request = request
        self.before: Sequence[ev.Event] = ()
        self.asked: list[GenerationRequest] = []
        self.result: Any = None
        self.able: tuple[str, ...] = ("json_schema",)
        self._pieces = pieces
        self._failure = failure

    def can(self, capability: str) -> bool:
        return capability in self.able

    async def generate(self, request: GenerationRequest, *, role: ev.Role = "answer") -> AsyncIterator[list[ev.Event]]:
        assert role == "answer"
        self.asked.append(request)
        yield [ev.Call(1, "answer", "p", "m-1")]
        for piece in self._pieces:
            yield [ev.Chunk(piece, 0)]
        if self._failure is not None:
            raise self._failure

    def set_result(self, value: object) -> None:
        self.result = json.loads(json.dumps(value))


class SimulatedContext(Context):
    """The simulated model's own words."""

    async def generate(self, request: GenerationRequest, *, role: ev.Role = "answer") -> AsyncIterator[list[ev.Event]]:
        yield [ev.Call(1, "answer", "simulated", "simulated")]
        async for items in Simulated().stream(request, connect_s=None):
            yield [item for item in items if isinstance(item, ev.Chunk | ev.Reasoning)]


async def told(context: Context) -> list[ev.Event]:
    return [event async for events in Analysis().run(context) for event in events]


def folded(events: list[ev.Event]) -> Snapshot:
    fold = Fold()
    fold.apply_all(ev.Record(seq, seq, event) for seq, event in enumerate(events, 1))
    return fold.snapshot()


def result_in(context: Context) -> AnalysisResult:
    return msgspec.convert(context.result, AnalysisResult)


async def right_answer() -> dict[str, Any]:
    task = await tasks.find(TASK)
    return {"patternDescription": "Rule", "predictedOutput": task.test[0].output, "confidence": 0.9}


async def test_the_model_is_asked_for_the_puzzles_own_form() -> None:
    context = Context(asked(settings=Settings(temperature=0.5)), json.dumps(await right_answer()))
    await told(context)
    (request,) = context.asked
    assert (request.model, request.settings.temperature) == ("m", 0.5)
    assert request.settings.json_schema == answer_schema(1)
    assert [message.role for message in request.messages] == ["system", "user"]
    # only the simulated model is told what to say
    assert request.settings.extra == {}


@pytest.mark.parametrize(("structured", "able"), [(False, ("json_schema",)), (True, ())])
async def test_a_model_that_takes_no_schema_is_told_in_words(structured: bool, able: tuple[str, ...]) -> None:
    context = Context(asked(structured=structured, prompt="Think hard."), json.dumps(await right_answer()))
    context.able = able
    await told(context)
    assert context.asked[0].settings.json_schema is None
    assert str(context.asked[0].messages[0].content).startswith("Think hard.")
    assert result_in(context).correct


async def test_what_is_known_is_told_in_order_and_judged_at_the_end() -> None:
    text = json.dumps(await right_answer())
    context = Context(asked(), *[text[at : at + 7] for at in range(0, len(text), 7)])
    events = await told(context)
    first = events[0]
    assert isinstance(first, ev.Context)
    task = await tasks.find(TASK)
    assert first.context["task"]["tests"] == [pair._asdict() for pair in task.test]
    assert set(first.context["prompt"]) == {"system", "user"}
    rows = [event for event in events if isinstance(event, ev.Field) and event.path.startswith("/predictedOutput/")]
    assert [row.value for row in rows] == task.test[0].output
    assert folded(events).value == await right_answer()
    result = result_in(context)
    assert (result.correct, result.confidence, result.trustworthiness, result.model) == (True, 90, 0.99, "m")
    assert (result.task_id, result.set, result.simulated) == (TASK, task.set, False)


@pytest.mark.parametrize(
    ("pieces", "note"),
    [
        (["```json\n", '{"predictedOutput": [[1]]}', "\n```"], "The JSON was mended (fence)."),
        (["I can not."], "There is no JSON in the answer."),
        (['{"predictedOutput": [[1],'], "The answer ends in the middle of its JSON."),
        ([], "There is no grid for test 1."),
    ],
)
async def test_what_had_to_be_read_with_good_will_is_noted(pieces: list[str], note: str) -> None:
    context = Context(asked(), *pieces)
    await told(context)
    assert note in result_in(context).notes
    assert result_in(context).correct is False


async def test_one_that_was_shown_the_answer_is_not_judged() -> None:
    context = Context(asked(include_answer=True), json.dumps(await right_answer()))
    await told(context)
    assert "Test 1, output" in str(context.asked[0].messages[1].content)
    result = result_in(context)
    assert (result.correct, result.trustworthiness, result.tests[0].correct) == (None, None, True)


async def test_a_failure_is_the_runs() -> None:
    context = Context(asked(), '{"predictedOutput": [[1],', failure=Truncated(provider="p"))
    with pytest.raises(Truncated):
        await told(context)
    assert context.result is None


@pytest.mark.parametrize(
    ("outcome", "correct", "found_in"),
    [("right", True, "predictedOutput"), ("wrong", False, "predictedOutput"), ("malformed", False, "prose")],
)
async def test_the_simulated_model_answers_as_it_is_told(outcome: str, correct: bool, found_in: str) -> None:
    context = SimulatedContext(asked("simulated", AT_ONCE, simulated=outcome))
    events = await told(context)
    result = result_in(context)
    assert (result.correct, result.tests[0].found_in, result.simulated) == (correct, found_in, True)
    assert folded(events).reasoning.startswith("Simulated answer:")
    assert folded(events).text.count("Simulated answer:") >= 1


async def test_without_being_told_it_answers_by_its_seed() -> None:
    results = []
    for seed in (1, 1, 2, 3, 4, 5, 6, 7, 8):
        context = SimulatedContext(asked("simulated", msgspec.structs.replace(AT_ONCE, seed=seed)))
        await told(context)
        results.append(context.result)
    assert results[0] == results[1]
    assert len({json.dumps(result) for result in results}) > 2


def test_it_is_called_after_its_puzzle() -> None:
    assert Analysis().title_of(asked()) == f"Analysis of {TASK}"


def test_it_takes_a_puzzle_and_no_messages() -> None:
    workflow: Workflow = Analysis()
    workflow.check(asked())
    messages = msgspec.structs.replace(asked(), messages=[Message("user", "Hi")])
    for request in (messages, asked(settings=Settings(json_object=True)), asked(settings=Settings(json_schema={}))):
        with pytest.raises(BadRequestError):
            workflow.check(request)


async def test_a_puzzle_that_is_none_is_refused_by_its_place() -> None:
    await tasks.find(TASK)
    with pytest.raises(NotFoundError) as refused:
        Analysis().check(RunRequest("m", workflow="analysis", input={"task_id": "00000000"}))
    assert refused.value.extra == {"pointer": "/input/task_id"}
    with pytest.raises(NotFoundError):
        await told(Context(RunRequest("m", workflow="analysis", input={"task_id": "00000000"})))
