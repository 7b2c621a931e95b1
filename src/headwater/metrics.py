"""The observers of a server: figures for Prometheus, lines for the log. Neither ever holds what was said."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import cache

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


def _counter(name: str, text: str, registry: CollectorRegistry, *labels: str) -> Callable[..., Counter]:
    # By its labels' values, each looked up once: that costs the library several times what counting does.
    return cache(Counter(name, text, labels, registry=registry).labels)


def _gauge(name: str, text: str, registry: CollectorRegistry, *labels: str) -> Callable[..., Gauge]:
    return cache(Gauge(name, text, labels, registry=registry).labels)


def _histogram(
    name: str, text: str, registry: CollectorRegistry, buckets: Sequence[float], *labels: str
) -> Callable[..., Histogram]:
    return cache(Histogram(name, text, labels, registry=registry, buckets=buckets).labels)


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
        self._runs = _counter(
            "headwater_runs", "Runs by how they ended", registry, "workflow", "model", "state", "code"
        )
        self._duration = _histogram(
            "headwater_run_seconds", "From creation to the final record", registry, _SECONDS, "model", "read_as"
        )
        self._first = _histogram(
            "headwater_first_token_seconds",
            "From creation to the first output",
            registry,
            _SECONDS,
            "model",
            "read_as",
        )
        self._rate = _histogram("headwater_tokens_per_second", "Output tokens a second", registry, _RATES, "model")
        self._chunks = _counter("headwater_output_events", "Pieces of output", registry, "model")
        self._stalls = _counter("headwater_stalls", "Silences of providers over 5 s", registry, "model")
        self._interruptions = Counter(
            "headwater_reader_interruptions", "Readers that left before the end of their run", registry=registry
        )
        self._readers = _gauge("headwater_readers", "Open readers", registry, "transport")
        self._reading = _histogram(
            "headwater_reader_seconds", "How long readers stayed", registry, _SECONDS, "transport", "why"
        )
        self._commits = Histogram(
            "headwater_commit_seconds", "A group commit, sync included", buckets=_COMMIT_SECONDS, registry=registry
        )
        self._records = Counter("headwater_records", "Records made durable", registry=registry)
        self._bytes = Counter("headwater_record_bytes", "Bytes of records made durable", registry=registry)
        self._make_call_figures(registry)
        self._recovered = _counter(
            "headwater_runs_recovered", "Runs ended, or taken up again, at a start after a crash", registry, "as"
        )
        self._failed = Gauge("headwater_storage_failed", "1 once the storage has stopped itself", registry=registry)
        self._full = Gauge("headwater_storage_full", "1 while the disk has no space for new runs", registry=registry)

    def _make_call_figures(self, registry: CollectorRegistry) -> None:
        who = ("provider", "model")
        self._calls = _counter("headwater_provider_calls", "Model calls by outcome", registry, *who, "code")
        self._call_first = _histogram(
            "headwater_provider_first_token_seconds",
            "From a model's call to its first output",
            registry,
            _SECONDS,
            *who,
        )
        self._call_rate = _histogram(
            "headwater_provider_tokens_per_second",
            "Output tokens a second of a model call, from its first output to its last",
            registry,
            _RATES,
            *who,
        )
        self._call_error = _gauge(
            "headwater_provider_last_error_timestamp_seconds",
            "When a model call last failed so, as Unix time",
            registry,
            *who,
            "code",
        )
        self._tokens = _counter(
            "headwater_tokens", "Tokens of model calls, reported or estimated", registry, *who, "kind"
        )
        self._cost = _counter(
            "headwater_cost_usd", "US dollars that model calls cost, as far as it is known", registry, *who
        )
        self._repeats = _counter(
            "headwater_call_repeats",
            "Further tries of model calls, by why and how",
            registry,
            "model",
            "code",
            "step",
        )
        self._breakers = _gauge(
            "headwater_breaker", "1 for the state that a model's breaker is in", registry, *who, "state"
        )

    def text(self) -> bytes:
        """All figures in Prometheus' text form."""
        return generate_latest(self.registry)

    def run_started(self, run: str) -> None:
        self._read_as[run] = "unread"

    def run_ended(self, detail: RunEnded) -> None:
        read_as = self._read_as.pop(detail.run, "unread")
        self._runs(detail.workflow, detail.model, detail.state, detail.code or "").inc()
        self._duration(detail.model, read_as).observe(detail.duration_s)
        if detail.first_token_s is not None:
            self._first(detail.model, read_as).observe(detail.first_token_s)
        if detail.tokens_per_s is not None:
            self._rate(detail.model).observe(detail.tokens_per_s)
        self._chunks(detail.model).inc(detail.chunks)
        self._stalls(detail.model).inc(detail.stalls)
        self._interruptions.inc(detail.interruptions)

    def reader_joined(self, run: str, transport: str) -> None:
        self._readers(transport).inc()
        if run in self._read_as:  # else it has ended, and its way of being read is counted
            if transport in _STREAMING:
                self._read_as[run] = "streaming"
            elif self._read_as[run] == "unread":
                self._read_as[run] = "blocking"

    def reader_left(self, detail: ReaderLeft) -> None:
        self._readers(detail.transport).dec()
        self._reading(detail.transport, detail.why).observe(detail.seconds)

    def committed(self, detail: Committed) -> None:
        self._commits.observe(detail.seconds)
        self._records.inc(detail.records)
        self._bytes.inc(detail.bytes)

    def provider_called(self, detail: ProviderCalled) -> None:
        provider, model = detail.provider, detail.model
        self._calls(provider, model, detail.code or "").inc()
        if detail.first_token_s is not None:
            self._call_first(provider, model).observe(detail.first_token_s)
        if detail.tokens_per_s is not None:
            self._call_rate(provider, model).observe(detail.tokens_per_s)
        if detail.code is not None and detail.code != ErrorCode.CANCELLED:
            self._call_error(provider, model, detail.code).set_to_current_time()
        self._tokens(provider, model, "input").inc(detail.input_tokens)
        self._tokens(provider, model, "output").inc(detail.output_tokens)
        if detail.cost_usd is not None:
            self._cost(provider, model).inc(max(0.0, detail.cost_usd))

    def call_repeated(self, detail: CallRepeated) -> None:
        self._repeats(detail.model, detail.code, detail.step).inc()

    def breaker_moved(self, detail: BreakerMoved) -> None:
        for state in BREAKER_STATES:
            self._breakers(detail.provider, detail.name, state).set(state == detail.state)

    def storage_failed(self, error: str) -> None:
        self._failed.set(1)

    def storage_full(self, full: bool) -> None:
        self._full.set(full)

    def runs_recovered(self, interrupted: int, cancelled: int, taken_up: int) -> None:
        self._recovered("interrupted").inc(interrupted)
        self._recovered("cancelled").inc(cancelled)
        self._recovered("taken_up").inc(taken_up)


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
