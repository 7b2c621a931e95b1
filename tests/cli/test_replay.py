"""`headwater runs replay`: the records of a run, as far apart as they were."""

from __future__ import annotations

import _thread
import json
import threading
import time
from collections.abc import Iterable
from pathlib import Path
from types import SimpleNamespace

import pytest
from typer.testing import CliRunner, Result

from headwater.cli import app
from headwater.cli import replay as command
from headwater.cli.interrupt import HEARD_WITHIN_S, Interrupts
from headwater.cli.replay import Playhead, ReadAhead
from headwater.client import BlockingClient, FollowStatus
from headwater.domain import event as ev
from headwater.domain.message import Message, Settings, Usage
from headwater.domain.run import RunRequest
from tests.kit.product import Product
from tests.kit.run_log import RUN, after, in_thread, log_of, open_with, problem, whole
from tests.kit.terminal import CTRL_C, Terminal
from tests.kit.upstream import Received, Script, Stall, Step

COMPLETE = log_of("Hello", " wörld")
FAILED = log_of("Hello", final=ev.Error("SERVER", "It fell over.", True))
CANCELLED = log_of("Hello", final=ev.Cancelled("user", 5))


def run(arguments: str, *scripts: Script) -> tuple[Result, list[Received]]:
    with in_thread(*scripts) as upstream:
        result = CliRunner().invoke(app, ["runs", "replay", *arguments.split(), "--url", upstream.origin])
    assert result.exception is None or isinstance(result.exception, SystemExit), result.exception
    return result, upstream.requests


@pytest.mark.parametrize(("log", "code"), [(COMPLETE, 0), (FAILED, 1), (CANCELLED, 130)])
def test_it_prints_the_answer_and_exits_as_the_run_did(log: list[ev.Record], code: int) -> None:
    result, _ = run(f"{RUN} --instant", whole(log))
    text = "".join(record.event.content for record in log if isinstance(record.event, ev.Chunk))
    assert (result.stdout, result.exit_code) == (text + "\n", code)


def test_json_is_the_records_as_they_were_sent() -> None:
    result, _ = run(f"{RUN} --instant --json", whole(COMPLETE))
    assert [ev.decode_record(line.encode()) for line in result.stdout.splitlines()] == COMPLETE


def test_a_run_that_is_not_there_is_a_sentence() -> None:
    result, _ = run("run_x", problem(404, "NOT_FOUND"))
    assert (result.exit_code, result.stdout, result.stderr) == (1, "", "headwater: Said NOT_FOUND.\n")


@pytest.mark.parametrize("speed", ["0", "1001", "fast"])
def test_what_is_no_speed_is_refused(speed: str) -> None:
    assert CliRunner().invoke(app, ["runs", "replay", RUN, "--speed", speed]).exit_code == 2


@pytest.mark.parametrize(("speed", "due_s"), [(1.0, [0, 0.5, 2]), (4.0, [0, 0.125, 0.5]), (None, [0, 0, 0])])
def test_a_record_is_due_as_long_after_the_first_as_it_was(speed: float | None, due_s: list[float]) -> None:
    hold = Playhead(speed)
    # 1 s on its first record, and the clock stands still
    assert [hold.left_s(t, 100.0) for t in (1000, 1500, 3000)] == due_s


def test_being_late_once_delays_nothing_after_it() -> None:
    hold = Playhead(1.0)
    hold.left_s(0, 10.0)
    assert hold.left_s(1000, 12.0) < 0
    assert hold.left_s(3000, 12.0) == 1.0


def test_waits_are_those_of_the_records(monkeypatch: pytest.MonkeyPatch) -> None:
    now, waited = [50.0], []

    def sleep(seconds: float) -> None:
        waited.append(round(seconds, 6))
        now[0] += seconds

    monkeypatch.setattr(command, "time", SimpleNamespace(sleep=sleep, monotonic=lambda: now[0]))
    result, _ = run(f"{RUN} --speed 0.1", whole(COMPLETE))
    assert result.exit_code == 0
    assert waited == [0.1, 0.1, 0.1]


def test_ctrl_c_is_heard_though_it_ended_no_wait(monkeypatch: pytest.MonkeyPatch) -> None:
    """As where it comes between the decision to wait and the wait: `interrupt_main` wakes nobody."""
    pressing = threading.Timer(0.01, _thread.interrupt_main)

    def sleep(seconds: float) -> None:
        if pressing.ident is None and seconds >= HEARD_WITHIN_S:
            pressing.start()
        time.sleep(seconds)  # paces: what the program itself waits

    monkeypatch.setattr(command, "time", SimpleNamespace(sleep=sleep, monotonic=time.monotonic))
    late = [COMPLETE[0], COMPLETE[1]._replace(t=20), ev.Record(3, 3_600_000, ev.Chunk("late", 0))]
    result, _ = run(RUN, [*whole(late), Stall()])
    assert result.exit_code == 130
    assert "late" not in result.stdout


def test_ctrl_c_is_heard_while_nothing_comes() -> None:
    with in_thread([*open_with(*COMPLETE[:2]), Stall()]) as upstream, BlockingClient(upstream.origin) as client:
        with ReadAhead(client, RUN, silent) as records, Interrupts() as interrupts:
            assert [next(records), next(records)] == COMPLETE[:2]
            pressing = threading.Timer(0.01, _thread.interrupt_main)
            pressing.start()
            with pytest.raises(KeyboardInterrupt):
                interrupts.let_in(lambda: next(records))
            pressing.join()


@pytest.mark.slow
def test_ctrl_c_leaves_in_the_middle_of_a_wait() -> None:
    late = [COMPLETE[0], COMPLETE[1]._replace(t=20), ev.Record(3, 3_600_000, ev.Chunk("late", 0))]
    with in_thread([*whole(late), Stall()]) as upstream:
        with Terminal("runs", "replay", RUN, "--url", upstream.origin) as terminal:
            terminal.wait_for("Hello")
            terminal.press(CTRL_C)
            assert terminal.wait() == 130
            assert "late" not in terminal.shown
        assert [request.method for request in upstream.requests] == ["GET"]


def silent(_: FollowStatus) -> None:
    """Nothing is told."""


def test_reading_ahead_is_bounded_and_goes_on_where_it_was(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(command, "AHEAD_MAX", 4)
    log = [ev.Record(seq, seq, ev.Chunk(str(seq), 0)) for seq in range(1, 22)]
    log.append(ev.Record(22, 22, ev.Complete("stop", Usage())))

    def serve(received: Received) -> Iterable[Step]:
        return whole(log, after(received))

    taken: list[ev.Record] = []
    with in_thread(serve) as upstream, BlockingClient(upstream.origin) as client:
        ahead = ReadAhead(client, RUN, silent)
        with ahead as records:
            while len(taken) < len(log):
                expected = min(4, len(log) - len(taken))
                while ahead.held < expected:
                    time.sleep(0.001)  # paces: looks again how far the other thread has come
                assert ahead.held == expected
                taken += [next(records) for _ in range(expected)]
            assert next(records, None) is None
        assert [after(request) for request in upstream.requests] == [0, 4, 8, 12, 16, 20]
    assert taken == log


def test_leaving_ends_the_thread() -> None:
    with in_thread([*open_with(COMPLETE[0]), Stall()]) as upstream:
        with BlockingClient(upstream.origin) as client, ReadAhead(client, RUN, silent) as records:
            assert next(records) == COMPLETE[0]
        for thread in threading.enumerate():
            if thread.name == "headwater-read-ahead":
                thread.join(10)
                assert not thread.is_alive()


@pytest.mark.slow
async def test_a_live_run_is_caught_up_with_and_followed(tmp_path: Path) -> None:
    async with Product(tmp_path / "data") as product:
        with BlockingClient(product.url) as client:
            settings = Settings(extra={"simulated": {"words": 20, "delay_ms": 50}})
            live = client.start(RunRequest("simulated", messages=[Message("user", "Hi")], settings=settings))
            result = CliRunner().invoke(app, ["runs", "replay", live.id, "--json", "--url", product.url])
    records = [json.loads(line) for line in result.stdout.splitlines()]
    assert result.exit_code == 0
    assert [record["seq"] for record in records] == list(range(1, len(records) + 1))
    assert records[-1]["type"] == "complete"
