"""What the API is given by the composition root: the rooms below it, and the limits it keeps to."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping, Sequence
from typing import NamedTuple, Protocol

from headwater.admission.day_tokens import DayTokens
from headwater.admission.key_ring import KeyRing
from headwater.api.answer import Receive, Scope, Send
from headwater.api.pages import NO_PAGES, Pages
from headwater.api.talk_terms import ChatTerms, ConversationTerms
from headwater.delivery.held import Face
from headwater.delivery.streams import StreamReaders
from headwater.delivery.websocket import Outlet, SocketReader
from headwater.domain.message import GenerationRequest
from headwater.domain.run import Owner, Run, RunMetrics, RunRequest
from headwater.domain.snapshot import Snapshot
from headwater.errors import UnavailableError
from headwater.providers.breaker import BreakerFigures
from headwater.providers.contract import ModelInfo
from headwater.providers.cost import Pricing
from headwater.providers.health import NOTHING, HealthFigures
from headwater.storage.contract import IdempotencyKey, Page, Storage
from headwater.workflows.contract import Workflow

BODY_BYTES_MAX = 8 << 20


class RunControl(Protocol):
    """Starts and stops runs. The write half's only door."""

    @property
    def draining(self) -> bool:
        """Whether the server is shutting down: no new runs."""
        ...

    def live_of(self, owner: Owner) -> list[Run]:
        """The owner's runs that have not ended, oldest first, each as it was when it was set going."""
        ...

    def metrics(self, run: str) -> RunMetrics | None:
        """How a run went whose final record is durable and whose row is still to be written; else None."""
        ...

    async def submit(
        self,
        request: RunRequest,
        owner: Owner,
        *,
        idempotency: IdempotencyKey | None = None,
        retry_of: str | None = None,
    ) -> tuple[Run, bool]:
        """The run and whether it was made now, or had been made before under the same idempotency key.

        Raises `ConflictError`, `QueueFullError`, `StorageFullError`, `UnavailableError`.
        """
        ...

    async def over(self, run: str) -> None:
        """Returns once the run's end is stored, with all that is kept of it; a full disk may keep it waiting."""
        ...

    async def cancel(self, run: str, owner: Owner) -> Run:
        """Asks for a cancel, durably; the run as it then stands. Raises `NotFoundError`."""
        ...

    async def delete(self, run: str, owner: Owner) -> None:
        """Cancels a live run, waits for its end, forgets it. Raises `NotFoundError`."""
        ...


class Readers(Protocol):
    """Serves logs to readers. The read half's only door.

    The serving methods send the whole answer. They raise `RefusedError` only before its first byte.
    """

    async def serve_sse(
        self,
        scope: Scope,
        receive: Receive,
        send: Send,
        run_id: str,
        after: int,
        *,
        types: Collection[str] | None = None,
        from_snapshot: bool = False,
        ids_name_run: bool = False,
        status: int = 200,
        extra_headers: Sequence[tuple[bytes, bytes]] = (),
    ) -> None: ...

    async def serve_ndjson(
        self,
        scope: Scope,
        receive: Receive,
        send: Send,
        run_id: str,
        after: int,
        *,
        types: Collection[str] | None = None,
        from_snapshot: bool = False,
        status: int = 200,
        extra_headers: Sequence[tuple[bytes, bytes]] = (),
    ) -> None: ...

    async def serve_many(
        self,
        scope: Scope,
        receive: Receive,
        send: Send,
        places: Sequence[tuple[str, int]],
        *,
        types: Collection[str] | None = None,
        extra_headers: Sequence[tuple[bytes, bytes]] = (),
    ) -> None: ...

    async def serve_face(
        self,
        scope: Scope,
        receive: Receive,
        send: Send,
        run_id: str,
        face: Face,
        *,
        extra_headers: Sequence[tuple[bytes, bytes]] = (),
    ) -> None: ...

    def open_socket(self, outlet: Outlet) -> SocketReader: ...

    async def subscribe(
        self,
        reader: SocketReader,
        run_id: str,
        after: int,
        *,
        types: Collection[str] | None = None,
        from_snapshot: bool = False,
    ) -> bool: ...

    async def page(self, run_id: str, after: int, wait_ms: int, limit: int) -> Page: ...

    async def snapshot(self, run: Run) -> Snapshot: ...


class Models(Protocol):
    """What can be called."""

    def models(self) -> Sequence[ModelInfo]: ...

    def pricing(self, name: str) -> Pricing:
        """How a model is paid for."""
        ...

    def check(self, request: GenerationRequest) -> None:
        """Raises `RefusedError` for what the model that it names can not do. Without I/O."""
        ...


class Services(NamedTuple):
    """Everything the API stands on."""

    supervisor: RunControl
    hub: Readers
    storage: Storage
    catalog: Models
    #: the metrics page, Prometheus' text form
    streams: StreamReaders
    #: the wall clock, in ms since 1970
    now_ms: Callable[[], int]
    metrics: Callable[[], bytes]
    #: None when the server is ready for new runs, else why it is not
    ready: Callable[[], UnavailableError | None]
    #: names that this server answers to beside loopback's own, without port
    hosts: Collection[str] = ()
    #: other origins whose pages may use this API, e.g. `https://app.example`
    origins: Collection[str] = ()
    body_bytes_max: int = BODY_BYTES_MAX
    #: whoever calls needs one of these; None: nobody needs a key
    keys: KeyRing | None = None
    pages: Pages = NO_PAGES
    #: how a model has been lately, by the name that callers use
    health: Callable[[str], HealthFigures] = lambda name: NOTHING
    #: how the breakers stand of the models that have been called, by the same names
    breakers: Callable[[], Mapping[str, BreakerFigures]] = dict
    #: whether a GET may start an event stream that costs something
    sse_streaming: bool = True
    #: what can be run, by the name that callers use
    workflows: Mapping[str, Workflow] = {}
    chat: ChatTerms = ChatTerms()
    conversation: ConversationTerms = ConversationTerms()
    #: what a user's chats may use on a day; without a limit unless the composition root sets one
    day_tokens: DayTokens = DayTokens(0, lambda: 0)
