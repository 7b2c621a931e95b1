"""The limits of a run, and that it ends within them whatever its work does (T9, I10)."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, AsyncIterator
from typing import Any

import pytest
import structlog

from headwater.domain import event as ev
from headwater.domain.message import GenerationRequest, Message
from headwater.domain.run import RunRequest, RunState
from headwater.errors import ErrorCode, ProviderError
from headwater.providers.contract import Finish, Item, Silence
from headwater.runs.runner import STOP_TRIES, STOP_TRY_S
from headwater.workflows.contract import RunContext, Workflow
from tests.runs.scene import Play, Scene, pause, silent, virtual, words

# ── limits ──────────────────────────────────────────────────────────────────────────────────────

LIMITS = [
    pytest.param(silent(), {"first_token_s": 3.0}, "first_token", 3.0, "", id="first token (fault 14)"),
    pytest.param(silent(empty_every_s=1.0), {"first_token_s": 3.0}, "first_token", 3.0, "", id="only empty lists"),
    pytest.param(silent(["some", " text"]), {"idle_s": 3.0}, "idle", 3.0, "some text", id="idle (fault 15)"),
    pytest.param(silent(["some"], empty_every_s=1.0), {"idle_s": 3.0}, "idle", 3.0, "some", id="idle, empty lists"),
    pytest.param(silent(["some"]), {"total_s": 7.0}, "total", 7.0, "some", id="total"),
    pytest.param(words(*"abcdefgh", every_s=2.0), {"total_s": 7.0, "idle_s": 3.0}, "total", 7.0, "abc", id="steady"),
    pytest.param(words(*"abcdefgh", every_s=2.0), {"idle_s": 1.0}, "idle", 3.0, "a", id="slow"),
]


@pytest.mark.parametrize(("play", "limits", "phase", "ends_s", "partial"), LIMITS)
@virtual
async def test_a_limit_ends_the_run_and_keeps_the_partial(
    play: Play, limits: dict[str, Any], phase: str, ends_s: float, partial: str
) -> None:
    async with Scene(play) as scene:
        run = await scene.submit(**limits)
        records = await scene.end_of(run)
        error = scene.error(run)
        assert (error.code, error.phase, error.retryable) == ("TIMEOUT", phase, True)
        assert error.partial_bytes == len(partial)
        assert records[-1].t == int(ends_s * 1000)
        row = scene.row(run)
        assert row.state is RunState.FAILED
        assert row.snapshot is not None
        assert row.snapshot.text == partial


@pytest.mark.parametrize(
    ("play", "phase"), [(silent(), "first_token"), (silent(["some"]), "idle")], ids=["first token", "idle"]
)
@pytest.mark.parametrize(("own_s", "ends_s"), [(None, 3.0), (5.0, 5.0)], ids=["the model's", "the run's own"])
@virtual
async def test_a_model_has_limits_for_runs_that_set_none(
    play: Play, phase: str, own_s: float | None, ends_s: float
) -> None:
    async with Scene(play) as scene:
        scene.models.patience = Silence(first_token_s=3.0, idle_s=3.0)
        run = await scene.submit(first_token_s=own_s, idle_s=own_s)
        records = await scene.end_of(run)
        assert (scene.error(run).phase, records[-1].t) == (phase, int(ends_s * 1000))


@virtual
async def test_without_limits_a_silent_model_is_waited_for_until_the_total() -> None:
    async with Scene(silent()) as scene:
        run = await scene.submit()
        records = await scene.end_of(run)
        assert (scene.error(run).phase, records[-1].t) == ("total", 300_000)


@virtual
async def test_the_first_token_ends_the_wait_for_it() -> None:
    async with Scene(words(*"abcdef", every_s=1.0)) as scene:
        run = await scene.submit(first_token_s=3.0, idle_s=2.0)
        records = await scene.end_of(run)
        assert (records[-1].event.type, records[-1].t) == ("complete", 6000)


@virtual
async def test_limits_count_from_the_creation_however_slow_the_storage_is() -> None:
    async with Scene(silent(), commit_delay=lambda: 1.0) as scene:
        began = scene.clock.monotonic()
        run = await scene.submit(total_s=5.0)
        assert scene.clock.monotonic() - began == 2.0  # its row, then its log
        records = await scene.end_of(run)
        assert (scene.error(run).phase, records[-1].t) == ("total", 5000)


@virtual
async def test_a_run_is_running_in_its_row_before_it_has_ended_there() -> None:
    async with Scene() as scene:
        rows: Any = scene.storage.runs
        start = rows.start

        async def late(run: str) -> None:
            await pause(1.0)
            await start(run)

        rows.start = late
        with structlog.testing.capture_logs() as lines:
            run = await scene.submit()
            records = await scene.end_of(run)
            await pause(5.0)
        assert records[-1].t == 0  # nobody waits for the row to see the end
        assert scene.row(run).state is RunState.COMPLETED
        assert lines == []


@virtual
async def test_the_connect_limit_is_the_provider_s_to_keep() -> None:
    async def unreachable(request: GenerationRequest) -> AsyncGenerator[list[Item], None]:
        if request.messages:
            raise ProviderError(ErrorCode.TIMEOUT, "not reached", provider="scripted", phase="connect")
        yield []

    async with Scene(unreachable) as scene:
        run = await scene.submit(connect_s=2.5)
        await scene.end_of(run)
        assert scene.provider.connect_s == [2.5, 2.5, 2.5]  # each try has it anew
        assert (scene.error(run).code, scene.error(run).phase) == ("TIMEOUT", "connect")


@virtual
async def test_a_clock_that_jumps_an_hour_changes_nothing() -> None:
    """Fault 38: limits and times are by the monotonic clock."""
    async with Scene(words(*"abcdef", every_s=1.0)) as scene:
        run = await scene.submit(total_s=10.0, idle_s=5.0)
        await pause(2.5)
        scene.clock.jump(3600)
        await pause(2)
        scene.clock.jump(-7200)
        records = await scene.end_of(run)
        assert records[-1].event.type == "complete"
        assert [r.t for r in records if r.event.type == "chunk"] == [1000, 2000, 3000, 4000, 5000, 6000]


class TwoCalls(Workflow):
    """Thinks in a first call, works for a while without a model, and answers in a second one."""

    name = "two"

    def __init__(self, between_s: float = 0.0) -> None:
        self.between_s = between_s

    def check(self, request: RunRequest) -> None: ...

    async def run(self, context: RunContext) -> AsyncIterator[list[ev.Event]]:
        request = GenerationRequest("m", context.request.messages)
        async for events in context.generate(request, role="internal"):
            yield events
        await pause(self.between_s)
        async for events in context.generate(request):
            yield events


@virtual
async def test_between_two_calls_nobody_waits_for_a_model() -> None:
    async with Scene(words("x"), workflows={"two": TwoCalls(60.0)}) as scene:
        run = await scene.submit(workflow="two", idle_s=2.0, first_token_s=2.0)
        await scene.end_of(run)
        assert scene.final(run).type == "complete"


@virtual
async def test_each_call_has_its_own_wait_for_the_first_token() -> None:
    async with Scene(words("x", every_s=2.0), workflows={"two": TwoCalls()}) as scene:
        run = await scene.submit(workflow="two", first_token_s=3.0)
        await scene.end_of(run)
        assert scene.final(run).type == "complete"


@virtual
async def test_a_first_call_without_output_leaves_no_timer_behind() -> None:
    async with Scene(words(every_s=0.0), workflows={"two": TwoCalls(4.0)}) as scene:
        run = await scene.submit(workflow="two", first_token_s=3.0)
        await scene.end_of(run)
        assert scene.final(run).type == "complete"


class SideBySide(Workflow):
    """Two answer calls at once, one for each message; what either says is put out as it comes."""

    name = "both"

    def check(self, request: RunRequest) -> None: ...

    async def run(self, context: RunContext) -> AsyncIterator[list[ev.Event]]:
        said: asyncio.Queue[list[ev.Event]] = asyncio.Queue()

        async def call(message: Message) -> None:
            async for events in context.generate(GenerationRequest("m", [message])):
                said.put_nowait(events)

        tasks = [asyncio.create_task(call(Message("user", name))) for name in ("one", "other")]
        calls = asyncio.gather(*tasks)
        try:
            while not calls.done() or not said.empty():
                yield await said.get()
            await calls
        finally:
            calls.cancel()
            # where one has failed, `gather` lets the other go on
            for task in tasks:
                task.cancel()


async def two_words_and_silence(_: GenerationRequest) -> AsyncGenerator[list[Item], None]:
    for text in "ab":
        await pause(1.0)
        yield [ev.Chunk(text, 0)]
    await asyncio.Event().wait()


STEADY = words(*"abcdef", every_s=1.0)


@pytest.mark.parametrize(
    ("one", "other", "phase", "ends_s"),
    [
        pytest.param(STEADY, silent(), "first_token", 3.0, id="one says nothing"),
        pytest.param(STEADY, silent(["some"]), "idle", 2.0, id="one falls silent"),
        pytest.param(words("x"), two_words_and_silence, "idle", 4.0, id="one has ended before"),
    ],
)
@virtual
async def test_of_two_calls_side_by_side_each_has_its_own_silence(
    one: Play, other: Play, phase: str, ends_s: float
) -> None:
    """Neither the words of the one nor its end keep the other's silence from being noticed."""
    plays = {"one": one, "other": other}

    async def play(request: GenerationRequest) -> AsyncGenerator[list[Item], None]:
        async for items in plays[str(request.messages[0].content)](request):
            yield items

    async with Scene(play, workflows={"both": SideBySide()}) as scene:
        run = await scene.submit(workflow="both", first_token_s=3.0, idle_s=2.0)
        records = await scene.end_of(run)
        assert (scene.error(run).phase, records[-1].t) == (phase, int(ends_s * 1000))


# ── what does not let itself be stopped (I10) ───────────────────────────────────────────────────


class Stubborn(Workflow):
    """Answers every cancellation by going on."""

    name = "stubborn"

    def __init__(self, cancellations: int, *, speaks: bool) -> None:
        self.left = cancellations
        self.speaks = speaks

    def check(self, request: RunRequest) -> None: ...

    async def run(self, context: RunContext) -> AsyncIterator[list[ev.Event]]:
        yield [ev.Chunk("before", 0)]
        while True:
            try:
                await pause(3600)
            except asyncio.CancelledError:
                self.left -= 1
                if self.left < 0:
                    raise
                if self.speaks:
                    yield [ev.Chunk("unheard", 0)]


@pytest.mark.parametrize("speaks", [True, False])
@pytest.mark.parametrize("cancellations", [1, 100])
@virtual
async def test_work_that_swallows_its_cancellation_does_not_delay_the_end(cancellations: int, speaks: bool) -> None:
    workflow = Stubborn(cancellations, speaks=speaks)
    async with Scene(workflows={"stubborn": workflow}, stubborn=True) as scene:
        run = await scene.submit(workflow="stubborn", total_s=5.0)
        records = await scene.end_of(run)
        assert scene.error(run).phase == "total"
        assert 5000 <= records[-1].t <= 6000
        assert "unheard" not in str(records)
        await pause(100)
        assert len(scene.records(run)) == len(records)
        workflow.left = 0


@virtual
async def test_a_provider_that_hangs_while_it_closes_does_not_delay_the_end() -> None:
    async def play(_: GenerationRequest) -> AsyncGenerator[list[Item], None]:
        try:
            yield [ev.Chunk("text", 0)]
            await asyncio.Event().wait()
        finally:
            await asyncio.Event().wait()

    async with Scene(play) as scene:
        run = await scene.submit(total_s=5.0)
        records = await scene.end_of(run)
        assert scene.error(run).phase == "total"
        assert 5000 <= records[-1].t <= 6000
        assert scene.provider.open == 0  # it was told a second time
        assert STOP_TRIES * STOP_TRY_S < 1.0


@virtual
async def test_a_call_that_is_whole_stays_whole_when_its_stream_does_not_close() -> None:
    async def play(_: GenerationRequest) -> AsyncGenerator[list[Item], None]:
        try:
            yield [ev.Chunk("text", 0), Finish("stop")]
        finally:
            await asyncio.Event().wait()

    class Provider:
        name = "hanging"

        def stream(self, request: GenerationRequest, *, connect_s: float | None) -> Any:
            return play(request)

        async def close(self) -> None: ...

    class StopsAtTheEnd(Workflow):
        name = "early"

        def check(self, request: RunRequest) -> None: ...

        async def run(self, context: RunContext) -> AsyncIterator[list[ev.Event]]:
            async for events in context.generate(GenerationRequest("m", context.request.messages)):
                yield events
                if isinstance(events[0], ev.Chunk):
                    return

    async with Scene(workflows={"early": StopsAtTheEnd()}) as scene:
        scene.provider = Provider()  # type: ignore[assignment]
        scene.models.provider = scene.provider
        run = await scene.submit(workflow="early", total_s=20.0)
        await scene.end_of(run)
        assert scene.final(run).type == "complete"
        scene.provider.open = 0


class HoldsSomething(Workflow):
    """Has something to let go of when it is stopped, or when its output is refused."""

    name = "holds"

    def __init__(self) -> None:
        self.held = False

    def check(self, request: RunRequest) -> None: ...

    async def run(self, context: RunContext) -> AsyncIterator[list[ev.Event]]:
        self.held = True
        try:
            yield [ev.Annotation("p", "x" * ev.RECORD_BYTES_MAX)]
        finally:
            await pause(0.1)
            self.held = False


@virtual
async def test_a_workflow_whose_output_is_refused_lets_go_before_the_end() -> None:
    workflow = HoldsSomething()
    async with Scene(workflows={"holds": workflow}) as scene:
        run = await scene.submit(workflow="holds")
        records = await scene.end_of(run)
        assert (scene.error(run).code, records[-1].t, workflow.held) == ("PARSE", 100, False)


class CancelsItself(Workflow):
    name = "cancels"

    def check(self, request: RunRequest) -> None: ...

    async def run(self, context: RunContext) -> AsyncIterator[list[ev.Event]]:
        yield [ev.Chunk("par", 0)]
        raise asyncio.CancelledError


@virtual
async def test_work_that_was_cancelled_by_nobody_is_not_whole() -> None:
    async with Scene(workflows={"cancels": CancelsItself()}) as scene:
        run = await scene.submit(workflow="cancels")
        await scene.end_of(run)
        assert (scene.error(run).code, scene.error(run).partial_bytes) == ("INTERRUPTED", 3)
