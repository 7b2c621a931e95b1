"""Whatever a workflow's code does, what comes of it is a typed error or a failed run, and its words stay untold."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from typing import Any, ClassVar

import pytest
import structlog

from headwater.domain import event as ev
from headwater.domain.document import Document
from headwater.domain.message import Usage
from headwater.domain.run import LOCAL_OWNER, Owner, Run, RunRequest, RunState
from headwater.errors import (
    BadRequestError,
    ConfigError,
    ErrorCode,
    NotFoundError,
    StorageFailed,
    StorageFull,
    UnavailableError,
    UnsupportedError,
    WorkflowFault,
)
from headwater.runs.hosted import TITLE_CHARS_MAX, Hosted
from headwater.storage.contract import OwnDocuments
from headwater.workflows.contract import EndedRun, RunContext, Workflow
from tests.runs.scene import Scene, pause, request, virtual

CANARY = "canary-51ab"


def fails(*_: Any) -> Any:
    raise LookupError(f"could not find {CANARY}")


def leaves(*_: Any) -> Any:
    raise SystemExit(CANARY)


class Keeps(Workflow):
    """Says a word of its own and keeps a document; any of its methods can be another's."""

    name = "keeps"
    input_schema: ClassVar = {"type": "object", "properties": {"n": {"type": "integer"}}}

    def __init__(
        self,
        *,
        check: Callable[[RunRequest], None] = lambda request: None,
        begun: Callable[[Run], Sequence[Document]] = lambda run: [],
        ended: Callable[[EndedRun], Sequence[Document]] | None = None,
        events: Sequence[Any] = ([ev.Chunk("said", 0)],),
    ) -> None:
        self._check, self._begun, self._events = check, begun, events
        self._ended = ended or (lambda ended: [Document("ends", ended.run, ended.state.value, run=ended.run)])

    def check(self, request: RunRequest) -> None:
        self._check(request)

    async def run(self, context: RunContext) -> AsyncIterator[list[ev.Event]]:
        for events in self._events:
            yield events
        context.set_result({"n": 1})

    def documents_begun(self, run: Run) -> Sequence[Document]:
        return self._begun(run)

    def documents(self, ended: EndedRun) -> Sequence[Document]:
        return self._ended(ended)


class Raises(Workflow):
    """Raises before there is anything to read."""

    name = "raises"

    def run(self, context: RunContext) -> AsyncIterator[list[ev.Event]]:
        raise LookupError(CANARY)


async def bodies(scene: Scene, collection: str = "ends") -> list[Any]:
    page = await scene.storage.documents.list(LOCAL_OWNER, collection)
    return [document.body for document in page.documents]


async def test_input_is_held_to_the_schema_before_the_workflow_is_asked() -> None:
    hosted = Hosted(Keeps(check=fails))
    for value, pointer in ((None, "/input"), ({"n": "1"}, "/input/n")):
        with pytest.raises(BadRequestError) as refused:
            hosted.check(RunRequest("m", "keeps", input=value))
        assert refused.value.extra == {"pointer": pointer}
    with pytest.raises(BadRequestError) as refused:
        Hosted(Raises()).check(RunRequest("m", "raises", input={}))
    assert refused.value.extra == {"pointer": "/input"}


class Titled(Keeps):
    """Has a title for its runs."""

    name = "titled"

    def __init__(self, title_of: Callable[[RunRequest], Any]) -> None:
        super().__init__()
        self._title_of = title_of

    def title_of(self, request: RunRequest) -> str | None:
        title: str | None = self._title_of(request)
        return title


@pytest.mark.parametrize(
    ("title", "metadata", "named"),
    [
        ("Its title", {}, {"title": "Its title"}),
        ("Its title", {"a": "b"}, {"a": "b", "title": "Its title"}),
        ("Its title", {"title": "Mine"}, {"title": "Mine"}),
        ("Its title", {"title": ""}, {"title": ""}),
        (None, {"a": "b"}, {"a": "b"}),
        ("x" * 1000, {}, {"title": "x" * TITLE_CHARS_MAX}),
        ("No room", dict.fromkeys("abcdefghijklmnop", ""), dict.fromkeys("abcdefghijklmnop", "")),
    ],
)
@virtual
async def test_a_run_that_its_caller_has_not_named_has_its_workflow_s_title(
    title: str | None, metadata: dict[str, str], named: dict[str, str]
) -> None:
    async with Scene(workflows={"titled": Titled(lambda _: title)}) as scene:
        run = await scene.submit(workflow="titled", input={}, metadata=metadata)
        assert run.request.metadata == named
        assert scene.row(run.id).request.metadata == named


@pytest.mark.parametrize("makes", [fails, lambda _: 5])
@virtual
async def test_a_title_that_is_none_is_the_workflow_s_fault(makes: Callable[[RunRequest], Any]) -> None:
    async with Scene(workflows={"titled": Titled(makes)}) as scene:
        with pytest.raises(WorkflowFault):
            await scene.submit(workflow="titled", input={})
        assert not scene.storage.medium.runs


class Follows(Raises):
    """Goes on with what its owner keeps; how that is looked for is another's."""

    name = "follows"

    def __init__(self, check_kept: Callable[[OwnDocuments], Awaitable[Any]]) -> None:
        self._check_kept = check_kept

    async def check_kept(self, request: RunRequest, kept: OwnDocuments) -> None:
        await self._check_kept(kept)


async def raises(error: BaseException) -> None:
    raise error


@pytest.mark.parametrize(
    ("error", "kind"),
    [
        (NotFoundError("No."), NotFoundError),
        (LookupError(CANARY), WorkflowFault),
        (SystemExit(CANARY), WorkflowFault),
        (StorageFailed(CANARY), UnavailableError),
    ],
)
@virtual
async def test_what_the_owner_has_not_kept_is_refused_before_there_is_a_run(
    error: BaseException, kind: type[Exception]
) -> None:
    async with Scene(workflows={"follows": Follows(lambda kept: raises(error))}) as scene:
        with structlog.testing.capture_logs() as lines, pytest.raises(kind) as refused:
            await scene.submit(workflow="follows")
        assert CANARY not in str(refused.value)
        assert CANARY not in json.dumps(lines, default=repr)
        assert not scene.storage.medium.runs


@virtual
async def test_it_is_the_caller_s_own_documents_that_are_looked_at() -> None:
    found: list[Document | None] = []

    async def look(kept: OwnDocuments) -> None:
        found.append(await kept.get("notes", "mine"))

    async with Scene(workflows={"follows": Follows(look)}) as scene:
        await scene.storage.documents.put(LOCAL_OWNER, [Document("notes", "mine", 1)])
        for owner in (LOCAL_OWNER, Owner("local", "bob")):
            await scene.supervisor.submit(request(workflow="follows"), owner)
    assert [None if each is None else each.body for each in found] == [1, None]


def test_a_schema_that_is_none_is_not_hosted() -> None:
    class Lost(Raises):
        input_schema: ClassVar = {"type": "nonsense"}

    with pytest.raises(ConfigError):
        Hosted(Lost())


def test_only_what_keeps_something_is_asked_what_is_kept() -> None:
    assert (Hosted(Keeps()).keeps, Hosted(Raises()).keeps) == (True, False)


@pytest.mark.parametrize(
    ("workflow", "kind"),
    [
        (Keeps(check=fails), WorkflowFault),
        (Keeps(begun=fails), WorkflowFault),
        (Keeps(check=leaves), WorkflowFault),
        (Keeps(begun=leaves), WorkflowFault),
        (Keeps(begun=lambda run: [Document("", "", 1)]), WorkflowFault),
        (Keeps(begun=lambda run: None), WorkflowFault),  # type: ignore[arg-type, return-value]  # as it may well be
    ],
)
@virtual
async def test_who_fails_before_the_run_refuses_it_without_a_word(workflow: Workflow, kind: type[Exception]) -> None:
    async with Scene(workflows={"keeps": workflow}) as scene:
        with structlog.testing.capture_logs() as lines, pytest.raises(kind) as refused:
            await scene.submit(workflow="keeps", input={"n": 1})
        assert not scene.storage.medium.runs
        assert not scene.provider.open
    assert isinstance(refused.value, WorkflowFault)
    assert (refused.value.code, refused.value.status) == (ErrorCode.SERVER, 500)
    assert CANARY not in json.dumps([*lines, str(refused.value)], default=repr)
    assert [line["event"] for line in lines] == ["workflow failed"]


@virtual
async def test_a_refusal_of_its_own_is_the_caller_s() -> None:
    def refuse(request: RunRequest) -> None:
        raise UnsupportedError("Not today.", pointer="/input/n")

    async with Scene(workflows={"keeps": Keeps(check=refuse)}) as scene:
        with pytest.raises(UnsupportedError, match="Not today"):
            await scene.submit(workflow="keeps", input={})


@virtual
async def test_what_is_kept_is_stored_with_the_run_s_beginning_and_end() -> None:
    def began(run: Run) -> list[Document]:
        return [Document("begins", run.id, run.request.input, run=run.id)]

    def ended(end: EndedRun) -> list[Document]:
        told = [end.state.value, end.snapshot.text, end.result, end.error, end.ended_at_ms - end.created_at_ms]
        return [Document("ends", end.run, told)]

    async with Scene(workflows={"keeps": Keeps(begun=began, ended=ended)}) as scene:
        run = await scene.submit(workflow="keeps", input={"n": 7})
        assert await bodies(scene, "begins") == [{"n": 7}]
        records = await scene.end_of(run)
        assert await bodies(scene) == [["completed", "said", {"n": 1}, None, records[-1].t]]
        assert scene.row(run).state is RunState.COMPLETED


@pytest.mark.parametrize("ended", [fails, lambda end: [Document("", "", 1)], lambda end: [object()]])
@virtual
async def test_who_can_not_say_what_is_kept_fails_the_run(ended: Any) -> None:
    def only_of_failures(end: EndedRun) -> Sequence[Document]:
        return [Document("ends", end.run, end.state.value)] if end.error else ended(end)

    async with Scene(workflows={"keeps": Keeps(ended=ended), "half": Keeps(ended=only_of_failures)}) as scene:
        with structlog.testing.capture_logs() as lines:
            run = await scene.submit(workflow="keeps", input={})
            await scene.end_of(run)
            assert (scene.error(run).code, scene.row(run).state) == ("SERVER", RunState.FAILED)
            assert await bodies(scene) == []
            half = await scene.submit(workflow="half", input={})
            await scene.end_of(half)
        assert scene.error(half).code == "SERVER"
        assert await bodies(scene) == ["failed"]
        assert CANARY not in json.dumps(lines, default=repr)
        assert CANARY not in str(scene.records(run))


@virtual
async def test_a_cancelled_run_stays_cancelled_whatever_is_kept_of_it() -> None:
    class Waits(Keeps):
        async def run(self, context: RunContext) -> AsyncIterator[list[ev.Event]]:
            yield [ev.Chunk("said", 0)]
            await pause(60.0)

    async with Scene(workflows={"keeps": Waits(ended=fails), "well": Waits()}) as scene:
        for name, kept in (("keeps", []), ("well", ["cancelled"])):
            run = await scene.submit(workflow=name, input={})
            await pause(1.0)
            await scene.supervisor.cancel(run.id, LOCAL_OWNER)
            await scene.end_of(run)
            assert isinstance(scene.final(run), ev.Cancelled)
            assert await bodies(scene) == kept


@virtual
async def test_an_end_that_finds_no_space_is_stored_later_with_what_is_kept() -> None:
    async with Scene(workflows={"keeps": Keeps()}) as scene:
        right, refusals = scene.storage.runs.finish, [StorageFull(), StorageFull()]

        async def finish(*args: Any, **more: Any) -> None:
            if refusals:
                raise refusals.pop()
            await right(*args, **more)

        scene.storage.runs.finish = finish  # type: ignore[method-assign]
        run = await scene.submit(workflow="keeps", input={})
        await scene.end_of(run)
        assert (scene.row(run).state, await bodies(scene)) == (RunState.COMPLETED, ["completed"])


@pytest.mark.parametrize(
    "events",
    [
        "text",
        [ev.Complete("stop", Usage())],
        [ev.Error("SERVER", "forged", False)],
        [ev.SnapshotEvent({})],
        [ev.Reasoning("a", "b")],  # type: ignore[arg-type]  # as code without type checks may have it
        [None],
    ],
)
@virtual
async def test_what_a_foreign_workflow_may_not_say_fails_its_run(events: Any) -> None:
    workflow = Keeps(events=[[ev.Chunk("said", 0)], events])
    async with Scene(workflows={"keeps": workflow}, foreign=["keeps"]) as scene:
        run = await scene.submit(workflow="keeps", input={})
        await scene.end_of(run)
        assert scene.error(run).code == "SERVER"
        assert "forged" not in str(scene.records(run))
        assert scene.row(run).snapshot is not None


@virtual
async def test_who_raises_before_there_is_anything_to_read_fails_the_run() -> None:
    async with Scene(workflows={"raises": Raises()}) as scene:
        run = await scene.submit(workflow="raises")
        await scene.end_of(run)
        assert scene.error(run).code == "SERVER"
        assert CANARY not in str(scene.records(run))
