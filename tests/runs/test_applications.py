"""Applications over a crash: they go on by themselves from their log, and what they keep is stored exactly once."""

from __future__ import annotations

import sys
from collections.abc import AsyncIterator, Callable, Sequence
from typing import Any, ClassVar

import pytest

from headwater.domain import event as ev
from headwater.domain.document import Document
from headwater.domain.message import GenerationRequest, Message, Usage
from headwater.domain.run import LOCAL_OWNER, RunRequest, RunState
from headwater.domain.snapshot import Snapshot, fold
from headwater.runs.recovery import Recovered
from headwater.runs.takeover import TAKEOVERS_MAX
from headwater.storage.memory_medium import MemoryMedium
from headwater.workflows.contract import EndedRun, RunContext, Workflow
from headwater.workflows.taking_up import withdrawn
from tests.runs.scene import Scene, pause, virtual, words

STEPS = 3
#: Three seconds for each call.
SAID = words("a", "b", "c", every_s=1.0, usage=Usage(1, 0, 3))


class Search(Workflow):
    """So many steps, each one call; goes on from the last step that was finished."""

    name = "search"
    takes_up = True
    input_schema: ClassVar = {"type": "object"}

    def __init__(self) -> None:
        self.before: list[int] = []

    async def run(self, context: RunContext) -> AsyncIterator[list[ev.Event]]:
        self.before.append(len(context.before))
        done = [place for place, event in enumerate(context.before, 1) if isinstance(event, ev.Iteration)]
        if context.before:
            yield withdrawn(context.before, done[-1] if done else 0)
        for number in range(len(done) + 1, STEPS + 1):
            request = GenerationRequest(context.request.model, [Message("user", f"step {number}")])
            async for events in context.generate(request):
                yield events
            yield [ev.Iteration(number)]
        context.set_result({"steps": STEPS})

    def result_so_far(self, request: RunRequest, snapshot: Snapshot) -> object:
        assert snapshot.text
        return {"steps": len(snapshot.text) // len("abc")}

    def documents(self, ended: EndedRun) -> Sequence[Document]:
        return [Document("searches", ended.run, [ended.state.value, ended.snapshot.text], run=ended.run)]


async def kept(scene: Scene) -> list[Any]:
    return [each.body for each in (await scene.storage.documents.list(LOCAL_OWNER, "searches")).documents]


async def crashed(after_s: float, medium: MemoryMedium | None = None, *, cancel: bool = False) -> MemoryMedium:
    """A search that was cut after so long; on a `medium`, the one that is there is taken up and cut again."""
    async with Scene(SAID, medium=medium, workflows={"search": Search()}) as scene:
        if medium is None:
            await scene.submit(workflow="search", input={})
        else:
            scene.supervisor.take_up((await scene.supervisor.recover()).taken_up)
        await pause(after_s)
        if cancel:
            for name in scene.storage.medium.runs:
                await scene.storage.runs.request_cancel(name, "user")
        scene.storage.crash()
        return scene.storage.medium


@pytest.mark.parametrize(("cut_s", "calls_again"), [(1.5, 3), (4.5, 2), (7.5, 1)])
@virtual
async def test_a_search_goes_on_from_its_last_step(cut_s: float, calls_again: int) -> None:
    medium = await crashed(cut_s)
    (name,) = medium.runs
    before = list(medium.logs[name].records)
    workflow = Search()
    async with Scene(SAID, medium=medium, workflows={"search": workflow}) as scene:
        recovered = await scene.supervisor.recover()
        assert recovered == Recovered(taken_up=recovered.taken_up)
        scene.supervisor.take_up(recovered.taken_up)
        records = await scene.end_of(name)
        assert medium.logs[name].records[: len(before)] == before, "what was seen stays"
        assert workflow.before == [len(before)]
        assert len(scene.listener.calls) == calls_again
        calls = [record.event.call for record in records if isinstance(record.event, ev.Call)]
        assert calls == [*range(1, 1 + len(calls))]
        assert len(calls) == STEPS + 1
        steps = [record.event.number for record in records if isinstance(record.event, ev.Iteration)]
        assert steps == [1, 2, 3]
        snapshot = fold(records)
        assert snapshot.text == "abc" * STEPS, "nothing twice, nothing by halves"
        complete = records[-1].event
        assert isinstance(complete, ev.Complete)
        # three whole calls, and what the cut one had put out
        assert complete.usage.output_tokens > STEPS * 3
        assert scene.row(name).snapshot == snapshot
        assert await kept(scene) == [["completed", "abc" * STEPS]]


@virtual
async def test_it_is_taken_up_so_often_at_most() -> None:
    medium = await crashed(1.5)
    (name,) = medium.runs
    for _ in range(TAKEOVERS_MAX):
        medium = await crashed(1.5, medium)
    async with Scene(SAID, medium=medium, workflows={"search": Search()}) as scene:
        assert await scene.supervisor.recover() == Recovered(interrupted=1)
        assert scene.error(name).code == "INTERRUPTED"
        assert await kept(scene) == [["failed", "a"]]


@virtual
async def test_a_cancel_comes_before_going_on() -> None:
    medium = await crashed(4.5, cancel=True)
    async with Scene(SAID, medium=medium, workflows={"search": Search()}) as scene:
        assert await scene.supervisor.recover() == Recovered(cancelled=1)
        assert await kept(scene) == [["cancelled", "abca"]]


@virtual
async def test_its_time_counts_over_the_crash() -> None:
    medium = await crashed(4.5)
    (name,) = medium.runs
    await pause(1000.0)
    async with Scene(SAID, medium=medium, workflows={"search": Search()}) as scene:
        assert await scene.supervisor.recover() == Recovered(expired=1)
        assert (scene.error(name).code, scene.error(name).phase) == ("TIMEOUT", "total")
        assert scene.error(name).result == {"steps": 1}
        kept_result = scene.row(name).snapshot
        assert kept_result is not None
        assert kept_result.result == {"steps": 1}


class Faulty(Search):
    """Has no word for what it had come to."""

    def __init__(self, makes: Callable[[], object]) -> None:
        super().__init__()
        self._makes = makes

    def result_so_far(self, request: RunRequest, snapshot: Snapshot) -> object:
        return self._makes()


@pytest.mark.parametrize("makes", [lambda: 1 / 0, lambda: sys.exit(1), object, lambda: "x" * 100_000])
@virtual
async def test_a_run_has_its_end_whatever_its_application_makes_of_it(makes: Callable[[], object]) -> None:
    medium = await crashed(4.5)
    (name,) = medium.runs
    await pause(1000.0)
    async with Scene(SAID, medium=medium, workflows={"search": Faulty(makes)}) as scene:
        assert await scene.supervisor.recover() == Recovered(expired=1)
        assert (scene.error(name).code, scene.error(name).result) == ("TIMEOUT", None)
        assert await kept(scene) == [["failed", "abca"]]


@virtual
async def test_what_is_kept_is_stored_once_where_the_crash_came_before_the_row() -> None:
    async with Scene(SAID, workflows={"search": Search()}) as scene:
        run = await scene.submit(workflow="search", input={})

        async def finish(*_: Any, **__: Any) -> None:
            scene.storage.crash()

        scene.storage.runs.finish = finish  # type: ignore[method-assign]
        await pause(20.0)
        medium = scene.storage.medium
    assert medium.runs[run.id].state is RunState.RUNNING
    async with Scene(medium=medium, workflows={"search": Search()}) as scene:
        assert await kept(scene) == []
        assert await scene.supervisor.recover() == Recovered(repaired=1)
        assert await kept(scene) == [["completed", "abc" * STEPS]]
        assert await scene.supervisor.recover() == Recovered()
        await scene.supervisor.delete(run.id, LOCAL_OWNER)
        assert await kept(scene) == []


@virtual
async def test_a_run_whose_workflow_is_gone_ends_and_keeps_nothing() -> None:
    medium = await crashed(4.5)
    (name,) = medium.runs
    async with Scene(medium=medium) as scene:
        assert await scene.supervisor.recover() == Recovered(interrupted=1)
        assert scene.error(name).code == "INTERRUPTED"
        assert await kept(scene) == []


@virtual
async def test_a_workflow_that_can_not_say_what_is_kept_does_not_keep_a_start_from_others() -> None:
    class Broken(Search):
        def documents(self, ended: EndedRun) -> Sequence[Document]:
            raise LookupError("x")

    medium = await crashed(4.5, cancel=True)
    (name,) = medium.runs
    async with Scene(medium=medium, workflows={"search": Broken()}) as scene:
        assert await scene.supervisor.recover() == Recovered(cancelled=1)
        assert isinstance(scene.final(name), ev.Cancelled)
        assert scene.row(name).state is RunState.CANCELLED
