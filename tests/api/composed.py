"""The API over a real socket with everything below it real: supervisor, hub, catalog, log in memory.

Only the model is played, by the test itself: what `Prompter` is told, it says.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import Any

import httpx

from headwater.api.app import create_api
from headwater.api.server import HttpServer
from headwater.api.services import Services
from headwater.api.sockets import address_of, listen
from headwater.clock import SystemClock
from headwater.delivery.hub import Hub
from headwater.delivery.streams import StreamReaders
from headwater.domain.message import GenerationRequest
from headwater.domain.run import Run
from headwater.errors import UnavailableError
from headwater.metrics import Metrics
from headwater.providers.catalog import Catalog, Entry
from headwater.providers.contract import Finish, Item, ModelInfo
from headwater.providers.resilience import ONCE, Resilience
from headwater.runs.supervisor import Supervisor, Tasks
from headwater.storage.memory import MemoryStorage
from headwater.telemetry import SilentObserver
from headwater.workflows.analysis import Analysis
from headwater.workflows.chat import Chat
from headwater.workflows.conversation import Conversation
from headwater.workflows.stored_chat import StoredChat

HELLO = {"model": "prompted", "messages": [{"role": "user", "content": "Hello"}]}


class Prompter:
    """A model that says what the test tells it to, and goes on until it is told to finish."""

    name = "prompter"

    def __init__(self) -> None:
        self.calls: list[GenerationRequest] = []
        #: what is said at once to every call, before anything else
        self.script: list[list[Item]] = []
        self._said: asyncio.Queue[list[Item]] = asyncio.Queue(100)

    def say(self, *items: Item) -> None:
        self._said.put_nowait(list(items))

    def finish(self) -> None:
        self.say(Finish("stop"))

    def check(self, request: GenerationRequest) -> None: ...

    async def stream(self, request: GenerationRequest, *, connect_s: float | None) -> AsyncIterator[list[Item]]:
        self.calls.append(request)
        yield []
        for items in self.script:
            yield items
            if any(isinstance(item, Finish) for item in items):
                return
        while True:
            items = await self._said.get()
            yield items
            if any(isinstance(item, Finish) for item in items):
                return

    async def close(self) -> None: ...


class RunningApi:
    """A server in this process. `client` sends what a program sends; `exchange` sends bytes as they are."""

    def __init__(self, services: Services, storage: MemoryStorage, hub: Hub, prompter: Prompter, port: int) -> None:
        self.services = services
        self.storage = storage
        self.hub = hub
        self.prompter = prompter
        self.port = port
        # verify: plain HTTP needs none of the certificates that httpx would read for each client
        self.client = httpx.AsyncClient(base_url=f"http://127.0.0.1:{port}", trust_env=False, timeout=30, verify=False)

    async def start(self, **changes: Any) -> str:
        """Starts a run and returns its id."""
        response = await self.client.post("/api/v1/runs", json={**HELLO, **changes})
        assert response.status_code == 201, response.text
        return str(response.json()["id"])

    async def finished(self, **changes: Any) -> str:
        """Starts a run, has it say `Hi`, and returns its id after its end."""
        run = await self.start(**changes)
        self.prompter.finish()
        await self.ended(run)
        return run

    async def ended(self, run: str) -> list[Any]:
        """Waits for the run's end; its records."""
        response = await self.client.get(f"/api/v1/runs/{run}/events", headers={"accept": "application/x-ndjson"})
        assert response.status_code == 200, response.text
        return [line for line in response.text.split("\n") if line]

    async def exchange(self, request: bytes) -> tuple[int, dict[str, str], bytes]:
        """Sends these bytes on a connection of their own: the status, the headers in lower case, the body."""
        reader, writer = await asyncio.open_connection("127.0.0.1", self.port)
        try:
            writer.write(request)
            head = (await reader.readuntil(b"\r\n\r\n")).decode("latin-1").split("\r\n")
            headers = {name.lower(): value.strip() for name, _, value in (line.partition(":") for line in head[1:])}
            length = 0 if request.startswith(b"HEAD ") else int(headers.get("content-length", "0"))
            body = await reader.readexactly(length)
            return int(head[0].split()[1]), headers, body
        finally:
            writer.close()


@asynccontextmanager
async def running_api(*, admit: Callable[[Run], None] = lambda run: None, **changes: Any) -> AsyncIterator[RunningApi]:
    """The API on a free port until the block ends. `changes` replace fields of `Services`."""
    clock, observer, tasks, prompter = SystemClock(), SilentObserver(), Tasks(), Prompter()
    storage = MemoryStorage()
    await storage.open()
    workflows = {each.name: each() for each in (Chat, StoredChat, Conversation, Analysis)}
    info = ModelInfo("prompted", "prompter", "prompted-1", ("text", "tools"))
    catalog = Catalog([Entry(info, prompter)])
    supervisor = Supervisor(
        storage=storage,
        models=catalog,
        workflows=workflows,
        clock=clock,
        observer=observer,
        tasks=tasks,
        resilience=Resilience(ONCE),
        admit=admit,
    )
    hub = Hub(storage.log, clock=clock, spawn=tasks.spawn, observer=observer, presence=supervisor)
    services = Services(
        supervisor=supervisor,
        hub=hub,
        storage=storage,
        streams=(streams := StreamReaders(storage, clock, supervisor, long_poll_s=0.2)),
        now_ms=clock.now_ms,
        catalog=catalog,
        metrics=Metrics(live=lambda: supervisor.live, waiting=lambda: supervisor.waiting).text,
        ready=lambda: UnavailableError("The server is shutting down.") if supervisor.draining else None,
    )._replace(**changes)
    server = HttpServer(create_api(services))
    sockets = listen("127.0.0.1", 0)
    await server.start(sockets)
    api = RunningApi(services, storage, hub, prompter, address_of(sockets)[1])
    try:
        yield api
    finally:
        await api.client.aclose()
        await supervisor.drain(5)
        hub.drain()
        streams.drain()
        await server.stop(1)
        await tasks.close()
        await storage.close()
