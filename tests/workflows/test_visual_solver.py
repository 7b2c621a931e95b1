"""The visual solver on a real server: the pictures that its model is sent, its phases, and what becomes of it."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import msgspec
import pytest

from headwater.domain.message import GenerationRequest
from headwater.domain.run import RunRequest
from headwater.errors import BadRequestError, NotFoundError
from headwater.testing import check_workflow
from headwater.workflows.arc import tasks
from headwater.workflows.arc.phases import phases_of
from headwater.workflows.arc.task import Grid, Task
from headwater.workflows.visual_solver import VisualSolver
from tests.acceptance.scene import SCRIPTED, Scene, until, with_upstream
from tests.kit.client import call
from tests.kit.product import Product, compatible_model
from tests.kit.upstream import Pause, Received, ScriptedUpstream, Step, chat_stream
from tests.workflows.arc.pictures import shown_to

TASK_ID = "007bbfb7"
#: Two training pairs and a test of a few cells each.
SMALL_ID = "833966f4"


def start(task_id: str = TASK_ID, model: str = SCRIPTED, **more: Any) -> dict[str, Any]:
    request = {"workflow": "visual_solver", "model": model, "input": {"task_id": task_id}}
    return {**request, **more}


async def started(product: Product, **request: Any) -> str:
    answer = await call(product.port, "POST", "/api/v1/runs", start(**request))
    assert answer.status == 201, answer.body
    return str(answer.json()["id"])


async def listed(product: Product, query: str) -> list[str]:
    answer = await call(product.port, "GET", f"/api/arc/visual-solutions?{query}")
    return [each["run"] for each in answer.json()["solutions"]]


def expected(task: Task) -> list[list[Grid]]:
    """The grids that each call is shown: those of its own phase, behind all that were shown before."""
    shown: list[list[Grid]] = [[]]
    for phase in phases_of(task):
        pair = task.test[phase.pair - 1] if phase.is_answer else task.train[phase.pair - 1]
        own = {
            "prediction": [pair.input],
            "correction": [pair.output],
            "test": [pair.input],
        }.get(phase.name, [pair.input, pair.output])
        shown.append([*shown[-1], *own])
    return shown[1:]


def answer_to(task: Task, place: int) -> str:
    """What is said in a phase: the right grid where one is asked for."""
    phase = phases_of(task)[place]
    text = f"Phase {place + 1}. "
    if phase.name == "prediction":
        return text + json.dumps(task.train[phase.pair - 1].output)
    if phase.is_answer:
        answer = {"patternDescription": "A fractal.", "solvingStrategy": "Copy it.", "hints": ["Look."]}
        return json.dumps({**answer, "predictedOutput": task.test[phase.pair - 1].output, "confidence": 90})
    return text


def said_to(task: Task, asked: GenerationRequest) -> str:
    return answer_to(task, sum(message.role == "assistant" for message in asked.messages))


class Model:
    """A scripted model that answers each phase by what it is shown, and may wait before one of them."""

    def __init__(self, task: Task, gate: asyncio.Event | None = None, waits_at: int = 0) -> None:
        self._task = task
        self._gate = gate
        self._waits_at = waits_at
        self._asked = 0

    def __call__(self, received: Received) -> Iterable[Step]:
        self._asked += 1
        if self._gate is not None and self._asked == self._waits_at:
            return [*chat_stream(["Half ", "of "])[:3], Pause(self._gate)]
        text = answer_to(self._task, sum(message["role"] == "assistant" for message in received.json["messages"]))
        return chat_stream([text[: len(text) // 2], text[len(text) // 2 :]])


async def stored(product: Product, run: str) -> Any:
    answer = await call(product.port, "GET", f"/api/arc/visual-solutions/{run}")
    assert answer.status == 200, answer.body
    return answer.json()


@pytest.mark.slow
async def test_a_model_is_shown_the_puzzle_phase_by_phase(data_dir: Path) -> None:
    task = await tasks.find(TASK_ID)
    plan = phases_of(task)
    async with ScriptedUpstream(Model(task)) as upstream, with_upstream(data_dir, upstream) as product:
        run = await started(product)
        records = await Scene(product).records(run)
        asked = [received.json for received in upstream.requests]

        async def is_found() -> bool:
            return await listed(product, f"task={TASK_ID}&correct=true") == [run]

        # The document comes with the run's row, which is written behind the final record.
        await until(is_found, "the run among those that were right")
        assert await listed(product, "correct=false") == []
        body = await stored(product, run)
    assert [shown_to(request) for request in asked] == expected(task)
    # a schema for the answers to the tests, and for nothing else
    assert ["response_format" in request for request in asked] == [phase.is_answer for phase in plan]

    calls = [record.data for record in records if record.type == "call"]
    assert [each["role"] for each in calls] == ["answer" if phase.is_answer else "internal" for phase in plan]
    steps = [record.data for record in records if record.type == "iteration"]
    assert [(step["number"], step["data"]["state"]) for step in steps] == [
        (number, state) for number in range(1, len(plan) + 1) for state in ("asking", "done")
    ]
    assert [step["data"]["phase"] for step in steps[1::2]] == [phase.name for phase in plan]
    assert steps[3]["data"]["correct"] is True
    assert any(record.type == "field" and record.data["path"].startswith("/predictedOutput") for record in records)

    result = records[-1].data["result"]
    assert (records[-1].type, result["correct"], result["correct_tests"]) == ("complete", True, len(task.test))
    assert (result["simulated"], result["confidence"], result["pattern_description"]) == (False, 90, "A fractal.")
    assert (body["state"], body["partial"], body["result"]) == ("completed", False, result)
    assert [each["text"].partition(".")[0] for each in body["calls"]][:3] == ["Phase 1", "Phase 2", "Phase 3"]


@pytest.mark.slow
async def test_after_a_kill_it_goes_on_from_the_last_finished_phase(data_dir: Path) -> None:
    task = await tasks.find(TASK_ID)
    plan = phases_of(task)
    gate = asyncio.Event()
    async with (
        ScriptedUpstream(Model(task, gate, waits_at=3)) as upstream,
        with_upstream(data_dir, upstream) as product,
    ):
        run = await started(product)
        await upstream.request(3)
        await product.kill()
        await product.start()
        records = await Scene(product).records(run)
        asked = [received.json for received in upstream.requests]
        body = await stored(product, run)
    # the third was cut, and is asked again with the same pictures
    shown = expected(task)
    assert [shown_to(request) for request in asked] == [*shown[:3], *shown[2:]]
    done = [
        each.data["number"] for each in records if each.type == "iteration" and each.data["data"]["state"] == "done"
    ]
    assert done == list(range(1, len(plan) + 1))
    assert (records[-1].type, records[-1].data["result"]["correct"]) == ("complete", True)
    # what the cut call had said does not count
    assert not any(each["text"].startswith("Half") for each in body["calls"])


async def test_a_model_that_takes_no_schema_is_told_in_words(data_dir: Path) -> None:
    task = await tasks.find(TASK_ID)
    async with ScriptedUpstream(Model(task)) as upstream:
        models = [compatible_model("eyes", upstream.base_url, capabilities=["text", "images"])]
        async with Product(data_dir, config={"models": models}) as product:
            run = await started(product, model="eyes")
            last = await Scene(product).end(run)
            asked = [received.json for received in upstream.requests]
    assert (last.type, last.data["result"]["correct"]) == ("complete", True)
    assert not any("response_format" in request for request in asked)
    assert "predictedOutput" in asked[-1]["messages"][-1]["content"][-1]["text"]


async def test_a_model_without_eyes_is_refused_before_there_is_a_run(data_dir: Path) -> None:
    async with ScriptedUpstream() as upstream:
        models = [compatible_model("blind", upstream.base_url, capabilities=["text", "json_schema"])]
        async with Product(data_dir, config={"models": models}) as product:
            refused = await call(product.port, "POST", "/api/v1/runs", start(model="blind"))
            runs = (await call(product.port, "GET", "/api/v1/runs")).json()["runs"]
    problem = refused.json()
    assert (refused.status, problem["code"], problem["pointer"]) == (422, "UNSUPPORTED", "/model")
    assert (runs, upstream.requests) == ([], [])


@pytest.mark.slow
@pytest.mark.parametrize(("simulated", "correct"), [("right", True), ("wrong", False), ("malformed", False)])
async def test_the_simulated_model_shows_all_of_it(data_dir: Path, simulated: str, correct: bool) -> None:
    settings = {"extra": {"simulated": {"delay_ms": 0}}}
    asked = {"task_id": TASK_ID, "simulated": simulated}
    async with Product(data_dir) as product:
        run = await started(product, model="simulated", input=asked, settings=settings)
        last = await Scene(product).end(run)
    result = last.data["result"]
    assert (last.type, result["correct"], result["simulated"]) == ("complete", correct, True)
    predictions = [phase["correct"] for phase in result["phases"] if phase["phase"] == "prediction"]
    assert predictions == [correct]


@pytest.mark.parametrize(
    ("members", "pointer"),
    [
        ({"messages": [{"role": "user", "content": "Hi"}]}, "/messages"),
        ({"settings": {"json_object": True}}, "/settings/json_schema"),
    ],
)
def test_what_is_the_workflows_own_is_refused(members: dict[str, Any], pointer: str) -> None:
    request = msgspec.convert(start(**members), RunRequest)
    with pytest.raises(BadRequestError) as refused:
        VisualSolver().check(request)
    assert refused.value.extra["pointer"] == pointer


def test_a_puzzle_that_is_none_is_refused() -> None:
    with pytest.raises(NotFoundError) as refused:
        VisualSolver().check(RunRequest(workflow="visual_solver", model="m", input={"task_id": "no puzzle"}))
    assert refused.value.extra["pointer"] == "/input/task_id"


@pytest.mark.slow
async def test_it_keeps_the_laws_of_workflows() -> None:
    task = await tasks.find(SMALL_ID)
    played = await check_workflow(
        VisualSolver(), input={"task_id": SMALL_ID}, answers=lambda asked: said_to(task, asked)
    )
    assert len(played.requests) == len(phases_of(task))
    assert played.result["correct"] is True
    (document,) = played.documents
    assert document.words["correct"] == "true"
