"""What is counted and what is logged."""

from __future__ import annotations

import inspect
import time
from collections.abc import Callable

import pytest
import structlog
from prometheus_client.parser import text_string_to_metric_families

from headwater.metrics import LogLines, Metrics
from headwater.telemetry import (
    BREAKER_STATES,
    BreakerMoved,
    Committed,
    Observer,
    ProviderCalled,
    ReaderLeft,
    RunEnded,
)

ENDED = RunEnded(
    run="r",
    workflow="chat",
    model="m",
    state="completed",
    code=None,
    duration_s=2.0,
    queued_s=0.0,
    first_token_s=0.5,
    chunks=10,
    tokens_per_s=20.0,
    stalls=1,
    longest_gap_s=6.0,
    readers=1,
    interruptions=2,
)


def values(metrics: Metrics) -> Callable[..., float | None]:
    def value(name: str, **labels: str) -> float | None:
        return metrics.registry.get_sample_value(name, labels)

    return value


@pytest.fixture
def metrics() -> Metrics:
    return Metrics(live=lambda: 3, waiting=lambda: 1)


def test_a_run_s_end_is_counted(metrics: Metrics) -> None:
    metrics.run_ended(ENDED)
    metrics.run_ended(ENDED._replace(state="failed", code="TIMEOUT", first_token_s=None, tokens_per_s=None))
    value = values(metrics)
    runs = {"workflow": "chat", "model": "m"}
    assert value("headwater_runs_total", state="completed", code="", **runs) == 1
    assert value("headwater_runs_total", state="failed", code="TIMEOUT", **runs) == 1
    assert value("headwater_run_seconds_sum", model="m", read_as="unread") == 4.0
    assert value("headwater_first_token_seconds_count", model="m", read_as="unread") == 1
    assert value("headwater_tokens_per_second_count", model="m") == 1
    assert value("headwater_output_events_total", model="m") == 20
    assert value("headwater_stalls_total", model="m") == 2
    assert value("headwater_reader_interruptions_total") == 4
    assert (value("headwater_runs_live"), value("headwater_runs_waiting")) == (3, 1)


@pytest.mark.parametrize(
    ("transports", "read_as"),
    [
        ([], "unread"),
        (["page"], "blocking"),
        (["sse"], "streaming"),
        (["ndjson"], "streaming"),
        (["openai_chat"], "streaming"),
        (["openai_responses"], "streaming"),
        (["anthropic_stream"], "streaming"),
        (["ai_sdk"], "streaming"),
        (["ag_ui"], "streaming"),
        (["tokens"], "streaming"),
        (["conversation"], "streaming"),
        (["tokens_whole"], "blocking"),
        (["conversation_whole"], "blocking"),
        (["openai_response"], "blocking"),
        (["openai_completion"], "blocking"),
        (["page", "sse"], "streaming"),
        (["sse", "page"], "streaming"),
    ],
)
def test_streaming_and_blocking_are_compared(metrics: Metrics, transports: list[str], read_as: str) -> None:
    """T12."""
    metrics.run_started("r")
    for transport in transports:
        metrics.reader_joined("r", transport)
    metrics.run_ended(ENDED)
    assert values(metrics)("headwater_run_seconds_count", model="m", read_as=read_as) == 1
    # the next run of that name is another
    metrics.run_ended(ENDED)
    assert values(metrics)("headwater_run_seconds_count", model="m", read_as="unread") == (1 if transports else 2)


def test_readers_are_counted_while_they_stay(metrics: Metrics) -> None:
    metrics.reader_joined("r", "sse")
    metrics.reader_joined("r", "sse")
    metrics.reader_left(ReaderLeft("r", "sse", 3.0, 5, "stalled"))
    value = values(metrics)
    assert value("headwater_readers", transport="sse") == 1
    assert value("headwater_reader_seconds_sum", transport="sse", why="stalled") == 3.0


def test_only_runs_that_go_on_are_remembered(metrics: Metrics) -> None:
    metrics.run_started("r")
    metrics.reader_joined("r", "sse")
    metrics.run_ended(ENDED)
    for number in range(50):
        metrics.reader_joined(f"run_{number}", "sse")  # readers of ended runs
    assert not metrics._read_as


def test_the_rest_is_counted_too(metrics: Metrics) -> None:
    metrics.committed(Committed(records=5, bytes=500, seconds=0.002))
    metrics.provider_called(ProviderCalled("r", "p", "m", "NETWORK", 1.0))
    metrics.provider_called(ProviderCalled("r", "p", "m", None, 1.0))
    metrics.runs_recovered(2, 1, 3)
    value = values(metrics)
    assert value("headwater_records_total") == 5
    assert value("headwater_record_bytes_total") == 500
    assert value("headwater_commit_seconds_count") == 1
    assert value("headwater_provider_calls_total", provider="p", model="m", code="NETWORK") == 1
    assert value("headwater_provider_calls_total", provider="p", model="m", code="") == 1
    assert value("headwater_runs_recovered_total", **{"as": "interrupted"}) == 2
    assert value("headwater_runs_recovered_total", **{"as": "cancelled"}) == 1
    assert value("headwater_runs_recovered_total", **{"as": "taken_up"}) == 3
    assert value("headwater_storage_failed") == 0
    metrics.storage_failed("StorageFailed")
    assert value("headwater_storage_failed") == 1
    for full in (True, False):
        metrics.storage_full(full)
        assert value("headwater_storage_full") == full


def test_calls_are_counted_with_what_they_used_and_cost(metrics: Metrics) -> None:
    one = ProviderCalled("r", "p", "m", None, 1.0, "name", 0.25, 3.0, 7, 3)
    metrics.provider_called(one._replace(cost_usd=0.5))
    metrics.provider_called(one._replace(code="TRUNCATED"))
    value = values(metrics)
    of = {"provider": "p", "model": "m"}
    assert value("headwater_provider_first_token_seconds_sum", **of) == 0.5
    assert value("headwater_provider_tokens_per_second_sum", **of) == 6.0
    assert value("headwater_tokens_total", kind="input", **of) == 14
    assert value("headwater_tokens_total", kind="output", **of) == 6
    # what is not known is not counted as 0, and not as anything else
    assert value("headwater_cost_usd_total", **of) == 0.5


def test_the_newest_failure_of_each_kind_is_told_and_no_cancel(metrics: Metrics) -> None:
    before = time.time()
    for code in ("OVERLOADED", "CANCELLED", None):
        metrics.provider_called(ProviderCalled("r", "p", "m", code, 1.0))
    told = [line for line in metrics.text().decode().splitlines() if line.startswith("headwater_provider_last_error_")]
    assert len(told) == 1
    of = {"provider": "p", "model": "m", "code": "OVERLOADED"}
    at = values(metrics)("headwater_provider_last_error_timestamp_seconds", **of)
    assert at is not None
    assert before <= at <= time.time()


def test_a_breaker_is_its_provider_s_and_model_s(metrics: Metrics) -> None:
    metrics.breaker_moved(BreakerMoved("name", "p", "m", "open"))
    metrics.breaker_moved(BreakerMoved("name", "p", "m", "half_open"))
    value = values(metrics)
    stands = {state: value("headwater_breaker", provider="p", model="name", state=state) for state in BREAKER_STATES}
    assert stands == {"closed": 0, "open": 0, "half_open": 1}


def test_what_a_provider_says_is_told_to_those_who_asked_for_it() -> None:
    failed = ProviderCalled("r", "p", "m", "SERVER", 1.0, detail="at home\x1b[2J\nrun ended" + "x" * 1000)
    whole = ProviderCalled("r", "p", "m", None, 1.0)
    with structlog.testing.capture_logs() as lines:
        LogLines().provider_called(failed)
        LogLines(provider_detail=True).provider_called(whole)
    assert lines == []
    with structlog.testing.capture_logs() as lines:
        LogLines(provider_detail=True).provider_called(failed)
    (line,) = lines
    assert (line["event"], line["code"], line["model"]) == ("model call failed", "SERVER", "m")
    assert line["detail"].startswith("at home [2J run ended")
    assert len(line["detail"]) == 500


def test_the_page_is_prometheus_text(metrics: Metrics) -> None:
    metrics.run_ended(ENDED)
    families = {family.name for family in text_string_to_metric_families(metrics.text().decode())}
    assert families >= {"headwater_runs", "headwater_run_seconds", "headwater_first_token_seconds", "headwater_readers"}
    assert all(name.startswith("headwater_") for name in families)


def test_two_servers_in_one_process_count_apart() -> None:
    one, other = (Metrics(live=lambda: 0, waiting=lambda: 0) for _ in range(2))
    one.run_ended(ENDED)
    labels = {"workflow": "chat", "model": "m", "state": "completed", "code": ""}
    assert values(other)("headwater_runs_total", **labels) is None


def test_the_log_has_a_line_for_what_an_operator_has_to_know() -> None:
    with structlog.testing.capture_logs() as lines:
        observer = LogLines()
        observer.run_ended(ENDED)
        observer.storage_failed("OSError")
        observer.storage_full(True)
        observer.storage_full(False)
        observer.runs_recovered(0, 0, 0)
        observer.runs_recovered(1, 2, 3)
    assert [(line["event"], line["log_level"]) for line in lines] == [
        ("run ended", "info"),
        ("storage failed", "critical"),
        ("the disk has no space to spare: runs can be read, none can be started", "warning"),
        ("the disk has space again: runs can be started", "info"),
        ("runs found cut by a crash", "warning"),
    ]
    assert (lines[0]["run"], lines[0]["seconds"], lines[0]["events"]) == ("r", 2.0, 10)


@pytest.mark.parametrize("observer", [Metrics(live=lambda: 0, waiting=lambda: 0), LogLines()])
def test_they_hear_everything(observer: Observer) -> None:
    for name, method in inspect.getmembers(Observer, inspect.isfunction):
        if not name.startswith("_"):
            assert inspect.signature(getattr(type(observer), name)) == inspect.signature(method)
