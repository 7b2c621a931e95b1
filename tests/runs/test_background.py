"""Where a log says that answers go on, and how they are stopped."""

from __future__ import annotations

import asyncio
from typing import Any, cast

import msgspec
import pytest
import structlog

from headwater.domain import event as ev
from headwater.domain.message import Settings, Usage
from headwater.domain.run import RunRequest
from headwater.errors import ErrorCode, LogCorrupt, LogMissing, ProviderError
from headwater.providers.contract import Checkpoint
from headwater.runs.background import STOP_S, models_of, outlives, stop_answers, trace_of
from headwater.runs.takeover import Place
from headwater.storage.memory import MemoryStorage
from tests.runs.lasting import LastingProvider
from tests.runs.scene import OneProvider, ScriptedProvider, request, virtual, words

CALL = ev.Call(1, "answer", "scripted", "upstream-m")
AGAIN = ev.Attempt(1, 2, "NETWORK", "scripted", "upstream-m")
COMPLETE = ev.Complete("stop", Usage())


def at(answer: str, number: int) -> ev.ProviderData:
    return ev.ProviderData("scripted", msgspec.to_builtins(Checkpoint(answer, number)))


async def logged(*events: ev.Event) -> MemoryStorage:
    storage = MemoryStorage()
    await storage.open()
    await storage.log.claim("r", 1)
    payloads = [ev.encode_record(seq, 0, event) for seq, event in enumerate(events, 1)]
    if payloads:
        await storage.log.append("r", 0, payloads, 1)
    return storage


async def stopped(*events: ev.Event, provider: Any = None, asked: RunRequest | None = None) -> list[str]:
    """The answers that are stopped at the end of a run with this log."""
    storage, lasting = await logged(*events), LastingProvider([])
    await stop_answers("r", asked or request(), cast(Any, storage.log), OneProvider(provider or lasting))
    await storage.close()
    return lasting.stopped


@pytest.mark.parametrize(
    ("events", "answers"),
    [
        ([], []),
        ([CALL], []),
        ([CALL, at("a", 1)], ["a"]),
        ([CALL, at("a", 1), at("a", 5)], ["a"]),
        ([CALL, at("a", 1), COMPLETE], []),
        ([CALL, at("a", 1), AGAIN], ["a"]),
        ([CALL, at("a", 1), AGAIN, at("b", 1)], ["a", "b"]),
        ([CALL, at("a", 1), AGAIN, at("b", 1), COMPLETE], ["a"]),
        ([CALL, at("a", 1), AGAIN, at("a", 2)], ["a"]),
    ],
)
@virtual
async def test_what_nobody_will_read_is_stopped(events: list[ev.Event], answers: list[str]) -> None:
    assert await stopped(*events) == answers


@virtual
async def test_a_model_that_is_not_there_any_more_is_passed_over() -> None:
    assert await stopped(CALL, at("a", 1), asked=request(model="none")) == []
    assert await stopped(CALL, at("a", 1), provider=ScriptedProvider(words("x"))) == []


@virtual
async def test_a_model_that_was_fallen_back_to_is_found() -> None:
    storage, models = await logged(CALL, at("a", 1)), OneProvider(LastingProvider([]))
    known = models_of(request(model="none", fallback=["m", "none", "m"]), models)
    assert known == {("scripted", "upstream-m"): ("m", models.provider)}
    assert (await trace_of(cast(Any, storage.log), "r")).places == [Place("scripted", "upstream-m", Checkpoint("a", 1))]
    await storage.close()


@virtual
async def test_who_can_not_be_told_is_no_fault_of_the_run() -> None:
    class Deaf(LastingProvider):
        async def stop(self, checkpoint: Checkpoint) -> None:
            raise ProviderError(ErrorCode.NETWORK)

    class Slow(LastingProvider):
        async def stop(self, checkpoint: Checkpoint) -> None:
            await asyncio.Event().wait()

    for provider, error in [(Deaf([]), "ProviderError"), (Slow([]), "TimeoutError")]:
        began = asyncio.get_running_loop().time()
        with structlog.testing.capture_logs() as lines:
            await stopped(CALL, at("a", 1), provider=provider)
        assert [(line["event"], line["error"]) for line in lines] == [("answer not stopped", error)]
        assert asyncio.get_running_loop().time() - began <= STOP_S + 0.01


@virtual
async def test_a_log_that_can_not_be_read_says_nothing() -> None:
    storage = await logged(CALL)
    storage.medium.logs["r"].records.append(b"\x00")
    with pytest.raises(LogCorrupt):
        await trace_of(cast(Any, storage.log), "r")
    with pytest.raises(LogMissing):
        await trace_of(cast(Any, storage.log), "another")
    with structlog.testing.capture_logs() as lines:
        await stop_answers("r", request(), cast(Any, storage.log), OneProvider(LastingProvider([])))
    assert [line["event"] for line in lines] == ["answers not stopped"]
    await storage.close()


@pytest.mark.parametrize(
    ("field", "lasts"), [({"background": True}, True), ({"background": False}, False), ({}, False)]
)
def test_an_answer_outlives_us_by_its_policy_or_by_its_providers_own_field(field: dict[str, Any], lasts: bool) -> None:
    assert outlives(msgspec.structs.replace(request(), settings=Settings(extra={"acme": field}))) is lasts
    assert outlives(request(on_crash="reattach"))
