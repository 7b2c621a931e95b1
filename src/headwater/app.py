"""The composition root: everything is built and joined here, and only here.

Begin: take hold of the data directory → end or take up what an earlier process left unended → listen → ready.
End: not ready, no new runs → running ones end with DRAINING and their readers see it → readers that
remain are told to come back → connections are closed → the log is written and let go of.
"""

from __future__ import annotations

import asyncio
import contextlib
import gc
import logging
import os
import signal
import sys
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import NamedTuple
from urllib.parse import urlsplit

import structlog

from headwater.admission.day_tokens import DayTokens
from headwater.admission.key_ring import KeyRing
from headwater.admission.key_watch import KeyWatch
from headwater.admission.speaking import Speaking
from headwater.api.app import create_api
from headwater.api.pages import Pages
from headwater.api.server import HttpServer
from headwater.api.services import Services
from headwater.api.sockets import address_of, listen, raise_file_limit
from headwater.api.talk_terms import ChatTerms, ConversationTerms
from headwater.clock import Clock, SystemClock
from headwater.delivery.hub import Hub
from headwater.delivery.streams import StreamReaders
from headwater.domain.stream import StreamLimits
from headwater.errors import ConfigError, ErrorCode, UnavailableError
from headwater.local.provider import LocalModel
from headwater.metrics import LogLines, Metrics
from headwater.providers import prices, replay
from headwater.providers.breaker import BreakerFigures, Thresholds
from headwater.providers.catalog import Catalog, ModelRow, destination_of
from headwater.providers.cost import Price
from headwater.providers.health import Health
from headwater.providers.plugins import installed_plugins, without_faulty
from headwater.providers.resilience import Resilience, ResiliencePolicy
from headwater.providers.retry import RetryPolicy
from headwater.providers.servers import SERVERS, ServerRow
from headwater.runs.supervisor import Supervisor, Tasks
from headwater.settings import DurableStreamsSettings, ResilienceSettings, Settings, is_loopback, misnamed
from headwater.storage.contract import Storage
from headwater.storage.key_orders import KeyOrders
from headwater.storage.sqlite import SqliteStorage
from headwater.telemetry import Observer, Observers, frames
from headwater.workflows.contract import Workflow
from headwater.workflows.plugins import installed_workflows

_log = structlog.get_logger("headwater")

#: What `headwater serve` ends with where the storage has failed (sysexits: EX_IOERR).
EXIT_STORAGE = 74
#: Of the drain's time, the part that connections get after the runs have ended.
_CLOSING_SHARE = 0.2
#: After so many new containers the youngest are looked at; the older ones after so many looks (gc.set_threshold). All
#: tokens of the moment wait for a look: about a millisecond for 2,000 containers, 100 to 150 ms for all those of 200
#: runs. What the server makes is let go of without it (`Runner.let_go`), so the long looks can be rare.
GC_THRESHOLDS = (2_000, 500, 20)
#: How long the loop's thread keeps the interpreter from the writer's where both have work. A commit asks for it several
#: times, and all tokens of the moment wait for that commit: Python's own 5 ms each would be most of their wait.
SWITCH_INTERVAL_S = 0.0001
#: How long a workflow may take to let go of what it holds.
WORKFLOW_CLOSE_S = 1.0
#: With a failed storage no run can be ended any more; only readers are still told.
FAILED_DRAIN_S = 1.0
#: Where the build puts the pages; a checkout may not have them.
PAGES_DIR = Path(__file__).parent / "pages"

MakeStorage = Callable[[Settings, Observer], Storage]


def make_storage(settings: Settings, observer: Observer) -> Storage:
    """The embedded engine: one SQLite file in the data directory."""
    return SqliteStorage(
        settings.data,
        observer=observer,
        commit_interval_ms=settings.log.commit_interval_ms,
        durability=settings.log.durability,
        stream_limits=stream_limits(settings.durable_streams),
    )


class Parts(NamedTuple):
    """What a server is made of."""

    storage: Storage
    tasks: Tasks
    catalog: Catalog
    supervisor: Supervisor
    hub: Hub
    streams: StreamReaders
    metrics: Metrics
    health: Health
    day_tokens: DayTokens
    #: the model on this machine, where the settings want it
    local: LocalModel | None
    workflows: Mapping[str, Workflow]


class App:
    """One server, from `start` to `stop`. `make` is there so that tests can put other storage below the rest."""

    def __init__(
        self,
        settings: Settings,
        *,
        clock: Clock | None = None,
        environ: Mapping[str, str] = os.environ,
        make: MakeStorage = make_storage,
    ) -> None:
        self.settings = settings
        self.url = ""
        #: set when the server has to end: by a signal, or by itself once `failed`
        self.ending = asyncio.Event()
        self.failed = False
        self._serving = False
        clock = clock or SystemClock()
        self._now_ms = clock.now_ms
        self.parts = parts = _build(settings, clock, environ, make)
        self._keys = KeyRing(clock.now_ms)
        self._key_watch = KeyWatch(parts.storage.api_keys, KeyOrders(settings.data), self._keys)
        services = Services(
            supervisor=parts.supervisor,
            hub=parts.hub,
            streams=parts.streams,
            now_ms=clock.now_ms,
            storage=parts.storage,
            catalog=parts.catalog,
            metrics=parts.metrics.text,
            ready=self.why_not_ready,
            hosts=settings.server.allowed_hosts,
            origins=settings.server.allowed_origins,
            keys=self._keys if settings.server.keys == "required" else None,
            body_bytes_max=settings.server.body_bytes_max,
            pages=Pages.read(PAGES_DIR),
            health=parts.health.figures,
            breakers=partial(_breakers, parts.supervisor, clock),
            day_tokens=parts.day_tokens,
            chat=ChatTerms(**settings.chat.model_dump(exclude={"day_tokens_max"})),
            conversation=ConversationTerms(**settings.conversation.model_dump(exclude={"per_minute"})),
            workflows=parts.workflows,
            sse_streaming=settings.flags.sse_streaming,
        )
        self._server = HttpServer(create_api(services))
        self._stop_refreshing: Callable[[], None] = lambda: None

    def why_not_ready(self) -> UnavailableError | None:
        """None when new runs are taken, else why not."""
        # A failed storage also drains: the cause comes before what follows from it.
        if self.failed:
            return UnavailableError("The storage has failed.", code=ErrorCode.STORAGE)
        if self.parts.supervisor.draining:
            return UnavailableError("The server is shutting down.")
        if not self._serving:
            return UnavailableError("The server is starting.")
        return None

    async def start(self) -> None:
        """Returns when the server can be called. Raises `ConfigError`, `StorageError`."""
        parts, server = self.parts, self.settings.server
        for warning in parts.catalog.warnings:
            _log.warning(warning)
        if parts.catalog.needs_prices:
            await self._load_prices()
        raise_file_limit()
        await parts.storage.open()
        parts.storage.on_failure(self._storage_failed)
        try:
            await self._key_watch.begin()
            recovered = await parts.supervisor.recover()
            await parts.storage.streams.sweep(self._now_ms())
            sockets = listen(server.host, server.port, anywhere=server.keys == "required")
            parts.supervisor.take_up(recovered.taken_up)
            parts.supervisor.stop_answers(recovered.left_going)
            await self._server.start(sockets)
        except BaseException:
            await parts.tasks.close()
            self._key_watch.close()
            await _close(parts.workflows)
            await parts.storage.close()
            raise
        host, port = address_of(sockets)
        self.url = f"http://[{host}]:{port}" if ":" in host else f"http://{host}:{port}"
        self._serving = True
        parts.tasks.spawn(self._key_watch.run(), "keys")
        if server.keys == "required":
            self._tell_of_keys(host)
        if parts.local is not None:
            parts.local.start()

    def _tell_of_keys(self, host: str) -> None:
        if not self._keys.active:
            _log.warning("Callers need a key, and there is none: make one with `headwater keys create NAME`.")
        if not is_loopback(host):
            _log.warning("Keys come over the network as they are: put a proxy in front that speaks TLS.")

    async def _load_prices(self) -> None:
        """Reads the prices in now, and not in the middle of a run: that takes a quarter of a second."""
        await asyncio.to_thread(prices.load)
        wanted = self.settings.prices
        if wanted.refresh_h is not None:
            self._stop_refreshing = prices.keep_fresh(wanted.refresh_h * 3600, wanted.list_url)

    def _storage_failed(self, error: BaseException) -> None:
        """Nothing that happens from now on can be kept, so nothing more is to happen."""
        self.failed = True
        self.ending.set()

    async def stop(self, limit_s: float | None = None) -> bool:
        """Ends everything in order within about the limit; True if every run got its end."""
        parts = self.parts
        limit_s = self.settings.server.drain_s if limit_s is None else limit_s
        ended = await parts.supervisor.drain(limit_s * (1 - _CLOSING_SHARE))
        parts.hub.drain()
        parts.streams.drain()
        await self._server.stop(limit_s * _CLOSING_SHARE)
        self._stop_refreshing()
        await parts.tasks.close()
        self._key_watch.close()
        await _close(parts.workflows)
        await parts.catalog.close()
        await parts.storage.close()
        return ended


def _build(settings: Settings, clock: Clock, environ: Mapping[str, str], make: MakeStorage) -> Parts:
    tasks = Tasks()
    # the figures' gauges ask the supervisor, which is only there once the metrics are
    live: list[Supervisor] = []
    metrics = Metrics(live=lambda: live[0].live if live else 0, waiting=lambda: live[0].waiting if live else 0)
    health = Health(clock)
    day_tokens = DayTokens(settings.chat.day_tokens_max, clock.now_ms)
    observer = Observers(metrics, health, day_tokens, LogLines(provider_detail=settings.log.provider_detail))
    storage = make(settings, observer)
    local = LocalModel(spawn=tasks.spawn, clock=clock) if settings.local else None
    plugins = installed_plugins()
    rows, disabled = without_faulty(model_rows(settings), plugins)
    for row in rows:
        check_is_another(row, settings.server.port, plugins.all_servers)
    catalog = Catalog.from_rows(
        rows,
        environ,
        servers=plugins.all_servers,
        hosts=settings.egress.hosts,
        read_records=partial(_read_records, storage),
        more=[] if local is None else [local.entry],
    )
    workflows = installed_workflows()
    check_named(settings, catalog)
    catalog.warnings += [*plugins.faults.values(), *disabled, *workflows.faults.values()]
    supervisor = Supervisor(
        storage=storage,
        models=catalog,
        workflows=workflows.workflows,
        foreign=workflows.foreign,
        clock=clock,
        observer=observer,
        tasks=tasks,
        resilience=Resilience(resilience_policy(settings.resilience), observer.breaker_moved),
        slots=settings.runs.slots,
        waiting_max=settings.runs.waiting_max,
        admit=Speaking(settings.conversation.per_minute, clock.now_ms).admit,
    )
    live.append(supervisor)
    hub = Hub(
        storage.log,
        clock=clock,
        spawn=tasks.spawn,
        observer=observer,
        presence=supervisor,
        heartbeat_s=settings.server.heartbeat_s,
        stall_s=settings.server.stall_s,
    )
    streams = StreamReaders(
        storage,
        clock,
        supervisor,
        long_poll_s=settings.durable_streams.long_poll_ms / 1000,
        heartbeat_s=settings.server.heartbeat_s,
        stall_s=settings.server.stall_s,
    )
    return Parts(
        storage, tasks, catalog, supervisor, hub, streams, metrics, health, day_tokens, local, workflows.workflows
    )


async def _close(workflows: Mapping[str, Workflow]) -> None:
    """Whatever one of them does, the others and the storage are closed."""
    for name, workflow in workflows.items():
        try:
            async with asyncio.timeout(WORKFLOW_CLOSE_S):
                await workflow.close()
        except Exception as error:
            _log.error("workflow not closed", workflow=name, error=type(error).__name__, where=frames(error))


def _breakers(supervisor: Supervisor, clock: Clock) -> Mapping[str, BreakerFigures]:
    return {row.name: row.figures for row in supervisor.resilience.breakers.snapshot(clock.monotonic())}


async def _read_records(storage: Storage, run: str, after: int) -> Sequence[bytes]:
    return (await storage.log.read(run, after)).payloads


def stream_limits(settings: DurableStreamsSettings) -> StreamLimits:
    """What the settings say of how much streams may hold."""
    return StreamLimits(settings.streams_max, settings.stream_bytes_max, settings.bytes_max)


def resilience_policy(settings: ResilienceSettings) -> ResiliencePolicy:
    """What the settings say of retries and breakers."""
    return ResiliencePolicy(
        RetryPolicy(settings.tries_max, settings.backoff_s, settings.backoff_max_s),
        settings.budget_ratio,
        settings.budget_reserve,
        settings.budget_in_vain,
        Thresholds(
            settings.breaker_failures, settings.breaker_share, settings.breaker_window_s, settings.breaker_rest_s
        ),
    )


def model_rows(settings: Settings) -> list[ModelRow]:
    """The catalog's rows of a configuration."""
    return [
        ModelRow(**{**model.model_dump(), "price": None if model.price is None else Price(**model.price.model_dump())})
        for model in settings.models
    ]


def check_named(settings: Settings, catalog: Catalog) -> None:
    """Raises `ConfigError` where the chat or the conversation is to be answered by a model that there is not."""
    known = {model.name for model in catalog.models()}
    for section, names in (("chat", settings.chat.models), ("conversation", settings.conversation.models)):
        for name in names:
            if name not in known:
                raise ConfigError(
                    f"{section}.models: there is no model `{name}`; there are: {', '.join(sorted(known))}."
                )


def check_is_another(row: ModelRow, port: int, servers: Mapping[str, ServerRow] = SERVERS) -> None:
    """Raises `ConfigError` where the model's server would be the one that listens on this port.

    A server that calls itself would start a run for each run, until its slots are full.
    """
    if row.provider == replay.NAME:
        return
    try:
        place = urlsplit(destination_of(row, servers).base_url)
        its_port = place.port or (443 if place.scheme == "https" else 80)
    except (ConfigError, ValueError):
        return  # what is wrong with it is for the catalog to say
    if its_port == port and is_loopback(place.hostname or ""):
        raise ConfigError(
            f"models: `{row.name}` would be called at {place.netloc}, which is this server's own address. Start the "
            "model's server on another port and name it in base_url (with allow_private), or change server.port."
        )


def configure_logging() -> None:
    """Lines for a person at a terminal, JSON for anything else; on standard error."""
    at_terminal = sys.stderr.isatty()
    shape: structlog.typing.Processor = (
        structlog.dev.ConsoleRenderer() if at_terminal else structlog.processors.JSONRenderer()
    )
    structlog.configure(
        processors=[
            structlog.processors.add_log_level,
            structlog.processors.TimeStamper(fmt="iso", utc=True),
            shape,
        ],
        wrapper_class=structlog.make_filtering_bound_logger(logging.INFO),
        logger_factory=structlog.WriteLoggerFactory(file=sys.stderr),
        cache_logger_on_first_use=True,
    )


async def run(app: App, *, on_ready: Callable[[str], None]) -> int:
    """Serves until a signal or a failed storage; returns the exit code. A second signal ends it at once."""
    loop = asyncio.get_running_loop()

    def on_signal() -> None:
        if app.ending.is_set():
            os._exit(130)
        app.ending.set()

    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, on_signal)
    await app.start()
    on_ready(app.url)
    await app.ending.wait()
    _log.info("stopping", live=app.parts.supervisor.live, readers=app.parts.hub.readers)
    ended = await app.stop(FAILED_DRAIN_S if app.failed else None)
    _log.info("stopped", every_run_ended=ended)
    return EXIT_STORAGE if app.failed else 0


def _spare_the_collector() -> None:
    """What is there at the start stays to the end, and what a token makes is let go of by itself.

    Looking through all of it again and again cost 4 % of a busy server's time, in pauses of some ms.
    """
    gc.freeze()
    gc.set_threshold(*GC_THRESHOLDS)
    gc.enable()


def serve(settings: Settings, *, make: MakeStorage = make_storage) -> int:
    """Runs a server in this process until it is told to end; returns the exit code. Raises `ConfigError`."""
    configure_logging()
    sys.setswitchinterval(SWITCH_INTERVAL_S)
    for warning in misnamed(os.environ):
        _log.warning(warning)
    factory: Callable[[], asyncio.AbstractEventLoop] | None = None
    with contextlib.suppress(ImportError):
        import uvloop

        factory = uvloop.new_event_loop

    def tell(url: str) -> None:
        _spare_the_collector()
        sys.stdout.write(f"Headwater listens on {url}\n")
        sys.stdout.flush()

    async def main() -> int:
        return await run(App(settings, make=make), on_ready=tell)

    with asyncio.Runner(loop_factory=factory) as runner:
        return runner.run(main())
