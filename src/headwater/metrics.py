"""The observers of a server: figures for Prometheus, lines for the log. Neither ever holds what was said."""

from __future__ import annotations

from collections.abc import Callable

import structlog
from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, generate_latest

from headwater.errors import ErrorCode
from headwater.telemetry import (
    BREAKER_STATES,
    BreakerMoved,
    CallRepeated,
    Committed,
    ProviderCalled,
    ReaderLeft,
    RunEnded,
    SilentObserver,
)

_log = structlog.get_logger("headwater")

_SECONDS = (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60, 120, 300, 600)
_COMMIT_SECONDS = (0.0001, 0.00025, 0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.5, 1, 5)
_DETAIL_CHARS_MAX = 500
_RATES = (1, 2, 5, 10, 20, 50, 100, 200, 500, 1000)
#: Transports whose readers see tokens as they come; the others wait for a page.
_STREAMING = frozenset(
    {
        *("sse", "ndjson", "websocket", "openai_chat", "openai_responses"),
        *("anthropic_stream", "ai_sdk", "ag_ui", "tokens", "conversation"),
    }
)


class Metrics(SilentObserver):
    """Counts and histograms, served at `/metrics` in Prometheus' text form.

    A run is read as "streaming" where an event stream was open on it, as "blocking" where it was read
    by pages only, as "unread" else; durations and first tokens are kept apart by it, so the two ways
    can be compared. Model names are the operator's rows, so the number of label values is bounded.
    """

    def __init__(self, *, live: Callable[[], int], waiting: Callable[[], int]) -> None:
        self.registry = registry = CollectorRegistry()
        #: of the runs that have not ended
        self._read_as: dict[str, str] = {}

        def gauge(name: str, text: str, value: Callable[[], int]) -> None:
            Gauge(name, text, registry=registry).set_function(value)

        gauge("headwater_runs_live", "Runs that have not ended", live)
        gauge("headwater_runs_waiting", "Runs that wait for a slot", waiting)
        self._runs = Counter(
            "headwater_runs", "Runs by how they ended", ["workflow", "model", "state", "code"], registry=registry
        )
        how = ["model", "read_as"]
        self._duration = Histogram(
            "headwater_run_seconds", "From creation to the final record", how, buckets=_SECONDS, registry=registry
        )
        self._first = Histogram(
            "headwater_first_token_seconds",
            "From creation to the first output",
            how,
            buckets=_SECONDS,
            registry=registry,
        )
        self._rate = Histogram(
            "headwater_tokens_per_second", "Output tokens a second", ["model"], buckets=_RATES, registry=registry
        )
        self._chunks = Counter("headwater_output_events", "Pieces of output", ["model"], registry=registry)
        self._stalls = Counter("headwater_stalls", "Silences of providers over 5 s", ["model"], registry=registry)
        self._interruptions = Counter(
            "headwater_reader_interruptions", "Readers that left before the end of their run", registry=registry
        )
        self._readers = Gauge("headwater_readers", "Open readers", ["transport"], registry=registry)
        self._reading = Histogram(
            "headwater_reader_seconds",
            "How long readers stayed",
            ["transport", "why"],
            buckets=_SECONDS,
            registry=registry,
        )
        self._commits = Histogram(
            "headwater_commit_seconds", "A group commit, sync included", buckets=_COMMIT_SECONDS, registry=registry
        )
        self._records = Counter("headwater_records", "Records made durable", registry=registry)
        self._bytes = Counter("headwater_record_bytes", "Bytes of records made durable", registry=registry)
        self._make_call_figures(registry)
        self._recovered = Counter(
            "headwater_runs_recovered",
            "Runs ended, or taken up again, at a start after a crash",
            ["as"],
            registry=registry,
        )
        self._failed = Gauge("headwater_storage_failed", "1 once the storage has stopped itself", registry=registry)
        self._full = Gauge("headwater_storage_full", "1 while the disk has no space for new runs", registry=registry)

    def _make_call_figures(self, registry: CollectorRegistry) -> None:
        self._calls = Counter(
            "headwater_provider_calls", "Model calls by outcome", ["provider", "model", "code"], registry=registry
        )
        who = ["provider", "model"]
        self._call_first = Histogram(
            "headwater_provider_first_token_seconds",
            "From a model's call to its first output",
            who,
            buckets=_SECONDS,
            registry=registry,
        )
        self._call_rate = Histogram(
            "headwater_provider_tokens_per_second",
            "Output tokens a second of a model call, from its first output to its last",
            who,
            buckets=_RATES,
            registry=registry,
        )
        self._call_error = Gauge(
            "headwater_provider_last_error_timestamp_seconds",
            "When a model call last failed so, as Unix time",
            [*who, "code"],
            registry=registry,
        )
        self._tokens = Counter(
            "headwater_tokens", "Tokens of model calls, reported or estimated", [*who, "kind"], registry=registry
        )
        self._cost = Counter(
            "headwater_cost_usd", "US dollars that model calls cost, as far as it is known", who, registry=registry
        )
        self._repeats = Counter(
            "headwater_call_repeats",
            "Further tries of model calls, by why and how",
            ["model", "code", "step"],
            registry=registry,
        )
        self._breakers = Gauge(
            "headwater_breaker",
            "1 for the state that a model's breaker is in",
            ["provider", "model", "state"],
            registry=registry,
        )

    def text(self) -> bytes:
        """All figures in Prometheus' text form."""
        return generate_latest(self.registry)

    def run_started(self, run: str) -> None:
        self._read_as[run] = "unread"

    def run_ended(self, detail: RunEnded) -> None:
        read_as = self._read_as.pop(detail.run, "unread")
        self._runs.labels(detail.workflow, detail.model, detail.state, detail.code or "").inc()
        self._duration.labels(detail.model, read_as).observe(detail.duration_s)
        if detail.first_token_s is not None:
            self._first.labels(detail.model, read_as).observe(detail.first_token_s)
        if detail.tokens_per_s is not None:
            self._rate.labels(detail.model).observe(detail.tokens_per_s)
        self._chunks.labels(detail.model).inc(detail.chunks)
        self._stalls.labels(detail.model).inc(detail.stalls)
        self._interruptions.inc(detail.interruptions)

    def reader_joined(self, run: str, transport: str) -> None:
        self._readers.labels(transport).inc()
        if run in self._read_as:  # else it has ended, and its way of being read is counted
            if transport in _STREAMING:
                self._read_as[run] = "streaming"
            elif self._read_as[run] == "unread":
                self._read_as[run] = "blocking"

    def reader_left(self, detail: ReaderLeft) -> None:
        self._readers.labels(detail.transport).dec()
        self._reading.labels(detail.transport, detail.why).observe(detail.seconds)

    def committed(self, detail: Committed) -> None:
        self._commits.observe(detail.seconds)
        self._records.inc(detail.records)
        self._bytes.inc(detail.bytes)

    def provider_called(self, detail: ProviderCalled) -> None:
        provider, model = detail.provider, detail.model
        self._calls.labels(provider, model, detail.code or "").inc()
        if detail.first_token_s is not None:
            self._call_first.labels(provider, model).observe(detail.first_token_s)
        if detail.tokens_per_s is not None:
            self._call_rate.labels(provider, model).observe(detail.tokens_per_s)
        if detail.code is not None and detail.code != ErrorCode.CANCELLED:
            self._call_error.labels(provider, model, detail.code).set_to_current_time()
        self._tokens.labels(provider, model, "input").inc(detail.input_tokens)
        self._tokens.labels(provider, model, "output").inc(detail.output_tokens)
        if detail.cost_usd is not None:
            self._cost.labels(provider, model).inc(max(0.0, detail.cost_usd))

    def call_repeated(self, detail: CallRepeated) -> None:
        self._repeats.labels(detail.model, detail.code, detail.step).inc()

    def breaker_moved(self, detail: BreakerMoved) -> None:
        for state in BREAKER_STATES:
            self._breakers.labels(detail.provider, detail.name, state).set(state == detail.state)

    def storage_failed(self, error: str) -> None:
        self._failed.set(1)

    def storage_full(self, full: bool) -> None:
        self._full.set(full)

    def runs_recovered(self, interrupted: int, cancelled: int, taken_up: int) -> None:
        self._recovered.labels("interrupted").inc(interrupted)
        self._recovered.labels("cancelled").inc(cancelled)
        self._recovered.labels("taken_up").inc(taken_up)


class LogLines(SilentObserver):
    """A line for each run's end and for what an operator has to know.

    `provider_detail` has what a provider says about a failure told too. Keys are not in it; what it quotes of a
    request may be.
    """

    def __init__(self, *, provider_detail: bool = False) -> None:
        self._provider_detail = provider_detail

    def provider_called(self, detail: ProviderCalled) -> None:
        if self._provider_detail and detail.detail:
            # At a terminal a control character would be obeyed, and a line's end would begin a line of its own.
            words = "".join(each if each.isprintable() else " " for each in detail.detail[:_DETAIL_CHARS_MAX])
            _log.warning(
                "model call failed",
                run=detail.run,
                provider=detail.provider,
                model=detail.model,
                code=detail.code,
                detail=words,
            )

    def run_ended(self, detail: RunEnded) -> None:
        _log.info(
            "run ended",
            run=detail.run,
            workflow=detail.workflow,
            model=detail.model,
            state=detail.state,
            code=detail.code,
            seconds=round(detail.duration_s, 3),
            first_token_s=detail.first_token_s,
            events=detail.chunks,
            readers=detail.readers,
        )

    def breaker_moved(self, detail: BreakerMoved) -> None:
        _log.warning("breaker moved", model=detail.name, provider=detail.provider, state=detail.state)

    def storage_failed(self, error: str) -> None:
        _log.critical("storage failed", error=error)

    def storage_full(self, full: bool) -> None:
        if full:
            _log.warning("the disk has no space to spare: runs can be read, none can be started")
        else:
            _log.info("the disk has space again: runs can be started")

    def runs_recovered(self, interrupted: int, cancelled: int, taken_up: int) -> None:
        if interrupted or cancelled or taken_up:
            _log.warning("runs found cut by a crash", interrupted=interrupted, cancelled=cancelled, taken_up=taken_up)
