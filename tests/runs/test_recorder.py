"""Events of one run → records in its log."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from headwater.domain import event as ev
from headwater.domain.message import Usage
from headwater.domain.nesting import NESTING_MAX
from headwater.domain.snapshot import fold
from headwater.errors import ErrorCode, Fenced, LogClosed, LogCorrupt, ProviderError, SeqConflict
from headwater.runs.recorder import BEHIND_BYTES_MAX, LOG_BYTES_MAX, TEXT_CHARS_MAX, Recorder, shape
from headwater.storage.contract import Commit, Haste, LogState
from headwater.storage.memory import MemoryStorage
from headwater.storage.memory_medium import StoredLog
from tests.runs.scene import pause, virtual

NEW = LogState(0, False, 1, 1)

# ── shape ───────────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize(
    ("events", "shaped"),
    [
        pytest.param([], [], id="nothing"),
        pytest.param([ev.Chunk("a", 0)], [ev.Chunk("a", 0)], id="one"),
        pytest.param([ev.Chunk("", 0)], [], id="no text"),
        pytest.param([ev.Chunk("a", 0), ev.Chunk("b", 0)], [ev.Chunk("ab", 0)], id="neighbours"),
        pytest.param([ev.Chunk("a", 0), ev.Chunk("b", 1)], [ev.Chunk("a", 0), ev.Chunk("b", 1)], id="other part"),
        pytest.param(
            [ev.Chunk("a", 0, 1), ev.Chunk("b", 0, 2)], [ev.Chunk("a", 0, 1), ev.Chunk("b", 0, 2)], id="other call"
        ),
        pytest.param(
            [ev.Reasoning("a", 0), ev.Reasoning("b", 0), ev.Chunk("c", 0)],
            [ev.Reasoning("ab", 0), ev.Chunk("c", 0)],
            id="other kind",
        ),
        pytest.param([ev.Refusal("a", 0), ev.Refusal("b", 0)], [ev.Refusal("ab", 0)], id="refusal"),
        pytest.param(
            [ev.Chunk("a", 0), ev.Attempt(1, 2, "r", "p", "m", 1), ev.Chunk("b", 0)],
            [ev.Chunk("a", 0), ev.Attempt(1, 2, "r", "p", "m", 1), ev.Chunk("b", 0)],
            id="never across attempts",
        ),
        pytest.param(
            [ev.Chunk("a", 0, logprobs=[1]), ev.Chunk("b", 0, logprobs=[2]), ev.Chunk("c", 0)],
            [ev.Chunk("a", 0, logprobs=[1]), ev.Chunk("b", 0, logprobs=[2]), ev.Chunk("c", 0)],
            id="log probabilities belong to their tokens",
        ),
        pytest.param([ev.Chunk("\ud83d", 0), ev.Chunk("\ude80", 0)], [ev.Chunk("🚀", 0)], id="pair in two"),
        pytest.param([ev.Chunk("a\ud83d", 0)], [ev.Chunk("a\ufffd", 0)], id="half a pair"),
        pytest.param(
            [ev.ToolCall("i", "n", '{"a":'), ev.ToolCall("i", "n", "1}", True)],
            [ev.ToolCall("i", "n", '{"a":'), ev.ToolCall("i", "n", "1}", True)],
            id="tool calls as they came",
        ),
    ],
)
def test_what_arrives_together_becomes_few_records(events: list[ev.Event], shaped: list[ev.Event]) -> None:
    assert shape(events) == shaped


def test_a_long_tool_call_is_done_only_with_its_last_piece() -> None:
    pieces = shape([ev.ToolCall("i", "n", "x" * (TEXT_CHARS_MAX * 2 + 1), True, 3, 2)])
    assert [(p.done, len(p.arguments)) for p in pieces if isinstance(p, ev.ToolCall)] == [
        (False, TEXT_CHARS_MAX),
        (False, TEXT_CHARS_MAX),
        (True, 1),
    ]
    assert {(p.id, p.name, p.index, p.call) for p in pieces if isinstance(p, ev.ToolCall)} == {("i", "n", 3, 2)}


TEXTS = st.one_of(
    st.text(max_size=5),
    st.text(st.characters(categories=["Cs", "Cc", "L", "So"]), max_size=5),
    st.builds(
        lambda unit, times: unit * times,
        st.sampled_from(["a", "\x01", "é", "🚀", '"\n', "\ud83d"]),
        st.integers(TEXT_CHARS_MAX - 2, 2 * TEXT_CHARS_MAX + 2),
    ),
)
PLACE = {"index": st.integers(0, 1), "call": st.sampled_from([None, 1])}
EVENTS = st.lists(
    st.one_of(
        st.builds(ev.Chunk, TEXTS, logprobs=st.sampled_from([None, None, [{"t": -0.5}]]), **PLACE),
        st.builds(ev.Reasoning, TEXTS, **PLACE),
        st.builds(ev.Refusal, TEXTS, **PLACE),
        st.builds(ev.ToolCall, st.sampled_from(["a", "b"]), st.just("f"), TEXTS, st.booleans(), **PLACE),
        st.builds(ev.Status, st.just("working"), st.text(max_size=5)),
        st.just(ev.UsageReport(Usage(1, 0, 2))),
    ),
    max_size=6,
)


class NullLog:
    """Takes every append; durable at once."""

    def __init__(self) -> None:
        self.payloads: list[bytes] = []
        self.receipt = Commit()
        self.receipt.resolve()

    def append(
        self,
        run: str,
        after: int,
        payloads: Sequence[bytes],
        epoch: int,
        final: bool = False,
        haste: Haste = Haste.SOON,
    ) -> Commit:
        assert after == len(self.payloads)
        self.payloads += payloads
        return self.receipt


@given(st.lists(EVENTS, max_size=3))
def test_every_record_fits_and_the_text_is_what_was_said(batches: list[list[ev.Event]]) -> None:
    log: Any = NullLog()
    recorder = Recorder(log, "r", 1, lambda: 0)
    for events in batches:
        recorder.add(events)
    assert all(len(payload) <= ev.RECORD_BYTES_MAX for payload in log.payloads)
    records = [ev.decode_record(payload) for payload in log.payloads]
    # what a reader folds is what the run itself holds
    assert fold(records) == recorder.fold.snapshot()
    said: dict[Any, list[str]] = {}
    for events in batches:
        together: dict[Any, str] = {}
        for event in events:
            if isinstance(event, ev.Chunk) and event.logprobs is None:
                place = (event.index, event.call or 1)
                together[place] = together.get(place, "") + event.content
        for place, text in together.items():
            said.setdefault(place, []).append(text)
    if not any(isinstance(e, ev.Chunk) and e.logprobs is not None for events in batches for e in events):
        recorded = {(p.index, p.call or 1): p.text for p in recorder.fold.snapshot().parts if p.kind == "text"}
        lone = {"".join(texts) for texts in said.values()}
        if not any("\ud800" <= c <= "\udfff" for text in lone for c in text):
            assert recorded == {place: "".join(texts) for place, texts in said.items() if "".join(texts)}


def test_what_a_run_folds_is_what_its_readers_will() -> None:
    log: Any = NullLog()
    recorder = Recorder(log, "r", 1, lambda: 0)
    recorder.add([ev.ToolCall("i", "n\ud83d", "\ude80"), ev.Field("", (1, 2), True), ev.Context({"a": (3,)})])
    assert recorder.fold.snapshot() == fold(map(ev.decode_record, log.payloads))
    assert recorder.fold.snapshot().value == [1, 2]


def test_log_probabilities_that_fit_no_record_are_left_out_and_the_text_is_kept() -> None:
    log: Any = NullLog()
    recorder = Recorder(log, "r", 1, lambda: 0)
    recorder.add([ev.Chunk("whole answer", 0, logprobs=["x" * 1000] * 400)])
    assert [ev.decode_record(p).event for p in log.payloads] == [ev.Chunk("whole answer", 0)]


def test_one_piece_that_fits_no_record_is_the_provider_s_fault() -> None:
    log: Any = NullLog()
    recorder = Recorder(log, "r", 1, lambda: 0)
    with pytest.raises(ProviderError) as caught:
        recorder.add([ev.Chunk("a", 0), ev.Annotation("p", "x" * ev.RECORD_BYTES_MAX)])
    assert caught.value.code is ErrorCode.PARSE
    assert (log.payloads, recorder.fold.seq) == ([], 0)


@pytest.mark.parametrize(
    "event_with",
    [
        lambda value: ev.Annotation("acme", value),
        lambda value: ev.ProviderData("acme", value),
        lambda value: ev.Chunk("a", 0, None, value),
    ],
)
def test_a_value_that_no_reader_could_decode_is_the_provider_s_fault(event_with: Callable[[Any], ev.Event]) -> None:
    def nested(levels: int) -> Any:
        value: Any = 1
        for _ in range(levels):
            value = [value]
        return value

    log: Any = NullLog()
    recorder = Recorder(log, "r", 1, lambda: 0)
    # the record and its data are two levels more
    for levels in (NESTING_MAX - 1, 900):
        with pytest.raises(ProviderError) as caught:
            recorder.add([event_with(nested(levels))])
        assert caught.value.code is ErrorCode.PARSE
        assert (log.payloads, recorder.fold.seq) == ([], 0)
    recorder.add([event_with(nested(NESTING_MAX - 2))])
    assert recorder.fold.seq == 1


def test_an_answer_without_end_is_stopped_and_its_end_still_fits() -> None:
    log: Any = NullLog()
    recorder = Recorder(log, "r", 1, lambda: 0)
    recorder._log_bytes = LOG_BYTES_MAX
    with pytest.raises(ProviderError):
        recorder.add([ev.Chunk("a", 0)])
    recorder.add([ev.Cancelled("user", 0)], final=True)
    assert recorder.closed


# ── time, epochs, the disk ──────────────────────────────────────────────────────────────────────


def test_time_never_goes_back_within_a_log() -> None:
    log: Any = NullLog()
    times = iter([5, 3, 9, 1])
    recorder = Recorder(log, "r", 1, lambda: next(times))
    for _ in range(4):
        recorder.add([ev.Chunk("a", 0)])
    assert [ev.decode_record(p).t for p in log.payloads] == [5, 5, 9, 9]


@virtual
async def test_a_recorder_is_behind_only_while_the_disk_is() -> None:
    storage = MemoryStorage(commit_delay=lambda: 1.0)
    await storage.open()
    await storage.log.claim("r", 1)
    recorder = Recorder(storage.log, "r", 1, lambda: 0)
    for _ in range(BEHIND_BYTES_MAX // 1100):
        recorder.add([ev.Chunk("x" * 1000, 0)])
    assert [recorder.behind] == [False]
    for _ in range(150):
        recorder.add([ev.Chunk("x" * 1000, 0)])
    assert [recorder.behind] == [True]
    waiting = asyncio.create_task(recorder.settled())
    await pause(0.5)
    assert (recorder.behind, waiting.done()) == (True, False)
    await pause(1.0)
    assert (recorder.behind, waiting.done()) == (False, True)
    assert (await storage.log.state("r")).tail == recorder.fold.seq
    await storage.close()


@virtual
async def test_a_zombie_s_records_are_refused() -> None:
    """I5, fault 30: the claim of a newer epoch fences what the older one still wants to add."""
    storage = MemoryStorage()
    await storage.open()
    await storage.log.claim("r", 1)
    zombie = Recorder(storage.log, "r", 1, lambda: 0)
    zombie.add([ev.Chunk("a", 0)])
    state = await storage.log.claim("r", 2)
    owner = Recorder(storage.log, "r", 2, lambda: 0)
    await owner.resume(state)
    assert owner.fold.text == "a"
    with pytest.raises(Fenced):
        zombie.add([ev.Chunk("b", 0)])
    assert zombie.fold.text == "a"
    owner.add([ev.Cancelled("user", 1)], final=True)
    await owner.settled()
    with pytest.raises(LogClosed):
        owner.add([ev.Chunk("c", 0)])
    assert owner.closed
    await storage.close()


@virtual
async def test_an_append_that_is_refused_leaves_the_fold_as_it_was() -> None:
    storage = MemoryStorage()
    await storage.open()
    await storage.log.claim("r", 1)
    recorder = Recorder(storage.log, "r", 1, lambda: 0)
    recorder.add([ev.Chunk("a", 0)])
    storage.log.append("r", 1, [b"{}"], 1)
    with pytest.raises(SeqConflict):
        recorder.add([ev.Chunk("b", 0)])
    assert (recorder.fold.seq, recorder.fold.text, recorder.closed) == (1, "a", False)
    await storage.close()


@pytest.mark.parametrize(
    ("payloads", "state"),
    [
        pytest.param([b"no json"], LogState(1, False, 1, 1), id="no record"),
        pytest.param([ev.encode_record(2, 0, ev.Chunk("a", 0))], LogState(1, False, 1, 1), id="another seq"),
        pytest.param([], LogState(1, False, 1, 1), id="missing"),
        pytest.param([ev.encode_record(1, 0, ev.Chunk("a", 0))], LogState(1, True, 1, 1), id="closed without an end"),
    ],
)
@virtual
async def test_what_is_no_log_of_records_is_corrupt(payloads: list[bytes], state: LogState) -> None:
    storage = MemoryStorage()
    await storage.open()
    stored = storage.medium.logs["r"] = StoredLog()
    stored.records = payloads
    recorder = Recorder(storage.log, "r", 1, lambda: 0)
    with pytest.raises(LogCorrupt):
        await recorder.resume(state)
    await storage.close()


@virtual
async def test_a_log_of_many_pages_is_taken_up_whole() -> None:
    storage = MemoryStorage()
    await storage.open()
    state = await storage.log.claim("r", 1)
    writer = Recorder(storage.log, "r", 1, lambda: 0)
    await writer.resume(state)
    for number in range(2500):
        writer.add([ev.Chunk(f"{number},", 0)])
    await writer.settled()
    reader = Recorder(storage.log, "r", 1, lambda: 0)
    await reader.resume(await storage.log.state("r"))
    assert reader.fold.snapshot() == writer.fold.snapshot()
    assert NEW.tail == 0
    await storage.close()


@virtual
async def test_a_record_that_nobody_could_read_is_not_written() -> None:
    storage = MemoryStorage()
    await storage.open()
    await storage.log.claim("r", 1)
    recorder = Recorder(storage.log, "r", 1, lambda: 0)
    recorder.add([ev.Chunk("x", 0)])
    # a type checker would have told
    wrong: Any = [ev.Status("working", wait_ms=12.5), ev.Iteration("first")]  # type: ignore[arg-type]
    for event in wrong:
        with pytest.raises(msgspec.ValidationError):
            recorder.add([event])
    await recorder.settled()
    assert (await storage.log.state("r")).tail == recorder.fold.seq == 1
    await storage.close()
