"""One run, from its slot to its final record."""

from __future__ import annotations

import hashlib
import json
from collections.abc import AsyncGenerator, AsyncIterator

import pytest
import structlog

from headwater.domain import event as ev
from headwater.domain.message import GenerationRequest, Message, Usage
from headwater.domain.run import LOCAL_OWNER, RunRequest, RunState
from headwater.errors import ErrorCode, ProviderError, Truncated
from headwater.providers.contract import Finish, Item
from headwater.workflows.contract import RunContext, Workflow
from tests.runs.scene import Scene, pause, silent, virtual, words

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
async def test_a_run_that_never_called_a_model_says_that_it_used_nothing() -> None:
    async with Scene(silent(), slots=1) as scene:
        await scene.submit()
        waiting = await scene.submit()
        await scene.supervisor.cancel(waiting.id, waiting.owner)
        await scene.end_of(waiting)
        assert scene.types(waiting) == ["status", "usage", "cancelled"]
        row = scene.row(waiting)
        assert row.snapshot is not None
        assert row.snapshot.usage == scene.usage(waiting) == Usage(cost_usd=0.0, source="estimated")


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


class ReadsOnly(Workflow):
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


class Broken(Workflow):
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


class Results(Workflow):
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


class Searching(Workflow):
    """Sets a better result with every chunk of its call."""

    name = "searching"

    def check(self, request: RunRequest) -> None: ...

    async def run(self, context: RunContext) -> AsyncIterator[list[ev.Event]]:
        found = 0
        request = GenerationRequest(context.request.model, [Message("user", "Search.")])
        async for events in context.generate(request, role="internal"):
            found += sum(isinstance(event, ev.Chunk) for event in events)
            if found:
                context.set_result({"found": found})
            yield events


@pytest.mark.parametrize("by", ["limit", "cancel"])
@virtual
async def test_a_run_that_is_ended_early_has_the_result_as_far_as_it_had_come(by: str) -> None:
    async with Scene(silent(["a", "b"]), workflows={"searching": Searching()}) as scene:
        run = await scene.submit(workflow="searching", total_s=60.0)
        await pause(5.0)
        if by == "cancel":
            await scene.supervisor.cancel(run.id, LOCAL_OWNER)
        await scene.end_of(run)
        final = scene.final(run)
        assert isinstance(final, ev.Cancelled if by == "cancel" else ev.Error)
        assert final.result == {"found": 2}
        snapshot = scene.row(run).snapshot
        assert snapshot is not None
        assert snapshot.result == {"found": 2}


@virtual
async def test_a_run_that_is_ended_before_it_had_a_result_has_none() -> None:
    async with Scene(silent([]), workflows={"searching": Searching()}) as scene:
        run = await scene.submit(workflow="searching", total_s=5.0)
        await scene.end_of(run)
        assert scene.error(run).result is None


@virtual
async def test_a_call_says_how_much_it_asks_where_that_is_not_what_the_run_was_asked() -> None:
    async with Scene(silent(["a"]), workflows={"searching": Searching()}) as scene:
        run = await scene.submit(workflow="searching", total_s=5.0)
        called = next(each.event for each in await scene.end_of(run) if isinstance(each.event, ev.Call))
        assert called == ev.Call(2, "internal", "scripted", "upstream-m", input_bytes=len("Search."))


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
