"""A run's figures."""

from __future__ import annotations

import asyncio

from headwater.domain import event as ev
from headwater.domain.message import Usage
from headwater.domain.run import RunMetrics
from headwater.domain.snapshot import Fold
from headwater.runs.meter import STALL_S, LogMeter, Meter
from headwater.runs.readership import Readership
from tests.kit.virtual import VirtualClock
from tests.runs.scene import pause, virtual


def clock_of_loop() -> VirtualClock:
    return VirtualClock(asyncio.get_running_loop())


@virtual
async def test_a_run_without_output_has_no_first_token_and_no_rate() -> None:
    clock = clock_of_loop()
    meter = Meter(clock, clock.monotonic())
    await pause(1.5)
    assert meter.figures(None, Readership()) == RunMetrics(duration_ms=1500)
    meter.started()
    assert not meter.took([ev.Status("connecting"), ev.Call(1, "answer", "p", "m")])
    assert meter.figures(Usage(), Readership(1, 2, 3)) == RunMetrics(
        queued_ms=1500, duration_ms=1500, readers=1, reader_ms=2, interruptions=3
    )


@virtual
async def test_only_output_of_the_model_counts() -> None:
    clock = clock_of_loop()
    meter = Meter(clock, clock.monotonic())
    await pause(1)
    assert meter.took([ev.Status("streaming"), ev.Chunk("a", 0), ev.ToolCall("i", "n", "")])
    assert not meter.took([ev.UsageReport(Usage())])
    figures = meter.figures(Usage(output_tokens=5), Readership())
    assert (figures.chunks, figures.first_token_ms, figures.tokens_per_s) == (2, 1000, None)


@virtual
async def test_what_is_read_from_a_text_is_no_further_piece_of_it() -> None:
    clock = clock_of_loop()
    meter, log = Meter(clock, clock.monotonic()), LogMeter()
    events: list[ev.Event] = [ev.Chunk('{"a": 1', 0), ev.Field("", {}, False)]
    assert meter.took(events)
    assert meter.took([ev.Field("/a", 1, True)]), "a reader sees something of it"
    assert meter.figures(None, Readership()).chunks == 1
    assert log.figures(read(log, *((0, event) for event in events))).chunks == 1


@virtual
async def test_a_stall_is_a_long_silence_between_outputs_of_one_call() -> None:
    clock = clock_of_loop()
    meter = Meter(clock, clock.monotonic())
    for silence_s in (100.0, 1.0, STALL_S + 1, STALL_S, STALL_S + 0.5):
        await pause(silence_s)
        meter.took([ev.Chunk("a", 0)])
    meter.call_began()
    await pause(100)  # the wait for a first token is not a silence in the middle
    meter.took([ev.Chunk("a", 0)])
    figures = meter.figures(Usage(output_tokens=100), Readership())
    assert (figures.stalls, figures.longest_gap_ms, figures.first_token_ms) == (2, 6000, 100_000)


def read(meter: LogMeter, *events: tuple[int, ev.Event]) -> Fold:
    fold = Fold()
    for seq, (t, event) in enumerate(events, 1):
        record = ev.Record(seq, t, event)
        fold.apply(record)
        meter.took(record)
    return fold


def test_what_a_log_tells_of_a_run_that_was_cut() -> None:
    meter = LogMeter()
    usage = ev.UsageReport(Usage(output_tokens=6))
    fold = read(
        meter,
        (0, ev.Call(1, "answer", "p", "m")),
        (500, ev.Reasoning("r", 0)),
        (3500, ev.Chunk("a", 0)),
        (3600, usage),
        (9000, ev.Error("INTERRUPTED", "…", True)),
    )
    assert meter.figures(fold) == RunMetrics(first_token_ms=500, duration_ms=9000, chunks=2, tokens_per_s=2.0)
    assert LogMeter().figures(Fold()) == RunMetrics(duration_ms=0)


def test_a_run_that_went_on_has_the_figures_of_both() -> None:
    meter = LogMeter()
    read(meter, (500, ev.Chunk("a", 0)), (900, ev.Chunk("b", 0)))
    rest = RunMetrics(
        queued_ms=1, first_token_ms=7000, duration_ms=9000, chunks=3, tokens_per_s=5.0, stalls=1, longest_gap_ms=6000
    )
    both = RunMetrics(first_token_ms=500, duration_ms=9000, chunks=5, stalls=1, longest_gap_ms=6000)
    assert meter.before(rest) == both
    assert LogMeter().before(RunMetrics(first_token_ms=7000)).first_token_ms == 7000
