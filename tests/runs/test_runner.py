"""One run, from its slot to its final record."""

from __future__ import annotations

import asyncio
import hashlib
import json
from collections.abc import AsyncGenerator, AsyncIterator
from typing import Any

import pytest
import structlog

from headwater.domain import event as ev
from headwater.domain.message import GenerationRequest, Usage
from headwater.domain.run import LOCAL_OWNER, RunRequest, RunState
from headwater.errors import ErrorCode, ProviderError, Truncated
from headwater.providers.contract import Finish, Item
from headwater.runs.runner import STOP_TRIES, STOP_TRY_S
from headwater.workflows.contract import RunContext
from tests.runs.scene import Play, Scene, pause, silent, turns, virtual, words

SAID = Usage(input_tokens=3, output_tokens=20)


@virtual
async def test_a_run_goes_from_its_call_to_its_whole_end() -> None:
    async with Scene(words("Hello", " there", usage=SAID)) as scene:
        run = await scene.submit()
        records = await scene.end_of(run)
        types = ["status", "call", "status", "chunk", "chunk", "usage", "complete"]
        assert [record.event.type for record in records] == types
        assert records[1].event == ev.Call(1, "answer", "scripted", "upstream-m")
        assert scene.final(run) == ev.Complete(
            "stop", SAID, "Hello there", 11, hashlib.sha256(b"Hello there").hexdigest()
        )
        row = scene.row(run)
        assert row.state is RunState.COMPLETED
        assert row.snapshot is not None
        assert row.snapshot.text == "Hello there"
        assert scene.listener.calls[0].code is None


@virtual
async def test_usage_that_nobody_reported_is_estimated_and_marked() -> None:
    async with Scene(words("twelve bytes")) as scene:
        run = await scene.submit(text="eight ch")
        await scene.end_of(run)
        complete = scene.final(run)
        assert isinstance(complete, ev.Complete)
        assert complete.usage == Usage(input_tokens=2, output_tokens=3, source="estimated")
        assert scene.types(run)[-2:] == ["usage", "complete"]


@virtual
async def test_a_long_answer_is_left_out_of_its_end_but_named() -> None:
    piece = "é" * 20_000
    async with Scene(words(piece, piece)) as scene:
        run = await scene.submit()
        await scene.end_of(run)
        complete = scene.final(run)
        assert isinstance(complete, ev.Complete)
        assert complete.final_response is None
        assert complete.final_response_bytes == 80_000
        assert complete.final_response_sha256 == hashlib.sha256((piece * 2).encode()).hexdigest()


@virtual
async def test_an_answer_whose_escapes_would_not_fit_a_record_is_left_out_too() -> None:
    async with Scene(words("\x01" * 30_000, "\x01" * 30_000)) as scene:
        run = await scene.submit()
        await scene.end_of(run)
        complete = scene.final(run)
        assert isinstance(complete, ev.Complete)
        assert complete.final_response is None
        assert complete.final_response_bytes == 60_000


@virtual
async def test_half_a_surrogate_pair_does_not_keep_a_run_from_its_end() -> None:
    async with Scene(words("a\ud83d", "b")) as scene:
        run = await scene.submit()
        await scene.end_of(run)
        complete = scene.final(run)
        assert isinstance(complete, ev.Complete)
        assert complete.final_response == "a\ufffdb"
        row = scene.row(run)
        assert row.snapshot is not None
        assert row.snapshot.text == "a\ufffdb"


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
        assert scene.provider.connect_s == [2.5]
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


class TwoCalls:
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


# ── what does not let itself be stopped (I10) ───────────────────────────────────────────────────


class Stubborn:
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

    class StopsAtTheEnd:
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


# ── honest ends ─────────────────────────────────────────────────────────────────────────────────


@virtual
async def test_a_stream_that_ends_without_its_end_is_truncated() -> None:
    """Fault 16: at each event."""

    async def cut(after: int) -> None:
        async def play(_: GenerationRequest) -> AsyncGenerator[list[Item], None]:
            for text in "abcd"[:after]:
                yield [ev.Chunk(text, 0)]

        async with Scene(play) as scene:
            run = await scene.submit()
            await scene.end_of(run)
            assert (scene.error(run).code, scene.error(run).partial_bytes) == ("TRUNCATED", after)
            assert scene.listener.calls[0].code == "TRUNCATED"

    for after in range(5):
        await cut(after)


class ReadsOnly:
    """Stops reading its model after so many lists."""

    name = "reads"

    def __init__(self, lists: int, role: ev.Role = "answer") -> None:
        self.lists = lists
        self.role: ev.Role = role

    def check(self, request: RunRequest) -> None: ...

    async def run(self, context: RunContext) -> AsyncIterator[list[ev.Event]]:
        read = 0
        async for events in context.generate(GenerationRequest("m", context.request.messages), role=self.role):
            yield events
            read += 1
            if read == self.lists:
                return


@pytest.mark.parametrize(("role", "final"), [("answer", "error"), ("internal", "complete")])
@virtual
async def test_only_answers_have_to_be_read_to_their_end(role: ev.Role, final: str) -> None:
    async with Scene(words("a", "b", "c"), workflows={"reads": ReadsOnly(3, role)}) as scene:
        run = await scene.submit(workflow="reads")
        await scene.end_of(run)
        assert scene.final(run).type == final
        if final == "error":
            assert scene.error(run).code == "TRUNCATED"
        assert scene.provider.open == 0


@virtual
async def test_a_provider_s_failure_is_the_run_s_with_its_partial() -> None:
    async def play(_: GenerationRequest) -> AsyncGenerator[list[Item], None]:
        yield [ev.Chunk("par", 0)]
        raise ProviderError(
            ErrorCode.RATE_LIMIT, "Slow down.", provider="scripted", detail="theirs", retry_after_ms=1500
        )

    async with Scene(play) as scene:
        run = await scene.submit()
        await scene.end_of(run)
        assert scene.error(run) == ev.Error("RATE_LIMIT", "Slow down.", True, 1500, "scripted", partial_bytes=3)


CANARY = "canary-7c2f"


class Broken:
    name = "broken"

    def check(self, request: RunRequest) -> None: ...

    async def run(self, context: RunContext) -> AsyncIterator[list[ev.Event]]:
        yield [ev.Chunk("par", 0)]
        said = context.request.messages[0].content
        raise LookupError(f"could not find {said}")


@virtual
async def test_what_a_workflow_did_not_expect_is_an_error_that_tells_nothing() -> None:
    async with Scene(workflows={"broken": Broken()}) as scene:
        with structlog.testing.capture_logs() as lines:
            run = await scene.submit(workflow="broken", text=CANARY)
            await scene.end_of(run)
        assert scene.error(run).code == "SERVER"
        assert scene.error(run).partial_bytes == 3
        assert [line["error"] for line in lines if line["event"] == "run failed"] == ["LookupError"]
        assert CANARY not in json.dumps(lines, default=repr)
        assert CANARY not in str(scene.records(run))


class Results:
    """Sets a result past the door that checks it."""

    name = "results"

    def __init__(self, result: object, *, checked: bool) -> None:
        self.result = result
        self.checked = checked

    def check(self, request: RunRequest) -> None: ...

    async def run(self, context: RunContext) -> AsyncIterator[list[ev.Event]]:
        if self.checked:
            context.set_result(self.result)
        else:
            context.result = self.result  # type: ignore[attr-defined]
        yield [ev.Chunk("text", 0)]


@pytest.mark.parametrize("checked", [True, False])
@pytest.mark.parametrize("result", [object(), "x" * 300_000], ids=["no JSON", "too large"])
@virtual
async def test_a_result_that_fits_no_record_ends_the_run_all_the_same(result: object, checked: bool) -> None:
    async with Scene(workflows={"results": Results(result, checked=checked)}) as scene:
        run = await scene.submit(workflow="results")
        await scene.end_of(run)
        assert scene.error(run).code in ("SERVER", "PARSE")


@virtual
async def test_an_application_s_result_is_in_the_end() -> None:
    async with Scene(workflows={"results": Results({"score": 1}, checked=True)}) as scene:
        run = await scene.submit(workflow="results")
        await scene.end_of(run)
        final = scene.final(run)
        assert isinstance(final, ev.Complete)
        assert final.result == {"score": 1}


# ── the storage in trouble ──────────────────────────────────────────────────────────────────────


@virtual
async def test_what_was_not_durable_when_the_disk_filled_up_is_not_in_the_end() -> None:
    """Fault 31: the final record finds room in the reserve; the run can not be called complete."""
    async with Scene(words(*"abcd", every_s=1.0)) as scene:
        run = await scene.submit()
        await pause(2.5)
        scene.storage.full = True
        await scene.end_of(run)
        assert (scene.error(run).code, scene.error(run).partial_bytes) == ("STORAGE", 2)
        row = scene.row(run)
        assert row.snapshot is not None
        assert row.snapshot.text == "ab"


@virtual
async def test_records_lost_on_the_way_to_the_disk_are_not_called_complete() -> None:
    async with Scene(words("ab", "cd"), commit_delay=lambda: 1.0) as scene:
        run = await scene.submit()
        await turns(100)
        scene.storage.lose_group()
        scene.storage.full = False
        await scene.end_of(run)
        assert (scene.error(run).code, scene.error(run).partial_bytes) == ("STORAGE", 0)


@virtual
async def test_a_final_record_that_finds_no_room_waits_for_it() -> None:
    """Promise 3: within 2 s of space. Nothing else was lost, so the run is whole."""
    async with Scene(words("ab", every_s=5.0)) as scene:
        scene.storage.log.append = full_for_final(scene, until_s=61.3)  # type: ignore[method-assign]
        run = await scene.submit()
        records = await scene.end_of(run)
        assert records[-1].event.type == "complete"
        assert 61_300 <= records[-1].t <= 63_300


@virtual
async def test_a_stop_after_the_work_s_own_end_comes_too_late() -> None:
    async with Scene(words("ab")) as scene:
        scene.storage.log.append = full_for_final(scene, until_s=60.0)  # type: ignore[method-assign]
        run = await scene.submit()
        await pause(30.0)
        await scene.supervisor.cancel(run.id, LOCAL_OWNER)
        await scene.end_of(run)
        assert scene.final(run).type == "complete"
        assert scene.row(run).state is RunState.COMPLETED


def full_for_final(scene: Scene, until_s: float) -> Any:
    """An append for which the reserve is used up too, for a while."""
    from headwater.errors import StorageFull

    append, until = scene.storage.log.append, scene.clock.monotonic() + until_s

    def refusing(run: str, after: int, payloads: Any, epoch: int, final: bool = False) -> Any:
        if final and scene.clock.monotonic() < until:
            raise StorageFull
        return append(run, after, payloads, epoch, final)

    return refusing


@virtual
async def test_a_log_that_never_agrees_is_left_to_the_next_start() -> None:
    from headwater.errors import SeqConflict

    tries = 0

    def disagreeing(*_: Any, **__: Any) -> Any:
        nonlocal tries
        tries += 1
        raise SeqConflict

    async with Scene() as scene:
        scene.storage.log.append = disagreeing  # type: ignore[method-assign]
        run = await scene.submit()
        while run.id not in scene.listener.ended:
            await pause(0.01)
        assert scene.listener.ended[run.id].state == "unknown"
        assert scene.records(run) == []
        assert tries < 20


@virtual
async def test_a_failed_storage_ends_the_work_and_the_next_start_ends_the_run() -> None:
    """Fault 32: nothing is acknowledged after the failure, and nobody is told of an end that is not on disk."""
    async with Scene(words(*"abcd", every_s=1.0)) as scene:
        run = await scene.submit()
        await pause(2.5)
        scene.storage.fail()
        while run.id not in scene.listener.ended:
            await pause(0.1)
        await turns()
        assert scene.listener.ended[run.id].state == "unknown"
        assert scene.supervisor.live == 0
        assert scene.provider.open == 0
        medium = scene.storage.medium
        scene.storage.crash()
    async with Scene(medium=medium) as scene:
        assert (await scene.supervisor.recover()).interrupted == 1
        assert (scene.error(run).code, scene.error(run).partial_bytes) == ("INTERRUPTED", 2)


@virtual
async def test_a_run_waits_for_the_disk_only_when_it_is_far_ahead_of_it() -> None:
    said = 0

    async def play(_: GenerationRequest) -> AsyncGenerator[list[Item], None]:
        nonlocal said
        while said < 100:
            said += 1
            yield [ev.Chunk("x" * 40_000, 0)]
        yield [Finish("stop")]

    async with Scene(play, commit_delay=lambda: 1.0) as scene:
        run = await scene.submit()
        await pause(0.5)
        assert 20 <= said <= 40
        await scene.end_of(run)
        assert said == 100


# ── figures (T12) ───────────────────────────────────────────────────────────────────────────────


@virtual
async def test_the_figures_of_a_run_are_what_happened() -> None:
    async def play(_: GenerationRequest) -> AsyncGenerator[list[Item], None]:
        await pause(2.0)
        yield []
        await pause(1.0)
        yield [ev.Reasoning("hm", 0)]
        await pause(6.0)
        yield [ev.Chunk("a", 0), ev.Annotation("scripted", {"url": "u"}), ev.Chunk("b", 0)]
        await pause(4.0)
        yield [ev.Chunk("c", 0)]
        await pause(1.0)
        yield [ev.UsageReport(SAID), Finish("stop")]

    async with Scene(play) as scene:
        run = await scene.submit()
        await pause(1.0)
        scene.supervisor.reader_joined(run.id)
        scene.supervisor.reader_joined(run.id)
        await pause(4.0)
        scene.supervisor.reader_left(run.id)
        await scene.end_of(run)
        metrics = scene.row(run).metrics
        assert metrics is not None
        assert (metrics.queued_ms, metrics.first_token_ms, metrics.duration_ms) == (0, 3000, 14_000)
        assert (metrics.chunks, metrics.tokens_per_s) == (4, 2.0)
        assert (metrics.stalls, metrics.longest_gap_ms) == (1, 6000)
        assert (metrics.readers, metrics.reader_ms, metrics.interruptions) == (2, 17_000, 1)
        told = scene.listener.ended[run.id]
        assert (told.state, told.code, told.duration_s, told.first_token_s) == ("completed", None, 14.0, 3.0)


@virtual
async def test_a_run_that_raised_truncated_by_itself_is_no_bug() -> None:
    async def play(_: GenerationRequest) -> AsyncGenerator[list[Item], None]:
        yield [ev.Chunk("a", 0)]
        raise Truncated("cut", provider="scripted")

    async with Scene(play) as scene:
        with structlog.testing.capture_logs() as lines:
            run = await scene.submit()
            await scene.end_of(run)
        assert scene.error(run).code == "TRUNCATED"
        assert [line for line in lines if line["log_level"] == "error"] == []
        assert scene.row(run).owner == LOCAL_OWNER
