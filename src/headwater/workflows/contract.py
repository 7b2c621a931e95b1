"""The contract between a run and the work in it.

A workflow is found by an entry point of the group `headwater.workflows`, whose name is the workflow's and which names a
class that is made without arguments (`workflows.plugins`). It is one object for all runs, and all its methods are
called in the event loop's thread: what takes long goes elsewhere.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping, Sequence
from typing import Any, ClassVar, NamedTuple, Protocol

from headwater.clock import Clock
from headwater.domain.document import Document
from headwater.domain.event import Event, Role
from headwater.domain.message import GenerationRequest
from headwater.domain.run import Owner, Run, RunMetrics, RunRequest, RunState
from headwater.domain.snapshot import ErrorSnapshot, Snapshot
from headwater.storage.contract import OwnDocuments


class RunContext(Protocol):
    """What a workflow is given."""

    @property
    def run(self) -> str:
        """The run's id."""
        ...

    @property
    def owner(self) -> Owner: ...

    @property
    def request(self) -> RunRequest: ...

    @property
    def clock(self) -> Clock: ...

    @property
    def before(self) -> Sequence[Event]:
        """What the log holds of a process that died, where the run goes on; the seq of `before[i]` is i + 1."""
        ...

    @property
    def documents(self) -> OwnDocuments:
        """The owner's, to be read; what is to be stored is said by `Workflow.documents`."""
        ...

    def can(self, capability: str) -> bool:
        """Whether the run's model, and each that may answer in its place, has this among its capabilities."""
        ...

    def generate(self, request: GenerationRequest, *, role: Role = "answer") -> AsyncIterator[list[Event]]:
        """One model call of this run: announces it, yields its events as they arrive, ends when it is whole.

        `request.model` is the name that callers use. Output of an `internal` call carries the call's number and is no
        part of the answer. Calls may run side by side; each keeps to its own limits. Raises `ProviderError`. The run
        can complete only if every `answer` call was read to its end.
        """
        ...

    def set_result(self, value: object) -> None:
        """The application's result, which the final record carries; JSON. Raises ValueError for one that is too large.

        It may be set again: a run that ends early has what was set last, as far as it had come.
        """
        ...


class EndedRun(NamedTuple):
    """A run that has its end: whole, cancelled or failed. Times are milliseconds since 1970 (UTC)."""

    run: str
    owner: Owner
    request: RunRequest
    state: RunState
    snapshot: Snapshot
    #: what `set_result` was given, if the run is whole
    result: Any
    created_at_ms: int
    ended_at_ms: int
    #: None where it was cut by a crash and nobody has measured it
    metrics: RunMetrics | None = None

    @property
    def error(self) -> ErrorSnapshot | None:
        """Why it failed, if it did."""
        return self.snapshot.error


class Workflow:
    """One kind of run. To be inherited from; `name` and `run` are what each has to say itself."""

    #: the name that callers use; that of the entry point
    name: str
    #: for people who choose among workflows: a few words, and a sentence or two
    title: str = ""
    description: str = ""
    #: JSON Schema (2020-12) that a request's `input` is held to before the run exists; None: it takes `messages`
    input_schema: ClassVar[Mapping[str, Any] | None] = None
    #: what its calls take of the model beyond text, by the names in `GET /api/v1/models`: another one is refused
    needs: Sequence[str] = ()
    #: after a crash it is begun again in the same run, and goes on by itself from `RunContext.before`
    takes_up: bool = False

    def check(self, request: RunRequest) -> None:
        """Refuses a request before a run exists. Raises `RefusedError`; nothing was stored or called."""

    async def check_kept(self, request: RunRequest, kept: OwnDocuments) -> None:
        """Refuses a request that goes on with what its owner has not kept; after `check`. Raises `RefusedError`."""

    def run(self, context: RunContext) -> AsyncIterator[list[Event]]:
        """Yields what happens, as lists of what happened together: events of its calls, and its own.

        Its own are `Status`, `Context`, `Field`, `Iteration`, `Log`, and text where no model makes it. Returning is
        success; raising `ProviderError` is failure.
        """
        raise NotImplementedError

    def title_of(self, request: RunRequest) -> str | None:
        """What a run is called in lists, which do not say what it was asked; None for nothing. Pure, and quick.

        It becomes `title` of its metadata, unless its caller has called it something.
        """
        return None

    def documents_begun(self, run: Run) -> Sequence[Document]:
        """What is kept of a run from its beginning on: stored in one piece with its row. Pure, and quick."""
        return ()

    def documents(self, ended: EndedRun) -> Sequence[Document]:
        """What is kept of a run that has ended, in whichever way: stored in one piece with its end, exactly once.

        Pure, and quick: after a crash it is called by the next start.
        """
        return ()

    def result_so_far(self, request: RunRequest, snapshot: Snapshot) -> object:
        """What a run had come to that a crash has ended for good, by what its log says; None for nothing.

        It is the `result` of the final record, as what `set_result` had last is where the server lives: that died with
        the process. Pure, and quick.
        """
        return None

    async def close(self) -> None:
        """Lets go of what it holds beside its runs: processes, connections. Called once, when no run is left."""
