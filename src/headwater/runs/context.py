"""What a workflow is given: its request, the clock, models to call, and what its owner has kept.

It also keeps the books that an honest end needs: which calls were opened, and which reached their end.
"""

from __future__ import annotations

from collections.abc import AsyncGenerator, AsyncIterator, Mapping
from contextlib import suppress
from itertools import count

from headwater.domain import event as ev
from headwater.domain.document import Document
from headwater.domain.message import GenerationRequest
from headwater.domain.run import Owner
from headwater.errors import BadRequestError
from headwater.runs.attempt import Surroundings
from headwater.runs.call import ModelCall
from headwater.runs.closing import close_stream
from headwater.runs.ending import sealed_result
from headwater.runs.takeover import Resumption
from headwater.storage.contract import DocumentPage, Documents


class Own:
    """The documents of one owner."""

    def __init__(self, documents: Documents, owner: Owner) -> None:
        self._documents = documents
        self._owner = owner

    async def get(self, collection: str, key: str) -> Document | None:
        return await self._documents.get(self._owner, collection, key)

    async def list(
        self, collection: str, *, where: Mapping[str, str] = {}, limit: int = 50, cursor: str | None = None
    ) -> DocumentPage:
        return await self._documents.list(self._owner, collection, where=where, limit=limit, cursor=cursor)


class Context:
    """The `RunContext` of a run. With a `resumption` the first call is one that a crash had cut."""

    def __init__(
        self, around: Surroundings, owner: Owner, documents: Documents, resumption: Resumption | None = None
    ) -> None:
        self.run = around.run
        self.owner = owner
        self.documents = Own(documents, owner)
        #: what the log holds of a process before this one
        self.before: list[ev.Event] = []
        self.request = around.request
        self.clock = around.clock
        self.result: object = None
        self._around = around
        self._resumption = resumption
        self._calls: dict[int, ModelCall] = {}
        #: the numbers of calls that there were before
        self._taken: set[int] = set()
        self._numbers = count()
        self._open: dict[int, AsyncGenerator[list[ev.Event], None]] = {}

    def went_before(self, event: ev.Event) -> None:
        """Takes note of the next event that the log holds of a process before this one."""
        self.before.append(event)
        goes_on = self._resumption is not None and self._resumption.mode != "fresh"
        if isinstance(event, ev.Call) and not goes_on:
            self._taken.add(event.call)

    def set_result(self, value: object) -> None:
        self.result = sealed_result(value)

    @property
    def calls(self) -> int:
        return len(self._calls)

    def tell(self) -> list[ev.UsageReport]:
        """What calls used that ended without being able to say so, each told once."""
        return [event for call in self._calls.values() for event in call.tell()]

    @property
    def unfinished_answers(self) -> list[int]:
        """The calls whose output is in the result and whose end was not reached."""
        return [number for number, call in self._calls.items() if call.role == "answer" and call.finish is None]

    @property
    def finish_reason(self) -> ev.FinishReason:
        """How the last answer call ended; `stop` where a workflow answers without a model."""
        ends = [call.finish for call in self._calls.values() if call.role == "answer" and call.finish is not None]
        return ends[-1].reason if ends else "stop"

    def can(self, capability: str) -> bool:
        for name in (self.request.model, *self.request.fallback):
            # One that is gone since the run was accepted is asked nothing.
            with suppress(BadRequestError):
                if capability not in self._around.models.capabilities(name):
                    return False
        return True

    def generate(self, request: GenerationRequest, *, role: ev.Role = "answer") -> AsyncIterator[list[ev.Event]]:
        place = next(self._numbers)
        call = ModelCall(role, request, self._around, self._begun, lambda: self._open.pop(place, None))
        # the call's own generator: one around it would cost every token a step more
        events = self._open[place] = call.events()
        return events

    def _begun(self, call: ModelCall) -> tuple[int, Resumption | None]:
        number = self._number(call.role)
        self._calls[number] = call
        resumption, self._resumption = self._resumption, None
        return number, resumption

    def _number(self, role: ev.Role) -> int:
        """The next call's. What bears no number is call 1's or the application's own, so that 1 is for an answer."""
        taken = {*self._taken, *self._calls}
        return 1 if role == "answer" and 1 not in taken else max(taken, default=1) + 1

    async def close(self) -> None:
        """Closes what a workflow left open; every upstream socket is closed when it returns."""
        while self._open:
            _, events = self._open.popitem()
            await close_stream(events)

    def let_go(self) -> None:
        """Forgets the calls, each of which leads back here; nothing is asked of this any more."""
        self._calls.clear()
