"""What a workflow is given, and the books kept on it."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Sequence
from typing import Any

import pytest

from headwater.domain import event as ev
from headwater.domain.document import Document
from headwater.domain.message import GenerationRequest, Usage
from headwater.domain.run import LOCAL_OWNER, Owner, RunRequest
from headwater.domain.snapshot import Fold
from headwater.errors import BadRequestError, ErrorCode, ProviderError, Truncated
from headwater.providers.contract import Finish, Item
from headwater.providers.resilience import ONCE, Resilience
from headwater.runs.attempt import Surroundings
from headwater.runs.context import Context
from headwater.runs.ending import RESULT_BYTES_MAX
from headwater.storage.memory import MemoryStorage
from headwater.storage.memory_medium import MemoryMedium
from tests.kit.virtual import VirtualClock
from tests.runs.scene import Listener, OneProvider, Play, ScriptedProvider, pause, request, virtual, words

ROLES: tuple[ev.Role, ...] = ("internal", "answer")


class Stage:
    """A context alone with its scripted provider."""

    def __init__(self, play: Play, models: type[OneProvider] = OneProvider) -> None:
        self.provider = ScriptedProvider(play)
        self.listener = Listener()
        self.begun = 0
        clock = VirtualClock(asyncio.get_running_loop())
        asked = request(connect_s=4.5)
        self.silent: list[tuple[str, float]] = []
        around = Surroundings(
            run="r",
            request=asked,
            models=models(self.provider),
            clock=clock,
            observer=self.listener,
            resilience=Resilience(ONCE),
            deadline=clock.monotonic() + asked.limits.total_s,
            fold=Fold,
            on_call=self._call_began,
            on_silence=lambda phase, limit_s: self.silent.append((phase, limit_s)),
            on_left=lambda _provider, _place: None,
        )
        self.medium = MemoryMedium()
        storage = MemoryStorage(self.medium)
        self.context = Context(around, LOCAL_OWNER, storage.documents)
        self.asked = GenerationRequest("m", asked.messages)

    def _call_began(self) -> None:
        self.begun += 1

    async def read(self, role: ev.Role = "answer", lists: int | None = None) -> list[list[ev.Event]]:
        got: list[list[ev.Event]] = []
        async for events in self.context.generate(self.asked, role=role):
            got.append(events)
            if len(got) == lists:
                break
        return got


@virtual
async def test_a_call_is_announced_passed_on_and_ended() -> None:
    stage = Stage(words("a", "b", usage=Usage(1, 0, 2), then=Finish("length", "max_tokens")))
    assert await stage.read() == [
        [ev.Status("connecting"), ev.Call(1, "answer", "scripted", "upstream-m")],
        [ev.Status("streaming")],
        [ev.Chunk("a", 0)],
        [ev.Chunk("b", 0)],
        [ev.UsageReport(Usage(1, 0, 2))],
    ]
    assert [call.model for call in stage.provider.calls] == ["upstream-m"]
    assert stage.provider.connect_s == [4.5]
    assert stage.begun == 1
    assert (stage.context.calls, stage.context.unfinished_answers, stage.context.finish_reason) == (1, [], "length")
    assert [(call.model, call.code) for call in stage.listener.calls] == [("upstream-m", None)]


@virtual
async def test_a_second_call_s_events_say_whose_they_are() -> None:
    stage = Stage(words("a", usage=Usage(1, 0, 2)))
    await stage.read()
    assert (await stage.read())[2:] == [[ev.Chunk("a", 0, 2)], [ev.UsageReport(Usage(1, 0, 2), 2)]]
    assert stage.context.finish_reason == "stop"


@virtual
async def test_an_internal_call_s_events_always_say_whose_they_are() -> None:
    stage = Stage(words("a", usage=Usage(1, 0, 2)))
    first, second = await stage.read("internal"), await stage.read()
    assert first[0][1] == ev.Call(2, "internal", "scripted", "upstream-m")
    assert first[2:] == [[ev.Chunk("a", 0, 2)], [ev.UsageReport(Usage(1, 0, 2), 2)]]
    assert second[0][1] == ev.Call(1, "answer", "scripted", "upstream-m")
    assert second[2:] == [[ev.Chunk("a", 0)], [ev.UsageReport(Usage(1, 0, 2))]]
    assert [(await stage.read(role))[0][1] for role in ROLES] == [
        ev.Call(3, "internal", "scripted", "upstream-m"),
        ev.Call(4, "answer", "scripted", "upstream-m"),
    ]


@virtual
async def test_what_went_before_keeps_its_numbers() -> None:
    stage = Stage(words("a"))
    for event in (ev.Call(1, "answer", "p", "m"), ev.Chunk("a", 0), ev.Call(2, "internal", "p", "m")):
        stage.context.went_before(event)
    assert (await stage.read())[0][1] == ev.Call(3, "answer", "scripted", "upstream-m")
    assert len(stage.context.before) == 3


@virtual
async def test_only_the_owner_s_documents_can_be_read() -> None:
    stage = Stage(words("a"))
    theirs, ours = Document("c", "theirs", 1), Document("c", "ours", 2)
    stage.medium.documents.put(Owner("other", "other"), [theirs])
    stage.medium.documents.put(LOCAL_OWNER, [ours])
    assert await stage.context.documents.get("c", "theirs") is None
    assert await stage.context.documents.get("c", "ours") == ours
    assert (await stage.context.documents.list("c")).documents == [ours]
    assert (await stage.context.documents.list("c", where={"a": "b"})).documents == []


@virtual
async def test_a_provider_s_list_stays_its_own() -> None:
    last: list[Item] = [ev.Chunk("a", 0), Finish("stop")]

    async def play(_: GenerationRequest) -> AsyncGenerator[list[Item], None]:
        yield last

    stage = Stage(play)
    await stage.read()
    assert last == [ev.Chunk("a", 0), Finish("stop")]


@pytest.mark.parametrize(
    ("raised", "code"),
    [
        (None, "TRUNCATED"),
        (ProviderError(ErrorCode.OVERLOADED, provider="scripted"), "OVERLOADED"),
        (LookupError("canary"), "SERVER"),
    ],
)
@virtual
async def test_a_call_that_does_not_reach_its_end_is_told_of(raised: Exception | None, code: str) -> None:
    async def play(_: GenerationRequest) -> AsyncGenerator[list[Item], None]:
        yield [ev.Chunk("a", 0)]
        if raised is not None:
            raise raised

    stage = Stage(play)
    with pytest.raises(Truncated if raised is None else type(raised)):
        await stage.read()
    assert [call.code for call in stage.listener.calls] == [code]
    assert stage.context.unfinished_answers == [1]
    assert stage.begun == 1
    assert stage.provider.open == 0


@virtual
async def test_what_a_workflow_left_open_is_closed() -> None:
    stage = Stage(words("a", "b"))
    await stage.read(lists=3)
    await stage.read("internal", lists=3)
    never_begun = stage.context.generate(stage.asked)
    assert stage.provider.open == 2
    await stage.context.close()
    assert stage.provider.open == 0
    assert stage.context.unfinished_answers == [1]
    assert [call.code for call in stage.listener.calls] == ["CANCELLED", "CANCELLED"]
    assert [events async for events in never_begun] == []


@virtual
async def test_calls_that_are_over_are_forgotten() -> None:
    stage = Stage(words("a"))
    for _ in range(10):
        await stage.read("internal")
    assert len(stage.context._open) == 0
    assert stage.context.calls == 10


@virtual
async def test_a_model_that_is_gone_fails_the_call_before_it_begins() -> None:
    stage = Stage(words("a"))
    with pytest.raises(BadRequestError):
        await anext(aiter(stage.context.generate(GenerationRequest("none", []))))
    assert (stage.provider.calls, stage.begun) == ([], 0)


@virtual
async def test_what_the_models_can_do_is_what_each_of_them_can() -> None:
    class Two(OneProvider):
        def capabilities(self, name: str) -> Sequence[str]:
            self.resolve(name)
            return ("text", "images") if name == "m" else ("text",)

    stage = Stage(words("a"), Two)
    assert stage.context.can("images")
    # the last one was there when the run was accepted, and is asked nothing now that it is gone
    stage.context.request = RunRequest("m", fallback=["n", "none"])
    assert (stage.context.can("text"), stage.context.can("images"), stage.context.can("tools")) == (True, False, False)


@virtual
async def test_a_result_is_kept_as_it_was_when_it_was_set() -> None:
    context = Stage(words()).context
    value: dict[str, Any] = {"a": [1]}
    context.set_result(value)
    value["a"].append(2)
    assert context.result == {"a": [1]}
    with pytest.raises(TypeError):
        context.set_result(object())
    with pytest.raises(ValueError):
        context.set_result("x" * RESULT_BYTES_MAX)
    assert context.result == {"a": [1]}


@virtual
async def test_a_cancelled_call_closes_its_stream_before_it_is_over() -> None:
    async def play(_: GenerationRequest) -> AsyncGenerator[list[Item], None]:
        await pause(100)
        yield []

    stage = Stage(play)
    reading = asyncio.create_task(stage.read())
    await pause(1)
    assert stage.provider.open == 1
    reading.cancel()
    with pytest.raises(asyncio.CancelledError):
        await reading
    assert stage.provider.open == 0
    assert [(call.code, call.seconds) for call in stage.listener.calls] == [("CANCELLED", 1.0)]
